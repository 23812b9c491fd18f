//! The records behind a cell of a report: whose, and which of theirs.
//!
//! No section says this of its own cells. The report is made again, of some subjects only: of whom the cell says
//! something, they are behind it; and once more of one subject without one of its facts: if the cell then says otherwise,
//! that fact is behind it. So it holds for every cell there is, by the very rules that made it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::place;
use crate::rows::{FactRow, Person, RowsError};

/// Members of a report that are about no subject.
pub(super) const WHOLE: [&str; 11] = [
    "confidence",
    "conventions",
    "covers",
    "cutoff",
    "definitions",
    "definitions_replaced",
    "engine",
    "report",
    "schema",
    "synthetic",
    "trial",
];

/// Whole numbers that tell a row from others rather than count anybody.
const LABELS: [&str; 11] = [
    "day",
    "digits",
    "first_seq",
    "landmark_years",
    "latest_seq",
    "months",
    "seq",
    "subjects_first",
    "subjects_last",
    "window_days",
    "years",
];

/// Subjects that are looked at together before any is by itself.
const TOGETHER: usize = 512;

/// A cell whose sources are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedSources {
    /// Where it stands, as [`Change::path`](super::Change) has it: `/remission/figures/remission.year_1/figure/numerator`.
    pub cell: String,
    /// The subject after which to go on; `None` from the first.
    pub after: Option<String>,
    /// At most so many subjects.
    pub limit: usize,
}

/// What is behind a cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sources {
    /// Of a whole number: whether what the report says of each group of subjects alone adds up to it. It does for counts;
    /// a worst grade or an earliest day is not a sum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adds_up: Option<bool>,
    /// Where the cell stands.
    pub cell: String,
    /// The nearest label around it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The subject after which to go on, if there are more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// In the report's order.
    pub subjects: Vec<SubjectSources>,
    /// What the cell says.
    pub value: Value,
}

/// A subject behind a cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SubjectSources {
    /// What the cell would say if the subject were the only one: the number, or for an estimate its row.
    pub own: Value,
    /// Its facts without any one of which it would say otherwise; where no single one decides, all of them.
    pub records: Vec<FactRecords>,
    /// The subject.
    pub subject: String,
}

/// Where a fact is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FactRecords {
    /// Position of its first version.
    pub first: u64,
    /// Position of its latest version.
    pub latest: u64,
}

/// Why no sources are told.
#[derive(Debug, thiserror::Error)]
pub enum SourcesError<E> {
    /// The report could not be made.
    #[error(transparent)]
    Report(E),
    /// The rows are no fold's.
    #[error(transparent)]
    Rows(RowsError),
    /// The report has no such cell.
    #[error("the report has no cell {0}")]
    NoCell(String),
    /// It follows from the trial's definitions or from all records alike.
    #[error(
        "the cell {0} is about no subject: it follows from the trial's definitions, or from all records alike"
    )]
    Whole(String),
    /// The report counts no such subject.
    #[error("the report has no subject {0}")]
    NoSubject(String),
}

/// What is behind the cell of the report that `make` makes of some facts, all of them being those of `people`.
///
/// # Errors
/// [`SourcesError`].
pub fn sources<E>(
    people: &[Person],
    asked: &AskedSources,
    make: impl Fn(&mut dyn Iterator<Item = &FactRow>) -> Result<Value, E>,
) -> Result<Sources, SourcesError<E>> {
    let of = |people: &[Person]| {
        make(&mut people.iter().flat_map(|person| &person.facts)).map_err(SourcesError::Report)
    };
    let whole = of(people)?;
    let cell = Cell::find(&whole, &asked.cell)?;
    let nobody = cell.own(&of(&[])?).cloned();
    let own = |report: &Value| cell.contribution(report, nobody.as_ref());

    let start = match &asked.after {
        None => 0,
        Some(after) => {
            let at = people.iter().position(|person| person.subject == *after);
            at.ok_or_else(|| SourcesError::NoSubject(after.clone()))? + 1
        }
    };
    let mut found: Vec<(usize, Value)> = Vec::new();
    let mut left: Vec<std::ops::Range<usize>> = (start..people.len())
        .step_by(TOGETHER)
        .map(|at| at..(at + TOGETHER).min(people.len()))
        .rev()
        .collect();
    while let Some(range) = left.pop().filter(|_| found.len() <= asked.limit) {
        let Some(says) = own(&of(&people[range.clone()])?) else { continue };
        if range.len() == 1 {
            found.push((range.start, says));
        } else {
            let middle = range.start + range.len() / 2;
            left.extend([middle..range.end, range.start..middle]);
        }
    }
    // It counts, but nobody: the boundary of a rule.
    if found.is_empty() && start == 0 && cell.is_count && *cell.value != 0 {
        return Err(SourcesError::Whole(asked.cell.clone()));
    }
    let next = (found.len() > asked.limit).then(|| {
        found.truncate(asked.limit);
        found
            .last()
            .map_or_else(|| asked.after.clone().unwrap_or_default(), |(at, _)| people[*at].subject.clone())
    });
    let mut subjects = Vec::new();
    for (at, own) in found {
        let records = deciding(&people[at], &own, &cell, nobody.as_ref(), &make)?;
        subjects.push(SubjectSources { own, records, subject: people[at].subject.clone() });
    }
    Ok(Sources {
        adds_up: match cell.value.as_u64() {
            Some(value) if cell.is_count => {
                let mut sum = 0;
                for group in people.chunks(TOGETHER.min(people.len().div_ceil(2)).max(1)) {
                    sum += own(&of(group)?).and_then(|own| own.as_u64()).unwrap_or(0);
                }
                Some(sum == value)
            }
            _ => None,
        },
        cell: asked.cell.clone(),
        label: cell.label,
        next,
        subjects,
        value: cell.value.clone(),
    })
}

