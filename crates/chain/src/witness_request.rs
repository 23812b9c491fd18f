//! What a witness is asked and decides (C2SP tlog-witness, `add-checkpoint`). It decides only: what it decides to cosign
//! must be made last, by comparing with what was there and swapping, before the cosignature is given out.
//!
//! It answers 422, not 409, where a checkpoint of the size last cosigned has another root: 409 tells its reader to try
//! again from another size, which does not help against a fork.

use std::fmt;

use crate::checkpoint::{Checkpoint, SignedCheckpoint, SignedCheckpointError, TrustError};
use crate::hash::{NodeHash, RootHash, TreeSize};
use crate::lines::{read_hash, read_number, split_head, write_hashes};
use crate::note::{KeyKind, NOTE_BYTES_MAX, VerifierKey};
use crate::tree::{self, ProofError};

/// Most hashes of a consistency proof that may be sent.
pub const PROOF_HASHES_MAX: usize = 63;

/// Longest request, in bytes: `old` with a size of 20 digits, 63 hashes of 44 characters, line feeds, and a note.
pub const REQUEST_BYTES_MAX: usize = 25 + PROOF_HASHES_MAX * 45 + 1 + NOTE_BYTES_MAX;

/// The content type of the answer that states a size.
pub const SIZE_CONTENT_TYPE: &str = "text/x.tlog.size";

/// A request to cosign a checkpoint, as it stands: nothing of it is checked yet.
///
/// Its `Display` gives back exactly the bytes it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// The size from which the proof leads.
    pub old: TreeSize,
    /// The consistency proof from `old` to the checkpoint, at most [`PROOF_HASHES_MAX`] hashes.
    pub proof: Vec<NodeHash>,
    /// The checkpoint.
    pub checkpoint: SignedCheckpoint,
}

/// Bytes that are not such a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// No blank line after at most 64 lines of text.
    #[error("a request is an old size, at most {PROOF_HASHES_MAX} hashes, a blank line and a checkpoint")]
    Head,
    /// Line 1 is not `old` and a number in its one writing.
    #[error("line 1 is not old and a number")]
    Old,
    /// A line of the proof is not strict base64 of 32 bytes.
    #[error("line {line} is not base64 of 32 bytes")]
    Hash {
        /// Its number, from 1.
        line: usize,
    },
    /// What follows the blank line is not a signed checkpoint.
    #[error("{0}")]
    Checkpoint(SignedCheckpointError),
}

/// The latest tree of a log that a witness has cosigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cosigned {
    /// Its size.
    pub size: TreeSize,
    /// Its root.
    pub root: RootHash,
}

impl Cosigned {
    /// The state of a log of which nothing was cosigned yet.
    pub fn nothing() -> Self {
        Self { size: TreeSize(0), root: RootHash::empty() }
    }
}

/// What a witness answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// 200: make this the state in place of the one decided on, and only then give out the cosignature.
    Cosign {
        /// The state to come.
        next: Cosigned,
    },
    /// 400: not a request.
    Malformed(RequestError),
    /// 400: the old size is above the checkpoint's.
    OldAboveNew,
    /// 403: no key trusted for the origin has signed, or one has not signed well.
    Untrusted(TrustError),
    /// 404: the witness knows no such log.
    UnknownOrigin,
    /// 409: the old size is not that of the latest checkpoint cosigned, which the answer's body states.
    Conflict {
        /// That size.
        size: TreeSize,
    },
    /// 422: the checkpoint does not continue the latest one cosigned. Signed by the log as it is, it is evidence
    /// against the log: keep it.
    Inconsistent(ProofError),
}

impl AddCheckpoint {
    /// Reads a request; nothing is checked.
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, RequestError> {
        let (lines, rest) = split_head(bytes, PROOF_HASHES_MAX + 1).ok_or(RequestError::Head)?;
        let mut lines = lines.into_iter();
        let old = lines.next().and_then(|line| line.strip_prefix("old ")).and_then(read_number);
        let old = TreeSize(old.ok_or(RequestError::Old)?);
        let hash = |(line, text)| read_hash(text).map(NodeHash).ok_or(RequestError::Hash { line });
        let proof = (2..).zip(lines).map(hash).collect::<Result<_, _>>()?;
        let checkpoint = SignedCheckpoint::parse(rest).map_err(RequestError::Checkpoint)?;
        Ok(Self { old, proof, checkpoint })
    }

