//! Dots or bars with their limits, one a row of a table, all on one scale whose marks stand in the table's head.
//!
//! The numbers stand in the same row: the drawing is for the eye alone and says nothing to who cannot see it.

use maud::{Markup, html};

use crate::axis::Axis;
use crate::number::fixed;
use crate::steps::{ChartError, Limits};

/// A row's drawing, in its own units; the page scales it.
const WIDTH: f64 = 260.0;
const HEIGHT: f64 = 20.0;
/// From either side to the scale's ends, so that a mark's label has room.
const SIDE: f64 = 20.0;
const DOT: f64 = 4.5;
/// Half of a bar's height.
const BAR: f64 = 6.0;

/// The scale of a column of dots.
#[derive(Debug, Clone, PartialEq)]
pub struct DotScale<'a> {
    axis: Axis<'a>,
}

impl<'a> DotScale<'a> {
    /// The scale of an axis.
    ///
    /// # Errors
    /// [`ChartError::Axis`].
    pub fn new(axis: Axis<'a>) -> Result<Self, ChartError> {
        if axis.is_whole() { Ok(Self { axis }) } else { Err(ChartError::Axis) }
    }

    fn x(&self, at: f64) -> f64 {
        SIDE + (WIDTH - 2.0 * SIDE) * self.axis.share(at)
    }

    /// The scale's marks, for the head of the column.
    pub fn head(&self) -> Markup {
        html! {
            span.sr { (self.axis.label) }
            svg class="dots" viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) aria-hidden="true" {
                g class="axis" {
                    @for tick in &self.axis.ticks {
                        text class="x" x=(fixed(self.x(tick.at))) y="15" { (tick.label) }
                    }
                }
            }
        }
    }

    /// A row: the estimate as a dot, and its limits where there are any.
    ///
    /// # Errors
    /// [`ChartError::Outside`].
    pub fn row(&self, estimate: f64, limits: Option<Limits>) -> Result<Markup, ChartError> {
        let at = fixed(self.x(estimate));
        self.around(
            estimate,
            limits,
            &html! { circle class="point" cx=(at) cy=(fixed(HEIGHT / 2.0)) r=(DOT) {} },
        )
    }

    /// A row: the estimate as a bar from zero, and its limits where there are any.
    ///
    /// # Errors
    /// [`ChartError::Outside`].
    pub fn bar(&self, estimate: f64, limits: Option<Limits>) -> Result<Markup, ChartError> {
        let (width, height) = (fixed(self.x(estimate) - SIDE), fixed(2.0 * BAR));
        let (left, top) = (fixed(SIDE), fixed(HEIGHT / 2.0 - BAR));
        self.around(
            estimate,
            limits,
            &html! { rect class="bar" x=(left) y=(top) width=(width) height=(height) {} },
        )
    }

    fn around(&self, estimate: f64, limits: Option<Limits>, drawn: &Markup) -> Result<Markup, ChartError> {
        let ends = limits.map_or([estimate; 2], |limits| [limits.lower, limits.upper]);
        if !self.axis.holds(estimate) || !ends.iter().all(|end| self.axis.holds(*end)) {
            return Err(ChartError::Outside);
        }
        let middle = fixed(HEIGHT / 2.0);
        Ok(html! {
            svg class="dots" viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) aria-hidden="true" {
                @for tick in &self.axis.ticks {
                    @let x = fixed(self.x(tick.at));
                    line class="grid" x1=(x) x2=(x) y1="0" y2=(HEIGHT) {}
                }
                g class="series series-1" {
                    (drawn)
                    @if limits.is_some() {
                        path class="whisker" d=(format!("M{} {middle}H{}", fixed(self.x(ends[0])), fixed(self.x(ends[1])))) {}
                    }
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::axis::AxisTick;

    fn scale() -> DotScale<'static> {
        let tick = |at: f64, label: &str| AxisTick { at, label: label.to_owned() };
        DotScale::new(Axis {
            label: "Share",
            min: 0.0,
            max: 100.0,
            ticks: vec![tick(0.0, "0%"), tick(100.0, "100%")],
        })
        .unwrap()
    }

    #[test]
    fn head_and_rows_have_one_scale() {
        let head = scale().head().into_string();
        assert!(
            head.contains("x=\"20.00\" y=\"15\">0%") && head.contains("x=\"240.00\" y=\"15\">100%"),
            "{head}"
        );
        let row = scale().row(50.0, Some(Limits { lower: 25.0, upper: 75.0 })).unwrap().into_string();
        assert!(row.contains("x1=\"20.00\"") && row.contains("x1=\"240.00\""), "{row}");
        assert!(row.contains("M75.00 10.00H185.00") && row.contains("cx=\"130.00\""), "{row}");
        let bare = scale().row(0.0, None).unwrap().into_string();
        assert!(!bare.contains("whisker") && bare.contains("cx=\"20.00\""), "{bare}");
        let bar = scale().bar(50.0, Some(Limits { lower: 25.0, upper: 75.0 })).unwrap().into_string();
        assert!(bar.contains(r#"x="20.00" y="4.00" width="110.00" height="12.00""#), "{bar}");
        assert!(bar.contains("M75.00 10.00H185.00"), "{bar}");
    }

    #[test]
    fn what_lies_outside_is_not_drawn() {
        assert_eq!(scale().row(101.0, None).err(), Some(ChartError::Outside));
        assert_eq!(scale().row(f64::NAN, None).err(), Some(ChartError::Outside));
        assert_eq!(
            scale().row(50.0, Some(Limits { lower: -1.0, upper: 60.0 })).err(),
            Some(ChartError::Outside)
        );
        assert!(DotScale::new(Axis { label: "", min: 0.0, max: 0.0, ticks: vec![] }).is_err());
    }
}
