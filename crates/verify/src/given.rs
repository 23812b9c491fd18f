//! What a person knows of a log from outside the evidence, as a command line takes it. It reads the files that are named
//! there, each only as far as its kind may reach, and judges nothing.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use chain::note::{NOTE_BYTES_MAX, VerifierKey};
use chain::policy::Policy;
use chain::{NodeHash, Position, RecordHash, SignedCheckpoint, TreeSize};
use clap::Args;
use serde::Deserialize;

use crate::{Anchors, KnownHead, Receipt, ReceiptNote};

/// Longest receipt read, in bytes: a note of at most 1 MiB, and as much again for escapes, path and findings.
const RECEIPT_BYTES_MAX: usize = 2 * NOTE_BYTES_MAX;

/// Anchors, as options of a command.
#[derive(Debug, Clone, Default, Args)]
pub struct Given {
    /// The log's verifier key, as printed when the trial was opened: name+8 hex digits+base64.
    #[arg(long, value_name = "VKEY", value_parser = log_key)]
    pub key: Option<VerifierKey>,
    /// The hash of the log's first record, as printed when the trial was opened: 64 hex digits.
    #[arg(long, value_name = "HEX")]
    pub genesis: Option<RecordHash>,
    /// Which witnesses are known and how many of them must have cosigned (C2SP tlog-policy).
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// An earlier checkpoint of the log to hold it against. May be given several times.
    #[arg(long = "checkpoint", value_name = "FILE")]
    pub checkpoints: Vec<PathBuf>,
    /// A receipt that a submission was answered with. May be given several times.
    #[arg(long = "receipt", value_name = "FILE")]
    pub receipts: Vec<PathBuf>,
    /// A size the log is known to have had, and the hash of its last record then. May be given several times.
    #[arg(long = "known", value_name = "SIZE:HASH", value_parser = known_head)]
    pub known: Vec<KnownHead>,
}

/// Why what is given cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum GivenError {
    /// A file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// Which.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A file is not what it is given as.
    #[error("{path}: {what}")]
    Malformed {
        /// Which.
        path: String,
        /// What is the matter.
        what: String,
    },
}

impl Given {
    /// The anchors.
    ///
    /// # Errors
    /// [`GivenError`].
    pub fn anchors(&self) -> Result<Anchors, GivenError> {
        let policy = |path: &PathBuf| {
            Policy::parse(&read(path, NOTE_BYTES_MAX)?).map_err(|error| malformed(path, error.to_string()))
        };
        let checkpoint = |path: &PathBuf| {
            SignedCheckpoint::parse(&read(path, NOTE_BYTES_MAX)?)
                .map_err(|error| malformed(path, error.to_string()))
        };
        Ok(Anchors {
            genesis: self.genesis,
            log_key: self.key.clone(),
            known_heads: self.known.clone(),
            receipts: self.receipts.iter().map(|path| receipt(path)).collect::<Result<_, _>>()?,
            checkpoints: self.checkpoints.iter().map(checkpoint).collect::<Result<_, _>>()?,
            policy: self.policy.as_ref().map(policy).transpose()?,
        })
    }
}

/// What counts of a receipt. The rest of it tells its reader what the registrar found.
#[derive(Debug, Deserialize)]
struct Stated {
    seq: Position,
    hash: RecordHash,
    note: Option<String>,
    path: Option<Vec<NodeHash>>,
}

fn receipt(path: &Path) -> Result<Receipt, GivenError> {
    let stated: Stated = serde_json::from_slice(&read(path, RECEIPT_BYTES_MAX)?)
        .map_err(|error| malformed(path, error.to_string()))?;
    let note = match (stated.note, stated.path) {
        (Some(note), Some(path)) => Some(ReceiptNote { note, path }),
        (None, None) => None,
        _ => return Err(malformed(path, "note and path come together".to_owned())),
    };
    Ok(Receipt { seq: stated.seq, hash: stated.hash, note })
}

fn read(path: &Path, bytes_max: usize) -> Result<Vec<u8>, GivenError> {
    let mut bytes = Vec::new();
    let file = File::open(path).and_then(|file| file.take(bytes_max as u64 + 1).read_to_end(&mut bytes));
    file.map_err(|source| GivenError::Read { path: path.display().to_string(), source })?;
    if bytes.len() > bytes_max {
        return Err(malformed(path, format!("has more than {bytes_max} bytes")));
    }
    Ok(bytes)
}

fn malformed(path: &Path, what: String) -> GivenError {
    GivenError::Malformed { path: path.display().to_string(), what }
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
