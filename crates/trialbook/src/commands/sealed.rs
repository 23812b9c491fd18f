//! Waiting for checkpoints, through the registry.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use api::{Evidence, LogFile, LogKeyView, Registry, Witnesses};
use chain::note::VerifierKey;
use chain::{SignedCheckpoint, TreeSize};
use clinical::TrialId;

/// How long a record may take to be sealed: a notary seals every second, and a server that starts on a large log reads all
/// of it first.
pub(super) const WAIT_MAX: Duration = Duration::from_mins(1);

/// How often the registry is asked meanwhile.
const ASK_EVERY: Duration = Duration::from_millis(200);

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// The log has signed a checkpoint.
    Sealed,
    /// And as many witnesses as the policy asks for have cosigned it.
    Witnessed,
}

/// What came of waiting.
#[derive(Debug)]
pub(super) enum Waited {
    /// It has come to that; what is signed now.
    Reached(Box<Evidence>),
    /// It has not, in that time: what is missing. It may still come.
    Late(String),
}

/// Waits until a checkpoint covers `size` records, for so long at most. An error says that waiting is of no use.
pub(super) async fn wait(
    registry: &dyn Registry,
    trial: &TrialId,
    size: TreeSize,
    until: Until,
    at_most: Duration,
) -> Result<Waited> {
    let begun = Instant::now();
    loop {
        let evidence = registry.evidence(trial).await?;
        let sealed = evidence.checkpoint.as_ref().is_some_and(|checkpoint| checkpoint.size >= size);
        let witnesses = &evidence.witnesses;
        if until == Until::Witnessed && sealed && !witnesses.demanded {
            bail!("no witnesses are asked: the registry is served without a policy that names any");
        }
        let witnessed = evidence.witnessed.as_ref().is_some_and(|witnessed| witnessed.size >= size);
        if sealed && (until == Until::Sealed || witnessed) {
            return Ok(Waited::Reached(Box::new(evidence)));
        }
        if let Some(refused) = &evidence.refused {
            bail!("no checkpoints are signed: {refused}");
        }
        if begun.elapsed() >= at_most {
            return Ok(Waited::Late(if sealed {
                let Witnesses { cosigned, asked, .. } = witnesses;
                format!("{cosigned} of {asked} witnesses have cosigned, fewer than the policy asks for")
            } else {
                let trouble = evidence.trouble.map(|trouble| format!(": {trouble}")).unwrap_or_default();
                format!("no checkpoint covers {size} records after {} s{trouble}", at_most.as_secs())
            }));
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}

/// Waits until a checkpoint covers `size` records; what is signed then. That it does not come is an error.
pub(super) async fn wait_sealed(
    registry: &dyn Registry,
    trial: &TrialId,
    size: TreeSize,
) -> Result<Evidence> {
    match wait(registry, trial, size, Until::Sealed, WAIT_MAX).await? {
        Waited::Reached(evidence) => Ok(*evidence),
        Waited::Late(why) => bail!(why),
    }
}

/// The checkpoint to hand out for at least `size` records, held against the keys that the registry says the log had then:
/// the last that as many witnesses have cosigned as a policy asks for, if there is one of that size, else the latest.
pub(super) async fn checkpoint(
    registry: &dyn Registry,
    trial: &TrialId,
    size: TreeSize,
) -> Result<SignedCheckpoint> {
    let witnessed = registry.evidence(trial).await?.witnessed;
    let file = match witnessed {
        Some(witnessed) if witnessed.size >= size => LogFile::Witnessed,
        _ => LogFile::Checkpoint,
    };
    let bytes = registry.log_file(trial, file).await?;
    let checkpoint = SignedCheckpoint::parse(&bytes).context("the registry's checkpoint is none")?;
    let size = checkpoint.claim().size;
    // Asked after the checkpoint: its records are among those that the answer rests on.
    let named = registry.evidence(trial).await?.log_keys;
    let is_due = |key: &&LogKeyView| {
        key.named_at.0 < size.0.max(1) && key.revoked_at.is_none_or(|revoked| revoked.0 >= size.0)
    };
    let keys = named.iter().filter(is_due).map(|key| VerifierKey::from_text(&key.verifier_key));
    let keys = keys.collect::<Result<Vec<_>, _>>().context("the log's key is not one")?;
    let trusted = checkpoint.verify(&keys, &[]);
    ensure!(trusted.is_ok(), "the registry's checkpoint is not signed by the log's key");
    Ok(checkpoint)
}
