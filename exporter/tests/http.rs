//! The HTTP server against real clients: every endpoint, who may read, slow, broken and too many clients, TLS, and the stop.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use hostwarden::engine::{ErrorView, Query, SourceView};
use hostwarden::event::Timestamp;
use hostwarden::http::client::{self, Scheme};
use hostwarden::http::{self, Ask, Config, Counts, Error, Handle, Limits, Token};
use hostwarden::metrics::Exposition;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// Longer than anything that is right takes here, on a busy machine too.
const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(250);

/// A server on a free port.
struct Server {
    address: SocketAddr,
    counts: Arc<Counts>,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

fn config() -> Config {
    let limits = Limits { header: LONG, handshake: LONG, idle: LONG, answer: LONG, write: LONG, stop: LONG, ..Limits::default() };
    Config { listen: vec!["127.0.0.1:0".parse().unwrap()], bearer_token: None, tls: None, max_connections: 50, limits }
}

/// Starts a server and gives the questions that it asks.
async fn start_asking(change: impl FnOnce(&mut Config)) -> (Server, mpsc::Receiver<Ask>) {
    let mut config = config();
    change(&mut config);
    let bound = http::bind(config).await.unwrap();
    let (handle, asks) = Handle::channel(4);
    let (stop, stopped) = oneshot::channel::<()>();
    let (address, counts) = (bound.local_addrs()[0], bound.counts());
    let serving = tokio::spawn(bound.serve(handle, async move { drop(stopped.await) }));
    (Server { address, counts, stop, serving }, asks)
}

/// Starts a server with an engine that has an answer to everything.
async fn start(change: impl FnOnce(&mut Config)) -> Server {
    let (server, asks) = start_asking(change).await;
    tokio::spawn(answer(asks, true, "a_total 1\n".to_owned()));
    server
}

async fn answer(mut asks: mpsc::Receiver<Ask>, ready: bool, page: String) {
    while let Some(ask) = asks.recv().await {
        // Who asked may have gone.
        match ask {
            Ask::Page(Exposition::Text, reply) => drop(reply.send(ready.then(|| page.clone()))),
            Ask::Page(Exposition::OpenMetrics, reply) => drop(reply.send(ready.then(|| format!("{page}# EOF\n")))),
            Ask::Ready(reply) => drop(reply.send(ready)),
            Ask::Sources(reply) => drop(reply.send(vec![SourceView {
                name: "web".to_owned(),
                up: true,
                caught_up: ready,
                lines: 12,
                last_record: Some(Timestamp::from_secs(1_787_300_000)),
                ..SourceView::default()
            }])),
            Ask::Errors(reply) => drop(reply.send(vec![ErrorView {
                source: "bot".to_owned(),
                kind: "error".to_owned(),
                summary: "<script>".to_owned(),
                ..ErrorView::default()
            }])),
            Ask::Query(Query::Client(id), reply) if id == "nobody" => drop(reply.send(None)),
            Ask::Query(query, reply) => drop(reply.send(Some(serde_json::json!({ "asked": format!("{query:?}") })))),
        }
    }
}

async fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.unwrap()
}

/// Everything until the other side closes; also what came before a reset.
async fn read_all(stream: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut bytes = Vec::new();
    let read = async { while let Ok(1..) = stream.read_buf(&mut bytes).await {} };
    tokio::time::timeout(LONG, read).await.unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Sends these bytes and gives everything that comes back until the other side closes.
async fn talk(address: SocketAddr, request: impl AsRef<[u8]>) -> String {
    let mut stream = connect(address).await;
    // A server that refuses early may not take all of it.
    drop(stream.write_all(request.as_ref()).await);
    read_all(&mut stream).await
}

/// One request with further header lines, each with its end.
async fn ask(address: SocketAddr, method: &str, target: &str, headers: &str) -> String {
    talk(address, format!("{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n")).await
}

/// Reads one response of a connection that stays open: to the end of this text.
async fn read_to(stream: &mut TcpStream, end: &str) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(end.as_bytes()) {
        assert_ne!(tokio::time::timeout(LONG, stream.read_buf(&mut bytes)).await.unwrap().unwrap(), 0, "closed early");
    }
    String::from_utf8(bytes).unwrap()
}

