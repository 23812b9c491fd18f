//! Sealing a trial's log: its notary, and the witnesses it asks.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use api::{Evidence, LogKeyView, Problem, ReadinessCheck, Sealed, Witnesses};
use chain::note::{NOTE_BYTES_MAX, Signer, VerifierKey};
use chain::policy::Policy;
use chain::witness_request::AddCheckpoint;
use chain::{LinkedRecord, Record, TreeSize};
use clinical::{Event, TrialId};
use notary::{LogKeys, Parts, Phase, Settings, Stop, WitnessClient};

use super::running::Running;
use crate::data::{Data, Service};

/// How long a witness may take to answer.
const WITNESS_TIMEOUT: Duration = Duration::from_secs(10);

/// A record that waits longer for a checkpoint makes sealing late: it is sealed within 5 s, unless something is wrong.
const SEALING_LATE: Duration = Duration::from_secs(10);

/// A record that waits longer for the quorum makes the witnesses late: two rounds of 30 s, in which each of them is asked
/// several times.
const QUORUM_LATE: Duration = Duration::from_mins(1);

/// What a deployment's notaries work by.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sealing {
    /// Which witnesses are asked, and how many have to have cosigned.
    pub(crate) policy: Option<Policy>,
    /// Whose certificates are believed of witnesses, if not those the system believes.
    pub(crate) ca: Option<PathBuf>,
}

/// A witness at its address in the policy.
struct Remote {
    name: String,
    url: String,
    /// Where it shows what it has cosigned last, if it does.
    last: String,
    agent: reqwest::Client,
    runtime: tokio::runtime::Handle,
}

impl WitnessClient for Remote {
    fn name(&self) -> &str {
        &self.name
    }

    fn add_checkpoint(&self, request: &AddCheckpoint) -> Result<(u16, Vec<u8>), String> {
        let told = |error: reqwest::Error| error.without_url().to_string();
        self.runtime.block_on(async {
            let mut sent = self.agent.post(&self.url).body(request.to_string()).send().await.map_err(told)?;
            let status = sent.status().as_u16();
            let mut body = Vec::new();
            while let Some(part) = sent.chunk().await.map_err(told)? {
                if body.len() + part.len() > NOTE_BYTES_MAX {
                    return Err("the answer is too long".to_owned());
                }
                body.extend_from_slice(&part);
            }
            Ok((status, body))
        })
    }

    fn last_checkpoint(&self, origin: &str) -> Option<Vec<u8>> {
        self.runtime.block_on(async {
            let url = reqwest::Url::parse_with_params(&self.last, [("origin", origin)]).ok()?;
            let mut sent = self.agent.get(url).send().await.ok()?.error_for_status().ok()?;
            let mut body = Vec::new();
            while let Some(part) = sent.chunk().await.ok()? {
                if body.len() + part.len() > NOTE_BYTES_MAX {
                    return None;
                }
                body.extend_from_slice(&part);
            }
            Some(body)
        })
    }
}

/// The keys that a log's records name, of which the secret halves are in the data directory.
struct KeysHere {
    origin: String,
    data: Data,
    trial: TrialId,
    named: Mutex<clinical::LogKeys>,
}

