//! What a safety board asks of a running trial: who got what, and whether to stop. Each with what is expected, and why.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at what it did not expect")]

mod support;

use safety::{RecallLot, StoppingSection};
use serde_json::{Value, json};
use support::Log;

const CUTOFF: &str = "2012-12-31";

fn lot(log: &mut Log, lot: &str, donors: &[&str]) -> u64 {
    let data = json!({"donors": donors, "lot": lot, "release": "released", "source": "umbilical_cord"});
    log.push(json!({"kind": "product_lot", "data": data}))
}

fn cells(lot: &Value, donor: &Value) -> Value {
    json!({"cells": {
        "donor": donor, "given_per_kg": 1_000_000, "lot": lot, "planned_per_kg": 1_000_000, "source": "umbilical_cord"
    }})
}

fn infuse(log: &mut Log, subject: &str, on: &str, lot: &str, donor: &Value) -> u64 {
    log.fact(subject, "infusion", on, cells(&json!(lot), donor))
}

fn unknown() -> Value {
    json!({"missing": "unknown"})
}

fn infused(lot: &RecallLot) -> Vec<(&str, &str)> {
    lot.infusions.iter().map(|one| (one.on.as_str(), one.subject.as_str())).collect()
}

#[test]
fn a_donor_leads_to_lots_and_these_to_subjects() {
    let mut log = Log::open();
    lot(&mut log, "L1", &["D1", "D2"]);
    lot(&mut log, "L2", &["D2"]);
    // Of a lot nobody has stated, the infusion says the donor.
    infuse(&mut log, "S2", "2009-03-11", "L1", &unknown());
    infuse(&mut log, "S1", "2009-03-10", "L1", &unknown());
    infuse(&mut log, "S1", "2009-06-10", "L3", &json!("D1"));
    log.infuse("S3", "2009-03-11");
    let recall = log.report(CUTOFF).recall;
    let lots: Vec<_> = recall.of_donor("D1").map(|lot| (lot.lot.as_str(), infused(lot))).collect();
    let expected =
        [("L1", vec![("2009-03-10", "S1"), ("2009-03-11", "S2")]), ("L3", vec![("2009-06-10", "S1")])];
    assert_eq!(lots, expected);
    let donors: Vec<_> =
        recall.donors.iter().map(|one| (one.donor.as_str(), one.lots.len(), one.subjects.len())).collect();
    assert_eq!(donors, [("D1", 2, 2), ("D2", 2, 2)]);
    assert_eq!((recall.infusions, recall.infusions_without_lot), (Some(4), Some(1)));
    // A lot that nobody was given is known all the same.
    assert_eq!(recall.lots.iter().map(|one| one.infusions.len()).collect::<Vec<_>>(), [2, 0, 1]);
}

#[test]
fn a_lot_stated_again_is_stated_anew_and_an_infusion_of_another_donor_is_shown() {
    let mut log = Log::open();
    lot(&mut log, "L1", &["D1"]);
    let latest = lot(&mut log, "L1", &["D2"]);
    infuse(&mut log, "S1", "2009-03-10", "L1", &json!("D9"));
    let recall = log.report(CUTOFF).recall;
    let one = &recall.lots[0];
    assert_eq!(
        (one.latest_seq, one.donors.join(" "), one.donors_not_stated.join(" ")),
        (Some(latest), "D2 D9".into(), "D9".into())
    );
    // Whoever recalls D9 must find the subject, whichever of the two is wrong.
    assert_eq!(recall.of_donor("D9").count(), 1);
    assert_eq!(recall.of_donor("D1").count(), 0);
}

#[test]
fn an_amended_infusion_is_recalled_by_its_latest_lot_and_a_void_one_by_none() {
    let mut log = Log::open();
    log.enroll("S1", "2009-03-01");
    let first = infuse(&mut log, "S1", "2009-03-10", "L1", &unknown());
    let second = log.replace(first, "2009-03-10", cells(&json!("L2"), &unknown()));
    let lots = |log: &Log| -> Vec<String> {
        log.report(CUTOFF).recall.lots.into_iter().map(|one| one.lot).collect()
    };
    assert_eq!(lots(&log), ["L2"]);
    log.void(second);
    assert!(lots(&log).is_empty());
}

#[test]
fn an_infusion_without_a_lot_is_found_by_its_donor() {
    let mut log = Log::open();
    log.enroll("S1", "2009-01-01");
    log.fact("S1", "infusion", "2009-03-10", cells(&unknown(), &json!("D1")));
    log.fact("S1", "infusion", "2009-04-10", cells(&unknown(), &unknown()));
    infuse(&mut log, "S2", "2009-05-10", "L1", &json!("D1"));
    let section = log.report(CUTOFF).recall;
    assert_eq!((section.infusions, section.infusions_without_lot), (Some(3), Some(2)));
    let [donor] = section.donors.as_slice() else { panic!("{:?}", section.donors) };
    assert_eq!(
        (donor.lots.as_slice(), donor.subjects.as_slice()),
        (["L1".to_owned()].as_slice(), ["S1".to_owned(), "S2".to_owned()].as_slice())
    );
    let found: Vec<_> = donor.infusions_without_lot.iter().map(|one| one.on.as_str()).collect();
    assert_eq!(found, ["2009-03-10"]);
}

