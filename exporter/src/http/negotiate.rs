//! Which text format a scraper wants, by its `Accept` header (RFC 9110, 12.5.1).

use crate::metrics::Exposition;

/// OpenMetrics to who names it and likes it no less than text; text to everybody else, also to who accepts neither.
/// Protobuf and other formats, which Prometheus may offer first, are passed over.
pub(super) fn exposition<'a>(accept: impl Iterator<Item = &'a str>) -> Exposition {
    let mut openmetrics = 0;
    // For text the most exact range counts: `text/plain`, then `text/*`, then `*/*`.
    let mut text = [None; 3];
    for range in accept.flat_map(|header| header.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default().to_ascii_lowercase();
        let parameters: Vec<(&str, &str)> = parts.filter_map(|part| part.split_once('=')).map(|(k, v)| (k.trim(), v.trim())).collect();
        let find = |name: &str| parameters.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim_matches('"'));
        let quality = find("q").map_or(1000, thousandths);
        match media.as_str() {
            "application/openmetrics-text" if matches!(find("version"), None | Some("1.0.0" | "0.0.1")) => {
                openmetrics = openmetrics.max(quality);
            }
            "text/plain" => text[0] = text[0].max(Some(quality)),
            "text/*" => text[1] = text[1].max(Some(quality)),
            "*/*" => text[2] = text[2].max(Some(quality)),
            _ => {}
        }
    }
    let text = text.into_iter().flatten().next().unwrap_or(0);
    if openmetrics > 0 && openmetrics >= text { Exposition::OpenMetrics } else { Exposition::Text }
}

/// `0.5` as 500; 0 for what is no weight, so that nonsense never wins.
fn thousandths(weight: &str) -> u32 {
    match weight.parse::<f32>() {
        Ok(weight) if (0.0..=1.0).contains(&weight) => (weight * 1000.0).round() as u32,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Exposition::{OpenMetrics, Text};

    #[test]
    fn everybody_gets_what_they_like_best() {
        for (accept, expected) in [
            ("", Text),
            ("*/*", Text),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Text),
            // Prometheus 2.5 to 2.42.
            ("application/openmetrics-text; version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", OpenMetrics),
            (
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                OpenMetrics,
            ),
            // With native histograms.
            (
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited,application/openmetrics-text;version=1.0.0;q=0.8,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                OpenMetrics,
            ),
            // Prometheus 3.
            (
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
                OpenMetrics,
            ),
            // Prometheus 3 told to scrape text only.
            ("text/plain;version=0.0.4;q=0.4,*/*;q=0.1", Text),
            ("text/plain;version=0.0.4,application/openmetrics-text;version=1.0.0;q=0.5", Text),
            ("application/openmetrics-text", OpenMetrics),
            ("APPLICATION/OpenMetrics-Text ; Version=\"1.0.0\" ; Q=0.2 , text/plain ; q=0.1", OpenMetrics),
            ("application/openmetrics-text;version=2.0.0,text/plain;q=0.1", Text),
            ("application/openmetrics-text;q=0,text/plain;q=0", Text),
            ("application/openmetrics-text;q=0.5,text/*;q=0.7", Text),
            ("application/openmetrics-text;q=0.5,text/plain;q=0.4,*/*", OpenMetrics),
            ("application/*", Text),
            ("application/openmetrics-text;q=nan", Text),
            ("application/openmetrics-text;q=7,text/plain;q=0.1", Text),
            (";;;,=,q=,\u{fffd}", Text),
        ] {
            assert_eq!(exposition([accept].into_iter()), expected, "{accept}");
        }
        assert_eq!(exposition(["text/plain;q=0.5", "application/openmetrics-text"].into_iter()), OpenMetrics);
        assert_eq!(exposition([].into_iter()), Text);
    }
}
