//! Infusion reactions, graft-versus-host disease, infections and malignancies, incidence, time to the first event and
//! laboratory shift: each with values worked by hand.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at what it did not expect")]

mod support;

use safety::{FirstEvent, Report, ShiftTable, TimingClass};
use serde_json::{Value, json};
use support::Log;

const CUTOFF: &str = "2012-12-31";

fn coded(soc: &str, pt: &str) -> Value {
    json!({"coding": {"dictionary": "MedDRA", "pt": pt, "soc": soc, "version": "26.0"}})
}

/// Enrolled, and infused on 11 March 2009 at 10:00 in Shanghai.
fn treat_at_ten(log: &mut Log, subject: &str) -> u64 {
    log.enroll(subject, "2009-03-01");
    log.fact(subject, "infusion", "2009-03-11", json!({"started_at": "2009-03-11T10:00+08:00"}))
}

#[test]
fn reactions_are_what_began_or_may_have_begun_within_a_day_of_an_infusion() {
    let mut log = Log::open();
    let infusion = treat_at_ten(&mut log, "S1");
    let with_time = log.adverse(
        "S1",
        "2009-03-12",
        json!({
            "causality": {"procedure": "certain", "product": "unlikely"}, "onset_at": "2009-03-12T08:30+08:00",
            "ctcae": {"grade": 2, "version": "5.0"}, "outcome": "recovered"
        }),
    );
    // A second infusion, and an event the day after it without a time.
    let second = log.fact("S1", "infusion", "2009-09-11", json!({"started_at": "2009-09-11T10:00+08:00"}));
    log.adverse("S1", "2009-09-12", json!({"seriousness": ["life_threatening"]}));
    // More than 24 hours by the times; two days later; before.
    treat_at_ten(&mut log, "S2");
    log.adverse("S2", "2009-03-12", json!({"onset_at": "2009-03-12T10:01+08:00"}));
    log.adverse("S2", "2009-03-13", json!({}));
    log.adverse("S2", "2009-03-10", json!({}));
    // It may have been that day: listed, in no figure.
    treat_at_ten(&mut log, "S3");
    log.adverse("S3", "2009-03", json!({}));
    log.adverse("S3", "2009-04", json!({}));
    // Never treated.
    log.enroll("S4", "2009-03-01");
    log.adverse("S4", "2009-03-11", json!({}));
    let section = log.report(CUTOFF).infusion_reactions;
    let infusions = section.infusions.unwrap();
    assert_eq!((section.subjects.numerator, section.subjects.denominator), (1, 3));
    assert_eq!((infusions.numerator, infusions.denominator), (2, 4));
    // Two of four: Clopper-Pearson 6.76 to 93.24.
    let exact = &infusions.intervals[0];
    assert_eq!((exact.lower.as_str(), exact.upper.as_str()), ("6.76", "93.24"));
    assert_eq!((section.events, section.time_unknown, section.undetermined), (2, 1, 1));
    let [first, later, undetermined] = section.listing.as_slice() else { panic!("{:?}", section.listing) };
    assert_eq!(
        (first.infusion, first.infused_on.as_deref(), first.hours.as_deref(), first.class),
        (Some(1), Some("2009-03-11"), Some("22.5"), TimingClass::Within24Hours)
    );
    assert_eq!((first.infusion_seq, first.event.first_seq), (Some(infusion), with_time));
    let event = &first.event;
    assert_eq!((event.procedure.as_str(), event.product.as_str()), ("related", "unrelated"));
    assert_eq!((event.grade, event.serious, event.day), (Some(2), false, Some(1)));
    assert_eq!(
        (later.infusion, later.infusion_seq, later.hours.as_deref(), later.class),
        (Some(2), Some(second), None, TimingClass::OneDayTimeUnknown)
    );
    assert!(later.event.serious);
    assert_eq!(
        (undetermined.event.subject.as_str(), undetermined.infusion, undetermined.class),
        ("S3", None, TimingClass::Undetermined)
    );
}

