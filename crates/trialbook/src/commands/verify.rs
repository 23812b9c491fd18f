//! `verify`: a log from its files.

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clinical::report::Engine;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Deserialize;
use verify::given::Given;
use verify::{
    Absence, Anchors, Code, Depth, DirFiles, Evidence, FileDigest, Files, Options, Read, Report, Shape,
    ZipFiles, verify_archive,
};

use super::{by_arm, print};
use crate::cli::{Closed, Credentials, WhichTrial};
use crate::data::Data;
use crate::deployment::JournalRecords;
use crate::status;

/// What is known from elsewhere, and how to answer.
pub(super) struct Asked {
    pub(super) given: Given,
    pub(super) depth: Depth,
    pub(super) strict: bool,
    pub(super) json: bool,
    pub(super) credentials: Credentials,
    /// A report to be made anew from the records.
    pub(super) report: Option<Brought>,
    /// Reports that are held against what the log says was published: each with what it is spoken of by.
    pub(super) reports: Option<Vec<(String, Vec<u8>)>>,
}

/// A report that was published.
pub(super) struct Brought {
    /// What it is spoken of by.
    pub(super) name: String,
    /// Its JSON.
    pub(super) bytes: Vec<u8>,
    /// Its page, and what that is spoken of by.
    pub(super) page: Option<(String, Vec<u8>)>,
    /// Of a closed report: the list of arms.
    pub(super) arms: Option<PathBuf>,
}

/// Verifies what is at `dir`: a path, or a log's URL, which is copied first.
pub(super) async fn run(dir: &Path, which: WhichTrial, asked: Asked) -> Result<u8> {
    let url = dir.to_str().filter(|text| text.starts_with("http://") || text.starts_with("https://"));
    let Some(url) = url else {
        let dir = dir.to_owned();
        return tokio::task::spawn_blocking(move || at(&dir, &which, &asked)).await?;
    };
    let key =
        asked.given.key.clone().context("of a URL the log's verifier key has to be given, --key VKEY")?;
    let anchors = witness::Anchors { logs: vec![key], genesis: asked.given.genesis };
    let copy = tempfile::tempdir().context("there is no room for a copy")?;
    if let Some(status) = super::mirror::copy(url, copy.path(), anchors, &asked.credentials).await? {
        return Ok(status);
    }
    tokio::task::spawn_blocking(move || at(&copy.path().join("log"), &which, &asked)).await?
}

fn at(dir: &Path, which: &WhichTrial, asked: &Asked) -> Result<u8> {
    let anchors = asked.given.anchors()?;
    // Hidden by itself where standard error is no terminal.
    let bar =
        ProgressBar::new_spinner().with_style(ProgressStyle::with_template("{spinner} {msg} {elapsed}")?);
    let mut progress = |records: u64, bytes: u64| {
        bar.set_message(format!("{records} records, {} MiB", bytes >> 20));
        bar.tick();
    };
    let options = Options {
        depth: asked.depth,
        strict: asked.strict,
        // A closed report takes the list of arms, of which a verifier knows nothing.
        reports: asked
            .report
            .iter()
            .filter(|brought| brought.arms.is_none())
            .map(|brought| (brought.name.clone(), brought.bytes.clone()))
            .chain(asked.reports.iter().flatten().cloned())
            .collect(),
        published: asked.reports.is_some(),
        progress: Some(&mut progress),
        ..Options::default()
    };
    let (report, after) = match evidence_in(dir)? {
        Some((files, shape)) => (verify_archive(&*files, shape, &anchors, options)?, None),
        None if anchors.policy.is_some() || !anchors.checkpoints.is_empty() => {
            eprintln!(
                "a journal has no checkpoint to hold a policy or another checkpoint against: verify the archive beside it"
            );
            return Ok(status::USAGE);
        }
        None if asked.depth == Depth::Tree => {
            eprintln!("a journal has no tree: verify the archive beside it");
            return Ok(status::USAGE);
        }
        None => journal(dir, which, &anchors, options)?,
    };
    bar.finish_and_clear();
    let reproduced =
        asked.report.as_ref().map(|brought| Reproduced::of(&report, brought, dir, which)).transpose()?;
    if asked.json {
        let mut answer = serde_json::to_value(&report)?;
        if let (Some(after), Some(object)) = (after, answer.as_object_mut()) {
            object.insert("after_the_end".to_owned(), after.into());
        }
        if let (Some(reproduced), Some(object)) = (&reproduced, answer.as_object_mut()) {
            object.insert("reproduced".to_owned(), reproduced.follows().into());
        }
        print(&answer.to_string())?;
    } else {
        print(&report.to_string())?;
        if let Some(after) = after {
            print(&after)?;
        }
        if let Some(reproduced) = &reproduced {
            print(&format!("\n{reproduced}"))?;
        }
    }
    Ok(match &reproduced {
        Some(Reproduced::Differs { .. }) => status::BROKEN,
        Some(Reproduced::Undecided { .. }) if report.status() == 0 => status::UNDECIDED,
        _ => report.status(),
    })
}

