//! The edge cohort: subjects made by hand so that a wrong rule shows, each with what is expected of it and why. SYNTHETIC.
//!
//! It is no cohort that resembles any trial, and nothing here computes a figure: facts and expectations are read from
//! one file, which was written before it was run; what the reports say of them is looked up in [`found`].

pub(crate) mod found;

use anyhow::{Context as _, Result};
use clinical::{Date, EventKind, PartialDate, Role, SiteId, Statement, SubjectId};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::commands::statement;

const FACTS: &str = include_str!("edge_cohort_synthetic.json");

/// The trial's id.
pub(crate) const TRIAL: &str = "edge-cohort";

/// Its sites: id, principal investigator, investigator. Both lie in one country, so that one authority's clocks run.
pub(crate) const SITES: [(&str, &str, &str); 2] =
    [("EC1", "anna.arndt", "bert.beck"), ("EC2", "carla.conrad", "dirk.dietz")];

/// The zone of the trial and its sites.
pub(crate) const ZONE: &str = "Europe/Berlin";

/// Days from enrollment to the first infusion, where the facts say nothing else.
const ENROLLED_BEFORE_DAYS: i64 = 14;

const REMISSION: &str = "ccr-registry-1";
const RELAPSE: &str = "relapse-1";

/// The file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Edge {
    /// That it is synthetic, in words.
    pub(crate) synthetic: String,
    /// Up to which day its reports count.
    pub(crate) cutoff: PartialDate,
    /// Conventions, and how the figures of the whole were worked out.
    #[expect(dead_code, reason = "for whoever reads the file")]
    notes: Vec<String>,
    /// Of the whole cohort.
    pub(crate) whole: Vec<Expected>,
    pub(crate) subjects: Vec<Subject>,
}

/// What of a report, its value, and why it must be that.
#[derive(Debug, Deserialize)]
pub(crate) struct Expected(pub(crate) String, pub(crate) String, pub(crate) String);

/// A subject, or one pseudonym of two.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Subject {
    pub(crate) id: SubjectId,
    site: SiteId,
    pub(crate) case: String,
    /// The pseudonym that stays, of one that is given up.
    pub(crate) counts_as: Option<SubjectId>,
    events: Vec<Fact>,
    pub(crate) expected: Vec<Expected>,
}

/// What happened, as far as it is not what is usual for its kind.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fact {
    /// Name of a kind, or `death`: a disposition.
    kind: String,
    on: Option<PartialDate>,
    #[serde(default)]
    data: Map<String, Value>,
    response: Option<String>,
    relapsed: Option<bool>,
    /// What later facts name it by.
    label: Option<String>,
    voids: Option<String>,
    replaces: Option<String>,
    follows: Option<String>,
    about: Option<String>,
    reason: Option<String>,
    #[serde(default)]
    after_cut: bool,
}

/// A fact as it is stated, and by whom.
#[derive(Debug)]
pub(crate) struct Stated {
    pub(crate) role: Role,
    /// At which site the signer works; for a role of a site.
    pub(crate) at: SiteId,
    pub(crate) statement: Statement,
    pub(crate) label: Option<String>,
    pub(crate) link: Option<Link>,
    pub(crate) after_cut: bool,
}

/// How a fact hangs together with an earlier one of its subject, which is named by its label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Link {
    Voids(String, String),
    Replaces(String, String),
    Follows(String),
    About(String),
}

impl Link {
    /// The label of the earlier one.
    pub(crate) fn label(&self) -> &str {
        match self {
            Self::Voids(label, _) | Self::Replaces(label, _) | Self::Follows(label) | Self::About(label) => {
                label
            }
        }
    }
}

impl Edge {
    pub(crate) fn read() -> Result<Self> {
        serde_json::from_str(FACTS).context("the edge cohort's file")
    }

    pub(crate) fn last_day(&self) -> Result<Date> {
        self.cutoff.day().context("the edge cohort's cutoff is a full date")
    }
}

/// The statement that opens the trial, without its keys: the shipped definitions, no schedule.
pub(crate) fn opening() -> Statement {
    statement(
        EventKind::TrialOpened,
        &json!({
            "definitions": {
                "evaluable": "evaluable-1", "imputation": "impute-1", "related": "related-1",
                "relapse": RELAPSE, "remission": REMISSION
            },
            "profile": {"mandatory": {}},
            "rule_set": clinical::decide::RULE_SET,
            "schedule": [],
            "synthetic": true,
            "title": "SYNTHETIC: subjects made by hand so that a wrong rule shows",
            "zone": ZONE
        }),
    )
}

impl Subject {
    /// What is stated of the subject, in the order of the file.
    pub(crate) fn stated(&self) -> Result<Vec<Stated>> {
        let mut facts = self.events.clone();
        let first = facts.iter().find(|fact| fact.kind == "infusion").and_then(|fact| fact.on?.day());
        if let Some(first) = first
            && !facts.iter().any(|fact| fact.kind == "enrollment")
        {
            let on = first.checked_sub(jiff::Span::new().days(ENROLLED_BEFORE_DAYS))?;
            let enrolled: Fact =
                serde_json::from_value(json!({"kind": "enrollment", "on": PartialDate::from(on)}))?;
            facts.insert(0, enrolled);
        }
        let mut site = self.site.clone();
        let mut stated = Vec::new();
        for fact in facts {
            let moved = fact.data.get("to").and_then(Value::as_str).map(str::parse).transpose()?;
            stated.push(self.state(fact, &site)?);
            site = moved.unwrap_or(site);
        }
        Ok(stated)
    }

