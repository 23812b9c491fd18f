//! Where records come from: a small reading trait, so that the verifier knows no journal, archive or file.

use std::sync::Arc;

use bytes::Bytes;
use chain::{Position, RecordHash};

/// Records of one log, as they are stored.
///
/// - `next` MUST hand out every stored record in stored order, bytes unchanged, and MUST NOT leave out, repair or
///   reorder what it finds strange: judging is the verifier's. It MUST end: asked often enough, it answers
///   [`Step::End`].
/// - `record` MAY be asked for any position below those handed out. What it answers is compared with what `next` handed
///   out, so an index may serve it.
pub trait Source {
    /// Adds the next records to `out`: at least one if there is one, and not many more than `bytes_max` bytes. Records
    /// that were read together may share what they were read into; it is held as long as one of them is.
    ///
    /// # Errors
    /// The records cannot be read at all. Damage that is found in them is no error but [`Step::Damage`].
    fn next(&mut self, bytes_max: usize, out: &mut Vec<Bytes>) -> Result<Step, SourceError>;

    /// The bytes of the record at `seq`; `None` if there is none.
    ///
    /// # Errors
    /// The record cannot be read.
    fn record(&self, seq: Position) -> Result<Option<Bytes>, SourceError>;

    /// The hash of the record at `seq`; `None` if nobody knows it. A source that knows the hashes of records it has not
    /// answers them too.
    ///
    /// # Errors
    /// The record cannot be read.
    fn hash(&self, seq: Position) -> Result<Option<RecordHash>, SourceError> {
        Ok(self.record(seq)?.map(|bytes| RecordHash::of(&bytes)))
    }
}

/// What follows the records just handed out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Perhaps more records: ask again.
    More,
    /// No more records.
    End,
    /// The storage contradicts itself here. Ask again for what can be read after it, if anything.
    Damage(Damage),
    /// The storage does not hold the next records. Ask again for those after them.
    Gap(Gap),
}

/// Records that are not there, between or behind others that are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// The first that is not there.
    pub from: Position,
    /// How many there are.
    pub count: u64,
    /// Their hashes, all of them, if they are known without the records; else none.
    pub hashes: Vec<RecordHash>,
    /// File and byte offset where they ought to stand.
    pub place: String,
    /// Why they are not there, for a finding; `None` if one says so already.
    pub what: Option<String>,
    /// Whether they are left out on purpose: a part of a log holds some records only.
    pub left_out: bool,
}

/// A place where the storage contradicts itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The first position that cannot be read.
    pub seq: Position,
    /// File and byte offset, or stream and sequence.
    pub place: String,
    /// What contradicts what.
    pub what: String,
}

/// Why records cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("reading the records failed: {op}")]
pub struct SourceError {
    /// What was tried.
    pub op: String,
    /// Why it failed.
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

impl SourceError {
    pub(crate) fn reading(what: &str, error: std::io::Error) -> Self {
        Self { op: format!("reading {what}"), source: Box::new(error) }
    }
}

/// Records in memory.
#[derive(Debug, Clone, Default)]
pub struct Records {
    records: Vec<Arc<[u8]>>,
    next: usize,
}

impl Records {
    /// These records, in this order.
    pub fn new(records: impl IntoIterator<Item = Arc<[u8]>>) -> Self {
        Self { records: records.into_iter().collect(), next: 0 }
    }
}

impl Source for Records {
    fn next(&mut self, bytes_max: usize, out: &mut Vec<Bytes>) -> Result<Step, SourceError> {
        let mut bytes = 0;
        while let Some(record) = self.records.get(self.next) {
            if bytes >= bytes_max {
                return Ok(Step::More);
            }
            bytes += record.len();
            out.push(Bytes::from_owner(Arc::clone(record)));
            self.next += 1;
        }
        Ok(Step::End)
    }

    fn record(&self, seq: Position) -> Result<Option<Bytes>, SourceError> {
        // A record that was dropped or put elsewhere shifts the rest: look for the one that states the position.
        let states = |bytes: &Arc<[u8]>| chain::Record::parse(bytes).is_ok_and(|record| record.seq == seq);
        let direct = usize::try_from(seq.0).ok().and_then(|index| self.records.get(index));
        Ok(direct
            .filter(|bytes| states(bytes))
            .or_else(|| self.records.iter().find(|bytes| states(bytes)))
            .map(|bytes| Bytes::from_owner(Arc::clone(bytes))))
    }
}
