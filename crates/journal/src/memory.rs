//! A journal in memory, with faults on demand: for tests of whatever stands on a journal.
//!
//! Deterministic: a fault strikes the append it was planned for, whatever the threads do.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chain::{LinkedRecord, Position, TreeSize};

use crate::conformance::{SyncHook, SyncOutcome};
use crate::{AppendError, Head, Journal, ReadError, check_batch};

/// What may go wrong in one append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The write fails; nothing is stored. The journal is poisoned.
    WriteFailed,
    /// The sync fails; nothing is there after reopening. The journal is poisoned.
    SyncFailed,
    /// The write or sync reports failure, yet the batch is there after reopening. The journal is poisoned.
    FailedButPersisted,
    /// Another writer's records take the positions first.
    Conflict(Vec<LinkedRecord>),
    /// No answer comes. The journal is not poisoned: the same batch may be sent again.
    OutcomeUnknown {
        /// Whether the batch was stored all the same.
        stored: bool,
    },
}

/// A [`Journal`] that forgets when dropped.
#[derive(Default)]
pub struct MemoryJournal {
    /// Held for the whole of an append: one at a time.
    appending: Mutex<()>,
    state: Mutex<State>,
    grown: Condvar,
    /// Most records of one append, if there is a limit.
    records_max: Option<usize>,
}

#[derive(Default)]
struct State {
    durable: Vec<LinkedRecord>,
    /// Persisted, though its append failed: seen after reopening only.
    hidden: Vec<LinkedRecord>,
    poisoned: bool,
    appends: u64,
    faults: BTreeMap<u64, Fault>,
    on_sync: Option<SyncHook>,
}

impl State {
    fn head(&self) -> Head {
        Head::EMPTY.after(&self.durable)
    }
}

impl MemoryJournal {
    /// An empty journal.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty journal that takes at most `records_max` records at once.
    pub fn taking_at_once(records_max: usize) -> Self {
        Self { records_max: Some(records_max), ..Self::default() }
    }

    /// Plans `fault` for append number `append`, 0-based, counted from now on; empty batches count.
    pub fn plan(&self, append: u64, fault: Fault) {
        let mut state = self.state();
        let at = state.appends + append;
        state.faults.insert(at, fault);
    }

    /// Calls `hook` in the next append, when the batch is written and not yet durable; it says how the sync ends.
    pub fn on_next_sync(&self, hook: SyncHook) {
        self.state().on_sync = Some(hook);
    }

