//! The tree over an archive's records: made anew from their hashes, level by level, and held against every tile.
//!
//! Records come in order and so do the tiles they fill: at any time one tile of each level is in the making. Where
//! records and tile disagree, what stands above decides which of them is the tree's.

use std::collections::VecDeque;
use std::sync::mpsc::Receiver;

use chain::tile::{HashTile, TilePath};
use chain::tree::Frontier;
use chain::{NodeHash, Position, RecordHash, RootHash, TreeSize, bundle};

use crate::archive::{LeafTile, Leaves, Read, Store, bundle_at, hashes_at};
use crate::code::{Absence, Code, Evidence};
use crate::findings::Findings;
use crate::report::Place;
use crate::source::SourceError;
use crate::tally::Tally;

/// The tree in the making.
pub(crate) struct Tree<'f> {
    store: &'f Store<'f>,
    size: TreeSize,
    /// The root to arrive at, if one is stated.
    root: Option<RootHash>,
    incoming: Receiver<Leaves>,
    /// The tile of leaves whose records are being folded.
    current: Option<Current>,
    /// How many records were folded: the order in which findings are listed.
    ordinal: u64,
    /// Over the full tiles of leaves, as long as all their hashes are known.
    full: Option<Frontier>,
    /// The leaves behind the full tiles.
    edge: Vec<NodeHash>,
    /// The tile in the making of each level from 1 on.
    levels: Vec<Level>,
    /// Sizes at which the root is wanted, ascending, and what it was.
    wanted: VecDeque<TreeSize>,
    roots: Vec<(TreeSize, RootHash)>,
    /// The tile of level 1 read last for what it says of a tile of leaves.
    claims: Option<(TilePath, Vec<NodeHash>)>,
    /// Files of hashes or records held against the tree.
    pub files: Tally,
    /// Records held against their leaf.
    pub leaves: Tally,
}

/// A tile of leaves whose records are being folded.
struct Current {
    tile: LeafTile,
    /// Hashes of the records folded so far; `None` where there is none.
    hashes: Vec<Option<NodeHash>>,
    /// How many records are still to be folded.
    left: usize,
}

/// A tile in the making: a hash is `None` where what is below is not known.
#[derive(Default)]
struct Level {
    index: u64,
    hashes: Vec<Option<NodeHash>>,
}

/// What the tree came to.
pub(crate) struct Grown {
    /// Its root, if all leaves or the hashes over them are known.
    pub root: Option<RootHash>,
    /// The roots of the trees it began with, of those asked for that are known.
    pub roots: Vec<(TreeSize, RootHash)>,
    pub files: Tally,
    pub leaves: Tally,
}

impl<'f> Tree<'f> {
    /// `wanted` names sizes of which the root is to be kept.
    pub(crate) fn new(
        store: &'f Store<'f>,
        size: TreeSize,
        root: Option<RootHash>,
        mut wanted: Vec<TreeSize>,
        incoming: Receiver<Leaves>,
    ) -> Self {
        wanted.sort_unstable();
        wanted.dedup();
        let empty = wanted.first() == Some(&TreeSize(0));
        let roots = empty.then(|| (wanted.remove(0), RootHash::empty())).into_iter().collect();
        Self {
            store,
            size,
            root,
            incoming,
            current: None,
            ordinal: 0,
            full: Some(Frontier::default()),
            edge: Vec::new(),
            levels: Vec::new(),
            wanted: wanted.into(),
            roots,
            claims: None,
            files: Tally::default(),
            leaves: Tally::default(),
        }
    }

    /// Takes in the hash of the next record that was folded.
    pub(crate) fn record(&mut self, hash: RecordHash, findings: &mut Findings) -> Result<(), SourceError> {
        self.settle(findings)?;
        if let Some(Current { tile, hashes, left }) = &mut self.current {
            while tile.present.get(hashes.len()) == Some(&false) {
                hashes.push(None);
            }
            hashes.push(Some(hash.into()));
            *left -= 1;
        }
        self.ordinal += 1;
        Ok(())
    }

