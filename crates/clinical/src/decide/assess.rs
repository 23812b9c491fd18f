//! What is looked at in an accepted event: by itself here, beside the subject's other facts in [`beside`]. Comparisons
//! of partial dates report only what is certain.

mod beside;

use chain::{Instant, Position};
use rust_decimal::Decimal as Exact;

use crate::data::{
    AdverseEvent, Agent, Cells, Criterion, CriterionResult, Data, Enrollment, Infusion, KeyRevoked, Outcome,
    ReleaseStatus, ScreeningResult, Visit,
};
use crate::date::{PartialDate, day_number, latest_day_number};
use crate::endorsement;
use crate::event::Event;
use crate::finding::{Finding, FindingCode as F};
use crate::stated::value;
use crate::trial::Trial;

/// How late a serious event may be recorded after the site became aware of it: 24 hours, in microseconds.
const AWARENESS_LIMIT_MICROSECONDS: i64 = 24 * 3600 * 1_000_000;

/// By how much a signer's clock may be ahead of the registrar's: 5 minutes, in microseconds.
const CLOCK_AHEAD_LIMIT_MICROSECONDS: i64 = 5 * 60 * 1_000_000;

/// Doses and totals may differ from what they should be by a tenth.
const TOLERANCE_TENTHS: i64 = 1;

/// Cells are usually released at 70 % viability or more.
const VIABILITY_PERCENT_MIN: i64 = 70;

struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, code: F, pointer: impl Into<String>) {
        self.0.push(Finding::new(code, pointer));
    }

    fn add_beside(&mut self, code: F, pointer: &str, records: Vec<Position>) {
        self.0.push(Finding::beside(code, pointer, records));
    }

    /// Adds the finding if there are records that do not go together with the event.
    fn add_if_any(&mut self, code: F, pointer: &str, records: impl Iterator<Item = Position>) {
        let records: Vec<Position> = records.collect();
        if !records.is_empty() {
            self.add_beside(code, pointer, records);
        }
    }

    fn add_if(&mut self, holds: bool, code: F, pointer: &str) {
        if holds {
            self.add(code, pointer);
        }
    }
}

