//! `bench tree`: verifying an archive's files without signatures, on all cores.
//!
//! The tree alone is held against the bare SHA-256 work: a hash of each record and of each node over them. With the
//! records read the reference also parses them into `serde_json::Value` and makes them canonical again. The references
//! have the records in memory and compare nothing; ours reads files, which the system has at hand.

use std::num::NonZeroUsize;
use std::path::Path;

use anyhow::{Result, ensure};
use chain::checkpoint::Checkpoint;
use chain::note::{Signer, VerifierKey};
use chain::{LinkedRecord, NodeHash, SignedCheckpoint, TreeSize, tree};
use serde_json::Value;
use sha2::{Digest, Sha256};
use verify::{Anchors, Depth, DirFiles, Options, Shape, Verdict};

use crate::archived::{levels, write_bundles, write_tiles};
use crate::measure::{Arguments, Target, compare, on_all_cores, rate, threads, write};
use crate::study::Study;

const RECORDS: usize = 1_000_000;

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let runs = arguments.runs()?;
    let study = Study::new()?;
    let log = study.log(arguments.value("records", RECORDS)?)?;
    let directory = arguments.directory()?;
    let anchors = seal(directory.path(), &study, &log)?;
    compare(
        "tree alone",
        "records",
        runs,
        // It may take 1.5 times as long.
        ("bare SHA-256", Target::Ratio(1.0 / 1.5)),
        || verify_files(directory.path(), &anchors, Depth::Tree, log.len()),
        || rate(log.len(), || hash(&log, |_| ())),
    )?;
    compare(
        "tree and records",
        "records",
        runs,
        ("bare hash, parse, canonicalize", Target::Ratio(0.7)),
        || verify_files(directory.path(), &anchors, Depth::Records, log.len()),
        || rate(log.len(), || hash(&log, canonicalize)),
    )
}

/// Writes the log as a sealed archive; what is known of it.
fn seal(directory: &Path, study: &Study, log: &[LinkedRecord]) -> Result<Anchors> {
    let leaves: Vec<_> = log.iter().map(|record| record.hash).collect();
    write_tiles(directory, &levels(leaves.iter().copied().map(NodeHash::from).collect()))?;
    write_bundles(directory, log)?;
    let signer: Signer = study.log_signer()?;
    let checkpoint = Checkpoint::new(signer.name(), TreeSize(leaves.len() as u64), tree::root_of(&leaves))?;
    let signed = SignedCheckpoint::sign(checkpoint, &[&signer])?;
    write(&directory.join("checkpoint"), signed.to_string())?;
    let log_key: VerifierKey = signer.verifier_key();
    Ok(Anchors { genesis: leaves.first().copied(), log_key: Some(log_key), ..Anchors::default() })
}

fn verify_files(directory: &Path, anchors: &Anchors, depth: Depth, records: usize) -> Result<f64> {
    let files = DirFiles::new(directory);
    let threads = NonZeroUsize::new(threads()).unwrap_or(NonZeroUsize::MIN);
    rate(records, || {
        let options = Options { threads, depth, ..Options::default() };
        let report = verify::verify_archive(&files, Shape::Archive, anchors, options)?;
        ensure!(report.verdict == Verdict::Undecided, "what was not looked at is held against it: {report}");
        ensure!(report.covers.records == records as u64 && report.findings.len() == 1, "{report}");
        Ok(())
    })
}

/// Hashes each record and as many nodes as a tree over them has, and does `more` with each record.
#[expect(clippy::unnecessary_wraps, reason = "what is measured may fail elsewhere")]
fn hash(log: &[LinkedRecord], more: impl Fn(&[u8]) + Sync) -> Result<()> {
    on_all_cores(log, |record| {
        let leaf = Sha256::new().chain_update([0]).chain_update(&record.bytes).finalize();
        std::hint::black_box(
            Sha256::new().chain_update([1]).chain_update(leaf).chain_update(leaf).finalize(),
        );
        more(&record.bytes);
    });
    Ok(())
}

fn canonicalize(record: &[u8]) {
    let value: Value = serde_json::from_slice(record).expect("a record is JSON");
    std::hint::black_box(serde_json_canonicalizer::to_vec(&value).expect("a record has a canonical form"));
}
