//! Subjects on the edges of the rules: each with the value expected of it, and why.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at what it did not expect")]

mod support;

use outcomes::{Flow, LossReason, Report};
use report_kit::report;
use serde_json::json;
use support::{Folder, Log};

const CUTOFF: &str = "2012-12-31";

/// Subjects evaluable at so many years.
fn evaluable(report: &Report, years: usize) -> u64 {
    report.waterfall.stages[2 + years].subjects
}

/// The one reason for which a subject is lost to evaluable at one year.
fn loss(report: &Report) -> LossReason {
    let [loss] = report.waterfall.stages[3].losses.as_slice() else { panic!("{:?}", report.waterfall) };
    assert_eq!(loss.subjects, 1);
    loss.reason
}

#[test]
fn a_year_ends_on_the_calendar_anniversary() {
    // 1 March 2009 to 1 March 2010 are 365 days: 364 miss the anniversary by one, 365 reach it. The curve's year of
    // 365.25 days is another thing: only who was followed for 366 is at risk there.
    for (last, days, expected_evaluable, expected_at_risk) in
        [("2010-02-28", 364, 0, 0), ("2010-03-01", 365, 1, 0), ("2010-03-02", 366, 1, 1)]
    {
        let mut log = Log::open();
        log.treat("S1", "2009-03-01");
        log.alive("S1", last);
        let report = log.report(CUTOFF);
        assert_eq!(report.follow_up.days, days);
        assert_eq!(evaluable(&report, 1), expected_evaluable, "{last}");
        assert_eq!(report.survival.from_infusion.landmarks[0].at_risk, expected_at_risk, "{last}");
    }
    // Across 29 February the same anniversary is day 366, so 365 days do not reach it.
    let mut log = Log::open();
    log.treat("S1", "2007-03-01");
    log.alive("S1", "2008-02-29");
    let report = log.report(CUTOFF);
    assert_eq!((report.follow_up.days, evaluable(&report, 1)), (365, 0));
}

#[test]
fn the_anniversary_of_29_february_is_28_february() {
    let mut log = Log::open();
    log.treat("S1", "2008-02-29");
    log.alive("S1", "2009-02-28");
    assert_eq!(evaluable(&log.report(CUTOFF), 1), 1);
    // Four years on there is a 29 February again: the 28th is a day short of it.
    let mut log = Log::open();
    log.treat("S1", "2008-02-29");
    log.alive("S1", "2012-02-28");
    let report = log.report(CUTOFF);
    assert_eq!((evaluable(&report, 3), evaluable(&report, 4)), (1, 0));
}

#[test]
fn a_death_on_the_anniversary_is_a_death_by_then() {
    // As on the curve, which counts a death on day t in S(t).
    let mut log = Log::open();
    log.treat("S1", "2009-03-01");
    log.die("S1", "2010-03-01");
    let report = log.report(CUTOFF);
    assert_eq!((evaluable(&report, 1), loss(&report)), (0, LossReason::Died));
    assert_eq!(report.survival.from_infusion.landmarks[0].survival, "0.000000");
    // The day after, the subject was alive on the anniversary.
    let mut log = Log::open();
    log.treat("S1", "2009-03-01");
    log.die("S1", "2010-03-02");
    let report = log.report(CUTOFF);
    assert_eq!((evaluable(&report, 1), evaluable(&report, 2)), (1, 0));
}

#[test]
fn a_death_known_to_the_year_is_on_the_first_day_it_can_have_been() {
    let died_on = |contacts: &[&str], death: &str| {
        let mut log = Log::open();
        log.treat("S1", "2009-03-01");
        for contact in contacts {
            log.alive("S1", contact);
        }
        log.die("S1", death);
        let report = log.report(CUTOFF);
        assert_eq!((report.survival.deaths.imputed, report.rates[0].imputed), (1, 1));
        report.survival.listing[0].on.clone()
    };
    // Alive on 10 June, so not before it.
    assert_eq!(died_on(&["2009-04-01", "2009-06-10"], "2009"), "2009-06-10");
    // The year after the last contact: its first day.
    assert_eq!(died_on(&["2009-06-10"], "2010"), "2010-01-01");
    // No contact but the infusion itself.
    assert_eq!(died_on(&[], "2009"), "2009-03-01");
    // A contact certainly after the death is a contradiction: it does not move the death.
    assert_eq!(died_on(&["2009-06-10", "2011-01-01"], "2010-02"), "2010-02-01");
}

