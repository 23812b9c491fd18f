//! `cargo xtask oracle`: the statistics held against libraries that others wrote.
//!
//! Not a step of `cargo xtask test`: it fetches 100 MB of packages and takes a minute. It compares nothing itself;
//! `tests/oracle/compare.py` does, asking the program beside it.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::cargo;
use crate::tools::{self, Prepared};

/// What asks and compares.
const COMPARE: &str = "tests/oracle/compare.py";
/// With which it ends where a figure differs.
const DIFFERS: i32 = 3;

/// Builds the program that is asked, makes the oracle's Python and lets it compare; `false` if a figure differs.
///
/// # Errors
/// An option there is not; this machine cannot have the libraries; a program fails.
pub(crate) fn run(options: &[&str]) -> Result<bool> {
    check(options)?;
    let target = cargo::enter_root()?.target;
    let given = std::env::var_os("TRIALBOOK_ORACLE_PYTHON").map(PathBuf::from);
    let python = match tools::oracle(&target, given)? {
        Prepared::Ready(python) => python,
        Prepared::Lacking(why) | Prepared::Spared(why) => bail!("cannot ask lifelines and scipy: {why}"),
    };
    if !cargo::run(&["build", "-p", "oracle"], &[])? {
        bail!("the program that is asked does not build");
    }
    let mut compare = Command::new(&python);
    compare
        .arg(COMPARE)
        .args(options)
        .arg("--")
        .arg(cargo::program())
        .args(["run", "--quiet", "-p", "oracle"]);
    let status = compare.status().with_context(|| format!("cannot start {}", python.display()))?;
    match status.code() {
        Some(0) => Ok(true),
        Some(DIFFERS) => Ok(false),
        _ => bail!("{COMPARE} ends with {status}"),
    }
}

/// Each option takes a number.
fn check(options: &[&str]) -> Result<()> {
    for two in options.chunks(2) {
        match two {
            ["--seed" | "--cohorts" | "--only", number] if number.parse::<u32>().is_ok() => {}
            _ => {
                bail!("oracle takes --seed, --cohorts and --only, each with a number; not {}", two.join(" "))
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_take_numbers_and_unknown_ones_are_refused() {
        for good in [&[][..], &["--seed", "7"], &["--only", "3", "--seed", "0", "--cohorts", "5"]] {
            assert!(check(good).is_ok(), "{good:?}");
        }
        for bad in [&["--seed"][..], &["--seed", "-1"], &["--fast", "1"], &["7"]] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
    }
}
