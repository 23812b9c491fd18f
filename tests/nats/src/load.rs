//! Two writers that load one log as registrars do, and the account of what came of it.
//!
//! Each has its own connections and its own sequencer. On a conflict it reads what the other has appended, decides again
//! and links again; what the log has already it does not append twice, and says where it is. A quarter of what is
//! submitted is submitted to both.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use chain::{Chain, LinkedRecord, Position, Record, Signature};
use journal::sequencer::{Decide, Limits, Sequencer};
use journal::{Head, Journal, ReadError};
use journal_nats::NatsJournal;

/// How many submit to each writer at a time.
const SUBMITTERS: usize = 8;

/// How long anything that is waited for may take: servers that were all killed need some time to come back, on a machine
/// that is busy with other tests.
const PATIENCE: Duration = Duration::from_mins(3);

/// Links items, as a registrar does.
struct Court {
    /// Up to where the journal was read.
    durable: Chain,
    /// With what was decided since.
    pending: Chain,
    /// Where each item is that is durable, and that is not.
    known: BTreeMap<Vec<u8>, Position>,
    deciding: BTreeMap<Vec<u8>, Position>,
    /// The batches that were closed, with what is in them.
    closed: Vec<BTreeMap<Vec<u8>, Position>>,
}

impl Court {
    fn new() -> Self {
        Self {
            durable: Chain::default(),
            pending: Chain::default(),
            known: BTreeMap::new(),
            deciding: BTreeMap::new(),
            closed: Vec::new(),
        }
    }
}

impl Decide for Court {
    type Item = Vec<u8>;
    type Outcome = Position;

    fn decide(&mut self, item: &Vec<u8>, records: &mut Vec<LinkedRecord>) -> Position {
        let earlier = self.closed.iter().chain([&self.deciding, &self.known]);
        if let Some(position) = earlier.into_iter().find_map(|known| known.get(item)) {
            return *position;
        }
        let now = chain::Instant::from_microseconds(0).unwrap();
        let record = self.pending.link(item, Signature([0; 64]), now);
        let position = record.seq;
        self.deciding.insert(item.clone(), position);
        records.push(record);
        position
    }

    fn close(&mut self) {
        self.closed.push(std::mem::take(&mut self.deciding));
    }

    fn accept(&mut self, head: Head) {
        let batch = self.closed.remove(0);
        self.known.extend(batch);
        self.durable = Chain { size: head.size, head: head.hash, recorded_at: self.pending.recorded_at };
    }

    fn rewind(&mut self, journal: &dyn Journal) -> Result<Head, ReadError> {
        self.closed.clear();
        self.deciding.clear();
        // The state since the last acceptance is that of the records: they are followed one by one.
        self.durable.recorded_at = None;
        loop {
            let records = journal.read(self.durable.size.next_position(), usize::MAX)?;
            if records.is_empty() {
                break;
            }
            for record in records {
                let parsed = Record::parse(&record.bytes).expect("only records are in the log");
                self.durable.follow(&parsed, record.hash).expect("each is linked to the one before");
                self.known.insert(parsed.event.to_vec(), record.seq);
            }
        }
        self.pending = self.durable;
        Ok(Head { size: self.durable.size, hash: self.durable.head })
    }
}

/// What the writers tell.
#[derive(Default)]
struct Told {
    /// Each item that was acknowledged, where, and by whom.
    acknowledged: Vec<(Vec<u8>, Position)>,
    submitted: BTreeSet<Vec<u8>>,
    last: Option<Instant>,
    longest: Duration,
    /// How often a sequencer gave up and was started again.
    restarts: u64,
}

/// A log under load.
pub struct Load {
    told: Arc<Mutex<Told>>,
    stop: Arc<AtomicBool>,
    submitters: Vec<JoinHandle<()>>,
}

impl Load {
    /// Starts a writer on each journal.
    pub fn start(journals: &[Arc<NatsJournal>]) -> Self {
        let told = Arc::new(Mutex::new(Told::default()));
        let stop = Arc::new(AtomicBool::new(false));
        let mut submitters = Vec::new();
        for (writer, journal) in journals.iter().enumerate() {
            let sequencer = Arc::new(Mutex::new(begin(journal)));
            let next = Arc::new(AtomicU64::new(0));
            for _ in 0..SUBMITTERS {
                let (told, stop, journal) = (Arc::clone(&told), Arc::clone(&stop), Arc::clone(journal));
                let (sequencer, next) = (Arc::clone(&sequencer), Arc::clone(&next));
                submitters.push(thread::spawn(move || {
                    while !stop.load(Ordering::SeqCst) {
                        let number = next.fetch_add(1, Ordering::SeqCst);
                        let owner = if number % 4 == 0 { 0 } else { writer + 1 };
                        let item = format!("{{\"number\":{number},\"writer\":{owner}}}").into_bytes();
                        submit(&journal, &sequencer, &told, &stop, item);
                    }
                }));
            }
        }
        Self { told, stop, submitters }
    }

    /// Waits until so many more are acknowledged.
    pub fn await_more(&self, count: usize) {
        assert!(self.await_more_for(count, PATIENCE), "the log takes no more than {}", self.acknowledged());
    }

    fn acknowledged(&self) -> usize {
        self.told.lock().unwrap().acknowledged.len()
    }

