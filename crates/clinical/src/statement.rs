//! A statement: an event as a person writes it, before it is sealed and signed.
//!
//! `compose` turns it into the event's canonical bytes: it adds who, when and which log, encrypts the free texts, and
//! reads the result back as a registrar will, so that what cannot be recorded is refused before anybody signs it.

use chain::{CanonicalError, Instant, KeyId, Position, RecordHash, SecretKey};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::confirmed::Confirmed;
use crate::date::PartialDate;
use crate::event::{Actor, AmendReason, DecodeError, Effect, Event, Follows, SCHEMA, text_pointers};
use crate::id::{EventId, SiteId, SubjectId, TrialId, Zone};
use crate::kind::EventKind;
use crate::taken_from::TakenFrom;
use crate::text::{SealingRandomness, TextError, TextPlace, seal};

/// What a person states, with texts in clear.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// The correction it makes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amends: Option<PlainAmends>,
    /// What its signer knows would be found about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed: Option<Confirmed<String>>,
    /// Contents of the event's `data`, texts in clear.
    #[serde(default)]
    pub data: Map<String, Value>,
    /// The record it carries on from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follows: Option<Follows>,
    /// Kind of event.
    pub kind: EventKind,
    /// The date of the fact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub occurred_on: Option<PartialDate>,
    /// The site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<SiteId>,
    /// The subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<SubjectId>,
    /// Where the signer has it from, if not from own observation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_from: Option<TakenFrom>,
}

/// A correction with its comment in clear.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlainAmends {
    /// More about the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Whether the new statement replaces the old one or it never held.
    pub effect: Effect,
    /// Hash of the amended record.
    pub hash: RecordHash,
    /// Why.
    pub reason: AmendReason,
    /// Its position.
    pub seq: Position,
}

/// Who signs, and into which log.
#[derive(Debug, Clone, Copy)]
pub struct Author<'a> {
    /// The person, as the key's grant names them.
    pub actor: &'a Actor,
    /// Their key.
    pub key: &'a SecretKey,
    /// The trial.
    pub trial: &'a TrialId,
    /// The log's genesis; zeros for a trial's opening.
    pub log: RecordHash,
    /// The zone the person works in.
    pub zone: &'a Zone,
}

/// Who would sign, and into which log: an [`Author`] whose key is elsewhere.
#[derive(Debug, Clone, Copy)]
pub struct Signatory<'a> {
    /// The person, as the key's grant names them.
    pub actor: &'a Actor,
    /// Their key's id.
    pub key: KeyId,
    /// The trial.
    pub trial: &'a TrialId,
    /// The log's genesis; zeros for a trial's opening.
    pub log: RecordHash,
    /// The zone the person works in.
    pub zone: &'a Zone,
}

/// What the caller brings, since this crate has neither clock nor randomness.
pub struct Circumstances<'a> {
    /// The event's id, a fresh UUID of version 7.
    pub id: EventId,
    /// The time of signing.
    pub signed_at: Instant,
    /// The subject's text key, if the statement holds free text.
    pub text_key: Option<&'a [u8; 32]>,
    /// Cryptographic randomness; called once for each text.
    pub randomness: &'a mut dyn FnMut() -> SealingRandomness,
}

/// An event ready to be submitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Composed {
    /// The event's canonical bytes: what is signed.
    pub event: Vec<u8>,
    /// The signature over them.
    pub signature: chain::Signature,
}

impl Composed {
    /// The bytes to submit.
    pub fn submission(&self) -> Vec<u8> {
        chain::Submission { event: &self.event, signature: self.signature }.join()
    }
}

/// Why a statement cannot become an event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ComposeError {
    /// A free text where the subject's text key was not given.
    #[error("the text at {pointer} cannot be encrypted without the subject's text key")]
    NoTextKey {
        /// Where it stands.
        pointer: &'static str,
    },
    /// A free text that is not a text.
    #[error("expected a text at {pointer}")]
    NotText {
        /// Where it stands.
        pointer: &'static str,
    },
    /// A text that cannot be sealed.
    #[error("the text at {pointer} cannot be sealed: {source}")]
    Text {
        /// Where it stands.
        pointer: &'static str,
        /// Why.
        source: TextError,
    },
    /// A value without canonical form.
    #[error(transparent)]
    Canonical(CanonicalError),
    /// The event would be malformed.
    #[error(transparent)]
    Decode(DecodeError),
}

/// Whether a statement holds free text, so that its author needs the subject's text key.
pub fn holds_text(statement: &Statement) -> bool {
    let value = envelope_of(statement);
    text_pointers(statement.kind).iter().any(|pointer| value.pointer(pointer).is_some())
}

