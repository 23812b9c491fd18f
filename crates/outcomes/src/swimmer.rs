//! Each subject's course for drawing: a lane from first infusion to the end of follow-up, with what happened on it.

use clinical::Date;
use clinical::data::RemissionStatus;
use clinical::date::days_between;
use serde::{Deserialize, Serialize};

use crate::course::{Course, Standing};
use crate::followup::INFUSED;
use crate::survival::date;

/// Courses of subjects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SwimmerSection {
    /// The population.
    pub population: String,
    /// Subjects of it.
    pub subjects: u64,
    /// One a subject, the longest followed first; of as long followed by subject. The first thousand of them: nobody sees more
    /// in a drawing, and a report is not a copy of the log.
    pub lanes: Vec<Lane>,
}

/// One subject's course. Days are counted from first infusion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lane {
    /// The subject.
    pub subject: String,
    /// Its site.
    pub site: String,
    /// The day of first infusion.
    pub day_0: String,
    /// Days of infusions, ascending; those without a full date are left out. Empty where the trial has arms, which how
    /// often a subject was treated might tell apart.
    pub infusions: Vec<i64>,
    /// Judged responses in the order of their days: the committee's where there is one.
    pub responses: Vec<LaneResponse>,
    /// Days of relapses, ascending.
    pub relapses: Vec<i64>,
    /// Last day of follow-up.
    pub end: i64,
    /// Why it ends there: `died`, `withdrawn`, `lost`, `completed`, `discontinued` or `in_follow_up`.
    pub ended: Standing,
}

/// A response on a day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LaneResponse {
    /// The day.
    pub day: i64,
    /// The status.
    pub status: RemissionStatus,
    /// Whether a committee judged it.
    pub adjudicated: bool,
}

/// Courses listed.
const LANES_MAX: usize = 1_000;

pub(crate) fn swimmer(courses: &[Course], arms: bool) -> SwimmerSection {
    let mut lanes: Vec<Lane> = courses.iter().filter_map(|course| lane(course, arms)).collect();
    lanes.sort_by(|one, other| (other.end, &one.subject).cmp(&(one.end, &other.subject)));
    let subjects = lanes.len() as u64;
    lanes.truncate(LANES_MAX);
    SwimmerSection { population: INFUSED.to_owned(), subjects, lanes }
}

fn lane(course: &Course, arms: bool) -> Option<Lane> {
    let followed = course.analysable()?;
    let day = |on: Date| i64::from(days_between(followed.day_0, on));
    let mut responses: Vec<LaneResponse> = followed
        .responses
        .counting()
        .map(|(one, adjudicated)| LaneResponse { day: day(one.on), status: one.status, adjudicated })
        .collect();
    responses.sort_by_key(|response| (response.day, crate::judgement::favour(response.status)));
    let mut infusions: Vec<i64> = course.infusions.iter().filter(|_| !arms).map(|on| day(*on)).collect();
    infusions.sort_unstable();
    Some(Lane {
        subject: course.subject.clone(),
        site: course.site.clone(),
        day_0: date(followed.day_0),
        infusions,
        responses,
        relapses: followed.relapses.iter().map(|relapse| day(relapse.on)).collect(),
        end: i64::from(followed.days),
        ended: course.standing,
    })
}
