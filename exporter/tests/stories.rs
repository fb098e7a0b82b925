//! Stories: people, machines and bots that a careless rule would accuse, and attackers that hide. Told through `replay`, as a user would
//! try them; what is found must be what a person would say.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};

const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
/// Secrets that only somebody with bad intentions asks for.
const SECRETS: [&str; 12] = [
    "/.env",
    "/.git/config",
    "/.aws/credentials",
    "/wp-config.php.bak",
    "/.ssh/id_rsa",
    "/.htpasswd",
    "/.svn/entries",
    "/.npmrc",
    "/.docker/config.json",
    "/.git/HEAD",
    "/.env.production",
    "/.bash_history",
];

/// What was found, as `detector client`, when `log` is read under `config`.
fn found(format: &str, config: &str, log: &[String]) -> BTreeSet<String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hostwarden.toml");
    std::fs::write(&file, config).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_hostwarden"));
    command.env_clear().env("TZ", "UTC").arg("--config").arg(file).args(["replay", "--format", format, "--output", "json", "-"]);
    let mut replay = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = replay.stdin.take().unwrap();
    let text = log.iter().map(|line| format!("{line}\n")).collect::<String>();
    // The findings are few: they fit the pipe while the log is still being written.
    stdin.write_all(text.as_bytes()).unwrap();
    drop(stdin);
    let output = replay.wait_with_output().unwrap();
    assert!(output.status.success());
    let findings = String::from_utf8(output.stdout).unwrap();
    let finding = |line: &str| {
        let finding: serde_json::Value = serde_json::from_str(line).unwrap();
        format!("{} {}", finding["detector"].as_str().unwrap(), finding["client"].as_str().unwrap_or_default())
    };
    findings.lines().map(finding).collect()
}

/// A line of nginx, `secs` after midnight.
fn web(secs: u32, client: &str, request: &str, status: u16, agent: &str) -> String {
    let (hour, minute, second) = (secs / 3_600, secs / 60 % 60, secs % 60);
    format!(
        "{client} - - [20/Nov/2026:{hour:02}:{minute:02}:{second:02} +0000] \"{request} HTTP/1.1\" {status} 512 \"-\" \"{agent}\" 0.010"
    )
}

fn get(secs: u32, client: &str, path: &str, status: u16) -> String {
    web(secs, client, &format!("GET {path}"), status, BROWSER)
}

fn ssh(secs: u32, message: &str) -> String {
    let (hour, minute, second) = (secs / 3_600, secs / 60 % 60, secs % 60);
    format!("2026-11-20T{hour:02}:{minute:02}:{second:02}Z web sshd-session[{}]: {message}", 1_000 + secs)
}

/// One client asks for every secret, three times over six hours.
fn probing(client: &str, agent: &str) -> Vec<String> {
    (0..36).map(|n| web(n * 600, client, &format!("GET {}", SECRETS[n as usize % 12]), 404, agent)).collect()
}

#[test]
fn nobody_is_accused_who_only_looks_like_an_attacker() {
    let links = |client: &'static str, status: u16| {
        (0..60).map(move |n| get(n * 4, client, &format!("/t/{:08x}", n.wrapping_mul(2_654_435_761)), status)).collect::<Vec<_>>()
    };
    let stories: Vec<(&str, &str, &str, Vec<String>)> = vec![
        ("the owner scans the site from the local network", "nginx_combined", "", probing("192.168.1.20", BROWSER)),
        ("the exporter's own health check asks for what is missing", "nginx_combined", "", probing("127.0.0.1", "hostwarden")),
        ("a container of the machine tests its neighbours", "nginx_combined", "", probing("172.18.0.5", "curl/8.5.0")),
        ("a CDN's edge stands for its visitors: real_ip is not set", "nginx_combined", "", probing("104.16.3.9", BROWSER)),
        (
            "the reverse proxy stands for its visitors",
            "nginx_combined",
            "[web]\ntrusted_proxies = ['185.10.10.10/32']\n",
            probing("185.10.10.10", BROWSER),
        ),
        (
            "the office is configured as never to be accused",
            "nginx_combined",
            "[policy.never_ban]\nnetworks = ['185.20.0.0/16']\n",
            probing("185.20.3.4", BROWSER),
        ),
        (
            "Googlebot follows links that are long gone",
            "nginx_combined",
            "",
            probing("66.249.66.1", "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"),
        ),
        (
            "edges of a CDN share the links of customers who come too late",
            "nginx_combined",
            "",
            (0..160)
                .map(|n: u32| get(n * 20, &format!("104.16.5.{}", n % 40), &format!("/t/{:08x}", n.wrapping_mul(2_654_435_761)), 404))
                .collect(),
        ),
        (
            "machines of the local network try old SSH passwords after a change",
            "sshd",
            "",
            (0..60).map(|n| ssh(n * 30, &format!("Failed password for backup from 10.0.2.{} port 4000 ssh2", n % 20))).collect(),
        ),
        ("an office behind one address opens its own links", "nginx_combined", "", links("185.30.1.1", 200)),
        (
            "a visitor with an old bookmark meets many missing pages",
            "nginx_combined",
            "",
            (0..400).map(|n| get(n * 100, "185.30.1.2", &format!("/blog/{n}"), 404)).collect(),
        ),
        (
            "a customer forgets a password and tries for a while",
            "nginx_combined",
            "",
            (0..30).map(|n| web(n * 20, "185.30.1.3", "POST /login", 401, BROWSER)).collect(),
        ),
        (
            "the owner mistypes twice and gets in",
            "sshd",
            "",
            vec![
                ssh(0, "Failed password for ana from 185.30.1.4 port 4001 ssh2"),
                ssh(9, "Failed password for ana from 185.30.1.4 port 4001 ssh2"),
                ssh(20, "Accepted password for ana from 185.30.1.4 port 4001 ssh2"),
            ],
        ),
        (
            "the owner forgot a password long after having been in",
            "sshd",
            "",
            (0..3)
                .map(|n| ssh(60 + n * 9, "Failed password for ana from 185.30.1.4 port 4001 ssh2"))
                .chain([ssh(99, "Accepted password for ana from 185.30.1.4 port 4001 ssh2")])
                .collect(),
        ),
        (
            "somebody writes another's address into a user name",
            "sshd",
            "",
            (0..3)
                .map(|n| ssh(n, &format!("Failed password for invalid user root from 9.9.9.9 port 22 ssh2 from 185.30.9.{n} port 4 ssh2")))
                .collect(),
        ),
        (
            "replies of servers that the machine asked arrive late at the firewall",
            "firewall",
            "",
            (0..60)
                .map(|n| {
                    format!(
                        "2026-11-20T10:00:{:02}Z web kernel: [UFW BLOCK] IN=eth0 OUT= SRC=185.30.1.9 DST=185.1.1.1 LEN=40 TTL=50 ID=0 \
                         PROTO=TCP SPT=443 DPT={} WINDOW=0 RES=0x00 ACK RST URGP=0",
                        n % 60,
                        40_000 + n
                    )
                })
                .collect(),
        ),
    ];
    for (story, format, config, log) in stories {
        assert_eq!(found(format, config, &log), BTreeSet::new(), "{story}");
    }
}

