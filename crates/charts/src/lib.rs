//! Draws figures as accessible SVG from numbers it is given.
//!
//! Pure: same numbers, same bytes. It computes no statistics and reads no report: the curve, its limits and the
//! numbers at risk are the caller's. Colours and letters are the page's style sheet's; the drawing carries classes only,
//! no style, no script.

mod axis;
mod course;
mod dots;
mod frame;
mod lanes;
mod number;
mod steps;
mod swimmer;

pub use axis::{Axis, AxisTick};
pub use course::{CourseChart, CoursePoint};
pub use dots::DotScale;
pub use lanes::{Lane, LaneChart, LaneForm, LaneMark};
pub use steps::{AtRisk, ChartError, Limits, Series, Step, StepChart, Whisker};
pub use swimmer::{Sign, SwimmerChart, SwimmerRow};
