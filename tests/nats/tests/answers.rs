//! Writers whose connection fails at the worst moment: the answer to a batch is lost, the batch itself, or everything for
//! a while; and one that another writer overtakes meanwhile.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail like tests")]

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use chain::{LinkedRecord, Position, RecordHash};
use journal::conformance::batch;
use journal::{AppendError, Head, Journal};
use journal_nats::{Cluster, NatsJournal, Options, ProbeError};
use nats_suite::{Load, Proxy, Servers, nats_server};

const TRIAL: &str = "lupus";

/// A journal behind a proxy, and one that reaches the server directly.
struct World {
    cut_off: Arc<NatsJournal>,
    direct: Arc<NatsJournal>,
    proxy: Proxy,
    /// Last: the others have connections to it.
    servers: Servers,
}

fn world(test: &str, settle_within: Duration) -> Option<World> {
    let servers = Servers::start(&nats_server(test)?, 1);
    let direct = Arc::new(NatsJournal::create(&servers.connect(), TRIAL, 1).unwrap());
    let proxy = Proxy::to(servers.port(0));
    let options = Options { settle_within, ..Servers::options_by(&[proxy.port()]) };
    let behind = Cluster::connect(&options).unwrap();
    let cut_off = Arc::new(NatsJournal::open(&behind, TRIAL, 1).unwrap());
    Some(World { cut_off, direct, proxy, servers })
}

impl World {
    /// Appends through the proxy; answers the records and the thread that waits for their acknowledgement.
    fn append_through(
        &self,
        count: u64,
    ) -> (Vec<LinkedRecord>, thread::JoinHandle<Result<Head, AppendError>>) {
        let head = self.cut_off.head();
        let records = batch(head, count);
        let (journal, sent) = (Arc::clone(&self.cut_off), records.clone());
        (records, thread::spawn(move || journal.append(head, &sent)))
    }

    /// Appends through the proxy without harm: the proof is fetched by then.
    fn warm_up(&self) -> Vec<LinkedRecord> {
        let (records, append) = self.append_through(5);
        append.join().unwrap().unwrap();
        self.direct.wait(chain::TreeSize(4), Duration::from_secs(30));
        records
    }

    /// What a process finds that opens the log now: position and hash of each record.
    fn log(&self) -> Vec<(Position, RecordHash)> {
        let journal = NatsJournal::open(&self.servers.connect(), TRIAL, 1).unwrap();
        summary(&journal.read(Position(0), usize::MAX).unwrap())
    }
}

/// Short enough to be printed when it is not what it should be.
fn summary(records: &[LinkedRecord]) -> Vec<(Position, RecordHash)> {
    records.iter().map(|record| (record.seq, record.hash)).collect()
}

#[test]
fn a_batch_whose_answer_was_lost_is_acknowledged_and_stored_once() {
    let test = "a_batch_whose_answer_was_lost_is_acknowledged_and_stored_once";
    for count in [1, 40] {
        let Some(world) = world(test, Duration::from_secs(30)) else { return };
        let mut records = world.warm_up();
        let before = world.direct.head();
        world.proxy.lose_answers();
        let (more, append) = world.append_through(count);
        let stored = world.direct.wait(before.size, Duration::from_secs(30));
        assert_eq!(stored.size.0, before.size.0 + count, "the batch has arrived");
        world.proxy.pass();
        let head = append.join().unwrap().unwrap();
        records.extend(more);
        assert_eq!(head, Head::EMPTY.after(&records));
        assert_eq!(world.log(), summary(&records));
    }
}

#[test]
fn a_batch_that_was_lost_on_its_way_is_stored_once() {
    let Some(world) = world("a_batch_that_was_lost_on_its_way_is_stored_once", Duration::from_secs(30))
    else {
        return;
    };
    let mut records = world.warm_up();
    world.proxy.cut();
    let (more, append) = world.append_through(40);
    thread::sleep(Duration::from_millis(300));
    assert_eq!(world.log(), summary(&records), "nothing has arrived");
    world.proxy.pass();
    append.join().unwrap().unwrap();
    records.extend(more);
    assert_eq!(world.log(), summary(&records));
}

