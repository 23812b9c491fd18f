//! Holds the documents in docs/ against the code they state.
//!
//! Tables, limits and examples of `docs/format.md`, the tables of `docs/definitions.md`, the operator's table of who may read what, links of every document,
//! and names of tests that documents cite. It does not judge whether a sentence is true: only what can be read out of a
//! table, a link or a name.

#[cfg(test)]
mod access;
#[cfg(test)]
mod codes;
#[cfg(test)]
mod contents;
#[cfg(test)]
mod definitions;
#[cfg(test)]
mod events;
#[cfg(test)]
mod evidence;
#[cfg(test)]
mod examples;
#[cfg(test)]
mod kinds;
#[cfg(test)]
mod links;
#[cfg(test)]
mod markdown;
