//! An event: what a person states and signs.

use std::fmt;

use chain::{CanonicalError, EVENT_BYTES_MAX, Instant, KeyId, Position, RecordHash};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::authority::Role;
use crate::confirmed::Confirmed;
use crate::data::{self, Data, Reference};
use crate::date::PartialDate;
use crate::id::{ActorId, EventId, SiteId, SubjectId, TrialId, Zone};
use crate::kind::{EventKind, Scope};
use crate::taken_from::TakenFrom;
use crate::text::SealedText;

/// The one schema number of every kind in version 1.
pub const SCHEMA: u32 = 1;

/// An event, read.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Who acts, with role and organisation at the time of the act.
    pub actor: Actor,
    /// The record this event corrects.
    pub amends: Option<Amends>,
    /// What its signer knew would be found about it.
    pub confirmed: Option<Confirmed<SealedText>>,
    /// What is stated.
    pub data: Data,
    /// The record about the same thing that this event carries on from.
    pub follows: Option<Follows>,
    /// The event's own name; the same id is never recorded twice.
    pub id: EventId,
    /// The signing key.
    pub key: KeyId,
    /// What kind of statement it is.
    pub kind: EventKind,
    /// The log it belongs to: the genesis; zeros in the genesis itself.
    pub log: RecordHash,
    /// The date of the fact.
    pub occurred_on: Option<PartialDate>,
    /// When it was signed, by the signer's clock.
    pub signed_at: Instant,
    /// The site.
    pub site: Option<SiteId>,
    /// The subject.
    pub subject: Option<SubjectId>,
    /// Where the signer has it from, if not from own observation.
    pub taken_from: Option<TakenFrom>,
    /// The trial.
    pub trial: TrialId,
    /// The zone in which the signer works.
    pub zone: Zone,
}

/// Who acts.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Actor {
    /// The person.
    pub id: ActorId,
    /// For which organisation.
    pub organisation: String,
    /// In which role.
    pub role: Role,
}

impl fmt::Debug for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:?})", self.id, self.role)
    }
}

/// A correction: names the latest version of the record it amends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Amends {
    /// More about the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<SealedText>,
    /// Whether the new statement replaces the old one or it never held.
    pub effect: Effect,
    /// Hash of the amended record.
    pub hash: RecordHash,
    /// Why.
    pub reason: AmendReason,
    /// Position of the amended record.
    pub seq: Position,
}

/// What an amendment does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// `data` is the complete new statement.
    Replace,
    /// It never happened, or not to this subject; `data` is empty.
    Void,
}

/// Why a record is amended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AmendReason {
    /// It was copied wrongly from its source.
    Transcription,
    /// The source itself was corrected.
    SourceCorrected,
    /// It was coded wrongly.
    Coding,
    /// More became known.
    LateInformation,
    /// It belongs to another subject.
    WrongSubject,
    /// Another reason; the comment says which.
    Other,
}

impl AmendReason {
    /// Every reason.
    pub const ALL: [Self; 6] = [
        Self::Transcription,
        Self::SourceCorrected,
        Self::Coding,
        Self::LateInformation,
        Self::WrongSubject,
        Self::Other,
    ];

    /// The reason's code in the bytes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Transcription => "transcription",
            Self::SourceCorrected => "source_corrected",
            Self::Coding => "coding",
            Self::LateInformation => "late_information",
            Self::WrongSubject => "wrong_subject",
            Self::Other => "other",
        }
    }
}

/// New facts about the same thing; no correction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Follows {
    /// Hash of the record.
    pub hash: RecordHash,
    /// Its position.
    pub seq: Position,
}

