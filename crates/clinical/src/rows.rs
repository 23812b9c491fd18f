//! What the folds of all reports share: the keys of their rows, what a restarted fold has to know, and reading it back.
//!
//! A fact's key is `subject ‖ 0 ‖ position of the thing's first record` (8 bytes, big-endian), so that a correction
//! overwrites its thing. The keys of [`STATE_PREFIX`] hold the header, the last record's date, the sites, the lineage
//! of amended things, who signed what, and what a fold keeps beside; no subject begins with that byte. A fact's value is
//! postcard, which is read several times as fast as JSON and does not say what it holds: whoever changes what a fact
//! says gives the read model another schema number. The few other values are JSON but where they are one number or one
//! key. What a fact says is each report's own.

mod read;

use std::borrow::Cow;
use std::collections::BTreeMap;

use chain::{Instant, Position};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::data::{Data, Definitions, PlannedVisit};
use crate::date::{Date, PartialDate};
use crate::event::Event;
use crate::signers::{SIGNERS_PREFIX, Signers};
use crate::trial::Lineage;

pub use read::{FactRow, Facts, Person, RowsError, TrialRows, read};

/// What every key begins with that a restarted fold is restored from.
pub const STATE_PREFIX: &[u8] = b"\0";

const HEADER: &[u8] = b"\0h";
const DATE: &[u8] = b"\0d";
const LINEAGE: &[u8] = b"\0l";
const SITE: &[u8] = b"\0s";
const OWN: &[u8] = b"\0o";
const LINKED: &[u8] = b"\0a";

/// One change to a row.
#[derive(Clone, PartialEq, Eq)]
pub struct RowChange {
    /// The row's key.
    pub key: Vec<u8>,
    /// Its new value; `None`: it is removed.
    pub value: Option<Vec<u8>>,
}

impl std::fmt::Debug for RowChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A key names a subject.
        f.debug_struct("RowChange")
            .field("value_bytes", &self.value.as_ref().map(Vec::len))
            .finish_non_exhaustive()
    }
}

/// Rows in memory: those of a log that is folded from its beginning for one report.
#[derive(Default)]
pub struct Sheet(BTreeMap<Vec<u8>, Vec<u8>>);

impl Sheet {
    /// Takes in what a fold changed, in the order it said it.
    pub fn apply(&mut self, changes: impl IntoIterator<Item = RowChange>) {
        for RowChange { key, value } in changes {
            match value {
                Some(value) => drop(self.0.insert(key, value)),
                None => drop(self.0.remove(&key)),
            }
        }
    }

    /// The rows, in ascending order of their keys.
    pub fn rows(&self) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> {
        self.0.iter().map(|(key, value)| (key.clone(), value.clone()))
    }

