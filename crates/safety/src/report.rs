//! The safety report: a pure function of rows, cutoff and what the rows cover.

use std::collections::BTreeMap;

use chain::{Position, RecordHash};
use clinical::data::Definitions;
use clinical::signers::SignerRows;
use clinical::{Date, PartialDate, SuspectedKey};
use serde::{Deserialize, Serialize};
use stats::figure::LEVEL_TEXT;

use crate::death::{self, DeathSection};
use crate::fold::{read_date, zone_or_utc};
use crate::overview::{self, Disagreement, Emergences, Overview, RELATED, Unknowns};
use crate::rows::{Fact, Header, Key, STATE_PREFIX};
use crate::subject::{Facts, Subject};
use crate::table::{self, EventTable, Frame};
use crate::timing::{self, Timing};

/// Number of the report's form. It grows; a number once published keeps its meaning.
const SCHEMA: u32 = 1;

/// The one way of completing partial dates this version knows.
const IMPUTATION: &str = "impute-1";
/// Definition of a death: a disposition says so.
pub(crate) const DEATH: &str = "death-1";

pub(crate) const SAFETY_SET: &str = "Safety set: received the product at least once";
const ALL_SUBJECTS: &str = "All subjects with any record";

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
}

/// The safety report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// `safety`.
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
    /// Level of every interval, two-sided.
    pub confidence: String,
    /// Who is in which population.
    pub populations: Populations,
    /// Categories of adverse events: all of them, and the treatment-emergent.
    pub overviews: Vec<Overview>,
    /// How the events lie to the first infusion.
    pub emergence: Emergences,
    /// When treatment-emergent events began, after the latest infusion before.
    pub timing: Vec<Timing>,
    /// By class and term: all events over all subjects, and the treatment-emergent over the safety set.
    pub tables: Vec<EventTable>,
    /// Deaths.
    pub deaths: DeathSection,
    /// Events whose reported seriousness and criteria disagree.
    pub seriousness_disagreements: Vec<Disagreement>,
    /// What is not known of the events.
    pub unknowns: Unknowns,
    /// By site.
    pub sites: Vec<SiteRow>,
    /// What was recorded and is not in the figures.
    pub excluded: Exclusions,
    /// Keys that others may have had, and what was recorded with them since. It is in the figures all the same.
    pub suspected_keys: Vec<SuspectedKey>,
}

/// Who is in which population.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Populations {
    /// Subjects with any record that is not void, dated up to the cutoff or without a date.
    pub all_subjects: u64,
    /// Received the product at least once.
    pub safety_set: u64,
    /// Of them, with a certain day of first infusion: only they have time at risk.
    pub safety_set_followed: u64,
    /// Years of 365.25 days from first infusion to death, last contact or cutoff, 4 digits.
    pub patient_years: String,
}

/// What was recorded and is not in the figures, each counted. Nothing is left out in silence.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exclusions {
    /// Infusions, adverse events and deaths certainly dated after the cutoff.
    pub after_cutoff: u64,
    /// Subjects of whom nothing had happened by the cutoff; their facts are in no other count.
    pub subjects_after_cutoff: u64,
    /// Facts dated after a withdrawal from all contact.
    pub outside_consent: u64,
    /// Things whose latest version is that they never held.
    pub voided_things: u64,
    /// Things counted by a later version than their first; the voided are among them.
    pub amended_things: u64,
}

