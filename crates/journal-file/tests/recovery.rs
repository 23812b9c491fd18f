//! What a crash, a failed write or sync, a full disk or a second writer leaves, and what opening makes of it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail like tests")]

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use chain::{LinkedRecord, Position, TreeSize};
use journal::conformance::record;
use journal::{AppendError, Head, Journal};
use journal_file::faults::{FaultyDisk, SyncFault, WriteFault};
use journal_file::{FileJournal, OpenError, Options, Recovery};

const SEGMENT_BYTES: u64 = 8 << 10;

fn options() -> Options {
    Options { segment_bytes: SEGMENT_BYTES, tail_bytes: 0, ..Options::default() }
}

fn open(directory: &Path) -> (FileJournal, Recovery) {
    FileJournal::open(directory, &options()).unwrap()
}

fn open_on(disk: &FaultyDisk, directory: &Path) -> Result<(FileJournal, Recovery), OpenError> {
    FileJournal::open_on(Arc::new(disk.clone()), directory, &options())
}

/// Appends `count` records of `bytes` bytes.
fn append(journal: &FileJournal, count: u64, bytes: usize) -> Result<Vec<LinkedRecord>, AppendError> {
    let head = journal.head();
    let records: Vec<_> = (head.size.0..head.size.0 + count).map(|seq| record(seq, bytes)).collect();
    journal.append(head, &records).map(|_| records)
}

fn all(journal: &FileJournal) -> Vec<LinkedRecord> {
    let mut records: Vec<LinkedRecord> = Vec::new();
    loop {
        let more = journal.read(Position(records.len() as u64), 1 << 20).unwrap();
        if more.is_empty() {
            return records;
        }
        records.extend(more);
    }
}

fn overwrite(path: &Path, bytes: &[u8], offset: u64) {
    fs::OpenOptions::new().write(true).open(path).unwrap().write_all_at(bytes, offset).unwrap();
}

/// Leaves a crash's every possible picture of the last batch, which lies in `segment` from `offset` on, and opens it.
fn check_torn(earlier: usize, segment: &str, offset: u64, blocks: usize) {
    let directory = tempfile::tempdir().unwrap();
    let (journal, _) = open(directory.path());
    let mut before = Vec::new();
    for _ in 0..earlier {
        before.extend(append(&journal, 1, 1_800).unwrap());
    }
    let last = append(&journal, 3, 1_000).unwrap();
    drop(journal);
    let path = directory.path().join(segment);
    let whole = fs::read(&path).unwrap();
    let first_path = directory.path().join("0000000000.segment");
    let first = fs::read(&first_path).unwrap();
    let start = usize::try_from(offset).unwrap();
    let batch = whole[start..start + blocks * 512].to_vec();
    assert!(
        batch.iter().any(|byte| *byte != 0) && whole[start + batch.len()..].iter().all(|byte| *byte == 0)
    );

    for written in 0..1_u32 << blocks {
        let mut picture = batch.clone();
        for (number, block) in picture.chunks_mut(512).enumerate() {
            if written & 1 << number == 0 {
                block.fill(0);
            }
        }
        overwrite(&first_path, &first, 0);
        overwrite(&path, &whole, 0);
        overwrite(&path, &picture, offset);
        let (journal, recovery) = open(directory.path());
        let mut expected = before.clone();
        if written == (1 << blocks) - 1 {
            expected.extend(last.iter().cloned());
        }
        assert_eq!(all(&journal), expected, "blocks {written:b}");
        assert_eq!(recovery.head, Head::EMPTY.after(&expected));
        assert_eq!(
            recovery.torn.is_some(),
            written != 0 && expected.len() == before.len(),
            "blocks {written:b}"
        );
        if let Some((torn, copy)) = recovery.torn {
            assert_eq!((torn.seq.0, torn.offset), (before.len() as u64, offset));
            let copy = fs::read(copy).unwrap();
            assert_eq!(copy.len() as u64, torn.bytes);
            assert!(picture.starts_with(&copy) && picture[copy.len()..].iter().all(|byte| *byte == 0));
        }
        // The cut place takes the next batch, and that stays.
        expected.extend(append(&journal, 1, 10).unwrap());
        drop(journal);
        let (journal, recovery) = open(directory.path());
        assert_eq!((all(&journal), recovery.torn), (expected, None), "blocks {written:b}");
    }
}

#[test]
fn a_torn_tail_is_cut_whichever_of_its_blocks_were_written() {
    check_torn(1, "0000000000.segment", 4 * 512, 7);
}

#[test]
fn a_torn_tail_at_the_start_of_a_segment_or_journal_is_cut_too() {
    check_torn(3, "0000000001.segment", 0, 7);
    check_torn(0, "0000000000.segment", 0, 7);
}

