//! Remission computed from visits, beside what was judged.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at what it did not expect")]

mod support;

use clinical::sledai::Descriptor;
use outcomes::{ComputedRemission, Report};
use serde_json::{Map, Value, json};
use support::Log;

const CUTOFF: &str = "2012-12-31";

/// All items examined, but those not done; some present.
fn items(present: &[&str], not_done: &[&str]) -> Map<String, Value> {
    let state = |name: &str| match name {
        _ if present.contains(&name) => "present",
        _ if not_done.contains(&name) => "not_done",
        _ => "absent",
    };
    Descriptor::ALL.iter().map(|item| (item.as_str().to_owned(), json!(state(item.as_str())))).collect()
}

/// A visit that states items, the global assessment and the dose, and a response where one was judged.
fn visit(items: &Map<String, Value>, pga: &str, dose: &str, judged: Option<&str>) -> Value {
    let mut data = json!({"pga": pga, "prednisone_mg_per_day": dose, "sledai": items, "status": "done"});
    if let Some(status) = judged {
        data["response"] = json!({"definition": "ccr-registry-1", "status": status});
    }
    data
}

fn by<'a>(report: &'a Report, definition: &str) -> &'a ComputedRemission {
    report.remission.computed.iter().find(|one| one.definition == definition).unwrap()
}

/// At the first landmark: in remission, not, not determinable, without a visit.
fn first(report: &Report, definition: &str) -> (u64, u64, u64, u64) {
    let one = &by(report, definition).figures[0];
    (one.figure.numerator, one.not, one.not_determinable, one.without_visit)
}

#[test]
fn each_definition_counts_the_evaluable_by_the_visit_nearest_to_the_landmark() {
    let mut log = Log::open();
    for subject in ["A", "B", "C", "D", "E"] {
        log.treat(subject, "2009-03-01");
        log.alive(subject, "2010-06-01");
    }
    // Ten milligrams are within the registry's own line and beyond the others'; rash is two points.
    log.fact("A", "visit", "2010-03-05", visit(&items(&[], &[]), "0.4", "10", None));
    log.fact("B", "visit", "2010-03-05", visit(&items(&["rash"], &[]), "0.4", "5", None));
    log.fact("C", "visit", "2010-03-05", visit(&items(&[], &["fever"]), "0.4", "5", None));
    // Nothing is stated within the window, and what lies outside it does not count.
    log.fact("D", "visit", "2010-03-05", json!({"status": "done"}));
    log.fact("D", "visit", "2010-05-31", visit(&items(&[], &[]), "0", "0", None));
    // Nearer to the landmark and later of two as near: remission by all.
    log.fact("E", "visit", "2010-02-27", visit(&items(&["fever", "rash"], &[]), "2", "20", None));
    log.fact("E", "visit", "2010-03-03", visit(&items(&[], &[]), "0.4", "5", None));
    let report = log.report(CUTOFF);
    let ids: Vec<_> = report.remission.computed.iter().map(|one| one.definition.as_str()).collect();
    assert_eq!(ids, ["ccr-registry-1", "doris-2021", "lldas-registry-1", "sledai-2-1"]);
    assert_eq!(first(&report, "ccr-registry-1"), (2, 1, 1, 1));
    assert_eq!(first(&report, "doris-2021"), (1, 2, 1, 1));
    // B's rash may be new: there is no assessment before. E's fever is gone, and nothing is new.
    assert_eq!(first(&report, "lldas-registry-1"), (1, 1, 2, 1));
    assert_eq!(first(&report, "sledai-2-1"), (3, 0, 1, 1));
    let figure = &by(&report, "doris-2021").figures[0].figure;
    assert_eq!((figure.denominator, figure.definition.as_str()), (5, "doris-2021"));
    assert_eq!(figure.id, "remission.computed.doris-2021.year_1");
    // At the second landmark nobody is evaluable.
    assert_eq!(by(&report, "doris-2021").figures[1].figure.denominator, 0);
    assert!(report.remission.figures.is_empty(), "nobody judged");
}

