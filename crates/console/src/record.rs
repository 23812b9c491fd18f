//! One record: decoded, as its bytes stand, and what it takes to check it.

mod check;

use std::sync::Arc;

use api::{Problem, RecordView};
use axum::Router;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use clinical::{EventKind, endorsement};
use maud::{Markup, html};

use self::check::{Checking, granted_key};
use crate::Console;
use crate::asked::{Asked, Failure};
use crate::figures::{columns, table};
use crate::findings;
use crate::links::Links;
use crate::page::{self, Here};
use crate::signatures;
use crate::trail::{Read, amended, amendment};
use crate::values::{leaves, name, shown};
use crate::words::{count, instant, words};

pub(crate) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/trials/{trial}/records/{seq}", get(record))
        .route("/trials/{trial}/records/{seq}/bytes", get(bytes_alone))
        .route("/trials/{trial}/records/{seq}/proof", get(proof_alone))
}

/// The record that the address names.
async fn named(asked: &Asked) -> Result<RecordView, Problem> {
    let Ok(seq) = serde_json::from_str(asked.parameter("seq")) else {
        return Err(Problem::not_found("a position is a number from 0 on"));
    };
    asked.registry.record(&asked.links.trial, seq).await
}

fn file(content_type: &'static str, name: &str, body: String) -> Response {
    let disposition = format!("attachment; filename=\"{name}\"");
    ([(header::CONTENT_TYPE, content_type.to_owned()), (header::CONTENT_DISPOSITION, disposition)], body)
        .into_response()
}

/// Not a byte more than what is hashed.
async fn bytes_alone(asked: Asked) -> Result<Response, Failure> {
    match named(&asked).await {
        Ok(view) => {
            let name = format!("record-{}.json", view.seq);
            Ok(file("application/json", &name, view.record.get().to_owned()))
        }
        Err(problem) => Err(asked.fail(problem)),
    }
}

async fn proof_alone(asked: Asked) -> Result<Response, Failure> {
    let view = match named(&asked).await {
        Ok(view) => view,
        Err(problem) => return Err(asked.fail(problem)),
    };
    match asked.registry.proof(&asked.links.trial, view.seq).await {
        Ok(proof) => Ok(file("text/plain; charset=utf-8", &format!("proof-{}.txt", view.seq), proof)),
        Err(problem) => Err(asked.fail(problem)),
    }
}

async fn record(asked: Asked) -> Result<Response, Failure> {
    let view = match named(&asked).await {
        Ok(view) => view,
        Err(problem) => return Err(asked.fail(problem)),
    };
    let record = Read::new(&view);
    let old = amended(&asked, &record).await;
    let proof = asked.registry.proof(&asked.links.trial, view.seq).await.ok();
    let granted = grant(&asked, &record).await;
    let (key, log_key) = (record.text("/key").unwrap_or_default(), &asked.detail.trial.log_key);
    let file = |name: &str| asked.links.to(&format!("/records/{}/{name}", view.seq), &[]);
    let checking = Checking {
        seq: view.seq.0,
        hash: view.hash.to_string(),
        signature: record.member("signature"),
        public_key: granted.as_ref().and_then(|granted| granted_key(&Read::new(granted), key)),
        log_key,
        proof: proof.as_deref(),
        files: (file("bytes"), file("proof")),
    };
    let links = &asked.links;
    let main = html! {
        h1 { "Record #" (count(view.seq.0)) ": " (record.kind()) }
        @if let Some(by) = view.amended_by {
            p.note { strong { "Amended" } " by " a href=(links.record(by)) { "#" (by) } ". This is not the latest version; it stays readable." }
        }
        @if let Some(seq) = record.amends() {
            section { h2 { "Correction" } (amendment(&record, old.as_ref(), seq, links)) }
        }
        (correction(&asked, &record))
        (facts(&asked, &record))
        (stated(&record, links))
        (signed(&record, links))
        section {
            h2 { "Findings" }
            @if view.findings.is_empty() { p { "None for this record." } }
            @else { (findings::listed(&view.findings, &record.confirmed())) }
            @if record.event().pointer("/confirmed/comment").is_some() { p { "Its signer says more of them in a sealed comment." } }
        }
        (bytes(&asked, &record, granted.as_ref()))
        (checking.inclusion())
        (checking.section())
        (neighbours(&asked, view.seq.0, view.covers.records))
    };
    Ok(page::trial(&asked, Here::Elsewhere, &format!("Record #{}", view.seq), &view.covers, &main))
}

/// The record that granted the signing key.
async fn grant(asked: &Asked, record: &Read<'_>) -> Option<RecordView> {
    let key = record.text("/key")?;
    let known = asked.detail.keys.iter().find(|known| known.key.to_string() == key)?;
    asked.registry.record(&asked.links.trial, known.granted_at).await.ok()
}