/// Hands over each record of the log at `dir`, in order, with its links and its events checked but for their signatures.
pub(super) fn each_record(dir: &Path, which: &WhichTrial, each: &mut dyn FnMut(Read<'_>)) -> Result<Report> {
    let options = Options { depth: Depth::Records, each: Some(each), ..Options::default() };
    let anchors = Anchors::default();
    match evidence_in(dir)? {
        Some((files, shape)) => Ok(verify_archive(&*files, shape, &anchors, options)?),
        None => Ok(journal(dir, which, &anchors, options)?.0),
    }
}

/// The reports in a directory: its files whose names end in `.json`, in the order of their names.
pub(super) fn reports_in(dir: &Path) -> Result<Vec<(String, Vec<u8>)>> {
    let unreadable = || format!("cannot read {}", dir.display());
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(dir).with_context(unreadable)? {
        let path = entry.with_context(unreadable)?.path();
        if path.is_file() && path.extension().is_some_and(|extension| extension == "json") {
            paths.push(path);
        }
    }
    paths.sort();
    let read = |path: PathBuf| {
        let bytes = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok((path.display().to_string(), bytes))
    };
    paths.into_iter().map(read).collect()
}

/// What came of making a report anew.
enum Reproduced {
    Follows { name: String, records: u64, digest: FileDigest },
    Differs { name: String, detail: String },
    Undecided { name: String, why: String },
}

/// What of a report says how it was made.
#[derive(Deserialize)]
struct Stated {
    engine: Engine,
    covers: clinical::report::Covers,
}

impl Reproduced {
    fn of(report: &Report, brought: &Brought, dir: &Path, which: &WhichTrial) -> Result<Self> {
        let Brought { name, bytes, page, arms } = brought;
        let followed = match arms {
            Some(arms) => {
                Self::of_closed(name, bytes, &Closed { arms: arms.clone(), log: dir.to_owned() }, which)?
            }
            None => Self::of_open(report, name, bytes)?,
        };
        if let (Self::Follows { .. }, Some((name, page))) = (&followed, page)
            && console::document::document(bytes).ok().as_deref().map(str::as_bytes) != Some(page.as_slice())
        {
            let detail = "it is not the page that this version makes of the report".to_owned();
            return Ok(Self::Differs { name: name.clone(), detail });
        }
        Ok(followed)
    }

    /// Makes a closed report anew.
    fn of_closed(name: &str, bytes: &[u8], closed: &Closed, which: &WhichTrial) -> Result<Self> {
        let name = name.to_owned();
        let stated = by_arm::Stated::read(bytes).with_context(|| format!("{name} is no report by arm"))?;
        if stated.engine != Engine::this() {
            return Ok(Self::of_another_version(name, &stated.engine));
        }
        let made = by_arm::make(closed, which, stated.kind()?, Some(&stated.as_of()), stated.cutoff())?;
        if made.json.as_bytes() == bytes {
            return Ok(Self::Follows { name, records: made.records, digest: FileDigest::of(bytes) });
        }
        let detail = "made anew from the records and the list of arms it differs".to_owned();
        Ok(Self::Differs { name, detail })
    }

    fn of_another_version(name: String, engine: &Engine) -> Self {
        let this = Engine::this().version;
        let why = format!("{} {} made it, and this is {this}: ask that one", engine.name, engine.version);
        Self::Undecided { name, why }
    }

    fn of_open(report: &Report, name: &str, bytes: &[u8]) -> Result<Self> {
        let name = name.to_owned();
        let about = |code: Code| {
            let is_it = |found: &&verify::Finding| {
                found.code == code && found.place.stored_at.as_deref() == Some(name.as_str())
            };
            report.findings.iter().find(is_it).map(|found| found.detail.clone())
        };
        let differs = about(Evidence::ReportNotFollowing.into());
        let unchecked = about(Absence::ReportUnchecked.into());
        if let Some(detail) = differs {
            return Ok(Self::Differs { name, detail });
        }
        if let Some(why) = unchecked {
            return Ok(Self::Undecided { name, why });
        }
        let Stated { engine, covers } =
            serde_json::from_slice(bytes).with_context(|| format!("{name} is no report"))?;
        if engine != Engine::this() {
            return Ok(Self::of_another_version(name, &engine));
        }
        Ok(Self::Follows { name, records: covers.records, digest: FileDigest::of(bytes) })
    }

    fn follows(&self) -> Option<bool> {
        match self {
            Self::Follows { .. } => Some(true),
            Self::Differs { .. } => Some(false),
            Self::Undecided { .. } => None,
        }
    }
}

impl fmt::Display for Reproduced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Follows { name, records, digest } => write!(
                f,
                "REPRODUCED: {name} follows byte for byte from the first {records} records of this log\nSHA-256 and length: {digest}"
            ),
            Self::Differs { name, detail } => write!(f, "NOT REPRODUCED: {name}: {detail}"),
            Self::Undecided { name, why } => write!(f, "NOT DECIDED: {name}: {why}"),
        }
    }
}

