//! Each write to the archive, failing and failing though it was done, followed by a restart or by another try.

use chain::{Checkpoint, RootHash, SignedCheckpoint, TreeSize};
use journal::Journal as _;
use keep::{Kept, Purpose};

use super::store::{Deceit, Extent, Mode};
use super::{World, refused, signer, step};
use crate::refusal::{Failure, Fault, Refusal, Side};
use crate::sealer::Sealer;

/// Partial tiles, filled ones, two tiles at once; the bundles and tiles of 200 are there in vain.
const SIZES: [u64; 5] = [3, 200, 256, 300, 513];

/// Goes through all sizes from where the sealer is. What fails is tried again.
fn go(world: &World, sealer: &mut Sealer) -> u32 {
    let mut failures = 0;
    for size in SIZES {
        if world.journal.head().size.0 < size {
            world.grow(size);
        }
        while let Err(fault) = step(sealer, size) {
            let Fault::Failed(_) = fault else { panic!("refused: {fault:?}") };
            failures += 1;
            assert!(failures < 3, "one fault was planned: {fault:?}");
        }
    }
    failures
}

fn writes_without_faults() -> u64 {
    let world = World::new(513);
    world.store.heal();
    assert_eq!(go(&world, &mut world.check().unwrap()), 0);
    world.assert_whole(513);
    world.store.heal()
}

#[test]
fn a_crash_at_any_write_leaves_the_last_checkpoint_whole_and_the_next_start_goes_on() {
    let writes = writes_without_faults();
    assert!(writes > 20, "{writes}");
    for mode in [Mode::Failed, Mode::FailedButPersisted] {
        for at in 0..writes {
            let world = World::new(513);
            world.store.plan(at, mode, Extent::ForGood);
            let mut sealer = world.check().unwrap();
            let died = SIZES.into_iter().find(|size| {
                world.grow(*size);
                step(&mut sealer, *size).is_err()
            });
            let died = died.unwrap_or_else(|| panic!("write {at} was never made"));
            drop(sealer);
            world.store.heal();
            if let Some(served) = world.blocking().checkpoint().unwrap() {
                let served = SignedCheckpoint::parse(&served).unwrap();
                assert!(served.claim().size.0 <= died);
                world.assert_whole(served.claim().size.0);
            }

            let mut sealer = world.check().unwrap_or_else(|fault| panic!("{mode:?} at {at}: {fault:?}"));
            assert_eq!(go(&world, &mut sealer), 0, "{mode:?} at {at}");
            world.assert_whole(513);
            // Level 1 has no full tile yet, so that its partial ones stay.
            let edge = ["tile/0/002.p/1", "tile/1/000.p/1", "tile/1/000.p/2", "tile/entries/002.p/1"];
            assert_eq!(world.partials(), edge.map(str::to_owned).into(), "{mode:?} at {at}");
            world.check().unwrap();
        }
    }
}

#[test]
fn a_write_that_fails_once_is_made_again_without_a_restart() {
    let writes = writes_without_faults();
    for mode in [Mode::Failed, Mode::FailedButPersisted] {
        for at in 0..writes {
            let world = World::new(513);
            world.store.plan(at, mode, Extent::Once);
            let failures = go(&world, &mut world.check().unwrap());
            assert_eq!(failures, 1, "{mode:?} at {at}: {:?}", world.store.struck());
            world.assert_whole(513);
            world.check().unwrap();
        }
    }
}

#[test]
fn what_does_not_read_back_as_it_was_written_is_not_signed() {
    let check = |deceit| {
        let world = World::sealed(300, &[10]);
        world.grow(300);
        let mut sealer = world.check().unwrap();
        world.store.deceive(deceit);
        let fault = step(&mut sealer, 300).unwrap_err();
        assert_eq!(world.keep().last(super::ORIGIN, Purpose::Signed).unwrap().unwrap().size, 10);
        assert_eq!(world.served().claim().size, TreeSize(10));
        fault
    };
    let garbled = check(Deceit::Garbled);
    assert!(matches!(garbled, Fault::Refused(Refusal::ReadBack { size: TreeSize(300), .. })), "{garbled:?}");
    // Not there is not wrong: the store may yet come round.
    let lost = check(Deceit::Lost);
    assert!(matches!(lost, Fault::Failed(Failure::Vanished { .. })), "{lost:?}");
}

