//! Follows a journal, checks links, folds records into a read model; knows no particular report.
//!
//! It decides nothing about records and verifies no signature: the registrar did the one, `verify` does the other.
//! What it checks is that it folds the log, the whole log, in order: every position, every link, every time of
//! recording. Where that fails it stops, says so, and goes on serving what it had.

mod commit;
mod fold;
mod follow;
mod line;
mod status;
#[cfg(test)]
mod tests;

pub use fold::{Fold, FoldError, Rows};
pub use follow::{Projector, ProjectorHandle, Settings};
pub use status::{State, Status, StopReason};
