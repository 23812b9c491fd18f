//! Flares computed from what visits state, each assessment against the one before. What was judged to be a relapse is
//! not asked here, but for saying beside each flare whether it was.

use std::collections::{BTreeMap, BTreeSet};

use clinical::Date;
use clinical::data::Quantity;
use clinical::date::days_between;
use clinical::definitions::activity::{Assessment, Items};
use clinical::definitions::flare::{Cause, Grade, Trigger, Triggers, triggers};
use clinical::sledai::{Descriptor, Presence};
use serde::{Deserialize, Serialize};
use stats::figure::{Figure, FigureError, Meaning};

use crate::computed::{Stated, placed};
use crate::count;
use crate::course::{Course, Followed, Happened};
use crate::facts::{Dated, Facts, VisitFact};
use crate::followup::INFUSED;
use crate::rules::{FlareRule, Rules};
use crate::values::Terms;

/// LOINC code and UCUM unit of the body weight that doses are divided by.
const BODY_WEIGHT: (&str, &str) = ("loinc:29463-7", "kg");

/// Flares that are listed one by one.
const LISTED_MAX: usize = 1_000;

/// Flares after first infusion, by the definition that the trial states.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlareSection {
    /// Id of the definition.
    pub definition: String,
    /// Its name.
    pub title: String,
    /// The population.
    pub population: String,
    /// What is compared with what.
    pub comparison_rule: String,
    /// Subjects of whom any assessment after first infusion could be compared with one before it.
    pub subjects: u64,
    /// Such assessments: one a subject and day.
    pub comparisons: u64,
    /// Of these: nothing set a flare off, but something that might have is not known.
    pub not_determinable: u64,
    /// Flares of each severity, and by clinical triggers and those of medication apart.
    pub figures: Vec<FlareFigure>,
    /// What set them off.
    pub triggers: Vec<TriggerRow>,
    /// Which flares are listed.
    pub listing_rule: String,
    /// Each flare, by subject and day.
    pub listing: Vec<FlareListing>,
}

/// Flares of one sort.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlareFigure {
    /// Flares: one a subject and day.
    pub flares: u64,
    /// Subjects with any, of those compared.
    pub figure: Figure,
}

/// One thing that sets flares off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TriggerRow {
    /// `clinical` or `medication`.
    pub of: String,
    /// `sledai`, `pga`, `prednisone`; `item ` or `drug ` and its name; `value ` and system and code.
    pub cause: String,
    /// `mild_moderate` or `severe`.
    pub grade: String,
    /// Flares that it set off, alone or with others.
    pub flares: u64,
    /// Subjects with such a flare.
    pub subjects: u64,
}

/// One flare.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlareListing {
    /// The subject.
    pub subject: String,
    /// Its site.
    pub site: String,
    /// Date of the assessment.
    pub on: String,
    /// The same in days from first infusion.
    pub day: i64,
    /// The worst clinical trigger's grade.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clinical: Option<String>,
    /// The worst grade of a trigger by medication.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub medication: Option<String>,
    /// What set it off, clinical triggers first.
    pub causes: Vec<String>,
    /// Whether that day counts as a relapse, by whoever judges it.
    pub relapse: bool,
    /// The record that states the assessment.
    pub visit: Stated,
    /// The record that states the one before.
    pub before: Stated,
}

/// An assessment against the one before.
#[derive(Debug, Clone)]
pub(crate) struct Compared {
    on: Date,
    triggers: Triggers,
    visit: Stated,
    before: Stated,
}

/// What is stated of one day.
struct Assessed {
    on: Date,
    assessment: Assessment,
    visit: Stated,
}

/// Every assessment after first infusion against the one before, which may lie before it.
pub(crate) fn compared(facts: &Facts, day_0: Date, rule: &FlareRule, terms: &Terms) -> Vec<Compared> {
    let days = assessed(facts, terms);
    let pairs = days.iter().zip(days.iter().skip(1)).filter(|(_, now)| now.on > day_0);
    pairs
        .map(|(before, now)| Compared {
            on: now.on,
            triggers: triggers(&rule.rule, &now.assessment, &before.assessment),
            visit: now.visit,
            before: before.visit,
        })
        .collect()
}

