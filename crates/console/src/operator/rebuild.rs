//! Having a read model made anew: asked once, then begun.

use std::sync::Arc;

use api::{Problem, Resource};
use axum::extract::{Form, Query, State};
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Redirect, Response};
use clinical::TrialId;
use maud::html;
use serde::Deserialize;

use super::{Here, framed};
use crate::Console;
use crate::asked::Failure;
use crate::posting;

/// Which one.
#[derive(Deserialize)]
pub(super) struct Which {
    trial: String,
    projector: String,
}

impl Which {
    fn trial(&self) -> Result<TrialId, Failure> {
        self.trial.parse().map_err(|error| Failure::new(Problem::not_found(format!("{error}"))))
    }
}

pub(super) async fn ask(
    State(console): State<Arc<Console>>,
    parts: Parts,
    Query(which): Query<Which>,
) -> Result<Response, Failure> {
    console.gate.permit(&parts, Resource::Upkeep, None).await.map_err(Failure::new)?;
    let trial = which.trial()?;
    let found = console.gate.registry(&parts).projectors().await.map_err(Failure::new)?.projectors;
    if !found.iter().any(|found| found.trial == trial && found.name == which.projector) {
        let detail = format!("no read model {:?} of trial {trial} answers here", which.projector);
        return Err(Failure::new(Problem::not_found(detail)));
    }
    let main = html! {
        p {
            "The read model " strong { (which.projector) } " of trial " strong { (trial) }
            " is folded again from the first record, beside the one that answers until then. Nothing of the log is touched."
        }
        @if which.projector == "index" {
            p.note { "Meanwhile lists of subjects and findings, and trails, are those of the present index." }
        } @else {
            p.note { "Meanwhile the report is made from the present rows." }
        }
        form method="post" action="/operator/rebuild" {
            (posting::token())
            input type="hidden" name="trial" value=(trial);
            input type="hidden" name="projector" value=(which.projector);
            p { button { "Make it anew" } " " a href="/operator" { "Leave it as it is" } }
        }
    };
    Ok(framed(Here::Health, "Make a read model anew", &main))
}

pub(super) async fn begin(
    State(console): State<Arc<Console>>,
    parts: Parts,
    Form(which): Form<Which>,
) -> Result<Response, Failure> {
    let trial = which.trial()?;
    console.gate.registry(&parts).rebuild(&trial, &which.projector).await.map_err(Failure::new)?;
    Ok(Redirect::to("/operator").into_response())
}
