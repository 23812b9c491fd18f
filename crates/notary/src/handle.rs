//! Starting a notary, and what others hold of it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use archive::Archive;
use chain::policy::Policy;
use chain::{SignedCheckpoint, TreeSize};
use journal::Journal;
use keep::Checkpoints;

use crate::keys::LogKeys;
use crate::run::{Runner, Settings, key_of};
use crate::sealer::Desk;
use crate::shared::{Asked, Phase, Sealed, Shared, Status, Stop, WitnessStatus};
use crate::witness::{WitnessClient, attend};

/// What a notary works with.
pub struct Parts {
    /// The log.
    pub journal: Arc<dyn Journal>,
    /// Where it is sealed to. This notary, and others of the same state, alone write there.
    pub archive: Archive,
    /// Where the last checkpoints are kept, best on another volume than journal and archive.
    pub checkpoints: Arc<Checkpoints>,
    /// The log's keys.
    pub keys: Arc<dyn LogKeys>,
    /// The time, for what is shown.
    pub clock: Arc<dyn Fn() -> chain::Instant + Send + Sync>,
    /// Whom to ask for cosignatures.
    pub witnesses: Vec<Box<dyn WitnessClient>>,
    /// Which cosignatures make a checkpoint witnessed. Without it there are no witnesses.
    pub policy: Option<Policy>,
    /// How often, how much, how long.
    pub settings: Settings,
}