/// Verifies a journal; what stands after its end.
fn journal(
    dir: &Path,
    which: &WhichTrial,
    anchors: &Anchors,
    options: Options<'_>,
) -> Result<(Report, Option<String>)> {
    let source = JournalRecords::open(&journal_in(dir, which)?)?;
    let end = source.end();
    let report = verify::verify(source, anchors, options)?;
    let after = end.get().and_then(after_the_end);
    Ok((report, after))
}

/// The bundle or archive at `path`, if there is one.
fn evidence_in(path: &Path) -> Result<Option<(Box<dyn Files>, Shape)>> {
    if path.is_file() {
        let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
        let files = ZipFiles::open(file)?;
        let shape = Shape::of(&files)?.unwrap_or(Shape::Bundle);
        return Ok(Some((Box::new(files), shape)));
    }
    // A data directory or a trial's, which may hold an archive beside its journal, means the journal.
    if path.join("trials").is_dir() || path.join("journal").is_dir() || !path.is_dir() {
        return Ok(None);
    }
    let files = DirFiles::new(path);
    Ok(Shape::of(&files)?.map(|shape| -> (Box<dyn Files>, Shape) { (Box::new(files), shape) }))
}

/// What stands after the last record and is none.
fn after_the_end(end: &journal_file::End) -> Option<String> {
    if let Some(head) = end.withheld {
        return Some(format!(
            "note: records up to {} follow that could not be shown to be durable; nobody was told of them",
            head.size
        ));
    }
    end.torn.as_ref().map(|torn| {
        format!(
            "note: after the last record stands an unfinished append of {} bytes ({} at byte {}): a writer is at it, or a \
             crash left it; nothing in it was ever acknowledged",
            torn.bytes,
            torn.file.display(),
            torn.offset
        )
    })
}

/// The journal that `dir` means: itself, that of the trial whose directory it is, or that of a trial of the data
/// directory it is.
fn journal_in(dir: &Path, which: &WhichTrial) -> Result<PathBuf> {
    if dir.join("trials").is_dir() {
        let data = Data::new(dir);
        let trial = data.which_trial(which.trial.as_ref())?;
        return Ok(data.trial(&trial).join("journal"));
    }
    let inside = dir.join("journal");
    let journal = if inside.is_dir() { inside } else { dir.to_owned() };
    if !journal.is_dir() {
        bail!("there is no log at {}", dir.display());
    }
    Ok(journal)
}
