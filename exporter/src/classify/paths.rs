//! What an attacked path means: secrets, backups, repositories, holes by their path, panels of products that are not installed here.
//!
//! Needles are parts of resolved lower-case paths. A path that an own application may serve counts only when it is refused or missing.

use std::collections::HashMap;

use aho_corasick::AhoCorasick;

use super::agents::automaton;
use super::rules::{Rule, rule};

/// Where in a path a needle must stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spot {
    /// Anywhere.
    Part,
    /// A whole segment, or several.
    Segment,
    /// At the end.
    End,
    /// All of it; a slash at its end does not count.
    Whole,
}

/// With which answers a path counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum When {
    /// With any: nobody asks for it who means well.
    Always,
    /// Refused or missing (400 and more).
    Refused,
    /// Missing (404, 410), or forbidden outright (403, 444).
    Missing,
}

pub(super) struct PathRule {
    pub(super) rule: Rule,
    pub(super) spot: Spot,
    pub(super) when: When,
    pub(super) needles: &'static [&'static str],
}

use Spot::{End, Part, Segment, Whole};
use When::{Always, Missing, Refused};

/// Sources: seeds' own lists; crowdsecurity/sec-lists (sensitive_data, trendy_cves, admin_interfaces; MIT); paths of published holes.
pub(super) const RULES: &[PathRule] = &[
    PathRule {
        rule: rule!(ConfigProbe, "environment file", "Tried to read the environment file with passwords and keys of an application"),
        spot: Part,
        when: Always,
        needles: &["/.env", "/env.bak", "/env.backup", "/.flaskenv", "/env.production", "/env.dev.js", "/env.test.js", "/.environment"],
    },
    PathRule {
        rule: rule!(ConfigProbe, "version control folder", "Tried to read the source code and its history"),
        spot: Segment,
        when: Always,
        needles: &["/.git", "/.gitconfig", "/.git-credentials", "/.svn", "/.hg", "/.bzr", "/cvs/root", "/cvs/entries", "/.gitmodules"],
    },
    PathRule {
        rule: rule!(ConfigProbe, "keys and passwords", "Tried to read keys or passwords"),
        spot: Segment,
        when: Always,
        needles: &[
            "/.aws", "/.ssh", "/id_rsa", "/id_dsa", "/id_ed25519", "/id_ecdsa", "/.htpasswd", "/.passwd", "/.pgpass", "/.netrc", "/.npmrc", "/.pypirc", "/.dockercfg", "/.docker", "/.kube", "/.s3cfg", "/.boto",
            "/.my.cnf", "/.mysql_history", "/.bash_history", "/.sh_history", "/.zsh_history", "/.psql_history", "/.python_history", "/.history", "/.rhosts", "/aws/credentials", "/aws-credentials", "/.credentials", "/credentials.json",
            "/secrets.yml", "/secrets.json", "/secrets.yaml", "/.vault-token", "/server.key", "/privatekey.key", "/private.key", "/.msmtprc", "/.ftpconfig", "/sftp-config.json", "/.remote-sync.json", "/sftp.json", "/.terraform",
            "/terraform.tfstate", "/serviceaccountkey.json", "/wallet.dat", "/.gnupg", "/.azure", "/.gcloud", "/.config/gcloud", "/.openai", "/.anthropic", "/.cursor", "/.stripe", "/.sendgrid", "/.twilio",
        ],
    },
    PathRule {
        rule: rule!(ConfigProbe, "configuration file", "Tried to read the configuration of an application, with its passwords"),
        spot: Part,
        when: Always,
        needles: &[
            "/wp-config", "/.wp-config", "/configuration.php", "/config.inc.php", "/config.php.", "/config.php~", "/localsettings.php", "/settings.php.", "/database.php.", "/web.config", "/appsettings.json", "/appsettings.production",
            "/application.yml", "/application.properties", "/application-prod", "/parameters.yml", "/database.yml", "/docker-compose", "/.htaccess", "/.vscode/", "/.idea/", "/.ds_store", "/.travis.yml", "/.circleci", "/.gitlab-ci",
            "/_wpeprivate", "/.svn/", "/nginx.conf", "/php.ini", "/.user.ini", "/.mcp.json", "/laravel.log", "/storage/logs/", "/web-inf/", "/meta-inf/", "/web.xml", "/etc/passwd", "/etc/shadow", "/proc/self/",
            "/config/secrets", "/wp-content/debug.log", "/.bashrc", "/.profile", "/.lanproxy", "/.hta", "/connectionstrings", "/.jupyter/", "/_profiler/phpinfo", "/_environment", "/_profiler/open",
        ],
    },
    PathRule {
        rule: rule!(ConfigProbe, "database dump", "Tried to download a copy of the database"),
        spot: Part,
        when: Always,
        needles: &["/backup.sql", "/dump.sql", "/db.sql", "/database.sql", "/mysql.sql", "/users.sql", "/data.sql", "/site.sql", "/db_backup", "/mysqldump", "/localhost.sql", "/wordpress.sql", "/sql.sql", "/1.sql", "/backup.tar", "/backup.zip", "/www.zip", "/www.tar", "/wwwroot.", "/website.zip", "/htdocs.", "/public_html.", "/web.zip", "/web.tar", "/site.zip", "/site.tar"],
    },
    PathRule {
        rule: rule!(ConfigProbe, "backup or dump", "Tried to download a backup that somebody may have left"),
        spot: End,
        when: Refused,
        needles: &[
            ".sql", ".sql.gz", ".sql.zip", ".sql.bz2", ".sql.tar", ".sql.tar.gz", ".sql.7z", ".sql.rar", ".bak", ".old", ".swp", ".save", ".orig", ".backup", ".php~", ".php.txt", ".php_bak", ".bkp", ".rdb", ".mdb", ".sqlite", ".sqlite3",
            ".db", ".dump", ".ovpn", ".pem", ".ppk", ".key", ".pfx", ".p12", ".kdbx", ".tfvars", ".inc", ".conf", ".ini", ".yml.bak", ".pwd", ".listing", ".listings",
        ],
    },
    PathRule {
        rule: rule!(ConfigProbe, "archive in the root", "Tried to download a copy of the whole site"),
        spot: End,
        when: Missing,
        needles: &["/backup", "/backup.rar", "/backup.7z", "/archive.zip", "/old.zip", "/html.zip", "/wp.zip", "/wordpress.zip", "/admin.zip", "/config.zip", "/src.zip", "/code.zip", "/db.zip", "/data.zip", "/files.zip"],
    },
    PathRule {
        rule: rule!(ConfigProbe, "configuration or information page", "Looked for pages that tell about the server"),
        spot: Segment,
        when: Missing,
        needles: &[
            "/phpinfo", "/phpinfo.php", "/info.php", "/php_info.php", "/test.php", "/phptest.php", "/i.php", "/server-status", "/server-info", "/config.json", "/config.yml", "/config.yaml", "/config.php", "/config.xml", "/settings.json", "/debug.log",
            "/error_log", "/error.log", "/access.log", "/composer.json", "/composer.lock", "/package-lock.json", "/yarn.lock", "/gemfile", "/dockerfile", "/gruntfile.js", "/gulpfile.js", "/env.js", "/env.json",
            "/.gitignore", "/.dockerignore", "/.editorconfig", "/.cache", "/.config", "/.forward", "/.perf", "/.subversion", "/.cvsignore", "/.envrc", "/.project", "/.settings", "/swagger.json", "/swagger-ui.html", "/api-docs", "/v2/api-docs", "/openapi.json",
            "/install.php", "/installer.php", "/upgrade.php", "/trace.axd", "/elmah.axd", "/telescope", "/horizon", "/_debugbar", "/debug/default/view", "/crossdomain.xml.bak", "/_cat/indices", "/graphiql", "/api/swagger",
        ],
    },
    PathRule {
        rule: rule!(CveProbe, "phpinfo page", "Looked for a page that tells everything about PHP on the server"),
        spot: End,
        when: Refused,
        needles: &["phpinfo.php", "/pinfo.php", "/php-info.php", "/infophp.php", "/old_phpinfo.php"],
    },
    PathRule {
        rule: rule!(CveProbe, "PHPUnit", "Tried to run PHP code through PHPUnit (CVE-2017-9841)"),
        spot: Part,
        when: Always,
        needles: &["/eval-stdin.php", "/phpunit/src/util/", "/vendor/phpunit/"],
    },
    PathRule {
        rule: rule!(CveProbe, "router or camera hole", "Tried a known hole of a router, camera or network store"),
        spot: Part,
        when: Always,
        needles: &[
            "/boaform/", "/gponform/", "/hnap1", "/hedwig.cgi", "/setup.cgi", "/goform/", "/tmunblock.cgi", "/hndunblock.cgi", "/cgi-bin/nas_sharing.cgi", "/cgi-bin/videoconfiguration.cgi", "/cgi/networkdiag.cgi", "/picsdesc.xml", "/picdesc.xml",
            "/wanipcn.xml", "/ctrlt/deviceupgrade", "/upnpdev.htm", "/shell4.jsp", "/cgi-bin/mainfunction.cgi", "/cgi-bin/kerbynet", "/cgi-bin/supervisor", "/cgi-bin/viewlog.asp", "/cgi-bin/system_mgr.cgi", "/cgi-bin/account_mgr.cgi",
            "/apply.cgi", "/apply_sec.cgi", "/board.cgi", "/diag_form", "/device.rsp", "/soap.cgi", "/set_ltessid", "/getcfg.php", "/web_shell_cmd.gch", "/sdk/weblanguage", "/onvif/device_service", "/stssys.htm", "/rpc2_login", "/nette.micro",
            "/cgi-bin/authlogin.cgi", "/photo/p/api/", "/cgi-bin/test-cgi", "/cgi-bin/status", "/cgi-bin/rpc", "/cgi-bin/php", "/cgi-bin/bash", "/cgi-bin/sh", "/dvr/cmd", "/currentsetting.htm", "/ping.ccp", "/debug.cgi", "/syscmd", "/formlogin", "/api/fabric/device", "/cgi-bin/fwbcgi",
        ],
    },
    PathRule {
        rule: rule!(CveProbe, "VPN or firewall hole", "Tried a known hole of a VPN gateway or firewall"),
        spot: Part,
        when: Always,
        needles: &[
            "/remote/fgt_lang", "/remote/login", "/remote/logincheck", "/remote/error", "/remote/saml/login", "/dana-na/", "/dana-cached/", "/+cscoe+/", "/+cscot+/", "/ cscoe /", "/ cscot /", "/global-protect/", "/ssl-vpn/", "/vpns/", "/tmui/", "/mgmt/tm/", "/mgmt/shared/",
            "/sslvpn", "/sonicui/", "/cgi-bin/userlogin", "/php/ztp_gate.php", "/ztp_gate", "/php/utils/createremoteappwebsession", "/clients/mycrl", "/logon/logonpoint", "/nf/auth/", "/p/u/doauthentication.do", "/esp/cms_changedevicecontext", "/webui/index.html", "/webui_wsma", "/gsb/datetime.php", "/pan_help", "/menu/stapp", "/pcidss/report", "/rapi/filedownload",
        ],
    },
    PathRule {
        rule: rule!(CveProbe, "hole of a web application", "Tried a known hole of a web application"),
        spot: Part,
        when: Always,
        needles: &[
            "/_ignition/", "/actuator/gateway", "/actuator/env", "/actuator/heapdump", "/actuator/jolokia", "/jolokia/", "/telerik.web.ui", "/htmlawedtest.php", "/ghost/api/admin/session", ".php/.js.map", "/service/extension/backup", "/mboximport", "/autodiscover/autodiscover.xml/powershell",
            "/ecp/", "/owa/auth/", "/aspnet_client/", "/_layouts/15/toolpane", "/_vti_bin", "/_vti_pvt", "/struts2", "/showcase.action", ".action/", "/solr/admin", "/solr/select", "/invoker/", "/jmx-console", "/web-console/", "/wls-wsat/", "/_async/", "/console/css/", "/console/images/", "/uddiexplorer",
            "/manager/html", "/manager/text", "/host-manager/", "/wp-content/plugins/wp-file-manager", "/wp-file-manager", "/revslider", "/timthumb", "/kcfinder", "/elfinder", "/fckeditor", "/ckfinder", "/connector.minimal.php", "/uploadify", "/jquery-file-upload/", "/plupload", "/gravityforms/", "/wp-content/plugins/hellopress", "/wp-plain.php", "/ueditor",
            "/geoserver/wfs", "/confluence/pages/createpage", "/pages/doenterpagevariables", "/pages/createpage-entervariables", "/template/aui/text-inline", "/setup/setupadministrator.action", "/server-info.action", "/plugins/servlet/gadgets", "/secure/contactadministrators", "/rest/tinymce", "/goanywhere/", "/guestaccess.aspx",
            "/moveitisapi", "/human.aspx", "/human2.aspx", "/webinterface/", "/setupwizard.aspx", "/developmentserver/metadatauploader", "/sitecore/shell", "/druid/indexer", "/nacos/", "/hudson/", "/jenkins/script", "/druid/index.html",
            "/w00tw00t", "/core/skin/login.aspx", "/xampp/", "/phpmoadmin", "/phppgadmin", "/pma/", "/phpmyadmin/scripts", "/scripts/setup.php", "/mysqladmin", "/myadmin", "/sqlmanager", "/dbadmin", "/mysqldumper", "/msd/", "/db/webadmin", "/sphider", "/thinkphp", "/think/app", "/invokefunction",
            "/cgi-bin/printenv", "/cgi-bin/test.cgi", "/cgi-mod/", "/apisix/admin", "/api/v1/pods", "/exporttool/microsoft", "/ws_utc", "/opensearch.xml.php", "/suite-api", "/ui/vropspluginui", "/vsphere-client", "/eam/vib", "/catalog-portal/", "/ispirit/", "/seeyon/", "/weaver/", "/yyoa/", "/jeecg-boot/", "/ofcms", "/hikvision",
            "/isecure", "/artemis-portal", "/server/node_upgrade_srv", "/helpdesk/webobjects", "/mdm/checkin", "/mifs/", "/api/jsonws/invoke", "/crx/packmgr", "/crx/de", "/system/console", "/bin/querybuilder", "/reports/data/opt", "/rest/api/latest/repos", "/kylin/", "/airflow/code", "/airflow/trigger", "/ray/api", "/api/sonicos",
            "/apps/zxtm", "/fmlurlsvc", "/jars/upload", "/jobmanager/", "/pools/default", "/_search/scroll", "/_users/_all_docs", "/cf_scripts/", "/cfide/", "/lucee/admin", "/flex2gateway", "/index.cfm/../",
            "/sap/bc/", "/ctc/servlet", "/irj/", "/lcds/", "/livecycle/", "/vtigercrm", "/zentao/", "/rss/catalog/notifystock", "/downloader/", "/app/etc/local.xml", "/cgi-bin/webcm", "/cobbler_api", "/spring-boot", "/functionrouter", "/axis2-admin", "/axis2/",
        ],
    },
    PathRule {
        rule: rule!(RceAttempt, "program by its path", "Tried to run a program of the server"),
        spot: Part,
        when: Always,
        needles: &["/bin/sh", "/bin/bash", "/bin/id", "/usr/bin/", "/cmd.exe", "/winnt/system32", "/windows/system32", "/root.exe", "/bin/cat", "/bin/ls", "/powershell.exe"],
    },
    PathRule {
        rule: rule!(CveProbe, "administration page that is not here", "Looked for an administration page or an application that is not installed here"),
        spot: Segment,
        when: Missing,
        needles: &[
            "/wp-login.php", "/wp-admin", "/wp-json/wp/v2/users", "/xmlrpc.php", "/wlwmanifest.xml", "/wordpress", "/administrator", "/admin.php", "/adminer.php", "/adminer", "/phpmyadmin", "/pma", "/phpmyadmin2", "/phpmyadmin3", "/phpmyadmin4", "/phpmyadmin5", "/mysql",
            "/user/register", "/node/add", "/typo3", "/bitrix", "/joomla", "/drupal", "/magento", "/solr", "/jenkins", "/hudson", "/owa", "/webmail", "/cpanel", "/whm", "/plesk", "/webmin", "/boaform", "/cgi-bin", "/_all_dbs", "/_users", "/druid", "/nacos", "/geoserver",
            "/sitecore", "/umbraco", "/aspnet_client", "/login.cgi", "/login.php", "/login.asp", "/login.aspx", "/login.jsp", "/login.do", "/login.action", "/admin.asp", "/admin.aspx", "/admin.jsp", "/admin.cgi", "/admin.html", "/admin.htm", "/manager.php", "/zabbix", "/nagios", "/cacti", "/citrix", "/telescope", 
            "/autodiscover", "/ews", "/rdweb", "/adfs", "/evox", "/nmaplowercheck", "/nice ports,", "/hello.world", "/ab2g", "/ab2h", "/alive.php", "/sitemap.xml.gz.php", "/teorema505", "/superadmin", "/phpmanager", "/siteadmin", "/webadmin", "/admin1", "/admin_login", "/user/login.php",
        ],
    },
    PathRule {
        rule: rule!(CveProbe, "usual name of an administration page", "Looked for an administration page that is not here"),
        spot: Whole,
        when: Missing,
        needles: &[
            "/admin", "/manager", "/console", "/portal", "/panel", "/cms", "/backend", "/install", "/setup", "/setup.php", "/vpn", "/sdk", "/sftp", "/exchange", "/remote", "/actuator", "/mysql", "/wp", "/version", "/admin/login", "/admin/index.php", "/admin/config.php", "/admin/login.php", "/magmi", 
        ],
    },
    PathRule {
        rule: rule!(CveProbe, "Docker without a password", "Tried to reach a Docker engine that is open to everybody"),
        spot: Whole,
        when: Always,
        needles: &["/containers/json", "/v1.24/containers/json", "/v1.16/version", "/v1.41/containers/json", "/_ping/../"],
    },
    PathRule { rule: rule!(CveProbe, "phpMyAdmin by another name", "Looked for phpMyAdmin, to get at the databases"), spot: Part, when: Missing, needles: &["/phpmyadmin", "/php-myadmin", "/php-my-admin", "/phpmy", "/mysql-admin", "/sqladmin", "/sql-admin", "/dbweb", "/websql"] },
];

