//! The archive for a thread that may block, with a runtime of its own.

use std::future::Future;
use std::io;

use chain::tile::TilePath;
use tokio::runtime::{Builder, Runtime};

use crate::{Archive, GetError, PutError, TidyError};

/// An [`Archive`] whose methods block. For plain threads: on a thread of an asynchronous runtime they panic.
#[derive(Debug)]
pub struct BlockingArchive {
    archive: Archive,
    /// `None` once it is being dropped.
    runtime: Option<Runtime>,
}

impl BlockingArchive {
    pub(crate) fn new(archive: Archive) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().thread_name("archive").build()?;
        Ok(Self { archive, runtime: Some(runtime) })
    }

    fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.as_ref().expect("the runtime is taken by drop alone").block_on(future)
    }

    /// As [`Archive::get`].
    ///
    /// # Errors
    /// [`GetError`].
    pub fn get(&self, path: TilePath) -> Result<Option<Vec<u8>>, GetError> {
        self.wait(self.archive.get(path))
    }

    /// As [`Archive::get_or_cut`].
    ///
    /// # Errors
    /// [`GetError`].
    pub fn get_or_cut(&self, path: TilePath) -> Result<Option<Vec<u8>>, GetError> {
        self.wait(self.archive.get_or_cut(path))
    }

    /// As [`Archive::put_all`].
    ///
    /// # Errors
    /// [`PutError`].
    pub fn put_all(&self, files: Vec<(TilePath, Vec<u8>)>) -> Result<(), PutError> {
        self.wait(self.archive.put_all(files))
    }

    /// As [`Archive::checkpoint`].
    ///
    /// # Errors
    /// [`GetError`].
    pub fn checkpoint(&self) -> Result<Option<Vec<u8>>, GetError> {
        self.wait(self.archive.checkpoint())
    }

    /// As [`Archive::put_checkpoint`].
    ///
    /// # Errors
    /// [`PutError`].
    pub fn put_checkpoint(&self, bytes: Vec<u8>) -> Result<(), PutError> {
        self.wait(self.archive.put_checkpoint(bytes))
    }

    /// As [`Archive::list`].
    ///
    /// # Errors
    /// [`TidyError`].
    pub fn list(&self) -> Result<Vec<TilePath>, TidyError> {
        self.wait(self.archive.list())
    }

    /// As [`Archive::partials`].
    ///
    /// # Errors
    /// [`TidyError`].
    pub fn partials(&self, full: TilePath) -> Result<Vec<TilePath>, TidyError> {
        self.wait(self.archive.partials(full))
    }

    /// As [`Archive::remove`].
    ///
    /// # Errors
    /// [`TidyError`].
    pub fn remove(&self, partial: TilePath) -> Result<(), TidyError> {
        self.wait(self.archive.remove(partial))
    }

    /// As [`Archive::sweep`].
    ///
    /// # Errors
    /// [`TidyError`].
    pub fn sweep(&self) -> Result<(), TidyError> {
        self.wait(self.archive.sweep())
    }
}

impl Drop for BlockingArchive {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Dropped in place, a runtime panics if that happens to be on a thread of another one.
            runtime.shutdown_background();
        }
    }
}
