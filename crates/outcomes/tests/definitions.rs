//! A trial's own definitions rule: of landmarks, of who is evaluable, of completed dates, of relapse and its measures.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at what it did not expect")]

mod support;

use outcomes::{Figure, LossReason, Report};
use serde_json::{Value, json};
use support::Log;

const CUTOFF: &str = "2012-12-31";

/// An opened trial that chooses by `chosen` and brings definitions of its own: id, kind and parameters of each.
fn opened(chosen: &[(&str, &str)], own: &[(&str, &str, Value)]) -> Log {
    let mut log = Log::open();
    let definitions = &mut log.records[0].0["data"]["definitions"];
    for (of, id) in chosen {
        definitions[of] = json!(id);
    }
    let own: Vec<Value> = own
        .iter()
        .map(|(id, of, parameters)| {
            json!({"id": id, "of": of, "parameters": parameters, "text": "A text.", "title": format!("Own {id}")})
        })
        .collect();
    definitions["own"] = json!(own);
    log
}

fn evaluable_by(id: &str) -> Log {
    opened(&[("evaluable", id)], &[])
}

fn ratio(figure: &Figure) -> (u64, u64) {
    (figure.numerator, figure.denominator)
}

/// Id, of which, subjects and losses of a stage.
type Shown<'a> = (&'a str, Option<&'a str>, u64, Vec<(LossReason, u64)>);

/// The stages from `analysable` on.
fn stages(report: &Report) -> Vec<Shown<'_>> {
    let stages = report.waterfall.stages[2..].iter().map(|stage| {
        let losses = stage.losses.iter().map(|loss| (loss.reason, loss.subjects)).collect();
        (stage.id.as_str(), stage.of.as_deref(), stage.subjects, losses)
    });
    stages.collect()
}

#[test]
fn landmarks_are_the_years_that_the_trial_states() {
    let landmarks = json!({"window_days": 10, "years": [3, 1, 3]});
    let mut log = opened(&[("landmarks", "two-marks-1")], &[("two-marks-1", "landmarks", landmarks)]);
    log.treat("S1", "2009-03-01");
    log.alive("S1", "2012-06-01");
    // 11 days off: outside this window, though inside the shipped one.
    log.respond("S1", "2010-03-12", "complete");
    log.respond("S1", "2012-03-11", "complete");
    // In the third year, not the second, which is no landmark.
    log.relapse("S1", "2011-03-02");
    let report = log.report(CUTOFF);
    assert!(report.definitions_replaced.is_empty());
    let remission = &report.remission;
    assert_eq!((remission.landmarks.as_str(), remission.window_days), ("two-marks-1", 10));
    let at: Vec<_> = remission.figures.iter().map(|one| (one.landmark.as_str(), one.without_visit)).collect();
    assert_eq!(at, [("year_1", 1), ("year_3", 0)]);
    let ids: Vec<_> = report.relapse.in_year.iter().map(|one| (one.id.as_str(), ratio(one))).collect();
    assert_eq!(ids, [("relapse.in_year.year_1", (0, 1)), ("relapse.in_year.year_3", (1, 1))]);
    let labels: Vec<_> =
        report.survival.from_infusion.landmarks.iter().map(|one| (one.label.as_str(), &*one.days)).collect();
    assert_eq!(labels, [("12 months", "365.25"), ("36 months", "1095.75")]);
    assert_eq!(report.relapse.cumulative_incidence.landmarks.len(), 2);
    assert_eq!(
        stages(&report)[1..].iter().map(|stage| stage.0).collect::<Vec<_>>(),
        ["evaluable_1", "evaluable_3"]
    );
    assert_eq!(report.strata[0].levels[0].relapse.len(), 2);
}

