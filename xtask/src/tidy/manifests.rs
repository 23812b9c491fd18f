//! What every member's manifest has in common, and the one sentence each crate is.

use crate::cargo::Package;
use crate::toml::{self, Entry};

/// Holds one member's manifest, and the head of its `lib.rs` or `main.rs`, against the rules.
pub(super) fn check(package: &Package, manifest: &str, head: Option<&str>) -> Vec<String> {
    let entries = toml::entries(manifest);
    let mut faults = Vec::new();
    if !entries
        .iter()
        .any(|entry| entry.table == "lints" && entry.key == "workspace" && entry.value == "true")
    {
        faults.push("does not inherit the workspace's lints".to_owned());
    }
    if !package.private {
        faults.push("is not `publish.workspace = true`".to_owned());
    }
    match (package.description.as_deref(), head) {
        (None | Some(""), _) => faults.push("has no description".to_owned()),
        (_, None) => faults.push("has neither src/lib.rs nor src/main.rs".to_owned()),
        (Some(description), Some(head)) => {
            let sentence = first_paragraph(head);
            if sentence.trim_end_matches('.') != description.trim_end_matches('.') {
                faults.push(format!(
                    "begins with another sentence than its description: `{sentence}`, `{description}`"
                ));
            }
        }
    }
    faults.extend(entries.iter().filter_map(dependency_fault));
    faults.into_iter().map(|fault| format!("{}: {fault}", package.name)).collect()
}

/// Versions, paths and sources stand in the root manifest alone.
fn dependency_fault(entry: &Entry) -> Option<String> {
    let table = entry.table.rsplit('.').next().unwrap_or_default();
    let in_list = ["dependencies", "dev-dependencies", "build-dependencies"].contains(&table);
    let in_own_table = entry.table.contains("dependencies.") && !in_list;
    let stated_here = if in_list {
        let inherited = entry.key.ends_with(".workspace") || entry.value.contains("workspace = true");
        !inherited || ["version", "path", "git"].iter().any(|key| entry.value.contains(&format!("{key} = ")))
    } else {
        in_own_table && ["version", "path", "git", "registry"].contains(&entry.key.as_str())
    };
    stated_here
        .then(|| format!("[{}] {}: state it in the root's [workspace.dependencies]", entry.table, entry.key))
}

/// The first paragraph of a file's `//!` comment, on one line.
fn first_paragraph(source: &str) -> String {
    source
        .lines()
        .map_while(|line| line.strip_prefix("//!"))
        .map(str::trim)
        .take_while(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "[dependencies]\nserde.workspace = true\nx = { workspace = true, features = [\n\"a\",\n] }\n\
                        [lints]\nworkspace = true\n";

    fn faults(manifest: &str, head: &str) -> Vec<String> {
        let package = Package {
            id: "a".into(),
            name: "a".into(),
            dir: "a".into(),
            description: Some("Does one thing.".into()),
            license: None,
            private: true,
            ours: Vec::new(),
            others: Vec::new(),
        };
        check(&package, manifest, Some(head))
    }

    #[test]
    fn a_good_manifest_has_no_fault() {
        assert_eq!(faults(GOOD, "//! Does one\n//! thing\n//!\n//! Not another.\n"), [""; 0]);
    }

    #[test]
    fn the_first_sentence_is_the_description() {
        assert_eq!(faults(GOOD, "//! Does two things.\n").len(), 1);
        assert_eq!(faults(GOOD, "use x;\n").len(), 1);
    }

    #[test]
    fn lints_are_inherited() {
        assert_eq!(
            faults("[package]\n", "//! Does one thing.\n"),
            ["a: does not inherit the workspace's lints"]
        );
    }

    #[test]
    fn a_version_or_a_path_in_a_member_is_a_fault() {
        for bad in [
            "[dependencies]\nx = \"1\"",
            "[dependencies]\nx = { version = \"1\" }",
            "[target.'cfg(unix)'.dependencies]\nx = { path = \"../x\" }",
            "[dev-dependencies.x]\nversion = \"1\"",
        ] {
            assert_eq!(faults(&format!("{GOOD}{bad}\n"), "//! Does one thing.").len(), 1, "{bad}");
        }
    }
}
