//! Keys and people over time: the delegation log, and keys that were lost or are in doubt.

use api::{KeyView, Problem, RecordView};

use super::Part;
use super::safety::cut;
use crate::asked::Asked;
use crate::list::{Cell, Column, Row};
use crate::trail::Read;
use crate::words::words;

pub(super) const DELEGATION: &[Column] = &[
    ("holder", "Who"),
    ("organisation", "Organisation"),
    ("role", "Role"),
    ("sites", "Sites"),
    ("granted_at", "Granted"),
    ("granted_record", "Record"),
    ("granted_by", "By"),
    ("valid_from", "Valid from"),
    ("valid_until", "Valid until"),
    ("revoked_at", "Revoked"),
    ("revoked_record", "Record"),
    ("reason", "Why"),
    ("suspected_since", "In doubt since"),
    ("key", "Key"),
];

/// What the record of a grant or a revocation says.
struct Said(RecordView);

impl Said {
    async fn granting(asked: &Asked, key: &KeyView) -> Result<Self, Problem> {
        asked.registry.record(&asked.links.trial, key.granted_at).await.map(Self)
    }

    async fn revoking(asked: &Asked, key: &KeyView) -> Result<Option<Self>, Problem> {
        match key.revoked_at {
            Some(seq) => asked.registry.record(&asked.links.trial, seq).await.map(Self).map(Some),
            None => Ok(None),
        }
    }

    fn text(&self, pointer: &str) -> Option<String> {
        Read::new(&self.0).text(pointer).map(str::to_owned)
    }

    fn recorded(&self) -> String {
        Read::new(&self.0).member("recorded_at").to_owned()
    }
}

pub(super) async fn delegation(asked: &Asked, after: Option<String>, limit: usize) -> Result<Part, Problem> {
    let keys = &asked.detail.keys;
    let Part { covers, rows, next } =
        cut(asked.detail.trial.covers.clone(), places(keys), after.as_deref(), limit)?;
    let from: usize = after.and_then(|after| after.parse().ok()).unwrap_or(0);
    let mut full = Vec::with_capacity(rows.len());
    for key in keys.iter().skip(from).take(rows.len()) {
        full.push(of_key(asked, key).await?);
    }
    Ok(Part { covers, rows: full, next })
}

/// One empty row for each key: where a part begins and ends is told before any record is asked for.
fn places(keys: &[KeyView]) -> Vec<Row> {
    keys.iter().map(|_| Vec::new()).collect()
}

async fn of_key(asked: &Asked, key: &KeyView) -> Result<Row, Problem> {
    let links = &asked.links;
    let granted = Said::granting(asked, key).await?;
    let revoked = Said::revoking(asked, key).await?;
    let of_grant = |pointer: &str| granted.text(pointer);
    let of_revocation = |pointer: &str| revoked.as_ref().and_then(|said| said.text(pointer));
    let sites: Vec<String> = key.sites.iter().map(ToString::to_string).collect();
    Ok(vec![
        Cell::of(&key.holder),
        Cell::of(&key.organisation),
        Cell::of(words(key.role.as_str())),
        Cell::of(if sites.is_empty() { "whole trial".to_owned() } else { sites.join(", ") }),
        Cell::of(granted.recorded()),
        Cell::record(key.granted_at, links),
        Cell::maybe(of_grant("/actor/id")),
        Cell::maybe(of_grant("/data/valid_from")),
        Cell::maybe(of_grant("/data/valid_until")),
        Cell::maybe(revoked.as_ref().map(Said::recorded)),
        key.revoked_at.map_or_else(Cell::default, |seq| Cell::record(seq, links)),
        Cell::maybe(of_revocation("/data/reason").map(|reason| words(&reason))),
        of_revocation("/data/suspected_since").map_or_else(Cell::default, Cell::loud),
        Cell::of(key.key),
    ])
}

pub(super) const LOST: &[Column] = &[
    ("holder", "Who"),
    ("organisation", "Organisation"),
    ("role", "Role"),
    ("reason", "Why revoked"),
    ("suspected_since", "In doubt since"),
    ("revoked_at", "Revoked"),
    ("revoked_record", "Record"),
    ("signed", "To be looked at"),
    ("key", "Key"),
];

pub(super) async fn lost(asked: &Asked, after: Option<String>, limit: usize) -> Result<Part, Problem> {
    let links = &asked.links;
    let mut rows = Vec::new();
    for key in asked.detail.keys.iter().filter(|key| key.revoked_at.is_some()) {
        let Some(revoked) = Said::revoking(asked, key).await? else { continue };
        let (reason, since) =
            (revoked.text("/data/reason").unwrap_or_default(), revoked.text("/data/suspected_since"));
        if since.is_none() && !matches!(reason.as_str(), "lost" | "compromised") {
            continue;
        }
        let holder = key.holder.to_string();
        let query: Vec<(&str, String)> = [("who", Some(holder)), ("from", full_day(since.as_deref()))]
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect();
        rows.push(vec![
            Cell::of(&key.holder),
            Cell::of(&key.organisation),
            Cell::of(words(key.role.as_str())),
            Cell::of(words(&reason)),
            since.map_or_else(Cell::default, Cell::loud),
            Cell::of(revoked.recorded()),
            key.revoked_at.map_or_else(Cell::default, |seq| Cell::record(seq, links)),
            Cell::leading("what this person signed since", links.trail(&query)),
            Cell::of(key.key),
        ]);
    }
    cut(asked.detail.trial.covers.clone(), rows, after.as_deref(), limit)
}

/// The first day that a date known to the day, month or year can mean.
fn full_day(date: Option<&str>) -> Option<String> {
    let date: clinical::PartialDate = date?.parse().ok()?;
    Some(clinical::PartialDate::from(date.earliest()).to_string())
}
