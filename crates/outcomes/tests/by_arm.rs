//! The closed report: the whole beside each arm's own, and what an open one withholds.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at what it did not expect")]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use outcomes::{Arms, Covered, Parameters, Reading, report, report_by_arm, report_for};
use serde_json::json;
use support::Log;

/// A, B and C infused, of whom B died; D enrolled alone. A and B are of one arm, C of the other, D of none.
fn log() -> Log {
    let mut log = Log::open();
    for subject in ["A", "B", "C"] {
        log.enroll(subject, "2009-01-01");
        log.fact(subject, "allocation", "2009-01-02", json!({"commitment": "44".repeat(32)}));
        log.infuse(subject, "2009-02-01");
        log.alive(subject, "2010-06-01");
    }
    log.die("B", "2010-07-01");
    log.enroll("D", "2009-01-01");
    log
}

fn arms() -> BTreeMap<String, BTreeSet<String>> {
    let of = |subjects: &[&str]| subjects.iter().map(|subject| (*subject).to_owned()).collect();
    BTreeMap::from([("cells".to_owned(), of(&["A", "B"])), ("placebo".to_owned(), of(&["C"]))])
}

#[test]
fn each_arm_is_reported_of_its_own_subjects_and_the_whole_of_all() {
    let rows = log().rows();
    let covered = Covered { records: 17, head: chain::RecordHash([0; 32]) };
    let rows = || rows.clone().into_iter();
    let closed = report_by_arm(rows, &Parameters::default(), covered, &arms()).unwrap();
    assert_eq!((closed.report.as_str(), closed.allocated), ("outcomes_by_arm", 3));
    let of = |at: usize| (closed.arms[at].arm.as_str(), closed.arms[at].allocated);
    assert_eq!((of(0), of(1)), (("cells", 2), ("placebo", 1)));
    let counted = |report: &outcomes::Report| {
        (report.flow.enrolled, report.flow.infused, report.flow.died, report.swimmer.lanes.len())
    };
    assert_eq!(counted(&closed.whole), (4, 3, 1, 3));
    assert_eq!(counted(&closed.arms[0].report), (2, 2, 1, 2));
    assert_eq!(counted(&closed.arms[1].report), (1, 1, 0, 1));
    // What an open report withholds is in it.
    assert!(closed.whole.strata.iter().all(|strata| strata.withheld.is_none()));
    assert_eq!(closed.arms[0].report.swimmer.lanes[0].infusions, [0]);
    assert_eq!(closed.arms.iter().map(|arm| arm.report.arms).collect::<Vec<_>>(), [Arms::Shown; 2]);
}

#[test]
fn an_open_report_withholds_once_a_subject_was_ever_allocated_whatever_the_cutoff() {
    let early =
        Parameters { cutoff: Some("2009-01-01".parse::<clinical::PartialDate>().unwrap().day().unwrap()) };
    let covered = Covered { records: 17, head: chain::RecordHash([0; 32]) };
    let rows = log().rows();
    for parameters in [Parameters::default(), early] {
        let open = report(rows.clone().into_iter(), &parameters, covered).unwrap();
        assert_eq!(open.arms, Arms::Withheld);
        assert!(open.strata.iter().any(|strata| strata.withheld.is_some()));
    }
    let mut none = Log::open();
    none.treat("A", "2009-01-01");
    let rows = none.rows();
    assert_eq!(report(rows.clone().into_iter(), &early, covered).unwrap().arms, Arms::None);
    // Where there are no arms, who may know them is told the same.
    let closed = report_for(rows.clone().into_iter(), &early, covered, Reading::Closed(None)).unwrap();
    assert_eq!(closed, report(rows.into_iter(), &early, covered).unwrap());
}
