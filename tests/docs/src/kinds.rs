//! Kinds, their members, and the role table.

use chain::canonical::canonicalize;
use clinical::authority::{Entitlement, entitlement};
use clinical::kind::Scope;
use clinical::{DecodeError, Event, EventKind, Role};
use serde_json::{Value, json};

use crate::events::event_of;
use crate::markdown::{code_spans, format_page, name, section, table};

fn open_kinds() -> impl Iterator<Item = EventKind> {
    EventKind::ALL.iter().copied().filter(|kind| kind.is_open())
}

fn parse(event: &Value) -> Result<Event, DecodeError> {
    Event::parse(&canonicalize(event).unwrap())
}

#[test]
fn the_table_of_kinds_is_the_kinds() {
    let page = format_page();
    let rows = table(section(&page, "## 6 Kinds"), &["kind", "about", "in version 1", "what it states"]);
    let due = EventKind::ALL.iter().map(|kind| {
        let about = match kind.scope() {
            Scope::Trial => "trial",
            Scope::Subject => "subject",
        };
        let open = if kind.is_open() { "open" } else { "reserved" };
        [format!("`{kind}`"), about.to_owned(), open.to_owned()]
    });
    assert_eq!(rows.iter().map(|row| &row[..3]).collect::<Vec<_>>(), due.collect::<Vec<_>>());
    assert!(rows.iter().all(|row| (row[2] == "open") != row[3].is_empty()));
}

#[test]
fn a_reserved_kind_is_refused_as_one() {
    for kind in EventKind::ALL.iter().filter(|kind| !kind.is_open()) {
        let mut event = event_of(EventKind::Contact);
        event["kind"] = json!(kind);
        assert_eq!(parse(&event), Err(DecodeError::Reserved(*kind)));
    }
}

/// Takes a member in or out of an otherwise sound event and says whether it stays sound.
fn sound(kind: EventKind, change: impl FnOnce(&mut serde_json::Map<String, Value>)) -> bool {
    let mut event = event_of(kind);
    assert!(parse(&event).is_ok(), "{kind}: {:?}", parse(&event));
    change(event.as_object_mut().unwrap());
    parse(&event).is_ok()
}

#[test]
fn each_kind_has_the_members_it_is_said_to_have() {
    let page = format_page();
    let header = ["kind", "site", "subject", "occurred_on", "amends, follows", "taken_from", "confirmed"];
    let rows = table(section(&page, "## 4 The event"), &header);
    assert_eq!(
        rows.iter().map(|row| name(&row[0])).collect::<Vec<_>>(),
        open_kinds().map(|kind| kind.to_string()).collect::<Vec<_>>()
    );
    let reference = json!({"hash": "33".repeat(32), "seq": 3});
    let amends = json!({"effect": "replace", "hash": "33".repeat(32), "reason": "coding", "seq": 3});
    let confirmed = json!({"findings": [{"finding": "after-death", "reason": "as_in_source"}]});
    for (kind, row) in open_kinds().zip(rows) {
        let members = [
            (1, "site", json!("CN-NJ")),
            (2, "subject", json!("S1")),
            (3, "occurred_on", json!("2008")),
            (4, "amends", amends.clone()),
            (4, "follows", reference.clone()),
            (5, "taken_from", json!({"means": "chart"})),
            (6, "confirmed", confirmed.clone()),
        ];
        for (column, member, value) in members {
            let with = sound(kind, |event| drop(event.insert(member.to_owned(), value)));
            let without = sound(kind, |event| drop(event.remove(member)));
            let stated = match row[column].as_str() {
                "yes" => (true, false),
                "no" => (false, true),
                "may" => (true, true),
                other => panic!("{other}"),
            };
            assert_eq!((with, without), stated, "{kind} {member}");
        }
        let both = sound(kind, |event| {
            event.insert("amends".to_owned(), amends.clone());
            event.insert("follows".to_owned(), reference.clone());
        });
        assert!(!both, "{kind}");
    }
}

#[test]
fn the_members_of_an_event_are_those_listed() {
    let page = format_page();
    let rows = table(section(&page, "## 4 The event"), &["member", "form", "what it is"]);
    let listed: Vec<String> = rows.iter().map(|row| name(&row[0])).collect();
    let mut event = event_of(EventKind::Visit);
    event["follows"] = json!({"hash": "33".repeat(32), "seq": 3});
    let mut members: Vec<String> = event.as_object().unwrap().keys().cloned().collect();
    members.extend(["amends", "confirmed", "taken_from"].map(str::to_owned));
    members.sort();
    assert_eq!(listed, members);
    assert!(!sound(EventKind::Visit, |event| drop(event.insert("other".to_owned(), json!(1)))));
}

#[test]
fn each_cell_of_the_role_table_is_the_codes() {
    let page = format_page();
    let header = ["role", "for the whole trial", "for own sites", "marked as imported"];
    let rows = table(section(&page, "### Roles"), &header);
    assert_eq!(
        rows.iter().map(|row| name(&row[0])).collect::<Vec<_>>(),
        Role::ALL.map(|role| role.as_str().to_owned())
    );
    for (role, row) in Role::ALL.into_iter().zip(rows) {
        let columns = [Entitlement::Trial, Entitlement::OwnSites, Entitlement::Imports];
        for (cell, column) in row[1..].iter().zip(columns) {
            let due = EventKind::ALL.iter().filter(|kind| entitlement(role, **kind) == column);
            let mut due: Vec<_> = due.map(ToString::to_string).collect();
            let mut stated = code_spans(cell);
            due.sort();
            stated.sort();
            assert_eq!(stated, due, "{role:?} {column:?}");
        }
    }
    let site_roles =
        section(&page, "### Roles").rsplit("\n\n").find(|text| text.contains("*roles of a site*"));
    let of_a_site = Role::ALL.iter().filter(|role| role.is_of_a_site()).map(|role| role.as_str().to_owned());
    assert_eq!(code_spans(site_roles.unwrap()), of_a_site.collect::<Vec<_>>());
}

#[test]
fn texts_stand_where_it_is_said() {
    let section = section(&format_page(), "## 5 Sealed texts").to_owned();
    let paragraph = section.split("\n\n").find(|text| text.contains("Texts can stand")).unwrap();
    let mut stated: Vec<_> = code_spans(paragraph).into_iter().filter(|span| span.starts_with('/')).collect();
    let mut due: Vec<_> = open_kinds()
        .flat_map(|kind| clinical::event::text_pointers(kind).iter().map(|pointer| (*pointer).to_owned()))
        .collect();
    stated.sort();
    due.sort();
    due.dedup();
    assert_eq!(stated, due);
}
