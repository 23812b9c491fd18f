//! A subject's course: what happened when, in lanes; the same as a table, with each change at the value that was changed.
//!
//! It draws what records state, and counts nothing but days from the first infusion.

use api::{Problem, RecordView};
use charts::{Axis, AxisTick, Lane, LaneChart, LaneForm, LaneMark};
use clinical::date::days_between;
use clinical::{Date, PartialDate, SubjectId};
use maud::{Markup, html};
use serde_json::Value;

use crate::asked::Asked;
use crate::figures::{columns, table};
use crate::links::Links;
use crate::things::{DATE, Thing, members, things};
use crate::trail::{GIST, Read};
use crate::values::{name, shown};
use crate::words::{counted, heading, instant, words};

/// Records of a subject that are drawn at most; whoever has more reads the trail.
const RECORDS_MAX: usize = 1_000;

/// Days between two marks of the line of time: the first that needs no more than so many of them.
const DAYS_BETWEEN: [i32; 8] = [7, 30, 90, 180, 365, 730, 1_825, 3_650];
const MARKS_MAX: i32 = 8;

/// The subject's header, its lanes and their table.
pub(crate) async fn section(asked: &Asked, subject: &SubjectId) -> Result<Markup, Problem> {
    let look = api::Page { after: None, limit: Some(RECORDS_MAX) };
    let found = asked.registry.subject_records(&asked.links.trial, subject, look).await?;
    let things = things(&found.records);
    let links = &asked.links;
    Ok(html! {
        (header(&things, &found.records))
        @if found.next.is_some() {
            p.note { "The course shows the first " (counted(RECORDS_MAX as u64, "record", "records")) " of this subject; the trail below has all." }
        }
        section {
            h2 { "Course" }
            (drawn(&things, links))
            details {
                summary { "The same records as a table, with what was changed" }
                (as_table(&things, links))
            }
        }
    })
}

