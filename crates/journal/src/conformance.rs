//! The suite every engine must pass: [`run`] it from the engine's tests. Each function is one sentence of the
//! contract and panics where it does not hold.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use chain::{LinkedRecord, Position, RECORD_BYTES_MAX, TreeSize};

use crate::{AppendError, Head, Journal};

/// How a hooked sync ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncOutcome {
    /// The batch is durable.
    Done,
    /// It reports failure, and the batch is lost.
    Failed,
    /// It reports failure, and the batch is there after reopening.
    FailedButPersisted,
}

/// Called when a batch is written and not yet durable.
pub type SyncHook = Box<dyn FnOnce() -> SyncOutcome + Send>;

/// One journal's storage, empty when made.
pub trait Store {
    /// Opens it, or opens it again: every handle from before is dropped by then.
    fn open(&self) -> Box<dyn Journal>;

    /// Has the open journal call `hook` in its next append that writes. `false` if the engine has no such place;
    /// what needs it is then not checked.
    fn on_next_sync(&self, hook: SyncHook) -> bool;

    /// Opens it once more, beside the handles there are, as another process would; `None` if one process writes alone.
    fn open_beside(&self) -> Option<Box<dyn Journal>> {
        None
    }
}

/// Longer than any step of the suite should take: a wait that reaches it has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// Everything in one read.
const ALL: usize = usize::MAX;

/// Runs the whole suite, each part on a store of its own.
pub fn run(make: &dyn Fn() -> Box<dyn Store>) {
    let parts: [fn(&dyn Store); 15] = [
        positions_are_gapless_from_zero,
        two_writers_never_both_win_a_position,
        two_processes_never_both_win_a_position,
        what_one_process_appends_another_waits_for_and_reads,
        nothing_is_seen_before_it_is_durable,
        writes_are_refused_after_a_failed_sync_and_reads_are_not,
        a_batch_whose_sync_failed_is_there_in_whole_or_not_at_all,
        reads_are_byte_identical,
        reopening_gives_the_same_records,
        an_empty_batch_says_whether_the_journal_ends_there,
        a_record_too_large_is_refused_and_nothing_of_its_batch_stays,
        as_many_records_as_are_taken_at_once_are_stored_and_one_more_is_refused,
        records_out_of_place_are_refused,
        waiting_ends_when_records_come_or_time_runs_out,
        reads_keep_to_their_limit_and_always_go_on,
    ];
    for part in parts {
        part(&*make());
    }
}

/// `count` records that continue `head`, of many lengths and all byte values; the same at every call.
pub fn batch(head: Head, count: u64) -> Vec<LinkedRecord> {
    (head.size.0..head.size.0 + count)
        .map(|seq| {
            // Lengths around the sizes engines cut at, then whatever the multiplier gives.
            let lengths = [1, 507, 508, 509, 512, 1_024, 4_096, 0];
            let length = lengths[usize::try_from(seq % 8).expect("below 8")];
            record(
                seq,
                if length == 0 { usize::try_from(seq * 7_919 % 9_000).expect("below 9,000") } else { length },
            )
        })
        .collect()
}

/// A record at `seq` of `length` bytes.
pub fn record(seq: u64, length: usize) -> LinkedRecord {
    let mut state = seq ^ 0x9e37_79b9_7f4a_7c15;
    let bytes: Vec<u8> = (0..length)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state.to_be_bytes()[0]
        })
        .collect();
    LinkedRecord::new(Position(seq), bytes)
}

/// Appends `count` records at the head and answers them.
fn grow(journal: &dyn Journal, count: u64) -> Vec<LinkedRecord> {
    let head = journal.head();
    let records = batch(head, count);
    let after = journal.append(head, &records).expect("a healthy journal takes records at its head");
    assert_eq!(after, head.after(&records), "append answers the end after the batch");
    records
}

/// Everything from `from` on, in reads of at most `bytes_max`.
fn read_all(journal: &dyn Journal, from: u64, bytes_max: usize) -> Vec<LinkedRecord> {
    let mut records: Vec<LinkedRecord> = Vec::new();
    loop {
        let next = Position(from + records.len() as u64);
        let more = journal.read(next, bytes_max).expect("durable records can be read");
        if more.is_empty() {
            return records;
        }
        records.extend(more);
    }
}

