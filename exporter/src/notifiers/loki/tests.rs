//! Against a server that answers as it is told; the protocol as Loki documents it.

use std::io::Read;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::event::Timestamp;

fn entry(id: u64, feed: Feed, text: &str) -> Entry {
    let fields = vec![("class".into(), "xss".to_owned()), ("1st way".into(), "é".to_owned())];
    Entry { id, at: Timestamp::from_micros(1_795_255_200_250_000), feed, source: "web".to_owned(), text: text.to_owned(), fields }
}

fn loki(url: String, credentials: Credentials) -> Loki {
    let tenant = Some("hosting".to_owned());
    Loki::new(Config { url, instance: "this-host".to_owned(), tenant, credentials, timeout: Duration::from_millis(500) }).unwrap()
}

/// Pushes to a server that gives this answer (none: it never does), and gives what became of it and what the server read.
fn push(answer: &'static str, credentials: Credentials) -> (Pushed, String, Value) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut loki = loki(format!("http://{}", listener.local_addr().unwrap()), credentials);
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut read = Vec::new();
            let (head, body) = loop {
                assert!(stream.read_buf(&mut read).await.unwrap() > 0);
                let Some(end) = memchr::memmem::find(&read, b"\r\n\r\n") else { continue };
                let head = String::from_utf8_lossy(&read[..end]).to_lowercase();
                let length: usize = head.split("content-length: ").nth(1).unwrap().lines().next().unwrap().parse().unwrap();
                if read.len() == end + 4 + length {
                    break (head, read[end + 4..].to_vec());
                }
            };
            if answer == "hang" {
                tokio::time::sleep(Duration::from_secs(2)).await;
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
            drop(stream);
            let mut text = String::new();
            flate2::read::GzDecoder::new(&body[..]).read_to_string(&mut text).unwrap();
            (head, serde_json::from_str(&text).unwrap())
        };
        let batch: Batch = [entry(1, Feed::Web, "one"), entry(2, Feed::Web, "one"), entry(3, Feed::Incident, "two")].into();
        let (pushed, (head, body)) = tokio::join!(loki.push(&batch), server);
        (pushed, head, body)
    })
}

const TAKEN: &str = "HTTP/1.1 204 No Content\r\n\r\n";

#[test]
fn a_push_is_as_loki_wants_it() {
    let (pushed, head, body) = push(TAKEN, Credentials::Basic("ana".to_owned(), "pw".to_owned()));
    assert_eq!(pushed, Pushed { outcome: Outcome::Taken, wait: Duration::ZERO });
    for line in [
        "post /loki/api/v1/push http/1.1",
        "content-type: application/json",
        "content-encoding: gzip",
        "x-scope-orgid: hosting",
        "authorization: basic yw5honb3",
    ] {
        assert!(head.lines().any(|found| found == line), "{line}: {head}");
    }
    let line = |ns: &str, id: &str, text: &str| json!([ns, text, { "id": id, "source": "web", "class": "xss", "_1st_way": "é" }]);
    let stream = |feed: &str, values: Vec<Value>| json!({ "stream": { "job": "hostwarden", "instance": "this-host", "feed": feed }, "values": values });
    let two = line("1795255200250000003", "3", "two");
    let one = [line("1795255200250000001", "1", "one"), line("1795255200250000002", "2", "one")];
    assert_eq!(body, json!({ "streams": [stream("incident", vec![two]), stream("web", one.into())] }));
    let (_, head, _) = push(TAKEN, Credentials::Bearer("abc".to_owned()));
    assert!(head.contains("authorization: bearer abc"), "{head}");
}

#[test]
fn answers_mean_what_they_say() {
    for (answer, outcome, wait) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", Outcome::Taken, Some(0)),
        ("HTTP/1.1 400 Bad Request\r\ncontent-length: 9\r\n\r\ntoo old\n\n", Outcome::Refused, Some(0)),
        ("HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n", Outcome::Refused, Some(0)),
        ("HTTP/1.1 429 Too Many Requests\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n", Outcome::Retry, Some(7)),
        ("HTTP/1.1 503 Unavailable\r\nretry-after: 99999999\r\ncontent-length: 0\r\n\r\n", Outcome::Retry, Some(3_600)),
        ("HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n", Outcome::Retry, None),
        ("HTTP/1.1 401 Who\r\ncontent-length: 0\r\n\r\n", Outcome::Retry, None),
        ("HTTP/1.1 301 Gone\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n", Outcome::Retry, None),
        ("nonsense\r\n\r\n", Outcome::Retry, None),
        ("", Outcome::Retry, None),
        ("hang", Outcome::Retry, None),
    ] {
        let (pushed, ..) = push(answer, Credentials::None);
        assert_eq!(pushed.outcome, outcome, "{answer}");
        match wait {
            Some(secs) => assert_eq!(pushed.wait, Duration::from_secs(secs), "{answer}"),
            None => assert!((1_000..=1_250).contains(&pushed.wait.as_millis()), "{answer}: {:?}", pushed.wait),
        }
    }
}

#[test]
fn facts_stay_within_what_loki_takes() {
    let fields = (0..300).map(|number| (format!("f{number}").into(), "x".repeat(number * 10))).collect();
    let facts = facts(&Entry { fields, ..entry(1, Feed::Bot, "") });
    let bytes: usize = facts.iter().map(|(name, value)| name.len() + value.as_str().unwrap().len()).sum();
    assert!(facts.len() <= MAX_FACTS && bytes <= MAX_FACTS_BYTES && bytes > MAX_FACTS_BYTES / 2, "{} {bytes}", facts.len());
    assert_eq!(["", "7x", "a-b", "straße"].map(label_name), ["_", "_7x", "a_b", "stra_e"]);
}
