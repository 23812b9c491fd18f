//! Verifying a trial's journal from its files, as anybody who holds them would.

use std::path::Path;
use std::sync::{Arc, OnceLock, PoisonError};

use anyhow::Context as _;
use chain::{LinkedRecord, Position, TreeSize};
use clinical::TrialId;
use journal::{Journal, ReadError};
use journal_file::{ReadOnlyJournal, Records, ScanError};
use verify::{Anchors, Bytes, Damage, Options, Report, Source, SourceError, Step, Verdict};

use super::Inner;
use super::engine::Log;
use super::review;

/// A journal directory as a source of records: read without a lock, up to the last durable position.
pub(crate) struct JournalRecords {
    records: Records,
    /// Where reading ended, for whoever asked before the verifier took the records.
    end: JournalEnd,
}

/// Where reading a journal ended; `None` until it has.
pub(crate) type JournalEnd = Arc<OnceLock<journal_file::End>>;

impl JournalRecords {
    pub(crate) fn open(dir: &Path) -> anyhow::Result<Self> {
        let journal = ReadOnlyJournal::open(dir)
            .with_context(|| format!("cannot read the journal {}", dir.display()))?;
        let records =
            journal.records().with_context(|| format!("cannot read the journal {}", dir.display()))?;
        Ok(Self { records, end: Arc::default() })
    }

    pub(crate) fn end(&self) -> JournalEnd {
        Arc::clone(&self.end)
    }
}

impl Source for JournalRecords {
    fn next(&mut self, bytes_max: usize, out: &mut Vec<Bytes>) -> Result<Step, SourceError> {
        let mut bytes = 0;
        while bytes < bytes_max {
            match self.records.next() {
                None => {
                    if let Some(end) = self.records.end() {
                        // The verifier asks once; a second answer would be the same.
                        let _ = self.end.set(end.clone());
                    }
                    return Ok(Step::End);
                }
                Some(Ok(LinkedRecord { bytes: record, .. })) => {
                    bytes += record.len();
                    out.push(Bytes::from_owner(record));
                }
                Some(Err(ScanError::Damaged(damage))) => {
                    return Ok(Step::Damage(Damage {
                        seq: damage.seq,
                        place: format!("{} at byte {}", damage.file.display(), damage.offset),
                        what: damage.what.to_string(),
                    }));
                }
                Some(Err(error @ ScanError::Io { .. })) => {
                    return Err(SourceError { op: error.to_string(), source: Box::new(error) });
                }
            }
        }
        Ok(Step::More)
    }

    fn record(&self, seq: Position) -> Result<Option<Bytes>, SourceError> {
        served(seq, self.records.record(seq))
    }
}

/// A record that the verifier asks for once more.
fn served(
    seq: Position,
    found: Result<Option<LinkedRecord>, ReadError>,
) -> Result<Option<Bytes>, SourceError> {
    match found {
        Ok(found) => Ok(found.map(|record| Bytes::from_owner(record.bytes))),
        // The damage was met on the way and is a finding already; the verifier says that the record is not to be had.
        Err(ReadError::Damaged { .. }) => Ok(None),
        Err(error @ ReadError::Io { .. }) => {
            Err(SourceError { op: format!("record {seq}"), source: Box::new(error) })
        }
    }
}

/// The records that a journal holds, as it gives them.
pub(crate) struct DurableRecords {
    journal: Arc<dyn Journal>,
    next: Position,
    end: TreeSize,
}

impl DurableRecords {
    /// Those that are durable now.
    pub(crate) fn of(journal: &Arc<dyn Journal>) -> Self {
        Self { journal: Arc::clone(journal), next: Position(0), end: journal.head().size }
    }

    fn read(&self, from: Position, bytes_max: usize) -> Result<Vec<LinkedRecord>, ReadError> {
        let mut records = self.journal.read(from, bytes_max)?;
        records.retain(|record| record.seq.0 < self.end.0);
        Ok(records)
    }
}

impl Source for DurableRecords {
    fn next(&mut self, bytes_max: usize, out: &mut Vec<Bytes>) -> Result<Step, SourceError> {
        match self.read(self.next, bytes_max) {
            Ok(records) => {
                let Some(last) = records.last() else { return Ok(Step::End) };
                self.next = last.seq.next();
                out.extend(records.into_iter().map(|record| Bytes::from_owner(record.bytes)));
                Ok(Step::More)
            }
            Err(ReadError::Damaged { seq, place, what }) => Ok(Step::Damage(Damage { seq, place, what })),
            Err(error @ ReadError::Io { .. }) => {
                Err(SourceError { op: format!("record {}", self.next), source: Box::new(error) })
            }
        }
    }

    fn record(&self, seq: Position) -> Result<Option<Bytes>, SourceError> {
        served(seq, self.read(seq, 1).map(|records| records.into_iter().next()))
    }
}

/// The verdict's name in answers and metrics.
fn verdict_name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Intact => "intact",
        Verdict::ConsistentNotAuthenticated => "consistent, not authenticated",
        Verdict::Broken => "broken",
        Verdict::Undecided => "undecided",
    }
}

impl Inner {
    /// Verifies the whole log of `trial` from its files, against the genesis that this process started with.
    pub(crate) fn verify(
        &self,
        trial: &TrialId,
        progress: Option<&mut dyn FnMut(u64, u64)>,
    ) -> anyhow::Result<Report> {
        let running = self.running(trial)?;
        let public = running.public();
        let genesis = public.opening.as_ref().map(|opening| opening.genesis);
        let anchors = Anchors { genesis, ..Anchors::default() };
        let options = Options { progress, ..Options::default() };
        let report = match &running.log {
            Log::Files(_) => {
                let source = JournalRecords::open(&self.data.trial(trial).join("journal"))?;
                verify::verify(source, &anchors, options)?
            }
            Log::Nats(_) => verify::verify(DurableRecords::of(&running.journal), &anchors, options)?,
        };
        let verified = review::told(&report, crate::world::now(), verdict_name(report.verdict));
        if report.verdict == Verdict::Broken {
            tracing::error!(trial = %trial, "verification: {}", report.sentence());
        }
        self.verified.write().unwrap_or_else(PoisonError::into_inner).insert(trial.clone(), verified);
        Ok(report)
    }

    /// Every trial of the deployment.
    pub(crate) fn trial_ids(&self) -> Vec<TrialId> {
        self.all().iter().map(|running| running.trial.clone()).collect()
    }
}
