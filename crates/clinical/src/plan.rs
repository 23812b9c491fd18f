//! Where a subject stands against the trial's plan on a day: consents, the first procedure, each planned visit.
//!
//! For lists of work, not for reports: no definition has a part in it, and only the latest statements are looked at.

use std::collections::BTreeSet;

use chain::Position;
use serde::{Deserialize, Serialize};

use crate::data::{Data, DispositionReason, DispositionScope, PlannedVisit, VisitStatus, WithdrawalScope};
use crate::date::{Date, PartialDate};
use crate::endorsement::{Endorsements, SignatureSeen};
use crate::event::{Effect, Event};
use crate::id::{SiteId, SubjectId};
use crate::kind::EventKind;
use crate::stated::value;
use crate::summary::{SubjectStatus, SubjectSummary};

/// A subject against the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubjectPlan {
    /// The subject.
    pub subject: SubjectId,
    /// Its site.
    pub site: SiteId,
    /// Where it stands.
    pub status: SubjectStatus,
    /// Day of enrollment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enrolled_on: Option<PartialDate>,
    /// Day of first infusion, from which the visits are counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_infusion_on: Option<PartialDate>,
    /// Day from which no visit is expected any more: death, the end of the study, or a withdrawal from visits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_on: Option<PartialDate>,
    /// Every consent that is stated, by day.
    pub consents: Vec<ConsentSeen>,
    /// The first thing that was done with the subject in the trial.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_procedure: Option<ProcedureSeen>,
    /// The first consent against the first procedure.
    pub consent: ConsentStanding,
    /// Each planned visit, in the order of the schedule.
    pub visits: Vec<VisitStanding>,
    /// Visits of no name that the schedule has.
    pub unscheduled: u64,
    /// How many findings its records have.
    pub findings: u64,
    /// Records whose judgements wait for an investigator's signature.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_endorsed: Vec<Position>,
    /// Other records that were signed, or endorsed, with a key that others may have had then, and not endorsed since.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub in_doubt: Vec<Position>,
    /// The signatures on its records.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signatures: Vec<SignatureSeen>,
}

/// A consent, and the record that states it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsentSeen {
    /// Version of the document.
    pub document_version: String,
    /// Day of signature.
    pub on: PartialDate,
    /// The record.
    pub seq: Position,
}

/// Something that was done with a subject, and the record that states it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcedureSeen {
    /// Screening, visit or infusion.
    pub kind: EventKind,
    /// When.
    pub on: PartialDate,
    /// The record.
    pub seq: Position,
}

/// The first consent against the first procedure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConsentStanding {
    /// Signed on a day before it, or nothing was done yet.
    Before,
    /// Signed on the same day: which came first does not follow from dates.
    SameDay,
    /// Signed on a day after it.
    After,
    /// The dates are not exact enough to tell.
    Undetermined,
    /// No consent is stated.
    NotStated,
}

/// A planned visit of a subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VisitStanding {
    /// Its name in the schedule.
    pub name: String,
    /// Where it stands.
    pub state: VisitState,
    /// First day of its window; absent while the day of first infusion is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opens_on: Option<PartialDate>,
    /// Last day of its window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closes_on: Option<PartialDate>,
    /// When it took place, or was due where it was missed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<PartialDate>,
    /// The record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<Position>,
}

/// Where a planned visit stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VisitState {
    /// Recorded as done.
    Done,
    /// Recorded as done in part.
    Partial,
    /// Recorded as missed.
    Missed,
    /// Not recorded, and its window is over.
    Overdue,
    /// Not recorded, and its window is open.
    Due,
    /// Not expected: its window is not open yet, or never will be.
    NotDue,
}

impl VisitState {
    /// Every state.
    pub const ALL: [Self; 6] =
        [Self::Done, Self::Partial, Self::Missed, Self::Overdue, Self::Due, Self::NotDue];
}

