//! Web requests: customers, crawlers, a monitor, and the scanners that never sleep.

use std::io::Write;
use std::time::Duration;

use super::probes::{GARBAGE, PROBES, SCANNERS};
use super::random::{Random, identifier, mixed};
use super::stamps;
use crate::event::Timestamp;

/// Sites that the JSON log names; the last is no name of ours, as scanners who only know the address send it.
pub const SITES: [&str; 5] = ["shop.example.org", "cloud.example.org", "git.example.org", "photos.example.org", "_"];

/// Different customers, unless told otherwise.
const CUSTOMERS: u64 = 400;
/// Different scanners, unless told otherwise.
const ATTACKERS: u64 = 90;

/// Customers' pages: how often, method, target (`{}` is an identifier), bytes, milliseconds.
type Page = (&'static str, &'static str, u64, u64);

const PAGES: &[(u32, Page)] = &[
    (30, ("GET", "/", 14_200, 24)),
    (26, ("GET", "/assets/app.{}.js", 86_000, 3)),
    (22, ("GET", "/assets/style.{}.css", 22_000, 2)),
    (20, ("GET", "/images/{}.webp", 45_000, 4)),
    (14, ("GET", "/menu/{}", 9_800, 45)),
    (8, ("GET", "/t/{}", 4_100, 38)),
    (6, ("GET", "/pago/{}", 5_300, 90)),
    (5, ("POST", "/pago/{}", 310, 420)),
    (6, ("GET", "/search?q={}&page=2", 12_000, 140)),
    (6, ("POST", "/webhook", 120, 60)),
    (4, ("GET", "/reports/month?id={}", 61_000, 900)),
    (3, ("GET", "/api/orders/{}", 1_900, 35)),
    (2, ("PUT", "/api/orders/{}", 640, 70)),
    (2, ("PATCH", "/api/profile", 210, 48)),
    (1, ("DELETE", "/api/cart/{}", 0, 30)),
    (2, ("OPTIONS", "/api/orders", 0, 2)),
    (2, ("HEAD", "/", 0, 6)),
    (3, ("GET", "/favicon.ico", 15_086, 1)),
];

/// How customers' requests end.
const STATUSES: &[(u32, u16)] = &[(790, 200), (110, 304), (50, 302), (5, 101), (5, 201), (20, 404), (9, 499), (6, 500), (5, 502)];

const BROWSERS: &[&str] = &[
    "Mozilla/5.0 (iPhone; CPU iPhone OS 19_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.1 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Linux; Android 14; SM-A546B) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:144.0) Gecko/20100101 Firefox/144.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0 Safari/605.1.15",
    "WhatsApp/2.24.20.89 A",
];

const CRAWLERS: &[&str] = &[
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
];

const REFERERS: &[&str] = &["-", "-", "https://shop.example.org/", "https://www.google.com/", "https://l.instagram.com/"];

/// Country, a city in it, ISO 3166-1 code: where customers and scanners come from here.
const PLACES: &[(u32, (&str, &str, &str))] = &[
    (40, ("Spain", "Madrid", "ES")),
    (8, ("Germany", "Frankfurt am Main", "DE")),
    (10, ("United States", "Ashburn", "US")),
    (8, ("China", "Shenzhen", "CN")),
    (6, ("Netherlands", "Amsterdam", "NL")),
    (6, ("Singapore", "Singapore", "SG")),
    (5, ("Brazil", "São Paulo", "BR")),
    (4, ("Russia", "Moscow", "RU")),
    (3, ("India", "Mumbai", "IN")),
    (3, ("France", "Roubaix", "FR")),
];

/// One request, as it stands in the log.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// When it was answered.
    pub at: Timestamp,
    /// Which client, as a number; each has its own address.
    pub client: u64,
    /// Empty when the request text is no HTTP.
    pub method: &'static str,
    /// Path and query, or the whole request text when there is no method; escaped as nginx does.
    pub target: String,
    /// HTTP status.
    pub status: u16,
    /// Bytes sent.
    pub bytes: u64,
    /// Time taken in milliseconds.
    pub millis: u64,
    /// The host asked for.
    pub site: &'static str,
    /// The `Referer`.
    pub referer: &'static str,
    /// The `User-Agent`.
    pub agent: &'static str,
}

/// Makes requests up.
pub struct Web {
    seed: u64,
    random: Random,
    rate: f64,
    start: Timestamp,
    /// The time of the next request.
    due: Timestamp,
    /// How many clients take turns; `None`: a believable number that come back.
    distinct: Option<u64>,
    made: u64,
    request: Request,
}

impl Web {
    /// About `rate` requests per second from `start` on. With `distinct` clients, each request comes from the next of them.
    pub fn new(seed: u64, rate: f64, start: Timestamp, distinct: Option<u64>) -> Self {
        Self {
            seed,
            random: Random::new(seed),
            rate,
            start,
            due: start,
            distinct,
            made: 0,
            request: Request { target: String::with_capacity(256), ..Request::default() },
        }
    }

