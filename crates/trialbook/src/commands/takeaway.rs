//! The bundle of a whole log over HTTP, made by whoever may read all of it exactly as `export bundle` makes it.
//!
//! It is made in a file of this process that has no name any more when the first byte of it is sent.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use api::{Gate, Problem, Resource};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path as Named, State};
use axum::http::header;
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use clinical::TrialId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;

use super::export;

/// Bundles that are made or fetched at once: each is as large as its log.
const AT_ONCE: usize = 2;

/// Bytes read at a time.
const PART_BYTES: usize = 64 << 10;

/// How long a part may wait to be taken.
const PATIENCE: Duration = Duration::from_mins(1);

#[derive(Clone)]
struct Bundles {
    gate: Gate,
    directory: PathBuf,
    places: Arc<Semaphore>,
}

/// The page's file; `directory` is where it is made.
pub(super) fn routes(gate: Gate, directory: &Path) -> Router {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let bundles = Bundles { gate, directory: directory.to_owned(), places };
    Router::new().route("/trials/{trial}/bundle", get(bundle)).with_state(bundles)
}

async fn bundle(
    State(bundles): State<Bundles>,
    Named(trial): Named<String>,
    parts: Parts,
) -> Result<Response, Problem> {
    let trial: TrialId = trial.parse().map_err(|error| Problem::not_found(format!("{error}")))?;
    bundles.gate.permit(&parts, Resource::Bundles, Some(&trial)).await?;
    if parts.headers.contains_key("sec-fetch-site") && !asked_for(&parts) {
        let detail = "a browser says that a page of another site asks for this";
        let problem =
            Problem::new(403, "form-not-ours", "The bundle is fetched from the registry's own page.", detail);
        return Err(bundles.gate.refuse(&parts, problem).await);
    }
    let place = Arc::clone(&bundles.places).try_acquire_owned().map_err(|_| {
        Problem::unavailable("others are fetching bundles just now, which takes room; ask again in a minute")
    })?;
    let registry = bundles.gate.registry(&parts);
    let own = tempfile::Builder::new().prefix("bundle-").tempdir_in(&bundles.directory);
    let made = async {
        let own = own.context("there is no room for it")?;
        let path = own.path().join("bundle.zip");
        let made = export::make(&*registry, &trial, &path).await?;
        let file = File::open(&path)?;
        let bytes = file.metadata()?.len();
        anyhow::Ok((made.size(), file, bytes))
    };
    let (size, file, bytes) = made.await.map_err(|error| match error.downcast::<Problem>() {
        Ok(problem) => problem,
        Err(error) => {
            tracing::warn!(%trial, "a bundle was not made: {error:#}");
            Problem::unavailable("the bundle was not made; the server's log says why")
        }
    })?;
    let heads = [
        (header::CONTENT_TYPE, "application/zip".to_owned()),
        (header::CONTENT_LENGTH, bytes.to_string()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{trial}-{}.zip\"", size.0)),
        (header::CACHE_CONTROL, "no-store".to_owned()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    Ok((heads, Body::from_stream(ReceiverStream::new(parts_of(file, place)))).into_response())
}

/// Whether a browser fetches it because somebody chose so, on a page of ours or by its address.
fn asked_for(parts: &Parts) -> bool {
    parts.headers.get("sec-fetch-site").is_some_and(|site| site == "same-origin" || site == "none")
}

/// Reads a file part by part, as they are taken. What cannot be read, or is not taken, ends the answer before its length.
fn parts_of(mut file: File, place: OwnedSemaphorePermit) -> mpsc::Receiver<std::io::Result<Bytes>> {
    let (sender, receiver) = mpsc::channel(2);
    let runtime = tokio::runtime::Handle::current();
    tokio::task::spawn_blocking(move || {
        let _place = place;
        loop {
            let mut part = vec![0; PART_BYTES];
            let read = match file.read(&mut part) {
                Ok(0) => return,
                Ok(read) => {
                    part.truncate(read);
                    Ok(Bytes::from(part))
                }
                Err(error) => Err(error),
            };
            let failed = read.is_err();
            // An error: whoever asked is gone, or does not read on.
            let sent = runtime.block_on(tokio::time::timeout(PATIENCE, sender.send(read)));
            if failed || !matches!(sent, Ok(Ok(()))) {
                return;
            }
        }
    });
    receiver
}
