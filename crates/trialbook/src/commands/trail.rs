//! `trail`: a subject's audit trail.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use api::{Page, RecordView};
use chain::{Position, Record};
use clinical::endorsement::SignatureStanding;
use clinical::{Effect, Event, SubjectId};
use serde_json::Value;

use super::print;
use crate::access::Access;
use crate::cli::{Place, WhichTrial};

pub(super) async fn run(subject: &SubjectId, json: bool, which: &WhichTrial, place: &Place) -> Result<u8> {
    let access = Access::open(place, false, false)?;
    let trial = access.trial(which).await?;
    access.settle(&trial);
    let mut page = Page { after: None, limit: Some(1_000) };
    let mut earlier: BTreeMap<Position, Value> = BTreeMap::new();
    loop {
        let records = access.registry.subject_records(&trial, subject, page.clone()).await?;
        for view in &records.records {
            if json {
                print(&serde_json::to_string(view)?)?;
            } else {
                print(&entry(view, &mut earlier)?)?;
            }
        }
        if let Some(next) = records.next {
            page.after = Some(next.to_string());
            continue;
        }
        if !json {
            print(&super::report::covers(&records.covers))?;
        }
        return Ok(0);
    }
}

/// One record of the trail: who, when, what, and where it amends, old → new and why.
fn entry(view: &RecordView, earlier: &mut BTreeMap<Position, Value>) -> Result<String> {
    let record = Record::parse(view.record.get().as_bytes()).context("not a record")?;
    let event = Event::decode(record.event).context("not an event of this version")?;
    let value: Value = serde_json::from_slice(record.event)?;
    let on = event.occurred_on.map(|on| format!(" of {on}")).unwrap_or_default();
    let mut text = format!(
        "{:>6}  recorded {}  signed {} ({})\n        {} ({}, {}): {}{on}",
        view.seq,
        record.recorded_at,
        event.signed_at,
        event.zone,
        event.actor.id,
        event.actor.role.as_str(),
        event.actor.organisation,
        event.kind,
    );
    if let Some(amends) = &event.amends {
        let effect = if amends.effect == Effect::Void { "voids" } else { "replaces" };
        text.push_str(&format!(
            "\n        {effect} record {} because: {}",
            amends.seq,
            amends.reason.as_str()
        ));
        match earlier.get(&amends.seq) {
            Some(old) => {
                for (pointer, old, new) in changes(old, &value) {
                    text.push_str(&format!("\n          {pointer}: {old} → {new}"));
                }
            }
            None => text.push_str("\n          (the earlier version is not among these records)"),
        }
    }
    if let Some(by) = view.amended_by {
        text.push_str(&format!("\n        amended by record {by}"));
    }
    for seen in &view.signatures {
        let standing = match seen.standing {
            SignatureStanding::Holds => "",
            SignatureStanding::Stale => ", stale",
            SignatureStanding::InDoubt => ", in doubt",
        };
        text.push_str(&format!(
            "\n        {} by {} ({}) at {}, record {}{standing}",
            seen.meaning.as_str(),
            seen.by.id,
            seen.by.role.as_str(),
            seen.signed_at,
            seen.seq
        ));
    }
    for finding in &view.findings {
        text.push_str(&format!("\n        look at {}: {}", finding.pointer, finding.code.as_str()));
    }
    earlier.insert(view.seq, value);
    Ok(text)
}

/// Every leaf of the statement that differs between two versions: pointer, old, new.
fn changes(old: &Value, new: &Value) -> Vec<(String, String, String)> {
    let leaves = |event: &Value| {
        let mut leaves = BTreeMap::new();
        for member in ["data", "occurred_on"] {
            collect(&event[member], &format!("/{member}"), &mut leaves);
        }
        leaves
    };
    let (old, new) = (leaves(old), leaves(new));
    let show = |value: Option<&String>| value.cloned().unwrap_or_else(|| "not stated".to_owned());
    let pointers: std::collections::BTreeSet<_> = old.keys().chain(new.keys()).collect();
    pointers
        .into_iter()
        .filter(|pointer| old.get(*pointer) != new.get(*pointer))
        .map(|pointer| (pointer.clone(), show(old.get(pointer)), show(new.get(pointer))))
        .collect()
}

fn collect(value: &Value, pointer: &str, leaves: &mut BTreeMap<String, String>) {
    match value {
        // A sealed text is one value: its members change with every sealing.
        Value::Object(members) if members.contains_key("ciphertext") => {
            leaves.insert(pointer.to_owned(), format!("(text, commitment {})", members["commitment"]));
        }
        Value::Object(members) => {
            for (name, value) in members {
                collect(value, &format!("{pointer}/{name}"), leaves);
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                collect(value, &format!("{pointer}/{index}"), leaves);
            }
        }
        Value::Null => {}
        value => {
            leaves.insert(pointer.to_owned(), value.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_change_shows_old_and_new_at_the_value_itself() {
        let old = json!({"occurred_on": "2008-03-11", "data": {"pga": "1.5", "status": "done"}});
        let new = json!({"occurred_on": "2008-03-12", "data": {"status": "done", "planned": "M1"}});
        let show = |text: &str| text.to_owned();
        assert_eq!(
            changes(&old, &new),
            [
                (show("/data/pga"), show("\"1.5\""), show("not stated")),
                (show("/data/planned"), show("not stated"), show("\"M1\"")),
                (show("/occurred_on"), show("\"2008-03-11\""), show("\"2008-03-12\"")),
            ]
        );
    }
}
