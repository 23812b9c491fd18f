//! What a person at a site can state, field by field: the one table that forms are made of.
//!
//! It says names, forms, choices and units, no layout, and decides nothing: what may be recorded is decided by reading the
//! event. The tables are those of the format's section 7, and tests hold them against it and against the reader of events.

mod adverse_event;
mod infusion;
mod site;
mod visit;

use crate::kind::EventKind;

const AGE_UNITS: &[&str] = &["years", "months"];
const AGENTS: &[&str] = &["product", "procedure", "conditioning", "underlying_disease", "other"];
const CAUSALITY: &[&str] = &["none", "unlikely", "possible", "probable", "certain"];
const RESULTS: &[&str] = &["met", "not_met", "not_done"];
const SEXES: &[&str] = &["female", "male", "undifferentiated"];
const SOURCES: &[&str] = &["bone_marrow", "umbilical_cord", "adipose", "other"];
const ROLES: &[&str] = &[
    "sponsor",
    "principal_investigator",
    "investigator",
    "coordinator",
    "cell_lab",
    "monitor",
    "data_manager",
    "sponsor_safety",
    "committee",
    "statistician",
    "inspector",
    "auditor",
];
const DESCRIPTORS: &[&str] = &[
    "seizure",
    "psychosis",
    "organic_brain_syndrome",
    "visual_disturbance",
    "cranial_nerve_disorder",
    "lupus_headache",
    "cerebrovascular_accident",
    "vasculitis",
    "arthritis",
    "myositis",
    "urinary_casts",
    "haematuria",
    "proteinuria",
    "pyuria",
    "rash",
    "alopecia",
    "mucosal_ulcers",
    "pleurisy",
    "pericarditis",
    "low_complement",
    "increased_dna_binding",
    "fever",
    "thrombocytopenia",
    "leukopenia",
];

/// Reasons for which an item can be without a value.
pub const MISSING_REASONS: &[&str] = &["not_done", "unknown", "refused", "not_applicable", "not_available"];

/// Reasons for which a record is amended.
pub const AMEND_REASONS: &[&str] =
    &["transcription", "source_corrected", "coding", "late_information", "wrong_subject", "other"];

/// How a field's value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Any text.
    Text,
    /// Yes or no.
    Boolean,
    /// A date, which may be partial.
    Date,
    /// A local time with its offset.
    Time,
    /// A time in UTC, to the microsecond.
    Instant,
    /// A decimal number, written as a text.
    Decimal,
    /// 64 hexadecimal digits.
    Hash,
    /// A site.
    Site,
    /// A person.
    Actor,
    /// A whole number within bounds.
    Integer {
        /// The least.
        low: i64,
        /// The greatest.
        high: i64,
    },
    /// One of these names.
    OneOf(&'static [&'static str]),
    /// Any of these names.
    SetOf(&'static [&'static str]),
    /// A value for each of these names; the value's field is the one at `*` below.
    Map(&'static [&'static str]),
    /// An object; its members are the fields below.
    Object,
    /// A list of objects; their members are the fields below `[]`.
    List,
    /// A free text, sealed before it is signed.
    SealedText,
}

/// A field of an event's `data`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Where it stands: names joined by dots, `[]` for each item of a list, `*` for each value of a map.
    pub path: &'static str,
    /// Whether what is around it cannot be without it.
    pub is_needed: bool,
    /// Whether it can be a reason why there is no value.
    pub may_be_missing: bool,
    /// How its value is written.
    pub form: Form,
    /// The unit that its value is in, where it has a fixed one.
    pub unit: Option<&'static str>,
    /// What it means, for people; empty where the name says it.
    pub meaning: &'static str,
}

impl Field {
    /// The last name of the path.
    pub fn name(&self) -> &'static str {
        self.path.rsplit('.').next().unwrap_or(self.path)
    }

    const fn in_unit(mut self, unit: &'static str) -> Self {
        self.unit = Some(unit);
        self
    }
}

const fn field(path: &'static str, form: Form, meaning: &'static str) -> Field {
    Field { path, is_needed: false, may_be_missing: false, form, unit: None, meaning }
}

const fn optional(path: &'static str, form: Form, meaning: &'static str) -> Field {
    field(path, form, meaning)
}

