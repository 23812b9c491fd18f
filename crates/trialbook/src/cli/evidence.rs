//! The command line, as far as it is about evidence: bundles, copies, proofs, receipts, mirrors, witnesses.

use std::path::PathBuf;

use chain::RecordHash;
use chain::note::VerifierKey;
use clap::{Args, Subcommand};

use super::{Credentials, Place, WhichTrial};

#[derive(Subcommand)]
pub(crate) enum ExportCommand {
    /// Write one zip file with the whole log, its latest checkpoint, and both reports, for an inspector to check offline.
    Bundle {
        /// Where to write it; never overwritten.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        #[command(flatten)]
        which: WhichTrial,
        #[command(flatten)]
        place: Place,
    },
}

/// Which site's part to copy, and who certifies it.
#[derive(Args)]
pub(crate) struct CertifiedCopyOptions {
    /// The site.
    #[arg(long, value_name = "SITE")]
    pub(crate) site: clinical::SiteId,
    /// Where to write it; never overwritten.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// Certify it with this key file, whose key the log grants for the site or the trial as a whole.
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    /// Show free text in clear, opened with the key; without this it stays sealed.
    #[arg(long, requires = "key")]
    pub(crate) texts: bool,
    #[command(flatten)]
    pub(crate) which: WhichTrial,
    #[command(flatten)]
    pub(crate) place: Place,
}

/// Which proof to ask for, or to check.
#[derive(Args)]
pub(crate) struct ProveOptions {
    /// The record's position, to ask for its proof.
    #[arg(required_unless_present = "check", conflicts_with = "check")]
    pub(crate) seq: Option<u64>,
    /// Write the proof to this new file instead of printing it.
    #[arg(long, value_name = "FILE", conflicts_with = "check")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) check: Option<ProofCheck>,
    #[command(flatten)]
    pub(crate) which: WhichTrial,
    #[command(flatten)]
    pub(crate) place: Place,
}

/// A proof to check, and what it is to prove.
#[derive(Args)]
#[group(multiple = true, requires_all = ["check", "key"])]
pub(crate) struct ProofCheck {
    /// Check the proof in this file; `-` reads standard input.
    #[arg(long, value_name = "FILE", required = false)]
    pub(crate) check: PathBuf,
    /// The log's verifier key.
    #[arg(long, value_name = "VKEY", value_parser = log_key, required = false)]
    pub(crate) key: VerifierKey,
    /// The record's bytes; `-` reads standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "hash")]
    pub(crate) record: Option<PathBuf>,
    /// The record's hash.
    #[arg(long, value_name = "HEX", required_unless_present_any = ["record", "seq"])]
    pub(crate) hash: Option<RecordHash>,
}

#[derive(Subcommand)]
pub(crate) enum ReceiptsCommand {
    /// Check that the log kept each promise: a receipt key that the log grants has signed it, and the log's signed tree has
    /// that record at that position.
    ///
    /// Status 0: all kept. 1: one is broken, or is no receipt of this log. 3: one cannot be decided.
    Check {
        /// The directory of receipts, as `submit --receipts` makes it.
        dir: PathBuf,
        /// The log: an archive's directory, a trial's, a mirror's; or its address, of which a copy is fetched first.
        #[arg(long, value_name = "PATH")]
        log: PathBuf,
        /// The log's verifier key.
        #[arg(long, value_name = "VKEY", value_parser = log_key)]
        key: VerifierKey,
        #[command(flatten)]
        credentials: Credentials,
    },
}

/// What to mirror, and how.
#[derive(Args)]
pub(crate) struct MirrorOptions {
    /// The log's address, such as `http://127.0.0.1:7878/v1/trials/TRIAL/log`.
    pub(crate) url: String,
    /// Where to keep the copy; made where it does not exist.
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// The log's verifier key, as it came to you by another way than the server. With --site or --whole, changes of the key
    /// are followed from there; otherwise, while one key takes over from another, both may be given.
    #[arg(long = "key", value_name = "VKEY", value_parser = log_key, required = true)]
    pub(crate) keys: Vec<VerifierKey>,
    /// The trial's genesis, likewise.
    #[arg(long, value_name = "HEX")]
    pub(crate) genesis: Option<RecordHash>,
    /// Copy the records that this site may read, too.
    #[arg(long, value_name = "SITE", conflicts_with = "whole")]
    pub(crate) site: Option<witness::Site>,
    /// Copy all records, too.
    #[arg(long)]
    pub(crate) whole: bool,
    /// Cosign what is copied with this witness's key file.
    #[arg(long, value_name = "FILE", requires = "state")]
    pub(crate) cosign_key: Option<PathBuf>,
    /// The witness's state file; one for a mirror and a witness with the same key.
    #[arg(long, value_name = "FILE", requires = "cosign_key")]
    pub(crate) state: Option<PathBuf>,
    /// Go on until stopped.
    #[arg(long)]
    pub(crate) watch: bool,
    /// With --watch: look so often.
    #[arg(long, value_name = "SECONDS", default_value = "30")]
    pub(crate) every: u64,
    #[command(flatten)]
    pub(crate) credentials: Credentials,
}

#[derive(Subcommand)]
pub(crate) enum WitnessCommand {
    /// Make a witness's key file and print its verifier key, for the policies that name it.
    NewKey {
        /// The witness's name, such as `witness.cn-nj.example`.
        name: String,
        /// Where to write it; never overwritten.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

pub(super) fn log_key(text: &str) -> Result<VerifierKey, String> {
    VerifierKey::from_text(text).map_err(|error| error.to_string())
}
