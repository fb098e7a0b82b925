//! What probes saw, through the engine, to the page: `tests/expected/probes.txt`. `BLESS=1` writes it anew.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::time::Duration;

use hostwarden::config;
use hostwarden::detectors::containers;
use hostwarden::detectors::udp_flood::Service;
use hostwarden::engine::probes::docker::Docker;
use hostwarden::engine::probes::{self as subjects, Subject};
use hostwarden::engine::{Action, Answer, Ask, DetectionSetup, Engine, Input, NoticesSetup, Setup};
use hostwarden::event::Timestamp;
use hostwarden::metrics::{Exposition, Page};
use hostwarden::sample::crowdsec;
use hostwarden::sample::docker::{self, Happening, Health, State};
use hostwarden::sample::files::{FileState, Files, WatchedFile};
use hostwarden::sample::host::{self, Listener, Process, Processes, Scope, Sockets};
use hostwarden::sample::sqlserver::{self, Reason};
use hostwarden::sample::udp_ports::{UdpPort, UdpPorts, UdpSources};
use hostwarden::sample::{Polled, Report, Sample};
use hostwarden::setup;
use hostwarden::subject::TrustedProxies;

/// Every probe's side in the engine, and what its probe hands in.
fn probes() -> Vec<(Box<dyn Subject>, Vec<Sample>)> {
    let containers = Docker::new(Some(containers::Config { restarts: 3, window_secs: 300, cooldown_secs: 900 }));
    vec![
        (Box::new(Blind), Vec::new()),
        (Box::new(containers), docker_samples()),
        (Box::<subjects::host::Host>::default(), vec![host(100.0, 1.0), host(110.0, 6.0)]),
        sqlserver(),
        udp_ports(),
        crowdsec(),
        (Box::<subjects::Integrity>::default(), integrity()),
    ]
}

/// The baseline, and a change.
fn integrity() -> Vec<Sample> {
    let look = |sha256: Option<&str>| {
        let state = FileState { sha256: sha256.map(str::to_owned), bytes: 7, uid: 0, gid: 0, mode: 0o600 };
        let shadow = WatchedFile { path: "/etc/shadow".to_owned(), state: FileState { sha256: None, ..state.clone() }, explanation: None };
        let keys = WatchedFile { path: "/root/.ssh/authorized_keys".to_owned(), state, explanation: None };
        let patterns = vec!["/etc/*".to_owned()];
        Sample::Files(Files { patterns, files: vec![shadow, keys], complete: true, ..Files::default() })
    };
    vec![look(Some("a")), look(Some("b"))]
}

fn crowdsec() -> (Box<dyn Subject>, Vec<Sample>) {
    let decision = |value: &str, scenario: &str| crowdsec::Decision {
        key: crowdsec::Key { target: crowdsec::Target::Network(value.parse().unwrap()), kind: "ban".into() },
        origin: "CAPI".into(),
        scenario: scenario.into(),
        until: NOW.plus(Duration::from_secs(3_600)),
    };
    let added = vec![decision("203.0.113.7/32", "crowdsecurity/http-probing"), decision("2001:db8::/48", "crowdsecurity/ssh-bf")];
    let all = crowdsec::Decisions { is_all: true, deleted: Vec::new(), added, left_out: 0 };
    (Box::new(subjects::CrowdSec), vec![Sample::CrowdSec(all)])
}

fn udp_ports() -> (Box<dyn Subject>, Vec<Sample>) {
    let services = [("game", 27_015), ("game", 27_016), ("voice", 9_987)];
    let services = services.map(|(name, port)| Service { name: name.to_owned(), port, thresholds: [1_000, 0, 5] });
    let floods = config::load(None, []).unwrap().detectors.udp_flood;
    let subject = subjects::UdpPorts::new(services.to_vec(), 10, &floods);
    let look = |secs, packets| {
        let busiest = vec![("198.51.100.7".parse().unwrap(), 700), ("2001:db8:1:2::9".parse().unwrap(), 20)];
        let sources = UdpSources { count: 9, is_full: false, brief: 7, unroutable: 9, busiest };
        let port = UdpPort { port: 27_015, packets, bytes: packets * 60, sources: Some(sources) };
        Sample::UdpPorts(UdpPorts { at: NOW.plus(Duration::from_secs(secs)), table: 1, ports: vec![port] })
    };
    (Box::new(subject), vec![look(0, 7), look(10, 20_000), look(20, 20_000), look(100, 20_000)])
}

