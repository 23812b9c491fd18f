//! A registry of made-up answers, to see the pages by.

#![allow(clippy::needless_pass_by_value, reason = "so that `json!` stands in the call")]
#![allow(clippy::too_many_lines, reason = "a report is written down in one piece")]

use std::sync::Arc;

use api::{
    Answer, Covers, FindingsPage, Page, Problem, Readiness, RecordView, Registry, ReportAsked, ReportKind,
    ReportView, SourcesView, SubjectRecords, SubjectsPage, TextKeyAnswer, TextKeyRequest, TrialDetail,
    Trials,
};
use clinical::report::AskedSources;
use clinical::{SubjectId, TrialId};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// The answers. Each test changes what it is about.
pub(crate) struct Answers {
    /// Ids of the trials; they differ in nothing else.
    pub(crate) trials: Vec<String>,
    /// Title of each trial.
    pub(crate) title: String,
    /// What every answer covers.
    pub(crate) covers: Value,
    /// What is signed of each.
    pub(crate) evidence: Value,
    /// The last verification.
    pub(crate) verification: Value,
    /// The log, one record each.
    pub(crate) records: Vec<Value>,
    /// The reports; `None`: not to be had.
    pub(crate) outcomes: Option<Value>,
    /// As above.
    pub(crate) safety: Option<Value>,
    /// Signatures on records.
    pub(crate) signatures: Vec<Value>,
    /// What is said to every statement; `None`: it would be recorded.
    pub(crate) refuses: Option<Problem>,
}

impl Default for Answers {
    fn default() -> Self {
        let records = records();
        Self {
            trials: vec!["lupus-msct".to_owned()],
            title: "Mesenchymal stem cells in refractory lupus".to_owned(),
            covers: json!({
                "head": hash(records.len() as u64 - 1), "lag_records": 0, "records": records.len(),
                "recorded_at": "2026-11-22T13:20:00.000000Z",
                "verified": {"at": "2026-11-22T13:28:45.123456Z", "records": records.len(), "verdict": "intact"}
            }),
            evidence: json!({
                "checkpoint": {
                    "root": "0".repeat(64), "signed_at": "2026-11-22T13:29:01.000000Z", "size": records.len()
                },
                "lag_records": 0, "log_key": "k", "log_keys": [], "receipt_keys": [],
                "witnessed": {"root": "0".repeat(64), "size": records.len()},
                "witnesses": {"asked": 3, "cosigned": 2, "demanded": true}
            }),
            verification: json!({
                "at": "2026-11-22T13:28:45.123456Z", "checks": [
                    {"name": "links", "count": records.len(), "failed": 0},
                    {"name": "signatures", "count": records.len(), "failed": 0}
                ],
                "findings": [], "records": records.len(), "sentence": "Intact: all 8 records hold.", "unlisted": 0,
                "verdict": "intact"
            }),
            records,
            outcomes: Some(outcomes()),
            safety: Some(safety()),
            signatures: Vec::new(),
            refuses: None,
        }
    }
}

impl Answers {
    /// The pages over these answers.
    pub(crate) fn router(self, settings: console::Settings) -> axum::Router {
        console::router(api::Gate::open(Arc::new(self)), settings)
    }

    fn trial_view(&self, trial: &str) -> Value {
        json!({
            "covers": self.covers, "genesis": hash(0), "log_key": "example.org/lupus-msct+0a1b2c3d+AUJC",
            "synthetic": true, "title": self.title, "trial": trial, "zone": "Asia/Shanghai"
        })
    }

    fn knows(&self, trial: &TrialId) -> Result<(), Problem> {
        if self.trials.iter().any(|known| known == trial.as_str()) {
            return Ok(());
        }
        Err(Problem::not_found(format!("no trial {trial}")))
    }

    fn view(&self, seq: usize) -> Value {
        let amended_by =
            self.records.iter().position(|record| record["event"]["amends"]["seq"] == json!(seq));
        let mut view = json!({
            "covers": self.covers, "findings": findings(&self.records[seq]), "hash": hash(seq as u64),
            "record": self.records[seq], "seq": seq,
            "signatures": self.signatures.iter().filter(|seen| seen["statement"] == json!(seq)).collect::<Vec<_>>()
        });
        if let Some(by) = amended_by {
            view["amended_by"] = json!(by);
        }
        view
    }

    fn covers(&self) -> Covers {
        read(self.covers.clone())
    }
}

/// Visits of this cohort are found incomplete, infusions off their plan.
fn findings(record: &Value) -> Value {
    match record["event"]["kind"].as_str() {
        Some("visit") => {
            json!([{"code": "sledai-incomplete", "pointer": "/data/sledai", "severity": "minor"}])
        }
        Some("infusion") => {
            json!([{"code": "lot-expired", "pointer": "/data/cells/expiry", "severity": "critical"}])
        }
        _ => json!([]),
    }
}

fn read<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_str(&value.to_string()).expect("the answers here are of the API's form")
}

/// A hash that tells its record.
pub(crate) fn hash(seq: u64) -> String {
    format!("9f2c{seq:058x}e1")
}

