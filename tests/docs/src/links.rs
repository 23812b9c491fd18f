//! Links of the documents lead somewhere, and tests they cite exist.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::markdown::{anchors, code_spans, link_targets, read, root};

fn files_below(dir: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if path.file_name().is_none_or(|name| name != "target") {
                files_below(&path, extension, found);
            }
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
}

fn documents() -> Vec<PathBuf> {
    let mut found = vec![root().join("README.md"), root().join("CHANGELOG.md")];
    files_below(&root().join("docs"), "md", &mut found);
    found
}

#[test]
fn every_relative_link_leads_to_a_file_and_a_heading() {
    let mut faults = Vec::new();
    let mut links = 0;
    for document in documents() {
        let text = read(&document);
        for target in link_targets(&text) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            links += 1;
            let (path, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let file = if path.is_empty() { document.clone() } else { document.parent().unwrap().join(path) };
            let leads = file.exists()
                && (anchor.is_empty()
                    || !file.is_file()
                    || anchors(&read(&file)).iter().any(|known| known == anchor));
            if !leads {
                faults.push(format!("{}: {target}", document.display()));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
    assert!(links > 100, "{links}");
}

#[test]
fn every_decision_is_recorded_under_its_number_with_its_parts() {
    let mut pages = Vec::new();
    files_below(&root().join("docs/adr"), "md", &mut pages);
    pages.sort();
    assert!(!pages.is_empty());
    for (number, page) in (1..).zip(pages) {
        let name = page.file_name().unwrap().to_str().unwrap();
        assert!(name.starts_with(&format!("{number:04}-")), "{name}: {number} is due");
        let text = read(&page);
        assert!(text.starts_with(&format!("# {number:04} ")), "{name}: title");
        for part in ["## Context", "## Decision", "## Consequences"] {
            assert!(text.contains(&format!("\n{part}\n")), "{name}: {part}");
        }
        assert!(text.lines().count() < 60, "{name} is longer than a page");
    }
}

/// Names of all tests of the workspace: functions with a test attribute, or inside `proptest!`.
fn functions() -> BTreeSet<String> {
    let mut sources = Vec::new();
    for dir in ["crates", "tests", "xtask"] {
        files_below(&root().join(dir), "rs", &mut sources);
    }
    let mut names = BTreeSet::new();
    for source in sources {
        for after in read(&source).split("#[test]").skip(1) {
            let after = after.split_once("fn ").map_or("", |(_, after)| after);
            names.insert(after.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect());
        }
        for after in read(&source).split("#[tokio::test").skip(1) {
            let after = after.split_once("fn ").map_or("", |(_, after)| after);
            names.insert(after.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect());
        }
    }
    names
}

#[test]
fn every_test_that_compliance_and_trust_cite_exists() {
    let tests = functions();
    let mut cited = 0;
    for page in ["docs/compliance.md", "docs/trust.md"] {
        // A name of a test is a sentence: words joined by underscores, three at least. Some kinds have long names too.
        let names = code_spans(&read(&root().join(page)));
        for name in names.iter().filter(|name| {
            name.split('_').count() >= 3
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
                && clinical::EventKind::from_name(name).is_none()
        }) {
            assert!(tests.contains(name), "{page}: there is no test {name}");
            cited += 1;
        }
    }
    assert!(cited > 30, "{cited}");
}
