//! The outcome report: every figure with what one needs to judge it.

use api::ReportKind;
use axum::response::Response;
use maud::{Markup, html};

use crate::asked::{Asked, Failure};
use crate::computed;
use crate::conduct;
use crate::curves;
use crate::figures::{
    absent, basis, columns, cutoff, excluded, figure_table, first_of, interval_cells, interval_columns,
    methods, rate_table, sites, subject, suspected, table,
};
use crate::flares;
use crate::links::Links;
use crate::list::{self, Format};
use crate::measures;
use crate::page::{self, Here};
use crate::report::{
    Figure, FollowUp, Incidence, Listed, NotAnalysable, OwnMeasure, Rate, RemissionFigure, Report,
    Sensitivity, SurvivalCurve,
};
use crate::strata;
use crate::words::{count, counted, date, heading, words};

/// The report in pages that open quickly; a report in a file has all of it on one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Survival,
    Response,
    Measurements,
    Courses,
}

impl Part {
    const ALL: [Self; 4] = [Self::Survival, Self::Response, Self::Measurements, Self::Courses];

    /// What stands for it in the address; nothing for the first.
    fn name(self) -> &'static str {
        match self {
            Self::Survival => "",
            Self::Response => "response",
            Self::Measurements => "measurements",
            Self::Courses => "courses",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Survival => "Outcomes",
            Self::Response => "Remission and relapse",
            Self::Measurements => "Measurements by visit",
            Self::Courses => "Groups and courses",
        }
    }

    fn sections(self, report: &Report, links: &Links, measure: Option<&str>) -> Markup {
        let month_days = month_days(report);
        html! {
            @match self {
                Self::Survival => {
                    section { h2 { "Follow-up" } (follow_up(report)) (not_analysable(report, links)) }
                    section { h2 { "Survival" } (survival(report, links)) }
                    section { h2 { "Screening, consent and deviations" } (conduct::conduct(report)) }
                }
                Self::Response => {
                    section { h2 { "Remission" } (remission(report)) (computed::computed(report, links)) }
                    section { h2 { "Relapse" } (relapse(report, links)) }
                    (flares::flares(report, links))
                    section { h2 { "Adjudication" } (conduct::adjudication(report, links)) }
                    section { h2 { "Rates" } (rates(report)) }
                }
                Self::Measurements => section { h2 { "Measurements by visit" } (measures::measures(report, links, measure, month_days)) },
                Self::Courses => {
                    section { h2 { "By site, source and planned course" } (strata::strata(report)) }
                    section { h2 { "Courses" } (strata::courses(report, links, month_days)) }
                    section { h2 { "Sites" } (sites(report)) }
                }
            }
        }
    }
}

pub(crate) async fn outcomes(asked: Asked) -> Result<Response, Failure> {
    let named = asked.parameter("part");
    let Some(part) = Part::ALL.into_iter().find(|part| part.name() == named) else {
        return Err(asked.fail(page::no_such_part(&Part::ALL.map(Part::name))));
    };
    let view = match asked.report(ReportKind::Outcomes).await {
        Ok(view) => view,
        Err(problem) => return Err(asked.fail(problem)),
    };
    let links = &asked.links;
    match Format::asked(asked.given("format")) {
        Ok(None) => {}
        Ok(Some(format)) => return Ok(list::report(format, &links.trial, ReportKind::Outcomes, &view)),
        Err(problem) => return Err(asked.fail(problem)),
    }
    let report = Report::read(&view, ReportKind::Outcomes, links);
    let main = html! {
        h1 { (part.title()) }
        (page::parts("Parts of the outcome report", Part::ALL.map(|one| (one == part, links.outcomes(one.name()), one.title()))))
        (cutoff(&report, links, &links.outcomes(part.name())))
        (part.sections(&report, links, asked.given("measure")))
        (what_it_rests_on(&report, links))
        (links.takeaway("/outcomes", &[]))
    };
    Ok(page::trial(&asked, Here::Outcomes, part.title(), &view.covers, &main))
}

/// All that an outcome report says, section by section.
pub(crate) fn sections(report: &Report, links: &Links) -> Markup {
    html! {
        @for part in Part::ALL { (part.sections(report, links, None)) }
        (what_it_rests_on(report, links))
    }
}

fn what_it_rests_on(report: &Report, links: &Links) -> Markup {
    html! {
        (suspected(report, links))
        section { h2 { "Not in the figures" } (excluded(report)) }
        section { h2 { "Definitions and conventions" } (basis(report)) }
    }
}

