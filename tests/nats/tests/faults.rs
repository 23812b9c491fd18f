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
use nats_suite::{Account, Fault, Follower, Load, Proxy, Raw, Servers, nats_server};

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

/// One of the faults that a whole registry is put to as well.
fn strike(test: &str, fault: Fault) {
    let start = |program: &Path| Servers::start(program, 3);
    under_load(test, start, |servers, load| {
        fault.strike(servers, STREAM, |time| load.await_more_for(SOME, time));
    });
}

#[test]
fn killing_the_leader_loses_and_doubles_nothing() {
    strike("killing_the_leader_loses_and_doubles_nothing", Fault::LeaderKilled);
}

#[test]
fn killing_a_follower_loses_and_doubles_nothing() {
    strike("killing_a_follower_loses_and_doubles_nothing", Fault::FollowerKilled);
}

#[test]
fn a_leader_that_stands_still_and_goes_on_loses_and_doubles_nothing() {
    strike("a_leader_that_stands_still_and_goes_on_loses_and_doubles_nothing", Fault::LeaderStopped);
}

#[test]
fn a_follower_that_stands_still_and_goes_on_loses_and_doubles_nothing() {
    strike("a_follower_that_stands_still_and_goes_on_loses_and_doubles_nothing", Fault::FollowerStopped);
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
    strike("killing_and_restarting_all_loses_and_doubles_nothing", Fault::AllKilled);
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
            let leader = servers.index_of(&servers.leader(&Raw::connect(servers.port(0)), STREAM));
            let others = || ways.iter().enumerate().filter(|(index, _)| *index != leader);
            others().for_each(|(_, way)| way.cut());
            let cluster = connect_by(ways);
            others().for_each(|(_, way)| way.pass());
            cluster
        },
        |servers, load| {
            Fault::LeaderCutOff.strike(servers, STREAM, |time| load.await_more_for(SOME, time));
        },
    );
}
