//! Proportions: so many of so many, with exact and score intervals.

use crate::special::{Tail, beta_quantile};
use crate::{COUNT_MAX, Confidence, Interval};

/// Subjects with an event, of those who could have had it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proportion {
    events: u64,
    of: u64,
}

/// Why two counts are no proportion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProportionError {
    /// Nobody to have the event.
    #[error("a proportion needs a denominator above 0")]
    NoDenominator,
    /// More events than subjects.
    #[error("{events} of {of} is more than all")]
    MoreThanAll {
        /// The numerator given.
        events: u64,
        /// The denominator given.
        of: u64,
    },
    /// A denominator above [`COUNT_MAX`].
    #[error("a denominator of {of} is above {COUNT_MAX}")]
    TooLarge {
        /// The denominator given.
        of: u64,
    },
}

impl Proportion {
    /// `events` of `of`.
    ///
    /// # Errors
    /// [`ProportionError`].
    ///
    /// ```
    /// use stats::proportion::Proportion;
    /// assert!(Proportion::new(82, 87).is_ok());
    /// assert!(Proportion::new(7, 6).is_err());
    /// assert!(Proportion::new(0, 0).is_err());
    /// ```
    pub fn new(events: u64, of: u64) -> Result<Self, ProportionError> {
        match (events, of) {
            (_, 0) => Err(ProportionError::NoDenominator),
            (events, of) if events > of => Err(ProportionError::MoreThanAll { events, of }),
            (_, of) if of > COUNT_MAX => Err(ProportionError::TooLarge { of }),
            _ => Ok(Self { events, of }),
        }
    }

    /// The numerator.
    ///
    /// ```
    /// # use stats::proportion::Proportion;
    /// assert_eq!(Proportion::new(5, 6)?.events(), 5);
    /// # Ok::<(), stats::proportion::ProportionError>(())
    /// ```
    pub fn events(self) -> u64 {
        self.events
    }

    /// The denominator.
    ///
    /// ```
    /// # use stats::proportion::Proportion;
    /// assert_eq!(Proportion::new(5, 6)?.of(), 6);
    /// # Ok::<(), stats::proportion::ProportionError>(())
    /// ```
    pub fn of(self) -> u64 {
        self.of
    }

    /// The fraction, from 0 to 1.
    ///
    /// ```
    /// # use stats::proportion::Proportion;
    /// assert_eq!(Proportion::new(3, 6)?.estimate(), 0.5);
    /// # Ok::<(), stats::proportion::ProportionError>(())
    /// ```
    pub fn estimate(self) -> f64 {
        self.events as f64 / self.of as f64
    }

    /// The exact two-sided interval (Clopper and Pearson, Biometrika 1934), by quantiles of the beta distribution.
    ///
    /// ```
    /// use stats::{Confidence, decimal, proportion::Proportion};
    /// let interval = Proportion::new(5, 6)?.clopper_pearson(Confidence::NINETY_FIVE).times(100);
    /// assert_eq!(decimal(interval.lower, 1).as_deref(), Ok("35.9"));
    /// assert_eq!(decimal(interval.upper, 1).as_deref(), Ok("99.6"));
    /// # Ok::<(), stats::proportion::ProportionError>(())
    /// ```
    pub fn clopper_pearson(self, confidence: Confidence) -> Interval {
        let (x, rest) = (self.events as f64, (self.of - self.events) as f64);
        let tail = confidence.one_of_two_tails();
        Interval {
            lower: if self.events == 0 { 0.0 } else { beta_quantile(x, rest + 1.0, Tail::Lower(tail)) },
            upper: self.upper_at(tail),
        }
    }

    /// The score interval (Wilson, J. Am. Stat. Assoc. 1927), without continuity correction.
    ///
    /// ```
    /// use stats::{Confidence, decimal, proportion::Proportion};
    /// let interval = Proportion::new(82, 87)?.wilson(Confidence::NINETY_FIVE).times(100);
    /// assert_eq!(decimal(interval.lower, 2).as_deref(), Ok("87.24"));
    /// assert_eq!(decimal(interval.upper, 2).as_deref(), Ok("97.52"));
    /// # Ok::<(), stats::proportion::ProportionError>(())
    /// ```
    pub fn wilson(self, confidence: Confidence) -> Interval {
        let (n, p, z) = (self.of as f64, self.estimate(), confidence.z());
        let centre = p + z * z / (2.0 * n);
        let spread = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
        let scale = 1.0 + z * z / n;
        // At the ends one limit is the estimate itself; the difference would leave its rounding.
        Interval {
            lower: if self.events == 0 { 0.0 } else { ((centre - spread) / scale).max(0.0) },
            upper: if self.events == self.of { 1.0 } else { ((centre + spread) / scale).min(1.0) },
        }
    }

    /// The exact one-sided upper bound: the proportion is below it with this confidence. With no events of `n` it is
    /// `1 - (1 - confidence)^(1/n)`.
    ///
    /// ```
    /// use stats::{Confidence, decimal, proportion::Proportion};
    /// let bound = Proportion::new(0, 87)?.upper_bound(Confidence::NINETY_FIVE);
    /// assert_eq!(decimal(100.0 * bound, 3).as_deref(), Ok("3.385"));
    /// # Ok::<(), stats::proportion::ProportionError>(())
    /// ```
    pub fn upper_bound(self, confidence: Confidence) -> f64 {
        self.upper_at(confidence.one_tail())
    }