fn event(kind: &str, subject: &str, on: &str, data: &Value) -> Value {
    json!({
        "actor": {"id": "li.wei", "organisation": "CN-NJ Hospital", "role": "principal_investigator"},
        "data": data, "id": "01936b2e-7c5a-7d3e-8f10-0123456789ab", "key": "11".repeat(32), "kind": kind,
        "log": hash(0), "occurred_on": on, "schema": 1, "signed_at": "2008-03-12T01:10:00.000000Z",
        "site": "CN-NJ", "subject": subject, "trial": "lupus-msct", "zone": "Asia/Shanghai"
    })
}

fn records() -> Vec<Value> {
    let sledai = |low: &str| json!({"pga": low, "planned": "M1", "sledai": {"arthritis": "absent", "fever": "present", "pyuria": "not_done", "rash": "absent"}, "status": "done"});
    let amending = |mut event: Value, seq: u64, effect: &str, reason: &str| {
        event["amends"] = json!({"effect": effect, "hash": hash(seq), "reason": reason, "seq": seq});
        event
    };
    let opening =
        json!({"title": "Mesenchymal stem cells in refractory lupus", "rule_set": 1, "synthetic": true});
    let mut opened = event("trial_opened", "S0001", "2008-03-01", &opening);
    for absent in ["subject", "site", "occurred_on"] {
        opened.as_object_mut().expect("an object").remove(absent);
    }
    let term = json!({
        "alg": "xchacha20poly1305", "ciphertext": "AAAA", "commitment": hash(77), "nonce": "AAAA", "wrapped_key": "AAAA"
    });
    let events = [
        opened,
        event(
            "enrollment",
            "S0001",
            "2008-03-01",
            &json!({"birth_year": {"missing": "refused"}, "sex": "F"}),
        ),
        event(
            "infusion",
            "S0001",
            "2008-03-11",
            &json!({"cells": {"given": {"unit": "10*6/kg", "value": "1.00"}}, "number": 1}),
        ),
        event("visit", "S0001", "2008-04-11", &sledai("1.2")),
        amending(event("visit", "S0001", "2008-04-12", &sledai("2.1")), 3, "replace", "transcription"),
        event(
            "adverse_event",
            "S0001",
            "2008-05",
            &json!({"seriousness": ["hospitalisation"], "term": term}),
        ),
        amending(event("adverse_event", "S0001", "2008-05", &json!({})), 5, "void", "wrong_subject"),
        event("enrollment", "S0002", "2008-06-01", &json!({"sex": "M"})),
    ];
    events
        .into_iter()
        .enumerate()
        .map(|(seq, event)| {
            let seq = seq as u64;
            let prev = seq.checked_sub(1).map_or_else(|| "0".repeat(64), hash);
            json!({
                "event": event, "prev": prev, "recorded_at": format!("2008-03-12T01:10:{seq:02}.000000Z"),
                "seq": seq, "signature": "c2lnbmF0dXJl"
            })
        })
        .collect()
}

fn figure(
    id: &str,
    label: &str,
    numerator: u64,
    denominator: u64,
    percent: &str,
    limits: (&str, &str),
) -> Value {
    json!({
        "id": id, "label": label, "numerator": numerator, "denominator": denominator, "percent": percent,
        "intervals": [
            {"method": "clopper-pearson", "level": "0.95", "lower": limits.0, "upper": limits.1},
            {"method": "wilson", "level": "0.95", "lower": limits.0, "upper": limits.1}
        ],
        "population": "Infused", "definition": "relapse-1", "denominator_rule": "all infused", "imputed": 0
    })
}

