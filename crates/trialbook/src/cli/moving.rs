//! Options of moving, backing up and restoring logs.

use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;

use super::ProcessOptions;

/// Where logs are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Logs {
    /// In a data directory.
    Files(PathBuf),
    /// On these NATS servers.
    Nats(Vec<String>),
}

impl FromStr for Logs {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let is_server = |text: &str| text.starts_with("nats://") || text.starts_with("tls://");
        Ok(if is_server(text) {
            Self::Nats(text.split(',').map(|server| server.trim().to_owned()).collect())
        } else {
            Self::Files(text.into())
        })
    }
}

#[derive(Args)]
pub(crate) struct MigrateOptions {
    /// Where the logs are: a data directory that no server has open, or nats:// or tls:// servers with commas between them.
    #[arg(long, value_name = "PLACE")]
    pub(crate) from: Logs,
    /// Where they are to be. What is there already has to be the beginning of the same log; the rest is copied.
    #[arg(long, value_name = "PLACE")]
    pub(crate) to: Logs,
    /// Only this trial.
    #[arg(long, value_name = "ID")]
    pub(crate) trial: Option<clinical::TrialId>,
    /// How the servers are logged in to: `nats.*` of the configuration.
    #[command(flatten)]
    pub(crate) options: ProcessOptions,
}

#[derive(Args)]
pub(crate) struct BackupOptions {
    /// The directory to make; it must not exist.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Whose logs: those of `data` in its files, or on the servers where `nats.servers` is set.
    #[command(flatten)]
    pub(crate) options: ProcessOptions,
}

#[derive(Args)]
pub(crate) struct RestoreOptions {
    /// The backup.
    #[arg(value_name = "BACKUP")]
    pub(crate) backup: PathBuf,
    /// Where to: `data`'s files, or the servers where `nats.servers` is set.
    #[command(flatten)]
    pub(crate) options: ProcessOptions,
}
