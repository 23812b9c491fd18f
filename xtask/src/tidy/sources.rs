//! What no file may hold, and how long a source file may be.
//!
//! The forbidden words are put together from halves: this file is held against its own rules.

use super::File;

/// A module of more lines is listed: time to think whether it is one thing.
const LINES_LONG: usize = 500;
/// A module of more lines is a fault.
const LINES_MAX: usize = 900;
/// Stay one file however long: checkers that an inspector takes away and runs alone.
const ONE_FILE: &[&str] = &["tests/vectors/check.py", "crates/console/assets/verify.js"];
/// The largest file in git: what is larger is made or fetched.
const BYTES_MAX: u64 = 1 << 20;

/// Words that stand for work not done: do it, or say in the tracker that it is wanted.
const UNDONE: &[&str] =
    &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("to", "do!("), concat!("unimpl", "emented!(")];
/// The attribute that makes a test silent.
const IGNORED_TEST: &str = concat!("#[ig", "nore");
/// Directories that only one machine has.
const MACHINE_PATHS: &[&str] = &[concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/")];
/// Words of the place where the work was done, which tell a reader of the tree nothing.
const WORKPLACE: &[&str] = &[
    concat!("../sha", "red"),
    concat!("this ", "issue"),
    concat!("next ", "issue"),
    concat!("later ", "issue"),
    concat!("this ", "session"),
    concat!("the ", "brief"),
    concat!("co-auth", "ored-by"),
];
/// A number after this word names something only the tracker has.
const TRACKER: &str = concat!("iss", "ue");

/// Places where a pure crate would look at the world around it.
const WORLD: &[&str] = &["std::env", "std::fs", "std::net", "std::process", "std::thread", "std::time"];
/// The sources that are held against [`WORLD`], tests excepted.
const PURE: &[&str] = &[
    "crates/chain/src/",
    "crates/clinical/src/",
    "crates/stats/src/",
    "crates/outcomes/src/",
    "crates/safety/src/",
    "crates/charts/src/",
];

/// The faults of one file.
pub(super) fn check(file: &File) -> Vec<String> {
    let mut faults = Vec::new();
    if file.bytes > BYTES_MAX {
        faults.push(format!("{}: {} bytes, at most {BYTES_MAX}", file.path, file.bytes));
    }
    if is_source(file) && lines(file) > LINES_MAX && !ONE_FILE.contains(&file.path.as_str()) {
        faults.push(format!("{}: {} lines, at most {LINES_MAX}", file.path, lines(file)));
    }
    let Some(text) = &file.text else { return faults };
    let pure = PURE.iter().any(|dir| file.path.starts_with(dir));
    let mut in_tests = false;
    for (index, line) in text.lines().enumerate() {
        in_tests |= line.starts_with("#[cfg(test)]");
        let mut found = forbidden(line);
        if pure && !in_tests && !line.trim_start().starts_with("//") {
            found.extend(
                WORLD.iter().find(|word| line.contains(**word)).map(|word| format!("{word} in a pure crate")),
            );
        }
        faults.extend(found.into_iter().map(|what| format!("{}:{}: {what}", file.path, index + 1)));
    }
    faults
}

/// Whether a source file is worth listing for its length.
pub(super) fn is_long(file: &File) -> bool {
    is_source(file) && lines(file) > LINES_LONG
}

/// How many lines it has.
pub(super) fn lines(file: &File) -> usize {
    file.text.as_deref().map_or(0, |text| text.lines().count())
}

fn is_source(file: &File) -> bool {
    file.is_of(&["rs", "py", "css", "js"])
}

fn forbidden(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    found.extend(
        UNDONE.iter().filter(|word| has_word(line, word)).map(|word| format!("{word} is work not done")),
    );
    if line.contains(IGNORED_TEST) {
        found.push("an ignored test: let it start what it needs, or report itself skipped".to_owned());
    }
    found.extend(
        MACHINE_PATHS
            .iter()
            .filter(|path| has_absolute(line, path))
            .map(|path| format!("a path of one machine: {path}")),
    );
    let lower = line.to_lowercase();
    found.extend(
        WORKPLACE
            .iter()
            .filter(|word| lower.contains(**word))
            .map(|word| format!("a word of the workplace: {word}")),
    );
    if names_a_ticket(&lower) {
        found.push("a ticket's number".to_owned());
    }
    found
}

/// Whether `word` stands in `line` by itself, not within a longer word.
fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(is_word) && (word.ends_with('(') || !after.is_some_and(is_word))
    })
}

