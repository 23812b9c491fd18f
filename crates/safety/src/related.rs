//! Relation per agent and assessor, and where the two assessors disagree.

use clinical::data::Agent;
use serde::{Deserialize, Serialize};
use stats::figure::{Figure, Meaning};

use crate::case::Case;
use crate::overview::RELATED;
use crate::report::ReportError;
use crate::rows::Relation;
use crate::subject::Subject;
use crate::table::Frame;

/// Who judges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Assessor {
    /// The investigator.
    Investigator,
    /// The sponsor, by its latest judgement of the event.
    Sponsor,
    /// Whichever of the two holds it to be closer.
    Either,
}

/// Relation of treatment-emergent events, by agent and assessor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RelatedSection {
    /// Id of the definition of related.
    pub definition: String,
    /// The rule in words.
    pub rule: String,
    /// Treatment-emergent events.
    pub events: u64,
    /// Those the sponsor has judged.
    pub assessed_by_sponsor: u64,
    /// By agent and assessor.
    pub rows: Vec<RelatedRow>,
    /// Events, of all, that one assessor holds to be related to an agent and the other not.
    pub disagreements: Vec<RelationDisagreement>,
}

/// One agent by one assessor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RelatedRow {
    /// The agent; absent for product or procedure, which is what related means.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<Agent>,
    /// Who judged.
    pub assessor: Assessor,
    /// Events judged possible or stronger.
    pub related: u64,
    /// Events of which that assessor was asked about the agent and did not say; of product or procedure, or was not asked.
    pub not_judged: u64,
    /// Events judged unlikely or less.
    pub unrelated: u64,
    /// Subjects with an event that is related or, of product or procedure, not judged; absent where nobody was asked: of
    /// what was never judged there is no zero, and no bound of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subjects: Option<Figure>,
}

/// An event of whose relation to an agent the assessors disagree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RelationDisagreement {
    /// The subject.
    pub subject: String,
    /// Its site.
    pub site: String,
    /// The agent.
    pub agent: Agent,
    /// `related`, `unrelated` or `not_judged`.
    pub investigator: String,
    /// `related`, `unrelated` or `not_judged`.
    pub sponsor: String,
    /// Position of the record that first stated the event.
    pub first_seq: u64,
    /// Position of the latest version of the sponsor's judgement.
    pub latest_seq: u64,
}

const AGENTS: [(Agent, &str); 5] = [
    (Agent::Product, "product"),
    (Agent::Procedure, "procedure"),
    (Agent::Conditioning, "conditioning"),
    (Agent::UnderlyingDisease, "underlying_disease"),
    (Agent::Other, "other"),
];

const RULE: &str = "possible or stronger by either assessor; to product or procedure, not judged counts as related and \
                    is shown apart; a sponsor's weaker judgement takes nothing from the investigator's";

const ASSESSORS: [(Assessor, &str); 3] =
    [(Assessor::Investigator, "investigator"), (Assessor::Sponsor, "sponsor"), (Assessor::Either, "either")];

fn judged(case: &Case, agent: Option<Agent>, assessor: Assessor) -> Option<Relation> {
    match (agent, assessor) {
        (None, Assessor::Investigator) => Some(case.by_investigator()),
        (None, Assessor::Sponsor) => case.relation_by_sponsor(),
        (None, Assessor::Either) => Some(case.relation()),
        (Some(agent), Assessor::Investigator) => case.investigator_to(agent),
        (Some(agent), Assessor::Sponsor) => case.sponsor_to(agent),
        (Some(agent), Assessor::Either) => case.relation_to(agent),
    }
}

pub(crate) fn related(subjects: &[Subject], frame: &Frame<'_>) -> Result<RelatedSection, ReportError> {
    let emergent = |subject: &'_ Subject| {
        subject.cases.iter().filter(|case| case.emergence.is_emergent()).count() as u64
    };
    let agents = std::iter::once((None, "product_or_procedure"))
        .chain(AGENTS.iter().map(|(agent, name)| (Some(*agent), *name)));
    let mut rows = Vec::new();
    for (agent, name) in agents {
        for (assessor, by) in ASSESSORS {
            rows.push(row(subjects, frame, (agent, name), (assessor, by))?);
        }
    }
    Ok(RelatedSection {
        definition: RELATED.to_owned(),
        rule: RULE.to_owned(),
        events: subjects.iter().map(emergent).sum(),
        assessed_by_sponsor: subjects
            .iter()
            .flat_map(|subject| &subject.cases)
            .filter(|case| case.emergence.is_emergent() && case.by_sponsor().is_some())
            .count() as u64,
        rows,
        disagreements: disagreements(subjects),
    })
}

fn row(
    subjects: &[Subject],
    frame: &Frame<'_>,
    (agent, name): (Option<Agent>, &str),
    (assessor, by): (Assessor, &str),
) -> Result<RelatedRow, ReportError> {
    let mut counts = [0_u64; 3];
    let mut with = 0_u64;
    for subject in subjects {
        let mut any = false;
        for case in subject.cases.iter().filter(|case| case.emergence.is_emergent()) {
            let Some(relation) = judged(case, agent, assessor) else { continue };
            counts[relation as usize] += 1;
            any |= relation == Relation::Related || (agent.is_none() && relation == Relation::NotJudged);
        }
        with += u64::from(any);
    }
    let meaning = Meaning {
        id: format!("{}.related.{name}.{by}", frame.id),
        label: format!(
            "Related to {} by {}",
            name.replace('_', " "),
            by.replace("either", "either assessor")
        ),
        population: frame.population,
        definition: RELATED,
        denominator_rule: "every subject of the population, whatever the follow-up",
    };
    let [unrelated, not_judged, related] = counts;
    Ok(RelatedRow {
        agent,
        assessor,
        related,
        not_judged,
        unrelated,
        subjects: (related + not_judged + unrelated > 0)
            .then(|| Figure::new(meaning, with, frame.denominator, 0))
            .transpose()?,
    })
}

fn disagreements(subjects: &[Subject]) -> Vec<RelationDisagreement> {
    let mut found = Vec::new();
    for subject in subjects {
        for case in &subject.cases {
            let Some(sponsor) = case.by_sponsor() else { continue };
            for (agent, _) in AGENTS {
                let (by_investigator, by_sponsor) = (case.investigator_to(agent), case.sponsor_to(agent));
                let of = |relation: Option<Relation>| relation.unwrap_or(Relation::NotJudged);
                if (of(by_investigator) == Relation::Related) == (of(by_sponsor) == Relation::Related) {
                    continue;
                }
                found.push(RelationDisagreement {
                    subject: subject.id.clone(),
                    site: subject.site.clone(),
                    agent,
                    investigator: of(by_investigator).name().to_owned(),
                    sponsor: of(by_sponsor).name().to_owned(),
                    first_seq: case.root,
                    latest_seq: sponsor.latest,
                });
            }
        }
    }
    found
}
