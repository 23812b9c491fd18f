//! What a report brings: how one record changes its rows.

use std::borrow::Cow;
use std::collections::HashMap;

use chain::{LinkedRecord, Record};
use readmodel::{Change, Mark, Store, StoreError, View};

use crate::commit::Flight;

/// How records become rows.
///
/// The contract: the rows at a mark, and the answers made of them, MUST depend on nothing but the records up to it;
/// not on where batches ended, on a clock, or on chance. A fold MAY keep state in memory, if it can be restored from
/// the rows of any mark. After an error or a panic the fold is dropped, with all it held; and so it is where what it
/// folded is not committed. A batch may be committed while the next one is folded: [`Rows`] shows both.
pub trait Fold: Send {
    /// Restores what is held in memory from the rows. Called once, before anything else; at mark 0 there are none.
    ///
    /// # Errors
    /// [`FoldError`]; if there are rows, they are then thrown away and made anew.
    fn start(&mut self, view: &dyn View, mark: Mark) -> Result<(), FoldError> {
        let _ = (view, mark);
        Ok(())
    }

    /// Folds the next record. Its link was checked.
    ///
    /// # Errors
    /// [`FoldError`]; [`FoldError::Record`] stops the projector before this record.
    fn fold(
        &mut self,
        record: &Record<'_>,
        linked: &LinkedRecord,
        rows: &mut Rows<'_>,
    ) -> Result<(), FoldError>;

    /// Writes to rows what is still held in memory alone. Called at the end of a batch, before it is handed over to be
    /// committed.
    ///
    /// # Errors
    /// [`FoldError`].
    fn settle(&mut self, rows: &mut Rows<'_>) -> Result<(), FoldError> {
        let _ = rows;
        Ok(())
    }
}

/// Why a record was not folded.
#[derive(Debug, thiserror::Error)]
pub enum FoldError {
    /// The record says what this fold cannot take. `what` is logged: it MUST NOT hold subject data.
    #[error("{what}")]
    Record {
        /// What is the matter with it.
        what: String,
    },
    /// A row is not what this fold writes. `what` is logged: it MUST NOT hold subject data.
    #[error("a row cannot be read: {what}")]
    Row {
        /// What is the matter with it.
        what: String,
    },
    /// The store failed.
    #[error("the read model failed")]
    Store(#[from] StoreError),
}

/// The rows as they are after the records folded so far, committed or not.
pub struct Rows<'a> {
    store: &'a dyn Store,
    /// The commit of the batch before, which may not have ended.
    flight: Option<&'a Flight>,
    /// `None`: deleted. Never iterated but to be committed, where one key is as good as another.
    pending: HashMap<Vec<u8>, Option<Vec<u8>>>,
}

impl<'a> Rows<'a> {
    pub(crate) fn new(store: &'a dyn Store, flight: Option<&'a Flight>) -> Self {
        Self { store, flight, pending: HashMap::new() }
    }

    /// The row under `key`. Waits for the commit of the batch before, unless this batch has written the row.
    ///
    /// # Errors
    /// [`FoldError::Store`].
    pub fn get(&self, key: &[u8]) -> Result<Option<Cow<'_, [u8]>>, FoldError> {
        if let Some(row) = self.pending.get(key) {
            return Ok(row.as_deref().map(Cow::Borrowed));
        }
        if let Some(flight) = self.flight {
            // If it failed, the line finds out before anything comes of what is read here.
            let _ = flight.wait();
        }
        Ok(self.store.get(key)?.map(Cow::Owned))
    }

    /// Sets a row. Keys are not empty.
    pub fn put(&mut self, key: impl Into<Vec<u8>>, row: impl Into<Vec<u8>>) {
        self.pending.insert(key.into(), Some(row.into()));
    }

    /// Removes a row, if it is there.
    pub fn delete(&mut self, key: impl Into<Vec<u8>>) {
        self.pending.insert(key.into(), None);
    }

    pub(crate) fn into_changes(self) -> Vec<Change> {
        self.pending
            .into_iter()
            .map(|(key, row)| match row {
                Some(value) => Change::Put { key, value },
                None => Change::Delete { key },
            })
            .collect()
    }
}
