//! What the log must hold already for a transfer, a link, a cut, a published report, a signature, or what is about another
//! record.

use chain::Position;

use super::{References, Refusal, RefusalCode, refuse};
use crate::data::{Data, DataCut, Reference, ReportPublished, SubjectsLinked};
use crate::endorsement::is_signable;
use crate::event::Event;
use crate::kind::EventKind;
use crate::trial::Trial;

/// Of an event about a subject: that the adverse event it names is one of that subject, that what it signs can be signed by
/// it, and that the site it moves to is another.
pub(super) fn check_about(trial: &Trial, event: &Event, references: &dyn References) -> Result<(), Refusal> {
    match &event.data {
        Data::AeAssessment(data) => check_reference(event, data.adverse_event, references),
        Data::SafetyReportSent(data) => check_reference(event, data.adverse_event, references),
        Data::StatementsSigned(data) => check_signed(trial, event, &data.statements, references),
        Data::SubjectTransferred(data) if !trial.sites.contains_key(&data.to) => {
            refuse(RefusalCode::SiteUnknown, "/data/to")
        }
        Data::SubjectTransferred(data) if Some(&data.to) == event.site.as_ref() => {
            refuse(RefusalCode::TransferImpossible, "/data/to")
        }
        _ => Ok(()),
    }
}

fn check_reference(event: &Event, named: Reference, references: &dyn References) -> Result<(), Refusal> {
    let Some(found) = references.record(named.seq) else {
        return refuse(RefusalCode::ReferenceUnknown, "/data/adverse_event/seq");
    };
    if found.hash != named.hash {
        return refuse(RefusalCode::ReferenceDiffers, "/data/adverse_event/hash");
    }
    if found.kind != EventKind::AdverseEvent || found.subject != event.subject {
        return refuse(RefusalCode::ReferenceDiffers, "/data/adverse_event");
    }
    Ok(())
}

/// That each of the records is one of the own site about the subject, as an investigator may state it, in the version in
/// force.
fn check_signed(
    trial: &Trial,
    event: &Event,
    statements: &[Reference],
    references: &dyn References,
) -> Result<(), Refusal> {
    for (index, named) in statements.iter().enumerate() {
        let pointer = format!("/data/statements/{index}");
        let Some(found) = references.record(named.seq) else {
            return refuse(RefusalCode::ReferenceUnknown, &format!("{pointer}/seq"));
        };
        if found.hash != named.hash {
            return refuse(RefusalCode::ReferenceDiffers, &format!("{pointer}/hash"));
        }
        if !is_signable(found.kind) || found.site != event.site || found.subject != event.subject {
            return refuse(RefusalCode::ReferenceDiffers, &pointer);
        }
        if let Some(latest) = trial.lineage.superseded_by(named.seq) {
            let detail = format!("the record is amended by the one at position {latest}");
            return Err(Refusal::new(RefusalCode::ReferenceNotInForce, format!("{pointer}/seq"), detail));
        }
        if found.is_void {
            return refuse(RefusalCode::ReferenceNotInForce, &format!("{pointer}/seq"));
        }
    }
    Ok(())
}

pub(super) fn check_link(trial: &Trial, data: &SubjectsLinked) -> Result<(), Refusal> {
    for (subject, pointer) in [(&data.duplicate, "/data/duplicate"), (&data.kept, "/data/kept")] {
        if trial.subject(subject).is_none() {
            return refuse(RefusalCode::SubjectUnknown, pointer);
        }
    }
    if data.duplicate == data.kept || trial.links.contains_key(&data.duplicate) {
        return refuse(RefusalCode::LinkImpossible, "/data/duplicate");
    }
    if trial.links.contains_key(&data.kept) {
        return refuse(RefusalCode::LinkImpossible, "/data/kept");
    }
    // A pseudonym that others were given up for stays.
    if trial.links.values().any(|kept| *kept == data.duplicate) {
        return refuse(RefusalCode::LinkImpossible, "/data/duplicate");
    }
    Ok(())
}

pub(super) fn check_cut(trial: &Trial, data: &DataCut, references: &dyn References) -> Result<(), Refusal> {
    if trial.cuts.iter().any(|cut| cut.name == data.name) {
        return refuse(RefusalCode::CutNameRepeated, "/data/name");
    }
    let latest = trial.cuts.last();
    if latest.map(|cut| &cut.name) != data.previous.as_ref() {
        return refuse(RefusalCode::CutUnknown, "/data/previous");
    }
    if latest.is_some_and(|cut| data.records < cut.records) {
        return refuse(RefusalCode::CutDiffers, "/data/records");
    }
    let last = data.records.checked_sub(1).and_then(|last| references.hash(Position(last)));
    match last {
        None => refuse(RefusalCode::CutDiffers, "/data/records"),
        Some(last) if last != data.head => refuse(RefusalCode::CutDiffers, "/data/head"),
        Some(_) => Ok(()),
    }
}

pub(super) fn check_published(trial: &Trial, data: &ReportPublished) -> Result<(), Refusal> {
    if trial.cuts.iter().any(|cut| cut.name == data.cut) {
        Ok(())
    } else {
        refuse(RefusalCode::CutUnknown, "/data/cut")
    }
}
