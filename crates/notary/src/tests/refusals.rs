//! What the notary signs nothing over, and near neighbours of it.

use std::fs;
use std::sync::Arc;

use chain::tile::{bundles, tiles};
use chain::{Checkpoint, LinkedRecord, Position, RootHash, SignedCheckpoint, TreeSize};
use journal::memory::MemoryJournal;
use journal::{Head, Journal as _, ReadError};
use keep::{Kept, Purpose};
use object_store::path::Path;
use object_store::{ObjectStore as _, PutMode, PutPayload};

use super::{Altered, ORIGIN, World, records_saying, refused, signer, step};
use crate::growth::JournalFault;
use crate::refusal::{ArchiveFault, Fault, Refusal, Side};

/// Puts any bytes anywhere into the store, as only its owner can.
fn overwrite(world: &World, path: &str, bytes: Vec<u8>) {
    let runtime =
        at_once(world.store.put_opts(&Path::from(path), PutPayload::from(bytes), PutMode::Overwrite.into()));
    runtime.unwrap();
}

/// The store in memory never waits: its futures are ready when first asked.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    match future.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
        std::task::Poll::Ready(ready) => ready,
        std::task::Poll::Pending => panic!("the store in memory waits for nothing"),
    }
}

fn delete(world: &World, path: &str) {
    use futures_util::StreamExt as _;
    let one = futures_util::stream::iter([Ok(Path::from(path))]).boxed();
    let deleted = at_once(world.store.delete_stream(one).collect::<Vec<_>>());
    assert!(deleted.iter().all(Result::is_ok), "{deleted:?}");
}

fn checkpoint(size: u64, root: RootHash, seed: u8) -> SignedCheckpoint {
    SignedCheckpoint::sign(Checkpoint::new(ORIGIN, TreeSize(size), root).unwrap(), &[&signer(seed)]).unwrap()
}

fn state_path(world: &World) -> std::path::PathBuf {
    world.dir.path().join("checkpoints.sqlite")
}

#[test]
fn a_flipped_byte_or_a_missing_file_in_the_archive_is_found_and_named() {
    let world = World::sealed(600, &[600]);
    let archive = world.blocking();
    for path in tiles(TreeSize(600)).chain(bundles(TreeSize(600))) {
        let good = archive.get(path).unwrap().unwrap();
        for at in [0, good.len() / 2, good.len() - 1] {
            let mut bad = good.clone();
            bad[at] ^= 1;
            overwrite(&world, &path.to_string(), bad);
            assert_eq!(world.refusal(), Refusal::Archive { path, fault: ArchiveFault::Different });
        }
        overwrite(&world, &path.to_string(), good[..good.len() - 1].to_vec());
        assert_eq!(world.refusal(), Refusal::Archive { path, fault: ArchiveFault::Different });
        delete(&world, &path.to_string());
        assert_eq!(world.refusal(), Refusal::Archive { path, fault: ArchiveFault::Missing });
        overwrite(&world, &path.to_string(), good);
        world.check().unwrap();
    }
}

/// A record's bytes with another event.
fn flip(record: &LinkedRecord) -> Vec<u8> {
    let mut bytes = record.bytes.to_vec();
    bytes[11] ^= 1;
    bytes
}

#[test]
fn a_flipped_byte_in_the_journal_is_found_and_named() {
    let world = World::sealed(600, &[600]);
    let check = |alter| world.check_with(Arc::new(Altered { inner: world.journal.clone(), alter }));
    let refusal = refused(check(|mut records| {
        records[400].bytes = flip(&records[400]).into();
        Ok(records)
    }));
    assert!(matches!(refusal, Refusal::Journal(JournalFault::Hash { seq, .. }) if seq.0 == 400), "{refusal}");
    // With its hash made anew, the next record does not link.
    let refusal = refused(check(|mut records| {
        records[400] = LinkedRecord::new(records[400].seq, flip(&records[400]));
        Ok(records)
    }));
    assert!(matches!(refusal, Refusal::Journal(JournalFault::Link(_))), "{refusal}");
    // The last record is linked by none, but the root holds it.
    let refusal = refused(check(|mut records| {
        records[599] = LinkedRecord::new(records[599].seq, flip(&records[599]));
        Ok(records)
    }));
    assert!(matches!(refusal, Refusal::Fork { side: Side::Kept, .. }), "{refusal}");
    check(Ok).unwrap();
}

