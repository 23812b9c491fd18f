//! From one event to the rows it changes.

use std::borrow::Cow;

use chain::{Instant, Position};
use clinical::data::{
    CriterionResult, Disposition, DispositionReason, Observation, RelapseJudgement, RemissionStatus,
    Response, Screening, Visit,
};
use clinical::definitions::activity::{Items, given};
use clinical::kind::EventKind;
use clinical::rows::{RestoreError, RowChange, TrialFold};
use clinical::stated::value;
use clinical::{Data, Event, PartialDate};

use crate::rows::{MeasuredRow, Visited, What};

/// Folds events into rows. Beside the rows it keeps what [`TrialFold`] does.
#[derive(Debug, Default)]
pub struct Folder {
    trial: TrialFold,
}

impl Folder {
    /// A fold at the log's beginning.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes back what the fold knew: called with each row whose key begins with [`crate::STATE_PREFIX`], in
    /// ascending order of keys, before anything is folded.
    ///
    /// # Errors
    /// [`RestoreError`]: the rows are not this fold's and must be made anew.
    pub fn restore(&mut self, key: &[u8], row: &[u8]) -> Result<(), RestoreError> {
        match self.trial.restore(key, row)? {
            None => Ok(()),
            Some(_) => Err(RestoreError::Key),
        }
    }

    /// Which rows the event changes that was recorded at position `seq` at the instant `recorded_at`: few.
    pub fn fold(&mut self, event: &Event, seq: Position, recorded_at: Instant, out: &mut Vec<RowChange>) {
        self.trial.fold(event, seq, recorded_at, out);
        if is_of_outcomes(event.kind)
            && let Some(what) = what(event)
        {
            let place = self.trial.place(event, seq, out);
            out.extend(place.row(event, what));
        }
    }
}

/// Whether outcomes follow from events of that kind. Adverse events are the safety report's.
fn is_of_outcomes(kind: EventKind) -> bool {
    matches!(
        kind,
        EventKind::Enrollment
            | EventKind::Infusion
            | EventKind::Visit
            | EventKind::Disposition
            | EventKind::Contact
            | EventKind::Screening
            | EventKind::Consent
            | EventKind::Adjudication
            | EventKind::Allocation
            | EventKind::ProtocolDeviation
            | EventKind::SubjectTransferred
    )
}

/// What the event says for outcomes; `None` for what has no date, which no kind folded here lacks.
fn what(event: &Event) -> Option<What<'_>> {
    if event.data == Data::Void {
        return Some(What::Void { kind: event.kind });
    }
    let on = event.occurred_on?;
    Some(match &event.data {
        Data::Enrollment(data) => What::Enrolled {
            on,
            consent: value(data.consent.as_ref()).map(|consent| consent.signed_on),
            planned: value(data.planned_infusions.as_ref()).copied(),
        },
        Data::Infusion(data) => What::Infused {
            on,
            until: value(data.stopped_on.as_ref()).copied(),
            source: data.cells.as_ref().map(|cells| cells.source),
        },
        Data::Visit(data) => What::Visited(visited(on, data)),
        Data::Disposition(data) => disposed(on, data),
        Data::Contact(data) => What::Contacted { on, vital: data.vital_status },
        Data::Screening(data) => screened(on, data),
        Data::Consent(data) => What::Consented {
            on,
            occasion: data.occasion,
            version: data.document_version.as_str().into(),
            signed_by: value(data.signed_by.as_ref()).copied(),
        },
        Data::Adjudication(data) => What::Adjudicated {
            on,
            landmark_years: data.landmark_years,
            response: data.response.as_ref().map(by_definition),
            relapse: data.relapse.as_ref().map(relapse_by_definition),
        },
        Data::Allocation(_) => What::Allocated,
        Data::ProtocolDeviation(data) => {
            What::Deviated { on, category: data.category, severity: data.severity }
        }
        Data::SubjectTransferred(_) => What::Transferred { on },
        Data::ProductLot(_)
        | Data::AeAssessment(_)
        | Data::SafetyReportSent(_)
        | Data::Unblinding(_)
        | Data::ProtocolAmended(_)
        | Data::DataCut(_)
        | Data::ReportPublished(_)
        | Data::StatementsSigned(_)
        | Data::SubjectsLinked(_)
        | Data::TrialOpened(_)
        | Data::SiteActivated(_)
        | Data::KeyGranted(_)
        | Data::KeyRevoked(_)
        | Data::ServiceKeyGranted(_)
        | Data::LogKeyChanged(_)
        | Data::AdverseEvent(_)
        | Data::Void => return None,
    })
}

fn screened(on: PartialDate, data: &Screening) -> What<'_> {
    let not_met = data.criteria.iter().filter(|criterion| criterion.result == CriterionResult::NotMet);
    What::Screened {
        on,
        result: data.result,
        not_met: not_met.map(|criterion| Cow::Borrowed(criterion.id.as_str())).collect(),
        consent: value(data.consent.as_ref()).map(|consent| consent.signed_on),
    }
}

fn by_definition(response: &Response) -> (Cow<'_, str>, RemissionStatus) {
    (Cow::Borrowed(response.definition.as_str()), response.status)
}

fn relapse_by_definition(relapse: &RelapseJudgement) -> (Cow<'_, str>, bool) {
    (Cow::Borrowed(relapse.definition.as_str()), relapse.relapsed)
}

fn visited(on: PartialDate, data: &Visit) -> Visited<'_> {
    Visited {
        on,
        status: data.status,
        planned: data.planned.as_deref().map(Cow::Borrowed),
        response: data.response.as_ref().map(by_definition),
        relapse: data.relapse.as_ref().map(relapse_by_definition),
        sledai: data.sledai.as_ref().map(Items::of),
        pga: value(data.pga.as_ref()).cloned(),
        medications: given(data).map(Cow::Owned).collect(),
        prednisone: value(data.prednisone_mg_per_day.as_ref()).cloned(),
        measured: data.observations.iter().filter_map(measured).collect(),
        without_number: u32::try_from(data.observations.iter().filter(|one| is_without_number(one)).count())
            .unwrap_or(u32::MAX),
    }
}

/// The observation as a number in a UCUM unit, by its code: LOINC before the source's own.
fn measured(observation: &Observation) -> Option<MeasuredRow<'_>> {
    let quantity = observation.ucum.as_ref()?;
    let local = observation.local.as_ref().map(|local| format!("{}:{}", local.system, local.code));
    let code = observation.loinc.as_ref().map(|code| format!("loinc:{code}")).or(local)?;
    Some(MeasuredRow(
        code.into(),
        quantity.unit.as_str().into(),
        observation.method.as_deref().unwrap_or_default().into(),
        quantity.value.clone(),
        observation.on,
    ))
}

fn is_without_number(observation: &Observation) -> bool {
    observation.reported.value().is_some() && measured(observation).is_none()
}

fn disposed(on: PartialDate, data: &Disposition) -> What<'static> {
    What::Disposed {
        on,
        reason: data.reason,
        scope: data.scope,
        // Only a withdrawal has a scope of withdrawal.
        withdrawal: value(data.withdrawal.as_ref())
            .copied()
            .filter(|_| data.reason != DispositionReason::Death),
    }
}
