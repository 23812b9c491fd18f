//! Cumulative incidence where one event keeps another from happening, by the Aalen-Johansen estimator.

use crate::{Confidence, Interval};

/// How near 0 or 1 an incidence is taken to be there: sums of products that are 1 exactly come out a few units of
/// 1e-16 off.
const END_SLACK: f64 = 1e-12;

/// One subject's follow-up, to whichever event came first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observation {
    /// From the origin to the first event or to the last contact, in whole units (days, where nothing else is said).
    pub time: u32,
    /// Which event it was, from 1; 0 if there was none and the time is censored.
    pub cause: u8,
}

/// The incidence of one cause, from one step until before the next.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Incidence {
    estimate: f64,
    variance: f64,
}

/// One cause at one time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CauseStep {
    /// How many had this event first, at this time.
    pub events: usize,
    /// The cumulative incidence of this cause from this time on.
    pub incidence: Incidence,
}

/// What happened at one time.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// When.
    pub time: u32,
    /// How many were at risk of any event: those followed to `time` or longer without one before.
    pub at_risk: usize,
    /// How many were censored, after the events of this time.
    pub censored: usize,
    /// The share without any event from this time on; with the incidences it sums to 1.
    pub event_free: f64,
    /// Cause 1 first, then 2, and so on.
    pub causes: Vec<CauseStep>,
}

/// Cumulative incidence functions of competing causes (Aalen and Johansen, Scand. J. Stat. 1978).
#[derive(Debug, Clone, PartialEq)]
pub struct AalenJohansen {
    causes: u8,
    steps: Vec<Step>,
    /// All times, sorted.
    followed: Vec<u32>,
}

/// Why incidences could not be made or read.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum CompetingError {
    /// Nobody was followed.
    #[error("no observations")]
    NoObservations,
    /// No cause to estimate.
    #[error("no causes")]
    NoCauses,
    /// A cause that is not between 1 and the number of causes.
    #[error("cause {cause} is not one of 1 to {causes}")]
    UnknownCause {
        /// What was given.
        cause: u8,
        /// How many causes there are.
        causes: u8,
    },
    /// A time that is negative or no number.
    #[error("a time must be a number of 0 or more, not {time}")]
    Time {
        /// What was asked.
        time: f64,
    },
}

impl Incidence {
    const START: Self = Self { estimate: 0.0, variance: 0.0 };

    /// The estimated share that has had this event first, from 0 to 1.
    ///
    /// ```
    /// # use stats::competing::*;
    /// let observations = [(3, 1), (5, 2), (6, 0), (7, 1)].map(|(time, cause)| Observation { time, cause });
    /// assert_eq!(AalenJohansen::fit(&observations, 2)?.at(5.0, 2)?.estimate(), 0.25);
    /// # Ok::<(), CompetingError>(())
    /// ```
    pub fn estimate(self) -> f64 {
        self.estimate
    }

    /// Its standard error by the delta method (Marubini and Valsecchi 1995, chapter 10).
    ///
    /// ```
    /// # use stats::competing::*;
    /// let observations = [(3, 1), (5, 2), (6, 0), (7, 1)].map(|(time, cause)| Observation { time, cause });
    /// let error = AalenJohansen::fit(&observations, 2)?.at(3.0, 1)?.standard_error();
    /// assert!((error - (0.25_f64 * 0.75 / 4.0).sqrt()).abs() < 1e-12);
    /// # Ok::<(), CompetingError>(())
    /// ```
    pub fn standard_error(self) -> f64 {
        self.variance.sqrt()
    }

