//! The front page and a trial's overview.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::{AsOf, ReportKind, ReportView};
use axum::extract::State;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};

use crate::asked::{Asked, Failure};
use crate::figures::{absent, by_method, columns, cutoff, how, limits, method, methods, ratio, share, table};
use crate::links::Links;
use crate::login;
use crate::page::{self, Here, nothing};
use crate::report::{Figure, FollowUp, Overview, RemissionFigure, Report, Waterfall};
use crate::words::{count, counted, hash, heading, words};
use crate::{Comparison, Console};

/// The trials; where there is one, its overview at once.
pub(crate) async fn front(State(console): State<Arc<Console>>, parts: Parts) -> Result<Response, Failure> {
    let trials = console.gate.registry(&parts).trials().await.map_err(Failure::new)?.trials;
    let links = |trial: &api::TrialView| Links {
        on_paper: false,
        to_subjects: true,
        trial: trial.trial.clone(),
        as_of: None,
        cutoff: console.settings.demo_cutoff,
    };
    if let [only] = trials.as_slice() {
        return Ok(Redirect::temporary(&links(only).overview()).into_response());
    }
    let main = html! {
        h1 { "Trials" }
        @if console.gate.stands_open().await.map_err(Failure::new)? { (page::stands_open()) }
        @if trials.is_empty() {
            p.nothing { "This registry holds no trial. One is opened by its sponsor's signed event." }
        } @else {
            (table(
                "Trials of this registry",
                &columns(&["Trial", "Title", "#Records", "Head", "#Projector lag", "Verification"]),
                &html! {
                    @for trial in &trials {
                        tr {
                            th scope="row" { a href=(links(trial).overview()) { (trial.trial) } }
                            td { (trial.title) @if trial.synthetic { " " (page::synthetic()) } }
                            td.number { (count(trial.covers.records)) }
                            td { (hash(trial.covers.head)) }
                            td.number { (count(trial.covers.lag_records)) }
                            td { (page::verified(&trial.covers)) }
                        }
                    }
                },
            ))
        }
    };
    Ok(page::general("Trials", &main))
}

/// What the log covers, how far it is verified, and the reports' first figures.
pub(crate) async fn overview(asked: Asked) -> Response {
    // A report that cannot be made just now hides nothing of the log.
    let outcomes = asked.report(ReportKind::Outcomes).await;
    let safety = asked.report(ReportKind::Safety).await;
    let trial = &asked.detail.trial;
    let comparison = asked.console.settings.comparison.as_ref().filter(|it| it.trial == trial.trial);
    let covers = outcomes.as_ref().map_or(&trial.covers, |view| &view.covers);
    let main = html! {
        h1 { "Overview" }
        @if trial.synthetic {
            p.note { (page::synthetic()) " Every record of this trial is made up: nobody was treated, nothing follows for patients." }
        }
        @if asked.stands_open { (login::offer(&asked.console.settings.looks)) }
        (log(&asked))
        @if let Some(comparison) = comparison { (compared(comparison)) }
        @match &outcomes {
            Ok(view) => (of_report(view, safety.as_ref().ok(), &asked.links)),
            Err(problem) => section {
                h2 { "Headline figures" }
                p.nothing { "The outcome report cannot be shown just now: " (problem.detail) ". The log is not affected." }
            },
        }
        (cuts(&asked))
        (sites(&asked))
        (keys(&asked))
    };
    page::trial(&asked, Here::Overview, "Overview", covers, &main)
}

fn log(asked: &Asked) -> Markup {
    let trial = &asked.detail.trial;
    html! {
        section {
            h2 { "The log" }
            dl.facts {
                dt { "Trial" } dd { code { (trial.trial) } }
                dt { "Records" } dd { (count(trial.covers.records)) " covered, " (count(trial.covers.lag_records)) " waiting" }
                dt { "Verification" } dd { (page::verified(&trial.covers)) }
                @if let Some(hint) = &asked.console.settings.verify_hint {
                    dt { "Verify it yourself" } dd { code.command { (hint) } }
                }
                dt { "Genesis" } dd { code.whole { (trial.genesis) } " " "record " (asked.links.to_record(0)) }
                dt { "Head" } dd { code.whole { (trial.covers.head) } }
                dt { "Log key" } dd { code.whole { (trial.log_key) } }
                dt { "Zone of data cuts" } dd { (trial.zone) }
            }
            p.quiet {
                "The genesis is the hash of the first record, and by it every later one is bound. Keep it where this registry cannot change it: "
                "with it, a copy of the log verifies without trusting this page."
            }
        }
    }
}

