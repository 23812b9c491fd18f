//! The figures of the synthetic cohort of 87, to the digits in which they are printed.

#![expect(clippy::unwrap_used, reason = "a test file: what reads the fixture may fail")]

use stats::competing::{self, AalenJohansen};
use stats::proportion::Proportion;
use stats::rate::{Rate, person_years};
use stats::summary::Summary;
use stats::survival::{self, KaplanMeier, Transformation};
use stats::{Confidence, DAYS_PER_MONTH, DAYS_PER_YEAR, Interval, decimal};

const CONFIDENCE: Confidence = Confidence::NINETY_FIVE;
const RELAPSE: u8 = 1;
const DEATH: u8 = 2;

struct Subject {
    followup_days: u32,
    died: bool,
    first_relapse_day: Option<u32>,
    /// Complete remission at anniversaries 1 to 4, where reached.
    remission: [Option<bool>; 4],
}

fn cohort() -> Vec<Subject> {
    let text = include_str!("lupus_msct_87_synthetic.csv");
    let mut lines = text.lines();
    assert!(lines.next().unwrap().starts_with("# SYNTHETIC"));
    let header = lines.next().unwrap();
    assert_eq!(
        header,
        "id,site,source,infusion_date,end_date,followup_days,status,first_relapse_day,cr_y1,cr_y2,cr_y3,cr_y4"
    );
    lines
        .map(|line| {
            let fields: Vec<&str> = line.split(',').collect();
            let number = |index: usize| fields[index].parse::<u32>().ok();
            Subject {
                followup_days: number(5).unwrap(),
                died: fields[6] == "DEAD",
                first_relapse_day: number(7),
                remission: [8, 9, 10, 11].map(|index| number(index).map(|value| value == 1)),
            }
        })
        .collect()
}

/// Time to death.
fn deaths(cohort: &[Subject]) -> Vec<survival::Observation> {
    cohort
        .iter()
        .map(|subject| survival::Observation { time: subject.followup_days, event: subject.died })
        .collect()
}

/// Time to relapse or death, whichever came first.
fn first_events(cohort: &[Subject]) -> Vec<competing::Observation> {
    cohort
        .iter()
        .map(|subject| match subject.first_relapse_day {
            Some(time) => competing::Observation { time, cause: RELAPSE },
            None => competing::Observation {
                time: subject.followup_days,
                cause: if subject.died { DEATH } else { 0 },
            },
        })
        .collect()
}

fn printed(value: f64, digits: u8) -> String {
    decimal(value, digits).unwrap()
}

fn range(interval: Interval, digits: u8) -> String {
    format!("{}-{}", printed(interval.lower, digits), printed(interval.upper, digits))
}

/// The end of year `k`, in days; in this cohort the calendar anniversary divides the subjects alike.
fn landmark(k: u32) -> f64 {
    DAYS_PER_YEAR * f64::from(k)
}

fn count(cohort: &[Subject], is_counted: impl Fn(&Subject) -> bool) -> u64 {
    cohort.iter().filter(|subject| is_counted(subject)).count() as u64
}

#[test]
fn proportions_and_their_intervals_are_the_golden_ones() {
    let cohort = cohort();
    let all = count(&cohort, |_| true);
    let evaluable = |k: u32| move |subject: &Subject| f64::from(subject.followup_days) >= landmark(k);
    let relapsed_in = |k: u32| {
        move |subject: &Subject| {
            evaluable(k)(subject)
                && subject
                    .first_relapse_day
                    .is_some_and(|day| f64::from(day) > landmark(k - 1) && f64::from(day) <= landmark(k))
        }
    };
    let in_remission = |k: u32| move |subject: &Subject| subject.remission[k as usize - 1] == Some(true);
    let mut lines = Vec::new();
    let mut line = |what: &str, events: u64, of: u64| {
        let proportion = Proportion::new(events, of).unwrap();
        lines.push(format!(
            "{what} {events}/{of} {} {} {}",
            printed(100.0 * proportion.estimate(), 2),
            range(proportion.clopper_pearson(CONFIDENCE).times(100), 2),
            range(proportion.wilson(CONFIDENCE).times(100), 2),
        ));
    };
    let died = count(&cohort, |subject| subject.died);
    line("survival", all - died, all);
    line("death", died, all);
    for k in 1..=4 {
        line(&format!("CR {k}y"), count(&cohort, in_remission(k)), count(&cohort, evaluable(k)));
    }
    for k in 1..=4 {
        line(&format!("relapse y{k}"), count(&cohort, relapsed_in(k)), count(&cohort, evaluable(k)));
    }
    line("relapse overall", count(&cohort, |subject| subject.first_relapse_day.is_some()), all);
    line("transplant-related AE", 0, all);
    assert_eq!(
        lines,
        [
            "survival 82/87 94.25 87.10-98.11 87.24-97.52",
            "death 5/87 5.75 1.89-12.90 2.48-12.76",
            "CR 1y 23/83 27.71 18.45-38.62 19.23-38.16",
            "CR 2y 12/39 30.77 17.02-47.57 18.57-46.42",
            "CR 3y 5/12 41.67 15.17-72.33 19.33-68.05",
            "CR 4y 3/6 50.00 11.81-88.19 18.76-81.24",
            "relapse y1 10/83 12.05 5.93-21.04 6.68-20.78",
            "relapse y2 7/39 17.95 7.54-33.53 8.98-32.67",
            "relapse y3 2/12 16.67 2.09-48.41 4.70-44.80",
            "relapse y4 1/6 16.67 0.42-64.12 3.01-56.35",
            "relapse overall 20/87 22.99 14.64-33.25 15.40-32.86",
            "transplant-related AE 0/87 0.00 0.00-4.15 0.00-4.23",
        ]
    );
}

