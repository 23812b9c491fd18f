//! Follows a journal, checks links, folds records into a read model; knows no particular report.
