//! A statement's members, one a line: decoded for reading, in the order of the bytes.

use maud::{Markup, html};
use serde_json::Value;

use crate::words::{hash, words};

/// The members of a statement: path from its root, such as `dose/given/unit`, and value.
pub(crate) fn leaves(value: &Value) -> Vec<(String, &Value)> {
    let mut leaves = Vec::new();
    descend(String::new(), value, &mut leaves);
    leaves
}

fn descend<'a>(path: String, value: &'a Value, leaves: &mut Vec<(String, &'a Value)>) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
    match value {
        Value::Object(members) if !is_leaf(value) => {
            for (name, member) in members {
                descend(below(name), member, leaves);
            }
        }
        Value::Array(items) if !is_leaf(value) => {
            for (index, item) in items.iter().enumerate() {
                descend(below(&(index + 1).to_string()), item, leaves);
            }
        }
        _ if path.is_empty() => {}
        _ => leaves.push((path, value)),
    }
}

/// What is shown in one piece: plain values, empty ones, sealed texts, and reasons why there is no value.
fn is_leaf(value: &Value) -> bool {
    match value {
        Value::Object(members) => {
            members.is_empty() || members.contains_key("ciphertext") || missing(value).is_some()
        }
        Value::Array(items) => items.is_empty(),
        _ => true,
    }
}

fn missing(value: &Value) -> Option<&str> {
    let members = value.as_object()?;
    members.get("missing").and_then(Value::as_str).filter(|_| members.len() == 1)
}

/// A member's value.
pub(crate) fn shown(value: &Value) -> Markup {
    if let Some(reason) = missing(value) {
        return html! { em { "no value: " (words(reason)) } };
    }
    match value {
        Value::Object(members) => html! {
            @if let Some(commitment) = members.get("commitment").and_then(Value::as_str) {
                em { "sealed text" } ", readable with the subject's text key; commitment " (hash(commitment))
            } @else { em { "nothing" } }
        },
        Value::Array(_) => html! { em { "none" } },
        Value::Bool(true) => html! { "yes" },
        Value::Bool(false) => html! { "no" },
        Value::String(text) => html! { span.text { (text) } },
        Value::Null => html! { em { "nothing" } },
        Value::Number(number) => html! { (number) },
    }
}

/// A member's path as words.
pub(crate) fn name(path: &str) -> String {
    words(path).replace('/', " › ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_statement_is_laid_out_one_member_a_line() {
        let statement = json!({
            "dose": {"given": {"unit": "10*6/kg", "value": "1.00"}},
            "pga": {"missing": "not_done"},
            "items": [{"code": "C3"}, {"code": "C4"}],
            "term": {"alg": "xchacha20poly1305", "ciphertext": "AAAA", "commitment": "ab", "nonce": "AA", "wrapped_key": "AA"},
        });
        let leaves = leaves(&statement);
        let paths: Vec<&str> = leaves.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(
            paths,
            ["dose/given/unit", "dose/given/value", "items/1/code", "items/2/code", "pga", "term"]
        );
        assert_eq!(shown(leaves[4].1).into_string(), "<em>no value: not done</em>");
        assert!(shown(leaves[5].1).into_string().starts_with("<em>sealed text</em>"));
        assert_eq!(name("dose/given/unit"), "dose › given › unit");
    }

    #[test]
    fn an_empty_statement_has_no_members() {
        assert!(leaves(&json!({})).is_empty());
    }
}
