//! A subject's course: from when to when followed, and what happened on which day.

use std::collections::{BTreeMap, BTreeSet};

use clinical::data::{
    CellSource, DeviationCategory, DeviationSeverity, DispositionReason, DispositionScope, RemissionStatus,
    ScreeningResult, VisitStatus, VitalStatus, WithdrawalScope,
};
use clinical::date::days_between;
use clinical::definitions::rule::{End, EvaluableRule, Judge};
use clinical::{Date, PartialDate};

use serde::{Deserialize, Serialize};

use crate::computed::{self, Computed, Stated};
use crate::count;
use crate::facts::{Dated, Disposed, Facts};
use crate::flares::{self, Compared};
use crate::followup::Exclusions;
use crate::judgement::{self, Judged, RelapseVerdict, Responses};
use crate::rules::{At, Rules};
use crate::screening::{Consents, Screened};
use crate::values::{self, Measured, Terms};

/// A day on which something happened; `imputed` if a partial date was completed to it (`impute-1`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Happened {
    pub(crate) on: Date,
    pub(crate) imputed: bool,
    /// A committee said so, rather than the site.
    pub(crate) adjudicated: bool,
    /// Positions of the first and the latest version of the record that states it.
    pub(crate) root: u64,
    pub(crate) latest: u64,
}

/// Where a subject stands at the cutoff; each is in exactly one state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Died.
    Died,
    /// Withdrew from all contact or from the study.
    Withdrawn,
    /// Lost to follow-up and not found again.
    Lost,
    /// Completed the study.
    Completed,
    /// Left the study for another reason.
    Discontinued,
    /// In follow-up.
    #[serde(rename = "in_follow_up")]
    Followed,
}

/// Why a subject's times cannot be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unanalysable {
    /// The first infusion has no full date, or a partly dated one may lie before the first fully dated one.
    FirstInfusionPartial,
    /// A death is dated before the first infusion.
    DeathBeforeInfusion,
}

/// A subject as the report sees it.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a statement of its own about the subject")]
pub(crate) struct Course {
    pub(crate) subject: String,
    pub(crate) site: String,
    pub(crate) has_enrollment: bool,
    pub(crate) enrolled_on: Option<Date>,
    /// Its last screening, if one is recorded.
    pub(crate) screening: Option<Screened>,
    pub(crate) consents: Consents,
    pub(crate) screen_failure: bool,
    pub(crate) infused: bool,
    /// It moved to another site; `site` is the one where it enrolled.
    pub(crate) transferred: bool,
    /// It was assigned to an arm.
    pub(crate) allocated: bool,
    /// Infusions of the planned course, as the earliest enrollment that says so has it.
    pub(crate) planned: Option<u16>,
    /// Tissue of the cells, of each infusion that has one.
    pub(crate) sources: Vec<CellSource>,
    /// Full dates of infusions.
    pub(crate) infusions: Vec<Date>,
    pub(crate) deviations: Vec<(DeviationCategory, DeviationSeverity)>,
    /// Day 0 and all that is counted from it; `Err` for the infused whose day 0 is not certain.
    pub(crate) followed: Option<Result<Followed, Unanalysable>>,
    pub(crate) death: Option<Happened>,
    /// Where a death is partly dated: what the analysis of sensitivity makes of it.
    pub(crate) otherwise: Option<Otherwise>,
    /// Last contact or death, not beyond the cutoff.
    pub(crate) end: Date,
    pub(crate) standing: Standing,
    /// A planned visit was missed after the last contact.
    pub(crate) missed_since: bool,
    /// Registered dead by a contact, without a disposition that says so.
    pub(crate) death_unrecorded: bool,
}

/// The end of follow-up in the analysis of sensitivity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Otherwise {
    pub(crate) end: Date,
    /// A death; else it may have been after the cutoff.
    pub(crate) died: bool,
}

