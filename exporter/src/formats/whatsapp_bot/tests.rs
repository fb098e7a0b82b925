use super::*;
use crate::event::{BotError, ErrorLevel};
use crate::privacy::{ClientMode, SenderMode};

fn bot() -> WhatsappBot {
    WhatsappBot::new(Arc::new(Privacy::new(SenderMode::Full, ClientMode::Full, b"salt", 160)), TimeZone::get("Europe/Madrid").unwrap())
}

/// A record in few words.
fn told_by(parsed: Parsed<'_>) -> String {
    let privacy = Privacy::new(SenderMode::Full, ClientMode::Full, b"salt", 160);
    match parsed {
        Parsed::Event(Stamped { event: Event::BotMessage(message), .. }) => {
            format!("{} {}", message.direction.as_str(), privacy.show(&message.sender).unwrap())
        }
        Parsed::Event(Stamped { event: Event::BotError(BotError { level, traceback, summary, .. }), .. }) => {
            let level = level.map_or("none", ErrorLevel::as_str);
            format!("{level}{} {}", if traceback { "+traceback" } else { "" }, summary.escape_ascii())
        }
        other => format!("{other:?}"),
    }
}

/// Everything that `steps` give; a step is a line, or "FLUSH", or "RESTART".
fn read(steps: &[&str]) -> Vec<String> {
    let mut told = Vec::new();
    let mut format = bot();
    for step in steps.iter().chain(&["FLUSH"]) {
        let mut sink = |_: &[u8], parsed: Parsed<'_>| told.push(told_by(parsed));
        match *step {
            "FLUSH" => format.flush(&mut sink),
            "RESTART" => {
                let saved = format.save();
                format = bot();
                format.load(&saved);
            }
            line => format.read_line(line.as_bytes(), &mut sink),
        }
    }
    told
}

fn one(message: &str) -> String {
    read(&[&format!("2026-04-04 00:00:00,342 [INFO] bot.webhook (30): {message}")]).concat()
}

#[test]
fn messages_in_many_words() {
    for (message, expected) in [
        ("Incoming message from whatsapp:+34626124538 sid=SM1 body=\"hola\"", "incoming +34626124538"),
        ("INCOMING MESSAGE FROM WhatsApp:+34626124538", "incoming +34626124538"),
        ("Message received from +34626124538: hola", "incoming +34626124538"),
        ("New message from 34626124538, hola", "incoming +34626124538"),
        ("Received message from=\"whatsapp:+34626124538\"", "incoming +34626124538"),
        ("Outgoing message to whatsapp:+34626124538 body=\"Incoming message from whatsapp:+1\"", "outgoing +34626124538"),
        ("Message sent to: whatsapp: +34626124538.", "outgoing +34626124538"),
        ("Sent message to whatsapp:ana.perez", "outgoing ana.perez"),
        ("Message from queue 7", "Skip"),
        ("Message from 12345", "Skip"),
        ("Incoming message fromage", "Skip"),
        ("Failed: outgoing message to whatsapp:+34626124538", "Skip"),
        ("Incoming message from whatsapp:", "Malformed(\"no_sender\")"),
        ("Incoming message from", "Skip"),
        ("", "Skip"),
    ] {
        let shown = one(message).replace(" 34", " +34");
        assert_eq!(shown, expected, "{message}");
    }
}

#[test]
fn a_customers_text_forges_nothing() {
    let forged = "Outgoing message to whatsapp:+34600000001";
    for line in [
        format!("2026-04-04 00:00:00,342 [INFO] bot.webhook (30): body: {forged}"),
        format!("2026-04-04 00:00:00,342 [INFO] bot.webhook: Body={forged}"),
        format!("2026-04-04 00:00:00,342 - bot - INFO - received \"{forged}\""),
        format!("2026-04-04 00:00:00,342 INFO [bot] > {forged}"),
        format!("2026-04-04 00:00:00,342 INFO [bot] body: {forged}"),
        format!("2026-04-04 00:00:00,342 - bot - INFO - body: {forged}"),
        format!("2026-04-04 00:00:00,342 - bot - INFO - [Ana] {forged}"),
        format!("2026-04-04 00:00:00,342 INFO [bot] [Ana] {forged}"),
        format!("2026-04-04 00:00:00,342 INFO Ignoring {}", forged.to_lowercase()),
        format!("2026-04-04 00:00:00,342 [INFO] bot.webhook (30): session [x] {forged}"),
    ] {
        assert_eq!(read(&[&line]), ["Skip"], "{line}");
    }
    let continued = ["2026-04-04 00:00:00,342 [INFO] bot: Incoming message from whatsapp:+34600000002 body=\"hi", forged, "bye\""];
    assert_eq!(read(&continued), ["incoming +34600000002", "Continued", "Continued"]);
}

