//! What is made of small studies.

#[macro_use]
mod files;

use clinical::EventKind;
use serde_json::json;

use super::*;
use crate::xpt::XptFault;
use crate::xpt::tests::Value;
use files::{Files, left, of, one, put, signed};

#[test]
fn each_table_becomes_the_statements_that_say_the_same() {
    let plan = Files::small().plan();
    let kinds: Vec<_> = plan.statements.iter().map(|statement| statement.kind.as_str()).collect();
    assert_eq!(kinds, ["disposition", "enrollment", "infusion", "visit", "adverse_event", "disposition"]);
    assert_eq!(plan.statements[0].subject.as_ref().unwrap().as_str(), "01-002");
    assert_eq!(plan.statements[0].occurred_on.unwrap().to_string(), "2013-01-20");
    assert_eq!(plan.statements[0].data["reason"], "screen_failure");
    assert_eq!(
        plan.statements[0].data["import"],
        json!({"standard": "sdtm", "rows": [{"table": "DM", "row": 2}, {"table": "DS", "row": 2}]})
    );
    let unknown = json!({"missing": "unknown"});
    let enrolled = json!({"age": {"unit": "years", "value": 63}, "consent": unknown, "planned_infusions": unknown,
        "sex": "female"});
    assert_eq!(one(&plan, EventKind::Enrollment), (Some("2013-02-12".to_owned()), enrolled));
    let dosed = json!({"dose": {"amount": "0.1", "unit": "mg"}, "number": 1, "route": unknown, "stopped_on": unknown});
    assert_eq!(one(&plan, EventKind::Infusion), (Some("2013-02-12".to_owned()), dosed));
    let visited = json!({"planned": "BASELINE", "status": "done", "observations": [
        {"local": {"code": "TEMP", "name": "Temperature", "system": "sdtm.vstestcd"},
         "reported": {"unit": "F", "value": "098.6"}, "ucum": {"unit": "[degF]", "value": "98.6"}},
        {"local": {"code": "CREAT", "name": "Creatinine", "system": "sdtm.lbtestcd"}, "loinc": "2160-0",
         "on": "2013-02-11", "range": {"low": "0.6"},
         "reported": {"unit": "mg/dL", "value": "1.20"}, "ucum": {"unit": "mg/dL", "value": "1.20"}}]});
    assert_eq!(one(&plan, EventKind::Visit), (Some("2013-02-12".to_owned()), visited));
    let event = json!({"action": unknown, "causality": {"product": "unlikely"},
        "coding": {"dictionary": "MedDRA", "pt": "Pyrexia", "soc": "General disorders", "version": unknown},
        "outcome": unknown, "serious_reported": false, "seriousness": ["hospitalisation"], "severity": unknown,
        "term": "FEVER"});
    assert_eq!(one(&plan, EventKind::AdverseEvent), (Some("2013-03".to_owned()), event));
    assert_eq!(plan.statements[5].occurred_on.unwrap().to_string(), "2013-08");
    assert_eq!(plan.trial.sites[0].zone.as_str(), "America/New_York");
    assert_eq!((plan.trial.schedule.len(), plan.trial.schedule[0].day), (1, 0));
    let screen_failure = "a screen failure's disposition has no item for it";
    assert_eq!(left(&plan), [format!("DM.AGE 2: {screen_failure}"), format!("DM.SEX 2: {screen_failure}")]);
}

#[test]
fn columns_that_nothing_states_are_listed_once_with_their_values() {
    let columns = ["USUBJID", "AETERM", "AESTDTC", "AESPID", "AEXYZ"];
    let rows = vec![
        row!["01-001", "FEVER", "2013-03-01T10:30", "E1", "a"],
        row!["01-001", "RASH", "2013-03-02", "E2", ""],
    ];
    let plan = Files::small().without("ae.xpt").and("ae.xpt", &columns, rows).plan();
    let of_ae: Vec<_> = plan
        .columns_not_imported
        .iter()
        .filter(|column| column.table == "AE")
        .map(|column| (column.column.as_str(), column.values))
        .collect();
    assert_eq!(of_ae, [("AESTDTC", 1), ("AESPID", 2), ("AEXYZ", 1)]);
    let arm = plan.columns_not_imported.iter().find(|column| column.column == "ARMCD").unwrap();
    assert!(arm.reason.contains("unblinding key"));
    assert_eq!(of(&plan, EventKind::AdverseEvent)[0].occurred_on.unwrap().to_string(), "2013-03-01");
}

