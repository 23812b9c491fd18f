//! Projectors on a journal in memory, over stores that work, fail and are killed.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{io, thread};

use chain::{Chain, Instant, LinkError, LinkedRecord, Position, Record, RecordHash, Signature, TreeSize};
use journal::memory::MemoryJournal;
use journal::{AppendError, Head, Journal, ReadError};
use readmodel::{
    Change, Doubt, Mark, MemoryStore, OpenError, Opened, Options, Row, SledStore, Store, StoreError, View,
};
use tempfile::TempDir;

use crate::{Fold, FoldError, Projector, ProjectorHandle, Rows, Settings, State, StopReason};

mod ahead;

/// Long enough for any machine: nothing is measured by it.
const PATIENCE: Duration = Duration::from_mins(1);

/// Small batches, so that few records make many.
const SETTINGS: Settings =
    Settings { batch_bytes_max: 2_000, batch_records_max: 7, poll: Duration::from_millis(5) };

/// Counts records, and the events' bytes by their number's last digit, which it keeps in memory as well.
#[derive(Default)]
struct Tally {
    bytes: BTreeMap<u64, u64>,
}

fn number(row: &[u8]) -> Result<u64, FoldError> {
    let digits = row.try_into().map_err(|_| FoldError::Row { what: "not eight bytes".to_owned() })?;
    Ok(u64::from_be_bytes(digits))
}

impl Fold for Tally {
    fn start(&mut self, view: &dyn View, mark: Mark) -> Result<(), FoldError> {
        for (key, row) in view.scan(b"digit/", None, 10)? {
            self.bytes.insert(number(&key[6..])?, number(&row)?);
        }
        assert_eq!(mark.size == 0, self.bytes.is_empty());
        Ok(())
    }

    fn fold(
        &mut self,
        record: &Record<'_>,
        linked: &LinkedRecord,
        rows: &mut Rows<'_>,
    ) -> Result<(), FoldError> {
        let text = String::from_utf8_lossy(record.event);
        // A row that comes and goes, one that is counted up through the pending changes.
        if record.seq.0.is_multiple_of(3) {
            rows.put(*b"open", linked.hash.0);
        } else {
            rows.delete(*b"open");
        }
        let count = rows.get(b"count")?.map_or(Ok(0), |row| number(&row))?;
        rows.put(*b"count", (count + 1).to_be_bytes());
        *self.bytes.entry(record.seq.0 % 10).or_default() += u64::try_from(record.event.len()).unwrap();
        if text.contains("refuse") {
            return Err(FoldError::Record { what: "told to refuse".to_owned() });
        }
        assert!(!text.contains("panic"), "told to panic");
        Ok(())
    }

    fn settle(&mut self, rows: &mut Rows<'_>) -> Result<(), FoldError> {
        for (digit, bytes) in &self.bytes {
            rows.put([b"digit/".as_slice(), &digit.to_be_bytes()].concat(), bytes.to_be_bytes());
        }
        Ok(())
    }
}

/// The rows that `events` come to, reckoned without a projector.
fn expected(events: &[LinkedRecord]) -> Vec<Row> {
    let mut rows = Vec::new();
    if events.is_empty() {
        return rows;
    }
    rows.push((b"count".to_vec(), (events.len() as u64).to_be_bytes().to_vec()));
    for digit in 0..10.min(events.len() as u64) {
        let of_digit = events.iter().filter(|record| record.seq.0 % 10 == digit);
        let bytes: usize = of_digit.map(|record| Record::parse(&record.bytes).unwrap().event.len()).sum();
        let key = [b"digit/".as_slice(), &digit.to_be_bytes()].concat();
        rows.push((key, (bytes as u64).to_be_bytes().to_vec()));
    }
    let last = &events[events.len() - 1];
    if last.seq.0.is_multiple_of(3) {
        rows.push((b"open".to_vec(), last.hash.0.to_vec()));
    }
    rows
}

/// A log being written: what was appended, and the chain's end.
struct Log {
    journal: Arc<MemoryJournal>,
    chain: Chain,
    records: Vec<LinkedRecord>,
}

