//! Events on the edges of the rules: each with what is expected of it, and why.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at what it did not expect")]

mod support;

use clinical::data::Agent;
use report_kit::report;
use safety::{Assessor, Category, Emergences, Report, TimingClass};
use serde_json::{Value, json};
use support::{Folder, Log};

const CUTOFF: &str = "2012-12-31";

fn category<'a>(report: &'a Report, overview: &str, id: &str) -> &'a Category {
    let overview = report.overviews.iter().find(|one| one.id == overview).unwrap();
    overview.categories.iter().find(|one| one.id == id).unwrap()
}

fn events(report: &Report, id: &str) -> u64 {
    category(report, "all", id).events
}

/// How one event lies to an infusion on 11 March 2009 at 10:00 in Shanghai.
fn emergence(on: &str, data: Value) -> Emergences {
    let mut log = Log::open();
    log.enroll("S1", "2009-03-01");
    log.fact("S1", "infusion", "2009-03-11", json!({"started_at": "2009-03-11T10:00+08:00"}));
    log.adverse("S1", on, data);
    log.report(CUTOFF).emergence
}

#[test]
fn an_event_began_under_treatment_unless_it_certainly_began_before() {
    let none = Emergences::default();
    let before = Emergences { before: 1, ..none.clone() };
    let emergent = Emergences { emergent: 1, ..none.clone() };
    let imputed = Emergences { emergent_by_imputation: 1, ..none };
    assert_eq!(emergence("2009-03-10", json!({})), before);
    assert_eq!(emergence("2009-02", json!({})), before);
    assert_eq!(emergence("2008", json!({})), before);
    // The same day without a time counts as under treatment.
    assert_eq!(emergence("2009-03-11", json!({})), emergent);
    assert_eq!(emergence("2009-04", json!({})), emergent);
    // By the times it was before, or not.
    assert_eq!(emergence("2009-03-11", json!({"onset_at": "2009-03-11T09:59+08:00"})), before);
    assert_eq!(emergence("2009-03-11", json!({"onset_at": "2009-03-11T02:00+00:00"})), emergent);
    // The month of the infusion, its year, and nothing at all: it cannot be told.
    assert_eq!(emergence("2009-03", json!({})), imputed);
    assert_eq!(emergence("2009", json!({})), imputed);
    assert_eq!(emergence("", json!({})), imputed);
}

#[test]
fn with_an_infusion_known_to_the_month_only_what_is_certain_is_said() {
    let emergence = |on: &str| {
        let mut log = Log::open();
        log.treat("S1", "2009-03");
        log.adverse("S1", on, json!({}));
        log.report(CUTOFF).emergence
    };
    assert_eq!(emergence("2009-02-28").before, 1);
    assert_eq!(emergence("2009-03-15").emergent_by_imputation, 1);
    assert_eq!(emergence("2009-03-31").emergent, 1);
    assert_eq!(emergence("2009-04").emergent, 1);
}

#[test]
fn events_of_the_untreated_are_in_the_table_of_all_and_in_no_other() {
    let mut log = Log::open();
    log.enroll("S1", "2009-03-01");
    log.adverse("S1", "2009-03-02", json!({}));
    log.treat("S2", "2009-03-01");
    let report = log.report(CUTOFF);
    assert_eq!(report.emergence.untreated, 1);
    let tables: Vec<_> = report
        .tables
        .iter()
        .map(|one| (one.id.as_str(), one.denominator, one.subjects, one.events))
        .collect();
    assert_eq!(tables, [("all", 2, 1, 1), ("treatment_emergent", 1, 0, 0)]);
}

