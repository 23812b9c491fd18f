//! What was measured, by planned visit: scores, laboratory values and doses, each by itself, with change from baseline.
//!
//! It knows no disease: which measurements there are is what the trial's visits hold. Values in another unit, or by
//! another method, are other measurements: nothing is converted.

use std::collections::BTreeMap;

use clinical::data::PlannedVisit;
use clinical::date::days_between;
use clinical::definitions::rule::Tie;
use clinical::sledai::{Descriptor, Presence};
use clinical::{Date, Decimal};
use serde::{Deserialize, Serialize};
use stats::decimal;
use stats::figure::PROBABILITY_DIGITS;
use stats::paired::{Method, hodges_lehmann, holm, signed_rank};
use stats::summary::{QUARTILE_DEFINITION, Summary};

use crate::course::{Course, Followed};
use crate::facts::{Dated, VisitFact};
use crate::followup::{Exclusions, INFUSED};
use crate::report::ReportError;

/// Measurements by visit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeasureSection {
    /// Id of the rule by which a value belongs to a planned visit: the nearest to the target day within its window.
    pub definition: String,
    /// The population.
    pub population: String,
    /// How a baseline is chosen.
    pub baseline: String,
    /// Who is missing at a visit.
    pub denominator_rule: String,
    /// The definition of the quartiles.
    pub quartiles: String,
    /// The tests of change, and how they are adjusted.
    pub tests: String,
    /// One a measurement and method, by name.
    pub tables: Vec<MeasureTable>,
}

/// One measurement by one method.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeasureTable {
    /// `sledai_total`, `sledai_clinical`, `pga`, `prednisone_mg_per_day`; else system and code, such as `loinc:1751-7`.
    pub measure: String,
    /// The method, where one is stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The unit of all its values: UCUM, or `1` for a score. Of several the one most values have.
    pub unit: String,
    /// Digits after the point of its lowest and highest value, which is the most that was stated; mean, median, quartiles
    /// and estimates have one more, the standard deviation two.
    pub digits: u8,
    /// Values of the population in the unit, whether or not they stand in a row.
    pub values: u64,
    /// Values in other units, which stand in no row.
    pub other_units: Vec<OtherUnit>,
    /// Baseline, then the planned visits after it in their order.
    pub rows: Vec<MeasureRow>,
}

/// Values that were left out of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OtherUnit {
    /// Their unit.
    pub unit: String,
    /// How many.
    pub values: u64,
}

/// One visit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeasureRow {
    /// `baseline`, or the visit's name.
    pub visit: String,
    /// Its target day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub day: Option<i64>,
    /// Subjects with a value.
    pub n: u64,
    /// Subjects without one; at a visit, those followed to its target day or longer.
    pub missing: u64,
    /// Mean.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean: Option<String>,
    /// Standard deviation; absent below two subjects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sd: Option<String>,
    /// First quartile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub q1: Option<String>,
    /// Median.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub median: Option<String>,
    /// Third quartile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub q3: Option<String>,
    /// Lowest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<String>,
    /// Highest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<String>,
    /// From baseline; absent for the baseline, and where nobody has both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<Change>,
}

/// Change from baseline, of those who have both values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// Subjects with both.
    pub n: u64,
    /// Mean difference.
    pub mean: String,
    /// Hodges-Lehmann estimate of the difference.
    pub hodges_lehmann: String,
    /// Differences that are zero, which the test drops.
    pub zeros: u64,
    /// Wilcoxon's signed rank test, two-sided, 6 digits; absent if all differences are zero.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p: Option<String>,
    /// Where it comes from: `exact` or `normal`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p_method: Option<String>,
    /// Adjusted over the table's visits by Holm, 6 digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p_holm: Option<String>,
}

/// What is measured, by which method, in which unit. Planned visits are kept by name alone.
pub(crate) type Term = (String, Option<String>, String);

