//! The probe of SQL Server against a server of the tests that follows the protocol, and against ones that do not.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use hostwarden::docker_api::Endpoint;
use hostwarden::probes::sqlserver::{Config, Instance, Password, SqlServer};
use hostwarden::probes::{Probe, Seen, Work};
use hostwarden::sample::Sample;
use hostwarden::sample::sqlserver::{self, Reason, STAGES};

#[path = "sqlserver/server.rs"]
mod server;

use server::{Behaviour, Fault, PASSWORD, Step, USER, start};

/// Long enough for a handshake on a busy machine; those who are silent make the test last that long, all at once.
const LIMIT: Duration = Duration::from_secs(3);

fn instance(name: &str, address: SocketAddr) -> Instance {
    Instance {
        name: name.to_owned(),
        host: address.ip().to_string(),
        port: address.port(),
        user: USER.to_owned(),
        password: Password::new(PASSWORD),
        encrypt: true,
        trust_certificate: true,
        exec_container: None,
    }
}

async fn ask(instances: Vec<Instance>) -> (Vec<sqlserver::Instance>, String) {
    let mut probe = SqlServer::new(Config { instances, engine: Endpoint::Unix("/nonexistent".into()) }, LIMIT);
    let Work::Async(work) = probe.poll() else { unreachable!() };
    let Seen { samples, problem } = tokio::time::timeout(LIMIT, work).await.unwrap();
    let samples = samples.into_iter().map(|sample| match sample {
        Sample::SqlServer(instance) => instance,
        other => unreachable!("{other:?}"),
    });
    (samples.collect(), problem.map(|problem| problem.to_string()).unwrap_or_default())
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn faulty(step: Step, fault: Fault) -> Behaviour {
    Behaviour { fault: Some((step, fault)), ..Behaviour::default() }
}

#[test]
fn the_version_is_read_with_and_without_encryption() {
    runtime().block_on(async {
        for (encrypt, encryption) in [(true, 1), (false, 1), (false, 0)] {
            let address = start(Behaviour { encryption: Some(encryption), ..Behaviour::default() }).await;
            let (seen, problem) = ask(vec![Instance { encrypt, ..instance("shop", address) }]).await;
            assert_eq!(problem, "", "{encrypt} {encryption}");
            assert_eq!(seen[0].version.as_deref(), Ok("Microsoft SQL Server 2022 (RTM-CU13) - 16.0.4125.3 (X64)"));
            assert!(seen[0].stages.iter().all(Option::is_some), "{:?}", seen[0].stages);
        }
    });
}

#[test]
fn each_stage_has_a_time_of_its_own() {
    const LATE: Duration = Duration::from_secs(1);
    runtime().block_on(async {
        let steps = [Step::Greeting, Step::Handshake, Step::Login, Step::Query];
        let mut instances = Vec::new();
        for step in steps {
            instances.push(instance(&format!("{step:?}"), start(faulty(step, Fault::Late(LATE))).await));
        }
        let (seen, problem) = ask(instances).await;
        assert_eq!(problem, "");
        for (late, seen) in seen.iter().enumerate() {
            let took = seen.stages[late].unwrap();
            assert!(took >= LATE, "{}: {} took {took:?}", seen.name, STAGES[late]);
            let is_longest = seen.stages.iter().all(|other| other.unwrap() <= took);
            assert!(is_longest, "{}: {:?}", seen.name, seen.stages);
        }
    });
}

#[test]
fn every_failure_has_its_reason_and_disturbs_nobody() {
    runtime().block_on(async {
        let mut instances = Vec::new();
        let mut expected: Vec<(Option<Reason>, &str)> = Vec::new();
        let mut add = |instance: Instance, reason, doing| {
            instances.push(instance);
            expected.push((reason, doing));
        };
        add(instance("good", start(Behaviour::default()).await), None, "");
        for (step, doing) in [
            (Step::Greeting, "greet it"),
            (Step::Handshake, "make a TLS handshake"),
            (Step::Login, "log in"),
            (Step::Query, "ask for the version"),
        ] {
            // What is announced inside of TLS is believed, and waited for.
            let garbage = if step > Step::Handshake { Reason::Timeout } else { Reason::Garbage };
            for (fault, reason) in [(Fault::Silence, Reason::Timeout), (Fault::Cut, Reason::Closed), (Fault::Garbage, garbage)] {
                let doing = if matches!((step, &fault), (Step::Greeting, Fault::Garbage)) { "agree on encryption" } else { doing };
                add(instance(&format!("{step:?} {fault:?}"), start(faulty(step, fault)).await), Some(reason), doing);
            }
        }
        let address = start(Behaviour::default()).await;
        let wrong = Instance { password: Password::new("secret-that-nobody-may-see"), ..instance("wrong", address) };
        add(wrong, Some(Reason::WrongPassword), "log in");
        add(Instance { trust_certificate: false, ..instance("strict", address) }, Some(Reason::Tls), "make a TLS handshake");
        let bare = start(Behaviour { encryption: Some(2), ..Behaviour::default() }).await;
        add(instance("bare", bare), Some(Reason::Tls), "agree on encryption");
        let ill = start(faulty(Step::Query, Fault::Answer(server::error(4060, "Cannot open database")))).await;
        add(instance("ill", ill), Some(Reason::Server), "ask for the version");
        let empty = start(faulty(Step::Query, Fault::Answer(server::accepted()))).await;
        add(instance("empty", empty), Some(Reason::Garbage), "ask for the version");
        let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        add(instance("gone", gone), Some(Reason::Refused), "connect to it");
        // The kernel completes connections that nobody takes.
        let half_open = TcpListener::bind("127.0.0.1:0").unwrap();
        add(instance("half-open", half_open.local_addr().unwrap()), Some(Reason::Timeout), "greet it");
        let nowhere = Instance { host: "no-such-host.invalid".to_owned(), ..instance("nowhere", gone) };
        add(nowhere, Some(Reason::UnknownHost), "look up its host");

        let names: Vec<String> = instances.iter().map(|instance| instance.name.clone()).collect();
        let begun = Instant::now();
        let (seen, problem) = ask(instances).await;
        assert!(begun.elapsed() < LIMIT);
        let parts: Vec<&str> = problem.trim_start_matches("ask SQL Server: ").split("; ").collect();
        for ((seen, name), (reason, doing)) in seen.iter().zip(&names).zip(&expected) {
            assert_eq!(&seen.name, name);
            assert_eq!(seen.version.as_ref().err().copied(), *reason, "{name}: {problem}");
            let Some(reason) = reason else { continue };
            let told = parts.iter().find(|part| part.starts_with(&format!("{name} ("))).unwrap();
            assert!(told.contains(&format!("): {doing}: {}: ", reason.as_str())), "{told}");
        }
        assert_eq!(parts.len(), expected.len() - 1);
        assert!(!problem.contains("secret-that") && !problem.contains(PASSWORD), "{problem}");
    });
}

/// A number for each seed and place (SplitMix64).
fn random(seed: u64, place: u64) -> u64 {
    let mixed = (seed.wrapping_mul(1_000_003) + place).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[test]
fn no_answer_makes_it_panic() {
    let first: u64 = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    runtime().block_on(async {
        for seed in first..first + 20 {
            println!("SEED={seed}");
            let mut instances = Vec::new();
            for (step, right) in [(Step::Login, server::accepted()), (Step::Query, server::row(server::VERSION))] {
                for place in 0..4 {
                    let mut bytes = right.clone();
                    for change in 0..=place {
                        let at = random(seed, place * 16 + change) as usize % bytes.len();
                        bytes[at] = random(seed, place * 16 + change + 8) as u8;
                    }
                    bytes.truncate(bytes.len() - random(seed, place + 99) as usize % 3);
                    // Whoever waits for more gets none.
                    let behaviour = Behaviour { is_short: true, ..faulty(step, Fault::Answer(bytes)) };
                    instances.push(instance(&format!("{step:?} {place}"), start(behaviour).await));
                }
            }
            let (seen, _) = ask(instances).await;
            assert_eq!(seen.len(), 8);
        }
    });
}
