//! One trial at work: its journal, its registrar, and its read models.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use archive::Archive;
use chain::TreeSize;
use chain::note::VerifierKey;
use clinical::{EventId, TrialId};
use journal::sequencer::Limits;
use journal::{Head, Journal};
use journal_file::FileJournal;
use notary::NotaryHandle;
use projector::{Fold, Projector, ProjectorHandle, Settings};
use readmodel::{Opened, Options, SledStore, Store};
use registrar::{Index, IndexError, Known, ReceiptKeys, Registrar, index};
use tokio::sync::{Semaphore, watch};

use crate::data::{Data, Service};

use super::folds::{Events, IndexRows, OutcomeRows, SafetyRows};

/// How long a start waits for the index to cover the log: 2 million records at 100,000 a second, and as much again.
const INDEX_WAIT: Duration = Duration::from_mins(1);

/// Numbers of the row layouts; another number makes a store begin anew.
const OUTCOMES_SCHEMA: u32 = 2;
const SAFETY_SCHEMA: u32 = 3;

/// A trial at work.
pub(crate) struct Running {
    pub(crate) trial: TrialId,
    pub(crate) journal: Arc<FileJournal>,
    pub(crate) registrar: Registrar,
    pub(crate) archive: Archive,
    /// `None` until sealing is started.
    pub(super) notary: Mutex<Option<NotaryHandle>>,
    pub(crate) index: Arc<ProjectorHandle>,
    pub(crate) outcomes: ProjectorHandle,
    pub(crate) safety: ProjectorHandle,
    /// The durable end, for those who wait without a thread.
    pub(crate) durable: watch::Receiver<Head>,
    /// One permit for each KiB of submissions that may be worked on at once.
    pub(crate) room: Semaphore,
    stopping: Arc<AtomicBool>,
    watcher: Option<JoinHandle<()>>,
}

/// The index, as the registrar asks it.
struct Indexed(Arc<ProjectorHandle>);

impl Index for Indexed {
    fn covers(&self) -> Result<TreeSize, IndexError> {
        Ok(self.0.status().size)
    }

    fn find(&self, id: EventId) -> Result<Known, IndexError> {
        let failed = |error: readmodel::StoreError| IndexError { reason: error.to_string() };
        self.0
            .query(|view, mark| {
                let position = index::find(view, id)?;
                let findings = position.map(|seq| index::findings_at(view, seq)).transpose()?;
                Ok(Known { position, findings: findings.unwrap_or_default(), covers: TreeSize(mark.size) })
            })
            .map_err(failed)?
            .map_err(failed)
    }
}

fn open_store(dir: &Path, schema: u32) -> anyhow::Result<SledStore> {
    let (store, opened) = SledStore::open(dir, schema, Options::default())
        .with_context(|| format!("cannot open the read model {}", dir.display()))?;
    if let Opened::Rebuilt { why } = &opened {
        tracing::warn!(store = %dir.display(), "read model is made anew: {why}");
    }
    Ok(store)
}

/// The size of the last checkpoint that was signed for the trial here.
fn sealed_size(data: &Data, trial: &TrialId) -> anyhow::Result<u64> {
    let path = data.checkpoints(trial);
    let Ok(log_key) = std::fs::read_to_string(data.trial(trial).join("log.vkey")) else { return Ok(0) };
    if !path.exists() {
        return Ok(0);
    }
    let log = VerifierKey::from_text(log_key.trim()).context("log.vkey does not hold a verifier key")?;
    let kept = keep::Checkpoints::open(&path)
        .with_context(|| format!("cannot open {}", path.display()))?
        .last(log.name(), keep::Purpose::Signed)
        .with_context(|| format!("cannot read {}", path.display()))?;
    Ok(kept.map_or(0, |kept| kept.size))
}

