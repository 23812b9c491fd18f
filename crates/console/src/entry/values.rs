//! From a form's fields to the `data` of a statement, and back. What a field is called and how it is written stands in
//! [`clinical::fields`] alone.

use clinical::fields::{Field, Form, below};
use serde_json::{Map, Value};

use crate::posted::Given;

/// Members of `data` that no person writes: where imported facts came from, and the commitment to the text key.
const NOT_ASKED: [&str; 2] = ["import", "text_key"];

/// The fields directly below `path` that a form asks for.
pub(super) fn asked_below<'a>(fields: &'a [Field], path: &str) -> impl Iterator<Item = &'a Field> {
    below(fields, path).filter(|field| !NOT_ASKED.contains(&field.path))
}

/// The name of a form's field for the value at `place`, such as `criteria[0].id`.
pub(super) fn value_name(place: &str) -> String {
    format!("d:{place}")
}

/// The name of a form's field for the reason why there is none.
pub(super) fn missing_name(place: &str) -> String {
    format!("m:{place}")
}

/// The place of a member below another.
pub(super) fn place(around: &str, name: &str) -> String {
    if around.is_empty() { name.to_owned() } else { format!("{around}.{name}") }
}

/// How many items of the list at `place` are stated, by a value or by the reason why there is none.
pub(super) fn items(given: &Given, place: &str) -> usize {
    given.items(&value_name(place)).max(given.items(&missing_name(place)))
}

/// What the form states, as `data`: what is left blank is left out.
pub(super) fn data(fields: &[Field], given: &Given) -> Map<String, Value> {
    members(fields, given, "", "")
}

fn members(fields: &[Field], given: &Given, path: &str, around: &str) -> Map<String, Value> {
    let stated = asked_below(fields, path).filter_map(|field| {
        let value = stated(fields, given, field, &place(around, field.name()))?;
        Some((field.name().to_owned(), value))
    });
    stated.collect()
}

fn stated(fields: &[Field], given: &Given, field: &Field, place: &str) -> Option<Value> {
    if let Some(reason) = given.value(&missing_name(place)).filter(|_| field.may_be_missing) {
        return Some(serde_json::json!({ "missing": reason }));
    }
    let whole = |members: Map<String, Value>| (!members.is_empty()).then_some(Value::Object(members));
    match field.form {
        Form::Object => whole(members(fields, given, field.path, place)),
        Form::Map(names) => {
            let value = below(fields, field.path).next()?;
            let of = |name: &&str| {
                Some(((*name).to_owned(), stated(fields, given, value, &self::place(place, name))?))
            };
            whole(names.iter().filter_map(of).collect())
        }
        Form::List => {
            let path = format!("{}[]", field.path);
            let item = |index: usize| members(fields, given, &path, &format!("{place}[{index}]"));
            let items: Vec<_> = (0..items(given, place)).map(item).collect();
            let items: Vec<_> = items.into_iter().filter_map(whole).collect();
            (!items.is_empty() || field.is_needed).then_some(Value::Array(items))
        }
        Form::SetOf(_) => {
            let chosen: Vec<Value> = given.all(&value_name(place)).map(Value::from).collect();
            (!chosen.is_empty() || field.is_needed).then_some(Value::Array(chosen))
        }
        form => given.value(&value_name(place)).map(|text| plain(form, text)),
    }
}

/// A value as its form writes it. What cannot be read so is passed on as it is: the reader of events says what is wrong.
fn plain(form: Form, text: &str) -> Value {
    let trimmed = text.trim();
    match form {
        Form::Text | Form::SealedText => text.into(),
        Form::Boolean => match trimmed {
            "yes" => true.into(),
            "no" => false.into(),
            other => other.into(),
        },
        Form::Integer { .. } => trimmed.parse::<i64>().map_or_else(|_| trimmed.into(), Value::from),
        Form::Time => trimmed.replacen(' ', "T", 1).into(),
        Form::Instant => {
            let at = trimmed.replacen(' ', "T", 1).parse::<jiff::Timestamp>();
            at.map_or_else(|_| trimmed.into(), |at| at.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string().into())
        }
        _ => trimmed.into(),
    }
}

/// What a form is filled with so that it states `data` again. Sealed texts are left out: they open at their own event's
/// place alone.
pub(super) fn filled(fields: &[Field], data: &Value) -> Given {
    let mut given = Given::default();
    fill(fields, data, "", "", &mut given);
    given
}

