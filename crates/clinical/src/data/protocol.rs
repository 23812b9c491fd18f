//! `protocol_amended` and `protocol_deviation`: the plan changed, and the plan not followed.

use serde::{Deserialize, Serialize};

use super::{Definitions, PlannedVisit, SchemaProfile};
use crate::date::PartialDate;
use crate::text::SealedText;

/// `protocol_amended`. What it states replaces what the opening or an earlier amendment stated, from its own position
/// on; what it leaves out stays.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProtocolAmended {
    /// The definitions by which the trial's reports are made, all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definitions: Option<Definitions>,
    /// The day from which sites follow it.
    pub effective_on: PartialDate,
    /// Which items the trial demands, all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<SchemaProfile>,
    /// The planned visits, all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Vec<PlannedVisit>>,
    /// What changed and why, for a reader.
    pub summary: String,
    /// The protocol's version.
    pub version: String,
}

/// `protocol_deviation`; `occurred_on` is the day it happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProtocolDeviation {
    /// What was not followed.
    pub category: DeviationCategory,
    /// What happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<SealedText>,
    /// How much it matters.
    pub severity: DeviationSeverity,
}

/// What part of the protocol was not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviationCategory {
    /// Who may take part.
    Eligibility,
    /// Informed consent.
    Consent,
    /// The investigational product: dose, handling, identity.
    Treatment,
    /// When visits take place.
    Visit,
    /// What is examined.
    Procedure,
    /// Other medication.
    Medication,
    /// Reporting of safety.
    SafetyReporting,
    /// Blinding.
    Blinding,
    /// Something else; the description says what.
    Other,
}

/// How much a deviation matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviationSeverity {
    /// It does not touch the subject's rights, safety or the endpoints.
    Minor,
    /// It may: an important deviation (ICH E3).
    Important,
}
