//! Facts of one subject that do not go together.
//!
//! Each rule is about two facts, and is asked of whichever of them is recorded last: the order of arrival decides only
//! on which record the finding stands, and it names the other one. What a later record clears up stays found.

use std::borrow::Cow;

use chain::Position;

use super::Findings;
use crate::data::{
    Data, Disposition, DispositionReason, Enrollment, Infusion, PlannedVisit, ScreeningResult, Visit,
    VisitStatus,
};
use crate::date::{Date, PartialDate, days_between};
use crate::event::Event;
use crate::finding::FindingCode as F;
use crate::kind::EventKind;
use crate::stated::value;
use crate::trial::{HeldFact, Subject, Trial, first_of, is_withdrawal_from_contact, presumes_life};

pub(super) fn assess(found: &mut Findings, trial: &Trial, event: &Event) {
    let (Some(site), Some(id)) = (&event.site, &event.subject) else { return };
    let known = trial.subject(id).map_or_else(|| Cow::Owned(Subject::new(site.clone())), Cow::Borrowed);
    // What this event amends does not stand beside it.
    let others = event.amends.as_ref().map_or(Cow::Borrowed(&*known), |amends| {
        let mut others = known.clone().into_owned();
        others.retract(trial.lineage.root(amends.seq));
        Cow::Owned(others)
    });
    if event.data == Data::Void {
        return without(found, trial, event, &known, &others);
    }
    let Some(on) = event.occurred_on else { return };
    if presumes_life(&event.data) {
        let before = |(root, end): &(Position, PartialDate)| on.certainly_after(*end).then_some(*root);
        found.add_if_any(F::AfterDeath, "/occurred_on", others.deaths.iter().filter_map(before));
        found.add_if_any(F::AfterWithdrawal, "/occurred_on", others.withdrawals.iter().filter_map(before));
    }
    match &event.data {
        Data::Enrollment(data) => enrollment(found, data, &others),
        Data::Infusion(data) => {
            infusion(found, data, on, &others);
            visits_by(found, trial, "/occurred_on", known.first_infusion(), first_with(on, &others), &others);
        }
        Data::Visit(data) => visit(found, trial, data, on, &others),
        Data::Disposition(data) => disposition(found, data, on, &others),
        Data::Screening(data) if data.result != ScreeningResult::Passed => {
            let enrollments = others.enrollments.iter().map(|(root, _)| *root);
            found.add_if_any(F::ScreenFailureEnrolled, "/data/result", enrollments);
        }
        Data::AdverseEvent(_)
        | Data::Contact(_)
        | Data::Screening(_)
        | Data::TrialOpened(_)
        | Data::SiteActivated(_)
        | Data::KeyGranted(_)
        | Data::KeyRevoked(_)
        | Data::ServiceKeyGranted(_)
        | Data::LogKeyChanged(_)
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
        | Data::StatementsSigned(_)
        | Data::SubjectTransferred(_)
        | Data::SubjectsLinked(_)
        | Data::Void => {}
    }
}

/// What no longer goes together once a fact is taken away.
fn without(found: &mut Findings, trial: &Trial, event: &Event, known: &Subject, others: &Subject) {
    match event.kind {
        EventKind::Enrollment if others.enrollments.is_empty() => {
            let infusions = others.infusions.iter().map(|(root, _)| *root);
            found.add_if_any(F::SubjectNotEnrolled, "/amends", infusions);
        }
        EventKind::Infusion => {
            visits_by(found, trial, "/amends", known.first_infusion(), others.first_infusion(), others);
        }
        _ => {}
    }
}

fn enrollment(found: &mut Findings, data: &Enrollment, others: &Subject) {
    let enrollments = others.enrollments.iter().map(|(root, _)| *root);
    found.add_if_any(F::AlreadyEnrolled, "/subject", enrollments);
    found.add_if_any(F::ScreenFailureEnrolled, "/subject", others.screen_failures.iter().copied());
    if let Some(consent) = value(data.consent.as_ref()) {
        let infused = others.infusions.iter();
        let early = infused.filter(|(_, infusion)| infusion.on.certainly_before(consent.signed_on));
        let pointer = "/data/consent/signed_on";
        found.add_if_any(F::InfusionBeforeConsent, pointer, early.map(|(root, _)| *root));
    }
    if let Some(planned) = value(data.planned_infusions.as_ref()) {
        let infused = others.infusions.iter();
        let beyond = infused.filter(|(_, infusion)| infusion.number.is_some_and(|number| number > *planned));
        found.add_if_any(F::InfusionUnplanned, "/data/planned_infusions", beyond.map(|(root, _)| *root));
    }
}

