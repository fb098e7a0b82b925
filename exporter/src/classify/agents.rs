//! What kind of program asks, by its own word. Only an attack tool is an attack: surveys of the internet, search engines and libraries
//! are not, and a name proves nothing in either direction.

use aho_corasick::AhoCorasick;

use super::automaton::{Case, automaton};

mod names;

use names::NAMES;

/// The most that is read of an agent, in bytes.
const MAX_BYTES: usize = 1_024;

/// A kind of program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AgentKind {
    /// Looks for holes, or uses them.
    AttackTool,
    /// Surveys the internet and says so.
    Survey,
    /// Gathers text for language models.
    Ai,
    /// Counts links for marketing.
    Seo,
    /// A search engine, or a preview of links.
    Search,
    /// Watches whether sites are up.
    Monitor,
    /// A library or command without a name of its own.
    HttpLibrary,
    /// A browser.
    Browser,
    /// Anything else, also nothing.
    Other,
}

/// What browsers and harmless programs call themselves is full of.
pub(super) const USUAL_IN_AGENTS: &[u8] =
    b"Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 \
    (KHTML, like Gecko) Chrome/134.0.0.0 Safari/537.36 Edg/133.0.0.0 OPR/ Version/18.3 Mobile/15E148 (iPhone; CPU iPhone OS 17_7 like Mac OS X) \
    (iPad; CPU OS) CriOS/134 FxiOS/ SamsungBrowser/27.0 (Linux; Android 14; Mobile; SM-A546B Build/) (X11; Ubuntu; Linux x86_64) (compatible; \
    bot; +http://www. +https:// .com/bot.html Bot/2.1 crawler spider";

/// The names compiled into one automaton.
pub struct Agents {
    names: AhoCorasick,
    kinds: Vec<AgentKind>,
}

impl Agents {
    /// Compiles the table.
    pub fn new() -> Self {
        let all = || NAMES.iter().flat_map(|(kind, names)| names.iter().map(|name| (*kind, *name)));
        Self { names: automaton(all().map(|(_, name)| name.as_bytes()), Case::Any), kinds: all().map(|(kind, _)| kind).collect() }
    }

    /// The kind of the program that calls itself `agent`: of several names the most telling, in the order of [`AgentKind`].
    pub fn kind(&self, agent: &[u8]) -> AgentKind {
        let found = self.names.find_overlapping_iter(agent.get(..MAX_BYTES).unwrap_or(agent));
        found.filter_map(|one| self.kinds.get(one.pattern().as_usize()).copied()).min().unwrap_or(AgentKind::Other)
    }
}

impl Default for Agents {
    fn default() -> Self {
        Self::new()
    }
}

/// The names of attack tools alone: all that the class of a request needs.
pub(super) fn tools() -> impl Iterator<Item = &'static [u8]> {
    let tools = NAMES.iter().filter(|(kind, _)| *kind == AgentKind::AttackTool);
    tools.flat_map(|(_, names)| names.iter()).map(|name| name.as_bytes())
}
