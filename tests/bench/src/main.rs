//! Measures each part against a plain loop that does the same work: ratios, in one run, interleaved.
//!
//! Not a test: nothing fails by being slow. `bench [NAME]... [--runs N] [--seconds S] [--dir DIR]`; without a name
//! all are run, one after another. What comes out, and what was learnt from it, stands in docs/performance.md.
//!
//! All input is synthetic and made here ([`study`]); no record describes a person.

use std::process::ExitCode;

use anyhow::{Context as _, Result};

mod archived;
mod fold;
mod http;
mod journal;
mod measure;
mod memory;
mod nats;
mod proof;
mod rebuild;
mod rows;
mod study;
mod tree;
mod verify;

use measure::Arguments;

/// A measurement: its name on the command line, and what it does with the arguments after it.
type Subcommand = (&'static str, fn(&Arguments) -> Result<()>);

const SUBCOMMANDS: &[Subcommand] = &[
    ("journal", journal::run),
    ("http", http::run),
    ("fold", fold::run),
    ("rebuild", rebuild::run),
    ("verify", verify::run),
    ("tree", tree::run),
    ("memory", memory::run),
    ("proof", proof::run),
    ("nats", nats::run),
    ("visible", http::visible::run),
    ("reports", http::reports::run),
    ("tail", http::tail::run),
    ("pages", http::pages::run),
];

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1).peekable();
    let mut names = Vec::new();
    while let Some(name) = words.next_if(|word| !word.starts_with("--")) {
        names.push(name);
    }
    let known = |name: &&String| SUBCOMMANDS.iter().any(|(known, _)| known == name);
    if !names.iter().all(|name| known(&name)) {
        let known: Vec<_> = SUBCOMMANDS.iter().map(|(name, _)| *name).collect();
        eprintln!("usage: bench [{}]… [--name value]…", known.join("|"));
        return ExitCode::from(2);
    }
    let run = || -> Result<()> {
        let arguments = Arguments::parse(words)?;
        for (name, run) in SUBCOMMANDS {
            if names.is_empty() || names.iter().any(|asked| asked == name) {
                run(&arguments).with_context(|| format!("bench {name}"))?;
            }
        }
        Ok(())
    };
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
