//! Seals the journal into the archive, signs checkpoints, gathers cosignatures.
//!
//! It decides nothing about records: what the journal says is durable, it re-reads, re-hashes and seals. It holds the
//! log's keys, and signs only what continues everything it and others have put their names to before: with every key
//! that is due at a size, or not at all ([`LogKeys`]).
//!
//! # Before it signs
//!
//! The whole journal up to the last checkpoint is read again, hashed again, and its links followed. Its bundles and
//! tiles must be those in the archive, and its roots those of the checkpoint kept, the one last witnessed, and the one
//! in the archive. Every witness that answers must have cosigned a tree that the last checkpoint continues. Else the
//! notary signs nothing and says which two contradict each other ([`Refusal`]).
//!
//! # Each checkpoint, and what a crash leaves
//!
//! | step | a crash after it leaves | the next start |
//! |---|---|---|
//! | 1. write entry bundles | bundles beyond the last checkpoint | finds them again when it comes there: the same bytes, or it refuses |
//! | 2. write hash tiles | bundles and tiles beyond it | likewise |
//! | 3. read the tiles back; prove that the new root continues the last one | the same | likewise |
//! | 4. sign, in memory | the same: the signature was in no other place | likewise, at this size or another |
//! | 5. keep size, root and note, by compare-and-swap | a kept checkpoint whose files are all there, and the one before in the archive | puts the kept note, byte for byte, into the archive |
//! | 6. put the note into the archive as `checkpoint` | the new checkpoint, whole | goes on |
//! | 7. add cosignatures to it, as they come | the checkpoint with fewer or more of them; each writing is whole | asks the witnesses again |
//! | 8. keep the note that has the quorum | some of 7, and the one witnessed before | likewise |
//! | 9. remove partial tiles that full ones have replaced | some of them, or some of them again | removes them |
//!
//! The signature is made before it is kept, but nobody has seen it before, and no two can be kept for one size: so no
//! two checkpoints of one size are ever given out. These states alone are normal. A checkpoint in the archive that is
//! ahead of the one kept, or a kept one whose files are missing, comes of no crash: something was restored or lost.
//!
//! A failing store is no reason to stop: the step is tried again, from the last checkpoint, with growing pauses. Files
//! are then found with the bytes they should have, or written.
//!
//! # How often
//!
//! No checkpoint without new records, at most one in [`Settings::interval`]. If a tile has been filled, the checkpoint
//! ends with it, and the rest waits for the next one: so a busy log has few partial tiles, and no record waits for more
//! than two checkpoints.

mod growth;
mod handle;
mod keys;
mod refusal;
mod run;
mod sealer;
mod shared;
mod witness;

pub use growth::JournalFault;
pub use handle::{NotaryHandle, Parts, StartError, WaitError, Watch, start};
pub use keys::LogKeys;
pub use refusal::{ArchiveFault, Refusal, Side};
pub use run::Settings;
pub use shared::{Phase, Sealed, Status, Stop, WitnessStatus};
pub use witness::WitnessClient;

#[cfg(test)]
mod tests;
