//! SLEDAI-2K totals by planned visit. Empty where the instrument is not used.

use std::collections::BTreeMap;

use clinical::Date;
use clinical::data::PlannedVisit;
use clinical::date::days_between;
use serde::{Deserialize, Serialize};
use stats::decimal;
use stats::summary::Summary;

use crate::course::{Course, Followed, Score};
use crate::report::ReportError;

/// SLEDAI-2K totals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SledaiSection {
    /// Id of the instrument.
    pub definition: String,
    /// The population.
    pub population: String,
    /// Baseline (last complete score at or before first infusion), then the planned visits in their order, then
    /// visits that the schedule does not name.
    pub rows: Vec<SledaiRow>,
    /// Scores of unscheduled visits, which stand in no row but may be a baseline.
    pub unscheduled: u64,
}

/// One visit's totals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SledaiRow {
    /// `baseline`, or the visit's name.
    pub visit: String,
    /// Its target day, if the schedule has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub day: Option<i64>,
    /// Subjects with a complete score. Of several visits of one name the one nearest to the target counts.
    pub subjects: u64,
    /// Mean, 2 digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean: Option<String>,
    /// Standard deviation, 2 digits; absent below two subjects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sd: Option<String>,
    /// Median, 1 digit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub median: Option<String>,
    /// Lowest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<u64>,
    /// Highest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u64>,
    /// Subjects with scores of this visit none of which is complete: not in the statistics.
    pub incomplete: u64,
}

#[derive(Default)]
struct Column {
    totals: Vec<i64>,
    incomplete: u64,
}

pub(crate) fn sledai(courses: &[Course], schedule: &[PlannedVisit]) -> Result<SledaiSection, ReportError> {
    let planned_day = |name: &str| schedule.iter().find(|visit| visit.name == name).map(|visit| visit.day);
    let mut baseline = Column::default();
    // By day, then name; what the schedule does not name comes last.
    let mut columns: BTreeMap<(bool, i32, &str), Column> = BTreeMap::new();
    let mut unscheduled = 0;
    for followed in courses.iter().filter_map(Course::analysable) {
        add_baseline(&mut baseline, followed);
        let mut visits: BTreeMap<&str, Vec<&Score>> = BTreeMap::new();
        for score in &followed.scores {
            match &score.planned {
                Some(name) => visits.entry(name).or_default().push(score),
                None => unscheduled += 1,
            }
        }
        for (name, scores) in visits {
            let day = planned_day(name);
            let column = columns.entry((day.is_none(), day.unwrap_or_default(), name)).or_default();
            let offset = |on: Date| days_between(followed.day_0, on) - day.unwrap_or_default();
            // Nearest to the target, of two as near the later, of one day the higher.
            let nearest = scores
                .iter()
                .filter(|score| score.not_done == 0)
                .min_by_key(|score| (offset(score.on).abs(), offset(score.on) < 0, u16::MAX - score.total));
            match nearest {
                Some(score) => column.totals.push(i64::from(score.total)),
                None => column.incomplete += 1,
            }
        }
    }
    let mut rows = Vec::new();
    if !baseline.totals.is_empty() || baseline.incomplete > 0 {
        rows.push(row("baseline", None, &baseline)?);
    }
    for ((unnamed, day, name), column) in &columns {
        rows.push(row(name, (!unnamed).then_some(i64::from(*day)), column)?);
    }
    Ok(SledaiSection {
        definition: "sledai-2k".to_owned(),
        population: crate::followup::INFUSED.to_owned(),
        rows,
        unscheduled,
    })
}

fn add_baseline(column: &mut Column, followed: &Followed) {
    let before = || followed.scores.iter().filter(|score| score.on <= followed.day_0);
    match before().filter(|score| score.not_done == 0).max_by_key(|score| (score.on, score.total)) {
        Some(score) => column.totals.push(i64::from(score.total)),
        None => column.incomplete += u64::from(before().next().is_some()),
    }
}

fn row(visit: &str, day: Option<i64>, column: &Column) -> Result<SledaiRow, ReportError> {
    let mut row = SledaiRow {
        visit: visit.to_owned(),
        day,
        subjects: column.totals.len() as u64,
        mean: None,
        sd: None,
        median: None,
        min: column.totals.iter().min().map(|total| total.unsigned_abs()),
        max: column.totals.iter().max().map(|total| total.unsigned_abs()),
        incomplete: column.incomplete,
    };
    if let Ok(summary) = Summary::of_integers(&column.totals) {
        row.mean = Some(decimal(summary.mean, 2)?);
        row.sd = summary.sd.map(|sd| decimal(sd, 2)).transpose()?;
        row.median = Some(decimal(summary.median, 1)?);
    }
    Ok(row)
}