    /// Finishes every tile all of whose records were folded, until one waits for a record.
    fn settle(&mut self, findings: &mut Findings) -> Result<(), SourceError> {
        loop {
            if self.current.as_ref().is_some_and(|current| current.left > 0) {
                return Ok(());
            }
            if let Some(Current { tile, mut hashes, .. }) = self.current.take() {
                hashes.resize(tile.present.len(), None);
                self.leaf_tile(tile, &hashes, findings)?;
            }
            match self.incoming.try_recv() {
                Ok(Leaves::Tile(tile)) => {
                    let left = tile.present.iter().filter(|present| **present).count();
                    let hashes = Vec::with_capacity(tile.present.len());
                    self.current = Some(Current { tile, hashes, left });
                }
                Ok(Leaves::Skipped) => self.full = None,
                Err(_) => return Ok(()),
            }
        }
    }

    /// What the tree came to, after the last record.
    pub(crate) fn finish(mut self, findings: &mut Findings) -> Result<Grown, SourceError> {
        self.settle(findings)?;
        let mut level = 0;
        while level < self.levels.len() {
            self.close(level, findings)?;
            level += 1;
        }
        let whole = self.full.is_some() && self.counted() == self.size;
        let root = if whole { self.root_with(&self.edge) } else { None };
        Ok(Grown { root, roots: self.roots, files: self.files, leaves: self.leaves })
    }

    /// How many leaves are in the tree so far.
    fn counted(&self) -> TreeSize {
        let full = self.full.as_ref().map_or(0, |full| full.size().0);
        TreeSize(full.saturating_mul(256) + self.edge.len() as u64)
    }

    /// The root over the full tiles and these leaves behind them.
    fn root_with(&self, leaves: &[NodeHash]) -> Option<RootHash> {
        let full = self.full.as_ref()?;
        let size = TreeSize(full.size().0.checked_mul(256)?);
        // The subtrees of 256·n leaves are those of n tiles: as many, in the same order.
        let mut frontier = Frontier::from_hashes(size, full.hashes().to_vec()).ok()?;
        for leaf in leaves {
            frontier.append(RecordHash(leaf.0));
        }
        Some(frontier.root())
    }

    fn found(
        &self,
        findings: &mut Findings,
        code: impl Into<Code>,
        seq: Option<u64>,
        stored_at: String,
        detail: String,
    ) {
        let place = Place { seq: seq.map(Position), stored_at: Some(stored_at), ..Place::default() };
        findings.add(code.into(), self.ordinal, place, || detail);
    }

    fn leaf_tile(
        &mut self,
        mut tile: LeafTile,
        folded: &[Option<NodeHash>],
        findings: &mut Findings,
    ) -> Result<(), SourceError> {
        let bundle_holds = tile.bundle.is_some()
            && tile.found.iter().all(|(code, ..)| *code != Evidence::EntryBundleMalformed.into());
        if bundle_holds {
            self.files.add(true);
        }
        for (code, path, detail) in std::mem::take(&mut tile.found) {
            self.files.add(false);
            self.found(findings, code, None, path, detail);
        }
        if self.store.holding(tile.due).is_none() {
            self.missing(tile.due, findings);
        }
        let leaves = self.leaves_of(&tile, folded, findings)?;
        self.copies(&tile, &leaves, findings)?;

        let known: Option<Vec<NodeHash>> = leaves.iter().copied().collect();
        self.note_roots(tile.index, &leaves);
        if !tile.due.is_full() {
            match known {
                Some(known) => self.edge = known,
                None => self.full = None,
            }
            return Ok(());
        }
        let hash = match known.and_then(|known| hash_over(tile.due, &known)) {
            None => self.claim(tile.index)?,
            hash => hash,
        };
        match (hash, &mut self.full) {
            (Some(hash), Some(full)) if full.size().0 == tile.index => full.append(RecordHash(hash.0)),
            _ => self.full = None,
        }
        self.put(0, tile.index, hash, findings)
    }