#[test]
fn the_class_of_time_counts_from_the_latest_infusion_before_onset() {
    let class = |on: &str, at: Option<&str>| {
        let mut log = Log::open();
        log.enroll("S1", "2009-03-01");
        log.fact("S1", "infusion", "2009-03-01", json!({"started_at": "2009-03-01T10:00+08:00"}));
        log.fact("S1", "infusion", "2009-09-01", json!({"started_at": "2009-09-01T10:00+08:00"}));
        log.adverse("S1", on, at.map_or(json!({}), |at| json!({"onset_at": at})));
        let report = log.report(CUTOFF);
        let [one] = report.timing.iter().filter(|one| one.events > 0).collect::<Vec<_>>()[..] else {
            panic!("one class: {:?}", report.timing)
        };
        one.class
    };
    assert_eq!(class("2009-03-02", Some("2009-03-02T10:00+08:00")), TimingClass::Within24Hours);
    assert_eq!(class("2009-03-02", Some("2009-03-02T10:01+08:00")), TimingClass::Days2To7);
    assert_eq!(class("2009-03-01", None), TimingClass::OneDayTimeUnknown);
    assert_eq!(class("2009-03-02", None), TimingClass::OneDayTimeUnknown);
    assert_eq!(class("2009-03-03", None), TimingClass::Days2To7);
    assert_eq!(class("2009-03-08", None), TimingClass::Days2To7);
    assert_eq!(class("2009-03-09", None), TimingClass::Days8To30);
    assert_eq!(class("2009-03-31", None), TimingClass::Days8To30);
    assert_eq!(class("2009-04-01", None), TimingClass::Days31To100);
    assert_eq!(class("2009-06-09", None), TimingClass::Days31To100);
    assert_eq!(class("2009-06-10", None), TimingClass::DaysOver100);
    // The second infusion is the latest before this one, and not yet before the other.
    assert_eq!(class("2009-09-02", None), TimingClass::OneDayTimeUnknown);
    assert_eq!(class("2009-09-01", Some("2009-09-01T09:00+08:00")), TimingClass::DaysOver100);
    // Of a partial onset the day of first infusion, if it is among those possible; else the first of them.
    assert_eq!(class("2009-03", None), TimingClass::OneDayTimeUnknown);
    assert_eq!(class("2009", None), TimingClass::OneDayTimeUnknown);
    assert_eq!(class("2009-04", None), TimingClass::Days31To100);
}

#[test]
fn an_event_that_carries_on_from_another_is_the_same_event() {
    let mut log = Log::open();
    log.treat("S1", "2009-03-11");
    let first =
        log.adverse("S1", "2009-03-01", json!({"causality": {"product": "unlikely"}, "severity": "mild"}));
    let report = log.report(CUTOFF);
    assert_eq!((report.emergence.before, events(&report, "any")), (1, 1));
    // After treatment it got worse: under treatment from then on.
    let worse = json!({
        "causality": {"product": "probable"}, "outcome": "not_recovered", "severity": "severe",
        "seriousness": ["hospitalisation"]
    });
    let second = log.carry_on(first, "2009-03-20", worse);
    let report = log.report(CUTOFF);
    assert_eq!((report.emergence.worsened, report.emergence.before, events(&report, "any")), (1, 0, 1));
    assert_eq!(
        (events(&report, "severe"), events(&report, "serious"), events(&report, "related")),
        (1, 1, 1)
    );
    // Nine days after day 0, when it had worsened.
    assert_eq!(category(&report, "treatment_emergent", "any").rate.as_ref().unwrap().events, 1);
    // And to its end.
    log.carry_on(second, "2009-04-01", json!({"outcome": "fatal", "severity": "severe"}));
    let report = log.report(CUTOFF);
    assert_eq!((events(&report, "any"), events(&report, "fatal")), (1, 1));
    assert_eq!(report.deaths.fatal_event_without_death, 1);
    // The first voided: the rest is still one event.
    log.void(first);
    let report = log.report(CUTOFF);
    assert_eq!((events(&report, "any"), report.excluded.voided_things), (1, 1));
}

#[test]
fn what_carries_on_without_getting_worse_does_not_emerge() {
    let mut log = Log::open();
    log.treat("S1", "2009-03-11");
    let first = log.adverse("S1", "2009-03-01", json!({"severity": "severe"}));
    log.carry_on(first, "2009-03-20", json!({"outcome": "recovered", "severity": "mild"}));
    assert_eq!(log.report(CUTOFF).emergence.before, 1);
}

