//! Closed reports: the whole and each arm side by side, and then all that the report of each says.
//!
//! What stands side by side is found by the figures' own ids; no figure is made here.

use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;

use crate::figures::{absent, limits, ratio, share, table};
use crate::links::Links;
use crate::report::{Figure, Rate, Report, SurvivalCurve};
use crate::words::{count, counted};

/// One of the reports in a closed report, with what it is of.
struct Part {
    name: String,
    allocated: Option<u64>,
    report: Report,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct OfArm {
    arm: String,
    allocated: u64,
    report: Value,
}

/// All that a closed report says; `sections` shows one of the reports in it.
pub(crate) fn sections(value: &Value, sections: fn(&Report, &Links) -> Markup, links: &Links) -> Markup {
    let whole = value.get("whole").cloned().unwrap_or_default();
    let arms: Vec<OfArm> = value.get("arms").and_then(|arms| Vec::deserialize(arms).ok()).unwrap_or_default();
    if arms.is_empty() {
        return html! { p.nothing { "No subject was assigned to an arm by then." } (absent("arms")) };
    }
    let whole = Part {
        name: "All subjects".to_owned(),
        allocated: None,
        report: Report::of(whole, "all-".to_owned()),
    };
    let parts: Vec<Part> = std::iter::once(whole)
        .chain(arms.into_iter().enumerate().map(|(at, arm)| Part {
            name: arm.arm,
            allocated: Some(arm.allocated),
            report: Report::of(arm.report, format!("arm-{at}-")),
        }))
        .collect();
    html! {
        section {
            h2 { "Side by side" }
            p {
                @for (index, part) in parts.iter().filter(|part| part.allocated.is_some()).enumerate() {
                    @if index > 0 { ", " } strong { (part.name) } " " (counted(part.allocated.unwrap_or_default(), "subject", "subjects"))
                }
                " assigned. All subjects are those of no arm too. Nothing is tested here: arms are shown, not compared."
            }
            (figures(&parts))
            (rates(&parts))
            (curves(&parts))
        }
        @for part in &parts {
            section {
                h2 { (part.name) @if let Some(allocated) = part.allocated { " (" (counted(allocated, "subject", "subjects")) " assigned)" } }
                (sections(&part.report, links))
            }
        }
    }
}

/// Every object in the report that has an id and this member, in the order in which they stand.
fn with_member<'a>(value: &'a Value, member: &str, found: &mut Vec<(&'a str, &'a Value)>) {
    match value {
        Value::Object(object) => {
            if let (Some(id), true) = (object.get("id").and_then(Value::as_str), object.contains_key(member))
            {
                found.push((id, value));
            }
            object.values().for_each(|value| with_member(value, member, found));
        }
        Value::Array(items) => items.iter().for_each(|value| with_member(value, member, found)),
        _ => {}
    }
}

/// The rows of a table: what the whole report has by its ids, with what each part has by the same.
fn beside<T: Default + for<'a> Deserialize<'a>>(parts: &[Part], member: &str) -> Vec<Vec<Option<T>>> {
    let found: Vec<Vec<(&str, &Value)>> = parts
        .iter()
        .map(|part| {
            let mut found = Vec::new();
            part.report.values().for_each(|value| with_member(value, member, &mut found));
            found
        })
        .collect();
    let Some(first) = found.first() else { return Vec::new() };
    let row = |(id, _): &(&str, &Value)| {
        let of = |part: &Vec<(&str, &Value)>| {
            let (_, value) = part.iter().find(|(other, _)| other == id)?;
            T::deserialize(*value).ok()
        };
        found.iter().map(of).collect()
    };
    first.iter().map(row).collect()
}

fn head(parts: &[Part], what: &str) -> Markup {
    html! { tr { th scope="col" { (what) } @for part in parts { th.number scope="col" { (part.name) } } } }
}

fn figures(parts: &[Part]) -> Markup {
    let rows: Vec<Vec<Option<Figure>>> = beside(parts, "numerator");
    html! {
        (table(
            "Shares, with their first interval",
            &head(parts, "Figure"),
            &html! {
                @for row in &rows {
                    @let label = row.iter().flatten().next().map(|figure| figure.label.as_str()).unwrap_or_default();
                    tr {
                        th.name scope="row" { (label) }
                        @for figure in row {
                            td.number {
                                @match figure {
                                    Some(figure) => {
                                        (ratio(figure)) " = " (share(figure))
                                        @if let Some(interval) = figure.intervals.first() { small { (limits(interval, "%")) } }
                                    },
                                    None => "–",
                                }
                            }
                        }
                    }
                }
            },
        ))
    }
}

fn rates(parts: &[Part]) -> Markup {
    let rows: Vec<Vec<Option<Rate>>> = beside(parts, "per_100_patient_years");
    html! {
        @if !rows.is_empty() {
            (table(
                "Events per 100 patient-years, with their first interval",
                &head(parts, "Rate"),
                &html! {
                    @for row in &rows {
                        @let label = row.iter().flatten().next().map(|rate| rate.label.as_str()).unwrap_or_default();
                        tr {
                            th.name scope="row" { (label) }
                            @for rate in row {
                                td.number {
                                    @match rate {
                                        Some(rate) => {
                                            (count(rate.events)) " in " (rate.patient_years) ": "
                                            (rate.per_100_patient_years.as_deref().unwrap_or("no time at risk"))
                                            @if let Some(interval) = rate.intervals.first() { small { (limits(interval, "")) } }
                                        },
                                        None => "–",
                                    }
                                }
                            }
                        }
                    }
                },
            ))
        }
    }
}

/// Survival at the landmarks, where the reports have curves.
fn curves(parts: &[Part]) -> Markup {
    let curves: Vec<Option<SurvivalCurve>> =
        parts.iter().map(|part| part.report.part("/survival/from_infusion")).collect();
    let Some(Some(first)) = curves.first() else { return html! {} };
    html! {
        (table(
            &format!("{}: at the landmarks, with the number at risk", first.label),
            &head(parts, "At"),
            &html! {
                @for (at, landmark) in first.landmarks.iter().enumerate() {
                    tr {
                        th scope="row" { (landmark.label) }
                        @for curve in &curves {
                            td.number {
                                @match curve.as_ref().and_then(|curve| curve.landmarks.get(at)) {
                                    Some(landmark) => { (landmark.survival) small { (count(landmark.at_risk)) } },
                                    None => "–",
                                }
                            }
                        }
                    }
                }
            },
        ))
    }
}
