//! `report`: a report in tables or as its canonical JSON, published, or made anew from a log.

use anyhow::{Context as _, Result, ensure};
use api::{AsOf, Covers, ReportAsked, ReportKind, Since};
use clinical::EventKind;
use clinical::data::{ReportAccess, ReportPublished};
use clinical::report::Engine;
use serde_json::Value;
use verify::{Depth, FileDigest};

use super::keys::statement;
use super::report_text as text;
use super::{cut, print, verify as verifying, write_new};
use crate::access::Access;
use crate::cli::{MakeReport, PublishReport, ReportCommand, ReportName, ReproduceReport};
use crate::keyfile::KeyFile;

pub(super) async fn run(command: ReportCommand) -> Result<u8> {
    match command {
        ReportCommand::Outcomes(asked) => make(ReportKind::Outcomes, asked).await,
        ReportCommand::Safety(asked) => make(ReportKind::Safety, asked).await,
        ReportCommand::Publish(options) => publish(*options).await,
        ReportCommand::Reproduce(options) => reproduce(*options).await,
    }
}

async fn make(kind: ReportKind, asked: MakeReport) -> Result<u8> {
    let MakeReport { as_of, cutoff, since, json, which, place } = asked;
    let access = Access::open(&place, false, false)?;
    let trial = access.trial(&which).await?;
    access.settle(&trial);
    let cutoff =
        cutoff.map(|date| date.day().context("a cutoff is a full date, such as 2011-06-30")).transpose()?;
    let view = access.registry.report(&trial, kind, ReportAsked { as_of, cutoff, since }).await?;
    if json {
        match &view.since {
            Some(since) => print(&serde_json::to_string(since)?)?,
            None => print(view.report.get())?,
        }
        return Ok(0);
    }
    let tables = match kind {
        ReportKind::Outcomes => text::outcomes(&serde_json::from_str(view.report.get())?),
        ReportKind::Safety => text::safety(&serde_json::from_str(view.report.get())?),
    };
    let since = view.since.as_ref().map(changed).unwrap_or_default();
    print(&format!("{tables}\n{since}{}", covers(&view.covers)))?;
    Ok(0)
}

/// What has changed since a cut, a line a value.
fn changed(since: &Since) -> String {
    let shown = |value: &Option<Value>| match value {
        None => "–".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    let mut text = format!(
        "SINCE CUT {} ({} records): {} values differ\n",
        since.cut,
        since.records,
        since.changes.len()
    );
    for change in &since.changes {
        let label = change.label.as_ref().map(|label| format!("  ({label})")).unwrap_or_default();
        text.push_str(&format!(
            "  {}: {} → {}{label}\n",
            change.path,
            shown(&change.before),
            shown(&change.after)
        ));
    }
    text.push('\n');
    text
}

async fn publish(options: PublishReport) -> Result<u8> {
    let PublishReport { kind, cut: name, since, key, out, which, place } = options;
    let key = KeyFile::read(&key)?;
    let access = Access::open(&place, false, true)?;
    let trial = access.trial(&which).await?;
    let kind = match kind {
        ReportName::Outcomes => ReportKind::Outcomes,
        ReportName::Safety => ReportKind::Safety,
    };
    let asked = ReportAsked { as_of: Some(AsOf::Cut(name.clone())), since, ..ReportAsked::default() };
    let view = access.registry.report(&trial, kind, asked).await?;
    let bytes = view.report.get().as_bytes();
    let digest = FileDigest::of(bytes);
    // The file first: what is recorded is then at hand, and what could not be written is not recorded.
    write_new(&out, bytes)?;
    let published = ReportPublished {
        access: ReportAccess::Open,
        bytes: digest.length,
        cut: name,
        engine: Engine::this().version,
        report: kind.as_str().to_owned(),
        sha256: chain::RecordHash(digest.sha256),
    };
    let answer =
        cut::submit(&access, &trial, &key, &statement(EventKind::ReportPublished, &published)).await?;
    let Some(receipt) = answer.receipt() else { return Ok(cut::refused(&answer)) };
    print(&format!(
        "wrote {}: the {} report of cut {}\nrecorded at position {} · SHA-256 {}",
        out.display(),
        published.report,
        published.cut,
        receipt.seq,
        published.sha256
    ))?;
    Ok(0)
}

async fn reproduce(options: ReproduceReport) -> Result<u8> {
    let ReproduceReport { file, log, given, json, which, credentials } = options;
    let bytes = std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
    ensure!(serde_json::from_slice::<Value>(&bytes).is_ok(), "{} is not JSON", file.display());
    let asked = verifying::Asked {
        given,
        depth: Depth::Signatures,
        strict: false,
        json,
        credentials,
        report: Some((file.display().to_string(), bytes)),
    };
    verifying::run(&log, which, asked).await
}

/// What an answer covers, in one line.
pub(crate) fn covers(covers: &Covers) -> String {
    let mut line = format!("covers {} records up to head {}", covers.records, covers.head);
    if covers.lag_records > 0 {
        line.push_str(&format!(" · {} records behind the log", covers.lag_records));
    }
    if let Some(stopped) = &covers.stopped {
        line.push_str(&format!(" · NOT FOLLOWING THE LOG: {stopped}"));
    }
    line
}
