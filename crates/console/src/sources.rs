//! What is behind a cell of a report: whose facts, and which of their records.

use api::{ReportKind, SourcesView};
use axum::response::Response;
use maud::{Markup, html};
use serde_json::Value;

use crate::asked::{Asked, Failure};
use crate::figures::{columns, table};
use crate::links::Links;
use crate::page::{self, Here, nothing, pager};
use crate::words::words;

/// Members of a subject's own row that are shown; the API has them all.
const SHOWN_MAX: usize = 8;

pub(crate) async fn sources(asked: Asked) -> Result<Response, Failure> {
    let kind = match asked.given("report") {
        Some("outcomes") => ReportKind::Outcomes,
        Some("safety") => ReportKind::Safety,
        _ => return Err(asked.fail(api::Problem::bad_request("report is outcomes or safety"))),
    };
    let Some(cell) = asked.given("cell").map(str::to_owned) else {
        return Err(asked.fail(api::Problem::bad_request("cell is where a number stands in the report")));
    };
    let view = match asked.sources(kind, &cell).await {
        Ok(view) => view,
        Err(problem) => return Err(asked.fail(problem)),
    };
    let here = match kind {
        ReportKind::Outcomes => Here::Outcomes,
        ReportKind::Safety => Here::Safety,
    };
    let main = main(&view, kind, &asked.links, asked.page.after.is_some());
    Ok(page::trial(&asked, here, "Sources", &view.covers, &main))
}

fn main(view: &SourcesView, kind: ReportKind, links: &Links, further: bool) -> Markup {
    let sources = &view.sources;
    let report = match kind {
        ReportKind::Outcomes => links.outcomes(""),
        ReportKind::Safety => links.safety(""),
    };
    html! {
        h1 { "Sources: " @match &sources.label { Some(label) => (label), None => "a cell of the report" } }
        p {
            "Of the " a href=(report) { (kind.as_str()) " report" } ": " code { (sources.cell) }
            @if let Some(value) = scalar(&sources.value) { " = " strong { (value) } }
            "."
        }
        p.quiet {
            "Found by making the report again: of some subjects only, and of each once more without one of its records. "
            "Records shown are those without any one of which the report would say otherwise of that subject; where none "
            "decides alone, all of the subject's."
            @match sources.adds_up {
                Some(true) => " What it says of each subject alone adds up to the whole.",
                Some(false) => " It is no sum: what it says of each subject alone does not add up to the whole.",
                None => {},
            }
        }
        (row(&sources.value, kind, &sources.cell, links))
        @if sources.subjects.is_empty() {
            (nothing(if further { "is no further subject" } else { "is no subject behind it" }, &view.covers))
        } @else {
            (table(
                "Subjects behind it",
                &columns(&["Subject", "For this subject alone", "Records"]),
                &html! {
                    @for subject in &sources.subjects {
                        tr {
                            th scope="row" { (crate::figures::subject(&subject.subject, links)) }
                            td { (own(&subject.own)) }
                            td {
                                @for (at, record) in subject.records.iter().enumerate() {
                                    @if at > 0 { ", " }
                                    a href=(links.record(record.first)) { "#" (record.first) }
                                    @if record.latest != record.first {
                                        " corrected in " a href=(links.record(record.latest)) { "#" (record.latest) }
                                    }
                                }
                            }
                        }
                    }
                },
            ))
        }
        (pager(
            further.then(|| links.sources(kind, &sources.cell, None)),
            sources.next.as_deref().map(|next| links.sources(kind, &sources.cell, Some(next))),
        ))
    }
}

/// The cells of a row, each with what is behind it; nothing for a cell.
fn row(value: &Value, kind: ReportKind, path: &str, links: &Links) -> Markup {
    let cells = if scalar(value).is_some() { Vec::new() } else { clinical::report::cells(value) };
    html! {
        @if !cells.is_empty() {
            details {
                summary { "The " (cells.len()) " cells here, each by itself" }
                (table(
                    "Cells",
                    &columns(&["Cell", "Says"]),
                    &html! {
                        @for cell in &cells {
                            tr {
                                th scope="row" {
                                    a href=(links.sources(kind, &format!("{path}{}", cell.cell), None)) {
                                        (words(cell.cell.trim_start_matches('/')))
                                    }
                                }
                                td { @if let Some(value) = scalar(&cell.value) { (value) } }
                            }
                        }
                    },
                ))
            }
        }
    }
}

fn own(own: &Value) -> Markup {
    let members = own.as_object().into_iter().flatten();
    let told: Vec<_> = members.filter_map(|(name, value)| Some((words(name), scalar(value)?))).collect();
    html! {
        @if let Some(value) = scalar(own) { (value) }
        @for (at, (name, value)) in told.iter().take(SHOWN_MAX).enumerate() {
            @if at > 0 { " · " }
            (name) " " (value)
        }
    }
}

/// What a cell says; `None` of what holds more than one.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(holds) => Some(if *holds { "yes" } else { "no" }.to_owned()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
