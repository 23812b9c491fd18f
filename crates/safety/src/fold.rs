//! From one event to the rows it changes.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use chain::{Instant, Position};
use clinical::data::{
    AdverseEvent, AeAssessment, Agent, Causality, Disposition, DispositionReason, Expectedness, GvhdStages,
    Infusion, Observation, Outcome, Range, SafetyReportSent, Seriousness, Visit, VisitStatus, VitalStatus,
    WithdrawalScope,
};
use clinical::kind::EventKind;
use clinical::rows::{Key, RestoreError, RowChange, TrialFold};
use clinical::stated::value;
use clinical::{Data, Decimal, Event, MissingReason, PartialDate, Stated};

use crate::case::relation;
use crate::rows::{
    Adverse, Assessed, Beside, Expected, Gvhd, Judgements, Known, Lab, Level, Lot, Sent, Visited, Weight,
    What,
};

/// Folds events into rows. Beside the rows it keeps what [`TrialFold`] does,
/// and what adverse events carry on from.
#[derive(Debug, Default)]
pub struct Folder {
    trial: TrialFold,
    /// Adverse events that carry on from another, by first records. A correction names what it amends and no more, so
    /// what it carries on from has to be remembered.
    followed: BTreeMap<u64, u64>,
}

impl Folder {
    /// A fold at the log's beginning.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes back what the fold knew: called with each row whose key begins with [`crate::STATE_PREFIX`], in
    /// ascending order of keys, before anything is folded.
    ///
    /// # Errors
    /// [`RestoreError`]: the rows are not this fold's and must be made anew.
    pub fn restore(&mut self, key: &[u8], row: &[u8]) -> Result<(), RestoreError> {
        if let Some(root) = self.trial.restore(key, row)? {
            if Beside::is_own(root) {
                return Ok(());
            }
            let root = u64::from_be_bytes(root.try_into().map_err(|_| RestoreError::Key)?);
            let followed = u64::from_be_bytes(row.try_into().map_err(|_| RestoreError::Value)?);
            self.followed.insert(root, followed);
        }
        Ok(())
    }

    /// Which rows the event changes that was recorded at position `seq` at the instant `recorded_at`: few.
    pub fn fold(&mut self, event: &Event, seq: Position, recorded_at: Instant, out: &mut Vec<RowChange>) {
        self.trial.fold(event, seq, recorded_at, out);
        if let Data::ProductLot(data) = &event.data {
            let lot = Lot { donors: data.donors.clone(), release: data.release, seq: seq.0 };
            out.push(RowChange { key: Key::Own(&Lot::key(&data.lot)).write(), value: Some(json(&lot)) });
        }
        if let Data::DataCut(data) = &event.data {
            let cut = json(&(data.records, data.cutoff_date));
            out.push(RowChange {
                key: Key::Own(&Beside::cut_key(data.name.as_str())).write(),
                value: Some(cut),
            });
        }
        let Some(mut what) = self.what(event) else { return };
        let place = self.trial.place(event, seq, out);
        if let What::Event(adverse) = &mut what {
            let root = place.root.0;
            match adverse.follows {
                Some(followed) => {
                    self.followed.insert(root, followed);
                    let value = Some(followed.to_be_bytes().to_vec());
                    out.push(RowChange { key: Key::Own(&root.to_be_bytes()).write(), value });
                }
                None => adverse.follows = self.followed.get(&root).copied(),
            }
        }
        let known = |event, by_sponsor, aware: Option<&Stated<Instant>>, weight, by: &Judgements| {
            let known = Known {
                seq: seq.0,
                thing: place.root.0,
                recorded: recorded_at.microseconds(),
                aware: value(aware).map(|aware| aware.microseconds()),
                weight,
                relation: relation(by.iter().copied()),
                by_sponsor,
            };
            let key = Key::Own(&Known::key(event, seq.0)).write();
            RowChange { key, value: Some(json(&known)) }
        };
        match (&event.data, &what) {
            (Data::AdverseEvent(data), What::Event(adverse)) => {
                let weight = weight(data);
                if weight > Weight::NotSerious {
                    let root = place.root.0;
                    out.push(known(root, None, data.aware_at.as_ref(), weight, &adverse.causality));
                }
            }
            (Data::AeAssessment(data), What::Assessed(assessed)) => {
                let expected = match assessed.expectedness {
                    Some(Expectedness::Expected) => Expected::Yes,
                    Some(Expectedness::Unexpected) => Expected::No,
                    None => Expected::NotJudged,
                };
                let (aware, weight) = (data.aware_at.as_ref(), weight_by(&data.seriousness));
                out.push(known(assessed.event, Some(expected), aware, weight, &assessed.causality));
            }
            _ => {}
        }
        out.extend(place.row(event, what));
    }