#[test]
fn a_death_after_a_relapse_counts_in_survival_and_does_not_compete() {
    let mut log = Log::open();
    log.treat("S1", "2009-03-01");
    log.relapse("S1", "2009-06-01");
    log.die("S1", "2009-09-01");
    let report = log.report(CUTOFF);
    let incidence = &report.relapse.cumulative_incidence;
    assert_eq!((incidence.relapses, incidence.deaths_first), (1, 0));
    assert_eq!(report.survival.deaths.numerator, 1);
    assert!(report.survival.listing[0].after_relapse);
    // Time at risk of a first relapse ends with it: 92 days, not 184.
    assert_eq!((report.rates[1].days, report.rates[0].days), (92, 184));
}

#[test]
fn relapse_and_death_on_one_day_are_a_relapse_first() {
    let mut log = Log::open();
    log.treat("S1", "2009-03-01");
    log.relapse("S1", "2009-06-01");
    log.die("S1", "2009-06-01");
    let report = log.report(CUTOFF);
    let incidence = &report.relapse.cumulative_incidence;
    assert_eq!((incidence.relapses, incidence.deaths_first), (1, 0));
    assert_eq!(report.survival.deaths.numerator, 1);
    // A day later it is a relapse of the dead: not counted, and said so.
    let mut log = Log::open();
    log.treat("S1", "2009-03-01");
    log.die("S1", "2009-06-01");
    log.relapse("S1", "2009-06-02");
    let report = log.report(CUTOFF);
    let incidence = &report.relapse.cumulative_incidence;
    assert_eq!((incidence.relapses, incidence.deaths_first), (0, 1));
    assert_eq!((report.excluded.relapses_after_death, report.excluded.contacts_after_death), (1, 1));
}

#[test]
fn of_two_relapses_the_first_counts_once() {
    let mut log = Log::open();
    log.treat("S1", "2009-03-01");
    // Recorded in the other order than they happened.
    log.relapse("S1", "2010-06-01");
    log.relapse("S1", "2009-06-01");
    log.alive("S1", "2011-04-01");
    let report = log.report(CUTOFF);
    let figures = |figures: &[outcomes::Figure]| {
        figures.iter().map(|one| (one.numerator, one.denominator)).collect::<Vec<_>>()
    };
    assert_eq!(figures(&report.relapse.in_year), [(1, 1), (0, 1), (0, 0), (0, 0)]);
    // Relapsed in the first year, so not at risk in the second.
    assert_eq!(figures(&report.relapse.at_risk), [(1, 1), (0, 0), (0, 0), (0, 0)]);
    assert_eq!((report.relapse.ever.numerator, report.rates[1].events), (1, 1));
}

#[test]
fn a_relapse_on_the_anniversary_belongs_to_the_year_it_ends() {
    let mut log = Log::open();
    log.treat("S1", "2009-03-01");
    log.relapse("S1", "2010-03-01");
    log.alive("S1", "2011-03-01");
    let report = log.report(CUTOFF);
    let numerators: Vec<_> = report.relapse.in_year.iter().map(|one| one.numerator).collect();
    assert_eq!(numerators, [1, 0, 0, 0]);
}

#[test]
fn a_relapse_after_a_response_is_one_of_a_later_day() {
    let mut log = Log::open();
    for (subject, response, relapse) in [
        ("S1", "2009-06-01", "2009-09-01"),
        ("S2", "2009-09-01", "2009-06-01"),
        ("S3", "2009-06-01", "2009-06-01"),
    ] {
        log.treat(subject, "2009-03-01");
        log.respond(subject, response, "partial");
        log.relapse(subject, relapse);
    }
    // No response, so not among the responders.
    log.treat("S4", "2009-03-01");
    log.respond("S4", "2009-06-01", "none");
    log.relapse("S4", "2009-09-01");
    let report = log.report(CUTOFF);
    assert_eq!(
        (report.relapse.among_responders.numerator, report.relapse.among_responders.denominator),
        (1, 3)
    );
    assert_eq!(report.relapse.ever.numerator, 4);
}

