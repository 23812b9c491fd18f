//! Follows a trial's log without recording anything: what anyone may know of the trial, for processes that are not its
//! registrar.

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use chain::TreeSize;
use journal::Journal;

use crate::state::{OpenError, Public, State};

/// A trial as its log says, as far as it was followed.
pub struct Onlooker {
    journal: Arc<dyn Journal>,
    /// `None` once the log could not be followed: half a state says nothing.
    state: Mutex<Option<State>>,
    public: RwLock<Arc<Public>>,
}

impl Onlooker {
    /// Folds the journal into the trial's state.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(journal: Arc<dyn Journal>) -> Result<Self, OpenError> {
        let onlooker = Self { journal, state: Mutex::new(Some(State::default())), public: RwLock::default() };
        onlooker.follow(onlooker.journal.head().size)?;
        Ok(onlooker)
    }

    /// The trial as anyone may know it, as of the last [`Onlooker::follow`].
    pub fn public(&self) -> Arc<Public> {
        Arc::clone(&self.public.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes in the records up to `size`. Blocks while they are read.
    ///
    /// # Errors
    /// [`OpenError`]: a record cannot be read, or does not continue the log. What is known stays what it was, and the log
    /// is folded from its beginning at the next call.
    pub fn follow(&self, size: TreeSize) -> Result<(), OpenError> {
        let mut kept = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = kept.take().unwrap_or_default();
        if state.chain.size.0 < size.0 {
            let mut is_changed = false;
            // A trial's own records are the few that name no subject; that it has arms is said by others.
            state.catch_up(&*self.journal, size, crate::state::END, |event, _, _, _| {
                is_changed |= event.subject.is_none() || event.kind == clinical::EventKind::Allocation;
            })?;
            if let (true, Some(trial)) = (is_changed, &state.trial) {
                *self.public.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Public::of(trial));
            }
        }
        *kept = Some(state);
        Ok(())
    }
}
