//! The right edge of a log that is being sealed: from records to the files they make up.

use std::fmt;
use std::sync::Arc;

use chain::tile::{HashTile, TILE_WIDTH, TileKind, TilePath};
use chain::tree::Frontier;
use chain::{Chain, LinkError, LinkedRecord, NodeHash, Position, Record, RecordError, RecordHash};
use chain::{RootHash, TreeSize, bundle};

/// Why the journal's records are not a log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JournalFault {
    /// The journal itself reports damage.
    #[error("record {seq} is damaged in {place}: {what}")]
    Damaged {
        /// The first record that cannot be read.
        seq: Position,
        /// Where it is stored.
        place: String,
        /// What contradicts what.
        what: String,
    },
    /// The bytes are not those that the journal's own hash is of.
    #[error("record {seq} has hash {found}, the journal says {stated}")]
    Hash {
        /// Which record.
        seq: Position,
        /// What the journal says.
        stated: RecordHash,
        /// What its bytes hash to.
        found: RecordHash,
    },
    /// Not a record.
    #[error("what stands at {seq} is no record: {source}")]
    Malformed {
        /// Where.
        seq: Position,
        /// Why not.
        source: RecordError,
    },
    /// It does not continue the record before it.
    #[error(transparent)]
    Link(LinkError),
    /// The journal gives no record where it says that there is one.
    #[error("record {seq} is not given out, though the journal says it is durable")]
    Withheld {
        /// Which record.
        seq: Position,
    },
}

/// Files for the archive, bundles apart from tiles: the bundles are written first.
#[derive(Default)]
pub(crate) struct Files {
    pub(crate) bundles: Vec<(TilePath, Vec<u8>)>,
    pub(crate) tiles: Vec<(TilePath, Vec<u8>)>,
}

impl Files {
    pub(crate) fn paths(&self) -> impl Iterator<Item = TilePath> {
        self.bundles.iter().chain(&self.tiles).map(|(path, _)| *path)
    }

    pub(crate) fn retain(&mut self, keep: impl Fn(TilePath) -> bool) {
        self.bundles.retain(|(path, _)| keep(*path));
        self.tiles.retain(|(path, _)| keep(*path));
    }

    pub(crate) fn into_all(self) -> impl Iterator<Item = (TilePath, Vec<u8>)> {
        self.bundles.into_iter().chain(self.tiles)
    }
}

/// All that is needed to go on sealing from some size: at most 255 records and, for each level, 255 hashes.
#[derive(Clone, Default)]
pub(crate) struct Growth {
    chain: Chain,
    frontier: Frontier,
    /// For each level the hashes that do not fill a tile yet.
    levels: Vec<Vec<NodeHash>>,
    /// The records that do not fill a bundle yet.
    records: Vec<Arc<[u8]>>,
}

impl fmt::Debug for Growth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Growth").field("chain", &self.chain).finish_non_exhaustive()
    }
}

impl Growth {
    pub(crate) fn size(&self) -> TreeSize {
        self.frontier.size()
    }

    pub(crate) fn root(&self) -> RootHash {
        self.frontier.root()
    }

    /// Hashes the record anew, holds it against the one before it, and adds it; what it fills goes to `files`.
    pub(crate) fn append(&mut self, linked: &LinkedRecord, files: &mut Files) -> Result<(), JournalFault> {
        let seq = self.size().next_position();
        let found = RecordHash::of(&linked.bytes);
        if found != linked.hash {
            return Err(JournalFault::Hash { seq, stated: linked.hash, found });
        }
        let record =
            Record::parse(&linked.bytes).map_err(|source| JournalFault::Malformed { seq, source })?;
        self.chain.follow(&record, found).map_err(JournalFault::Link)?;
        self.frontier.append(found);
        self.records.push(Arc::clone(&linked.bytes));
        if self.records.len() == usize::from(TILE_WIDTH) {
            files.bundles.push(bundle_of(&self.records, seq.0 / u64::from(TILE_WIDTH)));
            self.records.clear();
        }
        self.push(0, found.into(), files);
        Ok(())
    }

    /// Adds a hash to a level, and what that fills to the levels above.
    fn push(&mut self, level: u8, hash: NodeHash, files: &mut Files) {
        let (mut level, mut hash) = (level, hash);
        loop {
            let place = usize::from(level);
            if self.levels.len() == place {
                self.levels.push(Vec::new());
            }
            self.levels[place].push(hash);
            if self.levels[place].len() < usize::from(TILE_WIDTH) {
                return;
            }
            let full = tile_of(level, &self.levels[place], self.size());
            self.levels[place].clear();
            let tile = HashTile::parse(full.0, &full.1).expect("256 hashes are a full tile");
            hash = tile.hash().expect("a full tile has a hash");
            files.tiles.push(full);
            level += 1;
        }
    }

