//! A step curve over time: survival or incidence, with limits, censorings and the number at risk on the same scale.

use std::fmt::Write as _;

use maud::{Markup, html};

use crate::axis::Axis;
use crate::frame::{AXIS_LABEL, Frame, LEFT, PLOT_HEIGHT, TOP};
use crate::number::fixed;

/// From the plot's foot to the heading and the numbers of the row at risk.
const AT_RISK_LABEL: f64 = 82.0;
const AT_RISK: f64 = 106.0;
/// From the plot's top to the first name, and from name to name.
const NAMES_FROM: f64 = 26.0;
const NAMES_APART: f64 = 30.0;
/// Half the height of a censoring's mark, half the width of a whisker's end.
const MARK: f64 = 5.0;

/// What is to be drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct StepChart<'a> {
    /// Prefix of the ids within the drawing; unique on its page.
    pub id: &'a str,
    /// What it shows, in a few words.
    pub title: &'a str,
    /// What it shows, for those who cannot see it.
    pub description: &'a str,
    /// Time.
    pub x: Axis<'a>,
    /// Share.
    pub y: Axis<'a>,
    /// The curves, at most as many as the style sheet has classes `series-1` and so on for.
    pub series: Vec<Series<'a>>,
    /// The row below the axis.
    pub at_risk: Option<AtRisk<'a>>,
}

/// A curve: level from each step to the next.
#[derive(Debug, Clone, PartialEq)]
pub struct Series<'a> {
    /// Its name, written beside a piece of its line in the upper left; needed where there are several.
    pub label: Option<&'a str>,
    /// Its height at time 0.
    pub start: f64,
    /// Its steps, ascending in time.
    pub steps: Vec<Step>,
    /// Until when it is known.
    pub until: f64,
    /// Times at which somebody was censored.
    pub censored: Vec<f64>,
    /// Limits at single times.
    pub whiskers: Vec<Whisker>,
}

/// A step of a curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// When.
    pub at: f64,
    /// Its height from then on.
    pub height: f64,
    /// Its limits from then on; a step without leaves a gap in the band.
    pub limits: Option<Limits>,
}

/// Confidence limits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Lower.
    pub lower: f64,
    /// Upper.
    pub upper: f64,
}

/// Limits at one time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Whisker {
    /// When.
    pub at: f64,
    /// The limits.
    pub limits: Limits,
}

/// The number at risk, below each mark of the time axis.
#[derive(Debug, Clone, PartialEq)]
pub struct AtRisk<'a> {
    /// What is counted.
    pub label: &'a str,
    /// One number for each mark.
    pub counts: Vec<u64>,
}

/// Numbers that cannot be drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChartError {
    /// An axis does not end beyond zero, or its marks are not on it in ascending order.
    #[error("an axis ends beyond zero and has its marks in ascending order")]
    Axis,
    /// The steps of a curve do not ascend in time.
    #[error("the steps of a curve ascend in time")]
    Order,
    /// A number is not finite or lies outside its axis.
    #[error("a number lies outside its axis")]
    Outside,
    /// The row at risk has another number of counts than the axis has marks.
    #[error("{counts} numbers at risk for {ticks} marks")]
    AtRisk {
        /// Counts given.
        counts: usize,
        /// Marks of the axis.
        ticks: usize,
    },
}

