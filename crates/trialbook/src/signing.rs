//! Turning statements into signed submissions on the signer's side: the one place where texts are in clear.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context as _;
use api::{Answer, Problem, Registry, TextKeyRequest};
use chain::RecordHash;
use clinical::statement::{
    Author, Circumstances, Composed, commit_to_text_key, commits_to_text_key, compose, holds_text,
};
use clinical::{EventId, SiteId, Statement, SubjectId, TrialId};

use crate::keyfile::KeyFile;
use crate::world;

/// A signer at work in one log, with the subjects' text keys it was handed.
pub(crate) struct Signer<'a> {
    pub(crate) key: &'a KeyFile,
    pub(crate) trial: &'a TrialId,
    pub(crate) log: RecordHash,
    text_keys: BTreeMap<SubjectId, [u8; 32]>,
}

impl<'a> Signer<'a> {
    pub(crate) fn new(key: &'a KeyFile, trial: &'a TrialId, log: RecordHash) -> Self {
        Self { key, trial, log, text_keys: BTreeMap::new() }
    }

    /// Makes the signed event of `statement`. An enrollment gets the commitment to a new text key, which is deposited;
    /// a statement with free text is sealed under the subject's.
    pub(crate) async fn sign(
        &mut self,
        registry: &dyn Registry,
        statement: &Statement,
    ) -> anyhow::Result<Composed> {
        self.sign_as(registry, statement, world::event_id()).await
    }

    /// As [`Signer::sign`], under a given event id: what is stated twice under one id is recorded once.
    pub(crate) async fn sign_as(
        &mut self,
        registry: &dyn Registry,
        statement: &Statement,
        id: EventId,
    ) -> anyhow::Result<Composed> {
        let mut statement = statement.clone();
        let mut text_key = None;
        if let (Some(site), Some(subject)) = (&statement.site, &statement.subject) {
            let enrolls = commits_to_text_key(&statement);
            if enrolls || holds_text(&statement) {
                let key = self.text_key(registry, site, subject).await?;
                if enrolls {
                    commit_to_text_key(&mut statement, &key);
                }
                text_key = Some(key);
            }
        }
        self.compose(&statement, text_key.as_ref(), id)
    }

    /// As [`Signer::sign`], but asks the registry for nothing: texts are sealed under a key that is thrown away, which
    /// shows the form of what would be signed.
    pub(crate) fn rehearse(&self, statement: &Statement) -> anyhow::Result<Composed> {
        let key = world::random();
        self.compose(statement, Some(&key), world::event_id())
    }

    fn compose(
        &self,
        statement: &Statement,
        text_key: Option<&[u8; 32]>,
        id: EventId,
    ) -> anyhow::Result<Composed> {
        let author = Author {
            actor: &self.key.actor,
            key: &self.key.secret,
            trial: self.trial,
            log: self.log,
            zone: &self.key.zone,
        };
        let mut circumstances =
            Circumstances { id, signed_at: world::now(), text_key, randomness: &mut world::sealing };
        Ok(compose(statement, author, &mut circumstances)?)
    }

    /// The subject's text key: asked for, or made and deposited.
    pub(crate) async fn text_key(
        &mut self,
        registry: &dyn Registry,
        site: &SiteId,
        subject: &SubjectId,
    ) -> anyhow::Result<[u8; 32]> {
        if let Some(key) = self.text_keys.get(subject) {
            return Ok(*key);
        }
        let ask = |deposit: Option<&[u8; 32]>| {
            TextKeyRequest::sign(self.trial, site, subject, deposit, world::now(), &self.key.secret)
        };
        let known = registry.text_key(self.trial, ask(None)).await?;
        let key = if let Some(text) = known.text_key {
            let key = chain::key::from_base64(&text).and_then(|bytes| bytes.try_into().ok());
            key.context("the registry handed out a text key that is none")?
        } else {
            let key = world::random();
            registry.text_key(self.trial, ask(Some(&key))).await?;
            key
        };
        self.text_keys.insert(subject.clone(), key);
        Ok(key)
    }
}

/// How often a request without an answer is sent again, with pauses of 0.1 s doubled each time: 6.3 s in all.
const RESENDS_MAX: u32 = 6;

/// Submits, and sends the same bytes again while the registry cannot say what became of them: only that settles it.
///
/// # Errors
/// Any problem but 503; and that, if it lasts.
pub(crate) async fn submit_settled(
    registry: &dyn Registry,
    trial: &TrialId,
    submissions: Vec<Vec<u8>>,
) -> Result<Vec<Answer>, Problem> {
    let mut resends = 0;
    loop {
        match registry.submit(trial, submissions.clone()).await {
            Err(problem) if problem.status == 503 && resends < RESENDS_MAX => {
                tokio::time::sleep(Duration::from_millis(100 << resends)).await;
                resends += 1;
            }
            Ok(answers) if answers.len() != submissions.len() => {
                return Err(Problem::internal("the registry did not answer every submission"));
            }
            settled => return settled,
        }
    }
}
