//! The trial's vocabulary and rules: what an event may say, who may sign it, and what a trial in a given state makes of it.
//!
//! Pure: no I/O, no clock, no randomness of its own. Nothing here is wired to one disease: instruments such as the
//! SLEDAI-2K are items of a visit that a trial may or may not use. How bytes hash and link is `chain`'s room; what
//! the reports make of events is `outcomes`' and `safety`'s.

pub mod arms;
pub mod authority;
pub mod confirmed;
pub mod data;
pub mod date;
pub mod decide;
pub mod decimal;
pub mod definitions;
pub mod endorsement;
pub mod event;
pub mod expedited;
pub mod fields;
pub mod finding;
pub mod id;
pub mod kind;
pub mod log_keys;
pub mod plan;
pub mod receipt;
pub mod report;
pub mod rows;
pub mod signers;
pub mod sledai;
pub mod stated;
pub mod statement;
pub mod summary;
pub mod taken_from;
pub mod text;
pub mod trial;

pub use authority::{Grant, Role};
pub use confirmed::{ConfirmReason, Confirmed, ConfirmedFinding};
pub use data::Data;
pub use date::{ClinicalTime, Date, PartialDate};
pub use decide::{Referenced, References, Refusal, RefusalCode, decide};
pub use decimal::Decimal;
pub use event::{Actor, Amends, DecodeError, Effect, Event, Follows};
pub use finding::{Finding, FindingCode, Severity};
pub use id::{ActorId, CutName, EventId, SiteId, SubjectId, TrialId, Zone};
pub use kind::EventKind;
pub use log_keys::{LogKey, LogKeys};
pub use receipt::Receipt;
pub use signers::{SuspectedKey, SuspectedRecord};
pub use stated::{MissingReason, Stated};
pub use statement::Statement;
pub use summary::{SubjectStatus, SubjectSummary};
pub use taken_from::TakenFrom;
pub use text::SealedText;
pub use trial::{Subject, Trial};
