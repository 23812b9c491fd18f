//! Which crate may depend on which: the table of the design, and a test that says so.

use crate::cargo::{Kind, Metadata};

/// Each crate of `crates/` and those of ours it may depend on, lowest first. An arrow that is not here is forbidden.
const ARROWS: &[(&str, &[&str])] = &[
    ("chain", &[]),
    ("clinical", &["chain"]),
    ("stats", &[]),
    ("outcomes", &["chain", "clinical", "stats"]),
    ("safety", &["chain", "clinical", "stats"]),
    ("charts", &[]),
    ("journal", &["chain"]),
    ("journal-file", &["chain", "journal"]),
    ("journal-nats", &["chain", "journal"]),
    ("archive", &["chain"]),
    ("keep", &[]),
    ("readmodel", &[]),
    ("registrar", &["chain", "clinical", "journal", "readmodel"]),
    ("projector", &["chain", "journal", "readmodel"]),
    ("notary", &["chain", "journal", "archive", "keep"]),
    ("witness", &["chain", "archive", "keep"]),
    ("verify", &["chain", "clinical", "outcomes", "safety"]),
    ("interchange", &["clinical"]),
    ("api", &["chain", "clinical"]),
    ("console", &["api", "charts", "clinical"]),
    ("trialbook", &[ANY]),
];

/// The binary wires everything.
const ANY: &str = "*";

/// What any crate's tests may use beside its own arrows, to make real records in: the format, the vocabulary, the
/// in-memory journal, what fills it, and what both reports' tests are written with. Not where that would close a circle. What needs more crosses crates, and
/// belongs in a member of `tests/`, which may use all.
const TESTS_ALSO: &[&str] = &["chain", "clinical", "journal", "registrar", "report-kit"];

/// Crates that do no I/O and read no clock, and the crates of others they therefore cannot want.
const PURE: &[&str] = &["chain", "clinical", "stats", "outcomes", "safety", "charts"];
const IMPURE: &[&str] = &["axum", "getrandom", "reqwest", "rusqlite", "sled", "tokio", "tracing"];

/// A crate of `crates/` and its arrows.
#[derive(Debug)]
pub(super) struct Crate {
    name: String,
    ours: Vec<(String, Kind)>,
    others: Vec<(String, Kind)>,
}

/// The crates the rules bind; those of `tests/` and this one are free.
pub(super) fn crates(workspace: &Metadata) -> Vec<Crate> {
    workspace
        .packages
        .iter()
        .filter(|package| package.dir.starts_with(workspace.root.join("crates")))
        .map(|package| Crate {
            name: package.name.clone(),
            ours: package.ours.clone(),
            others: package.others.clone(),
        })
        .collect()
}

/// The arrows that are not allowed.
pub(super) fn check(crates: &[Crate]) -> Vec<String> {
    let mut faults = Vec::new();
    for from in crates {
        let Some(allowed) = arrows(&from.name) else {
            faults
                .push(format!("crates/{}: not in the table of crates (xtask/src/tidy/arrows.rs)", from.name));
            continue;
        };
        for (to, kind) in &from.ours {
            let in_tests = *kind == Kind::Dev
                && TESTS_ALSO.contains(&to.as_str())
                && !reaches(to, &from.name)
                && to != &from.name;
            if !(allowed.contains(&ANY) || allowed.contains(&to.as_str()) || in_tests) {
                let tests = if *kind == Kind::Dev { " in its tests" } else { "" };
                faults.push(format!("crates/{}: may not depend on {to}{tests}", from.name));
            }
        }
        for (to, kind) in &from.others {
            if *kind != Kind::Dev && PURE.contains(&from.name.as_str()) && IMPURE.contains(&to.as_str()) {
                faults.push(format!("crates/{}: is pure and may not depend on {to}", from.name));
            }
        }
    }
    faults
}

fn arrows(name: &str) -> Option<&'static [&'static str]> {
    ARROWS.iter().find(|(from, _)| *from == name).map(|(_, to)| *to)
}

/// Whether the table leads from `from` to `to`. It has no circles: that is tested.
fn reaches(from: &str, to: &str) -> bool {
    arrows(from).is_some_and(|next| next.iter().any(|next| *next == to || reaches(next, to)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_one(name: &str, to: &str, kind: Kind) -> Vec<String> {
        check(&[Crate { name: name.into(), ours: vec![(to.into(), kind)], others: Vec::new() }])
    }

    #[test]
    fn the_table_points_only_downwards() {
        for (index, (from, to)) in ARROWS.iter().enumerate() {
            for to in to.iter().filter(|to| **to != ANY) {
                let place = ARROWS.iter().position(|(name, _)| name == to);
                assert!(place.is_some_and(|place| place < index), "{from} → {to}");
            }
        }
    }

    #[test]
    fn an_arrow_that_is_not_listed_is_a_fault() {
        assert_eq!(
            check_one("outcomes", "safety", Kind::Normal),
            ["crates/outcomes: may not depend on safety"]
        );
        assert_eq!(check_one("console", "journal-file", Kind::Build).len(), 1);
        assert_eq!(check_one("outcomes", "stats", Kind::Normal), [""; 0]);
        assert_eq!(check_one("trialbook", "keep", Kind::Normal), [""; 0]);
        assert_eq!(check_one("common", "chain", Kind::Normal).len(), 1);
    }

    #[test]
    fn tests_may_use_the_registrar_but_close_no_circle() {
        assert_eq!(check_one("projector", "registrar", Kind::Dev), [""; 0]);
        assert_eq!(check_one("projector", "registrar", Kind::Normal).len(), 1);
        assert_eq!(check_one("journal", "registrar", Kind::Dev).len(), 1);
        assert_eq!(
            check_one("projector", "outcomes", Kind::Dev),
            ["crates/projector: may not depend on outcomes in its tests"]
        );
    }

    #[test]
    fn a_pure_crate_wants_no_runtime() {
        let with = |name: &str, kind| {
            check(&[Crate { name: name.into(), ours: Vec::new(), others: vec![("tokio".into(), kind)] }])
                .len()
        };
        assert_eq!(with("stats", Kind::Normal), 1);
        assert_eq!(with("stats", Kind::Dev), 0);
        assert_eq!(with("api", Kind::Normal), 0);
    }

    #[test]
    fn the_arrows_of_this_workspace_are_all_allowed() {
        let workspace = crate::cargo::metadata(&["--no-deps"]).unwrap();
        let crates = crates(&workspace);
        assert!(crates.iter().any(|found| found.name == "chain"));
        assert_eq!(check(&crates), [""; 0]);
    }
}
