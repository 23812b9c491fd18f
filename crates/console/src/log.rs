//! The trail of the whole trial: who recorded what, when, at which site and why, as far as a filter lets it through.

use std::sync::Arc;

use api::{Covers, Problem, TrailAsked, TrailEntry};
use axum::Router;
use axum::response::Response;
use axum::routing::get;
use clinical::event::AmendReason;
use clinical::{Effect, EventKind};
use maud::{Markup, html};

use crate::Console;
use crate::asked::{Asked, Failure};
use crate::inspection::too_long;
use crate::links::Links;
use crate::list::{self, Cell, Column, EXPORT_ROWS_MAX, Format, Row};
use crate::page::{self, Here, nothing, pager};
use crate::words::words;

pub(crate) fn routes() -> Router<Arc<Console>> {
    Router::new().route("/trials/{trial}/trail", get(trail))
}

const HEADS: &[Column] = &[
    ("record", "Record"),
    ("recorded_at", "Recorded"),
    ("who", "Who"),
    ("role", "Role"),
    ("kind", "Kind"),
    ("subject", "Subject"),
    ("site", "Site"),
    ("on", "Date of the fact"),
    ("amends", "Amends"),
    ("reason", "Why"),
    ("signed_at", "Signed"),
    ("hash", "Hash"),
];

/// Rows asked for at once for a file.
const PART: usize = 1_000;

async fn trail(asked: Asked) -> Result<Response, Failure> {
    let read = TrailAsked::read(&|name| asked.given(name).map(str::to_owned));
    let (filter, format) = match (read, Format::asked(asked.given("format"))) {
        (Ok(filter), Ok(format)) => (TrailAsked { limit: asked.page.limit, ..filter }, format),
        (Err(problem), _) | (_, Err(problem)) => return Err(asked.fail(problem)),
    };
    if let Some(format) = format {
        return match whole(&asked, filter).await {
            Ok((covers, rows)) => {
                Ok(list::file(format, (&asked.links.trial, "trail"), &covers, HEADS, &rows))
            }
            Err(problem) => Err(asked.fail(problem)),
        };
    }
    let found = match asked.registry.trail(&asked.links.trial, filter.clone()).await {
        Ok(found) => found,
        Err(problem) => return Err(asked.fail(problem)),
    };
    let links = &asked.links;
    let query = filter.filters();
    let with = |name: &'static str, value: &str| {
        let mut query = query.clone();
        query.push((name, value.to_owned()));
        links.trail(&query)
    };
    let rows: Vec<Row> = found.entries.iter().map(|entry| row(entry, links)).collect();
    let main = html! {
        p.up { a href=(links.inspection()) { "Inspection" } }
        h1 { "Trail of the whole trial" }
        p { "Every record in the order of the log: who, in which role, when, and for an amendment why. What a record states stands on its own page." }
        (form(&asked, &filter))
        @if rows.is_empty() && found.next.is_none() {
            (nothing(if query.is_empty() && filter.after.is_none() { "is no record" } else { "is no further record that is asked for" }, &found.covers))
        } @else {
            @if rows.is_empty() { p.nothing { "Nothing that is asked for among the records looked through so far." } }
            @else { (list::shown("Records in the order of the log", HEADS, &rows)) }
            (list::takeaway(&with("format", "csv"), &with("format", "json")))
        }
        (pager(
            filter.after.is_some().then(|| links.trail(&query)),
            found.next.map(|next| with("after", &next.to_string())),
        ))
    };
    Ok(page::trial(&asked, Here::Inspection, "Trail", &found.covers, &main))
}