#[test]
fn seriousness_is_derived_from_the_criteria_and_disagreements_are_listed() {
    let mut log = Log::open();
    log.treat("S1", "2009-03-11");
    let hidden = log.adverse(
        "S1",
        "2009-03-20",
        json!({"serious_reported": false, "seriousness": ["hospitalisation"]}),
    );
    let claimed = log.adverse("S1", "2009-03-21", json!({"serious_reported": true}));
    log.adverse(
        "S1",
        "2009-03-22",
        json!({"serious_reported": true, "seriousness": ["medically_important"]}),
    );
    log.adverse("S1", "2009-03-23", json!({"serious_reported": false}));
    // Severe is not serious, nor the other way round.
    log.adverse("S1", "2009-03-24", json!({"ctcae": {"grade": 4, "version": "5.0"}}));
    let report = log.report(CUTOFF);
    assert_eq!(
        (events(&report, "serious"), events(&report, "serious_reported"), events(&report, "severe")),
        (2, 2, 1)
    );
    let listed: Vec<_> =
        report.seriousness_disagreements.iter().map(|one| (one.first_seq, one.reported)).collect();
    assert_eq!(listed, [(hidden, false), (claimed, true)]);
    assert_eq!(report.unknowns.seriousness_missing, 1);
}

#[test]
fn causality_that_is_missing_counts_as_related_and_is_shown_apart() {
    let related = |causality: Value| {
        let mut log = Log::open();
        log.treat("S1", "2009-03-11");
        log.adverse("S1", "2009-03-20", json!({"causality": causality}));
        let report = log.report(CUTOFF);
        assert_eq!(report.unknowns.causality_missing, events(&report, "related_not_judged"));
        (events(&report, "related"), events(&report, "related_not_judged"))
    };
    assert_eq!(related(json!({"product": "possible"})), (1, 0));
    assert_eq!(related(json!({"product": "none", "procedure": "certain"})), (1, 0));
    assert_eq!(related(json!({"product": "unlikely"})), (0, 0));
    // Nobody asked, or nobody answered.
    assert_eq!(related(json!({})), (1, 1));
    assert_eq!(related(json!({"product": {"missing": "unknown"}})), (1, 1));
    assert_eq!(related(json!({"product": "none", "procedure": {"missing": "not_done"}})), (1, 1));
    // There was no procedure to be related to.
    assert_eq!(related(json!({"product": "none", "procedure": {"missing": "not_applicable"}})), (0, 0));
    // The disease caused it: that says nothing of the product.
    assert_eq!(related(json!({"underlying_disease": "certain"})), (1, 1));
    assert_eq!(related(json!({"conditioning": "certain", "product": "none"})), (0, 0));
}

#[test]
fn a_death_without_relatedness_counts_as_related_and_is_shown_apart() {
    let mut log = Log::open();
    log.treat("S1", "2009-03-11");
    log.fact("S1", "disposition", "2009-05-01", json!({"reason": "death", "scope": "study"}));
    let report = log.report(CUTOFF);
    assert_eq!((report.deaths.related.numerator, report.deaths.not_judged), (1, 1));
    let death = &report.deaths.listing[0];
    assert_eq!(
        (death.relation.as_str(), death.day, death.days_since_last_infusion),
        ("not_judged", Some(51), Some(51))
    );
    // Nobody has reported as an event what was died of, until somebody does.
    assert_eq!(report.deaths.without_fatal_event, 1);
    log.adverse("S1", "2009-04-30", json!({"outcome": "fatal"}));
    assert_eq!(log.report(CUTOFF).deaths.without_fatal_event, 0);
}

