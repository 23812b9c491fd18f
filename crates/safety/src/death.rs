//! Deaths, with their relatedness.

use clinical::PartialDate;
use clinical::data::{Agent, Causality};
use clinical::date::days_between;
use serde::{Deserialize, Serialize};
use stats::figure::{Figure, Meaning};

use crate::case::{Case, relation};
use crate::report::{DEATH, ReportError, SAFETY_SET};
use crate::rows::Relation;
use crate::subject::{Death, Subject};

/// Deaths, and each of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeathSection {
    /// Deaths, of the safety set.
    pub deaths: Figure,
    /// Deaths related to product or procedure, of the safety set; those not judged count.
    pub related: Figure,
    /// Of the numerator of `related`: not judged.
    pub not_judged: u64,
    /// Deaths of subjects who were not treated.
    pub untreated: u64,
    /// Subjects with a fatal adverse event and no record of the death.
    pub fatal_event_without_death: u64,
    /// Deaths of the safety set without a fatal adverse event: of those nobody has reported as an event what was died of.
    pub without_fatal_event: u64,
    /// Each death.
    pub listing: Vec<DeathListing>,
}

/// One death.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeathListing {
    /// The subject.
    pub subject: String,
    /// Its site.
    pub site: String,
    /// Whether the subject was treated.
    pub treated: bool,
    /// Its date.
    pub on: String,
    /// Whether that completed a partial date.
    pub imputed: bool,
    /// Days from first infusion; absent if that is not certain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub day: Option<i64>,
    /// Days from the latest infusion before it; absent if that is not certain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days_since_last_infusion: Option<i64>,
    /// `related`, `unrelated` or `not_judged`, to product or procedure.
    pub relation: String,
    /// What was judged.
    pub judgements: Vec<AgentJudgement>,
    /// Position of the record that first stated it.
    pub first_seq: u64,
    /// Position of its latest version.
    pub latest_seq: u64,
}

/// A judgement of one agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentJudgement {
    /// The agent.
    pub agent: Agent,
    /// How likely it was the cause; absent if that was stated to be missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub causality: Option<Causality>,
}

pub(crate) fn deaths(subjects: &[Subject], definition: &str) -> Result<DeathSection, ReportError> {
    let treated = || subjects.iter().filter(|subject| subject.treated());
    let dead = || treated().filter_map(|subject| subject.death.as_ref());
    let judged = |relation| dead().filter(|death| of(death) == relation).count() as u64;
    let imputed = dead().filter(|death| death.imputed).count() as u64;
    let figure = |id: &str, label: &str, definition: &str, numerator| {
        let meaning = Meaning {
            id: id.to_owned(),
            label: label.to_owned(),
            population: SAFETY_SET,
            definition,
            denominator_rule: "all treated, whatever their follow-up",
        };
        Figure::new(meaning, numerator, treated().count() as u64, imputed)
    };
    let not_judged = judged(Relation::NotJudged);
    Ok(DeathSection {
        deaths: figure("death", "Died", DEATH, dead().count() as u64)?,
        related: figure(
            "death.related",
            "Died, related to product or procedure",
            definition,
            judged(Relation::Related) + not_judged,
        )?,
        not_judged,
        untreated: subjects.iter().filter(|subject| !subject.treated() && subject.death.is_some()).count()
            as u64,
        fatal_event_without_death: subjects
            .iter()
            .filter(|subject| subject.death.is_none() && subject.cases.iter().any(Case::is_fatal))
            .count() as u64,
        without_fatal_event: treated()
            .filter(|subject| subject.death.is_some() && !subject.cases.iter().any(Case::is_fatal))
            .count() as u64,
        listing: subjects
            .iter()
            .filter_map(|subject| Some(listing(subject, subject.death.as_ref()?)))
            .collect(),
    })
}

impl DeathSection {
    /// Without how long ago the last infusion was: beside the day of death that tells of a second one.
    pub(crate) fn without_infusions(mut self) -> Self {
        self.listing.iter_mut().for_each(|death| death.days_since_last_infusion = None);
        self
    }
}

fn of(death: &Death) -> Relation {
    relation(death.by.iter().copied())
}

fn listing(subject: &Subject, death: &Death) -> DeathListing {
    let starts: Option<Vec<_>> = subject.infusions.iter().map(|infusion| infusion.on.day()).collect();
    let last = starts.and_then(|days| days.into_iter().filter(|day| *day <= death.on).max());
    DeathListing {
        subject: subject.id.clone(),
        site: subject.site.clone(),
        treated: subject.treated(),
        on: PartialDate::Day(death.on).to_string(),
        imputed: death.imputed,
        day: subject.followed.map(|(day_0, _)| i64::from(days_between(day_0, death.on))),
        days_since_last_infusion: last.map(|last| i64::from(days_between(last, death.on))),
        relation: of(death).name().to_owned(),
        judgements: death
            .by
            .iter()
            .map(|(agent, causality)| AgentJudgement { agent: *agent, causality: *causality })
            .collect(),
        first_seq: death.root,
        latest_seq: death.latest,
    }
}
