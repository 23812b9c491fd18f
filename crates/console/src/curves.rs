//! Curves of the outcome report, as drawings.
//!
//! The numbers are the report's, the limits of the band among them.

use charts::{AtRisk, Axis, AxisTick, CourseChart, CoursePoint, Limits, Series, Step, StepChart, Whisker};
use maud::{Markup, html};

use crate::figures::absent;
use crate::report::{Incidence, SurvivalCurve};
use crate::words::counted;

/// Months between two marks of the time axis: the first that needs no more than [`MARKS_MAX`] of them.
const MONTHS_BETWEEN: [u32; 6] = [1, 3, 6, 12, 24, 60];
const MARKS_MAX: u32 = 10;

/// Survival with its band, censorings and numbers at risk.
pub(crate) fn survival(curve: &SurvivalCurve, id: &str, month_days: f64) -> Markup {
    let Some(last) = curve.steps.last() else { return absent("survival curve") };
    let steps: Option<Vec<Step>> = curve
        .steps
        .iter()
        .filter(|step| step.deaths > 0)
        .map(|step| {
            let height = number(&step.survival)?;
            let limits =
                step.intervals.iter().find(|interval| interval.method == "log-log").and_then(|interval| {
                    Some(Limits { lower: number(&interval.lower)?, upper: number(&interval.upper)? })
                });
            Some(Step { at: f64::from(step.day), height, limits })
        })
        .collect();
    let Some(steps) = steps else { return absent("survival curve") };
    let at_risk: Vec<(u32, u64)> = curve.steps.iter().map(|step| (step.day, step.at_risk)).collect();
    let at_end = curve.landmarks.iter().rev().find(|landmark| landmark.at_risk > 0);
    let description = format!(
        "Step curve from 100% at day 0 for {} with {}.{} The table beside it has the numbers.",
        counted(curve.subjects, "subject", "subjects"),
        counted(curve.deaths, "death", "deaths"),
        at_end.map_or_else(String::new, |end| format!(" At {} survival is {}.", end.label, end.survival)),
    );
    let chart = StepChart {
        id,
        title: &curve.label,
        description: &description,
        x: months(f64::from(last.day), month_days),
        y: shares("Survival", 1.0),
        series: vec![Series {
            label: None,
            start: 1.0,
            steps,
            until: f64::from(last.day),
            censored: censored(curve.steps.iter().map(|step| (step.day, step.censored))),
            whiskers: Vec::new(),
        }],
        at_risk: None,
    };
    draw(chart, &at_risk)
}

/// Incidence of relapse and of death without one, with the relapse's limits at the landmarks.
pub(crate) fn incidence(incidence: &Incidence, id: &str, month_days: f64) -> Markup {
    let Some(last) = incidence.steps.last() else { return absent("curve of incidence") };
    let rises = |share: fn(&crate::report::IncidenceStep) -> (u64, &str)| -> Option<Vec<Step>> {
        incidence
            .steps
            .iter()
            .filter(|step| share(step).0 > 0)
            .map(|step| Some(Step { at: f64::from(step.day), height: number(share(step).1)?, limits: None }))
            .collect()
    };
    let Some((relapses, deaths)) =
        rises(|step| (step.relapses, &step.relapse)).zip(rises(|step| (step.deaths, &step.death_first)))
    else {
        return absent("curve of incidence");
    };
    let whiskers: Vec<Whisker> = incidence
        .landmarks
        .iter()
        .filter(|landmark| landmark.at_risk > 0)
        .filter_map(|landmark| {
            let interval = landmark.intervals.first()?;
            let limits = Limits { lower: number(&interval.lower)?, upper: number(&interval.upper)? };
            Some(Whisker { at: number(&landmark.days)?, limits })
        })
        .collect();
    let highest = relapses
        .iter()
        .chain(&deaths)
        .map(|step| step.height)
        .chain(whiskers.iter().map(|whisker| whisker.limits.upper))
        .fold(0.0, f64::max);
    let until = f64::from(last.day);
    let series = |label, steps, censored, whiskers| Series {
        label: Some(label),
        start: 0.0,
        steps,
        until,
        censored,
        whiskers,
    };
    let censored = censored(incidence.steps.iter().map(|step| (step.day, step.censored)));
    let description = format!(
        "Two step curves from 0% at day 0 for {}: first relapse, {} in all, and death without relapse, {} in all. \
         The table beside it has the numbers.",
        counted(incidence.subjects, "subject", "subjects"),
        incidence.relapses,
        incidence.deaths_first,
    );
    let at_risk: Vec<(u32, u64)> = incidence.steps.iter().map(|step| (step.day, step.at_risk)).collect();
    let chart = StepChart {
        id,
        title: &incidence.label,
        description: &description,
        x: months(f64::from(last.day), month_days),
        y: shares("Cumulative incidence", highest),
        series: vec![
            series("First relapse", relapses, censored, whiskers),
            series("Death without relapse", deaths, Vec::new(), Vec::new()),
        ],
        at_risk: None,
    };
    draw(chart, &at_risk)
}