async fn in_time<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(LONG / 2, what).await.unwrap()
}

async fn eventually(condition: impl Fn() -> bool) {
    let wait = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(5));
        while !condition() {
            ticks.tick().await;
        }
    };
    in_time(wait).await;
}

fn status(response: &str) -> u16 {
    response
        .strip_prefix("HTTP/1.1 ")
        .or(response.strip_prefix("HTTP/1.0 "))
        .unwrap_or(response)
        .get(..3)
        .and_then(|s| s.parse().ok())
        .unwrap_or(0)
}

fn head(response: &str) -> String {
    response.split("\r\n\r\n").next().unwrap().to_ascii_lowercase()
}

fn body(response: &str) -> &str {
    response.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

#[tokio::test]
async fn every_endpoint_answers() {
    let server = start(|_| {}).await;
    let text = "content-type: text/plain; charset=utf-8";
    let json = "content-type: application/json";
    for (method, target, code, header, content) in [
        ("GET", "/metrics", 200, "content-type: text/plain; version=0.0.4; charset=utf-8", "a_total 1\n"),
        ("GET", "/metrics?x=/api/", 200, "vary: accept", "a_total 1\n"),
        ("GET", "http://elsewhere/metrics", 200, "vary: accept", "a_total 1\n"),
        ("GET", "/-/healthy", 200, text, "healthy\n"),
        ("GET", "/-/ready", 200, text, "ready\n"),
        ("GET", "/", 200, "content-type: text/html; charset=utf-8", "&lt;script&gt;"),
        ("GET", "/", 200, "referrer-policy: no-referrer", "href=\"/metrics\""),
        ("GET", "/api/v1/sources", 200, json, "\"last_record\":\"2026-08-21T08:13:20Z\""),
        ("GET", "/api/v1/errors", 200, json, "\"summary\":\"<script>\""),
        ("GET", "/metric", 404, text, "there is nothing here\n"),
        ("GET", "/metrics/", 404, text, "there is nothing here\n"),
        ("GET", "//metrics", 404, text, "there is nothing here\n"),
        ("GET", "/api/v1/nothing", 404, json, "{\"error\":\"there is nothing here\"}"),
        ("POST", "/nothing", 404, text, "there is nothing here\n"),
        ("POST", "/metrics", 405, "allow: get, head", "only GET and HEAD are allowed here\n"),
        ("DELETE", "/api/v1/sources", 405, "allow: get, head", "{\"error\":\"only GET and HEAD are allowed here\"}"),
        ("OPTIONS", "/-/ready", 405, "allow: get, head", "only GET and HEAD are allowed here\n"),
        ("BREW", "/", 405, "allow: get, head", "only GET and HEAD are allowed here\n"),
        ("OPTIONS", "*", 404, text, "there is nothing here\n"),
        ("CONNECT", "elsewhere:80", 404, text, "there is nothing here\n"),
    ] {
        let response = ask(server.address, method, target, "").await;
        let what = format!("{method} {target}: {response}");
        assert_eq!(status(&response), code, "{what}");
        assert!(head(&response).contains(header), "{what}");
        assert!(body(&response).contains(content), "{what}");
        assert!(
            head(&response).contains("x-content-type-options: nosniff") && head(&response).contains("cache-control: no-store"),
            "{what}"
        );
    }
}

#[tokio::test]
async fn head_is_get_without_a_body() {
    let server = start(|_| {}).await;
    for target in ["/", "/metrics", "/-/healthy", "/-/ready", "/api/v1/errors", "/nothing"] {
        let (get, mut head_only) = (ask(server.address, "GET", target, "").await, ask(server.address, "HEAD", target, "").await);
        assert_eq!(body(&head_only), "", "{target}");
        head_only = head(&head_only);
        let dateless = |head: &str| head.lines().filter(|line| !line.starts_with("date:")).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(dateless(&head_only), dateless(&head(&get)), "{target}");
    }
}

#[tokio::test]
async fn the_page_allows_its_own_style_only() {
    use base64::Engine as _;
    use sha2::Digest as _;
    let server = start(|_| {}).await;
    let page = ask(server.address, "GET", "/", "").await;
    let style = page.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
    let hash = base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(style));
    let policy = page.lines().find(|line| line.to_ascii_lowercase().starts_with("content-security-policy:")).unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains(&format!("style-src 'sha256-{hash}'")), "{policy}");
    for foreign in ["<script", "http://", "https://", " style=", " src="] {
        assert!(!body(&page).contains(foreign), "{foreign}");
    }
}

