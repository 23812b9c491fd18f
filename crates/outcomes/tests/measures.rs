//! Measurements by visit: which value counts, who is missing, what changed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at what it did not expect")]

mod support;

use outcomes::{MeasureTable, Report};
use serde_json::{Value, json};
use support::Log;

const CUTOFF: &str = "2012-12-31";

fn value(loinc: &str, unit: &str, value: &str) -> Value {
    json!({"loinc": loinc, "reported": {"unit": unit, "value": value}, "ucum": {"unit": unit, "value": value}})
}

fn measure(log: &mut Log, subject: &str, on: &str, observations: &Value) -> u64 {
    log.fact(subject, "visit", on, json!({"observations": observations, "status": "done"}))
}

fn albumin(log: &mut Log, subject: &str, on: &str, grams: &str) -> u64 {
    measure(log, subject, on, &json!([value("1751-7", "g/L", grams)]))
}

fn table<'a>(report: &'a Report, measure: &str) -> &'a MeasureTable {
    report.measures.tables.iter().find(|table| table.measure == measure).unwrap()
}

fn median(report: &Report, row: usize) -> Option<&str> {
    table(report, "loinc:1751-7").rows[row].median.as_deref()
}

#[test]
fn the_baseline_is_the_last_value_on_or_before_the_first_infusion() {
    let mut log = Log::open();
    log.treat("S1", "2009-03-01");
    albumin(&mut log, "S1", "2009-03-02", "50");
    albumin(&mut log, "S1", "2009-03-01", "30");
    albumin(&mut log, "S1", "2009-02-01", "20");
    assert_eq!(median(&log.report(CUTOFF), 0), Some("30.0"));
    // Treated, but never measured before it.
    log.treat("S2", "2009-03-01");
    let report = log.report(CUTOFF);
    let row = &table(&report, "loinc:1751-7").rows[0];
    assert_eq!((row.n, row.missing), (1, 1));
}

#[test]
fn the_value_nearest_to_the_target_day_counts_and_of_two_as_near_the_later() {
    // Day 91 is 31 May 2009, the window 14 days either way: 17 May to 14 June.
    for (values, median_) in [
        (&[("2009-05-17", "31")][..], Some("31.0")),
        (&[("2009-05-16", "31")], None),
        (&[("2009-06-14", "31")], Some("31.0")),
        (&[("2009-06-15", "31")], None),
        (&[("2009-05-30", "31"), ("2009-06-01", "32")], Some("32.0")),
        (&[("2009-05-29", "31"), ("2009-06-01", "32"), ("2009-06-10", "33")], Some("32.0")),
        // Twice on one day: their mean.
        (&[("2009-05-31", "31"), ("2009-05-31", "32")], Some("31.5")),
    ] {
        let mut log = Log::open();
        log.treat("S1", "2009-03-01");
        log.alive("S1", "2010-03-01");
        for (on, grams) in values {
            albumin(&mut log, "S1", on, grams);
        }
        let report = log.report(CUTOFF);
        let row = &table(&report, "loinc:1751-7").rows[1];
        assert_eq!((row.visit.as_str(), row.day), ("month 3", Some(91)));
        assert_eq!(
            (row.median.as_deref(), row.missing),
            (median_, u64::from(median_.is_none())),
            "{values:?}"
        );
    }
}

#[test]
fn who_was_not_followed_to_the_target_day_is_not_missing_there() {
    let mut log = Log::open();
    for (subject, last) in [("S1", "2009-05-30"), ("S2", "2009-05-31"), ("S3", "2009-05-20")] {
        log.treat(subject, "2009-03-01");
        albumin(&mut log, subject, "2009-03-01", "30");
        log.alive(subject, last);
    }
    albumin(&mut log, "S3", "2009-05-20", "33");
    let report = log.report(CUTOFF);
    let row = &table(&report, "loinc:1751-7").rows[1];
    assert_eq!((row.n, row.missing), (1, 1));
}