impl Log {
    fn with(count: usize) -> Self {
        let mut log =
            Self { journal: Arc::new(MemoryJournal::new()), chain: Chain::default(), records: Vec::new() };
        log.grow(count);
        log
    }

    fn grow(&mut self, count: usize) {
        for _ in 0..count {
            let event = format!("{{\"n\":{}}}", self.records.len() * 37 % 1_000);
            self.say(&event);
        }
    }

    fn say(&mut self, event: &str) {
        let now = Instant::from_microseconds(self.chain.size.0.cast_signed()).unwrap();
        let record = self.chain.link(event.as_bytes(), Signature([0; 64]), now);
        self.append(record);
    }

    fn append(&mut self, record: LinkedRecord) {
        self.journal.append(self.journal.head(), std::slice::from_ref(&record)).unwrap();
        self.records.push(record);
    }

    fn size(&self) -> TreeSize {
        TreeSize(self.records.len() as u64)
    }

    fn start(&self, store: Arc<dyn Store>) -> ProjectorHandle {
        start(Arc::clone(&self.journal) as _, store)
    }
}

fn start(journal: Arc<dyn Journal>, store: Arc<dyn Store>) -> ProjectorHandle {
    Projector::start("test", "trial", journal, store, || Box::new(Tally::default()), SETTINGS).unwrap()
}

fn memory() -> Arc<dyn Store> {
    Arc::new(MemoryStore::default())
}

fn sled(dir: &Path) -> (Arc<dyn Store>, Opened) {
    let (store, opened) = SledStore::open(dir, 1, Options::default()).unwrap();
    (Arc::new(store), opened)
}

fn rows(handle: &ProjectorHandle) -> (Vec<Row>, Mark) {
    handle.query(|view, mark| (view.scan(b"", None, 100).unwrap(), mark)).unwrap()
}

/// What is served is exactly the first `size` records of `log`.
fn check_served(handle: &ProjectorHandle, log: &Log, size: usize) {
    let (rows, mark) = rows(handle);
    assert_eq!(mark.size, size as u64);
    assert_eq!(mark.hash, size.checked_sub(1).map_or([0; 32], |last| log.records[last].hash.0));
    assert_eq!(rows, expected(&log.records[..size]));
}

fn stopped(handle: &ProjectorHandle) -> StopReason {
    // Never served, so the wait ends when the projector stops.
    assert!(!handle.wait_for(TreeSize(u64::MAX), PATIENCE));
    match handle.status().state {
        State::Stopped { reason } => reason,
        state => panic!("{state:?}"),
    }
}

#[test]
fn it_catches_up_and_follows() {
    let mut log = Log::with(50);
    let handle = log.start(memory());
    assert!(handle.wait_for(log.size(), PATIENCE));
    check_served(&handle, &log, 50);
    for _ in 0..20 {
        log.grow(1);
        assert!(handle.wait_for(log.size(), PATIENCE));
    }
    check_served(&handle, &log, 70);
    let status = handle.status();
    assert_eq!(status.size, TreeSize(70));
    assert_eq!(status.head_hash, log.records[69].hash);
    assert_eq!((status.journal_size, status.lag_records), (TreeSize(70), 0));
    assert_eq!((status.rebuilds, status.last_error), (0, None));
    assert!(!handle.wait_for(TreeSize(71), Duration::from_millis(20)));
    handle.stop();
    assert_eq!(handle.status().state, State::Closed);
}

#[test]
fn it_goes_on_from_its_mark_after_a_clean_stop() {
    let dir = TempDir::new().unwrap();
    let mut log = Log::with(25);
    let handle = log.start(sled(dir.path()).0);
    assert!(handle.wait_for(log.size(), PATIENCE));
    handle.stop();
    drop(handle);
    log.grow(25);

    let (store, opened) = sled(dir.path());
    assert_eq!((opened, store.mark().unwrap().size), (Opened::Kept, 25));
    let handle = log.start(store);
    assert!(handle.wait_for(log.size(), PATIENCE));
    check_served(&handle, &log, 50);
    assert_eq!(handle.status().rebuilds, 0);
}

