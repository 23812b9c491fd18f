//! What happened to one subject, in lanes over one line of time: points, bars from one day to another, columns of a height.
//!
//! Every mark leads somewhere, so the drawing is a group of links and no single picture.

use maud::{Markup, html};

use crate::axis::Axis;
use crate::number::fixed;
use crate::steps::ChartError;

/// The drawing, in its own units; the page scales it.
const WIDTH: f64 = 720.0;
const LEFT: f64 = 128.0;
const RIGHT: f64 = 22.0;
const TOP: f64 = 8.0;
const LANE_HEIGHT: f64 = 44.0;
/// From the last lane's foot to the marks' labels, the axis' label, and the end.
const TICK_LABEL: f64 = 22.0;
const AXIS_LABEL: f64 = 48.0;
const FOOT: f64 = 62.0;
/// Half of a point's width, and of a bar's height.
const POINT: f64 = 6.0;
const BAR: f64 = 5.0;
/// Half of what can be hit of a mark: it is wider than it looks.
const REACH: f64 = 12.0;
/// How far a column of full height goes up from the lane's foot.
const COLUMN: f64 = 34.0;

/// What is to be drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct LaneChart<'a> {
    /// Prefix of the ids within the drawing; unique on its page.
    pub id: &'a str,
    /// What it shows, in a few words.
    pub title: &'a str,
    /// What it shows, for those who cannot see it.
    pub description: &'a str,
    /// Time.
    pub x: Axis<'a>,
    /// The lanes, from the top.
    pub lanes: Vec<Lane<'a>>,
}

/// A lane.
#[derive(Debug, Clone, PartialEq)]
pub struct Lane<'a> {
    /// Its name, at most a dozen letters.
    pub label: &'a str,
    /// Its marks.
    pub marks: Vec<LaneMark>,
}

/// A mark in a lane.
#[derive(Debug, Clone, PartialEq)]
pub struct LaneMark {
    /// Where it stands, or begins.
    pub at: f64,
    /// Its form.
    pub form: LaneForm,
    /// What it is, for whoever points at it or cannot see it.
    pub label: String,
    /// Where it leads.
    pub href: String,
}

/// The form of a mark. Never told apart by colour.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum LaneForm {
    /// A filled point.
    Point,
    /// A point that is not filled: what did not take place.
    Hollow,
    /// A cross: an end.
    Cross,
    /// A bar up to a time; one that goes on ends in an open edge.
    Bar {
        /// Where it ends; not before it begins.
        until: f64,
        /// Whether its end is not known.
        goes_on: bool,
    },
    /// A column; its height as a share of the tallest, 0 to 1.
    Column {
        /// How tall.
        share: f64,
    },
}

