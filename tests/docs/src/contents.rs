//! The tables of `data`, member by member: each is tried on an event that has them all.

use chain::canonical::canonicalize;
use clinical::definitions::Kind;
use clinical::fields::{self, Form};
use clinical::{DecodeError, Event, EventKind};
use serde_json::{Value, json};

use crate::events::{data_of, event_of, opening_with};
use crate::markdown::{code_spans, format_page, name, section, table};

/// Members whose value is a map, and members whose value is read elsewhere.
const MAPS: [&str; 4] = ["causality", "death.relatedness", "profile.mandatory", "sledai"];
const ELSEWHERE: [&str; 7] = [
    "comment",
    "death.cause",
    "definitions.own[].parameters",
    "description",
    "missed_because_text",
    "narrative",
    "term",
];

struct Row {
    path: String,
    needed: bool,
    may_be_missing: bool,
    form: String,
}

/// A table of the document, and an event that has all its members.
struct Case {
    name: String,
    event: Value,
    rows: Vec<Row>,
    /// The paths that are due in the table.
    due: Vec<String>,
}

fn yes(cell: &str) -> bool {
    match cell {
        "yes" => true,
        "no" => false,
        other => panic!("{other}"),
    }
}

fn of_kind(contents: &str, kind: EventKind) -> Case {
    let header = ["member", "needed", "may be missing", "type", "meaning"];
    let read = |row: Vec<String>| Row {
        path: name(&row[0]),
        needed: yes(&row[1]),
        may_be_missing: yes(&row[2]),
        form: row[3].clone(),
    };
    let rows = table(section(contents, &format!("### {kind}")), &header).into_iter().map(read).collect();
    let mut due = Vec::new();
    paths(&data_of(kind), "", &mut due);
    Case { name: kind.to_string(), event: event_of(kind), rows, due }
}

/// Where the parameters of the one definition stand that an opening brings.
const PARAMETERS: &str = "definitions.own[].parameters";

fn of_definition(contents: &str, kind: Kind) -> Case {
    let header = ["of", "member", "needed", "type", "meaning"];
    let all = table(section(contents, "#### Parameters of a definition"), &header);
    let of_kind = all.into_iter().filter(|row| name(&row[0]) == kind.as_str());
    let rows = of_kind.map(|row| Row {
        path: format!("{PARAMETERS}.{}", name(&row[1])),
        needed: yes(&row[2]),
        may_be_missing: false,
        form: row[3].clone(),
    });
    let event = opening_with(kind);
    let mut due = Vec::new();
    paths(&event["data"]["definitions"]["own"][0]["parameters"], "", &mut due);
    let due = due.into_iter().map(|path| format!("{PARAMETERS}.{path}")).collect();
    Case { name: format!("definition of {}", kind.as_str()), rows: rows.collect(), event, due }
}

fn cases() -> Vec<Case> {
    let page = format_page();
    let contents = section(&page, "## 7 Contents of each kind");
    let open = EventKind::ALL.iter().copied().filter(|kind| kind.is_open());
    let definitions = Kind::ALL.iter().map(|kind| of_definition(contents, *kind));
    open.map(|kind| of_kind(contents, kind)).chain(definitions).collect()
}

/// The members of `value` as the document writes their paths.
fn paths(value: &Value, path: &str, found: &mut Vec<String>) {
    let Some(object) = value.as_object() else { return };
    for (key, value) in object {
        let key = if MAPS.contains(&path) { "*" } else { key };
        let path = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
        found.push(path.clone());
        match value {
            Value::Array(items) => paths(&items[0], &format!("{path}[]"), found),
            _ if !ELSEWHERE.contains(&path.as_str()) => paths(value, &path, found),
            _ => {}
        }
    }
}

/// The object or list that holds the member at `path`, and the member's key in it.
fn parent<'v>(event: &'v mut Value, path: &str) -> (&'v mut serde_json::Map<String, Value>, String) {
    let mut value = &mut event["data"];
    let mut steps: Vec<&str> = path.split('.').collect();
    let last = steps.pop().unwrap();
    for step in steps {
        value = match step.strip_suffix("[]") {
            Some(list) => &mut value[list][0],
            None => &mut value[step],
        };
    }
    let object = value.as_object_mut().unwrap();
    let key = if last == "*" { object.keys().next().unwrap().clone() } else { last.to_owned() };
    (object, key)
}

fn parse(event: &Value) -> Result<(), DecodeError> {
    Event::parse(&canonicalize(event).expect("the values tried have a canonical form")).map(drop)
}

/// What comes of the event if the member at `path` is changed.
fn tried(case: &Case, path: &str, change: impl FnOnce(&mut Value)) -> Result<(), DecodeError> {
    let mut event = case.event.clone();
    let (object, key) = parent(&mut event, path);
    change(&mut object[&key]);
    parse(&event)
}

