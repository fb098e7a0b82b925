//! Takes out of texts what opens doors: passwords and tokens by the name that stands before them, names of users who could not log in,
//! what stands before the `@` of an address, and the paths of links, which may be known to one person only.

const TAKEN: &str = "<secret>";

/// What secrets are called, whatever stands before it in the same word: `db_password`, `accessToken`.
const NAMES: [&str; 14] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "apikey",
    "api_key",
    "api-key",
    "access_key",
    "authorization",
    "sessionid",
    "session_id",
    "signature",
    "contraseña",
];
/// Short ones, which are words of their own: `pass`, `db_pwd`.
const SHORT_NAMES: [&str; 9] = ["auth", "clave", "cookie", "key", "otp", "pass", "pin", "pwd", "session"];
/// A word behind `Bearer` of fewer characters is a word.
const MIN_TOKEN_CHARS: usize = 8;

/// Takes the values of what is called like a secret, and the words behind `Bearer`.
pub(super) fn without_secrets(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((front, behind)) = rest.find(['=', ':']).and_then(|at| rest.split_at_checked(at + 1)) {
        out.push_str(front);
        rest = behind;
        if let Some((start, length)) = is_secret(front).then(|| value(rest)).flatten() {
            let (before, value) = rest.split_at(start);
            out.push_str(before);
            out.push_str(TAKEN);
            rest = value.split_at(length).1;
        }
    }
    out.push_str(rest);
    without_bearers(&without_users(&out))
}

/// Takes the names behind `user "`: servers log so who could not log in, and a password may have been typed in the wrong place.
fn without_users(text: &str) -> String {
    const BEFORE: &str = "user \"";
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((front, behind)) = rest.find(BEFORE).and_then(|at| rest.split_at_checked(at + BEFORE.len())) {
        out.push_str(front);
        let (name, other) = behind.split_at(behind.find(['"', '\n']).unwrap_or(behind.len()));
        out.push_str(if name.is_empty() { "" } else { "<user>" });
        rest = other;
    }
    out.push_str(rest);
    out
}

/// Whether the word before a `=` or `:` names a secret; `front` may end with these.
pub(super) fn is_secret(front: &str) -> bool {
    let front = front.trim_end_matches(['=', ':', ' ', '"', '\'']);
    let word = front.rsplit(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | '-')).next().unwrap_or_default();
    let last = word.rsplit(['_', '-']).next().unwrap_or_default();
    // Few words end as a name does.
    let end = word.bytes().next_back().map(|byte| byte.to_ascii_lowercase());
    let may_be = |name: &&&str| name.bytes().next_back() == end;
    NAMES.iter().filter(may_be).any(|name| ends_with(word, name))
        || SHORT_NAMES.iter().filter(may_be).any(|name| last.eq_ignore_ascii_case(name))
}

/// Whether a word ends so, whatever the case of its letters.
fn ends_with(word: &str, end: &str) -> bool {
    let start = word.len().checked_sub(end.len());
    start.and_then(|start| word.get(start..)).is_some_and(|tail| tail.eq_ignore_ascii_case(end))
}

/// Where the value begins and how long it is; none if there is none.
fn value(text: &str) -> Option<(usize, usize)> {
    let begun = text.trim_start_matches(' ');
    let quote = begun.chars().next().filter(|c| matches!(c, '"' | '\''));
    let value = quote.map_or(begun, |quote| begun.trim_start_matches(quote));
    let is_end = |c: char| quote.map_or_else(|| c.is_whitespace() || "&;,\"')}]<>".contains(c), |quote| c == quote || c == '\n');
    let mut length = value.find(is_end).unwrap_or(value.len());
    // `Authorization: Basic …`: the scheme is not the secret.
    let (word, behind) = value.split_at(length);
    if ["basic", "bearer", "digest", "token"].iter().any(|scheme| word.eq_ignore_ascii_case(scheme)) {
        let token = behind.trim_start_matches(' ');
        length += behind.len() - token.len() + token.find(is_end).unwrap_or(token.len());
    }
    (length > 0).then(|| (text.len() - value.len(), length))
}

fn without_bearers(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut is_next = false;
    for word in text.split_inclusive(char::is_whitespace) {
        let bare = word.trim_end();
        if is_next && bare.chars().count() >= MIN_TOKEN_CHARS && bare != TAKEN {
            out.push_str(TAKEN);
            out.push_str(word.get(bare.len()..).unwrap_or_default());
        } else {
            out.push_str(word);
        }
        is_next = bare.trim_start_matches(|c: char| !c.is_alphanumeric()).eq_ignore_ascii_case("bearer");
    }
    out
}

/// Takes what stands before the `@` of an address; of links the path too, if `paths` are to go.
pub(super) fn without_links(text: &str, paths: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((front, behind)) = rest.find("://").and_then(|at| rest.split_at_checked(at + 3)) {
        out.push_str(front);
        let is_out = |c: char| c.is_whitespace() || "\"'<>)]}".contains(c);
        let (link, other) = behind.split_at(behind.find(is_out).unwrap_or(behind.len()));
        let (authority, path) = link.split_at(link.find(['/', '?', '#']).unwrap_or(link.len()));
        match authority.rsplit_once('@') {
            Some((_, host)) => out.extend([TAKEN, "@", host]),
            None => out.push_str(authority),
        }
        out.push_str(if paths && path.len() > 1 { "/…" } else { path });
        rest = other;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_go_by_their_names() {
        for (text, expected) in [
            ("/login?user=ana&password=Hunter2&x=1", "/login?user=ana&password=<secret>&x=1"),
            ("/?access_token=abc#top", "/?access_token=<secret>"),
            ("Authorization: Basic dXNlcg== sent", "Authorization: <secret> sent"),
            ("got \"Bearer abcdefghij\" back", "got \"Bearer <secret> back"),
            ("user \"Hunter2\": password mismatch, user \"a", "user \"<user>\": password mismatch, user \"<user>"),
            ("the bearer of news", "the bearer of news"),
            ("{\"db_password\": \"two words\", \"a\": 1}", "{\"db_password\": \"<secret>\", \"a\": 1}"),
            ("PASSWORD='x y' key=7", "PASSWORD='<secret>' key=<secret>"),
            ("monkey=7 compass=north", "monkey=7 compass=north"),
            ("password=", "password="),
            ("a=b:c==:", "a=b:c==:"),
            ("contraseña: ñandú ya", "contraseña: <secret> ya"),
        ] {
            assert_eq!(without_secrets(text), expected, "{text}");
        }
    }

    #[test]
    fn links_lose_their_paths() {
        for (text, all, kept) in [
            ("see https://a.example/pago/X7 now", "see https://a.example/… now", "see https://a.example/pago/X7 now"),
            ("(http://ana:p!w@b.example/)", "(http://<secret>@b.example/)", "(http://<secret>@b.example/)"),
            ("redis://:pw@c:6379/0", "redis://<secret>@c:6379/…", "redis://<secret>@c:6379/0"),
            ("://", "://", "://"),
            ("a://b://c", "a://b:/…", "a://b://c"),
        ] {
            assert_eq!([without_links(text, true), without_links(text, false)], [all, kept], "{text}");
        }
    }
}
