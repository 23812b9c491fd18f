//! Sends spans to a collector, OTLP over HTTP, where the configuration names one. No log message goes there, no metric,
//! and no span but those that our own crates state: their fields are ids of trials, positions, counts and codes.
//!
//! Nothing waits for the collector. What it does not take in time is lost, counted, and said once in the log.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use async_trait::async_trait;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SdkTracer, SdkTracerProvider, Span, SpanData, SpanExporter,
    SpanProcessor,
};
use reqwest::Url;
use tokio::runtime::{Builder, Runtime};

use crate::{logging, reach, world};

/// Most spans that wait to be sent, some KiB each at most; what ends beyond them is lost.
const WAITING_MAX: usize = 8_192;

/// Most spans in one request.
const BATCH_SPANS_MAX: usize = 512;

/// Longest time that a span waits for others to be sent with.
const DELAY: Duration = Duration::from_secs(1);

/// How long the collector may take to answer.
const ANSWER_WAIT: Duration = Duration::from_secs(5);

/// How long a process that stops waits for the last spans to be taken: for an answer that is awaited already, and for one
/// more. No thread is at work on a request when the process ends.
const STOP_WAIT: Duration = Duration::from_secs(12);
const _: () = assert!(STOP_WAIT.as_secs() > 2 * ANSWER_WAIT.as_secs());

/// Longest answer of a collector that is read.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// What sends spans, once there is one.
static PROVIDER: OnceLock<SdkTracerProvider> = OnceLock::new();

/// Whether the process stops: a collector that did not take a batch is not asked to take the next.
static STOPPING: AtomicBool = AtomicBool::new(false);

/// Begins to send spans to the collector at `url`, as the service `service`; whoever is given the tracer makes them.
///
/// # Errors
/// `url` is no address of a collector; the system knows no certificate authorities.
pub(crate) fn start(url: &str, service: &str) -> Result<SdkTracer> {
    let endpoint = endpoint(url)?;
    let client = reach::collector(&endpoint)?.timeout(ANSWER_WAIT).build().context("cannot send spans")?;
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_http_client(Collector { client, runtime: OnceLock::new() })
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(endpoint.as_str())
        .with_timeout(ANSWER_WAIT)
        .build()
        .context("cannot send spans")?;
    let waiting = Arc::new(AtomicUsize::new(0));
    let exporter = Counted { exporter, waiting: Arc::clone(&waiting), is_lost: AtomicBool::new(false) };
    // So many may wait that it is `Bounded` alone that loses any.
    let batches = BatchConfigBuilder::default()
        .with_max_queue_size(WAITING_MAX + BATCH_SPANS_MAX)
        .with_max_export_batch_size(BATCH_SPANS_MAX)
        .with_scheduled_delay(DELAY)
        .build();
    let batches = BatchSpanProcessor::builder(exporter).with_batch_config(batches).build();
    let resource = Resource::builder_empty()
        .with_service_name(service.to_owned())
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_attribute(KeyValue::new("service.instance.id", world::random_hex::<16>()))
        .build();
    let provider = SdkTracerProvider::builder()
        .with_span_processor(Bounded { batches, waiting })
        .with_resource(resource)
        .build();
    logging::metrics();
    for outcome in ["sent", "lost"] {
        count(outcome, 0);
    }
    let tracer = provider.tracer("trialbook");
    ensure!(PROVIDER.set(provider).is_ok(), "spans are sent already");
    Ok(tracer)
}

/// Sends what waits, for some seconds at most.
pub(crate) fn stop() {
    if let Some(provider) = PROVIDER.get() {
        STOPPING.store(true, Ordering::Relaxed);
        // What could not be sent is counted and said where it was lost.
        let _ = provider.shutdown_with_timeout(STOP_WAIT);
    }
}