/// The days of visits that state anything a flare is told by, ascending.
fn assessed(facts: &Facts, terms: &Terms) -> Vec<Assessed> {
    let mut visits: Vec<(Date, &Dated<VisitFact>)> =
        facts.visits.iter().filter_map(|visit| Some((placed(visit)?, visit))).collect();
    visits.sort_by_key(|(on, visit)| (*on, visit.root));
    let mut days: Vec<Assessed> = Vec::new();
    let mut weight = None;
    for (on, visit) in visits {
        let assessment = assessment(visit, terms);
        weight = assessment.body_weight_kg.clone().or(weight);
        let what = &visit.what;
        if what.sledai.is_none()
            && what.pga.is_none()
            && what.prednisone.is_none()
            && what.medications.is_empty()
        {
            continue;
        }
        let assessment = Assessment { body_weight_kg: weight.clone(), ..assessment };
        if let Some(last) = days.last_mut().filter(|last| last.on == on) {
            merge(&mut last.assessment, assessment);
        } else {
            let visit = Stated { first_seq: visit.root, latest_seq: visit.latest };
            days.push(Assessed { on, assessment, visit });
        }
    }
    days
}

fn assessment(visit: &Dated<VisitFact>, terms: &Terms) -> Assessment {
    let mut observations = BTreeMap::new();
    let mut weight = None;
    for (term, value, _) in &visit.what.measured {
        let Some(term) = terms.known.get(*term) else { continue };
        if (term.measure.as_str(), term.unit.as_str()) == BODY_WEIGHT {
            weight = Some(value.clone());
        }
        let quantity = Quantity { unit: term.unit.clone(), value: value.clone() };
        observations.insert(term.measure.clone(), quantity);
    }
    Assessment {
        body_weight_kg: weight,
        // Visits do not state it.
        hospitalised: false,
        items: visit.what.sledai,
        medications: visit.what.medications.clone(),
        observations,
        pga: visit.what.pga.clone(),
        prednisone_mg_per_day: visit.what.prednisone.clone(),
    }
}

/// Adds what another visit of the day states: of two values the higher, of two scores that with more items examined, and
/// then with more present, so that it does not matter which was recorded first.
fn merge(day: &mut Assessment, other: Assessment) {
    let rank = |items: &Items| {
        let with = |presence| count(Descriptor::ALL, |item| items.presence(*item) == presence);
        (Descriptor::ALL.len() as u64 - with(Presence::NotDone), with(Presence::Present))
    };
    day.items = [day.items, other.items].into_iter().flatten().max_by_key(rank);
    let higher =
        |one: Option<_>, other: Option<_>| one.into_iter().chain(other).max_by_key(clinical::Decimal::exact);
    day.pga = higher(day.pga.take(), other.pga);
    day.prednisone_mg_per_day = higher(day.prednisone_mg_per_day.take(), other.prednisone_mg_per_day);
    day.body_weight_kg = higher(day.body_weight_kg.take(), other.body_weight_kg);
    day.medications.extend(other.medications);
    for (code, quantity) in other.observations {
        let known = day.observations.get(&code);
        if known.is_none_or(|known| known.value.exact() < quantity.value.exact()) {
            day.observations.insert(code, quantity);
        }
    }
}

/// What a kind of flare is told by.
type Sort = (&'static str, &'static str, fn(&Triggers) -> bool);

/// Flares of every sort that has a figure: the last part of its id, its label, and whether triggers make one.
const SORTS: [Sort; 6] = [
    ("any", "Flare", |found| found.grade().is_some()),
    ("severe", "Severe flare", |found| found.grade() == Some(Grade::Severe)),
    ("clinical", "Flare by clinical triggers", |found| found.clinical_grade().is_some()),
    ("clinical_severe", "Severe flare by clinical triggers", |found| {
        found.clinical_grade() == Some(Grade::Severe)
    }),
    ("medication", "Flare by triggers of medication", |found| found.medication_grade().is_some()),
    ("medication_severe", "Severe flare by triggers of medication", |found| {
        found.medication_grade() == Some(Grade::Severe)
    }),
];

