//! Remission at the anniversaries of first infusion.

use clinical::data::RemissionStatus;
use serde::{Deserialize, Serialize};
use stats::figure::{Figure, FigureError, Meaning};

use crate::count;
use crate::course::Course;
use crate::flow::YEARS;
use crate::judgement::{AtLandmark, Responses, WINDOW_DAYS};
use crate::report::ReportError;

/// Remission as it was judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemissionSection {
    /// Id of the definition of remission; responses by another are not counted.
    pub definition: String,
    /// Days before and after the anniversary within which the nearest visit counts; of two as near the later.
    pub window_days: u64,
    /// Whose judgement: `committee_or_investigator` where anything was adjudicated, else `investigator`.
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
    /// Of the denominator: whose status is the committee's.
    pub adjudicated: u64,
}

pub(crate) fn remission(courses: &[Course], definition: &str) -> Result<RemissionSection, ReportError> {
    let judged = || courses.iter().filter_map(Course::analysable).map(|followed| &followed.responses);
    let by_committee = judged().any(|responses| !responses.committee.is_empty());
    let mut section = RemissionSection {
        definition: definition.to_owned(),
        window_days: u64::from(WINDOW_DAYS.unsigned_abs()),
        judged_by: if by_committee { "committee_or_investigator" } else { "investigator" }.to_owned(),
        figures: Vec::new(),
    };
    if judged().all(Responses::is_empty) {
        return Ok(section);
    }
    let courses: Vec<&Course> = courses.iter().collect();
    for years in 1..=YEARS {
        let statuses = statuses(&courses, years);
        let with = |status| count(&statuses, |found| found.is_some_and(|found| found.status == status));
        section.figures.push(RemissionFigure {
            years: u64::from(years),
            figure: figure(&statuses, "remission", years, definition)?,
            without_visit: count(&statuses, |found| found.is_none()),
            not_determinable: with(RemissionStatus::NotDeterminable),
            partial: with(RemissionStatus::Partial),
            adjudicated: count(&statuses, |found| found.is_some_and(|found| found.adjudicated)),
        });
    }
    Ok(section)
}

/// Complete remission at 1 to 4 years, of these.
pub(crate) fn by_level(courses: &[&Course], id: &str, definition: &str) -> Result<Vec<Figure>, FigureError> {
    let id = format!("{id}.remission");
    (1..=YEARS).map(|years| figure(&statuses(courses, years), &id, years, definition)).collect()
}

/// The status of each who is evaluable.
fn statuses(courses: &[&Course], years: u8) -> Vec<Option<AtLandmark>> {
    courses
        .iter()
        .filter(|course| course.evaluable(years))
        .filter_map(|course| course.analysable())
        .map(|followed| followed.responses.at(years, followed.anniversary(years)))
        .collect()
}

fn figure(
    statuses: &[Option<AtLandmark>],
    id: &str,
    years: u8,
    definition: &str,
) -> Result<Figure, FigureError> {
    let population = format!("Evaluable({years})");
    let meaning = Meaning {
        id: format!("{id}.year_{years}"),
        label: format!("Complete remission at {} months", 12 * u32::from(years)),
        population: &population,
        definition,
        denominator_rule: "infused, alive on the anniversary of first infusion, last contact on or after it: \
                           conditional on survival to it",
    };
    let complete =
        count(statuses, |found| found.is_some_and(|found| found.status == RemissionStatus::Complete));
    Figure::new(meaning, complete, statuses.len() as u64, 0)
}
