//! Rates by class and term, time to the first event, and laboratory shift.

use maud::{Markup, html};
use serde::Deserialize;

use crate::figures::{absent, columns, limits, ratio, table};
use crate::report::{At, Figure, Interval, Rate, Report};
use crate::words::{count, counted, heading};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Incidence {
    without_day: u64,
    after_death: u64,
    any: Row,
    classes: Vec<Class>,
    not_coded: Option<Row>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Class {
    class: Row,
    terms: Vec<Row>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Row {
    name: String,
    first: Rate,
    all: Rate,
}

pub(super) fn incidence(report: &Report) -> Markup {
    let Some(section) = report.part::<Incidence>("/incidence") else {
        return absent("rates by class and term");
    };
    html! {
        (table(
            "Treatment-emergent events per 100 patient-years",
            &columns(&[
                "Class and term", "#First events", "#Years to them", "#Per 100", "#95% CI, exact Poisson",
                "#All events", "#All years", "#Per 100", "#95% CI, exact Poisson",
            ]),
            &html! {
                (row(&section.any, "class"))
                @for class in &section.classes {
                    (row(&class.class, "class"))
                    @for term in &class.terms { (row(term, "term")) }
                }
                @if let Some(not_coded) = &section.not_coded { (row(not_coded, "class")) }
            },
        ))
        p.quiet {
            (section.any.first.population) ". First events: in " (section.any.first.denominator_rule) ", each subject once. All events: in "
            (section.any.all.denominator_rule) ". Treated without such a day, and not here: "
            (counted(section.without_day, "subject", "subjects")) ". Dated after the subject's death, and not here: " (counted(section.after_death, "event", "events")) "."
        }
    }
}

fn row(row: &Row, class: &str) -> Markup {
    html! { tr class=(class) { th scope="row" { (row.name) } (rate(&row.first)) (rate(&row.all)) } }
}

fn rate(rate: &Rate) -> Markup {
    html! {
        td.number { (rate.at.cell("events", count(rate.events))) }
        td.number { (rate.at.cell("patient_years", &rate.patient_years)) }
        td.number { (rate.per_100_patient_years.as_deref().unwrap_or("no time at risk")) }
        (first_interval(&rate.intervals))
    }
}

fn first_interval(intervals: &[Interval]) -> Markup {
    html! { td.number { @match intervals.first() { Some(interval) => (limits(interval, "")), None => "undefined" } } }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct FirstEvent {
    label: String,
    subjects: Figure,
    deaths_first: u64,
    censored: u64,
    landmarks: Vec<Landmark>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Landmark {
    #[serde(rename = "@")]
    at: At,
    months: u64,
    at_risk: u64,
    event: String,
    standard_error: String,
    intervals: Vec<Interval>,
    death_first: String,
    event_free: String,
}

pub(super) fn first_events(report: &Report) -> Markup {
    let Some(events) = report.part::<Vec<FirstEvent>>("/first_events") else {
        return absent("time to the first event");
    };
    html! {
        @for it in &events {
            h3 { (it.label) }
            p {
                (ratio(&it.subjects)) " had it, " (count(it.deaths_first)) " died without, " (count(it.censored))
                " were followed without it to their last contact or the cutoff."
                @if it.subjects.numerator == 0 {
                    " No event: the incidence is 0 throughout, without limits"
                    @if let Some(bound) = &it.subjects.no_events { "; crude one-sided 95% bound " (bound.one_sided_upper_percent) "%" }
                    "."
                }
            }
            @if !it.landmarks.is_empty() {
                (table(
                    &format!("{}: cumulative incidence, death competing (Aalen-Johansen)", it.label),
                    &columns(&["#Months", "#At risk", "#Incidence", "#Standard error", "#95% CI, log-log", "#Died without", "#Neither"]),
                    &html! {
                        @for at in &it.landmarks {
                            tr {
                                th.number scope="row" { (at.months) }
                                td.number { (at.at.cell("at_risk", count(at.at_risk))) }
                                td.number { (at.at.cell("event", &at.event)) }
                                td.number { (at.standard_error) }
                                (first_interval(&at.intervals))
                                td.number { (at.death_first) }
                                td.number { (at.event_free) }
                            }
                        }
                    },
                ))
            }
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Shift {
    definition: String,
    rule: String,
    subjects: u64,
    analytes: Vec<Analyte>,
    without_range: u64,
    not_a_number: u64,
    date_unknown: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Analyte {
    analyte: String,
    rows: Vec<ShiftRow>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ShiftRow {
    #[serde(rename = "@")]
    at: At,
    baseline: String,
    subjects: u64,
    low: u64,
    normal: u64,
    high: u64,
    missing: u64,
    low_and_high: u64,
}

pub(super) fn laboratory(report: &Report) -> Markup {
    let Some(section) = report.part::<Shift>("/laboratory") else { return absent("laboratory shift") };
    html! {
        p { code { (section.definition) } ": " (section.rule) "." }
        @if section.analytes.is_empty() { p { "No value of the safety set came with a reference range." } }
        @for analyte in &section.analytes {
            (table(
                &format!("{}: {}", analyte.analyte, counted(section.subjects, "subject", "subjects")),
                &columns(&["Before", "#Subjects", "#Worst low", "#Normal", "#Worst high", "#Missing", "#Low and high"]),
                &html! {
                    @for row in &analyte.rows {
                        tr {
                            th scope="row" { (heading(&row.baseline)) }
                            @for (name, number) in [
                                ("subjects", row.subjects), ("low", row.low), ("normal", row.normal), ("high", row.high),
                                ("missing", row.missing), ("low_and_high", row.low_and_high),
                            ] {
                                td.number { (row.at.cell(name, count(number))) }
                            }
                        }
                    }
                },
            ))
        }
        p.quiet {
            "In no table: " (counted(section.without_range, "value", "values")) " without a reference range, " (count(section.not_a_number))
            " that are no number, " (count(section.date_unknown)) " whose date may lie before or after first infusion."
        }
    }
}
