//! Asks by `sqlcmd` in the container that SQL Server runs in, where the user wants that: for servers that cannot be reached otherwise. It
//! needs the right to start processes in containers.

use std::time::Duration;

use super::failure::Failure;
use super::{Instance, shown};
use crate::docker_api::exec::{self, Ended};
use crate::docker_api::{Endpoint, Error};
use crate::sample::sqlserver::Reason;

/// Where images have it, the newer ones first, and whether it encrypts and looks at certificates without being told.
const PROGRAMS: [(&str, bool); 2] = [("/opt/mssql-tools18/bin/sqlcmd", true), ("/opt/mssql-tools/bin/sqlcmd", false)];

/// What is being done, for people.
const DOING: &str = "run sqlcmd";

/// The most that it may write, with the heads that Docker adds.
const MAX_OUTPUT_BYTES: usize = 64 * 1024;

/// The first line of the server's version.
pub(super) async fn version(engine: &Endpoint, container: &str, instance: &Instance, limit: Duration) -> Result<String, Failure> {
    let asking = async {
        // On the command line it would be in events, and in the list of processes.
        let environment = [format!("SQLCMDPASSWORD={}", instance.password.0)];
        for (program, is_strict) in PROGRAMS {
            let command = command(program, is_strict, instance, limit);
            match exec::run(engine, container, &command, &environment, MAX_OUTPUT_BYTES).await {
                Ok(ended) if matches!(ended.code, 126 | 127) => {}
                Err(error) if is_not_there(&error) => {}
                Ok(ended) => return line(&ended),
                Err(error) => return Err(unreachable(container, &error)),
            }
        }
        Err(Failure::new(DOING, Reason::Unreachable, "the container has none where Microsoft's images have it"))
    };
    tokio::time::timeout(limit, asking).await.unwrap_or_else(|_| Err(Failure::timeout(DOING, limit)))
}

/// A fixed command without a shell. Nobody can stop it from outside: its own limits, half of ours for each of login and question, do.
fn command(program: &str, is_strict: bool, instance: &Instance, limit: Duration) -> Vec<String> {
    let secs = (limit.as_secs() / 2).max(1).to_string();
    let server = format!("127.0.0.1,{}", instance.port);
    let mut command = vec![program, "-S", &server, "-U", &instance.user];
    // The older one neither encrypts nor verifies unless it is told to, and loopback needs neither.
    if is_strict && instance.trust_certificate {
        command.push("-C");
    }
    command.extend(["-l", &secs, "-t", &secs, "-h", "-1", "-W", "-b", "-Q", "SET NOCOUNT ON; SELECT @@VERSION"]);
    command.into_iter().map(str::to_owned).collect()
}

/// Whether the engine says, in place of an exit code, that there is no such program.
fn is_not_there(error: &Error) -> bool {
    let texts = ["no such file or directory", "executable file not found"];
    matches!(error, Error::Refused { words, .. } if texts.iter().any(|text| words.contains(text)))
}

/// Nothing was run. What a proxy says is not repeated: it has seen the password.
fn unreachable(container: &str, error: &Error) -> Failure {
    let (reason, cause) = match error {
        Error::Connect(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
            (Reason::Refused, format!("connect to Docker: {error}"))
        }
        Error::Connect(error) => (Reason::Unreachable, format!("connect to Docker: {error}")),
        Error::Refused { status, .. } => {
            let cause = match status.as_u16() {
                404 => format!("there is no container {container}"),
                409 => format!("the container {container} does not run"),
                403 | 405 => format!("Docker, or a proxy before it, does not let processes be started (status {})", status.as_u16()),
                status => format!("Docker refuses with status {status}"),
            };
            (Reason::Unreachable, cause)
        }
        Error::Broken(_) | Error::Unaskable(_) => (Reason::Closed, "the connection to Docker broke".to_owned()),
        Error::TooLong(_) | Error::Unexpected(_) => (Reason::Garbage, "what came is no answer to the question".to_owned()),
    };
    Failure::new(DOING, reason, cause)
}

/// What tells in the output of a `sqlcmd` that failed why it did, in lower case; the first that is found holds. Some causes come along with
/// a time-out of the login that is none.
const SIGNS: [(&str, Reason, &str); 9] = [
    ("login failed for user", Reason::WrongPassword, "user or password are wrong (error 18456)"),
    ("msg 18456,", Reason::WrongPassword, "user or password are wrong (error 18456)"),
    ("certificate verify failed", Reason::Tls, "the certificate is not trusted (the setting `trust_certificate` takes any)"),
    ("ssl provider", Reason::Tls, "no TLS connection came about"),
    // WSAECONNREFUSED and WSAENOTCONN, as the driver names them on Linux too.
    ("error code 0x274d", Reason::Refused, "nobody listens at the port in the container"),
    ("error code 0x2749", Reason::Refused, "nobody listens at the port in the container"),
    ("error code 0x68", Reason::Closed, "the connection was cut"),
    ("timeout expired", Reason::Timeout, "sqlcmd had no answer in time"),
    ("msg ", Reason::Server, "the server told of an error"),
];