/// Bytes that are not an event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Longer than an event may be.
    #[error("event of {bytes} bytes, at most {EVENT_BYTES_MAX} are allowed")]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// Not canonical JSON.
    #[error("{0}")]
    Canonical(CanonicalError),
    /// A member is missing, unknown, or not of its form.
    #[error("{reason} at {}", if pointer.is_empty() { "the top level" } else { pointer })]
    Malformed {
        /// JSON pointer of the member.
        pointer: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A kind whose name is reserved for later.
    #[error("events of kind {0} are not accepted by this version")]
    Reserved(EventKind),
    /// A schema number this version does not know.
    #[error("schema {schema} of kind {kind} is not known to this version")]
    Schema {
        /// The kind.
        kind: EventKind,
        /// The number.
        schema: u32,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire<'a> {
    actor: Actor,
    amends: Option<Amends>,
    confirmed: Option<Confirmed<SealedText>>,
    #[serde(borrow)]
    data: &'a RawValue,
    follows: Option<Follows>,
    id: EventId,
    key: KeyId,
    kind: EventKind,
    log: RecordHash,
    occurred_on: Option<PartialDate>,
    schema: u32,
    signed_at: Instant,
    site: Option<SiteId>,
    subject: Option<SubjectId>,
    taken_from: Option<TakenFrom>,
    trial: TrialId,
    zone: Zone,
}

impl Event {
    /// Reads an event's bytes: size, canonical form, members, contents.
    ///
    /// # Errors
    /// [`DecodeError`], the first in that order.
    pub fn parse(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() > EVENT_BYTES_MAX {
            return Err(DecodeError::TooLarge { bytes: bytes.len() });
        }
        chain::canonical::check(bytes).map_err(DecodeError::Canonical)?;
        Self::decode(bytes)
    }

    /// Reads bytes that are known to be canonical: the event inside a [`chain::Record`] that was parsed.
    ///
    /// # Errors
    /// As [`Event::parse`], but for canonical form.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() > EVENT_BYTES_MAX {
            return Err(DecodeError::TooLarge { bytes: bytes.len() });
        }
        let wire: Wire<'_> = serde_json::from_slice(bytes).map_err(|_| envelope_error(bytes))?;
        if wire.schema != SCHEMA {
            return Err(DecodeError::Schema { kind: wire.kind, schema: wire.schema });
        }
        if !wire.kind.is_open() {
            return Err(DecodeError::Reserved(wire.kind));
        }
        check_arrays(bytes, wire.kind)?;
        let void = wire.amends.as_ref().is_some_and(|amends| amends.effect == Effect::Void);
        let data = Data::decode(wire.kind, void, wire.data)
            .ok_or(DecodeError::Reserved(wire.kind))?
            .map_err(|error| DecodeError::Malformed {
                pointer: format!("/data{}", error.pointer),
                reason: error.reason,
            })?;
        let event = Self {
            actor: wire.actor,
            amends: wire.amends,
            confirmed: wire.confirmed,
            data,
            follows: wire.follows,
            id: wire.id,
            key: wire.key,
            kind: wire.kind,
            log: wire.log,
            occurred_on: wire.occurred_on,
            signed_at: wire.signed_at,
            site: wire.site,
            subject: wire.subject,
            taken_from: wire.taken_from,
            trial: wire.trial,
            zone: wire.zone,
        };
        event.check_members()?;
        Ok(event)
    }

    /// Which members the kind has, and forms that one member's type cannot state.
    fn check_members(&self) -> Result<(), DecodeError> {
        let about_subject = self.kind.scope() == Scope::Subject;
        let has_site = about_subject || self.kind == EventKind::SiteActivated;
        let date = match self.kind {
            // The onset may be wholly unknown; an event must not wait for it.
            EventKind::AdverseEvent => None,
            // It is made when it is signed.
            EventKind::Signature => Some(false),
            _ => Some(about_subject),
        };
        present("/site", self.site.is_some(), has_site)?;
        present("/subject", self.subject.is_some(), about_subject)?;
        if let Some(due) = date {
            present("/occurred_on", self.occurred_on.is_some(), due)?;
        }
        if !about_subject {
            present("/amends", self.amends.is_some(), false)?;
            present("/follows", self.follows.is_some(), false)?;
        }
        if self.amends.is_some() {
            present("/follows", self.follows.is_some(), false)?;
        }
        self.check_taken_from(about_subject)?;
        self.check_confirmed(about_subject)?;
        for (pointer, text) in self.texts() {
            if !text.is_well_formed() {
                return Err(malformed(
                    pointer,
                    "expected a sealed text with a 24-byte nonce and a wrapped key",
                ));
            }
        }
        match &self.data {
            Data::AdverseEvent(data) => match crate::stated::value(data.ctcae.as_ref()) {
                Some(ctcae) if !(1..=5).contains(&ctcae.grade) => {
                    Err(malformed("/data/ctcae/grade", "expected a grade from 1 to 5"))
                }
                _ => Ok(()),
            },
            Data::Visit(data) => match crate::stated::value(data.gvhd.as_ref()) {
                Some(gvhd) if gvhd.skin.max(gvhd.liver).max(gvhd.lower_gi) > 4 || gvhd.upper_gi > 1 => {
                    Err(malformed("/data/gvhd", "expected stages 0 to 4, upper_gi 0 or 1"))
                }
                _ => Ok(()),
            },
            Data::Adjudication(data) if data.response.is_none() && data.relapse.is_none() => {
                Err(malformed("/data", "expected a response or a relapse"))
            }
            Data::StatementsSigned(data) if !is_ascending(&data.statements) => {
                Err(malformed("/data/statements", "expected records in ascending order, each once"))
            }
            Data::DataCut(data) if data.cutoff_date.day().is_none() => {
                Err(malformed("/data/cutoff_date", "expected a full day"))
            }
            _ => Ok(()),
        }
    }

    /// Whether whatever was entered for somebody else can have been.
    fn check_taken_from(&self, about_subject: bool) -> Result<(), DecodeError> {
        let Some(taken_from) = &self.taken_from else { return Ok(()) };
        if !about_subject || self.kind == EventKind::Signature {
            present("/taken_from", true, false)?;
        }
        let Some(by) = &taken_from.reported_by else { return Ok(()) };
        if !by.is_well_formed() {
            return Err(malformed("/taken_from/reported_by/id", "only people of a site are named"));
        }
        if by.id.as_ref() == Some(&self.actor.id) {
            return Err(malformed(
                "/taken_from/reported_by/id",
                "whoever signs reports nothing to themselves",
            ));
        }
        Ok(())
    }

    /// Whether what is confirmed can have been found, and its comment be sealed.
    fn check_confirmed(&self, about_subject: bool) -> Result<(), DecodeError> {
        let Some(confirmed) = &self.confirmed else { return Ok(()) };
        if !about_subject {
            present("/confirmed/comment", confirmed.comment.is_some(), false)?;
        }
        if !confirmed.is_ascending() {
            return Err(malformed(
                "/confirmed/findings",
                "expected findings in ascending order of code and pointer, each once",
            ));
        }
        Ok(())
    }

    /// Every sealed text of the event, with its JSON pointer.
    pub fn texts(&self) -> Vec<(&'static str, &SealedText)> {
        let mut texts = Vec::new();
        if let Some(comment) = self.amends.as_ref().and_then(|amends| amends.comment.as_ref()) {
            texts.push(("/amends/comment", comment));
        }
        if let Some(comment) = self.confirmed.as_ref().and_then(|confirmed| confirmed.comment.as_ref()) {
            texts.push(("/confirmed/comment", comment));
        }
        match &self.data {
            Data::AdverseEvent(data) => {
                texts.extend(data.term.as_ref().map(|text| ("/data/term", text)));
                texts.extend(data.narrative.as_ref().map(|text| ("/data/narrative", text)));
            }
            Data::Disposition(data) => {
                let cause = data.death.as_ref().and_then(|death| death.cause.as_ref());
                texts.extend(cause.map(|text| ("/data/death/cause", text)));
            }
            Data::Visit(data) => {
                let because = data.missed_because_text.as_ref();
                texts.extend(because.map(|text| ("/data/missed_because_text", text)));
            }
            Data::AeAssessment(data) => {
                texts.extend(data.comment.as_ref().map(|text| ("/data/comment", text)));
            }
            Data::Adjudication(data) => {
                texts.extend(data.comment.as_ref().map(|text| ("/data/comment", text)));
            }
            Data::Unblinding(data) => {
                texts.extend(data.comment.as_ref().map(|text| ("/data/comment", text)));
            }
            Data::ProtocolDeviation(data) => {
                texts.extend(data.description.as_ref().map(|text| ("/data/description", text)));
            }
            _ => {}
        }
        texts
    }
}

