//! The outcome report's measurements by visit and its strata, as tables for a terminal.

use outcomes::{ChangedRow, Figure, MeasureTable, Report};

use super::Table;
use super::report_text::{heading, limits, words};

pub(super) fn measures(text: &mut String, report: &Report) {
    let section = &report.measures;
    for table in &section.tables {
        let method = table.method.as_ref().map(|method| format!(", {method}")).unwrap_or_default();
        heading(
            text,
            &format!("{}{method} ({}) by visit, {}", table.measure, table.unit, section.definition),
        );
        text.push_str(&one(table));
        text.push_str(&activity(table));
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
            change.and_then(|change| change.p.as_deref().map(p)).unwrap_or_else(dash),
            change.and_then(|change| change.p_holm.as_deref().map(p)).unwrap_or_else(dash),
        ]);
    }
    rows.to_string()
}

/// Subjects by range of the score and by how it went from baseline; empty where there is no score.
fn activity(table: &MeasureTable) -> String {
    let (Some(score), Some(first)) = (&table.score, table.rows.first()) else { return String::new() };
    let incomplete: Vec<_> = table
        .rows
        .iter()
        .filter(|row| row.incomplete.is_some_and(|incomplete| incomplete > 0))
        .map(|row| format!("{} {}", row.visit, row.incomplete.unwrap_or_default()))
        .collect();
    let mut text = String::new();
    if !incomplete.is_empty() {
        text.push_str(&format!("  of the missing, not complete: {}\n", incomplete.join(", ")));
    }
    if first.bands.is_empty() {
        return text;
    }
    let mut rows = Table::new(["visit", "subjects by range", "better", "unchanged", "worse"]);
    for row in &table.rows {
        let bands: Vec<_> = row.bands.iter().map(|band| format!("{} {}", band.name, band.subjects)).collect();
        let changed = row.changed.as_ref();
        let went =
            |how: fn(&ChangedRow) -> u64| changed.map_or_else(|| "–".to_owned(), |it| how(it).to_string());
        rows.row([
            row.visit.clone(),
            bands.join("  "),
            went(|it| it.better),
            went(|it| it.unchanged),
            went(|it| it.worse),
        ]);
    }
    format!("{text}  by {}, {}, {}\n{rows}", score.sledai, score.severity, score.change)
}

/// Survival, remission and relapse by site, source and planned course.
pub(super) fn strata(text: &mut String, report: &Report) {
    for strata in &report.strata {
        heading(text, &format!("By {} ({}; 95% Clopper-Pearson)", words(&strata.by), strata.rule));
        if let Some(why) = &strata.withheld {
            text.push_str(&format!("  not shown: {why}\n"));
            continue;
        }
        let mut table = Table::new([
            "level",
            "infused",
            "alive (crude)",
            "remission at landmarks",
            "relapse by landmark",
        ]);
        let ratios = |figures: &[Figure]| {
            let ratios = figures.iter().map(|figure| {
                let within = limits(&figure.intervals, "clopper-pearson");
                format!("{}/{} ({within})", figure.numerator, figure.denominator)
            });
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

/// A p value; none is zero.
fn p(told: &str) -> String {
    if told == "0.000000" { "<0.000001".to_owned() } else { told.to_owned() }
}
