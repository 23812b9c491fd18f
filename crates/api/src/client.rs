//! The registry over HTTP.

use async_trait::async_trait;
use chain::Position;
use clinical::report::AskedSources;
use clinical::{PartialDate, SiteId, SubjectId, TrialId};
use reqwest::{Method, Response};
use serde::de::DeserializeOwned;

use crate::evidence::{Evidence, LogFile};
use crate::problem::Problem;
use crate::refused::{RefusedAsked, RefusedPage};
use crate::registry::Registry;
use crate::review::{PlanAsked, PlanPage, TrailAsked, TrailPage, VerificationView};
use crate::text_key::{TextKeyAnswer, TextKeyRequest};
use crate::wire::{
    Answer, FeedItem, FeedPart, FindingsPage, Page, Readiness, RecordView, Rehearsal, Rehearsed, ReportAsked,
    ReportKind, ReportView, SourcesView, SubjectRecords, SubjectsPage, TrialDetail, Trials,
};
use crate::workings::{Envelopes, EnvelopesAsked, Projectors};

/// A registry elsewhere.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
}

impl Client {
    /// A client of the registry at `base`, such as `http://127.0.0.1:7878`, by way of `http`. What that sends with every
    /// request, such as a token, goes to the registry; so it is to ask no proxy and to follow no redirection.
    pub fn new(http: reqwest::Client, base: &str) -> Self {
        Self { http, base: base.trim_end_matches('/').to_owned() }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, String)],
        body: Option<(&'static str, Vec<u8>)>,
    ) -> Result<Response, Problem> {
        let mut url = format!("{}{path}", self.base);
        for (index, (name, value)) in query.iter().enumerate() {
            // Positions, dates and ids: nothing that would have to be escaped.
            url.push(if index == 0 { '?' } else { '&' });
            url.extend([name, "=", value.as_str()]);
        }
        let mut request = self.http.request(method, url);
        if let Some((content_type, body)) = body {
            request = request.header("content-type", content_type).body(body);
        }
        request.send().await.map_err(|error| self.unreachable(&error))
    }

    fn unreachable(&self, error: &reqwest::Error) -> Problem {
        Problem::new(
            503,
            "unreachable",
            "The registry cannot be reached.",
            format!("{}: {}", self.base, error.without_url_text()),
        )
    }

    async fn read<T: DeserializeOwned>(&self, response: Response) -> Result<T, Problem> {
        let status = response.status();
        let bytes = response.bytes().await.map_err(|error| self.unreachable(&error))?;
        if !status.is_success() {
            return Err(problem(status.as_u16(), &bytes));
        }
        serde_json::from_slice(&bytes)
            .map_err(|error| Problem::internal(format!("the answer is not of its form: {error}")))
    }

    async fn bytes(&self, path: &str, query: &[(&str, String)]) -> Result<Vec<u8>, Problem> {
        let response = self.send(Method::GET, path, query, None).await?;
        let status = response.status();
        let bytes = response.bytes().await.map_err(|error| self.unreachable(&error))?;
        if status.is_success() { Ok(bytes.to_vec()) } else { Err(problem(status.as_u16(), &bytes)) }
    }

    async fn get<T: DeserializeOwned>(&self, path: &str, query: &[(&str, String)]) -> Result<T, Problem> {
        let response = self.send(Method::GET, path, query, None).await?;
        self.read(response).await
    }
}

/// What is shown of a transport error: its kind and causes, without the URL that holds ids.
trait WithoutUrl {
    fn without_url_text(&self) -> String;
}

impl WithoutUrl for reqwest::Error {
    fn without_url_text(&self) -> String {
        use std::error::Error as _;
        let mut text =
            if self.is_connect() { "connection failed".to_owned() } else { "request failed".to_owned() };
        let mut source = self.source();
        while let Some(cause) = source {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            source = cause.source();
        }
        text
    }
}

fn problem(status: u16, bytes: &[u8]) -> Problem {
    serde_json::from_slice(bytes).unwrap_or_else(|_| {
        let text: String = String::from_utf8_lossy(bytes).chars().take(200).collect();
        Problem::new(status, "unknown", "The registry answered without a problem document.", text)
    })
}

fn pages(page: &Page) -> Vec<(&'static str, String)> {
    let mut query = Vec::new();
    if let Some(after) = &page.after {
        query.push(("after", after.clone()));
    }
    if let Some(limit) = page.limit {
        query.push(("limit", limit.to_string()));
    }
    query
}

/// What a report is asked for with.
fn report_query(asked: ReportAsked) -> impl Iterator<Item = (&'static str, String)> {
    let cutoff = asked.cutoff.map(|day| ("cutoff", PartialDate::from(day).to_string()));
    let as_of = asked.as_of.map(|as_of| ("as_of", as_of.to_string()));
    let since = asked.since.map(|since| ("since", since.to_string()));
    [cutoff, as_of, since].into_iter().flatten()
}

