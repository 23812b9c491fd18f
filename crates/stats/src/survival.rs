//! Survival curves by the product-limit estimator, and follow-up by its reverse.

use crate::{Confidence, Interval};

/// How far above one half a curve may be and count as having reached it: products of fractions that are one half
/// exactly come out a few units of 1e-16 off.
const HALF_SLACK: f64 = 1e-12;

/// One subject's follow-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observation {
    /// From the origin to the event or to the last contact, in whole units (days, where nothing else is said).
    pub time: u32,
    /// Whether the time ends with the event; if not, it is censored there.
    pub event: bool,
}

/// The scale on which a confidence interval is symmetric. Name it wherever the interval shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transformation {
    /// `S ± z·se`, cut off at 0 and 1.
    Plain,
    /// `S·exp(± z·se/S)`, cut off at 1.
    Log,
    /// `S^exp(± z·se/(S ln S))` (Kalbfleisch and Prentice 1980).
    LogLog,
}

/// A value of the curve, from its last step until before the next.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Survival {
    estimate: f64,
    /// Greenwood's sum of d/(n(n-d)); of no use once the estimate is 0.
    greenwood: f64,
}

/// What happened at one time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// When.
    pub time: u32,
    /// How many were at risk of an event then: those followed to `time` or longer. On the reverse curve, less those
    /// who had the event at `time`.
    pub at_risk: usize,
    /// How many had an event.
    pub events: usize,
    /// How many left the risk set at this time for the other reason.
    pub censored: usize,
    /// The curve from this time on.
    pub survival: Survival,
}

/// The product-limit estimate of a survival curve (Kaplan and Meier, J. Am. Stat. Assoc. 1958).
#[derive(Debug, Clone, PartialEq)]
pub struct KaplanMeier {
    steps: Vec<Step>,
    /// All times, sorted.
    followed: Vec<u32>,
}

/// Why a curve could not be made or read.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum SurvivalError {
    /// Nobody was followed.
    #[error("no observations")]
    NoObservations,
    /// A time that is negative or no number.
    #[error("a time must be a number of 0 or more, not {time}")]
    Time {
        /// What was asked.
        time: f64,
    },
}

impl Survival {
    const START: Self = Self { estimate: 1.0, greenwood: 0.0 };

    /// The value after `events` among `at_risk`.
    fn after(self, at_risk: usize, events: usize) -> Self {
        if events == 0 {
            return self;
        }
        let (n, d) = (at_risk as f64, events as f64);
        if events == at_risk {
            return Self { estimate: 0.0, ..self };
        }
        Self { estimate: self.estimate * ((n - d) / n), greenwood: self.greenwood + d / (n * (n - d)) }
    }

    /// The estimated share without the event, from 0 to 1.
    ///
    /// ```
    /// # use stats::survival::*;
    /// let curve = KaplanMeier::fit(&[(3, true), (5, false)].map(|(time, event)| Observation { time, event }))?;
    /// assert_eq!(curve.at(4.0)?.estimate(), 0.5);
    /// # Ok::<(), SurvivalError>(())
    /// ```
    pub fn estimate(self) -> f64 {
        self.estimate
    }

    /// Its standard error by Greenwood's formula (1926); `None` where the estimate is 0, where it is undefined.
    ///
    /// ```
    /// # use stats::survival::*;
    /// let curve = KaplanMeier::fit(&[(3, true), (5, true)].map(|(time, event)| Observation { time, event }))?;
    /// assert_eq!(curve.at(5.0)?.standard_error(), None);
    /// # Ok::<(), SurvivalError>(())
    /// ```
    pub fn standard_error(self) -> Option<f64> {
        (self.estimate > 0.0).then(|| self.estimate * self.greenwood.sqrt())
    }

