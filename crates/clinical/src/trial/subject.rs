//! What admission needs to know of a subject, so that facts which do not go together are found whichever of them is
//! recorded last.

use chain::Position;

use crate::data::{
    Data, Disposition, DispositionReason, DispositionScope, PlannedVisit, ScreeningResult, Visit,
    VisitStatus, VitalStatus, WithdrawalScope,
};
use crate::date::{Date, PartialDate};
use crate::event::Event;
use crate::id::SiteId;
use crate::stated::value;
use crate::summary::SubjectStatus;

/// Most facts held of a subject beside those that have a list of their own. At 16 bytes each they take half of the
/// 1 KiB that a verifier may use for a subject.
pub const FACTS_HELD_MAX: usize = 32;

/// What admission needs to know of a subject. Each fact keeps the position of its thing's first record, so that an
/// amendment finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The site it belongs to now.
    pub site: SiteId,
    /// Its moves from one site to another, in the order of recording.
    pub transfers: Vec<Transfer>,
    /// Enrollments: consent date and planned infusions.
    pub enrollments: Vec<(Position, EnrollmentFacts)>,
    /// Infusions: number and start.
    pub infusions: Vec<(Position, InfusionFacts)>,
    /// Deaths.
    pub deaths: Vec<(Position, PartialDate)>,
    /// Withdrawals from all contact.
    pub withdrawals: Vec<(Position, PartialDate)>,
    /// Screen failures.
    pub screen_failures: Vec<Position>,
    /// Other dispositions by which the subject left the study alive.
    pub left: Vec<Position>,
    /// The facts that a death, a withdrawal or a first infusion may contradict when it is recorded after them: those
    /// with the latest first day, [`FACTS_HELD_MAX`] at most. In no order.
    pub held: Vec<HeldFact>,
}

/// A subject's move to another site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    /// The first record of its thing.
    pub root: Position,
    /// The site it left.
    pub from: SiteId,
}

/// What admission needs of an enrollment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EnrollmentFacts {
    /// Day of enrollment.
    pub on: PartialDate,
    /// Day of consent.
    pub consent_on: Option<PartialDate>,
    /// Infusions of the planned course.
    pub planned_infusions: Option<u16>,
}

/// What admission needs of an infusion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InfusionFacts {
    /// Day it started.
    pub on: PartialDate,
    /// Number in the course.
    pub number: Option<u16>,
}

/// A fact that was met with a living subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldFact {
    /// The first record of its thing.
    pub root: Position,
    /// First day it can have happened on.
    pub earliest: Date,
    /// For a visit of the schedule that took place on a known day: its place in the schedule, from 0.
    pub planned: Option<u16>,
}

/// Whether a fact of this kind, on its day, presumes that the subject lived and was in contact. What was missed did not
/// take place, and whoever is dead is reported so by others.
pub(crate) fn presumes_life(data: &Data) -> bool {
    match data {
        Data::Enrollment(_)
        | Data::Infusion(_)
        | Data::AdverseEvent(_)
        | Data::Screening(_)
        | Data::Consent(_)
        | Data::SubjectTransferred(_) => true,
        Data::Visit(data) => data.status != VisitStatus::Missed,
        Data::Disposition(data) => data.reason != DispositionReason::Death,
        Data::Contact(data) => data.vital_status != VitalStatus::Dead,
        Data::TrialOpened(_)
        | Data::SiteActivated(_)
        | Data::KeyGranted(_)
        | Data::KeyRevoked(_)
        | Data::ServiceKeyGranted(_)
        | Data::LogKeyChanged(_)
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
        | Data::SubjectsLinked(_)
        | Data::Void => false,
    }
}

/// Whether a subject withdraws from all contact by it. The dead withdraw from nothing.
pub(crate) fn is_withdrawal_from_contact(data: &Disposition) -> bool {
    data.reason != DispositionReason::Death
        && value(data.withdrawal.as_ref()) == Some(&WithdrawalScope::AllContact)
}

/// Adds to a list that mostly stays at one item, without room for four.
fn push<T>(list: &mut Vec<T>, item: T) {
    if list.len() == list.capacity() {
        list.reserve_exact(1 + list.len() / 2);
    }
    list.push(item);
}

impl Subject {
    /// A subject of that site of whom nothing is known yet.
    pub fn new(site: SiteId) -> Self {
        Self {
            site,
            transfers: Vec::new(),
            enrollments: Vec::new(),
            infusions: Vec::new(),
            deaths: Vec::new(),
            withdrawals: Vec::new(),
            screen_failures: Vec::new(),
            left: Vec::new(),
            held: Vec::new(),
        }
    }

    /// The day of the first infusion, as far as it is known: of two that can have been equally early, the one whose day
    /// is known.
    pub fn first_infusion(&self) -> Option<PartialDate> {
        first_of(self.infusions.iter().map(|(_, infusion)| infusion.on))
    }

    /// Whether it has moved from one site to another.
    pub fn is_transferred(&self) -> bool {
        !self.transfers.is_empty()
    }

    /// Where the subject stands by what is on record, amendments included.
    pub fn status(&self) -> SubjectStatus {
        if !self.deaths.is_empty() {
            SubjectStatus::Dead
        } else if !self.left.is_empty() {
            SubjectStatus::Left
        } else if !self.infusions.is_empty() {
            SubjectStatus::Treated
        } else if !self.enrollments.is_empty() {
            SubjectStatus::Enrolled
        } else if self.screen_failures.is_empty() {
            SubjectStatus::InScreening
        } else {
            SubjectStatus::ScreenFailure
        }
    }

