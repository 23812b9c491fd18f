//! The rows and the report depend on the records alone: not on the order in which independent ones arrived, not on
//! where a fold was restarted.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at what it did not expect")]

mod support;

use proptest::prelude::*;
use report_kit::{Rows, fold, report, restarted, without_positions};
use serde_json::json;
use support::{Folder, Log};

/// A fact about one of a few subjects, on one of a few days, so that ties and contradictions are common.
#[derive(Debug, Clone)]
struct Fact {
    subject: u8,
    kind: u8,
    on: String,
}

fn fact() -> impl Strategy<Value = Fact> {
    let on = prop_oneof![
        8 => (0..1500_i32).prop_map(|day| {
            jiff::civil::date(2008, 2, 20).checked_add(jiff::Span::new().days(day)).unwrap().to_string()
        }),
        1 => (2008..2012_i32).prop_map(|year| year.to_string()),
        1 => (1..=12_i32).prop_map(|month| format!("2009-{month:02}")),
    ];
    (0..4_u8, 0..17_u8, on).prop_map(|(subject, kind, on)| Fact { subject, kind, on })
}

fn facts() -> impl Strategy<Value = Vec<Fact>> {
    prop::collection::vec(fact(), 1..60)
}

fn add(log: &mut Log, fact: &Fact) -> u64 {
    let subject = format!("S{}", fact.subject);
    match fact.kind {
        0 => log.enroll(&subject, &fact.on),
        1 | 2 => log.infuse(&subject, &fact.on),
        3 => log.relapse(&subject, &fact.on),
        4 => log.respond(&subject, &fact.on, "complete"),
        5 => log.respond(&subject, &fact.on, "none"),
        6 => log.die(&subject, &fact.on),
        7 => {
            let data = json!({"reason": "withdrawal_by_subject", "scope": "study", "withdrawal": "visits"});
            log.fact(&subject, "disposition", &fact.on, data)
        }
        8 => log.fact(
            &subject,
            "disposition",
            &fact.on,
            json!({"reason": "lost_to_follow_up", "scope": "study"}),
        ),
        9 => log.alive(&subject, &fact.on),
        10 => log.fact(&subject, "adjudication", &fact.on, json!({"relapse": relapse(false)})),
        11 => {
            let response = json!({"definition": "ccr-registry-1", "status": "partial"});
            log.fact(&subject, "adjudication", &fact.on, json!({"landmark_years": 1, "response": response}))
        }
        12 => log.fact(&subject, "adjudication", &fact.on, json!({"relapse": relapse(true)})),
        13 => {
            let criteria = json!([{"id": "I1", "result": "not_met"}]);
            log.fact(&subject, "screening", &fact.on, json!({"criteria": criteria, "result": "failed"}))
        }
        14 => {
            let deviation = json!({"category": "visit", "severity": "minor"});
            log.fact(&subject, "protocol_deviation", &fact.on, deviation)
        }
        15 => {
            let consent = json!({"document_version": "1", "language": "zh", "occasion": "initial"});
            log.fact(&subject, "consent", &fact.on, consent)
        }
        _ => {
            let value = format!("{}.5", fact.on.len());
            let observation = json!({
                "loinc": "1751-7", "reported": {"value": value}, "ucum": {"unit": "g/L", "value": value}
            });
            log.fact(&subject, "visit", &fact.on, json!({"observations": [observation], "status": "done"}))
        }
    }
}

fn relapse(relapsed: bool) -> serde_json::Value {
    json!({"definition": "relapse-1", "relapsed": relapsed})
}

