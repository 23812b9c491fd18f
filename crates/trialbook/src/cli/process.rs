//! Options of services that run as processes of their own.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::configuration::{Assignment, Configuration};

/// How a process is configured: a file, the environment over it, these options over both.
#[derive(Args, Clone)]
pub(crate) struct ProcessOptions {
    /// The configuration file, TOML (docs/guide/configuration.md).
    #[arg(long, value_name = "FILE", env = "TRIALBOOK_CONFIG")]
    config: Option<PathBuf>,
    /// The process's own directory; over `data` of the file.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Where to listen; over `listen` of the file.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Set any other setting, such as nats.replicas=1; may be given several times.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<Assignment>,
}

impl ProcessOptions {
    /// The effective configuration.
    pub(crate) fn load(&self) -> anyhow::Result<Configuration> {
        let data = self.data.as_ref().map(|data| Assignment::of("data", data.display().to_string()));
        let listen = self.listen.map(|listen| Assignment::of("listen", listen.to_string()));
        let assignments: Vec<_> = data.into_iter().chain(listen).chain(self.set.iter().cloned()).collect();
        Configuration::load(self.config.as_deref(), &crate::world::variable, &assignments)
    }
}

#[derive(Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print what a process would work by, and where each value comes from. Secrets are masked.
    Show {
        /// Print JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        options: ProcessOptions,
    },
}