#[test]
fn what_the_journal_withholds_or_reports_damaged_is_refused_and_what_it_cannot_read_is_tried_again() {
    let world = World::sealed(20, &[20]);
    let check = |alter| world.check_with(Arc::new(Altered { inner: world.journal.clone(), alter }));
    let seq = Position(0);
    assert_eq!(refused(check(|_| Ok(Vec::new()))), Refusal::Journal(JournalFault::Withheld { seq }));
    let (place, what) = ("segment 1".to_owned(), "checksum".to_owned());
    let damaged = JournalFault::Damaged { seq, place, what };
    let refusal = refused(check(|_| {
        let (place, what) = ("segment 1".to_owned(), "checksum".to_owned());
        Err(ReadError::Damaged { seq: Position(0), place, what })
    }));
    assert_eq!(refusal, Refusal::Journal(damaged));
    let failed = check(|_| {
        Err(ReadError::Io {
            op: "reading",
            path: "segment".into(),
            source: std::io::Error::other("loose cable"),
        })
    });
    assert!(matches!(failed, Err(Fault::Failed(_))));
}

#[test]
fn an_older_journal_is_refused() {
    let world = World::sealed(600, &[300, 600]);
    let older = Arc::new(MemoryJournal::new());
    older.append(Head::EMPTY, &world.records[..599]).unwrap();
    let refusal = refused(world.check_with(older));
    let (journal, size) = (TreeSize(599), TreeSize(600));
    assert_eq!(refusal, Refusal::JournalShorter { journal, side: Side::Kept, size });
    assert_eq!(refusal.to_string(), "the journal holds 599 records, the checkpoint kept is over 600");
}

#[test]
fn another_log_of_the_same_length_is_a_fork_with_both_roots() {
    let world = World::sealed(300, &[300]);
    let other = Arc::new(MemoryJournal::new());
    other.append(Head::EMPTY, &records_saying("m", 300)).unwrap();
    let ours = world.served().claim().root;
    let refusal = refused(world.check_with(other));
    assert!(
        matches!(&refusal, Refusal::Fork { side: Side::Kept, size: TreeSize(300), theirs, .. } if *theirs == ours),
        "{refusal}"
    );
}

#[test]
fn an_older_state_is_refused() {
    let world = World::sealed(600, &[300]);
    let older = fs::read(state_path(&world)).unwrap();
    world.grow(600);
    step(&mut world.check().unwrap(), 600).unwrap();
    let newest = fs::read(state_path(&world)).unwrap();
    world.restore_state(&older);
    let behind = |kept| Refusal::StateBehind { kept, side: Side::Archive, size: TreeSize(600) };
    assert_eq!(world.refusal(), behind(Some(TreeSize(300))));
    fs::remove_file(state_path(&world)).unwrap();
    assert_eq!(world.refusal(), behind(None));
    let texts = [Some(TreeSize(300)), None].map(|kept| behind(kept).to_string());
    assert_eq!(
        texts,
        [
            "the archive's checkpoint is over 600 records, the checkpoint kept is over 300",
            "the archive's checkpoint is over 600 records, and none is kept",
        ]
    );
    world.restore_state(&newest);
    world.check().unwrap();
}

#[test]
fn an_older_archive_is_refused_and_an_older_checkpoint_beside_newer_files_is_a_crash() {
    let mut world = World::sealed(600, &[300]);
    let older = world.store.copy();
    world.grow(600);
    step(&mut world.check().unwrap(), 600).unwrap();
    let note =
        |store| SignedCheckpoint::parse(&at_once(archive::Archive::on(store).checkpoint()).unwrap().unwrap());
    let earlier = note(Arc::new(older.copy())).unwrap();

    let newest = std::mem::replace(&mut world.store, Arc::new(older));
    let refusal = world.refusal();
    assert!(matches!(refusal, Refusal::Archive { fault: ArchiveFault::Missing, .. }), "{refusal}");

    world.store = newest;
    overwrite(&world, "checkpoint", earlier.to_string().into_bytes());
    let mut sealer = world.check().unwrap();
    assert!(sealer.is_unpublished());
    step(&mut sealer, 600).unwrap();
    assert_eq!(world.served().claim().size, TreeSize(600));
    // Gone altogether, it comes again too.
    delete(&world, "checkpoint");
    let mut sealer = world.check().unwrap();
    step(&mut sealer, 600).unwrap();
    assert_eq!(world.served().claim().size, TreeSize(600));
}

#[test]
fn a_checkpoint_that_is_not_the_logs_own_is_refused_wherever_it_stands() {
    let world = World::sealed(300, &[300]);
    let root = world.served().claim().root;
    let good = world.served().to_string();
    let other_log =
        chain::note::Signer::new("log.example/u", chain::SecretKey::from_bytes(&[1; 32])).unwrap();
    let others = Checkpoint::new("log.example/u", TreeSize(300), root).unwrap();
    let others = SignedCheckpoint::sign(others, &[&other_log]).unwrap().to_string();
    for bad in
        [checkpoint(300, root, 2).to_string(), others, "hello".to_owned(), good.replacen("300", "301", 1)]
    {
        overwrite(&world, "checkpoint", bad.clone().into_bytes());
        let refusal = world.refusal();
        assert!(matches!(refusal, Refusal::NotACheckpoint { side: Side::Archive, .. }), "{refusal}");
    }
    overwrite(&world, "checkpoint", good.into_bytes());
    world.check().unwrap();

    // Kept as larger than its note says.
    let kept = Kept { size: 301, root: root.0, note: world.served().to_string().into_bytes() };
    world.keep().advance(ORIGIN, Purpose::Signed, Some((300, root.0)), &kept).unwrap();
    assert!(matches!(world.refusal(), Refusal::NotACheckpoint { side: Side::Kept, .. }));
}

