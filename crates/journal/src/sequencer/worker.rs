//! The sequencer's thread: takes what waits, decides, has it appended, answers.

use std::collections::VecDeque;
use std::hash::{BuildHasher as _, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use std::{io, mem, thread};

use chain::LinkedRecord;
use tracing::Span;

use super::append::{Appender, Commit, commit};
use super::trail;
use super::{Decide, Limits, Shared, Submission, SubmitError};
use crate::{Head, Journal};

/// What the thread has in hand.
pub(super) struct Worker<D: Decide> {
    journal: Arc<dyn Journal>,
    decide: D,
    shared: Arc<Shared<D>>,
    appender: Appender,
    /// With so many records one more item might bring the batch above what the journal takes.
    records_full: usize,
    /// Where the journal is believed to end, before the batch in flight.
    head: Head,
    /// The batch that is being appended.
    flight: Option<Flight<D>>,
    /// The batch that is being decided.
    open: Batch<D>,
    /// Taken from the queue and not decided yet.
    waiting: VecDeque<Submission<D>>,
    /// Whether anything came while the last large append ran: else there is nothing to decide during the next one.
    gathered: bool,
    /// How many batches in a row were lost to another writer.
    lost: u32,
}

/// Longest pause after a batch was lost to another writer, as a power of two of milliseconds: 64 ms.
const PAUSE_DOUBLINGS_MAX: u32 = 6;

/// A pause after `lost` batches in a row were lost, of some part of twice the one before: writers that have met once are
/// not to meet again at the next position.
fn pause(lost: u32) -> Duration {
    let most = 1_000_u64 << lost.min(PAUSE_DOUBLINGS_MAX);
    Duration::from_micros(RandomState::new().hash_one(lost) % most)
}

type Decided<D> = (Submission<D>, <D as Decide>::Outcome);

/// An append under way.
struct Flight<D: Decide> {
    decided: Vec<Decided<D>>,
    span: Span,
}

/// What goes into one append.
struct Batch<D: Decide> {
    decided: Vec<Decided<D>>,
    records: Vec<LinkedRecord>,
    /// Sum over the records.
    bytes: usize,
}

impl<D: Decide> Batch<D> {
    fn new() -> Self {
        Self { decided: Vec::new(), records: Vec::new(), bytes: 0 }
    }

    fn is_full(&self, limits: &Limits, records_full: usize) -> bool {
        self.decided.len() >= limits.batch_items_max.max(1)
            || self.bytes >= limits.batch_bytes_max
            || self.records.len() >= records_full
    }

    /// What begins when the batch is appended.
    fn span(&self, decide: &D) -> Span {
        let trails = self.decided.iter().map(|(submission, _)| &submission.trail);
        trail::append(decide.log(), &self.records, self.bytes, trails)
    }

    /// What was decided, the records taken elsewhere; the batch is empty then.
    fn take_decided(&mut self) -> Vec<Decided<D>> {
        self.bytes = 0;
        let room = Vec::with_capacity(self.decided.len());
        mem::replace(&mut self.decided, room)
    }

    fn is_large(&self, limits: &Limits) -> bool {
        !self.records.is_empty() && self.bytes >= limits.ahead_bytes_min
    }
}

impl<D: Decide> Worker<D> {
    pub(super) fn new(journal: Arc<dyn Journal>, decide: D, shared: Arc<Shared<D>>) -> io::Result<Self> {
        let item_records_max = shared.limits.item_records_max.max(1);
        Ok(Self {
            records_full: journal.append_records_max().saturating_sub(item_records_max - 1).max(1),
            appender: Appender::start(Arc::clone(&journal), Arc::clone(&shared))?,
            head: journal.head(),
            journal,
            decide,
            shared,
            flight: None,
            open: Batch::new(),
            waiting: VecDeque::new(),
            gathered: false,
            lost: 0,
        })
    }

    pub(super) fn run(mut self) {
        // A panic of the `Decide` was printed. What is being appended may become durable all the same.
        if catch_unwind(AssertUnwindSafe(|| self.serve())).is_err() {
            let _ = catch_unwind(AssertUnwindSafe(|| self.see_off()));
        }
    }

    fn serve(&mut self) {
        while self.await_work() {
            if let Some(commit) = self.landed() {
                self.gathered = !self.open.decided.is_empty() || self.anything_waits();
                self.land(commit);
            }
            self.decide_waiting();
            if self.flight.is_none() && !self.open.decided.is_empty() {
                self.launch();
            }
        }
    }

    /// Waits until there is something to decide or an append has ended; false when there will be nothing more.
    fn await_work(&mut self) -> bool {
        let mut queue = self.shared.queue();
        loop {
            let room = !self.open.is_full(&self.shared.limits, self.records_full);
            // What was taken is decided before more is taken, so that `waiting_max` holds.
            if room && !self.waiting.is_empty() {
                return true;
            }
            if room && !queue.waiting.is_empty() {
                queue.idle = false;
                mem::swap(&mut queue.waiting, &mut self.waiting);
                let crowd = queue.crowd > 0;
                drop(queue);
                if crowd {
                    self.shared.room.notify_all();
                }
                return true;
            }
            if self.flight.is_none() {
                if !room {
                    return true;
                }
                if queue.closed.is_some() {
                    return false;
                }
            } else if queue.landed.is_some() {
                return true;
            }
            queue.idle = room;
            queue = self.shared.stirred.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// How the append on the second thread ended, if it has.
    fn landed(&self) -> Option<Commit> {
        if !self.shared.has_landed.load(Ordering::Acquire) {
            return None;
        }
        self.shared.has_landed.store(false, Ordering::Relaxed);
        self.shared.queue().landed.take()
    }

    /// Decides what was taken, until the batch is to be appended: it is full, or the append before it has ended, or
    /// there is none and the batch is large, so that the rest is decided while it is appended.
    fn decide_waiting(&mut self) {
        let Self { decide, shared, open, waiting, flight, records_full, .. } = self;
        loop {
            let has_landed = shared.has_landed.load(Ordering::Acquire);
            let launches = flight.is_none() && open.is_large(&shared.limits);
            if open.is_full(&shared.limits, *records_full) || has_landed || launches {
                break;
            }
            let Some(mut submission) = waiting.pop_front() else { break };
            let before = open.records.len();
            submission.trail.is_decided();
            let outcome = decide.decide(&submission.item, &mut open.records);
            open.bytes += open.records[before..].iter().map(|record| record.bytes.len()).sum::<usize>();
            submission.trail.is_appended();
            open.decided.push((submission, outcome));
        }
    }

    /// Has the open batch appended: on the second thread if there may be something to decide meanwhile.
    fn launch(&mut self) {
        if self.pays_ahead() {
            return self.launch_ahead();
        }
        let large = self.open.is_large(&self.shared.limits);
        self.decide.close();
        let span = self.open.span(&self.decide);
        let commit = commit(&*self.journal, self.head, &self.open.records);
        self.gathered = large && self.anything_waits();
        self.open.records.clear();
        self.flight = Some(Flight { decided: self.open.take_decided(), span });
        self.land(commit);
    }

    /// Whether the open batch is to be appended on the second thread.
    fn pays_ahead(&self) -> bool {
        self.open.is_large(&self.shared.limits) && (self.gathered || self.anything_waits())
    }

    fn anything_waits(&self) -> bool {
        !self.waiting.is_empty() || !self.shared.queue().waiting.is_empty()
    }

    fn launch_ahead(&mut self) {
        self.decide.close();
        let span = self.open.span(&self.decide);
        // As much room as this one took: the next is most likely like it.
        let room = Vec::with_capacity(self.open.records.len());
        let records = mem::replace(&mut self.open.records, room);
        self.appender.hand(self.head, records);
        self.flight = Some(Flight { decided: self.open.take_decided(), span });
    }

    /// Heeds the end of the append of the batch in flight.
    fn land(&mut self, commit: Commit) {
        let Some(Flight { decided: flight, span }) = self.flight.take() else { return };
        trail::ended(&span, &commit);
        drop(span);
        match commit {
            Commit::Durable(head) => {
                self.head = head;
                self.lost = 0;
                // The disk first: answering takes its time as well.
                if self.pays_ahead() {
                    self.launch_ahead();
                }
                self.decide.accept(head);
                self.answer(flight);
            }
            Commit::Lost => {
                // The first time it is most likely records from before this batch was decided.
                if self.lost > 0 {
                    thread::sleep(pause(self.lost));
                }
                self.lost += 1;
                self.decide_again(flight);
            }
            Commit::Refused(error) => {
                self.refuse(flight, &error);
                self.decide_again(Vec::new());
            }
            Commit::Failed(error) => self.fail(flight, &error),
            Commit::Panicked => {
                drop(flight);
                self.fail(Vec::new(), &SubmitError::Stopped);
            }
        }
    }

    /// Takes back `flight` and what was decided after it, to be decided on what the journal holds now.
    fn decide_again(&mut self, flight: Vec<Decided<D>>) {
        let dropped = flight.into_iter().chain(self.open.decided.drain(..));
        let mut again: VecDeque<_> = dropped.map(|(submission, _)| submission).collect();
        for submission in &mut again {
            submission.trail.waits();
        }
        again.append(&mut self.waiting);
        self.waiting = again;
        self.open.records.clear();
        self.open.bytes = 0;
        match self.decide.rewind(&*self.journal) {
            Ok(head) => self.head = head,
            Err(error) => self.fail(Vec::new(), &SubmitError::Read(Arc::new(error))),
        }
    }

    fn answer(&self, decided: Vec<Decided<D>>) {
        for (submission, outcome) in decided {
            submission.answer(Ok(outcome));
        }
        self.shared.wake();
    }

    fn refuse(&self, decided: Vec<Decided<D>>, error: &SubmitError) {
        for (submission, _) in decided {
            submission.answer(Err(error.clone()));
        }
        self.shared.wake();
    }

    /// Closes the queue and answers all that is in it, and all in hand.
    fn fail(&mut self, flight: Vec<Decided<D>>, error: &SubmitError) {
        self.shared.close(error.clone());
        let queued = mem::take(&mut self.shared.queue().waiting);
        self.open.records.clear();
        self.open.bytes = 0;
        let decided = flight.into_iter().chain(self.open.decided.drain(..)).map(|(submission, _)| submission);
        for submission in decided.chain(self.waiting.drain(..)).chain(queued) {
            submission.answer(Err(error.clone()));
        }
        self.shared.wake();
    }

    /// Answers the batch in flight, if there is one, without the [`Decide`], which has panicked.
    fn see_off(&mut self) {
        let Some(Flight { decided: flight, span }) = self.flight.take() else { return };
        let landed = {
            let mut queue = self.shared.queue();
            loop {
                if let Some(commit) = queue.landed.take() {
                    break commit;
                }
                queue = self.shared.stirred.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
        };
        trail::ended(&span, &landed);
        match landed {
            Commit::Durable(_) => self.answer(flight),
            Commit::Refused(error) | Commit::Failed(error) => self.refuse(flight, &error),
            Commit::Lost | Commit::Panicked => {}
        }
    }
}

impl<D: Decide> Drop for Worker<D> {
    /// After a panic the answers still waiting are dropped, so that nobody waits for ever.
    fn drop(&mut self) {
        self.shared.close(SubmitError::Stopped);
        let queued = mem::take(&mut self.shared.queue().waiting);
        drop((self.flight.take(), mem::take(&mut self.open.decided), mem::take(&mut self.waiting), queued));
        self.shared.wake();
    }
}
