//! How long subjects were followed, and what was not counted.

use serde::{Deserialize, Serialize};
use stats::DAYS_PER_MONTH;
use stats::decimal;
use stats::figure::YEARS_DIGITS;
use stats::rate::person_years;
use stats::summary::Summary;
use stats::survival::KaplanMeier;

use crate::course::Course;
use crate::report::ReportError;
use crate::survival::observations;

/// What was recorded and is not in the figures, each counted. Nothing is left out in silence.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exclusions {
    /// Facts certainly dated after the cutoff. As contacts they still show that follow-up reached it.
    pub after_cutoff: u64,
    /// Facts dated after a withdrawal whose scope they are outside of.
    pub outside_consent: u64,
    /// Things whose latest version is that they never held.
    pub voided_things: u64,
    /// Things counted by a later version than their first; the voided are among them.
    pub amended_things: u64,
    /// Contacts dated after the subject's death: they do not extend follow-up.
    pub contacts_after_death: u64,
    /// Relapses dated after the subject's death.
    pub relapses_after_death: u64,
    /// Relapses dated before the first infusion.
    pub relapses_before_infusion: u64,
    /// Responses and scores of visits without a full date: they cannot be placed.
    pub judgements_without_day: u64,
    /// Visits that were missed and yet carry a relapse, a response or a score.
    pub judgements_of_missed_visits: u64,
    /// Measurements without a full date, or of visits without one.
    pub measurements_without_day: u64,
    /// Observations reported as something else than a number in a UCUM unit: a word, a bound, another unit.
    pub measurements_without_number: u64,
    /// Responses judged by another definition than the trial's.
    pub responses_by_other_definitions: u64,
    /// Relapses judged by another definition than the trial's.
    pub relapses_by_other_definitions: u64,
    /// Judgements of relapses by somebody whose judgement the trial's definition does not ask for.
    pub relapses_by_other_judges: u64,
    /// Relapses without an earlier response, where the trial's definition asks for one.
    pub relapses_without_response: u64,
}

/// How long the infused were followed: from day 0 to death, last contact or cutoff.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FollowUp {
    /// The population.
    pub population: String,
    /// How many subjects.
    pub subjects: u64,
    /// Days in all.
    pub days: u64,
    /// Years of 365.25 days in all, 4 digits.
    pub patient_years: String,
    /// Mean, in days, 3 digits; absent if nobody was followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_days: Option<String>,
    /// Mean, in months of 30.4375 days, 2 digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_months: Option<String>,
    /// Median of the times themselves, in days, 1 digit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub median_days: Option<String>,
    /// Median by the reverse Kaplan-Meier curve, in days; absent if it is not reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reverse_kaplan_meier_median_days: Option<u64>,
    /// The same in months, 2 digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reverse_kaplan_meier_median_months: Option<String>,
    /// Shortest and longest, in days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range_days: Option<(u64, u64)>,
    /// How many last contacts completed a partial date.
    pub imputed: u64,
}

pub(crate) const INFUSED: &str = "Infused, day of first infusion certain";

pub(crate) fn follow_up(courses: &[Course]) -> Result<FollowUp, ReportError> {
    let followed: Vec<_> = courses.iter().filter_map(Course::analysable).collect();
    let times: Vec<i64> = followed.iter().map(|one| i64::from(one.days)).collect();
    let days: u64 = followed.iter().map(|one| u64::from(one.days)).sum();
    let mut section = FollowUp {
        population: INFUSED.to_owned(),
        subjects: followed.len() as u64,
        days,
        patient_years: decimal(person_years(days), YEARS_DIGITS)?,
        mean_days: None,
        mean_months: None,
        median_days: None,
        reverse_kaplan_meier_median_days: None,
        reverse_kaplan_meier_median_months: None,
        range_days: None,
        imputed: followed.iter().filter(|one| one.end_imputed).count() as u64,
    };
    if let Ok(summary) = Summary::of_integers(&times) {
        section.mean_days = Some(decimal(summary.mean, 3)?);
        section.mean_months = Some(decimal(summary.mean / DAYS_PER_MONTH, 2)?);
        section.median_days = Some(decimal(summary.median, 1)?);
        let day = |time: Option<u32>| u64::from(time.unwrap_or_default());
        section.range_days = Some((
            day(followed.iter().map(|one| one.days).min()),
            day(followed.iter().map(|one| one.days).max()),
        ));
        let median = KaplanMeier::fit_reverse(&observations(courses))?.median();
        section.reverse_kaplan_meier_median_days = median.map(u64::from);
        section.reverse_kaplan_meier_median_months =
            median.map(|days| decimal(f64::from(days) / DAYS_PER_MONTH, 2)).transpose()?;
    }
    Ok(section)
}
