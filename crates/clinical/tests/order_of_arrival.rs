//! Which findings there are does not depend on which of two records came first.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::collections::BTreeSet;

use chain::{Position, RecordHash};
use clinical::decide::assess;
use clinical::{Event, Finding, FindingCode as F, Trial};
use proptest::prelude::*;
use serde_json::{Value, json};

/// A trial of one subject, S1 at A, without signatures: what is found depends on none.
#[derive(Clone)]
struct Log {
    trial: Trial,
    next: u64,
}

fn event(fact: &Value, number: u64) -> (Event, Vec<u8>) {
    let mut event = json!({
        "actor": {"id": "li.wei", "organisation": "Hospital", "role": "investigator"},
        "id": format!("01936b2e-7c5a-7d3e-8f10-{number:012}"),
        "key": "11".repeat(32),
        "log": "22".repeat(32),
        "schema": 1,
        "signed_at": "2020-03-12T01:10:00.000000Z",
        "trial": "lupus",
        "zone": "Asia/Shanghai"
    });
    event.as_object_mut().unwrap().extend(fact.as_object().unwrap().clone());
    let bytes = chain::canonical::canonicalize(&event).unwrap();
    (Event::parse(&bytes).unwrap(), bytes)
}

impl Log {
    fn opened() -> Self {
        let day =
            |name: &str, day: i32| json!({"day": day, "name": name, "window_after": 7, "window_before": 7});
        let opening = json!({"kind": "trial_opened", "data": {
            "definitions": {"evaluable": "evaluable-1", "imputation": "impute-1", "related": "related-1",
                "relapse": "relapse-1", "remission": "ccr-registry-1"},
            "log_key": "", "profile": {"mandatory": {}}, "rule_set": 1,
            "schedule": [day("month-1", 30), day("month-3", 91)], "sponsor_keys": [],
            "synthetic": true, "title": "Synthetic", "zone": "UTC"}});
        let trial = Trial::open(&event(&opening, 0).0, RecordHash([2; 32])).unwrap();
        Self { trial, next: 1 }
    }

    /// A log with those records, without what is found about them.
    fn of(facts: &[Value]) -> Self {
        let mut log = Self::opened();
        for fact in facts {
            log.record(fact);
        }
        log
    }

    fn record(&mut self, fact: &Value) -> Vec<Finding> {
        let (event, bytes) = event(fact, self.next);
        let found = assess(&self.trial, &event, &bytes, "2020-03-12T01:10:00.000000Z".parse().unwrap());
        self.trial.apply(&event, Position(self.next), "2020-03-12T01:10:00.000000Z".parse().unwrap());
        self.next += 1;
        found
    }
}

fn fact(kind: &str, on: &str, data: &Value) -> Value {
    json!({"kind": kind, "site": "A", "subject": "S1", "occurred_on": on, "data": data})
}

fn amending(seq: u64, effect: &str, fact: &Value) -> Value {
    let mut amending = fact.clone();
    amending["amends"] =
        json!({"effect": effect, "hash": "33".repeat(32), "reason": "transcription", "seq": seq});
    if effect == "void" {
        amending["data"] = json!({});
    }
    amending
}

fn enrollment(on: &str, consent: &str, planned: u16) -> Value {
    let consent = json!({"document_version": "1", "language": "zh", "signed_on": consent});
    fact("enrollment", on, &json!({"consent": consent, "planned_infusions": planned}))
}

fn infusion(on: &str, number: u16) -> Value {
    fact("infusion", on, &json!({"number": number}))
}

fn visit(on: &str, planned: &str, status: &str) -> Value {
    fact("visit", on, &json!({"planned": planned, "status": status}))
}

fn death(on: &str) -> Value {
    fact("disposition", on, &json!({"reason": "death", "scope": "study"}))
}

fn withdrawal(on: &str) -> Value {
    let data = json!({"reason": "withdrawal_by_subject", "scope": "study", "withdrawal": "all_contact"});
    fact("disposition", on, &data)
}

/// What is found about the second of two records beside the first, in either order: once as `code` at one of the
/// pointers, naming the other record.
fn check(base: &[Value], code: F, one: (&Value, &str), other: (&Value, &str)) {
    for (first, (second, pointer)) in [(one.0, other), (other.0, one)] {
        let mut log = Log::of(base);
        let before = log.record(first);
        assert!(before.iter().all(|finding| finding.code != code), "{first}: {before:?}");
        let found = log.record(second);
        let due = Finding::beside(code, pointer, vec![Position(base.len() as u64 + 1)]);
        assert!(found.contains(&due), "{first} then {second}: {found:?}");
    }
}

