//! What a submitter is told of a recorded event.

use chain::{Instant, Position, RecordHash};
use serde::{Deserialize, Serialize};

use crate::finding::Finding;
use crate::id::TrialId;

/// Says that an event is recorded and durable, where, and what is to be looked at. Its `path` and `note`, which bind
/// the registrar, come with receipt keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// What is to be looked at; the event is recorded all the same.
    pub findings: Vec<Finding>,
    /// The record's hash.
    pub hash: RecordHash,
    /// When it was recorded.
    pub recorded_at: Instant,
    /// Its position.
    pub seq: Position,
    /// The trial.
    pub trial: TrialId,
}
