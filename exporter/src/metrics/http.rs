//! Requests: how many, how big, how slow, by site; attacks by class, and what they cost.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::histogram::{Histogram, REQUEST_EDGES};
use super::hour_window::{HourWindow, QUANTILES};
use super::names::*;
use super::page::Page;
use crate::event::{AttackClass, HttpRequest, Timestamp};

/// Methods told apart; the last stands for all others and for requests without one.
const METHODS: [&str; 10] = ["GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "CONNECT", "TRACE", OTHER];
/// Status classes; the last stands for all others, 1xx included.
const CODES: [&str; 5] = ["2xx", "3xx", "4xx", "5xx", OTHER];
const OTHER: &str = "other";
/// Whose requests are told apart in durations: people's, and those of attackers.
const TRAFFIC: [&str; 2] = ["user", "attack"];

/// Series that one site of one source has on the page: requests, bytes, attacks, and the histograms' buckets, sums and counts.
pub const SERIES_PER_SITE: usize =
    METHODS.len() * CODES.len() + CODES.len() + 1 + AttackClass::ALL.len() + TRAFFIC.len() * (REQUEST_EDGES.len() + 1 + 2);

/// What a request was taken for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Judgement {
    /// Its class, if it is an attack.
    pub class: Option<AttackClass>,
    /// Whether it is an attacker's and no visitor's: its class is strong, or it comes from a suspicious client.
    pub is_attackers: bool,
}

/// Counters of one source of requests.
pub struct Http {
    /// Known host names in lower case; the counters have one more entry, for all others.
    names: Arc<[String]>,
    sites: Vec<Site>,
    /// The site of the request before: hosts come in runs.
    last_site: usize,
    window: HourWindow,
    attack_bytes: u64,
    overflows: u64,
}

#[derive(Clone)]
struct Site {
    requests: [[u64; CODES.len()]; METHODS.len()],
    attacks: [u64; AttackClass::ALL.len()],
    /// Of visitors, by status class.
    user_requests: [u64; CODES.len()],
    response_bytes: u64,
    /// By [`TRAFFIC`].
    durations: [Histogram; TRAFFIC.len()],
}

impl Http {
    /// Nothing counted yet. `sites` are host names in lower case.
    pub fn new(sites: Arc<[String]>) -> Self {
        let duration = || Histogram::new(REQUEST_EDGES);
        let empty = Site {
            requests: Default::default(),
            attacks: Default::default(),
            user_requests: Default::default(),
            response_bytes: 0,
            durations: [duration(), duration()],
        };
        Self {
            sites: vec![empty; sites.len() + 1],
            last_site: sites.len(),
            names: sites,
            window: HourWindow::default(),
            attack_bytes: 0,
            overflows: 0,
        }
    }

    /// Counts a request. The window of the last hour is about visitors only.
    pub fn observe(&mut self, at: Timestamp, request: &HttpRequest<'_>, judgement: Judgement) {
        let method = self.method(request.method);
        let site = self.site(request.host);
        let site = &mut self.sites[site];
        let code = code(request.status);
        site.requests[method][code] += 1;
        site.user_requests[code] += u64::from(!judgement.is_attackers);
        site.response_bytes = site.response_bytes.saturating_add(request.bytes);
        if let Some(class) = judgement.class {
            site.attacks[class as usize] += 1;
        }
        if judgement.is_attackers {
            self.attack_bytes = self.attack_bytes.saturating_add(request.bytes);
        }
        if let Some(micros) = request.duration_micros {
            site.durations[usize::from(judgement.is_attackers)].observe(micros);
            if !judgement.is_attackers {
                self.window.observe(at, micros);
            }
        }
    }

    /// The name of a request's site, as in labels.
    pub fn site_name(&mut self, host: &[u8]) -> &str {
        let (site, overflows) = (self.site(host), self.overflows);
        self.overflows = overflows;
        self.names.get(site).map_or(OTHER, String::as_str)
    }

