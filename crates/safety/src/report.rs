//! The safety report: a pure function of rows, cutoff and what the rows cover.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};
use std::iter::Peekable;

use chain::Position;
use clinical::data::Definitions;
use clinical::report::{
    Arms, AskedSources, ByArm, Covered, Covers, Cutoff, Engine, Parameters, Reading, Replaced, Sources,
    SourcesError, TrialHeader, canonical_json, replaced,
};
use clinical::rows::{self, FactRow, Key, RowsError, STATE_PREFIX, TrialRows};
use clinical::{Date, PartialDate, SuspectedKey};
use serde::{Deserialize, Serialize};
use stats::figure::LEVEL_TEXT;

use crate::death::{self, DeathSection};
use crate::expedited::{self, ExpeditedSection};
use crate::first::{self, FirstEvent};
use crate::gvhd::{self, GvhdSection};
use crate::incidence::{self, IncidenceSection};
use crate::interest::{self, InterestSection};
use crate::listing::{self, SeriousEvent};
use crate::overview::{self, Disagreement, Emergences, Overview, RELATED, Unknowns};
use crate::reactions::{self, ReactionSection};
use crate::recall::{self, RecallSection};
use crate::related::{self, RelatedSection};
use crate::rows::{Beside, Fact};
use crate::shift::{self, ShiftSection};
use crate::since::{Earlier, SinceEarlier};
use crate::stopping::{self, StoppingSection};
use crate::subject::{Facts, Subject};
use crate::table::{self, EventTable, Frame};
use crate::timing::{self, Timing};

/// Number of the report's form. It grows; a number once published keeps its meaning.
const SCHEMA: u32 = 3;

/// What it is called.
const NAME: &str = "safety";

/// The one way of completing partial dates this version knows.
const IMPUTATION: &str = "impute-1";
/// Definition of a death: a disposition says so.
pub(crate) const DEATH: &str = "death-1";

