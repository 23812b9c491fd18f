//! The thread that follows a journal, and the handle others hold of it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use chain::{RecordHash, TreeSize};
use journal::Journal;
use readmodel::{Mark, OpenError, Store, StoreError, View};
use tracing::field::Empty;
use tracing::info_span;

use crate::fold::Fold;
use crate::line::{Halt, Line, Step};
use crate::status::{State, Status, StopReason};

pub(crate) type MakeFold = dyn Fn() -> Box<dyn Fold> + Send;

/// How much is folded at a time, and how soon a command is heard.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// About how many bytes of records are folded in one commit.
    pub batch_bytes_max: usize,
    /// How many records at most.
    pub batch_records_max: usize,
    /// How long it waits for a record before it looks for commands.
    pub poll: Duration,
}

impl Default for Settings {
    /// 128 KiB, which is some 250 records of 512 bytes. Larger batches were measured slower, and sled then took seven
    /// times the memory: 542 MiB against 84 MiB for an index of 200,000 records. 100 ms.
    fn default() -> Self {
        Self { batch_bytes_max: 128 << 10, batch_records_max: 2_048, poll: Duration::from_millis(100) }
    }
}

/// Starts projectors.
pub struct Projector;

impl Projector {
    /// Starts following `journal` on a thread of its own, from where `store` is. If `store` holds what this journal
    /// does not, a new store beside it has taken its place on return: no row of another log is ever served. `name`
    /// is what the thread and its messages are called, `trial` whose log it is, for its spans; `make_fold` is called at
    /// the start and whenever rows are made anew.
    ///
    /// # Errors
    /// The system gave no thread.
    pub fn start(
        name: &str,
        trial: &str,
        journal: Arc<dyn Journal>,
        store: Arc<dyn Store>,
        make_fold: impl Fn() -> Box<dyn Fold> + Send + 'static,
        settings: Settings,
    ) -> std::io::Result<ProjectorHandle> {
        let shared = Arc::new(Shared {
            name: name.to_owned(),
            trial: trial.to_owned(),
            told: Mutex::new(Told {
                store: Arc::clone(&store),
                mark: Mark::default(),
                state: State::Running,
                rebuilds: 0,
                last_error: None,
                stop: false,
                rebuild: false,
            }),
            changed: Condvar::new(),
        });
        let follower =
            Follower::new(Arc::clone(&journal), store, Box::new(make_fold), settings, Arc::clone(&shared));
        follower.publish();
        let thread = thread::Builder::new().name(format!("projector-{name}")).spawn({
            let shared = Arc::clone(&shared);
            move || {
                if catch_unwind(AssertUnwindSafe(|| follower.run())).is_err() {
                    tracing::error!(projector = shared.name, "stopped: {}", StopReason::Bug);
                    shared.tell(|told| told.state = State::Stopped { reason: StopReason::Bug });
                }
            }
        })?;
        Ok(ProjectorHandle { shared, journal, thread: Mutex::new(Some(thread)) })
    }
}

struct Shared {
    name: String,
    trial: String,
    told: Mutex<Told>,
    changed: Condvar,
}

/// What the thread and the handles tell each other.
struct Told {
    store: Arc<dyn Store>,
    mark: Mark,
    state: State,
    rebuilds: u64,
    last_error: Option<String>,
    stop: bool,
    rebuild: bool,
}

impl Shared {
    fn told(&self) -> MutexGuard<'_, Told> {
        // Only whole values are set under it.
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, change: impl FnOnce(&mut Told)) {
        change(&mut self.told());
        self.changed.notify_all();
    }

    /// Has `line` take one step, in a span if there is anything to fold.
    fn batch(
        &self,
        journal: &dyn Journal,
        line: &mut Line,
        step: impl FnOnce(&dyn Journal, &mut Line) -> Step,
    ) -> Step {
        let from = line.folded();
        if journal.head().size <= from {
            return step(journal, line);
        }
        let span = info_span!(
            parent: None,
            "projector.batch",
            trial = self.trial,
            projector = self.name,
            first = i64::try_from(from.0).ok(),
            records = Empty,
            outcome = Empty
        );
        let step = span.in_scope(|| step(journal, line));
        span.record("records", i64::try_from(line.folded().0.saturating_sub(from.0)).ok());
        let outcome = match (&step, &line.halt) {
            (_, Some(_)) => "stopped",
            (Step::Unread(_), None) => "unread",
            (Step::Moved | Step::Idle, None) => "folded",
        };
        span.record("outcome", outcome);
        step
    }

    fn error(&self, what: String) {
        let mut told = self.told();
        if told.last_error.as_ref() != Some(&what) {
            tracing::error!(projector = self.name, "{what}");
            told.last_error = Some(what);
        }
    }
}

