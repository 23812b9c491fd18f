//! `allocation` and `unblinding`: to which arm a subject was assigned is never in the log, and who came to know is.

use chain::RecordHash;
use serde::{Deserialize, Serialize};

use crate::authority::Role;
use crate::text::SealedText;

/// `allocation`; `occurred_on` is the day of assignment. The arm is committed to, not stated: whoever keeps the list
/// of arms reveals `arm` and `key` of a subject, and anyone can hold them against the commitment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Allocation {
    /// SHA-256 over [`allocation_message`].
    pub commitment: RecordHash,
    /// Its number on the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u32>,
}

/// What an allocation's commitment is the SHA-256 of: the subject's arm with a key of 32 random bytes, which keeps the
/// few arms there are from being tried one by one.
///
/// ```
/// let message = clinical::data::allocation_message("lupus", "S0007", "cells", &[7; 32]);
/// assert!(message.starts_with(b"trialbook allocation v1\nlupus\nS0007\ncells\n0707"));
/// ```
pub fn allocation_message(trial: &str, subject: &str, arm: &str, key: &[u8; 32]) -> Vec<u8> {
    let key = RecordHash(*key);
    format!("trialbook allocation v1\n{trial}\n{subject}\n{arm}\n{key}").into_bytes()
}

/// `unblinding`; `occurred_on` is the day. Which arm was revealed is not said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unblinding {
    /// More about why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<SealedText>,
    /// Which roles came to know the subject's arm.
    pub informed: Vec<Role>,
    /// Why.
    pub reason: UnblindingReason,
}

/// Why a subject was unblinded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnblindingReason {
    /// Treating the subject needed it.
    Emergency,
    /// An expedited report to an authority needed it.
    SafetyReport,
    /// The analysis that the protocol plans.
    Analysis,
    /// By accident.
    Accidental,
    /// Another reason; the comment says which.
    Other,
}
