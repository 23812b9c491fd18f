//! A tree's hashes out of tiles that somebody else keeps.

use std::collections::{BTreeMap, BTreeSet};

use super::{HashTile, TREE_LEVELS, TileError, TileKind, TilePath, hashes_at, last_tile, tile_of};
use crate::hash::{NodeHash, RootHash, TreeSize};
use crate::tree::{self, HashReader, Node, TreeError};

/// Where tiles are fetched from. Any function from path to bytes is one.
pub trait TileSource {
    /// Why a tile could not be fetched.
    type Error;

    /// Fetches a tile's bytes. It need not be honest. Where a partial tile is gone since the full one is there, the
    /// full one's first bytes are the partial one.
    ///
    /// # Errors
    /// As the implementation says.
    fn fetch(&mut self, path: TilePath) -> Result<Vec<u8>, Self::Error>;
}

impl<F, E> TileSource for F
where
    F: FnMut(TilePath) -> Result<Vec<u8>, E>,
{
    type Error = E;

    fn fetch(&mut self, path: TilePath) -> Result<Vec<u8>, E> {
        self(path)
    }
}

/// Why a hash could not be had from tiles.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TileReadError<E> {
    /// A tile could not be fetched.
    #[error("cannot fetch {path}")]
    Fetch {
        /// The tile.
        path: TilePath,
        /// Why.
        #[source]
        source: E,
    },
    /// A tile's bytes are not of its form.
    #[error("{0}")]
    Malformed(TileError),
    /// A tile does not hash to what stands for it in the level above.
    #[error("{path} hashes to {found}, the level above says {expected}")]
    WrongTile {
        /// The tile.
        path: TilePath,
        /// The hash in the tile above.
        expected: NodeHash,
        /// The tile's own hash.
        found: NodeHash,
    },
    /// The tiles at the right edge do not hash to the root.
    #[error("the tiles of the tree's right edge hash to root {found}, not to {expected}")]
    WrongRoot {
        /// The root known.
        expected: RootHash,
        /// The root of the tiles.
        found: RootHash,
    },
    /// The subtree is not within the tree.
    #[error("{node} is not in a tree of size {size}")]
    OutsideTree {
        /// The subtree asked for.
        node: Node,
        /// The tree's size.
        size: TreeSize,
    },
}

/// The hashes of a tree of known size and root, read from tiles, each of which is held against that root before it is
/// used: every hash it gives out is the tree's.
///
/// It keeps each tile it has fetched, about 8 KiB each: meant for proofs, which need a tile for each level, not for
/// reading a whole log.
///
/// ```
/// use std::collections::BTreeMap;
/// use chain::tile::{HashTile, TileHashes, TilePath};
/// use chain::{Position, RecordHash, TreeSize, tree};
/// let leaves: Vec<_> = (0..3).map(|n| RecordHash::of(&[n])).collect();
/// let nodes: Vec<_> = leaves.iter().map(|leaf| (*leaf).into()).collect();
/// let stored: BTreeMap<TilePath, Vec<u8>> =
///     [("tile/0/000.p/3".parse().unwrap(), HashTile::encode(&nodes))].into();
///
/// let root = tree::root_of(&leaves);
/// let fetch = |path| stored.get(&path).cloned().ok_or("not there");
/// let mut hashes = TileHashes::open(fetch, TreeSize(3), root).unwrap();
/// let proof = tree::inclusion_proof(&mut hashes, Position(0), TreeSize(3)).unwrap();
/// assert_eq!(tree::verify_inclusion(leaves[0], Position(0), TreeSize(3), &proof, root), Ok(()));
/// ```
#[derive(Debug)]
pub struct TileHashes<S> {
    source: S,
    size: TreeSize,
    /// Only what was held against the root.
    tiles: BTreeMap<TilePath, HashTile>,
}

impl<S: TileSource> TileHashes<S> {
    /// Fetches the partial tiles at the right edge of the tree, at most eight, and checks that they make up `root`.
    ///
    /// # Errors
    /// [`TileReadError`].
    pub fn open(source: S, size: TreeSize, root: RootHash) -> Result<Self, TileReadError<S::Error>> {
        let mut hashes = Self { source, size, tiles: BTreeMap::new() };
        for path in edge(size) {
            let tile = hashes.fetch(path)?;
            hashes.tiles.insert(path, tile);
        }
        // The subtrees a tree consists of are made of all the hashes in these tiles and of no others, so that one wrong
        // hash among them makes another root.
        let found = match tree::root(&mut hashes, size) {
            Ok(found) => found,
            Err(TreeError::Read(error)) => return Err(error),
            Err(_) => RootHash::empty(),
        };
        if found == root { Ok(hashes) } else { Err(TileReadError::WrongRoot { expected: root, found }) }
    }

