//! What is attended to apart: infusion reactions, graft-versus-host disease, infections and malignancies.

use maud::{Markup, html};
use serde::Deserialize;

use crate::figures::{absent, columns, figure_table, rate_table, subject, table};
use crate::links::Links;
use crate::report::{Figure, Rate, Report};
use crate::words::{count, counted, date, heading, words};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Reactions {
    definition: String,
    rule: String,
    subjects: Figure,
    infusions: Option<Figure>,
    events: u64,
    time_unknown: u64,
    undetermined: u64,
    listing: Vec<Reaction>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Reaction {
    event: Line,
    class: String,
    worsened: bool,
    infusion: Option<u64>,
    infused_on: Option<String>,
    hours: Option<String>,
}

/// An event, as sections list it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Line {
    subject: String,
    site: String,
    pt: Option<String>,
    onset: String,
    day: Option<i64>,
    severity: Option<String>,
    grade: Option<u8>,
    serious: bool,
    product: String,
    procedure: String,
    outcome: Option<String>,
    latest_seq: u64,
}

impl Line {
    /// Cells from the term on, which every list has.
    fn cells(&self, links: &Links) -> Markup {
        html! {
            td { (self.pt.as_deref().unwrap_or("not coded")) }
            td {
                @if let Some(severity) = &self.severity { (words(severity)) " " }
                @if let Some(grade) = self.grade { "grade " (grade) }
            }
            td { @if self.serious { "serious" } @else { "no" } }
            td { (words(&self.product)) }
            td { (words(&self.procedure)) }
            td { (self.outcome.as_deref().map(heading).unwrap_or_default()) }
            td { (links.to_record(self.latest_seq)) }
        }
    }

    fn onset(&self) -> Markup {
        html! { @if self.onset.is_empty() { "unknown" } @else { (date(&self.onset)) } }
    }
}

pub(super) fn reactions(report: &Report, links: &Links) -> Markup {
    let Some(section) = report.part::<Reactions>("/infusion_reactions") else {
        return absent("infusion reactions");
    };
    html! {
        p { code { (section.definition) } ": " (section.rule) "." }
        (figure_table("Infusion reactions", &std::iter::once(&section.subjects).chain(&section.infusions).collect::<Vec<_>>()))
        p {
            (counted(section.events, "event", "events")) ", " (count(section.time_unknown))
            " of them within a day, time unknown (†). May have been one by a date that is not known to the day, and in no figure (‡): "
            (count(section.undetermined)) "."
        }
        @if !section.listing.is_empty() {
            (table(
                "Each event",
                &columns(&["Subject", "Site", "#Infusion", "Infused", "Onset", "#Hours", "Term", "Severity and grade", "Serious", "To product", "To procedure", "Outcome", "Record"]),
                &html! { @for it in &section.listing { (reaction(it, links)) } },
            ))
        }
    }
}

