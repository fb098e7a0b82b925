//! Configurations and what is said about them: every `config/<case>.toml` (with the variables of `<case>.env`, if there are any) gives
//! exactly the text of `<case>.expected`, the problems or the summary. `BLESS=1` writes what is expected, and the generated files.

#![expect(clippy::unwrap_used, reason = "what goes wrong in a test ends it")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use hostwarden::config::{self, Config, Input, reference};
use proptest::prelude::*;

/// What is said about a configuration: its summary, or its problems.
fn said(file: Option<&Path>, environment: &[(&str, &str)]) -> String {
    let environment = environment.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    config::load(file, environment).map_or_else(|problems| problems.to_string(), |config| config.summary())
}

/// The same for text, which stands in `hostwarden.toml`.
fn said_of(text: impl AsRef<[u8]>, environment: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hostwarden.toml");
    fs::write(&file, text).unwrap();
    said(Some(&file), environment).replace(&format!("{}/", folder.path().display()), "")
}

fn loaded(text: &str, environment: &[(&str, &str)]) -> Config {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hostwarden.toml");
    fs::write(&file, text).unwrap();
    config::load(Some(&file), environment.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))).unwrap()
}

/// Compares with a committed file, or writes it.
fn expect(file: &Path, text: &str) -> Result<(), String> {
    if std::env::var_os("BLESS").is_some() {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
    let expected = fs::read_to_string(file).unwrap_or_default();
    if expected == text { Ok(()) } else { Err(format!("{} differs:\n{text}", file.display())) }
}

#[test]
fn every_case_says_what_is_expected() {
    let mut cases: Vec<PathBuf> = fs::read_dir("tests/config").unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    cases.sort();
    assert!(cases.len() > 30, "the cases are gone");
    let mut differing = Vec::new();
    for case in cases {
        let variables = fs::read_to_string(case.with_extension("env")).unwrap_or_default();
        let variables: Vec<(&str, &str)> = variables.lines().filter_map(|line| line.split_once('=')).collect();
        differing.extend(expect(&case.with_extension("expected"), &said(Some(&case), &variables)).err());
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

#[test]
fn no_case_tells_a_secret() {
    for entry in fs::read_dir("tests/config").unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "expected") {
            let text = fs::read_to_string(&path).unwrap();
            for secret in ["0123456789abcde", "changeme", "secretsecret", "your-secret", "xxxxxxxx", "with blanks", "12345678901234567890"]
            {
                assert!(!text.contains(secret), "{} tells {secret}", path.display());
            }
        }
    }
}

#[test]
fn generated_files_are_up_to_date() {
    expect(Path::new("hostwarden.toml"), &reference::file()).unwrap();
    expect(Path::new("../docs/configuration.md"), &reference::markdown()).unwrap();
    expect(Path::new("tests/config/files/all.env"), &reference::env()).unwrap();
}

#[test]
fn the_example_is_a_configuration() {
    let text = reference::file();
    let defaults = Config::default();
    let mut as_it_is = loaded(&text, &[]);
    as_it_is.file = None;
    assert_eq!(as_it_is, defaults);
    // With every setting taken in, all known sections and settings are there, and nothing is complained about but what the salt is for.
    let uncommented: String = text.lines().map(|line| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(line)).fold(
        String::new(),
        |mut all, line| {
            all.push_str(line);
            all.push('\n');
            all
        },
    );
    let mut full = loaded(&uncommented, &[]);
    assert_eq!(full.sources.len(), 1);
    assert_eq!(full.formats.custom.len(), 1);
    full.sources.clear();
    full.formats.custom.clear();
    assert!(full.notifiers.discord.is_none() && full.notifiers.webhook.is_none());
    assert_eq!(full.probes.udp_ports.config.services.len(), 1);
    full.probes.udp_ports.config.services.clear();
    full.probes.sqlserver.config.instances.clear();
    full.file = None;
    assert_eq!(full, defaults);
}

#[test]
fn every_variable_of_the_example_is_read() {
    let text = reference::env();
    let variables: Vec<(String, String)> = text
        .lines()
        .filter_map(|line| line.strip_prefix('#')?.split_once('='))
        .filter(|(name, _)| name.starts_with("HOSTWARDEN"))
        .map(|(name, text)| (name.to_owned(), text.trim_matches('\'').to_owned()))
        .collect();
    assert!(variables.len() > 40, "{}", variables.len());
    let names: BTreeSet<&String> = variables.iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), variables.len(), "a variable is named twice");
    let config = config::load(None, variables).unwrap();
    assert_eq!(config.sources[0].format, "nginx_combined");
    assert_eq!(config.formats.custom["mybot"].kind, "bot");
}

