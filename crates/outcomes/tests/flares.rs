//! Flares by the definition that a trial states: each assessment against the one before.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at what it did not expect")]

mod support;

use clinical::sledai::Descriptor;
use outcomes::FlareSection;
use report_kit::{behind, every_count_adds_up, without_positions};
use serde_json::{Map, Value, json};
use support::Log;

const CUTOFF: &str = "2012-12-31";

fn opened() -> Log {
    let mut log = Log::open();
    log.records[0].0["data"]["definitions"]["flare"] = json!("selena-flare-1");
    log
}

/// A visit that states every item, the global assessment and the dose.
fn visit(present: &[&str], pga: &str, dose: &str) -> Value {
    let state = |name: &str| if present.contains(&name) { "present" } else { "absent" };
    let items: Map<String, Value> =
        Descriptor::ALL.iter().map(|item| (item.as_str().to_owned(), json!(state(item.as_str())))).collect();
    json!({"pga": pga, "prednisone_mg_per_day": dose, "sledai": items, "status": "done"})
}

fn with(mut visit: Value, member: &str, value: Value) -> Value {
    visit[member] = value;
    visit
}

fn flares(log: &Log) -> FlareSection {
    log.report(CUTOFF).flares.unwrap()
}

#[test]
fn flares_are_told_by_what_set_them_off_clinical_triggers_apart_from_those_of_medication() {
    let mut log = opened();
    for subject in ["A", "B", "C", "D"] {
        log.treat(subject, "2009-03-01");
        log.alive(subject, "2011-06-01");
    }
    log.fact("A", "visit", "2009-02-20", visit(&[], "0.5", "10"));
    // Rash is two points, which is no rise of the score, and new; the global assessment rises by 1.1.
    log.fact("A", "visit", "2009-06-01", visit(&["rash"], "1.6", "10"));
    // Nothing new but the dose. How heavy the subject is nobody says.
    log.fact("A", "visit", "2009-09-01", visit(&["rash"], "1.6", "20"));
    let given = json!([{"name": "Cyclophosphamide"}]);
    log.fact("A", "visit", "2009-12-01", with(visit(&["rash"], "1.6", "20"), "medications", given));
    // The global assessment might have risen.
    let mut silent = visit(&["rash"], "1.6", "20");
    silent.as_object_mut().unwrap().remove("pga");
    log.fact("A", "visit", "2010-03-01", silent);
    // Without an assessment before nothing is compared.
    log.fact("B", "visit", "2009-06-01", visit(&["rash"], "3", "60"));
    log.fact("C", "visit", "2009-02-20", visit(&[], "0", "0"));
    log.fact("C", "visit", "2009-06-01", visit(&[], "0", "0"));
    let kilograms = json!({"unit": "kg", "value": "60"});
    let weight = json!([{"loinc": "29463-7", "reported": kilograms, "ucum": kilograms}]);
    let before = log.fact("D", "visit", "2009-02-20", with(visit(&[], "1", "10"), "observations", weight));
    // Eight points, not above 12; above 2.5; above 0.5 mg/kg/day, so that the seizure counts as severe.
    let relapse = json!({"definition": "relapse-1", "relapsed": true});
    let now =
        log.fact("D", "visit", "2009-06-01", with(visit(&["seizure"], "2.6", "40"), "relapse", relapse));

    let found = flares(&log);
    assert_eq!(
        (found.definition.as_str(), found.title.as_str()),
        ("selena-flare-1", "SELENA-SLEDAI flare index")
    );
    assert_eq!((found.subjects, found.comparisons, found.not_determinable), (3, 6, 1));
    let figures: Vec<_> = found
        .figures
        .iter()
        .map(|one| (one.figure.id.as_str(), one.flares, one.figure.numerator, one.figure.denominator))
        .collect();
    assert_eq!(
        figures,
        [
            ("flare.any", 4, 2, 3),
            ("flare.severe", 2, 2, 3),
            ("flare.clinical", 2, 2, 3),
            ("flare.clinical_severe", 1, 1, 3),
            ("flare.medication", 3, 2, 3),
            ("flare.medication_severe", 2, 2, 3),
        ]
    );
    let triggers: Vec<_> = found
        .triggers
        .iter()
        .map(|row| (row.of.as_str(), row.cause.as_str(), row.grade.as_str(), row.flares, row.subjects))
        .collect();
    assert_eq!(
        triggers,
        [
            ("clinical", "item rash", "mild_moderate", 1, 1),
            ("clinical", "item seizure", "severe", 1, 1),
            ("clinical", "pga", "mild_moderate", 1, 1),
            ("clinical", "pga", "severe", 1, 1),
            ("clinical", "sledai", "mild_moderate", 1, 1),
            ("medication", "drug cyclophosphamide", "severe", 1, 1),
            ("medication", "prednisone", "mild_moderate", 1, 1),
            ("medication", "prednisone", "severe", 1, 1),
        ]
    );
    let listed: Vec<_> = found
        .listing
        .iter()
        .map(|one| {
            let (clinical, medication) = (one.clinical.as_deref(), one.medication.as_deref());
            (one.subject.as_str(), one.on.as_str(), one.day, clinical, medication, one.relapse)
        })
        .collect();
    assert_eq!(
        listed,
        [
            ("A", "2009-06-01", 92, Some("mild_moderate"), None, false),
            ("A", "2009-09-01", 184, None, Some("mild_moderate"), false),
            ("A", "2009-12-01", 275, None, Some("severe"), false),
            ("D", "2009-06-01", 92, Some("severe"), Some("severe"), true),
        ]
    );
    let last = found.listing.last().unwrap();
    assert_eq!(last.causes, ["sledai", "pga", "item seizure", "prednisone"]);
    assert_eq!((last.visit.first_seq, last.before.first_seq), (now, before));
}

