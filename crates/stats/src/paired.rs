//! Change within subjects: signed ranks, the Hodges-Lehmann estimate, the paired t, and adjustment for several tests.
//!
//! All take the differences (later less baseline), one a subject. Ties and zeros are judged on the doubles as given:
//! where values are decimals, subtract them as decimals first, for 0.3 - 0.1 and 0.4 - 0.2 differ as doubles.

use crate::special::{normal_upper, student_both_tails, student_quantile};
use crate::summary::{Summary, is_usable};
use crate::{Confidence, Interval};

/// Up to so many non-zero differences without ties the distribution of the signed rank sum is counted out.
pub const EXACT_PAIRS_MAX: usize = 25;

/// Where a p value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// All assignments of signs counted.
    Exact,
    /// The normal approximation, with tie and continuity correction.
    Normal,
}

/// Wilcoxon's signed rank test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SignedRank {
    /// Differences that are not zero.
    pub pairs: usize,
    /// Differences that are zero; dropped before ranking (the rule named `wilcox`).
    pub zeros: usize,
    /// The sum of the ranks of positive differences.
    pub rank_sum_positive: f64,
    /// The sum of the ranks of negative differences.
    pub rank_sum_negative: f64,
    /// The two-sided p value.
    pub p: f64,
    /// Where the p value comes from.
    pub method: Method,
}

/// Student's t test of paired differences.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairedT {
    /// The mean difference.
    pub mean: f64,
    /// Its standard error.
    pub standard_error: f64,
    /// Degrees of freedom: pairs less 1.
    pub freedom: usize,
    /// The mean over its standard error.
    pub t: f64,
    /// The two-sided p value.
    pub p: f64,
    /// The confidence interval of the mean difference.
    pub interval: Interval,
}

/// Why differences could not be tested.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum PairedError {
    /// Too few differences.
    #[error("{pairs} differences, at least {needed} are needed")]
    TooFew {
        /// How many there are.
        pairs: usize,
        /// How many the test needs.
        needed: usize,
    },
    /// A difference that is not finite or beyond [`crate::summary::VALUE_MAX`].
    #[error("difference {index} is {value}, which is not a number that can be tested")]
    Value {
        /// Its index.
        index: usize,
        /// The difference.
        value: f64,
    },
    /// All differences are zero, so there is no rank.
    #[error("all {zeros} differences are zero")]
    OnlyZeros {
        /// How many there are.
        zeros: usize,
    },
    /// All differences are equal, so t is undefined.
    #[error("the differences do not vary")]
    NoVariation,
}

/// A value that is no p value.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("value {index} is {value}, not a probability")]
pub struct HolmError {
    /// Its index.
    pub index: usize,
    /// The value.
    pub value: f64,
}

/// Wilcoxon's signed rank test (Biometrics Bull. 1945), two-sided. Zero differences are dropped; equal magnitudes get
/// their mean rank. Exact for up to [`EXACT_PAIRS_MAX`] differences that are left without ties in magnitude; else
/// normal, with tie correction of the variance and continuity correction.
///
/// # Errors
/// [`PairedError::TooFew`], [`PairedError::Value`], [`PairedError::OnlyZeros`].
///
/// ```
/// use stats::paired::{Method, signed_rank};
/// let test = signed_rank(&[-1.0, -2.0, -3.0, -4.0, -5.0, 0.0])?;
/// assert_eq!((test.p, test.method, test.zeros), (0.0625, Method::Exact, 1));
/// # Ok::<(), stats::paired::PairedError>(())
/// ```
pub fn signed_rank(differences: &[f64]) -> Result<SignedRank, PairedError> {
    check(differences, 1)?;
    let mut sorted: Vec<f64> = differences.iter().copied().filter(|value| value.abs() > 0.0).collect();
    let (pairs, zeros) = (sorted.len(), differences.len() - sorted.len());
    if pairs == 0 {
        return Err(PairedError::OnlyZeros { zeros });
    }
    sorted.sort_by(|one, other| one.abs().total_cmp(&other.abs()));
    let (mut positive, mut negative, mut ranked, mut tie_cubes) = (0.0, 0.0, 0, 0.0);
    for same in sorted.chunk_by(|one, next| one.abs().total_cmp(&next.abs()).is_eq()) {
        let tied = same.len() as f64;
        let rank = ranked as f64 + f64::midpoint(1.0, tied);
        for value in same {
            *(if *value > 0.0 { &mut positive } else { &mut negative }) += rank;
        }
        ranked += same.len();
        tie_cubes += tied * tied * tied - tied;
    }
    let smaller = f64::min(positive, negative);
    let (p, method) = if pairs <= EXACT_PAIRS_MAX && tie_cubes < 1.0 {
        (exact_p(pairs, smaller), Method::Exact)
    } else {
        (normal_p(pairs as f64, smaller, tie_cubes), Method::Normal)
    };
    Ok(SignedRank { pairs, zeros, rank_sum_positive: positive, rank_sum_negative: negative, p, method })
}