impl SubjectPlan {
    /// A subject with all its records in the order of the log, on a day; `in_doubt` holds those that were signed with a key
    /// that others may have had then.
    pub fn of(
        summary: SubjectSummary,
        schedule: &[PlannedVisit],
        records: &[(Position, Event)],
        in_doubt: &BTreeSet<Position>,
        on: Date,
    ) -> Self {
        let latest = latest(records);
        let endorsements = Endorsements::of(records, in_doubt);
        let consents = consents(&latest);
        let first_procedure = first_procedure(&latest);
        let ended_on = ended(&latest);
        let enrolled = latest.iter().find(|(_, event)| event.kind == EventKind::Enrollment);
        let day_0 = summary.first_infusion_on.and_then(PartialDate::day);
        let visits =
            schedule.iter().map(|planned| visit(planned, &latest, day_0, ended_on, on)).collect::<Vec<_>>();
        let is_unscheduled = |event: &Event| match &event.data {
            Data::Visit(data) => !schedule.iter().any(|planned| Some(&planned.name) == data.planned.as_ref()),
            _ => false,
        };
        Self {
            enrolled_on: enrolled.and_then(|(_, event)| event.occurred_on),
            ended_on,
            consent: against(&consents, first_procedure.as_ref()),
            consents,
            first_procedure,
            visits,
            unscheduled: latest.iter().filter(|(_, event)| is_unscheduled(event)).count() as u64,
            findings: summary.findings,
            not_endorsed: endorsements.waiting,
            in_doubt: endorsements.in_doubt,
            signatures: endorsements.signatures,
            subject: summary.subject,
            site: summary.site,
            status: summary.status,
            first_infusion_on: summary.first_infusion_on,
        }
    }
}

/// The latest version of each thing that is not void.
pub(crate) fn latest(records: &[(Position, Event)]) -> Vec<(Position, &Event)> {
    let amended: BTreeSet<Position> =
        records.iter().filter_map(|(_, event)| event.amends.as_ref()).map(|amends| amends.seq).collect();
    let is_void = |event: &Event| event.amends.as_ref().is_some_and(|it| it.effect == Effect::Void);
    records
        .iter()
        .filter(|(seq, event)| !amended.contains(seq) && !is_void(event))
        .map(|(seq, event)| (*seq, event))
        .collect()
}

fn consents(latest: &[(Position, &Event)]) -> Vec<ConsentSeen> {
    let mut seen: Vec<ConsentSeen> = latest
        .iter()
        .filter_map(|(seq, event)| {
            let within = match &event.data {
                Data::Enrollment(data) => value(data.consent.as_ref()),
                Data::Screening(data) => value(data.consent.as_ref()),
                Data::Consent(data) => {
                    let document_version = data.document_version.clone();
                    return Some(ConsentSeen { document_version, on: event.occurred_on?, seq: *seq });
                }
                _ => None,
            }?;
            Some(ConsentSeen {
                document_version: within.document_version.clone(),
                on: within.signed_on,
                seq: *seq,
            })
        })
        .collect();
    seen.sort_by_key(|consent| (consent.on.earliest(), consent.seq));
    seen
}

fn first_procedure(latest: &[(Position, &Event)]) -> Option<ProcedureSeen> {
    let done = latest.iter().filter(|(_, event)| match &event.data {
        Data::Screening(_) | Data::Infusion(_) => true,
        Data::Visit(data) => data.status != VisitStatus::Missed,
        _ => false,
    });
    let seen = done.filter_map(|(seq, event)| {
        Some(ProcedureSeen { kind: event.kind, on: event.occurred_on?, seq: *seq })
    });
    seen.min_by_key(|procedure| (procedure.on.earliest(), procedure.seq))
}

fn against(consents: &[ConsentSeen], procedure: Option<&ProcedureSeen>) -> ConsentStanding {
    let Some(consent) = consents.first() else { return ConsentStanding::NotStated };
    match procedure {
        None => ConsentStanding::Before,
        Some(procedure) if consent.on.certainly_before(procedure.on) => ConsentStanding::Before,
        Some(procedure) if consent.on.certainly_after(procedure.on) => ConsentStanding::After,
        Some(procedure) if consent.on.day().is_some() && consent.on == procedure.on => {
            ConsentStanding::SameDay
        }
        Some(_) => ConsentStanding::Undetermined,
    }
}

fn ended(latest: &[(Position, &Event)]) -> Option<PartialDate> {
    let ends = latest.iter().filter_map(|(_, event)| match &event.data {
        Data::Disposition(data) => {
            let withdrawn = value(data.withdrawal.as_ref());
            let ends = data.reason == DispositionReason::Death
                || data.scope == DispositionScope::Study
                || matches!(withdrawn, Some(WithdrawalScope::Visits | WithdrawalScope::AllContact));
            event.occurred_on.filter(|_| ends)
        }
        _ => None,
    });
    ends.min_by_key(|on| on.earliest())
}

