//! Relapse: four measures by name and the trial's own, each with its own denominator, and the cumulative incidence.

use clinical::definitions::rule::{Denominator, Measure, Period};
use serde::{Deserialize, Serialize};
use stats::competing::{AalenJohansen, Incidence, Observation};
use stats::decimal;
use stats::figure::{Figure, FigureError, Interval, LEVEL, Meaning, PROBABILITY_DIGITS};

use crate::count;
use crate::course::{Course, Followed, Happened};
use crate::followup::INFUSED;
use crate::report::ReportError;
use crate::rules::{Mark, OwnRule, Rules};
use crate::survival::date;

const RELAPSE: u8 = 1;
const DEATH: u8 = 2;

/// Relapse, measured in every way that has a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RelapseSection {
    /// Id of the definition of relapse; judgements by another are not counted.
    pub definition: String,
    /// `RelapseInYear(k)`: first relapse after anniversary k-1 up to anniversary k, of the evaluable at k; earlier
    /// relapsers stay in the denominator.
    pub in_year: Vec<Figure>,
    /// `RelapseAtRisk(k)`: the same, without those who had relapsed by anniversary k-1.
    pub at_risk: Vec<Figure>,
    /// `RelapseAmongResponders`: relapse after a documented response, of all with one.
    pub among_responders: Figure,
    /// `RelapseEver/Enrolled`: relapse at any time, of all enrolled.
    pub ever: Figure,
    /// The trial's own measures, in the order of its definitions.
    pub own: Vec<OwnMeasure>,
    /// Of a first relapse, death without one competing.
    pub cumulative_incidence: CumulativeIncidence,
    /// Each first relapse.
    pub listing: Vec<RelapseListing>,
}

/// A measure of relapse that the trial brings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnMeasure {
    /// Id of its definition.
    pub id: String,
    /// Its name.
    pub title: String,
    /// One a landmark, or one in all.
    pub figures: Vec<Figure>,
}

/// An Aalen-Johansen estimate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CumulativeIncidence {
    /// Its stable id.
    pub id: String,
    /// In words.
    pub label: String,
    /// The population.
    pub population: String,
    /// Subjects in it.
    pub subjects: u64,
    /// First relapses.
    pub relapses: u64,
    /// Deaths without a relapse before; on one day the relapse came first.
    pub deaths_first: u64,
    /// How many relapses completed a partial date.
    pub imputed: u64,
    /// For drawing: each day on which something happened.
    pub steps: Vec<IncidenceStep>,
    /// At the landmarks; a year has 365.25 days.
    pub landmarks: Vec<IncidenceLandmark>,
}

/// A step of the estimate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IncidenceStep {
    /// Days from first infusion.
    pub day: u64,
    /// At risk then.
    pub at_risk: u64,
    /// First relapses that day.
    pub relapses: u64,
    /// Deaths without relapse that day.
    pub deaths: u64,
    /// Censored that day.
    pub censored: u64,
    /// Incidence of relapse from then on, 6 digits.
    pub relapse: String,
    /// Incidence of death without relapse, 6 digits.
    pub death_first: String,
    /// Share without either, 6 digits.
    pub event_free: String,
}

/// The estimate at a landmark.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IncidenceLandmark {
    /// In words, such as `12 months`.
    pub label: String,
    /// Days, 2 digits.
    pub days: String,
    /// Followed to the landmark or longer without relapse.
    pub at_risk: u64,
    /// Incidence of relapse, 6 digits.
    pub relapse: String,
    /// Its standard error by the delta method, 6 digits.
    pub standard_error: String,
    /// `log-log`; empty where it is undefined (incidence 0 or 1).
    pub intervals: Vec<Interval>,
    /// Incidence of death without relapse, 6 digits.
    pub death_first: String,
    /// Share without either, 6 digits.
    pub event_free: String,
}

/// A first relapse.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RelapseListing {
    /// The subject.
    pub subject: String,
    /// Its site.
    pub site: String,
    /// Its date.
    pub on: String,
    /// Whether that completed a partial date.
    pub imputed: bool,
    /// Whether a committee judged so, rather than the investigator.
    pub adjudicated: bool,
    /// Days from first infusion.
    pub day: u64,
    /// Position of the record that first stated it.
    pub first_seq: u64,
    /// Position of its latest version.
    pub latest_seq: u64,
}

/// A measure that is shipped: its definition, the id of its figures, its name.
const IN_YEAR: Shipped = ("relapse-in-year-1", "relapse.in_year", "RelapseInYear");
const AT_RISK: Shipped = ("relapse-at-risk-1", "relapse.at_risk", "RelapseAtRisk");
const AMONG_RESPONDERS: Shipped =
    ("relapse-among-responders-1", "relapse.among_responders", "RelapseAmongResponders");