/// A kind's latest statements that hold.
fn standing<'a>(things: &'a [Thing<'a>], kind: &str) -> impl Iterator<Item = &'a Read<'a>> + use<'a> {
    let kind = kind.to_owned();
    things.iter().map(Thing::latest).filter(move |read| read.text("/kind") == Some(&kind) && !read.is_void())
}

fn date_of(read: &Read<'_>) -> Option<PartialDate> {
    read.text("/occurred_on")?.parse().ok()
}

fn first_infusion(things: &[Thing<'_>]) -> Option<Date> {
    standing(things, "infusion").filter_map(|read| Some(date_of(read)?.earliest())).min()
}

fn header(things: &[Thing<'_>], records: &[RecordView]) -> Markup {
    let findings: usize = things.iter().map(|thing| thing.latest().view.findings.len()).sum();
    let changed = things.iter().filter(|thing| thing.versions.len() > 1).count();
    let site = records.last().and_then(|view| Read::new(view).text("/site").map(str::to_owned));
    let enrolled = standing(things, "enrollment").find_map(date_of);
    let end = standing(things, "disposition").last();
    let infusions = standing(things, "infusion").count();
    html! {
        dl.facts {
            @if let Some(site) = site { dt { "Site" } dd { (site) } }
            dt { "Enrolled" } dd { @match enrolled { Some(on) => (on), None => "not recorded" } }
            dt { "Infusions" }
            dd {
                (infusions)
                @if let Some(first) = first_infusion(things) { ", the first on " (PartialDate::from(first)) }
            }
            @if let Some(end) = end {
                dt { "Disposition" }
                dd {
                    strong { (words(end.text("/data/reason").unwrap_or_default())) } " (" (words(end.text("/data/scope").unwrap_or_default())) ")"
                    @if let Some(on) = date_of(end) { ", " (on) }
                }
            }
            dt { "Records" }
            dd {
                (counted(records.len() as u64, "record", "records")) " of " (counted(things.len() as u64, "thing", "things")) ", "
                (counted(changed as u64, "of them amended", "of them amended")) "; " (counted(findings as u64, "finding", "findings"))
            }
        }
    }
}

/// A mark before it is put on the axis.
struct At {
    lane: usize,
    from: Date,
    until: Option<Date>,
    form: LaneForm,
    label: String,
    seq: u64,
}

const LANES: [&str; 5] = ["Infusions", "Visits", "Adverse events", "Prednisone", "Status"];

fn drawn(things: &[Thing<'_>], links: &Links) -> Markup {
    let marks = marks(things);
    let (Some(first), Some(last)) = (
        marks.iter().map(|mark| mark.from).min(),
        marks.iter().map(|mark| mark.until.unwrap_or(mark.from).max(mark.from)).max(),
    ) else {
        return html! { p.nothing { "Nothing with a date is recorded of this subject." } };
    };
    let day_0 = first_infusion(things);
    let zero = day_0.unwrap_or(first);
    let span = days_between(first, last).max(1);
    let at = |date: Date| f64::from(days_between(first, date));
    let lanes = LANES.iter().enumerate().filter_map(|(index, label)| {
        let own = marks.iter().filter(|mark| mark.lane == index).map(|mark| LaneMark {
            at: at(mark.from),
            form: match mark.form {
                LaneForm::Bar { goes_on, .. } => {
                    LaneForm::Bar { until: at(mark.until.unwrap_or(last).max(mark.from)), goes_on }
                }
                form => form,
            },
            label: mark.label.clone(),
            href: links.record(mark.seq),
        });
        let marks: Vec<LaneMark> = own.collect();
        (!marks.is_empty()).then_some(Lane { label, marks })
    });
    let label = match day_0 {
        Some(day) => format!("Days from first infusion, {}", PartialDate::from(day)),
        None => format!("Days from {}", PartialDate::from(first)),
    };
    let description = in_words(&marks, first, last);
    let chart = LaneChart {
        id: "course",
        title: "Course of the subject",
        description: &description,
        x: Axis {
            label: &label,
            min: 0.0,
            max: f64::from(span),
            ticks: ticks(days_between(first, zero), span),
        },
        lanes: lanes.collect(),
    };
    html! {
        p { (description) }
        @match chart.draw() {
            Ok(drawing) => figure.course {
                (drawing)
                figcaption {
                    "Each mark leads to its record. Filled: took place. Hollow: missed. A bar runs from onset to end, and is open where "
                    "no end is recorded. A column is a dose of prednisone in mg a day, the tallest the highest. A cross is an end."
                }
            },
            Err(_) => p.nothing { "The course cannot be drawn; the table has what is recorded." },
        }
    }
}

/// Marks of the axis: at whole steps from day 0, which lies `zero` days after the beginning.
fn ticks(zero: i32, span: i32) -> Vec<AxisTick> {
    let step = DAYS_BETWEEN.into_iter().find(|step| span / step < MARKS_MAX).unwrap_or(7_300);
    let first = -(zero / step) * step;
    let days = (0..=MARKS_MAX + 1).map(|index| first + index * step);
    days.filter(|day| (0..=span).contains(&(day + zero)))
        .map(|day| AxisTick { at: f64::from(day + zero), label: day.to_string() })
        .collect()
}

fn marks(things: &[Thing<'_>]) -> Vec<At> {
    let mut marks = Vec::new();
    let doses: Vec<f64> = standing(things, "visit").filter_map(dose).collect();
    let highest = doses.iter().copied().fold(0.0, f64::max);
    for read in things.iter().map(Thing::latest).filter(|read| !read.is_void()) {
        let (Some(on), seq) = (date_of(read), read.view.seq.0) else { continue };
        let text = |pointer| read.text(pointer).unwrap_or_default();
        let point = |lane, form, label| At { lane, from: on.earliest(), until: None, form, label, seq };
        match text("/kind") {
            "infusion" => {
                let number = read.event().pointer("/data/number").and_then(Value::as_u64);
                let number = number.map_or(String::new(), |number| format!(" {number}"));
                marks.push(point(0, LaneForm::Point, format!("infusion{number}, {on}")));
            }
            "visit" => {
                let (status, planned) = (text("/data/status"), text("/data/planned"));
                let form = if status == "missed" { LaneForm::Hollow } else { LaneForm::Point };
                let planned = if planned.is_empty() { "unscheduled" } else { planned };
                marks.push(point(1, form, format!("visit {planned}, {}, {on}", words(status))));
                if let Some(dose) = dose(read) {
                    let share = if highest > 0.0 { dose / highest } else { 0.0 };
                    let label = format!("prednisone {} mg a day, {on}", text("/data/prednisone_mg_per_day"));
                    marks.push(point(3, LaneForm::Column { share }, label));
                }
            }
            "adverse_event" => marks.push(event(read, on)),
            "disposition" => {
                let label = format!("{}, {}, {on}", words(text("/data/reason")), words(text("/data/scope")));
                marks.push(point(4, LaneForm::Cross, label));
            }
            "enrollment" => marks.push(point(4, LaneForm::Point, format!("enrolled, {on}"))),
            "consent" => marks.push(point(4, LaneForm::Point, format!("consent signed, {on}"))),
            "contact" => {
                marks.push(point(
                    4,
                    LaneForm::Point,
                    format!("contact: {}, {on}", words(text("/data/vital_status"))),
                ));
            }
            _ => {}
        }
    }
    marks
}

fn dose(read: &Read<'_>) -> Option<f64> {
    read.text("/data/prednisone_mg_per_day")?
        .parse()
        .ok()
        .filter(|dose: &f64| dose.is_finite() && *dose >= 0.0)
}

fn event(read: &Read<'_>, on: PartialDate) -> At {
    let text = |pointer| read.text(pointer).unwrap_or_default();
    let end = read.text("/data/end/on").and_then(|end| end.parse::<PartialDate>().ok());
    let what = match text("/data/coding/pt") {
        "" => "adverse event, not coded",
        term => term,
    };
    let ends = end.map_or_else(|| "no end recorded".to_owned(), |end| format!("to {end}"));
    At {
        lane: 2,
        from: on.earliest(),
        until: end.map(PartialDate::latest).map(|end| end.max(on.earliest())),
        form: LaneForm::Bar { until: 0.0, goes_on: end.is_none() },
        label: format!("{what}, {on} {ends}"),
        seq: read.view.seq.0,
    }
}

fn in_words(marks: &[At], first: Date, last: Date) -> String {
    let count = |lane: usize| marks.iter().filter(|mark| mark.lane == lane).count() as u64;
    let missed = marks.iter().filter(|mark| mark.form == LaneForm::Hollow).count() as u64;
    let open = marks.iter().filter(|mark| matches!(mark.form, LaneForm::Bar { goes_on: true, .. })).count();
    format!(
        "From {} to {}: {}, {} of which {} missed, {} of which {open} without an end recorded.",
        PartialDate::from(first),
        PartialDate::from(last),
        counted(count(0), "infusion", "infusions"),
        counted(count(1), "visit", "visits"),
        if missed == 0 { "none was".to_owned() } else { missed.to_string() },
        counted(count(2), "adverse event", "adverse events"),
    )
}

fn as_table(things: &[Thing<'_>], links: &Links) -> Markup {
    table(
        "What is recorded of the subject, thing by thing",
        &columns(&["What", "Date of the fact", "Values, and what was changed", "#Versions", "Latest record"]),
        &html! {
            @for thing in things {
                @let latest = thing.latest();
                tr {
                    th scope="row" { (heading(&thing.first().kind())) @if latest.is_void() { ", " strong { "void" } } }
                    td { (latest.text("/occurred_on").or(thing.first().text("/occurred_on")).unwrap_or("–")) (changed(thing, DATE, links)) }
                    td.what { (values(thing, links)) }
                    td.number { (thing.versions.len()) }
                    td { a href=(links.record(latest.view.seq)) { "#" (latest.view.seq) } }
                }
            }
        },
    )
}

/// What a reader looks for first, and whatever was changed.
fn values(thing: &Thing<'_>, links: &Links) -> Markup {
    let stated: Vec<&Read<'_>> = thing.versions.iter().filter(|version| !version.is_void()).collect();
    let mut paths: Vec<String> = Vec::new();
    let now = stated.last().map(|version| members(version)).unwrap_or_default();
    for version in &stated {
        for (path, _) in members(version) {
            let wanted = GIST.contains(&path.as_str()) || !changes_of(thing, &path).is_empty();
            if path != DATE && wanted && !paths.contains(&path) {
                paths.push(path);
            }
        }
    }
    html! {
        @if thing.latest().is_void() { p { "Declared never to have held; it said:" } }
        dl.members {
            @for path in &paths {
                dt { (name(path)) }
                dd {
                    @match now.iter().find(|(name, _)| name == path) {
                        Some((_, value)) => (shown(value)),
                        None => em { "no longer stated" },
                    }
                    (changed(thing, path, links))
                }
            }
        }
        @if thing.latest().is_void() { (void(thing, links)) }
    }
}

/// Versions in which a member differs from the version before: old value, new value, the version.
fn changes_of<'a>(thing: &'a Thing<'a>, path: &str) -> Vec<(Option<Value>, Option<Value>, &'a Read<'a>)> {
    let of = |version: &Read<'_>| {
        members(version).into_iter().find(|(name, _)| name == path).map(|(_, value)| value.clone())
    };
    let stated: Vec<&Read<'_>> = thing.versions.iter().filter(|version| !version.is_void()).collect();
    let pairs = stated.windows(2).map(|pair| (of(pair[0]), of(pair[1]), pair[1]));
    pairs.filter(|(old, new, _)| old != new).collect()
}

/// "Changed 2×", opening what from, what to, who, when and why.
fn changed(thing: &Thing<'_>, path: &str, links: &Links) -> Markup {
    let changes = changes_of(thing, path);
    html! {
        @if !changes.is_empty() {
            details.changed {
                summary { "changed " (changes.len()) "×" }
                ul.changes {
                    @for (old, new, version) in &changes {
                        li {
                            @match old { Some(old) => del { (shown(old)) }, None => em { "not stated" } }
                            span.arrow aria-label="changed to" role="img" { " → " }
                            @match new { Some(new) => ins { (shown(new)) }, None => em { "not stated" } }
                            br; (by(version, links))
                        }
                    }
                }
            }
        }
    }
}

fn void(thing: &Thing<'_>, links: &Links) -> Markup {
    html! { p { (by(thing.latest(), links)) } }
}

/// Who, in which role, when and why.
fn by(version: &Read<'_>, links: &Links) -> Markup {
    let text = |pointer| version.text(pointer).unwrap_or_default();
    html! {
        span.quiet {
            (text("/actor/id")) ", " (words(text("/actor/role"))) ", " (instant(version.member("recorded_at"))) ", why: "
            (words(text("/amends/reason"))) ", " a href=(links.record(version.view.seq)) { "#" (version.view.seq) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_stand_at_whole_steps_from_day_0_and_on_the_axis() {
        let check = |zero: i32, span: i32, due: &[(f64, &str)]| {
            let ticks = ticks(zero, span);
            let said: Vec<_> = ticks.iter().map(|tick| (tick.at, tick.label.as_str())).collect();
            assert_eq!(said, due, "{zero} {span}");
        };
        check(0, 1, &[(0.0, "0")]);
        check(10, 100, &[(10.0, "0"), (40.0, "30"), (70.0, "60"), (100.0, "90")]);
        check(40, 100, &[(10.0, "-30"), (40.0, "0"), (70.0, "30"), (100.0, "60")]);
        for span in [1, 50, 55, 56, 400, 1_500, 20_000] {
            for zero in [0, 1, 40, span].into_iter().filter(|zero| *zero <= span) {
                let ticks = ticks(zero, span);
                assert!(!ticks.is_empty() && ticks.len() <= 10, "{zero} {span}");
                assert!(ticks.windows(2).all(|pair| pair[0].at < pair[1].at));
            }
        }
    }
}
