//! Signs and submits, a batch at a time, as the people of a demonstration would.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Result;
use api::{Answer, Registry};
use chain::RecordHash;
use clinical::statement::Composed;
use clinical::{ActorId, Receipt, Statement, TrialId};

use crate::keyfile::KeyFile;
use crate::signing::{Signer, submit_settled};

/// How many events go into one request.
pub(super) const BATCH: usize = 100;

/// What is signed and not yet submitted, and how it went so far.
pub(super) struct Submitter<'a> {
    registry: &'a dyn Registry,
    trial: &'a TrialId,
    genesis: RecordHash,
    signers: BTreeMap<ActorId, Signer<'a>>,
    waiting: Vec<Composed>,
    /// Time spent in the registry.
    pub(super) submitting: Duration,
    /// Events recorded.
    pub(super) submitted: u32,
}

impl<'a> Submitter<'a> {
    pub(super) fn new(registry: &'a dyn Registry, trial: &'a TrialId, genesis: RecordHash) -> Self {
        Self {
            registry,
            trial,
            genesis,
            signers: BTreeMap::new(),
            waiting: Vec::new(),
            submitting: Duration::ZERO,
            submitted: 0,
        }
    }

    /// Signs a statement; submits once a batch is full.
    pub(super) async fn state(&mut self, key: &'a KeyFile, statement: &Statement) -> Result<()> {
        let (trial, genesis) = (self.trial, self.genesis);
        let signer =
            self.signers.entry(key.actor.id.clone()).or_insert_with(|| Signer::new(key, trial, genesis));
        self.waiting.push(signer.sign(self.registry, statement).await?);
        if self.waiting.len() >= BATCH {
            self.flush().await?;
        }
        Ok(())
    }

    /// Signs a statement and submits it with all that waits; its receipt.
    pub(super) async fn record(&mut self, key: &'a KeyFile, statement: &Statement) -> Result<Receipt> {
        self.flush().await?;
        self.state(key, statement).await?;
        self.flush().await?.ok_or_else(|| anyhow::anyhow!("the registry did not answer"))
    }

    /// Submits what waits; the last receipt, if anything did.
    pub(super) async fn flush(&mut self) -> Result<Option<Receipt>> {
        let submissions: Vec<_> = self.waiting.drain(..).map(|composed| composed.submission()).collect();
        if submissions.is_empty() {
            return Ok(None);
        }
        let begun = Instant::now();
        let answers = submit_settled(self.registry, self.trial, submissions).await?;
        self.submitting += begun.elapsed();
        let mut last = None;
        for answer in answers {
            match answer {
                Answer::Recorded { receipt } | Answer::Repeated { receipt } => {
                    self.submitted += 1;
                    last = Some(receipt);
                }
                Answer::Refused { problem } => return Err(problem.into()),
            }
        }
        Ok(last)
    }
}
