//! Takes a submission: authenticates, decides, links, appends, answers with a receipt.
//!
//! One registrar serves one trial's log. What is costly and needs no order (canonical form, signature) is done on the
//! caller's thread by [`Registrar::prepare`]; what needs order (is the id known, is the signer entitled now, which
//! position) is done by one sequencer, whose waiting submissions share one append. It keeps no state that the log
//! cannot give back, speaks no protocol and makes no report.

mod court;
pub mod index;
mod onlooker;
mod outcome;
mod prepare;
mod promise;
mod state;

pub use court::Clock;
pub use index::{Index, IndexError, Known};
pub use onlooker::Onlooker;
pub use outcome::{Outcome, Unready};
pub use prepare::{Prepared, malformed, read, rehearsal};
pub use promise::{Decided, ReceiptKeys, ReceiptSigner};
pub use state::{OpenError, Opening, Public};

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use chain::TreeSize;
use clinical::Refusal;
use journal::Journal;
use journal::sequencer::{Limits, Sequencer, SubmitError};

use court::Court;

/// The registrar of one trial.
pub struct Registrar {
    sequencer: Sequencer<Court>,
    public: Arc<RwLock<Arc<Public>>>,
    /// How many records it has taken in.
    size: Arc<AtomicU64>,
    clock_ahead: Arc<AtomicI64>,
}

impl Registrar {
    /// Folds the journal into the trial's state and starts taking submissions. The index MUST have been caught up with
    /// the journal, or be on its way: ids it does not cover are held in memory. Of the receipt keys that a
    /// sponsor has granted and not revoked, the latest whose secret half `receipt_keys` gives signs receipts.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(
        journal: Arc<dyn Journal>,
        index: Arc<dyn Index>,
        clock: Clock,
        receipt_keys: ReceiptKeys,
        limits: Limits,
    ) -> Result<Self, OpenError> {
        let public = Arc::new(RwLock::new(Arc::new(Public::default())));
        let court = Court::open(Arc::clone(&journal), index, clock, receipt_keys, Arc::clone(&public))?;
        let (size, clock_ahead) = (court.size(), court.clock_ahead());
        let sequencer = Sequencer::start(journal, court, limits).map_err(OpenError::Thread)?;
        Ok(Self { sequencer, public, size, clock_ahead })
    }

    /// Takes in what others have appended up to `size`, if it has not yet. Never blocks. A submission does so by itself,
    /// before anything is refused.
    pub fn follow(&self, size: TreeSize) {
        if self.size.load(Ordering::Acquire) < size.0 {
            // Where too many wait already, one of them does it.
            self.sequencer.try_submit(Vec::new(), |_| ());
        }
    }

    /// Tells how far the clock is ahead of its peers', in microseconds, or behind them. Beyond 5 s nothing is recorded, until
    /// it is told otherwise.
    pub fn compare_clock(&self, ahead_microseconds: i64) {
        self.clock_ahead.store(ahead_microseconds, Ordering::Release);
    }

    /// By how many microseconds the clock is ahead of its peers', or behind them, if that takes the registrar out of
    /// service.
    pub fn clock_differs(&self) -> Option<i64> {
        Some(self.clock_ahead.load(Ordering::Acquire)).filter(|ahead| court::is_too_far(*ahead))
    }

    /// The trial as anyone may know it: who it is, its sites and keys. Behind by at most the batch being made durable.
    pub fn public(&self) -> Arc<Public> {
        Arc::clone(&self.public.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads a submission and checks what needs no order: size, canonical form, contents, and the signature if the
    /// signing key is known already. Costly; call it on as many threads as there are.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn prepare(&self, submission: &[u8]) -> Result<Prepared, Refusal> {
        prepare::prepare(submission, &self.public())
    }

    /// Hands prepared submissions over, in order. `answer` is called once, on the sequencer's thread, with what became
    /// of them, when all that were accepted are durable. Never blocks: [`SubmitError::Full`] if too many wait.
    pub fn submit(
        &self,
        prepared: Vec<Prepared>,
        answer: impl FnOnce(Result<Decided, SubmitError>) + Send + 'static,
    ) {
        self.sequencer.try_submit(prepared, answer);
    }

    /// [`Registrar::submit`], waiting for room and for the outcomes. Blocks.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub fn submit_and_wait(&self, prepared: Vec<Prepared>) -> Result<Vec<Outcome>, SubmitError> {
        self.sequencer.submit_and_wait(prepared).map(Decided::into_outcomes)
    }

    /// How many submissions wait.
    pub fn waiting(&self) -> usize {
        self.sequencer.waiting()
    }

    /// Why submissions are refused altogether, if they are: a failed append, or a stop.
    pub fn refusal(&self) -> Option<SubmitError> {
        self.sequencer.refusal()
    }

    /// Takes no more, answers what waits, and ends. Blocks.
    pub fn stop(&self) {
        self.sequencer.stop();
    }
}

#[cfg(test)]
mod tests;
