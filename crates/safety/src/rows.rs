//! What the facts in the rows say: of the rest, see [`clinical::rows`].

use std::borrow::Cow;
use std::collections::BTreeSet;

use clinical::PartialDate;
use clinical::data::{Agent, Causality, Outcome, Seriousness, SeverityOfEvent};
use clinical::kind::EventKind;
use serde::{Deserialize, Serialize};

/// A fact about a subject.
pub(crate) type Fact<'a> = clinical::rows::Fact<'a, What<'a>>;

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