/// A site's counts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SiteRow {
    /// The site.
    pub id: String,
    /// Its name; empty if the site is not in the rows.
    pub name: String,
    /// ISO 3166-1 alpha-2 code of its country.
    pub country: String,
    /// Subjects with any record.
    pub subjects: u64,
    /// Of the safety set.
    pub safety_set: u64,
    /// Adverse events.
    pub events: u64,
    /// Those serious by their criteria.
    pub serious_events: u64,
    /// Deaths.
    pub deaths: u64,
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
/// use safety::{Covered, Parameters, ReportError, report};
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

    let mut suspicions = state.signers.suspicions();
    let mut excluded = Exclusions::default();
    let mut subjects = Vec::new();
    let mut current: Option<(String, Facts)> = None;
    for (key, row) in rows {
        in_order(&mut before, &key)?;
        let Some(Key::Fact { subject, root }) = Key::read(&key) else { return Err(ReportError::Row) };
        let fact: Fact<'_> = serde_json::from_slice(&row).map_err(|_| ReportError::Row)?;
        suspicions.note(Position(fact.signer), Position(fact.latest), subject);
        if current.as_ref().is_none_or(|(of, _)| of != subject)
            && let Some((of, facts)) = current.replace((subject.to_owned(), Facts::default()))
        {
            subjects.extend(facts.into_subject(of, cutoff.0, &mut excluded));
        }
        if let Some((_, facts)) = &mut current {
            facts.add(root, fact, &mut excluded);
        }
    }
    if let Some((of, facts)) = current {
        subjects.extend(facts.into_subject(of, cutoff.0, &mut excluded));
    }
    make(&header, &state.sites, &subjects, cutoff, (excluded, suspicions.finish()), covered)
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
            Key::Lineage(_) | Key::Followed(_) => {}
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
    subjects: &[Subject],
    (cutoff, basis): (Date, CutoffBasis),
    (excluded, suspected_keys): (Exclusions, Vec<SuspectedKey>),
    covered: Covered,
) -> Result<Report, ReportError> {
    let definitions = header.definitions.clone().into_owned();
    let zone = if zone_or_utc(&header.zone).1 { header.zone.as_ref() } else { "UTC" };
    let populations = populations(subjects)?;
    let all = Frame {
        id: "all",
        label: "All adverse events",
        population: ALL_SUBJECTS,
        denominator: populations.all_subjects,
    };
    let emergent = Frame {
        id: "treatment_emergent",
        label: "Treatment-emergent adverse events",
        population: SAFETY_SET,
        denominator: populations.safety_set,
    };
    Ok(Report {
        report: "safety".to_owned(),
        schema: SCHEMA,
        engine: Engine { name: "trialbook".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() },
        trial: TrialHeader { id: header.trial.to_string(), title: header.title.to_string() },
        synthetic: header.synthetic,
        covers: Covers { records: covered.records, head: covered.head },
        cutoff: Cutoff { date: PartialDate::Day(cutoff).to_string(), basis, zone: zone.to_owned() },
        definitions_replaced: replaced(&definitions),
        confidence: LEVEL_TEXT.to_owned(),
        populations,
        overviews: vec![overview::all(subjects, &all)?, overview::emergent(subjects, &emergent)?],
        emergence: overview::emergences(subjects),
        timing: timing::timing(subjects),
        tables: vec![
            table::table(subjects, &all, |_| true)?,
            table::table(subjects, &emergent, |case| case.emergence.is_emergent())?,
        ],
        deaths: death::deaths(subjects, RELATED)?,
        seriousness_disagreements: overview::disagreements(subjects),
        unknowns: overview::unknowns(subjects),
        sites: by_site(subjects, sites),
        excluded,
        suspected_keys,
        definitions,
    })
}

fn populations(subjects: &[Subject]) -> Result<Populations, ReportError> {
    let followed = || subjects.iter().filter_map(|subject| subject.followed);
    let years = stats::rate::person_years(followed().map(|(_, days)| u64::from(days)).sum());
    Ok(Populations {
        all_subjects: subjects.len() as u64,
        safety_set: subjects.iter().filter(|subject| subject.treated()).count() as u64,
        safety_set_followed: followed().count() as u64,
        patient_years: stats::decimal(years, stats::figure::YEARS_DIGITS)?,
    })
}

/// What the trial asks for and this version does not know, with what was done instead.
fn replaced(definitions: &Definitions) -> Vec<Replaced> {
    [("imputation", &definitions.imputation, IMPUTATION), ("related", &definitions.related, RELATED)]
        .into_iter()
        .filter(|(_, stated, used)| stated.as_str() != *used)
        .map(|(what, stated, used)| Replaced {
            what: what.to_owned(),
            stated: stated.clone(),
            used: used.to_owned(),
        })
        .collect()
}

fn by_site(subjects: &[Subject], names: &BTreeMap<String, (String, String)>) -> Vec<SiteRow> {
    let mut rows: BTreeMap<&str, SiteRow> = BTreeMap::new();
    for (id, (name, country)) in names {
        rows.insert(id, SiteRow { name: name.clone(), country: country.clone(), ..SiteRow::default() });
    }
    for subject in subjects {
        let row = rows.entry(&subject.site).or_default();
        row.subjects += 1;
        row.safety_set += u64::from(subject.treated());
        row.events += subject.cases.len() as u64;
        row.serious_events += subject.cases.iter().filter(|case| case.is_serious()).count() as u64;
        row.deaths += u64::from(subject.death.is_some());
    }
    rows.into_iter().map(|(id, row)| SiteRow { id: id.to_owned(), ..row }).collect()
}
