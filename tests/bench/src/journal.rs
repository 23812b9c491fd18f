//! `bench journal`: `journal-file` behind its sequencer against a raw loop over one zero-filled file.
//!
//! Both store 512-byte records, each holding the hash of the one before, and acknowledge after `fdatasync`. The raw
//! loop has no checksums, no index and no recovery. With one writer it has no thread of its own either, so nothing is
//! handed over. It has its next batch at hand always; ours waits for a single submitter's until it has answered the
//! one before, and so is measured with two as well. Space is made before the clock starts, and a run ends where it ends; only the last comparison has
//! both make their space, segment by segment, while they run.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use chain::{LinkedRecord, TreeSize};
use journal::sequencer::{Decide, Limits, Sequencer};
use journal::{Head, Journal, ReadError};
use journal_file::{FileJournal, Options};
use sha2::{Digest, Sha256};

use crate::measure::{Arguments, Target, compare};

/// What is submitted: a record is this and the 32 bytes of the hash before.
const PAYLOAD_BYTES: usize = 480;
const RECORD_BYTES: usize = PAYLOAD_BYTES + 32;
type Payload = [u8; PAYLOAD_BYTES];

/// How long the disk is left alone after space was made: it is still busy with the zeros.
const SETTLE: Duration = Duration::from_millis(300);

/// What one run does.
#[derive(Clone, Copy)]
struct Load<'d> {
    directory: &'d Path,
    writers: usize,
    batch: usize,
    /// Length of a segment; the run has one, made before, or makes them as it goes.
    segment_bytes: u64,
    records_max: u64,
    duration: Duration,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let runs = arguments.runs()?;
    let only: String = arguments.value("only", String::new())?;
    let directory = arguments.directory()?;
    let load = Load {
        directory: directory.path(),
        writers: 1,
        batch: 1,
        segment_bytes: 0,
        records_max: 0,
        duration: arguments.duration()?,
    };
    let bulk = Load { batch: 1_000, ..load };
    for (name, load) in [
        ("1 writer", load.with_room(32, 1_024)),
        ("16 writers", Load { writers: 16, ..load }.with_room(64, 600)),
        ("256 writers", Load { writers: 256, ..load }.with_room(128, 560)),
        ("batches of 1,000", bulk.with_room(128, 530)),
        ("batches, 2 submitters", Load { writers: 2, ..bulk }.with_room(128, 530)),
        ("batches, making space", Load { records_max: u64::MAX, ..bulk.with_room(16, 530) }),
    ] {
        let target = if load.records_max == u64::MAX { Target::None } else { Target::Ratio(0.9) };
        if name.starts_with(&only) {
            compare(name, "records", runs, ("raw loop", target), || ours(load), || raw(load))?;
        }
    }
    Ok(())
}

impl Load<'_> {
    /// With so much space made before, for records that take so many bytes with what either engine puts around them:
    /// alone two blocks, in company little more than themselves. Half of it is used: then `journal-file` would begin
    /// to make more.
    fn with_room(self, mib: u64, record_bytes: u64) -> Self {
        let segment_bytes = mib << 20;
        Self { segment_bytes, records_max: segment_bytes / 2 / record_bytes, ..self }
    }
}

/// Links payloads as the raw loop does.
struct Link {
    durable: Head,
    pending: Head,
}

impl Decide for Link {
    type Item = Arc<[Payload]>;
    type Outcome = TreeSize;

    fn decide(&mut self, item: &Arc<[Payload]>, records: &mut Vec<LinkedRecord>) -> TreeSize {
        for payload in &**item {
            let mut bytes = [0; RECORD_BYTES];
            bytes[..PAYLOAD_BYTES].copy_from_slice(payload);
            bytes[PAYLOAD_BYTES..].copy_from_slice(&self.pending.hash.0);
            let record = LinkedRecord::new(self.pending.size.next_position(), bytes);
            self.pending = Head { size: TreeSize(record.seq.0 + 1), hash: record.hash };
            records.push(record);
        }
        self.pending.size
    }

    fn accept(&mut self, head: Head) {
        self.durable = head;
    }

    fn rewind(&mut self, journal: &dyn Journal) -> Result<Head, ReadError> {
        self.durable = journal.head();
        self.pending = self.durable;
        Ok(self.durable)
    }
}

fn ours(load: Load<'_>) -> Result<f64> {
    let directory = tempfile::tempdir_in(load.directory)?;
    let options = Options { segment_bytes: load.segment_bytes, ..Options::default() };
    let (journal, _) = FileJournal::open(directory.path(), &options)?;
    let journal = Arc::new(journal);
    let link = Link { durable: Head::EMPTY, pending: Head::EMPTY };
    let sequencer = Sequencer::start(Arc::clone(&journal) as Arc<dyn Journal>, link, Limits::default())?;
    let item: Arc<[Payload]> = vec![[7; PAYLOAD_BYTES]; load.batch].into();
    thread::sleep(SETTLE);
    let start = Instant::now();
    let (sequencer, item) = (&sequencer, &item);
    thread::scope(|scope| {
        let write = move || -> Result<()> {
            let mut size = 0;
            while start.elapsed() < load.duration && size < load.records_max {
                size = sequencer.submit_and_wait(Arc::clone(item))?.0;
            }
            Ok(())
        };
        let writers: Vec<_> = (0..load.writers).map(|_| scope.spawn(write)).collect();
        writers.into_iter().try_for_each(|writer| writer.join().expect("a writer does not panic"))
    })?;
    Ok(journal.head().size.0 as f64 / start.elapsed().as_secs_f64())
}

