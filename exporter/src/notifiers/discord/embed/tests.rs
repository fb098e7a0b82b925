use proptest::prelude::*;
use serde_json::Value;

use super::super::escape::units;
use super::*;

fn at(minutes: i64) -> Timestamp {
    Timestamp::from_secs(1_795_255_200 + minutes * 60)
}

fn incident(kind: &str, severity: Severity) -> Incident {
    Incident {
        id: 17,
        kind: kind.to_owned(),
        severity,
        source: "ssh".to_owned(),
        about: "203.0.113.7".to_owned(),
        client: Some("203.0.113.7".to_owned()),
        country: Some("NL".to_owned()),
        strikes: 0,
        summary: "203.0.113.7 (NL) tried 12 users over SSH within 10 minutes.".to_owned(),
        evidence: vec!["users: root, admin".to_owned()],
        opened: at(0),
        last: at(72),
        closed: None,
        findings: 3,
        player: None,
    }
}

fn shown(told: Vec<Told>, edits: Option<&str>, waiting: usize) -> Value {
    let servers = [Server { name: "dm".to_owned(), connect: "connect 203.0.113.9:27015".to_owned() }];
    let delivery = Delivery { told, edits: edits.map(str::to_owned), waiting };
    serde_json::to_value(message("shop", &servers, &delivery)).unwrap()
}

fn one(change: Change, incident: Incident) -> Value {
    shown(vec![Told { change, incident }], None, 0)["embeds"][0].take()
}

/// Title, description, and each field as `name: value`.
fn lines(embed: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let fields =
        embed["fields"].as_array().into_iter().flatten().map(|field| format!("{}: {}", text(&field["name"]), text(&field["value"])));
    [text(&embed["title"]), text(&embed["description"])].into_iter().chain(fields).chain([text(&embed["footer"]["text"])]).collect()
}

#[test]
fn an_incident_says_who_did_what_and_what_to_do() {
    let whole = shown(vec![Told { change: Change::Opened, incident: incident("ssh_brute_force", Severity::Warning) }], None, 4);
    assert_eq!(whole["allowed_mentions"], serde_json::json!({ "parse": [] }));
    assert_eq!(
        lines(&whole["embeds"][0]),
        [
            "SSH password guessing: 203.0.113.7",
            "203.0.113.7 \\(NL\\) tried 12 users over SSH within 10 minutes.\nNext: `hostwarden why 203.0.113.7`",
            "Client: `203.0.113.7` 🇳🇱 Netherlands (NL)",
            "Source: `ssh`",
            "Findings: 3",
            "Began: <t:1795255200:R>",
            "Evidence: `users: root, admin`\n",
            "Incident 17 · shop · 4 more wait to be told",
        ]
    );
    let over = one(Change::Closed, Incident { closed: Some(at(87)), strikes: 2, ..incident("slow_attacker", Severity::Critical) });
    let said = lines(&over);
    assert_eq!(said[0], "Over: Slow attacker: 203.0.113.7");
    assert!(said.contains(&"Lasted: 1 h 12 min".to_owned()) && said.contains(&"Strikes: 2".to_owned()), "{said:?}");
    assert!(!said[1].contains("Next"), "{said:?}");
    let goes_on = one(Change::Updated, incident("a_new_kind", Severity::Info));
    assert!(lines(&goes_on)[0].starts_with("Goes on: a new kind: "), "{goes_on}");
}

#[test]
fn colors_follow_severity_and_strikes() {
    for (severity, strikes, change, expected) in [
        (Severity::Info, 0, Change::Opened, INFO),
        (Severity::Warning, 0, Change::Updated, ORANGE),
        (Severity::Critical, 0, Change::Opened, RED),
        (Severity::Info, 1, Change::Opened, ORANGE),
        (Severity::Warning, 2, Change::Opened, RED),
        (Severity::Critical, 1, Change::Opened, RED),
        (Severity::Critical, 3, Change::Opened, DARK_RED),
        (Severity::Warning, 9, Change::Opened, DARK_RED),
        (Severity::Critical, 9, Change::Closed, OVER),
    ] {
        let embed = one(change, Incident { strikes, ..incident("slow_attacker", severity) });
        assert_eq!(embed["color"], expected, "{severity:?} {strikes} {change:?}");
    }
}

