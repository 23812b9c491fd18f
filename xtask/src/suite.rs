//! `cargo xtask test`: every step this machine can take, each with its seconds, and what it lacks.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::tools::{self, Prepared};
use crate::{cargo, tidy};

/// The steps in their order: the cheap ones first.
const STEPS: [&str; 5] = ["fmt", "tidy", "clippy", "test", "doc"];

/// What the command line asks for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// Whether a skip is a failure.
    require: bool,
    /// The steps to take; all if empty.
    only: Vec<String>,
}

impl Options {
    /// Reads the words after `test`.
    ///
    /// # Errors
    /// An option or a step there is not.
    pub(crate) fn parse(words: &[&str]) -> Result<Self> {
        let mut options = Self::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match (*word, word == &"--only") {
                ("--require", _) => options.require = true,
                (_, true) => match words.next() {
                    Some(step) if STEPS.contains(step) => options.only.push((*step).to_owned()),
                    _ => bail!("--only takes one of {}", STEPS.join(", ")),
                },
                _ => bail!("no such option of test: {word}"),
            }
        }
        Ok(options)
    }
}

/// How one step went.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    failed: bool,
    /// `WHAT (WHY)` for each thing that could not be run.
    skipped: Vec<String>,
}

impl Outcome {
    fn of(succeeded: bool) -> Self {
        Self { failed: !succeeded, skipped: Vec::new() }
    }

    fn skipped(what: &str, why: &str) -> Self {
        Self { failed: false, skipped: vec![format!("{what} ({why})")] }
    }
}

/// Takes the steps, prints how each went; `false` if one failed, or was skipped though all is required.
///
/// # Errors
/// The workspace cannot be read, or a step cannot be started.
pub(crate) fn run(options: &Options) -> Result<bool> {
    let workspace = cargo::enter_root()?;
    let mut summary = Vec::new();
    for step in STEPS {
        if !options.only.is_empty() && !options.only.iter().any(|only| only == step) {
            continue;
        }
        println!("── {step}");
        let begun = Instant::now();
        let outcome = take(step, &workspace.target).with_context(|| format!("step {step}"))?;
        let seconds = begun.elapsed().as_secs_f64();
        println!("── {step}: {} in {seconds:.1} s", word(&outcome));
        summary.push((step, seconds, outcome));
    }
    println!("\nsummary");
    for (step, seconds, outcome) in &summary {
        println!("{step:>8}  {seconds:>7.1} s  {}", word(outcome));
    }
    let outcomes: Vec<&Outcome> = summary.iter().map(|(_, _, outcome)| outcome).collect();
    for skipped in outcomes.iter().flat_map(|outcome| &outcome.skipped) {
        println!("skipped: {skipped}");
    }
    let passed = passed(&outcomes, options.require);
    println!("{}", if passed { "passed" } else { "failed" });
    Ok(passed)
}

fn word(outcome: &Outcome) -> &'static str {
    match (outcome.failed, outcome.skipped.is_empty()) {
        (true, _) => "FAILED",
        (false, true) => "ok",
        (false, false) => "ok but for what was skipped",
    }
}

fn passed(outcomes: &[&Outcome], require: bool) -> bool {
    outcomes.iter().all(|outcome| !outcome.failed && (outcome.skipped.is_empty() || !require))
}

