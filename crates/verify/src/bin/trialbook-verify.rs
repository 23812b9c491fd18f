//! `trialbook-verify`: checks an archive or a bundle offline. It reads files and writes to standard output, and does
//! nothing else: no network, no state, no configuration.

use std::fs::File;
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use chain::note::VerifierKey;
use chain::policy::Policy;
use chain::{Position, RecordHash, SignedCheckpoint, TreeSize};
use clap::Parser;
use serde::Deserialize;
use verify::{
    Anchors, DirFiles, Files, KnownHead, Options, Receipt, Report, Shape, ZipFiles, verify_archive,
};

/// Check a trial's log: that nothing in it was changed, dropped or reordered, and who signed what.
///
/// The key and the genesis must come to you by another way than the files: from the sponsor, a letter, a contract.
/// Without a genesis the best outcome is "consistent, not authenticated".
#[derive(Debug, Parser)]
#[command(version, after_help = STATUSES)]
struct Arguments {
    /// A bundle (.zip), a directory it was unpacked into, an archive's directory, a trial's, or a mirror's.
    path: PathBuf,
    /// The log's verifier key, as printed when the trial was opened: name+8 hex digits+base64.
    #[arg(long, value_name = "VKEY", value_parser = log_key)]
    key: Option<VerifierKey>,
    /// The hash of the log's first record, as printed when the trial was opened: 64 hex digits.
    #[arg(long, value_name = "HEX")]
    genesis: Option<RecordHash>,
    /// Which witnesses are known and how many of them must have cosigned (C2SP tlog-policy).
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// An earlier checkpoint of the log to hold it against. May be given several times.
    #[arg(long = "checkpoint", value_name = "FILE")]
    checkpoints: Vec<PathBuf>,
    /// A receipt that a submission was answered with. May be given several times.
    #[arg(long = "receipt", value_name = "FILE")]
    receipts: Vec<PathBuf>,
    /// A size the log is known to have had, and the hash of its last record then. May be given several times.
    #[arg(long = "known", value_name = "SIZE:HASH", value_parser = known_head)]
    known: Vec<KnownHead>,
    /// Let records against the trial's rules count for the status.
    #[arg(long)]
    strict: bool,
    /// Answer with the whole report as JSON.
    #[arg(long)]
    json: bool,
}

const STATUSES: &str = "\
Exit status:
  0  intact
  1  broken: the evidence contradicts itself or what is known of it (with --strict, conduct counts too)
  2  wrong usage
  3  undecided: something needed is missing, or no genesis was given
  7  the files cannot be read";

/// Why there is no verdict.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("cannot read {path}: {source}")]
    Read { path: String, source: std::io::Error },
    #[error("{path}: {what}")]
    Malformed { path: String, what: String },
    #[error("there is neither a bundle nor an archive at {path}")]
    Nothing { path: String },
    #[error("{source}: {}", .source.source)]
    Source { source: verify::SourceError },
    #[error("cannot write the answer: {0}")]
    Write(std::io::Error),
}

impl From<verify::SourceError> for Failure {
    fn from(source: verify::SourceError) -> Self {
        Self::Source { source }
    }
}

impl Failure {
    fn status(&self) -> u8 {
        match self {
            Self::Malformed { .. } | Self::Nothing { .. } => 2,
            Self::Read { .. } | Self::Source { .. } | Self::Write(_) => 7,
        }
    }
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(status) => ExitCode::from(status),
        Err(failure) => {
            eprintln!("trialbook-verify: {failure}");
            ExitCode::from(failure.status())
        }
    }
}

fn run(arguments: &Arguments) -> Result<u8, Failure> {
    let anchors = anchors(arguments)?;
    let path = &arguments.path;
    let kind = std::fs::metadata(path).map_err(|source| unreadable(path, source))?;
    let report = if kind.is_dir() {
        // A trial's directory has its archive beside the journal, a mirror's its copy beside what it has seen.
        let places = [path.clone(), path.join("archive"), path.join("log")];
        let mut found = None;
        for files in places.into_iter().filter(|place| place.is_dir()).map(DirFiles::new) {
            if let Some(shape) = Shape::of(&files)? {
                found = Some((files, shape));
                break;
            }
        }
        let nothing = || Failure::Nothing { path: path.display().to_string() };
        let (files, shape) = found.ok_or_else(nothing)?;
        check(&files, shape, &anchors, arguments.strict)?
    } else {
        let file = File::open(path).map_err(|source| unreadable(path, source))?;
        let files = ZipFiles::open(file).map_err(Failure::from)?;
        check(&files, Shape::Bundle, &anchors, arguments.strict)?
    };
    let text = if arguments.json {
        let json = serde_json::to_string(&report).map_err(|error| Failure::Write(error.into()))?;
        json + "\n"
    } else {
        report.to_string()
    };
    std::io::stdout().write_all(text.as_bytes()).map_err(Failure::Write)?;
    Ok(report.status())
}

fn check(files: &dyn Files, shape: Shape, anchors: &Anchors, strict: bool) -> Result<Report, Failure> {
    let show = std::io::stderr().is_terminal();
    let mut progress = |records: u64, bytes: u64| {
        if show {
            eprint!("\r{records} records, {} MiB", bytes >> 20);
        }
    };
    let options = Options { strict, progress: Some(&mut progress), ..Options::default() };
    let report = verify_archive(files, shape, anchors, options).map_err(Failure::from);
    if show {
        eprint!("\r\x1b[K");
    }
    report
}

fn anchors(arguments: &Arguments) -> Result<Anchors, Failure> {
    let policy = arguments
        .policy
        .as_deref()
        .map(|path| Policy::parse(&read(path)?).map_err(|error| malformed(path, error.to_string())));
    let checkpoint = |path: &PathBuf| {
        SignedCheckpoint::parse(&read(path)?).map_err(|error| malformed(path, error.to_string()))
    };
    let receipt = |path: &PathBuf| {
        let stated: StatedReceipt =
            serde_json::from_slice(&read(path)?).map_err(|error| malformed(path, error.to_string()))?;
        Ok(Receipt { seq: stated.seq, hash: stated.hash })
    };
    Ok(Anchors {
        genesis: arguments.genesis,
        log_key: arguments.key.clone(),
        known_heads: arguments.known.clone(),
        receipts: arguments.receipts.iter().map(receipt).collect::<Result<_, Failure>>()?,
        checkpoints: arguments.checkpoints.iter().map(checkpoint).collect::<Result<_, Failure>>()?,
        policy: policy.transpose()?,
    })
}

/// What counts of a receipt: whoever brings it vouches for it, so its note is not needed.
#[derive(Debug, Deserialize)]
struct StatedReceipt {
    seq: Position,
    hash: RecordHash,
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|source| unreadable(path, source))
}

fn unreadable(path: &Path, source: std::io::Error) -> Failure {
    Failure::Read { path: path.display().to_string(), source }
}

fn malformed(path: &Path, what: String) -> Failure {
    Failure::Malformed { path: path.display().to_string(), what }
}

fn log_key(text: &str) -> Result<VerifierKey, String> {
    VerifierKey::from_text(text).map_err(|error| error.to_string())
}

fn known_head(text: &str) -> Result<KnownHead, String> {
    let read = || {
        let (size, head) = text.split_once(':')?;
        Some(KnownHead { size: TreeSize(size.parse().ok()?), head: head.parse().ok()? })
    };
    read().ok_or_else(|| "a known head is SIZE:HASH".to_owned())
}
