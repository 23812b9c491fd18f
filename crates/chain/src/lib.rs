//! What a record's bytes and hash are, how records link, and the Merkle tree, notes, checkpoints, cosignatures and
//! proofs over them.
//!
//! Pure: bytes in, verdict out. This crate does no I/O, reads no clock and knows nothing of medicine: what an
//! event *says* is `clinical`'s room. The whole format is stated for strangers in `docs/format.md`.

pub mod bundle;
pub mod canonical;
pub mod checkpoint;
pub mod hash;
pub mod hostile;
pub mod key;
mod lines;
pub mod link;
pub mod note;
pub mod policy;
pub mod proof;
pub mod receipt;
pub mod record;
pub mod submission;
pub mod tile;
pub mod time;
pub mod tree;
pub mod witness_request;

pub use canonical::{CanonicalError, CanonicalFault};
pub use checkpoint::{Checkpoint, SignedCheckpoint};
pub use hash::{KeyId, NodeHash, Position, RecordHash, RootHash, TreeSize};
pub use key::{PublicKey, SecretKey, Signature};
pub use link::{Chain, LinkError};
pub use record::{LinkedRecord, Record, RecordError};
pub use submission::{Submission, SubmissionError};
pub use time::Instant;

/// Longest event, in bytes: the 65,535 of [`RECORD_BYTES_MAX`] less the record's own members
/// (`event`, `prev`, `recorded_at`, `seq`, `signature`: at most 265 bytes), rounded down for the reader.
pub const EVENT_BYTES_MAX: usize = 64_000;

/// Longest record, in bytes: an entry bundle gives each record's length in an unsigned 16-bit field.
pub const RECORD_BYTES_MAX: usize = 65_535;
