//! Under which terms others' code may come in, and which of its known faults are accepted, as deny.toml says.

use std::collections::BTreeSet;

use crate::cargo::Metadata;
use crate::toml::{self, Entry};

/// Advisories that come with a dependency we chose knowingly: the advisory and the crate it is about.
const ACCEPTED: &[(&str, &str)] =
    &[("RUSTSEC-2025-0057", "fxhash"), ("RUSTSEC-2024-0384", "instant"), ("RUSTSEC-2023-0071", "rsa")];

/// Packages whose licence the policy does not allow, and advisories it ignores without need or reason.
pub(super) fn check(policy: &str, locked: &Metadata) -> Vec<String> {
    let entries = toml::entries(policy);
    let allowed = toml::strings(value(&entries, "licenses", "allow"));
    let mut faults = Vec::new();
    let built = built(locked);
    for package in locked.packages.iter().filter(|package| built.contains(package.id.as_str())) {
        let name = &package.name;
        match package.license.as_deref().map(|terms| (terms, satisfied(terms, &allowed))) {
            None => faults.push(format!("{name}: states no licence")),
            Some((_, Ok(true))) => {}
            Some((terms, Ok(false))) => faults.push(format!("{name}: {terms} is not allowed by deny.toml")),
            Some((terms, Err(why))) => {
                faults.push(format!("{name}: {terms} is no licence expression: {why}"));
            }
        }
    }
    let names: BTreeSet<&str> = locked.packages.iter().map(|package| package.name.as_str()).collect();
    faults.extend(ignored_faults(value(&entries, "advisories", "ignore"), &names));
    faults
}

/// Ids of what the members' normal and build dependencies bring in, themselves included.
fn built(locked: &Metadata) -> BTreeSet<&str> {
    let mut found: BTreeSet<&str> = locked.members.iter().map(String::as_str).collect();
    let mut open: Vec<&str> = found.iter().copied().collect();
    while let Some(from) = open.pop() {
        for (_, to) in locked.arrows.iter().filter(|(id, _)| id == from) {
            if found.insert(to) {
                open.push(to);
            }
        }
    }
    found
}

fn value<'a>(entries: &'a [Entry], table: &str, key: &str) -> &'a str {
    entries.iter().find(|entry| entry.table == table && entry.key == key).map_or("", |entry| &entry.value)
}

fn ignored_faults(ignored: &str, locked: &BTreeSet<&str>) -> Vec<String> {
    let mut faults = Vec::new();
    let mut listed = BTreeSet::new();
    let items = ignored.split('{').skip(1).map(|item| item.split('}').next().unwrap_or_default());
    for item in items {
        let id = toml::member(item, "id").unwrap_or_default();
        if toml::member(item, "reason").is_none_or(|reason| reason.trim().is_empty()) {
            faults.push(format!("deny.toml: advisory {id} is ignored without a reason"));
        }
        match ACCEPTED.iter().find(|(accepted, _)| *accepted == id) {
            None => faults.push(format!("deny.toml: advisory {id} is ignored, but not accepted in xtask")),
            Some((_, about)) if !locked.contains(about) => {
                faults.push(format!(
                    "deny.toml: advisory {id} is ignored for nothing: {about} is not in Cargo.lock"
                ));
            }
            Some(_) => {}
        }
        listed.insert(id);
    }
    if toml::strings(ignored).iter().any(|text| text.starts_with("RUSTSEC-") && !listed.contains(text)) {
        faults.push("deny.toml: an advisory is ignored without a reason".to_owned());
    }
    for (id, about) in ACCEPTED.iter().filter(|(_, about)| locked.contains(about)) {
        if !listed.contains(*id) {
            faults.push(format!("deny.toml: advisory {id} about {about} is not listed with its reason"));
        }
    }
    faults
}

/// Whether `expression`, in SPDX form or with the older `/` for OR, can be met by the licences allowed.
fn satisfied(expression: &str, allowed: &[String]) -> Result<bool, String> {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let mut words = Words { list: spaced.split_whitespace().collect(), at: 0, allowed };
    let met = words.any_of()?;
    match words.next() {
        None => Ok(met),
        Some(word) => Err(format!("unexpected {word}")),
    }
}

struct Words<'a> {
    list: Vec<&'a str>,
    at: usize,
    allowed: &'a [String],
}