/// The facts, then corrections: every third is replaced by a later day, every fifth of those voided again.
fn amended(facts: &[Fact]) -> Log {
    let mut log = Log::open();
    let seqs: Vec<u64> = facts.iter().map(|fact| add(&mut log, fact)).collect();
    for (index, seq) in seqs.into_iter().enumerate().step_by(3) {
        let data = log.records[usize::try_from(seq).unwrap()].0["data"].clone();
        let second = log.replace(seq, "2010-05-05", data);
        if index % 5 == 0 {
            log.void(second);
        }
    }
    log
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_order_of_arrival_of_independent_records_does_not_matter(
        (facts, shuffled) in facts().prop_flat_map(|facts| (Just(facts.clone()), Just(facts).prop_shuffle()))
    ) {
        let make = |facts: &[Fact]| {
            let mut log = Log::open();
            for fact in facts {
                add(&mut log, fact);
            }
            without_positions(&log.report("2011-06-30"))
        };
        prop_assert_eq!(make(&facts), make(&shuffled));
    }

    #[test]
    fn a_fold_restarted_anywhere_makes_the_same_rows(facts in facts(), at in any::<prop::sample::Index>()) {
        let mut log = amended(&facts);
        // Over a change of date, which the fold remembers too.
        log.push_at(
            json!({"kind": "enrollment", "site": "S01", "subject": "S9", "occurred_on": "2013-01-30", "data": {}}),
            1_359_649_800_000_000,
        );
        let events = log.events();
        let at = at.index(events.len());
        let mut rows = Rows::new();
        fold(&mut Folder::default(), &events[..at], 0, &mut rows);
        let mut folder = restarted::<Folder>(&rows);
        fold(&mut folder, &events[at..], at as u64, &mut rows);
        prop_assert_eq!(rows, log.rows());
    }

    #[test]
    fn a_report_as_of_a_record_is_that_of_a_fresh_replay_up_to_it(facts in facts(), at in any::<prop::sample::Index>()) {
        let events = amended(&facts).events();
        let at = at.index(events.len()) + 1;
        // Before anything later was folded, and after a restart at another place.
        let mut rows = Rows::new();
        fold(&mut Folder::default(), &events[..at / 2], 0, &mut rows);
        let mut folder = restarted::<Folder>(&rows);
        let mut reports = Vec::new();
        for (seq, event) in (0_u64..).zip(&events).skip(at / 2) {
            fold(&mut folder, std::slice::from_ref(event), seq, &mut rows);
            reports.push(report::<Folder>(&rows, Some("2011-06-30")).to_canonical_json());
        }
        let mut fresh = Rows::new();
        fold(&mut Folder::default(), &events[..at], 0, &mut fresh);
        prop_assert_eq!(&reports[at - 1 - at / 2], &report::<Folder>(&fresh, Some("2011-06-30")).to_canonical_json());
    }

    #[test]
    fn a_report_after_amendments_is_that_of_the_corrected_data(
        (wrong, right) in (1..40_usize).prop_flat_map(|n| {
            (prop::collection::vec(fact(), n), prop::collection::vec(fact(), n))
        }),
        amend in prop::collection::vec(any::<bool>(), 40),
    ) {
        // An amendment changes the day and what is said, never the kind or the subject.
        let corrected: Vec<Fact> = wrong
            .iter()
            .zip(&right)
            .zip(&amend)
            .map(|((wrong, right), amend)| Fact { on: if *amend { &right.on } else { &wrong.on }.clone(), ..wrong.clone() })
            .collect();
        let mut amended = Log::open();
        let seqs: Vec<u64> = wrong.iter().map(|fact| add(&mut amended, fact)).collect();
        let mut direct = Log::open();
        for fact in &corrected {
            add(&mut direct, fact);
        }
        for ((seq, fact), _) in seqs.into_iter().zip(&corrected).zip(&amend).filter(|(_, amend)| **amend) {
            let data = direct.records[usize::try_from(seq).unwrap()].0["data"].clone();
            amended.replace(seq, &fact.on, data);
        }
        let cells = |log: &Log| {
            let mut report = without_positions(&log.report("2011-06-30"));
            report["excluded"].as_object_mut().unwrap().remove("amended_things");
            report
        };
        prop_assert_eq!(cells(&amended), cells(&direct));
    }

    #[test]
    fn replaying_twice_yields_identical_bytes(facts in facts()) {
        let log = amended(&facts);
        let bytes = || report::<Folder>(&log.rows(), Some("2011-06-30")).to_canonical_json();
        prop_assert_eq!(bytes(), bytes());
    }

    #[test]
    fn the_stages_and_the_standings_always_sum(facts in facts()) {
        let report = amended(&facts).report("2011-06-30");
        for pair in report.waterfall.stages.windows(2) {
            let lost: u64 = pair[1].losses.iter().map(|loss| loss.subjects).sum();
            prop_assert_eq!(pair[0].subjects - lost, pair[1].subjects);
        }
        let flow = report.flow;
        let standings =
            flow.died + flow.withdrawn + flow.lost + flow.completed + flow.discontinued + flow.in_follow_up;
        prop_assert_eq!(standings, flow.infused);
        prop_assert_eq!(flow.infused + flow.never_infused, flow.enrolled);
    }
}
