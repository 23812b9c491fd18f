//! What the facts in the rows say: of the rest, see [`clinical::rows`].

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use clinical::PartialDate;
use clinical::data::{
    Agent, Causality, Expectedness, Outcome, ReleaseStatus, SafetyReportKind, Seriousness, SeverityOfEvent,
};
use clinical::kind::EventKind;
use serde::{Deserialize, Serialize};

/// A fact about a subject.
pub(crate) type Fact<'a> = clinical::rows::Fact<'a, What<'a>>;

/// What a fact says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum What<'a> {
    Infused {
        on: PartialDate,
        /// Start, in seconds of UTC, where the time is known.
        at: Option<i64>,
        /// Last day of a dosing period.
        until: Option<PartialDate>,
        /// The lot given.
        #[serde(borrow)]
        lot: Option<Cow<'a, str>>,
        /// Its donor, as the infusion names it.
        #[serde(borrow)]
        donor: Option<Cow<'a, str>>,
    },
    /// Seen or heard of alive that day.
    Alive {
        on: PartialDate,
    },
    /// A visit that examined for what safety asks about.
    Visited(#[serde(borrow)] Box<Visited<'a>>),
    /// Says nothing for safety but that the subject is known: a missed visit, a loss.
    Known {
        on: PartialDate,
    },
    /// Withdrew from all contact.
    Withdrew {
        on: PartialDate,
    },
    Died {
        on: PartialDate,
        by: Judgements,
    },
    Event(#[serde(borrow)] Box<Adverse<'a>>),
    /// The sponsor's judgement of an adverse event.
    Assessed(#[serde(borrow)] Box<Assessed<'a>>),
    /// An authority was told of an adverse event.
    Sent(#[serde(borrow)] Box<Sent<'a>>),
    /// It never held.
    Void {
        kind: EventKind,
    },
}

/// Causality per agent; `None`: stated to be missing, for a reason other than that it does not apply.
pub(crate) type Judgements = Vec<(Agent, Option<Causality>)>;

/// What an adverse event says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Adverse<'a> {
    /// Onset, as far as known.
    pub(crate) on: Option<PartialDate>,
    /// Onset in seconds of UTC, where the time is known.
    pub(crate) at: Option<i64>,
    /// System organ class and preferred term.
    #[serde(borrow)]
    pub(crate) coding: Option<(Cow<'a, str>, Cow<'a, str>)>,
    pub(crate) severity: Option<SeverityOfEvent>,
    pub(crate) grade: Option<u8>,
    /// Version of CTCAE that the grade is by.
    #[serde(borrow)]
    pub(crate) grade_version: Option<Cow<'a, str>>,
    pub(crate) serious_reported: Option<bool>,
    pub(crate) seriousness: Cow<'a, BTreeSet<Seriousness>>,
    pub(crate) causality: Judgements,
    pub(crate) outcome: Option<Outcome>,
    /// Position of the first record of the thing it carries on from.
    pub(crate) follows: Option<u64>,
}

/// What a visit says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Visited<'a> {
    pub(crate) on: PartialDate,
    pub(crate) gvhd: Option<Gvhd>,
    /// Values that came with a reference range.
    #[serde(borrow)]
    pub(crate) labs: Vec<Lab<'a>>,
    /// How many values came without one.
    pub(crate) unranged: u64,
}

/// Graft-versus-host disease at a visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Gvhd {
    /// Not examined for.
    NotDone,
    /// Stages of skin, liver, upper and lower gastrointestinal tract.
    Stages([u8; 4]),
}

/// A value beside its reference range.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Lab<'a> {
    /// LOINC code, or system and code of the source.
    #[serde(borrow)]
    pub(crate) analyte: Cow<'a, str>,
    pub(crate) level: Level,
    /// When, if not on the visit's day.
    pub(crate) on: Option<PartialDate>,
}

/// Where a value lies to its reference range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Level {
    Low,
    Normal,
    High,
    /// Not a number.
    Unclassified,
}

/// What the sponsor judges of an adverse event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Assessed<'a> {
    pub(crate) on: PartialDate,
    /// First record of the event.
    pub(crate) event: u64,
    pub(crate) causality: Judgements,
    pub(crate) expectedness: Option<Expectedness>,
    /// Version of the reference safety information.
    #[serde(borrow)]
    pub(crate) reference: Option<Cow<'a, str>>,
    pub(crate) seriousness: Cow<'a, BTreeSet<Seriousness>>,
}

/// A report that was sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sent<'a> {
    /// First record of the event.
    pub(crate) event: u64,
    #[serde(borrow)]
    pub(crate) jurisdiction: Cow<'a, str>,
    pub(crate) kind: SafetyReportKind,
    /// In microseconds since 1970.
    pub(crate) at: i64,
}