#[test]
fn who_was_never_infused_is_in_the_flow_and_in_survival_from_enrollment_only() {
    let mut log = Log::open();
    log.enroll("S1", "2009-03-01");
    log.alive("S1", "2009-06-01");
    let report = log.report(CUTOFF);
    let expected = Flow { screened: 1, enrolled: 1, never_infused: 1, ..Flow::default() };
    assert_eq!(report.flow, expected);
    assert_eq!((report.survival.from_enrollment.subjects, report.survival.from_infusion.subjects), (1, 0));
    assert_eq!(report.survival.from_enrollment.steps[0].day, 92);
    // Nobody in the denominator: no percentage and no interval, rather than 0.
    assert_eq!((report.survival.crude.percent, report.survival.crude.intervals.len()), (None, 0));
}

#[test]
fn a_screen_failure_is_screened_and_not_enrolled() {
    let mut log = Log::open();
    let failure = json!({"reason": "screen_failure", "scope": "screening"});
    log.fact("S1", "disposition", "2009-03-01", failure.clone());
    log.enroll("S2", "2009-03-01");
    log.fact("S2", "disposition", "2009-03-02", failure);
    log.treat("S3", "2009-03-01");
    let flow = log.report(CUTOFF).flow;
    assert_eq!((flow.screened, flow.screen_failures, flow.enrolled, flow.infused), (3, 2, 1, 1));
}

#[test]
fn what_is_void_never_held_and_is_counted_as_void() {
    let mut log = Log::open();
    log.treat("S1", "2009-03-01");
    log.alive("S1", "2009-12-31");
    let death = log.die("S1", "2009-06-01");
    assert_eq!(log.report(CUTOFF).survival.deaths.numerator, 1);
    log.void(death);
    let report = log.report(CUTOFF);
    assert_eq!((report.survival.deaths.numerator, report.excluded.voided_things), (0, 1));
    assert_eq!((report.follow_up.days, report.excluded.contacts_after_death), (305, 0));
}

#[test]
fn an_amendment_replaces_its_thing_and_names_both_versions() {
    let mut log = Log::open();
    log.treat("S1", "2009-03-01");
    let first = log.die("S1", "2009-06-01");
    let death = json!({"reason": "death", "scope": "study"});
    let second = log.replace(first, "2009-07-01", death.clone());
    let third = log.replace(second, "2009-08-01", death);
    let report = log.report(CUTOFF);
    let [listed] = report.survival.listing.as_slice() else { panic!("one death") };
    assert_eq!((listed.on.as_str(), listed.day), ("2009-08-01", Some(153)));
    assert_eq!((listed.first_seq, listed.latest_seq), (first, third));
    assert_eq!(report.excluded.amended_things, 1);
}

#[test]
fn an_amended_first_infusion_moves_day_0() {
    let mut log = Log::open();
    let infusion = log.treat("S1", "2009-03-01");
    log.alive("S1", "2010-03-01");
    assert_eq!(evaluable(&log.report(CUTOFF), 1), 1);
    log.replace(infusion, "2009-03-02", json!({}));
    let report = log.report(CUTOFF);
    assert_eq!((evaluable(&report, 1), report.follow_up.days), (0, 364));
}

#[test]
fn what_happened_after_the_cutoff_is_not_counted_but_shows_follow_up_to_it() {
    let mut log = Log::open();
    log.treat("S1", "2009-03-01");
    log.alive("S1", "2009-06-01");
    log.relapse("S1", "2011-01-01");
    let report = log.report("2010-12-31");
    // Seen on 1 January 2011: so in follow-up until the cutoff, a day before, and without relapse.
    assert_eq!((report.relapse.ever.numerator, report.excluded.after_cutoff), (0, 1));
    assert_eq!((report.follow_up.days, evaluable(&report, 1)), (670, 1));
    // A death after the cutoff is no contact: follow-up ends with the last one.
    let mut log = Log::open();
    log.treat("S1", "2009-03-01");
    log.alive("S1", "2009-06-01");
    log.die("S1", "2011-01-01");
    let report = log.report("2010-12-31");
    assert_eq!((report.survival.deaths.numerator, report.follow_up.days), (0, 92));
    assert_eq!(loss(&report), LossReason::NoContact);
}

#[test]
fn a_subject_infused_after_the_cutoff_is_enrolled_and_not_infused() {
    let mut log = Log::open();
    log.enroll("S1", "2009-03-01");
    log.infuse("S1", "2009-04-01");
    let flow = log.report("2009-03-31").flow;
    assert_eq!((flow.enrolled, flow.infused, flow.never_infused), (1, 0, 1));
}

