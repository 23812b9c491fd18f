//! `screening` and `consent`: before a subject takes part.

use serde::{Deserialize, Serialize};

use super::{Age, Consent, Criterion, Import, Sex};
use crate::stated::Stated;

/// `screening`; `occurred_on` is the day on which it was decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Screening {
    /// Age as stated, where no birth year is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age: Option<Stated<Age>>,
    /// Year of birth; the day would identify.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub birth_year: Option<Stated<u16>>,
    /// The consent that the examinations rest on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consent: Option<Stated<Consent>>,
    /// Each eligibility criterion with its result.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub criteria: Vec<Criterion>,
    /// Where imported facts came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub import: Option<Import>,
    /// How it ended.
    pub result: ScreeningResult,
    /// Sex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sex: Option<Stated<Sex>>,
    /// Commitment to the subject's text key: SHA-256 of the key, 64 lower-case hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_key: Option<chain::RecordHash>,
}

/// How screening ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScreeningResult {
    /// The subject may be enrolled.
    Passed,
    /// The subject does not enter.
    Failed,
    /// The subject withdrew before it was decided.
    Withdrawn,
}

/// `consent`; `occurred_on` is the day of signature. Withdrawing it is a `disposition`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsentSigned {
    /// Version of the document that was signed.
    pub document_version: String,
    /// Language of that document, a BCP 47 tag.
    pub language: String,
    /// Why it was signed.
    pub occasion: ConsentOccasion,
    /// Who signed, where not the subject alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_by: Option<Stated<ConsentSignatory>>,
    /// Commitment to the subject's text key: SHA-256 of the key, 64 lower-case hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_key: Option<chain::RecordHash>,
}

/// Why a consent was signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConsentOccasion {
    /// The subject's first.
    Initial,
    /// The document has changed.
    NewVersion,
    /// The subject came to be able to consent, or moved to another site.
    NewCircumstances,
}

/// Who signs a consent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConsentSignatory {
    /// The subject.
    Subject,
    /// A legal representative.
    Representative,
    /// Both.
    Both,
}
