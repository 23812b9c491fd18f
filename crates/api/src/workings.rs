//! What whoever runs or examines a registry sees of it at work: its read models, and its records from outside. No
//! clinical value and no subject is in any of it.

use std::convert::Infallible;

use axum::Json;
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use chain::{Instant, KeyId, Position, RecordHash, TreeSize};
use clinical::{EventKind, SiteId, TrialId};
use serde::{Deserialize, Serialize};
use tokio_stream::{Stream, StreamExt as _};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::extract::{Path, Query};
use crate::gate::{Gate, Permitted};
use crate::problem::Problem;
use crate::routes::trial_id;
use crate::wire::{Covers, Page};

/// How far behind the log's end a tail may be before it tells of a gap and goes on at the end: ten seconds of 1,000
/// records each. What lies between is had by its positions.
pub const TAIL_BEHIND_MAX: u64 = 10_000;

/// Envelopes read at once for a tail.
const TAIL_PART: usize = 1_000;

/// Messages that wait for a tail's reader in this process; what is more waits in the log.
const TAIL_WAITING: usize = 256;

/// The read models of a registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Projectors {
    /// Each, in the order of trials and names.
    pub projectors: Vec<ProjectorView>,
}

/// A read model: how far it follows its log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProjectorView {
    /// Hash of the last record in its rows; zeros for none.
    #[schema(value_type = String)]
    pub head: RecordHash,
    /// How many records are durable.
    #[schema(value_type = u64)]
    pub journal_size: TreeSize,
    /// How many of them are not in its rows yet.
    pub lag_records: u64,
    /// For how long the first of these has been recorded, in seconds; 0 where there is none, absent where it cannot be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag_seconds: Option<u64>,
    /// The last thing that went wrong, since it was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// Its name.
    pub name: String,
    /// How often its rows were made anew since it was started.
    pub rebuilds: u64,
    /// How many records are in its rows.
    #[schema(value_type = u64)]
    pub size: TreeSize,
    /// What it is doing.
    pub state: ProjectorState,
    /// Why it has stopped, if it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<String>,
    /// Whose log it follows.
    #[schema(value_type = String)]
    pub trial: TrialId,
}

/// What a projector is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProjectorState {
    /// It follows the log.
    Running,
    /// It makes its rows anew.
    Rebuilding,
    /// It cannot go on, and shows its last good state.
    Stopped,
    /// It was closed.
    Closed,
}

/// A record from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Envelope {
    /// Length of the record in bytes.
    pub bytes: u64,
    /// The signer's key.
    #[schema(value_type = String)]
    pub key: KeyId,
    /// Kind of event.
    #[schema(value_type = String)]
    pub kind: EventKind,
    /// When it was recorded, by the registry's clock.
    #[schema(value_type = String)]
    pub recorded_at: Instant,
    /// Its position.
    #[schema(value_type = u64)]
    pub seq: Position,
    /// When it was signed, by the signer's clock.
    #[schema(value_type = String)]
    pub signed_at: Instant,
    /// The site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub site: Option<SiteId>,
}

/// A part of the log, from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Envelopes {
    /// What the answer covers.
    pub covers: Covers,
    /// In the order of the log.
    pub envelopes: Vec<Envelope>,
    /// Where the next part begins.
    #[schema(value_type = u64)]
    pub next: Position,
}

/// Which part of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EnvelopesAsked {
    /// The first position.
    pub from: Position,
    /// At most so many, 1 to 1,000.
    pub limit: usize,
    /// Whether to wait a while for a record if there is none yet.
    pub wait: bool,
}

impl EnvelopesAsked {
    /// Those that are there now from a position on, at most `limit`.
    pub fn now(from: u64, limit: usize) -> Self {
        Self { from: Position(from), limit, wait: false }
    }
}

/// What a tail passes over: `from` up to, and not with, `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Gap {
    /// The first position that is passed over.
    #[schema(value_type = u64)]
    pub from: Position,
    /// The next one that is told again.
    #[schema(value_type = u64)]
    pub to: Position,
}

pub(crate) fn routes() -> OpenApiRouter<Gate> {
    OpenApiRouter::new()
        .routes(routes!(projectors))
        .routes(routes!(rebuild))
        .routes(routes!(envelopes))
        .routes(routes!(tail))
}

#[utoipa::path(
    get, path = "/v1/projectors", description = "The read models that answer here, and how far each follows its log.",
    responses((status = 200, body = Projectors), (status = "4XX", body = Problem))
)]
async fn projectors(Permitted(registry): Permitted) -> Result<Json<Projectors>, Problem> {
    registry.projectors().await.map(Json)
}

#[utoipa::path(
    post, path = "/v1/trials/{trial}/projectors/{name}/rebuild",
    description = "Has a read model made anew from the log, beside the one that is served until then. 202: it has begun.",
    params(("trial" = String, Path), ("name" = String, Path)),
    responses((status = 202), (status = "4XX", body = Problem))
)]
async fn rebuild(
    Permitted(registry): Permitted,
    Path((trial, name)): Path<(String, String)>,
) -> Result<Response, Problem> {
    registry.rebuild(&trial_id(&trial)?, &name).await?;
    Ok(StatusCode::ACCEPTED.into_response())
}

