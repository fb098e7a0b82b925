//! The commands, one file each. Exit codes: 0 fine, 1 failed while running, 2 bad usage or configuration.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command's answer goes to stdout, and why it failed to stderr")]

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::{self, Config, Problems};
use crate::http;

mod api;
mod check_config;
mod classify;
mod demo;
mod events;
mod explain;
mod healthcheck;
mod pseudonym;
mod reference;
mod replay;
mod run;
mod whole_logs;

/// Watches one self-hosted Linux machine by the logs that are already written, and serves what it saw to Prometheus.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = false)]
pub struct Cli {
    /// The configuration file; without it /etc/hostwarden/hostwarden.toml if there, else defaults.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve metrics about the configured logs, or about the usual ones (the default)
    #[command(after_help = "Example: hostwarden --config /etc/hostwarden/hostwarden.toml run")]
    Run,
    /// Check the configuration; binds nothing, writes nothing
    #[command(after_help = "Example: hostwarden --config hostwarden.toml check-config")]
    CheckConfig,
    /// Run on a made-up workload in a temporary folder; touches nothing else of this machine
    #[command(after_help = "Example: hostwarden demo --listen 127.0.0.1:9780 --rate 20")]
    Demo(demo::Arguments),
    /// Read whole logs, with the time in the log, and say what was in them
    #[command(
        after_help = "Example: hostwarden replay --format nginx_combined --output text /var/log/nginx/access.log.2.gz /var/log/nginx/access.log.1"
    )]
    Replay(replay::Arguments),
    /// Show what each record of a log is understood as, one JSON object each
    #[command(after_help = "Example: tail -5 /var/log/nginx/access.log | hostwarden explain --format nginx_combined")]
    Explain(explain::Arguments),
    /// Ask the running exporter what it holds against a client, term by term
    #[command(after_help = "Example: hostwarden why 203.0.113.7")]
    Why {
        /// An address, or the pseudonym that it is shown by.
        client: String,
    },
    /// Ask the running exporter who attacks slowly
    #[command(after_help = "Example: hostwarden watchlist")]
    Watchlist,
    /// Take a client off the running exporter's watchlist; needs a token to be set
    #[command(after_help = "Example: hostwarden forgive 203.0.113.7")]
    Forgive {
        /// An address, or the pseudonym that it is shown by.
        client: String,
    },
    /// Say what kind of attack each request is; requests as JSON lines on stdin
    #[command(after_help = r#"Example: echo '{"method":"GET","uri":"/.env","status":404,"user_agent":"curl/8.5.0"}' | hostwarden classify

Keys: uri, and what is known of method, status, user_agent, referer, host, body; others are left alone."#)]
    Classify,
    /// Ask the running exporter whether it works
    #[command(after_help = "Example: hostwarden healthcheck")]
    Healthcheck,
    /// Print a generated reference
    #[command(after_help = "Example: hostwarden reference env > .env.example")]
    Reference {
        /// Which one.
        #[arg(value_enum)]
        what: reference::What,
    },
    /// The pseudonym of a sender or client under the configured salt
    #[command(after_help = "Example: echo '+34 600 12 34 56' | hostwarden pseudonym")]
    Pseudonym {
        /// A phone number or an address; without it, lines from stdin.
        #[arg(allow_hyphen_values = true)]
        value: Option<String>,
    },
}

/// Why a command failed, and what it exits with.
#[derive(Debug)]
enum Failure {
    /// Exit code 2: the user must change something.
    Usage(String),
    /// Exit code 1.
    Running(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        let error = error.into();
        match error.downcast_ref::<http::Error>() {
            // Somebody else's port may be free at the next try.
            Some(error) if error.may_pass() => Self::Running(anyhow::anyhow!("{error}")),
            Some(error) => Self::Usage(error.to_string()),
            None => Self::Running(error),
        }
    }
}

/// Runs a command.
pub fn run(cli: Cli) -> ExitCode {
    let config = || load(cli.config.as_deref());
    let result = match cli.command.unwrap_or(Command::Run) {
        Command::Run => config().and_then(run::run),
        Command::CheckConfig => config().and_then(check_config::run),
        Command::Demo(arguments) => demo::run(arguments, config),
        Command::Replay(arguments) => config().and_then(|config| replay::run(config, &arguments)),
        Command::Explain(arguments) => config().and_then(|config| explain::run(config, &arguments)),
        Command::Why { client } => config().and_then(|config| api::why(&config, &client)),
        Command::Watchlist => config().and_then(|config| api::watchlist(&config)),
        Command::Forgive { client } => config().and_then(|config| api::forgive(&config, &client)),
        Command::Classify => classify::run(),
        Command::Healthcheck => config().and_then(healthcheck::run),
        Command::Reference { what } => reference::run(what),
        Command::Pseudonym { value } => config().and_then(|config| pseudonym::run(&config, value)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // Who reads our output may have enough of it (`| head`).
        Err(Failure::Running(error)) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(Failure::Running(error)) => {
            eprintln!("hostwarden: {error:#}");
            ExitCode::from(1)
        }
        Err(Failure::Usage(text)) => {
            eprintln!("hostwarden: {text}");
            ExitCode::from(2)
        }
    }
}

fn load(file: Option<&std::path::Path>) -> Result<Config, Failure> {
    let loaded = config::load_or_default(file, config::DEFAULT_FILE.as_ref(), config::environment());
    loaded.map_err(|problems| Failure::Usage(bad_configuration(&problems)))
}

fn bad_configuration(problems: &Problems) -> String {
    format!("the configuration cannot be used\n{problems}")
}

fn random_salt() -> anyhow::Result<String> {
    Ok(crate::setup::random_key()?.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let kind = |cause: &(dyn std::error::Error + 'static)| {
        let by_json = || cause.downcast_ref::<serde_json::Error>().and_then(serde_json::Error::io_error_kind);
        cause.downcast_ref().map(std::io::Error::kind).or_else(by_json)
    };
    error.chain().any(|cause| kind(cause) == Some(std::io::ErrorKind::BrokenPipe))
}