/// An outcome report of five subjects, worked by hand: deaths on days 100 and 400, censored on 300, 700 and 900.
fn outcomes() -> Value {
    let step = |day: u64, at_risk: u64, deaths: u64, survival: &str, error: &str| {
        json!({
            "day": day, "at_risk": at_risk, "deaths": deaths, "censored": 1 - deaths, "survival": survival,
            "standard_error": error,
            "intervals": [{"method": "log-log", "level": "0.95", "lower": "0.200000", "upper": "0.950000"}]
        })
    };
    let curve = |id: &str, label: &str| {
        json!({
            "id": id, "label": label, "population": "Infused", "subjects": 5, "deaths": 2, "imputed": 0,
            "steps": [
                step(100, 5, 1, "0.800000", "0.178885"), step(300, 4, 0, "0.800000", "0.178885"),
                step(400, 3, 1, "0.533333", "0.248032"), step(700, 2, 0, "0.533333", "0.248032"),
                step(900, 1, 0, "0.533333", "0.248032")
            ],
            "landmarks": [{
                "label": "12 months", "days": "365.25", "at_risk": 3, "survival": "0.800000",
                "standard_error": "0.178885",
                "intervals": [{"method": "log-log", "level": "0.95", "lower": "0.203809", "upper": "0.969162"}]
            }]
        })
    };
    let incidence = |day: u64, at_risk: u64, relapses: u64, deaths: u64, relapse: &str, death: &str| {
        json!({
            "day": day, "at_risk": at_risk, "relapses": relapses, "deaths": deaths,
            "censored": 1 - relapses - deaths, "relapse": relapse, "death_first": death, "event_free": "0.600000"
        })
    };
    let mut report = json!({
        "report": "outcomes", "schema": 2, "engine": {"name": "trialbook", "version": "0.1.0"},
        "trial": {"id": "lupus-msct", "title": "Mesenchymal stem cells in refractory lupus"}, "synthetic": true,
        "cutoff": {"date": "2011-06-30", "basis": "given", "zone": "Asia/Shanghai"},
        "definitions": {"evaluable": "evaluable-1", "own": [{"id": "quiet-1"}, {"id": "calm-2"}], "relapse": "relapse-1"},
        "definitions_replaced": [{"what": "imputation", "stated": "impute-9", "used": "impute-1"}],
        "conventions": {"day_0": "day of first infusion", "month_days": "30.4375"},
        "flow": {
            "screened": 7, "screen_failures": 1, "enrolled": 6, "infused": 5, "never_infused": 1, "died": 2,
            "withdrawn": 0, "lost": 1, "completed": 0, "discontinued": 0, "in_follow_up": 2
        },
        "screening": {
            "definition": "screening-1", "population": "With a screening recorded", "subjects": 2, "screened_again": 0,
            "passed": 1, "failed": 1, "withdrawn": 0, "not_met": [{"id": "E2", "subjects": 1}],
            "failed_without_criterion": 0, "without_screening": 5
        },
        "consent": {
            "definition": "consent-1", "population": "Enrolled", "subjects": 6, "consented": 4, "missing": 2,
            "after_enrollment": 0, "consented_again": 0, "by_representative": 0,
            "versions": [{"version": "v2.1", "subjects": 4}]
        },
        "deviations": {
            "population": "With any record", "deviations": 3, "subjects": 2, "subjects_important": 1,
            "rows": [{"category": "safety_reporting", "severity": "important", "deviations": 3, "subjects": 2}]
        },
        "adjudication": {
            "population": "Infused", "subjects": 1, "responses": 1, "relapses": 0,
            "differences": [{
                "subject": "S0001", "site": "CN-NJ", "endpoint": "remission.year_1", "on": "2009-03-11",
                "investigator": "not_judged", "adjudicated": "partial", "first_seq": 7, "latest_seq": 7
            }]
        },
        "waterfall": {"definition": "evaluable-1", "stages": [
            {"id": "enrolled", "label": "Enrolled", "subjects": 6, "losses": []},
            {"id": "infused", "label": "Infused", "of": "enrolled", "subjects": 5, "losses": [{"reason": "never_infused", "subjects": 1}]},
            {"id": "evaluable_1", "label": "Evaluable at 1 year", "of": "infused", "subjects": 3, "losses": [
                {"reason": "died", "subjects": 1}, {"reason": "not_yet_due", "subjects": 1}]}
        ]},
        "not_analysable": [{"subject": "S0006", "site": "CN-NJ", "reason": "first_infusion_partial"}],
        "follow_up": {
            "population": "Infused", "subjects": 5, "days": 2400, "patient_years": "6.5708", "mean_days": "480.000",
            "mean_months": "15.77", "median_days": "400.0", "range_days": [100, 900], "imputed": 0
        },
        "remission": {
            "definition": "ccr-registry-1", "landmarks": "landmarks-1", "window_days": 60, "judged_by": "investigator",
            "figures": [{
                "landmark": "year_1", "label": "1 year", "figure": figure("remission.year_1", "Complete remission at 1 year", 1, 3, "33.33", ("0.84", "90.57")),
                "without_visit": 1, "died": 0, "not_followed": 0, "not_determinable": 0, "partial": 1, "adjudicated": 1
            }],
            "computed": [{
                "definition": "lldas-registry-1", "title": "Low disease activity", "taken_as_absent": ["haemolytic anaemia"],
                "figures": [{
                    "landmark": "year_1", "label": "1 year",
                    "figure": figure("remission.computed.lldas-registry-1.year_1", "Low activity at 12 months, computed", 1, 3, "33.33", ("0.84", "90.57")),
                    "not": 1, "not_determinable": 1, "without_visit": 0, "died": 0, "not_followed": 0
                }]
            }],
            "agreement": [{"landmark": "year_1", "judged": "complete", "computed": "not", "subjects": 1}],
            "differences": [{
                "subject": "S0001", "site": "CN-NJ", "landmark": "year_1", "on": "2009-03-12", "day": 366,
                "judged": "complete", "judged_by": "investigator", "computed": "not",
                "why": ["pga is 1.2, not at most 1"], "judgement": {"first_seq": 5, "latest_seq": 6},
                "visit": {"first_seq": 5, "latest_seq": 5}
            }]
        },
        "rates": [{
            "id": "rate.death", "label": "Deaths per 100 patient-years", "events": 2, "days": 2400,
            "patient_years": "6.5708", "per_100_patient_years": "30.438",
            "intervals": [{"method": "exact-poisson", "level": "0.95", "lower": "3.686", "upper": "109.953"}],
            "time": "all", "population": "Infused", "definition": "death-1", "imputed": 0
        }],
        "sites": [{
            "id": "CN-NJ", "name": "Nanjing", "country": "CN", "screened": 7, "enrolled": 6, "infused": 5, "deaths": 2,
            "relapses": 1
        }],
        "excluded": {"after_cutoff": 3, "voided_things": 1}
    });
    report["measures"] = json!({
        "definition": "windows-1", "population": "Infused", "baseline": "last value", "denominator_rule": "followed",
        "quartiles": "Hyndman-Fan type 2", "tests": "Wilcoxon",
        "lines_rule": "each subject's own values, of a population of at most 200 subjects",
        "tables": [{
            "measure": "loinc:47299-3", "method": "Farr", "unit": "%", "digits": 1, "values": 4,
            "other_units": [{"unit": "[IU]/mL", "values": 2}],
            "rows": [
                {"visit": "baseline", "n": 2, "missing": 3, "mean": "45.00", "sd": "7.071", "q1": "40.00", "median": "45.00",
                 "q3": "50.00", "min": "40.0", "max": "50.0"},
                {"visit": "month 3", "day": 91, "n": 2, "missing": 1, "mean": "25.00", "median": "25.00", "change": {
                    "n": 2, "mean": "-20.00", "hodges_lehmann": "-20.25", "zeros": 0, "p": "0.500000",
                    "p_method": "exact", "p_holm": "0.750000"}}
            ]
        }, {
            "measure": "sledai_total", "unit": "1", "digits": 0, "values": 5, "other_units": [],
            "score": {"sledai": "sledai-2k-1", "severity": "sledai-bands-eular-1", "change": "sledai-change-1"},
            "rows": [{
                "visit": "baseline", "n": 5, "missing": 1, "incomplete": 1, "median": "13.0", "mean": "13.2",
                "bands": [{"name": "none", "subjects": 0}, {"name": "high", "subjects": 5}]
            }, {
                "visit": "month 3", "day": 91, "n": 4, "missing": 1, "incomplete": 0,
                "bands": [{"name": "none", "subjects": 1}, {"name": "high", "subjects": 3}],
                "changed": {"better": 2, "unchanged": 1, "worse": 1}
            }],
            "lines": [{"subject": "S0001", "values": [{"visit": "baseline", "value": "12"}]}]
        }]
    });
    report["strata"] = json!([
        {"by": "site", "rule": "the site of the earliest enrollment", "population": "Infused", "levels": [{
            "level": "CN-NJ", "subjects": 5, "survival": figure("by_site.survival", "Alive", 3, 5, "60.00", ("14.66", "94.73")),
            "remission": [figure("by_site.remission", "Complete remission", 1, 3, "33.33", ("0.84", "90.57"))], "relapse": []
        }]},
        {"by": "source", "rule": "tissue", "population": "Infused", "withheld": "the trial has arms", "levels": []}
    ]);
    report["swimmer"] = json!({"population": "Infused", "lanes": [{
        "subject": "S0001", "site": "CN-NJ", "day_0": "2008-03-11", "infusions": [0], "relapses": [200],
        "responses": [{"day": 90, "status": "not_determinable", "adjudicated": false}], "end": 911, "ended": "died"
    }]});
    report["survival"] = json!({
        "crude": figure("survival.crude", "Alive at the end of follow-up (crude)", 3, 5, "60.00", ("14.66", "94.73")),
        "deaths": figure("death.crude", "Died", 2, 5, "40.00", ("5.27", "85.34")),
        "from_infusion": curve("survival.from_infusion", "Survival from first infusion (Kaplan-Meier)"),
        "from_enrollment": curve("survival.from_enrollment", "Survival from enrollment (Kaplan-Meier)"),
        "listing": [{
            "subject": "S0001", "site": "CN-NJ", "on": "2008-06-19", "imputed": true, "day": 100,
            "after_relapse": false, "first_seq": 5, "latest_seq": 6
        }],
        "sensitivity": {
            "definition": "impute-1", "main": "earliest", "other": "latest", "deaths": 1,
            "crude": figure("survival.sensitivity.crude", "Alive, other days", 3, 5, "60.00", ("14.66", "94.73")),
            "from_infusion": curve("survival.sensitivity.from_infusion", "Survival, partly dated deaths on other days")
        }
    });
    report["relapse"] = json!({
        "definition": "relapse-1",
        "in_year": [figure("relapse.in_year.year_1", "First relapse in year 1", 1, 3, "33.33", ("0.84", "90.57"))],
        "at_risk": [figure("relapse.at_risk.year_1", "First relapse in year 1, at risk", 1, 3, "33.33", ("0.84", "90.57"))],
        "among_responders": figure("relapse.among_responders", "Relapse after a response", 0, 1, "0.00", ("0.00", "97.50")),
        "own": [{"id": "own-measure-1", "title": "Relapse of our own", "figures": [
            figure("relapse.own.own-measure-1", "Relapse of our own", 1, 6, "16.67", ("0.42", "64.12"))
        ]}],
        "ever": figure("relapse.ever", "Relapse ever, of enrolled", 1, 6, "16.67", ("0.42", "64.12")),
        "cumulative_incidence": {
            "id": "relapse.incidence", "label": "Cumulative incidence of first relapse", "population": "Infused",
            "subjects": 5, "relapses": 1, "deaths_first": 1, "imputed": 0,
            "steps": [
                incidence(100, 5, 0, 1, "0.000000", "0.200000"), incidence(200, 4, 1, 0, "0.200000", "0.200000"),
                incidence(700, 2, 0, 0, "0.200000", "0.200000")
            ],
            "landmarks": [{
                "label": "12 months", "days": "365.25", "at_risk": 2, "relapse": "0.200000",
                "standard_error": "0.178885",
                "intervals": [{"method": "log-log", "level": "0.95", "lower": "0.008400", "upper": "0.581900"}],
                "death_first": "0.200000", "event_free": "0.600000"
            }]
        },
        "listing": []
    });
    report
}