#[tokio::test]
async fn scrapers_get_the_format_they_prefer() {
    let server = start(|_| {}).await;
    let prometheus = "Accept: application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1\r\n";
    let response = ask(server.address, "GET", "/metrics", prometheus).await;
    assert!(head(&response).contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8"), "{response}");
    assert_eq!(body(&response), "a_total 1\n# EOF\n");
    for headers in ["", "Accept: */*\r\n", "Accept: \u{ff}\r\n"] {
        assert_eq!(body(&ask(server.address, "GET", "/metrics", headers).await), "a_total 1\n", "{headers}");
    }
}

#[tokio::test]
async fn nothing_is_shown_before_the_logs_are_caught_up_with() {
    let (server, asks) = start_asking(|_| {}).await;
    tokio::spawn(answer(asks, false, String::new()));
    for target in ["/metrics", "/-/ready"] {
        let response = ask(server.address, "GET", target, "").await;
        assert_eq!(status(&response), 503, "{response}");
        assert!(head(&response).contains("retry-after: 5"), "{response}");
        assert_eq!(body(&response), "catching up with the logs\n");
    }
    for target in ["/-/healthy", "/", "/api/v1/sources"] {
        assert_eq!(status(&ask(server.address, "GET", target, "").await), 200, "{target}");
    }
}

#[tokio::test]
async fn an_engine_that_does_not_answer_is_told_of() {
    let (server, asks) = start_asking(|config| config.limits.answer = SHORT).await;
    let silent = ask(server.address, "GET", "/api/v1/sources", "").await;
    assert_eq!((status(&silent), body(&silent)), (503, "{\"error\":\"the exporter is too busy to answer\"}"));
    drop(asks);
    let gone = ask(server.address, "GET", "/metrics", "").await;
    assert_eq!((status(&gone), body(&gone)), (503, "the exporter is stopping\n"));
    assert_eq!(status(&ask(server.address, "GET", "/-/healthy", "").await), 200);
}

#[tokio::test]
async fn only_who_knows_the_token_may_read() {
    let server = start(|config| config.bearer_token = Some(Token::new("s3cret"))).await;
    // echo -n 'any:s3cret' | base64, and with another password.
    for (headers, code) in [
        ("", 401),
        ("Authorization: Bearer s3cret\r\n", 200),
        ("authorization: bearer s3cret\r\n", 200),
        ("Authorization: Basic YW55OnMzY3JldA==\r\n", 200),
        ("Authorization: Basic YW55Ondyb25n\r\n", 401),
        ("Authorization: Bearer wrong\r\n", 401),
        ("Authorization: Bearer wrong\r\nAuthorization: Bearer s3cret\r\n", 401),
        ("X-Authorization: Bearer s3cret\r\n", 401),
        ("Authorization: \u{ff}\r\n", 401),
    ] {
        for target in ["/", "/metrics", "/api/v1/sources", "/api/v1/errors"] {
            let response = ask(server.address, "GET", target, headers).await;
            assert_eq!(status(&response), code, "{target} {headers}");
            if code == 401 {
                let head = head(&response);
                assert!(head.contains("www-authenticate: bearer realm=") && head.contains("www-authenticate: basic realm="), "{head}");
            }
        }
    }
    assert_eq!(server.counts.denied(), 24);
    for target in ["/-/healthy", "/-/ready"] {
        assert_eq!(status(&ask(server.address, "GET", target, "").await), 200, "{target}");
    }
    assert_eq!(status(&ask(server.address, "GET", "/nothing", "").await), 401, "what is there is nobody's business");
    assert_eq!(status(&ask(server.address, "POST", "/metrics", "").await), 401);
    let response = ask(server.address, "GET", "/api/v1/sources", "").await;
    assert_eq!(body(&response), "{\"error\":\"the token is missing or wrong\"}");
}

#[tokio::test]
async fn requests_with_a_body_are_refused() {
    let server = start(|_| {}).await;
    for headers in ["Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n", "Content-Length: 99999999999\r\nExpect: 100-continue\r\n"] {
        let response = talk(server.address, format!("GET /metrics HTTP/1.1\r\nHost: x\r\n{headers}\r\n")).await;
        assert_eq!(status(&response), 413, "{headers}: {response}");
    }
    let empty = ask(server.address, "GET", "/metrics", "Content-Length: 0\r\n").await;
    assert_eq!(status(&empty), 200);
}

#[tokio::test]
async fn slow_requests_are_cut_off_while_others_are_served() {
    let server = start(|config| config.limits.header = SHORT).await;
    let mut slow = Vec::new();
    for part in ["", "G", "GET / HTTP/1.1\r\nHost: x\r\nA: "] {
        let mut stream = connect(server.address).await;
        stream.write_all(part.as_bytes()).await.unwrap();
        slow.push(stream);
    }
    let mut drops = 0;
    let mut byte = [0];
    'dribbling: loop {
        for stream in &mut slow {
            drops += 1;
            let written = stream.write_all(b"b").await;
            let read = tokio::time::timeout(Duration::from_millis(10), stream.read(&mut byte)).await;
            if written.is_err() || matches!(read, Ok(Ok(0) | Err(_))) {
                break 'dribbling;
            }
            assert!(drops < 2_000, "a byte now and then keeps a request open");
        }
        assert_eq!(status(&ask(server.address, "GET", "/metrics", "").await), 200);
    }
    for stream in &mut slow {
        assert_eq!(read_all(stream).await, "");
    }
    assert_eq!(server.counts.cut_off(), 3);
}

