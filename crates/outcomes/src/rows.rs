//! What the facts in the rows say: of the rest, see [`clinical::rows`].

use std::borrow::Cow;

use clinical::data::{
    CellSource, ConsentOccasion, ConsentSignatory, DeviationCategory, DeviationSeverity, DispositionReason,
    DispositionScope, RemissionStatus, ScreeningResult, VisitStatus, VitalStatus, WithdrawalScope,
};
use clinical::definitions::activity::Items;
use clinical::kind::EventKind;
use clinical::{Decimal, PartialDate};
use serde::{Deserialize, Serialize};

/// A fact about a subject.
pub(crate) type Fact<'a> = clinical::rows::Fact<'a, What<'a>>;

/// What a fact says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum What<'a> {
    #[serde(rename = "e")]
    Enrolled {
        on: PartialDate,
        /// Day of the consent it rests on.
        #[serde(rename = "co", default, skip_serializing_if = "Option::is_none")]
        consent: Option<PartialDate>,
        /// Infusions of the planned course.
        #[serde(rename = "pl", default, skip_serializing_if = "Option::is_none")]
        planned: Option<u16>,
    },
    #[serde(rename = "i")]
    Infused {
        on: PartialDate,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<PartialDate>,
        #[serde(rename = "so", default, skip_serializing_if = "Option::is_none")]
        source: Option<CellSource>,
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
    #[serde(rename = "s")]
    Screened {
        on: PartialDate,
        #[serde(rename = "r")]
        result: ScreeningResult,
        /// Criteria that stood against enrollment.
        #[serde(borrow, rename = "no", default, skip_serializing_if = "Vec::is_empty")]
        not_met: Vec<Cow<'a, str>>,
        /// Day of the consent it rests on.
        #[serde(rename = "co", default, skip_serializing_if = "Option::is_none")]
        consent: Option<PartialDate>,
    },
    #[serde(rename = "k")]
    Consented {
        on: PartialDate,
        #[serde(rename = "oc")]
        occasion: ConsentOccasion,
        #[serde(borrow, rename = "ve")]
        version: Cow<'a, str>,
        #[serde(rename = "by", default, skip_serializing_if = "Option::is_none")]
        signed_by: Option<ConsentSignatory>,
    },
    #[serde(rename = "a")]
    Adjudicated {
        on: PartialDate,
        #[serde(rename = "y", default, skip_serializing_if = "Option::is_none")]
        landmark_years: Option<u8>,
        #[serde(borrow, rename = "re", default, skip_serializing_if = "Option::is_none")]
        response: Option<(Cow<'a, str>, RemissionStatus)>,
        #[serde(borrow, rename = "rl", default, skip_serializing_if = "Option::is_none")]
        relapse: Option<(Cow<'a, str>, bool)>,
    },
    #[serde(rename = "t")]
    Transferred { on: PartialDate },
    #[serde(rename = "p")]
    Deviated {
        on: PartialDate,
        #[serde(rename = "ca")]
        category: DeviationCategory,
        #[serde(rename = "se")]
        severity: DeviationSeverity,
    },
    /// It was assigned to an arm; to which is not in the log.
    #[serde(rename = "r")]
    Allocated,
    /// It never held.
    #[serde(rename = "x")]
    Void { kind: EventKind },
}

/// An observation: system and code, UCUM unit, method (empty if none is stated), value, and its day if that is not the
/// visit's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct MeasuredRow<'a>(
    #[serde(borrow)] pub(crate) Cow<'a, str>,
    #[serde(borrow)] pub(crate) Cow<'a, str>,
    #[serde(borrow)] pub(crate) Cow<'a, str>,
    pub(crate) Decimal,
    pub(crate) Option<PartialDate>,
);

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
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
    #[serde(rename = "sl", default, skip_serializing_if = "Option::is_none")]
    pub(crate) sledai: Option<Items>,
    #[serde(rename = "pg", default, skip_serializing_if = "Option::is_none")]
    pub(crate) pga: Option<Decimal>,
    /// Prednisone equivalent in mg/day.
    #[serde(rename = "pr", default, skip_serializing_if = "Option::is_none")]
    pub(crate) prednisone: Option<Decimal>,
    #[serde(borrow, rename = "m", default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) measured: Vec<MeasuredRow<'a>>,
    /// Observations that were reported, but not as a number in a UCUM unit.
    #[serde(rename = "nn", default, skip_serializing_if = "is_zero")]
    pub(crate) without_number: u32,
}
