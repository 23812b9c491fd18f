//! What was measured, by planned visit: scores, laboratory values and doses, each by itself, with change from baseline.
//!
//! It knows no disease: which measurements there are is what the trial's visits hold. Values in another unit, or by
//! another method, are other measurements: nothing is converted.

use std::collections::BTreeMap;

use clinical::data::PlannedVisit;
use clinical::date::days_between;
use clinical::definitions::activity::Changed;
use clinical::definitions::rule::{Band, Tie};
use clinical::sledai::Score;
use serde::{Deserialize, Serialize};
use stats::decimal;
use stats::figure::PROBABILITY_DIGITS;
use stats::paired::{Method, hodges_lehmann, holm, signed_rank};
use stats::summary::{QUARTILE_DEFINITION, Summary};

use crate::count;
use crate::course::{Course, Followed};
use crate::followup::INFUSED;
use crate::report::ReportError;
use crate::rules::Rules;
use crate::values::{SCALE, Terms, double};

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
    /// Where each subject's own values are listed.
    pub lines_rule: String,
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
    /// Definitions of the activity score, where the table is of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<ScoreDefinitions>,
    /// Baseline, then the planned visits after it in their order.
    pub rows: Vec<MeasureRow>,
    /// Each subject with a value in a row, in the order of subjects; empty where the population is too large for that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<MeasureLine>,
}

/// A subject's own values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeasureLine {
    /// The subject.
    pub subject: String,
    /// Its values, in the order of the table's rows.
    pub values: Vec<LineValue>,
}

/// A subject's value at a visit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LineValue {
    /// `baseline`, or the visit's name.
    pub visit: String,
    /// The value, with the table's digits.
    pub value: String,
}

/// Ids of the definitions that a table of the activity score goes by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScoreDefinitions {
    /// How the score is taken.
    pub sledai: String,
    /// The ranges of [`MeasureRow::bands`].
    pub severity: String,
    /// What counts as a change.
    pub change: String,
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
    /// Of the missing: a score was taken and items of it were not examined. Absent where there is no score.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incomplete: Option<u64>,
    /// Subjects by the range that the score lies in, all ranges from the lowest; empty but for the total.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bands: Vec<BandRow>,
    /// How the score went from baseline, of those who have both; absent but for the total.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed: Option<ChangedRow>,
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

/// Subjects whose score lies in a range.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BandRow {
    /// The range's name.
    pub name: String,
    /// How many.
    pub subjects: u64,
}

/// Subjects by how their score went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangedRow {
    /// Fell by more than the definition calls none.
    pub better: u64,
    /// Neither.
    pub unchanged: u64,
    /// Rose by more.
    pub worse: u64,
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

/// Subjects of whom each one's values are listed.
const LINES_MAX: usize = 200;

/// The values of analysable subjects, measurement by measurement. They are taken in subject by subject, while courses
/// are made, so that no course need keep its own.
#[derive(Default)]
pub(crate) struct Values {
    /// By the term's number.
    terms: Vec<InUnit>,
    /// Analysable subjects so far: the number of the next.
    subjects: usize,
}

/// One measurement by one method in one unit.
#[derive(Default)]
struct InUnit {
    values: u64,
    digits: u8,
    all: Series,
    /// By the name of the planned visit, of each subject's first visit of that name; where others do not count.
    planned: BTreeMap<usize, Series>,
}

/// Days with values, subject by subject.
#[derive(Default)]
struct Series {
    /// Each subject's in ascending order.
    days: Vec<Day>,
    /// Number of the subject, ascending, and where its days begin.
    subjects: Vec<(usize, usize)>,
}

/// A subject's values of a day.
#[derive(Clone, Copy)]
struct Day {
    /// Days from first infusion.
    on: i32,
    /// How many; if none, scores were taken and none is complete.
    number: u32,
    sum: i128,
}

