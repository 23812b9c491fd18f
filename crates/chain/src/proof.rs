//! The proof of one record (C2SP tlog-proof): a text that shows offline that a record is in a log, under a checkpoint
//! and what witnesses say of it.
//!
//! Stricter than the specification in one point: its optional `extra` line, which nothing vouches for, is refused.

use std::fmt;

use crate::checkpoint::{SignedCheckpoint, SignedCheckpointError, TrustError, TrustedCheckpoint};
use crate::hash::{NodeHash, Position, RecordHash};
use crate::lines::{read_hash, read_number, split_head, write_hashes};
use crate::note::VerifierKey;
use crate::tree::{self, ProofError};

/// The first line.
const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// Most hashes of a path: a tree of less than 2^64 leaves is 64 levels high.
const PATH_HASHES_MAX: usize = 64;

/// A proof, as it stands: nothing of it is checked yet.
///
/// Its `Display` gives back exactly the bytes it was read from.
///
/// ```
/// use chain::{Checkpoint, Position, RecordHash, SecretKey, SignedCheckpoint, TreeSize};
/// use chain::{note::Signer, proof::LogProof, tree};
/// let records = [RecordHash::of(b"a"), RecordHash::of(b"b"), RecordHash::of(b"c")];
/// let log = Signer::new("log.example/t", SecretKey::from_bytes(&[1; 32])).unwrap();
/// let checkpoint = Checkpoint::new(log.name(), TreeSize(3), tree::root_of(&records)).unwrap();
/// let checkpoint = SignedCheckpoint::sign(checkpoint, &[&log]).unwrap();
/// let path = tree::inclusion_proof(&mut tree::MemoryTree::new(&records), Position(1), TreeSize(3)).unwrap();
///
/// let text = LogProof { position: Position(1), path, checkpoint }.to_string();
/// let proof = LogProof::parse(text.as_bytes()).unwrap();
/// let logs = [log.verifier_key()];
/// assert!(proof.verify(records[1], &logs, &[]).is_ok());
/// assert!(proof.verify(records[2], &logs, &[]).is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogProof {
    /// The record's place in the log.
    pub position: Position,
    /// The path from the record to the root, its neighbour first.
    pub path: Vec<NodeHash>,
    /// The checkpoint, verbatim.
    pub checkpoint: SignedCheckpoint,
}

/// Bytes that are not a proof of one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LogProofError {
    /// No blank line after at most 66 lines of text.
    #[error("a proof is a head of lines, a blank line and a checkpoint")]
    Head,
    /// Line 1 is another.
    #[error("line 1 is not {HEADER}")]
    Header,
    /// Line 2 gives extra data, which this format has not.
    #[error("line 2 gives extra data, which nothing vouches for")]
    Extra,
    /// Line 2 is not `index` and a number in its one writing.
    #[error("line 2 is not index and a number")]
    Index,
    /// A line of the path is not strict base64 of 32 bytes.
    #[error("line {line} is not base64 of 32 bytes")]
    Hash {
        /// Its number, from 1.
        line: usize,
    },
    /// What follows the blank line is not a signed checkpoint.
    #[error("{0}")]
    Checkpoint(SignedCheckpointError),
}

/// Why a proof proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogProofFault {
    /// The checkpoint is not vouched for.
    #[error("{0}")]
    Checkpoint(TrustError),
    /// The path does not lead from the record to the checkpoint's root.
    #[error("{0}")]
    Path(ProofError),
}

impl LogProof {
    /// Reads a proof; nothing is checked.
    ///
    /// # Errors
    /// [`LogProofError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, LogProofError> {
        let (lines, rest) = split_head(bytes, PATH_HASHES_MAX + 2).ok_or(LogProofError::Head)?;
        let mut lines = lines.into_iter();
        if lines.next() != Some(HEADER) {
            return Err(LogProofError::Header);
        }
        let index = lines.next().ok_or(LogProofError::Index)?;
        if index.starts_with("extra ") {
            return Err(LogProofError::Extra);
        }
        let position = index.strip_prefix("index ").and_then(read_number).ok_or(LogProofError::Index)?;
        let hash = |(line, text)| read_hash(text).map(NodeHash).ok_or(LogProofError::Hash { line });
        let path = (3..).zip(lines).map(hash).collect::<Result<_, _>>()?;
        let checkpoint = SignedCheckpoint::parse(rest).map_err(LogProofError::Checkpoint)?;
        Ok(Self { position: Position(position), path, checkpoint })
    }

    /// Checks that the record with `hash` is at the proof's position under a checkpoint that these keys vouch for. How
    /// many witnesses must have cosigned is for the caller's policy to say.
    ///
    /// # Errors
    /// [`LogProofFault`].
    pub fn verify<'k>(
        &self,
        hash: RecordHash,
        logs: &'k [VerifierKey],
        witnesses: &'k [VerifierKey],
    ) -> Result<TrustedCheckpoint<'k>, LogProofFault> {
        let trusted = self.checkpoint.verify(logs, witnesses).map_err(LogProofFault::Checkpoint)?;
        let (size, root) = (trusted.checkpoint.size, trusted.checkpoint.root);
        tree::verify_inclusion(hash, self.position, size, &self.path, root).map_err(LogProofFault::Path)?;
        Ok(trusted)
    }
}

