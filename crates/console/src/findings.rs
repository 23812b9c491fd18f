//! The work list: records that are to be looked at.

use axum::response::Response;
use clinical::Severity;
use maud::{Markup, html};

use crate::asked::{Asked, Failure};
use crate::figures::{columns, table};
use crate::page::{self, Here, nothing, pager};
use crate::words::{date, words};

pub(crate) async fn findings(asked: Asked) -> Result<Response, Failure> {
    let list = match asked.registry.findings(&asked.links.trial, asked.page.clone()).await {
        Ok(list) => list,
        Err(problem) => return Err(asked.fail(problem)),
    };
    let links = &asked.links;
    let missing = if asked.page.after.is_some() {
        "is no further record with a finding"
    } else {
        "is no record with a finding"
    };
    let main = html! {
        h1 { "Findings" }
        p { "Accepted, because it may be true; to be looked at, because it may not. A finding changes no figure by itself." }
        @if list.records.is_empty() { (nothing(missing, &list.covers)) }
        @else {
            (table(
                "Records with findings, in the order of the log",
                &columns(&["Record", "Findings", "Subject", "Kind", "Date of the fact", "Site"]),
                &html! {
                    @for record in &list.records {
                        tr {
                            th scope="row" { a href=(links.record(record.seq)) { "#" (record.seq) } }
                            td.what { (listed(&record.findings)) }
                            td { @if let Some(subject) = &record.subject { a href=(links.subject(subject, None)) { (subject) } } @else { "–" } }
                            td { (words(record.kind.as_str())) }
                            td { @if let Some(on) = &record.occurred_on { (date(on)) } @else { "–" } }
                            td { @if let Some(site) = &record.site { (site) } @else { "–" } }
                        }
                    }
                },
            ))
        }
        (pager(
            asked.page.after.is_some().then(|| links.findings(None)),
            list.next.as_ref().map(|next| links.findings(Some(next))),
        ))
    };
    Ok(page::trial(&asked, Here::Findings, "Findings", &list.covers, &main))
}

/// Findings of one record: how much each matters, what it says, and about which member.
pub(crate) fn listed(findings: &[clinical::Finding]) -> Markup {
    html! {
        ul.findings {
            @for finding in findings {
                li {
                    (severity(finding.severity)) " " (finding.code.meaning()) " "
                    span.quiet { code { (finding.code.as_str()) } @if !finding.pointer.is_empty() { " at " code { (finding.pointer) } } }
                    @for (index, record) in finding.records.iter().enumerate() {
                        @if index == 0 { " beside record " } @else { ", " } (record)
                    }
                }
            }
        }
    }
}

fn severity(severity: Severity) -> Markup {
    let (class, name) = match severity {
        Severity::Critical => ("severity critical", "critical"),
        Severity::Major => ("severity major", "major"),
        Severity::Minor => ("severity minor", "minor"),
        Severity::Notice => ("severity notice", "notice"),
    };
    html! { strong class=(class) { (name) } }
}