/// Every record that is asked for, from the beginning on.
async fn whole(asked: &Asked, filter: TrailAsked) -> Result<(Covers, Vec<Row>), Problem> {
    let (mut rows, mut after, mut covers) = (Vec::new(), None, None);
    loop {
        let look = TrailAsked { after, limit: Some(PART), ..filter.clone() };
        let part = asked.registry.trail(&asked.links.trial, look).await?;
        covers.get_or_insert(part.covers);
        rows.extend(part.entries.iter().map(|entry| row(entry, &asked.links)));
        if rows.len() > EXPORT_ROWS_MAX {
            return Err(too_long());
        }
        after = part.next;
        if after.is_none() {
            let covers = covers.ok_or_else(|| Problem::internal("a list covers nothing"))?;
            return Ok((covers, rows));
        }
    }
}

/// The kind, and of a signature what it says about which records.
fn kind(entry: &TrailEntry) -> String {
    let kind = words(entry.kind.as_str());
    let Some(signs) = &entry.signs else { return kind };
    let records: Vec<String> = signs.statements.iter().map(|seq| format!("#{seq}")).collect();
    format!("{kind}: {} of {}", signs.meaning.as_str(), records.join(", "))
}

fn row(entry: &TrailEntry, links: &Links) -> Row {
    let amends = entry.amends.as_ref();
    vec![
        Cell::record(entry.seq, links),
        Cell::of(entry.recorded_at),
        Cell::of(&entry.actor.id),
        Cell::of(words(entry.actor.role.as_str())),
        Cell::of(kind(entry)),
        Cell::subject(entry.subject.as_ref(), links),
        Cell::maybe(entry.site.as_ref()),
        Cell::maybe(entry.occurred_on),
        amends.map_or_else(Cell::default, |amends| Cell::record(amends.seq, links)),
        amends.map_or_else(Cell::default, |amends| {
            let void = if amends.effect == Effect::Void { ", declared void" } else { "" };
            Cell::of(format!("{}{void}", words(amends.reason.as_str())))
        }),
        Cell::of(entry.signed_at),
        Cell::of(entry.hash),
    ]
}

fn form(asked: &Asked, filter: &TrailAsked) -> Markup {
    let value = |name: &str| asked.given(name).unwrap_or_default().to_owned();
    let kind = match filter.kinds.as_slice() {
        [one] => Some(*one),
        _ => None,
    };
    let reason = filter.reason.map(|reason| reason.to_string()).unwrap_or_default();
    html! {
        form.filter method="get" action=(asked.links.trail(&[])) {
            p { label for="who" { "Who" } " " input #who name="who" value=(value("who")) list="people"; }
            datalist #people { @for key in &asked.detail.keys { option value=(key.holder) {} } }
            p {
                label for="kind" { "Kind" } " "
                select #kind name="kind" {
                    option value="" { "any" }
                    // Several kinds at once are asked for in the address alone, and are kept.
                    @if filter.kinds.len() > 1 { option value=(value("kind")) selected { (words(&value("kind"))) } }
                    @for one in EventKind::ALL.iter().filter(|kind| kind.is_open()) {
                        option value=(one.as_str()) selected[kind == Some(*one)] { (words(one.as_str())) }
                    }
                }
            }
            p {
                label for="site" { "Site" } " "
                select #site name="site" {
                    option value="" { "any" }
                    @for site in &asked.detail.sites {
                        option value=(site.site) selected[filter.site.as_ref() == Some(&site.site)] { (site.site) }
                    }
                }
            }
            p { label for="subject" { "Subject" } " " input #subject name="subject" value=(value("subject")); }
            p { label for="from" { "Recorded from" } " " input #from name="from" type="date" value=(value("from")); }
            p { label for="until" { "until" } " " input #until name="until" type="date" value=(value("until")); }
            p {
                label for="reason" { "Reason given" } " "
                select #reason name="reason" {
                    option value="" { "with or without" }
                    option value="any" selected[reason == "any"] { "any: all amendments" }
                    @for one in AmendReason::ALL {
                        option value=(one.as_str()) selected[reason == one.as_str()] { (words(one.as_str())) }
                    }
                }
            }
            p { button { "Show" } }
        }
    }
}
