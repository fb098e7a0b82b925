//! The real binary as a process: how it starts, refuses to start, stops, and comes back after `kill -9`.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Longer than anything that is right takes here, on a busy machine too.
const LONG: Duration = Duration::from_secs(30);

struct Exporter {
    child: Child,
    address: SocketAddr,
}

impl Exporter {
    /// Starts it and reads from its log where it listens.
    fn start(config: &Path) -> Self {
        let mut child = hostwarden(config, &["run"]).stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let address = loop {
            let mut line = String::new();
            assert!(log.read_line(&mut line).unwrap() > 0, "it ended before it listened");
            if let Some((_, address)) = line.split_once("address=") {
                break address.split_whitespace().next().unwrap().parse().unwrap();
            }
        };
        // What it says further on is nobody's business, but somebody must read it.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Self { child, address }
    }

    fn get(&self, path: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(self.address).ok()?;
        stream.set_read_timeout(Some(LONG)).ok()?;
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
    }

    /// Asks until the page says so; each answer takes as long as a commit, so this does not spin.
    fn page_until(&self, is_right: impl Fn(&BTreeMap<String, f64>) -> bool) -> BTreeMap<String, f64> {
        let begun = Instant::now();
        let mut last = BTreeMap::new();
        while begun.elapsed() < LONG {
            if let Some((200, page)) = self.get("/metrics") {
                last = series(&page);
                if is_right(&last) {
                    return last;
                }
            }
        }
        panic!("the page never became right: {last:#?}");
    }

    fn signal(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap().success());
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn hostwarden(config: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hostwarden"));
    command.env_clear().arg("--config").arg(config).args(arguments);
    command
}

fn output(config: &Path, arguments: &[&str]) -> Output {
    hostwarden(config, arguments).output().unwrap()
}

fn series(page: &str) -> BTreeMap<String, f64> {
    let rows = page.lines().filter(|line| !line.starts_with('#'));
    rows.filter_map(|row| row.rsplit_once(' ')).map(|(name, value)| (name.to_owned(), value.parse().unwrap())).collect()
}

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("hostwarden.toml");
    let text = format!(
        "[server]\nlisten = [\"127.0.0.1:0\"]\n[state]\ndir = \"{0}/state\"\n[[sources]]\nname = \"web\"\nfile = \"{0}/access.log\"\n\
         format = \"nginx_combined\"\nstart = \"beginning\"\n",
        folder.path().display()
    );
    fs::write(&config, text).unwrap();
    (folder, config)
}

fn line(number: usize) -> String {
    let (method, status) = (["GET", "POST"][number % 2], [200, 301, 404, 502][number % 4]);
    format!(
        "192.0.2.1 - - [04/Apr/2026:12:00:00 +0000] \"{method} /{number} HTTP/1.1\" {status} {number} \"-\" \"test\" 0.{:03}\n",
        number % 1000
    )
}

fn append(path: &Path, lines: std::ops::Range<usize>) {
    let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
    file.write_all(lines.map(line).collect::<String>().as_bytes()).unwrap();
}

const LINES: &str = "hostwarden_source_lines_total{source=\"web\"}";

#[test]
fn a_signal_that_is_sent_twice_stops_it_once() {
    let (folder, config) = folder();
    append(&folder.path().join("access.log"), 0..500);
    let mut exporter = Exporter::start(&config);
    exporter.page_until(|page| page[LINES] == 500.0);
    // As `make` does to what it runs when all of its group have got it already.
    exporter.signal("-TERM");
    exporter.signal("-TERM");
    assert!(exporter.child.wait().unwrap().success());
}

#[test]
fn a_signal_stops_it_with_everything_saved() {
    let (folder, config) = folder();
    let log = folder.path().join("access.log");
    append(&log, 0..500);
    for (round, signal) in ["-TERM", "-INT"].into_iter().enumerate() {
        let mut exporter = Exporter::start(&config);
        exporter.page_until(|page| page[LINES] == 500.0 * (round + 1) as f64);
        append(&log, 0..500);
        let begun = Instant::now();
        exporter.signal(signal);
        let status = exporter.child.wait().unwrap();
        assert!(status.success(), "{signal}: {status}");
        assert!(begun.elapsed() < Duration::from_secs(5), "{signal}: {:?}", begun.elapsed());
    }
    let page = Exporter::start(&config).page_until(|page| page[LINES] == 1_500.0);
    assert_eq!(page["hostwarden_source_lost_bytes_total{source=\"web\"}"], 0.0);
}

