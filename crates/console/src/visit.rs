//! Who looks at the page that is being made: told once for each request, and to be had wherever a part of the page is made.

use std::sync::Arc;

use api::{Asker, FormToken, Permission, Resource};
use axum::extract::{Request, State};
use axum::http::{Method, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::Console;
use crate::asked::Failure;

/// Who looks, and how.
#[derive(Debug, Clone)]
pub(crate) struct Visit {
    /// Who it is.
    pub(crate) asker: Asker,
    /// Whether nobody needs to be anybody to read everything.
    pub(crate) stands_open: bool,
    /// Whether it is a demonstration that is looked at.
    pub(crate) demonstration: bool,
    /// Whether a session is presented, good or not.
    pub(crate) in_session: bool,
    /// The page that was asked for, to come back to it; the first page, where it was none to come back to.
    pub(crate) asked_for: String,
    /// What the forms of the session carry.
    pub(crate) form_token: Option<FormToken>,
}

tokio::task_local! {
    static VISIT: Visit;
}

/// Finds out who looks, and has the page made for them. What it cannot find out just now makes a page that says so.
pub(crate) async fn known(State(console): State<Arc<Console>>, request: Request, next: Next) -> Response {
    if request.uri().path().starts_with("/assets/") {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let gate = &console.gate;
    let (asker, stands_open) = match (gate.asker(&parts).await, gate.stands_open().await) {
        (Ok(asker), Ok(stands_open)) => (asker, stands_open),
        (Err(problem), _) | (_, Err(problem)) => return Failure::new(problem).into_response(),
    };
    let session = gate.cookies().session(&parts.headers);
    let visit = Visit {
        asker,
        stands_open,
        demonstration: console.settings.demonstration,
        in_session: session.is_some(),
        asked_for: asked_for(&parts.method, &parts.uri),
        form_token: session.map(FormToken::of),
    };
    VISIT.scope(visit, next.run(Request::from_parts(parts, body))).await
}

/// The page to come back to for whoever has to sign in first.
fn asked_for(method: &Method, uri: &Uri) -> String {
    let page = *method == Method::GET && !uri.path().starts_with("/login");
    uri.path_and_query().filter(|_| page).map_or_else(|| "/".to_owned(), ToString::to_string)
}

/// How much of `resource` who looks may have, so that no page leads where they are refused.
pub(crate) fn permission(resource: Resource, has_arms: bool) -> Permission {
    current().map_or(Permission::All, |visit| visit.asker.permission(resource, has_arms))
}

/// Who looks; `None` where that was not found out.
pub(crate) fn current() -> Option<Visit> {
    VISIT.try_with(Clone::clone).ok()
}