    /// What the event says for safety; `None` for what has no date and needs one, which no accepted event lacks.
    fn what<'a>(&self, event: &'a Event) -> Option<What<'a>> {
        let on = event.occurred_on;
        Some(match &event.data {
            Data::Enrollment(_) | Data::Screening(_) | Data::Consent(_) => What::Alive { on: on? },
            Data::Infusion(data) => infused(on?, data),
            Data::Visit(data) if data.status == VisitStatus::Missed => What::Known { on: on? },
            Data::Visit(data) => visited(on?, data),
            Data::Contact(data) if data.vital_status == VitalStatus::Alive => What::Alive { on: on? },
            Data::Contact(_) => What::Known { on: on? },
            Data::Disposition(data) => disposed(on?, data),
            Data::AdverseEvent(data) => {
                let follows = event.follows.as_ref().map(|follows| self.trial.root(follows.seq).0);
                What::Event(Box::new(adverse(on, data, follows)))
            }
            Data::Void if is_of_safety(event.kind) => What::Void { kind: event.kind },
            Data::Void => return None,
            Data::AeAssessment(data) => {
                What::Assessed(Box::new(assessed(on?, data, self.trial.root(data.adverse_event.seq).0)))
            }
            Data::SafetyReportSent(data) => {
                What::Sent(Box::new(sent(data, self.trial.root(data.adverse_event.seq).0)))
            }
            Data::ProductLot(_)
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
            | Data::TrialOpened(_)
            | Data::SiteActivated(_)
            | Data::KeyGranted(_)
            | Data::KeyRevoked(_)
            | Data::ServiceKeyGranted(_)
            | Data::LogKeyChanged(_) => {
                return None;
            }
        })
    }
}

/// Whether the report follows from events of that kind.
fn is_of_safety(kind: EventKind) -> bool {
    matches!(
        kind,
        EventKind::Enrollment
            | EventKind::Infusion
            | EventKind::Visit
            | EventKind::AdverseEvent
            | EventKind::Disposition
            | EventKind::Contact
            | EventKind::Screening
            | EventKind::Consent
            | EventKind::AeAssessment
            | EventKind::SafetyReportSent
    )
}

/// The rows are plain structures with text keys: writing them cannot fail.
fn json<T: serde::Serialize>(row: &T) -> Vec<u8> {
    serde_json::to_vec(row).expect("a row has text keys and no value that could fail")
}

fn infused(on: PartialDate, data: &Infusion) -> What<'_> {
    let cells = data.cells.as_ref();
    What::Infused {
        on,
        at: data.started_at.as_ref().map(clinical::ClinicalTime::utc_seconds),
        until: value(data.stopped_on.as_ref()).copied(),
        lot: cells.and_then(|cells| cells.lot.value()).map(|lot| Cow::Borrowed(lot.as_str())),
        donor: cells.and_then(|cells| value(cells.donor.as_ref())).map(|donor| Cow::Borrowed(donor.as_str())),
    }
}

fn visited(on: PartialDate, data: &Visit) -> What<'_> {
    let gvhd = data.gvhd.as_ref().map(|gvhd| match gvhd.value() {
        Some(GvhdStages { skin, liver, upper_gi, lower_gi }) => {
            Gvhd::Stages([*skin, *liver, *upper_gi, *lower_gi])
        }
        None => Gvhd::NotDone,
    });
    let labs: Vec<_> = data.observations.iter().filter_map(lab).collect();
    let unranged =
        data.observations.iter().filter(|one| range(one).is_none() && one.reported.value().is_some());
    let unranged = unranged.count() as u64;
    if gvhd.is_none() && labs.is_empty() && unranged == 0 {
        return What::Alive { on };
    }
    What::Visited(Box::new(Visited { on, gvhd, labs, unranged }))
}

/// The reference range, if it has an end.
fn range(data: &Observation) -> Option<&Range> {
    data.range.as_ref().filter(|range| range.low.is_some() || range.high.is_some())
}

