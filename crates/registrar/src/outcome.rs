//! What became of a submission.

use chain::Instant;
use clinical::{Finding, Receipt, Refusal};

/// What became of one submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Recorded now.
    Recorded(Receipt),
    /// The same event was recorded before: its receipt again.
    Repeated(Receipt),
    /// It was only asked what would become of it: it would be recorded, with these findings.
    Rehearsed(Vec<Finding>),
    /// Not recorded, and why.
    Refused(Refusal),
    /// Not decided: the registrar cannot work just now. Try again.
    Unready(Unready),
}

/// Why a registrar cannot decide just now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unready {
    /// The clock is behind the log by more than it may be.
    #[error("the clock stands at {now}, the log at {log}")]
    Clock {
        /// What the clock says.
        now: Instant,
        /// When the last record was made.
        log: Instant,
    },
    /// The clock is not that of its peers.
    #[error("the registrar's clock differs from its peers' by {} ms", microseconds / 1_000)]
    ClockDiffers {
        /// By how much it is ahead of them, in microseconds; negative if it is behind.
        microseconds: i64,
    },
    /// An earlier record could not be read.
    #[error("an earlier record could not be read")]
    Journal,
}