impl Values {
    /// Takes the values of the next analysable subject.
    pub(crate) fn take(&mut self, followed: &mut Followed, rules: &Rules) {
        for measured in std::mem::take(&mut followed.measured) {
            if self.terms.len() <= measured.term {
                self.terms.resize_with(measured.term + 1, InUnit::default);
            }
            let Some(unit) = self.terms.get_mut(measured.term) else { continue };
            if let Some(value) = measured.value {
                unit.values += 1;
                unit.digits = unit.digits.max(value.digits);
            }
            let on = days_between(followed.day_0, measured.on);
            let units = measured.value.map(|value| value.units);
            unit.all.add(self.subjects, on, units);
            if let Some((visit, stated)) = measured.visit
                && !rules.windows.unscheduled
                && followed.planned.get(&visit) == Some(&stated)
            {
                unit.planned.entry(visit).or_default().add(self.subjects, on, units);
            }
        }
        self.subjects += 1;
    }
}

impl Series {
    /// Subjects come in ascending order.
    fn add(&mut self, subject: usize, on: i32, units: Option<i128>) {
        if self.subjects.last().is_none_or(|(last, _)| *last != subject) {
            self.subjects.push((subject, self.days.len()));
        }
        let start = self.subjects.last().map_or(0, |(_, start)| *start);
        let own = self.days.get(start..).unwrap_or_default();
        let at = start + own.partition_point(|day| day.on < on);
        if self.days.get(at).is_none_or(|day| day.on != on) {
            self.days.insert(at, Day { on, number: 0, sum: 0 });
        }
        if let (Some(day), Some(units)) = (self.days.get_mut(at), units) {
            day.sum += units;
            day.number += 1;
        }
    }
}

/// Reads a series subject by subject, in the order of their numbers.
struct Reader<'a> {
    series: Option<&'a Series>,
    next: usize,
}

impl<'a> Reader<'a> {
    fn new(series: Option<&'a Series>) -> Self {
        Self { series, next: 0 }
    }

    /// The subject's days.
    fn of(&mut self, subject: usize) -> &'a [Day] {
        let Some(series) = self.series else { return &[] };
        match series.subjects.get(self.next) {
            Some((of, start)) if *of == subject => {
                self.next += 1;
                let end = series.subjects.get(self.next).map_or(series.days.len(), |(_, next)| *next);
                series.days.get(*start..end).unwrap_or_default()
            }
            _ => &[],
        }
    }
}

/// What a subject has at a visit.
#[derive(Clone, Copy)]
enum Found {
    Value(i128),
    Incomplete,
}

impl Found {
    fn value(self) -> Option<i128> {
        match self {
            Self::Value(units) => Some(units),
            Self::Incomplete => None,
        }
    }

    /// The day's value.
    fn of_day(day: &Day) -> Option<Self> {
        (day.number > 0).then(|| Self::Value(day.sum / i128::from(day.number)))
    }

    /// The last value on or before the day of first infusion.
    fn baseline(days: &[Day]) -> Option<Self> {
        let before = days.get(..days.partition_point(|day| day.on <= 0)).unwrap_or_default();
        before.iter().rev().find_map(Self::of_day).or_else(|| before.first().map(|_| Self::Incomplete))
    }

    /// The value nearest to the visit's target day, of the days after first infusion that lie in its window.
    fn at(days: &[Day], visit: &PlannedVisit, tie: Tie) -> Option<Self> {
        let offset = |day: &Day| i64::from(day.on) - i64::from(visit.day);
        let first = days.partition_point(|day| day.on <= 0 || offset(day) < -i64::from(visit.window_before));
        let after = days.get(first..).unwrap_or_default();
        let within = after.get(..after.partition_point(|day| offset(day) <= i64::from(visit.window_after)));
        let within = within.unwrap_or_default();
        within
            .iter()
            .filter_map(|day| Some((offset(day), Self::of_day(day)?)))
            .min_by_key(|(offset, _)| {
                let earlier = *offset < 0;
                (offset.abs(), if tie == Tie::Later { earlier } else { !earlier })
            })
            .map(|(_, value)| value)
            .or_else(|| within.first().map(|_| Self::Incomplete))
    }
}