/// The facts of a person without any one of which its own cell would say otherwise.
fn deciding<E>(
    person: &Person,
    says: &Value,
    cell: &Cell<'_>,
    nobody: Option<&Value>,
    make: &impl Fn(&mut dyn Iterator<Item = &FactRow>) -> Result<Value, E>,
) -> Result<Vec<FactRecords>, SourcesError<E>> {
    let records = |fact: &FactRow| fact.records().map_err(SourcesError::Rows);
    let mut deciding = Vec::new();
    for (at, fact) in person.facts.iter().enumerate() {
        let others =
            &mut person.facts.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, fact)| fact);
        let without = make(others).map_err(SourcesError::Report)?;
        if cell.contribution(&without, nobody).as_ref() != Some(says) {
            deciding.push(records(fact)?);
        }
    }
    if deciding.is_empty() {
        return person.facts.iter().map(records).collect();
    }
    Ok(deciding)
}

/// A cell, and how to find it in the report of other subjects.
struct Cell<'v> {
    value: &'v Value,
    label: Option<String>,
    /// It is a number of something, rather than what says which row it is in.
    is_count: bool,
    /// Names on the way to what is compared: the cell, or the row it is in.
    path: Vec<String>,
    /// The values on that way in the report of all: a list among them may lack the item elsewhere.
    way: Vec<&'v Value>,
}

impl<'v> Cell<'v> {
    fn find<E>(whole: &'v Value, path: &str) -> Result<Self, SourcesError<E>> {
        let missing = || SourcesError::NoCell(path.to_owned());
        let mut names = place::names(path).ok_or_else(missing)?;
        let mut way = vec![whole];
        let mut label = None;
        for name in &names {
            let value = way.last().and_then(|value| place::child(value, name)).ok_or_else(missing)?;
            label = value.get("label").and_then(Value::as_str).map(str::to_owned).or(label);
            way.push(value);
        }
        let value = way.last().copied().unwrap_or(whole);
        let about_nobody = || SourcesError::Whole(path.to_owned());
        if names.first().is_none_or(|name| WHOLE.contains(&name.as_str())) {
            return Err(about_nobody());
        }
        let is_count = value.is_u64() && names.last().is_some_and(|name| !LABELS.contains(&name.as_str()));
        while !is_count && !is_row(&way) {
            names.pop();
            way.pop();
            if names.is_empty() {
                return Err(about_nobody());
            }
        }
        Ok(Self { value, label, is_count, path: names, way })
    }

    /// What stands at the cell, or its row, in the report of other subjects.
    fn own<'r>(&self, report: &'r Value) -> Option<&'r Value> {
        let mut value = report;
        for (at, name) in self.path.iter().enumerate() {
            value = if let Some(value) = place::child(value, name) {
                value
            } else {
                // At risk on a day is who is on the next day on which the curve has a step.
                let day = self.way.get(at + 1)?.get("day")?.as_u64()?;
                let at_risk = self.path.get(at + 1).is_some_and(|name| name == "at_risk");
                let later = |step: &&Value| step.get("day").and_then(Value::as_u64) >= Some(day);
                value.as_array().filter(|_| at_risk)?.iter().find(later)?
            };
        }
        Some(value)
    }

    /// What these subjects say there, if it is more than a report of nobody says.
    fn contribution(&self, report: &Value, nobody: Option<&Value>) -> Option<Value> {
        let own = self.own(report).filter(|own| Some(*own) != nobody)?;
        let says = match own {
            Value::Object(row) => {
                let mut counts = counts(row).peekable();
                counts.peek().is_none() || counts.any(|count| count > 0)
            }
            other => other.as_u64() != Some(0),
        };
        says.then(|| own.clone())
    }
}

fn counts(row: &Map<String, Value>) -> impl Iterator<Item = u64> {
    row.iter().filter(|(name, _)| !LABELS.contains(&name.as_str())).filter_map(|(_, value)| value.as_u64())
}

/// Whether the last on the way is a row: it counts somebody, or is an item of a list. An interval belongs to the row around
/// it, an estimate at a time (it says who is at risk) to its whole curve.
fn is_row(way: &[&Value]) -> bool {
    let [.., above, Value::Object(row)] = way else { return false };
    let has = |name| row.contains_key(name);
    let is_part = has("at_risk") || (has("lower") && has("upper"));
    !is_part && (above.is_array() || counts(row).next().is_some())
}
