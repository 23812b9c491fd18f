//! A safety stopping boundary for a single arm, from a beta-binomial model (Thall and Simon, Biometrics 1994).

use crate::COUNT_MAX;
use crate::special::beta_tails;

/// The rule: stop as soon as the probability that the event's risk is above a limit is above a certainty, given the
/// events so far and a beta prior for the risk.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StoppingRule {
    prior_events: f64,
    prior_others: f64,
    risk_limit: f64,
    certainty: f64,
}

/// Numbers of subjects at which the same count of events stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BoundaryRow {
    /// So many events stop.
    pub events: u64,
    /// From so many subjects on.
    pub subjects_first: u64,
    /// Up to so many subjects.
    pub subjects_last: u64,
}

/// Why a stopping rule or its boundary makes no sense.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum StoppingError {
    /// A prior that is no beta distribution, or one narrower than any trial could move.
    #[error("the prior Beta({prior_events}, {prior_others}) must have both parameters between 0.001 and 1e6")]
    Prior {
        /// The first parameter given.
        prior_events: f64,
        /// The second parameter given.
        prior_others: f64,
    },
    /// A risk limit or certainty that is not strictly between 0 and 1.
    #[error("{what} must lie strictly between 0 and 1, not at {value}")]
    Probability {
        /// Which of the two.
        what: &'static str,
        /// What was given.
        value: f64,
    },
    /// More events than subjects, or more subjects than [`COUNT_MAX`].
    #[error("{events} events in {subjects} subjects cannot be judged")]
    Counts {
        /// The events given.
        events: u64,
        /// The subjects given.
        subjects: u64,
    },
}

impl StoppingRule {
    /// Stop if P(risk > `risk_limit`) > `certainty` under the prior Beta(`prior_events`, `prior_others`).
    ///
    /// # Errors
    /// [`StoppingError::Prior`], [`StoppingError::Probability`].
    ///
    /// ```
    /// use stats::stopping::StoppingRule;
    /// assert!(StoppingRule::new(0.5, 9.5, 0.05, 0.95).is_ok());
    /// assert!(StoppingRule::new(0.0, 9.5, 0.05, 0.95).is_err());
    /// ```
    pub fn new(
        prior_events: f64,
        prior_others: f64,
        risk_limit: f64,
        certainty: f64,
    ) -> Result<Self, StoppingError> {
        let is_parameter = |value: f64| (0.001..=1e6).contains(&value);
        if !is_parameter(prior_events) || !is_parameter(prior_others) {
            return Err(StoppingError::Prior { prior_events, prior_others });
        }
        for (what, value) in [("the risk limit", risk_limit), ("the certainty", certainty)] {
            if !(value > 0.0 && value < 1.0) {
                return Err(StoppingError::Probability { what, value });
            }
        }
        Ok(Self { prior_events, prior_others, risk_limit, certainty })
    }

    /// The probability that the risk is above the limit, after `events` in `subjects`.
    ///
    /// # Errors
    /// [`StoppingError::Counts`].
    ///
    /// ```
    /// use stats::{decimal, stopping::StoppingRule};
    /// let rule = StoppingRule::new(1.0, 1.0, 0.5, 0.95)?;
    /// assert_eq!(decimal(rule.probability_above(3, 3)?, 4).as_deref(), Ok("0.9375"));
    /// # Ok::<(), stats::stopping::StoppingError>(())
    /// ```
    pub fn probability_above(self, events: u64, subjects: u64) -> Result<f64, StoppingError> {
        if events > subjects || subjects > COUNT_MAX {
            return Err(StoppingError::Counts { events, subjects });
        }
        Ok(self.above(events, subjects))
    }

    /// The fewest events that stop among `subjects`; `None` if not even an event in each would.
    ///
    /// # Errors
    /// [`StoppingError::Counts`].
    ///
    /// ```
    /// use stats::stopping::StoppingRule;
    /// let rule = StoppingRule::new(0.5, 9.5, 0.05, 0.95)?;
    /// assert_eq!(rule.boundary(1)?, None);
    /// assert_eq!(rule.boundary(13)?, Some(3));
    /// assert_eq!(rule.boundary(14)?, Some(4));
    /// # Ok::<(), stats::stopping::StoppingError>(())
    /// ```
    pub fn boundary(self, subjects: u64) -> Result<Option<u64>, StoppingError> {
        if subjects > COUNT_MAX {
            return Err(StoppingError::Counts { events: 0, subjects });
        }
        if !self.stops(subjects, subjects) {
            return Ok(None);
        }
        // The probability grows with the events: halve to the first count that stops.
        let (mut first, mut stops) = (0, subjects);
        while first < stops {
            let middle = u64::midpoint(first, stops);
            if self.stops(middle, subjects) {
                stops = middle;
            } else {
                first = middle + 1;
            }
        }
        Ok(Some(stops))
    }

