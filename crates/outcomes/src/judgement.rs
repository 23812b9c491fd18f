//! Whose judgement counts: a committee's, where there is one for that day or landmark; else the investigator's.

use std::collections::BTreeMap;

use clinical::data::{RemissionStatus, VisitStatus};
use clinical::date::days_between;
use clinical::definitions::rule::Judge;
use clinical::{Date, PartialDate};
use serde::{Deserialize, Serialize};

use crate::computed::Stated;
use crate::count;
use crate::course::Course;
use crate::facts::{Dated, Facts};
use crate::rules::{At, Rules};

/// What committees judged, and where the investigators had judged otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdjudicationSection {
    /// The population.
    pub population: String,
    /// Subjects of whom anything was adjudicated.
    pub subjects: u64,
    /// Responses adjudicated by the trial's definition of remission.
    pub responses: u64,
    /// Relapses adjudicated, to be one or none, by the trial's definition of relapse.
    pub relapses: u64,
    /// Each that is not what the investigator judged.
    pub differences: Vec<JudgementDifference>,
}

/// A judgement of the committee that is not the investigator's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JudgementDifference {
    /// The subject.
    pub subject: String,
    /// Its site.
    pub site: String,
    /// `remission.year_1` and so on, `response` of a day, or `relapse`.
    pub endpoint: String,
    /// The day judged, as far as stated.
    pub on: String,
    /// What the investigator judged; `not_judged` if nothing.
    pub investigator: String,
    /// What the committee judged: it counts.
    pub adjudicated: String,
    /// Position of the record that first stated the adjudication.
    pub first_seq: u64,
    /// Position of its latest version.
    pub latest_seq: u64,
}

/// Responses of a subject, the investigator's and the committee's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Responses {
    /// The investigators', from day 0 on, by full dates.
    pub(crate) investigator: Vec<Judged>,
    pub(crate) committee: Vec<Adjudicated>,
    /// Visits at which the disease relapsed and of whose day no response is judged.
    pub(crate) relapsed: Vec<Judged>,
}

/// A response on a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Judged {
    pub(crate) on: Date,
    pub(crate) status: RemissionStatus,
    pub(crate) stated: Stated,
}

/// A response that a committee judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Adjudicated {
    pub(crate) on: PartialDate,
    /// The year whose landmark it is for.
    pub(crate) years: Option<u8>,
    pub(crate) status: RemissionStatus,
    stated: Stated,
}

/// A status at a landmark, and whether a committee judged it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AtLandmark {
    pub(crate) status: RemissionStatus,
    pub(crate) adjudicated: bool,
    pub(crate) stated: Stated,
}

/// The less favourable first, so that of two it does not matter which was recorded first.
pub(crate) fn favour(status: RemissionStatus) -> u8 {
    match status {
        RemissionStatus::NotDeterminable => 0,
        RemissionStatus::None => 1,
        RemissionStatus::Partial => 2,
        RemissionStatus::Complete => 3,
    }
}

impl Responses {
    /// The committee's responses from day 0 on. One that has neither a full date nor a landmark cannot be placed.
    pub(crate) fn committee(facts: &Facts, day_0: Date) -> Vec<Adjudicated> {
        let judged = facts.adjudications.iter().filter_map(|one| {
            Some(Adjudicated {
                on: one.on,
                years: one.what.landmark_years,
                status: one.what.response?,
                stated: Stated { first_seq: one.root, latest_seq: one.latest },
            })
        });
        judged.filter(|one| one.on.latest() >= day_0).collect()
    }

    /// Nobody judged.
    pub(crate) fn is_empty(&self) -> bool {
        self.investigator.is_empty() && self.committee.is_empty()
    }

    /// The status at a landmark, which is `due`: what the committee judged for it; else the judgement nearest to
    /// the day, of two as near the later, of one day the committee's. A relapse is a judgement that there is no remission.
    pub(crate) fn at(&self, at: At, due: Date, window_days: i32) -> Option<AtLandmark> {
        let for_it =
            self.committee.iter().filter(|one| one.years.is_some_and(|years| At::Years(years.into()) == at));
        let latest = for_it
            .max_by_key(|one| (one.on.latest(), one.on.earliest(), u8::MAX - favour(one.status)))
            .map(|one| AtLandmark { status: one.status, adjudicated: true, stated: one.stated });
        latest.or_else(|| nearest(due, window_days, self.counting().chain(self.of_relapses())))
    }

    /// As [`Responses::at`], of the investigators' judgements only.
    fn investigator_at(&self, due: Date, window_days: i32) -> Option<RemissionStatus> {
        let judged = self.investigator.iter().map(|one| (*one, false));
        nearest(due, window_days, judged.chain(self.of_relapses())).map(|found| found.status)
    }

    fn of_relapses(&self) -> impl Iterator<Item = (Judged, bool)> {
        self.relapsed.iter().map(|one| (*one, false))
    }

    /// Each judgement with its day and whether a committee's: of a day with one of these, no other.
    pub(crate) fn counting(&self) -> impl Iterator<Item = (Judged, bool)> {
        let committee = || self.committee.iter().filter_map(|one| Some((one.on.day()?, one)));
        let investigator = self
            .investigator
            .iter()
            .filter(move |one| !committee().any(|(day, _)| day == one.on))
            .map(|one| (*one, false));
        let judged = |(on, one): (Date, &Adjudicated)| Judged { on, status: one.status, stated: one.stated };
        investigator.chain(committee().map(move |one| (judged(one), true)))
    }

