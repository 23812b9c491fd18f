//! The coordinator's pages that read.

use axum::http::StatusCode;

use crate::support::Answers;
use crate::{ask, holds, page};

#[tokio::test]
async fn record_status_says_each_state_by_a_sign_and_a_word_with_a_legend_of_six() {
    let path = "/trials/lupus-msct/status";
    let (_, text) = page(Answers::default(), path).await;
    for (sign, word) in [
        ("✓", "done"),
        ("◐", "partly done"),
        ("✗", "missed"),
        ("!", "overdue"),
        ("○", "due now"),
        ("·", "not due"),
    ] {
        let shown = format!("<span class=\"sign\" aria-hidden=\"true\">{sign}</span> {word}</span>");
        // Once in the legend, once in the matrix.
        assert_eq!(text.matches(&shown).count(), 2, "{word}: {text}");
    }
    assert!(
        text.contains("<th scope=\"col\">M1</th><th scope=\"col\">M3</th><th scope=\"col\">M6</th>"),
        "{text}"
    );
    assert!(text.contains("As of <strong>2008-07-01</strong>, today in the trial's zone"), "{text}");
    holds(
        &format!("{path}?cutoff=2008-06-30"),
        &["As of <strong>2008-06-30</strong>, the cutoff", "/records/4?cutoff=2008-06-30"],
    )
    .await;
    let (_, _, csv) =
        ask(Answers::default(), console::Settings::default(), "GET", &format!("{path}?format=csv")).await;
    assert_eq!(csv.lines().count(), 7, "{csv}");
    assert_eq!(csv.lines().nth(1), Some("S0001,CN-NJ,M1,done,2008-04-03,2008-04-17,2008-04-12,4"));
    let (status, _) = page(Answers::default(), &format!("{path}?site=s%201")).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn my_work_has_what_is_overdue_first_then_what_is_due_and_says_how_far_it_looked() {
    let (_, text) = page(Answers::default(), "/trials/lupus-msct/work").await;
    assert!(text.contains("<strong>1 overdue</strong>, 1 due now."), "{text}");
    let (overdue, due) = (text.find("</span> overdue</span>"), text.find("</span> due now</span>"));
    assert!(overdue.is_some() && overdue < due, "{text}");
    assert!(text.contains("Looked at 2 subjects, S0001 to S0002."), "{text}");
    assert!(
        text.contains("wait for an investigator's signature") && text.contains("/records/5\">#5"),
        "{text}"
    );
    assert!(text.contains("sledai-incomplete") && text.contains("lot-expired"), "{text}");
    let refused = text.split_once("<h2>Refused</h2>").unwrap().1.split_once("</section>").unwrap().0;
    for part in
        ["li.wei", "has a newer version. record 4 was amended by 9", "<code>/amends/seq</code>", ">2</td>"]
    {
        assert!(refused.contains(part), "{part}: {refused}");
    }
    // Another site has nothing to look at.
    let (_, text) = page(Answers::default(), "/trials/lupus-msct/work?site=CN-BJ").await;
    assert!(!text.contains("lot-expired"), "{text}");
}

#[tokio::test]
async fn a_subjects_course_is_drawn_with_a_table_beside_it_and_each_change_at_its_value() {
    let path = "/trials/lupus-msct/subjects/S0001";
    let (_, text) = page(Answers::default(), path).await;
    // Links within: no picture of one piece.
    let drawing = text.split_once("<svg class=\"chart lanes\"").unwrap().1.split_once("</svg>").unwrap().0;
    assert!(drawing.contains("role=\"group\"") && !drawing.contains("role=\"img\""), "{drawing}");
    for part in [
        "aria-label=\"infusion 1, 2008-03-11\"",
        "visit M1, done, 2008-04-12",
        "href=\"/trials/lupus-msct/records/4\"",
    ] {
        assert!(drawing.contains(part), "{part}: {drawing}");
    }
    // The void event is in the table, and is not drawn.
    assert!(!drawing.contains("Adverse events"), "{drawing}");
    assert!(text.contains("1 infusion, 1 visit of which none was missed, 0 adverse events"), "{text}");
    let pga = text.split_once("<dt>pga</dt>").unwrap().1.split_once("</dd>").unwrap().0;
    assert!(pga.contains("2.1") && pga.contains("<summary>changed 1×</summary>"), "{pga}");
    for part in [
        "<del><span class=\"text\">1.2</span></del>",
        "<ins><span class=\"text\">2.1</span></ins>",
        "li.wei, principal investigator",
        "why: transcription",
    ] {
        assert!(pga.contains(part), "{part}: {pga}");
    }
    assert!(text.contains("Declared never to have held"), "{text}");
    // Whoever reads on has seen it.
    let (_, text) = page(Answers::default(), &format!("{path}?after=3")).await;
    assert!(!text.contains("chart lanes"), "{text}");
}