    /// When the next request is answered.
    pub fn due(&self) -> Timestamp {
        self.due
    }

    /// Leaves out what would have come before `now`.
    pub(super) fn skip_to(&mut self, now: Timestamp) {
        self.due = self.due.max(now);
    }

    /// Makes the request that is due.
    pub fn step(&mut self) -> &Request {
        let attack = self.is_wave();
        self.request.at = self.due;
        self.request.referer = "-";
        self.request.site = SITES[0];
        let kind = self.random.unit();
        match kind {
            _ if attack && self.random.chance(0.6) => self.probe(Some(self.slot(30))),
            ..0.76 => self.customer(),
            ..0.82 => self.crawler(),
            ..0.84 => self.monitor(),
            ..0.97 => self.probe(None),
            _ => self.garbage(),
        }
        if let Some(distinct) = self.distinct {
            self.request.client = self.made % distinct.max(1);
        }
        self.made += 1;
        let gap = self.random.exponential(1.0 / (self.rate * self.pace()));
        self.due = self.due.plus(Duration::from_secs_f64(gap.min(3_600.0)));
        &self.request
    }

    /// The current period of `secs`, counted from the start.
    fn slot(&self, secs: u64) -> u64 {
        self.due.since(self.start).as_secs() / secs
    }

    /// Something that holds in one of `one_in` periods of `secs`, differently for each `salt`.
    fn now_and_then(&self, secs: u64, one_in: u64, salt: u64) -> bool {
        mixed(self.seed ^ mixed(self.slot(secs) ^ salt << 32)).is_multiple_of(one_in)
    }

    /// A wave of attacks: the second half minute always (a demo is watched from its start), then every few minutes.
    fn is_wave(&self) -> bool {
        self.slot(30) == 1 || self.now_and_then(30, 7, 1)
    }

    /// How much busier than the mean: nights are quiet, evenings are not, bursts come at any time, waves come on top.
    fn pace(&self) -> f64 {
        let hours = self.due.secs().rem_euclid(86_400) as f64 / 3_600.0;
        let day = 1.0 + 0.6 * ((hours - 13.0) / 24.0 * std::f64::consts::TAU).cos();
        let burst = if self.now_and_then(5, 9, 2) { 2.5 } else { 0.85 };
        let wave = if self.is_wave() { 2.0 } else { 0.9 };
        day * burst * wave
    }

    fn target(&mut self, template: &str) {
        self.request.target.clear();
        let (front, back) = template.split_once("{}").unwrap_or((template, ""));
        self.request.target.push_str(front);
        if front.len() < template.len() {
            let n = self.random.any();
            identifier(n, 8, &mut self.request.target);
            self.request.target.push_str(back);
        }
    }

    fn customer(&mut self) {
        let (method, template, bytes, millis) = self.random.weighted(PAGES);
        self.target(template);
        // Some come often, most seldom: the square of an even chance.
        let customer = (self.random.unit().powi(2) * CUSTOMERS as f64) as u64;
        let slow = if self.now_and_then(30, 6, 3) { 8.0 } else { 1.0 };
        let request = &mut self.request;
        request.client = customer;
        request.method = method;
        request.agent = BROWSERS[(mixed(customer) % BROWSERS.len() as u64) as usize];
        request.millis = (self.random.skewed(millis as f64) * slow).min(60_000.0) as u64;
        request.bytes = self.random.skewed(bytes as f64) as u64;
        request.referer = self.random.pick(REFERERS);
        request.site = SITES[self.random.below(4) as usize];
        request.status = if request.millis > 30_000 { 504 } else { self.random.weighted(STATUSES) };
        if matches!(request.status, 304 | 101 | 499) {
            request.bytes = 0;
        }
    }

    fn crawler(&mut self) {
        let which = self.random.below(CRAWLERS.len() as u64);
        let target = self.random.pick(&["/robots.txt", "/sitemap.xml", "/", "/menu/{}"]);
        self.target(target);
        self.request.client = 5_000 + which;
        self.request.method = "GET";
        self.request.agent = CRAWLERS[which as usize];
        self.request.status = if self.random.chance(0.9) { 200 } else { 301 };
        self.request.bytes = self.random.skewed(6_000.0) as u64;
        self.request.millis = self.random.skewed(20.0) as u64;
    }

    fn monitor(&mut self) {
        self.target("/healthz");
        self.request.client = 6_000;
        self.request.method = "HEAD";
        self.request.agent = "Uptime-Monitor/1.0";
        self.request.status = 200;
        self.request.bytes = 0;
        self.request.millis = 1;
    }

    /// Of anyone, or of the one behind the wave `wave`.
    fn probe(&mut self, wave: Option<u64>) {
        let scanner = wave.map_or_else(|| self.random.below(ATTACKERS), |wave| ATTACKERS + wave % 50);
        let (method, target, status) = self.random.weighted(PROBES);
        self.target(target);
        self.request.client = 10_000 + scanner;
        self.request.method = method;
        self.request.agent = SCANNERS[(mixed(scanner) % SCANNERS.len() as u64) as usize];
        self.request.status = status;
        self.request.bytes = if status == 404 { 153 } else { 555 };
        self.request.millis = self.random.below(4);
        self.request.site = self.random.pick(&SITES);
    }