/// Positions are gapless from 0, over batches of any size.
pub fn positions_are_gapless_from_zero(store: &dyn Store) {
    let journal = store.open();
    assert_eq!(journal.head(), Head::EMPTY);
    for count in [1, 1, 2, 17, 100, 1] {
        grow(&*journal, count);
    }
    let records = read_all(&*journal, 0, 4_096);
    assert!(records.iter().map(|record| record.seq.0).eq(0..122), "each position once, in order");
    assert_eq!(journal.head(), Head::EMPTY.after(&records));
}

/// Of two appends that expect the same size at most one succeeds, and every position has the winner's record.
pub fn two_writers_never_both_win_a_position(store: &dyn Store) {
    let journal = store.open();
    race(&*journal, &*journal);
}

/// The same, where the writers have nothing in common but what is stored.
pub fn two_processes_never_both_win_a_position(store: &dyn Store) {
    let journal = store.open();
    if let Some(beside) = store.open_beside() {
        race(&*journal, &*beside);
    }
}

/// Two writers append single records as fast as they can, each until it has won often enough.
fn race(one: &dyn Journal, other: &dyn Journal) {
    const ROUNDS: usize = 50;
    let write = |journal: &dyn Journal, writer: u8| {
        let mut won = Vec::new();
        while won.len() < ROUNDS {
            let head = journal.head();
            let record = LinkedRecord::new(head.size.next_position(), vec![writer; 100 + won.len()]);
            match journal.append(head, std::slice::from_ref(&record)) {
                Ok(after) => {
                    assert_eq!(after.size.0, head.size.0 + 1);
                    won.push(record);
                }
                Err(AppendError::PositionConflict { expected, actual }) => {
                    assert_eq!(expected, head);
                    assert!(actual.size > head.size, "a conflict shows the other's record");
                }
                Err(error) => assert!(error.is_retryable(), "{error}"),
            }
        }
        won
    };
    let mut won = thread::scope(|scope| {
        let writing = scope.spawn(|| write(other, 2));
        let mut won = write(one, 1);
        won.extend(writing.join().expect("the other writer ends"));
        won
    });
    won.sort_by_key(|record| record.seq);
    for journal in [one, other] {
        journal.wait(TreeSize(2 * ROUNDS as u64 - 1), PATIENCE);
        assert_eq!(read_all(journal, 0, ALL), won, "what was acknowledged is what is there");
    }
}

/// A process sees what another one appends, without appending itself.
pub fn what_one_process_appends_another_waits_for_and_reads(store: &dyn Store) {
    let journal = store.open();
    let Some(beside) = store.open_beside() else { return };
    let mut records = Vec::new();
    for count in [1, 30, 200] {
        let before = beside.head();
        assert_eq!(before.size.0, records.len() as u64);
        records.extend(grow(&*journal, count));
        let behind = beside.append(before, &[]).expect_err("another process has appended");
        assert!(
            matches!(behind, AppendError::PositionConflict { actual, .. } if actual == journal.head()),
            "{behind}"
        );
        while beside.head().size.0 < records.len() as u64 {
            let seen = beside.wait(beside.head().size, PATIENCE);
            assert!(seen.size > before.size, "the wait ends when records come");
        }
        assert_eq!(beside.head(), journal.head());
        assert_eq!(read_all(&*beside, 0, ALL), records);
    }
}

/// While a batch is being synced neither `head` nor `read` nor `wait` shows it.
pub fn nothing_is_seen_before_it_is_durable(store: &dyn Store) {
    let journal = store.open();
    let journal = &*journal;
    grow(journal, 3);
    let before = journal.head();
    let (entered, at_sync) = mpsc::channel();
    let (release, released) = mpsc::channel();
    let hook = Box::new(move || {
        entered.send(()).expect("the suite listens");
        released.recv_timeout(PATIENCE).expect("the suite releases the sync");
        SyncOutcome::Done
    });
    if !store.on_next_sync(hook) {
        return;
    }
    thread::scope(|scope| {
        let append = scope.spawn(|| grow(journal, 2));
        at_sync.recv_timeout(PATIENCE).expect("append comes to its sync");
        assert_eq!(journal.head(), before);
        assert_eq!(journal.read(Position(3), ALL).expect("readable"), []);
        assert_eq!(journal.wait(before.size, Duration::from_millis(1)), before);
        release.send(()).expect("the hook waits");
        let records = append.join().expect("the append ends");
        assert_eq!(read_all(journal, 3, ALL), records);
    });
}

