//! A trial's journal on a stream: opening it, and the contract of [`Journal`] over it.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_nats::{HeaderMap, Request, Subject};
use chain::{LinkedRecord, Position, TreeSize};
use journal::{AppendError, Head, Journal, ReadError};
use serde_json::{Map, Value};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::api::{self, ANSWER_WITHIN, ApiError, STREAM_NOT_FOUND, StreamInfo};
use crate::append::{Doubt, append};
use crate::bulk::Bulks;
use crate::cluster::{Cluster, Durability, Links};
use crate::config::{self, Difference};
use crate::follow::{self, LookError, follow};
use crate::proof::{self, Proof, ProofError};
use crate::read::read;
use crate::{APPEND_RECORDS_MAX, head_subject, log_subject, stream_name};

/// How long a proof holds: the servers are asked every minute, and may take some seconds to answer.
const PROOF_HOLDS: Duration = Duration::from_secs(75);

/// Why a trial's stream cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The trial's name cannot be a part of a subject.
    #[error("{trial} cannot be a trial's name")]
    Name {
        /// As given.
        trial: String,
    },
    /// There is no such stream.
    #[error("there is no stream {stream}")]
    Missing {
        /// Its name.
        stream: String,
    },
    /// The stream is there already.
    #[error("there is a stream {stream} already")]
    Exists {
        /// Its name.
        stream: String,
    },
    /// The stream is not as a log needs it.
    #[error("stream {stream} is not as a log needs it: {}", follow::list(differences))]
    Weaker {
        /// Its name.
        stream: String,
        /// Setting by setting.
        differences: Vec<Difference>,
    },
    /// The servers refuse, or do not answer.
    #[error(transparent)]
    Api(ApiError),
    /// What is there is damaged, or cannot be read.
    #[error(transparent)]
    Read(ReadError),
}

impl From<LookError> for OpenError {
    fn from(error: LookError) -> Self {
        match error {
            LookError::Api(error) => Self::Api(error),
            LookError::Weaker(differences) => Self::Weaker { stream: String::new(), differences },
            LookError::Read(error) => Self::Read(error),
            LookError::Behind { .. } | LookError::NoQuorum { .. } => Self::Api(ApiError::NoAnswer {
                subject: "the end of the stream".to_owned(),
                reason: error.to_string(),
            }),
        }
    }
}

/// Why the stream would not take a write now.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// No leader of the stream answers.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The leader did not refuse what it has to refuse.
    #[error("the stream's leader answers a write at an impossible place with: {answer}")]
    Unexpected {
        /// Its answer.
        answer: String,
    },
    /// Too few replicas keep up with the leader.
    #[error("of {servers} servers of the stream {current} are up to date")]
    NoQuorum {
        /// How many hold the stream.
        servers: usize,
        /// How many of them have what the leader has.
        current: usize,
    },
    /// Writes are not proven to be durable.
    #[error("{what}")]
    Unproven {
        /// Why not.
        what: String,
    },
    /// An append has not been settled yet.
    #[error("an append waits to be settled")]
    Doubt,
}

/// How a journal is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// The known end.
    pub head: Head,
    /// How long ago the end was last seen; `None` if never.
    pub seen_ago: Option<Duration>,
    /// What is the matter with seeing it, if something is.
    pub trouble: Option<String>,
    /// The last proof, if it still holds.
    pub proof: Option<Proof>,
}

/// What was last seen of the end.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) at: Option<Instant>,
    pub(crate) trouble: Option<String>,
    /// The stream was made weaker since it was opened.
    pub(crate) weaker: Option<String>,
}

struct Proven {
    at: Instant,
    /// [`Links::connects`] before it was asked.
    connects: u64,
    proof: Proof,
}

/// A stream and what is known of it, for tasks.
pub(crate) struct Stream {
    pub(crate) links: Arc<Links>,
    pub(crate) name: String,
    pub(crate) subject: Subject,
    pub(crate) hint: Subject,
    pub(crate) wanted: Map<String, Value>,
    /// Held for the whole of an append: one at a time.
    pub(crate) doubt: tokio::sync::Mutex<Option<Doubt>>,
    head: Mutex<Head>,
    grown: Condvar,
    seen: Mutex<Seen>,
    proven: Mutex<Option<Proven>>,
    pub(crate) bulks: Bulks,
}

