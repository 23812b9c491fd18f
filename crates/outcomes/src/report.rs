//! The outcome report: a pure function of rows, cutoff and what the rows cover.

use std::collections::BTreeMap;

use chain::{Position, RecordHash};
use clinical::data::Definitions;
use clinical::signers::SignerRows;
use clinical::{Date, SuspectedKey};
use serde::{Deserialize, Serialize};
use stats::figure::{LEVEL_TEXT, Meaning, Rate};

use crate::count;
use crate::course::Course;
use crate::facts::{Facts, Judged};
use crate::flow::{self, Flow, NotAnalysable, SiteRow, Waterfall};
use crate::fold::{read_date, zone_or_utc};
use crate::followup::{self, Exclusions, FollowUp};
use crate::relapse::{self, RelapseSection};
use crate::remission::{self, RemissionSection};
use crate::rows::{Fact, Header, Key, STATE_PREFIX};
use crate::sledai::{self, SledaiSection};
use crate::survival::{self, SurvivalSection, date};

/// Number of the report's form. It grows; a number once published keeps its meaning.
const SCHEMA: u32 = 1;

/// The one definition of evaluable this version knows.
const EVALUABLE: &str = "evaluable-1";
/// The one way of completing partial dates this version knows.
const IMPUTATION: &str = "impute-1";

/// What the reader may choose.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Parameters {
    /// What happened after this day is not counted; `None`: the date of the last record in the trial's zone.
    pub cutoff: Option<Date>,
}

/// The records that the rows were made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Covered {
    /// How many, from the log's beginning.
    pub records: u64,
    /// Hash of the last.
    pub head: RecordHash,
}

/// Why no report was made.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The trial's opening is not among the rows.
    #[error("the rows hold no opening of a trial")]
    NotOpened,
    /// The rows are not in ascending order of their keys.
    #[error("the rows are not in the order of their keys")]
    Order,
    /// A row that no fold writes.
    #[error("a row is not of a known form")]
    Row,
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
    /// Deaths and first relapses in person-time.
    pub rates: Vec<Rate>,
    /// Disease activity.
    pub sledai: SledaiSection,
    /// By site.
    pub sites: Vec<SiteRow>,
    /// What was recorded and is not in the figures.
    pub excluded: Exclusions,
    /// Keys that others may have had, and what was recorded with them since. It is in the figures all the same.
    pub suspected_keys: Vec<SuspectedKey>,
}

/// What made a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Engine {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// The trial a report is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrialHeader {
    /// Its id.
    pub id: String,
    /// Its title.
    pub title: String,
}

/// A definition that this version does not know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replaced {
    /// Of what.
    pub what: String,
    /// The id that the trial states.
    pub stated: String,
    /// The id of the one used.
    pub used: String,
}

/// The records a report follows from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Covers {
    /// How many, from the log's beginning.
    pub records: u64,
    /// Hash of the last.
    pub head: RecordHash,
}

/// How the cutoff was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CutoffBasis {
    /// The reader gave it.
    Given,
    /// It is the date of the last record in the zone.
    LastRecord,
}

/// The day after which nothing is counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cutoff {
    /// The day.
    pub date: String,
    /// How it was chosen.
    pub basis: CutoffBasis,
    /// The zone in which the day is meant: the trial's, or `UTC` if this program does not know that.
    pub zone: String,
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
        let value = serde_json::to_value(self).expect("a report has text keys only");
        chain::canonical::canonicalize(&value)
            .expect("a report holds texts that were canonical in the log, integers and no null")
    }
}

