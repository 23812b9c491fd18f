//! Several registrars on one log: each decides on what all have recorded.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicUsize;
use std::thread;
use std::time::Duration;

use journal::{AppendError, Head, ReadError};

use super::*;

/// A journal to which others append as well, seen by one of them: what others appended may not have come yet.
struct SharedJournal {
    journal: Arc<MemoryJournal>,
    conflicts: AtomicUsize,
}

impl SharedJournal {
    fn of(world: &World) -> Arc<Self> {
        Arc::new(Self { journal: Arc::clone(&world.journal), conflicts: AtomicUsize::new(0) })
    }
}

impl Journal for SharedJournal {
    fn append(&self, expected: Head, records: &[LinkedRecord]) -> Result<Head, AppendError> {
        let appended = self.journal.append(expected, records);
        if matches!(appended, Err(AppendError::PositionConflict { .. })) {
            self.conflicts.fetch_add(1, Ordering::SeqCst);
        }
        appended
    }

    fn read(&self, from: Position, bytes_max: usize) -> Result<Vec<LinkedRecord>, ReadError> {
        self.journal.read(from, bytes_max)
    }

    fn head(&self) -> Head {
        self.journal.head()
    }

    fn wait(&self, size: TreeSize, timeout: Duration) -> Head {
        self.journal.wait(size, timeout)
    }

    fn is_shared(&self) -> bool {
        true
    }
}

/// Another registrar of the world's log, with a read model of its own that never catches up.
fn another(world: &World, journal: &Arc<SharedJournal>) -> Registrar {
    let clock = Arc::clone(&world.clock);
    let clock = Arc::new(move || Instant::from_microseconds(clock.load(Ordering::SeqCst)).unwrap());
    let index = Arc::new(TestIndex::default()) as Arc<dyn Index>;
    let journal = Arc::clone(journal) as Arc<dyn Journal>;
    Registrar::open(journal, index, clock, receipt_keys(), Limits::default()).unwrap()
}

fn submit(registrar: &Registrar, bytes: &[u8]) -> Outcome {
    let prepared = vec![registrar.prepare(bytes).unwrap()];
    registrar.submit_and_wait(prepared).unwrap().remove(0)
}

fn position(outcome: Outcome) -> Position {
    match outcome {
        Outcome::Recorded(receipt) | Outcome::Repeated(receipt) => receipt.seq,
        other => panic!("{other:?}"),
    }
}

