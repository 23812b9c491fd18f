//! Tables of figures: so many of so many, with interval, denominator and definition; and what tables share.

use std::collections::BTreeMap;

use api::AsOf;
use charts::{Axis, AxisTick, DotScale, Limits};
use maud::{Markup, html};
use serde_json::Value;

use crate::links::Links;
use crate::report::{Figure, Interval, Rate, Report, SiteRow};
use crate::words::{count, counted, heading, words};

/// A table that may be wider than the screen: it then scrolls by itself, by keyboard too.
pub(crate) fn table(caption: &str, head: &Markup, body: &Markup) -> Markup {
    html! {
        div.scroll role="group" aria-label=(caption) tabindex="0" {
            table { caption { span { (caption) } } thead { (head) } tbody { (body) } }
        }
    }
}

/// A row of column headings; those that begin with `#` stand over numbers.
pub(crate) fn columns(names: &[&str]) -> Markup {
    html! {
        tr {
            @for name in names {
                @match name.strip_prefix('#') {
                    Some(name) => th.number scope="col" { (name) },
                    None => th scope="col" { (name) },
                }
            }
        }
    }
}

/// Where a report lacks a part, or has it in a form that is not known here.
pub(crate) fn absent(what: &str) -> Markup {
    html! { p.nothing { "This report holds no " (what) " in a form that this page knows." } }
}

/// What is left out of a list of which not all is shown.
pub(crate) fn first_of(shown: usize, all: usize) -> Markup {
    html! {
        @if shown < all {
            p.quiet { "The first " (count(shown as u64)) " of " (count(all as u64)) ". The report has all." }
        }
    }
}

/// `23/83`, each with the way to what is behind it.
pub(crate) fn ratio(figure: &Figure) -> Markup {
    html! {
        (figure.at.cell("numerator", count(figure.numerator))) "/"
        (figure.at.cell("denominator", count(figure.denominator)))
    }
}

/// The share, or why there is none.
pub(crate) fn share(figure: &Figure) -> String {
    figure.percent.as_ref().map_or_else(|| "nobody".to_owned(), |percent| format!("{percent}%"))
}

/// Limits without their method, which the column names.
pub(crate) fn limits(interval: &Interval, unit: &str) -> String {
    format!("{}–{}{unit}", interval.lower, interval.upper)
}

/// `95% CI, Clopper-Pearson`.
pub(crate) fn method(interval: &Interval) -> String {
    let level = match interval.level.as_str() {
        "0.95" => "95%",
        other => other,
    };
    let method = match interval.method.as_str() {
        "clopper-pearson" => "Clopper-Pearson",
        "wilson" => "Wilson",
        "exact-poisson" => "exact Poisson",
        other => other,
    };
    format!("{level} CI, {method}")
}

/// Each method once, in the order in which they first stand.
pub(crate) fn methods<'a>(intervals: impl Iterator<Item = &'a Interval>) -> Vec<&'a Interval> {
    let mut methods: Vec<&Interval> = Vec::new();
    for interval in intervals {
        if !methods.iter().any(|known| known.method == interval.method && known.level == interval.level) {
            methods.push(interval);
        }
    }
    methods
}

/// The interval by a method, if it is defined there.
pub(crate) fn by_method<'a>(intervals: &'a [Interval], method: &Interval) -> Option<&'a Interval> {
    intervals.iter().find(|interval| interval.method == method.method && interval.level == method.level)
}

/// A cell for the interval by each method.
pub(crate) fn interval_cells(intervals: &[Interval], methods: &[&Interval], unit: &str) -> Markup {
    html! {
        @for method in methods {
            td.number {
                @match by_method(intervals, method) {
                    Some(interval) => (limits(interval, unit)),
                    None => "undefined",
                }
            }
        }
    }
}

/// Headings for the intervals by each method.
pub(crate) fn interval_columns(methods: &[&Interval]) -> Markup {
    html! { @for interval in methods { th.number scope="col" { (method(interval)) } } }
}

/// Heading over [`bound_cell`].
pub(crate) fn bound_column() -> Markup {
    html! { th.number scope="col" { "If none was seen: 95% bound, one-sided" } }
}

