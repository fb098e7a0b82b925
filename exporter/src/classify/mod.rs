#![deny(clippy::disallowed_methods, clippy::disallowed_types)]
//! Request to attack class. Undoes encodings (`normalise`), then asks what the path means (`paths`) and what stands in each value
//! (`sql`, `script`, `shell`, `files`, `queries`, `remote`, `jndi`) and who asks (`agents`). Of several answers the class of
//! the highest priority is given. Most requests never get that far: a quick look shows that there is nothing to decode and no telling word.

use crate::event::{Attack, AttackClass, HttpRequest};

mod agents;
mod automaton;
mod body;
mod cache;
mod files;
mod jndi;
mod lanes;
mod normalise;
mod paths;
mod protocols;
mod queries;
mod remote;
mod required;
mod rules;
mod script;
mod search;
mod shell;
mod signatures;
mod sql;
mod status;
mod values;

#[cfg(test)]
mod tests;

pub use agents::{AgentKind, Agents};

use agents::USUAL_IN_AGENTS;
use cache::Cache;
use normalise::{Effort, MAX_BYTES};
use paths::Paths;
use rules::{Found, Place, Rule, rule, stronger};
use search::Search;
use values::Values;

/// Remembered targets and agents.
const TARGETS: usize = 8_192;
const AGENTS: usize = 1_024;

static CLIMBED: Rule = rule!(PathTraversal, "climbing above the root", "Tried to climb out of the served folder");
static HIDDEN: Rule = rule!(PathTraversal, "encoded climbing", "Tried to climb out of the served folder with encoded dots");
static TOOL: Rule = rule!(Scanner, "attack tool's name", "Asked by a tool that looks for holes");

/// What a target says, whatever the answer was; what it says by the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Verdict {
    always: Option<Found>,
    refused: Option<&'static Rule>,
    missing: Option<&'static Rule>,
    /// A missing one means nothing: browsers and crawlers ask by themselves.
    asked_unprompted: bool,
    /// Somebody logs in here.
    login: bool,
}

/// Tells attacks from requests. Remembers answers to be quick, fixed in size; what was asked before changes no answer (decision 0021).
pub struct Classifier {
    /// The names of attack tools and the odd words in a User-Agent; the first [`Classifier::tools`] are the tools.
    in_agents: Search,
    tools: usize,
    paths: Paths,
    values: Values,
    quick: Quick,
    targets: Cache<Verdict>,
    seen_agents: Cache<Option<Found>>,
    decoded: Vec<u8>,
    resolved: Vec<u8>,
    spare: Vec<u8>,
}

/// The quick look at a target that needs no decoding.
struct Quick {
    telling: Search,
    telling_when_refused: Search,
}

/// What the paths of harmless requests are full of.
const USUAL_IN_PATHS: &[u8] =
    b"/index.html /index.php? .php .css .js? .png .jpg .webp .svg .json .xml /wp-content/ /wp-includes/ /wp-admin/ /wp-json/wp/v2/ \
    /api/v1/ /api/v2/ /login /logout /admin/ /assets/ /static/ /images/ /media/ /files/ /users/ /user/ /data/ /css/ /js/ \
    /img/ /fonts/ /main. /vendor. /app. /runtime. /webhook/ /lang /blog/ /menu/ /page/ /search?q= /products/ /download /upload \
    /test /server /remote /backup /database /manager /install /setup /console /plugins/";

impl Default for Classifier {
    fn default() -> Self {
        Self::new()
    }
}

impl Classifier {
    /// Compiles the tables (some milliseconds).
    pub fn new() -> Self {
        // Words that begin with a percent sign are left to `is_odd_agent`.
        let odd_words = values::ODD_IN_HEADERS.iter().map(|word| word.as_bytes()).filter(|word| !word.starts_with(b"%"));
        Self {
            in_agents: Search::new(agents::tools().chain(odd_words), USUAL_IN_AGENTS),
            tools: agents::tools().count(),
            paths: Paths::new(),
            values: Values::new(),
            quick: Quick::new(),
            targets: Cache::new(TARGETS),
            seen_agents: Cache::new(AGENTS),
            decoded: Vec::new(),
            resolved: Vec::new(),
            spare: Vec::new(),
        }
    }

    /// What kind of attack a request is, if it is one.
    pub fn classify(&mut self, request: &HttpRequest<'_>) -> Option<Attack> {
        self.judge(request, None).map(Found::attack)
    }

    /// The same with the request's body, which access logs lack.
    pub fn classify_with_body(&mut self, request: &HttpRequest<'_>, body: &[u8]) -> Option<Attack> {
        let found = body::find(&mut self.values, body);
        self.judge(request, found).map(Found::attack)
    }

    fn judge(&mut self, request: &HttpRequest<'_>, in_body: Option<Found>) -> Option<Found> {
        let (method, target) = protocols::request_line(request.method, request.target);
        let refused = (400..500).contains(&request.status);
        let verdict = self.target(target, refused);
        let mut attack = stronger(in_body, verdict.always);
        if refused {
            // Who is refused at a login page tried to log in: that says more than the page's name.
            let logs_in = verdict.login && method.eq_ignore_ascii_case(b"POST");
            if !logs_in {
                let missing = verdict.missing.filter(|_| status::is_missing(request.status));
                let by_answer = [verdict.refused, missing].map(|rule| rule.map(|rule| rule.at(Place::Path)));
                attack = by_answer.into_iter().fold(attack, stronger);
            }
        }
        attack = stronger(attack, protocols::find(request, method, target));
        if !request.user_agent.is_empty() {
            attack = stronger(attack, self.agent(request.user_agent));
        }
        if self.values.is_odd_referer(request.referer) {
            attack = stronger(attack, self.values.find_in_header(request.referer, Place::Referer));
        }
        attack.or_else(|| status::find(request.status, method, verdict.login, verdict.asked_unprompted))
    }