pub(crate) fn measures(
    courses: &[Course],
    values: &Values,
    schedule: &[PlannedVisit],
    terms: &Terms,
    rules: &Rules,
) -> Result<MeasureSection, ReportError> {
    let mut found: BTreeMap<(&str, Option<&str>), BTreeMap<&str, &InUnit>> = BTreeMap::new();
    for (term, in_unit) in terms.known.iter().zip(&values.terms) {
        if !in_unit.all.subjects.is_empty() {
            found.entry((&term.measure, term.method.as_deref())).or_default().insert(&term.unit, in_unit);
        }
    }
    let mut visits: Vec<&PlannedVisit> = schedule.iter().filter(|visit| visit.day > 0).collect();
    visits.sort_by_key(|visit| (visit.day, &visit.name));
    let mut tables = Vec::new();
    for (name, units) in found {
        tables.extend(table(name, &units, courses, &visits, (rules, terms))?);
    }
    Ok(MeasureSection {
        definition: rules.windows_id.clone(),
        population: INFUSED.to_owned(),
        baseline: "last value on or before the day of first infusion".to_owned(),
        denominator_rule: "with a value in the visit's window, or followed to its target day or longer"
            .to_owned(),
        quartiles: QUARTILE_DEFINITION.to_owned(),
        tests: "Wilcoxon signed rank, zeros dropped, two-sided; Holm over the visits of a table".to_owned(),
        lines_rule: format!("each subject's own values, of a population of at most {LINES_MAX} subjects"),
        tables,
    })
}

fn table(
    (measure, method): (&str, Option<&str>),
    units: &BTreeMap<&str, &InUnit>,
    courses: &[Course],
    visits: &[&PlannedVisit],
    (rules, terms): (&Rules, &Terms),
) -> Result<Option<MeasureTable>, ReportError> {
    // Of units as frequent the first by name.
    let Some((unit, found)) = units.iter().rev().max_by_key(|(_, found)| found.values) else {
        return Ok(None);
    };
    let score = measure.starts_with("sledai_").then_some(measure == "sledai_total");
    let kind = Kind { digits: found.digits, score, rules };
    // Numbered as their values are.
    let followed = || courses.iter().filter_map(|course| Some((course, course.analysable()?)));
    let (mut all, mut baselines) = (Reader::new(Some(&found.all)), Vec::new());
    let mut at: Vec<AtVisit<'_>> = visits.iter().map(|visit| AtVisit::new(visit, found, terms)).collect();
    for (subject, (_, followed)) in followed().enumerate() {
        let days = all.of(subject);
        baselines.push(Found::baseline(days));
        for at in &mut at {
            let days = if rules.windows.unscheduled { days } else { at.planned.of(subject) };
            let value = Found::at(days, at.visit, rules.windows.tie);
            at.due += usize::from(value.is_some() || i64::from(followed.days) >= i64::from(at.visit.day));
            at.values.push(value);
        }
    }
    let mut rows = vec![row("baseline", None, &baselines, baselines.len(), &kind)?];
    let mut lines = vec![Vec::new(); if baselines.len() > LINES_MAX { 0 } else { baselines.len() }];
    extend(&mut lines, "baseline", &baselines, found.digits)?;
    let mut p_values = vec![None];
    for AtVisit { visit, values, due, .. } in at.into_iter().filter(|at| at.due > 0) {
        let pairs: Vec<(i128, i128)> = values
            .iter()
            .zip(&baselines)
            .filter_map(|(value, baseline)| Some(((*baseline)?.value()?, (*value)?.value()?)))
            .collect();
        let differences: Vec<f64> = pairs.iter().map(|(before, now)| double(now - before)).collect();
        let mut row = row(&visit.name, Some(i64::from(visit.day)), &values, due, &kind)?;
        let (change, p) = change(&differences, found.digits)?;
        row.change = change;
        row.changed = kind.is_total().then(|| changed(&pairs, rules));
        extend(&mut lines, &visit.name, &values, found.digits)?;
        rows.push(row);
        p_values.push(p);
    }
    adjust(&mut rows, &p_values)?;
    Ok(Some(MeasureTable {
        measure: measure.to_owned(),
        method: method.map(str::to_owned),
        unit: (*unit).to_owned(),
        digits: found.digits,
        values: found.values,
        score: score.map(|_| ScoreDefinitions {
            sledai: rules.sledai_id.clone(),
            severity: rules.severity_id.clone(),
            change: rules.change_id.clone(),
        }),
        other_units: units
            .iter()
            .filter(|(other, _)| *other != unit)
            .map(|(unit, found)| OtherUnit { unit: (*unit).to_owned(), values: found.values })
            .collect(),
        rows,
        lines: followed()
            .zip(lines)
            .filter(|(_, values)| !values.is_empty())
            .map(|((course, _), values)| MeasureLine { subject: course.subject.clone(), values })
            .collect(),
    }))
}

