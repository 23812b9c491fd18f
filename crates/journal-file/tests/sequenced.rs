//! The sequencer, deciding ahead, on files whose writes and syncs fail: what it acknowledged is there after the power
//! went, and besides it at most the batch that failed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail like tests")]

use std::sync::Arc;
use std::thread;

use chain::{LinkedRecord, Position, TreeSize};
use journal::sequencer::{Decide, Limits, Sequencer, SubmitError};
use journal::{AppendError, Head, Journal, ReadError};
use journal_file::faults::{FaultyDisk, SyncFault, WriteFault};
use journal_file::{FileJournal, Options};

/// Few in a batch, and each batch decided during the append of the one before it, if there is anything to decide.
const LIMITS: Limits = Limits {
    waiting_max: 100,
    batch_items_max: 3,
    batch_bytes_max: 1 << 20,
    item_records_max: 1,
    ahead_bytes_min: 1,
};

/// Records each item as it is, at the place it answers.
struct Place {
    next: Position,
}

impl Decide for Place {
    type Item = Vec<u8>;
    type Outcome = Position;

    fn decide(&mut self, item: &Vec<u8>, records: &mut Vec<LinkedRecord>) -> Position {
        let seq = self.next;
        records.push(LinkedRecord::new(seq, item.as_slice()));
        self.next = TreeSize(seq.0 + 1).next_position();
        seq
    }

    fn accept(&mut self, head: Head) {
        assert!(head.size.0 <= self.next.0);
    }

    fn rewind(&mut self, _: &dyn Journal) -> Result<Head, ReadError> {
        panic!("one writer meets no conflict")
    }
}

fn open(disk: &FaultyDisk, directory: &tempfile::TempDir) -> FileJournal {
    let options = Options { segment_bytes: 16 << 10, ..Options::default() };
    FileJournal::open_on(Arc::new(disk.clone()), directory.path(), &options).unwrap().0
}

/// Four threads submit until they are refused. What was acknowledged is there after the power went.
fn check(plan: impl Fn(&FaultyDisk)) {
    let (disk, directory) = (FaultyDisk::new(), tempfile::tempdir().unwrap());
    let journal = Arc::new(open(&disk, &directory));
    plan(&disk);
    let place = Place { next: Position(0) };
    let sequencer = Sequencer::start(Arc::clone(&journal) as Arc<dyn Journal>, place, LIMITS).unwrap();
    let submit = |thread: u8| {
        let mut acknowledged = Vec::new();
        for number in 0_u8..=255 {
            let item = [thread, number].repeat(200);
            match sequencer.submit_and_wait(item.clone()) {
                Ok(seq) => acknowledged.push((seq, item)),
                Err(SubmitError::Append(error)) => {
                    assert!(matches!(*error, AppendError::Io { .. }), "{error}");
                    return acknowledged;
                }
                Err(error) => panic!("{error}"),
            }
        }
        panic!("the fault did not strike")
    };
    let mut acknowledged: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|thread| scope.spawn(move || submit(thread))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    acknowledged.sort();
    drop((sequencer, journal));
    disk.heal();
    disk.lose_power().unwrap();

    let records = open(&disk, &directory).read(Position(0), usize::MAX).unwrap();
    assert!((acknowledged.len()..=acknowledged.len() + 3).contains(&records.len()));
    for ((seq, item), record) in acknowledged.iter().zip(&records) {
        assert_eq!((*seq, item.as_slice()), (record.seq, &*record.bytes));
    }
}

#[test]
fn what_was_acknowledged_outlives_a_failed_sync_and_a_loss_of_power() {
    for fault in [SyncFault::Lost, SyncFault::Cached, SyncFault::Persisted] {
        for before in [0, 1, 2, 5, 40] {
            check(|disk| disk.fail_sync(before, fault));
        }
    }
}

#[test]
fn what_was_acknowledged_outlives_a_failed_write_and_a_loss_of_power() {
    for fault in [WriteFault::Nothing, WriteFault::EveryOtherBlock, WriteFault::Everything] {
        for before in [0, 1, 2, 5, 40] {
            check(|disk| disk.fail_write(before, fault));
        }
    }
}