/// A measurement at one visit: its day, lowest, first quartile, median, third quartile, highest, as the report writes them.
pub(crate) type AtVisit<'a> = (i64, [&'a str; 5]);

/// A subject's own values with their days, as the report writes them.
pub(crate) type OwnLine<'a> = Vec<(i64, &'a str)>;

/// How a measurement goes from visit to visit; of those that the report has no median of, nothing is drawn.
pub(crate) fn course(
    id: &str,
    title: &str,
    visits: &[AtVisit<'_>],
    lines: &[OwnLine<'_>],
    month_days: f64,
) -> Markup {
    let day_of = |day: i64| u32::try_from(day).ok().map(f64::from);
    let point = |(day, five): &AtVisit<'_>| -> Option<CoursePoint> {
        let [low, first, median, third, high] = five.map(number);
        Some(CoursePoint {
            at: day_of(*day)?,
            median: median?,
            quartiles: Limits { lower: first?, upper: third? },
            range: Limits { lower: low?, upper: high? },
        })
    };
    let Some(points) = visits.iter().map(point).collect::<Option<Vec<_>>>() else { return absent("course") };
    let own = |line: &OwnLine<'_>| -> Option<Vec<(f64, f64)>> {
        line.iter().map(|(at, value)| Some((day_of(*at)?, number(value)?))).collect()
    };
    let Some(lines) = lines.iter().map(own).collect::<Option<Vec<_>>>() else { return absent("course") };
    let Some(last) = visits.last() else { return absent("course") };
    let lowest = points.iter().map(|point| point.range.lower).fold(0.0, f64::min);
    let highest = points.iter().map(|point| point.range.upper).fold(0.0, f64::max);
    let ends = visits.first().map(|first| (first.1[2], last.1[2]));
    let description = format!(
        "Median, quartiles and range at {}, and {}.{} The table below has the numbers.",
        counted(visits.len() as u64, "visit", "visits"),
        counted(lines.len() as u64, "subject's own line", "subjects' own lines"),
        ends.map_or_else(String::new, |(from, to)| format!(" The median goes from {from} to {to}.")),
    );
    let chart = CourseChart {
        id,
        title,
        description: &description,
        x: months(day_of(last.0).unwrap_or_default(), month_days),
        y: values(title, (lowest, highest)),
        points,
        lines,
    };
    let drawn_lines = chart.lines.len();
    match chart.draw() {
        Ok(drawing) => html! {
            figure {
                (drawing)
                figcaption {
                    "Median (thick line), first to third quartile (band), lowest to highest (strokes), by months from day 0."
                    @if drawn_lines > 0 { " Thin: " (counted(drawn_lines as u64, "subject", "subjects")) ", each at the visits with a value." }
                }
            }
        },
        Err(why) => html! { p.nothing { "The course cannot be drawn: " (why) "." } },
    }
}

/// An axis from 0, or from a round number below it, to a round number, with six marks.
fn values(label: &str, (lowest, highest): (f64, f64)) -> Axis<'_> {
    let lowest = lowest.min(0.0);
    let ends = |between: f64| {
        let first = (lowest / between).floor();
        (first * between, (first + 5.0) * between)
    };
    let too_fine = |between: f64| ends(between).0 > lowest || ends(between).1 < highest;
    let mut between = 0.001;
    while too_fine(between) {
        // 1, 2, 5, 10 and on.
        for times in [2.0, 2.5, 2.0] {
            if too_fine(between) {
                between *= times;
            }
        }
    }
    let (min, max) = ends(between);
    let label_of = |at: f64| {
        let text = format!("{at:.3}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    let first = (lowest / between).floor();
    let marks = (0..=5).map(|mark| (first + f64::from(mark)) * between);
    let ticks = marks.map(|at| AxisTick { at, label: label_of(at) });
    Axis { label, min, max, ticks: ticks.collect() }
}

/// What the figure of a stopping rule is made from.
pub(crate) struct StoppingCurve<'a> {
    pub(crate) id: &'a str,
    /// From how many subjects on so many events stop, ascending.
    pub(crate) boundary: &'a [(u64, u64)],
    /// Subjects up to whom the boundary is known.
    pub(crate) until: u64,
    /// Among how many subjects each event was the latest, ascending.
    pub(crate) observed: &'a [u64],
    /// Subjects counted.
    pub(crate) subjects: u64,
}

