//! My work: what waits at a site on a day: visits due and overdue, statements to endorse, submissions that were refused,
//! findings.
//!
//! It is looked for subject by subject, a page of them at a time; the page says how far it looked.

use std::sync::Arc;

use api::{FindingsPage, PlanPage, Problem, RecordFindings, RecordView, RefusedAsked, RefusedPage};
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
use crate::signatures;
use crate::status::{for_day, of_site, plan_asked, site_form};
use crate::trail::Read;
use crate::words::{count, counted, instant, words};

pub(crate) fn routes() -> Router<Arc<Console>> {
    Router::new().route("/trials/{trial}/work", get(work))
}

/// Subjects looked at for one page.
const SUBJECTS: usize = 100;

/// Findings shown; the rest stand on their own page.
const FINDINGS: usize = 25;

/// Statements shown that wait for a signature.
const TO_ENDORSE: usize = 50;

/// Refused submissions shown, the latest.
const REFUSED: usize = 25;

/// How many findings are looked at for those of the site that is asked for.
const FINDINGS_LOOKED_AT: usize = 1_000;

/// What the page is made from.
struct Waiting {
    plan: PlanPage,
    found: FindingsPage,
    refused: RefusedPage,
    to_endorse: Vec<ToEndorse>,
    to_endorse_in_all: u64,
}

impl Waiting {
    async fn read(asked: &Asked) -> Result<Self, Problem> {
        let (registry, trial) = (&asked.registry, &asked.links.trial);
        let look = plan_asked(asked, asked.page.after.as_deref(), SUBJECTS)?;
        let site = look.site.clone();
        let plan = registry.plan(trial, look).await?;
        // The gate gives a site its own; of all sites' those of one are to be looked for.
        let looked_at = site.as_ref().map_or(FINDINGS + 1, |_| FINDINGS_LOOKED_AT);
        let found = registry.findings(trial, api::Page { after: None, limit: Some(looked_at) }).await?;
        let refused =
            registry.refused(trial, RefusedAsked { site, before: None, limit: Some(REFUSED) }).await?;
        let (to_endorse, to_endorse_in_all) = to_endorse(asked, &plan).await?;
        Ok(Self { plan, found, refused, to_endorse, to_endorse_in_all })
    }
}

async fn work(asked: Asked) -> Result<Response, Failure> {
    let Waiting { plan, found, refused, to_endorse, to_endorse_in_all } = match Waiting::read(&asked).await {
        Ok(waiting) => waiting,
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
        section { h2 { "To endorse" } (endorsements(&asked, &to_endorse, to_endorse_in_all)) }
        section { h2 { "Refused" } (refused_lately(&refused)) }
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

/// What was signed, and is not recorded.
fn refused_lately(found: &RefusedPage) -> Markup {
    if found.refused.is_empty() && found.next.is_none() {
        return html! { p.nothing { "Nothing that was signed in the last 30 days waits unrecorded." } };
    }
    html! {
        p { "Signed and submitted in the last 30 days, and not recorded. What is to be recorded after all is stated anew." }
        (table(
            "Refused submissions, the latest first",
            &columns(&["Subject", "What", "Refused", "Signed by", "Why", "#Times"]),
            &html! {
                @for one in &found.refused {
                    tr {
                        // No link: it may be the subject that there is not.
                        th scope="row" { @match &one.subject { Some(subject) => (subject), None => "–" } }
                        td { (words(one.kind.as_str())) }
                        td { (instant(one.at)) }
                        td { (one.actor) }
                        td.what {
                            (one.title) @if one.detail != one.title { " " (one.detail) }
                            @if !one.pointer.is_empty() { " (at " code { (one.pointer) } ")" }
                        }
                        td.number { (count(one.times)) }
                    }
                }
            },
        ))
        @if found.next.is_some() { p.quiet { "Earlier ones are not shown." } }
    }
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
                            td { (crate::status::shown(visit.state)) }
                            td { @if let Some(on) = visit.opens_on { (on) } }
                            td { @if let Some(on) = visit.closes_on { (on) } }
                        }
                    }
                },
            ))
        }
    }
}

/// What waits for an investigator's signature.
struct ToEndorse {
    subject: SubjectId,
    view: RecordView,
}

/// The statements of the page's subjects that wait, the first ones of them with what they say; and how many wait in all.
async fn to_endorse(asked: &Asked, plan: &PlanPage) -> Result<(Vec<ToEndorse>, u64), Problem> {
    let of = |subject: &SubjectPlan| {
        let seqs = [&subject.not_endorsed[..], &subject.in_doubt[..]].concat();
        seqs.into_iter().map(|seq| (subject.subject.clone(), seq)).collect::<Vec<_>>()
    };
    let waiting: Vec<_> = plan.subjects.iter().flat_map(of).collect();
    let mut shown = Vec::new();
    for (subject, seq) in waiting.iter().take(TO_ENDORSE) {
        let view = asked.registry.record(&asked.links.trial, *seq).await?;
        shown.push(ToEndorse { subject: subject.clone(), view });
    }
    Ok((shown, waiting.len() as u64))
}

fn endorsements(asked: &Asked, shown: &[ToEndorse], waiting: u64) -> Markup {
    let choose = |subject: &SubjectId, site: &str| {
        format!("/trials/{}/subjects/{subject}/record/signature?site={site}", asked.links.trial)
    };
    html! {
        @if shown.is_empty() { p.nothing { "None among the subjects looked at." } }
        @else {
            p {
                "Judgements that a coordinator entered, and what was signed with a key that others may have had. An \
                 investigator of the site endorses them, or corrects them."
            }
            (table(
                "Statements that wait for an investigator's signature",
                &columns(&["Subject", "Record", "Kind", "Date of the fact", "What it says", "Entered by", "Recorded", "Why it waits", "Sign"]),
                &html! {
                    @for ToEndorse { subject, view } in shown {
                        @let read = Read::new(view);
                        tr {
                            th scope="row" { a href=(asked.links.subject(subject, None)) { (subject) } }
                            td { a href=(asked.links.record(view.seq)) { "#" (view.seq) } }
                            td { (read.kind()) }
                            td { (read.text("/occurred_on").unwrap_or("–")) }
                            td { (signatures::gist(&read)) }
                            td { (read.actor()) @if let Some(from) = read.taken_from() { br; (from) } }
                            td { (instant(read.member("recorded_at"))) }
                            td { @if view.waits_for_endorsement() { "a coordinator's judgement" } @else { "key in doubt" } }
                            td {
                                a href=(choose(subject, read.text("/site").unwrap_or_default()))
                                    aria-label=(format!("Endorse statements about {subject}")) { "Endorse" }
                            }
                        }
                    }
                },
            ))
            @if waiting > shown.len() as u64 {
                p { (counted(waiting - shown.len() as u64, "more waits", "more wait")) ": they follow here once these are signed." }
            }
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
                    td.what { (findings::listed(&at.findings, &at.confirmed)) }
                    td { @if let Some(subject) = &at.subject { a href=(asked.links.subject(subject, None)) { (subject) } } @else { "–" } }
                    td { (words(at.kind.as_str())) }
                    td { @if let Some(site) = &at.site { (site) } @else { "–" } }
                }
            }
        },
    )
}