const EVER: Shipped = ("relapse-ever-1", "relapse.ever", "RelapseEver/Enrolled");

type Shipped = (&'static str, &'static str, &'static str);

pub(crate) fn relapse(courses: &[Course], rules: &Rules) -> Result<RelapseSection, ReportError> {
    let all: Vec<&Course> = courses.iter().collect();
    let in_all = |(measure, id, label): Shipped, denominator| {
        let rule = Measure { denominator, period: Period::Ever };
        let label = label.to_owned();
        figure(&all, Wanted { measure, rule: &rule, id: id.to_owned(), label }, None, rules)
    };
    let own = |own: &OwnRule| {
        let id = format!("relapse.own.{}", own.id);
        let wanted = |id, label| Wanted { measure: &own.id, rule: &own.rule, id, label };
        let figures = if is_by_landmark(&own.rule) {
            let at = |mark: &Mark| {
                let label = format!("{} at {}", own.title, mark.at.label());
                figure(&all, wanted(format!("{id}.{}", mark.at.id()), label), Some(*mark), rules)
            };
            rules.marks.iter().map(at).collect::<Result<_, _>>()?
        } else {
            vec![figure(&all, wanted(id, own.title.clone()), None, rules)?]
        };
        Ok(OwnMeasure { id: own.id.clone(), title: own.title.clone(), figures })
    };
    Ok(RelapseSection {
        definition: rules.relapse_id.clone(),
        in_year: in_year(&all, IN_YEAR.1, rules)?,
        at_risk: yearly(&all, AT_RISK, AT_RISK.1, Denominator::AtRisk, rules)?,
        among_responders: in_all(AMONG_RESPONDERS, Denominator::Responders)?,
        ever: in_all(EVER, Denominator::Enrolled)?,
        own: rules.own_measures.iter().map(own).collect::<Result<_, FigureError>>()?,
        cumulative_incidence: cumulative_incidence(courses, rules)?,
        listing: courses.iter().filter_map(listing).collect(),
    })
}

/// `RelapseInYear(k)` of these, at each landmark.
pub(crate) fn in_year(courses: &[&Course], id: &str, rules: &Rules) -> Result<Vec<Figure>, FigureError> {
    yearly(courses, IN_YEAR, id, Denominator::Evaluable, rules)
}

fn yearly(
    courses: &[&Course],
    (measure, _, name): Shipped,
    id: &str,
    denominator: Denominator,
    rules: &Rules,
) -> Result<Vec<Figure>, FigureError> {
    let rule = Measure { denominator, period: Period::Year };
    let at = |mark: &Mark| {
        let id = format!("{id}.{}", mark.at.id());
        let label = format!("{name}({})", mark.at.argument());
        figure(courses, Wanted { measure, rule: &rule, id, label }, Some(*mark), rules)
    };
    rules.marks.iter().map(at).collect()
}

/// A figure to be made.
struct Wanted<'a> {
    /// Id of its definition.
    measure: &'a str,
    rule: &'a Measure,
    id: String,
    label: String,
}

fn is_by_landmark(rule: &Measure) -> bool {
    rule.period == Period::Year || matches!(rule.denominator, Denominator::Evaluable | Denominator::AtRisk)
}

/// The proportion at a landmark, where the rule asks for one.
fn figure(
    courses: &[&Course],
    wanted: Wanted<'_>,
    mark: Option<Mark>,
    rules: &Rules,
) -> Result<Figure, FigureError> {
    let rule = wanted.rule;
    let is_counted = |course: &Course| match rule.denominator {
        Denominator::Evaluable => mark.is_some_and(|mark| course.evaluable(mark.at, rules)),
        Denominator::AtRisk => mark.is_some_and(|mark| {
            course.evaluable(mark.at, rules)
                && !course.analysable().is_some_and(|followed| by(followed.first_relapse, followed, mark))
        }),
        Denominator::Responders => course.analysable().is_some_and(|followed| followed.responded),
        Denominator::Enrolled => course.enrolled(),
    };
    let event = |course: &Course| {
        let followed = course.analysable()?;
        let relapse = match rule.denominator {
            Denominator::Responders => followed.relapse_after_response,
            _ => followed.first_relapse,
        };
        relapse.filter(|relapse| match (rule.period, mark) {
            (Period::Year, Some(mark)) => {
                relapse.on <= mark.at.due(followed.day_0) && !by(Some(*relapse), followed, mark)
            }
            _ => true,
        })
    };
    let counted: Vec<&Course> = courses.iter().copied().filter(|course| is_counted(course)).collect();
    let at = mark.map(|mark| mark.at.argument()).unwrap_or_default();
    let (population, denominator_rule) = match rule.denominator {
        Denominator::Evaluable => {
            (format!("Evaluable({at})"), format!("earlier relapsers included; {}", rules.denominator()))
        }
        Denominator::AtRisk => (
            format!("Evaluable({at})"),
            format!("without relapse before the period; {}", rules.denominator()),
        ),
        Denominator::Responders => (
            INFUSED.to_owned(),
            "a complete or partial response documented at any visit from first infusion on".to_owned(),
        ),
        Denominator::Enrolled => ("Enrolled".to_owned(), "all enrolled, whatever their follow-up".to_owned()),
    };
    let meaning = Meaning {
        id: wanted.id,
        label: wanted.label,
        population: &population,
        definition: &format!("{}, {}", rules.relapse_id, wanted.measure),
        denominator_rule: &denominator_rule,
    };
    Figure::new(
        meaning,
        count(&counted, |course| event(course).is_some()),
        counted.len() as u64,
        count(&counted, |course| event(course).is_some_and(|relapse| relapse.imputed)),
    )
}

