//! Why a mirror does not open, or does not take a step.

use std::path::PathBuf;

use chain::bundle::DecodeError;
use chain::checkpoint::{SignedCheckpointError, TrustError};
use chain::tile::TilePath;
use chain::{Position, RecordHash, TreeSize};

use super::Scope;
use super::disk::DiskError;
use super::tiles::TilesError;
use crate::evidence::EvidenceError;
use crate::fetch::FetchError;

/// Why a mirror was not opened.
#[derive(Debug, thiserror::Error)]
pub enum MirrorOpenError {
    /// Another process has it open.
    #[error("the mirror {directory} is open already")]
    InUse {
        /// The directory.
        directory: PathBuf,
    },
    /// It was made to copy something else.
    #[error("this mirror copies: {found}; not: {asked}")]
    OtherScope {
        /// What it copies.
        found: String,
        /// What was asked for.
        asked: Scope,
    },
    /// A checkpoint of its own is not what it wrote, or the anchors are another log's.
    #[error("the mirror's {name} cannot be believed: {what}")]
    State {
        /// The file.
        name: &'static str,
        /// What is wrong with it.
        what: String,
    },
    /// The checkpoint seen last is gone, or older than the one copied.
    #[error("the mirror's seen is gone or older than its log/checkpoint")]
    SetBack,
    /// The directory could not be read or written.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// Where both sides of a contradiction were kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sides {
    /// What had been seen.
    pub seen: PathBuf,
    /// What was served after it.
    pub served: PathBuf,
}

/// Why a step was not taken.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// Something could not be fetched.
    #[error("{what} could not be fetched")]
    Fetch {
        /// What, below the log's URL.
        what: String,
        /// Why.
        source: FetchError,
    },
    /// What was served is no signed checkpoint.
    #[error("what was served is no checkpoint: {0}")]
    NotACheckpoint(SignedCheckpointError),
    /// The checkpoint served is not signed by the log.
    #[error("the checkpoint served is not the log's: {0}")]
    Untrusted(TrustError),
    /// The log's records say that at this size it has to be signed with a key that has not signed it: by an old key alone,
    /// which is revoked or no longer enough.
    #[error("the checkpoint served is not signed with {key}, as the log's records ask at {size} records")]
    SignatureMissing {
        /// Its size.
        size: TreeSize,
        /// The key.
        key: String,
    },
    /// The checkpoint is of more records than any log can have.
    #[error("a checkpoint of {size} records")]
    TooLarge {
        /// Its size.
        size: TreeSize,
    },
    /// The server shows an earlier state of the log than it has shown before. It may be a restored backup, which is about
    /// to become a fork.
    #[error("the log was seen with {seen} records and is served with {served}")]
    RolledBack {
        /// Size seen.
        seen: TreeSize,
        /// Size served.
        served: TreeSize,
        /// The evidence.
        kept: Result<Sides, EvidenceError>,
    },
    /// The log has signed two trees of which neither continues the other: proof, to whomever it is shown.
    #[error("the log has signed a tree of {seen} records and one of {served} that do not go together")]
    Forked {
        /// Size seen.
        seen: TreeSize,
        /// Size served.
        served: TreeSize,
        /// The evidence.
        kept: Result<Sides, EvidenceError>,
    },
    /// Hash tiles served are not those of the tree that the checkpoint states.
    #[error("the tiles served are not the checkpoint's")]
    WrongTiles(#[source] TilesError),
    /// The first record is not the one known from elsewhere: it is another log under the same name.
    #[error("the log begins with record {found}, not with {expected}")]
    GenesisDiffers {
        /// The genesis known.
        expected: RecordHash,
        /// The one served.
        found: RecordHash,
    },
    /// An entry bundle served is none.
    #[error("{path} as served is no entry bundle: {source}")]
    WrongBundle {
        /// Which one.
        path: TilePath,
        /// Where it goes wrong.
        source: DecodeError,
    },
    /// An answer with a site's records is not of its form.
    #[error("the answer with the site's records is wrong: {fault}")]
    WrongAnswer {
        /// What is wrong.
        fault: SiteAnswerFault,
    },
    /// A record served is not the one that the log has at its position.
    #[error("the record served for position {seq} is not the log's")]
    WrongRecord {
        /// Its position.
        seq: Position,
    },
    /// The log's signed tree contains what it must not.
    #[error("the log's record at position {seq} {fault}")]
    Misrecorded {
        /// Its position.
        seq: Position,
        /// What is wrong with it.
        fault: RecordFault,
        /// Where it was kept.
        kept: PathBuf,
    },
    /// A file of the copy is not what was written: the disk, or somebody at it. Move it away, and the files of the same
    /// place with it; or begin a new mirror, and keep the evidence of this one.
    #[error("the copy's own {path} is damaged: {what}")]
    OwnCopy {
        /// Which file.
        path: TilePath,
        /// What is wrong with it.
        what: String,
    },
    /// The copy's own tiles do not make up the tree it has copied.
    #[error("the copy's own tiles are damaged")]
    OwnTiles(#[source] TilesError),
    /// The directory could not be read or written.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// What a log has recorded wrongly.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordFault {
    /// It is no record.
    #[error("is no record: {0}")]
    Malformed(String),
    /// It states another position.
    #[error("says that it is at position {stated}")]
    Position {
        /// The one it states.
        stated: Position,
    },
    /// It names another record before it.
    #[error("names {stated} as the record before it, which is {actual}")]
    Link {
        /// The hash it names.
        stated: RecordHash,
        /// The hash that the log has there.
        actual: RecordHash,
    },
}

/// What is wrong with an answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SiteAnswerFault {
    /// A line is no object with a position and a record.
    #[error("line {line} is not of its form")]
    Line {
        /// Its number, from 1.
        line: usize,
    },
    /// A position not behind the one before it, or not behind the one asked for.
    #[error("position {seq} comes out of order")]
    Order {
        /// The position.
        seq: Position,
    },
}

impl StepError {
    /// Whether this is about the log, not about the way to it: somebody has to be told, and trying again does not help.
    pub fn accuses_log(&self) -> bool {
        matches!(
            self,
            Self::RolledBack { .. }
                | Self::Forked { .. }
                | Self::GenesisDiffers { .. }
                | Self::Misrecorded { .. }
        )
    }

    /// Whether the next step may well succeed with nothing done about it.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Fetch { source: FetchError::Failed(_) | FetchError::NotFound, .. })
    }
}