const fn needed(path: &'static str, form: Form, meaning: &'static str) -> Field {
    Field { is_needed: true, ..field(path, form, meaning) }
}

const fn or_missing(path: &'static str, form: Form, meaning: &'static str) -> Field {
    Field { may_be_missing: true, ..field(path, form, meaning) }
}

const fn needed_or_missing(path: &'static str, form: Form, meaning: &'static str) -> Field {
    Field { is_needed: true, may_be_missing: true, ..field(path, form, meaning) }
}

/// Kinds about a subject that a role of a site may sign, in the order in which a subject comes to them; but signatures,
/// which are no matter of filling in: one chooses records.
pub const KINDS: [EventKind; 11] = [
    EventKind::Screening,
    EventKind::Consent,
    EventKind::Enrollment,
    EventKind::Infusion,
    EventKind::Visit,
    EventKind::AdverseEvent,
    EventKind::Contact,
    EventKind::Disposition,
    EventKind::ProtocolDeviation,
    EventKind::Unblinding,
    EventKind::SubjectTransferred,
];

/// The fields of a kind in [`KINDS`], each behind what is around it; none of any other.
///
/// ```
/// use clinical::{EventKind, fields};
/// assert!(fields::of(EventKind::Visit).iter().any(|field| field.path == "status" && field.is_needed));
/// assert!(fields::of(EventKind::DataCut).is_empty());
/// ```
pub fn of(kind: EventKind) -> &'static [Field] {
    match kind {
        EventKind::Screening => site::SCREENING,
        EventKind::Consent => site::CONSENT,
        EventKind::Enrollment => site::ENROLLMENT,
        EventKind::Infusion => infusion::INFUSION,
        EventKind::Visit => visit::VISIT,
        EventKind::AdverseEvent => adverse_event::ADVERSE_EVENT,
        EventKind::Contact => site::CONTACT,
        EventKind::Disposition => site::DISPOSITION,
        EventKind::ProtocolDeviation => site::PROTOCOL_DEVIATION,
        EventKind::Unblinding => site::UNBLINDING,
        EventKind::SubjectTransferred => site::SUBJECT_TRANSFERRED,
        _ => &[],
    }
}

/// The fields directly below `path`; an empty one is the root of `data`.
pub fn below<'a>(fields: &'a [Field], path: &str) -> impl Iterator<Item = &'a Field> {
    let prefix = if path.is_empty() { String::new() } else { format!("{path}.") };
    fields.iter().filter(move |field| {
        field.path.strip_prefix(prefix.as_str()).is_some_and(|rest| !rest.is_empty() && !rest.contains('.'))
    })
}

#[cfg(test)]
mod tests {
    use chain::{RecordHash, SecretKey};
    use serde_json::{Map, Value, json};

    use super::*;
    use crate::authority::{Entitlement, Role, entitlement};
    use crate::event::{Actor, AmendReason};
    use crate::stated::MissingReason;
    use crate::statement::{Author, Circumstances, compose};
    use crate::text::SealingRandomness;

    fn sample(form: Form) -> Value {
        match form {
            Form::Text | Form::SealedText => json!("x"),
            Form::Boolean => json!(true),
            Form::Date => json!("2008-03"),
            Form::Time => json!("2008-03-11T09:30+08:00"),
            Form::Instant => json!("2026-11-22T13:28:45.123456Z"),
            Form::Decimal => json!("1.5"),
            Form::Hash => json!(RecordHash([3; 32])),
            Form::Site => json!("B"),
            Form::Actor => json!("li.wei"),
            Form::Integer { low, .. } => json!(low),
            Form::OneOf(names) => json!(names[0]),
            Form::SetOf(names) => json!(names),
            Form::Map(_) | Form::Object => json!({}),
            Form::List => json!([]),
        }
    }

    /// `data` with the fields that `chosen` wants, and what those need around them and in them.
    fn data(fields: &[Field], path: &str, chosen: &dyn Fn(&Field) -> bool) -> Map<String, Value> {
        let mut members = Map::new();
        for field in below(fields, path).filter(|field| field.is_needed || chosen(field)) {
            let inner = |path: &str| Value::Object(data(fields, path, chosen));
            let value = match field.form {
                Form::Object => inner(field.path),
                Form::List => json!([inner(&format!("{}[]", field.path))]),
                Form::Map(names) => {
                    let value = below(fields, field.path).next().map(|value| sample(value.form));
                    names.iter().map(|name| ((*name).to_owned(), value.clone().unwrap())).collect()
                }
                form => sample(form),
            };
            members.insert(field.name().to_owned(), value);
        }
        members
    }

