//! Refusals as RFC 9457 problem documents: the one place where codes become HTTP statuses.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use clinical::{Refusal, RefusalCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A problem document. `code` is stable; `title` and `detail` are for people and hold no subject data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, thiserror::Error)]
#[error("{code}{}: {detail}", if pointer.is_empty() { String::new() } else { format!(" at {pointer}") })]
pub struct Problem {
    /// Stable code, such as `stale-amendment`.
    pub code: String,
    /// What exactly is the matter here.
    pub detail: String,
    /// JSON pointer into the event; empty where the problem is about the whole.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub pointer: String,
    /// After how many seconds to try again, where that can be said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<u64>,
    /// HTTP status.
    pub status: u16,
    /// What the code means.
    pub title: String,
    /// `urn:trialbook:problem:` and the code.
    pub r#type: String,
}

impl Problem {
    /// A problem that is not a refusal by the trial's rules.
    pub fn new(status: u16, code: &str, title: &str, detail: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            detail: detail.into(),
            pointer: String::new(),
            retry_after_seconds: None,
            status,
            title: title.to_owned(),
            r#type: format!("urn:trialbook:problem:{code}"),
        }
    }

    /// 404.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(404, "not-found", "There is nothing here.", detail)
    }

    /// 400: the request itself, not an event in it.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(400, "request-malformed", "The request is not of the form this path takes.", detail)
    }

    /// 503: not now.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(503, "unavailable", "The registry cannot answer just now; try again.", detail)
    }

    /// 404: it is another process of the registry that does this.
    pub fn not_served(detail: impl Into<String>) -> Self {
        Self::new(404, "not-served-here", "This process of the registry does not do this.", detail)
    }

    /// 503: whether the event is recorded is not known; submitting the same bytes again settles it.
    pub fn outcome_unknown(detail: impl Into<String>) -> Self {
        Self::new(
            503,
            "outcome-unknown",
            "Whether the event is recorded is not known; submit the same bytes again.",
            detail,
        )
    }

    /// 429: this was asked too often; it may be asked again after `seconds`.
    pub fn too_often(seconds: u64, detail: impl Into<String>) -> Self {
        let problem = Self::new(429, "too-often", "That was asked too often; wait, and try again.", detail);
        Self { retry_after_seconds: Some(seconds), ..problem }
    }

    /// 500: a fault of the registry.
    pub fn internal(detail: impl Into<String>) -> Self {
        Self::new(500, "internal", "The registry failed.", detail)
    }
}

/// The problem document of a refusal.
pub fn problem_of_refusal(refusal: &Refusal) -> Problem {
    let mut problem = Problem::new(
        status(refusal.code),
        refusal.code.as_str(),
        refusal.code.meaning(),
        refusal.detail.clone(),
    );
    problem.pointer.clone_from(&refusal.pointer);
    problem
}

fn status(code: RefusalCode) -> u16 {
    use RefusalCode as R;
    match code {
        R::TooLarge => 413,
        R::NotCanonical | R::Malformed => 400,
        R::KindReserved
        | R::SchemaUnknown
        | R::TrialDiffers
        | R::LogDiffers
        | R::SiteUnknown
        | R::SubjectUnknown
        | R::AmendedUnknown
        | R::AmendedDiffers
        | R::GrantMalformed
        | R::GrantWithoutPossession
        | R::RevokedUnknown
        | R::ReferenceUnknown
        | R::ReferenceDiffers
        | R::CutUnknown
        | R::CutDiffers
        | R::OpeningMalformed => 422,
        R::KeyUnknown
        | R::SignatureInvalid
        | R::ActorDiffers
        | R::KeyNotInForce
        | R::KeyRevoked
        | R::RoleNotEntitled
        | R::SiteNotEntitled
        | R::ImportUnmarked
        | R::SubjectOfAnotherSite
        | R::OtherOrganisation
        | R::GrantNotEntitled
        | R::RevokesItself => 403,
        R::IdConflict
        | R::TrialNotOpen
        | R::TrialAlreadyOpen
        | R::SiteAlreadyActive
        | R::StaleAmendment
        | R::AlreadyVoid
        | R::GrantKeyRepeated
        | R::RevokedAlready
        | R::ReferenceNotInForce
        | R::TransferImpossible
        | R::LinkImpossible
        | R::CutNameRepeated
        | R::RevokesLastLogKey => 409,
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry_after = self.retry_after_seconds;
        let mut response = (status, Json(self)).into_response();
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_has_a_client_error_status_and_its_code() {
        for code in RefusalCode::ALL {
            let problem = problem_of_refusal(&Refusal::new(*code, "/data", "detail"));
            assert!((400..500).contains(&problem.status), "{code:?}");
            assert_eq!(problem.code, code.as_str());
            assert_eq!(problem.pointer, "/data");
        }
    }
}
