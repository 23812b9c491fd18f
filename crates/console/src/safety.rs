//! The safety report: categories of adverse events, classes and terms, deaths, and what is not known.

mod attended;
mod over_time;
mod reporting;
mod surveillance;

use api::ReportKind;
use axum::response::Response;
use charts::DotScale;
use clinical::CutName;
use maud::{Markup, html};

use crate::asked::{Asked, Failure};
use crate::figures::{
    absent, basis, bound_cell, bound_column, columns, counts, cutoff, dot, excluded, figure_table, first_of,
    interval_cells, interval_columns, methods, ratio, share, share_scale, sites, subject, suspected, table,
};
use crate::links::Links;
use crate::list::{self, Format};
use crate::page::{self, Here};
use crate::report::{
    Disagreement, EventTable, Figure, Listed, Overview, Rate, Report, SinceEarlier, TermRow, Timing,
};
use crate::words::{count, counted, date, heading, words};

/// The report in pages that open quickly; a report in a file has all of it on one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Events,
    Interest,
    Reporting,
}

impl Part {
    const ALL: [Self; 3] = [Self::Events, Self::Interest, Self::Reporting];

    /// What stands for it in the address; nothing for the first.
    fn name(self) -> &'static str {
        match self {
            Self::Events => "",
            Self::Interest => "interest",
            Self::Reporting => "reporting",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Events => "Safety",
            Self::Interest => "Events of interest and rates",
            Self::Reporting => "Causality, reporting, donors and lots",
        }
    }

    fn sections(self, report: &Report, links: &Links) -> Markup {
        html! {
            @match self {
                Self::Events => {
                    section { h2 { "Populations" } (populations(report)) }
                    section { h2 { "Categories of adverse events" } (overviews(report)) }
                    section { h2 { "Stopping rule" } (surveillance::stopping(report, links)) }
                    section { h2 { "Deaths" } (deaths(report, links)) }
                    section { h2 { "Serious events" } (reporting::serious(report, links)) }
                    section { h2 { "By class and term" } (tables(report)) }
                    section { h2 { "When they began" } (timing(report)) }
                    section { h2 { "What is not known" } (counts(report, "/unknowns", "Adverse events by what is not known of them", "counts of what is not known")) }
                    section { h2 { "Sites" } (sites(report)) }
                }
                Self::Interest => {
                    section { h2 { "Infusion reactions" } (attended::reactions(report, links)) }
                    section { h2 { "Graft-versus-host disease" } (attended::gvhd(report, links)) }
                    section { h2 { "Infections and malignancies" } (attended::interest(report, links)) }
                    section { h2 { "Incidence by exposure" } (over_time::incidence(report)) }
                    section { h2 { "Time to the first event" } (over_time::first_events(report)) }
                    section { h2 { "Laboratory shift" } (over_time::laboratory(report)) }
                }
                Self::Reporting => {
                    section { h2 { "Related, by agent and assessor" } (reporting::related(report, links)) }
                    section { h2 { "Expedited reports" } (reporting::expedited(report, links)) }
                    section { h2 { "Reported seriousness against its criteria" } (disagreements(report, links)) }
                    section { h2 { "Donors and lots" } (surveillance::recall(report, links)) }
                }
            }
        }
    }
}

pub(crate) async fn safety(asked: Asked) -> Result<Response, Failure> {
    let named = asked.parameter("part");
    let Some(part) = Part::ALL.into_iter().find(|part| part.name() == named) else {
        return Err(asked.fail(page::no_such_part(&Part::ALL.map(Part::name))));
    };
    let view = match asked.report(ReportKind::Safety).await {
        Ok(view) => view,
        Err(problem) => return Err(asked.fail(problem)),
    };
    let links = &asked.links;
    match Format::asked(asked.given("format")) {
        Ok(None) => {}
        Ok(Some(format)) => return Ok(list::report(format, &links.trial, ReportKind::Safety, &view)),
        Err(problem) => return Err(asked.fail(problem)),
    }
    let report = Report::read(&view, ReportKind::Safety, links);
    let with = |address: String| match &asked.since {
        Some(since) => with_since(&address, since),
        None => address,
    };
    let main = html! {
        h1 { (part.title()) }
        (page::parts("Parts of the safety report", Part::ALL.map(|one| (one == part, with(links.safety(one.name())), one.title()))))
        (cutoff(&report, links, &links.safety(part.name())))
        (since(&report, &asked, &links.safety(part.name())))
        (part.sections(&report, links))
        (what_it_rests_on(&report, links))
        @let since: Vec<_> = asked.since.iter().map(|cut| ("since", cut.to_string())).collect();
        (links.takeaway("/safety", &since))
    };
    Ok(page::trial(&asked, Here::Safety, part.title(), &view.covers, &main))
}

