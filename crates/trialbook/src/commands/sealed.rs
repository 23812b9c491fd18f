//! Waiting for checkpoints, through the registry.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use api::{Evidence, LogFile, Registry};
use chain::note::VerifierKey;
use chain::{SignedCheckpoint, TreeSize};
use clinical::TrialId;

/// How long a record may take to be sealed: a notary seals every second, and a server that starts on a large log reads all
/// of it first.
const WAIT_MAX: Duration = Duration::from_mins(1);

/// How often the registry is asked meanwhile.
const ASK_EVERY: Duration = Duration::from_millis(200);

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// The log has signed a checkpoint.
    Sealed,
    /// And all witnesses that are asked have cosigned it.
    Witnessed,
}

/// Waits until a checkpoint covers `size` records; what is signed then.
pub(super) async fn wait(
    registry: &dyn Registry,
    trial: &TrialId,
    size: TreeSize,
    until: Until,
) -> Result<Evidence> {
    let begun = Instant::now();
    loop {
        let evidence = registry.evidence(trial).await?;
        let sealed = evidence.checkpoint.as_ref().is_some_and(|checkpoint| checkpoint.size >= size);
        let witnesses = &evidence.witnesses;
        if until == Until::Witnessed && sealed && witnesses.asked == 0 {
            bail!("no witnesses are asked: the registry is served without a policy that names any");
        }
        if sealed && (until == Until::Sealed || witnesses.cosigned >= witnesses.asked) {
            return Ok(evidence);
        }
        if let Some(refused) = &evidence.refused {
            bail!("no checkpoints are signed: {refused}");
        }
        if begun.elapsed() > WAIT_MAX {
            if sealed {
                bail!("{} of {} witnesses have cosigned", witnesses.cosigned, witnesses.asked);
            }
            bail!("no checkpoint covers {size} records after {} s", WAIT_MAX.as_secs());
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}

/// The latest checkpoint, held against the log's key.
pub(super) async fn checkpoint(
    registry: &dyn Registry,
    trial: &TrialId,
    key: &VerifierKey,
) -> Result<SignedCheckpoint> {
    let bytes = registry.log_file(trial, LogFile::Checkpoint).await?;
    let checkpoint = SignedCheckpoint::parse(&bytes).context("the registry's checkpoint is none")?;
    let trusted = checkpoint.verify(std::slice::from_ref(key), &[]);
    ensure!(trusted.is_ok(), "the registry's checkpoint is not signed by the log's key");
    Ok(checkpoint)
}