fn follow_up(report: &Report) -> Markup {
    let Some(follow_up) = report.part::<FollowUp>("/follow_up") else { return absent("follow-up") };
    html! {
        dl.facts {
            dt { "Population" } dd { (follow_up.population) ", " (follow_up.at.cell("subjects", counted(follow_up.subjects, "subject", "subjects"))) }
            dt { "In all" } dd { (follow_up.at.cell("patient_years", &follow_up.patient_years)) " patient-years" }
            @if let Some(mean) = &follow_up.mean_months { dt { "Mean" } dd { (follow_up.at.cell("mean_months", mean)) " months" } }
            @if let Some(median) = &follow_up.median_days { dt { "Median of the times" } dd { (median) " days" } }
            dt { "Median by the reverse Kaplan-Meier curve" }
            dd {
                @match &follow_up.reverse_kaplan_meier_median_months { Some(months) => { (months) " months" }, None => "not reached" }
            }
            @if let Some((shortest, longest)) = follow_up.range_days { dt { "Range" } dd { (count(shortest)) " to " (count(longest)) " days" } }
            dt { "Last contacts with a completed date" } dd { (follow_up.at.cell("imputed", count(follow_up.imputed))) }
        }
    }
}

fn not_analysable(report: &Report, links: &Links) -> Markup {
    let (subjects, all) = report.first::<NotAnalysable>("/not_analysable").unwrap_or_default();
    html! {
        @if subjects.is_empty() { p { "Every infused subject is analysed." } }
        @else {
            (table(
                "Infused, but not analysed",
                &columns(&["Subject", "Site", "Why"]),
                &html! { @for it in &subjects { tr { th scope="row" { (subject(&it.subject, links)) } td { (it.site) } td { (heading(&it.reason)) } } } },
            ))
            (first_of(subjects.len(), all))
        }
    }
}

/// Days of a month, by which the curves' time axis counts.
fn month_days(report: &Report) -> Option<f64> {
    report
        .part::<String>("/conventions/month_days")?
        .parse()
        .ok()
        .filter(|days: &f64| days.is_finite() && *days > 0.0)
}

fn survival(report: &Report, links: &Links) -> Markup {
    let crude: Vec<Figure> =
        ["/survival/crude", "/survival/deaths"].iter().filter_map(|pointer| report.part(pointer)).collect();
    html! {
        (figure_table("Crude shares, which forget how long each subject was followed", &crude.iter().collect::<Vec<_>>()))
        @for (pointer, id) in [("/survival/from_infusion", "from-infusion"), ("/survival/from_enrollment", "from-enrollment")] {
            @match report.part::<SurvivalCurve>(pointer).zip(month_days(report)) {
                Some((curve, month_days)) => (survival_curve(&curve, &report.id(id), month_days)),
                None => (absent("survival curve")),
            }
        }
        (listing("Deaths", report.first("/survival/listing"), links))
        @if let Some(sensitivity) = report.part::<Sensitivity>("/survival/sensitivity") {
            (sensitivity_of_deaths(&sensitivity, &report.id("sensitivity"), month_days(report)))
        }
    }
}

/// Survival with partly dated deaths on other days.
fn sensitivity_of_deaths(sensitivity: &Sensitivity, id: &str, month_days: Option<f64>) -> Markup {
    html! {
        h3 { "Analysis of sensitivity: deaths with a partial date" }
        p {
            (counted(sensitivity.deaths, "death has", "deaths have")) " a partial date. Above, by " code { (sensitivity.definition) }
            ", a death lies on the " (words(&sensitivity.main)) " day it can mean; here on the " (words(&sensitivity.other)) "."
        }
        (figure_table("Crude share, with such deaths on the other day", &[&sensitivity.crude]))
        @if let Some(month_days) = month_days { (survival_curve(&sensitivity.from_infusion, id, month_days)) }
    }
}