#[test]
fn players_come_and_go() {
    let player = Player { server: "dm".to_owned(), returning: true, vpn: Some(true), online: 3 };
    let came = Incident { about: "*Ann* on dm".to_owned(), player: Some(player), evidence: vec![], ..incident(PLAYERS, Severity::Info) };
    assert_eq!(
        lines(&one(Change::Opened, came.clone())),
        [
            "\\*Ann\\* joined dm",
            "joined <t:1795255200:R>",
            "From: `203.0.113.7`",
            "Country: 🇳🇱 Netherlands (NL)",
            "VPN: ⚠️ yes",
            "Online now: 3",
            "Visits: 🔁 has been here before",
            "Connect: ```\nconnect 203.0.113.9:27015\n```",
            "Incident 17 · shop",
        ]
    );
    let left = one(Change::Closed, Incident { closed: Some(at(72)), ..came.clone() });
    assert_eq!(lines(&left)[..2], ["\\*Ann\\* left dm", "left after 1 h 12 min"]);
    assert!(!lines(&left).join("\n").contains("Connect"));
    let elsewhere = Player { server: "other".to_owned(), returning: false, vpn: None, online: 1 };
    let said = lines(&one(Change::Opened, Incident { player: Some(elsewhere), ..came })).join("\n");
    assert!(said.contains("first visit") && !said.contains("VPN") && !said.contains("Connect"), "{said}");
}

#[test]
fn a_digest_lists_all_of_them() {
    let told = |id: u64, change| {
        let about = format!("{}{id}", "203.0.113.7 ".repeat(9));
        let long = Incident { id: u64::MAX - id, about, country: Some("GB".to_owned()), ..incident("ssh_brute_force", Severity::Critical) };
        Told { change, incident: long }
    };
    for count in [2, DIGEST_MAX, 150] {
        let all: Vec<Told> = (0..count).map(|id| told(id as u64, if id % 2 == 0 { Change::Opened } else { Change::Closed })).collect();
        let embed = shown(all, None, 0)["embeds"][0].take();
        let description = embed["description"].as_str().unwrap();
        assert!(units(description) <= 4_096, "{}", units(description));
        let missing: Vec<u64> = (0..count as u64).filter(|id| !description.contains(&format!("#{}", u64::MAX - id))).collect();
        assert!(missing.is_empty(), "{missing:?} of {description}");
        if count <= DIGEST_MAX {
            let kinds = description.matches("🔴 SSH password guessing `203").count();
            assert_eq!((kinds, description.matches("🇬🇧").count()), (count, count), "{description}");
        }
        let (new, over) = (count.div_ceil(2), count / 2);
        assert_eq!(embed["title"], format!("{count} incidents: {new} new, {over} over, {new} critical"), "of those that are not over");
    }
}

#[test]
fn durations_are_short() {
    for (secs, expected) in
        [(0, "0 s"), (59, "59 s"), (60, "1 min"), (3_600, "1 h"), (4_320, "1 h 12 min"), (86_400, "1 d"), (97_200, "1 d 3 h")]
    {
        assert_eq!(lasting(Duration::from_secs(secs)), expected);
    }
}

/// Texts as strangers would write them, long ones too.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "@everyone ",
        "<@&1>",
        "http://evil.example/",
        "www.x.y",
        "`",
        "```",
        "**",
        "_",
        "\\",
        "](",
        "[",
        "\n",
        "\u{202e}",
        "\u{200b}",
        "# ",
        "- ",
        "||",
        "😀",
        "é",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        " ",
        "<t:1:R>",
    ]);
    (prop::collection::vec(piece, 0..30), 1_usize..40).prop_map(|(pieces, times)| pieces.concat().repeat(times))
}

