//! Commits made on a thread of their own, while the next batch is folded.

use std::cell::OnceCell;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use readmodel::{Change, Mark, Store, StoreError};
use tracing::field::Empty;
use tracing::{Span, info_span};

/// Commits `changes` with `mark`, in a span of its own.
pub(crate) fn commit(store: &dyn Store, changes: Vec<Change>, mark: Mark) -> Result<(), StoreError> {
    // Collectors know signed numbers alone.
    let (count, size) = (i64::try_from(changes.len()).ok(), i64::try_from(mark.size).ok());
    let span = info_span!("projector.commit", changes = count, size, outcome = Empty);
    let ended = span.in_scope(|| store.commit(changes, mark));
    span.record("outcome", if ended.is_ok() { "committed" } else { "failed" });
    ended
}

/// One commit to make, and where its end is told.
struct Job {
    changes: Vec<Change>,
    mark: Mark,
    /// What it is a part of.
    span: Span,
    end: Sender<Result<(), StoreError>>,
}

/// The thread. Ends, after the commit it is at, when dropped.
pub(crate) struct Committer {
    /// `None` once ending.
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Committer {
    pub(crate) fn start(store: Arc<dyn Store>) -> io::Result<Self> {
        let (jobs, handed) = channel::<Job>();
        let thread = thread::Builder::new().name("projector-commit".to_owned()).spawn(move || {
            for job in handed {
                // Nobody listens any more if the line was dropped meanwhile.
                let Job { changes, mark, span, end } = job;
                let ended = span.in_scope(|| commit(&*store, changes, mark));
                drop(span);
                let _ = end.send(ended);
            }
        })?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Has `changes` committed. Whoever calls waits for the end of the commit before the next one.
    pub(crate) fn hand(&self, changes: Vec<Change>, mark: Mark) -> Flight {
        let (end, ended) = channel();
        if let Some(jobs) = &self.jobs {
            // If the thread is gone, the end is never told, and the flight says so.
            let _ = jobs.send(Job { changes, mark, span: Span::current(), end });
        }
        Flight { ended, outcome: OnceCell::new() }
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the store was printed there, and the flight ended with it.
            let _ = thread.join();
        }
    }
}

/// A commit that may not have ended.
pub(crate) struct Flight {
    ended: Receiver<Result<(), StoreError>>,
    outcome: OnceCell<Result<(), StoreError>>,
}

impl Flight {
    /// Waits until it has ended.
    pub(crate) fn wait(&self) -> &Result<(), StoreError> {
        self.outcome.get_or_init(|| {
            let gone =
                || StoreError::Failed { op: "commit", source: "the committing thread has ended".into() };
            self.ended.recv().unwrap_or_else(|_| Err(gone()))
        })
    }
}
