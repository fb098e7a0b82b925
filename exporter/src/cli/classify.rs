//! `classify`: what kind of attack each request is, requests as JSON lines on stdin.

use std::io::{BufRead, BufReader, Read, Write};

use serde_json::{Map, Value, json};

use super::Failure;
use crate::classify::Classifier;
use crate::event::HttpRequest;

/// What is longer is read over, in bytes.
const MAX_LINE_BYTES: usize = 1024 * 1024;

/// The keys of texts.
const TEXTS: [&str; 8] = ["method", "uri", "host", "referer", "ref", "user_agent", "ua", "body"];

pub(super) fn run() -> Result<(), Failure> {
    answer(std::io::stdin().lock(), &mut std::io::BufWriter::new(std::io::stdout().lock()))?;
    Ok(())
}

/// One answer a line, in order; written out whenever no further line is waiting.
fn answer<R: Read>(input: R, out: &mut impl Write) -> anyhow::Result<()> {
    let mut input = BufReader::new(input);
    let mut classifier = Classifier::new();
    let mut line = Vec::new();
    for number in 1_u64.. {
        let Some(is_whole) = read_line(&mut input, &mut line)? else { break };
        if !is_whole || !line.trim_ascii().is_empty() {
            let too_long = || json!({ "class": null, "error": format!("line {number} is longer than 1 MiB") });
            let answer = if is_whole { one(&mut classifier, &line) } else { too_long() };
            serde_json::to_writer(&mut *out, &answer)?;
            out.write_all(b"\n")?;
        }
        if memchr::memchr(b'\n', input.buffer()).is_none() {
            out.flush()?;
        }
    }
    Ok(out.flush()?)
}

/// Reads the next line and gives whether it is all there: of one that is too long, only the beginning is kept. Nothing at the end.
fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> std::io::Result<Option<bool>> {
    line.clear();
    // One more for the line feed.
    if input.by_ref().take(MAX_LINE_BYTES as u64 + 1).read_until(b'\n', line)? == 0 {
        return Ok(None);
    }
    let is_whole = line.len() <= MAX_LINE_BYTES || line.ends_with(b"\n");
    if !is_whole {
        input.skip_until(b'\n')?;
    }
    Ok(Some(is_whole))
}

fn one(classifier: &mut Classifier, line: &[u8]) -> Value {
    let fields: Map<String, Value> = match serde_json::from_slice(line) {
        Ok(fields) => fields,
        Err(error) => return json!({ "class": null, "error": format!("no JSON object: {error}") }),
    };
    if let Some(error) = wrong(&fields) {
        return json!({ "class": null, "error": error });
    }
    let text = |names: &[&str]| {
        names.iter().find_map(|name| fields.get(*name)?.as_str()).filter(|text| *text != "-").unwrap_or_default().as_bytes()
    };
    let request = HttpRequest {
        method: text(&["method"]),
        target: text(&["uri"]),
        status: fields.get("status").and_then(status_of).unwrap_or_default(),
        host: text(&["host"]),
        referer: text(&["referer", "ref"]),
        user_agent: text(&["user_agent", "ua"]),
        ..HttpRequest::default()
    };
    let body = text(&["body"]);
    let attack = if body.is_empty() { classifier.classify(&request) } else { classifier.classify_with_body(&request, body) };
    match attack {
        Some(attack) => json!({ "class": attack.class.as_str(), "why": attack.why, "meaning": attack.meaning }),
        None => json!({ "class": null, "why": "", "meaning": "" }),
    }
}

/// What makes an object no request. Keys that are not known are none of ours.
fn wrong(fields: &Map<String, Value>) -> Option<String> {
    if !fields.contains_key("uri") {
        return Some("no uri, the path and query as a log has them".to_owned());
    }
    let no_text = TEXTS.iter().find(|name| fields.get(**name).is_some_and(|value| !value.is_string() && !value.is_null()));
    let no_status = || fields.get("status").is_some_and(|status| !status.is_null() && status_of(status).is_none());
    no_text.map(|name| format!("{name} is no text")).or_else(|| no_status().then(|| "status is no number of three digits".to_owned()))
}

fn status_of(status: &Value) -> Option<u16> {
    let number = status.as_u64().or_else(|| status.as_str()?.parse().ok())?;
    u16::try_from(number).ok().filter(|status| *status < 1_000)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::MAX_LINE_BYTES;

    fn answers(input: impl Read) -> Vec<serde_json::Value> {
        let mut out = Vec::new();
        super::answer(input, &mut out).unwrap();
        out.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(|line| serde_json::from_slice(line).unwrap()).collect()
    }

    #[test]
    fn each_line_is_answered_in_order() {
        let input = concat!(
            r#"{"method":"GET","uri":"/.env","status":404,"ua":"-","extra":[1]}"#,
            "\nnot json\n[1]\n",
            r#"{"method":"GET","uri":"/","status":null,"user_agent":"Mozilla/5.0"}"#,
            "\n",
            r#"{"method":"POST","uri":"/form","status":200,"body":"name=<script>alert(1)</script>"}"#,
        );
        let lines = answers(input.as_bytes());
        assert_eq!(lines.len(), 5);
        assert_eq!(lines[0]["class"], "config_probe");
        assert!(lines[1]["class"].is_null() && lines[1]["error"].is_string() && lines[2]["error"].is_string());
        assert!(lines[3]["class"].is_null() && lines[3].get("error").is_none());
        assert_eq!(lines[4]["class"], "xss");
    }

    #[test]
    fn what_is_no_request_is_no_harmless_one() {
        let input = r#"{"path":"/.env"}
            {"uri":5}
            {"uri":"/","method":["GET"]}
            {"uri":"/","status":"often"}
            {"uri":"/","status":40400}
            {"uri":null}
            {"uri":"/.env","status":"404","method":null}"#;
        let answers = answers(input.as_bytes());
        let errors: Vec<_> = answers.iter().map(|answer| answer["error"].as_str()).collect();
        let status = Some("status is no number of three digits");
        let no_uri = Some("no uri, the path and query as a log has them");
        assert_eq!(errors, [no_uri, Some("uri is no text"), Some("method is no text"), status, status, None, None]);
        assert_eq!(answers[6]["class"], "config_probe");
    }

    #[test]
    fn a_line_that_is_too_long_is_named_and_not_kept() {
        let long = |bytes: usize| format!(r#"{{"uri":"/.env","pad":"{}"}}"#, "x".repeat(bytes - r#"{"uri":"/.env","pad":""}"#.len()));
        let (longest, longer) = (long(MAX_LINE_BYTES), long(MAX_LINE_BYTES + 1));
        let answers = answers(format!("\n{longest}\n{longer}\n{longest}\n{longer}").as_bytes());
        let errors: Vec<_> = answers.iter().map(|answer| answer["error"].as_str()).collect();
        assert_eq!(errors, [None, Some("line 3 is longer than 1 MiB"), None, Some("line 5 is longer than 1 MiB")]);
        assert_eq!(answers[2]["class"], "config_probe");

        let mut line = Vec::new();
        let mut endless = std::io::BufReader::new(std::io::repeat(b'x').take(100 << 20));
        assert_eq!(super::read_line(&mut endless, &mut line).unwrap(), Some(false));
        assert_eq!(super::read_line(&mut endless, &mut line).unwrap(), None);
        assert!(line.capacity() <= 4 * MAX_LINE_BYTES, "{}", line.capacity());
    }
}
