//! Submitting what was signed, and the receipts.

use api::{Answer, LINES_MAX, Problem};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use clinical::Receipt;
use maud::{Markup, html};

use crate::asked::{Asked, Failure};
use crate::findings;
use crate::page::{self, Here};
use crate::posted::{Given, Posted};
use crate::posting;
use crate::words::instant;

/// The page that takes what was signed.
pub(super) async fn form(asked: Asked) -> Response {
    let main = html! { h1 { "Submit what was signed" } (upload(&asked)) };
    page::trial(&asked, Here::Record, "Submit what was signed", &asked.detail.trial.covers, &main)
}

/// The form that takes it.
pub(super) fn upload(asked: &Asked) -> Markup {
    html! {
        section {
            h2 { "Submit the signed statement" }
            form #signed method="post" action=(format!("/trials/{}/submit", asked.links.trial)) enctype="multipart/form-data" {
                (posting::token())
                div.field {
                    label for="file" { "File that `trialbook sign` wrote" }
                    div { input #file name="signed" type="file"; }
                }
                div.field {
                    label for="text" { "Or its text" }
                    div { textarea #text name="signed" rows="3" spellcheck="false" {} }
                }
                p { button.main { "Submit" } }
            }
        }
    }
}

/// Submits it, and says what became of it.
pub(super) async fn submit(Posted { asked, given }: Posted) -> Result<Response, Failure> {
    match submitted(&asked, &given).await {
        Ok(answers) => {
            let recorded = answers.iter().filter(|answer| answer.receipt().is_some()).count();
            let title = match recorded {
                all if all == answers.len() => "Recorded",
                0 => "Not recorded",
                _ => "Recorded in part",
            };
            let main = html! {
                h1 { (title) }
                @for (index, answer) in answers.iter().enumerate() {
                    section {
                        @if answers.len() > 1 { h2 { "Statement " (index + 1) } }
                        (shown(&asked, answer))
                    }
                }
                p { a href=(format!("/trials/{}/record", asked.links.trial)) { "Record something else" } }
            };
            Ok(page::trial(&asked, Here::Record, title, &asked.detail.trial.covers, &main))
        }
        Err(problem) => Err(asked.fail(problem)),
    }
}

async fn submitted(asked: &Asked, given: &Given) -> Result<Vec<Answer>, Problem> {
    // Canonical JSON holds no line feed: a line is a submission.
    let lines = given.all("signed").flat_map(str::lines).map(str::trim).filter(|line| !line.is_empty());
    let lines: Vec<Vec<u8>> = lines.map(|line| line.as_bytes().to_vec()).collect();
    if lines.is_empty() || lines.len() > LINES_MAX {
        return Err(Problem::bad_request(format!(
            "give the file that was signed, or its text: 1 to {LINES_MAX} lines"
        )));
    }
    asked.registry.submit(&asked.links.trial, lines).await
}

fn shown(asked: &Asked, answer: &Answer) -> Markup {
    let links = &asked.links;
    match answer {
        Answer::Recorded { receipt } | Answer::Repeated { receipt } => html! {
            p {
                strong.good { "✓ Recorded" } " at position " a href=(links.record(receipt.seq)) { "#" (receipt.seq) } ", "
                (instant(receipt.recorded_at))
                @if matches!(answer, Answer::Repeated { .. }) { "; it was submitted before, and is recorded once" }
                "."
            }
            dl.facts { dt { "Hash" } dd { code.whole { (receipt.hash) } } }
            @if receipt.findings.is_empty() { p { "Nothing to be looked at." } }
            @else { h3 { "To be looked at" } (findings::listed(&receipt.findings, &[])) }
            form method="post" action=(format!("/trials/{}/receipt", links.trial)) {
                (posting::token())
                input type="hidden" name="receipt" value=(serde_json::to_string(receipt).unwrap_or_default());
                p { button { "Download the receipt" } }
                p.quiet { "Keep it: with it anybody can hold the registry to having recorded this." }
            }
        },
        Answer::Refused { problem } => html! {
            div.alert role="alert" {
                p { strong { "✗ Refused. " } (problem.title) }
                p {
                    @if !problem.pointer.is_empty() { "At " code { (problem.pointer) } ": " }
                    (problem.detail) " " span.quiet { code { (problem.code) } }
                }
            }
            p { "Nothing of it is recorded." }
        },
    }
}

/// A receipt as the file that `trialbook receipts check` reads.
pub(super) async fn receipt(Posted { asked, given }: Posted) -> Result<Response, Failure> {
    let receipt: Receipt = match serde_json::from_str(given.value("receipt").unwrap_or_default()) {
        Ok(receipt) => receipt,
        Err(error) => return Err(asked.fail(Problem::bad_request(error.to_string()))),
    };
    let name = format!("attachment; filename=\"{}-{}.json\"", receipt.trial, receipt.seq);
    let headers =
        [(header::CONTENT_TYPE, "application/json".to_owned()), (header::CONTENT_DISPOSITION, name)];
    let text = serde_json::to_string(&receipt).unwrap_or_default();
    Ok((headers, format!("{text}\n")).into_response())
}
