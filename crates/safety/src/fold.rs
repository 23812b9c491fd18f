//! From one event to the rows it changes.

use std::borrow::Cow;
use std::collections::BTreeMap;

use chain::{Instant, Position};
use clinical::data::{
    AdverseEvent, Agent, Causality, Disposition, DispositionReason, Infusion, VisitStatus, VitalStatus,
    WithdrawalScope,
};
use clinical::signers::Signers;
use clinical::stated::value;
use clinical::trial::Lineage;
use clinical::{Data, Date, Event, MissingReason, PartialDate, Stated, Zone};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::rows::{Adverse, Fact, Header, Judgements, Key, RowChange, What, write};

/// Folds events into rows. Beside the rows it keeps the lineage of amended things and the trial's zone, both of which
/// it gets back from the rows by [`Folder::restore`].
#[derive(Debug, Default)]
pub struct Folder {
    lineage: Lineage,
    signers: Signers,
    /// Adverse events that carry on from another, by first records. A correction names what it amends and no more, so
    /// what it carries on from has to be remembered.
    followed: BTreeMap<u64, u64>,
    zone: Option<TimeZone>,
    /// The date in the rows: that of the last record in the trial's zone.
    date: Option<Date>,
    /// First and last microsecond of that date, as far as known.
    day: Option<(i64, i64)>,
}

/// A row from which the fold cannot be restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// The key is none that a fold writes.
    #[error("the key of a row is not of a known form")]
    Key,
    /// The value is none that a fold writes.
    #[error("the value of a row is not of a known form")]
    Value,
}

