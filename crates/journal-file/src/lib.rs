//! The embedded journal engine: segment files with group commit.
//!
//! One process writes, any number read; no server. It knows records as bytes with a hash, not what they say, and
//! decides nothing: gathering many submitters into one append is [`journal::sequencer`]'s room.
//!
//! # The bytes
//!
//! A journal is a directory: `lock`, segments `0000000000.segment`, `0000000001.segment`, …, and, where they were
//! needed, `torn/` and `poisoned`. A segment is written full of zeros, then it and its directory are synced, before
//! its first use; so an append changes no length and no allocation, and what was never written is known to be zero.
//!
//! A batch, what one append stores, is a run of whole 512-byte blocks in one segment; the first batch begins at block
//! 0, each next one where the one before ends, or at block 0 of the next segment if it does not fit. All numbers are
//! big-endian.
//!
//! | block: offset | bytes | what |
//! |---|---|---|
//! | 0 | 508 | content |
//! | 508 | 4 | CRC-32C of: batch's first position (8), segment number (8), block number in the segment (8), content |
//!
//! The contents of a batch's blocks, joined, are the header, the payload, and zeros to the end of the last block.
//!
//! | header: offset | bytes | what |
//! |---|---|---|
//! | 0 | 8 | `TBJBATCH` |
//! | 8 | 4 | version: 1 |
//! | 12 | 4 | number of records, at least 1 |
//! | 16 | 8 | segment number |
//! | 24 | 8 | position of the first record |
//! | 32 | 8 | payload length in bytes |
//! | 40 | 32 | hash of the record before the first; zeros at position 0 |
//! | 72 | 4 | CRC-32C of the 72 bytes before |
//!
//! The payload is, for each record, its length (2) and its bytes: what an entry bundle of the archive holds.
//!
//! # What is torn, what is damage
//!
//! A disk is assumed to store each 512-byte block in whole or not at all, in any order until a sync. The next batch is
//! written only after the sync of the one before. So a crash leaves, behind the last whole batch, only blocks of one
//! batch, each valid or still zero, and at least one zero: a *torn* tail. It was never acknowledged; opening copies it
//! to `torn/`, zeroes it and says so in [`Recovery`]. Anything else that contradicts the tables above is [`Damage`]:
//! opening refuses and names the place.
//!
//! # After a failed sync
//!
//! The system may hold pages it could not write and call them clean. So a failed write or sync poisons the journal and
//! leaves `poisoned`; opening then writes the last whole batch once more, to a new segment, syncs it, and zeroes the
//! old copy. Without `poisoned` the process may still have died between a failed sync and saying so: opening writes
//! the last whole batch again in place, and syncs, before anything is served.

mod damage;
mod engine;
pub mod faults;
mod files;
mod format;
mod index;
mod open;
mod read;
mod readonly;
mod scan;
mod spare;
pub mod storage;
mod tail;

pub use damage::{Contradiction, Damage, Torn};
pub use engine::FileJournal;
pub use format::BATCH_BYTES_MAX;
pub use open::{OpenError, Options, Recovery};
pub use readonly::{End, ReadOnlyJournal, Records, ScanError};
