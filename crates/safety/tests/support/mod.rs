//! This report, as the tests of both are written for it.

#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
#![allow(dead_code, reason = "each test binary uses its own part")]

use chain::{Instant, Position};
use clinical::{Event, SuspectedKey};
use report_kit::{Reporting, Rows};
use safety::{AskedSources, Covered, Parameters, Report, RowChange, Sources};

pub(crate) type Log = report_kit::Log<Folder>;

#[derive(Default)]
pub(crate) struct Folder(safety::Folder);

impl Reporting for Folder {
    type Report = Report;

    fn fold(&mut self, event: &Event, seq: Position, recorded_at: Instant, out: &mut Vec<RowChange>) {
        self.0.fold(event, seq, recorded_at, out);
    }

    fn restore(&mut self, key: &[u8], row: &[u8]) {
        self.0.restore(key, row).unwrap();
    }

    fn report(rows: Rows, parameters: &Parameters, covered: Covered) -> Report {
        safety::report(rows.into_iter(), parameters, covered).unwrap()
    }

    fn sources(
        rows: Rows,
        parameters: &Parameters,
        covered: Covered,
        asked: &AskedSources,
    ) -> Result<Sources, String> {
        safety::sources(rows.into_iter(), parameters, covered, asked).map_err(|error| error.to_string())
    }

    fn suspected_keys(report: &Report) -> &[SuspectedKey] {
        &report.suspected_keys
    }
}

fn until(day: &str) -> Parameters {
    Parameters { cutoff: Some(day.parse().unwrap()) }
}

fn covered(records: u64) -> Covered {
    Covered { records, head: chain::RecordHash([7; 32]) }
}

/// The report of everything up to `cutoff`, counted against what the first `records` records said up to `earlier`.
pub(crate) fn report_since(log: &Log, cutoff: &str, records: u64, earlier: &str) -> Report {
    let mut before = Log::open();
    before.records = log.records[..usize::try_from(records).unwrap()].to_vec();
    let earlier = safety::earlier(before.rows().into_iter(), &until(earlier), covered(records)).unwrap();
    let all = covered(log.records.len() as u64);
    safety::report_since(log.rows().into_iter(), &until(cutoff), all, Some(&earlier)).unwrap()
}

/// The report of everything, counted against one that covers so many records.
pub(crate) fn report_since_of(log: &Log, records: u64) -> Report {
    let day = until("2012-12-31");
    let earlier = safety::earlier(log.rows().into_iter(), &day, covered(records)).unwrap();
    let all = covered(log.records.len() as u64);
    safety::report_since(log.rows().into_iter(), &day, all, Some(&earlier)).unwrap()
}
