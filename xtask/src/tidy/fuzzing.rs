//! Each body of a `hostile` module has its fuzz target, and each fuzz target its body: what is fuzzed at leisure is what
//! the tests drive every day.

/// The crate of the targets, and the manifest that names them.
pub(super) const TARGETS: &str = "fuzz/fuzz_targets/";
pub(super) const MANIFEST: &str = "fuzz/Cargo.toml";

/// The crate of which this path is the `hostile` module.
pub(super) fn hostile_of(path: &str) -> Option<&str> {
    path.strip_prefix("crates/")?.strip_suffix("/src/hostile.rs")
}

/// The bodies that a module of this text has: its public functions of bytes alone.
pub(super) fn bodies(module: &str) -> impl Iterator<Item = &str> {
    module.lines().filter_map(|line| line.strip_prefix("pub fn ")?.strip_suffix("(bytes: &[u8]) {"))
}

/// Bodies (crate and name) without a target, targets (name and text) without a body, and those that the manifest does
/// not name.
pub(super) fn check(bodies: &[(&str, &str)], targets: &[(&str, &str)], manifest: &str) -> Vec<String> {
    let drives = |text: &str, of: &str, body: &str| text.contains(&format!("| {of}::hostile::{body}(bytes)"));
    let mut faults = Vec::new();
    for (of, body) in bodies {
        if !targets.iter().any(|(name, text)| name == body && drives(text, of, body)) {
            faults.push(format!("crates/{of}/src/hostile.rs: {body} has no fuzz target"));
        }
    }
    for (name, text) in targets {
        if !bodies.iter().any(|(of, body)| name == body && drives(text, of, body)) {
            faults.push(format!("{TARGETS}{name}.rs: drives no body of its name"));
        }
        if !manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")) {
            faults.push(format!("{MANIFEST}: does not name {name}"));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODULE: &str = "pub fn note(bytes: &[u8]) {\n}\nfn keys() {\npub fn of(bytes: &[u8]) -> Self {\n";
    const TARGET: &str = "libfuzzer_sys::fuzz_target!(|bytes: &[u8]| chain::hostile::note(bytes));";
    const NAMED: &str = "path = \"fuzz_targets/note.rs\"";

    #[test]
    fn a_body_is_a_public_function_of_bytes_alone_in_a_module_hostile() {
        assert_eq!(bodies(MODULE).collect::<Vec<_>>(), ["note"]);
        assert_eq!(hostile_of("crates/chain/src/hostile.rs"), Some("chain"));
        assert_eq!(hostile_of("crates/chain/src/note.rs"), None);
    }

    #[test]
    fn bodies_and_targets_are_the_same() {
        assert!(check(&[("chain", "note")], &[("note", TARGET)], NAMED).is_empty());
        let faults = |bodies, targets, manifest| check(bodies, targets, manifest).join("; ");
        assert_eq!(
            faults(&[("chain", "note")], &[], ""),
            "crates/chain/src/hostile.rs: note has no fuzz target"
        );
        assert_eq!(
            faults(&[], &[("note", TARGET)], NAMED),
            "fuzz/fuzz_targets/note.rs: drives no body of its name"
        );
        assert_eq!(
            faults(&[("chain", "note")], &[("note", TARGET)], "note"),
            "fuzz/Cargo.toml: does not name note"
        );
        // A target that drives another's body leaves both alone.
        assert_eq!(check(&[("verify", "note")], &[("note", TARGET)], NAMED).len(), 2);
    }
}