/// Whether the statement is to carry the commitment to the subject's text key, which its author adds before signing.
pub fn commits_to_text_key(statement: &Statement) -> bool {
    statement.kind == EventKind::Enrollment
        && statement.amends.is_none()
        && !statement.data.contains_key("text_key")
}

/// Adds the commitment to the subject's text key.
pub fn commit_to_text_key(statement: &mut Statement, key: &[u8; 32]) {
    statement.data.insert("text_key".to_owned(), json(&crate::text::text_key_commitment(key)));
}

/// Makes the event: envelope, sealed texts, canonical bytes, signature; and reads it back.
///
/// # Errors
/// [`ComposeError`].
pub fn compose(
    statement: &Statement,
    author: Author<'_>,
    circumstances: &mut Circumstances<'_>,
) -> Result<Composed, ComposeError> {
    let Author { actor, key, trial, log, zone } = author;
    let signatory = Signatory { actor, key: key.public().id(), trial, log, zone };
    let event = event_of(statement, signatory, circumstances)?;
    let signature = key.sign_event(&event);
    Ok(Composed { event, signature })
}

/// Makes the bytes that the person would sign, and reads them back.
///
/// # Errors
/// [`ComposeError`].
pub fn event_of(
    statement: &Statement,
    author: Signatory<'_>,
    circumstances: &mut Circumstances<'_>,
) -> Result<Vec<u8>, ComposeError> {
    let mut event = envelope_of(statement);
    for pointer in text_pointers(statement.kind) {
        let Some(text) = event.pointer_mut(pointer) else { continue };
        // An envelope opens at its own event's place alone: one taken over from another record would be lost.
        let plain = text.as_str().ok_or(ComposeError::NotText { pointer })?;
        let (Some(key), Some(subject)) = (circumstances.text_key, &statement.subject) else {
            return Err(ComposeError::NoTextKey { pointer });
        };
        let place = TextPlace { trial: author.trial, subject, event: circumstances.id, pointer };
        let sealed = seal(plain, place, key, &(circumstances.randomness)())
            .map_err(|source| ComposeError::Text { pointer, source })?;
        *text = json(&sealed);
    }
    if let Some(object) = event.as_object_mut() {
        object.insert("actor".to_owned(), json(author.actor));
        object.insert("id".to_owned(), json(&circumstances.id));
        object.insert("key".to_owned(), json(&author.key));
        object.insert("log".to_owned(), json(&author.log));
        object.insert("schema".to_owned(), Value::from(SCHEMA));
        object.insert("signed_at".to_owned(), json(&circumstances.signed_at));
        object.insert("trial".to_owned(), json(author.trial));
        object.insert("zone".to_owned(), json(author.zone));
    }
    let event = chain::canonical::canonicalize(&event).map_err(ComposeError::Canonical)?;
    Event::parse(&event).map_err(ComposeError::Decode)?;
    Ok(event)
}

fn envelope_of(statement: &Statement) -> Value {
    json(statement)
}

