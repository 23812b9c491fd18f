//! Holding each server's copy of the logs against the others', now and then, and telling what was found. What is wrong is
//! not repaired here: that takes somebody who knows which copy is whole.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use api::ReadinessCheck;
use clinical::TrialId;
use journal_nats::{AuditError, NatsJournal, ReplicaAudit};

use super::{Deployment, Log};

/// How often it is looked whether some log is due.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How soon a log is audited again of which a copy was not whole: a server that was away catches up within a minute, and an
/// alert is not to outlive a repair for long.
const AGAIN_AFTER: Duration = Duration::from_mins(1);

/// How soon it is tried again where the copies could not be compared: a server that has just gone away is still asked.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// What the audits have found.
pub(super) struct Replicas {
    every: Duration,
    begun: Instant,
    found: Mutex<BTreeMap<TrialId, Found>>,
}

/// What was found of one trial's log.
struct Found {
    /// When it was looked last.
    asked: Instant,
    /// When the copies were compared last, and what came of it.
    compared: Option<(Instant, Vec<ReplicaAudit>)>,
    /// Why they could not be compared since.
    trouble: Option<String>,
}

impl Found {
    fn copies(&self) -> &[ReplicaAudit] {
        self.compared.as_ref().map_or(&[], |(_, copies)| copies)
    }

    /// How long after this they are compared again: after `every`, or sooner where something is wrong.
    fn wait(&self, every: Duration) -> Duration {
        if self.trouble.is_some() {
            TRY_AGAIN_AFTER.min(every)
        } else if self.copies().iter().any(|copy| !copy.faults.is_empty()) {
            AGAIN_AFTER.min(every)
        } else {
            every
        }
    }

    /// What is to be said of it in the log of the process.
    fn said(&self) -> Vec<String> {
        let copies =
            self.copies().iter().filter_map(|copy| Some(format!("{} {}", copy.server, faults(copy)?)));
        copies.chain(self.trouble.iter().map(|why| format!("they could not be compared: {why}"))).collect()
    }
}

/// What is wrong with a copy, if anything is.
fn faults(copy: &ReplicaAudit) -> Option<String> {
    let faults: Vec<String> = copy.faults.iter().map(ToString::to_string).collect();
    (!faults.is_empty()).then(|| faults.join(", "))
}

impl Replicas {
    fn new(every: Duration) -> Self {
        Self { every, begun: Instant::now(), found: Mutex::default() }
    }

    fn is_due(&self, trial: &TrialId) -> bool {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.get(trial).is_none_or(|found| found.asked.elapsed() >= found.wait(self.every))
    }

    fn note(&self, trial: &TrialId, result: Result<Vec<ReplicaAudit>, AuditError>) {
        let asked = Instant::now();
        let mut all = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let before = all.remove(trial);
        let said = before.as_ref().map(Found::said).unwrap_or_default();
        let now = match result {
            Ok(copies) => Found { asked, compared: Some((asked, copies)), trouble: None },
            Err(error) => Found {
                asked,
                compared: before.and_then(|found| found.compared),
                trouble: Some(format!("{:#}", anyhow::Error::from(error))),
            },
        };
        if now.said() != said {
            match &*now.said() {
                [] => tracing::warn!(trial = %trial, "the copies of the log on its servers are whole again"),
                wrong => {
                    tracing::error!(trial = %trial, "copies of the log on its servers: {}", wrong.join("; "));
                }
            }
        }
        all.insert(trial.clone(), now);
    }

    /// For each copy of a trial's log its server, and whether it was not whole when it was looked at last.
    pub(super) fn faulty(&self, trial: &TrialId) -> Vec<(String, bool)> {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let copies = found.get(trial).map(Found::copies).unwrap_or_default();
        copies.iter().map(|copy| (copy.server.clone(), !copy.faults.is_empty())).collect()
    }

    /// Since when the copies of a trial's log were not compared.
    pub(super) fn age(&self, trial: &TrialId) -> Duration {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let compared = found.get(trial).and_then(|found| found.compared.as_ref());
        compared.map_or(self.begun, |(at, _)| *at).elapsed()
    }

