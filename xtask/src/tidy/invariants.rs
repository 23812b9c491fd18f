//! Every invariant is stated once, in the architecture's description, and names the test that holds it.

use std::collections::BTreeSet;

/// Where the invariants are stated.
pub(super) const PLACE: &str = "docs/ARCHITECTURE.md";

/// How a statement of one begins.
const MARK: &str = "**Invariant:**";

/// The invariants that hold today, in the words they are stated with. "A checkpoint never contradicts an earlier
/// one" joins them with the crate that signs checkpoints.
const STATED: &[&str] = &[
    "A position is given once",
    "Ack means durable; nobody reads what is not",
    "A failed sync poisons the journal",
    "The log carries its own authority",
    "Nothing is edited",
    "A true fact is never refused",
    "The log of record depends on no database",
    "Same records, same report",
    "Bytes are hashed as stored",
    "The verifier trusts nothing but its anchors",
    "No subject is identifiable from the log",
    "Every read says what it covers",
];

/// The names of all functions in `sources`.
pub(super) fn functions<'a>(sources: impl Iterator<Item = &'a str>) -> BTreeSet<&'a str> {
    sources
        .flat_map(|source| source.split("fn ").skip(1))
        .map(|after| &after[..after.find(|next: char| !is_name(next)).unwrap_or(after.len())])
        .filter(|name| !name.is_empty())
        .collect()
}

/// The invariants that are not stated, and the statements that name no test or one there is not.
pub(super) fn check(architecture: &str, functions: &BTreeSet<&str>) -> Vec<String> {
    let statements = statements(architecture);
    let mut faults = Vec::new();
    for statement in &statements {
        let names: Vec<&str> =
            statement.split('`').skip(1).step_by(2).filter(|name| is_test_name(name)).collect();
        if names.is_empty() {
            faults.push(format!("{PLACE}: no test is named: {statement}"));
        }
        for name in names.iter().filter(|name| !functions.contains(**name)) {
            faults.push(format!("{PLACE}: no `fn {name}` exists: {statement}"));
        }
    }
    for invariant in STATED {
        if !statements.iter().any(|statement| statement.to_lowercase().contains(&invariant.to_lowercase())) {
            faults.push(format!("{PLACE}: not stated: {MARK} {invariant}"));
        }
    }
    faults
}

/// Each statement on one line: from its mark to the next mark, list item or empty line.
fn statements(text: &str) -> Vec<String> {
    let mut found = Vec::<String>::new();
    let mut within = false;
    for line in text.lines().map(str::trim) {
        let begins = line.find(MARK);
        if let Some(at) = begins {
            found.push(line[at + MARK.len()..].trim().to_owned());
        } else if line.is_empty() || line.starts_with("- ") || line.starts_with('#') {
            within = false;
        } else if let (true, Some(last)) = (within, found.last_mut()) {
            last.push(' ');
            last.push_str(line);
        }
        within |= begins.is_some();
    }
    found
}

/// Tests are sentences: at least three words. `journal-file` and `decide` in backticks are no tests.
fn is_test_name(text: &str) -> bool {
    text.chars().all(is_name) && text.matches('_').count() >= 2
}

fn is_name(character: char) -> bool {
    character.is_ascii_lowercase() || character.is_ascii_digit() || character == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_stated() -> String {
        let statements: Vec<String> =
            STATED.iter().map(|invariant| format!("- {MARK} {invariant}. `a_test_holds_it`")).collect();
        statements.join("\n") + "\n"
    }

    #[test]
    fn what_is_stated_with_an_existing_test_has_no_fault() {
        let sources = ["#[test]\nfn a_test_holds_it() {}", "async fn b<T>() {}"];
        let functions = functions(sources.into_iter());
        assert_eq!(functions, BTreeSet::from(["a_test_holds_it", "b"]));
        assert_eq!(check(&all_stated(), &functions), [""; 0]);
    }

    #[test]
    fn an_invariant_that_is_left_out_is_missed() {
        let text = all_stated().replace("Nothing is edited", "Something is edited");
        let faults = check(&text, &BTreeSet::from(["a_test_holds_it"]));
        assert_eq!(faults, [format!("{PLACE}: not stated: {MARK} Nothing is edited")]);
    }

    #[test]
    fn a_statement_over_several_lines_is_read_whole() {
        let text = format!("{MARK} One\nthing `x`,\n`a_b_c`.\n\n`not_part_of`\n- {MARK} Two\n- `d_e_f`\n");
        assert_eq!(statements(&text), ["One thing `x`, `a_b_c`.", "Two"]);
    }

    #[test]
    fn a_statement_names_a_test_and_the_test_exists() {
        let faults = |statement: &str| {
            let text = format!("{}\n{MARK} More. {statement}\n", all_stated());
            check(&text, &BTreeSet::from(["a_test_holds_it", "another_test_too"]))
        };
        assert_eq!(faults("`another_test_too` of `journal-file`"), [""; 0]);
        assert_eq!(faults("`journal-file`"), [format!("{PLACE}: no test is named: More. `journal-file`")]);
        assert_eq!(faults("`no_such_test`, `another_test_too`").len(), 1);
    }
}
