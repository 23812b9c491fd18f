//! What happened to the synthetic subjects, as the statements their sites would make.
//!
//! Everything beyond the cohort's facts (laboratory values, adverse events, doses within their plan) is drawn from a
//! small deterministic generator seeded by the subject's id. SLEDAI-2K totals are shaped so that their medians at 0, 1, 3,
//! 6 and 12 months are 13, 9, 8, 6 and 5, as a review of such transplantations reports them (Wen 2019).

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use clinical::date::{anniversary, days_between};
use clinical::sledai::{Descriptor, Presence};
use clinical::{Date, EventKind, PartialDate, Role, SiteId, Statement, SubjectId};
use serde_json::{Map, Value, json};

use super::Row;
use super::people::SITES;
use crate::commands::statement;

/// A statement with the role of its signer at the subject's site.
pub(crate) struct Signed {
    pub(crate) role: Role,
    pub(crate) statement: Statement,
}

/// Planned visits: name, target day, window before and after.
const SCHEDULE: [(&str, i32, u32, u32); 8] = [
    ("BASELINE", -7, 30, 7),
    ("M1", 30, 14, 14),
    ("M3", 91, 21, 21),
    ("M6", 183, 30, 30),
    ("M12", 365, 60, 60),
    ("M24", 730, 60, 60),
    ("M36", 1096, 60, 60),
    ("M48", 1461, 60, 60),
];

const REMISSION: &str = "ccr-registry-1";
const RELAPSE: &str = "relapse-1";

/// The statement that opens the trial, without its keys.
pub(crate) fn opening() -> Statement {
    let schedule: Vec<_> = SCHEDULE
        .iter()
        .map(|(name, day, before, after)| json!({"day": day, "name": name, "window_after": after, "window_before": before}))
        .collect();
    statement(
        EventKind::TrialOpened,
        &json!({
            "definitions": {
                "evaluable": "evaluable-1", "imputation": "impute-1", "related": "related-1",
                "relapse": RELAPSE, "remission": REMISSION
            },
            "profile": {"mandatory": {
                "adverse_event": ["/causality/product", "/outcome", "/term"],
                "enrollment": ["/consent", "/diagnosed_on", "/planned_infusions", "/sex"],
                "infusion": ["/cells/lot", "/cells/viability_percent", "/number", "/route"],
                "visit": ["/pga", "/prednisone_mg_per_day", "/sledai"]
            }},
            "rule_set": clinical::decide::RULE_SET,
            "schedule": schedule,
            "synthetic": true,
            "title": "SYNTHETIC: mesenchymal stem cell transplantation in severe and refractory systemic lupus erythematosus",
            "zone": "Asia/Shanghai"
        }),
    )
}

/// A small linear congruential generator: the same facts in every run, on every machine.
struct Draw(u64);

impl Draw {
    fn of(subject: &str) -> Self {
        let seed = subject.bytes().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self(seed)
    }

    /// A number from 0 to below `below`.
    fn below(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }

    /// A whole number from `from` to `to`, both included.
    fn between(&mut self, from: i64, to: i64) -> i64 {
        from + i64::try_from(self.below(u64::try_from(to - from + 1).unwrap_or(1))).unwrap_or(0)
    }

    /// A decimal from `from` to `to` tenths.
    fn tenths(&mut self, from: i64, to: i64) -> String {
        let tenths = self.between(from, to);
        format!("{}.{}", tenths / 10, tenths % 10)
    }
}

/// Everything that is stated about one subject, in the order in which it happened.
pub(crate) fn events(index: usize, row: &Row) -> Result<Vec<Signed>> {
    let mut subject = Course::new(index, row)?;
    subject.enrollment()?;
    subject.visits()?;
    subject.infusion()?;
    subject.adverse_events()?;
    subject.end();
    let mut events = subject.events;
    // An enrollment comes first whatever else is dated on its day.
    events.sort_by_key(|signed| {
        (
            signed.statement.occurred_on.map(PartialDate::earliest),
            signed.statement.kind != EventKind::Enrollment,
        )
    });
    let first = events.iter().position(|signed| signed.statement.kind == EventKind::Enrollment);
    let enrollment = events.remove(first.context("an enrollment was made")?);
    events.insert(0, enrollment);
    Ok(events)
}

