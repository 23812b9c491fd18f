//! Small state that must last and is not the log: subject text keys, in SQLite.
