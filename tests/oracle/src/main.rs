//! Answers questions in JSON lines with what the stats crate makes of them.
//!
//! It computes nothing and judges nothing: `compare.py` beside it asks, and holds the answers against libraries that
//! others wrote. Numbers go out with all their digits, not as the rounded decimals of a report; what is undefined is
//! null, and what is refused is `{"error": WHY}` in its place.

use std::io::{BufRead as _, Write as _};

use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde_json::{Value, json};
use stats::competing::{self, AalenJohansen};
use stats::paired::{self, Method};
use stats::proportion::Proportion;
use stats::rate::Rate;
use stats::stopping::StoppingRule;
use stats::summary::Summary;
use stats::survival::{self, KaplanMeier, Survival, Transformation};
use stats::{Confidence, Interval};

/// One line: a cohort, and whatever else is to be computed beside it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    /// The level of every interval.
    confidence: f64,
    /// Each subject's time and cause, 0 for a censored time.
    observations: Vec<(u32, u8)>,
    /// How many causes there are. To the survival curve all are the event.
    causes: u8,
    /// Where curves are read beside their steps.
    times: Vec<f64>,
    /// So many of so many.
    proportion: (u64, u64),
    /// So many events in so much person-time.
    rate: (u64, f64),
    /// Changes within subjects.
    differences: Vec<f64>,
    /// To be adjusted for their number.
    p_values: Vec<f64>,
    /// Prior events, prior others, risk limit, certainty.
    rule: (f64, f64, f64, f64),
    /// The boundary is drawn up to so many subjects.
    rule_subjects: u32,
    /// Events and subjects to be judged by the rule.
    rule_counts: Vec<(u64, u64)>,
}

fn main() -> Result<()> {
    let mut out = std::io::stdout().lock();
    for (line, text) in (1..).zip(std::io::stdin().lock().lines()) {
        let question: Question =
            serde_json::from_str(&text?).with_context(|| format!("line {line} is no question"))?;
        let answer = answer(&question).with_context(|| format!("line {line} cannot be answered"))?;
        writeln!(out, "{answer}")?;
    }
    Ok(())
}

/// # Errors
/// The question itself makes no sense: a level that is none, a cohort of nobody, a time below 0.
fn answer(question: &Question) -> Result<Value> {
    let confidence = Confidence::new(question.confidence)?;
    let events: Vec<survival::Observation> = question
        .observations
        .iter()
        .map(|&(time, cause)| survival::Observation { time, event: cause > 0 })
        .collect();
    Ok(json!({
        "survival": curve(&KaplanMeier::fit(&events)?, &question.times, confidence)?,
        "follow_up": curve(&KaplanMeier::fit_reverse(&events)?, &question.times, confidence)?,
        "incidence": incidence(question, confidence)?,
        "proportion": proportion(question.proportion, confidence)?,
        "rate": rate(question.rate, confidence)?,
        "summary": refused_or(Summary::of(&question.differences).map(|summary| {
            json!({"mean": summary.mean, "sd": summary.sd, "min": summary.min, "q1": summary.q1,
                "median": summary.median, "q3": summary.q3, "max": summary.max})
        })),
        "signed_rank": refused_or(paired::signed_rank(&question.differences).map(|test| {
            json!({"pairs": test.pairs, "zeros": test.zeros, "positive": test.rank_sum_positive,
                "negative": test.rank_sum_negative, "p": test.p, "exact": test.method == Method::Exact})
        })),
        "hodges_lehmann": refused_or(paired::hodges_lehmann(&question.differences).map(Value::from)),
        "paired_t": refused_or(paired::paired_t(&question.differences, confidence).map(|test| {
            json!({"mean": test.mean, "standard_error": test.standard_error, "freedom": test.freedom,
                "t": test.t, "p": test.p, "interval": ends(test.interval)})
        })),
        "holm": paired::holm(&question.p_values)?,
        "stopping": stopping(question)?,
    }))
}

fn curve(curve: &KaplanMeier, times: &[f64], confidence: Confidence) -> Result<Value> {
    let value = |survival: Survival| {
        let interval = |transformation| survival.interval(transformation, confidence).map(ends);
        json!({"estimate": survival.estimate(), "standard_error": survival.standard_error(),
            "plain": interval(Transformation::Plain), "log": interval(Transformation::Log),
            "log_log": interval(Transformation::LogLog)})
    };
    let steps: Vec<Value> = curve
        .steps()
        .iter()
        .map(|step| {
            json!({"time": step.time, "at_risk": step.at_risk, "events": step.events,
                "censored": step.censored, "value": value(step.survival)})
        })
        .collect();
    let read = times
        .iter()
        .map(|&time| {
            Ok(json!({"time": time, "at_risk": curve.at_risk(time)?, "value": value(curve.at(time)?)}))
        })
        .collect::<Result<Vec<Value>>>()?;
    let (lower, upper) = curve.median_limits(Transformation::LogLog, confidence);
    Ok(json!({"steps": steps, "read": read, "median": curve.median(), "median_limits": [lower, upper]}))
}

