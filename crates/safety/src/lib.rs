//! Folds events into safety rows and makes the safety report.
//!
//! It keeps no store and follows no journal: [`Folder`] says which rows an event changes, [`report()`] makes the
//! report of the rows that came of it. It reads no clock and judges no outcome of treatment; the arithmetic
//! is `stats`'. What is missing counts against the product and is shown apart: an adverse event without causality is
//! related, one without onset began under treatment.
//!
//! Same rows, same cutoff: same bytes.

mod case;
mod clock;
mod death;
mod expedited;
mod first;
mod fold;
mod gvhd;
mod incidence;
mod interest;
mod listing;
mod overview;
mod reactions;
mod recall;
mod related;
mod report;
mod rows;
mod shift;
mod since;
mod stopping;
mod subject;
mod table;
mod timing;

pub use clinical::report::{
    Arms, AskedSources, ByArm, Covered, Covers, Cutoff, CutoffBasis, Engine, Parameters, Reading, Replaced,
    Sources, SourcesError, TrialHeader,
};
pub use clinical::rows::{RestoreError, RowChange, STATE_PREFIX};
pub use death::{AgentJudgement, DeathListing, DeathSection};
pub use expedited::{
    AwareBy, ExpeditedCount, ExpeditedReport, ExpeditedSection, ExpeditedStatus, JurisdictionRow, Trigger,
};
pub use first::{FirstEvent, FirstEventLandmark};
pub use fold::Folder;
pub use gvhd::{GvhdSection, GvhdSubject, StageRow};
pub use incidence::{IncidenceClass, IncidenceRow, IncidenceSection};
pub use interest::{InterestCategory, InterestSection};
pub use listing::{EventLine, SeriousEvent};
pub use overview::{Category, Disagreement, Emergences, Overview, Unknowns};
pub use reactions::{Reaction, ReactionSection};
pub use recall::{RecallDonor, RecallInfusion, RecallLot, RecallSection};
pub use related::{Assessor, RelatedRow, RelatedSection, RelationDisagreement};
pub use report::{
    Exclusions, Populations, Report, ReportError, SiteRow, earlier, report, report_by_arm, report_for,
    report_since, sources,
};
pub use shift::{ShiftRow, ShiftSection, ShiftTable};
pub use since::{Earlier, SinceEarlier};
pub use stats::figure::{Figure, Interval, NoEvents, Rate};
pub use stopping::{Crossing, StoppingRow, StoppingSection};
pub use table::{ClassRow, EventTable, TermRow};
pub use timing::{Timing, TimingClass};
