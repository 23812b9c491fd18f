//! `cut`: up to which record and which day an analysis looks.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use api::{Answer, CutView, Registry};
use chain::{Checkpoint, Position, RecordHash, TreeSize};
use clinical::data::DataCut;
use clinical::{CutName, EventKind, PartialDate, Statement, TrialId};

use super::keys::statement;
use super::{print, sealed};
use crate::access::Access;
use crate::cli::{CutCommand, Place, WhichTrial};
use crate::keyfile::KeyFile;
use crate::signing::{Signer, submit_settled};
use crate::{status, status_of};

/// How often the log is looked at for a checkpoint of its last record.
const LOOKS_MAX: usize = 20;

pub(super) async fn run(command: CutCommand) -> Result<u8> {
    match command {
        CutCommand::Create { name, cutoff, key, which, place } => {
            create(name, cutoff, &key, &which, &place).await
        }
        CutCommand::List { json, which, place } => list(json, &which, &place).await,
    }
}

/// Cuts at the latest checkpoint: its root is signed for, and a cut of it can be held against every later one.
async fn create(
    name: CutName,
    cutoff_date: PartialDate,
    key: &Path,
    which: &WhichTrial,
    place: &Place,
) -> Result<u8> {
    if cutoff_date.day().is_none() {
        bail!("a cutoff is a full date, such as 2011-06-30");
    }
    let key = KeyFile::read(key)?;
    let access = Access::open(place, false, true)?;
    let trial = access.trial(which).await?;
    let detail = access.registry.trial(&trial).await?;
    let (claim, head) = last_sealed(&*access.registry, &trial).await?;
    let cut = DataCut {
        cutoff_date,
        head,
        name,
        previous: detail.cuts.last().map(|cut| cut.name.clone()),
        records: claim.size.0,
        root: claim.root,
    };
    let answer = submit(&access, &trial, &key, &statement(EventKind::DataCut, &cut)).await?;
    let Some(receipt) = answer.receipt() else { return Ok(refused(&answer)) };
    print(&format!(
        "recorded at position {}: cut {} of the first {} records, counting up to {cutoff_date}\nroot {}\nhead {head}",
        receipt.seq, cut.name, cut.records, cut.root
    ))?;
    Ok(0)
}

/// The latest checkpoint's claim and the hash of the last record that it covers.
async fn last_sealed(registry: &dyn Registry, trial: &TrialId) -> Result<(Checkpoint, RecordHash)> {
    for _ in 0..LOOKS_MAX {
        let covers = registry.trial(trial).await?.trial.covers;
        let recorded = TreeSize(covers.records);
        sealed::wait_sealed(registry, trial, recorded).await?;
        let claim = sealed::checkpoint(registry, trial, recorded).await?.claim().clone();
        if claim.size == recorded {
            return Ok((claim, covers.head));
        }
        let last = claim.size.0.checked_sub(1).context("there is no record to cut after")?;
        match registry.record(trial, Position(last)).await {
            Ok(view) => return Ok((claim, view.hash)),
            // Whoever reads open reports alone is told of the head alone: it is looked at again when more was recorded.
            Err(problem) if problem.code == "arms-withheld" => {}
            Err(problem) => return Err(problem.into()),
        }
    }
    bail!("the log grows while it is looked at: try again")
}

/// Signs a statement and submits it.
pub(super) async fn submit(
    access: &Access,
    trial: &TrialId,
    key: &KeyFile,
    statement: &Statement,
) -> Result<Answer> {
    let genesis = access.registry.trial(trial).await?.trial.genesis;
    let composed = Signer::new(key, trial, genesis).sign(&*access.registry, statement).await?;
    let answers = submit_settled(&*access.registry, trial, vec![composed.submission()]).await?;
    answers.into_iter().next().context("the registry did not answer")
}

/// The status of a statement that was not recorded, said aloud.
pub(super) fn refused(answer: &Answer) -> u8 {
    let Answer::Refused { problem } = answer else { return 0 };
    eprintln!("refused: {problem}");
    status_of(problem).max(status::REJECTED)
}

async fn list(json: bool, which: &WhichTrial, place: &Place) -> Result<u8> {
    let access = Access::open(place, false, false)?;
    let trial = access.trial(which).await?;
    let cuts = access.registry.trial(&trial).await?.cuts;
    if json {
        print(&serde_json::to_string(&cuts)?)?;
    } else if cuts.is_empty() {
        print("no data cut is recorded")?;
    } else {
        print(&cuts.iter().map(line).collect::<Vec<_>>().join("\n"))?;
    }
    Ok(0)
}

fn line(cut: &CutView) -> String {
    let CutView { cutoff_date, head, made_at, name, records, root } = cut;
    format!(
        "{name}  {records} records · counting up to {cutoff_date} · record {made_at}\n  root {root}\n  head {head}"
    )
}
