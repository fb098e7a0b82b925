#![deny(clippy::disallowed_methods, clippy::disallowed_types)]
//! Request to attack class. Undoes encodings ([`normalise`]), then asks what the path means ([`paths`]) and what stands in each value
//! ([`sql`], [`script`], [`shell`], [`files`], [`queries`], [`remote`], [`jndi`]) and who asks ([`agents`]). Of several answers the class of
//! the highest priority is given. Most requests never get that far: a quick look shows that there is nothing to decode and no telling word.

use aho_corasick::{AhoCorasick, AhoCorasickKind};

use crate::event::{Attack, AttackClass, HttpRequest};

mod agents;
mod body;
mod cache;
mod files;
mod jndi;
mod normalise;
mod paths;
mod protocols;
mod queries;
mod remote;
mod rules;
mod script;
mod shell;
mod sql;
mod status;
mod values;

#[cfg(test)]
mod tests;

pub use agents::{AgentKind, Agents};

use cache::Cache;
use normalise::{Effort, MAX_BYTES};
use paths::Paths;
use rules::{Place, Rule, rule, stronger};
use values::Values;

/// Remembered targets and agents.
const TARGETS: usize = 4_096;
const AGENTS: usize = 1_024;

static CLIMBED: Rule = rule!(PathTraversal, "climbing above the root", "Tried to climb out of the served folder");
static HIDDEN: Rule = rule!(PathTraversal, "encoded climbing", "Tried to climb out of the served folder with encoded dots");
static TOOL: Rule = rule!(Scanner, "attack tool's name", "Asked by a tool that looks for holes");

/// What a target says, whatever the answer was; what it says by the answer.
#[derive(Clone, Copy, Debug, Default)]
struct Verdict {
    always: Option<Attack>,
    refused: Option<Attack>,
    missing: Option<Attack>,
    /// A missing one means nothing: browsers and crawlers ask by themselves.
    asked_unprompted: bool,
    /// Somebody logs in here.
    login: bool,
    /// Also looked at for what only matters when refused.
    complete: bool,
}

/// What a User-Agent says.
#[derive(Clone, Copy, Debug, Default)]
struct Agent {
    attack: Option<Attack>,
}

/// Tells attacks from requests. Remembers answers to be quick (fixed in size); the answers never depend on what was asked before.
pub struct Classifier {
    agents: Agents,
    paths: Paths,
    values: Values,
    /// What a quick look at a target searches for.
    telling: AhoCorasick,
    targets: Cache<Verdict>,
    seen_agents: Cache<Agent>,
    decoded: Vec<u8>,
    resolved: Vec<u8>,
    spare: Vec<u8>,
}

impl Default for Classifier {
    fn default() -> Self {
        Self::new()
    }
}

impl Classifier {
    /// Compiles the tables (some milliseconds).
    pub fn new() -> Self {
        let words = paths::telling_words().chain(values::TELLING_WORDS.iter().copied());
        Self {
            agents: Agents::new(),
            paths: Paths::new(),
            values: Values::new(),
            telling: agents::automaton(words.map(str::as_bytes), AhoCorasickKind::DFA),
            targets: Cache::new(TARGETS),
            seen_agents: Cache::new(AGENTS),
            decoded: Vec::new(),
            resolved: Vec::new(),
            spare: Vec::new(),
        }
    }

    /// What kind of attack a request is, if it is one.
    pub fn classify(&mut self, request: &HttpRequest<'_>) -> Option<Attack> {
        self.judge(request, None)
    }

    /// The same with the request's body, which access logs lack.
    pub fn classify_with_body(&mut self, request: &HttpRequest<'_>, body: &[u8]) -> Option<Attack> {
        let found = body::find(&mut self.values, body);
        self.judge(request, found)
    }

    fn judge(&mut self, request: &HttpRequest<'_>, in_body: Option<Attack>) -> Option<Attack> {
        let (method, target) = protocols::request_line(request.method, request.target);
        let refused = (400..500).contains(&request.status);
        let verdict = self.target(target, refused);
        let mut attack = stronger(in_body, verdict.always);
        if refused {
            // Who is refused at a login page tried to log in: that says more than the page's name.
            let logs_in = verdict.login && method.eq_ignore_ascii_case(b"POST");
            if !logs_in {
                attack = stronger(attack, verdict.refused);
                attack = stronger(attack, verdict.missing.filter(|_| status::is_missing(request.status)));
            }
        }
        attack = stronger(attack, protocols::find(request, method, target));
        if !request.user_agent.is_empty() {
            attack = stronger(attack, self.agent(request.user_agent).attack);
        }
        if self.values.is_odd_referer(request.referer) {
            attack = stronger(attack, self.values.find_in_header(request.referer, Place::Referer));
        }
        attack.or_else(|| status::find(request.status, method, verdict.login, verdict.asked_unprompted))
    }

    fn target(&mut self, target: &[u8], refused: bool) -> Verdict {
        let Self { paths, values, telling, targets, decoded, resolved, spare, .. } = self;
        targets.get(
            target,
            |known| known.complete || !refused,
            || {
                let plain = !refused && values::has_nothing_to_decode(target) && !telling.is_match(target);
                if plain { Verdict::default() } else { examine(target, paths, values, &mut [decoded, resolved, spare]) }
            },
        )
    }

    fn agent(&mut self, agent: &[u8]) -> Agent {
        let Self { agents, values, seen_agents, .. } = self;
        seen_agents.get(
            agent,
            |_| true,
            || {
                let tool = agents.is_attack_tool(agent).then(|| TOOL.at(Place::UserAgent));
                let inside = if values.is_odd_agent(agent) { values.find_in_header(agent, Place::UserAgent) } else { None };
                Agent { attack: stronger(inside, tool) }
            },
        )
    }
}

/// Looks at everything that a target says.
fn examine(target: &[u8], paths: &Paths, values: &mut Values, [decoded, resolved, spare]: &mut [&mut Vec<u8>; 3]) -> Verdict {
    let target = target.get(..MAX_BYTES).unwrap_or(target);
    let path = protocols::without_origin(target);
    let (path, query) = memchr::memchr(b'?', path).map_or((path, &b""[..]), |at| (&path[..at], &path[at + 1..]));
    let effort = normalise::decode(path, decoded, spare);
    let ups = normalise::resolve(decoded, resolved);
    let by_name = paths.find(resolved);
    let at = |rule: Option<&'static Rule>| {
        rule.filter(|rule| rule.class != AttackClass::ConfigProbe || !status::holds_own_files(resolved)).map(|rule| rule.at(Place::Path))
    };
    let mut always = stronger(at(by_name.always), climbing(ups, effort));
    // Codes and names in the path are values too, as applications route by them.
    if decoded.iter().any(|&byte| values::is_telling_in_path(byte)) || effort.rounds > 1 || ups.ups > 0 {
        always = stronger(always, values.find_in_path(decoded));
    }
    if !query.is_empty() {
        always = stronger(always, values.find_in_query(query, resolved));
    }
    Verdict {
        always,
        refused: at(by_name.refused),
        missing: stronger(at(by_name.missing), status::missing_script(resolved)),
        asked_unprompted: status::is_asked_unprompted(resolved),
        login: status::is_login(resolved),
        complete: true,
    }
}

fn climbing(ups: normalise::Resolved, effort: Effort) -> Option<Attack> {
    match (ups.ups > 0, ups.climbed) {
        (true, true) => Some(CLIMBED.at(Place::Path)),
        (true, false) if effort.hidden_dots || effort.rounds > 1 || effort.overlong => Some(HIDDEN.at(Place::Path)),
        _ => None,
    }
}
