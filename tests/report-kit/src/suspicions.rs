//! Records of a key that others may have had are named in a report.

use chain::SecretKey;
use clinical::{Role, SuspectedRecord};
use serde_json::{Value, json};

use crate::{Log, Reporting, Rows, fold, report, restarted};

/// Midnight in UTC+14 at the beginning of 2013-02-01, in microseconds.
const FEBRUARY: i64 = 1_359_676_800_000_000 - 14 * 3_600_000_000;

fn enrollment(subject: &str) -> Value {
    json!({"kind": "enrollment", "site": "S01", "subject": subject, "occurred_on": "2009-01-01", "data": {}})
}

/// A log in which li.wei's key, granted at position 1, signs from position 2 on and is revoked at the end.
fn revoked<R: Reporting>(since: Option<&str>) -> Log<R> {
    let key = SecretKey::from_bytes(&[5; 32]).public();
    let id = serde_json::to_value(key.id()).unwrap();
    let mut log = Log::open();
    log.push(json!({"kind": "key_granted", "data": {
        "holder": "li.wei", "organisation": "Hospital", "possession": "", "public_key": key.to_text(),
        "role": "principal_investigator", "sites": ["S01"]}}));
    let mut sign = |event: Value, at: i64| {
        let seq = log.push_at(event, at);
        log.records.last_mut().unwrap().0["key"] = id.clone();
        seq
    };
    sign(enrollment("S1"), FEBRUARY - 1);
    sign(enrollment("S2"), FEBRUARY);
    let other = SecretKey::from_bytes(&[6; 32]).public();
    let granted = json!({"kind": "key_granted", "data": {
        "holder": "xu.an", "organisation": "Hospital", "possession": "", "public_key": other.to_text(),
        "role": "investigator", "sites": ["S01"]}});
    sign(granted, FEBRUARY + 1);
    let mut amendment = enrollment("S1");
    amendment["amends"] =
        json!({"effect": "replace", "hash": "33".repeat(32), "reason": "transcription", "seq": 2});
    sign(amendment, FEBRUARY + 2);
    // By another key.
    log.push_at(enrollment("S3"), FEBRUARY + 3);
    let mut revocation = json!({"key": id, "reason": "compromised"});
    if let Some(since) = since {
        revocation["suspected_since"] = json!(since);
    }
    log.push_at(json!({"kind": "key_revoked", "data": revocation}), FEBRUARY + 4);
    log
}

fn records<R: Reporting>(log: &Log<R>) -> Vec<(u64, Option<String>)> {
    let report = log.report("2014-01-01");
    let key = &R::suspected_keys(&report)[0];
    let holder = (key.holder.as_str(), key.organisation.as_str(), key.role, key.revoked_at.0);
    assert_eq!(holder, ("li.wei", "Hospital", Role::PrincipalInvestigator, 7));
    key.records.iter().map(|SuspectedRecord { seq, subject }| (seq.0, subject.clone())).collect()
}

/// From the day of suspicion on, whatever its precision, and none before.
pub fn records_of_a_suspected_key_are_listed<R: Reporting>() {
    let of = |subject: &str| Some(subject.to_owned());
    let since_february = vec![(3, of("S2")), (4, None), (5, of("S1"))];
    assert_eq!(records(&revoked::<R>(Some("2013-02-01"))), since_february);
    assert_eq!(records(&revoked::<R>(Some("2013-02"))), since_february);
    // The first version of what S1's enrollment says has been superseded; the key signed the latest one too.
    assert_eq!(records(&revoked::<R>(Some("2013-01-31"))), since_february);
    assert_eq!(records(&revoked::<R>(Some("2013-02-02"))), []);
    assert_eq!(R::suspected_keys(&revoked::<R>(None).report("2014-01-01")), []);
}

/// Wherever the fold is restarted.
pub fn a_restarted_fold_lists_the_same_suspicions<R: Reporting>() {
    let log = revoked::<R>(Some("2013-02-01"));
    let events = log.events();
    for at in 0..events.len() {
        let mut rows = Rows::new();
        fold(&mut restarted::<R>(&rows), &events[..at], 0, &mut rows);
        fold(&mut restarted::<R>(&rows), &events[at..], at as u64, &mut rows);
        assert_eq!(rows, log.rows());
        assert_eq!(report::<R>(&rows, Some("2014-01-01")), log.report("2014-01-01"));
    }
}
