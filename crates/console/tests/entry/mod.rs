//! The pages on which something is stated, asked for over HTTP from a registry of made-up answers.

use crate::support::{self, Answers};
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use tower::ServiceExt;

const VISIT: &str = "/trials/lupus-msct/subjects/S0001/record/visit";
const KEY: &str = "1111111111111111111111111111111111111111111111111111111111111111";

async fn get(answers: Answers, path: &str) -> (StatusCode, String) {
    let request = Request::builder().uri(path).body(Body::empty()).unwrap();
    let response = answers.router(console::Settings::default()).oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    (parts.status, String::from_utf8(bytes.to_vec()).unwrap())
}

fn hidden(page: &str, name: &str) -> String {
    let (_, rest) = page.split_once(&format!(r#"<input type="hidden" name="{name}" value=""#)).unwrap();
    rest.split_once('"')
        .unwrap()
        .0
        .replace("&quot;", "\"")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}

fn encoded(fields: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

async fn post(
    answers: Answers,
    path: &str,
    origin: Option<&str>,
    fields: &[(&str, &str)],
) -> (StatusCode, axum::http::HeaderMap, String) {
    let mut request = Request::builder().method("POST").uri(path).header(header::HOST, "registry.example");
    if let Some(origin) = origin {
        request = request.header(header::ORIGIN, origin);
    }
    let request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let request = request.body(Body::from(encoded(fields))).unwrap();
    let response = answers.router(console::Settings::default()).oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    (parts.status, parts.headers, String::from_utf8(bytes.to_vec()).unwrap())
}

const OURS: Option<&str> = Some("https://registry.example");

#[tokio::test]
async fn a_form_asks_for_every_field_of_its_kind_and_each_has_a_label() {
    for kind in clinical::fields::KINDS {
        let (status, page) = get(Answers::default(), &format!("/trials/lupus-msct/record/{kind}")).await;
        assert_eq!(status, StatusCode::OK, "{kind}");
        for field in clinical::fields::below(clinical::fields::of(kind), "") {
            let is_asked = page.contains(&format!(r#"="d:{}"#, field.path))
                || page.contains(&format!(r#"="n:{}"#, field.path));
            assert_eq!(is_asked, !["import", "text_key"].contains(&field.path), "{kind} {}", field.path);
        }
        for (input, _) in page.match_indices(" id=\"d:") {
            let id = page[input + 5..].split('"').next().unwrap();
            assert_eq!(page.matches(&format!(r#"<label for="{id}""#)).count(), 1, "{kind} {id}");
        }
    }
    let (status, _) = get(Answers::default(), "/trials/lupus-msct/record/data_cut").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_would_be_signed_is_shown_with_who_signs_and_what_has_to_be_confirmed() {
    let filled = [
        ("step", "prepare"),
        ("signer", KEY),
        ("site", "CN-NJ"),
        ("occurred_on", "2008-03-11"),
        ("d:status", "done"),
        ("d:pga", "7.5"),
        ("d:missed_because_text", "no <train> came"),
    ];
    let (status, _, page) = post(Answers::default(), VISIT, OURS, &filled).await;
    assert_eq!(status, StatusCode::OK, "{page}");
    assert!(page.contains("7.5") && !page.contains(r#"name="rehearsal""#), "first the reasons: {page}");
    assert_eq!(hidden(&page, "d:missed_because_text"), "no <train> came");
    let finding = "confirmed pga-out-of-range /data/pga";
    assert!(page.contains(&format!(r#"name="{finding}""#)), "{page}");
    let reason = [(finding, "being_clarified"), ("confirmed_comment", "asked <today>")];
    let told: Vec<_> = filled.into_iter().chain(reason).collect();
    let (status, _, page) = post(Answers::default(), VISIT, OURS, &told).await;
    assert_eq!(status, StatusCode::OK, "{page}");
    for what in [
        "look before you sign",
        "As <strong>li.wei</strong>, principal investigator",
        "7.5",
        "no &lt;train&gt; came",
        "never deleted",
        "asked &lt;today&gt;",
        "it is not known yet, and is asked after",
    ] {
        assert!(page.contains(what), "{what}: {page}");
    }
    let rehearsal = hidden(&page, "rehearsal");
    let mut without: api::Rehearsal = serde_json::from_str(&rehearsal).unwrap();
    without.statement.confirmed = None;
    let without = serde_json::to_string(&without).unwrap();
    let unconfirmed = [("rehearsal", without.as_str())];
    let statement = "/trials/lupus-msct/statement";
    let (status, _, page) = post(Answers::default(), statement, OURS, &unconfirmed).await;
    assert_eq!(status, StatusCode::CONFLICT, "{page}");
    let confirmed = [("rehearsal", rehearsal.as_str())];
    let (status, headers, file) = post(Answers::default(), statement, OURS, &confirmed).await;
    assert_eq!(status, StatusCode::OK, "{file}");
    assert_eq!(headers[header::CONTENT_DISPOSITION], "attachment; filename=\"visit-S0001.json\"");
    let statement: clinical::Statement = serde_json::from_str(&file).unwrap();
    assert_eq!(statement.data["missed_because_text"], "no <train> came");
    let confirmed = statement.confirmed.unwrap();
    assert_eq!(confirmed.comment.as_deref(), Some("asked <today>"));
    assert_eq!(confirmed.findings[0].reason, clinical::ConfirmReason::BeingClarified);
    assert_eq!(statement.subject.unwrap().as_str(), "S0001");
}

#[tokio::test]
async fn what_would_be_refused_is_said_at_its_field_and_what_was_filled_in_stays() {
    let mut problem = api::Problem::new(400, "event-malformed", "A member is not of its form.", "no decimal");
    problem.pointer = "/data/pga".to_owned();
    let answers = Answers { refuses: Some(problem), ..Answers::default() };
    let filled = [
        ("step", "prepare"),
        ("signer", KEY),
        ("site", "CN-NJ"),
        ("occurred_on", "2008-03-11"),
        ("d:status", "done"),
        ("d:pga", "high"),
    ];
    let (_, _, page) = post(answers, VISIT, OURS, &filled).await;
    let (_, field) = page.split_once(r#"<div class="field wrong"><label for="d:pga""#).unwrap();
    assert!(field.split_once("</div></div>").unwrap().0.contains("✗ no decimal"), "{page}");
    assert!(page.contains(r#"value="high""#) && page.contains("This would be refused"), "{page}");
    // A mistake that needs no registry to see.
    let filled = [("step", "prepare"), ("signer", KEY), ("site", "CN-NJ"), ("occurred_on", "2008-02-30")];
    let (_, _, page) = post(Answers::default(), VISIT, OURS, &filled).await;
    assert!(page.contains("/occurred_on") && page.contains(r#"value="2008-02-30""#), "{page}");
}

#[tokio::test]
async fn after_submission_the_receipt_is_shown_and_given_as_a_file_and_a_refusal_with_its_place() {
    let fields = [("signed", "{\"event\":1}\n{\"event\":22}\n")];
    let (_, _, page) = post(Answers::default(), "/trials/lupus-msct/submit", OURS, &fields).await;
    for what in ["✓ Recorded", "#11", "#12", "Statement 2", &support::hash(7)] {
        assert!(page.contains(what), "{what}: {page}");
    }
    let receipt = hidden(&page, "receipt");
    let fields = [("receipt", receipt.as_str())];
    let (_, headers, file) = post(Answers::default(), "/trials/lupus-msct/receipt", OURS, &fields).await;
    assert_eq!(headers[header::CONTENT_DISPOSITION], "attachment; filename=\"lupus-msct-11.json\"");
    assert_eq!(file.trim_end(), receipt);
    let mut problem = api::Problem::new(409, "stale-amendment", "It was amended already.", "by record 9");
    problem.pointer = "/amends".to_owned();
    let answers = Answers { refuses: Some(problem), ..Answers::default() };
    let fields = [("signed", "{}")];
    let (_, _, page) = post(answers, "/trials/lupus-msct/submit", OURS, &fields).await;
    for what in
        ["✗ Refused", "It was amended already.", "/amends", "stale-amendment", "Nothing of it is recorded"]
    {
        assert!(page.contains(what), "{what}: {page}");
    }
}

#[tokio::test]
async fn a_correction_starts_from_the_latest_version_and_names_it() {
    let (_, page) = get(Answers::default(), &format!("{VISIT}?amends=4")).await;
    for what in [
        "Correct: visit",
        r#"name="amends" value="4""#,
        r#"value="2.1""#,
        r#"value="2008-04-12""#,
        r#"<option value="absent" selected>"#,
    ] {
        assert!(page.contains(what), "{what}: {page}");
    }
    let (status, page) = get(Answers::default(), &format!("{VISIT}?amends=3")).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{page}");
    let (status, _) = get(Answers::default(), &format!("{VISIT}?amends=5")).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    // The way there stands on the record's page, for the latest version alone.
    let link = "/trials/lupus-msct/subjects/S0001/record/visit?amends=4";
    let (_, page) = get(Answers::default(), "/trials/lupus-msct/records/4").await;
    assert!(page.contains(link), "{page}");
    for seq in [0, 3, 5, 6] {
        let (_, page) = get(Answers::default(), &format!("/trials/lupus-msct/records/{seq}")).await;
        assert!(!page.contains("Correct this"), "{seq}");
    }

    let void = [
        ("step", "prepare"),
        ("signer", KEY),
        ("site", "CN-NJ"),
        ("occurred_on", "2008-04-12"),
        ("d:status", "done"),
        ("amends", "4"),
        ("effect", "void"),
        ("reason", "wrong_subject"),
    ];
    let (_, _, page) = post(Answers::default(), VISIT, OURS, &void).await;
    let rehearsal: api::Rehearsal = serde_json::from_str(&hidden(&page, "rehearsal")).unwrap();
    assert!(rehearsal.statement.data.is_empty());
    let amends = rehearsal.statement.amends.unwrap();
    assert_eq!((amends.seq.0, amends.hash.to_string()), (4, support::hash(4)));
    let (_, _, page) = post(Answers::default(), VISIT, OURS, &void[..7]).await;
    assert!(page.contains("say why it is corrected"), "{page}");
}

const SIGNATURE: &str = "/trials/lupus-msct/subjects/S0001/record/signature";

#[tokio::test]
async fn what_is_in_force_is_chosen_shown_whole_and_named_by_its_hash_in_the_order_of_the_log() {
    let (status, page) = get(Answers::default(), SIGNATURE).await;
    assert_eq!(status, StatusCode::OK, "{page}");
    let offered: Vec<&str> = page
        .split(r#"name="statement" value=""#)
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap())
        .collect();
    // What was amended, what never held and what voids is not signed.
    assert_eq!(offered, ["1", "2", "4"], "{page}");
    assert!(!page.contains(r#"name="occurred_on""#), "{page}");
    let (_, page) = get(Answers::default(), &format!("{SIGNATURE}?statement=4")).await;
    assert!(page.contains(r#"name="statement" value="4" checked"#), "{page}");

    let chosen = [
        ("step", "prepare"),
        ("signer", KEY),
        ("site", "CN-NJ"),
        ("meaning", "endorsement"),
        ("statement", "4"),
        ("statement", "1"),
    ];
    let (_, _, page) = post(Answers::default(), SIGNATURE, OURS, &chosen).await;
    for what in [
        "look before you sign",
        "What you sign",
        "What record #4 states",
        "2.1",
        "the judgements in it are my own",
    ] {
        assert!(page.contains(what), "{what}: {page}");
    }
    let rehearsal: api::Rehearsal = serde_json::from_str(&hidden(&page, "rehearsal")).unwrap();
    let due = serde_json::json!({"meaning": "endorsement", "statements": [
        {"hash": support::hash(1), "seq": 1}, {"hash": support::hash(4), "seq": 4}]});
    assert_eq!(serde_json::Value::Object(rehearsal.statement.data), due);
    assert_eq!(rehearsal.statement.occurred_on, None);

    let (_, _, page) = post(Answers::default(), SIGNATURE, OURS, &chosen[..4]).await;
    assert!(page.contains("choose what you sign"), "{page}");
    let (status, _) = get(Answers::default(), "/trials/lupus-msct/record/signature").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_is_entered_for_another_is_part_of_what_is_signed() {
    let mut filled = vec![
        ("step", "prepare"),
        ("signer", KEY),
        ("site", "CN-NJ"),
        ("occurred_on", "2008-03-11"),
        ("d:status", "done"),
        ("means", "phone"),
        ("reported_by", "investigator"),
        ("reporter", "an.li"),
    ];
    let (_, _, page) = post(Answers::default(), VISIT, OURS, &filled).await;
    let rehearsal: api::Rehearsal = serde_json::from_str(&hidden(&page, "rehearsal")).unwrap();
    let taken_from = serde_json::to_value(rehearsal.statement.taken_from).unwrap();
    let by = serde_json::json!({"id": "an.li", "role": "investigator"});
    assert_eq!(taken_from, serde_json::json!({"means": "phone", "reported_by": by}));
    filled.truncate(5);
    let (_, _, page) = post(Answers::default(), VISIT, OURS, &filled).await;
    let rehearsal: api::Rehearsal = serde_json::from_str(&hidden(&page, "rehearsal")).unwrap();
    assert_eq!(rehearsal.statement.taken_from, None);
}
