//! One trial at work: its journal, its registrar, and its read models.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use api::{Problem, ReportKind};
use archive::Archive;
use chain::note::VerifierKey;
use chain::{Instant, Position, Record, TreeSize};
use clinical::{EventId, TrialId};
use journal::sequencer::Limits;
use journal::{Head, Journal};
use notary::NotaryHandle;
use projector::{Fold, Projector, ProjectorHandle, Settings};
use readmodel::{Opened, Options, SledStore, Store};
use registrar::{Index, IndexError, Known, Onlooker, Public, ReceiptKeys, Registrar, index};
use tokio::sync::{Semaphore, watch};

use crate::data::{Data, Service};

use super::earlier::Earlier;
use super::engine::{Engine, Log};
use super::folds::{Events, IndexRows, OutcomeRows, SafetyRows};
use super::services::Services;

/// How long a start waits for the index to cover the log: 2 million records at 100,000 a second, and as much again.
const INDEX_WAIT: Duration = Duration::from_mins(1);

/// Numbers of the row layouts; another number makes a store begin anew.
const OUTCOMES_SCHEMA: u32 = 6;
const SAFETY_SCHEMA: u32 = 8;

/// A trial at work, as far as this process works on it.
pub(crate) struct Running {
    pub(crate) trial: TrialId,
    pub(crate) log: Log,
    pub(crate) journal: Arc<dyn Journal>,
    desk: Arc<Desk>,
    pub(crate) archive: Archive,
    /// `None` until sealing is started.
    pub(super) notary: Mutex<Option<NotaryHandle>>,
    outcomes: Option<ProjectorHandle>,
    safety: Option<ProjectorHandle>,
    /// Reports of what was known earlier.
    pub(super) earlier: Earlier,
    /// Of how many records the last was recorded when: as it was asked for last.
    last_recorded: Mutex<Option<(u64, Instant)>>,
    /// The durable end, for those who wait without a thread.
    pub(crate) durable: watch::Receiver<Head>,
    /// One permit for each KiB of submissions that may be worked on at once.
    pub(crate) room: Semaphore,
    stopping: Arc<AtomicBool>,
    watcher: Option<JoinHandle<()>>,
}

/// Who knows what the trial is: its registrar, or one who only follows the log.
enum Desk {
    Registrar { registrar: Registrar, index: Arc<ProjectorHandle> },
    Onlooker(Box<Onlooker>),
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
    /// Opens what `services` need of a trial that is there.
    pub(crate) fn open(
        data: &Data,
        trial: &TrialId,
        engine: &Engine,
        services: Services,
    ) -> anyhow::Result<Self> {
        Self::begin(data, trial, services, |floor| engine.open(data, trial, floor))
    }

    /// Makes the log of a new trial, and opens what `services` need of it.
    pub(crate) fn create(
        data: &Data,
        trial: &TrialId,
        engine: &Engine,
        services: Services,
    ) -> anyhow::Result<Self> {
        Self::begin(data, trial, services, |_| engine.create(data, trial))
    }

    fn begin(
        data: &Data,
        trial: &TrialId,
        services: Services,
        open_log: impl FnOnce(TreeSize) -> anyhow::Result<Log>,
    ) -> anyhow::Result<Self> {
        let dir = &data.trial(trial);
        std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
        let store =
            |asked: bool, name, schema| asked.then(|| open_store(&dir.join(name), schema)).transpose();
        let index_store = store(services.registrar, "index", index::SCHEMA)?;
        let outcome_store = store(services.outcomes, "outcomes", OUTCOMES_SCHEMA)?;
        let safety_store = store(services.safety, "safety", SAFETY_SCHEMA)?;
        // What a read model was made of, or a checkpoint was signed for, was durable: a journal that ends before it has
        // lost records.
        let mut floor = sealed_size(data, trial)?;
        for store in [&index_store, &outcome_store, &safety_store].into_iter().flatten() {
            floor = floor.max(store.mark()?.size);
        }
        let log = open_log(TreeSize(floor))?;
        let journal = log.journal();
        let start = |name: &str, store: SledStore, make: Box<dyn Fn() -> Box<dyn projector::Fold> + Send>| {
            let (journal, store) = (Arc::clone(&journal), Arc::new(store));
            Projector::start(name, trial.as_str(), journal, store, make, Settings::default())
                .context("cannot start a projector")
        };
        let shared = Arc::new(Events::default());
        let index = index_store.map(|store| {
            let (source, events) = (Arc::clone(&journal), Arc::clone(&shared));
            let make = move || -> Box<dyn Fold> {
                Box::new(IndexRows::new(Arc::clone(&source), Arc::clone(&events)))
            };
            start("index", store, Box::new(make))
        });
        let index = index.transpose()?;
        let outcomes = outcome_store.map(|store| {
            let events = Arc::clone(&shared);
            let make = move || -> Box<dyn Fold> { Box::new(OutcomeRows::new(Arc::clone(&events))) };
            start("outcomes", store, Box::new(make))
        });
        let outcomes = outcomes.transpose()?;
        let safety = safety_store.map(|store| {
            let make = move || -> Box<dyn Fold> { Box::new(SafetyRows::new(Arc::clone(&shared))) };
            start("safety", store, Box::new(make))
        });
        let safety = safety.transpose()?;
        let desk = if let Some(index) = index {
            Desk::registrar(&log, &journal, index, data, trial)?
        } else {
            let onlooker = Onlooker::open(Arc::clone(&journal)).context("the log cannot be followed")?;
            Desk::Onlooker(Box::new(onlooker))
        };
        let (sender, durable) = watch::channel(journal.head());
        let desk = Arc::new(desk);
        let stopping = Arc::new(AtomicBool::new(false));
        let watcher = watcher(trial, Arc::clone(&journal), sender, Arc::clone(&desk), Arc::clone(&stopping))?;
        Ok(Self {
            trial: trial.clone(),
            log,
            journal,
            desk,
            archive: Archive::local(&dir.join("archive"))?,
            notary: Mutex::new(None),
            outcomes,
            safety,
            earlier: Earlier::default(),
            last_recorded: Mutex::default(),
            durable,
            room: Semaphore::new(super::ROOM_KIB as usize),
            stopping,
            watcher: Some(watcher),
        })
    }