/// What is still possible where nothing was seen.
pub(crate) fn bound_cell(figure: &Figure) -> Markup {
    html! {
        td.number {
            @match &figure.no_events {
                Some(bound) => {
                    (bound.one_sided_upper_percent) "%"
                    @if let Some(rule) = &bound.rule_of_three_percent { small { "rule of three " (rule) "%" } }
                },
                None => "–",
            }
        }
    }
}

/// The scale of shares, from nobody to everybody.
pub(crate) fn share_scale() -> DotScale<'static> {
    let ticks = [0, 50, 100].map(|percent| AxisTick { at: f64::from(percent), label: format!("{percent}%") });
    DotScale::new(Axis { label: "Share, drawn", min: 0.0, max: 100.0, ticks: ticks.into() })
        .expect("the axis ends beyond zero")
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok()
}

/// A share as a dot; the number stands beside it.
pub(crate) fn dot(scale: &DotScale<'_>, percent: Option<&str>) -> Markup {
    // What is no share has no place on the scale.
    percent.and_then(number).and_then(|percent| scale.row(percent, None).ok()).unwrap_or_default()
}

/// A share as a bar, with its limits; the numbers stand beside it.
fn bar(scale: &DotScale<'_>, percent: Option<&str>, interval: Option<&Interval>) -> Markup {
    let limits =
        interval.and_then(|it| Some(Limits { lower: number(&it.lower)?, upper: number(&it.upper)? }));
    percent.and_then(number).and_then(|percent| scale.bar(percent, limits).ok()).unwrap_or_default()
}

/// A table of figures with everything needed to judge them.
pub(crate) fn figure_table(caption: &str, figures: &[&Figure]) -> Markup {
    if figures.is_empty() {
        return html! { p.nothing { (caption) ": this report holds none in a form that this page knows." } };
    }
    let methods = methods(figures.iter().flat_map(|figure| &figure.intervals));
    let bounds = figures.iter().any(|figure| figure.no_events.is_some());
    let scale = share_scale();
    let shown = table(
        caption,
        &html! {
            tr {
                th scope="col" { "Figure" }
                th.number scope="col" { "Subjects" }
                th.number scope="col" { "Share" }
                th.drawn scope="col" { (scale.head()) }
                (interval_columns(&methods))
                @if bounds { (bound_column()) }
                th scope="col" { "Definition" }
                th.number scope="col" { "Dates completed" }
            }
        },
        &html! {
            @for figure in figures {
                tr {
                    th.name scope="row" { (figure.label) }
                    td.number { (ratio(figure)) }
                    td.number { (share(figure)) }
                    td.drawn { (bar(&scale, figure.percent.as_deref(), figure.intervals.first())) }
                    (interval_cells(&figure.intervals, &methods, "%"))
                    @if bounds { (bound_cell(figure)) }
                    td.definition { code { (figure.definition) } }
                    td.number { (figure.at.cell("imputed", count(figure.imputed))) }
                }
            }
        },
    );
    html! { (shown) (how(figures)) }
}

/// How shares were computed, for whoever asks.
pub(crate) fn how(figures: &[&Figure]) -> Markup {
    opened_by_whoever_asks(&html! {
        @for figure in figures {
            dt { (figure.label) }
            dd {
                (count(figure.numerator)) " of " (count(figure.denominator)) ", by definition " code { (figure.definition) } ". "
                (denominator(&figure.population, &figure.denominator_rule))
                (intervals(&figure.intervals, "%"))
                (completed(figure.imputed))
            }
        }
    })
}

/// How rates were computed, for whoever asks.
fn how_rates(rates: &[Rate]) -> Markup {
    opened_by_whoever_asks(&html! {
        @for rate in rates {
            dt { (rate.label) }
            dd {
                (counted(rate.events, "event", "events")) " in " (rate.patient_years) " patient-years, by definition "
                code { (rate.definition) } ". Time counted: " (words(&rate.time)) ". "
                (denominator(&rate.population, &rate.denominator_rule))
                (intervals(&rate.intervals, ""))
                (completed(rate.imputed))
            }
        }
    })
}

fn opened_by_whoever_asks(told: &Markup) -> Markup {
    html! { details.how { summary { "How was this computed?" } dl { (told) } } }
}