/// The way to correct it, for the latest version of what people at a site state.
fn correction(asked: &Asked, record: &Read<'_>) -> Markup {
    let kind = EventKind::from_name(record.text("/kind").unwrap_or_default());
    let kind = kind.filter(|kind| *kind == EventKind::Signature || clinical::fields::KINDS.contains(kind));
    let is_latest = record.view.amended_by.is_none() && !record.is_void();
    html! {
        @if let (true, Some(kind), Some(subject)) = (is_latest, kind, record.text("/subject")) {
            p {
                a.button href=(format!("/trials/{}/subjects/{subject}/record/{kind}?amends={}", asked.links.trial, record.view.seq)) { "Correct this" }
                @if endorsement::is_signable(kind) {
                    " " a.button href=(format!("/trials/{}/subjects/{subject}/record/signature?statement={}", asked.links.trial, record.view.seq)) { "Sign this" }
                }
            }
        }
    }
}

fn facts(asked: &Asked, record: &Read<'_>) -> Markup {
    let links = &asked.links;
    let subject = record.text("/subject").and_then(|text| text.parse().ok());
    html! {
        section {
            h2 { "Who, when, about whom" }
            dl.facts {
                dt { "Who" } dd { (record.actor()) }
                @if let Some(from) = record.taken_from() { dt { "For another" } dd { (from) } }
                dt { "Recorded" } dd { (instant(record.member("recorded_at"))) }
                @if let Some(signed) = record.text("/signed_at") {
                    dt { "Signed" }
                    dd { (instant(signed)) ", by the signer's clock" @if let Some(zone) = record.text("/zone") { " in " (zone) } }
                }
                @if let Some(on) = record.text("/occurred_on") { dt { "Date of the fact" } dd { (on) } }
                @if let Some(subject) = &subject { dt { "Subject" } dd { a href=(links.subject(subject, None)) { (subject) } } }
                @if let Some(site) = record.text("/site") { dt { "Site" } dd { (site) } }
                @if let Some(seq) = record.event().pointer("/follows/seq").and_then(serde_json::Value::as_u64) {
                    dt { "Carries on from" } dd { a href=(links.record(seq)) { "#" (seq) } }
                }
                dt { "Event" } dd { code.whole { (record.text("/id").unwrap_or_default()) } }
            }
        }
    }
}

/// Who stands by it.
fn signed(record: &Read<'_>, links: &Links) -> Markup {
    let view = record.view;
    html! {
        @if !view.signatures.is_empty() || signatures::waits(view).is_some() {
            section { h2 { "Signatures on it" } (signatures::on(view, &|seq| links.to_record(seq))) }
        }
    }
}

fn stated(record: &Read<'_>, links: &Links) -> Markup {
    let members = record.event().get("data").map(leaves).unwrap_or_default();
    html! {
        section {
            h2 { "What it states" }
            @if let Some(named) = signatures::named(record.event(), links) { (named) }
            @if members.is_empty() { p { "Nothing: its statement is empty." } }
            @else {
                (table(
                    "Members of the statement",
                    &columns(&["Member", "Value"]),
                    &html! { @for (path, value) in &members { tr { th scope="row" { (name(path)) } td { (shown(value)) } } } },
                ))
            }
        }
    }
}

fn bytes(asked: &Asked, record: &Read<'_>, granted: Option<&RecordView>) -> Markup {
    let view = record.view;
    let key = record.text("/key").unwrap_or_default();
    let grant = asked.detail.keys.iter().find(|known| known.key.to_string() == key);
    html! {
        section {
            h2 { "Evidence" }
            dl.facts {
                dt { "Hash" } dd { code.whole { (view.hash) } }
                dt { "Hash of the record before" }
                dd {
                    code.whole { (record.member("prev")) }
                    @if let Some(before) = view.seq.0.checked_sub(1) { " " a href=(asked.links.record(before)) { "#" (before) } }
                }
                dt { "Signature" } dd { code.whole { (record.member("signature")) } }
                dt { "Key" }
                dd {
                    code.whole { (key) }
                    @if let Some(grant) = grant {
                        " of " strong { (grant.holder) } ", " (words(grant.role.as_str())) ", granted by "
                        a href=(asked.links.record(grant.granted_at)) { "#" (grant.granted_at) }
                        @if let Some(granted) = granted {
                            @let said = Read::new(granted);
                            @if let Some(by) = said.text("/actor/id") { ", signed by " (by) ", " (instant(said.member("recorded_at"))) }
                            @if let Some(from) = said.text("/data/valid_from") { ", valid from " (instant(from)) }
                            @if let Some(until) = said.text("/data/valid_until") { ", valid until " (instant(until)) }
                        }
                        @match grant.revoked_at {
                            Some(seq) => { "; " strong { "revoked" } " by " a href=(asked.links.record(seq)) { "#" (seq) } },
                            None => "; not revoked",
                        }
                    }
                }
            }
            p.quiet {
                "The hash is SHA-256 over a zero byte and the " (count(view.record.get().len() as u64))
                " bytes below, exactly as they stand in the log."
            }
            pre.bytes tabindex="0" aria-label="Canonical bytes of the record" { (view.record.get()) }
        }
    }
}

fn neighbours(asked: &Asked, seq: u64, records: u64) -> Markup {
    html! {
        nav.pager aria-label="Neighbouring records" {
            ul {
                @if let Some(before) = seq.checked_sub(1) { li { a rel="prev" href=(asked.links.record(before)) { "Record #" (before) } } }
                @if seq + 1 < records { li { a rel="next" href=(asked.links.record(seq + 1)) { "Record #" (seq + 1) } } }
            }
        }
    }
}