fn survival_curve(curve: &SurvivalCurve, id: &str, month_days: f64) -> Markup {
    let methods = methods(curve.landmarks.iter().flat_map(|landmark| &landmark.intervals));
    html! {
        h3 { (curve.label) }
        figure {
            (curves::survival(curve, id, month_days))
            figcaption {
                (curve.population) ", " (curve.at.cell("subjects", counted(curve.subjects, "subject", "subjects"))) ", "
                (curve.at.cell("deaths", counted(curve.deaths, "death", "deaths"))) ", " (counted(curve.imputed, "date", "dates"))
                " completed. Band: 95% limits, log-log, from Greenwood's standard error. Upright marks: censored."
            }
        }
        (table(
            "At the landmarks",
            &html! {
                tr {
                    th scope="col" { "At" }
                    th.number scope="col" { "Days" }
                    th.number scope="col" { "At risk" }
                    th.number scope="col" { "Survival" }
                    th.number scope="col" { "Standard error" }
                    (interval_columns(&methods))
                }
            },
            &html! {
                @for landmark in &curve.landmarks {
                    tr {
                        th scope="row" { (landmark.label) }
                        td.number { (landmark.days) }
                        td.number { (landmark.at.cell("at_risk", count(landmark.at_risk))) }
                        td.number { (landmark.at.cell("survival", &landmark.survival)) }
                        td.number { (landmark.standard_error.as_deref().unwrap_or("undefined")) }
                        (interval_cells(&landmark.intervals, &methods, ""))
                    }
                }
            },
        ))
        details {
            summary { "Numbers behind the curve" }
            (table(
                "Each day on which somebody died or was censored",
                &columns(&["Day", "#At risk", "#Deaths", "#Censored", "#Survival", "#Standard error"]),
                &html! {
                    @for step in &curve.steps {
                        tr {
                            th scope="row" { (step.at.row(step.day)) }
                            td.number { (count(step.at_risk)) }
                            td.number { (count(step.deaths)) }
                            td.number { (count(step.censored)) }
                            td.number { (step.survival) }
                            td.number { (step.standard_error.as_deref().unwrap_or("undefined")) }
                        }
                    }
                },
            ))
        }
    }
}

fn remission(report: &Report) -> Markup {
    let Some(by_landmark) = report.part::<Vec<RemissionFigure>>("/remission/figures") else {
        return absent("remission");
    };
    if by_landmark.is_empty() {
        return html! { p.nothing { "No response was judged up to the cutoff." } };
    }
    let figures: Vec<&Figure> = by_landmark.iter().map(|it| &it.figure).collect();
    let text = |name: &str| report.part::<String>(&format!("/remission/{name}")).unwrap_or_default();
    let window_days: u64 = report.part("/remission/window_days").unwrap_or_default();
    html! {
        p {
            "By definition " code { (text("definition")) } ", judged by the " (words(&text("judged_by"))) " at the visit nearest the landmark ("
            code { (text("landmarks")) } "), at most " (counted(window_days, "day", "days")) " off."
        }
        (figure_table("Complete remission, of those evaluable", &figures))
        (table(
            "Of the denominator: those not counted as in remission for another reason than the judgement \"none\", and whose judgement it is",
            &columns(&["At", "#No judged visit within the window", "#Died by then", "#Not followed so long", "#Status not determinable", "#Partial remission", "#Judged by the committee"]),
            &html! {
                @for it in &by_landmark {
                    tr {
                        th scope="row" { (it.label) }
                        td.number { (it.at.cell("without_visit", count(it.without_visit))) }
                        td.number { (it.at.cell("died", count(it.died))) }
                        td.number { (it.at.cell("not_followed", count(it.not_followed))) }
                        td.number { (it.at.cell("not_determinable", count(it.not_determinable))) }
                        td.number { (it.at.cell("partial", count(it.partial))) }
                        td.number { (it.at.cell("adjudicated", count(it.adjudicated))) }
                    }
                }
            },
        ))
    }
}

fn relapse(report: &Report, links: &Links) -> Markup {
    let listed = |pointer: &str| report.part::<Vec<Figure>>(pointer).unwrap_or_default();
    let (in_year, at_risk) = (listed("/relapse/in_year"), listed("/relapse/at_risk"));
    let whole: Vec<Figure> = ["/relapse/ever", "/relapse/among_responders"]
        .iter()
        .filter_map(|pointer| report.part(pointer))
        .collect();
    let own: Vec<OwnMeasure> = report.part("/relapse/own").unwrap_or_default();
    html! {
        (figure_table("First relapse in each year, earlier relapsers kept in the denominator", &in_year.iter().collect::<Vec<_>>()))
        (figure_table("First relapse in each year, of those without one before", &at_risk.iter().collect::<Vec<_>>()))
        (figure_table("Relapse at any time", &whole.iter().collect::<Vec<_>>()))
        @for measure in &own { (figure_table(&measure.title, &measure.figures.iter().collect::<Vec<_>>())) }
        @match report.part::<Incidence>("/relapse/cumulative_incidence").zip(month_days(report)) {
            Some((incidence, month_days)) => (cumulative(&incidence, &report.id("incidence"), month_days)),
            None => (absent("cumulative incidence")),
        }
        (listing("First relapses", report.first("/relapse/listing"), links))
    }
}

