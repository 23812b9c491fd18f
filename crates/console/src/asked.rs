//! What a request asks for: the trial it names, the cutoff and the page; and the answer when it cannot be had.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::{
    Evidence, Page, Permission, Problem, Registry, ReportAsked, ReportKind, ReportView, Resource,
    SourcesView, TrialDetail,
};
use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use clinical::report::AskedSources;
use clinical::{CutName, Date, PartialDate};

use crate::Console;
use crate::links::Links;
use crate::page;
use crate::visit;

/// Entries on one page of a list.
const PAGE_ENTRIES: usize = 50;

/// Subjects on one page of what is behind a cell.
const SOURCES: usize = 20;

/// A request about one trial.
pub(crate) struct Asked {
    pub(crate) console: Arc<Console>,
    /// The registry, as far as it is open to who asks.
    pub(crate) registry: Arc<dyn Registry>,
    /// Whether it is open to everybody on the machine.
    pub(crate) stands_open: bool,
    pub(crate) detail: TrialDetail,
    /// What is signed of the log; `None` where that is not to be had.
    pub(crate) evidence: Option<Evidence>,
    pub(crate) links: Links,
    pub(crate) page: Page,
    /// The cut whose report new events are counted against, where the page has such columns.
    pub(crate) since: Option<CutName>,
    parameters: BTreeMap<String, String>,
    query: BTreeMap<String, String>,
}

impl Asked {
    /// A part of the path.
    pub(crate) fn parameter(&self, name: &str) -> &str {
        self.parameters.get(name).map_or("", String::as_str)
    }

    /// What the address says of it after `?`.
    pub(crate) fn given(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// What is behind a cell of such a report.
    pub(crate) async fn sources(&self, kind: ReportKind, cell: &str) -> Result<SourcesView, Problem> {
        let Links { trial, as_of, cutoff, .. } = self.links.clone();
        let asked = ReportAsked { as_of, cutoff, since: None };
        let cell = AskedSources { cell: cell.to_owned(), after: self.page.after.clone(), limit: SOURCES };
        self.registry.sources(&trial, kind, asked, cell).await
    }

    /// A report of what the request names: a cut or a number of records, a day, and what it is counted against.
    pub(crate) async fn report(&self, kind: ReportKind) -> Result<ReportView, Problem> {
        let Links { trial, as_of, cutoff, .. } = self.links.clone();
        let since = self.since.clone().filter(|_| kind == ReportKind::Safety);
        self.registry.report(&trial, kind, ReportAsked { as_of, cutoff, since }).await
    }

    /// The trial is there, but not what was asked of it.
    pub(crate) fn fail(self, problem: Problem) -> Failure {
        Failure { problem, asked: Some(Box::new(self)) }
    }
}

impl FromRequestParts<Arc<Console>> for Asked {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, console: &Arc<Console>) -> Result<Self, Failure> {
        let Path(parameters) = Path::<BTreeMap<String, String>>::from_request_parts(parts, console)
            .await
            .map_err(|_| Failure::new(Problem::bad_request("the address is not in UTF-8")))?;
        let trial = parameters.get("trial").map_or("", String::as_str);
        let trial = trial.parse().map_err(|error| Failure::new(Problem::not_found(format!("{error}"))))?;
        let registry = console.gate.registry(parts);
        let detail = registry.trial(&trial).await.map_err(Failure::new)?;
        let evidence = registry.evidence(&trial).await.ok();
        let to_subjects = visit::permission(Resource::Subjects, detail.trial.has_arms) != Permission::Nothing;
        let mut asked = Self {
            console: Arc::clone(console),
            registry,
            stands_open: console.gate.stands_open().await.map_err(Failure::new)?,
            detail,
            evidence,
            links: Links { on_paper: false, to_subjects, trial, as_of: None, cutoff: None },
            page: Page { after: None, limit: Some(PAGE_ENTRIES) },
            since: None,
            parameters,
            query: BTreeMap::new(),
        };
        let Ok(Query(query)) = Query::<BTreeMap<String, String>>::from_request_parts(parts, console).await
        else {
            return Err(asked.fail(Problem::bad_request("the part after ? is not of the form name=value")));
        };
        asked.query = query;
        asked.page.after = asked.given("after").map(str::to_owned);
        if let Some(text) = asked.given("as_of") {
            let Ok(as_of) = text.parse() else {
                return Err(asked
                    .fail(Problem::bad_request("as_of is a number of records or the name of a data cut")));
            };
            asked.links.as_of = Some(as_of);
        }
        if let Some(text) = asked.given("cutoff") {
            let Some(cutoff) = day(text) else {
                return Err(asked.fail(Problem::bad_request("a cutoff is a full date such as 2011-06-30")));
            };
            asked.links.cutoff = Some(cutoff);
        }
        if let Some(text) = asked.given("since") {
            let Ok(since) = text.parse() else {
                return Err(asked.fail(Problem::bad_request("since is the name of a data cut")));
            };
            asked.since = Some(since);
        }
        Ok(asked)
    }
}

fn day(text: &str) -> Option<Date> {
    text.parse::<PartialDate>().ok()?.day()
}

/// Why there is no such page: shown as one.
pub(crate) struct Failure {
    problem: Problem,
    asked: Option<Box<Asked>>,
}

impl Failure {
    pub(crate) fn new(problem: Problem) -> Self {
        Self { problem, asked: None }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = page::problem(&self.problem, self.asked.as_deref());
        if let Some(seconds) = self.problem.retry_after_seconds {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
