//! Hash tiles: fetched from the top level down, each held against the one above before it is kept.

use std::collections::BTreeMap;

use chain::bundle;
use chain::tile::{
    HashTile, TILE_WIDTH, TileHashes, TileKind, TilePath, TileReadError, TileSource, new_tiles, tile_of,
    tiles_needed,
};
use chain::tree::{Node, TreeError};
use chain::{NodeHash, TreeSize};
use futures_util::future::try_join_all;

use super::disk::DiskError;
use super::{Mirror, StepError, Tree, fetch};
use crate::fetch::{Fetch, FetchError, Resource};

/// Fetches under way at once.
const FETCHES_MAX: usize = 8;

/// Tiles or bundles fetched before they are written: 64 hash tiles have half a mebibyte. Of bundles, which may have 16 MiB
/// each, as many as are fetched at once.
const TILES_AT_ONCE: usize = 64;
pub(super) const BUNDLES_AT_ONCE: usize = FETCHES_MAX;

/// Bytes of tiles, not yet held against anything, by path.
pub(super) type Tiles = BTreeMap<TilePath, Vec<u8>>;

/// A tile that was not fetched, or is not in the copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is not there")]
pub struct NotLoaded;

/// What tiles do not tell.
pub type TilesError = TreeError<TileReadError<NotLoaded>>;

/// The tree's hashes out of tiles at hand, once those at its edge make up its root.
pub(super) fn open(
    tiles: &Tiles,
    tree: Tree,
) -> Result<TileHashes<impl TileSource<Error = NotLoaded>>, TilesError> {
    let at_hand = |path: TilePath| tiles.get(&path).cloned().ok_or(NotLoaded);
    TileHashes::open(at_hand, tree.size, tree.root).map_err(TreeError::Read)
}

/// Fetches the tiles that tell these nodes of a tree.
pub(super) async fn fetch_for(from: &dyn Fetch, nodes: &[Node], tree: Tree) -> Result<Tiles, StepError> {
    let paths: Vec<_> = tiles_needed(nodes, tree.size).into_iter().collect();
    let fetched = fetch_all(from, &paths).await?;
    Ok(paths.into_iter().zip(fetched).collect())
}

/// Fetches tiles or bundles, in their order.
pub(super) async fn fetch_all(from: &dyn Fetch, paths: &[TilePath]) -> Result<Vec<Vec<u8>>, StepError> {
    let mut fetched = Vec::with_capacity(paths.len());
    for paths in paths.chunks(FETCHES_MAX) {
        let fetches: Vec<_> = paths.iter().map(|path| fetch_tile(from, *path)).collect();
        fetched.extend(try_join_all(fetches).await?);
    }
    Ok(fetched)
}

/// Fetches a tile or bundle; a partial one that is gone is cut out of the full one.
async fn fetch_tile(from: &dyn Fetch, path: TilePath) -> Result<Vec<u8>, StepError> {
    match fetch(from, Resource::Tile(path)).await {
        Err(StepError::Fetch { source: FetchError::NotFound, .. }) if !path.is_full() => {
            let full = fetch(from, Resource::Tile(path.full())).await?;
            let width = usize::from(path.width());
            match path.kind() {
                TileKind::Hashes(_) => Ok(full.into_iter().take(width * 32).collect()),
                TileKind::Entries => {
                    let wrong = |source| StepError::WrongBundle { path: path.full(), source };
                    let records = bundle::decode(&full, TILE_WIDTH).map_err(wrong)?;
                    // Of 256 records that were in a bundle any fewer make one.
                    Ok(bundle::encode(records.into_iter().take(width)).unwrap_or_default())
                }
            }
        }
        fetched => fetched,
    }
}

/// The partial tiles and the partial bundle at the end of a log.
fn edge(size: TreeSize) -> impl Iterator<Item = TilePath> {
    let width = u64::from(TILE_WIDTH);
    let partial = move |kind, count: u64| {
        // A width of 0 is none.
        TilePath::new(kind, count / width, u16::try_from(count % width).unwrap_or(0)).ok()
    };
    let hashes = (0..8).map(move |level| (TileKind::Hashes(level), size.0 >> (8 * level)));
    hashes.chain([(TileKind::Entries, size.0)]).filter_map(move |(kind, count)| partial(kind, count))
}