    fn target(&mut self, target: &[u8], refused: bool) -> Verdict {
        let Self { paths, values, quick, targets, decoded, resolved, spare, .. } = self;
        targets.get(target, u8::from(refused), || {
            if values::has_nothing_to_decode(target) {
                if !refused && !quick.tells(target) {
                    return Verdict::default();
                }
                if refused && !quick.may_tell_when_refused(target) {
                    return name_only(target, resolved);
                }
            }
            examine(target, paths, values, &mut [decoded, resolved, spare])
        })
    }

    fn agent(&mut self, agent: &[u8]) -> Option<Found> {
        let Self { in_agents, tools, values, seen_agents, .. } = self;
        seen_agents.get(agent, 0, || {
            let agent = agent.get(..MAX_BYTES).unwrap_or(agent);
            let (mut is_tool, mut is_odd) = (false, values.is_odd_agent(agent));
            in_agents.find(agent, |word| {
                *(if word < *tools { &mut is_tool } else { &mut is_odd }) = true;
                is_tool && is_odd
            });
            let inside = if is_odd { values.find_in_header(agent, Place::UserAgent) } else { None };
            stronger(inside, is_tool.then(|| TOOL.at(Place::UserAgent)))
        })
    }
}

impl Quick {
    fn new() -> Self {
        let words = paths::telling_words().chain(values::telling_words_of_targets()).map(str::as_bytes);
        let more = paths::words_when_refused().map(str::as_bytes).chain(status::FOLDERS);
        Self { telling: Search::new(words, USUAL_IN_PATHS), telling_when_refused: Search::new(more, USUAL_IN_PATHS) }
    }

    /// Whether a target that needs no decoding holds anything that tells with any answer.
    #[inline]
    fn tells(&self, target: &[u8]) -> bool {
        has_doubled_mark(target) || self.telling.is_match(target)
    }

    /// Whether one that was refused may mean more than its name. Names and values of parameters are words of their own.
    fn may_tell_when_refused(&self, target: &[u8]) -> bool {
        has_doubled_mark(target)
            || target.ends_with(b"/.")
            || memchr::memchr3(b'?', b'=', b'&', target).is_some()
            || self.telling.is_match(target)
            || self.telling_when_refused.is_match(target)
    }
}

/// `..` or `//`.
#[inline]
fn has_doubled_mark(target: &[u8]) -> bool {
    let next = target.get(1..).unwrap_or_default();
    target.iter().zip(next).fold(false, |found, (&one, &other)| found | ((one == other) & ((one == b'.') | (one == b'/'))))
}

/// What a refused path says that nothing is known of.
fn name_only(path: &[u8], lower: &mut Vec<u8>) -> Verdict {
    lower.clear();
    lower.extend(path.iter().map(u8::to_ascii_lowercase));
    Verdict { asked_unprompted: status::is_asked_unprompted(lower), login: status::is_login(lower), ..Verdict::default() }
}

/// Looks at everything that a target says.
fn examine(target: &[u8], paths: &Paths, values: &mut Values, [decoded, resolved, spare]: &mut [&mut Vec<u8>; 3]) -> Verdict {
    let target = target.get(..MAX_BYTES).unwrap_or(target);
    let path = protocols::without_origin(target);
    let (path, query) = memchr::memchr(b'?', path).map_or((path, &b""[..]), |at| (&path[..at], &path[at + 1..]));
    let effort = normalise::decode(path, decoded, spare);
    let ups = normalise::resolve(decoded, resolved);
    let by_name = paths.find(resolved);
    let fits = |rule: &&Rule| rule.class != AttackClass::ConfigProbe || !paths.holds_own_files(resolved);
    let [by_always, by_refused, by_missing] = [by_name.always, by_name.refused, by_name.missing].map(|rule| rule.filter(fits));
    let mut always = stronger(by_always.map(|rule| rule.at(Place::Path)), climbing(ups, effort));
    // Codes and names in the path are values too, as applications route by them.
    if decoded.iter().any(|&byte| values::is_telling_in_path(byte)) || effort.rounds > 1 || ups.ups > 0 {
        always = stronger(always, values.find_in_path(decoded));
    }
    if !query.is_empty() {
        always = stronger(always, values.find_in_query(query, resolved));
    }
    Verdict {
        always,
        refused: by_refused,
        missing: [by_missing, status::missing_script(resolved)].into_iter().flatten().min_by_key(|rule| rule.class),
        asked_unprompted: status::is_asked_unprompted(resolved),
        login: status::is_login(resolved),
    }
}

fn climbing(ups: normalise::Resolved, effort: Effort) -> Option<Found> {
    match (ups.ups > 0, ups.climbed) {
        (true, true) => Some(CLIMBED.at(Place::Path)),
        (true, false) if effort.hidden_dots || effort.rounds > 1 || effort.overlong => Some(HIDDEN.at(Place::Path)),
        _ => None,
    }
}
