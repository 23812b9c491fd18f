//! The index: which event ids are recorded where, what findings each record has, and which records a subject has.
//!
//! Made of nothing but the log, by [`IndexFold`], and kept in a disposable store; delete it and it is made again.
//! Rows, by the first byte of their key:
//!
//! | key | row |
//! |---|---|
//! | `i` event id (16 bytes) | position (8 bytes, big-endian) |
//! | `f` position | the record's findings, JSON; only where there are any |
//! | `a` position | position of the record that amends it |
//! | `s` subject, 0x00, position | nothing |
//! | `u` subject | the subject's summary, JSON |

use chain::{Instant, LinkedRecord, Position, Record, TreeSize};
use clinical::data::{Data, DispositionReason};
use clinical::{Event, EventId, Finding, SiteId, SubjectId, SubjectStatus, SubjectSummary};
use journal::Journal;
use readmodel::{Mark, StoreError, View};
use serde::Serialize;

use crate::state::{OpenError, State};

/// Number of this layout of rows; another number makes the store begin anew.
pub const SCHEMA: u32 = 1;

/// What the index knows of an event id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Where the event is recorded, if it is.
    pub position: Option<Position>,
    /// Its record's findings.
    pub findings: Vec<Finding>,
    /// How many records the answer is about.
    pub covers: TreeSize,
}

/// The index cannot answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct IndexError {
    /// Why.
    pub reason: String,
}

/// What a registrar asks its index.
pub trait Index: Send + Sync {
    /// How many records are indexed.
    ///
    /// # Errors
    /// [`IndexError`].
    fn covers(&self) -> Result<TreeSize, IndexError>;

    /// Where the event of that id is recorded.
    ///
    /// # Errors
    /// [`IndexError`].
    fn find(&self, id: EventId) -> Result<Known, IndexError>;
}

/// Rows being written, read back through what is pending.
pub trait Rows {
    /// The row under `key`.
    ///
    /// # Errors
    /// The store failed.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// Sets a row.
    fn put(&mut self, key: Vec<u8>, value: Vec<u8>);
}

/// Folds records into index rows. Holds the trial's state, because findings depend on it.
#[derive(Debug, Default)]
pub struct IndexFold {
    state: State,
}

impl IndexFold {
    /// Restores the state as of `mark` by reading the journal up to there.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn restore(&mut self, journal: &dyn Journal, mark: Mark) -> Result<(), OpenError> {
        self.state = State::default();
        let upto = UpTo { journal, size: TreeSize(mark.size) };
        self.state.catch_up(&upto, |_, _, _| ())
    }

    /// Folds the next record.
    ///
    /// # Errors
    /// The record opens no trial, its event is malformed, or the store failed.
    pub fn fold(
        &mut self,
        record: &Record<'_>,
        linked: &LinkedRecord,
        rows: &mut dyn Rows,
    ) -> Result<(), IndexFoldError> {
        let seq = linked.seq;
        let event = Event::decode(record.event).map_err(|source| OpenError::Event { seq, source })?;
        let findings = self.assess(&event, record.event, record.recorded_at);
        let position = seq.0.to_be_bytes();
        rows.put([b"i", &event.id.0[..]].concat(), position.to_vec());
        if !findings.is_empty() {
            rows.put([b"f", &position[..]].concat(), json(&findings));
        }
        if let Some(amends) = &event.amends {
            rows.put([b"a", &amends.seq.0.to_be_bytes()[..]].concat(), position.to_vec());
        }
        self.state.apply(&event, linked)?;
        self.state.chain.advance(record, linked.hash);
        if let (Some(site), Some(subject)) = (&event.site, &event.subject) {
            rows.put([b"s", subject.as_str().as_bytes(), &[0], &position[..]].concat(), Vec::new());
            self.summarise(&event, site, subject, seq, findings.len() as u64, rows)?;
        }
        Ok(())
    }

    fn assess(&self, event: &Event, bytes: &[u8], recorded_at: Instant) -> Vec<Finding> {
        let trial = self.state.trial.as_ref();
        trial.map_or_else(Vec::new, |trial| clinical::decide::assess(trial, event, bytes, recorded_at))
    }

    fn summarise(
        &self,
        event: &Event,
        site: &SiteId,
        subject: &SubjectId,
        seq: Position,
        findings: u64,
        rows: &mut dyn Rows,
    ) -> Result<(), IndexFoldError> {
        let key = [b"u", subject.as_str().as_bytes()].concat();
        let before: Option<SubjectSummary> =
            rows.get(&key)?.and_then(|row| serde_json::from_slice(&row).ok());
        let known = self.state.trial.as_ref().and_then(|trial| trial.subject(subject));
        let first_infusion_on = known.and_then(clinical::Subject::first_infusion);
        let status = match &event.data {
            Data::Disposition(data) => match data.reason {
                DispositionReason::ScreenFailure => SubjectStatus::ScreenFailure,
                DispositionReason::Death => SubjectStatus::Dead,
                _ if data.scope == clinical::data::DispositionScope::Study => SubjectStatus::Left,
                _ => standing(known, before.as_ref()),
            },
            _ => standing(known, before.as_ref()),
        };
        let summary = SubjectSummary {
            subject: subject.clone(),
            site: site.clone(),
            status,
            first_infusion_on,
            records: before.as_ref().map_or(0, |before| before.records) + 1,
            findings: before.as_ref().map_or(0, |before| before.findings) + findings,
            last_seq: seq,
        };
        rows.put(key, json(&summary));
        Ok(())
    }
}

