//! Where the time between a submission and its answer goes, as spans. Nothing is decided by them, and where nobody asked
//! for spans there are none.

use chain::LinkedRecord;
use tracing::field::Empty;
use tracing::{Span, info_span};

use super::append::Commit;

/// Most submissions that an append's span names: a trace holds no more links than that.
const LINKS_MAX: usize = 128;

/// The stages of one submission: one span after another, below the one it was handed over in.
pub(super) struct Trail {
    of: Span,
    stage: Span,
}

impl Trail {
    /// It is handed over, by whoever calls, and waits to be decided about.
    pub(super) fn begin() -> Self {
        let mut trail = Self { of: Span::current(), stage: Span::none() };
        trail.waits();
        trail
    }

    /// It waits to be decided about, perhaps again.
    pub(super) fn waits(&mut self) {
        self.stage = self.stage(|of| info_span!(parent: of, "submission.wait"));
    }

    /// It is decided about.
    pub(super) fn is_decided(&mut self) {
        self.stage = self.stage(|of| info_span!(parent: of, "submission.decide"));
    }

    /// It waits until its batch is durable.
    pub(super) fn is_appended(&mut self) {
        self.stage = self.stage(|of| info_span!(parent: of, "submission.append"));
    }

    /// A stage, where there is a span it could be one of.
    fn stage(&self, make: impl FnOnce(&Span) -> Span) -> Span {
        if self.of.is_none() { Span::none() } else { make(&self.of) }
    }
}

/// The span of one append, on behalf of many submissions, which it names.
pub(super) fn append<'t>(
    log: &str,
    records: &[LinkedRecord],
    bytes: usize,
    trails: impl ExactSizeIterator<Item = &'t Trail>,
) -> Span {
    let first = records.first().and_then(|record| i64::try_from(record.seq.0).ok());
    // Collectors know signed numbers alone.
    let number = |count: usize| i64::try_from(count).ok();
    let span = info_span!(
        parent: None,
        "append",
        trial = log,
        first,
        records = number(records.len()),
        bytes = number(bytes),
        submissions = number(trails.len()),
        outcome = Empty
    );
    if !span.is_disabled() {
        for trail in trails.take(LINKS_MAX) {
            span.follows_from(&trail.of);
        }
    }
    span
}

/// How an append ended.
pub(super) fn ended(span: &Span, commit: &Commit) {
    let outcome = match commit {
        Commit::Durable(_) => "durable",
        Commit::Lost => "lost",
        Commit::Refused(_) => "refused",
        Commit::Failed(_) => "failed",
        Commit::Panicked => "panicked",
    };
    span.record("outcome", outcome);
}