#[test]
fn change_is_tested_on_exact_differences() {
    let mut log = Log::open();
    // As doubles these differences are not equal: a tie that only decimals see.
    let pairs =
        [("0.1", "0.3"), ("0.2", "0.4"), ("0.3", "0.6"), ("0.4", "0.9"), ("0.5", "1.2"), ("0.5", "0.5")];
    for (index, (before, after)) in pairs.iter().enumerate() {
        let subject = format!("S{index}");
        log.treat(&subject, "2009-03-01");
        measure(&mut log, &subject, "2009-02-27", &json!([value("2889-4", "g/(24.h)", before)]));
        measure(&mut log, &subject, "2009-06-01", &json!([value("2889-4", "g/(24.h)", after)]));
    }
    let report = log.report(CUTOFF);
    let change = table(&report, "loinc:2889-4").rows[1].change.clone().unwrap();
    // By hand: differences 0, .2, .2, .3, .5, .7; of the 21 Walsh averages the eleventh is .3; the mean 1.9 / 6.
    assert_eq!((change.n, change.zeros, &*change.hodges_lehmann, &*change.mean), (6, 1, "0.30", "0.32"));
    // Five of one sign with a tie: W = 0, mean 7.5, variance 13.75 - 6/48 = 13.625, z = 7 / 3.691206.
    assert_eq!((change.p_method.as_deref(), change.p.as_deref()), (Some("normal"), Some("0.057907")));
    assert_eq!(change.p_holm, change.p);
}

#[test]
fn units_are_not_mixed_and_methods_stand_apart() {
    let mut log = Log::open();
    log.treat("S1", "2009-03-01");
    log.treat("S2", "2009-03-01");
    albumin(&mut log, "S1", "2009-02-27", "30");
    albumin(&mut log, "S2", "2009-02-27", "40");
    measure(&mut log, "S2", "2009-02-28", &json!([value("1751-7", "g/dL", "3.1")]));
    let dna = |method: &str, number: &str| {
        let mut dna = value("47299-3", "%", number);
        dna["method"] = json!(method);
        dna
    };
    measure(&mut log, "S1", "2009-02-27", &json!([dna("Farr", "40"), dna("ELISA", "200")]));
    let local = json!({
        "local": {"code": "ACTOT", "system": "sdtm.qstestcd"},
        "reported": {"value": "17"}, "ucum": {"unit": "1", "value": "17"}
    });
    let word = json!({"loinc": "42254-3", "reported": {"value": "NEGATIVE"}});
    let missing = json!({"loinc": "42254-3", "reported": {"missing": "not_done"}});
    measure(&mut log, "S1", "2009-02-27", &json!([local, word, missing]));
    let report = log.report(CUTOFF);
    let names: Vec<_> = report
        .measures
        .tables
        .iter()
        .map(|table| (table.measure.as_str(), table.method.as_deref(), table.unit.as_str()))
        .collect();
    assert_eq!(
        names,
        [
            ("loinc:1751-7", None, "g/L"),
            ("loinc:47299-3", Some("ELISA"), "%"),
            ("loinc:47299-3", Some("Farr"), "%"),
            ("sdtm.qstestcd:ACTOT", None, "1"),
        ]
    );
    let albumin = table(&report, "loinc:1751-7");
    assert_eq!((median(&report, 0), albumin.values), (Some("35.0"), 2));
    let other: Vec<_> = albumin.other_units.iter().map(|other| (other.unit.as_str(), other.values)).collect();
    assert_eq!(other, [("g/dL", 1)]);
    assert_eq!(report.excluded.measurements_without_number, 1);
}

