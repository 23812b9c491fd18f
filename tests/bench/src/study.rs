//! A synthetic trial: people with keys, and what they state about as many subjects as are asked for.
//!
//! The same events in every run. Each subject has 20: an enrollment, an infusion, 17 visits and an adverse event, in
//! the order in which they happened; all are as planned, so that none yields a finding.

use std::time::Duration;

use anyhow::{Context as _, Result};
use chain::note::{Signer, VerifierKey};
use chain::{Chain, Instant, LinkedRecord, PublicKey, RecordHash, SecretKey};
use clinical::data::KeyGranted;
use clinical::event::Actor;
use clinical::statement::{Author, Circumstances, Composed, compose};
use clinical::text::SealingRandomness;
use clinical::{Date, EventId, EventKind, PartialDate, Role, SiteId, Statement, SubjectId, TrialId, Zone};
use serde_json::{Map, Value, json};

use crate::measure;

/// Events of one subject.
pub(crate) const EVENTS_OF_A_SUBJECT: usize = 20;

const VISITS: usize = 17;
const DAYS_BETWEEN_VISITS: u64 = 30;

/// 2012-01-01: after every fact, before every recording.
const SIGNED_MICROSECONDS: i64 = 1_325_376_000_000_000;
/// 2026-01-01, and how long after each other records are made.
const RECORDED_MICROSECONDS: i64 = 1_767_225_600_000_000;
const BETWEEN_RECORDS_MICROSECONDS: i64 = 50;

/// The name of the log.
const ORIGIN: &str = "bench.trialbook.example/bench";

/// The people of the trial, and its id.
pub(crate) struct Study {
    pub(crate) trial: TrialId,
    /// Signs checkpoints.
    log_key: SecretKey,
    /// Signs receipts.
    receipt_key: SecretKey,
    zone: Zone,
    sponsors: [Person; 2],
    sites: Vec<Site>,
}

struct Site {
    id: SiteId,
    principal: Person,
    investigator: Person,
}

struct Person {
    actor: Actor,
    key: SecretKey,
}

/// What somebody states, and which event of the log it becomes.
struct Signed<'a> {
    by: &'a Person,
    statement: Statement,
    number: usize,
}

impl Study {
    /// A trial of four sites.
    pub(crate) fn new() -> Result<Self> {
        let person = |seed: u8, holder: &str, organisation: &str, role| -> Result<Person> {
            let actor = Actor { id: holder.parse()?, organisation: organisation.to_owned(), role };
            Ok(Person { actor, key: SecretKey::from_bytes(&[seed; 32]) })
        };
        let sponsor = |seed, holder| person(seed, holder, "Synthetic Sponsor", Role::Sponsor);
        let sites = (1..=4u8).map(|site| {
            let hospital = format!("Synthetic Hospital {site}");
            Ok(Site {
                id: format!("S{site:02}").parse()?,
                principal: person(10 + site, &format!("pi.{site}"), &hospital, Role::PrincipalInvestigator)?,
                investigator: person(20 + site, &format!("in.{site}"), &hospital, Role::Investigator)?,
            })
        });
        Ok(Self {
            trial: "bench".parse()?,
            log_key: SecretKey::from_bytes(&[99; 32]),
            receipt_key: SecretKey::from_bytes(&[98; 32]),
            zone: "Asia/Shanghai".parse()?,
            sponsors: [sponsor(1, "sponsor.one")?, sponsor(2, "sponsor.two")?],
            sites: sites.collect::<Result<_>>()?,
        })
    }

