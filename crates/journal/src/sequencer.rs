//! Group commit: many submit, one thread decides and links, everything that waits is made durable by one append.
//!
//! While one append runs, submissions gather; the next append takes them all. If the append is a large one, a second
//! thread makes it and what gathers is decided meanwhile, one batch ahead at most, on a state that holds what is not
//! durable yet: nobody is told of it before it is, and it is dropped where what it rests on fails.
//!
//! Callers are answered through a closure, so a thread can wait for it and an async task can be woken by it; no
//! runtime is needed.
//!
//! What a submission means is the [`Decide`]'s: this module knows no events and no rules.

use std::collections::VecDeque;
use std::io;
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use chain::LinkedRecord;

use crate::{AppendError, Head, Journal, ReadError};

mod append;
#[cfg(test)]
mod tests;
mod trail;
mod worker;

use append::Commit;
use trail::Trail;
use worker::Worker;

/// Turns submissions into linked records, one after another, on the sequencer's thread.
///
/// Holds a state that includes what was decided and is not yet durable: an item is decided on what the items before
/// it, in the same batch and in the one before, have made. Every item is decided for one batch, which is then closed
/// and appended; at most one closed batch is not durable, and at most one more is being decided.
///
/// The contract:
///
/// - Every batch that is closed is accepted, in the order of closing, or forgotten by a `rewind`.
/// - What is shown to others MUST be as it is after the last batch that was accepted.
pub trait Decide: Send + 'static {
    /// What is submitted.
    type Item: Send + 'static;
    /// What the submitter is told once the batch is durable, and with it all the outcome rests on; a refusal is an
    /// outcome too.
    type Outcome: Send + 'static;

    /// Decides on `item` and pushes the records it leads to, linked to those before; none for a refusal.
    ///
    /// The same item MAY come again after [`Decide::rewind`].
    fn decide(&mut self, item: &Self::Item, records: &mut Vec<LinkedRecord>) -> Self::Outcome;

    /// What the log is called where it is shown how long an append took; empty while it has no name.
    #[expect(clippy::unnecessary_literal_bound, reason = "an implementation answers from what it holds")]
    fn log(&self) -> &str {
        ""
    }

    /// What was decided since the last `close` or `rewind` goes into one append; what comes now, into the next.
    fn close(&mut self) {}

    /// The batch that was closed first of those not accepted is durable now, up to `head`. What was decided after it
    /// stays as it is: not durable.
    fn accept(&mut self, head: Head);

    /// Nothing that was decided since the last `accept` is in the journal, closed or not: forget it, catch up with
    /// the journal and answer the head that the next record is linked to.
    ///
    /// # Errors
    /// The journal cannot be read; the sequencer then stops.
    fn rewind(&mut self, journal: &dyn Journal) -> Result<Head, ReadError>;
}

/// How much may wait, and how much goes into one append.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Most submissions that wait; the next one blocks, or is refused.
    pub waiting_max: usize,
    /// Most submissions in one append.
    pub batch_items_max: usize,
    /// An append is closed when its records reach this many bytes.
    pub batch_bytes_max: usize,
    /// Most records that one item leads to. An append is closed before one more item could bring it above what the
    /// journal takes at once ([`Journal::append_records_max`]).
    pub item_records_max: usize,
    /// Once so many bytes are decided they are appended on a second thread, while the rest is decided, if there is
    /// any; unless an append is under way.
    pub ahead_bytes_min: usize,
}

impl Default for Limits {
    /// 8,192 submissions may wait: at 10 µs each a wait of 80 ms. 4 MiB of records in one append take a disk of
    /// 400 MB/s 10 ms. 256 KiB, some 300 records, take 3 ms to decide at 10 µs each, where two threads that wake each
    /// other take 20 µs; what 256 submitters of one record each have under way stays below.
    fn default() -> Self {
        Self {
            waiting_max: 8_192,
            batch_items_max: 8_192,
            batch_bytes_max: 4 << 20,
            item_records_max: 1,
            ahead_bytes_min: 256 << 10,
        }
    }
}

