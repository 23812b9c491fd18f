//! The sequencer's thread: takes what waits, decides, appends, answers.

use std::collections::VecDeque;
use std::mem;
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::Duration;

use chain::LinkedRecord;

use super::{Decide, Shared, Submission, SubmitError};
use crate::{AppendError, Head, Journal};

/// How often an append without an answer is sent again before the sequencer gives up, with pauses of 10 ms doubled
/// each time: 10 + 20 + … + 1,280 ms, some 2.5 s.
const RESENDS_MAX: u32 = 8;

/// What the thread has in hand.
pub(super) struct Worker<D: Decide> {
    journal: Arc<dyn Journal>,
    decide: D,
    shared: Arc<Shared<D>>,
    /// Where the journal is believed to end.
    head: Head,
    batch: VecDeque<Submission<D>>,
    records: Vec<LinkedRecord>,
    outcomes: Vec<D::Outcome>,
}

/// How an append ended, as the submitters are concerned.
enum Commit {
    Durable(Head),
    /// None of it is in the journal, which has moved on: decide again.
    Lost,
    /// None of it is in the journal, and it will not be taken.
    Refused(SubmitError),
    /// Nothing more can be appended.
    Failed(SubmitError),
}

impl<D: Decide> Worker<D> {
    pub(super) fn new(journal: Arc<dyn Journal>, decide: D, shared: Arc<Shared<D>>) -> Self {
        Self {
            head: journal.head(),
            journal,
            decide,
            shared,
            batch: VecDeque::new(),
            records: Vec::new(),
            outcomes: Vec::new(),
        }
    }

    pub(super) fn run(mut self) {
        while self.take_waiting() {
            while !self.batch.is_empty() {
                self.decide_batch();
                match self.commit() {
                    Commit::Durable(head) => {
                        self.head = head;
                        self.decide.accept(head);
                        self.answer(Ok);
                    }
                    Commit::Lost => self.rewind(),
                    Commit::Refused(error) => {
                        self.answer(|_| Err(error.clone()));
                        self.rewind();
                    }
                    Commit::Failed(error) => self.fail(&error),
                }
            }
        }
    }

    /// Waits for submissions and takes all there are; false when there will be none.
    fn take_waiting(&mut self) -> bool {
        let mut queue = self.shared.queue();
        while queue.waiting.is_empty() {
            if queue.closed.is_some() {
                return false;
            }
            queue.idle = true;
            queue = self.shared.submitted.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        queue.idle = false;
        mem::swap(&mut queue.waiting, &mut self.batch);
        let crowd = queue.crowd > 0;
        drop(queue);
        if crowd {
            self.shared.room.notify_all();
        }
        true
    }

    fn decide_batch(&mut self) {
        self.records.clear();
        self.outcomes.clear();
        let mut bytes = 0;
        for submission in self.batch.iter().take(self.shared.limits.batch_items_max.max(1)) {
            let before = self.records.len();
            self.outcomes.push(self.decide.decide(&submission.item, &mut self.records));
            bytes += self.records[before..].iter().map(|record| record.bytes.len()).sum::<usize>();
            if bytes >= self.shared.limits.batch_bytes_max {
                break;
            }
        }
    }

    fn commit(&self) -> Commit {
        if self.records.is_empty() {
            return Commit::Durable(self.head);
        }
        let mut resends = 0;
        loop {
            match self.journal.append(self.head, &self.records) {
                Ok(head) => return Commit::Durable(head),
                Err(AppendError::PositionConflict { actual, .. }) if actual != self.head => {
                    return if resends == 0 { Commit::Lost } else { self.settle() };
                }
                Err(AppendError::OutcomeUnknown { .. }) if resends < RESENDS_MAX => {
                    // Only the identical batch may follow: a slow leader may still store the first.
                    thread::sleep(Duration::from_millis(10 << resends));
                    resends += 1;
                }
                Err(error @ AppendError::TooLarge { .. }) => {
                    return Commit::Refused(SubmitError::Append(Arc::new(error)));
                }
                Err(error) => return Commit::Failed(SubmitError::Append(Arc::new(error))),
            }
        }
    }

    /// A batch sent more than once met a conflict: it is in the journal, or another writer's records are.
    fn settle(&self) -> Commit {
        let Some(last) = self.records.last() else { return Commit::Durable(self.head) };
        match self.journal.read(last.seq, 1) {
            Ok(found) if found.first().is_some_and(|found| found.hash == last.hash) => {
                Commit::Durable(self.head.after(&self.records))
            }
            Ok(_) => Commit::Lost,
            Err(error) => Commit::Failed(SubmitError::Read(Arc::new(error))),
        }
    }

    fn rewind(&mut self) {
        match self.decide.rewind(&*self.journal) {
            Ok(head) => self.head = head,
            Err(error) => self.fail(&SubmitError::Read(Arc::new(error))),
        }
    }

    /// Answers the submissions decided in this batch.
    fn answer(&mut self, result: impl Fn(D::Outcome) -> Result<D::Outcome, SubmitError>) {
        let decided = self.outcomes.len();
        for (outcome, submission) in self.outcomes.drain(..).zip(self.batch.drain(..decided)) {
            submission.answer.give(result(outcome));
        }
        self.shared.wake();
    }

    /// Closes the queue and answers all that is in it.
    fn fail(&mut self, error: &SubmitError) {
        self.shared.close(error.clone());
        let waiting = mem::take(&mut self.shared.queue().waiting);
        for submission in self.batch.drain(..).chain(waiting) {
            submission.answer.give(Err(error.clone()));
        }
        self.shared.wake();
    }
}

impl<D: Decide> Drop for Worker<D> {
    /// After a panic of the [`Decide`] the answers still waiting are dropped, so that nobody waits for ever.
    fn drop(&mut self) {
        self.shared.close(SubmitError::Stopped);
        let waiting = mem::take(&mut self.shared.queue().waiting);
        drop((mem::take(&mut self.batch), waiting));
        self.shared.wake();
    }
}
