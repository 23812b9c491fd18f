//! `witness`: cosigns the checkpoints of logs, for whoever asks.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use axum::middleware::from_fn;
use axum::routing::get;
use chain::SecretKey;
use chain::checkpoint::Cosigner;
use chain::note::VerifierKey;
use serde::{Deserialize, Serialize};
use witness::{Evidence, Witness};

use super::serve::{Listening, stop_asked};
use super::{print, process, read_bytes};
use crate::configuration::Configuration;
use crate::data::write_secret;
use crate::spans;
use crate::tls::{self, TlsListener};

/// What a witness's key file begins with.
const FORMAT: &str = "trialbook witness key 1";

/// Longest key file read.
const KEY_BYTES_MAX: usize = 4096;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    format: String,
    name: String,
    secret_key: String,
    verifier_key: String,
}

/// Makes a witness's key.
pub(super) fn new_key(name: &str, out: &Path) -> Result<u8> {
    let secret = SecretKey::from_bytes(&crate::world::random());
    let secret_key = chain::key::to_base64(&secret.to_bytes());
    let cosigner = Cosigner::new(name, secret).with_context(|| format!("{name} is no name for a key"))?;
    let verifier_key = cosigner.verifier_key().to_string();
    let file = KeyFile {
        format: FORMAT.to_owned(),
        name: name.to_owned(),
        secret_key,
        verifier_key: verifier_key.clone(),
    };
    let mut text = serde_json::to_string_pretty(&file)?;
    text.push('\n');
    write_secret(out, text.as_bytes())?;
    print(&format!(
        "wrote {} (readable by you alone: keep it so; it serves this witness and nothing else)\nverifier key  {verifier_key}",
        out.display()
    ))?;
    Ok(0)
}

fn read_key(path: &Path) -> Result<Cosigner> {
    let not_a_key = || format!("{} is not a key file of the form `{FORMAT}`", path.display());
    let bytes = read_bytes(path, KEY_BYTES_MAX)?;
    // The error of the parser could quote the secret; it is left out.
    let file: KeyFile = serde_json::from_slice(&bytes).map_err(|_| anyhow::anyhow!(not_a_key()))?;
    ensure!(file.format == FORMAT, not_a_key());
    let seed = chain::key::from_base64(&file.secret_key).and_then(|bytes| bytes.try_into().ok());
    let seed: [u8; 32] = seed.with_context(not_a_key)?;
    let cosigner = Cosigner::new(&file.name, SecretKey::from_bytes(&seed)).with_context(not_a_key)?;
    let halves = cosigner.verifier_key().to_string() == file.verifier_key;
    ensure!(halves, "the two halves of the key in {} do not belong together", path.display());
    Ok(cosigner)
}

/// The witness with this key file, whose last checkpoints stand in `state`.
pub(super) fn open(key: &Path, state: &Path, logs: Vec<VerifierKey>) -> Result<Witness> {
    let cosigner = read_key(key)?;
    let last = keep::Checkpoints::open(state).with_context(|| format!("cannot open {}", state.display()))?;
    let clock = || u64::try_from(crate::world::now().microseconds() / 1_000_000).unwrap_or(0);
    Ok(Witness::new(cosigner, logs, Arc::new(last), Arc::new(clock)))
}

/// Where a witness keeps both sides of a fork: beside its state.
fn forks(state: &Path) -> PathBuf {
    let mut name = state.file_name().unwrap_or_default().to_owned();
    name.push(".forks");
    state.with_file_name(name)
}

/// That it lives, and its metrics. It is ready as soon as it listens: its state is open by then.
fn health() -> axum::Router {
    let metrics = crate::logging::metrics();
    axum::Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(|| async { "ready\n" }))
        .route("/metrics", get(move || async move { metrics.render() }))
}

/// Serves as a configuration file says.
pub(super) async fn run_configured(config: &Path) -> Result<u8> {
    let configuration = Configuration::load(Some(config), &crate::world::variable, &[])?;
    process::start_logging(&configuration, "trialbook-witness")?;
    let key = PathBuf::from(configuration.required("witness.key")?);
    let state = PathBuf::from(configuration.required("witness.state")?);
    let logs = configuration.texts("witness.logs").iter();
    let logs: Result<Vec<_>> = logs
        .map(|text| VerifierKey::from_text(text).with_context(|| format!("{text} is no verifier key")))
        .collect();
    let logs = logs?;
    ensure!(!logs.is_empty(), "set witness.logs to the verifier keys of the logs that are to be cosigned");
    let Listening { listen, tls, .. } = process::listening(&configuration)?;
    run(&key, &state, logs, listen, tls).await
}

/// Serves until told to stop.
pub(super) async fn run(
    key: &Path,
    state: &Path,
    logs: Vec<VerifierKey>,
    listen: SocketAddr,
    tls: Option<tls::Files>,
) -> Result<u8> {
    // It needs no tokens: it answers to what a log that it knows has signed.
    ensure!(
        listen.ip().is_loopback() || tls.is_some(),
        "{listen} is not a loopback address: to let others reach this witness it needs a certificate and its key \
         (--tls-cert, --tls-key)"
    );
    let tls = tls.map(|files| files.read()).transpose()?;
    let forks = forks(state);
    let evidence = Evidence::open(&forks).with_context(|| format!("cannot open {}", forks.display()))?;
    let witness = open(key, state, logs)?.with_evidence(evidence);
    let verifier_key = witness.verifier_key();
    let listener =
        tokio::net::TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
    let address = listener.local_addr()?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    print(&format!("witnessing as {verifier_key} at {scheme}://{address} (Ctrl-C stops)"))?;
    let routes = witness::router(Arc::new(witness)).merge(health()).layer(from_fn(spans::of_http));
    let served = match tls {
        Some(tls) => {
            let listener = TlsListener::new(listener, tls)?;
            axum::serve(listener, routes).with_graceful_shutdown(stop_asked()).await
        }
        None => axum::serve(listener, routes).with_graceful_shutdown(stop_asked()).await,
    };
    served.context("serving failed")?;
    Ok(0)
}
