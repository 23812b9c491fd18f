//! "Is the record intact?": what the registry's own last verification says, in a sentence, then check by check.
//!
//! It is the registry's word. The page says how anybody can have a word of their own.

use std::sync::Arc;

use api::{CheckView, LastVerification, VerifiedFinding};
use axum::Router;
use axum::response::Response;
use axum::routing::get;
use maud::{Markup, html};

use crate::Console;
use crate::asked::{Asked, Failure};
use crate::figures::{columns, table};
use crate::page::{self, Here};
use crate::words::{count, counted, heading, instant, words};

pub(crate) fn routes() -> Router<Arc<Console>> {
    Router::new().route("/trials/{trial}/intact", get(intact))
}

async fn intact(asked: Asked) -> Result<Response, Failure> {
    let view = match asked.registry.verification(&asked.links.trial).await {
        Ok(view) => view,
        Err(problem) => return Err(asked.fail(problem)),
    };
    let main = html! {
        p.up { a href=(asked.links.inspection()) { "Inspection" } }
        h1 { "Is the record intact?" }
        @match &view.last {
            None => {
                p.note { strong { "Not verified yet. " } "The registry verifies its whole log soon after it starts, and again now and then." }
            },
            Some(last) => (verification(&asked, last, view.covers.records)),
        }
        (yourself(&asked))
    };
    Ok(page::trial(&asked, Here::Inspection, "Is the record intact?", &view.covers, &main))
}

fn verification(asked: &Asked, last: &LastVerification, records: u64) -> Markup {
    let since = records.saturating_sub(last.records);
    let (failing, holding): (Vec<&CheckView>, Vec<&CheckView>) =
        last.checks.iter().partition(|check| check.failed > 0);
    html! {
        p.verdict {
            @match last.verdict.as_str() {
                "intact" => strong.good { "✓ Yes. " },
                "broken" => strong.bad { "✗ NO. " },
                _ => strong.unsure { "? Not decided. " },
            }
            (last.sentence)
        }
        p.quiet {
            "The registry verified its first " (counted(last.records, "record", "records")) ", " (instant(last.at)) ". "
            @if since > 0 { (counted(since, "record was", "records were")) " recorded since; each was checked when it was taken in." }
            @else { "Nothing was recorded since." }
        }
        section {
            h2 { "Checks" }
            (table(
                "Each check with how often it was made, those that failed first",
                &columns(&["Check", "Result", "#Made", "#Failed"]),
                &html! { @for check in failing.iter().chain(&holding) { (line(check)) } },
            ))
            p.quiet { "A check that was not made had nothing to be held against." }
        }
        section {
            h2 { "Findings" }
            @if last.findings.is_empty() && last.unlisted == 0 { p { "None." } }
            @else {
                @if !last.findings.is_empty() { (findings(asked, &last.findings)) }
                @if last.unlisted > 0 {
                    p { (counted(last.unlisted, "finding is", "findings are")) " not listed here: of each code the first ones are, and only to those who may read every record." }
                }
                p.quiet {
                    "Of evidence: bytes contradict each other. Of absence: something needed is missing. Of conduct: a record is "
                    "against the trial's rules, which does not touch the verdict."
                }
            }
        }
    }
}

fn line(check: &CheckView) -> Markup {
    html! {
        tr {
            th scope="row" { (heading(&check.name)) }
            td {
                @if check.failed > 0 { strong.bad { "✗ failed" } }
                @else if check.count == 0 { "– not made" }
                @else { span.good { "✓ holds" } }
            }
            td.number { (count(check.count)) }
            td.number { (count(check.failed)) }
        }
    }
}

fn findings(asked: &Asked, findings: &[VerifiedFinding]) -> Markup {
    table(
        "What was found, evidence first",
        &columns(&["Record", "Class", "Finding", "At", "What exactly"]),
        &html! {
            @for finding in findings {
                tr {
                    th scope="row" {
                        @match finding.seq {
                            Some(seq) => (asked.links.to_record(seq)),
                            None => "the log",
                        }
                    }
                    td { @if finding.class == "evidence" { strong.bad { "✗ evidence" } } @else { (words(&finding.class)) } }
                    td { a href=(format!("/docs/findings/{}.md", finding.code)) { code { (finding.code) } } }
                    td { @if finding.pointer.is_empty() { "–" } @else { code { (finding.pointer) } } }
                    td.what { (finding.detail) }
                }
            }
        },
    )
}

fn yourself(asked: &Asked) -> Markup {
    let trial = &asked.links.trial;
    html! {
        section {
            h2 { "Have a word of your own" }
            p {
                "What stands above is the registry's own word. Whoever doubts the registry takes the log away and verifies it with "
                "a program of their own choice, against a genesis and a log key that they were given another way."
            }
            ul {
                li { a href="/verify" { "In this browser" } ": a checker of its own, which sends nothing anywhere." }
                li { "With our program: " code.command { "trialbook-verify BUNDLE --key VKEY --genesis HEX" } }
                li { "With one Python file that needs nothing else: " code.command { "python3 check.py BUNDLE --key VKEY --genesis HEX" } }
                @if let Some(hint) = &asked.console.settings.verify_hint { li { "On this machine: " code.command { (hint) } } }
            }
        }
        section {
            h2 { "Take the log away" }
            ul {
                li { "The whole log in one file, with its checkpoint, tiles, keys and reports: " code.command { "trialbook export bundle --out " (trial) ".zip --trial " (trial) } }
                li { a href=(format!("/v1/trials/{trial}/log/checkpoint")) { "The latest signed checkpoint" } ", to be held against other copies" }
                li { a href=(format!("/v1/trials/{trial}/log")) { "What is signed, by whom, and what is not yet" } " (JSON)" }
            }
        }
    }
}