#[test]
fn a_journal_from_before_a_change_of_the_logs_key_is_refused_by_name() {
    let world = World::sealed(30, &[10]);
    let root = RootHash([7; 32]);
    // The archive has gone on with the next key, which the restored journal does not name.
    overwrite(&world, "checkpoint", checkpoint(20, root, 2).to_string().into_bytes());
    let refusal = world.refusal();
    assert_eq!(refusal, Refusal::KeyUnknown { side: Side::Archive, size: TreeSize(20) });
    assert!(
        refusal.to_string().contains("an older copy, from before the log's key was changed"),
        "{refusal}"
    );
    // What a known key is said to have signed, and has not, is no older copy's.
    let forged = checkpoint(20, root, 1).to_string().replacen("20", "21", 1);
    overwrite(&world, "checkpoint", forged.into_bytes());
    assert!(matches!(world.refusal(), Refusal::NotACheckpoint { side: Side::Archive, .. }));
    // Up to its own end the journal knows every key.
    overwrite(&world, "checkpoint", checkpoint(10, root, 2).to_string().into_bytes());
    assert!(matches!(world.refusal(), Refusal::NotACheckpoint { side: Side::Archive, .. }));
}

#[test]
fn a_fork_signed_with_the_logs_own_key_is_shown_with_both_roots() {
    let world = World::sealed(300, &[200, 300]);
    for size in [300, 150] {
        overwrite(&world, "checkpoint", checkpoint(size, RootHash([7; 32]), 1).to_string().into_bytes());
        let refusal = world.refusal();
        let Refusal::Fork { side: Side::Archive, size: at, theirs, ours } = refusal else {
            panic!("{refusal}")
        };
        assert_eq!((at, theirs), (TreeSize(size), RootHash([7; 32])));
        let hashes: Vec<_> = world.records.iter().map(|record| record.hash).collect();
        assert_eq!(ours, chain::tree::root_of(&hashes[..usize::try_from(size).unwrap()]));
    }
}

#[test]
fn files_beyond_the_checkpoint_are_a_crashs_if_they_are_the_journals_and_else_stop_the_notary() {
    let world = World::sealed(600, &[300]);
    world.grow(600);
    let mut whole = World::sealed(600, &[512]);
    let bytes = whole.blocking().get("tile/0/001".parse().unwrap()).unwrap().unwrap();
    overwrite(&world, "tile/0/001", bytes.clone());
    let mut sealer = world.check().unwrap();
    step(&mut sealer, 600).unwrap();
    world.assert_whole(600);

    whole = World::sealed(600, &[300]);
    whole.grow(600);
    let mut other = bytes;
    other[0] ^= 1;
    overwrite(&whole, "tile/0/001", other);
    let mut sealer = whole.check().unwrap();
    let refusal = refused(step(&mut sealer, 600));
    let path = "tile/0/001".parse().unwrap();
    assert_eq!(refusal, Refusal::Archive { path, fault: ArchiveFault::Different });
    assert_eq!(whole.served().claim().size, TreeSize(300));
    assert_eq!(whole.keep().last(ORIGIN, Purpose::Signed).unwrap().unwrap().size, 300);
}

#[test]
fn while_one_log_key_takes_over_from_another_both_sign_and_either_vouches() {
    let world = World::sealed(30, &[10]);
    world.grow(30);
    let check = |due: &[(u8, u64, u64)]| {
        let mut desk = world.desk(world.journal.clone());
        desk.keys = std::sync::Arc::new(super::Keys(due.to_vec(), vec![1, 2]));
        crate::sealer::Sealer::check(desk).map_err(|(_, fault)| fault)
    };
    // The new key vouches for nothing that was signed before it was due.
    let replaced = [(2, 0, u64::MAX)];
    assert!(matches!(refused(check(&replaced)), Refusal::NotACheckpoint { side: Side::Kept, .. }));
    let due = [(1, 0, 21), (2, 11, u64::MAX)];
    step(&mut check(&due).unwrap(), 20).unwrap();
    for seed in [1, 2] {
        assert!(world.served().verify(&[signer(seed).verifier_key()], &[]).is_ok());
    }
    step(&mut check(&due).unwrap(), 30).unwrap();
    assert!(check(&due).is_ok());
    assert!(world.served().verify(&[signer(1).verifier_key()], &[]).is_err());
    assert!(world.served().verify(&[signer(2).verifier_key()], &[]).is_ok());
}