/// Each term once, so that a value need not carry its own.
#[derive(Debug, Default)]
pub(crate) struct Terms {
    numbers: BTreeMap<Term, usize>,
    terms: Vec<Term>,
}

impl Terms {
    /// The term's number, in the order in which terms came.
    pub(crate) fn number(&mut self, term: Term) -> usize {
        if let Some(number) = self.numbers.get(&term) {
            return *number;
        }
        self.terms.push(term.clone());
        let number = self.terms.len() - 1;
        self.numbers.insert(term, number);
        number
    }
}

/// Numbers of what visits state in members of their own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OwnTerms {
    sledai_total: usize,
    sledai_clinical: usize,
    pga: usize,
    prednisone: usize,
}

impl Terms {
    /// Those of the members of a visit.
    pub(crate) fn own(&mut self) -> OwnTerms {
        let mut own = |measure: &str, unit: &str| self.number((measure.to_owned(), None, unit.to_owned()));
        OwnTerms {
            sledai_total: own("sledai_total", "1"),
            sledai_clinical: own("sledai_clinical", "1"),
            pga: own("pga", "1"),
            prednisone: own("prednisone_mg_per_day", "mg/d"),
        }
    }
}

/// What a visit measured, by full dates, up to the cutoff. A score counts if all that it sums was examined.
pub(crate) fn values(
    visit: &Dated<VisitFact>,
    cutoff: Date,
    own: OwnTerms,
    excluded: &mut Exclusions,
) -> Vec<Measured> {
    let what = &visit.what;
    let mut values = Vec::new();
    if let Some(items) = what.sledai {
        let done = |item: &Descriptor| items.presence(*item) != Presence::NotDone;
        let score = items.score();
        if Descriptor::ALL.iter().all(done) {
            values.push((own.sledai_total, Scaled::of_score(score.total), visit.on));
        }
        if Descriptor::ALL.iter().filter(|item| item.is_clinical()).all(done) {
            values.push((own.sledai_clinical, Scaled::of_score(score.clinical), visit.on));
        }
    }
    let members = [(own.pga, &what.pga), (own.prednisone, &what.prednisone)];
    values.extend(
        members.into_iter().filter_map(|(term, value)| Some((term, Scaled::of(value.as_ref()?), visit.on))),
    );
    let observed = what.measured.iter();
    values.extend(observed.map(|(term, value, on)| (*term, Scaled::of(value), on.unwrap_or(visit.on))));
    let mut placed = Vec::new();
    for (term, value, on) in values {
        match on.day() {
            Some(on) if on > cutoff => excluded.after_cutoff += 1,
            Some(on) => placed.push(Measured { term, on, value }),
            None => excluded.measurements_without_day += 1,
        }
    }
    placed
}

/// A value on a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Measured {
    /// Its number among the [`Terms`].
    pub(crate) term: usize,
    pub(crate) on: Date,
    pub(crate) value: Scaled,
}

/// Digits that a value may have after its point.
const SCALE_DIGITS: u8 = 9;
const SCALE: i128 = 1_000_000_000;

/// A decimal in units of 10^-9, and how many digits it was stated with. A stated decimal has at most 18 digits before its
/// point and 9 after, so it fits, and differences are exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scaled {
    units: i128,
    digits: u8,
}

impl Scaled {
    pub(crate) fn of(value: &Decimal) -> Self {
        let (whole, fraction) = value.as_str().split_once('.').unwrap_or((value.as_str(), ""));
        let padded = format!("{whole}{fraction:0<width$}", width = usize::from(SCALE_DIGITS));
        Self {
            units: padded.parse().unwrap_or_default(),
            digits: u8::try_from(fraction.len()).unwrap_or(SCALE_DIGITS),
        }
    }

    pub(crate) fn of_score(score: u16) -> Self {
        Self { units: i128::from(score) * SCALE, digits: 0 }
    }
}

