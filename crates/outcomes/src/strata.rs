//! The main outcomes by enrolling site, cell source and planned number of infusions.

use std::collections::{BTreeMap, BTreeSet};

use clinical::data::CellSource;
use serde::{Deserialize, Serialize};
use stats::figure::Figure;

use crate::course::Course;
use crate::relapse::in_year;
use crate::remission;
use crate::report::ReportError;
use crate::rules::Rules;
use crate::survival;

/// Outcomes by something that is known of each subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stratification {
    /// `site`, `source` or `planned_infusions`.
    pub by: String,
    /// How a subject comes to its level.
    pub rule: String,
    /// The population.
    pub population: String,
    /// Why no level is shown, if none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withheld: Option<String>,
    /// The levels that occur: numbers by their value, then words, what is not stated last.
    pub levels: Vec<Level>,
}

/// The infused of one level.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Level {
    /// The level: a site, a source or `mixed`, a number; `not_stated`.
    pub level: String,
    /// Infused.
    pub subjects: u64,
    /// Alive at the end of follow-up, crude.
    pub survival: Figure,
    /// Complete remission at the landmarks; empty if no response was ever judged in the trial.
    pub remission: Vec<Figure>,
    /// `RelapseInYear(k)` at the landmarks.
    pub relapse: Vec<Figure>,
}

const NOT_STATED: &str = "not_stated";

pub(crate) fn strata(
    courses: &[Course],
    rules: &Rules,
    // Where there are arms, source and dose may tell a reader which one a subject is in.
    arms: bool,
) -> Result<Vec<Stratification>, ReportError> {
    let judged = courses
        .iter()
        .any(|course| course.analysable().is_some_and(|followed| !followed.responses.is_empty()));
    let by = |by: &str, rule: &str, level: &dyn Fn(&Course) -> String, betrays: bool| {
        let mut levels: BTreeMap<Rank, Vec<&Course>> = BTreeMap::new();
        let withheld = arms && betrays;
        for course in courses.iter().filter(|course| course.infused && !withheld) {
            levels.entry(rank(level(course))).or_default().push(course);
        }
        let levels = levels.into_iter().map(|((.., level), courses)| {
            let id = format!("by_{by}.{level}");
            Ok(Level {
                subjects: courses.len() as u64,
                survival: survival::crude_alive(&courses, &format!("{id}.survival.crude"))?,
                remission: if judged { remission::by_level(&courses, &id, rules)? } else { Vec::new() },
                relapse: in_year(&courses, &format!("{id}.relapse.in_year"), rules)?,
                level,
            })
        });
        Ok::<_, ReportError>(Stratification {
            by: by.to_owned(),
            rule: rule.to_owned(),
            population: "Infused".to_owned(),
            withheld: withheld.then(|| "the trial has arms, which this would tell apart".to_owned()),
            levels: levels.collect::<Result<_, ReportError>>()?,
        })
    };
    Ok(vec![
        by("site", "the site of the earliest enrollment", &|course| course.site.clone(), false)?,
        by(
            "source",
            "tissue of the cells of all infusions up to the cutoff; mixed if there are several, which only who lived to \
             a second infusion can be",
            &source,
            true,
        )?,
        by(
            "planned_infusions",
            "infusions of the course that was planned at enrollment, whatever was given: the number given depends on \
             having lived to be given it",
            &planned,
            true,
        )?,
    ])
}

/// Where a level stands: numbers by their value, then words, what is not stated last.
type Rank = (u8, u64, String);

fn rank(level: String) -> Rank {
    match level.parse() {
        Ok(number) => (0, number, level),
        Err(_) if level == NOT_STATED => (2, 0, level),
        Err(_) => (1, 0, level),
    }
}

fn source(course: &Course) -> String {
    let mut sources = course.sources.iter().copied().collect::<BTreeSet<_>>().into_iter();
    match (sources.next(), sources.next()) {
        (None, _) => NOT_STATED,
        (Some(_), Some(_)) => "mixed",
        (Some(CellSource::BoneMarrow), None) => "bone_marrow",
        (Some(CellSource::UmbilicalCord), None) => "umbilical_cord",
        (Some(CellSource::Adipose), None) => "adipose",
        (Some(CellSource::Other), None) => "other",
    }
    .to_owned()
}

fn planned(course: &Course) -> String {
    course.planned.map_or_else(|| NOT_STATED.to_owned(), |planned| planned.to_string())
}
