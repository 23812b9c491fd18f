//! What a report counts that an earlier one did not: the interval beside what is cumulative.
//!
//! Both are read from rows by the same rules. An event is known by the first records of its reports, so one that the
//! earlier report counted elsewhere (not serious then, or of no class) is new where it stands now.

use std::collections::BTreeSet;

use chain::RecordHash;
use clinical::report::Covered;
use serde::{Deserialize, Serialize};

use crate::case::Case;
use crate::subject::Subject;

/// What an earlier report counted.
pub struct Earlier {
    pub(crate) subjects: Vec<Subject>,
    pub(crate) covered: Covered,
    /// Its cutoff, as written.
    pub(crate) cutoff: String,
}

/// The earlier report that new events and subjects are counted against.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SinceEarlier {
    /// The data cut of these records and this day, if the covered records have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut: Option<String>,
    /// How many records it covers.
    pub records: u64,
    /// Hash of the last.
    pub head: RecordHash,
    /// Up to which day it counts.
    pub cutoff: String,
}

/// What an earlier report counted in one cell.
#[derive(Debug, Default)]
pub(crate) struct Counted<'a> {
    subjects: BTreeSet<&'a str>,
    /// First records of the reports of its events.
    records: BTreeSet<u64>,
}

impl<'a> Counted<'a> {
    pub(crate) fn add(&mut self, subject: &'a Subject, case: &Case) {
        self.subjects.insert(&subject.id);
        self.records.extend(&case.roots);
    }
}

/// Counts what is new in one cell.
#[derive(Debug, Default)]
pub(crate) struct Fresh<'a> {
    before: Counted<'a>,
    events: u64,
    subjects: BTreeSet<&'a str>,
    /// Of `subjects`, those who were counted before, under whatever pseudonym.
    known: BTreeSet<&'a str>,
}

impl<'a> Fresh<'a> {
    pub(crate) fn of(before: Counted<'a>) -> Self {
        Self { before, ..Self::default() }
    }

    /// Takes in an event that is counted now.
    pub(crate) fn add(&mut self, subject: &'a Subject, case: &Case) {
        let known = case.roots.iter().any(|root| self.before.records.contains(root));
        self.events += u64::from(!known);
        self.subjects.insert(&subject.id);
        if known || self.before.subjects.contains(subject.id.as_str()) {
            self.known.insert(&subject.id);
        }
    }

    /// Events that were not counted before.
    pub(crate) fn events(&self) -> u64 {
        self.events
    }

    /// Subjects who were not counted before.
    pub(crate) fn subjects(&self) -> u64 {
        (self.subjects.len() - self.known.len()) as u64
    }
}

/// New events and new subjects of one cell; `None` where nothing is counted against.
pub(crate) fn fresh<'a>(
    subjects: &'a [Subject],
    before: Option<&'a [Subject]>,
    is: impl Fn(&Case) -> bool,
) -> Option<Fresh<'a>> {
    let mut counted = Counted::default();
    each(before?, &is, |subject, case| counted.add(subject, case));
    let mut fresh = Fresh::of(counted);
    each(subjects, &is, |subject, case| fresh.add(subject, case));
    Some(fresh)
}

/// Hands over each event that is so, with its subject.
pub(crate) fn each<'a>(
    subjects: &'a [Subject],
    is: impl Fn(&Case) -> bool,
    mut take: impl FnMut(&'a Subject, &'a Case),
) {
    for subject in subjects {
        subject.cases.iter().filter(|case| is(case)).for_each(|case| take(subject, case));
    }
}