#[test]
fn what_worsens_with_an_infusion_is_a_reaction_from_the_day_it_had_worsened() {
    let mut log = Log::open();
    treat_at_ten(&mut log, "S1");
    let before = log.adverse("S1", "2009-03-01", json!({"severity": "mild"}));
    assert_eq!(log.report(CUTOFF).infusion_reactions.events, 0);
    log.carry_on(before, "2009-03-12", json!({"severity": "severe"}));
    let section = log.report(CUTOFF).infusion_reactions;
    assert_eq!((section.events, section.time_unknown, section.infusions.unwrap().numerator), (1, 1, 1));
    assert!(section.listing[0].worsened);
}

#[test]
fn no_reaction_prints_what_is_still_possible() {
    let mut log = Log::open();
    for subject in ["S1", "S2", "S3"] {
        log.treat(subject, "2009-03-11");
    }
    let section = log.report(CUTOFF).infusion_reactions;
    // 1 - 0.05^(1/3).
    let bound = section.infusions.unwrap().no_events.unwrap();
    assert_eq!((section.events, bound.one_sided_upper_percent.as_str()), (0, "63.160"));
}

fn examine(log: &mut Log, subject: &str, on: &str, gvhd: &Value) -> u64 {
    log.fact(subject, "visit", on, json!({"gvhd": gvhd, "status": "done"}))
}

fn stages(skin: u8, liver: u8, upper_gi: u8, lower_gi: u8) -> Value {
    json!({"liver": liver, "lower_gi": lower_gi, "skin": skin, "upper_gi": upper_gi})
}

#[test]
fn graft_versus_host_disease_has_the_examined_for_its_denominator() {
    let mut log = Log::open();
    for subject in ["S1", "S2", "S3", "S4"] {
        log.treat(subject, "2009-03-11");
    }
    // Before, and on the day of infusion: neither is after it.
    examine(&mut log, "S1", "2009-03-01", &stages(1, 0, 0, 0));
    examine(&mut log, "S1", "2009-03-11", &stages(1, 0, 0, 0));
    let first = examine(&mut log, "S1", "2009-04-10", &stages(1, 0, 0, 0));
    examine(&mut log, "S1", "2009-05-10", &stages(2, 2, 0, 0));
    examine(&mut log, "S1", "2009-06-10", &stages(0, 0, 0, 0));
    examine(&mut log, "S2", "2009-04-10", &stages(0, 0, 0, 0));
    examine(&mut log, "S3", "2009-04-10", &json!({"missing": "not_done"}));
    log.enroll("S5", "2009-03-11");
    examine(&mut log, "S5", "2009-04-10", &stages(4, 0, 0, 0));
    let section = log.report(CUTOFF).gvhd;
    assert_eq!((section.assessed.numerator, section.assessed.denominator), (2, 4));
    assert_eq!((section.assessments, section.not_done), (4, 1));
    let figures: Vec<_> = section
        .figures
        .iter()
        .map(|figure| (figure.id.as_str(), figure.numerator, figure.denominator, figure.no_events.is_some()))
        .collect();
    let expect = [
        ("gvhd.any", 1, 2, false),
        ("gvhd.skin", 1, 2, false),
        ("gvhd.liver", 1, 2, false),
        ("gvhd.upper_gi", 0, 2, true),
        ("gvhd.lower_gi", 0, 2, true),
    ];
    assert_eq!(figures, expect);
    assert_eq!(section.stages[0].subjects, [1, 0, 1, 0, 0]);
    // Liver stage 2 makes grade III.
    assert_eq!(section.grades, [1, 0, 0, 1, 0]);
    let [listed] = section.listing.as_slice() else { panic!("{:?}", section.listing) };
    assert_eq!((listed.subject.as_str(), listed.on.as_str(), listed.day), ("S1", "2009-04-10", Some(30)));
    assert_eq!((listed.skin, listed.liver, listed.grade, listed.positive), (2, 2, 3, 2));
    assert_eq!((listed.first_seq, listed.latest_seq), (first, first));
}