    /// What a process finds that opens the same storage after this one: healthy, no fault planned.
    #[must_use]
    pub fn reopen(&self) -> Self {
        let state = self.state();
        let durable = state.durable.iter().chain(&state.hidden).cloned().collect();
        let state = Mutex::new(State { durable, ..State::default() });
        Self { state, records_max: self.records_max, ..Self::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No step leaves the state half changed, so a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fail(&self, op: &'static str, persisted: &[LinkedRecord]) -> AppendError {
        let mut state = self.state();
        state.poisoned = true;
        state.hidden = persisted.to_vec();
        AppendError::Io { op, path: PathBuf::from("memory"), source: io::Error::other("injected fault") }
    }

    fn publish(&self, records: &[LinkedRecord]) -> Head {
        let mut state = self.state();
        state.durable.extend_from_slice(records);
        let head = state.head();
        drop(state);
        self.grown.notify_all();
        head
    }
}

impl Journal for MemoryJournal {
    fn append(&self, expected: Head, records: &[LinkedRecord]) -> Result<Head, AppendError> {
        let _one_at_a_time = self.appending.lock().unwrap_or_else(PoisonError::into_inner);
        let (fault, hook, head) = {
            let mut state = self.state();
            if state.poisoned {
                return Err(AppendError::Poisoned);
            }
            let number = state.appends;
            state.appends += 1;
            let mut fault = state.faults.remove(&number);
            if let Some(Fault::Conflict(rivals)) = &mut fault {
                state.durable.append(rivals);
                self.grown.notify_all();
            }
            let head = state.head();
            check_batch(expected, head, records)?;
            if records.len() > self.append_records_max() {
                return Err(AppendError::TooMany {
                    records: records.len(),
                    limit: self.append_records_max(),
                });
            }
            (fault, state.on_sync.take(), head)
        };
        match fault {
            Some(Fault::OutcomeUnknown { stored }) => {
                if stored {
                    self.publish(records);
                }
                return Err(AppendError::OutcomeUnknown { reason: "injected fault".to_owned() });
            }
            // Of none there is nothing to write.
            _ if records.is_empty() => return Ok(head),
            Some(Fault::WriteFailed) => return Err(self.fail("write", &[])),
            Some(Fault::SyncFailed) => return Err(self.fail("sync", &[])),
            Some(Fault::FailedButPersisted) => return Err(self.fail("sync", records)),
            Some(Fault::Conflict(_)) | None => {}
        }
        match hook.map_or(SyncOutcome::Done, |hook| hook()) {
            SyncOutcome::Done => Ok(self.publish(records)),
            SyncOutcome::Failed => Err(self.fail("sync", &[])),
            SyncOutcome::FailedButPersisted => Err(self.fail("sync", records)),
        }
    }

    fn append_records_max(&self) -> usize {
        self.records_max.unwrap_or(usize::MAX)
    }

    fn read(&self, from: Position, bytes_max: usize) -> Result<Vec<LinkedRecord>, ReadError> {
        let state = self.state();
        let from = usize::try_from(from.0).unwrap_or(usize::MAX);
        let mut bytes = 0;
        let records = state.durable.get(from..).unwrap_or_default().iter();
        let taken = records.take_while(|record| {
            let first = bytes == 0;
            bytes += record.bytes.len().max(1);
            first || bytes <= bytes_max
        });
        Ok(taken.cloned().collect())
    }

    fn head(&self) -> Head {
        self.state().head()
    }

    fn wait(&self, size: TreeSize, timeout: Duration) -> Head {
        let state = self.state();
        self.grown
            .wait_timeout_while(state, timeout, |state| state.head().size <= size)
            .unwrap_or_else(PoisonError::into_inner)
            .0
            .head()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::{self, batch};

    struct Memory(Mutex<std::sync::Arc<MemoryJournal>>);

    impl conformance::Store for Memory {
        fn open(&self) -> Box<dyn Journal> {
            let mut journal = self.0.lock().unwrap();
            *journal = std::sync::Arc::new(journal.reopen());
            Box::new(std::sync::Arc::clone(&journal))
        }

        fn on_next_sync(&self, hook: SyncHook) -> bool {
            self.0.lock().unwrap().on_next_sync(hook);
            true
        }

        fn open_beside(&self) -> Option<Box<dyn Journal>> {
            Some(Box::new(std::sync::Arc::clone(&*self.0.lock().unwrap())))
        }
    }

    #[test]
    fn the_memory_engine_conforms() {
        conformance::run(&|| Box::new(Memory(Mutex::default())));
        conformance::run(&|| {
            Box::new(Memory(Mutex::new(std::sync::Arc::new(MemoryJournal::taking_at_once(300)))))
        });
    }

    #[test]
    fn each_fault_leaves_what_it_says() {
        let first = batch(Head::EMPTY, 2);
        let after = Head::EMPTY.after(&first);
        let second = batch(after, 3);
        let rivals = batch(after, 1);
        for (fault, poisoned, size_after_reopening) in [
            (Fault::WriteFailed, true, 2),
            (Fault::SyncFailed, true, 2),
            (Fault::FailedButPersisted, true, 5),
            (Fault::Conflict(rivals.clone()), false, 3),
            (Fault::OutcomeUnknown { stored: false }, false, 2),
            (Fault::OutcomeUnknown { stored: true }, false, 5),
        ] {
            let journal = MemoryJournal::new();
            journal.plan(1, fault.clone());
            journal.append(Head::EMPTY, &first).unwrap();
            let error = journal.append(after, &second).unwrap_err();
            assert_eq!(error.is_retryable(), !poisoned, "{fault:?}");
            let again = journal.append(journal.head(), &[]);
            assert_eq!(matches!(again, Err(AppendError::Poisoned)), poisoned, "{fault:?}");
            assert_eq!(journal.reopen().head().size.0, size_after_reopening, "{fault:?}");
        }
    }
}
