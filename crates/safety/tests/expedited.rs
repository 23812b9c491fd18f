//! Expedited reports, and what the sponsor's judgement of an event changes: each case with what is expected of it, and why.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at what it did not expect")]

mod support;

use report_kit::without_positions;
use safety::{Assessor, AwareBy, ExpeditedReport, ExpeditedStatus, Report, Trigger};
use serde_json::{Value, json};
use support::Log;

const CUTOFF: &str = "2012-12-31";

/// A log with a site in China, and a subject infused on 11 March 2009.
fn log() -> Log {
    let mut log = Log::open();
    site(&mut log, "S01", "CN");
    log.treat("S1", "2009-03-11");
    log
}

fn site(log: &mut Log, site: &str, country: &str) {
    let data = json!({"country": country, "name": site, "zone": "Asia/Shanghai"});
    log.push(json!({"kind": "site_activated", "site": site, "data": data}));
}

fn about(seq: u64) -> Value {
    json!({"hash": "33".repeat(32), "seq": seq})
}

/// The sponsor judges the event at `seq`; `more` is laid over an expected event that is not related.
fn assess(log: &mut Log, seq: u64, on: &str, more: &Value) -> u64 {
    let mut data = json!({
        "adverse_event": about(seq), "causality": {"procedure": "none", "product": "none"},
        "expectedness": "expected"
    });
    data.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    log.fact("S1", "ae_assessment", on, data)
}

/// An authority is told of the event at `seq`.
fn send(log: &mut Log, seq: u64, jurisdiction: &str, kind: &str, at: &str) -> u64 {
    let data = json!({
        "adverse_event": about(seq), "jurisdiction": jurisdiction, "recipient": "authority", "report": kind,
        "sent_at": at
    });
    log.fact("S1", "safety_report_sent", &at[..10], data)
}

/// A serious event of which the site became aware on 20 March 2009, in Shanghai.
fn serious(log: &mut Log, more: &Value) -> u64 {
    let mut data = json!({
        "aware_at": "2009-03-20T02:00:00.000000Z", "causality": {"product": "unlikely"},
        "seriousness": ["hospitalisation"]
    });
    data.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    log.adverse("S1", "2009-03-19", data)
}

fn one(report: &Report) -> &ExpeditedReport {
    let [one] = &report.expedited.listing[..] else { panic!("one line: {:?}", report.expedited.listing) };
    one
}

fn due(report: &ExpeditedReport) -> (Option<&str>, Option<&str>, ExpeditedStatus) {
    (report.aware_on.as_deref(), report.due_on.as_deref(), report.status)
}

#[test]
fn a_serious_event_that_nobody_judged_is_due_in_15_days_and_then_overdue() {
    let mut log = log();
    serious(&mut log, &json!({}));
    let report = log.report("2009-04-04");
    let line = one(&report);
    assert_eq!(due(line), (Some("2009-03-20"), Some("2009-04-04"), ExpeditedStatus::Due));
    assert_eq!((line.trigger, line.presumed, line.upgrade), (Some(Trigger::Serious), true, false));
    assert_eq!((line.aware_by, line.completion), (Some(AwareBy::Site), None));
    // The day after the last one, without any clock.
    assert_eq!(one(&log.report("2009-04-05")).status, ExpeditedStatus::Overdue);
    let counts = &log.report("2009-04-05").expedited.counts[0];
    assert_eq!((counts.jurisdiction.as_str(), counts.overdue, counts.due), ("CN", 1, 0));
}

#[test]
fn what_is_not_serious_starts_no_clock() {
    let mut log = log();
    serious(&mut log, &json!({"seriousness": [], "ctcae": {"grade": 4, "version": "5.0"}}));
    let report = log.report(CUTOFF);
    assert_eq!((report.expedited.serious_events, report.expedited.listing.len()), (0, 0));
}

#[test]
fn the_fatal_and_the_life_threatening_are_due_in_7_days_and_complete_in_8_more() {
    for data in [
        json!({"seriousness": ["life_threatening"]}),
        json!({"seriousness": ["death"]}),
        json!({"seriousness": [], "outcome": "fatal"}),
        json!({"seriousness": [], "ctcae": {"grade": 5, "version": "5.0"}}),
    ] {
        let mut log = log();
        serious(&mut log, &data);
        let report = log.report("2009-03-28");
        let line = one(&report);
        assert_eq!(due(line), (Some("2009-03-20"), Some("2009-03-27"), ExpeditedStatus::Overdue), "{data}");
        assert_eq!(line.trigger, Some(Trigger::FatalOrLifeThreatening));
        let completion = (line.completion_due_on.as_deref(), line.completion);
        assert_eq!(completion, (Some("2009-04-04"), Some(ExpeditedStatus::Due)));
    }
}