/// What each subject has at a planned visit.
struct AtVisit<'a> {
    visit: &'a PlannedVisit,
    /// Values of visits of that name.
    planned: Reader<'a>,
    values: Vec<Option<Found>>,
    /// Subjects with a value, or followed to the target day.
    due: usize,
}

impl<'a> AtVisit<'a> {
    fn new(visit: &'a PlannedVisit, found: &'a InUnit, terms: &Terms) -> Self {
        let planned = terms.visits.get(&visit.name).and_then(|name| found.planned.get(name));
        Self { visit, planned: Reader::new(planned), values: Vec::new(), due: 0 }
    }
}

/// Adds what was found at a visit to each subject's line.
fn extend(
    lines: &mut [Vec<LineValue>],
    visit: &str,
    found: &[Option<Found>],
    digits: u8,
) -> Result<(), ReportError> {
    for (line, found) in lines.iter_mut().zip(found) {
        if let Some(units) = found.and_then(Found::value) {
            line.push(LineValue { visit: visit.to_owned(), value: decimal(double(units), digits)? });
        }
    }
    Ok(())
}

/// What a table is of, as far as its rows differ by it.
struct Kind<'a> {
    digits: u8,
    /// A score; whether it is the total.
    score: Option<bool>,
    rules: &'a Rules,
}

impl Kind<'_> {
    fn is_total(&self) -> bool {
        self.score == Some(true)
    }
}

/// A complete score. Several of one day that differ make a mean between two scores: it lies in the lower one's range.
fn score(units: i128) -> Score {
    let total = u16::try_from(units / SCALE).unwrap_or_default();
    Score { total, clinical: total, not_done: 0 }
}

fn bands(values: &[i128], rules: &Rules) -> Vec<BandRow> {
    let in_band = |name: &str| count(values, |units| rules.severity.band(score(**units)) == Some(name));
    let mut bands: Vec<&Band> = rules.severity.bands.iter().collect();
    bands.sort_by_key(|band| band.from);
    bands.iter().map(|band| BandRow { name: band.name.clone(), subjects: in_band(&band.name) }).collect()
}

fn changed(pairs: &[(i128, i128)], rules: &Rules) -> ChangedRow {
    let went = |how| count(pairs, |(before, now)| rules.change.of(now - before, SCALE) == how);
    ChangedRow {
        better: went(Changed::Better),
        unchanged: went(Changed::Unchanged),
        worse: went(Changed::Worse),
    }
}

fn row(
    visit: &str,
    day: Option<i64>,
    found: &[Option<Found>],
    due: usize,
    kind: &Kind<'_>,
) -> Result<MeasureRow, ReportError> {
    let digits = kind.digits;
    let incomplete = || count(found, |one| matches!(one, Some(Found::Incomplete)));
    let units: Vec<i128> = found.iter().filter_map(|one| one.and_then(Found::value)).collect();
    let values: Vec<f64> = units.iter().map(|units| double(*units)).collect();
    let mut row = MeasureRow {
        visit: visit.to_owned(),
        day,
        n: values.len() as u64,
        missing: due.saturating_sub(values.len()) as u64,
        incomplete: kind.score.map(|_| incomplete()),
        bands: if kind.is_total() { bands(&units, kind.rules) } else { Vec::new() },
        changed: None,
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
