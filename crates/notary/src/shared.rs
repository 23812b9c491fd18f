//! What the notary's threads and those who watch it share.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chain::{RootHash, SignedCheckpoint, TreeSize};

use crate::refusal::Refusal;
use crate::witness::Outcome;

/// Longest pause before a witness that failed is asked again.
const PAUSE_MAX: Duration = Duration::from_mins(1);

/// A checkpoint that is out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sealed {
    /// How many records it covers.
    pub size: TreeSize,
    /// The root over them.
    pub root: RootHash,
    /// When, by the caller's clock; none if that was before this notary started.
    pub at: Option<chain::Instant>,
}

impl Sealed {
    pub(crate) fn new(checkpoint: &SignedCheckpoint, at: Option<chain::Instant>) -> Self {
        let claim = checkpoint.claim();
        Self { size: claim.size, root: claim.root, at }
    }
}

/// What a notary is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// It checks journal, archive, state and witnesses, and has signed nothing yet.
    Checking,
    /// It seals.
    Sealing,
    /// It has ended, for good.
    Stopped(Stop),
}

/// Why a notary has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// It was asked to.
    Asked,
    /// It will not sign.
    Refused(Refusal),
    /// A thread of it panicked; the message was printed.
    Panicked,
}

/// How one witness stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessStatus {
    /// The name that the policy has for it.
    pub name: String,
    /// Size of the last checkpoint it has cosigned, since this notary started.
    pub cosigned: Option<TreeSize>,
    /// What went wrong when it was asked last, if anything.
    pub error: Option<String>,
}

/// How a notary stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// What it is doing.
    pub phase: Phase,
    /// The last checkpoint in the archive.
    pub signed: Option<Sealed>,
    /// The last one that as many witnesses as the policy asks for have cosigned.
    pub witnessed: Option<Sealed>,
    /// The witnesses.
    pub witnesses: Vec<WitnessStatus>,
    /// Names of those without a cosignature on the last checkpoint as it stands in the archive.
    pub missing: Vec<String>,
    /// Durable records that no checkpoint covers yet.
    pub lag_records: u64,
    /// What went wrong last, if it has not gone well since. A step that failed is tried again.
    pub last_error: Option<String>,
}

/// What the notary is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    GoOn,
    /// Seal what is durable, and end.
    Stop,
    /// End at the next step.
    Abandon,
}

pub(crate) struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

pub(crate) struct State {
    pub(crate) asked: Asked,
    pub(crate) phase: Phase,
    pub(crate) signed: Option<Sealed>,
    pub(crate) witnessed: Option<Sealed>,
    pub(crate) served: Option<SignedCheckpoint>,
    pub(crate) quorum: Option<SignedCheckpoint>,
    pub(crate) last_error: Option<String>,
    /// The checkpoint all witnesses are being asked about: one at a time, so that they meet.
    pub(crate) round: Option<SignedCheckpoint>,
    pub(crate) seats: Vec<Seat>,
}

/// A witness's place.
pub(crate) struct Seat {
    pub(crate) name: String,
    pub(crate) cosigned: Option<TreeSize>,
    /// Size of the last checkpoint that was in the archive with its cosignature.
    pub(crate) published: Option<TreeSize>,
    pub(crate) error: Option<String>,
    /// What came of asking it, not yet taken, and about which size it was asked.
    pub(crate) outcome: Option<(TreeSize, Outcome)>,
    /// Whether it has been asked at all.
    pub(crate) was_asked: bool,
    /// Size of the last round it has answered with signature lines, good or bad: it is not asked about that again.
    answered: Option<TreeSize>,
    failures: u32,
}

impl Shared {
    pub(crate) fn new(witnesses: impl IntoIterator<Item = String>) -> Self {
        let seat = |name| Seat {
            name,
            cosigned: None,
            published: None,
            error: None,
            outcome: None,
            was_asked: false,
            answered: None,
            failures: 0,
        };
        let state = State {
            asked: Asked::GoOn,
            phase: Phase::Checking,
            signed: None,
            witnessed: None,
            served: None,
            quorum: None,
            last_error: None,
            round: None,
            seats: witnesses.into_iter().map(seat).collect(),
        };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    pub(crate) fn read(&self) -> MutexGuard<'_, State> {
        // No step leaves the state half changed, so a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, and wakes whoever waits for something of it.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut self.read());
        self.changed.notify_all();
        changed
    }

    /// Waits until `found` finds something, or `timeout` has passed.
    pub(crate) fn wait<T>(
        &self,
        timeout: Duration,
        mut found: impl FnMut(&mut State) -> Option<T>,
    ) -> Option<T> {
        // Longer than anybody waits is as good as for ever.
        let end = Instant::now().checked_add(timeout);
        let mut state = self.read();
        loop {
            if let Some(found) = found(&mut state) {
                return Some(found);
            }
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return None;
            }
            let left = left.unwrap_or(PAUSE_MAX);
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits for the round the witness at `place` is to be asked about next; none when all is over.
    pub(crate) fn next_for(&self, place: usize) -> Option<SignedCheckpoint> {
        loop {
            let next = self.wait(PAUSE_MAX, |state| {
                if state.is_over() {
                    return Some(None);
                }
                let seat = &state.seats[place];
                let round = state.round.as_ref()?;
                let is_due = seat.outcome.is_none() && seat.answered != Some(round.claim().size);
                is_due.then(|| Some(round.clone()))
            });
            if let Some(next) = next {
                return next;
            }
        }
    }

    pub(crate) fn report(&self, place: usize, size: TreeSize, outcome: Outcome) {
        let failures = self.change(|state| {
            let seat = &mut state.seats[place];
            seat.was_asked = true;
            if matches!(outcome, Outcome::Cosigned(_)) {
                seat.failures = 0;
                seat.answered = Some(size);
            } else {
                seat.failures += 1;
            }
            seat.outcome = Some((size, outcome));
            seat.failures
        });
        // The seat's own thread is the one that reports: it rests here, unless it is all over.
        if failures > 0 {
            self.wait(pause(failures), |state| state.is_over().then_some(()));
        }
    }
}

impl State {
    fn is_over(&self) -> bool {
        self.asked == Asked::Abandon || matches!(self.phase, Phase::Stopped(_))
    }
}

/// How long to wait after so many failures in a row.
pub(crate) fn pause(failures: u32) -> Duration {
    Duration::from_millis(100).saturating_mul(1 << failures.min(20).saturating_sub(1)).min(PAUSE_MAX)
}
