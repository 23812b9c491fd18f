//! Survival: the crude share beside the Kaplan-Meier curve, and the deaths.

use clinical::Date;
use clinical::date::days_between;
use clinical::definitions::rule::End;
use serde::{Deserialize, Serialize};
use stats::decimal;
use stats::figure::{Figure, FigureError, Interval, LEVEL, Meaning, PROBABILITY_DIGITS};
use stats::survival::{KaplanMeier, Observation, Transformation};

use crate::count;
use crate::course::Course;
use crate::followup::INFUSED;
use crate::report::ReportError;
use crate::rules::Rules;

/// Survival, crude and by the curve, and each death.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SurvivalSection {
    /// Alive at the end of follow-up, of the infused. Crude: it forgets how long each was followed.
    pub crude: Figure,
    /// Died, of the infused.
    pub deaths: Figure,
    /// From first infusion.
    pub from_infusion: SurvivalCurve,
    /// From enrollment, the never infused among them.
    pub from_enrollment: SurvivalCurve,
    /// Each death of an infused subject.
    pub listing: Vec<DeathListing>,
    /// The same with partly dated deaths on other days; absent where each has a full date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sensitivity: Option<DeathSensitivity>,
}

/// Survival with partly dated deaths where the analysis of sensitivity has them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeathSensitivity {
    /// Id of the definition of imputation.
    pub definition: String,
    /// Where the figures above have such a death, of the days it can mean.
    pub main: End,
    /// Where these have it. Not after the last record, which is of something that had happened.
    pub other: End,
    /// Infused subjects with a partly dated death.
    pub deaths: u64,
    /// Alive at the end of follow-up, of the infused. A death is another day here, and may lie after the cutoff.
    pub crude: Figure,
    /// From first infusion.
    pub from_infusion: SurvivalCurve,
}

/// A Kaplan-Meier curve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SurvivalCurve {
    /// Its stable id.
    pub id: String,
    /// In words.
    pub label: String,
    /// The population.
    pub population: String,
    /// Subjects in it.
    pub subjects: u64,
    /// Deaths.
    pub deaths: u64,
    /// How many deaths or last contacts completed a partial date.
    pub imputed: u64,
    /// For drawing: each day on which somebody died or was censored.
    pub steps: Vec<Step>,
    /// At the landmarks; a year has 365.25 days.
    pub landmarks: Vec<Landmark>,
}

/// A step of the curve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Days from the origin.
    pub day: u64,
    /// At risk then: followed to that day or longer.
    pub at_risk: u64,
    /// Deaths that day.
    pub deaths: u64,
    /// Censored that day, after the deaths.
    pub censored: u64,
    /// The curve from then on, 6 digits.
    pub survival: String,
    /// Greenwood's standard error, 6 digits; absent where it is undefined (survival 0).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standard_error: Option<String>,
    /// `log-log`, for the band of the drawing; empty where it is undefined (survival 0 or 1).
    pub intervals: Vec<Interval>,
}

/// The curve at a landmark.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Landmark {
    /// In words, such as `12 months`.
    pub label: String,
    /// Days, 2 digits.
    pub days: String,
    /// Followed to the landmark or longer.
    pub at_risk: u64,
    /// Survival, 6 digits.
    pub survival: String,
    /// Greenwood's standard error, 6 digits; absent where it is undefined (survival 0).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standard_error: Option<String>,
    /// `plain` and `log-log`; empty where they are undefined (survival 0 or 1).
    pub intervals: Vec<Interval>,
}

/// One death.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeathListing {
    /// The subject.
    pub subject: String,
    /// Its site.
    pub site: String,
    /// Its date.
    pub on: String,
    /// Whether that completed a partial date.
    pub imputed: bool,
    /// Days from first infusion; absent if day 0 is not certain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub day: Option<u64>,
    /// Whether the subject had relapsed before or on that day.
    pub after_relapse: bool,
    /// Position of the record that first stated it.
    pub first_seq: u64,
    /// Position of its latest version.
    pub latest_seq: u64,
}

/// Time from first infusion to death or end of follow-up.
pub(crate) fn observations(courses: &[Course]) -> Vec<Observation> {
    courses
        .iter()
        .filter_map(|course| {
            let followed = course.analysable()?;
            Some(Observation { time: followed.days, event: course.death.is_some() })
        })
        .collect()
}

pub(crate) fn survival(courses: &[Course], rules: &Rules) -> Result<SurvivalSection, ReportError> {
    let infused: Vec<&Course> = courses.iter().filter(|course| course.infused).collect();
    let deaths = count(&infused, |course| course.death.is_some());
    let imputed_ends = count(courses.iter().filter_map(Course::analysable), |followed| followed.end_imputed);
    let imputed_deaths = count(courses, |course| {
        course.analysable().is_some() && course.death.is_some_and(|death| death.imputed)
    });
    Ok(SurvivalSection {
        crude: crude_alive(&infused, "survival.crude")?,
        deaths: crude(&infused, "death.crude", "Died", deaths)?,
        from_infusion: curve(
            "survival.from_infusion",
            "Survival from first infusion (Kaplan-Meier)",
            INFUSED,
            &observations(courses),
            imputed_ends + imputed_deaths,
            rules,
        )?,
        from_enrollment: from_enrollment(courses, rules)?,
        listing: infused.iter().filter_map(|course| listing(course)).collect(),
        sensitivity: sensitivity(&infused, rules)?,
    })
}

