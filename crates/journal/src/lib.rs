//! The contract of the durable ordered log, an in-memory engine with fault injection, and the conformance suite
//! every engine must pass.
//!
//! A journal stores opaque records in order and says what is durable. It does not parse them, decide about them or
//! link them: that is `registrar`'s room. It knows no trial.

use std::path::PathBuf;
use std::time::Duration;

use chain::{LinkedRecord, Position, RECORD_BYTES_MAX, RecordHash, TreeSize};

pub mod conformance;
pub mod memory;
pub mod sequencer;

/// The durable end of a journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Head {
    /// How many records are durable.
    pub size: TreeSize,
    /// Hash of the last durable record; [`RecordHash::ZERO`] while there is none.
    pub hash: RecordHash,
}

/// A durable, ordered log of records.
///
/// The contract, held by the conformance suite:
///
/// - `append` MUST be all or nothing: after an `Ok` every record of the batch is durable (synced, or synced by a
///   quorum); after [`AppendError::PositionConflict`], [`AppendError::TooLarge`], [`AppendError::TooMany`] or
///   [`AppendError::Poisoned`] none is.
/// - A position MUST be given once: of two appends that expect the same size at most one succeeds.
/// - After a failed write or sync the journal MUST be poisoned: every later append answers
///   [`AppendError::Poisoned`], and the failed sync is never tried again. Reopening recovers.
/// - `head`, `read` and `wait` MUST NOT show a record before it is durable.
/// - `read` MUST return records in order, without a gap, and bytes exactly as appended; it MUST report damage rather
///   than skip it. It MUST stay possible after poisoning, up to the head.
pub trait Journal: Send + Sync {
    /// Appends `records` at `expected` and returns once they are durable. Blocks.
    ///
    /// The records MUST be contiguous from `expected.size`. An empty batch writes nothing and is held against the log
    /// of record like any other: `Ok` says that nobody had appended anything after `expected` when it was asked.
    ///
    /// # Errors
    /// [`AppendError`]; [`AppendError::Io`] and [`AppendError::OutcomeUnknown`] leave open whether the batch will be
    /// there after reopening, in whole.
    fn append(&self, expected: Head, records: &[LinkedRecord]) -> Result<Head, AppendError>;

    /// The most records one append takes; a longer batch answers [`AppendError::TooMany`], since it could not be stored
    /// all or nothing.
    fn append_records_max(&self) -> usize {
        usize::MAX
    }

    /// Reads durable records from position `from` on: at least one if there is one, and not many more than
    /// `bytes_max` bytes. Empty at the head. Each record's `hash` is recomputed from the bytes read.
    ///
    /// # Errors
    /// [`ReadError`].
    fn read(&self, from: Position, bytes_max: usize) -> Result<Vec<LinkedRecord>, ReadError>;

    /// The durable end.
    fn head(&self) -> Head;

    /// Waits until the durable size exceeds `size` or `timeout` has passed; returns the durable end. Blocks.
    fn wait(&self, size: TreeSize, timeout: Duration) -> Head;

    /// Whether others than who holds this journal may append to it, so that an append may well meet a conflict.
    fn is_shared(&self) -> bool {
        false
    }
}

