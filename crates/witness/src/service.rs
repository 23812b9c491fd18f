//! The witness: what `chain` decides to cosign is made last before the cosignature is given out.

use std::fmt;
use std::sync::Arc;

use chain::checkpoint::{CosignatureTimeError, Cosigner, SignedCheckpoint};
use chain::note::{KeyKind, Note, NoteError, SignatureLine, VerifierKey};
use chain::tree::ProofError;
use chain::witness_request::{AddCheckpoint, Answer, Cosigned, SIZE_CONTENT_TYPE};
use chain::{RootHash, TreeSize};
use keep::{AdvanceError, CheckpointError, Checkpoints, Kept, Purpose};

use crate::evidence::{Evidence, EvidenceError};

/// Gives the time, in seconds since the Unix epoch.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// The content type of all answers but that of a conflict.
const TEXT: &str = "text/plain; charset=utf-8";

/// Behind the refusal of what no known key has signed: a witness sees checkpoints alone, and no record that names a key.
const KEYS_BY_HAND: &str =
    "a witness reads no records: if the log has changed its key, start the witness with the new key too\n";

/// Cosigns the checkpoints of logs whose keys it knows, each only if it continues the last one it cosigned.
///
/// What it has cosigned last stands in `keep`'s store of checkpoints, under [`Purpose::Cosigned`], and is advanced there by
/// compare-and-swap before a cosignature is given out. Several witnesses with the same key, in one process or more, MUST
/// share one store: then they are one witness. All methods block.
pub struct Witness {
    cosigner: Cosigner,
    logs: Vec<VerifierKey>,
    last: Arc<Checkpoints>,
    clock: Clock,
    evidence: Option<Evidence>,
}

impl fmt::Debug for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Witness").field("name", &self.cosigner.name()).finish_non_exhaustive()
    }
}

/// What a witness has decided, and done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// The checkpoint is the last one now, and this is the cosignature.
    Cosigned(SignatureLine),
    /// It is refused; [`Answer::Cosign`] is never here.
    Refused(Answer),
}

/// An answer as HTTP has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Status code.
    pub status: u16,
    /// Content type.
    pub content_type: &'static str,
    /// Body.
    pub body: String,
}

