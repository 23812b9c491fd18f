//! `bench rebuild`: making a read model anew, against putting the same rows into sled.
//!
//! Ours is a projector over a journal in memory: it reads, checks links, parses, folds and commits into a new sled
//! store. The reference has the rows already, in the same batches, and only puts them into a new sled.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use journal::memory::MemoryJournal;
use journal::{Head, Journal};
use projector::{Projector, ProjectorHandle, Settings};
use readmodel::{Change, Mark, MemoryStore, OpenError, Options, SledStore, Store, StoreError, View};

use crate::measure::{Arguments, Target, compare};
use crate::rows::ReadModel;
use crate::study::Study;

const RECORDS: usize = 60_000;

/// How long a rebuild may take before it is given up.
const PATIENCE: Duration = Duration::from_mins(5);

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let runs = arguments.runs()?;
    let directory = arguments.directory()?;
    let journal = MemoryJournal::new();
    let mut head = Head::EMPTY;
    for batch in Study::new()?.log(RECORDS)?.chunks(1_000) {
        head = journal.append(head, batch)?;
    }
    let journal: Arc<dyn Journal> = Arc::new(journal);
    for model in ReadModel::ALL {
        let batches = batches(&journal, model)?;
        let ours = || -> Result<f64> {
            let directory = tempfile::tempdir_in(directory.path())?;
            let (store, _) = SledStore::open(directory.path(), 1, Options::default())?;
            let start = Instant::now();
            // Closing the store, which dropping the handle does, is no part of what is measured.
            let projector = follow(&journal, Arc::new(store), model)?;
            let rate = head.size.0 as f64 / start.elapsed().as_secs_f64();
            drop(projector);
            Ok(rate)
        };
        let plain = || -> Result<f64> {
            let directory = tempfile::tempdir_in(directory.path())?;
            insert(directory.path(), &batches, head.size.0)
        };
        let name = format!("rebuild: {}", model.name());
        compare(&name, "records", runs, ("sled alone", Target::Ratio(0.6)), ours, plain)?;
    }
    Ok(())
}

/// Folds all of `journal` into `store`.
pub(crate) fn follow(
    journal: &Arc<dyn Journal>,
    store: Arc<dyn Store>,
    model: ReadModel,
) -> Result<ProjectorHandle> {
    let source = Arc::clone(journal);
    let make = move || model.fold(Arc::clone(&source));
    let projector =
        Projector::start(model.name(), "bench", Arc::clone(journal), store, make, Settings::default())?;
    let done = projector.wait_for(journal.head().size, PATIENCE);
    ensure!(done, "the read model did not come to the end of the log: {:?}", projector.status());
    Ok(projector)
}

/// The rows as a projector commits them.
fn batches(journal: &Arc<dyn Journal>, model: ReadModel) -> Result<Vec<Vec<Change>>> {
    let capture = Arc::new(Capture::default());
    follow(journal, Arc::clone(&capture) as Arc<dyn Store>, model)?;
    Ok(std::mem::take(&mut *capture.batches.lock().unwrap_or_else(PoisonError::into_inner)))
}

/// Puts the rows into a new sled, set up as `readmodel` sets it up; so many records a second they are the rows of.
fn insert(directory: &Path, batches: &[Vec<Change>], records: u64) -> Result<f64> {
    let cache_bytes = Options::default().cache_bytes;
    let db = sled::Config::new().path(directory).cache_capacity(cache_bytes).flush_every_ms(None).open()?;
    let start = Instant::now();
    for changes in batches {
        let mut batch = sled::Batch::default();
        for change in changes {
            match change {
                Change::Put { key, value } => batch.insert(key.as_slice(), value.as_slice()),
                Change::Delete { key } => batch.remove(key.as_slice()),
            }
        }
        db.apply_batch(batch)?;
    }
    Ok(records as f64 / start.elapsed().as_secs_f64())
}

/// A store that remembers what was committed.
#[derive(Default)]
struct Capture {
    rows: MemoryStore,
    batches: Mutex<Vec<Vec<Change>>>,
}

impl Store for Capture {
    fn mark(&self) -> Result<Mark, StoreError> {
        self.rows.mark()
    }

    fn commit(&self, changes: Vec<Change>, mark: Mark) -> Result<(), StoreError> {
        self.batches.lock().unwrap_or_else(PoisonError::into_inner).push(changes.clone());
        self.rows.commit(changes, mark)
    }

    fn read(&self, reader: &mut dyn FnMut(&dyn View, Mark)) -> Result<(), StoreError> {
        self.rows.read(reader)
    }

    fn shadow(&self) -> Result<Arc<dyn Store>, OpenError> {
        self.rows.shadow()
    }

    fn close(&self) -> Result<(), StoreError> {
        self.rows.close()
    }

    fn retire(&self) {
        self.rows.retire();
    }
}
