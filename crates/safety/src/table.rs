//! Adverse events by system organ class and preferred term.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use clinical::data::SeverityOfEvent;
use serde::{Deserialize, Serialize};
use stats::decimal;
use stats::figure::PERCENT_DIGITS;

use crate::case::Case;
use crate::report::ReportError;
use crate::since::{Counted, Fresh, each};
use crate::subject::Subject;

/// Adverse events by class and term: most subjects first, then most events, then by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventTable {
    /// Its stable id: `all` or `treatment_emergent`.
    pub id: String,
    /// In words.
    pub label: String,
    /// The population that percentages are of.
    pub population: String,
    /// How many subjects are in it.
    pub denominator: u64,
    /// Subjects with any event of the table.
    pub subjects: u64,
    /// Events of the table, those without coding among them.
    pub events: u64,
    /// Events that the report counted against did not count here; absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events_since: Option<u64>,
    /// Subjects whom it did not count here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subjects_since: Option<u64>,
    /// By class.
    pub classes: Vec<ClassRow>,
    /// Events without coding, and their subjects: in no class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_coded: Option<TermRow>,
}

/// A system organ class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassRow {
    /// The class; `subjects` counts each subject once, whatever the number of terms.
    #[serde(flatten)]
    pub class: TermRow,
    /// Its preferred terms.
    pub terms: Vec<TermRow>,
}

/// A class or term.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TermRow {
    /// The name, as coded.
    pub name: String,
    /// Subjects with at least one event.
    pub subjects: u64,
    /// Of the table's denominator, 2 digits; absent if that is 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<String>,
    /// Events.
    pub events: u64,
    /// Events that the report counted against did not count here; absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events_since: Option<u64>,
    /// Subjects whom it did not count here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subjects_since: Option<u64>,
    /// Events that are serious by their criteria.
    pub serious: u64,
    /// Worst severity, where any was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worst_severity: Option<SeverityOfEvent>,
    /// Worst CTCAE grade, where any was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worst_grade: Option<u8>,
}

#[derive(Default)]
struct Cell<'a> {
    subjects: BTreeSet<&'a str>,
    events: u64,
    serious: u64,
    worst_severity: Option<SeverityOfEvent>,
    worst_grade: Option<u8>,
    fresh: Option<Fresh<'a>>,
}

impl<'a> Cell<'a> {
    /// A cell that counts what is new against what was counted in it before.
    fn against(before: Option<Counted<'a>>) -> Self {
        Self { fresh: before.map(Fresh::of), ..Self::default() }
    }

    fn add(&mut self, subject: &'a Subject, case: &Case) {
        self.subjects.insert(&subject.id);
        self.events += 1;
        self.serious += u64::from(case.is_serious());
        self.worst_severity = self.worst_severity.max(case.severity);
        self.worst_grade = self.worst_grade.max(case.grade);
        if let Some(fresh) = &mut self.fresh {
            fresh.add(subject, case);
        }
    }

    fn row(&self, name: &str, denominator: u64) -> Result<TermRow, ReportError> {
        let subjects = self.subjects.len() as u64;
        let percent = (denominator > 0)
            .then(|| decimal(100.0 * subjects as f64 / denominator as f64, PERCENT_DIGITS))
            .transpose()?;
        Ok(TermRow {
            name: name.to_owned(),
            subjects,
            percent,
            events: self.events,
            events_since: self.fresh.as_ref().map(Fresh::events),
            subjects_since: self.fresh.as_ref().map(Fresh::subjects),
            serious: self.serious,
            worst_severity: self.worst_severity,
            worst_grade: self.worst_grade,
        })
    }
}

/// What an earlier report counted in each cell of a table.
#[derive(Default)]
struct Before<'a> {
    all: Counted<'a>,
    not_coded: Counted<'a>,
    classes: BTreeMap<&'a str, Counted<'a>>,
    terms: BTreeMap<(&'a str, &'a str), Counted<'a>>,
}

impl<'a> Before<'a> {
    fn of(subjects: &'a [Subject], counts: impl Fn(&Case) -> bool) -> Self {
        let mut before = Self::default();
        each(subjects, counts, |subject, case| {
            before.all.add(subject, case);
            match &case.coding {
                Some((soc, pt)) => {
                    before.classes.entry(soc).or_default().add(subject, case);
                    before.terms.entry((soc, pt)).or_default().add(subject, case);
                }
                None => before.not_coded.add(subject, case),
            }
        });
        before
    }
}

/// What a table is called and of whom it is.
pub(crate) struct Frame<'a> {
    pub(crate) id: &'a str,
    pub(crate) label: &'a str,
    pub(crate) population: &'a str,
    pub(crate) denominator: u64,
    /// The subjects of an earlier report that new events are counted against.
    pub(crate) before: Option<&'a [Subject]>,
}

pub(crate) fn table<'a>(
    subjects: &'a [Subject],
    frame: &Frame<'a>,
    counts: impl Fn(&Case) -> bool,
) -> Result<EventTable, ReportError> {
    let mut before = frame.before.map(|before| Before::of(before, &counts));
    let mut of = |take: &dyn Fn(&mut Before<'a>) -> Counted<'a>| Cell::against(before.as_mut().map(take));
    let mut all = of(&|before| std::mem::take(&mut before.all));
    let mut not_coded = of(&|before| std::mem::take(&mut before.not_coded));
    let mut classes: BTreeMap<&str, (Cell<'a>, BTreeMap<&str, Cell<'a>>)> = BTreeMap::new();
    each(subjects, &counts, |subject, case| {
        all.add(subject, case);
        let Some((soc, pt)) = &case.coding else { return not_coded.add(subject, case) };
        let (soc, pt) = (soc.as_str(), pt.as_str());
        let (class, terms) = classes.entry(soc).or_insert_with(|| {
            (of(&|before| before.classes.remove(soc).unwrap_or_default()), BTreeMap::new())
        });
        class.add(subject, case);
        let term = || of(&|before| before.terms.remove(&(soc, pt)).unwrap_or_default());
        terms.entry(pt).or_insert_with(term).add(subject, case);
    });
    let rows = classes
        .iter()
        .map(|(soc, (class, terms))| {
            let terms = terms.iter().map(|(pt, cell)| cell.row(pt, frame.denominator));
            Ok(ClassRow {
                class: class.row(soc, frame.denominator)?,
                terms: by_frequency(terms.collect::<Result<_, ReportError>>()?, |row| row),
            })
        })
        .collect::<Result<_, ReportError>>()?;
    Ok(EventTable {
        id: frame.id.to_owned(),
        label: frame.label.to_owned(),
        population: frame.population.to_owned(),
        denominator: frame.denominator,
        subjects: all.subjects.len() as u64,
        events: all.events,
        events_since: all.fresh.as_ref().map(Fresh::events),
        subjects_since: all.fresh.as_ref().map(Fresh::subjects),
        classes: by_frequency(rows, |row: &ClassRow| &row.class),
        not_coded: (not_coded.events > 0)
            .then(|| not_coded.row("not coded", frame.denominator))
            .transpose()?,
    })
}

/// The sort is stable and the rows come in order of their names.
fn by_frequency<T>(mut rows: Vec<T>, term: impl Fn(&T) -> &TermRow) -> Vec<T> {
    rows.sort_by_key(|row| (Reverse(term(row).subjects), Reverse(term(row).events)));
    rows
}
