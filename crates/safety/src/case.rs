//! An adverse event: its reports taken together, and how it lies to treatment.
//!
//! A record that carries on from another (`follows`) is the same adverse event, further on: one case, not two.

use std::collections::{BTreeMap, BTreeSet};

use clinical::data::{
    Agent, Causality, Expectedness, Outcome, SafetyReportKind, Seriousness, SeverityOfEvent,
};
use clinical::date::days_between;
use clinical::{Date, PartialDate};

use crate::rows::{Adverse, Assessed, Judgements, Relation, Sent};
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
    grade_version: Option<String>,
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
    /// Version of CTCAE that the grade is by.
    pub(crate) grade_version: Option<String>,
    pub(crate) serious_reported: Option<bool>,
    pub(crate) seriousness: BTreeSet<Seriousness>,
    pub(crate) causality: BTreeMap<Agent, Option<Causality>>,
    pub(crate) outcome: Option<Outcome>,
    pub(crate) emergence: Emergence,
    /// The day from which it counts as treatment-emergent: the onset, or when it had worsened.
    pub(crate) emerged: Option<PartialDate>,
    /// First records of its records.
    pub(crate) roots: Vec<u64>,
    /// The sponsor's judgements, the latest recorded last.
    pub(crate) judgements: Vec<Judgement>,
    /// Reports of it that were sent.
    pub(crate) sent: Vec<SentReport>,
}

/// A judgement by the sponsor, in its latest version.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Judgement {
    pub(crate) root: u64,
    pub(crate) latest: u64,
    pub(crate) on: PartialDate,
    event: u64,
    pub(crate) causality: Judgements,
    pub(crate) expectedness: Option<Expectedness>,
    pub(crate) reference: Option<String>,
    pub(crate) seriousness: BTreeSet<Seriousness>,
}

/// A report that was sent, in its latest version.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SentReport {
    pub(crate) root: u64,
    event: u64,
    pub(crate) jurisdiction: String,
    pub(crate) kind: SafetyReportKind,
    /// Microseconds since 1970.
    pub(crate) at: i64,
}

impl Judgement {
    pub(crate) fn new(root: u64, latest: u64, assessed: Assessed<'_>) -> Self {
        Self {
            root,
            latest,
            on: assessed.on,
            event: assessed.event,
            causality: assessed.causality,
            expectedness: assessed.expectedness,
            reference: assessed.reference.map(std::borrow::Cow::into_owned),
            seriousness: assessed.seriousness.into_owned(),
        }
    }
}

