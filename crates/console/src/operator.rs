//! Pages for whoever runs a registry, and whoever examines how it is run: no clinical value and no subject is on any.

mod keys;
mod rebuild;
mod stream;
mod tables;

use std::sync::Arc;

use api::{ProjectorState, ProjectorView, Registry, Resource, TrialView};
use axum::Router;
use axum::extract::State;
use axum::http::request::Parts;
use axum::response::Response;
use axum::routing::get;
use maud::{Markup, html};

use crate::Console;
use crate::asked::Failure;
use crate::figures::{columns, table};
use crate::words::{count, counted, hash};
use crate::{page, visit};

/// Which of the pages one is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Here {
    Health,
    Stream,
    Seals,
    Keys,
    Access,
    Refusals,
    Configuration,
}

pub(crate) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/operator", get(health))
        .route("/operator/rebuild", get(rebuild::ask).post(rebuild::begin))
        .route("/operator/stream", get(stream::trials))
        .route("/operator/stream/{trial}", get(stream::page))
        .route("/operator/tail.js", get(stream::script))
        .route("/operator/seals", get(tables::seals))
        .route("/operator/keys", get(keys::trials))
        .route("/operator/keys/{trial}", get(keys::page))
        .route("/operator/access", get(tables::access))
        .route("/operator/refusals", get(tables::refusals))
        .route("/operator/configuration", get(tables::configuration))
}

/// A page, under the menu of its like.
fn framed(here: Here, title: &str, main: &Markup) -> Response {
    let may_change = visit::current().is_some_and(|visit| visit.asker.may(Resource::Upkeep));
    let open = [
        (Here::Health, "Health", "/operator"),
        (Here::Stream, "Stream", "/operator/stream"),
        (Here::Seals, "Checkpoints and witnesses", "/operator/seals"),
        (Here::Keys, "Sites and keys", "/operator/keys"),
        (Here::Access, "Access", "/operator/access"),
        (Here::Refusals, "Refusals", "/operator/refusals"),
        (Here::Configuration, "Configuration", "/operator/configuration"),
    ]
    .into_iter()
    .filter(|(entry, ..)| may_change || *entry != Here::Configuration)
    .map(|(entry, name, address)| (entry == here, address.to_owned(), name));
    let main = html! {
        (page::parts("Pages of operation", open))
        h1 { (title) }
        (main)
    };
    page::general(title, &main)
}

/// The registry, for who may look at how it works.
async fn registry(console: &Console, parts: &Parts) -> Result<Arc<dyn Registry>, Failure> {
    console.gate.permit(parts, Resource::Workings, None).await.map_err(Failure::new)?;
    Ok(console.gate.registry(parts))
}

/// A page that leads to that of each trial.
async fn of_each_trial(
    console: &Console,
    parts: &Parts,
    (here, title, path): (Here, &str, &str),
) -> Result<Result<Response, TrialView>, Failure> {
    let mut trials = registry(console, parts).await?.trials().await.map_err(Failure::new)?.trials;
    if trials.len() == 1 {
        return Ok(Err(trials.remove(0)));
    }
    let main = html! {
        @if trials.is_empty() { p.nothing { "This registry holds no trial." } }
        ul { @for trial in &trials { li { a href={ (path) "/" (trial.trial) } { (trial.trial) } " " (trial.title) } } }
    };
    Ok(Ok(framed(here, title, &main)))
}

/// What has to work, and the read models.
async fn health(State(console): State<Arc<Console>>, parts: Parts) -> Result<Response, Failure> {
    let registry = registry(&console, &parts).await?;
    let readiness = registry.readiness().await.map_err(Failure::new)?;
    let projectors = registry.projectors().await.map_err(Failure::new)?.projectors;
    let failing = readiness.checks.iter().filter(|check| !check.ok).count() as u64;
    let mut checks: Vec<_> = readiness.checks.iter().collect();
    // What is the matter first; else as the registry says them.
    checks.sort_by_key(|check| check.ok);
    let body = html! {
        @for check in checks {
            tr {
                th scope="row" { (check.name) }
                td { (works(check.ok)) }
                td.what { @if let Some(detail) = &check.detail { (detail) } @else if check.ok { "–" } @else { "told to operators only" } }
            }
        }
    };
    let main = html! {
        p {
            @if readiness.ready { strong.good { "✓ Ready." } " It takes submissions and answers." }
            @else { strong.bad { "✗ Not ready." } " Something without which it cannot work does not work." }
            " " (counted(readiness.checks.len() as u64, "check", "checks")) ", " (count(failing)) " failing. "
            a href="/operator" { "Look again" }
        }
        section {
            h2 { "Checks" }
            (table("Checks", &columns(&["What", "Works", "What is the matter"]), &body))
        }
        section {
            h2 { "Read models" }
            (models(&projectors))
            p.quiet { "Read models hold nothing that the log does not: one that is thrown away is made again, and gives the same answers." }
        }
    };
    Ok(framed(Here::Health, "Health", &main))
}

fn works(ok: bool) -> Markup {
    html! { @if ok { span.good { "✓ yes" } } @else { strong.bad { "✗ no" } } }
}

fn models(projectors: &[ProjectorView]) -> Markup {
    let may_rebuild = visit::current().is_some_and(|visit| visit.asker.may(Resource::Upkeep));
    let is_told = visit::current().is_none_or(|visit| visit.asker.may(Resource::Reasons));
    let no_error = if is_told { "–" } else { "told to operators only" };
    let mut names = vec![
        "Read model",
        "State",
        "#Records in it",
        "#Durable",
        "#Lag, records",
        "#Lag, seconds",
        "Head",
        "#Made anew",
        "Last error",
    ];
    if may_rebuild {
        names.push("Begin again");
    }
    let body = html! {
        @for projector in projectors {
            tr {
                th scope="row" { (projector.trial) ": " (projector.name) }
                td { (state(projector)) }
                td.number { (count(projector.size.0)) }
                td.number { (count(projector.journal_size.0)) }
                td.number { (count(projector.lag_records)) }
                td.number { @match projector.lag_seconds { Some(seconds) => (count(seconds)), None => "not known" } }
                td { (hash(projector.head)) }
                td.number { (count(projector.rebuilds)) }
                td.what { (projector.last_error.as_deref().unwrap_or(no_error)) }
                @if may_rebuild {
                    td {
                        a href={ "/operator/rebuild?trial=" (projector.trial) "&projector=" (projector.name) }
                            aria-label={ "Make " (projector.name) " of " (projector.trial) " anew" } { "Make anew…" }
                    }
                }
            }
        }
    };
    html! {
        @if projectors.is_empty() { p.nothing { "No read model answers here." } }
        @else { (table("Read models and how far they follow the log", &columns(&names), &body)) }
    }
}

fn state(projector: &ProjectorView) -> Markup {
    html! {
        @match projector.state {
            ProjectorState::Running => span.good { "✓ follows" },
            ProjectorState::Rebuilding => span.unsure { "… being made anew" },
            ProjectorState::Stopped => {
                strong.bad { "✗ stopped" }
                @if let Some(why) = &projector.stopped { ": " (why) }
            }
            ProjectorState::Closed => strong.bad { "✗ closed" },
        }
    }
}