/// Up to where analyses look; left out while there are none.
fn cuts(asked: &Asked) -> Markup {
    let head = columns(&["Cut", "Counting up to", "#Records", "Made by", "Reports"]);
    let body = html! {
        @for cut in &asked.detail.cuts {
            @let links = Links { as_of: Some(AsOf::Cut(cut.name.clone())), cutoff: None, ..asked.links.clone() };
            tr {
                th scope="row" { (cut.name) }
                td { (cut.cutoff_date) }
                td.number { (count(cut.records)) }
                td { "record " (asked.links.to_record(cut.made_at)) }
                td { a href=(links.outcomes("")) { "outcomes" } " · " a href=(links.safety("")) { "safety" } }
            }
        }
    };
    html! {
        @if !asked.detail.cuts.is_empty() {
            section {
                h2 { "Data cuts" }
                (table("Data cuts", &head, &body))
            }
        }
    }
}

fn of_report(view: &ReportView, safety: Option<&ReportView>, links: &Links) -> Markup {
    let report = Report::read(view, ReportKind::Outcomes, links);
    let related = safety.and_then(|view| related(&Report::read(view, ReportKind::Safety, links)));
    html! {
        section {
            h2 { "Headline figures" }
            (cutoff(&report, links, &links.overview()))
            (headlines(&report, related))
            (by_year(&report))
            p { a href=(links.outcomes("")) { "All outcome figures, curves and definitions" } " · " a href=(links.safety("")) { "Adverse events and deaths" } }
        }
        section {
            h2 { "Participant flow" }
            (flow(&report))
        }
    }
}

/// Subjects with an event related to the treatment, of those treated.
fn related(safety: &Report) -> Option<Figure> {
    let overviews: Vec<Overview> = safety.part("/overviews")?;
    let treatment_emergent = overviews.into_iter().find(|overview| overview.id == "treatment_emergent")?;
    let category = treatment_emergent.categories.into_iter().find(|category| category.id == "related")?;
    Some(Figure { label: category.label, ..category.subjects })
}

fn headlines(report: &Report, related: Option<Figure>) -> Markup {
    let named = |(pointer, label): (&str, &str)| {
        report.part(pointer).map(|figure| Figure { label: label.to_owned(), ..figure })
    };
    let figures: Vec<Figure> = [
        ("/survival/crude", "Alive at the end of follow-up (crude)"),
        ("/survival/deaths", "Died"),
        ("/relapse/ever", "Relapse at any time, of the enrolled"),
    ]
    .into_iter()
    .filter_map(named)
    .chain(related)
    .collect();
    let follow_up: Option<FollowUp> = report.part("/follow_up");
    html! {
        @if figures.is_empty() && follow_up.is_none() { (absent("headline figures")) }
        ul.cards {
            @for figure in &figures {
                li {
                    span.name { (figure.label) }
                    span.value { (share(figure)) }
                    span.detail { (ratio(figure)) }
                    @if let Some(interval) = figure.intervals.first() {
                        span.detail { (limits(interval, "%")) " (" (method(interval)) ")" }
                    }
                }
            }
            @if let Some(follow_up) = &follow_up && let Some(mean) = &follow_up.mean_months {
                li {
                    span.name { "Mean follow-up" }
                    span.value { (mean) " months" }
                    span.detail { (counted(follow_up.subjects, "subject", "subjects")) ", " (follow_up.patient_years) " patient-years" }
                }
            }
        }
        @if !figures.is_empty() { (how(&figures.iter().collect::<Vec<_>>())) }
    }
}

fn by_year(report: &Report) -> Markup {
    let remission: Vec<RemissionFigure> = report.part("/remission/figures").unwrap_or_default();
    let in_year: Vec<Figure> = report.part("/relapse/in_year").unwrap_or_default();
    let in_year = in_year.into_iter().map(|figure| {
        let landmark = figure.id.rsplit('.').next().unwrap_or_default();
        Figure { label: format!("First relapse, {}", words(landmark)), ..figure }
    });
    let figures: Vec<Figure> = remission.into_iter().map(|figure| figure.figure).chain(in_year).collect();
    if figures.is_empty() {
        return absent("figures by year");
    }
    let methods = methods(figures.iter().flat_map(|figure| &figure.intervals));
    let shown = table(
        "Remission and relapse by year",
        &html! {
            tr {
                th scope="col" { "Figure" }
                th.number scope="col" { "Subjects" }
                th.number scope="col" { "Share" }
                @if let Some(first) = methods.first() { th.number scope="col" { (method(first)) } }
            }
        },
        &html! {
            @for figure in &figures {
                tr {
                    th scope="row" { (figure.label) }
                    td.number { (ratio(figure)) }
                    td.number { (share(figure)) }
                    @if let Some(first) = methods.first() {
                        td.number {
                            @match by_method(&figure.intervals, first) {
                                Some(interval) => (limits(interval, "%")),
                                None => "undefined",
                            }
                        }
                    }
                }
            }
        },
    );
    html! { (shown) (how(&figures.iter().collect::<Vec<_>>())) }
}