/// Sections of the safety report about events of one sort.
fn safety_events() -> Value {
    let event = json!({
        "subject": "S0001", "site": "CN-NJ", "pt": "Pyrexia", "onset": "2008-03-11", "day": 0, "severity": "mild", "grade": 1,
        "serious": false, "product": "unrelated", "procedure": "not_judged", "outcome": "recovered", "first_seq": 4,
        "latest_seq": 5
    });
    let rate = |id: &str, events: u64, time: &str| {
        json!({
            "id": id, "label": "Any", "events": events, "days": 2400, "patient_years": "6.5708",
            "per_100_patient_years": "30.438", "time": time, "population": "Safety set", "definition": "any-1",
            "denominator_rule": format!("days {time}"), "imputed": 0,
            "intervals": [{"method": "exact-poisson", "level": "0.95", "lower": "3.686", "upper": "109.95"}]
        })
    };
    let row = |name: &str| json!({"name": name, "first": rate(name, 2, "to_first_event"), "all": rate(name, 3, "all")});
    let mut none = figure("none", "Infections: fatal", 0, 5, "0.00", ("0.00", "52.18"));
    none["no_events"] = json!({"one_sided_upper_percent": "45.072", "rule_of_three_percent": "60.000"});
    let landmark = |months: u64, event: &str, intervals: Value| {
        json!({
            "months": months, "days": "30.44", "at_risk": 4, "event": event, "standard_error": "0.178885",
            "intervals": intervals, "death_first": "0.000000", "event_free": "0.800000"
        })
    };
    let limits = json!([{"method": "log-log", "level": "0.95", "lower": "0.008362", "upper": "0.581906"}]);
    json!({
        "infusion_reactions": {
            "definition": "infusion-reaction-1", "rule": "so soon",
            "subjects": figure("s", "Subjects with an infusion reaction", 1, 5, "20.00", ("0.51", "71.64")),
            "infusions": figure("i", "Infusions with a reaction", 1, 6, "16.67", ("0.42", "64.12")),
            "events": 1, "time_unknown": 1, "undetermined": 0,
            "listing": [{
                "event": event, "class": "one_day_time_unknown", "worsened": false, "infusion": 1,
                "infused_on": "2008-03-11", "infusion_seq": 3
            }]
        },
        "gvhd": {
            "definition": "gvhd-magic-1", "rule": "by the organ that fares worst",
            "assessed": figure("a", "Examined after first infusion", 4, 5, "80.00", ("28.36", "99.49")),
            "assessments": 9, "not_done": 2,
            "figures": [figure("any", "Any stage of 1 or more", 1, 4, "25.00", ("0.63", "80.59"))],
            "stages": [{"organ": "upper_gi", "subjects": [4, 0, 0, 0, 0]}], "grades": [3, 0, 0, 1, 0],
            "listing": [{
                "subject": "S0001", "site": "CN-NJ", "on": "2008-04-10", "day": 30, "skin": 2, "liver": 2, "upper_gi": 0,
                "lower_gi": 0, "grade": 3, "positive": 2, "first_seq": 5, "latest_seq": 6
            }]
        },
        "of_interest": [{
            "id": "infections", "label": "Infections", "soc": "Infections and infestations",
            "categories": [{"id": "fatal", "events": 0, "subjects": none}],
            "first": rate("f", 2, "to_first_event"), "all": rate("a", 3, "all"), "listing": [event]
        }],
        "incidence": {
            "without_day": 0, "any": row("Any adverse event"),
            "classes": [{"class": row("Infections and infestations"), "terms": [row("Herpes zoster")]}]
        },
        "first_events": [
            {
                "id": "any", "label": "First adverse event", "subjects": figure("any", "Any", 1, 5, "20.00", ("0.51", "71.64")),
                "deaths_first": 0, "censored": 4, "landmarks": [landmark(1, "0.200000", limits)]
            },
            {
                "id": "serious", "label": "First serious event", "subjects": none, "deaths_first": 1, "censored": 4,
                "landmarks": [landmark(1, "0.000000", json!([]))]
            }
        ],
        "laboratory": {
            "definition": "lab-shift-1", "rule": "worst of all", "population": "Safety set", "subjects": 5,
            "analytes": [{"analyte": "1751-7", "rows": [{
                "baseline": "low", "subjects": 2, "low": 1, "normal": 0, "high": 2, "missing": 0, "low_and_high": 1
            }]}],
            "without_range": 3, "not_a_number": 1, "date_unknown": 0
        }
    })
}