#[tokio::test]
async fn a_second_request_has_its_own_limit() {
    let server = start(|config| config.limits.header = SHORT).await;
    let mut stream = connect(server.address).await;
    stream.write_all(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    read_to(&mut stream, "healthy\n").await;
    // Idle for longer than a request may take: another connection is cut off meanwhile.
    assert_eq!(talk(server.address, "GET").await, "");
    stream.write_all(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    read_to(&mut stream, "healthy\n").await;
    stream.write_all(b"GET /-/healthy HTTP/1.1\r\n").await.unwrap();
    assert_eq!(read_all(&mut stream).await, "");
    assert_eq!(server.counts.cut_off(), 2);
}

#[tokio::test]
async fn idle_connections_end() {
    let server = start(|config| config.limits.idle = SHORT).await;
    let mut stream = connect(server.address).await;
    stream.write_all(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    assert!(in_time(read_all(&mut stream)).await.ends_with("healthy\n"));
}

#[tokio::test]
async fn who_does_not_read_is_cut_off() {
    let (server, asks) = start_asking(|config| config.limits.write = SHORT).await;
    tokio::spawn(answer(asks, true, "x".repeat(30_000_000)));
    let mut stream = connect(server.address).await;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    eventually(|| server.counts.cut_off() == 1).await;
    assert!(read_all(&mut stream).await.len() < 30_000_000);

    let (server, asks) = start_asking(|_| {}).await;
    tokio::spawn(answer(asks, true, "x".repeat(30_000_000)));
    assert!(ask(server.address, "GET", "/metrics", "").await.len() > 30_000_000, "who reads gets it all");
}

#[tokio::test]
async fn more_connections_than_the_limit_wait() {
    let server = start(|config| {
        config.max_connections = 2;
        config.limits.header = SHORT;
    })
    .await;
    let (mut first, mut second) = (connect(server.address).await, connect(server.address).await);
    eventually(|| server.counts.crowded() == 1).await;
    assert_eq!(status(&in_time(ask(server.address, "GET", "/metrics", "")).await), 200, "when the silent ones have been cut off");
    assert_eq!(server.counts.cut_off(), 2);
    assert_eq!((read_all(&mut first).await, read_all(&mut second).await), (String::new(), String::new()));
}

#[tokio::test]
async fn idle_connections_make_room() {
    let server = start(|config| config.max_connections = 2).await;
    let mut idle = Vec::new();
    for _ in 0..5 {
        let mut stream = connect(server.address).await;
        stream.write_all(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        read_to(&mut stream, "healthy\n").await;
        idle.push(stream);
    }
    assert_eq!(status(&in_time(ask(server.address, "GET", "/metrics", "")).await), 200);
    assert_eq!(server.counts.cut_off(), 0);
}

#[tokio::test]
async fn a_hundred_scrapes_at_once() {
    let server = start(|config| config.max_connections = 3).await;
    let scrapes: Vec<_> = (0..100).map(|_| tokio::spawn(ask(server.address, "GET", "/metrics", ""))).collect();
    for scrape in scrapes {
        assert_eq!(status(&in_time(scrape).await.unwrap()), 200);
    }
    assert_eq!(server.counts.accepted(), 100);
}

#[tokio::test]
async fn large_headers_are_refused() {
    let server = start(|_| {}).await;
    let many = (0..200).map(|n| format!("h{n}: x\r\n")).collect::<String>();
    for headers in [format!("A: {}\r\n", "x".repeat(100_000)), many, "A: x\r\n".repeat(20_000)] {
        assert_eq!(status(&ask(server.address, "GET", "/metrics", &headers).await), 431);
    }
    let long = ask(server.address, "GET", &format!("/{}", "x".repeat(100_000)), "").await;
    assert!(matches!(status(&long), 414 | 431), "{long}");
    let endless = talk(server.address, vec![b'G'; 1_000_000]).await;
    assert!(matches!(status(&endless), 400 | 414 | 431), "{endless}");
}

#[tokio::test]
async fn garbage_gets_no_further() {
    let server = start(|_| {}).await;
    let mut state = 1_u64;
    for request in
        ["\r\n\r\n\r\n\r\nX\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET / HTTP/1.1\r\nHost x\r\n\r\n", "\0\0\0\0\r\n\r\n"]
    {
        assert_eq!(status(&talk(server.address, request).await), 400, "{request:?}");
    }
    let both = talk(
        server.address,
        "GET / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n",
    )
    .await;
    assert_eq!(both.matches("HTTP/1.1 ").count(), 1, "{both}");
    assert!(matches!(status(&talk(server.address, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await), 0 | 400 | 505));
    for length in [1, 10, 100, 10_000] {
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        })
        .take(length)
        .collect();
        let mut stream = connect(server.address).await;
        drop(stream.write_all(&noise).await);
        drop(stream.shutdown().await);
        assert!(matches!(status(&read_all(&mut stream).await), 0 | 400 | 431), "{length}");
    }
    assert_eq!(status(&ask(server.address, "GET", "/metrics", "").await), 200);
}

#[tokio::test]
async fn who_has_gone_is_not_waited_for() {
    let (server, mut asks) = start_asking(|config| config.max_connections = 1).await;
    let mut stream = connect(server.address).await;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let Ask::Page(_, mut reply) = in_time(asks.recv()).await.unwrap() else { panic!("another question") };
    drop(stream);
    in_time(reply.closed()).await;
    assert_eq!(status(&in_time(ask(server.address, "GET", "/-/healthy", "")).await), 200);
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let server = start(|_| {}).await;
    let one = |target| format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n");
    let requests = [one("/-/healthy"), one("/metrics"), one("/-/ready"), one("/nothing")].concat();
    let mut stream = connect(server.address).await;
    stream.write_all(requests.as_bytes()).await.unwrap();
    let all = read_to(&mut stream, "there is nothing here\n").await;
    let places: Vec<_> = ["healthy\n", "a_total 1\n", "ready\n", "nothing here\n"].iter().map(|text| all.find(text).unwrap()).collect();
    assert!(places.is_sorted() && all.matches("HTTP/1.1 ").count() == 4, "{all}");
    // And the connection is still good.
    stream.write_all(one("/-/healthy").as_bytes()).await.unwrap();
    read_to(&mut stream, "healthy\n").await;
}

#[tokio::test]
async fn old_clients_are_served() {
    let server = start(|_| {}).await;
    let old = talk(server.address, "GET /metrics HTTP/1.0\r\n\r\n").await;
    assert_eq!((status(&old), body(&old)), (200, "a_total 1\n"));
    let mut stream = connect(server.address).await;
    for _ in 0..2 {
        stream.write_all(b"GET /metrics HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").await.unwrap();
        read_to(&mut stream, "a_total 1\n").await;
    }
}

#[tokio::test]
async fn an_address_that_is_not_there_yet_is_waited_for() {
    // Of networks for documentation: no machine has them.
    let later: Vec<SocketAddr> = ["192.0.2.1:9780", "[2001:db8::1]:9780"].iter().map(|address| address.parse().unwrap()).collect();
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let bound = http::bind(Config { listen: vec![later[0], any, later[1]], ..config() }).await.unwrap();
    let addresses = bound.local_addrs();
    assert_eq!((addresses[0], addresses[2]), (later[0], later[1]));
    let (handle, asks) = Handle::channel(1);
    tokio::spawn(answer(asks, true, String::new()));
    tokio::spawn(bound.serve(handle, std::future::pending()));
    assert_eq!(status(&ask(addresses[1], "GET", "/-/ready", "").await), 200);
}

#[tokio::test]
async fn every_address_is_served_and_a_taken_one_is_named() {
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let bound = http::bind(Config { listen: vec![any, any], ..config() }).await.unwrap();
    let addresses = bound.local_addrs();
    let error = http::bind(Config { listen: vec![any, addresses[1]], ..config() }).await.unwrap_err();
    assert!(matches!(error, Error::Listen { address, .. } if address == addresses[1]));
    assert_eq!(error.to_string(), format!("listen on {}: Address already in use (os error 98)", addresses[1]));
    assert!(error.may_pass());
    let (handle, asks) = Handle::channel(1);
    tokio::spawn(answer(asks, true, String::new()));
    tokio::spawn(bound.serve(handle, std::future::pending()));
    for address in addresses {
        assert_eq!(status(&ask(address, "GET", "/-/ready", "").await), 200);
    }
}

#[tokio::test]
async fn a_stop_lets_requests_finish_and_closes_the_rest() {
    let (server, mut asks) = start_asking(|_| {}).await;
    let mut idle = connect(server.address).await;
    idle.write_all(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    read_to(&mut idle, "healthy\n").await;
    let mut silent = connect(server.address).await;
    let mut busy = connect(server.address).await;
    busy.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let Ask::Page(_, reply) = in_time(asks.recv()).await.unwrap() else { panic!("another question") };
    eventually(|| server.counts.accepted() == 3).await;
    server.stop.send(()).unwrap();
    assert_eq!((in_time(read_all(&mut idle)).await, in_time(read_all(&mut silent)).await), (String::new(), String::new()));
    assert!(TcpStream::connect(server.address).await.is_err(), "nobody is let in any more");
    assert!(!server.serving.is_finished());
    reply.send(Some("the last\n".to_owned())).unwrap();
    let response = in_time(read_all(&mut busy)).await;
    assert!(head(&response).contains("connection: close") && response.ends_with("the last\n"), "{response}");
    in_time(server.serving).await.unwrap();
}

#[tokio::test]
async fn a_stop_does_not_wait_for_ever() {
    let (server, mut asks) = start_asking(|config| config.limits.stop = SHORT).await;
    let mut busy = connect(server.address).await;
    busy.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let unanswered = in_time(asks.recv()).await.unwrap();
    server.stop.send(()).unwrap();
    in_time(server.serving).await.unwrap();
    assert_eq!(in_time(read_all(&mut busy)).await, "");
    assert!(matches!(unanswered, Ask::Page(_, reply) if reply.is_closed()));
}

/// Writes a new certificate and its key.
fn certify(dir: &Path) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    std::fs::write(dir.join("cert.pem"), made.cert.pem()).unwrap();
    std::fs::write(dir.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
}

fn files(dir: &Path) -> Option<(std::path::PathBuf, std::path::PathBuf)> {
    Some((dir.join("cert.pem"), dir.join("key.pem")))
}

async fn https(address: SocketAddr) -> Result<u16, client::Error> {
    client::get(address, Scheme::Https, "/metrics", Some("s3cret"), LONG).await.map(|reply| reply.status)
}

#[tokio::test]
async fn tls_serves_and_others_do_no_harm() {
    let dir = tempfile::tempdir().unwrap();
    certify(dir.path());
    let server = start(|config| {
        config.tls = files(dir.path());
        config.bearer_token = Some(Token::new("s3cret"));
        config.limits.handshake = SHORT;
    })
    .await;
    assert_eq!(https(server.address).await.unwrap(), 200);
    let plain = ask(server.address, "GET", "/metrics", "").await;
    assert_ne!(status(&plain), 200, "a plain client gets an alert at most");
    let mut silent = connect(server.address).await;
    assert_eq!(in_time(read_all(&mut silent)).await, "");
    assert_eq!(server.counts.cut_off(), 1);
    let error = client::get(server.address, Scheme::Http, "/metrics", None, LONG).await.unwrap_err();
    assert!(matches!(error, client::Error::Http { .. }), "{error:?}");
    assert_eq!(https(server.address).await.unwrap(), 200);
    server.stop.send(()).unwrap();
    in_time(server.serving).await.unwrap();
}

/// Whether the server shows the certificate in this directory: a client that believes nothing else talks to it.
async fn shows(address: SocketAddr, dir: &Path) -> bool {
    use tokio_rustls::rustls::crypto::aws_lc_rs;
    use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
    use tokio_rustls::rustls::{ClientConfig, RootCertStore};
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(dir.join("cert.pem")).unwrap()).unwrap();
    let config =
        ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider())).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::IpAddress(address.ip().into());
    tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, connect(address).await).await.is_ok()
}

