//! Every amendment with what it changes, whether that is an endpoint item, how late it came, and whether a cut lies between.

use api::{Problem, RecordView, TrailAsked, TrailEntry};
use clinical::Effect;
use maud::{Markup, html};

use super::Part;
use super::conduct::after_of;
use crate::asked::Asked;
use crate::changes;
use crate::links::Links;
use crate::list::{Cell, Column, Row};
use crate::trail::Read;
use crate::values::name;
use crate::words::words;

pub(super) const CORRECTIONS: &[Column] = &[
    ("record", "Record"),
    ("recorded_at", "Recorded"),
    ("subject", "Subject"),
    ("site", "Site"),
    ("kind", "Kind"),
    ("amends", "Amends"),
    ("effect", "Effect"),
    ("reason", "Why"),
    ("by", "By"),
    ("role", "Role"),
    ("changed", "What changed"),
    ("endpoint_item", "Endpoint item"),
    ("days", "#Days after"),
    ("late", "Late"),
    ("after_cuts", "After cuts"),
];

/// An amendment recorded later than this after the record it amends is late.
const LATE_DAYS: i64 = 30;

/// Members on which figures of the outcome report rest, by what their paths begin with.
const ENDPOINT_ITEMS: [&str; 11] = [
    "sledai",
    "pga",
    "response",
    "relapse",
    "prednisone_mg_per_day",
    "observations",
    "medications",
    "gvhd",
    "status",
    "reason",
    "date of the fact",
];

/// Kinds of which every member is one: when somebody was infused, died or left decides about every figure over time.
const ENDPOINT_KINDS: [&str; 3] = ["infusion", "disposition", "adjudication"];

/// Which of them are asked for.
const CHOICES: [(&str, &str); 3] =
    [("endpoint", "of endpoint items"), ("late", "late"), ("after-cut", "after a data cut")];

/// How often the trail is looked at for a page of those asked for.
const LOOKS_MAX: usize = 10;

/// Links to the parts of the list.
pub(super) fn choices(links: &Links, only: Option<&str>) -> Markup {
    let tail = "/inspection/corrections";
    html! {
        nav.choices aria-label="Which corrections" {
            ul {
                li { a href=(links.to(tail, &[])) aria-current=[only.is_none().then_some("true")] { "All" } }
                @for (value, title) in CHOICES {
                    li { a href=(links.to(tail, &[("only", value.to_owned())])) aria-current=[(only == Some(value)).then_some("true")] { "Those " (title) } }
                }
            }
        }
    }
}

/// An amendment beside what it amends.
struct Correction {
    entry: TrailEntry,
    new: RecordView,
    old: RecordView,
}

/// What follows from the two records.
struct Judged {
    changed: Vec<String>,
    endpoint_items: Vec<String>,
    days: i64,
    cuts: Vec<String>,
}

pub(super) async fn corrections(asked: &Asked, after: Option<String>, limit: usize) -> Result<Part, Problem> {
    let only = asked.given("only");
    if only.is_some_and(|only| !CHOICES.iter().any(|(value, _)| *value == only)) {
        return Err(Problem::bad_request("only is endpoint, late or after-cut"));
    }
    let (mut rows, mut after, mut covers) = (Vec::new(), after, None);
    for _ in 0..LOOKS_MAX {
        let look = after_of(after.as_deref())?;
        let look = TrailAsked { reason: Some(api::ReasonAsked::Any), limit: Some(limit), ..look };
        let found = asked.registry.trail(&asked.links.trial, look).await?;
        covers.get_or_insert(found.covers);
        after = found.next.map(|next| next.to_string());
        let last = found.entries.last().map(|last| last.seq);
        for entry in found.entries {
            let seq = entry.seq;
            let correction = Correction::of(asked, entry).await?;
            let judged = correction.judged(asked);
            let takes = match only {
                Some("endpoint") => !judged.endpoint_items.is_empty(),
                Some("late") => judged.is_late(),
                Some(_) => !judged.cuts.is_empty(),
                None => true,
            };
            if takes {
                rows.push(correction.row(&judged, &asked.links));
            }
            if rows.len() >= limit && (last != Some(seq) || after.is_some()) {
                let covers = covers.ok_or_else(|| Problem::internal("a list covers nothing"))?;
                return Ok(Part { covers, rows, next: Some(seq.to_string()) });
            }
        }
        if after.is_none() {
            break;
        }
    }
    let covers = covers.ok_or_else(|| Problem::internal("a list covers nothing"))?;
    Ok(Part { covers, rows, next: after })
}