    /// How many rows there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

/// A key, read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key<'a> {
    /// What the opening said.
    Header,
    /// The last record's date.
    Date,
    /// By the position of an amendment: that of the record it amends.
    Lineage(u64),
    /// Who signed what: the whole key of such a row.
    Signers(&'a [u8]),
    /// A site's name and country.
    Site(&'a str),
    /// What one fold keeps beside: the rest of the key is its own matter.
    Own(&'a [u8]),
    /// A pseudonym that was given up; its row is the one that stays.
    Linked(&'a str),
    /// A fact about a subject.
    Fact {
        /// The subject.
        subject: &'a str,
        /// Position of the thing's first record.
        root: u64,
    },
}

impl<'a> Key<'a> {
    /// Reads a key; `None` for one that no fold writes.
    pub fn read(key: &'a [u8]) -> Option<Self> {
        if key.starts_with(STATE_PREFIX) {
            return match key {
                HEADER => Some(Self::Header),
                DATE => Some(Self::Date),
                _ if key.starts_with(SIGNERS_PREFIX) => Some(Self::Signers(key)),
                _ => key
                    .strip_prefix(LINEAGE)
                    .and_then(|seq| Some(Self::Lineage(u64::from_be_bytes(seq.try_into().ok()?))))
                    .or_else(|| key.strip_prefix(OWN).map(Self::Own))
                    .or_else(|| std::str::from_utf8(key.strip_prefix(SITE)?).ok().map(Self::Site))
                    .or_else(|| std::str::from_utf8(key.strip_prefix(LINKED)?).ok().map(Self::Linked)),
            };
        }
        let (subject, root) = key.split_last_chunk::<8>()?;
        let subject = std::str::from_utf8(subject.strip_suffix(b"\0")?).ok()?;
        Some(Self::Fact { subject, root: u64::from_be_bytes(*root) })
    }

    /// The key's bytes.
    pub fn write(self) -> Vec<u8> {
        match self {
            Self::Header => HEADER.to_vec(),
            Self::Date => DATE.to_vec(),
            Self::Lineage(seq) => [LINEAGE, &seq.to_be_bytes()].concat(),
            Self::Signers(key) => key.to_vec(),
            Self::Site(site) => [SITE, site.as_bytes()].concat(),
            Self::Own(rest) => [OWN, rest].concat(),
            Self::Linked(subject) => [LINKED, subject.as_bytes()].concat(),
            Self::Fact { subject, root } => [subject.as_bytes(), b"\0", &root.to_be_bytes()].concat(),
        }
    }
}

/// What the opening of the trial said, and amendments of the protocol since.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Header<'a> {
    /// The trial.
    #[serde(borrow)]
    pub trial: Cow<'a, str>,
    /// Its title.
    #[serde(borrow)]
    pub title: Cow<'a, str>,
    /// Whether every record is synthetic.
    pub synthetic: bool,
    /// The zone in which a cutoff is meant.
    #[serde(borrow)]
    pub zone: Cow<'a, str>,
    /// The definitions of its reports.
    pub definitions: Cow<'a, Definitions>,
    /// Its planned visits.
    pub schedule: Cow<'a, [PlannedVisit]>,
    /// Whether a subject was ever assigned to an arm, be it that the record was amended since.
    pub arms: bool,
}

/// A fact about a subject, as its latest version states it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fact<'a, W> {
    /// Position of the latest version; the key has that of the first.
    pub latest: u64,
    /// Where the key was granted that signed it.
    pub signer: u64,
    /// The site.
    #[serde(borrow)]
    pub site: Cow<'a, str>,
    /// What it says.
    pub what: W,
}

/// Where a fact belongs: its thing's first record, the record itself, and where its signer's key was granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The first record of its thing.
    pub root: Position,
    latest: Position,
    signer: Position,
}

/// A row from which a fold cannot be restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// The key is none that the fold writes.
    #[error("the key of a row is not of a known form")]
    Key,
    /// The value is none that the fold writes.
    #[error("the value of a row is not of a known form")]
    Value,
}

/// What every fold of a report keeps beside its rows: the lineage of amended things, who signed what, and the trial's
/// header. It gets them back from the rows by [`TrialFold::restore`].
#[derive(Debug, Clone, Default)]
pub struct TrialFold {
    lineage: Lineage,
    signers: Signers,
    /// Where the key of the event folded last was granted.
    signer: Position,
    header: Option<Header<'static>>,
    zone: Option<TimeZone>,
    /// The date in the rows: that of the last record in the trial's zone.
    date: Option<Date>,
    /// First and last microsecond of that date, as far as known.
    day: Option<(i64, i64)>,
}

/// The zone, or UTC where this program does not know its name: a report says which it was.
fn zone_or_utc(name: &str) -> (TimeZone, bool) {
    TimeZone::get(name).map_or((TimeZone::UTC, false), |zone| (zone, true))
}

fn read_date(row: &[u8]) -> Option<Date> {
    std::str::from_utf8(row).ok()?.parse::<PartialDate>().ok()?.day()
}

/// The rows are plain structures with text keys: writing them cannot fail.
fn write<T: Serialize>(row: &T) -> Vec<u8> {
    serde_json::to_vec(row).expect("a row has text keys and no value that could fail")
}

