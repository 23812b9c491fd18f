//! A deployment in this process: every trial of a data directory, behind the trait that HTTP and the console speak to.

mod folds;
mod reads;
mod running;
mod text_keys;
mod verification;

pub(crate) use verification::JournalRecords;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use anyhow::Context as _;
use api::{Answer, Covers, Problem, Verified, problem_of_refusal};
use chain::Position;
use clinical::{Referenced, References, Refusal, RefusalCode, TrialId};
use journal::Journal as _;
use journal::sequencer::SubmitError;
use keep::Keep;
use projector::{ProjectorHandle, State};
use readmodel::Mark;
use registrar::{Outcome, Prepared};

use crate::data::{Data, Lock, replace};
use running::Running;

/// Every trial of a data directory. Clones are the same deployment.
#[derive(Clone)]
pub(crate) struct Deployment(Arc<Inner>);

pub(crate) struct Inner {
    data: Data,
    lock: Lock,
    trials: RwLock<BTreeMap<TrialId, Arc<Running>>>,
    keep: Keep,
    verified: RwLock<BTreeMap<TrialId, Verified>>,
    metrics: metrics_exporter_prometheus::PrometheusHandle,
}

/// Below so many submissions a request is prepared on one thread: starting another costs about what two cost.
const PARALLEL_MIN: usize = 32;

impl Deployment {
    /// Opens all trials of `data`, whose lock the caller holds.
    pub(crate) fn open(data: Data, lock: Lock) -> anyhow::Result<Self> {
        let keep = Keep::open(&data.keep(), data.text_key_encryption_key()?)
            .with_context(|| format!("cannot open {}", data.keep().display()))?;
        let mut trials = BTreeMap::new();
        for trial in data.trials()? {
            let running = Running::open(&trial, &data.trial(&trial))
                .with_context(|| format!("cannot open trial {trial}"))?;
            check_anchors(&data, &running)?;
            trials.insert(trial, Arc::new(running));
        }
        Ok(Self(Arc::new(Inner {
            data,
            lock,
            trials: RwLock::new(trials),
            keep,
            verified: RwLock::default(),
            metrics: crate::logging::metrics(),
        })))
    }
}

impl std::ops::Deref for Deployment {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl Inner {
    pub(crate) fn lock(&self) -> &Lock {
        &self.lock
    }

    pub(crate) fn data(&self) -> &Data {
        &self.data
    }

    fn running(&self, trial: &TrialId) -> Result<Arc<Running>, Problem> {
        let trials = self.trials.read().unwrap_or_else(PoisonError::into_inner);
        trials.get(trial).cloned().ok_or_else(|| Problem::not_found(format!("there is no trial {trial}")))
    }

