//! An adverse event: its reports taken together, and how it lies to treatment.
//!
//! A record that carries on from another (`follows`) is the same adverse event, further on: one case, not two.

use std::collections::{BTreeMap, BTreeSet};

use clinical::PartialDate;
use clinical::data::{Agent, Causality, Outcome, Seriousness, SeverityOfEvent};

use crate::rows::{Adverse, Judgements};
use crate::subject::Infusion;

/// One record of an adverse event, in its latest version.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Report {
    pub(crate) root: u64,
    pub(crate) latest: u64,
    pub(crate) on: Option<PartialDate>,
    at: Option<i64>,
    coding: Option<(String, String)>,
    severity: Option<SeverityOfEvent>,
    grade: Option<u8>,
    serious_reported: Option<bool>,
    seriousness: BTreeSet<Seriousness>,
    causality: Judgements,
    outcome: Option<Outcome>,
    follows: Option<u64>,
}

/// How an onset lies to the start of the first infusion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Emergence {
    /// The subject was not treated.
    Untreated,
    /// Certainly before.
    Before,
    /// Certainly at or after it; the same date without times counts.
    Emergent,
    /// It cannot be told; by `impute-1` it counts as at the first infusion.
    EmergentByImputation,
    /// It began before and worsened at or after it.
    Worsened,
}

impl Emergence {
    /// Whether it counts as treatment-emergent.
    pub(crate) fn is_emergent(self) -> bool {
        matches!(self, Self::Emergent | Self::EmergentByImputation | Self::Worsened)
    }
}

/// Whether an event is related to product or procedure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Relation {
    /// Judged, and for none of the agents asked about possible or stronger.
    Unrelated,
    /// Not judged: counts as related.
    NotJudged,
    /// Possible or stronger.
    Related,
}

/// An adverse event.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Case {
    /// Position of its first record, and of the latest version of its last one.
    pub(crate) root: u64,
    pub(crate) latest: u64,
    pub(crate) on: Option<PartialDate>,
    pub(crate) at: Option<i64>,
    pub(crate) coding: Option<(String, String)>,
    pub(crate) severity: Option<SeverityOfEvent>,
    pub(crate) grade: Option<u8>,
    pub(crate) serious_reported: Option<bool>,
    pub(crate) seriousness: BTreeSet<Seriousness>,
    pub(crate) causality: BTreeMap<Agent, Option<Causality>>,
    pub(crate) outcome: Option<Outcome>,
    pub(crate) emergence: Emergence,
    /// The day from which it counts as treatment-emergent: the onset, or when it had worsened.
    pub(crate) emerged: Option<PartialDate>,
}

impl Report {
    pub(crate) fn new(root: u64, latest: u64, adverse: Adverse<'_>) -> Self {
        Self {
            root,
            latest,
            on: adverse.on,
            at: adverse.at,
            coding: adverse.coding.map(|(soc, pt)| (soc.into_owned(), pt.into_owned())),
            severity: adverse.severity,
            grade: adverse.grade,
            serious_reported: adverse.serious_reported,
            seriousness: adverse.seriousness.into_owned(),
            causality: adverse.causality,
            outcome: adverse.outcome,
            follows: adverse.follows,
        }
    }

    /// How the day it states lies to the start of the first infusion.
    fn emergence(&self, first: Option<Infusion>) -> Emergence {
        let Some(first) = first else { return Emergence::Untreated };
        let Some(on) = self.on else { return Emergence::EmergentByImputation };
        let (Some(day), Some(start)) = (on.day(), first.on.day()) else {
            return if on.certainly_before(first.on) {
                Emergence::Before
            } else if on.earliest() >= first.on.latest() {
                Emergence::Emergent
            } else {
                Emergence::EmergentByImputation
            };
        };
        let before = match (self.at, first.at) {
            (Some(at), Some(start)) => at < start,
            _ => day < start,
        };
        if before { Emergence::Before } else { Emergence::Emergent }
    }
}

