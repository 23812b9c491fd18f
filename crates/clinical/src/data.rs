//! What each kind of event says: the contents of `data`, schema 1.
//!
//! Every item that a trial's schema profile may demand can be `{"missing": reason}` ([`crate::Stated`]). Free text is never
//! here in clear ([`crate::SealedText`]). The date of the fact is the event's `occurred_on` and is not repeated.

mod adjudication;
mod adverse_event;
mod analysis;
mod assessment;
mod blinding;
mod disposition;
mod enrollment;
mod identity;
mod infusion;
mod product;
mod protocol;
mod screening;
mod signature;
mod trial_level;
mod visit;

pub use adjudication::Adjudication;
pub use adverse_event::{
    Action, AdverseEvent, Agent, Causality, Coding, Ctcae, End, Outcome, Seriousness, SeverityOfEvent,
};
pub use analysis::{DataCut, ReportAccess, ReportPublished};
pub use assessment::{AeAssessment, Expectedness, Reference, SafetyReportKind, SafetyReportSent};
pub use blinding::{Allocation, Unblinding, UnblindingReason, allocation_message};
pub use disposition::{
    Contact, ContactMeans, Death, Disposition, DispositionReason, DispositionScope, VitalStatus,
    WithdrawalScope,
};
pub use enrollment::{Age, AgeUnit, Consent, Criterion, CriterionResult, Enrollment, PriorTherapy, Sex};
pub use identity::{SubjectTransferred, SubjectsLinked};
pub use infusion::{
    CellSource, Cells, Dose, IdentityCheck, Infusion, Interruption, Preparation, ReleaseStatus,
};
pub use product::ProductLot;
pub use protocol::{DeviationCategory, DeviationSeverity, ProtocolAmended, ProtocolDeviation};
pub use screening::{ConsentOccasion, ConsentSignatory, ConsentSigned, Screening, ScreeningResult};
pub use signature::{SignatureMeaning, StatementsSigned};
pub use trial_level::{
    KeyGranted, KeyRevoked, LogKeyChanged, PlannedVisit, RevocationReason, SchemaProfile, Service,
    ServiceKeyGranted, SiteActivated, SponsorKey, TrialOpened,
};
pub use visit::{
    GvhdStages, LocalCode, Medication, MissedReason, Observation, Quantity, Range, RelapseJudgement,
    RemissionStatus, Reported, Response, Visit, VisitPart, VisitStatus,
};

pub use crate::definitions::Definitions;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::kind::EventKind;

/// The contents of an event. Exhaustive on purpose.
#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    /// See [`TrialOpened`].
    TrialOpened(Box<TrialOpened>),
    /// See [`SiteActivated`].
    SiteActivated(SiteActivated),
    /// See [`KeyGranted`].
    KeyGranted(Box<KeyGranted>),
    /// See [`KeyRevoked`].
    KeyRevoked(KeyRevoked),
    /// See [`Enrollment`].
    Enrollment(Box<Enrollment>),
    /// See [`Infusion`].
    Infusion(Box<Infusion>),
    /// See [`Visit`].
    Visit(Box<Visit>),
    /// See [`AdverseEvent`].
    AdverseEvent(Box<AdverseEvent>),
    /// See [`Disposition`].
    Disposition(Box<Disposition>),
    /// See [`Contact`].
    Contact(Contact),
    /// See [`Screening`].
    Screening(Box<Screening>),
    /// See [`ConsentSigned`].
    Consent(ConsentSigned),
    /// See [`ProductLot`].
    ProductLot(Box<ProductLot>),
    /// See [`AeAssessment`].
    AeAssessment(Box<AeAssessment>),
    /// See [`SafetyReportSent`].
    SafetyReportSent(Box<SafetyReportSent>),
    /// See [`Adjudication`].
    Adjudication(Box<Adjudication>),
    /// See [`Allocation`].
    Allocation(Allocation),
    /// See [`Unblinding`].
    Unblinding(Box<Unblinding>),
    /// See [`ProtocolDeviation`].
    ProtocolDeviation(Box<ProtocolDeviation>),
    /// See [`ProtocolAmended`].
    ProtocolAmended(Box<ProtocolAmended>),
    /// See [`DataCut`].
    DataCut(Box<DataCut>),
    /// See [`ReportPublished`].
    ReportPublished(Box<ReportPublished>),
    /// See [`StatementsSigned`].
    StatementsSigned(StatementsSigned),
    /// See [`SubjectTransferred`].
    SubjectTransferred(SubjectTransferred),
    /// See [`SubjectsLinked`].
    SubjectsLinked(SubjectsLinked),
    /// See [`ServiceKeyGranted`].
    ServiceKeyGranted(ServiceKeyGranted),
    /// See [`LogKeyChanged`].
    LogKeyChanged(LogKeyChanged),
    /// Nothing: the event voids the record it amends.
    Void,
}

/// Where imported facts came from. Its presence marks an event as imported, which lets a data manager sign it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Import {
    /// The standard the source is written in, such as `sdtm`.
    pub standard: String,
    /// The tables and rows (1-based) the facts were taken from, such as `AE` row 17.
    pub rows: Vec<ImportRow>,
}

/// One row of an imported table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportRow {
    /// The table's name.
    pub table: String,
    /// The row, counted from 1.
    pub row: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// What went wrong in `data`: the path inside it, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DataError {
    pub pointer: String,
    pub reason: String,
}

