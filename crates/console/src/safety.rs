//! The safety report.

use api::ReportKind;
use axum::response::Response;
use maud::{Markup, html};

use crate::asked::{Asked, Failure};
use crate::figures::{cutoff, figure_table};
use crate::page::{self, Here};
use crate::report::Report;

pub(crate) async fn safety(asked: Asked) -> Result<Response, Failure> {
    let view = match asked.report(ReportKind::Safety).await {
        Ok(view) => view,
        Err(problem) => return Err(asked.fail(problem)),
    };
    let report = Report::read(&view);
    let figures = report.figures("");
    let main: Markup = html! {
        h1 { "Safety" }
        (cutoff(&report, &asked.links.safety()))
        (figure_table("Figures", &figures.iter().collect::<Vec<_>>()))
    };
    Ok(page::trial(&asked, Here::Safety, "Safety", &view.covers, &main))
}
