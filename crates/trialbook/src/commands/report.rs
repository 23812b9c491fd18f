//! `report`: a report in tables or as its canonical JSON, published, or made anew from a log.

use anyhow::{Context as _, Result, ensure};
use api::{AsOf, Covers, ReportAsked, ReportKind, Since};
use clinical::data::{ReportAccess, ReportPublished};
use clinical::report::{ByArm, Engine};
use clinical::{Date, EventKind};
use console::document::document;
use serde::de::DeserializeOwned;
use serde_json::Value;
use verify::{Depth, FileDigest};

use super::keys::statement;
use super::report_text as text;
use super::{by_arm, cut, print, verify as verifying, write_new};
use crate::access::Access;
use crate::cli::{Closed, MakeReport, PublishReport, ReportCommand, ReportName, ReproduceReport, WhichTrial};
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
    let MakeReport { as_of, cutoff, since, json, html, closed, which, place } = asked;
    let cutoff =
        cutoff.map(|date| date.day().context("a cutoff is a full date, such as 2011-06-30")).transpose()?;
    if let Some(closed) = closed {
        ensure!(since.is_none(), "what has changed since a cut is listed of open reports alone");
        let made = made_by_arm(closed, which, kind, as_of, cutoff).await?;
        if json {
            print(&made.json)?;
        } else if html {
            print(&document(made.json.as_bytes())?)?;
        } else {
            let covered = Covers {
                records: made.records,
                head: made.head,
                lag_records: 0,
                recorded_at: None,
                stopped: None,
                verified: None,
            };
            print(&format!("{}\n{}", tables_by_arm(kind, &made.json)?, covers(&covered)))?;
        }
        return Ok(0);
    }
    let access = Access::open(&place, false, false)?;
    let trial = access.trial(&which).await?;
    access.settle(&trial);
    let view = access.registry.report(&trial, kind, ReportAsked { as_of, cutoff, since }).await?;
    if json {
        match &view.since {
            Some(since) => print(&serde_json::to_string(since)?)?,
            None => print(view.report.get())?,
        }
        return Ok(0);
    }
    if html {
        print(&document(view.report.get().as_bytes())?)?;
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

/// Reading a log takes its time: it is done off the threads that serve.
async fn made_by_arm(
    closed: Closed,
    which: WhichTrial,
    kind: ReportKind,
    as_of: Option<AsOf>,
    cutoff: Option<Date>,
) -> Result<by_arm::Made> {
    let make = move || by_arm::make(&closed, &which, kind, as_of.as_ref(), cutoff);
    tokio::task::spawn_blocking(make).await?
}

/// The tables of the whole and of each arm.
fn tables_by_arm(kind: ReportKind, json: &str) -> Result<String> {
    fn all<R: DeserializeOwned>(json: &str, tables: fn(&R) -> String) -> Result<String> {
        let report: ByArm<R> = serde_json::from_str(json)?;
        let mut text =
            format!("CLOSED REPORT: for those alone who may know the arms\n\n{}", tables(&report.whole));
        for arm in &report.arms {
            text.push_str(&format!(
                "\nARM {} · {} subjects assigned\n{}",
                arm.arm,
                arm.allocated,
                tables(&arm.report)
            ));
        }
        Ok(text)
    }
    match kind {
        ReportKind::Outcomes => all(json, text::outcomes),
        ReportKind::Safety => all(json, text::safety),
    }
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
    let PublishReport { kind, cut: name, since, key, out, closed, which, place } = options;
    let key = KeyFile::read(&key)?;
    let access = Access::open(&place, false, true)?;
    let trial = access.trial(&which).await?;
    let kind = match kind {
        ReportName::Outcomes => ReportKind::Outcomes,
        ReportName::Safety => ReportKind::Safety,
    };
    let as_of = Some(AsOf::Cut(name.clone()));
    let (report, reader, json) = match closed {
        None => {
            let asked = ReportAsked { as_of, since, ..ReportAsked::default() };
            let view = access.registry.report(&trial, kind, asked).await?;
            (kind.as_str().to_owned(), ReportAccess::Open, view.report.get().to_owned())
        }
        Some(closed) => {
            let which = WhichTrial { trial: Some(trial.clone()) };
            let made = made_by_arm(closed, which, kind, as_of, None).await?;
            let cuts = access.registry.trial(&trial).await?.cuts;
            let is_cut = |cut: &api::CutView| cut.name == name && cut.head == made.head;
            ensure!(cuts.iter().any(is_cut), "cut {name} of the registry is not that of the log");
            (ByArm::<()>::name_of(kind.as_str()), ReportAccess::Closed, made.json)
        }
    };
    let bytes = json.as_bytes();
    let digest = FileDigest::of(bytes);
    let page = out.with_extension("html");
    ensure!(page != out, "{} is the name of the report's page: give one for its JSON", out.display());
    ensure!(!page.exists(), "{} is there already", page.display());
    // The files first: what is recorded is then at hand, and what could not be written is not recorded.
    write_new(&out, bytes)?;
    write_new(&page, document(bytes)?.as_bytes())?;
    let published = ReportPublished {
        access: reader,
        bytes: digest.length,
        cut: name,
        engine: Engine::this().version,
        report,
        sha256: chain::RecordHash(digest.sha256),
    };
    let answer =
        cut::submit(&access, &trial, &key, &statement(EventKind::ReportPublished, &published)).await?;
    let Some(receipt) = answer.receipt() else { return Ok(cut::refused(&answer)) };
    print(&format!(
        "wrote {}: the {} report of cut {}\nwrote {}: its page\nrecorded at position {} · SHA-256 {}",
        out.display(),
        published.report,
        published.cut,
        page.display(),
        receipt.seq,
        published.sha256
    ))?;
    Ok(0)
}

async fn reproduce(options: ReproduceReport) -> Result<u8> {
    let ReproduceReport { file, log, html, arms, given, json, which, credentials } = options;
    let bytes = std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
    ensure!(serde_json::from_slice::<Value>(&bytes).is_ok(), "{} is not JSON", file.display());
    let page = html.map(|page| -> Result<_> {
        let bytes = std::fs::read(&page).with_context(|| format!("cannot read {}", page.display()))?;
        Ok((page.display().to_string(), bytes))
    });
    let page = page.transpose()?;
    let asked = verifying::Asked {
        given,
        depth: Depth::Signatures,
        strict: false,
        json,
        credentials,
        reports: None,
        report: Some(verifying::Brought { name: file.display().to_string(), bytes, page, arms }),
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
