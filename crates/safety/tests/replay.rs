//! The rows and the report depend on the records alone: not on the order in which independent ones arrived, not on
//! where a fold was restarted.

#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod support;

use proptest::prelude::*;
use report_kit::{Rows, fold, report, restarted, without_positions};
use serde_json::json;
use support::{Folder, Log, report_since};

/// A fact about one of a few subjects, on one of a few days, so that ties and contradictions are common.
#[derive(Debug, Clone)]
struct Fact {
    subject: u8,
    kind: u8,
    on: String,
}

fn facts() -> impl Strategy<Value = Vec<Fact>> {
    let on = prop_oneof![
        8 => (1..=28_i32, 1..=12_i32).prop_map(|(day, month)| format!("2009-{month:02}-{day:02}")),
        1 => (2008..2012_i32).prop_map(|year| year.to_string()),
        1 => (1..=12_i32).prop_map(|month| format!("2009-{month:02}")),
    ];
    let fact = (0..4_u8, 0..14_u8, on).prop_map(|(subject, kind, on)| Fact { subject, kind, on });
    prop::collection::vec(fact, 1..60)
}

fn add(log: &mut Log, fact: &Fact) -> u64 {
    let subject = format!("S{}", fact.subject);
    let coding = json!({"dictionary": "MedDRA", "pt": "Rash", "soc": "Skin", "version": "26.0"});
    match fact.kind {
        0 => log.enroll(&subject, &fact.on),
        1 => log.infuse(&subject, &fact.on),
        2 => {
            let judged = json!({"causality": {"product": "possible"}, "coding": coding, "severity": "mild"});
            log.adverse(&subject, &fact.on, judged)
        }
        3 => log.adverse(&subject, &fact.on, json!({"coding": coding, "seriousness": ["hospitalisation"]})),
        4 => log.adverse(&subject, "", json!({"serious_reported": true})),
        5 => log.fact(&subject, "disposition", &fact.on, json!({"reason": "death", "scope": "study"})),
        6 => log.fact(&subject, "visit", &fact.on, json!({"status": "missed"})),
        7 => {
            let data =
                json!({"reason": "withdrawal_by_subject", "scope": "study", "withdrawal": "all_contact"});
            log.fact(&subject, "disposition", &fact.on, data)
        }
        8 => {
            let stages =
                json!({"liver": fact.subject, "lower_gi": 0, "skin": 4 - fact.subject, "upper_gi": 1});
            log.fact(&subject, "visit", &fact.on, json!({"gvhd": stages, "status": "done"}))
        }
        9 => {
            log.fact(&subject, "visit", &fact.on, json!({"gvhd": {"missing": "not_done"}, "status": "done"}))
        }
        kind @ 10..=12 => {
            let value = ["30", "40", "60"][usize::from(kind - 10)];
            let albumin = json!({
                "loinc": "1751-7", "range": {"high": "50", "low": "35"},
                "reported": {"unit": "g/L", "value": value}
            });
            log.fact(&subject, "visit", &fact.on, json!({"observations": [albumin], "status": "done"}))
        }
        13 => {
            let coding = json!({
                "dictionary": "MedDRA", "pt": "Sepsis", "soc": "Infections and infestations", "version": "26.0"
            });
            let data = json!({"causality": {"product": "none"}, "coding": coding, "outcome": "fatal"});
            log.adverse(&subject, &fact.on, data)
        }
        _ => log.alive(&subject, &fact.on),
    }
}

/// The sections that count nothing but what is last stated.
fn sections(report: &safety::Report) -> serde_json::Value {
    let mut report = without_positions(report);
    let kept = [
        "overviews",
        "tables",
        "timing",
        "infusion_reactions",
        "gvhd",
        "of_interest",
        "incidence",
        "first_events",
        "laboratory",
        "recall",
    ];
    report.as_object_mut().unwrap().retain(|name, _| kept.contains(&name.as_str()));
    assert_eq!(report.as_object().unwrap().len(), kept.len());
    report
}