/// After a failed sync appends answer `Poisoned`; what was durable stays readable.
pub fn writes_are_refused_after_a_failed_sync_and_reads_are_not(store: &dyn Store) {
    let journal = store.open();
    let records = grow(&*journal, 5);
    let head = journal.head();
    if !store.on_next_sync(Box::new(|| SyncOutcome::Failed)) {
        return;
    }
    let error = journal.append(head, &batch(head, 2)).expect_err("the sync failed");
    assert!(matches!(error, AppendError::Io { .. }) && !error.is_retryable(), "{error}");
    for _ in 0..2 {
        let error = journal.append(head, &batch(head, 1)).expect_err("poisoned");
        assert!(matches!(error, AppendError::Poisoned), "{error}");
    }
    assert_eq!(journal.head(), head);
    assert_eq!(read_all(&*journal, 0, ALL), records);
    drop(journal);

    let journal = store.open();
    assert_eq!(journal.head(), head);
    grow(&*journal, 1);
}

/// Reopening after a failed sync finds the batch in whole or not at all, and goes on from there.
pub fn a_batch_whose_sync_failed_is_there_in_whole_or_not_at_all(store: &dyn Store) {
    for outcome in [SyncOutcome::Failed, SyncOutcome::FailedButPersisted] {
        let journal = store.open();
        let mut records = read_all(&*journal, 0, ALL);
        records.extend(grow(&*journal, 4));
        let head = journal.head();
        let doubtful = batch(head, 9);
        if !store.on_next_sync(Box::new(move || outcome)) {
            return;
        }
        journal.append(head, &doubtful).expect_err("the sync failed");
        drop(journal);

        let journal = store.open();
        if outcome == SyncOutcome::FailedButPersisted {
            records.extend(doubtful);
        }
        assert_eq!(read_all(&*journal, 0, ALL), records, "{outcome:?}");
        assert_eq!(journal.head(), Head::EMPTY.after(&records), "{outcome:?}");
        grow(&*journal, 2);
    }
}

/// What is read is what was appended, byte for byte, from any position and in any portions.
pub fn reads_are_byte_identical(store: &dyn Store) {
    let journal = store.open();
    let mut records = Vec::new();
    for count in [1, 3, 40, 1, 200] {
        records.extend(grow(&*journal, count));
    }
    for bytes_max in [1, 600, 70_000, ALL] {
        assert_eq!(read_all(&*journal, 0, bytes_max), records);
    }
    for from in [0, 1, 43, 44, 244, 245] {
        assert_eq!(read_all(&*journal, from, ALL), records[usize::try_from(from).expect("small")..]);
    }
}

/// Closing and opening changes nothing, and appending goes on.
pub fn reopening_gives_the_same_records(store: &dyn Store) {
    let mut records = Vec::new();
    for round in 1..5 {
        let journal = store.open();
        assert_eq!(journal.head(), Head::EMPTY.after(&records));
        assert_eq!(read_all(&*journal, 0, ALL), records);
        records.extend(grow(&*journal, round * 11));
    }
}

/// An empty batch is accepted at the head and changes nothing; behind it, it is a conflict like any other.
pub fn an_empty_batch_says_whether_the_journal_ends_there(store: &dyn Store) {
    let journal = store.open();
    assert_eq!(journal.append(Head::EMPTY, &[]).expect("accepted"), Head::EMPTY);
    let records = grow(&*journal, 2);
    let head = journal.head();
    assert_eq!(journal.append(head, &[]).expect("accepted"), head);
    assert_eq!(read_all(&*journal, 0, ALL), records);
    let behind = journal.append(Head::EMPTY, &[]).expect_err("the journal ends elsewhere");
    assert!(
        matches!(behind, AppendError::PositionConflict { expected: Head::EMPTY, actual } if actual == head),
        "{behind}"
    );
}

