//! How a measurement goes over time in a group: the median from visit to visit, the quartiles around it, the range.

use maud::{Markup, html};

use crate::axis::Axis;
use crate::frame::{AXIS_LABEL, Frame, PLOT_HEIGHT, TOP};
use crate::number::fixed;
use crate::steps::{ChartError, Limits};

/// Radius of a median's mark, half the width of the end of a range.
const MARK: f64 = 4.0;

/// What is to be drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct CourseChart<'a> {
    /// Prefix of the ids within the drawing; unique on its page.
    pub id: &'a str,
    /// What it shows, in a few words.
    pub title: &'a str,
    /// What it shows, for those who cannot see it.
    pub description: &'a str,
    /// Time.
    pub x: Axis<'a>,
    /// The measurement.
    pub y: Axis<'a>,
    /// By time, ascending.
    pub points: Vec<CoursePoint>,
    /// Each one's own course, time and value, by time; of those with one value a point of it.
    pub lines: Vec<Vec<(f64, f64)>>,
}

/// A group at one time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CoursePoint {
    /// When.
    pub at: f64,
    /// Its median.
    pub median: f64,
    /// Its first and third quartile.
    pub quartiles: Limits,
    /// Its lowest and highest.
    pub range: Limits,
}

impl CourseChart<'_> {
    /// Draws it.
    ///
    /// # Errors
    /// [`ChartError`].
    pub fn draw(&self) -> Result<Markup, ChartError> {
        if !self.x.is_whole() || !self.y.is_whole() {
            return Err(ChartError::Axis);
        }
        if self.points.windows(2).any(|pair| pair[0].at >= pair[1].at) {
            return Err(ChartError::Order);
        }
        let lies = |point: &CoursePoint| {
            let (quartiles, range) = (point.quartiles, point.range);
            let heights = [range.lower, quartiles.lower, point.median, quartiles.upper, range.upper];
            // A median that is not within its quartiles is none.
            self.x.holds(point.at)
                && heights.iter().all(|at| self.y.holds(*at))
                && heights.windows(2).all(|pair| pair[0] <= pair[1])
        };
        let holds = |(at, height): &(f64, f64)| self.x.holds(*at) && self.y.holds(*height);
        if self.lines.iter().any(|line| line.windows(2).any(|pair| pair[0].0 >= pair[1].0)) {
            return Err(ChartError::Order);
        }
        if !self.points.iter().all(lies) || !self.lines.iter().flatten().all(holds) {
            return Err(ChartError::Outside);
        }
        let frame = Frame { x: &self.x, y: &self.y };
        let place = |at: f64, height: f64| format!("{} {}", fixed(frame.x(at)), fixed(frame.y(height)));
        let line = |height: fn(&CoursePoint) -> f64| {
            self.points.iter().map(|point| place(point.at, height(point))).collect::<Vec<_>>()
        };
        let mut band = line(|point| point.quartiles.upper);
        band.extend(line(|point| point.quartiles.lower).into_iter().rev());
        let drawn = html! {
            (frame.draw())
            @if !self.lines.is_empty() { path class="lines" d=(self.drawn_lines(frame)) {} }
            g class="series series-1" {
                @if self.points.len() > 1 {
                    path class="band" d=(format!("M{}Z", band.join("L"))) {}
                    path class="curve" d=(format!("M{}", line(|point| point.median).join("L"))) {}
                }
                @for point in &self.points {
                    @let x = frame.x(point.at);
                    @let (low, high) = (fixed(frame.y(point.range.lower)), fixed(frame.y(point.range.upper)));
                    path class="whisker" d=(format!("M{x} {low}V{high}", x = fixed(x))) {}
                    circle class="point" cx=(fixed(x)) cy=(fixed(frame.y(point.median))) r=(MARK) {}
                }
            }
        };
        let height = TOP + PLOT_HEIGHT + AXIS_LABEL + 14.0;
        Ok(Frame::around(self.id, (self.title, self.description), height, &drawn))
    }

    /// All lines in one path, to the unit: there are many, and they are seen together.
    fn drawn_lines(&self, frame: Frame<'_>) -> String {
        let place = |(at, height): &(f64, f64)| format!("{:.0} {:.0}", frame.x(*at), frame.y(*height));
        let line = |line: &Vec<(f64, f64)>| match line.as_slice() {
            [] => String::new(),
            [one] => format!("M{}h0", place(one)),
            line => format!("M{}", line.iter().map(place).collect::<Vec<_>>().join("L")),
        };
        self.lines.iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::axis::AxisTick;

    fn chart(points: Vec<CoursePoint>) -> CourseChart<'static> {
        let axis = |max: f64| Axis {
            label: "",
            min: 0.0,
            max,
            ticks: vec![
                AxisTick { at: 0.0, label: "0".to_owned() },
                AxisTick { at: max, label: "end".to_owned() },
            ],
        };
        CourseChart {
            id: "a",
            title: "Albumin",
            description: "",
            x: axis(400.0),
            y: axis(50.0),
            points,
            lines: Vec::new(),
        }
    }

    fn point(at: f64, [low, first, median, third, high]: [f64; 5]) -> CoursePoint {
        let limits = |lower, upper| Limits { lower, upper };
        CoursePoint { at, median, quartiles: limits(first, third), range: limits(low, high) }
    }

    #[test]
    fn the_median_runs_within_the_quartiles_on_the_frames_scale() {
        let points =
            vec![point(0.0, [5.0, 10.0, 20.0, 30.0, 40.0]), point(400.0, [0.0, 20.0, 25.0, 30.0, 50.0])];
        let drawn = chart(points).draw().unwrap().into_string();
        // The plot is 602 wide from 96, and 300 high from 14.
        assert!(drawn.contains("d=\"M96.00 194.00L698.00 164.00\""), "{drawn}");
        assert!(drawn.contains("d=\"M96.00 134.00L698.00 134.00L698.00 194.00L96.00 254.00Z\""), "{drawn}");
        assert!(drawn.contains("d=\"M698.00 314.00V14.00\""), "{drawn}");
    }

    #[test]
    fn each_ones_line_is_drawn_beneath_to_the_unit() {
        let with = |lines: Vec<Vec<(f64, f64)>>| {
            CourseChart { lines, ..chart(Vec::new()) }.draw().map(Markup::into_string)
        };
        let drawn = with(vec![vec![(0.0, 10.0), (400.0, 20.0)], vec![(200.0, 50.0)], Vec::new()]).unwrap();
        assert!(drawn.contains(r#"<path class="lines" d="M96 254L698 194M397 14h0"></path>"#), "{drawn}");
        assert_eq!(with(vec![vec![(0.0, 51.0)]]), Err(ChartError::Outside));
        assert_eq!(with(vec![vec![(9.0, 1.0), (9.0, 2.0)]]), Err(ChartError::Order));
    }

    #[test]
    fn what_lies_outside_or_out_of_order_is_not_drawn() {
        let good = [5.0, 10.0, 20.0, 30.0, 40.0];
        assert!(chart(vec![point(0.0, good)]).draw().is_ok());
        assert_eq!(chart(vec![point(401.0, good)]).draw().err(), Some(ChartError::Outside));
        assert_eq!(
            chart(vec![point(0.0, [5.0, 10.0, 20.0, 30.0, 51.0])]).draw().err(),
            Some(ChartError::Outside)
        );
        assert_eq!(
            chart(vec![point(0.0, [5.0, 21.0, 20.0, 30.0, 40.0])]).draw().err(),
            Some(ChartError::Outside)
        );
        assert_eq!(chart(vec![point(9.0, good), point(9.0, good)]).draw().err(), Some(ChartError::Order));
    }
}
