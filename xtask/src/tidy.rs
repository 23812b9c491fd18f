//! `cargo xtask tidy`: the rules of the house that no compiler knows, as code.
//!
//! Each rule is a pure function from texts to faults, tested on small made-up texts; this file reads the tree and hands
//! it to them.

mod arrows;
mod fuzzing;
mod invariants;
mod licences;
mod manifests;
mod sources;

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::cargo::{self, Metadata};

/// A file of the tree: its path from the root and, where it is text, what it says.
#[derive(Debug)]
struct File {
    path: String,
    bytes: u64,
    text: Option<String>,
}

impl File {
    fn is_of(&self, extensions: &[&str]) -> bool {
        Path::new(&self.path)
            .extension()
            .is_some_and(|of| extensions.iter().any(|extension| of == *extension))
    }
}

/// Holds the tree against every rule, prints what does not hold; `true` if all does.
///
/// # Errors
/// The tree cannot be read.
pub(crate) fn run() -> Result<bool> {
    let workspace = cargo::enter_root()?;
    let files = read_tree()?;
    let mut faults = Vec::new();
    faults.extend(arrows::check(&arrows::crates(&workspace)));
    faults.extend(manifest_faults(&workspace)?);
    for file in &files {
        faults.extend(sources::check(file));
    }
    faults.extend(invariant_faults(&files));
    faults.extend(dependency_faults(&files));
    faults.extend(fuzzing_faults(&files));
    for file in files.iter().filter(|file| sources::is_long(file)) {
        println!("long: {} has {} lines", file.path, sources::lines(file));
    }
    for fault in &faults {
        println!("fault: {fault}");
    }
    println!("{} files, {} crates, {} faults", files.len(), workspace.packages.len(), faults.len());
    Ok(faults.is_empty())
}

fn manifest_faults(workspace: &Metadata) -> Result<Vec<String>> {
    let mut faults = Vec::new();
    for package in &workspace.packages {
        let place = package.dir.strip_prefix(&workspace.root).unwrap_or(&package.dir);
        let manifest = read(&place.join("Cargo.toml"))?;
        let heads = ["src/lib.rs", "src/main.rs"].map(|file| place.join(file));
        let head = heads.iter().find(|head| head.exists()).map(|head| read(head)).transpose()?;
        faults.extend(manifests::check(package, &manifest, head.as_deref()));
    }
    Ok(faults)
}

fn invariant_faults(files: &[File]) -> Vec<String> {
    let text = |path: &str| files.iter().find(|file| file.path == path).and_then(|file| file.text.as_deref());
    let Some(architecture) = text(invariants::PLACE) else {
        return vec![format!("{} does not exist: it states the invariants", invariants::PLACE)];
    };
    let sources = files.iter().filter(|file| file.is_of(&["rs"])).filter_map(|file| file.text.as_deref());
    invariants::check(architecture, &invariants::functions(sources))
}

fn dependency_faults(files: &[File]) -> Vec<String> {
    let Some(policy) =
        files.iter().find(|file| file.path == "deny.toml").and_then(|file| file.text.as_deref())
    else {
        return vec![
            "deny.toml does not exist: it states which licences and advisories are accepted".to_owned(),
        ];
    };
    match cargo::metadata(&["--locked"]) {
        Ok(locked) => licences::check(policy, &locked),
        Err(error) => vec![format!("licences cannot be checked: {error:#}")],
    }
}

fn fuzzing_faults(files: &[File]) -> Vec<String> {
    let texts = || files.iter().filter_map(|file| Some((file.path.as_str(), file.text.as_deref()?)));
    let bodies: Vec<_> = texts()
        .filter_map(|(path, text)| Some((fuzzing::hostile_of(path)?, text)))
        .flat_map(|(of, text)| fuzzing::bodies(text).map(move |body| (of, body)))
        .collect();
    let targets: Vec<_> = texts()
        .filter_map(|(path, text)| Some((path.strip_prefix(fuzzing::TARGETS)?.strip_suffix(".rs")?, text)))
        .collect();
    let manifest = texts().find(|(path, _)| *path == fuzzing::MANIFEST).map_or("", |(_, text)| text);
    fuzzing::check(&bodies, &targets, manifest)
}

/// Every file that is in git or would be: without git, every file outside the directories .gitignore names.
fn read_tree() -> Result<Vec<File>> {
    let listed =
        Command::new("git").args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).output();
    let mut paths = match listed {
        Ok(output) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).split_terminator('\0').map(str::to_owned).collect()
        }
        _ => {
            println!("note: no git here; every file is looked at");
            let mut paths = Vec::new();
            walk(Path::new("."), &mut paths)?;
            paths
        }
    };
    paths.sort();
    paths.dedup();
    // A file git knows may be gone from the tree: then there is nothing to hold against a rule.
    paths.into_iter().filter(|path| Path::new(path).is_file()).map(|path| read_file(&path)).collect()
}

fn walk(dir: &Path, paths: &mut Vec<String>) -> Result<()> {
    for entry in std::fs::read_dir(dir).with_context(|| format!("cannot list {}", dir.display()))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            if !["target", ".git", "trialbook-data", "corpus", "artifacts"].contains(&name.as_str()) {
                walk(&path, paths)?;
            }
        } else {
            paths.push(path.strip_prefix(".").unwrap_or(&path).to_string_lossy().into_owned());
        }
    }
    Ok(())
}

fn read_file(path: &str) -> Result<File> {
    let content = std::fs::read(path).with_context(|| format!("cannot read {path}"))?;
    Ok(File {
        path: path.to_owned(),
        bytes: u64::try_from(content.len())?,
        text: String::from_utf8(content).ok(),
    })
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