fn incidence(question: &Question, confidence: Confidence) -> Result<Value> {
    let observations: Vec<competing::Observation> =
        question.observations.iter().map(|&(time, cause)| competing::Observation { time, cause }).collect();
    let incidences = AalenJohansen::fit(&observations, question.causes)?;
    let value = |incidence: competing::Incidence| {
        json!({"estimate": incidence.estimate(), "standard_error": incidence.standard_error(),
            "log_log": incidence.interval(confidence).map(ends)})
    };
    let steps: Vec<Value> = incidences
        .steps()
        .iter()
        .map(|step| {
            let causes: Vec<Value> = step
                .causes
                .iter()
                .map(|cause| json!({"events": cause.events, "value": value(cause.incidence)}))
                .collect();
            json!({"time": step.time, "at_risk": step.at_risk, "censored": step.censored,
                "event_free": step.event_free, "causes": causes})
        })
        .collect();
    let read = question
        .times
        .iter()
        .map(|&time| {
            let causes = (1..=question.causes)
                .map(|cause| Ok(value(incidences.at(time, cause)?)))
                .collect::<Result<Vec<Value>>>()?;
            Ok(json!({"time": time, "at_risk": incidences.at_risk(time)?,
                "event_free": incidences.event_free(time)?, "causes": causes}))
        })
        .collect::<Result<Vec<Value>>>()?;
    Ok(json!({"steps": steps, "read": read}))
}

fn proportion((events, of): (u64, u64), confidence: Confidence) -> Result<Value> {
    let proportion = Proportion::new(events, of)?;
    Ok(json!({"estimate": proportion.estimate(), "upper_bound": proportion.upper_bound(confidence),
        "clopper_pearson": ends(proportion.clopper_pearson(confidence)),
        "wilson": ends(proportion.wilson(confidence))}))
}

fn rate((events, person_time): (u64, f64), confidence: Confidence) -> Result<Value> {
    let rate = Rate::new(events, person_time)?;
    Ok(json!({"estimate": rate.estimate(), "exact": ends(rate.exact(confidence))}))
}

fn stopping(question: &Question) -> Result<Value> {
    let (prior_events, prior_others, risk_limit, certainty) = question.rule;
    let rule = StoppingRule::new(prior_events, prior_others, risk_limit, certainty)?;
    let rows: Vec<[u64; 3]> = rule
        .rows(question.rule_subjects)
        .iter()
        .map(|row| [row.events, row.subjects_first, row.subjects_last])
        .collect();
    let boundary = (1..=u64::from(question.rule_subjects))
        .map(|subjects| Ok(rule.boundary(subjects)?))
        .collect::<Result<Vec<Option<u64>>>>()?;
    let probabilities = question
        .rule_counts
        .iter()
        .map(|&(events, subjects)| Ok(rule.probability_above(events, subjects)?))
        .collect::<Result<Vec<f64>>>()?;
    Ok(json!({"rows": rows, "boundary": boundary, "probabilities": probabilities}))
}

fn ends(interval: Interval) -> [f64; 2] {
    [interval.lower, interval.upper]
}

/// Tests that cannot be made of the data are an answer too: the other side must find the same.
fn refused_or<E: std::fmt::Display>(result: Result<Value, E>) -> Value {
    result.unwrap_or_else(|refusal| json!({"error": refusal.to_string()}))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(observations: &str, differences: &str) -> Question {
        let text = format!(
            r#"{{"confidence":0.95,"observations":{observations},"causes":2,"times":[2.5],"proportion":[5,6],
                "rate":[14,400.0],"differences":{differences},"p_values":[0.5,0.25],
                "rule":[0.5,9.5,0.05,0.95],"rule_subjects":13,"rule_counts":[[3,13]]}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn a_question_is_answered_with_every_figure() {
        let answer = answer(&question("[[3,1],[5,2],[6,0],[7,1]]", "[-1.0,2.0,3.0]")).unwrap();
        assert_eq!(answer["survival"]["steps"][0]["value"]["estimate"], 0.75);
        assert_eq!(answer["follow_up"]["steps"][2]["events"], 1);
        assert_eq!(answer["incidence"]["steps"][1]["causes"][1]["value"]["estimate"], 0.25);
        assert_eq!(answer["incidence"]["read"][0]["at_risk"], 4);
        assert_eq!(answer["stopping"]["rows"], json!([[2, 2, 2], [3, 3, 13]]));
        assert_eq!(answer["holm"], json!([0.5, 0.5]));
    }

    #[test]
    fn what_is_undefined_is_null_and_what_is_refused_says_why() {
        let answer = answer(&question("[[3,0]]", "[0.0]")).unwrap();
        assert_eq!(answer["survival"]["steps"][0]["value"]["plain"], Value::Null);
        assert_eq!(answer["signed_rank"]["error"], "all 1 differences are zero");
        assert_eq!(answer["paired_t"]["error"], "1 differences, at least 2 are needed");
    }

    #[test]
    fn a_cohort_of_nobody_is_no_question() {
        assert!(answer(&question("[]", "[1.0]")).is_err());
    }
}
