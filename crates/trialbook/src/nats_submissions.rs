//! Submissions over NATS: request and reply on `trialbook.{trial}.submit.{site}`, with the same bytes and answers as over
//! HTTP. The servers' permissions say who may publish on which site's subject; here it is held that an event names the
//! site whose subject it came by.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use api::{Answer, Problem, Registry as _};
use async_nats::header::{HeaderMap, HeaderValue};
use async_nats::{Client, Message};
use clinical::{SiteId, TrialId};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio_stream::StreamExt as _;
use tracing::Instrument as _;

use crate::deployment::Deployment;
use crate::spans;

/// Any site's submissions to any trial.
const SUBJECTS: &str = "trialbook.*.submit.*";

/// Registrars share what comes: each request goes to one of them.
const QUEUE: &str = "trialbook-registrars";

/// The answer's header with the status that HTTP would answer with.
const STATUS: &str = "Status";

/// How many requests are worked on at once; what comes beyond them waits at the server.
const AT_ONCE: usize = 256;

/// Takes submissions until it is drained.
pub(crate) struct Submissions {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// Begins to take submissions.
///
/// # Errors
/// The server does not let this process subscribe.
pub(crate) async fn start(client: Client, deployment: Deployment) -> Result<Submissions> {
    let mut requests = client
        .queue_subscribe(SUBJECTS, QUEUE.to_owned())
        .await
        .with_context(|| format!("cannot subscribe to {SUBJECTS}"))?;
    let (stop, mut stopped) = watch::channel(false);
    let task = tokio::spawn(async move {
        let room = Arc::new(Semaphore::new(AT_ONCE));
        loop {
            let request = tokio::select! {
                request = requests.next() => request,
                () = asked_to_stop(&mut stopped) => {
                    // No more is sent here; what has come already is answered.
                    if requests.drain().await.is_err() {
                        break;
                    }
                    requests.next().await
                }
            };
            let Some(request) = request else { break };
            let Ok(permit) = Arc::clone(&room).acquire_owned().await else { break };
            let (client, deployment) = (client.clone(), deployment.clone());
            tokio::spawn(async move {
                let parent = request.headers.as_ref().and_then(|headers| headers.get("traceparent"));
                let span = spans::of_nats(parent.map(HeaderValue::as_str));
                answer(&client, &deployment, request).instrument(span).await;
                drop(permit);
            });
        }
        // Whoever still works is waited for.
        let _all = room.acquire_many(u32::try_from(AT_ONCE).unwrap_or(u32::MAX)).await;
        if let Err(error) = client.flush().await {
            tracing::warn!("the last answers over NATS may not have been sent: {error}");
        }
    });
    Ok(Submissions { stop, task })
}

/// Waits until it is to stop; an error means that nobody is left who could ask.
async fn asked_to_stop(stopped: &mut watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stop| *stop).await;
}

impl Submissions {
    /// Takes no more, and answers what has come.
    pub(crate) async fn drain(self) {
        self.stop.send_replace(true);
        // It panics nowhere; a request that failed has lost its own answer only.
        let _ = self.task.await;
    }
}

/// Answers one request. Its status is that of HTTP, in the header [`STATUS`].
async fn answer(client: &Client, deployment: &Deployment, request: Message) {
    let Some(reply) = request.reply.clone() else { return };
    let (status, body) = match submit(deployment, &request).await {
        Ok(answer) => (answer.status(), serde_json::to_vec(&answer)),
        Err(problem) => (problem.status, serde_json::to_vec(&problem)),
    };
    tracing::Span::current().record("status", i64::from(status));
    let mut headers = HeaderMap::new();
    headers.insert(STATUS, status.to_string());
    let body = body.unwrap_or_default();
    if let Err(error) = client.publish_with_headers(reply, headers, body.into()).await {
        tracing::warn!("an answer over NATS could not be sent: {error}");
    }
}

async fn submit(deployment: &Deployment, request: &Message) -> Result<Answer, Problem> {
    let (trial, site) = place(&request.subject)?;
    let bytes = request.payload.to_vec();
    let stated = stated_site(&bytes);
    if let Some(stated) = stated.filter(|stated| *stated != site) {
        let detail = format!("the event is of site {stated}, and came by the subject of site {site}");
        return Err(Problem::new(403, "site-differs", "The event is another site's.", detail));
    }
    let answers = deployment.submit(&trial, vec![bytes]).await?;
    let answer = answers.into_iter().next().ok_or_else(|| Problem::internal("no answer"))?;
    if let Answer::Refused { problem } = answer { Err(problem) } else { Ok(answer) }
}

/// Trial and site of a subject.
fn place(subject: &str) -> Result<(TrialId, SiteId), Problem> {
    let unknown = || Problem::not_found("the subject is trialbook.TRIAL.submit.SITE");
    let mut parts = subject.split('.').skip(1);
    let (trial, _, site) = (parts.next(), parts.next(), parts.next());
    let trial = trial.and_then(|trial| trial.parse().ok()).ok_or_else(unknown)?;
    let site = site.and_then(|site| site.parse().ok()).ok_or_else(unknown)?;
    Ok((trial, site))
}

/// The site that a submission's event names. What cannot be read is refused by whoever reads it in earnest.
fn stated_site(submission: &[u8]) -> Option<SiteId> {
    registrar::read(submission).ok()?.event().site.clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_names_trial_and_site_or_nothing() {
        let (trial, site) = place("trialbook.lupus.submit.S01").unwrap();
        assert_eq!((trial.as_str(), site.as_str()), ("lupus", "S01"));
        for subject in ["trialbook.LUPUS.submit.S01", "trialbook.lupus.submit.", "trialbook", ""] {
            assert!(place(subject).is_err(), "{subject}");
        }
    }

    #[test]
    fn the_document_in_docs_says_where_it_is_submitted_and_how_it_is_answered() {
        let document = include_str!("../../../docs/asyncapi.yaml");
        let document: serde_json::Value = serde_saphyr::from_str(document).unwrap();
        let address = document["channels"]["submit"]["address"].as_str().unwrap();
        assert_eq!(address.replace("{trial}", "*").replace("{site}", "*"), SUBJECTS);
        assert_eq!(document["operations"]["submit"]["bindings"]["nats"]["queue"], QUEUE);
        let headers = &document["components"]["schemas"]["Headers"];
        assert_eq!(headers["required"], serde_json::json!([STATUS]));
        assert!(headers["properties"].as_object().unwrap().keys().eq([STATUS]));
    }
}