#[test]
fn only_a_report_that_was_sent_answers_and_late_stays_late() {
    let mut log = log();
    let event = serious(&mut log, &json!({"seriousness": ["life_threatening"]}));
    // 17:00 on 27 March in UTC is the 28th in China.
    let late = send(&mut log, event, "CN", "initial", "2009-03-27T17:00:00.000000Z");
    let report = log.report(CUTOFF);
    assert_eq!((one(&report).status, one(&report).sent_on.len()), (ExpeditedStatus::SentLate, 1));
    assert_eq!(one(&report).completion, Some(ExpeditedStatus::Overdue));
    // Voided: it was never sent.
    log.void(late);
    assert_eq!(one(&log.report(CUTOFF)).status, ExpeditedStatus::Overdue);
    send(&mut log, event, "CN", "initial", "2009-03-27T15:59:00.000000Z");
    send(&mut log, event, "CN", "completion", "2009-04-04T15:59:00.000000Z");
    let report = log.report(CUTOFF);
    assert_eq!(one(&report).sent_on, ["2009-03-27", "2009-04-04"]);
    assert_eq!(one(&report).status, ExpeditedStatus::SentInTime);
    assert_eq!(one(&report).completion, Some(ExpeditedStatus::SentInTime));
    // A report of the days after the cutoff was not sent by then.
    let before = log.report("2009-03-26");
    assert_eq!((one(&before).status, before.expedited.sent_after_cutoff), (ExpeditedStatus::Due, 2));
}

#[test]
fn what_was_sent_elsewhere_answers_nothing_here() {
    let mut log = log();
    let event = serious(&mut log, &json!({}));
    send(&mut log, event, "DE", "initial", "2009-03-21T12:00:00.000000Z");
    send(&mut log, event, "JP", "initial", "2009-03-21T12:00:00.000000Z");
    let report = log.report(CUTOFF);
    let lines: Vec<_> =
        report.expedited.listing.iter().map(|line| (line.jurisdiction.as_str(), line.status)).collect();
    assert_eq!(lines, [("CN", ExpeditedStatus::Overdue), ("EU", ExpeditedStatus::SentInTime)]);
    assert_eq!(report.expedited.sent_elsewhere, 1);
}

#[test]
fn the_rules_are_those_of_the_countries_with_sites() {
    let mut log = log();
    site(&mut log, "S02", "GB");
    site(&mut log, "S03", "US");
    site(&mut log, "S04", "JP");
    serious(&mut log, &json!({"aware_at": "2009-03-20T02:00:00.000000Z", "seriousness": ["death"]}));
    let report = log.report("2009-03-21");
    let days: Vec<_> = report
        .expedited
        .listing
        .iter()
        .map(|line| {
            (line.jurisdiction.as_str(), line.aware_on.as_deref().unwrap(), line.completion.is_some())
        })
        .collect();
    // At 2 in the morning in UTC it is the day before in New York, where no completion has a term.
    assert_eq!(days, [("CN", "2009-03-20", true), ("UK", "2009-03-20", true), ("US", "2009-03-19", false)]);
    assert_eq!(report.expedited.countries_without_rules, ["JP"]);
    let rules: Vec<_> = report.expedited.jurisdictions.iter().map(|one| one.id.as_str()).collect();
    assert_eq!((rules, report.expedited.table.as_str()), (vec!["UK", "US", "CN"], "expedited-1"));
}

