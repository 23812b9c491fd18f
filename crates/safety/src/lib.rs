//! Folds events into safety rows and makes the safety report.
//!
//! It keeps no store and follows no journal: [`Folder`] says which rows an event changes, [`report()`] makes the
//! report of the rows that came of it. It runs no reporting clock and judges no outcome of treatment; the arithmetic
//! is `stats`'. What is missing counts against the product and is shown apart: an adverse event without causality is
//! related, one without onset began under treatment.
//!
//! Same rows, same cutoff: same bytes.

mod case;
mod death;
mod fold;
mod overview;
mod report;
mod rows;
mod subject;
mod table;
mod timing;

pub use clinical::report::{Covered, Covers, Cutoff, CutoffBasis, Engine, Parameters, Replaced, TrialHeader};
pub use clinical::rows::{RestoreError, RowChange, STATE_PREFIX};
pub use death::{AgentJudgement, DeathListing, DeathSection};
pub use fold::Folder;
pub use overview::{Category, Disagreement, Emergences, Overview, Unknowns};
pub use report::{Exclusions, Populations, Report, ReportError, SiteRow, report};
pub use stats::figure::{Figure, Interval, NoEvents, Rate};
pub use table::{ClassRow, EventTable, TermRow};
pub use timing::{Timing, TimingClass};
