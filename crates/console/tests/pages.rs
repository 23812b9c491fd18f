//! The pages, asked for over HTTP from a registry of made-up answers.

#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod entry;
mod inspection;
mod site;
mod support;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use serde_json::json;
use support::{Answers, hash};
use tower::ServiceExt;

/// Status and text of a page, after what every page must hold was looked at.
async fn page(answers: Answers, path: &str) -> (StatusCode, String) {
    let (status, headers, text) = ask(answers, console::Settings::default(), "GET", path).await;
    assert_eq!(headers[header::CONTENT_TYPE], "text/html; charset=utf-8", "{path}");
    for landmark in
        ["<!DOCTYPE html>", r#"<html lang="en">"#, "<header>", r#"<main id="main">"#, "<footer>", "<h1>"]
    {
        assert!(text.contains(landmark), "{path} has no {landmark}: {text}");
    }
    assert!(!text.contains("<script") && !text.contains(" style=") && !text.contains(" onclick"), "{path}");
    (status, text)
}

async fn ask(
    answers: Answers,
    settings: console::Settings,
    method: &str,
    path: &str,
) -> (StatusCode, axum::http::HeaderMap, String) {
    let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
    let response = answers.router(settings).oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    (parts.status, parts.headers, String::from_utf8(bytes.to_vec()).unwrap())
}

/// A page that is there, and what it must hold.
async fn holds(path: &str, what: &[&str]) {
    let (status, text) = page(Answers::default(), path).await;
    assert_eq!(status, StatusCode::OK, "{path}");
    let text = without_cell_links(&text);
    for what in what {
        assert!(text.contains(what), "{path} does not hold {what}: {text}");
    }
}

/// A page as it reads: numbers without the way to what is behind them.
fn without_cell_links(page: &str) -> String {
    let mut parts = page.split("<a class=\"cell\" href=\"");
    let mut text = parts.next().unwrap().to_owned();
    for part in parts {
        let (_, rest) = part.split_once("\">").unwrap();
        text.push_str(&rest.replacen("</a>", "", 1));
    }
    text
}

#[tokio::test]
async fn every_count_leads_to_what_is_behind_it() {
    for (path, report) in [("outcomes", "outcomes"), ("safety", "safety"), ("", "outcomes")] {
        let path = format!("/trials/lupus-msct/{path}?cutoff=2010-02-28");
        let (_, text) = page(Answers::default(), path.replace("/?", "?").as_str()).await;
        let links: Vec<_> = text.split("<a class=\"cell\" href=\"").skip(1).collect();
        assert!(links.len() > 10, "{path}: {}", links.len());
        let begin = format!("/trials/lupus-msct/sources?report={report}&amp;cutoff=2010-02-28&amp;cell=%2F");
        assert!(links.iter().any(|link| link.starts_with(&begin)), "{path}: {}", links[0]);
    }
    let cell = "/trials/lupus-msct/sources?report=safety&cell=%2Fdeaths%2Fdeaths%2Fnumerator";
    holds(
        cell,
        &["Sources: Deaths", "/subjects/P005", "corrected in", "n 1", "after=P007", "adds up to the whole"],
    )
    .await;
    let (status, _) = page(Answers::default(), "/trials/lupus-msct/sources?report=costs&cell=%2Fx").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

const PAGES: [&str; 13] = [
    "/trials/lupus-msct",
    "/trials/lupus-msct/outcomes",
    "/trials/lupus-msct/outcomes/response",
    "/trials/lupus-msct/outcomes/measurements",
    "/trials/lupus-msct/outcomes/courses",
    "/trials/lupus-msct/safety",
    "/trials/lupus-msct/safety/interest",
    "/trials/lupus-msct/safety/reporting",
    "/trials/lupus-msct/findings",
    "/trials/lupus-msct/subjects",
    "/trials/lupus-msct/subjects/S0001",
    "/trials/lupus-msct/records/4",
    "/trials/lupus-msct/records/0",
];

#[tokio::test]
async fn every_page_says_what_it_covers_and_that_the_trial_is_synthetic() {
    for path in PAGES {
        let head = hash(7);
        holds(
            path,
            &[
                "Mesenchymal stem cells in refractory lupus",
                "SYNTHETIC",
                r#"records up to <a href="/trials/lupus-msct/records/7">#7</a>"#,
                &format!(r#"<code title="{head}">9f2c…e1</code>"#),
                "2026-11-22 13:20:00 UTC",
                "(2026-11-22 21:20:00 +08:00 Asia/Shanghai)",
                "projector lag 0",
                "✓ verified: intact",
                "8 records, ",
                "2026-11-22 13:28:45 UTC",
                r#"sealed up to <a href="/trials/lupus-msct/records/7">#7</a>"#,
                "2026-11-22 13:29:01 UTC",
                "witnesses 2 of 3",
                "✓ witnessed",
            ],
        )
        .await;
    }
}

#[tokio::test]
async fn what_is_late_to_be_signed_for_is_said_aloud_on_every_page_and_what_is_not_is_not() {
    let check = async |change: fn(&mut serde_json::Value), says: &[&str], not: &[&str]| {
        for path in PAGES {
            let mut answers = Answers::default();
            change(&mut answers.evidence);
            let (_, text) = page(answers, path).await;
            for what in says {
                assert!(text.contains(what), "{path} does not hold {what}: {text}");
            }
            for what in not {
                assert!(!text.contains(what), "{path} holds {what}");
            }
        }
    };
    let loud = r#"<p class="alert" role="alert">"#;
    check(|_| {}, &[], &[loud]).await;
    // On its way is not late.
    check(|evidence| evidence["lag_records"] = json!(2), &[], &[loud]).await;
    check(
        |evidence| {
            evidence["lag_records"] = json!(1);
            evidence["late"] = json!(true);
        },
        &[loud, "✗ Sealing is late.", "1 record is not signed for yet."],
        &["Witnesses are late"],
    )
    .await;
    // Only operators are sent the reason.
    check(
        |evidence| {
            evidence["late"] = json!(true);
            evidence["trouble"] = json!("the disk is full");
        },
        &["are not signed for yet: the disk is full."],
        &[],
    )
    .await;
    check(
        |evidence| {
            evidence["late"] = json!(true);
            evidence["refused"] = json!("two sides do not agree");
        },
        &[loud, "✗ Sealing has stopped.", "two sides do not agree."],
        &["Sealing is late"],
    )
    .await;
    check(
        |evidence| {
            evidence["witnessed"]["size"] = json!(5);
            evidence["witnesses"] = json!({"asked": 3, "cosigned": 1, "demanded": true, "late": true});
        },
        &[
            loud,
            "✗ Witnesses are late.",
            "1 of 3 have cosigned",
            "have cosigned the first 5 records",
            "witnessed up to",
        ],
        &["✓ witnessed", "Sealing is late"],
    )
    .await;
    check(
        |evidence| {
            evidence["witnesses"] = json!({"asked": 0, "cosigned": 0});
            evidence["witnessed"] = json!(null);
        },
        &["no witnesses: a restored backup could fork unseen"],
        &[loud, "witnesses 0 of 0"],
    )
    .await;
    check(
        |evidence| *evidence = json!({"lag_records": 0, "log_key": "k", "log_keys": [], "receipt_keys": [], "witnesses": {"asked": 0, "cosigned": 0}}),
        &["nothing is sealed yet"],
        &[loud],
    )
    .await;
}

#[tokio::test]
async fn lag_missing_verification_and_a_stop_are_said() {
    for path in PAGES {
        let covers = json!({
            "head": hash(5), "lag_records": 1_200, "records": 6, "stopped": "the link at 6 is broken"
        });
        let answers = Answers { covers, ..Answers::default() };
        let (_, text) = page(answers, path).await;
        for what in
            ["projector lag 1,200 records", "not yet verified", "the link at 6 is broken", r#"role="alert""#]
        {
            assert!(text.contains(what), "{path} does not hold {what}");
        }
        assert!(!text.contains("intact"), "{path}");
    }
}

#[tokio::test]
async fn a_broken_log_is_called_broken() {
    let mut answers = Answers::default();
    answers.covers["verified"]["verdict"] = json!("broken");
    let (_, text) = page(answers, "/trials/lupus-msct").await;
    assert!(text.contains("✗ verified: BROKEN") && !text.contains("✓ verified"));
}

#[tokio::test]
async fn nothing_covered_yet_is_not_an_empty_page() {
    for path in ["/trials/lupus-msct/findings", "/trials/lupus-msct"] {
        let covers = json!({"head": "0".repeat(64), "lag_records": 8, "records": 0});
        let answers = Answers { records: Vec::new(), covers, outcomes: None, ..Answers::default() };
        let (status, text) = page(answers, path).await;
        assert_eq!(status, StatusCode::OK);
        assert!(text.contains("no record covered yet"), "{text}");
        assert!(!text.contains("There is no"), "{text}");
        assert!(text.contains("8 records"), "{text}");
    }
}

#[tokio::test]
async fn one_trial_is_shown_at_once_with_the_demonstrations_cutoff() {
    let settings = || console::Settings {
        demo_cutoff: Some("2011-06-30".parse().unwrap()),
        ..console::Settings::default()
    };
    let (status, headers, _) = ask(Answers::default(), settings(), "GET", "/").await;
    assert_eq!(status, StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(headers[header::LOCATION], "/trials/lupus-msct?cutoff=2011-06-30");
    let two = || Answers { trials: vec!["a".to_owned(), "b".to_owned()], ..Answers::default() };
    let (status, _, text) = ask(two(), settings(), "GET", "/").await;
    assert_eq!(status, StatusCode::OK);
    assert!(text.contains("/trials/a?cutoff=2011-06-30") && text.contains("/trials/b?cutoff=2011-06-30"));
    let none = Answers { trials: Vec::new(), ..Answers::default() };
    assert!(page(none, "/").await.1.contains("holds no trial"));
}

#[tokio::test]
async fn the_cutoff_reaches_the_report_and_every_link_of_the_trial() {
    let (_, text) = page(Answers::default(), "/trials/lupus-msct/outcomes?cutoff=2010-02-28").await;
    assert!(text.contains("<strong>2010-02-28</strong>"));
    for link in text.split("href=\"/trials/").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(
            link.contains("?cutoff=2010-02-28") || link.contains("&amp;cutoff=2010-02-28&amp;"),
            "{link}"
        );
    }
    for wrong in ["2010-02", "2010-02-30", "yesterday", "1%22"] {
        let path = format!("/trials/lupus-msct/outcomes?cutoff={wrong}");
        let (status, text) = page(Answers::default(), &path).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{wrong}");
        assert!(text.contains("a cutoff is a full date"), "{text}");
    }
}

#[tokio::test]
async fn the_overview_has_anchors_figures_and_flow() {
    holds(
        "/trials/lupus-msct",
        &[
            &hash(0),
            "example.org/lupus-msct+0a1b2c3d+AUJC",
            "60.00%",
            "14.66–94.73% (95% CI, Clopper-Pearson)",
            "<summary>How was this computed?</summary>",
            "95% CI, Clopper-Pearson: 14.66–94.73%. ",
            "0.00%",
            "15.77 months",
            "First relapse, year 1",
            "<strong>3</strong> Evaluable at 1 year",
            "out: 1 died, 1 not yet due",
            "1 screen failures",
            "principal investigator",
        ],
    )
    .await;
}

#[tokio::test]
async fn published_figures_stand_beside_computed_ones_of_their_trial_only() {
    let settings = |trial: &str| console::Settings {
        comparison: Some(console::Comparison {
            trial: trial.parse().unwrap(),
            source: "The abstract".to_owned(),
            rows: vec![console::ComparisonRow {
                figure: "Survival".to_owned(),
                published: "94%".to_owned(),
                computed: "93%".to_owned(),
                agrees: false,
            }],
        }),
        verify_hint: Some("trialbook verify DIR".to_owned()),
        ..console::Settings::default()
    };
    let (_, _, text) = ask(Answers::default(), settings("lupus-msct"), "GET", "/trials/lupus-msct").await;
    assert!(
        text.contains("✗ differs") && text.contains("The abstract") && text.contains("trialbook verify DIR")
    );
    let (_, _, text) = ask(Answers::default(), settings("other"), "GET", "/trials/lupus-msct").await;
    assert!(!text.contains("The abstract"));
}

#[tokio::test]
async fn a_report_that_is_not_to_be_had_hides_nothing_else() {
    let without = || Answers { outcomes: None, safety: None, ..Answers::default() };
    let (status, text) = page(without(), "/trials/lupus-msct").await;
    assert_eq!(status, StatusCode::OK);
    assert!(text.contains("the read model is being rebuilt") && text.contains(&hash(0)));
    for path in ["/trials/lupus-msct/outcomes", "/trials/lupus-msct/safety"] {
        let (status, text) = page(without(), path).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(text.contains("the read model is being rebuilt") && text.contains("records up to"));
    }
}

#[tokio::test]
async fn outcomes_have_curves_intervals_denominators_and_definitions() {
    holds(
        "/trials/lupus-msct/outcomes",
        &[
            r#"<svg class="chart""#,
            r#"<title id="from-infusion-title">Survival from first infusion (Kaplan-Meier)</title>"#,
            r#"class="band""#,
            r#"class="censored""#,
            r#"class="at-risk""#,
            "95% CI, log-log",
            "Denominator: Infused: all infused. ",
            "<summary>How was this computed?</summary>",
            "quiet-1, calm-2",
            r#"<th class="number" scope="col">Share</th>"#,
            "<caption>",
            "impute-9",
            "After cutoff",
            "S0006",
            "0.203809–0.969162",
            r#"<th scope="row">E2</th>"#,
            "v2.1",
            "Safety reporting",
            "1 death has a partial date",
            "on the earliest day it can mean; here on the latest",
            "Survival, partly dated deaths on other days",
        ],
    )
    .await;
}

#[tokio::test]
async fn remission_and_relapse_have_denominators_incidence_and_rates() {
    holds(
        "/trials/lupus-msct/outcomes/response",
        &[
            r#"<title id="incidence-title">"#,
            "Death without relapse</text>",
            "3.686–109.953",
            " patient-years, by definition <code>",
            "</code>. Time counted: ",
            "95% CI, exact Poisson",
            "<code>relapse-1</code>",
            "remission.year_1",
            "Low activity at 12 months, computed",
            "takes as absent: haemolytic anaemia",
            "complete (investigator)",
            "pga is 1.2, not at most 1",
            "Relapse of our own",
            "not judged",
        ],
    )
    .await;
}

#[tokio::test]
async fn measurements_stand_one_at_a_time_by_visit_with_their_changes() {
    let path = "/trials/lupus-msct/outcomes/measurements";
    holds(
        path,
        &[
            "SLEDAI-2K, total (1)",
            r#"<th class="number" scope="col">Incomplete</th>"#,
            "<code>sledai-bands-eular-1</code>",
            r#"<th scope="row">Month 3</th><td class="number">1</td><td class="number">3</td><td class="number">2</td>"#,
            "Each subject's own values",
            r#"<td class="number">12</td><td class="number">–</td>"#,
        ],
    )
    .await;
    holds(
        &format!("{path}?measure=loinc%3A47299-3+Farr+%25"),
        &[
            "Anti-dsDNA antibodies, Farr (%) [loinc:47299-3]",
            "-20.25",
            "0.750000",
            "2 values in [IU]/mL not in this table",
            "Listed are each subject's own values, of a population of at most 200 subjects; this one has more.",
        ],
    )
    .await;
    holds(&format!("{path}?measure=height"), &["No measurement of this name is in the report."]).await;
}

#[tokio::test]
async fn groups_and_courses_are_shown_with_what_is_withheld() {
    holds(
        "/trials/lupus-msct/outcomes/courses",
        &[
            "3/5, 60.00%",
            "Not shown: the trial has arms.",
            r#"<svg class="chart swimmer""#,
            "1 of 1 subject",
            "90 not determinable",
            r#"<td class="number">911</td>"#,
        ],
    )
    .await;
}

#[tokio::test]
async fn a_part_that_a_report_lacks_is_said_to_be_lacking() {
    let mut answers = Answers::default();
    answers.outcomes.as_mut().unwrap()["survival"] = json!("of another form");
    let (status, text) = page(answers, "/trials/lupus-msct/outcomes").await;
    assert_eq!(status, StatusCode::OK);
    assert!(
        text.contains("holds no survival curve") && text.contains("Median by the reverse Kaplan-Meier curve")
    );
}

#[tokio::test]
async fn safety_has_categories_bounds_classes_and_deaths() {
    holds(
        "/trials/lupus-msct/safety",
        &[
            "Treatment-emergent adverse events",
            "45.072%",
            "rule of three 60.000%",
            r#"<tr class="class"><th scope="row">Infections and infestations</th><td class="number">2</td>"#,
            r#"<tr class="term"><th scope="row">Herpes zoster</th><td class="number">1</td>"#,
            "3 events in 2 of 5 subjects",
            "unrelated",
        ],
    )
    .await;
}

#[tokio::test]
async fn causality_reporting_and_recall_have_a_page_of_their_own() {
    holds("/trials/lupus-msct/safety/reporting", &["Donors and lots", "not serious"]).await;
}

#[tokio::test]
async fn safety_shows_what_is_new_beside_what_is_cumulative() {
    let mut answers = Answers::default();
    let report = answers.safety.as_mut().unwrap();
    report["since"] = json!({"cut": "board-1", "cutoff": "2009-12-31", "head": "0".repeat(64), "records": 4});
    for pointer in ["/overviews/0/categories/0", "/tables/0/classes/0"] {
        let row = report.pointer_mut(pointer).unwrap();
        row["events_since"] = json!(2);
        row["subjects_since"] = json!(1);
    }
    let (_, new) = page(answers, "/trials/lupus-msct/safety?since=board-1").await;
    let new = without_cell_links(&new);
    for expect in [
        "New: not counted in the report of data cut <strong>board-1</strong>, the first 4 records",
        "New events",
        "<td class=\"number\">3</td><td class=\"number\">2</td><td class=\"number\">1</td>",
    ] {
        assert!(new.contains(expect), "{expect}: {new}");
    }
    // The other parts go on with it.
    assert!(new.contains(r#"href="/trials/lupus-msct/safety/interest?since=board-1""#), "{new}");
    let (status, none) = page(Answers::default(), "/trials/lupus-msct/safety/costs").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(none.contains("besides the first part there are interest, reporting"), "{none}");
    let (_, wrong) = page(Answers::default(), "/trials/lupus-msct/safety?since=Board%201").await;
    assert!(wrong.contains("since is the name of a data cut"), "{wrong}");
}

#[tokio::test]
async fn safety_has_reactions_disease_of_the_graft_incidence_and_shift() {
    holds(
        "/trials/lupus-msct/safety/interest",
        &[
            "1 event, 1 of them within a day, time unknown (†)",
            "<td class=\"number\">†</td><td>Pyrexia</td><td>mild grade 1</td><td>no</td><td>unrelated</td><td>not judged</td>",
            "9 examinations after first infusion; stated to be not done: 2.",
            "<th scope=\"row\">Upper gi</th><td class=\"number\">4</td>",
            "<td>III</td>",
            "Infections: rates",
            "<tr class=\"term\"><th scope=\"row\">Herpes zoster</th><td class=\"number\">2</td><td class=\"number\">6.5708</td><td class=\"number\">30.438</td><td class=\"number\">3.686–109.95</td><td class=\"number\">3</td>",
            "<td class=\"number\">0.178885</td><td class=\"number\">0.008362–0.581906</td>",
            "No event: the incidence is 0 throughout, without limits; crude one-sided 95% bound 45.072%.",
            "1751-7: 5 subjects",
            "3 values without a reference range",
        ],
    )
    .await;
}

#[tokio::test]
async fn a_trail_says_who_when_what_and_why() {
    holds(
        "/trials/lupus-msct/subjects/S0001",
        &[
            "<strong>li.wei</strong>, principal investigator",
            "2008-03-12 01:10:04 UTC",
            "dated 2008-04-12",
            "<span class=\"quiet\">planned</span> <span class=\"text\">M1</span> · <span class=\"quiet\">status</span> <span class=\"text\">done</span>",
            "Why: <strong>transcription</strong>",
            "<del><span class=\"text\">1.2</span></del>",
            "<ins><span class=\"text\">2.1</span></ins>",
            "<del><span class=\"text\">2008-04-11</span></del>",
            "declares that <a href=\"/trials/lupus-msct/records/5\">#5</a> never held",
            "<em>sealed text</em>",
            "<em>no value: refused</em>",
            "The lot had expired.",
        ],
    )
    .await;
}

#[tokio::test]
async fn an_amendment_is_told_even_where_the_record_amended_is_on_an_earlier_part() {
    holds(
        "/trials/lupus-msct/subjects/S0001?after=3",
        &["<del><span class=\"text\">1.2</span></del>", "From the beginning"],
    )
    .await;
}

#[tokio::test]
async fn a_record_shows_statement_evidence_and_versions() {
    let bytes = Answers::default().records[4].to_string().replace('"', "&quot;");
    holds(
        "/trials/lupus-msct/records/4",
        &[
            "Record #4: visit",
            "Why: <strong>transcription</strong>",
            "sledai › arthritis",
            "c2lnbmF0dXJl",
            &hash(4),
            &hash(3),
            "of <strong>li.wei</strong>, principal investigator, granted by",
            &bytes,
            "SLEDAI-2K descriptors",
        ],
    )
    .await;
    holds(
        "/trials/lupus-msct/records/3",
        &[r#"<strong>Amended</strong> by <a href="/trials/lupus-msct/records/4">#4</a>"#],
    )
    .await;
}

#[tokio::test]
async fn lists_go_on_where_there_is_more() {
    holds("/trials/lupus-msct/subjects", &[r#"rel="next" href="/trials/lupus-msct/subjects?after=S0002""#])
        .await;
    let (_, text) = page(Answers::default(), "/trials/lupus-msct/subjects?after=S0002").await;
    assert!(text.contains("There is no further subject in the 8 records covered here"), "{text}");
    assert!(text.contains("From the beginning") && !text.contains(r#"rel="next""#));
}

#[tokio::test]
async fn an_empty_list_says_how_far_it_looked() {
    let mut answers = Answers::default();
    answers.records.truncate(2);
    answers.covers["lag_records"] = json!(6);
    let (_, text) = page(answers, "/trials/lupus-msct/findings").await;
    assert!(
        text.contains(
            "There is no record with a finding in the 8 records covered here; 6 records wait to be taken in."
        ),
        "{text}"
    );
}

#[tokio::test]
async fn what_is_not_there_is_a_page_too() {
    for path in ["/nothing", "/trials/none", "/trials/NOT-AN-ID", "/trials/%FF", "/trials/lupus-msct/nothing"]
    {
        let (status, text) = page(Answers::default(), path).await;
        assert!(status.is_client_error(), "{path}");
        assert!(text.contains("All trials"), "{path}");
    }
    for path in [
        "/trials/lupus-msct/records/99",
        "/trials/lupus-msct/records/01",
        "/trials/lupus-msct/records/-1",
        "/trials/lupus-msct/subjects/S9999",
        "/trials/lupus-msct/subjects/s1",
    ] {
        let (status, text) = page(Answers::default(), path).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
        assert!(text.contains("Overview of lupus-msct") && text.contains("records up to"), "{path}");
    }
}

#[tokio::test]
async fn paths_of_the_api_get_problems_and_writing_is_refused() {
    let (status, headers, _) =
        ask(Answers::default(), console::Settings::default(), "GET", "/v1/nothing").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(headers[header::CONTENT_TYPE], "application/problem+json");
    for method in ["POST", "PUT", "DELETE"] {
        let (status, ..) = ask(Answers::default(), console::Settings::default(), method, PAGES[0]).await;
        assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
    }
}

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    let files =
        ["/assets/console.css", "/assets/icon.svg", "/verify", "/verify.js", "/docs/findings/fork.md"];
    for path in ["/", PAGES[0], "/nothing", "/docs/findings/nothing.md"].into_iter().chain(files) {
        let (_, headers, _) = ask(Answers::default(), console::Settings::default(), "GET", path).await;
        let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{path}");
        assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert_eq!(headers[header::REFERRER_POLICY], "no-referrer");
        assert_eq!(headers[header::X_FRAME_OPTIONS], "DENY");
        let cache = headers[header::CACHE_CONTROL].to_str().unwrap();
        assert_eq!(cache == "no-store", !files.contains(&path), "{path}");
        assert_eq!(policy.contains("script-src"), path == "/verify", "{path}");
    }
}

#[tokio::test]
async fn what_people_wrote_is_text_and_never_markup() {
    let attack = "<script>alert(1)</script>\"'&";
    for path in PAGES {
        let mut answers = Answers { title: attack.to_owned(), ..Answers::default() };
        for record in &mut answers.records {
            record["event"]["actor"]["organisation"] = json!(attack);
            record["event"]["data"]["note"] = json!(attack);
        }
        let outcomes = answers.outcomes.as_mut().unwrap();
        outcomes["survival"]["from_infusion"]["label"] = json!(attack);
        outcomes["sites"][0]["name"] = json!(attack);
        answers.safety.as_mut().unwrap()["tables"][0]["classes"][0]["name"] = json!(attack);
        // `page` refuses any script element.
        let (_, text) = page(answers, path).await;
        assert!(text.contains("&lt;script&gt;alert(1)&lt;/script&gt;&quot;"), "{path}");
    }
}

#[tokio::test]
async fn reports_subjects_and_findings_can_be_taken_away() {
    for (path, due) in [
        ("outcomes?format=csv", "cell,label,value\r\n"),
        ("outcomes?format=csv", "/survival/crude/numerator,Alive at the end of follow-up (crude),3\r\n"),
        ("outcomes/response?format=json", "\"survival\""),
        ("safety?format=csv", "/populations/safety_set,,5\r\n"),
        (
            "subjects?format=csv",
            "subject,site,status,first_infusion,records,findings,latest_record\r\nS0001,",
        ),
        ("subjects?format=json", "\"list\":\"subjects\""),
        ("findings?format=csv", "critical,lot-expired,"),
        ("findings?format=json", "\"code\":\"sledai-incomplete\""),
    ] {
        let path = format!("/trials/lupus-msct/{path}");
        let (status, headers, text) =
            ask(Answers::default(), console::Settings::default(), "GET", &path).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        let named = headers[header::CONTENT_DISPOSITION].to_str().unwrap();
        assert!(named.starts_with("attachment; filename=\"lupus-msct-"), "{named}");
        assert!(text.contains(due), "{path} has no {due}: {text}");
    }
    for path in ["outcomes?format=pdf", "safety?format=pdf", "subjects?format=pdf", "findings?format=pdf"] {
        let (status, _) = page(Answers::default(), &format!("/trials/lupus-msct/{path}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{path}");
    }
    // Of a page with a cutoff the files have it too.
    let (_, text) = page(Answers::default(), "/trials/lupus-msct/safety?cutoff=2010-02-28").await;
    assert!(text.contains("/trials/lupus-msct/safety?cutoff=2010-02-28&amp;format=csv"), "{text}");
}
