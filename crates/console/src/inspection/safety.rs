//! Lists out of the safety report: serious events with their clocks, deaths. Every value is the report's own, but for the
//! days from awareness to report, which are counted between two of its dates.

use api::{Problem, ReportKind};
use clinical::PartialDate;
use clinical::date::days_between;
use serde::Deserialize;
use serde_json::Value;

use super::Part;
use crate::asked::Asked;
use crate::links::Links;
use crate::list::{Cell, Column, Row};
use crate::words::words;

pub(super) const SERIOUS: &[Column] = &[
    ("subject", "Subject"),
    ("site", "Site"),
    ("onset", "Onset"),
    ("term", "Term"),
    ("criteria", "Criteria"),
    ("jurisdiction", "Rules"),
    ("aware_on", "Aware on"),
    ("last_day", "Last day"),
    ("first_report_on", "First report"),
    ("days", "#Days to report"),
    ("status", "Status"),
    ("record", "Record"),
];

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Event {
    subject: String,
    site: String,
    onset: String,
    pt: Option<String>,
    criteria: Vec<String>,
    first_seq: u64,
    latest_seq: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Clock {
    subject: String,
    jurisdiction: String,
    trigger: Option<String>,
    aware_on: Option<String>,
    due_on: Option<String>,
    sent_on: Vec<String>,
    status: String,
    first_seq: u64,
    latest_seq: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Death {
    subject: String,
    site: String,
    on: String,
    treated: bool,
    relation: String,
    days_since_last_infusion: Option<i64>,
    latest_seq: u64,
}

/// A list of the report, by its pointer.
fn listing<T: for<'de> Deserialize<'de>>(report: &Value, pointer: &str) -> Result<Vec<T>, Problem> {
    let missing =
        || Problem::not_found(format!("the safety report holds no {pointer} in a form that this page knows"));
    let found = report.pointer(pointer).ok_or_else(missing)?;
    Vec::deserialize(found).map_err(|_| missing())
}

async fn report(asked: &Asked) -> Result<(api::Covers, Value), Problem> {
    let view = asked.report(ReportKind::Safety).await?;
    let report = serde_json::from_str(view.report.get())
        .map_err(|_| Problem::internal("the safety report is not JSON"))?;
    Ok((view.covers, report))
}

/// A part of rows that are all there.
pub(super) fn cut(
    covers: api::Covers,
    rows: Vec<Row>,
    after: Option<&str>,
    limit: usize,
) -> Result<Part, Problem> {
    let from = after.map(str::parse::<usize>).transpose();
    let from = from.map_err(|_| Problem::bad_request("after is a number of rows"))?.unwrap_or(0);
    let all = rows.len();
    let rows: Vec<Row> = rows.into_iter().skip(from).take(limit).collect();
    let until = from.saturating_add(rows.len());
    Ok(Part { covers, rows, next: (until < all).then(|| until.to_string()) })
}

fn subject(text: &str, links: &Links) -> Cell {
    text.parse().map_or_else(|_| Cell::of(text), |subject| Cell::subject(Some(&subject), links))
}

fn days(from: Option<&String>, to: Option<&String>) -> Option<i32> {
    let day = |text: &String| text.parse::<PartialDate>().ok().and_then(PartialDate::day);
    Some(days_between(day(from?)?, day(to?)?))
}

pub(super) async fn serious(asked: &Asked, after: Option<String>, limit: usize) -> Result<Part, Problem> {
    let (covers, report) = report(asked).await?;
    let (events, clocks): (Vec<Event>, Vec<Clock>) =
        (listing(&report, "/serious_events")?, listing(&report, "/expedited/listing")?);
    let mut rows = Vec::new();
    for event in &events {
        let own = clocks.iter().filter(|clock| {
            let same = clock.latest_seq == event.latest_seq || clock.first_seq == event.first_seq;
            clock.subject == event.subject && same
        });
        let own: Vec<&Clock> = own.collect();
        if own.is_empty() {
            rows.push(row(
                event,
                &Clock { status: "no rules for this country".to_owned(), ..Clock::default() },
                &asked.links,
            ));
        }
        rows.extend(own.into_iter().map(|clock| row(event, clock, &asked.links)));
    }
    cut(covers, rows, after.as_deref(), limit)
}

fn row(event: &Event, clock: &Clock, links: &Links) -> Row {
    let first = clock.sent_on.iter().min();
    let status = words(&clock.status);
    let status = match status.as_str() {
        "overdue" | "sent late" => Cell::loud(status),
        _ if clock.trigger.is_none() && clock.aware_on.is_some() => Cell::of("no report is required"),
        _ => Cell::of(status),
    };
    let criteria: Vec<String> = event.criteria.iter().map(|name| words(name)).collect();
    vec![
        subject(&event.subject, links),
        Cell::of(&event.site),
        Cell::of(if event.onset.is_empty() { "unknown" } else { &event.onset }),
        Cell::of(event.pt.as_deref().unwrap_or("not coded")),
        Cell::of(criteria.join(", ")),
        Cell::of(&clock.jurisdiction),
        Cell::maybe(clock.aware_on.as_ref()),
        Cell::maybe(clock.due_on.as_ref()),
        Cell::maybe(first),
        Cell::maybe(days(clock.aware_on.as_ref(), first)),
        status,
        Cell::record(event.latest_seq, links),
    ]
}

pub(super) const DEATHS: &[Column] = &[
    ("subject", "Subject"),
    ("site", "Site"),
    ("on", "Died on"),
    ("treated", "Infused"),
    ("days_since_last_infusion", "#Days since last infusion"),
    ("relation", "Relation"),
    ("record", "Record"),
];

pub(super) async fn deaths(asked: &Asked, after: Option<String>, limit: usize) -> Result<Part, Problem> {
    let (covers, report) = report(asked).await?;
    let deaths: Vec<Death> = listing(&report, "/deaths/listing")?;
    let rows = deaths.iter().map(|death| {
        vec![
            subject(&death.subject, &asked.links),
            Cell::of(&death.site),
            Cell::of(&death.on),
            Cell::of(if death.treated { "yes" } else { "no" }),
            Cell::maybe(death.days_since_last_infusion),
            Cell::of(words(&death.relation)),
            Cell::record(death.latest_seq, &asked.links),
        ]
    });
    cut(covers, rows.collect(), after.as_deref(), limit)
}
