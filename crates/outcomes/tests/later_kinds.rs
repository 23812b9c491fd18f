//! Screening, consent, adjudication, transfer, links and deviations in the report.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at what it did not expect")]

mod support;

use outcomes::{JudgementDifference, Report};
use report_kit::without_positions;
use serde_json::{Value, json};
use support::Log;

const CUTOFF: &str = "2012-12-31";

fn screen(log: &mut Log, subject: &str, on: &str, result: &str, not_met: &[&str]) -> u64 {
    let criteria: Vec<Value> = not_met
        .iter()
        .map(|id| json!({"id": id, "result": "not_met"}))
        .chain([json!({"id": "I1", "result": "met"})])
        .collect();
    log.fact(subject, "screening", on, json!({"criteria": criteria, "result": result}))
}

fn adjudicate(log: &mut Log, subject: &str, on: &str, data: Value) -> u64 {
    log.fact(subject, "adjudication", on, data)
}

fn response(status: &str) -> Value {
    json!({"definition": "ccr-registry-1", "status": status})
}

fn verdict(relapsed: bool) -> Value {
    json!({"relapse": {"definition": "relapse-1", "relapsed": relapsed}})
}

/// In complete remission at one year, of the evaluable.
fn remission(report: &Report) -> (u64, u64) {
    let figure = &report.remission.figures[0].figure;
    (figure.numerator, figure.denominator)
}

fn differing(differences: &[JudgementDifference]) -> Vec<(&str, &str, &str, &str)> {
    differences.iter().map(|one| (&*one.endpoint, &*one.on, &*one.investigator, &*one.adjudicated)).collect()
}

#[test]
fn screening_failures_are_counted_with_the_criteria_they_failed() {
    let mut log = Log::open();
    screen(&mut log, "S1", "2009-01-01", "failed", &["E2", "I3"]);
    screen(&mut log, "S2", "2009-01-01", "failed", &["E2"]);
    screen(&mut log, "S3", "2009-01-01", "failed", &[]);
    screen(&mut log, "S4", "2009-01-01", "withdrawn", &["E9"]);
    screen(&mut log, "S5", "2009-01-01", "passed", &[]);
    // Failed, then passed and treated.
    screen(&mut log, "S6", "2009-01-01", "failed", &["I3"]);
    screen(&mut log, "S6", "2009-02-01", "passed", &[]);
    log.treat("S6", "2009-02-02");
    // Nobody recorded a screening.
    log.treat("S7", "2009-02-02");
    let report = log.report(CUTOFF);
    let screening = &report.screening;
    assert_eq!((screening.subjects, screening.screened_again, screening.without_screening), (6, 1, 1));
    assert_eq!((screening.passed, screening.failed, screening.withdrawn), (2, 3, 1));
    let not_met: Vec<_> = screening.not_met.iter().map(|one| (one.id.as_str(), one.subjects)).collect();
    assert_eq!((not_met, screening.failed_without_criterion), (vec![("E2", 2), ("I3", 1)], 1));
    let flow = &report.flow;
    assert_eq!(
        (flow.screened, flow.screen_failures, flow.screened_not_enrolled, flow.enrolled),
        (7, 4, 1, 2)
    );
}

#[test]
fn a_screening_passed_later_lifts_a_failure_that_a_disposition_states() {
    let failure = json!({"reason": "screen_failure", "scope": "screening"});
    let failures = |passed_on: &str| {
        let mut log = Log::open();
        log.fact("S1", "disposition", "2009-01-10", failure.clone());
        screen(&mut log, "S1", passed_on, "passed", &[]);
        log.enroll("S1", "2009-03-01");
        let flow = log.report(CUTOFF).flow;
        (flow.screen_failures, flow.enrolled)
    };
    assert_eq!(failures("2009-02-01"), (0, 1));
    assert_eq!(failures("2009-01-01"), (1, 0));
}