#[test]
fn an_examination_that_may_have_been_before_the_infusion_counts_as_after_and_is_shown() {
    let mut log = Log::open();
    log.enroll("S1", "2009-01-01");
    log.infuse("S1", "2009-03-11");
    examine(&mut log, "S1", "2009-03", &stages(0, 0, 1, 0));
    let section = log.report(CUTOFF).gvhd;
    assert_eq!((section.figures[0].numerator, section.figures[0].imputed), (1, 1));
    assert_eq!((section.grades, section.listing[0].day), ([0, 0, 1, 0, 0], None));
    // After the cutoff it is counted there and nowhere else.
    let earlier = log.report("2009-02-28");
    assert_eq!((earlier.gvhd.assessments, earlier.excluded.examinations_after_cutoff), (0, 1));
}

const INFECTIONS: &str = "Infections and infestations";
const NEOPLASMS: &str = "NEOPLASMS BENIGN, MALIGNANT AND UNSPECIFIED (INCL CYSTS AND POLYPS)";

#[test]
fn infections_and_malignancies_are_those_of_their_classes() {
    let mut log = Log::open();
    for subject in ["S1", "S2"] {
        log.treat(subject, "2009-03-11");
        log.alive(subject, "2010-03-11");
    }
    let with = |soc: &str, pt: &str, more: Value| {
        let mut data = coded(soc, pt);
        data.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        data
    };
    log.adverse("S1", "2009-03-01", coded(INFECTIONS, "Cystitis"));
    log.adverse("S1", "2009-03-21", coded(INFECTIONS, "Herpes zoster"));
    let sepsis = json!({"ctcae": {"grade": 4, "version": "5.0"}, "seriousness": ["hospitalisation"]});
    log.adverse("S1", "2009-06-19", with(INFECTIONS, "Sepsis", sepsis));
    log.adverse("S2", "2009-06-19", with(NEOPLASMS, "Lymphoma", json!({"outcome": "fatal"})));
    log.adverse("S2", "2009-06-19", coded("Skin", "Rash"));
    let report = log.report(CUTOFF);
    let [infections, malignancies] = report.of_interest.as_slice() else { panic!("two groups") };
    let counts = |section: &safety::InterestSection| -> Vec<(u64, u64)> {
        section.categories.iter().map(|one| (one.events, one.subjects.numerator)).collect()
    };
    assert_eq!(counts(infections), [(2, 1), (1, 1), (1, 1), (0, 0)]);
    assert_eq!(
        infections.categories[3].subjects.no_events.as_ref().unwrap().one_sided_upper_percent,
        "77.639"
    );
    assert_eq!(counts(malignancies), [(1, 1), (0, 0), (0, 0), (1, 1)]);
    let listed: Vec<_> = infections.listing.iter().map(|one| (one.pt.as_deref(), one.day)).collect();
    assert_eq!(listed, [(Some("Herpes zoster"), Some(10)), (Some("Sepsis"), Some(100))]);
    // The one to day 10, the other 365 days; and all of both.
    assert_eq!((infections.first.events, infections.first.days), (1, 375));
    assert_eq!((infections.all.events, infections.all.days), (2, 730));
}

#[test]
fn rates_by_class_and_term_stop_the_time_at_the_first_event_or_take_it_all() {
    let mut log = Log::open();
    for subject in ["S1", "S2"] {
        log.treat(subject, "2009-03-11");
        log.alive(subject, "2010-03-11");
    }
    log.adverse("S1", "2009-03-21", coded("Skin", "Rash"));
    log.adverse("S1", "2009-03-31", coded("Skin", "Rash"));
    log.adverse("S1", "2009-04-10", coded("Skin", "Pruritus"));
    log.adverse("S1", "2009-03-01", coded("Skin", "Pruritus"));
    // No certain day 0, no time at risk.
    log.treat("S3", "2009");
    log.adverse("S3", "2011-01-01", coded("Skin", "Rash"));
    let section = log.report(CUTOFF).incidence;
    assert_eq!(section.without_day, 1);
    let [class] = section.classes.as_slice() else { panic!("one class") };
    assert_eq!((class.class.first.events, class.class.first.days), (1, 375));
    let rows: Vec<_> = class
        .terms
        .iter()
        .map(|row| (row.name.as_str(), row.first.events, row.first.days, row.all.events, row.all.days))
        .collect();
    assert_eq!(rows, [("Rash", 1, 375, 2, 730), ("Pruritus", 1, 395, 1, 730)]);
    // 1 in 375/365.25 years; limits 0.0253178 and 5.5716434 by quantiles of chi-square.
    let first = &class.class.first;
    assert_eq!(first.per_100_patient_years.as_deref(), Some("97.400"));
    assert_eq!((first.intervals[0].lower.as_str(), first.intervals[0].upper.as_str()), ("2.466", "542.678"));
    assert_eq!((first.time.as_str(), class.class.all.time.as_str()), ("to_first_event", "all"));
}