    /// The pointwise confidence interval; `None`, under any transformation, where the estimate is 0 or 1: there the
    /// variance says nothing about the uncertainty.
    ///
    /// ```
    /// # use stats::{Confidence, survival::*};
    /// let curve = KaplanMeier::fit(&[(3, true), (5, false)].map(|(time, event)| Observation { time, event }))?;
    /// assert!(curve.at(3.0)?.interval(Transformation::LogLog, Confidence::NINETY_FIVE).is_some());
    /// assert!(curve.at(2.0)?.interval(Transformation::LogLog, Confidence::NINETY_FIVE).is_none());
    /// # Ok::<(), SurvivalError>(())
    /// ```
    pub fn interval(self, transformation: Transformation, confidence: Confidence) -> Option<Interval> {
        if self.estimate <= 0.0 || self.estimate >= 1.0 {
            return None;
        }
        let (s, spread) = (self.estimate, confidence.z() * self.greenwood.sqrt());
        let (lower, upper) = match transformation {
            Transformation::Plain => (s - s * spread, s + s * spread),
            Transformation::Log => (s * libm::exp(-spread), s * libm::exp(spread)),
            Transformation::LogLog => {
                let ln = libm::log(s);
                let power = |sign: f64| libm::exp(ln * libm::exp(sign * spread / ln));
                (power(-1.0), power(1.0))
            }
        };
        Some(Interval { lower: lower.max(0.0), upper: upper.min(1.0) })
    }
}

impl KaplanMeier {
    /// The curve of time to the event. Among equal times events come before censorings: who is censored at a time was
    /// at risk then.
    ///
    /// # Errors
    /// [`SurvivalError::NoObservations`].
    ///
    /// ```
    /// use stats::survival::{KaplanMeier, Observation};
    /// let freireich = [(6, true), (6, true), (6, true), (6, false), (7, true), (9, false), (10, true)];
    /// let curve = KaplanMeier::fit(&freireich.map(|(time, event)| Observation { time, event }))?;
    /// assert_eq!((curve.steps()[0].at_risk, curve.steps()[0].events), (7, 3));
    /// # Ok::<(), stats::survival::SurvivalError>(())
    /// ```
    pub fn fit(observations: &[Observation]) -> Result<Self, SurvivalError> {
        Self::estimate(observations, false)
    }

    /// The curve of time to the end of follow-up (Schemper and Smith, Control. Clin. Trials 1996): censoring is the
    /// event and the event is censoring. Its median is the median follow-up.
    ///
    /// Equal times keep their order: the event came first, so who had it was not at risk of being censored then. At
    /// every time the product of the two curves is the share still followed.
    ///
    /// # Errors
    /// [`SurvivalError::NoObservations`].
    ///
    /// ```
    /// use stats::survival::{KaplanMeier, Observation};
    /// let observations = [(2, true), (8, false), (9, false)].map(|(time, event)| Observation { time, event });
    /// assert_eq!(KaplanMeier::fit_reverse(&observations)?.median(), Some(8));
    /// # Ok::<(), stats::survival::SurvivalError>(())
    /// ```
    pub fn fit_reverse(observations: &[Observation]) -> Result<Self, SurvivalError> {
        Self::estimate(observations, true)
    }

    fn estimate(observations: &[Observation], reverse: bool) -> Result<Self, SurvivalError> {
        if observations.is_empty() {
            return Err(SurvivalError::NoObservations);
        }
        let mut sorted = observations.to_vec();
        sorted.sort_unstable_by_key(|observation| observation.time);
        let mut remaining = sorted.len();
        let mut survival = Survival::START;
        let mut steps = Vec::new();
        for same in sorted.chunk_by(|one, next| one.time == next.time) {
            let with_event = same.iter().filter(|observation| observation.event).count();
            let without = same.len() - with_event;
            let (at_risk, events, censored) = if reverse {
                (remaining - with_event, without, with_event)
            } else {
                (remaining, with_event, without)
            };
            survival = survival.after(at_risk, events);
            steps.push(Step { time: same[0].time, at_risk, events, censored, survival });
            remaining -= same.len();
        }
        Ok(Self { steps, followed: sorted.iter().map(|observation| observation.time).collect() })
    }

