//! The files of an archive by what they hold, each read only as far as its kind may reach.

use std::collections::BTreeMap;

use bytes::Bytes;
use chain::bundle::BUNDLE_BYTES_MAX;
use chain::note::NOTE_BYTES_MAX;
use chain::tile::{HashTile, TileKind, TilePath, bundle_of, tile_of};
use chain::tree::Node;
use chain::{NodeHash, Position, TreeSize};

use crate::files::{Files, Listed, read, read_onto};
use crate::source::SourceError;

/// Where an archive's checkpoint stands.
pub(crate) const CHECKPOINT: &str = "checkpoint";

/// An archive's files, as they were listed.
pub(crate) struct Store<'f> {
    files: &'f dyn Files,
    prefix: &'static str,
    /// Each with its length in bytes.
    tiles: BTreeMap<TilePath, u64>,
}

/// Whether a name is that of a write that was cut short: a file's, with `#` and digits behind it, as the archive's
/// store names what it has not finished.
pub(crate) fn is_unfinished(path: &str) -> bool {
    path.rsplit_once('#').is_some_and(|(file, number)| {
        let is_file = file == CHECKPOINT || file.parse::<TilePath>().is_ok();
        is_file && !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// What came of reading a file.
pub(crate) enum Read<T> {
    /// It is of its form.
    Whole(T),
    /// It is gone since it was listed.
    Gone,
    /// It is not of its form: why.
    Malformed(String),
}

impl<'f> Store<'f> {
    /// Takes in the files whose paths begin with `prefix`; gives the paths among them that are none of an archive.
    pub(crate) fn new(files: &'f dyn Files, prefix: &'static str, listed: &[Listed]) -> (Self, Vec<String>) {
        let mut store = Self { files, prefix, tiles: BTreeMap::new() };
        let mut others = Vec::new();
        for file in listed {
            let Some(path) = file.path.strip_prefix(prefix) else { continue };
            match (path.parse(), file.length) {
                (Ok(tile), Some(length)) => drop(store.tiles.insert(tile, length)),
                (Err(_), Some(_)) if path == CHECKPOINT => {}
                _ => others.push(file.path.clone()),
            }
        }
        (store, others)
    }

    /// A tile's path as the files were listed.
    pub(crate) fn path(&self, tile: TilePath) -> String {
        format!("{}{tile}", self.prefix)
    }

    /// The tiles listed, in order.
    pub(crate) fn tiles(&self) -> impl Iterator<Item = TilePath> {
        self.tiles.keys().copied()
    }

    /// All listed tiles of the place that `tile` has, from the narrowest.
    pub(crate) fn widths(&self, tile: TilePath) -> Vec<TilePath> {
        let narrowest = TilePath::new(tile.kind(), tile.index(), 1).unwrap_or(tile);
        self.tiles.range(narrowest..=tile.full()).map(|(path, _)| *path).collect()
    }

    /// Where the tile that is due can be read: in its own file, or, where that went when the log grew, in the first of
    /// the wider ones, which begin with it.
    pub(crate) fn holding(&self, due: TilePath) -> Option<TilePath> {
        self.tiles.range(due..=due.full()).next().map(|(path, _)| *path)
    }

    /// Where the records that are due can be read, or if not all, then as many as there are.
    pub(crate) fn holding_records(&self, due: TilePath) -> Option<TilePath> {
        self.holding(due).or_else(|| self.widths(due).pop())
    }

    /// The lowest index from `index` on of which there is a record, a leaf, or the hash over its leaves.
    pub(crate) fn next_index(&self, index: u64) -> Option<u64> {
        let at = |kind, index| TilePath::new(kind, index, 1).ok();
        let first = |kind| {
            let from = at(kind, index)?;
            let next = self.tiles.range(from..).next().map(|(path, _)| *path);
            next.filter(|path| path.kind() == kind).map(TilePath::index)
        };
        let claimed = || {
            let from = at(TileKind::Hashes(1), index / 256)?;
            self.tiles
                .range(from..)
                .map(|(path, _)| *path)
                .take_while(|path| path.kind() == TileKind::Hashes(1))
                .find_map(|path| {
                    let first = path.index().checked_mul(256)?.max(index);
                    (first - path.index() * 256 < u64::from(path.width())).then_some(first)
                })
        };
        [first(TileKind::Entries), first(TileKind::Hashes(0)), claimed()].into_iter().flatten().min()
    }

    /// The size that a log with the records and leaves listed would have.
    pub(crate) fn size(&self) -> TreeSize {
        let ends = self.tiles().filter_map(|path| match path.kind() {
            TileKind::Entries | TileKind::Hashes(0) => {
                path.index().checked_mul(256)?.checked_add(u64::from(path.width()))
            }
            TileKind::Hashes(_) => None,
        });
        TreeSize(ends.max().unwrap_or(0))
    }

    /// A hash tile's hashes.
    pub(crate) fn hashes(&self, tile: TilePath) -> Result<Read<Vec<NodeHash>>, SourceError> {
        let due = u64::from(tile.width()) * 32;
        // By its listed length first: nothing is read of a file that cannot be right.
        if let Some(listed) = self.tiles.get(&tile).filter(|listed| **listed != due) {
            return Ok(Read::Malformed(format!("has {listed} bytes, not {due}")));
        }
        let bytes_max = usize::from(tile.width()) * 32;
        let Some(bytes) = read(self.files, &self.path(tile), bytes_max)? else {
            return Ok(Read::Gone);
        };
        Ok(match HashTile::parse(tile, &bytes) {
            Ok(parsed) => Read::Whole(parsed.hashes().to_vec()),
            Err(error) => Read::Malformed(error.to_string()),
        })
    }

    /// An entry bundle's bytes, not yet taken apart.
    pub(crate) fn bundle(&self, tile: TilePath) -> Result<Read<Bytes>, SourceError> {
        let too_long =
            |bytes: u64| Read::Malformed(format!("has {bytes} bytes, more than 256 records can have"));
        let listed = self.tiles.get(&tile).copied().unwrap_or(0);
        let Some(room) = usize::try_from(listed).ok().filter(|room| *room <= BUNDLE_BYTES_MAX) else {
            return Ok(too_long(listed));
        };
        // The byte more shows that the file has ended without asking for room.
        let bytes = Vec::with_capacity(room + 1);
        Ok(match read_onto(bytes, self.files, &self.path(tile), BUNDLE_BYTES_MAX)? {
            Some(bytes) if bytes.len() > BUNDLE_BYTES_MAX => too_long(bytes.len() as u64),
            Some(bytes) => Read::Whole(bytes.into()),
            None => Read::Gone,
        })
    }
}

/// The checkpoint's bytes, one more than a checkpoint may have at most.
pub(crate) fn checkpoint(files: &dyn Files, prefix: &str) -> Result<Option<Vec<u8>>, SourceError> {
    read(files, &format!("{prefix}{CHECKPOINT}"), NOTE_BYTES_MAX)
}

/// The bundle of 256 records that is due at an index in a log of `size`.
pub(crate) fn bundle_at(index: u64, size: TreeSize) -> Option<TilePath> {
    bundle_of(Position(index.checked_mul(256)?), size).map(|(path, _)| path)
}

/// The hash tile that is due at a level and index in a tree of `size`.
pub(crate) fn hashes_at(level: u8, index: u64, size: TreeSize) -> Option<TilePath> {
    tile_of(Node { level: u32::from(level) * 8, index: index.checked_mul(256)? }, size)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::Fault;

    struct Paths(Vec<Listed>);

    impl Files for Paths {
        fn list(&self) -> Result<Vec<Listed>, SourceError> {
            Ok(self.0.clone())
        }
        fn open(&self, _: &str) -> Result<Option<Box<dyn std::io::Read + '_>>, SourceError> {
            Ok(None)
        }
        fn faults(&self) -> &[Fault] {
            &[]
        }
    }

    fn with<T>(paths: &[&str], look: impl FnOnce(&Store<'_>, &[String]) -> T) -> T {
        let listed = |path: &&str| Listed { path: (*path).to_owned(), length: Some(1) };
        let files = Paths(paths.iter().map(listed).collect());
        let (store, others) = Store::new(&files, "log/", &files.list().unwrap());
        look(&store, &others)
    }

    #[test]
    fn files_are_told_apart_by_their_paths() {
        let paths = [
            "README.html",
            "log/checkpoint",
            "log/tile/0/000.p/2",
            "log/tile/0/0",
            "log/x",
            "log/tile/entries/000",
        ];
        with(&paths, |store, others| {
            assert_eq!(store.tiles().count(), 2);
            assert_eq!(others, ["log/tile/0/0", "log/x"]);
            assert_eq!(store.size(), TreeSize(256));
        });
    }

    #[test]
    fn an_unfinished_write_is_told_by_its_name() {
        for path in ["checkpoint#1", "tile/0/000#12", "tile/entries/000.p/3#0"] {
            assert!(is_unfinished(path), "{path}");
        }
        for path in ["checkpoint", "checkpoint#", "checkpoint#a", "notes#1", "tile/0/0#1", "#1"] {
            assert!(!is_unfinished(path), "{path}");
        }
    }

    #[test]
    fn a_tile_that_grew_is_read_in_its_wider_file() {
        with(&["log/tile/0/001.p/3", "log/tile/0/001.p/9", "log/tile/0/002"], |store, _| {
            let holding = |due: &str| store.holding(due.parse().unwrap()).map(|path| path.to_string());
            assert_eq!(holding("tile/0/001.p/3").as_deref(), Some("tile/0/001.p/3"));
            assert_eq!(holding("tile/0/001.p/4").as_deref(), Some("tile/0/001.p/9"));
            assert_eq!(holding("tile/0/001"), None);
            assert_eq!(holding("tile/0/002.p/200").as_deref(), Some("tile/0/002"));
            assert_eq!(store.widths("tile/0/001".parse().unwrap()).len(), 2);
        });
    }

    #[test]
    fn what_is_listed_nowhere_is_passed_over() {
        let paths = [
            "log/tile/entries/005",
            "log/tile/0/007",
            "log/tile/1/001.p/3",
            "log/tile/1/003",
            "log/tile/2/000",
        ];
        with(&paths, |store, _| {
            for (from, next) in [(0, 5), (5, 5), (6, 7), (8, 256), (258, 258), (259, 768), (1_000, 1_000)] {
                assert_eq!(store.next_index(from), Some(next), "{from}");
            }
            assert_eq!(store.next_index(1_024), None);
        });
    }
}
