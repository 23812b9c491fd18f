//! Tiles of the tree and their paths (C2SP tlog-tiles): runs of 256 hashes at every eighth height, and what a tree
//! of some size consists of.
//!
//! This module fetches and stores nothing. Tiles that come from elsewhere are held against a root by [`TileHashes`].

mod path;
mod reader;

pub use path::{TileKind, TilePath, TilePathError};
pub use reader::{TileHashes, TileReadError, TileSource, tiles_needed};

use crate::hash::{NodeHash, Position, TreeSize};
use crate::tree::Node;

/// Hashes in a full tile, records in a full entry bundle.
pub const TILE_WIDTH: u16 = 256;

/// Bytes of a full hash tile: 256 hashes of 32 bytes. A reader of strangers' files reads no more than this.
pub const TILE_BYTES_MAX: usize = 256 * 32;

/// Tile levels that a tree can have: level 8 would hold hashes over 256^8 = 2^64 leaves, more than can be counted.
const TREE_LEVELS: u8 = 8;

/// How many hashes stand at tile level `level` in a tree of `size`: one for each 256^level leaves.
fn hashes_at(level: u8, size: TreeSize) -> u64 {
    if level < TREE_LEVELS { size.0 >> (8 * level) } else { 0 }
}

/// The paths of all hash tiles of a tree of `size`: at each level the full ones from the left, then the partial one.
///
/// ```
/// use chain::{TreeSize, tile::tiles};
/// let paths: Vec<_> = tiles(TreeSize(513)).map(|path| path.to_string()).collect();
/// assert_eq!(paths, ["tile/0/000", "tile/0/001", "tile/0/002.p/1", "tile/1/000.p/2"]);
/// ```
pub fn tiles(size: TreeSize) -> impl Iterator<Item = TilePath> {
    new_tiles(TreeSize(0), size)
}

/// The hash tiles of a tree of size `new` that a tree of size `old` does not have; none if `new` is not larger.
///
/// ```
/// use chain::{TreeSize, tile::new_tiles};
/// let paths: Vec<_> = new_tiles(TreeSize(255), TreeSize(256)).map(|path| path.to_string()).collect();
/// assert_eq!(paths, ["tile/0/000", "tile/1/000.p/1"]);
/// ```
pub fn new_tiles(old: TreeSize, new: TreeSize) -> impl Iterator<Item = TilePath> {
    (0..TREE_LEVELS)
        .flat_map(move |level| grown(TileKind::Hashes(level), hashes_at(level, old), hashes_at(level, new)))
}

/// The paths of all entry bundles of a log of `size`.
pub fn bundles(size: TreeSize) -> impl Iterator<Item = TilePath> {
    new_bundles(TreeSize(0), size)
}

/// The entry bundles of a log of size `new` that a log of size `old` does not have; none if `new` is not larger.
///
/// ```
/// use chain::{TreeSize, tile::new_bundles};
/// let paths: Vec<_> = new_bundles(TreeSize(250), TreeSize(259)).map(|path| path.to_string()).collect();
/// assert_eq!(paths, ["tile/entries/000", "tile/entries/001.p/3"]);
/// ```
pub fn new_bundles(old: TreeSize, new: TreeSize) -> impl Iterator<Item = TilePath> {
    grown(TileKind::Entries, old.0, new.0)
}

/// The tiles that come when a level grows from `old` hashes to `new`.
fn grown(kind: TileKind, old: u64, new: u64) -> impl Iterator<Item = TilePath> {
    let width = u64::from(TILE_WIDTH);
    let full = (old / width..new / width).map(move |index| TilePath::of(kind, index, TILE_WIDTH));
    let partial = (new > old).then(|| last_tile(kind, new)).flatten();
    full.chain(partial)
}

/// The partial tile at the end of a level of `count` hashes, if it does not end with a full one.
fn last_tile(kind: TileKind, count: u64) -> Option<TilePath> {
    let width = u16::try_from(count % u64::from(TILE_WIDTH)).ok().filter(|width| *width > 0)?;
    Some(TilePath::of(kind, count / u64::from(TILE_WIDTH), width))
}

/// The tile of its kind and index in a tree of `size`, full or partial; none if the tree does not reach it.
fn tile_at(kind: TileKind, index: u64, size: TreeSize) -> Option<TilePath> {
    let count = match kind {
        TileKind::Hashes(level) => hashes_at(level, size),
        TileKind::Entries => size.0,
    };
    if index < count / u64::from(TILE_WIDTH) {
        Some(TilePath::of(kind, index, TILE_WIDTH))
    } else {
        last_tile(kind, count).filter(|tile| tile.index() == index)
    }
}

