//! Group commit: many submit, one thread decides and links, everything that waits is made durable by one append.
//!
//! While one append runs, submissions gather; the next append takes them all. Callers are answered through a
//! closure, so a thread can wait for it and an async task can be woken by it; no runtime is needed.
//!
//! What a submission means is the [`Decide`]'s: this module knows no events and no rules.

use std::collections::VecDeque;
use std::io;
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use chain::LinkedRecord;

use crate::{AppendError, Head, Journal, ReadError};

mod worker;

use worker::Worker;

/// Turns submissions into linked records, one after another, on the sequencer's thread.
///
/// Holds a state that includes what was decided and is not yet durable: an item is decided on what the items before
/// it, in the same batch too, have made.
pub trait Decide: Send + 'static {
    /// What is submitted.
    type Item: Send + 'static;
    /// What the submitter is told once the records are durable; a refusal is an outcome too.
    type Outcome: Send + 'static;

    /// Decides on `item` and pushes the records it leads to, linked to those before; none for a refusal.
    ///
    /// The same item MAY come again after [`Decide::rewind`].
    fn decide(&mut self, item: &Self::Item, records: &mut Vec<LinkedRecord>) -> Self::Outcome;

    /// All that was decided since the last `accept` or `rewind` is durable now, up to `head`.
    fn accept(&mut self, head: Head);

    /// Nothing that was decided since the last `accept` is in the journal: forget it, catch up with the journal and
    /// answer the head that the next record is linked to.
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
}

impl Default for Limits {
    /// 8,192 submissions may wait: at 10 µs each a wait of 80 ms. 4 MiB of records in one append take a disk of
    /// 400 MB/s 10 ms.
    fn default() -> Self {
        Self { waiting_max: 8_192, batch_items_max: 8_192, batch_bytes_max: 4 << 20 }
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
    answer: Answer<D::Outcome>,
}

struct Queue<D: Decide> {
    waiting: VecDeque<Submission<D>>,
    /// The sequencer's thread waits for submissions and has to be woken.
    idle: bool,
    /// How many submitters wait for room.
    crowd: usize,
    /// Set once; every later submission is answered with it.
    closed: Option<SubmitError>,
}

struct Shared<D: Decide> {
    queue: Mutex<Queue<D>>,
    submitted: Condvar,
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

    /// Refuses what comes from now on. The first reason stays.
    fn close(&self, reason: SubmitError) {
        self.queue().closed.get_or_insert(reason);
        self.submitted.notify_all();
        self.room.notify_all();
    }
}

/// The group-commit front of a journal. Stops, after answering everything that waits, when dropped.
pub struct Sequencer<D: Decide> {
    shared: Arc<Shared<D>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl<D: Decide> Sequencer<D> {
    /// Starts the thread; `decide` MUST stand at the journal's head.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(journal: Arc<dyn Journal>, decide: D, limits: Limits) -> io::Result<Self> {
        let queue = Queue { waiting: VecDeque::new(), idle: false, crowd: 0, closed: None };
        let shared = Arc::new(Shared {
            queue: Mutex::new(queue),
            submitted: Condvar::new(),
            room: Condvar::new(),
            answering: Mutex::new(()),
            answered: Condvar::new(),
            limits,
        });
        let worker = Worker::new(journal, decide, Arc::clone(&shared));
        let thread = thread::Builder::new().name("sequencer".to_owned()).spawn(move || worker.run())?;
        Ok(Self { shared, thread: Mutex::new(Some(thread)) })
    }

    /// Hands `item` over, waiting for room if too many wait. Blocks then: not for async callers.
    ///
    /// `answer` is called exactly once: with the outcome when its records are durable, on the sequencer's thread, or
    /// with the refusal. It must be short and must not block. Only if the [`Decide`] panics is it dropped uncalled.
    pub fn submit(
        &self,
        item: D::Item,
        answer: impl FnOnce(Result<D::Outcome, SubmitError>) + Send + 'static,
    ) {
        self.enqueue_when_room(Submission { item, answer: Answer::Call(Box::new(answer)) });
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
        self.enqueue(queue, Submission { item, answer: Answer::Call(Box::new(answer)) });
    }

