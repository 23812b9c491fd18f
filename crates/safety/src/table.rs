//! Adverse events by system organ class and preferred term.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use clinical::data::SeverityOfEvent;
use serde::{Deserialize, Serialize};
use stats::decimal;
use stats::figure::PERCENT_DIGITS;

use crate::case::Case;
use crate::report::ReportError;
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
struct Cell {
    subjects: BTreeSet<usize>,
    events: u64,
    serious: u64,
    worst_severity: Option<SeverityOfEvent>,
    worst_grade: Option<u8>,
}

impl Cell {
    fn add(&mut self, subject: usize, case: &Case) {
        self.subjects.insert(subject);
        self.events += 1;
        self.serious += u64::from(case.is_serious());
        self.worst_severity = self.worst_severity.max(case.severity);
        self.worst_grade = self.worst_grade.max(case.grade);
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
            serious: self.serious,
            worst_severity: self.worst_severity,
            worst_grade: self.worst_grade,
        })
    }
}

/// What a table is called and of whom it is.
pub(crate) struct Frame<'a> {
    pub(crate) id: &'a str,
    pub(crate) label: &'a str,
    pub(crate) population: &'a str,
    pub(crate) denominator: u64,
}

pub(crate) fn table(
    subjects: &[Subject],
    frame: &Frame<'_>,
    counts: impl Fn(&Case) -> bool,
) -> Result<EventTable, ReportError> {
    let mut all = Cell::default();
    let mut not_coded = Cell::default();
    let mut classes: BTreeMap<&str, (Cell, BTreeMap<&str, Cell>)> = BTreeMap::new();
    for (index, subject) in subjects.iter().enumerate() {
        for case in subject.cases.iter().filter(|case| counts(case)) {
            all.add(index, case);
            let Some((soc, pt)) = &case.coding else {
                not_coded.add(index, case);
                continue;
            };
            let (class, terms) = classes.entry(soc).or_default();
            class.add(index, case);
            terms.entry(pt).or_default().add(index, case);
        }
    }
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