/// The entry bundle that holds the record at `position` in a log of `size`, and the record's place in it.
///
/// ```
/// use chain::{Position, TreeSize, tile::bundle_of};
/// let (path, place) = bundle_of(Position(300), TreeSize(301)).unwrap();
/// assert_eq!((path.to_string().as_str(), place), ("tile/entries/001.p/45", 44));
/// assert_eq!(bundle_of(Position(301), TreeSize(301)), None);
/// ```
pub fn bundle_of(position: Position, size: TreeSize) -> Option<(TilePath, usize)> {
    let width = u64::from(TILE_WIDTH);
    let path = tile_at(TileKind::Entries, position.0 / width, size).filter(|_| position.0 < size.0)?;
    Some((path, usize::try_from(position.0 % width).ok()?))
}

/// The hash tile from which the hash of `node` is made in a tree of `size`; none if the node is not within it.
///
/// ```
/// use chain::{TreeSize, tile::tile_of, tree::Node};
/// let path = tile_of(Node { level: 9, index: 1 }, TreeSize(1_024)).unwrap();
/// assert_eq!(path.to_string(), "tile/1/000.p/4");
/// ```
pub fn tile_of(node: Node, size: TreeSize) -> Option<TilePath> {
    if !node.is_within(size) {
        return None;
    }
    let level = u8::try_from(node.level / 8).ok()?;
    // 2^(level mod 8) hashes of the tile make up the node, so a tile holds 256 / 2^(level mod 8) such nodes.
    tile_at(TileKind::Hashes(level), node.index >> (8 - node.level % 8), size)
}

/// A hash tile's hashes, not yet held against anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashTile {
    path: TilePath,
    hashes: Vec<NodeHash>,
}

/// Bytes that are not the hash tile of their path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TileError {
    /// The path names an entry bundle.
    #[error("{path} is no hash tile")]
    NotHashes {
        /// The path.
        path: TilePath,
    },
    /// Not 32 bytes for each hash of the path's width.
    #[error("{path} has {found} bytes, not {expected}")]
    Length {
        /// The path.
        path: TilePath,
        /// How many bytes are due.
        expected: usize,
        /// How many there are.
        found: usize,
    },
}

impl HashTile {
    /// Reads a tile: exactly 32 bytes for each hash.
    ///
    /// # Errors
    /// [`TileError`].
    pub fn parse(path: TilePath, bytes: &[u8]) -> Result<Self, TileError> {
        if path.kind() == TileKind::Entries {
            return Err(TileError::NotHashes { path });
        }
        let expected = usize::from(path.width()) * 32;
        if bytes.len() != expected {
            return Err(TileError::Length { path, expected, found: bytes.len() });
        }
        let hashes = bytes.as_chunks().0.iter().copied().map(NodeHash).collect();
        Ok(Self { path, hashes })
    }

    /// The tile's bytes for a run of hashes.
    ///
    /// ```
    /// # use chain::{NodeHash, tile::HashTile};
    /// let bytes = HashTile::encode(&[NodeHash([1; 32]), NodeHash([2; 32])]);
    /// let tile = HashTile::parse("tile/0/000.p/2".parse().unwrap(), &bytes).unwrap();
    /// assert_eq!(tile.hashes()[1], NodeHash([2; 32]));
    /// ```
    pub fn encode(hashes: &[NodeHash]) -> Vec<u8> {
        hashes.iter().flat_map(|hash| hash.0).collect()
    }

    /// Where it belongs.
    pub fn path(&self) -> TilePath {
        self.path
    }

    /// Its hashes, from the left.
    pub fn hashes(&self) -> &[NodeHash] {
        &self.hashes
    }

    /// The hash of a complete subtree that is made of this tile's hashes; none if it is not.
    pub fn node(&self, node: Node) -> Option<NodeHash> {
        let height = node.level % 8;
        if u8::try_from(node.level / 8).ok().map(TileKind::Hashes) != Some(self.path.kind())
            || node.index >> (8 - height) != self.path.index()
        {
            return None;
        }
        let first = usize::try_from((node.index << height) % u64::from(TILE_WIDTH)).ok()?;
        over(self.hashes.get(first..first + (1 << height))?)
    }

    /// The hash over the whole tile, which stands in the level above if the tile is full.
    pub fn hash(&self) -> Option<NodeHash> {
        if self.path.is_full() { over(&self.hashes) } else { None }
    }
}

/// The hash over a power of two of adjoining hashes.
fn over(hashes: &[NodeHash]) -> Option<NodeHash> {
    let mut level = hashes.to_vec();
    while level.len() > 1 {
        level = level.as_chunks::<2>().0.iter().map(|[left, right]| NodeHash::over(left, right)).collect();
    }
    level.pop()
}

#[cfg(test)]
mod tests;
