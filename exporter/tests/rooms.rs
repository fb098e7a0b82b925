//! The rooms of `src/` keep to themselves: what each may name, which words the pure ones may not hold, and what only one room may do.
//!
//! ARCHITECTURE's rules as a table, checked against every `use`, brace list and path written in full. Reads text, not types
//! (`rooms/paths.rs`); clippy refuses the rest in the pure rooms (clippy.toml).

#![allow(clippy::unwrap_used, clippy::string_slice, reason = "a test fails loudly")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path as FilePath, PathBuf};

#[path = "rooms/paths.rs"]
mod paths;

use paths::{Kind, Path, Token};

/// One room: a folder or file of `src/`.
struct Room {
    name: &'static str,
    /// No I/O, no async, no clock.
    pure: bool,
    /// Rooms that it may name, besides itself.
    rooms: &'static [&'static str],
    /// Crates that it may name, besides std.
    crates: &'static [&'static str],
    /// Files of its own that its other files may name; else they know only what stands in its mod.rs. `None`: no rule.
    shared: Option<&'static [&'static str]>,
}

/// Everything.
const ANY: &[&str] = &["*"];

const fn pure(name: &'static str, rooms: &'static [&'static str], crates: &'static [&'static str]) -> Room {
    Room { name, pure: true, rooms, crates, shared: None }
}

const fn edge(name: &'static str, rooms: &'static [&'static str], crates: &'static [&'static str]) -> Room {
    Room { name, pure: false, rooms, crates, shared: None }
}

/// A room of things that do not know each other.
const fn apart(room: Room, shared: &'static [&'static str]) -> Room {
    Room { shared: Some(shared), ..room }
}

/// The engine sees all of the core.
const CORE: &[&str] = &[
    "batch",
    "classify",
    "detectors",
    "event",
    "feed",
    "finding",
    "formats",
    "incident",
    "metrics",
    "policy",
    "privacy",
    "sample",
    "snapshot",
    "subject",
];

const ROOMS: &[Room] = &[
    pure("event", &["privacy"], &["jiff", "memchr", "serde"]),
    pure("batch", &["event"], &["serde"]),
    pure("subject", &["event"], &["ipnet", "serde", "wide"]),
    pure("finding", &["event", "subject"], &["serde"]),
    pure("feed", &["event"], &["serde"]),
    pure("incident", &["event", "finding"], &["serde"]),
    pure("sample", &["event", "subject"], &["ipnet", "serde"]),
    pure("snapshot", &[], &["serde", "serde_json", "zstd"]),
    pure("privacy", &[], &["aws_lc_rs", "foldhash", "hmac", "serde", "sha2"]),
    apart(
        pure("formats", &["event", "privacy"], &["jiff", "memchr", "regex", "serde", "serde_json", "wide"]),
        &["bot_records", "custom", "escapes", "http_fields", "json", "nginx_combined", "numbers", "syslog", "timestamps"],
    ),
    pure("classify", &["event"], &["aho_corasick", "foldhash", "memchr", "regex_automata", "regex_syntax", "wide"]),
    apart(
        pure(
            "detectors",
            &["event", "finding", "privacy", "sample", "snapshot", "subject"],
            &["base64", "foldhash", "hashbrown", "lru", "postcard", "serde", "serde_json", "sha2", "smallvec"],
        ),
        &["suspects", "window"],
    ),
    pure(
        "policy",
        &["event", "finding", "incident", "sample", "snapshot", "subject"],
        &["foldhash", "ipnet", "jiff", "lru", "serde", "serde_json"],
    ),
    pure(
        "metrics",
        &["batch", "event", "finding", "sample"],
        &["foldhash", "hdrhistogram", "lru", "memchr", "prometheus_client", "serde_json"],
    ),
    pure("engine", CORE, &["foldhash", "ipnet", "lru", "serde", "serde_json"]),
    pure("workload", &["event", "sample"], &[]),
    // The edge.
    edge("clock", &["event"], &[]),
    edge("docker_api", &[], &["http_body_util", "hyper", "hyper_util", "serde", "serde_json", "thiserror", "tokio"]),
    edge("logging", &["clock", "config"], &["serde", "tracing", "tracing_subscriber"]),
    edge(
        "config",
        // Meaning, not behaviour: the parts' own settings.
        &[
            "detectors",
            "docker_api",
            "enforcers",
            "enrichers",
            "event",
            "finding",
            "formats",
            "http",
            "incident",
            "metrics",
            "notifiers",
            "policy",
            "privacy",
            "probes",
            "sources",
            "subject",
            "workload",
        ],
        &["glob", "ipnet", "jiff", "memchr", "regex", "serde", "serde_json", "thiserror", "toml"],
    ),
    edge(
        "sources",
        &["batch", "clock", "docker_api", "event"],
        &[
            "flate2",
            "foldhash",
            "glob",
            "inotify",
            "jiff",
            "lz4_flex",
            "memchr",
            "percent_encoding",
            "rustix",
            "serde",
            "serde_json",
            "thiserror",
            "tokio",
            "tracing",
            "zstd",
        ],
    ),
    edge(
        "probes",
        &["clock", "docker_api", "event", "policy", "sample", "subject"],
        &[
            "futures_util",
            "glob",
            "inotify",
            "ipnet",
            "md5",
            "netlink_sys",
            "procfs",
            "reqwest",
            "rustix",
            "serde",
            "serde_json",
            "sha2",
            "thiserror",
            "tiberius",
            "tokio",
            "tracing",
        ],
    ),
    edge(
        "enrichers",
        &["clock", "event", "finding", "subject"],
        &["dns_lookup", "maxminddb", "reqwest", "serde", "serde_json", "thiserror", "tokio", "tracing"],
    ),
    edge(
        "notifiers",
        &["clock", "event", "feed", "finding", "incident"],
        &["flate2", "hmac", "reqwest", "serde", "serde_json", "sha2", "thiserror", "tokio", "tracing"],
    ),
    edge("enforcers", &["clock", "event", "subject"], &["ipnet", "reqwest", "serde", "serde_json", "thiserror", "tokio", "tracing"]),
    edge("store", &["clock", "event", "snapshot"], &["flate2", "rusqlite", "rustix", "serde", "serde_json", "thiserror", "tracing"]),
    edge(
        "http",
        &["clock", "engine", "event", "feed", "finding", "incident", "metrics"],
        &[
            "base64",
            "flate2",
            "form_urlencoded",
            "http_body_util",
            "hyper",
            "hyper_util",
            "jiff",
            "percent_encoding",
            "rustix",
            "serde",
            "serde_json",
            "sha2",
            "subtle",
            "thiserror",
            "tokio",
            "tokio_rustls",
            "tracing",
        ],
    ),
    edge("demo", &["clock", "probes", "workload"], &[]),
    edge("app", ANY, ANY),
    edge("setup", ANY, ANY),
    edge("cli", ANY, ANY),
    edge("main", ANY, ANY),
    edge("lib", ANY, ANY),
];

/// What no pure room may name: beginnings of paths.
const IMPURE: &[&str] = &[
    "std::env",
    "std::fs",
    "std::net::TcpListener",
    "std::net::TcpStream",
    "std::net::ToSocketAddrs",
    "std::net::UdpSocket",
    "std::os",
    "std::io::stderr",
    "std::io::stdin",
    "std::io::stdout",
    "std::process",
    "std::sync::Condvar",
    "std::sync::Mutex",
    "std::sync::RwLock",
    "std::sync::mpsc",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
];

/// Who starts tasks: the app, the accept loop for its own connections (bounded and ended there), and the demo, whose writer stands for
/// the programs that it makes up.
const SPAWNERS: &[&str] = &["app.rs", "app/", "cli/demo.rs", "http/serve.rs"];

/// Who starts processes.
const STARTERS: &[&str] = &["probes/integrity/rpm.rs", "probes/udp_ports/nft.rs", "enforcers/nft.rs"];

/// What only one place may do: beginnings of paths, and who may.
const ONLY: &[(&str, &[&str])] = &[
    ("std::env::remove_var", &[]),
    ("std::env::set_var", &[]),
    ("std::env::var", &["config/"]),
    ("std::env::var_os", &["config/"]),
    ("std::env::vars", &["config/"]),
    ("std::env::vars_os", &["config/"]),
    // What asks Docker for more than GET.
    ("crate::docker_api::exec", &["docker_api/", "probes/sqlserver/"]),
    ("std::process::Command", STARTERS),
    ("tokio::process", STARTERS),
    ("std::thread::spawn", SPAWNERS),
    ("std::thread::Builder", SPAWNERS),
    ("std::thread::scope", SPAWNERS),
    ("tokio::task::JoinSet", SPAWNERS),
    ("std::time::Instant::now", &["clock.rs"]),
    ("std::time::SystemTime::now", &["clock.rs"]),
    ("tokio::time::Instant::now", &["clock.rs"]),
    ("jiff::Timestamp::now", &["clock.rs"]),
    ("jiff::Zoned::now", &["clock.rs"]),
];

const DENY_LINE: &str = "#![deny(clippy::disallowed_methods, clippy::disallowed_types)]";

/// What is wrong in one file. `file` is its path below `src/`, `modules` are the names of the room's files, `crates` those of the
/// manifest.
fn breaches(file: &str, source: &str, modules: &BTreeSet<String>, crates: &BTreeSet<String>) -> Vec<String> {
    let module = module_of(file);
    let room_name = if module.is_empty() { file.trim_end_matches(".rs") } else { module[0].as_str() };
    let Some(room) = ROOMS.iter().find(|room| room.name == room_name) else {
        return vec![format!("src/{file}: room `{room_name}` stands in no row of tests/rooms.rs")];
    };
    let tokens = paths::tokens(source);
    let mut found = Vec::new();
    let mut tell = |line: usize, what: String| found.push(format!("src/{file}:{line}: {what}"));
    for path in paths::paths(&tokens, &module) {
        if let Some(what) = path_breach(room, file, &module, &path, modules, crates) {
            tell(path.line, what);
        }
    }
    word_breaches(room, file, &tokens, &mut tell);
    if room.pure && file.matches('/').count() == usize::from(file.ends_with("/mod.rs")) && first_code(source) != DENY_LINE {
        tell(1, format!("begins with `{}` instead of `{DENY_LINE}`", first_code(source)));
    }
    found
}

fn path_breach(
    room: &Room,
    file: &str,
    module: &[String],
    path: &Path,
    modules: &BTreeSet<String>,
    crates: &BTreeSet<String>,
) -> Option<String> {
    let allows = |list: &[&str], name: &str| list == ANY || list.contains(&name);
    let full = path.segments.join("::");
    if let Some((what, _)) = ONLY.iter().find(|(what, places)| begins(&full, what) && !places.iter().any(|place| file.starts_with(place))) {
        return Some(format!("names `{what}`"));
    }
    if let Some(what) = IMPURE.iter().find(|what| room.pure && begins(&full, what)) {
        return Some(format!("names `{what}`"));
    }
    let first = path.segments.first()?.as_str();
    if first != "crate" {
        return (crates.contains(first) && !allows(room.crates, first)).then(|| format!("names crate `{first}`"));
    }
    let Some(named) = path.segments.get(1) else {
        return (room.rooms != ANY).then(|| "names the whole crate".to_owned());
    };
    if named != room.name {
        return (!allows(room.rooms, named)).then(|| format!("names room `{named}`"));
    }
    // Within a room of things that do not know each other.
    let sibling = path.segments.get(2)?;
    let shared = room.shared?;
    let own = module.get(1)?;
    let knows = sibling == own || !modules.contains(sibling) || shared.contains(&sibling.as_str());
    (!knows && !shared.contains(&own.as_str())).then(|| format!("names its sibling `{sibling}`"))
}

fn begins(path: &str, with: &str) -> bool {
    let path = path.strip_prefix("core::").map_or_else(|| path.to_owned(), |rest| format!("std::{rest}"));
    path.strip_prefix(with).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn word_breaches(room: &Room, file: &str, tokens: &[Token], tell: &mut impl FnMut(usize, String)) {
    let may_spawn = SPAWNERS.iter().chain(STARTERS).any(|place| file.starts_with(place));
    for (at, token) in tokens.iter().enumerate() {
        let before = at.checked_sub(1).map(|at| &tokens[at]);
        let after = tokens.get(at + 1);
        let follows = |text: &str| before.is_some_and(|token| token.is(text));
        let precedes = |text: &str| after.is_some_and(|token| token.is(text));
        let word = token.text.as_str();
        match token.kind {
            Kind::Word if room.pure && matches!(word, "async" | "await") => tell(token.line, format!("holds the word `{word}`")),
            Kind::Word if room.pure && matches!(word, "thread_local" | "unsafe") => tell(token.line, format!("holds the word `{word}`")),
            Kind::Word if room.pure && word == "static" && precedes("mut") => tell(token.line, "holds the words `static mut`".to_owned()),
            Kind::Word if room.pure && matches!(word, "elapsed" | "sleep") && follows(".") => {
                tell(token.line, format!("asks the clock: `.{word}`"));
            }
            Kind::Word if !may_spawn && word.starts_with("spawn") && !follows("fn") && (precedes("(") || precedes("::")) => {
                tell(token.line, format!("spawns: `{word}`"));
            }
            Kind::Text if room.name != "metrics" => {
                if let Some(name) = metric_name(word) {
                    tell(token.line, format!("spells the metric name `{name}`"));
                }
            }
            _ => {}
        }
    }
}

/// The nftables table of the probe of UDP ports is called so, and no metric is.
const NFT_TABLE: &str = "hostwarden_udp";

/// A metric's name in a text, if one stands there.
fn metric_name(text: &str) -> Option<&str> {
    let start = text.match_indices("hostwarden_").find(|(at, _)| !text[..*at].ends_with(|c: char| c.is_alphanumeric() || c == '_'))?.0;
    let name = text[start..].split(|c: char| !c.is_ascii_lowercase() && c != '_').next()?;
    (name.len() > "hostwarden_".len() && name != NFT_TABLE).then_some(name)
}

/// The first line that is neither blank nor a comment.
fn first_code(source: &str) -> &str {
    source.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with("//")).unwrap_or_default()
}

/// `formats/sshd.rs` is `["formats", "sshd"]`, `formats/mod.rs` is `["formats"]`, `lib.rs` and `main.rs` are the root.
fn module_of(file: &str) -> Vec<String> {
    let mut steps: Vec<String> = file.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    if matches!(steps.last().map(String::as_str), Some("mod")) || matches!(file, "lib.rs" | "main.rs") {
        steps.pop();
    }
    steps
}

fn rust_files(folder: &FilePath) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The dependencies in Cargo.toml, as they are named in code, and what comes with the compiler.
fn crates() -> BTreeSet<String> {
    let manifest: toml::Table = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).unwrap().parse().unwrap();
    let listed = ["dependencies", "dev-dependencies"].into_iter().filter_map(|key| manifest.get(key)?.as_table());
    let mut crates: BTreeSet<String> = listed.flat_map(|table| table.keys()).map(|name| name.replace('-', "_")).collect();
    crates.insert("libc".to_owned());
    crates
}

#[test]
fn every_room_keeps_to_its_row() {
    let src = FilePath::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src"));
    let crates = crates();
    let mut all = Vec::new();
    let mut files = 0;
    for path in rust_files(src) {
        let file = path.strip_prefix(src).unwrap().to_str().unwrap().to_owned();
        // Tests beside their room may know more than it.
        if file.ends_with("/tests.rs") || file.contains("/tests/") {
            continue;
        }
        let room = module_of(&file).first().map(|room| src.join(room)).unwrap_or_default();
        let modules =
            fs::read_dir(room).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path().file_stem()?.to_str()?.to_owned()));
        all.extend(breaches(&file, &fs::read_to_string(&path).unwrap(), &modules.collect(), &crates));
        files += 1;
    }
    assert!(files > 10, "only {files} files seen");
    assert!(all.is_empty(), "{}", all.join("\n"));
}

