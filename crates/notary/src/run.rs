//! When what is done: the notary's own thread.

mod answers;

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chain::note::VerifierKey;
use chain::policy::Policy;
use chain::tile::TILE_WIDTH;
use chain::{SignedCheckpoint, TreeSize};
use journal::Journal;
use tracing::field::Empty;
use tracing::{Span, info_span};

use crate::keys::LogKeys;
use crate::refusal::{Failure, Fault};
use crate::sealer::{Desk, Sealer, state};
use crate::shared::{Asked, Phase, Sealed, Shared, Stop, pause};

/// How long the thread sleeps at most while there is nothing to do: so late can it notice a cosignature or a wish.
const GLANCE: Duration = Duration::from_millis(100);

/// Failures in a row after which a notary that was asked to stop leaves the rest unsealed.
const LAST_TRIES: u32 = 3;

/// Longest pause before a step that failed is tried again: a store that is well again is soon made use of.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// How often, how much, how long.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Shortest time from one checkpoint to the next.
    pub interval: Duration,
    /// Most records from one checkpoint to the next, where the notary is behind; rounded down to whole tiles.
    pub records_max: u64,
    /// How long witnesses are asked about one checkpoint while newer ones are out, if they are too few for the quorum.
    pub round: Duration,
    /// How long the first signature waits for the witnesses to say what they have cosigned.
    pub witness_wait: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(1),
            // 1,024 bundles and as many tiles: some seconds of writing, and more than arrives in that time.
            records_max: 1 << 18,
            round: Duration::from_secs(30),
            witness_wait: Duration::from_secs(10),
        }
    }
}

/// Reads the wall clock, for what is shown; nothing that is signed depends on it.
pub(crate) type Clock = Arc<dyn Fn() -> chain::Instant + Send + Sync>;

pub(crate) struct Runner {
    pub(crate) shared: Arc<Shared>,
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) policy: Option<Policy>,
    pub(crate) keys: Arc<dyn LogKeys>,
    pub(crate) settings: Settings,
    pub(crate) clock: Clock,
}

/// What changes while it seals.
struct Sealing {
    sealer: Sealer,
    sealed_at: Option<Instant>,
    /// The checkpoint that witnesses are asked about, with what they have answered, and since when.
    round: SignedCheckpoint,
    round_since: Instant,
    /// Whether partial tiles may be waiting to be removed.
    is_untidy: bool,
    /// Why they could not be, when that was tried last.
    untidy: Option<String>,
}

/// Up to where to seal. If a tile has been filled, its end, and the rest waits for the next time.
fn target(sealed: TreeSize, head: TreeSize, records_max: u64) -> TreeSize {
    let whole = |size: u64| size - size % u64::from(TILE_WIDTH);
    let full = whole(head.0);
    let target = if full > sealed.0 { full } else { head.0 };
    TreeSize(target.min(whole(sealed.0 + records_max.max(TILE_WIDTH.into()))))
}

/// An error and all it stems from, in one line.
fn words(failure: &Failure) -> String {
    let mut words = failure.to_string();
    let mut source = failure.source();
    while let Some(error) = source {
        words.push_str(&format!(": {error}"));
        source = error.source();
    }
    words
}

impl Runner {
    /// Checks, then seals until told to stop.
    pub(crate) fn run(&self, desk: Desk) -> Stop {
        match self.check(desk).and_then(|sealer| self.seal(sealer)) {
            Ok(()) => Stop::Asked,
            Err(stop) => stop,
        }
    }

    fn asked(&self) -> Asked {
        self.shared.read().asked
    }

    /// Tells of a failure and rests.
    fn failed(&self, failure: &Failure, failures: u32) {
        let was_asked = self.shared.change(|state| {
            state.last_error = Some(words(failure));
            state.asked
        });
        self.shared.wait(pause(failures).min(PAUSE_MAX), |state| (state.asked != was_asked).then_some(()));
    }

