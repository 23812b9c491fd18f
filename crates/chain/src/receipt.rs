//! Receipt notes: what a registrar signs for one commit, before the log's checkpoint covers it.
//!
//! A registrar's key, named `<origin>/receipts`, signs one note for all records of a commit; each record's receipt
//! carries the note and the path from the record to the note's root. It promises the record, at its position, in every
//! checkpoint of a larger size.

use std::fmt;

use crate::hash::{NodeHash, Position, RecordHash, RootHash, TreeSize};
use crate::key::to_base64;
use crate::lines::{read_hash, read_number};
use crate::note::{self, Note, NoteError, Signer, VerifierKey, VerifyError};
use crate::tree::{self, MemoryTree, ProofError};

/// What a receipt note's first line says.
const HEADER: &str = "trialbook receipt v1";

/// The name of a log's receipt keys.
///
/// ```
/// assert_eq!(chain::receipt::key_name("log.example/t"), "log.example/t/receipts");
/// ```
pub fn key_name(origin: &str) -> String {
    format!("{origin}/receipts")
}

/// What a registrar states of one commit: these records, at these positions, will be in the log.
///
/// ```
/// use chain::{Position, RecordHash, receipt::ReceiptNote};
/// let note = ReceiptNote::new("log.example/t", Position(7), &[RecordHash::of(b"{}")]).unwrap();
/// let text = note.to_string();
/// assert!(text.starts_with("trialbook receipt v1\nlog.example/t\n7\n1\n"));
/// assert_eq!(ReceiptNote::parse(&text), Ok(note));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiptNote {
    origin: String,
    first: Position,
    count: u64,
    root: RootHash,
}

/// A text that is not a receipt note's, or records that make none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptNoteError {
    /// There are more or fewer than five lines, or the first is another.
    #[error("a receipt note has exactly five lines, the first being {HEADER}")]
    Lines,
    /// Line 2 is not the name of a log.
    #[error("line 2, the origin, is not the name of a log")]
    Origin,
    /// Line 3 is not a position in its one writing.
    #[error("line 3, the first position, is not a number in its one writing")]
    First,
    /// Line 4 is not a count in its one writing, is 0, or leads beyond all positions.
    #[error("line 4, the count, is not a number from 1 in its one writing")]
    Count,
    /// Line 5 is not strict base64 of 32 bytes.
    #[error("line 5, the root, is not base64 of 32 bytes")]
    Root,
}

impl ReceiptNote {
    /// The statement about the records with these hashes, the first at `first`.
    ///
    /// # Errors
    /// [`ReceiptNoteError::Origin`]; [`ReceiptNoteError::Count`] without records.
    pub fn new(origin: &str, first: Position, records: &[RecordHash]) -> Result<Self, ReceiptNoteError> {
        Self::of(origin, first, records.len() as u64, tree::root_of(records))
    }

    fn of(origin: &str, first: Position, count: u64, root: RootHash) -> Result<Self, ReceiptNoteError> {
        if !note::is_name(origin) {
            return Err(ReceiptNoteError::Origin);
        }
        if count == 0 || first.0.checked_add(count).is_none() {
            return Err(ReceiptNoteError::Count);
        }
        Ok(Self { origin: origin.to_owned(), first, count, root })
    }

    /// Reads a note's text.
    ///
    /// # Errors
    /// [`ReceiptNoteError`].
    pub fn parse(text: &str) -> Result<Self, ReceiptNoteError> {
        let lines: Vec<_> = text.strip_suffix('\n').ok_or(ReceiptNoteError::Lines)?.split('\n').collect();
        let [HEADER, origin, first, count, root] = lines.as_slice() else {
            return Err(ReceiptNoteError::Lines);
        };
        let first = Position(read_number(first).ok_or(ReceiptNoteError::First)?);
        let count = read_number(count).ok_or(ReceiptNoteError::Count)?;
        let root = RootHash(read_hash(root).ok_or(ReceiptNoteError::Root)?);
        Self::of(origin, first, count, root)
    }

