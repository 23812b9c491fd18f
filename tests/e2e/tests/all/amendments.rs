//! Corrections: the report follows, the trail shows what was before.

use e2e::SmallTrial;
use serde_json::Value;

use crate::demo::figure;
use crate::statements::{contact, hash_of, replacing, visit, voiding, with_subject};

const REPORT: [&str; 5] = ["report", "outcomes", "--json", "--cutoff", "2022-06-30"];

fn report(trial: &SmallTrial) -> Value {
    trial.run(REPORT).ends_with(0).json()
}

fn remission(report: &Value) -> (u64, u64) {
    let year_1 = figure(report, "remission.year_1").unwrap();
    (year_1["numerator"].as_u64().unwrap(), year_1["denominator"].as_u64().unwrap())
}

#[test]
fn a_replaced_and_a_voided_record_change_the_report_and_stay_on_the_trail() {
    let trial = with_subject();
    let before = report(&trial);
    assert_eq!(remission(&before), (1, 1));
    assert_eq!(before["follow_up"]["days"], 699);

    let corrected = visit("P1", "2021-02-03", "none");
    let replaced = replacing(&corrected, 10, &hash_of(&trial, 10), "source_corrected");
    trial.submit("an.li", &replaced.to_string()).ends_with(0);
    let after = report(&trial);
    assert_eq!(remission(&after), (0, 1));
    assert_eq!(after["excluded"]["amended_things"], 1);

    let void = voiding(&contact("P1", "2021-12-31"), 11, &hash_of(&trial, 11), "wrong_subject");
    trial.submit("bo.wang", &void.to_string()).ends_with(0);
    let last = report(&trial);
    // Without the contact the subject was last heard of at the corrected visit.
    assert_eq!(last["follow_up"]["days"], 368);
    assert_eq!(last["excluded"]["voided_things"], 1);

    let trail = trial.run(["trail", "--subject", "P1"]).ends_with(0).out;
    for line in [
        "an.li (principal_investigator, Hospital 1): visit of 2021-02-03",
        "replaces record 10 because: source_corrected",
        "/data/response/status: \"complete\" → \"none\"",
        "/occurred_on: \"2021-02-01\" → \"2021-02-03\"",
        "amended by record 12",
        "voids record 11 because: wrong_subject",
        "/data/means: \"phone\" → not stated",
        "amended by record 13",
    ] {
        assert!(trail.contains(line), "no {line:?} in\n{trail}");
    }
    let listed = trial.run(["trail", "--subject", "P1", "--json"]).ends_with(0).json_lines();
    let amended: Vec<_> = listed.iter().map(|view| (&view["seq"], &view["amended_by"])).collect();
    let due: [(u64, Option<u64>); 6] =
        [(8, None), (9, None), (10, Some(12)), (11, Some(13)), (12, None), (13, None)];
    for ((seq, by), (due_seq, due_by)) in amended.into_iter().zip(due) {
        assert_eq!((seq, by), (&due_seq.into(), &due_by.map_or(Value::Null, Value::from)));
    }
    // What was recorded is still there, to the byte.
    assert_eq!(trial.records(), 14);
    let first = trial.run(["show", "10", "--json"]).ends_with(0).json();
    assert_eq!(first["record"]["event"]["data"]["response"]["status"], "complete");
}
