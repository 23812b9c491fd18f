//! What a journal's files may say besides records: damage, and a torn end.

use std::path::PathBuf;

use chain::Position;

/// Stored bytes that no crash explains.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("damage at record {seq} in {} at byte {offset}: {what}", file.display())]
pub struct Damage {
    /// The first position that cannot be read.
    pub seq: Position,
    /// The segment.
    pub file: PathBuf,
    /// Where in it, in bytes.
    pub offset: u64,
    /// What contradicts what.
    pub what: Contradiction,
}

/// What contradicts what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Contradiction {
    /// The segment's file is not there.
    #[error("this segment is missing")]
    SegmentMissing,
    /// The file does not end with a whole block.
    #[error("the file's length is not a multiple of 512")]
    Length,
    /// Bytes where a batch should begin are no header.
    #[error("no batch begins here, though the bytes are not zero")]
    NoHeader,
    /// A header of a version this engine does not know.
    #[error("format version {version}")]
    Version {
        /// The version.
        version: u32,
    },
    /// A sound header that does not continue the batch before it.
    #[error(
        "a batch of segment {segment} from position {first} stands here, which does not continue the journal"
    )]
    OutOfPlace {
        /// The segment it says it is in.
        segment: u64,
        /// Its first position.
        first: Position,
    },
    /// A batch whose `prev` is not the hash of the record before it.
    #[error("the batch names another record as the one before it")]
    Previous,
    /// A block contradicts its checksum.
    #[error("the block contradicts its checksum")]
    Checksum,
    /// A block is zero, though later ones were written, which is not done before its batch is durable.
    #[error("a block of zeros, though the journal goes on after it")]
    Missing,
    /// The batch does not end inside the file.
    #[error("the batch runs past the end of the file")]
    PastEnd,
    /// The records do not fill the payload, or are not as many as the header says.
    #[error("the records do not fill their batch")]
    Payload,
    /// What an interrupted recovery left, though later records were written, which is not done before it ends.
    #[error("an unfinished copy, though the journal goes on after it")]
    Unfinished,
}

impl From<Damage> for journal::ReadError {
    fn from(damage: Damage) -> Self {
        let place = format!("{} at byte {}", damage.file.display(), damage.offset);
        Self::Damaged { seq: damage.seq, place, what: damage.what.to_string() }
    }
}

/// The end of a journal that a crash cut: blocks of one batch that was never acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Torn {
    /// The position its first record would have had.
    pub seq: Position,
    /// The segment.
    pub file: PathBuf,
    /// Where in it the batch begins, in bytes.
    pub offset: u64,
    /// From there to the end of its last block that was written, in bytes.
    pub bytes: u64,
}
