//! `data_cut` and `report_published`: up to where an analysis looks, and what came of it.

use chain::{RecordHash, RootHash};
use serde::{Deserialize, Serialize};

use crate::date::PartialDate;
use crate::id::CutName;

/// `data_cut`: what is known (the first `records` records) and what has happened (up to `cutoff_date`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataCut {
    /// Occurrences after this day are not counted: a full day, in the trial's zone.
    pub cutoff_date: PartialDate,
    /// Hash of the last of the records.
    pub head: RecordHash,
    /// Its name; given once.
    pub name: CutName,
    /// The cut before it, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<CutName>,
    /// How many records it covers, from the log's beginning; at least 1.
    pub records: u64,
    /// Root of the Merkle tree over those records.
    pub root: RootHash,
}

/// `report_published`: a report's bytes, by their hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportPublished {
    /// Who may read it.
    pub access: ReportAccess,
    /// Length of its canonical JSON.
    pub bytes: u64,
    /// The cut it was made of.
    pub cut: CutName,
    /// Version of the program that made it.
    pub engine: String,
    /// Which report, such as `outcomes` or `safety`.
    pub report: String,
    /// SHA-256 of its canonical JSON.
    pub sha256: RecordHash,
}

/// Who may read a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReportAccess {
    /// All who read reports: it names no arm and nothing that betrays one.
    Open,
    /// The safety board and the unblinded statistician: it may be by arm.
    Closed,
}
