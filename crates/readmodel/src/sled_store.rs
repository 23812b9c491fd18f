//! The store on sled.

use std::error::Error;
use std::fs::File;
use std::ops::{Bound, ControlFlow};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Doubt, OpenError, StoreError};
use crate::files::{self, Generation};
use crate::memory::start;
use crate::{Change, Mark, RowVisitor, Store, View};

/// The mark lies under the one key no row may have; being in the same tree it goes into the same batch.
const MARK_KEY: &[u8] = b"";

/// How a store is opened.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// How long sled may take to open its files before they are given up.
    pub open_timeout: Duration,
    /// How many bytes of pages sled keeps in memory; it takes this as a hint.
    pub cache_bytes: u64,
}

impl Default for Options {
    /// 30 s, which sled needs for some gigabytes on a slow disk; 8 MiB, which was measured no slower than 64 and keeps a
    /// rebuild of 200,000 records within 66 MiB in all.
    fn default() -> Self {
        Self { open_timeout: Duration::from_secs(30), cache_bytes: 8 << 20 }
    }
}

/// What was found where a store was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened {
    /// The rows of the last clean close.
    Kept,
    /// Nothing: the store is new and empty.
    Fresh,
    /// A store in doubt: it was deleted, and the store is empty and to be rebuilt.
    Rebuilt {
        /// What was doubtful.
        why: Doubt,
    },
}

/// A store in a directory, on sled 0.34.
pub struct SledStore {
    state: RwLock<State>,
    failed: AtomicBool,
}

enum State {
    Open { db: sled::Db, mark: Mark, home: Arc<Home>, generation: Generation },
    Closed,
}

/// The directory that a store and its shadows share.
struct Home {
    dir: PathBuf,
    schema: u32,
    options: Options,
    /// The next generation's number.
    next: AtomicU64,
    _lock: File,
}

