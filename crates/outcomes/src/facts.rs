//! A subject's facts, as far as they have happened by the cutoff and lie within the subject's consent.

use clinical::data::{
    DispositionReason, DispositionScope, RemissionStatus, VisitStatus, VitalStatus, WithdrawalScope,
};
use clinical::{Date, PartialDate};

use crate::followup::Exclusions;
use crate::rows::{Fact, Visited, What};

/// A thing's dated statement, with the positions of its first and latest version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dated<T> {
    pub(crate) on: PartialDate,
    pub(crate) root: u64,
    pub(crate) latest: u64,
    pub(crate) what: T,
}

/// A disposition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Disposed {
    pub(crate) reason: DispositionReason,
    pub(crate) scope: DispositionScope,
    pub(crate) withdrawal: Option<WithdrawalScope>,
}

/// A visit, with the definition's own judgements only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VisitFact {
    pub(crate) status: VisitStatus,
    pub(crate) planned: Option<String>,
    pub(crate) response: Option<RemissionStatus>,
    pub(crate) relapsed: bool,
    pub(crate) sledai: Option<(u16, u16)>,
}

/// Everything known of one subject.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    pub(crate) enrollments: Vec<Dated<()>>,
    /// With the last day of a dosing period.
    pub(crate) infusions: Vec<Dated<Option<PartialDate>>>,
    pub(crate) visits: Vec<Dated<VisitFact>>,
    pub(crate) dispositions: Vec<Dated<Disposed>>,
    pub(crate) contacts: Vec<Dated<VitalStatus>>,
    /// The site of the record with the lowest position.
    pub(crate) site: String,
    first_root: Option<u64>,
}

/// Which definitions' judgements count.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Judged<'a> {
    pub(crate) remission: &'a str,
    pub(crate) relapse: &'a str,
}

impl Facts {
    /// Takes in a row.
    pub(crate) fn add(&mut self, root: u64, fact: Fact<'_>, judged: Judged<'_>, excluded: &mut Exclusions) {
        if self.first_root.is_none_or(|first| root < first) {
            self.first_root = Some(root);
            self.site = fact.site.into_owned();
        }
        let latest = fact.latest;
        if latest != root {
            excluded.amended_things += 1;
        }
        match fact.what {
            What::Enrolled { on } => self.enrollments.push(Dated { on, root, latest, what: () }),
            What::Infused { on, until } => self.infusions.push(Dated { on, root, latest, what: until }),
            What::Visited(visit) => {
                let what = judge(&visit, judged, excluded);
                self.visits.push(Dated { on: visit.on, root, latest, what });
            }
            What::Disposed { on, reason, scope, withdrawal } => {
                let what = Disposed { reason, scope, withdrawal };
                self.dispositions.push(Dated { on, root, latest, what });
            }
            What::Contacted { on, vital } => self.contacts.push(Dated { on, root, latest, what: vital }),
            What::Void { .. } => excluded.voided_things += 1,
        }
    }

    /// Sets aside what was recorded outside the scope of a withdrawal that had happened by the cutoff.
    pub(crate) fn quarantine(&mut self, cutoff: Date, excluded: &mut Exclusions) {
        let bound = |scope: WithdrawalScope, dispositions: &[Dated<Disposed>]| {
            dispositions
                .iter()
                .filter(|one| one.what.withdrawal == Some(scope) && one.on.earliest() <= cutoff)
                .map(|one| one.on)
                .min_by_key(|on| (on.latest(), on.earliest()))
        };
        let visits_end = bound(WithdrawalScope::Visits, &self.dispositions);
        let all_end = bound(WithdrawalScope::AllContact, &self.dispositions);
        let count = &mut excluded.outside_consent;
        let mut within = |on: PartialDate, end: Option<PartialDate>| {
            let within = !end.is_some_and(|end| on.certainly_after(end));
            *count += u64::from(!within);
            within
        };
        self.visits.retain(|one| within(one.on, all_end) && within(one.on, visits_end));
        self.infusions.retain(|one| within(one.on, all_end));
        self.dispositions.retain(|one| within(one.on, all_end));
        self.contacts.retain(|one| within(one.on, all_end));
    }

    /// The days on which the subject was certainly alive, each as the first day it can mean, and whether that
    /// completed a partial date. Those after the cutoff are among them: they tell that follow-up reached the cutoff.
    pub(crate) fn alive(&self) -> Vec<(PartialDate, bool)> {
        let mut days: Vec<PartialDate> = Vec::new();
        days.extend(self.enrollments.iter().map(|one| one.on));
        days.extend(self.infusions.iter().flat_map(|one| [Some(one.on), one.what]).flatten());
        days.extend(
            self.visits.iter().filter(|one| one.what.status != VisitStatus::Missed).map(|one| one.on),
        );
        days.extend(self.contacts.iter().filter(|one| one.what == VitalStatus::Alive).map(|one| one.on));
        days.extend(
            self.dispositions
                .iter()
                // Who is lost was by definition not met that day.
                .filter(|one| {
                    !matches!(one.what.reason, DispositionReason::Death | DispositionReason::LostToFollowUp)
                })
                .map(|one| one.on),
        );
        days.into_iter().map(|on| (on, on.day().is_none())).collect()
    }

    /// Removes what certainly had not happened by the cutoff, counting it.
    pub(crate) fn cut(&mut self, cutoff: Date, excluded: &mut Exclusions) {
        let count = &mut excluded.after_cutoff;
        let mut by_then = |on: PartialDate| {
            let by_then = on.earliest() <= cutoff;
            *count += u64::from(!by_then);
            by_then
        };
        self.enrollments.retain(|one| by_then(one.on));
        self.infusions.retain(|one| by_then(one.on));
        self.visits.retain(|one| by_then(one.on));
        self.dispositions.retain(|one| by_then(one.on));
        self.contacts.retain(|one| by_then(one.on));
    }
}

fn judge(visit: &Visited<'_>, judged: Judged<'_>, excluded: &mut Exclusions) -> VisitFact {
    let response = visit.response.as_ref().filter(|(definition, _)| {
        let same = definition == judged.remission;
        excluded.responses_by_other_definitions += u64::from(!same);
        same
    });
    let relapse = visit.relapse.as_ref().filter(|(definition, _)| {
        let same = definition == judged.relapse;
        excluded.relapses_by_other_definitions += u64::from(!same);
        same
    });
    VisitFact {
        status: visit.status,
        planned: visit.planned.as_deref().map(str::to_owned),
        response: response.map(|(_, status)| *status),
        relapsed: relapse.is_some_and(|(_, relapsed)| *relapsed),
        sledai: visit.sledai,
    }
}