/// Why a notary was not started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The policy names no such witness, so that its cosignatures could not be checked.
    #[error("the policy names no witness {name}")]
    UnknownWitness {
        /// Its name.
        name: String,
    },
    /// The system gave no thread or no runtime.
    #[error("{op} failed")]
    Io {
        /// What was tried.
        op: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Why something was not waited for to the end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WaitError {
    /// It has not come in that time.
    #[error("it has not come to that in time")]
    TimedOut,
    /// It will never come: the notary has ended.
    #[error("the notary has stopped")]
    Stopped(Stop),
    /// It will never come: no policy asks for witnesses.
    #[error("no policy says whose cosignatures to wait for")]
    NoPolicy,
}

/// A running notary. Dropped, it ends at its next step, with records left unsealed; [`NotaryHandle::stop`] seals them.
pub struct NotaryHandle {
    watch: Watch,
    thread: Option<JoinHandle<()>>,
}

/// Sees how a notary stands. Cheap to clone; outlives the notary.
#[derive(Clone)]
pub struct Watch {
    shared: Arc<Shared>,
    journal: Arc<dyn Journal>,
    has_policy: bool,
}

/// Starts a notary on a thread named `notary`, and one thread for each witness. It checks first, as the crate's
/// documentation says, and refuses in [`Status::phase`] rather than here: reading a long journal takes a while.
///
/// # Errors
/// [`StartError`].
pub fn start(parts: Parts) -> Result<NotaryHandle, StartError> {
    let Parts { journal, archive, checkpoints, keys, clock, witnesses, policy, settings } = parts;
    for witness in &witnesses {
        if policy.as_ref().and_then(|policy| key_of(policy, witness.name())).is_none() {
            return Err(StartError::UnknownWitness { name: witness.name().to_owned() });
        }
    }
    let runtime = || archive.blocking().map_err(|source| StartError::Io { op: "making a runtime", source });
    let spawning = |source| StartError::Io { op: "starting a thread", source };

    let shared = Arc::new(Shared::new(witnesses.iter().map(|witness| witness.name().to_owned())));
    // From here on an error ends the threads there are: the handle is dropped.
    let watch =
        Watch { shared: Arc::clone(&shared), journal: Arc::clone(&journal), has_policy: policy.is_some() };
    let mut handle = NotaryHandle { watch, thread: None };
    for (place, client) in witnesses.into_iter().enumerate() {
        let (shared, archive) = (Arc::clone(&shared), runtime()?);
        let name = format!("witness-{place}");
        // Never joined: it may be in a call for as long as the client likes.
        let attending = move || attend(place, &*client, &archive, &shared);
        thread::Builder::new().name(name).spawn(attending).map_err(spawning)?;
    }
    let origin = keys.origin().to_owned();
    let desk = Desk {
        origin,
        keys: Arc::clone(&keys),
        journal: Arc::clone(&journal),
        archive: runtime()?,
        keep: checkpoints,
    };
    let runner = Runner { shared: Arc::clone(&shared), journal, policy, keys, settings, clock };
    let running = move || {
        let stop = catch_unwind(AssertUnwindSafe(|| runner.run(desk))).unwrap_or(Stop::Panicked);
        shared.change(|state| state.phase = Phase::Stopped(stop));
    };
    handle.thread = Some(thread::Builder::new().name("notary".to_owned()).spawn(running).map_err(spawning)?);
    Ok(handle)
}

impl NotaryHandle {
    /// What sees how it stands.
    pub fn watch(&self) -> Watch {
        self.watch.clone()
    }

    /// Seals what is durable now, ends, and says how it stood. Blocks. Where sealing fails, it is tried a few times,
    /// and then left to the next start.
    #[must_use]
    pub fn stop(mut self) -> Status {
        self.watch.shared.change(|state| state.asked = Asked::Stop);
        if let Some(thread) = self.thread.take() {
            // A panic was caught and told.
            let _ = thread.join();
        }
        self.watch.status()
    }
}

impl Drop for NotaryHandle {
    fn drop(&mut self) {
        self.watch.shared.change(|state| {
            if state.asked == Asked::GoOn {
                state.asked = Asked::Abandon;
            }
        });
    }
}

impl Watch {
    /// How it stands.
    pub fn status(&self) -> Status {
        let head = self.journal.head().size;
        let state = self.shared.read();
        let signed = state.signed.map(|signed| signed.size);
        let seats = || state.seats.iter();
        Status {
            phase: state.phase.clone(),
            signed: state.signed,
            witnessed: state.witnessed,
            witnesses: seats()
                .map(|seat| WitnessStatus {
                    name: seat.name.clone(),
                    cosigned: seat.cosigned,
                    error: seat.error.clone(),
                })
                .collect(),
            missing: seats()
                .filter(|seat| seat.published.is_none() || seat.published != signed)
                .map(|seat| seat.name.clone())
                .collect(),
            lag_records: head.0.saturating_sub(signed.unwrap_or_default().0),
            last_error: state.last_error.clone(),
        }
    }

    /// Whether a policy says whose cosignatures make a checkpoint witnessed.
    pub fn has_policy(&self) -> bool {
        self.has_policy
    }

    /// The checkpoint in the archive, with the cosignatures it has.
    pub fn checkpoint(&self) -> Option<SignedCheckpoint> {
        self.shared.read().served.clone()
    }

    /// The last checkpoint with the cosignatures that the policy asks for. Its tiles stay in the archive.
    pub fn witnessed_checkpoint(&self) -> Option<SignedCheckpoint> {
        self.shared.read().quorum.clone()
    }

    /// Waits until a checkpoint over at least `size` records is in the archive. Blocks.
    ///
    /// # Errors
    /// [`WaitError`].
    pub fn wait_sealed(&self, size: TreeSize, timeout: Duration) -> Result<Sealed, WaitError> {
        self.wait(size, timeout, |shown| shown.signed)
    }

    /// Waits until such a checkpoint has the cosignatures that the policy asks for. Blocks.
    ///
    /// # Errors
    /// [`WaitError`].
    pub fn wait_witnessed(&self, size: TreeSize, timeout: Duration) -> Result<Sealed, WaitError> {
        if !self.has_policy {
            return Err(WaitError::NoPolicy);
        }
        self.wait(size, timeout, |shown| shown.witnessed)
    }

    /// Waits until it has stopped, and says why. Blocks.
    ///
    /// # Errors
    /// [`WaitError::TimedOut`].
    pub fn wait_stopped(&self, timeout: Duration) -> Result<Stop, WaitError> {
        let stopped = self.shared.wait(timeout, |state| match &state.phase {
            Phase::Stopped(stop) => Some(stop.clone()),
            Phase::Checking | Phase::Sealing => None,
        });
        stopped.ok_or(WaitError::TimedOut)
    }

    fn wait(
        &self,
        size: TreeSize,
        timeout: Duration,
        sealed: impl Fn(&crate::shared::State) -> Option<Sealed>,
    ) -> Result<Sealed, WaitError> {
        let found = self.shared.wait(timeout, |state| match (sealed(state), &state.phase) {
            (Some(sealed), _) if sealed.size >= size => Some(Ok(sealed)),
            (_, Phase::Stopped(stop)) => Some(Err(WaitError::Stopped(stop.clone()))),
            _ => None,
        });
        found.unwrap_or(Err(WaitError::TimedOut))
    }
}
