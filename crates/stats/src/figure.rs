//! A figure as reports write it: so many of so many, or events in person-time, with everything one needs to judge it.

use serde::{Deserialize, Serialize};

use crate::proportion::{Proportion, ProportionError};
use crate::rate::RateError;
use crate::{Confidence, DecimalError, decimal};

/// Digits of a percentage.
pub const PERCENT_DIGITS: u8 = 2;
/// Digits of a survival probability, an incidence and their standard errors.
pub const PROBABILITY_DIGITS: u8 = 6;
/// Digits of a rate per 100 patient-years.
pub const RATE_DIGITS: u8 = 3;
/// Digits of patient-years.
pub const YEARS_DIGITS: u8 = 4;
/// The confidence level of every interval.
pub const LEVEL: Confidence = Confidence::NINETY_FIVE;
/// [`LEVEL`] as reports write it.
pub const LEVEL_TEXT: &str = "0.95";

/// Counts or times that make no figure.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum FigureError {
    /// A number that cannot be written.
    #[error(transparent)]
    Decimal(#[from] DecimalError),
    /// Counts that are no proportion.
    #[error(transparent)]
    Proportion(#[from] ProportionError),
    /// Events and time that are no rate.
    #[error(transparent)]
    Rate(#[from] RateError),
}

/// A confidence interval, in the unit of the estimate it stands beside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interval {
    /// How it was made: `clopper-pearson`, `wilson`, `plain`, `log-log`, `exact-poisson`.
    pub method: String,
    /// The confidence level, such as `0.95`, two-sided.
    pub level: String,
    /// Lower limit.
    pub lower: String,
    /// Upper limit.
    pub upper: String,
}

impl Interval {
    /// Writes an interval at [`LEVEL`], with so many digits.
    ///
    /// # Errors
    /// A limit that cannot be written.
    pub fn new(method: &str, interval: crate::Interval, digits: u8) -> Result<Self, DecimalError> {
        Ok(Self {
            method: method.to_owned(),
            level: LEVEL_TEXT.to_owned(),
            lower: decimal(interval.lower, digits)?,
            upper: decimal(interval.upper, digits)?,
        })
    }
}

/// What is still possible where no event was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoEvents {
    /// Exact one-sided upper bound at 95%, in per cent with 3 digits.
    pub one_sided_upper_percent: String,
    /// Three by the denominator, in per cent with 3 digits; absent below a denominator of 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule_of_three_percent: Option<String>,
}

/// A proportion of subjects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figure {
    /// Its stable id, such as `remission.year_1`.
    pub id: String,
    /// In words.
    pub label: String,
    /// Subjects with the event.
    pub numerator: u64,
    /// Subjects who could have it.
    pub denominator: u64,
    /// The share in per cent, 2 digits; absent if nobody is in the denominator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<String>,
    /// Clopper-Pearson and Wilson, in per cent with 2 digits.
    pub intervals: Vec<Interval>,
    /// If the numerator is 0: the bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_events: Option<NoEvents>,
    /// The population.
    pub population: String,
    /// Id of the definition of the event.
    pub definition: String,
    /// Who is in the denominator, in words.
    pub denominator_rule: String,
    /// How many subjects of the denominator are in it, or in the numerator, by a completed partial date.
    pub imputed: u64,
}

/// What a figure says beside its numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meaning<'a> {
    /// Its stable id.
    pub id: String,
    /// In words.
    pub label: String,
    /// The population.
    pub population: &'a str,
    /// Id of the definition of the event.
    pub definition: &'a str,
    /// Who, or which days, the denominator holds, in words.
    pub denominator_rule: &'a str,
}

