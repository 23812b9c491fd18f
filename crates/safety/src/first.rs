//! Time to the first event: cumulative incidence with death competing, by Aalen and Johansen.

use serde::{Deserialize, Serialize};
use stats::competing::{AalenJohansen, Observation};
use stats::figure::{Figure, Interval, LEVEL, Meaning, PROBABILITY_DIGITS};
use stats::{DAYS_PER_MONTH, decimal};

use crate::case::Case;
use crate::incidence::FOLLOWED;
use crate::report::ReportError;
use crate::rows::Relation;
use crate::subject::Subject;

/// The first treatment-emergent event of one kind, in the safety set with a certain day of first infusion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FirstEvent {
    /// `any`, `serious`, `severe` or `related`.
    pub id: String,
    /// In words.
    pub label: String,
    /// Subjects with the event before death, of all followed: crude, since follow-up differs. Its bound where there was none.
    pub subjects: Figure,
    /// Subjects who died without it.
    pub deaths_first: u64,
    /// Subjects followed without it to last contact or cutoff.
    pub censored: u64,
    /// At 1, 3, 6, 12 and 24 months of 30.4375 days; empty if nobody was followed.
    pub landmarks: Vec<FirstEventLandmark>,
}

/// The estimate at a landmark.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FirstEventLandmark {
    /// Months.
    pub months: u64,
    /// In days, 2 digits.
    pub days: String,
    /// Followed to then or longer without the event. Where it is 0 the estimate is that of the longest follow-up.
    pub at_risk: u64,
    /// Cumulative incidence of the event, 6 digits.
    pub event: String,
    /// Its standard error by the delta method, 6 digits.
    pub standard_error: String,
    /// On the scale of log(-log); empty where the incidence is 0 or 1, where it is undefined.
    pub intervals: Vec<Interval>,
    /// Cumulative incidence of death without the event, 6 digits.
    pub death_first: String,
    /// Neither, 6 digits; the three sum to 1.
    pub event_free: String,
}

const EVENT: u8 = 1;
const DEATH: u8 = 2;

const MONTHS: [u8; 5] = [1, 3, 6, 12, 24];

/// Id, words, definition and test of a kind of event.
type Kind = (&'static str, &'static str, &'static str, fn(&Case) -> bool);

const KINDS: [Kind; 4] = [
    ("any", "First adverse event", "any-1", |_| true),
    ("serious", "First serious event, by any criterion", "serious-derived-1", Case::is_serious),
    ("severe", "First severe event, or of grade 3 or more", "severe-1", Case::is_severe),
    (
        "related",
        "First event related to product or procedure, those not judged included",
        crate::overview::RELATED,
        |case| case.relation() != Relation::Unrelated,
    ),
];

pub(crate) fn first_events(subjects: &[Subject]) -> Result<Vec<FirstEvent>, ReportError> {
    KINDS.into_iter().map(|kind| first_event(subjects, kind)).collect()
}

fn first_event(subjects: &[Subject], (id, label, definition, is): Kind) -> Result<FirstEvent, ReportError> {
    let mut imputed = 0;
    let mut observations = Vec::new();
    for subject in subjects {
        let Some((day_0, followed)) = subject.followed else { continue };
        let first = subject
            .cases
            .iter()
            .filter(|case| case.emergence.is_emergent() && is(case))
            .map(|case| (case.day_of(day_0), case.emerged.is_none_or(|on| on.day().is_none())))
            .filter(|(day, _)| subject.may_have(*day))
            .min();
        let observation = match first {
            // Whoever dies on the day of an event had it first. One after the last contact was observed all the same.
            Some((day, completed)) => {
                imputed += u64::from(completed);
                Observation { time: day, cause: EVENT }
            }
            None if subject.death.is_some() => Observation { time: followed, cause: DEATH },
            None => Observation { time: followed, cause: 0 },
        };
        observations.push(observation);
    }
    let of = |cause| observations.iter().filter(|one| one.cause == cause).count() as u64;
    let meaning = Meaning {
        id: format!("first_event.{id}"),
        label: label.to_owned(),
        population: FOLLOWED,
        definition,
        denominator_rule: "all followed, however long",
    };
    Ok(FirstEvent {
        id: id.to_owned(),
        label: label.to_owned(),
        subjects: Figure::new(meaning, of(EVENT), observations.len() as u64, imputed)?,
        deaths_first: of(DEATH),
        censored: of(0),
        landmarks: if observations.is_empty() { Vec::new() } else { landmarks(&observations)? },
    })
}

fn landmarks(observations: &[Observation]) -> Result<Vec<FirstEventLandmark>, ReportError> {
    let estimate = AalenJohansen::fit(observations, 2)?;
    let share = |value: f64| decimal(value, PROBABILITY_DIGITS);
    let mut landmarks = Vec::new();
    for months in MONTHS {
        let day = DAYS_PER_MONTH * f64::from(months);
        let event = estimate.at(day, EVENT)?;
        let interval = event.interval(LEVEL);
        let interval = interval.map(|interval| Interval::new("log-log", interval, PROBABILITY_DIGITS));
        landmarks.push(FirstEventLandmark {
            months: u64::from(months),
            days: decimal(day, 2)?,
            at_risk: estimate.at_risk(day)? as u64,
            event: share(event.estimate())?,
            standard_error: share(event.standard_error())?,
            intervals: interval.transpose()?.into_iter().collect(),
            death_first: share(estimate.at(day, DEATH)?.estimate())?,
            event_free: share(estimate.event_free(day)?)?,
        });
    }
    Ok(landmarks)
}