impl SentReport {
    pub(crate) fn new(root: u64, sent: Sent<'_>) -> Self {
        Self {
            root,
            event: sent.event,
            jurisdiction: sent.jurisdiction.into_owned(),
            kind: sent.kind,
            at: sent.at,
        }
    }
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
            grade_version: adverse.grade_version.map(std::borrow::Cow::into_owned),
            serious_reported: adverse.serious_reported,
            seriousness: adverse.seriousness.into_owned(),
            causality: adverse.causality,
            outcome: adverse.outcome,
            follows: adverse.follows,
        }
    }

    /// How the day it states lies to the start of the first infusion.
    fn emergence(&self, first: Option<&Infusion>) -> Emergence {
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

/// What is recorded of one subject's adverse events.
#[derive(Debug, Default)]
pub(crate) struct Recorded {
    pub(crate) reports: Vec<Report>,
    pub(crate) judgements: Vec<Judgement>,
    pub(crate) sent: Vec<SentReport>,
}

/// Takes the reports of one subject together to cases, in order of their first records; and how many judgements and
/// sent reports are of no event that counts.
pub(crate) fn cases(recorded: Recorded, first: Option<&Infusion>) -> (Vec<Case>, u64) {
    let Recorded { reports, judgements, sent } = recorded;
    let follows: BTreeMap<u64, u64> =
        reports.iter().filter_map(|report| Some((report.root, report.follows?))).collect();
    let case_of = |mut root: u64| {
        // A record names only earlier ones, so this ends.
        while let Some(earlier) = follows.get(&root).filter(|earlier| **earlier < root) {
            root = *earlier;
        }
        root
    };
    let mut by_case: BTreeMap<u64, Vec<Report>> = BTreeMap::new();
    for report in reports {
        by_case.entry(case_of(report.root)).or_default().push(report);
    }
    let mut cases: BTreeMap<u64, Case> =
        by_case.into_iter().filter_map(|(root, reports)| Some((root, case(reports, first)?))).collect();
    let mut without = 0;
    for judgement in judgements {
        match cases.get_mut(&case_of(judgement.event)) {
            Some(case) => case.judgements.push(judgement),
            None => without += 1,
        }
    }
    for report in sent {
        match cases.get_mut(&case_of(report.event)) {
            Some(case) => case.sent.push(report),
            None => without += 1,
        }
    }
    let mut cases: Vec<Case> = cases.into_values().collect();
    for case in &mut cases {
        case.judgements.sort_by_key(|judgement| judgement.root);
        case.sent.sort_by_key(|report| (report.at, report.root));
    }
    (cases, without)
}

fn case(mut reports: Vec<Report>, first: Option<&Infusion>) -> Option<Case> {
    reports.sort_by_key(|report| report.root);
    let roots = reports.iter().map(|report| report.root).collect();
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
        grade_version: start.grade_version,
        serious_reported: start.serious_reported,
        seriousness: start.seriousness,
        causality: start.causality.into_iter().collect(),
        outcome: start.outcome,
        emergence,
        emerged: start.on,
        roots,
        judgements: Vec::new(),
        sent: Vec::new(),
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
        if report.grade > self.grade {
            self.grade_version = report.grade_version;
        }
        self.grade = self.grade.max(report.grade);
        self.serious_reported = self.serious_reported.max(report.serious_reported);
        self.seriousness.extend(report.seriousness);
        self.outcome = report.outcome.or(self.outcome);
        for (agent, causality) in report.causality {
            let known = self.causality.entry(agent).or_insert(causality);
            *known = (*known).max(causality);
        }
    }

    /// Days from day 0 to the day from which it counts as treatment-emergent. A partial date counts from the first day it
    /// can mean that is not before day 0 (`impute-1`).
    pub(crate) fn day_of(&self, day_0: Date) -> u32 {
        let days = self.emerged.map_or(0, |on| days_between(day_0, on.earliest()).max(0));
        days.unsigned_abs()
    }

    /// The sponsor's latest judgement.
    pub(crate) fn by_sponsor(&self) -> Option<&Judgement> {
        self.judgements.last()
    }

    /// The criteria that hold by the investigator or the sponsor.
    pub(crate) fn criteria(&self) -> BTreeSet<Seriousness> {
        let sponsor = self.by_sponsor().into_iter().flat_map(|judgement| &judgement.seriousness);
        self.seriousness.iter().chain(sponsor).copied().collect()
    }

    /// Serious by its criteria.
    pub(crate) fn is_serious(&self) -> bool {
        !self.criteria().is_empty()
    }

    /// Ended in death, by whatever says so.
    pub(crate) fn is_fatal(&self) -> bool {
        self.outcome == Some(Outcome::Fatal)
            || self.criteria().contains(&Seriousness::Death)
            || self.grade == Some(5)
    }

    /// Severe, or of grade 3 or more.
    pub(crate) fn is_severe(&self) -> bool {
        self.severity == Some(SeverityOfEvent::Severe) || self.grade.is_some_and(|grade| grade >= 3)
    }

    /// Relation to product or procedure (`related-1`), by whichever of the two assessors holds it to be closer: the
    /// sponsor's judgement never takes the investigator's away.
    pub(crate) fn relation(&self) -> Relation {
        self.by_investigator().max(self.relation_by_sponsor().unwrap_or(Relation::Unrelated))
    }

    /// Relation to product or procedure by the investigator.
    pub(crate) fn by_investigator(&self) -> Relation {
        relation(self.causality.iter().map(|(agent, causality)| (*agent, *causality)))
    }

    /// Relation to product or procedure by the sponsor; `None` before any judgement.
    pub(crate) fn relation_by_sponsor(&self) -> Option<Relation> {
        self.by_sponsor().map(|judgement| relation(judgement.causality.iter().copied()))
    }

    /// Relation to one agent by either assessor; of an agent that was not asked about it is not judged.
    pub(crate) fn relation_to(&self, agent: Agent) -> Option<Relation> {
        self.investigator_to(agent).max(self.sponsor_to(agent))
    }

    /// Relation to one agent by the investigator.
    pub(crate) fn investigator_to(&self, agent: Agent) -> Option<Relation> {
        self.causality.get(&agent).map(|causality| strength(*causality))
    }

    /// Relation to one agent by the sponsor.
    pub(crate) fn sponsor_to(&self, agent: Agent) -> Option<Relation> {
        let judged = &self.by_sponsor()?.causality;
        judged.iter().find(|(of, _)| *of == agent).map(|(_, causality)| strength(*causality))
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
