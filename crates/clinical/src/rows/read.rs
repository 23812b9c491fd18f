//! A fold's rows, read for a report.

use std::collections::BTreeMap;
use std::iter::Peekable;

use serde::Deserialize;

use super::{Fact, Header, Key, STATE_PREFIX, read_date, zone_or_utc};
use crate::date::Date;
use crate::report::FactRecords;
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
#[derive(Clone)]
pub struct TrialRows {
    /// What the opening said, and amendments of the protocol since.
    pub header: Header<'static>,
    /// The last record's date in the trial's zone.
    pub last_record: Date,
    /// Name and country of each site.
    pub sites: BTreeMap<String, (String, String)>,
    /// Pseudonyms given up, each with the one that stays.
    pub links: BTreeMap<String, String>,
    /// Keys that are suspected, gathering their records.
    pub suspicions: Suspicions,
}

impl TrialRows {
    /// The zone in which dates are meant: the trial's, or `UTC` if this program does not know that.
    pub fn zone(&self) -> &str {
        if zone_or_utc(&self.header.zone).1 { &self.header.zone } else { "UTC" }
    }
}

/// The rows of facts, subject by subject: in the order of their keys, then those of persons with more than one pseudonym.
pub struct Facts<I> {
    rows: I,
    before: Vec<u8>,
    links: BTreeMap<String, String>,
    /// Rows of such persons, by the pseudonym that stays; the last one first.
    linked: BTreeMap<String, Vec<FactRow>>,
}

/// The row of one fact.
pub struct FactRow {
    /// The subject; for a pseudonym that was given up, the one that stays.
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
        match postcard::take_from_bytes(&self.row) {
            Ok((fact, [])) => Ok(fact),
            _ => Err(RowsError::Row),
        }
    }

    /// Where it is recorded.
    ///
    /// # Errors
    /// [`RowsError::Row`].
    pub fn records(&self) -> Result<FactRecords, RowsError> {
        // What stands first in a fact.
        let (latest, _) = postcard::take_from_bytes(&self.row).map_err(|_| RowsError::Row)?;
        Ok(FactRecords { first: self.root, latest })
    }
}

/// A person with all its facts.
pub struct Person {
    /// The subject; of one with more than one pseudonym, the one that stays.
    pub subject: String,
    /// Facts, by the position of their first record for each pseudonym.
    pub facts: Vec<FactRow>,
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
    let (mut header, mut last_record) = (None, None);
    let (mut sites, mut links) = (BTreeMap::new(), BTreeMap::new());
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
            Key::Linked(duplicate) => {
                let kept = String::from_utf8(row).map_err(|_| RowsError::Row)?;
                links.insert(duplicate.to_owned(), kept);
            }
            Key::Lineage(_) | Key::Own(_) => {}
            Key::Fact { .. } => return Err(RowsError::Row),
        }
    }
    let trial = TrialRows {
        header: header.ok_or(RowsError::NotOpened)?,
        // The first record writes its date together with the header.
        last_record: last_record.ok_or(RowsError::Row)?,
        sites,
        links,
        suspicions: signers.suspicions(),
    };
    let links = trial.links.clone();
    Ok((trial, Facts { rows, before, links, linked: BTreeMap::new() }))
}

pub(super) fn owned_header(row: &[u8]) -> Result<Header<'static>, RowsError> {
    let header: Header<'_> = serde_json::from_slice(row).map_err(|_| RowsError::Row)?;
    Ok(Header {
        trial: header.trial.into_owned().into(),
        title: header.title.into_owned().into(),
        synthetic: header.synthetic,
        zone: header.zone.into_owned().into(),
        definitions: std::borrow::Cow::Owned(header.definitions.into_owned()),
        schedule: header.schedule.into_owned().into(),
        arms: header.arms,
    })
}

impl<I: Iterator<Item = (Vec<u8>, Vec<u8>)>> Facts<I> {
    /// The next fact.
    ///
    /// # Errors
    /// [`RowsError::Order`], [`RowsError::Row`].
    pub fn next_row(&mut self) -> Result<Option<FactRow>, RowsError> {
        while let Some((key, row)) = self.rows.next() {
            in_order(&mut self.before, &key)?;
            let Some(Key::Fact { subject, root }) = Key::read(&key) else { return Err(RowsError::Row) };
            let Some(kept) = self.kept(subject) else {
                return Ok(Some(FactRow { subject: subject.to_owned(), root, row }));
            };
            let row = FactRow { subject: kept.to_owned(), root, row };
            self.linked.entry(row.subject.clone()).or_default().push(row);
        }
        Ok(self.next_linked())
    }

    /// All that are left, person by person.
    ///
    /// # Errors
    /// As of [`Facts::next_row`].
    pub fn people(mut self) -> Result<Vec<Person>, RowsError> {
        let mut people: Vec<Person> = Vec::new();
        while let Some(row) = self.next_row()? {
            match people.last_mut().filter(|person| person.subject == row.subject) {
                Some(person) => person.facts.push(row),
                None => people.push(Person { subject: row.subject.clone(), facts: vec![row] }),
            }
        }
        Ok(people)
    }

    /// The pseudonym that stays of a person with more than one.
    fn kept(&self, subject: &str) -> Option<&str> {
        let stays = |(_, kept): &(&String, &String)| *kept == subject;
        self.links
            .get(subject)
            .or_else(|| self.links.iter().find(stays).map(|(_, kept)| kept))
            .map(String::as_str)
    }

    fn next_linked(&mut self) -> Option<FactRow> {
        let mut person = self.linked.first_entry()?;
        let row = person.get_mut().pop();
        if person.get().is_empty() {
            person.remove();
        }
        row
    }
}
