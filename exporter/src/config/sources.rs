//! The sections `[[sources]]` and `[formats.custom.NAME]`, and what must hold among them.

use std::collections::{BTreeMap, HashMap};

use super::nearest::nearest;
use super::parse::{container_name, directory, file_pattern, journal_unit, label_name, not_empty, timezone};
use super::reader::{Place, Reader};
use super::section::Section;
use super::values::{Wrong, wrong};
use super::{Input, Source, Start};
use crate::formats::{self, Kind, custom};

/// The formats of this version that have names of their own.
const FORMATS: &[&str] = &formats::NAMES;

/// The names again, for the reference.
const FORMAT_DOC: &str =
    "nginx_combined, nginx_json, nginx_error, apache, caddy_json, traefik_json, whatsapp_bot, sshd, firewall, players_csv, or custom.NAME.";

/// The kind of a custom format whose records name senders.
const BOT_KIND: &str = "bot";

/// What comes before the name of a custom format.
const CUSTOM: &str = "custom.";

/// The most sources: each is followed, and each is a label value.
const MAX_SOURCES: usize = 64;

/// The most custom formats: each holds compiled patterns.
const MAX_CUSTOM: usize = 64;

/// Reads `[[sources]]`, each with its full name. What is missing or bad is empty, and reported.
pub(super) fn read(root: &mut Section<'_, '_>) -> Vec<(String, Source)> {
    let doc = "A log to read: a file, all files of a pattern, a container's, or a part of the journal. Without any, the usual places are searched.";
    let sources = root.sections("sources", MAX_SOURCES, doc, read_one);
    check_unique(root.reader, &sources, "name", |source| source.name.as_str());
    check_unique(root.reader, &sources, "file", |source| match &source.input {
        Input::File { pattern } => pattern,
        // Several formats may come mixed from one of these.
        Input::Docker { .. } | Input::Journal { .. } => "",
    });
    sources
}

fn read_one(section: &mut Section<'_, '_>) -> Source {
    let name = section.required("name", "web", "The label `source` of its metrics; unique.", label_name);
    let input = read_input(section);
    let format = section.required("format", "nginx_combined", FORMAT_DOC, not_empty);
    let starts = [("end", Start::End), ("beginning", Start::Beginning)];
    let start = section.choice("start", &starts, "Where reading begins at the very first sight of a log.");
    let max_line_bytes = section.size("max_line_bytes", 65_536, 1024..=1_048_576, "Longer lines are read only up to here.");
    let doc = "The time zone of log times that carry no offset, an IANA name. Empty: the format's own rule.";
    let timezone = section.optional("timezone", "Europe/Madrid", doc, timezone);
    Source { name: name.unwrap_or_default(), input, format: format.unwrap_or_default(), start, max_line_bytes, timezone }
}

/// What says where lines come from: each source has one of these.
const INPUTS: [&str; 3] = ["file", "docker", "journal"];

/// Where the lines come from. What is missing or bad is an empty pattern, and reported.
fn read_input(section: &mut Section<'_, '_>) -> Input {
    let held: Vec<&'static str> = INPUTS.into_iter().filter(|name| section.holds(name)).collect();
    let chosen = held.first().copied().unwrap_or("file");
    let (example, doc) =
        ("/var/log/nginx/*access.log", "An absolute path, or a pattern with * ? [a-z] or /**/ in it. Not with docker or journal.");
    let pattern = one_of(section, chosen, "file", example, doc, file_pattern);
    let doc = "Instead of file: a container, by its name, whose standard output and standard error are read.";
    let container = one_of(section, chosen, "docker", "nginx", doc, container_name);
    let doc = "Instead of file: a unit of systemd, whose messages are read from the journal, or \"kernel\".";
    let unit = one_of(section, chosen, "journal", "ssh.service", doc, journal_unit);
    let doc = "Where the journal's files are. Empty: in /var/log/journal and /run/log/journal.";
    let dir = section.optional("journal_dir", "/host/var/log/journal", doc, directory);
    for name in held.iter().skip(1) {
        let remedy = format!("keep one of {}", INPUTS.join(", "));
        section.problem(name, format!("stands beside {chosen}"), remedy);
    }
    if dir.is_some() && chosen != "journal" {
        section.problem("journal_dir", "is of no use without journal", "write journal = \"ssh.service\", or leave it out");
    }
    match chosen {
        "docker" => Input::Docker { container: container.unwrap_or_default() },
        "journal" => Input::Journal { unit: unit.unwrap_or_default(), dir },
        _ => Input::File { pattern: pattern.unwrap_or_default() },
    }
}

/// Reads one of [`INPUTS`], which must be there if it is the chosen one.
fn one_of(
    section: &mut Section<'_, '_>,
    chosen: &str,
    name: &'static str,
    example: &str,
    doc: &'static str,
    parse: impl Fn(&str) -> Result<String, Wrong>,
) -> Option<String> {
    if chosen == name { section.required(name, example, doc, parse) } else { section.optional(name, example, doc, parse) }
}

