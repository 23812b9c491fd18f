//! `mirror`: a copy of a log that follows it and believes nothing.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use async_trait::async_trait;
use chain::RecordHash;
use chain::note::VerifierKey;
use reqwest::StatusCode;
use witness::{Anchors, Fetch, FetchError, Mirror, Resource, Scope, StepError, Witness};

use super::print;
use super::serve::stop_asked;
use super::witness as own_witness;
use crate::cli::Credentials;
use crate::log_authority::LogAuthority;
use crate::{reach, status};

/// How long one answer may take, all of it: at most 16 MiB, at 2 Mbit/s.
const ANSWER_TIMEOUT: Duration = Duration::from_mins(1);

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How often what failed in passing is asked for again, with pauses of 0.5 s doubled each time: 3.5 s in all.
const RETRIES_MAX: u32 = 3;

/// Behind the refusal of what no known key has signed.
const KEYS_BY_HAND: &str = "a mirror of hashes alone reads no records: if the log has changed its key, give it the new key too \
                            (--key), as it came to you by another way than the server; or let it copy records (--site, --whole)";

/// What is mirrored, and how.
pub(super) struct Asked {
    pub(super) url: String,
    pub(super) dir: PathBuf,
    /// The log's keys, as they came by another way than the server.
    pub(super) keys: Vec<VerifierKey>,
    pub(super) genesis: Option<RecordHash>,
    pub(super) scope: Scope,
    /// Key file and state of the witness that cosigns what is copied.
    pub(super) cosigner: Option<(PathBuf, PathBuf)>,
    /// Goes on, looking so often.
    pub(super) every: Option<Duration>,
    pub(super) credentials: Credentials,
}

/// A log's URL over HTTP.
struct Http {
    base: String,
    agent: reqwest::Client,
}

impl Http {
    fn new(url: &str, credentials: &Credentials) -> Result<Self> {
        let agent = reach::client(url, credentials)?
            .timeout(ANSWER_TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            .build()
            .context("no HTTP client could be made")?;
        Ok(Self { base: url.trim_end_matches('/').to_owned(), agent })
    }

    async fn once(&self, url: &str, limit: usize) -> Result<Vec<u8>, FetchError> {
        let failed = |error: reqwest::Error| FetchError::Failed(Box::new(error));
        let mut answer = self.agent.get(url).send().await.map_err(failed)?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Err(FetchError::NotFound),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return Err(FetchError::Forbidden),
            status => return Err(FetchError::Failed(format!("the server answered {status}").into())),
        }
        let mut body = Vec::new();
        while let Some(part) = answer.chunk().await.map_err(failed)? {
            if body.len() + part.len() > limit {
                return Err(FetchError::TooLarge { limit });
            }
            body.extend_from_slice(&part);
        }
        Ok(body)
    }
}

#[async_trait]
impl Fetch for Http {
    async fn fetch(&self, resource: Resource<'_>) -> Result<Vec<u8>, FetchError> {
        let url = format!("{}/{resource}", self.base);
        let mut retries = 0;
        loop {
            match self.once(&url, resource.bytes_max()).await {
                Err(FetchError::Failed(_)) if retries < RETRIES_MAX => {
                    tokio::time::sleep(Duration::from_millis(500 << retries)).await;
                    retries += 1;
                }
                answered => return answered,
            }
        }
    }
}

pub(super) async fn run(asked: Asked) -> Result<u8> {
    let from = Http::new(&asked.url, &asked.credentials)?;
    let witness = match &asked.cosigner {
        // What the witness refuses the mirror has kept as evidence already.
        Some((key, state)) => Some(own_witness::open(key, state, asked.keys.clone())?),
        None => None,
    };
    let anchors = Anchors { logs: asked.keys, genesis: asked.genesis };
    let hashes_alone = asked.scope == Scope::Hashes;
    let mirror = Mirror::open(&asked.dir, anchors, asked.scope).await?;
    let mut mirror = mirror.following(Box::new(LogAuthority::default())).await?;
    for path in mirror.evidence()? {
        eprintln!("evidence against the log is kept in {}", path.display());
    }
    loop {
        let (ended, accused) = match mirror.step(&from).await {
            Ok(step) => {
                told(&step, &asked.dir, asked.every.is_none())?;
                if let Some(witness) = &witness {
                    cosign(&mirror, witness).await?;
                }
                (0, false)
            }
            Err(error) => {
                let ended = refused(&error, &mirror)?;
                if hashes_alone && matches!(error, StepError::Untrusted(_)) {
                    eprintln!("{KEYS_BY_HAND}");
                }
                (ended, error.accuses_log())
            }
        };
        // What accuses the log does not pass: whoever watches is to be told by the end of the watch.
        let Some(every) = asked.every.filter(|_| !accused) else { return Ok(ended) };
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            () = stop_asked() => return Ok(0),
        }
    }
}

/// Copies a whole log into a new directory, once; the status that ends the command if it cannot be copied.
pub(super) async fn copy(
    url: &str,
    dir: &Path,
    anchors: Anchors,
    credentials: &Credentials,
) -> Result<Option<u8>> {
    let from = Http::new(url, credentials)?;
    let mirror = Mirror::open(dir, anchors, Scope::Whole).await?;
    let mut mirror = mirror.following(Box::new(LogAuthority::default())).await?;
    match mirror.step(&from).await {
        Ok(_) => Ok(None),
        Err(error) => Ok(Some(refused(&error, &mirror)?)),
    }
}

fn told(step: &witness::Step, dir: &Path, even_without_news: bool) -> Result<()> {
    if step.foreign > 0 {
        eprintln!("the server sent {} records of other sites' subjects; they were not kept", step.foreign);
    }
    if step.size == step.from && !even_without_news {
        return Ok(());
    }
    print(&format!(
        "copied {} to {} records under root {}: {} tiles, {} records written; check it with `trialbook-verify {}`",
        step.from,
        step.size,
        step.root,
        step.tiles,
        step.records,
        dir.join("log").display()
    ))
}

async fn cosign(mirror: &Mirror, witness: &Witness) -> Result<()> {
    if let Some(own) = mirror.cosign(witness).await? {
        print(&format!("cosigned {} records, in {}", own.checkpoint.claim().size, own.path.display()))?;
    }
    Ok(())
}

/// Says why a step was not taken; the status for it.
fn refused(error: &StepError, mirror: &Mirror) -> Result<u8> {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    eprintln!("not copied: {text}");
    if error.accuses_log() {
        for path in mirror.evidence()? {
            eprintln!("evidence against the log is kept in {}", path.display());
        }
        return Ok(status::BROKEN);
    }
    Ok(match error {
        StepError::Fetch { source: FetchError::Forbidden, .. } => status::NOT_PERMITTED,
        StepError::Fetch { .. } | StepError::Disk(_) => status::ENVIRONMENT,
        _ => status::BROKEN,
    })
}
