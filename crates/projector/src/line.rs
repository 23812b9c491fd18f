//! One read model on its way along the journal: a store, the fold that fills it, and the chain as far as it came.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use chain::{Chain, LinkError, LinkedRecord, Position, Record, RecordHash, TreeSize};
use journal::{Journal, ReadError};
use readmodel::{Mark, Store, StoreError, query};

use crate::fold::{Fold, FoldError, Rows};
use crate::follow::{MakeFold, Settings};
use crate::status::StopReason;

/// A store with its fold.
pub(crate) struct Line {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) chain: Chain,
    fold: Box<dyn Fold>,
    pub(crate) halt: Option<Halt>,
}

/// Why a line cannot go on.
#[derive(Debug, Clone)]
pub(crate) enum Halt {
    /// Making the rows anew would end at the same place.
    Log(StopReason),
    /// The rows are lost or in doubt; they can be made anew.
    Rows(String),
}

impl Halt {
    pub(crate) fn reason(&self) -> StopReason {
        match self {
            Self::Log(reason) => reason.clone(),
            Self::Rows(what) => StopReason::Store { what: what.clone() },
        }
    }
}

/// What one step came to.
pub(crate) enum Step {
    /// Records were folded and committed, or the line was halted.
    Moved,
    /// There was nothing to fold.
    Idle,
    /// The journal could not be read just now.
    Unread(ReadError),
}

/// Where folding a batch failed.
struct Failure {
    /// The record's index in the batch; its length for the end of the batch.
    at: usize,
    halt: Halt,
}

impl Line {
    /// Goes on where `store` is.
    ///
    /// # Errors
    /// The rows are not of this journal, or not to be read: they have to be made anew.
    pub(crate) fn resume(
        store: Arc<dyn Store>,
        journal: &dyn Journal,
        make_fold: &MakeFold,
    ) -> Result<Self, String> {
        let mark = store.mark().map_err(|error| told(&error))?;
        let mut chain = Chain { size: TreeSize(mark.size), head: RecordHash(mark.hash), recorded_at: None };
        let mut halt = None;
        if let Some(last) = mark.size.checked_sub(1) {
            let head = journal.head();
            if mark.size > head.size.0 {
                return Err(format!("it holds {} records, the journal only {}", mark.size, head.size));
            }
            // One byte is enough: a journal reads at least one record.
            match journal.read(Position(last), 1) {
                Ok(records) => {
                    let record = records.first().filter(|record| record.hash == chain.head);
                    let record = record.and_then(|record| Record::parse(&record.bytes).ok());
                    let record =
                        record.ok_or_else(|| format!("record {last} is not the one it ends with"))?;
                    chain.recorded_at = Some(record.recorded_at);
                }
                Err(error) => halt = Some(Halt::Log(unreadable(Position(last), &error))),
            }
        }
        let fold = start(&*store, make_fold).map_err(|halt| halt.reason().to_string())?;
        Ok(Self { store, chain, fold, halt })
    }

    /// Begins at the beginning, in an empty store.
    pub(crate) fn begin(store: Arc<dyn Store>, make_fold: &MakeFold) -> Self {
        match start(&*store, make_fold) {
            Ok(fold) => Self { store, chain: Chain::default(), fold, halt: None },
            Err(halt) => Self { store, chain: Chain::default(), fold: Box::new(Never), halt: Some(halt) },
        }
    }

    pub(crate) fn mark(&self) -> Mark {
        Mark { size: self.chain.size.0, hash: self.chain.head.0 }
    }

    /// Reads a batch, checks it, folds it and commits it. What is good before a break is committed before the halt.
    pub(crate) fn step(&mut self, journal: &dyn Journal, make_fold: &MakeFold, settings: &Settings) -> Step {
        let next = self.chain.size.next_position();
        let mut batch = match journal.read(next, settings.batch_bytes_max) {
            Ok(batch) if batch.is_empty() => return Step::Idle,
            Ok(batch) => batch,
            Err(error @ ReadError::Damaged { .. }) => {
                self.halt = Some(Halt::Log(unreadable(next, &error)));
                return Step::Moved;
            }
            Err(error) => return Step::Unread(error),
        };
        batch.truncate(settings.batch_records_max.max(1));
        let (records, broken) = checked(self.chain, &batch);
        self.halt = broken.map(Halt::Log);
        if let Err(failure) = self.advance(&records, &batch) {
            self.halt = Some(failure.halt);
            // The fold holds part of the batch: a new one takes the part that is good.
            let good = &records[..failure.at.min(records.len())];
            if matches!(self.halt, Some(Halt::Log(_))) && !good.is_empty() {
                let again = start(&*self.store, make_fold).and_then(|fold| {
                    self.fold = fold;
                    self.advance(good, &batch).map_err(|failure| failure.halt)
                });
                if let Err(halt @ Halt::Rows(_)) = again {
                    self.halt = Some(halt);
                }
            }
        }
        Step::Moved
    }