fn safety() -> Value {
    let mut report = safety_as_a_whole();
    report
        .as_object_mut()
        .expect("an object")
        .extend(safety_events().as_object().expect("an object").clone());
    report
}

fn safety_as_a_whole() -> Value {
    let mut related = figure("related", "Related to product or procedure", 0, 5, "0.00", ("0.00", "52.18"));
    related["no_events"] = json!({"one_sided_upper_percent": "45.072", "rule_of_three_percent": "60.000"});
    let term = |name: &str, subjects: u64, events: u64| {
        json!({
            "name": name, "subjects": subjects, "percent": "40.00", "events": events, "serious": 1,
            "worst_severity": "moderate", "worst_grade": 2
        })
    };
    let mut class = term("Infections and infestations", 2, 3);
    class["terms"] = json!([term("Upper respiratory tract infection", 2, 2), term("Herpes zoster", 1, 1)]);
    json!({
        "report": "safety", "schema": 1, "engine": {"name": "trialbook", "version": "0.1.0"},
        "cutoff": {"date": "2011-06-30", "basis": "given", "zone": "Asia/Shanghai"},
        "definitions": {"related": "related-1"}, "definitions_replaced": [], "confidence": "0.95",
        "populations": {"all_subjects": 7, "safety_set": 5, "safety_set_followed": 5, "patient_years": "6.5708"},
        "overviews": [{"id": "treatment_emergent", "label": "Treatment-emergent adverse events", "categories": [
            {"id": "any", "label": "Any", "events": 3, "subjects": figure("any", "Any", 2, 5, "40.00", ("5.27", "85.34"))},
            {"id": "related", "label": "Related to product or procedure", "events": 0, "subjects": related}
        ]}],
        "emergence": {"before": 1, "emergent": 3, "emergent_by_imputation": 0, "worsened": 0, "untreated": 0},
        "timing": [{"class": "within_24_hours", "subjects": 1, "events": 1}],
        "tables": [{
            "id": "treatment_emergent", "label": "Treatment-emergent adverse events by class and term",
            "population": "Infused", "denominator": 5, "subjects": 2, "events": 3, "classes": [class]
        }],
        "deaths": {
            "deaths": figure("death", "Died", 2, 5, "40.00", ("5.27", "85.34")),
            "related": figure("death.related", "Died, related", 0, 5, "0.00", ("0.00", "52.18")),
            "not_judged": 0, "untreated": 0, "fatal_event_without_death": 0,
            "listing": [{
                "subject": "S0001", "site": "CN-NJ", "treated": true, "on": "2008-06-19", "imputed": false, "day": 100,
                "days_since_last_infusion": 100, "relation": "unrelated", "judgements": [], "first_seq": 5, "latest_seq": 6
            }]
        },
        "seriousness_disagreements": [
            {"subject": "S0001", "site": "CN-NJ", "reported": false, "criteria": ["hospitalisation"], "first_seq": 5, "latest_seq": 5}
        ],
        "serious_events": [{
            "subject": "S0001", "site": "CN-NJ", "onset": "2008-05-01", "pt": "Herpes zoster", "treatment_emergent": true,
            "criteria": ["hospitalisation"], "investigator": "unrelated", "first_seq": 5, "latest_seq": 6
        }],
        "expedited": {"table": "t", "rule": "r", "serious_events": 1, "jurisdictions": [], "counts": [],
            "countries_without_rules": [], "listing": [{
            "subject": "S0001", "site": "CN-NJ", "jurisdiction": "CN", "trigger": "serious_unexpected", "upgrade": false,
            "presumed": false, "aware_on": "2008-05-02", "due_on": "2008-05-17", "sent_on": ["2008-05-20", "2008-05-19"],
            "status": "sent_late", "first_seq": 5, "latest_seq": 6
        }]},
        "unknowns": {"not_coded": 0, "causality_missing": 0}, "sites": [], "excluded": {"after_cutoff": 0}
    })
}

