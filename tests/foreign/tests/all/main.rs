//! Logs, checkpoints and cosignatures between programs that were not written together.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod go;
mod python;
mod running;
