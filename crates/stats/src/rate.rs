//! Rates: events in person-time, with the exact Poisson interval.

use crate::special::{Tail, gamma_quantile};
use crate::{COUNT_MAX, Confidence, DAYS_PER_YEAR, Interval};

/// The least and the most person-time, in whatever unit: wide enough for anything, narrow enough that no quotient
/// overflows.
const PERSON_TIME: std::ops::RangeInclusive<f64> = 1e-100..=1e100;

/// Events in an amount of person-time; all events or first events, as the person-time was counted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    events: u64,
    person_time: f64,
}

/// Why a count and an amount of person-time are no rate.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum RateError {
    /// Nobody was observed, or for no sensible time.
    #[error("person-time must be a positive number, not {person_time}")]
    PersonTime {
        /// What was given.
        person_time: f64,
    },
    /// More events than [`COUNT_MAX`].
    #[error("{events} events are more than {COUNT_MAX}")]
    TooLarge {
        /// What was given.
        events: u64,
    },
}

/// Person-years in so many person-days, of [`DAYS_PER_YEAR`] each.
///
/// ```
/// assert_eq!(stats::rate::person_years(1461), 4.0);
/// ```
pub fn person_years(days: u64) -> f64 {
    days as f64 / DAYS_PER_YEAR
}

impl Rate {
    /// `events` in `person_time`, in the unit the rate is to be per.
    ///
    /// # Errors
    /// [`RateError`].
    ///
    /// ```
    /// use stats::rate::Rate;
    /// assert!(Rate::new(14, 400.0).is_ok());
    /// assert!(Rate::new(14, 0.0).is_err());
    /// ```
    pub fn new(events: u64, person_time: f64) -> Result<Self, RateError> {
        if !PERSON_TIME.contains(&person_time) {
            return Err(RateError::PersonTime { person_time });
        }
        if events > COUNT_MAX {
            return Err(RateError::TooLarge { events });
        }
        Ok(Self { events, person_time })
    }

    /// How many events.
    ///
    /// ```
    /// # use stats::rate::Rate;
    /// assert_eq!(Rate::new(14, 400.0)?.events(), 14);
    /// # Ok::<(), stats::rate::RateError>(())
    /// ```
    pub fn events(self) -> u64 {
        self.events
    }

    /// The person-time observed.
    ///
    /// ```
    /// # use stats::rate::Rate;
    /// assert_eq!(Rate::new(14, 400.0)?.person_time(), 400.0);
    /// # Ok::<(), stats::rate::RateError>(())
    /// ```
    pub fn person_time(self) -> f64 {
        self.person_time
    }

    /// Events per unit of person-time.
    ///
    /// ```
    /// # use stats::rate::Rate;
    /// assert_eq!(Rate::new(14, 400.0)?.estimate(), 0.035);
    /// # Ok::<(), stats::rate::RateError>(())
    /// ```
    pub fn estimate(self) -> f64 {
        self.events as f64 / self.person_time
    }

    /// The exact two-sided Poisson interval (Garwood, Biometrika 1936), by quantiles of the gamma distribution.
    ///
    /// ```
    /// use stats::{Confidence, decimal, rate::Rate};
    /// let interval = Rate::new(14, 400.0)?.exact(Confidence::NINETY_FIVE).times(100);
    /// assert_eq!(decimal(interval.lower, 2).as_deref(), Ok("1.91"));
    /// assert_eq!(decimal(interval.upper, 2).as_deref(), Ok("5.87"));
    /// # Ok::<(), stats::rate::RateError>(())
    /// ```
    pub fn exact(self, confidence: Confidence) -> Interval {
        let (x, tail) = (self.events as f64, confidence.one_of_two_tails());
        let lower = if self.events == 0 { 0.0 } else { gamma_quantile(x, Tail::Lower(tail)) };
        let upper = gamma_quantile(x + 1.0, Tail::Upper(tail));
        Interval { lower: lower / self.person_time, upper: upper / self.person_time }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fourteen_in_four_hundred_years() {
        let interval = Rate::new(14, 400.0).unwrap().exact(Confidence::NINETY_FIVE);
        assert!((interval.lower - 0.019_135).abs() < 5e-7, "{interval:?}");
        assert!((interval.upper - 0.058_724).abs() < 5e-7, "{interval:?}");
    }

    #[test]
    fn without_events_the_lower_end_is_zero_and_the_upper_the_closed_form() {
        let interval = Rate::new(0, 10.0).unwrap().exact(Confidence::NINETY_FIVE);
        assert!(interval.lower.abs() < f64::MIN_POSITIVE);
        assert!((interval.upper + libm::log(0.025) / 10.0).abs() < 1e-13);
    }

    #[test]
    fn senseless_person_time_is_an_error() {
        for person_time in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-200] {
            assert!(matches!(Rate::new(1, person_time), Err(RateError::PersonTime { .. })), "{person_time}");
        }
        let events = COUNT_MAX + 1;
        assert_eq!(Rate::new(events, 1.0), Err(RateError::TooLarge { events }));
    }

    proptest! {
        #[test]
        fn the_interval_contains_the_estimate_and_scales(events in 0..5000_u64, person_time in 0.1..1e6_f64) {
            let rate = Rate::new(events, person_time).unwrap();
            let interval = rate.exact(Confidence::NINETY_FIVE);
            prop_assert!(interval.contains(rate.estimate()));
            let twice = Rate::new(events, 2.0 * person_time).unwrap().exact(Confidence::NINETY_FIVE);
            prop_assert_eq!(twice.times(2), interval);
        }
    }
}