    /// The event that opens the trial.
    pub(crate) fn opening(&self) -> Result<Composed> {
        let sponsors = self.sponsors.iter().map(|sponsor| {
            json!({
                "holder": sponsor.actor.id, "organisation": sponsor.actor.organisation,
                "public_key": sponsor.key.public().to_text()
            })
        });
        let schedule = (1..=VISITS).map(|visit| {
            json!({
                "day": visit * 30, "name": format!("M{visit}"), "window_after": 14, "window_before": 14
            })
        });
        let log_key = VerifierKey::new(ORIGIN, self.log_key.public())?;
        let data = json!({
            "definitions": {
                "evaluable": "evaluable-1", "imputation": "impute-1", "related": "related-1",
                "relapse": "relapse-1", "remission": "ccr-registry-1"
            },
            "log_key": log_key.to_string(),
            "profile": {"mandatory": {
                "enrollment": ["/consent", "/planned_infusions", "/sex"],
                "visit": ["/pga", "/prednisone_mg_per_day"]
            }},
            "rule_set": clinical::decide::RULE_SET,
            "schedule": schedule.collect::<Vec<_>>(),
            "sponsor_keys": sponsors.collect::<Vec<_>>(),
            "synthetic": true,
            "title": "SYNTHETIC: a trial to be measured",
            "zone": self.zone
        });
        let statement = stated(EventKind::TrialOpened, data);
        self.compose(&Signed { by: &self.sponsors[0], statement, number: 0 }, RecordHash::ZERO)
    }

    /// The keys of those who state something about subjects.
    pub(crate) fn public_keys(&self) -> Vec<PublicKey> {
        self.sites.iter().map(|site| site.investigator.key.public()).collect()
    }

    /// How many events [`Study::delegation`] gives.
    pub(crate) fn delegations(&self) -> usize {
        1 + 3 * self.sites.len()
    }

    /// The key of receipts, sites, and everyone's keys.
    pub(crate) fn delegation(&self, genesis: RecordHash) -> Result<Vec<Composed>> {
        let statement = self.receipt_key_grant(genesis)?;
        let mut signed = vec![Signed { by: &self.sponsors[0], statement, number: 1 }];
        for site in &self.sites {
            let activated =
                json!({"country": "CN", "name": site.principal.actor.organisation, "zone": self.zone});
            let grants = [(&self.sponsors[0], &site.principal), (&site.principal, &site.investigator)];
            let statements = std::iter::once((
                &self.sponsors[0],
                Statement { site: Some(site.id.clone()), ..stated(EventKind::SiteActivated, activated) },
            ))
            .chain(grants.map(|(by, to)| (by, to.grant(&site.id, genesis))));
            for (by, statement) in statements {
                signed.push(Signed { by, statement, number: 1 + signed.len() });
            }
        }
        signed.iter().map(|signed| self.compose(signed, genesis)).collect()
    }

    /// What signs checkpoints.
    pub(crate) fn log_signer(&self) -> Result<Signer> {
        Ok(Signer::new(ORIGIN, self.log_key.clone())?)
    }

    fn receipt_key_grant(&self, genesis: RecordHash) -> Result<Statement> {
        let name = chain::receipt::key_name(ORIGIN);
        let public = self.receipt_key.public();
        let possession = self.receipt_key.sign(&chain::key::possession_message(genesis, &name, public));
        let data = json!({
            "possession": possession.to_text(), "service": "receipts",
            "verifier_key": VerifierKey::new(&name, public)?.to_string()
        });
        Ok(stated(EventKind::ServiceKeyGranted, data))
    }

    /// The registry's own keys: the file each stands in below a data directory, and what the file holds.
    pub(crate) fn service_keys(&self) -> [(String, String); 2] {
        [("log", &self.log_key), ("receipts", &self.receipt_key)].map(|(service, key)| {
            (format!("keys/{}.{service}.key", self.trial), chain::key::to_base64(&key.to_bytes()))
        })
    }

    /// Everything about subjects `from..to`, one list each. Composed on all cores.
    pub(crate) fn subjects(&self, from: usize, to: usize, genesis: RecordHash) -> Result<Vec<Vec<Composed>>> {
        let share = (to - from).div_ceil(measure::threads()).max(1);
        std::thread::scope(|scope| {
            let shares: Vec<_> = (from..to)
                .step_by(share)
                .map(|first| {
                    scope.spawn(move || {
                        (first..to.min(first + share))
                            .map(|subject| self.subject(subject, genesis))
                            .collect::<Result<Vec<_>>>()
                    })
                })
                .collect();
            let mut all = Vec::with_capacity(to - from);
            for share in shares {
                all.extend(share.join().expect("composing does not panic")?);
            }
            Ok(all)
        })
    }

