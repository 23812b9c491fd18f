//! `cargo xtask oracle`: the statistics and the reports held against what others wrote.
//!
//! Not a step of `cargo xtask test`: it fetches 100 MB of packages and takes minutes. It compares nothing itself:
//! `tests/oracle/compare.py` asks the program beside it and lifelines and scipy, on random cohorts; `tests/oracle/pilot.py`
//! has the CDISC pilot study imported, and counts its tables with pandas.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::cargo;
use crate::tools::{self, Prepared};

/// With which both scripts end where something differs.
const DIFFERS: i32 = 3;

/// Compares the statistics, and then the reports unless one cohort alone is asked for; `false` if a figure differs.
///
/// # Errors
/// An option there is not; this machine cannot have the libraries or the study; a program fails.
pub(crate) fn run(options: &[&str]) -> Result<bool> {
    check(options)?;
    let target = cargo::enter_root()?.target;
    let python = ready(tools::oracle(&target, given("TRIALBOOK_ORACLE_PYTHON"))?, "lifelines and scipy")?;
    let options: Vec<&OsStr> = options.iter().map(OsStr::new).collect();
    if !compare(&python, "compare.py", &options, "oracle")? {
        return Ok(false);
    }
    if options.iter().any(|option| *option == "--only") {
        return Ok(true);
    }
    let tables = ready(tools::cdisc_pilot(&target, given("TRIALBOOK_CDISC_DIR"))?, "the CDISC pilot study")?;
    compare(&python, "pilot.py", &[tables.as_os_str()], "trialbook")
}

fn given(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).map(PathBuf::from)
}

fn ready(prepared: Prepared, what: &str) -> Result<PathBuf> {
    match prepared {
        Prepared::Ready(path) => Ok(path),
        Prepared::Lacking(why) | Prepared::Spared(why) => bail!("{what} cannot be had: {why}"),
    }
}

/// Builds what is asked and lets a script ask it.
fn compare(python: &Path, script: &str, arguments: &[&OsStr], asked: &str) -> Result<bool> {
    if !cargo::run(&["build", "-p", asked], &[])? {
        bail!("{asked} does not build");
    }
    let status = Command::new(python)
        .arg(Path::new("tests/oracle").join(script))
        .args(arguments)
        .arg("--")
        .arg(cargo::program())
        .args(["run", "--quiet", "-p", asked])
        .status()
        .with_context(|| format!("cannot start {}", python.display()))?;
    match status.code() {
        Some(0) => Ok(true),
        Some(DIFFERS) => Ok(false),
        _ => bail!("{script} ends with {status}"),
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