struct Course<'a> {
    row: &'a Row,
    index: usize,
    site: SiteId,
    subject: SubjectId,
    day_0: Date,
    end: Date,
    draw: Draw,
    events: Vec<Signed>,
}

fn shift(date: Date, days: i64) -> Result<Date> {
    date.checked_add(jiff::Span::new().days(days)).context("a date of the cohort")
}

impl<'a> Course<'a> {
    fn new(index: usize, row: &'a Row) -> Result<Self> {
        Ok(Self {
            row,
            index,
            site: row.site.parse()?,
            subject: row.id.parse()?,
            day_0: row.infused_on()?,
            end: row.ends_on()?,
            draw: Draw::of(&row.id),
            events: Vec::new(),
        })
    }

    fn add(&mut self, role: Role, kind: EventKind, on: Date, data: Value) {
        let data = if let Value::Object(data) = data { data } else { Map::new() };
        self.events.push(Signed {
            role,
            statement: Statement {
                amends: None,
                confirmed: None,
                data,
                follows: None,
                kind,
                occurred_on: Some(on.into()),
                site: Some(self.site.clone()),
                subject: Some(self.subject.clone()),
                taken_from: None,
            },
        });
    }

    fn enrollment(&mut self) -> Result<()> {
        let on = shift(self.day_0, -self.draw.between(10, 24))?;
        let diagnosed = PartialDate::Year(on.year() - i16::try_from(self.draw.between(2, 14))?);
        let data = json!({
            "birth_year": i64::from(on.year()) - self.draw.between(19, 52),
            "consent": {"document_version": "1.2", "language": "zh-Hans", "signed_on": PartialDate::from(on)},
            "criteria": (1..=6).map(|number| json!({"id": format!("I{number}"), "result": "met"})).collect::<Vec<_>>(),
            "diagnosed_on": diagnosed,
            "planned_infusions": 1,
            "prior_therapies": [{"name": "cyclophosphamide"}, {"name": "prednisone"}],
            "sex": if self.draw.below(10) == 0 { "male" } else { "female" }
        });
        self.add(Role::Coordinator, EventKind::Enrollment, on, data);
        Ok(())
    }

    fn infusion(&mut self) -> Result<()> {
        let bone_marrow = self.row.source == "BM";
        let weight_tenths = self.draw.between(430, 690);
        let given: i64 = 1_000_000;
        let lot = format!("{}-{:03}", if bone_marrow { "BM" } else { "UC" }, self.index / 3 + 1);
        let (first, second) = (self.person(Role::Investigator)?, self.person(Role::Coordinator)?);
        let data = json!({
            "cells": {
                "body_weight_kg": format!("{}.{}", weight_tenths / 10, weight_tenths % 10),
                "body_weight_on": PartialDate::from(self.day_0),
                "donor": format!("D-{lot}"),
                "expires_on": PartialDate::from(shift(self.day_0, 1)?),
                "given_per_kg": given,
                "lot": lot,
                "passage": self.draw.between(3, 5),
                "planned_per_kg": given,
                "preparation": "fresh",
                "release": "released",
                "source": if bone_marrow { "bone_marrow" } else { "umbilical_cord" },
                "total": given * weight_tenths / 10,
                "viability_method": "trypan blue",
                "viability_percent": self.draw.tenths(900, 985)
            },
            "identity_check": {"first": first, "second": second},
            "number": 1,
            "premedication": [{"name": "promethazine"}],
            "route": "INTRAVENOUS",
            "started_at": format!("{}T10:{:02}+08:00", PartialDate::from(self.day_0), self.draw.below(30)),
            "stopped_at": format!("{}T11:{:02}+08:00", PartialDate::from(self.day_0), self.draw.below(59))
        });
        self.add(Role::Investigator, EventKind::Infusion, self.day_0, data);
        Ok(())
    }

