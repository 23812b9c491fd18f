//! A subject's facts, as far as they have happened by the cutoff and lie within the subject's consent.

use std::borrow::Cow;
use std::collections::BTreeSet;

use clinical::data::{
    CellSource, ConsentOccasion, ConsentSignatory, DeviationCategory, DeviationSeverity, DispositionReason,
    DispositionScope, RemissionStatus, ScreeningResult, VisitStatus, VitalStatus, WithdrawalScope,
};
use clinical::definitions::activity::Items;
use clinical::{Date, Decimal, PartialDate};

use crate::followup::Exclusions;
use crate::rows::{Fact, MeasuredRow, Visited, What};
use crate::values::Terms;

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

/// An enrollment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EnrollmentFact {
    /// Day of the consent it rests on.
    pub(crate) consent: Option<PartialDate>,
    /// Infusions of the planned course.
    pub(crate) planned: Option<u16>,
    site: usize,
}

/// An infusion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InfusionFact {
    /// Last day of a dosing period.
    pub(crate) until: Option<PartialDate>,
    pub(crate) source: Option<CellSource>,
}

/// A screening.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ScreeningFact {
    pub(crate) result: ScreeningResult,
    /// Criteria that stood against enrollment.
    pub(crate) not_met: Vec<String>,
    /// Day of the consent it rests on.
    pub(crate) consent: Option<PartialDate>,
}

/// A consent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConsentFact {
    pub(crate) occasion: ConsentOccasion,
    pub(crate) version: String,
    pub(crate) signed_by: Option<ConsentSignatory>,
}

/// What a committee decided, by the definitions' own judgements only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AdjudicationFact {
    pub(crate) landmark_years: Option<u8>,
    pub(crate) response: Option<RemissionStatus>,
    pub(crate) relapsed: Option<bool>,
}

/// A visit, with the definition's own judgements only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VisitFact {
    pub(crate) status: VisitStatus,
    /// Number of the planned visit's name among the terms.
    pub(crate) planned: Option<usize>,
    pub(crate) response: Option<RemissionStatus>,
    pub(crate) relapsed: bool,
    pub(crate) sledai: Option<Items>,
    pub(crate) pga: Option<Decimal>,
    pub(crate) prednisone: Option<Decimal>,
    /// Drugs given at the visit, in lower case.
    pub(crate) medications: BTreeSet<String>,
    /// Number of the term, value, and its day if that is not the visit's.
    pub(crate) measured: Vec<(usize, Decimal, Option<PartialDate>)>,
}

/// Everything known of one subject.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    pub(crate) screenings: Vec<Dated<ScreeningFact>>,
    pub(crate) consents: Vec<Dated<ConsentFact>>,
    pub(crate) enrollments: Vec<Dated<EnrollmentFact>>,
    pub(crate) infusions: Vec<Dated<InfusionFact>>,
    pub(crate) visits: Vec<Dated<VisitFact>>,
    pub(crate) dispositions: Vec<Dated<Disposed>>,
    pub(crate) contacts: Vec<Dated<VitalStatus>>,
    pub(crate) adjudications: Vec<Dated<AdjudicationFact>>,
    pub(crate) transfers: Vec<Dated<()>>,
    pub(crate) deviations: Vec<Dated<(DeviationCategory, DeviationSeverity)>>,
    /// It was assigned to an arm.
    pub(crate) allocated: bool,
    /// The sites of its records.
    sites: Vec<String>,
    /// Position and site of the record with the lowest position.
    first: Option<(u64, usize)>,
}

/// Which definitions' judgements count.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Judged<'a> {
    pub(crate) remission: &'a str,
    pub(crate) relapse: &'a str,
}