impl TrialFold {
    /// Takes back what it knew from one of the rows that begin with [`STATE_PREFIX`]; all of them, in ascending order of
    /// keys, before anything is folded. Answers the rest of the key of a row that the fold keeps beside.
    ///
    /// # Errors
    /// [`RestoreError`]: the rows are not this fold's and must be made anew.
    pub fn restore<'k>(&mut self, key: &'k [u8], row: &[u8]) -> Result<Option<&'k [u8]>, RestoreError> {
        match Key::read(key).ok_or(RestoreError::Key)? {
            Key::Header => {
                let header = read::owned_header(row).map_err(|_| RestoreError::Value)?;
                self.zone = Some(zone_or_utc(&header.zone).0);
                self.header = Some(header);
            }
            Key::Date => self.date = Some(read_date(row).ok_or(RestoreError::Value)?),
            Key::Lineage(seq) => {
                let amended = u64::from_be_bytes(row.try_into().map_err(|_| RestoreError::Value)?);
                self.lineage.amend(Position(seq), Position(amended));
            }
            Key::Signers(key) => self.signers.restore(key, row).ok_or(RestoreError::Value)?,
            Key::Own(rest) => return Ok(Some(rest)),
            Key::Site(_) | Key::Linked(_) => {}
            Key::Fact { .. } => return Err(RestoreError::Key),
        }
        Ok(None)
    }

    /// Which rows about the trial itself the event changes that was recorded at position `seq` at the instant
    /// `recorded_at`: few.
    pub fn fold(&mut self, event: &Event, seq: Position, recorded_at: Instant, out: &mut Vec<RowChange>) {
        let put = |key, row| out.push(RowChange { key, value: Some(row) });
        self.signer = self.signers.fold(event, seq, recorded_at, put);
        match &event.data {
            Data::TrialOpened(data) => {
                self.zone = Some(zone_or_utc(data.zone.as_str()).0);
                self.day = None;
                let header = Header {
                    trial: event.trial.as_str().to_owned().into(),
                    title: data.title.clone().into(),
                    synthetic: data.synthetic,
                    zone: data.zone.as_str().to_owned().into(),
                    definitions: Cow::Owned(data.definitions.clone()),
                    schedule: data.schedule.clone().into(),
                    arms: false,
                };
                self.set_header(header, out);
            }
            Data::Allocation(_) => {
                if let Some(header) = self.header.take_if(|header| !header.arms) {
                    self.set_header(Header { arms: true, ..header }, out);
                }
            }
            Data::ProtocolAmended(data) => {
                if let Some(mut header) = self.header.take() {
                    if let Some(definitions) = &data.definitions {
                        header.definitions = Cow::Owned(definitions.clone());
                    }
                    if let Some(schedule) = &data.schedule {
                        header.schedule = schedule.clone().into();
                    }
                    self.set_header(header, out);
                }
            }
            Data::SubjectsLinked(data) => out.push(RowChange {
                key: Key::Linked(data.duplicate.as_str()).write(),
                value: Some(data.kept.as_str().as_bytes().to_vec()),
            }),
            Data::SiteActivated(data) => {
                if let Some(site) = &event.site {
                    out.push(RowChange {
                        key: Key::Site(site.as_str()).write(),
                        value: Some(write(&(data.name.as_str(), data.country.as_str()))),
                    });
                }
            }
            // Of keys the rows tell who signed what; of subjects, what each fold makes of them.
            Data::KeyGranted(_)
            | Data::KeyRevoked(_)
            | Data::ServiceKeyGranted(_)
            | Data::LogKeyChanged(_)
            | Data::Enrollment(_)
            | Data::Infusion(_)
            | Data::Visit(_)
            | Data::AdverseEvent(_)
            | Data::Disposition(_)
            | Data::Contact(_)
            | Data::Screening(_)
            | Data::Consent(_)
            | Data::ProductLot(_)
            | Data::AeAssessment(_)
            | Data::SafetyReportSent(_)
            | Data::Adjudication(_)
            | Data::Unblinding(_)
            | Data::ProtocolDeviation(_)
            | Data::DataCut(_)
            | Data::ReportPublished(_)
            | Data::StatementsSigned(_)
            | Data::SubjectTransferred(_)
            | Data::Void => {}
        }
        self.note_date(recorded_at, out);
    }

    fn set_header(&mut self, header: Header<'static>, out: &mut Vec<RowChange>) {
        out.push(RowChange { key: Key::Header.write(), value: Some(write(&header)) });
        self.header = Some(header);
    }

    /// The first record of the thing that the record at `seq` is about.
    pub fn root(&self, seq: Position) -> Position {
        self.lineage.root(seq)
    }

    /// Where the fact belongs that the event folded last states.
    pub fn place(&mut self, event: &Event, seq: Position, out: &mut Vec<RowChange>) -> Place {
        if let Some(amends) = &event.amends {
            let key = Key::Lineage(seq.0).write();
            out.push(RowChange { key, value: Some(amends.seq.0.to_be_bytes().to_vec()) });
        }
        let root = self.lineage.place(seq, event.amends.as_ref());
        Place { root, latest: seq, signer: self.signer }
    }

    /// Writes the last record's date when it changes. The zone's rules are asked once a day, not once a record.
    fn note_date(&mut self, recorded_at: Instant, out: &mut Vec<RowChange>) {
        let now = recorded_at.microseconds();
        if self.day.is_some_and(|(first, last)| (first..=last).contains(&now)) {
            return;
        }
        // jiff's own range is wider than an instant's, but for the zone's offset at its two ends.
        let Ok(timestamp) = Timestamp::from_microsecond(now) else { return };
        let local = timestamp.to_zoned(self.zone.clone().unwrap_or(TimeZone::UTC));
        self.day =
            local.start_of_day().ok().zip(local.tomorrow().and_then(|next| next.start_of_day()).ok()).map(
                |(first, next)| (first.timestamp().as_microsecond(), next.timestamp().as_microsecond() - 1),
            );
        if self.date != Some(local.date()) {
            self.date = Some(local.date());
            let date = PartialDate::Day(local.date()).to_string();
            out.push(RowChange { key: Key::Date.write(), value: Some(date.into_bytes()) });
        }
    }
}

