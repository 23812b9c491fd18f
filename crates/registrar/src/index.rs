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
//! | `g` position, position | nothing: the record at the second position signs the one at the first |
//! | `s` subject, 0x00, position | how many findings the record has, one byte; nothing for none |
//! | `u` subject | site, standing and first infusion, JSON; written when it changes |
//!
//! An event writes two rows and reads none: a subject's counts are made of its `s` rows when somebody asks, because a
//! row that every record writes anew was half of what indexing took.

use chain::{Instant, LinkedRecord, Position, Record, TreeSize};
use clinical::{
    Data, Event, EventId, Finding, PartialDate, SiteId, Subject, SubjectId, SubjectStatus, SubjectSummary,
};
use journal::Journal;
use readmodel::{Mark, StoreError, View};
use serde::{Deserialize, Serialize};

use crate::state::{END, OpenError, State};

/// Number of this layout of rows; another number makes the store begin anew.
pub const SCHEMA: u32 = 3;

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

/// Rows being written.
pub trait Rows {
    /// Sets a row.
    fn put(&mut self, key: Vec<u8>, value: Vec<u8>);
}

/// Where a subject stands: what its `u` row says.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Standing {
    site: SiteId,
    status: SubjectStatus,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    first_infusion_on: Option<PartialDate>,
}

