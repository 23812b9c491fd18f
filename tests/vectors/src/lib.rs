//! Golden vectors of the log format, held against the code.
