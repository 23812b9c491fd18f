//! The list of subjects.

use api::{Covers, Page, Problem};
use axum::response::Response;
use clinical::{SubjectStatus, SubjectSummary};
use maud::html;

use crate::asked::{Asked, Failure};
use crate::inspection::too_long;
use crate::links::Links;
use crate::list::{self, Cell, Column, EXPORT_ROWS_MAX, Format, Row};
use crate::page::{self, Here, nothing, pager};

const HEADS: &[Column] = &[
    ("subject", "Subject"),
    ("site", "Site"),
    ("status", "Status"),
    ("first_infusion", "First infusion"),
    ("records", "#Records"),
    ("findings", "#Findings"),
    ("latest_record", "Latest record"),
];

/// Subjects asked for at once for a file.
const PART: usize = 1_000;

pub(crate) async fn subjects(asked: Asked) -> Result<Response, Failure> {
    let format = match Format::asked(asked.given("format")) {
        Ok(format) => format,
        Err(problem) => return Err(asked.fail(problem)),
    };
    if let Some(format) = format {
        return match whole(&asked).await {
            Ok((covers, rows)) => {
                Ok(list::file(format, (&asked.links.trial, "subjects"), &covers, HEADS, &rows))
            }
            Err(problem) => Err(asked.fail(problem)),
        };
    }
    let list = match asked.registry.subjects(&asked.links.trial, asked.page.clone()).await {
        Ok(list) => list,
        Err(problem) => return Err(asked.fail(problem)),
    };
    let links = &asked.links;
    let missing = if asked.page.after.is_some() { "is no further subject" } else { "is no subject" };
    let rows: Vec<Row> = list.subjects.iter().map(|subject| row(subject, links)).collect();
    let main = html! {
        h1 { "Subjects" }
        @if rows.is_empty() { (nothing(missing, &list.covers)) }
        @else {
            (list::shown("Subjects, in the order of their pseudonyms", HEADS, &rows))
            (links.takeaway("/subjects", &[]))
        }
        (pager(
            asked.page.after.is_some().then(|| links.subjects(None)),
            list.next.as_ref().map(|next| links.subjects(Some(next))),
        ))
    };
    Ok(page::trial(&asked, Here::Subjects, "Subjects", &list.covers, &main))
}

fn row(subject: &SubjectSummary, links: &Links) -> Row {
    let status = subject.status.as_str();
    let is_loud = matches!(subject.status, SubjectStatus::Dead | SubjectStatus::Left);
    vec![
        Cell::subject(Some(&subject.subject), links),
        Cell::of(&subject.site),
        if is_loud { Cell::loud(status) } else { Cell::of(status) },
        Cell::maybe(subject.first_infusion_on.as_ref()),
        Cell::of(subject.records),
        Cell::of(subject.findings),
        Cell::record(subject.last_seq, links),
    ]
}

/// All subjects.
async fn whole(asked: &Asked) -> Result<(Covers, Vec<Row>), Problem> {
    let (mut rows, mut after) = (Vec::new(), None);
    loop {
        let page = Page { after, limit: Some(PART) };
        let part = asked.registry.subjects(&asked.links.trial, page).await?;
        rows.extend(part.subjects.iter().map(|subject| row(subject, &asked.links)));
        if rows.len() > EXPORT_ROWS_MAX {
            return Err(too_long());
        }
        let Some(next) = part.next else { return Ok((part.covers, rows)) };
        after = Some(next.to_string());
    }
}