#[test]
fn where_judged_and_computed_differ_the_subject_is_listed_with_what_failed_and_the_records() {
    let mut log = Log::open();
    for subject in ["AGREE", "OPEN", "WRONG", "MISSED", "BOARD", "SILENT"] {
        log.treat(subject, "2009-03-01");
        log.alive(subject, "2010-06-01");
    }
    let quiet = || items(&[], &[]);
    log.fact("AGREE", "visit", "2010-03-01", visit(&quiet(), "0", "10", Some("complete")));
    let open =
        log.fact("OPEN", "visit", "2010-03-01", visit(&items(&[], &["fever"]), "0", "10", Some("complete")));
    let wrong = log.fact("WRONG", "visit", "2010-03-02", visit(&quiet(), "0", "5", Some("complete")));
    let amended = log.replace(
        wrong,
        "2010-03-02",
        visit(&items(&["rash", "fever"], &[]), "0", "12.5", Some("complete")),
    );
    let missed = log.fact("MISSED", "visit", "2010-03-01", visit(&quiet(), "0", "10", Some("partial")));
    let seen = log.fact("BOARD", "visit", "2010-03-01", visit(&quiet(), "0", "10", Some("complete")));
    let response = json!({"definition": "ccr-registry-1", "status": "none"});
    let board =
        log.fact("BOARD", "adjudication", "2010-03-04", json!({"landmark_years": 1, "response": response}));
    let silent = log.fact("SILENT", "visit", "2010-03-01", visit(&quiet(), "0", "10", None));
    let report = log.report(CUTOFF);
    let stated = |first: u64, latest: u64| json!({"first_seq": first, "latest_seq": latest});
    let differences = serde_json::to_value(&report.remission.differences).unwrap();
    let row = |subject: &str, on: &str, day: i64, judged: (&str, &str), computed: &str, why: Value| {
        json!({
            "subject": subject, "site": "S01", "landmark": "year_1", "on": on, "day": day, "judged": judged.0,
            "judged_by": judged.1, "computed": computed, "why": why
        })
    };
    let with = |mut row: Value, visit: Value, judgement: Option<Value>| {
        row["visit"] = visit;
        if let Some(judgement) = judgement {
            row["judgement"] = judgement;
        }
        row
    };
    let why = json!(["prednisone_mg_per_day is 12.5, not at most 10", "sledai_clinical is 3, not at most 0"]);
    let due = json!([
        with(
            row("BOARD", "2010-03-01", 365, ("none", "committee"), "remission", json!([])),
            stated(seen, seen),
            Some(stated(board, board))
        ),
        with(
            row("MISSED", "2010-03-01", 365, ("partial", "investigator"), "remission", json!([])),
            stated(missed, missed),
            Some(stated(missed, missed))
        ),
        with(
            row(
                "OPEN",
                "2010-03-01",
                365,
                ("complete", "investigator"),
                "not_determinable",
                json!(["items were not examined"])
            ),
            stated(open, open),
            Some(stated(open, open))
        ),
        with(
            row("SILENT", "2010-03-01", 365, ("not_judged", "nobody"), "remission", json!([])),
            stated(silent, silent),
            None
        ),
        with(
            row("WRONG", "2010-03-02", 366, ("complete", "investigator"), "not", why),
            stated(wrong, amended),
            Some(stated(wrong, amended))
        ),
    ]);
    assert_eq!(differences, due);
    let agreement: Vec<_> = report
        .remission
        .agreement
        .iter()
        .filter(|one| one.landmark == "year_1")
        .map(|one| (one.judged.as_str(), one.computed.as_str(), one.subjects))
        .collect();
    assert_eq!(
        agreement,
        [
            ("complete", "not", 1),
            ("complete", "not_determinable", 1),
            ("complete", "remission", 1),
            ("none", "remission", 1),
            ("not_judged", "remission", 1),
            ("partial", "remission", 1),
        ]
    );
}