    fn all(&self) -> Vec<Arc<Running>> {
        self.trials.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Opens a new trial: decides on its first event before anything is made on disk.
    fn open_new(&self, submission: &[u8]) -> Result<Answer, Problem> {
        let event = match check_opening(submission) {
            Ok(event) => event,
            Err(refusal) => return Ok(Answer::Refused { problem: problem_of_refusal(&refusal) }),
        };
        let trial = event.trial.clone();
        let mut trials = self.trials.write().unwrap_or_else(PoisonError::into_inner);
        let running = if let Some(running) = trials.get(&trial) {
            Arc::clone(running)
        } else {
            let dir = self.data.trial(&trial);
            std::fs::create_dir_all(&dir).map_err(|error| Problem::internal(error.to_string()))?;
            let opened = Running::open(&trial, &dir);
            let running = Arc::new(opened.map_err(|error| Problem::internal(format!("{error:#}")))?);
            trials.insert(trial.clone(), Arc::clone(&running));
            running
        };
        drop(trials);
        let answers = submit_blocking(&running, &[submission.to_vec()])?;
        let answer = answers.into_iter().next().ok_or_else(|| Problem::internal("no answer"))?;
        check_anchors(&self.data, &running).map_err(|error| Problem::internal(format!("{error:#}")))?;
        Ok(answer)
    }

    /// What an answer made from `projector`'s rows covers.
    fn covers(&self, running: &Running, projector: &ProjectorHandle, mark: Mark) -> Covers {
        let status = projector.status();
        let stopped = match &status.state {
            State::Stopped { reason } => Some(reason.to_string()),
            State::Running | State::Rebuilding | State::Closed => None,
        };
        // The rows' own mark, which the projector may have passed by now.
        Covers {
            head: chain::RecordHash(mark.hash),
            lag_records: running.journal.head().size.0.saturating_sub(mark.size),
            records: mark.size,
            stopped,
            verified: self.verified(&running.trial),
        }
    }

    /// What an answer made from the journal itself covers.
    fn covers_journal(&self, running: &Running) -> Covers {
        let head = running.journal.head();
        Covers {
            head: head.hash,
            lag_records: 0,
            records: head.size.0,
            stopped: None,
            verified: self.verified(&running.trial),
        }
    }

    fn verified(&self, trial: &TrialId) -> Option<Verified> {
        self.verified.read().unwrap_or_else(PoisonError::into_inner).get(trial).cloned()
    }

    /// Waits until every read model of `trial` covers what is durable now.
    pub(crate) fn settle(&self, trial: &TrialId, timeout: std::time::Duration) -> bool {
        let Ok(running) = self.running(trial) else { return false };
        let size = running.journal.head().size;
        running.projectors().iter().all(|(_, projector)| projector.wait_for(size, timeout))
    }
}

/// Holds the log against the anchors beside it, and writes them where a crash after the opening left none. A log that
/// begins otherwise than the one that was opened here is another one, put in its place.
fn check_anchors(data: &Data, running: &Running) -> anyhow::Result<()> {
    let public = running.registrar.public();
    let Some(opening) = &public.opening else { return Ok(()) };
    for (name, due) in [("genesis", opening.genesis.to_string()), ("log.vkey", opening.log_key.clone())] {
        let path = data.trial(&running.trial).join(name);
        let Ok(kept) = std::fs::read_to_string(&path) else {
            replace(&path, format!("{due}\n").as_bytes())?;
            continue;
        };
        anyhow::ensure!(
            kept.trim() == due,
            "the log of trial {} says {due}, but {} says {}: it is not the log that was opened here",
            running.trial,
            path.display(),
            kept.trim()
        );
    }
    Ok(())
}

/// No record precedes the first.
struct NoReferences;

impl References for NoReferences {
    fn record(&self, _: Position) -> Option<Referenced> {
        None
    }
}

/// Reads, authenticates and decides an opening.
fn check_opening(submission: &[u8]) -> Result<clinical::Event, Refusal> {
    let prepared = registrar::read(submission)?;
    let event = prepared.event();
    clinical::decide(None, event, prepared.bytes(), event.signed_at, &NoReferences)?;
    let key = clinical::decide::signing_key(None, event)
        .ok_or_else(|| Refusal::new(RefusalCode::KeyUnknown, "/key", RefusalCode::KeyUnknown.meaning()))?;
    prepared.verify(&key)?;
    Ok(event.clone())
}

/// Prepares submissions on as many threads as pay, in order.
fn prepare(running: &Running, submissions: &[Vec<u8>]) -> Result<Vec<Result<Prepared, Refusal>>, Problem> {
    let one = |submission: &Vec<u8>| running.registrar.prepare(submission);
    let threads = threads();
    if submissions.len() < PARALLEL_MIN || threads == 1 {
        return Ok(submissions.iter().map(one).collect());
    }
    let share = submissions.len().div_ceil(threads);
    std::thread::scope(|scope| {
        let parts: Vec<_> = submissions
            .chunks(share)
            .map(|part| scope.spawn(move || part.iter().map(one).collect::<Vec<_>>()))
            .collect();
        let mut prepared = Vec::with_capacity(submissions.len());
        for part in parts {
            prepared.extend(part.join().map_err(|_| Problem::internal("preparing the submissions failed"))?);
        }
        Ok(prepared)
    })
}

/// How many threads the machine has. The system takes 18 µs to say so: it is asked once.
fn threads() -> usize {
    static THREADS: OnceLock<usize> = OnceLock::new();
    *THREADS.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from))
}

/// Splits what was prepared into what goes to the sequencer and what is refused already.
struct Sorted {
    prepared: Vec<Prepared>,
    /// One for each submission: the refusal, or `None` where the sequencer answers.
    refused: Vec<Option<Refusal>>,
}

fn sort(results: Vec<Result<Prepared, Refusal>>) -> Sorted {
    let mut sorted =
        Sorted { prepared: Vec::with_capacity(results.len()), refused: Vec::with_capacity(results.len()) };
    for result in results {
        match result {
            Ok(prepared) => {
                sorted.prepared.push(prepared);
                sorted.refused.push(None);
            }
            Err(refusal) => sorted.refused.push(Some(refusal)),
        }
    }
    sorted
}