pub(crate) const SAFETY_SET: &str = "Safety set: received the product at least once";
const ALL_SUBJECTS: &str = "All subjects with any record";

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
    /// Times that make no incidence.
    #[error(transparent)]
    Competing(#[from] stats::competing::CompetingError),
    /// A definition that makes no stopping rule.
    #[error(transparent)]
    Stopping(#[from] stats::stopping::StoppingError),
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
    /// Whether it shows what tells the trial's arms apart.
    pub arms: Arms,
    /// The records it follows from.
    pub covers: Covers,
    /// Up to which day.
    pub cutoff: Cutoff,
    /// The earlier report that `events_since` and `subjects_since` are counted against; absent without any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<SinceEarlier>,
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
    /// When treatment-emergent events began, after the latest infusion before; empty where the trial has arms, which a
    /// second infusion may tell apart.
    pub timing: Vec<Timing>,
    /// By class and term: all events over all subjects, and the treatment-emergent over the safety set.
    pub tables: Vec<EventTable>,
    /// Reactions to infusions.
    pub infusion_reactions: ReactionSection,
    /// Graft-versus-host disease.
    pub gvhd: GvhdSection,
    /// Infections, and malignancies.
    pub of_interest: Vec<InterestSection>,
    /// Incidence rates of treatment-emergent events by class and term.
    pub incidence: IncidenceSection,
    /// Time to the first treatment-emergent event: any, serious, severe, related.
    pub first_events: Vec<FirstEvent>,
    /// Laboratory values against their ranges, before and after first infusion.
    pub laboratory: ShiftSection,
    /// Each serious event.
    pub serious_events: Vec<SeriousEvent>,
    /// Relation per agent and assessor.
    pub related: RelatedSection,
    /// Expedited reports due, sent and overdue.
    pub expedited: ExpeditedSection,
    /// The stopping rule: the boundary beside what was observed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopping: Option<StoppingSection>,
    /// Donors, lots, and who was infused with them.
    pub recall: RecallSection,
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
    /// Infusions, adverse events, their assessments and deaths certainly dated after the cutoff.
    pub after_cutoff: u64,
    /// Visits certainly after the cutoff that examined for graft-versus-host disease or brought values.
    pub examinations_after_cutoff: u64,
    /// Subjects of whom nothing had happened by the cutoff; their facts are in no other count.
    pub subjects_after_cutoff: u64,
    /// Facts dated after a withdrawal from all contact.
    pub outside_consent: u64,
    /// Assessments and sent reports of adverse events that are void or not counted.
    pub without_event: u64,
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
/// use safety::{Covered, Parameters, ReportError, report};
/// let covered = Covered { records: 0, head: chain::RecordHash([0; 32]) };
/// let nothing = report(std::iter::empty(), &Parameters::default(), covered);
/// assert!(matches!(nothing, Err(ReportError::Rows(clinical::rows::RowsError::NotOpened))));
/// ```
pub fn report(
    rows: impl Iterator<Item = (Vec<u8>, Vec<u8>)>,
    parameters: &Parameters,
    covered: Covered,
) -> Result<Report, ReportError> {
    report_since(rows, parameters, covered, None)
}

/// The same, with what it counts that an earlier one did not in columns beside. One that covers more is not earlier, and
/// nothing is counted against it.
///
/// # Errors
/// [`ReportError`].
pub fn report_since(
    rows: impl Iterator<Item = (Vec<u8>, Vec<u8>)>,
    parameters: &Parameters,
    covered: Covered,
    since: Option<&Earlier>,
) -> Result<Report, ReportError> {
    let Parts { trial, beside, mut rows } = read(rows)?;
    let since = since.filter(|earlier| earlier.covered.records <= covered.records);
    of(
        trial,
        &beside,
        std::iter::from_fn(|| rows.next_row().transpose()),
        (parameters, covered),
        Of { since, ..Of::default() },
    )
}

/// What the report of these rows would count, for [`report_since`].
///
/// # Errors
/// [`ReportError`].
pub fn earlier(
    rows: impl Iterator<Item = (Vec<u8>, Vec<u8>)>,
    parameters: &Parameters,
    covered: Covered,
) -> Result<Earlier, ReportError> {
    let Parts { mut trial, mut rows, .. } = read(rows)?;
    let (day, cutoff) = Cutoff::of(&trial, parameters);
    let facts = std::iter::from_fn(|| rows.next_row().transpose());
    let subjects = subjects(&mut trial, facts, day, &mut Exclusions::default())?;
    Ok(Earlier { subjects, covered, cutoff: cutoff.date })
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
    let Parts { trial, beside, mut rows } = read(rows)?;
    of(
        trial,
        &beside,
        std::iter::from_fn(|| rows.next_row().transpose()),
        (parameters, covered),
        Of { reading, since: None },
    )
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
    let Parts { trial, beside, rows } = read(rows).map_err(SourcesError::Rows)?;
    clinical::report::sources(&rows.people().map_err(SourcesError::Rows)?, asked, |facts| {
        let report = of(trial.clone(), &beside, facts.map(Ok), (parameters, covered), Of::default())?;
        Ok(serde_json::to_value(report).expect("a report has text keys only"))
    })
}

/// A row: its key and its value.
type Row = (Vec<u8>, Vec<u8>);

/// What the rows say of the trial and its lots, and the facts about subjects.
struct Parts<I: Iterator> {
    trial: TrialRows,
    beside: Beside,
    rows: rows::Facts<Peekable<I>>,
}

fn read(rows: impl Iterator<Item = Row>) -> Result<Parts<impl Iterator<Item = Row>>, RowsError> {
    let mut beside = Beside::default();
    let mut facts = rows.peekable();
    let mut state = Vec::new();
    while let Some((key, row)) = facts.next_if(|(key, _)| key.starts_with(STATE_PREFIX)) {
        if let Some(Key::Own(rest)) = Key::read(&key) {
            beside.read(rest, &row).ok_or(RowsError::Row)?;
        }
        state.push((key, row));
    }
    let (trial, rows) = rows::read(state.into_iter().chain(facts))?;
    Ok(Parts { trial, beside, rows })
}

/// Of whom a report is, and what it is counted against.
#[derive(Clone, Copy, Default)]
struct Of<'a> {
    reading: Reading<'a>,
    since: Option<&'a Earlier>,
}

/// The report of these facts, subject by subject.
fn of(
    mut trial: TrialRows,
    beside: &Beside,
    facts: impl Iterator<Item = Result<impl Borrow<FactRow>, RowsError>>,
    (parameters, covered): (&Parameters, Covered),
    whose: Of<'_>,
) -> Result<Report, ReportError> {
    let (day, cutoff) = Cutoff::of(&trial, parameters);
    let mut excluded = Exclusions::default();
    let facts = facts.filter(|row| match row {
        Ok(row) => whose.reading.is_about(&row.borrow().subject),
        Err(_) => true,
    });
    let subjects = subjects(&mut trial, facts, day, &mut excluded)?;
    make(trial, &Read { subjects, beside, day, whose }, cutoff, excluded, covered)
}

/// The subjects that these facts are about, by the day.
fn subjects(
    trial: &mut TrialRows,
    facts: impl Iterator<Item = Result<impl Borrow<FactRow>, RowsError>>,
    day: Date,
    excluded: &mut Exclusions,
) -> Result<Vec<Subject>, ReportError> {
    let mut subjects = Vec::new();
    let mut current: Option<(String, Facts)> = None;
    for row in facts {
        let row = row?;
        let row = row.borrow();
        let fact: Fact<'_> = row.fact()?;
        trial.suspicions.note(Position(fact.signer), Position(fact.latest), &row.subject);
        if current.as_ref().is_none_or(|(of, _)| *of != row.subject)
            && let Some((of, facts)) = current.replace((row.subject.clone(), Facts::default()))
        {
            subjects.extend(facts.into_subject(of, day, excluded));
        }
        if let Some((_, facts)) = &mut current {
            facts.add(row.root, fact, excluded);
        }
    }
    if let Some((of, facts)) = current {
        subjects.extend(facts.into_subject(of, day, excluded));
    }
    Ok(subjects)
}

/// What the rows say of subjects and lots, the day of the cutoff, of whom the report is, and what an earlier one counted.
struct Read<'a> {
    subjects: Vec<Subject>,
    beside: &'a Beside,
    day: Date,
    whose: Of<'a>,
}