#[tokio::test]
async fn a_renewed_certificate_is_taken_up() {
    let (dir, old) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    certify(dir.path());
    std::fs::copy(dir.path().join("cert.pem"), old.path().join("cert.pem")).unwrap();
    let server = start(|config| config.tls = files(dir.path())).await;
    assert!(shows(server.address, old.path()).await);
    // Half of a renewal: the new certificate does not fit the old key.
    let key = std::fs::read(dir.path().join("key.pem")).unwrap();
    certify(dir.path());
    let new_key = std::fs::read(dir.path().join("key.pem")).unwrap();
    std::fs::write(dir.path().join("key.pem"), key).unwrap();
    assert!(shows(server.address, old.path()).await);
    std::fs::write(dir.path().join("key.pem"), new_key).unwrap();
    assert!(shows(server.address, dir.path()).await && !shows(server.address, old.path()).await);
    std::fs::remove_file(dir.path().join("key.pem")).unwrap();
    assert!(shows(server.address, dir.path()).await, "what was read stays");
}

#[tokio::test]
async fn bad_certificates_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let failure = async || http::bind(Config { tls: files(dir.path()), ..config() }).await.unwrap_err().to_string();
    let (certificate, key) = files(dir.path()).unwrap();
    assert!(failure().await.starts_with(&format!("use {}: ", certificate.display())), "{}", failure().await);
    std::fs::write(&certificate, "").unwrap();
    assert_eq!(failure().await, format!("use {}: it holds no certificate", certificate.display()));
    certify(dir.path());
    std::fs::write(&key, "nonsense").unwrap();
    assert!(failure().await.starts_with(&format!("use {}: ", key.display())), "{}", failure().await);
    let other = tempfile::tempdir().unwrap();
    certify(other.path());
    std::fs::copy(other.path().join("key.pem"), &key).unwrap();
    assert!(
        failure().await.starts_with(&format!("use {}: with the key {}: ", certificate.display(), key.display())),
        "{}",
        failure().await
    );
    std::fs::write(&certificate, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    assert!(failure().await.starts_with(&format!("use {}: ", certificate.display())), "{}", failure().await);
}

