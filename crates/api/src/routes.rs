//! The HTTP routes. Each is stated once: its path, its answers and its documentation stand together, and the OpenAPI
//! document at `/openapi.json` is made from them.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Json;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{from_fn, map_response};
use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use chain::Position;
use clinical::report::AskedSources;
use clinical::{Date, PartialDate, SubjectId, TrialId};
use serde::Deserialize;
use tokio_stream::{Stream, StreamExt as _};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::extract::{Body, Path, Query};
use crate::gate::{Gate, Permitted};
use crate::origin;
use crate::problem::Problem;
use crate::text_key::{TextKeyAnswer, TextKeyRequest};
use crate::wire::{
    Answer, CellView, CellsPage, FeedItem, FindingsPage, Page, Readiness, RecordView, Rehearsal, Rehearsed,
    ReportAsked, ReportKind, ReportView, SourcesView, SubjectRecords, SubjectsPage, TrialDetail, Trials,
};

/// Longest request body: 10,000 events of 1,600 bytes, or 256 of the longest, fit into 16 MiB.
pub const REQUEST_BYTES_MAX: usize = 16 << 20;

/// Subjects on a page of sources: each has its own report made, once a fact.
const SOURCES_DEFAULT: usize = 20;

/// Most lines of one NDJSON request.
pub const LINES_MAX: usize = 10_000;

#[derive(OpenApi)]
#[openapi(info(
    title = "Trialbook",
    description = "Submit signed clinical events, read what the log holds. Every read says what it covers; every refusal is an RFC 9457 problem with a stable code. Where a registry asks for tokens, every path but those of checkpoints, hash tiles, proofs, health, signed events and requests for text keys answers 401 without one, and 403 to one that is not for it."
), modifiers(&TokenScheme))]
struct ApiDoc;

/// How a token is sent; where it is needed depends on the registry.
struct TokenScheme;

impl Modify for TokenScheme {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer);
        let bearer = bearer.description(Some("A token that the registry's operator made, for a role."));
        let components = document.components.get_or_insert_with(Default::default);
        components.add_security_scheme("token", SecurityScheme::Http(bearer.build()));
        let none: [String; 0] = [];
        document.security =
            Some(vec![SecurityRequirement::new("token", none), SecurityRequirement::default()]);
    }
}

/// The routes over what a gate lets through, with `/openapi.json`.
pub fn router(gate: Gate) -> axum::Router {
    let (router, document) = OpenApiRouter::with_openapi(ApiDoc::openapi())
        .routes(routes!(trials, open_trial))
        .routes(routes!(trial))
        .routes(routes!(submit))
        .routes(routes!(rehearse))
        .routes(routes!(record))
        .routes(routes!(subjects))
        .routes(routes!(subject_records))
        .routes(routes!(text_key))
        .routes(routes!(report))
        .routes(routes!(report_cells))
        .routes(routes!(report_sources))
        .routes(routes!(findings))
        .routes(routes!(feed))
        .merge(crate::evidence::routes())
        .merge(crate::workings::routes())
        .merge(crate::review::routes())
        .merge(crate::refused::routes())
        .routes(routes!(healthz))
        .routes(routes!(readyz))
        .routes(routes!(metrics))
        .split_for_parts();
    let document = Arc::new(document);
    router
        .route(
            "/openapi.json",
            axum::routing::get(move || async move { Json(Arc::unwrap_or_clone(document)) }),
        )
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
        .layer(from_fn(origin::checked))
        .layer(map_response(origin::kept_private))
        .with_state(gate)
}

async fn method_not_allowed() -> Problem {
    Problem::new(405, "method-not-allowed", "This path does not take the method.", "see /openapi.json")
}

pub(crate) fn trial_id(text: &str) -> Result<TrialId, Problem> {
    text.parse().map_err(|error| Problem::not_found(format!("{error}")))
}

fn subject_id(text: &str) -> Result<SubjectId, Problem> {
    text.parse().map_err(|error| Problem::not_found(format!("{error}")))
}