    fn state(&self, fact: Fact, site: &SiteId) -> Result<Stated> {
        let name = if fact.kind == "death" { "disposition" } else { fact.kind.as_str() };
        let kind: EventKind = serde_json::from_value(json!(name))?;
        let mut data = usual(&fact);
        merge(&mut data, &Value::Object(fact.data.clone()));
        let reason = fact.reason.clone().unwrap_or_default();
        let link = [
            fact.voids.map(|label| Link::Voids(label, reason.clone())),
            fact.replaces.map(|label| Link::Replaces(label, reason)),
            fact.follows.map(Link::Follows),
            fact.about.map(Link::About),
        ]
        .into_iter()
        .flatten()
        .next();
        let Value::Object(mut data) = data else { anyhow::bail!("what is stated is an object") };
        if matches!(link, Some(Link::Voids(..))) {
            data.clear();
        }
        let role = match kind {
            EventKind::Adjudication => Role::Committee,
            EventKind::SafetyReportSent => Role::SponsorSafety,
            EventKind::SubjectsLinked => Role::DataManager,
            _ => Role::Investigator,
        };
        let of_trial = kind == EventKind::SubjectsLinked;
        let statement = Statement {
            amends: None,
            confirmed: None,
            data,
            follows: None,
            kind,
            occurred_on: fact.on,
            site: (!of_trial).then(|| site.clone()),
            subject: (!of_trial).then(|| self.id.clone()),
            taken_from: None,
        };
        Ok(Stated { role, at: site.clone(), statement, label: fact.label, link, after_cut: fact.after_cut })
    }
}

/// What a fact of its kind says where nothing else is said.
fn usual(fact: &Fact) -> Value {
    let unrelated = json!({"procedure": "none", "product": "none"});
    let mut data = match fact.kind.as_str() {
        "enrollment" => json!({
            "consent": {"document_version": "1.0", "language": "de", "signed_on": fact.on},
            "planned_infusions": 1
        }),
        "infusion" => infusion(fact.on),
        "visit" => json!({"status": "done"}),
        "contact" => json!({"means": "phone", "vital_status": "alive"}),
        "death" => json!({"death": {"relatedness": unrelated}, "reason": "death", "scope": "study"}),
        "adverse_event" => json!({
            "causality": unrelated, "ctcae": {"grade": 1, "version": "5.0"}, "outcome": "recovered",
            "serious_reported": false, "seriousness": []
        }),
        _ => json!({}),
    };
    if let Some(status) = &fact.response {
        data["response"] = json!({"definition": REMISSION, "status": status});
    }
    if let Some(relapsed) = fact.relapsed {
        data["relapse"] = json!({"definition": RELAPSE, "relapsed": relapsed});
    }
    data
}

fn infusion(on: Option<PartialDate>) -> Value {
    let mut data = json!({
        "cells": {
            "given_per_kg": 1_000_000, "lot": "EDGE-1", "planned_per_kg": 1_000_000, "release": "released",
            "source": "bone_marrow", "viability_percent": "95"
        },
        "identity_check": {"first": SITES[0].1, "second": SITES[0].2},
        "number": 1,
        "route": "INTRAVENOUS"
    });
    if let Some(on) = on.filter(|on| on.day().is_some()) {
        data["started_at"] = json!(format!("{on}T10:00+02:00"));
        data["stopped_at"] = json!(format!("{on}T11:00+02:00"));
    }
    data
}

/// Puts members in the place of those of the same name, at every depth.
fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (name, value) in from {
                merge(into.entry(name.as_str()).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_edge_cohort_is_labelled_synthetic_and_every_expectation_has_its_reason() {
        let edge = Edge::read().unwrap();
        assert!(edge.synthetic.starts_with("SYNTHETIC"));
        let persons = edge.subjects.iter().filter(|subject| subject.counts_as.is_none());
        for subject in persons {
            assert!(!subject.expected.is_empty(), "{}", subject.id);
        }
        let all = edge.subjects.iter().flat_map(|subject| &subject.expected).chain(&edge.whole);
        for Expected(what, value, because) in all {
            assert!(!value.is_empty() && !because.is_empty(), "{what}");
        }
    }

    #[test]
    fn what_is_said_of_a_fact_replaces_what_is_usual_and_leaves_the_rest() {
        let edge = Edge::read().unwrap();
        let of = |id: &str| {
            let subject = edge.subjects.iter().find(|subject| subject.id.as_str() == id).unwrap();
            subject.stated().unwrap()
        };
        let stated = of("E24");
        assert_eq!(stated[0].statement.data["planned_infusions"], 2);
        assert_eq!(stated[0].statement.data["consent"]["language"], "de");
        assert_eq!(stated[2].statement.data["cells"]["source"], "umbilical_cord");
        assert_eq!(stated[2].statement.data["cells"]["lot"], "EDGE-1");
        let moved = of("E23");
        assert_eq!((moved[2].at.as_str(), moved[3].at.as_str()), ("EC1", "EC2"));
        assert!(of("E29")[3].statement.data.is_empty());
    }
}
