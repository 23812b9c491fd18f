//! Which key signed what a report rests on: so that a report names the records of a key that others may have had.
//!
//! A revocation may say since when the key is suspected. From then on its records are named, be they true or not.
//! What counts is when a record was recorded: whoever has the key chooses `signed_at`, while `recorded_at` is the
//! registrar's and never goes back. The day is taken where it is latest, at UTC+14, and a partial date at its first
//! day: rather one record too many than one too few.

use std::collections::BTreeMap;

use chain::{Instant, KeyId, Position};
use serde::{Deserialize, Serialize};

use crate::authority::Role;
use crate::data::{Data, KeyRevoked, RevocationReason};
use crate::date::{PartialDate, day_number, latest_day_number};
use crate::event::Event;
use crate::id::ActorId;
use crate::kind::Scope;

/// What the key of every row begins with that [`Signers`] writes.
pub const SIGNERS_PREFIX: &[u8] = b"\0k";

const DAY: u8 = b'd';
const GRANT: u8 = b'g';
const REVOCATION: u8 = b'r';
const ACT: u8 = b't';

/// Folds events into rows that tell who signed what. Beside the rows it keeps where each key was granted, which it gets
/// back by [`Signers::restore`].
#[derive(Debug, Clone, Default)]
pub struct Signers {
    granted: BTreeMap<KeyId, Position>,
    day: Option<i64>,
}

#[derive(Serialize, Deserialize)]
struct GrantRow {
    at: Position,
    holder: ActorId,
    organisation: String,
    role: Role,
}

#[derive(Serialize, Deserialize)]
struct RevocationRow {
    at: Position,
    reason: RevocationReason,
    since: PartialDate,
}

fn row_key(letter: u8, rest: &[u8]) -> Vec<u8> {
    [SIGNERS_PREFIX, &[letter], rest].concat()
}

fn write<T: Serialize>(row: &T) -> Vec<u8> {
    serde_json::to_vec(row).expect("a row has text keys and no value that could fail")
}

fn number(bytes: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(bytes.try_into().ok()?))
}

impl Signers {
    /// Takes back what it knew from one of its rows; `None` if the row is none of its own.
    pub fn restore(&mut self, key: &[u8], row: &[u8]) -> Option<()> {
        match Row::read(key, row)? {
            Row::Grant(key, grant) => drop(self.granted.insert(key, grant.at)),
            Row::Day(day, _) => self.day = self.day.max(Some(day)),
            Row::Revocation(..) | Row::Act(..) => {}
        }
        Some(())
    }

    /// Goes one record on: gives rows, keys with values, to `put`, and answers where the signing key was granted (zero
    /// for one of the opening).
    pub fn fold(
        &mut self,
        event: &Event,
        seq: Position,
        recorded_at: Instant,
        mut put: impl FnMut(Vec<u8>, Vec<u8>),
    ) -> Position {
        let day = latest_day_number(recorded_at);
        if self.day != Some(day) {
            self.day = Some(day);
            // The sign bit turned: so that days before 1970 come first.
            let day = (day ^ i64::MIN).to_be_bytes();
            put(row_key(DAY, &day), seq.0.to_be_bytes().to_vec());
        }
        if event.kind.scope() == Scope::Trial {
            put(row_key(ACT, &seq.0.to_be_bytes()), event.key.0.to_vec());
        }
        match &event.data {
            Data::TrialOpened(data) => {
                for sponsor in &data.sponsor_keys {
                    let (holder, organisation) = (sponsor.holder.clone(), sponsor.organisation.clone());
                    let grant = GrantRow { at: seq, holder, organisation, role: Role::Sponsor };
                    self.grant(&sponsor.public_key, &grant, &mut put);
                }
            }
            Data::KeyGranted(data) => {
                let (holder, organisation) = (data.holder.clone(), data.organisation.clone());
                let grant = GrantRow { at: seq, holder, organisation, role: data.role };
                self.grant(&data.public_key, &grant, &mut put);
            }
            Data::KeyRevoked(KeyRevoked { key, reason, suspected_since: Some(since) }) => {
                let revocation = RevocationRow { at: seq, reason: *reason, since: *since };
                put(row_key(REVOCATION, &key.0), write(&revocation));
            }
            _ => {}
        }
        self.granted.get(&event.key).copied().unwrap_or(Position(0))
    }

