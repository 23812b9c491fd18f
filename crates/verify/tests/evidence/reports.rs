//! Reports that come with a bundle: made of its records, altered, of other engines.

use std::collections::BTreeMap;

use chain::{Record, RecordHash};
use clinical::Event;
use clinical::report::{Covered, Parameters};
use clinical::rows::RowChange;
use verify::{Class, Report, Verdict};

use crate::archive::{Memory, check, checkpoint, codes, log_signer};
use crate::support::Log;

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

fn apply(rows: &mut Rows, changes: Vec<RowChange>) {
    for RowChange { key, value } in changes {
        match value {
            Some(value) => drop(rows.insert(key, value)),
            None => drop(rows.remove(&key)),
        }
    }
}

/// The rows of a log's first records for the safety report, and what they cover.
fn safety_rows(log: &Log, records: usize) -> (Rows, Covered) {
    let (mut folder, mut rows) = (safety::Folder::new(), Rows::new());
    for bytes in &log.records[..records] {
        let record = Record::parse(bytes).unwrap();
        let mut changes = Vec::new();
        folder.fold(&Event::parse(record.event).unwrap(), record.seq, record.recorded_at, &mut changes);
        apply(&mut rows, changes);
    }
    (rows, Covered { records: records as u64, head: RecordHash::of(&log.records[records - 1]) })
}

#[test]
fn a_report_that_counts_against_an_earlier_one_follows_from_the_records_of_both() {
    let log = Log::of_every_kind(1);
    let day = Parameters { cutoff: Some("2008-12-31".parse().unwrap()) };
    let (rows, covered) = safety_rows(&log, 4);
    let earlier = safety::earlier(rows.into_iter(), &day, covered).unwrap();
    let (rows, covered) = safety_rows(&log, 17);
    let report = safety::report_since(rows.into_iter(), &day, covered, Some(&earlier)).unwrap();
    assert!(report.overviews.iter().all(|one| one.categories[0].events_since.is_some()));
    let text = String::from_utf8(report.to_canonical_json()).unwrap();
    let of = |text: String| {
        let report =
            bundle_of(&log, 17, [("reports/a.json", text.clone()), ("reports/b.json", text)], |text| text);
        judged(&report)[0].clone()
    };
    assert_eq!(of(text.clone()), ("safety".to_owned(), Some(true)));
    // Against another number of records, or with other counts, it is another report.
    for (from, to) in [
        ("\"records\":4}", "\"records\":5}"),
        ("\"records\":4}", "\"records\":99}"),
        ("\"events_since\":", "\"events_since\":1"),
    ] {
        let other = text.replacen(from, to, 1);
        assert_ne!(other, text, "{from}");
        assert_eq!(of(other), ("safety".to_owned(), Some(false)), "{to}");
    }
}