    /// The pointwise confidence interval on the scale of log(-log): `F^exp(± z·se/(F ln F))` (Pintilie 2006). `None`
    /// where the estimate is 0 or 1, where it is undefined.
    ///
    /// ```
    /// # use stats::{Confidence, competing::*};
    /// let observations = [(3, 1), (5, 2), (6, 0), (7, 1)].map(|(time, cause)| Observation { time, cause });
    /// let incidences = AalenJohansen::fit(&observations, 2)?;
    /// assert!(incidences.at(3.0, 1)?.interval(Confidence::NINETY_FIVE).is_some());
    /// assert!(incidences.at(3.0, 2)?.interval(Confidence::NINETY_FIVE).is_none());
    /// # Ok::<(), CompetingError>(())
    /// ```
    pub fn interval(self, confidence: Confidence) -> Option<Interval> {
        let f = self.estimate;
        if !(END_SLACK..=1.0 - END_SLACK).contains(&f) {
            return None;
        }
        let ln = libm::log(f);
        let spread = confidence.z() * self.standard_error() / (f * ln);
        let power = |sign: f64| libm::exp(ln * libm::exp(sign * spread));
        Some(Interval { lower: power(-1.0), upper: power(1.0) })
    }
}

impl AalenJohansen {
    /// The incidences of causes 1 to `causes`. Among equal times events come before censorings; events of different
    /// causes at one time share one risk set.
    ///
    /// # Errors
    /// [`CompetingError::NoObservations`], [`CompetingError::NoCauses`], [`CompetingError::UnknownCause`].
    ///
    /// ```
    /// use stats::competing::{AalenJohansen, Observation};
    /// let observations = [(3, 1), (5, 2), (6, 0), (7, 1)].map(|(time, cause)| Observation { time, cause });
    /// let last = AalenJohansen::fit(&observations, 2)?.steps()[3].clone();
    /// assert_eq!(last.causes[0].incidence.estimate() + last.causes[1].incidence.estimate() + last.event_free, 1.0);
    /// assert!(AalenJohansen::fit(&observations, 1).is_err());
    /// # Ok::<(), stats::competing::CompetingError>(())
    /// ```
    pub fn fit(observations: &[Observation], causes: u8) -> Result<Self, CompetingError> {
        if observations.is_empty() {
            return Err(CompetingError::NoObservations);
        }
        if causes == 0 {
            return Err(CompetingError::NoCauses);
        }
        if let Some(&Observation { cause, .. }) = observations.iter().find(|one| one.cause > causes) {
            return Err(CompetingError::UnknownCause { cause, causes });
        }
        let mut sorted = observations.to_vec();
        sorted.sort_unstable_by_key(|observation| observation.time);
        let mut sums = vec![Sums::default(); usize::from(causes)];
        let mut event_free = 1.0;
        let mut at_risk = sorted.len();
        let mut steps = Vec::new();
        for same in sorted.chunk_by(|one, next| one.time == next.time) {
            let censored = same.iter().filter(|one| one.cause == 0).count();
            let all_events = same.len() - censored;
            let causes = (1..)
                .zip(&mut sums)
                .map(|(cause, sums)| {
                    let events = same.iter().filter(|one| one.cause == cause).count();
                    sums.add(at_risk, events, all_events, event_free);
                    CauseStep { events, incidence: sums.incidence() }
                })
                .collect();
            event_free *= (at_risk - all_events) as f64 / at_risk as f64;
            steps.push(Step { time: same[0].time, at_risk, censored, event_free, causes });
            at_risk -= same.len();
        }
        Ok(Self { causes, steps, followed: sorted.iter().map(|one| one.time).collect() })
    }

