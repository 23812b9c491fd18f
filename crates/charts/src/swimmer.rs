//! The courses of many subjects, one bar below the other over one line of time, with signs for what happened on them.
//!
//! It leads nowhere: the rows are too narrow to be hit. The table beside it does.

use maud::{Markup, html};

use crate::axis::Axis;
use crate::number::fixed;
use crate::steps::ChartError;

/// The drawing, in its own units; the page scales it.
const WIDTH: f64 = 720.0;
const LEFT: f64 = 96.0;
const RIGHT: f64 = 22.0;
const ROW: f64 = 13.0;
/// Half of a bar's height.
const BAR: f64 = 2.5;
/// Half of a sign's width.
const SIGN: f64 = 3.6;
/// A line of the legend; where a sign's name stands, and how wide a letter of it may be.
const LEGEND_LINE: f64 = 22.0;
const LEGEND_NAME: f64 = 12.0;
const LETTER: f64 = 7.4;
const LEGEND_APART: f64 = 24.0;
/// From the last bar to the marks' labels, the axis' label, and the end.
const TICK_LABEL: f64 = 20.0;
const AXIS_LABEL: f64 = 44.0;
const FOOT: f64 = 56.0;

/// What is to be drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct SwimmerChart<'a> {
    /// Prefix of the ids within the drawing; unique on its page.
    pub id: &'a str,
    /// What it shows, in a few words.
    pub title: &'a str,
    /// What it shows, for those who cannot see it.
    pub description: &'a str,
    /// Time.
    pub x: Axis<'a>,
    /// What each sign means.
    pub legend: Vec<(Sign, &'a str)>,
    /// One a subject, from the top.
    pub rows: Vec<SwimmerRow<'a>>,
}

/// A subject's course, a bar from time 0.
#[derive(Debug, Clone, PartialEq)]
pub struct SwimmerRow<'a> {
    /// Whose it is.
    pub label: &'a str,
    /// Where the bar ends.
    pub until: f64,
    /// What happened when.
    pub signs: Vec<(f64, Sign)>,
}

/// What stands on a bar. Told apart by shape, never by colour alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// A filled circle.
    Disc,
    /// A filled triangle.
    Triangle,
    /// A triangle's outline.
    HollowTriangle,
    /// Two crossing lines.
    Cross,
    /// A filled square.
    Square,
    /// An upright line.
    Upright,
    /// An arrow's head, pointing on.
    Arrow,
}

impl Sign {
    fn draw(self, x: f64, y: f64) -> Markup {
        let (left, right, top, foot) = (fixed(x - SIGN), fixed(x + SIGN), fixed(y - SIGN), fixed(y + SIGN));
        let (class, path) = match self {
            Self::Disc => {
                return html! { circle class="sign full" cx=(fixed(x)) cy=(fixed(y)) r=(fixed(SIGN - 0.4)) {} };
            }
            Self::Triangle => ("sign full", format!("M{left} {foot}L{} {top}L{right} {foot}Z", fixed(x))),
            Self::HollowTriangle => {
                ("sign hollow", format!("M{left} {foot}L{} {top}L{right} {foot}Z", fixed(x)))
            }
            Self::Cross => {
                ("sign hollow", format!("M{left} {top}L{right} {foot}M{left} {foot}L{right} {top}"))
            }
            Self::Square => ("sign full", format!("M{left} {top}H{right}V{foot}H{left}Z")),
            Self::Upright => ("sign hollow", format!("M{} {top}V{foot}", fixed(x))),
            Self::Arrow => ("sign full", format!("M{left} {top}L{right} {}L{left} {foot}Z", fixed(y))),
        };
        html! { path class=(class) d=(path) {} }
    }
}