    fn grant(&mut self, public_key: &str, grant: &GrantRow, put: &mut impl FnMut(Vec<u8>, Vec<u8>)) {
        let Ok(key) = chain::PublicKey::from_text(public_key) else { return };
        self.granted.insert(key.id(), grant.at);
        put(row_key(GRANT, &key.id().0), write(grant));
    }
}

/// A row, read.
enum Row {
    Day(i64, Position),
    Grant(KeyId, GrantRow),
    Revocation(KeyId, RevocationRow),
    Act(Position, KeyId),
}

impl Row {
    fn read(key: &[u8], row: &[u8]) -> Option<Self> {
        let (letter, rest) = key.strip_prefix(SIGNERS_PREFIX)?.split_first()?;
        let id = |bytes: &[u8]| Some(KeyId(bytes.try_into().ok()?));
        match *letter {
            DAY => {
                let day = i64::from_be_bytes(rest.try_into().ok()?) ^ i64::MIN;
                Some(Self::Day(day, Position(number(row)?)))
            }
            GRANT => Some(Self::Grant(id(rest)?, serde_json::from_slice(row).ok()?)),
            REVOCATION => Some(Self::Revocation(id(rest)?, serde_json::from_slice(row).ok()?)),
            ACT => Some(Self::Act(Position(number(rest)?), id(row)?)),
            _ => None,
        }
    }
}

/// The rows of a fold, read for a report.
#[derive(Default)]
pub struct SignerRows {
    days: BTreeMap<i64, Position>,
    grants: BTreeMap<KeyId, GrantRow>,
    revocations: Vec<(KeyId, RevocationRow)>,
    acts: Vec<(Position, KeyId)>,
}

impl SignerRows {
    /// Takes in one of the rows; `None` if it is none that a fold writes.
    pub fn read(&mut self, key: &[u8], row: &[u8]) -> Option<()> {
        match Row::read(key, row)? {
            Row::Day(day, first) => drop(self.days.insert(day, first)),
            Row::Grant(key, grant) => drop(self.grants.insert(key, grant)),
            Row::Revocation(key, revocation) => self.revocations.push((key, revocation)),
            Row::Act(seq, key) => self.acts.push((seq, key)),
        }
        Some(())
    }

    /// The keys that are suspected, with the records about the trial that they signed since.
    pub fn suspicions(mut self) -> Suspicions {
        self.revocations.sort_by_key(|(_, revocation)| revocation.at);
        let mut suspicions = Suspicions::default();
        for (key, revocation) in self.revocations {
            let Some(grant) = self.grants.get(&key) else { continue };
            let from = self.days.range(day_number(revocation.since.earliest())..).next().map(|(_, seq)| *seq);
            let acts =
                self.acts.iter().filter(|(seq, by)| *by == key && from.is_some_and(|from| *seq >= from));
            let records = acts.map(|(seq, _)| SuspectedRecord { seq: *seq, subject: None }).collect();
            suspicions.granted.push((grant.at, from));
            suspicions.keys.push(SuspectedKey {
                key,
                holder: grant.holder.clone(),
                organisation: grant.organisation.clone(),
                role: grant.role,
                reason: revocation.reason,
                revoked_at: revocation.at,
                suspected_since: revocation.since,
                records,
            });
        }
        suspicions
    }
}

/// Suspected keys, gathering their records.
#[derive(Debug, Default, Clone)]
pub struct Suspicions {
    keys: Vec<SuspectedKey>,
    /// Of each key: where it was granted, and the first record that counts.
    granted: Vec<(Position, Option<Position>)>,
}