#[test]
fn the_sponsors_awareness_is_day_0_and_without_any_the_recording_is_and_says_so() {
    let mut log = log();
    let event = serious(&mut log, &json!({}));
    let judged = json!({
        "aware_at": "2009-03-22T02:00:00.000000Z", "causality": {"product": "possible"}, "expectedness": "unexpected"
    });
    assess(&mut log, event, "2009-03-23", &judged);
    let report = log.report(CUTOFF);
    assert_eq!(
        (one(&report).aware_on.as_deref(), one(&report).aware_by),
        (Some("2009-03-22"), Some(AwareBy::Sponsor))
    );
    assert!(!one(&report).presumed);
    let mut log = self::log();
    serious(&mut log, &json!({"aware_at": {"missing": "unknown"}}));
    // Recorded on 1 January 2013, after the cutoff: nobody was aware then.
    let report = log.report(CUTOFF);
    let (day_0, due_on) = (Some("2013-01-01"), Some("2013-01-16"));
    assert_eq!(due(one(&report)), (day_0, due_on, ExpeditedStatus::StartedAfterCutoff));
    let [counts] = report.expedited.counts.as_slice() else { panic!("{:?}", report.expedited.counts) };
    assert_eq!((counts.due, counts.started_after_cutoff), (0, 1));
    // With that day as the cutoff the clock has started.
    assert_eq!(due(one(&log.report("2013-01-01"))), (day_0, due_on, ExpeditedStatus::Due));
    assert_eq!(one(&report).aware_by, Some(AwareBy::Recording));
}

#[test]
fn a_report_is_required_of_what_is_suspected_by_either_and_not_expected() {
    let required = |investigator: Value, sponsor: Value, expectedness: Value| {
        let mut log = log();
        let event = serious(&mut log, &json!({"causality": investigator}));
        assess(&mut log, event, "2009-03-21", &json!({"causality": sponsor, "expectedness": expectedness}));
        one(&log.report(CUTOFF)).status != ExpeditedStatus::NotRequired
    };
    let (related, unrelated) = (json!({"product": "possible"}), json!({"product": "none"}));
    let (expected, unexpected) = (json!("expected"), json!("unexpected"));
    assert!(required(related.clone(), related.clone(), unexpected.clone()));
    assert!(required(unrelated.clone(), related.clone(), unexpected.clone()));
    // The sponsor's judgement takes nothing from the investigator's.
    assert!(required(related.clone(), unrelated.clone(), unexpected.clone()));
    assert!(!required(unrelated.clone(), unrelated.clone(), unexpected.clone()));
    assert!(!required(related.clone(), related.clone(), expected.clone()));
    assert!(required(json!({}), unrelated.clone(), unexpected.clone()), "the investigator did not judge");
    assert!(required(unrelated.clone(), json!({}), unexpected), "the sponsor did not judge");
    assert!(required(related, unrelated, json!({"missing": "unknown"})), "expectedness was not judged");
}

#[test]
fn an_upgrade_to_fatal_starts_a_clock_beside_the_first() {
    let mut log = log();
    let event = serious(&mut log, &json!({}));
    let judged = json!({"causality": {"product": "possible"}, "expectedness": "unexpected"});
    assess(&mut log, event, "2009-03-21", &judged);
    send(&mut log, event, "CN", "initial", "2009-03-22T02:00:00.000000Z");
    let fatal = json!({
        "aware_at": "2009-05-01T02:00:00.000000Z", "causality": {"product": "unlikely"},
        "outcome": "fatal", "seriousness": ["death"]
    });
    log.carry_on(event, "2009-04-30", fatal);
    let report = log.report("2009-05-09");
    let lines: Vec<_> = report.expedited.listing.iter().map(due).collect();
    let first = (Some("2009-03-20"), Some("2009-04-04"), ExpeditedStatus::SentInTime);
    // What was sent before does not report the death; that the first judgement was of something less, neither.
    assert_eq!(lines, [first, (Some("2009-05-01"), Some("2009-05-08"), ExpeditedStatus::Overdue)]);
    assert!(report.expedited.listing[1].upgrade && report.expedited.listing[1].presumed);
    assert_eq!(report.expedited.serious_events, 1);
    send(&mut log, event, "CN", "follow_up", "2009-05-08T02:00:00.000000Z");
    let report = log.report("2009-05-09");
    assert_eq!(report.expedited.listing[1].status, ExpeditedStatus::SentInTime);
}

#[test]
fn an_upgrade_by_amendment_or_by_the_sponsor_starts_one_too() {
    let mut log = log();
    let event = serious(&mut log, &json!({}));
    let fatal = json!({"aware_at": "2009-05-01T02:00:00.000000Z", "seriousness": ["death"]});
    log.replace(event, "2009-03-19", fatal);
    let report = log.report(CUTOFF);
    let lines: Vec<_> = report.expedited.listing.iter().map(|line| line.due_on.as_deref().unwrap()).collect();
    assert_eq!(lines, ["2009-04-04", "2009-05-08"]);
    let mut log = self::log();
    let event = serious(&mut log, &json!({}));
    let judged = json!({
        "aware_at": "2009-04-10T02:00:00.000000Z", "causality": {"product": "possible"},
        "expectedness": "unexpected", "seriousness": ["life_threatening"]
    });
    assess(&mut log, event, "2009-04-11", &judged);
    let report = log.report(CUTOFF);
    let due: Vec<_> = report.expedited.listing.iter().map(|line| line.due_on.as_deref().unwrap()).collect();
    assert_eq!(due.last(), Some(&"2009-04-17"));
    assert_eq!(report.expedited.listing.last().unwrap().trigger, Some(Trigger::FatalOrLifeThreatening));
}

