//! The CDISC pilot study: real data of 306 subjects at 17 sites, imported by the command and reported.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

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

type Table = (&'static str, &'static [&'static str], &'static [&'static [&'static str]]);

/// Two subjects treated with a patch and one screened, as a study's tables: name, columns, rows.
const PATCH: [Table; 7] = [
    (
        "DM",
        &["STUDYID", "USUBJID", "SITEID", "ARMCD", "COUNTRY", "RFSTDTC", "AGE", "AGEU", "SEX"],
        &[
            &["P1", "01-001", "01", "ACT", "USA", "2013-01-07", "63", "YEARS", "F"],
            &["P1", "01-002", "01", "PBO", "USA", "2013-01-07", "70", "YEARS", "M"],
            &["P1", "01-003", "01", "Scrnfail", "USA", "", "71", "YEARS", "M"],
        ],
    ),
    (
        "DS",
        &["USUBJID", "DSDECOD", "DSCAT", "DSSTDTC"],
        &[
            &["01-001", "COMPLETED", "DISPOSITION EVENT", "2013-07-08"],
            &["01-002", "LOST TO FOLLOW-UP", "DISPOSITION EVENT", "2013-03-01"],
            &["01-003", "SCREEN FAILURE", "DISPOSITION EVENT", "2013-01-02"],
        ],
    ),
    (
        "EX",
        &["USUBJID", "EXDOSE", "EXDOSU", "EXSTDTC", "EXENDTC"],
        &[
            &["01-001", "54", "mg", "2013-01-07", "2013-07-01"],
            &["01-002", "0", "mg", "2013-01-07", "2013-02-20"],
        ],
    ),
    (
        "SV",
        &["USUBJID", "VISITNUM", "VISIT", "VISITDY", "SVSTDTC"],
        &[
            &["01-001", "3", "BASELINE", "1", "2013-01-07"],
            &["01-001", "12", "WEEK 26", "182", "2013-07-08"],
            &["01-002", "3", "BASELINE", "1", "2013-01-07"],
        ],
    ),
    (
        "VS",
        &["USUBJID", "VSTESTCD", "VSTEST", "VSORRES", "VSORRESU", "VISITNUM", "VSDTC"],
        &[&["01-001", "PULSE", "Pulse Rate", "61", "BEATS/MIN", "12", "2013-07-08"]],
    ),
    (
        "LB",
        &["USUBJID", "LBTESTCD", "LBTEST", "LBCAT", "LBORRES", "LBORRESU", "VISITNUM", "LBDTC"],
        &[
            &["01-001", "ALB", "Albumin", "CHEMISTRY", "38", "g/L", "3", "2013-01-07"],
            &["01-001", "ALB", "Albumin", "CHEMISTRY", "41", "g/L", "12", "2013-07-08"],
        ],
    ),
    (
        "AE",
        &["USUBJID", "AETERM", "AEDECOD", "AEBODSYS", "AESTDTC", "AEREL", "AESER"],
        &[&[
            "01-001",
            "ITCH",
            "Pruritus",
            "Skin and subcutaneous tissue disorders",
            "2013-01-20",
            "PROBABLE",
            "N",
        ]],
    ),
];

/// Columns that are numbers in SDTM.
const NUMBERS: [&str; 4] = ["AGE", "EXDOSE", "VISITNUM", "VISITDY"];

fn write_tables(dir: &Path) {
    use xportrs::{Column, ColumnData, Dataset, Xpt};
    for (table, columns, rows) in PATCH {
        let columns = columns.iter().enumerate().map(|(index, name)| {
            let values = rows.iter().map(|row| row[index]);
            let data = if NUMBERS.contains(name) {
                ColumnData::F64(values.map(|value| value.parse().ok()).collect())
            } else {
                ColumnData::String(values.map(|value| Some(value.to_owned())).collect())
            };
            Column::new(*name, data)
        });
        let dataset = Dataset::new(table, columns.collect()).unwrap();
        let path = dir.join(format!("{}.xpt", table.to_lowercase()));
        Xpt::writer(dataset).finalize().unwrap().write_path(path).unwrap();
    }
}

