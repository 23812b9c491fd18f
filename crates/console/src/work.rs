//! My work: what waits at a site on a day: visits due and overdue, findings, statements not endorsed.
//!
//! It is looked for subject by subject, a page of them at a time; the page says how far it looked.

use std::sync::Arc;

use api::{PlanPage, RecordFindings};
use axum::Router;
use axum::response::Response;
use axum::routing::get;
use clinical::SubjectId;
use clinical::plan::{SubjectPlan, VisitStanding, VisitState};
use maud::{Markup, html};

use crate::Console;
use crate::asked::{Asked, Failure};
use crate::figures::{columns, table};
use crate::findings;
use crate::page::{self, Here, pager};
use crate::status::{for_day, of_site, plan_asked, shown, site_form};
use crate::words::{count, counted, words};

pub(crate) fn routes() -> Router<Arc<Console>> {
    Router::new().route("/trials/{trial}/work", get(work))
}

/// Subjects looked at for one page.
const SUBJECTS: usize = 100;

/// Findings shown; the rest stand on their own page.
const FINDINGS: usize = 25;

/// How many findings are looked at for those of the site that is asked for.
const FINDINGS_LOOKED_AT: usize = 1_000;

async fn work(asked: Asked) -> Result<Response, Failure> {
    let plan = match plan_asked(&asked, asked.page.after.as_deref(), SUBJECTS) {
        Ok(plan) => asked.registry.plan(&asked.links.trial, plan).await,
        Err(problem) => Err(problem),
    };
    let plan = match plan {
        Ok(plan) => plan,
        Err(problem) => return Err(asked.fail(problem)),
    };
    // The gate gives a site its own; of all sites' those of one are to be looked for.
    let looked_at = asked.given("site").map_or(FINDINGS + 1, |_| FINDINGS_LOOKED_AT);
    let look = api::Page { after: None, limit: Some(looked_at) };
    let found = match asked.registry.findings(&asked.links.trial, look).await {
        Ok(found) => found,
        Err(problem) => return Err(asked.fail(problem)),
    };
    let is_own = |at: &&RecordFindings| {
        asked.given("site").is_none_or(|site| at.site.as_ref().is_some_and(|of| of.as_str() == site))
    };
    let own: Vec<&RecordFindings> = found.records.iter().filter(is_own).collect();
    let (links, site) = (&asked.links, of_site(&asked));
    let after = |next: &SubjectId| {
        let mut query = site.clone();
        query.push(("after", next.to_string()));
        links.to("/work", &query)
    };
    let main = html! {
        h1 { "My work" }
        (for_day(&asked, plan.on))
        (site_form(&asked, "/work"))
        section { h2 { "Visits" } (visits(&asked, &plan)) }
        section { h2 { "Statements not endorsed" } (not_endorsed(&asked, &plan)) }
        section {
            h2 { "Findings" }
            @if own.is_empty() && found.next.is_some() {
                p.nothing { "None among the first of them. " a href=(links.findings(None)) { "All findings" } }
            }
            @else if own.is_empty() { p.nothing { "None." } }
            @else {
                (listed(&asked, &own[..own.len().min(FINDINGS)]))
                @if own.len() > FINDINGS || found.next.is_some() {
                    p { a href=(links.findings(None)) { "All findings" } }
                }
            }
        }
        (pager(
            asked.page.after.is_some().then(|| links.to("/work", &site)),
            plan.next.as_ref().map(after),
        ))
    };
    Ok(page::trial(&asked, Here::Work, "My work", &plan.covers, &main))
}

/// How far the page looked.
fn looked_at(plan: &PlanPage) -> Markup {
    html! {
        p.quiet {
            "Looked at " (counted(plan.subjects.len() as u64, "subject", "subjects"))
            @if let (Some(first), Some(last)) = (plan.subjects.first(), plan.subjects.last()) {
                ", " (first.subject) " to " (last.subject)
            }
            @if plan.next.is_some() { "; more follow on the next part." } @else { "." }
        }
    }
}

fn visits(asked: &Asked, plan: &PlanPage) -> Markup {
    let mut waiting: Vec<(&SubjectPlan, &VisitStanding)> = plan
        .subjects
        .iter()
        .flat_map(|subject| subject.visits.iter().map(move |visit| (subject, visit)))
        .filter(|(_, visit)| matches!(visit.state, VisitState::Due | VisitState::Overdue))
        .collect();
    // What is over for longest comes first, then what closes next.
    waiting.sort_by_key(|(subject, visit)| (visit.state, visit.closes_on, subject.subject.clone()));
    let overdue = waiting.iter().filter(|(_, visit)| visit.state == VisitState::Overdue).count() as u64;
    html! {
        p {
            strong { (count(overdue)) " overdue" } ", " (count(waiting.len() as u64 - overdue)) " due now."
        }
        (looked_at(plan))
        @if !waiting.is_empty() {
            (table(
                "Visits overdue, then those due now, by the end of their windows",
                &columns(&["Subject", "Site", "Visit", "State", "Window opens", "Window closes"]),
                &html! {
                    @for (subject, visit) in &waiting {
                        tr {
                            th scope="row" { a href=(asked.links.subject(&subject.subject, None)) { (subject.subject) } }
                            td { (subject.site) }
                            td { (visit.name) }
                            td { (shown(visit.state)) }
                            td { @if let Some(on) = visit.opens_on { (on) } }
                            td { @if let Some(on) = visit.closes_on { (on) } }
                        }
                    }
                },
            ))
        }
    }
}

fn not_endorsed(asked: &Asked, plan: &PlanPage) -> Markup {
    let waiting: Vec<&SubjectPlan> =
        plan.subjects.iter().filter(|subject| !subject.not_endorsed.is_empty()).collect();
    html! {
        @if waiting.is_empty() { p.nothing { "None among the subjects looked at." } }
        @else {
            (table(
                "Judgements that a coordinator entered and that wait for an investigator's signature",
                &columns(&["Subject", "Site", "Records"]),
                &html! {
                    @for subject in &waiting {
                        tr {
                            th scope="row" { a href=(asked.links.subject(&subject.subject, None)) { (subject.subject) } }
                            td { (subject.site) }
                            td {
                                @for (index, seq) in subject.not_endorsed.iter().enumerate() {
                                    @if index > 0 { ", " } a href=(asked.links.record(seq)) { "#" (seq) }
                                }
                            }
                        }
                    }
                },
            ))
        }
    }
}

fn listed(asked: &Asked, found: &[&RecordFindings]) -> Markup {
    table(
        "Records to be looked at, in the order of the log",
        &columns(&["Record", "Findings", "Subject", "Kind", "Site"]),
        &html! {
            @for at in found {
                tr {
                    th scope="row" { a href=(asked.links.record(at.seq)) { "#" (at.seq) } }
                    td.what { (findings::listed(&at.findings)) }
                    td { @if let Some(subject) = &at.subject { a href=(asked.links.subject(subject, None)) { (subject) } } @else { "–" } }
                    td { (words(at.kind.as_str())) }
                    td { @if let Some(site) = &at.site { (site) } @else { "–" } }
                }
            }
        },
    )
}