fn raw(load: Load<'_>) -> Result<f64> {
    let mut chain = RawChain::create(load)?;
    // Batches are at hand always: who submits them is nothing to the raw loop.
    if load.writers > 1 && load.batch == 1 {
        return raw_group_commit(chain, load);
    }
    let payloads = vec![[7; PAYLOAD_BYTES]; load.batch];
    let start = Instant::now();
    while start.elapsed() < load.duration && chain.records < load.records_max {
        chain.store(&payloads)?;
    }
    Ok(chain.records as f64 / start.elapsed().as_secs_f64())
}

/// Many threads put payloads into one vector; another takes what is there, stores it and wakes them all.
fn raw_group_commit(mut chain: RawChain, load: Load<'_>) -> Result<f64> {
    let waiting: Mutex<(Vec<Payload>, u64)> = Mutex::new((Vec::new(), 0));
    let durable = Mutex::new(0_u64);
    let (work, done) = (Condvar::new(), Condvar::new());
    let stop = AtomicBool::new(false);
    let start = Instant::now();
    thread::scope(|scope| {
        let committer = scope.spawn(|| -> Result<u64> {
            let mut batch = Vec::new();
            loop {
                let guard = waiting.lock().expect("no panic");
                let mut guard = work
                    .wait_while(guard, |(queue, _)| queue.is_empty() && !stop.load(Ordering::Relaxed))
                    .expect("no panic");
                batch.clear();
                std::mem::swap(&mut guard.0, &mut batch);
                drop(guard);
                if batch.is_empty() {
                    return Ok(chain.records);
                }
                chain.store(&batch)?;
                *durable.lock().expect("no panic") = chain.records;
                done.notify_all();
            }
        });
        let write = || {
            let mut ticket = 0;
            while start.elapsed() < load.duration && ticket < load.records_max {
                ticket = {
                    let mut guard = waiting.lock().expect("no panic");
                    guard.0.push([7; PAYLOAD_BYTES]);
                    guard.1 += 1;
                    guard.1
                };
                work.notify_one();
                let guard = durable.lock().expect("no panic");
                drop(done.wait_while(guard, |durable| *durable < ticket).expect("no panic"));
            }
        };
        let writers: Vec<_> = (0..load.writers).map(|_| scope.spawn(write)).collect();
        for writer in writers {
            writer.join().expect("a writer does not panic");
        }
        let guard = waiting.lock().expect("no panic");
        stop.store(true, Ordering::Relaxed);
        drop(guard);
        work.notify_one();
        let records = committer.join().expect("the committer does not panic")?;
        Ok(records as f64 / start.elapsed().as_secs_f64())
    })
}

/// The raw loop's file and chain.
struct RawChain {
    file: File,
    hash: [u8; 32],
    records: u64,
    offset: u64,
    /// Up to where the file is written full of zeros.
    space: u64,
    segment_bytes: u64,
    buffer: Vec<u8>,
}

impl RawChain {
    fn create(load: Load<'_>) -> Result<Self> {
        let mut chain = Self {
            file: tempfile::tempfile_in(load.directory)?,
            hash: [0; 32],
            records: 0,
            offset: 0,
            space: 0,
            segment_bytes: load.segment_bytes,
            buffer: Vec::new(),
        };
        chain.make_space()?;
        thread::sleep(SETTLE);
        Ok(chain)
    }

    fn make_space(&mut self) -> Result<()> {
        let zeros = vec![0; 1 << 20];
        let end = self.space + self.segment_bytes;
        while self.space < end {
            self.file.write_all_at(&zeros, self.space)?;
            self.space += zeros.len() as u64;
        }
        self.file.sync_all()?;
        Ok(())
    }

    fn store(&mut self, payloads: &[Payload]) -> Result<()> {
        self.buffer.clear();
        for payload in payloads {
            let start = self.buffer.len();
            self.buffer.extend_from_slice(payload);
            self.buffer.extend_from_slice(&self.hash);
            self.hash = Sha256::new().chain_update([0]).chain_update(&self.buffer[start..]).finalize().into();
        }
        if self.offset + self.buffer.len() as u64 > self.space {
            self.make_space()?;
        }
        self.file.write_all_at(&self.buffer, self.offset)?;
        self.file.sync_data()?;
        self.offset += self.buffer.len() as u64;
        self.records += payloads.len() as u64;
        Ok(())
    }
}
