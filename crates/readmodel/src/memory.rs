//! The store without a disk.

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::{Change, Mark, OpenError, RowVisitor, Store, StoreError, View};

/// A store in memory: for tests, and for folding without a disk. Closing it loses the rows.
pub struct MemoryStore(RwLock<Option<Rows>>);

#[derive(Default)]
struct Rows {
    rows: BTreeMap<Vec<u8>, Vec<u8>>,
    mark: Mark,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self(RwLock::new(Some(Rows::default())))
    }
}

impl MemoryStore {
    // A panic elsewhere cannot have left the map half changed: commits check first and then only insert and remove.
    fn shared(&self) -> RwLockReadGuard<'_, Option<Rows>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn exclusive(&self) -> RwLockWriteGuard<'_, Option<Rows>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl View for Rows {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.rows.get(key).cloned())
    }

    fn each(&self, prefix: &[u8], after: Option<&[u8]>, row: &mut RowVisitor<'_>) -> Result<(), StoreError> {
        for (key, value) in self.rows.range::<[u8], _>((start(prefix, after), Bound::Unbounded)) {
            if !key.starts_with(prefix) || row(key, value) == ControlFlow::Break(()) {
                break;
            }
        }
        Ok(())
    }
}

/// Where the rows under `prefix` after `after` begin.
pub(crate) fn start<'a>(prefix: &'a [u8], after: Option<&'a [u8]>) -> Bound<&'a [u8]> {
    match after {
        Some(after) if after >= prefix => Bound::Excluded(after),
        _ => Bound::Included(prefix),
    }
}

impl Store for MemoryStore {
    fn mark(&self) -> Result<Mark, StoreError> {
        self.shared().as_ref().map(|rows| rows.mark).ok_or(StoreError::Closed)
    }

    fn commit(&self, changes: Vec<Change>, mark: Mark) -> Result<(), StoreError> {
        let mut rows = self.exclusive();
        let rows = rows.as_mut().ok_or(StoreError::Closed)?;
        if changes.iter().any(|change| change.key().is_empty()) {
            return Err(StoreError::EmptyKey);
        }
        for change in changes {
            match change {
                Change::Put { key, value } => drop(rows.rows.insert(key, value)),
                Change::Delete { key } => drop(rows.rows.remove(&key)),
            }
        }
        rows.mark = mark;
        Ok(())
    }

    fn read(&self, reader: &mut dyn FnMut(&dyn View, Mark)) -> Result<(), StoreError> {
        let rows = self.shared();
        let rows = rows.as_ref().ok_or(StoreError::Closed)?;
        reader(rows, rows.mark);
        Ok(())
    }

    fn shadow(&self) -> Result<Arc<dyn Store>, OpenError> {
        if self.shared().is_none() {
            return Err(OpenError::Closed);
        }
        Ok(Arc::new(Self::default()))
    }

    fn close(&self) -> Result<(), StoreError> {
        self.retire();
        Ok(())
    }

    fn retire(&self) {
        *self.exclusive() = None;
    }
}

impl Change {
    pub(crate) fn key(&self) -> &[u8] {
        match self {
            Self::Put { key, .. } | Self::Delete { key } => key,
        }
    }
}
