//! Script in a value: tags, event handlers, `javascript:` and calls, as they must stand for a browser to run them.

use super::rules::rule;
use super::signatures::Signature;

/// Matched against decoded lower-case values.
pub(super) const SIGNATURES: &[Signature] = &[
    Signature {
        rule: rule!(Xss, "script tag", "Tried to run a script in a visitor's browser"),
        patterns: &[r"<[\s/!<]*s\s?c\s?r\s?i\s?p\s?t\b", r"</\s*script", r"\[a\]script>", r"\+?adw-script"],
    },
    Signature {
        rule: rule!(Xss, "event handler", "Tried to run a script in a visitor's browser through an event handler"),
        patterns: &[concat!(
            r#"[<"'`].*(?:^|[\s/"'`<>;&\\x0b\x0c}]|\b[a-z]+=\S*)on(?:abort|activate|after|animation|auxclick|before|begin|blur|bounce|cached?|can|change|click|close|context|copy|cut|dbl|data|"#,
            r#"drag|drop|duration|end|error|finish|focus|form|full|gesture|got|hash|input|invalid|key|load|lost|message|mouse|move|offline|online|open|page|paste|pause|play|point|popstate|prop|progress|"#,
            r#"rate|readystate|repeat|reset|resize|resume|scroll|search|seek|select|show|start|storage|stop|submit|time|toggle|touch|transition|unhandled|unload|volume|waiting|webkit|wheel|zoom)[a-z]*[^a-z0-9=<>]*="#
        )],
    },
    Signature {
        rule: rule!(Xss, "event handler with script", "Tried to run a script in a visitor's browser through an event handler"),
        patterns: &[
            r#"(?:^|[\s"'`>;/])on[a-z]{3,}\s*=\s*["'`({]?\s*(?:alert|confirm|prompt|eval|document\.|window\.|javascript:|location|self|top|this|fetch|settimeout|import|throw|string\.)"#,
            r#"<\s*[a-z][^>]*[\s/"']on[a-z]{3,}\s*="#,
        ],
    },
    Signature {
        rule: rule!(Xss, "javascript: address", "Tried to run a script in a visitor's browser through a link"),
        patterns: &[
            r#"[=("'`,>]\s*(?:javascript|vbscript|livescript|mocha)\s*:"#,
            r#"(?:javascript|vbscript)\s*:\s*[^\s]*[(=`'"\[]"#,
            r#"^\s*(?:javascript|vbscript):(?:/|[a-z]+\()"#,
            r"data:text/(?:html|xml|javascript)",
            r"data:(?:image/svg|application/xhtml)\+?\s?xml",
            r"^mhtml:https?:",
        ],
    },
    Signature {
        rule: rule!(Xss, "active tag", "Tried to put a tag that loads or runs something into a page"),
        patterns: &[
            r"<\s*/?\s*(?:script|iframe|svg|object|embed|applet|meta|base|link|style|frame|frameset|math|marquee|bgsound|isindex|layer|ilayer|xss|animate|animatetransform|noscript|plaintext)(?:[\s/>:]|$)",
            r"<\s*(?:img|image|video|audio|source|body|html|form|input|button|textarea|select|keygen|details|div|table|td|a|br|b|p|span|xml|portal|dialog|title|head|area|isindex|font|ul|li)\b[^<>]*[\s/]\w[\w:-]*\s*=",
            r"<\s*(?:br|input|table|body|html|img|image|div|form|meta|video|audio|textarea|button|details|title)\s*/?$",
            r"<!\[cdata\[|<!--\[if |<\?xml(?::namespace|[^>]*<\s*[a-z])|<\?import",
            r#"</(?:title|textarea|style|noscript|xmp|iframe)>\s*<"#,
        ],
    },
    Signature {
        rule: rule!(Xss, "script call", "Tried to run a script in a visitor's browser"),
        patterns: &[
            r"(?:^|[^a-z0-9_\s.])(?:alert|confirm|prompt)(?:\([^)\s]|`[^`]|\(\s*$|\(\)\s*[^\s\w])",
            r#"[<>"'`{=].*\b(?:alert|confirm|prompt)\s*[(`]"#,
            r"(?:^|[^a-z0-9_])\(?(?:alert|confirm|prompt|eval)\)?(?:\?\.)?(?:\.(?:call|apply|bind)\s*\(|\)\s*\()",
            r"(?:alert|confirm|prompt|eval)\?\.\(",
            r"\[\s*(?:\d+|\x22[a-z]+\x22)?\s*\]\.(?:some|map|find|filter|foreach|every|reduce)\(\s*(?:alert|confirm|prompt|eval)",
            r"\beval\s*\(\s*(?:atob|string|unescape|decodeuri|location|name|document|window)",
            r#"\b(?:document|window|self|top|parent|frames|this|globalthis)(?:\?)?(?:\.\s*(?:cookie|domain|location|write|writeln|defaultview|localstorage)\b\s*[()=\[;+}'"`)]|\s*\[\s*["'`])"#,
            r"^(?:document|window)\.(?:cookie|domain|location)$",
            r#"\bdocument\.(?:cookie|domain)\b[^\s]"#,
            r"string\.fromcharcode\s*\(\s*\d",
            r#"(?:settimeout|setinterval|new function|\bfunction)\s*\(\s*["'`]"#,
            r#"(?:\bnew\s+image\s*\(\)|\bnew\s+xmlhttprequest|navigator\.sendbeacon\(|\bfetch\(\s*["'`]?(?:https?:)?//)"#,
            r#"\.constructor(?:\.constructor)?\s*\(\s*["'`]"#,
            r#"\]\s*\[\s*["']?(?:constructor|filter|fill)["']?\s*\]"#,
            r"(?:\(!\[\]|\[\]\[\(|\(\[\]\+|\+!!\[\])",
        ],
    },
    Signature {
        rule: rule!(Xss, "script in a style", "Tried to run a script in a visitor's browser through a style sheet"),
        patterns: &[
            r"(?::|\b)expr(?:/\*.*\*/)?ession\s*\(",
            r"-moz-binding\s*:",
            r"behaviou?r\s*:\s*url\s*\(",
            r#"@i\\?m\\?port\s*(?:url|["'])"#,
            r#"style\s*=\s*["']?[^"'>]*(?:url\s*\(|expression)"#,
        ],
    },
    Signature {
        rule: rule!(Xss, "prototype pollution", "Tried to change how scripts of the page or server work by overwriting a prototype"),
        patterns: &[r"__proto__\s*(?:\[|\.|%|=|]|[\x22'])", r"constructor(?:\]?\[|\.)\s*prototype(?:\]?\[|\.)"],
    },
    Signature {
        rule: rule!(Xss, "header injection", "Tried to add headers of its own to an answer"),
        patterns: &[
            r"(?:[\r\n]|\xe5\x98[\x8a\x8d])\s*(?:set-cookie|location|content-type|content-length|x-[a-z-]+|refresh|link|access-control-[a-z-]+|host|transfer-encoding)\s*:",
            r"[\r\n]\s*http/\d",
        ],
    },
];

/// Matched with blanks, control characters, backslashes and comments taken out: browsers read over them.
pub(super) const COMPACT: &[Signature] = &[Signature {
    rule: rule!(Xss, "hidden javascript: address", "Tried to run a script in a visitor's browser, hidden from simple filters"),
    patterns: &[
        r#"(?:[=("'`]|&lt;|<[a-z]+)(?:javascript|vbscript|livescript):"#,
        r"<script[/>a-z]",
        r"<[a-z]+[^>]*(?:javascript|vbscript):",
        r#"(?:^|["'/<])on(?:click|error|load|focus|mouse[a-z]+)=(?:alert|confirm|prompt|eval)"#,
    ],
}];
