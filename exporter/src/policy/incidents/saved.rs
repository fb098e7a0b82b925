//! An incident as it is saved: without the names of its parts, since there are thousands of them, and with its client by address, which
//! nobody is shown in every mode.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::event::Timestamp;
use crate::finding::Severity;
use crate::incident::{Incident, Player};
use crate::subject::Client;

/// Number, kind, severity, source, whom it is about, client, country, strikes, summary, evidence, first, last, end, findings, player,
/// whose deeds it is about.
#[derive(Serialize, Deserialize)]
struct Listed<T, L, P>(
    u64,
    T,
    Severity,
    T,
    T,
    Option<T>,
    Option<T>,
    u32,
    T,
    L,
    Timestamp,
    Timestamp,
    Option<Timestamp>,
    u64,
    Option<P>,
    Option<Client>,
);

/// For [`read`].
pub(super) fn written(incident: &Incident, deeds_of: Option<Client>) -> impl Serialize + '_ {
    let Incident { id, kind, severity, source, about, client, country, strikes, summary, evidence, opened, last, closed, findings, player } =
        incident;
    let (client, country) = (client.as_deref(), country.as_deref());
    Listed::<&str, &[String], &Player>(
        *id,
        kind,
        *severity,
        source,
        about,
        client,
        country,
        *strikes,
        summary,
        evidence,
        *opened,
        *last,
        *closed,
        *findings,
        player.as_ref(),
        deeds_of,
    )
}

/// What [`written`] gave, or what earlier versions wrote: an object. `None` if it is damaged.
pub(super) fn read(saved: &Value) -> Option<(Incident, Option<Client>)> {
    if saved.is_object() {
        return Some((Incident::deserialize(saved).ok()?, Client::deserialize(&saved["deeds_of"]).ok()));
    }
    let Listed(id, kind, severity, source, about, client, country, strikes, summary, evidence, opened, last, closed, findings, player, of) =
        Listed::<String, Vec<String>, Player>::deserialize(saved).ok()?;
    let incident =
        Incident { id, kind, severity, source, about, client, country, strikes, summary, evidence, opened, last, closed, findings, player };
    Some((incident, of))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_saved_is_read_and_what_earlier_versions_saved_too() {
        let at = |secs: i64| Timestamp::from_secs(1_795_255_200 + secs);
        let attack = Incident {
            id: 7,
            kind: "enumeration".into(),
            severity: Severity::Warning,
            source: "web".into(),
            about: "203.0.113.7".into(),
            client: Some("203.0.113.7".into()),
            country: Some("DE".into()),
            strikes: 2,
            summary: "It \"guesses\".".into(),
            evidence: vec!["a".into(), "b".into()],
            opened: at(0),
            last: at(60),
            closed: None,
            findings: 3,
            player: None,
        };
        let player = Player { server: "s".into(), returning: true, vpn: None, online: 3 };
        let stay =
            Incident { client: None, country: None, evidence: Vec::new(), closed: Some(at(90)), player: Some(player), ..attack.clone() };
        for (incident, client) in [(attack, Some(Client::V4(7))), (stay, None)] {
            let saved = serde_json::to_value(written(&incident, client)).unwrap();
            assert!(saved.is_array());
            assert_eq!(read(&saved), Some((incident.clone(), client)));
            let mut named = json!(incident);
            named["deeds_of"] = json!(client);
            assert_eq!(read(&named), Some((incident, client)));
        }
        for damaged in [json!([]), json!([7, "enumeration"]), json!({}), json!(null), json!("x")] {
            assert_eq!(read(&damaged), None);
        }
    }
}