/// Where a value lies to its range, both as reported; `None` without range, value or code.
fn lab(data: &Observation) -> Option<Lab<'_>> {
    let range = range(data)?;
    let reported = data.reported.value()?;
    let analyte = match (&data.loinc, &data.local) {
        (Some(loinc), _) => Cow::Borrowed(loinc.as_str()),
        (None, Some(local)) => Cow::Owned(format!("{} {}", local.system, local.code)),
        (None, None) => return None,
    };
    let level = match reported.value.parse::<Decimal>().map(|value| value.exact()) {
        Err(_) => Level::Unclassified,
        Ok(value) if range.low.as_ref().is_some_and(|low| value < low.exact()) => Level::Low,
        Ok(value) if range.high.as_ref().is_some_and(|high| value > high.exact()) => Level::High,
        Ok(_) => Level::Normal,
    };
    Some(Lab { analyte, level, on: data.on })
}

fn assessed(on: PartialDate, data: &AeAssessment, event: u64) -> Assessed<'_> {
    Assessed {
        on,
        event,
        causality: judgements(&data.causality),
        expectedness: data.expectedness.value().copied(),
        reference: value(data.reference_information.as_ref()).map(|text| Cow::Borrowed(text.as_str())),
        seriousness: Cow::Borrowed(&data.seriousness),
    }
}

fn sent(data: &SafetyReportSent, event: u64) -> Sent<'_> {
    Sent {
        event,
        jurisdiction: Cow::Borrowed(&data.jurisdiction),
        kind: data.report,
        at: data.sent_at.microseconds(),
    }
}

fn weight_by(seriousness: &BTreeSet<Seriousness>) -> Weight {
    if seriousness.contains(&Seriousness::Death) || seriousness.contains(&Seriousness::LifeThreatening) {
        Weight::FatalOrLifeThreatening
    } else if seriousness.is_empty() {
        Weight::NotSerious
    } else {
        Weight::Serious
    }
}

/// What ended in death weighs so, whatever criteria were ticked.
fn weight(data: &AdverseEvent) -> Weight {
    let fatal = value(data.outcome.as_ref()) == Some(&Outcome::Fatal)
        || value(data.ctcae.as_ref()).is_some_and(|ctcae| ctcae.grade == 5);
    if fatal { Weight::FatalOrLifeThreatening } else { weight_by(&data.seriousness) }
}

fn disposed(on: PartialDate, data: &Disposition) -> What<'static> {
    match data.reason {
        DispositionReason::Death => What::Died {
            on,
            by: data.death.as_ref().map(|death| judgements(&death.relatedness)).unwrap_or_default(),
        },
        _ if value(data.withdrawal.as_ref()) == Some(&WithdrawalScope::AllContact) => What::Withdrew { on },
        // Who is lost was by definition not met that day.
        DispositionReason::LostToFollowUp => What::Known { on },
        _ => What::Alive { on },
    }
}

fn adverse(on: Option<PartialDate>, data: &AdverseEvent, follows: Option<u64>) -> Adverse<'_> {
    Adverse {
        on,
        at: data.onset_at.as_ref().map(clinical::ClinicalTime::utc_seconds),
        coding: value(data.coding.as_ref())
            .map(|coding| (Cow::Borrowed(coding.soc.as_str()), Cow::Borrowed(coding.pt.as_str()))),
        severity: value(data.severity.as_ref()).copied(),
        grade: value(data.ctcae.as_ref()).map(|ctcae| ctcae.grade),
        grade_version: value(data.ctcae.as_ref()).map(|ctcae| Cow::Borrowed(ctcae.version.as_str())),
        serious_reported: value(data.serious_reported.as_ref()).copied(),
        seriousness: Cow::Borrowed(&data.seriousness),
        causality: judgements(&data.causality),
        outcome: value(data.outcome.as_ref()).copied(),
        follows,
    }
}

/// An agent that does not apply (no conditioning was given) is not one whose judgement is missing.
fn judgements(stated: &BTreeMap<Agent, Stated<Causality>>) -> Judgements {
    stated
        .iter()
        .filter(|(_, causality)| **causality != Stated::Missing(MissingReason::NotApplicable))
        .map(|(agent, causality)| (*agent, causality.value().copied()))
        .collect()
}
