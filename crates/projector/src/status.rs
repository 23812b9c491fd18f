//! What a projector says about itself.

use chain::{LinkError, Position, RecordError, RecordHash, TreeSize};

/// How far a read model is, and how it fares. Every answer made from it is to carry this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// How many records are in the rows that are served.
    pub size: TreeSize,
    /// Hash of the last of them; zeros while there is none.
    pub head_hash: RecordHash,
    /// How many records are durable in the journal.
    pub journal_size: TreeSize,
    /// How many of them are not in the rows yet.
    pub lag_records: u64,
    /// What it is doing.
    pub state: State,
    /// How often another store took the place of the served one since the start.
    pub rebuilds: u64,
    /// The last thing that went wrong, for an operator; without subject data.
    pub last_error: Option<String>,
}

/// What a projector is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Following the journal.
    Running,
    /// Folding from the beginning. What is served meanwhile is the earlier read model if there is one, and else
    /// incomplete: see [`Status::lag_records`].
    Rebuilding,
    /// It cannot go on; what is served is the last good state.
    Stopped {
        /// Why.
        reason: StopReason,
    },
    /// It was told to stop and has closed its read model.
    Closed,
}

/// Why a projector cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StopReason {
    /// The next record does not continue the log.
    #[error("broken link: {0}")]
    Link(LinkError),
    /// The next record cannot be read.
    #[error("record {seq} is not a record: {source}")]
    Record {
        /// Which.
        seq: Position,
        /// Why not.
        source: RecordError,
    },
    /// The journal cannot hand out its next record.
    #[error("damage at record {seq} in {place}: {what}")]
    Journal {
        /// Which record.
        seq: Position,
        /// Where it should be.
        place: String,
        /// What contradicts what.
        what: String,
    },
    /// The fold does not take the next record.
    #[error("record {seq} cannot be folded: {what}")]
    Fold {
        /// Which record.
        seq: Position,
        /// What the fold said.
        what: String,
    },
    /// The fold panicked on the next record.
    #[error("the fold panicked at record {seq}")]
    Panic {
        /// Which record.
        seq: Position,
    },
    /// The read model failed, and so did the one made in its stead.
    #[error("the read model failed: {what}")]
    Store {
        /// What it said.
        what: String,
    },
    /// The projector itself panicked.
    #[error("the projector panicked")]
    Bug,
}
