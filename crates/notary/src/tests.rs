//! What the tests of this crate stand on: a log of records that link, an object store that fails on demand, a witness.

mod faults;
mod refusals;
mod store;
mod threads;
mod witnesses;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write as _;
use std::sync::Arc;

use archive::{Archive, BlockingArchive};
use chain::note::{Signer, VerifierKey};
use chain::tile::{bundles, tiles};
use chain::{Chain, Instant, LinkedRecord, SecretKey, Signature, SignedCheckpoint, TreeSize, tree};
use journal::memory::MemoryJournal;
use journal::{Head, Journal};
use keep::Checkpoints;
use tempfile::TempDir;

use crate::LogKeys;
use crate::refusal::{Fault, Refusal};
use crate::sealer::{Desk, Sealer};
use store::FaultyStore;

pub(crate) const ORIGIN: &str = "log.example/t";

/// So many records that link.
pub(crate) fn records(count: u64) -> Vec<LinkedRecord> {
    records_saying("n", count)
}

fn records_saying(what: &str, count: u64) -> Vec<LinkedRecord> {
    let mut chain = Chain::default();
    let now = Instant::from_microseconds(0).unwrap();
    let event = |n| format!("{{\"{what}\":{n}}}");
    (0..count).map(|n| chain.link(event(n).as_bytes(), Signature([0; 64]), now)).collect()
}

pub(crate) fn signer(seed: u8) -> Signer {
    Signer::new(ORIGIN, SecretKey::from_bytes(&[seed; 32])).unwrap()
}

/// A log's keys, each with the size from which on it is due, and the one from which on it is not, [`u64::MAX`] for none;
/// and the seeds of those that are here.
pub(crate) struct Keys(pub(crate) Vec<(u8, u64, u64)>, pub(crate) Vec<u8>);

impl Keys {
    /// The key of `seed`, due for ever.
    pub(crate) fn one(seed: u8) -> Arc<Self> {
        Arc::new(Self(vec![(seed, 0, u64::MAX)], vec![seed]))
    }
}

impl LogKeys for Keys {
    fn origin(&self) -> &str {
        ORIGIN
    }

    fn follow(&self, _: &LinkedRecord) {}

    fn due(&self, size: TreeSize) -> Vec<VerifierKey> {
        let due = self
            .0
            .iter()
            .filter(|(_, from, until)| size.0 >= *from && (size.0 < *until || *until == u64::MAX));
        due.map(|(seed, ..)| signer(*seed).verifier_key()).collect()
    }

    fn signer(&self, key: &VerifierKey) -> Option<Signer> {
        self.1.iter().map(|seed| signer(*seed)).find(|signer| signer.verifier_key() == *key)
    }
}

/// Everything a notary works with, and what stays when it is gone.
pub(crate) struct World {
    pub(crate) records: Vec<LinkedRecord>,
    pub(crate) journal: Arc<MemoryJournal>,
    pub(crate) store: Arc<FaultyStore>,
    pub(crate) dir: TempDir,
}

impl World {
    /// A log that can grow to `count` records, and has none yet.
    pub(crate) fn new(count: u64) -> Self {
        Self {
            records: records(count),
            journal: Arc::new(MemoryJournal::new()),
            store: Arc::new(FaultyStore::default()),
            dir: TempDir::new().unwrap(),
        }
    }

    /// A log of `count` records whose checkpoints of `sizes` are out.
    pub(crate) fn sealed(count: u64, sizes: &[u64]) -> Self {
        let world = Self::new(count);
        let mut sealer = world.check().unwrap();
        for size in sizes {
            world.grow(*size);
            step(&mut sealer, *size).unwrap();
        }
        world
    }

    /// Appends records until the journal holds `size`.
    pub(crate) fn grow(&self, size: u64) {
        let head = self.journal.head();
        let (from, to) = (usize::try_from(head.size.0).unwrap(), usize::try_from(size).unwrap());
        self.journal.append(head, &self.records[from..to]).unwrap();
    }

    pub(crate) fn keep(&self) -> Arc<Checkpoints> {
        Arc::new(Checkpoints::open(&self.dir.path().join("checkpoints.sqlite")).unwrap())
    }

    pub(crate) fn archive(&self) -> Archive {
        Archive::on(self.store.clone())
    }

    pub(crate) fn blocking(&self) -> BlockingArchive {
        self.archive().blocking().unwrap()
    }

    pub(crate) fn desk(&self, journal: Arc<dyn Journal>) -> Desk {
        Desk {
            origin: ORIGIN.to_owned(),
            keys: Keys::one(1),
            journal,
            archive: self.blocking(),
            keep: self.keep(),
        }
    }

    pub(crate) fn check(&self) -> Result<Sealer, Fault> {
        self.check_with(self.journal.clone())
    }

