//! Runs the binary as its users do: commands, HTTP, files that were deleted or damaged.
//!
//! Here is what such a test needs: the binary, its commands, a server with a plain HTTP client, a small trial of two
//! sites, and signers. It knows the published formats (statements, key files, events), no store and no inner part of
//! the binary. Whatever a test cannot go on without fails it at once.

mod binary;
mod browser;
mod commands;
mod files;
mod person;
mod server;
mod trial;

pub use binary::{trialbook, use_trialbook};
pub use browser::{Browser, skipped};
pub use commands::{Run, run, run_with_input};
pub use files::{copy_dir, files_under, holds, write};
pub use person::{Person, instant_now};
pub use server::{Http, Reply, Server};
pub use trial::SmallTrial;

use std::time::Duration;

/// How long anything that is waited for may take, on a machine that is busy with other tests.
pub const DEADLINE: Duration = Duration::from_secs(30);