fn visit(
    planned: &PlannedVisit,
    latest: &[(Position, &Event)],
    day_0: Option<Date>,
    ended_on: Option<PartialDate>,
    on: Date,
) -> VisitStanding {
    let of = |event: &Event| match &event.data {
        Data::Visit(data) if data.planned.as_ref() == Some(&planned.name) => Some(match data.status {
            VisitStatus::Done => VisitState::Done,
            VisitStatus::Partial => VisitState::Partial,
            VisitStatus::Missed => VisitState::Missed,
        }),
        _ => None,
    };
    // Of several parts, or of a visit that was missed and made up for, the best there is.
    let recorded = latest.iter().filter_map(|(seq, event)| Some((of(event)?, *seq, event.occurred_on)));
    let recorded = recorded.min_by_key(|(state, seq, _)| (*state, *seq));
    let after = |days: i64| day_0?.checked_add(jiff::Span::new().try_days(days).ok()?).ok();
    let target = i64::from(planned.day);
    let opens = after(target - i64::from(planned.window_before));
    let closes = after(target + i64::from(planned.window_after));
    let state = match (recorded, opens, closes) {
        (Some((state, ..)), ..) => state,
        (None, Some(opens), Some(closes)) => {
            let is_over = ended_on.is_some_and(|ended| ended.earliest() <= closes);
            match () {
                () if is_over || on < opens => VisitState::NotDue,
                () if on > closes => VisitState::Overdue,
                () => VisitState::Due,
            }
        }
        (None, ..) => VisitState::NotDue,
    };
    VisitStanding {
        name: planned.name.clone(),
        state,
        opens_on: opens.map(PartialDate::from),
        closes_on: closes.map(PartialDate::from),
        on: recorded.and_then(|(.., on)| on),
        seq: recorded.map(|(_, seq, _)| seq),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn date(text: &str) -> PartialDate {
        text.parse().unwrap()
    }

    #[expect(clippy::needless_pass_by_value, reason = "so that `json!` stands in the call")]
    fn event(kind: &str, on: &str, data: Value, amends: Option<(u64, &str)>) -> Event {
        let mut event = json!({
            "actor": {"id": "bo.wang", "organisation": "Hospital 1", "role": "investigator"}, "data": data,
            "id": "01936b2e-7c5a-7d3e-8f10-0123456789ab", "key": "11".repeat(32), "kind": kind,
            "log": "22".repeat(32), "occurred_on": on, "schema": 1, "signed_at": "2021-03-12T01:10:00.000000Z",
            "site": "S01", "subject": "P1", "trial": "small", "zone": "Asia/Shanghai"
        });
        if let Some((seq, effect)) = amends {
            event["amends"] =
                json!({"effect": effect, "hash": "33".repeat(32), "reason": "transcription", "seq": seq});
        }
        Event::decode(&chain::canonical::canonicalize(&event).unwrap()).unwrap()
    }

    fn visit(planned: &str, on: &str, status: &str) -> Event {
        event("visit", on, json!({"planned": planned, "status": status}), None)
    }

    fn schedule() -> Vec<PlannedVisit> {
        let planned = |name: &str, day: i32| PlannedVisit {
            day,
            name: name.to_owned(),
            window_after: 7,
            window_before: 7,
        };
        vec![planned("M1", 30), planned("M3", 90)]
    }

    /// On that day, after these records; the first is at position 10.
    fn plan(records: Vec<Event>, first_infusion: Option<&str>, on: &str) -> SubjectPlan {
        let summary = SubjectSummary {
            subject: "P1".parse().unwrap(),
            site: "S01".parse().unwrap(),
            status: SubjectStatus::Treated,
            first_infusion_on: first_infusion.map(date),
            records: records.len() as u64,
            findings: 2,
            last_seq: Position(99),
        };
        let records: Vec<_> = (10..).map(Position).zip(records).collect();
        SubjectPlan::of(summary, &schedule(), &records, &BTreeSet::new(), date(on).day().unwrap())
    }

    fn states(plan: &SubjectPlan) -> Vec<VisitState> {
        plan.visits.iter().map(|visit| visit.state).collect()
    }

    #[test]
    fn a_visit_is_due_within_its_window_and_overdue_after_it() {
        use VisitState::{Due, NotDue, Overdue};
        // Day 30 is 31 March 2021, day 90 is 30 May.
        let check = |on: &str, due: [VisitState; 2]| {
            assert_eq!(states(&plan(Vec::new(), Some("2021-03-01"), on)), due, "{on}");
        };
        check("2021-03-23", [NotDue, NotDue]);
        check("2021-03-24", [Due, NotDue]);
        check("2021-04-07", [Due, NotDue]);
        check("2021-04-08", [Overdue, NotDue]);
        check("2021-06-06", [Overdue, Due]);
        check("2021-06-07", [Overdue, Overdue]);
        // Without a day 0 nothing can be due.
        assert_eq!(states(&plan(Vec::new(), None, "2030-01-01")), [NotDue, NotDue]);
        assert_eq!(states(&plan(Vec::new(), Some("2021-03"), "2030-01-01")), [NotDue, NotDue]);
    }

    #[test]
    fn what_is_recorded_stands_and_of_several_the_best() {
        use VisitState::{Missed, NotDue, Overdue, Partial};
        let records = vec![
            visit("M1", "2021-04-01", "missed"),
            visit("M1", "2021-04-02", "partial"),
            visit("M3", "2021-05-30", "missed"),
            visit("extra", "2021-05-31", "done"),
        ];
        let plan = plan(records, Some("2021-03-01"), "2021-07-01");
        assert_eq!(states(&plan), [Partial, Missed]);
        assert_eq!((plan.visits[0].seq, plan.visits[0].on), (Some(Position(11)), Some(date("2021-04-02"))));
        assert_eq!(
            (plan.visits[0].opens_on, plan.visits[0].closes_on),
            (Some(date("2021-03-24")), Some(date("2021-04-07")))
        );
        assert_eq!(plan.unscheduled, 1);
        let void = event("visit", "2021-04-02", json!({}), Some((10, "void")));
        let voided = super::tests::plan(
            vec![visit("M1", "2021-04-02", "done"), void],
            Some("2021-03-01"),
            "2021-05-01",
        );
        assert_eq!(states(&voided), [Overdue, NotDue]);
    }

    #[test]
    fn nothing_is_due_of_who_is_dead_or_has_left() {
        use VisitState::{NotDue, Overdue};
        let death = |on: &str| event("disposition", on, json!({"reason": "death", "scope": "study"}), None);
        let check = |on: &str, due: [VisitState; 2]| {
            assert_eq!(states(&plan(vec![death(on)], Some("2021-03-01"), "2021-12-31")), due, "{on}");
        };
        check("2021-03-02", [NotDue, NotDue]);
        check("2021-04-07", [NotDue, NotDue]);
        check("2021-04-08", [Overdue, NotDue]);
        check("2021-06-07", [Overdue, Overdue]);
        // Leaving treatment leaves the visits.
        let treatment = json!({"reason": "adverse_event", "scope": "treatment"});
        let treatment = event("disposition", "2021-03-02", treatment, None);
        assert_eq!(states(&plan(vec![treatment], Some("2021-03-01"), "2021-12-31")), [Overdue, Overdue]);
    }

    #[test]
    fn a_consent_is_held_against_the_first_thing_done() {
        let check = |consent: Option<&str>, done: Option<&str>, due: ConsentStanding| {
            let data = consent.map_or_else(
                || json!({}),
                |on| json!({"consent": {"document_version": "2.0", "language": "zh", "signed_on": on}}),
            );
            let mut records = vec![event("enrollment", "2021-02-20", data, None)];
            records.extend(done.map(|on| visit("M1", on, "done")));
            let plan = plan(records, None, "2021-12-31");
            assert_eq!(plan.consent, due, "{consent:?} {done:?}");
            assert_eq!(plan.consents.len(), usize::from(consent.is_some()));
        };
        check(Some("2021-02-18"), None, ConsentStanding::Before);
        check(Some("2021-02-18"), Some("2021-02-19"), ConsentStanding::Before);
        check(Some("2021-02-19"), Some("2021-02-19"), ConsentStanding::SameDay);
        check(Some("2021-02-20"), Some("2021-02-19"), ConsentStanding::After);
        check(Some("2021-02"), Some("2021-02-19"), ConsentStanding::Undetermined);
        check(None, Some("2021-02-19"), ConsentStanding::NotStated);
        // A missed visit is nothing done; a consent of its own counts, and the first of several.
        let signed = json!({"document_version": "1.0", "language": "zh", "occasion": "initial"});
        let records = vec![
            visit("M1", "2021-01-01", "missed"),
            event("consent", "2021-02-01", signed, None),
            event("screening", "2021-02-10", json!({"result": "passed"}), None),
        ];
        let plan = plan(records, None, "2021-12-31");
        assert_eq!(plan.consent, ConsentStanding::Before);
        assert_eq!(plan.first_procedure.unwrap().kind, EventKind::Screening);
    }
}