impl<'a> Words<'a> {
    fn next(&mut self) -> Option<&'a str> {
        let word = self.list.get(self.at).copied();
        self.at += 1;
        word
    }

    fn take(&mut self, word: &str) -> bool {
        let there = self.list.get(self.at) == Some(&word);
        self.at += usize::from(there);
        there
    }

    fn any_of(&mut self) -> Result<bool, String> {
        let mut met = self.all_of()?;
        while self.take("OR") {
            met |= self.all_of()?;
        }
        Ok(met)
    }

    fn all_of(&mut self) -> Result<bool, String> {
        let mut met = self.one()?;
        while self.take("AND") {
            met &= self.one()?;
        }
        Ok(met)
    }

    fn one(&mut self) -> Result<bool, String> {
        if self.take("(") {
            let met = self.any_of()?;
            return if self.take(")") { Ok(met) } else { Err("a bracket is not closed".to_owned()) };
        }
        let licence = match self.next() {
            None | Some("OR" | "AND" | "WITH" | ")") => return Err("a licence is missing".to_owned()),
            Some(licence) => licence.to_owned(),
        };
        let terms = if self.take("WITH") {
            format!("{licence} WITH {}", self.next().ok_or("an exception is missing")?)
        } else {
            licence
        };
        Ok(self.allowed.contains(&terms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed() -> Vec<String> {
        ["MIT", "Apache-2.0", "Unicode-3.0", "Apache-2.0 WITH LLVM-exception"].map(str::to_owned).into()
    }

    #[test]
    fn an_expression_is_met_by_its_allowed_parts() {
        for (expression, expect) in [
            ("MIT", true),
            ("GPL-3.0-only", false),
            ("MIT/GPL-3.0", true),
            ("Unlicense", false),
            ("Unlicense OR MIT", true),
            ("MIT AND GPL-3.0-only", false),
            ("GPL-3.0-only AND MIT OR MIT", true),
            ("(MIT OR GPL-3.0-only) AND Unicode-3.0", true),
            ("GPL-3.0-only OR (MIT AND LGPL-2.1)", false),
            ("Apache-2.0 WITH LLVM-exception", true),
            ("MIT WITH LLVM-exception", false),
        ] {
            assert_eq!(satisfied(expression, &allowed()), Ok(expect), "{expression}");
        }
    }

    #[test]
    fn what_is_no_expression_is_said_to_be_none() {
        for expression in ["", "MIT OR", "(MIT", "MIT)", "MIT MIT", "AND MIT", "MIT WITH"] {
            assert!(satisfied(expression, &allowed()).is_err(), "{expression}");
        }
    }

    fn package(name: &str, license: &str) -> crate::cargo::Package {
        crate::cargo::Package {
            id: name.into(),
            name: name.into(),
            dir: name.into(),
            description: None,
            license: Some(license.into()),
            private: true,
            ours: Vec::new(),
            others: Vec::new(),
        }
    }

    #[test]
    fn only_what_is_built_in_must_be_allowed() {
        let locked = Metadata {
            packages: vec![
                package("a", "MIT"),
                package("b", "MIT"),
                package("c", "GPL-3.0"),
                package("d", "GPL-3.0"),
            ],
            members: vec!["a".into()],
            arrows: vec![("a".into(), "b".into()), ("b".into(), "c".into())],
            root: "x".into(),
            target: "x".into(),
        };
        let policy = "[licenses]\nallow = [\n  \"MIT\", # short\n]\n";
        assert_eq!(check(policy, &locked), ["c: GPL-3.0 is not allowed by deny.toml"]);
    }

    #[test]
    fn an_ignored_advisory_has_a_reason_and_a_crate_it_is_about() {
        let faults = |ignored: &str| ignored_faults(ignored, &BTreeSet::from(["fxhash"]));
        let good = "{ id = \"RUSTSEC-2025-0057\", reason = \"hashes nothing of others'\" }";
        assert_eq!(faults(&format!("[ {good}, ]")), [""; 0]);
        assert_eq!(faults("[]").len(), 1);
        assert_eq!(faults("[ { id = \"RUSTSEC-2025-0057\", reason = \"\" } ]").len(), 1);
        assert_eq!(faults(&format!("[ {good}, \"RUSTSEC-2099-0001\" ]")).len(), 1);
        assert_eq!(faults(&format!("[ {good}, {{ id = \"RUSTSEC-2024-0384\", reason = \"r\" }} ]")).len(), 1);
        assert_eq!(faults(&format!("[ {good}, {{ id = \"RUSTSEC-2099-0001\", reason = \"r\" }} ]")).len(), 1);
    }
}