    /// The log's name.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The position of the commit's first record.
    pub fn first(&self) -> Position {
        self.first
    }

    /// How many records the commit has, at least one.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The root over the commit's record hashes.
    pub fn root(&self) -> RootHash {
        self.root
    }

    /// Checks that the record with `hash` at `position` is one of the commit's.
    ///
    /// # Errors
    /// [`ReceiptError::OutsideCommit`], [`ReceiptError::Path`].
    pub fn covers(
        &self,
        position: Position,
        hash: RecordHash,
        path: &[NodeHash],
    ) -> Result<(), ReceiptError> {
        let place = position.0.checked_sub(self.first.0).filter(|place| *place < self.count);
        let place = Position(place.ok_or(ReceiptError::OutsideCommit { position })?);
        tree::verify_inclusion(hash, place, TreeSize(self.count), path, self.root).map_err(ReceiptError::Path)
    }
}

impl fmt::Display for ReceiptNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let root = to_base64(&self.root.0);
        write!(f, "{HEADER}\n{}\n{}\n{}\n{root}\n", self.origin, self.first, self.count)
    }
}

/// A commit's signed note, and the path of each of its records.
#[derive(Debug, Clone)]
pub struct SignedReceipts {
    /// The note, as receipts carry it.
    pub note: String,
    tree: MemoryTree,
    count: u64,
}

/// Why no receipts can be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignReceiptsError {
    /// The records or the log's name make no receipt note.
    #[error("{0}")]
    Text(ReceiptNoteError),
    /// The signer is not named as a receipt key of this log.
    #[error("a receipt key is named after its log, with /receipts behind it")]
    KeyName,
    /// The note would be too long, which only a log's name can make it.
    #[error("{0}")]
    Note(NoteError),
}

impl SignedReceipts {
    /// Signs a commit: one signature, whatever the number of records.
    ///
    /// # Errors
    /// [`SignReceiptsError`].
    ///
    /// ```
    /// use chain::{Position, RecordHash, SecretKey, note::Signer, receipt};
    /// let signer = Signer::new("log.example/t/receipts", SecretKey::from_bytes(&[3; 32])).unwrap();
    /// let records = [RecordHash::of(b"a"), RecordHash::of(b"b"), RecordHash::of(b"c")];
    /// let signed = receipt::SignedReceipts::sign("log.example/t", Position(10), &records, &signer).unwrap();
    ///
    /// let path = signed.path(1).unwrap();
    /// let keys = [signer.verifier_key()];
    /// let receipt = receipt::Receipt { seq: Position(11), hash: records[1], note: signed.note.as_bytes(), path: &path };
    /// assert!(receipt::verify(&receipt, "log.example/t", &keys).is_ok());
    /// ```
    pub fn sign(
        origin: &str,
        first: Position,
        records: &[RecordHash],
        signer: &Signer,
    ) -> Result<Self, SignReceiptsError> {
        if signer.name() != key_name(origin) {
            return Err(SignReceiptsError::KeyName);
        }
        let tree = MemoryTree::new(records);
        let count = records.len() as u64;
        let text =
            ReceiptNote::of(origin, first, count, tree.root()).map_err(SignReceiptsError::Text)?.to_string();
        let line = signer.sign(&text).map_err(|error| SignReceiptsError::Note(NoteError::Text(error)))?;
        let note = Note::new(&text, [line]).map_err(SignReceiptsError::Note)?.to_string();
        Ok(Self { note, tree, count })
    }

    /// The path of the commit's record `place`, from 0; none behind the last one.
    pub fn path(&self, place: u64) -> Option<Vec<NodeHash>> {
        // A tree in memory answers for all its nodes, so that what fails here is only a place outside of it.
        tree::inclusion_proof(&mut &self.tree, Position(place), TreeSize(self.count)).ok()
    }
}