fn nobody<T>() -> Result<T, Problem> {
    Err(Problem::internal("the pages do not ask for this"))
}

#[async_trait::async_trait]
impl Registry for Answers {
    async fn trials(&self) -> Result<Trials, Problem> {
        let trials: Vec<Value> = self.trials.iter().map(|trial| self.trial_view(trial)).collect();
        Ok(read(json!({"trials": trials})))
    }

    async fn trial(&self, trial: &TrialId) -> Result<TrialDetail, Problem> {
        self.knows(trial)?;
        let mut detail = self.trial_view(trial.as_str());
        detail["sites"] =
            json!([{"country": "CN", "name": "Nanjing", "site": "CN-NJ", "zone": "Asia/Shanghai"}]);
        detail["keys"] = json!([{
            "granted_at": 0, "holder": "li.wei", "key": "11".repeat(32), "organisation": "CN-NJ Hospital",
            "role": "principal_investigator", "sites": ["CN-NJ"]
        }]);
        Ok(read(detail))
    }

    async fn record(&self, trial: &TrialId, seq: chain::Position) -> Result<RecordView, Problem> {
        self.knows(trial)?;
        let seq = usize::try_from(seq.0).expect("a small number");
        if seq >= self.records.len() {
            return Err(Problem::not_found(format!("the log holds no record {seq}")));
        }
        Ok(read(self.view(seq)))
    }

    async fn subjects(&self, trial: &TrialId, page: Page) -> Result<SubjectsPage, Problem> {
        self.knows(trial)?;
        let all = [("S0001", "dead", 6), ("S0002", "enrolled", 7)];
        let subjects: Vec<Value> = all
            .iter()
            .filter(|(subject, ..)| page.after.as_deref().is_none_or(|after| *subject > after))
            .map(|(subject, status, last_seq)| {
                json!({
                    "subject": subject, "site": "CN-NJ", "status": status, "records": 6, "findings": 2,
                    "last_seq": last_seq
                })
            })
            .collect();
        let mut answer = json!({"covers": self.covers, "subjects": subjects});
        if page.after.is_none() {
            answer["next"] = json!("S0002");
        }
        Ok(read(answer))
    }

    async fn subject_records(
        &self,
        trial: &TrialId,
        subject: &SubjectId,
        page: Page,
    ) -> Result<SubjectRecords, Problem> {
        self.knows(trial)?;
        let after: Option<usize> = page.after.as_ref().map(|after| after.parse().expect("a position"));
        let records: Vec<Value> = (0..self.records.len())
            .filter(|seq| self.records[*seq]["event"]["subject"] == json!(subject.as_str()))
            .filter(|seq| after.is_none_or(|after| *seq > after))
            .map(|seq| self.view(seq))
            .collect();
        if records.is_empty() && after.is_none() {
            return Err(Problem::not_found(format!("no subject {subject}")));
        }
        Ok(read(json!({"covers": self.covers, "records": records, "subject": subject})))
    }

