//! Endorsement: which judgements wait for an investigator, who signed what, and whether that still holds.
//!
//! Nothing of it is stored: it follows from a subject's records and from which keys are suspected. For lists and pages, not
//! for reports.

use std::collections::BTreeSet;

use chain::{Instant, Position};
use serde::{Deserialize, Serialize};

use crate::authority::{Entitlement, Grant, Role, entitlement};
use crate::data::{Data, SignatureMeaning};
use crate::date::{day_number, latest_day_number};
use crate::event::{Actor, Event};
use crate::kind::{EventKind, Scope};
use crate::plan::latest;

/// Where an event's judgement stands that is an investigator's to make, if it has one.
pub fn judgement(data: &Data) -> Option<&'static str> {
    match data {
        Data::Visit(visit) if visit.response.is_some() || visit.relapse.is_some() => Some("/data"),
        Data::AdverseEvent(event) if !event.causality.is_empty() => Some("/data/causality"),
        _ => None,
    }
}

/// Where the judgement stands that waits for an investigator, because a coordinator entered it.
pub fn waits_at(event: &Event) -> Option<&'static str> {
    judgement(&event.data).filter(|_| event.actor.role == Role::Coordinator)
}

/// Whether an investigator may sign records of this kind: what investigators state themselves. A signature is not signed
/// once more; what it names is.
///
/// ```
/// use clinical::{EventKind, endorsement::is_signable};
/// assert!(is_signable(EventKind::Visit) && !is_signable(EventKind::Signature));
/// ```
pub fn is_signable(kind: EventKind) -> bool {
    kind.scope() == Scope::Subject
        && kind != EventKind::Signature
        && entitlement(Role::Investigator, kind) == Entitlement::OwnSites
}

/// Whether somebody else may have signed what was recorded at `recorded_at` with the key of this grant. The day is taken
/// where it is latest, at UTC+14, and a partial date at its first day.
pub fn is_in_doubt(grant: &Grant, recorded_at: Instant) -> bool {
    grant.suspected_since.is_some_and(|since| latest_day_number(recorded_at) >= day_number(since.earliest()))
}

/// A signature on a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignatureSeen {
    /// Who signed.
    pub by: Actor,
    /// What the signature means.
    pub meaning: SignatureMeaning,
    /// The record of the signature.
    pub seq: Position,
    /// When it was signed, by the signer's clock.
    pub signed_at: Instant,
    /// Whether it still says anything about what is in force.
    pub standing: SignatureStanding,
    /// The record that is signed.
    pub statement: Position,
}

/// Whether a signature still holds for a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignatureStanding {
    /// It does.
    Holds,
    /// The record was amended since: what is in force now is not what was signed.
    Stale,
    /// Others may have had the key when the signature was recorded.
    InDoubt,
}

impl SignatureSeen {
    /// What the signature at `seq` says about each record that it names; nothing if the event is none. `is_amended` says
    /// whether a record was amended since, `in_doubt` whether others may have had the key.
    pub fn of(
        seq: Position,
        event: &Event,
        is_amended: impl Fn(Position) -> bool,
        in_doubt: bool,
    ) -> Vec<Self> {
        let Data::StatementsSigned(data) = &event.data else { return Vec::new() };
        let seen = |statement: Position| Self {
            by: event.actor.clone(),
            meaning: data.meaning,
            seq,
            signed_at: event.signed_at,
            standing: if is_amended(statement) {
                SignatureStanding::Stale
            } else if in_doubt {
                SignatureStanding::InDoubt
            } else {
                SignatureStanding::Holds
            },
            statement,
        };
        data.statements.iter().map(|named| seen(named.seq)).collect()
    }

    /// Whether by it the record's judgements are an investigator's own.
    pub fn endorses(&self) -> bool {
        self.meaning == SignatureMeaning::Endorsement && self.standing == SignatureStanding::Holds
    }
}

/// Where a subject's statements stand with those who answer for them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Endorsements {
    /// Records in force whose judgements wait for an investigator.
    pub waiting: Vec<Position>,
    /// Other records in force that were signed, or endorsed, with a key that others may have had then.
    pub in_doubt: Vec<Position>,
    /// The signatures in force, one for each record that each names.
    pub signatures: Vec<SignatureSeen>,
}