#[test]
fn no_event_prints_its_bounds() {
    let none = Proportion::new(0, cohort().len() as u64).unwrap();
    assert_eq!(printed(100.0 * none.upper_bound(CONFIDENCE), 3), "3.385");
    assert_eq!(printed(100.0 * none.rule_of_three().unwrap(), 3), "3.448");
}

#[test]
fn follow_up_and_rates_are_the_golden_ones() {
    let cohort = cohort();
    let days: Vec<i64> = cohort.iter().map(|subject| i64::from(subject.followup_days)).collect();
    let total = cohort.iter().map(|subject| u64::from(subject.followup_days)).sum();
    assert_eq!(total, 71_498);
    assert_eq!(printed(person_years(total), 4), "195.7509");
    let summary = Summary::of_integers(&days).unwrap();
    assert_eq!((printed(summary.mean, 3), printed(summary.median, 1)), ("821.816".into(), "720.0".into()));
    assert_eq!(printed(summary.mean / DAYS_PER_MONTH, 3), "27.000");

    let rate = |events, years| {
        let rate = Rate::new(events, years).unwrap();
        format!("{} {}", printed(100.0 * rate.estimate(), 3), range(rate.exact(CONFIDENCE).times(100), 3))
    };
    assert_eq!(rate(count(&cohort, |subject| subject.died), person_years(total)), "2.554 0.829-5.961");
    assert_eq!(rate(0, person_years(total)), "0.000 0.000-1.884");

    let at_risk = first_events(&cohort).iter().map(|first| u64::from(first.time)).sum();
    assert_eq!(printed(person_years(at_risk), 4), "172.9719");
    let relapsed = count(&cohort, |subject| subject.first_relapse_day.is_some());
    assert_eq!(rate(relapsed, person_years(at_risk)), "11.563 7.063-17.857");
}

#[test]
fn overall_survival_is_the_golden_curve() {
    let curve = KaplanMeier::fit(&deaths(&cohort())).unwrap();
    let line = |k: u32| {
        let survival = curve.at(landmark(k)).unwrap();
        let interval = |transformation| range(survival.interval(transformation, CONFIDENCE).unwrap(), 6);
        format!(
            "{} {} {} {} {}",
            curve.at_risk(landmark(k)).unwrap(),
            printed(survival.estimate(), 6),
            printed(survival.standard_error().unwrap(), 6),
            interval(Transformation::Plain),
            interval(Transformation::LogLog),
        )
    };
    assert_eq!(
        [1, 2, 3, 4].map(line),
        [
            "83 0.954023 0.022454 0.910014-0.998032 0.882128-0.982491",
            "39 0.940773 0.025757 0.890291-0.991255 0.863266-0.974967",
            "12 0.940773 0.025757 0.890291-0.991255 0.863266-0.974967",
            "6 0.940773 0.025757 0.890291-0.991255 0.863266-0.974967",
        ]
    );
    assert_eq!(curve.median(), None);
    assert_eq!(KaplanMeier::fit_reverse(&deaths(&cohort())).unwrap().median(), Some(720));
    assert_eq!(printed(720.0 / DAYS_PER_MONTH, 2), "23.66");
}

#[test]
fn first_relapse_with_death_competing_is_the_golden_incidence() {
    let first = first_events(&cohort());
    let incidences = AalenJohansen::fit(&first, 2).unwrap();
    // What is not to be reported: death taken for censoring.
    let naive = first
        .iter()
        .map(|one| survival::Observation { time: one.time, event: one.cause == RELAPSE })
        .collect::<Vec<_>>();
    let naive = KaplanMeier::fit(&naive).unwrap();
    let line = |k: u32| {
        let [relapse, death] = [RELAPSE, DEATH].map(|cause| incidences.at(landmark(k), cause).unwrap());
        let event_free = incidences.event_free(landmark(k)).unwrap();
        format!(
            "{} {} {} {} {} {} {}",
            incidences.at_risk(landmark(k)).unwrap(),
            printed(relapse.estimate(), 6),
            printed(relapse.standard_error(), 6),
            range(relapse.interval(CONFIDENCE).unwrap(), 4),
            printed(death.estimate(), 6),
            printed(relapse.estimate() + death.estimate() + event_free, 6),
            printed(1.0 - naive.at(landmark(k)).unwrap().estimate(), 6),
        )
    };
    assert_eq!(
        [1, 2, 3, 4].map(line),
        [
            "73 0.114943 0.034195 0.0589-0.1916 0.045977 1.000000 0.118725",
            "30 0.206202 0.045372 0.1256-0.3007 0.045977 1.000000 0.214574",
            "8 0.269176 0.060476 0.1595-0.3913 0.045977 1.000000 0.280715",
            "4 0.354782 0.096185 0.1772-0.5377 0.045977 1.000000 0.370626",
        ]
    );
}
