//! A registry whose parts are processes of their own: each question goes to the one that answers it.

use api::{
    Answer, Client, Envelopes, EnvelopesAsked, Evidence, FeedItem, FeedPart, FindingsPage, LogFile, Page,
    PlanAsked, PlanPage, Problem, Projectors, Readiness, RecordView, RefusedAsked, RefusedPage, Registry,
    Rehearsal, Rehearsed, ReportAsked, ReportKind, ReportView, SourcesView, SubjectRecords, SubjectsPage,
    TextKeyAnswer, TextKeyRequest, TrailAsked, TrailPage, TrialDetail, Trials, VerificationView,
};
use async_trait::async_trait;
use chain::Position;
use clinical::report::AskedSources;
use clinical::{SiteId, SubjectId, TrialId};
use metrics_exporter_prometheus::PrometheusHandle;

/// The processes of a registry.
pub(crate) struct Routed {
    pub(crate) registrar: Client,
    pub(crate) notary: Client,
    pub(crate) outcomes: Client,
    pub(crate) safety: Client,
    /// Of the process that asks: each of the others shows its own.
    pub(crate) metrics: PrometheusHandle,
}

impl Routed {
    fn projector(&self, kind: ReportKind) -> &Client {
        match kind {
            ReportKind::Outcomes => &self.outcomes,
            ReportKind::Safety => &self.safety,
        }
    }
}

#[async_trait]
impl Registry for Routed {
    async fn trials(&self) -> Result<Trials, Problem> {
        self.registrar.trials().await
    }

    async fn trial(&self, trial: &TrialId) -> Result<TrialDetail, Problem> {
        self.registrar.trial(trial).await
    }

    async fn open_trial(&self, submission: Vec<u8>) -> Result<Answer, Problem> {
        self.registrar.open_trial(submission).await
    }

    async fn submit(&self, trial: &TrialId, submissions: Vec<Vec<u8>>) -> Result<Vec<Answer>, Problem> {
        self.registrar.submit(trial, submissions).await
    }

    async fn rehearse(&self, trial: &TrialId, rehearsal: Rehearsal) -> Result<Rehearsed, Problem> {
        self.registrar.rehearse(trial, rehearsal).await
    }

    async fn record(&self, trial: &TrialId, seq: Position) -> Result<RecordView, Problem> {
        self.registrar.record(trial, seq).await
    }

    async fn subjects(&self, trial: &TrialId, page: Page) -> Result<SubjectsPage, Problem> {
        self.registrar.subjects(trial, page).await
    }

    async fn subject_records(
        &self,
        trial: &TrialId,
        subject: &SubjectId,
        page: Page,
    ) -> Result<SubjectRecords, Problem> {
        self.registrar.subject_records(trial, subject, page).await
    }

    async fn findings(&self, trial: &TrialId, page: Page) -> Result<FindingsPage, Problem> {
        self.registrar.findings(trial, page).await
    }

    async fn trail(&self, trial: &TrialId, asked: TrailAsked) -> Result<TrailPage, Problem> {
        self.registrar.trail(trial, asked).await
    }

    async fn plan(&self, trial: &TrialId, asked: PlanAsked) -> Result<PlanPage, Problem> {
        self.registrar.plan(trial, asked).await
    }

    async fn refused(&self, trial: &TrialId, asked: RefusedAsked) -> Result<RefusedPage, Problem> {
        self.registrar.refused(trial, asked).await
    }

    async fn verification(&self, trial: &TrialId) -> Result<VerificationView, Problem> {
        self.registrar.verification(trial).await
    }

    async fn report(
        &self,
        trial: &TrialId,
        kind: ReportKind,
        asked: ReportAsked,
    ) -> Result<ReportView, Problem> {
        self.projector(kind).report(trial, kind, asked).await
    }

    async fn sources(
        &self,
        trial: &TrialId,
        kind: ReportKind,
        asked: ReportAsked,
        cell: AskedSources,
    ) -> Result<SourcesView, Problem> {
        self.projector(kind).sources(trial, kind, asked, cell).await
    }

    async fn follow(&self, trial: &TrialId, from: Position) -> Result<FeedPart, Problem> {
        self.registrar.follow(trial, from).await
    }

    async fn evidence(&self, trial: &TrialId) -> Result<Evidence, Problem> {
        self.notary.evidence(trial).await
    }

    async fn log_file(&self, trial: &TrialId, file: LogFile) -> Result<Vec<u8>, Problem> {
        self.notary.log_file(trial, file).await
    }

    async fn proof(&self, trial: &TrialId, seq: Position) -> Result<String, Problem> {
        self.notary.proof(trial, seq).await
    }

    async fn site_records(
        &self,
        trial: &TrialId,
        site: &SiteId,
        after: Option<Position>,
    ) -> Result<Vec<FeedItem>, Problem> {
        self.registrar.site_records(trial, site, after).await
    }

    async fn text_key(&self, trial: &TrialId, request: TextKeyRequest) -> Result<TextKeyAnswer, Problem> {
        self.registrar.text_key(trial, request).await
    }

    /// Ready when its registrar is: without the others pages are missing, but nothing that is submitted.
    async fn readiness(&self) -> Result<Readiness, Problem> {
        let others = [("notary", &self.notary), ("outcomes", &self.outcomes), ("safety", &self.safety)];
        let mut all = self.registrar.readiness().await?;
        for (name, process) in others {
            match process.readiness().await {
                Ok(readiness) => all.checks.extend(readiness.checks),
                Err(problem) => all.checks.push(api::ReadinessCheck {
                    detail: Some(problem.to_string()),
                    name: name.to_owned(),
                    ok: false,
                }),
            }
        }
        Ok(all)
    }

    async fn metrics(&self) -> Result<String, Problem> {
        Ok(self.metrics.render())
    }

    /// Those of the processes that answer; that one does not is told in readiness.
    async fn projectors(&self) -> Result<Projectors, Problem> {
        let mut all = self.registrar.projectors().await?;
        for process in [&self.outcomes, &self.safety] {
            if let Ok(found) = process.projectors().await {
                all.projectors.extend(found.projectors);
            }
        }
        all.projectors.sort_by(|one, other| (&one.trial, &one.name).cmp(&(&other.trial, &other.name)));
        Ok(all)
    }

    async fn rebuild(&self, _: &TrialId, name: &str) -> Result<(), Problem> {
        Err(Problem::not_served(format!(
            "ask the process whose read model {name:?} is, with an operator's token of it"
        )))
    }

    async fn envelopes(&self, trial: &TrialId, asked: EnvelopesAsked) -> Result<Envelopes, Problem> {
        self.registrar.envelopes(trial, asked).await
    }
}