fn with_since(address: &str, since: &CutName) -> String {
    format!("{address}{}since={since}", if address.contains('?') { '&' } else { '?' })
}

/// What the columns of what is new are counted against, or which cuts they could be.
fn since(report: &Report, asked: &Asked, address: &str) -> Markup {
    html! {
        @if let Some(since) = report.part::<SinceEarlier>("/since") {
            p {
                "New: not counted in the report of "
                @match &since.cut { Some(cut) => { "data cut " strong { (cut) } ", " }, None => {} }
                "the first " (count(since.records)) " records up to " (date(&since.cutoff)) ". " a href=(address) { "Without" }
            }
        } @else if !asked.detail.cuts.is_empty() {
            p {
                "What is new since the data cut:"
                @for cut in &asked.detail.cuts { " " a href=(with_since(address, &cut.name)) { (cut.name) } }
            }
        }
    }
}

/// New events and subjects, where they are counted.
fn new_cells(events: Option<u64>, subjects: Option<u64>) -> Markup {
    html! {
        @if let (Some(events), Some(subjects)) = (events, subjects) {
            td.number { (count(events)) }
            td.number { (count(subjects)) }
        }
    }
}

/// All that a safety report says, section by section.
pub(crate) fn sections(report: &Report, links: &Links) -> Markup {
    html! {
        @for part in Part::ALL { (part.sections(report, links)) }
        (what_it_rests_on(report, links))
    }
}

fn what_it_rests_on(report: &Report, links: &Links) -> Markup {
    html! {
        (suspected(report, links))
        section { h2 { "Not in the figures" } (excluded(report)) }
        section { h2 { "Definitions" } (basis(report)) }
    }
}

fn populations(report: &Report) -> Markup {
    let number = |name: &str| report.part::<u64>(&format!("/populations/{name}"));
    let Some((all, safety_set)) = number("all_subjects").zip(number("safety_set")) else {
        return absent("populations");
    };
    let at = report.at("/populations");
    html! {
        dl.facts {
            dt { "All subjects" } dd { (at.cell("all_subjects", count(all))) " with any record that is not void" }
            dt { "Safety set" } dd { (at.cell("safety_set", count(safety_set))) " who received the product at least once" }
            @if let Some(followed) = number("safety_set_followed") {
                dt { "With time at risk" }
                dd {
                    (at.cell("safety_set_followed", count(followed))) " of them, whose first infusion has a certain day"
                    @if let Some(years) = report.part::<String>("/populations/patient_years") { ": " (years) " patient-years" }
                }
            }
        }
    }
}

fn overviews(report: &Report) -> Markup {
    let overviews: Vec<Overview> = report.part("/overviews").unwrap_or_default();
    if overviews.is_empty() {
        return absent("categories");
    }
    html! { @for overview in &overviews { (categories(overview)) } }
}