/// Where spans are posted on the collector at `url`.
fn endpoint(url: &str) -> Result<Url> {
    let mut parsed: Url = url.parse().with_context(|| format!("telemetry.otlp: {url} is no address"))?;
    ensure!(
        matches!(parsed.scheme(), "http" | "https") && parsed.has_host(),
        "telemetry.otlp: {url} is not like http://127.0.0.1:4318"
    );
    // The address is shown and logged.
    ensure!(
        parsed.username().is_empty() && parsed.password().is_none() && parsed.query().is_none(),
        "telemetry.otlp holds no password and no parameter: headers are set by OTEL_EXPORTER_OTLP_HEADERS"
    );
    parsed.set_path(&format!("{}/v1/traces", parsed.path().trim_end_matches('/')));
    Ok(parsed)
}

fn count(outcome: &'static str, spans: usize) {
    metrics::counter!("trialbook_spans_total", "outcome" => outcome).increment(spans as u64);
}

/// Hands spans on to be sent, as long as not too many wait.
#[derive(Debug)]
struct Bounded {
    batches: BatchSpanProcessor,
    waiting: Arc<AtomicUsize>,
}

impl SpanProcessor for Bounded {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.batches.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if !span.span_context.is_sampled() {
            return;
        }
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= WAITING_MAX {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return count("lost", 1);
        }
        self.batches.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.batches.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.batches.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.batches.set_resource(resource);
    }
}

/// Counts what is sent and what is lost.
#[derive(Debug)]
struct Counted {
    exporter: opentelemetry_otlp::SpanExporter,
    waiting: Arc<AtomicUsize>,
    /// Whether the last batch was lost.
    is_lost: AtomicBool,
}

impl SpanExporter for Counted {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let is_hopeless = STOPPING.load(Ordering::Relaxed) && self.is_lost.load(Ordering::Relaxed);
        let sent = if is_hopeless {
            Err(OTelSdkError::InternalFailure("the process stops".to_owned()))
        } else {
            self.exporter.export(batch).await
        };
        self.waiting.fetch_sub(spans, Ordering::Relaxed);
        count(if sent.is_ok() { "sent" } else { "lost" }, spans);
        match (&sent, self.is_lost.swap(sent.is_err(), Ordering::Relaxed)) {
            (Err(error), false) => {
                tracing::warn!("spans are lost until the collector takes them: {error}");
            }
            (Ok(()), true) => tracing::warn!("the collector takes spans again"),
            _ => {}
        }
        sent
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

/// Posts to the collector, from the thread that makes batches.
#[derive(Debug)]
struct Collector {
    client: reqwest::Client,
    /// Its own, made by that thread: spans end after the process's runtime, too.
    runtime: OnceLock<Runtime>,
}

#[async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let request = reqwest::Request::try_from(request)?;
        let runtime = if let Some(runtime) = self.runtime.get() {
            runtime
        } else {
            let made = Builder::new_current_thread().enable_all().build()?;
            self.runtime.get_or_init(|| made)
        };
        // Nothing else is done on this thread.
        runtime.block_on(send(&self.client, request))
    }
}

async fn send(client: &reqwest::Client, request: reqwest::Request) -> Result<Response<Bytes>, HttpError> {
    let mut sent = client.execute(request).await?;
    let mut answer = Response::builder().status(sent.status());
    if let Some(headers) = answer.headers_mut() {
        headers.clone_from(sent.headers());
    }
    let mut body = Vec::new();
    while let Some(part) = sent.chunk().await? {
        if body.len() + part.len() > ANSWER_BYTES_MAX {
            return Err("the collector's answer is too long".into());
        }
        body.extend_from_slice(&part);
    }
    Ok(answer.body(body.into())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_posted_below_the_collectors_address() {
        let check = |url: &str, expect: &str| assert_eq!(endpoint(url).unwrap().as_str(), expect);
        check("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces");
        check("https://collector.example/otlp/", "https://collector.example/otlp/v1/traces");
    }

    #[test]
    fn what_is_no_address_of_a_collector_is_refused() {
        for url in [
            "",
            "collector:4318",
            "grpc://127.0.0.1:4317",
            "http://user:pw@127.0.0.1:4318",
            "http://127.0.0.1:4318/?token=x",
        ] {
            assert!(endpoint(url).is_err(), "{url}");
        }
    }
}