    /// What a witness that trusts these log keys answers, if `last` is its state for the checkpoint's origin.
    ///
    /// ```
    /// use chain::{Checkpoint, RecordHash, SecretKey, SignedCheckpoint, TreeSize, note::Signer, tree};
    /// use chain::witness_request::{AddCheckpoint, Answer, Cosigned};
    /// let log = Signer::new("log.example/t", SecretKey::from_bytes(&[1; 32])).unwrap();
    /// let root = tree::root_of(&[RecordHash::of(b"{}")]);
    /// let checkpoint = Checkpoint::new(log.name(), TreeSize(1), root).unwrap();
    /// let checkpoint = SignedCheckpoint::sign(checkpoint, &[&log]).unwrap();
    /// let body = AddCheckpoint { old: TreeSize(0), proof: vec![], checkpoint }.to_string();
    ///
    /// let request = AddCheckpoint::parse(body.as_bytes()).unwrap();
    /// let answer = request.answer(&[log.verifier_key()], Cosigned::nothing());
    /// let next = Cosigned { size: TreeSize(1), root };
    /// assert_eq!(answer, Answer::Cosign { next });
    /// assert_eq!(request.answer(&[log.verifier_key()], next), Answer::Conflict { size: TreeSize(1) });
    /// ```
    pub fn answer(&self, logs: &[VerifierKey], last: Cosigned) -> Answer {
        let claim: &Checkpoint = self.checkpoint.claim();
        if !logs.iter().any(|key| key.kind() == KeyKind::Log && key.name() == claim.origin()) {
            return Answer::UnknownOrigin;
        }
        let checkpoint = match self.checkpoint.verify(logs, &[]) {
            Ok(trusted) => trusted.checkpoint,
            Err(error) => return Answer::Untrusted(error),
        };
        if self.old > checkpoint.size {
            return Answer::OldAboveNew;
        }
        if self.old != last.size {
            return Answer::Conflict { size: last.size };
        }
        let (size, root) = (checkpoint.size, checkpoint.root);
        match tree::verify_consistency(last.size, last.root, size, root, &self.proof) {
            Ok(()) => Answer::Cosign { next: Cosigned { size, root } },
            Err(error) => Answer::Inconsistent(error),
        }
    }
}

impl fmt::Display for AddCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "old {}\n{}\n{}", self.old, write_hashes(&self.proof), self.checkpoint)
    }
}

impl Answer {
    /// The HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            Self::Cosign { .. } => 200,
            Self::Malformed(_) | Self::OldAboveNew => 400,
            Self::Untrusted(_) => 403,
            Self::UnknownOrigin => 404,
            Self::Conflict { .. } => 409,
            Self::Inconsistent(_) => 422,
        }
    }
}

