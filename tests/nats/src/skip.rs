//! Where the server's program is, or the word that a test was skipped for the lack of it.

use std::io::Write as _;
use std::path::PathBuf;

/// The program that `cargo xtask test` has fetched; `None`, said where it is heard, if there is none. `test` is the
/// name of the test that asks.
pub fn nats_server(test: &str) -> Option<PathBuf> {
    let found = std::env::var_os("TRIALBOOK_NATS_SERVER").filter(|path| !path.is_empty());
    if found.is_none() {
        skipped(test, "TRIALBOOK_NATS_SERVER is not set");
    }
    found.map(PathBuf::from)
}

/// Says that `test` was skipped, and why.
pub fn skipped(test: &str, why: &str) {
    if let Some(log) = std::env::var_os("TRIALBOOK_SKIPPED_LOG") {
        let mut log = std::fs::OpenOptions::new().append(true).open(log).unwrap();
        log.write_all(format!("{test}: {why}\n").as_bytes()).unwrap();
    }
    eprintln!("skipped: {why}");
}
