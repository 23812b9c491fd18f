//! The evidence formats held against others' implementations, where their rules agree with the specifications; where
//! they do not, a test says so.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::collections::BTreeSet;

use chain::note::{Note, Signer, VerifierKey};
use chain::tile::{TileHashes, TileKind, TilePath, TilePathError};
use chain::tree::{self, MemoryTree};
use chain::{Checkpoint, NodeHash, Position, RecordHash, RootHash, SecretKey, TreeSize};
use proptest::prelude::*;
use signed_note::{StandardVerifier, VerifierList};
use tlog_tiles::{Error, Hash, HashReader, TileReader};

const LEAVES: u64 = 66_000;

/// The sizes looked at: all small ones, and those around powers of 256.
fn sizes() -> Vec<u64> {
    (1..=70)
        .chain([127, 128, 129, 255, 256, 257, 511, 513, 700, 65_535, 65_536, 65_537, 65_793, LEAVES])
        .collect()
}

fn record(n: u64) -> [u8; 8] {
    n.to_be_bytes()
}

fn leaves() -> Vec<RecordHash> {
    (0..LEAVES).map(|n| RecordHash::of(&record(n))).collect()
}

/// A few places in a tree of a size.
fn places(size: u64) -> BTreeSet<u64> {
    [0, 1, size / 2, size * 5 / 7, size - 1].into_iter().filter(|place| *place < size).collect()
}

/// The other implementation's storage: all hashes of complete subtrees, in its own numbering.
struct Stored(Vec<Hash>);

impl Stored {
    fn new(count: u64) -> Self {
        let mut stored = Self(Vec::new());
        for n in 0..count {
            let hashes = tlog_tiles::stored_hashes(n, &record(n), &stored).unwrap();
            stored.0.extend(hashes);
        }
        stored
    }
}

impl HashReader for Stored {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, Error> {
        Ok(indexes.iter().map(|index| self.0[usize::try_from(*index).unwrap()]).collect())
    }
}

