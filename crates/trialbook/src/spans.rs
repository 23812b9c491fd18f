//! The spans of requests: what came, by which way, and what became of it. They hold ids of trials, positions, counts and
//! codes; never what was submitted, nor a path as it was asked for, nor who asked. Numbers are signed: collectors know no
//! others.

use api::{Answer, Problem, ReportKind};
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{MatchedPath, RawPathParams, Request};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use clinical::TrialId;
use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::field::Empty;
use tracing::{Instrument as _, Span, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// The header in which a caller names the span that its request is a part of (W3C Trace Context).
const TRACEPARENT: &str = "traceparent";

/// Routes that machines ask every few seconds; their spans would hide the others.
const UNSEEN: &[&str] = &["/healthz", "/readyz", "/metrics"];

/// Makes a span of a request over HTTP, which ends when its answer begins.
pub(crate) async fn of_http(
    params: Result<RawPathParams, RawPathParamsRejection>,
    request: Request,
    next: Next,
) -> Response {
    // The route as it is stated: a path could name a subject.
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str);
    if UNSEEN.contains(&route) {
        return next.run(request).await;
    }
    let method = method(request.method());
    let span = info_span!(
        parent: None,
        "http",
        otel.name = %format_args!("{method} {route}"),
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = method,
        http.route = route,
        http.response.status_code = Empty,
        trial = Empty
    );
    if span.is_disabled() {
        return next.run(request).await;
    }
    let parent = request.headers().get(TRACEPARENT).and_then(|value| value.to_str().ok());
    continue_trace(&span, parent);
    let response = next.run(request).instrument(span.clone()).await;
    let status = response.status();
    span.record("http.response.status_code", i64::from(status.as_u16()));
    if status.is_server_error() {
        span.record("otel.status_code", "error");
    }
    // Whatever is refused may have named anything in a trial's place.
    let named = params.as_ref().ok().filter(|_| status.is_success());
    let trial = named.and_then(|params| params.iter().find(|(name, _)| *name == "trial"));
    if let Some((_, trial)) = trial {
        span.record("trial", trial);
    }
    response
}

/// A method that is known; what others are called is the caller's own.
fn method(method: &Method) -> &'static str {
    let known = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS];
    let names = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"];
    known.iter().position(|known| known == method).map_or("_OTHER", |at| names[at])
}

/// The span of a request over NATS, with the `traceparent` among its headers, if there is one.
pub(crate) fn of_nats(traceparent: Option<&str>) -> Span {
    let span = info_span!(parent: None, "nats", otel.kind = "server", status = Empty);
    continue_trace(&span, traceparent);
    span
}

/// Makes `span` part of the trace that a caller names. Nothing else that a caller says goes into it: a `tracestate` could
/// hold anything.
fn continue_trace(span: &Span, traceparent: Option<&str>) {
    if let Some(stated) = traceparent.filter(|_| !span.is_disabled()) {
        let none = opentelemetry::Context::new();
        let parent = TraceContextPropagator::new().extract_with_context(&none, &Stated(stated));
        // It fails for a span that has begun, and this one has not.
        let _ = span.set_parent(parent);
    }
}

/// A `traceparent` and no other header.
struct Stated<'t>(&'t str);

impl Extractor for Stated<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        (key == TRACEPARENT).then_some(self.0)
    }

    fn keys(&self) -> Vec<&str> {
        vec![TRACEPARENT]
    }
}

/// The span of a submission, from its bytes to its answer.
pub(crate) fn of_submission(trial: &TrialId, events: usize) -> Span {
    info_span!(
        "submission",
        trial = trial.as_str(),
        events = i64::try_from(events).ok(),
        recorded = Empty,
        repeated = Empty,
        refused = Empty,
        first = Empty,
        last = Empty,
        code = Empty
    )
}

/// What became of a submission: how many events were recorded, between which positions; the first code of a refusal.
pub(crate) fn answered(span: &Span, answers: &Result<Vec<Answer>, Problem>) {
    if span.is_disabled() {
        return;
    }
    let answers = match answers {
        Ok(answers) => answers,
        Err(problem) => {
            span.record("code", &*problem.code);
            return;
        }
    };
    let (mut recorded, mut repeated, mut refused) = (0_i64, 0_i64, 0_i64);
    let mut positions = None;
    let mut code = None;
    for answer in answers {
        match answer {
            Answer::Recorded { receipt } => {
                recorded += 1;
                let seq = receipt.seq.0;
                positions = Some(positions.map_or((seq, seq), |(first, _)| (first, seq)));
            }
            Answer::Repeated { .. } => repeated += 1,
            Answer::Refused { problem } => {
                refused += 1;
                code.get_or_insert(&*problem.code);
            }
        }
    }
    span.record("recorded", recorded);
    span.record("repeated", repeated);
    span.record("refused", refused);
    if let Some((first, last)) = positions {
        span.record("first", i64::try_from(first).ok());
        span.record("last", i64::try_from(last).ok());
    }
    if let Some(code) = code {
        span.record("code", code);
    }
}

/// The span of a report being made.
pub(crate) fn of_report(trial: &TrialId, kind: ReportKind) -> Span {
    info_span!("report", trial = trial.as_str(), report = kind.as_str(), records = Empty, code = Empty)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_of_nobodys_has_no_name() {
        assert_eq!(method(&Method::POST), "POST");
        assert_eq!(method(&Method::from_bytes(b"S01-001").unwrap()), "_OTHER");
    }
}
