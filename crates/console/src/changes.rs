//! What an amendment changed: the members of two statements side by side.

use std::collections::BTreeMap;

use maud::{Markup, html};
use serde_json::Value;

use crate::values::{leaves, name, shown};

/// A member that differs.
#[derive(Debug, PartialEq)]
pub(crate) struct Change<'a> {
    /// Path from the statement's root.
    pub(crate) path: String,
    /// Its value before; `None`: it was not stated.
    pub(crate) old: Option<&'a Value>,
    /// Its value now; `None`: it is no longer stated.
    pub(crate) new: Option<&'a Value>,
}

/// The members in which two events' statements differ: the date of the fact, then the contents.
pub(crate) fn between<'a>(old: &'a Value, new: &'a Value) -> Vec<Change<'a>> {
    let mut members: BTreeMap<String, (Option<&Value>, Option<&Value>)> = BTreeMap::new();
    for (path, value) in stated(old) {
        members.entry(path).or_default().0 = Some(value);
    }
    for (path, value) in stated(new) {
        members.entry(path).or_default().1 = Some(value);
    }
    members
        .into_iter()
        .filter(|(_, (old, new))| old != new)
        .map(|(path, (old, new))| Change { path, old, new })
        .collect()
}

/// The date is a member like the others. Its name sorts among them, which is as good a place as any.
fn stated(event: &Value) -> Vec<(String, &Value)> {
    let mut members = event.get("data").map(leaves).unwrap_or_default();
    members.extend(event.get("occurred_on").map(|date| ("date of the fact".to_owned(), date)));
    members
}

/// The changes, old and new named in words, not by colour or an arrow alone.
pub(crate) fn listed(changes: &[Change<'_>]) -> Markup {
    html! {
        @if changes.is_empty() { p { "Stated again without a change." } }
        @else {
            ul.changes {
                @for change in changes {
                    li {
                        span.member { (name(&change.path)) } ": "
                        @match change.old {
                            Some(old) => { del { (shown(old)) } },
                            None => { em { "not stated" } },
                        }
                        span.arrow aria-label="changed to" role="img" { " → " }
                        @match change.new {
                            Some(new) => { ins { (shown(new)) } },
                            None => { em { "not stated" } },
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_differs_is_a_change() {
        let old =
            json!({"data": {"status": "done", "pga": "1.2", "weight": "52"}, "occurred_on": "2008-03-11"});
        let new =
            json!({"data": {"status": "done", "pga": "2.1", "height": "160"}, "occurred_on": "2008-03-12"});
        let changes = between(&old, &new);
        let told: Vec<(&str, Option<&str>, Option<&str>)> = changes
            .iter()
            .map(|change| {
                (change.path.as_str(), change.old.and_then(Value::as_str), change.new.and_then(Value::as_str))
            })
            .collect();
        assert_eq!(
            told,
            [
                ("date of the fact", Some("2008-03-11"), Some("2008-03-12")),
                ("height", None, Some("160")),
                ("pga", Some("1.2"), Some("2.1")),
                ("weight", Some("52"), None),
            ]
        );
    }

    #[test]
    fn an_equal_statement_has_no_change() {
        let event = json!({"data": {"status": "done"}});
        assert_eq!(between(&event, &event), []);
        assert!(listed(&[]).into_string().contains("without a change"));
    }
}