#[utoipa::path(get, path = "/v1/trials", responses((status = 200, body = Trials)))]
async fn trials(Permitted(registry): Permitted) -> Result<Json<Trials>, Problem> {
    registry.trials().await.map(Json)
}

#[utoipa::path(
    post, path = "/v1/trials", description = "Opens a trial: the body is its signed trial_opened event.",
    request_body(content = String, content_type = "application/json"),
    responses((status = 201, body = Answer), (status = "4XX", body = Problem))
)]
async fn open_trial(Permitted(registry): Permitted, Body(body): Body) -> Result<Response, Problem> {
    registry.open_trial(trim(&body).to_vec()).await.map(|answer| one(&answer))
}

#[utoipa::path(get, path = "/v1/trials/{trial}", responses((status = 200, body = TrialDetail), (status = 404, body = Problem)))]
async fn trial(
    Permitted(registry): Permitted,
    Path(trial): Path<String>,
) -> Result<Json<TrialDetail>, Problem> {
    registry.trial(&trial_id(&trial)?).await.map(Json)
}

/// A client may end its one document with a line feed, as editors do.
fn trim(body: &[u8]) -> &[u8] {
    body.trim_ascii_end()
}

#[utoipa::path(
    post, path = "/v1/trials/{trial}/events",
    description = "Submits one signed event (application/json) or many, one a line (application/x-ndjson). One: 201 recorded, 200 recorded before, or a problem. Many: 200 and one answer a line, in order.",
    request_body(content((String = "application/json"), (String = "application/x-ndjson"))),
    responses((status = 201, body = Answer), (status = 200, body = Answer), (status = "4XX", body = Problem), (status = 503, body = Problem))
)]
async fn submit(
    Permitted(registry): Permitted,
    Path(trial): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    let trial = trial_id(&trial)?;
    let content_type =
        headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !content_type.starts_with("application/x-ndjson") {
        let answers = registry.submit(&trial, vec![trim(&body).to_vec()]).await?;
        return answers.first().map(one).ok_or_else(|| Problem::internal("no answer"));
    }
    // Canonical JSON holds no line feed: a line is a submission.
    let lines: Vec<Vec<u8>> =
        trim(&body).split(|byte| *byte == b'\n').map(|line| line.trim_ascii().to_vec()).collect();
    if lines.len() > LINES_MAX {
        return Err(Problem::new(
            413,
            "too-many-lines",
            "A request holds at most 10,000 lines.",
            format!("{} lines", lines.len()),
        ));
    }
    let answers = registry.submit(&trial, lines).await?;
    let mut text = String::with_capacity(answers.len() * 300);
    for answer in &answers {
        text.push_str(&serde_json::to_string(answer).map_err(|error| Problem::internal(error.to_string()))?);
        text.push('\n');
    }
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], text).into_response())
}

/// The answer to a request with one event: a refusal is the response's own problem.
fn one(answer: &Answer) -> Response {
    match answer {
        Answer::Refused { problem } => problem.clone().into_response(),
        Answer::Recorded { .. } | Answer::Repeated { .. } => {
            let status = StatusCode::from_u16(answer.status()).unwrap_or(StatusCode::OK);
            (status, Json(answer)).into_response()
        }
    }
}

#[utoipa::path(
    post, path = "/v1/trials/{trial}/rehearsals",
    description = "Says what would become of a statement if the holder of the key signed it now: the findings it would raise, or the problem it would be refused with. Records nothing, and keeps nothing of what was sent.",
    request_body = Rehearsal,
    responses((status = 200, body = Rehearsed), (status = "4XX", body = Problem), (status = 503, body = Problem))
)]
async fn rehearse(
    Permitted(registry): Permitted,
    Path(trial): Path<String>,
    Body(body): Body,
) -> Result<Json<Rehearsed>, Problem> {
    let rehearsal = serde_json::from_slice(&body).map_err(|error| Problem::bad_request(error.to_string()))?;
    registry.rehearse(&trial_id(&trial)?, rehearsal).await.map(Json)
}

