//! What every store keeps, and what becomes of sled's files when they are harmed.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use proptest::prelude::*;
use tempfile::TempDir;

use crate::files::Generation;
use crate::{
    Change, Doubt, Mark, MemoryStore, OpenError, Opened, Options, Row, SledStore, Store, StoreError, query,
};

const SCHEMA: u32 = 3;

fn mark(size: u64) -> Mark {
    Mark { size, hash: [u8::try_from(size % 251).unwrap(); 32] }
}

fn put(key: &[u8], value: &[u8]) -> Change {
    Change::Put { key: key.to_vec(), value: value.to_vec() }
}

fn delete(key: &[u8]) -> Change {
    Change::Delete { key: key.to_vec() }
}

fn open(dir: &Path) -> (SledStore, Opened) {
    SledStore::open(dir, SCHEMA, Options::default()).unwrap()
}

fn rows(store: &dyn Store) -> Vec<Row> {
    store.scan(b"", None, usize::MAX).unwrap()
}

/// Runs `check` on a new store of each kind.
fn on_each(check: impl Fn(&dyn Store)) {
    check(&MemoryStore::default());
    let dir = TempDir::new().unwrap();
    let (store, opened) = open(dir.path());
    assert_eq!(opened, Opened::Fresh);
    check(&store);
}

/// What a projector would do with an empty store: some hundred rows, some of them longer than sled's pages.
fn fold(store: &dyn Store) {
    for n in store.mark().unwrap().size..20 {
        let changes = (0..15)
            .map(|at| {
                let key = format!("row/{:03}", (n * 7 + at * 13) % 200);
                Change::Put {
                    key: key.into_bytes(),
                    value: vec![b'a' + u8::try_from(n).unwrap(); usize::try_from(40 + n * at * 50).unwrap()],
                }
            })
            .collect();
        store.commit(changes, mark(n + 1)).unwrap();
    }
}

/// A closed store with rows, and the rows it must always show after folding.
fn filled() -> (TempDir, Vec<Row>) {
    let dir = TempDir::new().unwrap();
    let (store, _) = open(dir.path());
    fold(&store);
    let expected = rows(&store);
    assert!(expected.len() > 100);
    store.close().unwrap();
    (dir, expected)
}

/// sled's files of the one generation in `dir`.
fn sled_files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut pending = vec![generation(dir).sled()];
    while let Some(at) = pending.pop() {
        for entry in fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { pending.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    files
}

fn generation(dir: &Path) -> Generation {
    let numbers = crate::files::generations(dir).unwrap();
    assert_eq!(numbers.len(), 1);
    Generation::new(dir, numbers[0])
}

/// Opens the store in `dir`, which must be thrown away for `why`, and folds it again.
fn check_rebuilt(dir: &Path, why: &Doubt, expected: &[Row]) {
    let (store, opened) = open(dir);
    assert_eq!(opened, Opened::Rebuilt { why: why.clone() });
    assert_eq!(store.mark().unwrap(), Mark::default());
    assert_eq!(rows(&store), []);
    fold(&store);
    assert_eq!(rows(&store), expected);
    store.close().unwrap();
    let (store, opened) = open(dir);
    assert_eq!(opened, Opened::Kept);
    assert_eq!(rows(&store), expected);
}

#[test]
fn rows_and_mark_are_set_together() {
    on_each(|store| {
        assert_eq!(store.mark().unwrap(), Mark::default());
        store.commit(vec![put(b"a", b"1"), put(b"b", b"2"), delete(b"a"), put(b"b", b"3")], mark(1)).unwrap();
        assert_eq!(store.mark().unwrap(), mark(1));
        assert_eq!(store.get(b"a").unwrap(), None);
        assert_eq!(store.get(b"b").unwrap(), Some(b"3".to_vec()));
        assert_eq!(store.get(b"").unwrap(), None);
    });
}

#[test]
fn a_row_without_a_key_is_refused_and_nothing_changes() {
    on_each(|store| {
        let error = store.commit(vec![put(b"a", b"1"), put(b"", b"2")], mark(1)).unwrap_err();
        assert!(matches!(error, StoreError::EmptyKey));
        assert_eq!((store.mark().unwrap(), rows(store)), (Mark::default(), vec![]));
    });
}

#[test]
fn a_reader_never_sees_rows_of_two_marks() {
    on_each(|store| {
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !done.load(Ordering::Acquire) {
                        let (mark, rows) =
                            query(store, |view, mark| (mark, view.scan(b"", None, 100).unwrap())).unwrap();
                        let of_mark = rows.iter().all(|(_, row)| *row == mark.size.to_be_bytes());
                        assert!(of_mark, "rows of another mark than {}", mark.size);
                        assert_eq!(rows.len(), if mark.size == 0 { 0 } else { 40 });
                    }
                });
            }
            for size in 1..=300_u64 {
                let changes = (0..40_u8).map(|row| put(&[1, row], &size.to_be_bytes())).collect();
                store.commit(changes, mark(size)).unwrap();
            }
            done.store(true, Ordering::Release);
        });
    });
}