#[derive(Deserialize)]
struct EnvelopesQuery {
    from: Option<u64>,
    limit: Option<usize>,
    wait: Option<bool>,
}

#[utoipa::path(
    get, path = "/v1/trials/{trial}/envelopes",
    description = "Records from outside: position, kind, site, key, length and times; no clinical value and no subject. `wait` waits a while for a record if there is none at `from` yet.",
    params(
        ("trial" = String, Path), ("from" = Option<u64>, Query), ("limit" = Option<usize>, Query),
        ("wait" = Option<bool>, Query)
    ),
    responses((status = 200, body = Envelopes), (status = 404, body = Problem))
)]
async fn envelopes(
    Permitted(registry): Permitted,
    Path(trial): Path<String>,
    Query(query): Query<EnvelopesQuery>,
) -> Result<Json<Envelopes>, Problem> {
    let asked = EnvelopesAsked {
        from: Position(query.from.unwrap_or(0)),
        limit: Page { after: None, limit: query.limit }.limit(),
        wait: query.wait.unwrap_or(false),
    };
    registry.envelopes(&trial_id(&trial)?, asked).await.map(Json)
}

#[derive(Deserialize)]
struct TailQuery {
    from: Option<u64>,
}

/// What a tail tells.
enum Told {
    Envelope(Envelope),
    Gap(Gap),
}

#[utoipa::path(
    get, path = "/v1/trials/{trial}/tail",
    description = "Server-sent events: `envelope`, one a record, its id the position. Begins at `from`, or after the header Last-Event-ID, else at the log's end. A reader that falls 10,000 records behind is told a `gap` (`from` up to `to`), has the records of it by /envelopes, and goes on at the end.",
    params(("trial" = String, Path), ("from" = Option<u64>, Query), ("last-event-id" = Option<u64>, Header)),
    responses((status = 200, content_type = "text/event-stream", body = String), (status = 404, body = Problem))
)]
async fn tail(
    Permitted(registry): Permitted,
    Path(trial): Path<String>,
    Query(query): Query<TailQuery>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<SseEvent, Infallible>>>, Problem> {
    let trial = trial_id(&trial)?;
    let last = headers
        .get("last-event-id")
        .and_then(|value| value.to_str().ok())
        .map(|text| text.parse::<u64>().map_err(|_| Problem::bad_request("Last-Event-ID is a position")))
        .transpose()?;
    // The first look says at once whether there is such a trial, whether it may be looked at, and where its end is.
    let look = EnvelopesAsked { from: Position(0), limit: 1, wait: false };
    let end = registry.envelopes(&trial, look).await?.covers.records;
    let from = last.map(|last| last.saturating_add(1)).or(query.from).unwrap_or(end);
    let (sender, receiver) = tokio::sync::mpsc::channel::<Told>(TAIL_WAITING);
    tokio::spawn(async move {
        let mut next = Position(from);
        // Ends when the reader is gone, or may look no more.
        while !sender.is_closed() {
            let asked = EnvelopesAsked { from: next, limit: TAIL_PART, wait: true };
            let Ok(part) = registry.envelopes(&trial, asked).await else { return };
            let messages: Vec<_> = if let Some(gap) = gap(next, part.covers.records) {
                next = gap.to;
                vec![Told::Gap(gap)]
            } else {
                next = part.next;
                part.envelopes.into_iter().map(Told::Envelope).collect()
            };
            for message in messages {
                if sender.send(message).await.is_err() {
                    return;
                }
            }
        }
    });
    let stream = tokio_stream::wrappers::ReceiverStream::new(receiver).map(|told| Ok(message(&told)));
    Ok(Sse::new(stream).keep_alive(KeepAlive::default()))
}

/// What is passed over where the next record to be told is too far behind the log's end.
fn gap(next: Position, records: u64) -> Option<Gap> {
    let behind = records.checked_sub(next.0)?;
    (behind > TAIL_BEHIND_MAX).then_some(Gap { from: next, to: Position(records) })
}

fn message(told: &Told) -> SseEvent {
    let (name, id, data) = match told {
        Told::Envelope(envelope) => ("envelope", Some(envelope.seq), serde_json::to_string(envelope)),
        // Whoever reconnects goes on after what was passed over: that is had otherwise.
        Told::Gap(gap) => ("gap", gap.to.0.checked_sub(1).map(Position), serde_json::to_string(gap)),
    };
    let event = SseEvent::default().event(name).data(data.unwrap_or_default());
    match id {
        Some(id) => event.id(id.to_string()),
        None => event,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_falls_too_far_behind_is_told_what_it_is_not_told_otherwise() {
        assert_eq!(gap(Position(5), 5), None);
        assert_eq!(gap(Position(9), 5), None);
        assert_eq!(gap(Position(0), TAIL_BEHIND_MAX), None);
        let due = Gap { from: Position(0), to: Position(TAIL_BEHIND_MAX + 1) };
        assert_eq!(gap(Position(0), TAIL_BEHIND_MAX + 1), Some(due));
    }
}