fn sqlserver() -> (Box<dyn Subject>, Vec<Sample>) {
    let stages = [2, 5, 9, 1].map(|millis| Some(Duration::from_millis(millis)));
    let shop = Ok("Microsoft SQL Server 2022 (RTM-CU13) - 16.0.4125.3 (X64)".to_owned());
    let shop = sqlserver::Instance { name: "shop".to_owned(), stages, version: shop };
    let stages = [stages[0], None, None, None];
    let crm = sqlserver::Instance { name: "crm".to_owned(), stages, version: Err(Reason::Tls) };
    let subject = subjects::sqlserver::SqlServer::new(["shop", "crm"].map(str::to_owned));
    (Box::new(subject), vec![Sample::SqlServer(shop), Sample::SqlServer(crm)])
}

/// The machine after so many seconds, of which a program took some.
fn host(uptime_secs: f64, cpu_secs: f64) -> Sample {
    let process = Process { pid: 7, started_secs: 1.5, name: "nginx".to_owned(), cpu_secs, memory: 5 << 20 };
    let listener = |scope, protocol, port| Listener { scope, protocol, port };
    let listeners = vec![listener(Scope::External, "tcp", 22), listener(Scope::Loopback, "udp", 53)];
    Sample::Host(Box::new(host::Host {
        cpu: Some([10.5, 0.0, 4.25, 180.0, 1.0, 0.0, 0.25, 0.0]),
        booted: Some(NOW),
        memory: Some(host::Memory { total: 4 << 30, available: 3 << 30 }),
        swap: Some(host::Memory { total: 1 << 30, available: 1 << 30 }),
        load: Some([0.52, 0.58, 1.0]),
        filesystems: vec![host::Filesystem { mount: "/".to_owned(), size: 40 << 30, available: 10 << 30 }],
        processes: Some(Processes { uptime_secs, all: vec![process] }),
        sockets: Some(Sockets { connections: std::array::from_fn(|state| state as u64), listeners }),
        failed_units: Some(vec!["backup.service".to_owned()]),
    }))
}

/// As Docker's ids, and the same for the same name.
fn id(name: &str) -> String {
    name.bytes().map(|byte| format!("{byte:02x}")).collect::<String>() + "0123456789abcdef"
}

/// Four containers, of which one has just run out of memory and one is unhealthy.
fn docker_samples() -> Vec<Sample> {
    let started = Some(Timestamp::from_secs(1_799_990_000));
    let container = |name: &str, state: State| docker::Container {
        id: id(name),
        name: name.to_owned(),
        image: "shop:1".to_owned(),
        state: Some(state),
        details: Some(docker::Details { started, ..Default::default() }),
        ..Default::default()
    };
    let usage = docker::Usage {
        cpu: Duration::from_millis(12_345),
        memory_bytes: 50_000_000,
        memory_limit_bytes: Some(64_000_000),
        received_bytes: 1_000,
        transmitted_bytes: 2_000,
    };
    let details = docker::Details { started, finished: Some(NOW), exit_code: 137, oom_killed: true, restarts: 2 };
    let list = vec![
        docker::Container {
            service: "shop".to_owned(),
            health: Some(Health::Healthy),
            usage: Some(usage),
            ..container("web", State::Running)
        },
        docker::Container { health: Some(Health::Unhealthy), ..container("queue", State::Paused) },
        docker::Container { details: Some(details), ..container("eater", State::Exited) },
        docker::Container { details: None, ..container("brand new", State::Created) },
    ];
    let event = docker::ContainerEvent {
        at: NOW,
        id: id("eater"),
        name: "eater".to_owned(),
        service: String::new(),
        what: Happening::OomKilled,
        last_words: Some("fatal: cannot allocate for jo@example.org".to_owned()),
    };
    vec![Sample::ContainerEvent(event), Sample::Containers(docker::Containers { list, left_out: 3 })]
}