#[test]
fn a_study_of_another_disease_is_opened_with_definitions_of_its_own_and_reported_by_them() {
    let place = tempfile::tempdir().unwrap();
    let (tables, data) = (place.path().join("tables"), place.path().join("data"));
    std::fs::create_dir(&tables).unwrap();
    write_tables(&tables);
    let own = |id: &str, of: &str, parameters: Value| json!({"id": id, "of": of, "parameters": parameters, "text": "A text.", "title": format!("Own {of}")});
    let condition = json!({"is": "at_least", "measure": "loinc:1751-7", "unit": "g/L", "value": "40"});
    let definitions = json!({
        "evaluable": "seen-1", "imputation": "impute-1", "landmarks": "weeks-1", "related": "patch-1",
        "relapse": "relapse-1", "remission": "albumin-1", "windows": "planned-1",
        "own": [
            own("albumin-1", "remission", json!({
                "conditions": [condition], "items_absent": [], "no_new_items": false, "taken_as_absent": []})),
            own("patch-1", "related", json!({
                "agents": ["product"], "missing_is_related": true, "threshold": "probable"})),
            own("planned-1", "windows", json!({"tie": "earlier", "unscheduled": false})),
            own("seen-1", "evaluable", json!({"rule": "visit_completer", "window_days": 14})),
            own("weeks-1", "landmarks", json!({"days": [182], "window_days": 14, "years": []})),
        ]
    });
    let file = place.path().join("definitions.json");
    e2e::write(&file, definitions.to_string());
    let arguments = ["import", "sdtm", tables.to_str().unwrap(), "--trial", "patch"];
    let with =
        |file: &Path| run_on(&data, &[&arguments[..], &["--definitions", file.to_str().unwrap()]].concat());
    // What is wrong is said with its place, and nothing is opened.
    let wrong = place.path().join("wrong.json");
    let mut mistaken = definitions.clone();
    mistaken["own"][4]["parameters"]["days"] = json!(["26 weeks"]);
    e2e::write(&wrong, mistaken.to_string());
    let refused = with(&wrong);
    assert!(refused.status > 0 && refused.err.contains("/definitions/own/4/parameters/days"), "{refused:?}");

    with(&file).ends_with(0);
    let report = run_on(&data, &["report", "outcomes", "--json"]).ends_with(0).json();
    assert_eq!(report["definitions"], definitions);
    assert_eq!(report["definitions_replaced"], json!([]));
    assert_eq!((&report["flow"]["screened"], &report["flow"]["infused"]), (&json!(3), &json!(2)));
    let last = report["waterfall"]["stages"].as_array().unwrap().last().unwrap();
    assert_eq!(
        (&last["id"], &last["of"], &last["subjects"]),
        (&json!("evaluable_day_182"), &json!("analysable"), &json!(1))
    );
    assert_eq!(report["survival"]["from_infusion"]["landmarks"][0]["label"], "182 days");
    assert_eq!(report["measures"]["definition"], "planned-1");
    let computed = &report["remission"]["computed"];
    assert_eq!(computed.as_array().unwrap().len(), 1, "the definitions of lupus have nothing to go by");
    let figure = &computed[0]["figures"][0]["figure"];
    assert_eq!(
        (&figure["definition"], &figure["numerator"], &figure["denominator"]),
        (&json!("albumin-1"), &json!(1), &json!(1))
    );
    let safety = run_on(&data, &["report", "safety", "--json"]).ends_with(0).json();
    assert_eq!(safety["definitions"]["related"], "patch-1");
    // A trial that is open keeps what it has.
    let again = with(&file).ends_with(0).out;
    assert!(again.contains("the trial is open already and keeps its own definitions"), "{again}");
    let text = run_on(&data, &["report", "outcomes"]).ends_with(0).out;
    assert!(text.contains("albumin-1") && text.contains("Evaluable at 182 days"), "{text}");
}

fn verified(data: &Path, genesis: &str) -> String {
    e2e::run(["verify", data.to_str().unwrap(), "--genesis", genesis]).ends_with(0).out
}