#[test]
fn killed_again_and_again_it_counts_every_line_once_and_never_goes_back() {
    let (folder, config) = folder();
    let log = folder.path().join("access.log");
    let mut highest: BTreeMap<String, f64> = BTreeMap::new();
    let mut written = 0;
    for round in 0..12 {
        let exporter = Exporter::start(&config);
        for _ in 0..=round % 4 {
            append(&log, written..written + 331);
            written += 331;
            let page = exporter.page_until(|page| page[LINES] > 0.0);
            for (name, value) in page.into_iter().filter(|(name, _)| is_counter(name)) {
                let before = highest.insert(name.clone(), value).unwrap_or(0.0);
                assert!(value >= before, "{name} went back from {before} to {value}");
            }
        }
        if round % 3 == 1 {
            fs::rename(&log, folder.path().join(format!("access.log.{round}"))).unwrap();
            append(&log, written..written + 57);
            written += 57;
        }
        // Dropping it is `kill -9`, wherever it is.
    }
    let page = Exporter::start(&config).page_until(|page| page[LINES] >= written as f64);
    assert_eq!(page[LINES], written as f64);
    for (index, method) in ["GET", "POST"].into_iter().enumerate() {
        for (class, code) in ["2xx", "3xx", "4xx", "5xx"].into_iter().enumerate() {
            let expected = (0..written).filter(|number| number % 2 == index && number % 4 == class).count();
            let name = format!("hostwarden_http_requests_total{{source=\"web\",site=\"other\",method=\"{method}\",code=\"{code}\"}}");
            assert_eq!(page[&name], expected as f64, "{name}");
        }
    }
    let sum: usize = (0..written).map(|number| number % 1000).sum();
    let counted = page["hostwarden_http_request_duration_seconds_sum{source=\"web\",site=\"other\",traffic=\"user\"}"];
    assert!((counted - sum as f64 / 1e3).abs() < 1e-6, "{counted} for {sum} ms");
}

fn is_counter(name: &str) -> bool {
    ["_total", "_bucket", "_count", "_sum"].iter().any(|suffix| name.split('{').next().unwrap().ends_with(suffix))
}

#[test]
fn bad_configuration_is_told_all_at_once_and_nothing_is_bound_or_written() {
    let (folder, config) = folder();
    let text = fs::read_to_string(&config).unwrap().replace("nginx_combined", "nginx_conbined").replace("127.0.0.1:0", "0.0.0.0:9");
    fs::write(&config, text + "colour = 3\n").unwrap();
    for command in ["run", "check-config"] {
        let output = output(&config, &[command]);
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{command}: {told}");
        for word in ["hostwarden.toml:", "nginx_conbined", "server.bearer_token", "colour"] {
            assert!(told.contains(word), "{command} does not tell of {word}:\n{told}");
        }
    }
    assert!(!folder.path().join("state").exists());
}

#[test]
fn check_config_tells_what_the_sources_would_find() {
    let (folder, config) = folder();
    let told = || String::from_utf8(output(&config, &["check-config"]).stdout).unwrap();
    assert!(told().contains("web: nothing is there yet: "), "{}", told());
    let log = folder.path().join("access.log");
    append(&log, 0..7);
    assert!(told().contains("web: 1 files; the first 7 lines of "), "{}", told());
    fs::write(&log, "{}\nhello\n").unwrap();
    assert!(told().contains("2 of the first 2 lines of "), "{}", told());
    assert!(!folder.path().join("state").exists());
}

