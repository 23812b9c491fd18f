//! One read model on its way along the journal: a store, the fold that fills it, and the chain as far as it came.
//!
//! Where there is more to fold, a batch is committed on a second thread while the next one is read, checked and folded;
//! at the journal's end the follower's own thread commits it, which is sooner done. What is folded counts as nothing
//! until it is committed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use chain::{Chain, LinkError, LinkedRecord, Position, Record, RecordHash, TreeSize};
use journal::{Journal, ReadError};
use readmodel::{Change, Mark, Store, StoreError, query};

use crate::commit::{Committer, Flight, commit};
use crate::fold::{Fold, FoldError, Rows};
use crate::follow::{MakeFold, Settings};
use crate::status::StopReason;

/// A store with its fold.
pub(crate) struct Line {
    pub(crate) store: Arc<dyn Store>,
    /// As far as the rows are committed.
    committed: Chain,
    /// As far as records are folded: `committed`, and beyond it what is in flight.
    folded: Chain,
    fold: Box<dyn Fold>,
    /// The commit under way. There is none once the line is halted.
    flight: Option<Flight>,
    /// Started when it is first needed.
    committer: Option<Committer>,
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
    /// Records were folded or committed, or the line was halted.
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
        Ok(Self::at(store, chain, fold, halt))
    }

    /// Begins at the beginning, in an empty store.
    pub(crate) fn begin(store: Arc<dyn Store>, make_fold: &MakeFold) -> Self {
        match start(&*store, make_fold) {
            Ok(fold) => Self::at(store, Chain::default(), fold, None),
            Err(halt) => Self::at(store, Chain::default(), Box::new(Never), Some(halt)),
        }
    }

    fn at(store: Arc<dyn Store>, chain: Chain, fold: Box<dyn Fold>, halt: Option<Halt>) -> Self {
        Self { store, committed: chain, folded: chain, fold, flight: None, committer: None, halt }
    }

    /// How many records are in the committed rows.
    pub(crate) fn size(&self) -> TreeSize {
        self.committed.size
    }

    /// How many records are folded, committed or not.
    pub(crate) fn folded(&self) -> TreeSize {
        self.folded.size
    }

    pub(crate) fn mark(&self) -> Mark {
        mark_of(self.committed)
    }

    /// Reads a batch, checks it, folds it and commits it or has it committed. What is good before a break is committed
    /// before the halt.
    pub(crate) fn step(&mut self, journal: &dyn Journal, make_fold: &MakeFold, settings: &Settings) -> Step {
        let next = self.folded.size.next_position();
        let mut batch = match journal.read(next, settings.batch_bytes_max) {
            Ok(batch) if batch.is_empty() => return if self.land() { Step::Moved } else { Step::Idle },
            Ok(batch) => batch,
            Err(error) => {
                self.land();
                if !matches!(error, ReadError::Damaged { .. }) {
                    return Step::Unread(error);
                }
                self.halt.get_or_insert_with(|| Halt::Log(unreadable(next, &error)));
                return Step::Moved;
            }
        };
        batch.truncate(settings.batch_records_max.max(1));
        let more = journal.head().size.0 > next.0 + batch.len() as u64;
        let (records, broken) = checked(self.folded, &batch);
        let folded = self.fold(&records, &batch);
        self.land();
        if self.halt.is_some() {
            return Step::Moved;
        }
        self.halt = broken.map(Halt::Log);
        match folded {
            Ok(Some((changes, chain))) if more && self.halt.is_none() => self.hand(changes, chain),
            Ok(Some((changes, chain))) => self.commit(changes, chain),
            Ok(None) => {}
            Err(failure) => {
                self.halt = Some(failure.halt);
                // The fold holds part of the batch: a new one takes the part that is good.
                let good = &records[..failure.at.min(records.len())];
                if matches!(self.halt, Some(Halt::Log(_))) && !good.is_empty() {
                    self.fold_again(good, &batch, make_fold);
                }
            }
        }
        Step::Moved
    }

    /// Folds `good` with a new fold and commits it. The line stays halted; if this fails, for that reason.
    fn fold_again(&mut self, good: &[Record<'_>], batch: &[LinkedRecord], make_fold: &MakeFold) {
        let again = start(&*self.store, make_fold).and_then(|fold| {
            self.fold = fold;
            self.fold(good, batch).map_err(|failure| failure.halt)
        });
        match again {
            Ok(Some((changes, chain))) => self.commit(changes, chain),
            Err(halt @ Halt::Rows(_)) => self.halt = Some(halt),
            Ok(None) | Err(Halt::Log(_)) => {}
        }
    }

    /// Folds records whose links hold; answers what is to be committed, and the chain's end then.
    fn fold(
        &mut self,
        records: &[Record<'_>],
        batch: &[LinkedRecord],
    ) -> Result<Option<(Vec<Change>, Chain)>, Failure> {
        let (Some(last), Some(linked)) = (records.last(), records.len().checked_sub(1).map(|at| &batch[at]))
        else {
            return Ok(None);
        };
        let mut rows = Rows::new(&*self.store, self.flight.as_ref());
        for (at, (record, linked)) in records.iter().zip(batch).enumerate() {
            guarded(record.seq, || self.fold.fold(record, linked, &mut rows))
                .map_err(|halt| Failure { at, halt })?;
        }
        let at = records.len() - 1;
        guarded(last.seq, || self.fold.settle(&mut rows)).map_err(|halt| Failure { at, halt })?;
        let mut chain = self.folded;
        chain.advance(last, linked.hash);
        Ok(Some((rows.into_changes(), chain)))
    }

    fn commit(&mut self, changes: Vec<Change>, chain: Chain) {
        match commit(&*self.store, changes, mark_of(chain)) {
            Ok(()) => (self.committed, self.folded) = (chain, chain),
            Err(error) => self.halt = Some(Halt::Rows(told(&error))),
        }
    }

    /// Has a batch committed while the next one is folded.
    fn hand(&mut self, changes: Vec<Change>, chain: Chain) {
        if self.committer.is_none() {
            self.committer = Committer::start(Arc::clone(&self.store)).ok();
        }
        match &self.committer {
            Some(committer) => {
                self.flight = Some(committer.hand(changes, mark_of(chain)));
                self.folded = chain;
            }
            // The system has no thread to give.
            None => self.commit(changes, chain),
        }
    }

    /// Waits for the commit under way, if there is one, and says whether there was. If it failed, the line is halted
    /// and what was folded after it is nothing.
    pub(crate) fn land(&mut self) -> bool {
        let Some(flight) = self.flight.take() else { return false };
        match flight.wait() {
            Ok(()) => self.committed = self.folded,
            Err(error) => {
                self.halt = Some(Halt::Rows(told(error)));
                self.folded = self.committed;
            }
        }
        true
    }
}

fn mark_of(chain: Chain) -> Mark {
    Mark { size: chain.size.0, hash: chain.head.0 }
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
