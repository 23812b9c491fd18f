//! What must hold whatever bytes a stranger hands in: the bodies of the fuzz targets in `fuzz/`, which the tests drive
//! too. Each reads the bytes with one decoder, does with the result what a caller would, and panics only if a promise
//! of that decoder is broken.

use crate::bundle;
use crate::checkpoint::SignedCheckpoint;
use crate::hash::{NodeHash, Position, RecordHash, RootHash, TreeSize};
use crate::key::SecretKey;
use crate::note::{self, Note, VerifierKey};
use crate::policy::Policy;
use crate::proof::LogProof;
use crate::receipt::{self, ReceiptNote};
use crate::tile::{HashTile, TileHashes, TilePath, bundle_of, new_tiles, tiles_needed};
use crate::tree::{self, Frontier, Node};
use crate::witness_request::{AddCheckpoint, Answer, Cosigned};
use crate::{Record, Submission, canonical};

/// A body: its name is its fuzz target's.
pub type Body = (&'static str, fn(&[u8]));

/// All bodies, by name.
pub const BODIES: &[Body] = &[
    ("bundle", bundle),
    ("canonical_check", canonical_check),
    ("checkpoint", checkpoint),
    ("log_proof", log_proof),
    ("note", note),
    ("policy", policy),
    ("receipt", receipt),
    ("record_parse", record_parse),
    ("submission", submission),
    ("tile_hashes", tile_hashes),
    ("tile_path", tile_path),
    ("tree_proofs", tree_proofs),
    ("verifier_key", verifier_key),
    ("witness_request", witness_request),
];

/// What is accepted as canonical is what would be written of it, byte for byte.
pub fn canonical_check(bytes: &[u8]) {
    if canonical::check(bytes).is_ok() {
        let value: Option<serde_json::Value> = serde_json::from_slice(bytes).ok();
        let written = value.and_then(|value| canonical::canonicalize(&value).ok());
        assert_eq!(written.as_deref(), Some(bytes));
    }
}

/// A record that is read gives back its bytes.
pub fn record_parse(bytes: &[u8]) {
    if let Ok(record) = Record::parse(bytes) {
        assert_eq!(record.join(), bytes);
    }
}

/// A submission that is read gives back its bytes.
pub fn submission(bytes: &[u8]) {
    if let Ok(submission) = Submission::parse(bytes) {
        assert_eq!(submission.join(), bytes);
    }
}

/// Lengths never lead out of the bundle, and what is read makes the same bundle. The first byte says how many records
/// are due.
pub fn bundle(bytes: &[u8]) {
    let Some((count, bytes)) = bytes.split_first() else { return };
    let count = u16::from(*count) + 1;
    if let Ok(records) = bundle::decode(bytes, count) {
        assert_eq!(records.len(), usize::from(count));
        assert_eq!(bundle::encode(records).as_deref(), Ok(bytes));
    }
}

/// A path that is read is the one spelling of what it names.
pub fn tile_path(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(path) = text.parse::<TilePath>() {
        assert_eq!(path.to_string(), text);
        let _ = (path.first_position(), path.exists_in(TreeSize(u64::MAX)));
        let parsed = HashTile::parse(path, bytes);
        assert!(parsed.is_err() || bytes.len() == usize::from(path.width()) * 32);
    }
}

/// Tiles of a stranger never give a hash that does not lead to the root: here the root is never theirs. The bytes are a
/// size, a node and the content of every tile.
pub fn tile_hashes(bytes: &[u8]) {
    let Some((numbers, content)) = numbers::<3>(bytes) else { return };
    let [size, level, index] = numbers;
    let size = TreeSize(size);
    let node = Node { level: u32::try_from(level % 70).unwrap_or_default(), index };
    let fetch = |path: TilePath| -> Result<Vec<u8>, ()> {
        let tile: Vec<u8> = content.iter().copied().cycle().take(usize::from(path.width()) * 32).collect();
        if tile.is_empty() { Err(()) } else { Ok(tile) }
    };
    assert!(TileHashes::open(fetch, size, RootHash([7; 32])).is_err());
    let needed = tiles_needed(&[node], size);
    assert!(needed.iter().all(|path| path.exists_in(size)) && needed.len() <= 16);
    assert_eq!(bundle_of(Position(index), size).is_some(), index < size.0);
    // As many as a writer takes in one step.
    let _ = new_tiles(TreeSize(index), size).take(1_000).count();
}

/// Sizes, positions and hashes of a stranger get an answer, and no proof of it leads to a root that is not its own.
pub fn tree_proofs(bytes: &[u8]) {
    let Some((numbers, rest)) = numbers::<2>(bytes) else { return };
    let [old, new] = numbers;
    let proof: Vec<NodeHash> = rest.as_chunks().0.iter().copied().map(NodeHash).collect();
    let root = RootHash([7; 32]);
    let leaf = RecordHash([9; 32]);
    assert!(tree::verify_inclusion(leaf, Position(old), TreeSize(new), &proof, root).is_err());
    let consistent = tree::verify_consistency(TreeSize(old), root, TreeSize(new), root, &proof);
    assert!(consistent.is_err() || (old == new && old > 0 && proof.is_empty()));
    let planned = tree::inclusion_nodes::<()>(Position(old), TreeSize(new));
    assert_eq!(planned.is_ok(), old < new);
    assert!(tree::consistency_nodes::<()>(TreeSize(old), TreeSize(new)).is_ok() == (old <= new));
    if let Ok(mut frontier) = Frontier::from_hashes(TreeSize(old), proof) {
        frontier.append(leaf);
        assert_eq!(frontier.size(), TreeSize(old + 1));
    }
}

/// A note that is read gives back its bytes, and no stranger's note verifies by a key nobody has signed with.
pub fn note(bytes: &[u8]) {
    let _ = note::parse_lines(bytes);
    if let Ok(note) = Note::parse(bytes) {
        assert_eq!(note.to_string().as_bytes(), bytes);
        assert!(note.verify(&keys()).is_err());
    }
}

/// A checkpoint that is read gives back its bytes.
pub fn checkpoint(bytes: &[u8]) {
    if let Ok(mut signed) = SignedCheckpoint::parse(bytes) {
        assert_eq!(signed.to_string().as_bytes(), bytes);
        assert!(signed.verify(&keys(), &keys()).is_err());
        assert!(signed.add_cosignatures(bytes, &keys()).is_err());
    }
}

/// A receipt note that is read gives back its bytes.
pub fn receipt(bytes: &[u8]) {
    let path = [NodeHash([1; 32])];
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(note) = ReceiptNote::parse(text)
    {
        assert_eq!(note.to_string(), text);
        for position in [0, note.first().0, u64::MAX] {
            let _ = note.covers(Position(position), RecordHash([1; 32]), &path);
        }
    }
    let receipt = receipt::Receipt { seq: Position(0), hash: RecordHash([1; 32]), note: bytes, path: &path };
    assert!(receipt::verify(&receipt, "log.example/t", &keys()).is_err());
}

/// A proof that is read gives back its bytes.
pub fn log_proof(bytes: &[u8]) {
    if let Ok(proof) = LogProof::parse(bytes) {
        assert_eq!(proof.to_string().as_bytes(), bytes);
        assert!(proof.verify(RecordHash([1; 32]), &keys(), &keys()).is_err());
    }
}

/// A policy that is read is the same when it is written and read again.
pub fn policy(bytes: &[u8]) {
    if let Ok(policy) = Policy::parse(bytes) {
        assert_eq!(Policy::parse(policy.to_string().as_bytes()).as_ref(), Ok(&policy));
        assert!(policy.evaluate(policy.witnesses()).is_met());
    }
}

/// A verifier key that is read gives back its text.
pub fn verifier_key(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    for read in [VerifierKey::from_text, VerifierKey::cosigner_from_text] {
        if let Ok(key) = read(text) {
            assert_eq!(key.to_string(), text);
        }
    }
}

/// A request that is read gives back its bytes, and is cosigned for no log that is not known.
pub fn witness_request(bytes: &[u8]) {
    if let Ok(request) = AddCheckpoint::parse(bytes) {
        assert_eq!(request.to_string().as_bytes(), bytes);
        let answer = request.answer(&keys(), Cosigned::nothing());
        assert!(!matches!(answer, Answer::Cosign { .. }), "{answer}");
        assert!((400..=422).contains(&answer.status()));
    }
}

/// Big-endian numbers at the start, and what follows them.
fn numbers<const N: usize>(bytes: &[u8]) -> Option<([u64; N], &[u8])> {
    let (head, rest) = bytes.split_at_checked(N * 8)?;
    let mut numbers = [0; N];
    for (number, bytes) in numbers.iter_mut().zip(head.as_chunks().0) {
        *number = u64::from_be_bytes(*bytes);
    }
    Some((numbers, rest))
}

/// A log's, a registrar's and a witness's key, with which nobody signs.
fn keys() -> Vec<VerifierKey> {
    let key = SecretKey::from_bytes(&[0xff; 32]).public();
    let named = [
        VerifierKey::new("log.example/t", key),
        VerifierKey::new("log.example/t/receipts", key),
        VerifierKey::cosigner("witness.example", key),
    ];
    named.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests;