impl SledStore {
    /// Opens the store in `dir`, which it needs for itself, for rows of `schema`. What is there is kept only if it
    /// was closed cleanly, is of the same schema, and sled opens it in time; else it is deleted and the store is
    /// empty. A clean store is read through once, to be compared with its seal.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(dir: &Path, schema: u32, options: Options) -> Result<(Self, Opened), OpenError> {
        let lock = files::lock(dir)?;
        let found = files::generations(dir)?;
        let next = AtomicU64::new(found.last().map_or(0, |last| last + 1));
        let home = Arc::new(Home { dir: dir.to_path_buf(), schema, options, next, _lock: lock });
        let opened = match found.as_slice() {
            [] => Opened::Fresh,
            [number] => match home.reopen(Generation::new(dir, *number))? {
                Ok(store) => return Ok((store, Opened::Kept)),
                Err(why) => Opened::Rebuilt { why },
            },
            several => Opened::Rebuilt { why: Doubt::Several { count: several.len() } },
        };
        if let Opened::Rebuilt { why } = &opened {
            tracing::warn!(dir = %dir.display(), %why, "a read model is thrown away and starts empty");
        }
        for number in found {
            Generation::new(dir, number).remove();
        }
        Ok((home.fresh()?, opened))
    }

    fn shared(&self) -> Result<RwLockReadGuard<'_, State>, StoreError> {
        // A reader's panic poisons nothing, and sled's panics are caught before they reach the lock.
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        if self.failed.load(Ordering::Acquire) { Err(StoreError::Unusable) } else { Ok(state) }
    }

    fn exclusive(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Home {
    /// Opens a generation that should be as it was closed; the inner error says why it is not.
    fn reopen(self: &Arc<Self>, generation: Generation) -> Result<Result<SledStore, Doubt>, OpenError> {
        if let Err(doubt) = generation.check(self.schema) {
            return Ok(Err(doubt));
        }
        generation.begin()?;
        Ok(open_sled(&generation.sled(), self.options)
            .and_then(|(db, mark)| Ok((db, mark.ok_or(Doubt::Refused)?)))
            .map(|(db, mark)| self.store(db, mark, generation)))
    }

    /// Opens the next generation, empty.
    fn fresh(self: &Arc<Self>) -> Result<SledStore, OpenError> {
        let generation = Generation::new(&self.dir, self.next.fetch_add(1, Ordering::Relaxed));
        generation.begin()?;
        match open_sled(&generation.sled(), self.options) {
            Ok((db, _)) => {
                let store = self.store(db, Mark::default(), generation);
                // So that a clean store always holds a mark, and one without is in doubt.
                store
                    .commit(Vec::new(), Mark::default())
                    .map_err(|_| OpenError::Engine { dir: self.dir.clone(), source: Doubt::Refused })?;
                Ok(store)
            }
            Err(source) => Err(OpenError::Engine { dir: self.dir.clone(), source }),
        }
    }

    fn store(self: &Arc<Self>, db: sled::Db, mark: Mark, generation: Generation) -> SledStore {
        SledStore {
            state: RwLock::new(State::Open { db, mark, home: Arc::clone(self), generation }),
            failed: AtomicBool::new(false),
        }
    }
}

/// Opens sled in `dir` on a thread of its own: it may panic, and it may never come back. A thread that is given up
/// keeps the directory, so the caller goes on in another.
fn open_sled(dir: &Path, options: Options) -> Result<(sled::Db, Option<Mark>), Doubt> {
    // Nothing but a clean close has to be durable, and that one syncs by itself: no flushing in between.
    let config = sled::Config::new().path(dir).cache_capacity(options.cache_bytes).flush_every_ms(None);
    let (answer, answered) = mpsc::sync_channel(1);
    let opener = thread::Builder::new().name("open-read-model".to_owned()).spawn(move || {
        let opened = catch_unwind(AssertUnwindSafe(|| {
            let db = config.open()?;
            let mark = db.get(MARK_KEY)?.as_deref().and_then(decode_mark);
            Ok::<_, sled::Error>((db, mark))
        }));
        let _ = answer.send(match opened {
            Ok(Ok(opened)) => Ok(opened),
            Ok(Err(_)) => Err(Doubt::Refused),
            Err(_) => Err(Doubt::Panicked),
        });
    });
    if opener.is_err() {
        return Err(Doubt::Refused);
    }
    answered
        .recv_timeout(options.open_timeout)
        .unwrap_or(Err(Doubt::TimedOut { limit: options.open_timeout }))
}

fn encode_mark(mark: Mark) -> [u8; 40] {
    let mut bytes = [0; 40];
    bytes[..8].copy_from_slice(&mark.size.to_be_bytes());
    bytes[8..].copy_from_slice(&mark.hash);
    bytes
}

fn decode_mark(bytes: &[u8]) -> Option<Mark> {
    let (size, hash) = bytes.split_first_chunk::<8>()?;
    Some(Mark { size: u64::from_be_bytes(*size), hash: hash.try_into().ok()? })
}

/// Runs one call into sled; an error or a panic puts the rows in doubt.
fn guarded<T>(
    failed: &AtomicBool,
    op: &'static str,
    call: impl FnOnce() -> Result<T, sled::Error>,
) -> Result<T, StoreError> {
    let source: Box<dyn Error + Send + Sync> = match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(error)) => Box::new(error),
        Err(_) => "the engine panicked".into(),
    };
    failed.store(true, Ordering::Release);
    Err(StoreError::Failed { op, source })
}

struct SledView<'a> {
    db: &'a sled::Db,
    failed: &'a AtomicBool,
}

impl View for SledView<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        if key == MARK_KEY {
            return Ok(None);
        }
        Ok(guarded(self.failed, "read a row", || self.db.get(key))?.map(|row| row.to_vec()))
    }

    fn each(&self, prefix: &[u8], after: Option<&[u8]>, row: &mut RowVisitor<'_>) -> Result<(), StoreError> {
        let from = match start(prefix, after) {
            Bound::Included(MARK_KEY) => Bound::Excluded(MARK_KEY),
            from => from,
        };
        let mut rows = self.db.range::<&[u8], _>((from, Bound::Unbounded));
        while let Some((key, value)) = guarded(self.failed, "read rows", || rows.next().transpose())? {
            if !key.starts_with(prefix) || row(&key, &value) == ControlFlow::Break(()) {
                break;
            }
        }
        Ok(())
    }
}