#[test]
fn after_a_kill_the_rows_are_made_anew_and_the_same() {
    let dir = TempDir::new().unwrap();
    let log = Log::with(60);
    let handle = log.start(sled(&dir.path().join("running")).0);
    assert!(handle.wait_for(TreeSize(20), PATIENCE));
    // What a killed process leaves is what lies on the disk while it runs.
    copy(&dir.path().join("running"), &dir.path().join("killed"));
    assert!(handle.wait_for(log.size(), PATIENCE));
    let served = rows(&handle);

    let (store, opened) = sled(&dir.path().join("killed"));
    assert_eq!(opened, Opened::Rebuilt { why: Doubt::Unclean });
    let again = log.start(store);
    assert!(again.wait_for(log.size(), PATIENCE));
    assert_eq!(rows(&again), served);
    check_served(&again, &log, 60);
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[test]
fn rows_and_mark_never_disagree_while_records_arrive_and_rows_are_made_anew() {
    let dir = TempDir::new().unwrap();
    let mut log = Log::with(200);
    let handle = log.start(sled(dir.path()).0);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                let (count, mark) = handle.query(|view, mark| (view.get(b"count").unwrap(), mark)).unwrap();
                let count = count.map_or(0, |row| number(&row).unwrap());
                assert_eq!(count, mark.size);
            }
        });
        for _ in 0..10 {
            log.grow(20);
            handle.rebuild();
        }
        assert!(handle.wait_for_rebuild(1, PATIENCE));
        assert!(handle.wait_for(log.size(), PATIENCE));
        done.store(true, Ordering::Release);
    });
    check_served(&handle, &log, 400);
}

#[test]
fn a_rebuild_gives_identical_rows_and_outlives_a_restart() {
    let dir = TempDir::new().unwrap();
    let log = Log::with(80);
    let handle = log.start(sled(dir.path()).0);
    assert!(handle.wait_for(log.size(), PATIENCE));
    let (before, store) = (rows(&handle), handle.store());
    handle.rebuild();
    assert!(handle.wait_for_rebuild(1, PATIENCE));
    assert_eq!(rows(&handle), before);
    assert!(!Arc::ptr_eq(&store, &handle.store()));
    handle.stop();
    drop(handle);
    let (store, opened) = sled(dir.path());
    assert_eq!((opened, store.mark().unwrap().size), (Opened::Kept, 80));
}

#[test]
fn a_store_of_another_log_or_of_a_longer_one_is_thrown_away() {
    let long = Log::with(40);
    let mut other = Log::with(0);
    other.say("{\"n\":5}");
    other.grow(39);
    for log in [other, Log::with(30)] {
        let dir = TempDir::new().unwrap();
        let handle = long.start(sled(dir.path()).0);
        assert!(handle.wait_for(long.size(), PATIENCE));
        drop(handle);

        let handle = log.start(sled(dir.path()).0);
        // Never, not even at first, are rows of the other log served.
        let (_, mark) = rows(&handle);
        assert!(mark.size == 0 || log.records[usize::try_from(mark.size).unwrap() - 1].hash.0 == mark.hash);
        assert!(handle.wait_for(log.size(), PATIENCE));
        check_served(&handle, &log, log.records.len());
        let status = handle.status();
        assert_eq!(status.rebuilds, 1);
        assert!(status.last_error.unwrap().contains("thrown away"));
    }
}

/// A log whose record 33 is what `forge` makes of its chain, and the reason for which to stop there.
fn check_broken(forge: impl Fn(&mut Chain) -> LinkedRecord, good: usize, reason: &StopReason) {
    let mut log = Log::with(33);
    let mut chain = log.chain;
    log.append(forge(&mut chain));
    log.chain = chain;
    log.grow(10);
    let handle = log.start(memory());
    assert_eq!(stopped(&handle), *reason);
    check_served(&handle, &log, good);
    let status = handle.status();
    assert_eq!(status.lag_records, 44 - good as u64);
    assert_eq!(status.last_error, Some(reason.to_string()));

    // Made anew, it comes to the same place, and still serves it.
    handle.rebuild();
    assert!(handle.wait_for_rebuild(1, PATIENCE));
    assert_eq!(stopped(&handle), *reason);
    check_served(&handle, &log, good);
}