/// The flares of all; `None` where the trial states no definition of them.
pub(crate) fn flares(courses: &[Course], rules: &Rules) -> Result<Option<FlareSection>, FigureError> {
    let Some(rule) = &rules.flare else { return Ok(None) };
    let followed =
        || courses.iter().filter_map(|course| Some((course, course.analysable()?))).filter(is_compared);
    let subjects = followed().count() as u64;
    let all = || followed().flat_map(|(_, followed)| &followed.compared);
    let flared = |one: &&Compared| one.triggers.grade().is_some();
    let figures = SORTS.iter().map(|(id, label, is_one)| {
        let meaning = Meaning {
            id: format!("flare.{id}"),
            label: (*label).to_owned(),
            population: INFUSED,
            definition: &rule.id,
            denominator_rule: "with an assessment after first infusion and one before it",
        };
        let with =
            |(_, followed): &(&Course, &Followed)| followed.compared.iter().any(|one| is_one(&one.triggers));
        let figure = Figure::new(meaning, followed().filter(with).count() as u64, subjects, 0)?;
        Ok(FlareFigure { flares: all().filter(|one| is_one(&one.triggers)).count() as u64, figure })
    });
    let listing = followed().flat_map(|(course, followed)| {
        followed.compared.iter().filter(flared).map(move |one| listed(course, followed, one))
    });
    Ok(Some(FlareSection {
        definition: rule.id.clone(),
        title: rule.title.clone(),
        population: INFUSED.to_owned(),
        comparison_rule: "each day after first infusion whose visits state the score, the global assessment, the dose or \
                          a drug, against the last such day before it, be that before the infusion; body weight as last \
                          known; stays in hospital are not stated by visits"
            .to_owned(),
        subjects,
        comparisons: all().count() as u64,
        not_determinable: all()
            .filter(|one| one.triggers.grade().is_none() && !one.triggers.unknown.is_empty())
            .count() as u64,
        figures: figures.collect::<Result<_, FigureError>>()?,
        triggers: rows(followed()),
        listing_rule: format!("by subject and day, the first {LISTED_MAX}"),
        listing: listing.take(LISTED_MAX).collect(),
    }))
}

fn is_compared((_, followed): &(&Course, &Followed)) -> bool {
    !followed.compared.is_empty()
}

fn rows<'a>(followed: impl Iterator<Item = (&'a Course, &'a Followed)>) -> Vec<TriggerRow> {
    let mut rows: BTreeMap<(&str, String, Grade), (u64, BTreeSet<&str>)> = BTreeMap::new();
    for (course, followed) in followed {
        for one in &followed.compared {
            for (of, trigger) in each(&one.triggers) {
                let row = rows.entry((of, cause(&trigger.cause), trigger.grade)).or_default();
                row.0 += 1;
                row.1.insert(&course.subject);
            }
        }
    }
    rows.into_iter()
        .map(|((of, cause, grade), (flares, subjects))| TriggerRow {
            of: of.to_owned(),
            cause,
            grade: name(grade).to_owned(),
            flares,
            subjects: subjects.len() as u64,
        })
        .collect()
}

/// Triggers with what they are of, clinical ones first.
fn each(triggers: &Triggers) -> impl Iterator<Item = (&'static str, &Trigger)> {
    let clinical = triggers.clinical.iter().map(|trigger| ("clinical", trigger));
    clinical.chain(triggers.medication.iter().map(|trigger| ("medication", trigger)))
}

fn listed(course: &Course, followed: &Followed, one: &Compared) -> FlareListing {
    let grade = |grade: Option<Grade>| grade.map(|grade| name(grade).to_owned());
    let is_that_day = |relapse: &Happened| relapse.on == one.on;
    FlareListing {
        subject: course.subject.clone(),
        site: course.site.clone(),
        on: one.on.to_string(),
        day: i64::from(days_between(followed.day_0, one.on)),
        clinical: grade(one.triggers.clinical_grade()),
        medication: grade(one.triggers.medication_grade()),
        causes: each(&one.triggers).map(|(_, trigger)| cause(&trigger.cause)).collect(),
        relapse: followed.relapses.iter().any(is_that_day),
        visit: one.visit,
        before: one.before,
    }
}

fn name(grade: Grade) -> &'static str {
    match grade {
        Grade::MildModerate => "mild_moderate",
        Grade::Severe => "severe",
    }
}

fn cause(cause: &Cause) -> String {
    match cause {
        Cause::Sledai => "sledai".to_owned(),
        Cause::Pga => "pga".to_owned(),
        Cause::Item(item) => format!("item {}", item.as_str()),
        Cause::Value(measure) => format!("value {measure}"),
        Cause::Hospital => "hospital".to_owned(),
        Cause::Prednisone => "prednisone".to_owned(),
        Cause::Drug(drug) => format!("drug {drug}"),
    }
}
