//! A deployment in this process: every trial of a data directory, behind the trait that HTTP and the console speak to.

mod earlier;
mod engine;
mod evidence;
mod folds;
mod reads;
mod refused;
mod rehearsal;
mod replicas;
mod reports;
mod review;
mod running;
mod sealing;
mod services;
mod text_keys;
mod verification;
mod workings;

pub(crate) use engine::{Engine, Log};
pub(crate) use sealing::Sealing;
pub(crate) use services::Services;
pub(crate) use verification::{DurableRecords, JournalRecords};

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use anyhow::Context as _;
use api::{Answer, Covers, LastVerification, Problem, Verified, problem_of_refusal};
use chain::Position;
use clinical::{Referenced, References, Refusal, RefusalCode, TrialId};
use journal::sequencer::SubmitError;
use keep::{Keep, RefusedSubmissions};
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
    engine: Engine,
    services: Services,
    trials: RwLock<Trials>,
    /// Held while a new trial is made: two openings of one trial must not meet in its directory.
    opening: Mutex<()>,
    keep: Keep,
    /// What was refused lately, where submissions are taken.
    refused: Option<RefusedSubmissions>,
    /// Another registrar, if it is that one that keeps the subjects' text keys.
    text_keys_at: OnceLock<api::Client>,
    verified: RwLock<BTreeMap<TrialId, LastVerification>>,
    /// How logs are sealed; not at all until it is set.
    sealing: OnceLock<Sealing>,
    /// What was found of the logs' copies on their servers; nothing until somebody looks.
    replicas: OnceLock<Arc<replicas::Replicas>>,
    metrics: metrics_exporter_prometheus::PrometheusHandle,
}

/// The trials of a deployment.
#[derive(Default)]
struct Trials {
    running: BTreeMap<TrialId, Arc<Running>>,
    /// Those that could not be opened, and why: trials share nothing, so one that is damaged keeps no other from its work.
    closed: BTreeMap<TrialId, String>,
}

/// How often a notary is asked whether it has checked.
const CHECKED_ASK_EVERY: std::time::Duration = std::time::Duration::from_millis(20);

/// Below so many submissions a request is prepared on one thread: starting another costs about what two cost.
const PARALLEL_MIN: usize = 32;

impl Deployment {
    /// Opens all trials of `data`, whose lock the caller holds, with all services.
    pub(crate) fn open(data: Data, lock: Lock) -> anyhow::Result<Self> {
        Self::open_with(data, lock, Engine::Files, Services::ALL)
    }