/// JSON pointers of the texts that may stand in an event of `kind`: what a submitting client encrypts.
pub fn text_pointers(kind: EventKind) -> &'static [&'static str] {
    match kind {
        EventKind::AdverseEvent => {
            &["/amends/comment", "/confirmed/comment", "/data/narrative", "/data/term"]
        }
        EventKind::Disposition => &["/amends/comment", "/confirmed/comment", "/data/death/cause"],
        EventKind::Visit => &["/amends/comment", "/confirmed/comment", "/data/missed_because_text"],
        EventKind::AeAssessment | EventKind::Adjudication | EventKind::Unblinding => {
            &["/amends/comment", "/confirmed/comment", "/data/comment"]
        }
        EventKind::ProtocolDeviation => &["/amends/comment", "/confirmed/comment", "/data/description"],
        kind if kind.scope() == Scope::Subject && kind.is_open() => {
            &["/amends/comment", "/confirmed/comment"]
        }
        _ => &[],
    }
}

/// Whether there are records, and each stands once, in the order of the log.
fn is_ascending(statements: &[Reference]) -> bool {
    !statements.is_empty() && statements.windows(2).all(|two| two[0].seq < two[1].seq)
}

/// Members whose value is a list. No object of the format has a member of such a name with another meaning.
const LISTS: [&str; 32] = [
    "agents",
    "any_of",
    "bands",
    "conditioning",
    "conditions",
    "conditions_severe",
    "criteria",
    "days",
    "donors",
    "drugs_mild",
    "drugs_severe",
    "findings",
    "informed",
    "interruptions",
    "items_absent",
    "items_mild",
    "items_severe",
    "judged_by",
    "medications",
    "observations",
    "own",
    "premedication",
    "prior_therapies",
    "rows",
    "schedule",
    "seriousness",
    "sets",
    "sites",
    "sponsor_keys",
    "statements",
    "taken_as_absent",
    "years",
];

