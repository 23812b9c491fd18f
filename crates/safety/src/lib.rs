//! Folds events into safety rows and makes the safety report.