fn denominator(population: &str, rule: &str) -> Markup {
    html! { "Denominator: " (population) @if !rule.is_empty() { ": " (rule) } ". " }
}

fn intervals(intervals: &[Interval], unit: &str) -> Markup {
    html! { @for interval in intervals { (method(interval)) ": " (limits(interval, unit)) ". " } }
}

fn completed(dates: u64) -> Markup {
    html! { @if dates > 0 { (counted(dates, "partial date was", "partial dates were")) " completed." } }
}

/// A table of rates.
pub(crate) fn rate_table(caption: &str, rates: &[Rate]) -> Markup {
    let methods = methods(rates.iter().flat_map(|rate| &rate.intervals));
    let shown = table(
        caption,
        &html! {
            tr {
                th scope="col" { "Rate" }
                th.number scope="col" { "Events" }
                th.number scope="col" { "Patient-years" }
                th.number scope="col" { "Per 100" }
                (interval_columns(&methods))
                th scope="col" { "Time counted" }
                th scope="col" { "Definition" }
                th.number scope="col" { "Dates completed" }
            }
        },
        &html! {
            @for rate in rates {
                tr {
                    th.name scope="row" { (rate.label) }
                    td.number { (rate.at.cell("events", count(rate.events))) }
                    td.number { (rate.at.cell("patient_years", &rate.patient_years)) }
                    td.number { (rate.per_100_patient_years.as_deref().unwrap_or("no time at risk")) }
                    (interval_cells(&rate.intervals, &methods, ""))
                    td { (heading(&rate.time)) }
                    td.definition { code { (rate.definition) } }
                    td.number { (rate.at.cell("imputed", count(rate.imputed))) }
                }
            }
        },
    );
    html! { (shown) (how_rates(rates)) }
}

/// What the report counts and a form to count up to another day, of the same records.
pub(crate) fn cutoff(report: &Report, links: &Links, address: &str) -> Markup {
    let Some(cutoff) = report.cutoff() else { return absent("cutoff") };
    // The form sends its one field: the address goes without its own.
    let action = address.split('?').next().unwrap_or(address);
    html! {
        form.cutoff method="get" action=(action) {
            p {
                @match &links.as_of {
                    None => {},
                    Some(as_of) => {
                        @match as_of {
                            AsOf::Cut(name) => { "Data cut " strong { (name) } },
                            AsOf::Records(records) => { "The first " strong { (records) } " records" },
                        }
                        ": what was recorded since is not in these figures. "
                        input type="hidden" name="as_of" value=(as_of);
                    }
                }
                "What happened up to " strong { (cutoff.date) } " is counted ("
                @match cutoff.basis.as_str() {
                    "given" => "as chosen",
                    "last_record" => "the day of the last record",
                    other => (words(other)),
                }
                @if !cutoff.zone.is_empty() { ", zone " (cutoff.zone) }
                "). "
                label for="cutoff" { "Another day: " }
                input #cutoff type="date" name="cutoff" value=(cutoff.date) min="1900-01-01" max="2999-12-31" required;
                " " button type="submit" { "Show" }
            }
        }
    }
}

/// A subject that a report names, with its trail.
pub(crate) fn subject(id: &str, links: &Links) -> Markup {
    html! {
        @match id.parse() {
            Ok(subject) if links.to_subjects => a href=(links.subject(&subject, None)) { (id) },
            _ => (id),
        }
    }
}

/// Sites with the counts that the report makes of them, most telling first as the report's reader expects.
pub(crate) fn sites(report: &Report) -> Markup {
    let Some(sites) = report.part::<Vec<SiteRow>>("/sites") else { return absent("sites") };
    let order = [
        "screened",
        "enrolled",
        "infused",
        "subjects",
        "safety_set",
        "relapses",
        "events",
        "serious_events",
        "deaths",
    ];
    let counts: Vec<&str> =
        order.into_iter().filter(|name| sites.iter().any(|site| site.counts.contains_key(*name))).collect();
    table(
        "By site",
        &html! {
            tr {
                th scope="col" { "Site" }
                th scope="col" { "Name" }
                th scope="col" { "Country" }
                @for name in &counts { th.number scope="col" { (heading(name)) } }
            }
        },
        &html! {
            @for site in &sites {
                tr {
                    th scope="row" { (site.id) }
                    td { (site.name) }
                    td { (site.country) }
                    @for name in &counts {
                        td.number { @match site.counts.get(*name).and_then(Value::as_u64) { Some(number) => (site.at.cell(name, count(number))), None => "–" } }
                    }
                }
            }
        },
    )
}