#[test]
fn of_visits_of_one_day_a_failure_counts_before_a_remission_and_that_before_what_is_open() {
    let told = |visits: &[Value]| {
        let mut log = Log::open();
        log.treat("A", "2009-03-01");
        log.alive("A", "2010-06-01");
        for data in visits {
            log.fact("A", "visit", "2010-03-01", data.clone());
        }
        let (complete, not, open, _) = first(&log.report(CUTOFF), "ccr-registry-1");
        (complete, not, open)
    };
    let complete = visit(&items(&[], &[]), "0", "0", None);
    let failing = visit(&items(&["fever"], &[]), "0", "0", None);
    let open = json!({"prednisone_mg_per_day": "5", "status": "done"});
    for (visits, due) in [
        (vec![&complete, &open], (1, 0, 0)),
        (vec![&open, &complete, &failing], (0, 1, 0)),
        (vec![&failing, &complete], (0, 1, 0)),
    ] {
        assert_eq!(told(&visits.into_iter().cloned().collect::<Vec<_>>()), due);
    }
}

#[test]
fn new_items_are_told_by_the_assessment_before_which_may_be_the_baseline() {
    let mut log = Log::open();
    log.treat("A", "2009-03-01");
    log.alive("A", "2010-06-01");
    log.fact("A", "visit", "2009-02-20", visit(&items(&["rash"], &[]), "1", "20", None));
    log.fact("A", "visit", "2010-03-01", visit(&items(&["rash"], &[]), "1", "5", None));
    assert_eq!(first(&log.report(CUTOFF), "lldas-registry-1"), (1, 0, 0, 0));
    // In between it was gone.
    log.fact("A", "visit", "2009-06-01", visit(&items(&[], &[]), "1", "5", None));
    assert_eq!(first(&log.report(CUTOFF), "lldas-registry-1"), (0, 1, 0, 0));
}

#[test]
fn another_disease_computes_remission_from_observations_of_its_own() {
    let own = |id: &str, at_most: &str| {
        let condition = json!({
            "is": "at_most", "measure": "sdtm.qstestcd:ACTOT", "unit": "1", "value": at_most
        });
        let rule = json!({"conditions": [condition], "items_absent": [], "no_new_items": false, "taken_as_absent": []});
        json!({"id": id, "of": "remission", "parameters": rule, "text": "A text.", "title": "Little impairment"})
    };
    let mut log = Log::open();
    let definitions = &mut log.records[0].0["data"]["definitions"];
    definitions["remission"] = json!("little-1");
    definitions["own"] = json!([own("less-1", "5"), own("little-1", "9")]);
    log.treat("A", "2009-03-01");
    log.alive("A", "2010-06-01");
    let score = |unit: &str, value: &str| {
        json!({
            "local": {"code": "ACTOT", "system": "sdtm.qstestcd"},
            "reported": {"value": value}, "ucum": {"unit": unit, "value": value}
        })
    };
    log.fact("A", "visit", "2010-03-01", json!({"observations": [score("1", "9")], "status": "done"}));
    let report = log.report(CUTOFF);
    let shown: Vec<_> = report.remission.computed.iter().map(|one| one.definition.as_str()).collect();
    // None of those shipped could be told of anybody.
    assert_eq!(shown, ["little-1", "less-1"]);
    assert_eq!((first(&report, "little-1"), first(&report, "less-1")), ((1, 0, 0, 0), (0, 1, 0, 0)));
    // Nobody judged, and it is computed: said so.
    let difference = &report.remission.differences[0];
    assert_eq!((difference.judged.as_str(), difference.computed.as_str()), ("not_judged", "remission"));
}

#[test]
fn a_definition_that_nobody_knows_is_computed_by_nobody() {
    let mut log = Log::open();
    log.records[0].0["data"]["definitions"]["remission"] = json!("luck-1");
    log.treat("A", "2009-03-01");
    log.alive("A", "2010-06-01");
    log.fact("A", "visit", "2010-03-01", visit(&items(&[], &[]), "0", "0", None));
    let report = log.report(CUTOFF);
    assert_eq!(report.remission.definition, "luck-1");
    assert_eq!(report.remission.computed.len(), 4);
    assert!(report.remission.differences.is_empty() && report.remission.agreement.is_empty());
    // Without anything stated there is nothing to show.
    let mut log = Log::open();
    log.treat("A", "2009-03-01");
    log.respond("A", "2010-03-01", "complete");
    assert!(log.report(CUTOFF).remission.computed.is_empty());
}
