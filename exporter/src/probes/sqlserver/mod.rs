//! SQL Server, over its own protocol (TDS): can one reach it, log in and ask `SELECT @@VERSION`, and how long does each stage take. The
//! login needs no right but to connect.
//!
//! `stream.rs` watches the connection, which is what tells the stages apart; `failure.rs` says why one failed. Where the user turns it on,
//! `sqlcmd.rs` asks by a process in the server's container instead.

use std::fmt;
use std::time::{Duration, Instant};

use tiberius::{AuthMethod, Client, Config as Tds, EncryptionLevel};
use tokio::net::TcpStream;
use tokio::time::timeout_at;

use super::{Error, Probe, Seen, Work};
use crate::clock;
use crate::docker_api::Endpoint;
use crate::sample::Sample;
use crate::sample::sqlserver::{self, Reason, STAGES};

mod failure;
mod sqlcmd;
mod stream;

use failure::Failure;
use stream::{Watch, Watched};

/// Its name.
pub const NAME: &str = "sqlserver";

/// Settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// What is asked.
    pub instances: Vec<Instance>,
    /// Where Docker listens, for those that are asked in their container.
    pub engine: Endpoint,
}

/// An instance and how to get in.
#[derive(Clone, Debug, PartialEq)]
pub struct Instance {
    /// The label.
    pub name: String,
    /// Host name or address; not used if it is asked in its container.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// The login's name.
    pub user: String,
    /// Its password.
    pub password: Password,
    /// Whether all is encrypted; otherwise the login alone.
    pub encrypt: bool,
    /// Whether any certificate will do.
    pub trust_certificate: bool,
    /// The container to run sqlcmd in; `None`: it is asked over TDS.
    pub exec_container: Option<String>,
}

/// A password; it does not print.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// Hides `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("***")
    }
}

/// Asks the instances.
pub struct SqlServer {
    config: Config,
    limit: Duration,
}

impl SqlServer {
    /// Each instance may take nine tenths of `timeout`, the limit of the whole poll, so that one that hangs hides no other.
    pub fn new(config: Config, timeout: Duration) -> Self {
        Self { config, limit: timeout.mul_f64(0.9) }
    }
}

impl Probe for SqlServer {
    fn name(&self) -> &'static str {
        NAME
    }

    fn poll(&mut self) -> Work<'_> {
        Work::Async(Box::pin(async {
            let asked = self.config.instances.iter().map(|instance| ask(instance, &self.config.engine, self.limit));
            let answers = futures_util::future::join_all(asked).await;
            let problems: Vec<String> = answers.iter().filter_map(|(_, problem)| problem.clone()).collect();
            let samples = answers.into_iter().map(|(sample, _)| Sample::SqlServer(sample)).collect();
            let problem = (!problems.is_empty()).then(|| Error::failed("ask SQL Server", problems.join("; ")));
            Seen { samples, problem }
        }))
    }
}

/// Asks one instance. What was wrong is told for people, too.
async fn ask(instance: &Instance, engine: &Endpoint, limit: Duration) -> (sqlserver::Instance, Option<String>) {
    let mut watch = Watch::new(clock::stopwatch());
    let (result, stages, place) = match &instance.exec_container {
        None => {
            let result = version(instance, &mut watch, limit).await;
            (result, watch.stages(), format!("{}:{}", instance.host, instance.port))
        }
        Some(container) => {
            let result = sqlcmd::version(engine, container, instance, limit).await;
            // Stages cannot be told apart from outside; starting the process counts.
            let whole = result.is_ok().then(|| watch.begun().elapsed());
            (result, [None, None, None, whole], format!("container {container}"))
        }
    };
    let problem = result.as_ref().err().map(|failure| format!("{} ({place}): {failure}", instance.name));
    let version = result.map_err(|failure| failure.reason);
    (sqlserver::Instance { name: instance.name.clone(), stages, version }, problem)
}

