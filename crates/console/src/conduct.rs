//! How subjects came in and whose judgement counts: screening, consent, deviations, adjudication. Numbers are the
//! report's own.

use std::collections::BTreeMap;

use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;

use crate::figures::{absent, columns, subject, table};
use crate::links::Links;
use crate::report::{At, Report};
use crate::words::{count, counted, heading, words};

/// Something with a name, and how many subjects.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Named {
    #[serde(rename = "@")]
    at: At,
    #[serde(alias = "version")]
    id: String,
    subjects: u64,
}

/// Deviations of one category and severity.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct NotFollowed {
    #[serde(rename = "@")]
    at: At,
    category: String,
    severity: String,
    deviations: u64,
    subjects: u64,
}

/// A judgement of the committee that is not the investigator's.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Difference {
    subject: String,
    site: String,
    endpoint: String,
    on: String,
    investigator: String,
    adjudicated: String,
    first_seq: u64,
    latest_seq: u64,
}

pub(crate) fn conduct(report: &Report) -> Markup {
    let named = |pointer: &str| report.part::<Vec<Named>>(pointer).unwrap_or_default();
    let (not_met, versions) = (named("/screening/not_met"), named("/consent/versions"));
    let deviations: Vec<NotFollowed> = report.part("/deviations/rows").unwrap_or_default();
    html! {
        (numbers(report, "/screening", "Screening"))
        @if !not_met.is_empty() {
            (subjects_by("Criteria that those who failed did not meet; one subject may fail several", "Criterion", &not_met))
        }
        (numbers(report, "/consent", "Consent"))
        @if !versions.is_empty() { (subjects_by("By the consent document signed last", "Version", &versions)) }
        (numbers(report, "/deviations", "Deviations from the protocol"))
        @if !deviations.is_empty() {
            (table(
                "Deviations by category and severity",
                &columns(&["Category", "Severity", "#Deviations", "#Subjects"]),
                &html! {
                    @for it in &deviations {
                        tr {
                            th scope="row" { (heading(&it.category)) }
                            td { (words(&it.severity)) }
                            td.number { (it.at.cell("deviations", count(it.deviations))) }
                            td.number { (it.at.cell("subjects", count(it.subjects))) }
                        }
                    }
                },
            ))
        }
    }
}

/// A section's own counts, with its population and definition.
fn numbers(report: &Report, pointer: &str, caption: &str) -> Markup {
    let Some(section) = report.part::<BTreeMap<String, Value>>(pointer) else {
        return absent(&caption.to_lowercase());
    };
    let (text, at) = (|name: &str| section.get(name).and_then(Value::as_str), report.at(pointer));
    html! {
        h3 { (caption) }
        p.quiet {
            @if let Some(population) = text("population") { "Population: " (population) ". " }
            @if let Some(definition) = text("definition") { "By " code { (definition) } "." }
        }
        (table(
            caption,
            &columns(&["What", "#Count"]),
            &html! {
                @for (name, number) in &section {
                    @if let Some(number) = number.as_u64() {
                        tr { th scope="row" { (heading(name)) } td.number { (at.cell(name, count(number))) } }
                    }
                }
            },
        ))
    }
}

fn subjects_by(caption: &str, what: &str, rows: &[Named]) -> Markup {
    table(
        caption,
        &columns(&[what, "#Subjects"]),
        &html! { @for it in rows { tr { th scope="row" { (it.id) } td.number { (it.at.cell("subjects", count(it.subjects))) } } } },
    )
}

pub(crate) fn adjudication(report: &Report, links: &Links) -> Markup {
    let Some(differences) = report.part::<Vec<Difference>>("/adjudication/differences") else {
        return absent("adjudication");
    };
    let number = |name: &str| report.part::<u64>(&format!("/adjudication/{name}")).unwrap_or_default();
    html! {
        p {
            "The committee judged " (counted(number("responses"), "response", "responses")) " and "
            (counted(number("relapses"), "relapse", "relapses")) " of " (counted(number("subjects"), "subject", "subjects"))
            ". Where it judged, its word is in the figures."
        }
        @if !differences.is_empty() {
            (table(
                "Judged otherwise than by the investigator",
                &columns(&["Subject", "Site", "Endpoint", "Day", "Investigator", "Committee", "Record"]),
                &html! {
                    @for it in &differences {
                        tr {
                            th scope="row" { (subject(&it.subject, links)) }
                            td { (it.site) }
                            td { (it.endpoint) }
                            td { (it.on) }
                            td { (words(&it.investigator)) }
                            td { (words(&it.adjudicated)) }
                            td {
                                (links.to_record(it.first_seq))
                                @if it.latest_seq != it.first_seq { ", latest " (links.to_record(it.latest_seq)) }
                            }
                        }
                    }
                },
            ))
        }
    }
}
