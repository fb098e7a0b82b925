//! Samples of what a client did, and how they are saved: without the names of their parts, and without what is as in the sample before,
//! since there are thousands of them.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{Showing, Text};
use crate::detectors::window::{DAY, Weigh};
use crate::event::AttackClass;

/// One thing that a client did.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(in crate::engine) struct Sample {
    pub(in crate::engine) at: u32,
    pub(in crate::engine) class: AttackClass,
    pub(in crate::engine) why: Cow<'static, str>,
    pub(in crate::engine) meaning: Cow<'static, str>,
    pub(in crate::engine) method: Text,
    pub(in crate::engine) path: Text,
    pub(in crate::engine) status: u16,
    pub(in crate::engine) user_agent: Text,
}

/// The samples of one client.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(from = "Known")]
pub(super) struct Samples {
    pub(super) kept: Vec<Sample>,
    pub(super) count: u32,
    pub(super) last: u32,
}

impl Samples {
    /// Makes them fit to be saved.
    pub(super) fn make_shown(&mut self, showing: &Showing<'_>) {
        for place in 0..self.kept.len() {
            let (before, rest) = self.kept.split_at_mut(place);
            let Some(sample) = rest.first_mut() else { return };
            [&mut sample.method, &mut sample.path, &mut sample.user_agent].into_iter().for_each(|text| text.make_shown(showing));
            // What was kept once is again.
            if let Some(other) = before.iter().find(|other| other.user_agent == sample.user_agent) {
                sample.user_agent = other.user_agent.clone();
            }
        }
    }
}

impl Weigh for Samples {
    fn weight(&self, now: u32) -> u64 {
        u64::from(self.count) << 20 >> (now.saturating_sub(self.last) / DAY).min(40)
    }
}

/// Time, class, why, meaning, method, path, status and user agent. `None`: as in the sample before.
#[derive(Serialize, Deserialize)]
struct Saved<S, T>(u32, AttackClass, Option<S>, Option<S>, Option<T>, T, u16, Option<T>);

impl Serialize for Samples {
    fn serialize<S: serde::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let mut before = None;
        let kept = self.kept.iter().map(|sample| {
            let before: Option<&Sample> = before.replace(sample);
            let Sample { at, class, why, meaning, method, path, status, user_agent } = sample;
            let why = Some(why.as_ref()).filter(|why| before.is_none_or(|before| before.why != *why));
            let meaning = Some(meaning.as_ref()).filter(|meaning| before.is_none_or(|before| before.meaning != *meaning));
            let method = Some(method).filter(|method| before.is_none_or(|before| before.method != **method));
            let user_agent = Some(user_agent).filter(|agent| before.is_none_or(|before| before.user_agent != **agent));
            Saved(*at, *class, why, meaning, method, path, *status, user_agent)
        });
        let kept: Vec<Saved<&str, &Text>> = kept.collect();
        (self.count, self.last, kept).serialize(out)
    }
}

/// As they are saved, and as they were before: by the names of their parts.
#[derive(Deserialize)]
#[serde(untagged)]
enum Known {
    Listed(u32, u32, Vec<Saved<String, Text>>),
    Named { kept: Vec<Sample>, count: u32, last: u32 },
}

impl From<Known> for Samples {
    fn from(known: Known) -> Self {
        let (count, last, listed) = match known {
            Known::Listed(count, last, listed) => (count, last, listed),
            Known::Named { kept, count, last } => return Self { kept, count, last },
        };
        let mut kept: Vec<Sample> = Vec::with_capacity(listed.len());
        for Saved(at, class, why, meaning, method, path, status, user_agent) in listed {
            let before = kept.last();
            let sample = Sample {
                at,
                class,
                why: why.map(Cow::Owned).or_else(|| before.map(|before| before.why.clone())).unwrap_or_default(),
                meaning: meaning.map(Cow::Owned).or_else(|| before.map(|before| before.meaning.clone())).unwrap_or_default(),
                method: method.or_else(|| before.map(|before| before.method.clone())).unwrap_or_default(),
                path,
                status,
                user_agent: user_agent.or_else(|| before.map(|before| before.user_agent.clone())).unwrap_or_default(),
            };
            kept.push(sample);
        }
        Self { kept, count, last }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(number: u32) -> Sample {
        let text = |text: &str| Text::from(text.to_owned());
        Sample {
            at: 1_775_253_600 + number,
            class: AttackClass::ALL[number as usize % 3],
            why: ["query", "path"][number as usize / 2 % 2].into(),
            meaning: ["reads \"files\"", "finds holes"][number as usize / 3 % 2].into(),
            method: text(["GET", ""][number as usize / 2 % 2]),
            path: text(&format!("/{number}")),
            status: 404,
            user_agent: text(["curl", "", "curl"][number as usize / 2 % 3]),
        }
    }

    #[test]
    fn what_is_saved_is_read_and_what_earlier_versions_saved_too() {
        for count in 0..9 {
            let samples = Samples { kept: (0..count).map(sample).collect(), count, last: 7 };
            let saved = serde_json::to_value(&samples).unwrap();
            assert_eq!(serde_json::from_value::<Samples>(saved).unwrap(), samples);
        }
        let samples = Samples { kept: vec![sample(0), sample(1)], count: 5, last: 7 };
        let expected = r#"[5,7,[[1775253600,"jndi","query","reads \"files\"","GET","/0",404,"curl"],[1775253601,"rce_attempt",null,null,null,"/1",404,null]]]"#;
        assert_eq!(serde_json::to_string(&samples).unwrap(), expected);
        let named = r#"{"kept":[{"at":1775253600,"class":"jndi","why":"query","meaning":"reads \"files\"","method":"GET","path":"/0","status":404,"user_agent":"curl"}],"count":5,"last":7}"#;
        assert_eq!(serde_json::from_str::<Samples>(named).unwrap(), Samples { kept: vec![sample(0)], count: 5, last: 7 });
        for damaged in ["[]", "[1,2]", "[1,2,[[1]]]", "{}", "7"] {
            assert!(serde_json::from_str::<Samples>(damaged).is_err(), "{damaged}");
        }
    }
}
