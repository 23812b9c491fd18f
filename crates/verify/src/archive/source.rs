//! An archive's records for the fold, and for the tree what the archive says of their hashes: bundle by bundle.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::mpsc::Sender;

use bytes::Bytes;
use chain::tile::TilePath;
use chain::{NodeHash, Position, RecordHash, TreeSize, bundle};

use super::store::{Read, Store, bundle_at, hashes_at};
use crate::code::{Code, Evidence};
use crate::source::{Gap, Source, SourceError, Step};

/// What the tree must know of the next places, before the fold gets to their records.
pub(crate) enum Leaves {
    /// The leaves of one tile.
    Tile(LeafTile),
    /// Nothing is stored of some tiles nor of their records.
    Skipped,
}

/// The leaves of one tile of level 0, as far as they are stored.
pub(crate) struct LeafTile {
    /// Which tile.
    pub index: u64,
    /// What the tree's size demands.
    pub due: TilePath,
    /// The file that the hashes were read from, with as many of them as are due.
    pub hashes: Option<(TilePath, Vec<NodeHash>)>,
    /// For each place that is due: whether its record will be folded.
    pub present: Vec<bool>,
    /// The file that the records were read from, be it in part or in vain.
    pub bundle: Option<TilePath>,
    /// What was found in reading: code, path and place in it, detail.
    pub found: Vec<(Code, String, String)>,
}

/// Records of an archive.
pub(crate) struct ArchiveSource<'f> {
    store: &'f Store<'f>,
    size: TreeSize,
    /// The tile to be read next, and how many there are.
    next: u64,
    tiles: u64,
    pieces: VecDeque<Piece>,
    tree: Sender<Leaves>,
    /// Whether records may be left out.
    is_part: bool,
    /// The bundle read last by position. Amendments mostly name records near each other.
    cache: RefCell<Option<(TilePath, Bytes)>>,
    /// The tile of hashes read last by position: for records that are left out.
    hashes: RefCell<Option<(TilePath, Vec<NodeHash>)>>,
}

enum Piece {
    Record(Bytes),
    /// Apart: a record takes a quarter of its room.
    Gap(Box<Gap>),
}

/// A bundle's records.
struct Records {
    /// For each place; `None` where there is none.
    places: Vec<Option<Bytes>>,
    /// How many places the bundle has, be they left empty.
    stored: usize,
    /// Why there are no more.
    why: Option<&'static str>,
}

impl Records {
    fn of(mut self, width: usize) -> Self {
        self.stored = self.places.len();
        self.places.resize(width, None);
        self
    }
}

impl<'f> ArchiveSource<'f> {
    /// The first `size` records; `tree` hears of their leaves.
    pub(crate) fn new(store: &'f Store<'f>, size: TreeSize, tree: Sender<Leaves>, is_part: bool) -> Self {
        let tiles = size.0.div_ceil(256);
        let (pieces, cache, hashes) = (VecDeque::new(), RefCell::new(None), RefCell::new(None));
        Self { store, size, next: 0, tiles, pieces, tree, is_part, cache, hashes }
    }

    /// Reads the next tile's leaves and records.
    fn load(&mut self) -> Result<(), SourceError> {
        let index = self.next;
        let stored = self.store.next_index(index).unwrap_or(self.tiles).min(self.tiles);
        if stored > index {
            self.skip(index, stored);
            return Ok(());
        }
        self.next += 1;
        let (Some(due), Some(due_bundle)) = (hashes_at(0, index, self.size), bundle_at(index, self.size))
        else {
            return Ok(());
        };
        let width = usize::from(due.width());
        let mut leaves =
            LeafTile { index, due, hashes: None, present: Vec::new(), bundle: None, found: Vec::new() };
        self.read_hashes(&mut leaves)?;
        let Records { places: mut records, stored, why } = self.read_records(due_bundle, &mut leaves)?;
        leaves.present = records.iter().map(Option::is_some).collect();

        let place = self.store.path(due_bundle);
        let mut at = 0;
        while at < width {
            if let Some(record) = records[at].take() {
                self.pieces.push_back(Piece::Record(record));
                at += 1;
                continue;
            }
            // What the bundle leaves out and what is behind its end have different reasons.
            let end = if at < stored { stored } else { width };
            let count = records[at..end].iter().take_while(|record| record.is_none()).count();
            let known = leaves.hashes.as_ref().map(|(_, hashes)| &hashes[at..at + count]);
            // Without its hash nobody could say later which record it was.
            let left_out = self.is_part && at < stored && known.is_some();
            let what = if at < stored { Some("is left out of this copy") } else { why };
            let what = what.filter(|_| !left_out);
            let first = index * 256 + at as u64;
            self.pieces.push_back(Piece::Gap(Box::new(Gap {
                from: Position(first),
                count: count as u64,
                hashes: known.into_iter().flatten().map(|hash| RecordHash(hash.0)).collect(),
                place: place.clone(),
                what: what.map(|what| missing(first, count as u64, what)),
                left_out,
            })));
            at += count;
        }
        // The tree is there as long as records are read.
        let _ = self.tree.send(Leaves::Tile(leaves));
        Ok(())
    }

    fn read_hashes(&self, leaves: &mut LeafTile) -> Result<(), SourceError> {
        let Some(path) = self.store.holding(leaves.due) else { return Ok(()) };
        match self.store.hashes(path)? {
            Read::Whole(mut hashes) => {
                hashes.truncate(usize::from(leaves.due.width()));
                leaves.hashes = Some((path, hashes));
            }
            Read::Malformed(what) => {
                leaves.found.push((Evidence::WrongTile.into(), self.store.path(path), what));
            }
            Read::Gone => {}
        }
        Ok(())
    }

