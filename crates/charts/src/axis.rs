//! An axis from where it begins to its end, with the marks the caller wants.

/// An axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis<'a> {
    /// What is measured, and in which unit.
    pub label: &'a str,
    /// Where it begins; 0 for all but what can be below it.
    pub min: f64,
    /// Where it ends; above `min`.
    pub max: f64,
    /// Its marks, in ascending order, within `min` and `max`.
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
    /// Whether it ends beyond where it begins and every mark lies on it, each after the one before.
    pub(crate) fn is_whole(&self) -> bool {
        self.min.is_finite()
            && self.max.is_finite()
            && self.min < self.max
            && self.ticks.iter().all(|tick| self.holds(tick.at))
            && self.ticks.windows(2).all(|pair| pair[0].at < pair[1].at)
    }

    pub(crate) fn holds(&self, at: f64) -> bool {
        (self.min..=self.max).contains(&at)
    }

    /// How much of the axis lies before `at`: 0 where it begins, 1 where it ends.
    pub(crate) fn share(&self, at: f64) -> f64 {
        (at - self.min) / (self.max - self.min)
    }
}
