//! The stopping rule: the boundary of the trial's definition beside what was observed, in the order of infusion.

use clinical::date::days_between;
use clinical::definitions::rule::StoppingEvent;
use clinical::definitions::{Definitions, Kind};
use clinical::{Date, PartialDate};
use serde::{Deserialize, Serialize};
use stats::stopping::{StoppingError, StoppingRule};

use crate::case::Case;
use crate::rows::Relation;
use crate::subject::Subject;

/// The stopping rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoppingSection {
    /// Id of the definition.
    pub definition: String,
    /// It in words.
    pub text: String,
    /// The event, as the definition names it: each subject counts once.
    pub event: String,
    /// Days from first infusion in which it counts.
    pub window_days: u32,
    /// The prior Beta(`alpha`, `beta`).
    pub prior_alpha: String,
    /// See `prior_alpha`.
    pub prior_beta: String,
    /// The rate that is borne.
    pub rate: String,
    /// The certainty from which on it stops.
    pub probability: String,
    /// Who is counted, in words.
    pub denominator_rule: String,
    /// Subjects with a complete window.
    pub subjects: u64,
    /// Of them, with the event.
    pub events: u64,
    /// The fewest events that would stop now; absent if none could.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events_to_stop: Option<u64>,
    /// The probability now that the rate is exceeded, 6 digits.
    pub probability_now: String,
    /// Subjects whose window is not over at the cutoff: not counted.
    pub incomplete: u64,
    /// Of them, those who had the event already.
    pub incomplete_with_event: u64,
    /// Subjects lost to observation within the window without an event: not counted.
    pub not_observed: u64,
    /// Treated subjects without a certain day of first infusion: not counted.
    pub without_day: u64,
    /// The first crossing, in the order of infusion; absent if the boundary was never reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_crossing: Option<Crossing>,
    /// Among how many subjects each observed event was the latest, in the order of infusion: the steps of what was
    /// observed.
    pub event_subjects: Vec<u64>,
    /// The boundary up to everybody treated, with what was observed at the end of each row.
    pub boundary: Vec<StoppingRow>,
}

/// Where the boundary was reached first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Crossing {
    /// Among so many subjects.
    pub subjects: u64,
    /// With so many events.
    pub events: u64,
    /// The last of them.
    pub subject: String,
    /// Whose first infusion was on that day.
    pub infused_on: String,
}

/// A row of the boundary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoppingRow {
    /// So many events stop.
    pub events: u64,
    /// From so many subjects on.
    pub subjects_first: u64,
    /// Up to so many.
    pub subjects_last: u64,
    /// The most events observed at any of these numbers of subjects; absent if they are not reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<u64>,
}

const RULE: &str = "treated subjects in the order of first infusion whose window is over at the cutoff and who were \
                    followed through it, died or had the event";

/// Digits of a probability.
const DIGITS: u8 = stats::figure::PROBABILITY_DIGITS;

/// One subject in the order of infusion.
struct Counted<'a> {
    subject: &'a Subject,
    day_0: Date,
    event: bool,
}

