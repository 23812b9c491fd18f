//! Remission at the anniversaries of first infusion.

use clinical::Date;
use clinical::data::RemissionStatus;
use clinical::date::days_between;
use serde::{Deserialize, Serialize};
use stats::figure::{Figure, Meaning};

use crate::count;
use crate::course::{Course, Followed};
use crate::flow::YEARS;
use crate::report::ReportError;

/// How many days from the anniversary a visit may lie.
pub(crate) const WINDOW_DAYS: i32 = 60;

/// Remission as the investigators judged it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemissionSection {
    /// Id of the definition of remission; responses by another are not counted.
    pub definition: String,
    /// Days before and after the anniversary within which the nearest visit counts; of two as near the later.
    pub window_days: u64,
    /// Whose judgement: `investigator`.
    pub judged_by: String,
    /// At 1 to 4 years; empty if no response was ever judged.
    pub figures: Vec<RemissionFigure>,
}

/// Complete remission at an anniversary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemissionFigure {
    /// Years.
    pub years: u64,
    /// In complete remission, of the evaluable. Conditional on survival to the anniversary.
    pub figure: Figure,
    /// Of the denominator: without a judged visit within the window. Counted as not in remission.
    pub without_visit: u64,
    /// Of the denominator: judged, but the status could not be determined. Counted as not in remission.
    pub not_determinable: u64,
    /// Of the denominator: in partial remission.
    pub partial: u64,
}

pub(crate) fn remission(courses: &[Course], definition: &str) -> Result<RemissionSection, ReportError> {
    let mut section = RemissionSection {
        definition: definition.to_owned(),
        window_days: u64::from(WINDOW_DAYS.unsigned_abs()),
        judged_by: "investigator".to_owned(),
        figures: Vec::new(),
    };
    if courses.iter().filter_map(Course::analysable).all(|followed| followed.responses.is_empty()) {
        return Ok(section);
    }
    for years in 1..=YEARS {
        let statuses: Vec<Option<RemissionStatus>> = courses
            .iter()
            .filter(|course| course.evaluable(years))
            .filter_map(Course::analysable)
            .map(|followed| status_at(followed, followed.anniversary(years)))
            .collect();
        let with = |status| count(&statuses, |found| **found == status);
        let population = format!("Evaluable({years})");
        let meaning = Meaning {
            id: format!("remission.year_{years}"),
            label: format!("Complete remission at {} months", 12 * u32::from(years)),
            population: &population,
            definition,
            denominator_rule: "infused, alive on the anniversary of first infusion, last contact on or after it: \
                               conditional on survival to it",
        };
        section.figures.push(RemissionFigure {
            years: u64::from(years),
            figure: Figure::new(meaning, with(Some(RemissionStatus::Complete)), statuses.len() as u64, 0)?,
            without_visit: with(None),
            not_determinable: with(Some(RemissionStatus::NotDeterminable)),
            partial: with(Some(RemissionStatus::Partial)),
        });
    }
    Ok(section)
}

/// The status at the judged visit nearest to the day. Where two of one day disagree, the less favourable counts, so
/// that it does not matter which was recorded first.
fn status_at(followed: &Followed, due: Date) -> Option<RemissionStatus> {
    let favour = |status: RemissionStatus| match status {
        RemissionStatus::NotDeterminable => 0,
        RemissionStatus::None => 1,
        RemissionStatus::Partial => 2,
        RemissionStatus::Complete => 3,
    };
    followed
        .responses
        .iter()
        .map(|(day, status)| (days_between(due, *day), *status))
        .filter(|(offset, _)| offset.abs() <= WINDOW_DAYS)
        .min_by_key(|(offset, status)| (offset.abs(), *offset < 0, favour(*status)))
        .map(|(_, status)| status)
}