    /// What happened, at each time at which anything did, in order; times with censorings only are among them.
    ///
    /// ```
    /// # use stats::competing::*;
    /// let observations = [(3, 1), (5, 2), (6, 0), (7, 1)].map(|(time, cause)| Observation { time, cause });
    /// assert_eq!(AalenJohansen::fit(&observations, 2)?.steps().len(), 4);
    /// # Ok::<(), CompetingError>(())
    /// ```
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The incidence of `cause` at `time`, an event at `time` itself included. Beyond the longest follow-up it stays
    /// where it was: [`AalenJohansen::at_risk`] says 0 there.
    ///
    /// # Errors
    /// [`CompetingError::Time`], [`CompetingError::UnknownCause`].
    ///
    /// ```
    /// # use stats::competing::*;
    /// let observations = [(3, 1), (5, 2), (6, 0), (7, 1)].map(|(time, cause)| Observation { time, cause });
    /// let incidences = AalenJohansen::fit(&observations, 2)?;
    /// assert_eq!(incidences.at(6.5, 1)?.estimate(), 0.25);
    /// assert!(incidences.at(6.5, 0).is_err());
    /// # Ok::<(), CompetingError>(())
    /// ```
    pub fn at(&self, time: f64, cause: u8) -> Result<Incidence, CompetingError> {
        if cause == 0 || cause > self.causes {
            return Err(CompetingError::UnknownCause { cause, causes: self.causes });
        }
        let step = self.step_at(time)?;
        Ok(step.map_or(Incidence::START, |step| step.causes[usize::from(cause) - 1].incidence))
    }

    /// The share without any event at `time`.
    ///
    /// # Errors
    /// [`CompetingError::Time`].
    ///
    /// ```
    /// # use stats::competing::*;
    /// let observations = [(3, 1), (5, 2), (6, 0), (7, 1)].map(|(time, cause)| Observation { time, cause });
    /// assert_eq!(AalenJohansen::fit(&observations, 2)?.event_free(3.5)?, 0.75);
    /// # Ok::<(), CompetingError>(())
    /// ```
    pub fn event_free(&self, time: f64) -> Result<f64, CompetingError> {
        Ok(self.step_at(time)?.map_or(1.0, |step| step.event_free))
    }

    /// How many were followed to `time` or longer without an event before.
    ///
    /// # Errors
    /// [`CompetingError::Time`].
    ///
    /// ```
    /// # use stats::competing::*;
    /// let observations = [(3, 1), (5, 2), (6, 0), (7, 1)].map(|(time, cause)| Observation { time, cause });
    /// let incidences = AalenJohansen::fit(&observations, 2)?;
    /// assert_eq!((incidences.at_risk(5.0)?, incidences.at_risk(5.5)?), (3, 2));
    /// # Ok::<(), CompetingError>(())
    /// ```
    pub fn at_risk(&self, time: f64) -> Result<usize, CompetingError> {
        let time = checked(time)?;
        Ok(self.followed.len() - self.followed.partition_point(|followed| f64::from(*followed) < time))
    }

    fn step_at(&self, time: f64) -> Result<Option<&Step>, CompetingError> {
        let time = checked(time)?;
        let passed = self.steps.partition_point(|step| f64::from(step.time) <= time);
        Ok(passed.checked_sub(1).map(|last| &self.steps[last]))
    }
}

/// A time that can be asked for.
fn checked(time: f64) -> Result<f64, CompetingError> {
    if time.is_finite() && time >= 0.0 { Ok(time) } else { Err(CompetingError::Time { time }) }
}

/// One cause's incidence F so far, and the sums its variance is made of. With n at risk, d events of any cause, dₖ of
/// this one and S the share without event just before, the variance at t is the sum over times up to t of
///
/// `(F(t) - F)² · a + b - 2 (F(t) - F) · c`, a = d/(n(n-d)), b = S² dₖ(n-dₖ)/n³, c = S dₖ/n²,
///
/// which, multiplied out, needs only sums that do not know t.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    incidence: f64,
    a: f64,
    a_f: f64,
    a_f_f: f64,
    b: f64,
    c: f64,
    c_f: f64,
}