impl SwimmerChart<'_> {
    /// Draws it.
    ///
    /// # Errors
    /// [`ChartError::Axis`], or [`ChartError::Outside`] for what is not on the axis.
    pub fn draw(&self) -> Result<Markup, ChartError> {
        if !self.x.is_whole() {
            return Err(ChartError::Axis);
        }
        let lies = |row: &SwimmerRow<'_>| {
            self.x.holds(row.until) && row.signs.iter().all(|(at, _)| self.x.holds(*at))
        };
        if !self.rows.iter().all(lies) {
            return Err(ChartError::Outside);
        }
        let (legend, top) = self.draw_legend();
        let rows = u16::try_from(self.rows.len()).unwrap_or(u16::MAX);
        let foot = top + ROW * f64::from(rows);
        let (title, description) = (format!("{}-title", self.id), format!("{}-desc", self.id));
        Ok(html! {
            svg class="chart swimmer" viewBox=(format!("0 0 {WIDTH} {}", fixed(foot + FOOT))) role="img"
                aria-labelledby=(format!("{title} {description}")) xmlns="http://www.w3.org/2000/svg" {
                title id=(title) { (self.title) }
                desc id=(description) { (self.description) }
                (legend)
                g class="axis" {
                    @for tick in &self.x.ticks {
                        @let x = fixed(self.x(tick.at));
                        line class="grid" x1=(x) x2=(x) y1=(fixed(top)) y2=(fixed(foot)) {}
                        text class="x" x=(x) y=(fixed(foot + TICK_LABEL)) { (tick.label) }
                    }
                    line class="base" x1=(fixed(LEFT)) x2=(fixed(WIDTH - RIGHT)) y1=(fixed(foot)) y2=(fixed(foot)) {}
                    text class="x label" x=(fixed(f64::midpoint(LEFT, WIDTH - RIGHT))) y=(fixed(foot + AXIS_LABEL)) { (self.x.label) }
                }
                @for (row, number) in self.rows.iter().zip((0_u16..).map(f64::from)) {
                    (self.row(row, top + ROW * (number + 0.5)))
                }
            }
        })
    }

    /// The legend, in as many lines as it needs, and where it ends.
    fn draw_legend(&self) -> (Markup, f64) {
        let (mut x, mut y) = (LEFT, LEGEND_LINE / 2.0 + 2.0);
        let mut placed = Vec::new();
        for (sign, name) in &self.legend {
            let letters = u16::try_from(name.chars().count()).unwrap_or(u16::MAX);
            let width = LEGEND_NAME + LETTER * f64::from(letters);
            if x > LEFT && x + width > WIDTH - RIGHT {
                (x, y) = (LEFT, y + LEGEND_LINE);
            }
            placed.push((*sign, *name, x, y));
            x += width + LEGEND_APART;
        }
        let drawn = html! {
            g class="legend" {
                @for (sign, name, x, y) in placed {
                    (sign.draw(x, y))
                    text x=(fixed(x + LEGEND_NAME)) y=(fixed(y + 5.0)) { (name) }
                }
            }
        };
        (drawn, y + LEGEND_LINE)
    }

    fn row(&self, row: &SwimmerRow<'_>, y: f64) -> Markup {
        let (top, foot) = (fixed(y - BAR), fixed(y + BAR));
        html! {
            g class="row" {
                text class="y" x=(fixed(LEFT - 8.0)) y=(fixed(y + 3.5)) { (row.label) }
                path class="bar" d=(format!("M{} {top}H{}V{foot}H{}Z", fixed(LEFT), fixed(self.x(row.until)), fixed(LEFT))) {}
                @for (at, sign) in &row.signs { (sign.draw(self.x(*at), y)) }
            }
        }
    }

    fn x(&self, at: f64) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * self.x.share(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::axis::AxisTick;

    fn chart() -> SwimmerChart<'static> {
        SwimmerChart {
            id: "w",
            title: "Courses",
            description: "One subject.",
            x: Axis {
                label: "Days",
                min: 0.0,
                max: 100.0,
                ticks: vec![AxisTick { at: 50.0, label: "50".to_owned() }],
            },
            legend: vec![(Sign::Disc, "infusion")],
            rows: vec![SwimmerRow {
                label: "P<1>",
                until: 50.0,
                signs: vec![(0.0, Sign::Disc), (50.0, Sign::Arrow)],
            }],
        }
    }

    /// 96 + 602 x / 100; the legend's one line ends at 35, the row's middle lies 6.5 below: worked by hand.
    #[test]
    fn a_course_is_drawn_to_the_last_byte() {
        let expected = concat!(
            r#"<svg class="chart swimmer" viewBox="0 0 720 104.00" role="img" aria-labelledby="w-title w-desc" xmlns="http://www.w3.org/2000/svg">"#,
            r#"<title id="w-title">Courses</title><desc id="w-desc">One subject.</desc>"#,
            r#"<g class="legend"><circle class="sign full" cx="96.00" cy="13.00" r="3.20"></circle>"#,
            r#"<text x="108.00" y="18.00">infusion</text></g>"#,
            r#"<g class="axis"><line class="grid" x1="397.00" x2="397.00" y1="35.00" y2="48.00"></line>"#,
            r#"<text class="x" x="397.00" y="68.00">50</text>"#,
            r#"<line class="base" x1="96.00" x2="698.00" y1="48.00" y2="48.00"></line>"#,
            r#"<text class="x label" x="397.00" y="92.00">Days</text></g>"#,
            r#"<g class="row"><text class="y" x="88.00" y="45.00">P&lt;1&gt;</text>"#,
            r#"<path class="bar" d="M96.00 39.00H397.00V44.00H96.00Z"></path>"#,
            r#"<circle class="sign full" cx="96.00" cy="41.50" r="3.20"></circle>"#,
            r#"<path class="sign full" d="M393.40 37.90L400.60 41.50L393.40 45.10Z"></path></g></svg>"#,
        );
        assert_eq!(chart().draw().unwrap().into_string(), expected);
    }

    #[test]
    fn each_sign_is_another_shape() {
        let signs = [
            Sign::Disc,
            Sign::Triangle,
            Sign::HollowTriangle,
            Sign::Cross,
            Sign::Square,
            Sign::Upright,
            Sign::Arrow,
        ];
        let mut drawn = signs.map(|sign| sign.draw(10.0, 10.0).into_string());
        drawn.sort_unstable();
        assert!(drawn.windows(2).all(|pair| pair[0] != pair[1]), "{drawn:?}");
    }

    #[test]
    fn a_long_legend_takes_more_lines() {
        let mut chart = chart();
        chart.legend = vec![(Sign::Disc, "a name of some thirty letters."); 5];
        let (legend, end) = chart.draw_legend();
        let legend = legend.into_string();
        assert!(legend.contains(r#"cy="13.00""#) && legend.contains(r#"cy="57.00""#), "{legend}");
        assert!((end - 79.0).abs() < 1e-9, "{end}");
    }

    #[test]
    fn what_is_not_on_the_axis_is_refused() {
        let mut late = chart();
        late.rows[0].until = 101.0;
        assert_eq!(late.draw().map(Markup::into_string), Err(ChartError::Outside));
        let mut early = chart();
        early.rows[0].signs[0].0 = -1.0;
        assert_eq!(early.draw().map(Markup::into_string), Err(ChartError::Outside));
        let mut none = chart();
        none.x.max = 0.0;
        assert_eq!(none.draw().map(Markup::into_string), Err(ChartError::Axis));
    }
}
