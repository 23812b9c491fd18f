//! What a trial's stream is made with, and how an existing one differs from it.

use std::fmt;

use serde_json::{Map, Value, json};

use crate::{log_subject, stream_name};

/// Settings that change nothing about what is kept and who may change it: notes, where it lies, how it is packed, what
/// a consumer may ask, how long ids that nobody sends are remembered, and that nothing may be added any more.
const FREE: [&str; 7] =
    ["metadata", "description", "placement", "compression", "consumer_limits", "duplicate_window", "sealed"];

/// A setting of a stream that is not as a log needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The setting, as the server calls it.
    pub field: String,
    /// What a log needs.
    pub wanted: Value,
    /// What it is.
    pub found: Value,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}, not {}", self.field, self.found, self.wanted)
    }
}

/// The settings of a trial's stream.
pub(crate) fn wanted(trial: &str, replicas: usize) -> Map<String, Value> {
    let wanted = json!({
        "name": stream_name(trial),
        "subjects": [log_subject(trial)],
        "storage": "file",
        "retention": "limits",
        "num_replicas": replicas,
        "discard": "new",
        "deny_delete": true,
        "deny_purge": true,
        "allow_atomic": true,
        "allow_direct": true,
        "max_age": 0,
        "max_msgs": -1,
        "max_bytes": -1,
        "max_msgs_per_subject": -1,
        "max_msg_size": -1,
        "max_consumers": -1,
    });
    match wanted {
        Value::Object(wanted) => wanted,
        _ => Map::new(),
    }
}

/// How `found` differs from `wanted`, in the order of the settings' names. A setting that is not wanted has to be off,
/// whether this program knows it or not.
pub(crate) fn differences(wanted: &Map<String, Value>, found: &Map<String, Value>) -> Vec<Difference> {
    let difference = |field: &String, wanted: &Value, found: &Value| Difference {
        field: field.clone(),
        wanted: wanted.clone(),
        found: found.clone(),
    };
    let mut differences: Vec<Difference> = wanted
        .iter()
        .map(|(field, value)| (field, value, found.get(field).unwrap_or(&Value::Null)))
        .filter(|(_, value, found)| value != found)
        .map(|(field, value, found)| difference(field, value, found))
        .collect();
    let extra = found.iter().filter(|(field, value)| {
        !wanted.contains_key(*field) && !FREE.contains(&field.as_str()) && !is_off(value)
    });
    differences.extend(extra.map(|(field, value)| difference(field, &Value::Null, value)));
    differences.sort_by(|one, other| one.field.cmp(&other.field));
    differences
}

fn is_off(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(on) => !on,
        Value::Number(number) => number.as_i64() == Some(0),
        Value::String(text) => text.is_empty() || text == "default",
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(change: impl FnOnce(&mut Map<String, Value>)) -> Vec<String> {
        let wanted = wanted("lupus-1", 3);
        let mut found = wanted.clone();
        found.insert("metadata".into(), json!({ "_nats.ver": "2.15.1" }));
        found.insert("mirror_direct".into(), json!(false));
        found.insert("sealed".into(), json!(true));
        change(&mut found);
        differences(&wanted, &found).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_stream_as_wanted_differs_in_nothing() {
        assert_eq!(check(|_| ()), [""; 0]);
    }

    #[test]
    fn each_weaker_setting_is_named() {
        for (field, value) in [
            ("storage", json!("memory")),
            ("num_replicas", json!(1)),
            ("discard", json!("old")),
            ("deny_delete", json!(false)),
            ("deny_purge", json!(false)),
            ("allow_atomic", json!(false)),
            ("max_age", json!(1)),
            ("max_msgs", json!(1_000)),
            ("max_bytes", json!(1)),
            ("max_msgs_per_subject", json!(1)),
            ("subjects", json!(["trialbook.lupus-1.log", "trialbook.lupus-1.submit.>"])),
            ("retention", json!("workqueue")),
            ("mirror", json!({ "name": "other" })),
            ("sources", json!([{ "name": "other" }])),
            ("allow_rollup_hdrs", json!(true)),
            ("allow_msg_ttl", json!(true)),
            ("subject_delete_marker_ttl", json!(1)),
            ("persist_mode", json!("async")),
            ("republish", json!({ "src": ">", "dest": "copy.>" })),
            ("subject_transform", json!({ "src": "a", "dest": "b" })),
            ("something_of_next_year", json!(true)),
        ] {
            let found = check(|found| drop(found.insert(field.into(), value.clone())));
            assert_eq!(found.len(), 1, "{field}: {found:?}");
            assert!(found[0].starts_with(&format!("{field} is {value}, not ")), "{found:?}");
        }
    }

    #[test]
    fn a_setting_that_is_missing_is_a_difference() {
        let found = check(|found| drop(found.remove("allow_atomic")));
        assert_eq!(found, ["allow_atomic is null, not true"]);
    }
}
