//! Archives and bundles in memory, made of logs by the format's pure functions, harmed and verified.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::num::NonZeroUsize;
use std::sync::Arc;

use chain::checkpoint::{Checkpoint, Cosigner};
use chain::note::Signer;
use chain::policy::Policy;
use chain::tile::{HashTile, TileKind, TilePath, bundles, new_bundles, new_tiles, tiles};
use chain::{NodeHash, RecordHash, SecretKey, SignedCheckpoint, TreeSize, bundle, tree};
use verify::manifest::Manifest;
use verify::{
    Anchors, Class, FileDigest, Files, Listed, Options, Report, Shape, SourceError, ZipFiles, ZipWriter,
};

use crate::support::Log;

/// The origin of the logs of these tests.
pub(crate) const ORIGIN: &str = "log.example/lupus";

/// Files in memory, some of them perhaps said to be longer than they are.
#[derive(Clone, Default)]
pub(crate) struct Memory {
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    pub(crate) lengths: BTreeMap<String, u64>,
}

impl Files for Memory {
    fn list(&self) -> Result<Vec<Listed>, SourceError> {
        let length =
            |path: &String, bytes: &Vec<u8>| self.lengths.get(path).copied().unwrap_or(bytes.len() as u64);
        let listed = |(path, bytes)| Listed { path: String::clone(path), length: Some(length(path, bytes)) };
        Ok(self.files.iter().map(listed).collect())
    }

    fn open(&self, path: &str) -> Result<Option<Box<dyn Read + '_>>, SourceError> {
        assert!(!self.lengths.contains_key(path), "{path} was opened, though its length is wrong");
        Ok(self.files.get(path).map(|bytes| Box::new(bytes.as_slice()) as Box<dyn Read + '_>))
    }
}

/// The log key of a log made with `seed`.
pub(crate) fn log_signer(seed: u8) -> Signer {
    Signer::new(ORIGIN, SecretKey::from_bytes(&[seed + 50; 32])).unwrap()
}

pub(crate) fn witness(seed: u8) -> Cosigner {
    Cosigner::new(&format!("witness.example/{seed}"), SecretKey::from_bytes(&[seed; 32])).unwrap()
}

/// A policy of which `needed` of witnesses 201 and 202 must cosign.
pub(crate) fn policy(needed: u8) -> Policy {
    let [nanjing, regulator] = [201, 202].map(|seed| witness(seed).verifier_key());
    let text = format!(
        "witness nanjing {nanjing}\nwitness regulator {regulator}\ngroup both {needed} nanjing regulator\nquorum both\n"
    );
    Policy::parse(text.as_bytes()).unwrap()
}

pub(crate) fn hashes(records: &[Arc<[u8]>]) -> Vec<RecordHash> {
    records.iter().map(|record| RecordHash::of(record)).collect()
}

/// The checkpoint of these records by this key.
pub(crate) fn checkpoint(records: &[Arc<[u8]>], signer: &Signer) -> SignedCheckpoint {
    let root = tree::root_of(&hashes(records));
    let checkpoint = Checkpoint::new(signer.name(), TreeSize(records.len() as u64), root).unwrap();
    SignedCheckpoint::sign(checkpoint, &[signer]).unwrap()
}

/// Adds cosignatures at a time in seconds, as a witness's answer brings them.
pub(crate) fn cosigned(mut signed: SignedCheckpoint, witnesses: &[Cosigner], time: u64) -> SignedCheckpoint {
    for witness in witnesses {
        let answer = witness.cosign(signed.claim(), time).unwrap().to_string();
        signed.add_cosignatures(answer.as_bytes(), &[witness.verifier_key()]).unwrap();
    }
    signed
}

/// The hashes of each level: of the records, of each 256 of them, and so on.
fn levels(records: &[Arc<[u8]>]) -> Vec<Vec<NodeHash>> {
    let mut levels: Vec<Vec<NodeHash>> = vec![hashes(records).into_iter().map(NodeHash::from).collect()];
    while levels.last().unwrap().len() >= 256 {
        let over = |full: &[NodeHash]| {
            let leaves: Vec<_> = full.iter().map(|hash| RecordHash(hash.0)).collect();
            NodeHash(tree::root_of(&leaves).0)
        };
        let next = levels.last().unwrap().chunks_exact(256).map(over).collect();
        levels.push(next);
    }
    levels
}

/// The bytes of a tile or bundle of these records.
fn file(path: TilePath, records: &[Arc<[u8]>], levels: &[Vec<NodeHash>]) -> Vec<u8> {
    let from = usize::try_from(path.index() * 256).unwrap();
    let range = from..from + usize::from(path.width());
    match path.kind() {
        TileKind::Entries => bundle::encode(records[range].iter().map(|record| &**record)).unwrap(),
        TileKind::Hashes(level) => HashTile::encode(&levels[usize::from(level)][range]),
    }
}

impl Memory {
    /// An archive of these records, sealed at once.
    pub(crate) fn of(records: &[Arc<[u8]>], signed: &SignedCheckpoint) -> Self {
        Self::sealed_at(records, &[records.len() as u64], signed)
    }