#[async_trait]
impl Registry for Client {
    async fn trials(&self) -> Result<Trials, Problem> {
        self.get("/v1/trials", &[]).await
    }

    async fn trial(&self, trial: &TrialId) -> Result<TrialDetail, Problem> {
        self.get(&format!("/v1/trials/{trial}"), &[]).await
    }

    async fn open_trial(&self, submission: Vec<u8>) -> Result<Answer, Problem> {
        let body = Some(("application/json", submission));
        let response = self.send(Method::POST, "/v1/trials", &[], body).await?;
        self.read_answer(response).await
    }

    async fn submit(&self, trial: &TrialId, submissions: Vec<Vec<u8>>) -> Result<Vec<Answer>, Problem> {
        let path = format!("/v1/trials/{trial}/events");
        if let [submission] = submissions.as_slice() {
            let body = Some(("application/json", submission.clone()));
            let response = self.send(Method::POST, &path, &[], body).await?;
            return self.read_answer(response).await.map(|answer| vec![answer]);
        }
        let body = Some(("application/x-ndjson", submissions.join(&b'\n')));
        let response = self.send(Method::POST, &path, &[], body).await?;
        let status = response.status();
        let bytes = response.bytes().await.map_err(|error| self.unreachable(&error))?;
        if !status.is_success() {
            return Err(problem(status.as_u16(), &bytes));
        }
        bytes
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| {
                serde_json::from_slice(line)
                    .map_err(|error| Problem::internal(format!("an answer is not of its form: {error}")))
            })
            .collect()
    }

    async fn rehearse(&self, trial: &TrialId, rehearsal: Rehearsal) -> Result<Rehearsed, Problem> {
        let body = serde_json::to_vec(&rehearsal).map_err(|error| Problem::internal(error.to_string()))?;
        let path = format!("/v1/trials/{trial}/rehearsals");
        let response = self.send(Method::POST, &path, &[], Some(("application/json", body))).await?;
        self.read(response).await
    }

    async fn record(&self, trial: &TrialId, seq: Position) -> Result<RecordView, Problem> {
        self.get(&format!("/v1/trials/{trial}/records/{seq}"), &[]).await
    }

    async fn subjects(&self, trial: &TrialId, page: Page) -> Result<SubjectsPage, Problem> {
        self.get(&format!("/v1/trials/{trial}/subjects"), &pages(&page)).await
    }

    async fn subject_records(
        &self,
        trial: &TrialId,
        subject: &SubjectId,
        page: Page,
    ) -> Result<SubjectRecords, Problem> {
        self.get(&format!("/v1/trials/{trial}/subjects/{subject}/records"), &pages(&page)).await
    }

    async fn findings(&self, trial: &TrialId, page: Page) -> Result<FindingsPage, Problem> {
        self.get(&format!("/v1/trials/{trial}/findings"), &pages(&page)).await
    }

    async fn trail(&self, trial: &TrialId, asked: TrailAsked) -> Result<TrailPage, Problem> {
        let mut query = asked.filters();
        query.extend(asked.after.map(|after| ("after", after.to_string())));
        query.extend(asked.limit.map(|limit| ("limit", limit.to_string())));
        self.get(&format!("/v1/trials/{trial}/trail"), &query).await
    }

    async fn plan(&self, trial: &TrialId, asked: PlanAsked) -> Result<PlanPage, Problem> {
        let mut query = Vec::new();
        query.extend(asked.on.map(|on| ("on", PartialDate::from(on).to_string())));
        query.extend(asked.site.map(|site| ("site", site.to_string())));
        query.extend(asked.after.map(|after| ("after", after.to_string())));
        query.extend(asked.limit.map(|limit| ("limit", limit.to_string())));
        self.get(&format!("/v1/trials/{trial}/plan"), &query).await
    }

    async fn refused(&self, trial: &TrialId, asked: RefusedAsked) -> Result<RefusedPage, Problem> {
        let mut query = Vec::new();
        query.extend(asked.site.map(|site| ("site", site.to_string())));
        query.extend(asked.before.map(|before| ("before", before.to_string())));
        query.extend(asked.limit.map(|limit| ("limit", limit.to_string())));
        self.get(&format!("/v1/trials/{trial}/refused"), &query).await
    }

    async fn verification(&self, trial: &TrialId) -> Result<VerificationView, Problem> {
        self.get(&format!("/v1/trials/{trial}/verification"), &[]).await
    }

    async fn report(
        &self,
        trial: &TrialId,
        kind: ReportKind,
        asked: ReportAsked,
    ) -> Result<ReportView, Problem> {
        let path = format!("/v1/trials/{trial}/reports/{}", kind.as_str());
        self.get(&path, &report_query(asked).collect::<Vec<_>>()).await
    }

    async fn sources(
        &self,
        trial: &TrialId,
        kind: ReportKind,
        asked: ReportAsked,
        cell: AskedSources,
    ) -> Result<SourcesView, Problem> {
        let mut query = vec![("cell", cell.cell), ("limit", cell.limit.to_string())];
        query.extend(cell.after.map(|after| ("after", after)));
        query.extend(report_query(asked));
        self.get(&format!("/v1/trials/{trial}/reports/{}/sources", kind.as_str()), &query).await
    }

    async fn follow(&self, trial: &TrialId, from: Position) -> Result<FeedPart, Problem> {
        // A command that needs records reads them one by one; the feed is for programs that stay.
        match self.record(trial, from).await {
            Ok(view) => {
                let item = FeedItem { seq: view.seq, record: view.record.get().to_owned() };
                Ok(FeedPart { items: vec![item], next: view.seq.next() })
            }
            Err(problem) if problem.status == 404 => Ok(FeedPart { items: Vec::new(), next: from }),
            Err(problem) => Err(problem),
        }
    }

    async fn evidence(&self, trial: &TrialId) -> Result<Evidence, Problem> {
        self.get(&format!("/v1/trials/{trial}/log"), &[]).await
    }

    async fn log_file(&self, trial: &TrialId, file: LogFile) -> Result<Vec<u8>, Problem> {
        let file = match file {
            LogFile::Checkpoint => "checkpoint".to_owned(),
            LogFile::Witnessed => "witnessed".to_owned(),
            LogFile::Tile(path) => path.to_string(),
        };
        self.bytes(&format!("/v1/trials/{trial}/log/{file}"), &[]).await
    }

    async fn proof(&self, trial: &TrialId, seq: Position) -> Result<String, Problem> {
        let bytes = self.bytes(&format!("/v1/trials/{trial}/proofs/{seq}"), &[]).await?;
        String::from_utf8(bytes).map_err(|_| Problem::internal("the proof is not text"))
    }

    async fn site_records(
        &self,
        trial: &TrialId,
        site: &SiteId,
        after: Option<Position>,
    ) -> Result<Vec<FeedItem>, Problem> {
        let after: Vec<_> = after.map(|after| ("after", after.to_string())).into_iter().collect();
        let bytes = self.bytes(&format!("/v1/trials/{trial}/log/site/{site}"), &after).await?;
        let item = |line: &[u8]| {
            serde_json::from_slice(line)
                .map_err(|error| Problem::internal(format!("an answer is not of its form: {error}")))
        };
        bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(item).collect()
    }

    async fn text_key(&self, trial: &TrialId, request: TextKeyRequest) -> Result<TextKeyAnswer, Problem> {
        let body = serde_json::to_vec(&request).map_err(|error| Problem::internal(error.to_string()))?;
        let path = format!("/v1/trials/{trial}/text-keys");
        let response = self.send(Method::POST, &path, &[], Some(("application/json", body))).await?;
        self.read(response).await
    }

    async fn readiness(&self) -> Result<Readiness, Problem> {
        let response = self.send(Method::GET, "/readyz", &[], None).await?;
        let bytes = response.bytes().await.map_err(|error| self.unreachable(&error))?;
        // Unready is an answer too.
        serde_json::from_slice(&bytes).map_err(|error| Problem::internal(error.to_string()))
    }

    async fn metrics(&self) -> Result<String, Problem> {
        let bytes = self.bytes("/metrics", &[]).await?;
        String::from_utf8(bytes).map_err(|_| Problem::internal("the metrics are not text"))
    }

    async fn projectors(&self) -> Result<Projectors, Problem> {
        self.get("/v1/projectors", &[]).await
    }

    async fn rebuild(&self, trial: &TrialId, name: &str) -> Result<(), Problem> {
        let path = format!("/v1/trials/{trial}/projectors/{name}/rebuild");
        let response = self.send(Method::POST, &path, &[], None).await?;
        let status = response.status();
        if status.is_success() {
            return Ok(());
        }
        let bytes = response.bytes().await.map_err(|error| self.unreachable(&error))?;
        Err(problem(status.as_u16(), &bytes))
    }

    async fn envelopes(&self, trial: &TrialId, asked: EnvelopesAsked) -> Result<Envelopes, Problem> {
        let EnvelopesAsked { from, limit, wait } = asked;
        let query = [("from", from.to_string()), ("limit", limit.to_string()), ("wait", wait.to_string())];
        self.get(&format!("/v1/trials/{trial}/envelopes"), &query).await
    }
}

impl Client {
    /// The answer to one event: a problem that speaks of the event is its refusal, any other fails the request.
    async fn read_answer(&self, response: Response) -> Result<Answer, Problem> {
        let status = response.status().as_u16();
        let bytes = response.bytes().await.map_err(|error| self.unreachable(&error))?;
        if (200..300).contains(&status) {
            return serde_json::from_slice(&bytes)
                .map_err(|error| Problem::internal(format!("the answer is not of its form: {error}")));
        }
        let problem = problem(status, &bytes);
        if clinical::RefusalCode::ALL.iter().any(|code| code.as_str() == problem.code) {
            Ok(Answer::Refused { problem })
        } else {
            Err(problem)
        }
    }
}
