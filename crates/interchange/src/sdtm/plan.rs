//! What an import states and what it leaves out: the parts put together.

use std::borrow::Cow;
use std::collections::BTreeMap;

use clinical::data::{Import, ImportRow};
use clinical::date::Date;
use clinical::{EventKind, PartialDate, Statement};
use serde::Serialize;
use serde_json::{Map, Value};

use super::source::Row;
use super::subjects::Subject;
use super::trial::TrialFacts;
use super::{Study, adverse_events, columns, dosing, subjects, trial, visits};

/// The standard, as `import.standard` names it.
const STANDARD: &str = "sdtm";

/// What an import states, and what it leaves out.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What the trial's opening and its sites' activation need.
    pub trial: TrialFacts,
    /// The statements, texts in clear: each subject's enrollment or screen failure before all else, the others by date,
    /// and on one day dosing, visits, adverse events, dispositions. The caller adds `data.text_key` to enrollments.
    pub statements: Vec<Statement>,
    /// Rows and single values that no statement carries.
    pub not_imported: Vec<NotImported>,
    /// Columns that no statement carries, with the number of their values.
    pub columns_not_imported: Vec<ColumnNotImported>,
    /// Upper-case stems of XPT files that hold tables this import does not know.
    pub tables_not_read: Vec<String>,
    /// What whoever signs should know: guesses, and what the data give away.
    pub notes: Vec<String>,
    /// How much of what there is.
    pub counts: Counts,
}

/// A row, or one value of a row, that no statement carries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NotImported {
    /// The column; `None`: the whole row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// Why.
    pub reason: Cow<'static, str>,
    /// The row, counted from 1.
    pub row: u32,
    /// The table.
    pub table: String,
}

/// A column that no statement carries, or carries in part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ColumnNotImported {
    /// The column.
    pub column: String,
    /// Why.
    pub reason: &'static str,
    /// The table.
    pub table: String,
    /// How many values are left out.
    pub values: u32,
}

/// How much of what a plan holds. Counted from what is stated, not from the tables.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Adverse events.
    pub adverse_events: u32,
    /// Of these, with an onset certainly before the subject's first dose: the whole interval that a partial date stands
    /// for lies before it.
    pub adverse_events_before_treatment: u32,
    /// Of these, with a partial onset.
    pub adverse_events_onset_partial: u32,
    /// Of these, without a judgement of causality.
    pub adverse_events_without_causality: u32,
    /// Of these, called serious by the site (AESER).
    pub serious_reported: u32,
    /// Of these, serious by a criterion.
    pub serious_derived: u32,
    /// Of these, fatal by outcome and reported as not serious.
    pub fatal_reported_not_serious: u32,
    /// Rows of EX stated as administrations: a period of constant dosing each.
    pub dosing_periods: u32,
    /// Dispositions but for screen failures.
    pub dispositions: u32,
    /// Subjects enrolled.
    pub enrolled: u32,
    /// Subjects that failed screening.
    pub screen_failures: u32,
    /// Enrolled or failed.
    pub screened: u32,
    /// Sites.
    pub sites: u32,
    /// Visits, one for each row of SV, and those made for observations that belong to none.
    pub visits: u32,
    /// Visits without a planned name.
    pub visits_unscheduled: u32,
    /// Visits of a subject on a day on which an earlier row of SV has a visit already.
    pub visits_same_day: u32,
    /// Visits dated certainly after the subject's death.
    pub visits_after_death: u32,
    /// Visits made for observations of no row of SV.
    pub visits_made: u32,
    /// Further events of visits whose observations do not fit one event.
    pub visits_continued: u32,
    /// Observations.
    pub observations: u32,
    /// Of these, dated on another day than their visit.
    pub observations_on_another_day: u32,
    /// Of these, with a value and unit in UCUM.
    pub observations_in_ucum: u32,
    /// Numbers whose unit as reported has no UCUM unit here, by unit.
    pub units_not_mapped: BTreeMap<String, u32>,
    /// Rows that a statement or the trial's facts carry, by table.
    pub rows_carried: BTreeMap<String, u32>,
    /// Rows that nothing carries, by table.
    pub rows_not_imported: BTreeMap<String, u32>,
    /// Statements, by kind.
    pub statements: BTreeMap<&'static str, u32>,
}

/// What is written down while the tables are gone through.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// What is left out.
    pub(super) not_imported: Vec<NotImported>,
    /// What is counted.
    pub(super) counts: Counts,
    /// What is to be said.
    pub(super) notes: Vec<String>,
}

impl Ledger {
    /// A row is left out.
    pub(super) fn row(&mut self, row: &Row<'_>, reason: impl Into<Cow<'static, str>>) {
        self.leave(row, None, reason.into());
    }

    /// A value is left out.
    pub(super) fn cell(&mut self, row: &Row<'_>, column: &str, reason: impl Into<Cow<'static, str>>) {
        self.leave(row, Some(column.to_owned()), reason.into());
    }

