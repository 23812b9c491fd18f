//! What the facts in the rows say: of the rest, see [`clinical::rows`].

use std::borrow::Cow;

use clinical::PartialDate;
use clinical::data::{
    DispositionReason, DispositionScope, RemissionStatus, VisitStatus, VitalStatus, WithdrawalScope,
};
use clinical::kind::EventKind;
use serde::{Deserialize, Serialize};

/// A fact about a subject.
pub(crate) type Fact<'a> = clinical::rows::Fact<'a, What<'a>>;

/// What a fact says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum What<'a> {
    #[serde(rename = "e")]
    Enrolled { on: PartialDate },
    #[serde(rename = "i")]
    Infused {
        on: PartialDate,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<PartialDate>,
    },
    #[serde(rename = "v")]
    Visited(#[serde(borrow)] Visited<'a>),
    #[serde(rename = "d")]
    Disposed {
        on: PartialDate,
        reason: DispositionReason,
        scope: DispositionScope,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        withdrawal: Option<WithdrawalScope>,
    },
    #[serde(rename = "c")]
    Contacted { on: PartialDate, vital: VitalStatus },
    /// It never held.
    #[serde(rename = "x")]
    Void { kind: EventKind },
}

/// What a visit says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Visited<'a> {
    pub(crate) on: PartialDate,
    #[serde(rename = "st")]
    pub(crate) status: VisitStatus,
    #[serde(borrow, rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub(crate) planned: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "re", default, skip_serializing_if = "Option::is_none")]
    pub(crate) response: Option<(Cow<'a, str>, RemissionStatus)>,
    #[serde(borrow, rename = "rl", default, skip_serializing_if = "Option::is_none")]
    pub(crate) relapse: Option<(Cow<'a, str>, bool)>,
    /// Total, and how many descriptors were not examined.
    #[serde(rename = "sl", default, skip_serializing_if = "Option::is_none")]
    pub(crate) sledai: Option<(u16, u16)>,
}
