//! Values: what stands in each parameter, in a path that carries data, in a header. Decodes a value and asks every technique about it.

use aho_corasick::AhoCorasick;
use memchr::memmem::Finder;
use wide::u8x16;

use crate::event::AttackClass;

use super::automaton::{Case, automaton};
use super::lanes;
use super::normalise::{self, MAX_BYTES};
use super::paths::QUERY_RULES;
use super::required::Required;
use super::rules::{Found, Place, Rule, rule, stronger};
use super::signatures::{Expression, Signature, Signatures};
use super::{files, jndi, queries, remote, script, shell, sql};

mod words;

pub(in crate::classify) use words::ODD_IN_HEADERS;
pub(super) use words::telling_words_of_targets;
use words::{RETURNS, TELLING_WORDS};

/// Of decoded values, of values without what may stand between letters, and of headers.
pub(super) const TABLES: [&[&[Signature]]; 3] = [
    &[script::SIGNATURES, shell::SIGNATURES, files::SIGNATURES, queries::SIGNATURES, remote::SIGNATURES],
    &[script::COMPACT],
    &[remote::HEADERS],
];

static COMMAND: Rule =
    rule!(RceAttempt, "command under a telling name", "Tried to run a command through a parameter that a web shell or a hole would run");
static REMOTE_FILE: Rule =
    rule!(FileInclusion, "program from elsewhere", "Tried to make the server load and run a program from another machine");
static SOFT_HYPHEN: Rule = rule!(RceAttempt, "PHP-CGI argument", "Tried to run PHP code through the arguments of PHP-CGI (CVE-2024-4577)");

/// Parts of hosts that exist to be asked, and three bytes of each that few other addresses hold.
const CALLBACKS: [(&str, [u8; 3]); 3] = [("oast", *b"oas"), ("interact.sh", *b"t.s"), ("collaborator", *b"bor")];

/// Parts of the names of parameters that commands, and files, are given in.
const NAMES_OF_COMMANDS: [&str; 11] = ["cmd", "exec", "command", "shell", "run", "daemon", "system", "ping", "payload", "cli", "code"];
const NAMES_OF_FILES: [&str; 22] = [
    "file", "path", "page", "inc", "template", "dir", "root", "skin", "lib", "mod", "conf", "doc", "load", "lang", "view", "content",
    "src", "base", "theme", "script", "cont", "show",
];

/// Every technique, compiled.
pub(super) struct Values {
    signatures: Signatures,
    compact: Signatures,
    headers: Signatures,
    telling: AhoCorasick,
    odd_in_header: AhoCorasick,
    named_for_commands: AhoCorasick,
    command: Expression,
    named_for_files: AhoCorasick,
    program: Expression,
    /// [`QUERY_RULES`], with what each looks for in the path and in the query.
    query_rules: Vec<(&'static Rule, Finder<'static>, Vec<Finder<'static>>)>,
    name: Vec<u8>,
    value: Vec<u8>,
    query: Vec<u8>,
    spare: Vec<u8>,
}

impl Values {
    pub(super) fn new() -> Self {
        let required = Required::new();
        let [signatures, compact, headers] = TABLES.map(|tables| Signatures::new(tables, &required));
        Self {
            signatures,
            compact,
            headers,
            telling: automaton(TELLING_WORDS.iter().map(|word| word.as_bytes()), Case::Lower),
            odd_in_header: automaton(ODD_IN_HEADERS.iter().map(|word| word.as_bytes()), Case::Any),
            named_for_commands: automaton(NAMES_OF_COMMANDS.iter().map(|part| part.as_bytes()), Case::Lower),
            command: Expression::new(shell::COMMAND),
            named_for_files: automaton(NAMES_OF_FILES.iter().map(|part| part.as_bytes()), Case::Lower),
            program: Expression::new(files::PROGRAM),
            query_rules: QUERY_RULES
                .iter()
                .map(|one| (&one.rule, Finder::new(one.path), one.queries.iter().map(Finder::new).collect()))
                .collect(),
            name: Vec::new(),
            value: Vec::new(),
            query: Vec::new(),
            spare: Vec::new(),
        }
    }

