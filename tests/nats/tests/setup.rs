//! What is refused before anything is written: streams that could lose records, servers that sync later, and what
//! others have put on a log's subject.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail like tests")]

use std::time::Duration;

use chain::{Position, TreeSize};
use journal::conformance::batch;
use journal::{AppendError, Head, Journal, ReadError};
use journal_nats::{Cluster, Durability, NatsJournal, OpenError, Options, ProbeError, ProofError};
use nats_suite::{Raw, Servers, nats_server};
use serde_json::{Value, json};

/// A stream as the journal makes it, but for `change`.
fn make_stream(raw: &Raw, trial: &str, change: &Value) {
    let mut config = json!({
        "name": format!("trialbook-{trial}"), "subjects": [format!("trialbook.{trial}.log")],
        "storage": "file", "retention": "limits", "num_replicas": 1, "discard": "new", "deny_delete": true,
        "deny_purge": true, "allow_atomic": true, "allow_direct": true, "max_age": 0, "max_msgs": -1,
        "max_bytes": -1, "max_msgs_per_subject": -1, "max_msg_size": -1, "max_consumers": -1,
    });
    for (name, value) in change.as_object().unwrap() {
        config[name] = value.clone();
    }
    let made = raw.ask(&format!("$JS.API.STREAM.CREATE.trialbook-{trial}"), &config);
    assert_eq!(made.get("error"), None, "{made}");
}

#[test]
fn a_stream_that_could_lose_or_change_records_is_refused_and_the_setting_named() {
    let Some(program) =
        nats_server("a_stream_that_could_lose_or_change_records_is_refused_and_the_setting_named")
    else {
        return;
    };
    let servers = Servers::start(&program, 1);
    let (cluster, raw) = (servers.connect(), Raw::connect(servers.port(0)));
    make_stream(&raw, "sound", &json!({}));
    NatsJournal::open(&cluster, "sound", 1).unwrap();
    let changes = [
        json!({ "storage": "memory" }),
        json!({ "discard": "old" }),
        json!({ "deny_delete": false }),
        json!({ "deny_purge": false }),
        json!({ "allow_atomic": false }),
        json!({ "max_age": 3_600_000_000_000_u64 }),
        json!({ "max_msgs": 1_000 }),
        json!({ "max_bytes": 1_000_000 }),
        json!({ "max_msgs_per_subject": 5 }),
        json!({ "allow_msg_ttl": true }),
        json!({ "republish": { "src": "trialbook.>", "dest": "copy.>" } }),
        json!({ "subject_transform": { "src": ">", "dest": "other.>" } }),
        json!({ "persist_mode": "async", "allow_atomic": false }),
    ];
    for (index, change) in changes.iter().enumerate() {
        let trial = format!("weak-{index}");
        make_stream(&raw, &trial, change);
        let error = NatsJournal::open(&cluster, &trial, 1).unwrap_err();
        let OpenError::Weaker { stream, differences } = &error else { panic!("{change}: {error}") };
        assert_eq!(stream, &format!("trialbook-{trial}"));
        let named: Vec<&str> = differences.iter().map(|difference| &*difference.field).collect();
        let changed: Vec<&str> = change.as_object().unwrap().keys().map(String::as_str).collect();
        assert!(changed.iter().all(|field| named.contains(field)), "{change}: {error}");
    }
    let subjects = json!({ "subjects": ["trialbook.wide.log", "trialbook.wide.submit.>"] });
    make_stream(&raw, "wide", &subjects);
    let error = NatsJournal::open(&cluster, "wide", 1).unwrap_err();
    assert!(
        matches!(&error, OpenError::Weaker { differences, .. } if differences[0].field == "subjects"),
        "{error}"
    );
    let error = NatsJournal::open(&cluster, "sound", 3).unwrap_err();
    assert!(error.to_string().ends_with("num_replicas is 1, not 3"), "{error}");
}

#[test]
fn a_stream_is_made_once_and_one_that_is_missing_is_not_made_by_opening() {
    let Some(program) = nats_server("a_stream_is_made_once_and_one_that_is_missing_is_not_made_by_opening")
    else {
        return;
    };
    let servers = Servers::start(&program, 1);
    let cluster = servers.connect();
    let missing = NatsJournal::open(&cluster, "lupus", 1).unwrap_err();
    assert!(matches!(missing, OpenError::Missing { .. }), "{missing}");
    NatsJournal::create(&cluster, "lupus", 1).unwrap();
    let exists = NatsJournal::create(&cluster, "lupus", 1).unwrap_err();
    assert!(matches!(exists, OpenError::Exists { .. }), "{exists}");
    for name in ["", "-a", "a.b", "a>", "A", "a b", &"a".repeat(64)] {
        let error = NatsJournal::open(&cluster, name, 1).unwrap_err();
        assert!(matches!(error, OpenError::Name { .. }), "{error}");
    }
}

