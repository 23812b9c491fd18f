//! Logs made, harmed and verified.

#[cfg(test)]
mod any_bytes;
#[cfg(test)]
mod archive;
#[cfg(test)]
mod archives;
#[cfg(test)]
mod attacks;
#[cfg(test)]
mod binary;
#[cfg(test)]
mod codes;
#[cfg(test)]
mod copies;
#[cfg(test)]
mod known;
#[cfg(test)]
mod log_keys;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod reports;
#[cfg(test)]
mod support;
#[cfg(test)]
mod table;