impl StepChart<'_> {
    /// Draws it.
    ///
    /// # Errors
    /// [`ChartError`].
    pub fn draw(&self) -> Result<Markup, ChartError> {
        self.check()?;
        let height =
            TOP + PLOT_HEIGHT + if self.at_risk.is_some() { AT_RISK + 14.0 } else { AXIS_LABEL + 14.0 };
        let drawn = html! {
            (self.frame().draw())
            @for (index, series) in self.series.iter().enumerate() {
                g class=(format!("series series-{}", index + 1)) { (self.draw_series(series)) }
            }
            (self.draw_names())
            @if let Some(at_risk) = &self.at_risk { (self.draw_at_risk(at_risk)) }
        };
        Ok(Frame::around(self.id, (self.title, self.description), height, &drawn))
    }

    fn check(&self) -> Result<(), ChartError> {
        if !self.x.is_whole() || !self.y.is_whole() {
            return Err(ChartError::Axis);
        }
        if let Some(at_risk) = &self.at_risk
            && at_risk.counts.len() != self.x.ticks.len()
        {
            return Err(ChartError::AtRisk { counts: at_risk.counts.len(), ticks: self.x.ticks.len() });
        }
        for series in &self.series {
            let end = series.steps.last().map_or(0.0, |step| step.at);
            if series.steps.windows(2).any(|pair| pair[0].at >= pair[1].at) || end > series.until {
                return Err(ChartError::Order);
            }
            let limits = series
                .steps
                .iter()
                .filter_map(|step| step.limits)
                .chain(series.whiskers.iter().map(|whisker| whisker.limits));
            let heights = series
                .steps
                .iter()
                .map(|step| step.height)
                .chain([series.start])
                .chain(limits.flat_map(|limits| [limits.lower, limits.upper]));
            let times = series
                .steps
                .iter()
                .map(|step| step.at)
                .chain([series.until])
                .chain(series.censored.iter().copied())
                .chain(series.whiskers.iter().map(|whisker| whisker.at));
            if !heights.into_iter().all(|at| self.y.holds(at))
                || !times.into_iter().all(|at| self.x.holds(at))
            {
                return Err(ChartError::Outside);
            }
        }
        Ok(())
    }

    fn frame(&self) -> Frame<'_> {
        Frame { x: &self.x, y: &self.y }
    }

    fn x(&self, at: f64) -> f64 {
        self.frame().x(at)
    }

    fn y(&self, at: f64) -> f64 {
        self.frame().y(at)
    }

    fn draw_series(&self, series: &Series<'_>) -> Markup {
        html! {
            @for run in band_runs(series) { path class="band" d=(self.band(&run)) {} }
            path class="curve" d=(self.curve(series)) {}
            @for whisker in &series.whiskers {
                path class="whisker" d=(self.whisker(whisker)) {}
            }
            @for at in &series.censored {
                @let (x, y) = (self.x(*at), self.y(height_at(series, *at)));
                line class="censored" x1=(fixed(x)) x2=(fixed(x)) y1=(fixed(y - MARK)) y2=(fixed(y + MARK)) {}
            }
        }
    }

    /// Names stand in the upper left, where incidence has not yet risen, each beside a piece of its line.
    fn draw_names(&self) -> Markup {
        let named = self.series.iter().enumerate().filter_map(|(index, series)| Some((index, series.label?)));
        html! {
            @for ((index, name), row) in named.zip(0_u8..) {
                @let y = TOP + NAMES_FROM + NAMES_APART * f64::from(row);
                g class=(format!("series series-{}", index + 1)) {
                    path class="curve" d=(format!("M{} {}H{}", fixed(LEFT + 12.0), fixed(y - 5.0), fixed(LEFT + 48.0))) {}
                    text class="name" x=(fixed(LEFT + 58.0)) y=(fixed(y)) { (name) }
                }
            }
        }
    }

    fn curve(&self, series: &Series<'_>) -> String {
        let mut path = format!("M{} {}", fixed(self.x(0.0)), fixed(self.y(series.start)));
        for step in &series.steps {
            push(&mut path, 'H', self.x(step.at));
            push(&mut path, 'V', self.y(step.height));
        }
        push(&mut path, 'H', self.x(series.until));
        path
    }

    /// Along the upper limits and back along the lower ones.
    fn band(&self, run: &[(f64, f64, Limits)]) -> String {
        let mut path = String::new();
        for (index, (from, to, limits)) in run.iter().enumerate() {
            if index == 0 {
                push(&mut path, 'M', self.x(*from));
                path.push(' ');
                path.push_str(&fixed(self.y(limits.upper)));
            } else {
                push(&mut path, 'V', self.y(limits.upper));
            }
            push(&mut path, 'H', self.x(*to));
        }
        for (from, _, limits) in run.iter().rev() {
            push(&mut path, 'V', self.y(limits.lower));
            push(&mut path, 'H', self.x(*from));
        }
        path.push('Z');
        path
    }

    fn whisker(&self, whisker: &Whisker) -> String {
        let x = self.x(whisker.at);
        let (low, high) = (fixed(self.y(whisker.limits.lower)), fixed(self.y(whisker.limits.upper)));
        let (left, right) = (fixed(x - MARK), fixed(x + MARK));
        format!("M{left} {low}H{right}M{x} {low}V{high}M{left} {high}H{right}", x = fixed(x))
    }

    fn draw_at_risk(&self, at_risk: &AtRisk<'_>) -> Markup {
        let foot = TOP + PLOT_HEIGHT;
        html! {
            g class="at-risk" {
                text class="heading" x=(fixed(LEFT - 8.0)) y=(fixed(foot + AT_RISK_LABEL)) { (at_risk.label) }
                @for (tick, count) in self.x.ticks.iter().zip(&at_risk.counts) {
                    text class="x" x=(fixed(self.x(tick.at))) y=(fixed(foot + AT_RISK)) { (count) }
                }
            }
        }
    }
}