/// A path rule that needs something in the query too.
pub(super) struct QueryRule {
    pub(super) rule: Rule,
    /// Lower case, in the resolved path.
    pub(super) path: &'static str,
    /// Lower case, in the decoded query.
    pub(super) query: &'static str,
}

/// Holes that only the path and the query together show.
pub(super) const QUERY_RULES: &[QueryRule] = &[
    QueryRule { rule: rule!(RceAttempt, "PHP-CGI argument", "Tried to run PHP code through the arguments of PHP-CGI (CVE-2012-1823, CVE-2024-4577)"), path: "/", query: "-d allow_url_include" },
    QueryRule { rule: rule!(RceAttempt, "PHP-CGI argument", "Tried to run PHP code through the arguments of PHP-CGI (CVE-2012-1823, CVE-2024-4577)"), path: "/", query: "auto_prepend_file" },
    QueryRule { rule: rule!(CveProbe, "LuCI without login", "Tried a known hole of OpenWrt-based routers (CVE-2023-1389)"), path: "/cgi-bin/luci", query: "operation=" },
    QueryRule { rule: rule!(CveProbe, "PHP debugger", "Tried to start a remote PHP debugger"), path: "/", query: "xdebug_session_start=" },
    QueryRule { rule: rule!(CveProbe, "GraphQL introspection", "Tried to read the whole schema of an interface"), path: "/graphql", query: "__schema" },
    QueryRule { rule: rule!(CveProbe, "user list of WordPress", "Tried to read the names of WordPress users"), path: "/", query: "rest_route=/wp/v2/users" },
    QueryRule { rule: rule!(CveProbe, "file manager connector", "Tried a known hole of a file manager"), path: "connector", query: "cmd=file" },
];

