//! Wire types, problem codes, HTTP routes and their client, over traits for submitting and reading.
