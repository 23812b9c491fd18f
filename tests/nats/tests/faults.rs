//! Three servers under the load of two writers, while something happens to them: every acknowledged record is in the log
//! exactly once, without a gap, each linked to the one before, on every server.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail like tests")]

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use journal::Journal as _;
use journal_nats::{NatsJournal, ReplicaAudit};
use nats_suite::{Account, Follower, Load, Raw, Servers, nats_server};

const TRIAL: &str = "lupus";
const STREAM: &str = "trialbook-lupus";

/// Acknowledged before and after a fault.
const SOME: usize = 200;

/// One cluster at a time: three servers and two writers are enough for a small machine.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A load on three servers, through `fault`, and what came of it. The servers are all there again at its end.
fn under_load(
    test: &str,
    start: impl Fn(&std::path::Path) -> Servers,
    fault: impl FnOnce(&mut Servers, &Load),
) {
    let Some(program) = nats_server(test) else { return };
    let _alone = alone();
    let mut servers = start(&program);
    let journals = [
        Arc::new(NatsJournal::create(&servers.connect(), TRIAL, 3).unwrap()),
        Arc::new(NatsJournal::open(&servers.connect(), TRIAL, 3).unwrap()),
    ];
    let follower = Follower::start(NatsJournal::open(&servers.connect(), TRIAL, 3).unwrap());
    let load = Load::start(&journals);
    load.await_more(SOME);
    fault(&mut servers, &load);
    load.await_more(SOME);
    let reader = NatsJournal::open(&servers.connect(), TRIAL, 3).unwrap();
    let account = load.end(&reader);
    println!("{test}: {account}");
    check(&account);
    assert_eq!(follower.end(account.records as u64), reader.head(), "who followed saw each record, in order");
    let audits = sound_audit(&reader);
    assert_eq!(audits.len(), 3);
}

fn check(account: &Account) {
    assert_eq!((account.lost, account.doubled), (0, 0), "{account}");
    assert!(account.acknowledged >= SOME && account.records >= account.acknowledged, "{account}");
}

/// Reads the whole log from each server; waits until those that were away have caught up.
fn sound_audit(reader: &NatsJournal) -> Vec<ReplicaAudit> {
    // A server that was cut off was seen to take more than a minute.
    let deadline = Instant::now() + Duration::from_mins(4);
    loop {
        let audits = reader.audit();
        if let Ok(audits) = &audits {
            let is_sound =
                |audit: &ReplicaAudit| audit.faults.is_empty() && audit.records == reader.head().size.0;
            if audits.iter().all(is_sound) {
                return audits.clone();
            }
        }
        assert!(Instant::now() < deadline, "{audits:?}");
        thread::sleep(Duration::from_millis(500));
    }
}

fn leader(servers: &Servers) -> usize {
    let raw = Raw::connect(servers.port(0));
    servers.index_of(&servers.leader(&raw, STREAM))
}

#[test]
fn killing_the_leader_loses_and_doubles_nothing() {
    let test = "killing_the_leader_loses_and_doubles_nothing";
    under_load(
        test,
        |program| Servers::start(program, 3),
        |servers, load| {
            let leader = leader(servers);
            servers.kill(leader);
            load.await_more(SOME);
            servers.start_node(leader);
        },
    );
}

#[test]
fn killing_a_follower_loses_and_doubles_nothing() {
    let test = "killing_a_follower_loses_and_doubles_nothing";
    under_load(
        test,
        |program| Servers::start(program, 3),
        |servers, load| {
            let follower = (leader(servers) + 1) % 3;
            servers.kill(follower);
            load.await_more(SOME);
            servers.start_node(follower);
        },
    );
}

#[test]
fn a_leader_that_stands_still_and_goes_on_loses_and_doubles_nothing() {
    let test = "a_leader_that_stands_still_and_goes_on_loses_and_doubles_nothing";
    under_load(
        test,
        |program| Servers::start(program, 3),
        |servers, load| {
            let leader = leader(servers);
            servers.signal(leader, "STOP");
            load.await_more(SOME);
            servers.signal(leader, "CONT");
        },
    );
}

#[test]
fn killing_and_restarting_all_loses_and_doubles_nothing() {
    let test = "killing_and_restarting_all_loses_and_doubles_nothing";
    under_load(
        test,
        |program| Servers::start(program, 3),
        |servers, _| {
            for index in 0..3 {
                servers.kill(index);
            }
            for index in 0..3 {
                servers.start_node(index);
            }
        },
    );
}

#[test]
fn a_leader_that_is_cut_off_from_the_others_loses_and_doubles_nothing() {
    let test = "a_leader_that_is_cut_off_from_the_others_loses_and_doubles_nothing";
    under_load(test, Servers::start_divisible, |servers, load| {
        let leader = leader(servers);
        servers.isolate(leader);
        // Nearly always the others take over in seconds; that they do is not what is held here.
        let went_on = load.await_more_for(SOME, Duration::from_secs(30));
        servers.rejoin(leader);
        let came_back = load.await_more_for(SOME, Duration::from_secs(30));
        if !came_back {
            // What the operator's guide says to do.
            servers.kill(leader);
            servers.start_node(leader);
        }
        println!("{test}: went on without it: {went_on}, and with it again without a restart: {came_back}");
    });
}