#[test]
fn a_closed_store_refuses_and_a_shadow_is_another_store() {
    on_each(|store| {
        store.commit(vec![put(b"a", b"1")], mark(1)).unwrap();
        let shadow = store.shadow().unwrap();
        assert_eq!((shadow.mark().unwrap(), rows(&*shadow)), (Mark::default(), vec![]));
        shadow.commit(vec![put(b"a", b"2")], mark(2)).unwrap();
        assert_eq!(store.get(b"a").unwrap(), Some(b"1".to_vec()));
        store.retire();
        assert!(matches!(store.get(b"a"), Err(StoreError::Closed)));
        assert!(matches!(store.commit(vec![], mark(3)), Err(StoreError::Closed)));
        assert!(matches!(store.shadow(), Err(OpenError::Closed)));
        assert_eq!(shadow.get(b"a").unwrap(), Some(b"2".to_vec()));
        shadow.close().unwrap();
        shadow.close().unwrap();
    });
}

#[test]
fn what_was_closed_cleanly_is_found_again() {
    let (dir, expected) = filled();
    let (store, opened) = open(dir.path());
    assert_eq!(opened, Opened::Kept);
    assert_eq!((store.mark().unwrap(), rows(&store)), (mark(20), expected));
}

#[test]
fn a_store_that_took_anothers_place_is_found_again() {
    let dir = TempDir::new().unwrap();
    let (store, _) = open(dir.path());
    let shadow = store.shadow().unwrap();
    shadow.commit(vec![put(b"a", b"1")], mark(1)).unwrap();
    store.retire();
    shadow.close().unwrap();
    let (store, opened) = open(dir.path());
    assert_eq!((opened, store.mark().unwrap()), (Opened::Kept, mark(1)));
}

#[test]
fn a_store_in_use_is_not_touched() {
    let dir = TempDir::new().unwrap();
    let (store, _) = open(dir.path());
    fold(&store);
    let expected = rows(&store);
    assert!(matches!(SledStore::open(dir.path(), SCHEMA, Options::default()), Err(OpenError::InUse { .. })));
    assert_eq!(rows(&store), expected);
    store.close().unwrap();
    assert_eq!(open(dir.path()).1, Opened::Kept);
}

#[test]
fn a_store_that_was_not_closed_starts_empty() {
    let (dir, expected) = filled();
    let (store, _) = open(dir.path());
    store.commit(vec![put(b"row/new", b"x")], mark(21)).unwrap();
    drop(store);
    check_rebuilt(dir.path(), &Doubt::Unclean, &expected);
}