/// Outcome and safety report of a log's first records, as they are published.
pub(crate) fn reports(log: &Log, records: usize, parameters: Parameters) -> [(&'static str, String); 2] {
    let (mut outcomes, mut safety) = (outcomes::Folder::new(), safety::Folder::new());
    let (mut outcome_rows, mut safety_rows) = (Rows::new(), Rows::new());
    for bytes in &log.records[..records] {
        let record = Record::parse(bytes).unwrap();
        let event = Event::parse(record.event).unwrap();
        let mut changes = Vec::new();
        outcomes.fold(&event, record.seq, record.recorded_at, &mut changes);
        apply(&mut outcome_rows, std::mem::take(&mut changes));
        safety.fold(&event, record.seq, record.recorded_at, &mut changes);
        apply(&mut safety_rows, changes);
    }
    let covered = Covered { records: records as u64, head: RecordHash::of(&log.records[records - 1]) };
    let outcomes = outcomes::report(outcome_rows.into_iter(), &parameters, covered).unwrap();
    let safety = safety::report(safety_rows.into_iter(), &parameters, covered).unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    [
        ("reports/outcomes.json", text(outcomes.to_canonical_json())),
        ("reports/safety.json", text(safety.to_canonical_json())),
    ]
}

/// A bundle of a log's first `sealed` records, with reports of all, changed, and listed in the MANIFEST as they are.
pub(crate) fn with_reports(log: &Log, sealed: usize, change: impl Fn(String) -> String) -> Report {
    bundle_of(log, sealed, reports(log, log.records.len(), Parameters::default()), change)
}

fn bundle_of(
    log: &Log,
    sealed: usize,
    reports: [(&'static str, String); 2],
    change: impl Fn(String) -> String,
) -> Report {
    let records = &log.records[..sealed];
    let mut bundle = Memory::of(records, &checkpoint(records, &log_signer(1))).bundled();
    for (path, report) in reports {
        bundle.files.insert(path.to_owned(), change(report).into_bytes());
    }
    check(&bundle.with_manifest(), &log.anchors())
}

fn judged(report: &Report) -> Vec<(String, Option<bool>)> {
    let reports = &report.sealed.as_ref().unwrap().reports;
    reports.iter().map(|report| (report.report.clone(), report.follows)).collect()
}

#[test]
fn reports_follow_from_the_records_they_cover() {
    let log = Log::of_every_kind(1);
    let follow = [("outcomes".to_owned(), Some(true)), ("safety".to_owned(), Some(true))];
    let report = with_reports(&log, 17, |report| report);
    assert_eq!((report.verdict, judged(&report)), (Verdict::Intact, follow.to_vec()), "{report}");
    assert!(report.to_string().contains("follows from 17 records"));
    // Of a time before the bundle, and up to a day that somebody chose.
    let given = Parameters { cutoff: Some("2008-03-15".parse().unwrap()) };
    for parameters in [given, Parameters::default()] {
        let report = bundle_of(&log, 17, reports(&log, 12, parameters), |report| report);
        assert_eq!((report.verdict, judged(&report)), (Verdict::Intact, follow.to_vec()), "{report}");
    }
}

#[test]
fn a_report_altered_by_one_digit_anywhere_does_not_follow() {
    let log = Log::of_every_kind(1);
    let [(_, outcomes), (_, safety)] = reports(&log, 17, Parameters::default());
    let mut altered = 0;
    for (path, text) in [("reports/outcomes.json", outcomes), ("reports/safety.json", safety)] {
        let header = text.find("\"engine\"").unwrap();
        let digits = text.match_indices(|c: char| c.is_ascii_digit()).map(|(at, _)| at);
        // Each of what says how the report is made, and one in eight of the figures.
        for at in digits.filter(|at| at % 8 == 0 || (header.saturating_sub(300)..header + 300).contains(at)) {
            let mut bytes = text.clone().into_bytes();
            bytes[at] = if bytes[at] == b'9' { b'8' } else { bytes[at] + 1 };
            let change = |report: String| {
                if report == text { String::from_utf8(bytes.clone()).unwrap() } else { report }
            };
            let report = with_reports(&log, 17, change);
            altered += 1;
            let of_another =
                report.sealed.as_ref().unwrap().reports.iter().any(|report| report.follows.is_none());
            let found = codes(&report);
            // A digit of the engine's version makes it another engine's, of the count of records one beyond them.
            let expected = [("report-not-following", path.to_owned())];
            let unchecked = [("report-unchecked", path.to_owned())];
            assert!(found == expected || found == unchecked || of_another, "byte {at}: {report}");
            assert!(report.verdict != Verdict::Intact || of_another, "byte {at}: {report}");
        }
    }
    println!("{altered} digits altered, none of them unseen");
    assert!(altered > 100);
}

#[test]
fn another_engines_report_is_shown_and_not_judged() {
    let log = Log::of_every_kind(1);
    let version = format!("\"version\":\"{}\"", env!("CARGO_PKG_VERSION"));
    let report = with_reports(&log, 17, |report| report.replace(&version, "\"version\":\"99.0.0\""));
    let shown = [("outcomes".to_owned(), None), ("safety".to_owned(), None)];
    assert_eq!((report.verdict, judged(&report)), (Verdict::Intact, shown.to_vec()), "{report}");
    assert!(report.to_string().contains("by trialbook 99.0.0: not judged"), "{report}");
}

#[test]
fn what_is_no_report_follows_from_nothing() {
    let log = Log::of_every_kind(1);
    let report = with_reports(&log, 17, |report| report[1..].to_owned());
    assert_eq!((report.count(Class::Evidence), report.status()), (2, 1), "{report}");
    // A line feed more is another file.
    assert_eq!(with_reports(&log, 17, |report| report + "\n").status(), 1);
}

#[test]
fn a_report_under_a_name_of_which_this_program_makes_none_does_not_follow() {
    let log = Log::of_every_kind(1);
    let renamed =
        |report: String| report.replace("\"report\":\"outcomes\"", "\"report\":\"primary_endpoint\"");
    let report = with_reports(&log, 17, renamed);
    assert_eq!(codes(&report), [("report-not-following", "reports/outcomes.json".to_owned())], "{report}");
    assert_eq!(report.status(), 1);
}
