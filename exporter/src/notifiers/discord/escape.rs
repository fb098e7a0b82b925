//! What strangers wrote, made harmless for Discord: no Markdown, no mention, no link, nothing that hides or turns round what stands beside
//! it. Two ways to show it: as text, and in a code span, where it can be copied as it is.

/// How long a text is, as Discord counts: whether it means UTF-16 units or characters is not said, and units are never fewer.
pub(super) fn units(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

/// One line of text with its Markdown escaped, at most `max` units long.
pub(super) fn text(raw: &str, max: usize) -> String {
    let clean = clean(raw);
    let marker = list_marker(&clean);
    let escaped = clean.char_indices().map(|(place, c)| (is_markup(c) || marker == Some(place)).then_some('\\').into_iter().chain([c]));
    cut(escaped, max)
}

/// One line of text without any markup of ours, for places where Discord reads no Markdown (footers); at most `max` units long.
pub(super) fn plain(raw: &str, max: usize) -> String {
    cut(clean(raw).chars().map(std::iter::once), max)
}

/// A code span of one line, at most `max` units long.
pub(super) fn code(raw: &str, max: usize) -> String {
    let clean = clean(raw).replace('`', "'");
    let inner = cut(clean.chars().map(std::iter::once), max.saturating_sub(2));
    if inner.is_empty() { String::new() } else { format!("`{inner}`") }
}

/// A code block of one line, which Discord's programs offer to copy; at most `max` units long.
pub(super) fn block(raw: &str, max: usize) -> String {
    let clean = clean(raw).replace('`', "'");
    let inner = cut(clean.chars().map(std::iter::once), max.saturating_sub(8));
    if inner.is_empty() { String::new() } else { format!("```\n{inner}\n```") }
}

/// Pieces up to `max` units: none is parted, and what is missing is an ellipsis.
fn cut<P: Iterator<Item = char> + Clone>(pieces: impl Iterator<Item = P>, max: usize) -> String {
    let (mut out, mut used) = (String::new(), 0);
    // Where an ellipsis still fits behind.
    let mut whole = 0;
    for piece in pieces {
        used += piece.clone().map(char::len_utf16).sum::<usize>();
        if used > max {
            out.truncate(whole);
            if max > 0 {
                out.push('…');
            }
            return out;
        }
        out.extend(piece);
        if used < max {
            whole = out.len();
        }
    }
    out
}

/// One line: blanks of all kinds are one blank, what is not seen is left out, links are dead, and nobody is called.
fn clean(raw: &str) -> String {
    let seen: String = raw.chars().map(|c| if c.is_whitespace() || c.is_control() { ' ' } else { c }).filter(|c| !is_unseen(*c)).collect();
    // In full width, so that no program takes it for a mention.
    let words: Vec<String> = seen.split(' ').filter(|word| !word.is_empty()).map(|word| defanged(word).replace('@', "＠")).collect();
    words.join(" ")
}

/// What Discord reads as markup somewhere in a line.
fn is_markup(c: char) -> bool {
    matches!(c, '\\' | '*' | '_' | '~' | '`' | '|' | '>' | '[' | ']' | '(' | ')' | '#' | '<' | ':')
}

/// Where a line would begin a list: at its first dash, or at the dot behind its first number.
fn list_marker(line: &str) -> Option<usize> {
    if line.starts_with(['-', '+']) {
        return Some(0);
    }
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    let is_marker = line.get(digits..).is_some_and(|rest| rest == "." || rest.starts_with(". "));
    (digits > 0 && is_marker).then_some(digits)
}

/// What has no width or turns the direction of writing (Unicode: Cf, default-ignorable, and fillers that look empty).
fn is_unseen(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}' | '\u{891}' | '\u{8e2}'
        | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// A word that no program makes a link of: `hxxps[:]//evil[.]example/x`.
fn defanged(word: &str) -> String {
    if !is_link(word) {
        return word.to_owned();
    }
    let dead = word.replace("://", "[:]//").replace('.', "[.]");
    // Only the scheme's first letters: `http` of any case.
    let mut out = String::with_capacity(dead.len());
    let mut rest = dead.as_str();
    while let Some((start, end)) = find_http(rest) {
        out.push_str(rest.get(..start).unwrap_or_default());
        out.push_str("hxxp");
        rest = rest.get(end..).unwrap_or_default();
    }
    out + rest
}

/// Where `http` stands, in any case.
fn find_http(text: &str) -> Option<(usize, usize)> {
    let start = text.as_bytes().windows(4).position(|four| four.eq_ignore_ascii_case(b"http"))?;
    Some((start, start + 4))
}

/// Whether some program might make a link of it: a scheme, `www.`, or a host name with a path behind it (`discord.gg/x`).
fn is_link(word: &str) -> bool {
    let lower = word.to_ascii_lowercase();
    let is_host = |host: &str| {
        let host = host.rsplit(|c: char| !c.is_alphanumeric() && !matches!(c, '.' | '-')).next().unwrap_or_default();
        host.rsplit_once('.').is_some_and(|(name, end)| !name.is_empty() && end.chars().count() > 1 && end.chars().all(char::is_alphabetic))
    };
    lower.contains("://") || lower.contains("www.") || lower.split_once('/').is_some_and(|(host, _)| is_host(host))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hostile_texts_are_made_harmless() {
        for (raw, as_text, as_code) in [
            ("plain words, 203.0.113.7", "plain words, 203.0.113.7", "`plain words, 203.0.113.7`"),
            ("@everyone @here", "＠everyone ＠here", "`＠everyone ＠here`"),
            ("<@&1> <@!2> <#3> <:x:4> <t:5:R> </a:6>", r"\<＠&1\> \<＠!2\> \<\#3\> \<\:x\:4\> \<t\:5\:R\> \</a\:6\>", ""),
            ("**b** __u__ ~~s~~ ||h||", r"\*\*b\*\* \_\_u\_\_ \~\~s\~\~ \|\|h\|\|", "`**b** __u__ ~~s~~ ||h||`"),
            ("[free](http://evil.example/x)", r"\[free\]\(hxxp\[\:\]//evil\[.\]example/x\)", "`[free](hxxp[:]//evil[.]example/x)`"),
            ("HTTPS://Evil.Example", r"hxxpS\[\:\]//Evil\[.\]Example", "`hxxpS[:]//Evil[.]Example`"),
            ("www.evil.example discord.gg/abc", r"www\[.\]evil\[.\]example discord\[.\]gg/abc", "`www[.]evil[.]example discord[.]gg/abc`"),
            ("steam://connect/1.2.3.4", r"steam\[\:\]//connect/1\[.\]2\[.\]3\[.\]4", "`steam[:]//connect/1[.]2[.]3[.]4`"),
            ("GET /wp-login.php", "GET /wp-login.php", "`GET /wp-login.php`"),
            ("a`b``c```", r"a\`b\`\`c\`\`\`", "`a'b''c'''`"),
            ("\\*not bold", r"\\\*not bold", r"`\*not bold`"),
            ("# head", r"\# head", "`# head`"),
            ("- item", r"\- item", "`- item`"),
            ("12. item", r"12\. item", "`12. item`"),
            ("> quote", r"\> quote", "`> quote`"),
            ("two\r\nlines\u{2028}three\u{85}four\0five", "two lines three four five", "`two lines three four five`"),
            ("ab\u{202e}cd\u{200b}\u{feff}\u{e0041}ef", "abcdef", "`abcdef`"),
            ("ht\u{200b}tp://x.y", r"hxxp\[\:\]//x\[.\]y", "`hxxp[:]//x[.]y`"),
            ("\u{1b}[31mred", r"\[31mred", "`[31mred`"),
            ("", "", ""),
            ("\u{200b}\n", "", ""),
        ] {
            assert_eq!(text(raw, 200), as_text, "{raw:?}");
            if !as_code.is_empty() || as_text.is_empty() {
                assert_eq!(code(raw, 200), as_code, "{raw:?}");
            }
        }
    }

    #[test]
    fn what_is_too_long_is_cut_between_characters() {
        for (raw, max, expected) in [
            ("abcdef", 6, "abcdef"),
            ("abcdef", 5, "abcd…"),
            ("ab*cd", 4, "ab…"),
            ("ab*", 4, r"ab\*"),
            ("a😀b", 4, "a😀b"),
            ("a😀b", 3, "a…"),
            ("**", 1, "…"),
            ("x", 0, ""),
        ] {
            assert_eq!(text(raw, max), expected, "{raw} {max}");
        }
        assert_eq!(code("abcdef", 5), "`ab…`");
        assert_eq!(block("connect 203.0.113.7:27015", 100), "```\nconnect 203.0.113.7:27015\n```");
    }

    /// Texts of the pieces that attacks are made of.
    fn hostile() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            prop::sample::select(vec![
                "@everyone",
                "<@1>",
                "http://",
                "hTTps://",
                "evil.example/",
                "www.",
                "`",
                "```",
                "*",
                "_",
                "\\",
                "](",
                "[",
                "\n",
                "\r",
                "\u{202e}",
                "\u{200b}",
                "# ",
                "- ",
                "1. ",
                "||",
                "<t:1:R>",
                "@",
                ":",
                "😀",
                "é",
                "a",
                " ",
                "ht",
                "tp",
                "ww",
                "w.",
            ])
            .prop_map(str::to_owned),
            any::<char>().prop_map(String::from),
        ];
        prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
    }

    /// Takes escaped characters out.
    fn unescaped(text: &str) -> String {
        let (mut out, mut chars) = (String::new(), text.chars());
        while let Some(c) = chars.next() {
            // What follows is escaped.
            if c == '\\' && chars.next().is_some() {
                continue;
            }
            out.push(c);
        }
        out
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn nothing_hostile_survives(raw in hostile(), max in 0_usize..120) {
            let all = [text(&raw, max), plain(&raw, max), code(&raw, max.max(3)), block(&raw, max.max(9))];
            for (out, max) in all.iter().zip([max, max, max.max(3), max.max(9)]) {
                prop_assert!(units(out) <= max, "{out:?} is longer than {max}");
                let lower = out.to_lowercase();
                prop_assert!(!lower.contains('@') && !lower.contains("://") && !lower.contains("www."), "{out:?}");
                prop_assert!(!out.contains(|c: char| is_unseen(c) || (c.is_control() && c != '\n')), "{out:?}");
            }
            let [as_text, as_plain, as_code, as_block] = &all;
            prop_assert!(!unescaped(as_text).contains(is_markup), "{as_text:?}");
            prop_assert!(!as_text.contains('\n') && !as_plain.contains('\n') && !as_code.contains('\n'));
            prop_assert!(!as_text.starts_with(['-', '+', '#', '>']) && !as_text.starts_with("1. "), "{as_text:?}");
            let ticks = |text: &str| text.matches('`').count();
            prop_assert!(as_code.is_empty() || (ticks(as_code) == 2 && as_code.starts_with('`') && as_code.ends_with('`')), "{as_code:?}");
            prop_assert!(as_block.is_empty() || (ticks(as_block) == 6 && as_block.matches('\n').count() == 2), "{as_block:?}");
        }
    }
}
