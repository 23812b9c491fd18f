//! Checkpoints and witnesses, access, refusals, configuration: each a table.

use std::sync::Arc;

use api::{Evidence, Reader, RefusalView, Resource, TrialView};
use axum::extract::{Query, State};
use axum::http::request::Parts;
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;

use super::{Here, framed, registry, works};
use crate::asked::Failure;
use crate::figures::{columns, table};
use crate::page::pager;
use crate::words::{count, counted, hash, instant};
use crate::{Console, Setting};

/// Refusals on one page.
const REFUSALS: usize = 50;

/// What is signed of each log, by whom, and what is not.
pub(super) async fn seals(State(console): State<Arc<Console>>, parts: Parts) -> Result<Response, Failure> {
    let registry = registry(&console, &parts).await?;
    let trials = registry.trials().await.map_err(Failure::new)?.trials;
    let checks = registry.readiness().await.map_err(Failure::new)?.checks;
    let mut sections = Vec::new();
    for trial in &trials {
        let evidence = registry.evidence(&trial.trial).await;
        let witness = format!("{}: witness ", trial.trial);
        let witnesses: Vec<_> =
            checks.iter().filter_map(|check| Some((check.name.strip_prefix(&witness)?, check))).collect();
        sections.push(html! {
            section {
                h2 { (trial.trial) }
                @match &evidence {
                    Ok(evidence) => (sealed(trial, evidence)),
                    Err(problem) => p.nothing { "What is signed cannot be told just now: " (problem.detail) "." },
                }
                @if witnesses.is_empty() { p { "No witness is asked to cosign: a registry set back to an earlier state could sign another history unseen." } }
                @else {
                    (table(
                        &format!("Witnesses of {}", trial.trial),
                        &columns(&["Witness", "Answers", "What is the matter"]),
                        &html! {
                            @for (name, check) in witnesses {
                                tr {
                                    th scope="row" { (name) }
                                    td { (works(check.ok)) }
                                    td.what { (check.detail.as_deref().unwrap_or("–")) }
                                }
                            }
                        },
                    ))
                }
            }
        });
    }
    let main = html! {
        @if trials.is_empty() { p.nothing { "This registry holds no trial." } }
        @for section in sections { (section) }
    };
    Ok(framed(Here::Seals, "Checkpoints and witnesses", &main))
}

fn sealed(trial: &TrialView, evidence: &Evidence) -> Markup {
    let checkpoint = |found: &Option<api::Sealed>| {
        html! {
            @match found {
                Some(sealed) => {
                    (counted(sealed.size.0, "record", "records")) ", root " (hash(sealed.root)) ", "
                    @match sealed.signed_at { Some(at) => (instant(at)), None => "signed before this process started" }
                }
                None => "none yet",
            }
        }
    };
    html! {
        @if let Some(refused) = &evidence.refused { p.alert role="alert" { strong { "✗ No checkpoints are signed: " } (refused) } }
        @if let Some(trouble) = &evidence.trouble { p.note { strong { "The last try failed: " } (trouble) } }
        dl.facts {
            dt { "Durable records" } dd { (count(trial.covers.records)) }
            dt { "Latest checkpoint" } dd { (checkpoint(&evidence.checkpoint)) }
            dt { "Not signed for yet" }
            dd { (counted(evidence.lag_records, "record", "records")) @if evidence.late { " " strong.bad { "✗ for too long" } } }
            dt { "Cosigned as the policy asks" } dd { (checkpoint(&evidence.witnessed)) }
            dt { "Witnesses of the latest" }
            dd {
                (count(evidence.witnesses.cosigned)) " of " (count(evidence.witnesses.asked))
                @if evidence.witnesses.late { " " strong.bad { "✗ fewer than asked for, for too long" } }
            }
            dt { "Keys of the log" }
            dd {
                @for key in &evidence.log_keys {
                    code.whole { (key.verifier_key) } " from #" (count(key.named_at.0))
                    @if let Some(revoked) = key.revoked_at { " to #" (count(revoked.0)) }
                    br;
                }
            }
        }
    }
}