    /// The tree's size.
    pub fn size(&self) -> TreeSize {
        self.size
    }

    fn fetch(&mut self, path: TilePath) -> Result<HashTile, TileReadError<S::Error>> {
        let bytes = self.source.fetch(path).map_err(|source| TileReadError::Fetch { path, source })?;
        HashTile::parse(path, &bytes).map_err(TileReadError::Malformed)
    }

    /// Fetches a tile that is not at the right edge, after those above it, and holds it against the one above.
    fn admit(&mut self, path: TilePath) -> Result<(), TileReadError<S::Error>> {
        let mut due = above(path, self.size);
        due.retain(|path| !self.tiles.contains_key(path));
        while let Some(path) = due.pop() {
            let tile = self.fetch(path)?;
            let expected = covering(path).and_then(|node| self.known(node));
            let found = tile.hash();
            match (expected, found) {
                (Some(expected), Some(found)) if expected == found => drop(self.tiles.insert(path, tile)),
                (expected, found) => {
                    let (expected, found) = (expected.unwrap_or_default(), found.unwrap_or_default());
                    return Err(TileReadError::WrongTile { path, expected, found });
                }
            }
        }
        Ok(())
    }

    /// The hash of a subtree whose tile has been admitted.
    fn known(&self, node: Node) -> Option<NodeHash> {
        self.tiles.get(&tile_of(node, self.size)?)?.node(node)
    }
}

impl<S: TileSource> HashReader for TileHashes<S> {
    type Error = TileReadError<S::Error>;

    fn read_hashes(&mut self, nodes: &[Node]) -> Result<Vec<NodeHash>, Self::Error> {
        nodes
            .iter()
            .map(|node| {
                let outside = TileReadError::OutsideTree { node: *node, size: self.size };
                let Some(path) = tile_of(*node, self.size) else { return Err(outside) };
                self.admit(path)?;
                self.known(*node).ok_or(outside)
            })
            .collect()
    }
}

/// The tiles that [`TileHashes`] of a tree of `size` fetches to answer for `nodes`: for whoever must fetch them all
/// before, side by side. Nodes outside the tree need none.
///
/// ```
/// use chain::tile::tiles_needed;
/// use chain::{Position, TreeSize, tree};
/// let size = TreeSize(70_000);
/// let nodes = tree::inclusion_nodes::<()>(Position(1), size).unwrap();
/// let paths: Vec<_> = tiles_needed(&nodes, size).iter().map(ToString::to_string).collect();
/// assert_eq!(paths, ["tile/0/000", "tile/0/273.p/112", "tile/1/000", "tile/1/001.p/17", "tile/2/000.p/1"]);
/// ```
pub fn tiles_needed(nodes: &[Node], size: TreeSize) -> BTreeSet<TilePath> {
    let needed = nodes.iter().filter_map(|node| tile_of(*node, size));
    edge(size).chain(needed.flat_map(|path| above(path, size))).collect()
}

/// The partial tiles at the right edge.
fn edge(size: TreeSize) -> impl Iterator<Item = TilePath> {
    (0..TREE_LEVELS).filter_map(move |level| last_tile(TileKind::Hashes(level), hashes_at(level, size)))
}

/// The tile itself and all it is held against, up to one at the right edge: level after level, the highest last.
fn above(path: TilePath, size: TreeSize) -> Vec<TilePath> {
    let mut chain = vec![path];
    let mut at = path;
    while at.is_full()
        && let Some(next) = covering(at).and_then(|node| tile_of(node, size))
    {
        chain.push(next);
        at = next;
    }
    chain
}

/// The subtree that a full tile is, as its hash stands in the level above.
fn covering(path: TilePath) -> Option<Node> {
    match path.kind() {
        TileKind::Hashes(level) => Some(Node { level: u32::from(level) * 8 + 8, index: path.index() }),
        TileKind::Entries => None,
    }
}
