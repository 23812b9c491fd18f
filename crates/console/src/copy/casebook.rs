//! A subject's casebook: what stands now, everything that stood before, by whom, when, why, and what is to be looked at.

use std::collections::BTreeMap;

use api::RecordView;
use clinical::SubjectId;
use maud::{Markup, html};
use serde_json::Value;

use super::Copy;
use super::frame::{both_times, page as framed};
use crate::findings;
use crate::signatures;
use crate::things::{Thing, members, things};
use crate::trail::Read;
use crate::values::{name, shown};
use crate::words::{counted, heading, words};

/// How a casebook is shown.
pub(crate) struct Manner<'a> {
    /// The zone in which times are told beside UTC.
    pub(crate) zone: &'a str,
    /// Free text that was opened, by record and pointer into the event; `None` if none is.
    pub(crate) opened: Option<&'a BTreeMap<(u64, String), String>>,
}

pub(super) fn page(copy: &Copy, subject: &SubjectId, records: &[RecordView]) -> Markup {
    let manner = Manner { zone: copy.site.zone.as_str(), opened: copy.opened.as_ref() };
    framed(copy, &format!("Casebook of {subject}"), "../", &main(&manner, subject, records))
}

/// The casebook itself, without a page around it.
pub(crate) fn main(manner: &Manner<'_>, subject: &SubjectId, records: &[RecordView]) -> Markup {
    let things = things(records);
    let findings: u64 = records.iter().map(|view| view.findings.len() as u64).sum();
    html! {
        h1 { "Casebook of subject " (subject) }
        p {
            "Every statement about this subject, in the order in which the first of each was recorded: "
            (counted(records.len() as u64, "record", "records")) " about " (counted(things.len() as u64, "thing", "things"))
            ", " (counted(findings, "finding", "findings")) ". Nothing in a log is ever edited: what was corrected still \
             stands below, beside who corrected it, when and why."
        }
        div.scroll role="group" aria-label="Contents" tabindex="0" {
            table {
                caption { "Contents" }
                thead { tr { th { "Record" } th { "What" } th { "Date of the fact" } th { "Versions" } th { "Findings" } } }
                tbody {
                    @for thing in &things {
                        tr {
                            th scope="row" { a href=(format!("#r{}", thing.first().view.seq)) { "#" (thing.first().view.seq) } }
                            td { (heading(&thing.first().kind())) @if thing.latest().is_void() { ", " strong { "void" } } }
                            td { (thing.latest().text("/occurred_on").or(thing.first().text("/occurred_on")).unwrap_or("–")) }
                            td { (thing.versions.len()) }
                            td { (thing.versions.iter().map(|version| version.view.findings.len()).sum::<usize>()) }
                        }
                    }
                }
            }
        }
        @for thing in &things { (of_thing(manner, thing)) }
    }
}

fn of_thing(manner: &Manner<'_>, thing: &Thing<'_>) -> Markup {
    let (first, latest) = (thing.first(), thing.latest());
    let follows = first.event().pointer("/follows/seq").and_then(Value::as_u64);
    html! {
        section {
            h2 id=(format!("r{}", first.view.seq)) { (heading(&first.kind())) " #" (first.view.seq) }
            @if let Some(seq) = follows { p { "States new facts about what record #" (seq) " states." } }
            @if latest.is_void() {
                p.void { strong { "Void. " } "Record #" (latest.view.seq) " declares that this never held. Its last values were:" }
            }
            (values(manner, thing))
            (versions(manner, thing))
            @for version in &thing.versions { (signatures::on(version.view, &|seq| html! { "#" (seq) })) }
            @for version in &thing.versions {
                @if !version.view.findings.is_empty() {
                    h3 { "To be looked at in record #" (version.view.seq) }
                    (findings::listed(&version.view.findings, &version.confirmed()))
                    (said_of_findings(manner, version))
                }
            }
        }
    }
}

