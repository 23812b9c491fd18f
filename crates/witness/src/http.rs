//! The witness over HTTP: the protocol's route, and one that shows what was cosigned last.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest as _, Query, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use chain::witness_request::REQUEST_BYTES_MAX;
use serde::Deserialize;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::service::{Reply, Witness};

/// Requests under way at once: with bodies of at most 1 MiB each, 64 MiB.
const REQUESTS_MAX: usize = 64;

/// How long a body may take to arrive. Honest ones have a few kilobytes.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Clone)]
struct Service {
    witness: Arc<Witness>,
    slots: Arc<Semaphore>,
}

/// `POST /add-checkpoint`, to be nested under the witness's prefix. Beside the protocol's statuses it answers 413 to a body
/// longer than any request, 408 to one that does not arrive, 503 when too many are under way or its state fails.
///
/// `GET /last-checkpoint?origin=NAME`, which the protocol does not have: the last checkpoint cosigned of a log, with the log's
/// signature, or 404. A log that finds the witness ahead of it learns there whether it has signed that itself.
pub fn router(witness: Arc<Witness>) -> Router {
    let service = Service { witness, slots: Arc::new(Semaphore::new(REQUESTS_MAX)) };
    Router::new()
        .route("/add-checkpoint", post(add_checkpoint))
        .route("/last-checkpoint", get(last_checkpoint))
        .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
        .with_state(service)
}

async fn add_checkpoint(State(service): State<Service>, request: Request) -> Response {
    let Ok(_slot) = service.slots.try_acquire() else {
        return unavailable("too many requests are under way\n");
    };
    let body = match timeout(BODY_TIMEOUT, Bytes::from_request(request, &())).await {
        Ok(Ok(body)) => body,
        Ok(Err(rejection)) => return rejection.into_response(),
        Err(_) => return (StatusCode::REQUEST_TIMEOUT, "the body did not arrive\n").into_response(),
    };
    let witness = Arc::clone(&service.witness);
    match tokio::task::spawn_blocking(move || witness.answer(&body)).await {
        Ok(Ok(Reply { status, content_type, body })) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, [(header::CONTENT_TYPE, content_type)], body).into_response()
        }
        Ok(Err(error)) => {
            tracing::error!(error = &error as &dyn std::error::Error, "the witness could not answer");
            unavailable("the witness's state failed\n")
        }
        // The panic was printed where it happened.
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

#[derive(Deserialize)]
struct OfLog {
    origin: String,
}

async fn last_checkpoint(State(service): State<Service>, Query(query): Query<OfLog>) -> Response {
    let Ok(_slot) = service.slots.try_acquire() else {
        return unavailable("too many requests are under way\n");
    };
    let witness = Arc::clone(&service.witness);
    match tokio::task::spawn_blocking(move || witness.last_checkpoint(&query.origin)).await {
        Ok(Ok(Some(note))) => ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], note).into_response(),
        Ok(Ok(None)) => (StatusCode::NOT_FOUND, "nothing of this log was cosigned\n").into_response(),
        Ok(Err(error)) => {
            tracing::error!(error = &error as &dyn std::error::Error, "the witness could not answer");
            unavailable("the witness's state failed\n")
        }
        // The panic was printed where it happened.
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn unavailable(why: &'static str) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "1")], why).into_response()
}