impl fmt::Display for Answer {
    /// The answer's body: the size after a conflict, as the protocol has it; else a sentence for people. Of a
    /// cosignature the body is its lines, which are not made here.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cosign { next } => writeln!(f, "the checkpoint of size {} is cosigned", next.size),
            Self::Malformed(error) => writeln!(f, "{error}"),
            Self::OldAboveNew => writeln!(f, "the old size is above the checkpoint's"),
            Self::Untrusted(error) => writeln!(f, "{error}"),
            Self::UnknownOrigin => writeln!(f, "no such log is known here"),
            Self::Conflict { size } => writeln!(f, "{size}"),
            Self::Inconsistent(error) => writeln!(f, "{error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::note::{NoteError, Signer};
    use crate::tree::MemoryTree;
    use crate::{RecordHash, SecretKey};

    fn log(seed: u8) -> Signer {
        Signer::new("log.example/t", SecretKey::from_bytes(&[seed; 32])).unwrap()
    }

    fn leaves(count: u64) -> Vec<RecordHash> {
        (0..count).map(|n| RecordHash::of(&n.to_be_bytes())).collect()
    }

    fn state(size: u64) -> Cosigned {
        let count = usize::try_from(size).unwrap();
        Cosigned { size: TreeSize(size), root: tree::root_of(&leaves(100)[..count]) }
    }

    fn signed(state: Cosigned, by: &Signer) -> SignedCheckpoint {
        let checkpoint = Checkpoint::new(by.name(), state.size, state.root).unwrap();
        SignedCheckpoint::sign(checkpoint, &[by]).unwrap()
    }

    fn request(old: u64, new: u64) -> AddCheckpoint {
        let proof = tree::consistency_proof(&mut MemoryTree::new(&leaves(100)), TreeSize(old), TreeSize(new));
        AddCheckpoint { old: TreeSize(old), proof: proof.unwrap(), checkpoint: signed(state(new), &log(1)) }
    }

    fn check(request: &AddCheckpoint, last: Cosigned, status: u16) -> Answer {
        let read = AddCheckpoint::parse(request.to_string().as_bytes()).unwrap();
        assert_eq!(&read, request);
        let answer = read.answer(&[log(1).verifier_key()], last);
        assert_eq!(answer.status(), status, "{answer}");
        answer
    }

    #[test]
    fn what_continues_the_last_state_is_cosigned() {
        for (old, new) in [(0, 0), (0, 1), (0, 100), (1, 2), (7, 7), (7, 8), (64, 100), (99, 100)] {
            let answer = check(&request(old, new), state(old), 200);
            assert_eq!(answer, Answer::Cosign { next: state(new) });
        }
        assert_eq!(state(0), Cosigned::nothing());
    }

    #[test]
    fn every_refusal_has_its_status_in_the_protocols_order() {
        let good = request(7, 9);
        // 404 comes before 403, 403 before 400, 400 before 409, 409 before 422.
        assert_eq!(good.answer(&[], state(7)), Answer::UnknownOrigin);
        assert_eq!(good.answer(&[], state(7)).status(), 404);
        let other = Signer::new("other.example", SecretKey::from_bytes(&[1; 32])).unwrap();
        assert_eq!(good.answer(&[other.verifier_key()], state(7)), Answer::UnknownOrigin);

        let forged =
            AddCheckpoint { checkpoint: signed(state(9), &log(2)), old: TreeSize(10), ..good.clone() };
        assert!(matches!(check(&forged, state(7), 403), Answer::Untrusted(_)));
        let reversed = AddCheckpoint { old: TreeSize(10), ..good.clone() };
        assert_eq!(check(&reversed, state(7), 400), Answer::OldAboveNew);
        let conflict = check(&AddCheckpoint { proof: vec![], ..good.clone() }, state(8), 409);
        assert_eq!(conflict.to_string(), "8\n");
        assert_eq!(check(&request(0, 9), state(7), 409).to_string(), "7\n");
        check(&AddCheckpoint { proof: vec![], ..good.clone() }, state(7), 422);
        check(&AddCheckpoint { proof: vec![NodeHash::default()], ..request(0, 9) }, state(0), 422);

        // A tree that does not begin with the last one, and another tree of the same size.
        let fork = Cosigned { root: RootHash([1; 32]), ..state(9) };
        check(&AddCheckpoint { checkpoint: signed(fork, &log(1)), ..good }, state(7), 422);
        check(&AddCheckpoint { checkpoint: signed(fork, &log(1)), ..request(9, 9) }, state(9), 422);
        let empty = Cosigned { root: RootHash([1; 32]), ..state(0) };
        check(&AddCheckpoint { checkpoint: signed(empty, &log(1)), ..request(0, 0) }, state(0), 422);
    }

    #[test]
    fn what_is_not_a_request_is_refused_with_its_line() {
        let good = request(7, 9).to_string();
        let check = |from: &str, to: &str, error: RequestError| {
            let changed = good.replacen(from, to, 1);
            assert_ne!(changed, good, "{from}");
            assert_eq!(AddCheckpoint::parse(changed.as_bytes()), Err(error), "{changed}");
        };
        check("old 7\n", "old 07\n", RequestError::Old);
        check("old 7\n", "old -7\n", RequestError::Old);
        check("old 7\n", "old 7 \n", RequestError::Old);
        check("old 7\n", "new 7\n", RequestError::Old);
        check("old 7\n", "", RequestError::Old);
        check("old 7\n", "old 7\nAAAA\n", RequestError::Hash { line: 2 });
        check("=\n", "\n", RequestError::Hash { line: 2 });
        check(
            "\u{2014}",
            "-",
            RequestError::Checkpoint(SignedCheckpointError::Note(NoteError::SignatureLine { line: 5 })),
        );
        assert_eq!(AddCheckpoint::parse(b""), Err(RequestError::Head));
        assert_eq!(AddCheckpoint::parse(b"old 7\n\xff\n\n"), Err(RequestError::Head));
        assert_eq!(AddCheckpoint::parse(b"\n"), Err(RequestError::Old));
        let hashes = |count| AddCheckpoint { proof: vec![NodeHash::default(); count], ..request(7, 9) };
        assert!(AddCheckpoint::parse(hashes(63).to_string().as_bytes()).is_ok());
        assert_eq!(AddCheckpoint::parse(hashes(64).to_string().as_bytes()), Err(RequestError::Head));
        assert_eq!(Answer::Malformed(RequestError::Head).status(), 400);
    }
}