#[test]
fn a_broken_link_stops_it_and_marks_it() {
    let mut end = Chain::default();
    for record in &Log::with(33).records {
        end.follow(&Record::parse(&record.bytes).unwrap(), record.hash).unwrap();
    }
    let (seq, found) = (Position(33), RecordHash([9; 32]));
    let forge = |change: fn(&mut Chain)| {
        move |chain: &mut Chain| {
            change(chain);
            chain.link(b"{}", Signature([0; 64]), Instant::from_microseconds(3).unwrap())
        }
    };
    check_broken(
        forge(|chain| chain.head = RecordHash([9; 32])),
        33,
        &StopReason::Link(LinkError::Previous { seq, expected: end.head, found }),
    );
    check_broken(
        forge(|chain| chain.recorded_at = None),
        33,
        &StopReason::Link(LinkError::Time {
            seq,
            previous: end.recorded_at.unwrap(),
            found: Instant::from_microseconds(3).unwrap(),
        }),
    );
    let bytes = br#"{"not":"a record"}"#.as_slice();
    let source = Record::parse(bytes).unwrap_err();
    let no_record = |chain: &mut Chain| {
        let linked = LinkedRecord::new(seq, bytes);
        (chain.size, chain.head) = (TreeSize(34), linked.hash);
        linked
    };
    check_broken(no_record, 33, &StopReason::Record { seq, source });
}

#[test]
fn time_going_back_right_after_a_restart_is_noticed() {
    let dir = TempDir::new().unwrap();
    let mut log = Log::with(20);
    let handle = log.start(sled(dir.path()).0);
    assert!(handle.wait_for(log.size(), PATIENCE));
    drop(handle);
    log.chain.recorded_at = None;
    let record = log.chain.link(b"{}", Signature([0; 64]), Instant::from_microseconds(0).unwrap());
    log.append(record);
    let handle = log.start(sled(dir.path()).0);
    assert!(matches!(stopped(&handle), StopReason::Link(LinkError::Time { seq: Position(20), .. })));
    check_served(&handle, &log, 20);
}

#[test]
fn a_refused_record_stops_it_before_that_record() {
    let what = "told to refuse".to_owned();
    let event = br#"{"refuse":1}"#.as_slice();
    check_broken(
        |chain| chain.link(event, Signature([0; 64]), Instant::from_microseconds(33).unwrap()),
        33,
        &StopReason::Fold { seq: Position(33), what },
    );
}

#[test]
fn a_panic_of_the_fold_stops_it_before_that_record() {
    let event = br#"{"panic":1}"#.as_slice();
    check_broken(
        |chain| chain.link(event, Signature([0; 64]), Instant::from_microseconds(33).unwrap()),
        33,
        &StopReason::Panic { seq: Position(33) },
    );
}

#[test]
fn a_row_that_cannot_be_read_leads_to_rows_made_anew() {
    let log = Log::with(20);
    let store = memory();
    let change = Change::Put { key: b"digit/x".to_vec(), value: b"?".to_vec() };
    store.commit(vec![change], Mark { size: 10, hash: log.records[9].hash.0 }).unwrap();
    let handle = log.start(store);
    assert!(handle.wait_for(log.size(), PATIENCE));
    check_served(&handle, &log, 20);
    assert_eq!(handle.status().rebuilds, 1);
}

/// A store whose commits fail from one on, and whose shadows do so too.
struct Failing {
    rows: MemoryStore,
    commits: AtomicU32,
    shadow_commits: u32,
}

impl Failing {
    fn at(commits: u32, shadow_commits: u32) -> Arc<dyn Store> {
        Arc::new(Self { rows: MemoryStore::default(), commits: AtomicU32::new(commits), shadow_commits })
    }
}

impl Store for Failing {
    fn mark(&self) -> Result<Mark, StoreError> {
        self.rows.mark()
    }

    fn commit(&self, changes: Vec<Change>, mark: Mark) -> Result<(), StoreError> {
        if self.commits.load(Ordering::Relaxed) == 0 {
            return Err(StoreError::Failed { op: "commit", source: "disk full".into() });
        }
        self.commits.fetch_sub(1, Ordering::Relaxed);
        self.rows.commit(changes, mark)
    }