#[test]
fn what_is_over_within_a_year_has_landmarks_in_days() {
    let landmarks = json!({"days": [182, 56], "window_days": 14, "years": [1]});
    let mut log = opened(&[("landmarks", "weeks-1")], &[("weeks-1", "landmarks", landmarks)]);
    log.treat("S1", "2009-03-01");
    log.respond("S1", "2009-04-20", "partial");
    // Day 182 is 30 August; day 57 is in its period, which begins after day 56.
    log.respond("S1", "2009-09-13", "complete");
    log.relapse("S1", "2009-04-27");
    log.alive("S1", "2009-12-31");
    let report = log.report(CUTOFF);
    let remission: Vec<_> = report
        .remission
        .figures
        .iter()
        .map(|one| (one.landmark.as_str(), ratio(&one.figure), one.partial))
        .collect();
    // The relapse on day 57 is nearer to day 56 than the response before it.
    assert_eq!(remission, [("day_56", (0, 1), 0), ("day_182", (1, 1), 0), ("year_1", (0, 0), 0)]);
    let relapse: Vec<_> = report.relapse.in_year.iter().map(|one| (one.id.as_str(), ratio(one))).collect();
    assert_eq!(
        relapse,
        [
            ("relapse.in_year.day_56", (0, 1)),
            ("relapse.in_year.day_182", (1, 1)),
            ("relapse.in_year.year_1", (0, 0))
        ]
    );
    let stages: Vec<_> =
        report.waterfall.stages[3..].iter().map(|one| (one.id.as_str(), one.label.as_str())).collect();
    assert_eq!(
        stages,
        [
            ("evaluable_day_56", "Evaluable at 56 days"),
            ("evaluable_day_182", "Evaluable at 182 days"),
            ("evaluable_1", "Evaluable at 1 year")
        ]
    );
    let survival: Vec<_> =
        report.survival.from_infusion.landmarks.iter().map(|one| (one.label.as_str(), &*one.days)).collect();
    assert_eq!(survival, [("56 days", "56.00"), ("182 days", "182.00"), ("12 months", "365.25")]);
}

#[test]
fn landmarks_without_any_year_or_beyond_every_calendar_make_a_report() {
    for years in [json!([]), json!([0, 65535])] {
        let landmarks = json!({"days": [], "window_days": u32::MAX, "years": years});
        let mut log = opened(&[("landmarks", "odd-1")], &[("odd-1", "landmarks", landmarks)]);
        log.treat("S1", "2009-03-01");
        log.respond("S1", "2010-03-12", "complete");
        log.relapse("S1", "2010-03-12");
        let report = log.report(CUTOFF);
        let marks = years.as_array().unwrap().len();
        assert_eq!((report.remission.figures.len(), report.relapse.in_year.len()), (marks, marks));
        assert_eq!(
            report.relapse.in_year.iter().map(|one| one.denominator).collect::<Vec<_>>(),
            [1, 0][..marks]
        );
    }
}

/// One who died within the first year, one lost within it, one seen at its end, one infused in the last one.
fn four(log: &mut Log) {
    log.treat("DIED", "2009-03-01");
    log.respond("DIED", "2010-02-01", "complete");
    log.die("DIED", "2010-02-20");
    log.treat("LOST", "2009-03-01");
    log.respond("LOST", "2010-02-01", "complete");
    log.treat("SEEN", "2009-03-01");
    log.respond("SEEN", "2010-04-01", "complete");
    log.treat("NEW", "2012-11-01");
}

#[test]
fn by_potential_follow_up_the_dead_stay_in_without_the_good_outcome() {
    let mut log = evaluable_by("potential-follow-up-1");
    four(&mut log);
    let report = log.report(CUTOFF);
    let first = &report.remission.figures[0];
    // LOST was seen within the window: that tells the status.
    assert_eq!(
        (ratio(&first.figure), first.died, first.not_followed, first.without_visit),
        ((2, 3), 1, 0, 0)
    );
    assert!(first.figure.denominator_rule.contains("potential-follow-up-1"));
    assert_eq!(
        stages(&report)[..3],
        [
            ("analysable", Some("infused"), 4, vec![]),
            ("evaluable_1", Some("analysable"), 3, vec![(LossReason::NotYetDue, 1)]),
            ("evaluable_2", Some("evaluable_1"), 3, vec![]),
        ]
    );
    assert_eq!(report.waterfall.definition, "potential-follow-up-1");
}

