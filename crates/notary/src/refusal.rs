//! Why a notary signs nothing any more, and what only makes it try again.

use archive::{GetError, PutError, TidyError};
use chain::note::VerifierKey;
use chain::tile::TilePath;
use chain::{RootHash, TreeSize};
use journal::ReadError;
use keep::CheckpointError;

use crate::growth::JournalFault;

/// Who states a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Side {
    /// The checkpoint that was kept when it was signed.
    Kept,
    /// The checkpoint that this very notary has signed last, since it started.
    Signed,
    /// The checkpoint that was kept when the quorum had cosigned.
    Witnessed,
    /// The checkpoint in the archive.
    Archive,
    /// A witness.
    Witness(String),
}

impl std::fmt::Display for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Kept => f.write_str("the checkpoint kept"),
            Self::Signed => f.write_str("the checkpoint signed last"),
            Self::Witnessed => f.write_str("the witnessed checkpoint kept"),
            Self::Archive => f.write_str("the archive's checkpoint"),
            Self::Witness(name) => write!(f, "witness {name}"),
        }
    }
}

/// What is the matter with a file of the archive that the last checkpoint covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArchiveFault {
    /// It is not there.
    Missing,
    /// It is not what the journal's records make up.
    Different,
}

impl std::fmt::Display for ArchiveFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Missing => "is missing",
            Self::Different => "differs from what the journal's records make up",
        })
    }
}

/// Why the notary signs nothing: two of those who must agree do not. It takes a person to find out which is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The journal ends below what was signed or cosigned: an older copy was restored, or its end is lost.
    #[error("the journal holds {journal} records, {side} is over {size}")]
    JournalShorter {
        /// How many records the journal holds.
        journal: TreeSize,
        /// Who has seen more.
        side: Side,
        /// How many.
        size: TreeSize,
    },
    /// The journal is another log than what was signed or cosigned.
    #[error("over {size} records the journal has root {ours}, {side} says {theirs}")]
    Fork {
        /// Whom the journal contradicts.
        side: Side,
        /// Over how many records.
        size: TreeSize,
        /// The root recomputed from the journal.
        ours: RootHash,
        /// The root they state.
        theirs: RootHash,
    },
    /// The journal's records are damaged or do not continue each other.
    #[error("the journal is damaged: {0}")]
    Journal(JournalFault),
    /// A checkpoint was given out that this notary has not kept: its state is an older copy, or was lost.
    #[error("{side} is over {size} records, {}", kept_words(*kept))]
    StateBehind {
        /// What was kept, if anything.
        kept: Option<TreeSize>,
        /// Who has more.
        side: Side,
        /// How many records.
        size: TreeSize,
    },
    /// A kept or archived checkpoint is not one, not of this log, or not signed by its key.
    #[error("{side} is not a checkpoint of {origin} signed by its key: {what}")]
    NotACheckpoint {
        /// Which one.
        side: Side,
        /// The log.
        origin: String,
        /// What is the matter.
        what: String,
    },
    /// A checkpoint under this log's name is signed by a key that the journal does not know: a data directory was restored
    /// from before the log's key was changed, and its old key would sign a fork.
    #[error(
        "{side} is over {size} records and signed by no key that the journal names: the journal may be an older copy, from \
         before the log's key was changed"
    )]
    KeyUnknown {
        /// Which one; of a witness, the one that it shows.
        side: Side,
        /// How many records.
        size: TreeSize,
    },
    /// The journal agrees with what was signed, and a file in the archive does not: damage, or an older copy.
    #[error("{path} in the archive {fault}")]
    Archive {
        /// Which file.
        path: TilePath,
        /// What is the matter with it.
        fault: ArchiveFault,
    },
    /// What was read back after writing does not prove that the new tree continues the last one.
    #[error(
        "the tiles of a tree of {size} records, read back, do not prove that it continues the last one: {what}"
    )]
    ReadBack {
        /// The size that was to be signed.
        size: TreeSize,
        /// What does not hold.
        what: String,
    },
    /// A witness says that a checkpoint does not continue what it has cosigned. If it is the witness that is wrong,
    /// the notary goes on once the policy no longer names it.
    #[error("witness {witness} has cosigned a tree that ours of {size} records does not continue")]
    WitnessDisagrees {
        /// Its name.
        witness: String,
        /// The size it was asked to cosign.
        size: TreeSize,
    },
}

fn kept_words(kept: Option<TreeSize>) -> String {
    kept.map_or("and none is kept".to_owned(), |kept| format!("the checkpoint kept is over {kept}"))
}

/// What may be over when it is tried again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Get(#[from] GetError),
    #[error(transparent)]
    Put(PutError),
    #[error(transparent)]
    Tidy(#[from] TidyError),
    #[error(transparent)]
    Keep(#[from] CheckpointError),
    #[error(transparent)]
    Journal(ReadError),
    #[error("{path} was written and is not there")]
    Vanished { path: TilePath },
    #[error("the log's key {key} is not here, with which a checkpoint over {size} records has to be signed")]
    KeyMissing { key: VerifierKey, size: TreeSize },
}

/// Why a step did not succeed.
#[derive(Debug)]
pub(crate) enum Fault {
    Refused(Refusal),
    Failed(Failure),
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<JournalFault> for Fault {
    fn from(fault: JournalFault) -> Self {
        Self::Refused(Refusal::Journal(fault))
    }
}

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<GetError> for Fault {
    fn from(error: GetError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<TidyError> for Fault {
    fn from(error: TidyError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<CheckpointError> for Fault {
    fn from(error: CheckpointError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<PutError> for Fault {
    fn from(error: PutError) -> Self {
        match error {
            // Never overwritten: either the file is damaged, or it is of records that this journal no longer has.
            PutError::Different { path } => {
                Self::Refused(Refusal::Archive { path, fault: ArchiveFault::Different })
            }
            error => Self::Failed(Failure::Put(error)),
        }
    }
}

impl From<ReadError> for Fault {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Damaged { seq, place, what } => {
                Self::Refused(Refusal::Journal(JournalFault::Damaged { seq, place, what }))
            }
            error @ ReadError::Io { .. } => Self::Failed(Failure::Journal(error)),
        }
    }
}
