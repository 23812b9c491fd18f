//! The outcome report: every figure with what one needs to judge it.

use api::ReportKind;
use axum::response::Response;
use maud::{Markup, html};

use crate::asked::{Asked, Failure};
use crate::figures::cutoff;
use crate::page::{self, Here};
use crate::report::Report;

pub(crate) async fn outcomes(asked: Asked) -> Result<Response, Failure> {
    let view = match asked.report(ReportKind::Outcomes).await {
        Ok(view) => view,
        Err(problem) => return Err(asked.fail(problem)),
    };
    let report = Report::read(&view);
    let main: Markup = html! { h1 { "Outcomes" } (cutoff(&report, &asked.links.outcomes())) };
    Ok(page::trial(&asked, Here::Outcomes, "Outcomes", &view.covers, &main))
}
