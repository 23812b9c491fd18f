//! What a submitter is told of a recorded event.

use chain::{Instant, NodeHash, Position, RecordHash};
use serde::{Deserialize, Serialize};

use crate::finding::Finding;
use crate::id::TrialId;

/// Says that an event is recorded and durable, where, and what is to be looked at. `note` and `path` bind the registry
/// (FORMAT §6): they are there once the trial's sponsor has granted it a key for receipts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// What is to be looked at; the event is recorded all the same.
    pub findings: Vec<Finding>,
    /// The record's hash.
    pub hash: RecordHash,
    /// The signed note of the commit that the record is in, whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Proves the record under the note's root: leaf's sibling first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<Vec<NodeHash>>,
    /// When it was recorded.
    pub recorded_at: Instant,
    /// Its position.
    pub seq: Position,
    /// The trial.
    pub trial: TrialId,
}