/// Each member with its current value and all it had before.
fn values(manner: &Manner<'_>, thing: &Thing<'_>) -> Markup {
    let stated: Vec<&Read<'_>> = thing.versions.iter().filter(|version| !version.is_void()).collect();
    let Some((current, earlier)) = stated.split_last() else { return html! {} };
    let now = members(current);
    let mut names: Vec<String> = now.iter().map(|(name, _)| name.clone()).collect();
    let before: Vec<(u64, Vec<(String, &Value)>)> =
        earlier.iter().map(|version| (version.view.seq.0, members(version))).collect();
    for (name, _) in before.iter().flat_map(|(_, members)| members) {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    let of = |members: &[(String, &Value)], wanted: &str| -> Option<Value> {
        members.iter().find(|(name, _)| name == wanted).map(|(_, value)| (*value).clone())
    };
    let has_earlier = !before.is_empty();
    html! {
        div.scroll role="group" aria-label="Values" tabindex="0" {
            table {
                caption { @if thing.latest().is_void() { "Last values" } @else { "Current values" } }
                thead { tr { th.item { "Item" } th { "Value" } @if has_earlier { th { "Earlier values" } } } }
                tbody {
                    @for wanted in &names {
                        tr {
                            th scope="row" { (name(wanted)) }
                            td { (value(manner, current.view.seq.0, wanted, of(&now, wanted).as_ref())) }
                            @if has_earlier {
                                td {
                                    @for (at, (seq, members)) in before.iter().enumerate() {
                                        @let next = before.get(at + 1).map_or(&now, |(_, members)| members);
                                        @if of(members, wanted) != of(next, wanted) {
                                            span.was {
                                                del { (value(manner, *seq, wanted, of(members, wanted).as_ref())) }
                                                span.quiet { " in record #" (seq) }
                                            }
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A member's value in a record: a sealed text in clear if it was opened for this copy.
fn value(manner: &Manner<'_>, seq: u64, path: &str, value: Option<&Value>) -> Markup {
    let Some(value) = value else { return html! { em { "not stated" } } };
    let Some(commitment) = value.get("ciphertext").and(value.get("commitment")).and_then(Value::as_str)
    else {
        return shown(value);
    };
    html! {
        @match opened(manner, seq, &format!("/data/{path}")) {
            Some(text) => { span.text { (text) } br; span.quiet { "sealed text, opened for this copy" } },
            None => { em { "sealed text" } },
        }
        br; span.quiet { "commitment " code { (commitment) } }
    }
}

fn opened<'a>(manner: &Manner<'a>, seq: u64, pointer: &str) -> Option<&'a String> {
    manner.opened?.get(&(seq, pointer.to_owned()))
}

/// Who stated each version, when and why.
fn versions(manner: &Manner<'_>, thing: &Thing<'_>) -> Markup {
    html! {
        div.scroll role="group" aria-label="Who, when, why" tabindex="0" {
            table.who {
                caption { "Who, when, why" }
                thead { tr { th { "Record" } th { "By" } th { "Signed" } th { "Recorded" } th { "Why" } } }
                tbody {
                    @for version in &thing.versions {
                        tr {
                            th scope="row" { "#" (version.view.seq) br; code.quiet { (version.view.hash) } }
                            td { (version.actor()) @if let Some(from) = version.taken_from() { br; (from) } }
                            td { (both_times(manner.zone, version.text("/signed_at").unwrap_or_default())) }
                            td { (both_times(manner.zone, version.member("recorded_at"))) }
                            td.what { (why(manner, version)) }
                        }
                    }
                }
            }
        }
    }
}

/// What its signer says of the findings beyond the reasons.
fn said_of_findings(manner: &Manner<'_>, version: &Read<'_>) -> Markup {
    let commitment = version.text("/confirmed/comment/commitment");
    html! { @if let Some(commitment) = commitment { p { (text(manner, version, "/confirmed/comment", commitment)) } } }
}

/// A text as far as it is opened for this copy.
fn text(manner: &Manner<'_>, version: &Read<'_>, pointer: &str, commitment: &str) -> Markup {
    html! {
        @match opened(manner, version.view.seq.0, pointer) {
            Some(text) => span.text { (text) },
            None => { em { "sealed comment" } ", commitment " code { (commitment) } },
        }
    }
}

fn why(manner: &Manner<'_>, version: &Read<'_>) -> Markup {
    let comment = version.text("/amends/comment/commitment");
    html! {
        @match version.amends() {
            None => { "First statement" },
            Some(amended) => {
                @if version.is_void() { strong { "Voids" } } @else { strong { "Replaces" } } " #" (amended) ": "
                (words(version.text("/amends/reason").unwrap_or_default()))
                @if let Some(commitment) = comment {
                    br; (text(manner, version, "/amends/comment", commitment))
                }
            },
        }
        @if version.event().get("data").and_then(|data| data.get("import")).is_some() { br; "Imported from another system" }
    }
}