impl Store for SledStore {
    fn mark(&self) -> Result<Mark, StoreError> {
        match &*self.shared()? {
            State::Open { mark, .. } => Ok(*mark),
            State::Closed => Err(StoreError::Closed),
        }
    }

    fn commit(&self, changes: Vec<Change>, mark: Mark) -> Result<(), StoreError> {
        // Made before the lock is taken, so that readers wait for sled alone.
        let mut batch = sled::Batch::default();
        for change in changes {
            if change.key().is_empty() {
                return Err(StoreError::EmptyKey);
            }
            match change {
                Change::Put { key, value } => batch.insert(key, value),
                Change::Delete { key } => batch.remove(key),
            }
        }
        batch.insert(MARK_KEY, encode_mark(mark).as_slice());
        let mut state = self.exclusive();
        match &mut *state {
            _ if self.failed.load(Ordering::Acquire) => Err(StoreError::Unusable),
            State::Open { db, mark: current, .. } => {
                guarded(&self.failed, "commit", || db.apply_batch(batch))?;
                *current = mark;
                Ok(())
            }
            State::Closed => Err(StoreError::Closed),
        }
    }

    fn read(&self, reader: &mut dyn FnMut(&dyn View, Mark)) -> Result<(), StoreError> {
        match &*self.shared()? {
            State::Open { db, mark, .. } => {
                reader(&SledView { db, failed: &self.failed }, *mark);
                Ok(())
            }
            State::Closed => Err(StoreError::Closed),
        }
    }

    fn shadow(&self) -> Result<Arc<dyn Store>, OpenError> {
        // A failed store can still say where it lies: its shadow is what replaces it.
        let home = match &*self.state.read().unwrap_or_else(PoisonError::into_inner) {
            State::Open { home, .. } => Arc::clone(home),
            State::Closed => return Err(OpenError::Closed),
        };
        Ok(Arc::new(home.fresh()?))
    }

    fn close(&self) -> Result<(), StoreError> {
        let State::Open { db, home, generation, .. } =
            std::mem::replace(&mut *self.exclusive(), State::Closed)
        else {
            return Ok(());
        };
        if self.failed.load(Ordering::Acquire) {
            let_go(db, &generation);
            return Err(StoreError::Unusable);
        }
        guarded(&self.failed, "flush", || db.flush())?;
        if !let_go(db, &generation) {
            return Err(StoreError::Failed { op: "close", source: "the engine keeps its files open".into() });
        }
        generation
            .finish(home.schema)
            .map_err(|error| StoreError::Failed { op: "seal", source: Box::new(error) })
    }

    fn retire(&self) {
        if let State::Open { db, generation, .. } = std::mem::replace(&mut *self.exclusive(), State::Closed) {
            let_go(db, &generation);
            generation.remove();
        }
    }
}

/// Drops sled and waits until its last thread has let go of the files: they write after the drop returns. Says
/// whether they did.
fn let_go(db: sled::Db, generation: &Generation) -> bool {
    const PATIENCE: Duration = Duration::from_secs(10);
    if catch_unwind(AssertUnwindSafe(|| drop(db))).is_err() {
        return false;
    }
    let Ok(file) = File::open(generation.sled().join("db")) else { return false };
    let asked = Instant::now();
    while file.try_lock().is_err() {
        if asked.elapsed() > PATIENCE {
            return false;
        }
        thread::sleep(Duration::from_millis(1));
    }
    true
}

#[cfg(test)]
impl SledStore {
    /// What a call into sled does that panics.
    pub(crate) fn break_engine(&self) -> StoreError {
        let outcome: Result<(), _> = guarded(&self.failed, "test", || panic!("as sled does at times"));
        outcome.unwrap_err()
    }
}