    fn person(&self, role: Role) -> Result<&'static str> {
        let site = SITES.iter().find(|site| site.id == self.row.site).context("a site of the cohort")?;
        Ok(site.holder(role))
    }

    fn visits(&mut self) -> Result<()> {
        let relapse_on = self.row.first_relapse_day.map(|day| shift(self.day_0, day.into())).transpose()?;
        let baseline = shift(self.day_0, -self.draw.between(1, 7))?;
        self.visit("BASELINE", baseline, None, 0)?;
        for (name, target, slot) in [("M1", 30, 1), ("M3", 91, 2), ("M6", 183, 3)] {
            let on = shift(self.day_0, target + self.draw.between(-6, 6))?;
            if on < self.end && Some(on) != relapse_on {
                self.visit(name, on, None, slot)?;
            }
        }
        for (year, complete) in self.row.remissions().collect::<Vec<_>>() {
            let due = anniversary(self.day_0, year)?;
            let room = i64::from(days_between(due, self.end)).min(10);
            let mut on = shift(due, self.draw.between(-10, room))?;
            if Some(on) == relapse_on {
                on = shift(on, -1)?;
            }
            let name = ["M12", "M24", "M36", "M48"][usize::try_from(year - 1)?];
            self.visit(name, on, Some(complete), 4)?;
        }
        if let Some(on) = relapse_on {
            self.relapse(on);
        }
        Ok(())
    }

    /// A planned visit. `complete`: the investigator's judgement of remission, where one is due.
    fn visit(&mut self, name: &str, on: Date, complete: Option<bool>, slot: usize) -> Result<()> {
        let total = self.sledai_total(slot, complete);
        let mut data = json!({
            "gvhd": {"liver": 0, "lower_gi": 0, "skin": 0, "upper_gi": 0},
            "observations": self.laboratory(slot),
            "pga": self.draw.tenths(3, 24 - 4 * i64::try_from(slot)?),
            "planned": name,
            "prednisone_mg_per_day": self.draw.tenths(50, 400 - 80 * i64::try_from(slot)?),
            "sledai": descriptors(total, complete == Some(true)),
            "status": "done"
        });
        if let Some(complete) = complete {
            data["response"] =
                json!({"definition": REMISSION, "status": if complete { "complete" } else { "none" }});
            data["relapse"] = json!({"definition": RELAPSE, "relapsed": false});
        }
        let role = if complete.is_some() { Role::Investigator } else { Role::Coordinator };
        self.add(role, EventKind::Visit, on, data);
        Ok(())
    }

    fn relapse(&mut self, on: Date) {
        let total = u16::try_from(self.draw.between(9, 15)).unwrap_or(9);
        let data = json!({
            "observations": self.laboratory(0),
            "pga": self.draw.tenths(15, 26),
            "prednisone_mg_per_day": self.draw.tenths(200, 400),
            "relapse": {"definition": RELAPSE, "relapsed": true},
            "sledai": descriptors(total, false),
            "status": "done"
        });
        self.add(Role::Investigator, EventKind::Visit, on, data);
    }

    /// A total around the slot's median: as many subjects above as below, or serology alone in complete remission.
    fn sledai_total(&mut self, slot: usize, complete: Option<bool>) -> u16 {
        let median = [13, 9, 8, 6, 5][slot.min(4)];
        let offset = match complete {
            Some(true) => return u16::try_from(2 * self.draw.below(3)).unwrap_or(0),
            // With the remissions below, enough of the others must stand at the median itself.
            Some(false) => [0, 0, 1, 3, 5][self.index % 5],
            None => [-4, 3, -2, 1, 0, -1, 2, -3, 4, 0, 0][self.index % 11],
        };
        u16::try_from(median + offset).unwrap_or(0)
    }

    fn laboratory(&mut self, slot: usize) -> Value {
        let gain = i64::try_from(slot).unwrap_or(0);
        let value = |loinc: &str, unit: &str, value: String| json!({"loinc": loinc, "reported": {"unit": unit, "value": value}, "ucum": {"unit": unit, "value": value}});
        let mut list = vec![
            value("1751-7", "g/L", self.draw.tenths(240 + 20 * gain, 360 + 20 * gain)),
            value("4485-9", "g/L", format!("0.{:02}", self.draw.between(35 + 6 * gain, 70 + 6 * gain))),
            value("4498-2", "g/L", format!("0.{:02}", self.draw.between(10, 16 + 2 * gain))),
            value("2160-0", "umol/L", self.draw.tenths(480, 980)),
            value("2889-4", "mg/(24.h)", self.draw.between(200, 3_200 - 500 * gain).to_string()),
        ];
        let mut dna = value("47299-3", "%", self.draw.tenths(150, 700 - 80 * gain));
        dna["method"] = json!("Farr");
        list.push(dna);
        Value::from(list)
    }

    /// Adverse events of ordinary life with this disease: none related to product or procedure.
    fn adverse_events(&mut self) -> Result<()> {
        const TERMS: [(&str, &str, &str); 6] = [
            ("Infections and infestations", "Upper respiratory tract infection", "sore throat and cough"),
            ("Infections and infestations", "Herpes zoster", "painful vesicles on the trunk"),
            ("Infections and infestations", "Urinary tract infection", "burning on urination"),
            ("Gastrointestinal disorders", "Diarrhoea", "loose stools for three days"),
            ("Nervous system disorders", "Headache", "headache in the evening"),
            ("Skin and subcutaneous tissue disorders", "Alopecia", "hair loss"),
        ];
        for number in 0..self.draw.below(3) {
            let (soc, pt, words) = TERMS[usize::try_from(self.draw.below(6))?];
            let day = self.draw.between(12, 320);
            let onset = shift(self.day_0, day)?;
            if onset >= self.end {
                continue;
            }
            let serious = number == 0 && self.draw.below(6) == 0;
            let grade = if serious { 3 } else { self.draw.between(1, 2) };
            let ended = shift(onset, self.draw.between(2, 20))?.min(self.end);
            let data = json!({
                "action": "not_applicable",
                "causality": {"procedure": "none", "product": "none", "underlying_disease": if serious { "possible" } else { "unlikely" }},
                "coding": {"dictionary": "MedDRA", "pt": pt, "soc": soc, "version": {"missing": "not_applicable"}},
                "ctcae": {"grade": grade, "version": "5.0"},
                "end": {"on": PartialDate::from(ended)},
                "outcome": "recovered",
                "serious_reported": serious,
                "seriousness": if serious { json!(["hospitalisation"]) } else { json!([]) },
                "term": format!("SYNTHETIC: {words}")
            });
            self.add(Role::Investigator, EventKind::AdverseEvent, onset, data);
        }
        Ok(())
    }

    /// The death, or the last contact.
    fn end(&mut self) {
        if self.row.died() {
            let none = json!({"procedure": "none", "product": "none", "underlying_disease": "probable"});
            let data = json!({
                "death": {"cause": "SYNTHETIC: complication of active lupus", "relatedness": none},
                "reason": "death",
                "scope": "study"
            });
            self.add(Role::Investigator, EventKind::Disposition, self.end, data);
        } else {
            let data = json!({"means": "phone", "vital_status": "alive"});
            self.add(Role::Coordinator, EventKind::Contact, self.end, data);
        }
    }
}

