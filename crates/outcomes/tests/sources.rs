//! The records behind the cells of the report.

#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod support;

use report_kit::{behind, every_count_adds_up};
use serde_json::json;
use support::Log;

/// Ten subjects over two sites: one never infused, one dead, one relapsed, one lost, the rest followed for a year.
fn log() -> Log {
    let mut log = Log::open();
    for number in 0..10 {
        let subject = format!("P{number:02}");
        let mut at = |kind: &str, on: &str, data| {
            log.fact_at(if number < 4 { "S01" } else { "S02" }, &subject, kind, on, data)
        };
        at("enrollment", "2010-01-01", json!({}));
        if number == 9 {
            continue;
        }
        at("infusion", "2010-01-05", json!({}));
        let response =
            json!({"definition": "ccr-registry-1", "status": if number < 3 { "complete" } else { "none" }});
        let month_3 = json!({"planned": "month 3", "status": "done", "prednisone_mg_per_day": format!("{}.5", 5 + number)});
        at("visit", "2010-04-06", month_3);
        match number {
            4 => drop(at("disposition", "2010-09-01", json!({"reason": "death", "scope": "study"}))),
            5 => drop(at(
                "disposition",
                "2010-07-01",
                json!({"reason": "lost_to_follow_up", "scope": "study"}),
            )),
            _ => drop(at("visit", "2011-01-05", json!({"response": response, "status": "done"}))),
        }
    }
    log.relapse("P06", "2010-10-02");
    log.fact("P07", "contact", "2011-02-01", json!({"means": "phone", "vital_status": "alive"}));
    log
}

const CUTOFF: &str = "2011-06-30";
/// Places in the order of subjects, not sums.
const NO_SUMS: &[&str] = &["/range_days/0", "/range_days/1", "/reverse_kaplan_meier_median_days"];

#[test]
fn every_count_is_the_sum_of_its_subjects() {
    let [counts, others, whole] = every_count_adds_up(&log(), CUTOFF, NO_SUMS);
    assert!(counts > 200 && others > 20 && whole > 2, "{counts} {others} {whole}");
}

#[test]
fn a_numerator_has_its_subjects_and_the_records_that_decide() {
    let log = log();
    let cell = "/remission/figures/remission.year_1/figure/numerator";
    let sources = behind(&log, CUTOFF, (cell, None, 50)).unwrap();
    let whose: Vec<_> = sources.subjects.iter().map(|one| &*one.subject).collect();
    assert_eq!((whose, sources.value, sources.adds_up), (vec!["P00", "P01", "P02"], json!(3), Some(true)));
    assert_eq!(sources.label.as_deref(), Some("Complete remission at 12 months"));
    // Its enrollment and the visit of month 3 decide nothing here: the infusion and the visit of year 1 do.
    let of_first: Vec<_> = sources.subjects[0].records.iter().map(|one| one.first).collect();
    assert_eq!(of_first, [2, 4]);
}

#[test]
fn an_estimate_rests_on_its_row_and_a_curve_on_all_its_subjects() {
    let log = log();
    let whose = |cell: &str| {
        let sources = behind(&log, CUTOFF, (cell, None, 50)).unwrap();
        sources.subjects.into_iter().map(|one| one.subject).collect::<Vec<_>>()
    };
    assert_eq!(whose("/remission/figures/remission.year_1/figure/percent").len(), 7);
    assert_eq!(whose("/remission/figures/remission.year_1/figure/intervals/wilson/lower").len(), 7);
    assert_eq!(whose("/survival/from_infusion/landmarks/12 months/survival").len(), 9);
    // The visit of year 1 is on day 365; the landmark is 365.25 days.
    assert_eq!(whose("/survival/from_infusion/landmarks/12 months/at_risk"), ["P07"]);
    // On day 239 nobody is at risk any more but who was followed to that day.
    assert_eq!(whose("/survival/from_infusion/steps/239/at_risk").len(), 8);
    assert_eq!(whose("/survival/from_infusion/steps/239/deaths"), ["P04"]);
}

#[test]
fn pages_follow_one_another_and_miss_nobody() {
    let log = log();
    let (mut whose, mut after) = (Vec::new(), None::<String>);
    loop {
        let page = behind(&log, CUTOFF, ("/flow/enrolled", after.as_deref(), 3)).unwrap();
        whose.extend(page.subjects.into_iter().map(|one| one.subject));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(whose, (0..10).map(|number| format!("P{number:02}")).collect::<Vec<_>>());
}

#[test]
fn what_has_no_sources_says_why() {
    let log = log();
    let refused = |cell, after| behind(&log, CUTOFF, (cell, after, 5)).unwrap_err();
    assert_eq!(refused("/flow/nobody", None), "the report has no cell /flow/nobody");
    assert_eq!(refused("flow", None), "the report has no cell flow");
    assert!(refused("/conventions/month_days", None).contains("is about no subject"));
    assert_eq!(refused("/flow/enrolled", Some("P99")), "the report has no subject P99");
}

#[test]
fn a_correction_is_shown_with_the_record_it_corrects() {
    let mut log = log();
    let died = log.die("P08", "2011-03-01");
    let corrected = log.replace(died, "2011-03-02", json!({"reason": "death", "scope": "study"}));
    let sources = behind(
        &log,
        CUTOFF,
        ("/survival/listing/P08 %/on".replace('%', &died.to_string()).as_str(), None, 5),
    );
    let records = &sources.unwrap().subjects[0].records;
    assert!(records.iter().any(|one| (one.first, one.latest) == (died, corrected)), "{records:?}");
}
