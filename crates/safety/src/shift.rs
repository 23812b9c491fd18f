//! Laboratory shift: where a value lay to its reference range before treatment, against where it lay at worst since.

use std::collections::BTreeMap;

use clinical::PartialDate;
use serde::{Deserialize, Serialize};

use crate::report::SAFETY_SET;
use crate::rows::Level;
use crate::subject::Subject;

/// Shift tables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShiftSection {
    /// Id of the definition.
    pub definition: String,
    /// The rule in words.
    pub rule: String,
    /// The population.
    pub population: String,
    /// How many subjects are in it: the denominator of each table.
    pub subjects: u64,
    /// A table for each analyte with a value of the population beside a range, by its code.
    pub analytes: Vec<ShiftTable>,
    /// Values of the population that came without a reference range: in no table.
    pub without_range: u64,
    /// Values beside a range that are no number: in no table.
    pub not_a_number: u64,
    /// Values whose date may lie before or after first infusion: in no table.
    pub date_unknown: u64,
}

/// One analyte.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShiftTable {
    /// LOINC code, or system and code of the source.
    pub analyte: String,
    /// By baseline: low, normal, high, missing.
    pub rows: Vec<ShiftRow>,
}

/// Subjects of one level at baseline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShiftRow {
    /// `low`, `normal`, `high` or `missing`.
    pub baseline: String,
    /// How many there are.
    pub subjects: u64,
    /// Worst after first infusion: any value below its range.
    pub low: u64,
    /// Values, and none outside its range.
    pub normal: u64,
    /// Any value above its range.
    pub high: u64,
    /// No value.
    pub missing: u64,
    /// Of `low` and `high`: the same subjects, counted in both.
    pub low_and_high: u64,
}

const DEFINITION: &str = "lab-shift-1";

const RULE: &str = "baseline is the last value on or before the day of first infusion, of several on one day one outside its range; worst \
                    is of all values after that day, planned or not, each against the range reported with it; a subject with \
                    values both below and above counts in both columns";

const BASELINES: [&str; 4] = ["low", "normal", "high", "missing"];

/// What one subject's values of an analyte come to.
#[derive(Default)]
struct Course {
    /// The last day before, whether outside the range, and the level.
    baseline: Option<(PartialDate, bool, Level)>,
    low: bool,
    normal: bool,
    high: bool,
}

impl Course {
    fn before(&mut self, on: PartialDate, level: Level) {
        let value = (on, level != Level::Normal, level);
        let order =
            |(on, outside, level): (PartialDate, bool, Level)| (on.latest(), on.earliest(), outside, level);
        if self.baseline.is_none_or(|known| order(value) > order(known)) {
            self.baseline = Some(value);
        }
    }

    fn after(&mut self, level: Level) {
        match level {
            Level::Low => self.low = true,
            Level::High => self.high = true,
            Level::Normal => self.normal = true,
            Level::Unclassified => {}
        }
    }

    /// The row of its baseline, by its place in [`BASELINES`].
    fn row(&self) -> usize {
        match self.baseline.map(|(.., level)| level) {
            Some(Level::Low) => 0,
            Some(Level::Normal) => 1,
            Some(Level::High) => 2,
            Some(Level::Unclassified) | None => 3,
        }
    }
}

pub(crate) fn shift(subjects: &[Subject]) -> ShiftSection {
    let mut tables: BTreeMap<&str, [ShiftRow; 4]> = BTreeMap::new();
    let (mut treated, mut without_range, mut not_a_number, mut date_unknown) = (0, 0, 0, 0);
    for subject in subjects {
        let Some(infused) = subject.infusions.first().map(|infusion| infusion.on) else { continue };
        treated += 1;
        let mut courses: BTreeMap<&str, Course> = BTreeMap::new();
        for visit in &subject.examined {
            without_range += visit.unranged;
            for (analyte, level, on) in &visit.labs {
                let course = courses.entry(analyte).or_default();
                if *level == Level::Unclassified {
                    not_a_number += 1;
                } else if on.latest() <= infused.earliest() {
                    course.before(*on, *level);
                } else if on.earliest() > infused.latest() {
                    course.after(*level);
                } else {
                    date_unknown += 1;
                }
            }
        }
        for (analyte, course) in courses {
            add(tables.entry(analyte).or_insert_with(empty), &course);
        }
    }
    let analytes = tables.into_iter().map(|(analyte, rows)| table(analyte, rows, treated)).collect();
    ShiftSection {
        definition: DEFINITION.to_owned(),
        rule: RULE.to_owned(),
        population: SAFETY_SET.to_owned(),
        subjects: treated,
        analytes,
        without_range,
        not_a_number,
        date_unknown,
    }
}

fn empty() -> [ShiftRow; 4] {
    BASELINES.map(|baseline| ShiftRow {
        baseline: baseline.to_owned(),
        subjects: 0,
        low: 0,
        normal: 0,
        high: 0,
        missing: 0,
        low_and_high: 0,
    })
}

fn add(rows: &mut [ShiftRow; 4], course: &Course) {
    let row = &mut rows[course.row()];
    row.subjects += 1;
    row.low += u64::from(course.low);
    row.high += u64::from(course.high);
    row.low_and_high += u64::from(course.low && course.high);
    let outside = course.low || course.high;
    row.normal += u64::from(course.normal && !outside);
    row.missing += u64::from(!course.normal && !outside);
}

/// The rest of the population has no value at all.
fn table(analyte: &str, rows: [ShiftRow; 4], treated: u64) -> ShiftTable {
    let with: u64 = rows.iter().map(|row| row.subjects).sum();
    let [low, normal, high, mut missing] = rows;
    missing.subjects += treated - with;
    missing.missing += treated - with;
    ShiftTable { analyte: analyte.to_owned(), rows: vec![low, normal, high, missing] }
}
