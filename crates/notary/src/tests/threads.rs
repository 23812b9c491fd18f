//! The running notary: when it seals, and how it ends.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::sync::Arc;
use std::time::Duration;

use archive::Archive;
use chain::{Instant, TreeSize};
use journal::Journal as _;

use super::store::{Extent, Mode};
use super::{Keys, ORIGIN, World, signer};
use crate::{
    ArchiveFault, NotaryHandle, Parts, Phase, Refusal, Settings, Side, StartError, Stop, WaitError,
    WitnessClient, start,
};

/// Far longer than anything here takes.
pub(crate) const LONG: Duration = Duration::from_mins(1);

pub(crate) fn parts(world: &World) -> Parts {
    Parts {
        journal: world.journal.clone(),
        archive: world.archive(),
        checkpoints: world.keep(),
        keys: Keys::one(1),
        clock: Arc::new(|| Instant::from_microseconds(1_000_000).unwrap()),
        witnesses: Vec::new(),
        policy: None,
        settings: Settings { interval: Duration::ZERO, ..Settings::default() },
    }
}

fn run(world: &World) -> NotaryHandle {
    start(parts(world)).unwrap()
}

#[test]
fn what_becomes_durable_is_sealed_and_shown() {
    let world = World::new(700);
    let notary = run(&world);
    let watch = notary.watch();
    for size in [1, 2, 255, 256, 257, 700] {
        world.grow(size);
        let sealed = watch.wait_sealed(TreeSize(size), LONG).unwrap();
        assert_eq!(sealed.at, Some(Instant::from_microseconds(1_000_000).unwrap()));
        assert_eq!(world.served().claim().size, sealed.size);
        assert_eq!(watch.checkpoint().unwrap(), world.served());
    }
    let status = notary.stop();
    assert_eq!(status.phase, Phase::Stopped(Stop::Asked));
    assert_eq!((status.signed.unwrap().size, status.lag_records), (TreeSize(700), 0));
    assert_eq!((status.last_error, status.witnessed), (None, None));
    world.assert_whole(700);
    assert_eq!(watch.wait_sealed(TreeSize(701), LONG), Err(WaitError::Stopped(Stop::Asked)));
    assert_eq!(watch.wait_witnessed(TreeSize(1), LONG), Err(WaitError::NoPolicy));
}

#[test]
fn there_is_no_new_checkpoint_without_new_records() {
    let world = World::new(20);
    let notary = run(&world);
    world.grow(10);
    notary.watch().wait_sealed(TreeSize(10), LONG).unwrap();
    let (status, before) = (notary.stop(), world.store.checkpoints());
    assert_eq!(status.signed.unwrap().size, TreeSize(10));
    // A start and an end without records write nothing.
    let status = run(&world).stop();
    assert_eq!(status.signed.unwrap().at, None);
    assert_eq!(world.store.checkpoints(), before);
    let empty = World::new(0);
    let status = run(&empty).stop();
    assert_eq!((status.phase, status.signed), (Phase::Stopped(Stop::Asked), None));
    assert_eq!(empty.store.checkpoints(), [[0; 0]; 0]);
}

#[test]
fn checkpoints_keep_their_distance_and_stopping_seals_the_rest() {
    let world = World::new(300);
    let mut parts = parts(&world);
    parts.settings.interval = Duration::from_hours(1);
    let notary = start(parts).unwrap();
    world.grow(5);
    notary.watch().wait_sealed(TreeSize(5), LONG).unwrap();
    world.grow(300);
    assert_eq!(notary.watch().wait_sealed(TreeSize(6), Duration::from_millis(300)), Err(WaitError::TimedOut));
    assert_eq!(notary.watch().status().lag_records, 295);
    let status = notary.stop();
    assert_eq!(status.signed.unwrap().size, TreeSize(300));
    world.assert_whole(300);
}

#[test]
fn a_notary_that_is_dropped_ends() {
    let world = World::new(5);
    let notary = run(&world);
    let watch = notary.watch();
    drop(notary);
    assert_eq!(watch.wait_stopped(LONG), Ok(Stop::Asked));
}

#[test]
fn a_store_that_fails_for_a_while_delays_and_is_told() {
    let world = World::new(300);
    world.store.plan(0, Mode::Failed, Extent::ForGood);
    let notary = run(&world);
    world.grow(300);
    let watch = notary.watch();
    let told = (0..600).find_map(|_| {
        std::thread::sleep(Duration::from_millis(10));
        watch.status().last_error
    });
    // The check reads the archive's checkpoint, and nothing was written yet: the first write kills the store.
    assert!(told.unwrap().ends_with("injected fault"), "the cause is told");
    assert_eq!(watch.status().signed, None);
    world.store.heal();
    watch.wait_sealed(TreeSize(300), LONG).unwrap();
    assert_eq!(notary.stop().last_error, None);
    world.assert_whole(300);
}

#[test]
fn files_that_cannot_be_removed_are_told_and_delay_nothing() {
    let world = World::new(600);
    world.store.keep_all();
    let notary = run(&world);
    for size in [10, 300, 600] {
        world.grow(size);
        notary.watch().wait_sealed(TreeSize(size), LONG).unwrap();
    }
    let status = notary.stop();
    assert_eq!(status.phase, Phase::Stopped(Stop::Asked));
    assert!(status.last_error.unwrap().starts_with("removing tile/"));
    world.assert_whole(600);
    assert!(world.partials().contains("tile/0/000.p/10"));
    world.store.heal();
    assert_eq!(run(&world).stop().last_error, None);
    assert!(!world.partials().contains("tile/0/000.p/10"));
}

