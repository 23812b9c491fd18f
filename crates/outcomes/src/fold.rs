//! From one event to the rows it changes.

use std::borrow::Cow;

use chain::{Instant, Position};
use clinical::data::{Disposition, DispositionReason, Visit};
use clinical::kind::EventKind;
use clinical::rows::{RestoreError, RowChange, TrialFold};
use clinical::stated::value;
use clinical::{Data, Event, sledai};

use crate::rows::{Visited, What};

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
    )
}

/// What the event says for outcomes; `None` for what has no date, which no kind folded here lacks.
fn what(event: &Event) -> Option<What<'_>> {
    if event.data == Data::Void {
        return Some(What::Void { kind: event.kind });
    }
    let on = event.occurred_on?;
    Some(match &event.data {
        Data::Enrollment(_) => What::Enrolled { on },
        Data::Infusion(data) => What::Infused { on, until: value(data.stopped_on.as_ref()).copied() },
        Data::Visit(data) => What::Visited(visited(on, data)),
        Data::Disposition(data) => disposed(on, data),
        Data::Contact(data) => What::Contacted { on, vital: data.vital_status },
        Data::Screening(_)
        | Data::Consent(_)
        | Data::ProductLot(_)
        | Data::AeAssessment(_)
        | Data::SafetyReportSent(_)
        | Data::Adjudication(_)
        | Data::Allocation(_)
        | Data::Unblinding(_)
        | Data::ProtocolDeviation(_)
        | Data::ProtocolAmended(_)
        | Data::DataCut(_)
        | Data::ReportPublished(_)
        | Data::SubjectTransferred(_)
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

fn visited(on: clinical::PartialDate, data: &Visit) -> Visited<'_> {
    Visited {
        on,
        status: data.status,
        planned: data.planned.as_deref().map(Cow::Borrowed),
        response: data
            .response
            .as_ref()
            .map(|response| (Cow::Borrowed(response.definition.as_str()), response.status)),
        relapse: data
            .relapse
            .as_ref()
            .map(|relapse| (Cow::Borrowed(relapse.definition.as_str()), relapse.relapsed)),
        sledai: data.sledai.as_ref().map(|items| {
            let score = sledai::score(items);
            (score.total, score.not_done)
        }),
    }
}

fn disposed(on: clinical::PartialDate, data: &Disposition) -> What<'static> {
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
