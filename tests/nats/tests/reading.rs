//! Reading a long log in a row, as who makes a read model anew does: through a consumer on one of the servers, whatever
//! becomes of it in between.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail like tests")]

use std::thread;
use std::time::{Duration, Instant};

use chain::{LinkedRecord, Position};
use journal::conformance::batch;
use journal::{Head, Journal as _, ReadError};
use journal_nats::{Cluster, NatsJournal};
use nats_suite::{Proxy, Raw, Servers, nats_server};
use serde_json::json;

const TRIAL: &str = "lupus";
const STREAM: &str = "trialbook-lupus";

/// Long enough to be read through a consumer.
const RECORDS: u64 = 12_000;

/// What a reader asks for at a time.
const PIECE_BYTES: usize = 128 << 10;

/// Appends `RECORDS`.
fn fill(journal: &NatsJournal) -> Vec<LinkedRecord> {
    let mut head = Head::EMPTY;
    let mut appended = Vec::new();
    while head.size.0 < RECORDS {
        let records = batch(head, 1_000);
        head = journal.append(head, &records).unwrap();
        appended.extend(records);
    }
    appended
}

/// Reads piece by piece, calling `meanwhile` with the number of records read after each.
fn read(
    journal: &NatsJournal,
    mut meanwhile: impl FnMut(usize),
) -> (Vec<LinkedRecord>, Result<(), ReadError>) {
    let mut records: Vec<LinkedRecord> = Vec::new();
    loop {
        match journal.read(Position(records.len() as u64), PIECE_BYTES) {
            Ok(more) if more.is_empty() => return (records, Ok(())),
            Ok(more) => records.extend(more),
            Err(error) => return (records, Err(error)),
        }
        meanwhile(records.len());
    }
}