/// What the fold keeps beside, by the rest of a key of its own.
#[derive(Debug, Default, Clone)]
pub(crate) struct Beside {
    /// Lots of the product, by name.
    pub(crate) lots: BTreeMap<String, Lot>,
    /// What became known of adverse events, by their first record, in the order of recording.
    pub(crate) known: BTreeMap<u64, Vec<Known>>,
    /// Data cuts, by name: so many records, up to that day.
    pub(crate) cuts: BTreeMap<String, (u64, PartialDate)>,
}

/// The row of a lot has this before its name. A first record's position, of 8 bytes, never begins with such a letter.
const LOT: u8 = b'L';
/// What became known of an adverse event: this, its first record, and the record that says it.
const KNOWN: u8 = b'K';
/// The row of a data cut has this before its name.
const CUT: u8 = b'C';

/// A lot, as stated last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Lot {
    #[serde(rename = "d")]
    pub(crate) donors: Vec<String>,
    #[serde(rename = "r")]
    pub(crate) release: ReleaseStatus,
    #[serde(rename = "n")]
    pub(crate) seq: u64,
}

/// What one version of a record made known of an adverse event: the row of a fact holds the latest version only, and a
/// clock runs from the first that starts it. Kept of versions that are serious and of the sponsor's judgements.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Known {
    #[serde(skip)]
    pub(crate) seq: u64,
    /// First record of the thing that says it.
    #[serde(rename = "t")]
    pub(crate) thing: u64,
    /// Microseconds since 1970 at which it was recorded.
    #[serde(rename = "r")]
    pub(crate) recorded: i64,
    /// And at which those who say it became aware, where stated.
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    pub(crate) aware: Option<i64>,
    #[serde(rename = "w")]
    pub(crate) weight: Weight,
    #[serde(rename = "j")]
    pub(crate) relation: Relation,
    /// Of a judgement by the sponsor: whether it is expected, where that was judged.
    #[serde(rename = "x", default, skip_serializing_if = "Option::is_none")]
    pub(crate) by_sponsor: Option<Expected>,
}

/// How much an event weighs for reporting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Weight {
    #[serde(rename = "n")]
    NotSerious,
    #[serde(rename = "s")]
    Serious,
    #[serde(rename = "f")]
    FatalOrLifeThreatening,
}

/// Whether the sponsor holds an event to be expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Expected {
    #[serde(rename = "y")]
    Yes,
    #[serde(rename = "n")]
    No,
    #[serde(rename = "u")]
    NotJudged,
}

/// Whether an event is related to product or procedure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Relation {
    /// Judged, and for none of the agents asked about possible or stronger.
    #[serde(rename = "n")]
    Unrelated,
    /// Not judged: counts as related.
    #[serde(rename = "u")]
    NotJudged,
    /// Possible or stronger.
    #[serde(rename = "y")]
    Related,
}

impl Relation {
    /// Its name in reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Related => "related",
            Self::Unrelated => "unrelated",
            Self::NotJudged => "not_judged",
        }
    }
}

impl Lot {
    /// The rest of the key of a lot's row.
    pub(crate) fn key(name: &str) -> Vec<u8> {
        [&[LOT], name.as_bytes()].concat()
    }
}

impl Known {
    /// The rest of the key of its row.
    pub(crate) fn key(event: u64, seq: u64) -> Vec<u8> {
        [&[KNOWN][..], &event.to_be_bytes(), &seq.to_be_bytes()].concat()
    }
}

impl Beside {
    /// The rest of the key of a data cut's row.
    pub(crate) fn cut_key(name: &str) -> Vec<u8> {
        [&[CUT], name.as_bytes()].concat()
    }

    /// Whether a fold that starts again needs the row: these it only writes.
    pub(crate) fn is_own(rest: &[u8]) -> bool {
        matches!(rest.first(), Some(&(LOT | KNOWN | CUT)))
    }

    /// Takes in a row; `None` if it is none that the fold writes.
    pub(crate) fn read(&mut self, rest: &[u8], row: &[u8]) -> Option<()> {
        match rest.split_first()? {
            (&LOT, name) => {
                let name = std::str::from_utf8(name).ok()?.to_owned();
                self.lots.insert(name, serde_json::from_slice(row).ok()?);
            }
            (&CUT, name) => {
                let name = std::str::from_utf8(name).ok()?.to_owned();
                self.cuts.insert(name, serde_json::from_slice(row).ok()?);
            }
            (&KNOWN, rest) => {
                let (event, seq) = rest.split_first_chunk()?;
                let seq = u64::from_be_bytes(seq.try_into().ok()?);
                let known = Known { seq, ..serde_json::from_slice(row).ok()? };
                self.known.entry(u64::from_be_bytes(*event)).or_default().push(known);
            }
            _ => {}
        }
        Some(())
    }
}
