//! From one event to the rows it changes.

use std::borrow::Cow;
use std::collections::BTreeMap;

use chain::{Instant, Position};
use clinical::data::{
    AdverseEvent, Agent, Causality, Disposition, DispositionReason, Infusion, VisitStatus, VitalStatus,
    WithdrawalScope,
};
use clinical::kind::EventKind;
use clinical::rows::{Key, RestoreError, RowChange, TrialFold};
use clinical::stated::value;
use clinical::{Data, Event, MissingReason, PartialDate, Stated};

use crate::rows::{Adverse, Judgements, What};

/// Folds events into rows. Beside the rows it keeps what [`TrialFold`] does,
/// and what adverse events carry on from.
#[derive(Debug, Default)]
pub struct Folder {
    trial: TrialFold,
    /// Adverse events that carry on from another, by first records. A correction names what it amends and no more, so
    /// what it carries on from has to be remembered.
    followed: BTreeMap<u64, u64>,
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
        if let Some(root) = self.trial.restore(key, row)? {
            let root = u64::from_be_bytes(root.try_into().map_err(|_| RestoreError::Key)?);
            let followed = u64::from_be_bytes(row.try_into().map_err(|_| RestoreError::Value)?);
            self.followed.insert(root, followed);
        }
        Ok(())
    }

    /// Which rows the event changes that was recorded at position `seq` at the instant `recorded_at`: few.
    pub fn fold(&mut self, event: &Event, seq: Position, recorded_at: Instant, out: &mut Vec<RowChange>) {
        self.trial.fold(event, seq, recorded_at, out);
        let Some(mut what) = self.what(event) else { return };
        let place = self.trial.place(event, seq, out);
        if let What::Event(adverse) = &mut what {
            let root = place.root.0;
            match adverse.follows {
                Some(followed) => {
                    self.followed.insert(root, followed);
                    let value = Some(followed.to_be_bytes().to_vec());
                    out.push(RowChange { key: Key::Own(&root.to_be_bytes()).write(), value });
                }
                None => adverse.follows = self.followed.get(&root).copied(),
            }
        }
        out.extend(place.row(event, what));
    }

    /// What the event says for safety; `None` for what has no date and needs one, which no accepted event lacks.
    fn what<'a>(&self, event: &'a Event) -> Option<What<'a>> {
        let on = event.occurred_on;
        Some(match &event.data {
            Data::Enrollment(_) => What::Alive { on: on? },
            Data::Infusion(data) => infused(on?, data),
            Data::Visit(data) if data.status == VisitStatus::Missed => What::Known { on: on? },
            Data::Visit(_) => What::Alive { on: on? },
            Data::Contact(data) if data.vital_status == VitalStatus::Alive => What::Alive { on: on? },
            Data::Contact(_) => What::Known { on: on? },
            Data::Disposition(data) => disposed(on?, data),
            Data::AdverseEvent(data) => {
                let follows = event.follows.as_ref().map(|follows| self.trial.root(follows.seq).0);
                What::Event(Box::new(adverse(on, data, follows)))
            }
            Data::Void if is_of_safety(event.kind) => What::Void { kind: event.kind },
            Data::Void => return None,
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
            | Data::LogKeyChanged(_) => {
                return None;
            }
        })
    }
}

/// Whether the report follows from events of that kind.
fn is_of_safety(kind: EventKind) -> bool {
    matches!(
        kind,
        EventKind::Enrollment
            | EventKind::Infusion
            | EventKind::Visit
            | EventKind::AdverseEvent
            | EventKind::Disposition
            | EventKind::Contact
    )
}

fn infused(on: PartialDate, data: &Infusion) -> What<'static> {
    What::Infused {
        on,
        at: data.started_at.as_ref().map(clinical::ClinicalTime::utc_seconds),
        until: value(data.stopped_on.as_ref()).copied(),
    }
}

fn disposed(on: PartialDate, data: &Disposition) -> What<'static> {
    match data.reason {
        DispositionReason::Death => What::Died {
            on,
            by: data.death.as_ref().map(|death| judgements(&death.relatedness)).unwrap_or_default(),
        },
        _ if value(data.withdrawal.as_ref()) == Some(&WithdrawalScope::AllContact) => What::Withdrew { on },
        // Who is lost was by definition not met that day.
        DispositionReason::LostToFollowUp => What::Known { on },
        _ => What::Alive { on },
    }
}

fn adverse(on: Option<PartialDate>, data: &AdverseEvent, follows: Option<u64>) -> Adverse<'_> {
    Adverse {
        on,
        at: data.onset_at.as_ref().map(clinical::ClinicalTime::utc_seconds),
        coding: value(data.coding.as_ref())
            .map(|coding| (Cow::Borrowed(coding.soc.as_str()), Cow::Borrowed(coding.pt.as_str()))),
        severity: value(data.severity.as_ref()).copied(),
        grade: value(data.ctcae.as_ref()).map(|ctcae| ctcae.grade),
        serious_reported: value(data.serious_reported.as_ref()).copied(),
        seriousness: Cow::Borrowed(&data.seriousness),
        causality: judgements(&data.causality),
        outcome: value(data.outcome.as_ref()).copied(),
        follows,
    }
}

/// An agent that does not apply (no conditioning was given) is not one whose judgement is missing.
fn judgements(stated: &BTreeMap<Agent, Stated<Causality>>) -> Judgements {
    stated
        .iter()
        .filter(|(_, causality)| **causality != Stated::Missing(MissingReason::NotApplicable))
        .map(|(agent, causality)| (*agent, causality.value().copied()))
        .collect()
}