    fn subject(&self, subject: usize, genesis: RecordHash) -> Result<Vec<Composed>> {
        let site = &self.sites[subject % self.sites.len()];
        let id: SubjectId = format!("P{subject:06}").parse()?;
        let first = "2008-01-15".parse::<PartialDate>()?.day().context("a full date")?;
        let day_0 = after(first, subject as u64 % 365)?;
        let mut statements = vec![enrollment(day_0)?, infusion(site, day_0)];
        for visit in 1..=VISITS {
            statements.push(planned_visit(subject, visit, after(day_0, DAYS_BETWEEN_VISITS * visit as u64)?));
        }
        statements.push(adverse_event(after(day_0, 100)?));
        let first_number = 1 + self.delegations() + subject * EVENTS_OF_A_SUBJECT;
        statements
            .into_iter()
            .enumerate()
            .map(|(index, statement)| {
                let statement =
                    Statement { site: Some(site.id.clone()), subject: Some(id.clone()), ..statement };
                let number = first_number + index;
                self.compose(&Signed { by: &site.investigator, statement, number }, genesis)
            })
            .collect()
    }

    fn compose(&self, signed: &Signed<'_>, log: RecordHash) -> Result<Composed> {
        let author = Author {
            actor: &signed.by.actor,
            key: &signed.by.key,
            trial: &self.trial,
            log,
            zone: &self.zone,
        };
        let signed_at = Instant::from_microseconds(SIGNED_MICROSECONDS + i64::try_from(signed.number)?)?;
        // No statement here holds text, so nothing is sealed.
        let mut randomness = || SealingRandomness([0; 112]);
        let mut circumstances = Circumstances {
            id: event_id(signed.number as u64),
            signed_at,
            text_key: None,
            randomness: &mut randomness,
        };
        Ok(compose(&signed.statement, author, &mut circumstances)?)
    }

    /// A log of at least `records` records, as a registrar would have made it; subjects are not cut short.
    pub(crate) fn log(&self, records: usize) -> Result<Vec<LinkedRecord>> {
        let mut chain = Chain::default();
        let mut log = Vec::with_capacity(records + EVENTS_OF_A_SUBJECT);
        let mut link = |composed: &Composed| -> Result<RecordHash> {
            let recorded = i64::try_from(log.len())? * BETWEEN_RECORDS_MICROSECONDS;
            let now = Instant::from_microseconds(RECORDED_MICROSECONDS + recorded)?;
            let linked = chain.link(&composed.event, composed.signature, now);
            let hash = linked.hash;
            log.push(linked);
            Ok(hash)
        };
        let genesis = link(&self.opening()?)?;
        let subjects = records.saturating_sub(1 + self.delegations()).div_ceil(EVENTS_OF_A_SUBJECT);
        for composed in
            self.delegation(genesis)?.iter().chain(self.subjects(0, subjects, genesis)?.iter().flatten())
        {
            link(composed)?;
        }
        Ok(log)
    }

    /// How many subjects a log of `records` records is about.
    pub(crate) fn subjects_in(&self, records: usize) -> usize {
        records.saturating_sub(1 + self.delegations()) / EVENTS_OF_A_SUBJECT
    }
}

impl Person {
    /// The statement by which this person's key is granted.
    fn grant(&self, site: &SiteId, genesis: RecordHash) -> Statement {
        let public = self.key.public();
        let message = chain::key::possession_message(genesis, self.actor.id.as_str(), public);
        let granted = KeyGranted {
            holder: self.actor.id.clone(),
            organisation: self.actor.organisation.clone(),
            possession: self.key.sign(&message).to_text(),
            public_key: public.to_text(),
            role: self.actor.role,
            sites: vec![site.clone()],
            valid_from: None,
            valid_until: None,
        };
        stated(EventKind::KeyGranted, json!(granted))
    }
}

fn stated(kind: EventKind, data: Value) -> Statement {
    let data = match data {
        Value::Object(data) => data,
        _ => Map::new(),
    };
    Statement {
        amends: None,
        confirmed: None,
        data,
        follows: None,
        kind,
        occurred_on: None,
        site: None,
        subject: None,
        taken_from: None,
    }
}

fn dated(kind: EventKind, on: Date, data: Value) -> Statement {
    Statement { occurred_on: Some(on.into()), ..stated(kind, data) }
}

fn after(date: Date, days: u64) -> Result<Date> {
    Ok(date.checked_add(Duration::from_hours(days * 24))?)
}