#[test]
fn a_completer_is_who_was_seen_around_the_landmark_whatever_was_at_the_one_before() {
    let mut log = evaluable_by("visit-completer-1");
    four(&mut log);
    // Seen around the second landmark only.
    log.treat("LATE", "2009-03-01");
    log.respond("LATE", "2011-03-20", "complete");
    let report = log.report(CUTOFF);
    let figures: Vec<_> =
        report.remission.figures[..2].iter().map(|one| (ratio(&one.figure), one.died)).collect();
    assert_eq!(figures, [((2, 3), 1), ((1, 1), 0)]);
    assert_eq!(
        stages(&report)[1..3],
        [
            (
                "evaluable_1",
                Some("analysable"),
                3,
                vec![(LossReason::NotYetDue, 1), (LossReason::NotSeen, 1)]
            ),
            (
                "evaluable_2",
                Some("analysable"),
                1,
                vec![(LossReason::Died, 1), (LossReason::NotYetDue, 1), (LossReason::NoContact, 2)]
            ),
        ]
    );
}

#[test]
fn where_everybody_infused_counts_who_was_not_followed_so_long_has_no_good_outcome() {
    let mut log = evaluable_by("all-infused-1");
    four(&mut log);
    log.enroll("VAGUE", "2009-03-01");
    log.infuse("VAGUE", "2009-03");
    let report = log.report(CUTOFF);
    let first = &report.remission.figures[0];
    assert_eq!((ratio(&first.figure), first.died, first.not_followed), ((1, 5), 1, 3));
    assert_eq!(stages(&report)[1], ("evaluable_1", Some("infused"), 5, vec![]));
    assert_eq!(ratio(&report.relapse.in_year[3]), (0, 5));
}

#[test]
fn a_partly_dated_death_lies_where_the_definition_has_it_and_the_other_end_is_shown_beside() {
    let late = json!({
        "death": "latest", "death_sensitivity": "earliest", "event_end": "latest", "onset": "earliest",
        "relapse": "latest"
    });
    let died_on = |log: &mut Log| {
        log.treat("S1", "2009-03-01");
        log.relapse("S1", "2009-04");
        log.alive("S1", "2009-06-10");
        log.die("S1", "2009");
        log.treat("S2", "2009-03-01");
        log.alive("S2", "2012-06-01");
        let report = log.report(CUTOFF);
        let sensitivity = report.survival.sensitivity.clone().unwrap();
        let step = |steps: &[outcomes::Step]| steps[0].day;
        let days = (step(&report.survival.from_infusion.steps), step(&sensitivity.from_infusion.steps));
        assert_eq!((sensitivity.deaths, ratio(&sensitivity.crude)), (1, (1, 2)));
        (
            report.survival.listing[0].on.clone(),
            days,
            report.relapse.listing[0].on.clone(),
            sensitivity.definition,
        )
    };
    let due = |death: &str, days, relapse: &str, id: &str| {
        (death.to_owned(), days, relapse.to_owned(), id.to_owned())
    };
    let early = died_on(&mut Log::open());
    assert_eq!(early, due("2009-06-10", (101, 305), "2009-04-01", "impute-1"));
    let mut log = opened(&[("imputation", "late-1")], &[("late-1", "imputation", late)]);
    assert_eq!(died_on(&mut log), due("2009-12-31", (305, 101), "2009-04-30", "late-1"));
}