/// Takes the reports of one subject together to cases, in order of their first records.
pub(crate) fn cases(reports: Vec<Report>, first: Option<Infusion>) -> Vec<Case> {
    let follows: BTreeMap<u64, u64> =
        reports.iter().filter_map(|report| Some((report.root, report.follows?))).collect();
    let mut by_case: BTreeMap<u64, Vec<Report>> = BTreeMap::new();
    for report in reports {
        let mut root = report.root;
        // A record names only earlier ones, so this ends.
        while let Some(earlier) = follows.get(&root).filter(|earlier| **earlier < root) {
            root = *earlier;
        }
        by_case.entry(root).or_default().push(report);
    }
    by_case.into_values().filter_map(|reports| case(reports, first)).collect()
}

fn case(mut reports: Vec<Report>, first: Option<Infusion>) -> Option<Case> {
    reports.sort_by_key(|report| report.root);
    let mut reports = reports.into_iter();
    let start = reports.next()?;
    let mut emergence = start.emergence(first);
    let mut case = Case {
        root: start.root,
        latest: start.latest,
        on: start.on,
        at: start.at,
        coding: start.coding,
        severity: start.severity,
        grade: start.grade,
        serious_reported: start.serious_reported,
        seriousness: start.seriousness,
        causality: start.causality.into_iter().collect(),
        outcome: start.outcome,
        emergence,
        emerged: start.on,
    };
    for report in reports {
        let worse = report.severity > case.severity.or(report.severity)
            || report.grade > case.grade.or(report.grade)
            || !report.seriousness.is_subset(&case.seriousness);
        if emergence == Emergence::Before && worse && report.emergence(first).is_emergent() {
            emergence = Emergence::Worsened;
            case.emerged = report.on;
        }
        case.take(report);
    }
    case.emergence = emergence;
    Some(case)
}

impl Case {
    /// Goes on by a later report: the worst of severity and seriousness, the strongest causality, the last outcome.
    fn take(&mut self, report: Report) {
        self.latest = self.latest.max(report.latest);
        self.coding = report.coding.or(self.coding.take());
        self.severity = self.severity.max(report.severity);
        self.grade = self.grade.max(report.grade);
        self.serious_reported = self.serious_reported.max(report.serious_reported);
        self.seriousness.extend(report.seriousness);
        self.outcome = report.outcome.or(self.outcome);
        for (agent, causality) in report.causality {
            let known = self.causality.entry(agent).or_insert(causality);
            *known = (*known).max(causality);
        }
    }

    /// Serious by its criteria.
    pub(crate) fn is_serious(&self) -> bool {
        !self.seriousness.is_empty()
    }

    /// Ended in death, by whatever says so.
    pub(crate) fn is_fatal(&self) -> bool {
        self.outcome == Some(Outcome::Fatal)
            || self.seriousness.contains(&Seriousness::Death)
            || self.grade == Some(5)
    }

    /// Severe, or of grade 3 or more.
    pub(crate) fn is_severe(&self) -> bool {
        self.severity == Some(SeverityOfEvent::Severe) || self.grade.is_some_and(|grade| grade >= 3)
    }

    /// Relation to product or procedure (`related-1`).
    pub(crate) fn relation(&self) -> Relation {
        relation(self.causality.iter().map(|(agent, causality)| (*agent, *causality)))
    }

    /// Relation to one agent; of an agent that was not asked about it is not judged.
    pub(crate) fn relation_to(&self, agent: Agent) -> Option<Relation> {
        self.causality.get(&agent).map(|causality| strength(*causality))
    }
}

/// Relation to product or procedure: possible or stronger to either. Where one of the two was asked about and not
/// judged, or neither was asked about, it is not judged.
pub(crate) fn relation(judgements: impl Iterator<Item = (Agent, Option<Causality>)>) -> Relation {
    judgements
        .filter(|(agent, _)| matches!(agent, Agent::Product | Agent::Procedure))
        .map(|(_, causality)| strength(causality))
        .max()
        .unwrap_or(Relation::NotJudged)
}

fn strength(causality: Option<Causality>) -> Relation {
    match causality {
        None => Relation::NotJudged,
        Some(Causality::None | Causality::Unlikely) => Relation::Unrelated,
        Some(Causality::Possible | Causality::Probable | Causality::Certain) => Relation::Related,
    }
}