#[test]
fn a_directory_is_sealed_to_swept_and_checked() {
    let world = World::new(600);
    let place = world.dir.path().join("archive");
    let run = || start(Parts { archive: Archive::local(&place).unwrap(), ..parts(&world) }).unwrap();
    world.grow(300);
    assert_eq!(run().stop().signed.unwrap().size, TreeSize(300));
    let left = place.join("tile/0/001#1");
    File::create(&left).unwrap();
    world.grow(600);
    assert_eq!(run().stop().signed.unwrap().size, TreeSize(600));
    assert!(!left.exists());

    let path = "tile/entries/000";
    let mut bundle = File::options().read(true).write(true).open(place.join(path)).unwrap();
    let mut byte = [0];
    bundle.seek(SeekFrom::Start(9_000)).unwrap();
    bundle.read_exact(&mut byte).unwrap();
    bundle.seek(SeekFrom::Start(9_000)).unwrap();
    bundle.write_all(&[byte[0] ^ 1]).unwrap();
    let refusal = Refusal::Archive { path: path.parse().unwrap(), fault: ArchiveFault::Different };
    assert_eq!(
        refusal.to_string(),
        "tile/entries/000 in the archive differs from what the journal's records make up"
    );
    assert_eq!(run().watch().wait_stopped(LONG), Ok(Stop::Refused(refusal)));
}

#[test]
fn a_refusal_ends_the_notary_with_its_reason_and_nothing_is_signed() {
    let world = World::sealed(20, &[10]);
    std::fs::remove_file(world.dir.path().join("checkpoints.sqlite")).unwrap();
    world.grow(20);
    let before = world.store.checkpoints();
    let watch = run(&world).watch();
    let refusal = Refusal::StateBehind { kept: None, side: Side::Archive, size: TreeSize(10) };
    let stop = Stop::Refused(refusal);
    assert_eq!(watch.wait_sealed(TreeSize(20), LONG), Err(WaitError::Stopped(stop.clone())));
    assert_eq!(watch.status().phase, Phase::Stopped(stop));
    assert_eq!(world.store.checkpoints(), before);
    assert_eq!(world.keep().last(ORIGIN, keep::Purpose::Signed).unwrap(), None);
}

#[test]
fn two_running_notaries_on_one_state_seal_one_history() {
    let world = World::new(2_000);
    let (first, second) = (run(&world), run(&world));
    for size in (40..=2_000).step_by(40) {
        world.grow(size);
        first.watch().wait_sealed(TreeSize(size), LONG).unwrap();
    }
    for notary in [&first, &second] {
        let sealed = notary.watch().wait_sealed(TreeSize(2_000), LONG);
        assert!(sealed.is_ok(), "{:?}", notary.watch().status());
    }
    assert_eq!(first.stop().phase, Phase::Stopped(Stop::Asked));
    assert_eq!(second.stop().phase, Phase::Stopped(Stop::Asked));
    world.assert_whole(2_000);
    assert_eq!(world.journal.head().size, TreeSize(2_000));
}

#[test]
fn nothing_is_signed_without_a_key_that_is_due_and_a_lost_one_is_passed_over_once_it_is_revoked() {
    let world = World::sealed(400, &[200]);
    // The second key is due from 201 records on; the first, which is lost, is revoked by record 259.
    let keys = |here: &[u8]| Arc::new(Keys(vec![(1, 0, 260), (2, 201, u64::MAX)], here.to_vec()));
    let notary = start(Parts { keys: keys(&[1]), ..parts(&world) }).unwrap();
    world.grow(201);
    let status = notary.stop();
    assert_eq!(status.signed.unwrap().size, TreeSize(200));
    let error = status.last_error.unwrap();
    assert!(error.contains("is not here, with which a checkpoint over 201 records"), "{error}");

    let notary = start(Parts { keys: keys(&[2]), ..parts(&world) }).unwrap();
    world.grow(259);
    let begun = std::time::Instant::now();
    while notary.watch().status().last_error.is_none() {
        assert!(begun.elapsed() < LONG, "{:?}", notary.watch().status());
        std::thread::yield_now();
    }
    // The end of the tile at 256 asks for both keys: it is passed over.
    world.grow(260);
    notary.watch().wait_sealed(TreeSize(260), LONG).unwrap();
    assert!(world.served().verify(&[signer(2).verifier_key()], &[]).is_ok());
    assert!(world.served().verify(&[signer(1).verifier_key()], &[]).is_err());
    assert_eq!(notary.stop().phase, Phase::Stopped(Stop::Asked));
    world.assert_whole(260);
}

#[test]
fn what_cannot_work_is_not_started() {
    let world = World::new(0);
    let unknown: Box<dyn WitnessClient> = Box::new(super::witnesses::Witness::new("nobody", 9));
    let unknown = start(Parts { witnesses: vec![unknown], ..parts(&world) }).err();
    assert!(matches!(unknown, Some(StartError::UnknownWitness { name }) if name == "nobody"));
}