/// The zone, or UTC where this program does not know its name: the report says which it was.
pub(crate) fn zone_or_utc(name: &str) -> (TimeZone, bool) {
    TimeZone::get(name).map_or((TimeZone::UTC, false), |zone| (zone, true))
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
        match Key::read(key).ok_or(RestoreError::Key)? {
            Key::Header => {
                let header: Header<'_> = serde_json::from_slice(row).map_err(|_| RestoreError::Value)?;
                self.zone = Some(zone_or_utc(&header.zone).0);
            }
            Key::Date => self.date = Some(read_date(row).ok_or(RestoreError::Value)?),
            Key::Lineage(seq) => {
                let amended = u64::from_be_bytes(row.try_into().map_err(|_| RestoreError::Value)?);
                self.lineage.amend(Position(seq), Position(amended));
            }
            Key::Followed(root) => {
                let followed = u64::from_be_bytes(row.try_into().map_err(|_| RestoreError::Value)?);
                self.followed.insert(root, followed);
            }
            Key::Signers(key) => self.signers.restore(key, row).ok_or(RestoreError::Value)?,
            Key::Site(_) => {}
            Key::Fact { .. } => return Err(RestoreError::Key),
        }
        Ok(())
    }

    /// Which rows the event changes that was recorded at position `seq` at the instant `recorded_at`: few.
    pub fn fold(&mut self, event: &Event, seq: Position, recorded_at: Instant, out: &mut Vec<RowChange>) {
        let signer = self
            .signers
            .fold(event, seq, recorded_at, |key, row| out.push(RowChange { key, value: Some(row) }));
        match &event.data {
            Data::TrialOpened(data) => {
                self.set_zone(&data.zone);
                let header = Header {
                    trial: Cow::Borrowed(event.trial.as_str()),
                    title: Cow::Borrowed(&data.title),
                    synthetic: data.synthetic,
                    zone: Cow::Borrowed(data.zone.as_str()),
                    definitions: Cow::Borrowed(&data.definitions),
                };
                out.push(RowChange { key: Key::Header.write(), value: Some(write(&header)) });
            }
            Data::SiteActivated(data) => {
                if let Some(site) = &event.site {
                    out.push(RowChange {
                        key: Key::Site(site.as_str()).write(),
                        value: Some(write(&(data.name.as_str(), data.country.as_str()))),
                    });
                }
            }
            // Authority changes nothing about safety.
            Data::KeyGranted(_) | Data::KeyRevoked(_) => {}
            Data::Enrollment(_)
            | Data::Infusion(_)
            | Data::Visit(_)
            | Data::AdverseEvent(_)
            | Data::Disposition(_)
            | Data::Contact(_)
            | Data::Void => self.fold_fact(event, seq, signer, out),
        }
        self.note_date(recorded_at, out);
    }

    fn fold_fact(&mut self, event: &Event, seq: Position, signer: Position, out: &mut Vec<RowChange>) {
        let (Some(subject), Some(site)) = (&event.subject, &event.site) else { return };
        let Some(mut what) = self.what(event) else { return };
        if let Some(amends) = &event.amends {
            out.push(RowChange {
                key: Key::Lineage(seq.0).write(),
                value: Some(amends.seq.0.to_be_bytes().to_vec()),
            });
        }
        let root = self.lineage.place(seq, event.amends.as_ref());
        if let What::Event(adverse) = &mut what {
            match adverse.follows {
                Some(followed) => {
                    self.followed.insert(root.0, followed);
                    let value = Some(followed.to_be_bytes().to_vec());
                    out.push(RowChange { key: Key::Followed(root.0).write(), value });
                }
                None => adverse.follows = self.followed.get(&root.0).copied(),
            }
        }
        let fact = Fact { latest: seq.0, signer: signer.0, site: Cow::Borrowed(site.as_str()), what };
        let key = Key::Fact { subject: subject.as_str(), root: root.0 }.write();
        out.push(RowChange { key, value: Some(write(&fact)) });
    }

    fn set_zone(&mut self, zone: &Zone) {
        self.zone = Some(zone_or_utc(zone.as_str()).0);
        self.day = None;
    }

    /// Writes the last record's date when it changes. The zone's rules are asked once a day, not once a record.
    fn note_date(&mut self, recorded_at: Instant, out: &mut Vec<RowChange>) {
        let now = recorded_at.microseconds();
        if self.day.is_some_and(|(first, last)| (first..=last).contains(&now)) {
            return;
        }
        // jiff's own range is wider than an instant's, but for the zone's offset at its two ends.
        let Ok(timestamp) = Timestamp::from_microsecond(now) else { return };
        let local = timestamp.to_zoned(self.zone.clone().unwrap_or(TimeZone::UTC));
        self.day =
            local.start_of_day().ok().zip(local.tomorrow().and_then(|next| next.start_of_day()).ok()).map(
                |(first, next)| (first.timestamp().as_microsecond(), next.timestamp().as_microsecond() - 1),
            );
        if self.date != Some(local.date()) {
            self.date = Some(local.date());
            let date = PartialDate::Day(local.date()).to_string();
            out.push(RowChange { key: Key::Date.write(), value: Some(date.into_bytes()) });
        }
    }

    /// What the event says for safety; `None` for what has no date and needs one, which no accepted event lacks.
    fn what<'a>(&self, event: &'a Event) -> Option<What<'a>> {
        let on = event.occurred_on;
        Some(match &event.data {
            Data::Enrollment(_) => What::Alive { on: on? },
            Data::Infusion(data) => infused(on?, data),
            Data::Visit(data) if data.status == VisitStatus::Missed => What::Known { on: on? },
            Data::Visit(_) => What::Alive { on: on? },
            Data::Contact(data) if data.vital_status == VitalStatus::Alive => What::Alive { on: on? },
            Data::Contact(_) => What::Known { on: on? },
            Data::Disposition(data) => disposed(on?, data),
            Data::AdverseEvent(data) => {
                let follows = event.follows.as_ref().map(|follows| self.lineage.root(follows.seq).0);
                What::Event(Box::new(adverse(on, data, follows)))
            }
            Data::Void => What::Void { kind: event.kind },
            Data::TrialOpened(_) | Data::SiteActivated(_) | Data::KeyGranted(_) | Data::KeyRevoked(_) => {
                return None;
            }
        })
    }
}

pub(crate) fn read_date(row: &[u8]) -> Option<Date> {
    std::str::from_utf8(row).ok()?.parse::<PartialDate>().ok()?.day()
}

fn infused(on: PartialDate, data: &Infusion) -> What<'static> {
    What::Infused {
        on,
        at: data.started_at.as_ref().map(clinical::ClinicalTime::utc_seconds),
        until: value(data.stopped_on.as_ref()).copied(),
    }
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
