//! The web pages, over the same traits as the API.
//!
//! It opens no store, knows no engine and keeps nothing: every page is a plain GET answered from [`api::Registry`], as
//! far as that is open to who asks, and everything that changes something is a form that goes through one door.
//! It judges nothing either. Figures are the reports' own, read from their JSON; a part that a report does not hold is
//! left out of the page, never guessed.

mod asked;
mod by_arm;
mod changes;
mod computed;
mod conduct;
pub mod copy;
mod curves;
pub mod document;
mod entry;
mod figures;
mod findings;
mod flares;
mod headers;
mod inspection;
mod intact;
mod links;
mod list;
mod log;
mod login;
mod measures;
mod operator;
mod outcomes;
mod overview;
mod page;
mod posted;
mod posting;
mod record;
mod report;
mod safety;
mod sealed;
mod signatures;
mod sources;
mod status;
mod strata;
mod subjects;
mod things;
mod timeline;
mod trail;
mod values;
mod verify;
mod visit;
mod words;
mod work;

use std::sync::Arc;

use axum::Router;
use axum::http::{StatusCode, Uri};
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use clinical::{Date, TrialId};

use asked::Failure;

/// What the binary tells the pages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// The cutoff that links from the front page carry: a demonstration's records all end long before today.
    pub demo_cutoff: Option<Date>,
    /// Published figures beside computed ones, for a trial that repeats a study.
    pub comparison: Option<Comparison>,
    /// How to verify a copy of the log, shown beside the last verdict; such as the command for this data directory.
    pub verify_hint: Option<String>,
    /// Whether everything shown is a demonstration, open to everybody on this machine.
    pub demonstration: bool,
    /// Whom a demonstration may be looked at as: id and label.
    pub looks: Vec<(String, String)>,
    /// What the process works by, secrets masked.
    pub configuration: Vec<Setting>,
}

/// A setting of the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Its name.
    pub key: String,
    /// Its value, `None` where it is not set; of a secret nothing but that there is one.
    pub value: Option<String>,
    /// What it means.
    pub meaning: String,
    /// Where the value comes from.
    pub origin: String,
}

/// Published figures beside computed ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// The trial they belong to.
    pub trial: TrialId,
    /// What was published where, and at which cutoff the computed figures were made.
    pub source: String,
    /// The figures.
    pub rows: Vec<ComparisonRow>,
}

/// A published figure beside the computed one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComparisonRow {
    /// What it is.
    pub figure: String,
    /// As published.
    pub published: String,
    /// As computed from the log.
    pub computed: String,
    /// Whether they agree.
    pub agrees: bool,
}

/// What every page is made from.
pub(crate) struct Console {
    pub(crate) gate: api::Gate,
    pub(crate) settings: Settings,
}

/// The pages over what a gate lets through. Paths below `/v1/` that nothing answers are left to the API's manner: a problem document.
pub fn router(gate: api::Gate, settings: Settings) -> Router {
    let console = Arc::new(Console { gate, settings });
    Router::new()
        .route("/", get(overview::front))
        .route("/trials/{trial}", get(overview::overview))
        .route("/trials/{trial}/outcomes", get(outcomes::outcomes))
        .route("/trials/{trial}/outcomes/{part}", get(outcomes::outcomes))
        .route("/trials/{trial}/safety", get(safety::safety))
        .route("/trials/{trial}/safety/{part}", get(safety::safety))
        .route("/trials/{trial}/sources", get(sources::sources))
        .route("/trials/{trial}/findings", get(findings::findings))
        .route("/trials/{trial}/subjects", get(subjects::subjects))
        .route("/trials/{trial}/subjects/{subject}", get(trail::trail))
        .merge(record::routes())
        .merge(intact::routes())
        .merge(log::routes())
        .merge(inspection::routes())
        .merge(status::routes())
        .merge(work::routes())
        .merge(entry::routes())
        .route("/verify", get(verify::page))
        .route("/verify.js", get(verify::script))
        .route("/docs/findings/{page}", get(verify::finding))
        .route("/assets/console.css", get(headers::style))
        .route("/assets/sign.js", get(headers::signer))
        .route("/assets/icon.svg", get(headers::icon))
        .merge(login::routes())
        .merge(operator::routes())
        .fallback(nothing_here)
        .method_not_allowed_fallback(read_only)
        .layer(from_fn_with_state(Arc::clone(&console), posting::checked))
        .layer(from_fn_with_state(Arc::clone(&console), visit::known))
        .layer(map_response(headers::secure))
        .with_state(console)
}

async fn nothing_here(uri: Uri) -> Response {
    let problem = api::Problem::not_found("no page has this address");
    if uri.path().starts_with("/v1/") {
        return problem.into_response();
    }
    Failure::new(problem).into_response()
}

async fn read_only() -> Response {
    Failure::new(api::Problem::new(
        StatusCode::METHOD_NOT_ALLOWED.as_u16(),
        "method-not-allowed",
        "This page is for reading only.",
        "events are submitted to the API, signed",
    ))
    .into_response()
}