#[test]
fn the_table_names_only_rooms_of_the_table() {
    let names: BTreeSet<&str> = ROOMS.iter().map(|room| room.name).collect();
    assert_eq!(names.len(), ROOMS.len(), "a room stands twice");
    for room in ROOMS.iter().filter(|room| room.rooms != ANY) {
        let pure = |name: &str| ROOMS.iter().any(|other| other.name == name && other.pure);
        for named in room.rooms {
            assert!(names.contains(named), "{}: {named}", room.name);
            assert!(!room.pure || pure(named), "{} is pure, {named} is not: arrows point inward", room.name);
        }
    }
}

/// The breaches of one source, by what they say.
fn seen(file: &str, source: &str) -> Vec<String> {
    let modules = ["mod", "udp_flood", "ssh_brute_force", "window"].map(str::to_owned).into();
    let front = format!("src/{file}:");
    breaches(file, source, &modules, &crates()).iter().map(|breach| breach.trim_start_matches(&front).to_owned()).collect()
}

#[test]
fn a_named_crate_or_room_is_seen_however_it_is_written() {
    for (source, expected) in [
        ("use tokio::time;", "1: names crate `tokio`"),
        ("use ::tokio::time;", "1: names crate `tokio`"),
        ("fn f() {\n    tokio::task::yield_now();\n}", "2: names crate `tokio`"),
        ("fn f() -> impl ::tokio::io::AsyncRead {}", "1: names crate `tokio`"),
        ("extern crate rusqlite;", "1: names crate `rusqlite`"),
        ("use {serde::Serialize, rusqlite as db};", "1: names crate `rusqlite`"),
        ("use crate::metrics::Page;", "1: names room `metrics`"),
        ("use hostwarden::metrics::Page;", "1: names room `metrics`"),
        ("use crate::{event::{Event, Timestamp}, metrics};", "1: names room `metrics`"),
        ("use super::super::sources;", "1: names room `sources`"),
        ("mod inner { use super::super::super::store::Store; }", "1: names room `store`"),
        ("fn f(page: &crate::metrics::Page) {}", "1: names room `metrics`"),
        ("const N: usize = <crate::store::Store as Default>::N;", "1: names room `store`"),
        ("use crate as all;", "1: names the whole crate"),
        ("use super::ssh_brute_force::Config;", "1: names its sibling `ssh_brute_force`"),
        ("use crate::detectors::{window::Window, ssh_brute_force};", "1: names its sibling `ssh_brute_force`"),
    ] {
        assert_eq!(seen("detectors/udp_flood.rs", source), [expected], "{source}");
    }
}