/// What of a receipt is signed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt<'r> {
    /// The record's position.
    pub seq: Position,
    /// The record's hash.
    pub hash: RecordHash,
    /// The signed note.
    pub note: &'r [u8],
    /// The path from the record to the note's root, the record's neighbour first.
    pub path: &'r [NodeHash],
}

/// Why a receipt promises nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// Its note is not one.
    #[error("{0}")]
    Note(NoteError),
    /// Its note is not signed by a known receipt key of the log.
    #[error("{0}")]
    Signature(VerifyError),
    /// Its note is about something else than receipts.
    #[error("{0}")]
    Text(ReceiptNoteError),
    /// Its note is about another log.
    #[error("the receipt is of {found}, not of {expected}")]
    OtherLog {
        /// The log it should be of.
        expected: String,
        /// The log it is of.
        found: String,
    },
    /// The position is not one of the commit's.
    #[error("position {position} is not one of the note's")]
    OutsideCommit {
        /// The position.
        position: Position,
    },
    /// The path does not lead from the record to the note's root.
    #[error("{0}")]
    Path(ProofError),
}

/// Checks a receipt of the log named `origin` by the keys known, of which those named [`key_name`] count. The caller
/// says whether a key was granted when the receipt was given: the log knows that.
///
/// # Errors
/// [`ReceiptError`].
pub fn verify(
    receipt: &Receipt<'_>,
    origin: &str,
    keys: &[VerifierKey],
) -> Result<ReceiptNote, ReceiptError> {
    let name = key_name(origin);
    let known = keys.iter().filter(|key| key.kind() == note::KeyKind::Log && key.name() == name);
    let note = Note::parse(receipt.note).map_err(ReceiptError::Note)?;
    note.verify(known).map_err(ReceiptError::Signature)?;
    let stated = ReceiptNote::parse(note.text()).map_err(ReceiptError::Text)?;
    if stated.origin != origin {
        return Err(ReceiptError::OtherLog { expected: origin.to_owned(), found: stated.origin });
    }
    stated.covers(receipt.seq, receipt.hash, receipt.path)?;
    Ok(stated)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SecretKey;

    const ORIGIN: &str = "log.example/t";

    fn signer(name: &str, seed: u8) -> Signer {
        Signer::new(name, SecretKey::from_bytes(&[seed; 32])).unwrap()
    }

    fn records(count: u64) -> Vec<RecordHash> {
        (0..count).map(|n| RecordHash::of(&n.to_be_bytes())).collect()
    }

    #[test]
    fn every_record_of_a_commit_of_any_size_is_proved() {
        let signer = signer("log.example/t/receipts", 1);
        let keys = [signer.verifier_key()];
        for count in [1, 2, 3, 5, 8, 255, 256, 257, 1000] {
            let records = records(count);
            let signed = SignedReceipts::sign(ORIGIN, Position(100), &records, &signer).unwrap();
            for (place, hash) in (0..).zip(&records) {
                let path = signed.path(place).unwrap();
                let receipt = Receipt {
                    seq: Position(100 + place),
                    hash: *hash,
                    note: signed.note.as_bytes(),
                    path: &path,
                };
                let stated = verify(&receipt, ORIGIN, &keys).unwrap();
                assert_eq!((stated.first(), stated.count()), (Position(100), count));
                assert_eq!(stated.root(), tree::root_of(&records));
            }
            assert_eq!(signed.path(count), None);
        }
    }

    #[test]
    fn a_receipt_for_another_place_record_log_or_key_is_refused() {
        let signer = signer("log.example/t/receipts", 1);
        let keys = [signer.verifier_key()];
        let records = records(5);
        let signed = SignedReceipts::sign(ORIGIN, Position(100), &records, &signer).unwrap();
        let path = signed.path(2).unwrap();
        let good =
            Receipt { seq: Position(102), hash: records[2], note: signed.note.as_bytes(), path: &path };
        assert!(verify(&good, ORIGIN, &keys).is_ok());

        for (seq, outside) in [(99, true), (105, true), (0, true), (u64::MAX, true), (103, false)] {
            let receipt = Receipt { seq: Position(seq), ..good };
            let error = verify(&receipt, ORIGIN, &keys).unwrap_err();
            assert_eq!(matches!(error, ReceiptError::OutsideCommit { .. }), outside, "{seq}: {error}");
        }
        let refused = |receipt: Receipt<'_>| verify(&receipt, ORIGIN, &keys).unwrap_err();
        assert!(matches!(refused(Receipt { hash: records[3], ..good }), ReceiptError::Path(_)));
        assert!(matches!(refused(Receipt { path: &path[1..], ..good }), ReceiptError::Path(_)));
        assert!(matches!(refused(Receipt { note: b"", ..good }), ReceiptError::Note(_)));

        let no_known_key = ReceiptError::Signature(VerifyError::NoKnownKey);
        assert_eq!(verify(&good, "log.example/u", &keys).unwrap_err(), no_known_key);
        assert_eq!(verify(&good, ORIGIN, &[]).unwrap_err(), no_known_key);
        // The log's own key signs checkpoints, not receipts.
        let log = self::signer(ORIGIN, 1);
        assert_eq!(verify(&good, ORIGIN, &[log.verifier_key()]).unwrap_err(), no_known_key);
        assert!(matches!(
            SignedReceipts::sign(ORIGIN, Position(0), &records, &log),
            Err(SignReceiptsError::KeyName)
        ));
        assert!(matches!(
            SignedReceipts::sign(ORIGIN, Position(0), &[], &signer),
            Err(SignReceiptsError::Text(ReceiptNoteError::Count))
        ));
    }

    #[test]
    fn a_receipt_key_that_signs_for_another_log_or_other_texts_is_found_out() {
        let signer = signer("log.example/t/receipts", 1);
        let keys = [signer.verifier_key()];
        let check = |text: &str| {
            let note = Note::new(text, [signer.sign(text).unwrap()]).unwrap().to_string();
            let receipt =
                Receipt { seq: Position(0), hash: RecordHash::ZERO, note: note.as_bytes(), path: &[] };
            verify(&receipt, ORIGIN, &keys).unwrap_err()
        };
        let other = ReceiptNote::new("log.example/u", Position(0), &[RecordHash::ZERO]).unwrap();
        assert!(matches!(check(&other.to_string()), ReceiptError::OtherLog { .. }));
        assert_eq!(check("something\n"), ReceiptError::Text(ReceiptNoteError::Lines));
    }

    #[test]
    fn a_receipt_note_has_one_writing() {
        let good = ReceiptNote::new(ORIGIN, Position(7), &records(3)).unwrap().to_string();
        assert!(ReceiptNote::parse(&good).is_ok());
        for (from, to, error) in [
            ("v1", "v2", ReceiptNoteError::Lines),
            ("=\n", "=\nmore\n", ReceiptNoteError::Lines),
            ("=\n", "=", ReceiptNoteError::Lines),
            ("\n3\n", "\n", ReceiptNoteError::Lines),
            (ORIGIN, "", ReceiptNoteError::Origin),
            (ORIGIN, "a b", ReceiptNoteError::Origin),
            ("\n7\n", "\n07\n", ReceiptNoteError::First),
            ("\n7\n", "\n\n", ReceiptNoteError::First),
            ("\n3\n", "\n0\n", ReceiptNoteError::Count),
            ("\n3\n", "\n+3\n", ReceiptNoteError::Count),
            ("\n3\n", "\n18446744073709551615\n", ReceiptNoteError::Count),
            ("=\n", "\n", ReceiptNoteError::Root),
        ] {
            let changed = good.replacen(from, to, 1);
            assert_ne!(changed, good, "{from}");
            assert_eq!(ReceiptNote::parse(&changed), Err(error), "{changed:?}");
        }
    }
}