    /// All attacks by class, in the order of priority: for a summary.
    pub fn by_class(&self) -> [(&'static str, u64); AttackClass::ALL.len()] {
        let mut sums = AttackClass::ALL.map(|class| (class.as_str(), 0));
        for counts in self.sites.iter().map(|site| site.attacks) {
            sums.iter_mut().zip(counts).for_each(|((_, sum), count)| *sum += count);
        }
        sums
    }

    /// All attacks by site, `other` last, each by class.
    pub fn attacks(&self) -> impl Iterator<Item = (&str, [u64; AttackClass::ALL.len()])> {
        self.names.iter().map(String::as_str).chain([OTHER]).zip(self.sites.iter().map(|site| site.attacks))
    }

    fn method(&mut self, method: &[u8]) -> usize {
        let other = METHODS.len() - 1;
        let known = match method {
            b"GET" => 0,
            b"POST" => 1,
            _ => METHODS[..other].iter().position(|known| known.as_bytes() == method).unwrap_or(other),
        };
        self.overflows += u64::from(known == other && !method.is_empty());
        known
    }

    fn site(&mut self, host: &[u8]) -> usize {
        let other = self.names.len();
        if other == 0 || host.is_empty() {
            return other;
        }
        let host = without_port(host);
        if !self.names.get(self.last_site).is_some_and(|name| name.as_bytes().eq_ignore_ascii_case(host)) {
            self.last_site = self.names.iter().position(|name| name.as_bytes().eq_ignore_ascii_case(host)).unwrap_or(other);
        }
        self.overflows += u64::from(self.last_site == other);
        self.last_site
    }

    /// Label values that were counted as `other` although there was one.
    pub fn overflows(&self) -> u64 {
        self.overflows
    }

    /// All requests by status class, `other` last: for a summary.
    pub fn by_code(&self) -> [(&'static str, u64); CODES.len()] {
        let mut sums = CODES.map(|name| (name, 0));
        for counts in self.sites.iter().flat_map(|site| site.requests) {
            sums.iter_mut().zip(counts).for_each(|((_, sum), count)| *sum += count);
        }
        sums
    }

    /// All requests by method, `other` last: for a summary.
    pub fn by_method(&self) -> [(&'static str, u64); METHODS.len()] {
        let mut sums = METHODS.map(|name| (name, 0));
        for site in &self.sites {
            sums.iter_mut().zip(&site.requests).for_each(|((_, sum), counts)| *sum += counts.iter().sum::<u64>());
        }
        sums
    }

    /// Bytes sent in all.
    pub fn response_bytes(&self) -> u64 {
        self.sites.iter().map(|site| site.response_bytes).sum()
    }

    /// Quantiles of the hour before `now`, in seconds.
    pub fn quantiles(&self, now: Timestamp) -> Option<[f64; 3]> {
        self.window.quantiles(now)
    }

    /// Writes this source's rows.
    pub fn show(&self, source: &str, now: Timestamp, page: &mut Page) {
        let names = self.names.iter().map(String::as_str).chain([OTHER]);
        for (name, site) in names.zip(&self.sites) {
            for (method, counts) in METHODS.iter().zip(&site.requests) {
                for (code, count) in CODES.iter().zip(counts) {
                    page.counter(&HTTP_REQUESTS, &[source, name, method, code], *count);
                }
            }
            page.counter(&HTTP_RESPONSE_BYTES, &[source, name], site.response_bytes);
            for (code, count) in CODES.iter().zip(site.user_requests) {
                page.counter(&HTTP_USER_REQUESTS, &[source, name, code], count);
            }
            for (class, count) in AttackClass::ALL.iter().zip(site.attacks) {
                page.counter(&HTTP_ATTACKS, &[source, name, class.as_str()], count);
            }
            for (traffic, duration) in TRAFFIC.iter().zip(&site.durations) {
                page.histogram(&HTTP_REQUEST_DURATION, &[source, name, traffic], duration);
            }
        }
        page.counter(&HTTP_ATTACK_BYTES, &[source], self.attack_bytes);
        for (seconds, (_, quantile)) in self.quantiles(now).into_iter().flatten().zip(QUANTILES) {
            page.gauge(&HTTP_REQUEST_WINDOW, &[source, quantile], seconds);
        }
    }

    /// For [`Http::load`]: the counters, by name so that a change of the lists moves none. The window is saved apart.
    pub fn save(&self) -> Value {
        let names = self.names.iter().map(String::as_str).chain([OTHER]);
        let sites: Map<String, Value> = names.zip(&self.sites).map(|(name, site)| (name.to_owned(), site.save())).collect();
        json!({ "sites": sites, "attack_bytes": self.attack_bytes, "overflows": self.overflows })
    }

    /// Takes up what [`Http::save`] gave. Sites that are no longer known are left out.
    pub fn load(&mut self, saved: &Value) {
        let names = self.names.iter().map(String::as_str).chain([OTHER]);
        for (name, site) in names.zip(&mut self.sites) {
            site.load(&saved["sites"][name]);
        }
        self.attack_bytes = saved["attack_bytes"].as_u64().unwrap_or(0);
        self.overflows = saved["overflows"].as_u64().unwrap_or(0);
    }

    /// The last hour's durations.
    pub fn window(&mut self) -> &mut HourWindow {
        &mut self.window
    }
}

impl Site {
    fn save(&self) -> Value {
        let mut requests = Map::new();
        for (method, counts) in METHODS.iter().zip(&self.requests) {
            for (code, &count) in CODES.iter().zip(counts).filter(|(_, count)| **count > 0) {
                requests.insert(format!("{method} {code}"), count.into());
            }
        }
        let attacks = AttackClass::ALL.iter().zip(self.attacks).filter(|(_, count)| *count > 0);
        let attacks: Map<String, Value> = attacks.map(|(class, count)| (class.as_str().to_owned(), count.into())).collect();
        let [user, attack] = &self.durations;
        json!({
            "requests": requests, "response_bytes": self.response_bytes, "attacks": attacks, "user_requests": self.user_requests,
            "duration": user.save(), "attack_duration": attack.save(),
        })
    }

    fn load(&mut self, saved: &Value) {
        for (method, counts) in METHODS.iter().zip(&mut self.requests) {
            for (code, count) in CODES.iter().zip(counts) {
                *count = saved["requests"][format!("{method} {code}")].as_u64().unwrap_or(0);
            }
        }
        self.response_bytes = saved["response_bytes"].as_u64().unwrap_or(0);
        for (class, count) in AttackClass::ALL.iter().zip(&mut self.attacks) {
            *count = saved["attacks"][class.as_str()].as_u64().unwrap_or(0);
        }
        for (place, count) in self.user_requests.iter_mut().enumerate() {
            *count = saved["user_requests"][place].as_u64().unwrap_or(0);
        }
        let [user, attack] = &mut self.durations;
        user.load(&saved["duration"]);
        attack.load(&saved["attack_duration"]);
    }
}

fn code(status: u16) -> usize {
    match status / 100 {
        class @ 2..=5 => usize::from(class) - 2,
        _ => CODES.len() - 1,
    }
}

/// `www.example.org:8443` without its port; an IPv6 literal keeps its brackets.
fn without_port(host: &[u8]) -> &[u8] {
    match memchr::memrchr(b':', host) {
        Some(colon) if host[colon + 1..].iter().all(u8::is_ascii_digit) && !host[..colon].contains(&b':') => &host[..colon],
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::super::page::Exposition;
    use super::*;

    fn request<'a>(host: &'a str, method: &'a str, status: u16) -> HttpRequest<'a> {
        HttpRequest {
            host: host.as_bytes(),
            method: method.as_bytes(),
            status,
            bytes: 10,
            duration_micros: Some(7_000),
            ..HttpRequest::default()
        }
    }

    fn counted() -> Http {
        let mut http = Http::new(["shop.example".to_owned(), "blog.example".to_owned()].into());
        let at = Timestamp::from_secs(1_775_253_600);
        for (host, method, status) in [
            ("shop.example", "GET", 200),
            ("SHOP.example:8443", "POST", 201),
            ("evil", "BREW", 418),
            ("", "", 400),
            ("blog.example", "GET", 100),
        ] {
            let class = (status == 418).then_some(AttackClass::ConfigProbe);
            http.observe(at, &request(host, method, status), Judgement { class, is_attackers: class.is_some() });
        }
        http
    }

    #[test]
    fn requests_go_to_their_site_method_and_class() {
        let mut page = Page::default();
        counted().show("web", Timestamp::from_secs(1_775_253_601), &mut page);
        let text = page.render(Exposition::Text);
        for row in [
            r#"hostwarden_http_requests_total{source="web",site="shop.example",method="GET",code="2xx"} 1"#,
            r#"hostwarden_http_requests_total{source="web",site="shop.example",method="POST",code="2xx"} 1"#,
            r#"hostwarden_http_requests_total{source="web",site="other",method="other",code="4xx"} 2"#,
            r#"hostwarden_http_requests_total{source="web",site="blog.example",method="GET",code="other"} 1"#,
            r#"hostwarden_http_requests_total{source="web",site="blog.example",method="TRACE",code="5xx"} 0"#,
            r#"hostwarden_http_response_bytes_total{source="web",site="shop.example"} 20"#,
            r#"hostwarden_http_request_duration_seconds_bucket{le="0.01",source="web",site="shop.example",traffic="user"} 2"#,
            r#"hostwarden_http_request_duration_seconds_sum{source="web",site="other",traffic="user"} 0.007"#,
            r#"hostwarden_http_request_duration_seconds_count{source="web",site="other",traffic="attack"} 1"#,
            r#"hostwarden_http_attacks_total{source="web",site="other",class="config_probe"} 1"#,
            r#"hostwarden_http_attacks_total{source="web",site="other",class="xss"} 0"#,
            r#"hostwarden_http_attack_bytes_total{source="web"} 10"#,
        ] {
            assert!(text.lines().any(|line| line == row), "{row}\n{text}");
        }
        assert_eq!(counted().overflows(), 2, "one host and one method");
    }

    #[test]
    fn a_site_has_as_many_series_as_is_said() {
        let mut page = Page::default();
        Http::new(Arc::from([])).show("web", Timestamp::default(), &mut page);
        assert_eq!(page.series(), SERIES_PER_SITE as u64 + 1, "and the source's attack bytes");
    }

    #[test]
    fn saved_is_loaded() {
        let http = counted();
        let mut again = Http::new(Arc::clone(&http.names));
        again.load(&http.save());
        assert_eq!(again.save(), http.save());
        again.load(&Value::Null);
        assert_eq!(again.by_code().iter().map(|(_, count)| count).sum::<u64>(), 0);
    }
}
