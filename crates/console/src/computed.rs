//! Remission computed beside the judgements, and where the two differ. Numbers are the report's own.

use maud::{Markup, html};
use serde::Deserialize;

use crate::figures::{columns, figure_table, first_of, subject, table};
use crate::links::Links;
use crate::report::{At, Figure, Report};
use crate::words::{count, date, words};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Computed {
    definition: String,
    title: String,
    taken_as_absent: Vec<String>,
    figures: Vec<ComputedFigure>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ComputedFigure {
    #[serde(rename = "@")]
    at: At,
    label: String,
    figure: Figure,
    not: u64,
    not_determinable: u64,
    without_visit: u64,
    died: u64,
    not_followed: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Agreement {
    #[serde(rename = "@")]
    at: At,
    landmark: String,
    judged: String,
    computed: String,
    subjects: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Difference {
    subject: String,
    site: String,
    landmark: String,
    on: String,
    day: i64,
    judged: String,
    judged_by: String,
    computed: String,
    why: Vec<String>,
    judgement: Option<Stated>,
    visit: Stated,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Stated {
    first_seq: u64,
    latest_seq: u64,
}

pub(crate) fn computed(report: &Report, links: &Links) -> Markup {
    let computed: Vec<Computed> = report.part("/remission/computed").unwrap_or_default();
    if computed.is_empty() {
        return html! { p.nothing { "No visit up to the cutoff states what remission could be computed from." } };
    }
    html! {
        h3 { "Remission as computed from visits" }
        p {
            "At the visit nearest the landmark that states anything asked for. An item not examined leaves it open, unless "
            "something stated already fails it. Such a figure judges nobody: it stands beside the judgements."
        }
        @for one in &computed { (by_definition(one)) }
        (agreement(report))
        (differences(report, links))
    }
}

fn by_definition(one: &Computed) -> Markup {
    let figures: Vec<&Figure> = one.figures.iter().map(|it| &it.figure).collect();
    html! {
        (figure_table(&format!("{}, computed", one.title), &figures))
        (table(
            &format!("{}, computed: of the denominator, those not in remission", one.title),
            &columns(&["At", "#Certainly not", "#Not determinable", "#No visit to compute from", "#Died by then", "#Not followed so long"]),
            &html! {
                @for it in &one.figures {
                    tr {
                        th scope="row" { (it.label) }
                        td.number { (it.at.cell("not", count(it.not))) }
                        td.number { (it.at.cell("not_determinable", count(it.not_determinable))) }
                        td.number { (it.at.cell("without_visit", count(it.without_visit))) }
                        td.number { (it.at.cell("died", count(it.died))) }
                        td.number { (it.at.cell("not_followed", count(it.not_followed))) }
                    }
                }
            },
        ))
        @if !one.taken_as_absent.is_empty() {
            p.quiet { "Visits do not state, and " code { (one.definition) } " takes as absent: " (one.taken_as_absent.join(", ")) "." }
        }
    }
}

fn agreement(report: &Report) -> Markup {
    let rows: Vec<Agreement> = report.part("/remission/agreement").unwrap_or_default();
    if rows.is_empty() {
        return html! {};
    }
    table(
        "Judged and computed by the trial's definition, of the evaluable who lived to the landmark",
        &columns(&["Landmark", "Judged", "Computed", "#Subjects"]),
        &html! {
            @for it in &rows {
                tr {
                    th scope="row" { (words(&it.landmark)) }
                    td { (words(&it.judged)) }
                    td { (words(&it.computed)) }
                    td.number { (it.at.cell("subjects", count(it.subjects))) }
                }
            }
        },
    )
}

fn differences(report: &Report, links: &Links) -> Markup {
    let (shown, all) = report.first::<Difference>("/remission/differences").unwrap_or_default();
    if shown.is_empty() {
        return html! { p { "Judged and computed by the trial's definition: no difference." } };
    }
    html! {
        (table(
            "Judged otherwise than computed",
            &columns(&["Subject", "Site", "Landmark", "Visit", "#Day", "Judged", "Computed", "Why", "Records"]),
            &html! {
                @for it in &shown {
                    tr {
                        th scope="row" { (subject(&it.subject, links)) }
                        td { (it.site) }
                        td { (words(&it.landmark)) }
                        td { (date(&it.on)) }
                        td.number { (it.day) }
                        td { (words(&it.judged)) " (" (it.judged_by) ")" }
                        td { (words(&it.computed)) }
                        td { (it.why.join("; ")) }
                        td {
                            "visit " (record(&it.visit, links))
                            @if let Some(judgement) = &it.judgement { ", judgement " (record(judgement, links)) }
                        }
                    }
                }
            },
        ))
        (first_of(shown.len(), all))
    }
}

pub(crate) fn record(stated: &Stated, links: &Links) -> Markup {
    html! {
        (links.to_record(stated.first_seq))
        @if stated.latest_seq != stated.first_seq {
            ", latest " (links.to_record(stated.latest_seq))
        }
    }
}