impl Figure {
    /// So many of so many, of them so many by a completed date.
    ///
    /// # Errors
    /// [`FigureError`]: the counts are no proportion.
    ///
    /// ```
    /// use stats::figure::{Figure, Meaning};
    /// let meaning = Meaning {
    ///     id: "death".into(), label: "Deaths".into(), population: "Infused", definition: "death-1",
    ///     denominator_rule: "infused",
    /// };
    /// let figure = Figure::new(meaning, 5, 87, 0).unwrap();
    /// assert_eq!((figure.percent.as_deref(), &*figure.intervals[0].upper), (Some("5.75"), "12.90"));
    /// ```
    pub fn new(
        meaning: Meaning<'_>,
        numerator: u64,
        denominator: u64,
        imputed: u64,
    ) -> Result<Self, FigureError> {
        let mut figure = Self {
            id: meaning.id,
            label: meaning.label,
            numerator,
            denominator,
            percent: None,
            intervals: Vec::new(),
            no_events: None,
            population: meaning.population.to_owned(),
            definition: meaning.definition.to_owned(),
            denominator_rule: meaning.denominator_rule.to_owned(),
            imputed,
        };
        if denominator > 0 {
            let share = Proportion::new(numerator, denominator)?;
            let percent = |interval: crate::Interval| interval.times(100);
            figure.percent = Some(decimal(100.0 * share.estimate(), PERCENT_DIGITS)?);
            figure.intervals = vec![
                Interval::new("clopper-pearson", percent(share.clopper_pearson(LEVEL)), PERCENT_DIGITS)?,
                Interval::new("wilson", percent(share.wilson(LEVEL)), PERCENT_DIGITS)?,
            ];
            if numerator == 0 {
                let rule_of_three =
                    share.rule_of_three().map(|bound| decimal(100.0 * bound, RATE_DIGITS)).transpose()?;
                figure.no_events = Some(NoEvents {
                    one_sided_upper_percent: decimal(100.0 * share.upper_bound(LEVEL), RATE_DIGITS)?,
                    rule_of_three_percent: rule_of_three,
                });
            }
        }
        Ok(figure)
    }
}

/// Events in person-time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Its stable id, such as `rate.death`.
    pub id: String,
    /// In words.
    pub label: String,
    /// Events.
    pub events: u64,
    /// Days at risk.
    pub days: u64,
    /// Patient-years at risk, 4 digits.
    pub patient_years: String,
    /// Events per 100 patient-years, 3 digits; absent if there is no time at risk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_100_patient_years: Option<String>,
    /// The exact Poisson interval, per 100 patient-years with 3 digits.
    pub intervals: Vec<Interval>,
    /// Which time counts: `to_first_event` or `all`.
    pub time: String,
    /// The population.
    pub population: String,
    /// Id of the definition of the event.
    pub definition: String,
    /// Which days are at risk, in words.
    pub denominator_rule: String,
    /// How many events have a completed date.
    pub imputed: u64,
}

impl Rate {
    /// So many events in so many days at risk; `time` says which days.
    ///
    /// # Errors
    /// [`FigureError`]: the counts are no rate.
    pub fn new(
        meaning: Meaning<'_>,
        time: &str,
        events: u64,
        days: u64,
        imputed: u64,
    ) -> Result<Self, FigureError> {
        let years = crate::rate::person_years(days);
        let mut rate = Self {
            id: meaning.id,
            label: meaning.label,
            events,
            days,
            patient_years: decimal(years, YEARS_DIGITS)?,
            per_100_patient_years: None,
            intervals: Vec::new(),
            time: time.to_owned(),
            population: meaning.population.to_owned(),
            definition: meaning.definition.to_owned(),
            denominator_rule: meaning.denominator_rule.to_owned(),
            imputed,
        };
        if days > 0 {
            let estimate = crate::rate::Rate::new(events, years)?;
            rate.per_100_patient_years = Some(decimal(100.0 * estimate.estimate(), RATE_DIGITS)?);
            rate.intervals =
                vec![Interval::new("exact-poisson", estimate.exact(LEVEL).times(100), RATE_DIGITS)?];
        }
        Ok(rate)
    }
}
