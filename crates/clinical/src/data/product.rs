//! `product_lot`: what a lot of a cell product is made of, so that a donor leads to lots and these to subjects.

use serde::{Deserialize, Serialize};

use super::{CellSource, ReleaseStatus};
use crate::date::PartialDate;
use crate::decimal::Decimal;
use crate::stated::Stated;

/// `product_lot`. A lot stated again is stated anew: the latest statement holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProductLot {
    /// Pseudonyms of its donors; several where donations were pooled.
    pub donors: Vec<String>,
    /// Its expiry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_on: Option<Stated<PartialDate>>,
    /// The lot, as infusions name it.
    pub lot: String,
    /// The day of manufacture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manufactured_on: Option<Stated<PartialDate>>,
    /// Who made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manufacturer: Option<String>,
    /// Passage of the culture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passage: Option<Stated<u16>>,
    /// Whether it is released for use.
    pub release: ReleaseStatus,
    /// Tissue the cells come from.
    pub source: CellSource,
    /// How viability was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub viability_method: Option<Stated<String>>,
    /// Viable cells, in per cent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub viability_percent: Option<Stated<Decimal>>,
}
