//! The binary, from outside: each module one part of what its users rely on.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod access;
mod amendments;
mod arms;
mod beside;
mod browser;
mod checkers;
mod copies;
mod cuts;
mod demo;
mod distributed;
mod endorsement;
mod entry;
mod evidence;
mod help;
mod http;
mod import;
mod looks;
mod operation;
mod organisation;
mod recall;
mod refusals;
mod review;
mod rotation;
mod sessions;
mod statements;
mod telemetry;
mod texts;
mod tls;
mod verify;
mod witnesses;
