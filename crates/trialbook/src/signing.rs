//! Turning statements into signed submissions on the signer's side: the one place where texts are in clear.

use std::collections::BTreeMap;

use anyhow::Context as _;
use api::{Registry, TextKeyRequest};
use chain::RecordHash;
use clinical::statement::{Author, Circumstances, Composed, compose, holds_text};
use clinical::text::text_key_commitment;
use clinical::{EventKind, SiteId, Statement, SubjectId, TrialId};

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
        let mut statement = statement.clone();
        let mut text_key = None;
        if let (Some(site), Some(subject)) = (&statement.site, &statement.subject) {
            let enrolls = statement.kind == EventKind::Enrollment
                && statement.amends.is_none()
                && !statement.data.contains_key("text_key");
            if enrolls || holds_text(&statement) {
                let key = self.text_key(registry, site, subject).await?;
                if enrolls {
                    let commitment = serde_json::to_value(text_key_commitment(&key))?;
                    statement.data.insert("text_key".to_owned(), commitment);
                }
                text_key = Some(key);
            }
        }
        self.compose(&statement, text_key.as_ref())
    }

    /// As [`Signer::sign`], but asks the registry for nothing: texts are sealed under a key that is thrown away, which
    /// shows the form of what would be signed.
    pub(crate) fn rehearse(&self, statement: &Statement) -> anyhow::Result<Composed> {
        let key = world::random();
        self.compose(statement, Some(&key))
    }

    fn compose(&self, statement: &Statement, text_key: Option<&[u8; 32]>) -> anyhow::Result<Composed> {
        let author = Author {
            actor: &self.key.actor,
            key: &self.key.secret,
            trial: self.trial,
            log: self.log,
            zone: &self.key.zone,
        };
        let mut circumstances = Circumstances {
            id: world::event_id(),
            signed_at: world::now(),
            text_key,
            randomness: &mut world::sealing,
        };
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