#[test]
fn a_death_whose_last_possible_day_is_after_the_cutoff_is_none_in_the_analysis_of_sensitivity() {
    let mut log = Log::open();
    log.treat("S1", "2009-03-01");
    log.alive("S1", "2009-06-10");
    log.die("S1", "2009");
    let report = log.report("2009-07-01");
    let sensitivity = report.survival.sensitivity.as_ref().unwrap();
    assert_eq!((ratio(&report.survival.crude), ratio(&sensitivity.crude)), ((0, 1), (1, 1)));
    assert_eq!(sensitivity.from_infusion.deaths, 0);
    // Recorded in January 2013, it had happened by then.
    let mut log = Log::open();
    log.treat("S1", "2009-03-01");
    log.die("S1", "2013");
    let report = log.report(CUTOFF);
    assert!(report.survival.sensitivity.is_none(), "it is after the cutoff either way");
    let sensitivity = log.report("2013-06-30").survival.sensitivity.unwrap();
    assert_eq!((sensitivity.from_infusion.steps[0].day, ratio(&sensitivity.crude)), (1402, (0, 1)));
    // A full date is a full date.
    let mut log = Log::open();
    log.treat("S1", "2009-03-01");
    log.die("S1", "2009-07-01");
    assert!(log.report(CUTOFF).survival.sensitivity.is_none());
}

fn verdict(log: &mut Log, subject: &str, on: &str, relapsed: bool, definition: &str) {
    let data = json!({"relapse": {"definition": definition, "relapsed": relapsed}});
    log.fact(subject, "adjudication", on, data);
}

fn declared(log: &mut Log, subject: &str, on: &str, definition: &str) {
    let data = json!({"relapse": {"definition": definition, "relapsed": true}, "status": "done"});
    log.fact(subject, "visit", on, data);
}

#[test]
fn only_those_judge_whom_the_definition_of_relapse_names() {
    let count = |judges: Value| {
        let rule = json!({"judged_by": judges, "prior_response": false});
        let mut log = opened(&[("relapse", "judged-1")], &[("judged-1", "relapse", rule)]);
        for subject in ["BOTH", "SITE", "BOARD", "NOT"] {
            log.treat(subject, "2009-03-01");
        }
        for subject in ["BOTH", "SITE", "NOT"] {
            declared(&mut log, subject, "2009-06-01", "judged-1");
        }
        verdict(&mut log, "BOTH", "2009-06-01", true, "judged-1");
        verdict(&mut log, "BOARD", "2009-06-01", true, "judged-1");
        verdict(&mut log, "NOT", "2009-06-01", false, "judged-1");
        let report = log.report(CUTOFF);
        assert_eq!(report.relapse.definition, "judged-1");
        // What the committee said stands in its own section, whether or not it counts.
        assert_eq!((report.adjudication.relapses, report.adjudication.differences.len()), (3, 2));
        let subjects = report.relapse.listing.iter().map(|one| one.subject.clone());
        (subjects.collect::<Vec<_>>(), report.excluded.relapses_by_other_judges)
    };
    let due = |subjects: &[&str], others| (subjects.iter().map(|one| (*one).to_owned()).collect(), others);
    assert_eq!(count(json!(["investigator", "adjudication"])), due(&["BOARD", "BOTH", "SITE"], 0));
    assert_eq!(count(json!(["investigator"])), due(&["BOTH", "NOT", "SITE"], 3));
    assert_eq!(count(json!(["adjudication"])), due(&["BOARD", "BOTH"], 3));
    assert_eq!(count(json!([])), due(&[], 6));
}