/// The first line that it wrote, or why there is none.
fn line(ended: &Ended) -> Result<String, Failure> {
    if ended.code == 0 {
        let text = String::from_utf8_lossy(&ended.stdout);
        let line = text.lines().map(str::trim).find(|line| !line.is_empty());
        return line.map(shown).ok_or_else(|| Failure::new(DOING, Reason::Garbage, "it wrote no version"));
    }
    let told = [&*ended.stderr, b"\n", &ended.stdout].concat();
    let told = String::from_utf8_lossy(&told).to_lowercase();
    let sign = SIGNS.iter().find(|(sign, ..)| told.contains(sign));
    let failure = |(_, reason, cause): &(&str, Reason, &str)| Failure::new(DOING, *reason, *cause);
    Err(sign.map_or_else(|| Failure::new(DOING, Reason::Server, format!("it ended with {}", ended.code)), failure))
}

#[cfg(test)]
mod tests {
    use hyper::StatusCode;

    use super::super::{MAX_VERSION_CHARS, Password};
    use super::*;

    fn instance(trust_certificate: bool) -> Instance {
        Instance {
            name: "shop".to_owned(),
            host: String::new(),
            port: 1_434,
            user: "watcher".to_owned(),
            password: Password::new("secret"),
            encrypt: true,
            trust_certificate,
            exec_container: Some("db".to_owned()),
        }
    }

    #[test]
    fn the_command_is_fixed_and_holds_no_password() {
        let told = |is_strict, trust, secs| command("sqlcmd", is_strict, &instance(trust), Duration::from_secs(secs)).join(" ");
        let query = "-h -1 -W -b -Q SET NOCOUNT ON; SELECT @@VERSION";
        assert_eq!(told(true, true, 9), format!("sqlcmd -S 127.0.0.1,1434 -U watcher -C -l 4 -t 4 {query}"));
        for (is_strict, trust) in [(true, false), (false, true), (false, false)] {
            assert_eq!(told(is_strict, trust, 0), format!("sqlcmd -S 127.0.0.1,1434 -U watcher -l 1 -t 1 {query}"));
        }
    }

    #[test]
    fn each_end_has_its_reason() {
        let odbc = "Sqlcmd: Error: Microsoft ODBC Driver 18 for SQL Server : ";
        for (code, stdout, stderr, expected) in [
            (0, "\r\nMicrosoft SQL Server 2022 - 16.0 \n\tJul\n", "", Ok("Microsoft SQL Server 2022 - 16.0")),
            (0, "a \"b\"\u{7}", "", Ok("a _b__")),
            (0, " \n", "noise", Err(Reason::Garbage)),
            (1, "", "Login failed for user 'watcher'..", Err(Reason::WrongPassword)),
            (1, "Msg 18456, Level 14, State 1", "", Err(Reason::WrongPassword)),
            (1, "", "Login timeout expired.\nTCP Provider: Error code 0x2749.", Err(Reason::Refused)),
            (1, "", "SSL Provider: [error:0A000086:SSL routines::certificate verify failed:self-signed]", Err(Reason::Tls)),
            (1, "", "Login timeout expired.", Err(Reason::Timeout)),
            (1, "Timeout expired", "", Err(Reason::Timeout)),
            (1, "Msg 976, Level 14, State 1", "", Err(Reason::Server)),
            (139, "", "", Err(Reason::Server)),
        ] {
            let ended = Ended { stdout: stdout.into(), stderr: format!("{odbc}{stderr}").into(), code };
            let told = line(&ended).map_err(|failure| failure.reason);
            assert_eq!(told.as_deref().map_err(|reason| *reason), expected, "{stdout:?} {stderr:?}");
        }
        let long = Ended { stdout: vec![b'x'; 9_000], ..Ended::default() };
        assert_eq!(line(&long).unwrap().len(), MAX_VERSION_CHARS);
    }

    #[test]
    fn an_engine_that_refuses_has_its_reason_and_is_not_repeated() {
        let refused = |status| Error::Refused { status: StatusCode::from_u16(status).unwrap(), words: "SQLCMDPASSWORD=secret".to_owned() };
        for (error, reason, cause) in [
            (refused(404), Reason::Unreachable, "there is no container db"),
            (refused(409), Reason::Unreachable, "the container db does not run"),
            (refused(403), Reason::Unreachable, "does not let processes be started (status 403)"),
            (refused(500), Reason::Unreachable, "refuses with status 500"),
            (Error::Connect(std::io::ErrorKind::ConnectionRefused.into()), Reason::Refused, "connect to Docker"),
            (Error::Connect(std::io::ErrorKind::NotFound.into()), Reason::Unreachable, "connect to Docker"),
            (Error::TooLong(9), Reason::Garbage, "no answer"),
        ] {
            let failure = unreachable("db", &error);
            assert_eq!(failure.reason, reason, "{error}");
            let told = failure.to_string();
            assert!(told.contains(cause) && !told.contains("secret"), "{told}");
        }
        let absent = Error::Refused { status: StatusCode::BAD_REQUEST, words: "exec: stat /opt: no such file or directory".to_owned() };
        assert!(is_not_there(&absent) && !is_not_there(&refused(500)));
    }
}
