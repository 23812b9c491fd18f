//! Confidence levels, and the intervals they belong to.

use crate::special;

/// A range of values, both ends included.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The lower end.
    pub lower: f64,
    /// The upper end.
    pub upper: f64,
}

impl Interval {
    /// Both ends multiplied, as from events per person-year to events per 100 person-years.
    ///
    /// ```
    /// let interval = stats::Interval { lower: 0.25, upper: 0.5 };
    /// assert_eq!(interval.times(100), stats::Interval { lower: 25.0, upper: 50.0 });
    /// ```
    #[must_use]
    pub fn times(self, factor: u32) -> Self {
        Self { lower: self.lower * f64::from(factor), upper: self.upper * f64::from(factor) }
    }

    /// Whether `value` lies in the interval, ends included.
    ///
    /// ```
    /// assert!(stats::Interval { lower: 0.25, upper: 0.5 }.contains(0.5));
    /// ```
    pub fn contains(self, value: f64) -> bool {
        self.lower <= value && value <= self.upper
    }
}

/// A confidence level, strictly between 0 and 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Confidence(f64);

/// A number that is no confidence level.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("a confidence level lies strictly between 0 and 1, not at {level}")]
pub struct ConfidenceError {
    /// What was given.
    pub level: f64,
}

impl Confidence {
    /// 95%.
    pub const NINETY_FIVE: Self = Self(0.95);

    /// A level as a fraction: 0.95 for 95%.
    ///
    /// # Errors
    /// Not strictly between 0 and 1.
    ///
    /// ```
    /// use stats::Confidence;
    /// assert_eq!(Confidence::new(0.95), Ok(Confidence::NINETY_FIVE));
    /// assert!(Confidence::new(95.0).is_err());
    /// ```
    pub fn new(level: f64) -> Result<Self, ConfidenceError> {
        if level > 0.0 && level < 1.0 { Ok(Self(level)) } else { Err(ConfidenceError { level }) }
    }

    /// The level as a fraction.
    ///
    /// ```
    /// assert_eq!(stats::Confidence::NINETY_FIVE.level(), 0.95);
    /// ```
    pub fn level(self) -> f64 {
        self.0
    }

    /// The standard normal quantile that leaves half of the rest in each tail: 1.95996 for 95%.
    ///
    /// ```
    /// let z = stats::Confidence::NINETY_FIVE.z();
    /// assert_eq!(stats::decimal(z, 6).as_deref(), Ok("1.959964"));
    /// ```
    pub fn z(self) -> f64 {
        special::normal_quantile(self.one_of_two_tails())
    }

    /// The probability left on each side of a two-sided interval.
    pub(crate) fn one_of_two_tails(self) -> f64 {
        (1.0 - self.0) / 2.0
    }

    /// The probability left outside a one-sided bound.
    pub(crate) fn one_tail(self) -> f64 {
        1.0 - self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_lies_strictly_between_0_and_1() {
        for level in [0.0, 1.0, -0.5, f64::NAN, f64::INFINITY] {
            assert!(Confidence::new(level).is_err(), "{level}");
        }
        assert!(Confidence::new(0.5).is_ok());
    }

    #[test]
    fn z_of_90_and_99_percent_is_the_tables() {
        for (level, z) in [(0.9, 1.644_853_626_951_472_7), (0.99, 2.575_829_303_548_900_4)] {
            assert!((Confidence::new(level).unwrap().z() - z).abs() < 1e-13);
        }
    }
}
