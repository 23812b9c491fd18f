//! Outcomes by site, source and planned course, and each subject's course. Numbers are the report's own.

use maud::{Markup, html};
use serde::Deserialize;

use crate::figures::{absent, columns, ratio, share, subject, table};
use crate::links::Links;
use crate::report::{At, Figure, Report};
use crate::words::{count, date, heading, words};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Stratification {
    by: String,
    rule: String,
    population: String,
    withheld: Option<String>,
    levels: Vec<Stratum>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Stratum {
    #[serde(rename = "@")]
    at: At,
    level: String,
    subjects: u64,
    survival: Figure,
    remission: Vec<Figure>,
    relapse: Vec<Figure>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Lane {
    subject: String,
    site: String,
    day_0: String,
    infusions: Vec<i64>,
    responses: Vec<Response>,
    relapses: Vec<i64>,
    end: i64,
    ended: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Response {
    day: i64,
    status: String,
}

/// Subjects whose course is shown; the report has them all.
const LANES_SHOWN_MAX: usize = 200;

pub(crate) fn strata(report: &Report) -> Markup {
    let Some(strata) = report.part::<Vec<Stratification>>("/strata") else { return absent("strata") };
    html! {
        @for it in &strata {
            h3 { "By " (words(&it.by)) }
            p.quiet { "Population: " (it.population) ". Level: " (it.rule) ". Descriptive: levels were not assigned by chance." }
            @match &it.withheld {
                Some(why) => p.note { "Not shown: " (why) "." },
                None => (levels(it)),
            }
        }
    }
}

fn levels(strata: &Stratification) -> Markup {
    // Every level has the same landmarks.
    let labels = |figures: &dyn Fn(&Stratum) -> &[Figure]| -> Vec<String> {
        let first = strata.levels.first();
        first
            .map(|level| figures(level).iter().map(|figure| figure.label.clone()).collect())
            .unwrap_or_default()
    };
    let (remissions, relapses) = (labels(&|level| &level.remission), labels(&|level| &level.relapse));
    let cell = |figure: Option<&Figure>| {
        html! { @match figure { Some(figure) => { (ratio(figure)) ", " (share(figure)) }, None => "–" } }
    };
    table(
        &format!("By {}", words(&strata.by)),
        &html! {
            tr {
                th scope="col" { "Level" }
                th.number scope="col" { "Infused" }
                th.number scope="col" { "Alive (crude)" }
                @for label in remissions.iter().chain(&relapses) { th.number scope="col" { (label) } }
            }
        },
        &html! {
            @for level in &strata.levels {
                tr {
                    th scope="row" { (words(&level.level)) }
                    td.number { (level.at.cell("subjects", count(level.subjects))) }
                    td.number { (cell(Some(&level.survival))) }
                    @for index in 0..remissions.len() { td.number { (cell(level.remission.get(index))) } }
                    @for index in 0..relapses.len() { td.number { (cell(level.relapse.get(index))) } }
                }
            }
        },
    )
}

pub(crate) fn courses(report: &Report, links: &Links) -> Markup {
    let Some(lanes) = report.part::<Vec<Lane>>("/swimmer/lanes") else { return absent("courses") };
    if lanes.is_empty() {
        return html! { p.nothing { "Nobody was infused up to the cutoff." } };
    }
    let days = |days: &[i64]| days.iter().map(i64::to_string).collect::<Vec<_>>().join(", ");
    html! {
        details {
            summary { "Each subject's course, in days from first infusion" }
            (table(
                "Longest followed first",
                &columns(&["Subject", "Site", "Day 0", "Infusions", "Responses", "Relapses", "#Last day", "Why it ends"]),
                &html! {
                    @for lane in lanes.iter().take(LANES_SHOWN_MAX) {
                        tr {
                            th scope="row" { (subject(&lane.subject, links)) }
                            td { (lane.site) }
                            td { (date(&lane.day_0)) }
                            td { (days(&lane.infusions)) }
                            td {
                                @for (index, response) in lane.responses.iter().enumerate() {
                                    @if index > 0 { ", " } (response.day) " " (words(&response.status))
                                }
                            }
                            td { (days(&lane.relapses)) }
                            td.number { (lane.end) }
                            td { (heading(&lane.ended)) }
                        }
                    }
                },
            ))
            @if lanes.len() > LANES_SHOWN_MAX {
                p.quiet { "The first " (count(LANES_SHOWN_MAX as u64)) " of " (count(lanes.len() as u64)) ". The report has all." }
            }
        }
    }
}
