//! What a table of a continuous variable shows: count, mean, standard deviation, median, quartiles, range.

/// The definition of the quartiles, to be printed beside them: type 2 of Hyndman and Fan (Am. Stat. 1996), which is
/// SAS's default (`PCTLDEF=5`): the observation at which the cumulative share passes the quarter, or the mean of
/// two where it meets it.
pub const QUARTILE_DEFINITION: &str = "Hyndman-Fan type 2";

/// The largest magnitude accepted: the sum of 10^100 squares of it is still finite.
pub const VALUE_MAX: f64 = 1e100;

/// The largest integer accepted, in magnitude: up to 2^53 a double holds every integer.
const INTEGER_MAX: u64 = 1 << 53;

/// Summary of a sample, in the sample's unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// How many values.
    pub n: usize,
    /// The arithmetic mean.
    pub mean: f64,
    /// The sample standard deviation (divisor n - 1); `None` for a single value.
    pub sd: Option<f64>,
    /// The smallest value.
    pub min: f64,
    /// The first quartile, by [`QUARTILE_DEFINITION`].
    pub q1: f64,
    /// The median: the middle value, or the mean of the two middle ones.
    pub median: f64,
    /// The third quartile, by [`QUARTILE_DEFINITION`].
    pub q3: f64,
    /// The largest value.
    pub max: f64,
}

/// Why values could not be summarized.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum SummaryError {
    /// There are none.
    #[error("no values to summarize")]
    NoValues,
    /// A value that is not finite or larger than [`VALUE_MAX`].
    #[error("value {index} is {value}, which is not a number that can be summarized")]
    Value {
        /// Its index.
        index: usize,
        /// The value.
        value: f64,
    },
    /// An integer beyond 2^53.
    #[error("value {index} is {value}, beyond 2^53")]
    Integer {
        /// Its index.
        index: usize,
        /// The value.
        value: i64,
    },
}

impl Summary {
    /// Of measured values. The order of the values does not reach the answer.
    ///
    /// # Errors
    /// [`SummaryError::NoValues`], [`SummaryError::Value`].
    ///
    /// ```
    /// use stats::summary::Summary;
    /// let summary = Summary::of(&[4.0, 1.0, 2.0, 3.0])?;
    /// assert_eq!((summary.n, summary.mean, summary.median), (4, 2.5, 2.5));
    /// assert_eq!((summary.q1, summary.q3), (1.5, 3.5));
    /// assert!(Summary::of(&[f64::NAN]).is_err());
    /// # Ok::<(), stats::summary::SummaryError>(())
    /// ```
    pub fn of(values: &[f64]) -> Result<Self, SummaryError> {
        if let Some((index, &value)) = values.iter().enumerate().find(|(_, value)| !is_usable(**value)) {
            return Err(SummaryError::Value { index, value });
        }
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let [Some(&min), Some(&max)] = [sorted.first(), sorted.last()] else {
            return Err(SummaryError::NoValues);
        };
        let n = sorted.len();
        // Rounding may put the mean of equal values beside them.
        let mean = (sorted.iter().sum::<f64>() / n as f64).clamp(min, max);
        let squares: f64 = sorted.iter().map(|value| (value - mean) * (value - mean)).sum();
        Ok(Self {
            n,
            mean,
            sd: (n > 1).then(|| (squares / (n - 1) as f64).sqrt()),
            min,
            q1: quartile(&sorted, 1),
            median: quartile(&sorted, 2),
            q3: quartile(&sorted, 3),
            max,
        })
    }

    /// Of counts, scores or days.
    ///
    /// # Errors
    /// [`SummaryError::NoValues`], [`SummaryError::Integer`].
    ///
    /// ```
    /// use stats::summary::Summary;
    /// assert_eq!(Summary::of_integers(&[13, 9, 8])?.mean, 10.0);
    /// assert!(Summary::of_integers(&[]).is_err());
    /// # Ok::<(), stats::summary::SummaryError>(())
    /// ```
    pub fn of_integers(values: &[i64]) -> Result<Self, SummaryError> {
        if let Some((index, &value)) =
            values.iter().enumerate().find(|(_, value)| value.unsigned_abs() > INTEGER_MAX)
        {
            return Err(SummaryError::Integer { index, value });
        }
        Self::of(&values.iter().map(|value| *value as f64).collect::<Vec<_>>())
    }
}