#[test]
fn check_config_looks_at_the_state_directory() {
    let (folder, config) = folder();
    let state = folder.path().join("state");
    let told = || String::from_utf8(output(&config, &["check-config"]).stdout).unwrap();
    assert!(told().contains("state: is not there yet and can be made"), "{}", told());
    assert!(!state.exists());
    let exporter = Exporter::start(&config);
    assert!(told().contains("state: is in use by a running exporter"), "{}", told());
    drop(exporter);
    assert!(told().contains("state: is there and can be written"), "{}", told());
    fs::remove_dir_all(&state).unwrap();
    fs::write(&state, "").unwrap();
    let told = output(&config, &["check-config"]);
    let error = String::from_utf8(told.stderr).unwrap();
    assert_eq!((told.status.code(), told.stdout.len()), (Some(2), 0));
    assert!(error.contains("hostwarden.toml:") && error.contains(": state.dir: ") && error.contains("; name a directory"), "{error}");
    // Who set it by a variable is told the variable.
    let told = hostwarden(&config, &["check-config"]).env("HOSTWARDEN__STATE__DIR", "/dev/null/state").output().unwrap();
    let error = String::from_utf8(told.stderr).unwrap();
    assert!(told.status.code() == Some(2) && error.contains("\nHOSTWARDEN__STATE__DIR: /dev/null/state cannot be used: "), "{error}");
}

/// What docker-compose.yml runs before everything else: it refuses what the exporter would, by the names of .env.
#[test]
fn setup_refuses_wrong_optional_values_by_their_names() {
    let setup = |values: &[(&str, &str)]| {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/setup.sh");
        let required = [
            ("GRAFANA_ADMIN_PASSWORD", "4f8a0c61d2"),
            ("HOSTWARDEN_SALT", "9d0e1c7a55b84d21b6f3a2c4e8d7f601"),
            ("HOSTWARDEN_BEARER_TOKEN", "short"),
            ("HOSTWARDEN_DISCORD_WEBHOOK_URL", "none"),
        ];
        let output = Command::new("/bin/sh")
            .args([script, "secrets"])
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("SETUP_PROGRAM", env!("CARGO_BIN_EXE_hostwarden"))
            .envs(required.iter().chain(values).copied())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8(output.stderr).unwrap()
    };
    let fine = setup(&[("HOSTWARDEN__PRIVACY__SENDERS", "anon"), ("HOSTWARDEN__WEB__SITES", "")]);
    assert!(fine.starts_with("setup: HOSTWARDEN_BEARER_TOKEN has 5 characters"), "{fine}");
    assert!(fine.lines().all(|line| line.contains(" HOSTWARDEN_BEARER_TOKEN ")), "{fine}");
    let wrong = setup(&[
        ("HOSTWARDEN__PRIVACY__SENDERS", "hasch"),
        ("HOSTWARDEN__POLICY__NEVER_BAN__NETWORKS", "a,b"),
        ("HOSTWARDEN__DETECTORS__SSH_BRUTE_FORCE__THRESHOLD", "0"),
    ]);
    for variable in ["HOSTWARDEN_PRIVACY_SENDERS", "HOSTWARDEN_NEVER_BAN_NETWORKS", "HOSTWARDEN_SSH_THRESHOLD"] {
        assert_eq!(wrong.matches(&format!("setup: {variable} ")).count(), 1, "{variable}: {wrong}");
    }
}

