//! The demonstration: a synthetic trial of 87 subjects that reproduces the figures of one published abstract.
//!
//! Wang D. et al., Cell Transplantation 2013, doi 10.3727/096368911X582769. Only its abstract is known here: definitions,
//! visit tables and adverse events of the demonstration are its own, and every record is labelled synthetic. Beside it
//! stands a small cohort made by hand, which resembles nothing and shows wrong rules.

mod cohort;
pub(crate) mod edge;
mod events;
mod looks;
mod people;
mod published;

pub(crate) use cohort::{Row, cohort};
pub(crate) use events::{events, opening};
pub(crate) use looks::looks;
pub(crate) use people::{People, SITES};
pub(crate) use published::{Compared, SOURCE, compare};

/// The trial's id.
pub(crate) const TRIAL: &str = "lupus-msct";

/// The day up to which the abstract's figures are counted; the cohort's last contacts are on it.
pub(crate) const CUTOFF: &str = "2011-06-30";
