//! The synthetic cohort of 87, held against its golden values line by line.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at what it did not expect")]

mod support;

use clinical::date::anniversary;
use clinical::{Date, PartialDate};
use outcomes::{Figure, Interval, Rate, Report};
use serde_json::json;
use support::Log;

#[derive(Debug)]
struct Row {
    id: String,
    site: String,
    infused: Date,
    end: Date,
    dead: bool,
    relapse_day: Option<i32>,
    remission: [Option<bool>; 4],
}

fn cohort() -> Vec<Row> {
    let text = include_str!("lupus_msct_87.csv");
    assert!(text.starts_with("# SYNTHETIC"));
    let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).from_reader(text.as_bytes());
    reader
        .records()
        .map(|record| {
            let record = record.unwrap();
            let remission = [8, 9, 10, 11].map(|column| match &record[column] {
                "" => None,
                flag => Some(flag == "1"),
            });
            Row {
                id: record[0].to_owned(),
                site: record[1].to_owned(),
                infused: record[3].parse().unwrap(),
                end: record[4].parse().unwrap(),
                dead: &record[6] == "DEAD",
                relapse_day: record[7].parse().ok(),
                remission,
            }
        })
        .collect()
}

fn log() -> Log {
    let mut log = Log::open();
    for row in cohort() {
        let text = |date: Date| PartialDate::Day(date).to_string();
        let mut fact = |kind: &str, on: Date, data| log.fact_at(&row.site, &row.id, kind, &text(on), data);
        fact("enrollment", row.infused, json!({}));
        fact("infusion", row.infused, json!({}));
        for (years, remission) in (1..).zip(row.remission) {
            let Some(remission) = remission else { continue };
            let status = if remission { "complete" } else { "none" };
            let response = json!({"definition": "ccr-registry-1", "status": status});
            let on = anniversary(row.infused, years).unwrap();
            fact("visit", on, json!({"response": response, "status": "done"}));
        }
        if let Some(day) = row.relapse_day {
            let on = row.infused.checked_add(jiff::Span::new().days(day)).unwrap();
            let relapse = json!({"definition": "relapse-1", "relapsed": true});
            fact("visit", on, json!({"relapse": relapse, "status": "done"}));
        }
        if row.dead {
            fact("disposition", row.end, json!({"reason": "death", "scope": "study"}));
        } else {
            fact("contact", row.end, json!({"means": "phone", "vital_status": "alive"}));
        }
    }
    log
}

fn interval<'a>(intervals: &'a [Interval], method: &str) -> &'a Interval {
    intervals.iter().find(|interval| interval.method == method).unwrap()
}

fn table_row(name: &str, figure: &Figure) -> String {
    let range = |method| {
        let interval = interval(&figure.intervals, method);
        format!("{}-{}", interval.lower, interval.upper)
    };
    format!(
        "| {name} | {}/{} | {} | {} | {} |",
        figure.numerator,
        figure.denominator,
        figure.percent.as_deref().unwrap(),
        range("clopper-pearson"),
        range("wilson"),
    )
}

fn rate<'a>(report: &'a Report, id: &str) -> (&'a Rate, String) {
    let rate = report.rates.iter().find(|rate| rate.id == id).unwrap();
    let exact = interval(&rate.intervals, "exact-poisson");
    let text =
        format!("{} exact {}-{}", rate.per_100_patient_years.as_deref().unwrap(), exact.lower, exact.upper);
    (rate, text)
}

/// A decimal text with fewer digits.
fn shorter(text: &str, digits: usize) -> String {
    format!("{:.digits$}", text.parse::<f64>().unwrap())
}