/// Whether it was before the landmark's period. A relapse on day 0 is one of the first.
fn by(relapse: Option<Happened>, followed: &Followed, mark: Mark) -> bool {
    let before = mark.before.map(|before| before.due(followed.day_0));
    relapse.zip(before).is_some_and(|(relapse, before)| relapse.on <= before)
}

/// Days to the first relapse, or to the end of follow-up.
pub(crate) fn days_to_first(followed: &Followed) -> u32 {
    followed
        .first_relapse
        .and_then(|relapse| u32::try_from(clinical::date::days_between(followed.day_0, relapse.on)).ok())
        .unwrap_or(followed.days)
}

fn cumulative_incidence(courses: &[Course], rules: &Rules) -> Result<CumulativeIncidence, ReportError> {
    let observations: Vec<Observation> = courses
        .iter()
        .filter_map(|course| {
            let followed = course.analysable()?;
            let cause = match (followed.first_relapse, course.death) {
                (Some(_), _) => RELAPSE,
                (None, Some(_)) => DEATH,
                (None, None) => 0,
            };
            Some(Observation { time: days_to_first(followed), cause })
        })
        .collect();
    let mut section = CumulativeIncidence {
        id: "relapse.cumulative_incidence".to_owned(),
        label: "Cumulative incidence of a first relapse, death without relapse competing (Aalen-Johansen)"
            .to_owned(),
        population: INFUSED.to_owned(),
        subjects: observations.len() as u64,
        relapses: count(&observations, |one| one.cause == RELAPSE),
        deaths_first: count(&observations, |one| one.cause == DEATH),
        imputed: count(courses.iter().filter_map(Course::analysable), |followed| {
            followed.first_relapse.is_some_and(|relapse| relapse.imputed)
        }),
        steps: Vec::new(),
        landmarks: Vec::new(),
    };
    if observations.is_empty() {
        return Ok(section);
    }
    let estimate = AalenJohansen::fit(&observations, 2)?;
    let share = |value: f64| decimal(value, PROBABILITY_DIGITS);
    for step in estimate.steps() {
        let [relapse, death] = step.causes.as_slice() else { continue };
        section.steps.push(IncidenceStep {
            day: u64::from(step.time),
            at_risk: step.at_risk as u64,
            relapses: relapse.events as u64,
            deaths: death.events as u64,
            censored: step.censored as u64,
            relapse: share(relapse.incidence.estimate())?,
            death_first: share(death.incidence.estimate())?,
            event_free: share(step.event_free)?,
        });
    }
    for mark in &rules.marks {
        let day = mark.at.curve_days();
        let relapse: Incidence = estimate.at(day, RELAPSE)?;
        let interval = relapse.interval(LEVEL);
        section.landmarks.push(IncidenceLandmark {
            label: mark.at.curve_label(),
            days: decimal(day, 2)?,
            at_risk: estimate.at_risk(day)? as u64,
            relapse: share(relapse.estimate())?,
            standard_error: share(relapse.standard_error())?,
            intervals: interval
                .map(|interval| Interval::new("log-log", interval, PROBABILITY_DIGITS))
                .transpose()?
                .into_iter()
                .collect(),
            death_first: share(estimate.at(day, DEATH)?.estimate())?,
            event_free: share(estimate.event_free(day)?)?,
        });
    }
    Ok(section)
}

fn listing(course: &Course) -> Option<RelapseListing> {
    let followed = course.analysable()?;
    let relapse = followed.first_relapse?;
    Some(RelapseListing {
        subject: course.subject.clone(),
        site: course.site.clone(),
        on: date(relapse.on),
        imputed: relapse.imputed,
        adjudicated: relapse.adjudicated,
        day: u64::from(days_to_first(followed)),
        first_seq: relapse.root,
        latest_seq: relapse.latest,
    })
}