/// Five subjects infused on 1 January 2009: an event on day 10, death on day 20, last contact on day 25, an event on day
/// 40, last contact on day 400.
fn five() -> Log {
    let mut log = Log::open();
    for subject in ["S1", "S2", "S3", "S4", "S5"] {
        log.treat(subject, "2009-01-01");
    }
    log.alive("S1", "2009-12-01");
    log.adverse("S1", "2009-01-11", json!({"causality": {"product": "none"}}));
    log.adverse("S1", "2009-01-09", json!({"causality": {"product": "none"}}));
    log.void(log.records.len() as u64 - 1);
    log.die("S2", "2009-01-21");
    log.alive("S3", "2009-01-26");
    log.alive("S4", "2009-12-01");
    log.adverse("S4", "2009-02-10", json!({"causality": {"product": "none"}}));
    log.alive("S5", "2010-02-05");
    log
}

fn curve<'a>(report: &'a Report, id: &str) -> &'a FirstEvent {
    report.first_events.iter().find(|one| one.id == id).unwrap()
}

#[test]
fn the_incidence_of_a_first_event_counts_death_as_competing() {
    let report = five().report(CUTOFF);
    let any = curve(&report, "any");
    assert_eq!((any.subjects.numerator, any.subjects.denominator), (2, 5));
    assert_eq!((any.deaths_first, any.censored), (1, 2));
    let values: Vec<_> = any
        .landmarks
        .iter()
        .map(|at| (at.months, at.at_risk, at.event.as_str(), at.death_first.as_str(), at.event_free.as_str()))
        .collect();
    // By hand: 1/5; then (4/5)(1/4) died; then (3/5)(1/2) more.
    let expect = [
        (1, 2, "0.200000", "0.200000", "0.600000"),
        (3, 1, "0.500000", "0.200000", "0.300000"),
        (6, 1, "0.500000", "0.200000", "0.300000"),
        (12, 1, "0.500000", "0.200000", "0.300000"),
        (24, 0, "0.500000", "0.200000", "0.300000"),
    ];
    assert_eq!(values, expect);
    // Variances 4/125 and 0.0125 + 0.0075 + 0.045.
    let errors: Vec<_> = any.landmarks.iter().map(|at| at.standard_error.as_str()).collect();
    assert_eq!(errors[..2], ["0.178885", "0.254951"]);
    let interval = &any.landmarks[1].intervals[0];
    assert_eq!((interval.method.as_str(), interval.lower.as_str(), interval.upper.as_str()), LIMITS);
}

/// `0.5^exp(±1.959964·0.254951/(0.5 ln 0.5))`.
const LIMITS: (&str, &str, &str) = ("log-log", "0.053350", "0.848803");

#[test]
fn without_any_event_the_incidence_is_zero_without_limits_and_its_bound_is_said() {
    let report = five().report(CUTOFF);
    let serious = curve(&report, "serious");
    assert_eq!((serious.subjects.numerator, serious.deaths_first, serious.censored), (0, 1, 4));
    // 1 - 0.05^(1/5).
    assert_eq!(serious.subjects.no_events.as_ref().unwrap().one_sided_upper_percent, "45.072");
    assert!(serious.landmarks.iter().all(|at| at.event == "0.000000" && at.intervals.is_empty()));
    let nobody = Log::open().report(CUTOFF);
    assert!(curve(&nobody, "any").landmarks.is_empty());
}