impl Place {
    /// The row of the fact, which says `what` about the event's subject; `None` for an event about no subject.
    pub fn row<W: Serialize>(self, event: &Event, what: W) -> Option<RowChange> {
        let (subject, site) = (event.subject.as_ref()?, event.site.as_ref()?);
        let fact =
            Fact { latest: self.latest.0, signer: self.signer.0, site: Cow::Borrowed(site.as_str()), what };
        let key = Key::Fact { subject: subject.as_str(), root: self.root.0 }.write();
        let value =
            postcard::to_stdvec(&fact).expect("a fact's lists know their length, and nothing else can fail");
        Some(RowChange { key, value: Some(value) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_reads_back() {
        for key in [
            Key::Header,
            Key::Date,
            Key::Lineage(258),
            Key::Signers(b"\0kg"),
            Key::Site("CN-NJ"),
            Key::Own(b""),
            Key::Own(b"\0h"),
            Key::Linked("S1"),
            Key::Fact { subject: "S1", root: 0 },
            Key::Fact { subject: "01-701-1015", root: u64::MAX },
        ] {
            assert_eq!(Key::read(&key.write()), Some(key));
        }
        for wrong in [&b""[..], b"S1", b"S1\0\0\0\0\0\0\0\0", b"\0", b"\0l\0", b"\0q"] {
            assert_eq!(Key::read(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_subjects_facts_stand_together_and_in_order() {
        let key = |subject, root| Key::Fact { subject, root }.write();
        let mut keys = [key("S1", 300), key("S10", 1), key("S1", 2), key("S1-A", 3)];
        keys.sort();
        assert_eq!(keys, [key("S1", 2), key("S1", 300), key("S1-A", 3), key("S10", 1)]);
        assert!(keys.iter().all(|key| key.as_slice() > STATE_PREFIX && !key.starts_with(STATE_PREFIX)));
    }
}
