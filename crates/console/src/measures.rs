//! Tables of what was measured by visit: one a measurement and method. Numbers are the report's own.

use maud::{Markup, html};
use serde::Deserialize;

use crate::curves::{AtVisit, OwnLine, course};
use crate::figures::{absent, columns, subject, table};
use crate::links::Links;
use crate::report::{At, Report};
use crate::words::{count, counted, heading};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Section {
    definition: String,
    population: String,
    baseline: String,
    denominator_rule: String,
    quartiles: String,
    tests: String,
    lines_rule: String,
    tables: Vec<Tabled>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Tabled {
    measure: String,
    method: Option<String>,
    unit: String,
    score: Option<ScoreDefinitions>,
    other_units: Vec<OtherUnit>,
    rows: Vec<Row>,
    lines: Vec<Line>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Line {
    subject: String,
    values: Vec<AtRow>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct AtRow {
    visit: String,
    value: String,
}

impl Line {
    fn at(&self, row: &Row) -> Option<&str> {
        self.values.iter().find(|one| one.visit == row.visit).map(|one| one.value.as_str())
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ScoreDefinitions {
    sledai: String,
    severity: String,
    change: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Band {
    name: String,
    subjects: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Changed {
    better: u64,
    unchanged: u64,
    worse: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct OtherUnit {
    unit: String,
    values: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Row {
    #[serde(rename = "@")]
    at: At,
    visit: String,
    day: Option<i64>,
    n: u64,
    missing: u64,
    incomplete: Option<u64>,
    bands: Vec<Band>,
    changed: Option<Changed>,
    mean: Option<String>,
    sd: Option<String>,
    q1: Option<String>,
    median: Option<String>,
    q3: Option<String>,
    min: Option<String>,
    max: Option<String>,
    change: Option<Change>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Change {
    #[serde(rename = "@")]
    at: At,
    n: u64,
    mean: String,
    hodges_lehmann: String,
    p: Option<String>,
    p_method: Option<String>,
    p_holm: Option<String>,
}

/// All measurements on paper; else one, the named one or the first score, and the ways to the others.
pub(crate) fn measures(
    report: &Report,
    links: &Links,
    asked: Option<&str>,
    month_days: Option<f64>,
) -> Markup {
    let Some(section) = report.part::<Section>("/measures") else { return absent("measurements") };
    if section.tables.is_empty() {
        return html! { p.nothing { "No measurement is recorded up to the cutoff." } };
    }
    html! {
        p {
            "Population: " (section.population) ". The value of a visit by " code { (section.definition) } "; baseline: "
            (section.baseline) ". Denominator: " (section.denominator_rule) ". Quartiles: " (section.quartiles) ". Change: "
            (section.tests) "."
        }
        @if links.on_paper {
            @for (measure, number) in section.tables.iter().zip(1_u32..) {
                @if let Some(month_days) = month_days { (drawn(measure, &report.id(&format!("course-{number}")), month_days)) }
                (one(measure))
            }
        } @else {
            @let chosen = chosen(&section.tables, asked);
            nav.choice aria-label="Measurements" {
                ul {
                    @for measure in &section.tables {
                        @let is_chosen = chosen.is_some_and(|chosen| std::ptr::eq(chosen, measure));
                        li { a href=(links.to("/outcomes/measurements", &[("measure", key(measure))])) aria-current=[is_chosen.then_some("true")] { (title(measure)) } }
                    }
                }
            }
            @match chosen {
                Some(measure) => {
                    @if let Some(month_days) = month_days { (drawn(measure, &report.id("course"), month_days)) }
                    (one(measure))
                    @if measure.lines.is_empty() { p.quiet { "Listed are " (section.lines_rule) "; this one has more." } }
                    @else { details { summary { "Each subject's own values" } (line_table(measure, links)) } }
                },
                None => p.nothing { "No measurement of this name is in the report." },
            }
        }
    }
}

/// What a measurement is called in the page's address.
fn key(measure: &Tabled) -> String {
    let parts = [Some(measure.measure.as_str()), measure.method.as_deref(), Some(measure.unit.as_str())];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

fn chosen<'a>(tables: &'a [Tabled], asked: Option<&str>) -> Option<&'a Tabled> {
    match asked {
        Some(asked) => tables.iter().find(|measure| key(measure) == asked),
        None => tables.iter().rev().find(|measure| measure.score.is_some()).or(tables.first()),
    }
}

/// `loinc:1751-7` with what people call it, where this page knows that; `sledai_total` as words.
fn title(measure: &Tabled) -> String {
    let known = match measure.measure.as_str() {
        "loinc:1751-7" => Some("Albumin"),
        "loinc:2160-0" => Some("Creatinine"),
        "loinc:2889-4" => Some("Protein in 24-hour urine"),
        "loinc:4485-9" => Some("Complement C3"),
        "loinc:4498-2" => Some("Complement C4"),
        "loinc:47299-3" => Some("Anti-dsDNA antibodies"),
        "pga" => Some("Physician's global assessment"),
        "prednisone_mg_per_day" => Some("Prednisone equivalent"),
        "sledai_clinical" => Some("SLEDAI-2K, clinical"),
        "sledai_total" => Some("SLEDAI-2K, total"),
        _ => None,
    };
    let name = known.unwrap_or(&measure.measure);
    let method = measure.method.as_ref().map(|method| format!(", {method}")).unwrap_or_default();
    let code = match known {
        Some(_) if measure.measure.contains(':') => format!(" [{}]", measure.measure),
        _ => String::new(),
    };
    format!("{name}{method} ({}){code}", measure.unit)
}

const COLUMNS: [&str; 9] =
    ["Visit", "#Target day", "#n", "#Missing", "#Mean", "#SD", "#Median", "#Quartiles", "#Range"];

/// Of a score, how many of the missing are incomplete.
const SCORE_COLUMNS: [&str; 10] = [
    "Visit",
    "#Target day",
    "#n",
    "#Missing",
    "#Incomplete",
    "#Mean",
    "#SD",
    "#Median",
    "#Quartiles",
    "#Range",
];

/// Subjects by range of the score and by how it went from baseline.
fn activity(measure: &Tabled, definitions: &ScoreDefinitions) -> Markup {
    let Some(first) = measure.rows.iter().find(|row| !row.bands.is_empty()) else { return html! {} };
    let went = |row: &Row, how: fn(&Changed) -> u64| {
        row.changed.as_ref().map_or_else(|| "–".to_owned(), |it| count(how(it)))
    };
    html! {
        (table(
            &format!("Subjects by range and change from baseline: {}", title(measure)),
            &html! {
                tr {
                    th scope="col" { "Visit" }
                    @for band in &first.bands { th.number scope="col" { (heading(&band.name)) } }
                    th.number scope="col" { "Better" }
                    th.number scope="col" { "Unchanged" }
                    th.number scope="col" { "Worse" }
                }
            },
            &html! {
                @for row in &measure.rows {
                    tr {
                        th scope="row" { (heading(&row.visit)) }
                        @for band in &row.bands { td.number { (count(band.subjects)) } }
                        td.number { (went(row, |it| it.better)) }
                        td.number { (went(row, |it| it.unchanged)) }
                        td.number { (went(row, |it| it.worse)) }
                    }
                }
            },
        ))
        p.quiet {
            "Score by " code { (definitions.sledai) } ", ranges by " code { (definitions.severity) } ", change by "
            code { (definitions.change) } "."
        }
    }
}

/// A p value; none is zero.
fn p(value: Option<&String>) -> String {
    match value.map(String::as_str) {
        None => "–".to_owned(),
        Some("0.000000") => "<0.000001".to_owned(),
        Some(told) => told.to_owned(),
    }
}

/// The course from baseline on, if there is any.
fn drawn(measure: &Tabled, id: &str, month_days: f64) -> Markup {
    let visits: Vec<AtVisit<'_>> = measure
        .rows
        .iter()
        .filter_map(|row| {
            let five = [&row.min, &row.q1, &row.median, &row.q3, &row.max];
            let [low, first, median, third, high] = five.map(|value| value.as_deref());
            Some((row.day.unwrap_or(0), [low?, first?, median?, third?, high?]))
        })
        .collect();
    if visits.len() < 2 {
        html! {}
    } else {
        let lines: Vec<_> = measure.lines.iter().map(|line| own(measure, line)).collect();
        course(id, &title(measure), &visits, &lines, month_days)
    }
}

/// A subject's values in the order of the visits.
fn own<'a>(measure: &'a Tabled, line: &'a Line) -> OwnLine<'a> {
    let value = |row: &Row| Some((row.day.unwrap_or(0), line.at(row)?));
    measure.rows.iter().filter_map(value).collect()
}

/// Each subject's values, with the way to the subject.
fn line_table(measure: &Tabled, links: &Links) -> Markup {
    table(
        &format!("Each subject: {}", title(measure)),
        &html! {
            tr {
                th scope="col" { "Subject" }
                @for row in &measure.rows { th.number scope="col" { (heading(&row.visit)) } }
            }
        },
        &html! {
            @for line in &measure.lines {
                tr {
                    th scope="row" { (subject(&line.subject, links)) }
                    @for row in &measure.rows { td.number { (line.at(row).unwrap_or("–")) } }
                }
            }
        },
    )
}

fn one(measure: &Tabled) -> Markup {
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "–".to_owned());
    let pair = |one: &Option<String>, other: &Option<String>| match (one, other) {
        (Some(one), Some(other)) => format!("{one} to {other}"),
        _ => "–".to_owned(),
    };
    let rows = || measure.rows.iter();
    let is_score = measure.score.is_some();
    html! {
        (table(
            &title(measure),
            &columns(if is_score { &SCORE_COLUMNS } else { &COLUMNS }),
            &html! {
                @for row in rows() {
                    tr {
                        th scope="row" { (heading(&row.visit)) }
                        td.number { @match row.day { Some(day) => (day), None => "–" } }
                        td.number { (row.at.cell("n", count(row.n))) }
                        td.number { (row.at.cell("missing", count(row.missing))) }
                        @if is_score { td.number { (row.incomplete.map_or_else(|| "–".to_owned(), count)) } }
                        td.number { (row.at.cell("mean", text(&row.mean))) }
                        td.number { (text(&row.sd)) }
                        td.number { (row.at.cell("median", text(&row.median))) }
                        td.number { (pair(&row.q1, &row.q3)) }
                        td.number { (pair(&row.min, &row.max)) }
                    }
                }
            },
        ))
        @if rows().any(|row| row.change.is_some()) {
            (table(
                &format!("Change from baseline: {}", title(measure)),
                &columns(&["Visit", "#n", "#Mean", "#Hodges-Lehmann", "#Wilcoxon p", "How", "#Adjusted p (Holm)"]),
                &html! {
                    @for (row, change) in rows().filter_map(|row| Some((row, row.change.as_ref()?))) {
                        tr {
                            th scope="row" { (heading(&row.visit)) }
                            td.number { (change.at.cell("n", count(change.n))) }
                            td.number { (change.at.cell("mean", &change.mean)) }
                            td.number { (change.at.cell("hodges_lehmann", &change.hodges_lehmann)) }
                            td.number { (p(change.p.as_ref())) }
                            td { (change.p_method.as_deref().unwrap_or("no difference")) }
                            td.number { (p(change.p_holm.as_ref())) }
                        }
                    }
                },
            ))
        }
        @if let Some(definitions) = &measure.score { (activity(measure, definitions)) }
        @for other in &measure.other_units {
            p.note { (counted(other.values, "value", "values")) " in " (other.unit) " not in this table." }
        }
    }
}