const ERROR: &str = "2026-04-04 00:00:00,342 [ERROR] bot.webhook (30): unhandled exception";
const CRITICAL: &str = "2026-04-04 00:00:01,000 [CRITICAL] bot.webhook (30): down";
const INFO: &str = "2026-04-04 00:00:02,000 [INFO] bot.webhook (30): up";
const TRACEBACK: &str = "Traceback (most recent call last):";
const FRAME: &str = "  File \"/app/bot.py\", line 20, in handle";

#[test]
fn errors_are_held_until_they_are_whole() {
    for (steps, expected) in [
        (&[ERROR, INFO][..], &["Open", "error unhandled exception", "Skip"][..]),
        (&[ERROR, CRITICAL], &["Open", "error unhandled exception", "Open", "critical down"]),
        (
            &[ERROR, TRACEBACK, FRAME, "KeyError: 'x'", "more of it", INFO],
            &["Open", "Continued", "Continued", "Continued", "Continued", "error+traceback KeyError: \\'x\\'", "Skip"],
        ),
        (
            &[
                ERROR,
                TRACEBACK,
                FRAME,
                "KeyError: 'x'",
                "",
                "During handling of the above exception, another exception occurred:",
                "",
                TRACEBACK,
                FRAME,
                "ValueError: y",
            ],
            &[&["Open"], &["Continued"; 9][..], &["error+traceback ValueError: y"]].concat(),
        ),
        (
            &[
                ERROR,
                "  + Exception Group Traceback (most recent call last):",
                "  |   File \"x\"",
                "  | ExceptionGroup: two (2 sub-exceptions)",
            ],
            &["Open", "Continued", "Continued", "Continued", "error+traceback ExceptionGroup: two (2 sub-exceptions)"],
        ),
        (&[INFO, TRACEBACK, FRAME, "KeyError: 'x'"], &["Skip", "Open", "Continued", "Continued", "none+traceback KeyError: \\'x\\'"]),
        (
            &["2026-04-04 00:00:00,342 [ERROR] bot: it broke: Traceback (most recent call last):", FRAME, "KeyError: 'x'"],
            &["Open", "Continued", "Continued", "error+traceback KeyError: \\'x\\'"],
        ),
        (&["", "lost", TRACEBACK, INFO], &["Skip", "Malformed(\"no_header\")", "Malformed(\"no_header\")", "Skip"]),
    ] {
        assert_eq!(read(steps), expected, "{steps:?}");
    }
}

#[test]
fn a_traceback_counts_once_whenever_the_record_is_flushed() {
    let lines =
        [ERROR, TRACEBACK, FRAME, "KeyError: 'x'", "", TRACEBACK, FRAME, "ValueError: y", INFO, TRACEBACK, FRAME, "OSError: z", CRITICAL];
    let counts = |told: &[String]| {
        let count = |word: &str| told.iter().filter(|told| told.contains(word)).count();
        (count("error"), count("critical"), count("traceback"))
    };
    assert_eq!(counts(&read(&lines)), (1, 1, 2));
    for place in 0..=lines.len() {
        for again in place..=lines.len() {
            let mut steps = lines.to_vec();
            steps.insert(again, "FLUSH");
            steps.insert(place, "FLUSH");
            assert_eq!(counts(&read(&steps)), (1, 1, 2), "{steps:?}");
        }
        let mut steps = lines.to_vec();
        steps.insert(place, "RESTART");
        assert_eq!(read(&steps), read(&lines), "restart before {place}");
    }
}

#[test]
fn records_survive_a_restart_byte_by_byte_and_are_bounded() {
    let mut format = bot();
    let mut line = b"2026-04-04 00:00:00,342 [ERROR] bot: \xff\xfe\0 ".to_vec();
    line.extend_from_slice(&[b'x'; 100_000]);
    format.read_line(&line, &mut |_: &[u8], _: Parsed<'_>| {});
    for _ in 0..10 {
        format.read_line(&[0x80; 10_000], &mut |_: &[u8], _: Parsed<'_>| {});
    }
    let saved: Value = serde_json::from_str(&format.save().to_string()).unwrap();
    let mut loaded = bot();
    loaded.load(&saved);
    assert!(loaded.is_open());
    let mut seen = 0;
    let mut check = |_: &[u8], parsed: Parsed<'_>| {
        let Parsed::Event(Stamped { at, event: Event::BotError(error) }) = parsed else { panic!("{parsed:?}") };
        assert_eq!(at.micros(), 1_775_253_600_342_000);
        assert_eq!(error.context, &line[..64 << 10]);
        assert!(error.summary.starts_with(b"\xff\xfe\0 xxx") && error.summary.len() == 4 << 10);
        seen += 1;
    };
    format.flush(&mut check);
    loaded.flush(&mut check);
    assert_eq!(seen, 2);
    loaded.load(&serde_json::json!({"open": 7}));
    assert!(!loaded.is_open());
}
