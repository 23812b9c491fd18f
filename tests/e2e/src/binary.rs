//! Where the binary is.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::SystemTime;

/// The `trialbook` of the same build as the running test, built first if it is missing or older than its sources.
///
/// Cargo tells a test where the binaries of its own package are, and this one belongs to another. So it is looked for
/// beside the test's executable (`<target>/<profile>/deps/…`), and cargo is asked to build it there, with the features
/// of the whole workspace, so that nothing is compiled twice.
///
/// # Panics
/// It cannot be built.
pub fn trialbook() -> PathBuf {
    BINARY.get_or_init(find_or_build).clone()
}

static BINARY: OnceLock<PathBuf> = OnceLock::new();

/// From now on the binary is the one at `path`, unless [`trialbook`] was called before.
pub fn use_trialbook(path: PathBuf) {
    let _ = BINARY.set(path);
}

fn find_or_build() -> PathBuf {
    let executable = std::env::current_exe().expect("a running test has an executable");
    let mut profile = executable.parent().expect("an executable is in a directory");
    if profile.file_name().is_some_and(|name| name == "deps") {
        profile = profile.parent().expect("deps is in the profile's directory");
    }
    let binary = profile.join(format!("trialbook{}", std::env::consts::EXE_SUFFIX));
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let built = binary.metadata().and_then(|metadata| metadata.modified()).ok();
    if built.is_none_or(|built| newest_source(&root) > built) {
        build(&root, profile);
    }
    assert!(binary.is_file(), "{} was built, but is not there", binary.display());
    binary
}

fn build(root: &Path, profile: &Path) {
    let target = profile.parent().expect("a profile's directory is in the target directory");
    let name = match profile.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(name) => name,
    };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--quiet", "--workspace", "--bin", "trialbook", "--profile", name])
        .arg("--target-dir")
        .arg(target)
        .current_dir(root)
        .status();
    assert!(status.expect("cargo can be started").success(), "trialbook could not be built");
}

/// When the sources the binary is made of were changed last.
fn newest_source(root: &Path) -> SystemTime {
    let mut newest = SystemTime::UNIX_EPOCH;
    let mut waiting = vec![root.join("Cargo.toml"), root.join("Cargo.lock"), root.join("crates")];
    while let Some(path) = waiting.pop() {
        let Ok(metadata) = path.metadata() else { continue };
        if metadata.is_dir() {
            let entries = path.read_dir().into_iter().flatten().flatten();
            waiting.extend(entries.map(|entry| entry.path()));
        } else {
            newest = metadata.modified().map_or(newest, |modified| newest.max(modified));
        }
    }
    newest
}