impl Suspicions {
    /// Takes in that the latest version of a subject's fact stands at `latest`, signed by the key granted at `by`.
    pub fn note(&mut self, by: Position, latest: Position, subject: &str) {
        for (key, (granted, from)) in self.keys.iter_mut().zip(&self.granted) {
            if *granted == by && from.is_some_and(|from| latest >= from) {
                key.records.push(SuspectedRecord { seq: latest, subject: Some(subject.to_owned()) });
            }
        }
    }

    /// The keys by the position of their revocation, each with its records by position.
    pub fn finish(mut self) -> Vec<SuspectedKey> {
        for key in &mut self.keys {
            key.records.sort_by_key(|record| record.seq);
        }
        self.keys
    }
}

/// A revoked key that others may have had, and what was recorded with it since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SuspectedKey {
    /// The key.
    pub key: KeyId,
    /// Who held it.
    pub holder: ActorId,
    /// For which organisation.
    pub organisation: String,
    /// In which role.
    pub role: Role,
    /// Why it was revoked.
    pub reason: RevocationReason,
    /// Position of its revocation.
    pub revoked_at: Position,
    /// From when on others may have had it, as the revocation states.
    pub suspected_since: PartialDate,
    /// Records that it signed and that were recorded from that day on: those about the trial, and of the facts that
    /// the report is made of each latest version, whatever its date.
    pub records: Vec<SuspectedRecord>,
}

/// A record signed with a suspected key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SuspectedRecord {
    /// Its position.
    pub seq: Position,
    /// Its subject; `None` for a record about the trial.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(days: &[(i64, u64)], since: &str) -> Suspicions {
        let grant = GrantRow {
            at: Position(3),
            holder: "li.wei".parse().unwrap(),
            organisation: "Hospital".to_owned(),
            role: Role::Investigator,
        };
        let revocation = RevocationRow {
            at: Position(90),
            reason: RevocationReason::Compromised,
            since: since.parse().unwrap(),
        };
        let mut rows = SignerRows::default();
        for (day, first) in days {
            let key = row_key(DAY, &(day ^ i64::MIN).to_be_bytes());
            rows.read(&key, &first.to_be_bytes()).unwrap();
        }
        rows.read(&row_key(GRANT, &[7; 32]), &write(&grant)).unwrap();
        rows.read(&row_key(REVOCATION, &[7; 32]), &write(&revocation)).unwrap();
        for seq in [10_u64, 60] {
            rows.read(&row_key(ACT, &seq.to_be_bytes()), &[7; 32]).unwrap();
        }
        rows.suspicions()
    }

    #[test]
    fn records_count_from_the_first_that_was_recorded_on_the_suspected_day() {
        // 2008-01-01 is day 13,879.
        let days = [(-1, 0), (13_878, 20), (13_880, 40), (13_910, 50)];
        let check = |since: &str, expected: &[u64]| {
            let mut suspicions = rows(&days, since);
            for (by, latest) in [(3, 45), (3, 20), (4, 70), (3, 19)] {
                suspicions.note(Position(by), Position(latest), "S1");
            }
            let keys = suspicions.finish();
            let found: Vec<u64> = keys[0].records.iter().map(|record| record.seq.0).collect();
            assert_eq!(found, expected, "{since}");
        };
        check("2007-12-31", &[20, 45, 60]);
        check("2008-01-01", &[45, 60]);
        check("2008-01-02", &[45, 60]);
        check("2008", &[45, 60]);
        check("2008-02", &[60]);
        check("2008-03", &[]);
        check("1960", &[10, 19, 20, 45, 60]);
    }

    #[test]
    fn a_row_of_another_form_is_no_row() {
        let mut rows = SignerRows::default();
        for (key, row) in [
            (&b"\0k"[..], &b""[..]),
            (b"\0kq", b""),
            (b"\0kd1234567", b"12345678"),
            (b"\0kd12345678", b"1"),
            (b"\0kg", b"{}"),
            (b"\0l", b""),
        ] {
            assert_eq!((rows.read(key, row), Signers::default().restore(key, row)), (None, None), "{key:?}");
        }
    }
}