impl KeysHere {
    fn named(&self) -> MutexGuard<'_, clinical::LogKeys> {
        self.named.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LogKeys for KeysHere {
    fn origin(&self) -> &str {
        &self.origin
    }

    fn follow(&self, record: &LinkedRecord) {
        // In canonical JSON a kind has one writing: all but a few records are passed over without being read.
        let about_keys =
            |text: &str| text.contains("\"kind\":\"key_") || text.contains("\"kind\":\"log_key_");
        if !std::str::from_utf8(&record.bytes).is_ok_and(about_keys) {
            return;
        }
        let event = Record::parse(&record.bytes).ok().and_then(|record| Event::decode(record.event).ok());
        if let Some(event) = event {
            self.named().apply(&event, record.seq);
        }
    }

    fn due(&self, size: TreeSize) -> Vec<VerifierKey> {
        self.named().due(size).cloned().collect()
    }

    fn signer(&self, key: &VerifierKey) -> Option<Signer> {
        let secret = self.data.service_key(&self.trial, Service::Log, key.key().id());
        let secret = secret.unwrap_or_else(|error| {
            tracing::error!(trial = %self.trial, key = %key, "the log's key cannot be used: {error:#}");
            None
        });
        Signer::new(&self.origin, secret?).ok()
    }
}

fn log_key_view(key: &clinical::LogKey) -> LogKeyView {
    LogKeyView {
        named_at: key.named_at,
        revoked_at: key.revoked_at,
        verifier_key: key.verifier_key.to_string(),
    }
}

fn witnesses(policy: &Policy, ca: Option<&Path>) -> anyhow::Result<Vec<Box<dyn WitnessClient>>> {
    let runtime = tokio::runtime::Handle::try_current().context("witnesses are asked on a runtime")?;
    let agent = crate::reach::client_of_others(ca)?.timeout(WITNESS_TIMEOUT).build()?;
    let mut clients: Vec<Box<dyn WitnessClient>> = Vec::new();
    for (name, url) in policy.witness_names().iter().zip(policy.witness_urls()) {
        // A witness without an address hands in its cosignatures by another way.
        if let Some(url) = url {
            let prefix = url.trim_end_matches('/');
            let (url, last) = (format!("{prefix}/add-checkpoint"), format!("{prefix}/last-checkpoint"));
            let (agent, runtime) = (agent.clone(), runtime.clone());
            clients.push(Box::new(Remote { name: name.clone(), url, last, agent, runtime }));
        }
    }
    Ok(clients)
}

impl Running {
    /// Starts the notary of a trial that is open, if the log's key is here. What it does not agree with keeps it from
    /// signing, and nobody from submitting.
    pub(crate) fn start_sealing(&self, data: &Data, sealing: &Sealing) -> anyhow::Result<()> {
        let public = self.public();
        let Some(opening) = &public.opening else { return Ok(()) };
        let mut notary = self.notary.lock().unwrap_or_else(PoisonError::into_inner);
        if notary.is_some() {
            return Ok(());
        }
        let log = VerifierKey::from_text(&opening.log_key).context("the log's key is not one")?;
        let keys = KeysHere {
            origin: log.name().to_owned(),
            data: data.clone(),
            trial: self.trial.clone(),
            named: Mutex::new(public.log_keys.clone()),
        };
        if !keys.due(TreeSize(u64::MAX)).iter().any(|key| keys.signer(key).is_some()) {
            tracing::warn!(trial = %self.trial, "the log's key is not here: no checkpoints are signed");
            return Ok(());
        }
        let path = data.checkpoints(&self.trial);
        let checkpoints =
            keep::Checkpoints::open(&path).with_context(|| format!("cannot open {}", path.display()))?;
        let clients = sealing
            .policy
            .as_ref()
            .map(|policy| witnesses(policy, sealing.ca.as_deref()))
            .transpose()?
            .unwrap_or_default();
        let parts = Parts {
            journal: Arc::clone(&self.journal),
            archive: self.archive.clone(),
            checkpoints: Arc::new(checkpoints),
            keys: Arc::new(keys),
            clock: Arc::new(crate::world::now),
            witnesses: clients,
            policy: sealing.policy.clone(),
            settings: Settings::default(),
        };
        *notary = Some(notary::start(parts).context("cannot start the notary")?);
        Ok(())
    }

    /// The notary, to be looked at; `None` where nothing is sealed.
    pub(crate) fn sealing(&self) -> Option<notary::Watch> {
        self.notary.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(notary::NotaryHandle::watch)
    }