/// What is counted from day 0.
#[derive(Debug, Clone)]
pub(crate) struct Followed {
    pub(crate) day_0: Date,
    /// Whole days from day 0 to death, last contact or cutoff.
    pub(crate) days: u32,
    /// The last contact completed a partial date.
    pub(crate) end_imputed: bool,
    /// In the order of their days.
    pub(crate) relapses: Vec<Happened>,
    pub(crate) first_relapse: Option<Happened>,
    /// The first relapse on a later day than a documented response, and the first response.
    pub(crate) relapse_after_response: Option<Happened>,
    pub(crate) responded: bool,
    pub(crate) responses: Responses,
    /// What was judged about relapses, before and after day 0.
    pub(crate) verdicts: Vec<RelapseVerdict>,
    /// By landmark: what the visit nearest to it makes of remission.
    pub(crate) computed: Vec<Option<Computed>>,
    /// Assessments against those before, where the trial says what a flare is.
    pub(crate) compared: Vec<Compared>,
    /// Values of visits that took place, by full dates, until the tables of measurements take them.
    pub(crate) measured: Vec<Measured>,
    /// Days of visits that took place.
    pub(crate) visits: Vec<Date>,
    /// By the name of a planned visit: when its first one took place. Later ones of the name repeat it.
    pub(crate) planned: BTreeMap<usize, PartialDate>,
}

impl Course {
    /// Makes the course of the facts by the cutoff.
    pub(crate) fn new(
        subject: String,
        mut facts: Facts,
        rules: &Rules,
        terms: &Terms,
        excluded: &mut Exclusions,
    ) -> Self {
        let cutoff = rules.cutoff;
        facts.quarantine(cutoff, excluded);
        let alive = facts.alive();
        let death_at = |end| death(&facts, &alive, end, rules.last_record);
        let (death, other) = (death_at(rules.imputation.death), death_at(rules.imputation.death_sensitivity));
        facts.cut(cutoff, excluded);
        let death = death.filter(|death| death.on <= cutoff);
        let other = other.filter(|death| death.on <= cutoff);
        let is_partial = [death, other].into_iter().flatten().any(|death| death.imputed);
        let otherwise = is_partial.then(|| {
            let alive_at = || {
                // Counted once already.
                let (last, _) = last_contact(&alive, None, None, &mut Exclusions::default());
                last.unwrap_or(cutoff).min(cutoff)
            };
            Otherwise { end: other.map_or_else(alive_at, |death| death.on), died: other.is_some() }
        });
        let first = first_infusion(&facts);
        let (last_contact, end_imputed) = last_contact(&alive, death, first.and_then(Result::ok), excluded);
        let enrolled_on = facts.enrollments.iter().map(|one| one.on.earliest()).min();
        let screening = Screened::last(&facts);
        let last_contact = last_contact.unwrap_or(cutoff);
        let end = death.map_or_else(|| last_contact.min(cutoff), |death| death.on);
        let followed = first.map(|day_0| {
            followed(
                &facts,
                day_0?,
                end,
                end_imputed && death.is_none() && last_contact <= cutoff,
                death,
                (rules, terms),
                excluded,
            )
        });
        let screen_failure = screen_failure(&facts, screening.as_ref());
        let missed_since = facts
            .visits
            .iter()
            .any(|one| one.what.status == VisitStatus::Missed && one.on.earliest() > last_contact);
        Self {
            subject,
            site: facts.site(),
            has_enrollment: !facts.enrollments.is_empty(),
            enrolled_on,
            screening,
            consents: Consents::of(&facts),
            screen_failure,
            infused: first.is_some(),
            transferred: !facts.transfers.is_empty(),
            allocated: facts.allocated,
            planned: facts
                .enrollments
                .iter()
                .filter_map(|one| Some((one.on.earliest(), one.what.planned?)))
                .min()
                .map(|(_, planned)| planned),
            sources: facts.infusions.iter().filter_map(|one| one.what.source).collect(),
            infusions: facts.infusions.iter().filter_map(|one| one.on.day()).collect(),
            deviations: facts.deviations.iter().map(|one| one.what).collect(),
            followed,
            death,
            otherwise,
            end,
            standing: standing(&facts, death, &alive),
            missed_since,
            death_unrecorded: death.is_none()
                && facts.contacts.iter().any(|one| one.what == VitalStatus::Dead),
        }
    }

