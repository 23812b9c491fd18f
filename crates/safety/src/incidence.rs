//! Incidence rates by exposure: events in patient-years, per class and term, to the first event and of all events.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use stats::figure::{Meaning, Rate};

use crate::case::Case;
use crate::report::ReportError;
use crate::subject::Subject;

/// Rates of treatment-emergent events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IncidenceSection {
    /// Treated subjects without a certain day of first infusion: they have no time at risk, and their events are not here.
    pub without_day: u64,
    /// Treatment-emergent events dated after the subject's death: in no rate here and in no estimate of a first event.
    pub after_death: u64,
    /// Of any event.
    pub any: IncidenceRow,
    /// By class: most first events first, then most events, then by name.
    pub classes: Vec<IncidenceClass>,
    /// Of events without coding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_coded: Option<IncidenceRow>,
}

/// A class with its terms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IncidenceClass {
    /// The class: of any of its terms.
    pub class: IncidenceRow,
    /// Its preferred terms, in the same order.
    pub terms: Vec<IncidenceRow>,
}

/// A class or term.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IncidenceRow {
    /// The name, as coded.
    pub name: String,
    /// Subjects with a first event, in the time to it.
    pub first: Rate,
    /// All events, in all the time.
    pub all: Rate,
}

/// Who has time at risk.
pub(crate) const FOLLOWED: &str = "Safety set, day of first infusion certain";
pub(crate) const TO_FIRST: &str =
    "days from first infusion to the first event, death, last contact or cutoff";
const ALL_DAYS: &str = "days from first infusion to death, last contact or cutoff";

/// Events of one kind.
#[derive(Default)]
pub(crate) struct Cell {
    events: u64,
    imputed: u64,
    /// By subject: the day of the first, whether that completed a date, and the days of follow-up.
    first: BTreeMap<usize, (u32, bool, u32)>,
}

impl Cell {
    fn add(&mut self, index: usize, (day, imputed): (u32, bool), followed: u32) {
        self.events += 1;
        self.imputed += u64::from(imputed);
        let first = self.first.entry(index).or_insert((day, imputed, followed));
        *first = (*first).min((day, imputed, followed));
    }

    /// Rates to the first event and of all, of `days` of follow-up in all.
    fn rates(&self, meaning: &Meaning<'_>, days: u64) -> Result<(Rate, Rate), ReportError> {
        let spared: u64 =
            self.first.values().map(|(day, _, followed)| u64::from(followed - day.min(followed))).sum();
        let of = |time: &str, denominator_rule| Meaning {
            id: format!("{}.{time}", meaning.id),
            denominator_rule,
            population: FOLLOWED,
            ..meaning.clone()
        };
        let imputed = self.first.values().filter(|(_, imputed, _)| *imputed).count() as u64;
        let first = self.first.len() as u64;
        Ok((
            Rate::new(of("first", TO_FIRST), "to_first_event", first, days - spared, imputed)?,
            Rate::new(of("all", ALL_DAYS), "all", self.events, days, self.imputed)?,
        ))
    }

    fn row(&self, id: &str, name: &str, days: u64) -> Result<IncidenceRow, ReportError> {
        let meaning = Meaning {
            id: format!("incidence.{id}"),
            label: name.to_owned(),
            population: FOLLOWED,
            definition: "any-1",
            denominator_rule: TO_FIRST,
        };
        let (first, all) = self.rates(&meaning, days)?;
        Ok(IncidenceRow { name: name.to_owned(), first, all })
    }
}

fn days(subjects: &[Subject]) -> u64 {
    subjects.iter().filter_map(|subject| subject.followed).map(|(_, days)| u64::from(days)).sum()
}

/// Hands over each treatment-emergent event in the life of who has time at risk: the subject's place, the event, the day it counts
/// from with whether that completed a date, and the subject's days of follow-up. Returns how many are dated after a death.
fn each<'a>(subjects: &'a [Subject], mut take: impl FnMut(usize, &'a Case, (u32, bool), u32)) -> u64 {
    let mut after_death = 0;
    for (index, subject) in subjects.iter().enumerate() {
        let Some((day_0, followed)) = subject.followed else { continue };
        for case in subject.cases.iter().filter(|case| case.emergence.is_emergent()) {
            let day = case.day_of(day_0);
            if subject.may_have(day) {
                take(index, case, (day, case.emerged.is_none_or(|on| on.day().is_none())), followed);
            } else {
                after_death += 1;
            }
        }
    }
    after_death
}

/// Rates to the first event and of all events that are so.
pub(crate) fn rates(
    subjects: &[Subject],
    meaning: &Meaning<'_>,
    is: impl Fn(&Case) -> bool,
) -> Result<(Rate, Rate), ReportError> {
    let mut cell = Cell::default();
    each(subjects, |index, case, day, followed| {
        if is(case) {
            cell.add(index, day, followed);
        }
    });
    cell.rates(meaning, days(subjects))
}

pub(crate) fn incidence(subjects: &[Subject]) -> Result<IncidenceSection, ReportError> {
    let mut any = Cell::default();
    let mut not_coded = Cell::default();
    let mut classes: BTreeMap<&str, (Cell, BTreeMap<&str, Cell>)> = BTreeMap::new();
    let after_death = each(subjects, |index, case, day, followed| {
        any.add(index, day, followed);
        let Some((soc, pt)) = &case.coding else { return not_coded.add(index, day, followed) };
        let (class, terms) = classes.entry(soc).or_default();
        class.add(index, day, followed);
        terms.entry(pt).or_default().add(index, day, followed);
    });
    let days = days(subjects);
    let mut rows = Vec::new();
    for (soc, (class, terms)) in &classes {
        let terms = terms.iter().map(|(pt, cell)| cell.row(&format!("term.{soc}.{pt}"), pt, days));
        let mut terms: Vec<_> = terms.collect::<Result<_, ReportError>>()?;
        terms.sort_by_key(frequency);
        rows.push(IncidenceClass { class: class.row(&format!("class.{soc}"), soc, days)?, terms });
    }
    rows.sort_by_key(|row| frequency(&row.class));
    Ok(IncidenceSection {
        without_day: subjects.iter().filter(|subject| subject.treated() && subject.followed.is_none()).count()
            as u64,
        after_death,
        any: any.row("any", "Any adverse event", days)?,
        classes: rows,
        not_coded: (not_coded.events > 0)
            .then(|| not_coded.row("not_coded", "Not coded", days))
            .transpose()?,
    })
}

/// The sorts are stable and rows come in the order of their names.
fn frequency(row: &IncidenceRow) -> impl Ord + use<> {
    (Reverse(row.first.events), Reverse(row.all.events))
}