    /// The boundary from 1 subject to `subjects_max`, a row for each count of events; the last row may be cut short.
    ///
    /// ```
    /// use stats::stopping::{BoundaryRow, StoppingRule};
    /// let rule = StoppingRule::new(0.5, 9.5, 0.05, 0.95)?;
    /// let rows = rule.rows(20);
    /// assert_eq!(rows[1], BoundaryRow { events: 3, subjects_first: 3, subjects_last: 13 });
    /// assert_eq!(rows[2], BoundaryRow { events: 4, subjects_first: 14, subjects_last: 20 });
    /// # Ok::<(), stats::stopping::StoppingError>(())
    /// ```
    pub fn rows(self, subjects_max: u32) -> Vec<BoundaryRow> {
        let mut rows: Vec<BoundaryRow> = Vec::new();
        // For the same events more subjects mean less risk, so the boundary never goes down.
        let mut events = 0;
        for subjects in 1..=u64::from(subjects_max) {
            while events <= subjects && !self.stops(events, subjects) {
                events += 1;
            }
            match rows.last_mut() {
                Some(row) if row.events == events => row.subjects_last = subjects,
                _ if events <= subjects => {
                    rows.push(BoundaryRow { events, subjects_first: subjects, subjects_last: subjects });
                }
                _ => {}
            }
        }
        rows
    }

    fn stops(self, events: u64, subjects: u64) -> bool {
        self.above(events, subjects) > self.certainty
    }

    fn above(self, events: u64, subjects: u64) -> f64 {
        let others = (subjects - events) as f64;
        beta_tails(self.prior_events + events as f64, self.prior_others + others, self.risk_limit).upper
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rule() -> StoppingRule {
        StoppingRule::new(0.5, 9.5, 0.05, 0.95).unwrap()
    }

    #[test]
    fn the_boundary_is_the_worked_example() {
        let rows: Vec<_> = rule().rows(93).iter().map(|row| (row.events, row.subjects_last)).collect();
        assert_eq!(rows, [(2, 2), (3, 13), (4, 25), (5, 37), (6, 51), (7, 65), (8, 79), (9, 93)]);
        assert_eq!(rule().boundary(94), Ok(Some(10)));
    }

    #[test]
    fn a_row_begins_where_the_one_before_ends() {
        let rows = rule().rows(87);
        assert_eq!((rows[0].subjects_first, rows[7].subjects_last), (2, 87));
        assert!(rows.windows(2).all(|two| two[0].subjects_last + 1 == two[1].subjects_first));
    }

    #[test]
    fn senseless_rules_and_counts_are_errors() {
        assert!(matches!(StoppingRule::new(f64::NAN, 1.0, 0.1, 0.9), Err(StoppingError::Prior { .. })));
        assert!(matches!(StoppingRule::new(1.0, 1.0, 1.0, 0.9), Err(StoppingError::Probability { .. })));
        assert!(matches!(StoppingRule::new(1.0, 1.0, 0.1, f64::NAN), Err(StoppingError::Probability { .. })));
        let counts = StoppingError::Counts { events: 3, subjects: 2 };
        assert_eq!(rule().probability_above(3, 2), Err(counts));
        assert!(rule().boundary(COUNT_MAX + 1).is_err());
        assert_eq!(rule().boundary(0), Ok(None));
    }

    proptest! {
        #[test]
        fn rows_and_boundary_agree(
            prior in (0.1..5.0_f64, 0.1..20.0_f64), limit in 0.01..0.9_f64, certainty in 0.5..0.99_f64,
        ) {
            let rule = StoppingRule::new(prior.0, prior.1, limit, certainty).unwrap();
            let rows = rule.rows(60);
            for subjects in 1..=60 {
                let row = rows.iter().find(|row| (row.subjects_first..=row.subjects_last).contains(&subjects));
                prop_assert_eq!(row.map(|row| row.events), rule.boundary(subjects).unwrap());
            }
        }
    }
}