/// Who may read, and who might.
pub(super) async fn access(State(console): State<Arc<Console>>, parts: Parts) -> Result<Response, Failure> {
    let readers = console.gate.readers(&parts).await.map_err(Failure::new)?;
    let row = |reader: &Reader| {
        html! {
            tr {
                th scope="row" { code { (reader.id) } }
                td { (reader.by) @if let Some(name) = &reader.given_to { ", given to " (name) } }
                td { (reader.role) }
                td { (reader.trial.as_deref().unwrap_or("every trial")) }
                td { (reader.site.as_deref().unwrap_or("every site")) }
                td { (instant(reader.made_at)) }
                td {
                    @match (reader.ended_at, reader.until) {
                        (Some(ended), _) => { "ended " (instant(ended)) },
                        (None, Some(until)) => { "until " (instant(until)) },
                        (None, None) if reader.by == "organisation" => "while signed in",
                        (None, None) => "until it is ended",
                    }
                }
                td.number { (count(reader.sessions)) }
                td { @match reader.seen_at { Some(at) => (instant(at)), None => "–" } }
            }
        }
    };
    let head = columns(&[
        "Who",
        "By",
        "Role",
        "Trial",
        "Site",
        "Since",
        "Good",
        "#Sessions now",
        "Session used last",
    ]);
    let main = html! {
        p {
            "Everybody who may read here, and everybody who once might: whoever holds a token, and whoever signs in with an "
            "account. Of those who sign in with their organisation, whoever is signed in: who else may is for the organisation to "
            "say. This says who reads. Who signs is granted to a key, and stands in the log."
        }
        @match &readers {
            None => { p { strong { "Open: whoever reaches this registry reads every record of it." } " From the first token or account on nobody reads without one." } },
            Some(readers) => {
                (table("Access", &head, &html! { @for reader in readers { (row(reader)) } }))
                p.quiet { "Beside these, whoever can read the data directory on its own machine reads everything." }
            },
        }
        p { "What was asked for and not permitted stands under " a href="/operator/refusals" { "refusals" } ". What was read is not kept." }
    };
    Ok(framed(Here::Access, "Access", &main))
}

#[derive(Deserialize)]
pub(super) struct Before {
    before: Option<u64>,
}

/// What was refused lately, to whom.
pub(super) async fn refusals(
    State(console): State<Arc<Console>>,
    parts: Parts,
    Query(Before { before }): Query<Before>,
) -> Result<Response, Failure> {
    let found = console.gate.refusals(&parts, before, REFUSALS).await.map_err(Failure::new)?;
    let row = |refusal: &RefusalView| {
        html! {
            tr {
                td { (instant(refusal.at)) }
                th scope="row" { (refusal.who.as_deref().unwrap_or("nobody known")) }
                td { code { (refusal.code) } }
                td.what { code { (refusal.route) } }
                td { (refusal.peer.as_deref().unwrap_or("not known")) }
                td.number { (count(refusal.times)) }
            }
        }
    };
    let head = columns(&["When", "Who", "Code", "What was asked for", "From", "#Times"]);
    let main = html! {
        p {
            "Requests that were not permitted, the latest first. Who: the account's name or the token's id. Of a route the "
            "variables are left out. The last 10,000 are kept; all are in the process's log."
        }
        @if found.refusals.is_empty() { p.nothing { "Nothing was refused" @if before.is_some() { " before that" } "." } }
        @else { (table("Refusals", &head, &html! { @for refusal in &found.refusals { (row(refusal)) } })) }
        (pager(
            before.map(|_| "/operator/refusals".to_owned()),
            found.next.map(|next| format!("/operator/refusals?before={next}")),
        ))
    };
    Ok(framed(Here::Refusals, "Refusals", &main))
}

/// What the process works by.
pub(super) async fn configuration(
    State(console): State<Arc<Console>>,
    parts: Parts,
) -> Result<Response, Failure> {
    console.gate.permit(&parts, Resource::Upkeep, None).await.map_err(Failure::new)?;
    let row = |setting: &Setting| {
        html! {
            tr {
                th scope="row" { code { (setting.key) } }
                td.what { @match &setting.value { Some(value) => code { (value) }, None => "–" } }
                td { (setting.origin) }
                td.what { (setting.meaning) }
            }
        }
    };
    let head = columns(&["Setting", "Value", "From", "Meaning"]);
    let settings = &console.settings.configuration;
    let main = html! {
        p { "What this process works by since it was started. Of a secret nothing is shown but that it is set." }
        @if settings.is_empty() { p.nothing { "This process does not say what it works by." } }
        @else { (table("Settings", &head, &html! { @for setting in settings { (row(setting)) } })) }
    };
    Ok(framed(Here::Configuration, "Configuration", &main))
}
