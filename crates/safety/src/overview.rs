//! The overview of adverse events: who had any, serious, severe, fatal or related ones, and how often.

use clinical::data::{Agent, Seriousness};
use serde::{Deserialize, Serialize};
use stats::figure::{Figure, FigureError, Meaning, Rate};

use crate::case::{Case, Emergence};
use crate::incidence::{FOLLOWED, TO_FIRST};
use crate::report::ReportError;
use crate::rows::Relation;
use crate::since::{Fresh, fresh};
use crate::subject::Subject;
use crate::table::Frame;

/// Categories of adverse events in a population.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Overview {
    /// `all`: every event of every subject. `treatment_emergent`: those of the safety set that began or worsened
    /// under treatment.
    pub id: String,
    /// In words.
    pub label: String,
    /// The categories. They overlap.
    pub categories: Vec<Category>,
}

/// One category.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Category {
    /// Its stable id: `any`, `serious`, `serious_reported`, `severe`, `fatal`, `related`, `related_not_judged`,
    /// `related_to_<agent>`.
    pub id: String,
    /// In words.
    pub label: String,
    /// Events.
    pub events: u64,
    /// Subjects with at least one, of the population.
    pub subjects: Figure,
    /// Events that the report counted against did not count here; absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events_since: Option<u64>,
    /// Subjects whom it did not count here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subjects_since: Option<u64>,
    /// First events per 100 patient-years, of treatment-emergent ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
}

/// An event whose reported seriousness and whose criteria disagree. Figures go by the criteria.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Disagreement {
    /// The subject.
    pub subject: String,
    /// Its site.
    pub site: String,
    /// Whether the site called it serious.
    pub reported: bool,
    /// The criteria that hold.
    pub criteria: Vec<Seriousness>,
    /// Position of the record that first stated the event.
    pub first_seq: u64,
    /// Position of the latest version of its last record.
    pub latest_seq: u64,
}

/// What is not known of the events, counted over all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unknowns {
    /// Without coding.
    pub not_coded: u64,
    /// Relation to product and procedure not judged: counted as related.
    pub causality_missing: u64,
    /// Onset wholly unknown: counted as treatment-emergent in the treated.
    pub onset_unknown: u64,
    /// Onset known to the month or year only.
    pub onset_partial: u64,
    /// Neither severity nor grade.
    pub severity_missing: u64,
    /// No outcome.
    pub outcome_missing: u64,
    /// Neither called serious nor not, and no criterion.
    pub seriousness_missing: u64,
}

/// Events by how they lie to the first infusion; they sum to all events.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Emergences {
    /// Certainly before it.
    pub before: u64,
    /// Certainly at or after it.
    pub emergent: u64,
    /// It cannot be told; counted as treatment-emergent (`impute-1`).
    pub emergent_by_imputation: u64,
    /// Began before and worsened after.
    pub worsened: u64,
    /// Of subjects who were not treated.
    pub untreated: u64,
}

struct Kind {
    id: String,
    label: String,
    definition: &'static str,
    is: Box<dyn Fn(&Case) -> bool>,
}

fn kinds() -> Vec<Kind> {
    let kind = |id: &str, label: &str, definition, is: fn(&Case) -> bool| Kind {
        id: id.to_owned(),
        label: label.to_owned(),
        definition,
        is: Box::new(is),
    };
    let mut kinds = vec![
        kind("any", "Any adverse event", "any-1", |_| true),
        kind("serious", "Serious, by any criterion", "serious-derived-1", Case::is_serious),
        kind("serious_reported", "Serious, as reported", "serious-reported-1", |case| {
            case.serious_reported == Some(true)
        }),
        kind("severe", "Severe, or of grade 3 or more", "severe-1", Case::is_severe),
        kind("fatal", "Fatal", "fatal-1", Case::is_fatal),
        kind("related", "Related to product or procedure, those not judged included", RELATED, |case| {
            case.relation() != Relation::Unrelated
        }),
        kind("related_not_judged", "Relation to product and procedure not judged", RELATED, |case| {
            case.relation() == Relation::NotJudged
        }),
    ];
    for (agent, id, label) in [
        (Agent::Product, "related_to_product", "Related to the product"),
        (Agent::Procedure, "related_to_procedure", "Related to the procedure"),
        (Agent::Conditioning, "related_to_conditioning", "Related to conditioning"),
        (Agent::UnderlyingDisease, "related_to_underlying_disease", "Related to the underlying disease"),
        (Agent::Other, "related_to_other", "Related to something else"),
    ] {
        kinds.push(Kind {
            id: id.to_owned(),
            label: format!("{label}, judged possible or stronger"),
            definition: RELATED,
            is: Box::new(move |case| case.relation_to(agent) == Some(Relation::Related)),
        });
    }
    kinds
}

/// The one definition of related this version knows.
pub(crate) const RELATED: &str = "related-1";