/// The facts, then corrections and continuations: every third is replaced by a later day, every fifth of those voided
/// again; every fourth adverse event carries on.
fn amended(facts: &[Fact]) -> Log {
    let mut log = Log::open();
    let seqs: Vec<u64> = facts.iter().map(|fact| add(&mut log, fact)).collect();
    for (index, seq) in seqs.iter().copied().enumerate().step_by(3) {
        let data = log.records[usize::try_from(seq).unwrap()].0["data"].clone();
        let second = log.replace(seq, "2010-05-05", data);
        if matches!(facts[index].kind, 2..=4 | 13) && index % 4 == 0 {
            log.carry_on(second, "2010-06-01", json!({"severity": "severe"}));
        }
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
        let log = amended(&facts);
        let events = log.events();
        let at = at.index(events.len());
        let mut rows = Rows::new();
        fold(&mut Folder::default(), &events[..at], 0, &mut rows);
        let mut folder = restarted::<Folder>(&rows);
        fold(&mut folder, &events[at..], at as u64, &mut rows);
        prop_assert_eq!(rows, log.rows());
    }

    #[test]
    fn a_report_as_of_n_is_that_of_a_fresh_replay_of_n(facts in facts(), at in any::<prop::sample::Index>()) {
        let log = amended(&facts);
        let events = log.events();
        let at = 1 + at.index(events.len());
        let (mut folder, mut rows) = (Folder::default(), Rows::new());
        for (seq, event) in events[..at].iter().enumerate() {
            fold(&mut folder, std::slice::from_ref(event), seq as u64, &mut rows);
        }
        let mut fresh = Log::open();
        fresh.records = log.records[..at].to_vec();
        let of = |rows: &Rows| report::<Folder>(rows, Some("2011-06-30")).to_canonical_json();
        prop_assert_eq!(of(&rows), of(&fresh.rows()));
    }

    #[test]
    fn what_was_counted_and_what_is_new_make_what_is_counted(
        facts in facts(), at in any::<prop::sample::Index>()
    ) {
        let mut log = Log::open();
        // A withdrawal recorded later takes back what was counted.
        for fact in facts.iter().filter(|fact| fact.kind != 7) {
            add(&mut log, fact);
        }
        let records = 1 + at.index(log.records.len()) as u64;
        let mut before = Log::open();
        before.records = log.records[..usize::try_from(records).unwrap()].to_vec();
        let day = "2011-06-30";
        let (before, now) = (before.report(day), report_since(&log, day, records, day));
        for (was, is) in before.overviews[0].categories.iter().zip(&now.overviews[0].categories) {
            prop_assert_eq!(was.events + is.events_since.unwrap(), is.events);
            prop_assert_eq!(was.subjects.numerator + is.subjects_since.unwrap(), is.subjects.numerator);
        }
        let rows = |report: &safety::Report| -> std::collections::BTreeMap<_, _> {
            let classes = report.tables[0].classes.iter();
            let rows = classes.flat_map(|class| std::iter::once(&class.class).chain(&class.terms));
            rows.map(|row| (row.name.clone(), row.clone())).collect()
        };
        let was = rows(&before);
        for (name, row) in rows(&now) {
            let (events, subjects) = was.get(&name).map_or((0, 0), |row| (row.events, row.subjects));
            prop_assert_eq!(events + row.events_since.unwrap(), row.events);
            prop_assert_eq!(subjects + row.subjects_since.unwrap(), row.subjects);
        }
    }

    #[test]
    fn what_is_amended_counts_as_if_it_had_been_stated_so_at_first(facts in facts(), wrong in "2010-0[1-9]-11") {
        let (mut right, mut amended) = (Log::open(), Log::open());
        for fact in &facts {
            add(&mut right, fact);
            let first = add(&mut amended, &Fact { on: wrong.clone(), ..fact.clone() });
            let data = amended.records[usize::try_from(first).unwrap()].0["data"].clone();
            // What began on no day known is stated so again.
            let on = if fact.kind == 4 { "" } else { &fact.on };
            let second = amended.replace(first, on, data);
            if on.is_empty() {
                let event = &mut amended.records[usize::try_from(second).unwrap()].0;
                event.as_object_mut().unwrap().remove("occurred_on");
            }
        }
        prop_assert_eq!(sections(&right.report("2011-06-30")), sections(&amended.report("2011-06-30")));
    }

    #[test]
    fn the_sections_agree_with_one_another(facts in facts()) {
        let report = amended(&facts).report("2011-06-30");
        let emergent = report.overviews[1].categories.iter().find(|one| one.id == "any").unwrap();
        // Who has a certain day 0 is in the incidence, whoever else is treated in the table alone.
        let counted = report.incidence.any.all.events + report.incidence.after_death;
        prop_assert!(counted <= report.tables[1].events);
        if report.incidence.without_day == 0 {
            prop_assert_eq!(counted, report.tables[1].events);
            prop_assert_eq!(report.incidence.any.first.days, emergent.rate.as_ref().unwrap().days);
        }
        let timely = report.timing.iter().filter(|one| {
            matches!(one.class, safety::TimingClass::Within24Hours | safety::TimingClass::OneDayTimeUnknown)
        });
        // A reaction whose onset is known in part is listed and in no figure of that section; here it is completed.
        let reactions = &report.infusion_reactions;
        prop_assert!(
            timely.map(|one| one.events).sum::<u64>() <= reactions.events + reactions.undetermined
        );
        let gvhd = &report.gvhd;
        prop_assert_eq!(gvhd.grades.iter().sum::<u64>(), gvhd.assessed.numerator);
        prop_assert_eq!(gvhd.grades[1..].iter().sum::<u64>(), gvhd.listing.len() as u64);
        for table in &report.laboratory.analytes {
            prop_assert_eq!(table.rows.iter().map(|row| row.subjects).sum::<u64>(), report.laboratory.subjects);
            for row in &table.rows {
                let columns = row.low + row.normal + row.high + row.missing;
                prop_assert_eq!(columns, row.subjects + row.low_and_high);
            }
        }
        for first in &report.first_events {
            let all = first.subjects.numerator + first.deaths_first + first.censored;
            prop_assert_eq!(all, first.subjects.denominator);
            let mut before = 0.0;
            for at in &first.landmarks {
                let of = |text: &str| text.parse::<f64>().unwrap();
                let sum = of(&at.event) + of(&at.death_first) + of(&at.event_free);
                prop_assert!((sum - 1.0).abs() < 2e-6, "{at:?}");
                prop_assert!(of(&at.event) >= before);
                before = of(&at.event);
            }
        }
    }

    #[test]
    fn replaying_twice_yields_identical_bytes(facts in facts()) {
        let log = amended(&facts);
        let bytes = || report::<Folder>(&log.rows(), Some("2011-06-30")).to_canonical_json();
        prop_assert_eq!(bytes(), bytes());
    }

    #[test]
    fn every_event_lies_somewhere_to_treatment_and_the_tables_sum(facts in facts()) {
        let report = amended(&facts).report("2011-06-30");
        let emergence = &report.emergence;
        let emergent = emergence.emergent + emergence.emergent_by_imputation + emergence.worsened;
        prop_assert_eq!(report.tables[0].events, emergent + emergence.before + emergence.untreated);
        prop_assert_eq!(report.tables[1].events, emergent);
        prop_assert_eq!(report.timing.iter().map(|one| one.events).sum::<u64>(), emergent);
        for table in &report.tables {
            let coded: u64 = table.classes.iter().map(|class| class.class.events).sum();
            prop_assert_eq!(coded + table.not_coded.as_ref().map_or(0, |row| row.events), table.events);
        }
    }
}