/// Events observed against the boundary, by the number of subjects.
pub(crate) fn stopping(curve: &StoppingCurve<'_>) -> Markup {
    let number = |number: u64| u32::try_from(number).map_or(f64::INFINITY, f64::from);
    let step = |at: u64, height: u64| Step { at: number(at), height: number(height), limits: None };
    let boundary: Vec<Step> = curve.boundary.iter().map(|(at, events)| step(*at, *events)).collect();
    let observed: Vec<Step> = curve.observed.iter().zip(1..).map(|(at, events)| step(*at, events)).collect();
    let highest = boundary.iter().chain(&observed).map(|step| step.height).fold(1.0, f64::max);
    let description = format!(
        "Two step curves by the number of subjects: the fewest events that stop, up to {}, and the events observed, {} \
         among {}. The table below has the numbers.",
        curve.boundary.last().map_or(0, |(_, events)| *events),
        curve.observed.len(),
        counted(curve.subjects, "subject", "subjects"),
    );
    let series = |label, start, steps, until| Series {
        label: Some(label),
        start,
        steps,
        until: number(until),
        censored: Vec::new(),
        whiskers: Vec::new(),
    };
    // Among fewer subjects than its first step has, so many events cannot be.
    let lowest = boundary.first().map_or(0.0, |step| step.height);
    let chart = StepChart {
        id: curve.id,
        title: "Events observed against the boundary",
        description: &description,
        x: values("Subjects, in the order of first infusion", (0.0, number(curve.until.max(1)))),
        y: values("Subjects with the event", (0.0, highest)),
        series: vec![
            series("Observed", 0.0, observed, curve.subjects),
            series("Stops", lowest, boundary, curve.until),
        ],
        at_risk: None,
    };
    chart.draw().unwrap_or_else(|why| html! { p.nothing { "The boundary cannot be drawn: " (why) "." } })
}

/// Draws a chart with the numbers at risk at the marks of its time axis.
fn draw(mut chart: StepChart<'_>, at_risk: &[(u32, u64)]) -> Markup {
    let counts = chart.x.ticks.iter().map(|tick| at(at_risk, tick.at)).collect();
    chart.at_risk = Some(AtRisk { label: "At risk", counts });
    match chart.draw() {
        Ok(drawing) => drawing,
        Err(why) => html! { p.nothing { "The curve cannot be drawn: " (why) "." } },
    }
}

/// How many were followed to a time or longer: the number at risk on the next day on which somebody left.
fn at(at_risk: &[(u32, u64)], time: f64) -> u64 {
    at_risk.iter().find(|(day, _)| f64::from(*day) >= time).map_or(0, |(_, count)| *count)
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

fn censored(days: impl Iterator<Item = (u32, u64)>) -> Vec<f64> {
    days.filter(|(_, count)| *count > 0).map(|(day, _)| f64::from(day)).collect()
}

/// A time axis in months that holds the last day.
pub(crate) fn months(last_day: f64, month_days: f64) -> Axis<'static> {
    let months_of = |marks: u32, between: u32| f64::from(marks * between) * month_days;
    let fits = |between: &u32| months_of(MARKS_MAX - 1, *between) >= last_day;
    let between = MONTHS_BETWEEN.into_iter().find(fits).unwrap_or(MONTHS_BETWEEN[MONTHS_BETWEEN.len() - 1]);
    let mut marks = 1;
    while months_of(marks, between) < last_day {
        marks += 1;
    }
    Axis {
        label: "Months from day 0",
        min: 0.0,
        max: months_of(marks, between),
        ticks: (0..=marks)
            .map(|mark| AxisTick { at: months_of(mark, between), label: (mark * between).to_string() })
            .collect(),
    }
}