#[test]
fn secrets_stay_text() {
    for salt in
        ["0123e45678901234", "3141592653589793", "+34600123456 0000", " blanks at both ends ", "0x0123456789abcdef", "a,b,c,[\"d\"],=,#,$e"]
    {
        assert_eq!(loaded("", &[("HOSTWARDEN_SALT", salt)]).privacy.salt.unwrap().expose(), salt);
        assert_eq!(loaded(&format!("[privacy]\nsalt = '{salt}'"), &[]).privacy.salt.unwrap().expose(), salt);
    }
    let files =
        [("HOSTWARDEN_SALT_FILE", "tests/config/files/salt"), ("HOSTWARDEN__SERVER__BEARER_TOKEN_FILE", "tests/config/files/token")];
    let config = loaded("[privacy]\nsalt_file = '/nowhere'", &files);
    assert_eq!(config.privacy.salt.as_ref().unwrap().expose(), "9f86d081884c7d659a2feaa0c55ad015");
    assert_eq!(config.server.bearer_token.as_ref().unwrap().expose(), "d4f0bc5a29de06b510f9aa428f1eedba");
    let printed = format!("{config:?} {}", config.summary());
    assert!(!printed.contains("9f86d081") && !printed.contains("d4f0bc5a"), "{printed}");
}

#[test]
fn values_mean_what_was_written() {
    let config = loaded(&fs::read_to_string("tests/config/everything.toml").unwrap(), &[]);
    assert_eq!(config.server.max_connections, 16);
    assert_eq!(config.web.trusted_proxies[1], "2001:db8::1/128".parse().unwrap());
    assert_eq!(config.web.sites, ["example.org", "shop.example.org"]);
    assert_eq!(config.sources[0].max_line_bytes, 0x4000);
    assert_eq!(config.sources[1].input, Input::File { pattern: "/srv/bot/bot.log".to_owned() });
    assert_eq!(config.formats.nginx_json.uri, "path");
    assert_eq!(config.formats.custom["mybot"].line, r"^(?P<time>\S+) (?P<message>.*)$");
    assert_eq!(config.detectors.bot_latency.forget_after_secs, 7200);
    assert!(!config.detectors.bot_errors.enabled);
    assert_eq!(config.policy.never_ban.networks[1], "2001:db8::7/128".parse().unwrap());
    assert_eq!((config.policy.never_ban.ssh_ports.as_slice(), config.policy.never_ban.reverse_dns), ([22, 2222].as_slice(), false));
    assert_eq!(config.enrichers.geoip.asn_file.as_deref(), Some(Path::new("/srv/geoip/asn.mmdb")));
}

#[test]
fn files_of_other_systems_are_read() {
    let plain = "# a comment\n[log]\nlevel = \"debug\"\nlevle = 1\n";
    let expected = "hostwarden.toml:4: log.levle: is not known to this version; did you mean `level`?\n";
    assert_eq!(said_of(plain, &[]), expected);
    assert_eq!(said_of(plain.replace('\n', "\r\n"), &[]), expected);
    assert_eq!(said_of(format!("\u{feff}{plain}"), &[]), expected);
    assert_eq!(said_of(b"[log]\nlevel = \"\xff\"\n", &[]), "hostwarden.toml:2: is not UTF-8; save the file as UTF-8\n");
    assert_eq!(said_of(b"\xff\xfe[\0l\0o\0g\0]\0", &[]), "hostwarden.toml:1: is UTF-16; save the file as UTF-8\n");
}

#[test]
fn what_is_no_configuration_is_bounded() {
    let remedy = "name a TOML file that this user may read";
    let large = "# a log file, perhaps\n".repeat(500_000);
    assert_eq!(said_of(large, &[]), format!("hostwarden.toml: cannot be read: it is larger than 256 KiB; {remedy}\n"));
    assert_eq!(said(Some(Path::new("/nowhere/x.toml")), &[]), format!("/nowhere/x.toml: cannot be read: no such file; {remedy}\n"));
    assert_eq!(said(Some(Path::new("/")), &[]), format!("/: cannot be read: it is a directory; {remedy}\n"));
    assert_eq!(said(Some(Path::new("/dev/zero")), &[]), format!("/dev/zero: cannot be read: it is no regular file; {remedy}\n"));
    for (text, most_lines) in [("=\n".repeat(100_000), 10), ("[".repeat(250_000), 10), (format!("a = {}", "[".repeat(200_000)), 10)] {
        assert!(said_of(text, &[]).lines().count() <= most_lines);
    }
    let unknown: String = (0..20_000).map(|n| format!("key{n} = 1\n")).collect();
    let text = said_of(unknown, &[]);
    assert!(text.ends_with("and 19500 more problems\n"), "{}", text.lines().last().unwrap());
}

#[test]
fn a_missing_file_does_not_hide_the_environment() {
    let text = said(Some(Path::new("/nowhere/x.toml")), &[("HOSTWARDEN__LOG__LEVEL", "loud"), ("HOSTWARDEN__SERVER__LISTEN", "0.0.0.0:1")]);
    assert_eq!(
        text,
        "/nowhere/x.toml: cannot be read: no such file; name a TOML file that this user may read\n\
         HOSTWARDEN__LOG__LEVEL: \"loud\" is none of the known words; write one of \"info\", \"error\", \"warn\", \"debug\", \"trace\"\n"
    );
}