    /// The site enrolled the subject, or treated it without a record of enrollment.
    pub(crate) fn enrolled(&self) -> bool {
        self.infused || (self.has_enrollment && !self.screen_failure)
    }

    /// Anything says that the subject entered screening.
    pub(crate) fn screened(&self) -> bool {
        self.has_enrollment || self.screen_failure || self.infused || self.screening.is_some()
    }

    pub(crate) fn analysable(&self) -> Option<&Followed> {
        self.followed.as_ref().and_then(|followed| followed.as_ref().ok())
    }

    /// `Evaluable(k)` by the trial's rule. A death on the day is a death by then, as on the survival curve.
    pub(crate) fn evaluable(&self, at: At, rules: &Rules) -> bool {
        let rule = rules.evaluable.rule;
        if rule == EvaluableRule::AllInfused {
            return self.infused;
        }
        self.analysable().is_some_and(|followed| {
            let due = at.due(followed.day_0);
            let window = rules.completer_days();
            match rule {
                EvaluableRule::Anniversary => {
                    self.end >= due && self.death.is_none_or(|death| death.on > due)
                }
                EvaluableRule::PotentialFollowUp => due <= rules.cutoff,
                EvaluableRule::VisitCompleter => followed
                    .visits
                    .iter()
                    .any(|on| *on >= followed.day_0 && days_between(due, *on).abs() <= window),
                EvaluableRule::AllInfused => true,
            }
        })
    }
}

/// Screening ended without leave to enroll: by a disposition, unless a later screening was passed, or by the last
/// screening.
fn screen_failure(facts: &Facts, screening: Option<&Screened>) -> bool {
    let passed_on = screening.filter(|last| last.result == ScreeningResult::Passed).map(|last| last.on);
    let by_disposition = facts.dispositions.iter().any(|one| {
        let ends_screening = one.what.reason == DispositionReason::ScreenFailure
            || (one.what.scope == DispositionScope::Screening
                && !matches!(one.what.reason, DispositionReason::Completed | DispositionReason::Death));
        ends_screening && !passed_on.is_some_and(|passed| passed.certainly_after(one.on))
    });
    by_disposition || screening.is_some_and(|last| last.result != ScreeningResult::Passed)
}

/// The death: the earliest of the days stated; of a partial date the first or the last day on which the subject may have
/// died, having been alive as far as is known. None is recorded before it happened.
fn death(facts: &Facts, alive: &[(PartialDate, bool)], end: End, last_record: Date) -> Option<Happened> {
    let deaths = facts.dispositions.iter().filter(|one| one.what.reason == DispositionReason::Death);
    deaths
        .map(|one| {
            let day = || {
                let last_alive =
                    alive.iter().map(|(on, _)| on.earliest()).filter(|day| *day <= one.on.latest()).max();
                let first = last_alive.map_or(one.on.earliest(), |day| day.max(one.on.earliest()));
                match end {
                    End::Earliest => first,
                    End::Latest => one.on.latest().min(last_record).max(first),
                }
            };
            Happened {
                // A full date is the day it says, whatever contact is recorded after it.
                on: one.on.day().unwrap_or_else(day),
                imputed: one.on.day().is_none(),
                adjudicated: false,
                root: one.root,
                latest: one.latest,
            }
        })
        .min_by_key(|death| (death.on, death.imputed, death.root))
}

/// The first infusion, if it is certain which one it was and on which day.
fn first_infusion(facts: &Facts) -> Option<Result<Date, Unanalysable>> {
    let first =
        facts.infusions.iter().map(|one| one.on).min_by_key(|on| (on.earliest(), on.day().is_none()))?;
    Some(first.day().ok_or(Unanalysable::FirstInfusionPartial))
}