#[test]
fn where_a_response_must_come_first_a_relapse_without_one_is_none() {
    let mut log = opened(&[("relapse", "relapse-after-response-1")], &[]);
    for subject in ["S1", "S2", "S3"] {
        log.treat(subject, "2009-03-01");
    }
    log.respond("S1", "2009-06-01", "partial");
    declared(&mut log, "S1", "2009-05-01", "relapse-after-response-1");
    declared(&mut log, "S1", "2009-09-01", "relapse-after-response-1");
    declared(&mut log, "S2", "2009-05-01", "relapse-after-response-1");
    // Of the day itself: not before it.
    log.respond("S3", "2009-06-01", "complete");
    declared(&mut log, "S3", "2009-06-01", "relapse-after-response-1");
    let report = log.report(CUTOFF);
    let listed: Vec<_> = report.relapse.listing.iter().map(|one| (&*one.subject, &*one.on)).collect();
    assert_eq!(listed, [("S1", "2009-09-01")]);
    assert_eq!((ratio(&report.relapse.ever), report.excluded.relapses_without_response), ((1, 3), 3));
    assert_eq!(ratio(&report.relapse.among_responders), (1, 2));
    assert_eq!(report.swimmer.lanes[0].relapses, [184]);
    assert!(report.definitions_replaced.is_empty());
}

#[test]
fn measures_of_relapse_bear_their_ids_and_a_trial_brings_its_own() {
    let own = |denominator: &str, period: &str| json!({"denominator": denominator, "period": period});
    let mut log = opened(
        &[],
        &[
            ("of-all-by-year-1", "measure", own("enrolled", "year")),
            ("of-responders-by-year-1", "measure", own("responders", "year")),
            ("of-evaluable-ever-1", "measure", own("evaluable", "ever")),
            ("of-all-ever-1", "measure", own("enrolled", "ever")),
            // A shipped one in other words is not another one.
            ("relapse-at-risk-1", "measure", own("at_risk", "year")),
        ],
    );
    log.treat("S1", "2009-03-01");
    log.respond("S1", "2009-06-01", "complete");
    log.relapse("S1", "2010-06-01");
    log.alive("S1", "2011-06-01");
    log.treat("S2", "2009-03-01");
    log.relapse("S2", "2009-06-01");
    log.enroll("S3", "2009-03-01");
    let report = log.report(CUTOFF);
    let relapse = &report.relapse;
    let ids: Vec<_> = [&relapse.in_year[0], &relapse.at_risk[0], &relapse.among_responders, &relapse.ever]
        .map(|figure| figure.definition.as_str())
        .to_vec();
    assert_eq!(
        ids,
        [
            "relapse-1, relapse-in-year-1",
            "relapse-1, relapse-at-risk-1",
            "relapse-1, relapse-among-responders-1",
            "relapse-1, relapse-ever-1"
        ]
    );
    let figures: Vec<_> = relapse
        .own
        .iter()
        .map(|own| (own.id.as_str(), own.figures.iter().map(ratio).collect::<Vec<_>>()))
        .collect();
    assert_eq!(
        figures,
        [
            ("of-all-by-year-1", vec![(1, 3), (1, 3), (0, 3), (0, 3)]),
            ("of-responders-by-year-1", vec![(0, 1), (1, 1), (0, 1), (0, 1)]),
            ("of-evaluable-ever-1", vec![(1, 1), (1, 1), (0, 0), (0, 0)]),
            ("of-all-ever-1", vec![(2, 3)]),
        ]
    );
    let first = &relapse.own[0].figures[0];
    assert_eq!(
        (first.id.as_str(), first.label.as_str(), first.definition.as_str()),
        (
            "relapse.own.of-all-by-year-1.year_1",
            "Own of-all-by-year-1 at 1 year",
            "relapse-1, of-all-by-year-1"
        )
    );
}

