//! What one report says otherwise than an earlier one of the same kind: value by value, whatever the report is about.

use serde::{Deserialize, Serialize};
use serde_json::Value;

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

/// What items of a list are about, as JSON pointers, the first that they all have: two reports may list them at other
/// places.
const KEYS: [&str; 12] = [
    "/id",
    "/figure/id",
    "/subject",
    "/name",
    "/measure",
    "/by",
    "/level",
    "/visit",
    "/class",
    "/method",
    "/years",
    "/day",
];

/// What differs between two reports, in the order of the later one's members; what only the earlier has comes last in
/// its object. What a report covers and its cutoff differ always and are left out.
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
        !["/covers", "/cutoff", "/engine"].iter().any(|left_out| change.path.starts_with(left_out))
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
        Self { path: format!("{}/{step}", self.path), label: own.or_else(|| self.label.clone()) }
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
            let key = KEYS.into_iter().find(|key| is_key(key, before) && is_key(key, after));
            let name = |at: usize, item: &Value| match key.and_then(|key| item.pointer(key)) {
                Some(Value::String(text)) => text.clone(),
                Some(other) => other.to_string(),
                None => at.to_string(),
            };
            let earlier: Vec<(String, &Value)> =
                before.iter().enumerate().map(|(at, item)| (name(at, item), item)).collect();
            let later: Vec<(String, &Value)> =
                after.iter().enumerate().map(|(at, item)| (name(at, item), item)).collect();
            let of =
                |list: &[(String, &'_ Value)], name: &str| list.iter().position(|(other, _)| other == name);
            for (name, item) in &later {
                let was = of(&earlier, name).map(|at| earlier[at].1);
                differ(was, Some(item), &place.step(name, Some(item)), found);
            }
            for (name, item) in earlier.iter().filter(|(name, _)| of(&later, name).is_none()) {
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

/// Whether each item has the member, no two the same.
fn is_key(key: &str, items: &[Value]) -> bool {
    let mut seen = std::collections::BTreeSet::new();
    items.iter().all(|item| item.pointer(key).is_some_and(|value| seen.insert(value.to_string())))
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
    fn items_without_a_name_of_their_own_are_compared_by_their_place() {
        let of =
            |first: u8| json!({"steps": [[first], [2]], "twice": [{"name": "a"}, {"name": "a", "n": first}]});
        let paths: Vec<_> = changes(&of(1), &of(7)).into_iter().map(|change| change.path).collect();
        assert_eq!(paths, ["/steps/0/0", "/twice/1/n"]);
    }
}
