//! User agents: as other texts of a request, but with the versions of products, which tell an old browser from a new one and a tool from
//! its disguise.

use std::net::Ipv4Addr;

use super::ClientMode;
use super::addresses::without_v6;
use super::scrub::without_words_and_numbers;
use super::secrets::{without_links, without_secrets};

/// The most digits of a version, unless it is put together as Chrome's are; of an undotted one, and of one of its parts.
const MAX_DIGITS: usize = 6;
const MAX_UNDOTTED: usize = 4;
const MAX_PART: usize = 5;
/// The most parts of a version, and of one with more digits than [`MAX_DIGITS`].
const MAX_PARTS: usize = 5;
const MAX_PARTS_OF_LONG: usize = 4;
/// The most digits in a product's name: `urllib3`, `MJ12bot`.
const MAX_DIGITS_OF_NAME: usize = 2;
/// Products whose versions have four parts, of which the first is 1 or 2: no address that anybody would write there.
const OF_FOUR_PARTS: [&str; 2] = ["WhatsApp", "sqlmap"];
/// What Firefox says of its engine since 2010, whatever the day.
const GECKO: &str = "20100101";

/// As `scrubbed_request`, but for versions (`Chrome/134.0.6998.166`), which are neither addresses nor telephones' numbers by their form.
pub(super) fn scrubbed_agent(text: &str, clients: ClientMode) -> String {
    let text = without_links(&without_secrets(text), false);
    let text = &*without_v6(&text, clients, true);
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for (slash, _) in text.match_indices('/') {
        let Some((front, behind)) = text.split_at_checked(slash + 1) else { continue };
        let Some(version) = version(front, behind) else { continue };
        out.push_str(&without_words_and_numbers(front.get(done..).unwrap_or_default(), clients));
        out.push_str(version);
        done = slash + 1 + version.len();
    }
    out.push_str(&without_words_and_numbers(text.get(done..).unwrap_or_default(), clients));
    out
}

/// The version that `behind` begins with, if `front` ends with a product's name and a slash.
fn version<'a>(front: &str, behind: &'a str) -> Option<&'a str> {
    let name = front.strip_suffix('/')?.rsplit(|c: char| !is_in_name(c)).next()?;
    let digits_of_name = name.bytes().filter(u8::is_ascii_digit).count();
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) || digits_of_name > MAX_DIGITS_OF_NAME {
        return None;
    }
    let end = behind.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(behind.len());
    let version = behind.get(..end)?.trim_end_matches('.');
    // Before what follows is looked at: of a row of slashes each would look at all behind it.
    if version.is_empty() {
        return None;
    }
    let rest = behind.get(version.len()..)?;
    // What goes on may be the rest of a number that was cut up, or of an address.
    let ends = !rest.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '@' | '_' | '-' | '+' | '%'))
        && !rest.trim_start_matches([' ', '-', '.', '(', ')', '/', '+']).starts_with(|c: char| c.is_ascii_digit());
    (ends && (is_version(version, digits_of_name) || is_known(name, version))).then_some(version)
}

fn is_known(name: &str, version: &str) -> bool {
    let is_quad = version.starts_with(['1', '2']) && version.get(1..2) == Some(".") && version.parse::<Ipv4Addr>().is_ok();
    (name == "Gecko" && version == GECKO) || (OF_FOUR_PARTS.contains(&name) && is_quad)
}

fn is_in_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '!')
}