#[test]
fn a_downgrade_stops_no_clock() {
    // Of the event: it was held to be life-threatening, and then not.
    let mut log = log();
    let event = serious(&mut log, &json!({"seriousness": ["life_threatening"]}));
    log.replace(event, "2009-03-19", json!({"seriousness": []}));
    let report = log.report(CUTOFF);
    assert_eq!(one(&report).status, ExpeditedStatus::Overdue);
    assert_eq!((one(&report).due_on.as_deref(), one(&report).criteria.len()), (Some("2009-03-27"), 0));
    // Of the judgement: it was unexpected, and then not.
    let mut log = self::log();
    let event = serious(&mut log, &json!({"causality": {"product": "possible"}}));
    let first = assess(&mut log, event, "2009-03-21", &json!({"expectedness": "unexpected"}));
    assess(&mut log, event, "2009-03-25", &json!({}));
    let report = log.report(CUTOFF);
    assert_eq!((one(&report).status, one(&report).presumed), (ExpeditedStatus::Overdue, false));
    // The first judgement never held: then the second is the first.
    log.void(first);
    assert_eq!(one(&log.report(CUTOFF)).status, ExpeditedStatus::NotRequired);
}

#[test]
fn a_judgement_of_any_version_is_of_the_event_and_the_latest_counts() {
    let mut log = log();
    let event = log.adverse("S1", "2009-03-19", json!({"causality": {"product": "none"}}));
    let amended = log.replace(event, "2009-03-19", json!({"causality": {"product": "none"}}));
    assess(&mut log, event, "2009-03-21", &json!({"causality": {"product": "probable"}}));
    let related = |log: &Log| {
        let report = log.report(CUTOFF);
        let row = |assessor| {
            let row = report.related.rows.iter().find(|row| row.agent.is_none() && row.assessor == assessor);
            row.map(|row| (row.related, row.not_judged, row.unrelated)).unwrap()
        };
        (row(Assessor::Investigator), row(Assessor::Sponsor), row(Assessor::Either))
    };
    assert_eq!(related(&log), ((0, 0, 1), (1, 0, 0), (1, 0, 0)));
    let disagreement = &log.report(CUTOFF).related.disagreements[0];
    assert_eq!((disagreement.investigator.as_str(), disagreement.sponsor.as_str()), ("unrelated", "related"));
    let second = assess(&mut log, amended, "2009-03-22", &json!({}));
    assert_eq!(related(&log), ((0, 0, 1), (0, 0, 1), (0, 0, 1)));
    assert!(log.report(CUTOFF).related.disagreements.is_empty());
    log.void(second);
    assert_eq!(related(&log), ((0, 0, 1), (1, 0, 0), (1, 0, 0)));
}

#[test]
fn a_sponsors_downgrade_takes_nothing_from_the_investigator() {
    let mut log = log();
    let event =
        log.adverse("S1", "2009-03-19", json!({"causality": {"procedure": "none", "product": "possible"}}));
    assess(&mut log, event, "2009-03-21", &json!({}));
    let report = log.report(CUTOFF);
    let overview = report.overviews.iter().find(|one| one.id == "treatment_emergent").unwrap();
    let related = |id: &str| overview.categories.iter().find(|one| one.id == id).unwrap().events;
    assert_eq!((related("related"), related("related_to_product")), (1, 1));
    assert_eq!(report.related.disagreements[0].sponsor, "unrelated");
    assert_eq!(report.related.assessed_by_sponsor, 1);
}

#[test]
fn what_the_sponsor_did_not_judge_counts_as_related_and_is_shown_apart() {
    let mut log = log();
    let event = log.adverse("S1", "2009-03-19", json!({"causality": {"product": "none"}}));
    assess(&mut log, event, "2009-03-21", &json!({"causality": {"product": {"missing": "unknown"}}}));
    let report = log.report(CUTOFF);
    let row = &report.related.rows[1];
    assert_eq!(
        (row.assessor, row.not_judged, row.subjects.as_ref().unwrap().numerator),
        (Assessor::Sponsor, 1, 1)
    );
    assert_eq!(report.unknowns.causality_missing, 1);
}

