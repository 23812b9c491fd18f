//! Flares by the definition that the trial states, and what set them off. Numbers are the report's own.

use maud::{Markup, html};
use serde::Deserialize;

use crate::computed::{Stated, record};
use crate::figures::{columns, figure_table, subject, table};
use crate::links::Links;
use crate::report::{At, Figure, Report};
use crate::words::{count, counted, date, words};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Flares {
    #[serde(rename = "@")]
    at: At,
    definition: String,
    title: String,
    comparison_rule: String,
    subjects: u64,
    comparisons: u64,
    not_determinable: u64,
    figures: Vec<FlareFigure>,
    triggers: Vec<Trigger>,
    listing_rule: String,
    listing: Vec<Listed>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct FlareFigure {
    #[serde(rename = "@")]
    at: At,
    flares: u64,
    figure: Figure,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Trigger {
    #[serde(rename = "@")]
    at: At,
    of: String,
    cause: String,
    grade: String,
    flares: u64,
    subjects: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Listed {
    subject: String,
    site: String,
    on: String,
    day: i64,
    clinical: Option<String>,
    medication: Option<String>,
    causes: Vec<String>,
    relapse: bool,
    visit: Stated,
    before: Stated,
}

/// Flares shown one by one; the report has more.
const LISTED_SHOWN_MAX: usize = 200;

/// The section; nothing where the trial states no definition of flares.
pub(crate) fn flares(report: &Report, links: &Links) -> Markup {
    let Some(flares) = report.part::<Flares>("/flares") else { return html! {} };
    let figures: Vec<&Figure> = flares.figures.iter().map(|one| &one.figure).collect();
    html! {
        section {
            h2 { "Flares" }
            p {
                (flares.title) " (" code { (flares.definition) } "), computed: " (flares.comparison_rule) ". Compared were "
                (flares.at.cell("comparisons", counted(flares.comparisons, "assessment", "assessments"))) " of "
                (flares.at.cell("subjects", counted(flares.subjects, "subject", "subjects"))) "; of "
                (flares.at.cell("not_determinable", count(flares.not_determinable)))
                " nothing set a flare off, but something that might have is not known. A flare judges nobody: what was judged to be "
                "a relapse stands above."
            }
            (figure_table("Subjects with a flare, of those compared", &figures))
            (table(
                "Flares, one a subject and day",
                &columns(&["Flares", "#Number"]),
                &html! {
                    @for one in &flares.figures {
                        tr { th scope="row" { (one.figure.label) } td.number { (one.at.cell("flares", count(one.flares))) } }
                    }
                },
            ))
            @if !flares.triggers.is_empty() {
                (table(
                    "What set flares off, alone or with others",
                    &columns(&["Of", "Trigger", "Grade", "#Flares", "#Subjects"]),
                    &html! {
                        @for it in &flares.triggers {
                            tr {
                                td { (words(&it.of)) }
                                th scope="row" { (words(&it.cause)) }
                                td { (grade(&it.grade)) }
                                td.number { (it.at.cell("flares", count(it.flares))) }
                                td.number { (it.at.cell("subjects", count(it.subjects))) }
                            }
                        }
                    },
                ))
            }
            @if !flares.listing.is_empty() { (listed(&flares, links)) }
        }
    }
}

fn listed(flares: &Flares, links: &Links) -> Markup {
    html! {
        (table(
            "Each flare",
            &columns(&["Subject", "Site", "Assessed", "#Day", "Clinical", "Medication", "What set it off", "Judged a relapse", "Records"]),
            &html! {
                @for it in flares.listing.iter().take(LISTED_SHOWN_MAX) {
                    tr {
                        th scope="row" { (subject(&it.subject, links)) }
                        td { (it.site) }
                        td { (date(&it.on)) }
                        td.number { (it.day) }
                        td { (it.clinical.as_deref().map_or("–", grade)) }
                        td { (it.medication.as_deref().map_or("–", grade)) }
                        td.what { (it.causes.iter().map(|cause| words(cause)).collect::<Vec<_>>().join("; ")) }
                        td { @if it.relapse { "yes" } @else { "no" } }
                        td { (record(&it.visit, links)) ", before " (record(&it.before, links)) }
                    }
                }
            },
        ))
        p.quiet {
            @if flares.listing.len() > LISTED_SHOWN_MAX { "The first " (count(LISTED_SHOWN_MAX as u64)) " are shown. " }
            "The report lists them " (flares.listing_rule) "."
        }
    }
}

fn grade(grade: &str) -> &str {
    match grade {
        "mild_moderate" => "mild or moderate",
        other => other,
    }
}
