//! Statements the tests submit: synthetic, without texts unless the name says so.

use e2e::SmallTrial;
use serde_json::{Value, json};

pub(crate) fn enrollment(subject: &str) -> Value {
    json!({"kind": "enrollment", "site": "S01", "subject": subject, "occurred_on": "2020-01-10", "data": {
        "consent": {"document_version": "1", "language": "en", "signed_on": "2020-01-10"},
        "planned_infusions": 1
    }})
}

pub(crate) fn infusion(subject: &str) -> Value {
    json!({"kind": "infusion", "site": "S01", "subject": subject, "occurred_on": "2020-02-01", "data": {
        "identity_check": {"first": "bo.wang", "second": "an.li"}, "number": 1
    }})
}

/// A visit one year after the infusion, with a judgement of remission.
pub(crate) fn visit(subject: &str, on: &str, remission: &str) -> Value {
    json!({"kind": "visit", "site": "S01", "subject": subject, "occurred_on": on, "data": {
        "pga": "0.5", "planned": "M12", "status": "done",
        "response": {"definition": "ccr-registry-1", "status": remission}
    }})
}

pub(crate) fn contact(subject: &str, on: &str) -> Value {
    let data = json!({"means": "phone", "vital_status": "alive"});
    json!({"kind": "contact", "site": "S01", "subject": subject, "occurred_on": on, "data": data})
}

pub(crate) fn adverse_event(subject: &str, term: &str) -> Value {
    json!({"kind": "adverse_event", "site": "S01", "subject": subject, "occurred_on": "2020-03", "data": {
        "causality": {"product": "none"}, "term": term
    }})
}

/// The same statement, as an amendment of a record.
pub(crate) fn replacing(statement: &Value, seq: u64, hash: &str, reason: &str) -> Value {
    amending(statement, &json!({"effect": "replace", "hash": hash, "reason": reason, "seq": seq}))
}

/// A statement that a record never held.
pub(crate) fn voiding(statement: &Value, seq: u64, hash: &str, reason: &str) -> Value {
    let mut void =
        amending(statement, &json!({"effect": "void", "hash": hash, "reason": reason, "seq": seq}));
    void["data"] = json!({});
    void
}

fn amending(statement: &Value, amends: &Value) -> Value {
    let mut statement = statement.clone();
    statement["amends"] = amends.clone();
    statement
}

/// One statement a line.
pub(crate) fn lines(statements: &[Value]) -> String {
    statements.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// A trial with the subject P1 enrolled, infused, in remission after a year, and heard of at the end of 2021: records
/// 8 to 10.
pub(crate) fn with_subject() -> SmallTrial {
    let trial = SmallTrial::new();
    let statements = [
        enrollment("P1"),
        infusion("P1"),
        visit("P1", "2021-02-01", "complete"),
        contact("P1", "2021-12-31"),
    ];
    trial.submit("bo.wang", &lines(&statements)).ends_with(0);
    trial
}

/// Hash and position of a record, as an amendment has to name it.
pub(crate) fn hash_of(trial: &SmallTrial, seq: u64) -> String {
    let shown = trial.run(["show", &seq.to_string(), "--json"]).ends_with(0).json();
    shown["hash"].as_str().unwrap().to_owned()
}