    fn read_records(&self, due: TilePath, leaves: &mut LeafTile) -> Result<Records, SourceError> {
        let width = usize::from(due.width());
        let mut read = Records { places: Vec::with_capacity(width), stored: 0, why: Some("is not there") };
        let Some(path) = self.store.holding_records(due) else { return Ok(read.of(width)) };
        let mut malformed = |what: String| {
            leaves.found.push((Evidence::EntryBundleMalformed.into(), self.store.path(path), what));
            // That finding says why.
            read.why = None;
        };
        leaves.bundle = Some(path);
        match self.store.bundle(path)? {
            Read::Whole(bytes) => {
                for entry in bundle::entries(&bytes, path.width()) {
                    match entry {
                        Ok(entry) if read.places.len() < width => {
                            read.places.push((!entry.is_empty()).then(|| bytes.slice_ref(entry)));
                        }
                        Ok(_) => {}
                        Err(error) => malformed(error.to_string()),
                    }
                }
                hold_little(&mut read.places, bytes.len());
            }
            Read::Malformed(what) => malformed(what),
            Read::Gone => {}
        }
        Ok(read.of(width))
    }

    /// Passes over tiles of which nothing is stored.
    fn skip(&mut self, from: u64, to: u64) {
        let first = from * 256;
        let count = to.saturating_mul(256).min(self.size.0) - first;
        let place = bundle_at(from, self.size).map(|path| self.store.path(path)).unwrap_or_default();
        let what = Some(missing(first, count, "is not there"));
        self.pieces.push_back(Piece::Gap(Box::new(Gap {
            from: Position(first),
            count,
            hashes: Vec::new(),
            place,
            what,
            left_out: false,
        })));
        let _ = self.tree.send(Leaves::Skipped);
        self.next = to;
    }
}

/// Sets records apart from the bundle they lie in if most of it is something else: whoever made it decided what and how
/// much, and a record holds the whole of it in memory.
fn hold_little(records: &mut [Option<Bytes>], bundle_bytes: usize) {
    let bytes: usize = records.iter().flatten().map(Bytes::len).sum();
    if bytes < bundle_bytes / 2 {
        for record in records.iter_mut().flatten() {
            *record = Bytes::copy_from_slice(record);
        }
    }
}

fn missing(first: u64, count: u64, what: &str) -> String {
    match count {
        1 => format!("record {first} {what}"),
        _ => format!("each of records {first} to {} {what}", first + count - 1),
    }
}

impl Source for ArchiveSource<'_> {
    fn next(&mut self, bytes_max: usize, out: &mut Vec<Bytes>) -> Result<Step, SourceError> {
        let mut bytes = 0;
        loop {
            while let Some(piece) = self.pieces.pop_front() {
                match piece {
                    Piece::Record(record) => {
                        bytes += record.len();
                        out.push(record);
                        if bytes >= bytes_max {
                            return Ok(Step::More);
                        }
                    }
                    Piece::Gap(gap) => return Ok(Step::Gap(*gap)),
                }
            }
            if self.next >= self.tiles {
                return Ok(Step::End);
            }
            self.load()?;
        }
    }

    fn record(&self, seq: Position) -> Result<Option<Bytes>, SourceError> {
        let Some(due) = bundle_at(seq.0 / 256, self.size) else { return Ok(None) };
        let Some(path) = self.store.holding_records(due) else { return Ok(None) };
        let mut cache = self.cache.borrow_mut();
        if cache.as_ref().is_none_or(|(cached, _)| *cached != path) {
            *cache = match self.store.bundle(path)? {
                Read::Whole(bytes) => Some((path, bytes)),
                Read::Gone | Read::Malformed(_) => None,
            };
        }
        let Some((_, bytes)) = cache.as_ref() else { return Ok(None) };
        let place = usize::try_from(seq.0 % 256).ok();
        let entry = place.and_then(|place| bundle::entries(bytes, path.width()).nth(place));
        Ok(entry.and_then(Result::ok).filter(|entry| !entry.is_empty()).map(|entry| bytes.slice_ref(entry)))
    }

    fn hash(&self, seq: Position) -> Result<Option<RecordHash>, SourceError> {
        if let Some(bytes) = self.record(seq)? {
            return Ok(Some(RecordHash::of(&bytes)));
        }
        let Some(due) = hashes_at(0, seq.0 / 256, self.size) else { return Ok(None) };
        let Some(path) = self.store.holding(due) else { return Ok(None) };
        let mut cache = self.hashes.borrow_mut();
        if cache.as_ref().is_none_or(|(cached, _)| *cached != path) {
            *cache = match self.store.hashes(path)? {
                Read::Whole(hashes) => Some((path, hashes)),
                Read::Gone | Read::Malformed(_) => None,
            };
        }
        let place = usize::try_from(seq.0 % 256).ok();
        let hash = cache.as_ref().and_then(|(_, hashes)| hashes.get(place?));
        Ok(hash.map(|hash| RecordHash(hash.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether two records of so many bytes, in a bundle of 100, are set apart from it.
    fn are_apart(bytes: usize) -> bool {
        let bundle = Bytes::from((0..100).collect::<Vec<u8>>());
        let mut records = [Some(bundle.slice(..bytes)), None, Some(bundle.slice(50..50 + bytes))];
        hold_little(&mut records, bundle.len());
        drop(bundle);
        assert_eq!(
            records.each_ref().map(|record| record.as_ref().map(|bytes| bytes[0])),
            [Some(0), None, Some(50)]
        );
        records.iter().flatten().all(Bytes::is_unique)
    }

    #[test]
    fn a_record_holds_its_bundle_in_memory_only_if_that_is_mostly_records() {
        assert!(!are_apart(25) && are_apart(24));
    }
}