/// Why a submission has no outcome.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SubmitError {
    /// Too many submissions wait already; nothing was decided.
    #[error("{waiting} submissions wait already")]
    Full {
        /// How many wait.
        waiting: usize,
    },
    /// The sequencer was stopped; nothing was decided.
    #[error("the sequencer is stopped")]
    Stopped,
    /// The append failed, now or earlier.
    #[error("the append failed")]
    Append(#[source] Arc<AppendError>),
    /// After a conflict the journal could not be read.
    #[error("the journal could not be read after a conflict")]
    Read(#[source] Arc<ReadError>),
}

/// How a submitter is answered.
enum Answer<O> {
    Call(Box<dyn FnOnce(Result<O, SubmitError>) + Send>),
    /// To a thread that waits for `Shared::answered`: one wake-up serves all of a batch.
    Wake(Ticket<O>),
}

impl<O> Answer<O> {
    fn give(self, outcome: Result<O, SubmitError>) {
        match self {
            Self::Call(answer) => answer(outcome),
            Self::Wake(ticket) => *ticket.slot() = Some(outcome),
        }
    }
}

/// Where a waiting thread finds its answer; [`SubmitError::Stopped`] if dropped without one.
struct Ticket<O>(Arc<Mutex<Option<Result<O, SubmitError>>>>);

impl<O> Ticket<O> {
    fn slot(&self) -> MutexGuard<'_, Option<Result<O, SubmitError>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<O> Drop for Ticket<O> {
    fn drop(&mut self) {
        self.slot().get_or_insert(Err(SubmitError::Stopped));
    }
}

struct Submission<D: Decide> {
    item: D::Item,
    trail: Trail,
    answer: Answer<D::Outcome>,
}

impl<D: Decide> Submission<D> {
    fn new(item: D::Item, answer: Answer<D::Outcome>) -> Self {
        Self { item, trail: Trail::begin(), answer }
    }

    /// Answers it. Its stages have ended by then, so that whoever is answered can end what they are stages of.
    fn answer(self, outcome: Result<D::Outcome, SubmitError>) {
        drop(self.trail);
        self.answer.give(outcome);
    }
}

struct Queue<D: Decide> {
    waiting: VecDeque<Submission<D>>,
    /// The sequencer's thread waits for submissions and has to be woken.
    idle: bool,
    /// How the append on the second thread ended, until the sequencer's thread has heard of it.
    landed: Option<Commit>,
    /// How many submitters wait for room.
    crowd: usize,
    /// Set once; every later submission is answered with it.
    closed: Option<SubmitError>,
}

struct Shared<D: Decide> {
    queue: Mutex<Queue<D>>,
    /// Whether `Queue::landed` holds something, to be looked at between two items without the lock.
    has_landed: AtomicBool,
    /// What the sequencer's thread waits for: submissions, or the end of an append.
    stirred: Condvar,
    room: Condvar,
    /// Guards nothing but the moment between a waiting thread's look and its sleep.
    answering: Mutex<()>,
    answered: Condvar,
    limits: Limits,
}

impl<D: Decide> Shared<D> {
    fn queue(&self) -> MutexGuard<'_, Queue<D>> {
        // Nothing panics while it is held but an allocation.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the threads that wait for an answer.
    fn wake(&self) {
        drop(self.answering.lock());
        self.answered.notify_all();
    }

    /// Hands the sequencer's thread the end of an append.
    fn land(&self, commit: Commit) {
        let mut queue = self.queue();
        queue.landed = Some(commit);
        self.has_landed.store(true, Ordering::Release);
        drop(queue);
        self.stirred.notify_one();
    }

    /// Refuses what comes from now on. The first reason stays.
    fn close(&self, reason: SubmitError) {
        self.queue().closed.get_or_insert(reason);
        self.stirred.notify_all();
        self.room.notify_all();
    }
}

/// The group-commit front of a journal. Stops, after answering everything that waits, when dropped.
pub struct Sequencer<D: Decide> {
    shared: Arc<Shared<D>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl<D: Decide> Sequencer<D> {
    /// Starts the threads; `decide` MUST stand at the journal's head.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(journal: Arc<dyn Journal>, decide: D, limits: Limits) -> io::Result<Self> {
        let queue = Queue { waiting: VecDeque::new(), idle: false, landed: None, crowd: 0, closed: None };
        let shared = Arc::new(Shared {
            queue: Mutex::new(queue),
            has_landed: AtomicBool::new(false),
            stirred: Condvar::new(),
            room: Condvar::new(),
            answering: Mutex::new(()),
            answered: Condvar::new(),
            limits,
        });
        let worker = Worker::new(journal, decide, Arc::clone(&shared))?;
        let thread = thread::Builder::new().name("sequencer".to_owned()).spawn(move || worker.run())?;
        Ok(Self { shared, thread: Mutex::new(Some(thread)) })
    }

    /// Hands `item` over, waiting for room if too many wait. Blocks then: not for async callers.
    ///
    /// `answer` is called exactly once: with the outcome when its records are durable, on the sequencer's thread, or
    /// with the refusal. It must be short and must not block. Only if the [`Decide`] or the journal panics may it be
    /// dropped uncalled.
    pub fn submit(
        &self,
        item: D::Item,
        answer: impl FnOnce(Result<D::Outcome, SubmitError>) + Send + 'static,
    ) {
        self.enqueue_when_room(Submission::new(item, Answer::Call(Box::new(answer))));
    }

    /// As [`Sequencer::submit`], but never blocks: answers [`SubmitError::Full`] at once if too many wait.
    pub fn try_submit(
        &self,
        item: D::Item,
        answer: impl FnOnce(Result<D::Outcome, SubmitError>) + Send + 'static,
    ) {
        let queue = self.shared.queue();
        let waiting = queue.waiting.len();
        if queue.closed.is_none() && waiting >= self.shared.limits.waiting_max {
            drop(queue);
            return answer(Err(SubmitError::Full { waiting }));
        }
        self.enqueue(queue, Submission::new(item, Answer::Call(Box::new(answer))));
    }

    /// Hands `item` over and waits for its outcome. Blocks.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub fn submit_and_wait(&self, item: D::Item) -> Result<D::Outcome, SubmitError> {
        let ticket = Ticket(Arc::new(Mutex::new(None)));
        let answer = Arc::clone(&ticket.0);
        self.enqueue_when_room(Submission::new(item, Answer::Wake(ticket)));
        let mut waiting = self.shared.answering.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(outcome) = answer.lock().unwrap_or_else(PoisonError::into_inner).take() {
                return outcome;
            }
            waiting = self.shared.answered.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// How many submissions wait for the next append.
    pub fn waiting(&self) -> usize {
        self.shared.queue().waiting.len()
    }

    /// Why submissions are refused, if they are.
    pub fn refusal(&self) -> Option<SubmitError> {
        self.shared.queue().closed.clone()
    }

    /// Takes no more, answers everything that waits and ends the threads. Blocks; a second call does nothing.
    pub fn stop(&self) {
        self.shared.close(SubmitError::Stopped);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // A panic there was printed there, and its submitters see their answers dropped.
            let _ = thread.join();
        }
    }

    fn enqueue_when_room(&self, submission: Submission<D>) {
        let mut queue = self.shared.queue();
        while queue.closed.is_none() && queue.waiting.len() >= self.shared.limits.waiting_max {
            queue.crowd += 1;
            queue = self.shared.room.wait(queue).unwrap_or_else(PoisonError::into_inner);
            queue.crowd -= 1;
        }
        self.enqueue(queue, submission);
    }

    fn enqueue(&self, mut queue: MutexGuard<'_, Queue<D>>, submission: Submission<D>) {
        if let Some(reason) = queue.closed.clone() {
            drop(queue);
            return submission.answer(Err(reason));
        }
        queue.waiting.push_back(submission);
        let wake = mem::take(&mut queue.idle);
        drop(queue);
        if wake {
            self.shared.stirred.notify_one();
        }
    }
}

impl<D: Decide> Drop for Sequencer<D> {
    fn drop(&mut self) {
        self.stop();
    }
}
