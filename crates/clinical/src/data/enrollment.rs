//! `enrollment`: a subject takes part.

use serde::{Deserialize, Serialize};

use super::Import;
use crate::date::PartialDate;
use crate::stated::Stated;

/// `enrollment`; `occurred_on` is the day of enrollment.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enrollment {
    /// Age as stated, where no birth year is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age: Option<Stated<Age>>,
    /// Year of birth; the day would identify.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub birth_year: Option<Stated<u16>>,
    /// The consent that the enrollment rests on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consent: Option<Stated<Consent>>,
    /// Each eligibility criterion with its result.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub criteria: Vec<Criterion>,
    /// When the disease was diagnosed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diagnosed_on: Option<Stated<PartialDate>>,
    /// Where imported facts came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub import: Option<Import>,
    /// How many infusions the subject's planned course has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planned_infusions: Option<Stated<u16>>,
    /// Therapies before enrollment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prior_therapies: Vec<PriorTherapy>,
    /// Sex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sex: Option<Stated<Sex>>,
    /// Commitment to the subject's text key: SHA-256 of the key, 64 lower-case hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_key: Option<chain::RecordHash>,
}

/// A consent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Consent {
    /// Version of the document that was signed.
    pub document_version: String,
    /// Language of that document, a BCP 47 tag.
    pub language: String,
    /// Day of signature.
    pub signed_on: PartialDate,
}

/// An age as stated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Age {
    /// Of the value.
    pub unit: AgeUnit,
    /// How many; above 89 years the exact age may identify, and `90` stands for all.
    pub value: u16,
}

/// Unit of an age.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgeUnit {
    /// Years.
    Years,
    /// Months.
    Months,
}

/// Sex.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sex {
    /// Female.
    Female,
    /// Male.
    Male,
    /// Undifferentiated.
    Undifferentiated,
}

/// One eligibility criterion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Criterion {
    /// Its id in the protocol, such as `I3`.
    pub id: String,
    /// The result.
    pub result: CriterionResult,
}

/// Result of a criterion: met means that it does not stand against enrollment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CriterionResult {
    /// Met.
    Met,
    /// Not met.
    NotMet,
    /// Not examined.
    NotDone,
}

/// A therapy before enrollment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriorTherapy {
    /// First day or as much of it as is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Stated<PartialDate>>,
    /// International non-proprietary name or code.
    pub name: String,
    /// Last day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Stated<PartialDate>>,
}