    /// An archive that was sealed at each of these sizes, with the partial tiles of each still there.
    pub(crate) fn sealed_at(records: &[Arc<[u8]>], sizes: &[u64], signed: &SignedCheckpoint) -> Self {
        let levels = levels(records);
        let mut archive = Self::default();
        archive.files.insert("checkpoint".to_owned(), signed.to_string().into_bytes());
        let mut old = TreeSize(0);
        for size in sizes.iter().map(|size| TreeSize(*size)) {
            for path in new_tiles(old, size).chain(new_bundles(old, size)) {
                archive.files.insert(path.to_string(), file(path, records, &levels));
            }
            old = size;
        }
        assert!(tiles(old).chain(bundles(old)).all(|path| archive.files.contains_key(&path.to_string())));
        archive
    }

    /// The same archive as a bundle, with a report, the anchors and a page.
    pub(crate) fn bundled(&self) -> Self {
        let mut bundle = Self::default();
        for (path, bytes) in &self.files {
            bundle.files.insert(format!("log/{path}"), bytes.clone());
        }
        bundle.files.insert("README.html".to_owned(), b"<p>".to_vec());
        bundle.files.insert("keys/genesis".to_owned(), b"0\n".to_vec());
        bundle.files.insert("reports/outcomes.html".to_owned(), b"{}".to_vec());
        bundle.with_manifest()
    }

    /// With a MANIFEST of the files as they are.
    pub(crate) fn with_manifest(mut self) -> Self {
        let mut manifest = Manifest::default();
        for (path, bytes) in self.files.iter().filter(|(path, _)| *path != "MANIFEST") {
            manifest.insert(path, FileDigest::of(bytes)).unwrap();
        }
        self.files.insert("MANIFEST".to_owned(), manifest.to_string().into_bytes());
        self
    }

    pub(crate) fn zip(&self) -> Vec<u8> {
        let mut zip = ZipWriter::new(Vec::new());
        for (path, bytes) in &self.files {
            zip.add(path, bytes).unwrap();
        }
        zip.finish().unwrap()
    }

    pub(crate) fn file(&mut self, path: &str) -> &mut Vec<u8> {
        self.files.get_mut(path).unwrap_or_else(|| panic!("{path} is not there"))
    }

    /// Says of a file that it has 10 GB.
    pub(crate) fn says_long(&mut self, path: &str) {
        self.lengths.insert(path.to_owned(), 10 << 30);
    }

    /// Changes a copy.
    pub(crate) fn but(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut changed = self.clone();
        change(&mut changed);
        changed
    }
}

/// A log of every kind, sealed at sizes 5, 11 and 17, cosigned by two witnesses.
pub(crate) fn small() -> (Log, Memory) {
    let log = Log::of_every_kind(1);
    let signed = cosigned(checkpoint(&log.records, &log_signer(1)), &[witness(201), witness(202)], SEEN_S);
    let archive = Memory::sealed_at(&log.records, &[5, 11, 17], &signed);
    (log, archive)
}

/// When the witnesses saw the small log: 17 minutes after its first record, when its last was recorded.
pub(crate) const SEEN_S: u64 = 1_207_008_000 + 17 * 60;

fn options<'a>() -> Options<'a> {
    Options { threads: NonZeroUsize::MIN, ..Options::default() }
}

pub(crate) fn check(files: &Memory, anchors: &Anchors) -> Report {
    check_files(files, anchors)
}

pub(crate) fn check_files(files: &dyn Files, anchors: &Anchors) -> Report {
    let is_bundle = files.list().unwrap().iter().any(|file| file.path.starts_with("log/"));
    let shape = if is_bundle { Shape::Bundle } else { Shape::Archive };
    verify::verify_archive(files, shape, anchors, options()).unwrap()
}

pub(crate) fn check_zip(bytes: &[u8], anchors: &Anchors) -> Report {
    let files = ZipFiles::open(Cursor::new(bytes)).unwrap();
    verify::verify_archive(&files, Shape::Bundle, anchors, options()).unwrap()
}

/// The codes of evidence and absence, each with the place of its first finding: file, or else position.
pub(crate) fn codes(report: &Report) -> Vec<(&'static str, String)> {
    let mut codes: Vec<(&'static str, String)> = Vec::new();
    for finding in report.findings.iter().filter(|finding| finding.class() != Class::Conduct) {
        if !codes.iter().any(|(code, _)| *code == finding.code.as_str()) {
            let seq = finding.place.seq.map(|seq| seq.to_string());
            let stored_at = finding.place.stored_at.clone();
            codes.push((finding.code.as_str(), stored_at.or(seq).unwrap_or_default()));
        }
    }
    codes
}
