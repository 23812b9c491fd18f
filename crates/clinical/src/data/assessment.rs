//! `ae_assessment` and `safety_report_sent`: what the sponsor makes of an adverse event, and tells authorities.

use std::collections::{BTreeMap, BTreeSet};

use chain::{Instant, Position, RecordHash};
use serde::{Deserialize, Serialize};

use super::{Agent, Causality, Seriousness};
use crate::stated::Stated;
use crate::text::SealedText;

/// Another record of the log that a statement is about, in any of its versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// Its hash.
    pub hash: RecordHash,
    /// Its position.
    pub seq: Position,
}

/// `ae_assessment`: the sponsor's judgement of an adverse event, beside the investigator's and never instead of it.
/// `occurred_on` is the day of the judgement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AeAssessment {
    /// The adverse event's record.
    pub adverse_event: Reference,
    /// When the sponsor became aware of what this assessment rests on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aware_at: Option<Stated<Instant>>,
    /// The sponsor's judgement of causality, per agent.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub causality: BTreeMap<Agent, Stated<Causality>>,
    /// Why, where that needs saying: a downgrade does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<SealedText>,
    /// Whether the reference safety information lists it.
    pub expectedness: Stated<Expectedness>,
    /// Version of the reference safety information it was held against.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference_information: Option<Stated<String>>,
    /// Criteria of seriousness that the sponsor holds to be met, beside the investigator's.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub seriousness: BTreeSet<Seriousness>,
}

/// Whether an event of that nature and severity is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expectedness {
    /// It is.
    Expected,
    /// It is not, or it is more severe or more specific than what is.
    Unexpected,
}

/// `safety_report_sent`: an authority, committee or the sites were told. `occurred_on` is the day of sending.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SafetyReportSent {
    /// The adverse event's record.
    pub adverse_event: Reference,
    /// Whose rules it was sent under, such as `EU` or an ISO 3166-1 alpha-2 code.
    pub jurisdiction: String,
    /// Who was told, such as the authority's name.
    pub recipient: String,
    /// The recipient's own number for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The first, or what came after it.
    pub report: SafetyReportKind,
    /// When it was sent.
    pub sent_at: Instant,
}

/// Which report of an event it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SafetyReportKind {
    /// The first.
    Initial,
    /// What completes a first one that was not complete.
    Completion,
    /// What became known since.
    FollowUp,
}
