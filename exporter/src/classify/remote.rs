//! Other machines in a value: addresses of the inside that a server might be made to ask, and hosts that exist to be asked.

use super::rules::rule;
use super::signatures::Signature;

/// Hosts that tell an attacker that a server asked them (operators of interactsh, Burp Collaborator and the like).
macro_rules! callback {
    () => {
        r"(?:oast\.(?:me|pro|live|site|online|fun|us)|oastify\.com|interact\.sh|interactsh\.com|burpcollaborator\.net|dnslog\.(?:cn|link|pw)|ceye\.io|requestbin\.\w+|canarytokens\.com|webhook\.site|pipedream\.net|r87\.(?:me|com)|bxss\.me|xss\.ht|ezxss\.\w+|pingb\.in|eyes\.sh|log4j\.bin|beeceptor\.com|ngrok\.(?:io|app))"
    };
}

/// Matched against decoded lower-case values.
pub(super) const SIGNATURES: &[Signature] = &[
    Signature {
        rule: rule!(Ssrf, "cloud metadata address", "Tried to read the keys of a cloud machine through the server"),
        patterns: &[
            r"169\.254\.(?:169\.254|170\.2)|metadata\.(?:google|goog|azure|packet|platformequinix)|instance-data(?:[./]|$)|fd00:ec2|100\.100\.100\.200|192\.0\.0\.192",
            r"/latest/(?:meta-data|user-data|dynamic)|computemetadata/v1|/metadata/(?:v1|instance)|/opc/v[12]/",
            r"//(?:2852039166|0xa9fea9fe|0xa9\.0xfe|0251\.0?376|\[::ffff:(?:a9fe|169\.254))",
        ],
    },
    Signature {
        rule: rule!(Ssrf, "address of this machine", "Tried to make the server ask itself"),
        patterns: &[
            r"^(?:[a-z][a-z0-9+.-]{1,12}:)?//(?:[^/@\s]*@)?(?:localhost|127(?:\.\d{1,3}){1,3}|127\.\d+|0\.0\.0\.0|0|\[(?:::|0{0,4}:)[^\]]*\]|2130706433|017700000001|0x7f[0-9a-f.]*|0177[0-7.]*|localtest\.me|[\w.-]*(?:127[.-]0[.-]0[.-]1|localhost)[\w.-]*)(?:[:/?#\\]|$)",
            r"//[\w.-]*\.(?:nip\.io|xip\.io|sslip\.io|localtest\.me|vcap\.me|lvh\.me|rbndr\.us)",
        ],
    },
    Signature {
        rule: rule!(Ssrf, "private address", "Tried to make the server ask a machine behind it"),
        patterns: &[
            r"^(?:https?|ftp|tcp|ws)://(?:[^/@\s]*@)?(?:10\.\d{1,3}|192\.168|172\.(?:1[6-9]|2\d|3[01]))\.\d{1,3}\.\d{1,3}",
            r"^https?://(?:0x[0-9a-f]{2,8}(?:\.0x[0-9a-f]{1,8}){0,3}|\d{8,10}|0\d+(?:\.0?\d+){3})(?:[:/?#]|$)",
            r"^https?://[\w.-]+\.(?:internal|svc|cluster\.local|consul)(?:[:/?#]|$)",
            r"^https?://[^/\s]*[#@\\][^/\s]*@?(?:localhost|127\.)",
        ],
    },
    Signature {
        rule: rule!(Ssrf, "protocol for talking to services", "Tried to make the server talk to a service behind it"),
        patterns: &[
            r"^(?:url:)?(?:gopher|dict|tftp|ldaps?|sftp|netdoc|rmi|imaps?|smtp|telnet|svn|smb|mongodb|redis|mysql|jdbc|jndi):/{0,2}[\w\[{*_%.:-]",
        ],
    },
    Signature {
        rule: rule!(Ssrf, "call-back host", "Tried to make the server ask a host that reports back to the attacker"),
        patterns: &[concat!(r"[\w-]\.", callback!(), r"(?:[^\w.-]|$)"), concat!(r"//", callback!(), r"(?:[^\w.-]|$)")],
    },
];

/// What is tried in the User-Agent and the Referer.
pub(super) const HEADERS: &[Signature] = &[
    Signature {
        rule: rule!(Scanner, "call-back host", "Tried to make the server ask a host that reports back to the attacker"),
        patterns: &[concat!(r"[\w-]\.", callback!(), r"(?:[^\w.-]|$)")],
    },
    Signature {
        rule: rule!(RceAttempt, "Shellshock", "Tried the Shellshock hole of bash to run a command"),
        patterns: &[r"\(\)\s*\{.*;?\s*\}\s*;", r"\(\)\s*\{\s*_;\s*\}\s*>"],
    },
    Signature {
        rule: rule!(RceAttempt, "code", "Tried to run code that stands in a header (written to a log first, then included)"),
        patterns: &[
            r"<\?(?:php|=)",
            r"\b(?:system|passthru|shell_exec|eval|base64_decode)\s*\(\s*[\x22'$]",
            r"\$_(?:get|post|request)\s*\[",
            r"[;|`]\s*(?:wget|curl)\s+(?:-\S+\s+)*http",
            r"#_memberaccess|getruntime\s*\(",
            r"\{\{\s*\d+\s*\*\s*\d+\s*\}\}",
            r"jdatabasedrivermysqli|o:\d+:\x22",
        ],
    },
    Signature {
        rule: rule!(Xss, "script", "Tried to plant a script where somebody reads the log or statistics"),
        patterns: &[r"<script\b", r"<(?:img|svg|iframe)\b[^>]*(?:on\w+\s*=|src\s*=)", r"javascript:\w+\("],
    },
    Signature {
        rule: rule!(SqlInjection, "SQL", "Tried to change a database query through a header"),
        patterns: &[
            r"'\s*(?:and|or|xor)\b.*(?:=|sleep|select|like)",
            r"\bunion\s+(?:all\s+)?select\b",
            r"(?:sleep|benchmark|pg_sleep|extractvalue|updatexml)\s*\(\s*[\d(]",
            r"waitfor\s+delay\s*'",
            r"'\s*\+\s*\(select|\(select\s*\(|xor\(if\(",
        ],
    },
    Signature {
        rule: rule!(PathTraversal, "climbing to a file", "Tried to read a file outside of the served folder"),
        patterns: &[r"(?:\.\./){3}|/etc/passwd"],
    },
];

/// Whether a value holds a host that exists to be asked.
pub(super) fn is_callback(value: &[u8]) -> bool {
    [&b"oast"[..], b"burpcollaborator", b"interact.sh", b"dnslog", b"ceye.io"]
        .iter()
        .any(|part| memchr::memmem::find(value, part).is_some())
}