    fn check(&self, mut desk: Desk) -> Result<Sealer, Stop> {
        for failures in 1.. {
            match Sealer::check(desk) {
                Ok(sealer) => return Ok(sealer),
                Err((_, Fault::Refused(refusal))) => return Err(Stop::Refused(refusal)),
                Err((returned, Fault::Failed(failure))) => {
                    desk = returned;
                    self.failed(&failure, failures);
                    if self.asked() != Asked::GoOn {
                        break;
                    }
                }
            }
        }
        Err(Stop::Asked)
    }

    /// What witnesses are asked about first; `None` if it was asked to stop before the key for it was here.
    fn standing(&self, sealer: &Sealer) -> Option<SignedCheckpoint> {
        for failures in 1.. {
            match sealer.standing() {
                Ok(standing) => return Some(standing),
                Err(failure) => self.failed(&failure, failures),
            }
            if self.asked() != Asked::GoOn {
                break;
            }
        }
        None
    }

    fn seal(&self, sealer: Sealer) -> Result<(), Stop> {
        let Some(round) = self.standing(&sealer) else { return Ok(()) };
        let mut sealing = Sealing {
            sealer,
            sealed_at: None,
            round,
            round_since: Instant::now(),
            is_untidy: true,
            untidy: None,
        };
        self.shared.change(|state| state.round = Some(sealing.round.clone()));
        self.show(&sealing, None);
        self.shared.wait(self.settings.witness_wait, |state| {
            state.seats.iter().all(|seat| seat.was_asked).then_some(())
        });

        let mut failures = 0;
        let mut until = None;
        loop {
            let asked = self.asked();
            if asked == Asked::Abandon {
                return Ok(());
            }
            let head = self.journal.head().size;
            if asked == Asked::Stop {
                until.get_or_insert(head);
            }
            match self.turn(&mut sealing, until.unwrap_or(head), until.is_some()) {
                Ok(()) => {
                    failures = 0;
                    self.shared.change(|state| {
                        state.last_error.clone_from(&sealing.untidy);
                        state.phase = Phase::Sealing;
                    });
                    if until.is_some_and(|until| sealing.sealer.size() >= until) {
                        return Ok(());
                    }
                    if until.is_none() {
                        self.rest(&sealing);
                    }
                }
                Err(Fault::Refused(refusal)) => return Err(Stop::Refused(refusal)),
                Err(Fault::Failed(failure)) => {
                    failures += 1;
                    self.failed(&failure, failures);
                    if until.is_some() && failures >= LAST_TRIES {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Sleeps until there may be something to do.
    fn rest(&self, sealing: &Sealing) {
        let size = sealing.sealer.size();
        let due = sealing.sealed_at.map(|at| at + self.settings.interval);
        let left = due.map_or(Duration::ZERO, |due| due.saturating_duration_since(Instant::now()));
        if left.is_zero() {
            self.journal.wait(size, GLANCE);
        } else {
            let is_awaited = |outcome: &Option<_>| outcome.is_some();
            self.shared.wait(left.min(GLANCE), |state| {
                let is_called = state.asked != Asked::GoOn;
                (is_called || state.seats.iter().any(|seat| is_awaited(&seat.outcome))).then_some(())
            });
        }
    }

    /// Everything once that is due. A turn that failed is simply taken again.
    fn turn(&self, sealing: &mut Sealing, head: TreeSize, is_last: bool) -> Result<(), Fault> {
        // First of all, for what a witness has seen may forbid to sign.
        self.take_answers(sealing)?;
        self.publish(sealing)?;
        let target = target(sealing.sealer.size(), head, self.settings.records_max);
        let is_due = is_last || sealing.sealed_at.is_none_or(|at| at.elapsed() >= self.settings.interval);
        if target > sealing.sealer.size() && is_due {
            sealing.sealed_at = Some(Instant::now());
            let span = self.span(sealing.sealer.size());
            let sealed = span.in_scope(|| self.seal_and_publish(sealing, target, head));
            span.record("size", i64::try_from(sealing.sealer.size().0).ok());
            let outcome = match &sealed {
                Ok(()) => "sealed",
                Err(Fault::Failed(_)) => "failed",
                Err(Fault::Refused(_)) => "refused",
            };
            span.record("outcome", outcome);
            sealed?;
        }
        if sealing.is_untidy {
            // Not worth a delay: it is tried again after the next checkpoint.
            sealing.is_untidy = false;
            sealing.untidy = match sealing.sealer.tidy() {
                Ok(()) => None,
                Err(failure) => Some(words(&failure)),
            };
        }
        Ok(())
    }

    /// What one sealing is shown as. An origin ends with the trial's id.
    fn span(&self, from: TreeSize) -> Span {
        let trial = self.keys.origin().rsplit('/').next().unwrap_or_default();
        info_span!(parent: None, "notary.seal", trial, first = i64::try_from(from.0).ok(), size = Empty, outcome = Empty)
    }

    fn seal_and_publish(&self, sealing: &mut Sealing, target: TreeSize, head: TreeSize) -> Result<(), Fault> {
        info_span!("notary.sign").in_scope(|| match sealing.sealer.seal(target) {
            // The tile's end lies between the record that names the next key and the one that revokes a lost one.
            Err(Fault::Failed(Failure::KeyMissing { .. })) if target < head => sealing.sealer.seal(head),
            sealed => sealed,
        })?;
        info_span!("notary.publish").in_scope(|| self.publish(sealing))
    }

    /// Puts the last checkpoint signed into the archive, if it is not there.
    fn publish(&self, sealing: &mut Sealing) -> Result<(), Fault> {
        // Each time another notary was quicker there is a later one to put there.
        while let Some(signed) = sealing.sealer.signed().filter(|_| sealing.sealer.is_unpublished()).cloned()
        {
            if sealing.sealer.publish(&signed)? {
                sealing.is_untidy = true;
                self.show(sealing, Some((self.clock)()));
            }
        }
        self.next_round(sealing);
        Ok(())
    }

    /// Shows what is in the archive. `at` is when it came there, where that is now.
    fn show(&self, sealing: &Sealing, at: Option<chain::Instant>) {
        let (served, witnessed) = (sealing.sealer.served().cloned(), sealing.sealer.witnessed().cloned());
        let sealed = |shown: Option<Sealed>, checkpoint: Option<&SignedCheckpoint>| {
            let new = checkpoint.map(|checkpoint| Sealed::new(checkpoint, at));
            // The same tree with more cosignatures is no later checkpoint.
            if shown.map(|shown| shown.size) == new.map(|new| new.size) { shown } else { new }
        };
        self.shared.change(|state| {
            for seat in &mut state.seats {
                let stands = |served: &&SignedCheckpoint| self.is_cosigned(served, &seat.name);
                if let Some(served) = served.as_ref().filter(stands) {
                    seat.published = Some(served.claim().size);
                }
            }
            state.signed = sealed(state.signed, served.as_ref());
            state.witnessed = sealed(state.witnessed, witnessed.as_ref());
            state.served = served;
            state.quorum = witnessed;
        });
    }

    /// Whether the witness that the policy names so has cosigned a checkpoint.
    fn is_cosigned(&self, checkpoint: &SignedCheckpoint, witness: &str) -> bool {
        let Some(key) = self.policy.as_ref().and_then(|policy| key_of(policy, witness)) else { return false };
        let logs = self.keys.due(checkpoint.claim().size);
        let trusted = checkpoint.verify(&logs, std::slice::from_ref(key));
        trusted.is_ok_and(|trusted| !trusted.cosignatures.is_empty())
    }

    /// Adds a witness's cosignature to the round, if it is about the round and holds.
    fn add(&self, sealing: &mut Sealing, name: &str, size: TreeSize, lines: &[u8]) -> Result<(), String> {
        let Some(key) = self.policy.as_ref().and_then(|policy| key_of(policy, name)) else { return Ok(()) };
        if size != sealing.round.claim().size {
            // The round was over before it answered. Its signature would be of use to nobody.
            return Ok(());
        }
        if self.is_cosigned(&sealing.round, name) {
            return Ok(());
        }
        let keys = std::slice::from_ref(key);
        sealing.round.add_cosignatures(lines, keys).map_err(|error| format!("cosigns badly: {error}"))?;
        let is_there = self.is_cosigned(&sealing.round, name);
        if is_there { Ok(()) } else { Err("answers without its cosignature".to_owned()) }
    }

    /// Puts the round's cosignatures where they belong.
    fn settle(&self, sealing: &mut Sealing) -> Result<(), Fault> {
        let round = &sealing.round;
        let is_missing = |served: &SignedCheckpoint| state(served) == state(round) && served != round;
        if sealing.sealer.served().is_some_and(is_missing) && sealing.sealer.publish(round)? {
            self.show(sealing, None);
        }
        if self.has_quorum(&sealing.round)
            && sealing.sealer.witnessed().map(state) < Some(state(&sealing.round))
        {
            sealing.sealer.keep_witnessed(&sealing.round)?;
            // Partial tiles of the one witnessed before may go.
            sealing.is_untidy = true;
            self.show(sealing, Some((self.clock)()));
        }
        self.next_round(sealing);
        Ok(())
    }

    fn has_quorum(&self, checkpoint: &SignedCheckpoint) -> bool {
        // Nobody need witness that nothing is there.
        checkpoint.claim().size > TreeSize(0)
            && self.policy.as_ref().is_some_and(|policy| {
                let logs = self.keys.due(checkpoint.claim().size);
                policy.check(checkpoint, &logs).is_ok_and(|(_, evaluation)| evaluation.is_met())
            })
    }

    /// Goes on to the checkpoint that is out, if this round is over.
    fn next_round(&self, sealing: &mut Sealing) {
        let Some(served) = sealing.sealer.served() else { return };
        let is_newer = served.claim().size > sealing.round.claim().size;
        let is_over = sealing.round.claim().size == TreeSize(0)
            || self.has_quorum(&sealing.round)
            || sealing.round_since.elapsed() >= self.settings.round;
        if is_newer && is_over {
            sealing.round = served.clone();
            sealing.round_since = Instant::now();
            self.shared.change(|state| state.round = Some(sealing.round.clone()));
        }
    }
}

/// The key of the witness that a policy names so.
pub(crate) fn key_of<'p>(policy: &'p Policy, name: &str) -> Option<&'p VerifierKey> {
    let place = policy.witness_names().iter().position(|known| known == name)?;
    policy.witnesses().get(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_log_is_sealed_at_tiles_ends_and_a_quiet_one_at_once() {
        let check = |sealed, head, expect| {
            assert_eq!(target(TreeSize(sealed), TreeSize(head), 1_000), TreeSize(expect), "{sealed} {head}");
        };
        check(0, 0, 0);
        check(0, 1, 1);
        check(1, 255, 255);
        check(255, 256, 256);
        check(255, 300, 256);
        check(256, 300, 300);
        check(300, 511, 511);
        check(300, 900, 768);
        // Far behind: as many whole tiles as are in the most allowed.
        check(0, 5_000, 768);
        check(100, 5_000, 1_024);
        assert_eq!(target(TreeSize(0), TreeSize(300), 1), TreeSize(256));
    }

    #[test]
    fn no_record_waits_for_more_than_two_checkpoints() {
        for (sealed, head) in [(0, 300), (255, 257), (256, 511), (10, 266)] {
            for grown in [0, 1, 200, 255, 256, 300] {
                let first = target(TreeSize(sealed), TreeSize(head), 100_000);
                let second = target(first, TreeSize(head + grown), 100_000);
                assert!(second.0 >= head, "{sealed} {head} {grown}");
            }
        }
    }
}