    /// Removes what the thing that began at `root` stated.
    pub(crate) fn retract(&mut self, root: Position) {
        // Who did not leave a site is where the move after it began, or at that site still.
        if let Some(place) = self.transfers.iter().position(|transfer| transfer.root == root) {
            let from = self.transfers.remove(place).from;
            match self.transfers.get_mut(place) {
                Some(next) => next.from = from,
                None => self.site = from,
            }
        }
        self.enrollments.retain(|(at, _)| *at != root);
        self.infusions.retain(|(at, _)| *at != root);
        self.deaths.retain(|(at, _)| *at != root);
        self.withdrawals.retain(|(at, _)| *at != root);
        self.screen_failures.retain(|at| *at != root);
        self.left.retain(|at| *at != root);
        self.held.retain(|fact| fact.root != root);
    }

    /// Takes in what the event states about the thing that began at `root`.
    pub(super) fn state(&mut self, root: Position, event: &Event, schedule: &[PlannedVisit]) {
        let Some(on) = event.occurred_on else { return };
        let mut planned = None;
        match &event.data {
            Data::Enrollment(data) => {
                let facts = EnrollmentFacts {
                    on,
                    consent_on: value(data.consent.as_ref()).map(|consent| consent.signed_on),
                    planned_infusions: value(data.planned_infusions.as_ref()).copied(),
                };
                push(&mut self.enrollments, (root, facts));
            }
            Data::Infusion(data) => {
                let number = value(data.number.as_ref()).copied();
                push(&mut self.infusions, (root, InfusionFacts { on, number }));
            }
            Data::Screening(data) if data.result != ScreeningResult::Passed => {
                push(&mut self.screen_failures, root);
            }
            Data::Screening(_) => {}
            Data::SubjectTransferred(data) => {
                let transfer = Transfer { root, from: self.site.clone() };
                self.site = data.to.clone();
                push(&mut self.transfers, transfer);
            }
            Data::Visit(data) => planned = on.day().and_then(|_| place_in(schedule, data)),
            Data::Disposition(data) => {
                match data.reason {
                    DispositionReason::Death => push(&mut self.deaths, (root, on)),
                    DispositionReason::ScreenFailure => push(&mut self.screen_failures, root),
                    _ if data.scope == DispositionScope::Study => push(&mut self.left, root),
                    _ => {}
                }
                if is_withdrawal_from_contact(data) {
                    push(&mut self.withdrawals, (root, on));
                }
            }
            Data::AdverseEvent(_)
            | Data::Contact(_)
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
            | Data::SubjectsLinked(_)
            | Data::Void => {}
        }
        if presumes_life(&event.data) {
            self.hold(HeldFact { root, earliest: on.earliest(), planned });
        }
    }

    /// Holds a fact, and where there are too many lets go of the one with the earliest first day, of several the one
    /// recorded first.
    fn hold(&mut self, fact: HeldFact) {
        if self.held.len() < FACTS_HELD_MAX {
            if self.held.len() == self.held.capacity() {
                self.held.reserve_exact(8);
            }
            self.held.push(fact);
            return;
        }
        let order = |fact: &HeldFact| (fact.earliest, fact.root);
        if let Some(first) = self.held.iter_mut().min_by_key(|held| order(held))
            && order(first) < order(&fact)
        {
            *first = fact;
        }
    }
}

/// The first of some days: by the first day each can mean, of equal ones the one that is known.
pub(crate) fn first_of(days: impl Iterator<Item = PartialDate>) -> Option<PartialDate> {
    days.min_by_key(|on| (on.earliest(), on.day().is_none()))
}

/// Where in the schedule a visit stands that took place.
fn place_in(schedule: &[PlannedVisit], visit: &Visit) -> Option<u16> {
    let name = visit.planned.as_ref().filter(|_| visit.status != VisitStatus::Missed)?;
    let place = schedule.iter().position(|planned| planned.name == *name)?;
    // An opening of 64,000 bytes has no more planned visits than that.
    u16::try_from(place).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fact(root: u64, day: &str) -> HeldFact {
        let earliest = day.parse::<PartialDate>().unwrap().earliest();
        HeldFact { root: Position(root), earliest, planned: None }
    }

    #[test]
    fn of_too_many_facts_those_with_the_earliest_days_are_let_go() {
        let mut subject = Subject::new("A".parse().unwrap());
        for root in 0..40 {
            subject.hold(fact(root, if root % 2 == 0 { "2008-01-01" } else { "2009-01-01" }));
        }
        let mut roots: Vec<u64> = subject.held.iter().map(|fact| fact.root.0).collect();
        roots.sort_unstable();
        let due = (0..40).filter(|root| root % 2 == 1 || *root >= 16);
        assert_eq!(roots, due.collect::<Vec<_>>());
        subject.hold(fact(41, "2007"));
        assert!(!subject.held.contains(&fact(41, "2007")));
        assert_eq!((subject.held.len(), subject.held.capacity()), (FACTS_HELD_MAX, FACTS_HELD_MAX));
    }

    #[test]
    fn a_held_fact_takes_sixteen_bytes() {
        assert_eq!(size_of::<HeldFact>(), 16);
    }

    #[test]
    fn the_first_infusion_does_not_depend_on_the_order_of_recording() {
        let date = |text: &str| text.parse::<PartialDate>().unwrap();
        let days = [date("2008-01"), date("2008-01-01"), date("2008-02-01")];
        let backwards = days.iter().rev().copied();
        assert_eq!(first_of(days.into_iter()), Some(date("2008-01-01")));
        assert_eq!(first_of(backwards), Some(date("2008-01-01")));
    }
}