/// The first line of the server's version.
async fn version(instance: &Instance, watch: &mut Watch, limit: Duration) -> Result<String, Failure> {
    let deadline = (watch.begun() + limit).into();
    let reached = timeout_at(deadline, reach(&instance.host, instance.port)).await;
    let tcp = reached.unwrap_or_else(|_| Err(Failure::timeout("connect to it", limit)))?;
    let connecting = Client::connect(tds(instance), Watched::new(tcp, watch));
    let connected = match timeout_at(deadline, connecting).await {
        Ok(Ok(client)) => Ok(client),
        Ok(Err(error)) => Err(Some(error)),
        Err(_) => Err(None),
    };
    // The client holds on to the watch; what it failed at is known only when it is gone.
    let client = match connected {
        Ok(client) => client,
        Err(error) => return Err(failed(error, watch.doing(), limit)),
    };
    let logged_in = clock::stopwatch();
    let answer = timeout_at(deadline, first_line(client)).await;
    watch.logged_in(logged_in);
    let line = answer.unwrap_or(Err(None)).map_err(|error| failed(error, watch.doing(), limit))?;
    watch.answered(clock::stopwatch());
    Ok(line)
}

fn failed(error: Option<tiberius::error::Error>, doing: &'static str, limit: Duration) -> Failure {
    error.map_or_else(|| Failure::timeout(doing, limit), |error| Failure::of_session(doing, &error))
}

async fn reach(host: &str, port: u16) -> Result<TcpStream, Failure> {
    let addresses: Vec<_> = match tokio::net::lookup_host((host, port)).await {
        Ok(addresses) => addresses.collect(),
        Err(_) => return Err(Failure::new("look up its host", Reason::UnknownHost, "the name is not known")),
    };
    let tcp = TcpStream::connect(&*addresses).await.map_err(|error| Failure::of_connection(&error))?;
    // Small messages back and forth, whose time is what is measured.
    tcp.set_nodelay(true).map_err(|error| Failure::of_connection(&error))?;
    Ok(tcp)
}

/// The driver's settings. Its own limits are off: ours hold.
fn tds(instance: &Instance) -> Tds {
    let mut tds = Tds::new();
    tds.host(&instance.host);
    tds.port(instance.port);
    tds.application_name("hostwarden");
    tds.authentication(AuthMethod::sql_server(&instance.user, &instance.password.0));
    tds.encryption(if instance.encrypt { EncryptionLevel::Required } else { EncryptionLevel::Off });
    if instance.trust_certificate {
        tds.trust_cert();
    }
    tds.handshake_timeout(None);
    tds.command_timeout(None);
    tds
}

/// The longest version that is shown, in characters; real ones have some 80.
const MAX_VERSION_CHARS: usize = 128;

/// Asks for the version, the only question there is.
async fn first_line(mut client: Client<Watched<'_>>) -> Result<String, Option<tiberius::error::Error>> {
    let row = client.simple_query("SELECT @@VERSION").await.map_err(Some)?.into_row().await.map_err(Some)?;
    let no_text = || tiberius::error::Error::Protocol("no row with a text".into());
    let row = row.ok_or_else(no_text).map_err(Some)?;
    let text: Option<&str> = row.try_get(0).map_err(Some)?;
    let line = text.and_then(|text| text.lines().next()).ok_or_else(no_text).map_err(Some)?;
    Ok(shown(line))
}

/// A version fit for a label.
fn shown(line: &str) -> String {
    let clean = line.trim().chars().take(MAX_VERSION_CHARS).map(|c| if c.is_control() || matches!(c, '"' | '\\') { '_' } else { c });
    clean.collect()
}

/// How long from one moment to the next.
fn between(from: Option<Instant>, to: Option<Instant>) -> Option<Duration> {
    Some(to?.saturating_duration_since(from?))
}

/// As many as there are names for.
type Stages = [Option<Duration>; STAGES.len()];