fn set(case: &Case, path: &str, value: &Value) -> Result<(), DecodeError> {
    tried(case, path, |member| *member = value.clone())
}

fn each_row(check: impl Fn(&Case, &Row)) {
    for case in cases() {
        case.rows.iter().for_each(|row| check(&case, row));
    }
}

#[test]
fn every_member_of_every_kind_is_listed_and_no_other() {
    for Case { name, event, rows, mut due } in cases() {
        assert_eq!(parse(&event), Ok(()), "{name}");
        let mut stated: Vec<_> = rows.into_iter().map(|row| row.path).collect();
        due.sort();
        stated.sort();
        assert_eq!(stated, due, "{name}");
    }
}

#[test]
fn a_member_is_needed_exactly_where_it_is_said_to_be() {
    each_row(|case, row| {
        let mut event = case.event.clone();
        let (object, key) = parent(&mut event, &row.path);
        object.remove(&key);
        assert_eq!(parse(&event).is_err(), row.needed, "{} {}: {:?}", case.name, row.path, parse(&event));
    });
}

#[test]
fn a_member_may_be_missing_exactly_where_it_is_said_that_it_may() {
    each_row(|case, row| {
        let outcome = set(case, &row.path, &json!({"missing": "unknown"}));
        assert_eq!(outcome.is_ok(), row.may_be_missing, "{} {}: {outcome:?}", case.name, row.path);
    });
}

#[test]
fn objects_have_no_other_members() {
    each_row(|case, row| {
        let path = match row.form.as_str() {
            "object" => row.path.clone(),
            "list" | "list, not empty" => format!("{}[]", row.path),
            _ => return,
        };
        let mut event = case.event.clone();
        let (object, _) = parent(&mut event, &format!("{path}.other"));
        object.insert("other".to_owned(), json!(1));
        assert!(parse(&event).is_err(), "{} {path}", case.name);
    });
}

/// The names an unknown one is compared with, as the reader of events says them.
fn known_names(outcome: Result<(), DecodeError>) -> Vec<String> {
    match outcome {
        Err(DecodeError::Malformed { reason, .. }) => {
            code_spans(reason.split_once("expected").expect(&reason).1)
        }
        other => panic!("{other:?}"),
    }
}

/// Tries values of a form: those accepted, then those refused.
fn samples(form: &str) -> (Vec<Value>, Vec<Value>) {
    if form == "integer 10, 28 or 30" {
        return (vec![json!(10), json!(28), json!(30)], vec![json!(11), json!("10")]);
    }
    if let Some(each) = form.strip_prefix("list of integer ") {
        let (accepted, refused) = samples(&format!("integer {each}"));
        return (vec![json!([]), json!(accepted)], refused.into_iter().map(|value| json!([value])).collect());
    }
    if let Some(range) = form.strip_prefix("integer ") {
        let (low, high) = range.split_once(" to ").unwrap();
        let (low, high): (i64, i64) = (low.parse().unwrap(), high.parse().unwrap());
        let mut refused = vec![json!(low - 1), json!("1")];
        // Beyond 2^53 − 1 there is no integer to try.
        refused.extend((high < chain::canonical::INTEGER_MAX).then(|| json!(high + 1)));
        return (vec![json!(low), json!(high)], refused);
    }
    match form {
        "text" => (vec![json!("x"), json!("")], vec![json!(7)]),
        "boolean" => (vec![json!(true), json!(false)], vec![json!("true"), json!(1)]),
        "date" => (vec![json!("2008"), json!("2008-03"), json!("2008-03-11")], vec![json!("2008-02-30")]),
        "day" => (vec![json!("2008-03-11")], vec![json!("2008"), json!("2008-03"), json!("2008-02-30")]),
        "site" => (vec![json!("0-B")], vec![json!("a"), json!("")]),
        "subject" => (vec![json!("0-B")], vec![json!("a"), json!("")]),
        "cut" => (vec![json!("b-0")], vec![json!("A"), json!("0"), json!("")]),
        "time" => (
            vec![json!("2008-03-11T09:30+08:00"), json!("2008-03-11T09:30:00-14:59")],
            vec![json!("2008-03-11T09:30-00:00"), json!("2008-03-11T09:30Z")],
        ),
        "instant" => {
            (vec![json!("2026-11-22T13:28:45.123456Z")], vec![json!("2026-11-22T13:28:45Z"), json!("2008")])
        }
        "decimal" => {
            (vec![json!("-1.20"), json!("0.0")], vec![json!("-0"), json!("1."), json!("01"), json!(1)])
        }
        "hash" => (vec![json!("ab".repeat(32))], vec![json!("AB".repeat(32)), json!("ab")]),
        "actor" => {
            (vec![json!("li.wei"), json!("0-a")], vec![json!("Li"), json!(".a"), json!("a".repeat(65))])
        }
        "definition" => (
            vec![json!("a-1"), json!("x-2k-9999"), json!(format!("{}-1", "a".repeat(62)))],
            vec![
                json!("a"),
                json!("-1"),
                json!("a-01"),
                json!("A-1"),
                json!(format!("{}-1", "a".repeat(63))),
            ],
        ),
        "zone" => (vec![json!("Etc/GMT+8")], vec![json!(""), json!("1/A"), json!("A B")]),
        "list of site" => (vec![json!([]), json!(["A", "0-B"])], vec![json!(["a"]), json!("A")]),
        "list of text" => (vec![json!([]), json!(["", "x"])], vec![json!([1]), json!("x")]),
        "list" => (vec![json!([])], vec![json!("x"), json!({})]),
        "list, not empty" => (vec![], vec![json!("x"), json!({}), json!([])]),
        "map" => (vec![], vec![json!("x"), json!([])]),
        "object" => (vec![], vec![json!("x")]),
        "sealed text" => (vec![], vec![json!("in clear"), json!({})]),
        other => panic!("no samples of {other}"),
    }
}

