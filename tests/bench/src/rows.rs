//! The read models that a deployment keeps, as it keeps them.

#[path = "../../../crates/trialbook/src/deployment/folds.rs"]
mod folds;

use std::sync::Arc;

use journal::Journal;
use projector::Fold;

use folds::{IndexRows, OutcomeRows, SafetyRows};

/// A read model.
#[derive(Clone, Copy)]
pub(crate) enum ReadModel {
    Index,
    Outcomes,
    Safety,
}

impl ReadModel {
    pub(crate) const ALL: [Self; 3] = [Self::Outcomes, Self::Safety, Self::Index];

    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Index => "index",
            Self::Outcomes => "outcomes",
            Self::Safety => "safety",
        }
    }

    /// Its fold at the log's beginning.
    pub(crate) fn fold(self, journal: Arc<dyn Journal>) -> Box<dyn Fold> {
        match self {
            Self::Index => Box::new(IndexRows::new(journal, Arc::default())),
            Self::Outcomes => Box::new(OutcomeRows::new(Arc::default())),
            Self::Safety => Box::new(SafetyRows::new(Arc::default())),
        }
    }
}