    /// The partial bundle and tiles at the end.
    pub(crate) fn partials(&self) -> Files {
        let mut files = Files::default();
        if !self.records.is_empty() {
            files.bundles.push(bundle_of(&self.records, self.size().0 / u64::from(TILE_WIDTH)));
        }
        for (level, hashes) in (0..).zip(&self.levels) {
            if !hashes.is_empty() {
                files.tiles.push(tile_of(level, hashes, self.size()));
            }
        }
        files
    }
}

fn bundle_of(records: &[Arc<[u8]>], index: u64) -> (TilePath, Vec<u8>) {
    let bytes = bundle::encode(records.iter().map(|record| &record[..]));
    (
        path(TileKind::Entries, index, records.len()),
        bytes.expect("records are at most 65,535 bytes, 256 of them"),
    )
}

/// The last tile of a level in a tree of `size`.
fn tile_of(level: u8, hashes: &[NodeHash], size: TreeSize) -> (TilePath, Vec<u8>) {
    // The last hash of the level covers leaves up to `size`, or up to where the next one would begin.
    let last = (size.0 >> (8 * u32::from(level))) - 1;
    (path(TileKind::Hashes(level), last / u64::from(TILE_WIDTH), hashes.len()), HashTile::encode(hashes))
}

fn path(kind: TileKind, index: u64, width: usize) -> TilePath {
    let width = u16::try_from(width).unwrap_or(TILE_WIDTH);
    TilePath::new(kind, index, width).expect("1 to 256 wide, and levels end below 8")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::records;
    use chain::tile::{new_bundles, new_tiles};
    use chain::tree;
    use std::collections::BTreeMap;

    #[test]
    fn records_of_every_size_make_up_the_tiles_and_the_root_the_format_asks_for() {
        let records = records(66_000);
        let hashes: Vec<_> = records.iter().map(|record| record.hash).collect();
        let mut growth = Growth::default();
        let mut stored = BTreeMap::new();
        let mut before = TreeSize(0);
        let edges = [1, 2, 255, 256, 257, 511, 512, 513, 65_535, 65_536, 65_537, 65_792, 66_000];
        for size in edges {
            let mut files = Files::default();
            for record in &records[usize::try_from(before.0).unwrap()..size] {
                growth.append(record, &mut files).unwrap();
            }
            let mut written: BTreeMap<_, _> = files.into_all().chain(growth.partials().into_all()).collect();
            let after = TreeSize(size as u64);
            let due: Vec<_> = new_tiles(before, after).chain(new_bundles(before, after)).collect();
            // A level that has not grown keeps its partial tile, which comes again with the same bytes.
            written.retain(|path, bytes| match stored.get(path) {
                Some(there) => {
                    assert_eq!(there, bytes, "{path}");
                    due.contains(path)
                }
                None => true,
            });
            assert!(written.keys().eq(&due.into_iter().collect::<std::collections::BTreeSet<_>>()), "{size}");
            stored.append(&mut written);
            assert_eq!(growth.root(), tree::root_of(&hashes[..size]), "{size}");

            let fetch = |path| stored.get(&path).cloned().ok_or(());
            let mut reader = chain::tile::TileHashes::open(fetch, after, growth.root()).unwrap();
            let proof = tree::consistency_proof(&mut reader, before, after).unwrap();
            let old = tree::root_of(&hashes[..usize::try_from(before.0).unwrap()]);
            assert_eq!(tree::verify_consistency(before, old, after, growth.root(), &proof), Ok(()));
            before = after;
        }
        let first = bundle::decode(&stored[&"tile/entries/000".parse().unwrap()], 256).unwrap();
        assert!(first.iter().zip(&records).all(|(entry, record)| **entry == *record.bytes));
    }

    #[test]
    fn a_record_that_is_not_the_next_one_is_not_taken() {
        let records = records(3);
        let mut growth = Growth::default();
        let files = &mut Files::default();
        growth.append(&records[0], files).unwrap();
        let altered = LinkedRecord { hash: records[2].hash, ..records[1].clone() };
        assert!(matches!(growth.append(&altered, files), Err(JournalFault::Hash { seq: Position(1), .. })));
        assert!(matches!(growth.append(&records[2], files), Err(JournalFault::Link(_))));
        let none = LinkedRecord::new(Position(1), &b"{}"[..]);
        assert!(matches!(growth.append(&none, files), Err(JournalFault::Malformed { .. })));
        growth.append(&records[1], files).unwrap();
        assert_eq!(growth.size(), TreeSize(2));
    }
}