#[test]
fn a_batch_that_another_writer_overtakes_while_its_answer_is_open_is_a_conflict() {
    let test = "a_batch_that_another_writer_overtakes_while_its_answer_is_open_is_a_conflict";
    let Some(world) = world(test, Duration::from_secs(30)) else { return };
    let mut records = world.warm_up();
    let head = world.direct.head();
    world.proxy.hold();
    let (_, append) = world.append_through(3);
    thread::sleep(Duration::from_millis(300));
    let others: Vec<_> =
        (0..3).map(|index| LinkedRecord::new(Position(head.size.0 + index), vec![7; 50])).collect();
    let ahead = world.direct.append(head, &others).unwrap();
    world.proxy.cut();
    world.proxy.pass();
    let error = append.join().unwrap().unwrap_err();
    assert!(
        matches!(error, AppendError::PositionConflict { expected, actual } if expected == head && actual == ahead),
        "{error}"
    );
    records.extend(others);
    assert_eq!(world.log(), summary(&records));
}

#[test]
fn a_batch_without_an_answer_is_settled_before_another_is_written() {
    let test = "a_batch_without_an_answer_is_settled_before_another_is_written";
    let Some(world) = world(test, Duration::from_secs(4)) else { return };
    let mut records = world.warm_up();
    let head = world.cut_off.head();
    world.proxy.lose_answers();
    let (doubtful, append) = world.append_through(3);
    let error = append.join().unwrap().unwrap_err();
    assert!(matches!(error, AppendError::OutcomeUnknown { .. }), "{error}");
    world.proxy.pass();
    // Something else at the same place: it would fork the log if the first were forgotten.
    let other: Vec<_> = vec![LinkedRecord::new(head.size.next_position(), vec![7; 50])];
    let settled = loop {
        match world.cut_off.append(head, &other) {
            Err(AppendError::PositionConflict { actual, .. }) => break actual,
            Err(error) => assert!(error.is_retryable(), "{error}"),
            Ok(_) => panic!("two batches were given one place"),
        }
    };
    records.extend(doubtful);
    assert_eq!(settled, Head::EMPTY.after(&records));
    assert_eq!(world.log(), summary(&records));
    world.cut_off.probe().unwrap();
}

#[test]
fn a_probe_fails_while_a_batch_is_in_doubt_or_the_server_is_out_of_reach() {
    let test = "a_probe_fails_while_a_batch_is_in_doubt_or_the_server_is_out_of_reach";
    let Some(world) = world(test, Duration::from_secs(2)) else { return };
    world.warm_up();
    world.cut_off.probe().unwrap();
    let before = world.log();
    world.proxy.cut();
    assert!(matches!(
        world.cut_off.probe().unwrap_err(),
        ProbeError::Api(_) | ProbeError::Unproven { .. } | ProbeError::Doubt
    ));
    let (_, append) = world.append_through(2);
    append.join().unwrap().unwrap_err();
    world.proxy.pass();
    assert_eq!(world.log(), before, "a probe writes nothing");
}

#[test]
fn a_writer_that_is_cut_off_for_a_while_goes_on_and_nothing_is_lost_or_doubled() {
    let test = "a_writer_that_is_cut_off_for_a_while_goes_on_and_nothing_is_lost_or_doubled";
    let Some(world) = world(test, Duration::from_secs(30)) else { return };
    let load = Load::start(&[Arc::clone(&world.cut_off), Arc::clone(&world.direct)]);
    load.await_more(100);
    for harm in [Proxy::cut, Proxy::hold, Proxy::lose_answers] {
        harm(&world.proxy);
        load.await_more(200);
        world.proxy.pass();
        load.await_more(200);
    }
    let reader = NatsJournal::open(&world.servers.connect(), TRIAL, 1).unwrap();
    let account = load.end(&reader);
    println!("{test}: {account}");
    assert_eq!((account.lost, account.doubled), (0, 0), "{account}");
}
