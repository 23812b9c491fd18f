//! The distributed journal engine: one JetStream stream per trial. The only crate that knows JetStream.
//!
//! Not a client for sites and no message bus: it stores and reads a trial's log, proves that what the servers
//! acknowledge is on their disks, and tells when a replica is not what it should be. It knows records as bytes with a
//! hash; who may write one, and what it says, is decided elsewhere.
//!
//! # The stream
//!
//! A trial's log is the stream `trialbook-TRIAL` on the one subject `trialbook.TRIAL.log`. The record at position *p* is
//! the message with the stream sequence *p* + 1, always; its header `Trialbook-Position` says *p*, so that a message that
//! somebody else put on the subject is told from a record. Nothing in the stream can expire, be purged or be deleted:
//! [`Difference`] names what of an existing stream is otherwise, and such a stream is refused. On `trialbook.TRIAL.head`
//! each writer tells how long the log has become; that is a hint to look, and nobody believes it.
//!
//! # When a record is durable
//!
//! JetStream acknowledges a message once a quorum of the replicas has written it, and its default is to sync every two
//! minutes. So nothing is written before each server of the stream that can be reached has shown that it syncs always
//! ([`Proof`]); that is asked again at every new connection and every minute. Readers see what the leader of the
//! stream has applied, which is what a quorum has.
//!
//! # An append without an answer
//!
//! An append is one atomic batch (one message alone needs none) that names the last sequence it expects. Where no answer
//! comes, the same batch is sent again until it is acknowledged, or refused because the stream has moved on; what is
//! there then is read back and compared. Before that, nothing else is written: the first batch may still arrive.

mod api;
mod append;
mod audit;
mod bulk;
mod clock;
mod cluster;
mod config;
mod consumer;
mod engine;
mod follow;
mod proof;
mod read;
mod trials;

pub use api::ApiError;
pub use audit::{AuditError, Fault, ReplicaAudit};
pub use cluster::{Cluster, ConnectError, Durability, Login, Options, Tls};
pub use config::Difference;
pub use engine::{Health, NatsJournal, OpenError, ProbeError};
pub use proof::{Proof, ProofError, ServerFacts};

/// Most records in one append: a server's own limit for an atomic batch.
pub const APPEND_RECORDS_MAX: usize = 1_000;

/// The oldest server that is written to: what is relied on here was tried on this one.
pub const SERVER_VERSION_MIN: (u64, u64, u64) = (2, 15, 1);

/// The stream that is a trial's log.
pub fn stream_name(trial: &str) -> String {
    format!("trialbook-{trial}")
}

/// The subject of a trial's records. Only registrars may publish on it.
pub fn log_subject(trial: &str) -> String {
    format!("trialbook.{trial}.log")
}

/// The subject on which writers tell how long the log has become.
pub fn head_subject(trial: &str) -> String {
    format!("trialbook.{trial}.head")
}