/// Why a batch was not acknowledged.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The journal is not where the caller believed it to be.
    #[error("expected the journal to hold {} records, it holds {}", expected.size, actual.size)]
    PositionConflict {
        /// Where the caller believed the end to be.
        expected: Head,
        /// Where it is.
        actual: Head,
    },
    /// A record is longer than a record may be, or the batch longer than the engine takes at once.
    #[error("record {seq} makes {bytes} bytes, at most {limit} are allowed")]
    TooLarge {
        /// Which record.
        seq: Position,
        /// Its length, or the batch's up to and with it.
        bytes: usize,
        /// The most allowed.
        limit: usize,
    },
    /// The batch has more records than the engine takes at once.
    #[error("a batch of {records} records, at most {limit} are taken at once")]
    TooMany {
        /// How many it has.
        records: usize,
        /// [`Journal::append_records_max`].
        limit: usize,
    },
    /// A remote engine cannot show that what it acknowledges is on disk, so nothing more is written. The batch may be
    /// there only if an append of it had an unknown outcome before.
    #[error("it is not proven that writes are durable: {what}")]
    Unproven {
        /// What is lacking.
        what: String,
    },
    /// An earlier write or sync failed; reopen to recover.
    #[error("the journal is poisoned by an earlier failed write or sync")]
    Poisoned,
    /// A write or sync failed. The journal is now poisoned.
    #[error("{op} failed on {path}")]
    Io {
        /// What was tried.
        op: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A remote engine did not answer: the batch may or may not have been stored.
    #[error("the outcome of the append is unknown: {reason}")]
    OutcomeUnknown {
        /// What happened instead of an answer.
        reason: String,
    },
}

impl AppendError {
    /// Whether the same batch may be tried again on the same open journal.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::PositionConflict { .. } | Self::OutcomeUnknown { .. } | Self::Unproven { .. })
    }
}

/// Why records could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Stored bytes contradict their checksums or the order of positions.
    #[error("damage at record {seq} in {place}: {what}")]
    Damaged {
        /// The first position that cannot be read.
        seq: Position,
        /// File and byte offset, or stream and sequence.
        place: String,
        /// What contradicts what.
        what: String,
    },
    /// The system refused.
    #[error("{op} failed on {path}")]
    Io {
        /// What was tried.
        op: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl Head {
    /// An empty journal's end.
    pub const EMPTY: Self = Self { size: TreeSize(0), hash: RecordHash::ZERO };

    /// The end after `records`, or `self` if there are none.
    #[must_use]
    pub fn after(self, records: &[LinkedRecord]) -> Self {
        records.last().map_or(self, |last| Self { size: TreeSize(last.seq.0 + 1), hash: last.hash })
    }
}

/// What every engine checks before it writes: `records` continue `actual`, and none is too long.
///
/// A record that is not contiguous with the one before it is answered as a conflict at its place. Hashes are taken
/// as given; whoever made the record hashed it.
///
/// # Errors
/// [`AppendError::PositionConflict`] or [`AppendError::TooLarge`].
pub fn check_batch(expected: Head, actual: Head, records: &[LinkedRecord]) -> Result<(), AppendError> {
    if expected != actual {
        return Err(AppendError::PositionConflict { expected, actual });
    }
    let mut end = actual;
    for record in records {
        if record.seq != end.size.next_position() {
            let expected = Head { size: TreeSize(record.seq.0), hash: end.hash };
            return Err(AppendError::PositionConflict { expected, actual: end });
        }
        if record.bytes.len() > RECORD_BYTES_MAX {
            let (seq, bytes) = (record.seq, record.bytes.len());
            return Err(AppendError::TooLarge { seq, bytes, limit: RECORD_BYTES_MAX });
        }
        debug_assert_eq!(record.hash, RecordHash::of(&record.bytes), "a record carries its own hash");
        end = Head { size: TreeSize(record.seq.0 + 1), hash: record.hash };
    }
    Ok(())
}

impl<J: Journal + ?Sized> Journal for std::sync::Arc<J> {
    fn append(&self, expected: Head, records: &[LinkedRecord]) -> Result<Head, AppendError> {
        (**self).append(expected, records)
    }

    fn append_records_max(&self) -> usize {
        (**self).append_records_max()
    }

    fn read(&self, from: Position, bytes_max: usize) -> Result<Vec<LinkedRecord>, ReadError> {
        (**self).read(from, bytes_max)
    }

    fn head(&self) -> Head {
        (**self).head()
    }

    fn wait(&self, size: TreeSize, timeout: Duration) -> Head {
        (**self).wait(size, timeout)
    }

    fn is_shared(&self) -> bool {
        (**self).is_shared()
    }
}
