//! Where a value stands in a report: a path of member names, in which a list's item is named by what it is about.
//!
//! Two reports may list the same things at other places; a path finds them in both. It is written like a JSON pointer,
//! `~0` for `~` and `~1` for `/` within a name.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::sources::WHOLE;

/// What an item of a list is about, as JSON pointers: the first of these of which it has all.
const NAMES: &[&[&str]] = &[
    &["/id"],
    &["/figure/id"],
    &["/subject", "/first_seq"],
    &["/subject"],
    &["/name"],
    &["/measure", "/method", "/unit"],
    &["/measure", "/unit"],
    &["/measure"],
    &["/by"],
    &["/agent", "/assessor"],
    &["/agent"],
    &["/jurisdiction"],
    &["/visit"],
    &["/class"],
    &["/class/name"],
    &["/method"],
    &["/level"],
    &["/reason"],
    &["/criterion"],
    &["/category", "/severity"],
    &["/of", "/cause", "/grade"],
    &["/version"],
    &["/lot"],
    &["/donor"],
    &["/years"],
    &["/months"],
    &["/label"],
    &["/landmark", "/judged", "/computed"],
    &["/organ"],
    &["/subjects/id"],
    &["/definition"],
    &["/day"],
    &["/subjects_first"],
];

/// The items of a list with their names, in their order; of several of one name the second is `name (2)`.
pub(super) fn named(items: &[Value]) -> Vec<(String, &Value)> {
    let mut seen = BTreeMap::<String, u32>::new();
    let name = |(at, item): (usize, &Value)| {
        let told = NAMES.iter().find_map(|names| {
            let parts: Option<Vec<_>> = names.iter().map(|pointer| text(item.pointer(pointer)?)).collect();
            parts.map(|parts| parts.join(" "))
        });
        told.unwrap_or_else(|| at.to_string())
    };
    let names: Vec<_> = items.iter().enumerate().map(name).collect();
    let once = names.into_iter().map(|name| {
        let times = seen.entry(name.clone()).or_default();
        *times += 1;
        if *times == 1 { name } else { format!("{name} ({times})") }
    });
    once.zip(items).collect()
}

/// What a text or a number says; nothing else is a name.
fn text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Number(number) => Some(Cow::Owned(number.to_string())),
        _ => None,
    }
}

/// `path` and one step more.
pub(super) fn step(path: &str, name: &str) -> String {
    format!("{path}/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// The names of a path; `None` if it is none.
pub(super) fn names(path: &str) -> Option<Vec<String>> {
    let rest = path.strip_prefix('/')?;
    Some(rest.split('/').map(|name| name.replace("~1", "/").replace("~0", "~")).collect())
}

/// The member or item of that name.
pub(super) fn child<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    match value {
        Value::Object(members) => members.get(name),
        Value::Array(items) => {
            named(items).into_iter().find_map(|(known, item)| (known == name).then_some(item))
        }
        _ => None,
    }
}

/// A cell of a report: a text, a number or a truth value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReportCell {
    /// Where it stands: member names, and of a list's items what they are about.
    pub cell: String,
    /// The nearest label around it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// What it says.
    pub value: Value,
}

/// Every cell of a report, in the report's order.
///
/// ```
/// let report = serde_json::json!({"deaths": {"label": "Deaths", "by": [{"id": "S1", "n": 2}]}});
/// let cells = clinical::report::cells(&report);
/// assert_eq!(cells[1].cell, "/deaths/by/S1/n");
/// assert_eq!(cells[1].label.as_deref(), Some("Deaths"));
/// ```
pub fn cells(report: &Value) -> Vec<ReportCell> {
    let mut found = Vec::new();
    walk(report, "", None, &mut found);
    found
}

fn walk(value: &Value, path: &str, label: Option<&str>, found: &mut Vec<ReportCell>) {
    let label = value.get("label").and_then(Value::as_str).or(label);
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                walk(value, &step(path, name), label, found);
            }
        }
        Value::Array(items) => {
            for (name, value) in named(items) {
                walk(value, &step(path, &name), label, found);
            }
        }
        _ => found.push(ReportCell {
            cell: path.to_owned(),
            label: label.map(str::to_owned),
            value: value.clone(),
        }),
    }
}

/// Adds to every object of what stands in a report at `path` a member of this name that says where it stands, in the
/// words of `write`. Of a list the first items alone may be given: each has the name that it has in the whole.
///
/// Not to what is about no subject, nor to the keys that are suspected, which name their records themselves.
pub fn say_where(part: &mut Value, path: &str, member: &str, write: &dyn Fn(&str) -> String) {
    let name = path.split('/').nth(1).unwrap_or_default();
    if !WHOLE.contains(&name) && name != "suspected_keys" {
        say(part, path, (member, write));
    }
}

fn say(value: &mut Value, path: &str, (member, write): (&str, &dyn Fn(&str) -> String)) {
    match value {
        Value::Object(members) => {
            for (name, value) in members.iter_mut() {
                say(value, &step(path, name), (member, write));
            }
            members.insert(member.to_owned(), Value::String(write(path)));
        }
        Value::Array(items) => {
            let names: Vec<_> = named(items).into_iter().map(|(name, _)| name).collect();
            for (value, name) in items.iter_mut().zip(names) {
                say(value, &step(path, &name), (member, write));
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_item_has_the_name_of_what_it_is_about_whatever_its_name_holds() {
        let list = json!([{"name": "a/b"}, {"name": "c~1"}, {"name": "a/b", "n": 3}]);
        let paths: Vec<_> =
            named(list.as_array().unwrap()).iter().map(|(name, _)| step("/terms", name)).collect();
        assert_eq!(paths, ["/terms/a~1b", "/terms/c~01", "/terms/a~1b (2)"]);
        for (path, item) in paths.iter().zip(list.as_array().unwrap()) {
            let names = names(path).unwrap();
            assert_eq!(child(&list, &names[1]), Some(item), "{path}");
        }
        assert_eq!(names("terms"), None);
    }

    #[test]
    fn every_row_says_where_it_stands() {
        let mut report = json!({"sites": [{"id": "S1", "n": {"deaths": 1}}]});
        say_where(&mut report["sites"], "/sites", "@", &|path| format!("at:{path}"));
        assert_eq!(report["sites"][0]["n"], json!({"deaths": 1, "@": "at:/sites/S1/n"}));
        assert_eq!(report.get("@"), None);
    }
}
