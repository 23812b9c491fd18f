//! `visit`: what was examined and judged at a visit.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Import;
use crate::date::PartialDate;
use crate::decimal::Decimal;
use crate::sledai::{Descriptor, Presence};
use crate::stated::Stated;
use crate::text::SealedText;

/// `visit`; `occurred_on` is the day of the visit, or the day a missed one was due.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Visit {
    /// Acute graft-versus-host disease: examined for, and the stages found. `{"missing":"not_done"}` if not examined,
    /// so that "no GVHD" has a denominator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gvhd: Option<Stated<GvhdStages>>,
    /// Where imported facts came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub import: Option<Import>,
    /// Medication, as intervals.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub medications: Vec<Medication>,
    /// Why it was missed or is partial.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed_because: Option<Stated<MissedReason>>,
    /// More about why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed_because_text: Option<SealedText>,
    /// Laboratory values, vital signs and the like.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub observations: Vec<Observation>,
    /// Which part of the visit this is, if its contents do not fit one event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<VisitPart>,
    /// Physician's global assessment, 0 to 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pga: Option<Stated<Decimal>>,
    /// Name of the planned visit; `None`: unscheduled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planned: Option<String>,
    /// All glucocorticoids as prednisone equivalent, in mg/day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prednisone_mg_per_day: Option<Stated<Decimal>>,
    /// The investigator's judgement whether the disease relapsed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relapse: Option<RelapseJudgement>,
    /// The investigator's judgement of response.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<Response>,
    /// SLEDAI-2K descriptors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sledai: Option<BTreeMap<Descriptor, Presence>>,
    /// Whether it took place.
    pub status: VisitStatus,
}

/// Whether a visit took place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VisitStatus {
    /// Done.
    Done,
    /// Done in part.
    Partial,
    /// Missed.
    Missed,
}

/// Why a visit, or a part of it, did not take place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissedReason {
    /// The subject had died.
    Died,
    /// The subject had withdrawn.
    Withdrew,
    /// The subject could not be reached.
    LostToFollowUp,
    /// The subject refused this visit or examination.
    SubjectRefused,
    /// The subject could not come: away, at work, without transport.
    SubjectUnavailable,
    /// The subject was too ill, or in hospital elsewhere.
    Illness,
    /// Staff, equipment or room were not there.
    SiteUnavailable,
    /// The site was closed.
    SiteClosed,
    /// The visit was forgotten or given no date.
    NotArranged,
    /// Another reason; the text says which.
    Other,
}

/// One of several events that together state one visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VisitPart {
    /// Which, from 1.
    pub number: u16,
    /// Of how many.
    pub of: u16,
}

/// One observation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Observation {
    /// A code of the source's own, where there is no LOINC code or beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local: Option<LocalCode>,
    /// LOINC code, such as `4485-9`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loinc: Option<String>,
    /// Method, where values of different methods are not interchangeable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// When, if not on the visit's day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<PartialDate>,
    /// The laboratory's reference range, in the unit as reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<Range>,
    /// Value and unit as reported.
    pub reported: Stated<Reported>,
    /// Value and unit in UCUM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ucum: Option<Quantity>,
}

/// A code that is not LOINC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocalCode {
    /// The code.
    pub code: String,
    /// Its name there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whose code it is, such as `sdtm.lbtestcd`.
    pub system: String,
}

/// A value as reported: a number, or a coded result such as `NEGATIVE` or `<2`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reported {
    /// Unit as reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Value as reported.
    pub value: String,
}

/// A number with a UCUM unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quantity {
    /// UCUM unit, such as `g/L`; `1` for a pure number.
    pub unit: String,
    /// The number.
    pub value: Decimal,
}

/// A reference range, each end inclusive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Range {
    /// Upper end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high: Option<Decimal>,
    /// Lower end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low: Option<Decimal>,
}

/// A medication over an interval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Medication {
    /// Dose per administration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dose: Option<Stated<Quantity>>,
    /// First day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Stated<PartialDate>>,
    /// International non-proprietary name or code.
    pub name: String,
    /// Last day; absent while ongoing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Stated<PartialDate>>,
}

/// Stages 0 to 4 of acute graft-versus-host disease by organ (MAGIC).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GvhdStages {
    /// Liver.
    pub liver: u8,
    /// Lower gastrointestinal tract.
    pub lower_gi: u8,
    /// Skin.
    pub skin: u8,
    /// Upper gastrointestinal tract, 0 or 1.
    pub upper_gi: u8,
}

/// The investigator's judgement of response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Response {
    /// By which definition, such as `ccr-registry-1`.
    pub definition: String,
    /// The status.
    pub status: RemissionStatus,
}

/// Status by a definition of remission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RemissionStatus {
    /// Complete clinical remission.
    Complete,
    /// Partial remission.
    Partial,
    /// No remission.
    None,
    /// It could not be judged.
    NotDeterminable,
}

/// The investigator's judgement whether the disease relapsed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RelapseJudgement {
    /// By which definition, such as `relapse-1`.
    pub definition: String,
    /// Whether it did.
    pub relapsed: bool,
}
