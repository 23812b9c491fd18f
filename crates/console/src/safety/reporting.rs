//! Relation by assessor, expedited reports, and each serious event.

use maud::{Markup, html};
use serde::Deserialize;

use crate::figures::{absent, columns, first_of, ratio, share, subject, table};
use crate::links::Links;
use crate::report::{At, Figure, Report};
use crate::words::{count, counted, date, heading, words};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Related {
    rule: String,
    definition: String,
    events: u64,
    assessed_by_sponsor: u64,
    rows: Vec<RelatedRow>,
    disagreements: Vec<Disagreement>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RelatedRow {
    #[serde(rename = "@")]
    at: At,
    related: u64,
    not_judged: u64,
    unrelated: u64,
    subjects: Option<Figure>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Disagreement {
    subject: String,
    site: String,
    agent: String,
    investigator: String,
    sponsor: String,
    latest_seq: u64,
}

pub(super) fn related(report: &Report, links: &Links) -> Markup {
    let Some(section) = report.part::<Related>("/related") else { return absent("relation by assessor") };
    html! {
        p {
            (counted(section.events, "treatment-emergent event", "treatment-emergent events")) ", of which the sponsor has judged "
            (count(section.assessed_by_sponsor)) ". " code { (section.definition) } ": " (section.rule) "."
        }
        (table(
            "Relation of treatment-emergent events",
            &columns(&["Relation", "#Events related", "#Not judged", "#Unrelated", "#Subjects", "#Share"]),
            &html! {
                @for (row, subjects) in section.rows.iter().filter_map(|row| Some((row, row.subjects.as_ref()?))) {
                    tr {
                        th.name scope="row" { (subjects.label) }
                        td.number { (row.at.cell("related", count(row.related))) }
                        td.number { (row.at.cell("not_judged", count(row.not_judged))) }
                        td.number { (row.at.cell("unrelated", count(row.unrelated))) }
                        td.number { (ratio(subjects)) }
                        td.number { (share(subjects)) }
                    }
                }
            },
        ))
        @if section.disagreements.is_empty() { p { "The two assessors disagree about no event." } }
        @else {
            (table(
                "Events whose relation the assessors judge differently",
                &columns(&["Subject", "Site", "Agent", "Investigator", "Sponsor", "Record"]),
                &html! {
                    @for it in &section.disagreements {
                        tr {
                            th scope="row" { (subject(&it.subject, links)) }
                            td { (it.site) }
                            td { (words(&it.agent)) }
                            td { (words(&it.investigator)) }
                            td { (words(&it.sponsor)) }
                            td { (links.to_record(it.latest_seq)) }
                        }
                    }
                },
            ))
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Expedited {
    table: String,
    rule: String,
    serious_events: u64,
    jurisdictions: Vec<Rules>,
    countries_without_rules: Vec<String>,
    counts: Vec<Counts>,
    listing: Vec<Clock>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Rules {
    id: String,
    zone: String,
    days_fatal_or_life_threatening: u16,
    days_completion: Option<u16>,
    days_other: u16,
    source: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Counts {
    #[serde(rename = "@")]
    at: At,
    sent_in_time: u64,
    sent_late: u64,
    due: u64,
    overdue: u64,
    not_required: u64,
    started_after_cutoff: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Clock {
    subject: String,
    site: String,
    jurisdiction: String,
    trigger: Option<String>,
    upgrade: bool,
    presumed: bool,
    aware_on: Option<String>,
    aware_by: Option<String>,
    due_on: Option<String>,
    sent_on: Vec<String>,
    status: String,
    completion: Option<String>,
    latest_seq: u64,
}

pub(super) fn expedited(report: &Report, links: &Links) -> Markup {
    let Some(section) = report.part::<Expedited>("/expedited") else { return absent("expedited reports") };
    html! {
        p {
            (counted(section.serious_events, "serious event", "serious events")) ". Table of rules " code { (section.table) } ": "
            (section.rule) "."
        }
        @if !section.countries_without_rules.is_empty() {
            p { "The table has no rules for sites in " (section.countries_without_rules.join(", ")) "." }
        }
        @if !section.jurisdictions.is_empty() {
            (table(
                "Reports at the cutoff",
                &columns(&["Rules", "Zone", "#Days if fatal or life-threatening", "#Days otherwise", "#Sent in time", "#Sent late", "#Due", "#Overdue", "#Not required", "#Day 0 after the cutoff", "Source"]),
                &html! {
                    @for (rules, counts) in section.jurisdictions.iter().zip(&section.counts) {
                        tr {
                            th scope="row" { (rules.id) }
                            td { (rules.zone) }
                            td.number { (rules.days_fatal_or_life_threatening) @if let Some(more) = rules.days_completion { " + " (more) } }
                            td.number { (rules.days_other) }
                            td.number { (counts.at.cell("sent_in_time", count(counts.sent_in_time))) }
                            td.number { (counts.at.cell("sent_late", count(counts.sent_late))) }
                            td.number { (counts.at.cell("due", count(counts.due))) }
                            td.number { (counts.at.cell("overdue", count(counts.overdue))) }
                            td.number { (counts.at.cell("not_required", count(counts.not_required))) }
                            td.number { (counts.at.cell("started_after_cutoff", count(counts.started_after_cutoff))) }
                            td { (rules.source) }
                        }
                    }
                },
            ))
        }
        @if section.listing.iter().any(|clock| clock.trigger.is_some()) {
            (table(
                "Each clock",
                &columns(&["Subject", "Site", "Rules", "Trigger", "Day 0", "Last day", "Sent", "Status", "Completion", "Record"]),
                &html! { @for clock in section.listing.iter().filter(|clock| clock.trigger.is_some()) { (line(clock, links)) } },
            ))
        }
    }
}

fn line(clock: &Clock, links: &Links) -> Markup {
    let day = |day: &Option<String>| day.as_deref().map(date).unwrap_or_default();
    html! {
        tr {
            th scope="row" { (subject(&clock.subject, links)) }
            td { (clock.site) }
            td { (clock.jurisdiction) }
            td {
                (words(clock.trigger.as_deref().unwrap_or_default()))
                @if clock.upgrade { ", upgraded" }
                @if clock.presumed { ", not judged by the sponsor" }
            }
            td { (day(&clock.aware_on)) @if let Some(by) = &clock.aware_by { " (" (words(by)) ")" } }
            td { (day(&clock.due_on)) }
            td { @for (index, sent) in clock.sent_on.iter().enumerate() { @if index > 0 { ", " } (date(sent)) } }
            td { (words(&clock.status)) }
            td { (clock.completion.as_deref().map_or("–".to_owned(), words)) }
            td { (links.to_record(clock.latest_seq)) }
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Serious {
    subject: String,
    site: String,
    soc: Option<String>,
    pt: Option<String>,
    onset: String,
    severity: Option<String>,
    grade: Option<u8>,
    ctcae_version: Option<String>,
    criteria: Vec<String>,
    investigator: String,
    sponsor: Option<String>,
    outcome: Option<String>,
    latest_seq: u64,
}

pub(super) fn serious(report: &Report, links: &Links) -> Markup {
    let Some((events, all)) = report.first::<Serious>("/serious_events") else {
        return absent("list of serious events");
    };
    html! {
        @if events.is_empty() { p { "None." } }
        @else {
            (table(
                "Each serious event, by the criteria of either assessor",
                &columns(&["Subject", "Site", "Onset", "Term", "Severity and grade", "Criteria", "Investigator", "Sponsor", "Outcome", "Record"]),
                &html! {
                    @for it in &events {
                        tr {
                            th scope="row" { (subject(&it.subject, links)) }
                            td { (it.site) }
                            td { @if it.onset.is_empty() { "unknown" } @else { (date(&it.onset)) } }
                            td { (it.pt.as_deref().unwrap_or("not coded")) @if let Some(soc) = &it.soc { " (" (soc) ")" } }
                            td {
                                @if let Some(severity) = &it.severity { (words(severity)) " " }
                                @if let Some(grade) = it.grade { "grade " (grade) }
                                @if let Some(version) = &it.ctcae_version { " (CTCAE " (version) ")" }
                            }
                            td { @for (index, name) in it.criteria.iter().enumerate() { @if index > 0 { ", " } (words(name)) } }
                            td { (words(&it.investigator)) }
                            td { (it.sponsor.as_deref().map_or("–".to_owned(), words)) }
                            td { (it.outcome.as_deref().map(heading).unwrap_or_default()) }
                            td { (links.to_record(it.latest_seq)) }
                        }
                    }
                },
            ))
            (first_of(events.len(), all))
        }
    }
}
