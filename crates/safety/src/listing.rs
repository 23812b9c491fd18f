//! Events, one a line: each serious one with what both assessors made of it, and those that a section lists.

use clinical::data::{Agent, Expectedness, Outcome, Seriousness, SeverityOfEvent};
use clinical::date::days_between;
use serde::{Deserialize, Serialize};

use crate::case::Case;
use crate::rows::Relation;
use crate::subject::Subject;

/// One event, as sections list it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventLine {
    /// The subject.
    pub subject: String,
    /// Its site.
    pub site: String,
    /// System organ class, as coded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub soc: Option<String>,
    /// Preferred term, as coded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pt: Option<String>,
    /// Onset; empty if unknown.
    pub onset: String,
    /// Days from first infusion to onset; absent if either is not known to the day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub day: Option<i64>,
    /// Severity, where given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<SeverityOfEvent>,
    /// CTCAE grade, the worst.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grade: Option<u8>,
    /// Whether any criterion of seriousness holds, by either assessor.
    pub serious: bool,
    /// Relation to the product by either assessor: `related`, `unrelated` or `not_judged`.
    pub product: String,
    /// Relation to the procedure, likewise.
    pub procedure: String,
    /// Outcome.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Position of the record that first stated it.
    pub first_seq: u64,
    /// Position of the latest version of its last record.
    pub latest_seq: u64,
}

impl EventLine {
    pub(crate) fn new(subject: &Subject, case: &Case) -> Self {
        let (soc, pt) = case.coding.clone().unzip();
        let onset = case.on.and_then(clinical::PartialDate::day);
        let day_0 = subject.followed.map(|(day_0, _)| day_0);
        let to = |agent| case.relation_to(agent).unwrap_or(Relation::NotJudged).name().to_owned();
        Self {
            subject: subject.id.clone(),
            site: subject.site.clone(),
            soc,
            pt,
            onset: case.on.map(|on| on.to_string()).unwrap_or_default(),
            day: day_0.zip(onset).map(|(day_0, onset)| i64::from(days_between(day_0, onset))),
            severity: case.severity,
            grade: case.grade,
            serious: case.is_serious(),
            product: to(Agent::Product),
            procedure: to(Agent::Procedure),
            outcome: case.outcome,
            first_seq: case.root,
            latest_seq: case.latest,
        }
    }

    /// Where it stands in a list: independent records may arrive in any order, and a list does not depend on it.
    pub(crate) fn place(&self) -> impl Ord + '_ {
        let of = (&self.subject, &self.onset, &self.soc, &self.pt, &self.site);
        let how = (self.severity, self.grade, self.serious, &self.product, &self.procedure);
        // What an outcome's place is does not matter, only that it is the same in every order of arrival.
        (of, how, self.outcome.map(|outcome| outcome as u8))
    }
}

/// One serious event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeriousEvent {
    /// The subject.
    pub subject: String,
    /// Its site.
    pub site: String,
    /// System organ class, as coded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub soc: Option<String>,
    /// Preferred term, as coded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pt: Option<String>,
    /// Onset; empty if unknown.
    pub onset: String,
    /// Whether it is treatment-emergent.
    pub treatment_emergent: bool,
    /// Severity, where given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<SeverityOfEvent>,
    /// CTCAE grade, the worst.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grade: Option<u8>,
    /// Version of CTCAE that the grade is by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ctcae_version: Option<String>,
    /// The criteria that hold, by either assessor.
    pub criteria: Vec<Seriousness>,
    /// Relation to product or procedure by the investigator: `related`, `unrelated` or `not_judged`.
    pub investigator: String,
    /// And by the sponsor, where it has judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sponsor: Option<String>,
    /// Whether the sponsor holds it to be expected, where that was judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expectedness: Option<Expectedness>,
    /// Outcome.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Position of the record that first stated it.
    pub first_seq: u64,
    /// Position of the latest version of its last record.
    pub latest_seq: u64,
}

pub(crate) fn serious(subjects: &[Subject]) -> Vec<SeriousEvent> {
    let mut found = Vec::new();
    for subject in subjects {
        for case in subject.cases.iter().filter(|case| case.is_serious()) {
            let (soc, pt) = case.coding.clone().unzip();
            found.push(SeriousEvent {
                subject: subject.id.clone(),
                site: subject.site.clone(),
                soc,
                pt,
                onset: case.on.map(|on| on.to_string()).unwrap_or_default(),
                treatment_emergent: case.emergence.is_emergent(),
                severity: case.severity,
                grade: case.grade,
                ctcae_version: case.grade_version.clone(),
                criteria: case.criteria().into_iter().collect(),
                investigator: case.by_investigator().name().to_owned(),
                sponsor: case.relation_by_sponsor().map(|relation| relation.name().to_owned()),
                expectedness: case.by_sponsor().and_then(|judged| judged.expectedness),
                outcome: case.outcome,
                first_seq: case.root,
                latest_seq: case.latest,
            });
        }
    }
    // Independent records may arrive in any order: what is listed does not depend on it.
    found.sort_by(|one, other| one.place().cmp(&other.place()));
    found
}

impl SeriousEvent {
    fn place(&self) -> impl Ord + '_ {
        let of = (&self.subject, &self.onset, &self.soc, &self.pt);
        (of, (self.severity, self.grade, &self.ctcae_version), (&self.criteria, &self.investigator))
    }
}
