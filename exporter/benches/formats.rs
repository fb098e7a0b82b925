//! Lines a second, per format. Budget on one core of a small server: two million for logs of web servers and four for bots' without
//! their pseudonyms, one for whatever needs a regular expression.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hostwarden::formats::{self, Parsed, custom, nginx_json};
use hostwarden::privacy::{ClientMode, Privacy, SenderMode};

const LINES: usize = 10_000;

/// A log that varies as real ones do: clients, paths, statuses and agents change from line to line, times every few lines.
fn log(line: impl Fn(usize) -> String) -> String {
    (0..LINES).map(|number| line(number) + "\n").collect()
}

struct Request {
    client: String,
    path: String,
    agent: &'static str,
    status: u16,
    minute: usize,
    second: usize,
}

fn request(number: usize) -> Request {
    const AGENTS: [&str; 3] = [
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/134.0.0.0 Safari/537.36",
        "Mozilla/5.0 (compatible; ExampleBot/2.1; +https://example.org/bot)",
        "curl/8.5.0",
    ];
    let mixed = number.wrapping_mul(2_654_435_761);
    Request {
        client: format!("203.0.{}.{}", mixed % 113, mixed % 251),
        path: format!("/menu/{:x}?page={}", mixed % 100_003, mixed % 7),
        agent: AGENTS[mixed % 3],
        status: [200, 304, 404][mixed % 5 % 3],
        minute: number / 600 % 60,
        second: number / 10 % 60,
    }
}

fn combined(number: usize) -> String {
    let Request { client, path, agent, status, minute, second } = request(number);
    format!(
        "{client} - - [04/Apr/2026:12:{minute:02}:{second:02} +0200] \"GET {path} HTTP/1.1\" {status} {number} \"https://example.org/\" \"{agent}\""
    )
}

fn nginx_json(number: usize) -> String {
    let Request { client, path, agent, status, minute, second } = request(number);
    format!(
        r#"{{"ip":"{client}","method":"GET","uri":"{path}","status":{status},"host":"example.org","ua":"{agent}","country":"Spain","city":"Madrid","country_code":"ES","time":"04/Apr/2026:12:{minute:02}:{second:02} +0200","req_time":"0.{number:03}"}}"#
    )
}

fn caddy_json(number: usize) -> String {
    let Request { client, path, agent, status, minute, second } = request(number);
    let at = 1_775_300_000 + minute * 60 + second;
    // Caddy writes headers in any order.
    let accept = if number.is_multiple_of(2) { r#""Accept":["*/*"],"# } else { "" };
    format!(
        r#"{{"level":"info","ts":{at}.5241024,"logger":"http.log.access.log0","msg":"handled request","request":{{"remote_ip":"{client}","remote_port":"41342","client_ip":"{client}","proto":"HTTP/2.0","method":"GET","host":"example.org","uri":"{path}","headers":{{{accept}"User-Agent":["{agent}"]}}}},"bytes_read":0,"duration":0.000929675,"size":{number},"status":{status},"resp_headers":{{"Server":["Caddy"]}}}}"#
    )
}

fn traefik_json(number: usize) -> String {
    let Request { client, path, agent, status, minute, second } = request(number);
    format!(
        r#"{{"ClientAddr":"{client}:52146","ClientHost":"{client}","DownstreamContentSize":{number},"DownstreamStatus":{status},"Duration":86742,"OriginStatus":{status},"RequestHost":"example.org","RequestMethod":"GET","RequestPath":"{path}","RequestProtocol":"HTTP/1.1","StartUTC":"2026-04-04T10:{minute:02}:{second:02}.123456789Z","level":"info","msg":"","request_User-Agent":"{agent}","time":"2026-04-04T12:{minute:02}:{second:02}+02:00"}}"#
    )
}

fn bot(number: usize) -> String {
    let Request { minute, second, .. } = request(number);
    let head = format!("2026-04-04 12:{minute:02}:{second:02},{:03}", number % 1_000);
    let sender = 34_600_000_000 + number * 7_919 % 99_999_999;
    match number % 3 {
        0 => format!("{head} [INFO] bot.webhook (30): Incoming message from whatsapp:+{sender} sid=SM{number:032x} body=\"hola\""),
        1 => format!("{head} [INFO] bot.twilio (31): Outgoing message to whatsapp:+{sender} sid=SM{number:032x} body=\"¡Hola!\""),
        _ => format!("{head} [DEBUG] bot.session (30): session state=MENU key=sess:{number:010x} ttl=1800"),
    }
}

fn formats(criterion: &mut Criterion) {
    let line = r#"^(?<client>\S+) - - \[(?<time>[^\]]+)\] "(?<request>[^"]*)" (?<status>\d+) (?<bytes>\d+) "(?<referer>[^"]*)" "(?<user_agent>[^"]*)""#;
    let custom = custom::Config { kind: "http".to_owned(), line: line.to_owned(), ..custom::Config::default() };
    let custom = BTreeMap::from([("web".to_owned(), custom)]);
    let fields = nginx_json::Fields::default();
    let options = formats::Options {
        privacy: Arc::new(Privacy::new(SenderMode::Hash, ClientMode::Full, b"0123456789abcdef0123456789abcdef", 160)),
        zone: &|| jiff::tz::TimeZone::UTC,
        reference: hostwarden::event::Timestamp::default(),
        nginx_json: &fields,
        custom: &custom,
    };
    let mut group = criterion.benchmark_group("formats");
    group.throughput(Throughput::Elements(LINES as u64));
    for (name, log) in [
        ("nginx_combined", log(combined)),
        ("nginx_json", log(nginx_json)),
        ("apache", log(combined)),
        ("caddy_json", log(caddy_json)),
        ("traefik_json", log(traefik_json)),
        ("whatsapp_bot", log(bot)),
        ("custom.web", log(combined)),
    ] {
        let mut format = formats::by_name(name, &options).unwrap_or_else(|problems| panic!("{problems:?}"));
        let mut malformed = 0;
        let mut sink = |_: &[u8], parsed: Parsed<'_>| malformed += u64::from(matches!(black_box(parsed), Parsed::Malformed(_)));
        group.bench_function(name, |bencher| bencher.iter(|| format.read_block(black_box(log.as_bytes()), &mut sink)));
        assert_eq!(malformed, 0, "{name}");
    }
    group.finish();
}

criterion_group!(benches, formats);
criterion_main!(benches);