impl Endorsements {
    /// Of all records of a subject in the order of the log; `in_doubt` holds those that were signed with a key that others
    /// may have had then.
    pub fn of(records: &[(Position, Event)], in_doubt: &BTreeSet<Position>) -> Self {
        let amended: BTreeSet<Position> =
            records.iter().filter_map(|(_, event)| event.amends.as_ref()).map(|amends| amends.seq).collect();
        let in_force = latest(records);
        let signatures: Vec<SignatureSeen> = in_force
            .iter()
            .flat_map(|(seq, event)| {
                SignatureSeen::of(*seq, event, |named| amended.contains(&named), in_doubt.contains(seq))
            })
            .collect();
        let endorsed: BTreeSet<Position> =
            signatures.iter().filter(|seen| seen.endorses()).map(|seen| seen.statement).collect();
        let doubtful: BTreeSet<Position> = signatures
            .iter()
            .filter(|seen| seen.standing == SignatureStanding::InDoubt)
            .map(|seen| seen.statement)
            .collect();
        let (mut waiting, mut questioned) = (Vec::new(), Vec::new());
        for (seq, event) in in_force {
            if !is_signable(event.kind) || endorsed.contains(&seq) {
                continue;
            }
            if waits_at(event).is_some() {
                waiting.push(seq);
            } else if in_doubt.contains(&seq) || doubtful.contains(&seq) {
                questioned.push(seq);
            }
        }
        Self { waiting, in_doubt: questioned, signatures }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// What happens to a subject, in order. Positions are those of the list.
    enum Step {
        /// A visit with a judgement, entered by this role.
        Judged(&'static str),
        /// A visit without one.
        Seen(&'static str),
        /// A signature by an investigator, of this meaning, over these.
        Signs(&'static str, &'static [u64]),
        /// An amendment of a visit with a judgement, by this role.
        Replaces(&'static str, u64),
        /// A void of what stands there, of this kind.
        Voids(&'static str, u64),
    }

    fn event(step: &Step) -> Event {
        let named = |seq: &u64| json!({"hash": "33".repeat(32), "seq": seq});
        let amends = |seq: u64, effect: &str| json!({"effect": effect, "hash": "33".repeat(32), "reason": "other", "seq": seq});
        let judged =
            json!({"response": {"definition": "ccr-registry-1", "status": "complete"}, "status": "done"});
        let (role, kind, data, amends): (&str, &str, Value, Option<Value>) = match step {
            Step::Judged(role) => (role, "visit", judged, None),
            Step::Seen(role) => (role, "visit", json!({"status": "done"}), None),
            Step::Signs(meaning, seqs) => {
                let statements: Vec<Value> = seqs.iter().map(named).collect();
                let data = json!({"meaning": meaning, "statements": statements});
                ("investigator", "signature", data, None)
            }
            Step::Replaces(role, seq) => (role, "visit", judged, Some(amends(*seq, "replace"))),
            Step::Voids(kind, seq) => ("investigator", kind, json!({}), Some(amends(*seq, "void"))),
        };
        let mut event = json!({
            "actor": {"id": "li.wei", "organisation": "CN-NJ Hospital", "role": role},
            "data": data,
            "id": "01936b2e-7c5a-7d3e-8f10-0123456789ab",
            "key": "11".repeat(32),
            "kind": kind,
            "log": "22".repeat(32),
            "schema": 1,
            "signed_at": "2008-03-12T01:10:00.000000Z",
            "site": "CN-NJ",
            "subject": "S0007",
            "trial": "lupus-msct",
            "zone": "Asia/Shanghai"
        });
        if kind == "visit" {
            event["occurred_on"] = json!("2008-03-11");
        }
        if let Some(amends) = amends {
            event["amends"] = amends;
        }
        Event::parse(&chain::canonical::canonicalize(&event).unwrap()).unwrap()
    }

    fn of(steps: &[Step], in_doubt: &[u64]) -> Endorsements {
        let records: Vec<(Position, Event)> = (0..).map(Position).zip(steps.iter().map(event)).collect();
        Endorsements::of(&records, &in_doubt.iter().copied().map(Position).collect())
    }

    fn positions(seqs: &[u64]) -> Vec<Position> {
        seqs.iter().copied().map(Position).collect()
    }

    #[test]
    fn a_coordinators_judgement_waits_until_it_is_endorsed_and_again_when_it_is_amended() {
        use Step::{Judged, Replaces, Seen, Signs, Voids};
        const C: &str = "coordinator";
        const I: &str = "investigator";
        let check = |steps: &[Step], waiting: &[u64]| {
            let found = of(steps, &[]);
            assert_eq!((found.waiting, found.in_doubt), (positions(waiting), vec![]));
        };
        check(&[Judged(C), Seen(C), Judged(I)], &[0]);
        check(&[Judged(C), Judged(C), Signs("endorsement", &[0])], &[1]);
        check(&[Judged(C), Judged(C), Signs("endorsement", &[0, 1])], &[]);
        // To have read it is not to judge so.
        check(&[Judged(C), Signs("review", &[0]), Signs("approval", &[0])], &[0]);
        // What was endorsed is no longer what stands.
        check(&[Judged(C), Signs("endorsement", &[0]), Replaces(C, 0)], &[2]);
        check(&[Judged(C), Signs("endorsement", &[0]), Replaces(C, 0), Signs("endorsement", &[2])], &[]);
        check(&[Judged(C), Signs("endorsement", &[0]), Replaces(I, 0)], &[]);
        check(&[Judged(C), Replaces(I, 0)], &[]);
        check(&[Judged(C), Voids("visit", 0)], &[]);
        // An endorsement that was withdrawn.
        check(&[Judged(C), Signs("endorsement", &[0]), Voids("signature", 1)], &[0]);
    }

    #[test]
    fn an_endorsement_is_stale_once_its_record_is_amended() {
        use Step::{Judged, Replaces, Signs};
        let steps = [
            Judged("coordinator"),
            Judged("coordinator"),
            Signs("endorsement", &[0, 1]),
            Replaces("coordinator", 1),
        ];
        let found = of(&steps, &[]);
        let standings: Vec<_> =
            found.signatures.iter().map(|seen| (seen.seq.0, seen.statement.0, seen.standing)).collect();
        assert_eq!(standings, [(2, 0, SignatureStanding::Holds), (2, 1, SignatureStanding::Stale)]);
    }

    #[test]
    fn what_a_suspected_key_signed_is_in_doubt_until_it_is_endorsed_with_another() {
        use Step::{Judged, Seen, Signs};
        let steps = || vec![Judged("coordinator"), Seen("investigator"), Signs("endorsement", &[0])];
        let found = of(&steps(), &[1, 2]);
        assert_eq!((found.waiting, found.in_doubt), (positions(&[0]), positions(&[1])));
        assert_eq!(found.signatures[0].standing, SignatureStanding::InDoubt);

        let mut steps = steps();
        steps.push(Signs("review", &[1]));
        assert_eq!(of(&steps, &[1, 2]).in_doubt, positions(&[1]));
        steps.push(Signs("endorsement", &[0, 1]));
        let found = of(&steps, &[1, 2]);
        assert_eq!((found.waiting, found.in_doubt), (vec![], vec![]));
    }
}
