//! The outcome report: a pure function of rows, cutoff and what the rows cover.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};

use chain::Position;
use clinical::SuspectedKey;
use clinical::data::Definitions;
use clinical::report::{
    Arms, AskedSources, ByArm, Covered, Covers, Cutoff, Engine, Parameters, Reading, Replaced, Sources,
    SourcesError, TrialHeader, canonical_json,
};
use clinical::rows::{self, FactRow, RowsError, TrialRows};
use serde::{Deserialize, Serialize};
use stats::figure::{LEVEL_TEXT, Meaning, Rate};

use crate::count;
use crate::course::Course;
use crate::facts::{Facts, Judged};
use crate::flares::{self, FlareSection};
use crate::flow::{self, Flow, NotAnalysable, SiteRow, Waterfall};
use crate::followup::{self, Exclusions, FollowUp};
use crate::judgement::{self, AdjudicationSection};
use crate::measures::{self, MeasureSection, Values};
use crate::relapse::{self, RelapseSection};
use crate::remission::{self, RemissionSection};
use crate::rows::Fact;
use crate::rules::Rules;
use crate::screening::{self, ConsentSection, DeviationSection, ScreeningSection};
use crate::strata::{self, Stratification};
use crate::survival::{self, SurvivalSection};
use crate::swimmer::{self, SwimmerSection};
use crate::values::Terms;

/// Number of the report's form. It grows; a number once published keeps its meaning.
const SCHEMA: u32 = 3;

/// What it is called.
const NAME: &str = "outcomes";

