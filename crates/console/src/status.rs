//! Record status: subjects against planned visits, each cell an icon and a word. It counts nothing; where a visit stands
//! is the registry's word, for one day.

use std::sync::Arc;

use api::{Covers, PlanAsked, PlanPage, Problem};
use axum::Router;
use axum::response::Response;
use axum::routing::get;
use clinical::PartialDate;
use clinical::plan::{SubjectPlan, VisitStanding, VisitState};
use maud::{Markup, html};

use crate::Console;
use crate::asked::{Asked, Failure};
use crate::figures::{columns, table};
use crate::inspection::too_long;
use crate::links::Links;
use crate::list::{self, Cell, Column, EXPORT_ROWS_MAX, Format, Row};
use crate::page::{self, Here, nothing, pager};

pub(crate) fn routes() -> Router<Arc<Console>> {
    Router::new().route("/trials/{trial}/status", get(status))
}

/// The file has a row for each subject and visit: how many visits there are differs from trial to trial.
const HEADS: &[Column] = &[
    ("subject", "Subject"),
    ("site", "Site"),
    ("visit", "Visit"),
    ("state", "State"),
    ("opens_on", "Window opens"),
    ("closes_on", "Window closes"),
    ("on", "On"),
    ("record", "Record"),
];

/// Subjects asked for at once for a file.
const PART: usize = 1_000;

/// The sign and the word of a state; the word alone says all.
pub(crate) fn sign(state: VisitState) -> (&'static str, &'static str) {
    match state {
        VisitState::Done => ("✓", "done"),
        VisitState::Partial => ("◐", "partly done"),
        VisitState::Missed => ("✗", "missed"),
        VisitState::Overdue => ("!", "overdue"),
        VisitState::Due => ("○", "due now"),
        VisitState::NotDue => ("·", "not due"),
    }
}

fn meaning(state: VisitState) -> &'static str {
    match state {
        VisitState::Done => "recorded as done",
        VisitState::Partial => "recorded as done in part",
        VisitState::Missed => "recorded as missed, with a reason",
        VisitState::Overdue => "not recorded, and its window is over",
        VisitState::Due => "not recorded, and its window is open",
        VisitState::NotDue => {
            "its window is not open yet, or never will be: no first infusion, or the subject died or left before it closed"
        }
    }
}

/// The class by which the style sheet marks a state beside its sign.
pub(crate) fn class(state: VisitState) -> &'static str {
    match state {
        VisitState::Done => "state good",
        VisitState::Partial | VisitState::Due => "state unsure",
        VisitState::Missed | VisitState::Overdue => "state bad",
        VisitState::NotDue => "state quiet",
    }
}

/// The plan as the address asks for it: up to the cutoff if there is one, of one site if there is one.
pub(crate) fn plan_asked(asked: &Asked, after: Option<&str>, limit: usize) -> Result<PlanAsked, Problem> {
    let site = asked.given("site").map(str::parse).transpose();
    let site = site.map_err(|_| Problem::bad_request("site is a site's id"))?;
    let after = after.map(str::parse).transpose();
    let after = after.map_err(|_| Problem::bad_request("after is a subject's pseudonym"))?;
    Ok(PlanAsked { on: asked.links.cutoff, site, after, limit: Some(limit) })
}

/// The site, as the address goes on asking for it.
pub(crate) fn of_site(asked: &Asked) -> Vec<(&'static str, String)> {
    asked.given("site").map(|site| ("site", site.to_owned())).into_iter().collect()
}

/// A form that chooses one site, where there are several.
pub(crate) fn site_form(asked: &Asked, tail: &str) -> Markup {
    html! {
        @if asked.detail.sites.len() > 1 {
            form.filter method="get" action=(format!("/trials/{}{tail}", asked.links.trial)) {
                @if let Some(cutoff) = asked.links.cutoff { input type="hidden" name="cutoff" value=(PartialDate::from(cutoff)); }
                p {
                    label for="site" { "Site" } " "
                    select #site name="site" {
                        option value="" { "every site that you may see" }
                        @for site in &asked.detail.sites {
                            option value=(site.site) selected[asked.given("site") == Some(site.site.as_str())] { (site.site) ": " (site.name) }
                        }
                    }
                }
                p { button { "Show" } }
            }
        }
    }
}

/// For which day a page speaks.
pub(crate) fn for_day(asked: &Asked, on: PartialDate) -> Markup {
    html! {
        p.quiet {
            "As of " strong { (on) }
            @if asked.links.cutoff.is_some() { ", the cutoff in this page's address." }
            @else { ", today in the trial's zone (" (asked.detail.trial.zone) ")." }
        }
    }
}