fn reaction(it: &Reaction, links: &Links) -> Markup {
    html! {
        tr {
            th scope="row" { (subject(&it.event.subject, links)) }
            td { (it.event.site) }
            td.number { @match it.infusion { Some(number) => (number), None => "–" } }
            td { @match &it.infused_on { Some(on) => (date(on)), None => "–" } }
            td { (it.event.onset()) @if it.worsened { " (worsened later)" } }
            td.number {
                @match (&it.hours, it.class.as_str()) {
                    (Some(hours), _) => (hours),
                    (None, "undetermined") => "‡",
                    (None, _) => "†",
                }
            }
            (it.event.cells(links))
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Gvhd {
    definition: String,
    rule: String,
    assessed: Figure,
    assessments: u64,
    not_done: u64,
    figures: Vec<Figure>,
    stages: Vec<Stages>,
    grades: Vec<u64>,
    listing: Vec<Diseased>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Stages {
    organ: String,
    subjects: Vec<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Diseased {
    subject: String,
    site: String,
    on: String,
    day: Option<i64>,
    skin: u8,
    liver: u8,
    upper_gi: u8,
    lower_gi: u8,
    grade: u8,
    positive: u64,
    latest_seq: u64,
}

/// An overall grade as it is written.
fn roman(grade: u8) -> &'static str {
    ["0", "I", "II", "III", "IV"].get(usize::from(grade)).copied().unwrap_or("–")
}

pub(super) fn gvhd(report: &Report, links: &Links) -> Markup {
    let Some(section) = report.part::<Gvhd>("/gvhd") else { return absent("graft-versus-host disease") };
    html! {
        p { code { (section.definition) } ": " (section.rule) "." }
        p {
            (counted(section.assessments, "examination", "examinations")) " after first infusion; stated to be not done: "
            (count(section.not_done)) "."
        }
        @let figures: Vec<&Figure> = std::iter::once(&section.assessed).chain(&section.figures).collect();
        (figure_table("Subjects examined, and with any stage", &figures))
        (table(
            "Subjects examined, by the worst stage of each organ and the worst grade",
            &columns(&["Organ", "#0", "#1 (I)", "#2 (II)", "#3 (III)", "#4 (IV)"]),
            &html! {
                @for row in &section.stages {
                    tr { th scope="row" { (heading(&row.organ)) } @for number in &row.subjects { td.number { (count(*number)) } } }
                }
                tr { th scope="row" { "Overall grade" } @for number in &section.grades { td.number { (count(*number)) } } }
            },
        ))
        @if !section.listing.is_empty() {
            (table(
                "Each subject with any stage",
                &columns(&["Subject", "Site", "First found", "#Day", "#Skin", "#Liver", "#Upper tract", "#Lower tract", "Grade", "#Examinations with it", "Record"]),
                &html! {
                    @for it in &section.listing {
                        tr {
                            th scope="row" { (subject(&it.subject, links)) }
                            td { (it.site) }
                            td { (date(&it.on)) }
                            td.number { @match it.day { Some(day) => (day), None => "unknown" } }
                            td.number { (it.skin) }
                            td.number { (it.liver) }
                            td.number { (it.upper_gi) }
                            td.number { (it.lower_gi) }
                            td { (roman(it.grade)) }
                            td.number { (count(it.positive)) }
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
struct Interest {
    label: String,
    soc: String,
    categories: Vec<Category>,
    first: Rate,
    all: Rate,
    listing: Vec<Line>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Category {
    events: u64,
    subjects: Figure,
}

pub(super) fn interest(report: &Report, links: &Links) -> Markup {
    let Some(groups) = report.part::<Vec<Interest>>("/of_interest") else {
        return absent("infections and malignancies");
    };
    html! { @for group in groups { (of(group, links)) } }
}

fn of(group: Interest, links: &Links) -> Markup {
    let Interest { label, soc, categories, first, all, listing } = group;
    let figures: Vec<&Figure> = categories.iter().map(|one| &one.subjects).collect();
    html! {
        h3 { (label) }
        p {
            "Treatment-emergent events of the class " (soc) ". Events:"
            @for (index, one) in categories.iter().enumerate() {
                @if index > 0 { ";" } " " (one.subjects.label.rsplit(": ").next().unwrap_or_default()) " " (count(one.events))
            }
            "."
        }
        (figure_table(&format!("{label}: subjects"), &figures))
        (rate_table(&format!("{label}: rates"), &[first, all]))
        @if !listing.is_empty() {
            (table(
                &format!("{label}: each event"),
                &columns(&["Subject", "Site", "Onset", "#Day", "Term", "Severity and grade", "Serious", "To product", "To procedure", "Outcome", "Record"]),
                &html! {
                    @for it in &listing {
                        tr {
                            th scope="row" { (subject(&it.subject, links)) }
                            td { (it.site) }
                            td { (it.onset()) }
                            td.number { @match it.day { Some(day) => (day), None => "unknown" } }
                            (it.cells(links))
                        }
                    }
                },
            ))
        }
    }
}