/// Refuses lists where an object is due: what reads the members would take `["a","b"]` for an object with its members in
/// their order, and a fact would have two writings. `bytes` are canonical.
fn check_arrays(bytes: &[u8], kind: EventKind) -> Result<(), DecodeError> {
    let mut in_string = false;
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' if in_string => at += 1,
            b'"' => in_string = !in_string,
            b'[' if !in_string => {
                let member = bytes[..at].strip_suffix(b"\":").and_then(|before| {
                    let start = before.iter().rposition(|byte| *byte == b'"')?;
                    std::str::from_utf8(&before[start + 1..]).ok()
                });
                // A profile lists pointers by kind.
                let has_profile = matches!(kind, EventKind::TrialOpened | EventKind::ProtocolAmended);
                let by_kind = |name: &str| has_profile && EventKind::from_name(name).is_some();
                if !member.is_some_and(|name| LISTS.contains(&name) || by_kind(name)) {
                    let reason = format!(
                        "a list stands where none is due, at member {}",
                        member.unwrap_or("of a list")
                    );
                    return Err(malformed("", &reason));
                }
            }
            _ => {}
        }
        at += 1;
    }
    Ok(())
}

fn malformed(pointer: &str, reason: &str) -> DecodeError {
    DecodeError::Malformed { pointer: pointer.to_owned(), reason: reason.to_owned() }
}

fn present(pointer: &str, is: bool, due: bool) -> Result<(), DecodeError> {
    match (is, due) {
        (false, true) => Err(malformed(pointer, "this kind of event needs the member")),
        (true, false) => Err(malformed(pointer, "this kind of event does not have the member")),
        _ => Ok(()),
    }
}