pub(super) fn assess(trial: &Trial, event: &Event, bytes: &[u8], recorded_at: Instant) -> Vec<Finding> {
    let mut found = Findings(Vec::new());
    let ahead = event.signed_at.microseconds() - recorded_at.microseconds() > CLOCK_AHEAD_LIMIT_MICROSECONDS;
    found.add_if(ahead, F::ClockAhead, "/signed_at");
    if event.data != Data::Void
        && let Some(on) = event.occurred_on
    {
        assess_date(&mut found, event, on, recorded_at);
    }
    match &event.data {
        Data::Enrollment(data) => enrollment(&mut found, data, event.occurred_on),
        Data::Screening(data) if data.result == ScreeningResult::Passed => {
            criteria(&mut found, &data.criteria);
        }
        Data::Infusion(data) => infusion(&mut found, data, event.occurred_on),
        Data::Visit(data) => visit(&mut found, trial, event, data),
        Data::AdverseEvent(data) => adverse_event(&mut found, event, data, recorded_at),
        Data::KeyRevoked(data) => revocation(&mut found, trial, data),
        Data::Disposition(_)
        | Data::Contact(_)
        | Data::TrialOpened(_)
        | Data::SiteActivated(_)
        | Data::KeyGranted(_)
        | Data::ServiceKeyGranted(_)
        | Data::LogKeyChanged(_)
        | Data::Screening(_)
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
    beside::assess(&mut found, trial, event);
    if event.data != Data::Void {
        mandatory(&mut found, trial, event, bytes);
    }
    found.0
}

fn assess_date(found: &mut Findings, event: &Event, on: PartialDate, recorded_at: Instant) {
    let earliest = day_number(on.earliest());
    // A missed visit is dated when it was due.
    found.add_if(earliest > latest_day_number(recorded_at), F::DateInFuture, "/occurred_on");
    found.add_if(earliest > latest_day_number(event.signed_at), F::SignedBeforeFact, "/signed_at");
}

/// A key that signed after the day from which on others may have had it.
fn revocation(found: &mut Findings, trial: &Trial, data: &KeyRevoked) {
    let last = trial.last_signed.get(&data.key).zip(data.suspected_since);
    let since = last.filter(|((_, day), since)| *day >= day_number(since.earliest()));
    let records = since.map(|((seq, _), _)| *seq);
    found.add_if_any(F::KeyUsedWhileSuspected, "/data/suspected_since", records.into_iter());
}

fn enrollment(found: &mut Findings, data: &Enrollment, on: Option<PartialDate>) {
    match value(data.consent.as_ref()) {
        None => found.add(F::ConsentMissing, "/data/consent"),
        Some(consent) => {
            let late = on.is_some_and(|on| consent.signed_on.certainly_after(on));
            found.add_if(late, F::ConsentAfterEnrollment, "/data/consent/signed_on");
        }
    }
    criteria(found, &data.criteria);
}

fn criteria(found: &mut Findings, criteria: &[Criterion]) {
    for (index, criterion) in criteria.iter().enumerate() {
        match criterion.result {
            CriterionResult::Met => {}
            CriterionResult::NotMet => found.add(F::CriterionNotMet, format!("/data/criteria/{index}")),
            CriterionResult::NotDone => found.add(F::CriterionNotDone, format!("/data/criteria/{index}")),
        }
    }
}

fn infusion(found: &mut Findings, data: &Infusion, on: Option<PartialDate>) {
    if let Some(on) = on {
        let stopped = value(data.stopped_on.as_ref()).is_some_and(|stop| stop.certainly_before(on));
        found.add_if(stopped, F::EndBeforeStart, "/data/stopped_on");
    }
    if let (Some(start), Some(stop)) = (&data.started_at, &data.stopped_at) {
        found.add_if(stop.utc_seconds() < start.utc_seconds(), F::EndBeforeStart, "/data/stopped_at");
    }
    if let Some(check) = &data.identity_check {
        let held = check.value().is_some_and(|check| check.first != check.second);
        found.add_if(!held, F::IdentityCheckMissing, "/data/identity_check");
    }
    if let Some(cells) = &data.cells {
        found.add_if(data.identity_check.is_none(), F::IdentityCheckMissing, "/data/identity_check");
        assess_cells(found, cells, on);
    }
}

fn assess_cells(found: &mut Findings, cells: &Cells, on: Option<PartialDate>) {
    // What is too large to compute with differs from anything that was given.
    let differs = |is: Exact, due: Exact| {
        let off = is.checked_sub(due).and_then(|off| off.abs().checked_mul(Exact::from(10)));
        let allowed = due.checked_mul(Exact::from(TOLERANCE_TENTHS));
        off.zip(allowed).is_none_or(|(off, allowed)| off > allowed)
    };
    if let (Some(planned), Some(given)) = (cells.planned_per_kg.value(), cells.given_per_kg.value()) {
        let off = differs(Exact::from(*given), Exact::from(*planned));
        found.add_if(off, F::DoseOffPlan, "/data/cells/given_per_kg");
    }
    let (total, weight) = (value(cells.total.as_ref()), value(cells.body_weight_kg.as_ref()));
    if let (Some(given), Some(total), Some(weight)) = (cells.given_per_kg.value(), total, weight) {
        let due = Exact::from(*given).checked_mul(weight.exact());
        let off = due.is_none_or(|due| differs(Exact::from(*total), due));
        found.add_if(off, F::CellsTotalDiffers, "/data/cells/total");
    }
    let expired =
        value(cells.expires_on.as_ref()).zip(on).is_some_and(|(expiry, on)| on.certainly_after(*expiry));
    found.add_if(expired, F::LotExpired, "/data/cells/expires_on");
    let released = value(cells.release.as_ref()).is_none_or(|release| *release == ReleaseStatus::Released);
    found.add_if(!released, F::LotNotReleased, "/data/cells/release");
    let low = value(cells.viability_percent.as_ref())
        .is_some_and(|percent| percent.exact() < Exact::from(VIABILITY_PERCENT_MIN));
    found.add_if(low, F::ViabilityLow, "/data/cells/viability_percent");
}

fn visit(found: &mut Findings, trial: &Trial, event: &Event, data: &Visit) {
    if let (Some(name), false) = (&data.planned, trial.schedule.is_empty()) {
        found.add_if(trial.planned_visit(name).is_none(), F::VisitNotInSchedule, "/data/planned");
    }
    if let Some(items) = &data.sledai {
        found.add_if(crate::sledai::score(items).not_done > 0, F::SledaiIncomplete, "/data/sledai");
    }
    if let Some(pga) = value(data.pga.as_ref()) {
        let outside = pga.exact() < Exact::ZERO || pga.exact() > Exact::from(3);
        found.add_if(outside, F::PgaOutOfRange, "/data/pga");
    }
    for (index, observation) in data.observations.iter().enumerate() {
        let is_number = observation.reported.value().is_some_and(|reported| {
            reported.unit.is_some() && reported.value.parse::<crate::Decimal>().is_ok()
        });
        if is_number && observation.ucum.is_none() {
            found.add(F::UnitNotUcum, format!("/data/observations/{index}"));
        }
    }
    waiting(found, event);
}

fn adverse_event(found: &mut Findings, event: &Event, data: &AdverseEvent, recorded_at: Instant) {
    let grade = value(data.ctcae.as_ref()).map(|ctcae| ctcae.grade);
    let outcome = value(data.outcome.as_ref());
    if let (Some(grade), Some(outcome)) = (grade, outcome) {
        found.add_if(
            (grade == 5) != (*outcome == Outcome::Fatal),
            F::GradeAgainstOutcome,
            "/data/ctcae/grade",
        );
    }
    if let Some(reported) = value(data.serious_reported.as_ref()) {
        found.add_if(*reported != data.is_serious(), F::SeriousnessDisagrees, "/data/serious_reported");
    }
    let product = data.causality.get(&Agent::Product).and_then(|causality| causality.value());
    found.add_if(product.is_none(), F::CausalityMissing, "/data/causality/product");
    waiting(found, event);
    if let Some(aware) = value(data.aware_at.as_ref()) {
        let late = recorded_at.microseconds() - aware.microseconds() > AWARENESS_LIMIT_MICROSECONDS;
        found.add_if(late && data.is_serious(), F::AwarenessLate, "/data/aware_at");
    }
    if let Some(end) = value(data.end.as_ref()) {
        let by_day = end.on.zip(event.occurred_on).is_some_and(|(end, onset)| end.certainly_before(onset));
        let by_time = end.at.as_ref().zip(data.onset_at.as_ref());
        let by_time = by_time.is_some_and(|(end, onset)| end.utc_seconds() < onset.utc_seconds());
        found.add_if(by_day || by_time, F::EndBeforeStart, "/data/end");
    }
}

/// A judgement that is an investigator's to make and that somebody else entered.
fn waiting(found: &mut Findings, event: &Event) {
    if let Some(pointer) = endorsement::waits_at(event) {
        found.add(F::NotEndorsed, pointer);
    }
}

/// Items that the trial's profile demands. A pointer is followed through the bytes as they stand: what is there, be it
/// `{"missing": …}`, satisfies it.
fn mandatory(found: &mut Findings, trial: &Trial, event: &Event, bytes: &[u8]) {
    let Some(pointers) = trial.profile.mandatory.get(event.kind.as_str()) else { return };
    let data = member(bytes, "data").unwrap_or(b"{}");
    // Canonical, as admission has checked; members are looked up once for all pointers.
    let members = chain::canonical::members(data).unwrap_or_default();
    for pointer in pointers {
        let (first, rest) = steps(pointer);
        let item = members.iter().find(|member| data[member.key.clone()] == *first.as_bytes());
        if !item.is_some_and(|item| is_stated(&data[item.value.clone()], rest)) {
            found.add(F::MandatoryItemAbsent, format!("/data{pointer}"));
        }
    }
}

/// The first step of a pointer, and what follows it.
fn steps(pointer: &str) -> (&str, &str) {
    let steps = pointer.strip_prefix('/').unwrap_or(pointer);
    steps.split_once('/').unwrap_or((steps, ""))
}

fn member<'a>(object: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let members = chain::canonical::members(object).ok()?;
    let found = members.into_iter().find(|member| object[member.key.clone()] == *name.as_bytes())?;
    Some(&object[found.value])
}

/// Whether what the pointer names inside `item` is there. A whole object with a reason for being missing satisfies what is
/// demanded inside it.
fn is_stated(item: &[u8], pointer: &str) -> bool {
    if pointer.is_empty() || item.starts_with(b"{\"missing\":") {
        return true;
    }
    let (first, rest) = steps(pointer);
    member(item, first).is_some_and(|item| is_stated(item, rest))
}
