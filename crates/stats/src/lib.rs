//! Survival curves, cumulative incidence, exact intervals, rates and paired tests, each with its source.
//!
//! It knows no trial, no subject and no date: it is given counts and whole units of time, and answers with numbers.
//! It decides nothing about who belongs in a denominator, reads nothing, and writes nothing but [`decimal`] strings and
//! the [`figure`]s made of them.
//!
//! The same inputs give the same bits on every machine that computes in IEEE 754 doubles (x86 without SSE does not).
//! The platform's `ln`, `exp` and `pow` may differ in the last digit, so only the `libm` crate's are used, beside the
//! standard's exact operations. The incomplete beta and gamma functions and their inverses are written here on `libm`:
//! `statrs` would do, but it reaches its elementary functions through `num-traits`, and one other crate of a build that
//! turns on `num-traits/std` sends it to the platform's. `statrs` is only an oracle of the tests.
//!
//! No answer is ever NaN: input that makes no sense is an error, and what is undefined is `None`.

pub mod competing;
pub mod figure;
pub mod paired;
pub mod proportion;
pub mod rate;
pub mod stopping;
pub mod summary;
pub mod survival;

mod decimal;
mod interval;
mod special;

pub use decimal::{DIGITS_MAX, DecimalError, decimal};
pub use interval::{Confidence, ConfidenceError, Interval};

/// Days in a year, wherever days become years: 365.25.
pub const DAYS_PER_YEAR: f64 = 365.25;

/// Days in a month, wherever days become months: a twelfth of [`DAYS_PER_YEAR`].
pub const DAYS_PER_MONTH: f64 = 30.4375;

/// The largest count accepted as events or as a denominator. The incomplete beta and gamma functions take about
/// 5·√n steps near the mean: 160,000 here.
pub const COUNT_MAX: u64 = 1_000_000_000;