#[tokio::test]
async fn the_client_says_what_went_wrong() {
    let get = |address: &str, scheme, timeout| client::get(address.parse().unwrap(), scheme, "/-/healthy", None, timeout);
    let error = get("192.0.2.1:9", Scheme::Https, LONG).await.unwrap_err();
    assert_eq!(error.to_string(), "ask 192.0.2.1:9: https without a check of the certificate is for loopback addresses only");
    let (server, _asks) = start_asking(|_| {}).await;
    let address = server.address.to_string();
    let reply = get(&address, Scheme::Http, LONG).await.unwrap();
    assert_eq!((reply.status, reply.body.as_slice()), (200, b"healthy\n".as_slice()));
    let error = client::get(server.address, Scheme::Http, "/metrics", None, SHORT).await.unwrap_err();
    assert_eq!(error.to_string(), format!("ask {address}: no answer within 0.25 s"));
    let error = client::get(server.address, Scheme::Http, "not a path", None, LONG).await.unwrap_err();
    assert!(matches!(error, client::Error::Refused { .. }), "{error:?}");
    let error = client::get(server.address, Scheme::Http, "/", Some("line\nbreak"), LONG).await.unwrap_err();
    assert!(matches!(error, client::Error::Refused { .. }), "{error:?}");
    server.stop.send(()).unwrap();
    in_time(server.serving).await.unwrap();
    let error = get(&address, Scheme::Http, LONG).await.unwrap_err();
    assert!(matches!(error, client::Error::Connect { .. }), "{error:?}");
}