    /// Each parameter of a query; `path` is the resolved path that it was sent to.
    pub(super) fn find_in_query(&mut self, query: &[u8], path: &[u8]) -> Option<Found> {
        let mut found = None;
        for pair in query.split(|&byte| byte == b'&').take(256) {
            found = stronger(found, self.find_in_pair(pair, Place::Parameter));
        }
        // A payload that holds a raw `&` is cut in pieces by the split; whole queries without a name are arguments.
        let mut decoded = std::mem::take(&mut self.query);
        normalise::decode(query, &mut decoded, &mut self.spare);
        let hyphen = query.get(..3).is_some_and(|start| start.eq_ignore_ascii_case(b"%AD")) || decoded.starts_with(b"\xAD");
        normalise::value(&mut decoded, &mut self.spare, true);
        let rule = self.query_rules.iter().find_map(|(rule, in_path, in_query)| {
            let fits = in_path.find(path).is_some() && in_query.iter().any(|query| query.find(&decoded).is_some());
            fits.then_some(*rule)
        });
        self.query = decoded;
        stronger(stronger(found, rule.map(|rule| rule.at(Place::Parameter))), hyphen.then(|| SOFT_HYPHEN.at(Place::Parameter)))
    }

    /// One `name=value`, or a text without a name.
    pub(super) fn find_in_pair(&mut self, pair: &[u8], place: Place) -> Option<Found> {
        let Some(equals) = memchr::memchr(b'=', pair) else { return self.find_in_value(pair, b"", place) };
        let (raw_name, raw_value) = (&pair[..equals], &pair[equals + 1..]);
        let mut name = std::mem::take(&mut self.name);
        normalise::decode(raw_name, &mut name, &mut self.spare);
        name.make_ascii_lowercase();
        let in_value = self.find_in_value(raw_value, &name, place);
        // Names are chosen by the application: one that needs decoding or brackets may carry something too.
        let in_name = if name.iter().any(|byte| !byte.is_ascii_alphanumeric() && !matches!(byte, b'_' | b'-')) {
            self.find_in_value(raw_name, b"", place)
        } else {
            None
        };
        self.name = name;
        stronger(in_value, in_name)
    }

    /// One raw value; `name` is decoded and lower case.
    pub(super) fn find_in_value(&mut self, raw: &[u8], name: &[u8], place: Place) -> Option<Found> {
        if raw.is_empty() || raw.len() < 3 && name.is_empty() {
            return None;
        }
        let mut value = std::mem::take(&mut self.value);
        normalise::decode(raw, &mut value, &mut self.spare);
        normalise::value(&mut value, &mut self.spare, place != Place::Path);
        let found = self.find_in_decoded(&value, name);
        self.value = value;
        found.map(|rule| rule.at(place))
    }

    /// A decoded path as a value: without the slash at its front.
    pub(super) fn find_in_path(&mut self, decoded: &[u8]) -> Option<Found> {
        let mut value = std::mem::take(&mut self.value);
        value.clear();
        value.extend_from_slice(decoded.strip_prefix(b"/").unwrap_or(decoded));
        normalise::value(&mut value, &mut self.spare, true);
        let found = self.find_in_decoded(&value, b"");
        self.value = value;
        found.map(|rule| rule.at(Place::Path))
    }

    fn find_in_decoded(&mut self, value: &[u8], name: &[u8]) -> Option<&'static Rule> {
        if !value.iter().any(|&byte| is_telling(byte)) && !self.telling.is_match(value) {
            return self.find_by_name(value, name);
        }
        // Who cannot find anything more important than what is found already is not asked.
        if let Some(most_important) = jndi::find(value) {
            return Some(most_important);
        }
        let by_table = self.signatures.find(value).filter(|rule| rule.class != AttackClass::Ssrf || !is_way_back(name, value));
        let found = [by_table, self.find_by_name(value, name)].into_iter().flatten().min_by_key(|rule| rule.class);
        let may_be = |class| found.is_none_or(|rule| rule.class > class);
        let sql = if may_be(AttackClass::SqlInjection) { sql::find(value) } else { None };
        let script = if sql.is_none() && may_be(AttackClass::Xss) { self.find_compact(value) } else { None };
        [found, sql, script].into_iter().flatten().min_by_key(|rule| rule.class)
    }