/// The nearest double: equal numbers give equal doubles, so that ties stay ties.
fn double(units: i128) -> f64 {
    units as f64 / SCALE as f64
}

/// One measurement by one method in one unit.
#[derive(Default)]
struct InUnit {
    values: u64,
    digits: u8,
    /// By subject and day: sum and number of that day's values.
    subjects: BTreeMap<usize, BTreeMap<Date, (i128, i128)>>,
}

pub(crate) fn measures(
    courses: &[Course],
    schedule: &[PlannedVisit],
    terms: &Terms,
    (windows, tie): (&str, Tie),
) -> Result<MeasureSection, ReportError> {
    let mut found: BTreeMap<(&str, Option<&str>), BTreeMap<&str, InUnit>> = BTreeMap::new();
    for (subject, course) in courses.iter().enumerate() {
        for measured in course.analysable().iter().flat_map(|followed| &followed.measured) {
            let Some((measure, method, unit)) = terms.terms.get(measured.term) else { continue };
            let units = found.entry((measure, method.as_deref())).or_default();
            let unit = units.entry(unit).or_default();
            unit.values += 1;
            unit.digits = unit.digits.max(measured.value.digits);
            let day = unit.subjects.entry(subject).or_default().entry(measured.on).or_default();
            day.0 += measured.value.units;
            day.1 += 1;
        }
    }
    let mut visits: Vec<&PlannedVisit> = schedule.iter().filter(|visit| visit.day > 0).collect();
    visits.sort_by_key(|visit| (visit.day, &visit.name));
    let mut tables = Vec::new();
    for (name, units) in found {
        tables.extend(table(name, &units, courses, &visits, tie)?);
    }
    Ok(MeasureSection {
        definition: windows.to_owned(),
        population: INFUSED.to_owned(),
        baseline: "last value on or before the day of first infusion".to_owned(),
        denominator_rule: "with a value in the visit's window, or followed to its target day or longer"
            .to_owned(),
        quartiles: QUARTILE_DEFINITION.to_owned(),
        tests: "Wilcoxon signed rank, zeros dropped, two-sided; Holm over the visits of a table".to_owned(),
        tables,
    })
}

fn table(
    (measure, method): (&str, Option<&str>),
    units: &BTreeMap<&str, InUnit>,
    courses: &[Course],
    visits: &[&PlannedVisit],
    tie: Tie,
) -> Result<Option<MeasureTable>, ReportError> {
    // Of units as frequent the first by name.
    let Some((unit, found)) = units.iter().rev().max_by_key(|(_, found)| found.values) else {
        return Ok(None);
    };
    let followed: Vec<(usize, &Followed)> = courses
        .iter()
        .enumerate()
        .filter_map(|(subject, course)| Some((subject, course.analysable()?)))
        .collect();
    let mean = |(sum, number): (i128, i128)| sum / number.max(1);
    let baselines: Vec<Option<i128>> = followed
        .iter()
        .map(|(subject, followed)| {
            let days = found.subjects.get(subject)?;
            days.range(..=followed.day_0).next_back().map(|(_, values)| mean(*values))
        })
        .collect();
    let mut rows = vec![row("baseline", None, &baselines, baselines.len(), found.digits)?];
    let mut p_values = vec![None];
    for visit in visits {
        let (before, after) = (i64::from(visit.window_before), i64::from(visit.window_after));
        let target = i64::from(visit.day);
        let (mut values, mut differences, mut due) = (Vec::new(), Vec::new(), 0);
        for ((subject, followed), baseline) in followed.iter().zip(&baselines) {
            let offset = |on: &Date| i64::from(days_between(followed.day_0, *on)) - target;
            let days = found.subjects.get(subject);
            let value = days.and_then(|days| {
                days.iter()
                    .filter(|(on, _)| **on > followed.day_0 && (-before..=after).contains(&offset(on)))
                    .min_by_key(|(on, _)| {
                        let earlier = offset(on) < 0;
                        (offset(on).abs(), if tie == Tie::Later { earlier } else { !earlier })
                    })
                    .map(|(_, values)| mean(*values))
            });
            due += usize::from(value.is_some() || i64::from(followed.days) >= target);
            values.push(value);
            differences.extend(value.zip(*baseline).map(|(value, baseline)| double(value - baseline)));
        }
        let mut row = row(&visit.name, Some(target), &values, due, found.digits)?;
        let (change, p) = change(&differences, found.digits)?;
        row.change = change;
        if due > 0 {
            rows.push(row);
            p_values.push(p);
        }
    }
    adjust(&mut rows, &p_values)?;
    Ok(Some(MeasureTable {
        measure: measure.to_owned(),
        method: method.map(str::to_owned),
        unit: (*unit).to_owned(),
        digits: found.digits,
        values: found.values,
        other_units: units
            .iter()
            .filter(|(other, _)| *other != unit)
            .map(|(unit, found)| OtherUnit { unit: (*unit).to_owned(), values: found.values })
            .collect(),
        rows,
    }))
}

