//! The journal's conformance suite on real servers: one alone, and three.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use journal::Journal;
use journal::conformance::{self, Store, SyncHook};
use journal_nats::{Cluster, NatsJournal, OpenError};
use nats_suite::{Servers, nats_server};

/// A trial's stream; made when it is first opened.
struct Stream {
    cluster: Arc<Cluster>,
    /// What another process has.
    beside: Arc<Cluster>,
    trial: String,
    replicas: usize,
}

impl Stream {
    fn journal(&self, cluster: &Arc<Cluster>) -> Box<dyn Journal> {
        let journal = match NatsJournal::create(cluster, &self.trial, self.replicas) {
            Err(OpenError::Exists { .. }) => NatsJournal::open(cluster, &self.trial, self.replicas),
            made => made,
        };
        Box::new(journal.unwrap())
    }
}

impl Store for Stream {
    fn open(&self) -> Box<dyn Journal> {
        self.journal(&self.cluster)
    }

    fn on_next_sync(&self, _: SyncHook) -> bool {
        false
    }

    fn open_beside(&self) -> Option<Box<dyn Journal>> {
        Some(self.journal(&self.beside))
    }
}

fn check(test: &str, replicas: usize) {
    let Some(program) = nats_server(test) else { return };
    let servers = Servers::start(&program, replicas);
    let (cluster, beside) = (servers.connect(), servers.connect());
    let made = AtomicUsize::new(0);
    conformance::run(&|| {
        let trial = format!("trial-{}", made.fetch_add(1, Ordering::Relaxed));
        let (cluster, beside) = (Arc::clone(&cluster), Arc::clone(&beside));
        Box::new(Stream { cluster, beside, trial, replicas })
    });
}

#[test]
fn the_distributed_engine_conforms_on_one_server() {
    check("the_distributed_engine_conforms_on_one_server", 1);
}

#[test]
fn the_distributed_engine_conforms_on_three_servers() {
    check("the_distributed_engine_conforms_on_three_servers", 3);
}
