//! An archive's files, made in one go.

use std::path::Path;

use anyhow::Result;
use chain::tile::{HashTile, TileKind, TilePath, bundles, tiles};
use chain::{LinkedRecord, NodeHash, RecordHash, TreeSize, bundle, tree};

use crate::measure::write;

/// The hashes of each level: the leaves, one for each 256 of them, and so on.
pub(crate) fn levels(leaves: Vec<NodeHash>) -> Vec<Vec<NodeHash>> {
    let mut levels = vec![leaves];
    while let Some(below) = levels.last().filter(|below| below.len() >= 256) {
        let above = below.chunks_exact(256).map(over).collect();
        levels.push(above);
    }
    levels
}

/// The hash of a full tile. A node stands where a leaf would.
fn over(tile: &[NodeHash]) -> NodeHash {
    let leaves: Vec<_> = tile.iter().map(|hash| RecordHash(hash.0)).collect();
    NodeHash(tree::root_of(&leaves).0)
}

/// Writes the tiles of a tree, given by its levels.
pub(crate) fn write_tiles(directory: &Path, levels: &[Vec<NodeHash>]) -> Result<()> {
    let size = TreeSize(levels.first().map_or(0, Vec::len) as u64);
    for path in tiles(size) {
        let TileKind::Hashes(level) = path.kind() else { continue };
        let hashes = &levels[usize::from(level)][range(path)?];
        write(&directory.join(path.to_string()), HashTile::encode(hashes))?;
    }
    Ok(())
}

/// Writes the bundles of a log.
pub(crate) fn write_bundles(directory: &Path, log: &[LinkedRecord]) -> Result<()> {
    for path in bundles(TreeSize(log.len() as u64)) {
        let records = log[range(path)?].iter().map(|record| &*record.bytes);
        write(&directory.join(path.to_string()), bundle::encode(records)?)?;
    }
    Ok(())
}

fn range(path: TilePath) -> Result<std::ops::Range<usize>> {
    let first = usize::try_from(path.index() * 256)?;
    Ok(first..first + usize::from(path.width()))
}
