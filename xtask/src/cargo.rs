//! Calling cargo, and what it says of the workspace.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// Which of a manifest's three tables a dependency stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `[dependencies]`
    Normal,
    /// `[build-dependencies]`
    Build,
    /// `[dev-dependencies]`
    Dev,
}

/// A package of the workspace or of its lock file.
#[derive(Debug)]
pub(crate) struct Package {
    /// Cargo's own id, unique in one answer.
    pub(crate) id: String,
    /// As in the manifest.
    pub(crate) name: String,
    /// The directory of the manifest.
    pub(crate) dir: PathBuf,
    /// As in the manifest.
    pub(crate) description: Option<String>,
    /// An SPDX expression, as the package states it.
    pub(crate) license: Option<String>,
    /// Whether `publish = false`.
    pub(crate) private: bool,
    /// Name and kind of each dependency that is a path: in this workspace, ours.
    pub(crate) ours: Vec<(String, Kind)>,
    /// Name and kind of each dependency from a registry.
    pub(crate) others: Vec<(String, Kind)>,
}

/// What `cargo metadata` answers, as far as it is used here.
#[derive(Debug)]
pub(crate) struct Metadata {
    /// All packages; without the lock file's, the members alone.
    pub(crate) packages: Vec<Package>,
    /// Ids of the workspace's members.
    pub(crate) members: Vec<String>,
    /// From package id to package id, of normal and build dependencies; empty without the lock file's.
    pub(crate) arrows: Vec<(String, String)>,
    /// The workspace's root.
    pub(crate) root: PathBuf,
    /// Where cargo builds.
    pub(crate) target: PathBuf,
}

/// The cargo that started this program.
pub(crate) fn program() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Cargo, without the variables by which the cargo that started this program described this program: they are
/// inputs of some build scripts and would make them run again.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(program());
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_CRATE_"].iter().any(|prefix| text.starts_with(prefix)) {
            command.env_remove(&name);
        }
    }
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Runs cargo in the workspace's root with its output where ours goes; says whether it succeeded.
pub(crate) fn run(arguments: &[&str], environment: &[(&str, &Path)]) -> Result<bool> {
    let mut command = command(arguments);
    command.envs(environment.iter().copied());
    let status = command.status().with_context(|| format!("cannot start cargo {}", arguments.join(" ")))?;
    Ok(status.success())
}

/// Whether `cargo NAME` is there: rustfmt and clippy are components that may be missing.
pub(crate) fn has(subcommand: &str) -> bool {
    command(&[subcommand, "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Goes to the root of the workspace this program was started in: every path below is relative to it.
pub(crate) fn enter_root() -> Result<Metadata> {
    let members = metadata(&["--no-deps"])?;
    std::env::set_current_dir(&members.root).context("cannot enter the workspace's root")?;
    Ok(members)
}

/// Asks `cargo metadata`, with `options` beside the format.
pub(crate) fn metadata(options: &[&str]) -> Result<Metadata> {
    let arguments = [&["metadata", "--format-version", "1"], options].concat();
    let output = command(&arguments).output().context("cannot start cargo metadata")?;
    if !output.status.success() {
        bail!("cargo metadata fails: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let answer: Value = serde_json::from_slice(&output.stdout).context("cargo metadata answers no JSON")?;
    Ok(read(&answer))
}

fn read(answer: &Value) -> Metadata {
    let mut arrows = Vec::new();
    for node in list(&answer["resolve"]["nodes"]) {
        for dependency in list(&node["deps"]) {
            if list(&dependency["dep_kinds"]).iter().any(|kind| kind["kind"] != "dev") {
                arrows.push((text(&node["id"]), text(&dependency["pkg"])));
            }
        }
    }
    Metadata {
        packages: list(&answer["packages"]).iter().map(package).collect(),
        members: list(&answer["workspace_members"]).iter().map(text).collect(),
        arrows,
        root: text(&answer["workspace_root"]).into(),
        target: text(&answer["target_directory"]).into(),
    }
}

fn package(value: &Value) -> Package {
    let dependencies = |ours: bool| {
        list(&value["dependencies"])
            .iter()
            .filter(|dependency| dependency["path"].is_string() == ours)
            .map(|dependency| {
                let kind = match dependency["kind"].as_str() {
                    Some("dev") => Kind::Dev,
                    Some("build") => Kind::Build,
                    _ => Kind::Normal,
                };
                (text(&dependency["name"]), kind)
            })
            .collect()
    };
    let manifest = PathBuf::from(text(&value["manifest_path"]));
    Package {
        id: text(&value["id"]),
        name: text(&value["name"]),
        dir: manifest.parent().map(Path::to_owned).unwrap_or_default(),
        description: value["description"].as_str().map(str::to_owned),
        license: value["license"].as_str().map(str::to_owned),
        private: value["publish"].as_array().is_some_and(Vec::is_empty),
        ours: dependencies(true),
        others: dependencies(false),
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dev_dependencies_are_no_arrows_of_the_resolved_graph() {
        let answer = serde_json::json!({
            "packages": [{"id": "a 1", "name": "a", "manifest_path": "/x/a/Cargo.toml", "publish": [],
                "dependencies": [{"name": "b", "kind": null, "path": "/x/b"}, {"name": "c", "kind": "dev"}]}],
            "resolve": {"nodes": [{"id": "a 1", "deps": [
                {"pkg": "b 1", "dep_kinds": [{"kind": "dev"}, {"kind": null}]},
                {"pkg": "c 1", "dep_kinds": [{"kind": "dev"}]},
                {"pkg": "d 1", "dep_kinds": [{"kind": "build"}]}]}]},
            "workspace_members": ["a 1"], "workspace_root": "/x", "target_directory": "/x/target"});
        let metadata = read(&answer);
        assert_eq!(metadata.arrows, [("a 1".into(), "b 1".into()), ("a 1".into(), "d 1".into())]);
        assert_eq!(metadata.packages[0].ours, [("b".into(), Kind::Normal)]);
        assert_eq!(metadata.packages[0].others, [("c".into(), Kind::Dev)]);
        assert!(metadata.packages[0].private);
    }
}
