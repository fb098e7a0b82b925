//! The `hostwarden` command: arguments, command, exit code.

use std::process::ExitCode;

use clap::Parser;
use hostwarden::cli::Cli;

fn main() -> ExitCode {
    hostwarden::cli::run(Cli::parse())
}
