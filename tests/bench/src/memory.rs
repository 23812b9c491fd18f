//! `bench memory`: the most memory that `verify` and a rebuild need, each in a process of its own, at two sizes.
//!
//! Records are read from a journal's files. Peak resident memory (`VmHWM`) is compared with what the format promises:
//! 64 MiB, 32 bytes an event and 1 KiB a subject. One run each: memory varies little.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use chain::{LinkedRecord, Position};
use journal::{Head, Journal};
use journal_file::{FileJournal, ReadOnlyJournal};
use readmodel::SledStore;
use verify::{Anchors, Bytes, Options, Source, SourceError, Step, Verdict};

use crate::measure::Arguments;
use crate::rebuild::follow;
use crate::rows::ReadModel;
use crate::study::Study;

const SIZES: [usize; 2] = [50_000, 200_000];

/// What a child process does; `nothing` shows what a process takes by itself.
const PARTS: [&str; 5] = ["nothing", "verify", "outcomes", "safety", "index"];

const MIB: f64 = (1 << 20) as f64;

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let part: String = arguments.value("part", String::new())?;
    let directory: std::path::PathBuf = arguments.value("journal", String::new())?.into();
    if !part.is_empty() {
        return child(&part, &directory);
    }
    let directory = arguments.directory()?;
    let study = Study::new()?;
    let log = study.log(SIZES[SIZES.len() - 1])?;
    println!(
        "peak memory, MiB         {}  bound of the format",
        PARTS.map(|part| format!("{part:>9}")).join("")
    );
    for size in SIZES {
        let trial = directory.path().join(size.to_string());
        write_journal(&trial, &log[..size])?;
        let bound = 64.0 + (32 * size) as f64 / MIB + (1_024 * (study.subjects_in(size) + 1)) as f64 / MIB;
        let mut line = format!("{size:>7} records         ");
        for part in PARTS {
            let peak = peak(part, &trial)? / MIB;
            line.push_str(&format!("{peak:>9.1}"));
        }
        println!("{line}  {bound:.1}");
    }
    Ok(())
}

fn write_journal(directory: &Path, log: &[LinkedRecord]) -> Result<()> {
    std::fs::create_dir(directory)?;
    let (journal, _) = FileJournal::open(&directory.join("journal"), &journal_file::Options::default())?;
    let mut head = Head::EMPTY;
    for batch in log.chunks(1_000) {
        head = journal.append(head, batch)?;
    }
    Ok(())
}

/// Runs `part` in a process of its own and gives its peak in bytes.
fn peak(part: &str, trial: &Path) -> Result<f64> {
    let output = Command::new(std::env::current_exe()?)
        .args(["memory", "--part", part, "--journal"])
        .arg(trial)
        .stderr(std::process::Stdio::inherit())
        .output()?;
    ensure!(output.status.success(), "{part} ended with {}", output.status);
    let kibibytes: f64 = String::from_utf8(output.stdout)?.trim().parse()?;
    Ok(kibibytes * 1_024.0)
}

fn child(part: &str, trial: &Path) -> Result<()> {
    let journal = trial.join("journal");
    match part {
        "nothing" => {}
        "verify" => {
            let source = FileRecords { records: ReadOnlyJournal::open(&journal)?.records()? };
            let report = verify::verify(source, &Anchors::default(), Options::default())?;
            let expected = Verdict::ConsistentNotAuthenticated;
            ensure!(report.verdict == expected, "the log is {:?}", report.verdict);
        }
        _ => {
            let model = ReadModel::ALL.into_iter().find(|model| model.name() == part);
            let model = model.with_context(|| format!("there is no part {part}"))?;
            let (journal, _) = FileJournal::open(&journal, &journal_file::Options::default())?;
            let rows = tempfile::tempdir_in(trial)?;
            let (store, _) = SledStore::open(rows.path(), 1, readmodel::Options::default())?;
            drop(follow(&(Arc::new(journal) as Arc<dyn Journal>), Arc::new(store), model)?);
        }
    }
    println!("{}", peak_kibibytes()?);
    Ok(())
}

fn peak_kibibytes() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let line = line.context("the system does not say VmHWM")?;
    let number = line.split_whitespace().next().context("VmHWM has a value")?;
    Ok(number.parse()?)
}

/// A journal's files as `verify` reads them.
struct FileRecords {
    records: journal_file::Records,
}

impl Source for FileRecords {
    fn next(&mut self, bytes_max: usize, out: &mut Vec<Bytes>) -> Result<Step, SourceError> {
        let mut bytes = 0;
        while bytes < bytes_max {
            match self.records.next() {
                None => return Ok(Step::End),
                Some(Ok(LinkedRecord { bytes: record, .. })) => {
                    bytes += record.len();
                    out.push(Bytes::from_owner(record));
                }
                Some(Err(error)) => {
                    return Err(SourceError { op: error.to_string(), source: Box::new(error) });
                }
            }
        }
        Ok(Step::More)
    }

    fn record(&self, seq: Position) -> Result<Option<Bytes>, SourceError> {
        let found = self.records.record(seq);
        let found =
            found.map_err(|error| SourceError { op: format!("record {seq}"), source: Box::new(error) })?;
        Ok(found.map(|record| Bytes::from_owner(record.bytes)))
    }
}
