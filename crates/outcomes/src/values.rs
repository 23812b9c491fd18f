//! Values that visits state, each with what it measures and when. Which of them stand in a table is not said here.

use std::collections::BTreeMap;

use clinical::sledai::{Descriptor, Presence};
use clinical::{Date, Decimal, PartialDate};

use crate::facts::{Dated, VisitFact};
use crate::followup::Exclusions;

/// What is measured, by which method, in which unit.
#[derive(Debug)]
pub(crate) struct Term {
    pub(crate) measure: String,
    pub(crate) method: Option<String>,
    pub(crate) unit: String,
}

/// Each term once, so that a value need not carry its own.
#[derive(Debug)]
pub(crate) struct Terms {
    /// Those of the members of a visit.
    pub(crate) own: OwnTerms,
    /// By what is measured: the numbers of its terms.
    numbers: BTreeMap<String, Vec<usize>>,
    pub(crate) known: Vec<Term>,
    /// Names of planned visits.
    pub(crate) visits: BTreeMap<String, usize>,
}

impl Terms {
    /// The term's number, in the order in which terms came.
    pub(crate) fn number(&mut self, measure: &str, method: Option<&str>, unit: &str) -> usize {
        let numbers = self.numbers.get(measure);
        let is_it = |term: &Term| term.method.as_deref() == method && term.unit == unit;
        if let Some(number) =
            numbers.into_iter().flatten().find(|number| self.known.get(**number).is_some_and(is_it))
        {
            return *number;
        }
        let number = self.known.len();
        self.known.push(Term {
            measure: measure.to_owned(),
            method: method.map(str::to_owned),
            unit: unit.to_owned(),
        });
        self.numbers.entry(measure.to_owned()).or_default().push(number);
        number
    }

    /// The number of a planned visit's name.
    pub(crate) fn visit(&mut self, name: &str) -> usize {
        if let Some(number) = self.visits.get(name) {
            return *number;
        }
        let number = self.visits.len();
        self.visits.insert(name.to_owned(), number);
        number
    }
}

/// Numbers of what visits state in members of their own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OwnTerms {
    sledai_total: usize,
    sledai_clinical: usize,
    pga: usize,
    prednisone: usize,
}

impl Default for Terms {
    fn default() -> Self {
        let mut terms = Self {
            own: OwnTerms { sledai_total: 0, sledai_clinical: 0, pga: 0, prednisone: 0 },
            numbers: BTreeMap::new(),
            known: Vec::new(),
            visits: BTreeMap::new(),
        };
        let mut own = |measure: &str, unit: &str| terms.number(measure, None, unit);
        terms.own = OwnTerms {
            sledai_total: own("sledai_total", "1"),
            sledai_clinical: own("sledai_clinical", "1"),
            pga: own("pga", "1"),
            prednisone: own("prednisone_mg_per_day", "mg/d"),
        };
        terms
    }
}

/// What a visit measured, by full dates, up to the cutoff. A score has a value if all that it sums was examined.
pub(crate) fn values(
    visit: &Dated<VisitFact>,
    cutoff: Date,
    own: OwnTerms,
    excluded: &mut Exclusions,
) -> Vec<Measured> {
    let what = &visit.what;
    let mut values = Vec::new();
    if let Some(items) = what.sledai {
        let done = |item: &Descriptor| items.presence(*item) != Presence::NotDone;
        let score = items.score();
        let total = Descriptor::ALL.iter().all(done).then(|| Scaled::of_score(score.total));
        let clinical = Descriptor::ALL.iter().filter(|item| item.is_clinical()).all(done);
        values.push((own.sledai_total, total, visit.on));
        values.push((own.sledai_clinical, clinical.then(|| Scaled::of_score(score.clinical)), visit.on));
    }
    let members = [(own.pga, &what.pga), (own.prednisone, &what.prednisone)];
    values.extend(
        members
            .into_iter()
            .filter_map(|(term, value)| Some((term, Some(Scaled::of(value.as_ref()?)), visit.on))),
    );
    let observed = what.measured.iter();
    values.extend(observed.map(|(term, value, on)| (*term, Some(Scaled::of(value)), on.unwrap_or(visit.on))));
    let visit = what.planned.map(|name| (name, visit.on));
    let mut placed = Vec::new();
    for (term, value, on) in values {
        match on.day() {
            Some(on) if on > cutoff => excluded.after_cutoff += u64::from(value.is_some()),
            Some(on) => placed.push(Measured { term, on, value, visit }),
            None => excluded.measurements_without_day += u64::from(value.is_some()),
        }
    }
    placed
}

/// A value on a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Measured {
    /// Its number among the [`Terms`].
    pub(crate) term: usize,
    pub(crate) on: Date,
    /// `None`: a score that was taken and is not complete.
    pub(crate) value: Option<Scaled>,
    /// The planned visit that it is of, by name, and when that was.
    pub(crate) visit: Option<(usize, PartialDate)>,
}

/// Digits that a value may have after its point.
const SCALE_DIGITS: u8 = 9;
pub(crate) const SCALE: i128 = 1_000_000_000;

/// A decimal in units of 10^-9, and how many digits it was stated with. A stated decimal has at most 18 digits before its
/// point and 9 after, so it fits, and differences are exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scaled {
    pub(crate) units: i128,
    pub(crate) digits: u8,
}

impl Scaled {
    pub(crate) fn of(value: &Decimal) -> Self {
        let (whole, fraction) = value.as_str().split_once('.').unwrap_or((value.as_str(), ""));
        let digits = u8::try_from(fraction.len()).unwrap_or(SCALE_DIGITS).min(SCALE_DIGITS);
        let number = whole.bytes().chain(fraction.bytes()).filter(u8::is_ascii_digit);
        let units = number.fold(0_i128, |units, digit| 10 * units + i128::from(digit - b'0'))
            * 10_i128.pow(u32::from(SCALE_DIGITS - digits));
        Self { units: if whole.starts_with('-') { -units } else { units }, digits }
    }

    pub(crate) fn of_score(score: u16) -> Self {
        Self { units: i128::from(score) * SCALE, digits: 0 }
    }
}

/// The nearest double: equal numbers give equal doubles, so that ties stay ties.
pub(crate) fn double(units: i128) -> f64 {
    units as f64 / SCALE as f64
}
