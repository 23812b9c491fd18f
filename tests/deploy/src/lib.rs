//! Reads every file of deploy/ as the program it is for would, and holds them against each other, the code and the guide.
//!
//! It starts no container and no cluster: that a file is read without complaint and names nothing that is not there is
//! what it can tell. The servers of the log read their own configuration where `TRIALBOOK_NATS_SERVER` names the program;
//! systemd, Prometheus and kubectl read theirs where the machine has them, and what they would find first is checked by
//! rules of our own as well.

#[cfg(test)]
mod compose;
#[cfg(test)]
mod config;
#[cfg(test)]
mod files;
#[cfg(test)]
mod kubernetes;
#[cfg(test)]
mod metrics;
#[cfg(test)]
mod nats;
#[cfg(test)]
mod prepare;
#[cfg(test)]
mod systemd;