#[test]
fn where_unscheduled_visits_do_not_count_only_the_first_of_the_planned_name_does() {
    let median = |unscheduled: bool, tie: &str| {
        let rule = json!({"tie": tie, "unscheduled": unscheduled});
        let mut log = opened(&[("windows", "strict-1")], &[("strict-1", "windows", rule)]);
        log.treat("S1", "2009-03-01");
        log.alive("S1", "2010-03-01");
        let mut seen = |on: &str, planned: Option<&str>, dose: &str| {
            let mut data = json!({"prednisone_mg_per_day": dose, "status": "done"});
            if let Some(planned) = planned {
                data["planned"] = json!(planned);
            }
            log.fact("S1", "visit", on, data);
        };
        // Day 91 is 31 May.
        seen("2009-05-20", Some("month 3"), "1");
        seen("2009-05-30", Some("month 3"), "2");
        seen("2009-05-30", None, "4");
        seen("2009-06-01", None, "9");
        let report = log.report(CUTOFF);
        assert_eq!((report.measures.definition.as_str(), report.definitions_replaced.len()), ("strict-1", 0));
        report.measures.tables[0].rows[1].median.clone().unwrap()
    };
    assert_eq!(median(true, "later"), "9.0");
    assert_eq!(median(true, "earlier"), "3.0");
    assert_eq!(median(false, "later"), "1.0");
}

#[test]
fn bands_and_changes_are_the_trials_own() {
    let bands = json!({"bands": [{"from": 4, "name": "some"}, {"from": 0, "name": "little"}]});
    let mut log = opened(
        &[("severity", "bands-1")],
        &[("bands-1", "severity", bands), ("strict-change-1", "change", json!({"within": 1}))],
    );
    log.treat("S1", "2009-03-01");
    for (on, present) in
        [("2009-02-27", &["rash", "fever"][..]), ("2009-06-01", &["rash", "fever", "myositis"])]
    {
        let items: serde_json::Map<String, Value> = clinical::sledai::Descriptor::ALL
            .iter()
            .map(|item| {
                let name = serde_json::to_value(item).unwrap().as_str().unwrap().to_owned();
                let presence = if present.contains(&&*name) { "present" } else { "absent" };
                (name, json!(presence))
            })
            .collect();
        log.fact("S1", "visit", on, json!({"sledai": items, "status": "done"}));
    }
    let report = log.report(CUTOFF);
    let total = report.measures.tables.iter().find(|table| table.measure == "sledai_total").unwrap();
    let score = total.score.as_ref().unwrap();
    assert_eq!(
        (&*score.sledai, &*score.severity, &*score.change),
        ("sledai-2k-1", "bands-1", "strict-change-1")
    );
    let bands: Vec<_> = total.rows[1].bands.iter().map(|band| (band.name.as_str(), band.subjects)).collect();
    assert_eq!(bands, [("little", 0), ("some", 1)]);
    let changed = total.rows[1].changed.as_ref().unwrap();
    assert_eq!((changed.better, changed.unchanged, changed.worse), (0, 0, 1));
}

#[test]
fn a_definition_that_nobody_knows_is_replaced_and_said_to_be() {
    let sets = json!({"sets": ["infused"]});
    let mut log = opened(
        &[
            ("evaluable", "luck-1"),
            ("imputation", "luck-1"),
            ("landmarks", "luck-1"),
            ("populations", "few-1"),
            ("relapse", "luck-1"),
            ("severity", "luck-1"),
            ("windows", "luck-1"),
        ],
        &[("few-1", "populations", sets)],
    );
    log.treat("S1", "2009-03-01");
    declared(&mut log, "S1", "2009-06-01", "luck-1");
    let report = log.report(CUTOFF);
    let replaced: Vec<_> = report
        .definitions_replaced
        .iter()
        .map(|one| (one.what.as_str(), one.stated.as_str(), one.used.as_str()))
        .collect();
    assert_eq!(
        replaced,
        [
            ("evaluable", "luck-1", "evaluable-1"),
            ("imputation", "luck-1", "impute-1"),
            ("landmarks", "luck-1", "landmarks-1"),
            ("populations", "few-1", "sets-1"),
            ("relapse", "luck-1", "relapse-1"),
            ("severity", "luck-1", "sledai-bands-eular-1"),
            ("windows", "luck-1", "windows-1"),
        ]
    );
    // Judgements count by the name under which they are made.
    assert_eq!(ratio(&report.relapse.ever), (1, 1));
}