fn enrollment(day_0: Date) -> Result<Statement> {
    let on = day_0.checked_sub(Duration::from_hours(10 * 24))?;
    let data = json!({
        "birth_year": 1975,
        "consent": {"document_version": "2.1", "language": "zh", "signed_on": PartialDate::from(on)},
        "criteria": [{"id": "I1", "result": "met"}, {"id": "I2", "result": "met"}],
        "planned_infusions": 1,
        "sex": "female"
    });
    Ok(dated(EventKind::Enrollment, on, data))
}

fn infusion(site: &Site, day_0: Date) -> Statement {
    let data = json!({
        "cells": {
            "given_per_kg": 1_000_000, "lot": "UC-001", "planned_per_kg": 1_000_000, "source": "umbilical_cord",
            "viability_percent": "93.5"
        },
        "identity_check": {"first": site.investigator.actor.id, "second": site.principal.actor.id},
        "number": 1,
        "route": "INTRAVENOUS"
    });
    dated(EventKind::Infusion, day_0, data)
}

fn planned_visit(subject: usize, visit: usize, on: Date) -> Statement {
    let vary = subject * 7 + visit * 3;
    let albumin = format!("{}.{}", 28 + vary % 14, vary % 10);
    let mut data = json!({
        "observations": [{
            "loinc": "1751-7", "reported": {"unit": "g/L", "value": albumin},
            "ucum": {"unit": "g/L", "value": albumin}
        }],
        "pga": format!("{}.{}", vary % 3, vary % 10),
        "planned": format!("M{visit}"),
        "prednisone_mg_per_day": format!("{}", 5 + vary % 20),
        "status": "done"
    });
    // The twelfth month's visit is the one that a year's landmark looks at.
    if visit == 12 {
        data["response"] = json!({"definition": "ccr-registry-1", "status": "partial"});
        data["relapse"] = json!({"definition": "relapse-1", "relapsed": vary.is_multiple_of(9)});
    }
    dated(EventKind::Visit, on, data)
}

fn adverse_event(on: Date) -> Statement {
    let data = json!({
        "causality": {"procedure": "none", "product": "unlikely"},
        "ctcae": {"grade": 2, "version": "5.0"},
        "outcome": "recovered",
        "serious_reported": false,
        "seriousness": []
    });
    dated(EventKind::AdverseEvent, on, data)
}

/// A UUID of version 7: ten a millisecond, then bits that look like chance.
fn event_id(number: u64) -> EventId {
    let milliseconds = 1_325_376_000_000 + number / 10;
    // SplitMix64 (Steele, Lea, Flood 2014): distinct for distinct numbers.
    let mut bits = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^= bits >> 31;
    let mut id = [0; 16];
    id[..6].copy_from_slice(&milliseconds.to_be_bytes()[2..]);
    id[8..].copy_from_slice(&bits.to_be_bytes());
    id[6] = 0x70 | (id[8] >> 4);
    id[7] = id[9];
    id[8] = 0x80 | (id[8] & 0x3f);
    EventId(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_is_accepted_and_none_yields_a_finding() {
        let study = Study::new().unwrap();
        let log = study.log(500).unwrap();
        let anchors = ::verify::Anchors { genesis: Some(log[0].hash), ..::verify::Anchors::default() };
        let records = ::verify::Records::new(log.iter().map(|record| record.bytes.clone()));
        let report = ::verify::verify(records, &anchors, ::verify::Options::default()).unwrap();
        assert_eq!(report.verdict, ::verify::Verdict::Intact);
        assert!(report.found.is_empty(), "{:?}", report.found);
        assert_eq!(report.covers.records, log.len() as u64);
        assert_eq!(study.subjects_in(log.len()), 25);
    }

    #[test]
    fn most_events_are_of_500_to_700_bytes() {
        let study = Study::new().unwrap();
        let subjects = study.subjects(0, 10, RecordHash([7; 32])).unwrap();
        let lengths: Vec<_> = subjects.iter().flatten().map(|composed| composed.event.len()).collect();
        let usual = lengths.iter().filter(|length| (500..=700).contains(*length)).count();
        assert!(usual * 10 >= lengths.len() * 8, "{lengths:?}");
    }
}
