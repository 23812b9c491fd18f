//! Kills a server in the middle of a load, again and again, and holds what it acknowledged against its log.
//!
//! One kill: several clients submit signed events, singly and in batches; at a random moment the server gets SIGKILL;
//! it is started again. Then every acknowledged event has to be in the log once, at the position and with the hash of
//! its receipt; nothing but what was submitted may be there; what was not acknowledged is submitted again and has to
//! be answered; `verify` has to say intact; and the reports have to be those of read models made anew. A power cut is
//! not what this is: what was written but not synced survives the death of a process.

mod check;
mod load;
mod random;
mod soak;

pub use soak::{Options, Totals, soak};
