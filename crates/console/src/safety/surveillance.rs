//! The stopping rule, and donors with their lots and who was infused with them.

use maud::{Markup, html};
use serde::Deserialize;

use crate::curves::{self, StoppingCurve};
use crate::figures::{absent, columns, subject, table};
use crate::links::Links;
use crate::report::Report;
use crate::words::{count, counted, date, words};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Stopping {
    definition: String,
    text: String,
    event: String,
    window_days: u32,
    denominator_rule: String,
    subjects: u64,
    events: u64,
    events_to_stop: Option<u64>,
    probability_now: String,
    incomplete: u64,
    incomplete_with_event: u64,
    not_observed: u64,
    without_day: u64,
    first_crossing: Option<Crossing>,
    event_subjects: Vec<u64>,
    boundary: Vec<Row>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Crossing {
    subjects: u64,
    events: u64,
    subject: String,
    infused_on: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Row {
    events: u64,
    subjects_first: u64,
    subjects_last: u64,
    observed: Option<u64>,
}

pub(super) fn stopping(report: &Report, links: &Links) -> Markup {
    let Some(section) = report.part::<Stopping>("/stopping") else { return absent("stopping rule") };
    html! {
        p { code { (section.definition) } ": " (section.text) }
        p {
            (counted(section.events, "subject", "subjects")) " with the event (" (words(&section.event)) " within "
            (section.window_days) " days) among " (count(section.subjects)) "; "
            @match section.events_to_stop { Some(events) => { (count(events)) " would stop. " }, None => "so few stop by no number of events. " }
            "The probability that the rate is exceeded is " (section.probability_now) "."
        }
        @match &section.first_crossing {
            Some(at) => p { strong {
                "The boundary was reached first with " (count(at.events)) " events among " (count(at.subjects)) " subjects, by "
                (subject(&at.subject, links)) ", infused on " (date(&at.infused_on)) "."
            } },
            None => p { "The boundary was never reached." },
        }
        @if let Some(last) = section.boundary.last() {
            figure {
                (curves::stopping(&StoppingCurve {
                    id: &report.id("stopping"),
                    boundary: &section.boundary.iter().map(|row| (row.subjects_first, row.events)).collect::<Vec<_>>(),
                    until: last.subjects_last,
                    observed: &section.event_subjects,
                    subjects: section.subjects,
                }))
                figcaption {
                    "Broken line: so many events stop. Full line: events observed, in the order of infusion. "
                    (counted(section.subjects, "subject", "subjects")) " drawn of " (count(last.subjects_last)) " treated; the others are told below."
                }
            }
            (table(
                "Boundary and what was observed",
                &columns(&["#Events that stop", "Among subjects", "#Observed"]),
                &html! {
                    @for row in &section.boundary {
                        tr {
                            th.number scope="row" { (count(row.events)) }
                            td { (count(row.subjects_first)) " to " (count(row.subjects_last)) }
                            td.number { @match row.observed { Some(events) => (count(events)), None => "–" } }
                        }
                    }
                },
            ))
        }
        p.quiet {
            "Counted: " (section.denominator_rule) ". Not counted: window not over " (count(section.incomplete)) ", "
            (count(section.incomplete_with_event)) " of them with the event; not observed through it " (count(section.not_observed))
            "; day of first infusion not certain " (count(section.without_day)) "."
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Recall {
    infusions: Option<u64>,
    infusions_without_lot: Option<u64>,
    withheld: Option<String>,
    lots: Vec<LotRow>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct LotRow {
    lot: String,
    donors: Vec<String>,
    release: Option<String>,
    donors_not_stated: Vec<String>,
    infusions: Vec<Infusion>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Infusion {
    on: String,
    subject: String,
    site: String,
    latest_seq: u64,
}

pub(super) fn recall(report: &Report, links: &Links) -> Markup {
    let Some(section) = report.part::<Recall>("/recall") else { return absent("donors and lots") };
    html! {
        @if let Some((infusions, without_lot)) = section.infusions.zip(section.infusions_without_lot) {
            p {
                (counted(infusions, "infusion", "infusions")) ", " (count(without_lot))
                " of them without a lot, which no recall finds."
            }
        }
        @if let Some(why) = &section.withheld { p.nothing { "Not shown: " (why) "." } }
        @if !section.lots.is_empty() {
            (table(
                "Whom each lot was given to",
                &columns(&["Lot", "Donors", "Release", "Date", "Subject", "Site", "Record"]),
                &html! {
                    @for lot in &section.lots {
                        @if lot.infusions.is_empty() {
                            tr { th scope="row" { (lot.lot) } (of(lot)) td colspan="4" { "not given" } }
                        }
                        @for it in &lot.infusions {
                            tr {
                                th scope="row" { (lot.lot) }
                                (of(lot))
                                td { (date(&it.on)) }
                                td { (subject(&it.subject, links)) }
                                td { (it.site) }
                                td { (links.to_record(it.latest_seq)) }
                            }
                        }
                    }
                },
            ))
        }
    }
}

fn of(lot: &LotRow) -> Markup {
    html! {
        td {
            (lot.donors.join(", "))
            @if !lot.donors_not_stated.is_empty() { " (not in the lot's own statement: " (lot.donors_not_stated.join(", ")) ")" }
        }
        td { (lot.release.as_deref().map_or("not stated".to_owned(), words)) }
    }
}
