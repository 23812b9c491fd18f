//! Outcomes by site, source and planned course, and each subject's course. Numbers are the report's own.

use charts::{Sign, SwimmerChart, SwimmerRow};
use maud::{Markup, html};
use serde::Deserialize;

use crate::curves;
use crate::figures::{absent, columns, ratio, share, subject, table};
use crate::links::Links;
use crate::report::{At, Figure, Report};
use crate::words::{count, counted, date, heading, words};

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

pub(crate) fn courses(report: &Report, links: &Links, month_days: Option<f64>) -> Markup {
    let Some(lanes) = report.part::<Vec<Lane>>("/swimmer/lanes") else { return absent("courses") };
    if lanes.is_empty() {
        return html! { p.nothing { "Nobody was infused up to the cutoff." } };
    }
    let shown = &lanes[..lanes.len().min(LANES_SHOWN_MAX)];
    html! {
        p {
            @let subjects = report.part::<u64>("/swimmer/subjects").unwrap_or(lanes.len() as u64);
            "Longest followed first: " (count(shown.len() as u64)) " of " (counted(subjects, "subject", "subjects"))
            " with a certain day of first infusion."
            @if shown.len() < lanes.len() { " The report has " (count(lanes.len() as u64)) "." }
        }
        @if let Some(month_days) = month_days {
            div.scroll role="group" aria-label="Courses, drawn" tabindex="0" {
                figure.wide { (swimmer(shown, &report.id("courses"), month_days)) }
            }
        }
        details {
            summary { "Each subject's course, in days from first infusion" }
            (course_table(shown, links))
        }
    }
}

/// The signs of the drawing. A response that is none, or was not determinable, has no sign.
const SIGNS: [(Sign, &str); 7] = [
    (Sign::Disc, "infusion"),
    (Sign::Triangle, "complete remission"),
    (Sign::HollowTriangle, "partial remission"),
    (Sign::Cross, "relapse"),
    (Sign::Square, "died"),
    (Sign::Upright, "left or completed"),
    (Sign::Arrow, "in follow-up"),
];

fn swimmer(lanes: &[Lane], id: &str, month_days: f64) -> Markup {
    // What a subject is known by before the first infusion has no place on a bar that begins there.
    let place = |day: i64| i32::try_from(day).ok().filter(|day| *day >= 0).map(f64::from);
    let row = |lane: &'_ Lane| {
        let until = place(lane.end)?;
        let infusions = lane.infusions.iter().map(|day| (*day, Sign::Disc));
        let responses = lane.responses.iter().filter_map(|response| match response.status.as_str() {
            "complete" => Some((response.day, Sign::Triangle)),
            "partial" => Some((response.day, Sign::HollowTriangle)),
            _ => None,
        });
        let relapses = lane.relapses.iter().map(|day| (*day, Sign::Cross));
        let end = match lane.ended.as_str() {
            "died" => Sign::Square,
            "in_follow_up" => Sign::Arrow,
            _ => Sign::Upright,
        };
        let signs = infusions.chain(responses).chain(relapses).chain([(lane.end, end)]);
        Some((until, signs.filter_map(|(day, sign)| Some((place(day)?, sign))).collect::<Vec<_>>()))
    };
    let rows: Vec<SwimmerRow<'_>> = lanes
        .iter()
        .filter_map(|lane| row(lane).map(|(until, signs)| SwimmerRow { label: &lane.subject, until, signs }))
        .collect();
    let last = rows
        .iter()
        .flat_map(|row| row.signs.iter().map(|(at, _)| *at).chain([row.until]))
        .fold(0.0, f64::max);
    let ended = |how: &str| lanes.iter().filter(|lane| lane.ended == how).count();
    let description = format!(
        "One bar a subject from first infusion to the end of follow-up, with infusions, responses and relapses on it: {}, \
         {} of them in follow-up, {} died. The table below has the days.",
        counted(rows.len() as u64, "subject", "subjects"),
        ended("in_follow_up"),
        ended("died"),
    );
    let chart = SwimmerChart {
        id,
        title: "Each subject's course",
        description: &description,
        x: curves::months(last, month_days),
        legend: SIGNS.to_vec(),
        rows,
    };
    chart.draw().unwrap_or_else(|why| html! { p.nothing { "The courses cannot be drawn: " (why) "." } })
}

fn course_table(lanes: &[Lane], links: &Links) -> Markup {
    let days = |days: &[i64]| days.iter().map(i64::to_string).collect::<Vec<_>>().join(", ");
    table(
        "Longest followed first",
        &columns(&[
            "Subject",
            "Site",
            "Day 0",
            "Infusions",
            "Responses",
            "Relapses",
            "#Last day",
            "Why it ends",
        ]),
        &html! {
            @for lane in lanes {
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
    )
}
