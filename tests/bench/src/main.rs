//! Measures each part against a plain loop that does the same work: ratios, in one run, interleaved.
//!
//! Not a test: nothing fails by being slow. `bench journal [--seconds S] [--runs N] [--dir DIR]`.

use std::process::ExitCode;

mod journal;
mod measure;

/// A measurement: its name on the command line, and what it does with the arguments after it.
type Subcommand = (&'static str, fn(&measure::Arguments) -> anyhow::Result<()>);

const SUBCOMMANDS: &[Subcommand] = &[("journal", journal::run)];

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let name = words.next().unwrap_or_default();
    let Some((_, run)) = SUBCOMMANDS.iter().find(|(known, _)| *known == name) else {
        let known: Vec<_> = SUBCOMMANDS.iter().map(|(name, _)| *name).collect();
        eprintln!("usage: bench {} [--name value]…", known.join("|"));
        return ExitCode::from(2);
    };
    match measure::Arguments::parse(words).and_then(|arguments| run(&arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