fn infusion(found: &mut Findings, data: &Infusion, on: PartialDate, others: &Subject) {
    found.add_if(others.enrollments.is_empty(), F::SubjectNotEnrolled, "/subject");
    let enrolled = others.enrollments.iter();
    let late =
        enrolled.filter(|(_, facts)| facts.consent_on.is_some_and(|consent| on.certainly_before(consent)));
    found.add_if_any(F::InfusionBeforeConsent, "/occurred_on", late.map(|(root, _)| *root));
    let Some(number) = value(data.number.as_ref()) else { return };
    let repeated = others.infusions.iter().filter(|(_, other)| other.number == Some(*number));
    found.add_if_any(F::InfusionNumberRepeated, "/data/number", repeated.map(|(root, _)| *root));
    let enrolled = others.enrollments.iter();
    let fewer =
        enrolled.filter(|(_, facts)| facts.planned_infusions.is_some_and(|planned| *number > planned));
    found.add_if_any(F::InfusionUnplanned, "/data/number", fewer.map(|(root, _)| *root));
}

fn visit(found: &mut Findings, trial: &Trial, data: &Visit, on: PartialDate, others: &Subject) {
    let planned = data.planned.as_ref().and_then(|name| trial.planned_visit(name));
    let first = others.first_infusion();
    if let (Some(planned), Some(first), Some(day), true) =
        (planned, first.and_then(PartialDate::day), on.day(), data.status != VisitStatus::Missed)
        && is_outside(planned, first, day)
    {
        let infusions =
            others.infusions.iter().filter(|(_, infusion)| Some(infusion.on) == others.first_infusion());
        found.add_if_any(F::VisitOutsideWindow, "/occurred_on", infusions.map(|(root, _)| *root));
    }
}

fn disposition(found: &mut Findings, data: &Disposition, on: PartialDate, others: &Subject) {
    let later = || others.held.iter().filter(|fact| on.latest() < fact.earliest).map(|fact| fact.root);
    match data.reason {
        DispositionReason::Death => {
            found.add_if_any(F::AfterDeath, "/occurred_on", later());
            let deaths = others.deaths.iter().filter(|(_, death)| *death != on);
            found.add_if_any(F::DeathDateDiffers, "/occurred_on", deaths.map(|(root, _)| *root));
        }
        DispositionReason::ScreenFailure => {
            let enrollments = others.enrollments.iter().map(|(root, _)| *root);
            found.add_if_any(F::ScreenFailureEnrolled, "/data/reason", enrollments);
        }
        _ => {}
    }
    if is_withdrawal_from_contact(data) {
        found.add_if_any(F::AfterWithdrawal, "/occurred_on", later());
    }
}

fn first_with(on: PartialDate, others: &Subject) -> Option<PartialDate> {
    first_of(others.first_infusion().into_iter().chain([on]))
}

/// Visits that lie outside their windows by a first infusion of another day than the one they were held against.
fn visits_by(
    found: &mut Findings,
    trial: &Trial,
    pointer: &str,
    before: Option<PartialDate>,
    now: Option<PartialDate>,
    others: &Subject,
) {
    let Some(first) = now.filter(|_| now != before).and_then(PartialDate::day) else { return };
    let outside = |fact: &&HeldFact| {
        let planned = fact.planned.and_then(|place| trial.schedule.get(usize::from(place)));
        planned.is_some_and(|planned| is_outside(planned, first, fact.earliest))
    };
    let visits = others.held.iter().filter(outside).map(|fact| fact.root);
    found.add_if_any(F::VisitOutsideWindow, pointer, visits);
}

fn is_outside(planned: &PlannedVisit, first: Date, on: Date) -> bool {
    let off = i64::from(days_between(first, on)) - i64::from(planned.day);
    off < -i64::from(planned.window_before) || off > i64::from(planned.window_after)
}
