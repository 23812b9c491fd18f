//! The embedded journal engine: segment files with group commit.
