//! `service-key`: the registry's own keys, of its log and of its receipts. Signs no statement: naming a key is a sponsor's.

use anyhow::{Context as _, Result};
use chain::note::VerifierKey;
use chain::{RecordHash, SecretKey};
use clinical::data::{LogKeyChanged, ServiceKeyGranted};
use clinical::{EventKind, Statement, TrialId};

use super::keys::statement;
use super::open::first_log_key;
use super::print;
use crate::access::Access;
use crate::cli::{Place, ServiceKeyCommand, ServiceName, WhichTrial};
use crate::data::{Data, Service};

pub(super) async fn run(command: ServiceKeyCommand) -> Result<u8> {
    match command {
        ServiceKeyCommand::First { trial, origin, data } => first(&trial, &origin, &Data::new(&data))?,
        ServiceKeyCommand::New { service, which, data } => new(service, &which, &Data::new(&data))?,
        ServiceKeyCommand::List { json, which, place } => list(json, &which, &place).await?,
    }
    Ok(0)
}

/// Makes the key that a log begins with. Asked again, it prints the same.
fn first(trial: &TrialId, host: &str, data: &Data) -> Result<()> {
    data.create()?;
    print(&first_log_key(data, trial, host)?.to_string())
}

/// Makes a key and prints the statement that names it. The data directory's lock is not taken: nothing that is there is
/// touched.
fn new(service: ServiceName, which: &WhichTrial, data: &Data) -> Result<()> {
    let trial = data.which_trial(which.trial.as_ref())?;
    let genesis = anchor(data, &trial, "genesis")?.parse().context("the file genesis holds none")?;
    let log = VerifierKey::from_text(&anchor(data, &trial, "log.vkey")?).context("log.vkey holds no key")?;
    let service = match service {
        ServiceName::Log => Service::Log,
        ServiceName::Receipts => Service::Receipts,
    };
    let (secret, path) = data.next_service_key(&trial, service)?;
    let named = match service {
        Service::Log => log_key_change(&secret, log.name(), genesis)?,
        Service::Receipts => receipt_key_grant(&secret, log.name(), genesis)?,
    };
    eprintln!(
        "wrote {} (keep it, and a copy where the data's backups are not)\n\
         next: a sponsor submits this statement; from its record on the key is in use",
        path.display()
    );
    print(&serde_json::to_string(&named)?)
}

/// What stands in a file beside the trial's journal.
fn anchor(data: &Data, trial: &TrialId, name: &str) -> Result<String> {
    let path = data.trial(trial).join(name);
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(text.trim().to_owned())
}

/// The sponsor's statement that the registry's key signs receipts.
pub(super) fn receipt_key_grant(secret: &SecretKey, origin: &str, genesis: RecordHash) -> Result<Statement> {
    let (verifier_key, possession) = named(secret, &chain::receipt::key_name(origin), genesis)?;
    let service = clinical::data::Service::Receipts;
    let data = ServiceKeyGranted { possession, service, verifier_key };
    Ok(statement(EventKind::ServiceKeyGranted, &data))
}

/// The sponsor's statement that a further key signs the log's checkpoints.
fn log_key_change(secret: &SecretKey, origin: &str, genesis: RecordHash) -> Result<Statement> {
    let (verifier_key, possession) = named(secret, origin, genesis)?;
    Ok(statement(EventKind::LogKeyChanged, &LogKeyChanged { possession, verifier_key }))
}

/// A key under its name, with the proof that whoever asks for the statement has it.
fn named(secret: &SecretKey, name: &str, genesis: RecordHash) -> Result<(String, String)> {
    let public = secret.public();
    let key = VerifierKey::new(name, public).context("the origin cannot name a key")?;
    let possession = secret.sign(&chain::key::possession_message(genesis, name, public));
    Ok((key.to_string(), possession.to_text()))
}

async fn list(json: bool, which: &WhichTrial, place: &Place) -> Result<()> {
    let access = Access::open(place, false, false)?;
    let trial = access.trial(which).await?;
    let evidence = access.registry.evidence(&trial).await?;
    if json {
        let keys = serde_json::json!({"log_keys": evidence.log_keys, "receipt_keys": evidence.receipt_keys});
        return print(&keys.to_string());
    }
    let mut text = String::new();
    for key in &evidence.log_keys {
        let revoked = key.revoked_at.map(|seq| format!(", revoked by record {seq}")).unwrap_or_default();
        text.push_str(&format!(
            "log       {}  named by record {}{revoked}\n",
            key.verifier_key, key.named_at
        ));
    }
    for key in &evidence.receipt_keys {
        text.push_str(&format!("receipts  {key}  in force\n"));
    }
    print(&text)
}
