//! Expedited reports of suspected unexpected serious reactions: due, sent and overdue at the cutoff, by jurisdiction.
//!
//! It reads no clock: a report without one is overdue if its last day lies before the cutoff.

use std::collections::{BTreeMap, BTreeSet};

use chain::Instant;
use clinical::data::{Expectedness, SafetyReportKind, Seriousness};
use clinical::expedited::{JURISDICTIONS, Jurisdiction, TABLE, days_after};
use clinical::{Date, PartialDate};
use serde::{Deserialize, Serialize};

use crate::case::{Case, SentReport};
use crate::clock::{Started, clocks};
use crate::rows::{Known, Weight};
use crate::subject::Subject;

pub use crate::clock::AwareBy;

/// Expedited reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpeditedSection {
    /// Id of the table of jurisdictions.
    pub table: String,
    /// The rule in words.
    pub rule: String,
    /// The table, of those jurisdictions in which a site lies or to which a report was sent.
    pub jurisdictions: Vec<JurisdictionRow>,
    /// Countries of sites for which the table has no row: what is due there is not in this section.
    pub countries_without_rules: Vec<String>,
    /// Events that are or were serious by their criteria: the denominator.
    pub serious_events: u64,
    /// By jurisdiction.
    pub counts: Vec<ExpeditedCount>,
    /// Reports sent after the cutoff: not counted.
    pub sent_after_cutoff: u64,
    /// Reports sent under rules that are not in the table.
    pub sent_elsewhere: u64,
    /// Each clock; a serious event that started none has one line all the same.
    pub listing: Vec<ExpeditedReport>,
}

/// The rules of a jurisdiction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JurisdictionRow {
    /// Its id.
    pub id: String,
    /// Countries of sites that it holds in.
    pub countries: Vec<String>,
    /// The zone in which days are counted.
    pub zone: String,
    /// What day 0 is.
    pub day_0: String,
    /// Days for what is fatal or life-threatening.
    pub days_fatal_or_life_threatening: u16,
    /// Days more for its completion; absent where that has no term.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days_completion: Option<u16>,
    /// Days for what is serious otherwise.
    pub days_other: u16,
    /// Where the days are from.
    pub source: String,
}

/// How many clocks stand how.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpeditedCount {
    /// The jurisdiction.
    pub jurisdiction: String,
    /// Sent by the last day.
    pub sent_in_time: u64,
    /// Sent later. Late stays late.
    pub sent_late: u64,
    /// Not sent, and the last day is not over at the cutoff.
    pub due: u64,
    /// Not sent, and the last day lies before the cutoff.
    pub overdue: u64,
    /// Not sent, and nobody was aware by the cutoff: what is recorded later about events before it.
    pub started_after_cutoff: u64,
    /// Serious events for which no report is required.
    pub not_required: u64,
}

/// How a report stands at the cutoff.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExpeditedStatus {
    /// Sent by the last day.
    SentInTime,
    /// Sent after it.
    SentLate,
    /// Not sent; the last day is not over.
    Due,
    /// Not sent; the last day is over.
    Overdue,
    /// Not sent; day 0 lies after the cutoff.
    StartedAfterCutoff,
    /// Expected, or not suspected by either assessor.
    NotRequired,
}

/// What starts a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// Serious, otherwise than by death or danger to life.
    Serious,
    /// Fatal or life-threatening.
    FatalOrLifeThreatening,
}

/// One clock of one event under the rules of one jurisdiction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpeditedReport {
    /// The subject.
    pub subject: String,
    /// Its site.
    pub site: String,
    /// The jurisdiction.
    pub jurisdiction: String,
    /// Onset of the event; empty if unknown.
    pub onset: String,
    /// What starts the clock; absent where none is required.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<Trigger>,
    /// Whether the event was serious before, and this clock is a new one beside the first.
    pub upgrade: bool,
    /// Whether it runs because the sponsor has not judged the event as it now is: as if suspected and unexpected.
    pub presumed: bool,
    /// The criteria that hold now, by either assessor.
    pub criteria: Vec<Seriousness>,
    /// Relation to product or procedure by the investigator.
    pub investigator: String,
    /// And by the sponsor, where it has judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sponsor: Option<String>,
    /// Whether the sponsor holds it to be expected, where that was judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expectedness: Option<Expectedness>,
    /// Version of the reference safety information.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference_information: Option<String>,
    /// Day 0 in the jurisdiction's zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aware_on: Option<String>,
    /// What day 0 is taken from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aware_by: Option<AwareBy>,
    /// The last day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_on: Option<String>,
    /// Days on which reports were sent that answer it.
    pub sent_on: Vec<String>,
    /// How it stands.
    pub status: ExpeditedStatus,
    /// Last day of the completion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_due_on: Option<String>,
    /// How the completion stands: a completion or follow-up after the first report answers it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion: Option<ExpeditedStatus>,
    /// Position of the record that first stated the event.
    pub first_seq: u64,
    /// Position of the latest version of its last record.
    pub latest_seq: u64,
}

