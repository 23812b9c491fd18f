//! The delegation log: who was entitled to sign for the site, by whose grant, from when, and until when.

use api::KeyView;
use maud::{Markup, html};
use serde_json::Value;

use super::frame::{both_times, page as framed};
use super::{Copy, TrialRecord};
use crate::words::words;

/// A key, with the records that granted and revoked it.
struct Line<'a> {
    key: &'a KeyView,
    granted: &'a TrialRecord,
    revoked: Option<&'a TrialRecord>,
}

fn text<'a>(record: &'a TrialRecord, pointer: &str) -> Option<&'a str> {
    record.record.pointer(pointer).and_then(Value::as_str)
}

/// The keys of the site's people and those of no site, in the order in which they were granted.
fn lines(copy: &Copy) -> Vec<Line<'_>> {
    let at = |seq: u64| copy.of_trial.iter().find(|record| record.seq == seq);
    let is_of_here = |key: &&KeyView| key.sites.is_empty() || key.sites.contains(&copy.site.site);
    let line = |key| {
        let key: &KeyView = key;
        // What came after the checkpoint is not in the copy.
        Some(Line { key, granted: at(key.granted_at.0)?, revoked: key.revoked_at.and_then(|seq| at(seq.0)) })
    };
    copy.keys.iter().filter(is_of_here).filter_map(line).collect()
}

pub(super) fn page(copy: &Copy) -> Markup {
    let lines = lines(copy);
    let (own, others): (Vec<_>, Vec<_>) = lines.iter().partition(|line| !line.key.sites.is_empty());
    let main = html! {
        h1 { "Delegation log of site " (copy.site.site) }
        p {
            (copy.site.name) ", " (copy.site.country) ", time zone " (copy.site.zone)
            ". Who holds which key, in which role, as the log's own records grant and revoke it. What is signed with a key \
             counts from its grant to its revocation."
        }
        h2 { "People of the site" }
        (table(copy, &own))
        h2 { "People of the trial as a whole" }
        p { "They belong to no site. Keys of other sites are left out." }
        (table(copy, &others))
    };
    framed(copy, "Delegation log", "./", &main)
}

fn table(copy: &Copy, lines: &[&Line<'_>]) -> Markup {
    if lines.is_empty() {
        return html! { p { em { "Nobody." } } };
    }
    html! {
        table.keys {
            thead { tr { th { "Person" } th { "Role" } th { "Granted" } th { "Ended" } } }
            tbody { @for line in lines { (row(copy, line)) } }
        }
    }
}

fn row(copy: &Copy, line: &Line<'_>) -> Markup {
    html! {
        tr {
            th scope="row" {
                (line.key.holder) br; span.quiet { (line.key.organisation) }
                br; span.quiet { "key " code { (line.key.key) } }
            }
            td { (words(line.key.role.as_str())) }
            td {
                "record #" (line.granted.seq) " by " (text(line.granted, "/event/actor/id").unwrap_or_default())
                br; (both_times(copy.site.zone.as_str(), text(line.granted, "/recorded_at").unwrap_or_default()))
                @if let Some(from) = text(line.granted, "/event/data/valid_from") { br; "valid from " (from) }
                @if let Some(until) = text(line.granted, "/event/data/valid_until") { br; "valid until " (until) }
            }
            td {
                @match line.revoked {
                    None => "in force when copied",
                    Some(revoked) => {
                        strong { "revoked" } ", record #" (revoked.seq) " by "
                        (text(revoked, "/event/actor/id").unwrap_or_default()) ": "
                        (words(text(revoked, "/event/data/reason").unwrap_or_default()))
                        br; (both_times(copy.site.zone.as_str(), text(revoked, "/recorded_at").unwrap_or_default()))
                        @if let Some(since) = text(revoked, "/event/data/suspected_since") {
                            br; "others may have had it since " (since)
                        }
                    },
                }
            }
        }
    }
}
