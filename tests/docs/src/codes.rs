//! Refusals, findings, problems and limits, as `docs/format.md` lists them.

use clinical::{FindingCode, Refusal, RefusalCode, Severity};
use verify::{Absence, Code, Evidence};

use crate::markdown::{format_page, name, section, table};

#[test]
fn the_table_of_refusals_is_the_codes() {
    let page = format_page();
    let rows = table(section(&page, "## 11 Refusals"), &["code", "HTTP", "in a log", "meaning"]);
    let due = RefusalCode::ALL.iter().map(|code| {
        let problem = api::problem_of_refusal(&Refusal::new(*code, "/data", "detail"));
        let found = Code::of_refusal(*code, "/data");
        vec![
            format!("`{}`", code.as_str()),
            problem.status.to_string(),
            format!("[{found}](findings/{found}.md)"),
            code.meaning().to_owned(),
        ]
    });
    assert_eq!(rows, due.collect::<Vec<_>>());
}

#[test]
fn what_is_said_of_a_missing_record_that_is_followed_holds() {
    for code in [RefusalCode::AmendedUnknown, RefusalCode::AmendedDiffers] {
        assert_eq!(Code::of_refusal(code, "/follows/seq"), Evidence::AdmissionContradicted.into());
    }
}

#[test]
fn problems_about_no_event_are_those_of_the_api() {
    let page = format_page();
    let rows = table(section(&page, "## 11 Refusals"), &["code", "HTTP", "meaning"]);
    let problems = [
        api::Problem::bad_request(""),
        api::Problem::not_found(""),
        api::Problem::internal(""),
        api::Problem::unavailable(""),
        api::Problem::outcome_unknown(""),
    ];
    for problem in problems {
        let row = vec![format!("`{}`", problem.code), problem.status.to_string(), problem.title];
        assert!(rows.contains(&row), "{row:?}");
    }
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Notice => "notice",
        Severity::Minor => "minor",
        Severity::Major => "major",
        Severity::Critical => "critical",
    }
}

#[test]
fn the_tables_of_findings_are_the_codes() {
    let page = format_page();
    let linked = |code: &str| format!("[{code}](findings/{code}.md)");
    let conduct = table(section(&page, "### Conduct"), &["code", "severity", "meaning"]);
    let due = FindingCode::ALL.iter().map(|code| {
        vec![linked(code.as_str()), severity(code.severity()).to_owned(), code.meaning().to_owned()]
    });
    assert_eq!(conduct, due.collect::<Vec<_>>());

    let evidence = table(section(&page, "### Evidence"), &["code", "meaning"]);
    let due = Evidence::ALL.iter().map(|code| vec![linked(code.as_str()), code.meaning().to_owned()]);
    assert_eq!(evidence, due.collect::<Vec<_>>());

    let absence = table(section(&page, "### Absence"), &["code", "meaning"]);
    let due = Absence::ALL.iter().map(|code| vec![linked(code.as_str()), code.meaning().to_owned()]);
    assert_eq!(absence, due.collect::<Vec<_>>());
}

#[test]
fn it_is_said_of_every_finding_of_conduct_when_it_comes() {
    let page = format_page();
    let rows = table(section(&page, "### Conduct"), &["code", "when", "at"]);
    for code in FindingCode::ALL {
        assert!(rows.iter().any(|row| row[0] == code.as_str()), "{}", code.as_str());
    }
    for row in rows {
        assert!(FindingCode::ALL.iter().any(|code| code.as_str() == row[0]), "{row:?}");
    }
}

#[test]
fn the_limits_are_those_of_the_code() {
    let number = |number: usize| u64::try_from(number).unwrap();
    let due = [
        ("event", number(chain::EVENT_BYTES_MAX)),
        ("record", number(chain::RECORD_BYTES_MAX)),
        ("depth", number(chain::canonical::DEPTH_MAX)),
        ("key", number(chain::canonical::KEY_CHARS_MAX)),
        ("integer", chain::canonical::INTEGER_MAX.unsigned_abs()),
        ("text", number(clinical::text::TEXT_BYTES_MAX)),
        ("held", number(clinical::trial::FACTS_HELD_MAX)),
        ("named", number(clinical::finding::RECORDS_NAMED_MAX)),
    ];
    let page = format_page();
    let rows = table(&page, &["limit", "value", "what it bounds"]);
    let stated = rows.iter().map(|row| (name(&row[0]), row[1].replace(',', "").parse::<u64>().unwrap()));
    assert_eq!(stated.collect::<Vec<_>>(), due.map(|(name, value)| (name.to_owned(), value)));
}

#[test]
fn an_event_nests_one_level_less_than_its_record() {
    let event = |depth: usize| format!("{}{}", "{\"a\":".repeat(depth - 1) + "{}", "}".repeat(depth - 1));
    let parses = |depth| {
        let event = event(depth);
        let signature = chain::Signature([0; 64]);
        let bytes = chain::Submission { event: event.as_bytes(), signature }.join();
        chain::Submission::parse(&bytes).is_ok()
    };
    assert!(parses(15) && !parses(16));
}

#[test]
fn the_reasons_of_a_missing_item_are_those_of_the_code() {
    let values = section(&format_page(), "## 2 Values").to_owned();
    let paragraph = values.split("\n\n").find(|text| text.contains("**may be missing**")).unwrap();
    let spans = crate::markdown::code_spans(paragraph);
    let reasons: Vec<_> = spans.iter().filter(|span| !span.contains('{')).collect();
    for reason in &reasons {
        let text = format!("{{\"missing\":\"{reason}\"}}");
        assert!(serde_json::from_str::<clinical::Stated<u32>>(&text).is_ok(), "{reason}");
    }
    let error = serde_json::from_str::<clinical::MissingReason>("\"?\"").unwrap_err().to_string();
    let known = crate::markdown::code_spans(error.split_once("expected").unwrap().1);
    assert_eq!(reasons, known.iter().collect::<Vec<_>>());
}
