//! The work list: records that are to be looked at.

use api::{Covers, Page, Problem, RecordFindings};
use axum::response::Response;
use clinical::{ConfirmReason, ConfirmedFinding, Severity, confirmed};
use maud::{Markup, html};

use crate::asked::{Asked, Failure};
use crate::figures::{columns, table};
use crate::inspection::too_long;
use crate::links::Links;
use crate::list::{self, Cell, Column, EXPORT_ROWS_MAX, Format, Row};
use crate::page::{self, Here, nothing, pager};
use crate::words::{date, words};

/// Columns of the file: a row a finding.
const HEADS: &[Column] = &[
    ("record", "#Record"),
    ("severity", "Severity"),
    ("code", "Code"),
    ("meaning", "Meaning"),
    ("member", "Member"),
    ("beside", "Beside records"),
    ("confirmed", "Confirmed by its signer"),
    ("subject", "Subject"),
    ("kind", "Kind"),
    ("on", "Date of the fact"),
    ("site", "Site"),
];

/// Records asked for at once for a file.
const PART: usize = 1_000;

pub(crate) async fn findings(asked: Asked) -> Result<Response, Failure> {
    let format = match Format::asked(asked.given("format")) {
        Ok(format) => format,
        Err(problem) => return Err(asked.fail(problem)),
    };
    if let Some(format) = format {
        return match whole(&asked).await {
            Ok((covers, rows)) => {
                Ok(list::file(format, (&asked.links.trial, "findings"), &covers, HEADS, &rows))
            }
            Err(problem) => Err(asked.fail(problem)),
        };
    }
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
                            td.what { (listed(&record.findings, &record.confirmed)) }
                            td { @if let Some(subject) = &record.subject { a href=(links.subject(subject, None)) { (subject) } } @else { "–" } }
                            td { (words(record.kind.as_str())) }
                            td { @if let Some(on) = &record.occurred_on { (date(on)) } @else { "–" } }
                            td { @if let Some(site) = &record.site { (site) } @else { "–" } }
                        }
                    }
                },
            ))
            (links.takeaway("/findings", &[]))
        }
        (pager(
            asked.page.after.is_some().then(|| links.findings(None)),
            list.next.as_ref().map(|next| links.findings(Some(next))),
        ))
    };
    Ok(page::trial(&asked, Here::Findings, "Findings", &list.covers, &main))
}

/// Every finding of every record.
async fn whole(asked: &Asked) -> Result<(Covers, Vec<Row>), Problem> {
    let (mut rows, mut after) = (Vec::new(), None);
    loop {
        let page = Page { after, limit: Some(PART) };
        let part = asked.registry.findings(&asked.links.trial, page).await?;
        rows.extend(part.records.iter().flat_map(|record| rows_of(record, &asked.links)));
        if rows.len() > EXPORT_ROWS_MAX {
            return Err(too_long());
        }
        let Some(next) = part.next else { return Ok((part.covers, rows)) };
        after = Some(next.to_string());
    }
}

fn rows_of(record: &RecordFindings, links: &Links) -> impl Iterator<Item = Row> {
    record.findings.iter().map(|finding| {
        let beside = finding.records.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        vec![
            Cell::record(record.seq, links),
            Cell::of(severity_of(finding.severity).1),
            Cell::of(finding.code.as_str()),
            Cell::of(finding.code.meaning()),
            Cell::of(&finding.pointer),
            Cell::of(beside),
            Cell::maybe(confirmed::reason(&record.confirmed, finding).map(ConfirmReason::as_str)),
            Cell::subject(record.subject.as_ref(), links),
            Cell::of(record.kind.as_str()),
            Cell::maybe(record.occurred_on.as_ref()),
            Cell::maybe(record.site.as_ref()),
        ]
    })
}

/// Why a statement stands that something was found about, as its signer says it.
pub(crate) fn because(reason: ConfirmReason) -> &'static str {
    match reason {
        ConfirmReason::AsInSource => "its source says so",
        ConfirmReason::InvestigatorAgrees => "an investigator looked at it, and it is so",
        ConfirmReason::BeingClarified => "it is not known yet, and is asked after",
        ConfirmReason::Other => "for another reason, told in a comment",
    }
}

/// Findings of one record: how much each matters, what it says, about which member, and what its signer says of it.
pub(crate) fn listed(findings: &[clinical::Finding], confirmed: &[ConfirmedFinding]) -> Markup {
    html! {
        ul.findings {
            @for finding in findings {
                li {
                    (severity(finding.severity)) " " (finding.code.meaning()) " "
                    (place(finding))
                    @if let Some(reason) = confirmed::reason(confirmed, finding) {
                        br; "Confirmed by its signer: " (because(reason)) "."
                    }
                }
            }
        }
    }
}

/// A finding's code, the member that it is about, and the records that it is found beside.
pub(crate) fn place(finding: &clinical::Finding) -> Markup {
    html! {
        span.quiet { code { (finding.code.as_str()) } @if !finding.pointer.is_empty() { " at " code { (finding.pointer) } } }
        @for (index, record) in finding.records.iter().enumerate() {
            @if index == 0 { " beside record " } @else { ", " } (record)
        }
    }
}

pub(crate) fn severity(severity: Severity) -> Markup {
    let (class, name) = severity_of(severity);
    html! { strong class=(class) { (name) } }
}

/// Its class in the style sheet, and its name.
fn severity_of(severity: Severity) -> (&'static str, &'static str) {
    match severity {
        Severity::Critical => ("severity critical", "critical"),
        Severity::Major => ("severity major", "major"),
        Severity::Minor => ("severity minor", "minor"),
        Severity::Notice => ("severity notice", "notice"),
    }
}
