//! Small state that must last and is not the log: subject text keys, last checkpoints by compare-and-swap, bearer tokens,
//! accounts and an organisation's persons with their sessions, and what was refused, in SQLite.
//!
//! Not the log, and no part of what proves it. The stores are files of their own, because they want different things of
//! a backup. A [`Keep`] of text keys has to be backed up: without it the log still verifies, but its free text stays
//! closed. [`Checkpoints`] have to be kept out of backups, best on a volume of their own: restored from one, they would
//! vouch for a state that is past. [`Tokens`], [`Accounts`] and [`Persons`] are easily made anew; restored from a
//! backup, they forget what was revoked since. [`Refusals`] and [`RefusedSubmissions`] are
//! worth a look, no backup. This crate knows neither
//! formats nor signatures: a checkpoint is a size, a root and bytes to it.

mod accounts;
mod checkpoints;
mod file;
mod persons;
mod refusals;
mod refused;
mod text_keys;
mod tokens;
mod wrap;

pub use accounts::{Account, AccountError, Accounts, Entrant, PasswordHash, Session};
pub use checkpoints::{AdvanceError, CheckpointError, Checkpoints, Kept, Purpose};
pub use file::{OpenError, copy};
pub use persons::{Person, PersonError, PersonSession, Persons};
pub use refusals::{Refusal, RefusalError, Refusals};
pub use refused::{RefusedAsked, RefusedError, RefusedSubmission, RefusedSubmissions};
pub use text_keys::{Keep, PutError, PutOutcome, ReadError, TextKey};
pub use tokens::{Token, TokenError, Tokens};
