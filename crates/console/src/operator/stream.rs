//! A log from outside, a part at a time, and as it grows.

use std::sync::Arc;

use api::{Envelope, EnvelopesAsked, Problem};
use axum::extract::{Path, Query, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use clinical::TrialId;
use maud::{Markup, html};
use serde::Deserialize;

use super::{Here, framed, of_each_trial, registry};
use crate::Console;
use crate::asked::Failure;
use crate::figures::{columns, table};
use crate::headers::asset;
use crate::words::{count, counted, hash, instant, words};

const SCRIPT: &str = include_str!("../../assets/tail.js");

/// As every other page's, but that it runs its one script, which asks this registry alone.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; connect-src 'self'; \
    form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Records on one page.
const RECORDS: usize = 50;

pub(super) async fn trials(State(console): State<Arc<Console>>, parts: Parts) -> Result<Response, Failure> {
    let offered = of_each_trial(&console, &parts, (Here::Stream, "Stream", "/operator/stream")).await?;
    Ok(offered.unwrap_or_else(|only| {
        Redirect::temporary(&format!("/operator/stream/{}", only.trial)).into_response()
    }))
}

#[derive(Deserialize)]
pub(super) struct Part {
    from: Option<u64>,
}

pub(super) async fn page(
    State(console): State<Arc<Console>>,
    parts: Parts,
    Path(trial): Path<String>,
    Query(part): Query<Part>,
) -> Result<Response, Failure> {
    let trial: TrialId =
        trial.parse().map_err(|error| Failure::new(Problem::not_found(format!("{error}"))))?;
    let registry = registry(&console, &parts).await?;
    // How long the log is stands in any answer about it; without a position its end is looked at.
    let first = EnvelopesAsked::now(part.from.unwrap_or(0), if part.from.is_some() { RECORDS } else { 1 });
    let mut seen = registry.envelopes(&trial, first).await.map_err(Failure::new)?;
    if part.from.is_none() {
        let end = seen.covers.records.saturating_sub(RECORDS as u64);
        let last = EnvelopesAsked::now(end, RECORDS);
        seen = registry.envelopes(&trial, last).await.map_err(Failure::new)?;
    }
    let from = part.from.unwrap_or_else(|| seen.envelopes.first().map_or(0, |first| first.seq.0));
    let head = columns(&["#Position", "Kind", "Site", "Signer's key", "#Bytes", "Recorded", "Signed"]);
    let rows = html! { @for envelope in &seen.envelopes { (row(envelope)) } };
    let at = |from: u64| format!("/operator/stream/{trial}?from={from}");
    let main = html! {
        p {
            "Trial " strong { (trial) } ": " (counted(seen.covers.records, "durable record", "durable records"))
            ", head " (hash(seen.covers.head)) ". Envelopes and sizes; what is in them is for others to read. "
            a href={ "/operator/stream/" (trial) } { "Refresh" }
        }
        section #tail data-trial=(trial) data-from=(seen.covers.records) hidden {
            h2 { "As it grows" }
            p {
                button #tail-pause type="button" { "Pause" } " "
                span #tail-state role="status" { "Connecting" }
            }
            (table("Records since this page was opened, the latest first", &head, &html! {}))
        }
        section {
            h2 { "Records from #" (count(from)) }
            @if seen.envelopes.is_empty() { p.nothing { "There is no record at or after #" (count(from)) " yet." } }
            @else { (table("Records, in the order of the log", &head, &rows)) }
            nav.pager aria-label="Parts of the log" {
                ul {
                    @if from > 0 {
                        li { a href=(at(0)) { "First" } }
                        li { a rel="prev" href=(at(from.saturating_sub(RECORDS as u64))) { "Earlier" } }
                    }
                    @if seen.next.0 < seen.covers.records { li { a rel="next" href=(at(seen.next.0)) { "Later" } } }
                    li { a href={ "/operator/stream/" (trial) } { "Last" } }
                }
            }
        }
        script src="/operator/tail.js" defer {}
    };
    let mut response = framed(Here::Stream, "Stream", &main);
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    Ok(response)
}

fn row(envelope: &Envelope) -> Markup {
    html! {
        tr {
            th.number scope="row" { (count(envelope.seq.0)) }
            td { (words(envelope.kind.as_str())) }
            td { @match &envelope.site { Some(site) => (site), None => "–" } }
            td { (hash(envelope.key)) }
            td.number { (count(envelope.bytes)) }
            td { (instant(envelope.recorded_at)) }
            td { (instant(envelope.signed_at)) }
        }
    }
}

pub(super) async fn script() -> Response {
    asset("text/javascript; charset=utf-8", SCRIPT)
}
