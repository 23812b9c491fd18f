//! `adverse_event`: the site's facts and the investigator's judgement; the sponsor's is another kind.

use std::collections::{BTreeMap, BTreeSet};

use chain::Instant;
use serde::{Deserialize, Serialize};

use super::Import;
use crate::date::{ClinicalTime, PartialDate};
use crate::stated::Stated;
use crate::text::SealedText;

/// `adverse_event`; `occurred_on` is the onset, as far as known.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdverseEvent {
    /// What was done with the investigational product.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<Stated<Action>>,
    /// When the site became aware.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aware_at: Option<Stated<Instant>>,
    /// The investigator's judgement of causality, per agent.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub causality: BTreeMap<Agent, Stated<Causality>>,
    /// Dictionary coding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coding: Option<Stated<Coding>>,
    /// CTCAE grade with the version it was graded by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ctcae: Option<Stated<Ctcae>>,
    /// How and when it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<Stated<End>>,
    /// Where imported facts came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub import: Option<Import>,
    /// The narrative.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub narrative: Option<SealedText>,
    /// Onset with its time, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub onset_at: Option<ClinicalTime>,
    /// Outcome.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Stated<Outcome>>,
    /// Whether the site called it serious.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serious_reported: Option<Stated<bool>>,
    /// The criteria of seriousness that hold; any one makes it serious.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub seriousness: BTreeSet<Seriousness>,
    /// Severity, where it was not graded by CTCAE or beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Stated<SeverityOfEvent>>,
    /// The term as the site reported it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub term: Option<SealedText>,
}

impl AdverseEvent {
    /// Serious by its criteria, whatever was reported.
    pub fn is_serious(&self) -> bool {
        !self.seriousness.is_empty()
    }
}

/// Dictionary coding; no dictionary is shipped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Coding {
    /// The dictionary, such as `MedDRA`.
    pub dictionary: String,
    /// Preferred term.
    pub pt: String,
    /// Its code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pt_code: Option<String>,
    /// System organ class.
    pub soc: String,
    /// Its code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub soc_code: Option<String>,
    /// The dictionary's version, as far as known.
    pub version: Stated<String>,
}

/// Mild, moderate or severe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SeverityOfEvent {
    /// Mild.
    Mild,
    /// Moderate.
    Moderate,
    /// Severe.
    Severe,
}

/// A CTCAE grade.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ctcae {
    /// 1 to 5.
    pub grade: u8,
    /// Version of the criteria, such as `5.0`.
    pub version: String,
}

/// When it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// With its time, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<ClinicalTime>,
    /// The day, as far as known; absent while it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<PartialDate>,
}

/// A criterion of seriousness (ICH E2A, 1994).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Seriousness {
    /// Results in death.
    Death,
    /// Is life-threatening.
    LifeThreatening,
    /// Requires or prolongs hospitalisation.
    Hospitalisation,
    /// Results in persistent or significant disability.
    Disability,
    /// Is a congenital anomaly.
    CongenitalAnomaly,
    /// Is medically important.
    MedicallyImportant,
}

/// What may have caused an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Agent {
    /// The investigational product.
    Product,
    /// The procedure of giving it.
    Procedure,
    /// Conditioning.
    Conditioning,
    /// The underlying disease.
    UnderlyingDisease,
    /// Something else.
    Other,
}

/// How likely an agent caused an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Causality {
    /// Not related.
    None,
    /// Unlikely, remote.
    Unlikely,
    /// Possible.
    Possible,
    /// Probable.
    Probable,
    /// Certain.
    Certain,
}

/// How the event went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Recovered.
    Recovered,
    /// Recovered with sequelae.
    RecoveredWithSequelae,
    /// Recovering.
    Recovering,
    /// Not recovered.
    NotRecovered,
    /// Fatal.
    Fatal,
    /// Unknown to the site.
    Unknown,
}

/// What was done with the investigational product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Dose not changed.
    NotChanged,
    /// Dose reduced.
    Reduced,
    /// Interrupted.
    Interrupted,
    /// Withdrawn.
    Withdrawn,
    /// Dose increased.
    Increased,
    /// Does not apply.
    NotApplicable,
}
