//! Proofs of single records, from tiles that are held against the checkpoint's root before they are used.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use chain::proof::LogProof;
use chain::tile::{TileHashes, TilePath, tiles_needed};
use chain::{Position, SignedCheckpoint, tree};

/// The tiles that the proof of a record takes; `None` if the checkpoint does not cover it.
pub(crate) fn tiles(checkpoint: &SignedCheckpoint, seq: Position) -> Option<BTreeSet<TilePath>> {
    let size = checkpoint.claim().size;
    let nodes = tree::inclusion_nodes::<Infallible>(seq, size).ok()?;
    Some(tiles_needed(&nodes, size))
}

/// The proof of a record, from at least these tiles; `None` if one is missing or wrong.
pub(crate) fn prove(
    checkpoint: &SignedCheckpoint,
    seq: Position,
    tiles: &BTreeMap<TilePath, Vec<u8>>,
) -> Option<LogProof> {
    let (size, root) = (checkpoint.claim().size, checkpoint.claim().root);
    let source = |path: TilePath| tiles.get(&path).cloned().ok_or(());
    let mut hashes = TileHashes::open(source, size, root).ok()?;
    let path = tree::inclusion_proof(&mut hashes, seq, size).ok()?;
    Some(LogProof { position: seq, path, checkpoint: checkpoint.clone() })
}
