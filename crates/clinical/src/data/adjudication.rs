//! `adjudication`: what a committee decides about an endpoint.

use serde::{Deserialize, Serialize};

use super::{RelapseJudgement, Response};
use crate::text::SealedText;

/// `adjudication`; `occurred_on` is the day of the fact judged: of the visit, or of the relapse. At least one of
/// `response` and `relapse` is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adjudication {
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<SealedText>,
    /// For a response: the year whose landmark it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub landmark_years: Option<u8>,
    /// Whether the disease relapsed on that day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relapse: Option<RelapseJudgement>,
    /// The response at that day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<Response>,
}
