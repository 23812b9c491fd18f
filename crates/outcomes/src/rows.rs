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
    Enrolled {
        on: PartialDate,
        /// Day of the consent it rests on.
        consent: Option<PartialDate>,
        /// Infusions of the planned course.
        planned: Option<u16>,
    },
    Infused {
        on: PartialDate,
        until: Option<PartialDate>,
        source: Option<CellSource>,
    },
    Visited(#[serde(borrow)] Visited<'a>),
    Disposed {
        on: PartialDate,
        reason: DispositionReason,
        scope: DispositionScope,
        withdrawal: Option<WithdrawalScope>,
    },
    Contacted {
        on: PartialDate,
        vital: VitalStatus,
    },
    Screened {
        on: PartialDate,
        result: ScreeningResult,
        /// Criteria that stood against enrollment.
        #[serde(borrow)]
        not_met: Vec<Cow<'a, str>>,
        /// Day of the consent it rests on.
        consent: Option<PartialDate>,
    },
    Consented {
        on: PartialDate,
        occasion: ConsentOccasion,
        #[serde(borrow)]
        version: Cow<'a, str>,
        signed_by: Option<ConsentSignatory>,
    },
    Adjudicated {
        on: PartialDate,
        landmark_years: Option<u8>,
        #[serde(borrow)]
        response: Option<(Cow<'a, str>, RemissionStatus)>,
        #[serde(borrow)]
        relapse: Option<(Cow<'a, str>, bool)>,
    },
    Transferred {
        on: PartialDate,
    },
    Deviated {
        on: PartialDate,
        category: DeviationCategory,
        severity: DeviationSeverity,
    },
    /// It was assigned to an arm; to which is not in the log.
    Allocated,
    /// It never held.
    Void {
        kind: EventKind,
    },
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

/// What a visit says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Visited<'a> {
    pub(crate) on: PartialDate,
    pub(crate) status: VisitStatus,
    #[serde(borrow)]
    pub(crate) planned: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(crate) response: Option<(Cow<'a, str>, RemissionStatus)>,
    #[serde(borrow)]
    pub(crate) relapse: Option<(Cow<'a, str>, bool)>,
    pub(crate) sledai: Option<Items>,
    pub(crate) pga: Option<Decimal>,
    /// Drugs given at the visit, in lower case.
    pub(crate) medications: Vec<Cow<'a, str>>,
    /// Prednisone equivalent in mg/day.
    pub(crate) prednisone: Option<Decimal>,
    #[serde(borrow)]
    pub(crate) measured: Vec<MeasuredRow<'a>>,
    /// Observations that were reported, but not as a number in a UCUM unit.
    pub(crate) without_number: u32,
}
