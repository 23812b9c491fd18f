//! The distribution functions behind the intervals: normal, gamma, beta and Student's t, and their inverses.
//!
//! Relative error is below 1e-12 for counts in the thousands; the tests hold it. Both tails are computed, never one
//! as the difference of the other from 1 where it is small.

use std::f64::consts::{PI, SQRT_2};

/// Bound of every series and continued fraction: about six times the 160,000 that the largest count needs.
const TERMS_MAX: u32 = 1_000_000;

/// Steps of [`solve`] that may be Newton's; later ones halve the bracket.
const NEWTON_MAX: u32 = 60;

/// Steps of [`solve`]: halving takes a bracket as wide as 1e9 below the last bit of 1e-40 in about 220.
const STEPS_MAX: u32 = 400;

/// The probabilities below and above a value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tails {
    pub(crate) lower: f64,
    pub(crate) upper: f64,
}

impl Tails {
    fn from_lower(lower: f64) -> Self {
        Self { lower, upper: 1.0 - lower }
    }

    fn from_upper(upper: f64) -> Self {
        Self { lower: 1.0 - upper, upper }
    }
}

/// A probability and the side it is on.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Tail {
    Lower(f64),
    Upper(f64),
}

impl Tail {
    /// How far `tails` is beyond this probability: negative when the value is too small.
    fn excess(self, tails: Tails) -> f64 {
        match self {
            Self::Lower(probability) => tails.lower - probability,
            Self::Upper(probability) => probability - tails.upper,
        }
    }
}

/// The probability of a standard normal value above `z`.
pub(crate) fn normal_upper(z: f64) -> f64 {
    libm::erfc(z / SQRT_2) / 2.0
}

/// The value a standard normal variable exceeds with probability `upper`, which is in (0, 1/2].
pub(crate) fn normal_quantile(upper: f64) -> f64 {
    // Above 39 the upper probability is below the smallest double.
    solve(0.0, 39.0, 1.0, |z| (upper - normal_upper(z), libm::exp(-z * z / 2.0) / (2.0 * PI).sqrt()))
}

/// The tails of the gamma distribution of this `shape` and scale 1 at `x`, by the series of DLMF 8.7.1 and
/// the even part of the continued fraction 8.9.2.
pub(crate) fn gamma_tails(shape: f64, x: f64) -> Tails {
    if x <= 0.0 {
        return Tails::from_lower(0.0);
    }
    let weight = poisson_weight(shape, x);
    if x < shape + 1.0 {
        let (mut sum, mut term) = (1.0, 1.0);
        for k in 1..=TERMS_MAX {
            term *= x / (shape + f64::from(k));
            sum += term;
            if term < sum * f64::EPSILON / 4.0 {
                break;
            }
        }
        return Tails::from_lower((weight * sum).min(1.0));
    }
    let first = x + 1.0 - shape;
    let fraction = continued_fraction(first, |k| (-k * (k - shape), first + 2.0 * k));
    Tails::from_upper((weight * shape / fraction).min(1.0))
}

/// The value at which a gamma distribution of this `shape` and scale 1 has the given tail.
pub(crate) fn gamma_quantile(shape: f64, tail: Tail) -> f64 {
    let mut above = shape + 1.0;
    while tail.excess(gamma_tails(shape, above)) < 0.0 {
        above *= 2.0;
    }
    solve(0.0, above, shape, |x| (tail.excess(gamma_tails(shape, x)), poisson_weight(shape, x) * shape / x))
}

/// The tails of the beta distribution at `x`, by a continued fraction.
pub(crate) fn beta_tails(a: f64, b: f64, x: f64) -> Tails {
    if x <= 0.0 {
        Tails::from_lower(0.0)
    } else if x >= 1.0 {
        Tails::from_upper(0.0)
    } else if x < (a + 1.0) / (a + b + 2.0) {
        Tails::from_lower((beta_weight(a, b, x) / beta_fraction(a, b, x, 1.0 - x)).min(1.0))
    } else {
        Tails::from_upper((beta_weight(a, b, x) / beta_fraction(b, a, 1.0 - x, x)).min(1.0))
    }
}

/// The value at which a beta distribution has the given tail.
pub(crate) fn beta_quantile(a: f64, b: f64, tail: Tail) -> f64 {
    solve(0.0, 1.0, a / (a + b), |x| {
        (tail.excess(beta_tails(a, b, x)), beta_weight(a, b, x) / (x * (1.0 - x)))
    })
}