#[utoipa::path(get, path = "/v1/trials/{trial}/records/{seq}", responses((status = 200, body = RecordView), (status = 404, body = Problem)))]
async fn record(
    Permitted(registry): Permitted,
    Path((trial, seq)): Path<(String, String)>,
) -> Result<Json<RecordView>, Problem> {
    let seq = seq.parse().map_err(|_| Problem::not_found("a position is a number from 0"))?;
    registry.record(&trial_id(&trial)?, Position(seq)).await.map(Json)
}

#[utoipa::path(
    get, path = "/v1/trials/{trial}/subjects",
    params(("after" = Option<String>, Query), ("limit" = Option<usize>, Query)),
    responses((status = 200, body = SubjectsPage))
)]
async fn subjects(
    Permitted(registry): Permitted,
    Path(trial): Path<String>,
    Query(page): Query<Page>,
) -> Result<Json<SubjectsPage>, Problem> {
    registry.subjects(&trial_id(&trial)?, page).await.map(Json)
}

#[utoipa::path(
    get, path = "/v1/trials/{trial}/subjects/{subject}/records",
    params(("after" = Option<u64>, Query), ("limit" = Option<usize>, Query)),
    responses((status = 200, body = SubjectRecords), (status = 404, body = Problem))
)]
async fn subject_records(
    Permitted(registry): Permitted,
    Path((trial, subject)): Path<(String, String)>,
    Query(page): Query<Page>,
) -> Result<Json<SubjectRecords>, Problem> {
    registry.subject_records(&trial_id(&trial)?, &subject_id(&subject)?, page).await.map(Json)
}

#[utoipa::path(
    post, path = "/v1/trials/{trial}/text-keys",
    description = "Hands out a subject's text key, or takes a new one, for a request signed by a key entitled at the subject's site.",
    request_body = TextKeyRequest,
    responses((status = 200, body = TextKeyAnswer), (status = 403, body = Problem), (status = 409, body = Problem))
)]
async fn text_key(
    Permitted(registry): Permitted,
    Path(trial): Path<String>,
    Body(body): Body,
) -> Result<Response, Problem> {
    let request: TextKeyRequest =
        serde_json::from_slice(&body).map_err(|error| Problem::bad_request(error.to_string()))?;
    let answer = registry.text_key(&trial_id(&trial)?, request).await?;
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response())
}

#[derive(Deserialize)]
struct ReportQuery {
    as_of: Option<String>,
    cutoff: Option<String>,
    since: Option<String>,
}

#[utoipa::path(
    get, path = "/v1/trials/{trial}/reports/{kind}",
    description = "The outcome or the safety report. `as_of` (a number of records, or the name of a data cut) bounds what is known; without it, all that is recorded. `cutoff` (a date) bounds what has happened; without it, the cut's day, or that of the last record in the trial's zone. `since` (the name of a data cut) adds what has changed since; the safety report then counts new events and subjects against it (`events_since`, `subjects_since`).",
    params(
        ("trial" = String, Path), ("kind" = ReportKind, Path), ("as_of" = Option<String>, Query),
        ("cutoff" = Option<String>, Query), ("since" = Option<String>, Query)
    ),
    responses((status = 200, body = ReportView), (status = 404, body = Problem))
)]
async fn report(
    Permitted(registry): Permitted,
    Path((trial, kind)): Path<(String, String)>,
    Query(query): Query<ReportQuery>,
) -> Result<Json<ReportView>, Problem> {
    let asked = query.asked()?;
    registry.report(&trial_id(&trial)?, report_kind(&kind)?, asked).await.map(Json)
}

fn report_kind(name: &str) -> Result<ReportKind, Problem> {
    match name {
        "outcomes" => Ok(ReportKind::Outcomes),
        "safety" => Ok(ReportKind::Safety),
        _ => Err(Problem::not_found("the reports are outcomes and safety")),
    }
}

impl ReportQuery {
    fn asked(self) -> Result<ReportAsked, Problem> {
        let as_of = self.as_of.map(|text| text.parse()).transpose();
        let since = self.since.map(|text| text.parse()).transpose();
        Ok(ReportAsked {
            as_of: as_of.map_err(|_| {
                Problem::bad_request("as_of is a number of records or the name of a data cut")
            })?,
            cutoff: self.cutoff.as_deref().map(day).transpose()?,
            since: since.map_err(|_| Problem::bad_request("since is the name of a data cut"))?,
        })
    }
}