#[test]
fn of_two_visits_of_a_day_it_does_not_matter_which_was_recorded_first() {
    let in_order = |first: &str, second: &str| {
        let mut log = opened();
        log.treat("A", "2009-03-01");
        log.fact("A", "visit", "2009-02-20", visit(&[], "0.5", "10"));
        for pga in [first, second] {
            log.fact("A", "visit", "2009-06-01", visit(&[], pga, "10"));
        }
        log.alive("A", "2011-06-01");
        log
    };
    let (one, other) = (flares(&in_order("0.5", "1.5")), flares(&in_order("1.5", "0.5")));
    assert_eq!(one.figures[0].flares, 1, "the higher one counts");
    assert_eq!(without_positions(&one), without_positions(&other));
}

#[test]
fn a_trial_that_states_no_definition_of_flares_has_no_table_of_them() {
    let mut log = Log::open();
    log.treat("A", "2009-03-01");
    log.fact("A", "visit", "2009-02-20", visit(&[], "0", "0"));
    log.fact("A", "visit", "2009-06-01", visit(&["seizure"], "3", "60"));
    assert_eq!(log.report(CUTOFF).flares, None);
    // One that this version does not know is replaced, and that is said.
    log.records[0].0["data"]["definitions"]["flare"] = json!("other-flare-9");
    let report = log.report(CUTOFF);
    assert_eq!(report.flares.unwrap().definition, "selena-flare-1");
    assert!(report.definitions_replaced.iter().any(|one| one.stated == "other-flare-9"));
}

#[test]
fn every_count_of_flares_leads_to_its_subjects() {
    let mut log = opened();
    for subject in ["A", "B"] {
        log.treat(subject, "2009-03-01");
        log.fact(subject, "visit", "2009-02-20", visit(&[], "0.5", "10"));
        log.alive(subject, "2011-06-01");
    }
    log.fact("A", "visit", "2009-06-01", visit(&["seizure"], "2.6", "40"));
    log.fact("B", "visit", "2009-06-01", visit(&[], "0.5", "10"));
    for cell in [
        "/flares/figures/flare.severe/figure/numerator",
        "/flares/triggers/clinical item seizure severe/flares",
    ] {
        let behind = behind(&log, CUTOFF, (cell, None, 10)).unwrap();
        let subjects: Vec<_> = behind.subjects.iter().map(|one| one.subject.as_str()).collect();
        assert_eq!((subjects, behind.adds_up), (vec!["A"], Some(true)), "{cell}");
    }
    let [counts, ..] = every_count_adds_up(&log, CUTOFF, &["range_days/0", "range_days/1", "median_days"]);
    assert!(counts > 100, "{counts}");
}