    /// The trial as anyone may know it.
    pub(crate) fn public(&self) -> Arc<Public> {
        match &*self.desk {
            Desk::Registrar { registrar, .. } => registrar.public(),
            Desk::Onlooker(onlooker) => onlooker.public(),
        }
    }

    /// Its registrar.
    pub(crate) fn registrar(&self) -> Result<&Registrar, Problem> {
        match &*self.desk {
            Desk::Registrar { registrar, .. } => Ok(registrar),
            Desk::Onlooker(_) => Err(Problem::not_served("submissions are taken by a registrar")),
        }
    }

    /// The registrar's index.
    pub(crate) fn index(&self) -> Result<&ProjectorHandle, Problem> {
        match &*self.desk {
            Desk::Registrar { index, .. } => Ok(index),
            Desk::Onlooker(_) => Err(Problem::not_served("a registrar answers about records and subjects")),
        }
    }

    /// Who makes the report.
    pub(crate) fn reporter(&self, kind: ReportKind) -> Result<&ProjectorHandle, Problem> {
        let found = match kind {
            ReportKind::Outcomes => &self.outcomes,
            ReportKind::Safety => &self.safety,
        };
        found.as_ref().ok_or_else(|| {
            Problem::not_served(format!("the {} report is made by its projector", kind.as_str()))
        })
    }

    /// When the last of the first `records` records was recorded; `None` if it cannot be read.
    pub(crate) fn recorded_at(&self, records: u64) -> Option<Instant> {
        let kept = *self.last_recorded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, at)) = kept
            && of == records
        {
            return Some(at);
        }
        let read = self.journal.read(Position(records.checked_sub(1)?), 1).ok()?;
        let at = Record::parse(&read.first()?.bytes).ok()?.recorded_at;
        *self.last_recorded.lock().unwrap_or_else(PoisonError::into_inner) = Some((records, at));
        Some(at)
    }

    /// Every read model that is here, with its name.
    pub(crate) fn projectors(&self) -> Vec<(&'static str, &ProjectorHandle)> {
        let all = [
            ("index", self.index().ok()),
            ("outcomes", self.outcomes.as_ref()),
            ("safety", self.safety.as_ref()),
        ];
        all.into_iter().filter_map(|(name, projector)| Some((name, projector?))).collect()
    }
}

impl Desk {
    fn registrar(
        log: &Log,
        journal: &Arc<dyn Journal>,
        index: ProjectorHandle,
        data: &Data,
        trial: &TrialId,
    ) -> anyhow::Result<Self> {
        let index = Arc::new(index);
        if !index.wait_for(journal.head().size, INDEX_WAIT) {
            tracing::warn!(trial = %trial, "the index does not cover the log yet; ids are held in memory");
        }
        let registrar = Registrar::open(
            Arc::clone(journal),
            Arc::new(Indexed(Arc::clone(&index))),
            Arc::new(crate::world::now),
            receipt_keys(data, trial),
            Limits { item_records_max: super::PIECE_RECORDS_MAX, ..Limits::default() },
        );
        let registrar = registrar.context("cannot open the registrar")?;
        // Before anything is recorded: afterwards whoever appends asks, and what it finds out is seen in metrics.
        if let Err(error) = log.prove() {
            tracing::warn!(trial = %trial, "nothing can be recorded yet: {error:#}");
        }
        if let Some(ahead) = log.clock_ahead() {
            registrar.compare_clock(ahead);
        }
        Ok(Self::Registrar { registrar, index })
    }

    /// Takes in what others have recorded.
    fn follow(&self, size: TreeSize) -> Result<(), registrar::OpenError> {
        match self {
            Self::Registrar { registrar, .. } => {
                registrar.follow(size);
                Ok(())
            }
            Self::Onlooker(onlooker) => onlooker.follow(size),
        }
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

/// Passes the durable end on to tasks, which must not block, and to whoever knows what the trial is.
fn watcher(
    trial: &TrialId,
    journal: Arc<dyn Journal>,
    sender: watch::Sender<Head>,
    desk: Arc<Desk>,
    stopping: Arc<AtomicBool>,
) -> anyhow::Result<JoinHandle<()>> {
    let trial = trial.clone();
    let watch = move || {
        let mut head = journal.head();
        let mut told = String::new();
        while !stopping.load(Ordering::Relaxed) {
            let now = journal.wait(head.size, Duration::from_millis(200));
            if now == head {
                continue;
            }
            head = now;
            sender.send_replace(head);
            if let Err(error) = desk.follow(head.size) {
                let error = format!("{:#}", anyhow::Error::from(error));
                if error != told {
                    tracing::error!(trial = %trial, "the log cannot be followed: {error}");
                    told = error;
                }
            }
        }
    };
    std::thread::Builder::new().name("durable".to_owned()).spawn(watch).context("cannot start a thread")
}

impl Drop for Running {
    /// Answers what waits, then closes the read models cleanly, so that they are found again.
    fn drop(&mut self) {
        if let Desk::Registrar { registrar, .. } = &*self.desk {
            registrar.stop();
        }
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