#[derive(Deserialize)]
struct CellsQuery {
    as_of: Option<String>,
    cutoff: Option<String>,
    under: Option<String>,
    after: Option<String>,
    limit: Option<usize>,
}

#[utoipa::path(
    get, path = "/v1/trials/{trial}/reports/{kind}/cells",
    description = "The cells of a report, a page of them, each with the path that tells the records behind it. `under` (a cell's path or the beginning of one) leaves out the others.",
    params(
        ("trial" = String, Path), ("kind" = ReportKind, Path), ("as_of" = Option<String>, Query),
        ("cutoff" = Option<String>, Query), ("under" = Option<String>, Query),
        ("after" = Option<String>, Query), ("limit" = Option<usize>, Query)
    ),
    responses((status = 200, body = CellsPage), (status = 404, body = Problem))
)]
async fn report_cells(
    Permitted(registry): Permitted,
    Path((trial, kind)): Path<(String, String)>,
    Query(query): Query<CellsQuery>,
) -> Result<Json<CellsPage>, Problem> {
    let CellsQuery { as_of, cutoff, under, after, limit } = query;
    let (trial, kind) = (trial_id(&trial)?, report_kind(&kind)?);
    let asked = ReportQuery { as_of, cutoff, since: None }.asked()?;
    let mut basis: Vec<(&str, String)> = Vec::new();
    basis.extend(asked.as_of.as_ref().map(|as_of| ("as_of", as_of.to_string())));
    basis.extend(asked.cutoff.map(|day| ("cutoff", PartialDate::from(day).to_string())));
    let view = registry.report(&trial, kind, asked).await?;
    let report =
        serde_json::from_str(view.report.get()).map_err(|_| Problem::internal("the report is not JSON"))?;
    let mut cells = clinical::report::cells(&report);
    cells.retain(|cell| under.as_ref().is_none_or(|under| is_under(&cell.cell, under)));
    if let Some(after) = &after {
        let at = cells.iter().position(|cell| cell.cell == *after);
        cells.drain(..=at.ok_or_else(|| Problem::not_found(format!("the report has no cell {after}")))?);
    }
    let limit = Page { after: None, limit }.limit();
    let more = cells.len() > limit;
    cells.truncate(limit);
    let next = cells.last().filter(|_| more).map(|cell| cell.cell.clone());
    let cells = cells.into_iter().map(|cell| {
        let mut query = form_urlencoded::Serializer::new(String::new());
        let query = query.extend_pairs(&basis).append_pair("cell", &cell.cell).finish();
        CellView { sources: format!("/v1/trials/{trial}/reports/{}/sources?{query}", kind.as_str()), cell }
    });
    Ok(Json(CellsPage { cells: cells.collect(), covers: view.covers, next }))
}

/// Whether the cell is the one, or within it.
fn is_under(cell: &str, under: &str) -> bool {
    cell.strip_prefix(under.trim_end_matches('/'))
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[derive(Deserialize)]
struct SourcesQuery {
    as_of: Option<String>,
    cutoff: Option<String>,
    cell: String,
    after: Option<String>,
    limit: Option<usize>,
}

#[utoipa::path(
    get, path = "/v1/trials/{trial}/reports/{kind}/sources",
    description = "The records behind a cell of a report: a page of the subjects of whom it says something, each with what it would say of that subject alone, and the positions of the records without which it would not. `cell` is a path as /cells and `since` list them, of a cell or of what is around it; a cell that follows from definitions or from all records alike has none (404 no-sources).",
    params(
        ("trial" = String, Path), ("kind" = ReportKind, Path), ("cell" = String, Query),
        ("as_of" = Option<String>, Query), ("cutoff" = Option<String>, Query),
        ("after" = Option<String>, Query), ("limit" = Option<usize>, Query)
    ),
    responses((status = 200, body = SourcesView), (status = 404, body = Problem))
)]
async fn report_sources(
    Permitted(registry): Permitted,
    Path((trial, kind)): Path<(String, String)>,
    Query(query): Query<SourcesQuery>,
) -> Result<Json<SourcesView>, Problem> {
    let SourcesQuery { as_of, cutoff, cell, after, limit } = query;
    let asked = ReportQuery { as_of, cutoff, since: None }.asked()?;
    let limit = Page { after: None, limit: Some(limit.unwrap_or(SOURCES_DEFAULT)) }.limit();
    let cell = AskedSources { cell, after, limit };
    registry.sources(&trial_id(&trial)?, report_kind(&kind)?, asked, cell).await.map(Json)
}

