//! Before treatment and beside it: screenings with their reasons, consents, and where the protocol was not followed.

use std::collections::{BTreeMap, BTreeSet};

use clinical::PartialDate;
use clinical::data::{
    ConsentOccasion, ConsentSignatory, DeviationCategory, DeviationSeverity, ScreeningResult,
};
use serde::{Deserialize, Serialize};

use crate::count;
use crate::course::Course;
use crate::facts::Facts;

/// How screening ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScreeningSection {
    /// Id of the definition: of several screenings the last counts.
    pub definition: String,
    /// The population, which is the denominator.
    pub population: String,
    /// How many subjects.
    pub subjects: u64,
    /// Of them: screened more than once.
    pub screened_again: u64,
    /// Of them: may be enrolled.
    pub passed: u64,
    /// Of them: do not enter.
    pub failed: u64,
    /// Of them: withdrew before it was decided.
    pub withdrawn: u64,
    /// Criteria that the failed did not meet, by id. One subject may fail several, so they need not sum.
    pub not_met: Vec<Criterion>,
    /// Of the failed: no criterion is named.
    pub failed_without_criterion: u64,
    /// Screened by another record only: an enrollment, a disposition or an infusion. Not in `subjects`.
    pub without_screening: u64,
}

/// A criterion that stood against enrollment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Criterion {
    /// Its id in the protocol.
    pub id: String,
    /// Subjects who did not meet it.
    pub subjects: u64,
}

/// Who consented, and to what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsentSection {
    /// Id of the definition: a first consent is one of its own, or one that screening or enrollment states.
    pub definition: String,
    /// The population, which is the denominator.
    pub population: String,
    /// How many subjects.
    pub subjects: u64,
    /// Of them: with a first consent.
    pub consented: u64,
    /// Of them: without one.
    pub missing: u64,
    /// Of them: whose first consent is certainly later than their enrollment.
    pub after_enrollment: u64,
    /// Of them: signed a newer document, or again in new circumstances.
    pub consented_again: u64,
    /// Of them: a representative signed a consent, alone or beside the subject.
    pub by_representative: u64,
    /// By the version of the document signed last, of those of whom a consent of its own is recorded.
    pub versions: Vec<DocumentVersion>,
}

/// Subjects whose latest consent is to one version of the document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DocumentVersion {
    /// The version.
    pub version: String,
    /// How many.
    pub subjects: u64,
}

/// Where the protocol was not followed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviationSection {
    /// The population.
    pub population: String,
    /// Deviations.
    pub deviations: u64,
    /// Subjects with one or more.
    pub subjects: u64,
    /// Subjects with an important one.
    pub subjects_important: u64,
    /// By category and severity, those that were seen.
    pub rows: Vec<DeviationRow>,
}

/// Deviations of one category and severity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviationRow {
    /// What was not followed.
    pub category: DeviationCategory,
    /// How much it matters.
    pub severity: DeviationSeverity,
    /// Deviations.
    pub deviations: u64,
    /// Subjects with one or more.
    pub subjects: u64,
}

/// A subject's last screening.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Screened {
    pub(crate) on: PartialDate,
    pub(crate) result: ScreeningResult,
    not_met: BTreeSet<String>,
    /// Screenings in all.
    times: usize,
}

impl Screened {
    /// Of two of one day the one that did not pass, with the criteria of both.
    pub(crate) fn last(facts: &Facts) -> Option<Self> {
        let last = facts.screenings.iter().map(|one| one.on).max_by_key(|on| (on.latest(), on.earliest()))?;
        let of_day = || facts.screenings.iter().filter(|one| one.on == last);
        let rank = |result| match result {
            ScreeningResult::Failed => 0,
            ScreeningResult::Withdrawn => 1,
            ScreeningResult::Passed => 2,
        };
        Some(Self {
            on: last,
            result: of_day().map(|one| one.what.result).min_by_key(|result| rank(*result))?,
            not_met: of_day().flat_map(|one| one.what.not_met.iter().cloned()).collect(),
            times: facts.screenings.len(),
        })
    }
}

/// What is known of a subject's consents.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a statement of its own about the subject")]
pub(crate) struct Consents {
    first: bool,
    after_enrollment: bool,
    again: bool,
    by_representative: bool,
    version: Option<String>,
}