    fn leave(&mut self, row: &Row<'_>, column: Option<String>, reason: Cow<'static, str>) {
        let ImportRow { table, row } = row.import();
        self.not_imported.push(NotImported { column, reason, row, table });
    }

    /// A date as far as it is known. A time of day beside it is counted with its column; what is no date is left out.
    pub(super) fn date(&mut self, row: &Row<'_>, column: &str) -> Option<PartialDate> {
        let text = row.text(column);
        if text.is_empty() {
            return None;
        }
        let date = date_of(&text);
        if date.is_none() {
            self.cell(row, column, "no date in the form 2008, 2008-03 or 2008-03-11");
        }
        date
    }
}

/// The date of an ISO 8601 text, without its time.
pub(super) fn date_of(text: &str) -> Option<PartialDate> {
    text.split('T').next().unwrap_or_default().parse().ok()
}

/// A statement with what orders it.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) on: Option<Date>,
    pub(super) statement: Statement,
}

impl Draft {
    /// A statement about `subject` of what stands in `data`.
    pub(super) fn new(
        kind: EventKind,
        subject: &Subject,
        on: Option<PartialDate>,
        data: Map<String, Value>,
    ) -> Self {
        let statement = Statement {
            amends: None,
            confirmed: None,
            data,
            follows: None,
            kind,
            occurred_on: on,
            site: Some(subject.site.clone()),
            subject: Some(subject.id.clone()),
            taken_from: None,
        };
        Self { on: on.map(PartialDate::earliest), statement }
    }

    fn rank(&self) -> u8 {
        match self.statement.kind {
            EventKind::Infusion => 0,
            EventKind::Visit => 1,
            EventKind::AdverseEvent => 2,
            _ => 3,
        }
    }
}

/// Where facts were taken from.
pub(super) fn import(rows: Vec<ImportRow>) -> Import {
    Import { standard: STANDARD.to_owned(), rows }
}

/// The contents of an event as an object. Serializing these types cannot fail: their keys are texts.
pub(super) fn object<T: Serialize>(data: &T) -> Map<String, Value> {
    match serde_json::to_value(data) {
        Ok(Value::Object(object)) => object,
        _ => Map::new(),
    }
}

pub(super) fn make(study: &Study) -> Plan {
    let mut ledger = Ledger::default();
    note_repairs(study, &mut ledger);
    let (subjects, introductions, dispositions) = subjects::state(study, &mut ledger);
    let mut drafts = dosing::state(study, &subjects, &mut ledger);
    drafts.extend(visits::state(study, &subjects, &mut ledger));
    drafts.extend(adverse_events::state(study, &subjects, &mut ledger));
    drafts.extend(dispositions);
    let trial = trial::facts(study, &subjects, &mut ledger);
    let columns_not_imported = columns::left_out(study);

    // Without a date last: it may have been at any time, so no other fact is looked at against it.
    drafts.sort_by_key(|draft| (draft.on.is_none(), draft.on, draft.rank()));
    let mut introductions = introductions;
    introductions.sort_by_key(|draft| draft.on);
    let statements: Vec<_> = introductions.into_iter().chain(drafts).map(|draft| draft.statement).collect();
    ledger.not_imported.sort_by(|a, b| (&a.table, a.row, &a.column).cmp(&(&b.table, b.row, &b.column)));
    let mut counts = ledger.counts;
    count_statements(&mut counts, &statements, &trial);
    for left in ledger.not_imported.iter().filter(|left| left.column.is_none()) {
        *counts.rows_not_imported.entry(left.table.clone()).or_default() += 1;
    }
    Plan {
        trial,
        statements,
        not_imported: ledger.not_imported,
        columns_not_imported,
        tables_not_read: study.tables_not_read.clone(),
        notes: ledger.notes,
        counts,
    }
}

fn note_repairs(study: &Study, ledger: &mut Ledger) {
    for source in &study.sources {
        for (index, column, repair) in source.table.repairs() {
            let name = source.table.columns().get(column).map_or("", |column| column.name.as_str());
            ledger.cell(&Row { source, index }, name, repair.meaning());
        }
    }
}

/// Rows carried are read back from the statements, so that the count is of what is really named there.
fn count_statements(counts: &mut Counts, statements: &[Statement], trial: &TrialFacts) {
    let mut carried: BTreeMap<String, std::collections::BTreeSet<u64>> = BTreeMap::new();
    let mut add = |table: &str, row: u64| {
        carried.entry(table.to_owned()).or_default().insert(row);
    };
    for row in &trial.rows {
        add(&row.table, u64::from(row.row));
    }
    for statement in statements {
        *counts.statements.entry(statement.kind.as_str()).or_default() += 1;
        let rows = statement.data.get("import").and_then(|import| import.get("rows"));
        for row in rows.and_then(Value::as_array).into_iter().flatten() {
            if let (Some(table), Some(row)) = (row["table"].as_str(), row["row"].as_u64()) {
                add(table, row);
            }
        }
    }
    counts.rows_carried = carried
        .into_iter()
        .map(|(table, rows)| (table, u32::try_from(rows.len()).unwrap_or(u32::MAX)))
        .collect();
}