/// Whether an absolute path begins with `path` in `line`: the same directory name inside a longer path is not meant.
fn has_absolute(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|before| is_word(before) || "}.~-/*>".contains(before))
    })
}

fn names_a_ticket(lower: &str) -> bool {
    lower.match_indices(TRACKER).any(|(at, _)| {
        let rest = lower[at + TRACKER.len()..].trim_start_matches(['s', ' ', '#']);
        rest.len() < lower.len() - at - TRACKER.len() && rest.starts_with(|next: char| next.is_ascii_digit())
    })
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> File {
        File { path: path.into(), bytes: u64::try_from(text.len()).unwrap(), text: Some(text.into()) }
    }

    #[test]
    fn forbidden_words_are_named_with_their_line() {
        let bad = format!("fine\n// {}: later\n", UNDONE[0]);
        assert_eq!(check(&file("a.rs", &bad)), [format!("a.rs:2: {} is work not done", UNDONE[0])]);
        for bad in [
            format!("    {}\"x\")", UNDONE[2]),
            format!("{IGNORED_TEST}]"),
            format!("see `{}x`", MACHINE_PATHS[0]),
            format!("as {} wants", WORKPLACE[1].to_uppercase()),
            format!("see {TRACKER} #12"),
            format!("{TRACKER}s 3"),
        ] {
            assert_eq!(check(&file("a.md", &bad)).len(), 1, "{bad}");
        }
    }

    #[test]
    fn near_neighbours_of_forbidden_words_are_let_through() {
        for good in [
            "todo = \"deny\"",
            "MASTODON_TODOS",
            concat!("GET /v1/wo", "rk/list"),
            "https://example.org/home/x",
            concat!("{dir}/ro", "ot/x"),
            "an issue may be 3 days old",
            "issuer 12",
            "```ignore",
        ] {
            assert_eq!(check(&file("a.md", good)), [""; 0], "{good}");
        }
    }

    #[test]
    fn long_sources_are_listed_and_longer_ones_refused() {
        let of = |lines| file("a.rs", &"x\n".repeat(lines));
        assert!(!is_long(&of(LINES_LONG)) && is_long(&of(LINES_LONG + 1)));
        assert_eq!(check(&of(LINES_MAX)), [""; 0]);
        assert_eq!(check(&of(LINES_MAX + 1)), ["a.rs: 901 lines, at most 900"]);
        assert_eq!(check(&file(ONE_FILE[1], &"x\n".repeat(LINES_MAX + 1))), [""; 0]);
        assert_eq!(check(&file("a.csv", &"x\n".repeat(LINES_MAX + 1))), [""; 0]);
    }

    #[test]
    fn a_large_file_is_refused_whatever_it_holds() {
        let large = |bytes| File { path: "a.bin".into(), bytes, text: None };
        assert_eq!(check(&large(BYTES_MAX)), [""; 0]);
        assert_eq!(check(&large(BYTES_MAX + 1)).len(), 1);
    }

    #[test]
    fn a_pure_crate_looks_at_nothing_but_its_arguments() {
        let source = "use std::fs;\n// std::env is not read\n#[cfg(test)]\nmod tests { use std::time; }\n";
        assert_eq!(
            check(&file("crates/stats/src/a.rs", source)),
            ["crates/stats/src/a.rs:1: std::fs in a pure crate"]
        );
        assert_eq!(check(&file("crates/journal-file/src/a.rs", source)), [""; 0]);
    }
}
