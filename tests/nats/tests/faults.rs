//! Three servers under the load of two writers, while something happens to them: every acknowledged record is in the log
//! exactly once, without a gap, each linked to the one before, on every server.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail like tests")]

use std::cell::OnceCell;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use journal::Journal as _;
use journal_nats::{Cluster, NatsJournal, ReplicaAudit};
use nats_suite::{Account, Follower, Load, Proxy, Raw, Servers, nats_server};

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
fn under_load(test: &str, start: impl Fn(&Path) -> Servers, fault: impl FnOnce(&mut Servers, &Load)) {
    under_load_by(test, start, Servers::connect, fault);
}

/// The same; the two writers, and one who follows them, reach the servers by `connect`.
fn under_load_by(
    test: &str,
    start: impl Fn(&Path) -> Servers,
    connect: impl Fn(&Servers) -> Arc<Cluster>,
    fault: impl FnOnce(&mut Servers, &Load),
) {
    let Some(program) = nats_server(test) else { return };
    let _alone = alone();
    let mut servers = start(&program);
    drop(NatsJournal::create(&servers.connect(), TRIAL, 3).unwrap());
    let open = || NatsJournal::open(&connect(&servers), TRIAL, 3).unwrap();
    let journals = [Arc::new(open()), Arc::new(open())];
    let follower = Follower::start(open());
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

/// Whether a server comes to have what the others have within `time`.
fn catches_up(servers: &Servers, index: usize, time: Duration) -> bool {
    let reader = NatsJournal::open(&servers.connect(), TRIAL, 3).unwrap();
    let deadline = Instant::now() + time;
    let is_it = |audit: &ReplicaAudit| servers.index_of(&audit.server) == index && audit.faults.is_empty();
    while Instant::now() < deadline {
        if reader.audit().is_ok_and(|audits| audits.iter().any(is_it)) {
            return true;
        }
        thread::sleep(Duration::from_millis(500));
    }
    false
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
fn a_follower_that_stands_still_and_goes_on_loses_and_doubles_nothing() {
    let test = "a_follower_that_stands_still_and_goes_on_loses_and_doubles_nothing";
    under_load(
        test,
        |program| Servers::start(program, 3),
        |servers, load| {
            let follower = (leader(servers) + 1) % 3;
            servers.signal(follower, "STOP");
            load.await_more(SOME);
            servers.signal(follower, "CONT");
        },
    );
}

/// A way to each server.
fn proxies(servers: &Servers) -> Vec<Proxy> {
    (0..servers.count()).map(|index| Proxy::to(servers.port(index))).collect()
}

/// A connection by these ways alone.
fn connect_by(proxies: &[Proxy]) -> Arc<Cluster> {
    let ports: Vec<u16> = proxies.iter().map(Proxy::port).collect();
    Cluster::connect(&Servers::options_by(&ports)).unwrap()
}

#[test]
fn writers_that_are_cut_off_from_all_servers_lose_and_double_nothing() {
    let test = "writers_that_are_cut_off_from_all_servers_lose_and_double_nothing";
    let ways = OnceCell::new();
    under_load_by(
        test,
        |program| Servers::start(program, 3),
        |servers| connect_by(ways.get_or_init(|| proxies(servers))),
        |_, load| {
            let ways = ways.get().expect("the writers have come by them");
            // First they are told that their connections are over, then they have to find out.
            for sever in [Proxy::cut, Proxy::hold] {
                ways.iter().for_each(sever);
                load.await_still(Duration::from_secs(8));
                ways.iter().for_each(Proxy::pass);
                load.await_more(SOME);
            }
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
    let ways = OnceCell::new();
    under_load_by(
        test,
        Servers::start_divisible,
        |servers| {
            let ways = ways.get_or_init(|| proxies(servers));
            // All of them by the leader, which goes on answering them when it is cut off.
            let leader = leader(servers);
            let others = || ways.iter().enumerate().filter(|(index, _)| *index != leader);
            others().for_each(|(_, way)| way.cut());
            let cluster = connect_by(ways);
            others().for_each(|(_, way)| way.pass());
            cluster
        },
        |servers, load| {
            let leader = leader(servers);
            servers.isolate(leader);
            // What was on its way was acknowledged before it was cut off, and counts for nothing.
            thread::sleep(Duration::from_secs(1));
            load.await_more(SOME);
            servers.rejoin(leader);
            load.await_more(SOME);
            // Nearly always it catches up within seconds, but more than two minutes were seen.
            let caught_up = catches_up(servers, leader, Duration::from_secs(30));
            if !caught_up {
                // What the operator's guide says to do.
                servers.kill(leader);
                servers.start_node(leader);
            }
            println!("{test}: caught up without a restart: {caught_up}");
        },
    );
}
