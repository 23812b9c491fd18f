//! What one report says otherwise than an earlier one of the same kind: value by value, whatever the report is about.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::place;

/// A value that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// As it is now; absent where it no longer is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
    /// As it was; absent where it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// The nearest label around it, for a reader.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Where it stands: member names, and of a list's items what they are about.
    pub path: String,
}

/// What differs between two reports, in the order of the later one's members; what only the earlier has comes last in
/// its object. What a report covers and its cutoff differ always and are left out; so is what it counts against an
/// earlier one (`since`, and members that end so), which is itself about what has changed.
///
/// ```
/// use clinical::report::changes;
/// use serde_json::json;
/// let figure = |events| json!({"figures": [{"id": "deaths", "label": "Deaths", "events": events}]});
/// let changes = changes(&figure(1), &figure(2));
/// assert_eq!(changes[0].path, "/figures/deaths/events");
/// assert_eq!((&changes[0].before, &changes[0].after), (&Some(json!(1)), &Some(json!(2))));
/// ```
pub fn changes(before: &Value, after: &Value) -> Vec<Change> {
    let mut found = Vec::new();
    differ(Some(before), Some(after), &Place::default(), &mut found);
    found.retain(|change| {
        !["/covers", "/cutoff", "/engine", "/since"].iter().any(|left_out| change.path.starts_with(left_out))
            && !change.path.ends_with("_since")
    });
    found
}

#[derive(Default, Clone)]
struct Place {
    path: String,
    label: Option<String>,
}

impl Place {
    fn step(&self, step: &str, value: Option<&Value>) -> Self {
        let own = value.and_then(|value| value.get("label")).and_then(Value::as_str).map(str::to_owned);
        Self { path: place::step(&self.path, step), label: own.or_else(|| self.label.clone()) }
    }
}

fn differ(before: Option<&Value>, after: Option<&Value>, place: &Place, found: &mut Vec<Change>) {
    match (before, after) {
        (Some(before), Some(after)) if before == after => {}
        (Some(Value::Object(before)), Some(Value::Object(after))) => {
            for (name, value) in after {
                differ(before.get(name), Some(value), &place.step(name, Some(value)), found);
            }
            for (name, value) in before.iter().filter(|(name, _)| !after.contains_key(*name)) {
                differ(Some(value), None, &place.step(name, Some(value)), found);
            }
        }
        (Some(Value::Array(before)), Some(Value::Array(after))) => {
            let (earlier, later) = (place::named(before), place::named(after));
            let was: BTreeMap<&str, &Value> = earlier.iter().map(|(name, item)| (&**name, *item)).collect();
            let is: BTreeSet<&str> = later.iter().map(|(name, _)| &**name).collect();
            for (name, item) in &later {
                differ(was.get(&**name).copied(), Some(item), &place.step(name, Some(item)), found);
            }
            for (name, item) in earlier.iter().filter(|(name, _)| !is.contains(&**name)) {
                differ(Some(item), None, &place.step(name, Some(item)), found);
            }
        }
        (before, after) => found.push(Change {
            after: after.cloned(),
            before: before.cloned(),
            label: place.label.clone(),
            path: place.path.clone(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn items_are_compared_by_what_they_are_about_wherever_they_stand() {
        let before =
            json!({"covers": {"records": 1}, "deaths": [{"subject": "S1", "on": "2008"}], "sites": 4});
        let after = json!({"covers": {"records": 9}, "deaths": [{"subject": "S0", "on": "2009"},
            {"subject": "S1", "on": "2008-03"}]});
        let paths: Vec<_> = changes(&before, &after).into_iter().map(|change| change.path).collect();
        assert_eq!(paths, ["/deaths/S0", "/deaths/S1/on", "/sites"]);
        assert_eq!(changes(&after, &after), []);
    }

    #[test]
    fn what_is_counted_against_an_earlier_report_is_no_change() {
        let before = json!({"rows": [{"id": "any", "events": 1}]});
        let after = json!({
            "rows": [{"id": "any", "events": 2, "events_since": 1, "subjects_since": 1}], "since": {"records": 1}
        });
        let paths: Vec<_> = changes(&before, &after).into_iter().map(|change| change.path).collect();
        assert_eq!(paths, ["/rows/any/events"]);
    }

    #[test]
    fn items_without_a_name_of_their_own_are_compared_by_their_place_or_turn() {
        let of =
            |first: u8| json!({"steps": [[first], [2]], "twice": [{"name": "a"}, {"name": "a", "n": first}]});
        let paths: Vec<_> = changes(&of(1), &of(7)).into_iter().map(|change| change.path).collect();
        assert_eq!(paths, ["/steps/0/0", "/twice/a (2)/n"]);
    }
}