    async fn evidence(&self, trial: &TrialId) -> Result<api::Evidence, Problem> {
        self.knows(trial)?;
        Ok(read(self.evidence.clone()))
    }

    async fn log_file(&self, _: &TrialId, _: api::LogFile) -> Result<Vec<u8>, Problem> {
        nobody()
    }

    async fn proof(&self, _: &TrialId, seq: chain::Position) -> Result<String, Problem> {
        if seq.0 + 1 >= self.records.len() as u64 {
            return Err(Problem::not_found("not sealed yet"));
        }
        Ok(format!(
            "c2sp.org/tlog-proof@v1\nindex {seq}\nAAAA\n\nexample.org/lupus-msct\n8\nAAAA\n\n— x AAAA\n"
        ))
    }

    async fn trail(&self, trial: &TrialId, asked: api::TrailAsked) -> Result<api::TrailPage, Problem> {
        self.knows(trial)?;
        let entries = self.records.iter().enumerate().map(|(seq, record)| {
            let mut entry = record["event"].clone();
            for (name, value) in [("seq", json!(seq)), ("hash", json!(hash(seq as u64)))] {
                entry[name] = value;
            }
            entry["recorded_at"] = record["recorded_at"].clone();
            read::<api::TrailEntry>(entry)
        });
        let after = |entry: &api::TrailEntry| asked.after.is_none_or(|after| entry.seq > after);
        let mut entries: Vec<_> =
            entries.filter(after).filter(|entry| asked.takes(entry)).take(asked.limit() + 1).collect();
        let more = entries.len() > asked.limit();
        entries.truncate(asked.limit());
        let next = entries.last().map(|last| last.seq).filter(|_| more);
        Ok(api::TrailPage { covers: self.covers(), entries, next })
    }

    async fn plan(&self, trial: &TrialId, asked: api::PlanAsked) -> Result<api::PlanPage, Problem> {
        self.knows(trial)?;
        let visit = |name: &str, state: &str| json!({"name": name, "state": state, "opens_on": "2008-04-03", "closes_on": "2008-04-17"});
        let mut done = visit("M1", "done");
        (done["on"], done["seq"]) = (json!("2008-04-12"), json!(4));
        let plan = |subject: &str, standing: &str, visits: Vec<Value>| {
            json!({
                "subject": subject, "site": "CN-NJ", "status": "treated", "enrolled_on": "2008-03-01",
                "first_infusion_on": "2008-03-11", "consent": standing,
                "consents": [{"document_version": "v2.1", "on": "2008-03-12", "seq": 1}],
                "first_procedure": {"kind": "infusion", "on": "2008-03-11", "seq": 2}, "visits": visits,
                "unscheduled": 0, "findings": 2, "not_endorsed": [5],
                "signatures": self.signatures.iter().filter(|_| subject == "S0001").collect::<Vec<_>>()
            })
        };
        let subjects = [
            plan("S0001", "after", vec![done, visit("M3", "overdue"), visit("M6", "missed")]),
            plan("S0002", "before", vec![visit("M1", "due"), visit("M3", "partial"), visit("M6", "not_due")]),
        ];
        let all: Vec<_> = subjects
            .into_iter()
            .filter(|plan| {
                let subject = plan["subject"].as_str().expect("a text");
                asked.after.as_ref().is_none_or(|after| subject > after.as_str())
            })
            .collect();
        let schedule = [("M1", 30), ("M3", 90), ("M6", 180)]
            .map(|(name, day)| json!({"name": name, "day": day, "window_before": 7, "window_after": 7}));
        let on = asked.on.map_or_else(|| "2008-07-01".to_owned(), |on| on.to_string());
        Ok(read(json!({"covers": self.covers, "on": on, "schedule": schedule, "subjects": all})))
    }

    async fn refused(&self, trial: &TrialId, _: api::RefusedAsked) -> Result<api::RefusedPage, Problem> {
        self.knows(trial)?;
        let refused = json!([{
            "actor": "li.wei", "at": "2026-01-01T10:00:00.000000Z", "code": "stale-amendment", "detail": "record 4 was amended by 9",
            "event": "018ca23b-e400-7b00-8cac-6a66c3ef7c34", "kind": "visit", "pointer": "/amends/seq", "site": "CN-NJ",
            "subject": "S0001", "times": 2, "title": "The amended record has a newer version."
        }]);
        Ok(read(json!({"covers": self.covers, "refused": refused})))
    }

    async fn verification(&self, trial: &TrialId) -> Result<api::VerificationView, Problem> {
        self.knows(trial)?;
        Ok(read(json!({"covers": self.covers, "last": self.verification})))
    }

    async fn site_records(
        &self,
        _: &TrialId,
        _: &clinical::SiteId,
        _: Option<chain::Position>,
    ) -> Result<Vec<api::FeedItem>, Problem> {
        nobody()
    }

