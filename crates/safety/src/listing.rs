//! Each serious adverse event, with what both assessors made of it.

use clinical::data::{Expectedness, Outcome, Seriousness, SeverityOfEvent};
use serde::{Deserialize, Serialize};

use crate::subject::Subject;

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
