//! Remission at the landmarks: as it was judged, which heads the figures, and as it is computed beside.

use clinical::data::RemissionStatus;
use clinical::definitions::rule::EvaluableRule;
use serde::{Deserialize, Serialize};
use stats::figure::{Figure, FigureError, Meaning};

use crate::computed::{self, ComputedRemission, RemissionAgreement, RemissionDifference};
use crate::count;
use crate::course::Course;
use crate::judgement::{AtLandmark, Responses};
use crate::report::ReportError;
use crate::rules::{At, Rules};

/// Remission as it was judged, and as it is computed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemissionSection {
    /// Id of the definition of remission; responses by another are not counted.
    pub definition: String,
    /// Id of the definition of the landmarks.
    pub landmarks: String,
    /// Days before and after the landmark within which the nearest visit counts; of two as near the later.
    pub window_days: u64,
    /// Whose judgement: `committee_or_investigator` where anything was adjudicated, else `investigator`.
    pub judged_by: String,
    /// At each landmark; empty if no response was ever judged.
    pub figures: Vec<RemissionFigure>,
    /// Computed by the trial's definition, if this version knows it, the shipped others and the trial's own others; empty
    /// if no visit states anything that they ask for, and without those shipped that nothing stated could decide.
    pub computed: Vec<ComputedRemission>,
    /// Judged and computed by the trial's definition.
    pub agreement: Vec<RemissionAgreement>,
    /// Each subject of whom the two differ, by landmark.
    pub differences: Vec<RemissionDifference>,
}

/// Complete remission at a landmark.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemissionFigure {
    /// The landmark, such as `year_1`.
    pub landmark: String,
    /// In words.
    pub label: String,
    /// In complete remission, of the evaluable.
    pub figure: Figure,
    /// Of the denominator: without a judged visit within the window. Counted as not in remission.
    pub without_visit: u64,
    /// Of the denominator: died by the day. Counted as not in remission; none where the rule of evaluable leaves them out.
    pub died: u64,
    /// Of the denominator: not followed to the day, or the day of first infusion is not certain, where the rule of
    /// evaluable keeps them. Counted as not in remission.
    pub not_followed: u64,
    /// Of the denominator: judged, but the status could not be determined. Counted as not in remission.
    pub not_determinable: u64,
    /// Of the denominator: in partial remission.
    pub partial: u64,
    /// Of the denominator: whose status is the committee's.
    pub adjudicated: u64,
}

/// What is known of who is evaluable at a landmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    Judged(AtLandmark),
    /// Not judged within the window.
    WithoutVisit,
    Died,
    NotFollowed,
}

impl Known {
    fn is(self, status: RemissionStatus) -> bool {
        matches!(self, Self::Judged(found) if found.status == status)
    }
}

pub(crate) fn remission(courses: &[Course], rules: &Rules) -> Result<RemissionSection, ReportError> {
    let judged = || courses.iter().filter_map(Course::analysable).map(|followed| &followed.responses);
    let by_committee = judged().any(|responses| !responses.committee.is_empty());
    let rows = computed::rows(courses, rules);
    let (agreement, differences) = computed::beside(courses, &rows, rules);
    let mut section = RemissionSection {
        definition: rules.remission_id.clone(),
        landmarks: rules.landmarks_id.clone(),
        window_days: u64::from(rules.window_days.unsigned_abs()),
        judged_by: if by_committee { "committee_or_investigator" } else { "investigator" }.to_owned(),
        figures: Vec::new(),
        computed: computed::by_definitions(courses, &rows, rules)?,
        agreement,
        differences,
    };
    if judged().all(Responses::is_empty) {
        return Ok(section);
    }
    let courses: Vec<&Course> = courses.iter().collect();
    for mark in &rules.marks {
        let known = all(&courses, mark.at, rules);
        section.figures.push(RemissionFigure {
            landmark: mark.at.id(),
            label: mark.at.label(),
            figure: figure(&known, "remission", mark.at, rules)?,
            without_visit: count(&known, |one| **one == Known::WithoutVisit),
            died: count(&known, |one| **one == Known::Died),
            not_followed: count(&known, |one| **one == Known::NotFollowed),
            not_determinable: count(&known, |one| one.is(RemissionStatus::NotDeterminable)),
            partial: count(&known, |one| one.is(RemissionStatus::Partial)),
            adjudicated: count(&known, |one| matches!(one, Known::Judged(found) if found.adjudicated)),
        });
    }
    Ok(section)
}

/// Complete remission at the landmarks, of these.
pub(crate) fn by_level(courses: &[&Course], id: &str, rules: &Rules) -> Result<Vec<Figure>, FigureError> {
    let id = format!("{id}.remission");
    let at = |at: At| figure(&all(courses, at, rules), &id, at, rules);
    rules.marks.iter().map(|mark| at(mark.at)).collect()
}

/// Of each who is evaluable.
fn all(courses: &[&Course], at: At, rules: &Rules) -> Vec<Known> {
    courses
        .iter()
        .filter(|course| course.evaluable(at, rules))
        .map(|course| known(course, at, rules))
        .collect()
}

/// Of who is evaluable. The dead and, where everybody counts, those not followed so long have no good outcome, whatever
/// was judged of them before.
pub(crate) fn known(course: &Course, at: At, rules: &Rules) -> Known {
    let Some(followed) = course.analysable() else { return Known::NotFollowed };
    let due = at.due(followed.day_0);
    if course.death.is_some_and(|death| death.on <= due) {
        return Known::Died;
    }
    if rules.evaluable.rule == EvaluableRule::AllInfused && course.end < due {
        return Known::NotFollowed;
    }
    let judged = followed.responses.at(at, due, rules.window_days);
    judged.map_or(Known::WithoutVisit, Known::Judged)
}

fn figure(known: &[Known], id: &str, at: At, rules: &Rules) -> Result<Figure, FigureError> {
    let meaning = Meaning {
        id: format!("{id}.{}", at.id()),
        label: format!("Complete remission at {}", at.curve_label()),
        population: &format!("Evaluable({})", at.argument()),
        definition: &rules.remission_id,
        denominator_rule: &rules.denominator(),
    };
    Figure::new(meaning, count(known, |one| one.is(RemissionStatus::Complete)), known.len() as u64, 0)
}
