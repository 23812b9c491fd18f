//! Submissions that were refused lately, for the work list of whoever signed them. No part of the log.

use axum::Json;
use chain::Instant;
use clinical::{ActorId, EventId, EventKind, SiteId, SubjectId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::extract::{Path, Query};
use crate::gate::{Gate, Permitted};
use crate::problem::Problem;
use crate::routes::trial_id;
use crate::wire::{Covers, entries};

/// Which refused submissions are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RefusedAsked {
    /// The site whose work they are; `None`: all.
    pub site: Option<SiteId>,
    /// Before this number.
    pub before: Option<u64>,
    /// At most so many; 1 to 1,000, 100 if not given.
    pub limit: Option<usize>,
}

impl RefusedAsked {
    /// How many entries to give.
    pub fn limit(&self) -> usize {
        entries(self.limit)
    }
}

/// A submission that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RefusedView {
    /// Who signed it, as the key's grant names them.
    #[schema(value_type = String)]
    pub actor: ActorId,
    /// When it was refused, the last time.
    #[schema(value_type = String)]
    pub at: Instant,
    /// The problem's code.
    pub code: String,
    /// What exactly is the matter.
    pub detail: String,
    /// The event's id.
    #[schema(value_type = String)]
    pub event: EventId,
    /// The event's kind.
    #[schema(value_type = String)]
    pub kind: EventKind,
    /// JSON pointer into the event; empty for the event as a whole.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub pointer: String,
    /// The site whose work it is: the event's, if the key is for it; else the key's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub site: Option<SiteId>,
    /// The subject that the event names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub subject: Option<SubjectId>,
    /// How often it was refused.
    pub times: u64,
    /// What the code means.
    pub title: String,
}

/// A page of refused submissions, the latest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RefusedPage {
    /// Records among which none of them is.
    pub covers: Covers,
    /// `before` of the next page; absent on the last. A page may hold fewer than asked for, and yet not be the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
    /// The submissions.
    pub refused: Vec<RefusedView>,
}

pub(crate) fn routes() -> OpenApiRouter<Gate> {
    OpenApiRouter::new().routes(routes!(refused))
}

#[derive(Deserialize)]
struct RefusedQuery {
    site: Option<String>,
    before: Option<u64>,
    limit: Option<usize>,
}

#[utoipa::path(
    get, path = "/v1/trials/{trial}/refused",
    description = "Submissions that this registry's registrar refused in the last 30 days and that were not recorded since, the latest first: those that a key of the trial had signed. Nothing is kept of what they state but whom they are about. `site` leaves out the others.",
    params(
        ("site" = Option<String>, Query), ("before" = Option<u64>, Query), ("limit" = Option<usize>, Query)
    ),
    responses((status = 200, body = RefusedPage), (status = 404, body = Problem))
)]
async fn refused(
    Permitted(registry): Permitted,
    Path(trial): Path<String>,
    Query(query): Query<RefusedQuery>,
) -> Result<Json<RefusedPage>, Problem> {
    let site = query.site.map(|site| site.parse()).transpose();
    let asked = RefusedAsked {
        site: site.map_err(|_| Problem::bad_request("site is a site's id"))?,
        before: query.before,
        limit: query.limit,
    };
    registry.refused(&trial_id(&trial)?, asked).await.map(Json)
}