/// The probability that Student's t with `freedom` degrees of freedom is at least `t` away from 0.
pub(crate) fn student_both_tails(freedom: f64, t: f64) -> f64 {
    // t² / (freedom + t²) follows a beta distribution, and 1 less it the mirrored one: take the smaller argument.
    let square = t * t;
    if square < freedom {
        beta_tails(0.5, freedom / 2.0, square / (freedom + square)).upper
    } else {
        beta_tails(freedom / 2.0, 0.5, freedom / (freedom + square)).lower
    }
}

/// The distance from 0 that Student's t with `freedom` degrees of freedom reaches with probability `both_tails`.
pub(crate) fn student_quantile(freedom: f64, both_tails: f64) -> f64 {
    if student_both_tails(freedom, freedom.sqrt()) < both_tails {
        let y = beta_quantile(0.5, freedom / 2.0, Tail::Upper(both_tails));
        (freedom * y / (1.0 - y)).sqrt()
    } else {
        let x = beta_quantile(freedom / 2.0, 0.5, Tail::Lower(both_tails));
        (freedom * (1.0 - x) / x).sqrt()
    }
}

/// The fraction by which `x^a y^b / B(a, b)` is divided, with `y = 1 - x`: Didonato and Morris, ACM TOMS 708 (1992). Of
/// the known ones it is the one that takes `x` and `y` both, so that a tiny one is not lost in the other's rounding.
fn beta_fraction(a: f64, b: f64, x: f64, y: f64) -> f64 {
    let denominator = |m: f64| {
        let bend = if m > 0.0 { m * (b - m) * x / (a + 2.0 * m - 1.0) } else { 0.0 };
        m + bend + (a + m) / (a + 2.0 * m + 1.0) * (a * y - b * x + 1.0 + m * (1.0 + y))
    };
    continued_fraction(denominator(0.0), |m| {
        let step = x / (a + 2.0 * m - 1.0);
        ((a + m - 1.0) * step * (a + b + m - 1.0) * step * m * (b - m), denominator(m))
    })
}

/// `first + n₁/(d₁ + n₂/(d₂ + …))` with `term(k) = (nₖ, dₖ)`, by Lentz's method as modified by Thompson and Barnett
/// (J. Comput. Phys. 1986).
fn continued_fraction(first: f64, term: impl Fn(f64) -> (f64, f64)) -> f64 {
    const TINY: f64 = 1e-300;
    let away_from_zero = |x: f64| if x.abs() < TINY { TINY } else { x };
    let mut value = away_from_zero(first);
    let (mut above, mut below) = (value, 0.0);
    for k in 1..=TERMS_MAX {
        let (numerator, denominator) = term(f64::from(k));
        below = 1.0 / away_from_zero(denominator + numerator * below);
        above = away_from_zero(denominator + numerator / above);
        let change = above * below;
        value *= change;
        if (change - 1.0).abs() < f64::EPSILON {
            break;
        }
    }
    value
}

/// `x^a (1-x)^b / B(a, b)`, by the saddle-point form of C. Loader, Fast and Accurate Computation of Binomial
/// Probabilities (2000), which does not lose digits for large `a` and `b` as differences of ln Γ do.
fn beta_weight(a: f64, b: f64, x: f64) -> f64 {
    let n = a + b;
    let exponent = stirling_error(n)
        - stirling_error(a)
        - stirling_error(b)
        - deviance(a, n * x)
        - deviance(b, n * (1.0 - x));
    (a / n * b / (2.0 * PI)).sqrt() * libm::exp(exponent)
}

/// `x^shape e^-x / Γ(shape + 1)`, by the same form.
fn poisson_weight(shape: f64, x: f64) -> f64 {
    libm::exp(-stirling_error(shape) - deviance(shape, x)) / (2.0 * PI * shape).sqrt()
}

/// `ln Γ(x + 1)` less Stirling's `(x + 1/2) ln x - x + ln √2π`.
fn stirling_error(x: f64) -> f64 {
    // Bernoulli numbers over 2k(2k-1), DLMF 5.11.1. At 16 the first one left out, 1/(156 x^13), is 1.4e-18.
    const SERIES: [f64; 6] =
        [1.0 / 12.0, -1.0 / 360.0, 1.0 / 1260.0, -1.0 / 1680.0, 1.0 / 1188.0, -691.0 / 360_360.0];
    const LN_SQRT_2PI: f64 = 0.918_938_533_204_672_8;
    if x < 16.0 {
        return libm::lgamma(x + 1.0) - (x + 0.5) * libm::log(x) + x - LN_SQRT_2PI;
    }
    let square = 1.0 / (x * x);
    SERIES.iter().rev().fold(0.0, |sum, coefficient| sum * square + coefficient) / x
}