    /// What happened, at each time at which anything did, in order; times with censorings only are among them.
    ///
    /// ```
    /// # use stats::survival::*;
    /// let curve = KaplanMeier::fit(&[(3, true), (5, false)].map(|(time, event)| Observation { time, event }))?;
    /// assert_eq!(curve.steps().iter().map(|step| step.time).collect::<Vec<_>>(), [3, 5]);
    /// # Ok::<(), SurvivalError>(())
    /// ```
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The curve at `time`, an event at `time` itself included. Beyond the longest follow-up it stays where it was:
    /// [`KaplanMeier::at_risk`] says 0 there.
    ///
    /// # Errors
    /// [`SurvivalError::Time`].
    ///
    /// ```
    /// # use stats::survival::*;
    /// let curve = KaplanMeier::fit(&[(3, true), (5, false)].map(|(time, event)| Observation { time, event }))?;
    /// assert_eq!(curve.at(2.9)?.estimate(), 1.0);
    /// assert!(curve.at(-1.0).is_err());
    /// # Ok::<(), SurvivalError>(())
    /// ```
    pub fn at(&self, time: f64) -> Result<Survival, SurvivalError> {
        let time = checked(time)?;
        let passed = self.steps.partition_point(|step| f64::from(step.time) <= time);
        Ok(passed.checked_sub(1).map_or(Survival::START, |last| self.steps[last].survival))
    }

    /// How many were followed to `time` or longer.
    ///
    /// # Errors
    /// [`SurvivalError::Time`].
    ///
    /// ```
    /// # use stats::survival::*;
    /// let curve = KaplanMeier::fit(&[(3, true), (5, false)].map(|(time, event)| Observation { time, event }))?;
    /// assert_eq!((curve.at_risk(3.0)?, curve.at_risk(3.5)?, curve.at_risk(6.0)?), (2, 1, 0));
    /// # Ok::<(), SurvivalError>(())
    /// ```
    pub fn at_risk(&self, time: f64) -> Result<usize, SurvivalError> {
        let time = checked(time)?;
        Ok(self.followed.len() - self.followed.partition_point(|followed| f64::from(*followed) < time))
    }

    /// The first time at which the curve is at or below one half; `None` if it stays above.
    ///
    /// ```
    /// # use stats::survival::*;
    /// let curve = KaplanMeier::fit(&[(3, true), (5, false)].map(|(time, event)| Observation { time, event }))?;
    /// assert_eq!(curve.median(), Some(3));
    /// # Ok::<(), SurvivalError>(())
    /// ```
    pub fn median(&self) -> Option<u32> {
        self.first_time(|survival| survival.estimate <= 0.5 + HALF_SLACK)
    }

    /// The confidence limits of the median: the first times at which the lower and the upper limit of the curve are at
    /// or below one half (Brookmeyer and Crowley, Biometrics 1982). `None` for a limit that is not reached; where the
    /// curve is 0 it has no limits and none is reached.
    ///
    /// ```
    /// # use stats::{Confidence, survival::*};
    /// let curve = KaplanMeier::fit(&[(3, true), (5, false)].map(|(time, event)| Observation { time, event }))?;
    /// assert_eq!(curve.median_limits(Transformation::LogLog, Confidence::NINETY_FIVE), (Some(3), None));
    /// # Ok::<(), SurvivalError>(())
    /// ```
    pub fn median_limits(
        &self,
        transformation: Transformation,
        confidence: Confidence,
    ) -> (Option<u32>, Option<u32>) {
        let first = |end: fn(Interval) -> f64| {
            self.first_time(|survival| {
                survival.interval(transformation, confidence).is_some_and(|interval| end(interval) <= 0.5)
            })
        };
        (first(|interval| interval.lower), first(|interval| interval.upper))
    }

    fn first_time(&self, is_there: impl Fn(Survival) -> bool) -> Option<u32> {
        self.steps.iter().find(|step| is_there(step.survival)).map(|step| step.time)
    }
}

