//! Commands and code in a value: shell commands behind what separates them, functions of PHP, Python, Java and other languages,
//! templates, and serialised objects. A command's name alone is a word like others; it must stand where a shell would run it.

use super::rules::rule;
use super::signatures::Signature;

/// Commands whose names are hardly used otherwise.
macro_rules! rare {
    () => {
        r"(?:whoami|uname|wget|curl|ncat|netcat|bash|ksh|zsh|csh|powershell(?:\.exe)?|cmd(?:\.exe)?|chmod|chown|ifconfig|ipconfig|netstat|nslookup|tftp|ftpget|systeminfo|getent|printenv|busybox|useradd|mkfifo|socat|certutil|bitsadmin|wmic|rundll32|mshta|regsvr32|cscript|phpinfo|perl|python[23]?|hostname|traceroute|tracert|tasklist|crontab|xxd|lsb_release|nmap|lsof|ping(?:\.exe)?|arp|kill|pwd)"
    };
}
/// Commands that are words too: only with an argument that looks like one, or alone at the end.
macro_rules! common {
    () => {
        r"(?:id|ls|cat|dir|sleep|nc|sh|php|ruby|node|type|echo|printf|touch|rm|cp|mv|ps|dig|host|telnet|ssh|net|head|tail|more|less|tac|nl|od|tar|awk|sed|grep|find|env|set|which|w|who|uptime|df|mount|reboot|timeout|tee|test|expr|sudo|su|cd|vi|wc|ip|route|sort|time|date|reg|ver|print|start|exit|exec|eval|dash|ash|nid|read|strings|base64|openssl|curl|ping|rename|copy|del|md|rd|service|systemctl)"
    };
}
/// What follows a common command: an option, a path, a number, a variable, a quote; or the end.
macro_rules! argument {
    () => {
        r#"(?:\s+(?:[-/.~$\\"'*@|]|\d|[a-z]:|\w*[./]\w|\w+['"$])|\s*(?:$|[;|&`)#<>\n]|\$\{?ifs))"#
    };
}
/// Where a shell begins another command.
macro_rules! separator {
    () => {
        r#"(?:^\s*[;|&]+|[;|`\n\r]|&&|\$\(|[<>]\(|%0a)[\s"'(@{]*(?:\S*/(?:s?bin|usr)/)?(?:sudo\s+)?"#
    };
}