/// A full set of descriptors with exactly `total` points: the serological ones first, since remission allows them, then
/// the rest from the heaviest that fits.
fn descriptors(total: u16, serology_only: bool) -> BTreeMap<Descriptor, Presence> {
    let mut items: BTreeMap<_, _> =
        Descriptor::ALL.into_iter().map(|item| (item, Presence::Absent)).collect();
    let mut left = total;
    let serology = Descriptor::ALL.into_iter().filter(|item| !item.is_clinical());
    // Seizures and strokes would be another trial: of the weight-8 descriptors only vasculitis is drawn.
    let clinical = [
        Descriptor::Vasculitis,
        Descriptor::Proteinuria,
        Descriptor::Arthritis,
        Descriptor::Rash,
        Descriptor::Alopecia,
        Descriptor::MucosalUlcers,
        Descriptor::Leukopenia,
        Descriptor::Thrombocytopenia,
        Descriptor::Fever,
    ];
    for item in serology.chain(clinical.into_iter().filter(|_| !serology_only)) {
        if item.weight() <= left {
            items.insert(item, Presence::Present);
            left -= item.weight();
        }
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;
    use clinical::sledai::score;

    #[test]
    fn descriptors_add_up_to_the_total_that_was_asked_for() {
        for total in 0..=25 {
            assert_eq!(score(&descriptors(total, false)).total, total);
        }
        for total in [0, 2, 4] {
            let score = score(&descriptors(total, true));
            assert_eq!((score.total, score.clinical, score.not_done), (total, 0, 0));
        }
    }

    #[test]
    fn the_same_subject_has_the_same_course_in_every_run() {
        let cohort = super::super::cohort().unwrap();
        let course = || -> Vec<_> {
            events(6, &cohort[6]).unwrap().into_iter().map(|signed| signed.statement).collect()
        };
        assert_eq!(course(), course());
        assert_eq!(course()[0].kind, EventKind::Enrollment);
    }
}