    /// Waits until so many more are acknowledged, or the time is over; says whether they are.
    pub fn await_more_for(&self, count: usize, time: Duration) -> bool {
        let deadline = Instant::now() + time;
        let wanted = self.acknowledged() + count;
        while self.acknowledged() < wanted {
            if Instant::now() >= deadline {
                return false;
            }
            thread::sleep(Duration::from_millis(5));
        }
        true
    }

    /// Waits until nothing has been acknowledged for so long.
    pub fn await_still(&self, time: Duration) {
        let deadline = Instant::now() + PATIENCE;
        let mut still = (self.acknowledged(), Instant::now());
        while still.1.elapsed() < time {
            assert!(Instant::now() < deadline, "the log takes more all the time");
            thread::sleep(Duration::from_millis(20));
            if self.acknowledged() != still.0 {
                still = (self.acknowledged(), Instant::now());
            }
        }
    }

    /// Ends the load and holds what was acknowledged against what `journal` reads.
    pub fn end(mut self, journal: &NatsJournal) -> Account {
        self.stop.store(true, Ordering::SeqCst);
        for submitter in self.submitters.drain(..) {
            submitter.join().unwrap();
        }
        let told = self.told.lock().unwrap();
        Account::of(&told, journal)
    }
}

impl Drop for Load {
    /// A test that has failed does not load the machine any longer.
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
    }
}

fn begin(journal: &Arc<NatsJournal>) -> Arc<Sequencer<Court>> {
    let deadline = Instant::now() + PATIENCE;
    let mut court = Court::new();
    loop {
        match court.rewind(&**journal) {
            Ok(_) => break,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
    }
    let journal: Arc<dyn Journal> = Arc::clone(journal) as _;
    Arc::new(Sequencer::start(journal, court, Limits::default()).unwrap())
}

/// Submits until it is acknowledged; a sequencer that has given up is started again, as a registrar would be.
fn submit(
    journal: &Arc<NatsJournal>,
    sequencer: &Mutex<Arc<Sequencer<Court>>>,
    told: &Mutex<Told>,
    stop: &AtomicBool,
    item: Vec<u8>,
) {
    told.lock().unwrap().submitted.insert(item.clone());
    loop {
        let current = Arc::clone(&sequencer.lock().unwrap());
        match current.submit_and_wait(item.clone()) {
            Ok(position) => {
                let mut told = told.lock().unwrap();
                told.acknowledged.push((item, position));
                let now = Instant::now();
                if let Some(last) = told.last.replace(now) {
                    told.longest = told.longest.max(now - last);
                }
                return;
            }
            Err(_) if stop.load(Ordering::SeqCst) => return,
            Err(_) => {
                let mut shared = sequencer.lock().unwrap();
                if Arc::ptr_eq(&shared, &current) {
                    told.lock().unwrap().restarts += 1;
                    current.stop();
                    *shared = begin(journal);
                }
            }
        }
    }
}

/// What came of a load.
#[derive(Debug, PartialEq, Eq)]
pub struct Account {
    /// Different items.
    pub submitted: usize,
    /// Different items that were acknowledged.
    pub acknowledged: usize,
    /// Acknowledged and not where it was said.
    pub lost: usize,
    /// In the log more than once.
    pub doubled: usize,
    /// Longest time between two acknowledgements.
    pub longest: Duration,
    /// How often a writer was started again.
    pub restarts: u64,
    /// Records in the log.
    pub records: usize,
}

impl Account {
    fn of(told: &Told, journal: &NatsJournal) -> Self {
        let last = told.acknowledged.iter().map(|(_, position)| position.0).max();
        let deadline = Instant::now() + PATIENCE;
        // The reader may not have seen the end yet.
        while last.is_some_and(|last| journal.head().size.0 <= last) {
            assert!(Instant::now() < deadline, "the reader does not come to the end");
            journal.wait(journal.head().size, Duration::from_secs(1));
        }
        let mut chain = Chain::default();
        let mut log: BTreeMap<Vec<u8>, Vec<Position>> = BTreeMap::new();
        loop {
            let records = journal.read(chain.size.next_position(), usize::MAX).unwrap();
            if records.is_empty() {
                break;
            }
            for record in records {
                let parsed = Record::parse(&record.bytes).expect("only records are in the log");
                chain.follow(&parsed, record.hash).expect("each is linked to the one before");
                log.entry(parsed.event.to_vec()).or_default().push(record.seq);
            }
        }
        let acknowledged: BTreeSet<_> = told.acknowledged.iter().map(|(item, _)| item).collect();
        let is_lost =
            |(item, position): &&(Vec<u8>, Position)| log.get(item).is_none_or(|found| found != &[*position]);
        Self {
            submitted: told.submitted.len(),
            acknowledged: acknowledged.len(),
            lost: told.acknowledged.iter().filter(is_lost).count(),
            doubled: log.values().filter(|positions| positions.len() > 1).count(),
            longest: told.longest,
            restarts: told.restarts,
            records: log.values().map(Vec::len).sum(),
        }
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "submitted {}, acknowledged {}, lost {}, doubled {}, longest unavailability {:.1} s, writers started again \
             {}, records {}",
            self.submitted,
            self.acknowledged,
            self.lost,
            self.doubled,
            self.longest.as_secs_f64(),
            self.restarts,
            self.records
        )
    }
}
