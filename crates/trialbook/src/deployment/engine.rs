//! Where the logs of a deployment are: in files of the data directory, or on NATS.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use chain::TreeSize;
use clinical::TrialId;
use journal::Journal;
use journal_file::FileJournal;
use journal_nats::{Cluster, Durability, NatsJournal, OpenError};

use crate::data::Data;

/// What keeps the logs.
#[derive(Clone)]
pub(crate) enum Engine {
    /// Segment files in each trial's directory.
    Files,
    /// A JetStream stream for each trial.
    Nats {
        /// The servers.
        cluster: Arc<Cluster>,
        /// How many of them hold each log.
        replicas: usize,
    },
}

/// A trial's log, with what its engine can tell of it beyond the contract.
#[derive(Clone)]
pub(crate) enum Log {
    Files(Arc<FileJournal>),
    Nats(Arc<NatsJournal>),
}

impl Engine {
    /// The trials that have a log.
    pub(crate) fn trials(&self, data: &Data) -> Result<Vec<TrialId>> {
        match self {
            Self::Files => data.trials(),
            Self::Nats { cluster, .. } => {
                let names = cluster.trials().context("cannot list the logs")?;
                // A stream whose name is no trial's id is nobody's log.
                let mut trials: Vec<TrialId> = names.iter().filter_map(|name| name.parse().ok()).collect();
                trials.sort();
                Ok(trials)
            }
        }
    }

    /// Opens the log of a trial that is there. It must hold at least `floor` records: so many were durable once.
    pub(crate) fn open(&self, data: &Data, trial: &TrialId, floor: TreeSize) -> Result<Log> {
        match self {
            Self::Files => {
                let dir = data.trial(trial);
                // An empty journal in its place would take the trial for a new one.
                ensure!(
                    dir.join("journal").is_dir(),
                    "{} was opened, but its journal is gone",
                    dir.display()
                );
                open_files(&dir.join("journal"), trial, floor)
            }
            Self::Nats { cluster, replicas } => {
                let journal = NatsJournal::open(cluster, trial.as_str(), *replicas)?;
                let size = journal.head().size;
                ensure!(
                    size.0 >= floor.0,
                    "the log of trial {trial} on the servers holds {size} records, but {floor} were durable once: it was \
                     cut off or restored from a backup"
                );
                Ok(Log::Nats(Arc::new(journal)))
            }
        }
    }

    /// Makes the log of a new trial. Where another process has just made it, that one is opened.
    pub(crate) fn create(&self, data: &Data, trial: &TrialId) -> Result<Log> {
        match self {
            Self::Files => open_files(&data.trial(trial).join("journal"), trial, TreeSize(0)),
            Self::Nats { cluster, replicas } => {
                match NatsJournal::create(cluster, trial.as_str(), *replicas) {
                    Ok(journal) => Ok(Log::Nats(Arc::new(journal))),
                    Err(OpenError::Exists { .. }) => self.open(data, trial, TreeSize(0)),
                    Err(error) => Err(error.into()),
                }
            }
        }
    }
}

fn open_files(dir: &Path, trial: &TrialId, floor: TreeSize) -> Result<Log> {
    let options = journal_file::Options { floor, ..journal_file::Options::default() };
    let (journal, recovery) = FileJournal::open(dir, &options)
        .with_context(|| format!("cannot open the journal {}", dir.display()))?;
    if let Some((torn, copy)) = &recovery.torn {
        tracing::warn!(trial = %trial, copy = %copy.display(), "an unfinished append was cut off: {torn:?}");
    }
    Ok(Log::Files(Arc::new(journal)))
}

impl Log {
    pub(crate) fn journal(&self) -> Arc<dyn Journal> {
        match self {
            Self::Files(journal) => Arc::clone(journal) as Arc<dyn Journal>,
            Self::Nats(journal) => Arc::clone(journal) as Arc<dyn Journal>,
        }
    }

    /// Whether what is acknowledged need not be on any disk: the servers were not asked to prove it.
    pub(crate) fn is_for_play(&self) -> bool {
        matches!(self, Self::Nats(journal) if journal.durability() == Durability::Play)
    }

    /// Whether it is kept by servers, which have a clock of their own and may be out of reach.
    pub(crate) fn is_on_servers(&self) -> bool {
        matches!(self, Self::Nats(_))
    }

    /// Why nothing can be written just now, if it is known or can be found out without writing. Blocks.
    pub(crate) fn trouble(&self) -> Option<String> {
        match self {
            Self::Files(_) => None,
            Self::Nats(journal) => journal.probe().err().map(|error| error.to_string()),
        }
    }

    /// How far this machine's clock is ahead of the servers', in microseconds, or behind them; `None` where there are
    /// none, or they do not say. Blocks.
    pub(crate) fn clock_ahead(&self) -> Option<i64> {
        let Self::Nats(journal) = self else { return None };
        let before = crate::world::now().microseconds();
        let theirs = journal.server_time().ok().flatten()?.microseconds();
        let after = crate::world::now().microseconds();
        // They answered somewhere between the two; within them no difference can be told.
        Some(if theirs < before { before - theirs } else { (after - theirs).min(0) })
    }

    /// Asks the servers to prove that they sync what they acknowledge; a file's sync is its own proof. Blocks.
    pub(crate) fn prove(&self) -> Result<()> {
        match self {
            Self::Nats(journal) if journal.durability() == Durability::Proven => {
                Ok(journal.prove().map(drop)?)
            }
            Self::Files(_) | Self::Nats(_) => Ok(()),
        }
    }

    /// Whether the servers have proven that they sync what they acknowledge; a file's sync is its own proof.
    pub(crate) fn is_proven(&self) -> bool {
        match self {
            Self::Files(_) => true,
            Self::Nats(journal) => journal.health().proof.is_some(),
        }
    }
}
