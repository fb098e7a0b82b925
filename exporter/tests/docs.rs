//! What the documentation shows is run: every example line and every example configuration of `docs/formats.md`, and the configurations
//! of all others.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Write;
use std::process::{Command, Stdio};

use hostwarden::formats;
use serde_json::Value;

fn documentation() -> &'static str {
    include_str!("../../docs/formats.md")
}

/// What `explain` says of each record.
fn explain(format: &str, configuration: &str, lines: &str) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("hostwarden.toml");
    std::fs::write(&config, configuration).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_hostwarden"));
    command.env_clear().env("TZ", "UTC").arg("--config").arg(&config).args(["explain", "--format", format]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{format}");
    String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The configuration and the lines of the example under this heading.
fn example(heading: &str) -> (&'static str, &'static str) {
    let section = documentation().split_once(heading).unwrap().1;
    let block = |kind: &str| section.split_once(kind).unwrap().1.split_once("```").unwrap().0;
    (block("```toml\n"), block("```text\n"))
}

#[test]
fn example_lines_are_of_their_formats() {
    for name in formats::NAMES {
        let section = documentation().split_once(&format!("### `{name}`\n")).unwrap().1.split("\n#").next().unwrap();
        let [line] = section.split_once("```text\n").unwrap().1.split_once("```").unwrap().0.lines().collect::<Vec<_>>()[..] else {
            panic!("{name}: one line is shown")
        };
        let records = explain(name, "", &format!("{line}\n"));
        assert!(records.len() == 1 && records[0]["event"].is_object(), "{name}: {records:?}");
    }
}

#[test]
fn the_example_of_a_bot_works() {
    let (configuration, lines) = example("### A bot\n");
    let records = explain("custom.shopbot", configuration, lines);
    let events: Vec<_> = records.iter().map(|record| (&record["event"]["direction"], &record["event"]["traceback"])).collect();
    let [incoming, outgoing, error, rest] = &events[..] else { panic!("{records:?}") };
    assert_eq!((incoming.0, outgoing.0, error.1), (&"incoming".into(), &"outgoing".into(), &true.into()));
    assert_eq!((rest.0, records[2]["event"]["summary"].as_str()), (&Value::Null, Some("KeyError: 'price'")));
}

#[test]
fn the_example_of_a_web_server_works() {
    let (configuration, lines) = example("### A web server\n");
    let records = explain("custom.shopweb", configuration, lines);
    let shown = records.iter().map(|record| {
        let event = &record["event"];
        format!("{} {} {} {} {}", event["client"], event["method"], event["path"], event["status"], event["duration_seconds"])
    });
    let shown: Vec<String> = shown.collect();
    assert_eq!(shown, [r#""203.0.113.9" "GET" "/shop?id=7" 200 0.0125"#, r#""2001:db8::1" "POST" "/login" 401 null"#]);
}

#[test]
fn example_configurations_can_be_used() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let documents = std::fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path()).chain([root.join("README.md")]);
    let mut count = 0;
    for document in documents.filter(|path| path.extension().is_some_and(|ending| ending == "md")) {
        let text = std::fs::read_to_string(&document).unwrap();
        // The reference shows settings one by one, and where "or" stands, not all of it is meant.
        let blocks = text.split("```toml\n").skip(1).map(|rest| rest.split_once("```").unwrap().0);
        for configuration in blocks.filter(|block| !block.contains("# or\n") && !block.contains("; or\n")) {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("hostwarden.toml");
            std::fs::write(&file, configuration).unwrap();
            let mut command = Command::new(env!("CARGO_BIN_EXE_hostwarden"));
            let output = command.env_clear().env("TZ", "UTC").arg("--config").arg(&file).arg("check-config").output().unwrap();
            let said = String::from_utf8(output.stderr).unwrap();
            // Secrets and certificates are the reader's own.
            let problems: Vec<&str> =
                said.lines().filter(|line| line.contains("hostwarden.toml:") && !line.contains(": no such file;")).collect();
            assert!(problems.is_empty(), "{}: {problems:?}", document.display());
            assert!(output.status.success() || said.contains(": no such file;"), "{}: {said}", document.display());
            count += 1;
        }
    }
    assert!(count > 10, "{count}");
}