#[test]
fn what_a_pure_room_must_not_do_is_seen() {
    for (source, expected) in [
        ("use std::fs::File;", "1: names `std::fs`"),
        ("use std::{collections::BTreeMap, fs};", "1: names `std::fs`"),
        ("fn f() { core::net::TcpStream::connect; }", "1: names `std::net::TcpStream`"),
        ("fn f() { std::process::exit(1) }", "1: names `std::process`"),
        ("use std::time::{Duration, Instant};", "1: names `std::time::Instant`"),
        ("use std::sync::Mutex;", "1: names `std::sync::Mutex`"),
        ("async fn f() {}", "1: holds the word `async`"),
        ("fn f() { g().await }", "1: holds the word `await`"),
        ("fn f(at: T) { at.elapsed(); }", "1: asks the clock: `.elapsed`"),
        ("static mut COUNT: u64 = 0;", "1: holds the words `static mut`"),
        ("const NAME: &str = \"hostwarden_udp_floods_total\";", "1: spells the metric name `hostwarden_udp_floods_total`"),
        ("const NAME: &str = r#\"rate(hostwarden_bans[5m])\"#;", "1: spells the metric name `hostwarden_bans`"),
    ] {
        assert_eq!(seen("detectors/udp_flood.rs", source), [expected], "{source}");
    }
}