#[test]
fn a_missing_table_is_an_error_that_names_it() {
    for (file, table) in [
        ("dm.xpt", "DM"),
        ("ds.xpt", "DS"),
        ("ex.xpt", "EX"),
        ("sv.xpt", "SV"),
        ("vs.xpt", "VS"),
        ("lb.xpt", "LB"),
        ("ae.xpt", "AE"),
    ] {
        let error = Files::small().without(file).read().unwrap_err();
        assert!(
            matches!(error, ReadError::TableMissing { table: missing, .. } if missing == table),
            "{error}"
        );
        assert!(error.to_string().contains(file), "{error}");
    }
    assert!(matches!(read(std::path::Path::new("no such directory")), Err(ReadError::Io { .. })));
}

#[test]
fn the_case_of_file_names_does_not_matter_and_a_laboratory_may_be_split() {
    let mut files = Files::small();
    for (file, ..) in &mut files.0 {
        *file = match *file {
            "dm.xpt" => "DM.XPT",
            "lb.xpt" => "LBch.Xpt",
            other => other,
        };
    }
    let plan = files.and("cm.xpt", &["USUBJID"], vec![row!["01-001"]]).plan();
    assert_eq!((plan.counts.screened, plan.counts.observations), (2, 2));
    assert_eq!(plan.counts.rows_carried["LBCH"], 1);
    assert_eq!(plan.tables_not_read, ["CM"]);

    let parts = Files::small().and("lbhe.xpt", &["USUBJID"], vec![]);
    assert!(matches!(parts.read(), Err(ReadError::TableRepeated { table: "LB", .. })));
}

#[test]
fn a_broken_file_is_named_with_the_place_where_it_breaks() {
    let dir = Files::small().write();
    let whole = std::fs::read(dir.path().join("ae.xpt")).unwrap();
    let check = |bytes: &[u8], offset: usize, fault: XptFault| {
        put(&dir, "ae.xpt", bytes);
        match read(dir.path()) {
            Err(ReadError::Malformed { path, source }) => {
                assert!(path.ends_with("ae.xpt"));
                assert_eq!(source, XptError { offset, fault });
            }
            other => panic!("{other:?}"),
        }
    };
    check(b"", 0, XptFault::NotTransport);
    check(b"USUBJID,AETERM\n", 0, XptFault::NotTransport);
    check(&whole[..200], 200, XptFault::Truncated);
    // The one row has 50 bytes; what follows is no whole record of padding.
    check(&whole[..whole.len() - 3], whole.len() - 80 + 50, XptFault::RowIncomplete);
}

#[test]
fn a_table_without_a_column_it_needs_is_refused() {
    let without = |file: &'static str, columns: &[&'static str]| {
        Files::small().without(file).and(file, columns, vec![]).read().unwrap_err()
    };
    let error = without("ae.xpt", &["USUBJID", "AETERM"]);
    assert!(matches!(error, ReadError::ColumnMissing { column: "AESTDTC", .. }), "{error}");
    let error = without("dm.xpt", &["STUDYID", "USUBJID", "SITEID", "ARMCD"]);
    assert!(matches!(error, ReadError::StudyUnnamed { .. }), "{error}");
}

#[test]
fn a_byte_of_windows_1252_is_read_as_its_character_and_one_without_meaning_is_listed() {
    let term = |bytes: &[u8]| Files::small().set("ae.xpt", 0, "AETERM", Value::Text(bytes.to_vec())).plan();
    let plan = term(b"Alzheimer\x92s, 39 \xb0C");
    assert_eq!(one(&plan, EventKind::AdverseEvent).1["term"], "Alzheimer\u{2019}s, 39 °C");
    let plan = term(b"a\x81b\tc");
    assert_eq!(one(&plan, EventKind::AdverseEvent).1["term"], "a\u{fffd}b c");
    assert!(left(&plan).contains(&format!("AE.AETERM 1: {}", crate::xpt::Repair::Unmapped.meaning())));
}