#[test]
fn scores_count_when_all_that_they_sum_was_examined() {
    let mut log = Log::open();
    log.treat("S1", "2009-03-01");
    let mut items: serde_json::Map<String, Value> = clinical::sledai::Descriptor::ALL
        .iter()
        .map(|item| (serde_json::to_value(item).unwrap().as_str().unwrap().to_owned(), json!("absent")))
        .collect();
    items["rash"] = json!("present");
    items["low_complement"] = json!("not_done");
    let data = json!({"pga": "1.5", "prednisone_mg_per_day": "7.5", "sledai": items, "status": "done"});
    log.fact("S1", "visit", "2009-02-27", data.clone());
    let report = log.report(CUTOFF);
    let names: Vec<_> = report
        .measures
        .tables
        .iter()
        .map(|table| (table.measure.as_str(), table.unit.as_str(), table.rows[0].mean.as_deref()))
        .collect();
    assert_eq!(
        names,
        [
            ("pga", "1", Some("1.50")),
            ("prednisone_mg_per_day", "mg/d", Some("7.50")),
            ("sledai_clinical", "1", Some("2.0")),
            ("sledai_total", "1", None)
        ]
    );
    let baseline = |measure: &str| table(&report, measure).rows[0].clone();
    assert_eq!(
        (baseline("sledai_clinical").incomplete, baseline("sledai_total").incomplete),
        (Some(0), Some(1))
    );
    assert_eq!((baseline("sledai_total").missing, baseline("pga").incomplete), (1, None));
    // Missed, it was not measured.
    let mut missed = Log::open();
    missed.treat("S1", "2009-03-01");
    let mut data = data;
    data["status"] = json!("missed");
    missed.fact("S1", "visit", "2009-02-27", data);
    let report = missed.report(CUTOFF);
    assert_eq!((report.measures.tables.len(), report.excluded.judgements_of_missed_visits), (0, 1));
}

#[test]
fn what_was_measured_on_another_day_than_the_visits_counts_on_that_day() {
    let mut log = Log::open();
    log.treat("S1", "2009-03-01");
    let mut early = value("1751-7", "g/L", "30.5");
    early["on"] = json!("2009-03-01");
    let mut vague = value("1751-7", "g/L", "31");
    vague["on"] = json!("2009-02");
    let mut late = value("1751-7", "g/L", "32");
    late["on"] = json!("2013-02-01");
    measure(&mut log, "S1", "2009-03-05", &json!([early, vague, late]));
    let report = log.report(CUTOFF);
    assert_eq!((median(&report, 0), table(&report, "loinc:1751-7").digits), (Some("30.50"), 1));
    assert_eq!((report.excluded.measurements_without_day, report.excluded.after_cutoff), (1, 1));
}

#[test]
fn each_subjects_own_values_are_listed_by_row_of_a_population_that_is_not_too_large() {
    let mut log = Log::open();
    for subject in ["S1", "S2", "S3"] {
        log.treat(subject, "2009-03-01");
        log.alive(subject, "2010-03-01");
    }
    albumin(&mut log, "S2", "2009-02-01", "20.5");
    albumin(&mut log, "S2", "2009-05-31", "31");
    albumin(&mut log, "S1", "2009-05-31", "32");
    // In no window, so in no row.
    albumin(&mut log, "S3", "2009-03-20", "33");
    let lines = |log: &Log| -> Vec<(String, Vec<(String, String)>)> {
        let report = log.report(CUTOFF);
        let lines = table(&report, "loinc:1751-7").lines.iter();
        let values = |values: &[outcomes::LineValue]| {
            values.iter().map(|one| (one.visit.clone(), one.value.clone())).collect()
        };
        lines.map(|line| (line.subject.clone(), values(&line.values))).collect()
    };
    let text = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(visit, value)| ((*visit).to_owned(), (*value).to_owned())).collect()
    };
    let due = [
        ("S1".to_owned(), text(&[("month 3", "32.0")])),
        ("S2".to_owned(), text(&[("baseline", "20.5"), ("month 3", "31.0")])),
    ];
    assert_eq!(lines(&log), due);
    for number in 3..200 {
        log.treat(&format!("T{number:03}"), "2009-03-01");
    }
    assert_eq!(lines(&log), due);
    log.treat("T200", "2009-03-01");
    assert!(lines(&log).is_empty());
}
