//! What each read model folds: the projector knows no report, the reports know no store.

use std::sync::{Arc, Mutex, PoisonError};

use chain::{LinkedRecord, Position, Record, RecordHash};
use clinical::Event;
use journal::Journal;
use projector::{Fold, FoldError, Rows};
use readmodel::{Mark, View};
use registrar::index::IndexFold;

/// How many decoded events are kept: four commits of 1,000 and more, some 4 MiB.
const EVENTS_KEPT: usize = 4_096;

/// Events decoded lately. The read models of a trial follow its end side by side, and decoding is most of what folding
/// takes: the first to come by decodes for all. Each is kept under its record's hash, so no other can be mistaken for it.
pub(crate) struct Events(Vec<Mutex<Option<Decoded>>>);

type Decoded = (RecordHash, Arc<Event>);

impl Default for Events {
    fn default() -> Self {
        Self((0..EVENTS_KEPT).map(|_| Mutex::new(None)).collect())
    }
}

impl Events {
    fn of(&self, record: &Record<'_>, linked: &LinkedRecord) -> Result<Arc<Event>, FoldError> {
        let slot = &self.0[usize::try_from(linked.seq.0).unwrap_or_default() % EVENTS_KEPT];
        // Held while it is decoded: whoever comes meanwhile is better served by waiting.
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        match &*slot {
            Some((hash, event)) if *hash == linked.hash => Ok(Arc::clone(event)),
            _ => {
                let event = Event::decode(record.event);
                let event = event.map_err(|error| FoldError::Record { what: error.to_string() })?;
                let event = Arc::new(event);
                *slot = Some((linked.hash, Arc::clone(&event)));
                Ok(event)
            }
        }
    }
}

/// The registrar's index.
pub(crate) struct IndexRows {
    fold: IndexFold,
    journal: Arc<dyn Journal>,
    events: Arc<Events>,
}

impl IndexRows {
    pub(crate) fn new(journal: Arc<dyn Journal>, events: Arc<Events>) -> Self {
        Self { fold: IndexFold::default(), journal, events }
    }
}

/// The index's rows are those of its projector.
struct Pending<'a, 'b>(&'a mut Rows<'b>);

impl registrar::index::Rows for Pending<'_, '_> {
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
        let event = self.events.of(record, linked)?;
        let folded = self.fold.fold(&event, record, linked, &mut Pending(rows));
        folded.map_err(|error| FoldError::Record { what: error.to_string() })
    }
}

macro_rules! report_rows {
    ($(#[$doc:meta])* $name:ident, $report:ident) => {
        $(#[$doc])*
        pub(crate) struct $name {
            fold: $report::Folder,
            changes: Vec<$report::RowChange>,
            events: Arc<Events>,
        }

        impl $name {
            pub(crate) fn new(events: Arc<Events>) -> Self {
                Self { fold: $report::Folder::default(), changes: Vec::new(), events }
            }
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
                let event = self.events.of(record, linked)?;
                self.fold.fold(&event, seq, record.recorded_at, &mut self.changes);
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
