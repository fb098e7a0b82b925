//! What only the answer shows: refused logins, and the catch-all by status. A status alone never makes a strong class.

use super::rules::{Found, Place, Rule, rule};

static LOGIN: Rule = rule!(LoginBrute, "refused login", "Tried to log in and was refused");
static MISSING_SCRIPT: Rule =
    rule!(CveProbe, "script of a plugin that is not here", "Looked for a plugin with known holes that is not installed here");
static BAD_REQUEST: Rule = rule!(Suspicious, answered "status 400", "Sent a request that the server could not understand");
static FORBIDDEN: Rule = rule!(Suspicious, answered "status 403", "Asked for something that is forbidden");
static NOT_FOUND: Rule = rule!(Suspicious, answered "status 404", "Asked for something that is not there");
static TOO_MANY: Rule = rule!(Suspicious, answered "status 429", "Asked too often");
static CLOSED: Rule = rule!(Suspicious, answered "status 444", "The server hung up on it");
static GAVE_UP: Rule = rule!(Suspicious, answered "status 499", "Did not wait for the answer");
static FAILED: Rule = rule!(Suspicious, answered "status 500", "The server failed at it");

/// The seed's catch-all: what a refused request is when nothing stronger fits.
pub(super) fn find(status: u16, method: &[u8], login: bool, asked_unprompted: bool) -> Option<Found> {
    if login && method.eq_ignore_ascii_case(b"POST") && matches!(status, 401 | 403 | 404 | 405 | 429) {
        return Some(LOGIN.at(Place::Path));
    }
    let rule = match status {
        400 => &BAD_REQUEST,
        403 => &FORBIDDEN,
        404 if asked_unprompted => return None,
        404 => &NOT_FOUND,
        429 => &TOO_MANY,
        444 => &CLOSED,
        499 => &GAVE_UP,
        500 => &FAILED,
        _ => return None,
    };
    Some(rule.at(Place::Request))
}

/// Nothing is there, or nobody may see whether.
pub(super) const fn is_missing(status: u16) -> bool {
    matches!(status, 403 | 404 | 410 | 444)
}

/// What browsers, crawlers and applications ask for by themselves, on any site.
pub(super) fn is_asked_unprompted(path: &[u8]) -> bool {
    let name = memchr::memrchr(b'/', path).map_or(path, |at| path.get(at + 1..).unwrap_or_default());
    let known = matches!(
        name,
        b"favicon.ico"
            | b"favicon.svg"
            | b"favicon.png"
            | b"robots.txt"
            | b"ads.txt"
            | b"app-ads.txt"
            | b"sellers.json"
            | b"humans.txt"
            | b"security.txt"
            | b"llms.txt"
            | b"sitemap.xml"
            | b"sitemap_index.xml"
            | b"sitemap.txt"
            | b"sitemap.xml.gz"
            | b"browserconfig.xml"
            | b"crossdomain.xml"
            | b"manifest.json"
            | b"site.webmanifest"
            | b"manifest.webmanifest"
            | b"opensearch.xml"
            | b"service-worker.js"
            | b"sw.js"
            | b"feed"
            | b"rss.xml"
            | b"atom.xml"
            | b"index.xml"
            | b"traffic-advice"
    );
    known || name.starts_with(b"apple-touch-icon") || name.ends_with(b".map") || path.starts_with(b"/.well-known/")
}

/// Where people log in (the seed's `/login`, `/wp-login.php`, `/auth`, and the usual others).
pub(super) fn is_login(path: &[u8]) -> bool {
    let path = path.strip_suffix(b"/").unwrap_or(path);
    let name = memchr::memrchr(b'/', path).map_or(path, |at| path.get(at + 1..).unwrap_or_default());
    let known = matches!(
        name,
        b"login"
            | b"wp-login.php"
            | b"xmlrpc.php"
            | b"auth"
            | b"signin"
            | b"sign_in"
            | b"sign-in"
            | b"login.php"
            | b"login.html"
            | b"login.aspx"
            | b"login.jsp"
            | b"session"
            | b"sessions"
            | b"authenticate"
            | b"token"
            | b"do_login"
            | b"formlogin"
            | b"logincheck"
            | b"checklogin"
    );
    known || path == b"/administrator/index.php"
}

/// Folders of plugins.
pub(super) const FOLDERS: [&[u8]; 5] = [b"/wp-content/", b"/wp-includes/", b"/wp-admin/", b"/modules/mod_", b"/components/com_"];

/// A missing script or manual inside a WordPress folder: what scanners try one after another.
pub(super) fn missing_script(path: &[u8]) -> Option<&'static Rule> {
    let script = path.ends_with(b".php") || path.ends_with(b"/readme.txt");
    (script && FOLDERS.iter().any(|folder| memchr::memmem::find(path, folder).is_some())).then_some(&MISSING_SCRIPT)
}
