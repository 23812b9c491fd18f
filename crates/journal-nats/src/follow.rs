//! Following the stream's end, which others move as well.
//!
//! A writer's hint, or a quarter of a second without one, makes it look; what it then shows is what the leader of the
//! stream has applied. Nothing is kept on the servers for it, so nothing is lost when one of them goes.

use std::sync::Arc;
use std::time::Duration;

use chain::{Position, TreeSize};
use futures_util::{FutureExt as _, StreamExt as _};
use journal::{Head, ReadError};
use tokio::time::{Instant, sleep, timeout};

use crate::api::{self, ApiError};
use crate::config::{self, Difference};
use crate::engine::Stream;
use crate::read::{damage, read};

/// How long without a hint until it looks all the same.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Without an answer that holds for so long the server we are connected to may be cut off from the others: another one
/// is tried.
const ELSEWHERE_AFTER: Duration = Duration::from_secs(5);

/// How often the servers are asked for their proof.
const PROVE_EVERY: Duration = Duration::from_mins(1);

/// Why the stream's end is not known anew.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LookError {
    #[error(transparent)]
    Api(#[from] ApiError),
    #[error("{}", list(.0))]
    Weaker(Vec<Difference>),
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A leader that was just chosen or is just being replaced; or the stream was put back to an earlier state.
    #[error("the stream's leader has {size} records, and {} were durable", known.size.0)]
    Behind { size: u64, known: Head },
    /// The server that answers is cut off from the others, or they are away, or it was just chosen.
    #[error("of {servers} servers of the stream {there} are there")]
    NoQuorum { servers: usize, there: usize },
}

impl LookError {
    /// Whether another server, or the same one later, may know.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Api(error) => error.is_transient(),
            Self::Read(ReadError::Io { .. }) | Self::Behind { .. } | Self::NoQuorum { .. } => true,
            Self::Weaker(_) | Self::Read(ReadError::Damaged { .. }) => false,
        }
    }
}

/// One after another, for people.
pub(crate) fn list(differences: &[Difference]) -> String {
    differences.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Asks the leader for the end, and reads the last record if the end is a new one.
pub(crate) async fn look(stream: &Stream) -> Result<(), LookError> {
    let looked = look_once(stream).await;
    let mut seen = stream.seen();
    match &looked {
        Ok(()) => {
            seen.at = Some(Instant::now());
            seen.trouble = None;
            seen.weaker = None;
        }
        Err(error) => {
            seen.trouble = Some(error.to_string());
            if let LookError::Weaker(differences) = error {
                seen.weaker = Some(list(differences));
            }
        }
    }
    looked
}

async fn look_once(stream: &Stream) -> Result<(), LookError> {
    let info = api::stream_info(&stream.links.log, &stream.name).await?;
    let differences = config::differences(&stream.wanted, &info.config);
    if !differences.is_empty() {
        return Err(LookError::Weaker(differences));
    }
    if !info.cluster.has_quorum() {
        let (servers, there) = (info.cluster.servers(), info.cluster.there().len());
        return Err(LookError::NoQuorum { servers, there });
    }
    let known = stream.head();
    let size = info.state.last_seq;
    if let Some(what) = info.state.contradiction() {
        let what = format!("the stream's leader has {what}");
        return Err(LookError::Read(damage(stream, Position(size), what)));
    }
    if size < known.size.0 {
        return Err(LookError::Behind { size, known });
    }
    if size > known.size.0 {
        let last = read(stream, Position(size - 1), 1, size).await?;
        if let Some(last) = last.first() {
            stream.grow(Head { size: TreeSize(size), hash: last.hash });
        }
    }
    Ok(())
}

/// The end after an append of ours; others are told.
pub(crate) async fn advance(stream: &Stream, head: Head) {
    stream.grow(head);
    // A hint that does not arrive costs others a quarter of a second.
    let _ = stream.links.log.publish(stream.hint.clone(), head.size.0.to_string().into()).await;
}

/// Looks, for ever.
pub(crate) async fn follow(stream: Arc<Stream>) {
    let hints = stream.links.log.subscribe(stream.hint.clone()).await;
    let mut hints = hints.map(futures_util::StreamExt::fuse).ok();
    let mut proven = Instant::now();
    let mut answered = Instant::now();
    loop {
        match &mut hints {
            None => sleep(LOOK_EVERY).await,
            Some(hints) => {
                if let Ok(Some(hint)) = timeout(LOOK_EVERY, hints.next()).await {
                    let mut news = is_news(&stream, &hint.payload);
                    // Many may have come while we looked: one look answers them all.
                    while let Some(Some(hint)) = hints.next().now_or_never() {
                        news |= is_news(&stream, &hint.payload);
                    }
                    if !news {
                        continue;
                    }
                }
            }
        }
        let looked = look(&stream).await;
        if !looked.as_ref().is_err_and(LookError::is_transient) {
            answered = Instant::now();
        }
        stream.bulks.sweep();
        if let Err(error) = looked {
            tracing::warn!(stream = stream.name, %error, "the end of the log is not known");
            if answered.elapsed() >= ELSEWHERE_AFTER {
                answered = Instant::now();
                let _ = stream.links.log.force_reconnect().await;
            }
            sleep(LOOK_EVERY).await;
        }
        if proven.elapsed() >= PROVE_EVERY {
            proven = Instant::now();
            if let Err(error) = stream.prove().await {
                tracing::warn!(stream = stream.name, %error, "durability is not proven");
            }
        }
    }
}

/// Whether a hint tells of more than is known. One that cannot be read does not.
fn is_news(stream: &Stream, hint: &[u8]) -> bool {
    let size = std::str::from_utf8(hint).ok().and_then(|text| text.parse::<u64>().ok());
    size.is_some_and(|size| size > stream.head().size.0)
}
