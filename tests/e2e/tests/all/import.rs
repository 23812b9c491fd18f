//! The CDISC pilot study: real data of 306 subjects at 17 sites, imported by the command and reported.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::demo::run_on;

/// The study's directory, or a line in the log of what was skipped.
fn pilot(test: &str) -> Option<PathBuf> {
    if let Some(dir) = std::env::var_os("TRIALBOOK_CDISC_DIR") {
        return Some(dir.into());
    }
    if let Some(log) = std::env::var_os("TRIALBOOK_SKIPPED_LOG") {
        let mut log = std::fs::OpenOptions::new().append(true).open(log).unwrap();
        writeln!(log, "{test}: TRIALBOOK_CDISC_DIR is not set").unwrap();
    }
    eprintln!("skipped: TRIALBOOK_CDISC_DIR is not set");
    None
}

/// Columns of a table, read by a reader that is not ours.
fn columns<const N: usize>(path: &Path, names: [&str; N]) -> [Vec<String>; N] {
    let table = xportrs::Xpt::read(path).unwrap();
    names.map(|name| match table.columns().iter().find(|column| column.name() == name).unwrap().data() {
        xportrs::ColumnData::String(values) => {
            values.iter().map(|value| value.clone().unwrap_or_default()).collect()
        }
        _ => unreachable!("{name} holds texts"),
    })
}

/// By class and term: events, subjects, events serious by a criterion.
type Tally = BTreeMap<(String, String), (u64, u64, u64)>;

/// Events of all kinds and terms in the source, subjects counted once each.
fn tally(dir: &Path) -> Tally {
    // The criteria of ICH E2A; a cancer or an overdose (AESCAN, AESOD) is none by itself.
    const CRITERIA: [&str; 6] = ["AESCONG", "AESDISAB", "AESDTH", "AESHOSP", "AESLIFE", "AESMIE"];
    let [socs, terms, subjects] = columns(&dir.join("ae.xpt"), ["AEBODSYS", "AEDECOD", "USUBJID"]);
    let table = xportrs::Xpt::read(dir.join("ae.xpt")).unwrap();
    let held: Vec<&str> = CRITERIA
        .into_iter()
        .filter(|name| table.columns().iter().any(|column| column.name() == *name))
        .collect();
    let criteria: Vec<Vec<String>> =
        held.iter().map(|name| columns(&dir.join("ae.xpt"), [*name]).into_iter().next().unwrap()).collect();
    let mut tally = Tally::new();
    let mut counted = BTreeSet::new();
    for (row, key) in socs.into_iter().zip(terms).enumerate() {
        let counts = tally.entry(key.clone()).or_default();
        counts.0 += 1;
        counts.1 += u64::from(counted.insert((key, subjects[row].clone())));
        counts.2 += u64::from(criteria.iter().any(|column| column[row] == "Y"));
    }
    tally
}

fn reported(table: &Value) -> Tally {
    let mut tally = Tally::new();
    for class in table["classes"].as_array().unwrap() {
        let soc = class["name"].as_str().unwrap();
        for term in class["terms"].as_array().unwrap() {
            let count = |member: &str| term[member].as_u64().unwrap();
            let key = (soc.to_owned(), term["name"].as_str().unwrap().to_owned());
            tally.insert(key, (count("events"), count("subjects"), count("serious")));
        }
    }
    tally
}

#[test]
fn the_pilot_study_is_imported_whole_and_reported_as_an_independent_tally_says() {
    let Some(dir) = pilot("the_pilot_study_is_imported_whole_and_reported_as_an_independent_tally_says")
    else {
        return;
    };
    let place = tempfile::tempdir().unwrap();
    let list = place.path().join("not-imported.ndjson");
    let data = place.path().join("data");
    let arguments = ["import", "sdtm", dir.to_str().unwrap(), "--trial", "cdiscpilot01"];
    let more = ["--not-imported", list.to_str().unwrap()];
    let printed = run_on(&data, &[&arguments[..], &more].concat()).ends_with(0).out;
    let count = |name: &str| -> u64 {
        let line = printed.lines().find(|line| line.trim_start().starts_with(&format!("{name}  ")));
        line.and_then(|line| line.split_whitespace().last()?.parse().ok()).unwrap_or(u64::MAX)
    };
    for (name, due) in [
        ("subjects screened", 306),
        ("subjects enrolled", 254),
        ("screen failures", 52),
        ("sites", 17),
        ("dosing periods", 591),
        ("unscheduled", 122),
        ("on a day that has a visit already", 92),
        ("after the subject's death", 1),
        ("adverse events", 961),
        ("certainly before treatment", 51),
        ("without causality", 4),
        ("serious as reported", 3),
        ("serious by a criterion", 33),
        ("fatal, reported as not serious", 3),
    ] {
        assert_eq!(count(name), due, "{name} in\n{printed}");
    }
    // Everything that was left out is on the list.
    let left = std::fs::read_to_string(&list).unwrap();
    assert!(left.lines().count() > 0);
    for line in left.lines() {
        let left: Value = serde_json::from_str(line).unwrap();
        assert!(left["table"].is_string() && !left["reason"].as_str().unwrap().is_empty(), "{line}");
    }

    let safety = run_on(&data, &["report", "safety", "--json"]).ends_with(0).json();
    let all = safety["tables"].as_array().unwrap().iter().find(|table| table["id"] == "all");
    let all = all.unwrap();
    assert_eq!(all["events"], 961);
    assert_eq!(reported(all), tally(&dir));
    assert_eq!(safety["populations"]["safety_set"], 254);

    let genesis = crate::demo::genesis_of(&printed);
    let verify = verified(&data, genesis);
    assert!(verify.starts_with("Intact: all "), "{verify}");
    let shown = run_on(&data, &["findings", "--json"]).ends_with(0).json_lines();
    assert!(shown.iter().any(|record| record["findings"].to_string().contains("seriousness-disagrees")));

    // The same tables again are the same events: nothing is recorded twice.
    run_on(&data, &arguments).ends_with(0);
    assert_eq!(verified(&data, genesis), verify);
}

fn verified(data: &Path, genesis: &str) -> String {
    e2e::run(["verify", data.to_str().unwrap(), "--genesis", genesis]).ends_with(0).out
}