#[test]
fn facts_that_do_not_go_together_are_found_whichever_is_recorded_last() {
    let enrolled = [enrollment("2008-03-01", "2008-02-28", 2)];
    let seen = visit("2008-06-01", "month-1", "done");
    let on = "/occurred_on";
    check(&enrolled, F::AfterDeath, (&seen, on), (&death("2008-05-31"), on));
    check(&enrolled, F::AfterWithdrawal, (&seen, on), (&withdrawal("2008-05"), on));
    check(&enrolled, F::VisitOutsideWindow, (&seen, on), (&infusion("2008-03-02", 1), on));
    check(&enrolled, F::DeathDateDiffers, (&death("2008-05"), on), (&death("2008-05-31"), on));
    let number = "/data/number";
    check(
        &enrolled,
        F::InfusionNumberRepeated,
        (&infusion("2008-03-02", 1), number),
        (&infusion("2008-04", 1), number),
    );
    let other = enrollment("2008-03-05", "2008-03-04", 1);
    check(
        &enrolled,
        F::InfusionUnplanned,
        (&infusion("2008-04", 2), number),
        (&other, "/data/planned_infusions"),
    );
    check(
        &enrolled,
        F::InfusionBeforeConsent,
        (&infusion("2008-03-03", 1), on),
        (&other, "/data/consent/signed_on"),
    );
    check(&[], F::AlreadyEnrolled, (&enrolled[0], "/subject"), (&other, "/subject"));
    let failed =
        fact("disposition", "2008-03-01", &json!({"reason": "screen_failure", "scope": "screening"}));
    check(&[], F::ScreenFailureEnrolled, (&failed, "/data/reason"), (&other, "/subject"));
}

#[test]
fn what_goes_together_is_not_found() {
    let facts = [
        enrollment("2008-03-01", "2008-02-28", 1),
        infusion("2008-03-02", 1),
        visit("2008-04-01", "month-1", "done"),
        // Missed since the subject had died; known to be dead by a registry.
        visit("2008-06-01", "month-3", "missed"),
        fact("contact", "2009", &json!({"means": "registry", "vital_status": "dead"})),
        death("2008-05"),
        // The month of death may be its first day.
        fact("adverse_event", "2008-05-31", &json!({"causality": {"product": "none"}})),
    ];
    for order in [[0, 1, 2, 3, 4, 5, 6], [0, 6, 5, 4, 3, 2, 1], [0, 5, 3, 1, 6, 2, 4]] {
        let mut log = Log::opened();
        for index in order {
            assert_eq!(log.record(&facts[index]), Vec::new(), "{order:?}");
        }
    }
}

#[test]
fn a_death_is_no_withdrawal_whatever_else_it_states() {
    let data = json!({"reason": "death", "scope": "study", "withdrawal": "all_contact"});
    let base = [enrollment("2008-03-01", "2008-02-28", 1), fact("disposition", "2008-05-01", &data)];
    let found = Log::of(&base).record(&visit("2008-06-01", "month-3", "partial"));
    assert_eq!(found, [Finding::beside(F::AfterDeath, "/occurred_on", vec![Position(2)])]);
}

#[test]
fn a_correction_is_held_against_what_was_recorded_before_it() {
    let seen = visit("2008-06-01", "month-3", "done");
    let base =
        [enrollment("2008-03-01", "2008-02-28", 1), infusion("2008-03-02", 1), seen, death("2008-07-01")];
    let found = |fact: &Value| Log::of(&base).record(fact);
    let due = |code, pointer, record| vec![Finding::beside(code, pointer, vec![Position(record)])];
    let consent_later = amending(1, "replace", &enrollment("2008-03-01", "2008-03-01", 1));
    assert_eq!(found(&consent_later), Vec::new());
    let mut consent_too_late = enrollment("2008-03-10", "2008-03-10", 1);
    consent_too_late = amending(1, "replace", &consent_too_late);
    assert_eq!(found(&consent_too_late), due(F::InfusionBeforeConsent, "/data/consent/signed_on", 2));
    let earlier_death = amending(4, "replace", &death("2008-05-01"));
    assert_eq!(found(&earlier_death), due(F::AfterDeath, "/occurred_on", 3));
    let other_day = amending(2, "replace", &infusion("2008-04-02", 1));
    assert_eq!(found(&other_day), due(F::VisitOutsideWindow, "/occurred_on", 3));
    assert_eq!(found(&amending(1, "void", &base[0])), due(F::SubjectNotEnrolled, "/amends", 2));
    let mut again = Log::of(&base);
    again.record(&infusion("2008-04-20", 2));
    assert_eq!(again.record(&amending(2, "void", &base[1])), due(F::VisitOutsideWindow, "/amends", 3));
    // A void states nothing that could be strange by itself.
    assert_eq!(found(&amending(3, "void", &visit("2009-06-01", "month-3", "done"))), Vec::new());
}

