//! Relapse: four measures by name, each with its own denominator, and the cumulative incidence.

use serde::{Deserialize, Serialize};
use stats::DAYS_PER_YEAR;
use stats::competing::{AalenJohansen, Incidence, Observation};
use stats::decimal;
use stats::figure::{Figure, FigureError, Interval, LEVEL, Meaning, PROBABILITY_DIGITS};

use crate::count;
use crate::course::{Course, Followed};
use crate::flow::YEARS;
use crate::followup::INFUSED;
use crate::report::ReportError;
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
    /// Of a first relapse, death without one competing.
    pub cumulative_incidence: CumulativeIncidence,
    /// Each first relapse.
    pub listing: Vec<RelapseListing>,
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
    /// At 1 to 4 years of 365.25 days.
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
    /// Years.
    pub years: u64,
    /// Months.
    pub months: u64,
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

pub(crate) fn relapse(courses: &[Course], definition: &str) -> Result<RelapseSection, ReportError> {
    let mut in_year = Vec::new();
    let mut at_risk = Vec::new();
    let all: Vec<&Course> = courses.iter().collect();
    for years in 1..=YEARS {
        in_year.push(self::in_year(&all, "relapse.in_year", years, definition)?);
        let evaluable = evaluable(&all, years);
        let free: Vec<&Followed> =
            evaluable.into_iter().filter(|followed| !relapsed_before(followed, years)).collect();
        at_risk.push(yearly(
            "RelapseAtRisk",
            "relapse.at_risk",
            &free,
            years,
            definition,
            "evaluable at the anniversary, without relapse by the one before",
        )?);
    }
    Ok(RelapseSection {
        definition: definition.to_owned(),
        in_year,
        at_risk,
        among_responders: among_responders(courses)?,
        ever: ever(courses, definition)?,
        cumulative_incidence: cumulative_incidence(courses)?,
        listing: courses.iter().filter_map(listing).collect(),
    })
}

fn evaluable<'a>(courses: &[&'a Course], years: u8) -> Vec<&'a Followed> {
    courses.iter().filter(|course| course.evaluable(years)).filter_map(|course| course.analysable()).collect()
}

/// `RelapseInYear(k)` of these.
pub(crate) fn in_year(
    courses: &[&Course],
    id: &str,
    years: u8,
    definition: &str,
) -> Result<Figure, FigureError> {
    yearly(
        "RelapseInYear",
        id,
        &evaluable(courses, years),
        years,
        definition,
        "evaluable at the anniversary, earlier relapsers included",
    )
}

/// A relapse on day 0 is one of the first year.
fn relapsed_before(followed: &Followed, years: u8) -> bool {
    years > 1 && followed.first_relapse.is_some_and(|relapse| relapse.on <= followed.anniversary(years - 1))
}

fn yearly(
    name: &str,
    id: &str,
    subjects: &[&Followed],
    years: u8,
    definition: &str,
    denominator_rule: &str,
) -> Result<Figure, FigureError> {
    let in_year = |followed: &Followed| {
        followed
            .first_relapse
            .filter(|relapse| relapse.on <= followed.anniversary(years) && !relapsed_before(followed, years))
    };
    let population = format!("Evaluable({years})");
    let meaning = Meaning {
        id: format!("{id}.year_{years}"),
        label: format!("{name}({years})"),
        population: &population,
        definition,
        denominator_rule,
    };
    let numerator = count(subjects, |followed| in_year(followed).is_some());
    let imputed = count(subjects, |followed| in_year(followed).is_some_and(|relapse| relapse.imputed));
    Figure::new(meaning, numerator, subjects.len() as u64, imputed)
}

fn among_responders(courses: &[Course]) -> Result<Figure, FigureError> {
    let responders: Vec<&Followed> =
        courses.iter().filter_map(Course::analysable).filter(|followed| followed.responded).collect();
    let meaning = Meaning {
        id: "relapse.among_responders".to_owned(),
        label: "RelapseAmongResponders".to_owned(),
        population: INFUSED,
        definition: "relapse-after-response-1",
        denominator_rule: "a complete or partial response documented at any visit from first infusion on",
    };
    Figure::new(
        meaning,
        count(&responders, |followed| followed.relapse_after_response.is_some()),
        responders.len() as u64,
        count(&responders, |followed| followed.relapse_after_response.is_some_and(|relapse| relapse.imputed)),
    )
}

fn ever(courses: &[Course], definition: &str) -> Result<Figure, FigureError> {
    let relapses =
        || courses.iter().filter_map(Course::analysable).filter_map(|followed| followed.first_relapse);
    let meaning = Meaning {
        id: "relapse.ever".to_owned(),
        label: "RelapseEver/Enrolled".to_owned(),
        population: "Enrolled",
        definition,
        denominator_rule: "all enrolled, whatever their follow-up",
    };
    Figure::new(
        meaning,
        relapses().count() as u64,
        count(courses, |course| course.enrolled()),
        count(relapses(), |relapse| relapse.imputed),
    )
}

/// Days to the first relapse, or to the end of follow-up.
pub(crate) fn days_to_first(followed: &Followed) -> u32 {
    followed
        .first_relapse
        .and_then(|relapse| u32::try_from(clinical::date::days_between(followed.day_0, relapse.on)).ok())
        .unwrap_or(followed.days)
}

fn cumulative_incidence(courses: &[Course]) -> Result<CumulativeIncidence, ReportError> {
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
    for years in 1..=YEARS {
        let day = DAYS_PER_YEAR * f64::from(years);
        let relapse: Incidence = estimate.at(day, RELAPSE)?;
        let interval = relapse.interval(LEVEL);
        section.landmarks.push(IncidenceLandmark {
            years: u64::from(years),
            months: 12 * u64::from(years),
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
