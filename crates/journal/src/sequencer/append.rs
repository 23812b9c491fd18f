//! One append, sent again where no answer came; and the thread that makes large ones.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use std::{io, mem};

use chain::LinkedRecord;

use super::{Decide, Shared, SubmitError};
use crate::{AppendError, Head, Journal};

/// How often an append without an answer is sent again before the sequencer gives up, with pauses of 10 ms doubled
/// each time: 10 + 20 + … + 1,280 ms, some 2.5 s.
const RESENDS_MAX: u32 = 8;

/// How an append ended, as the submitters are concerned.
pub(super) enum Commit {
    Durable(Head),
    /// None of it is in the journal, which has moved on: decide again.
    Lost,
    /// None of it is in the journal, and it will not be taken.
    Refused(SubmitError),
    /// Nothing more can be appended.
    Failed(SubmitError),
    /// The journal panicked.
    Panicked,
}

/// Appends `records` at `head`. Where there are none it is held against the journal all the same that it ends there:
/// a refusal rests on the records before it, and another writer may have made more.
pub(super) fn commit(journal: &dyn Journal, head: Head, records: &[LinkedRecord]) -> Commit {
    // The panic was printed; the journal answers for itself afterwards.
    catch_unwind(AssertUnwindSafe(|| append(journal, head, records))).unwrap_or(Commit::Panicked)
}

fn append(journal: &dyn Journal, head: Head, records: &[LinkedRecord]) -> Commit {
    let mut resends = 0;
    loop {
        match journal.append(head, records) {
            Ok(head) => return Commit::Durable(head),
            Err(AppendError::PositionConflict { actual, .. }) if actual != head => {
                return if resends == 0 { Commit::Lost } else { settle(journal, head, records) };
            }
            Err(AppendError::OutcomeUnknown { .. } | AppendError::Unproven { .. })
                if resends < RESENDS_MAX =>
            {
                // Only the identical batch may follow: a slow leader may still store the first.
                thread::sleep(Duration::from_millis(10 << resends));
                resends += 1;
            }
            Err(error @ (AppendError::TooLarge { .. } | AppendError::TooMany { .. })) => {
                return Commit::Refused(SubmitError::Append(Arc::new(error)));
            }
            Err(error) => return Commit::Failed(SubmitError::Append(Arc::new(error))),
        }
    }
}

/// A batch sent more than once met a conflict: it is in the journal, or another writer's records are.
fn settle(journal: &dyn Journal, head: Head, records: &[LinkedRecord]) -> Commit {
    // Of none nothing can be in it; what was decided rests on an end that is no longer the end.
    let Some(last) = records.last() else { return Commit::Lost };
    match journal.read(last.seq, 1) {
        Ok(found) if found.first().is_some_and(|found| found.hash == last.hash) => {
            Commit::Durable(head.after(records))
        }
        Ok(_) => Commit::Lost,
        Err(error) => Commit::Failed(SubmitError::Read(Arc::new(error))),
    }
}

/// The second thread. Ends, after the append it is at, when dropped.
pub(super) struct Appender {
    /// `None` once ending.
    batches: Option<Sender<(Head, Vec<LinkedRecord>)>>,
    thread: Option<JoinHandle<()>>,
}

impl Appender {
    pub(super) fn start<D: Decide>(journal: Arc<dyn Journal>, shared: Arc<Shared<D>>) -> io::Result<Self> {
        let (batches, handed) = channel::<(Head, Vec<LinkedRecord>)>();
        let thread = thread::Builder::new().name("appender".to_owned()).spawn(move || {
            for (head, records) in handed {
                shared.land(commit(&*journal, head, &records));
            }
        })?;
        Ok(Self { batches: Some(batches), thread: Some(thread) })
    }

    /// Has a batch appended at `head`. Each MUST be followed by one [`Shared::land`] before the next.
    pub(super) fn hand(&self, head: Head, records: Vec<LinkedRecord>) {
        let batches = self.batches.as_ref().expect("only dropping takes it");
        batches.send((head, records)).expect("the thread outlives its sender: it catches what panics");
    }
}

impl Drop for Appender {
    fn drop(&mut self) {
        drop(mem::take(&mut self.batches));
        if let Some(thread) = self.thread.take() {
            // It catches what panics.
            let _ = thread.join();
        }
    }
}