fn cumulative(incidence: &Incidence, id: &str, month_days: f64) -> Markup {
    let methods = methods(incidence.landmarks.iter().flat_map(|landmark| &landmark.intervals));
    html! {
        h3 { (incidence.label) }
        figure {
            (curves::incidence(incidence, id, month_days))
            figcaption {
                (incidence.population) ", " (incidence.at.cell("subjects", counted(incidence.subjects, "subject", "subjects"))) ": "
                (incidence.at.cell("relapses", counted(incidence.relapses, "first relapse", "first relapses"))) ", "
                (counted(incidence.deaths_first, "death", "deaths")) " without one, "
                (counted(incidence.imputed, "date", "dates")) " completed. Bars: limits of the relapse's incidence at the landmarks. Upright marks: censored."
            }
        }
        (table(
            "At the landmarks",
            &html! {
                tr {
                    th scope="col" { "At" }
                    th.number scope="col" { "Days" }
                    th.number scope="col" { "At risk" }
                    th.number scope="col" { "Relapse" }
                    th.number scope="col" { "Standard error" }
                    (interval_columns(&methods))
                    th.number scope="col" { "Death without relapse" }
                    th.number scope="col" { "Neither" }
                }
            },
            &html! {
                @for landmark in &incidence.landmarks {
                    tr {
                        th scope="row" { (landmark.label) }
                        td.number { (landmark.days) }
                        td.number { (landmark.at.cell("at_risk", count(landmark.at_risk))) }
                        td.number { (landmark.at.cell("relapse", &landmark.relapse)) }
                        td.number { (landmark.standard_error) }
                        (interval_cells(&landmark.intervals, &methods, ""))
                        td.number { (landmark.at.cell("death_first", &landmark.death_first)) }
                        td.number { (landmark.at.cell("event_free", &landmark.event_free)) }
                    }
                }
            },
        ))
        details {
            summary { "Numbers behind the curves" }
            (table(
                "Each day on which something happened",
                &columns(&["Day", "#At risk", "#First relapses", "#Deaths without one", "#Censored", "#Relapse", "#Death without relapse", "#Neither"]),
                &html! {
                    @for step in &incidence.steps {
                        tr {
                            th scope="row" { (step.at.row(step.day)) }
                            td.number { (count(step.at_risk)) }
                            td.number { (count(step.relapses)) }
                            td.number { (count(step.deaths)) }
                            td.number { (count(step.censored)) }
                            td.number { (step.relapse) }
                            td.number { (step.death_first) }
                            td.number { (step.event_free) }
                        }
                    }
                },
            ))
        }
    }
}

/// Each death or first relapse, with the records that state it.
fn listing(caption: &str, listed: Option<(Vec<Listed>, usize)>, links: &Links) -> Markup {
    let (listed, all) = listed.unwrap_or_default();
    if listed.is_empty() {
        return html! { p { (caption) ": none up to the cutoff." } };
    }
    let rows = table(
        caption,
        &columns(&["Subject", "Site", "Date", "#Day", "Record"]),
        &html! {
            @for it in &listed {
                tr {
                    th scope="row" { (subject(&it.subject, links)) }
                    td { (it.site) }
                    td { (date(&it.on)) @if it.imputed { " (completed)" } @if it.after_relapse { ", after a relapse" } @if it.adjudicated { ", judged by the committee" } }
                    td.number { @match it.day { Some(day) => (day), None => "unknown" } }
                    td {
                        (links.to_record(it.first_seq))
                        @if it.latest_seq != it.first_seq { ", latest " (links.to_record(it.latest_seq)) }
                    }
                }
            }
        },
    );
    html! {
        (rows)
        (first_of(listed.len(), all))
    }
}

fn rates(report: &Report) -> Markup {
    match report.part::<Vec<Rate>>("/rates") {
        Some(rates) => rate_table("Events in person-time", &rates),
        None => absent("rates"),
    }
}
