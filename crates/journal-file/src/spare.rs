//! The next segment, made ahead of time on a thread of its own, so that appends do not wait for zeros.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use crate::storage::Storage;

/// Makes segments on request. Stops when dropped, also in the middle of one.
pub(crate) struct SpareMaker {
    /// `None` once stopping.
    requests: Option<Sender<(PathBuf, u64)>>,
    results: Receiver<io::Result<()>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl SpareMaker {
    pub(crate) fn start(storage: Arc<dyn Storage>) -> io::Result<Self> {
        let (requests, requested) = channel::<(PathBuf, u64)>();
        let (result, results) = channel();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::Builder::new().name("journal-spare".to_owned()).spawn(move || {
            for (path, bytes) in requested {
                let made = storage.create_zeroed(&path, bytes, &stopped);
                if let Err(error) = &made {
                    tracing::warn!(path = %path.display(), %error, "the next segment could not be made ahead of time");
                }
                if result.send(made).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { requests: Some(requests), results, stop, thread: Some(thread) })
    }

    /// Starts making a segment. Each request MUST be followed by one [`SpareMaker::finish`] before the next.
    pub(crate) fn request(&self, path: PathBuf, bytes: u64) {
        if let Some(requests) = &self.requests {
            // If the thread is gone, `finish` says so.
            let _ = requests.send((path, bytes));
        }
    }

    /// Waits until the requested segment is made. Blocks.
    pub(crate) fn finish(&self) -> io::Result<()> {
        self.results
            .recv()
            .unwrap_or_else(|_| Err(io::Error::other("the thread that makes segments has ended")))
    }
}

impl Drop for SpareMaker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            // Its panic, if any, was printed; nothing of the log is its.
            let _ = thread.join();
        }
    }
}