async fn status(asked: Asked) -> Result<Response, Failure> {
    let format = match Format::asked(asked.given("format")) {
        Ok(format) => format,
        Err(problem) => return Err(asked.fail(problem)),
    };
    if let Some(format) = format {
        return match whole(&asked).await {
            Ok((covers, rows)) => {
                Ok(list::file(format, (&asked.links.trial, "status"), &covers, HEADS, &rows))
            }
            Err(problem) => Err(asked.fail(problem)),
        };
    }
    let found = match part(&asked, asked.page.after.as_deref(), asked.page.limit()).await {
        Ok(found) => found,
        Err(problem) => return Err(asked.fail(problem)),
    };
    let (links, site) = (&asked.links, of_site(&asked));
    let with = |name: &'static str, value: &str| {
        let mut query = site.clone();
        query.push((name, value.to_owned()));
        links.to("/status", &query)
    };
    let main = html! {
        h1 { "Record status" }
        (for_day(&asked, found.on))
        (site_form(&asked, "/status"))
        (legend())
        @if found.schedule.is_empty() { p.note { "The trial has no planned visits." } }
        @if found.subjects.is_empty() {
            (nothing(if asked.page.after.is_some() { "is no further subject" } else { "is no subject" }, &found.covers))
        } @else {
            (matrix(&found, links))
            (list::takeaway(&with("format", "csv"), &with("format", "json")))
        }
        (pager(
            asked.page.after.is_some().then(|| links.to("/status", &site)),
            found.next.as_ref().map(|next| with("after", next.as_str())),
        ))
    };
    Ok(page::trial(&asked, Here::Status, "Record status", &found.covers, &main))
}

async fn part(asked: &Asked, after: Option<&str>, limit: usize) -> Result<PlanPage, Problem> {
    asked.registry.plan(&asked.links.trial, plan_asked(asked, after, limit)?).await
}

async fn whole(asked: &Asked) -> Result<(Covers, Vec<Row>), Problem> {
    let (mut rows, mut after, mut covers): (Vec<Row>, Option<String>, Option<Covers>) =
        (Vec::new(), None, None);
    loop {
        let found = part(asked, after.as_deref(), PART).await?;
        covers.get_or_insert(found.covers);
        for plan in &found.subjects {
            rows.extend(plan.visits.iter().map(|visit| row(plan, visit, &asked.links)));
        }
        if rows.len() > EXPORT_ROWS_MAX {
            return Err(too_long());
        }
        after = found.next.map(|next| next.to_string());
        if after.is_none() {
            let covers = covers.ok_or_else(|| Problem::internal("a list covers nothing"))?;
            return Ok((covers, rows));
        }
    }
}

fn row(plan: &SubjectPlan, visit: &VisitStanding, links: &Links) -> Row {
    vec![
        Cell::subject(Some(&plan.subject), links),
        Cell::of(&plan.site),
        Cell::of(&visit.name),
        Cell::of(sign(visit.state).1),
        Cell::maybe(visit.opens_on),
        Cell::maybe(visit.closes_on),
        Cell::maybe(visit.on),
        visit.seq.map_or_else(Cell::default, |seq| Cell::record(seq, links)),
    ]
}

fn legend() -> Markup {
    html! {
        ul.legend aria-label="Legend" {
            @for state in VisitState::ALL {
                li { (shown(state)) ": " (meaning(state)) }
            }
        }
    }
}

/// A state's sign and word.
pub(crate) fn shown(state: VisitState) -> Markup {
    let (sign, word) = sign(state);
    html! { span class=(class(state)) { span.sign aria-hidden="true" { (sign) } " " (word) } }
}

fn matrix(found: &PlanPage, links: &Links) -> Markup {
    let names = found.schedule.iter().map(|planned| planned.name.as_str());
    let heads: Vec<&str> =
        ["Subject", "Site", "Status"].into_iter().chain(names).chain(["#Unscheduled", "#Findings"]).collect();
    table(
        "Subjects, in the order of their pseudonyms, against planned visits",
        &columns(&heads),
        &html! {
            @for plan in &found.subjects {
                tr {
                    th scope="row" { a href=(links.subject(&plan.subject, None)) { (plan.subject) } }
                    td { (plan.site) }
                    td { (plan.status.as_str()) }
                    @for visit in &plan.visits { td.visit { (cell(visit, links)) } }
                    td.number { (plan.unscheduled) }
                    td.number { (plan.findings) }
                }
            }
        },
    )
}

fn cell(visit: &VisitStanding, links: &Links) -> Markup {
    html! {
        @match visit.seq {
            Some(seq) => a href=(links.record(seq)) { (shown(visit.state)) },
            None => (shown(visit.state)),
        }
        @match (visit.on, visit.state) {
            (Some(on), _) => small { (on) },
            (None, VisitState::Overdue | VisitState::Due) => {
                @if let Some(closes) = visit.closes_on { small { "until " (closes) } }
            },
            _ => {},
        }
    }
}