#[test]
fn a_recalled_infusion_names_the_events_that_began_since() {
    let mut log = Log::open();
    log.enroll("S1", "2009-01-01");
    infuse(&mut log, "S1", "2009-03-10", "L1", &unknown());
    infuse(&mut log, "S1", "2009-06-10", "L2", &unknown());
    log.adverse("S1", "2009-03-09", json!({}));
    let serious = log.adverse("S1", "2009-03-10", json!({"seriousness": ["hospitalisation"]}));
    let later = log.adverse("S1", "2009-06-11", json!({}));
    let perhaps = log.adverse("S1", "2009-06", json!({}));
    let lots = log.report(CUTOFF).recall.lots;
    let of = |lot: usize| {
        let infusion = &lots[lot].infusions[0];
        (infusion.events, infusion.serious_events, infusion.event_seqs.clone())
    };
    assert_eq!(of(0), (3, 1, vec![serious, later, perhaps]));
    assert_eq!(of(1), (2, 0, vec![later, perhaps]));
}

/// `number` subjects infused a day apart from 1 January 2009 on and followed for a year; those in `with` have a serious
/// related event ten days later.
fn trial(number: u32, with: &[u32]) -> Log {
    let mut log = Log::open();
    let first: clinical::Date = "2009-01-01".parse().unwrap();
    let day = |days: u32| clinical::expedited::days_after(first, u16::try_from(days).unwrap()).to_string();
    for index in 0..number {
        let subject = format!("S{index:03}");
        log.treat(&subject, &day(index));
        log.alive(&subject, &day(index + 365));
        if with.contains(&index) {
            let data = json!({"causality": {"product": "possible"}, "seriousness": ["hospitalisation"]});
            log.adverse(&subject, &day(index + 10), data);
        }
    }
    log
}

fn stopping(log: &Log, cutoff: &str) -> StoppingSection {
    log.report(cutoff).stopping.unwrap()
}

#[test]
fn the_boundary_is_that_of_the_definition_and_the_first_crossing_is_said() {
    // Prior Beta(0.5, 9.5), limit 5%, certainty 95%: 2 of 2 stop, 3 of 13, 4 of 25, 5 of 37.
    let section = stopping(&trial(30, &[0, 5, 12]), CUTOFF);
    let rows: Vec<_> =
        section.boundary.iter().map(|row| (row.events, row.subjects_last, row.observed)).collect();
    assert_eq!(rows, [(2, 2, Some(1)), (3, 13, Some(3)), (4, 25, Some(3)), (5, 30, Some(3))]);
    // The steps of what was observed: the first, the sixth and the thirteenth subject.
    assert_eq!(section.event_subjects, [1, 6, 13]);
    let crossing = section.first_crossing.unwrap();
    assert_eq!((crossing.subjects, crossing.events, crossing.subject.as_str()), (13, 3, "S012"));
    assert_eq!(crossing.infused_on, "2009-01-13");
    assert_eq!((section.subjects, section.events, section.events_to_stop), (30, 3, Some(5)));
    assert_eq!(section.definition, "stopping-beta-binomial-1");
    // One subject later the same three events do not reach it.
    assert_eq!(stopping(&trial(30, &[0, 5, 13]), CUTOFF).first_crossing, None);
}

#[test]
fn a_subject_counts_once_its_window_is_over() {
    // 100 days from the infusion of the first, and of the last of ten.
    let log = trial(10, &[0, 9]);
    let at = |cutoff: &str| {
        let section = stopping(&log, cutoff);
        (section.subjects, section.events, section.incomplete, section.incomplete_with_event)
    };
    assert_eq!(at("2009-04-10"), (0, 0, 10, 2));
    assert_eq!(at("2009-04-11"), (1, 1, 9, 1));
    assert_eq!(at("2009-04-19"), (9, 1, 1, 1));
    assert_eq!(at("2009-04-20"), (10, 2, 0, 0));
}

#[test]
fn what_is_not_serious_or_not_related_or_later_or_not_observed_does_not_count() {
    let mut log = Log::open();
    let mut subject = |id: &str, on: &str, data: Value| {
        log.treat(id, "2009-03-11");
        log.alive(id, "2010-03-11");
        log.adverse(id, on, data);
    };
    subject("S1", "2009-03-20", json!({"causality": {"product": "certain"}}));
    subject(
        "S2",
        "2009-03-20",
        json!({"causality": {"product": "none"}, "seriousness": ["hospitalisation"]}),
    );
    // Day 101 and day 100.
    let both = json!({"causality": {"product": "certain"}, "seriousness": ["hospitalisation"]});
    subject("S3", "2009-06-20", both.clone());
    subject("S4", "2009-06-19", both.clone());
    // Not judged counts as related.
    subject("S5", "2009-06-19", json!({"seriousness": ["hospitalisation"]}));
    // Lost after 50 days, without and with the event; and dead.
    for id in ["S6", "S7", "S8"] {
        log.treat(id, "2009-03-11");
        log.alive(id, "2009-04-30");
    }
    log.adverse("S7", "2009-04-01", both);
    log.die("S8", "2009-05-01");
    log.treat("S9", "2009");
    let section = stopping(&log, CUTOFF);
    assert_eq!((section.subjects, section.events), (7, 3));
    assert_eq!((section.not_observed, section.without_day, section.incomplete), (1, 1, 0));
}
