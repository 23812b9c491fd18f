//! Logs whose own key follows another, and who has to have signed which checkpoint.

use std::sync::Arc;

use chain::checkpoint::Checkpoint;
use chain::note::Signer;
use chain::{Position, SignedCheckpoint, TreeSize, tree};
use serde_json::json;
use verify::{Anchors, Report};

use crate::archive::{Memory, check, codes, hashes, log_signer};
use crate::archives::copy_without;
use crate::support::{Log, Person, visit};

/// Seeds of the log's keys: the first is that of the opening.
const OLD: u8 = 1;
const NEW: u8 = 7;

fn revocation(seed: u8) -> serde_json::Value {
    let key = log_signer(seed).verifier_key().key().id();
    json!({"kind": "key_revoked", "data": {"key": key, "reason": "compromised"}})
}

/// A log of 11 records: record 7 names a new key, record 9 revokes the old one.
fn rotated() -> Log {
    let mut log = Log::running(OLD);
    let sponsor = log.sponsor.clone();
    log.change_log_key(NEW);
    log.say(&log.investigator.clone(), visit("S1", "2008-03-18"));
    log.say(&sponsor, revocation(OLD));
    log.say(&log.investigator.clone(), visit("S1", "2008-03-25"));
    log
}

fn signed_by(records: &[Arc<[u8]>], seeds: &[u8]) -> SignedCheckpoint {
    let signers: Vec<Signer> = seeds.iter().map(|seed| log_signer(*seed)).collect();
    let signers: Vec<&Signer> = signers.iter().collect();
    let size = TreeSize(records.len() as u64);
    let checkpoint = Checkpoint::new(signers[0].name(), size, tree::root_of(&hashes(records))).unwrap();
    SignedCheckpoint::sign(checkpoint, &signers).unwrap()
}

/// The log's first `size` records under a checkpoint by these keys.
fn archive(log: &Log, size: usize, seeds: &[u8]) -> Memory {
    Memory::of(&log.records[..size], &signed_by(&log.records[..size], seeds))
}

fn anchors(log: &Log, seed: u8) -> Anchors {
    Anchors { log_key: Some(log_signer(seed).verifier_key()), ..log.anchors() }
}

#[track_caller]
fn check_codes(files: &Memory, anchors: &Anchors, status: u8, expected: &[(&str, &str)]) -> Report {
    let report = check(files, anchors);
    let found = codes(&report);
    let found: Vec<(&str, &str)> = found.iter().map(|(code, place)| (*code, place.as_str())).collect();
    assert_eq!((report.status(), &found[..]), (status, expected), "{report}");
    report
}

/// A checkpoint behind the change, signed with the old key alone.
pub(crate) fn signed_by_the_old_key_alone() -> Report {
    let log = rotated();
    check(&archive(&log, 11, &[OLD]), &log.anchors())
}

#[test]
fn a_checkpoint_is_signed_with_every_key_that_is_in_force_at_its_size() {
    const MISSING: &[(&str, &str)] = &[("checkpoint-signature-missing", "checkpoint")];
    let log = rotated();
    let cases: [(usize, &[u8], bool); 9] = [
        (7, &[OLD], true),
        (8, &[OLD, NEW], true),
        (9, &[NEW, OLD], true),
        (10, &[NEW], true),
        // The revoked key may sign too, to no use.
        (11, &[OLD, NEW], true),
        (8, &[OLD], false),
        (9, &[NEW], false),
        (10, &[OLD], false),
        (11, &[OLD], false),
    ];
    for (size, seeds, holds) in cases {
        let files = archive(&log, size, seeds);
        let expected = if holds { &[] } else { MISSING };
        let status = u8::from(!holds);
        check_codes(&files, &anchors(&log, OLD), status, expected);
        check_codes(&files, &Anchors { log_key: None, ..log.anchors() }, status, expected);
        if size > 7 {
            check_codes(&files, &anchors(&log, NEW), status, expected);
        }
    }
    // Of a key that no record names yet nobody can know that it is the log's.
    check_codes(&archive(&log, 7, &[NEW]), &log.anchors(), 1, &[("checkpoint-not-signed", "checkpoint")]);
}