/// Reads a malformed envelope a second time to say where it is wrong.
fn envelope_error(bytes: &[u8]) -> DecodeError {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    match serde_path_to_error::deserialize::<_, Wire<'_>>(&mut deserializer) {
        Ok(_) => malformed("", "malformed"),
        Err(error) => DecodeError::Malformed {
            pointer: data::pointer_of(error.path()),
            reason: data::reason_of(error.inner()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn visit() -> Value {
        json!({
            "actor": {"id": "li.wei", "organisation": "CN-NJ Hospital", "role": "investigator"},
            "data": {"status": "done"},
            "id": "01936b2e-7c5a-7d3e-8f10-0123456789ab",
            "key": "11".repeat(32),
            "kind": "visit",
            "log": "22".repeat(32),
            "occurred_on": "2008-03-11",
            "schema": 1,
            "signed_at": "2008-03-12T01:10:00.000000Z",
            "site": "CN-NJ",
            "subject": "S0007",
            "trial": "lupus-msct",
            "zone": "Asia/Shanghai"
        })
    }

    fn read(value: &Value) -> Result<Event, DecodeError> {
        Event::parse(&chain::canonical::canonicalize(value).unwrap())
    }

    #[test]
    fn an_event_reads() {
        let event = read(&visit()).unwrap();
        assert_eq!(event.kind, EventKind::Visit);
        assert_eq!(event.occurred_on, Some("2008-03-11".parse().unwrap()));
    }

    #[test]
    fn what_is_malformed_is_named_with_its_pointer() {
        let check = |pointer: &str, change: Value, expected: &str| {
            let mut event = visit();
            match pointer.rsplit_once('/') {
                Some((parent, member)) if change.is_null() => {
                    event.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(member);
                }
                Some((parent, member)) => {
                    event
                        .pointer_mut(parent)
                        .unwrap()
                        .as_object_mut()
                        .unwrap()
                        .insert(member.to_owned(), change);
                }
                None => unreachable!(),
            }
            match read(&event) {
                Err(DecodeError::Malformed { pointer, .. }) => assert_eq!(pointer, expected),
                other => panic!("{pointer}: {other:?}"),
            }
        };
        check("/site", json!("cn nj"), "/site");
        check("/subject", Value::Null, "/subject");
        check("/occurred_on", json!("2008-02-30"), "/occurred_on");
        check("/occurred_on", Value::Null, "/occurred_on");
        check("/actor/role", json!("king"), "/actor/role");
        check("/unexpected", json!(1), "/unexpected");
        check("/data/status", json!("perhaps"), "/data/status");
        check("/data/pga", json!("1,5"), "/data/pga");
        check("/data/missed_because", json!("he was in Suzhou"), "/data/missed_because");
        check("/data/missed_because_text", json!("he was in Suzhou"), "/data/missed_because_text");
        check("/data/observations", json!([{"reported": {"value": 7}}]), "/data/observations/0/reported");
        check("/data/unexpected", json!(1), "/data/unexpected");
        check("/data/gvhd", json!({"liver": 0, "lower_gi": 0, "skin": 5, "upper_gi": 0}), "/data/gvhd");
        check("/id", json!("01936b2e-7c5a-4d3e-8f10-0123456789ab"), "/id");
    }

    #[test]
    fn reserved_kinds_and_unknown_schemas_are_refused_by_name() {
        let mut event = visit();
        event["kind"] = json!("query");
        assert_eq!(read(&event), Err(DecodeError::Reserved(EventKind::Query)));
        let mut event = visit();
        event["schema"] = json!(2);
        assert_eq!(read(&event), Err(DecodeError::Schema { kind: EventKind::Visit, schema: 2 }));
    }

    #[test]
    fn an_object_has_one_writing_and_it_is_no_list() {
        let refused = |pointer: &str, change: Value| {
            let mut event = visit();
            *event.pointer_mut(pointer).unwrap() = change;
            assert!(matches!(read(&event), Err(DecodeError::Malformed { .. })), "{pointer}");
        };
        refused("/actor", json!(["li.wei", "CN-NJ Hospital", "investigator"]));
        refused("/data", json!([]));
        refused("/data", json!({"status": "done", "observations": [[{"value": "7"}]]}));
        refused("/data", json!({"status": "done", "response": ["ccr-registry-1", "complete"]}));
        let mut event = visit();
        event["data"] =
            json!({"status": "done", "observations": [{"reported": {"value": "[7]"}}], "planned": "a\"[b"});
        assert!(read(&event).is_ok());
    }

    #[test]
    fn a_signature_names_records_once_each_in_their_order_and_has_no_date_of_a_fact() {
        let signed = |seqs: &[u64]| {
            let named: Vec<Value> =
                seqs.iter().map(|seq| json!({"hash": "33".repeat(32), "seq": seq})).collect();
            let mut event = visit();
            event["kind"] = json!("signature");
            event["data"] = json!({"meaning": "endorsement", "statements": named});
            event.as_object_mut().unwrap().remove("occurred_on");
            event
        };
        assert!(read(&signed(&[3])).is_ok());
        assert!(read(&signed(&[3, 7, 12])).is_ok());
        for seqs in [&[][..], &[3, 3], &[7, 3]] {
            let refused = read(&signed(seqs));
            assert!(
                matches!(&refused, Err(DecodeError::Malformed { pointer, .. }) if pointer == "/data/statements"),
                "{seqs:?}: {refused:?}"
            );
        }
        let mut dated = signed(&[3]);
        dated["occurred_on"] = json!("2008-03-11");
        assert!(
            matches!(read(&dated), Err(DecodeError::Malformed { pointer, .. }) if pointer == "/occurred_on")
        );
        let mut meant = signed(&[3]);
        meant["data"]["meaning"] = json!("applause");
        assert!(
            matches!(read(&meant), Err(DecodeError::Malformed { pointer, .. }) if pointer == "/data/meaning")
        );
    }

    #[test]
    fn what_is_entered_for_another_names_people_of_a_site_alone_and_not_the_signer() {
        let with = |taken_from: Value| {
            let mut event = visit();
            event["taken_from"] = taken_from;
            event
        };
        let by = |by: Value| read(&with(json!({"means": "phone", "reported_by": by})));
        assert!(read(&with(json!({"means": "chart"}))).is_ok());
        assert!(by(json!({"role": "relative"})).is_ok());
        assert!(by(json!({"id": "an.li", "role": "investigator"})).is_ok());
        let id = "/taken_from/reported_by/id";
        for (refused, due) in [
            (by(json!({"id": "an.li", "role": "relative"})), id),
            (by(json!({"id": "li.wei", "role": "investigator"})), id),
            (by(json!({"role": "king"})), "/taken_from/reported_by/role"),
            (read(&with(json!({"means": "rumour"}))), "/taken_from/means"),
        ] {
            assert!(
                matches!(&refused, Err(DecodeError::Malformed { pointer, .. }) if pointer == due),
                "{due}: {refused:?}"
            );
        }
        let mut signed = with(json!({"means": "chart"}));
        signed["kind"] = json!("signature");
        signed["data"] = json!({"meaning": "review", "statements": [{"hash": "33".repeat(32), "seq": 3}]});
        signed.as_object_mut().unwrap().remove("occurred_on");
        assert!(
            matches!(read(&signed), Err(DecodeError::Malformed { pointer, .. }) if pointer == "/taken_from")
        );
    }

    #[test]
    fn a_void_states_nothing() {
        let mut event = visit();
        event["amends"] =
            json!({"effect": "void", "hash": "33".repeat(32), "reason": "wrong_subject", "seq": 3});
        assert!(
            matches!(read(&event), Err(DecodeError::Malformed { pointer, .. }) if pointer == "/data/status")
        );
        event["data"] = json!({});
        assert_eq!(read(&event).unwrap().data, Data::Void);
    }
}
