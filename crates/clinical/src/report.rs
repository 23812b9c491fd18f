//! What every report says of itself: what made it, of which trial, of which records, and up to which day.

mod by_arm;
mod changes;
mod place;
mod sources;

use chain::RecordHash;
use serde::{Deserialize, Serialize};

use crate::date::{Date, PartialDate};
use crate::rows::TrialRows;

pub use by_arm::{ByArm, OfArm, Reading};
pub use changes::{Change, changes};
pub use place::{ReportCell, cells, say_where};
pub use sources::{AskedSources, FactRecords, Sources, SourcesError, SubjectSources, sources};

/// What the reader may choose.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Parameters {
    /// What happened after this day is not counted; `None`: the date of the last record in the trial's zone.
    pub cutoff: Option<Date>,
}

/// The records that the rows were made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Covered {
    /// How many, from the log's beginning.
    pub records: u64,
    /// Hash of the last.
    pub head: RecordHash,
}

/// What made a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Engine {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

impl Engine {
    /// This program.
    pub fn this() -> Self {
        Self { name: "trialbook".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() }
    }
}

/// The trial a report is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrialHeader {
    /// Its id.
    pub id: String,
    /// Its title.
    pub title: String,
}

impl TrialHeader {
    /// As the rows say.
    pub fn of(rows: &TrialRows) -> Self {
        Self { id: rows.header.trial.to_string(), title: rows.header.title.to_string() }
    }
}

/// A definition that this version does not know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replaced {
    /// Of what.
    pub what: String,
    /// The id that the trial states.
    pub stated: String,
    /// The id of the one used.
    pub used: String,
}

/// What a trial asks for and this version does not know, with what was done instead: each of what, as stated, as used.
///
/// ```
/// let replaced = clinical::report::replaced(&[("imputation", "impute-9", "impute-1"), ("related", "r-1", "r-1")]);
/// assert_eq!((replaced.len(), &*replaced[0].used), (1, "impute-1"));
/// ```
pub fn replaced(definitions: &[(&str, &str, &str)]) -> Vec<Replaced> {
    let differing = definitions.iter().filter(|(_, stated, used)| stated != used);
    let replaced = differing.map(|(what, stated, used)| Replaced {
        what: (*what).to_owned(),
        stated: (*stated).to_owned(),
        used: (*used).to_owned(),
    });
    replaced.collect()
}

/// The records a report follows from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Covers {
    /// How many, from the log's beginning.
    pub records: u64,
    /// Hash of the last.
    pub head: RecordHash,
}

impl From<Covered> for Covers {
    fn from(covered: Covered) -> Self {
        Self { records: covered.records, head: covered.head }
    }
}

/// Whether a report shows what tells the arms of its trial apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arms {
    /// No subject was assigned to an arm: there is nothing to withhold.
    None,
    /// There are arms, and what tells them apart is left out: lots, donors, sources, planned courses, days of infusions.
    Withheld,
    /// There are arms, and nothing is left out.
    Shown,
}

/// How the cutoff was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CutoffBasis {
    /// The reader gave it.
    Given,
    /// It is the date of the last record in the zone.
    LastRecord,
}

/// The day after which nothing is counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cutoff {
    /// The day.
    pub date: String,
    /// How it was chosen.
    pub basis: CutoffBasis,
    /// The zone in which the day is meant: the trial's, or `UTC` if this program does not know that.
    pub zone: String,
}

impl Cutoff {
    /// The day of a report of these rows, and what the report says of it.
    pub fn of(rows: &TrialRows, parameters: &Parameters) -> (Date, Self) {
        let (day, basis) = match parameters.cutoff {
            Some(given) => (given, CutoffBasis::Given),
            None => (rows.last_record, CutoffBasis::LastRecord),
        };
        (day, Self { date: PartialDate::Day(day).to_string(), basis, zone: rows.zone().to_owned() })
    }
}

/// The bytes of a report that are hashed and published: canonical JSON.
pub fn canonical_json<T: Serialize>(report: &T) -> Vec<u8> {
    let value = serde_json::to_value(report).expect("a report has text keys only");
    chain::canonical::canonicalize(&value)
        .expect("a report holds texts that were canonical in the log, integers and no null")
}
