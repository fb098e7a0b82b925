//! What probes saw, through the engine, to the page: `tests/expected/probes.txt`. `BLESS=1` writes it anew.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::time::Duration;

use hostwarden::config;
use hostwarden::detectors::containers;
use hostwarden::engine::probes::Subject;
use hostwarden::engine::probes::docker::Docker;
use hostwarden::engine::{Action, Answer, Ask, Engine, Input, Setup};
use hostwarden::event::Timestamp;
use hostwarden::metrics::{Exposition, Page};
use hostwarden::sample::docker::{self, Happening, Health, State};
use hostwarden::sample::{Polled, Report, Sample};
use hostwarden::setup;
use hostwarden::subject::TrustedProxies;

/// Every probe's side in the engine, and what its probe hands in.
fn probes() -> Vec<(Box<dyn Subject>, Vec<Sample>)> {
    let docker = Docker::new(Some(containers::Config { restarts: 3, window_secs: 300, cooldown_secs: 900 }));
    vec![(Box::new(Blind), Vec::new()), (Box::new(docker), docker_samples())]
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
    Engine::new(Setup {
        sources: Vec::new(),
        proxies: TrustedProxies::new(Vec::new()),
        privacy,
        detection: setup::detection(&config).unwrap(),
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
                findings += &format!("{}\n", serde_json::to_string(&finding).unwrap());
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