#[test]
fn a_taken_port_and_a_taken_state_are_told() {
    let (folder, config) = folder();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let other = folder.path().join("other.toml");
    fs::write(&other, fs::read_to_string(&config).unwrap().replace("127.0.0.1:0", &address.to_string())).unwrap();
    let refused = output(&other, &["run"]);
    assert_eq!(refused.status.code(), Some(1), "a service tries again: the port may be free then");
    assert!(String::from_utf8_lossy(&refused.stderr).contains(&format!("listen on {address}")));
    assert!(!folder.path().join("state").exists(), "the port comes first");

    let exporter = Exporter::start(&config);
    let refused = output(&config, &["run"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("another hostwarden is using it"));
    assert_eq!(exporter.get("/-/healthy").unwrap().0, 200);
}

#[test]
fn a_broken_state_is_kept_aside_and_counted() {
    let (folder, config) = folder();
    append(&folder.path().join("access.log"), 0..10);
    fs::create_dir(folder.path().join("state")).unwrap();
    File::create(folder.path().join("state/state.db")).unwrap().write_all(&[b'x'; 9_000]).unwrap();
    let exporter = Exporter::start(&config);
    let page = exporter.page_until(|page| page[LINES] == 10.0);
    assert_eq!(page["hostwarden_state_set_aside_total"], 1.0);
    assert!(
        fs::read_dir(folder.path().join("state")).unwrap().any(|entry| entry
            .unwrap()
            .file_name()
            .to_string_lossy()
            .starts_with("state.bad-"))
    );
}

#[test]
fn healthcheck_asks_the_running_exporter() {
    let (folder, config) = folder();
    let exporter = Exporter::start(&config);
    let asking = folder.path().join("asking.toml");
    fs::write(&asking, format!("[server]\nlisten = [\"{}\"]\n", exporter.address)).unwrap();
    assert!(output(&asking, &["healthcheck"]).status.success());
    drop(exporter);
    assert_eq!(output(&asking, &["healthcheck"]).status.code(), Some(1));
}

#[test]
fn wrong_arguments_end_with_two_and_help_has_examples() {
    let (_folder, config) = folder();
    assert_eq!(output(&config, &["no-such-command"]).status.code(), Some(2));
    assert_eq!(output(&config, &["replay", "--format", "no_such_format", "-"]).status.code(), Some(2));
    for command in ["run", "check-config", "demo", "replay", "explain", "healthcheck", "reference", "pseudonym"] {
        let help = output(&config, &[command, "--help"]);
        assert!(help.status.success() && String::from_utf8_lossy(&help.stdout).contains("Example: "), "{command}");
    }
}

#[test]
fn the_demo_needs_a_token_beyond_loopback() {
    let (folder, config) = folder();
    let token = folder.path().join("token");
    fs::write(&token, "short\n").unwrap();
    for (token, says) in [(None, "--bearer-token-file is required"), (token.to_str(), "at least 16 characters")] {
        let arguments =
            ["demo", "--listen", "0.0.0.0:0"].into_iter().chain(token.into_iter().flat_map(|token| ["--bearer-token-file", token]));
        let refused = output(&config, &arguments.collect::<Vec<_>>());
        assert_eq!(refused.status.code(), Some(2), "{says}");
        assert!(String::from_utf8_lossy(&refused.stderr).contains(says), "{says}");
    }
    let listener = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let taken = listener.local_addr().unwrap().to_string();
    for (variable, text, says, code) in [
        ("HOSTWARDEN__SERVER__BEARER_TOKEN", "changemechangeme", "HOSTWARDEN__SERVER__BEARER_TOKEN", 2),
        ("HOSTWARDEN__SERVER__BEARER_TOKEN_FILE", "/no/such/file", "HOSTWARDEN__SERVER__BEARER_TOKEN_FILE", 2),
        // A good one is taken: what is refused then is the address, which is not free.
        ("HOSTWARDEN__SERVER__BEARER_TOKEN", "9f86d081884c7d659a2feaa0c55ad015", &taken, 1),
    ] {
        let refused = hostwarden(&config, &["demo", "--listen", &taken]).env(variable, text).output().unwrap();
        let told = String::from_utf8_lossy(&refused.stderr);
        assert!(refused.status.code() == Some(code) && told.contains(says) && !told.contains("is required"), "{told}");
    }
}

#[test]
fn the_demo_has_slow_attackers_and_guessed_links_from_its_first_minute_on() {
    use hostwarden::event::Timestamp;
    use hostwarden::workload::Workload;
    let (folder, config) = folder();
    let log = folder.path().join("demo.log");
    for seed in 0..3 {
        let start = Timestamp::from_secs(1_795_255_200 + seed * 7_777);
        let mut workload = Workload::new(seed as u64, 20.0, start);
        let mut lines = workload.days_before().combined;
        for step in 1..=60 {
            lines.extend(workload.advance(start.plus(Duration::from_secs(step))).combined);
        }
        fs::write(&log, lines).unwrap();
        let page = output(&config, &["replay", "--format", "nginx_combined", "--output", "metrics", log.to_str().unwrap()]);
        let page = series(&String::from_utf8(page.stdout).unwrap());
        let watched = |strikes: &str| page[&format!("hostwarden_watchlist_clients{{strikes=\"{strikes}\"}}")];
        assert_eq!(["1", "2", "3", "4+"].map(watched), [1.0, 1.0, 1.0, 0.0], "seed {seed}");
        assert_eq!(page["hostwarden_link_enumerations_total{scope=\"client\"}"], 1.0, "seed {seed}");
    }
}

#[test]
fn replay_and_explain_read_plain_packed_and_piped_logs() {
    let (folder, config) = folder();
    let lines: String = (0..1_000).map(line).collect();
    let plain = folder.path().join("a.log");
    fs::write(&plain, &lines).unwrap();
    let gz = folder.path().join("a.log.gz");
    let mut encoder = flate2::write::GzEncoder::new(File::create(&gz).unwrap(), flate2::Compression::fast());
    encoder.write_all(lines.as_bytes()).unwrap();
    encoder.finish().unwrap();
    let zst = folder.path().join("a.log.zst");
    fs::write(&zst, zstd::encode_all(lines.as_bytes(), 1).unwrap()).unwrap();
    for path in [&plain, &gz, &zst] {
        let output = output(&config, &["replay", "--format", "nginx_combined", "--output", "metrics", path.to_str().unwrap()]);
        let page = series(&String::from_utf8(output.stdout).unwrap());
        assert_eq!(page["hostwarden_source_lines_total{source=\"replay\"}"], 1_000.0, "{}", path.display());
        assert_eq!(page["hostwarden_source_bytes_total{source=\"replay\"}"], lines.len() as f64, "{}", path.display());
    }
    let mut child =
        hostwarden(&config, &["explain", "--format", "nginx_combined"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(format!("{}nonsense\n", line(7)).as_bytes()).unwrap();
    let told = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    let records: Vec<serde_json::Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(records.len(), 2);
    assert_eq!(
        (&records[0]["line"], &records[0]["event"]["method"], &records[0]["event"]["path"]),
        (&1.into(), &"POST".into(), &"/7".into())
    );
    assert_eq!((&records[0]["event"]["client"], &records[0]["event"]["status"]), (&"192.0.2.1".into(), &502.into()));
    assert_eq!((&records[1]["event"], records[1]["error"].is_string()), (&serde_json::Value::Null, true));
}

#[test]
fn who_reads_the_output_may_have_enough_of_it() {
    let (folder, config) = folder();
    let log = folder.path().join("many.log");
    append(&log, 0..10_000);
    let mut command = hostwarden(&config, &["explain", "--format", "nginx_combined"]);
    let mut child = command.arg(&log).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr)), (Some(0), "".into()));
}