static TECHNOLOGY: Rule = rule!(CveProbe, "panel of a product that is not here", "Looked for the login page or panel of a product that is not installed here");
static WEBSHELL: Rule = rule!(Webshell, "web shell by its name", "Looked for a web shell that another attacker may have left");

/// Panels and login pages of products, one path a line.
const TECHNOLOGIES: &str = include_str!("technologies.txt");
/// File names of web shells, one a line.
const WEBSHELLS: &str = include_str!("webshells.txt");

/// The tables compiled.
pub(super) struct Paths {
    needles: AhoCorasick,
    entries: Vec<(&'static Rule, Spot, When)>,
    /// Whole last segments.
    webshells: HashMap<&'static [u8], When, foldhash::fast::FixedState>,
}

/// What a path says, by the answer it got.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PathFinding {
    pub(super) always: Option<&'static Rule>,
    pub(super) refused: Option<&'static Rule>,
    pub(super) missing: Option<&'static Rule>,
}

impl PathFinding {
    fn add(&mut self, rule: &'static Rule, when: When) {
        let slot = match when {
            Always => &mut self.always,
            Refused => &mut self.refused,
            Missing => &mut self.missing,
        };
        if slot.is_none_or(|known| rule.class < known.class) {
            *slot = Some(rule);
        }
    }
}