#[test]
fn without_a_given_cutoff_it_is_the_date_of_the_last_record_in_the_trials_zone() {
    let mut log = Log::open();
    // 2013-01-31T16:30Z is 1 February in Shanghai.
    log.push_at(
        json!({"kind": "enrollment", "site": "S01", "subject": "S1", "occurred_on": "2013-01-30", "data": {}}),
        1_359_649_800_000_000,
    );
    let report = report::<Folder>(&log.rows(), None);
    let cutoff = serde_json::to_value(&report.cutoff).unwrap();
    assert_eq!(cutoff, json!({"basis": "last_record", "date": "2013-02-01", "zone": "Asia/Shanghai"}));
}

#[test]
fn the_lost_are_lost_until_they_are_found() {
    let mut log = Log::open();
    log.treat("S1", "2009-03-01");
    log.alive("S1", "2009-06-01");
    log.fact("S1", "disposition", "2009-12-01", json!({"reason": "lost_to_follow_up", "scope": "study"}));
    let lost = log.report(CUTOFF);
    // Being declared lost is no contact.
    assert_eq!((lost.flow.lost, lost.follow_up.days, loss(&lost)), (1, 92, LossReason::Lost));
    log.alive("S1", "2011-06-01");
    let found = log.report(CUTOFF);
    assert_eq!((found.flow.lost, found.flow.in_follow_up, evaluable(&found, 1)), (0, 1, 1));
}

#[test]
fn each_scope_of_withdrawal_ends_what_it_says() {
    let outcome = |scope: &str| {
        let mut log = Log::open();
        log.treat("S1", "2009-03-01");
        let withdrawal = json!({"reason": "withdrawal_by_subject", "scope": "study", "withdrawal": scope});
        log.fact("S1", "disposition", "2009-06-01", withdrawal);
        log.relapse("S1", "2009-09-01");
        log.alive("S1", "2010-06-01");
        let report = log.report(CUTOFF);
        (
            report.flow.withdrawn,
            report.relapse.ever.numerator,
            report.follow_up.days,
            report.excluded.outside_consent,
        )
    };
    // From all contact: censored there, both later facts set aside.
    assert_eq!(outcome("all_contact"), (1, 0, 92, 2));
    // From visits: the visit is set aside, the phone call is not.
    assert_eq!(outcome("visits"), (0, 0, 457, 1));
    assert_eq!(outcome("treatment"), (0, 1, 457, 0));
    assert_eq!(outcome("samples"), (0, 1, 457, 0));
}

#[test]
fn whose_first_infusion_has_no_day_is_listed_and_not_analysed() {
    let analysable = |days: &[&str]| {
        let mut log = Log::open();
        log.enroll("S1", "2009-01-01");
        for day in days {
            log.infuse("S1", day);
        }
        let report = log.report(CUTOFF);
        assert_eq!(report.flow.infused, 1);
        assert_eq!(report.not_analysable.len() as u64 + report.follow_up.subjects, 1);
        report.follow_up.subjects == 1
    };
    assert!(!analysable(&["2009-03"]));
    // It may have been before the one whose day is known.
    assert!(!analysable(&["2009-03-11", "2009-03"]));
    // It was certainly later.
    assert!(analysable(&["2009-03-11", "2009-04"]));
}

#[test]
fn a_death_before_the_first_infusion_is_listed_as_a_contradiction() {
    let mut log = Log::open();
    log.treat("S1", "2009-03-01");
    log.die("S1", "2009-02-01");
    let report = log.report(CUTOFF);
    assert_eq!(report.not_analysable[0].reason, "death_before_infusion");
    assert_eq!(report.survival.from_infusion.subjects, 0);
}