#[test]
fn a_title_comes_from_the_trial_summary_and_the_schedule_from_trial_visits() {
    let ts = vec![row!["TITLE", Value::Text(b"Alzheimer\x92s".to_vec())], row!["PLANSUB", "300"]];
    let tv = vec![
        row!["1", "SCREENING", "-7"],
        row!["3", "BASELINE", "1"],
        row!["4", "WEEK 2", "14"],
        row!["101", "FOLLOW-UP", ""],
        row!["4", "WEEK 2", "14"],
    ];
    let plan = Files::small()
        .and("ts.xpt", &["TSPARMCD", "TSVAL"], ts)
        .and("tv.xpt", &["VISITNUM", "VISIT", "VISITDY"], tv)
        .and("ta.xpt", &["ARMCD"], vec![row!["ACT"]])
        .and("suppdm.xpt", &["USUBJID", "QNAM", "QVAL"], vec![row!["01-001", "ITT", "Y"]])
        .plan();
    assert_eq!(plan.trial.title, "Alzheimer\u{2019}s");
    let schedule: Vec<_> = plan.trial.schedule.iter().map(|visit| (visit.name.as_str(), visit.day)).collect();
    assert_eq!(schedule, [("SCREENING", -7), ("BASELINE", 0), ("WEEK 2", 13)]);
    let rows: Vec<_> = plan
        .not_imported
        .iter()
        .filter(|left| left.column.is_none())
        .map(|left| (left.table.as_str(), left.row))
        .collect();
    assert_eq!(rows, [("SUPPDM", 1), ("TA", 1), ("TS", 2), ("TV", 4), ("TV", 5)]);
}

#[test]
fn rows_about_nobody_the_log_can_know_are_listed_with_the_reason() {
    let plan = Files::small()
        .with("dm.xpt", row!["S1", "01-003", "003", "01", 60.0, "YEARS", "F", "NOTASSGN", "USA", "", ""])
        .with("dm.xpt", row!["S1", "01-001", "001", "01", 63.0, "YEARS", "F", "ACT", "USA", "2013-02-12", ""])
        .with("dm.xpt", row!["S2", "02-001", "001", "02", 63.0, "YEARS", "F", "ACT", "USA", "2013-02-12", ""])
        .with("dm.xpt", row!["S1", "01-004", "004", "", 63.0, "YEARS", "F", "ACT", "USA", "2013-02-12", ""])
        .with("sv.xpt", row!["01-003", 1.0, "SCREENING", -7.0, "2013-02-01"])
        .with("sv.xpt", row!["01-999", 1.0, "SCREENING", -7.0, "2013-02-01"])
        .with("sv.xpt", row!["", 1.0, "SCREENING", -7.0, "2013-02-01"])
        .plan();
    let rows: Vec<_> = left(&plan).into_iter().filter(|line| !line.contains('.')).collect();
    assert_eq!(
        rows,
        [
            "DM 3: the subject was neither enrolled nor a screen failure",
            "DM 4: an earlier row of DM is about the same subject",
            "DM 5: the row is of another study",
            "DM 6: the subject has no site that can be written as an identifier",
            "SV 2: the subject was neither enrolled nor a screen failure",
            "SV 3: the subject has no row in DM",
            "SV 4: the row names no subject",
        ]
    );
    assert_eq!(plan.counts.screened, 2);
}

#[test]
fn subjects_are_written_as_identifiers_of_their_own() {
    let plan = Files::small()
        .set("dm.xpt", 0, "USUBJID", "s1/01 001")
        .set("ex.xpt", 0, "USUBJID", "s1/01 001")
        .with(
            "dm.xpt",
            row!["S1", "S1-01-001", "007", "01", 95.0, "YEARS", "F", "ACT", "USA", "2013-02-13", ""],
        )
        .plan();
    let enrolled: Vec<_> = of(&plan, EventKind::Enrollment)
        .iter()
        .map(|statement| statement.subject.as_ref().unwrap().to_string())
        .collect();
    assert_eq!(enrolled, ["S1-01-001", "01-007"]);
    assert!(plan.notes.iter().any(|note| note.starts_with("2 subjects are written")), "{:?}", plan.notes);
    // The exact age of the very old may identify.
    assert_eq!(of(&plan, EventKind::Enrollment)[1].data["age"]["value"], 90);
    assert!(left(&plan).iter().any(|line| line.starts_with("DM.AGE 3")));
}

