//! A disposable store on sled: rows and position in one transaction, thrown away whenever in doubt.
//!
//! Not a database of record: nothing may live here that the log cannot give back. The crate knows neither records
//! nor reports; it keeps bytes under bytes and says up to which point of the log they are true. sled stands behind
//! [`Store`], so that it can be replaced.

mod error;
mod files;
mod memory;
mod sled_store;
#[cfg(test)]
mod tests;

use std::ops::ControlFlow;
use std::sync::Arc;

pub use error::{Doubt, OpenError, StoreError};
pub use memory::MemoryStore;
pub use sled_store::{Opened, Options, SledStore};

/// What was folded into a store: the log's first `size` records, of which the last has `hash`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mark {
    /// How many records were folded.
    pub size: u64,
    /// Hash of the last one; zeros while there is none.
    pub hash: [u8; 32],
}

/// One change to a row. Keys are not empty.
#[derive(Clone, PartialEq, Eq)]
pub enum Change {
    /// Sets a row, whether or not it was there.
    Put {
        /// The row's key.
        key: Vec<u8>,
        /// The row.
        value: Vec<u8>,
    },
    /// Removes a row, whether or not it was there.
    Delete {
        /// The row's key.
        key: Vec<u8>,
    },
}

/// The rows of one mark: nothing changes while it is borrowed.
pub trait View {
    /// The row under `key`.
    ///
    /// # Errors
    /// [`StoreError`].
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// Hands every row whose key starts with `prefix` and comes after `after` (if given) to `row`, in byte order of
    /// the keys, until it breaks off.
    ///
    /// # Errors
    /// [`StoreError`].
    fn each(&self, prefix: &[u8], after: Option<&[u8]>, row: &mut RowVisitor<'_>) -> Result<(), StoreError>;

    /// The first `limit` rows that [`View::each`] would hand out.
    ///
    /// # Errors
    /// [`StoreError`].
    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<Row>, StoreError> {
        let mut rows = Vec::new();
        if limit > 0 {
            self.each(prefix, after, &mut |key, value| {
                rows.push((key.to_vec(), value.to_vec()));
                if rows.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })?;
        }
        Ok(rows)
    }
}

/// A key and the row under it.
pub type Row = (Vec<u8>, Vec<u8>);

/// What [`View::each`] hands key and row to.
pub type RowVisitor<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

/// A store that can be thrown away.
///
/// The contract:
///
/// - `commit` MUST be all or nothing for every reader: rows and mark change together.
/// - `read` MUST show the rows of exactly the mark it names. A commit waits for the readers before it; nobody but the
///   read model's own folding waits for a commit.
/// - After an error that leaves the rows in doubt every later call MUST fail with [`StoreError::Unusable`].
/// - Nothing is promised about what is there after a process was killed: the store then MUST be empty or as it was
///   at its last clean [`Store::close`].
pub trait Store: Send + Sync {
    /// What was folded so far.
    ///
    /// # Errors
    /// [`StoreError`].
    fn mark(&self) -> Result<Mark, StoreError>;

    /// Applies `changes` in order and sets the mark. Blocks while there are readers.
    ///
    /// # Errors
    /// [`StoreError`]; after [`StoreError::EmptyKey`] nothing has changed, after any other the store is unusable.
    fn commit(&self, changes: Vec<Change>, mark: Mark) -> Result<(), StoreError>;

    /// Calls `reader` once with the rows of one mark. The reader MUST NOT call back into the store.
    ///
    /// # Errors
    /// [`StoreError`]; the reader was then not called.
    fn read(&self, reader: &mut dyn FnMut(&dyn View, Mark)) -> Result<(), StoreError>;

    /// An empty store of the same kind beside this one, to be filled and then used instead of it.
    ///
    /// # Errors
    /// [`OpenError`].
    fn shadow(&self) -> Result<Arc<dyn Store>, OpenError>;

    /// Closes cleanly: what is there will be found again. Waits for readers; later calls fail with
    /// [`StoreError::Closed`], this one does nothing the second time.
    ///
    /// # Errors
    /// [`StoreError`]; the store will then be found empty.
    fn close(&self) -> Result<(), StoreError>;

    /// Closes and deletes the store. Waits for readers.
    fn retire(&self);

    /// The row under `key`, at whatever mark the store is.
    ///
    /// # Errors
    /// [`StoreError`].
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        query(self, |view, _| view.get(key))?
    }

    /// [`View::scan`] at whatever mark the store is. Pages read one after another may be of different marks.
    ///
    /// # Errors
    /// [`StoreError`].
    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<Row>, StoreError> {
        query(self, |view, _| view.scan(prefix, after, limit))?
    }
}

/// [`Store::read`] with an answer.
///
/// ```
/// use readmodel::{Change, Mark, MemoryStore, Store, query};
/// let store = MemoryStore::default();
/// let change = Change::Put { key: b"subject/S0007".to_vec(), value: b"enrolled".to_vec() };
/// store.commit(vec![change], Mark { size: 1, hash: [7; 32] })?;
/// let (row, size) = query(&store, |view, mark| (view.get(b"subject/S0007"), mark.size))?;
/// assert_eq!((row?.as_deref(), size), (Some(b"enrolled".as_slice()), 1));
/// # Ok::<(), readmodel::StoreError>(())
/// ```
///
/// # Errors
/// [`StoreError`].
pub fn query<T, S: Store + ?Sized>(
    store: &S,
    reader: impl FnOnce(&dyn View, Mark) -> T,
) -> Result<T, StoreError> {
    let mut reader = Some(reader);
    let mut answer = None;
    store.read(&mut |view, mark| answer = reader.take().map(|reader| reader(view, mark)))?;
    Ok(answer.expect("a store calls the reader once before it answers Ok"))
}
