//! Checkers that share nothing with this project's code, run on what it makes.

#[cfg(test)]
mod python;