fn push(path: &mut String, command: char, number: f64) {
    // Writing to a string does not fail.
    let _ = write!(path, "{command}{}", fixed(number));
}

/// The curve's height at a time, the step at that very time taken.
fn height_at(series: &Series<'_>, at: f64) -> f64 {
    series.steps.iter().take_while(|step| step.at <= at).last().map_or(series.start, |step| step.height)
}

/// Stretches of the curve, from, to and limits, that have limits without a gap.
fn band_runs(series: &Series<'_>) -> Vec<Vec<(f64, f64, Limits)>> {
    let ends = series.steps.iter().skip(1).map(|step| step.at).chain([series.until]);
    let mut runs: Vec<Vec<(f64, f64, Limits)>> = Vec::new();
    let mut open = false;
    for (step, end) in series.steps.iter().zip(ends) {
        match step.limits {
            Some(limits) if open => {
                runs.last_mut().expect("an open run was pushed").push((step.at, end, limits));
            }
            Some(limits) => runs.push(vec![(step.at, end, limits)]),
            None => {}
        }
        open = step.limits.is_some();
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::axis::AxisTick;

    fn axis<'a>(label: &'a str, max: f64, ticks: &[f64]) -> Axis<'a> {
        let ticks = ticks.iter().map(|at| AxisTick { at: *at, label: at.to_string() }).collect();
        Axis { label, min: 0.0, max, ticks }
    }

    /// Two steps, the second without limits; one censored between them.
    fn chart() -> StepChart<'static> {
        let limits = |lower, upper| Some(Limits { lower, upper });
        StepChart {
            id: "c",
            title: "Survival",
            description: "Falls to a half.",
            x: axis("Days", 100.0, &[0.0, 50.0, 100.0]),
            y: axis("Share", 1.0, &[0.0, 1.0]),
            series: vec![Series {
                label: None,
                start: 1.0,
                steps: vec![
                    Step { at: 25.0, height: 0.75, limits: limits(0.5, 1.0) },
                    Step { at: 50.0, height: 0.5, limits: None },
                ],
                until: 75.0,
                censored: vec![30.0],
                whiskers: vec![Whisker { at: 50.0, limits: Limits { lower: 0.25, upper: 0.75 } }],
            }],
            at_risk: Some(AtRisk { label: "At risk", counts: vec![4, 2, 0] }),
        }
    }

    /// 96 + 602 x / 100 and 14 + 300 (1 - y): worked by hand.
    #[test]
    fn a_chart_is_drawn_to_the_last_byte() {
        let expected = concat!(
            r#"<svg class="chart" viewBox="0 0 720 434" role="img" aria-labelledby="c-title c-desc" xmlns="http://www.w3.org/2000/svg">"#,
            r#"<title id="c-title">Survival</title><desc id="c-desc">Falls to a half.</desc>"#,
            r#"<g class="axis">"#,
            r#"<line class="grid" x1="96.00" x2="698.00" y1="314.00" y2="314.00"></line><text class="y" x="88.00" y="319.00">0</text>"#,
            r#"<line class="grid" x1="96.00" x2="698.00" y1="14.00" y2="14.00"></line><text class="y" x="88.00" y="19.00">1</text>"#,
            r#"<line class="base" x1="96.00" x2="698.00" y1="314.00" y2="314.00"></line>"#,
            r#"<line class="base" x1="96.00" x2="96.00" y1="314.00" y2="319.00"></line><text class="x" x="96.00" y="336.00">0</text>"#,
            r#"<line class="base" x1="397.00" x2="397.00" y1="314.00" y2="319.00"></line><text class="x" x="397.00" y="336.00">50</text>"#,
            r#"<line class="base" x1="698.00" x2="698.00" y1="314.00" y2="319.00"></line><text class="x" x="698.00" y="336.00">100</text>"#,
            r#"<text class="x label" x="397.00" y="362.00">Days</text>"#,
            r#"<text class="x label" transform="translate(20 164.00) rotate(-90)">Share</text></g>"#,
            r#"<g class="series series-1">"#,
            r#"<path class="band" d="M246.50 14.00H397.00V164.00H246.50Z"></path>"#,
            r#"<path class="curve" d="M96.00 14.00H246.50V89.00H397.00V164.00H547.50"></path>"#,
            r#"<path class="whisker" d="M392.00 239.00H402.00M397.00 239.00V89.00M392.00 89.00H402.00"></path>"#,
            r#"<line class="censored" x1="276.60" x2="276.60" y1="84.00" y2="94.00"></line></g>"#,
            r#"<g class="at-risk"><text class="heading" x="88.00" y="396.00">At risk</text>"#,
            r#"<text class="x" x="96.00" y="420.00">4</text><text class="x" x="397.00" y="420.00">2</text>"#,
            r#"<text class="x" x="698.00" y="420.00">0</text></g></svg>"#,
        );
        assert_eq!(chart().draw().unwrap().into_string(), expected);
    }

    #[test]
    fn a_name_stands_beside_a_piece_of_its_line_and_is_escaped() {
        let mut chart = chart();
        chart.series[0].label = Some("<relapse>");
        let drawing = chart.draw().unwrap().into_string();
        let name = r#"<g class="series series-1"><path class="curve" d="M108.00 35.00H144.00"></path><text class="name" x="154.00" y="40.00">&lt;relapse&gt;</text></g>"#;
        assert!(drawing.contains(name), "{drawing}");
    }

    #[test]
    fn limits_that_are_missing_leave_a_gap_in_the_band() {
        let limits = Some(Limits { lower: 0.25, upper: 0.75 });
        let mut chart = chart();
        chart.series[0].steps = [(10.0, limits), (20.0, limits), (30.0, None), (40.0, limits)]
            .map(|(at, limits)| Step { at, height: 0.5, limits })
            .to_vec();
        let drawing = chart.draw().unwrap().into_string();
        assert_eq!(drawing.matches(r#"class="band""#).count(), 2);
        assert!(
            drawing.contains("M156.20 89.00H216.40V89.00H276.60V239.00H216.40V239.00H156.20Z"),
            "{drawing}"
        );
    }

    #[test]
    fn what_cannot_be_drawn_is_refused() {
        let refused = |change: fn(&mut StepChart<'_>)| {
            let mut chart = chart();
            change(&mut chart);
            chart.draw().map(Markup::into_string).unwrap_err()
        };
        assert_eq!(refused(|chart| chart.x.max = 0.0), ChartError::Axis);
        assert_eq!(refused(|chart| chart.x.max = f64::NAN), ChartError::Axis);
        assert_eq!(refused(|chart| chart.y.ticks[1].at = 0.0), ChartError::Axis);
        assert_eq!(refused(|chart| chart.series[0].steps[1].at = 25.0), ChartError::Order);
        assert_eq!(refused(|chart| chart.series[0].until = 40.0), ChartError::Order);
        assert_eq!(refused(|chart| chart.series[0].steps[0].height = f64::NAN), ChartError::Outside);
        assert_eq!(refused(|chart| chart.series[0].start = 1.01), ChartError::Outside);
        assert_eq!(refused(|chart| chart.series[0].censored[0] = -1.0), ChartError::Outside);
        assert_eq!(refused(|chart| chart.series[0].whiskers[0].limits.upper = 1.5), ChartError::Outside);
        assert_eq!(
            refused(|chart| chart.at_risk.as_mut().unwrap().counts.truncate(1)),
            ChartError::AtRisk { counts: 1, ticks: 3 }
        );
    }
}