    fn garbage(&mut self) {
        let scanner = self.random.below(ATTACKERS);
        let text = self.random.weighted(GARBAGE);
        self.target(text);
        self.request.client = 10_000 + scanner;
        self.request.method = "";
        self.request.agent = "-";
        self.request.status = 400;
        self.request.bytes = if text.is_empty() { 0 } else { 157 };
        self.request.millis = self.random.below(300);
        self.request.site = SITES[SITES.len() - 1];
    }
}

impl Request {
    /// Whether the request text was HTTP.
    pub fn is_http(&self) -> bool {
        !self.method.is_empty()
    }

    /// A line of nginx's combined format with `$request_time`.
    pub fn write_combined(&self, out: &mut Vec<u8>) {
        write_address(out, self.client);
        out.extend_from_slice(b" - - [");
        stamps::write_nginx(out, self.at);
        out.extend_from_slice(b"] \"");
        self.write_request(out);
        // Writing to memory does not fail.
        let Self { status, bytes, millis, referer, agent, .. } = self;
        writeln!(out, "\" {status} {bytes} \"{referer}\" \"{agent}\" {}.{:03}", millis / 1_000, millis % 1_000).unwrap_or_default();
    }

    fn write_request(&self, out: &mut Vec<u8>) {
        if self.is_http() {
            write!(out, "{} {} HTTP/1.1", self.method, self.target).unwrap_or_default();
        } else {
            out.extend_from_slice(self.target.as_bytes());
        }
    }

    /// A line of nginx's log as JSON (`escape=json`), with SWAG's fields, the bytes sent and the request text.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        let (country, city, code) = place(self.client);
        out.extend_from_slice(b"{\"ip\":\"");
        write_address(out, self.client);
        let (method, uri) = if self.is_http() { (self.method, self.target.as_str()) } else { ("", "") };
        let Self { status, site, agent, bytes, millis, .. } = self;
        write!(out, "\",\"method\":\"{method}\",\"uri\":\"{uri}\",\"status\":{status},\"host\":\"{site}\",\"ua\":\"{agent}\",")
            .unwrap_or_default();
        write!(out, "\"country\":\"{country}\",\"city\":\"{city}\",\"country_code\":\"{code}\",\"time\":\"").unwrap_or_default();
        stamps::write_nginx(out, self.at);
        write!(out, "\",\"req_time\":\"{}.{:03}\",\"bytes_sent\":{bytes},\"request\":\"", millis / 1_000, millis % 1_000)
            .unwrap_or_default();
        let start = out.len();
        self.write_request(out);
        escape_for_json(out, start);
        out.extend_from_slice(b"\"}\n");
    }
}

/// Request texts hold nginx's own `\xHH` for bytes that `escape=json` writes as `\u00HH` (control bytes) or raw: rewritten from `start`.
fn escape_for_json(out: &mut Vec<u8>, start: usize) {
    if !out[start..].contains(&b'\\') {
        return;
    }
    let text = out.split_off(start);
    let mut rest = text.as_slice();
    while let Some((&first, after)) = rest.split_first() {
        let digits = after.get(1..3).and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits.filter(|_| first == b'\\').and_then(|digits| u8::from_str_radix(digits, 16).ok());
        rest = match byte {
            Some(byte @ (..0x20 | b'"' | b'\\')) => {
                write!(out, "\\u{byte:04X}").unwrap_or_default();
                &after[3..]
            }
            Some(byte) => {
                out.push(byte);
                &after[3..]
            }
            None => {
                out.push(first);
                after
            }
        };
    }
}

/// Client number `client` as an address: no two alike. Three in four are IPv4, spread over ranges that are neither private nor reserved.
fn write_address(out: &mut Vec<u8>, client: u64) {
    // Odd multipliers turn 24 bits round without meeting twice.
    let n = client.wrapping_mul(0x9e_3779) & 0xff_ffff;
    let (b, c, d) = (n >> 16 & 0xff, n >> 8 & 0xff, n & 0xff);
    if client % 4 == 3 {
        write!(out, "2a02:{:x}:{:x}:{:x}::{:x}", client >> 24 & 0xffff, b << 4 | 1, c + 1, d + 1).unwrap_or_default();
    } else {
        let first = [23, 45, 62, 77, 80, 91, 138, 159, 176, 185, 190, 212][(client >> 24) as usize % 12];
        write!(out, "{first}.{b}.{c}.{d}").unwrap_or_default();
    }
}

/// Where a client is.
fn place(client: u64) -> (&'static str, &'static str, &'static str) {
    // Customers are at home, the others anywhere.
    if client < CUSTOMERS && !client.is_multiple_of(8) { PLACES[0].1 } else { Random::new(client).weighted(PLACES) }
}