#[test]
fn raw_numbers_leave_the_process_nowhere() {
    let (folder, config) = folder();
    let log = folder.path().join("bot.log");
    for mode in ["hash", "anon", "agg"] {
        let state = folder.path().join(mode);
        let text = format!(
            "[server]\nlisten = [\"127.0.0.1:0\"]\n[state]\ndir = \"{}\"\n[privacy]\nsenders = \"{mode}\"\nsalt = \"5f1c0a7be2d94c6688a35d0e\"\n\
             [[sources]]\nname = \"bot\"\nfile = \"{}\"\nformat = \"whatsapp_bot\"\nstart = \"beginning\"\n",
            state.display(),
            log.display()
        );
        fs::write(&config, text).unwrap();
        let message = "2026-04-04 10:00:00,100 [INFO] bot.webhook (30): Incoming message from whatsapp:+34600123456 body=\"hola\"\n";
        let error = "2026-04-04 10:00:01,100 [ERROR] bot.webhook (30): no reply to whatsapp:+34600123456\n";
        let lines = format!("{message}{error}{message}{error}");
        fs::write(&log, &lines).unwrap();
        let exporter = Exporter::start(&config);
        // The last error is still open when the first pages are saved.
        exporter.page_until(|page| page["hostwarden_bot_errors_total{source=\"bot\",kind=\"error\"}"] >= 1.0);
        let mut told: Vec<u8> = ["/", "/metrics", "/api/v1/sources", "/api/v1/errors"]
            .iter()
            .flat_map(|path| exporter.get(path).unwrap().1.into_bytes())
            .collect();
        for entry in fs::read_dir(&state).unwrap() {
            told.extend(fs::read(entry.unwrap().path()).unwrap());
        }
        told.extend(output(&config, &["explain", "--format", "whatsapp_bot", log.to_str().unwrap()]).stdout);
        told.extend(output(&config, &["replay", "--format", "whatsapp_bot", log.to_str().unwrap()]).stdout);
        assert!(!told.windows(9).any(|window| window == b"600123456"), "{mode}");
        assert!(told.windows(11).any(|window| window == b"bot_message"), "the test must have looked at something");
    }
}

