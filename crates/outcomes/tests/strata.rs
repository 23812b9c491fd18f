//! Outcomes by site, cell source and planned infusions; and each subject's course for drawing.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at what it did not expect")]

mod support;

use outcomes::{Report, Standing};
use serde_json::{Value, json};
use support::Log;

const CUTOFF: &str = "2012-12-31";

fn cells(source: &str) -> Value {
    json!({"cells": {"given_per_kg": 1_000_000, "lot": "L1", "planned_per_kg": 1_000_000, "source": source}})
}

/// Enrolled for so many infusions, and infused from these sources, a month apart.
fn treat(log: &mut Log, site: &str, subject: &str, planned: Option<u16>, sources: &[&str]) {
    let enrollment = planned.map_or_else(|| json!({}), |planned| json!({"planned_infusions": planned}));
    log.fact_at(site, subject, "enrollment", "2009-03-01", enrollment);
    for (month, source) in (3..).zip(sources) {
        log.fact_at(site, subject, "infusion", &format!("2009-{month:02}-01"), cells(source));
    }
    log.alive(subject, "2010-06-01");
}

/// The levels with how many subjects, and how many of them survived.
fn levels<'a>(report: &'a Report, by: &str) -> Vec<(&'a str, u64, u64)> {
    let strata = report.strata.iter().find(|strata| strata.by == by).unwrap();
    strata.levels.iter().map(|one| (one.level.as_str(), one.subjects, one.survival.numerator)).collect()
}

fn cohort() -> Log {
    let mut log = Log::open();
    treat(&mut log, "S01", "A", Some(1), &["bone_marrow"]);
    treat(&mut log, "S01", "B", Some(2), &["bone_marrow", "umbilical_cord"]);
    // Planned twice, given once, for it died before.
    treat(&mut log, "S02", "C", Some(2), &["umbilical_cord"]);
    log.fact_at("S02", "C", "disposition", "2010-08-01", json!({"reason": "death", "scope": "study"}));
    treat(&mut log, "S02", "D", None, &["umbilical_cord", "umbilical_cord"]);
    // Never infused.
    treat(&mut log, "S02", "E", Some(2), &[]);
    log
}

#[test]
fn subjects_stand_where_they_enrolled_what_they_were_given_and_what_was_planned() {
    let mut log = cohort();
    log.respond("A", "2010-03-01", "complete");
    log.relapse("B", "2009-09-01");
    let report = log.report(CUTOFF);
    assert_eq!(levels(&report, "site"), [("S01", 2, 2), ("S02", 2, 1)]);
    assert_eq!(levels(&report, "source"), [("bone_marrow", 1, 1), ("mixed", 1, 1), ("umbilical_cord", 2, 1)]);
    assert_eq!(levels(&report, "planned_infusions"), [("1", 1, 1), ("2", 2, 1), ("not_stated", 1, 1)]);
    for strata in &report.strata {
        let sum =
            |numerator: &dyn Fn(&outcomes::Level) -> u64| strata.levels.iter().map(numerator).sum::<u64>();
        assert_eq!(sum(&|level| level.subjects), report.flow.infused);
        assert_eq!(sum(&|level| level.survival.numerator), report.survival.crude.numerator);
        for year in 0..4 {
            let remission = &report.remission.figures[year].figure;
            assert_eq!(sum(&|level| level.remission[year].numerator), remission.numerator);
            assert_eq!(sum(&|level| level.remission[year].denominator), remission.denominator);
            let relapse = &report.relapse.in_year[year];
            assert_eq!(sum(&|level| level.relapse[year].numerator), relapse.numerator);
            assert_eq!(sum(&|level| level.relapse[year].denominator), relapse.denominator);
        }
    }
    assert_eq!((report.remission.figures[0].figure.numerator, report.relapse.in_year[0].numerator), (1, 1));
}

#[test]
fn levels_that_are_numbers_stand_by_their_value() {
    let mut log = Log::open();
    for planned in [10, 2, 1] {
        treat(&mut log, "S01", &format!("P{planned}"), Some(planned), &["bone_marrow"]);
    }
    treat(&mut log, "710", "N1", None, &["bone_marrow"]);
    treat(&mut log, "90", "N2", None, &["bone_marrow"]);
    let report = log.report(CUTOFF);
    let names =
        |by: &str| levels(&report, by).iter().map(|(level, ..)| (*level).to_owned()).collect::<Vec<_>>();
    assert_eq!(names("planned_infusions"), ["1", "2", "10", "not_stated"]);
    assert_eq!(names("site"), ["90", "710", "S01"]);
}

#[test]
fn where_there_are_arms_neither_source_nor_planned_dose_is_told() {
    let mut log = cohort();
    assert!(String::from_utf8(log.report(CUTOFF).to_canonical_json()).unwrap().contains("umbilical_cord"));
    let allocation = json!({"commitment": "44".repeat(32)});
    log.fact("A", "allocation", "2009-03-01", allocation);
    let report = log.report(CUTOFF);
    for strata in &report.strata {
        assert_eq!(strata.withheld.is_some(), strata.by != "site");
        assert_eq!(strata.levels.is_empty(), strata.by != "site");
    }
    let text = String::from_utf8(report.to_canonical_json()).unwrap();
    for betrays in ["umbilical_cord", "bone_marrow", "mixed\"", "L1"] {
        assert!(!text.contains(betrays), "{betrays}");
    }
}

#[test]
fn a_lane_holds_what_happened_in_days_from_the_first_infusion() {
    let mut log = cohort();
    log.respond("B", "2010-03-01", "partial");
    log.respond("B", "2009-06-01", "complete");
    log.relapse("B", "2009-09-01");
    let lanes = log.report(CUTOFF).swimmer.lanes;
    let ends: Vec<_> = lanes.iter().map(|lane| (lane.subject.as_str(), lane.end, lane.ended)).collect();
    assert_eq!(
        ends,
        [
            ("C", 518, Standing::Died),
            ("A", 457, Standing::Followed),
            ("B", 457, Standing::Followed),
            ("D", 457, Standing::Followed),
        ]
    );
    let lane = serde_json::to_value(&lanes[2]).unwrap();
    assert_eq!(
        (&lane["day_0"], &lane["infusions"], &lane["relapses"]),
        (&json!("2009-03-01"), &json!([0, 31]), &json!([184]))
    );
    assert_eq!(
        lane["responses"],
        json!([
            {"adjudicated": false, "day": 92, "status": "complete"},
            {"adjudicated": false, "day": 365, "status": "partial"}
        ])
    );
    assert_eq!(lane["ended"], "in_follow_up");
}