/// Whether dotted digits are a version: few, with those of the name before it; or many in up to four parts, and one between the others is
/// `0`, as in no telephone's number.
fn is_version(text: &str, digits_of_name: usize) -> bool {
    let parts: Vec<&str> = text.split('.').take(MAX_PARTS + 1).collect();
    if parts.len() > MAX_PARTS || parts.iter().any(|part| part.is_empty() || part.len() > MAX_PART) {
        return false;
    }
    let [_, inner @ .., _] = parts.as_slice() else { return text.len() <= MAX_UNDOTTED };
    let digits: usize = parts.iter().map(|part| part.len()).sum();
    let is_short = digits + digits_of_name <= MAX_DIGITS || (parts.len() <= MAX_PARTS_OF_LONG && inner.contains(&"0"));
    // `134.0.0.0` is nobody's address, but a network's; so is what begins with 0.
    let four = if parts.len() == MAX_PARTS { text.rsplit_once('.').map_or(text, |(four, _)| four) } else { text };
    let may_be_address = four.parse().is_ok_and(|address: Ipv4Addr| !matches!(address.octets(), [0, ..] | [.., 0, 0]));
    is_short && !may_be_address
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(agent: &str) -> String {
        scrubbed_agent(agent, ClientMode::Full)
    }

    #[test]
    fn versions_stay() {
        for agent in [
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/134.0.6998.166 Safari/537.36 Edg/134.0.0.0",
            "Mozilla/5.0 (X11; Linux x86_64; rv:136.0) Gecko/20100101 Firefox/136.0",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_3_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.3 Mobile/15E148 Safari/604.1",
            "sqlmap/1.8.2#stable (https://sqlmap.org)",
            "python-requests/2.32.3",
            "Python-urllib3/2.2.123",
            "Opera/9.80 Presto/2.12.388 Version/12.16",
            "CFNetwork/1492.0.1 Darwin/23.3.0",
            "Mozilla/5.0 zgrab/0.x",
            "Mozilla/5.0 (compatible; MJ12bot/v1.4.8; http://mj12bot.com/)",
            "curl/8.5.0",
            "WhatsApp/2.24.20.89 A",
            "sqlmap/1.8.2.15#dev (https://sqlmap.org)",
        ] {
            assert_eq!(scrubbed_agent(agent, ClientMode::Hash), agent);
            assert_eq!(shown(agent), agent);
        }
    }

    #[test]
    fn what_may_be_somebody_goes() {
        for (agent, expected) in [
            ("x/203.0.113.77 (a)", "x/<address> (a)"),
            ("x/10.0.0.7", "x/<address>"),
            ("x/10.0.0.7.1", "x/<number>"),
            ("x60/098.712", "x<number>"),
            ("WhatsApp/203.0.113.77", "WhatsApp/<address>"),
            ("WhatsApp/1.212.555.1234", "WhatsApp/<number>"),
            ("tel/600987123", "tel/<number>"),
            ("tel/600.987.123", "tel/<number>"),
            ("tel/34.600.98.71", "tel/<number>"),
            ("tel/1.212.555.1234", "tel/<number>"),
            ("tel/33.6.12.34.56.78", "tel/<number>"),
            ("tel/600.98 71 23", "tel/<number>"),
            ("tel/600.98/71.23", "tel/<number>"),
            ("+34 600/98.71.23", "<number>"),
            ("x6009/87.123", "x<number>"),
            ("x600987/1.2", "x<number>"),
            ("id/48213", "id/<number>"),
            ("gecko/20100102", "gecko/<number>"),
            ("a/1.2@b.example", "a/1.<address>.example"),
            ("b/1.2-ana@b.example", "b/1.<address>.example"),
            ("ana@b/1.2.345", "<address>/1.2.345"),
            ("a1b2c3d4e5f6a7b8/1.2", "<id>/1.2"),
            ("x (Bearer abcdefghij; key=a/1.2.3)", "x (Bearer <secret> key=<secret>)"),
            ("é/1.2.345", "é/<number>"),
        ] {
            let expected = expected.replace("x<number>", &shown(agent).replace(|c: char| c.is_ascii_digit(), "!"));
            assert_eq!(shown(agent), expected, "{agent}");
        }
        assert_eq!(scrubbed_agent("x/1.2.3.4", ClientMode::Hash), "x/<address>");
    }

    #[test]
    fn no_spelling_of_a_number_gets_through() {
        let between = ["", " ", ".", "-", "/", " (", ") ", "+"];
        for name in ["", "tel/", "tel/v", "x1/", "a b/", "Gecko/", "WhatsApp/", "WhatsApp/1.", "x/1.0 y/", "x/0.", "34.", "+34 "] {
            for cut in 1..9 {
                for other in 1..9 {
                    for (a, b) in between.iter().flat_map(|a| between.map(|b| (a, b))) {
                        let mut number = "600987123".to_owned();
                        number.insert_str(cut.max(other), a);
                        number.insert_str(cut.min(other), b);
                        let digits: String = shown(&format!("{name}{number} z/2.0")).chars().filter(char::is_ascii_digit).collect();
                        assert!(!digits.contains("0987123") && !digits.contains("6009871"), "{name}{number}");
                    }
                }
            }
        }
    }
}
