//! What an operator is told of a deployment at work: read models, and records from outside.

use api::{Envelope, Envelopes, EnvelopesAsked, Problem, ProjectorState, ProjectorView, Projectors};
use chain::{Instant, KeyId, LinkedRecord, Position, Record};
use clinical::{EventKind, SiteId, TrialId};
use projector::{ProjectorHandle, State};
use serde::Deserialize;

use super::Inner;
use super::reads::unreadable;
use super::running::Running;
use crate::world;

/// About how long a record is: how much is read for so many of them.
const RECORD_BYTES: usize = 1 << 10;

/// About how many bytes of records are read at once.
const READ_BYTES_MAX: usize = 512 << 10;

const SECOND_MICROSECONDS: i64 = 1_000_000;

impl Inner {
    /// Every read model that is here. Reads a record for each that lags; blocks.
    pub(super) fn projectors_now(&self) -> Projectors {
        let mut projectors = Vec::new();
        for running in self.all() {
            for (name, projector) in running.projectors() {
                projectors.push(view(&running, name, projector));
            }
        }
        Projectors { projectors }
    }

    /// Has a read model made anew.
    pub(super) fn rebuild_now(&self, trial: &TrialId, name: &str) -> Result<(), Problem> {
        let running = self.running(trial)?;
        let found = running.projectors().into_iter().find(|(known, _)| *known == name);
        let (name, projector) = found
            .ok_or_else(|| Problem::not_found(format!("trial {trial} has no read model {name:?} here")))?;
        tracing::warn!(trial = %trial, projector = name, "a read model is made anew, as an operator asked");
        projector.rebuild();
        Ok(())
    }

    /// Durable records from outside. Blocks.
    pub(super) fn envelopes_now(
        &self,
        running: &Running,
        asked: EnvelopesAsked,
    ) -> Result<Envelopes, Problem> {
        let limit = asked.limit.clamp(1, 1_000);
        // Before the records are read: what is read may then be more than is said, never less.
        let covers = self.covers_journal(running);
        let bytes = READ_BYTES_MAX.min(limit * RECORD_BYTES);
        let mut records = running.journal.read(asked.from, bytes).map_err(|error| unreadable(&error))?;
        records.truncate(limit);
        let next = records.last().map_or(asked.from, |last| last.seq.next());
        let envelopes = records.iter().map(envelope).collect::<Result<_, _>>()?;
        Ok(Envelopes { covers, envelopes, next })
    }
}

fn view(running: &Running, name: &str, projector: &ProjectorHandle) -> ProjectorView {
    let status = projector.status();
    let (state, stopped) = match &status.state {
        State::Running => (ProjectorState::Running, None),
        State::Rebuilding => (ProjectorState::Rebuilding, None),
        State::Stopped { reason } => (ProjectorState::Stopped, Some(reason.to_string())),
        State::Closed => (ProjectorState::Closed, None),
    };
    let lag_seconds = if status.lag_records == 0 { Some(0) } else { waits(running, Position(status.size.0)) };
    ProjectorView {
        head: status.head_hash,
        journal_size: status.journal_size,
        lag_records: status.lag_records,
        lag_seconds,
        last_error: status.last_error,
        name: name.to_owned(),
        rebuilds: status.rebuilds,
        size: status.size,
        state,
        stopped,
        trial: running.trial.clone(),
    }
}

/// For how many seconds the record at `seq` has been recorded; `None` if it cannot be read.
fn waits(running: &Running, seq: Position) -> Option<u64> {
    let records = running.journal.read(seq, 1).ok()?;
    let recorded_at = Record::parse(&records.first()?.bytes).ok()?.recorded_at;
    let since = world::now().microseconds().saturating_sub(recorded_at.microseconds());
    Some(u64::try_from(since / SECOND_MICROSECONDS).unwrap_or(0))
}

/// What is taken of an event: the rest is passed over unread.
#[derive(Deserialize)]
struct Outside {
    key: KeyId,
    kind: EventKind,
    signed_at: Instant,
    site: Option<SiteId>,
}

fn envelope(linked: &LinkedRecord) -> Result<Envelope, Problem> {
    let malformed = || Problem::internal(format!("record {} is malformed", linked.seq));
    let record = Record::parse(&linked.bytes).map_err(|_| malformed())?;
    let outside: Outside = serde_json::from_slice(record.event).map_err(|_| malformed())?;
    Ok(Envelope {
        bytes: linked.bytes.len() as u64,
        key: outside.key,
        kind: outside.kind,
        recorded_at: record.recorded_at,
        seq: linked.seq,
        signed_at: outside.signed_at,
        site: outside.site,
    })
}
