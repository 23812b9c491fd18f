//! The list of subjects.

use axum::response::Response;
use clinical::SubjectStatus;
use maud::html;

use crate::asked::{Asked, Failure};
use crate::figures::{columns, table};
use crate::page::{self, Here, nothing, pager};
use crate::words::{count, date};

pub(crate) async fn subjects(asked: Asked) -> Result<Response, Failure> {
    let list = match asked.registry.subjects(&asked.links.trial, asked.page.clone()).await {
        Ok(list) => list,
        Err(problem) => return Err(asked.fail(problem)),
    };
    let links = &asked.links;
    let missing = if asked.page.after.is_some() { "is no further subject" } else { "is no subject" };
    let main = html! {
        h1 { "Subjects" }
        @if list.subjects.is_empty() { (nothing(missing, &list.covers)) }
        @else {
            (table(
                "Subjects, in the order of their pseudonyms",
                &columns(&["Subject", "Site", "Status", "First infusion", "#Records", "#Findings", "Latest record"]),
                &html! {
                    @for subject in &list.subjects {
                        tr {
                            th scope="row" { a href=(links.subject(&subject.subject, None)) { (subject.subject) } }
                            td { (subject.site) }
                            td {
                                @match subject.status {
                                    SubjectStatus::Dead | SubjectStatus::Left => strong { (subject.status.as_str()) },
                                    _ => (subject.status.as_str()),
                                }
                            }
                            td { @if let Some(on) = &subject.first_infusion_on { (date(on)) } @else { "none" } }
                            td.number { (count(subject.records)) }
                            td.number { (count(subject.findings)) }
                            td { a href=(links.record(subject.last_seq)) { "#" (subject.last_seq) } }
                        }
                    }
                },
            ))
        }
        (pager(
            asked.page.after.is_some().then(|| links.subjects(None)),
            list.next.as_ref().map(|next| links.subjects(Some(next))),
        ))
    };
    Ok(page::trial(&asked, Here::Subjects, "Subjects", &list.covers, &main))
}