fn take(step: &str, target: &Path) -> Result<Outcome> {
    let deny_warnings = Path::new("-D warnings");
    Ok(match step {
        "fmt" if !cargo::has("fmt") => Outcome::skipped("fmt", "rustfmt is not installed"),
        "fmt" => Outcome::of(cargo::run(&["fmt", "--all", "--check"], &[])?),
        "tidy" => Outcome::of(tidy::run()?),
        "clippy" if !cargo::has("clippy") => Outcome::skipped("clippy", "clippy is not installed"),
        "clippy" => {
            Outcome::of(cargo::run(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"], &[])?)
        }
        "doc" => {
            Outcome::of(cargo::run(&["doc", "--workspace", "--no-deps"], &[("RUSTDOCFLAGS", deny_warnings)])?)
        }
        _ => tests(target)?,
    })
}

/// All tests of the workspace, with what they need and a file to say in what they lacked.
fn tests(target: &Path) -> Result<Outcome> {
    let mut skipped = Vec::new();
    let log = target.join("tools").join("skipped.log");
    std::fs::create_dir_all(target.join("tools"))?;
    std::fs::write(&log, "").with_context(|| format!("cannot empty {}", log.display()))?;
    let mut environment = vec![("TRIALBOOK_SKIPPED_LOG", log.as_path())];
    let given = std::env::var_os("TRIALBOOK_CDISC_DIR").map(PathBuf::from);
    let prepared = tools::cdisc_pilot(target, given)?;
    match &prepared {
        Prepared::Ready(dir) => {
            println!("CDISC pilot tables: {}", dir.display());
            environment.push(("TRIALBOOK_CDISC_DIR", dir));
        }
        Prepared::Lacking(why) | Prepared::Spared(why) => skipped.push(format!("CDISC pilot tables ({why})")),
    }
    let given = std::env::var_os("TRIALBOOK_AICS_PYTHON").map(PathBuf::from);
    let prepared = tools::aics(target, given)?;
    match &prepared {
        Prepared::Ready(python) => environment.push(("TRIALBOOK_AICS_PYTHON", python)),
        Prepared::Lacking(why) => skipped.push(format!("aics-tlog and aics-witness ({why})")),
        Prepared::Spared(why) => {
            println!("aics-tlog and aics-witness: not asked ({why})");
            environment.push(("TRIALBOOK_AICS_PYTHON", Path::new("")));
        }
    }
    let given = std::env::var_os("TRIALBOOK_NATS_SERVER").map(PathBuf::from);
    let prepared = tools::nats_server(target, given)?;
    match &prepared {
        Prepared::Ready(program) => {
            println!("NATS server: {}", program.display());
            environment.push(("TRIALBOOK_NATS_SERVER", program));
        }
        Prepared::Lacking(why) | Prepared::Spared(why) => skipped.push(format!("NATS server ({why})")),
    }
    let given = std::env::var_os("TRIALBOOK_AXE").map(PathBuf::from);
    let prepared = tools::axe(target, given)?;
    match &prepared {
        Prepared::Ready(script) => environment.push(("TRIALBOOK_AXE", script)),
        Prepared::Lacking(why) | Prepared::Spared(why) => skipped.push(format!("axe-core ({why})")),
    }
    let succeeded = cargo::run(&["test", "--workspace", "--no-fail-fast"], &environment)?;
    skipped.extend(skipped_by_tests(&std::fs::read_to_string(&log)?));
    Ok(Outcome { failed: !succeeded, skipped })
}

/// What the tests wrote of themselves: `name: what is lacking`, a line each.
fn skipped_by_tests(log: &str) -> Vec<String> {
    let mut lines: Vec<String> = log
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| match line.split_once(": ") {
            Some((test, why)) => format!("test {test} ({why})"),
            None => format!("test {line} (no reason given)"),
        })
        .collect();
    // Tests run in any order; the summary does not.
    lines.sort();
    lines.dedup();
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_and_unknown_ones_refused() {
        assert_eq!(Options::parse(&[]).unwrap(), Options::default());
        let options = Options::parse(&["--only", "fmt", "--require", "--only", "doc"]).unwrap();
        assert_eq!(options, Options { require: true, only: vec!["fmt".into(), "doc".into()] });
        assert!(Options::parse(&["--only", "everything"]).is_err());
        assert!(Options::parse(&["--only"]).is_err());
        assert!(Options::parse(&["--fast"]).is_err());
    }

    #[test]
    fn a_skip_fails_only_where_all_is_required() {
        let (ok, skip, bad) = (Outcome::of(true), Outcome::skipped("x", "y"), Outcome::of(false));
        assert!(passed(&[&ok, &skip], false));
        assert!(!passed(&[&ok, &skip], true));
        assert!(!passed(&[&ok, &bad], false));
        assert!(passed(&[&ok], true));
    }

    #[test]
    fn a_test_that_skipped_itself_is_heard() {
        let log = "b_test: no python3\n\na_test: no browser\nb_test: no python3\nodd\n";
        assert_eq!(
            skipped_by_tests(log),
            ["test a_test (no browser)", "test b_test (no python3)", "test odd (no reason given)"]
        );
    }
}