fn fill(fields: &[Field], data: &Value, path: &str, around: &str, given: &mut Given) {
    for field in asked_below(fields, path) {
        if let Some(value) = data.get(field.name()) {
            fill_one(fields, field, value, &place(around, field.name()), given);
        }
    }
}

fn fill_one(fields: &[Field], field: &Field, value: &Value, place: &str, given: &mut Given) {
    if let Some(reason) = value.get("missing").and_then(Value::as_str).filter(|_| field.may_be_missing) {
        given.add(missing_name(place), reason);
        return;
    }
    match (field.form, value) {
        (Form::Object, _) => fill(fields, value, field.path, place, given),
        (Form::Map(_), Value::Object(members)) => {
            let Some(of) = below(fields, field.path).next() else { return };
            for (name, value) in members {
                fill_one(fields, of, value, &self::place(place, name), given);
            }
        }
        (Form::List, Value::Array(items)) => {
            for (index, item) in items.iter().enumerate() {
                fill(fields, item, &format!("{}[]", field.path), &format!("{place}[{index}]"), given);
            }
        }
        (Form::SetOf(_), Value::Array(items)) => {
            items.iter().filter_map(Value::as_str).for_each(|name| given.add(value_name(place), name));
        }
        (Form::SealedText, _) => {}
        (_, Value::Bool(is)) => given.add(value_name(place), if *is { "yes" } else { "no" }),
        (_, Value::String(text)) => given.add(value_name(place), text),
        (_, Value::Number(number)) => given.add(value_name(place), number.to_string()),
        _ => {}
    }
}

/// The place in the form that a pointer into the event speaks of; `None` if it is none of `data`.
pub(super) fn place_of(pointer: &str) -> Option<String> {
    let mut place = String::new();
    for step in pointer.strip_prefix("/data/")?.split('/') {
        if step.bytes().all(|byte| byte.is_ascii_digit()) {
            place.push_str(&format!("[{step}]"));
        } else {
            place = self::place(&place, step);
        }
    }
    Some(place)
}

#[cfg(test)]
mod tests {
    use clinical::{EventKind, fields};
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_form_is_filled_with_states_the_same_again() {
        for (kind, stated) in [
            (
                EventKind::Visit,
                json!({
                    "status": "done", "planned": "M1", "pga": {"missing": "not_done"},
                    "sledai": {"rash": "present", "fever": "absent"},
                    "observations": [
                        {"loinc": "4485-9", "reported": {"unit": "mg/dL", "value": "86"}, "ucum": {"unit": "g/L", "value": "0.86"}},
                        {"reported": {"missing": "not_available"}}
                    ],
                    "relapse": {"definition": "relapse-1", "relapsed": false}, "gvhd": {"liver": 0, "lower_gi": 1, "skin": 2, "upper_gi": 0}
                }),
            ),
            (
                EventKind::AdverseEvent,
                json!({
                    "aware_at": "2008-03-11T01:30:00.000000Z", "causality": {"product": "possible", "other": {"missing": "unknown"}},
                    "seriousness": ["hospitalisation", "death"], "serious_reported": true, "onset_at": "2008-03-11T09:30+08:00"
                }),
            ),
            (EventKind::Unblinding, json!({"informed": [], "reason": "emergency"})),
        ] {
            let fields = fields::of(kind);
            assert_eq!(Value::Object(data(fields, &filled(fields, &stated))), stated, "{kind}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_passed_on_and_blanks_are_left_out() {
        let mut given = Given::default();
        given.add("d:status", " done ");
        given.add("d:planned", "  ");
        given.add("d:gvhd.skin", "two");
        given.add("d:part.number", "1");
        given.add("d:import.standard", "sdtm");
        let due = json!({"status": "done", "gvhd": {"skin": "two"}, "part": {"number": 1}});
        assert_eq!(Value::Object(data(fields::of(EventKind::Visit), &given)), due);
        let times = |form| plain(form, "2008-03-11 09:30+08:00");
        assert_eq!(times(Form::Time), json!("2008-03-11T09:30+08:00"));
        assert_eq!(times(Form::Instant), json!("2008-03-11T01:30:00.000000Z"));
        assert_eq!(plain(Form::Instant, "yesterday"), json!("yesterday"));
    }

    #[test]
    fn a_pointer_leads_to_its_field() {
        for (pointer, due) in [
            ("/data/pga", Some("pga")),
            ("/data/criteria/0/id", Some("criteria[0].id")),
            ("/data/causality/product", Some("causality.product")),
            ("/occurred_on", None),
        ] {
            assert_eq!(place_of(pointer).as_deref(), due, "{pointer}");
        }
    }
}
