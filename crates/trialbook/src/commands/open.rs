//! `open`: a new trial.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use api::Answer;
use chain::RecordHash;
use chain::note::VerifierKey;
use clinical::{EventKind, Receipt, Role, Statement, TrialId};
use serde_json::{Value, json};

use super::service_key::receipt_key_grant;
use super::{print, read_text};
use crate::access::Access;
use crate::cli::Place;
use crate::data::{Data, Service};
use crate::keyfile::KeyFile;
use crate::signing::{Signer, submit_settled};
use crate::status_of;

pub(super) async fn run(file: &Path, key: &Path, trial: &TrialId, origin: &str, place: &Place) -> Result<u8> {
    ensure!(place.server.is_none(), "a trial is opened where its data is: give --data");
    let key = KeyFile::read(key)?;
    let statement: Statement = serde_json::from_str(&read_text(file)?)
        .with_context(|| format!("{} is not a statement", file.display()))?;
    let access = Access::open(place, true, true)?;
    match open(&access, &Data::new(&place.data), &key, trial, origin, statement).await? {
        Ok(receipt) => {
            print(&format!("trial {trial} is open\ngenesis {}\n\n{KEEP_THE_GENESIS}", receipt.hash))?;
            Ok(0)
        }
        Err(problem) => {
            eprintln!("refused: {problem}");
            Ok(status_of(&problem))
        }
    }
}

/// What everyone who opens a trial is told.
pub(crate) const KEEP_THE_GENESIS: &str = "Write the genesis down and give it to everyone who may have to verify this log, by a way other than this machine:\n\
     it is the anchor by which a log rewritten from its beginning is told from this one.";

/// Opens `trial` with `statement`, to which the log's new key and the signer as a sponsor are added.
pub(crate) async fn open(
    access: &Access,
    data: &Data,
    key: &KeyFile,
    trial: &TrialId,
    origin: &str,
    mut statement: Statement,
) -> Result<std::result::Result<Receipt, api::Problem>> {
    ensure!(statement.kind == EventKind::TrialOpened, "the statement's kind must be trial_opened");
    ensure!(key.actor.role == Role::Sponsor, "a trial is opened by a sponsor's key");
    if !statement.data.contains_key("log_key") {
        let log_key = log_key(data, trial, &format!("{origin}/{trial}"))?;
        statement.data.insert("log_key".to_owned(), Value::from(log_key.to_string()));
    }
    add_sponsor(&mut statement, key);
    let mut signer = Signer::new(key, trial, RecordHash::ZERO);
    let composed = signer.sign(&*access.registry, &statement).await?;
    let receipt = match access.registry.open_trial(composed.submission()).await? {
        Answer::Recorded { receipt } => receipt,
        // What followed the opening has been done, or is the sponsor's to do.
        Answer::Repeated { receipt } => return Ok(Ok(receipt)),
        Answer::Refused { problem } => return Ok(Err(problem)),
    };
    let log_key = statement.data.get("log_key").and_then(Value::as_str).unwrap_or_default();
    let origin = VerifierKey::from_text(log_key)?.name().to_owned();
    let statement =
        receipt_key_grant(&data.first_service_key(trial, Service::Receipts)?, &origin, receipt.hash)?;
    let mut signer = Signer::new(key, trial, receipt.hash);
    let composed = signer.sign(&*access.registry, &statement).await?;
    let answers = submit_settled(&*access.registry, trial, vec![composed.submission()]).await?;
    match answers.into_iter().next() {
        Some(Answer::Refused { problem }) => Ok(Err(problem)),
        _ => Ok(Ok(receipt)),
    }
}

/// The log's own key: kept beside the people's, used by whatever signs checkpoints.
fn log_key(data: &Data, trial: &TrialId, origin: &str) -> Result<VerifierKey> {
    let secret = data.first_service_key(trial, Service::Log)?;
    VerifierKey::new(origin, secret.public()).context("the origin cannot name a log")
}

fn add_sponsor(statement: &mut Statement, key: &KeyFile) {
    let public = key.secret.public().to_text();
    let sponsors = statement.data.entry("sponsor_keys").or_insert_with(|| json!([]));
    if let Some(sponsors) = sponsors.as_array_mut()
        && !sponsors.iter().any(|sponsor| sponsor["public_key"] == public)
    {
        sponsors.push(json!({
            "holder": key.actor.id, "organisation": key.actor.organisation, "public_key": public
        }));
    }
}
