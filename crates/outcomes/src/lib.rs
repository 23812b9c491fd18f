//! Folds events into outcome rows and makes the outcome report.
//!
//! It keeps no store and follows no journal: [`Folder`] says which rows an event changes, [`report()`] makes the
//! report of the rows that came of it. It decides who belongs to which population and from when to when a subject was
//! followed; the arithmetic is `stats`'. It judges no adverse event; that is another report's.
//!
//! Same rows, same cutoff: same bytes. The rows are a pure function of the records, whether they were folded in one
//! go or with a restart in between; the report reads no clock.

mod computed;
mod course;
mod facts;
mod flares;
mod flow;
mod fold;
mod followup;
mod judgement;
mod measures;
mod relapse;
mod remission;
mod report;
mod rows;
mod rules;
mod screening;
mod strata;
mod survival;
mod swimmer;
mod values;

pub use clinical::report::{
    Arms, AskedSources, ByArm, Covered, Covers, Cutoff, CutoffBasis, Engine, Parameters, Reading, Replaced,
    Sources, SourcesError, TrialHeader,
};
pub use clinical::rows::{RestoreError, RowChange, STATE_PREFIX};
pub use computed::{ComputedFigure, ComputedRemission, RemissionAgreement, RemissionDifference, Stated};
pub use course::Standing;
pub use flares::{FlareFigure, FlareListing, FlareSection, TriggerRow};
pub use flow::{Flow, Loss, LossReason, NotAnalysable, SiteRow, Stage, Waterfall};
pub use fold::Folder;
pub use followup::{Exclusions, FollowUp};
pub use judgement::{AdjudicationSection, JudgementDifference};
pub use measures::{
    BandRow, Change, ChangedRow, LineValue, MeasureLine, MeasureRow, MeasureSection, MeasureTable, OtherUnit,
    ScoreDefinitions,
};
pub use relapse::{
    CumulativeIncidence, IncidenceLandmark, IncidenceStep, OwnMeasure, RelapseListing, RelapseSection,
};
pub use remission::{RemissionFigure, RemissionSection};
pub use report::{Conventions, Report, ReportError, report, report_by_arm, report_for, sources};
pub use screening::{
    ConsentSection, Criterion, DeviationRow, DeviationSection, DocumentVersion, ScreeningSection,
};
pub use stats::figure::{Figure, Interval, NoEvents, Rate};
pub use strata::{Level, Stratification};
pub use survival::{DeathListing, DeathSensitivity, Landmark, Step, SurvivalCurve, SurvivalSection};
pub use swimmer::{Lane, LaneResponse, SwimmerSection};

/// How many of `items` are so.
fn count<T>(items: impl IntoIterator<Item = T>, is: impl Fn(&T) -> bool) -> u64 {
    items.into_iter().filter(|item| is(item)).count() as u64
}
