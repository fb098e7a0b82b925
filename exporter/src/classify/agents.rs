//! What kind of program asks, by its own word. Only an attack tool is an attack: surveys of the internet, search engines and libraries
//! are not, and a name proves nothing in either direction.

use aho_corasick::{AhoCorasick, AhoCorasickBuilder, AhoCorasickKind, MatchKind};

/// A kind of program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AgentKind {
    /// Looks for holes, or uses them.
    AttackTool,
    /// Surveys the internet and says so.
    Survey,
    /// Gathers text for language models.
    Ai,
    /// Counts links for marketing.
    Seo,
    /// A search engine, or a preview of links.
    Search,
    /// Watches whether sites are up.
    Monitor,
    /// A library or command without a name of its own.
    HttpLibrary,
    /// A browser.
    Browser,
    /// Anything else, also nothing.
    Other,
}

/// Parts of names, lower case. Sources: crawler-user-agents, well-known-bots, ai.robots.txt and crowdsecurity/sec-lists (all MIT), and
/// the tools' own default names. Of "scanners" listed there, those that name who surveys and why are surveys.
const NAMES: &[(AgentKind, &[&str])] = &[
    (
        AgentKind::AttackTool,
        &[
            "nikto",
            "sqlmap",
            "nmap scripting",
            "nmap nse",
            "masscan",
            "zgrab",
            "nuclei",
            "projectdiscovery",
            "wpscan",
            "dirbuster",
            "gobuster",
            "fuzz faster",
            "ffuf",
            "feroxbuster",
            "dirsearch",
            "openvas",
            "nessus",
            "acunetix",
            "netsparker",
            "invicti",
            "w3af",
            "whatweb",
            "havij",
            "zmeu",
            "jorgee",
            "morfeus",
            "muieblackcat",
            "muhstik",
            "thc-hydra",
            "(hydra)",
            "jaeles",
            "xspider",
            "arachni",
            "skipfish",
            "vega/1",
            "burpsuite",
            "burp suite",
            "hello, world",
            "hello, worl",
            "libredtail",
            "l9explore",
            "l9tcpid",
            "lkxscan",
            "go-scanner",
            "interactsh",
            "commix",
            "xsser",
            "xsstrike",
            "dalfox",
            "wfuzz",
            "sqlninja",
            "bbqsql",
            "joomscan",
            "droopescan",
            "cmsmap",
            "wprecon",
            "t0phack",
            "datacha0s",
            "dfind",
            "w00tw00t",
            "fimap",
            "grendel-scan",
            "paros/",
            "webshag",
            "wikto",
            "nosqlmap",
            "tplmap",
            "kinsing",
            "mozi.",
            "gafgyt",
            "mirai",
            "custom-asynchttpclient",
            "blackwidow",
            "sysscan",
            "libwhisker",
            "metasploit",
            "msfconsole",
            "webinspect",
            "appscan",
            "qualys was",
            "rapid7 insight",
            "nexpose",
            "jbrofuzz",
            "dotdotpwn",
            "sqlworm",
            "absinthe",
            "pangolin",
            "sqlbrute",
            "webcruiser",
            "brutus/",
            "medusa",
            "ncrack",
            "patator",
            "aquatone",
            "katana/",
            "httpx - open-source",
            "subfinder",
            "gospider",
            "hakrawler",
            "zaproxy",
            "zed attack proxy",
            "owasp zap",
            "owasp_zap",
            "vulnerability scanner",
            "wordpress hash grabber",
            "wpsec",
            "mercuryboard_user_agent",
            "nasl",
            "evasions:none",
            "sql injection",
            "tsunamisecurityscanner",
            "wordlist",
            "expressvulnscan",
            "gbrmss",
            "bsqlbf",
            "sqlsus",
            "mysqloit",
            "struts-pwn",
            "log4j-scan",
            "log4shell",
            "cgichk",
            "voideye",
            "httprint",
            "springenwerk",
            "webvulnscan",
            "paloalto scanner",
            "keydrop.io",
            "xfa1,nvdorz",
            "mj23dd",
            "rootkit",
            "gowitness",
            "x-scan",
            "uniscan",
            "golismero",
            "vulscan",
            "wafw00f",
            "whatwaf",
            "cobalt strike",
            "r00t",
        ],
    ),
    (
        AgentKind::Survey,
        &[
            "censysinspect",
            "censys",
            "expanse",
            "palo alto networks",
            "internet-measurement",
            "internetmeasurement",
            "bitsight",
            "shodan",
            "netcraft",
            "netsystemsresearch",
            "securitytrails",
            "leakix",
            "l9scan",
            "shadowserver",
            "onyphe",
            "binaryedge",
            "stretchoid",
            "internettl",
            "project sonar",
            "rapid7",
            "odin;",
            "getodin",
            "ivre-masscan",
            "cypex",
            "visionheight",
            "driftnet",
            "modatscanner",
            "modat",
            "fofa",
            "zoomeye",
            "quake",
            "cert.pl",
            "csirt",
            "research",
            "scanner",
            "survey",
            "dorkbot",
            "ssl labs",
            "testssl",
            "detectify",
            "probely",
            "ipip.net",
            "securityheaders",
            "letsencrypt",
            "let's encrypt",
            "sucuri",
            "virustotal",
            "safedns",
            "air.ai/scanning",
            "hstspreload",
        ],
    ),
    (
        AgentKind::Ai,
        &[
            "gptbot",
            "chatgpt-user",
            "oai-searchbot",
            "claudebot",
            "claude-web",
            "claude-user",
            "claude-searchbot",
            "anthropic-ai",
            "perplexitybot",
            "perplexity-user",
            "ccbot",
            "bytespider",
            "amazonbot",
            "google-extended",
            "meta-externalagent",
            "meta-externalfetcher",
            "facebookbot",
            "cohere-ai",
            "diffbot",
            "youbot",
            "timpibot",
            "omgili",
            "imagesiftbot",
            "mistralai",
            "duckassistbot",
            "petalbot",
            "ai2bot",
            "friendlycrawler",
            "img2dataset",
            "icc-crawler",
            "applebot-extended",
            "pangubot",
            "kangaroo bot",
            "webzio",
        ],
    ),
    (
        AgentKind::Seo,
        &[
            "ahrefs",
            "semrush",
            "mj12bot",
            "majestic",
            "dotbot",
            "rogerbot",
            "screaming frog",
            "serpstat",
            "seokicks",
            "siteauditbot",
            "blexbot",
            "dataforseo",
            "barkrowler",
            "babbar",
            "seobility",
            "sistrix",
            "linkdex",
            "seoscanners",
            "serpstatbot",
            "spyfu",
            "awario",
            "brandwatch",
            "brightedge",
        ],
    ),
    (
        AgentKind::Search,
        &[
            "googlebot",
            "google-inspectiontool",
            "googleother",
            "adsbot-google",
            "mediapartners-google",
            "bingbot",
            "bingpreview",
            "msnbot",
            "yandex",
            "baiduspider",
            "duckduckbot",
            "applebot",
            "sogou",
            "qwant",
            "seznambot",
            "yahoo! slurp",
            "mojeekbot",
            "exabot",
            "ia_archiver",
            "archive.org_bot",
            "facebookexternalhit",
            "facebookcatalog",
            "twitterbot",
            "linkedinbot",
            "slackbot",
            "slack-imgproxy",
            "discordbot",
            "telegrambot",
            "whatsapp",
            "pinterest",
            "redditbot",
            "skypeuripreview",
            "embedly",
            "coccocbot",
            "naverbot",
            "yeti/",
            "mastodon",
            "feedly",
            "feedfetcher",
            "newsblur",
            "iframely",
        ],
    ),
    (
        AgentKind::Monitor,
        &[
            "uptime-kuma",
            "uptimerobot",
            "pingdom",
            "statuscake",
            "site24x7",
            "betteruptime",
            "better uptime",
            "prometheus/",
            "blackbox-exporter",
            "blackbox_exporter",
            "healthcheck",
            "health-check",
            "elb-healthchecker",
            "kube-probe",
            "googlehc",
            "datadog",
            "newrelic",
            "grafana",
            "zabbix",
            "nagios",
            "check_http",
            "monit/",
            "hetrixtools",
            "cronitor",
            "freshping",
            "updown.io",
            "gatus",
            "checkly",
            "icinga",
        ],
    ),
    (
        AgentKind::HttpLibrary,
        &[
            "curl/",
            "wget/",
            "python-requests",
            "python-urllib",
            "python-httpx",
            "aiohttp",
            "go-http-client",
            "okhttp",
            "java/",
            "apache-httpclient",
            "axios/",
            "node-fetch",
            "undici",
            "got (",
            "libwww-perl",
            "ruby",
            "guzzlehttp",
            "php/",
            "restsharp",
            "postmanruntime",
            "insomnia/",
            "httpie",
            "dart/",
            "reqwest",
            "faraday",
            "winhttp",
            "scrapy",
            "mechanize",
            "http_request",
            "urlgrabber",
            "jakarta",
            "lwp::",
            "twilioproxy",
            "stripe/",
        ],
    ),
    (AgentKind::Browser, &["mozilla/", "opera/", "lynx/", "links (", "w3m/"]),
];

