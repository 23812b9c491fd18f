//! How long after an infusion treatment-emergent events began.

use clinical::Date;
use clinical::date::days_between;
use serde::{Deserialize, Serialize};

use crate::case::{Case, Emergence};
use crate::subject::{Infusion, Subject};

/// Seconds of a day.
const DAY_SECONDS: i64 = 86_400;

/// A class of time since the latest infusion before onset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimingClass {
    /// Up to 24 hours, by times.
    Within24Hours,
    /// On the infusion's day or the next, without times: counted with those of 24 hours.
    OneDayTimeUnknown,
    /// More than a day, up to 7.
    Days2To7,
    /// More than 7 days, up to 30.
    Days8To30,
    /// More than 30 days, up to 100.
    Days31To100,
    /// More than 100 days.
    DaysOver100,
    /// Began before treatment and worsened under it.
    Worsened,
    /// No onset is known, or no day of infusion to count from.
    Undetermined,
}

/// Treatment-emergent events of one class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timing {
    /// The class.
    pub class: TimingClass,
    /// Subjects with at least one event of it.
    pub subjects: u64,
    /// Events.
    pub events: u64,
}

const CLASSES: [TimingClass; 8] = [
    TimingClass::Within24Hours,
    TimingClass::OneDayTimeUnknown,
    TimingClass::Days2To7,
    TimingClass::Days8To30,
    TimingClass::Days31To100,
    TimingClass::DaysOver100,
    TimingClass::Worsened,
    TimingClass::Undetermined,
];

pub(crate) fn timing(subjects: &[Subject]) -> Vec<Timing> {
    CLASSES
        .into_iter()
        .map(|class| {
            let mut row = Timing { class, subjects: 0, events: 0 };
            for subject in subjects {
                let events = subject
                    .cases
                    .iter()
                    .filter(|case| {
                        case.emergence.is_emergent() && class_of(case, &subject.infusions) == class
                    })
                    .count() as u64;
                row.events += events;
                row.subjects += u64::from(events > 0);
            }
            row
        })
        .collect()
}

fn class_of(case: &Case, infusions: &[Infusion]) -> TimingClass {
    if case.emergence == Emergence::Worsened {
        return TimingClass::Worsened;
    }
    let first = infusions.first().and_then(|first| first.on.day());
    // Of a partial date the day of first infusion if it is among those possible, else the first of them (`impute-1`): an
    // event that emerged did not end before it.
    let imputed = |on: clinical::PartialDate| first.map(|first| on.earliest().max(first));
    let onset = case.on.and_then(|on| on.day().or_else(|| imputed(on)));
    onset
        .and_then(|onset| since_infusion(onset, case.at, infusions))
        .map_or(TimingClass::Undetermined, |(class, _)| class)
}

/// The class of an onset on that day, in seconds of UTC where the time is known, and the infusion it counts from by its
/// place; `None` if none certainly started before.
pub(crate) fn since_infusion(
    onset: Date,
    at: Option<i64>,
    infusions: &[Infusion],
) -> Option<(TimingClass, usize)> {
    let before = |infusion: &Infusion, start: Date| match (at, infusion.at) {
        (Some(at), Some(start)) => start <= at,
        _ => start <= onset,
    };
    let (place, latest, start) = infusions
        .iter()
        .enumerate()
        .filter_map(|(place, infusion)| Some((place, infusion, infusion.on.day()?)))
        .filter(|(_, infusion, start)| before(infusion, *start))
        .max_by_key(|(_, infusion, start)| (*start, infusion.at))?;
    let class = match days_between(start, onset) {
        ..=1 => match (at, latest.at) {
            (Some(at), Some(start)) if at - start <= DAY_SECONDS => TimingClass::Within24Hours,
            (Some(_), Some(_)) => TimingClass::Days2To7,
            _ => TimingClass::OneDayTimeUnknown,
        },
        2..=7 => TimingClass::Days2To7,
        8..=30 => TimingClass::Days8To30,
        31..=100 => TimingClass::Days31To100,
        _ => TimingClass::DaysOver100,
    };
    Some((class, place))
}
