//! What is asked across records: the trail by looking through the journal, subjects against the plan by the index and
//! their records.

use std::collections::BTreeSet;

use api::{
    CheckView, LastVerification, PlanAsked, PlanPage, Problem, TrailAsked, TrailEntry, TrailPage,
    VerificationView, VerifiedFinding,
};
use chain::{Instant, KeyId, LinkedRecord, Position};
use clinical::data::StatementsSigned;
use clinical::event::AmendReason;
use clinical::plan::SubjectPlan;
use clinical::{Actor, Date, Effect, EventKind, PartialDate, SiteId, SubjectId, SubjectSummary};
use readmodel::{StoreError, View};
use registrar::index;
use serde::Deserialize;
use serde_json::value::RawValue;
use verify::Class;

use super::Inner;
use super::reads::{Said, query, unreadable};
use super::running::Running;

/// How many records of the journal are looked through for one page of the trail: at 2 µs each a tenth of a second.
const LOOKED_THROUGH_MAX: u64 = 50_000;

/// About how many bytes of the journal are read at a time.
const READ_BYTES: usize = 1 << 20;

/// How many subjects are looked at for those of one site, before what was found is the answer.
const SUBJECTS_LOOKED_AT_MAX: usize = 20_000;

/// What the trail tells of a record; the rest of it is passed over.
#[derive(Deserialize)]
struct Told<'a> {
    #[serde(borrow)]
    event: ToldEvent<'a>,
    recorded_at: Instant,
}

#[derive(Deserialize)]
struct ToldEvent<'a> {
    actor: Actor,
    amends: Option<ToldAmends>,
    #[serde(borrow)]
    data: &'a RawValue,
    key: KeyId,
    kind: EventKind,
    occurred_on: Option<PartialDate>,
    signed_at: Instant,
    site: Option<SiteId>,
    subject: Option<SubjectId>,
}

#[derive(Deserialize)]
struct ToldAmends {
    effect: Effect,
    reason: AmendReason,
    seq: Position,
}

fn entry(linked: &LinkedRecord) -> Result<TrailEntry, Problem> {
    let told: Told<'_> = serde_json::from_slice(&linked.bytes)
        .map_err(|_| Problem::internal(format!("record {} is malformed", linked.seq)))?;
    let ToldEvent { actor, amends, data, key, kind, occurred_on, signed_at, site, subject } = told.event;
    let amends = amends.map(|it| api::TrailAmends { effect: it.effect, reason: it.reason, seq: it.seq });
    let (hash, recorded_at, seq) = (linked.hash, told.recorded_at, linked.seq);
    // One that voids says nothing.
    let signed = Some(data).filter(|_| kind == EventKind::Signature);
    let signed = signed.and_then(|data| serde_json::from_str::<StatementsSigned>(data.get()).ok());
    let signs = signed.map(|signed| api::TrailSigns {
        meaning: signed.meaning,
        statements: signed.statements.iter().map(|named| named.seq).collect(),
    });
    Ok(TrailEntry {
        actor,
        amends,
        hash,
        key,
        kind,
        occurred_on,
        recorded_at,
        seq,
        signed_at,
        signs,
        site,
        subject,
    })
}

/// A subject of a page, as the index knows it.
struct Indexed {
    summary: SubjectSummary,
    records: Vec<Position>,
}

fn indexed(view: &dyn View, subject: &SubjectId) -> Result<Option<Indexed>, StoreError> {
    let Some(summary) = index::subject(view, subject)? else { return Ok(None) };
    let records = index::records_of(view, subject, None, usize::MAX)?;
    Ok(Some(Indexed { summary, records }))
}

/// Subjects of a site, or of all, after one: those of the page, and after which one the next page begins.
fn page_of(view: &dyn View, asked: &PlanAsked) -> Result<(Vec<Indexed>, Option<SubjectId>), StoreError> {
    let limit = asked.limit();
    let (mut found, mut after, mut looked_at) = (Vec::new(), asked.after.clone(), 0);
    loop {
        let some = index::sites(view, after.as_ref(), limit)?;
        let is_end = some.len() < limit;
        looked_at += some.len();
        for (subject, site) in some {
            if found.len() == limit {
                return Ok((found, after));
            }
            after = Some(subject.clone());
            if asked.site.as_ref().is_none_or(|due| site == *due) {
                found.extend(indexed(view, &subject)?);
            }
        }
        if is_end {
            return Ok((found, None));
        }
        if looked_at >= SUBJECTS_LOOKED_AT_MAX {
            return Ok((found, after));
        }
    }
}