#[test]
fn registrars_that_race_for_every_position_record_each_event_once() {
    let mut world = World::open();
    world.enroll("001");
    world.registrar.stop();
    let shared = SharedJournal::of(&world);
    let registrars = [another(&world, &shared), another(&world, &shared), another(&world, &shared)];
    let events: Vec<_> = (0..150).map(|_| world.by_coordinator("visit", "001", visit())).collect();
    // Each event goes to every registrar, to each in another order, and many at a time.
    let answered: Vec<BTreeMap<usize, Position>> = thread::scope(|scope| {
        let threads: Vec<_> = registrars
            .iter()
            .enumerate()
            .map(|(turn, registrar)| {
                let events = &events;
                scope.spawn(move || {
                    let order = (0..events.len()).map(|place| (place * 7 + turn * 50) % events.len());
                    order.map(|event| (event, position(submit(registrar, &events[event])))).collect()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(answered[0], answered[1], "an event has one position, whoever is asked");
    assert_eq!(answered[0], answered[2]);
    assert!(shared.conflicts.load(Ordering::SeqCst) > 0, "nobody met anybody: nothing was tried");
    let records = world.records();
    assert_eq!(records.len(), 5 + events.len());
    let mut chain = chain::Chain::default();
    for linked in &records {
        chain.follow(&Record::parse(&linked.bytes).unwrap(), linked.hash).unwrap();
    }
    for registrar in &registrars {
        registrar.stop();
    }
}

#[test]
fn nobody_is_refused_for_want_of_a_grant_that_another_registrar_has_recorded() {
    let mut world = World::open();
    let shared = SharedJournal::of(&world);
    let other = another(&world, &shared);
    let newcomer = Person::new(7, "co.two", "Hospital", Role::Coordinator);
    let grant = world.grant(&newcomer, &["A"]);
    let pi = Person::new(2, "pi.one", "Hospital", Role::PrincipalInvestigator);
    let grant = world.sign(&pi, "key_granted", None, grant);
    recorded(world.submit_one(&grant));
    let consent = json!({"consent": {"document_version": "1", "language": "en", "signed_on": "2026-11-19"}});
    let enrolled = world.sign(&newcomer, "enrollment", Some("002"), consent);
    recorded(submit(&other, &enrolled));
    // And what the other has recorded is refused here when it is not true any more.
    let revoke = json!({"key": newcomer.secret.public().id(), "reason": "left"});
    let revoke = world.sign(&pi, "key_revoked", None, revoke);
    recorded(submit(&other, &revoke));
    let late = world.sign(&newcomer, "visit", Some("002"), visit());
    assert_eq!(refused(world.submit_one(&late)).0, RefusalCode::KeyRevoked);
}

#[test]
fn a_registrar_that_is_asked_nothing_follows_what_others_record() {
    let mut world = World::open();
    let shared = SharedJournal::of(&world);
    let idle = another(&world, &shared);
    let site = json!({"country": "CN", "name": "Another", "zone": "Asia/Shanghai"});
    let site = world.sign_as_sponsor("site_activated", Some("B"), site);
    recorded(world.submit_one(&site));
    assert_eq!(idle.public().sites.len(), 1);
    idle.follow(world.journal.head().size);
    // What comes after waits for its turn behind it.
    let repeated = submit(&idle, &site);
    assert!(matches!(repeated, Outcome::Repeated(_)), "{repeated:?}");
    assert_eq!(idle.public().sites.len(), 2);
    let conflicts = shared.conflicts.load(Ordering::SeqCst);
    idle.follow(world.journal.head().size);
    idle.stop();
    assert_eq!(shared.conflicts.load(Ordering::SeqCst), conflicts, "it was there already");
}

#[test]
fn what_is_recorded_is_known_again_after_many_records_by_each_in_turn() {
    let mut world = World::open();
    world.enroll("001");
    world.registrar.stop();
    let shared = SharedJournal::of(&world);
    let registrars = [another(&world, &shared), another(&world, &shared)];
    let mut events = Vec::new();
    // Enough for the first to leave its base behind, then one by the other, and so on.
    for round in 0..3 {
        let many: Vec<_> = (0..2_100).map(|_| world.by_coordinator("visit", "001", visit())).collect();
        for registrar in &registrars {
            for bytes in many.chunks(700) {
                let prepared = bytes.iter().map(|bytes| registrar.prepare(bytes).unwrap()).collect();
                let outcomes = registrar.submit_and_wait(prepared).unwrap();
                assert_eq!(outcomes.len(), 700, "round {round}");
            }
        }
        events.extend(many);
    }
    assert_eq!(world.records().len(), 5 + events.len());
    for (place, bytes) in events.iter().enumerate().step_by(97) {
        for registrar in &registrars {
            assert_eq!(position(submit(registrar, bytes)), Position(5 + place as u64));
        }
    }
}

#[test]
fn an_onlooker_knows_what_the_log_says_once_it_has_followed_it() {
    let mut world = World::open();
    let onlooker = crate::Onlooker::open(Arc::clone(&world.journal) as Arc<dyn Journal>).unwrap();
    assert_eq!(onlooker.public().sites.len(), 1);
    let site = json!({"country": "CN", "name": "Another", "zone": "Asia/Shanghai"});
    let site = world.sign_as_sponsor("site_activated", Some("B"), site);
    recorded(world.submit_one(&site));
    assert_eq!(onlooker.public().sites.len(), 1);
    onlooker.follow(world.journal.head().size).unwrap();
    assert_eq!(onlooker.public().sites.len(), 2);
    assert_eq!(onlooker.public().grants.len(), world.registrar.public().grants.len());
}

#[test]
fn an_onlooker_that_meets_a_broken_link_says_so_and_keeps_what_it_knew() {
    let world = World::open();
    let onlooker = crate::Onlooker::open(Arc::clone(&world.journal) as Arc<dyn Journal>).unwrap();
    let mut stranger = World::open();
    stranger.enroll("001");
    stranger.enroll("002");
    // Of another log, whose records end alike.
    let foreign = stranger.records().pop().unwrap();
    let head = world.journal.head();
    let foreign = LinkedRecord::new(head.size.next_position(), foreign.bytes.to_vec());
    world.journal.append(head, &[foreign]).unwrap();
    let error = onlooker.follow(world.journal.head().size).unwrap_err();
    assert!(matches!(error, crate::OpenError::Link(_)), "{error}");
    assert_eq!(onlooker.public().sites.len(), 1);
}

#[test]
fn a_clock_that_differs_from_its_peers_takes_a_registrar_out_of_service_until_it_agrees() {
    let mut world = World::open();
    world.enroll("001");
    let bytes = world.by_coordinator("visit", "001", visit());
    for ahead in [5_000_001, -5_000_001] {
        world.registrar.compare_clock(ahead);
        let outcome = world.submit_one(&bytes);
        assert_eq!(outcome, Outcome::Unready(crate::Unready::ClockDiffers { microseconds: ahead }));
        assert_eq!(world.registrar.clock_differs(), Some(ahead));
    }
    world.registrar.compare_clock(-5_000_000);
    assert_eq!(world.registrar.clock_differs(), None);
    recorded(world.submit_one(&bytes));
}