impl Stream {
    pub(crate) fn head(&self) -> Head {
        *self.head.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The end is at least there. It never goes back.
    pub(crate) fn grow(&self, head: Head) {
        let mut known = self.head.lock().unwrap_or_else(PoisonError::into_inner);
        if head.size > known.size {
            *known = head;
            drop(known);
            self.grown.notify_all();
        }
    }

    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn proven(&self) -> MutexGuard<'_, Option<Proven>> {
        self.proven.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the servers for their proof and keeps it. What contradicts durability ends the last one; not being answered
    /// does not.
    pub(crate) async fn prove(&self) -> Result<Proof, ProofError> {
        let connects = self.links.connects();
        let proof = match &self.links.system {
            Some(system) => proof::prove(&self.links.log, system, &self.name).await,
            None => Err(ProofError::NobodyToAsk),
        };
        if let (Err(ProofError::Silent { .. } | ProofError::NotAsked { .. }), Some(system)) =
            (&proof, &self.links.system)
        {
            // The server that we are connected to may itself be cut off from the others.
            let _ = system.force_reconnect().await;
        }
        let mut proven = self.proven();
        match &proof {
            Ok(proof) => *proven = Some(Proven { at: Instant::now(), connects, proof: proof.clone() }),
            Err(error) if !error.is_transient() => *proven = None,
            Err(_) => {}
        }
        drop(proven);
        proof
    }

    /// The proof that holds: of this connection, and not too old.
    fn proof(&self) -> Option<Proof> {
        let proven = self.proven();
        let proven = proven.as_ref()?;
        let holds = proven.connects == self.links.connects() && proven.at.elapsed() < PROOF_HOLDS;
        holds.then(|| proven.proof.clone())
    }

    /// Whether records may be written now; asks for the proof if there is none. What is in the way otherwise, and whether
    /// it may pass by itself.
    pub(crate) async fn writable(&self) -> Result<(), (String, bool)> {
        if let Some(weaker) = &self.seen().weaker {
            return Err((weaker.clone(), false));
        }
        if self.links.durability == Durability::Play || self.proof().is_some() {
            return Ok(());
        }
        match self.prove().await {
            Ok(_) => Ok(()),
            Err(error) => Err((error.to_string(), error.is_transient())),
        }
    }
}

/// A trial's log on JetStream. Any number of them, in any number of processes, may write the same log: each position
/// goes to one.
pub struct NatsJournal {
    pub(crate) stream: Arc<Stream>,
    pub(crate) cluster: Arc<Cluster>,
    follower: JoinHandle<()>,
}

impl NatsJournal {
    /// Makes the stream of `trial` on `replicas` servers and opens it. Blocks.
    ///
    /// # Errors
    /// [`OpenError`]; [`OpenError::Exists`] if there is one.
    pub fn create(cluster: &Arc<Cluster>, trial: &str, replicas: usize) -> Result<Self, OpenError> {
        let stream = name(trial)?;
        let links = Arc::clone(&cluster.links);
        let wanted = config::wanted(trial, replicas);
        cluster.run(async move {
            match info(&links, &stream).await {
                Err(OpenError::Missing { .. }) => {}
                Ok(_) => return Err(OpenError::Exists { stream }),
                Err(error) => return Err(error),
            }
            let subject = format!("$JS.API.STREAM.CREATE.{stream}");
            let body = Value::Object(wanted);
            let asked = || api::ask::<StreamInfo>(&links.log, subject.clone(), Some(&body));
            // Making what was just made with the same settings changes nothing, so it may be asked again.
            patiently(&links, asked, ApiError::is_transient).await.map(drop).map_err(OpenError::Api)
        })?;
        Self::open(cluster, trial, replicas)
    }

    /// Opens the stream of `trial`, which has to be on `replicas` servers. Blocks.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(cluster: &Arc<Cluster>, trial: &str, replicas: usize) -> Result<Self, OpenError> {
        let stream = Arc::new(Stream {
            links: Arc::clone(&cluster.links),
            name: name(trial)?,
            subject: log_subject(trial).into(),
            hint: head_subject(trial).into(),
            wanted: config::wanted(trial, replicas),
            doubt: tokio::sync::Mutex::new(None),
            head: Mutex::new(Head::EMPTY),
            grown: Condvar::new(),
            seen: Mutex::new(Seen::default()),
            proven: Mutex::new(None),
            bulks: Bulks::default(),
        });
        let opening = Arc::clone(&stream);
        cluster.run(async move {
            info(&opening.links, &opening.name).await?;
            patiently(&opening.links, || follow::look(&opening), LookError::is_transient).await.map_err(
                |error| match error.into() {
                    OpenError::Weaker { differences, .. } => {
                        OpenError::Weaker { stream: opening.name.clone(), differences }
                    }
                    error => error,
                },
            )
        })?;
        let follower = cluster.spawn(follow(Arc::clone(&stream)));
        Ok(Self { stream, cluster: Arc::clone(cluster), follower })
    }

    /// Whether writes need proof.
    pub fn durability(&self) -> Durability {
        self.stream.links.durability
    }

    /// Asks the servers now whether what they acknowledge is on their disks. Blocks. Appends ask by themselves.
    ///
    /// # Errors
    /// [`ProofError`].
    pub fn prove(&self) -> Result<Proof, ProofError> {
        let stream = Arc::clone(&self.stream);
        self.cluster.run(async move { stream.prove().await })
    }