#[test]
fn a_key_that_the_log_never_named_is_no_anchor_of_it() {
    let log = rotated();
    let expected = [("checkpoint-not-signed", "checkpoint"), ("log-key-differs", "0")];
    let report = check(&archive(&log, 11, &[NEW]), &anchors(&log, 9));
    let mut found = codes(&report);
    found.sort();
    assert_eq!(found, expected.map(|(code, place)| (code, place.to_owned())), "{report}");
    // Nor is one that it names only behind this end.
    let report = check(&archive(&log, 7, &[OLD]), &anchors(&log, NEW));
    assert!(codes(&report).contains(&("log-key-differs", "0".to_owned())), "{report}");
    assert_eq!(report.status(), 1);
}

#[test]
fn a_change_that_nobody_entitled_has_signed_changes_nothing() {
    let by = |choose: fn(&Log) -> Person, forge: bool| {
        let mut log = Log::running(OLD);
        let mut statement = log.log_key_change(NEW);
        if forge {
            statement["data"]["possession"] = log.log_key_change(8)["data"]["possession"].clone();
        }
        let person = choose(&log);
        log.say(&person, statement);
        log
    };
    let principal = by(|log| log.principal.clone(), false);
    let forged = by(|log| log.sponsor.clone(), true);
    for (log, code) in [(principal, "signer-not-entitled"), (forged, "bad-signature")] {
        check_codes(&archive(&log, 8, &[OLD]), &log.anchors(), 1, &[(code, "7")]);
        let report = check(&archive(&log, 8, &[NEW]), &log.anchors());
        assert!(report.to_string().contains("checkpoint-not-signed"), "{report}");
    }
}

#[test]
fn revoking_the_last_log_key_contradicts_admission_and_has_no_effect() {
    let mut log = Log::running(OLD);
    log.say(&log.sponsor.clone(), revocation(OLD));
    check_codes(&archive(&log, 8, &[OLD]), &log.anchors(), 1, &[("admission-contradicted", "7")]);
}

#[test]
fn known_checkpoints_count_if_a_key_signed_them_that_was_in_force() {
    let log = rotated();
    let files = archive(&log, 11, &[NEW]);
    let known = |size: usize, seeds: &[u8]| Anchors {
        checkpoints: vec![signed_by(&log.records[..size], seeds)],
        ..log.anchors()
    };
    for (size, seeds) in [(5, OLD), (8, OLD), (9, NEW), (10, NEW)] {
        let report = check_codes(&files, &known(size, &[seeds]), 0, &[]);
        assert_eq!(report.covers.known_size, TreeSize(size as u64));
    }
    // What the revoked key signs is not the log's word: it neither accuses the log nor vouches for it.
    let mut other = rotated();
    other.say(&other.investigator.clone(), visit("S1", "2008-04-01"));
    let stolen = Anchors { checkpoints: vec![signed_by(&other.records[..11], &[OLD])], ..log.anchors() };
    let place = [("known-checkpoint-unusable", "known checkpoint of size 11")];
    check_codes(&files, &stolen, 3, &place);
}

#[test]
fn where_records_are_missing_a_revocation_may_be_among_them() {
    let log = rotated();
    let whole = archive(&log, 11, &[NEW]);
    let copy = copy_without(&whole, &log, |at| at == 9);
    let report = check(&copy, &log.anchors());
    assert_eq!(report.status(), 3, "{report}");
    let found = codes(&report);
    assert!(found.contains(&("authority-undecided", "checkpoint".to_owned())), "{report}");
    // And so may the record that names the key that was given.
    let copy = copy_without(&whole, &log, |at| at == 7);
    let report = check(&copy, &anchors(&log, NEW));
    assert!(!codes(&report).iter().any(|(code, _)| *code == "log-key-differs"), "{report}");
    assert_eq!(report.status(), 3, "{report}");
}

#[test]
fn records_without_a_checkpoint_know_their_keys_too() {
    let log = rotated();
    for seed in [OLD, NEW] {
        let report = crate::support::check(&log.records, &anchors(&log, seed));
        assert_eq!(report.status(), 0, "{report}");
    }
    let report = crate::support::check(&log.records[..7], &anchors(&log, NEW));
    assert_eq!(report.findings[0].place.seq, Some(Position(0)), "{report}");
    assert_eq!(report.status(), 1, "{report}");
}