    async fn findings(&self, trial: &TrialId, _page: Page) -> Result<FindingsPage, Problem> {
        self.knows(trial)?;
        let records: Vec<Value> = self
            .records
            .iter()
            .enumerate()
            .filter(|(_, record)| findings(record) != json!([]))
            .map(|(seq, record)| {
                let event = &record["event"];
                json!({
                    "findings": findings(record), "kind": event["kind"], "occurred_on": event["occurred_on"],
                    "seq": seq, "site": event["site"], "subject": event["subject"]
                })
            })
            .collect();
        Ok(read(json!({"covers": self.covers, "records": records})))
    }

    async fn sources(
        &self,
        trial: &TrialId,
        _: ReportKind,
        _: ReportAsked,
        cell: AskedSources,
    ) -> Result<SourcesView, Problem> {
        self.knows(trial)?;
        let sources = json!({
            "adds_up": true, "cell": cell.cell, "covers": self.covers(), "label": "Deaths", "next": "P007",
            "subjects": [
                {"own": 1, "records": [{"first": 3, "latest": 3}, {"first": 4, "latest": 9}], "subject": "P005"},
                {"own": {"n": 1, "median": "13"}, "records": [{"first": 7, "latest": 7}], "subject": "P007"}
            ],
            "value": 2
        });
        Ok(read(sources))
    }

    async fn report(
        &self,
        trial: &TrialId,
        kind: ReportKind,
        asked: ReportAsked,
    ) -> Result<ReportView, Problem> {
        self.knows(trial)?;
        let report = match kind {
            ReportKind::Outcomes => &self.outcomes,
            ReportKind::Safety => &self.safety,
        };
        let mut report =
            report.clone().ok_or_else(|| Problem::unavailable("the read model is being rebuilt"))?;
        if let Some(cutoff) = asked.cutoff {
            report["cutoff"]["date"] = json!(cutoff.to_string());
        }
        let report = serde_json::from_str(&report.to_string()).expect("JSON");
        Ok(ReportView { covers: self.covers(), report, since: None })
    }

    async fn open_trial(&self, _submission: Vec<u8>) -> Result<Answer, Problem> {
        nobody()
    }

    async fn submit(&self, trial: &TrialId, submissions: Vec<Vec<u8>>) -> Result<Vec<Answer>, Problem> {
        let answer = |submission: &Vec<u8>| match self.refuses.clone() {
            Some(problem) => Answer::Refused { problem },
            None => Answer::Recorded {
                receipt: read(json!({
                    "findings": [], "hash": hash(7), "recorded_at": "2026-11-22T13:28:45.123456Z",
                    "seq": submission.len(), "trial": trial
                })),
            },
        };
        Ok(submissions.iter().map(answer).collect())
    }

    async fn rehearse(&self, _trial: &TrialId, rehearsal: api::Rehearsal) -> Result<api::Rehearsed, Problem> {
        if let Some(problem) = self.refuses.clone() {
            return Err(problem);
        }
        let found = rehearsal
            .statement
            .data
            .get("pga")
            .map(|_| json!({"code": "pga-out-of-range", "pointer": "/data/pga", "severity": "minor"}));
        Ok(read(json!({"findings": found.into_iter().collect::<Vec<_>>()})))
    }

    async fn follow(&self, _trial: &TrialId, _from: chain::Position) -> Result<api::FeedPart, Problem> {
        nobody()
    }

    async fn text_key(&self, _trial: &TrialId, _request: TextKeyRequest) -> Result<TextKeyAnswer, Problem> {
        nobody()
    }

    async fn readiness(&self) -> Result<Readiness, Problem> {
        Ok(read(json!({"ready": true, "checks": [
            {"name": "lupus-msct: registrar", "ok": true},
            {"name": "lupus-msct: witness regulator", "ok": false, "detail": "connection failed"}
        ]})))
    }

    async fn metrics(&self) -> Result<String, Problem> {
        nobody()
    }

    async fn projectors(&self) -> Result<api::Projectors, Problem> {
        Ok(read(json!({"projectors": [
            {
                "head": hash(6), "journal_size": 10, "lag_records": 3, "lag_seconds": 42, "name": "outcomes",
                "last_error": "the read model failed once", "rebuilds": 1, "size": 7, "state": "rebuilding",
                "trial": "lupus-msct"
            },
            {
                "head": hash(9), "journal_size": 10, "lag_records": 0, "lag_seconds": 0, "name": "safety",
                "rebuilds": 0, "size": 10, "state": "running", "trial": "lupus-msct"
            }
        ]})))
    }

    async fn rebuild(&self, trial: &TrialId, name: &str) -> Result<(), Problem> {
        self.knows(trial)?;
        if name == "outcomes" { Ok(()) } else { Err(Problem::not_found("no such read model")) }
    }

    async fn envelopes(
        &self,
        trial: &TrialId,
        asked: api::EnvelopesAsked,
    ) -> Result<api::Envelopes, Problem> {
        self.knows(trial)?;
        let from = usize::try_from(asked.from.0).expect("a small number").min(self.records.len());
        let end = self.records.len().min(from + asked.limit);
        let envelope = |seq: usize| {
            let record = &self.records[seq];
            json!({
                "bytes": record.to_string().len(), "key": record["event"]["key"], "kind": record["event"]["kind"],
                "recorded_at": record["recorded_at"], "seq": seq, "signed_at": record["event"]["signed_at"],
                "site": record["event"]["site"]
            })
        };
        let envelopes: Vec<Value> = (from..end).map(envelope).collect();
        Ok(read(json!({"covers": self.covers, "envelopes": envelopes, "next": end})))
    }
}
