//! Has programs of others read what ours wrote, and ours what theirs wrote.
//!
//! Here is what such a test needs: a log that the notary sealed, larger than the tests of its own crate make it, and
//! the line by which a test says what this machine lacks. It holds nothing of those programs: Go and its packages
//! come from the system, Python's from its index, by way of `cargo xtask test`. Whatever a test cannot go on without
//! fails it at once.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "helpers of tests fail as tests do, and what they write need not be durable"
)]

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use archive::Archive;
use chain::note::{Signer, VerifierKey};
use chain::{Chain, Instant, LinkedRecord, SecretKey, Signature, TreeSize};
use journal::Journal as _;
use journal::memory::MemoryJournal;
use keep::Checkpoints;
use notary::{LogKeys, Parts, Settings};
use tempfile::TempDir;

/// The name of the log, and of its key.
pub const ORIGIN: &str = "log.example/foreign";

/// Far longer than sealing takes.
const LONG: Duration = Duration::from_mins(2);

/// A sealed log: its archive, and every checkpoint it was sealed under.
#[derive(Debug)]
pub struct Log {
    dir: TempDir,
    /// The log's verifier key.
    pub key: String,
    /// The signed checkpoints' files, smallest first.
    pub checkpoints: Vec<PathBuf>,
}

/// The key of a log that never changes it.
struct OneKey(Signer);

impl LogKeys for OneKey {
    fn origin(&self) -> &str {
        self.0.name()
    }

    fn follow(&self, _: &LinkedRecord) {}

    fn due(&self, _: TreeSize) -> Vec<VerifierKey> {
        vec![self.0.verifier_key()]
    }

    fn signer(&self, key: &VerifierKey) -> Option<Signer> {
        Some(self.0.clone()).filter(|signer| signer.verifier_key() == *key)
    }
}

impl Log {
    /// A log that a notary has sealed at each of `sizes`, ascending. Its records link and differ; nothing reads what
    /// they say.
    ///
    /// # Panics
    /// It cannot be made.
    pub fn sealed(sizes: &[u64]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let signer = Signer::new(ORIGIN, SecretKey::from_bytes(&[1; 32])).unwrap();
        let mut log = Self { key: signer.verifier_key().to_string(), dir, checkpoints: Vec::new() };
        let now = Instant::from_microseconds(0).unwrap();
        let journal = Arc::new(MemoryJournal::new());
        let notary = notary::start(Parts {
            journal: journal.clone(),
            archive: Archive::local(&log.archive()).unwrap(),
            checkpoints: Arc::new(Checkpoints::open(&log.dir.path().join("state.sqlite")).unwrap()),
            keys: Arc::new(OneKey(signer)),
            clock: Arc::new(move || now),
            witnesses: Vec::new(),
            policy: None,
            settings: Settings { interval: Duration::ZERO, ..Settings::default() },
        })
        .unwrap();
        let mut chain = Chain::default();
        for size in sizes {
            let head = journal.head();
            let records: Vec<_> = (head.size.0..*size)
                .map(|n| chain.link(format!("{{\"n\":{n}}}").as_bytes(), Signature([0; 64]), now))
                .collect();
            journal.append(head, &records).unwrap();
            let sealed = notary.watch().wait_sealed(TreeSize(*size), LONG).unwrap();
            assert_eq!(sealed.size, TreeSize(*size));
            let path = log.dir.path().join(format!("checkpoint-{size}"));
            std::fs::write(&path, notary.watch().checkpoint().unwrap().to_string()).unwrap();
            log.checkpoints.push(path);
        }
        let status = notary.stop();
        assert_eq!(status.lag_records, 0, "{status:?}");
        log
    }

    /// The archive's directory.
    pub fn archive(&self) -> PathBuf {
        self.dir.path().join("archive")
    }
}

/// Says that a test does not run here, and why: to whoever collects such lines, and on standard error.
///
/// # Panics
/// The file for such lines cannot be written.
pub fn skipped(test: &str, why: &str) {
    if let Some(log) = std::env::var_os("TRIALBOOK_SKIPPED_LOG") {
        let mut log = std::fs::OpenOptions::new().append(true).open(log).unwrap();
        writeln!(log, "{test}: {why}").unwrap();
    }
    eprintln!("skipped: {why}");
}