    fn differences(&self, course: &Course, day_0: Date, window_days: i32) -> Vec<JudgementDifference> {
        let of_day = |on: PartialDate| {
            let judged = self.investigator.iter().filter(|one| on.day() == Some(one.on));
            judged.map(|one| one.status).min_by_key(|status| favour(*status))
        };
        let differing = self.committee.iter().filter_map(|one| {
            let (endpoint, investigator) = match one.years {
                Some(years) => {
                    let at = At::Years(years.into());
                    let judged = self.investigator_at(at.due(day_0), window_days);
                    (format!("remission.{}", at.id()), judged)
                }
                None => ("response".to_owned(), of_day(one.on)),
            };
            (investigator != Some(one.status)).then(|| JudgementDifference {
                subject: course.subject.clone(),
                site: course.site.clone(),
                endpoint,
                on: one.on.to_string(),
                investigator: investigator.map_or("not_judged", name).to_owned(),
                adjudicated: name(one.status).to_owned(),
                first_seq: one.stated.first_seq,
                latest_seq: one.stated.latest_seq,
            })
        });
        differing.collect()
    }
}

/// Of judgements of one day the less favourable.
fn nearest(due: Date, window_days: i32, judged: impl Iterator<Item = (Judged, bool)>) -> Option<AtLandmark> {
    judged
        .map(|(one, adjudicated)| (days_between(due, one.on), one, adjudicated))
        .filter(|(offset, ..)| offset.abs() <= window_days)
        .min_by_key(|(offset, one, _)| (offset.abs(), *offset < 0, favour(one.status), one.stated.first_seq))
        .map(|(_, one, adjudicated)| AtLandmark { status: one.status, adjudicated, stated: one.stated })
}

pub(crate) fn name(status: RemissionStatus) -> &'static str {
    match status {
        RemissionStatus::NotDeterminable => "not_determinable",
        RemissionStatus::None => "none",
        RemissionStatus::Partial => "partial",
        RemissionStatus::Complete => "complete",
    }
}

/// A relapse, or a day that is judged to be none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RelapseVerdict {
    pub(crate) on: PartialDate,
    pub(crate) relapsed: bool,
    /// The committee's word; else the investigator's.
    pub(crate) adjudicated: bool,
    /// Whether the investigator called it a relapse.
    investigator: bool,
    pub(crate) root: u64,
    pub(crate) latest: u64,
}

/// Relapses of visits that took place and of adjudications, of those who may judge: of a date with an adjudication, no
/// other. Where two of them disagree about a date, it is a relapse.
pub(crate) fn relapses(facts: &Facts, judges: &[Judge]) -> Vec<RelapseVerdict> {
    let may = |judge| judges.contains(&judge);
    let mut committee: BTreeMap<String, Dated<bool>> = BTreeMap::new();
    for one in facts.adjudications.iter().filter(|_| may(Judge::Adjudication)) {
        let Some(relapsed) = one.what.relapsed else { continue };
        let verdict = Dated { on: one.on, root: one.root, latest: one.latest, what: relapsed };
        committee
            .entry(one.on.to_string())
            .and_modify(|known| {
                if (relapsed, known.root) > (known.what, one.root) {
                    *known = verdict;
                }
            })
            .or_insert(verdict);
    }
    let visits =
        || facts.visits.iter().filter(|one| one.what.relapsed && one.what.status != VisitStatus::Missed);
    let mut verdicts: Vec<RelapseVerdict> = committee
        .values()
        .map(|one| RelapseVerdict {
            on: one.on,
            relapsed: one.what,
            adjudicated: true,
            investigator: visits().any(|visit| visit.on == one.on),
            root: one.root,
            latest: one.latest,
        })
        .collect();
    let undecided =
        visits().filter(|one| may(Judge::Investigator) && !committee.contains_key(&one.on.to_string()));
    verdicts.extend(undecided.map(|one| RelapseVerdict {
        on: one.on,
        relapsed: true,
        adjudicated: false,
        investigator: true,
        root: one.root,
        latest: one.latest,
    }));
    verdicts
}

fn relapse_differences(course: &Course, verdicts: &[RelapseVerdict]) -> Vec<JudgementDifference> {
    let word = |relapsed: bool| if relapsed { "relapse" } else { "no_relapse" };
    let differing = verdicts.iter().filter(|one| one.adjudicated && one.relapsed != one.investigator);
    differing
        .map(|one| JudgementDifference {
            subject: course.subject.clone(),
            site: course.site.clone(),
            endpoint: "relapse".to_owned(),
            on: one.on.to_string(),
            // An investigator who says nothing of a relapse at a visit saw none.
            investigator: word(one.investigator).to_owned(),
            adjudicated: word(one.relapsed).to_owned(),
            first_seq: one.root,
            latest_seq: one.latest,
        })
        .collect()
}

pub(crate) fn adjudication(courses: &[Course], rules: &Rules) -> AdjudicationSection {
    let mut section = AdjudicationSection {
        population: crate::followup::INFUSED.to_owned(),
        subjects: 0,
        responses: 0,
        relapses: 0,
        differences: Vec::new(),
    };
    for course in courses {
        let Some(followed) = course.analysable() else { continue };
        let (responses, verdicts) = (&followed.responses, &followed.verdicts);
        let relapses = count(verdicts, |one| one.adjudicated);
        section.subjects += u64::from(relapses > 0 || !responses.committee.is_empty());
        section.responses += responses.committee.len() as u64;
        section.relapses += relapses;
        let mut differences = responses.differences(course, followed.day_0, rules.window_days);
        differences.extend(relapse_differences(course, verdicts));
        // Not in the order in which they were recorded.
        differences.sort_by(|one, other| {
            let key = |of: &JudgementDifference| (of.on.clone(), of.endpoint.clone(), of.adjudicated.clone());
            key(one).cmp(&key(other))
        });
        section.differences.append(&mut differences);
    }
    section
}