impl Facts {
    /// Takes in a row.
    pub(crate) fn add(
        &mut self,
        root: u64,
        fact: Fact<'_>,
        judged: Judged<'_>,
        terms: &mut Terms,
        excluded: &mut Exclusions,
    ) {
        let site = self.site_index(&fact.site);
        if self.first.is_none_or(|(first, _)| root < first) {
            self.first = Some((root, site));
        }
        let latest = fact.latest;
        if latest != root {
            excluded.amended_things += 1;
        }
        match fact.what {
            What::Enrolled { on, consent, planned } => {
                let what = EnrollmentFact { consent, planned, site };
                self.enrollments.push(Dated { on, root, latest, what });
            }
            What::Infused { on, until, source } => {
                self.infusions.push(Dated { on, root, latest, what: InfusionFact { until, source } });
            }
            What::Screened { on, result, not_met, consent } => {
                let not_met = not_met.into_iter().map(Cow::into_owned).collect();
                let what = ScreeningFact { result, not_met, consent };
                self.screenings.push(Dated { on, root, latest, what });
            }
            What::Consented { on, occasion, version, signed_by } => {
                let what = ConsentFact { occasion, version: version.into_owned(), signed_by };
                self.consents.push(Dated { on, root, latest, what });
            }
            What::Adjudicated { on, landmark_years, response, relapse } => {
                let what = AdjudicationFact {
                    landmark_years,
                    response: own_response(response.as_ref(), judged, excluded),
                    relapsed: own_relapse(relapse.as_ref(), judged, excluded),
                };
                self.adjudications.push(Dated { on, root, latest, what });
            }
            What::Transferred { on } => self.transfers.push(Dated { on, root, latest, what: () }),
            What::Deviated { on, category, severity } => {
                self.deviations.push(Dated { on, root, latest, what: (category, severity) });
            }
            What::Allocated => self.allocated = true,
            What::Visited(visit) => {
                excluded.measurements_without_number += u64::from(visit.without_number);
                let mut what = judge(&visit, judged, terms, excluded);
                what.measured.extend(visit.measured.into_iter().map(
                    |MeasuredRow(code, unit, method, value, on)| {
                        let method = (!method.is_empty()).then_some(&*method);
                        (terms.number(&code, method, &unit), value, on)
                    },
                ));
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

    fn site_index(&mut self, site: &str) -> usize {
        self.sites.iter().position(|known| known == site).unwrap_or_else(|| {
            self.sites.push(site.to_owned());
            self.sites.len() - 1
        })
    }

    /// The site where the subject enrolled: whose record the earliest enrollment is. Without one, the site of the
    /// record with the lowest position. A transfer changes neither.
    pub(crate) fn site(&self) -> String {
        let name = |site: usize| self.sites.get(site).cloned().unwrap_or_default();
        let enrolled = self.enrollments.iter().map(|one| (one.on.earliest(), name(one.what.site))).min();
        enrolled.map(|(_, site)| site).or_else(|| self.first.map(|(_, site)| name(site))).unwrap_or_default()
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
        self.adjudications.retain(|one| within(one.on, all_end) && within(one.on, visits_end));
    }

    /// The days on which the subject was certainly alive, each as the first day it can mean, and whether that
    /// completed a partial date. Those after the cutoff are among them: they tell that follow-up reached the cutoff.
    pub(crate) fn alive(&self) -> Vec<(PartialDate, bool)> {
        let mut days: Vec<PartialDate> = Vec::new();
        days.extend(self.enrollments.iter().map(|one| one.on));
        days.extend(self.infusions.iter().flat_map(|one| [Some(one.on), one.what.until]).flatten());
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
        self.screenings.retain(|one| by_then(one.on));
        self.consents.retain(|one| by_then(one.on));
        self.adjudications.retain(|one| by_then(one.on));
        self.transfers.retain(|one| by_then(one.on));
        self.deviations.retain(|one| by_then(one.on));
    }
}

fn judge(visit: &Visited<'_>, judged: Judged<'_>, terms: &mut Terms, excluded: &mut Exclusions) -> VisitFact {
    let response = own_response(visit.response.as_ref(), judged, excluded);
    let relapsed = own_relapse(visit.relapse.as_ref(), judged, excluded);
    VisitFact {
        status: visit.status,
        planned: visit.planned.as_deref().map(|name| terms.visit(name)),
        response,
        relapsed: relapsed == Some(true),
        sledai: visit.sledai,
        pga: visit.pga.clone(),
        prednisone: visit.prednisone.clone(),
        medications: visit.medications.iter().map(|drug| drug.clone().into_owned()).collect(),
        measured: Vec::new(),
    }
}

/// The response, if it was judged by the trial's own definition; counted if not.
fn own_response(
    response: Option<&(Cow<'_, str>, RemissionStatus)>,
    judged: Judged<'_>,
    excluded: &mut Exclusions,
) -> Option<RemissionStatus> {
    let (definition, status) = response?;
    let own = definition == judged.remission;
    excluded.responses_by_other_definitions += u64::from(!own);
    own.then_some(*status)
}

/// Whether it was a relapse, if that was judged by the trial's own definition; counted if not.
fn own_relapse(
    relapse: Option<&(Cow<'_, str>, bool)>,
    judged: Judged<'_>,
    excluded: &mut Exclusions,
) -> Option<bool> {
    let (definition, relapsed) = relapse?;
    let own = definition == judged.relapse;
    excluded.relapses_by_other_definitions += u64::from(!own);
    own.then_some(*relapsed)
}