fn row(
    visit: &str,
    day: Option<i64>,
    values: &[Option<i128>],
    due: usize,
    digits: u8,
) -> Result<MeasureRow, ReportError> {
    let values: Vec<f64> = values.iter().flatten().map(|units| double(*units)).collect();
    let mut row = MeasureRow {
        visit: visit.to_owned(),
        day,
        n: values.len() as u64,
        missing: due.saturating_sub(values.len()) as u64,
        mean: None,
        sd: None,
        q1: None,
        median: None,
        q3: None,
        min: None,
        max: None,
        change: None,
    };
    if let Ok(summary) = Summary::of(&values) {
        let text = |value: f64, more: u8| decimal(value, digits + more).map(Some);
        row.mean = text(summary.mean, 1)?;
        row.sd = summary.sd.map(|sd| decimal(sd, digits + 2)).transpose()?;
        row.q1 = text(summary.q1, 1)?;
        row.median = text(summary.median, 1)?;
        row.q3 = text(summary.q3, 1)?;
        // A mean of one day's values may have more digits than any of them.
        row.min = text(summary.min, 0)?;
        row.max = text(summary.max, 0)?;
    }
    Ok(row)
}

fn change(differences: &[f64], digits: u8) -> Result<(Option<Change>, Option<f64>), ReportError> {
    let (Ok(summary), Ok(shift)) = (Summary::of(differences), hodges_lehmann(differences)) else {
        return Ok((None, None));
    };
    // No rank where nothing differs.
    let test = signed_rank(differences).ok();
    let change = Change {
        n: differences.len() as u64,
        mean: decimal(summary.mean, digits + 1)?,
        hodges_lehmann: decimal(shift, digits + 1)?,
        zeros: test.map_or(differences.len(), |test| test.zeros) as u64,
        p: test.map(|test| decimal(test.p, PROBABILITY_DIGITS)).transpose()?,
        p_method: test.map(|test| {
            match test.method {
                Method::Exact => "exact",
                Method::Normal => "normal",
            }
            .to_owned()
        }),
        p_holm: None,
    };
    Ok((Some(change), test.map(|test| test.p)))
}

fn adjust(rows: &mut [MeasureRow], p_values: &[Option<f64>]) -> Result<(), ReportError> {
    let tested: Vec<f64> = p_values.iter().flatten().copied().collect();
    // p values are probabilities, which is all that Holm asks.
    let mut adjusted = holm(&tested).unwrap_or_default().into_iter();
    for (row, _) in rows.iter_mut().zip(p_values).filter(|(_, p)| p.is_some()) {
        if let (Some(change), Some(p)) = (&mut row.change, adjusted.next()) {
            change.p_holm = Some(decimal(p, PROBABILITY_DIGITS)?);
        }
    }
    Ok(())
}