impl Data {
    /// Reads the contents of an event of `kind`; `None` if the kind is reserved.
    pub(crate) fn decode(kind: EventKind, void: bool, raw: &RawValue) -> Option<Result<Self, DataError>> {
        if void {
            return Some(read::<Nothing>(raw).map(|_| Self::Void));
        }
        Some(match kind {
            EventKind::TrialOpened => read(raw).map(|data| Self::TrialOpened(Box::new(data))),
            EventKind::SiteActivated => read(raw).map(Self::SiteActivated),
            EventKind::KeyGranted => read(raw).map(|data| Self::KeyGranted(Box::new(data))),
            EventKind::KeyRevoked => read(raw).map(Self::KeyRevoked),
            EventKind::Enrollment => read(raw).map(|data| Self::Enrollment(Box::new(data))),
            EventKind::Infusion => read(raw).map(|data| Self::Infusion(Box::new(data))),
            EventKind::Visit => read(raw).map(|data| Self::Visit(Box::new(data))),
            EventKind::AdverseEvent => read(raw).map(|data| Self::AdverseEvent(Box::new(data))),
            EventKind::Disposition => read(raw).map(|data| Self::Disposition(Box::new(data))),
            EventKind::Contact => read(raw).map(Self::Contact),
            EventKind::ServiceKeyGranted => read(raw).map(Self::ServiceKeyGranted),
            EventKind::LogKeyChanged => read(raw).map(Self::LogKeyChanged),
            EventKind::Screening => read(raw).map(|data| Self::Screening(Box::new(data))),
            EventKind::Consent => read(raw).map(Self::Consent),
            EventKind::ProductLot => read(raw).map(|data| Self::ProductLot(Box::new(data))),
            EventKind::AeAssessment => read(raw).map(|data| Self::AeAssessment(Box::new(data))),
            EventKind::SafetyReportSent => read(raw).map(|data| Self::SafetyReportSent(Box::new(data))),
            EventKind::Adjudication => read(raw).map(|data| Self::Adjudication(Box::new(data))),
            EventKind::Allocation => read(raw).map(Self::Allocation),
            EventKind::Unblinding => read(raw).map(|data| Self::Unblinding(Box::new(data))),
            EventKind::ProtocolDeviation => read(raw).map(|data| Self::ProtocolDeviation(Box::new(data))),
            EventKind::ProtocolAmended => read(raw).map(|data| Self::ProtocolAmended(Box::new(data))),
            EventKind::DataCut => read(raw).map(|data| Self::DataCut(Box::new(data))),
            EventKind::ReportPublished => read(raw).map(|data| Self::ReportPublished(Box::new(data))),
            EventKind::Signature => read(raw).map(Self::StatementsSigned),
            EventKind::SubjectTransferred => read(raw).map(Self::SubjectTransferred),
            EventKind::SubjectsLinked => read(raw).map(Self::SubjectsLinked),
            EventKind::Query
            | EventKind::Verification
            | EventKind::Lock
            | EventKind::Unlock
            | EventKind::AuditReview
            | EventKind::TextKeyDestroyed
            | EventKind::SiteClosed => return None,
        })
    }

    /// Where the facts were imported from, if they were.
    pub fn import(&self) -> Option<&Import> {
        match self {
            Self::Enrollment(data) => data.import.as_ref(),
            Self::Infusion(data) => data.import.as_ref(),
            Self::Visit(data) => data.import.as_ref(),
            Self::AdverseEvent(data) => data.import.as_ref(),
            Self::Disposition(data) => data.import.as_ref(),
            Self::Contact(data) => data.import.as_ref(),
            Self::Screening(data) => data.import.as_ref(),
            Self::Consent(_)
            | Self::ProductLot(_)
            | Self::AeAssessment(_)
            | Self::SafetyReportSent(_)
            | Self::Adjudication(_)
            | Self::Allocation(_)
            | Self::Unblinding(_)
            | Self::ProtocolDeviation(_)
            | Self::ProtocolAmended(_)
            | Self::DataCut(_)
            | Self::ReportPublished(_)
            | Self::StatementsSigned(_)
            | Self::SubjectTransferred(_)
            | Self::SubjectsLinked(_)
            | Self::TrialOpened(_)
            | Self::SiteActivated(_)
            | Self::KeyGranted(_)
            | Self::KeyRevoked(_)
            | Self::ServiceKeyGranted(_)
            | Self::LogKeyChanged(_)
            | Self::Void => None,
        }
    }
}

fn read<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Result<T, DataError> {
    serde_json::from_str(raw.get()).map_err(|_| {
        // Only a failed event is read a second time, with the path kept.
        let mut deserializer = serde_json::Deserializer::from_str(raw.get());
        match serde_path_to_error::deserialize::<_, T>(&mut deserializer) {
            Ok(_) => DataError { pointer: String::new(), reason: "malformed".to_owned() },
            Err(error) => DataError { pointer: pointer_of(error.path()), reason: reason_of(error.inner()) },
        }
    })
}

/// A JSON pointer (RFC 6901) of a path.
pub(crate) fn pointer_of(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut pointer = String::new();
    for segment in path {
        let step = match segment {
            Segment::Seq { index } => index.to_string(),
            Segment::Map { key } => key.clone(),
            Segment::Enum { .. } | Segment::Unknown => continue,
        };
        pointer.push('/');
        pointer.push_str(&step);
    }
    pointer
}

/// What serde says, without the place inside the text that it saw: the pointer says where.
pub(crate) fn reason_of(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or_default().to_owned()
}