#[test]
fn each_form_takes_what_it_is_said_to_take() {
    each_row(|case, row| {
        let path = &row.path;
        if let Some((form, names)) = row.form.split_once("one of ") {
            let stated = code_spans(names);
            let unknown = json!("no_such_name");
            let known = match form {
                "" => known_names(set(case, path, &unknown)),
                "list of " => known_names(set(case, path, &json!([unknown]))),
                "map, keys " => known_names(tried(case, path, |member| {
                    let map = member.as_object_mut().unwrap();
                    let value = map.values().next().unwrap().clone();
                    map.insert("no_such_name".to_owned(), value);
                })),
                other => panic!("{other}"),
            };
            assert_eq!(stated, known, "{} {path}", case.name);
            return;
        }
        let (accepted, refused) = samples(&row.form);
        for value in accepted {
            let outcome = set(case, path, &value);
            assert!(outcome.is_ok(), "{} {path} {value}: {outcome:?}", case.name);
        }
        for value in refused {
            assert!(set(case, path, &value).is_err(), "{} {path} {value}", case.name);
        }
    });
}

/// A form as the tables write it.
fn written(form: Form) -> String {
    let names = |names: &[&str]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    match form {
        Form::Text => "text".to_owned(),
        Form::Boolean => "boolean".to_owned(),
        Form::Date => "date".to_owned(),
        Form::Time => "time".to_owned(),
        Form::Instant => "instant".to_owned(),
        Form::Decimal => "decimal".to_owned(),
        Form::Hash => "hash".to_owned(),
        Form::Site => "site".to_owned(),
        Form::Actor => "actor".to_owned(),
        Form::Integer { low, high } => format!("integer {low} to {high}"),
        Form::OneOf(one) => format!("one of {}", names(one)),
        Form::SetOf(some) => format!("list of one of {}", names(some)),
        Form::Map(keys) => format!("map, keys one of {}", names(keys)),
        Form::Object => "object".to_owned(),
        Form::List => "list".to_owned(),
        Form::SealedText => "sealed text".to_owned(),
    }
}

#[test]
fn forms_are_made_from_fields_as_the_tables_have_them() {
    let page = format_page();
    let contents = section(&page, "## 7 Contents of each kind");
    for kind in fields::KINDS {
        let row = |row: Row| (row.path, row.needed, row.may_be_missing, row.form);
        let stated: Vec<_> = of_kind(contents, kind).rows.into_iter().map(row).collect();
        let field = |field: &fields::Field| {
            (field.path.to_owned(), field.is_needed, field.may_be_missing, written(field.form))
        };
        let made: Vec<_> = fields::of(kind).iter().map(field).collect();
        assert_eq!(made, stated, "{kind}");
    }
}

#[test]
fn order_and_repetition_in_a_set_mean_nothing() {
    let read = |seriousness: Value| {
        let mut event = event_of(EventKind::AdverseEvent);
        event["data"]["seriousness"] = seriousness;
        Event::parse(&canonicalize(&event).unwrap()).unwrap().data
    };
    assert_eq!(read(json!(["death", "disability"])), read(json!(["disability", "death", "disability"])));
}

#[test]
fn the_descriptors_of_the_sledai_have_the_points_that_are_told() {
    let weights = clinical::sledai::Descriptor::ALL.map(clinical::sledai::Descriptor::weight);
    let of = |points| weights.iter().filter(|weight| **weight == points).count();
    assert_eq!((of(8), of(4), of(2), of(1)), (8, 6, 7, 3));
    assert_eq!(weights.iter().sum::<u16>(), 105);
    assert!(weights.is_sorted_by(|a, b| a >= b));
    let page = format_page().split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(page.contains("eight of 8 points, six of 4, seven of 2, three of 1; 105 in all"));
}
