//! The synthetic cohort of 87 without a related event: the bound of what was not seen.

#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod support;

use safety::{Category, Report};
use serde_json::json;
use support::Log;

/// The cohort, each subject with one mild fever that no agent of treatment caused.
fn log() -> Log {
    let text = include_str!("lupus_msct_87.csv");
    assert!(text.starts_with("# SYNTHETIC"));
    let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).from_reader(text.as_bytes());
    let mut log = Log::open();
    for record in reader.records() {
        let record = record.unwrap();
        let (subject, site, infused, end) = (&record[0], &record[1], &record[3], &record[4]);
        log.fact_at(site, subject, "enrollment", infused, json!({}));
        log.fact_at(site, subject, "infusion", infused, json!({}));
        let unrelated = json!({"procedure": "none", "product": "unlikely"});
        if &record[6] == "DEAD" {
            let death = json!({"death": {"relatedness": unrelated}, "reason": "death", "scope": "study"});
            log.fact_at(site, subject, "disposition", end, death);
        } else {
            let contact = json!({"means": "phone", "vital_status": "alive"});
            log.fact_at(site, subject, "contact", end, contact);
        }
        let fever = json!({
            "causality": unrelated,
            "coding": {
                "dictionary": "MedDRA", "pt": "Pyrexia",
                "soc": "General disorders and administration site conditions", "version": "26.0"
            },
            "severity": "mild"
        });
        log.adverse_at(site, subject, infused, fever);
    }
    log
}

fn category<'a>(report: &'a Report, overview: &str, id: &str) -> &'a Category {
    let overview = report.overviews.iter().find(|one| one.id == overview).unwrap();
    overview.categories.iter().find(|one| one.id == id).unwrap()
}

#[test]
fn no_related_event_of_87_prints_what_is_still_possible() {
    // Golden: 0/87, Clopper-Pearson 0.00-4.15, Wilson 0.00-4.23, one-sided 3.385, rule of three 3.448; 0 in 195.7509
    // patient-years, exact 0.000-1.884 per 100.
    let report = log().report("2011-06-30");
    let related = category(&report, "treatment_emergent", "related");
    let figure = &related.subjects;
    assert_eq!((figure.numerator, figure.denominator, figure.percent.as_deref()), (0, 87, Some("0.00")));
    let limits: Vec<_> = figure
        .intervals
        .iter()
        .map(|one| (one.method.as_str(), one.lower.as_str(), one.upper.as_str()))
        .collect();
    assert_eq!(limits, [("clopper-pearson", "0.00", "4.15"), ("wilson", "0.00", "4.23")]);
    let bound = figure.no_events.as_ref().unwrap();
    assert_eq!(bound.one_sided_upper_percent, "3.385");
    assert_eq!(bound.rule_of_three_percent.as_deref(), Some("3.448"));
    let rate = related.rate.as_ref().unwrap();
    assert_eq!(
        (rate.patient_years.as_str(), rate.per_100_patient_years.as_deref()),
        ("195.7509", Some("0.000"))
    );
    assert_eq!((rate.intervals[0].lower.as_str(), rate.intervals[0].upper.as_str()), ("0.000", "1.884"));
}

#[test]
fn five_deaths_none_related() {
    let report = log().report("2011-06-30");
    let deaths = &report.deaths;
    assert_eq!((deaths.deaths.numerator, deaths.deaths.denominator), (5, 87));
    assert_eq!((deaths.related.numerator, deaths.not_judged), (0, 0));
    let days: Vec<_> = deaths.listing.iter().map(|one| one.day.unwrap()).collect();
    assert_eq!(days, [560, 203, 41, 118, 291]);
    assert!(deaths.listing.iter().all(|one| one.relation == "unrelated"));
}

#[test]
fn a_single_related_event_is_seen() {
    let mut log = log();
    log.adverse("P001", "2007-04-11", json!({"causality": {"procedure": "possible", "product": "none"}}));
    let report = log.report("2011-06-30");
    assert_eq!(category(&report, "treatment_emergent", "related").subjects.numerator, 1);
    assert_eq!(category(&report, "treatment_emergent", "related_to_procedure").events, 1);
    assert_eq!(category(&report, "treatment_emergent", "related_to_product").events, 0);
}

#[test]
fn the_report_reads_back_from_its_canonical_bytes() {
    let report = log().report("2011-06-30");
    let bytes = report.to_canonical_json();
    assert_eq!(chain::canonical::check(&bytes), Ok(()));
    assert_eq!(serde_json::from_slice::<Report>(&bytes).unwrap(), report);
    assert!(report.synthetic);
    let table = &report.tables[0];
    assert_eq!((table.subjects, table.events, table.classes.len()), (87, 87, 1));
    assert_eq!(table.classes[0].terms[0].percent.as_deref(), Some("100.00"));
}
