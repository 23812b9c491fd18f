//! What can go wrong with a store, and what makes one doubtful.

use std::path::PathBuf;
use std::time::Duration;

/// Why a store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It was closed.
    #[error("the store is closed")]
    Closed,
    /// It failed earlier and its rows are in doubt.
    #[error("the store failed earlier and its rows are in doubt")]
    Unusable,
    /// A change without a key. Nothing was changed.
    #[error("a row's key is empty")]
    EmptyKey,
    /// The engine failed.
    #[error("the store failed to {op}")]
    Failed {
        /// What was tried.
        op: &'static str,
        /// What the engine or the system said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Why a store that was found was not kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Doubt {
    /// The process ended without closing it.
    #[error("it was not closed cleanly")]
    Unclean,
    /// Several stores lie side by side: a swap did not come to its end.
    #[error("{count} stores lie side by side")]
    Several {
        /// How many.
        count: usize,
    },
    /// Its rows mean something else.
    #[error("its rows are not of schema {wanted}")]
    Schema {
        /// The schema of the rows that were asked for.
        wanted: u32,
    },
    /// A file is missing, new or changed since it was closed.
    #[error("its files are not as they were when it was closed")]
    Changed,
    /// A file could not be read.
    #[error("its files cannot be read")]
    Unreadable,
    /// sled would not open it, or it holds no mark.
    #[error("the engine would not open it")]
    Refused,
    /// sled panicked while opening it.
    #[error("the engine panicked while opening it")]
    Panicked,
    /// sled did not open it in time.
    #[error("the engine did not open it within {limit:?}")]
    TimedOut {
        /// The time it was given.
        limit: Duration,
    },
}

/// Why not even an empty store could be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process, or another part of this one, has it open.
    #[error("the store in {dir} is in use")]
    InUse {
        /// Where it lies.
        dir: PathBuf,
    },
    /// The store beside which one was to be opened is closed.
    #[error("the store is closed")]
    Closed,
    /// A file could not be made, synced or listed.
    #[error("{op} failed on {path}")]
    Io {
        /// What was tried.
        op: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The engine would not open an empty directory.
    #[error("an empty store in {dir} could not be opened")]
    Engine {
        /// Where.
        dir: PathBuf,
        /// What happened.
        source: Doubt,
    },
}
