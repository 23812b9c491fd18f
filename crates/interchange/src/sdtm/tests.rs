//! Small studies, written as files, and what is made of them.