impl Consents {
    pub(crate) fn of(facts: &Facts) -> Self {
        let own = facts.consents.iter().filter(|one| one.what.occasion == ConsentOccasion::Initial);
        let stated = facts.enrollments.iter().filter_map(|one| one.what.consent);
        let screened = facts.screenings.iter().filter_map(|one| one.what.consent);
        let days: Vec<PartialDate> = own.map(|one| one.on).chain(stated).chain(screened).collect();
        let after = |enrolled: PartialDate| days.iter().all(|day| day.certainly_after(enrolled));
        let enrolled =
            facts.enrollments.iter().map(|one| one.on).min_by_key(|on| (on.earliest(), on.latest()));
        let last = facts.consents.iter().max_by(|one, other| {
            let day = |on: PartialDate| (on.latest(), on.earliest());
            (day(one.on), &one.what.version).cmp(&(day(other.on), &other.what.version))
        });
        Self {
            first: !days.is_empty(),
            after_enrollment: !days.is_empty() && enrolled.is_some_and(after),
            again: facts.consents.iter().any(|one| one.what.occasion != ConsentOccasion::Initial),
            by_representative: facts.consents.iter().any(|one| {
                matches!(one.what.signed_by, Some(ConsentSignatory::Representative | ConsentSignatory::Both))
            }),
            version: last.map(|one| one.what.version.clone()),
        }
    }
}

pub(crate) fn screening(courses: &[Course]) -> ScreeningSection {
    let last = || courses.iter().filter_map(|course| course.screening.as_ref());
    let ended = |result| count(last(), |last| last.result == result);
    let mut not_met: BTreeMap<&str, u64> = BTreeMap::new();
    let failed = || last().filter(|last| last.result == ScreeningResult::Failed);
    for criterion in failed().flat_map(|last| &last.not_met) {
        *not_met.entry(criterion).or_default() += 1;
    }
    ScreeningSection {
        definition: "screening-1".to_owned(),
        population: "With a screening recorded".to_owned(),
        subjects: last().count() as u64,
        screened_again: count(last(), |last| last.times > 1),
        passed: ended(ScreeningResult::Passed),
        failed: ended(ScreeningResult::Failed),
        withdrawn: ended(ScreeningResult::Withdrawn),
        not_met: not_met
            .into_iter()
            .map(|(id, subjects)| Criterion { id: id.to_owned(), subjects })
            .collect(),
        failed_without_criterion: count(failed(), |last| last.not_met.is_empty()),
        without_screening: count(courses, |course| course.screened() && course.screening.is_none()),
    }
}

pub(crate) fn consent(courses: &[Course]) -> ConsentSection {
    let enrolled = || courses.iter().filter(|course| course.enrolled()).map(|course| &course.consents);
    let mut versions: BTreeMap<&str, u64> = BTreeMap::new();
    for version in enrolled().filter_map(|consents| consents.version.as_deref()) {
        *versions.entry(version).or_default() += 1;
    }
    ConsentSection {
        definition: "consent-1".to_owned(),
        population: "Enrolled".to_owned(),
        subjects: enrolled().count() as u64,
        consented: count(enrolled(), |consents| consents.first),
        missing: count(enrolled(), |consents| !consents.first),
        after_enrollment: count(enrolled(), |consents| consents.after_enrollment),
        consented_again: count(enrolled(), |consents| consents.again),
        by_representative: count(enrolled(), |consents| consents.by_representative),
        versions: versions
            .into_iter()
            .map(|(version, subjects)| DocumentVersion { version: version.to_owned(), subjects })
            .collect(),
    }
}

pub(crate) fn deviations(courses: &[Course]) -> DeviationSection {
    let mut rows: BTreeMap<(DeviationCategory, DeviationSeverity), (u64, u64)> = BTreeMap::new();
    for course in courses {
        for deviation in &course.deviations {
            rows.entry(*deviation).or_default().0 += 1;
        }
        for deviation in course.deviations.iter().collect::<BTreeSet<_>>() {
            rows.entry(*deviation).or_default().1 += 1;
        }
    }
    let important = |course: &&Course| {
        course.deviations.iter().any(|(_, severity)| *severity == DeviationSeverity::Important)
    };
    DeviationSection {
        population: "With any record".to_owned(),
        deviations: rows.values().map(|(deviations, _)| deviations).sum(),
        subjects: count(courses, |course| !course.deviations.is_empty()),
        subjects_important: count(courses, important),
        rows: rows
            .into_iter()
            .map(|((category, severity), (deviations, subjects))| DeviationRow {
                category,
                severity,
                deviations,
                subjects,
            })
            .collect(),
    }
}
