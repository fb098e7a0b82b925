//! The notifiers against servers that answer as they should, as they should not, and not at all.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use hostwarden::event::Timestamp;
use hostwarden::finding::Severity;
use hostwarden::incident::{Change, Delivery, Incident, Outcome, Player, Told};
use hostwarden::notifiers::discord::{self, Discord};
use hostwarden::notifiers::webhook::{self, Webhook};
use hostwarden::notifiers::{Address, Answer, Notifier};
use serde_json::Value;
use sha2::Sha256;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What a server does with a request.
enum Does {
    /// Answers with status line, headers and body.
    Answers(String),
    /// Reads it and keeps silent.
    Hangs,
    /// Reads it and hangs up.
    Cuts,
}

fn answers(status: &str, headers: &str, body: &str) -> Does {
    Does::Answers(format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n{body}", body.len()))
}

/// A request as it arrived.
#[derive(Clone, Debug)]
struct Request {
    head: String,
    body: Vec<u8>,
}

impl Request {
    fn line(&self) -> &str {
        self.head.lines().next().unwrap().trim_end_matches(" HTTP/1.1")
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.split_once(": ").filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value))
    }
}

/// A server that does one thing after another, each to one request.
struct Server {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    async fn start(script: Vec<Does>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, requests) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
        let (seen, mut script) = (Arc::clone(&requests), VecDeque::from(script));
        tokio::spawn(async move {
            let mut hanging = Vec::new();
            while let Some(does) = script.pop_front() {
                let (mut stream, _) = listener.accept().await.unwrap();
                let request = read(&mut stream).await;
                seen.lock().unwrap().push(request);
                match does {
                    // Who does not want to read it all hangs up.
                    Does::Answers(text) => drop(stream.write_all(text.as_bytes()).await),
                    Does::Hangs => hanging.push(stream),
                    Does::Cuts => {}
                }
            }
            std::future::pending::<()>().await;
        });
        Self { address, requests }
    }

    fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    fn lines(&self) -> Vec<String> {
        self.requests().iter().map(|request| request.line().to_owned()).collect()
    }

    fn discord(&self) -> Discord {
        discord_at(self.address)
    }
}

fn discord_at(address: SocketAddr) -> Discord {
    let webhook = discord::Webhook::parse(&format!("http://{address}/api/webhooks/1/token")).unwrap();
    let timeout = Duration::from_millis(600);
    Discord::new(discord::Config { webhook, host: "shop".to_owned(), timeout, servers: Vec::new() }).unwrap()
}

async fn read(stream: &mut TcpStream) -> Request {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        assert_ne!(stream.read_buf(&mut bytes).await.unwrap(), 0, "the request ended early");
    };
    let mut request = Request { head: String::from_utf8(bytes[..end].to_vec()).unwrap(), body: bytes.split_off(end) };
    let length = request.header("content-length").map_or(0, |length| length.parse().unwrap());
    while request.body.len() < length {
        assert_ne!(stream.read_buf(&mut request.body).await.unwrap(), 0, "the body ended early");
    }
    request
}

fn delivery(ids: std::ops::RangeInclusive<u64>, edits: Option<&str>) -> Delivery {
    let told = ids.map(|id| {
        let incident = Incident {
            id,
            kind: "ssh_brute_force".to_owned(),
            severity: Severity::Warning,
            source: "ssh".to_owned(),
            about: "203.0.113.7".to_owned(),
            client: Some("203.0.113.7".to_owned()),
            country: Some("NL".to_owned()),
            strikes: 1,
            summary: "203.0.113.7 (NL) tried @everyone.".to_owned(),
            evidence: vec!["users: `root`".to_owned()],
            opened: Timestamp::from_secs(1_795_255_200),
            last: Timestamp::from_secs(1_795_255_260),
            closed: None,
            findings: 2,
            player: None,
        };
        Told { change: Change::Opened, incident }
    });
    Delivery { told: told.collect(), edits: edits.map(str::to_owned), waiting: 0 }
}

const RETRY: Outcome = Outcome::Retry { may_have_arrived: false };
const UNKNOWN: Outcome = Outcome::Retry { may_have_arrived: true };

fn sent(message: Option<&str>) -> Outcome {
    Outcome::Sent { message: message.map(str::to_owned) }
}

