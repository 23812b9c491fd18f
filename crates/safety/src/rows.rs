//! The rows: facts by subject, and what a restarted fold has to know.
//!
//! A fact's key is `subject ‖ 0 ‖ position of the thing's first record` (8 bytes, big-endian), so that a correction
//! overwrites its thing. The keys of [`STATE_PREFIX`] hold the header, the last record's date, the sites, the lineage
//! of amended things and who signed what; no subject begins with that byte. Values are JSON.

use std::borrow::Cow;
use std::collections::BTreeSet;

use clinical::PartialDate;
use clinical::data::{Agent, Causality, Definitions, Outcome, Seriousness, SeverityOfEvent};
use clinical::kind::EventKind;
use clinical::signers::SIGNERS_PREFIX;
use serde::{Deserialize, Serialize};

/// What every key begins with that a restarted [`crate::Folder`] is restored from.
pub const STATE_PREFIX: &[u8] = b"\0";

const HEADER: &[u8] = b"\0h";
const DATE: &[u8] = b"\0d";
const LINEAGE: &[u8] = b"\0l";
const SITE: &[u8] = b"\0s";
const FOLLOWED: &[u8] = b"\0f";

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

/// A key, read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key<'a> {
    Header,
    Date,
    Lineage(u64),
    /// Who signed what: the whole key of such a row.
    Signers(&'a [u8]),
    Site(&'a str),
    /// By the first record of an adverse event that carries on from another: that one's first record.
    Followed(u64),
    Fact {
        subject: &'a str,
        root: u64,
    },
}

impl<'a> Key<'a> {
    pub(crate) fn read(key: &'a [u8]) -> Option<Self> {
        if key.starts_with(STATE_PREFIX) {
            return match key {
                HEADER => Some(Self::Header),
                DATE => Some(Self::Date),
                _ if key.starts_with(SIGNERS_PREFIX) => Some(Self::Signers(key)),
                _ => key
                    .strip_prefix(LINEAGE)
                    .and_then(|seq| Some(Self::Lineage(u64::from_be_bytes(seq.try_into().ok()?))))
                    .or_else(|| {
                        Some(Self::Followed(u64::from_be_bytes(key.strip_prefix(FOLLOWED)?.try_into().ok()?)))
                    })
                    .or_else(|| std::str::from_utf8(key.strip_prefix(SITE)?).ok().map(Self::Site)),
            };
        }
        let (subject, root) = key.split_last_chunk::<8>()?;
        let subject = std::str::from_utf8(subject.strip_suffix(b"\0")?).ok()?;
        Some(Self::Fact { subject, root: u64::from_be_bytes(*root) })
    }

    pub(crate) fn write(self) -> Vec<u8> {
        match self {
            Self::Header => HEADER.to_vec(),
            Self::Date => DATE.to_vec(),
            Self::Lineage(seq) => [LINEAGE, &seq.to_be_bytes()].concat(),
            Self::Signers(key) => key.to_vec(),
            Self::Site(site) => [SITE, site.as_bytes()].concat(),
            Self::Followed(root) => [FOLLOWED, &root.to_be_bytes()].concat(),
            Self::Fact { subject, root } => [subject.as_bytes(), b"\0", &root.to_be_bytes()].concat(),
        }
    }
}

/// What the opening of the trial said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Header<'a> {
    #[serde(borrow)]
    pub(crate) trial: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) title: Cow<'a, str>,
    pub(crate) synthetic: bool,
    #[serde(borrow)]
    pub(crate) zone: Cow<'a, str>,
    pub(crate) definitions: Cow<'a, Definitions>,
}

/// A fact about a subject, as its latest version states it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Fact<'a> {
    /// Position of the latest version; the key has that of the first.
    #[serde(rename = "n")]
    pub(crate) latest: u64,
    /// Where the key was granted that signed it.
    #[serde(rename = "k")]
    pub(crate) signer: u64,
    #[serde(borrow, rename = "s")]
    pub(crate) site: Cow<'a, str>,
    #[serde(borrow, rename = "w")]
    pub(crate) what: What<'a>,
}

/// What a fact says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum What<'a> {
    #[serde(rename = "i")]
    Infused {
        on: PartialDate,
        /// Start, in seconds of UTC, where the time is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<i64>,
        /// Last day of a dosing period.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<PartialDate>,
    },
    /// Seen or heard of alive that day.
    #[serde(rename = "a")]
    Alive { on: PartialDate },
    /// Says nothing for safety but that the subject is known: a missed visit, a loss.
    #[serde(rename = "k")]
    Known { on: PartialDate },
    /// Withdrew from all contact.
    #[serde(rename = "w")]
    Withdrew { on: PartialDate },
    #[serde(rename = "d")]
    Died { on: PartialDate, by: Judgements },
    #[serde(rename = "e")]
    Event(#[serde(borrow)] Box<Adverse<'a>>),
    /// It never held.
    #[serde(rename = "x")]
    Void { kind: EventKind },
}

/// Causality per agent; `None`: stated to be missing, for a reason other than that it does not apply.
pub(crate) type Judgements = Vec<(Agent, Option<Causality>)>;

/// What an adverse event says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Adverse<'a> {
    /// Onset, as far as known.
    #[serde(rename = "o", default, skip_serializing_if = "Option::is_none")]
    pub(crate) on: Option<PartialDate>,
    /// Onset in seconds of UTC, where the time is known.
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    pub(crate) at: Option<i64>,
    /// System organ class and preferred term.
    #[serde(borrow, rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub(crate) coding: Option<(Cow<'a, str>, Cow<'a, str>)>,
    #[serde(rename = "v", default, skip_serializing_if = "Option::is_none")]
    pub(crate) severity: Option<SeverityOfEvent>,
    #[serde(rename = "g", default, skip_serializing_if = "Option::is_none")]
    pub(crate) grade: Option<u8>,
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub(crate) serious_reported: Option<bool>,
    #[serde(rename = "s", default, skip_serializing_if = "no_criteria")]
    pub(crate) seriousness: Cow<'a, BTreeSet<Seriousness>>,
    #[serde(rename = "j", default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) causality: Judgements,
    #[serde(rename = "u", default, skip_serializing_if = "Option::is_none")]
    pub(crate) outcome: Option<Outcome>,
    /// Position of the first record of the thing it carries on from.
    #[serde(rename = "f", default, skip_serializing_if = "Option::is_none")]
    pub(crate) follows: Option<u64>,
}

fn no_criteria(criteria: &BTreeSet<Seriousness>) -> bool {
    criteria.is_empty()
}

/// The rows are plain structures with text keys: writing them cannot fail.
pub(crate) fn write<T: Serialize>(row: &T) -> Vec<u8> {
    serde_json::to_vec(row).expect("a row has text keys and no value that could fail")
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
            Key::Fact { subject: "S1", root: 0 },
            Key::Fact { subject: "01-701-1015", root: u64::MAX },
        ] {
            assert_eq!(Key::read(&key.write()), Some(key));
        }
        for wrong in [&b""[..], b"S1", b"S1\0\0\0\0\0\0\0\0", b"\0", b"\0l\0", b"\0q"] {
            assert_eq!(Key::read(wrong), None, "{wrong:?}");
        }
    }
}