#[test]
fn sizes_around_full_tiles_are_sealed_and_checked() {
    let world = World::new(65_537);
    let mut sealer = world.check().unwrap();
    for size in [1, 255, 256, 257, 65_535, 65_536, 65_537] {
        world.grow(size);
        step(&mut sealer, size).unwrap();
        world.assert_whole(size);
        sealer = world.check().unwrap();
        assert_eq!(sealer.size(), TreeSize(size));
    }
}

#[test]
fn of_two_notaries_on_one_state_one_wins_each_checkpoint_and_the_other_goes_on_from_it() {
    let world = World::sealed(600, &[10]);
    world.grow(600);
    let (mut first, mut second) = (world.check().unwrap(), world.check().unwrap());
    first.seal(TreeSize(100)).unwrap();
    // The second finds that it was not the last, and takes over what is.
    second.seal(TreeSize(120)).unwrap();
    assert_eq!(second.size(), TreeSize(100));
    assert_eq!(second.signed(), first.signed());
    second.seal(TreeSize(300)).unwrap();
    let ahead = second.signed().unwrap().clone();
    second.publish(&ahead).unwrap();
    // The first, slow to publish, must not put the smaller one in its place.
    let behind = first.signed().unwrap().clone();
    let late = first.publish(&behind);
    assert!(matches!(late, Ok(false)), "{late:?}");
    assert_eq!(first.size(), TreeSize(300));
    step(&mut first, 600).unwrap();
    world.assert_whole(600);
    assert_eq!(world.check().unwrap().size(), TreeSize(600));
}

#[test]
fn what_another_notary_has_kept_is_not_gone_on_from_if_the_journal_says_otherwise() {
    for size in [15, 30] {
        let world = World::sealed(20, &[10]);
        world.grow(20);
        let mut sealer = world.check().unwrap();
        let (keep, theirs) = (world.keep(), RootHash([7; 32]));
        let last = keep.last(super::ORIGIN, Purpose::Signed).unwrap().unwrap();
        let note = Checkpoint::new(super::ORIGIN, TreeSize(size), theirs).unwrap();
        let note = SignedCheckpoint::sign(note, &[&signer(1)]).unwrap().to_string().into_bytes();
        let rival = Kept { size, root: theirs.0, note };
        keep.advance(super::ORIGIN, Purpose::Signed, Some((last.size, last.root)), &rival).unwrap();
        let refusal = refused(step(&mut sealer, 20));
        if size == 30 {
            let (journal, size) = (TreeSize(20), TreeSize(30));
            assert_eq!(refusal, Refusal::JournalShorter { journal, side: Side::Kept, size });
        } else {
            let Refusal::Fork { side: Side::Kept, size: at, theirs: stated, .. } = refusal else {
                panic!("{refusal}")
            };
            assert_eq!((at, stated), (TreeSize(size), theirs));
        }
        assert_eq!(world.served().claim().size, TreeSize(10));
    }
}

#[test]
fn a_state_that_is_taken_back_under_a_running_notary_stops_it() {
    let world = World::sealed(20, &[10]);
    let older = std::fs::read(world.dir.path().join("checkpoints.sqlite")).unwrap();
    let mut sealer = world.check().unwrap();
    world.grow(20);
    step(&mut sealer, 15).unwrap();
    world.restore_state(&older);
    let refusal = refused(step(&mut sealer, 20));
    let expected = Refusal::StateBehind { kept: Some(TreeSize(10)), side: Side::Signed, size: TreeSize(15) };
    assert_eq!(refusal, expected);
    assert_eq!(world.keep().last(super::ORIGIN, Purpose::Signed).unwrap().unwrap().size, 10);
}