/// Every event of every subject.
pub(crate) fn all(subjects: &[Subject], frame: &Frame<'_>) -> Result<Overview, ReportError> {
    overview(subjects, frame, |_| true, false)
}

/// Treatment-emergent events, with rates.
pub(crate) fn emergent(subjects: &[Subject], frame: &Frame<'_>) -> Result<Overview, ReportError> {
    overview(subjects, frame, |case| case.emergence.is_emergent(), true)
}

fn overview(
    subjects: &[Subject],
    frame: &Frame<'_>,
    counts: impl Fn(&Case) -> bool,
    with_rates: bool,
) -> Result<Overview, ReportError> {
    let mut categories = Vec::new();
    for kind in kinds() {
        let is = |case: &&Case| counts(case) && (kind.is)(case);
        let of = |subject: &Subject| subject.cases.iter().filter(is).count() as u64;
        let imputed = subjects
            .iter()
            .filter(|subject| {
                let mut cases = subject.cases.iter().filter(is).peekable();
                cases.peek().is_some() && cases.all(|case| case.emergence == Emergence::EmergentByImputation)
            })
            .count() as u64;
        let meaning = |id: String, rule| Meaning {
            id,
            label: kind.label.clone(),
            population: frame.population,
            definition: kind.definition,
            denominator_rule: rule,
        };
        let with = subjects.iter().filter(|subject| of(subject) > 0).count() as u64;
        let fresh = fresh(subjects, frame.before, |case| is(&case));
        let id = format!("{}.{}", frame.id, kind.id);
        categories.push(Category {
            id: kind.id.clone(),
            label: kind.label.clone(),
            events: subjects.iter().map(of).sum(),
            events_since: fresh.as_ref().map(Fresh::events),
            subjects_since: fresh.as_ref().map(Fresh::subjects),
            subjects: Figure::new(
                meaning(id.clone(), "every subject of the population, whatever the follow-up"),
                with,
                frame.denominator,
                if with_rates { imputed } else { 0 },
            )?,
            rate: with_rates
                .then(|| first_event_rate(subjects, meaning(format!("{id}.rate"), TO_FIRST), is, imputed))
                .transpose()?,
        });
    }
    Ok(Overview { id: frame.id.to_owned(), label: frame.label.to_owned(), categories })
}

/// First events in the time to them, of the safety set with a certain day 0.
fn first_event_rate(
    subjects: &[Subject],
    meaning: Meaning<'_>,
    is: impl Fn(&&Case) -> bool,
    imputed: u64,
) -> Result<Rate, FigureError> {
    let (mut events, mut days) = (0, 0);
    for subject in subjects {
        let Some((day_0, followed)) = subject.followed else { continue };
        let began = subject.cases.iter().filter(&is).map(|case| case.day_of(day_0));
        let first = began.filter(|day| subject.may_have(*day)).min();
        events += u64::from(first.is_some());
        days += u64::from(first.map_or(followed, |first| first.min(followed)));
    }
    let meaning = Meaning { population: FOLLOWED, ..meaning };
    Rate::new(meaning, "to_first_event", events, days, imputed)
}

pub(crate) fn disagreements(subjects: &[Subject]) -> Vec<Disagreement> {
    let mut found = Vec::new();
    for subject in subjects {
        for case in &subject.cases {
            if let Some(reported) = case.serious_reported
                && reported == case.seriousness.is_empty()
            {
                found.push(Disagreement {
                    subject: subject.id.clone(),
                    site: subject.site.clone(),
                    reported,
                    criteria: case.seriousness.iter().copied().collect(),
                    first_seq: case.root,
                    latest_seq: case.latest,
                });
            }
        }
    }
    found
}

pub(crate) fn unknowns(subjects: &[Subject]) -> Unknowns {
    let count = |is: fn(&Case) -> bool| {
        subjects.iter().flat_map(|subject| &subject.cases).filter(|case| is(case)).count() as u64
    };
    Unknowns {
        not_coded: count(|case| case.coding.is_none()),
        causality_missing: count(|case| case.relation() == Relation::NotJudged),
        onset_unknown: count(|case| case.on.is_none()),
        onset_partial: count(|case| case.on.is_some_and(|on| on.day().is_none())),
        severity_missing: count(|case| case.severity.is_none() && case.grade.is_none()),
        outcome_missing: count(|case| case.outcome.is_none()),
        seriousness_missing: count(|case| case.serious_reported.is_none() && case.seriousness.is_empty()),
    }
}

pub(crate) fn emergences(subjects: &[Subject]) -> Emergences {
    let count = |emergence| {
        subjects.iter().flat_map(|subject| &subject.cases).filter(|case| case.emergence == emergence).count()
            as u64
    };
    Emergences {
        before: count(Emergence::Before),
        emergent: count(Emergence::Emergent),
        emergent_by_imputation: count(Emergence::EmergentByImputation),
        worsened: count(Emergence::Worsened),
        untreated: count(Emergence::Untreated),
    }
}
