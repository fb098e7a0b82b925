//! `classify`: what kind of attack each request is, requests as JSON lines on stdin.

use std::io::{BufRead, Write};

use serde_json::{Map, Value, json};

use super::Failure;
use crate::classify::Classifier;
use crate::event::HttpRequest;

/// Longer lines are not read as JSON, in bytes.
const MAX_LINE_BYTES: usize = 1024 * 1024;

pub(super) fn run() -> Result<(), Failure> {
    answer(std::io::stdin().lock(), &mut std::io::BufWriter::new(std::io::stdout().lock()))?;
    Ok(())
}

/// One answer a line, in order; written out whenever no further line is waiting.
fn answer<R: std::io::Read>(input: R, out: &mut impl Write) -> anyhow::Result<()> {
    let mut input = std::io::BufReader::new(input);
    let mut classifier = Classifier::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        if input.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        if !line.trim_ascii().is_empty() {
            serde_json::to_writer(&mut *out, &one(&mut classifier, &line))?;
            out.write_all(b"\n")?;
        }
        if memchr::memchr(b'\n', input.buffer()).is_none() {
            out.flush()?;
        }
    }
    Ok(out.flush()?)
}

fn one(classifier: &mut Classifier, line: &[u8]) -> Value {
    if line.len() > MAX_LINE_BYTES {
        return json!({ "class": null, "error": "the line is longer than 1 MiB" });
    }
    let fields: Map<String, Value> = match serde_json::from_slice(line) {
        Ok(fields) => fields,
        Err(error) => return json!({ "class": null, "error": format!("no JSON object: {error}") }),
    };
    let text = |names: &[&str]| {
        names.iter().find_map(|name| fields.get(*name)?.as_str()).filter(|text| *text != "-").unwrap_or_default().as_bytes()
    };
    let request = HttpRequest {
        method: text(&["method"]),
        target: text(&["uri"]),
        status: fields.get("status").and_then(Value::as_u64).and_then(|status| u16::try_from(status).ok()).unwrap_or_default(),
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

#[cfg(test)]
mod tests {
    #[test]
    fn each_line_is_answered_in_order() {
        let input = concat!(
            r#"{"method":"GET","uri":"/.env","status":404,"ua":"-","extra":[1]}"#,
            "\nnot json\n[1]\n",
            r#"{"method":"GET","uri":"/","status":null,"user_agent":"Mozilla/5.0"}"#,
            "\n",
            r#"{"method":"POST","uri":"/form","status":200,"body":"name=<script>alert(1)</script>"}"#,
        );
        let mut out = Vec::new();
        super::answer(input.as_bytes(), &mut out).unwrap();
        let lines: Vec<serde_json::Value> =
            out.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(|line| serde_json::from_slice(line).unwrap()).collect();
        assert_eq!(lines.len(), 5);
        assert_eq!(lines[0]["class"], "config_probe");
        assert!(lines[1]["class"].is_null() && lines[1]["error"].is_string() && lines[2]["error"].is_string());
        assert!(lines[3]["class"].is_null() && lines[3].get("error").is_none());
        assert_eq!(lines[4]["class"], "xss");
    }
}
