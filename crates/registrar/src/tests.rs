//! Tests of the registrar on the in-memory journal.