#[test]
fn what_only_one_room_may_do_is_seen() {
    for (file, source, expected) in [
        ("http/mod.rs", "use std::env;\nfn f() { env::var(\"X\"); }", "2: names `std::env::var`"),
        ("cli/run.rs", "use std::env::vars as all;", "1: names `std::env::vars`"),
        ("store.rs", "use std::time::Instant;\nfn f() { Instant::now(); }", "2: names `std::time::Instant::now`"),
        ("probes/docker.rs", "fn f() { std::process::Command::new(\"docker\"); }", "1: names `std::process::Command`"),
        ("probes/docker/mod.rs", "use crate::docker_api::{Client, exec};", "1: names `crate::docker_api::exec`"),
        ("http/page.rs", "fn f() { tokio::spawn(g()); }", "1: spawns: `spawn`"),
        ("sources/file.rs", "fn f(set: &mut Set) { set.spawn_blocking(g); }", "1: spawns: `spawn_blocking`"),
        ("cli/replay.rs", "fn f() { std::thread::scope(g); }", "1: names `std::thread::scope`"),
        ("attic/mod.rs", "", "room `attic` stands in no row of tests/rooms.rs"),
    ] {
        let found = seen(file, source);
        assert!(found.iter().any(|breach| breach.ends_with(expected)), "{file}: {source}\n{found:?}");
    }
}