#[tokio::test]
async fn answers_of_discord_mean_what_they_say() {
    let long = "x".repeat(1 << 20);
    for (does, edits, outcome, wait_millis) in [
        (answers("200 OK", "", r#"{"id":"99"}"#), None, sent(Some("99")), 2_000..=2_000),
        (answers("200 OK", "", "<html>"), None, sent(None), 2_000..=2_000),
        (answers("200 OK", "", &long), None, sent(None), 2_000..=2_000),
        (answers("200 OK", "", r#"{"id":"../9"}"#), None, sent(None), 2_000..=2_000),
        (answers("204 No Content", "", ""), Some("7"), sent(Some("7")), 2_000..=2_000),
        (
            answers("200 OK", "X-RateLimit-Remaining: 0\r\nX-RateLimit-Reset-After: 9.5\r\n", r#"{"id":"1"}"#),
            None,
            sent(Some("1")),
            9_750..=9_750,
        ),
        (
            answers("200 OK", "X-RateLimit-Remaining: 3\r\nX-RateLimit-Reset-After: 9.5\r\n", r#"{"id":"1"}"#),
            None,
            sent(Some("1")),
            2_000..=2_000,
        ),
        (
            answers("200 OK", "X-RateLimit-Remaining: 0\r\nX-RateLimit-Reset-After: NaN\r\n", r#"{"id":"1"}"#),
            None,
            sent(Some("1")),
            2_000..=2_000,
        ),
        (answers("429 Too Many", "Retry-After: 3\r\n", r#"{"retry_after":3.5,"global":true}"#), None, RETRY, 3_750..=3_750),
        (answers("429 Too Many", "Retry-After: 65\r\n", "<html>"), None, RETRY, 65_250..=65_250),
        (answers("429 Too Many", "", r#"{"retry_after":0}"#), None, RETRY, 2_250..=2_250),
        (answers("429 Too Many", "", r#"{"retry_after":-5}"#), None, RETRY, 2_250..=2_250),
        (answers("429 Too Many", "", r#"{"retry_after":1e300}"#), None, RETRY, 3_600_250..=3_600_250),
        (answers("429 Too Many", "Retry-After: inf\r\n", ""), None, RETRY, 2_000..=2_500),
        (answers("500 Oops", "", ""), None, RETRY, 2_000..=2_500),
        (answers("503 Oops", "Retry-After: 30\r\n", ""), None, RETRY, 30_000..=30_000),
        (answers("504 Gateway Timeout", "", ""), None, UNKNOWN, 2_000..=2_500),
        (answers("400 Bad Request", "", r#"{"code":50035}"#), None, Outcome::Refused, 2_000..=2_000),
        (answers("413 Too Large", "", ""), None, Outcome::Refused, 2_000..=2_000),
        (answers("404 Not Found", "", r#"{"code":10008}"#), Some("7"), Outcome::Gone, 2_000..=2_000),
        (answers("404 Not Found", "", ""), Some("7"), Outcome::Gone, 2_000..=2_000),
        (answers("404 Not Found", "", r#"{"code":10015}"#), Some("7"), RETRY, 30_000..=37_500),
        (answers("404 Not Found", "", r#"{"code":10015}"#), None, RETRY, 30_000..=37_500),
        (answers("401 Unauthorized", "", ""), None, RETRY, 30_000..=37_500),
        (answers("403 Forbidden", "", ""), Some("7"), RETRY, 30_000..=37_500),
        (answers("302 Found", "Location: http://127.0.0.1:1/\r\n", ""), None, RETRY, 30_000..=37_500),
        (Does::Answers("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"id\"".to_owned()), None, sent(None), 2_000..=2_000),
        (Does::Cuts, None, UNKNOWN, 2_000..=2_500),
        (Does::Hangs, None, UNKNOWN, 2_000..=2_500),
        (Does::Answers("nonsense\r\n\r\n".to_owned()), None, UNKNOWN, 2_000..=2_500),
    ] {
        let what = if let Does::Answers(text) = &does { text.chars().take(120).collect() } else { "no answer".to_owned() };
        let server = Server::start(vec![does]).await;
        let answer = server.discord().send(&delivery(1..=1, edits)).await;
        assert_eq!(answer.outcome, outcome, "{what}");
        assert!(wait_millis.contains(&answer.wait.as_millis()), "{:?} after {what}", answer.wait);
        let line = if edits.is_some() { "PATCH /api/webhooks/1/token/messages/7" } else { "POST /api/webhooks/1/token?wait=true" };
        assert_eq!(server.lines(), [line], "{what}");
        let body: Value = serde_json::from_slice(&server.requests()[0].body).unwrap();
        assert_eq!(body["allowed_mentions"], serde_json::json!({ "parse": [] }));
        assert_eq!(body["embeds"][0]["footer"]["text"], "Incident 1 · shop");
        assert!(!body.to_string().contains('@'), "{body}");
    }
}

#[tokio::test]
async fn a_server_that_hangs_gets_one_doubtful_message() {
    let ok = || answers("200 OK", "", r#"{"id":"9"}"#);
    let script = vec![Does::Hangs, Does::Hangs, answers("502 Bad Gateway", "", ""), answers("404 Not Found", "", ""), ok(), ok()];
    let server = Server::start(script).await;
    let mut discord = server.discord();
    let mut outcomes = Vec::new();
    for _ in 0..5 {
        outcomes.push(discord.send(&delivery(1..=1, None)).await.outcome);
    }
    assert_eq!(outcomes, [UNKNOWN, RETRY, RETRY, sent(Some("9")), sent(Some("9"))]);
    let (post, get) = ("POST /api/webhooks/1/token?wait=true", "GET /api/webhooks/1/token");
    assert_eq!(server.lines(), [post, get, get, get, post, post]);
}

#[tokio::test]
async fn nobody_there_is_asked_less_and_less() {
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let mut discord = discord_at(address);
    let mut waits = Vec::new();
    for _ in 0..9 {
        let Answer { outcome, wait } = discord.send(&delivery(1..=1, None)).await;
        assert_eq!(outcome, RETRY);
        waits.push(wait.as_secs());
    }
    assert!(waits.is_sorted() && waits[0] == 2 && waits[8] == 300, "{waits:?}");
    let odd = discord.send(&delivery(1..=1, Some("../1"))).await;
    assert_eq!(odd, Answer { outcome: Outcome::Gone, wait: Duration::ZERO });
}

fn webhook(server: &Server, secret: Option<&str>) -> Webhook {
    let address = Address::parse(&format!("http://{}/hook?key=1", server.address)).unwrap();
    let secret = secret.map(str::to_owned);
    Webhook::new(webhook::Config { address, secret, host: "shop".to_owned(), timeout: Duration::from_millis(600) }).unwrap()
}

#[tokio::test]
async fn bodies_are_signed_and_named() {
    let server = Server::start((0..4).map(|_| answers("200 OK", "", "thanks")).collect()).await;
    let mut signed = webhook(&server, Some("0123456789abcdef"));
    for told in [delivery(1..=3, None), delivery(1..=3, None), delivery(1..=2, None)] {
        let answer = signed.send(&told).await;
        assert_eq!(answer, Answer { outcome: sent(None), wait: Duration::ZERO });
    }
    webhook(&server, None).send(&delivery(1..=1, None)).await;
    let requests = server.requests();
    let names: Vec<&str> = requests.iter().map(|request| request.header("x-hostwarden-delivery").unwrap()).collect();
    assert!(names[0] == names[1] && names[1] != names[2] && names[0].len() == 32, "{names:?}");
    for request in &requests[..3] {
        assert_eq!(request.line(), "POST /hook?key=1");
        let mut keyed = Hmac::<Sha256>::new_from_slice(b"0123456789abcdef").unwrap();
        keyed.update(&request.body);
        let hex: String = keyed.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(request.header("x-hostwarden-signature").unwrap(), format!("sha256={hex}"));
    }
    assert_eq!(requests[3].header("x-hostwarden-signature"), None);
    let body: Value = serde_json::from_slice(&requests[0].body).unwrap();
    assert_eq!((&body["version"], &body["host"]), (&Value::from(1), &Value::from("shop")));
    assert!(Timestamp::parse_rfc3339(body["sent_at"].as_str().unwrap()).is_some());
    let events: Vec<(&Value, &Value)> =
        body["events"].as_array().unwrap().iter().map(|event| (&event["event"], &event["incident"]["id"])).collect();
    assert_eq!(format!("{events:?}"), r#"[(String("opened"), Number(1)), (String("opened"), Number(2)), (String("opened"), Number(3))]"#);
}

/// What of `value` is not as `schema` says. Knows the words that the schema is written in, and takes no member that it does not name.
fn unfit(root: &Value, schema: &Value, value: &Value, place: &str) -> Vec<String> {
    if let Some(name) = schema["$ref"].as_str() {
        return unfit(root, root.pointer(name.trim_start_matches('#')).unwrap(), value, place);
    }
    let mut wrong = Vec::new();
    for (word, says) in schema.as_object().unwrap() {
        let is_fit = match word.as_str() {
            "type" => says.as_array().map_or(vec![says], |types| types.iter().collect()).iter().any(|kind| match kind.as_str().unwrap() {
                "object" => value.is_object(),
                "array" => value.is_array(),
                "string" => value.is_string(),
                "integer" => value.is_u64() || value.is_i64(),
                "boolean" => value.is_boolean(),
                "null" => value.is_null(),
                other => panic!("the schema has the type {other}"),
            }),
            "const" => says == value,
            "enum" => says.as_array().unwrap().contains(value),
            "minimum" => value.as_u64().unwrap() >= says.as_u64().unwrap(),
            "minItems" => value.as_array().unwrap().len() as u64 >= says.as_u64().unwrap(),
            "pattern" => value.as_str().unwrap().len() == 2 && says == "^[A-Z]{2}$",
            "format" => value.as_str().is_none_or(|text| Timestamp::parse_rfc3339(text).is_some()),
            "required" => says.as_array().unwrap().iter().all(|name| value.get(name.as_str().unwrap()).is_some()),
            "items" => {
                wrong.extend(value.as_array().unwrap().iter().flat_map(|item| unfit(root, says, item, &format!("{place}[]"))));
                true
            }
            "properties" => {
                for (name, inner) in value.as_object().unwrap() {
                    match says.get(name) {
                        Some(says) => wrong.extend(unfit(root, says, inner, &format!("{place}.{name}"))),
                        None => wrong.push(format!("{place}.{name} is not in the schema")),
                    }
                }
                true
            }
            "$schema" | "$id" | "$defs" | "title" | "description" => true,
            other => panic!("the schema uses {other}"),
        };
        if !is_fit {
            wrong.push(format!("{place}: {word} {says}, not {value}"));
        }
    }
    wrong
}

#[tokio::test]
async fn bodies_are_as_the_schema_says() {
    let schema: Value = serde_json::from_str(&std::fs::read_to_string("../docs/webhook.schema.json").unwrap()).unwrap();
    let server = Server::start(vec![answers("200 OK", "", "")]).await;
    let mut all = delivery(1..=3, None);
    let bare = &mut all.told[1];
    bare.change = Change::Closed;
    bare.incident =
        Incident { client: None, country: None, evidence: Vec::new(), closed: Some(bare.incident.last), ..bare.incident.clone() };
    let player = Player { server: "dm".to_owned(), returning: true, vpn: Some(false), online: 3 };
    all.told[2].incident.player = Some(player);
    webhook(&server, None).send(&all).await;
    let body: Value = serde_json::from_slice(&server.requests()[0].body).unwrap();
    assert_eq!(unfit(&schema, &schema, &body, ""), Vec::<String>::new());
    let mut broken = body;
    broken["events"][0]["incident"]["severity"] = "bad".into();
    broken["events"][1]["incident"]["opened"] = "yesterday".into();
    broken["events"][2]["more"] = 1.into();
    broken["version"] = 2.into();
    broken.as_object_mut().unwrap().remove("host");
    let wrong = unfit(&schema, &schema, &broken, "");
    assert_eq!(wrong.len(), 5, "{wrong:#?}");
}

#[tokio::test]
async fn answers_of_webhooks_mean_what_they_say() {
    for (does, outcome, wait_millis) in [
        (answers("202 Accepted", "", ""), sent(None), 0..=0),
        (answers("429 Too Many", "Retry-After: 7\r\n", ""), RETRY, 7_000..=7_000),
        (answers("429 Too Many", "", ""), RETRY, 2_000..=2_500),
        (answers("503 Oops", "Retry-After: 9\r\n", ""), RETRY, 9_000..=9_000),
        (answers("500 Oops", "", ""), RETRY, 2_000..=2_500),
        (answers("410 Gone", "", ""), RETRY, 30_000..=37_500),
        (answers("401 Unauthorized", "", ""), RETRY, 30_000..=37_500),
        (answers("301 Moved", "Location: http://127.0.0.1:1/\r\n", ""), RETRY, 30_000..=37_500),
        (answers("400 Bad Request", "", ""), Outcome::Refused, 0..=0),
        (Does::Hangs, UNKNOWN, 2_000..=2_500),
    ] {
        let what = if let Does::Answers(text) = &does { text.clone() } else { "no answer".to_owned() };
        let server = Server::start(vec![does]).await;
        let answer = webhook(&server, None).send(&delivery(1..=1, None)).await;
        assert!(answer.outcome == outcome && wait_millis.contains(&answer.wait.as_millis()), "{answer:?} after {what}");
    }
}