/// What browsers and harmless programs call themselves is full of.
pub(super) const USUAL_IN_AGENTS: &[u8] =
    b"Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 \
    (KHTML, like Gecko) Chrome/134.0.0.0 Safari/537.36 Edg/133.0.0.0 OPR/ Version/18.3 Mobile/15E148 (iPhone; CPU iPhone OS 17_7 like Mac OS X) \
    (iPad; CPU OS) CriOS/134 FxiOS/ SamsungBrowser/27.0 (Linux; Android 14; Mobile; SM-A546B Build/) (X11; Ubuntu; Linux x86_64) (compatible; \
    bot; +http://www. +https:// .com/bot.html Bot/2.1 crawler spider";

/// The names compiled into one automaton.
pub struct Agents {
    names: AhoCorasick,
    kinds: Vec<AgentKind>,
}

impl Agents {
    /// Compiles the table.
    pub fn new() -> Self {
        let all = || NAMES.iter().flat_map(|(kind, names)| names.iter().map(|name| (*kind, *name)));
        Self { names: automaton(all().map(|(_, name)| name.as_bytes()), Case::Any), kinds: all().map(|(kind, _)| kind).collect() }
    }

    /// The kind of the program that calls itself `agent`: of several names the most telling, in the order of [`AgentKind`].
    pub fn kind(&self, agent: &[u8]) -> AgentKind {
        let found = self.names.find_overlapping_iter(agent.get(..MAX_BYTES).unwrap_or(agent));
        found.filter_map(|one| self.kinds.get(one.pattern().as_usize()).copied()).min().unwrap_or(AgentKind::Other)
    }
}

