//! Reads what other systems speak (SDTM tables in XPT files) and states it as events.
//!
//! It neither signs nor submits: what comes out are statements in clear, for whoever imports them to sign, and a list
//! of everything that no statement carries. The statements' vocabulary is `clinical`'s.

pub mod hostile;
pub mod sdtm;
pub mod xpt;