impl Sums {
    fn add(&mut self, at_risk: usize, events: usize, all_events: usize, event_free: f64) {
        let (n, d, here) = (at_risk as f64, all_events as f64, events as f64);
        self.incidence += event_free * here / n;
        let f = self.incidence;
        // Where nobody is left, F does not change any more and a has no weight.
        if all_events < at_risk {
            let a = d / (n * (n - d));
            self.a += a;
            self.a_f += a * f;
            self.a_f_f += a * f * f;
        }
        self.b += event_free * event_free * here * (n - here) / (n * n * n);
        let c = event_free * here / (n * n);
        self.c += c;
        self.c_f += c * f;
    }

    fn incidence(&self) -> Incidence {
        let f = self.incidence;
        let variance =
            f * f * self.a - 2.0 * f * self.a_f + self.a_f_f + self.b - 2.0 * (f * self.c - self.c_f);
        // Rounding may leave a little less than nothing, or more than all.
        Incidence { estimate: f.min(1.0), variance: variance.max(0.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::survival;
    use proptest::prelude::*;

    fn observations(all: &[(u32, u8)]) -> Vec<Observation> {
        all.iter().map(|&(time, cause)| Observation { time, cause }).collect()
    }

    #[test]
    fn ties_are_the_hand_worked_values() {
        // Eight subjects. At 2: 8 at risk, one of each cause and one censored after. At 4: 5 at risk, two of cause 1.
        // At 5 one censored, at 6: 2 at risk, one of cause 2; the last is censored at 7.
        let all = [(2, 1), (2, 2), (2, 0), (4, 1), (4, 1), (5, 0), (6, 2), (7, 0)];
        let incidences = AalenJohansen::fit(&observations(&all), 2).unwrap();
        let values = |time| {
            let [one, two] = [1, 2].map(|cause| incidences.at(time, cause).unwrap().estimate());
            [one, two, incidences.event_free(time).unwrap()]
        };
        for (time, expected) in [
            (1.0, [0.0, 0.0, 1.0]),
            (2.0, [1.0 / 8.0, 1.0 / 8.0, 3.0 / 4.0]),
            (4.0, [17.0 / 40.0, 1.0 / 8.0, 9.0 / 20.0]),
            (6.0, [17.0 / 40.0, 7.0 / 20.0, 9.0 / 40.0]),
            (99.0, [17.0 / 40.0, 7.0 / 20.0, 9.0 / 40.0]),
        ] {
            for (found, expected) in values(time).iter().zip(expected) {
                assert!((found - expected).abs() < 1e-15, "at {time}: {found} is not {expected}");
            }
        }
        assert_eq!([2.0, 2.5, 4.0, 8.0].map(|time| incidences.at_risk(time)), [Ok(8), Ok(5), Ok(5), Ok(0)]);
    }

    #[test]
    fn the_variance_with_ties_is_the_hand_worked_value() {
        // Cause 1 at 4: from 2, (3/10)²·2/48 + 7/512 - 2·(3/10)/64; from 4, (3/4)²·2·3/125.
        let all = [(2, 1), (2, 2), (2, 0), (4, 1), (4, 1), (5, 0), (6, 2), (7, 0)];
        let error = AalenJohansen::fit(&observations(&all), 2).unwrap().at(4.0, 1).unwrap().standard_error();
        let variance = 0.09 * 2.0 / 48.0 + 7.0 / 512.0 - 0.6 / 64.0 + 0.5625 * 6.0 / 125.0;
        assert!((error * error - variance).abs() < 1e-15, "{error}");
    }

    #[test]
    fn where_all_have_had_one_event_there_is_no_interval() {
        let all: Vec<_> = (1..=49).map(|time| (time, 1)).collect();
        let incidence = AalenJohansen::fit(&observations(&all), 1).unwrap().at(49.0, 1).unwrap();
        assert!((incidence.estimate() - 1.0).abs() < 1e-12 && incidence.estimate() <= 1.0);
        assert!(incidence.interval(Confidence::NINETY_FIVE).is_none());
        assert!(incidence.standard_error() < 1e-7);
    }

    #[test]
    fn senseless_input_is_an_error() {
        assert_eq!(AalenJohansen::fit(&[], 1), Err(CompetingError::NoObservations));
        let one = observations(&[(1, 3)]);
        assert_eq!(AalenJohansen::fit(&one, 0), Err(CompetingError::NoCauses));
        assert_eq!(AalenJohansen::fit(&one, 2), Err(CompetingError::UnknownCause { cause: 3, causes: 2 }));
        let incidences = AalenJohansen::fit(&one, 3).unwrap();
        assert!(matches!(incidences.at(1.0, 4), Err(CompetingError::UnknownCause { .. })));
        for time in [-1.0, f64::NAN, f64::INFINITY] {
            assert!(matches!(incidences.at(time, 1), Err(CompetingError::Time { .. })));
            assert!(incidences.event_free(time).is_err() && incidences.at_risk(time).is_err());
        }
    }

    fn any_observations() -> impl Strategy<Value = Vec<Observation>> {
        prop::collection::vec((0..50_u32, 0..4_u8), 1..80).prop_map(|all| observations(&all))
    }

    /// One less the Kaplan-Meier curve that takes every other cause for censoring.
    fn naive(all: &[Observation], cause: u8, time: f64) -> f64 {
        let all: Vec<_> = all
            .iter()
            .map(|one| survival::Observation { time: one.time, event: one.cause == cause })
            .collect();
        1.0 - survival::KaplanMeier::fit(&all).unwrap().at(time).unwrap().estimate()
    }

    proptest! {
        #[test]
        fn incidences_and_the_event_free_sum_to_one_at_every_time(all in any_observations()) {
            for step in AalenJohansen::fit(&all, 3).unwrap().steps() {
                let sum: f64 = step.causes.iter().map(|cause| cause.incidence.estimate()).sum();
                prop_assert!((sum + step.event_free - 1.0).abs() < 1e-12, "{:?}", step);
            }
        }

        #[test]
        fn incidences_never_fall_and_their_intervals_contain_them(all in any_observations()) {
            let mut before = [0.0; 3];
            for step in AalenJohansen::fit(&all, 3).unwrap().steps() {
                for (cause, before) in step.causes.iter().zip(&mut before) {
                    let estimate = cause.incidence.estimate();
                    prop_assert!((*before..=1.0).contains(&estimate));
                    *before = estimate;
                    if let Some(interval) = cause.incidence.interval(Confidence::NINETY_FIVE) {
                        prop_assert!(interval.contains(estimate));
                        prop_assert!(interval.lower >= 0.0 && interval.upper <= 1.0);
                    }
                }
            }
        }

        #[test]
        fn one_cause_alone_is_one_less_kaplan_meier_with_greenwoods_error(all in any_observations()) {
            let alone: Vec<_> =
                all.iter().map(|one| Observation { cause: u8::from(one.cause > 0), ..*one }).collect();
            let events: Vec<_> = all
                .iter()
                .map(|one| survival::Observation { time: one.time, event: one.cause > 0 })
                .collect();
            let (incidences, curve) =
                (AalenJohansen::fit(&alone, 1).unwrap(), survival::KaplanMeier::fit(&events).unwrap());
            for (step, other) in incidences.steps().iter().zip(curve.steps()) {
                let incidence = step.causes[0].incidence;
                prop_assert!((incidence.estimate() + other.survival.estimate() - 1.0).abs() < 1e-12);
                if let Some(error) = other.survival.standard_error() {
                    prop_assert!((incidence.standard_error() - error).abs() < 1e-7);
                }
            }
        }

        #[test]
        fn taking_other_causes_for_censoring_never_lowers_the_figure(all in any_observations(), time in 0..50_u32) {
            let time = f64::from(time);
            let incidence = AalenJohansen::fit(&all, 3).unwrap().at(time, 1).unwrap().estimate();
            prop_assert!(naive(&all, 1, time) >= incidence - 1e-12);
        }
    }
}