#[test]
fn remission_is_read_at_the_nearest_judged_visit_of_the_window() {
    // Anniversary: 1 March 2010.
    let at_one_year = |visits: &[(&str, &str)]| {
        let mut log = Log::open();
        log.treat("S1", "2009-03-01");
        log.alive("S1", "2010-06-01");
        for (on, status) in visits {
            log.respond("S1", on, status);
        }
        let report = log.report(CUTOFF);
        let year = &report.remission.figures[0];
        assert_eq!(year.figure.denominator, 1);
        (year.figure.numerator, year.without_visit, year.not_determinable)
    };
    assert_eq!(at_one_year(&[("2010-04-30", "complete")]), (1, 0, 0));
    // 61 days off: evaluable without a visit is not in remission, and shown.
    assert_eq!(at_one_year(&[("2010-05-01", "complete")]), (0, 1, 0));
    assert_eq!(at_one_year(&[("2009-12-31", "complete")]), (1, 0, 0));
    assert_eq!(at_one_year(&[("2009-12-30", "complete")]), (0, 1, 0));
    // The nearer one says it, whatever the other.
    assert_eq!(at_one_year(&[("2010-02-20", "complete"), ("2010-03-20", "none")]), (1, 0, 0));
    // As near: the later.
    assert_eq!(at_one_year(&[("2010-02-24", "complete"), ("2010-03-06", "none")]), (0, 0, 0));
    assert_eq!(at_one_year(&[("2010-02-24", "none"), ("2010-03-06", "complete")]), (1, 0, 0));
    // Two of one day that disagree: the less favourable, in whichever order they arrived.
    assert_eq!(at_one_year(&[("2010-03-01", "complete"), ("2010-03-01", "none")]), (0, 0, 0));
    assert_eq!(at_one_year(&[("2010-03-01", "none"), ("2010-03-01", "complete")]), (0, 0, 0));
    assert_eq!(at_one_year(&[("2010-03-01", "not_determinable")]), (0, 0, 1));
}

#[test]
fn a_relapse_nearer_to_the_anniversary_than_a_remission_says_that_there_is_none() {
    // Anniversary: 1 March 2010.
    let relapse = |response: Option<&str>| {
        let mut data = json!({"relapse": {"definition": "relapse-1", "relapsed": true}, "status": "done"});
        if let Some(status) = response {
            data["response"] = json!({"definition": "ccr-registry-1", "status": status});
        }
        data
    };
    let at_one_year = |remission: &str, on: &str, data: serde_json::Value| {
        let mut log = Log::open();
        log.treat("S1", "2009-03-01");
        log.alive("S1", "2010-06-01");
        log.respond("S1", remission, "complete");
        log.fact("S1", "visit", on, data);
        let report = log.report(CUTOFF);
        let year = &report.remission.figures[0];
        (year.figure.numerator, year.without_visit)
    };
    assert_eq!(at_one_year("2010-02-10", "2010-03-01", relapse(None)), (0, 0));
    // Farther than the remission; and what is stated of the same visit counts.
    assert_eq!(at_one_year("2010-03-02", "2010-02-10", relapse(None)), (1, 0));
    assert_eq!(at_one_year("2010-02-10", "2010-03-01", relapse(Some("complete"))), (1, 0));
    assert_eq!(at_one_year("2010-03-01", "2010-03-01", relapse(None)), (1, 0));
}

#[test]
fn judgements_by_another_definition_are_counted_and_not_used() {
    let mut log = Log::open();
    log.treat("S1", "2009-03-01");
    let other = json!({
        "relapse": {"definition": "sfi-1", "relapsed": true},
        "response": {"definition": "doris-2021", "status": "complete"}, "status": "done"
    });
    log.fact("S1", "visit", "2010-03-01", other);
    let report = log.report(CUTOFF);
    assert_eq!((report.relapse.ever.numerator, report.remission.figures.len()), (0, 0));
    let counted =
        (report.excluded.relapses_by_other_definitions, report.excluded.responses_by_other_definitions);
    assert_eq!(counted, (1, 1));
}

