//! An axis from zero to its end, with the marks the caller wants.

/// An axis; both begin at 0.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis<'a> {
    /// What is measured, and in which unit.
    pub label: &'a str,
    /// Where it ends; above 0.
    pub max: f64,
    /// Its marks, in ascending order, within 0 and `max`.
    pub ticks: Vec<AxisTick>,
}

/// A mark on an axis.
#[derive(Debug, Clone, PartialEq)]
pub struct AxisTick {
    /// Where.
    pub at: f64,
    /// What stands beside it.
    pub label: String,
}

impl Axis<'_> {
    /// Whether it ends beyond 0 and every mark lies on it, each after the one before.
    pub(crate) fn is_whole(&self) -> bool {
        self.max.is_finite()
            && self.max > 0.0
            && self.ticks.iter().all(|tick| self.holds(tick.at))
            && self.ticks.windows(2).all(|pair| pair[0].at < pair[1].at)
    }

    pub(crate) fn holds(&self, at: f64) -> bool {
        (0.0..=self.max).contains(&at)
    }
}
