//! Closed reports: made where the list of arms is, from a log's files. No registry is asked, and none is sent any of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use api::{AsOf, ReportKind};
use chain::RecordHash;
use clinical::arms::{Allocations, ArmEntry};
use clinical::data::Data;
use clinical::report::{ByArm, Covered, Covers, Cutoff, CutoffBasis, Engine, Parameters};
use clinical::rows::Sheet;
use clinical::{CutName, Date, PartialDate};
use serde::Deserialize;
use verify::{Read, Verdict};

use super::verify::each_record;
use crate::cli::{Closed, WhichTrial};

/// A closed report.
pub(super) struct Made {
    /// Its canonical JSON.
    pub(super) json: String,
    /// Of how many records.
    pub(super) records: u64,
    /// Hash of the last of them.
    pub(super) head: RecordHash,
}

/// What a closed report says of how it was made.
#[derive(Deserialize)]
pub(super) struct Stated {
    report: String,
    pub(super) engine: Engine,
    covers: Covers,
    cutoff: Cutoff,
}

impl Stated {
    pub(super) fn read(bytes: &[u8]) -> Result<Self> {
        let stated: Self = serde_json::from_slice(bytes)?;
        stated.kind()?;
        Ok(stated)
    }

    pub(super) fn kind(&self) -> Result<ReportKind> {
        let kinds = [ReportKind::Outcomes, ReportKind::Safety];
        let found = kinds.into_iter().find(|kind| self.report == ByArm::<()>::name_of(kind.as_str()));
        found.with_context(|| format!("a report of the name {} is not by arm", self.report))
    }

    pub(super) fn as_of(&self) -> AsOf {
        AsOf::Records(self.covers.records)
    }

    pub(super) fn cutoff(&self) -> Option<Date> {
        match self.cutoff.basis {
            CutoffBasis::Given => self.cutoff.date.parse::<PartialDate>().ok()?.day(),
            CutoffBasis::LastRecord => None,
        }
    }
}

/// What of the log has to be known before a report can be made.
#[derive(Default)]
struct Known {
    allocations: Allocations,
    cuts: BTreeMap<CutName, (u64, Option<Date>)>,
    records: u64,
}

impl Known {
    fn take(&mut self, read: Read<'_>) {
        self.records += 1;
        self.allocations.fold(read.event, read.seq);
        if let Data::DataCut(cut) = &read.event.data {
            self.cuts.entry(cut.name.clone()).or_insert((cut.records, cut.cutoff_date.day()));
        }
    }

    /// How many records the report is of, and up to which day it counts if the asker does not say.
    fn as_of(&self, as_of: Option<&AsOf>) -> Result<(u64, Option<Date>)> {
        match as_of {
            None => Ok((self.records, None)),
            Some(AsOf::Records(records)) => {
                ensure!(
                    (1..=self.records).contains(records),
                    "the log has {} records, and {records} are asked for",
                    self.records
                );
                Ok((*records, None))
            }
            Some(AsOf::Cut(name)) => self
                .cuts
                .get(name)
                .copied()
                .with_context(|| format!("there is no data cut {name} in this log")),
        }
    }
}

/// Makes the closed report of a log's records. The log is read twice: a cut and a correction of an allocation may stand
/// anywhere after what they speak of.
pub(super) fn make(
    closed: &Closed,
    which: &WhichTrial,
    kind: ReportKind,
    as_of: Option<&AsOf>,
    cutoff: Option<Date>,
) -> Result<Made> {
    let list = read_list(&closed.arms)?;
    let mut known = Known::default();
    let log = closed.log.display();
    let report = each_record(&closed.log, which, &mut |read| known.take(read))?;
    ensure!(report.verdict != Verdict::Broken, "the log at {log} does not hold: see what verify says of it");
    ensure!(
        report.covers.missing == 0 && report.covers.left_out == 0 && report.covers.records == known.records,
        "not all records of the log are at {log}"
    );
    let (records, day) = known.as_of(as_of)?;
    let parameters = Parameters { cutoff: cutoff.or(day) };
    let arms = known.allocations.open(&list, records);
    let arms = arms.with_context(|| format!("{} is not the log's", closed.arms.display()))?;
    ensure!(!arms.is_empty(), "no subject was assigned to an arm in the first {records} records");
    let of = Of { closed, which, records, parameters, arms };
    match kind {
        ReportKind::Outcomes => outcomes_of(&of),
        ReportKind::Safety => safety_of(&of),
    }
}

/// Of what a closed report is made.
struct Of<'a> {
    closed: &'a Closed,
    which: &'a WhichTrial,
    records: u64,
    parameters: Parameters,
    arms: BTreeMap<String, BTreeSet<String>>,
}

macro_rules! by_arm {
    ($name:ident, $report:ident) => {
        fn $name(of: &Of<'_>) -> Result<Made> {
            let (mut folder, mut sheet, mut changes) =
                ($report::Folder::default(), Sheet::default(), Vec::new());
            let mut covered = Covered { records: 0, head: RecordHash::ZERO };
            each_record(&of.closed.log, of.which, &mut |read| {
                if covered.records < of.records {
                    covered = Covered { records: covered.records + 1, head: read.hash };
                    folder.fold(read.event, read.seq, read.recorded_at, &mut changes);
                    sheet.apply(changes.drain(..));
                }
            })?;
            ensure!(covered.records == of.records, "the log has changed while it was read");
            let report = $report::report_by_arm(|| sheet.rows(), &of.parameters, covered, &of.arms)?;
            let json = String::from_utf8(report.to_canonical_json())?;
            Ok(Made { json, records: covered.records, head: covered.head })
        }
    };
}

by_arm!(outcomes_of, outcomes);
by_arm!(safety_of, safety);

/// The list of arms: CSV where the file's name ends so, else JSON. What is wrong with it is said without quoting it.
fn read_list(path: &Path) -> Result<Vec<ArmEntry>> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let is_csv = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv"));
    if !is_csv {
        let Ok(list) = serde_json::from_slice(&bytes) else {
            bail!("{} is no JSON list of objects with arm, key and subject", path.display());
        };
        return Ok(list);
    }
    let mut reader = csv::Reader::from_reader(bytes.as_slice());
    let entry = |(at, row): (usize, Result<ArmEntry, csv::Error>)| {
        row.ok().with_context(|| {
            format!("entry {} of {} is not of the form subject,arm,key", at + 1, path.display())
        })
    };
    reader.deserialize().enumerate().map(entry).collect()
}
