//! Query languages besides SQL in a value: MongoDB's operators, LDAP filters, XPath, GraphQL.

use super::rules::rule;
use super::signatures::Signature;

/// Matched against decoded lower-case values and names.
pub(super) const SIGNATURES: &[Signature] = &[
    Signature {
        rule: rule!(SqlInjection, "MongoDB operator", "Tried to change a query of a document database"),
        patterns: &[
            r"\[\$(?:ne|eq|gte?|lte?|n?in|or|and|not|nor|where|regex|exists|expr|func|elemmatch|size|all|mod|type)\]",
            r#"[{,\["']\s*\$(?:ne|eq|gte?|lte?|n?in|or|and|not|nor|where|regex|exists|expr|func|elemmatch|size|all|mod|type|comment|gt)["']?\s*:"#,
            r"(?:^|[\s,;'\x22{|&])\$(?:where|or|nor|and|ne|gt|regex)\s*:",
            r"\bdb\.\w+\.(?:insert|find|findone|drop|update|remove|save|count|aggregate|deletemany|dropdatabase|mapreduce)\w*\s*\(",
            r"(?:^|[;'\x22|&])\s*(?:return\s*\(?\s*(?:true|1|this)|var\s+\w+\s*=\s*new\s+date|do\s*\{|while\s*\(\s*(?:true|1|\w+-\w+))",
            r"['\x22]\s*(?:\|\||&&)\s*(?:this\.|['\x22]?\w+['\x22]?\s*[!=]=)",
            r"\bthis\.\w+\s*(?:[!=]==?|\.match\()",
            r"new date\(\);?\s*(?:do|while)",
        ],
    },
    Signature {
        rule: rule!(SqlInjection, "LDAP filter", "Tried to change a search in a directory (LDAP)"),
        patterns: &[
            r"\*\s*\)+\s*\(+\s*[|&!(]?",
            r"\)\s*\(\s*[|&!]\s*\(?",
            r"\(\s*[|&!]\s*\(\s*\w+\s*[=~<>]",
            r"\)\s*\(\s*(?:uid|cn|sn|mail|user|objectclass|userpassword|password|ou|dc|givenname|samaccountname|memberof|department)\s*[=~<>:]",
            r"^\(?(?:objectclass|userpassword|uid|cn)[=:]\*?(?:\)|$|2\.5\.)",
            r":2\.5\.13\.\d+:=|:1\.2\.840\.113556\.1\.4\.803:=",
            r"^[*]\)+$|\x29\x00|^\*\(\|",
        ],
    },
    Signature {
        rule: rule!(SqlInjection, "XPath expression", "Tried to change a search in an XML document (XPath)"),
        patterns: &[
            r"['\x22)\]]\s*(?:\||or|and)\s*(?://|/\*|count\(|name\(|string-length\(|substring\(|position\(|contains\()",
            r"(?:count|name|string-length|substring|normalize-space)\(\s*(?:/|//|\.\.|@|name\()",
            r"\]\s*\|\s*//?\w|//\w+\[|/child::|/descendant::|/parent::|ancestor-or-self::",
        ],
    },
];