const DAY_0: &str = "the sponsor's awareness";
const RULE: &str = "a serious event that either assessor suspects to be related to product or procedure and that the \
                    sponsor does not hold to be expected; not judged by the sponsor as it now is: as if suspected and \
                    unexpected. Day 0 is that of the sponsor's awareness as its judgement states it, else as the site's \
                    record does, else the day of recording; the last day ends the clock's term in the jurisdiction's \
                    zone. An upgrade to fatal or life-threatening starts a new clock; a later weaker judgement stops \
                    none; only a report that was sent does";

/// Sites' countries, the cutoff, and what became known of events.
pub(crate) struct Basis<'a> {
    pub(crate) countries: BTreeSet<&'a str>,
    pub(crate) cutoff: Date,
    pub(crate) known: &'a BTreeMap<u64, Vec<Known>>,
}

pub(crate) fn expedited(subjects: &[Subject], basis: &Basis<'_>) -> ExpeditedSection {
    let cases = || subjects.iter().flat_map(|subject| subject.cases.iter().map(move |case| (subject, case)));
    let told: BTreeSet<&str> =
        cases().flat_map(|(_, case)| &case.sent).map(|report| report.jurisdiction.as_str()).collect();
    let applies = |one: &&Jurisdiction| basis.countries.iter().chain(&told).any(|name| one.covers(name));
    let jurisdictions: Vec<&Jurisdiction> = JURISDICTIONS.iter().filter(applies).collect();
    let mut section = ExpeditedSection {
        table: TABLE.to_owned(),
        rule: RULE.to_owned(),
        jurisdictions: jurisdictions.iter().map(|one| rules(one, &basis.countries)).collect(),
        countries_without_rules: basis
            .countries
            .iter()
            .filter(|country| !JURISDICTIONS.iter().any(|one| one.covers(country)))
            .map(|country| (*country).to_owned())
            .collect(),
        serious_events: 0,
        counts: jurisdictions
            .iter()
            .map(|one| ExpeditedCount { jurisdiction: one.id.to_owned(), ..ExpeditedCount::default() })
            .collect(),
        sent_after_cutoff: 0,
        sent_elsewhere: cases()
            .flat_map(|(_, case)| &case.sent)
            .filter(|report| !JURISDICTIONS.iter().any(|one| one.covers(&report.jurisdiction)))
            .count() as u64,
        listing: Vec::new(),
    };
    for (subject, case) in cases() {
        let (serious, started) = clocks(case, basis.known);
        section.serious_events += u64::from(serious);
        for (place, one) in jurisdictions.iter().enumerate() {
            let sent = sent(case, one, basis.cutoff, &mut section.sent_after_cutoff);
            if !serious {
                continue;
            }
            let lines = if started.is_empty() {
                vec![line(subject, case, one, sent.iter().map(|sent| sent.on).collect())]
            } else {
                started.iter().map(|clock| running(subject, case, one, clock, &sent, basis.cutoff)).collect()
            };
            for line in &lines {
                let counts = &mut section.counts[place];
                *match line.status {
                    ExpeditedStatus::SentInTime => &mut counts.sent_in_time,
                    ExpeditedStatus::SentLate => &mut counts.sent_late,
                    ExpeditedStatus::Due => &mut counts.due,
                    ExpeditedStatus::Overdue => &mut counts.overdue,
                    ExpeditedStatus::StartedAfterCutoff => &mut counts.started_after_cutoff,
                    ExpeditedStatus::NotRequired => &mut counts.not_required,
                } += 1;
            }
            section.listing.extend(lines);
        }
    }
    // Independent records may arrive in any order: what is listed does not depend on it.
    section.listing.sort_by(|one, other| one.place().cmp(&other.place()));
    section
}

impl ExpeditedReport {
    fn place(&self) -> impl Ord + '_ {
        let of = (&self.subject, &self.onset, &self.jurisdiction);
        (of, (self.trigger, &self.due_on), (&self.criteria, &self.investigator, &self.sent_on))
    }
}