fn bytes(hashes: &[NodeHash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

fn their_bytes(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

#[test]
fn roots_and_proofs_are_those_of_tlog_tiles() {
    let all = leaves();
    let stored = Stored::new(LEAVES);
    let mut memory = MemoryTree::new(&all);
    for size in sizes() {
        let root = tree::root(&mut memory, TreeSize(size)).unwrap();
        let theirs = tlog_tiles::tree_hash(size, &stored).unwrap();
        assert_eq!(root.0, theirs.0, "{size}");
        for place in places(size) {
            let ours = tree::inclusion_proof(&mut memory, Position(place), TreeSize(size)).unwrap();
            let proof = tlog_tiles::prove_record(size, place, &stored).unwrap();
            assert_eq!(bytes(&ours), their_bytes(&proof), "{place} of {size}");

            let old = place + 1;
            let ours = tree::consistency_proof(&mut memory, TreeSize(old), TreeSize(size)).unwrap();
            let proof = tlog_tiles::prove_tree(size, old, &stored).unwrap();
            assert_eq!(bytes(&ours), their_bytes(&proof), "{old} to {size}");
        }
    }
}

#[test]
fn roots_and_proofs_are_those_of_ct_merkle() {
    let all = leaves();
    let mut theirs = ct_merkle::mem_backed_tree::MemoryBackedTree::<sha2::Sha256, [u8; 8]>::new();
    let mut memory = MemoryTree::new(&all);
    for size in sizes().into_iter().filter(|size| *size <= 700) {
        (theirs.len()..size).for_each(|n| theirs.push(record(n)));
        let root = tree::root(&mut memory, TreeSize(size)).unwrap();
        assert_eq!(root.0[..], theirs.root().as_bytes()[..], "{size}");
        for place in places(size) {
            let ours = tree::inclusion_proof(&mut memory, Position(place), TreeSize(size)).unwrap();
            let proof = theirs.prove_inclusion(usize::try_from(place).unwrap());
            assert_eq!(bytes(&ours), proof.as_bytes(), "{place} of {size}");

            let added = size - place - 1;
            let ours = tree::consistency_proof(&mut memory, TreeSize(place + 1), TreeSize(size)).unwrap();
            let proof = theirs.prove_consistency(usize::try_from(added).unwrap());
            assert_eq!(bytes(&ours), proof.as_bytes(), "{} to {size}", place + 1);
        }
    }
}

/// The other implementation's name of a tile: it knows tiles of other heights too and writes ours, 8, into the path.
fn their_path(path: &str) -> String {
    path.replacen("tile/", "tile/8/", 1)
}

#[test]
fn the_tiles_between_two_sizes_are_those_of_tlog_tiles() {
    for (old, new) in
        [(0, 1), (0, 255), (0, 256), (1, 300), (255, 256), (256, 70_000), (65_536, 65_537), (70_000, 70_001)]
    {
        let ours: BTreeSet<_> = chain::tile::new_tiles(TreeSize(old), TreeSize(new))
            .map(|path| their_path(&path.to_string()))
            .collect();
        // It lists the higher levels' partial tiles though they are the old ones.
        let theirs = tlog_tiles::Tile::new_tiles(8, old, new).iter().map(tlog_tiles::Tile::path).collect();
        assert!(ours.is_subset(&theirs), "{old} to {new}");
        for path in theirs.difference(&ours) {
            let path: TilePath = path.replacen("tile/8/", "tile/", 1).parse().unwrap();
            assert!(path.exists_in(TreeSize(old)) && path.exists_in(TreeSize(new)), "{path}");
        }
    }
}

/// Tiles as the other implementation makes them, for its own reader and for ours.
struct Tiles(Stored);

impl TileReader for Tiles {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[tlog_tiles::Tile]) -> Result<Vec<Vec<u8>>, Error> {
        tiles.iter().map(|tile| tile.read_data(&self.0)).collect()
    }

    fn save_tiles(&self, _: &[tlog_tiles::Tile], _: &[Vec<u8>]) {}
}

#[test]
fn each_reads_proofs_from_the_same_tiles() {
    let all = leaves();
    let tiles = Tiles(Stored::new(LEAVES));
    for size in [1, 255, 256, 257, 700, 65_536, LEAVES] {
        let root = tree::root_of(&all[..usize::try_from(size).unwrap()]);
        let theirs = tlog_tiles::TileHashReader::new(size, Hash(root.0), &tiles);
        let fetch = |path: TilePath| -> Result<Vec<u8>, Error> {
            let tile = tlog_tiles::Tile::from_path(&their_path(&path.to_string())).unwrap();
            tile.read_data(&tiles.0)
        };
        let mut ours = TileHashes::open(fetch, TreeSize(size), root).unwrap();
        for place in places(size) {
            let proof = tlog_tiles::prove_record(size, place, &theirs).unwrap();
            let found = tree::inclusion_proof(&mut ours, Position(place), TreeSize(size)).unwrap();
            assert_eq!(bytes(&found), their_bytes(&proof), "{place} of {size}");
        }
    }
}

fn signer(name: &str, seed: u8) -> Signer {
    Signer::new(name, SecretKey::from_bytes(&[seed; 32])).unwrap()
}

fn known(key: &VerifierKey) -> VerifierList {
    VerifierList::new(vec![Box::new(StandardVerifier::new(&key.to_string()).unwrap())])
}

#[test]
fn notes_that_are_signed_here_verify_there() {
    let (log, other) = (signer("log.example/t", 1), signer("other.example", 2));
    let text = "first\n\nsecond\n";
    let note = Note::new(text, [other.sign(text).unwrap(), log.sign(text).unwrap()]).unwrap().to_string();
    let theirs = signed_note::Note::from_bytes(note.as_bytes()).unwrap();
    assert_eq!(theirs.text(), text.as_bytes());
    let (verified, unverified) = theirs.verify(&known(&log.verifier_key())).unwrap();
    assert_eq!((verified.len(), unverified.len()), (1, 1));
    let stranger = signer("log.example/t", 3).verifier_key();
    assert!(theirs.verify(&known(&stranger)).is_err());
    assert_eq!(theirs.to_bytes(), note.as_bytes());
}

#[test]
fn a_second_signature_of_one_key_is_checked_here_and_not_there() {
    // The specification: a signature whose name and id match a known key MUST be verified.
    let log = signer("log.example/t", 1);
    let note = Note::new("a\n", [log.sign("a\n").unwrap(), log.sign("b\n").unwrap()]).unwrap();
    assert!(note.verify(&[log.verifier_key()]).is_err());
    let theirs = signed_note::Note::from_bytes(note.to_string().as_bytes()).unwrap();
    assert!(theirs.verify(&known(&log.verifier_key())).is_ok());
}

proptest! {
    #[test]
    fn the_same_bytes_are_notes(
        text in "([a-z\u{2014}+ ]{0,6}\n){1,3}",
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        cut in any::<bool>(),
    ) {
        let (log, other) = (signer("log.example/t", 1), signer("w.example", 2));
        let lines = [log.sign(&text).unwrap(), other.sign(&text).unwrap()];
        let mut bytes = Note::new(&text, lines).unwrap().to_string().into_bytes();
        let at = at.index(bytes.len());
        if cut { bytes.truncate(at) } else { bytes[at] = byte }
        let ours = Note::parse(&bytes);
        let theirs = signed_note::Note::from_bytes(&bytes);
        // It lets a key's name hold the delete character.
        let name_with_delete = ours.is_err() && bytes.contains(&0x7f);
        prop_assert!(ours.is_ok() == theirs.is_ok() || name_with_delete);
        if let (Ok(ours), Ok(theirs)) = (ours, theirs) {
            prop_assert_eq!(ours.text().as_bytes(), theirs.text());
            let key = log.verifier_key();
            prop_assert_eq!(ours.verify([&key]).is_ok(), theirs.verify(&known(&key)).is_ok());
        }
    }

    #[test]
    fn the_same_texts_are_checkpoints(
        size in prop_oneof![any::<u64>().prop_map(|size| size.to_string()), "[0-9+ ]{0,4}"],
        at in any::<prop::sample::Index>(),
        byte in 0x20u8..0x7f,
    ) {
        let root = chain::key::to_base64(&[7; 32]);
        let mut text = format!("log.example/t\n{size}\n{root}\n").into_bytes();
        let at = at.index(text.len());
        if text[at] != b'\n' {
            text[at] = byte;
        }
        let text = String::from_utf8(text).unwrap();
        let ours = Checkpoint::parse(&text);
        let theirs = tlog_tiles::Checkpoint::from_bytes(text.as_bytes());
        // An origin is only advised to be a name without white space and plus signs; here it must be.
        let freer_origin = matches!(ours, Err(chain::checkpoint::CheckpointError::Origin));
        prop_assert!(ours.is_ok() == theirs.is_ok() || freer_origin, "{text}: {ours:?}, {theirs:?}");
        if let (Ok(ours), Ok(theirs)) = (ours, theirs) {
            prop_assert_eq!(ours.size.0, theirs.size());
            prop_assert_eq!(ours.root, RootHash(theirs.hash().0));
        }
    }

    #[test]
    fn the_same_texts_are_paths(
        text in prop_oneof![
            "tile/[0-9]{1,2}/(x[0-9]{3}/){0,2}[0-9]{3}(\\.p/[0-9]{1,3})?",
            "tile/[0-9x]{1,2}/[x0-9/]{1,9}(\\.p/[0-9]{1,3})?",
        ],
    ) {
        let ours = text.parse::<TilePath>();
        // A level above 63 and a width of 0 are not refused there but end the program.
        prop_assume!(!matches!(ours, Err(TilePathError::Level | TilePathError::Width)));
        let theirs = tlog_tiles::Tile::from_path(&their_path(&text));
        prop_assert_eq!(ours.is_ok(), theirs.is_ok(), "{}: {:?}", text, ours);
        if let (Ok(ours), Ok(theirs)) = (ours, theirs) {
            prop_assert_eq!(ours.kind(), TileKind::Hashes(theirs.level()));
            prop_assert_eq!((ours.index(), u32::from(ours.width())), (theirs.level_index(), theirs.width()));
        }
    }
}