/// A running projector. Dropping it stops it.
pub struct ProjectorHandle {
    shared: Arc<Shared>,
    journal: Arc<dyn Journal>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl ProjectorHandle {
    /// How far it is and how it fares.
    pub fn status(&self) -> Status {
        let journal_size = self.journal.head().size;
        let told = self.shared.told();
        Status {
            size: TreeSize(told.mark.size),
            head_hash: RecordHash(told.mark.hash),
            // The rows may be ahead of what the journal's head was a moment ago.
            journal_size: journal_size.max(TreeSize(told.mark.size)),
            lag_records: journal_size.0.saturating_sub(told.mark.size),
            state: told.state.clone(),
            rebuilds: told.rebuilds,
            last_error: told.last_error.clone(),
        }
    }

    /// The store that is served now. A rebuild closes it and puts another in its place: ask again rather than keep
    /// it, or use [`ProjectorHandle::query`].
    pub fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.shared.told().store)
    }

    /// Makes an answer from the rows of one mark, whatever store is served now.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn query<T>(&self, reader: impl FnOnce(&dyn View, Mark) -> T) -> Result<T, StoreError> {
        let mut reader = Some(reader);
        loop {
            let store = self.store();
            let answer =
                readmodel::query(&*store, |view, mark| reader.take().map(|reader| reader(view, mark)));
            match answer {
                Ok(Some(answer)) => return Ok(answer),
                // It was exchanged between our asking for it and our reading it: the next one is there already.
                Err(StoreError::Closed) if !Arc::ptr_eq(&store, &self.store()) => {}
                Ok(None) => return Err(StoreError::Closed),
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits until `size` records are served. Answers no after `timeout`, or as soon as it is clear that they never
    /// will be.
    pub fn wait_for(&self, size: TreeSize, timeout: Duration) -> bool {
        let done = |told: &Told| told.mark.size >= size.0;
        let hopeless =
            |told: &Told| matches!(told.state, State::Stopped { .. } | State::Closed) && !told.rebuild;
        done(&self.wait(timeout, |told| done(told) || hopeless(told)))
    }

    /// Waits until another store has taken the place of the served one at least `count` times since the start, or
    /// `timeout` has passed.
    pub fn wait_for_rebuild(&self, count: u64, timeout: Duration) -> bool {
        self.wait(timeout, |told| told.rebuilds >= count).rebuilds >= count
    }

    fn wait(&self, timeout: Duration, until: impl Fn(&Told) -> bool) -> MutexGuard<'_, Told> {
        let deadline = Instant::now() + timeout;
        let mut told = self.shared.told();
        while !until(&told) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            told = self.shared.changed.wait_timeout(told, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        told
    }

    /// Asks for the rows to be made anew, from the first record, in a store beside the one that is served; when it
    /// has come as far it takes its place.
    pub fn rebuild(&self) {
        self.shared.tell(|told| told.rebuild = true);
    }

    /// Finishes the batch it is at and the commit under way, closes the store cleanly and ends the thread.
    pub fn stop(&self) {
        self.shared.tell(|told| told.stop = true);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        // A panic of the thread was caught and told on the thread itself.
        let _ = thread.map(JoinHandle::join);
    }
}

impl Drop for ProjectorHandle {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What runs on the thread.
struct Follower {
    journal: Arc<dyn Journal>,
    make_fold: Box<MakeFold>,
    settings: Settings,
    shared: Arc<Shared>,
    live: Line,
    shadow: Option<Line>,
    /// Where the live line has to come before it is whole again.
    whole_at: TreeSize,
    /// Whether a failed store was replaced already; a second failure is not chance.
    replaced: bool,
}

impl Follower {
    fn new(
        journal: Arc<dyn Journal>,
        store: Arc<dyn Store>,
        make_fold: Box<MakeFold>,
        settings: Settings,
        shared: Arc<Shared>,
    ) -> Self {
        let live = Line::resume(Arc::clone(&store), &*journal, &make_fold).unwrap_or_else(|why| {
            shared.error(format!("the read model is thrown away: {why}"));
            match store.shadow() {
                Ok(fresh) => {
                    shared.tell(|told| told.rebuilds += 1);
                    store.retire();
                    Line::begin(fresh, &make_fold)
                }
                Err(error) => {
                    // Not one row of it is of this journal: better none.
                    store.retire();
                    let mut line = Line::begin(store, &make_fold);
                    line.halt = Some(Halt::Rows(told(&error)));
                    line
                }
            }
        });
        let whole_at = if live.size().0 == 0 { journal.head().size } else { live.size() };
        Self { journal, make_fold, settings, shared, live, shadow: None, whole_at, replaced: false }
    }

    fn run(mut self) {
        loop {
            self.publish();
            let (stop, rebuild) = {
                let mut told = self.shared.told();
                let rebuild = std::mem::take(&mut told.rebuild);
                if rebuild {
                    // At once, so that nobody sees a stopped projector with no rebuild to come.
                    told.state = State::Rebuilding;
                }
                (told.stop, rebuild)
            };
            if stop {
                break;
            }
            if rebuild {
                self.begin_shadow();
            }
            let moved = self.step_live() | self.step_shadow();
            if !moved {
                self.rest();
            }
        }
        if let Some(shadow) = self.shadow.take() {
            shadow.store.retire();
        }
        self.live.land();
        self.publish();
        if let Err(error) = self.live.store.close() {
            self.shared
                .error(format!("the read model was not closed cleanly and will be made anew: {error}"));
        }
        self.shared.tell(|told| told.state = State::Closed);
    }

    /// Says whether there may be more to do at once.
    fn step_live(&mut self) -> bool {
        if self.live.halt.is_some() {
            return false;
        }
        let step = self.shared.batch(&*self.journal, &mut self.live, |journal, line| {
            line.step(journal, &self.make_fold, &self.settings)
        });
        match &self.live.halt {
            Some(Halt::Rows(what)) if !self.replaced => {
                self.replaced = true;
                self.shared.error(format!("the read model failed and is made anew: {what}"));
                match self.live.store.shadow() {
                    Ok(store) => {
                        self.whole_at = self.live.size();
                        let failed = std::mem::replace(&mut self.live, Line::begin(store, &self.make_fold));
                        self.publish();
                        self.shared.tell(|told| told.rebuilds += 1);
                        failed.store.retire();
                    }
                    Err(error) => self.live.halt = Some(Halt::Rows(told(&error))),
                }
            }
            _ => {}
        }
        self.heed(step)
    }

    fn step_shadow(&mut self) -> bool {
        let Some(shadow) = &mut self.shadow else { return false };
        let step = match shadow.halt {
            None => self.shared.batch(&*self.journal, shadow, |journal, line| {
                line.step(journal, &self.make_fold, &self.settings)
            }),
            Some(_) => Step::Idle,
        };
        let why = match (&shadow.halt, &step) {
            _ if shadow.size() >= self.live.size() => {
                self.swap();
                return self.heed(step);
            }
            // Not as far, but of the other nothing can be served at all.
            (Some(Halt::Log(_)), _) if matches!(self.live.halt, Some(Halt::Rows(_))) => {
                self.swap();
                return self.heed(step);
            }
            (Some(halt), _) => halt.reason().to_string(),
            (None, Step::Idle) => "the journal ends before the rows that are served".to_owned(),
            (None, _) => return self.heed(step),
        };
        self.shared.error(format!("the rebuild was given up: {why}"));
        shadow.store.retire();
        self.shadow = None;
        true
    }

    fn heed(&self, step: Step) -> bool {
        match step {
            Step::Moved => true,
            Step::Idle => false,
            Step::Unread(error) => {
                self.shared.error(format!("the journal could not be read: {error}"));
                // Not left to the journal's own waiting, which would answer at once.
                thread::sleep(self.settings.poll);
                true
            }
        }
    }

    fn begin_shadow(&mut self) {
        if let Some(former) = self.shadow.take() {
            former.store.retire();
        }
        match self.live.store.shadow() {
            Ok(store) => self.shadow = Some(Line::begin(store, &self.make_fold)),
            Err(error) => self.shared.error(format!("no rebuild: {}", told(&error))),
        }
    }

    /// The shadow takes the live line's place.
    fn swap(&mut self) {
        let Some(shadow) = self.shadow.take() else { return };
        let former = std::mem::replace(&mut self.live, shadow);
        self.whole_at = self.whole_at.max(former.size());
        self.replaced = false;
        self.publish();
        self.shared.tell(|told| told.rebuilds += 1);
        former.store.retire();
    }

    /// Tells the handles where the live line is.
    fn publish(&self) {
        let state = match &self.live.halt {
            _ if self.shadow.is_some() => State::Rebuilding,
            Some(halt) => State::Stopped { reason: halt.reason() },
            None if self.live.size() < self.whole_at => State::Rebuilding,
            None => State::Running,
        };
        // All in one: nobody sees it stopped at a place it has gone on from.
        self.shared.tell(|told| {
            if let State::Stopped { reason } = &state
                && told.state != state
            {
                tracing::error!(projector = self.shared.name, "stopped: {reason}");
                told.last_error = Some(reason.to_string());
            }
            told.store = Arc::clone(&self.live.store);
            told.mark = self.live.mark();
            told.state = state;
        });
    }

    /// Waits for a record, or for a command where no record helps.
    fn rest(&self) {
        if self.live.halt.is_none() {
            self.journal.wait(self.live.size(), self.settings.poll);
            return;
        }
        let mut told = self.shared.told();
        while !told.stop && !told.rebuild {
            told = self.shared.changed.wait(told).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// The error with its source: what an operator needs.
fn told(error: &OpenError) -> String {
    match error {
        OpenError::Io { source, .. } => format!("{error}: {source}"),
        OpenError::Engine { source, .. } => format!("{error}: {source}"),
        error => error.to_string(),
    }
}