    /// Hands `item` over and waits for its outcome. Blocks.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub fn submit_and_wait(&self, item: D::Item) -> Result<D::Outcome, SubmitError> {
        let ticket = Ticket(Arc::new(Mutex::new(None)));
        let answer = Arc::clone(&ticket.0);
        self.enqueue_when_room(Submission { item, answer: Answer::Wake(ticket) });
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

    /// Takes no more, answers everything that waits and ends the thread. Blocks; a second call does nothing.
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
            return submission.answer.give(Err(reason));
        }
        queue.waiting.push_back(submission);
        let wake = mem::take(&mut queue.idle);
        drop(queue);
        if wake {
            self.shared.submitted.notify_one();
        }
    }
}

impl<D: Decide> Drop for Sequencer<D> {
    fn drop(&mut self) {
        self.stop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{Fault, MemoryJournal};
    use chain::{Chain, Position, Signature};
    use std::sync::mpsc;

    /// Links each item as it stands; refuses the empty one.
    struct Link {
        durable: Chain,
        pending: Chain,
    }

    fn link(head: Head) -> Link {
        let chain = Chain { size: head.size, head: head.hash, recorded_at: None };
        Link { durable: chain, pending: chain }
    }

    impl Decide for Link {
        type Item = Vec<u8>;
        type Outcome = Option<Position>;

        fn decide(&mut self, item: &Vec<u8>, records: &mut Vec<LinkedRecord>) -> Option<Position> {
            assert_ne!(item, b"panic");
            if item.is_empty() {
                return None;
            }
            let now = chain::Instant::from_microseconds(0).unwrap();
            records.push(self.pending.link(item, Signature([0; 64]), now));
            records.last().map(|record| record.seq)
        }

        fn accept(&mut self, head: Head) {
            assert_eq!(head, Head { size: self.pending.size, hash: self.pending.head });
            self.durable = self.pending;
        }

        fn rewind(&mut self, journal: &dyn Journal) -> Result<Head, ReadError> {
            let head = journal.head();
            *self = link(head);
            Ok(head)
        }
    }

    fn start(journal: &Arc<MemoryJournal>, limits: Limits) -> Sequencer<Link> {
        let journal = Arc::clone(journal);
        let head = journal.head();
        Sequencer::start(journal, link(head), limits).unwrap()
    }

    fn check_chain(journal: &MemoryJournal) {
        let mut chain = Chain::default();
        for record in journal.read(Position(0), usize::MAX).unwrap() {
            let parsed = chain::Record::parse(&record.bytes).unwrap();
            chain.follow(&parsed, record.hash).unwrap();
        }
    }

    /// Holds the next append at its sync until the sender is used or dropped.
    fn hold(journal: &MemoryJournal) -> (mpsc::Receiver<()>, mpsc::Sender<()>) {
        let (entered, at_sync) = mpsc::channel();
        let (release, released) = mpsc::channel();
        journal.on_next_sync(Box::new(move || {
            entered.send(()).unwrap();
            let _ = released.recv();
            crate::conformance::SyncOutcome::Done
        }));
        (at_sync, release)
    }

    #[test]
    fn each_of_many_submitters_gets_its_own_position_and_the_chain_holds() {
        let journal = Arc::new(MemoryJournal::new());
        let sequencer = start(&journal, Limits { waiting_max: 3, batch_items_max: 2, batch_bytes_max: 300 });
        let mut positions: Vec<_> = thread::scope(|scope| {
            let submitters: Vec<_> = (0..8)
                .map(|_| {
                    let submit = || sequencer.submit_and_wait(b"{\"a\":1}".to_vec()).unwrap().unwrap();
                    scope.spawn(move || (0..25).map(|_| submit()).collect::<Vec<_>>())
                })
                .collect();
            submitters.into_iter().flat_map(|submitter| submitter.join().unwrap()).collect()
        });
        positions.sort();
        assert!(positions.iter().map(|position| position.0).eq(0..200));
        assert_eq!(sequencer.submit_and_wait(Vec::new()).unwrap(), None);
        check_chain(&journal);
    }

    #[test]
    fn what_gathers_during_an_append_goes_into_the_next_one_together() {
        let journal = Arc::new(MemoryJournal::new());
        let (at_sync, release) = hold(&journal);
        let sequencer = start(&journal, Limits { waiting_max: 10, ..Limits::default() });
        let (answers, answered) = mpsc::channel();
        let submit = |n: u32| {
            let answers = answers.clone();
            sequencer.try_submit(b"{}".to_vec(), move |outcome| answers.send((n, outcome.is_ok())).unwrap());
        };
        submit(0);
        at_sync.recv().unwrap();
        (1..=11).for_each(submit);
        assert_eq!(answered.try_recv(), Ok((11, false)), "full: refused at once");
        assert!(answered.try_recv().is_err(), "nothing is answered before it is durable");
        // The second append fails, the third would not: all ten are in the second.
        journal.plan(0, Fault::SyncFailed);
        drop(release);
        let mut failed: Vec<_> = answered.iter().take(11).filter(|(_, ok)| !ok).map(|(n, _)| n).collect();
        failed.sort_unstable();
        assert_eq!(failed, (1..=10).collect::<Vec<_>>());
    }

    #[test]
    fn after_a_failed_append_everyone_waiting_and_everyone_later_gets_the_error() {
        let journal = Arc::new(MemoryJournal::new());
        journal.plan(1, Fault::FailedButPersisted);
        let sequencer = start(&journal, Limits::default());
        sequencer.submit_and_wait(b"{}".to_vec()).unwrap();
        for _ in 0..2 {
            let error = sequencer.submit_and_wait(b"{}".to_vec()).unwrap_err();
            assert!(
                matches!(&error, SubmitError::Append(e) if matches!(**e, AppendError::Io { .. })),
                "{error}"
            );
        }
        assert!(sequencer.refusal().is_some());
    }

    #[test]
    fn after_a_conflict_items_are_decided_again_on_what_the_other_wrote() {
        let journal = Arc::new(MemoryJournal::new());
        let rival = Chain::default().link(
            b"{\"rival\":1}",
            Signature([0; 64]),
            "2026-11-22T13:28:45.123456Z".parse().unwrap(),
        );
        journal.plan(0, Fault::Conflict(vec![rival]));
        let sequencer = start(&journal, Limits::default());
        assert_eq!(sequencer.submit_and_wait(b"{}".to_vec()).unwrap(), Some(Position(1)));
    }

    #[test]
    fn an_unknown_outcome_is_settled_by_the_identical_batch() {
        for stored in [true, false] {
            let journal = Arc::new(MemoryJournal::new());
            journal.plan(1, Fault::OutcomeUnknown { stored });
            let sequencer = start(&journal, Limits::default());
            for seq in 0..3 {
                assert_eq!(sequencer.submit_and_wait(b"{}".to_vec()).unwrap(), Some(Position(seq)));
            }
            assert_eq!(journal.head().size.0, 3, "stored once");
            check_chain(&journal);
        }
    }

    #[test]
    fn stopping_answers_all_that_waits_and_refuses_what_comes_later() {
        let journal = Arc::new(MemoryJournal::new());
        let (at_sync, release) = hold(&journal);
        let sequencer = start(&journal, Limits::default());
        let (answers, answered) = mpsc::channel();
        let submit = || {
            let answers = answers.clone();
            sequencer.submit(b"{}".to_vec(), move |outcome| answers.send(outcome.is_ok()).unwrap());
        };
        submit();
        at_sync.recv().unwrap();
        submit();
        submit();
        drop(release);
        sequencer.stop();
        assert_eq!(answered.try_iter().collect::<Vec<_>>(), [true; 3]);
        assert!(matches!(sequencer.submit_and_wait(b"{}".to_vec()), Err(SubmitError::Stopped)));
    }

    #[test]
    fn nobody_waits_for_ever_when_the_decider_panics() {
        let journal = Arc::new(MemoryJournal::new());
        let sequencer = start(&journal, Limits::default());
        for item in [b"panic".to_vec(), b"{}".to_vec()] {
            assert!(matches!(sequencer.submit_and_wait(item), Err(SubmitError::Stopped)));
        }
    }
}
