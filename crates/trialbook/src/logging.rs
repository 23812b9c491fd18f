//! Logs and metrics of the process. Neither holds subject data or keys: ids of trials, positions and counts only.

use std::io::IsTerminal as _;
use std::sync::OnceLock;

use anyhow::Context as _;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use opentelemetry_sdk::trace::SdkTracer;
use tracing_subscriber::filter::{EnvFilter, FilterExt as _, LevelFilter, filter_fn};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

/// The crates whose spans are made; those of others may hold anything.
const SPANS_OF: &[&str] = &["journal", "notary", "projector", "trialbook"];

/// Starts logging to standard error, which leaves standard output to answers. `TRIALBOOK_LOG` stands over `filter`. Spans
/// are made with `spans`, and without it there are none: the log shows messages alone.
///
/// # Errors
/// `filter` is none.
pub(crate) fn start(json: bool, filter: Option<&str>, spans: Option<SdkTracer>) -> anyhow::Result<()> {
    let filter = match crate::world::variable("TRIALBOOK_LOG").and_then(|text| EnvFilter::try_new(text).ok())
    {
        Some(filter) => filter,
        None => EnvFilter::try_new(filter.unwrap_or("warn")).context("log.filter cannot be read")?,
    };
    let log = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let log = log.with_ansi(std::io::stderr().is_terminal());
    let log = if json { log.json().boxed() } else { log.with_target(false).boxed() };
    let messages = filter_fn(|metadata| !metadata.is_span()).with_max_level_hint(LevelFilter::TRACE);
    let log = log.with_filter(filter.and(messages));
    let spans = spans.map(|tracer| {
        let layer = tracing_opentelemetry::layer().with_tracer(tracer);
        let layer = layer.with_location(false).with_threads(false).with_tracked_inactivity(false);
        let ours = filter_fn(|metadata| {
            let of = metadata.target().split("::").next().unwrap_or_default();
            metadata.is_span() && SPANS_OF.contains(&of)
        });
        layer.with_target(false).with_filter(ours.with_max_level_hint(LevelFilter::INFO))
    });
    // A second start in the same process keeps the first.
    let _ = tracing_subscriber::registry().with(log).with(spans).try_init();
    Ok(())
}

/// The process's metrics.
pub(crate) fn metrics() -> PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE
        .get_or_init(|| {
            let recorder = PrometheusBuilder::new().build_recorder();
            let handle = recorder.handle();
            // Only a second recorder is refused, and this one is the first.
            let _ = metrics::set_global_recorder(recorder);
            describe();
            handle
        })
        .clone()
}

fn describe() {
    metrics::describe_counter!("trialbook_submissions_total", "Submitted events, by what became of them");
    metrics::describe_counter!(
        "trialbook_refusals_total",
        "Requests that were not permitted, by the problem's code"
    );
    metrics::describe_counter!("trialbook_spans_total", "Spans for the collector, by what became of them");
    metrics::describe_gauge!("trialbook_records", "Durable records of the trial's log");
    metrics::describe_gauge!(
        "trialbook_journal_proven",
        "1 while the log's servers have proven that they sync what they acknowledge"
    );
    metrics::describe_gauge!(
        "trialbook_clock_differs",
        "1 while the registrar's clock differs from its peers'"
    );
    metrics::describe_gauge!("trialbook_submissions_waiting", "Submissions that wait for the sequencer");
    metrics::describe_gauge!("trialbook_registrar_refusing", "1 when the registrar takes no submissions");
    metrics::describe_gauge!(
        "trialbook_replica_faulty",
        "1 while a server's copy of the log was last found not to be whole"
    );
    metrics::describe_gauge!(
        "trialbook_replicas_audited_seconds",
        "Seconds since each server's copy of the log was last held against the others'"
    );
    metrics::describe_gauge!(
        "trialbook_projector_lag_records",
        "Durable records that a read model does not cover yet"
    );
    metrics::describe_gauge!("trialbook_projector_stopped", "1 when a read model no longer follows the log");
}