#[test]
fn without_a_file_the_setting_is_named() {
    assert_eq!(
        said(None, &[("HOSTWARDEN__SERVER__LISTEN", "0.0.0.0:1")]),
        "server.bearer_token: is missing, and 0.0.0.0:1 can be reached from other machines; \
         set it (or bearer_token_file), or listen on 127.0.0.1 only\n"
    );
}

#[test]
fn an_address_in_brackets_is_no_array() {
    let listen = |text: &str| {
        let config = config::load(None, [("HOSTWARDEN__SERVER__LISTEN".to_owned(), text.to_owned())]);
        config.map(|config| config.server.listen.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    for text in ["[::1]:9797", " [::1]:9797 ", "[\"[::1]:9797\"]"] {
        assert_eq!(listen(text).unwrap(), ["[::1]:9797"], "{text}");
    }
    assert_eq!(listen("[::1]:9797, 127.0.0.1:9797").unwrap(), ["[::1]:9797", "127.0.0.1:9797"]);
    assert!(listen("[\"[::1]:9797\"").unwrap_err().to_string().contains("is no TOML array"));
    assert!(listen("[::1]").unwrap_err().to_string().contains("is no TOML array"));
}

#[test]
fn the_default_file_is_read_if_it_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let default_file = folder.path().join("hostwarden.toml");
    assert_eq!(config::load_or_default(None, &default_file, []).unwrap(), Config::default());
    fs::write(&default_file, "[log]\nlevel = 'trace'").unwrap();
    let config = config::load_or_default(None, &default_file, []).unwrap();
    assert_eq!((config.log.level.as_str(), config.file.as_deref()), ("trace", Some(default_file.as_path())));
    let named = folder.path().join("named.toml");
    assert!(config::load_or_default(Some(&named), &default_file, []).is_err(), "a named file must be there");
    fs::write(&named, "").unwrap();
    assert_eq!(config::load_or_default(Some(&named), &default_file, []).unwrap().log.level, "info");
}

#[test]
fn text_that_is_not_utf8_is_refused_in_variables() {
    assert_eq!(said(None, &[("HOSTWARDEN__STATE__DIR", "/a\u{fffd}")]), "HOSTWARDEN__STATE__DIR: is not UTF-8 text; write it again\n");
}

#[test]
fn long_lists_of_sections_are_cut() {
    let sources: String = (0..70).map(|n| format!("[[sources]]\nname = 's{n}'\nfile = '/var/log/{n}'\nformat = 'apache'\n")).collect();
    let expected = "hostwarden.toml:1: sources: has 70 entries; keep at most 64\nhostwarden.toml: sources: 64 web logs would make a \
                    page of 6208 series; name at most 46 of them; one pattern may stand for many files\n";
    assert_eq!(said_of(sources, &[]), expected);
    let formats: String = (0..70).map(|n| format!("[formats.custom.f{n}]\nkind = 'bot'\nline = '(?<time>x)'\n")).collect();
    assert_eq!(said_of(formats, &[]), "hostwarden.toml:1: formats.custom: has 70 sections; keep at most 64\n");
}

/// Pieces of configuration, well-formed and not, with the names that the reader looks for.
fn piece() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec![
        "server",
        "listen",
        "tls",
        "sources",
        "name",
        "file",
        "format",
        "salt",
        "salt_file",
        "privacy",
        "senders",
        "formats",
        "custom",
        "nginx_json",
        "peer",
        "web",
        "sites",
        "detectors",
        "bot_latency",
        "enabled",
        "max_senders",
        "log",
        "level",
        "x",
        "\"a b\"",
        "\"\"",
    ]);
    let value = prop_oneof![
        "[a-z0-9./:\\[\\]*-]{0,12}".prop_map(|text| format!("'{text}'")),
        any::<i64>().prop_map(|number| number.to_string()),
        any::<f64>().prop_map(|number| format!("{number:?}")),
        Just("true".to_owned()),
        Just("1979-05-27".to_owned()),
        Just("[]".to_owned()),
        Just("['a', 1, {}]".to_owned()),
        Just("{ name = 'a', file = '/b' }".to_owned()),
        "\\PC{0,8}",
    ];
    prop_oneof![
        prop::collection::vec(name.clone(), 1..4).prop_map(|names| format!("[{}]", names.join("."))),
        prop::collection::vec(name.clone(), 1..3).prop_map(|names| format!("[[{}]]", names.join("."))),
        (name, value).prop_map(|(name, value)| format!("{name} = {value}")),
        "\\PC{0,20}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn nothing_makes_it_panic(
        pieces in prop::collection::vec(piece(), 0..20),
        variables in prop::collection::vec(("HOSTWARDEN(_|__)(SERVER|SOURCES|FORMATS)__(LISTEN|[0-9]{1,3}|CUSTOM)(__\\PC{0,6})?", "\\PC{0,12}"), 0..4),
    ) {
        let variables: Vec<(&str, &str)> = variables.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        let text = said_of(pieces.join("\n"), &variables);
        prop_assert!(text.lines().all(|line| !line.chars().any(char::is_control)));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(!said_of(bytes, &[]).is_empty());
    }
}