fn categories(overview: &Overview) -> Markup {
    let proportions = methods(overview.categories.iter().flat_map(|category| &category.subjects.intervals));
    let with_rate =
        |category: &crate::report::Category| category.rate.as_ref().map(|rate| rate.intervals.clone());
    let rates: Vec<_> = overview.categories.iter().filter_map(with_rate).flatten().collect();
    let rate_methods = methods(rates.iter());
    let bounds = overview.categories.iter().any(|category| category.subjects.no_events.is_some());
    let has_rates = overview.categories.iter().any(|category| category.rate.is_some());
    let first = overview.categories.first().map(|category| &category.subjects);
    let has_new = overview.categories.iter().any(|category| category.events_since.is_some());
    html! {
        (table(
            &overview.label,
            &html! {
                tr {
                    th scope="col" { "Category" }
                    th.number scope="col" { "Events" }
                    @if has_new { th.number scope="col" { "New events" } th.number scope="col" { "New subjects" } }
                    th.number scope="col" { "Subjects" }
                    th.number scope="col" { "Share" }
                    (interval_columns(&proportions))
                    @if bounds { (bound_column()) }
                    @if has_rates { th.number scope="col" { "First events per 100 patient-years" } (interval_columns(&rate_methods)) }
                    th scope="col" { "Definition" }
                }
            },
            &html! {
                @for category in &overview.categories {
                    tr {
                        th.name scope="row" { (category.label) }
                        td.number { (category.at.cell("events", count(category.events))) }
                        (new_cells(category.events_since, category.subjects_since))
                        td.number { (ratio(&category.subjects)) }
                        td.number { (share(&category.subjects)) }
                        (interval_cells(&category.subjects.intervals, &proportions, "%"))
                        @if bounds { (bound_cell(&category.subjects)) }
                        @if has_rates { (rate(category.rate.as_ref(), &rate_methods)) }
                        td { code { (category.subjects.definition) } }
                    }
                }
            },
        ))
        @if let Some(first) = first {
            p.quiet { "Denominator: " (first.population) @if !first.denominator_rule.is_empty() { ", " (first.denominator_rule) } ". Categories overlap." }
        }
    }
}

fn rate(rate: Option<&Rate>, methods: &[&crate::report::Interval]) -> Markup {
    html! {
        td.number { (rate.and_then(|rate| rate.per_100_patient_years.as_deref()).unwrap_or("no time at risk")) }
        @match rate {
            Some(rate) => (interval_cells(&rate.intervals, methods, "")),
            None => @for _ in methods { td.number { "–" } },
        }
    }
}

fn tables(report: &Report) -> Markup {
    let tables: Vec<EventTable> = report.part("/tables").unwrap_or_default();
    if tables.is_empty() {
        return absent("table by class and term");
    }
    html! { @for table in &tables { (event_table(table)) } }
}

fn event_table(events: &EventTable) -> Markup {
    let scale = share_scale();
    let counted_anew = events.classes.iter().any(|class| class.class.events_since.is_some());
    let head = html! {
        tr {
            th scope="col" { "Class and term" }
            th.number scope="col" { "Subjects" }
            th.number scope="col" { "Share" }
            th.drawn scope="col" { (scale.head()) }
            th.number scope="col" { "Events" }
            @if counted_anew {
                th.number scope="col" { "New events" }
                th.number scope="col" { "New subjects" }
            }
            th.number scope="col" { "Serious" }
            th scope="col" { "Worst severity" }
            th.number scope="col" { "Worst grade" }
        }
    };
    html! {
        @if events.events == 0 { p { (events.label) ": no event in " (counted(events.denominator, "subject", "subjects")) "." } }
        @else {
            (table(
                &events.label,
                &head,
                &html! {
                    @for class in &events.classes {
                        (term(&class.class, "class", &scale))
                        @for under in &class.terms { (term(under, "term", &scale)) }
                    }
                    @if let Some(not_coded) = &events.not_coded { (term(&TermRow { name: "Not coded".to_owned(), ..not_coded.clone() }, "class", &scale)) }
                },
            ))
            p.quiet {
                (counted(events.events, "event", "events")) " in " (count(events.subjects)) " of "
                (counted(events.denominator, "subject", "subjects")) " (" (events.population)
                "). A class counts each subject once, whatever the number of terms; serious by the criteria."
            }
        }
    }
}

