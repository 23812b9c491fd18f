//! What each read model folds: the projector knows no report, the reports know no store.

use std::sync::Arc;

use chain::{LinkedRecord, Position, Record};
use clinical::Event;
use journal::Journal;
use projector::{Fold, FoldError, Rows};
use readmodel::{Mark, StoreError, View};
use registrar::index::{IndexFold, IndexFoldError};

/// The registrar's index.
pub(crate) struct IndexRows {
    fold: IndexFold,
    journal: Arc<dyn Journal>,
}

impl IndexRows {
    pub(crate) fn new(journal: Arc<dyn Journal>) -> Self {
        Self { fold: IndexFold::default(), journal }
    }
}

/// The index's rows are those of its projector.
struct Pending<'a, 'b>(&'a mut Rows<'b>);

impl registrar::index::Rows for Pending<'_, '_> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        match self.0.get(key) {
            Ok(row) => Ok(row.map(std::borrow::Cow::into_owned)),
            Err(FoldError::Store(error)) => Err(error),
            // Reading a row fails by the store alone.
            Err(FoldError::Record { .. } | FoldError::Row { .. }) => Ok(None),
        }
    }

    fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.0.put(key, value);
    }
}

impl Fold for IndexRows {
    fn start(&mut self, _: &dyn View, mark: Mark) -> Result<(), FoldError> {
        let restored = self.fold.restore(&*self.journal, mark);
        restored.map_err(|error| FoldError::Row { what: error.to_string() })
    }

    fn fold(
        &mut self,
        record: &Record<'_>,
        linked: &LinkedRecord,
        rows: &mut Rows<'_>,
    ) -> Result<(), FoldError> {
        self.fold.fold(record, linked, &mut Pending(rows)).map_err(|error| match error {
            IndexFoldError::Store(error) => FoldError::Store(error),
            IndexFoldError::Record(error) => FoldError::Record { what: error.to_string() },
        })
    }
}

/// The event of a record that the registrar has let pass.
fn event(record: &Record<'_>) -> Result<Event, FoldError> {
    Event::decode(record.event).map_err(|error| FoldError::Record { what: error.to_string() })
}

macro_rules! report_rows {
    ($(#[$doc:meta])* $name:ident, $report:ident) => {
        $(#[$doc])*
        #[derive(Default)]
        pub(crate) struct $name {
            fold: $report::Folder,
            changes: Vec<$report::RowChange>,
        }

        impl Fold for $name {
            fn start(&mut self, view: &dyn View, _: Mark) -> Result<(), FoldError> {
                for (key, row) in view.scan($report::STATE_PREFIX, None, usize::MAX)? {
                    let restored = self.fold.restore(&key, &row);
                    restored.map_err(|error| FoldError::Row { what: error.to_string() })?;
                }
                Ok(())
            }

            fn fold(
                &mut self,
                record: &Record<'_>,
                linked: &LinkedRecord,
                rows: &mut Rows<'_>,
            ) -> Result<(), FoldError> {
                let seq: Position = linked.seq;
                self.fold.fold(&event(record)?, seq, record.recorded_at, &mut self.changes);
                for change in self.changes.drain(..) {
                    match change.value {
                        Some(value) => rows.put(change.key, value),
                        None => rows.delete(change.key),
                    }
                }
                Ok(())
            }
        }
    };
}

report_rows! {
    /// The outcome report's rows.
    OutcomeRows, outcomes
}

report_rows! {
    /// The safety report's rows.
    SafetyRows, safety
}