#[test]
fn a_dirty_flag_alone_is_enough_to_start_empty() {
    let (dir, expected) = filled();
    let beside = generation(dir.path()).sled().with_file_name("dirty");
    fs::File::create(beside).unwrap();
    check_rebuilt(dir.path(), &Doubt::Unclean, &expected);
}

#[test]
fn a_store_without_a_seal_starts_empty() {
    let (dir, expected) = filled();
    fs::remove_file(generation(dir.path()).sled().with_file_name("seal")).unwrap();
    check_rebuilt(dir.path(), &Doubt::Unclean, &expected);
}

#[test]
fn rows_of_another_schema_are_thrown_away() {
    let (dir, _) = filled();
    let (store, opened) = SledStore::open(dir.path(), SCHEMA + 30, Options::default()).unwrap();
    assert_eq!(opened, Opened::Rebuilt { why: Doubt::Schema { wanted: SCHEMA + 30 } });
    assert_eq!(rows(&store), []);
}

#[test]
fn two_stores_side_by_side_are_both_thrown_away() {
    let (dir, expected) = filled();
    let (store, _) = open(dir.path());
    let shadow = store.shadow().unwrap();
    shadow.close().unwrap();
    store.close().unwrap();
    check_rebuilt(dir.path(), &Doubt::Several { count: 2 }, &expected);
}

#[test]
fn a_missing_file_is_noticed_and_folding_again_gives_the_same_rows() {
    let files = sled_files(filled().0.path()).len();
    assert!(files >= 2);
    for at in 0..files {
        let (dir, expected) = filled();
        fs::remove_file(&sled_files(dir.path())[at]).unwrap();
        check_rebuilt(dir.path(), &Doubt::Changed, &expected);
    }
    let (dir, expected) = filled();
    fs::remove_dir_all(generation(dir.path()).sled()).unwrap();
    check_rebuilt(dir.path(), &Doubt::Changed, &expected);
}

#[test]
fn a_deleted_store_is_simply_new() {
    let (dir, expected) = filled();
    fs::remove_dir_all(dir.path()).unwrap();
    let (store, opened) = open(dir.path());
    assert_eq!(opened, Opened::Fresh);
    fold(&store);
    assert_eq!(rows(&store), expected);
}

#[test]
fn a_truncated_file_is_noticed_and_folding_again_gives_the_same_rows() {
    for keep in [0, 1, 2] {
        let (dir, expected) = filled();
        let db = generation(dir.path()).sled().join("db");
        let file = OpenOptions::new().write(true).open(db).unwrap();
        let length = file.metadata().unwrap().len();
        file.set_len(length * keep / 3).unwrap();
        check_rebuilt(dir.path(), &Doubt::Changed, &expected);
    }
}

/// Flips one bit of `file` at a place between 0 (its start) and 1,000 (its end).
fn flip(file: &Path, at_permille: u64) {
    let file = OpenOptions::new().read(true).write(true).open(file).unwrap();
    let at = (file.metadata().unwrap().len() - 1) * at_permille / 1_000;
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 4], at).unwrap();
}

#[test]
fn a_flipped_bit_is_noticed_and_folding_again_gives_the_same_rows() {
    let files = sled_files(filled().0.path()).len();
    for at in 0..files {
        for permille in [0, 3, 500, 1_000] {
            let (dir, expected) = filled();
            flip(&sled_files(dir.path())[at], permille);
            check_rebuilt(dir.path(), &Doubt::Changed, &expected);
        }
    }
    let (dir, expected) = filled();
    flip(&generation(dir.path()).sled().with_file_name("seal"), 1_000);
    check_rebuilt(dir.path(), &Doubt::Changed, &expected);
}

