//! A fold's rows, read for a report.

use std::collections::BTreeMap;
use std::iter::Peekable;

use serde::Deserialize;

use super::{Fact, Header, Key, STATE_PREFIX, read_date, zone_or_utc};
use crate::date::Date;
use crate::signers::{SignerRows, Suspicions};

/// Rows that are no fold's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RowsError {
    /// The trial's opening is not among the rows.
    #[error("the rows hold no opening of a trial")]
    NotOpened,
    /// The rows are not in ascending order of their keys.
    #[error("the rows are not in the order of their keys")]
    Order,
    /// A row that no fold writes.
    #[error("a row is not of a known form")]
    Row,
}

/// What the rows say beside the facts about subjects.
pub struct TrialRows {
    /// What the opening said.
    pub header: Header<'static>,
    /// The last record's date in the trial's zone.
    pub last_record: Date,
    /// Name and country of each site.
    pub sites: BTreeMap<String, (String, String)>,
    /// Keys that are suspected, gathering their records.
    pub suspicions: Suspicions,
}

impl TrialRows {
    /// The zone in which dates are meant: the trial's, or `UTC` if this program does not know that.
    pub fn zone(&self) -> &str {
        if zone_or_utc(&self.header.zone).1 { &self.header.zone } else { "UTC" }
    }
}

/// The rows of facts, in the order of their keys: subject by subject.
pub struct Facts<I> {
    rows: I,
    before: Vec<u8>,
}

/// The row of one fact.
pub struct FactRow {
    /// The subject.
    pub subject: String,
    /// Position of the thing's first record.
    pub root: u64,
    row: Vec<u8>,
}

impl FactRow {
    /// What the row says.
    ///
    /// # Errors
    /// [`RowsError::Row`].
    pub fn fact<'a, W: Deserialize<'a>>(&'a self) -> Result<Fact<'a, W>, RowsError> {
        serde_json::from_slice(&self.row).map_err(|_| RowsError::Row)
    }
}

/// Ascending order, each key once: a row given twice would be counted twice.
fn in_order(before: &mut Vec<u8>, key: &[u8]) -> Result<(), RowsError> {
    if before.as_slice() >= key {
        return Err(RowsError::Order);
    }
    key.clone_into(before);
    Ok(())
}

/// Reads a fold's rows, all of them, in ascending order of their keys: what they say of the trial now, the facts as they
/// are asked for.
///
/// # Errors
/// [`RowsError`].
pub fn read<I>(rows: I) -> Result<(TrialRows, Facts<Peekable<I>>), RowsError>
where
    I: Iterator<Item = (Vec<u8>, Vec<u8>)>,
{
    let mut rows = rows.peekable();
    let mut before = Vec::new();
    let (mut header, mut last_record, mut sites) = (None, None, BTreeMap::new());
    let mut signers = SignerRows::default();
    while let Some((key, row)) = rows.next_if(|(key, _)| key.starts_with(STATE_PREFIX)) {
        in_order(&mut before, &key)?;
        match Key::read(&key).ok_or(RowsError::Row)? {
            Key::Header => header = Some(owned_header(&row)?),
            Key::Date => last_record = Some(read_date(&row).ok_or(RowsError::Row)?),
            Key::Site(id) => {
                let names = serde_json::from_slice(&row).map_err(|_| RowsError::Row)?;
                sites.insert(id.to_owned(), names);
            }
            Key::Signers(key) => signers.read(key, &row).ok_or(RowsError::Row)?,
            Key::Lineage(_) | Key::Own(_) => {}
            Key::Fact { .. } => return Err(RowsError::Row),
        }
    }
    let trial = TrialRows {
        header: header.ok_or(RowsError::NotOpened)?,
        // The first record writes its date together with the header.
        last_record: last_record.ok_or(RowsError::Row)?,
        sites,
        suspicions: signers.suspicions(),
    };
    Ok((trial, Facts { rows, before }))
}

fn owned_header(row: &[u8]) -> Result<Header<'static>, RowsError> {
    let header: Header<'_> = serde_json::from_slice(row).map_err(|_| RowsError::Row)?;
    Ok(Header {
        trial: header.trial.into_owned().into(),
        title: header.title.into_owned().into(),
        synthetic: header.synthetic,
        zone: header.zone.into_owned().into(),
        definitions: std::borrow::Cow::Owned(header.definitions.into_owned()),
        schedule: header.schedule.into_owned().into(),
    })
}

impl<I: Iterator<Item = (Vec<u8>, Vec<u8>)>> Facts<I> {
    /// The next fact.
    ///
    /// # Errors
    /// [`RowsError::Order`], [`RowsError::Row`].
    pub fn next_row(&mut self) -> Result<Option<FactRow>, RowsError> {
        let Some((key, row)) = self.rows.next() else { return Ok(None) };
        in_order(&mut self.before, &key)?;
        match Key::read(&key) {
            Some(Key::Fact { subject, root }) => Ok(Some(FactRow { subject: subject.to_owned(), root, row })),
            _ => Err(RowsError::Row),
        }
    }
}