#[test]
fn an_assessment_of_a_void_event_counts_for_nothing_but_itself() {
    let mut log = log();
    let event = serious(&mut log, &json!({}));
    assess(&mut log, event, "2009-03-21", &json!({}));
    send(&mut log, event, "CN", "initial", "2009-03-21T12:00:00.000000Z");
    log.void(event);
    let report = log.report(CUTOFF);
    assert_eq!((report.excluded.without_event, report.expedited.serious_events), (2, 0));
}

#[test]
fn a_serious_event_is_listed_with_its_criteria_and_the_version_of_ctcae() {
    let mut log = log();
    let event = serious(&mut log, &json!({"ctcae": {"grade": 2, "version": "4.03"}}));
    log.carry_on(event, "2009-03-25", json!({"ctcae": {"grade": 3, "version": "5.0"}}));
    assess(
        &mut log,
        event,
        "2009-03-26",
        &json!({"seriousness": ["disability"], "reference_information": "IB 4"}),
    );
    let report = log.report(CUTOFF);
    let [listed] = &report.serious_events[..] else { panic!("one: {:?}", report.serious_events) };
    assert_eq!((listed.grade, listed.ctcae_version.as_deref()), (Some(3), Some("5.0")));
    assert_eq!((listed.criteria.len(), listed.sponsor.as_deref()), (2, Some("unrelated")));
    assert_eq!(one(&report).reference_information.as_deref(), Some("IB 4"));
}

#[test]
fn two_pseudonyms_of_one_person_are_one_subject_with_the_events_of_both() {
    let mut apart = Log::open();
    let mut linked = Log::open();
    for log in [&mut apart, &mut linked] {
        site(log, "S01", "CN");
        log.treat("S1", "2009-03-11");
        log.enroll("S2", "2009-02-01");
        let event = log.adverse("S2", "2009-03-19", json!({"seriousness": ["hospitalisation"]}));
        let data = json!({"adverse_event": about(event), "expectedness": "unexpected"});
        log.fact("S2", "ae_assessment", "2009-03-20", data);
    }
    linked.push(json!({"kind": "subjects_linked", "data": {"duplicate": "S2", "kept": "S1"}}));
    let (apart, linked) = (apart.report(CUTOFF), linked.report(CUTOFF));
    assert_eq!((apart.populations.all_subjects, linked.populations.all_subjects), (2, 1));
    // Of a person who was not treated nothing emerges; of one who was, it does.
    assert_eq!((apart.emergence.untreated, linked.emergence.emergent), (1, 1));
    assert_eq!(linked.serious_events[0].subject, "S1");
    assert_eq!(linked.related.assessed_by_sponsor, 1);
}

#[test]
fn screening_and_consent_are_contact_with_someone_alive() {
    let mut log = Log::open();
    log.treat("S1", "2009-03-11");
    log.fact(
        "S1",
        "consent",
        "2009-04-10",
        json!({"document_version": "2", "language": "zh", "occasion": "new_version"}),
    );
    log.fact("S2", "screening", "2009-03-01", json!({"result": "failed"}));
    let report = log.report(CUTOFF);
    assert_eq!(report.populations.all_subjects, 2);
    // 30 days from the infusion.
    let any = &report.overviews[1].categories[0];
    assert_eq!(any.rate.as_ref().unwrap().days, 30);
}

#[test]
fn an_amended_history_makes_the_report_of_the_corrected_data_but_for_clocks_and_provenance() {
    let judged = json!({"causality": {"product": "certain"}, "expectedness": "unexpected"});
    let mut amended = log();
    let event = serious(&mut amended, &json!({"causality": {"product": "certain"}}));
    let wrong = assess(&mut amended, event, "2009-03-21", &json!({}));
    let mut right = json!({"adverse_event": about(event)});
    right.as_object_mut().unwrap().extend(judged.as_object().unwrap().clone());
    amended.replace(wrong, "2009-03-21", right);
    let mut straight = log();
    let event = serious(&mut straight, &json!({"causality": {"product": "certain"}}));
    assess(&mut straight, event, "2009-03-21", &judged);
    let make = |log: &Log| {
        let mut report = without_positions(&log.report(CUTOFF));
        report.as_object_mut().unwrap().remove("excluded");
        report
    };
    assert_eq!(make(&amended), make(&straight));
}