impl fmt::Display for LogProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = write_hashes(&self.path);
        write!(f, "{HEADER}\nindex {}\n{path}\n{}", self.position, self.checkpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::{Checkpoint, CheckpointError};
    use crate::hash::TreeSize;
    use crate::note::{NoteError, Signer};
    use crate::tree::MemoryTree;
    use crate::{RootHash, SecretKey};

    fn log() -> Signer {
        Signer::new("log.example/t", SecretKey::from_bytes(&[1; 32])).unwrap()
    }

    fn leaves() -> Vec<RecordHash> {
        (0..13).map(|n| RecordHash::of(&[n])).collect()
    }

    fn proof(position: u64) -> LogProof {
        let mut tree = MemoryTree::new(&leaves());
        let checkpoint = Checkpoint::new(log().name(), TreeSize(13), tree.root()).unwrap();
        LogProof {
            position: Position(position),
            path: tree::inclusion_proof(&mut tree, Position(position), TreeSize(13)).unwrap(),
            checkpoint: SignedCheckpoint::sign(checkpoint, &[&log()]).unwrap(),
        }
    }

    #[test]
    fn every_record_is_proved_and_only_at_its_place() {
        let keys = [log().verifier_key()];
        for position in 0..13 {
            let proof = LogProof::parse(proof(position).to_string().as_bytes()).unwrap();
            for (place, leaf) in (0..).zip(leaves()) {
                assert_eq!(proof.verify(leaf, &keys, &[]).is_ok(), place == position);
            }
            let moved = LogProof { position: Position(position + 1), ..proof };
            assert!(matches!(
                moved.verify(leaves()[usize::try_from(position).unwrap()], &keys, &[]),
                Err(LogProofFault::Path(_))
            ));
        }
        let stranger =
            [Signer::new("log.example/t", SecretKey::from_bytes(&[2; 32])).unwrap().verifier_key()];
        assert!(matches!(proof(0).verify(leaves()[0], &stranger, &[]), Err(LogProofFault::Checkpoint(_))));
    }

    #[test]
    fn what_is_not_a_proof_is_refused_with_its_line() {
        let good = proof(3).to_string();
        assert!(LogProof::parse(good.as_bytes()).is_ok());
        let check = |from: &str, to: &str, error: LogProofError| {
            let changed = good.replacen(from, to, 1);
            assert_ne!(changed, good, "{from}");
            assert_eq!(LogProof::parse(changed.as_bytes()), Err(error), "{changed}");
        };
        let malformed = |error| LogProofError::Checkpoint(error);
        check("@v1", "@v2", LogProofError::Header);
        check("index 3\n", "index 03\n", LogProofError::Index);
        check("index 3\n", "index  3\n", LogProofError::Index);
        check("index 3\n", "", LogProofError::Index);
        check("index 3\n", "index 18446744073709551616\n", LogProofError::Index);
        check("index 3\n", "extra AAAA\nindex 3\n", LogProofError::Extra);
        check("index 3\n", "index 3\nAAAA\n", LogProofError::Hash { line: 3 });
        check("=\n", "\n", LogProofError::Hash { line: 3 });
        check(
            "index 3\n",
            "index 3\n\n",
            malformed(SignedCheckpointError::Checkpoint(CheckpointError::Lines)),
        );
        check(
            "log.example/t",
            "log.example t",
            malformed(SignedCheckpointError::Checkpoint(CheckpointError::Origin)),
        );
        check("\n\nlog", "\nlog", LogProofError::Hash { line: 7 });
        check("\u{2014}", "-", malformed(SignedCheckpointError::Note(NoteError::SignatureLine { line: 5 })));
        assert_eq!(LogProof::parse(b""), Err(LogProofError::Head));
        assert_eq!(LogProof::parse(b"\n"), Err(LogProofError::Header));
        assert_eq!(LogProof::parse(HEADER.as_bytes()), Err(LogProofError::Head));
        let long = LogProof { path: vec![NodeHash::default(); 65], ..proof(3) };
        assert_eq!(LogProof::parse(long.to_string().as_bytes()), Err(LogProofError::Head));
    }

    #[test]
    fn the_only_record_of_a_log_needs_no_hashes() {
        let leaf = RecordHash::of(b"{}");
        let checkpoint = Checkpoint::new(log().name(), TreeSize(1), RootHash(leaf.0)).unwrap();
        let checkpoint = SignedCheckpoint::sign(checkpoint, &[&log()]).unwrap();
        let proof = LogProof { position: Position(0), path: vec![], checkpoint };
        let read = LogProof::parse(proof.to_string().as_bytes()).unwrap();
        assert_eq!(read, proof);
        assert!(read.verify(leaf, &[log().verifier_key()], &[]).is_ok());
    }
}