/// Why no report was made.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The rows are no fold's.
    #[error(transparent)]
    Rows(#[from] RowsError),
    /// A number that cannot be written.
    #[error(transparent)]
    Decimal(#[from] stats::DecimalError),
    /// Counts or times that make no figure.
    #[error(transparent)]
    Figure(#[from] stats::figure::FigureError),
    /// Times that make no curve.
    #[error(transparent)]
    Survival(#[from] stats::survival::SurvivalError),
    /// Times that make no incidence.
    #[error(transparent)]
    Competing(#[from] stats::competing::CompetingError),
}

/// The outcome report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// `outcomes`.
    pub report: String,
    /// Number of this form.
    pub schema: u32,
    /// What made it.
    pub engine: Engine,
    /// The trial.
    pub trial: TrialHeader,
    /// Whether every record is synthetic.
    pub synthetic: bool,
    /// Whether it shows what tells the trial's arms apart.
    pub arms: Arms,
    /// The records it follows from.
    pub covers: Covers,
    /// Up to which day.
    pub cutoff: Cutoff,
    /// The definitions that the trial states. Each figure names the one it was made by.
    pub definitions: Definitions,
    /// Stated definitions that this version does not know, and what it used instead.
    pub definitions_replaced: Vec<Replaced>,
    /// Conventions that the figures share.
    pub conventions: Conventions,
    /// The flow of subjects.
    pub flow: Flow,
    /// Screenings, and the criteria that were not met.
    pub screening: ScreeningSection,
    /// Consents.
    pub consent: ConsentSection,
    /// Deviations from the protocol.
    pub deviations: DeviationSection,
    /// From enrolled to evaluable.
    pub waterfall: Waterfall,
    /// Who is not analysed, and why.
    pub not_analysable: Vec<NotAnalysable>,
    /// How long subjects were followed.
    pub follow_up: FollowUp,
    /// Survival.
    pub survival: SurvivalSection,
    /// Remission.
    pub remission: RemissionSection,
    /// Relapse.
    pub relapse: RelapseSection,
    /// Flares; absent where the trial states no definition of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flares: Option<FlareSection>,
    /// What committees judged otherwise than the investigators.
    pub adjudication: AdjudicationSection,
    /// Deaths and first relapses in person-time.
    pub rates: Vec<Rate>,
    /// Scores, laboratory values and doses by visit, with change from baseline.
    pub measures: MeasureSection,
    /// Survival, remission and relapse by site, cell source and planned number of infusions.
    pub strata: Vec<Stratification>,
    /// Each subject's course, for drawing.
    pub swimmer: SwimmerSection,
    /// By site.
    pub sites: Vec<SiteRow>,
    /// What was recorded and is not in the figures.
    pub excluded: Exclusions,
    /// Keys that others may have had, and what was recorded with them since. It is in the figures all the same.
    pub suspected_keys: Vec<SuspectedKey>,
}

/// Conventions that the figures share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conventions {
    /// What day 0 is.
    pub day_0: String,
    /// Days of a month.
    pub month_days: String,
    /// Days of a year of follow-up; anniversaries are calendar days.
    pub year_days: String,
    /// Level of every interval, two-sided.
    pub confidence: String,
    /// The anniversary of 29 February in a common year.
    pub leap_day: String,
}

impl Report {
    /// The bytes that are hashed and published: canonical JSON.
    pub fn to_canonical_json(&self) -> Vec<u8> {
        canonical_json(self)
    }
}

/// Makes the report of a fold's rows, all of them, in ascending order of their keys.
///
/// # Errors
/// [`ReportError`].
///
/// ```
/// use outcomes::{Covered, Parameters, ReportError, report};
/// let covered = Covered { records: 0, head: chain::RecordHash([0; 32]) };
/// let nothing = report(std::iter::empty(), &Parameters::default(), covered);
/// assert!(matches!(nothing, Err(ReportError::Rows(clinical::rows::RowsError::NotOpened))));
/// ```
pub fn report(
    rows: impl Iterator<Item = (Vec<u8>, Vec<u8>)>,
    parameters: &Parameters,
    covered: Covered,
) -> Result<Report, ReportError> {
    report_for(rows, parameters, covered, Reading::Open)
}

/// As [`report()`], of some subjects alone or with what an open report withholds.
///
/// # Errors
/// [`ReportError`].
pub fn report_for(
    rows: impl Iterator<Item = (Vec<u8>, Vec<u8>)>,
    parameters: &Parameters,
    covered: Covered,
    reading: Reading<'_>,
) -> Result<Report, ReportError> {
    let (trial, mut rows) = rows::read(rows)?;
    of(trial, std::iter::from_fn(|| rows.next_row().transpose()), *parameters, covered, reading)
}

/// What is behind a cell of the report.
///
/// # Errors
/// [`SourcesError`].
pub fn sources(
    rows: impl Iterator<Item = (Vec<u8>, Vec<u8>)>,
    parameters: &Parameters,
    covered: Covered,
    asked: &AskedSources,
) -> Result<Sources, SourcesError<ReportError>> {
    let (trial, rows) = rows::read(rows).map_err(SourcesError::Rows)?;
    clinical::report::sources(&rows.people().map_err(SourcesError::Rows)?, asked, |facts| {
        let report = of(trial.clone(), facts.map(Ok), *parameters, covered, Reading::Open)?;
        Ok(serde_json::to_value(report).expect("a report has text keys only"))
    })
}

/// The report of these facts, subject by subject.
fn of(
    mut trial: TrialRows,
    facts: impl Iterator<Item = Result<impl Borrow<FactRow>, RowsError>>,
    parameters: Parameters,
    covered: Covered,
    reading: Reading<'_>,
) -> Result<Report, ReportError> {
    trial.links.retain(|_, kept| reading.is_about(kept));
    let (day, cutoff) = Cutoff::of(&trial, &parameters);
    let definitions = &trial.header.definitions;
    let judged = Judged { remission: &definitions.remission, relapse: &definitions.relapse };
    let rules = Rules::of(&trial, day);

    let mut excluded = Exclusions::default();
    let mut terms = Terms::default();
    let (mut courses, mut values) = (Vec::new(), Values::default());
    let mut finish = |of, facts, terms: &Terms, excluded: &mut Exclusions| {
        let mut course = Course::new(of, facts, &rules, terms, excluded);
        if let Some(Ok(followed)) = &mut course.followed {
            values.take(followed, &rules);
        }
        courses.push(course);
    };
    let mut current: Option<(String, Facts)> = None;
    for row in facts {
        let row = row?;
        let row = row.borrow();
        if !reading.is_about(&row.subject) {
            continue;
        }
        let fact: Fact<'_> = row.fact()?;
        trial.suspicions.note(Position(fact.signer), Position(fact.latest), &row.subject);
        if current.as_ref().is_none_or(|(of, _)| *of != row.subject)
            && let Some((of, facts)) = current.replace((row.subject.clone(), Facts::default()))
        {
            finish(of, facts, &terms, &mut excluded);
        }
        if let Some((_, facts)) = &mut current {
            facts.add(row.root, fact, judged, &mut terms, &mut excluded);
        }
    }
    if let Some((of, facts)) = current {
        finish(of, facts, &terms, &mut excluded);
    }
    let arms = reading.arms(trial.header.arms);
    make(trial, &Read { courses, values, rules, terms, arms }, cutoff, excluded, covered)
}

/// The closed report: the report of all and, beside it, that of each arm's subjects.
///
/// # Errors
/// [`ReportError`].
pub fn report_by_arm<I: Iterator<Item = (Vec<u8>, Vec<u8>)>>(
    rows: impl Fn() -> I,
    parameters: &Parameters,
    covered: Covered,
    arms: &BTreeMap<String, BTreeSet<String>>,
) -> Result<ByArm<Report>, ReportError> {
    let make = |reading: Reading<'_>| report_for(rows(), parameters, covered, reading);
    let head =
        |whole: &Report| (whole.trial.clone(), whole.synthetic, whole.covers.clone(), whole.cutoff.clone());
    ByArm::new(NAME, arms, make, head)
}

/// What the rows say of subjects, by which rules, and what is done about arms.
struct Read {
    courses: Vec<Course>,
    values: Values,
    rules: Rules,
    terms: Terms,
    arms: Arms,
}

fn make(
    trial: TrialRows,
    read: &Read,
    cutoff: Cutoff,
    excluded: Exclusions,
    covered: Covered,
) -> Result<Report, ReportError> {
    let Read { courses, values, rules, terms, arms } = read;
    let (courses, withheld) = (courses.as_slice(), *arms == Arms::Withheld);
    let definitions = trial.header.definitions.clone().into_owned();
    Ok(Report {
        report: NAME.to_owned(),
        schema: SCHEMA,
        engine: Engine::this(),
        trial: TrialHeader::of(&trial),
        synthetic: trial.header.synthetic,
        arms: *arms,
        covers: covered.into(),
        cutoff,
        definitions_replaced: rules.replaced.clone(),
        conventions: Conventions {
            day_0: "day of first infusion".to_owned(),
            month_days: "30.4375".to_owned(),
            year_days: "365.25".to_owned(),
            confidence: LEVEL_TEXT.to_owned(),
            leap_day: "28 February".to_owned(),
        },
        flow: flow::flow(courses, trial.links.len()),
        screening: screening::screening(courses),
        consent: screening::consent(courses),
        deviations: screening::deviations(courses),
        waterfall: flow::waterfall(courses, rules),
        not_analysable: flow::not_analysable(courses),
        follow_up: followup::follow_up(courses)?,
        survival: survival::survival(courses, rules)?,
        remission: remission::remission(courses, rules)?,
        relapse: relapse::relapse(courses, rules)?,
        flares: flares::flares(courses, rules)?,
        adjudication: judgement::adjudication(courses, rules),
        rates: rates(courses, &rules.relapse_id)?,
        measures: measures::measures(courses, values, &trial.header.schedule, terms, rules)?,
        strata: strata::strata(courses, rules, withheld)?,
        swimmer: swimmer::swimmer(courses, withheld),
        sites: flow::sites(courses, &trial.sites),
        excluded,
        suspected_keys: trial.suspicions.finish(),
        definitions,
    })
}

fn rates(courses: &[Course], relapse_definition: &str) -> Result<Vec<Rate>, ReportError> {
    let followed = || courses.iter().filter_map(Course::analysable);
    let dead = || courses.iter().filter(|course| course.analysable().is_some() && course.death.is_some());
    let meaning = |id: &str, label: &str, definition, denominator_rule| Meaning {
        id: id.to_owned(),
        label: label.to_owned(),
        population: followup::INFUSED,
        definition,
        denominator_rule,
    };
    Ok(vec![
        Rate::new(
            meaning(
                "rate.death",
                "Deaths per 100 patient-years",
                "death-1",
                "days from first infusion to death, last contact or cutoff",
            ),
            "all",
            dead().count() as u64,
            followed().map(|followed| u64::from(followed.days)).sum(),
            count(dead(), |course| course.death.is_some_and(|death| death.imputed)),
        )?,
        Rate::new(
            meaning(
                "rate.first_relapse",
                "First relapses per 100 patient-years",
                relapse_definition,
                "days from first infusion to first relapse, death, last contact or cutoff",
            ),
            "to_first_event",
            count(followed(), |followed| followed.first_relapse.is_some()),
            followed().map(|followed| u64::from(relapse::days_to_first(followed))).sum(),
            count(followed(), |followed| followed.first_relapse.is_some_and(|relapse| relapse.imputed)),
        )?,
    ])
}
