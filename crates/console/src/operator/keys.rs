//! Sites and the keys of their people: when each was seen last in the log, and how far its clock is from the registry's.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::{Envelope, EnvelopesAsked, KeyView, Problem};
use axum::extract::{Path, State};
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Redirect, Response};
use clinical::TrialId;
use maud::{Markup, html};

use super::{Here, framed, of_each_trial, registry};
use crate::Console;
use crate::asked::Failure;
use crate::figures::{columns, table};
use crate::words::{count, counted, hash, instant, words};

/// How much of the log's end is looked at: ten parts of the longest that is given.
const LOOKED_AT: u64 = 10_000;
const PART: usize = 1_000;

const SECOND_MICROSECONDS: i64 = 1_000_000;

/// Ahead of the registry's clock by more than this, in microseconds, a signature is worth a look: clocks that are kept agree
/// to a second.
const AHEAD_MAX: i64 = 5 * SECOND_MICROSECONDS;

pub(super) async fn trials(State(console): State<Arc<Console>>, parts: Parts) -> Result<Response, Failure> {
    let offered = of_each_trial(&console, &parts, (Here::Keys, "Sites and keys", "/operator/keys")).await?;
    Ok(offered.unwrap_or_else(|only| {
        Redirect::temporary(&format!("/operator/keys/{}", only.trial)).into_response()
    }))
}

/// What a signer did in the part of the log that was looked at.
struct Use {
    records: u64,
    last: Envelope,
    /// The furthest that a signature was ahead of its recording, in microseconds; below nothing where all were behind.
    ahead_most: i64,
}

impl Use {
    fn of(first: &Envelope) -> Self {
        Self { records: 1, last: first.clone(), ahead_most: ahead(first) }
    }

    fn add(&mut self, envelope: &Envelope) {
        self.records += 1;
        self.last = envelope.clone();
        self.ahead_most = self.ahead_most.max(ahead(envelope));
    }
}

/// How far the signer's clock was ahead of the registry's when the record was made, in microseconds. What is below nothing
/// may be the clock, or the time from signing to recording.
fn ahead(envelope: &Envelope) -> i64 {
    envelope.signed_at.microseconds().saturating_sub(envelope.recorded_at.microseconds())
}

pub(super) async fn page(
    State(console): State<Arc<Console>>,
    parts: Parts,
    Path(trial): Path<String>,
) -> Result<Response, Failure> {
    let trial: TrialId =
        trial.parse().map_err(|error| Failure::new(Problem::not_found(format!("{error}"))))?;
    let registry = registry(&console, &parts).await?;
    let detail = registry.trial(&trial).await.map_err(Failure::new)?;
    let records = detail.trial.covers.records;
    let from = records.saturating_sub(LOOKED_AT);
    let (mut next, mut keys, mut sites) = (from, BTreeMap::new(), BTreeMap::new());
    while next < records {
        let part = registry.envelopes(&trial, EnvelopesAsked::now(next, PART)).await.map_err(Failure::new)?;
        if part.envelopes.is_empty() {
            break;
        }
        for envelope in &part.envelopes {
            noted(&mut keys, envelope.key, envelope);
            if let Some(site) = &envelope.site {
                noted(&mut sites, site.clone(), envelope);
            }
        }
        next = part.next.0;
    }
    let of_sites = html! {
        @for site in &detail.sites {
            tr {
                th scope="row" { (site.site) }
                td { (site.name) }
                (used(sites.get(&site.site)))
            }
        }
    };
    let of_keys = html! { @for key in &detail.keys { (of_key(key, keys.get(&key.key))) } };
    let uses = ["#Records", "Seen last", "At that time", "Furthest ahead"];
    let main = html! {
        p {
            "Trial " strong { (trial) } ". Of the last " (counted(next - from, "record", "records")) ", from #" (count(from))
            " on: what was used before that alone is shown as not used in them. "
            "A signature comes before its recording; a signer's clock is wrong for certain only where it is ahead."
        }
        section {
            h2 { "Sites" }
            (table("Sites", &columns(&[&["Site", "Name"], &uses[..]].concat()), &of_sites))
        }
        section {
            h2 { "Keys" }
            (table("Keys", &columns(&[&["Key", "Holder", "Role", "Sites", "In force"], &uses[..]].concat()), &of_keys))
        }
    };
    Ok(framed(Here::Keys, "Sites and keys", &main))
}

fn noted<K: Ord>(uses: &mut BTreeMap<K, Use>, key: K, envelope: &Envelope) {
    uses.entry(key).and_modify(|used| used.add(envelope)).or_insert_with(|| Use::of(envelope));
}

fn of_key(key: &KeyView, found: Option<&Use>) -> Markup {
    let sites: Vec<_> = key.sites.iter().map(ToString::to_string).collect();
    html! {
        tr {
            th scope="row" { (hash(key.key)) }
            td { (key.holder) br; span.quiet { (key.organisation) } }
            td { (words(key.role.as_str())) }
            td { @if sites.is_empty() { "–" } @else { (sites.join(", ")) } }
            td {
                "from #" (count(key.granted_at.0))
                @if let Some(revoked) = key.revoked_at { " " strong.unsure { "revoked at #" (count(revoked.0)) } }
            }
            (used(found))
        }
    }
}

fn used(found: Option<&Use>) -> Markup {
    html! {
        @match found {
            Some(Use { records, last, ahead_most }) => {
                td.number { (count(*records)) }
                td { (instant(last.recorded_at)) br; span.quiet { "#" (count(last.seq.0)) } }
                td { (difference(ahead(last))) }
                td { (difference(*ahead_most)) @if *ahead_most > AHEAD_MAX { " " strong.bad { "✗ clock ahead" } } }
            }
            None => { td.number { "0" } td { "not in them" } td { "–" } td { "–" } }
        }
    }
}

/// A signature's time against its recording.
fn difference(ahead: i64) -> String {
    let text = spell(ahead.unsigned_abs());
    if ahead > 0 { format!("{text} ahead") } else { format!("{text} before") }
}

/// A length of time, in the greatest unit of which there is one.
fn spell(microseconds: u64) -> String {
    let seconds = microseconds / SECOND_MICROSECONDS.unsigned_abs();
    match seconds {
        0 => format!("{} ms", microseconds / 1_000),
        1..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", count(seconds / 86_400)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_of_clocks_is_told_in_a_unit_that_can_be_read() {
        let check = |microseconds, due: &str| assert_eq!(difference(microseconds), due);
        check(0, "0 ms before");
        check(-1_500, "1 ms before");
        check(2_000, "2 ms ahead");
        check(119 * SECOND_MICROSECONDS, "119 s ahead");
        check(-120 * SECOND_MICROSECONDS, "2 min before");
        check(-7_200 * SECOND_MICROSECONDS, "2 h before");
        check(-6_000 * 86_400 * SECOND_MICROSECONDS, "6,000 days before");
    }
}