#[test]
fn consents_are_counted_wherever_they_are_stated() {
    let consent = |version: &str, occasion: &str, by: &str| json!({"document_version": version, "language": "zh", "occasion": occasion, "signed_by": by});
    let stated = json!({"consent": {"document_version": "1", "language": "zh", "signed_on": "2009-01-02"}});
    let mut log = Log::open();
    log.fact("S1", "enrollment", "2009-01-05", stated);
    log.enroll("S2", "2009-01-05");
    log.fact("S2", "consent", "2009-01-06", consent("1", "initial", "representative"));
    log.fact("S2", "consent", "2010-01-06", consent("2", "new_version", "subject"));
    log.enroll("S3", "2009-01-05");
    // Within the month of enrollment: not certainly later.
    log.enroll("S4", "2009-01-05");
    log.fact("S4", "consent", "2009-01", consent("1", "initial", "subject"));
    let section = log.report(CUTOFF).consent;
    assert_eq!((section.subjects, section.consented, section.missing), (4, 3, 1));
    assert_eq!((section.after_enrollment, section.consented_again, section.by_representative), (1, 1, 1));
    let versions: Vec<_> = section.versions.iter().map(|one| (one.version.as_str(), one.subjects)).collect();
    assert_eq!(versions, [("1", 1), ("2", 1)]);
}

#[test]
fn the_committees_judgement_heads_remission_and_the_difference_is_listed() {
    let mut log = Log::open();
    for subject in ["S1", "S2", "S3"] {
        log.treat(subject, "2009-03-01");
        log.respond(subject, "2010-03-05", "complete");
        log.alive(subject, "2010-06-01");
    }
    let before = log.report(CUTOFF);
    assert_eq!((remission(&before), &*before.remission.judged_by), ((3, 3), "investigator"));
    // For the landmark; for the visit's day; by another definition.
    adjudicate(&mut log, "S1", "2010-03-05", json!({"landmark_years": 1, "response": response("none")}));
    adjudicate(&mut log, "S2", "2010-03-05", json!({"response": response("partial")}));
    let other = json!({"response": {"definition": "doris-2021", "status": "none"}});
    adjudicate(&mut log, "S3", "2010-03-05", other);
    let report = log.report(CUTOFF);
    assert_eq!((remission(&report), &*report.remission.judged_by), ((1, 3), "committee_or_investigator"));
    let figure = &report.remission.figures[0];
    assert_eq!((figure.adjudicated, figure.partial, figure.without_visit), (2, 1, 0));
    assert_eq!(
        differing(&report.adjudication.differences),
        [
            ("remission.year_1", "2010-03-05", "complete", "none"),
            ("response", "2010-03-05", "complete", "partial"),
        ]
    );
    assert_eq!((report.adjudication.subjects, report.adjudication.responses), (2, 2));
    assert_eq!(report.excluded.responses_by_other_definitions, 1);
}

#[test]
fn an_adjudication_that_agrees_is_no_difference() {
    let mut log = Log::open();
    log.treat("S1", "2009-03-01");
    log.respond("S1", "2010-03-05", "complete");
    log.alive("S1", "2010-06-01");
    adjudicate(&mut log, "S1", "2010-03-05", json!({"landmark_years": 1, "response": response("complete")}));
    let report = log.report(CUTOFF);
    assert_eq!((remission(&report), report.remission.figures[0].adjudicated), ((1, 1), 1));
    assert_eq!(report.adjudication.differences, []);
}

#[test]
fn a_landmark_that_only_the_committee_judged_is_judged() {
    let mut log = Log::open();
    log.treat("S1", "2009-03-01");
    log.alive("S1", "2010-06-01");
    // Its visit lies outside the window: the committee says which landmark it is for.
    let adjudication = json!({"landmark_years": 1, "response": response("complete")});
    let seq = adjudicate(&mut log, "S1", "2009-11-01", adjudication);
    let report = log.report(CUTOFF);
    assert_eq!((remission(&report), report.remission.figures[0].without_visit), ((1, 1), 0));
    let difference = ("remission.year_1", "2009-11-01", "not_judged", "complete");
    assert_eq!(differing(&report.adjudication.differences), [difference]);
    // Withdrawn, it never was.
    log.void(seq);
    let report = log.report(CUTOFF);
    assert_eq!((report.adjudication.responses, report.remission.figures.len()), (0, 0));
}

#[test]
fn the_committees_judgement_heads_relapse_and_the_difference_is_listed() {
    let mut log = Log::open();
    for subject in ["S1", "S2", "S3"] {
        log.treat(subject, "2009-03-01");
        log.alive(subject, "2010-06-01");
    }
    // Overruled; confirmed; found by the committee alone.
    log.relapse("S1", "2009-06-01");
    adjudicate(&mut log, "S1", "2009-06-01", verdict(false));
    log.relapse("S2", "2009-07-01");
    adjudicate(&mut log, "S2", "2009-07-01", verdict(true));
    adjudicate(&mut log, "S3", "2009-08-01", verdict(true));
    let report = log.report(CUTOFF);
    let listed: Vec<_> = report
        .relapse
        .listing
        .iter()
        .map(|one| (one.subject.as_str(), one.on.as_str(), one.adjudicated))
        .collect();
    assert_eq!(listed, [("S2", "2009-07-01", true), ("S3", "2009-08-01", true)]);
    assert_eq!((report.relapse.ever.numerator, report.adjudication.relapses), (2, 3));
    assert_eq!(
        differing(&report.adjudication.differences),
        [
            ("relapse", "2009-06-01", "relapse", "no_relapse"),
            ("relapse", "2009-08-01", "no_relapse", "relapse"),
        ]
    );
}