/// Twice the share of sign assignments whose rank sum is at most `smaller`, a whole number without ties.
fn exact_p(pairs: usize, smaller: f64) -> f64 {
    // ways[w]: subsets of the ranks so far that sum to w. At most 2^25 in all, 326 sums.
    let mut ways = vec![0_u32; pairs * (pairs + 1) / 2 + 1];
    ways[0] = 1;
    for rank in 1..=pairs {
        for sum in (rank..ways.len()).rev() {
            ways[sum] += ways[sum - rank];
        }
    }
    let (below, all) = ways.iter().enumerate().fold((0, 0), |(below, all), (sum, &count)| {
        (below + if sum as f64 <= smaller { count } else { 0 }, all + count)
    });
    (2.0 * f64::from(below) / f64::from(all)).min(1.0)
}

fn normal_p(pairs: f64, smaller: f64, tie_cubes: f64) -> f64 {
    let mean = pairs * (pairs + 1.0) / 4.0;
    let variance = pairs * (pairs + 1.0) * (2.0 * pairs + 1.0) / 24.0 - tie_cubes / 48.0;
    let distance = (mean - smaller - 0.5).max(0.0);
    2.0 * normal_upper(distance / variance.sqrt())
}

/// The Hodges-Lehmann estimate of the change (Ann. Math. Stat. 1963): the median of the means of all pairs of
/// differences, each paired with itself too. Zero differences are kept: they are observations of no change.
///
/// # Errors
/// [`PairedError::TooFew`], [`PairedError::Value`].
///
/// ```
/// assert_eq!(stats::paired::hodges_lehmann(&[1.0, 2.0, 6.0]), Ok(2.75));
/// assert!(stats::paired::hodges_lehmann(&[]).is_err());
/// ```
pub fn hodges_lehmann(differences: &[f64]) -> Result<f64, PairedError> {
    check(differences, 1)?;
    let mut sorted = differences.to_vec();
    sorted.sort_by(f64::total_cmp);
    let averages = sorted.len() * (sorted.len() + 1) / 2;
    let lower = walsh_average(&sorted, averages.div_ceil(2));
    let upper = if averages.is_multiple_of(2) { walsh_average(&sorted, averages / 2 + 1) } else { lower };
    Ok(f64::midpoint(lower, upper))
}