/// A probe that sees nothing and fails.
struct Blind;

impl Subject for Blind {
    fn name(&self) -> &'static str {
        "blind"
    }

    fn take(&mut self, _now: Timestamp, _sample: Sample, _out: &mut Vec<hostwarden::finding::Found>) {}

    fn show(&self, _now: Timestamp, _page: &mut Page) {}
}

fn engine(probes: Vec<Box<dyn Subject>>) -> Engine {
    let config = config::load(None, []).unwrap();
    let privacy = setup::privacy(&config.privacy, &[7; 32]).into();
    let notices = NoticesSetup { outboxes: vec![("discord", Default::default())], ..NoticesSetup::default() };
    Engine::new(Setup {
        sources: Vec::new(),
        proxies: TrustedProxies::new(Vec::new()),
        privacy,
        detection: DetectionSetup { asks_crowdsec: true, notices, ..setup::detection(&config).unwrap() },
        feed: None,
        probes,
        build: ["1.2.3", "test"],
        saved: Default::default(),
        set_aside: false,
        first_writes: Vec::new(),
    })
}

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

fn report(probe: &'static str, problem: Option<&str>, samples: Vec<Sample>) -> Input {
    let polled = Polled { took: Duration::from_millis(250), problem: problem.map(str::to_owned) };
    Input::Probed(Report { probe, polled: Some(polled), samples })
}

#[test]
fn what_probes_saw_is_on_the_page() {
    let (subjects, samples): (Vec<_>, Vec<_>) = probes().into_iter().unzip();
    let names: Vec<&'static str> = subjects.iter().map(|subject| subject.name()).collect();
    let mut engine = engine(subjects);
    let mut findings = String::new();
    for (name, samples) in names.into_iter().zip(samples) {
        for action in engine.step(NOW, report(name, None, samples)) {
            if let Action::Finding(finding) = action {
                findings += &format!("{}\n", serde_json::to_string(&*finding).unwrap());
            }
        }
    }
    engine.step(NOW, report("blind", Some("look around: it is dark"), Vec::new()));
    let page = engine.page(NOW, 0).render(Exposition::Text);
    let of_probes = |family: &&str| !family.contains("hostwarden_state_commit") && !family.starts_with("hostwarden_build_info");
    let got = findings + &page.split_inclusive("# HELP ").filter(of_probes).collect::<String>();
    let expected = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/expected/probes.txt");
    if std::env::var_os("BLESS").is_some() {
        fs::write(&expected, &got).unwrap();
    }
    assert_eq!(fs::read_to_string(&expected).unwrap_or_default(), got);
}

#[test]
fn a_probe_that_fails_says_why() {
    let mut engine = engine(vec![Box::new(Blind)]);
    engine.step(NOW, report("blind", None, Vec::new()));
    engine.step(NOW.plus(Duration::from_secs(15)), report("blind", Some("look around: it is dark"), Vec::new()));
    let query = Ask::Query(hostwarden::engine::Query::Probes);
    let actions = engine.step(NOW, Input::Ask(1, query));
    let [Action::Answer(1, Answer::Json(Some(answer)))] = actions.as_slice() else { unreachable!("{actions:?}") };
    let probe = &answer["probes"][0];
    assert_eq!(probe["success"], false);
    assert_eq!(probe["problem"], "look around: it is dark");
    assert_eq!(probe["last_success"], NOW.to_rfc3339().unwrap());
    assert_eq!(probe["last_poll"], NOW.plus(Duration::from_secs(15)).to_rfc3339().unwrap());
}
