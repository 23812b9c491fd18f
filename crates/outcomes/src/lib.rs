//! Folds events into outcome rows and makes the outcome report.