impl Running {
    /// Opens everything of the trial.
    pub(crate) fn open(data: &Data, trial: &TrialId) -> anyhow::Result<Self> {
        let dir = &data.trial(trial);
        let index_store = open_store(&dir.join("index"), index::SCHEMA)?;
        let outcome_store = open_store(&dir.join("outcomes"), OUTCOMES_SCHEMA)?;
        let safety_store = open_store(&dir.join("safety"), SAFETY_SCHEMA)?;
        // What a read model was made of, or a checkpoint was signed for, was durable: a journal that ends before it has
        // lost records.
        let mut floor = sealed_size(data, trial)?;
        for store in [&index_store, &outcome_store, &safety_store] {
            floor = floor.max(store.mark()?.size);
        }
        let options = journal_file::Options { floor: TreeSize(floor), ..journal_file::Options::default() };
        let journal_dir = dir.join("journal");
        let (journal, recovery) = FileJournal::open(&journal_dir, &options)
            .with_context(|| format!("cannot open the journal {}", journal_dir.display()))?;
        if let Some((torn, copy)) = &recovery.torn {
            tracing::warn!(trial = %trial, copy = %copy.display(), "an unfinished append was cut off: {torn:?}");
        }
        let journal = Arc::new(journal);
        let follow: Arc<dyn Journal> = Arc::clone(&journal) as Arc<dyn Journal>;
        let start = |name: &str, store: SledStore, make: Box<dyn Fn() -> Box<dyn projector::Fold> + Send>| {
            Projector::start(name, Arc::clone(&follow), Arc::new(store), make, Settings::default())
                .context("cannot start a projector")
        };
        let shared = Arc::new(Events::default());
        let (source, events) = (Arc::clone(&follow), Arc::clone(&shared));
        let make =
            move || -> Box<dyn Fold> { Box::new(IndexRows::new(Arc::clone(&source), Arc::clone(&events))) };
        let index = start("index", index_store, Box::new(make))?;
        let events = Arc::clone(&shared);
        let make = move || -> Box<dyn Fold> { Box::new(OutcomeRows::new(Arc::clone(&events))) };
        let outcomes = start("outcomes", outcome_store, Box::new(make))?;
        let make = move || -> Box<dyn Fold> { Box::new(SafetyRows::new(Arc::clone(&shared))) };
        let safety = start("safety", safety_store, Box::new(make))?;
        let index = Arc::new(index);
        if !index.wait_for(journal.head().size, INDEX_WAIT) {
            tracing::warn!(trial = %trial, "the index does not cover the log yet; ids are held in memory");
        }
        let registrar = Registrar::open(
            Arc::clone(&follow),
            Arc::new(Indexed(Arc::clone(&index))),
            Arc::new(crate::world::now),
            receipt_keys(data, trial),
            Limits::default(),
        )
        .context("cannot open the registrar")?;
        let (sender, durable) = watch::channel(journal.head());
        let stopping = Arc::new(AtomicBool::new(false));
        let watcher = watcher(Arc::clone(&follow), sender, Arc::clone(&stopping))?;
        Ok(Self {
            trial: trial.clone(),
            journal,
            registrar,
            archive: Archive::local(&dir.join("archive"))?,
            notary: Mutex::new(None),
            index,
            outcomes,
            safety,
            durable,
            room: Semaphore::new(super::ROOM_KIB as usize),
            stopping,
            watcher: Some(watcher),
        })
    }

    /// Every read model with its name.
    pub(crate) fn projectors(&self) -> [(&'static str, &ProjectorHandle); 3] {
        [("index", &self.index), ("outcomes", &self.outcomes), ("safety", &self.safety)]
    }
}

/// The receipt keys of `trial` that are here.
fn receipt_keys(data: &Data, trial: &TrialId) -> ReceiptKeys {
    let (data, trial) = (data.clone(), trial.clone());
    Arc::new(move |id| match data.service_key(&trial, Service::Receipts, id) {
        Ok(secret) => secret,
        Err(error) => {
            tracing::error!(trial = %trial, key = %id, "a receipt key cannot be used: {error:#}");
            None
        }
    })
}

/// Passes the durable end on to tasks, which must not block.
fn watcher(
    journal: Arc<dyn Journal>,
    sender: watch::Sender<Head>,
    stopping: Arc<AtomicBool>,
) -> anyhow::Result<JoinHandle<()>> {
    let watch = move || {
        let mut head = journal.head();
        while !stopping.load(Ordering::Relaxed) {
            let now = journal.wait(head.size, Duration::from_millis(200));
            if now != head {
                head = now;
                sender.send_replace(head);
            }
        }
    };
    std::thread::Builder::new().name("durable".to_owned()).spawn(watch).context("cannot start a thread")
}

impl Drop for Running {
    /// Answers what waits, then closes the read models cleanly, so that they are found again.
    fn drop(&mut self) {
        self.registrar.stop();
        let notary = self.notary.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(notary) = notary {
            // Seals what is durable, so that nothing acknowledged waits for the next start to be signed for.
            if let Some(error) = notary.stop().last_error {
                tracing::warn!(trial = %self.trial, "not everything durable is sealed: {error}");
            }
        }
        for (_, projector) in self.projectors() {
            projector.stop();
        }
        self.stopping.store(true, Ordering::Relaxed);
        if let Some(watcher) = self.watcher.take() {
            // It panics nowhere; if it did, there is nothing left to do.
            let _ = watcher.join();
        }
    }
}
