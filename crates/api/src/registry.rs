//! What a registry can be asked.

use async_trait::async_trait;
use chain::Position;
use clinical::report::AskedSources;
use clinical::{SiteId, SubjectId, TrialId};

use crate::evidence::{Evidence, LogFile};
use crate::problem::Problem;
use crate::refused::{RefusedAsked, RefusedPage};
use crate::review::{PlanAsked, PlanPage, TrailAsked, TrailPage, VerificationView};
use crate::text_key::{TextKeyAnswer, TextKeyRequest};
use crate::wire::{
    Answer, FeedItem, FeedPart, FindingsPage, Page, Readiness, RecordView, Rehearsal, Rehearsed, ReportAsked,
    ReportKind, ReportView, SourcesView, SubjectRecords, SubjectsPage, TrialDetail, Trials,
};
use crate::workings::{Envelopes, EnvelopesAsked, Projectors};

/// A registry, in this process or elsewhere.
///
/// Every answer MUST say what it covers, and MUST NOT show a record that is not durable. `submit` MUST answer each
/// submission on its own, in the order given, and only when those recorded are durable.
#[async_trait]
pub trait Registry: Send + Sync {
    /// The trials of the deployment.
    async fn trials(&self) -> Result<Trials, Problem>;

    /// One trial with its sites and keys.
    async fn trial(&self, trial: &TrialId) -> Result<TrialDetail, Problem>;

    /// Opens a new trial with its first event, a signed `trial_opened`.
    async fn open_trial(&self, submission: Vec<u8>) -> Result<Answer, Problem>;

    /// Submits signed events.
    async fn submit(&self, trial: &TrialId, submissions: Vec<Vec<u8>>) -> Result<Vec<Answer>, Problem>;

    /// What would become of a statement. Records nothing.
    async fn rehearse(&self, trial: &TrialId, rehearsal: Rehearsal) -> Result<Rehearsed, Problem>;

    /// The record at a position.
    async fn record(&self, trial: &TrialId, seq: Position) -> Result<RecordView, Problem>;

    /// Subjects.
    async fn subjects(&self, trial: &TrialId, page: Page) -> Result<SubjectsPage, Problem>;

    /// A subject's records.
    async fn subject_records(
        &self,
        trial: &TrialId,
        subject: &SubjectId,
        page: Page,
    ) -> Result<SubjectRecords, Problem>;

    /// Records that are to be looked at.
    async fn findings(&self, trial: &TrialId, page: Page) -> Result<FindingsPage, Problem>;

    /// Who recorded what, when and why, in the order of the log.
    async fn trail(&self, trial: &TrialId, asked: TrailAsked) -> Result<TrailPage, Problem>;

    /// Subjects, and where each stands against the plan.
    async fn plan(&self, trial: &TrialId, asked: PlanAsked) -> Result<PlanPage, Problem>;

    /// Submissions that were refused lately and are not recorded.
    async fn refused(&self, trial: &TrialId, asked: RefusedAsked) -> Result<RefusedPage, Problem>;

    /// The last full verification.
    async fn verification(&self, trial: &TrialId) -> Result<VerificationView, Problem>;

    /// A report of what was known and had happened, as asked.
    async fn report(
        &self,
        trial: &TrialId,
        kind: ReportKind,
        asked: ReportAsked,
    ) -> Result<ReportView, Problem>;

    /// What is behind a cell of such a report; what it has changed `since` is not asked.
    async fn sources(
        &self,
        trial: &TrialId,
        kind: ReportKind,
        asked: ReportAsked,
        cell: AskedSources,
    ) -> Result<SourcesView, Problem>;

    /// Durable records from `from` on; waits a while if there are none yet, and then may answer none.
    async fn follow(&self, trial: &TrialId, from: Position) -> Result<FeedPart, Problem>;

    /// What is signed of the log, by whom, and what is not yet.
    async fn evidence(&self, trial: &TrialId) -> Result<Evidence, Problem>;

    /// A file of the log's archive.
    async fn log_file(&self, trial: &TrialId, file: LogFile) -> Result<Vec<u8>, Problem>;

    /// A proof, in the form of tlog-proof, that the record at a position is in the latest checkpoint.
    async fn proof(&self, trial: &TrialId, seq: Position) -> Result<String, Problem>;

    /// Durable records of the trial as a whole and of a site's own subjects, after a position; none where there is no
    /// more.
    async fn site_records(
        &self,
        trial: &TrialId,
        site: &SiteId,
        after: Option<Position>,
    ) -> Result<Vec<FeedItem>, Problem>;

    /// Hands out a subject's text key, or takes a new one, for a signer who is entitled to it.
    async fn text_key(&self, trial: &TrialId, request: TextKeyRequest) -> Result<TextKeyAnswer, Problem>;

    /// Whether the registry can work.
    async fn readiness(&self) -> Result<Readiness, Problem>;

    /// Metrics in the Prometheus text format.
    async fn metrics(&self) -> Result<String, Problem>;

    /// The read models that answer here.
    async fn projectors(&self) -> Result<Projectors, Problem>;

    /// Has a read model of a trial made anew, by its name; answers when that has begun.
    async fn rebuild(&self, trial: &TrialId, name: &str) -> Result<(), Problem>;

    /// Durable records from outside.
    async fn envelopes(&self, trial: &TrialId, asked: EnvelopesAsked) -> Result<Envelopes, Problem>;
}
