//! The command line, as far as it is about keys: people's, and the registry's own.

use std::path::PathBuf;

use chain::note::VerifierKey;
use chain::{KeyId, RecordHash};
use clap::{Subcommand, ValueEnum};
use clinical::data::RevocationReason;
use clinical::{ActorId, PartialDate, TrialId, Zone};

use super::{Place, WhichTrial};

#[derive(Subcommand)]
pub(crate) enum KeysCommand {
    /// Make a key file. Nobody but its holder should ever have it.
    New {
        /// Who holds the key, such as li.wei.
        #[arg(long, value_name = "ID")]
        holder: ActorId,
        /// The holder's organisation.
        #[arg(long, value_name = "NAME")]
        organisation: String,
        /// The role it is for.
        #[arg(long, value_name = "ROLE", value_parser = role)]
        role: clinical::Role,
        /// The zone the holder works in.
        #[arg(long, value_name = "ZONE", default_value = "UTC")]
        zone: Zone,
        /// Where to write it; never overwritten.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Print the `key_granted` statement that grants a key, with its proof of possession, for the granter to submit.
    Request {
        /// The key file to be granted.
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// The trial's genesis.
        #[arg(long, value_name = "HEX")]
        genesis: RecordHash,
        /// The sites, for roles of a site.
        #[arg(long = "site", value_name = "SITE")]
        sites: Vec<clinical::SiteId>,
    },
    /// List every key that was granted: who holds it, in which role, since which record, and which record revoked it.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        which: WhichTrial,
        #[command(flatten)]
        place: Place,
    },
    /// Print the `key_revoked` statement that revokes a key, a person's or one of the registry's own, for whoever may
    /// revoke it to submit.
    Revoke {
        /// The key's id as `keys list` prints it, or a verifier key.
        #[arg(value_name = "KEY", value_parser = key_id)]
        key: KeyId,
        /// Why it is revoked.
        #[arg(long, value_name = "REASON", value_parser = revocation_reason)]
        reason: RevocationReason,
        /// The day from which on others may have had the key: records that it signed since then are flagged.
        #[arg(long, value_name = "DATE")]
        suspected_since: Option<PartialDate>,
    },
}

fn key_id(text: &str) -> Result<KeyId, String> {
    if let Ok(key) = VerifierKey::from_text(text) {
        return Ok(key.key().id());
    }
    text.parse().map_err(|_| "neither a key's id, 64 hexadecimal digits, nor a verifier key".to_owned())
}

fn revocation_reason(text: &str) -> Result<RevocationReason, String> {
    serde_json::from_value(text.into()).map_err(|_| "one of left, replaced, lost, compromised".to_owned())
}

/// What a key of the registry's own is for.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum ServiceName {
    /// Checkpoints.
    Log,
    /// Receipts.
    Receipts,
}

#[derive(Subcommand)]
pub(crate) enum ServiceKeyCommand {
    /// Make the next key beside the one in use, and print the statement that names it in the log, for a sponsor to submit.
    ///
    /// Works beside a server, which uses the key from the record on that names it. Then revoke the old one, with
    /// `keys revoke`.
    New {
        /// What the key is for.
        service: ServiceName,
        #[command(flatten)]
        which: WhichTrial,
        /// The data directory.
        #[arg(long, value_name = "DIR", default_value = "./trialbook-data", env = "TRIALBOOK_DATA")]
        data: PathBuf,
    },
    /// Make the key that a new log begins with, in the directory of the notary that will seal it, and print it for
    /// `open --log-key`.
    First {
        /// The new trial's id.
        #[arg(long, value_name = "ID")]
        trial: TrialId,
        /// Host (and path) that the log's name begins with; the log is named HOST/TRIAL.
        #[arg(long, value_name = "HOST", default_value = "localhost")]
        origin: String,
        /// The notary's own directory.
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
    },
    /// List the log's keys with the records that name and revoke them, and the receipt keys in force.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        which: WhichTrial,
        #[command(flatten)]
        place: Place,
    },
}

fn role(text: &str) -> Result<clinical::Role, String> {
    let found = clinical::Role::ALL.into_iter().find(|role| role.as_str() == text);
    found.ok_or_else(|| {
        let names: Vec<_> = clinical::Role::ALL.iter().map(|role| role.as_str()).collect();
        format!("one of {}", names.join(", "))
    })
}
