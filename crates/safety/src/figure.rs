//! A figure: so many of so many, or events in person-time, with everything one needs to judge it.

use serde::{Deserialize, Serialize};
use stats::proportion::Proportion;
use stats::{Confidence, decimal};

use crate::report::ReportError;

/// Digits of a percentage.
pub(crate) const PERCENT_DIGITS: u8 = 2;
/// Digits of a rate per 100 patient-years.
pub(crate) const RATE_DIGITS: u8 = 3;
/// Digits of patient-years.
pub(crate) const YEARS_DIGITS: u8 = 4;
/// The confidence level of every interval.
pub(crate) const LEVEL: Confidence = Confidence::NINETY_FIVE;
pub(crate) const LEVEL_TEXT: &str = "0.95";

/// A confidence interval, in the unit of the estimate it stands beside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interval {
    /// How it was made: `clopper-pearson`, `wilson`, `exact-poisson`.
    pub method: String,
    /// The confidence level, such as `0.95`, two-sided.
    pub level: String,
    /// Lower limit.
    pub lower: String,
    /// Upper limit.
    pub upper: String,
}

impl Interval {
    pub(crate) fn new(method: &str, interval: stats::Interval, digits: u8) -> Result<Self, ReportError> {
        Ok(Self {
            method: method.to_owned(),
            level: LEVEL_TEXT.to_owned(),
            lower: number(interval.lower, digits)?,
            upper: number(interval.upper, digits)?,
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
    /// Its stable id, such as `any`.
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
pub(crate) struct Meaning<'a> {
    pub(crate) id: String,
    pub(crate) label: String,
    pub(crate) population: &'a str,
    pub(crate) definition: &'a str,
    pub(crate) denominator_rule: &'a str,
}

impl Figure {
    pub(crate) fn new(
        meaning: Meaning<'_>,
        numerator: u64,
        denominator: u64,
        imputed: u64,
    ) -> Result<Self, ReportError> {
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
            let percent = |interval: stats::Interval| interval.times(100);
            figure.percent = Some(number(100.0 * share.estimate(), PERCENT_DIGITS)?);
            figure.intervals = vec![
                Interval::new("clopper-pearson", percent(share.clopper_pearson(LEVEL)), PERCENT_DIGITS)?,
                Interval::new("wilson", percent(share.wilson(LEVEL)), PERCENT_DIGITS)?,
            ];
            if numerator == 0 {
                let rule_of_three =
                    share.rule_of_three().map(|bound| number(100.0 * bound, RATE_DIGITS)).transpose()?;
                figure.no_events = Some(NoEvents {
                    one_sided_upper_percent: number(100.0 * share.upper_bound(LEVEL), RATE_DIGITS)?,
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
    /// Its stable id, such as `any.rate`.
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
    pub(crate) fn new(
        meaning: Meaning<'_>,
        time: &str,
        events: u64,
        days: u64,
        imputed: u64,
    ) -> Result<Self, ReportError> {
        let years = stats::rate::person_years(days);
        let mut rate = Self {
            id: meaning.id,
            label: meaning.label,
            events,
            days,
            patient_years: number(years, YEARS_DIGITS)?,
            per_100_patient_years: None,
            intervals: Vec::new(),
            time: time.to_owned(),
            population: meaning.population.to_owned(),
            definition: meaning.definition.to_owned(),
            denominator_rule: meaning.denominator_rule.to_owned(),
            imputed,
        };
        if days > 0 {
            let estimate = stats::rate::Rate::new(events, years)?;
            rate.per_100_patient_years = Some(number(100.0 * estimate.estimate(), RATE_DIGITS)?);
            rate.intervals =
                vec![Interval::new("exact-poisson", estimate.exact(LEVEL).times(100), RATE_DIGITS)?];
        }
        Ok(rate)
    }
}

/// A number as the report writes it.
pub(crate) fn number(value: f64, digits: u8) -> Result<String, ReportError> {
    Ok(decimal(value, digits)?)
}
