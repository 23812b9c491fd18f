//! The demonstration, the published study's figures, and read models that are lost or damaged.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use e2e::{Run, copy_dir, files_under, run, write};
use serde_json::Value;
use tempfile::TempDir;

const CUTOFF: &str = "2011-06-30";

/// A demonstration that was run, with what it printed. Made once in this process, and only read.
pub(crate) struct Demo {
    pub(crate) dir: TempDir,
    pub(crate) printed: String,
}

pub(crate) fn demo() -> &'static Demo {
    static DEMO: OnceLock<Demo> = OnceLock::new();
    DEMO.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let run = run_on(dir.path(), &["demo", "--exit"]).ends_with(0);
        Demo { dir, printed: run.out }
    })
}

/// A copy of it to be changed.
pub(crate) fn own_demo() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    copy_dir(demo().dir.path(), dir.path());
    dir
}

pub(crate) fn run_on(data: &Path, arguments: &[&str]) -> Run {
    run(arguments.iter().map(AsRef::as_ref).chain(["--data".as_ref(), data.as_os_str()]))
}

pub(crate) fn genesis_of(printed: &str) -> &str {
    printed.lines().find_map(|line| line.strip_prefix("genesis ")).unwrap()
}

fn records_in(data: &Path) -> u64 {
    let doctor = run_on(data, &["doctor", "--json"]).ends_with(0).json();
    doctor["trials"][0]["covers"]["records"].as_u64().unwrap()
}

#[test]
fn the_demonstration_agrees_in_every_figure_is_intact_and_adds_nothing_the_second_time() {
    let data = own_demo();
    let printed = &demo().printed;
    assert!(printed.starts_with("SYNTHETIC DATA"), "{printed}");
    let rows: Vec<_> = printed.lines().filter(|line| line.trim_end().ends_with("agrees")).collect();
    assert_eq!(rows.len(), 14, "{printed}");
    assert!(!printed.contains("DIFFERS"), "{printed}");
    for figure in ["82/87 (94.25%)", "23/83 (27.71%)", "3/6 (50.00%)", "20/87 (22.99%)", "0/87 (0.00%)"] {
        assert!(rows.iter().any(|row| row.contains(figure)), "no {figure} in\n{printed}");
    }
    assert!(printed.contains("\nIntact: all "), "{printed}");
    let verdict = "every figure agrees, every edge case is as expected, and the log is intact\n";
    assert!(printed.ends_with(verdict), "{printed}");
    let genesis = genesis_of(printed);
    let kept = std::fs::read_to_string(data.path().join("trials/lupus-msct/genesis")).unwrap();
    assert_eq!(kept.trim_end(), genesis);
    let count = records_in(data.path());
    assert!(printed.contains(&format!("verified {count} records")), "{printed}");

    let again = run_on(data.path(), &["demo", "--exit"]).ends_with(0);
    assert!(again.out.contains("holds trial lupus-msct already: nothing was added"), "{}", again.out);
    assert_eq!(genesis_of(&again.out), genesis);
    assert_eq!(records_in(data.path()), count);
}

#[test]
fn the_demonstration_prints_every_edge_case_as_expected_beneath_the_first_trial_and_apart_from_it() {
    let printed = &demo().printed;
    let (first, second) = printed.split_once("\nSYNTHETIC: ").unwrap();
    assert!(first.contains("3/6 (50.00%)"), "{printed}");
    let rows: Vec<_> = second.lines().filter(|line| line.ends_with('✓')).collect();
    assert_eq!(rows.len(), 43, "42 persons and the whole: {printed}");
    assert!(!printed.contains('✕'), "{printed}");
    for (id, case) in
        [("E01", "T = 364"), ("E11", "relapse and death the same day"), ("all", "the whole cohort")]
    {
        let is_of = |row: &&str| row.trim_start().starts_with(id) && row.contains(case);
        assert!(rows.iter().any(is_of), "no {case} in {printed}");
    }
    // Commands without --trial find the first trial alone; the other has a registry of its own.
    let doctor = run_on(demo().dir.path(), &["doctor", "--json"]).ends_with(0).json();
    assert_eq!(doctor["trials"].as_array().unwrap().len(), 1);
    let edge = demo().dir.path().join("edge-cohort");
    let report = run_on(&edge, &["report", "outcomes", "--json", "--as-of", "edge-1"]).ends_with(0).json();
    assert_eq!(report["synthetic"], true);
    assert_eq!(figure(&report, "relapse.in_year.year_1").unwrap()["numerator"], 5);
}

