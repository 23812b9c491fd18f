//! The inspector's pages.

use axum::http::{StatusCode, header};
use serde_json::{Value, json};

use crate::support::Answers;
use crate::{ask, holds, page};

const LISTS: [&str; 10] = [
    "consent",
    "criteria",
    "deviations",
    "serious-events",
    "deaths",
    "delegation",
    "endorsement",
    "corrections",
    "unblindings",
    "lost-keys",
];

/// A file of a list: its content type, the name it is saved under, its text.
async fn file(answers: Answers, path: &str) -> (String, String, String) {
    let (status, headers, text) = ask(answers, console::Settings::default(), "GET", path).await;
    assert_eq!(status, StatusCode::OK, "{path}: {text}");
    let header = |name| headers[&name].to_str().unwrap().to_owned();
    (header(header::CONTENT_TYPE), header(header::CONTENT_DISPOSITION), text)
}

#[tokio::test]
async fn each_list_is_one_click_from_the_inspectors_home_and_leaves_as_csv_and_json() {
    let (_, home) = page(Answers::default(), "/trials/lupus-msct/inspection").await;
    for list in LISTS {
        let path = format!("/trials/lupus-msct/inspection/{list}");
        assert!(home.contains(&format!("href=\"{path}\"")), "{list}: {home}");
        let (status, _) = page(Answers::default(), &path).await;
        assert_eq!(status, StatusCode::OK, "{list}");
        let (csv_type, csv_name, csv) = file(Answers::default(), &format!("{path}?format=csv")).await;
        assert_eq!(csv_type, "text/csv; charset=utf-8");
        assert_eq!(csv_name, format!("attachment; filename=\"lupus-msct-{list}-8.csv\""));
        let (json_type, _, json) = file(Answers::default(), &format!("{path}?format=json")).await;
        assert_eq!(json_type, "application/json");
        let json: Value = serde_json::from_str(&json).unwrap();
        assert_eq!((&json["list"], &json["covers"]["records"]), (&json!(list), &json!(8)));
        let rows = json["rows"].as_array().unwrap();
        assert_eq!(csv.trim_end().lines().count(), rows.len() + 1, "{list}: {csv}");
        if let Some(row) = rows.first() {
            assert_eq!(
                csv.lines().next().unwrap().split(',').count(),
                row.as_object().unwrap().len(),
                "{list}"
            );
        }
    }
    for elsewhere in ["/trials/lupus-msct/intact", "/trials/lupus-msct/trail", "/verify"] {
        assert!(home.contains(&format!("href=\"{elsewhere}\"")), "{elsewhere}");
    }
    let (status, _) = page(Answers::default(), "/trials/lupus-msct/inspection/secrets").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let (status, _) = page(Answers::default(), "/trials/lupus-msct/inspection/consent?format=xlsx").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn consent_after_the_first_procedure_is_said_aloud_with_the_days_between() {
    holds(
        "/trials/lupus-msct/inspection/consent",
        &[
            "<strong>AFTER the first procedure</strong>",
            "<td class=\"number\">-1</td>",
            "v2.1",
            "infusion",
            "before",
        ],
    )
    .await;
}

#[tokio::test]
async fn a_serious_event_has_its_clock_and_the_days_from_awareness_to_the_first_report() {
    let (.., csv) = file(Answers::default(), "/trials/lupus-msct/inspection/serious-events?format=csv").await;
    let row: Vec<&str> = csv.lines().nth(1).unwrap().split(',').collect();
    assert_eq!(
        row,
        [
            "S0001",
            "CN-NJ",
            "2008-05-01",
            "Herpes zoster",
            "hospitalisation",
            "CN",
            "2008-05-02",
            "2008-05-17",
            "2008-05-19",
            "17",
            "sent late",
            "6"
        ]
    );
}

#[tokio::test]
async fn corrections_say_what_changed_whether_an_endpoint_rests_on_it_and_can_be_narrowed_down() {
    let path = "/trials/lupus-msct/inspection/corrections";
    let (.., json) = file(Answers::default(), &format!("{path}?format=json")).await;
    let json: Value = serde_json::from_str(&json).unwrap();
    let rows = json["rows"].as_array().unwrap();
    assert_eq!(rows.iter().map(|row| row["record"].clone()).collect::<Vec<_>>(), ["4", "6"]);
    assert_eq!(rows[0]["changed"], "date of the fact, pga");
    assert_eq!(rows[0]["endpoint_item"], "date of the fact, pga");
    assert_eq!((&rows[0]["effect"], &rows[1]["effect"]), (&json!("replaced"), &json!("declared void")));
    assert_eq!((&rows[0]["days"], &rows[0]["late"]), (&json!(0), &json!("no")));
    let (.., late) = file(Answers::default(), &format!("{path}?only=late&format=csv")).await;
    assert_eq!(late.lines().count(), 1, "{late}");
    let mut answers = Answers::default();
    answers.records[4]["recorded_at"] = json!("2008-04-12T01:10:04.000000Z");
    let (.., late) = file(answers, &format!("{path}?only=late&format=csv")).await;
    assert_eq!(late.lines().count(), 2, "{late}");
    let (status, _) = page(Answers::default(), &format!("{path}?only=funny")).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn the_trail_keeps_its_filter_in_every_link_and_in_its_file() {
    let path = "/trials/lupus-msct/trail";
    holds(
        path,
        &["<option value=\"visit\">visit</option>", "li.wei", "#4", "transcription"]
            .map(|part| if part == "#4" { "/records/4" } else { part }),
    )
    .await;
    let (_, text) = page(Answers::default(), &format!("{path}?kind=visit&reason=any")).await;
    assert!(text.contains("<option value=\"visit\" selected>"), "{text}");
    assert!(text.contains("kind=visit&amp;reason=any&amp;format=csv"), "{text}");
    assert!(
        text.contains("/records/4\">") && !text.contains("<a href=\"/trials/lupus-msct/records/6\">"),
        "{text}"
    );
    let (.., csv) = file(Answers::default(), &format!("{path}?kind=visit&reason=any&format=csv")).await;
    assert_eq!(csv.lines().count(), 2, "{csv}");
    assert!(
        csv.lines()
            .nth(1)
            .unwrap()
            .starts_with("4,2008-03-12T01:10:04.000000Z,li.wei,principal investigator,visit,S0001")
    );
    let (status, text) = page(Answers::default(), &format!("{path}?kind=visits")).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{text}");
    let (_, text) = page(Answers::default(), &format!("{path}?who=nobody.here")).await;
    assert!(
        text.contains("There is no further record that is asked for in the 8 records covered here"),
        "{text}"
    );
}

#[tokio::test]
async fn the_last_verification_is_told_in_a_sentence_with_what_failed_first() {
    holds(
        "/trials/lupus-msct/intact",
        &["✓ Yes.", "Intact: all 8 records hold.", "✓ holds", "Nothing was recorded since.", "None."],
    )
    .await;
    let mut broken = Answers::default();
    broken.verification["verdict"] = json!("broken");
    broken.verification["sentence"] = json!("Broken: 1 evidence findings in 8 records.");
    broken.verification["checks"][1]["failed"] = json!(1);
    broken.verification["findings"] = json!([
        {"class": "evidence", "code": "bad-signature", "detail": "does not verify", "pointer": "/signature", "seq": 3}
    ]);
    let (_, text) = page(broken, "/trials/lupus-msct/intact").await;
    for part in ["✗ NO.", "✗ failed", "/docs/findings/bad-signature.md", "does not verify", "/records/3"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(text.find(">Signatures<") < text.find(">Links<"), "{text}");
    let none = Answers { verification: Value::Null, ..Answers::default() };
    let (_, text) = page(none, "/trials/lupus-msct/intact").await;
    assert!(text.contains("Not verified yet.") && !text.contains("✓ Yes."), "{text}");
}

#[tokio::test]
async fn a_record_can_be_taken_away_byte_for_byte_with_its_proof() {
    let path = "/trials/lupus-msct/records/4";
    let (_, text) = page(Answers::default(), path).await;
    for part in [
        "Check it yourself",
        "sha256sum",
        "tlog-proof@v1",
        "python3 -",
        "trialbook prove --check",
        "of <strong>li.wei</strong>",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let (_, name, bytes) = file(Answers::default(), &format!("{path}/bytes")).await;
    assert_eq!(name, "attachment; filename=\"record-4.json\"");
    assert_eq!(bytes, Answers::default().records[4].to_string());
    let (.., proof) = file(Answers::default(), &format!("{path}/proof")).await;
    assert!(proof.starts_with("c2sp.org/tlog-proof@v1\nindex 4\n"), "{proof}");
    // The last record is not sealed yet: nothing is shown that could not be checked.
    let (_, text) = page(Answers::default(), "/trials/lupus-msct/records/7").await;
    assert!(text.contains("No checkpoint covers this record yet") && !text.contains("python3 -"), "{text}");
    let (status, _) = page(Answers::default(), "/trials/lupus-msct/records/7/proof").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_sample_is_drawn_again_by_its_seed_and_leads_to_casebooks() {
    let path = "/trials/lupus-msct/inspection/sample?n=2&seed=7";
    let (_, first) = page(Answers::default(), path).await;
    let (_, again) = page(Answers::default(), path).await;
    assert_eq!(first, again);
    assert!(first.contains("/subjects/S0001/casebook"), "{first}");
    holds(
        "/trials/lupus-msct/subjects/S0001/casebook",
        &["Casebook of subject S0001", "Who, when, why", "transcription"],
    )
    .await;
    let (status, _) = page(Answers::default(), "/trials/lupus-msct/inspection/sample?n=0").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let (status, _) = page(Answers::default(), "/trials/lupus-msct/subjects/NOBODY/casebook").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_record_tells_who_signed_it_and_whether_that_holds_and_the_list_what_does_not() {
    let by = json!({"id": "li.wei", "organisation": "Hospital", "role": "investigator"});
    let seen = |standing: &str| {
        json!({"by": by, "meaning": "endorsement", "seq": 9, "signed_at": "2008-04-13T01:10:00.000000Z",
            "standing": standing, "statement": 4})
    };
    for (standing, due) in [
        ("holds", "✓ Endorsed by <strong>li.wei</strong>"),
        ("stale", "<strong>stale</strong>"),
        ("in_doubt", "<strong>in doubt</strong>"),
    ] {
        let answers = Answers { signatures: vec![seen(standing)], ..Answers::default() };
        let (_, record) = page(answers, "/trials/lupus-msct/records/4").await;
        assert!(record.contains(due), "{standing}: {record}");
        let answers = Answers { signatures: vec![seen(standing)], ..Answers::default() };
        let (.., csv) = file(answers, "/trials/lupus-msct/inspection/endorsement?format=csv").await;
        let rows = csv.lines().filter(|row| row.contains(",9,endorsement,li.wei,")).count();
        assert_eq!(rows, usize::from(standing != "holds"), "{standing}: {csv}");
        assert!(csv.contains(",not endorsed,"), "{csv}");
    }
}
