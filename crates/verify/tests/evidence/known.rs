//! An archive held against what is known of its log from elsewhere: checkpoints, receipts, witnesses.

use chain::checkpoint::Checkpoint;
use chain::note::Signer;
use chain::{Position, RecordHash, SecretKey, SignedCheckpoint, TreeSize};
use verify::{Anchors, Receipt};

use crate::archive::{Memory, SEEN_S, checkpoint, cosigned, log_signer, policy, small, witness};
use crate::archives::{check_codes, large, rewritten};
use crate::support::Log;

#[test]
fn history_rewritten_with_the_stolen_log_key_is_a_fork_with_both_sides() {
    let (log, records) = rewritten();
    let archive = Memory::of(&records, &checkpoint(&records, &log_signer(1)));
    check_codes(&archive, &log.anchors(), 0, &[]);
    // The witnesses do not cosign it, and who has an older checkpoint has the proof.
    let trusting = Anchors { policy: Some(policy(1)), ..log.anchors() };
    check_codes(&archive, &trusting, 3, &[("quorum-short", "checkpoint")]);
    for size in [8, 9] {
        let older = checkpoint(&log.records[..size], &log_signer(1));
        let anchors = Anchors { checkpoints: vec![older.clone()], ..log.anchors() };
        let place = format!("known checkpoint of size {size}");
        let report = check_codes(&archive, &anchors, 1, &[("fork", &place)]);
        let fork = &report.sealed.as_ref().unwrap().forks[0];
        assert_eq!(fork.known, older.to_string());
        assert_eq!(fork.found.as_bytes(), archive.files["checkpoint"]);
        assert!(report.to_string().contains("Fork, the checkpoint known:"));
    }
    // Checkpoints from before the rewriting, and the empty one, are continued by both.
    for size in [0, 1, 7] {
        let older = checkpoint(&log.records[..size], &log_signer(1));
        let anchors = Anchors { checkpoints: vec![older], ..log.anchors() };
        let report = check_codes(&archive, &anchors, 0, &[]);
        assert_eq!(report.covers.known_size, TreeSize(size as u64));
    }
}

#[test]
fn a_tail_cut_below_a_receipt_or_a_known_checkpoint_is_found() {
    let (log, _) = rewritten();
    let cut = &log.records[..9];
    let archive = Memory::of(cut, &checkpoint(cut, &log_signer(1)));
    check_codes(&archive, &log.anchors(), 0, &[]);
    let receipt = |seq: usize| Receipt { seq: Position(seq as u64), hash: log.hash(seq), note: None };
    let anchors = Anchors { receipts: vec![receipt(9)], ..log.anchors() };
    check_codes(&archive, &anchors, 1, &[("receipt-not-honoured", "9")]);
    let anchors = Anchors { receipts: vec![receipt(8)], ..log.anchors() };
    check_codes(&archive, &anchors, 0, &[]);
    let anchors = Anchors { checkpoints: vec![checkpoint(&log.records, &log_signer(1))], ..log.anchors() };
    check_codes(&archive, &anchors, 1, &[("shorter-than-known", "known checkpoint of size 10")]);
}

#[test]
fn a_known_checkpoint_that_is_not_the_logs_proves_nothing() {
    let (log, archive) = small();
    let stranger = Signer::new("log.example/lupus", SecretKey::from_bytes(&[9; 32])).unwrap();
    let anchors = Anchors { checkpoints: vec![checkpoint(&log.records[..3], &stranger)], ..log.anchors() };
    check_codes(&archive, &anchors, 3, &[("known-checkpoint-unusable", "known checkpoint of size 3")]);
}

#[test]
fn older_checkpoints_are_held_at_any_size_and_a_receipt_of_a_missing_record_too() {
    let (log, archive) = large();
    for size in [1, 255, 256, 257, 299, 511, 512, 513, 600] {
        let known = checkpoint(&log.records[..size], &log_signer(1));
        let anchors = Anchors { checkpoints: vec![known.clone()], ..log.anchors() };
        check_codes(&archive, &anchors, 0, &[]);
        let other = RecordHash::of(&size.to_be_bytes());
        let forged =
            Checkpoint::new("log.example/lupus", TreeSize(size as u64), chain::RootHash(other.0)).unwrap();
        let forged = SignedCheckpoint::sign(forged, &[&log_signer(1)]).unwrap();
        let anchors = Anchors { checkpoints: vec![known, forged], ..log.anchors() };
        check_codes(&archive, &anchors, 1, &[("fork", &format!("known checkpoint of size {size}"))]);
    }
    // The hash tiles answer for records that are not there.
    let partial =
        archive.but(|archive| archive.files.retain(|path, _| !path.starts_with("tile/entries/001")));
    let receipt =
        |hash| Anchors { receipts: vec![Receipt { seq: Position(400), hash, note: None }], ..log.anchors() };
    check_codes(&partial, &receipt(log.hash(400)), 3, &[("records-missing", "tile/entries/001")]);
    let codes = [("receipt-not-honoured", "400"), ("records-missing", "tile/entries/001")];
    check_codes(&partial, &receipt(log.hash(401)), 1, &codes);
}

#[test]
fn cosignatures_bound_the_time_of_recording() {
    let log = Log::of_every_kind(1);
    let seen = |time| {
        let signed = cosigned(checkpoint(&log.records, &log_signer(1)), &[witness(201)], time);
        Memory::of(&log.records, &signed)
    };
    let anchors = Anchors { policy: Some(policy(1)), ..log.anchors() };
    check_codes(&seen(SEEN_S - 60), &anchors, 0, &[]);
    check_codes(&seen(SEEN_S - 61), &anchors, 1, &[("time-against-cosignature", "16")]);
    // The same of an earlier checkpoint that was brought to compare with, for the records it covers.
    let plain = Memory::of(&log.records, &checkpoint(&log.records, &log_signer(1)));
    let earlier = |time| cosigned(checkpoint(&log.records[..9], &log_signer(1)), &[witness(201)], time);
    let anchors_with =
        |time| Anchors { checkpoints: vec![earlier(time)], policy: Some(policy(1)), ..log.anchors() };
    let short = ("quorum-short", "checkpoint");
    check_codes(&plain, &anchors_with(SEEN_S - 8 * 60 - 60), 3, &[short]);
    let late = [("time-against-cosignature", "8"), short];
    check_codes(&plain, &anchors_with(SEEN_S - 8 * 60 - 61), 1, &late);
    // Nobody named the witness: its clock says nothing.
    check_codes(&seen(1), &log.anchors(), 0, &[]);
}

#[test]
fn a_bad_cosignature_of_a_known_witness_is_found() {
    let log = Log::of_every_kind(1);
    let other = checkpoint(&log.records[..9], &log_signer(1));
    let line = witness(201).cosign(other.claim(), SEEN_S).unwrap().to_string();
    let text = checkpoint(&log.records, &log_signer(1)).to_string() + &line;
    let mut archive = Memory::of(&log.records, &checkpoint(&log.records, &log_signer(1)));
    *archive.file("checkpoint") = text.into_bytes();
    let anchors = Anchors { policy: Some(policy(1)), ..log.anchors() };
    check_codes(&archive, &anchors, 1, &[("checkpoint-bad-signature", "checkpoint")]);
}