impl Standing {
    fn of(subject: &Subject) -> Self {
        Self {
            site: subject.site.clone(),
            status: subject.status(),
            first_infusion_on: subject.first_infusion(),
        }
    }
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
        self.state.catch_up(journal, TreeSize(mark.size), END, |_, _, _, _| ())
    }

    /// Folds the next record, which says `event`.
    ///
    /// # Errors
    /// The record opens no trial.
    pub fn fold(
        &mut self,
        event: &Event,
        record: &Record<'_>,
        linked: &LinkedRecord,
        rows: &mut dyn Rows,
    ) -> Result<(), OpenError> {
        let seq = linked.seq;
        let findings = self.assess(event, record.event, record.recorded_at);
        let position = seq.0.to_be_bytes();
        rows.put([b"i", &event.id.0[..]].concat(), position.to_vec());
        if !findings.is_empty() {
            rows.put([b"f", &position[..]].concat(), json(&findings));
        }
        if let Some(amends) = &event.amends {
            rows.put([b"a", &amends.seq.0.to_be_bytes()[..]].concat(), position.to_vec());
        }
        if let Data::StatementsSigned(data) = &event.data {
            for named in &data.statements {
                rows.put([b"g", &named.seq.0.to_be_bytes()[..], &position[..]].concat(), Vec::new());
            }
        }
        let before = event.subject.as_ref().and_then(|subject| self.standing(subject));
        self.state.chain.advance(record, linked.hash);
        self.state.apply(event, linked)?;
        if let Some(subject) = &event.subject {
            let count = u8::try_from(findings.len()).unwrap_or(u8::MAX);
            let count = if count == 0 { Vec::new() } else { vec![count] };
            rows.put([b"s", subject.as_str().as_bytes(), &[0], &position[..]].concat(), count);
            let after = self.standing(subject);
            if let Some(standing) = after.filter(|after| before.as_ref() != Some(after)) {
                rows.put([b"u", subject.as_str().as_bytes()].concat(), json(&standing));
            }
        }
        Ok(())
    }

    fn standing(&self, subject: &SubjectId) -> Option<Standing> {
        self.state.trial.as_ref()?.subject(subject).map(Standing::of)
    }

    fn assess(&self, event: &Event, bytes: &[u8], recorded_at: Instant) -> Vec<Finding> {
        let trial = self.state.trial.as_ref();
        trial.map_or_else(Vec::new, |trial| clinical::decide::assess(trial, event, bytes, recorded_at))
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

/// The signatures that name the record at `seq`, those among them that were amended since too.
///
/// # Errors
/// The store failed.
pub fn signed_by(view: &dyn View, seq: Position) -> Result<Vec<Position>, StoreError> {
    let prefix = [b"g", &seq.0.to_be_bytes()[..]].concat();
    let rows = view.scan(&prefix, None, usize::MAX)?;
    Ok(rows.into_iter().filter_map(|(key, _)| position(&key[prefix.len()..])).collect())
}

/// Records with findings after position `after`, in order, at most `limit`. A record that was amended since is left
/// out: what its latest version has stands at that version.
///
/// # Errors
/// The store failed.
pub fn findings(
    view: &dyn View,
    after: Option<Position>,
    limit: usize,
) -> Result<Vec<(Position, Vec<Finding>)>, StoreError> {
    let mut found = Vec::new();
    let mut after = after.map(|after| [b"f", &after.0.to_be_bytes()[..]].concat());
    while found.len() < limit {
        let rows = view.scan(b"f", after.as_deref(), limit)?;
        let last = rows.len() < limit;
        after = rows.last().map(|(key, _)| key.clone());
        for (key, row) in rows {
            let Some(seq) = position(&key[1..]) else { continue };
            if amended_by(view, seq)?.is_none()
                && let Ok(findings) = serde_json::from_slice(&row)
            {
                found.push((seq, findings));
            }
        }
        if last {
            break;
        }
    }
    found.truncate(limit);
    Ok(found)
}

/// What is known of one subject.
///
/// # Errors
/// The store failed.
pub fn subject(view: &dyn View, id: &SubjectId) -> Result<Option<SubjectSummary>, StoreError> {
    match view.get(&[b"u", id.as_str().as_bytes()].concat())? {
        Some(row) => summary(view, id.clone(), &row),
        None => Ok(None),
    }
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
    let mut subjects = Vec::new();
    for (key, row) in view.scan(b"u", after.as_deref(), limit)? {
        let id = std::str::from_utf8(&key[1..]).ok().and_then(|id| id.parse().ok());
        if let Some(id) = id {
            subjects.extend(summary(view, id, &row)?);
        }
    }
    Ok(subjects)
}

/// Subjects after `after` with the site of each, in order of their ids, at most `limit`: nothing is counted.
///
/// # Errors
/// The store failed.
pub fn sites(
    view: &dyn View,
    after: Option<&SubjectId>,
    limit: usize,
) -> Result<Vec<(SubjectId, SiteId)>, StoreError> {
    let after = after.map(|after| [b"u", after.as_str().as_bytes()].concat());
    let rows = view.scan(b"u", after.as_deref(), limit)?;
    let read = |(key, row): (Vec<u8>, Vec<u8>)| {
        let id = std::str::from_utf8(&key[1..]).ok()?.parse().ok()?;
        let Standing { site, .. } = serde_json::from_slice(&row).ok()?;
        Some((id, site))
    };
    Ok(rows.into_iter().filter_map(read).collect())
}

/// Counts a subject's records and the findings of those that are not amended.
fn summary(view: &dyn View, subject: SubjectId, row: &[u8]) -> Result<Option<SubjectSummary>, StoreError> {
    let Ok(standing) = serde_json::from_slice::<Standing>(row) else { return Ok(None) };
    let (mut records, mut findings, mut last_seq) = (0, 0, Position(0));
    let prefix = [b"s", subject.as_str().as_bytes(), &[0]].concat();
    for (key, count) in view.scan(&prefix, None, usize::MAX)? {
        let Some(seq) = position(&key[prefix.len()..]) else { continue };
        records += 1;
        last_seq = seq;
        if let Some(count) = count.first()
            && amended_by(view, seq)?.is_none()
        {
            findings += u64::from(*count);
        }
    }
    let Standing { site, status, first_infusion_on } = standing;
    Ok(Some(SubjectSummary { subject, site, status, first_infusion_on, records, findings, last_seq }))
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