/// An axis of shares from 0% to the next round share above `highest`, at most 100%.
fn shares(label: &'static str, highest: f64) -> Axis<'static> {
    let tenths = (1..=10).find(|tenths| f64::from(*tenths) / 10.0 >= highest).unwrap_or(10);
    let (tenths, between) = if tenths > 5 { (tenths + tenths % 2, 2) } else { (tenths, 1) };
    Axis {
        label,
        min: 0.0,
        max: f64::from(tenths) / 10.0,
        ticks: (0..=tenths)
            .step_by(between)
            .map(|tenth| AxisTick { at: f64::from(tenth) / 10.0, label: format!("{}%", tenth * 10) })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis<'_>) -> Vec<String> {
        axis.ticks.iter().map(|tick| tick.label.clone()).collect()
    }

    #[test]
    fn the_time_axis_holds_the_last_day_with_few_marks() {
        assert_eq!(labels(&months(0.0, 30.4375)), ["0", "1"]);
        assert_eq!(
            labels(&months(1_582.0, 30.4375)),
            ["0", "6", "12", "18", "24", "30", "36", "42", "48", "54"]
        );
        let long = months(5_000.0, 30.4375);
        assert!(long.max >= 5_000.0 && labels(&long)[1] == "24");
    }

    #[test]
    fn the_axis_of_shares_ends_at_a_round_share() {
        assert_eq!(labels(&shares("", 0.35)), ["0%", "10%", "20%", "30%", "40%"]);
        assert_eq!(labels(&shares("", 0.54)), ["0%", "20%", "40%", "60%"]);
        assert_eq!(labels(&shares("", 1.0)).last().unwrap(), "100%");
        assert_eq!(labels(&shares("", 0.0)), ["0%", "10%"]);
    }

    #[test]
    fn the_axis_of_values_ends_at_a_round_number() {
        let from = |lowest, highest| labels(&values("", (lowest, highest)));
        assert_eq!(from(3.0, 42.0), ["0", "10", "20", "30", "40", "50"]);
        assert_eq!(from(0.0, 0.7), ["0", "0.2", "0.4", "0.6", "0.8", "1"]);
        assert_eq!(from(0.0, 900.0).last().unwrap(), "1000");
        assert_eq!(from(-3.0, 4.0), ["-4", "-2", "0", "2", "4", "6"]);
        assert_eq!(from(-42.0, -7.0), ["-50", "-40", "-30", "-20", "-10", "0"]);
        assert_eq!(from(0.0, 0.0).len(), 6);
    }

    #[test]
    fn a_course_is_drawn_from_the_reports_own_numbers_or_said_to_be_missing() {
        let visits =
            [(0, ["10.0", "12.50", "14.00", "16.00", "20.0"]), (91, ["0.0", "2.50", "4.00", "6.00", "9.0"])];
        let drawn = course("a", "SLEDAI", &visits, &[vec![(0, "11.0"), (91, "3.0")]], 30.4375).into_string();
        assert!(drawn.contains("Thin: 1 subject, each"), "{drawn}");
        assert!(drawn.contains("The median goes from 14.00 to 4.00."), "{drawn}");
        assert_eq!(drawn.matches("<circle").count(), 2);
        let broken = [(0, ["10.0", "12.50", "high", "16.00", "20.0"])];
        assert!(course("a", "SLEDAI", &broken, &[], 30.4375).into_string().contains("holds no course"));
    }

    #[test]
    fn a_course_below_zero_is_drawn_on_an_axis_that_begins_there() {
        let visits =
            [(0, ["-4.0", "-2.0", "-1.0", "0.0", "2.0"]), (91, ["-3.0", "-1.0", "0.0", "1.0", "4.0"])];
        let drawn = course("a", "Base excess", &visits, &[vec![(0, "-4.0")]], 30.4375).into_string();
        // From -4 to 6 on 300 from 14: the first median stands at 224, the second at 194.
        assert!(drawn.contains("cy=\"224.00\"") && drawn.contains("cy=\"194.00\""), "{drawn}");
    }

    #[test]
    fn a_boundary_is_drawn_beside_what_was_observed() {
        let curve = StoppingCurve {
            id: "a",
            boundary: &[(1, 1), (10, 2)],
            until: 20,
            observed: &[4, 8],
            subjects: 12,
        };
        let drawn = stopping(&curve).into_string();
        assert!(drawn.contains("up to 2, and the events observed, 2 among 12 subjects"), "{drawn}");
        // Subjects to 25 on 602 units from 96, events to 2.5 on 300 from 14: the second event stands at 8.
        assert!(drawn.contains("288.64") && drawn.contains("74.00"), "{drawn}");
        let broken = StoppingCurve { observed: &[8, 4], ..curve };
        assert!(stopping(&broken).into_string().contains("cannot be drawn"));
    }

    #[test]
    fn at_risk_are_those_who_leave_then_or_later() {
        let left = [(0, 87), (100, 86), (365, 80)];
        for (time, count) in [(0.0, 87), (0.5, 86), (100.0, 86), (100.5, 80), (365.0, 80), (365.5, 0)] {
            assert_eq!(at(&left, time), count, "{time}");
        }
    }

    #[test]
    fn a_curve_that_cannot_be_read_is_said_to_be_missing() {
        let broken =
            crate::report::SurvivalStep { deaths: 1, survival: "high".to_owned(), ..Default::default() };
        let curve = SurvivalCurve { steps: vec![broken], ..SurvivalCurve::default() };
        assert!(survival(&curve, "a", 30.4375).into_string().contains("holds no survival curve"));
    }
}
