//! The outcome report's measurements by visit and its strata, as tables for a terminal.

use outcomes::{Figure, MeasureTable, Report};

use super::Table;
use super::report_text::{heading, words};

pub(super) fn measures(text: &mut String, report: &Report) {
    let section = &report.measures;
    for table in &section.tables {
        let method = table.method.as_ref().map(|method| format!(", {method}")).unwrap_or_default();
        heading(
            text,
            &format!("{}{method} ({}) by visit, {}", table.measure, table.unit, section.definition),
        );
        text.push_str(&one(table));
        for other in &table.other_units {
            text.push_str(&format!("  {} values in {} not in this table\n", other.values, other.unit));
        }
    }
}

fn one(table: &MeasureTable) -> String {
    let dash = || "–".to_owned();
    let range = |low: &Option<String>, high: &Option<String>| match (low, high) {
        (Some(low), Some(high)) => format!("{low}–{high}"),
        _ => dash(),
    };
    let mut rows = Table::new([
        "visit",
        "n",
        "missing",
        "mean",
        "SD",
        "median",
        "quartiles",
        "range",
        "change n",
        "Hodges-Lehmann",
        "Wilcoxon p",
        "Holm",
    ]);
    for row in &table.rows {
        let change = row.change.as_ref();
        rows.row([
            row.visit.clone(),
            row.n.to_string(),
            row.missing.to_string(),
            row.mean.clone().unwrap_or_else(dash),
            row.sd.clone().unwrap_or_else(dash),
            row.median.clone().unwrap_or_else(dash),
            range(&row.q1, &row.q3),
            range(&row.min, &row.max),
            change.map_or_else(dash, |change| change.n.to_string()),
            change.map_or_else(dash, |change| change.hodges_lehmann.clone()),
            change.and_then(|change| change.p.clone()).unwrap_or_else(dash),
            change.and_then(|change| change.p_holm.clone()).unwrap_or_else(dash),
        ]);
    }
    rows.to_string()
}

/// Survival, remission and relapse by site, source and planned course.
pub(super) fn strata(text: &mut String, report: &Report) {
    for strata in &report.strata {
        heading(text, &format!("By {} ({})", words(&strata.by), strata.rule));
        if let Some(why) = &strata.withheld {
            text.push_str(&format!("  not shown: {why}\n"));
            continue;
        }
        let mut table =
            Table::new(["level", "infused", "alive (crude)", "remission at 1-4 y", "relapse in y 1-4"]);
        let ratios = |figures: &[Figure]| {
            let ratios = figures.iter().map(|figure| format!("{}/{}", figure.numerator, figure.denominator));
            ratios.collect::<Vec<_>>().join("  ")
        };
        for level in &strata.levels {
            table.row([
                level.level.clone(),
                level.subjects.to_string(),
                ratios(std::slice::from_ref(&level.survival)),
                ratios(&level.remission),
                ratios(&level.relapse),
            ]);
        }
        text.push_str(&table.to_string());
    }
}