#[test]
fn a_finding_names_few_records_the_first_of_them() {
    let mut log = Log::of(&[enrollment("2008-03-01", "2008-02-28", 1)]);
    for day in 1..=20 {
        log.record(&fact("visit", &format!("2009-01-{day:02}"), &json!({"status": "done"})));
    }
    let found = log.record(&death("2008-12-31"));
    let first = (2..10).map(Position).collect();
    assert_eq!(found, [Finding::beside(F::AfterDeath, "/occurred_on", first)]);
}

fn day() -> impl Strategy<Value = &'static str> {
    let days = [
        "2008-02-28",
        "2008-03-01",
        "2008-03-02",
        "2008-04-01",
        "2008-04",
        "2008-06-01",
        "2008-12-31",
        "2008",
        "2009",
    ];
    prop::sample::select(days.to_vec())
}

/// A fact of any subject kind.
fn any_fact() -> impl Strategy<Value = Value> {
    let statuses = prop::sample::select(vec!["done", "partial", "missed"]);
    let planned = prop::sample::select(vec!["month-1", "month-3", "other"]);
    let reasons = prop::sample::select(vec!["death", "screen_failure", "withdrawal_by_subject", "completed"]);
    let withdrawals =
        prop::sample::select(vec![json!("all_contact"), json!("visits"), json!({"missing": "unknown"})]);
    let vital = prop::sample::select(vec!["alive", "dead", "unknown"]);
    prop_oneof![
        (day(), day(), 1..3u16).prop_map(|(on, consent, planned)| enrollment(on, consent, planned)),
        (day(), 1..4u16).prop_map(|(on, number)| infusion(on, number)),
        (day(), planned, statuses).prop_map(|(on, planned, status)| visit(on, planned, status)),
        day().prop_map(|on| fact("adverse_event", on, &json!({}))),
        (day(), reasons, withdrawals).prop_map(|(on, reason, withdrawal)| {
            fact("disposition", on, &json!({"reason": reason, "scope": "study", "withdrawal": withdrawal}))
        }),
        (day(), vital).prop_map(|(on, vital)| {
            fact("contact", on, &json!({"means": "phone", "vital_status": vital}))
        }),
    ]
}

fn codes(found: &[Finding]) -> BTreeSet<F> {
    found.iter().map(|finding| finding.code).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

    #[test]
    fn the_order_of_two_records_decides_nothing_about_what_is_found(one in any_fact(), other in any_fact()) {
        let base = Log::of(&[enrollment("2008-03-01", "2008-03-01", 2)]);
        let alone: BTreeSet<F> =
            [&one, &other].into_iter().flat_map(|fact| codes(&base.clone().record(fact))).collect();
        let mut totals = Vec::new();
        for (first, second) in [(&one, &other), (&other, &one)] {
            let mut log = base.clone();
            let mut found = log.record(first);
            prop_assert!(codes(&found).is_subset(&alone));
            let of_second = log.record(second);
            for finding in of_second.iter().filter(|finding| !alone.contains(&finding.code)) {
                prop_assert_eq!(&finding.records, &vec![Position(2)], "{:?}", finding);
            }
            found.extend(of_second);
            totals.push(codes(&found));
        }
        prop_assert_eq!(&totals[0], &totals[1]);
    }

    #[test]
    fn whatever_does_not_go_together_in_the_end_was_found_on_the_way(
        before in any_fact(), after in any_fact(), other in any_fact(), void in any::<bool>()
    ) {
        let base = Log::of(&[enrollment("2008-03-01", "2008-03-01", 2)]);
        // A correction states the same kind anew.
        let void = void || after["kind"] != before["kind"];
        let correction = amending(2, if void { "void" } else { "replace" }, if void { &before } else { &after });
        let mut in_the_end = base.clone();
        let mut due = BTreeSet::new();
        for fact in (!void).then_some(&after).into_iter().chain([&other]) {
            due.extend(codes(&in_the_end.record(fact)));
        }
        for order in [[&correction, &other], [&other, &correction]] {
            let mut log = base.clone();
            let mut found = codes(&log.record(&before));
            for fact in order {
                found.extend(codes(&log.record(fact)));
            }
            prop_assert!(due.is_subset(&found), "{due:?} {found:?}");
        }
    }
}
