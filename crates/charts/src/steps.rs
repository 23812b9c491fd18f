//! A step curve over time: survival or incidence, with limits, censorings and the number at risk on the same scale.

use std::fmt::Write as _;

use maud::{Markup, html};

use crate::axis::Axis;
use crate::number::fixed;

/// The drawing, in its own units; the page scales it.
const WIDTH: f64 = 720.0;
const LEFT: f64 = 78.0;
const RIGHT: f64 = 22.0;
const TOP: f64 = 14.0;
const PLOT_HEIGHT: f64 = 300.0;
/// From the plot's foot to the marks' labels, the axis' label, the heading and the numbers of the row at risk.
const TICK_LABEL: f64 = 22.0;
const AXIS_LABEL: f64 = 48.0;
const AT_RISK_LABEL: f64 = 82.0;
const AT_RISK: f64 = 106.0;
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
    /// Its name, written at its end; needed where there are several.
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
        let title = format!("{}-title", self.id);
        let description = format!("{}-desc", self.id);
        Ok(html! {
            svg class="chart" viewBox=(format!("0 0 {WIDTH} {height}")) role="img"
                aria-labelledby=(format!("{title} {description}")) xmlns="http://www.w3.org/2000/svg" {
                title id=(title) { (self.title) }
                desc id=(description) { (self.description) }
                (self.draw_axes())
                @for (index, series) in self.series.iter().enumerate() {
                    g class=(format!("series series-{}", index + 1)) { (self.draw_series(series)) }
                }
                @if let Some(at_risk) = &self.at_risk { (self.draw_at_risk(at_risk)) }
            }
        })
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

    fn x(&self, at: f64) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * at / self.x.max
    }

    fn y(&self, at: f64) -> f64 {
        TOP + PLOT_HEIGHT * (1.0 - at / self.y.max)
    }

    fn draw_axes(&self) -> Markup {
        let (foot, right) = (TOP + PLOT_HEIGHT, WIDTH - RIGHT);
        let middle = TOP + PLOT_HEIGHT / 2.0;
        html! {
            g class="axis" {
                @for tick in &self.y.ticks {
                    @let y = self.y(tick.at);
                    line class="grid" x1=(fixed(LEFT)) x2=(fixed(right)) y1=(fixed(y)) y2=(fixed(y)) {}
                    text class="y" x=(fixed(LEFT - 8.0)) y=(fixed(y + 5.0)) { (tick.label) }
                }
                line class="base" x1=(fixed(LEFT)) x2=(fixed(right)) y1=(fixed(foot)) y2=(fixed(foot)) {}
                @for tick in &self.x.ticks {
                    @let x = self.x(tick.at);
                    line class="base" x1=(fixed(x)) x2=(fixed(x)) y1=(fixed(foot)) y2=(fixed(foot + 5.0)) {}
                    text class="x" x=(fixed(x)) y=(fixed(foot + TICK_LABEL)) { (tick.label) }
                }
                text class="x label" x=(fixed(f64::midpoint(LEFT, right))) y=(fixed(foot + AXIS_LABEL)) { (self.x.label) }
                text class="x label" transform=(format!("translate(18 {}) rotate(-90)", fixed(middle))) { (self.y.label) }
            }
        }
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
            @if let Some(label) = series.label {
                text class="name" x=(fixed(self.x(series.until))) y=(fixed(self.y(height_at(series, series.until)) - 10.0)) { (label) }
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
