//! Countries for people: flag, name and code.

/// ISO 3166-1 codes and what people call the country in English, sorted.
const NAMES: &str = include_str!("countries.txt");

/// A country's flag, name and code; of what is no known code, that it is not known.
pub(super) fn words(code: &str) -> String {
    match name(code) {
        Some(name) => format!("{} {name} ({code})", flag(code)),
        None => "🏳️ unknown".to_owned(),
    }
}

/// A country's flag: its letters as regional indicators.
pub(super) fn flag(code: &str) -> String {
    let indicator = |letter: u8| char::from_u32(0x1_F1E6 + u32::from(letter.wrapping_sub(b'A')));
    if name(code).is_none() { "🏳️".to_owned() } else { code.bytes().filter_map(indicator).collect() }
}

fn name(code: &str) -> Option<&'static str> {
    NAMES.lines().find_map(|line| line.strip_prefix(code)?.strip_prefix(' ').filter(|_| code.len() == 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn countries_have_flags_and_names() {
        assert_eq!(words("ES"), "🇪🇸 Spain (ES)");
        assert_eq!([words("ZZ"), words(""), words("Spain"), words("es"), words("<@")], ["🏳️ unknown"; 5].map(str::to_owned));
        let lines: Vec<&str> = NAMES.lines().collect();
        assert!(lines.is_sorted() && lines.len() == 249, "{}", lines.len());
        assert!(lines.iter().all(|line| line.split_once(' ').is_some_and(|(code, _)| code.bytes().all(|b| b.is_ascii_uppercase()))));
    }
}