    /// What there is to say of each copy of a trial's log.
    pub(super) fn checks(&self, trial: &TrialId) -> Vec<ReadinessCheck> {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(found) = found.get(trial) else { return Vec::new() };
        let check = |what: &str, wrong: Option<String>| ReadinessCheck {
            ok: wrong.is_none(),
            detail: wrong,
            name: format!("{trial}: {what}"),
        };
        let copies =
            found.copies().iter().map(|copy| check(&format!("copy on {}", copy.server), faults(copy)));
        let trouble = found.trouble.iter().map(|why| check("audit of copies", Some(why.clone())));
        copies.chain(trouble).collect()
    }
}

impl Deployment {
    /// Audits every log that servers keep at once and then so often, on a thread of its own, which ends with the
    /// deployment and keeps nobody from ending. Once; a second call changes nothing.
    ///
    /// # Errors
    /// The system starts no thread.
    pub(crate) fn audit_replicas(&self, every: Duration) -> anyhow::Result<()> {
        let replicas = Arc::new(Replicas::new(every));
        if self.0.replicas.set(Arc::clone(&replicas)).is_err() {
            return Ok(());
        }
        let inner = Arc::downgrade(&self.0);
        let audit = move || {
            while let Some(inner) = inner.upgrade() {
                let due: Vec<(TrialId, Arc<NatsJournal>)> = inner
                    .all()
                    .iter()
                    .filter(|running| replicas.is_due(&running.trial))
                    .filter_map(|running| match &running.log {
                        Log::Nats(journal) => Some((running.trial.clone(), Arc::clone(journal))),
                        Log::Files(_) => None,
                    })
                    .collect();
                // A log may take minutes; who ends the process does not wait for that.
                drop(inner);
                for (trial, journal) in due {
                    replicas.note(&trial, journal.audit());
                }
                std::thread::sleep(LOOK_EVERY);
            }
        };
        std::thread::Builder::new()
            .name("replicas".to_owned())
            .spawn(audit)
            .context("cannot start a thread")?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copy(server: &str, faults: Vec<journal_nats::Fault>) -> ReplicaAudit {
        ReplicaAudit { server: server.to_owned(), leads: false, records: 1, faults }
    }

    #[test]
    fn a_copy_that_is_not_whole_is_told_until_it_is_and_looked_at_again_sooner() {
        let (replicas, trial) = (Replicas::new(Duration::from_hours(1)), "small".parse().unwrap());
        assert!(replicas.is_due(&trial) && replicas.checks(&trial).is_empty());
        let silent = || vec![copy("n1", vec![]), copy("n2", vec![journal_nats::Fault::Silent])];
        let wait = |replicas: &Replicas| replicas.found.lock().unwrap()[&trial].wait(replicas.every);
        replicas.note(&trial, Ok(silent()));
        assert_eq!(wait(&replicas), AGAIN_AFTER);
        assert_eq!(replicas.faulty(&trial), [("n1".to_owned(), false), ("n2".to_owned(), true)]);
        let details = |replicas: &Replicas| -> Vec<_> {
            replicas.checks(&trial).into_iter().map(|check| (check.name, check.detail)).collect()
        };
        assert_eq!(
            details(&replicas),
            [
                ("small: copy on n1".to_owned(), None),
                ("small: copy on n2".to_owned(), Some("does not answer".to_owned()))
            ]
        );
        // What could not be looked at is not called whole, nor is what was found forgotten.
        replicas.note(&trial, Err(AuditError::NobodyToAsk));
        assert_eq!(wait(&replicas), TRY_AGAIN_AFTER);
        assert_eq!(replicas.faulty(&trial).len(), 2);
        assert_eq!(details(&replicas).len(), 3);
        replicas.note(&trial, Ok(vec![copy("n1", vec![]), copy("n2", vec![])]));
        assert!(details(&replicas).iter().all(|(_, detail)| detail.is_none()));
        assert!(wait(&replicas) == Duration::from_hours(1) && !replicas.is_due(&trial));
    }
}
