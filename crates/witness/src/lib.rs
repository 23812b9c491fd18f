//! Cosigns a log's checkpoints and keeps a site's own copy.
//!
//! Both trust a log's key for one thing alone: to name the trees that are then held against each other. [`Witness`] answers
//! whoever asks it to cosign ([`router`] over HTTP); [`Mirror`] fetches what its holder may read, holds every byte of it
//! against the last tree it has seen, and keeps it as an archive that any verifier reads. What contradicts itself under a
//! log's signature is kept, both sides of it, in [`Evidence`].
//!
//! Which keys sign a log may change, and its records say so; whoever copies records follows that through an [`Authority`].
//!
//! Not a judge of records: whether what a log says of its trial is right, `verify` tells. Nothing here reads a clock,
//! opens a connection of its own accord or holds a log's secret key.

mod authority;
mod evidence;
mod fetch;
mod files;
mod http;
mod mirror;
mod service;

pub use authority::Authority;
pub use evidence::{Evidence, EvidenceError};
pub use fetch::{Fetch, FetchError, Resource, SITE_ANSWER_BYTES_MAX, Site, SiteError};
pub use files::FileError;
pub use http::router;
pub use mirror::{
    Anchors, CosignError, DiskError, Mirror, MirrorOpenError, NotLoaded, OwnCosignature, RecordFault, Scope,
    Sides, SiteAnswerFault, Step, StepError, TilesError,
};
pub use service::{Clock, Decision, Reply, Witness, WitnessError};