/// A record above the limit refuses its whole batch; one at the limit is stored.
pub fn a_record_too_large_is_refused_and_nothing_of_its_batch_stays(store: &dyn Store) {
    let journal = store.open();
    let mut records = grow(&*journal, 1);
    let head = journal.head();
    let wrong = [record(1, 10), record(2, RECORD_BYTES_MAX + 1)];
    let error = journal.append(head, &wrong).expect_err("too large");
    let limit = RECORD_BYTES_MAX;
    assert!(
        matches!(error, AppendError::TooLarge { seq: Position(2), bytes, limit: l } if bytes == limit + 1 && l == limit),
        "{error}"
    );
    assert_eq!(journal.head(), head);

    let largest = [record(1, RECORD_BYTES_MAX), record(2, 0)];
    journal.append(head, &largest).expect("the longest and the shortest record are stored");
    records.extend(largest);
    assert_eq!(read_all(&*journal, 0, ALL), records);
}

/// A batch of as many records as one append takes is stored in whole; of a longer one nothing is.
pub fn as_many_records_as_are_taken_at_once_are_stored_and_one_more_is_refused(store: &dyn Store) {
    let journal = store.open();
    let limit = journal.append_records_max();
    if limit == usize::MAX {
        return;
    }
    let mut records = grow(&*journal, 1);
    let head = journal.head();
    let error = journal.append(head, &batch(head, limit as u64 + 1)).expect_err("one too many");
    assert!(
        matches!(error, AppendError::TooMany { records, limit: l } if records == limit + 1 && l == limit),
        "{error}"
    );
    assert_eq!(journal.head(), head);
    records.extend(grow(&*journal, limit as u64));
    assert_eq!(read_all(&*journal, 0, ALL), records);
}

/// Records that leave a gap, overlap or follow another history are a conflict, and nothing is stored.
pub fn records_out_of_place_are_refused(store: &dyn Store) {
    let journal = store.open();
    let records = grow(&*journal, 3);
    let head = journal.head();
    let fork = Head { size: head.size, hash: records[0].hash };
    for (expected, wrong) in [
        (Head::EMPTY, vec![record(0, 10)]),
        (Head { size: TreeSize(4), hash: head.hash }, vec![record(4, 10)]),
        (fork, vec![record(3, 10)]),
        (head, vec![record(4, 10)]),
        (head, vec![record(3, 10), record(5, 10)]),
    ] {
        let error = journal.append(expected, &wrong).expect_err("out of place");
        assert!(matches!(error, AppendError::PositionConflict { .. }) && error.is_retryable(), "{error}");
    }
    assert_eq!(read_all(&*journal, 0, ALL), records);
    grow(&*journal, 1);
}

/// `wait` answers at once where there is more already, when more comes, and when its time is over.
pub fn waiting_ends_when_records_come_or_time_runs_out(store: &dyn Store) {
    let journal = store.open();
    let journal = &*journal;
    grow(journal, 2);
    let head = journal.head();
    assert_eq!(journal.wait(TreeSize(1), PATIENCE), head);
    assert_eq!(journal.wait(TreeSize(2), Duration::from_millis(1)), head);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| journal.wait(TreeSize(2), PATIENCE));
        grow(journal, 1);
        let woken = waiting.join().expect("the wait ends");
        assert_eq!(woken, journal.head());
        assert_eq!(woken.size, TreeSize(3));
    });
}

/// A read gives at least one record if there is one and not many more bytes than asked for; none at the head and
/// beyond it.
pub fn reads_keep_to_their_limit_and_always_go_on(store: &dyn Store) {
    let journal = store.open();
    assert_eq!(journal.read(Position(0), ALL).expect("readable"), []);
    let records: Vec<_> = (0..100).map(|seq| record(seq, 500)).collect();
    journal.append(Head::EMPTY, &records).expect("stored");
    for (bytes_max, at_least, at_most) in [(0, 1, 1), (499, 1, 1), (5_000, 5, 20), (ALL, 1, 100)] {
        let count = journal.read(Position(0), bytes_max).expect("readable").len();
        assert!((at_least..=at_most).contains(&count), "{count} records for {bytes_max} bytes");
    }
    for beyond in [100, 101, u64::MAX] {
        assert_eq!(journal.read(Position(beyond), ALL).expect("readable"), []);
    }
}