#[test]
fn an_event_on_the_day_of_death_comes_first_and_one_after_the_last_contact_was_observed() {
    let mut log = Log::open();
    log.treat("S1", "2009-01-01");
    log.die("S1", "2009-01-21");
    log.adverse("S1", "2009-01-21", json!({}));
    log.treat("S2", "2009-01-01");
    log.adverse("S2", "2009-02-10", json!({}));
    let report = log.report(CUTOFF);
    let any = curve(&report, "any");
    assert_eq!((any.subjects.numerator, any.deaths_first), (2, 0));
    assert_eq!((any.landmarks[0].event.as_str(), any.landmarks[1].event.as_str()), ("0.500000", "1.000000"));
}

/// An observation of albumin with the range 35 to 50.
fn albumin(value: &str) -> Value {
    json!({
        "loinc": "1751-7", "range": {"high": "50", "low": "35"}, "reported": {"unit": "g/L", "value": value},
        "ucum": {"unit": "g/L", "value": "1"}
    })
}

fn measure(log: &mut Log, subject: &str, on: &str, values: &[&str]) {
    let observations: Vec<_> = values.iter().map(|value| albumin(value)).collect();
    log.fact(subject, "visit", on, json!({"observations": observations, "status": "done"}));
}

fn rows(table: &ShiftTable) -> Vec<(&str, u64, [u64; 5])> {
    table
        .rows
        .iter()
        .map(|row| {
            let worst = [row.low, row.normal, row.high, row.missing, row.low_and_high];
            (row.baseline.as_str(), row.subjects, worst)
        })
        .collect()
}

#[test]
fn the_shift_is_from_the_last_value_before_to_the_worst_after() {
    let mut log = Log::open();
    for subject in ["S1", "S2", "S3", "S4", "S5", "S6"] {
        log.treat(subject, "2009-03-11");
    }
    // Low, then normal on the day of infusion itself: normal. Afterwards both too low and too high.
    measure(&mut log, "S1", "2009-03-01", &["30"]);
    measure(&mut log, "S1", "2009-03-11", &["35"]);
    measure(&mut log, "S1", "2009-04-11", &["34.9"]);
    measure(&mut log, "S1", "2009-05-11", &["50.1"]);
    measure(&mut log, "S1", "2009-06-11", &["40"]);
    // Of two on one day the one outside the range.
    measure(&mut log, "S2", "2009-03-01", &["30", "40"]);
    measure(&mut log, "S2", "2009-04-11", &["50"]);
    // Nothing before, and nothing after.
    measure(&mut log, "S3", "2009-04-11", &["60"]);
    measure(&mut log, "S4", "2009-03-01", &["60"]);
    // No number; a date that may be either; no range. S6 has nothing at all.
    measure(&mut log, "S5", "2009-04-11", &["<2"]);
    measure(&mut log, "S5", "2009", &["30"]);
    let mut without = albumin("30");
    without.as_object_mut().unwrap().remove("range");
    log.fact("S5", "visit", "2009-04-11", json!({"observations": [without], "status": "done"}));
    // Not treated.
    log.enroll("S7", "2009-03-11");
    measure(&mut log, "S7", "2009-04-11", &["60"]);
    let section = log.report(CUTOFF).laboratory;
    assert_eq!((section.without_range, section.not_a_number, section.date_unknown), (1, 1, 1));
    let [table] = section.analytes.as_slice() else { panic!("{:?}", section.analytes) };
    assert_eq!((table.analyte.as_str(), section.subjects), ("1751-7", 6));
    let expect = [
        ("low", 1, [0, 1, 0, 0, 0]),
        ("normal", 1, [1, 0, 1, 0, 1]),
        ("high", 1, [0, 0, 0, 1, 0]),
        ("missing", 3, [0, 0, 1, 2, 0]),
    ];
    assert_eq!(rows(table), expect);
}
