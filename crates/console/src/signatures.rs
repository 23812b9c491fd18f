//! Signatures on statements: who stands by a record since when, what a signature names, and what waits for one.
//!
//! Which ones hold is the registry's word.

use api::RecordView;
use clinical::data::SignatureMeaning;
use clinical::endorsement::{SignatureSeen, SignatureStanding};
use maud::{Markup, html};
use serde_json::Value;

use crate::links::Links;
use crate::trail::{GIST, Read};
use crate::values::{leaves, name, shown};
use crate::words::{instant, words};

/// What somebody who signed did, as it is told of him.
pub(crate) fn done(meaning: SignatureMeaning) -> &'static str {
    match meaning {
        SignatureMeaning::Endorsement => "Endorsed",
        SignatureMeaning::Review => "Reviewed",
        SignatureMeaning::Approval => "Approved",
    }
}

/// What a signature of that meaning says.
pub(crate) fn said(meaning: SignatureMeaning) -> &'static str {
    match meaning {
        SignatureMeaning::Endorsement => "the judgements in it are my own, whoever entered them",
        SignatureMeaning::Review => "I have read it and hold it against its source",
        SignatureMeaning::Approval => "I answer for it as the site's",
    }
}

/// Every meaning, in the order in which it is offered.
pub(crate) const MEANINGS: [SignatureMeaning; 3] =
    [SignatureMeaning::Endorsement, SignatureMeaning::Review, SignatureMeaning::Approval];

/// Who signed a record, when, and whether it still holds; and what waits. `to` shows where a record is.
pub(crate) fn on(view: &RecordView, to: &dyn Fn(u64) -> Markup) -> Markup {
    html! {
        @for seen in &view.signatures { p.signed { (one(seen, view.amended_by.map(|by| by.0), to)) } }
        @if let Some(why) = waits(view) { p.signed { strong { "! " (why) } } }
    }
}

fn one(seen: &SignatureSeen, amended_by: Option<u64>, to: &dyn Fn(u64) -> Markup) -> Markup {
    html! {
        @match seen.standing {
            SignatureStanding::Holds => "✓ ",
            SignatureStanding::Stale | SignatureStanding::InDoubt => "✗ ",
        }
        (done(seen.meaning)) " by " strong { (seen.by.id) } ", " (words(seen.by.role.as_str())) ", "
        (instant(seen.signed_at)) " (" (to(seen.seq.0)) ")"
        @match seen.standing {
            SignatureStanding::Holds => ".",
            SignatureStanding::Stale => {
                ": " strong { "stale" } ", since the record was amended"
                @if let Some(by) = amended_by { " by " (to(by)) } "."
            }
            SignatureStanding::InDoubt => { ": " strong { "in doubt" } ", since others may have had the key by then." }
        }
    }
}

/// Why a record waits for somebody's endorsement, if it does.
pub(crate) fn waits(view: &RecordView) -> Option<&'static str> {
    if view.waits_for_endorsement() {
        return Some("Not endorsed: a coordinator entered a judgement that is an investigator's to make.");
    }
    view.is_in_doubt().then_some("In doubt: others may have had the key that it was signed with.")
}

/// The records that a signature names: what it means, and where they are.
pub(crate) fn named(event: &Value, links: &Links) -> Option<Markup> {
    let data = event.get("data").filter(|_| event["kind"] == "signature")?;
    let meaning: SignatureMeaning = serde_json::from_value(data.get("meaning")?.clone()).ok()?;
    let seqs: Vec<u64> =
        data.get("statements")?.as_array()?.iter().filter_map(|it| it["seq"].as_u64()).collect();
    Some(html! {
        p {
            strong { (done(meaning)) } ": "
            @for (index, seq) in seqs.iter().enumerate() { @if index > 0 { ", " } (links.to_record(*seq)) }
            ". " span.quiet { "Of each: " (said(meaning)) "." }
        }
    })
}

/// What a reader of a statement looks for first: its gist, and each judgement in it.
pub(crate) fn gist(read: &Read<'_>) -> Markup {
    let members = read.event().get("data").map(leaves).unwrap_or_default();
    let is_judgement =
        |path: &str| ["response/", "relapse/", "causality/"].iter().any(|begin| path.starts_with(begin));
    let told = members.iter().filter(|(path, _)| GIST.contains(&path.as_str()) || is_judgement(path));
    html! {
        @for (index, (path, value)) in told.enumerate() {
            @if index > 0 { " · " }
            span.quiet { (name(path)) } " " (shown(value))
        }
    }
}
