//! The registry's binary: command line, configuration, wiring.
//!
//! Nothing else is here: what a record is stands in `chain`, what an event may say in `clinical`, what the reports make
//! of it in `outcomes` and `safety`. This is the only crate that reads the clock, the environment and configuration.

mod access;
mod accounts;
mod cli;
mod commands;
mod configuration;
mod data;
mod demo;
mod deployment;
mod doorkeeper;
mod keyfile;
mod limits;
mod log_authority;
mod logging;
mod moving;
mod nats_submissions;
mod noted;
mod organisation;
mod passphrase;
mod password;
mod peer;
mod proofs;
mod reach;
mod routed;
mod signing;
mod spans;
mod telemetry;
mod tls;
mod tokens;
mod world;

use std::process::ExitCode;

use clap::Parser as _;

use cli::{Cli, Command};

/// Exit statuses beyond 0 (done); 2 is clap's own, too; docs/guide and `--help` state them all.
pub(crate) mod status {
    pub(crate) const BROKEN: u8 = 1;
    pub(crate) const USAGE: u8 = 2;
    pub(crate) const UNDECIDED: u8 = 3;
    pub(crate) const REJECTED: u8 = 4;
    pub(crate) const NOT_PERMITTED: u8 = 5;
    pub(crate) const CONFLICT: u8 = 6;
    pub(crate) const ENVIRONMENT: u8 = 7;
}

/// The exit status that a problem ends a command with.
pub(crate) fn status_of(problem: &api::Problem) -> u8 {
    match problem.status {
        401 | 403 => status::NOT_PERMITTED,
        409 => status::CONFLICT,
        500.. => status::ENVIRONMENT,
        _ => status::REJECTED,
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Some(file) = cli.passphrase_file {
        keyfile::take_passphrase_from(file);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: no runtime could be started: {error}");
            return ExitCode::from(status::ENVIRONMENT);
        }
    };
    if let Err(error) = start_logging(&cli.command) {
        eprintln!("error: {error:#}");
        return ExitCode::from(status::ENVIRONMENT);
    }
    let ended = runtime.block_on(commands::run(cli.command));
    // What it still does has spans, too.
    drop(runtime);
    telemetry::stop();
    match ended {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            // A reader that closed the pipe has what it wanted.
            if error
                .downcast_ref::<std::io::Error>()
                .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
            {
                return ExitCode::SUCCESS;
            }
            eprintln!("error: {error:#}");
            let status = error.downcast_ref::<api::Problem>().map_or(status::ENVIRONMENT, status_of);
            ExitCode::from(status)
        }
    }
}

/// Begins to log, where that is not left to a configuration.
fn start_logging(command: &Command) -> anyhow::Result<()> {
    match command {
        // A service logs as its configuration says.
        Command::Registrar(_) | Command::Notary(_) | Command::Projector { .. } | Command::Console(_) => {
            Ok(())
        }
        Command::Witness { config: Some(_), .. } => Ok(()),
        Command::Serve { log_json, otlp, .. } => {
            let spans = otlp.as_deref().map(|url| telemetry::start(url, "trialbook")).transpose()?;
            logging::start(*log_json, None, spans)
        }
        _ => logging::start(false, None, None),
    }
}