impl Inner {
    /// The records that are asked for, as far as one look reaches.
    pub(super) fn trail_asked(&self, running: &Running, asked: &TrailAsked) -> Result<TrailPage, Problem> {
        let covers = self.covers_journal(running);
        let mut next = asked.after.map_or(Position(0), Position::next);
        let end = covers.records.min(next.0.saturating_add(LOOKED_THROUGH_MAX));
        let (limit, mut entries) = (asked.limit(), Vec::new());
        while next.0 < end {
            let records = running.journal.read(next, READ_BYTES).map_err(|error| unreadable(&error))?;
            if records.is_empty() {
                return Err(Problem::internal("the journal ends before its durable end"));
            }
            for linked in records.iter().take_while(|linked| linked.seq.0 < end) {
                let entry = entry(linked)?;
                if asked.takes(&entry) {
                    if entries.len() == limit {
                        let next = entries.last().map(|last: &TrailEntry| last.seq);
                        return Ok(TrailPage { covers, entries, next });
                    }
                    entries.push(entry);
                }
                next = linked.seq.next();
            }
        }
        let next = (end < covers.records).then(|| Position(end - 1));
        Ok(TrailPage { covers, entries, next })
    }

    /// Subjects against the plan.
    pub(super) fn plan_asked(&self, running: &Running, asked: &PlanAsked) -> Result<PlanPage, Problem> {
        let public = running.public();
        let opening = public.opening.as_ref().ok_or_else(|| Problem::not_found("the trial is not open"))?;
        let on = asked.on.unwrap_or_else(|| today(opening.zone.as_str()));
        let ((found, next), mark) = query(running.index()?, |view, mark| Ok((page_of(view, asked)?, mark)))?;
        let mut subjects = Vec::with_capacity(found.len());
        for Indexed { summary, records } in found {
            let (mut events, mut in_doubt) = (Vec::with_capacity(records.len()), BTreeSet::new());
            for seq in records {
                let read = running.journal.read(seq, 1).map_err(|error| unreadable(&error))?;
                let linked = read.into_iter().find(|record| record.seq == seq);
                let missing = || Problem::internal(format!("the journal has no record {seq}"));
                let said = Said::of(&linked.ok_or_else(missing)?)?;
                if said.is_in_doubt(&public.grants) {
                    in_doubt.insert(seq);
                }
                events.push((seq, said.event));
            }
            let mut plan = SubjectPlan::of(summary, &public.schedule, &events, &in_doubt, on);
            if let Some(site) = &asked.site {
                // What another site stated of a subject that has moved is that site's to sign.
                let is_own = |seq: Position| {
                    events.iter().any(|(at, event)| *at == seq && event.site.as_ref() == Some(site))
                };
                plan.not_endorsed.retain(|seq| is_own(*seq));
                plan.in_doubt.retain(|seq| is_own(*seq));
                plan.signatures.retain(|seen| is_own(seen.statement));
            }
            subjects.push(plan);
        }
        let covers = self.covers(running, running.index()?, mark);
        Ok(PlanPage { covers, next, on: on.into(), schedule: public.schedule.clone(), subjects })
    }

    /// The last verification of the log.
    pub(super) fn last_verification(&self, running: &Running) -> VerificationView {
        VerificationView { covers: self.covers_journal(running), last: self.last_verified(&running.trial) }
    }
}

/// Today where the trial counts its days; a zone that this program does not know counts as UTC.
fn today(zone: &str) -> Date {
    let zone = jiff::tz::TimeZone::get(zone).unwrap_or(jiff::tz::TimeZone::UTC);
    let now = jiff::Timestamp::from_microsecond(crate::world::now().microseconds());
    // In range by construction, so the fallback is never taken.
    now.unwrap_or(jiff::Timestamp::UNIX_EPOCH).to_zoned(zone).date()
}

/// A verification as it is told on.
pub(super) fn told(report: &verify::Report, at: Instant, verdict: &str) -> LastVerification {
    let class = |class| match class {
        Class::Evidence => "evidence",
        Class::Absence => "absence",
        Class::Conduct => "conduct",
    };
    LastVerification {
        at,
        checks: report
            .checks
            .iter()
            .map(|check| CheckView { count: check.count, failed: check.failed, name: check.name.to_owned() })
            .collect(),
        findings: report
            .findings
            .iter()
            .map(|finding| VerifiedFinding {
                class: class(finding.class()).to_owned(),
                code: finding.code.to_string(),
                detail: finding.detail.clone(),
                pointer: finding.place.pointer.clone(),
                seq: finding.place.seq,
            })
            .collect(),
        records: report.covers.records,
        sentence: report.sentence(),
        unlisted: report.unlisted(),
        verdict: verdict.to_owned(),
    }
}
