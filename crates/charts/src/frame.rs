//! The frame of a drawing: two axes, with a grid, on which what is drawn is placed.

use maud::{Markup, html};

use crate::axis::Axis;
use crate::number::fixed;

/// The drawing, in its own units; the page scales it.
pub(crate) const WIDTH: f64 = 720.0;
pub(crate) const LEFT: f64 = 96.0;
pub(crate) const RIGHT: f64 = 22.0;
pub(crate) const TOP: f64 = 14.0;
pub(crate) const PLOT_HEIGHT: f64 = 300.0;
/// From the plot's foot to the marks' labels and the axis' label.
const TICK_LABEL: f64 = 22.0;
pub(crate) const AXIS_LABEL: f64 = 48.0;

/// Two axes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame<'a> {
    pub(crate) x: &'a Axis<'a>,
    pub(crate) y: &'a Axis<'a>,
}

impl Frame<'_> {
    pub(crate) fn x(self, at: f64) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * self.x.share(at)
    }

    pub(crate) fn y(self, at: f64) -> f64 {
        TOP + PLOT_HEIGHT * (1.0 - self.y.share(at))
    }

    pub(crate) fn draw(self) -> Markup {
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
                text class="x label" transform=(format!("translate(20 {}) rotate(-90)", fixed(middle))) { (self.y.label) }
            }
        }
    }

    /// The drawing around `drawn`, so high, with its title and what it shows in words.
    pub(crate) fn around(
        id: &str,
        (title, description): (&str, &str),
        height: f64,
        drawn: &Markup,
    ) -> Markup {
        let (titled, described) = (format!("{id}-title"), format!("{id}-desc"));
        html! {
            svg class="chart" viewBox=(format!("0 0 {WIDTH} {height}")) role="img"
                aria-labelledby=(format!("{titled} {described}")) xmlns="http://www.w3.org/2000/svg" {
                title id=(titled) { (title) }
                desc id=(described) { (description) }
                (drawn)
            }
        }
    }
}