    /// Opens all trials of `engine` for these services. What they keep is in `data`, whose lock the caller holds.
    pub(crate) fn open_with(
        data: Data,
        lock: Lock,
        engine: Engine,
        services: Services,
    ) -> anyhow::Result<Self> {
        let keep = Keep::open(&data.keep(), data.text_key_encryption_key()?)
            .with_context(|| format!("cannot open {}", data.keep().display()))?;
        let refused = services.registrar.then(|| {
            let path = data.refused();
            RefusedSubmissions::open(&path).with_context(|| format!("cannot open {}", path.display()))
        });
        let refused = refused.transpose()?;
        let deployment = Self(Arc::new(Inner {
            data,
            lock,
            engine,
            services,
            trials: RwLock::default(),
            opening: Mutex::new(()),
            keep,
            refused,
            text_keys_at: OnceLock::new(),
            verified: RwLock::default(),
            sealing: OnceLock::new(),
            replicas: OnceLock::new(),
            metrics: crate::logging::metrics(),
        }));
        deployment.look_for_trials()?;
        Ok(deployment)
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

    /// Opens the trials that are there and are not at work yet. Blocks.
    ///
    /// # Errors
    /// It cannot be found out which there are.
    pub(crate) fn look_for_trials(&self) -> anyhow::Result<()> {
        let _opening = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        for trial in self.engine.trials(&self.data)? {
            if self.trials.read().unwrap_or_else(PoisonError::into_inner).running.contains_key(&trial) {
                continue;
            }
            let opened = self.open_trial(&trial);
            let mut trials = self.trials.write().unwrap_or_else(PoisonError::into_inner);
            match opened {
                Ok(running) => {
                    trials.closed.remove(&trial);
                    trials.running.insert(trial, running);
                }
                Err(error) => {
                    let why = format!("{error:#}");
                    if trials.closed.get(&trial) != Some(&why) {
                        tracing::error!(trial = %trial, "the trial is not served: {why}");
                        trials.closed.insert(trial, why);
                    }
                }
            }
        }
        Ok(())
    }

    /// Opens a trial that is there, and has it sealed if logs are.
    fn open_trial(&self, trial: &TrialId) -> anyhow::Result<Arc<Running>> {
        let running = Running::open(&self.data, trial, &self.engine, self.services)?;
        check_anchors(&self.data, &running)?;
        if let Some(sealing) = self.sealing.get() {
            running.start_sealing(&self.data, sealing)?;
        }
        Ok(Arc::new(running))
    }

    /// Holds this machine's clock against that of the logs' servers. Blocks.
    pub(crate) fn compare_clocks(&self) {
        for running in self.all() {
            let Ok(registrar) = running.registrar() else { continue };
            let Some(ahead) = running.log.clock_ahead() else { continue };
            let differed = registrar.clock_differs().is_some();
            registrar.compare_clock(ahead);
            if registrar.clock_differs().is_some() != differed {
                tracing::error!(trial = %running.trial, "the clock is {} ms ahead of the log's servers", ahead / 1_000);
            }
        }
    }

    /// Why some registrar takes no more submissions until it is opened anew, if one does not.
    pub(crate) fn failed_registrar(&self) -> Option<String> {
        self.all().iter().find_map(|running| {
            let refusal = running.registrar().ok()?.refusal()?;
            Some(format!("trial {}: {:#}", running.trial, anyhow::Error::from(refusal)))
        })
    }

    fn running(&self, trial: &TrialId) -> Result<Arc<Running>, Problem> {
        let trials = self.trials.read().unwrap_or_else(PoisonError::into_inner);
        match (trials.running.get(trial), trials.closed.get(trial)) {
            (Some(running), _) => Ok(Arc::clone(running)),
            // Why is for operators: readiness tells them.
            (None, Some(_)) => Err(Problem::unavailable(format!("trial {trial} is not served just now"))),
            (None, None) => Err(Problem::not_found(format!("there is no trial {trial}"))),
        }
    }

    /// A trial that is sealed here.
    fn running_of_notary(&self, trial: &TrialId) -> Result<Arc<Running>, Problem> {
        let running = self.running(trial)?;
        if self.services.notary {
            Ok(running)
        } else {
            Err(Problem::not_served("what is signed of the log is its notary's to say"))
        }
    }

    /// Has questions about text keys answered by another registrar from now on. Once; a second call changes nothing.
    pub(crate) fn keep_text_keys_at(&self, keeper: api::Client) {
        let _ = self.text_keys_at.set(keeper);
    }

    /// Has every log sealed from now on, of trials that are opened later too. Once; a second call changes nothing.
    pub(crate) fn seal(&self, sealing: Sealing) {
        let sealing = self.sealing.get_or_init(|| sealing);
        for running in self.all() {
            if let Err(error) = running.start_sealing(&self.data, sealing) {
                tracing::error!(trial = %running.trial, "no checkpoints are signed: {error:#}");
            }
        }
    }

    /// Waits until a checkpoint covers what is durable now. Blocks.
    pub(crate) fn wait_sealed(
        &self,
        trial: &TrialId,
        timeout: std::time::Duration,
    ) -> anyhow::Result<notary::Sealed> {
        let running = self.running(trial)?;
        let watch = running.sealing().context("the log is not sealed here")?;
        Ok(watch.wait_sealed(running.journal.head().size, timeout)?)
    }

    /// Waits until the notary of `trial` has checked journal, archive and state, so that it is known whether it refuses. Blocks.
    pub(crate) fn wait_checked(&self, trial: &TrialId, timeout: std::time::Duration) {
        let Ok(Some(watch)) = self.running(trial).map(|running| running.sealing()) else { return };
        let begun = std::time::Instant::now();
        while watch.status().phase == notary::Phase::Checking && begun.elapsed() < timeout {
            std::thread::sleep(CHECKED_ASK_EVERY);
        }
    }

    fn all(&self) -> Vec<Arc<Running>> {
        let trials = self.trials.read().unwrap_or_else(PoisonError::into_inner);
        trials.running.values().cloned().collect()
    }

    /// Trials that could not be opened, each with the reason.
    fn closed(&self) -> BTreeMap<TrialId, String> {
        self.trials.read().unwrap_or_else(PoisonError::into_inner).closed.clone()
    }

    /// Opens a new trial: decides on its first event before anything is made on disk, and leaves nothing there if it
    /// is not recorded.
    fn open_new(&self, submission: &[u8]) -> Result<Answer, Problem> {
        let event = match check_opening(submission) {
            Ok(event) => event,
            Err(refusal) => return Ok(Answer::Refused { problem: problem_of_refusal(&refusal) }),
        };
        let _opening = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        let running = match self.running(&event.trial) {
            Ok(running) => running,
            Err(problem) if problem.status == 404 => self.make(&event.trial)?,
            Err(problem) => return Err(problem),
        };
        let answered = submit_blocking(&running, &[submission.to_vec()]);
        if running.journal.head().size.0 == 0 {
            self.unmake(running);
        } else {
            check_anchors(&self.data, &running).map_err(|error| Problem::internal(format!("{error:#}")))?;
            if let Some(sealing) = self.sealing.get() {
                let started = running.start_sealing(&self.data, sealing);
                started.map_err(|error| Problem::internal(format!("{error:#}")))?;
            }
        }
        answered?.into_iter().next().ok_or_else(|| Problem::internal("no answer"))
    }

    fn make(&self, trial: &TrialId) -> Result<Arc<Running>, Problem> {
        let dir = self.data.trial(trial);
        let opened = Running::create(&self.data, trial, &self.engine, self.services);
        let running = Arc::new(opened.map_err(|error| {
            remove_unopened(&dir);
            Problem::internal(format!("{error:#}"))
        })?);
        let mut trials = self.trials.write().unwrap_or_else(PoisonError::into_inner);
        trials.running.insert(trial.clone(), Arc::clone(&running));
        Ok(running)
    }

    /// Takes back a trial that was made and not opened.
    fn unmake(&self, running: Arc<Running>) {
        let trial = running.trial.clone();
        self.trials.write().unwrap_or_else(PoisonError::into_inner).running.remove(&trial);
        drop(running);
        remove_unopened(&self.data.trial(&trial));
    }

    /// What an answer made from `projector`'s rows covers.
    fn covers(&self, running: &Running, projector: &ProjectorHandle, mark: Mark) -> Covers {
        let status = projector.status();
        let stopped = match &status.state {
            State::Stopped { reason } => Some(reason.to_string()),
            State::Running | State::Rebuilding | State::Closed => None,
        };
        // The rows' own mark, which the projector may have passed by now.
        Covers { stopped, ..self.covers_first(running, mark.size, chain::RecordHash(mark.hash)) }
    }

    /// What an answer made from the journal itself covers.
    fn covers_journal(&self, running: &Running) -> Covers {
        let head = running.journal.head();
        Covers { lag_records: 0, ..self.covers_first(running, head.size.0, head.hash) }
    }

    /// What an answer made from the first `records` records covers, the last of which has this hash.
    fn covers_first(&self, running: &Running, records: u64, head: chain::RecordHash) -> Covers {
        Covers {
            head,
            lag_records: running.journal.head().size.0.saturating_sub(records),
            records,
            recorded_at: running.recorded_at(records),
            stopped: None,
            verified: self.verified(&running.trial),
        }
    }

    fn verified(&self, trial: &TrialId) -> Option<Verified> {
        let verified = self.verified.read().unwrap_or_else(PoisonError::into_inner);
        let last = verified.get(trial)?;
        Some(Verified { at: last.at, records: last.records, verdict: last.verdict.clone() })
    }

    fn last_verified(&self, trial: &TrialId) -> Option<LastVerification> {
        self.verified.read().unwrap_or_else(PoisonError::into_inner).get(trial).cloned()
    }

    /// Waits until every read model of `trial` covers what is durable now.
    pub(crate) fn settle(&self, trial: &TrialId, timeout: std::time::Duration) -> bool {
        let Ok(running) = self.running(trial) else { return false };
        let size = running.journal.head().size;
        running.projectors().iter().all(|(_, projector)| projector.wait_for(size, timeout))
    }
}

/// Removes what was made for a trial that no record opens.
fn remove_unopened(dir: &Path) {
    if let Err(error) = std::fs::remove_dir_all(dir) {
        // It is in nobody's way: an empty journal opens as a trial that is not open yet.
        tracing::warn!(dir = %dir.display(), "what was made for a trial that was not opened stays: {error}");
    }
}

/// Holds the log against the anchors beside it, and writes them where a crash after the opening left none. A log that
/// begins otherwise than the one that was opened here is another one, put in its place.
fn check_anchors(data: &Data, running: &Running) -> anyhow::Result<()> {
    let public = running.public();
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
pub(crate) struct NoReferences;

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
    let registrar = running.registrar()?;
    let one = |submission: &Vec<u8>| registrar.prepare(submission);
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
        Outcome::Rehearsed(_) => Answer::Refused { problem: Problem::internal("a submission was rehearsed") },
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
        running.registrar()?.submit_and_wait(sorted.prepared).map_err(|error| submit_problem(&error))?;
    answers(sorted.refused, outcomes)
}

/// Most bytes of events that one request puts into the sequencer's queue as one piece. A journal takes batches of
/// 16 MiB, and the sequencer closes one at 4 MiB: a piece more always fits, whatever a client sends.
const PIECE_BYTES_MAX: usize = 1 << 20;

/// Most records that such a piece makes: half of what the distributed engine takes in one append.
const PIECE_RECORDS_MAX: usize = 500;

/// Cuts prepared submissions into pieces, in order.
fn pieces(prepared: Vec<Prepared>) -> Vec<Vec<Prepared>> {
    let mut pieces: Vec<Vec<Prepared>> = Vec::new();
    let mut bytes = 0;
    for one in prepared {
        let is_full = |piece: &Vec<Prepared>| {
            piece.len() >= PIECE_RECORDS_MAX || bytes + one.event_bytes() > PIECE_BYTES_MAX
        };
        if pieces.last().is_none_or(is_full) {
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

/// Most bytes of submissions that are worked on at once in one trial, in KiB: what comes beyond them waits outside the
/// sequencer's queue, which counts pieces. Four of the largest requests.
const ROOM_KIB: u32 = 64 << 10;

/// Submits without holding a thread while the disk works.
async fn submit(running: &Arc<Running>, submissions: &Arc<Vec<Vec<u8>>>) -> Result<Vec<Answer>, Problem> {
    let bytes: usize = submissions.iter().map(Vec::len).sum();
    let kib = u32::try_from(bytes / 1024 + 1).unwrap_or(u32::MAX).min(ROOM_KIB);
    let _room =
        running.room.acquire_many(kib).await.map_err(|_| Problem::unavailable("the trial is closing"))?;
    let preparing = tracing::info_span!("submission.prepare", bytes = i64::try_from(bytes).ok());
    let results = if submissions.len() == 1 {
        // One signature takes 40 µs: handing it to another thread would cost a fifth of that and win nothing.
        let prepared = preparing.in_scope(|| prepare(running, submissions));
        drop(preparing);
        prepared?
    } else {
        let (running, submissions) = (Arc::clone(running), Arc::clone(submissions));
        let work = move || preparing.in_scope(|| prepare(&running, &submissions));
        let prepared = tokio::task::spawn_blocking(work).await;
        prepared.map_err(|_| Problem::internal("preparing the submissions failed"))??
    };
    let sorted = sort(results);
    let mut waiting = Vec::new();
    for piece in pieces(sorted.prepared) {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        running.registrar()?.submit(piece, move |outcome| {
            // A client that is gone does not hear its answer; resubmitting gives it again.
            let _ = sender.send(outcome);
        });
        waiting.push(receiver);
    }
    let mut outcomes = Vec::new();
    for receiver in waiting {
        let answered =
            receiver.await.map_err(|_| Problem::outcome_unknown("the registrar gave no answer"))?;
        outcomes.extend(answered.map_err(|error| submit_problem(&error))?.into_outcomes());
    }
    answers(sorted.refused, outcomes)
}