/// `x ln(x / mean) + mean - x`, without cancellation where `x` is near `mean`.
fn deviance(x: f64, mean: f64) -> f64 {
    let difference = x - mean;
    let v = difference / (x + mean);
    if v.abs() > 0.1 {
        return x * libm::log(x / mean) - difference;
    }
    // ln(x/mean) = 2 (v + v³/3 + v⁵/5 + …), and 2 x v - difference = difference · v.
    let square = v * v;
    let (mut sum, mut power) = (0.0, v);
    for odd in [3.0, 5.0, 7.0, 9.0, 11.0, 13.0, 15.0, 17.0] {
        power *= square;
        sum += power / odd;
    }
    difference * v + 2.0 * x * sum
}

/// Where an increasing function of which `excess_and_slope` is given crosses zero in `[below, above]`: Newton's method
/// kept inside a shrinking bracket.
fn solve(mut below: f64, mut above: f64, start: f64, excess_and_slope: impl Fn(f64) -> (f64, f64)) -> f64 {
    let mut x = start;
    for step in 0..STEPS_MAX {
        let (excess, slope) = excess_and_slope(x);
        if excess < 0.0 {
            below = x;
        } else {
            above = x;
        }
        let newton = x - excess / slope;
        let inside = step < NEWTON_MAX && newton > below && newton < above;
        let next = if inside { newton } else { f64::midpoint(below, above) };
        if (next - x).abs() <= 2.0 * f64::EPSILON * x {
            return next;
        }
        x = next;
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use statrs::distribution::{ContinuousCDF, StudentsT};
    use statrs::function::{beta::beta_reg, gamma::gamma_lr};

    /// `found` and `expected` agree in twelve digits.
    fn check(found: f64, expected: f64) {
        assert!((found - expected).abs() <= 1e-12 * expected.abs(), "{found:e} is not {expected:e}");
    }

    // The expected values below were computed in 34 digits from the series of DLMF 8.7.1 and 8.17.8.

    #[test]
    fn beta_tails_are_the_high_precision_values() {
        for (a, b, x, lower, upper) in [
            (0.5, 9.5, 0.05, 0.670_123_199_078_875, 0.329_876_800_921_125_04),
            (2.5, 90.0, 0.05, 0.902_649_650_256_862_8, 0.097_350_349_743_137_12),
            (82.0, 6.0, 0.9, 0.121_973_651_929_434_25, 0.878_026_348_070_565_8),
            (1e5, 3e5, 0.2505, 0.767_482_353_803_312_1, 0.232_517_646_196_687_85),
            (2000.0, 3.0, 0.99, 4.120_765_849_215_834_6e-7, 0.999_999_587_923_415),
        ] {
            let tails = beta_tails(a, b, x);
            check(tails.lower, lower);
            check(tails.upper, upper);
        }
    }

    #[test]
    fn gamma_tails_are_the_high_precision_values() {
        for (shape, x, lower, upper) in [
            (0.5, 0.3, 0.561_421_973_919_000_2, 0.438_578_026_080_999_9),
            (15.0, 30.0, 0.999_079_317_603_851_4, 0.000_920_682_396_148_666_3),
            (1000.0, 1100.0, 0.998_940_676_746_07, 0.001_059_323_253_929_977_3),
            (1e6, 998_000.0, 0.022_696_114_006_736_802, 0.977_303_885_993_263_2),
            (3.0, 80.0, 1.0, 5.921_717_403_520_807e-32),
        ] {
            let tails = gamma_tails(shape, x);
            check(tails.lower, lower);
            check(tails.upper, upper);
        }
    }

    #[test]
    fn quantiles_are_the_high_precision_values() {
        check(normal_quantile(0.1), 1.281_551_565_544_600_4);
        check(normal_quantile(0.025), 1.959_963_984_540_054_3);
        check(normal_quantile(1e-9), 5.997_807_015_007_686_5);
        check(student_quantile(1.0, 0.05), 12.706_204_736_174_705);
        check(student_quantile(9.0, 0.01), 3.249_835_541_592_126_3);
        check(student_quantile(500.0, 0.001), 3.310_091_151_522_67);
        check(student_quantile(1e6, 0.05), 1.959_966_356_814_107);
        check(student_quantile(1e6, 0.9), 0.125_661_378_766_487_47);
        check(student_quantile(3.0, 0.9), 0.136_598_199_353_698_88);
        check(beta_quantile(82.0, 6.0, Tail::Lower(0.025)), 0.870_957_543_712_074_3);
        check(beta_quantile(83.0, 5.0, Tail::Upper(0.025)), 0.981_078_109_831_030_7);
        check(beta_quantile(0.5, 0.5, Tail::Lower(1e-6)), 2.467_401_100_270_31e-12);
        check(beta_quantile(4e4, 6e4, Tail::Lower(1e-4)), 0.394_247_261_211_349_95);
        check(gamma_quantile(14.0, Tail::Lower(0.025)), 7.653_930_276_300_598);
        check(gamma_quantile(15.0, Tail::Upper(0.025)), 23.489_621_121_835_58);
        check(gamma_quantile(5.0, Tail::Lower(1e-8)), 0.066_163_972_292_190_73);
        check(gamma_quantile(1e4, Tail::Upper(0.025)), 10_196.941_824_999_883);
    }

    #[test]
    fn students_t_keeps_its_digits_far_out_and_near_the_normal() {
        // With one degree of freedom, cot(π p / 2).
        check(student_quantile(1.0, 1e-9), 636_619_772.367_581_4);
        check(student_both_tails(1.0, 636_619_772.367_581_4), 1e-9);
        check(student_both_tails(1e6, 0.125_661_378_766_487_47), 0.9);
        check(student_both_tails(1e6, 1.959_966_356_814_107), 0.05);
    }

    #[test]
    fn the_deviance_joins_at_the_end_of_its_series() {
        check(deviance(110.0, 90.0), 2.073_776_500_836_628);
        check(deviance(1100.0, 1000.0), 4.841_197_784_757_346);
    }

    #[test]
    fn a_billion_still_gives_ten_digits() {
        // 1 - 0.025^(1/n), in 30 digits.
        let found = beta_quantile(1.0, 1e9, Tail::Upper(0.025));
        assert!((found / 3.688_879_447_310_020_7e-9 - 1.0).abs() < 1e-10, "{found:e}");
        // Half of a symmetric distribution is below its middle.
        check(beta_tails(5e8, 5e8, 0.5).lower, 0.5);
    }

    proptest! {
        #[test]
        fn beta_agrees_with_statrs(a in 0.5..300.0_f64, b in 0.5..300.0_f64, x in 0.0..1.0_f64) {
            let tails = beta_tails(a, b, x);
            prop_assert!((tails.lower - beta_reg(a, b, x)).abs() < 1e-11);
            prop_assert!((tails.lower + tails.upper - 1.0).abs() < 1e-14);
        }

        #[test]
        fn gamma_agrees_with_statrs(shape in 0.5..300.0_f64, x in 0.01..600.0_f64) {
            prop_assert!((gamma_tails(shape, x).lower - gamma_lr(shape, x)).abs() < 1e-11);
        }

        #[test]
        fn student_agrees_with_statrs(freedom in 1..200_u32, t in 0.0..20.0_f64) {
            let oracle = StudentsT::new(0.0, 1.0, f64::from(freedom)).unwrap();
            let found = student_both_tails(f64::from(freedom), t);
            prop_assert!((found - 2.0 * oracle.sf(t)).abs() < 1e-11);
        }

        #[test]
        fn a_quantile_has_its_tail(a in 0.5..2000.0_f64, b in 0.5..2000.0_f64, p in 1e-9..0.999_f64) {
            let near = |found: f64| (found - p).abs() <= 1e-10 * p;
            prop_assert!(near(beta_tails(a, b, beta_quantile(a, b, Tail::Lower(p))).lower));
            prop_assert!(near(gamma_tails(a, gamma_quantile(a, Tail::Lower(p))).lower));
            prop_assert!(near(gamma_tails(a, gamma_quantile(a, Tail::Upper(p))).upper));
            prop_assert!(near(student_both_tails(a, student_quantile(a, p))));
        }
    }
}