#[test]
fn a_death_is_stated_once_unless_its_dates_differ() {
    let died = |ds: Option<&str>, dm: &str| {
        let mut files = Files::small().set("dm.xpt", 0, "DTHDTC", dm);
        if let Some(on) = ds {
            files = files.with("ds.xpt", row!["01-001", "DEATH", "DISPOSITION EVENT", on]);
        }
        let plan = files.plan();
        let deaths = of(&plan, EventKind::Disposition)
            .into_iter()
            .filter(|statement| statement.data["reason"] == "death");
        deaths
            .map(|death| (death.occurred_on.unwrap().to_string(), death.data["import"]["rows"].clone()))
            .collect::<Vec<_>>()
    };
    let (dm, ds) = (json!({"table": "DM", "row": 1}), json!({"table": "DS", "row": 3}));
    let day = |text: &str| text.to_owned();
    assert_eq!(died(None, ""), []);
    assert_eq!(died(None, "2013-05"), [(day("2013-05"), json!([dm]))]);
    assert_eq!(died(Some("2013-05-02"), ""), [(day("2013-05-02"), json!([ds]))]);
    assert_eq!(died(Some("2013-05-02"), "2013-05-02"), [(day("2013-05-02"), json!([ds, dm]))]);
    assert_eq!(
        died(Some("2013-05-02"), "2013-05-03"),
        [(day("2013-05-02"), json!([ds])), (day("2013-05-03"), json!([dm]))]
    );
}

#[test]
fn an_observation_without_a_visit_makes_one_and_without_a_date_too_is_listed() {
    let lb = |number: f64, date: &str| {
        row!["01-001", "CREAT", "Creatinine", "CHEMISTRY", "<0.2", "mg/dL", "trace", number, date]
    };
    let plan = Files::small()
        .with("lb.xpt", lb(7.1, "2013-04-01"))
        .with("lb.xpt", lb(7.1, "2013-04-01T09:00"))
        .with("lb.xpt", lb(7.1, "2013-04-02"))
        .with("lb.xpt", lb(8.0, ""))
        .with("lb.xpt", lb(1.1, ""))
        .plan();
    let visits: Vec<_> = of(&plan, EventKind::Visit)
        .iter()
        .map(|visit| {
            let observations = visit.data["observations"].as_array().unwrap().len();
            (visit.occurred_on.unwrap().to_string(), visit.data.get("planned").cloned(), observations)
        })
        .collect();
    assert_eq!(
        visits,
        [
            ("2013-02-12".to_owned(), Some(json!("BASELINE")), 3),
            ("2013-04-01".to_owned(), None, 2),
            ("2013-04-02".to_owned(), None, 1),
        ]
    );
    assert_eq!((plan.counts.visits_made, plan.counts.visits_unscheduled), (2, 2));
    let lines = left(&plan);
    assert!(
        lines.contains(&"LB 5: a result that belongs to no visit and has no date".to_owned()),
        "{lines:?}"
    );
    assert!(
        lines.contains(&"LB.LBDTC 6: no date: the observation is stated as of its visit's day".to_owned())
    );
    assert_eq!(lines.iter().filter(|line| line.starts_with("LB.LBORNRLO")).count(), 4);
}

