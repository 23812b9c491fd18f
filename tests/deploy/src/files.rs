//! The files, read.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The top of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

/// A path below `deploy/`.
pub(crate) fn deploy(path: &str) -> PathBuf {
    root().join("deploy").join(path)
}

/// The text of a file below `deploy/`.
pub(crate) fn text(path: &str) -> String {
    let path = deploy(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The documents of a YAML file below `deploy/`.
pub(crate) fn documents(path: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(&text(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The one document of a YAML file below `deploy/`.
pub(crate) fn yaml(path: &str) -> Value {
    serde_saphyr::from_str(&text(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The files below a directory of `deploy/`, in the order of their names.
pub(crate) fn below(dir: &str, extension: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = Vec::new();
    let mut open = vec![deploy(dir)];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                // What prepare.sh has made for this machine is not the repository's.
                if path != deploy("generated") {
                    open.push(path);
                }
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "no .{extension} below deploy/{dir}");
    found
}

/// The texts of a list, or none where there is no list.
pub(crate) fn texts(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().map(|item| item.as_str().unwrap()).collect()
}

/// The members of an object, or none.
pub(crate) fn members(object: &Value) -> impl Iterator<Item = (&str, &Value)> {
    object.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}

/// Whether an image's name says which version it is of.
pub(crate) fn is_pinned(image: &str) -> bool {
    let tag = image.rsplit_once(':').map_or("", |(_, tag)| tag);
    image.contains("@sha256:")
        || tag.trim_start_matches('v').split(['.', '-']).filter(|part| part.parse::<u32>().is_ok()).count()
            >= 3
}

/// Whether a program is on the path.
pub(crate) fn has(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok()
}

/// Runs a program that must end well, and returns what it printed.
pub(crate) fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {said}");
    said
}

/// The server's program; where it is not, `test` is said to be skipped.
pub(crate) fn nats_server(test: &str) -> Option<PathBuf> {
    let found = std::env::var_os("TRIALBOOK_NATS_SERVER").filter(|path| !path.is_empty());
    if found.is_none() {
        skipped(test, "TRIALBOOK_NATS_SERVER is not set");
    }
    found.map(PathBuf::from)
}

/// Says that `test` was skipped, and why.
fn skipped(test: &str, why: &str) {
    if let Some(log) = std::env::var_os("TRIALBOOK_SKIPPED_LOG") {
        let mut log = std::fs::OpenOptions::new().append(true).open(log).unwrap();
        writeln!(log, "{test}: {why}").unwrap();
    }
    eprintln!("skipped: {why}");
}

/// A call of prepare.sh for what it makes below `dir`.
pub(crate) fn prepare(dir: &Path) -> Command {
    let mut command = Command::new("bash");
    command.arg(deploy("prepare.sh")).arg("--out").arg(dir.join("generated"));
    command
}

/// What prepare.sh makes, with an account for a site, below a directory of the test's own; where it cannot, `test` is said
/// to be skipped.
pub(crate) fn prepared(test: &str) -> Option<tempfile::TempDir> {
    if Command::new("openssl").arg("version").output().is_err() {
        skipped(test, "no openssl");
        return None;
    }
    let dir = tempfile::tempdir().unwrap();
    run(prepare(dir.path()).args(["--name", "console=registry.example"]));
    run(prepare(dir.path()).args(["site", "lupus-msct", "CN-NJ"]));
    Some(dir)
}

#[test]
fn an_image_without_a_version_is_not_pinned() {
    for pinned in ["a/b:v3.5.0", "nats:2.15.1-alpine", "a@sha256:00", "host:5000/a:1.2.3"] {
        assert!(is_pinned(pinned), "{pinned}");
    }
    for moving in ["nats", "nats:latest", "nats:2-alpine", "nats:2.15", "host:5000/a"] {
        assert!(!is_pinned(moving), "{moving}");
    }
}