#[test]
fn a_committees_word_about_one_day_leaves_another_day_to_the_investigator() {
    let mut log = Log::open();
    log.treat("S1", "2009-03-01");
    log.relapse("S1", "2009-06-02");
    adjudicate(&mut log, "S1", "2009-06-01", verdict(false));
    let report = log.report(CUTOFF);
    assert_eq!((report.relapse.ever.numerator, report.relapse.listing[0].adjudicated), (1, false));
    assert_eq!(report.adjudication.differences, []);
}

#[test]
fn a_transferred_subject_counts_where_it_enrolled() {
    let mut log = Log::open();
    // Site S02 recorded a contact before site S01 recorded the enrollment.
    log.fact_at("S02", "S1", "contact", "2009-02-01", json!({"means": "phone", "vital_status": "alive"}));
    log.treat("S1", "2009-03-01");
    log.fact("S1", "subject_transferred", "2009-09-01", json!({"to": "S02"}));
    let death = json!({"reason": "death", "scope": "study"});
    log.fact_at("S02", "S1", "disposition", "2010-01-01", death);
    let report = log.report(CUTOFF);
    let sites: Vec<_> =
        report.sites.iter().map(|site| (site.id.as_str(), site.infused, site.deaths)).collect();
    assert_eq!((sites, report.flow.transferred), (vec![("S01", 1, 1)], 1));
    assert_eq!(report.survival.listing[0].site, "S01");
}

#[test]
fn two_pseudonyms_of_one_person_count_once_with_the_facts_of_both() {
    let one = |linked: bool, first: &str, second: &str| {
        let mut log = Log::open();
        log.treat(first, "2009-03-01");
        log.relapse(second, "2009-06-01");
        log.die(second, "2010-01-01");
        if linked {
            let data = json!({"duplicate": "S9", "kept": "S1"});
            log.push(json!({"kind": "subjects_linked", "data": data}));
        }
        log.report(CUTOFF)
    };
    let apart = one(false, "S1", "S9");
    assert_eq!((apart.survival.deaths.numerator, apart.flow.died_never_infused), (0, 1));
    // One report, whichever pseudonym which fact was recorded under.
    let report = one(true, "S1", "S9");
    let flow = &report.flow;
    assert_eq!((flow.infused, flow.enrolled, flow.screened, flow.linked_pseudonyms), (1, 1, 1, 1));
    assert_eq!((report.survival.deaths.numerator, report.relapse.ever.numerator), (1, 1));
    assert_eq!(report.survival.listing[0].subject, "S1");
    let other = one(true, "S9", "S1");
    assert_eq!(without_positions(&report), without_positions(&other));
}

#[test]
fn deviations_are_counted_by_category_and_severity_events_and_subjects() {
    let mut log = Log::open();
    log.treat("S1", "2009-03-01");
    let mut deviate = |subject: &str, on: &str, category: &str, severity: &str| {
        log.fact(subject, "protocol_deviation", on, json!({"category": category, "severity": severity}))
    };
    deviate("S1", "2009-04-01", "visit", "minor");
    deviate("S1", "2009-05-01", "visit", "minor");
    deviate("S2", "2009-05-01", "visit", "minor");
    deviate("S1", "2009-05-01", "consent", "important");
    let void = deviate("S3", "2009-05-01", "other", "important");
    // After the cutoff.
    deviate("S4", "2013-05-01", "other", "important");
    log.void(void);
    let section = log.report(CUTOFF).deviations;
    assert_eq!((section.deviations, section.subjects, section.subjects_important), (4, 2, 1));
    assert_eq!(
        serde_json::to_value(&section.rows).unwrap(),
        json!([
            {"category": "consent", "severity": "important", "deviations": 1, "subjects": 1},
            {"category": "visit", "severity": "minor", "deviations": 3, "subjects": 2}
        ])
    );
}