impl Default for Agents {
    fn default() -> Self {
        Self::new()
    }
}

/// The names of attack tools alone: all that the class of a request needs.
pub(super) fn tools() -> impl Iterator<Item = &'static [u8]> {
    let tools = NAMES.iter().filter(|(kind, _)| *kind == AgentKind::AttackTool);
    tools.flat_map(|(_, names)| names.iter()).map(|name| name.as_bytes())
}

/// The most that is read of an agent, in bytes.
const MAX_BYTES: usize = 1_024;

/// Of what texts an automaton is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Case {
    /// As they came.
    Any,
    /// Lower case already.
    Lower,
}

/// An automaton of needles in lower case. Not the fastest kind, but ten times smaller: filters see to it that few texts get here.
/// One without needles, should the table be too large to compile: tests look at each needle.
pub(super) fn automaton<'a>(needles: impl Iterator<Item = &'a [u8]>, case: Case) -> AhoCorasick {
    let needles: Vec<&[u8]> = needles.collect();
    let kind = Some(AhoCorasickKind::ContiguousNFA);
    let mut builder = AhoCorasickBuilder::new();
    builder.ascii_case_insensitive(case == Case::Any).match_kind(MatchKind::Standard).kind(kind);
    builder.build(&needles).or_else(|_| AhoCorasick::new(&needles)).unwrap_or_else(|_| empty())
}

fn empty() -> AhoCorasick {
    let none: [&[u8]; 0] = [];
    AhoCorasick::new(none).unwrap_or_else(|_| empty())
}