fn day(text: &str) -> Result<Date, Problem> {
    let date: Option<PartialDate> = text.parse().ok();
    date.and_then(PartialDate::day).ok_or_else(|| Problem::bad_request("cutoff is a date like 2011-06-30"))
}

#[utoipa::path(
    get, path = "/v1/trials/{trial}/findings",
    params(("after" = Option<u64>, Query), ("limit" = Option<usize>, Query)),
    responses((status = 200, body = FindingsPage))
)]
async fn findings(
    Permitted(registry): Permitted,
    Path(trial): Path<String>,
    Query(page): Query<Page>,
) -> Result<Json<FindingsPage>, Problem> {
    registry.findings(&trial_id(&trial)?, page).await.map(Json)
}

#[derive(Deserialize)]
struct FeedQuery {
    from: Option<u64>,
}

#[utoipa::path(
    get, path = "/v1/trials/{trial}/feed",
    description = "Server-sent events, one a record: its id is the position, its data the record's bytes. Begins at `from` (0 if not given), or after the header Last-Event-ID.",
    params(("from" = Option<u64>, Query), ("last-event-id" = Option<u64>, Header)),
    responses((status = 200, content_type = "text/event-stream", body = String), (status = 404, body = Problem))
)]
async fn feed(
    Permitted(registry): Permitted,
    Path(trial): Path<String>,
    Query(query): Query<FeedQuery>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<SseEvent, Infallible>>>, Problem> {
    let trial = trial_id(&trial)?;
    let last = headers
        .get("last-event-id")
        .and_then(|value| value.to_str().ok())
        .map(|text| text.parse::<u64>().map_err(|_| Problem::bad_request("Last-Event-ID is a position")));
    let from = match last.transpose()? {
        Some(last) => last.saturating_add(1),
        None => query.from.unwrap_or(0),
    };
    // The first look also says at once whether there is such a trial, and whether it may be followed.
    let first = registry.follow(&trial, Position(from)).await?;
    let (sender, receiver) = tokio::sync::mpsc::channel::<FeedItem>(256);
    tokio::spawn(async move {
        let mut part = first;
        // Ends when the reader is gone, or may follow no more: at the next record, or at the next look.
        while !sender.is_closed() {
            for item in part.items {
                if sender.send(item).await.is_err() {
                    return;
                }
            }
            let Ok(following) = registry.follow(&trial, part.next).await else { return };
            part = following;
        }
    });
    let stream = tokio_stream::wrappers::ReceiverStream::new(receiver)
        .map(|item| Ok(SseEvent::default().id(item.seq.to_string()).event("record").data(item.record)));
    Ok(Sse::new(stream).keep_alive(KeepAlive::default()))
}

#[utoipa::path(get, path = "/healthz", responses((status = 200, body = String)))]
async fn healthz() -> &'static str {
    "ok\n"
}

#[utoipa::path(get, path = "/readyz", responses((status = 200, body = Readiness), (status = 503, body = Readiness)))]
async fn readyz(Permitted(registry): Permitted) -> Result<Response, Problem> {
    let readiness = registry.readiness().await?;
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Ok((status, Json(readiness)).into_response())
}

#[utoipa::path(get, path = "/metrics", responses((status = 200, content_type = "text/plain; version=0.0.4", body = String)))]
async fn metrics(Permitted(registry): Permitted) -> Result<Response, Problem> {
    let text = registry.metrics().await?;
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response())
}