/// A time that can be asked for.
fn checked(time: f64) -> Result<f64, SurvivalError> {
    if time.is_finite() && time >= 0.0 { Ok(time) } else { Err(SurvivalError::Time { time }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decimal;
    use proptest::prelude::*;

    fn observations(events: &[u32], censored: &[u32]) -> Vec<Observation> {
        let of =
            |times: &[u32], event| times.iter().map(|&time| Observation { time, event }).collect::<Vec<_>>();
        [of(censored, false), of(events, true)].concat()
    }

    /// Freireich et al., Blood 1963: weeks of remission under 6-mercaptopurine.
    fn mercaptopurine() -> KaplanMeier {
        let (events, censored) =
            ([6, 6, 6, 7, 10, 13, 16, 22, 23], [6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]);
        KaplanMeier::fit(&observations(&events, &censored)).unwrap()
    }

    fn printed(value: f64) -> String {
        decimal(value, 4).unwrap()
    }

    #[test]
    fn the_curve_of_freireich_is_the_published_one() {
        let table: Vec<_> = mercaptopurine()
            .steps()
            .iter()
            .filter(|step| step.events > 0)
            .map(|step| {
                let error = step.survival.standard_error().unwrap();
                (step.time, step.at_risk, step.events, printed(step.survival.estimate()), printed(error))
            })
            .collect();
        let expected = [
            (6, 21, 3, "0.8571", "0.0764"),
            (7, 17, 1, "0.8067", "0.0869"),
            (10, 15, 1, "0.7529", "0.0963"),
            (13, 12, 1, "0.6902", "0.1068"),
            (16, 11, 1, "0.6275", "0.1141"),
            (22, 7, 1, "0.5378", "0.1282"),
            (23, 6, 1, "0.4482", "0.1346"),
        ];
        assert_eq!(table, expected.map(|(t, n, d, s, se)| (t, n, d, s.to_owned(), se.to_owned())));
    }

    #[test]
    fn each_transformation_gives_its_own_interval() {
        // Plain and log-log of scipy.stats.ecdf 1.17; log from the fractions 6/7 · 16/17 · … written out.
        let survival = mercaptopurine().at(23.0).unwrap();
        for (transformation, lower, upper) in [
            (Transformation::Plain, 0.184_384_863_840_612_8, 0.711_973_679_576_754),
            (Transformation::LogLog, 0.188_052_005_959_232_35, 0.680_142_628_495_241_4),
            (Transformation::Log, 0.248_788_226_817_659_64, 0.807_372_045_529_077_2),
        ] {
            let found = survival.interval(transformation, Confidence::NINETY_FIVE).unwrap();
            assert!((found.lower - lower).abs() < 1e-12, "{transformation:?}: {found:?}");
            assert!((found.upper - upper).abs() < 1e-12, "{transformation:?}: {found:?}");
        }
    }

    #[test]
    fn limits_beyond_one_are_cut_off() {
        let survival = mercaptopurine().at(6.0).unwrap();
        let plain = survival.interval(Transformation::Plain, Confidence::NINETY_FIVE).unwrap();
        assert!((plain.lower - 0.707_479_311_825_200_3).abs() < 1e-12 && plain.upper >= 1.0);
        assert!(plain.upper <= 1.0);
    }

    #[test]
    fn medians_and_their_limits_are_those_of_lifelines() {
        let limits =
            |curve: &KaplanMeier| curve.median_limits(Transformation::LogLog, Confidence::NINETY_FIVE);
        let curve = mercaptopurine();
        assert_eq!((curve.median(), limits(&curve)), (Some(23), (Some(13), None)));
        let placebo = [1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23];
        let curve = KaplanMeier::fit(&observations(&placebo, &[])).unwrap();
        assert_eq!((curve.median(), limits(&curve)), (Some(8), (Some(4), Some(11))));
    }

    #[test]
    fn a_median_is_found_where_the_curve_is_one_half_exactly() {
        for n in 1..200 {
            let times: Vec<u32> = (1..=2 * n).collect();
            assert_eq!(KaplanMeier::fit(&observations(&times, &[])).unwrap().median(), Some(n));
        }
        let never = KaplanMeier::fit(&observations(&[1], &[2, 3])).unwrap();
        assert_eq!(never.median(), None);
    }

    #[test]
    fn who_is_censored_at_a_death_was_at_risk_of_it() {
        let curve = KaplanMeier::fit(&observations(&[5], &[5, 5, 9])).unwrap();
        assert_eq!(printed(curve.at(5.0).unwrap().estimate()), "0.7500");
        assert_eq!((curve.at_risk(5.0), curve.at_risk(5.25)), (Ok(4), Ok(1)));
        // On the reverse curve the death has left before: two of three end their follow-up.
        let reverse = KaplanMeier::fit_reverse(&observations(&[5], &[5, 5, 9])).unwrap();
        assert_eq!((reverse.steps()[0].at_risk, reverse.steps()[0].events), (3, 2));
        assert_eq!(reverse.at_risk(5.0), Ok(4));
    }

    #[test]
    fn at_one_and_at_zero_there_is_no_interval() {
        let curve = KaplanMeier::fit(&observations(&[3, 5], &[])).unwrap();
        for transformation in [Transformation::Plain, Transformation::Log, Transformation::LogLog] {
            let interval = |time| curve.at(time).unwrap().interval(transformation, Confidence::NINETY_FIVE);
            assert!(interval(2.0).is_none() && interval(5.0).is_none());
            assert!(interval(3.0).is_some());
        }
        assert_eq!(curve.at(2.0).unwrap().standard_error(), Some(0.0));
        assert_eq!(curve.at(9.0).unwrap().standard_error(), None);
    }

    #[test]
    fn nobody_and_senseless_times_are_errors() {
        assert_eq!(KaplanMeier::fit(&[]), Err(SurvivalError::NoObservations));
        assert_eq!(KaplanMeier::fit_reverse(&[]), Err(SurvivalError::NoObservations));
        for time in [-0.5, f64::NAN, f64::INFINITY] {
            assert!(mercaptopurine().at(time).is_err() && mercaptopurine().at_risk(time).is_err(), "{time}");
        }
    }

    fn any_observations() -> impl Strategy<Value = Vec<Observation>> {
        prop::collection::vec((0..60_u32, any::<bool>()), 1..80)
            .prop_map(|all| all.into_iter().map(|(time, event)| Observation { time, event }).collect())
    }

    proptest! {
        #[test]
        fn the_curve_never_rises_and_everyone_is_counted(all in any_observations()) {
            let curve = KaplanMeier::fit(&all).unwrap();
            let steps = curve.steps();
            prop_assert_eq!(steps.iter().map(|step| step.events + step.censored).sum::<usize>(), all.len());
            let mut before = 1.0;
            for step in steps {
                let estimate = step.survival.estimate();
                prop_assert!((0.0..=before).contains(&estimate));
                prop_assert!(step.events == 0 || estimate < before);
                before = estimate;
                for transformation in [Transformation::Plain, Transformation::Log, Transformation::LogLog] {
                    if let Some(interval) = step.survival.interval(transformation, Confidence::NINETY_FIVE) {
                        prop_assert!(interval.contains(estimate));
                        prop_assert!(interval.lower >= 0.0 && interval.upper <= 1.0);
                    }
                }
            }
        }

        #[test]
        fn the_order_of_observations_does_not_matter(mut all in any_observations()) {
            let curve = KaplanMeier::fit(&all).unwrap();
            all.reverse();
            prop_assert_eq!(KaplanMeier::fit(&all).unwrap(), curve);
        }

        #[test]
        fn the_curve_times_its_reverse_is_the_share_still_followed(all in any_observations(), time in 0..60_u32) {
            let (curve, reverse) = (KaplanMeier::fit(&all).unwrap(), KaplanMeier::fit_reverse(&all).unwrap());
            let product = curve.at(f64::from(time)).unwrap().estimate() * reverse.at(f64::from(time)).unwrap().estimate();
            let share = all.iter().filter(|one| one.time > time).count() as f64 / all.len() as f64;
            prop_assert!((product - share).abs() < 1e-12);
        }

        #[test]
        fn without_censoring_the_curve_and_its_error_are_those_of_a_proportion(
            times in prop::collection::vec(0..30_u32, 2..60), time in 0..30_u32,
        ) {
            let curve = KaplanMeier::fit(&observations(&times, &[])).unwrap().at(f64::from(time)).unwrap();
            let (n, left) = (times.len() as f64, times.iter().filter(|one| **one > time).count() as f64);
            let share = left / n;
            prop_assert!((curve.estimate() - share).abs() < 1e-12);
            if let Some(error) = curve.standard_error() {
                prop_assert!((error - (share * (1.0 - share) / n).sqrt()).abs() < 1e-12);
            }
        }
    }
}