#[test]
fn a_batch_cut_inside_a_block_is_damage_and_cut_between_blocks_is_torn() {
    let directory = tempfile::tempdir().unwrap();
    let (journal, _) = open(directory.path());
    append(&journal, 1, 600).unwrap();
    append(&journal, 2, 600).unwrap();
    drop(journal);
    let path = directory.path().join("0000000000.segment");
    let whole = fs::read(&path).unwrap();
    let end = whole.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let (mut torn, mut damaged) = (0, 0);
    for cut in 1_024..end {
        let mut picture = whole.clone();
        picture[cut..].fill(0);
        // Cutting a byte that is zero anyway changes nothing.
        if picture[..cut].iter().rposition(|byte| *byte != 0)
            == whole[..=cut].iter().rposition(|byte| *byte != 0)
        {
            picture[cut - 1] = 0;
        }
        overwrite(&path, &picture, 0);
        match FileJournal::open(directory.path(), &options()) {
            Ok((journal, recovery)) => {
                let whole_blocks = picture.chunks(512).zip(whole.chunks(512));
                assert!(
                    whole_blocks.clone().all(|(now, then)| now == then || now.iter().all(|byte| *byte == 0))
                );
                assert_eq!(journal.head().size.0, 1);
                assert_eq!(recovery.torn.is_some(), cut > 1_024 + 1);
                torn += 1;
            }
            Err(OpenError::Damaged(damage)) => {
                assert_eq!(damage.seq.0, 1, "{damage}");
                damaged += 1;
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert!(torn >= 2 && damaged > 1_000, "{torn} torn, {damaged} damaged");
}

#[test]
fn a_second_writer_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let (journal, _) = open(directory.path());
    assert!(matches!(FileJournal::open(directory.path(), &options()), Err(OpenError::Locked { .. })));
    drop(journal);
    open(directory.path());
}

#[test]
fn a_journal_shorter_than_known_is_refused_and_left_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let (journal, _) = open(directory.path());
    append(&journal, 2, 100).unwrap();
    append(&journal, 1, 700).unwrap();
    drop(journal);
    let path = directory.path().join("0000000000.segment");
    overwrite(&path, &[0; 512], 512);
    let before = fs::read(&path).unwrap();
    let at_least =
        |floor| FileJournal::open(directory.path(), &Options { floor: TreeSize(floor), ..options() });
    match at_least(3) {
        Err(OpenError::BelowFloor { floor, found }) => assert_eq!((floor.0, found.0), (3, 2)),
        other => panic!("{:?}", other.map(|(_, recovery)| recovery)),
    }
    assert_eq!(fs::read(&path).unwrap(), before, "not even the torn tail is cut");
    assert!(at_least(2).unwrap().1.torn.is_some());
}

/// What one failed append leaves: `shown` says whether the batch is there after reopening.
fn check_fault(what: &str, shown: bool, plan: impl Fn(&FaultyDisk)) {
    for noted in [true, false] {
        let directory = tempfile::tempdir().unwrap();
        let disk = FaultyDisk::new();
        let (journal, _) = open_on(&disk, directory.path()).unwrap();
        let mut expected = append(&journal, 2, 300).unwrap();
        plan(&disk);
        let head = journal.head();
        let doubtful = [record(2, 3_000), record(3, 20)];
        let error = journal.append(head, &doubtful).unwrap_err();
        assert!(matches!(error, AppendError::Io { .. }), "{what}: {error}");
        for _ in 0..2 {
            assert!(matches!(append(&journal, 1, 10), Err(AppendError::Poisoned)), "{what}");
        }
        assert_eq!((journal.head(), all(&journal)), (head, expected.clone()), "{what}");
        drop(journal);
        if !noted {
            // As if the process had died between the failure and its note.
            fs::remove_file(directory.path().join("poisoned")).unwrap();
        }

        let (journal, recovery) = open_on(&disk, directory.path()).unwrap();
        assert_eq!(recovery.poisoned.is_some(), noted, "{what}");
        if shown {
            expected.extend(doubtful);
        }
        assert_eq!(all(&journal), expected, "{what}");
        drop(journal);
        disk.lose_power().unwrap();
        let (journal, recovery) = open_on(&disk, directory.path()).unwrap();
        assert_eq!(
            (all(&journal), recovery.poisoned),
            (expected.clone(), None),
            "{what}: shown once, there for ever"
        );
        expected.extend(append(&journal, 2, 900).unwrap());
        drop(journal);
        disk.lose_power().unwrap();
        assert_eq!(all(&open_on(&disk, directory.path()).unwrap().0), expected, "{what}");
    }
}

#[test]
fn each_failed_write_or_sync_leaves_its_batch_whole_or_not_at_all_and_what_is_shown_stays() {
    check_fault("write failed", false, |disk| disk.fail_write(0, WriteFault::Nothing));
    check_fault("write failed halfway", false, |disk| disk.fail_write(0, WriteFault::EveryOtherBlock));
    check_fault("write failed but persisted", true, |disk| disk.fail_write(0, WriteFault::Everything));
    check_fault("sync failed", false, |disk| disk.fail_sync(0, SyncFault::Lost));
    check_fault("sync failed, cache shows it", true, |disk| disk.fail_sync(0, SyncFault::Cached));
    check_fault("sync failed but persisted", true, |disk| disk.fail_sync(0, SyncFault::Persisted));
}

#[test]
fn recovery_interrupted_at_any_step_is_finished_by_the_next() {
    let mut interrupted = 0;
    for step in 0..6 {
        for power_lost in [false, true] {
            for fault in 0..6 {
                let directory = tempfile::tempdir().unwrap();
                let disk = FaultyDisk::new();
                let (journal, _) = open_on(&disk, directory.path()).unwrap();
                let mut expected = append(&journal, 2, 300).unwrap();
                disk.fail_sync(0, SyncFault::Cached);
                let doubtful = [record(2, 3_000), record(3, 20)];
                journal.append(journal.head(), &doubtful).unwrap_err();
                drop(journal);
                match fault {
                    0 => disk.fail_write(step, WriteFault::Nothing),
                    1 => disk.fail_write(step, WriteFault::EveryOtherBlock),
                    2 => disk.fail_write(step, WriteFault::Everything),
                    3 => disk.fail_sync(step, SyncFault::Lost),
                    4 => disk.fail_sync(step, SyncFault::Cached),
                    _ => disk.fail_sync(step, SyncFault::Persisted),
                }
                let place = format!("step {step}, fault {fault}, power lost: {power_lost}");
                let shown = match open_on(&disk, directory.path()) {
                    Ok((journal, _)) => {
                        assert_eq!(journal.head().size.0, 4, "{place}");
                        true
                    }
                    Err(OpenError::Io { .. }) => {
                        interrupted += 1;
                        false
                    }
                    Err(error) => panic!("{place}: {error}"),
                };
                disk.heal();
                if power_lost {
                    disk.lose_power().unwrap();
                }
                let (journal, _) =
                    open_on(&disk, directory.path()).unwrap_or_else(|error| panic!("{place}: {error}"));
                let size = journal.head().size.0;
                assert!(size == 4 || (size == 2 && power_lost && !shown), "{place}: {size}");
                expected.extend(doubtful.into_iter().take(usize::try_from(size - 2).unwrap()));
                expected.extend(append(&journal, 1, 10).unwrap());
                drop(journal);
                disk.lose_power().unwrap();
                assert_eq!(all(&open_on(&disk, directory.path()).unwrap().0), expected, "{place}");
            }
        }
    }
    assert!(interrupted >= 12, "two writes and two syncs of recovery were interrupted: {interrupted}");
}

#[test]
fn a_full_disk_refuses_appends_and_keeps_what_is_there() {
    let directory = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::new();
    let (journal, _) = open_on(&disk, directory.path()).unwrap();
    disk.set_full(true);
    let mut expected = Vec::new();
    let error = loop {
        match append(&journal, 1, 900) {
            Ok(records) => expected.extend(records),
            Err(error) => break error,
        }
    };
    assert!(
        matches!(&error, AppendError::Io { source, .. } if source.kind() == std::io::ErrorKind::StorageFull),
        "{error}"
    );
    assert!(matches!(append(&journal, 1, 10), Err(AppendError::Poisoned)));
    assert_eq!((all(&journal), expected.len()), (expected.clone(), 8));
    drop(journal);
    disk.set_full(false);
    let (journal, _) = open_on(&disk, directory.path()).unwrap();
    expected.extend(append(&journal, 3, 900).unwrap());
    assert_eq!(all(&journal), expected);
}

#[test]
fn room_that_comes_back_before_it_is_needed_is_used() {
    let directory = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::new();
    let (journal, _) = open_on(&disk, directory.path()).unwrap();
    disk.set_full(true);
    for _ in 0..8 {
        append(&journal, 1, 900).unwrap();
    }
    disk.set_full(false);
    append(&journal, 1, 900).unwrap();
    assert_eq!(all(&journal).len(), 9);
}

#[test]
fn a_batch_longer_than_a_segment_gets_a_segment_of_its_length() {
    let directory = tempfile::tempdir().unwrap();
    let (journal, _) = open(directory.path());
    let mut expected = append(&journal, 2, 100).unwrap();
    expected.extend(append(&journal, 40, 9_000).unwrap());
    expected.extend(append(&journal, 2, 100).unwrap());
    drop(journal);
    assert_eq!(all(&open(directory.path()).0), expected);
}

#[test]
fn a_batch_longer_than_the_engine_takes_is_refused_and_nothing_of_it_stays() {
    let directory = tempfile::tempdir().unwrap();
    let (journal, _) = open(directory.path());
    let longest: Arc<[u8]> = vec![7; 65_535].into();
    let records: Vec<_> =
        (0..257).map(|seq| LinkedRecord::new(Position(seq), Arc::clone(&longest))).collect();
    match journal.append(Head::EMPTY, &records) {
        Err(AppendError::TooLarge { seq, bytes, limit }) => {
            assert_eq!((seq.0, limit), (255, journal_file::BATCH_BYTES_MAX));
            assert!(bytes > limit);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(journal.head(), Head::EMPTY);
    append(&journal, 1, 10).unwrap();
}