impl Correction {
    async fn of(asked: &Asked, entry: TrailEntry) -> Result<Self, Problem> {
        let missing = || Problem::internal("an amendment amends nothing");
        let amended = entry.amends.as_ref().ok_or_else(missing)?.seq;
        let trial = &asked.links.trial;
        let new = asked.registry.record(trial, entry.seq).await?;
        let old = asked.registry.record(trial, amended).await?;
        Ok(Self { entry, new, old })
    }

    fn is_void(&self) -> bool {
        self.entry.amends.as_ref().is_some_and(|amends| amends.effect == Effect::Void)
    }

    fn judged(&self, asked: &Asked) -> Judged {
        let (new, old) = (Read::new(&self.new), Read::new(&self.old));
        let changed: Vec<String> = if self.is_void() {
            vec!["everything".to_owned()]
        } else {
            changes::between(old.event(), new.event()).into_iter().map(|change| change.path).collect()
        };
        let of_kind = ENDPOINT_KINDS.contains(&self.entry.kind.as_str());
        let is_item = |path: &&String| {
            let first = path.split('/').next().unwrap_or_default();
            of_kind
                || ENDPOINT_ITEMS.contains(&first)
                || (self.is_void() && self.entry.kind.as_str() == "visit")
        };
        let microseconds = |read: &Read<'_>| {
            read.member("recorded_at").parse::<jiff::Timestamp>().map_or(0, jiff::Timestamp::as_microsecond)
        };
        let between = microseconds(&new) - microseconds(&old);
        let cuts = asked
            .detail
            .cuts
            .iter()
            .filter(|cut| self.old.seq.0 < cut.records && cut.records <= self.new.seq.0);
        Judged {
            endpoint_items: changed.iter().filter(is_item).map(|path| name(path)).collect(),
            changed: changed.iter().map(|path| name(path)).collect(),
            days: between.div_euclid(86_400_000_000),
            cuts: cuts.map(|cut| cut.name.to_string()).collect(),
        }
    }

    fn row(&self, judged: &Judged, links: &Links) -> Row {
        let entry = &self.entry;
        let read = Read::new(&self.new);
        let yes = |is: bool| if is { Cell::loud("yes") } else { Cell::of("no") };
        vec![
            Cell::record(entry.seq, links),
            Cell::of(read.member("recorded_at")),
            Cell::subject(entry.subject.as_ref(), links),
            Cell::maybe(entry.site.as_ref()),
            Cell::of(words(entry.kind.as_str())),
            Cell::record(self.old.seq, links),
            if self.is_void() { Cell::loud("declared void") } else { Cell::of("replaced") },
            Cell::maybe(entry.amends.as_ref().map(|amends| words(amends.reason.as_str()))),
            Cell::of(&entry.actor.id),
            Cell::of(words(entry.actor.role.as_str())),
            Cell::of(judged.changed.join(", ")),
            if judged.endpoint_items.is_empty() {
                Cell::of("no")
            } else {
                Cell::loud(judged.endpoint_items.join(", "))
            },
            Cell::of(judged.days),
            yes(judged.is_late()),
            Cell::of(judged.cuts.join(", ")),
        ]
    }
}

impl Judged {
    fn is_late(&self) -> bool {
        self.days > LATE_DAYS
    }
}
