//! What a report counts that an earlier one did not.

#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod support;

use safety::Report;
use serde_json::{Value, json};
use support::{Log, report_since, report_since_of};

const CUTOFF: &str = "2012-12-31";

fn coded(soc: &str, pt: &str) -> Value {
    json!({
        "causality": {"product": "none"},
        "coding": {"dictionary": "MedDRA", "pt": pt, "soc": soc, "version": "26.0"}
    })
}

/// Of the treatment-emergent overview: events and subjects now, and new ones.
fn category(report: &Report, id: &str) -> (u64, u64, Option<u64>, Option<u64>) {
    let one = report.overviews[1].categories.iter().find(|one| one.id == id).unwrap();
    (one.events, one.subjects.numerator, one.events_since, one.subjects_since)
}

#[test]
fn what_is_new_is_counted_beside_what_is_cumulative() {
    let mut log = Log::open();
    for subject in ["S1", "S2", "S3"] {
        log.treat(subject, "2009-03-01");
    }
    log.adverse("S1", "2009-03-05", coded("Skin", "Rash"));
    let mild = log.adverse("S2", "2009-03-06", coded("Skin", "Rash"));
    // Recorded by then, and later than the earlier report's day.
    log.adverse("S1", "2010-06-01", coded("Skin", "Rash"));
    let then = log.records.len() as u64;
    log.adverse("S3", "2009-03-07", coded("Skin", "Pruritus"));
    log.adverse("S2", "2010-03-07", coded("Skin", "Pruritus"));
    // What was known then turns out to be serious; it carries on, and stays the same event.
    let more = json!({"causality": {"product": "none"}, "seriousness": ["hospitalisation"]});
    log.carry_on(mild, "2009-04-01", more);
    let report = report_since(&log, CUTOFF, then, "2009-12-31");
    assert_eq!(category(&report, "any"), (5, 3, Some(3), Some(1)));
    assert_eq!(category(&report, "serious"), (1, 1, Some(1), Some(1)));
    assert_eq!(category(&report, "fatal"), (0, 0, Some(0), Some(0)));
    let table = &report.tables[1];
    assert_eq!((table.events_since, table.subjects_since), (Some(3), Some(1)));
    let rows: Vec<_> = std::iter::once(&table.classes[0].class)
        .chain(&table.classes[0].terms)
        .map(|row| (row.name.as_str(), row.events, row.events_since, row.subjects_since))
        .collect();
    let expect =
        [("Skin", 5, Some(3), Some(1)), ("Rash", 3, Some(1), Some(0)), ("Pruritus", 2, Some(2), Some(2))];
    assert_eq!(rows, expect);
    let since = report.since.unwrap();
    assert_eq!((since.records, since.cutoff.as_str(), since.cut), (then, "2009-12-31", None));
}

#[test]
fn the_earlier_report_is_named_by_the_cut_that_a_record_states() {
    let mut log = Log::open();
    log.treat("S1", "2009-03-01");
    let then = log.records.len() as u64;
    let cut = json!({
        "cutoff_date": "2009-12-31", "head": "22".repeat(32), "name": "board-1", "records": then, "root": "22".repeat(32)
    });
    log.push(json!({"kind": "data_cut", "data": cut}));
    let named = |records, day| report_since(&log, CUTOFF, records, day).since.unwrap().cut;
    assert_eq!(named(then, "2009-12-31").as_deref(), Some("board-1"));
    assert_eq!(named(then, "2009-12-30"), None);
    assert_eq!(named(then + 1, "2009-12-31"), None);
}

#[test]
fn against_nothing_there_are_no_columns_and_against_itself_nothing_is_new() {
    let mut log = Log::open();
    log.treat("S1", "2009-03-01");
    log.adverse("S1", "2009-03-05", json!({}));
    let whole = log.report(CUTOFF);
    assert_eq!((category(&whole, "any"), whole.since), ((1, 1, None, None), None));
    let same = report_since(&log, CUTOFF, log.records.len() as u64, CUTOFF);
    assert_eq!(category(&same, "any"), (1, 1, Some(0), Some(0)));
    // What covers more is not earlier.
    let later = report_since_of(&log, log.records.len() as u64 + 1);
    assert_eq!((category(&later, "any"), later.since), ((1, 1, None, None), None));
}

#[test]
fn a_person_counted_under_another_pseudonym_is_not_new() {
    let mut log = Log::open();
    log.treat("S1", "2009-03-01");
    log.treat("S2", "2009-03-01");
    log.adverse("S2", "2009-03-05", json!({}));
    let then = log.records.len() as u64;
    log.push(json!({"kind": "subjects_linked", "data": {"duplicate": "S2", "kept": "S1"}}));
    let report = report_since(&log, CUTOFF, then, CUTOFF);
    assert_eq!(category(&report, "any"), (1, 1, Some(0), Some(0)));
}
