//! Altered, lost and foreign bytes: found, named, and never given as records.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail like tests")]

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use chain::{LinkedRecord, TreeSize};
use journal::conformance::{batch, record};
use journal::{Head, Journal, ReadError};
use journal_file::{Contradiction, Damage, FileJournal, OpenError, Options, ReadOnlyJournal, ScanError};

const SEGMENT_BYTES: u64 = 4 << 10;

fn options() -> Options {
    Options { segment_bytes: SEGMENT_BYTES, tail_bytes: 0, ..Options::default() }
}

/// A journal of batches of so many records, and its records.
fn journal(directory: &Path, counts: &[u64]) -> Vec<LinkedRecord> {
    let (journal, _) = FileJournal::open(directory, &options()).unwrap();
    let mut records = Vec::new();
    for count in counts {
        let head = journal.head();
        let more: Vec<_> = (head.size.0..head.size.0 + count)
            .map(|seq| record(seq, 300 + usize::try_from(seq).unwrap()))
            .collect();
        journal.append(head, &more).unwrap();
        records.extend(more);
    }
    records
}

fn segments(directory: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "segment"));
    paths.sort();
    paths
}

fn damage(directory: &Path) -> Damage {
    match FileJournal::open(directory, &options()) {
        Err(OpenError::Damaged(damage)) => damage,
        Err(error) => panic!("{error}"),
        Ok((_, recovery)) => panic!("opened: {recovery:?}"),
    }
}

/// What a reader without the lock gets: records and damage.
fn scan(directory: &Path) -> (Vec<LinkedRecord>, Vec<Damage>) {
    let (mut records, mut damages) = (Vec::new(), Vec::new());
    for item in ReadOnlyJournal::open(directory).unwrap().records().unwrap() {
        match item {
            Ok(record) => records.push(record),
            Err(ScanError::Damaged(damage)) => damages.push(damage),
            Err(error) => panic!("{error}"),
        }
    }
    (records, damages)
}

fn overwrite(path: &Path, bytes: &[u8], offset: u64) {
    fs::OpenOptions::new().write(true).open(path).unwrap().write_all_at(bytes, offset).unwrap();
}

#[test]
fn a_flipped_bit_anywhere_is_found_and_named() {
    let directory = tempfile::tempdir().unwrap();
    let records = journal(directory.path(), &[1, 2, 1, 4, 1, 3, 2]);
    let spare = directory.path().join("0000000002.segment");
    fs::copy(directory.path().join("0000000000.segment"), &spare).unwrap();
    overwrite(&spare, &[0; 4 << 10], 0);
    let segments = segments(directory.path());
    assert_eq!(segments.len(), 3, "two with records and one as it is made ahead");
    let mut flips = 0;
    for path in &segments {
        for (offset, byte) in (0..).zip(fs::read(path).unwrap()) {
            overwrite(path, &[byte ^ 1 << (offset % 8)], offset);
            let damage = damage(directory.path());
            assert_eq!(&damage.file, path, "byte {offset}: {damage}");
            assert!(damage.offset <= offset, "byte {offset}: {damage}");
            if offset % 97 == 0 {
                let (given, damages) = scan(directory.path());
                assert!(!damages.is_empty(), "byte {offset}");
                let original =
                    |record: &LinkedRecord| records[usize::try_from(record.seq.0).unwrap()] == *record;
                assert!(given.iter().all(original), "byte {offset}: an altered record was given");
            }
            overwrite(path, &[byte], offset);
            flips += 1;
        }
    }
    println!("{flips} bytes flipped, each found");
    assert_eq!(flips, 3 * SEGMENT_BYTES);
    assert_eq!(scan(directory.path()), (records, Vec::new()));
}

#[test]
fn a_block_lost_before_the_last_batch_is_damage_and_not_a_torn_tail() {
    let directory = tempfile::tempdir().unwrap();
    let records = journal(directory.path(), &[1, 2, 1, 4, 1, 3]);
    let mut lost = 0;
    for path in segments(directory.path()) {
        for (offset, block) in (0..).step_by(512).zip(fs::read(&path).unwrap().chunks(512)) {
            if block.iter().all(|byte| *byte == 0) {
                continue;
            }
            overwrite(&path, &[0; 512], offset);
            match FileJournal::open(directory.path(), &options()) {
                Err(OpenError::Damaged(damage)) => {
                    let shown = match damage.what {
                        Contradiction::Missing => damage.file == path && damage.offset <= offset,
                        // The last batch of its segment, and its only block: the next segment shows the gap.
                        Contradiction::OutOfPlace { .. } => damage.file > path && damage.offset == 0,
                        _ => false,
                    };
                    assert!(shown, "byte {offset} of {}: {damage}", path.display());
                    lost += 1;
                }
                // A lost block of the last batch looks torn; only what is known from elsewhere tells.
                Ok((journal, _)) => {
                    assert_eq!(journal.head().size.0, 9);
                    break;
                }
                Err(error) => panic!("{error}"),
            }
            overwrite(&path, block, offset);
        }
    }
    assert_eq!(lost, 8, "of {} records", records.len());
}