#[test]
fn the_outcome_report_has_the_studys_golden_values() {
    let arguments = ["report", "outcomes", "--json", "--cutoff", CUTOFF];
    let report = run_on(own_demo().path(), &arguments).ends_with(0).json();
    assert_eq!(report["synthetic"], true);
    let texts = |list: &Value, member: &str| -> Vec<String> {
        list.as_array().unwrap().iter().map(|item| item[member].as_str().unwrap().to_owned()).collect()
    };
    // Estimated by an independent program (lifelines) on the same cohort, at years 1 to 4.
    let survival = &report["survival"]["from_infusion"]["landmarks"];
    assert_eq!(texts(survival, "survival"), ["0.954023", "0.940773", "0.940773", "0.940773"]);
    assert_eq!(texts(survival, "standard_error"), ["0.022454", "0.025757", "0.025757", "0.025757"]);
    let at_risk: Vec<_> = survival.as_array().unwrap().iter().map(|year| year["at_risk"].clone()).collect();
    assert_eq!(at_risk, [83, 39, 12, 6]);
    assert_eq!(interval(&survival[3], "plain"), ("0.890291", "0.991255"));
    assert_eq!(interval(&survival[3], "log-log"), ("0.863266", "0.974967"));
    let relapse = &report["relapse"]["cumulative_incidence"]["landmarks"];
    assert_eq!(texts(relapse, "relapse"), ["0.114943", "0.206202", "0.269176", "0.354782"]);
    assert_eq!(texts(relapse, "standard_error"), ["0.034195", "0.045372", "0.060476", "0.096185"]);
    assert_eq!(texts(relapse, "death_first"), ["0.045977"; 4]);
    assert_eq!(report["follow_up"]["patient_years"], "195.7509");
    assert_eq!(report["follow_up"]["days"], 71498);

    // Figure, numerator, denominator, per cent, Clopper-Pearson, Wilson.
    let golden = [
        ("survival.crude", 82, 87, "94.25", ("87.10", "98.11"), ("87.24", "97.52")),
        ("death.crude", 5, 87, "5.75", ("1.89", "12.90"), ("2.48", "12.76")),
        ("remission.year_1", 23, 83, "27.71", ("18.45", "38.62"), ("19.23", "38.16")),
        ("remission.year_2", 12, 39, "30.77", ("17.02", "47.57"), ("18.57", "46.42")),
        ("remission.year_3", 5, 12, "41.67", ("15.17", "72.33"), ("19.33", "68.05")),
        ("remission.year_4", 3, 6, "50.00", ("11.81", "88.19"), ("18.76", "81.24")),
        ("relapse.in_year.year_1", 10, 83, "12.05", ("5.93", "21.04"), ("6.68", "20.78")),
        ("relapse.in_year.year_2", 7, 39, "17.95", ("7.54", "33.53"), ("8.98", "32.67")),
        ("relapse.in_year.year_3", 2, 12, "16.67", ("2.09", "48.41"), ("4.70", "44.80")),
        ("relapse.in_year.year_4", 1, 6, "16.67", ("0.42", "64.12"), ("3.01", "56.35")),
        ("relapse.ever", 20, 87, "22.99", ("14.64", "33.25"), ("15.40", "32.86")),
    ];
    for (id, numerator, denominator, percent, exact, wilson) in golden {
        let figure = figure(&report, id).unwrap();
        assert_eq!(
            (&figure["numerator"], &figure["denominator"]),
            (&numerator.into(), &denominator.into()),
            "{id}"
        );
        assert_eq!(figure["percent"], percent, "{id}");
        assert_eq!(
            (interval(figure, "clopper-pearson"), interval(figure, "wilson")),
            (exact, wilson),
            "{id}"
        );
    }
}

/// The object with this id, wherever it stands.
pub(crate) fn figure<'a>(value: &'a Value, id: &str) -> Option<&'a Value> {
    match value {
        Value::Object(members) if members.get("id").is_some_and(|found| found == id) => Some(value),
        Value::Object(members) => members.values().find_map(|member| figure(member, id)),
        Value::Array(items) => items.iter().find_map(|item| figure(item, id)),
        _ => None,
    }
}

fn interval<'a>(estimate: &'a Value, method: &str) -> (&'a str, &'a str) {
    let intervals = estimate["intervals"].as_array().unwrap();
    let found = intervals.iter().find(|interval| interval["method"] == method).unwrap();
    (found["lower"].as_str().unwrap(), found["upper"].as_str().unwrap())
}

/// Everything that is read from read models, as bytes.
fn readings(data: &Path) -> Vec<String> {
    let outcomes = ["report", "outcomes", "--json", "--cutoff", CUTOFF];
    let safety = ["report", "safety", "--json", "--cutoff", CUTOFF];
    [&outcomes[..], &safety, &["findings", "--json"], &["trail", "--subject", "P001", "--json"]]
        .map(|arguments| run_on(data, arguments).ends_with(0).out)
        .into()
}

const STORES: [&str; 3] = ["index", "outcomes", "safety"];

#[test]
fn read_models_that_are_deleted_are_made_anew_with_the_same_bytes() {
    let data = own_demo();
    let due = readings(data.path());
    for store in STORES {
        std::fs::remove_dir_all(data.path().join("trials/lupus-msct").join(store)).unwrap();
        assert!(readings(data.path()) == due, "other bytes without {store}");
    }
    for store in STORES {
        std::fs::remove_dir_all(data.path().join("trials/lupus-msct").join(store)).unwrap();
    }
    assert!(readings(data.path()) == due, "other bytes after all were deleted");
}

/// What is done to a file, in words and in deed.
type Harm = (&'static str, fn(&mut Vec<u8>));

#[test]
fn read_models_that_are_cut_or_overwritten_are_made_anew_with_the_same_bytes() {
    let data = own_demo();
    let due = readings(data.path());
    let harms: [Harm; 3] = [
        ("cut to half", |bytes| bytes.truncate(bytes.len() / 2)),
        ("cut to nothing", Vec::clear),
        ("overwritten in the middle", |bytes| {
            let middle = bytes.len() / 2;
            bytes[middle..].iter_mut().take(4_096).for_each(|byte| *byte ^= 0x5a);
        }),
    ];
    for (name, harm) in harms {
        for store in STORES {
            let files: Vec<PathBuf> = files_under(&data.path().join("trials/lupus-msct").join(store));
            assert!(!files.is_empty());
            for file in files {
                let mut bytes = std::fs::read(&file).unwrap();
                harm(&mut bytes);
                write(&file, bytes);
            }
        }
        assert!(readings(data.path()) == due, "other bytes after the stores were {name}");
    }
}