/// The `rank`-th smallest (from 1) mean of two of the sorted values, without making them all: the smallest double that
/// at least `rank` means do not exceed, found by halving.
fn walsh_average(sorted: &[f64], rank: usize) -> f64 {
    let up_to = |limit: f64| {
        // Means grow with either value, so the partners of one value end before those of a smaller one.
        let mut partners = sorted.len();
        let mut count = 0;
        for (first, value) in sorted.iter().enumerate() {
            while partners > first && f64::midpoint(*value, sorted[partners - 1]) > limit {
                partners -= 1;
            }
            if partners <= first {
                break;
            }
            count += partners - first;
        }
        count
    };
    let (mut low, mut high) = (order(sorted[0]), order(sorted[sorted.len() - 1]));
    while low < high {
        let middle = u64::midpoint(low, high);
        if up_to(from_order(middle)) >= rank {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    from_order(low)
}

const SIGN: u64 = 1 << 63;

/// A double as an integer that is ordered as doubles are.
fn order(value: f64) -> u64 {
    let bits = value.to_bits();
    if bits & SIGN == 0 { bits | SIGN } else { !bits }
}

fn from_order(order: u64) -> f64 {
    f64::from_bits(if order & SIGN == 0 { !order } else { order & !SIGN })
}

/// Student's t test of the mean difference against 0 (Biometrika 1908), two-sided.
///
/// # Errors
/// [`PairedError::TooFew`] below two differences, [`PairedError::Value`], [`PairedError::NoVariation`].
///
/// ```
/// use stats::{Confidence, decimal, paired::paired_t};
/// let test = paired_t(&[-4.0, -2.0, -3.0, -5.0], Confidence::NINETY_FIVE)?;
/// assert_eq!((test.mean, test.freedom), (-3.5, 3));
/// assert_eq!(decimal(test.p, 4).as_deref(), Ok("0.0123"));
/// # Ok::<(), stats::paired::PairedError>(())
/// ```
pub fn paired_t(differences: &[f64], confidence: Confidence) -> Result<PairedT, PairedError> {
    check(differences, 2)?;
    let pairs = differences.len();
    let too_few = PairedError::TooFew { pairs, needed: 2 };
    let summary = Summary::of(differences).map_err(|_| too_few)?;
    let standard_error = summary.sd.ok_or(too_few)? / (pairs as f64).sqrt();
    let t = summary.mean / standard_error;
    // Equal differences leave no deviation, nor do such whose squares are below the smallest double.
    if !t.is_finite() {
        return Err(PairedError::NoVariation);
    }
    let freedom = pairs - 1;
    let reach = student_quantile(freedom as f64, confidence.one_tail()) * standard_error;
    Ok(PairedT {
        mean: summary.mean,
        standard_error,
        freedom,
        t,
        p: student_both_tails(freedom as f64, t),
        interval: Interval { lower: summary.mean - reach, upper: summary.mean + reach },
    })
}

/// p values adjusted for their number (Holm, Scand. J. Stat. 1979), in the order given: rejecting where they are below a
/// level keeps the chance of any false rejection below it.
///
/// # Errors
/// [`HolmError`].
///
/// ```
/// assert_eq!(stats::paired::holm(&[0.5, 0.125, 0.25]), Ok(vec![0.5, 0.375, 0.5]));
/// assert!(stats::paired::holm(&[1.5]).is_err());
/// ```
pub fn holm(p_values: &[f64]) -> Result<Vec<f64>, HolmError> {
    if let Some((index, &value)) = p_values.iter().enumerate().find(|(_, p)| !(0.0..=1.0).contains(*p)) {
        return Err(HolmError { index, value });
    }
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|one, other| p_values[*one].total_cmp(&p_values[*other]));
    let mut adjusted = vec![0.0; p_values.len()];
    let mut largest: f64 = 0.0;
    for (smaller, index) in order.into_iter().enumerate() {
        let left = (p_values.len() - smaller) as f64;
        largest = largest.max((left * p_values[index]).min(1.0));
        adjusted[index] = largest;
    }
    Ok(adjusted)
}

/// There are enough differences and each can be squared and summed.
fn check(differences: &[f64], needed: usize) -> Result<(), PairedError> {
    let pairs = differences.len();
    if pairs < needed {
        return Err(PairedError::TooFew { pairs, needed });
    }
    match differences.iter().enumerate().find(|(_, value)| !is_usable(**value)) {
        Some((index, &value)) => Err(PairedError::Value { index, value }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Differences without ties or zeros.
    const DEPRESSION: [f64; 9] = [952.0, -147.0, 1022.0, 430.0, 620.0, 590.0, 490.0, -80.0, 10.0];
    /// Differences of an integer score, with ties and zeros.
    const SCORE: [f64; 15] =
        [-4.0, -3.0, -5.0, 0.0, -2.0, -4.0, 1.0, -6.0, -3.0, 0.0, -2.0, 2.0, -8.0, -3.0, -1.0];

    fn near(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-12 * expected.abs().max(1.0), "{found} is not {expected}");
    }

    // Expected values of scipy 1.17: wilcoxon, ttest_1samp.

    #[test]
    fn without_ties_the_signed_rank_is_exact() {
        let test = signed_rank(&DEPRESSION).unwrap();
        assert_eq!((test.pairs, test.zeros, test.method), (9, 0, Method::Exact));
        near(test.rank_sum_negative, 5.0);
        near(test.rank_sum_positive, 40.0);
        near(test.p, 0.039_062_5);
    }

    #[test]
    fn with_ties_the_signed_rank_is_normal_and_zeros_are_dropped() {
        let test = signed_rank(&SCORE).unwrap();
        assert_eq!((test.pairs, test.zeros, test.method), (13, 2, Method::Normal));
        near(test.rank_sum_positive, 5.5);
        near(test.p, 0.005_623_751_221_851_407);
    }

    #[test]
    fn zeros_alone_do_not_end_exactness() {
        let with_zero = [&DEPRESSION[..], &[0.0, -0.0]].concat();
        let test = signed_rank(&with_zero).unwrap();
        assert_eq!((test.zeros, test.method), (2, Method::Exact));
        near(test.p, 0.039_062_5);
    }

    #[test]
    fn beyond_25_pairs_the_signed_rank_is_normal() {
        let differences = |pairs: i32| -> Vec<f64> {
            (1..=pairs).map(|rank| f64::from(if rank % 3 == 0 { -rank } else { rank })).collect()
        };
        assert_eq!(signed_rank(&differences(25)).unwrap().method, Method::Exact);
        let test = signed_rank(&differences(26)).unwrap();
        assert_eq!(test.method, Method::Normal);
        near(test.p, 0.088_818_283_271_724_04);
    }

    #[test]
    fn a_balanced_sample_has_p_one() {
        near(signed_rank(&[1.0, -2.0, -3.0, 4.0]).unwrap().p, 1.0);
        near(signed_rank(&[1.0, -1.0]).unwrap().p, 1.0);
    }

    #[test]
    fn the_estimate_of_change_is_the_median_walsh_average() {
        near(hodges_lehmann(&DEPRESSION).unwrap(), 460.0);
        near(hodges_lehmann(&SCORE).unwrap(), -2.5);
        near(hodges_lehmann(&[-7.5]).unwrap(), -7.5);
    }

    #[test]
    fn the_paired_t_is_scipys() {
        for (differences, t, p, lower, upper) in [
            (
                &DEPRESSION[..],
                3.035_375_415_648_591_3,
                0.016_176_627_434_908_088,
                103.778_712_272_168_55,
                759.999_065_505_609_2,
            ),
            (
                &SCORE[..],
                -3.639_739_883_840_375,
                0.002_678_793_654_330_527,
                -4.026_148_694_539_53,
                -1.040_517_972_127_136_7,
            ),
        ] {
            let test = paired_t(differences, Confidence::NINETY_FIVE).unwrap();
            near(test.t, t);
            near(test.p, p);
            near(test.interval.lower, lower);
            near(test.interval.upper, upper);
        }
    }

    #[test]
    fn holm_is_the_worked_example() {
        let adjusted = holm(&[0.01, 0.04, 0.03, 0.005]).unwrap();
        for (found, expected) in adjusted.into_iter().zip([0.03, 0.06, 0.06, 0.02]) {
            near(found, expected);
        }
        assert_eq!(holm(&[]), Ok(vec![]));
        assert_eq!(holm(&[0.9, 0.8]), Ok(vec![1.0, 1.0]));
    }

    #[test]
    fn senseless_input_is_an_error() {
        assert_eq!(signed_rank(&[]), Err(PairedError::TooFew { pairs: 0, needed: 1 }));
        assert_eq!(signed_rank(&[0.0, 0.0]), Err(PairedError::OnlyZeros { zeros: 2 }));
        assert!(matches!(hodges_lehmann(&[1.0, f64::NAN]), Err(PairedError::Value { index: 1, .. })));
        let test = |differences: &[f64]| paired_t(differences, Confidence::NINETY_FIVE);
        assert_eq!(test(&[1.0]), Err(PairedError::TooFew { pairs: 1, needed: 2 }));
        for equal in [0.1, 0.0, 1e-300] {
            assert_eq!(test(&[equal; 7]), Err(PairedError::NoVariation), "{equal}");
        }
        assert_eq!(test(&[1e-200, 2e-200]), Err(PairedError::NoVariation));
        assert!(matches!(test(&[1.0, f64::INFINITY]), Err(PairedError::Value { index: 1, .. })));
        assert!(holm(&[0.5, f64::NAN]).is_err_and(|error| error.index == 1));
    }

    proptest! {
        #[test]
        fn the_estimate_is_that_of_all_averages(values in prop::collection::vec(-20..20_i32, 1..40)) {
            let values: Vec<f64> = values.into_iter().map(|value| f64::from(value) / 8.0).collect();
            let mut averages: Vec<f64> = Vec::new();
            for (first, one) in values.iter().enumerate() {
                averages.extend(values[first..].iter().map(|other| (one + other) / 2.0));
            }
            prop_assert_eq!(hodges_lehmann(&values), Ok(Summary::of(&averages).unwrap().median));
        }

        #[test]
        fn changing_all_signs_changes_the_sign_only(values in prop::collection::vec(1..60_i32, 1..60)) {
            // The first half declines, so that there is something to mirror.
            let values: Vec<f64> = values
                .iter()
                .enumerate()
                .map(|(index, value)| f64::from(if index < values.len() / 2 { -value } else { *value }))
                .collect();
            let mirrored: Vec<f64> = values.iter().map(|value| -value).collect();
            let (one, other) = (signed_rank(&values).unwrap(), signed_rank(&mirrored).unwrap());
            prop_assert_eq!((one.p, one.rank_sum_positive), (other.p, other.rank_sum_negative));
            prop_assert!((0.0..=1.0).contains(&one.p));
            prop_assert_eq!(hodges_lehmann(&values), hodges_lehmann(&mirrored).map(|estimate| -estimate));
        }

        #[test]
        fn the_exact_p_is_the_share_of_all_signs(signs in prop::collection::vec(any::<bool>(), 1..11)) {
            let sum_of = |is_positive: &dyn Fn(usize) -> bool| -> usize {
                (0..signs.len()).filter(|index| is_positive(*index)).map(|index| index + 1).sum()
            };
            let all = signs.len() * (signs.len() + 1) / 2;
            let distance = |sum: usize| (2 * sum).abs_diff(all);
            let observed = distance(sum_of(&|index| signs[index]));
            let as_far = (0..1_usize << signs.len())
                .filter(|mask| distance(sum_of(&|index| mask >> index & 1 == 1)) >= observed)
                .count();
            let differences: Vec<f64> = (1..)
                .zip(&signs)
                .map(|(rank, is_positive)| f64::from(if *is_positive { rank } else { -rank }))
                .collect();
            let share = as_far as f64 / f64::from(1_u32 << signs.len());
            prop_assert!((signed_rank(&differences).unwrap().p - share).abs() < 1e-12);
        }

        #[test]
        fn holm_keeps_the_order_and_never_lowers(p_values in prop::collection::vec(0.0..=1.0_f64, 1..20)) {
            let adjusted = holm(&p_values).unwrap();
            for (one, &p) in p_values.iter().enumerate() {
                prop_assert!(adjusted[one] >= p && adjusted[one] <= 1.0);
                for (other, &q) in p_values.iter().enumerate() {
                    prop_assert!(p > q || adjusted[one] <= adjusted[other]);
                }
            }
        }
    }
}