    /// Three by the denominator, which approximates the 95% [`Proportion::upper_bound`] of no events (Hanley and
    /// Lippman-Hand, JAMA 1983). `None` if there was an event, or fewer than three subjects.
    ///
    /// ```
    /// use stats::{decimal, proportion::Proportion};
    /// let bound = Proportion::new(0, 87)?.rule_of_three();
    /// assert_eq!(bound.and_then(|bound| decimal(100.0 * bound, 3).ok()).as_deref(), Some("3.448"));
    /// assert_eq!(Proportion::new(1, 87)?.rule_of_three(), None);
    /// # Ok::<(), stats::proportion::ProportionError>(())
    /// ```
    pub fn rule_of_three(self) -> Option<f64> {
        (self.events == 0 && self.of >= 3).then(|| 3.0 / self.of as f64)
    }

    fn upper_at(self, tail: f64) -> f64 {
        if self.events == self.of {
            return 1.0;
        }
        beta_quantile(self.events as f64 + 1.0, (self.of - self.events) as f64, Tail::Upper(tail))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(events: u64, of: u64, level: f64, exact: (f64, f64), wilson: (f64, f64)) {
        let (proportion, confidence) =
            (Proportion::new(events, of).unwrap(), Confidence::new(level).unwrap());
        for (found, expected) in
            [(proportion.clopper_pearson(confidence), exact), (proportion.wilson(confidence), wilson)]
        {
            assert!((found.lower - expected.0).abs() < 1e-10, "{events}/{of}: {found:?}");
            assert!((found.upper - expected.1).abs() < 1e-10, "{events}/{of}: {found:?}");
        }
    }

    // Expected values of scipy.stats.binomtest 1.17.

    #[test]
    fn five_of_six() {
        check(
            5,
            6,
            0.95,
            (0.358_765_421_002_513_6, 0.995_789_255_485_510_4),
            (0.436_497_177_813_529_76, 0.969_946_630_251_693_3),
        );
    }

    #[test]
    fn five_of_six_at_ninety_percent() {
        check(
            5,
            6,
            0.9,
            (0.418_196_590_747_974_1, 0.991_487_555_389_082_2),
            (0.497_582_915_875_400_16, 0.961_894_429_920_657_1),
        );
    }

    #[test]
    fn none_and_all_end_at_the_end() {
        check(0, 87, 0.95, (0.0, 0.041_514_565_992_637_82), (0.0, 0.042_287_506_944_120_35));
        check(87, 87, 0.9, (0.966_152_389_318_387_9, 1.0), (0.969_839_729_520_395_7, 1.0));
        check(1, 1, 0.95, (0.025, 1.0), (0.206_549_314_377_237_45, 1.0));
    }

    #[test]
    fn the_bound_without_events_is_the_closed_form() {
        for of in [1, 2, 10, 87, 100_000] {
            let bound = Proportion::new(0, of).unwrap().upper_bound(Confidence::NINETY_FIVE);
            let closed = -libm::expm1(libm::log(0.05) / of as f64);
            assert!((bound / closed - 1.0).abs() < 1e-12, "{of}");
        }
    }

    #[test]
    fn senseless_counts_are_errors() {
        assert_eq!(Proportion::new(0, 0), Err(ProportionError::NoDenominator));
        assert_eq!(Proportion::new(4, 3), Err(ProportionError::MoreThanAll { events: 4, of: 3 }));
        let of = COUNT_MAX + 1;
        assert_eq!(Proportion::new(4, of), Err(ProportionError::TooLarge { of }));
        assert!(Proportion::new(0, 2).unwrap().rule_of_three().is_none());
    }

    proptest! {
        #[test]
        fn intervals_contain_the_estimate_and_widen_with_the_level(
            (events, of) in (1..3000_u64).prop_flat_map(|of| (0..=of, Just(of))), level in 0.01..0.99_f64,
        ) {
            let proportion = Proportion::new(events, of).unwrap();
            let (narrow, wide) = (Confidence::new(level).unwrap(), Confidence::new(level + 0.009).unwrap());
            for interval_of in [Proportion::clopper_pearson, Proportion::wilson] {
                let (inner, outer) = (interval_of(proportion, narrow), interval_of(proportion, wide));
                prop_assert!(0.0 <= inner.lower && inner.upper <= 1.0);
                prop_assert!(inner.contains(proportion.estimate()));
                prop_assert!(outer.lower <= inner.lower && inner.upper <= outer.upper);
            }
            prop_assert!(proportion.upper_bound(narrow) <= proportion.clopper_pearson(narrow).upper);
        }

        #[test]
        fn the_interval_of_the_others_is_the_mirror_image(
            (events, of) in (1..3000_u64).prop_flat_map(|of| (0..=of, Just(of))),
        ) {
            let (these, others) = (Proportion::new(events, of).unwrap(), Proportion::new(of - events, of).unwrap());
            for interval_of in [Proportion::clopper_pearson, Proportion::wilson] {
                let interval = interval_of(these, Confidence::NINETY_FIVE);
                let mirror = interval_of(others, Confidence::NINETY_FIVE);
                prop_assert!((interval.lower + mirror.upper - 1.0).abs() < 1e-12);
                prop_assert!((interval.upper + mirror.lower - 1.0).abs() < 1e-12);
            }
        }
    }
}