impl Paths {
    pub(super) fn new() -> Self {
        let listed = TECHNOLOGIES.lines().filter(|line| !line.starts_with('#')).map(|line| match line.strip_prefix('=') {
            Some(whole) => (whole.trim_end_matches('/'), (&TECHNOLOGY, Whole, Missing)),
            None => (line, (&TECHNOLOGY, Part, Missing)),
        });
        let table = RULES.iter().flat_map(|one| one.needles.iter().map(|needle| (*needle, (&one.rule, one.spot, one.when))));
        let all: Vec<_> = table.chain(listed).collect();
        let webshells = WEBSHELLS.lines().filter(|line| !line.starts_with('#'));
        Self {
            needles: automaton(all.iter().map(|(needle, _)| needle.as_bytes())),
            entries: all.into_iter().map(|(_, entry)| entry).collect(),
            webshells: webshells.map(|line| line.strip_prefix('?').map_or((line.as_bytes(), Always), |name| (name.as_bytes(), Missing))).collect(),
        }
    }

    /// What a resolved lower-case path says.
    pub(super) fn find(&self, path: &[u8]) -> PathFinding {
        let mut found = PathFinding::default();
        for one in self.needles.find_overlapping_iter(path) {
            let Some(&(rule, spot, when)) = self.entries.get(one.pattern().as_usize()) else { continue };
            let rest = path.get(one.end()..).unwrap_or_default();
            let fits = match spot {
                Part => true,
                Segment => matches!(rest, [] | [b'/', ..]),
                End => rest.is_empty(),
                Whole => one.start() == 0 && matches!(rest, [] | [b'/']),
            };
            if fits {
                found.add(rule, when);
            }
        }
        let name = memchr::memrchr(b'/', path).map_or(path, |at| path.get(at + 1..).unwrap_or_default());
        if let Some(&when) = self.webshells.get(name) {
            found.add(&WEBSHELL, when);
        }
        found
    }
}

/// What of the tables counts with any answer: the words that a quick look at a target must search for.
pub(super) fn telling_words() -> impl Iterator<Item = &'static str> {
    let table = RULES.iter().filter(|one| one.when == Always).flat_map(|one| one.needles.iter().copied());
    let shells = WEBSHELLS.lines().filter(|line| !line.starts_with(['#', '?']));
    table.chain(shells)
}