    /// The leaves at the tile's places, after its records and its hashes were held against each other.
    fn leaves_of(
        &mut self,
        tile: &LeafTile,
        folded: &[Option<NodeHash>],
        findings: &mut Findings,
    ) -> Result<Vec<Option<NodeHash>>, SourceError> {
        let Some((path, stated)) = &tile.hashes else { return Ok(folded.to_vec()) };
        let differs =
            |(folded, stated): &(&Option<NodeHash>, &NodeHash)| folded.is_some_and(|hash| hash != **stated);
        let wrong: Vec<usize> = folded
            .iter()
            .zip(stated)
            .enumerate()
            .filter(|(_, pair)| differs(pair))
            .map(|(at, _)| at)
            .collect();
        let count = folded.iter().flatten().count();
        self.leaves.count += count as u64;
        let mixed: Vec<NodeHash> =
            folded.iter().zip(stated).map(|(folded, stated)| folded.unwrap_or(*stated)).collect();
        let Some(first) = wrong.first() else {
            self.files.add(true);
            return Ok(mixed.into_iter().map(Some).collect());
        };
        let records_hold = if tile.due.is_full() {
            let claimed = self.claim(tile.index)?;
            claimed.is_some() && claimed == hash_over(tile.due, &mixed)
        } else {
            self.root.is_some() && self.root_with(&mixed) == self.root
        };
        self.files.add(!records_hold);
        let seq = |at: usize| tile.index * 256 + at as u64;
        if records_hold {
            let stored_at = format!("{} byte {}", self.store.path(*path), first * 32);
            let detail = format!("states {}; the record has hash {}", stated[*first], mixed[*first]);
            self.found(findings, Evidence::WrongTile, Some(seq(*first)), stored_at, detail);
            return Ok(mixed.into_iter().map(Some).collect());
        }
        self.leaves.failed += wrong.len() as u64;
        for at in wrong {
            let stored_at = tile.bundle.map(|bundle| self.store.path(bundle)).unwrap_or_default();
            let detail = format!("has hash {}; the tree has {} there", mixed[at], stated[at]);
            self.found(findings, Evidence::RecordNotInTree, Some(seq(at)), stored_at, detail);
        }
        Ok(stated.iter().copied().map(Some).collect())
    }

    /// Holds other files of the same places, such as partial tiles that were superseded, against the leaves.
    fn copies(
        &mut self,
        tile: &LeafTile,
        leaves: &[Option<NodeHash>],
        findings: &mut Findings,
    ) -> Result<(), SourceError> {
        self.other_widths(tile.due, leaves, findings)?;
        let Some(due) = bundle_at(tile.index, self.size) else { return Ok(()) };
        for path in self.store.widths(due).into_iter().filter(|path| Some(*path) != tile.bundle) {
            let bytes = match self.store.bundle(path)? {
                Read::Whole(bytes) => bytes,
                Read::Gone => continue,
                Read::Malformed(what) => {
                    self.files.add(false);
                    self.found(findings, Evidence::EntryBundleMalformed, None, self.store.path(path), what);
                    continue;
                }
            };
            let mut wrong = None;
            for (at, entry) in bundle::entries(&bytes, path.width()).enumerate() {
                match (entry, leaves.get(at)) {
                    (Ok(entry), Some(Some(leaf))) if !entry.is_empty() => {
                        let hash = NodeHash::from(RecordHash::of(entry));
                        if hash != *leaf && wrong.is_none() {
                            let detail = format!("has hash {hash}; the tree has {leaf} there");
                            wrong =
                                Some((Evidence::RecordNotInTree, Some(tile.index * 256 + at as u64), detail));
                        }
                    }
                    (Ok(_), _) => {}
                    (Err(error), _) => {
                        wrong = Some((Evidence::EntryBundleMalformed, None, error.to_string()));
                    }
                }
            }
            self.files.add(wrong.is_none());
            if let Some((code, seq, detail)) = wrong {
                self.found(findings, code, seq, self.store.path(path), detail);
            }
        }
        Ok(())
    }

    /// Holds the hash tiles at the place of `due`, but for the one that is read for it, against the hashes there.
    fn other_widths(
        &mut self,
        due: TilePath,
        hashes: &[Option<NodeHash>],
        findings: &mut Findings,
    ) -> Result<(), SourceError> {
        let held = self.store.holding(due);
        for path in self.store.widths(due).into_iter().filter(|path| Some(*path) != held) {
            self.hash_tile(path, hashes, findings)?;
        }
        Ok(())
    }

    /// Holds one hash tile against the hashes of its places; gives what it states.
    fn hash_tile(
        &mut self,
        path: TilePath,
        hashes: &[Option<NodeHash>],
        findings: &mut Findings,
    ) -> Result<Option<Vec<NodeHash>>, SourceError> {
        let stated = match self.store.hashes(path)? {
            Read::Whole(stated) => stated,
            Read::Gone => return Ok(None),
            Read::Malformed(what) => {
                self.files.add(false);
                self.found(findings, Evidence::WrongTile, None, self.store.path(path), what);
                return Ok(None);
            }
        };
        let pairs = stated.iter().zip(hashes).enumerate();
        let mut wrong = pairs.filter_map(|(at, (stated, hash))| Some((at, stated, (*hash)?)));
        let wrong = wrong.find(|(_, stated, hash)| hash != *stated);
        self.files.add(wrong.is_none());
        if let Some((at, stated, hash)) = wrong {
            let stored_at = format!("{} byte {}", self.store.path(path), at * 32);
            let detail = format!("states {stated}; what is below hashes to {hash}");
            self.found(findings, Evidence::WrongTile, None, stored_at, detail);
        }
        Ok(Some(stated))
    }