/// What was recorded and is not counted.
pub(crate) fn excluded(report: &Report) -> Markup {
    counts(report, "/excluded", "Recorded, but not in the figures", "exclusions")
}

/// Records shown of each suspected key; the report has them all.
const SUSPECTED_SHOWN_MAX: usize = 50;

/// Keys that others may have had, and what was recorded with them since; nothing where there are none.
pub(crate) fn suspected(report: &Report, links: &Links) -> Markup {
    let keys: Vec<clinical::SuspectedKey> = report.part("/suspected_keys").unwrap_or_default();
    html! {
        @for key in &keys {
            p.note {
                strong { "A key that others may have had: " }
                (key.holder) ", " (words(key.role.as_str())) ", " (key.organisation) ", revoked in record "
                (links.to_record(key.revoked_at)) ", suspected since " (key.suspected_since) ". "
                (count(key.records.len() as u64)) " records signed with it and recorded since are counted all the same"
                @for (index, record) in key.records.iter().take(SUSPECTED_SHOWN_MAX).enumerate() {
                    @if index == 0 { ": " } @else { ", " }
                    (links.to_record(record.seq))
                }
                @if key.records.len() > SUSPECTED_SHOWN_MAX { " and more" } "."
            }
        }
    }
}

/// A part that is counts by name.
pub(crate) fn counts(report: &Report, pointer: &str, caption: &str, what: &str) -> Markup {
    let Some(counts) = report.part::<BTreeMap<String, Value>>(pointer) else { return absent(what) };
    let at = report.at(pointer);
    let counts: Vec<_> = counts.iter().filter_map(|(name, number)| Some((name, number.as_u64()?))).collect();
    table(
        caption,
        &columns(&["What", "#Count"]),
        &html! {
            @for (name, number) in &counts { tr { th scope="row" { (heading(name)) } td.number { (at.cell(name, count(*number))) } } }
        },
    )
}

/// Definitions and conventions that the figures follow, and what made them.
pub(crate) fn basis(report: &Report) -> Markup {
    let mut rows: Vec<(String, String)> = Vec::new();
    for (pointer, what) in [("/definitions", "definition of "), ("/conventions", "")] {
        let stated: BTreeMap<String, Value> = report.part(pointer).unwrap_or_default();
        rows.extend(stated.into_iter().filter_map(|(name, value)| {
            let value = match value {
                Value::String(text) => text,
                // The trial's own definitions, by their ids.
                Value::Array(own) => {
                    own.iter().filter_map(|one| one["id"].as_str()).collect::<Vec<_>>().join(", ")
                }
                _ => return None,
            };
            Some((heading(&format!("{what}{name}")), value))
        }));
    }
    rows.extend(report.part::<String>("/confidence").map(|level| ("Confidence".to_owned(), level)));
    let engine: BTreeMap<String, String> = report.part("/engine").unwrap_or_default();
    if let (Some(name), Some(version)) = (engine.get("name"), engine.get("version")) {
        rows.push(("Made by".to_owned(), format!("{name} {version}")));
    }
    let replaced: Vec<BTreeMap<String, String>> = report.part("/definitions_replaced").unwrap_or_default();
    html! {
        (table(
            "What the figures follow",
            &columns(&["What", "Stated"]),
            &html! { @for (name, value) in &rows { tr { th scope="row" { (name) } td { (value) } } } },
        ))
        @for replaced in &replaced {
            @let text = |name: &str| replaced.get(name).map(String::as_str).unwrap_or_default();
            p.note {
                strong { "Not known to this version: " } "the definition " code { (text("stated")) } " of " (words(text("what")))
                "; the figures use " code { (text("used")) } " instead."
            }
        }
    }
}