/// The consumers that the stream has.
fn consumers(raw: &Raw) -> Vec<String> {
    let answer = raw.ask(&format!("$JS.API.CONSUMER.NAMES.{STREAM}"), &json!({}));
    let names = answer["consumers"].as_array().cloned().unwrap_or_default();
    names.iter().map(|name| name.as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_long_log_is_read_through_one_consumer_that_is_gone_at_the_end() {
    let test = "a_long_log_is_read_through_one_consumer_that_is_gone_at_the_end";
    let Some(program) = nats_server(test) else { return };
    for replicas in [1, 3] {
        let servers = Servers::start(&program, replicas);
        let journal = NatsJournal::create(&servers.connect(), TRIAL, replicas).unwrap();
        let appended = fill(&journal);
        let raw = Raw::connect(servers.port(0));
        // A machine that stands still for a while makes a reader do without one: whoever opens the log again tries again.
        let is_seen = (0..10).any(|_| {
            let journal = NatsJournal::open(&servers.connect(), TRIAL, replicas).unwrap();
            let mut seen = Vec::new();
            let (records, end) = read(&journal, |count| {
                if (count as u64) < RECORDS {
                    seen.extend(consumers(&raw));
                }
            });
            end.unwrap();
            assert!(records == appended);
            seen.sort();
            seen.dedup();
            assert!(seen.len() <= 1, "{seen:?}");
            !seen.is_empty()
        });
        assert!(is_seen, "none of ten readers had a consumer");
        let deadline = Instant::now() + Duration::from_mins(2);
        while !consumers(&raw).is_empty() {
            assert!(Instant::now() < deadline, "the consumer does not end");
            thread::sleep(Duration::from_millis(50));
        }
    }
}

#[test]
fn several_readers_of_one_journal_do_not_take_each_others_records() {
    let test = "several_readers_of_one_journal_do_not_take_each_others_records";
    let Some(program) = nats_server(test) else { return };
    let servers = Servers::start(&program, 1);
    let journal = NatsJournal::create(&servers.connect(), TRIAL, 1).unwrap();
    let appended = fill(&journal);
    thread::scope(|scope| {
        let readers: Vec<_> = (0..6).map(|_| scope.spawn(|| read(&journal, |_| ()))).collect();
        for reader in readers {
            let (records, end) = reader.join().unwrap();
            end.unwrap();
            assert!(records == appended);
        }
    });
}

#[test]
fn a_consumer_that_somebody_deletes_leaves_no_gap() {
    let test = "a_consumer_that_somebody_deletes_leaves_no_gap";
    let Some(program) = nats_server(test) else { return };
    let servers = Servers::start(&program, 1);
    let journal = NatsJournal::create(&servers.connect(), TRIAL, 1).unwrap();
    let appended = fill(&journal);
    let raw = Raw::connect(servers.port(0));
    let mut deleted = 0;
    let (records, end) = read(&journal, |count| {
        // Not what is on its way already.
        if deleted == 0 && count > 1_000 {
            for name in consumers(&raw) {
                raw.ask(&format!("$JS.API.CONSUMER.DELETE.{STREAM}.{name}"), &json!({}));
                deleted += 1;
            }
        }
    });
    end.unwrap();
    assert_eq!(deleted, 1);
    assert!(records == appended);
}

#[test]
fn servers_that_are_killed_while_a_log_is_read_leave_no_gap() {
    let test = "servers_that_are_killed_while_a_log_is_read_leave_no_gap";
    let Some(program) = nats_server(test) else { return };
    for replicas in [1, 3] {
        let mut servers = Servers::start(&program, replicas);
        let journal = NatsJournal::create(&servers.connect(), TRIAL, replicas).unwrap();
        let appended = fill(&journal);
        let mut next = 0;
        let (records, end) = read(&journal, |count| {
            // Each once, some thousand records apart.
            if next < replicas && count > 1_000 + 3_000 * next {
                servers.kill(next);
                servers.start_node(next);
                servers.await_usable();
                next += 1;
            }
        });
        end.unwrap();
        assert_eq!(next, replicas);
        assert!(records == appended);
    }
}

#[test]
fn what_is_lost_on_the_way_is_read_again() {
    let test = "what_is_lost_on_the_way_is_read_again";
    let Some(program) = nats_server(test) else { return };
    let servers = Servers::start(&program, 1);
    let appended = fill(&NatsJournal::create(&servers.connect(), TRIAL, 1).unwrap());
    let proxy = Proxy::to(servers.port(0));
    let behind = Cluster::connect(&Servers::options_by(&[proxy.port()])).unwrap();
    let journal = NatsJournal::open(&behind, TRIAL, 1).unwrap();
    let mut is_lost = false;
    let (records, end) = read(&journal, |count| {
        // What the server sends until the connection is noticed to be over is gone.
        if !is_lost && count > 1_000 {
            proxy.lose_answers();
            thread::sleep(Duration::from_millis(100));
            proxy.pass();
            is_lost = true;
        }
    });
    end.unwrap();
    assert!(is_lost);
    assert!(records == appended);
}

#[test]
fn a_foreign_message_far_in_a_log_is_met_with_its_place() {
    let test = "a_foreign_message_far_in_a_log_is_met_with_its_place";
    let Some(program) = nats_server(test) else { return };
    let servers = Servers::start(&program, 1);
    let appended = fill(&NatsJournal::create(&servers.connect(), TRIAL, 1).unwrap());
    let raw = Raw::connect(servers.port(0));
    let subject = journal_nats::log_subject(TRIAL);
    raw.publish(&subject, &[], b"nobody's");
    // Whoever looks only at the end finds nothing wrong.
    let last = (RECORDS + 1).to_string();
    raw.publish(&subject, &[("Trialbook-Position", &last)], b"a record");
    let journal = NatsJournal::open(&servers.connect(), TRIAL, 1).unwrap();
    assert_eq!(journal.head().size.0, RECORDS + 2);
    let (records, end) = read(&journal, |_| ());
    assert!(records == appended[..records.len()]);
    let Err(ReadError::Damaged { seq, place, what }) = end else { panic!("{end:?}") };
    assert_eq!(seq, Position(RECORDS));
    assert_eq!(place, format!("stream {STREAM}, sequence {}", RECORDS + 1));
    assert!(what.contains("no record"), "{what}");
}