#[test]
fn the_deny_line_must_come_first() {
    let line = DENY_LINE;
    for file in ["detectors/mod.rs", "event.rs"] {
        assert_eq!(seen(file, &format!("{line}\n//! A room.\n")), Vec::<String>::new());
        assert_eq!(seen(file, &format!("//! A room.\n\n{line}\n")), Vec::<String>::new());
        assert_eq!(seen(file, &format!("//! A room.\nmod x;\n{line}\n")).len(), 1);
        assert_eq!(seen(file, "//! A room.\n").len(), 1);
    }
    assert_eq!(seen("detectors/udp_flood.rs", "//! No room of its own.\n"), Vec::<String>::new());
    assert_eq!(seen("store.rs", "//! The edge.\n"), Vec::<String>::new());
}

#[test]
fn words_that_are_not_code_are_let_pass() {
    for source in [
        "// use tokio::spawn(x).await;",
        "/* std::fs /* nested */ std::process */",
        "/// See [`std::fs::File`] and hostwarden_bans.\nconst A: char = '\\'';",
        "const TEXT: &str = \"use tokio::net; \\\" std::fs\";",
        "const TEXT: &str = r##\"crate::metrics \"# std::env\"##;",
        "fn longest<'a>(text: &'a str) -> &'a str { text }",
        "pub(crate) const N: u8 = b'\"';",
        "const SALT: &str = \"HOSTWARDEN_SALT hostwarden.toml x_hostwarden_y\";",
        "#[cfg(test)]\nmod tests {\n    use crate::metrics::Page;\n    fn f() { std::fs::read(\"x\"); }\n}",
        "#[cfg(test)]\nuse tempfile::TempDir;",
        "use crate::event::{self, Event};\nfn f() { event::Timestamp::default(); }",
        "use super::window::Window;\nuse super::Detector;\nuse std::{time::Duration, collections::{BTreeMap, HashMap}};",
        "use serde_json::json as json_value;\nfn f() { json_value!({}); serde_json::Value::Null; }",
        "fn f(regex: &str) { let tokio = regex; }",
    ] {
        assert_eq!(seen("detectors/udp_flood.rs", source), Vec::<String>::new(), "{source}");
    }
}