#[test]
fn an_incomplete_score_is_not_in_the_statistics_and_the_baseline_is_the_last_before_treatment() {
    let all = |present: &[&str], missing: usize| {
        let mut items = serde_json::Map::new();
        for item in clinical::sledai::Descriptor::ALL.into_iter().skip(missing) {
            let name = serde_json::to_value(item).unwrap().as_str().unwrap().to_owned();
            let presence = if present.contains(&name.as_str()) { "present" } else { "absent" };
            items.insert(name, json!(presence));
        }
        items
    };
    let mut log = Log::open();
    for (subject, early, late, items_missing) in
        [("S1", "arthritis", "rash", 0), ("S2", "proteinuria", "fever", 0), ("S3", "pyuria", "rash", 1)]
    {
        log.enroll(subject, "2009-02-01");
        log.infuse(subject, "2009-03-01");
        let visit = |items| json!({"planned": "baseline", "sledai": items, "status": "done"});
        log.fact(subject, "visit", "2009-02-01", visit(all(&["psychosis"], items_missing)));
        log.fact(subject, "visit", "2009-02-28", visit(all(&[early], items_missing)));
        let visit = |items| json!({"planned": "month 3", "sledai": items, "status": "done"});
        log.fact(subject, "visit", "2009-06-01", visit(all(&[late], 0)));
    }
    let report = log.report(CUTOFF);
    let total = report.measures.tables.iter().find(|table| table.measure == "sledai_total").unwrap();
    let baseline = &total.rows[0];
    assert_eq!((baseline.visit.as_str(), baseline.n, baseline.incomplete), ("baseline", 2, Some(1)));
    // 4 and 4, on 28 February; the 8 of four weeks before is not the last.
    assert_eq!((baseline.mean.as_deref(), baseline.max.as_deref()), (Some("4.0"), Some("4")));
    assert_eq!((baseline.missing, baseline.changed.as_ref()), (1, None));
    let month_3 = &total.rows[1];
    // 2, 1 and 2: mean 5/3, standard deviation 1/√3.
    let shown = (month_3.n, month_3.mean.as_deref(), month_3.sd.as_deref(), month_3.median.as_deref());
    assert_eq!(shown, (3, Some("1.7"), Some("0.58"), Some("2.0")));
    // By EULAR's bands 1 to 4 are low. From 4 to 2 is no change, from 4 to 1 neither: more than 3 would be.
    let bands = |row: usize| -> Vec<(&str, u64)> {
        total.rows[row].bands.iter().map(|band| (band.name.as_str(), band.subjects)).collect()
    };
    assert_eq!(bands(0), [("none", 0), ("low", 2), ("moderate", 0), ("high", 0)]);
    assert_eq!(bands(1), [("none", 0), ("low", 3), ("moderate", 0), ("high", 0)]);
    let changed = month_3.changed.as_ref().unwrap();
    assert_eq!((changed.better, changed.unchanged, changed.worse), (0, 2, 0));
}

#[test]
fn a_trial_without_the_instruments_has_empty_sections() {
    let mut log = Log::open();
    log.treat("S1", "2009-03-01");
    log.fact("S1", "visit", "2010-04-01", json!({"status": "done"}));
    let report = log.report(CUTOFF);
    assert!(report.remission.figures.is_empty() && report.measures.tables.is_empty());
    assert_eq!(report.relapse.ever.numerator, 0);
}

#[test]
fn a_dosing_period_is_contact_until_its_last_day_and_missed_visits_are_none() {
    let mut log = Log::open();
    log.enroll("S1", "2009-03-01");
    log.fact("S1", "infusion", "2009-03-01", json!({"stopped_on": "2009-06-01"}));
    log.fact("S1", "visit", "2010-06-01", json!({"planned": "month 15", "status": "missed"}));
    let report = log.report(CUTOFF);
    assert_eq!((report.follow_up.days, loss(&report)), (92, LossReason::Missed));
    // Nobody saw the relapse of a visit that was missed: set aside, and counted.
    let relapse = json!({"relapse": {"definition": "relapse-1", "relapsed": true}, "status": "missed"});
    log.fact("S1", "visit", "2010-07-01", relapse);
    let report = log.report(CUTOFF);
    assert_eq!((report.relapse.ever.numerator, report.excluded.judgements_of_missed_visits), (0, 1));
}

#[test]
fn rows_out_of_order_or_unknown_make_no_report() {
    use clinical::rows::RowsError;
    use outcomes::{Covered, Parameters, ReportError};
    let mut log = Log::open();
    log.treat("S1", "2009-03-01");
    let make = |rows: Vec<(Vec<u8>, Vec<u8>)>| {
        let covered = Covered { records: 1, head: chain::RecordHash([7; 32]) };
        outcomes::report(rows.into_iter(), &Parameters::default(), covered)
    };
    let rows: Vec<_> = log.rows().into_iter().collect();
    assert!(make(rows.clone()).is_ok());
    let mut twice = rows.clone();
    twice.push(rows.last().unwrap().clone());
    assert!(matches!(make(twice), Err(ReportError::Rows(RowsError::Order))));
    let mut unknown = rows.clone();
    unknown.push((b"zzz".to_vec(), b"{}".to_vec()));
    assert!(matches!(make(unknown), Err(ReportError::Rows(RowsError::Row))));
    assert!(matches!(make(Vec::new()), Err(ReportError::Rows(RowsError::NotOpened))));
}