    fn missing(&mut self, due: TilePath, findings: &mut Findings) {
        self.files.add(false);
        let others = self.store.widths(due);
        let detail = match others.last() {
            Some(other) => format!("only {} is there", self.store.path(*other)),
            None => "is not there".to_owned(),
        };
        self.found(findings, Absence::TileMissing, None, self.store.path(due), detail);
    }

    /// What the tile above says of a tile of leaves.
    fn claim(&mut self, index: u64) -> Result<Option<NodeHash>, SourceError> {
        let Some(path) = hashes_at(1, index / 256, self.size).and_then(|due| self.store.holding(due)) else {
            return Ok(None);
        };
        if self.claims.as_ref().is_none_or(|(cached, _)| *cached != path) {
            self.claims = match self.store.hashes(path)? {
                Read::Whole(hashes) => Some((path, hashes)),
                Read::Gone | Read::Malformed(_) => None,
            };
        }
        let place = usize::try_from(index % 256).ok();
        Ok(self.claims.as_ref().and_then(|(_, hashes)| hashes.get(place?).copied()))
    }

    /// Puts the hash over a full tile of level `below` into the level above.
    fn put(
        &mut self,
        below: usize,
        index: u64,
        hash: Option<NodeHash>,
        findings: &mut Findings,
    ) -> Result<(), SourceError> {
        if self.levels.len() == below {
            self.levels.push(Level { index: index / 256, hashes: Vec::new() });
        }
        if self.levels[below].index != index / 256 {
            self.close(below, findings)?;
            self.levels[below] = Level { index: index / 256, hashes: Vec::new() };
        }
        let level = &mut self.levels[below];
        let place = usize::try_from(index % 256).unwrap_or(0);
        level.hashes.resize(place, None);
        level.hashes.push(hash);
        if place == 255 { self.close(below, findings) } else { Ok(()) }
    }

    /// Holds the tile in the making above level `below` against its files, and passes its hash on.
    fn close(&mut self, below: usize, findings: &mut Findings) -> Result<(), SourceError> {
        let Level { index, hashes } = std::mem::take(&mut self.levels[below]);
        // The next one begins behind it.
        self.levels[below].index = index + 1;
        let level = u8::try_from(below + 1).ok();
        let Some(due) = level.and_then(|level| hashes_at(level, index, self.size)) else { return Ok(()) };
        if hashes.is_empty() {
            return Ok(());
        }
        let held = self.store.holding(due);
        let stated = if let Some(path) = held {
            self.hash_tile(path, &hashes, findings)?
        } else {
            self.missing(due, findings);
            None
        };
        self.other_widths(due, &hashes, findings)?;
        if !due.is_full() {
            return Ok(());
        }
        // What is not known from below is taken from the tile; the tile above, or in the end the root, holds it.
        let all: Option<Vec<NodeHash>> = (0..usize::from(due.width()))
            .map(|at| hashes.get(at).copied().flatten().or_else(|| stated.as_ref()?.get(at).copied()))
            .collect();
        self.put(below + 1, index, all.and_then(|all| hash_over(due, &all)), findings)
    }

    /// Keeps the roots that are wanted at sizes within the tile `index`, which has these leaves.
    fn note_roots(&mut self, index: u64, leaves: &[Option<NodeHash>]) {
        let first = index.saturating_mul(256);
        while let Some(size) = self.wanted.front().copied().filter(|size| size.0 <= first + 256) {
            let within = size.0.checked_sub(first).and_then(|count| usize::try_from(count).ok());
            let known =
                within.and_then(|count| leaves.get(..count)?.iter().copied().collect::<Option<Vec<_>>>());
            let root = known.and_then(|known| self.root_with(&known));
            self.wanted.pop_front();
            self.roots.extend(root.map(|root| (size, root)));
        }
    }
}

/// The hash over a full tile's hashes.
fn hash_over(tile: TilePath, hashes: &[NodeHash]) -> Option<NodeHash> {
    HashTile::parse(tile, &HashTile::encode(hashes)).ok()?.hash()
}
