use std::cell::RefCell;

use proptest::prelude::*;
use serde_json::{Map, Value as Json};

use super::*;

fn scanner() -> Scanner {
    Scanner::new([vec!["a", "alias"], vec!["b.c"], vec!["list"], vec!["b.list.deep"]])
}

fn found<const N: usize>(scanner: &mut Scanner, line: &[u8]) -> Result<[Vec<u8>; N], &'static str> {
    let mut values = [&b""[..]; N];
    scanner.read(line, &mut values)?;
    Ok(values.map(<[u8]>::to_vec))
}

fn read(line: &str) -> Result<[String; 4], &'static str> {
    found(&mut scanner(), line.as_bytes()).map(|values| values.map(|value| String::from_utf8_lossy(&value).into_owned()))
}

#[test]
fn values_of_all_kinds() {
    for (line, expected) in [
        (r#"{"a":"x","b":{"c":7},"list":["p","q"]}"#, ["x", "7", "p", ""]),
        (r#" { "b" : { "c" : -1.5e+3 , "d":[] } , "a" : true } "#, ["true", "-1.5e+3", "", ""]),
        (r#"{"a":null,"list":[[],{"x":1},"y"],"b":{"list":[{"deep":"z"}]}}"#, ["", "", "y", "z"]),
        (r#"{"alias":"second","a":"first"}"#, ["first", "", "", ""]),
        (r#"{"a":"","alias":"second"}"#, ["second", "", "", ""]),
        (r#"{"a":"-","alias":-}"#, ["", "", "", ""]),
        (r#"{"a":"one","a":"two"}"#, ["one", "", "", ""]),
        (r#"{"a":000}"#, ["000", "", "", ""]),
        (r#"{"\u0061":"q\"\\\/\b\f\n\r\tz\u00e9\ud83d\ude00\ud800\x41"}"#, ["q\"\\/\u{8}\u{c}\n\r\tzé😀\u{fffd}A", "", "", ""]),
        ("{}", ["", "", "", ""]),
    ] {
        assert_eq!(read(line), Ok(expected.map(str::to_owned)), "{line}");
    }
}

#[test]
fn what_is_no_object() {
    for (line, reason) in [
        ("", "not_json"),
        ("[]", "not_json"),
        ("\"a\"", "not_json"),
        ("{", "bad_json"),
        (r#"{"a"}"#, "bad_json"),
        (r#"{"a":}"#, "bad_json"),
        (r#"{"a":1,}"#, "bad_json"),
        (r#"{"a":1}x"#, "bad_json"),
        (r#"{"a":1}{"a":2}"#, "bad_json"),
        (r#"{"a":"1}"#, "bad_json"),
        (r#"{"a":"\q"}"#, "bad_json"),
        (r#"{"a":"\u12"}"#, "bad_json"),
        (r#"{"a":1.}"#, "bad_json"),
        (r#"{"a":1e}"#, "bad_json"),
        (r#"{"a":[1}"#, "bad_json"),
        (r#"{"a":nul}"#, "bad_json"),
        (r#"{a:1}"#, "bad_json"),
        (r#"{"a":"x" "b":1}"#, "bad_json"),
    ] {
        assert_eq!(read(line), Err(reason), "{line}");
    }
    let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    assert!(read(&nested(MAX_DEPTH - 1)).is_ok());
    assert_eq!(read(&nested(MAX_DEPTH)), Err("too_deep"));
    assert_eq!(read(&nested(1_000_000)), Err("too_deep"));
}

#[test]
fn of_lines_with_many_values_nothing_is_remembered() {
    let mut scanner = scanner();
    for count in [MAX_FOLLOWED - 1, MAX_FOLLOWED, 100_000] {
        for end in ["]}", "]"] {
            let line = format!("{{\"a\":\"x\",\"list\":[\"y\"{}{end}", ",\"\"".repeat(count - 1));
            for _ in 0..2 {
                let expected = if end == "]" { Err("bad_json") } else { Ok(["x", "", "y", ""].map(|text| text.as_bytes().to_vec())) };
                assert!(found(&mut scanner, line.as_bytes()) == expected, "{count} {end}");
                let Template { literals, values, .. } = &scanner.template;
                let is_remembered = end == "]}" && count < MAX_FOLLOWED;
                assert_eq!((literals.is_empty(), values.is_empty()), (!is_remembered, !is_remembered), "{count} {end}");
                assert!(values.capacity() <= 2 * MAX_FOLLOWED);
            }
        }
    }
}

#[test]
fn bytes_that_are_no_text_are_kept() {
    let line = b"{\"a\":\"\xff\x00\x01\xc0\",\"b\":{\"c\":\"\xfe\\n\"}}";
    assert_eq!(found(&mut scanner(), line), Ok([&b"\xff\x00\x01\xc0"[..], b"\xfe\n", b"", b""].map(<[u8]>::to_vec)));
}

/// The first scalar below `value`, going into arrays only.
fn first_scalar(value: &Json) -> Option<&Json> {
    match value {
        Json::Array(items) => items.iter().find_map(first_scalar),
        Json::Object(_) => None,
        scalar => Some(scalar),
    }
}

fn shown(value: Option<&Json>) -> String {
    match value.and_then(first_scalar) {
        None | Some(Json::Null) => String::new(),
        Some(Json::String(text)) if text == "-" => String::new(),
        Some(Json::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

fn json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i32>().prop_map(Json::from),
        any::<f64>().prop_map(|number| if number.is_finite() { Json::from(number) } else { Json::Null }),
        ".{0,8}".prop_map(Json::from),
        "[\"\\\\\\-\u{0}\n😀a]{0,4}".prop_map(Json::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Json::from),
            proptest::collection::vec((key(), inner), 0..4).prop_map(|items| Json::Object(items.into_iter().collect())),
        ]
    })
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![Just("a".to_owned()), Just("b".to_owned()), Just("c".to_owned()), Just("list".to_owned()), ".{0,3}"]
}

fn object() -> impl Strategy<Value = Map<String, Json>> {
    proptest::collection::vec((key(), json()), 0..5).prop_map(|items| items.into_iter().collect())
}

proptest! {
    #[test]
    fn values_are_those_that_serde_reads(object in object()) {
        // A key with a dot would be the same path as a key in an object.
        prop_assume!(!object.keys().any(|key| key.contains('.')));
        let inner = object.get("b").and_then(|value| value.as_object()).and_then(|inner| inner.get("c"));
        let line = Json::Object(object.clone()).to_string();
        let mut scanner = Scanner::new([["a"], ["b.c"], ["list"]]);
        let [a, c, list] = found(&mut scanner, line.as_bytes()).unwrap().map(|value| String::from_utf8(value).unwrap());
        prop_assert_eq!(a, shown(object.get("a")));
        if !matches!(object.get("b"), Some(Json::Array(_))) {
            prop_assert_eq!(c, shown(inner));
        }
        prop_assert_eq!(list, shown(object.get("list")));
    }

    /// A scanner that has seen other lines before, and perhaps follows their template, answers as a new one that must walk.
    #[test]
    fn the_template_changes_nothing(objects in proptest::collection::vec(object(), 1..4), changes in changes()) {
        let mut lines: Vec<Vec<u8>> = objects.into_iter().map(|object| Json::Object(object).to_string().into_bytes()).collect();
        for (line, place, byte) in changes {
            let mut changed = lines[line % lines.len()].clone();
            let place = place % changed.len();
            changed[place] = byte;
            lines.push(changed);
        }
        let mut used = scanner();
        for line in &lines {
            for _ in 0..2 {
                let mut new = scanner();
                prop_assert_eq!(found::<4>(&mut used, line), found::<4>(&mut new, line));
            }
        }
    }

    /// Lines as servers write them, with a few bytes changed: what follows the template of the line before is read as if it were walked.
    #[test]
    fn lines_that_follow_agree_with_lines_that_are_walked(
        values in proptest::collection::vec((text_value(), text_value(), 0_u32..1_000, text_value()), 1..4),
        changes in changes(),
    ) {
        let lines = values.iter().map(|(a, c, number, last)| {
            format!(r#"{{"a":"{a}","b":{{"c":"{c}"}},"a_longer_name_of_no_interest":"-","list":[{number}],"end":"{last}"}}"#).into_bytes()
        });
        let mut lines: Vec<Vec<u8>> = lines.collect();
        for (line, place, byte) in changes {
            let mut changed = lines[line % lines.len()].clone();
            let place = place % changed.len();
            changed[place] = byte;
            lines.push(changed);
        }
        let mut used = scanner();
        for line in &lines {
            let mut new = scanner();
            prop_assert_eq!(found::<4>(&mut used, line), found::<4>(&mut new, line));
        }
        for end in ["\n", "\r\n", ""] {
            let mut block = lines.join(&b'\n');
            block.extend(end.bytes());
            let alone = super::super::lines(&block).map(|line| told(|sink, record| {
                scanner().read_line(line, sink, record);
                1
            }));
            let together = told(|sink, record| scanner().read_block(&block, sink, record));
            prop_assert_eq!(together, alone.collect::<Vec<_>>().concat());
        }
    }

    #[test]
    fn what_serde_accepts_is_accepted(line in "[{}\\[\\]:,\"a0.e\\\\ -]{0,24}") {
        let accepted = matches!(serde_json::from_str(&line), Ok(Json::Object(_)));
        prop_assert!(!accepted || found::<4>(&mut scanner(), line.as_bytes()).is_ok());
    }
}

/// Makes something of four values.
type Record<'r> = dyn for<'a> FnMut(&[&'a [u8]; 4]) -> Result<Parsed<'a>, &'static str> + 'r;

/// What a reader tells of lines of four values, as many records as it says there are lines.
fn told(read: impl FnOnce(&mut dyn Sink, &mut Record<'_>) -> u64) -> Vec<String> {
    let (values, told) = (RefCell::default(), RefCell::new(Vec::new()));
    let mut sink =
        |line: &[u8], parsed: Parsed<'_>| told.borrow_mut().push(format!("{} {parsed:?} {}", line.escape_ascii(), values.take()));
    let count = read(&mut sink, &mut |found| {
        *values.borrow_mut() = found.map(|value| format!("{} ", value.escape_ascii())).concat();
        if found[0].len() == 7 { Err("seven") } else { Ok(Parsed::Open) }
    });
    assert_eq!(count, told.borrow().len() as u64);
    told.into_inner()
}

/// The inside of a string, often longer than what is looked at in one go.
fn text_value() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z /.]{0,70}", "-?", "[a-z]{0,20}(\\\\[\"\\\\n]|\\\\u00e9|\\\\x41){0,2}[a-z]{0,20}"]
}

fn changes() -> impl Strategy<Value = Vec<(usize, usize, u8)>> {
    let byte = prop_oneof![any::<u8>(), Just(b'"'), Just(b'\\'), Just(b','), Just(b'{'), Just(b'}'), Just(b'1'), Just(b'\n')];
    proptest::collection::vec((any::<usize>(), any::<usize>(), byte), 0..6)
}