    fn find_by_name(&self, value: &[u8], name: &[u8]) -> Option<&'static Rule> {
        if self.named_for_commands.is_match(name) && self.command.is_match(value) {
            return Some(&COMMAND);
        }
        (self.named_for_files.is_match(name) && self.program.is_match(value)).then_some(&REMOTE_FILE)
    }

    /// The same text without what browsers read over.
    fn find_compact(&mut self, value: &[u8]) -> Option<&'static Rule> {
        let blank = |byte: &u8| *byte <= b' ' || *byte == b'\\';
        if !value.iter().any(blank) || !value.iter().any(|byte| matches!(byte, b'<' | b'=' | b'"' | b'\'' | b'(')) {
            return None;
        }
        self.query.clear();
        self.query.extend(value.iter().copied().filter(|byte| !blank(byte)));
        self.compact.find(&self.query)
    }

    /// Whether an agent holds what those of programs that mean well lack: an odd byte, or an odd word beside a percent sign. Odd words
    /// without one are the caller's to look for.
    pub(super) fn is_odd_agent(&self, text: &[u8]) -> bool {
        holds_odd_byte(text) || memchr::memchr(b'%', text).is_some() && self.odd_in_header.is_match(text)
    }

    /// The same of a Referer, with all odd words. Quick: every line has one, and few come again.
    #[inline]
    pub(super) fn is_odd_referer(&self, text: &[u8]) -> bool {
        if text.is_empty() {
            return false;
        }
        let text = text.get(..MAX_BYTES).unwrap_or(text);
        if lanes::all(text, |bytes| is_plain(bytes, b':')) {
            return calls_back(text);
        }
        let is_encoded = || memchr::memchr3(b'%', b'(', b' ', text).is_some() && self.odd_in_header.is_match(text);
        holds_odd_byte(text) || is_encoded() || calls_back(text)
    }

    /// A User-Agent or Referer.
    pub(super) fn find_in_header(&mut self, raw: &[u8], place: Place) -> Option<Found> {
        let mut value = std::mem::take(&mut self.value);
        normalise::decode(raw, &mut value, &mut self.spare);
        normalise::value(&mut value, &mut self.spare, false);
        let rules = [jndi::find(&value), self.headers.find(&value)];
        self.value = value;
        rules.into_iter().flatten().min_by_key(|rule| rule.class).map(|rule| rule.at(place))
    }
}

/// An address to be sent back to, which may well be inside; unless nobody is ever sent there.
fn is_way_back(name: &[u8], value: &[u8]) -> bool {
    let returns = RETURNS.iter().any(|part| name.starts_with(part) || name.ends_with(part));
    let elsewhere = [&b"169.254"[..], b"metadata", b"gopher:", b"dict:", b"0x7f", b"2130706433"]
        .iter()
        .any(|part| memchr::memmem::find(value, part).is_some());
    returns && !elsewhere && !super::remote::is_callback(value)
}

/// Whether a host that exists to be asked stands in `text`.
#[inline]
pub(super) fn calls_back(text: &[u8]) -> bool {
    lanes::holds_any(text, CALLBACKS.map(|(_, bytes)| bytes))
        && CALLBACKS.iter().any(|(host, _)| memchr::memmem::find(text, host.as_bytes()).is_some())
}

/// Bytes that no header of a program that means well holds.
fn holds_odd_byte(text: &[u8]) -> bool {
    lanes::any(text, |bytes| lanes::is_one_of(bytes, *b"$<'{`\\|"))
}

/// Nothing in `target` is encoded or has a meaning in some language: letters, digits and the marks of plain addresses.
#[inline]
pub(super) fn has_nothing_to_decode(target: &[u8]) -> bool {
    target.len() <= MAX_BYTES && target.first() == Some(&b'/') && lanes::all(target, |bytes| is_plain(bytes, b'9'))
}

/// Letters, digits and the marks of plain addresses; with `last` as `:` that one too.
#[inline(always)]
fn is_plain(bytes: u8x16, last: u8) -> u8x16 {
    // `,-./` stand before the digits, `?@` before the capitals.
    lanes::is_between(bytes, b',', last)
        | lanes::is_between(bytes, b'?', b'Z')
        | lanes::is_between(bytes, b'a', b'z')
        | lanes::is_one_of(bytes, *b"&=_~")
}

/// Bytes without which no technique works, save those that [`TELLING_WORDS`] find.
fn is_telling(byte: u8) -> bool {
    byte < b' '
        || byte == 0xAC
        || matches!(
            byte,
            b'<' | b'>'
                | b'\''
                | b'"'
                | b'('
                | b')'
                | b'{'
                | b'}'
                | b'`'
                | b'|'
                | b'$'
                | b';'
                | b'\\'
                | b'*'
                | b'['
                | b'='
                | b'#'
                | b':'
                | b'&'
                | b'!'
        )
}

/// Bytes that make a path worth a look as a value.
pub(super) fn is_telling_in_path(byte: u8) -> bool {
    matches!(
        byte,
        b'<' | b'>'
            | b'\''
            | b'"'
            | b'('
            | b')'
            | b'{'
            | b'}'
            | b'`'
            | b'|'
            | b'$'
            | b';'
            | b'\\'
            | b'*'
            | b'\n'
            | b'\r'
            | b'='
            | b'%'
            | b'#'
            | b':'
            | b'&'
            | b' '
    )
}
