//! Files that a value must not name: climbing out of a folder, files of the system, and wrappers that read or run files.

use super::rules::rule;
use super::signatures::Signature;

/// Files that attackers read first, below the root of a system or a project.
macro_rules! sensitive {
    () => {
        r"(?:etc[/\\]*(?:\./)*(?:passwd|shadow|hosts|group|issue|fstab|crontab|sudoers|hostname|resolv\.conf|motd|profile|environment|inetd\.conf|services|master\.passwd|security/|(?:nginx|apache2?|httpd|mysql|ssh|php\d*|init\.d|cron\.|ssl|redhat-release|debian_version|os-release|lsb-release|samba|vsftpd|proftpd|postfix|openvpn|my\.cnf|php\.ini))|(?:winnt|windows)[/\\]+(?:win\.ini|system\.ini|system32|repair|php\.ini|panther|debug|system)|boot\.ini|(?:c:)?[/\\]*(?:win|system)\.ini|web-inf[/\\]?\w*|webinf[/\\]?\w*|meta-inf[/\\]|proc[/\\]+(?:self|version|cmdline|mounts|net|cpuinfo|\d+)|\.ssh[/\\](?:id_|authorized|known)|id_rsa|\.htpasswd|\.htaccess|\.bash_history|\.git[/\\](?:config|head)|\.aws[/\\]credentials|wp-config\.php|web\.config|global\.asax?|var[/\\]+(?:log|www|lib/mysql|run/secrets|mail|spool)[/\\]|usr[/\\]+local[/\\]+|opt[/\\]+(?:lampp|tomcat)|inetpub[/\\]|ntuser\.dat|sam$|apache[/\\]logs[/\\]|xampp[/\\]|application\.(?:ya?ml|properties)|database\.yml|config\.inc\.php|settings\.py)"
    };
}

/// Matched against decoded lower-case values.
pub(super) const SIGNATURES: &[Signature] = &[
    Signature {
        rule: rule!(PathTraversal, "climbing to a file", "Tried to read a file outside of the served folder"),
        patterns: &[
            concat!(r"(?:\.\.|0x2e0x2e|\.\x00\.|%2e%2e)[^\s]*", sensitive!()),
            concat!(r"^(?:file:)?[/\\]?\.{3,}[/\\]?", sensitive!()),
            concat!(r"\.{4,}[/\\]*", sensitive!()),
        ],
    },
    Signature {
        rule: rule!(PathTraversal, "climbing", "Tried to climb out of the served folder"),
        patterns: &[
            r"(?:^|[/\\=:;,'\x22(])(?:\.\.[/\\]+\.?[/\\]*){2}",
            r"(?:^|[/\\=])\.{2,}[/\\]+(?:[^/\\\s]*[/\\]+)*\.{2,}[/\\]",
            r"^[/\\]+(?:\.[/\\]+)*\.{2,}[/\\]",
            r"(?:^|[/\\])\.{2,};?[/\\]{2,}\.{2,}",
            r"(?:\.{2,}|\.)?(?:0x2e){1,2}(?:0x2f|0x5c|x2e|[/\\])",
            r"\.\.(?:0x2f|0x5c|%2f|%5c|%c0|%c1|\x00|\xc0|\xc1|;/)",
            r"(?:^|/)(?:\./+){3}",
            r"(?:^|[/\\])(?:/?\.{1,2}/+/*){3}",
            r"^/\.{3,}(?:[/\\{]|$)",
            r"^[/\\]*\.{8,}[/\\]",
            r"^/{3,}\.\./",
            r"^(?:\.\.\\){1,}",
        ],
    },
    Signature {
        rule: rule!(FileInclusion, "file of the system", "Tried to read a file of the system through a parameter"),
        patterns: &[
            concat!(r"^(?:file:)?(?:[a-z]:)?[/\\]+(?:[a-z0-9_.-]+[/\\]+)?", sensitive!()),
            concat!(r"^", sensitive!(), r"(?:$|[\x00?#])"),
            r"^(?:etc/passwd|/?etcpasswd|boot\.ini|c:[/\\]+[a-z0-9_ -]+\.ini)",
            r"^[a-z]:[/\\]+(?:windows|winnt|boot|users|documents|inetpub|program files|xampp|autoexec|system volume)",
            r"^\\\\[\w.:\[\]-]+\\(?:[a-z]\$|\w+\\)",
            r"\\[a-z]\$\\",
            r"[=,>\x22'(]\s*/etc/(?:passwd|shadow|hosts|group)\b",
        ],
    },
    Signature {
        rule: rule!(FileInclusion, "wrapper that reads files", "Tried to read or run a file through a wrapper of the language"),
        patterns: &[
            r"(?:^|[=/(\x22'\s:])(?:php|phar|zip|zlib|compress\.zlib|compress\.bzip2|bzip2|glob|ogg|rar|ssh2(?:\.\w+)?|expect|input|netdoc)://",
            r"php://(?:filter|input|stdin|fd|memory|temp)",
            r"convert\.(?:base64|iconv|quoted)",
            r"data:(?:;|//|,|text/plain)[^\s]*(?:base64|<\?|,)",
            r"(?:^|[=(\x22'\s:>])file:(?:/{1,3}|[/\\]|\.{2}|[a-z]:)",
            r"^jar:(?:https?|file):",
        ],
    },
    Signature {
        rule: rule!(FileInclusion, "external entity", "Tried to make an XML parser read a file or ask elsewhere"),
        patterns: &[
            r"<!entity\b",
            r"<!doctype\s+[^>]*(?:\[|\bsystem\b|\bpublic\b\s+[\x22'][^\x22']*[\x22']\s+[\x22']http)",
            r"<xi:include|xinclude",
            r"xsi:schemalocation\s*=\s*[\x22']http",
        ],
    },
];

/// An address of a program, where a parameter's name says that files are loaded.
pub(super) const PROGRAM: &str = r"^(?:https?|ftps?|smb)://[^\s]+(?:\.(?:txt|php\d?|inc|asp|jsp|sh|pl|cgi|dat|phtml)\b|\?\s*$|\x00)|^https?://[^/]+\.php$|^https?:(?:www\.)?[^/]";