/// Matched against decoded lower-case values.
pub(super) const SIGNATURES: &[Signature] = &[
    Signature {
        rule: rule!(RceAttempt, "shell command behind ; | & or $(", "Tried to run a command on the server"),
        patterns: &[
            concat!(separator!(), rare!(), r#"(?:[\s;|&`)"'<>#-]|\$|$)"#),
            concat!(separator!(), common!(), argument!()),
            concat!(r"[\s\w]&\s?(?:", rare!(), "|", common!(), r")\s+(?:-\w|/\w|\d+\.|[a-z]:)"),
            concat!(r#"["']\s*(?:"#, rare!(), r")\s+-[a-z]\s"),
            r"\|\s*(?:set /a|sort|tee|xargs|base64 -d|more)\s",
            r"[a-z0-9'\x22)]\s*\|\s*(?:id|sh|bash|whoami|ls)\s*$",
            r"^\s*(?:id|uname|whoami|ls|dir)\s*\|\s*$",
            r"[+\s]*\|[+\s]*dir[+\s]c:|^[+\s]*dir[+\s]c:",
            r"`\s*(?:id|ls|uname|whoami|cat\s|sleep\s|ping\s|curl\s|wget\s|nslookup\s)",
        ],
    },
    Signature {
        rule: rule!(RceAttempt, "program by its path", "Tried to run a program of the server"),
        patterns: &[
            r#"(?:^|[;|&`=('":@,\n]\s*|\.\./|%)/?(?:usr/)?(?:local/)?s?bin/(?:ba|da|a|k|z|c|tc)?(?:sh|id|ls|cat|uname|whoami|wget|curl|ping|sleep|nc|netcat|perl|python\d?|php|ps|echo|rm|telnet|env|more|less|head|tail|touch|chmod|find|which|awk|netstat|ifconfig|hostname|busybox)\b"#,
            r"(?:cmd|command|powershell|ping|wscript|cscript)\.(?:exe|com)\b.{0,5}[\s/\x22'+?]",
            r"(?:^|[\s/\\;|&])cmd(?:\.exe)?\s*/[ckr]\b",
            r"powershell\s+-(?:e|enc|nop|c|w|ep|exec)",
            r"/dev/(?:tcp|udp)/",
            r"\$\{?ifs\b",
            r"(?:wget|curl)\s+(?:-\S+\s+){0,4}(?:https?|ftp)://",
            r"(?:wget|curl)(?:%20|\$\{?ifs\}?)+",
            r"\bchmod\s+(?:[0-7]{3,4}|[ugoa]*\+[rwx])",
            r"\brm\s+-r?f",
            r"\b(?:nc|ncat|netcat)\s+(?:-\w+\s+){0,4}(?:\d+\.){3}\d+\s+\d",
            r"\b(?:bash|sh)\s+-[ci]\s",
            r"cat\s+/et",
            r"cd\s+/tmp",
            r"/et['\x22\\]?c/pa['\x22\\]",
            r"\bphp\s+-r\s",
            r"c:[/\\]+windows[/\\]+system32",
        ],
    },
    Signature {
        rule: rule!(RceAttempt, "Shellshock", "Tried the Shellshock hole of bash to run a command"),
        patterns: &[r"\(\)\s*\{.*;?\s*\}\s*;", r"\(\)\s*\{\s*_;\s*\}\s*>"],
    },
    Signature {
        rule: rule!(RceAttempt, "PHP code", "Tried to run PHP code on the server"),
        patterns: &[
            r"<\?(?:php\b|=|\s*(?:echo|print|system|exec|passthru|eval|require|include|die)\b)",
            r"\b(?:system|passthru|shell_exec|proc_open|popen|pcntl_exec|assert|call_user_func(?:_array)?|create_function|file_put_contents|base64_decode|phpinfo|posix_getpwuid|get_defined_vars|array_map|error_log|php_uname)\s*\(\s*[\x22'$)]",
            r"(?:^|[;{}@(!])\s*(?:system|exec|passthru|shell_exec|phpinfo|eval|assert|die|print|md5|var_dump|echo|include|require|fopen|readfile|show_source|highlight_file)\s*\(\s*[\x22'$)\d]",
            r"^(?:call_user_func(?:_array)?|phpinfo|shell_exec|passthru|assert|system)$",
            r"\binvokefunction\b",
            r"\$_(?:get|post|request|server|cookie|files|session|env)\s*\[",
            r"\$\{@?(?:print|system|phpinfo|eval|exec|passthru|md5|die)\b",
            r"(?:allow_url_include|auto_prepend_file|disable_functions)\b",
            r"think\\+(?:app|container|view|request|config|template|module)",
        ],
    },
    Signature {
        rule: rule!(RceAttempt, "Java code", "Tried to run Java code on the server (an expression of OGNL, SpEL or Groovy)"),
        patterns: &[
            r"java\.(?:lang|io|util|net)\.[a-z]+[a-z.]*\s*[(@.'\x22)\]]",
            r"\bt\s*\(\s*java\.",
            r"getruntime\s*\(|\.getruntime\b|runtime@getruntime|processbuilder\s*\(|\bnew\s+processbuilder",
            r"#_memberaccess|#context\b|@ognl\.|#dm\s*=|xwork\.methodaccessor|#parameters\b|#attr\b|redirectaction:|action:\$\{|redirect:\$\{",
            r"\.getclass\s*\(\s*\)|class\.(?:module\.)?classloader|\bforname\s*\(",
            r"freemarker\.template|scriptenginemanager|javax\.script|org\.springframework|com\.sun\.|org\.apache\.commons\.(?:collections|io)",
            r"\$\{(?:script|url|dns):",
            r"^class\.module",
            r#""[a-z]+"\.execute\(\)|\[\x22[a-z/]+\x22[^\]]*\]\.execute\(\)"#,
        ],
    },
    Signature {
        rule: rule!(RceAttempt, "script code", "Tried to run Python, Perl, Ruby, ASP or JavaScript code on the server"),
        patterns: &[
            r"__import__\s*\(|__(?:class|mro|subclasses|globals|builtins|init)__",
            r"\bos\.(?:system|popen|exec[lv]?p?e?)\s*\(|subprocess\.(?:popen|call|run|check_output)|!!python/|\bimport\s+(?:os|socket|subprocess)\s*[;,\]]",
            r"require\s*\(\s*[\x22'](?:child_process|fs|os|net)[\x22']|process\.(?:mainmodule|binding|env)\b|child_process|global\.process",
            r"on error resume next|server\.(?:createobject|scripttimeout)|wscript\.shell|response\.write\s*\(",
            r"\b(?:io|kernel|file|dir)\.(?:popen|system|read|open)\s*\(\s*[\x22']|open\s*\(\s*[\x22']\|",
            r"system\.(?:diagnostics\.process|io\.file)|\bperl\s+-e\b|\bruby\s+-e\b|python[23]?\s+-c\b",
            r"--(?:exec|upload-pack|receive-pack|config|output)=\S",
            r"\bexec\s*\(\s*[\x22'(].*\)\s*$",
        ],
    },
    Signature {
        rule: rule!(RceAttempt, "server-side include", "Tried to make the web server run a command while it builds a page"),
        patterns: &[r"<!--\s*#\s*(?:exec|include|echo|config|printenv|set|fsize|flastmod)\b", r"<esi:\w"],
    },
    Signature {
        rule: rule!(RceAttempt, "template expression", "Tried to run code in a page template of the server"),
        patterns: &[
            r"\{\{.*\d\s*[*+%/-]\s*['\x22\d]",
            r"(?:\$\{|#\{|\*\{|@\{|~\{|\$\{\{|<%=?|\$\(|\{=|\{)\s*\(?\s*\d+\s*[*+%-]\s*\d+\s*\)?\s*(?:\}|%>|\))",
            r"@\(\s*\d+\s*[*+-]\s*\d+\s*\)",
            r"\{\{.*(?:\(|\bconfig\b|\bself\b|\brequest\.|\bsettings\b|__|\|attr|constructor|\$on|\blipsum\b|\bcycler\b|\bjoiner\b|\bnamespace\b|\[[\x22']|['\x22]\s*\|)",
            r"\{%-?\s*(?:if|for|set|import|include|debug|macro|extends|block|raw|with)\b",
            r"<%[=@!]?\s*[\w(.\x22'=-]",
            r"<#(?:assign|list|if|include|import|setting|function)\b|\?new\(\)",
            r"#set\s*\(\s*\$|\$class\.|\$\w+\.class\.|#evaluate\(|#foreach\s*\(",
            r"\{(?:php|literal|math\b|system\(|if\s+[a-z_]+\()[^}]*\}",
            r"[$#*@]\{[^}]*(?:\(|\bnew\s|getclass|t\(|\[['\x22])",
            r"\{\{=|\{\{#with|\{\{\s*range\.|\[\[\$\{|__\$\{",
        ],
    },
    Signature {
        rule: rule!(RceAttempt, "serialised object", "Tried to make the server load an object that runs code"),
        patterns: &[
            r"(?:^|[=:\s\x22'])ro0ab[a-z0-9+/ ]{2}",
            r"aced0005",
            r"\xac\xed\x00?\x05",
            r"\bo:\d+:\x22[\w\\]+\x22:\d+:\{",
            r"\ba:\d+:\{[is]:\d+[:;].*;?o:\d+:",
            r"aaeaaad/////",
            r"\bcos\n(?:system|popen)|\bc__builtin__|\bcposix\n",
            r"_\$\$nd_func\$\$_|ysoserial|\{\x22@type\x22\s*:|\x22rmi://",
        ],
    },
    Signature {
        rule: rule!(RceAttempt, "mail command injection", "Tried to send mail commands through a form"),
        patterns: &[
            r"[\r\n]+\s*(?:quit\b|rcpt to:|mail from:|data\b\s*[\r\n]|(?:b?cc|to):\s*\S+@|[a-z]\d{1,4} (?:capability|fetch|login|select|list|logout|create|search)\b)",
            r"[\r\n]+\s*(?:flushall|config set|slaveof|eval \x22)\b",
        ],
    },
];

/// A value that is a command, where a parameter's name says that commands are run.
pub(super) const COMMAND: &str =
    concat!(r"^\s*(?:\S*/)?(?:", rare!(), r"(?:[\s;|&+<>$]|$)|", common!(), r"(?:\s+[-/.~$'\x22\w]|\s*[;|&<>$]|\s*$))");