/// The last day certainly alive, not after a death, and whether it completed a partial date.
fn last_contact(
    alive: &[(PartialDate, bool)],
    death: Option<Happened>,
    day_0: Option<Date>,
    excluded: &mut Exclusions,
) -> (Option<Date>, bool) {
    let by_death = |on: PartialDate| death.is_none_or(|death| on.earliest() <= death.on);
    excluded.contacts_after_death += alive.iter().filter(|(on, _)| !by_death(*on)).count() as u64;
    let last =
        alive.iter().filter(|(on, _)| by_death(*on)).map(|(on, imputed)| (on.earliest(), !imputed)).max();
    match (last, day_0) {
        // A partial date that may mean a day before day 0 says no more than day 0 itself.
        (Some((last, _)), Some(day_0)) if last < day_0 => (Some(day_0), false),
        (Some((last, exact)), _) => (Some(last), !exact),
        (None, day_0) => (day_0, false),
    }
}

fn followed(
    facts: &Facts,
    day_0: Date,
    end: Date,
    end_imputed: bool,
    death: Option<Happened>,
    (rules, terms): (&Rules, &Terms),
    excluded: &mut Exclusions,
) -> Result<Followed, Unanalysable> {
    let days = u32::try_from(days_between(day_0, end)).map_err(|_| Unanalysable::DeathBeforeInfusion)?;
    let mut relapses = relapses(facts, day_0, end, death, rules, excluded);
    let mut responses = Responses { committee: Responses::committee(facts, day_0), ..Responses::default() };
    excluded.judgements_without_day +=
        count(&responses.committee, |one| one.on.day().is_none() && one.years.is_none());
    let (mut visits, mut planned) = (Vec::new(), BTreeMap::new());
    let mut measured = Vec::new();
    for visit in &facts.visits {
        if visit.what.status == VisitStatus::Missed {
            let judged = visit.what.relapsed
                || visit.what.response.is_some()
                || visit.what.sledai.is_some()
                || visit.what.pga.is_some()
                || visit.what.prednisone.is_some()
                || !visit.what.measured.is_empty();
            excluded.judgements_of_missed_visits += u64::from(judged);
            continue;
        }
        if let Some(name) = visit.what.planned {
            let first = planned.entry(name).or_insert(visit.on);
            if (visit.on.earliest(), visit.on.latest()) < (first.earliest(), first.latest()) {
                *first = visit.on;
            }
        }
        measured.extend(values::values(visit, rules.cutoff, terms.own, excluded));
        let Some(day) = visit.on.day() else {
            // Neither an anniversary nor a planned day can be compared with a month.
            excluded.judgements_without_day +=
                u64::from(visit.what.response.is_some()) + u64::from(visit.what.sledai.is_some());
            continue;
        };
        visits.push(day);
        let response = visit.what.response.filter(|_| day >= day_0);
        let stated = Stated { first_seq: visit.root, latest_seq: visit.latest };
        responses.investigator.extend(response.map(|status| Judged { on: day, status, stated }));
        let relapsed = || relapses.iter().any(|relapse| relapse.on == day && !relapse.imputed);
        if response.is_none() && relapsed() {
            responses.relapsed.push(Judged { on: day, status: RemissionStatus::None, stated });
        }
    }
    // Who judged the day, at that visit or another of it, has said what it was.
    let judged: BTreeSet<Date> = responses.counting().map(|(one, _)| one.on).collect();
    responses.relapsed.retain(|one| !judged.contains(&one.on));
    let first_response = responses
        .counting()
        .filter(|(one, _)| matches!(one.status, RemissionStatus::Complete | RemissionStatus::Partial))
        .map(|(one, _)| one.on)
        .min();
    if rules.relapse.prior_response {
        let recorded = relapses.len();
        relapses.retain(|relapse| first_response.is_some_and(|response| relapse.on > response));
        excluded.relapses_without_response += (recorded - relapses.len()) as u64;
    }
    Ok(Followed {
        day_0,
        days,
        end_imputed,
        first_relapse: relapses.first().copied(),
        relapse_after_response: first_response
            .and_then(|response| relapses.iter().copied().find(|relapse| relapse.on > response)),
        responded: first_response.is_some(),
        relapses,
        responses,
        verdicts: judgement::relapses(facts, &[Judge::Investigator, Judge::Adjudication]),
        compared: rules
            .flare
            .as_ref()
            .map_or_else(Vec::new, |rule| flares::compared(facts, day_0, rule, terms)),
        computed: rules.marks.iter().map(|mark| computed::at(facts, mark.at, day_0, rules, terms)).collect(),
        measured,
        visits,
        planned,
    })
}

