//! What somebody who owns the files may try, and what of it shows.

use std::sync::Arc;

use crate::support::{self, Log, check, event_of, relinked, visit};
use chain::{Record, RecordHash};
use verify::{Absence, Anchors, Class, Code, Evidence, KnownHead, Receipt, Report, Verdict};

/// The codes of evidence and absence in a report, each with the position of its first finding.
fn codes(report: &Report) -> Vec<(&'static str, u64)> {
    let mut codes: Vec<(&'static str, u64)> = Vec::new();
    for finding in report.findings.iter().filter(|finding| finding.class() != Class::Conduct) {
        if !codes.iter().any(|(code, _)| *code == finding.code.as_str()) {
            codes.push((finding.code.as_str(), finding.place.seq.map_or(u64::MAX, |seq| seq.0)));
        }
    }
    codes
}

#[test]
fn an_untouched_log_of_every_kind_is_intact_and_every_check_ran() {
    let mut log = Log::of_every_kind(1);
    log.grant_receipts();
    log.change_log_key(7);
    log.say_later_kinds();
    let report = check(&log.records, &log.anchors_with_head());
    assert_eq!(codes(&report), []);
    assert_eq!((report.verdict, report.status()), (Verdict::Intact, 0), "{report}");
    assert_eq!(report.covers.records, 40);
    assert_eq!(report.covers.known_size.0, 40);
    assert_eq!((report.covers.genesis, report.covers.head), (Some(log.genesis), log.chain.head));
    let open = clinical::EventKind::ALL.iter().filter(|kind| kind.is_open());
    assert!(open.clone().all(|kind| report.kinds.contains_key(kind)) && open.count() == report.kinds.len());
    for check in report.checks {
        let due = match check.name {
            // The opening is judged before there is a trial whose rules it could break; the first record has no time
            // before it.
            "conduct" | "times" => 39,
            "genesis" | "log key" | "known heads and receipts" | "data cuts" => 1,
            _ => 40,
        };
        assert_eq!((check.name, check.count), (check.name, due));
        assert!(check.failed == 0 || check.name == "conduct", "{check:?}");
    }
}

#[test]
fn without_a_genesis_the_same_log_is_consistent_and_not_authenticated() {
    let log = Log::running(1);
    let report = check(&log.records, &Anchors::default());
    assert_eq!((report.verdict, report.status()), (Verdict::ConsistentNotAuthenticated, 3));
    assert!(report.sentence().starts_with("Consistent, not authenticated"));
}

#[test]
fn a_flipped_bit_anywhere_is_found_and_named() {
    let log = Log::of_every_kind(1);
    let flips: usize = std::thread::scope(|scope| {
        let log = &log;
        let threads: Vec<_> =
            (0..log.records.len()).map(|index| scope.spawn(move || flip_each_byte(log, index))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    println!("{flips} flips in {} records, all found", log.records.len());
    assert_eq!(flips, log.records.iter().map(|record| record.len()).sum::<usize>());
}

/// Flips a bit of each byte of one record and says how many flips that made.
fn flip_each_byte(log: &Log, index: usize) -> usize {
    // The next record is all it takes: it names the hash of this one. Of the last one the known head does.
    let (end, anchors) = if index + 1 == log.records.len() {
        (index, log.anchors_with_head())
    } else {
        (index + 1, log.anchors())
    };
    for at in 0..log.records[index].len() {
        let mut records = log.records[..=end].to_vec();
        records[index] = flipped(&records[index], at);
        let report = check(&records, &anchors);
        assert_eq!(report.status(), 1, "record {index} byte {at}: {report}");
        let place = report.findings[0].place.seq.unwrap().0;
        assert!(place == index as u64 || place == end as u64, "record {index} byte {at} named at {place}");
    }
    log.records[index].len()
}

#[test]
fn without_a_known_head_only_the_last_time_of_recording_is_held_by_nothing() {
    let log = Log::opened(1);
    let record = &log.records[0];
    let start = std::str::from_utf8(record).unwrap().rfind("\"recorded_at\":\"").unwrap() + 15;
    // The genesis holds the first record whole; so it is taken as if it were not known.
    let unseen: Vec<usize> = (0..record.len())
        .filter(|at| check(&[flipped(record, *at)], &Anchors::default()).count(Class::Evidence) == 0)
        .collect();
    assert!(!unseen.is_empty());
    assert!(unseen.iter().all(|at| (start..start + 27).contains(at)), "{unseen:?}");
}

/// With one bit flipped at one byte; another bit for each byte, so that all eight are met many times over.
fn flipped(record: &[u8], at: usize) -> Arc<[u8]> {
    let mut bytes = record.to_vec();
    bytes[at] ^= 1 << (at % 8);
    bytes.into()
}

#[test]
fn a_dropped_a_doubled_and_a_swapped_record_are_named_once_each() {
    let log = Log::of_every_kind(1);
    let named = |change: fn(&mut Vec<Arc<[u8]>>)| {
        let mut records = log.records.clone();
        change(&mut records);
        codes(&check(&records, &log.anchors()))
    };
    assert_eq!(
        named(|records| drop(records.remove(13))),
        [("position-missing", 14), ("signer-not-entitled", 14)]
    );
    assert_eq!(named(|records| drop(records.remove(16))), []);
    assert_eq!(
        named(|records| records.insert(9, records[8].clone())),
        [("id-repeated", 8), ("position-repeated", 8)]
    );
    assert_eq!(named(|records| records.swap(7, 8)), [("position-missing", 8), ("position-repeated", 7)]);
}

#[test]
fn an_event_altered_and_all_linked_anew_is_found_by_its_signature() {
    let log = Log::of_every_kind(1);
    let text = String::from_utf8(Record::parse(&log.records[7]).unwrap().event.to_vec()).unwrap();
    let altered = text.replace("\"occurred_on\":\"2008-03-10\"", "\"occurred_on\":\"2008-03-09\"");
    assert_ne!(text, altered);
    let records = relinked(&log.records, |parts| parts[7].event = altered.as_bytes());
    let found = codes(&check(&records, &log.anchors()));
    // The records after it name hashes of the old chain where they amend and follow.
    let others = ["admission-contradicted", "amendment-not-of-latest"];
    assert_eq!(found[0], ("bad-signature", 7));
    assert!(found[1..].iter().all(|(code, _)| others.contains(code)), "{found:?}");
}

#[test]
fn an_opening_altered_and_all_linked_anew_has_another_genesis() {
    let log = Log::running(1);
    let text = String::from_utf8(Record::parse(&log.records[0]).unwrap().event.to_vec()).unwrap();
    let altered = text.replace("Synthetic", "Genuine");
    let records = relinked(&log.records, |parts| parts[0].event = altered.as_bytes());
    assert_eq!(codes(&check(&records, &log.anchors())), [("bad-signature", 0), ("genesis-differs", 0)]);
}

#[test]
fn a_record_left_out_and_all_linked_anew_shows_against_a_known_head_or_a_receipt_and_by_nothing_else() {
    let mut log = Log::running(1);
    log.say(&log.investigator.clone(), visit("S1", "2008-03-18"));
    log.say(&log.investigator.clone(), visit("S1", "2008-03-25"));
    let records = relinked(&log.records, |parts| {
        parts.remove(7);
    });
    // No key, link or genesis tells: this is what known heads and receipts are for, and the report says so.
    let report = check(&records, &log.anchors());
    assert_eq!((report.verdict, report.covers.known_size.0), (Verdict::Intact, 0));
    assert!(report.to_string().contains("a tail left out by whoever holds the files cannot show"));

    assert_eq!(codes(&check(&records, &log.anchors_with_head())), [("shorter-than-known", 8)]);
    let earlier = KnownHead { size: chain::TreeSize(8), head: log.hash(7) };
    let anchors = Anchors { known_heads: vec![earlier], ..log.anchors() };
    assert_eq!(codes(&check(&records, &anchors)), [("known-head-differs", 7)]);
    let receipt = Receipt { seq: chain::Position(7), hash: log.hash(7), note: None };
    let anchors = Anchors { receipts: vec![receipt], ..log.anchors() };
    assert_eq!(codes(&check(&records, &anchors)), [("receipt-not-honoured", 7)]);
}

#[test]
fn a_whole_log_written_anew_with_fresh_keys_is_consistent_in_itself_but_has_another_genesis() {
    let (log, forged) = (Log::of_every_kind(1), Log::of_every_kind(100));
    assert_eq!(check(&forged.records, &Anchors::default()).verdict, Verdict::ConsistentNotAuthenticated);
    let report = check(&forged.records, &log.anchors());
    assert_eq!(report.status(), 1);
    assert_eq!(report.found[&Code::from(Evidence::GenesisDiffers)], 1);
    // Every later event is bound to the forged genesis.
    assert_eq!(report.found[&Code::from(Evidence::EventOfAnotherLog)], 16);
}

#[test]
fn an_event_signed_anew_by_a_key_without_the_role_names_another_signer() {
    let mut log = Log::running(1);
    let coordinator = log.coordinator.clone();
    // The coordinator's key under the investigator's name, and as itself for what only a principal investigator signs.
    let name = serde_json::to_value(&log.investigator.actor).unwrap();
    log.say_changed(&coordinator, visit("S1", "2008-03-18"), |event| {
        event["actor"] = name;
    });
    let stranger = support::person("eve", "CN-NJ Hospital", clinical::Role::Investigator, 77);
    let grant = log.grant_statement(&stranger, &["CN-NJ"]);
    log.say(&coordinator, grant);
    log.say(&stranger, visit("S1", "2008-03-19"));
    let report = check(&log.records, &log.anchors());
    assert_eq!(codes(&report), [("actor-not-holder", 7), ("signer-not-entitled", 8)]);
    // The grant had no effect, so what the granted key signed does not hold either.
    assert_eq!(report.found[&Code::from(Evidence::SignerNotEntitled)], 2);
}

#[test]
fn a_grant_with_a_bad_signature_entitles_nobody() {
    let mut log = Log::running(1);
    let stranger = support::person("eve", "CN-NJ Hospital", clinical::Role::Investigator, 77);
    let grant = log.grant_statement(&stranger, &["CN-NJ"]);
    let composed = log.event(&log.principal.clone(), grant);
    log.record(&composed.event, stranger.key.sign_event(&composed.event));
    log.say(&stranger, visit("S1", "2008-03-19"));
    let found = codes(&check(&log.records, &log.anchors()));
    assert_eq!(found, [("bad-signature", 7), ("signer-not-entitled", 8)]);
}

#[test]
fn an_event_taken_from_another_log_is_foreign_even_if_its_people_are_the_same() {
    let mut log = Log::running(1);
    // The same people and keys open another trial's log, whose genesis is another one.
    let mut other = Log::opened(1);
    other.genesis = RecordHash([3; 32]);
    let composed = other.event(&log.investigator.clone(), visit("S1", "2008-03-18"));
    log.record(&composed.event, composed.signature);
    assert_eq!(codes(&check(&log.records, &log.anchors())), [("event-of-another-log", 7)]);
}

#[test]
fn an_event_replayed_under_its_own_id_is_found_at_the_later_place() {
    let mut log = Log::running(1);
    let replayed = log.records[6].clone();
    let replayed = Record::parse(&replayed).unwrap();
    log.say(&log.investigator.clone(), visit("S1", "2008-03-18"));
    log.record(replayed.event, replayed.signature);
    let report = check(&log.records, &log.anchors());
    assert_eq!(codes(&report), [("id-repeated", 8)]);
    assert!(report.findings.iter().any(|finding| finding.detail.ends_with("stands at position 6 already")));
    assert_eq!(event_of(&log.records[8]).id, event_of(&log.records[6]).id);
}

#[test]
fn a_tail_cut_below_a_known_size_is_found_and_above_it_is_not() {
    let log = Log::running(1);
    let at_least = |size: usize| {
        let head = KnownHead { size: chain::TreeSize(size as u64), head: log.hash(size - 1) };
        Anchors { known_heads: vec![head], ..log.anchors() }
    };
    assert_eq!(codes(&check(&log.records[..5], &at_least(6))), [("shorter-than-known", 5)]);
    assert_eq!(codes(&check(&log.records[..6], &at_least(6))), []);
    assert_eq!(codes(&check(&[], &log.anchors())), [("shorter-than-known", 0)]);
}

#[test]
fn one_broken_record_hides_nothing_after_it_and_is_not_reported_as_many() {
    let mut log = Log::running(1);
    for day in 1..=9 {
        log.say(&log.investigator.clone(), visit("S1", &format!("2008-04-0{day}")));
    }
    log.records[5] = b"{}".as_slice().into();
    let mut bytes = log.records[12].to_vec();
    let signature = bytes.len() - 20;
    bytes[signature] = if bytes[signature] == b'A' { b'B' } else { b'A' };
    log.records[12] = bytes.into();
    let report = check(&log.records, &log.anchors());
    // S1's enrollment is gone, which the first visit shows; the altered signature changes its record's hash.
    assert_eq!(
        codes(&report),
        [("record-malformed", 5), ("admission-contradicted", 6), ("broken-link", 6), ("bad-signature", 12),]
    );
    assert_eq!(report.count(Class::Evidence), 5);
}

#[test]
fn a_wild_position_does_not_make_all_that_follow_look_repeated() {
    let mut log = Log::running(1);
    for day in 1..=9 {
        log.say(&log.investigator.clone(), visit("S1", &format!("2008-04-0{day}")));
    }
    let wild = Record { seq: chain::Position(1 << 50), ..Record::parse(&log.records[8]).unwrap() };
    for prev in [wild.prev, RecordHash([1; 32])] {
        let mut records = log.records.clone();
        records[8] = Record { prev, ..wild }.join().into();
        let report = check(&records, &log.anchors());
        assert!(report.count(Class::Evidence) <= 3, "{report}");
        assert_eq!(report.found[&Code::from(Evidence::PositionMissing)], 1);
    }
}

#[test]
fn a_log_without_its_opening_is_broken_and_its_authority_underivable() {
    let log = Log::running(1);
    let report = check(&log.records[1..], &Anchors::default());
    assert_eq!(codes(&report), [("position-missing", 1), ("authority-underivable", u64::MAX)]);
    let mut records = log.records.clone();
    records[0] = b"[]".as_slice().into();
    let report = check(&records, &Anchors::default());
    assert_eq!(report.found[&Code::from(Absence::AuthorityUnderivable)], 1);
    assert_eq!(report.found[&Code::from(Evidence::RecordMalformed)], 1);
}

#[test]
fn a_signed_receipt_counts_only_if_a_receipt_key_of_the_log_has_signed_it() {
    let mut log = Log::running(1);
    log.grant_receipts();
    log.say(&log.investigator.clone(), visit("S1", "2008-03-18"));
    let name = chain::receipt::key_name(log.verifier.name());
    let receipt = |seed: u8, hash: RecordHash| {
        let signer = chain::note::Signer::new(&name, chain::SecretKey::from_bytes(&[seed; 32])).unwrap();
        let signed =
            chain::receipt::SignedReceipts::sign(log.verifier.name(), chain::Position(8), &[hash], &signer)
                .unwrap();
        let path = signed.path(0).unwrap();
        Receipt { seq: chain::Position(8), hash, note: Some(verify::ReceiptNote { note: signed.note, path }) }
    };
    let other = RecordHash([5; 32]);
    let with = |records: &[Arc<[u8]>], receipt: Receipt| {
        let report = check(records, &Anchors { receipts: vec![receipt], ..log.anchors() });
        (codes(&report), report.status(), report.covers.known_size.0)
    };
    // Signed by the key that the log grants: a promise, kept or broken.
    assert_eq!(with(&log.records, receipt(99, log.hash(8))), (vec![], 0, 9));
    assert_eq!(with(&log.records, receipt(99, other)), (vec![("receipt-not-honoured", 8)], 1, 0));
    assert_eq!(with(&log.records[..8], receipt(99, log.hash(8))), (vec![("receipt-not-honoured", 8)], 1, 0));
    // By another: no promise of this registry, whatever stands there. It accuses nobody.
    assert_eq!(with(&log.records, receipt(98, log.hash(8))), (vec![("receipt-unusable", 8)], 3, 0));
    assert_eq!(with(&log.records, receipt(98, other)), (vec![("receipt-unusable", 8)], 3, 0));
    // A note of another record does not vouch for this one.
    let moved = Receipt { hash: log.hash(8), ..receipt(99, other) };
    assert_eq!(with(&log.records, moved), (vec![("receipt-unusable", 8)], 3, 0));
    // Before the key was granted nothing shows whose it is.
    assert_eq!(with(&log.records[..7], receipt(99, log.hash(8))), (vec![("receipt-unusable", 8)], 3, 0));
}