    /// Why no checkpoints are signed, if they are not.
    pub(crate) fn sealing_refused(&self) -> Option<String> {
        let Some(watch) = self.sealing() else {
            return Some("the log's key is not here".to_owned());
        };
        match watch.status().phase {
            Phase::Stopped(Stop::Refused(refusal)) => Some(refusal.to_string()),
            Phase::Stopped(Stop::Panicked) => Some("the notary failed".to_owned()),
            Phase::Checking | Phase::Sealing | Phase::Stopped(Stop::Asked) => None,
        }
    }

    /// Whether the first record behind a size was recorded so long ago.
    fn waits_since(&self, size: TreeSize, time: Duration) -> bool {
        if self.journal.head().size <= size {
            return false;
        }
        // What cannot be read is told of where it is needed, and does not come to be signed for.
        let Ok(records) = self.journal.read(size.next_position(), 1) else { return true };
        let recorded_at = records
            .first()
            .and_then(|first| Record::parse(&first.bytes).ok().map(|record| record.recorded_at));
        let time_us = i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
        recorded_at.is_some_and(|at| crate::world::now().microseconds() - at.microseconds() > time_us)
    }

    /// What is signed of the log.
    pub(crate) fn evidence(&self) -> Result<Evidence, Problem> {
        let public = self.public();
        let opening = public.opening.as_ref().ok_or_else(|| Problem::not_found("the trial is not open"))?;
        let status = self.sealing().map(|watch| watch.status());
        let sealed = status.as_ref().and_then(|status| status.signed);
        let size = self.journal.head().size;
        let covered = sealed.as_ref().map_or(TreeSize(0), |sealed| sealed.size);
        let witnessed = status.as_ref().and_then(|status| status.witnessed);
        let demanded = self.sealing().is_some_and(|watch| watch.has_policy());
        let vouched = witnessed.as_ref().map_or(TreeSize(0), |witnessed| witnessed.size);
        let witnesses = status.as_ref().map_or_else(Witnesses::default, |status| Witnesses {
            demanded,
            asked: status.witnesses.len() as u64,
            cosigned: status.witnesses.len().saturating_sub(status.missing.len()) as u64,
            late: demanded && self.waits_since(vouched, QUORUM_LATE),
        });
        Ok(Evidence {
            checkpoint: sealed.map(shown),
            lag_records: size.0.saturating_sub(covered.0),
            late: self.waits_since(covered, SEALING_LATE),
            log_key: opening.log_key.clone(),
            log_keys: public.log_keys.all().iter().map(log_key_view).collect(),
            receipt_keys: public.receipt_keys.iter().map(ToString::to_string).collect(),
            refused: self.sealing_refused(),
            trouble: status.and_then(|status| status.last_error),
            witnessed: witnessed.map(shown),
            witnesses,
        })
    }
}

/// Whether checkpoints and cosignatures come in time, as an operator is told.
pub(super) fn lateness(trial: &TrialId, evidence: &Evidence) -> Vec<ReadinessCheck> {
    let Evidence { lag_records, late, trouble, witnesses, .. } = evidence;
    let why = trouble.as_ref().map(|trouble| format!(": {trouble}")).unwrap_or_default();
    let sealing = format!("{lag_records} records wait for a checkpoint, longer than they should{why}");
    let mut checks = vec![ReadinessCheck {
        ok: !late,
        detail: late.then_some(sealing),
        name: format!("{trial}: sealing"),
    }];
    if witnesses.demanded {
        let Witnesses { cosigned, asked, late, .. } = witnesses;
        let short = format!(
            "{cosigned} of {asked} have cosigned the latest checkpoint, fewer than the policy asks for"
        );
        let detail = late.then_some(short);
        checks.push(ReadinessCheck { ok: !late, detail, name: format!("{trial}: quorum") });
    }
    checks
}

fn shown(sealed: notary::Sealed) -> Sealed {
    Sealed { root: sealed.root, signed_at: sealed.at, size: sealed.size }
}
