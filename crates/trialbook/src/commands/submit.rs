//! `submit`: sign, encrypt, submit.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use api::Answer;
use chain::{RecordHash, TreeSize};
use clinical::{Statement, TrialId};

use super::sealed::{self, Until, Waited};
use super::{print, read_text, receipts};
use crate::access::Access;
use crate::cli::{Place, WaitUntil, WhichTrial};
use crate::keyfile::KeyFile;
use crate::signing::{Signer, submit_settled};
use crate::{status, status_of};

/// How many events go into one request: their receipts come back within a second on a slow line.
const BATCH: usize = 500;

/// What is done once events are recorded.
pub(super) struct After {
    /// What is waited for, and for how long at most.
    pub(super) wait: Option<(WaitUntil, Duration)>,
    /// Where receipts are kept.
    pub(super) receipts: Option<PathBuf>,
}

pub(super) async fn run(
    file: &Path,
    key: &Path,
    dry_run: bool,
    after: &After,
    which: &WhichTrial,
    place: &Place,
) -> Result<u8> {
    let key = KeyFile::read(key)?;
    let statements = statements(&read_text(file)?)?;
    let access = Access::open(place, false, true)?;
    let trial = access.trial(which).await?;
    let genesis: RecordHash = access.registry.trial(&trial).await?.trial.genesis;
    let mut signer = Signer::new(&key, &trial, genesis);
    if dry_run {
        for (index, statement) in statements.iter().enumerate() {
            let composed = signer.rehearse(statement).with_context(|| place_of(index, statements.len()))?;
            print(&format!(
                "would be signed by {} as {}; once recorded it is never deleted, only amended:\n{}\n{}",
                key.actor.id,
                key.actor.role.as_str(),
                String::from_utf8_lossy(&composed.event),
                texts_in_clear(statement)?,
            ))?;
        }
        return Ok(0);
    }
    let (mut worst, mut recorded) = (0, TreeSize(0));
    for (batch_index, batch) in statements.chunks(BATCH).enumerate() {
        let mut submissions = Vec::with_capacity(batch.len());
        for (index, statement) in batch.iter().enumerate() {
            let place = || place_of(batch_index * BATCH + index, statements.len());
            let composed = signer.sign(&*access.registry, statement).await.with_context(place)?;
            submissions.push(composed.submission());
        }
        let answers = submit_settled(&*access.registry, &trial, submissions).await?;
        for (index, answer) in answers.iter().enumerate() {
            worst = worst.max(show(answer, batch_index * BATCH + index, statements.len())?);
            let Some(receipt) = answer.receipt() else { continue };
            recorded = recorded.max(TreeSize(receipt.seq.0 + 1));
            if let Some(dir) = &after.receipts {
                receipts::keep(dir, receipt).context("recorded, but the receipt could not be kept")?;
            }
        }
    }
    if let Some(wait) = after.wait.filter(|_| recorded > TreeSize(0)) {
        worst = worst.max(wait_for(&*access.registry, &trial, recorded, wait).await?);
    }
    Ok(worst)
}

/// Waits until what was recorded is signed for; the status that ends the command.
async fn wait_for(
    registry: &dyn api::Registry,
    trial: &TrialId,
    size: TreeSize,
    (until, at_most): (WaitUntil, Duration),
) -> Result<u8> {
    const NOT_YET: &str = "recorded, and durable, but not waited for to the end";
    let until = match until {
        WaitUntil::Sealed => Until::Sealed,
        WaitUntil::Witnessed => Until::Witnessed,
    };
    let evidence = match sealed::wait(registry, trial, size, until, at_most).await.context(NOT_YET)? {
        Waited::Reached(evidence) => evidence,
        Waited::Late(why) => {
            eprintln!("{NOT_YET}: {why}");
            return Ok(status::UNDECIDED);
        }
    };
    match (until, &evidence.checkpoint, &evidence.witnessed) {
        (Until::Witnessed, _, Some(witnessed)) => print(&format!(
            "witnessed: as many as the policy asks for have cosigned the checkpoint of {} records",
            witnessed.size
        ))?,
        (_, Some(checkpoint), _) => print(&format!(
            "sealed under the checkpoint of {} records, cosigned by {}",
            checkpoint.size, evidence.witnesses.cosigned
        ))?,
        (_, None, _) => {}
    }
    Ok(0)
}

/// One JSON document, or one a line.
pub(super) fn statements(text: &str) -> Result<Vec<Statement>> {
    if let Ok(statement) = serde_json::from_str(text) {
        return Ok(vec![statement]);
    }
    let lines: Vec<_> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let one = |index: usize, line: &str| {
        serde_json::from_str(line)
            .with_context(|| format!("{} is not a statement", place_of(index, lines.len())))
    };
    if lines.len() > 1
        && lines.iter().all(|line| line.trim_start().starts_with('{') && line.trim_end().ends_with('}'))
    {
        return lines.iter().enumerate().map(|(index, line)| one(index, line)).collect();
    }
    // One document over several lines, with a mistake in it: say where.
    Ok(vec![serde_json::from_str(text).context("not a statement")?])
}

pub(super) fn place_of(index: usize, of: usize) -> String {
    if of == 1 { "the statement".to_owned() } else { format!("line {}", index + 1) }
}

/// The free texts of a statement, which the event shows encrypted only.
pub(super) fn texts_in_clear(statement: &Statement) -> Result<String> {
    let value = serde_json::to_value(statement)?;
    let texts: Vec<_> = clinical::event::text_pointers(statement.kind)
        .iter()
        .filter_map(|pointer| Some(format!("  text at {pointer}: {}", value.pointer(pointer)?.as_str()?)))
        .collect();
    Ok(texts.join("\n"))
}

fn show(answer: &Answer, index: usize, of: usize) -> Result<u8> {
    let place = if of == 1 { String::new() } else { format!("line {}: ", index + 1) };
    match answer {
        Answer::Recorded { receipt } | Answer::Repeated { receipt } => {
            let again = if matches!(answer, Answer::Repeated { .. }) { " (before)" } else { "" };
            print(&format!("{place}recorded{again} at position {} · hash {}", receipt.seq, receipt.hash))?;
            for finding in &receipt.findings {
                print(&format!(
                    "  look at {}: {} ({})",
                    finding.pointer,
                    finding.code.meaning(),
                    finding.code.as_str()
                ))?;
            }
            Ok(0)
        }
        Answer::Refused { problem } => {
            eprintln!("{place}refused: {problem}");
            Ok(status_of(problem).max(status::REJECTED))
        }
    }
}