#[tokio::test]
async fn the_client_asks_with_the_token() {
    let server = start(|config| config.bearer_token = Some(Token::new("s3cret"))).await;
    for (token, status) in [(None, 401), (Some("wrong"), 401), (Some("s3cret"), 200)] {
        let reply = client::get(server.address, Scheme::Http, "/metrics", token, LONG).await.unwrap();
        assert_eq!(reply.status, status);
    }
}

/// The child of this test is the server: it has few file descriptors, and ends with its input.
#[test]
fn running_out_of_descriptors_ends_nothing() {
    const CHILD: &str = "HOSTWARDEN_TEST_DESCRIPTORS";
    const NAME: &str = "running_out_of_descriptors_ends_nothing";
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    if std::env::var_os(CHILD).is_some() {
        return runtime.block_on(async {
            let server = start(|config| config.max_connections = 1_000).await;
            let mut out = std::io::stdout();
            out.write_all(format!("\naddress {}\n", server.address).as_bytes()).unwrap();
            let (ended, end) = oneshot::channel();
            std::thread::spawn(move || ended.send(std::io::stdin().read_line(&mut String::new())));
            end.await.unwrap().unwrap();
            assert!(server.counts.accept_failures() > 0);
        });
    }
    let mut child = Command::new("sh")
        .args(["-c", "ulimit -n 40; exec \"$@\"", "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", NAME, "--nocapture"])
        .env(CHILD, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    let address = lines.find_map(|line| line.unwrap().strip_prefix("address ")?.parse().ok()).unwrap();
    runtime.block_on(async {
        let mut crowd = Vec::new();
        for _ in 0..60 {
            crowd.push(connect(address).await);
        }
        // The first ones are served while others cannot be let in.
        crowd[0].write_all(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        read_to(&mut crowd[0], "healthy\n").await;
        drop(crowd);
        assert_eq!(status(&in_time(ask(address, "GET", "/metrics", "")).await), 200);
    });
    child.stdin.take().unwrap().write_all(b"\n").unwrap();
    assert!(child.wait().unwrap().success());
}