#[test]
fn of_an_agent_that_nobody_was_asked_about_there_is_no_zero() {
    let mut log = Log::open();
    log.treat("S1", "2009-03-11");
    let asked = |log: &Log| {
        let rows = log.report(CUTOFF).related.rows;
        let asked = rows.into_iter().filter(|row| row.subjects.is_some());
        asked.map(|row| (row.agent, row.assessor)).collect::<Vec<_>>()
    };
    assert_eq!(asked(&log), []);
    log.adverse("S1", "2009-04-30", json!({"causality": {"product": "none", "conditioning": "none"}}));
    let (by, either) = (Assessor::Investigator, Assessor::Either);
    let conditioning = Some(Agent::Conditioning);
    let product = Some(Agent::Product);
    let expected = [
        (None, by),
        (None, either),
        (product, by),
        (product, either),
        (conditioning, by),
        (conditioning, either),
    ];
    assert_eq!(asked(&log), expected);
}

#[test]
fn an_event_dated_after_the_death_is_listed_and_in_no_rate_and_no_estimate() {
    let mut log = Log::open();
    log.treat("S1", "2009-03-11");
    log.fact("S1", "disposition", "2009-05-01", json!({"reason": "death", "scope": "study"}));
    let estimates = |log: &Log| {
        let report = log.report(CUTOFF);
        let first = &report.first_events[0];
        let rate = category(&report, "treatment_emergent", "any").rate.as_ref().unwrap().events;
        let (of_first, of_all) = (&report.incidence.any.first, &report.incidence.any.all);
        (
            events(&report, "any"),
            rate,
            of_first.events,
            of_all.events,
            first.subjects.numerator,
            first.deaths_first,
        )
    };
    log.adverse("S1", "2009-05-02", json!({}));
    assert_eq!(estimates(&log), (1, 0, 0, 0, 0, 1));
    assert_eq!(log.report(CUTOFF).incidence.after_death, 1);
    log.adverse("S1", "2009-05-01", json!({}));
    assert_eq!(estimates(&log), (2, 1, 1, 1, 1, 0));
}

#[test]
fn the_table_counts_a_subject_once_and_each_event() {
    let coded = |soc: &str, pt: &str, severity: &str| {
        json!({
            "coding": {"dictionary": "MedDRA", "pt": pt, "soc": soc, "version": {"missing": "unknown"}},
            "severity": severity
        })
    };
    let mut log = Log::open();
    for subject in ["S1", "S2", "S3", "S4"] {
        log.treat(subject, "2009-03-11");
    }
    log.adverse("S1", "2009-03-20", coded("Skin", "Rash", "mild"));
    log.adverse("S1", "2009-03-21", coded("Skin", "Rash", "severe"));
    log.adverse("S1", "2009-03-22", coded("Skin", "Pruritus", "mild"));
    log.adverse("S2", "2009-03-22", coded("Skin", "Pruritus", "moderate"));
    log.adverse("S3", "2009-03-22", coded("Cardiac", "Palpitations", "mild"));
    log.adverse("S3", "2009-03-23", json!({}));
    let report = log.report(CUTOFF);
    let table = &report.tables[0];
    assert_eq!((table.denominator, table.subjects, table.events), (4, 3, 6));
    let rows: Vec<_> = table
        .classes
        .iter()
        .flat_map(|class| std::iter::once(&class.class).chain(&class.terms))
        .map(|row| (row.name.as_str(), row.subjects, row.percent.as_deref().unwrap(), row.events))
        .collect();
    // Most subjects first.
    let expected = [
        ("Skin", 2, "50.00", 4),
        ("Pruritus", 2, "50.00", 2),
        ("Rash", 1, "25.00", 2),
        ("Cardiac", 1, "25.00", 1),
        ("Palpitations", 1, "25.00", 1),
    ];
    assert_eq!(rows, expected);
    assert_eq!(table.classes[0].class.worst_severity, Some(clinical::data::SeverityOfEvent::Severe));
    let not_coded = table.not_coded.as_ref().unwrap();
    assert_eq!((not_coded.subjects, not_coded.events, report.unknowns.not_coded), (1, 1, 1));
}