    pub(crate) fn check_with(&self, journal: Arc<dyn Journal>) -> Result<Sealer, Fault> {
        Sealer::check(self.desk(journal)).map_err(|(_, fault)| fault)
    }

    pub(crate) fn refusal(&self) -> Refusal {
        refused(self.check())
    }

    /// Puts a copy of the state's file in place, as nobody who keeps to the interface can.
    pub(crate) fn restore_state(&self, copy: &[u8]) {
        let path = self.dir.path().join("checkpoints.sqlite");
        let mut file = File::options().create(true).truncate(false).write(true).open(path).unwrap();
        file.write_all(copy).unwrap();
        file.set_len(copy.len() as u64).unwrap();
    }

    pub(crate) fn served(&self) -> SignedCheckpoint {
        SignedCheckpoint::parse(&self.blocking().checkpoint().unwrap().unwrap()).unwrap()
    }

    /// That the archive is that of the first `size` records, and whatever was served on the way never went back.
    pub(crate) fn assert_whole(&self, size: u64) {
        let size = TreeSize(size);
        let hashes: Vec<_> = self.records.iter().map(|record| record.hash).collect();
        let keys = [1, 2].map(|seed| signer(seed).verifier_key());
        let mut before = None;
        for note in self.store.checkpoints() {
            let served = SignedCheckpoint::parse(&note).unwrap();
            let claim = served.verify(&keys, &[]).unwrap().checkpoint;
            let count = usize::try_from(claim.size.0).unwrap();
            assert_eq!(claim.root, tree::root_of(&hashes[..count]), "{count}");
            assert!(before <= Some(claim.size), "went back from {before:?} to {count}");
            before = Some(claim.size);
        }
        assert_eq!(before, Some(size));
        assert_eq!(self.served().claim().size, size);

        let archive = self.blocking();
        let mut level: Vec<chain::NodeHash> =
            hashes[..usize::try_from(size.0).unwrap()].iter().map(|hash| (*hash).into()).collect();
        let mut levels = Vec::new();
        while !level.is_empty() {
            let above = level.chunks_exact(256).map(|chunk| {
                let leaves: Vec<_> = chunk.iter().map(|hash| chain::RecordHash(hash.0)).collect();
                chain::NodeHash(tree::root_of(&leaves).0)
            });
            let above = above.collect();
            levels.push(std::mem::replace(&mut level, above));
        }
        for path in tiles(size).chain(bundles(size)) {
            let bytes = archive.get(path).unwrap().unwrap_or_else(|| panic!("{path} is missing"));
            let first = usize::try_from(path.index()).unwrap() * 256;
            let range = first..first + usize::from(path.width());
            let expected = match path.kind() {
                chain::tile::TileKind::Hashes(at) => {
                    chain::tile::HashTile::encode(&levels[usize::from(at)][range])
                }
                chain::tile::TileKind::Entries => {
                    chain::bundle::encode(self.records[range].iter().map(|record| &record.bytes[..])).unwrap()
                }
            };
            assert_eq!(bytes, expected, "{path}");
        }
    }

    /// The partial tiles and bundles there are.
    pub(crate) fn partials(&self) -> BTreeSet<String> {
        let listed = self.blocking().list().unwrap();
        listed.iter().filter(|path| !path.is_full()).map(ToString::to_string).collect()
    }
}

/// All steps of one checkpoint.
pub(crate) fn step(sealer: &mut Sealer, size: u64) -> Result<(), Fault> {
    if sealer.size().0 < size {
        sealer.seal(TreeSize(size))?;
    }
    if sealer.is_unpublished() {
        let signed = sealer.signed().unwrap().clone();
        sealer.publish(&signed)?;
    }
    Ok(sealer.tidy()?)
}

pub(crate) fn refused<T>(result: Result<T, Fault>) -> Refusal {
    match result {
        Err(Fault::Refused(refusal)) => refusal,
        Err(Fault::Failed(failure)) => panic!("failed, not refused: {failure}"),
        Ok(_) => panic!("neither failed nor refused"),
    }
}

/// A journal that shows other records than it was given.
pub(crate) struct Altered {
    pub(crate) inner: Arc<MemoryJournal>,
    pub(crate) alter: fn(Vec<LinkedRecord>) -> Result<Vec<LinkedRecord>, journal::ReadError>,
}

impl Journal for Altered {
    fn append(&self, expected: Head, records: &[LinkedRecord]) -> Result<Head, journal::AppendError> {
        self.inner.append(expected, records)
    }

    fn read(&self, from: chain::Position, bytes_max: usize) -> Result<Vec<LinkedRecord>, journal::ReadError> {
        (self.alter)(self.inner.read(from, bytes_max)?)
    }

    fn head(&self) -> Head {
        self.inner.head()
    }

    fn wait(&self, size: TreeSize, timeout: std::time::Duration) -> Head {
        self.inner.wait(size, timeout)
    }
}