/// The lines of the golden file that are about outcomes, made of the report.
fn lines(report: &Report) -> Vec<String> {
    let mut lines =
        vec![table_row("survival", &report.survival.crude), table_row("death", &report.survival.deaths)];
    for (years, remission) in (1..).zip(&report.remission.figures) {
        lines.push(table_row(&format!("CR {years}y"), &remission.figure));
    }
    for (year, figure) in (1..).zip(&report.relapse.in_year) {
        lines.push(table_row(&format!("relapse y{year}"), figure));
    }
    lines.push(table_row("relapse overall", &report.relapse.ever));
    let followed = &report.follow_up;
    lines.push(format!(
        "patient-years {}  days {} mean {} median {}",
        followed.patient_years,
        followed.days,
        followed.mean_days.as_deref().unwrap(),
        followed.median_days.as_deref().unwrap(),
    ));
    lines.push(format!("deaths rate/100PY {}", rate(report, "rate.death").1));
    let (relapse, text) = rate(report, "rate.first_relapse");
    lines.push(format!("first relapse: at-risk PY {} rate/100PY {text}", relapse.patient_years));
    for (years, landmark) in (1..).zip(&report.survival.from_infusion.landmarks) {
        let range = |method| {
            let interval = interval(&landmark.intervals, method);
            format!("{}-{}", interval.lower, interval.upper)
        };
        lines.push(format!(
            "{years} at risk {} S={} SE(Greenwood)={} plain {} loglog {}",
            landmark.at_risk,
            landmark.survival,
            landmark.standard_error.as_deref().unwrap(),
            range("plain"),
            range("log-log"),
        ));
    }
    lines.push(format!(
        "reverse-KM median follow-up days {}.0 months {}",
        followed.reverse_kaplan_meier_median_days.unwrap(),
        followed.reverse_kaplan_meier_median_months.as_deref().unwrap(),
    ));
    for (years, landmark) in (1..).zip(&report.relapse.cumulative_incidence.landmarks) {
        let interval = interval(&landmark.intervals, "log-log");
        let parts = [&landmark.relapse, &landmark.death_first, &landmark.event_free];
        let sum: f64 = parts.iter().map(|text| text.parse::<f64>().unwrap()).sum();
        lines.push(format!(
            "{years} at risk {} CIF={} SE={} loglog {}-{}  CIF(death first)={}  check sum {sum:.5}",
            landmark.at_risk,
            landmark.relapse,
            landmark.standard_error,
            shorter(&interval.lower, 4),
            shorter(&interval.upper, 4),
            landmark.death_first,
        ));
    }
    lines.iter().map(|line| single_spaced(line)).collect()
}

fn single_spaced(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The golden lines, without those that are about safety, the headings, another program's output, and what the
/// report does not show (the naive estimate).
fn golden() -> Vec<String> {
    let elsewhere = [
        "| transplant-related AE",
        "transplant-related",
        "zero events",
        "lifelines",
        "KM overall",
        "Aalen-Johansen",
        "| figure",
        "|---",
    ];
    include_str!("golden.txt")
        .lines()
        .filter(|line| !elsewhere.iter().any(|start| line.starts_with(start)))
        // Three figures of six digits each add up to five certain ones.
        .map(|line| line.split("  naive").next().unwrap().replace("check sum 1.000000", "check sum 1.00000"))
        .map(|line| single_spaced(&line))
        .collect()
}

#[test]
fn every_golden_value_of_the_cohort_is_in_the_report() {
    let report = log().report("2011-06-30");
    assert_eq!(lines(&report), golden());
    assert!(report.synthetic);
    assert_eq!(report.follow_up.mean_months.as_deref(), Some("27.00"));
}

#[test]
fn the_way_from_87_to_6_sums_and_says_why() {
    let report = log().report("2011-06-30");
    let stages: Vec<u64> = report.waterfall.stages.iter().map(|stage| stage.subjects).collect();
    assert_eq!(stages, [87, 87, 87, 83, 39, 12, 6]);
    for pair in report.waterfall.stages.windows(2) {
        let lost: u64 = pair[1].losses.iter().map(|loss| loss.subjects).sum();
        assert_eq!(pair[0].subjects - pair[1].subjects, lost);
    }
    let second = serde_json::to_value(&report.waterfall.stages[4].losses).unwrap();
    let expected = json!([{"reason": "died", "subjects": 1}, {"reason": "not_yet_due", "subjects": 43}]);
    assert_eq!(second, expected);
    let at_risk: Vec<_> = report.relapse.at_risk.iter().map(|one| (one.numerator, one.denominator)).collect();
    assert_eq!(at_risk, [(10, 83), (7, 37), (2, 10), (1, 5)]);
}

#[test]
fn the_sites_sum_to_the_whole() {
    let report = log().report("2011-06-30");
    let sites: Vec<_> = report
        .sites
        .iter()
        .map(|site| (site.id.as_str(), site.infused, site.deaths, site.relapses))
        .collect();
    assert_eq!(sites, [("S01", 22, 1, 6), ("S02", 22, 2, 4), ("S03", 22, 2, 6), ("S04", 21, 0, 4)]);
}

#[test]
fn a_report_reads_back_from_its_canonical_bytes() {
    let report = log().report("2011-06-30");
    let bytes = report.to_canonical_json();
    assert_eq!(chain::canonical::check(&bytes), Ok(()));
    assert_eq!(serde_json::from_slice::<Report>(&bytes).unwrap(), report);
}

#[test]
fn one_subject_more_changes_the_figures() {
    let mut log = log();
    log.treat("P999", "2010-01-01");
    log.die("P999", "2010-01-05");
    let report = log.report("2011-06-30");
    assert_ne!(lines(&report), golden());
    assert_eq!((report.survival.crude.numerator, report.survival.crude.denominator), (82, 88));
}