#[test]
fn events_after_the_cutoff_are_excluded_and_counted() {
    let mut log = Log::open();
    log.treat("S1", "2009-03-11");
    log.adverse("S1", "2009-03-20", json!({}));
    log.adverse("S1", "2010-01-01", json!({}));
    // It may have been before.
    log.adverse("S1", "2009", json!({}));
    let report = log.report("2009-12-31");
    assert_eq!((events(&report, "any"), report.excluded.after_cutoff), (2, 1));
}

#[test]
fn an_amended_event_counts_as_last_stated_and_a_void_one_not_at_all() {
    let mut log = Log::open();
    log.treat("S1", "2009-03-11");
    let first = log.adverse("S1", "2009-03-20", json!({"severity": "mild"}));
    let second = log.replace(first, "2009-03-20", json!({"severity": "severe", "serious_reported": true}));
    let report = log.report(CUTOFF);
    assert_eq!((events(&report, "any"), events(&report, "severe")), (1, 1));
    let listed = &report.seriousness_disagreements[0];
    assert_eq!((listed.first_seq, listed.latest_seq), (first, second));
    log.void(second);
    let report = log.report(CUTOFF);
    assert_eq!((events(&report, "any"), report.excluded.voided_things), (0, 1));
}

#[test]
fn the_first_event_rate_stops_the_time_of_who_had_one() {
    let mut log = Log::open();
    for subject in ["S1", "S2"] {
        log.treat(subject, "2009-03-11");
        log.alive(subject, "2010-03-11");
    }
    log.adverse("S1", "2009-03-21", json!({}));
    log.adverse("S1", "2009-12-21", json!({}));
    let report = log.report(CUTOFF);
    let rate = category(&report, "treatment_emergent", "any").rate.as_ref().unwrap();
    // 10 days of the one, 365 of the other; the second event of the first adds nothing.
    assert_eq!((rate.events, rate.days, rate.time.as_str()), (1, 375, "to_first_event"));
    assert!(category(&report, "all", "any").rate.is_none());
}

#[test]
fn events_after_a_withdrawal_from_all_contact_are_set_aside() {
    let mut log = Log::open();
    log.treat("S1", "2009-03-11");
    let withdrawal =
        json!({"reason": "withdrawal_by_subject", "scope": "study", "withdrawal": "all_contact"});
    log.fact("S1", "disposition", "2009-06-01", withdrawal);
    log.adverse("S1", "2009-06-01", json!({}));
    log.adverse("S1", "2009-06-02", json!({}));
    let report = log.report(CUTOFF);
    assert_eq!((events(&report, "any"), report.excluded.outside_consent), (1, 1));
}

#[test]
fn a_subject_of_whom_all_is_later_than_the_cutoff_is_not_in_the_denominator() {
    let mut log = Log::open();
    log.enroll("S1", "2009-03-01");
    log.enroll("S2", "2010-03-01");
    let report = log.report("2009-12-31");
    assert_eq!((report.populations.all_subjects, report.excluded.subjects_after_cutoff), (1, 1));
}

#[test]
fn a_subject_all_of_whose_records_are_void_is_none() {
    let mut log = Log::open();
    let enrollment = log.enroll("S1", "2009-03-01");
    log.enroll("S2", "2009-03-01");
    log.void(enrollment);
    assert_eq!(log.report(CUTOFF).populations.all_subjects, 1);
}

#[test]
fn without_a_given_cutoff_it_is_the_date_of_the_last_record_in_the_trials_zone() {
    let mut log = Log::open();
    // 2013-01-31T16:30Z is 1 February in Shanghai.
    log.push_at(
        json!({"kind": "enrollment", "site": "S01", "subject": "S1", "occurred_on": "2013-01-30", "data": {}}),
        1_359_649_800_000_000,
    );
    assert_eq!(report::<Folder>(&log.rows(), None).cutoff.date, "2013-02-01");
}