    fn accepted(kind: EventKind, data: &Map<String, Value>) -> bool {
        let statement =
            json!({"kind": kind, "site": "A", "subject": "S1", "occurred_on": "2008", "data": data});
        let Ok(statement) = serde_json::from_value(statement) else { return false };
        let actor =
            Actor { id: "a".parse().unwrap(), organisation: "H".to_owned(), role: Role::Investigator };
        let (trial, zone) = ("lupus".parse().unwrap(), "UTC".parse().unwrap());
        let key = SecretKey::from_bytes(&[1; 32]);
        let author =
            Author { actor: &actor, key: &key, trial: &trial, log: RecordHash([2; 32]), zone: &zone };
        let mut circumstances = Circumstances {
            id: "01936b2e-7c5a-7d3e-8f10-0123456789ab".parse().unwrap(),
            signed_at: "2008-03-12T01:10:00.000000Z".parse().unwrap(),
            text_key: Some(&[5; 32]),
            randomness: &mut || SealingRandomness([7; 112]),
        };
        compose(&statement, author, &mut circumstances).is_ok()
    }

    #[test]
    fn each_kind_is_accepted_with_what_is_needed_and_with_everything_and_with_no_needed_field_less() {
        for kind in KINDS {
            let fields = of(kind);
            assert!(accepted(kind, &data(fields, "", &|_| false)), "{kind}");
            let whole = data(fields, "", &|_| true);
            assert!(accepted(kind, &whole), "{kind}");
            for field in below(fields, "") {
                let mut without = whole.clone();
                without.remove(field.name());
                assert_eq!(accepted(kind, &without), !field.is_needed, "{kind} {}", field.path);
            }
        }
    }

    #[test]
    fn each_choice_is_accepted_and_no_other_and_missing_is_accepted_where_it_may_be() {
        for kind in KINDS {
            for field in below(of(kind), "") {
                let with = |value: Value| {
                    let mut data = data(of(kind), "", &|_| false);
                    data.insert(field.name().to_owned(), value);
                    accepted(kind, &data)
                };
                for reason in MISSING_REASONS {
                    assert_eq!(
                        with(json!({"missing": reason})),
                        field.may_be_missing,
                        "{kind} {}",
                        field.path
                    );
                }
                match field.form {
                    Form::OneOf(names) => {
                        assert!(names.iter().all(|name| with(json!(name))), "{kind} {}", field.path);
                        assert!(!with(json!("no_such_name")), "{kind} {}", field.path);
                    }
                    Form::SetOf(names) => {
                        assert!(names.iter().all(|name| with(json!([name]))), "{kind} {}", field.path);
                        assert!(!with(json!(["no_such_name"])), "{kind} {}", field.path);
                    }
                    Form::Integer { low, high } => {
                        assert!(with(json!(low)) && with(json!(high)), "{kind} {}", field.path);
                    }
                    _ => {}
                }
            }
        }
    }

    #[test]
    fn the_kinds_are_those_about_subjects_that_a_principal_investigator_may_sign() {
        let mut due: Vec<_> = EventKind::ALL.iter().copied().filter(|kind| kind.is_open()).collect();
        due.retain(|kind| kind.scope() == crate::kind::Scope::Subject);
        due.retain(|kind| entitlement(Role::PrincipalInvestigator, *kind) == Entitlement::OwnSites);
        due.retain(|kind| *kind != EventKind::Signature);
        let mut kinds = KINDS.to_vec();
        kinds.sort();
        assert_eq!(kinds, due);
    }

    #[test]
    fn reasons_are_those_of_the_format() {
        for reason in MISSING_REASONS {
            assert!(serde_json::from_value::<MissingReason>(json!(reason)).is_ok(), "{reason}");
        }
        for reason in AMEND_REASONS {
            assert_eq!(serde_json::from_value::<AmendReason>(json!(reason)).unwrap().as_str(), *reason);
        }
    }
}