#[test]
fn a_missing_segment_is_named_unless_it_is_the_last() {
    let counts = [5; 8];
    let whole = tempfile::tempdir().unwrap();
    journal(whole.path(), &counts);
    let count = segments(whole.path()).len();
    assert!(count >= 4);
    for missing in 0..count {
        let directory = tempfile::tempdir().unwrap();
        journal(directory.path(), &counts);
        // Space is made ahead on another thread: there may be one segment more or less than in the other directory.
        let segments = segments(directory.path());
        if missing >= segments.len() {
            continue;
        }
        fs::remove_file(&segments[missing]).unwrap();
        if missing + 1 < segments.len() {
            let damage = damage(directory.path());
            assert_eq!((&damage.file, damage.what), (&segments[missing], Contradiction::SegmentMissing));
            let (given, damages) = scan(directory.path());
            assert_eq!(damages.len(), 1);
            assert!(given.len() < 40);
        } else {
            // Nothing in the files says that there was more: the floor does.
            let floor = Options { floor: TreeSize(41), ..options() };
            assert!(matches!(FileJournal::open(directory.path(), &floor), Err(OpenError::BelowFloor { .. })));
        }
    }
}

#[test]
fn a_segment_cut_short_is_damage() {
    for (bytes, what) in [(1_025, Contradiction::PastEnd), (2_049, Contradiction::Length)] {
        let directory = tempfile::tempdir().unwrap();
        let records = journal(directory.path(), &[1, 4]);
        let path = &segments(directory.path())[0];
        let before = fs::metadata(path).unwrap().len();
        let end = if what == Contradiction::Length { before - 1 } else { bytes };
        fs::OpenOptions::new().write(true).open(path).unwrap().set_len(end).unwrap();
        assert_eq!(damage(directory.path()).what, what);
        let (given, damages) = scan(directory.path());
        assert_eq!(damages.len(), 1);
        assert!(records.starts_with(&given));
    }
}

#[test]
fn a_batch_of_another_journal_or_another_place_is_refused() {
    let ours = tempfile::tempdir().unwrap();
    journal(ours.path(), &[1, 1, 1]);
    let other = tempfile::tempdir().unwrap();
    let (foreign, _) = FileJournal::open(other.path(), &options()).unwrap();
    let mut head = Head::EMPTY;
    for length in [200, 301, 302] {
        head = foreign.append(head, &[record(head.size.0, length)]).unwrap();
    }
    drop(foreign);
    let ours_path = &segments(ours.path())[0];
    let bytes = fs::read(&segments(other.path())[0]).unwrap();
    let original = fs::read(ours_path).unwrap();
    // The same positions, the same places, sound in themselves, another history.
    overwrite(ours_path, &bytes[512..1_024], 512);
    assert_eq!(damage(ours.path()).what, Contradiction::Previous);
    overwrite(ours_path, &original, 0);
    // Our own batch, one place on.
    overwrite(ours_path, &original[512..1_024], 1_024);
    let found = damage(ours.path());
    assert_eq!((found.what, found.offset), (Contradiction::Checksum, 1_024));
}

#[test]
fn damage_that_comes_while_the_journal_is_open_is_reported_by_the_read() {
    let directory = tempfile::tempdir().unwrap();
    let (journal, _) = FileJournal::open(directory.path(), &options()).unwrap();
    let first = batch(Head::EMPTY, 3);
    let head = journal.append(Head::EMPTY, &first).unwrap();
    journal.append(head, &batch(head, 20)).unwrap();
    let path = &segments(directory.path())[0];
    overwrite(path, &[0xff], 700);
    match journal.read(chain::Position(0), 1 << 20) {
        Err(ReadError::Damaged { seq, place, .. }) => {
            assert_eq!(seq.0, 0);
            assert!(place.ends_with("0000000000.segment at byte 512"), "{place}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_reader_goes_on_after_damage_with_the_next_whole_batch() {
    let directory = tempfile::tempdir().unwrap();
    let records = journal(directory.path(), &[1, 2, 1, 4, 1, 3]);
    let path = &segments(directory.path())[0];
    // In the second batch, which holds records 1 and 2.
    overwrite(path, &[0xff; 9], 600);
    let (given, damages) = scan(directory.path());
    let expected: Vec<_> = records.iter().filter(|record| ![1, 2].contains(&record.seq.0)).cloned().collect();
    assert_eq!(given, expected);
    assert_eq!((damages.len(), damages[0].seq.0), (1, 1));
}