prop_compose! {
    fn any_told()(
        (kind, source, about, summary, server) in (hostile(), hostile(), hostile(), hostile(), hostile()),
        (client, country) in (prop::option::of(hostile()), prop::option::of(prop_oneof![hostile(), Just("DE".to_owned())])),
        evidence in prop::collection::vec(hostile(), 0..20),
        (id, strikes, findings, online) in (any::<u64>(), any::<u32>(), any::<u64>(), any::<u64>()),
        (opened, last, is_player) in (any::<i64>(), any::<i64>(), any::<bool>()),
        (severity, change) in (prop::sample::select(Severity::ALL.to_vec()), prop::sample::select(vec![Change::Opened, Change::Updated, Change::Closed])),
    ) -> Told {
        let player = is_player.then_some(Player { server, returning: false, vpn: Some(true), online });
        let kind = if is_player { PLAYERS.to_owned() } else { kind };
        let (opened, last) = (Timestamp::from_micros(opened), Timestamp::from_micros(last));
        let incident = Incident { id, kind, severity, source, about, client, country, strikes, summary, evidence, opened, last, closed: Some(last), findings, player };
        Told { change, incident }
    }
}

/// What is left when code and escaped characters are taken out: markup that somebody would see. `None`: code has no end.
fn markup(text: &str) -> Option<String> {
    let (mut out, mut in_code, mut chars) = (String::new(), false, text.chars());
    while let Some(c) = chars.next() {
        match c {
            '`' => in_code = !in_code,
            '\\' if !in_code => _ = chars.next(),
            _ if in_code => {}
            _ => out.push(c),
        }
    }
    (!in_code).then_some(out)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn limits_hold_and_nothing_hostile_survives(told in prop::collection::vec(any_told(), 1..40), host in hostile(), waiting in any::<usize>()) {
        let servers = [Server { name: String::new(), connect: "@everyone ```connect``` ".repeat(100) }];
        let delivery = Delivery { told, edits: None, waiting };
        let value = serde_json::to_value(message(&host, &servers, &delivery)).unwrap();
        let embed = &value["embeds"][0];
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let fields: Vec<(String, String)> =
            embed["fields"].as_array().into_iter().flatten().map(|field| (text(&field["name"]), text(&field["value"]))).collect();
        let (title, description, footer) = (text(&embed["title"]), text(&embed["description"]), text(&embed["footer"]["text"]));
        prop_assert!(units(&title) <= 256 && units(&description) <= 4_096 && units(&footer) <= 2_048 && fields.len() <= 25);
        prop_assert!(!title.is_empty() && fields.iter().all(|(name, value)| !value.is_empty() && units(name) <= 256 && units(value) <= 1_024));
        let sum: usize = fields.iter().map(|(name, value)| units(name) + units(value)).sum();
        prop_assert!(units(&title) + units(&description) + units(&footer) + sum <= 6_000);
        for shown in [&title, &description, &footer].into_iter().chain(fields.iter().map(|(_, value)| value)) {
            let lower = shown.to_lowercase();
            prop_assert!(!lower.contains('@') && !lower.contains("://") && !lower.contains("www."), "{shown}");
            prop_assert!(!shown.contains(['\u{202e}', '\u{200b}']), "{shown}");
        }
        for shown in [&title, &description].into_iter().chain(fields.iter().map(|(_, value)| value)) {
            // Ours are <t:…:R>, and a colon behind what something is.
            let left = markup(shown).expect("code ends").replace(":R>", "").replace("<t:", "").replace(": ", "");
            prop_assert!(!left.contains(['*', '_', '~', '|', '[', ']', '#', '<', '>', ':']), "{left}");
        }
    }
}