/// Reports formats that are not known; the nearest name goes on in their place.
pub(super) fn check_formats(reader: &mut Reader, sources: &mut [(String, Source)], custom: &BTreeMap<String, custom::Config>) {
    let known: Vec<String> =
        FORMATS.iter().map(|name| (*name).to_owned()).chain(custom.keys().map(|name| format!("{CUSTOM}{name}"))).collect();
    for (path, source) in sources.iter_mut().filter(|(_, source)| !source.format.is_empty() && !known.contains(&source.format)) {
        let format = &source.format;
        let meant = nearest(format, known.iter().map(String::as_str)).map(str::to_owned);
        let Wrong { what, remedy } = match (&meant, format.strip_prefix(CUSTOM)) {
            (Some(name), _) => wrong(format, "is no known format", format!("did you mean \"{name}\"?")),
            (None, Some(name)) if label_name(name).is_ok() => {
                wrong(format, "is defined nowhere", format!("add a section [formats.custom.{name}]"))
            }
            _ => wrong(format, "is no known format", format!("write one of {}", known.join(", "))),
        };
        reader.problem(&format!("{path}.format"), what, remedy);
        source.format = meant.unwrap_or_default();
    }
}

/// What records of this format tell of.
pub(super) fn kind(format: &str, custom: &BTreeMap<String, custom::Config>) -> Kind {
    // A kind that is not known is taken for what it looks like: the format's own check reports it.
    let is_bot = |format: &custom::Config| nearest(&format.kind, [BOT_KIND]).is_some();
    match format.strip_prefix(CUSTOM).and_then(|name| custom.get(name)) {
        Some(custom) if is_bot(custom) => Kind::Bot,
        _ => formats::kind(format, custom),
    }
}

/// Reads `[formats.custom.NAME]`; the patterns are looked at by those who compile them.
pub(super) fn read_custom(formats: &mut Section<'_, '_>) -> BTreeMap<String, custom::Config> {
    let doc = "A log format of your own, made of named groups: a source uses it as custom.NAME.";
    formats.named("custom", "mybot", MAX_CUSTOM, doc, |section, name| {
        if let Err(Wrong { what, remedy }) = label_name(name) {
            section.problem_here(what, remedy);
        }
        let kind = section.required("kind", "bot", "What its lines tell of: \"bot\" or \"http\".", not_empty);
        let example = r"^(?P<time>\S+ \S+) (?P<level>[A-Z]+) (?P<message>.*)$";
        let line = section.required("line", example, "The regular expression of a line, with named groups.", not_empty);
        let mut pattern = |name, example, doc| section.optional(name, example, doc, not_empty);
        custom::Config {
            kind: kind.unwrap_or_default(),
            line: line.unwrap_or_default(),
            incoming: pattern("incoming", r"^from (?P<sender>\S+)", "The regular expression of a message from a customer.")
                .unwrap_or_default(),
            outgoing: pattern("outgoing", r"^sent to (?P<sender>\S+)", "The regular expression of a message to a customer.")
                .unwrap_or_default(),
            time_format: pattern(
                "time_format",
                "%Y-%m-%d %H:%M:%S",
                "How times are written (strptime); without it the usual ways are tried.",
            )
            .unwrap_or_default(),
            continuation: pattern(
                "continuation",
                "indent",
                "Lines that belong to the record before: \"indent\", or a regular expression. Without it: all that do not match.",
            )
            .unwrap_or_default(),
        }
    })
}

fn check_unique(reader: &mut Reader, sources: &[(String, Source)], name: &str, text: impl Fn(&Source) -> &str) {
    let mut first: HashMap<&str, &str> = HashMap::new();
    for (path, source) in sources.iter().filter(|(_, source)| !text(source).is_empty()) {
        let Some(other) = first.get(text(source)) else {
            first.insert(text(source), path);
            continue;
        };
        let at = match reader.place(&format!("{other}.{name}")) {
            Place::File(Some(line)) => format!("{other}, line {line}"),
            Place::File(None) | Place::Variable(_) => (*other).to_owned(),
        };
        let Wrong { what, remedy } = wrong(text(source), &format!("is taken ({at})"), "give each source its own");
        reader.problem(&format!("{path}.{name}"), what, remedy);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_names_every_format() {
        assert_eq!(FORMAT_DOC, format!("{}, or {CUSTOM}NAME.", FORMATS.join(", ")));
    }

    #[test]
    fn bots_and_players_carry_senders() {
        let custom =
            |kind: &str| BTreeMap::from([("own".to_owned(), custom::Config { kind: kind.to_owned(), ..custom::Config::default() })]);
        let carries_senders = |name, custom: BTreeMap<_, _>| kind(name, &custom).carries_senders();
        assert!(carries_senders("whatsapp_bot", custom("http")) && carries_senders("players_csv", custom("http")));
        assert!(carries_senders("custom.own", custom("bot")) && carries_senders("custom.own", custom("bott")));
        assert!(!carries_senders("custom.own", custom("http")) && !carries_senders("custom.other", custom("bot")));
        assert!(!carries_senders("apache", custom("bot")) && !carries_senders("sshd", custom("bot")));
    }
}