/// Serializing these types cannot fail: their keys are strings and they hold no floats.
fn json<T: Serialize>(value: &T) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::open;

    #[test]
    fn a_composed_event_is_what_a_registrar_reads_and_its_texts_are_sealed() {
        let statement: Statement = serde_json::from_value(serde_json::json!({
            "kind": "adverse_event", "site": "CN-NJ", "subject": "S1", "occurred_on": "2008-03",
            "data": {"term": "fever", "seriousness": ["hospitalisation"]}
        }))
        .unwrap();
        let (trial, zone) = ("lupus".parse().unwrap(), "Asia/Shanghai".parse().unwrap());
        let actor = Actor {
            id: "li.wei".parse().unwrap(),
            organisation: "CN-NJ Hospital".to_owned(),
            role: crate::Role::Investigator,
        };
        let key = SecretKey::from_bytes(&[1; 32]);
        let author =
            Author { actor: &actor, key: &key, trial: &trial, log: RecordHash([2; 32]), zone: &zone };
        let id = "01936b2e-7c5a-7d3e-8f10-0123456789ab".parse().unwrap();
        let signed_at = "2008-03-12T01:10:00.000000Z".parse().unwrap();
        let mut randomness = || SealingRandomness([7; 112]);
        let mut compose_with = |text_key| {
            compose(
                &statement,
                author,
                &mut Circumstances { id, signed_at, text_key, randomness: &mut randomness },
            )
        };

        assert!(holds_text(&statement));
        assert_eq!(compose_with(None), Err(ComposeError::NoTextKey { pointer: "/data/term" }));
        let composed = compose_with(Some(&[5; 32])).unwrap();
        assert!(!String::from_utf8(composed.event.clone()).unwrap().contains("fever"));
        assert!(key.public().verify_event(&composed.event, &composed.signature).is_ok());
        let event = Event::parse(&composed.event).unwrap();
        let place =
            TextPlace { trial: &trial, subject: &"S1".parse().unwrap(), event: id, pointer: "/data/term" };
        assert_eq!(open(event.texts()[0].1, place, &[5; 32]).unwrap(), "fever");
    }

    #[test]
    fn every_place_of_a_text_is_sealed_and_found_again() {
        let mut randomness = || SealingRandomness([7; 112]);
        for kind in EventKind::ALL.iter().filter(|kind| !text_pointers(**kind).is_empty()) {
            for pointer in text_pointers(*kind) {
                let mut value =
                    serde_json::json!({"kind": kind, "site": "A", "subject": "S1", "occurred_on": "2008"});
                let record = serde_json::json!({"hash": RecordHash([3; 32]), "seq": 3});
                let needed = match kind {
                    EventKind::Visit => serde_json::json!({"status": "missed"}),
                    EventKind::Disposition => {
                        serde_json::json!({"death": {}, "reason": "death", "scope": "study"})
                    }
                    EventKind::Contact => serde_json::json!({"means": "phone", "vital_status": "alive"}),
                    EventKind::Screening => serde_json::json!({"result": "passed"}),
                    EventKind::Consent => {
                        serde_json::json!({"document_version": "1", "language": "zh", "occasion": "initial"})
                    }
                    EventKind::AeAssessment => {
                        serde_json::json!({"adverse_event": record, "expectedness": "expected"})
                    }
                    EventKind::SafetyReportSent => serde_json::json!({"adverse_event": record,
                        "jurisdiction": "EU", "recipient": "EMA", "report": "initial",
                        "sent_at": "2008-03-12T01:10:00.000000Z"}),
                    EventKind::Adjudication => {
                        serde_json::json!({"relapse": {"definition": "relapse-1", "relapsed": true}})
                    }
                    EventKind::Allocation => serde_json::json!({"commitment": RecordHash([3; 32])}),
                    EventKind::Unblinding => serde_json::json!({"informed": [], "reason": "emergency"}),
                    EventKind::ProtocolDeviation => {
                        serde_json::json!({"category": "visit", "severity": "minor"})
                    }
                    EventKind::Signature => {
                        value.as_object_mut().unwrap().remove("occurred_on");
                        serde_json::json!({"meaning": "review", "statements": [record]})
                    }
                    EventKind::SubjectTransferred => serde_json::json!({"to": "B"}),
                    _ => serde_json::json!({}),
                };
                value["data"] = needed;
                if pointer.starts_with("/confirmed") {
                    let found = serde_json::json!([{"finding": "after-death", "reason": "other"}]);
                    value["confirmed"] = serde_json::json!({"findings": found});
                }
                if pointer.starts_with("/amends") {
                    value["amends"] = serde_json::json!({"effect": "replace", "hash": RecordHash([3; 32]),
                        "reason": "other", "seq": 3});
                }
                let (parent, member) = pointer.rsplit_once('/').unwrap();
                value.pointer_mut(parent).unwrap()[member] = "in clear".into();
                let statement: Statement = serde_json::from_value(value).unwrap();
                let actor = Actor {
                    id: "a".parse().unwrap(),
                    organisation: "H".to_owned(),
                    role: crate::Role::Investigator,
                };
                let (trial, zone) = ("lupus".parse().unwrap(), "UTC".parse().unwrap());
                let key = SecretKey::from_bytes(&[1; 32]);
                let author =
                    Author { actor: &actor, key: &key, trial: &trial, log: RecordHash([2; 32]), zone: &zone };
                let mut circumstances = Circumstances {
                    id: "01936b2e-7c5a-7d3e-8f10-0123456789ab".parse().unwrap(),
                    signed_at: "2008-03-12T01:10:00.000000Z".parse().unwrap(),
                    text_key: Some(&[5; 32]),
                    randomness: &mut randomness,
                };
                let composed = compose(&statement, author, &mut circumstances).unwrap();
                let event = Event::parse(&composed.event).unwrap();
                assert_eq!(event.texts().iter().map(|(at, _)| *at).collect::<Vec<_>>(), [*pointer], "{kind}");
            }
        }
    }
}