/// Whether sums and squares of such values stay finite.
pub(crate) fn is_usable(value: f64) -> bool {
    // False for NaN.
    value.abs() <= VALUE_MAX
}

/// The `quarters`-th quartile of sorted values, by [`QUARTILE_DEFINITION`].
fn quartile(sorted: &[f64], quarters: usize) -> f64 {
    let position = sorted.len() * quarters;
    if position.is_multiple_of(4) {
        f64::midpoint(sorted[position / 4 - 1], sorted[position / 4])
    } else {
        sorted[position / 4]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(values: &[f64], expected: [f64; 5]) {
        let found = Summary::of(values).unwrap();
        let found = [found.min, found.q1, found.median, found.q3, found.max];
        assert!(
            found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-15),
            "{found:?}"
        );
    }

    #[test]
    fn quartiles_are_of_type_2() {
        // Expected values of numpy.quantile, method averaged_inverted_cdf.
        check(&[3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0], [1.0, 1.5, 3.5, 5.5, 9.0]);
        check(&[7.0], [7.0; 5]);
        check(&[2.0, 1.0], [1.0, 1.0, 1.5, 2.0, 2.0]);
        check(&[3.0, 1.0, 2.0], [1.0, 1.0, 2.0, 3.0, 3.0]);
        check(&[5.0, 4.0, 3.0, 2.0, 1.0], [1.0, 2.0, 3.0, 4.0, 5.0]);
    }

    #[test]
    fn mean_and_deviation_are_the_samples() {
        let summary = Summary::of_integers(&[3, 1, 4, 1, 5, 9, 2, 6]).unwrap();
        assert!((summary.mean - 3.875).abs() < 1e-15);
        assert!((summary.sd.unwrap() - 2.748_376_143_938_713).abs() < 1e-14);
        assert_eq!(Summary::of(&[2.0]).unwrap().sd, None);
    }

    #[test]
    fn a_large_offset_does_not_eat_the_deviation() {
        let summary = Summary::of(&[1e9 + 4.0, 1e9 + 7.0, 1e9 + 13.0, 1e9 + 16.0]).unwrap();
        assert!((summary.sd.unwrap() - 30.0_f64.sqrt()).abs() < 1e-12, "{summary:?}");
    }

    #[test]
    fn equal_values_are_their_mean_and_do_not_deviate() {
        for n in 2..40 {
            let summary = Summary::of(&vec![0.1; n]).unwrap();
            assert_eq!(
                (summary.mean.total_cmp(&0.1), summary.sd),
                (std::cmp::Ordering::Equal, Some(0.0)),
                "{n}"
            );
        }
    }

    #[test]
    fn senseless_values_are_errors() {
        assert_eq!(Summary::of(&[]), Err(SummaryError::NoValues));
        for value in [f64::NAN, f64::INFINITY, -1e101] {
            assert!(
                matches!(Summary::of(&[0.0, value]), Err(SummaryError::Value { index: 1, .. })),
                "{value}"
            );
        }
        let value = i64::MIN;
        assert_eq!(Summary::of_integers(&[value]), Err(SummaryError::Integer { index: 0, value }));
    }

    proptest! {
        #[test]
        fn the_order_of_values_does_not_matter(mut values in prop::collection::vec(-1e3..1e3_f64, 1..40)) {
            let summary = Summary::of(&values).unwrap();
            values.reverse();
            prop_assert_eq!(Summary::of(&values), Ok(summary));
            prop_assert!(summary.min <= summary.q1 && summary.q1 <= summary.median);
            prop_assert!(summary.median <= summary.q3 && summary.q3 <= summary.max);
            prop_assert!(summary.min <= summary.mean && summary.mean <= summary.max);
        }
    }
}