fn sensitivity(infused: &[&Course], rules: &Rules) -> Result<Option<DeathSensitivity>, ReportError> {
    let partial = count(infused, |course| course.otherwise.is_some());
    if partial == 0 {
        return Ok(None);
    }
    let end = |course: &Course| {
        course
            .otherwise
            .map_or((course.end, course.death.is_some()), |otherwise| (otherwise.end, otherwise.died))
    };
    let alive = count(infused, |course| !end(course).1);
    let observations: Vec<Observation> = infused
        .iter()
        .filter_map(|course| {
            let (end, event) = end(course);
            let time = u32::try_from(days_between(course.analysable()?.day_0, end)).ok()?;
            Some(Observation { time, event })
        })
        .collect();
    let imputed = count(infused, |course| {
        course.analysable().is_some_and(|followed| course.otherwise.is_some() || followed.end_imputed)
    });
    let id = "survival.sensitivity";
    let label = "Alive at the end of follow-up (crude), partly dated deaths on other days";
    let meaning = Meaning {
        id: format!("{id}.crude"),
        label: label.to_owned(),
        population: "Infused",
        definition: "death-1",
        denominator_rule: "all infused, whatever their follow-up",
    };
    Ok(Some(DeathSensitivity {
        definition: rules.imputation_id.clone(),
        main: rules.imputation.death,
        other: rules.imputation.death_sensitivity,
        deaths: partial,
        crude: Figure::new(meaning, alive, infused.len() as u64, partial)?,
        from_infusion: curve(
            &format!("{id}.from_infusion"),
            "Survival from first infusion (Kaplan-Meier), partly dated deaths on other days",
            INFUSED,
            &observations,
            imputed,
            rules,
        )?,
    }))
}

/// Those of the infused who were alive at the end of follow-up.
pub(crate) fn crude_alive(infused: &[&Course], id: &str) -> Result<Figure, FigureError> {
    let alive = count(infused, |course| course.death.is_none());
    crude(infused, id, "Alive at the end of follow-up (crude)", alive)
}

fn crude(infused: &[&Course], id: &str, label: &str, numerator: u64) -> Result<Figure, FigureError> {
    let imputed = count(infused, |course| course.death.is_some_and(|death| death.imputed));
    let meaning = Meaning {
        id: id.to_owned(),
        label: label.to_owned(),
        population: "Infused",
        definition: "death-1",
        denominator_rule: "all infused, whatever their follow-up",
    };
    Figure::new(meaning, numerator, infused.len() as u64, imputed)
}

fn from_enrollment(courses: &[Course], rules: &Rules) -> Result<SurvivalCurve, ReportError> {
    let mut imputed = 0;
    let mut observations = Vec::new();
    for course in courses.iter().filter(|course| course.enrolled()) {
        let Some(origin) = course.enrolled_on else { continue };
        // A death before enrollment is a contradiction that no curve can show.
        let Ok(time) = u32::try_from(days_between(origin, course.end)) else { continue };
        imputed += u64::from(course.death.is_some_and(|death| death.imputed));
        observations.push(Observation { time, event: course.death.is_some() });
    }
    curve(
        "survival.from_enrollment",
        "Survival from enrollment (Kaplan-Meier)",
        "Enrolled, with a date of enrollment",
        &observations,
        imputed,
        rules,
    )
}

fn curve(
    id: &str,
    label: &str,
    population: &str,
    observations: &[Observation],
    imputed: u64,
    rules: &Rules,
) -> Result<SurvivalCurve, ReportError> {
    let mut curve = SurvivalCurve {
        id: id.to_owned(),
        label: label.to_owned(),
        population: population.to_owned(),
        subjects: observations.len() as u64,
        deaths: count(observations, |one| one.event),
        imputed,
        steps: Vec::new(),
        landmarks: Vec::new(),
    };
    if observations.is_empty() {
        return Ok(curve);
    }
    let estimate = KaplanMeier::fit(observations)?;
    let error = |survival: stats::survival::Survival| {
        survival.standard_error().map(|error| decimal(error, PROBABILITY_DIGITS)).transpose()
    };
    for step in estimate.steps() {
        let band = step.survival.interval(Transformation::LogLog, LEVEL);
        let band = band.map(|band| Interval::new("log-log", band, PROBABILITY_DIGITS)).transpose()?;
        curve.steps.push(Step {
            day: u64::from(step.time),
            at_risk: step.at_risk as u64,
            deaths: step.events as u64,
            censored: step.censored as u64,
            survival: decimal(step.survival.estimate(), PROBABILITY_DIGITS)?,
            standard_error: error(step.survival)?,
            intervals: band.into_iter().collect(),
        });
    }
    for mark in &rules.marks {
        let day = mark.at.curve_days();
        let survival = estimate.at(day)?;
        let mut intervals = Vec::new();
        for (method, transformation) in
            [("plain", Transformation::Plain), ("log-log", Transformation::LogLog)]
        {
            if let Some(interval) = survival.interval(transformation, LEVEL) {
                intervals.push(Interval::new(method, interval, PROBABILITY_DIGITS)?);
            }
        }
        curve.landmarks.push(Landmark {
            label: mark.at.curve_label(),
            days: decimal(day, 2)?,
            at_risk: estimate.at_risk(day)? as u64,
            survival: decimal(survival.estimate(), PROBABILITY_DIGITS)?,
            standard_error: error(survival)?,
            intervals,
        });
    }
    Ok(curve)
}

fn listing(course: &Course) -> Option<DeathListing> {
    let death = course.death?;
    let followed = course.analysable();
    Some(DeathListing {
        subject: course.subject.clone(),
        site: course.site.clone(),
        on: date(death.on),
        imputed: death.imputed,
        day: followed.map(|followed| u64::from(followed.days)),
        after_relapse: followed
            .and_then(|followed| followed.first_relapse)
            .is_some_and(|relapse| relapse.on <= death.on),
        first_seq: death.root,
        latest_seq: death.latest,
    })
}

/// A date as the report writes it.
pub(crate) fn date(date: Date) -> String {
    clinical::PartialDate::Day(date).to_string()
}