    fn read(&self, reader: &mut dyn FnMut(&dyn View, Mark)) -> Result<(), StoreError> {
        self.rows.read(reader)
    }

    fn shadow(&self) -> Result<Arc<dyn Store>, OpenError> {
        Ok(Self::at(self.shadow_commits, u32::MAX))
    }

    fn close(&self) -> Result<(), StoreError> {
        self.rows.close()
    }

    fn retire(&self) {
        self.rows.retire();
    }
}

#[test]
fn a_failed_store_is_replaced_once() {
    let log = Log::with(40);
    let handle = log.start(Failing::at(2, u32::MAX));
    assert!(handle.wait_for(log.size(), PATIENCE));
    check_served(&handle, &log, 40);
    let status = handle.status();
    assert_eq!((status.rebuilds, status.state), (1, State::Running));
    assert!(status.last_error.unwrap().contains("disk full"));

    let handle = log.start(Failing::at(2, 1));
    let StopReason::Store { what } = stopped(&handle) else { panic!("{:?}", handle.status()) };
    assert!(what.contains("disk full"));
    // One commit went well; what was folded while the second was under way counts for nothing.
    let size = handle.status().size.0;
    assert!((1..=7).contains(&size), "{size}");
    check_served(&handle, &log, usize::try_from(size).unwrap());
    // A rebuild that is asked for is another chance.
    handle.rebuild();
    assert!(handle.wait_for(log.size(), PATIENCE));
    check_served(&handle, &log, 40);
}

/// A journal that fails to read once at each record in `unread`, and for good at `damaged`.
struct Harmed {
    journal: Arc<MemoryJournal>,
    unread: Mutex<Vec<u64>>,
    damaged: u64,
}

impl Journal for Harmed {
    fn append(&self, expected: Head, records: &[LinkedRecord]) -> Result<Head, AppendError> {
        self.journal.append(expected, records)
    }

    fn read(&self, from: Position, bytes_max: usize) -> Result<Vec<LinkedRecord>, ReadError> {
        let mut records = self.journal.read(from, bytes_max)?;
        let mut unread = self.unread.lock().unwrap();
        if let Some(at) = unread.iter().position(|seq| records.iter().any(|record| record.seq.0 == *seq)) {
            unread.remove(at);
            let source = io::Error::other("interrupted");
            return Err(ReadError::Io { op: "read", path: "memory".into(), source });
        }
        records.retain(|record| record.seq.0 < self.damaged);
        if records.is_empty() && from.0 < self.journal.head().size.0 {
            let (place, what) = ("memory".to_owned(), "checksum".to_owned());
            return Err(ReadError::Damaged { seq: from, place, what });
        }
        Ok(records)
    }

    fn head(&self) -> Head {
        self.journal.head()
    }

    fn wait(&self, size: TreeSize, timeout: Duration) -> Head {
        self.journal.wait(size, timeout)
    }
}

#[test]
fn an_interrupted_read_is_tried_again_and_damage_stops_it() {
    let log = Log::with(40);
    let (journal, unread) = (Arc::clone(&log.journal), Mutex::new(vec![3, 11, 20]));
    let handle = start(Arc::new(Harmed { journal, unread, damaged: 26 }), memory());
    let (place, what) = ("memory".to_owned(), "checksum".to_owned());
    assert_eq!(stopped(&handle), StopReason::Journal { seq: Position(26), place, what });
    check_served(&handle, &log, 26);
}

#[test]
fn a_stop_is_heard_while_stopped_for_a_reason_and_while_rebuilding() {
    let mut log = Log::with(10);
    log.say("{\"refuse\":1}");
    let handle = log.start(memory());
    stopped(&handle);
    handle.stop();
    assert_eq!(handle.status().state, State::Closed);

    let dir = TempDir::new().unwrap();
    let log = Log::with(300);
    let handle = log.start(sled(dir.path()).0);
    assert!(handle.wait_for(log.size(), PATIENCE));
    handle.rebuild();
    handle.stop();
    drop(handle);
    // The shadow is gone, whichever of the two was served last.
    let (store, opened) = sled(dir.path());
    assert_eq!((opened, store.mark().unwrap().size), (Opened::Kept, 300));
}