#[test]
fn a_result_that_is_not_there_has_a_reason_and_an_unknown_unit_is_counted() {
    let vs = |value: &str, unit: &str, status: &str| {
        row!["01-001", "PULSE", "Pulse", value, unit, status, 1.1, "2013-02-12"]
    };
    let plan = Files::small()
        .with("vs.xpt", vs("", "", "NOT DONE"))
        .with("vs.xpt", vs("", "", ""))
        .with("vs.xpt", vs("72", "per fortnight", ""))
        .with("vs.xpt", vs("IRREGULAR", "", ""))
        .plan();
    let visit = one(&plan, EventKind::Visit).1;
    let reported: Vec<_> = visit["observations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|observation| observation["reported"].clone())
        .collect();
    assert_eq!(
        reported[1..5],
        [
            json!({"missing": "not_done"}),
            json!({"missing": "not_available"}),
            json!({"unit": "per fortnight", "value": "72"}),
            json!({"value": "IRREGULAR"}),
        ]
    );
    assert_eq!(visit["observations"][3].get("ucum"), None);
    assert_eq!(
        plan.counts.units_not_mapped,
        std::collections::BTreeMap::from([("per fortnight".to_owned(), 1)])
    );
}

#[test]
fn a_visit_that_does_not_fit_one_event_goes_on_in_others_and_loses_nothing() {
    let mut files = Files::small();
    for _ in 0..400 {
        let name = "x".repeat(150);
        files.rows("vs.xpt").push(row!["01-001", "TEMP", name.as_str(), "37", "C", "", 1.1, "2013-02-12"]);
    }
    let plan = files.plan();
    let visits = of(&plan, EventKind::Visit);
    assert!(visits.len() > 1);
    assert_eq!(usize::try_from(plan.counts.visits_continued).unwrap(), visits.len() - 1);
    assert_eq!(plan.counts.visits, 1);
    let observations: usize =
        visits.iter().map(|visit| visit.data["observations"].as_array().unwrap().len()).sum();
    assert_eq!(observations, 402);
    assert!(visits.iter().all(|visit| signed(visit).unwrap() <= chain::EVENT_BYTES_MAX));
    assert_eq!((&visits[0].data["status"], &visits[1].data["status"]), (&json!("done"), &json!("partial")));
    assert_eq!(visits[1].data.get("planned"), None);
    let parts: Vec<_> = visits.iter().map(|visit| visit.data["part"].clone()).collect();
    let due: Vec<_> =
        (1..=visits.len()).map(|number| json!({"number": number, "of": visits.len()})).collect();
    assert_eq!(parts, due);
}

#[test]
fn a_term_that_is_not_mapped_is_listed() {
    let plan = Files::small()
        .set("ae.xpt", 0, "AEREL", "RELATED")
        .set("ae.xpt", 0, "AESHOSP", "?")
        .set("ds.xpt", 0, "DSDECOD", "MOVED AWAY")
        .set("dm.xpt", 0, "SEX", "X")
        .with("ds.xpt", row!["01-001", "FINAL LAB VISIT", "OTHER EVENT", "2013-08-01"])
        .plan();
    let lines = left(&plan);
    for line in [
        "AE.AEREL 1: a term that is not mapped: stated as unknown",
        "AE.AESHOSP 1: neither Y nor N",
        "DS.DSDECOD 1: a term that is not mapped: the reason is stated as `other`",
        "DS 3: no disposition by its category: a milestone that no kind of event states",
        "DM.SEX 1: a term that is not mapped",
    ] {
        assert!(lines.iter().any(|found| found == line), "{line}: {lines:?}");
    }
    assert_eq!(one(&plan, EventKind::AdverseEvent).1["causality"]["product"]["missing"], "unknown");
    assert_eq!(plan.counts.adverse_events_without_causality, 1);
}

#[test]
fn what_has_no_date_is_listed_but_an_adverse_event_is_stated_without_one() {
    let plan = Files::small()
        .set("ae.xpt", 0, "AESTDTC", "in March")
        .set("sv.xpt", 0, "SVSTDTC", "")
        .set("ds.xpt", 0, "DSSTDTC", "--08-01")
        .set("ex.xpt", 0, "EXSTDTC", "")
        .plan();
    let lines = left(&plan);
    for line in [
        "AE.AESTDTC 1: no date in the form 2008, 2008-03 or 2008-03-11",
        "SV 1: a visit without a date",
        "DS.DSSTDTC 1: no date in the form 2008, 2008-03 or 2008-03-11",
        "DS 1: a disposition without a date",
        "EX 1: an administration without its first day",
    ] {
        assert!(lines.iter().any(|found| found == line), "{line}: {lines:?}");
    }
    assert_eq!(one(&plan, EventKind::AdverseEvent).0, None);
    // Its observations have dates and stand in visits of their own.
    assert_eq!((plan.counts.visits, plan.counts.visits_made, plan.counts.observations), (2, 2, 2));
}
