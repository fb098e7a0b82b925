//! Nanoseconds a request. Budget: 250 ns for a usual mix, in which targets and agents come again; 700 ns if none ever does.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hostwarden::classify::Classifier;
use hostwarden::event::HttpRequest;

const REQUESTS: usize = 20_000;

const AGENTS: [&str; 3] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/134.0.0.0 Safari/537.36",
    "Mozilla/5.0 (compatible; ExampleBot/2.1; +https://example.org/bot)",
    "WhatsApp/2.25.4.12 A",
];

const ATTACKS: [&str; 6] = [
    "/.env",
    "/wp-login.php",
    "/cgi-bin/.%2e/.%2e/etc/passwd",
    "/?id=1%27%20or%201=1--",
    "/search?q=%3Cscript%3Ealert(1)%3C/script%3E",
    "/actuator/env",
];

/// Target, agent, status.
type Sample = (String, String, u16);

fn mix(number: usize) -> Sample {
    let mixed = number.wrapping_mul(2_654_435_761);
    let agent = AGENTS[mixed % 3].to_owned();
    match mixed % 10 {
        0 | 1 => (ATTACKS[mixed / 10 % 6].to_owned(), agent, 404),
        2 => (format!("/buscar?q=pizza&page={}", mixed % 60), agent, 200),
        _ => (format!("/img/menu/{}.webp", mixed % 2_000), agent, 200),
    }
}

fn distinct(number: usize) -> Sample {
    (format!("/menu/{number:x}?page={}", number % 7), format!("{} {number}", AGENTS[number % 3]), 200)
}

fn classify(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("classify");
    group.throughput(Throughput::Elements(REQUESTS as u64));
    for (name, sample) in [("mix", mix as fn(usize) -> Sample), ("distinct", distinct)] {
        let samples: Vec<Sample> = (0..REQUESTS).map(sample).collect();
        let mut classifier = Classifier::new();
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                for (target, agent, status) in &samples {
                    let request = HttpRequest {
                        method: b"GET",
                        target: target.as_bytes(),
                        user_agent: agent.as_bytes(),
                        status: *status,
                        ..HttpRequest::default()
                    };
                    black_box(classifier.classify(black_box(&request)));
                }
            });
        });
    }
    group.finish();
}

criterion_group!(benches, classify);
criterion_main!(benches);