impl Mirror {
    /// Copies the hash tiles by which `tree` is larger than what the copy has. `known` are some that were fetched already.
    /// Gives how many were written.
    pub(super) async fn copy_tiles(
        &self,
        from: &dyn Fetch,
        have: TreeSize,
        tree: Tree,
        mut known: Tiles,
    ) -> Result<u64, StepError> {
        // The edge stands or falls as a whole: the root is made of all of it.
        let paths: Vec<_> = edge(tree.size).filter(|path| path.kind() != TileKind::Entries).collect();
        let missing: Vec<_> = paths.iter().copied().filter(|path| !known.contains_key(path)).collect();
        let fetched = fetch_all(from, &missing).await?;
        known.extend(missing.into_iter().zip(fetched));
        open(&known, tree).map_err(StepError::WrongTiles)?;
        let edge: Vec<_> = paths.iter().filter_map(|path| known.remove_entry(path)).collect();
        let mut written = edge.len() as u64;
        self.disk.put_all(edge).await?;

        for level in (0..8).rev() {
            let full = |path: &TilePath| path.kind() == TileKind::Hashes(level) && path.is_full();
            let mut paths = new_tiles(have, tree.size).filter(full).peekable();
            while paths.peek().is_some() {
                let paths: Vec<_> = paths.by_ref().take(TILES_AT_ONCE).collect();
                written += self.copy_full(from, &paths, tree, &known).await?;
            }
        }
        Ok(written)
    }

    /// Copies full tiles of one level. Those above them are in the copy already, held against the root: each of them is as
    /// new as these, since it ends no earlier.
    async fn copy_full(
        &self,
        from: &dyn Fetch,
        paths: &[TilePath],
        tree: Tree,
        known: &Tiles,
    ) -> Result<u64, StepError> {
        let mut due = Vec::new();
        let mut above: Option<HashTile> = None;
        for path in paths {
            let expected = self.expected(*path, tree.size, &mut above).await?;
            // A step that was cut off has left some.
            let there = self.disk.get(*path).await?;
            if !there.is_some_and(|bytes| hash(*path, &bytes).is_ok_and(|hash| hash == expected)) {
                due.push((*path, expected));
            }
        }
        let unknown: Vec<_> =
            due.iter().map(|(path, _)| *path).filter(|path| !known.contains_key(path)).collect();
        let mut fetched = fetch_all(from, &unknown).await?.into_iter();
        let mut files = Vec::with_capacity(due.len());
        for (path, expected) in due {
            let bytes = known.get(&path).cloned().or_else(|| fetched.next()).unwrap_or_default();
            let found = hash(path, &bytes).map_err(StepError::WrongTiles)?;
            if found != expected {
                let wrong = TileReadError::WrongTile { path, expected, found };
                return Err(StepError::WrongTiles(TreeError::Read(wrong)));
            }
            files.push((path, bytes));
        }
        let written = files.len() as u64;
        self.disk.put_all(files).await?;
        Ok(written)
    }

    /// The hash that the copy's tile of the level above has for a full tile.
    async fn expected(
        &self,
        path: TilePath,
        size: TreeSize,
        above: &mut Option<HashTile>,
    ) -> Result<NodeHash, StepError> {
        let TileKind::Hashes(level) = path.kind() else { return Ok(NodeHash::default()) };
        let node = Node { level: u32::from(level) * 8 + 8, index: path.index() };
        let Some(at) = tile_of(node, size) else { return Err(StepError::TooLarge { size }) };
        if above.as_ref().is_none_or(|tile| tile.path() != at) {
            let own = |what| StepError::OwnCopy { path: at, what };
            let bytes = self.disk.get(at).await?.ok_or_else(|| own("it is not there".to_owned()))?;
            *above = Some(HashTile::parse(at, &bytes).map_err(|error| own(error.to_string()))?);
        }
        Ok(above.as_ref().and_then(|tile| tile.node(node)).unwrap_or_default())
    }

    /// Removes partial tiles that the copy's checkpoint, of `size`, has no use for, where the earlier one of size `have`
    /// ended.
    pub(super) async fn remove_superseded(&self, have: TreeSize, size: TreeSize) -> Result<(), DiskError> {
        for path in edge(have) {
            for partial in self.disk.partials(path).await? {
                if !partial.exists_in(size) {
                    self.disk.remove(partial).await?;
                }
            }
        }
        Ok(())
    }

    /// Removes partial tiles that steps cut off have left: all that neither the copy's checkpoint nor the one seen needs.
    pub(super) async fn sweep(&self) -> Result<(), DiskError> {
        let seen = self.seen().map_or(TreeSize(0), |seen| seen.claim().size);
        let have = self.have();
        for path in self.disk.list().await? {
            if !path.is_full() && !path.exists_in(have) && !path.exists_in(seen) {
                self.disk.remove(path).await?;
            }
        }
        Ok(())
    }
}

/// The hash over a full tile.
fn hash(path: TilePath, bytes: &[u8]) -> Result<NodeHash, TilesError> {
    let tile =
        HashTile::parse(path, bytes).map_err(|error| TreeError::Read(TileReadError::Malformed(error)))?;
    Ok(tile.hash().unwrap_or_default())
}