impl LaneChart<'_> {
    /// Draws it.
    ///
    /// # Errors
    /// [`ChartError::Axis`], or [`ChartError::Outside`] for a mark that is not on its axis.
    pub fn draw(&self) -> Result<Markup, ChartError> {
        self.check()?;
        let foot = self.foot();
        let (title, description) = (format!("{}-title", self.id), format!("{}-desc", self.id));
        let rows: Vec<(f64, &Lane<'_>)> = (0_u16..).map(f64::from).zip(&self.lanes).collect();
        Ok(html! {
            svg class="chart lanes" viewBox=(format!("0 0 {WIDTH} {}", fixed(foot + FOOT))) role="group"
                aria-labelledby=(format!("{title} {description}")) xmlns="http://www.w3.org/2000/svg" {
                title id=(title) { (self.title) }
                desc id=(description) { (self.description) }
                g class="axis" aria-hidden="true" {
                    @for tick in &self.x.ticks {
                        @let x = self.x(tick.at);
                        line class="grid" x1=(fixed(x)) x2=(fixed(x)) y1=(fixed(TOP)) y2=(fixed(foot)) {}
                        text class="x" x=(fixed(x)) y=(fixed(foot + TICK_LABEL)) { (tick.label) }
                    }
                    line class="base" x1=(fixed(LEFT)) x2=(fixed(WIDTH - RIGHT)) y1=(fixed(foot)) y2=(fixed(foot)) {}
                    text class="x label" x=(fixed(f64::midpoint(LEFT, WIDTH - RIGHT))) y=(fixed(foot + AXIS_LABEL)) { (self.x.label) }
                }
                @for (row, lane) in rows {
                    @let middle = TOP + LANE_HEIGHT * (row + 0.5);
                    g class="lane" {
                        line class="grid" x1=(fixed(LEFT)) x2=(fixed(WIDTH - RIGHT)) y1=(fixed(middle + LANE_HEIGHT / 2.0)) y2=(fixed(middle + LANE_HEIGHT / 2.0)) {}
                        text class="y" x=(fixed(LEFT - 12.0)) y=(fixed(middle + 5.0)) { (lane.label) }
                        @for mark in &lane.marks { (self.mark(mark, middle)) }
                    }
                }
            }
        })
    }

    fn check(&self) -> Result<(), ChartError> {
        if !self.x.is_whole() {
            return Err(ChartError::Axis);
        }
        let is_on = |mark: &LaneMark| {
            self.x.holds(mark.at)
                && match mark.form {
                    LaneForm::Bar { until, .. } => self.x.holds(until) && until >= mark.at,
                    LaneForm::Column { share } => (0.0..=1.0).contains(&share),
                    LaneForm::Point | LaneForm::Hollow | LaneForm::Cross => true,
                }
        };
        if self.lanes.iter().flat_map(|lane| &lane.marks).all(is_on) {
            Ok(())
        } else {
            Err(ChartError::Outside)
        }
    }

    fn foot(&self) -> f64 {
        let lanes = u16::try_from(self.lanes.len()).unwrap_or(u16::MAX);
        TOP + LANE_HEIGHT * f64::from(lanes)
    }

    fn x(&self, at: f64) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * self.x.share(at)
    }

    fn mark(&self, mark: &LaneMark, middle: f64) -> Markup {
        let (x, end) = (self.x(mark.at), self.end(mark));
        let left = (x - REACH).min(end - REACH);
        let width = (end - x) + 2.0 * REACH;
        html! {
            a href=(mark.href) aria-label=(mark.label) {
                title { (mark.label) }
                rect class="reach" x=(fixed(left)) y=(fixed(middle - REACH)) width=(fixed(width)) height=(fixed(2.0 * REACH)) {}
                (Self::form(mark.form, x, end, middle))
            }
        }
    }

    fn end(&self, mark: &LaneMark) -> f64 {
        match mark.form {
            LaneForm::Bar { until, .. } => self.x(until),
            _ => self.x(mark.at),
        }
    }

    fn form(form: LaneForm, x: f64, end: f64, middle: f64) -> Markup {
        match form {
            LaneForm::Point => {
                html! { circle class="mark" cx=(fixed(x)) cy=(fixed(middle)) r=(fixed(POINT)) {} }
            }
            LaneForm::Hollow => {
                html! { circle class="mark hollow" cx=(fixed(x)) cy=(fixed(middle)) r=(fixed(POINT)) {} }
            }
            LaneForm::Cross => {
                let (left, right) = (fixed(x - POINT), fixed(x + POINT));
                let (top, foot) = (fixed(middle - POINT), fixed(middle + POINT));
                html! { path class="mark cross" d=(format!("M{left} {top}L{right} {foot}M{left} {foot}L{right} {top}")) {} }
            }
            LaneForm::Bar { goes_on, .. } => {
                // A day is seen too.
                let end = end.max(x + 2.0);
                let (top, foot) = (fixed(middle - BAR), fixed(middle + BAR));
                let (left, right) = (fixed(x), fixed(end));
                let path = if goes_on {
                    format!("M{right} {top}H{left}V{foot}H{right}")
                } else {
                    format!("M{left} {top}H{right}V{foot}H{left}Z")
                };
                let class = if goes_on { "mark bar open" } else { "mark bar" };
                html! { path class=(class) d=(path) {} }
            }
            LaneForm::Column { share } => {
                let foot = middle + LANE_HEIGHT / 2.0;
                let height = (COLUMN * share).max(1.0);
                html! { rect class="mark column" x=(fixed(x - 2.5)) y=(fixed(foot - height)) width="5" height=(fixed(height)) {} }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::axis::AxisTick;

    fn mark(at: f64, form: LaneForm) -> LaneMark {
        LaneMark { at, form, label: "<first> infusion".to_owned(), href: "/records/4".to_owned() }
    }

    fn chart() -> LaneChart<'static> {
        LaneChart {
            id: "l",
            title: "Course",
            description: "One infusion.",
            x: Axis {
                label: "Days",
                min: 0.0,
                max: 100.0,
                ticks: vec![AxisTick { at: 50.0, label: "50".to_owned() }],
            },
            lanes: vec![
                Lane { label: "Infusions", marks: vec![mark(0.0, LaneForm::Point)] },
                Lane {
                    label: "Events",
                    marks: vec![mark(50.0, LaneForm::Bar { until: 100.0, goes_on: true })],
                },
            ],
        }
    }

    /// 128 + 570 x / 100, and 8 + 44 for each lane: worked by hand.
    #[test]
    fn lanes_are_drawn_to_the_last_byte() {
        let expected = concat!(
            r#"<svg class="chart lanes" viewBox="0 0 720 158.00" role="group" aria-labelledby="l-title l-desc" xmlns="http://www.w3.org/2000/svg">"#,
            r#"<title id="l-title">Course</title><desc id="l-desc">One infusion.</desc>"#,
            r#"<g class="axis" aria-hidden="true">"#,
            r#"<line class="grid" x1="413.00" x2="413.00" y1="8.00" y2="96.00"></line><text class="x" x="413.00" y="118.00">50</text>"#,
            r#"<line class="base" x1="128.00" x2="698.00" y1="96.00" y2="96.00"></line>"#,
            r#"<text class="x label" x="413.00" y="144.00">Days</text></g>"#,
            r#"<g class="lane"><line class="grid" x1="128.00" x2="698.00" y1="52.00" y2="52.00"></line>"#,
            r#"<text class="y" x="116.00" y="35.00">Infusions</text>"#,
            r#"<a href="/records/4" aria-label="&lt;first&gt; infusion"><title>&lt;first&gt; infusion</title>"#,
            r#"<rect class="reach" x="116.00" y="18.00" width="24.00" height="24.00"></rect>"#,
            r#"<circle class="mark" cx="128.00" cy="30.00" r="6.00"></circle></a></g>"#,
            r#"<g class="lane"><line class="grid" x1="128.00" x2="698.00" y1="96.00" y2="96.00"></line>"#,
            r#"<text class="y" x="116.00" y="79.00">Events</text>"#,
            r#"<a href="/records/4" aria-label="&lt;first&gt; infusion"><title>&lt;first&gt; infusion</title>"#,
            r#"<rect class="reach" x="401.00" y="62.00" width="309.00" height="24.00"></rect>"#,
            r#"<path class="mark bar open" d="M698.00 69.00H413.00V79.00H698.00"></path></a></g></svg>"#,
        );
        assert_eq!(chart().draw().unwrap().into_string(), expected);
    }

    #[test]
    fn each_form_is_drawn_as_another_shape() {
        let drawn = |form: LaneForm| {
            let mut chart = chart();
            chart.lanes[0].marks[0] = mark(50.0, form);
            chart.draw().unwrap().into_string()
        };
        assert!(drawn(LaneForm::Hollow).contains(r#"class="mark hollow""#));
        assert!(drawn(LaneForm::Cross).contains("M407.00 24.00L419.00 36.00M407.00 36.00L419.00 24.00"));
        assert!(
            drawn(LaneForm::Bar { until: 60.0, goes_on: false })
                .contains("M413.00 25.00H470.00V35.00H413.00Z")
        );
        assert!(
            drawn(LaneForm::Column { share: 0.5 })
                .contains(r#"x="410.50" y="35.00" width="5" height="17.00""#)
        );
    }

    #[test]
    fn what_is_not_on_the_axis_is_refused() {
        let refused = |form: LaneForm, at: f64| {
            let mut chart = chart();
            chart.lanes[0].marks[0] = mark(at, form);
            chart.draw().map(Markup::into_string)
        };
        assert_eq!(refused(LaneForm::Point, 101.0), Err(ChartError::Outside));
        assert_eq!(refused(LaneForm::Point, f64::NAN), Err(ChartError::Outside));
        assert_eq!(refused(LaneForm::Bar { until: 40.0, goes_on: false }, 50.0), Err(ChartError::Outside));
        assert_eq!(refused(LaneForm::Column { share: 1.1 }, 50.0), Err(ChartError::Outside));
        let mut chart = chart();
        chart.x.max = 0.0;
        assert_eq!(chart.draw().map(Markup::into_string), Err(ChartError::Axis));
    }
}
