//! Where a subject stands; for lists, not for reports.

use chain::Position;
use serde::{Deserialize, Serialize};

use crate::date::PartialDate;
use crate::id::{SiteId, SubjectId};

/// What a list shows of a subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubjectSummary {
    /// The subject.
    pub subject: SubjectId,
    /// Its site.
    pub site: SiteId,
    /// Where it stands, amendments included.
    pub status: SubjectStatus,
    /// Day of first infusion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_infusion_on: Option<PartialDate>,
    /// How many records it has, amendments included.
    pub records: u64,
    /// How many findings they have.
    pub findings: u64,
    /// The latest record.
    pub last_seq: Position,
}

/// Where a subject stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubjectStatus {
    /// Screened or asked for consent; nothing says yet whether it enters.
    InScreening,
    /// Did not pass screening.
    ScreenFailure,
    /// Enrolled.
    Enrolled,
    /// Got the product.
    Treated,
    /// Left the study.
    Left,
    /// Died.
    Dead,
}

impl SubjectStatus {
    /// The status in words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InScreening => "in screening",
            Self::ScreenFailure => "screen failure",
            Self::Enrolled => "enrolled",
            Self::Treated => "treated",
            Self::Left => "left the study",
            Self::Dead => "dead",
        }
    }
}