#[test]
fn who_attacks_slowly_is_found() {
    // Three probes an hour, for four hours, among the requests of a thousand visitors.
    let visitor = |n: u32| get(n * 4, &format!("185.40.{}.{}", n % 4, n / 4 % 250), "/", 200);
    let probe = |n: u32| get(n * 1_200, "185.50.1.1", SECRETS[n as usize], 404);
    let mut log: Vec<(u32, String)> = (0..4_000).map(|n| (n * 4, visitor(n))).chain((0..12).map(|n| (n * 1_200, probe(n)))).collect();
    log.sort_by_key(|(secs, _)| *secs);
    let log: Vec<String> = log.into_iter().map(|(_, line)| line).collect();
    let found = found("nginx_combined", "", &log);
    assert!(found.contains("slow_attacker 185.50.1.1"), "{found:?}");
    assert!(found.iter().all(|finding| finding.ends_with(" 185.50.1.1")), "{found:?}");
}

#[test]
fn who_shares_the_work_over_a_network_is_found() {
    // Links: each address of a /24 guesses four, and none by itself is over any threshold.
    let links: Vec<String> = (0..160)
        .map(|n: u32| get(n * 20, &format!("185.60.1.{}", n % 40), &format!("/t/{:08x}", n.wrapping_mul(2_654_435_761)), 404))
        .collect();
    assert_eq!(found("nginx_combined", "", &links), BTreeSet::from(["enumeration 185.60.1.0/24".to_owned()]));
    let logins: Vec<String> =
        (0..60).map(|n| ssh(n * 30, &format!("Failed password for root from 185.60.2.{} port 4000 ssh2", n % 20))).collect();
    assert_eq!(found("sshd", "", &logins), BTreeSet::from(["ssh_brute_force 185.60.2.0/24".to_owned()]));
}

#[test]
fn who_forges_a_source_makes_nobody_a_suspect() {
    // Blocked UDP packets that claim to come from a resolver, and lone SYNs from a thousand addresses.
    let packet = |n: u32, source: String, protocol: &str, flags: &str| {
        format!(
            "2026-11-20T10:{:02}:{:02}Z web kernel: [UFW BLOCK] IN=eth0 OUT= SRC={source} DST=185.1.1.1 LEN=40 TTL=50 ID=0 PROTO={protocol} \
             SPT=53 DPT={} {flags}",
            n / 60 % 60,
            n % 60,
            1_024 + n
        )
    };
    let udp: Vec<String> = (0..500).map(|n| packet(n / 50, "8.8.8.8".to_owned(), "UDP", "LEN=40")).collect();
    assert_eq!(found("firewall", "", &udp), BTreeSet::new());
    let syn: Vec<String> =
        (0..1_000).map(|n| packet(n / 50, format!("185.70.{}.{}", n / 250, n % 250), "TCP", "WINDOW=0 RES=0x00 SYN URGP=0")).collect();
    assert_eq!(found("firewall", "", &syn), BTreeSet::new());
    // Who says to be Googlebot and is not is treated as anybody.
    let liar = probing("185.70.9.9", "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)");
    assert!(found("nginx_combined", "", &liar).contains("suspicion 185.70.9.9"));
}
