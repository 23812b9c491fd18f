//! `open`: a new trial.

use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
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

pub(super) async fn run(
    file: &Path,
    key: &Path,
    trial: &TrialId,
    log_key: LogKeyFrom<'_>,
    place: &Place,
) -> Result<u8> {
    let elsewhere = place.server.is_some();
    ensure!(
        !elsewhere || matches!(log_key, LogKeyFrom::Notary(_)),
        "the log's key is made where the log will be sealed: give --data, or the key that `trialbook service-key first` \
         made there with --log-key"
    );
    let key = KeyFile::read(key)?;
    let statement: Statement = serde_json::from_str(&read_text(file)?)
        .with_context(|| format!("{} is not a statement", file.display()))?;
    let access = Access::open(place, true, true)?;
    let data = Data::new(&place.data);
    let data = (!elsewhere).then_some(&data);
    match open(&access, data, &key, trial, log_key, statement).await? {
        Ok(receipt) => {
            print(&format!("trial {trial} is open\ngenesis {}\n\n{KEEP_THE_GENESIS}", receipt.hash))?;
            if elsewhere {
                print(
                    "Next, where each registrar's data is: `trialbook service-key new receipts`, and submit the statement that \
                     it prints, so that its receipts bind.",
                )?;
            }
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

/// Where the log's first key comes from.
#[derive(Clone, Copy)]
pub(crate) enum LogKeyFrom<'a> {
    /// It is made here, for a log whose name begins with this host.
    Origin(&'a str),
    /// Whoever will seal the log has made it.
    Notary(&'a VerifierKey),
}

/// Opens `trial` with `statement`, to which the log's key and the signer as a sponsor are added. Where the registry's
/// `data` is here, a receipt key is made and granted as well.
pub(crate) async fn open(
    access: &Access,
    data: Option<&Data>,
    key: &KeyFile,
    trial: &TrialId,
    log_key: LogKeyFrom<'_>,
    mut statement: Statement,
) -> Result<std::result::Result<Receipt, api::Problem>> {
    ensure!(statement.kind == EventKind::TrialOpened, "the statement's kind must be trial_opened");
    ensure!(key.actor.role == Role::Sponsor, "a trial is opened by a sponsor's key");
    if !statement.data.contains_key("log_key") {
        let log_key = match (log_key, data) {
            (LogKeyFrom::Notary(key), _) => key.clone(),
            (LogKeyFrom::Origin(host), Some(data)) => first_log_key(data, trial, host)?,
            (LogKeyFrom::Origin(_), None) => bail!("the log's key is made where the log will be sealed"),
        };
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
    let Some(data) = data else { return Ok(Ok(receipt)) };
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

/// The key that a log begins with, made if it is not there: kept beside the people's, used by whatever signs checkpoints.
pub(super) fn first_log_key(data: &Data, trial: &TrialId, host: &str) -> Result<VerifierKey> {
    let secret = data.first_service_key(trial, Service::Log)?;
    VerifierKey::new(&format!("{host}/{trial}"), secret.public()).context("the origin cannot name a log")
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