#[test]
fn nothing_is_written_unless_every_server_shows_that_it_syncs_always() {
    let Some(program) = nats_server("nothing_is_written_unless_every_server_shows_that_it_syncs_always")
    else {
        return;
    };
    let sync = |index: usize| if index == 1 { "sync_interval: 2m" } else { "sync_interval: always" };
    let servers = Servers::start_with(&program, 3, |index| sync(index).to_owned());
    let journal = NatsJournal::create(&servers.connect(), "lupus", 3).unwrap();
    let records = batch(Head::EMPTY, 3);
    let error = journal.append(Head::EMPTY, &records).unwrap_err();
    assert!(matches!(&error, AppendError::Unproven { what } if what.contains("n2")), "{error}");
    assert_eq!(journal.prove().unwrap_err(), ProofError::SyncsLater { server: "n2".into() });
    assert!(matches!(journal.probe().unwrap_err(), ProbeError::Unproven { .. }));
    assert_eq!(journal.head(), Head::EMPTY);
    assert_eq!(journal.durability(), Durability::Proven);

    let blind = Cluster::connect(&Options { system: None, ..servers.options() }).unwrap();
    let blind = NatsJournal::open(&blind, "lupus", 3).unwrap();
    let error = blind.append(Head::EMPTY, &records).unwrap_err();
    assert!(matches!(error, AppendError::Unproven { .. }), "{error}");

    let play = Cluster::connect(&Options { durability: Durability::Play, ..servers.options() }).unwrap();
    let play = NatsJournal::open(&play, "lupus", 3).unwrap();
    assert_eq!(play.durability(), Durability::Play);
    let head = play.append(Head::EMPTY, &records).unwrap();
    // What was written for play can be read; more is not written by one that wants proof.
    assert_eq!(journal.wait(TreeSize(0), Duration::from_secs(30)), head);
    assert_eq!(journal.read(Position(0), usize::MAX).unwrap(), records);
    let error = journal.append(head, &batch(head, 1)).unwrap_err();
    assert!(matches!(error, AppendError::Unproven { .. }), "{error}");
}

#[test]
fn a_stream_made_weaker_while_it_is_used_takes_no_more_writes() {
    let Some(program) = nats_server("a_stream_made_weaker_while_it_is_used_takes_no_more_writes") else {
        return;
    };
    let servers = Servers::start(&program, 1);
    let (cluster, raw) = (servers.connect(), Raw::connect(servers.port(0)));
    let journal = NatsJournal::create(&cluster, "lupus", 1).unwrap();
    let head = journal.append(Head::EMPTY, &batch(Head::EMPTY, 1)).unwrap();
    journal.probe().unwrap();
    let info = raw.ask("$JS.API.STREAM.INFO.trialbook-lupus", &json!({}));
    let mut config = info["config"].clone();
    config["max_age"] = json!(3_600_000_000_000_u64);
    let changed = raw.ask("$JS.API.STREAM.UPDATE.trialbook-lupus", &config);
    assert_eq!(changed.get("error"), None, "{changed}");
    while journal.health().trouble.is_none() {
        std::thread::sleep(Duration::from_millis(20));
    }
    let error = journal.append(head, &batch(head, 1)).unwrap_err();
    assert!(matches!(&error, AppendError::Unproven { what } if what.contains("max_age")), "{error}");
    assert!(matches!(journal.probe().unwrap_err(), ProbeError::Unproven { .. }));
}

#[test]
fn a_foreign_message_on_the_logs_subject_is_damage_with_its_place_and_nothing_follows_it() {
    let Some(program) =
        nats_server("a_foreign_message_on_the_logs_subject_is_damage_with_its_place_and_nothing_follows_it")
    else {
        return;
    };
    let servers = Servers::start(&program, 1);
    let (cluster, raw) = (servers.connect(), Raw::connect(servers.port(0)));
    for (trial, headers) in [("none", &[][..]), ("wrong", &[("Trialbook-Position", "7")][..])] {
        let journal = NatsJournal::create(&cluster, trial, 1).unwrap();
        let records = batch(Head::EMPTY, 3);
        let head = journal.append(Head::EMPTY, &records).unwrap();
        let stored = raw.publish(&format!("trialbook.{trial}.log"), headers, b"hello");
        assert_eq!(stored["seq"], 4, "{stored}");
        while journal.health().trouble.is_none() {
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(journal.head(), head, "what was good stays readable, and no more is shown");
        assert_eq!(journal.read(Position(0), usize::MAX).unwrap(), records);
        let error = journal.append(head, &batch(head, 1)).unwrap_err();
        assert!(error.to_string().contains("sequence 4"), "{error}");

        let error = NatsJournal::open(&cluster, trial, 1).unwrap_err();
        let OpenError::Read(ReadError::Damaged { seq, place, .. }) = &error else { panic!("{error}") };
        assert_eq!((*seq, place.as_str()), (Position(3), &*format!("stream trialbook-{trial}, sequence 4")));
    }
}