fn term(row: &TermRow, class: &str, scale: &DotScale<'_>) -> Markup {
    html! {
        tr class=(class) {
            th scope="row" { (row.name) }
            td.number { (row.at.cell("subjects", count(row.subjects))) }
            td.number { @match &row.percent { Some(percent) => { (percent) "%" }, None => "–" } }
            td.drawn { (dot(scale, row.percent.as_deref())) }
            td.number { (row.at.cell("events", count(row.events))) }
            (new_cells(row.events_since, row.subjects_since))
            td.number { (row.at.cell("serious", count(row.serious))) }
            td { (row.worst_severity.as_deref().map_or("–".to_owned(), words)) }
            td.number { @match row.worst_grade { Some(grade) => (grade), None => "–" } }
        }
    }
}

fn timing(report: &Report) -> Markup {
    let timing: Vec<Timing> = report.part("/timing").unwrap_or_default();
    html! {
        (counts(report, "/emergence", "How the events lie to the first infusion", "counts of emergence"))
        @if timing.is_empty() && report.part::<String>("/arms").as_deref() == Some("withheld") {
            p.nothing { "Times since the latest infusion are not shown: the trial has arms, which they would tell apart." }
        } @else if timing.is_empty() { (absent("times since infusion")) }
        @else {
            (table(
                "Treatment-emergent events by the time since the latest infusion",
                &columns(&["Since the infusion", "#Subjects", "#Events"]),
                &html! {
                    @for row in &timing {
                        tr { th scope="row" { (heading(&row.class)) } td.number { (row.at.cell("subjects", count(row.subjects))) } td.number { (row.at.cell("events", count(row.events))) } }
                    }
                },
            ))
        }
    }
}

fn deaths(report: &Report, links: &Links) -> Markup {
    let figures: Vec<Figure> =
        ["/deaths/deaths", "/deaths/related"].iter().filter_map(|pointer| report.part(pointer)).collect();
    let (deaths, all) = report.first::<Listed>("/deaths/listing").unwrap_or_default();
    let number = |name: &str| report.part::<u64>(&format!("/deaths/{name}")).unwrap_or_default();
    html! {
        (figure_table("Deaths in the safety set", &figures.iter().collect::<Vec<_>>()))
        p {
            "Counted as related because nobody judged them: " (count(number("not_judged")))
            ". Deaths of subjects who were not treated: " (count(number("untreated")))
            ". Subjects with a fatal event but no record of the death: " (count(number("fatal_event_without_death")))
            ". Deaths without a fatal event: " (count(number("without_fatal_event"))) "."
        }
        @if !deaths.is_empty() {
            (table(
                "Each death",
                &columns(&["Subject", "Site", "Date", "#Day", "Relation to product or procedure", "Record"]),
                &html! {
                    @for it in &deaths {
                        tr {
                            th scope="row" { (subject(&it.subject, links)) }
                            td { (it.site) }
                            td { (date(&it.on)) @if it.imputed { " (completed)" } }
                            td.number { @match it.day { Some(day) => (day), None => "unknown" } }
                            td { (words(it.relation.as_deref().unwrap_or("not stated"))) }
                            td { (links.to_record(it.latest_seq)) }
                        }
                    }
                },
            ))
            (first_of(deaths.len(), all))
        }
    }
}

fn disagreements(report: &Report, links: &Links) -> Markup {
    let Some((events, all)) = report.first::<Disagreement>("/seriousness_disagreements") else {
        return absent("list of disagreements");
    };
    html! {
        @if events.is_empty() { p { "None: what was called serious and the criteria agree." } }
        @else {
            p { "The figures go by the criteria." }
            (table(
                "Events whose reported seriousness and criteria disagree",
                &columns(&["Subject", "Site", "Reported as", "Criteria that hold", "Record"]),
                &html! {
                    @for it in &events {
                        tr {
                            th scope="row" { (subject(&it.subject, links)) }
                            td { (it.site) }
                            td { @if it.reported { "serious" } @else { "not serious" } }
                            td { @if it.criteria.is_empty() { "none" } @for (index, name) in it.criteria.iter().enumerate() { @if index > 0 { ", " } (words(name)) } }
                            td { (links.to_record(it.latest_seq)) }
                        }
                    }
                },
            ))
            (first_of(events.len(), all))
        }
    }
}