/// Why a witness could not answer. Nothing was cosigned; whether the state advanced, the next request shows.
#[derive(Debug, thiserror::Error)]
pub enum WitnessError {
    /// The last checkpoint could not be read or made last.
    #[error("the witness's state failed")]
    State(#[from] CheckpointError),
    /// The store refuses what continues its own last checkpoint.
    #[error("the witness's state could not be advanced to size {size}")]
    NotAdvanced {
        /// The checkpoint's size.
        size: TreeSize,
        /// What the store said.
        source: AdvanceError,
    },
    /// The clock is off by ages.
    #[error(transparent)]
    Clock(#[from] CosignatureTimeError),
    /// The log's own signature lines do not make a note.
    #[error("the checkpoint could not be kept")]
    Note(#[source] NoteError),
}

impl Witness {
    /// A witness for the logs of these keys. A log that is changing its key has two.
    pub fn new(cosigner: Cosigner, logs: Vec<VerifierKey>, last: Arc<Checkpoints>, clock: Clock) -> Self {
        Self { cosigner, logs, last, clock, evidence: None }
    }

    /// Keeps both sides there when a log has signed two trees of one size.
    #[must_use]
    pub fn with_evidence(self, evidence: Evidence) -> Self {
        Self { evidence: Some(evidence), ..self }
    }

    /// The key by which others verify its cosignatures.
    pub fn verifier_key(&self) -> VerifierKey {
        self.cosigner.verifier_key()
    }

    /// The last tree cosigned of the log of that name, whether or not the log is known.
    ///
    /// # Errors
    /// [`WitnessError::State`].
    pub fn last(&self, origin: &str) -> Result<Cosigned, WitnessError> {
        Ok(self.kept(origin)?.as_ref().map_or(Cosigned::nothing(), cosigned))
    }

    fn kept(&self, origin: &str) -> Result<Option<Kept>, WitnessError> {
        Ok(self.last.last(origin, Purpose::Cosigned)?)
    }

    /// Answers the body of an `add-checkpoint` request (C2SP tlog-witness).
    ///
    /// # Errors
    /// [`WitnessError`]: that is neither a yes nor a no, and the one who asks may ask again.
    pub fn answer(&self, body: &[u8]) -> Result<Reply, WitnessError> {
        let decision = match AddCheckpoint::parse(body) {
            Ok(request) => self.add(&request)?,
            Err(error) => Decision::Refused(Answer::Malformed(error)),
        };
        Ok(match decision {
            Decision::Cosigned(line) => Reply { status: 200, content_type: TEXT, body: line.to_string() },
            Decision::Refused(answer) => {
                let size = matches!(answer, Answer::Conflict { .. });
                let content_type = if size { SIZE_CONTENT_TYPE } else { TEXT };
                let mut body = answer.to_string();
                if matches!(answer, Answer::Untrusted(_)) {
                    body.push_str(KEYS_BY_HAND);
                }
                Reply { status: answer.status(), content_type, body }
            }
        })
    }

    /// The last checkpoint cosigned of the log of that name, as the log signed it; `None` if there is none.
    ///
    /// # Errors
    /// [`WitnessError::State`].
    pub fn last_checkpoint(&self, origin: &str) -> Result<Option<Vec<u8>>, WitnessError> {
        Ok(self.kept(origin)?.map(|kept| kept.note))
    }

    /// Decides about a checkpoint; if it is cosigned, it is the last one, durably, on return.
    ///
    /// # Errors
    /// [`WitnessError`].
    pub fn add(&self, request: &AddCheckpoint) -> Result<Decision, WitnessError> {
        self.add_of(request, &self.logs)
    }

    /// As [`Witness::add`], of a log that whoever asks knows by these keys.
    pub(crate) fn add_of(
        &self,
        request: &AddCheckpoint,
        logs: &[VerifierKey],
    ) -> Result<Decision, WitnessError> {
        let claim = request.checkpoint.claim();
        loop {
            let kept = self.kept(claim.origin())?;
            let last = kept.as_ref().map_or(Cosigned::nothing(), cosigned);
            let next = match request.answer(logs, last) {
                Answer::Cosign { next } => next,
                answer => {
                    if let Answer::Inconsistent(error) = &answer {
                        self.report(request, last, kept.as_ref(), *error, logs);
                    }
                    return Ok(Decision::Refused(answer));
                }
            };
            // Before the state advances: a cosignature says that at its time no larger tree had been seen, and as soon as
            // the state has advanced another request may advance it further.
            let time = (self.clock)();
            let note = logs_own(&request.checkpoint, logs).map_err(WitnessError::Note)?;
            let new = Kept { size: next.size.0, root: next.root.0, note: note.to_string().into_bytes() };
            let expected = kept.map(|kept| (kept.size, kept.root));
            match self.last.advance(claim.origin(), Purpose::Cosigned, expected, &new) {
                // A crash from here on leaves a state that was cosigned by nobody: asked again from its own size, the
                // witness cosigns it.
                Ok(()) => return Ok(Decision::Cosigned(self.cosigner.cosign(claim, time)?)),
                // Somebody else has advanced meanwhile. Sizes only grow, so that this ends at the latest when the size
                // is above the one asked from.
                Err(AdvanceError::Conflict { .. }) => {}
                Err(source) => return Err(WitnessError::NotAdvanced { size: next.size, source }),
            }
        }
    }

    /// Says aloud that a log's own signature stands under what does not continue the last tree. A bad proof is no proof of
    /// a fork, and anybody can send one; two roots of one size are.
    fn report(
        &self,
        request: &AddCheckpoint,
        last: Cosigned,
        kept: Option<&Kept>,
        error: ProofError,
        logs: &[VerifierKey],
    ) {
        let claim = request.checkpoint.claim();
        let (origin, size) = (claim.origin(), claim.size);
        if size != last.size || claim.root == last.root {
            tracing::warn!(origin, %size, last = %last.size, %error, "a proof of consistency does not hold");
            return;
        }
        let keep = |evidence: &Evidence| {
            let known = kept.and_then(|kept| SignedCheckpoint::parse(&kept.note).ok());
            let other = logs_own(&request.checkpoint, logs);
            let other = other.ok().and_then(|note| SignedCheckpoint::parse(note.to_string().as_bytes()).ok());
            known.into_iter().chain(other).try_for_each(|side| evidence.keep(&side).map(drop))
        };
        let kept: Result<(), EvidenceError> = self.evidence.as_ref().map_or(Ok(()), keep);
        tracing::error!(origin, %size, last = %last.root, other = %claim.root, "the log has signed two trees of one size");
        if let Err(error) = kept {
            tracing::error!(origin, %size, %error, "the evidence of a fork could not be kept");
        }
    }
}

fn cosigned(kept: &Kept) -> Cosigned {
    Cosigned { size: TreeSize(kept.size), root: RootHash(kept.root) }
}

/// The note with the lines of the log's known keys alone. The others are whatever the sender added, up to a mebibyte.
fn logs_own(checkpoint: &SignedCheckpoint, logs: &[VerifierKey]) -> Result<Note, NoteError> {
    let text = checkpoint.note().text();
    let logs: Vec<_> = logs.iter().filter(|key| key.kind() == KeyKind::Log).collect();
    let is_logs = |line: &&SignatureLine| {
        Note::new(text, [(*line).clone()]).is_ok_and(|note| note.verify(logs.iter().copied()).is_ok())
    };
    let lines: Vec<_> = checkpoint.note().lines().iter().filter(is_logs).cloned().collect();
    Note::new(text, lines)
}