pub(crate) fn stopping(
    subjects: &[Subject],
    definitions: &Definitions,
    cutoff: Date,
) -> Result<Option<StoppingSection>, crate::ReportError> {
    let chosen = definitions.chosen_or_shipped(Kind::Stopping);
    let Some(rule) = chosen.rule.stopping() else { return Ok(None) };
    let boundary = StoppingRule::new(
        rule.prior_alpha.to_f64(),
        rule.prior_beta.to_f64(),
        rule.rate.to_f64(),
        rule.probability.to_f64(),
    )?;
    let (mut incomplete, mut incomplete_with_event, mut not_observed, mut without_day) = (0, 0, 0, 0);
    let mut counted = Vec::new();
    for subject in subjects.iter().filter(|subject| subject.treated()) {
        let Some((day_0, followed)) = subject.followed else {
            without_day += 1;
            continue;
        };
        let event = has_event(subject, day_0, rule.event, rule.window_days);
        if i64::from(days_between(day_0, cutoff)) < i64::from(rule.window_days) {
            incomplete += 1;
            incomplete_with_event += u64::from(event);
        } else if event || followed >= rule.window_days || subject.death.is_some() {
            counted.push(Counted { subject, day_0, event });
        } else {
            not_observed += 1;
        }
    }
    counted.sort_by(|one, other| (one.day_0, &one.subject.id).cmp(&(other.day_0, &other.subject.id)));
    let observed = observed(&counted);
    let now = observed.last().copied().unwrap_or_default();
    Ok(Some(StoppingSection {
        definition: chosen.id.to_string(),
        text: chosen.text.clone(),
        event: name(rule.event).to_owned(),
        window_days: rule.window_days,
        prior_alpha: rule.prior_alpha.to_string(),
        prior_beta: rule.prior_beta.to_string(),
        rate: rule.rate.to_string(),
        probability: rule.probability.to_string(),
        denominator_rule: RULE.to_owned(),
        subjects: counted.len() as u64,
        events: now,
        events_to_stop: boundary.boundary(counted.len() as u64)?,
        probability_now: stats::decimal(boundary.probability_above(now, counted.len() as u64)?, DIGITS)?,
        incomplete,
        incomplete_with_event,
        not_observed,
        without_day,
        first_crossing: first_crossing(boundary, &counted, &observed)?,
        event_subjects: (1..)
            .zip(&counted)
            .filter(|(_, one)| one.event)
            .map(|(subjects, _)| subjects)
            .collect(),
        boundary: rows(boundary, subjects, &observed),
    }))
}

/// The events among the first subject, the first two, and so on.
fn observed(counted: &[Counted<'_>]) -> Vec<u64> {
    let sum = |sum: &mut u64, one: &Counted<'_>| {
        *sum += u64::from(one.event);
        Some(*sum)
    };
    counted.iter().scan(0, sum).collect()
}

fn first_crossing(
    boundary: StoppingRule,
    counted: &[Counted<'_>],
    observed: &[u64],
) -> Result<Option<Crossing>, StoppingError> {
    for ((one, events), subjects) in counted.iter().zip(observed).zip(1_u64..) {
        // Only an event can reach the boundary, which never goes down.
        if one.event && boundary.boundary(subjects)?.is_some_and(|stops| *events >= stops) {
            let infused_on = PartialDate::Day(one.day_0).to_string();
            let subject = one.subject.id.clone();
            return Ok(Some(Crossing { subjects, events: *events, subject, infused_on }));
        }
    }
    Ok(None)
}

fn rows(boundary: StoppingRule, subjects: &[Subject], observed: &[u64]) -> Vec<StoppingRow> {
    let treated = subjects.iter().filter(|subject| subject.treated()).count();
    let rows = boundary.rows(u32::try_from(treated).unwrap_or(u32::MAX));
    let at = |first: u64, last: u64| {
        let place = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let last = place(last).min(observed.len());
        (place(first) <= last).then(|| observed[last - 1])
    };
    rows.into_iter()
        .map(|row| StoppingRow {
            events: row.events,
            subjects_first: row.subjects_first,
            subjects_last: row.subjects_last,
            observed: at(row.subjects_first, row.subjects_last),
        })
        .collect()
}

fn has_event(subject: &Subject, day_0: Date, event: StoppingEvent, window_days: u32) -> bool {
    let within = |day: Date| i64::from(days_between(day_0, day)) <= i64::from(window_days);
    let related = |case: &Case| case.relation() != Relation::Unrelated;
    let is = |case: &&Case| match event {
        StoppingEvent::Death => false,
        StoppingEvent::Related => related(case),
        StoppingEvent::Serious => case.is_serious(),
        StoppingEvent::SeriousRelated => case.is_serious() && related(case),
    };
    if event == StoppingEvent::Death {
        return subject.death.as_ref().is_some_and(|death| within(death.on));
    }
    subject
        .cases
        .iter()
        .filter(is)
        .any(|case| case.emergence.is_emergent() && case.day_of(day_0) <= window_days)
}

fn name(event: StoppingEvent) -> &'static str {
    match event {
        StoppingEvent::Death => "death",
        StoppingEvent::Related => "related",
        StoppingEvent::Serious => "serious",
        StoppingEvent::SeriousRelated => "serious_related",
    }
}
