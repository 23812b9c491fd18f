//! `infusion`: the investigational product is administered.

use serde::{Deserialize, Serialize};

use super::{Import, Medication};
use crate::date::{ClinicalTime, PartialDate};
use crate::decimal::Decimal;
use crate::id::ActorId;
use crate::stated::Stated;

/// `infusion`; `occurred_on` is the day it started. Named for the first trial's product: a patch or a tablet is
/// administered by the same kind.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Infusion {
    /// What only a cell product has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cells: Option<Cells>,
    /// Conditioning before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditioning: Vec<Medication>,
    /// The dose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dose: Option<Stated<Dose>>,
    /// The check by two persons that product and subject belong together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity_check: Option<Stated<IdentityCheck>>,
    /// Where imported facts came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub import: Option<Import>,
    /// Interruptions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub interruptions: Vec<Interruption>,
    /// Number within the subject's course, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<Stated<u16>>,
    /// Premedication.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub premedication: Vec<Medication>,
    /// Route, a CDISC controlled term such as `INTRAVENOUS`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<Stated<String>>,
    /// When it started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<ClinicalTime>,
    /// When it stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped_at: Option<ClinicalTime>,
    /// Last day, where a dosing period rather than one administration is recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped_on: Option<Stated<PartialDate>>,
}

/// A dose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dose {
    /// How much.
    pub amount: Decimal,
    /// How often, a CDISC controlled term such as `QD`, where not once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frequency: Option<String>,
    /// Unit as reported.
    pub unit: String,
}

/// What only a cell product has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cells {
    /// The subject's weight that the dose was computed from, in kg.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_weight_kg: Option<Stated<Decimal>>,
    /// When that weight was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_weight_on: Option<Stated<PartialDate>>,
    /// The donor's pseudonym.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub donor: Option<Stated<String>>,
    /// The lot's expiry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_on: Option<Stated<PartialDate>>,
    /// Cells given per kg body weight.
    pub given_per_kg: Stated<u64>,
    /// The lot.
    pub lot: Stated<String>,
    /// Passage of the culture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passage: Option<Stated<u16>>,
    /// Cells planned per kg body weight.
    pub planned_per_kg: Stated<u64>,
    /// Fresh or thawed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preparation: Option<Stated<Preparation>>,
    /// Whether the lot was released.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<Stated<ReleaseStatus>>,
    /// Tissue the cells come from.
    pub source: CellSource,
    /// Cells given in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<Stated<u64>>,
    /// How viability was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub viability_method: Option<Stated<String>>,
    /// Viable cells, in per cent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub viability_percent: Option<Stated<Decimal>>,
}

/// Tissue that cells come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CellSource {
    /// Bone marrow.
    BoneMarrow,
    /// Umbilical cord.
    UmbilicalCord,
    /// Adipose tissue.
    Adipose,
    /// Another tissue.
    Other,
}

/// How the cells came to the bedside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Preparation {
    /// Fresh from culture.
    Fresh,
    /// Thawed.
    Thawed,
}

/// Whether a lot was released for use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReleaseStatus {
    /// Released.
    Released,
    /// Used before release, under a documented exception.
    Exceptional,
    /// Not released.
    NotReleased,
}

/// The check by two persons.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentityCheck {
    /// Who checked first.
    pub first: ActorId,
    /// Who checked second: another person.
    pub second: ActorId,
}

/// An interruption.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interruption {
    /// From when on.
    pub from: ClinicalTime,
    /// Until when; `None`: not resumed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<ClinicalTime>,
}
