//! `disposition` and `contact`: where a subject stands, and the last that is known.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Agent, Causality, Import};
use crate::stated::Stated;
use crate::text::SealedText;

/// `disposition`; `occurred_on` is the day of the fact, for a death its date. Not terminal: the lost may return.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Disposition {
    /// What is known of a death.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub death: Option<Death>,
    /// Where imported facts came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub import: Option<Import>,
    /// Why.
    pub reason: DispositionReason,
    /// Of what.
    pub scope: DispositionScope,
    /// For a withdrawal: from what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawal: Option<Stated<WithdrawalScope>>,
}

/// What a disposition ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DispositionScope {
    /// Screening: the subject does not enter.
    Screening,
    /// Treatment.
    Treatment,
    /// The study.
    Study,
}

/// Why a subject's course ends (CDISC controlled terms).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DispositionReason {
    /// Completed.
    Completed,
    /// Died.
    Death,
    /// Did not pass screening.
    ScreenFailure,
    /// An adverse event.
    AdverseEvent,
    /// The subject withdrew.
    WithdrawalBySubject,
    /// Lost to follow-up.
    LostToFollowUp,
    /// The physician decided.
    PhysicianDecision,
    /// The sponsor decided.
    SponsorDecision,
    /// The protocol was violated.
    ProtocolViolation,
    /// The product had no effect.
    LackOfEfficacy,
    /// The study was terminated.
    StudyTerminated,
    /// Another reason.
    Other,
}

/// What a subject withdraws from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WithdrawalScope {
    /// Treatment.
    Treatment,
    /// Visits.
    Visits,
    /// All contact.
    AllContact,
    /// Use of samples.
    Samples,
}

/// What is known of a death.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Death {
    /// Its cause.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<SealedText>,
    /// Relatedness, per agent.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub relatedness: BTreeMap<Agent, Stated<Causality>>,
}

/// `contact`: extends follow-up without a visit; `occurred_on` is the day the status was true.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contact {
    /// Where imported facts came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub import: Option<Import>,
    /// How.
    pub means: ContactMeans,
    /// What was learnt.
    pub vital_status: VitalStatus,
}

/// How contact was had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContactMeans {
    /// By phone.
    Phone,
    /// By letter or mail.
    Letter,
    /// A population or death registry.
    Registry,
    /// Through relatives or another physician.
    ThirdParty,
    /// In another way.
    Other,
}

/// Whether the subject is alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VitalStatus {
    /// Alive.
    Alive,
    /// Dead; the death itself is a `disposition`.
    Dead,
    /// Not known.
    Unknown,
}