/// Puts refusals and outcomes back into the order of the submissions.
fn answers(refused: Vec<Option<Refusal>>, outcomes: Vec<Outcome>) -> Result<Vec<Answer>, Problem> {
    let mut outcomes = outcomes.into_iter();
    refused
        .into_iter()
        .map(|refusal| match refusal {
            Some(refusal) => Ok(refused_answer(&refusal)),
            None => outcomes.next().map(answer).ok_or_else(|| Problem::internal("an answer is missing")),
        })
        .collect()
}

fn refused_answer(refusal: &Refusal) -> Answer {
    metrics::counter!("trialbook_submissions_total", "outcome" => "refused").increment(1);
    Answer::Refused { problem: problem_of_refusal(refusal) }
}

fn answer(outcome: Outcome) -> Answer {
    match outcome {
        Outcome::Recorded(receipt) => {
            metrics::counter!("trialbook_submissions_total", "outcome" => "recorded").increment(1);
            Answer::Recorded { receipt }
        }
        Outcome::Repeated(receipt) => {
            metrics::counter!("trialbook_submissions_total", "outcome" => "repeated").increment(1);
            Answer::Repeated { receipt }
        }
        Outcome::Refused(refusal) => refused_answer(&refusal),
        Outcome::Unready(unready) => Answer::Refused { problem: Problem::unavailable(unready.to_string()) },
    }
}

fn submit_problem(error: &SubmitError) -> Problem {
    match error {
        SubmitError::Full { .. } => Problem::unavailable(error.to_string()),
        SubmitError::Stopped => Problem::unavailable("the registry is stopping"),
        SubmitError::Append(_) | SubmitError::Read(_) => Problem::outcome_unknown(error.to_string()),
    }
}

fn submit_blocking(running: &Running, submissions: &[Vec<u8>]) -> Result<Vec<Answer>, Problem> {
    let sorted = sort(prepare(running, submissions)?);
    let outcomes =
        running.registrar.submit_and_wait(sorted.prepared).map_err(|error| submit_problem(&error))?;
    answers(sorted.refused, outcomes)
}

/// Most bytes of events that one request puts into the sequencer's queue as one piece. A journal takes batches of
/// 16 MiB, and the sequencer closes one at 4 MiB: a piece more always fits, whatever a client sends.
const PIECE_BYTES_MAX: usize = 1 << 20;

/// Cuts prepared submissions into pieces, in order.
fn pieces(prepared: Vec<Prepared>) -> Vec<Vec<Prepared>> {
    let mut pieces: Vec<Vec<Prepared>> = Vec::new();
    let mut bytes = 0;
    for one in prepared {
        if pieces.is_empty() || bytes + one.event_bytes() > PIECE_BYTES_MAX {
            pieces.push(Vec::new());
            bytes = 0;
        }
        bytes += one.event_bytes();
        if let Some(piece) = pieces.last_mut() {
            piece.push(one);
        }
    }
    pieces
}

/// Submits without holding a thread while the disk works.
async fn submit(running: Arc<Running>, submissions: Vec<Vec<u8>>) -> Result<Vec<Answer>, Problem> {
    let results = if submissions.len() == 1 {
        // One signature takes 40 µs: handing it to another thread would cost a fifth of that and win nothing.
        prepare(&running, &submissions)?
    } else {
        let running = Arc::clone(&running);
        let prepared = tokio::task::spawn_blocking(move || prepare(&running, &submissions)).await;
        prepared.map_err(|_| Problem::internal("preparing the submissions failed"))??
    };
    let sorted = sort(results);
    let mut waiting = Vec::new();
    for piece in pieces(sorted.prepared) {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        running.registrar.submit(piece, move |outcome| {
            // A client that is gone does not hear its answer; resubmitting gives it again.
            let _ = sender.send(outcome);
        });
        waiting.push(receiver);
    }
    let mut outcomes = Vec::new();
    for receiver in waiting {
        let answered =
            receiver.await.map_err(|_| Problem::outcome_unknown("the registrar gave no answer"))?;
        outcomes.extend(answered.map_err(|error| submit_problem(&error))?);
    }
    answers(sorted.refused, outcomes)
}
