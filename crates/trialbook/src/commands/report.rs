//! `report`: a report in tables or as its canonical JSON.

use anyhow::{Context as _, Result};
use api::{Covers, ReportKind};
use clinical::PartialDate;

use super::print;
use super::report_text as text;
use crate::access::Access;
use crate::cli::{Place, ReportName, WhichTrial};

pub(super) async fn run(
    kind: ReportName,
    cutoff: Option<PartialDate>,
    json: bool,
    which: &WhichTrial,
    place: &Place,
) -> Result<u8> {
    let access = Access::open(place, false, false)?;
    let trial = access.trial(which).await?;
    access.settle(&trial);
    let cutoff =
        cutoff.map(|date| date.day().context("a cutoff is a full date, such as 2011-06-30")).transpose()?;
    let kind = match kind {
        ReportName::Outcomes => ReportKind::Outcomes,
        ReportName::Safety => ReportKind::Safety,
    };
    let view = access.registry.report(&trial, kind, cutoff).await?;
    if json {
        print(view.report.get())?;
        return Ok(0);
    }
    let tables = match kind {
        ReportKind::Outcomes => text::outcomes(&serde_json::from_str(view.report.get())?),
        ReportKind::Safety => text::safety(&serde_json::from_str(view.report.get())?),
    };
    print(&format!("{tables}\n{}", covers(&view.covers)))?;
    Ok(0)
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
