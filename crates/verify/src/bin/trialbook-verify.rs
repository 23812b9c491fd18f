//! `trialbook-verify`: checks an archive or a bundle offline. It reads files and writes to standard output, and does
//! nothing else: no network, no state, no configuration.

use std::error::Error as _;
use std::fs::File;
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use verify::given::{Given, GivenError};
use verify::{Anchors, Depth, DirFiles, Files, Options, Report, Shape, ZipFiles, verify_archive};

/// Check a trial's log: that nothing in it was changed, dropped or reordered, and who signed what.
///
/// The key and the genesis must come to you by another way than the files: from the sponsor, a letter, a contract.
/// Without a genesis the best outcome is "consistent, not authenticated".
#[derive(Debug, Parser)]
#[command(version, after_help = STATUSES)]
struct Arguments {
    /// A bundle or a site's certified copy (.zip), a directory it was unpacked into, an archive's directory, a trial's, or a
    /// mirror's.
    path: PathBuf,
    #[command(flatten)]
    given: Given,
    /// How much to check.
    #[arg(long, value_enum, default_value_t, value_name = "DEPTH")]
    depth: Depth,
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
    #[error("{error}{}", error.source().map(|source| format!(": {source}")).unwrap_or_default())]
    Given { error: GivenError },
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

impl From<GivenError> for Failure {
    fn from(error: GivenError) -> Self {
        Self::Given { error }
    }
}

impl Failure {
    fn status(&self) -> u8 {
        match self {
            Self::Given { error: GivenError::Malformed { .. } } | Self::Nothing { .. } => 2,
            Self::Given { error: GivenError::Read { .. } }
            | Self::Read { .. }
            | Self::Source { .. }
            | Self::Write(_) => 7,
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
    let anchors = arguments.given.anchors()?;
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
        check(&files, shape, &anchors, arguments)?
    } else {
        let file = File::open(path).map_err(|source| unreadable(path, source))?;
        let files = ZipFiles::open(file).map_err(Failure::from)?;
        // A zip of neither is judged as the bundle that it is handed over as.
        let shape = Shape::of(&files)?.unwrap_or(Shape::Bundle);
        check(&files, shape, &anchors, arguments)?
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

fn check(
    files: &dyn Files,
    shape: Shape,
    anchors: &Anchors,
    arguments: &Arguments,
) -> Result<Report, Failure> {
    let show = std::io::stderr().is_terminal();
    let mut progress = |records: u64, bytes: u64| {
        if show {
            eprint!("\r{records} records, {} MiB", bytes >> 20);
        }
    };
    let Arguments { depth, strict, .. } = *arguments;
    let options = Options { depth, strict, progress: Some(&mut progress), ..Options::default() };
    let report = verify_archive(files, shape, anchors, options).map_err(Failure::from);
    if show {
        eprint!("\r\x1b[K");
    }
    report
}

fn unreadable(path: &Path, source: std::io::Error) -> Failure {
    Failure::Read { path: path.display().to_string(), source }
}