    /// Folds records whose links hold, and commits.
    fn advance(&mut self, records: &[Record<'_>], batch: &[LinkedRecord]) -> Result<(), Failure> {
        let (Some(last), Some(linked)) = (records.last(), records.len().checked_sub(1).map(|at| &batch[at]))
        else {
            return Ok(());
        };
        let mut rows = Rows::new(&*self.store);
        for (at, (record, linked)) in records.iter().zip(batch).enumerate() {
            guarded(record.seq, || self.fold.fold(record, linked, &mut rows))
                .map_err(|halt| Failure { at, halt })?;
        }
        let at = records.len() - 1;
        guarded(last.seq, || self.fold.settle(&mut rows)).map_err(|halt| Failure { at, halt })?;
        let mark = Mark { size: last.seq.0 + 1, hash: linked.hash.0 };
        self.store
            .commit(rows.into_changes(), mark)
            .map_err(|error| Failure { at, halt: Halt::Rows(told(&error)) })?;
        self.chain.advance(last, linked.hash);
        Ok(())
    }
}

/// Stands where no fold could be started; a halted line never asks it.
struct Never;

impl Fold for Never {
    fn fold(&mut self, _: &Record<'_>, _: &LinkedRecord, _: &mut Rows<'_>) -> Result<(), FoldError> {
        Err(FoldError::Record { what: "the fold did not start".to_owned() })
    }
}

/// The records that continue `chain`, up to the first that does not.
fn checked(mut chain: Chain, batch: &[LinkedRecord]) -> (Vec<Record<'_>>, Option<StopReason>) {
    let mut records = Vec::with_capacity(batch.len());
    for linked in batch {
        let expected = chain.size.next_position();
        if linked.seq != expected {
            let found = linked.seq;
            return (records, Some(StopReason::Link(LinkError::Position { expected, found })));
        }
        let record = match Record::parse(&linked.bytes) {
            Ok(record) => record,
            Err(source) => return (records, Some(StopReason::Record { seq: expected, source })),
        };
        if let Err(error) = chain.follow(&record, linked.hash) {
            return (records, Some(StopReason::Link(error)));
        }
        records.push(record);
    }
    (records, None)
}

/// A new fold, restored from the rows of `store`.
fn start(store: &dyn Store, make_fold: &MakeFold) -> Result<Box<dyn Fold>, Halt> {
    let started = query(store, |view, mark| {
        let mut fold = None;
        guarded(Position(mark.size), || fold.insert(make_fold()).start(view, mark))?;
        Ok(fold.expect("the fold was made, or the guard has answered"))
    });
    started.map_err(|error| Halt::Rows(told(&error)))?
}

/// Runs one call into the fold.
fn guarded(seq: Position, call: impl FnOnce() -> Result<(), FoldError>) -> Result<(), Halt> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(())) => Ok(()),
        Ok(Err(FoldError::Record { what })) => Err(Halt::Log(StopReason::Fold { seq, what })),
        Ok(Err(FoldError::Store(error))) => Err(Halt::Rows(told(&error))),
        Ok(Err(error @ FoldError::Row { .. })) => Err(Halt::Rows(error.to_string())),
        Err(_) => Err(Halt::Log(StopReason::Panic { seq })),
    }
}

fn unreadable(seq: Position, error: &ReadError) -> StopReason {
    match error {
        ReadError::Damaged { seq, place, what } => {
            StopReason::Journal { seq: *seq, place: place.clone(), what: what.clone() }
        }
        error @ ReadError::Io { path, source, .. } => {
            StopReason::Journal { seq, place: path.display().to_string(), what: format!("{error}: {source}") }
        }
    }
}

/// The error with its source: what an operator needs.
fn told(error: &StoreError) -> String {
    match error {
        StoreError::Failed { source, .. } => format!("{error}: {source}"),
        error => error.to_string(),
    }
}