/// What the rows say beside the facts about subjects.
#[derive(Default)]
struct State {
    header: Vec<u8>,
    last_record: Option<Date>,
    sites: BTreeMap<String, (String, String)>,
    signers: SignerRows,
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
/// assert!(matches!(nothing, Err(ReportError::NotOpened)));
/// ```
pub fn report(
    rows: impl Iterator<Item = (Vec<u8>, Vec<u8>)>,
    parameters: &Parameters,
    covered: Covered,
) -> Result<Report, ReportError> {
    let mut rows = rows.peekable();
    let mut state = State::default();
    let mut before = Vec::new();
    while let Some((key, row)) = rows.next_if(|(key, _)| key.starts_with(STATE_PREFIX)) {
        in_order(&mut before, &key)?;
        state.read(&key, row)?;
    }
    if state.header.is_empty() {
        return Err(ReportError::NotOpened);
    }
    let header: Header<'_> = serde_json::from_slice(&state.header).map_err(|_| ReportError::Row)?;
    let cutoff = cutoff(&header, state.last_record, parameters.cutoff)?;
    let judged = Judged { remission: &header.definitions.remission, relapse: &header.definitions.relapse };

    let mut suspicions = state.signers.suspicions();
    let mut excluded = Exclusions::default();
    let mut courses = Vec::new();
    let mut current: Option<(String, Facts)> = None;
    for (key, row) in rows {
        in_order(&mut before, &key)?;
        let Some(Key::Fact { subject, root }) = Key::read(&key) else { return Err(ReportError::Row) };
        let fact: Fact<'_> = serde_json::from_slice(&row).map_err(|_| ReportError::Row)?;
        suspicions.note(Position(fact.signer), Position(fact.latest), subject);
        if current.as_ref().is_none_or(|(of, _)| of != subject)
            && let Some((of, facts)) = current.replace((subject.to_owned(), Facts::default()))
        {
            courses.push(Course::new(of, facts, cutoff.0, &mut excluded));
        }
        if let Some((_, facts)) = &mut current {
            facts.add(root, fact, judged, &mut excluded);
        }
    }
    if let Some((of, facts)) = current {
        courses.push(Course::new(of, facts, cutoff.0, &mut excluded));
    }
    make(&header, &state.sites, &courses, cutoff, (excluded, suspicions.finish()), covered)
}

/// Ascending order, each key once: a row given twice would be counted twice.
fn in_order(before: &mut Vec<u8>, key: &[u8]) -> Result<(), ReportError> {
    if before.as_slice() >= key {
        return Err(ReportError::Order);
    }
    key.clone_into(before);
    Ok(())
}

impl State {
    fn read(&mut self, key: &[u8], row: Vec<u8>) -> Result<(), ReportError> {
        match Key::read(key).ok_or(ReportError::Row)? {
            Key::Header => self.header = row,
            Key::Signers(key) => self.signers.read(key, &row).ok_or(ReportError::Row)?,
            Key::Date => self.last_record = Some(read_date(&row).ok_or(ReportError::Row)?),
            Key::Site(id) => {
                let names = serde_json::from_slice(&row).map_err(|_| ReportError::Row)?;
                self.sites.insert(id.to_owned(), names);
            }
            Key::Lineage(_) => {}
            Key::Fact { .. } => return Err(ReportError::Row),
        }
        Ok(())
    }
}

fn cutoff(
    header: &Header<'_>,
    last_record: Option<Date>,
    given: Option<Date>,
) -> Result<(Date, CutoffBasis), ReportError> {
    match (given, last_record) {
        (Some(given), _) => Ok((given, CutoffBasis::Given)),
        (None, Some(last)) => Ok((last, CutoffBasis::LastRecord)),
        // The first record writes its date together with the header.
        (None, None) => Err(if header.trial.is_empty() { ReportError::NotOpened } else { ReportError::Row }),
    }
}

fn make(
    header: &Header<'_>,
    sites: &BTreeMap<String, (String, String)>,
    courses: &[Course],
    (cutoff, basis): (Date, CutoffBasis),
    (excluded, suspected_keys): (Exclusions, Vec<SuspectedKey>),
    covered: Covered,
) -> Result<Report, ReportError> {
    let definitions = header.definitions.clone().into_owned();
    let zone = if zone_or_utc(&header.zone).1 { header.zone.as_ref() } else { "UTC" };
    Ok(Report {
        report: "outcomes".to_owned(),
        schema: SCHEMA,
        engine: Engine { name: "trialbook".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() },
        trial: TrialHeader { id: header.trial.to_string(), title: header.title.to_string() },
        synthetic: header.synthetic,
        covers: Covers { records: covered.records, head: covered.head },
        cutoff: Cutoff { date: date(cutoff), basis, zone: zone.to_owned() },
        definitions_replaced: replaced(&definitions),
        conventions: Conventions {
            day_0: "day of first infusion".to_owned(),
            month_days: "30.4375".to_owned(),
            year_days: "365.25".to_owned(),
            confidence: LEVEL_TEXT.to_owned(),
            leap_day: "28 February".to_owned(),
        },
        flow: flow::flow(courses),
        waterfall: flow::waterfall(courses, cutoff, EVALUABLE),
        not_analysable: flow::not_analysable(courses),
        follow_up: followup::follow_up(courses)?,
        survival: survival::survival(courses)?,
        remission: remission::remission(courses, &definitions.remission)?,
        relapse: relapse::relapse(courses, &definitions.relapse)?,
        rates: rates(courses, &definitions.relapse)?,
        sledai: sledai::sledai(courses, &header.schedule)?,
        sites: flow::sites(courses, sites),
        excluded,
        suspected_keys,
        definitions,
    })
}

/// What the trial asks for and this version does not know, with what was done instead.
fn replaced(definitions: &Definitions) -> Vec<Replaced> {
    [("evaluable", &definitions.evaluable, EVALUABLE), ("imputation", &definitions.imputation, IMPUTATION)]
        .into_iter()
        .filter(|(_, stated, used)| stated.as_str() != *used)
        .map(|(what, stated, used)| Replaced {
            what: what.to_owned(),
            stated: stated.clone(),
            used: used.to_owned(),
        })
        .collect()
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