/// The relapses from day 0 on, as those judge who may, in the order of their days.
fn relapses(
    facts: &Facts,
    day_0: Date,
    end: Date,
    death: Option<Happened>,
    rules: &Rules,
    excluded: &mut Exclusions,
) -> Vec<Happened> {
    let may = |judge| rules.relapse.judged_by.contains(&judge);
    if !may(Judge::Investigator) {
        excluded.relapses_by_other_judges += count(&facts.visits, |visit| visit.what.relapsed);
    }
    if !may(Judge::Adjudication) {
        excluded.relapses_by_other_judges += count(&facts.adjudications, |one| one.what.relapsed.is_some());
    }
    let verdicts = judgement::relapses(facts, &rules.relapse.judged_by);
    let mut relapses = Vec::new();
    for verdict in verdicts.iter().filter(|verdict| verdict.relapsed) {
        match relapse(verdict.on, day_0, end, rules.imputation.relapse) {
            // Not one after treatment: the reason for it, rather.
            None => excluded.relapses_before_infusion += 1,
            Some(on) if death.is_some_and(|death| on > death.on) => excluded.relapses_after_death += 1,
            Some(on) => relapses.push(Happened {
                on,
                imputed: verdict.on.day().is_none(),
                adjudicated: verdict.adjudicated,
                root: verdict.root,
                latest: verdict.latest,
            }),
        }
    }
    // Positions last: of two alike it must not matter which was recorded first.
    relapses.sort_by_key(|relapse| (relapse.on, relapse.imputed, !relapse.adjudicated, relapse.root));
    relapses
}

/// The day of a relapse: the first it can mean from day 0 on, or the last up to the end of follow-up; `None` if it was
/// certainly before.
fn relapse(on: PartialDate, day_0: Date, end: Date, imputed: End) -> Option<Date> {
    let first = on.earliest().max(day_0);
    let day = match imputed {
        End::Earliest => first,
        End::Latest => on.latest().min(end).max(first),
    };
    (on.latest() >= day_0).then_some(day)
}

fn standing(facts: &Facts, death: Option<Happened>, alive: &[(PartialDate, bool)]) -> Standing {
    if death.is_some() {
        return Standing::Died;
    }
    let ends_study = |one: &&Dated<Disposed>| {
        let partly = matches!(
            one.what.withdrawal,
            Some(WithdrawalScope::Treatment | WithdrawalScope::Samples | WithdrawalScope::Visits)
        );
        one.what.reason != DispositionReason::Death
            && (one.what.withdrawal == Some(WithdrawalScope::AllContact)
                || (one.what.scope == DispositionScope::Study && !partly))
    };
    let last = facts
        .dispositions
        .iter()
        .filter(ends_study)
        .max_by_key(|one| (one.on.latest(), one.on.earliest(), one.what.reason));
    match last {
        // The lost may return.
        Some(last)
            if last.what.withdrawal != Some(WithdrawalScope::AllContact)
                && alive.iter().any(|(on, _)| on.certainly_after(last.on)) =>
        {
            Standing::Followed
        }
        Some(last) => match last.what.reason {
            _ if last.what.withdrawal == Some(WithdrawalScope::AllContact) => Standing::Withdrawn,
            DispositionReason::WithdrawalBySubject => Standing::Withdrawn,
            DispositionReason::LostToFollowUp => Standing::Lost,
            DispositionReason::Completed => Standing::Completed,
            _ => Standing::Discontinued,
        },
        None => Standing::Followed,
    }
}