impl Read<'_> {
    /// What the report says of the earlier one.
    fn since(&self) -> Option<SinceEarlier> {
        let Earlier { covered, cutoff, .. } = self.whose.since?;
        let is = |(_, (records, day)): &(&String, &(u64, PartialDate))| {
            *records == covered.records && day.to_string() == *cutoff
        };
        Some(SinceEarlier {
            cut: self.beside.cuts.iter().find(is).map(|(name, _)| name.clone()),
            records: covered.records,
            head: covered.head,
            cutoff: cutoff.clone(),
        })
    }
}

fn make(
    trial: TrialRows,
    read: &Read<'_>,
    cutoff: Cutoff,
    excluded: Exclusions,
    covered: Covered,
) -> Result<Report, ReportError> {
    let subjects = read.subjects.as_slice();
    let arms = read.whose.reading.arms(trial.header.arms);
    let definitions = trial.header.definitions.clone().into_owned();
    let populations = populations(subjects)?;
    let before = read.whose.since.map(|earlier| earlier.subjects.as_slice());
    let reactions = reactions::reactions(subjects)?;
    let deaths = death::deaths(subjects, RELATED)?;
    let reactions = if arms == Arms::Withheld { reactions.without_infusions() } else { reactions };
    let all = Frame {
        id: "all",
        label: "All adverse events",
        population: ALL_SUBJECTS,
        denominator: populations.all_subjects,
        before,
    };
    let emergent = Frame {
        id: "treatment_emergent",
        label: "Treatment-emergent adverse events",
        population: SAFETY_SET,
        denominator: populations.safety_set,
        before,
    };
    Ok(Report {
        report: NAME.to_owned(),
        schema: SCHEMA,
        engine: Engine::this(),
        trial: TrialHeader::of(&trial),
        synthetic: trial.header.synthetic,
        arms,
        covers: covered.into(),
        cutoff,
        since: read.since(),
        definitions_replaced: replaced(&[
            ("imputation", &definitions.imputation, IMPUTATION),
            ("related", &definitions.related, RELATED),
        ]),
        confidence: LEVEL_TEXT.to_owned(),
        populations,
        overviews: vec![overview::all(subjects, &all)?, overview::emergent(subjects, &emergent)?],
        emergence: overview::emergences(subjects),
        timing: if arms == Arms::Withheld { Vec::new() } else { timing::timing(subjects) },
        tables: vec![
            table::table(subjects, &all, |_| true)?,
            table::table(subjects, &emergent, |case| case.emergence.is_emergent())?,
        ],
        infusion_reactions: reactions,
        gvhd: gvhd::gvhd(subjects)?,
        of_interest: interest::interest(subjects, &emergent)?,
        incidence: incidence::incidence(subjects)?,
        first_events: first::first_events(subjects)?,
        laboratory: shift::shift(subjects),
        serious_events: listing::serious(subjects),
        related: related::related(subjects, &emergent)?,
        expedited: expedited::expedited(
            subjects,
            &expedited::Basis {
                countries: trial.sites.values().map(|(_, country)| country.as_str()).collect(),
                cutoff: read.day,
                known: &read.beside.known,
            },
        ),
        stopping: stopping::stopping(subjects, &definitions, read.day)?,
        recall: recall::recall(subjects, &read.beside.lots, arms, read.whose.reading),
        deaths: if arms == Arms::Withheld { deaths.without_infusions() } else { deaths },
        seriousness_disagreements: overview::disagreements(subjects),
        unknowns: overview::unknowns(subjects),
        sites: by_site(subjects, &trial.sites),
        excluded,
        suspected_keys: trial.suspicions.finish(),
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
