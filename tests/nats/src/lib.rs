//! Runs real NATS servers on this machine, and the distributed journal on them, while they are killed, stopped, cut off
//! and damaged.
//!
//! Here is what such a test needs: servers, proxies in front of them, writers that load a log, and the account of what
//! came of it. It knows the journal's contract, no inner part of it. Whatever a test cannot go on without fails it at
//! once.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail like tests")]

mod fault;
mod follower;
mod load;
mod proxy;
mod raw;
mod servers;
mod skip;

pub use fault::Fault;
pub use follower::Follower;
pub use load::{Account, Load};
pub use proxy::Proxy;
pub use raw::Raw;
pub use servers::{Servers, TRIAL_USER};
pub use skip::{nats_server, skipped};