/// Where a subject stands by what admission knows: amendments included.
fn standing(known: Option<&clinical::Subject>, before: Option<&SubjectSummary>) -> SubjectStatus {
    let Some(known) = known else { return SubjectStatus::ScreenFailure };
    let left = before.is_some_and(|before| before.status == SubjectStatus::Left);
    if !known.deaths.is_empty() {
        SubjectStatus::Dead
    } else if left {
        SubjectStatus::Left
    } else if !known.infusions.is_empty() {
        SubjectStatus::Treated
    } else if known.enrollments.is_empty() {
        SubjectStatus::ScreenFailure
    } else {
        SubjectStatus::Enrolled
    }
}

/// Why a record was not indexed.
#[derive(Debug, thiserror::Error)]
pub enum IndexFoldError {
    /// The record cannot be taken.
    #[error(transparent)]
    Record(#[from] OpenError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A journal cut off at a size: what a read model of that size was made of.
struct UpTo<'a> {
    journal: &'a dyn Journal,
    size: TreeSize,
}

impl Journal for UpTo<'_> {
    fn append(
        &self,
        expected: journal::Head,
        _: &[LinkedRecord],
    ) -> Result<journal::Head, journal::AppendError> {
        Err(journal::AppendError::PositionConflict { expected, actual: self.head() })
    }

    fn read(&self, from: Position, bytes_max: usize) -> Result<Vec<LinkedRecord>, journal::ReadError> {
        let mut records = self.journal.read(from, bytes_max)?;
        records.retain(|record| record.seq.0 < self.size.0);
        Ok(records)
    }

    fn head(&self) -> journal::Head {
        self.journal.head()
    }

    fn wait(&self, _: TreeSize, _: std::time::Duration) -> journal::Head {
        self.head()
    }
}

fn json<T: Serialize>(value: &T) -> Vec<u8> {
    // These types have string keys and no floats.
    serde_json::to_vec(value).unwrap_or_default()
}

fn position(row: &[u8]) -> Option<Position> {
    Some(Position(u64::from_be_bytes(row.try_into().ok()?)))
}

/// Where the event of that id is recorded.
///
/// # Errors
/// The store failed.
pub fn find(view: &dyn View, id: EventId) -> Result<Option<Position>, StoreError> {
    Ok(view.get(&[b"i", &id.0[..]].concat())?.and_then(|row| position(&row)))
}

/// The findings of the record at `seq`.
///
/// # Errors
/// The store failed.
pub fn findings_at(view: &dyn View, seq: Position) -> Result<Vec<Finding>, StoreError> {
    let row = view.get(&[b"f", &seq.0.to_be_bytes()[..]].concat())?;
    Ok(row.and_then(|row| serde_json::from_slice(&row).ok()).unwrap_or_default())
}

/// The record that amends the one at `seq`.
///
/// # Errors
/// The store failed.
pub fn amended_by(view: &dyn View, seq: Position) -> Result<Option<Position>, StoreError> {
    Ok(view.get(&[b"a", &seq.0.to_be_bytes()[..]].concat())?.and_then(|row| position(&row)))
}

/// Records with findings after position `after`, in order, at most `limit`.
///
/// # Errors
/// The store failed.
pub fn findings(
    view: &dyn View,
    after: Option<Position>,
    limit: usize,
) -> Result<Vec<(Position, Vec<Finding>)>, StoreError> {
    let after = after.map(|after| [b"f", &after.0.to_be_bytes()[..]].concat());
    let rows = view.scan(b"f", after.as_deref(), limit)?;
    Ok(rows
        .into_iter()
        .filter_map(|(key, row)| Some((position(&key[1..])?, serde_json::from_slice(&row).ok()?)))
        .collect())
}

/// What is known of one subject.
///
/// # Errors
/// The store failed.
pub fn subject(view: &dyn View, id: &SubjectId) -> Result<Option<SubjectSummary>, StoreError> {
    let row = view.get(&[b"u", id.as_str().as_bytes()].concat())?;
    Ok(row.and_then(|row| serde_json::from_slice(&row).ok()))
}

/// Subjects after `after`, in order of their ids, at most `limit`.
///
/// # Errors
/// The store failed.
pub fn subjects(
    view: &dyn View,
    after: Option<&SubjectId>,
    limit: usize,
) -> Result<Vec<SubjectSummary>, StoreError> {
    let after = after.map(|after| [b"u", after.as_str().as_bytes()].concat());
    let rows = view.scan(b"u", after.as_deref(), limit)?;
    Ok(rows.into_iter().filter_map(|(_, row)| serde_json::from_slice(&row).ok()).collect())
}

/// Positions of a subject's records after `after`, at most `limit`.
///
/// # Errors
/// The store failed.
pub fn records_of(
    view: &dyn View,
    subject: &SubjectId,
    after: Option<Position>,
    limit: usize,
) -> Result<Vec<Position>, StoreError> {
    let prefix = [b"s", subject.as_str().as_bytes(), &[0]].concat();
    let after = after.map(|after| [&prefix[..], &after.0.to_be_bytes()[..]].concat());
    let rows = view.scan(&prefix, after.as_deref(), limit)?;
    Ok(rows.into_iter().filter_map(|(key, _)| position(&key[prefix.len()..])).collect())
}