#[test]
fn addresses_leave_the_process_only_as_configured() {
    let (folder, config) = folder();
    let web = folder.path().join("access.log");
    let ssh = folder.path().join("auth.log");
    for (mode, is_shown) in [("full", true), ("prefix", false), ("hash", false)] {
        let state = folder.path().join(mode);
        let source = |name: &str, file: &Path, format: &str| {
            format!("[[sources]]\nname = \"{name}\"\nfile = \"{}\"\nformat = \"{format}\"\nstart = \"beginning\"\n", file.display())
        };
        let text = format!(
            "[server]\nlisten = [\"127.0.0.1:0\"]\n[state]\ndir = \"{}\"\n[privacy]\nclients = \"{mode}\"\nsalt = \"5f1c0a7be2d94c6688a35d0e\"\n{}{}",
            state.display(),
            source("web", &web, "nginx_combined"),
            source("ssh", &ssh, "sshd")
        );
        fs::write(&config, text).unwrap();
        let attack = |n: u32| {
            let path = ["/?x=;cat%20/etc/passwd", "/?id=1%27%20union%20select%201--%20", "/.env", "/.git/config"][n as usize % 4];
            format!("185.244.36.197 - - [20/Nov/2026:10:00:{n:02} +0000] \"GET {path} HTTP/1.1\" 404 5 \"-\" \"-\"\n")
        };
        let attempt = |n: u32| {
            format!("2026-11-20T10:00:{n:02}Z web sshd-session[{n}]: Failed password for root from 185.244.36.197 port 4000 ssh2\n")
        };
        fs::write(&web, (0..8).map(attack).collect::<String>()).unwrap();
        fs::write(&ssh, (0..8).map(attempt).collect::<String>()).unwrap();
        let exporter = Exporter::start(&config);
        exporter.page_until(|page| page["hostwarden_ssh_auth_total{source=\"ssh\",outcome=\"failed\"}"] >= 8.0);
        let paths = ["/", "/metrics", "/api/v1/clients", "/api/v1/attacks", "/api/v1/findings", "/api/v1/attacks?by=class"];
        let mut told: Vec<u8> = paths.iter().flat_map(|path| exporter.get(path).unwrap().1.into_bytes()).collect();
        for entry in fs::read_dir(&state).unwrap() {
            told.extend(fs::read(entry.unwrap().path()).unwrap());
        }
        told.extend(output(&config, &["explain", "--format", "nginx_combined", web.to_str().unwrap()]).stdout);
        told.extend(output(&config, &["replay", "--format", "sshd", "--output", "json", ssh.to_str().unwrap()]).stdout);
        // As text, and as the number that the state would hold.
        let number = u32::from_be_bytes([185, 244, 36, 197]).to_string();
        for needle in ["185.244.36.197", number.as_str()] {
            let is_there = told.windows(needle.len()).any(|window| window == needle.as_bytes());
            assert_eq!(is_there, is_shown, "{mode}: {needle}");
        }
        assert!(told.windows(13).any(|window| window == b"sql_injection"), "the test must have looked at something");
    }
}
