//! From one event to the rows it changes.

use std::borrow::Cow;

use chain::{Instant, Position};
use clinical::data::{Disposition, DispositionReason, Visit};
use clinical::kind::EventKind;
use clinical::signers::Signers;
use clinical::stated::value;
use clinical::trial::Lineage;
use clinical::{Data, Date, Event, Zone, sledai};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::rows::{Fact, Header, Key, RowChange, Visited, What, write};

/// Folds events into rows. Beside the rows it keeps the lineage of amended things and the trial's zone, both of which
/// it gets back from the rows by [`Folder::restore`].
#[derive(Debug, Default)]
pub struct Folder {
    lineage: Lineage,
    signers: Signers,
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
                    schedule: Cow::Borrowed(&data.schedule),
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
            // The safety report's.
            Data::AdverseEvent(_) => {}
            Data::Void if event.kind == EventKind::AdverseEvent => {}
            // Authority changes no outcome.
            Data::KeyGranted(_) | Data::KeyRevoked(_) => {}
            Data::Enrollment(_)
            | Data::Infusion(_)
            | Data::Visit(_)
            | Data::Disposition(_)
            | Data::Contact(_)
            | Data::Void => self.fold_fact(event, seq, signer, out),
        }
        self.note_date(recorded_at, out);
    }

    fn fold_fact(&mut self, event: &Event, seq: Position, signer: Position, out: &mut Vec<RowChange>) {
        let (Some(subject), Some(site)) = (&event.subject, &event.site) else { return };
        let Some(what) = what(event) else { return };
        if let Some(amends) = &event.amends {
            out.push(RowChange {
                key: Key::Lineage(seq.0).write(),
                value: Some(amends.seq.0.to_be_bytes().to_vec()),
            });
        }
        let root = self.lineage.place(seq, event.amends.as_ref());
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
            let date = clinical::PartialDate::Day(local.date()).to_string();
            out.push(RowChange { key: Key::Date.write(), value: Some(date.into_bytes()) });
        }
    }
}

pub(crate) fn read_date(row: &[u8]) -> Option<Date> {
    std::str::from_utf8(row).ok()?.parse::<clinical::PartialDate>().ok()?.day()
}

/// What the event says for outcomes; `None` for what has no date, which no kind folded here lacks.
fn what(event: &Event) -> Option<What<'_>> {
    if event.data == Data::Void {
        return Some(What::Void { kind: event.kind });
    }
    let on = event.occurred_on?;
    Some(match &event.data {
        Data::Enrollment(_) => What::Enrolled { on },
        Data::Infusion(data) => What::Infused { on, until: value(data.stopped_on.as_ref()).copied() },
        Data::Visit(data) => What::Visited(visited(on, data)),
        Data::Disposition(data) => disposed(on, data),
        Data::Contact(data) => What::Contacted { on, vital: data.vital_status },
        Data::TrialOpened(_)
        | Data::SiteActivated(_)
        | Data::KeyGranted(_)
        | Data::KeyRevoked(_)
        | Data::AdverseEvent(_)
        | Data::Void => return None,
    })
}

fn visited(on: clinical::PartialDate, data: &Visit) -> Visited<'_> {
    Visited {
        on,
        status: data.status,
        planned: data.planned.as_deref().map(Cow::Borrowed),
        response: data
            .response
            .as_ref()
            .map(|response| (Cow::Borrowed(response.definition.as_str()), response.status)),
        relapse: data
            .relapse
            .as_ref()
            .map(|relapse| (Cow::Borrowed(relapse.definition.as_str()), relapse.relapsed)),
        sledai: data.sledai.as_ref().map(|items| {
            let score = sledai::score(items);
            (score.total, score.not_done)
        }),
    }
}

fn disposed(on: clinical::PartialDate, data: &Disposition) -> What<'static> {
    What::Disposed {
        on,
        reason: data.reason,
        scope: data.scope,
        // Only a withdrawal has a scope of withdrawal.
        withdrawal: value(data.withdrawal.as_ref())
            .copied()
            .filter(|_| data.reason != DispositionReason::Death),
    }
}
