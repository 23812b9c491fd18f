//! Reading beside a writer, in this process and from another.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use chain::LinkedRecord;
use journal::conformance::{batch, record};
use journal::{Head, Journal};
use journal_file::faults::{FaultyDisk, SyncFault};
use journal_file::{End, FileJournal, Options, ReadOnlyJournal};

fn options() -> Options {
    Options { segment_bytes: 64 << 10, ..Options::default() }
}

fn scan(directory: &Path) -> (Vec<LinkedRecord>, End) {
    let mut records = ReadOnlyJournal::open(directory).unwrap().records().unwrap();
    let given = records.by_ref().collect::<Result<Vec<_>, _>>().unwrap();
    let end = records.end().unwrap().clone();
    assert_eq!(end.head, Head::EMPTY.after(&given));
    (given, end)
}

const BATCHES: u64 = 200;

/// Not a test by itself: the test below starts this binary again with a directory as its last argument, and this
/// function then writes there.
#[test]
fn writes_where_the_last_argument_says() {
    let Some(directory) = std::env::args().next_back().map(PathBuf::from).filter(|path| path.is_dir()) else {
        return;
    };
    let (journal, _) = FileJournal::open(&directory, &options()).unwrap();
    for count in 0..BATCHES {
        let head = journal.head();
        journal.append(head, &batch(head, 1 + count % 20)).unwrap();
    }
}

#[test]
fn a_reader_beside_a_writer_in_another_process_sees_whole_batches_and_no_damage() {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "writes_where_the_last_argument_says"])
        .arg(directory.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let expected = batch(Head::EMPTY, (0..BATCHES).map(|count| 1 + count % 20).sum());
    let mut ends: Vec<u64> = (0..BATCHES).map(|count| 1 + count % 20).collect();
    (1..ends.len()).for_each(|at| ends[at] += ends[at - 1]);
    let mut seen = 0;
    let mut scans = 0;
    loop {
        let ended = writer.try_wait().unwrap();
        let (given, end) = scan(directory.path());
        let size = given.len() as u64;
        assert!(expected.starts_with(&given), "at {size}");
        assert!(size == 0 || ends.contains(&size), "{size} is in the middle of a batch");
        assert!(size >= seen && end.withheld.is_none());
        seen = size;
        scans += 1;
        if let Some(status) = ended {
            assert!(status.success());
            break;
        }
    }
    println!("{scans} scans beside the writer");
    assert_eq!(seen, expected.len() as u64);
}

#[test]
fn followers_get_every_record_once_while_it_is_written() {
    let directory = tempfile::tempdir().unwrap();
    // Almost nothing is kept in memory, so followers read now the tail, now the files.
    let (journal, _) =
        FileJournal::open(directory.path(), &Options { tail_bytes: 20_000, ..options() }).unwrap();
    let journal = &journal;
    let expected = batch(Head::EMPTY, 1_000);
    thread::scope(|scope| {
        for bytes_max in [1, 5_000, usize::MAX] {
            let expected = &expected;
            scope.spawn(move || {
                let mut given: Vec<LinkedRecord> = Vec::new();
                while given.len() < expected.len() {
                    let end = Head::EMPTY.after(&given).size;
                    journal.wait(end, Duration::from_secs(30));
                    given.extend(journal.read(end.next_position(), bytes_max).unwrap());
                }
                assert_eq!(&given, expected);
            });
        }
        for records in expected.chunks(7) {
            journal.append(journal.head(), records).unwrap();
        }
    });
}

#[test]
fn a_batch_whose_sync_failed_is_withheld_until_recovery() {
    let directory = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::new();
    let open =
        || FileJournal::open_on(std::sync::Arc::new(disk.clone()), directory.path(), &options()).unwrap().0;
    let journal = open();
    journal.append(Head::EMPTY, &[record(0, 100)]).unwrap();
    disk.fail_sync(0, SyncFault::Cached);
    journal.append(journal.head(), &[record(1, 100)]).unwrap_err();
    let (given, end) = scan(directory.path());
    assert_eq!((given.len(), end.withheld.map(|head| head.size.0)), (1, Some(2)));
    drop(journal);
    open();
    let (given, end) = scan(directory.path());
    assert_eq!((given.len(), end.withheld), (2, None));
}

#[test]
fn a_torn_tail_is_told_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let (journal, _) = FileJournal::open(directory.path(), &options()).unwrap();
    let head = journal.append(Head::EMPTY, &[record(0, 100)]).unwrap();
    journal.append(head, &[record(1, 2_000)]).unwrap();
    drop(journal);
    let path = directory.path().join("0000000000.segment");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[1_024..1_536].fill(0);
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &bytes, 0).unwrap();
    let (given, end) = scan(directory.path());
    let torn = end.torn.unwrap();
    assert_eq!((given.len(), torn.seq.0, torn.offset, torn.bytes), (1, 1, 512, 5 * 512));
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
    assert!(!directory.path().join("torn").exists());
}

#[test]
fn an_empty_directory_holds_no_records_and_a_missing_one_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(scan(directory.path()).0, []);
    assert!(ReadOnlyJournal::open(&directory.path().join("none")).is_err());
}

#[test]
fn a_record_that_was_given_is_found_again_by_its_position_and_no_other_is() {
    let directory = tempfile::tempdir().unwrap();
    let (journal, _) = FileJournal::open(directory.path(), &options()).unwrap();
    for count in 0..BATCHES {
        let head = journal.head();
        journal.append(head, &batch(head, 1 + count % 20)).unwrap();
    }
    let mut records = ReadOnlyJournal::open(directory.path()).unwrap().records().unwrap();
    assert_eq!(records.record(chain::Position(0)).unwrap(), None, "nothing was given yet");
    let given = records.by_ref().collect::<Result<Vec<_>, _>>().unwrap();
    for expected in given.iter().step_by(37).chain(given.last()) {
        assert_eq!(records.record(expected.seq).unwrap().as_ref(), Some(expected));
    }
    assert_eq!(records.record(journal.head().size.next_position()).unwrap(), None);
}