#[test]
fn damage_below_the_seal_neither_hangs_nor_panics() {
    // As if bytes had rotted between sled's writing and our sealing: sled itself has to be survived.
    let mut thrown_away = 0;
    let files = sled_files(filled().0.path()).len();
    for at in 0..files {
        for permille in [0, 1, 5, 40, 1_000] {
            let (dir, expected) = filled();
            flip(&sled_files(dir.path())[at], permille);
            generation(dir.path()).finish_again();
            let (store, opened) = open(dir.path());
            if let Opened::Rebuilt { .. } = opened {
                thrown_away += 1;
                fold(&store);
                assert_eq!(rows(&store), expected);
            }
        }
    }
    assert!(thrown_away > 0);
}

impl Generation {
    /// Seals the files as they are now.
    fn finish_again(&self) {
        fs::File::create(self.sled().with_file_name("dirty")).unwrap();
        self.finish(SCHEMA).unwrap();
    }
}

#[test]
fn sled_is_given_up_when_it_does_not_open_in_time() {
    let (dir, expected) = filled();
    let at_once = Options { open_timeout: Duration::ZERO, ..Options::default() };
    let Err(error) = SledStore::open(dir.path(), SCHEMA, at_once) else { panic!("opened in no time") };
    let OpenError::Engine { source, .. } = error else { panic!("{error}") };
    assert_eq!(source, Doubt::TimedOut { limit: Duration::ZERO });

    // The threads that were given up may still be at work in their directories.
    let (store, opened) = open(dir.path());
    assert!(matches!(opened, Opened::Rebuilt { .. }), "{opened:?}");
    fold(&store);
    assert_eq!(rows(&store), expected);
}

#[test]
fn after_a_panic_of_the_engine_every_call_fails_and_the_next_start_is_empty() {
    let (dir, expected) = filled();
    let (store, _) = open(dir.path());
    assert!(matches!(store.break_engine(), StoreError::Failed { op: "test", .. }));
    assert!(matches!(store.mark(), Err(StoreError::Unusable)));
    assert!(matches!(store.get(b"row/000"), Err(StoreError::Unusable)));
    assert!(matches!(store.commit(vec![], mark(21)), Err(StoreError::Unusable)));
    // What replaces it can still be made beside it.
    let shadow = store.shadow().unwrap();
    shadow.retire();
    assert!(matches!(store.close(), Err(StoreError::Unusable)));
    drop(store);
    check_rebuilt(dir.path(), &Doubt::Unclean, &expected);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn sled_and_memory_answer_alike(
        commits in prop::collection::vec(prop::collection::vec(
            ("[ab]{1,4}", prop::option::of("[xy]{0,30}")), 0..12), 0..6),
        prefix in "[ab]{0,2}",
        after in prop::option::of("[ab]{0,3}"),
        limit in 0_usize..6,
    ) {
        let dir = TempDir::new().unwrap();
        let (sled, _) = open(dir.path());
        let memory = MemoryStore::default();
        let mut model = BTreeMap::new();
        for (commit, size) in commits.iter().zip(1..) {
            let changes: Vec<_> = commit.iter().map(|(key, value)| match value {
                Some(value) => put(key.as_bytes(), value.as_bytes()),
                None => delete(key.as_bytes()),
            }).collect();
            sled.commit(changes.clone(), mark(size)).unwrap();
            memory.commit(changes, mark(size)).unwrap();
            for (key, value) in commit {
                match value {
                    Some(value) => model.insert(key.clone(), value.clone()),
                    None => model.remove(key),
                };
            }
        }
        let expected: Vec<Row> = model
            .iter()
            .filter(|(key, _)| key.starts_with(&prefix) && after.as_ref().is_none_or(|after| *key > after))
            .take(limit)
            .map(|(key, value)| (key.clone().into_bytes(), value.clone().into_bytes()))
            .collect();
        let after = after.as_ref().map(String::as_bytes);
        prop_assert_eq!(&sled.scan(prefix.as_bytes(), after, limit).unwrap(), &expected);
        prop_assert_eq!(&memory.scan(prefix.as_bytes(), after, limit).unwrap(), &expected);
        prop_assert_eq!(sled.mark().unwrap(), memory.mark().unwrap());
    }
}