fn flow(report: &Report) -> Markup {
    let Some(waterfall) = report.part::<Waterfall>("/waterfall") else { return absent("participant flow") };
    let (counts, at): (BTreeMap<String, serde_json::Value>, _) =
        (report.part("/flow").unwrap_or_default(), report.at("/flow"));
    let counted = |name: &str| counts.get(name).and_then(serde_json::Value::as_u64);
    // In the order in which a subject comes to them.
    let standings = ["died", "withdrawn", "lost", "completed", "discontinued", "in_follow_up"];
    html! {
        ol.flow {
            @if let Some(screened) = counted("screened") {
                li {
                    span.stage { strong { (at.cell("screened", count(screened))) } " Screened" }
                    @if let Some(failures) = counted("screen_failures") && failures > 0 {
                        span.losses { (at.cell("screen_failures", count(failures))) " screen failures" }
                    }
                }
            }
            @for (index, stage) in waterfall.stages.iter().enumerate() {
                @let before = index.checked_sub(1).and_then(|before| waterfall.stages.get(before));
                @let other = stage.of.as_ref().filter(|of| before.is_none_or(|before| before.id != **of));
                li {
                    span.stage { strong { (stage.at.cell("subjects", count(stage.subjects))) } " " (stage.label) }
                    @if !stage.losses.is_empty() {
                        span.losses {
                            "out"
                            @if let Some(of) = other { " of " (words(of)) }
                            ": "
                            @for (index, loss) in stage.losses.iter().enumerate() {
                                @if index > 0 { ", " }
                                (loss.at.cell("subjects", count(loss.subjects))) " " (words(&loss.reason))
                            }
                        }
                    }
                }
            }
        }
        p.quiet { "Evaluable by definition " code { (waterfall.definition) } "." }
        (table(
            "Where the infused stand",
            &columns(&["Standing", "#Subjects"]),
            &html! {
                @for standing in standings {
                    @if let Some(subjects) = counted(standing) {
                        tr { th scope="row" { (heading(standing)) } td.number { (at.cell(standing, count(subjects))) } }
                    }
                }
            },
        ))
    }
}

fn compared(comparison: &Comparison) -> Markup {
    html! {
        section {
            h2 { "Beside what was published" }
            p { (comparison.source) }
            (table(
                "Published and computed figures",
                &columns(&["Figure", "#Published", "#Computed here", "Agreement"]),
                &html! {
                    @for row in &comparison.rows {
                        tr {
                            th scope="row" { (row.figure) }
                            td.number { (row.published) }
                            td.number { (row.computed) }
                            td { @if row.agrees { span.good { "✓ equal" } } @else { strong.bad { "✗ differs" } } }
                        }
                    }
                },
            ))
        }
    }
}

fn sites(asked: &Asked) -> Markup {
    html! {
        section {
            h2 { "Sites" }
            @if asked.detail.sites.is_empty() { (nothing("is no site", &asked.detail.trial.covers)) }
            @else {
                (table(
                    "Active sites",
                    &columns(&["Site", "Name", "Country", "Zone"]),
                    &html! {
                        @for site in &asked.detail.sites {
                            tr {
                                th scope="row" { (site.site) }
                                td { (site.name) }
                                td { (site.country) }
                                td { (site.zone) }
                            }
                        }
                    },
                ))
            }
        }
    }
}

fn keys(asked: &Asked) -> Markup {
    html! {
        section {
            h2 { "People and keys" }
            (table(
                "Keys, what they are entitled to, and the records that say so",
                &columns(&["Holder", "Role", "Organisation", "Sites", "Key", "Granted", "Revoked"]),
                &html! {
                    @for key in &asked.detail.keys {
                        tr {
                            th scope="row" { (key.holder) }
                            td { (words(key.role.as_str())) }
                            td { (key.organisation) }
                            td {
                                @if key.sites.is_empty() { "whole trial" }
                                @for (index, site) in key.sites.iter().enumerate() { @if index > 0 { ", " } (site) }
                            }
                            td { (hash(key.key)) }
                            td { (asked.links.to_record(key.granted_at)) }
                            td {
                                @match key.revoked_at {
                                    Some(seq) => { "revoked by " (asked.links.to_record(seq)) },
                                    None => "no",
                                }
                            }
                        }
                    }
                },
            ))
        }
    }
}