    /// How the journal is, from what is known already.
    pub fn health(&self) -> Health {
        let seen = self.stream.seen();
        let (seen_ago, trouble) = (seen.at.map(|at| at.elapsed()), seen.trouble.clone());
        drop(seen);
        Health { head: self.stream.head(), seen_ago, trouble, proof: self.stream.proof() }
    }

    /// Whether the stream would take a write, without writing: its leader has to refuse a message at an impossible
    /// place, a quorum has to be up to date, the proof has to hold, and no append may be waiting to be settled. Blocks.
    ///
    /// What only a write can show stays unseen: that a quorum stores it. A leader that has lost its quorum steps down
    /// within some 10 s, and is then missed here.
    ///
    /// # Errors
    /// [`ProbeError`].
    pub fn probe(&self) -> Result<(), ProbeError> {
        let stream = Arc::clone(&self.stream);
        self.cluster.run(async move { probe(&stream).await })
    }
}

async fn probe(stream: &Stream) -> Result<(), ProbeError> {
    stream.writable().await.map_err(|(what, _)| ProbeError::Unproven { what })?;
    if stream.doubt.try_lock().is_ok_and(|doubt| doubt.is_some()) {
        return Err(ProbeError::Doubt);
    }
    let mut headers = HeaderMap::new();
    headers.insert("Nats-Expected-Last-Sequence", u64::MAX.to_string());
    let request = Request::new().headers(headers).timeout(Some(ANSWER_WITHIN));
    let answer = stream.links.log.send_request(stream.subject.clone(), request).await.map_err(|error| {
        ApiError::NoAnswer { subject: stream.subject.to_string(), reason: error.to_string() }
    })?;
    let answer = String::from_utf8_lossy(&answer.payload).into_owned();
    let read: Option<Value> = serde_json::from_str(&answer).ok();
    let code = read.as_ref().and_then(|read| read.pointer("/error/err_code")).and_then(Value::as_u64);
    if code != Some(u64::from(api::WRONG_LAST_SEQUENCE)) {
        return Err(ProbeError::Unexpected { answer });
    }
    let group = api::stream_info(&stream.links.log, &stream.name).await?.cluster;
    let servers = 1 + group.replicas.len();
    let current = 1 + group.replicas.iter().filter(|replica| replica.current && !replica.is_away()).count();
    if current * 2 <= servers {
        return Err(ProbeError::NoQuorum { servers, current });
    }
    Ok(())
}

/// The stream's name, if the trial's can be a part of it: format.md's `[a-z0-9][a-z0-9-]{0,62}`.
fn name(trial: &str) -> Result<String, OpenError> {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if (1..=63).contains(&trial.len()) && trial.bytes().all(fits) && !trial.starts_with('-') {
        return Ok(stream_name(trial));
    }
    Err(OpenError::Name { trial: trial.to_owned() })
}

/// The stream, waiting for its leader.
async fn info(links: &Links, stream: &str) -> Result<StreamInfo, OpenError> {
    match patiently(links, || api::stream_info(&links.log, stream), ApiError::is_transient).await {
        Ok(info) => Ok(info),
        Err(error) if error.is(STREAM_NOT_FOUND) => Err(OpenError::Missing { stream: stream.to_owned() }),
        Err(error) => Err(OpenError::Api(error)),
    }
}

/// Asks until there is an answer or the time is over; `is_transient` says which errors are none.
pub(crate) async fn patiently<T, E, F: Future<Output = Result<T, E>>>(
    links: &Links,
    mut ask: impl FnMut() -> F,
    is_transient: impl Fn(&E) -> bool,
) -> Result<T, E> {
    let deadline = Instant::now() + links.settle_within;
    loop {
        match ask().await {
            Err(error) if is_transient(&error) && Instant::now() < deadline => {
                sleep(Duration::from_millis(100)).await;
            }
            answer => return answer,
        }
    }
}

impl Journal for NatsJournal {
    fn append(&self, expected: Head, records: &[LinkedRecord]) -> Result<Head, AppendError> {
        let (stream, records) = (Arc::clone(&self.stream), records.to_vec());
        self.cluster.run(async move { append(&stream, expected, records).await })
    }

    fn append_records_max(&self) -> usize {
        APPEND_RECORDS_MAX
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn read(&self, from: Position, bytes_max: usize) -> Result<Vec<LinkedRecord>, ReadError> {
        let end = self.stream.head().size.0;
        if from.0 >= end {
            return Ok(Vec::new());
        }
        let stream = Arc::clone(&self.stream);
        self.cluster.run(async move { read(&stream, from, bytes_max, end).await })
    }

    fn head(&self) -> Head {
        self.stream.head()
    }

    fn wait(&self, size: TreeSize, timeout: Duration) -> Head {
        let known = self.stream.head.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.stream.grown.wait_timeout_while(known, timeout, |head| head.size <= size);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Drop for NatsJournal {
    fn drop(&mut self) {
        self.follower.abort();
    }
}

impl fmt::Debug for NatsJournal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsJournal").field("stream", &self.stream.name).finish_non_exhaustive()
    }
}