fn rules(one: &Jurisdiction, countries: &BTreeSet<&str>) -> JurisdictionRow {
    let within = countries.iter().filter(|country| one.countries.contains(country));
    JurisdictionRow {
        id: one.id.to_owned(),
        countries: within.map(|country| (*country).to_owned()).collect(),
        zone: one.zone.to_owned(),
        day_0: DAY_0.to_owned(),
        days_fatal_or_life_threatening: one.days_fatal_or_life_threatening,
        days_completion: one.days_completion,
        days_other: one.days_other,
        source: one.source.to_owned(),
    }
}

/// A report that was sent by the cutoff, with its day in the jurisdiction's zone.
struct SentOn<'a> {
    on: Date,
    report: &'a SentReport,
}

/// The day of an instant in microseconds since 1970; the first day there is, of what no instant is.
fn day(one: &Jurisdiction, at: i64) -> Date {
    Instant::from_microseconds(at).map_or(Date::MIN, |at| one.day(at))
}

fn sent<'a>(case: &'a Case, one: &Jurisdiction, cutoff: Date, later: &mut u64) -> Vec<SentOn<'a>> {
    let all = case.sent.iter().filter(|report| one.covers(&report.jurisdiction));
    let (by_then, after): (Vec<_>, Vec<_>) =
        all.map(|report| SentOn { on: day(one, report.at), report }).partition(|sent| sent.on <= cutoff);
    *later += after.len() as u64;
    by_then
}

fn text(day: Date) -> String {
    PartialDate::Day(day).to_string()
}

/// A line of an event for which no report is required.
fn line(subject: &Subject, case: &Case, one: &Jurisdiction, sent: Vec<Date>) -> ExpeditedReport {
    let judged = case.by_sponsor();
    ExpeditedReport {
        subject: subject.id.clone(),
        site: subject.site.clone(),
        jurisdiction: one.id.to_owned(),
        onset: case.on.map(|on| on.to_string()).unwrap_or_default(),
        trigger: None,
        upgrade: false,
        presumed: false,
        criteria: case.criteria().into_iter().collect(),
        investigator: case.by_investigator().name().to_owned(),
        sponsor: case.relation_by_sponsor().map(|relation| relation.name().to_owned()),
        expectedness: judged.and_then(|judged| judged.expectedness),
        reference_information: judged.and_then(|judged| judged.reference.clone()),
        aware_on: None,
        aware_by: None,
        due_on: None,
        sent_on: sent.into_iter().map(text).collect(),
        status: ExpeditedStatus::NotRequired,
        completion_due_on: None,
        completion: None,
        first_seq: case.root,
        latest_seq: case.latest,
    }
}

fn running(
    subject: &Subject,
    case: &Case,
    one: &Jurisdiction,
    clock: &Started,
    sent: &[SentOn<'_>],
    cutoff: Date,
) -> ExpeditedReport {
    let day_0 = day(one, clock.aware);
    let severe = clock.weight == Weight::FatalOrLifeThreatening;
    let days = if severe { one.days_fatal_or_life_threatening } else { one.days_other };
    let due = days_after(day_0, days);
    // What was sent before an upgrade does not report it.
    let answers = |sent: &&SentOn<'_>| !clock.upgrade || sent.on >= day_0 || sent.report.root > clock.seq;
    let answering: Vec<&SentOn<'_>> = sent.iter().filter(answers).collect();
    let status = |sent: Option<Date>, due: Date| match sent {
        Some(on) if on <= due => ExpeditedStatus::SentInTime,
        Some(_) => ExpeditedStatus::SentLate,
        None if cutoff > due => ExpeditedStatus::Overdue,
        None if day_0 > cutoff => ExpeditedStatus::StartedAfterCutoff,
        None => ExpeditedStatus::Due,
    };
    let completion_due = one.days_completion.filter(|_| severe).map(|more| days_after(due, more));
    let completed = answering
        .iter()
        .skip(1)
        .find(|sent| sent.report.kind != SafetyReportKind::Initial)
        .map(|sent| sent.on);
    ExpeditedReport {
        trigger: Some(if severe { Trigger::FatalOrLifeThreatening } else { Trigger::Serious }),
        upgrade: clock.upgrade,
        presumed: clock.presumed,
        aware_on: Some(text(day_0)),
        aware_by: Some(clock.aware_by),
        due_on: Some(text(due)),
        status: status(answering.first().map(|sent| sent.on), due),
        completion_due_on: completion_due.map(text),
        completion: completion_due.map(|due| status(completed, due)),
        ..line(subject, case, one, answering.iter().map(|sent| sent.on).collect())
    }
}
