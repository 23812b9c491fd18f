//! Records: each is held against its leaf, and what it says of its place against the leaf before.

use std::collections::BTreeMap;

use chain::tile::{TILE_WIDTH, TilePath, new_bundles, tiles_needed};
use chain::tree::{HashReader as _, Node, TreeError};
use chain::{Position, Record, RecordHash, TreeSize, bundle};

use super::disk::Disk;
use super::tiles::{self, BUNDLES_AT_ONCE, TilesError};
use super::{Mirror, RecordFault, StepError, Tree};
use crate::fetch::Fetch;

/// Where the tiles of a tree are.
#[derive(Clone, Copy)]
pub(super) enum Held<'a> {
    /// In the copy.
    Here(&'a Disk),
    /// At the server.
    There(&'a dyn Fetch),
}

/// The leaves of a tree, each held against its root. Keeps the tiles of level 0 used last: records come in
/// order, and one asks for its own leaf and for the one before.
pub(super) struct Leaves {
    tree: Tree,
    tiles: BTreeMap<u64, Vec<RecordHash>>,
}

impl Leaves {
    pub(super) fn new(tree: Tree) -> Self {
        Self { tree, tiles: BTreeMap::new() }
    }

    /// The leaf at a position within the tree.
    pub(super) async fn at(&mut self, held: Held<'_>, seq: u64) -> Result<RecordHash, StepError> {
        let width = u64::from(TILE_WIDTH);
        let index = seq / width;
        if !self.tiles.contains_key(&index) {
            let first = index * width;
            let end = self.tree.size.0.min(first + width);
            let nodes: Vec<_> = (first..end).map(|seq| Node::leaf(Position(seq))).collect();
            // All of them are in one tile.
            debug_assert!(tiles_needed(&nodes, self.tree.size).len() <= 16);
            let (at_hand, wrong): (_, fn(TilesError) -> StepError) = match held {
                Held::Here(disk) => (disk.tiles_for(&nodes, self.tree.size).await?, StepError::OwnTiles),
                Held::There(from) => {
                    (tiles::fetch_for(from, &nodes, self.tree).await?, StepError::WrongTiles)
                }
            };
            let mut hashes = tiles::open(&at_hand, self.tree).map_err(wrong)?;
            let read = hashes.read_hashes(&nodes).map_err(|error| wrong(TreeError::Read(error)))?;
            self.tiles.insert(index, read.into_iter().map(|hash| RecordHash(hash.0)).collect());
            while self.tiles.len() > 2 {
                self.tiles.pop_first();
            }
        }
        let leaf = self.tiles.get(&index).and_then(|tile| tile.get(usize::try_from(seq % width).ok()?));
        Ok(leaf.copied().unwrap_or(RecordHash::ZERO))
    }

    /// Holds a record against the leaf of its position, and what it says of its position and the record before against
    /// the tree.
    pub(super) async fn check(&mut self, disk: &Disk, seq: u64, record: &[u8]) -> Result<(), StepError> {
        let place = Position(seq);
        if RecordHash::of(record) != self.at(Held::Here(disk), seq).await? {
            return Err(StepError::WrongRecord { seq: place });
        }
        // From here on it is what the log has signed.
        let actual = if seq == 0 { RecordHash::ZERO } else { self.at(Held::Here(disk), seq - 1).await? };
        let fault = match Record::parse(record) {
            Err(error) => RecordFault::Malformed(error.to_string()),
            Ok(read) if read.seq != place => RecordFault::Position { stated: read.seq },
            Ok(read) if read.prev != actual => RecordFault::Link { stated: read.prev, actual },
            Ok(_) => return Ok(()),
        };
        let kept = disk.keep_fault(place, record)?;
        Err(StepError::Misrecorded { seq: place, fault, kept })
    }
}

impl Mirror {
    /// Copies the entry bundles by which `tree` is larger than what the copy has; gives how many records are new.
    /// Each of them is handed to `follow`.
    pub(super) async fn copy_bundles(
        &self,
        from: &dyn Fetch,
        have: TreeSize,
        tree: Tree,
        follow: &mut (dyn FnMut(&[u8]) + Send),
    ) -> Result<u64, StepError> {
        let mut leaves = Leaves::new(tree);
        let mut paths = new_bundles(have, tree.size).peekable();
        while paths.peek().is_some() {
            let paths: Vec<TilePath> = paths.by_ref().take(BUNDLES_AT_ONCE).collect();
            let fetched = tiles::fetch_all(from, &paths).await?;
            for (path, bytes) in paths.iter().zip(&fetched) {
                let wrong = |source| StepError::WrongBundle { path: *path, source };
                let records = bundle::decode(bytes, path.width()).map_err(wrong)?;
                for (seq, record) in (path.index() * u64::from(TILE_WIDTH)..).zip(records) {
                    leaves.check(&self.disk, seq, record).await?;
                    follow(record);
                }
            }
            self.disk.put_all(paths.into_iter().zip(fetched).collect()).await?;
        }
        Ok(tree.size.0 - have.0)
    }
}
