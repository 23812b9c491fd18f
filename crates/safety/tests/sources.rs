//! The records behind the cells of the report.

#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod support;

use report_kit::{behind, every_count_adds_up};
use serde_json::{Value, json};
use support::Log;

const CUTOFF: &str = "2012-12-31";

/// What is no sum: a worst grade, and time that is told only where somebody has an event without a code.
const NO_SUMS: &[&str] = &["/worst_grade", "/not_coded/all/days", "/not_coded/first/days"];

fn coded(pt: &str, grade: u8) -> Value {
    json!({
        "coding": {"dictionary": "MedDRA", "pt": pt, "soc": "Infections and infestations", "version": "15.0"},
        "ctcae": {"grade": grade, "version": "5.0"}, "seriousness": [],
        "causality": {"product": if grade > 2 { "possible" } else { "none" }}
    })
}

fn log() -> (Log, u64) {
    let mut log = Log::open();
    for number in 0..8 {
        let subject = format!("P{number}");
        log.treat(&subject, "2010-01-05");
        if number < 5 {
            log.adverse(&subject, "2010-03-01", coded("Herpes zoster", 1 + number % 4));
        }
        if number % 2 == 0 {
            log.adverse(&subject, "2010-05-01", coded("Pneumonia", 2));
        }
        log.alive(&subject, "2011-01-05");
    }
    let serious = log.adverse("P1", "2010-06-01", json!({"seriousness": ["hospitalisation"]}));
    log.die("P2", "2010-12-01");
    (log, serious)
}

#[test]
fn every_count_is_the_sum_of_its_subjects() {
    let [counts, others, whole] = every_count_adds_up(&log().0, CUTOFF, NO_SUMS);
    assert!(counts > 200 && others > 20 && whole > 2, "{counts} {others} {whole}");
}

#[test]
fn a_term_has_its_events_and_none_of_the_subjects_other_ones() {
    let (log, _) = log();
    let cell = "/tables/treatment_emergent/classes/Infections and infestations/terms/Pneumonia/events";
    let sources = behind(&log, CUTOFF, (cell, None, 50)).unwrap();
    let whose: Vec<_> = sources.subjects.iter().map(|one| &*one.subject).collect();
    assert_eq!((whose, sources.value), (vec!["P0", "P2", "P4", "P6"], json!(4)));
    // The infusion, by which the event is treatment-emergent, and the event; not the herpes before it.
    let of_first: Vec<_> = sources.subjects[0].records.iter().map(|one| one.first).collect();
    assert_eq!(of_first, [2, 4]);
}

#[test]
fn a_listed_event_leads_to_its_record() {
    let (log, serious) = log();
    let cell = format!("/serious_events/P1 {serious}/onset");
    let sources = behind(&log, CUTOFF, (&cell, None, 50)).unwrap();
    assert_eq!(sources.subjects.len(), 1);
    assert!(sources.subjects[0].records.iter().any(|one| one.first == serious));
}
