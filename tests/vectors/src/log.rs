//! A whole small log: an opening, a site, grants, a subject, a correction, a revocation.

use anyhow::{Context, Result};
use chain::{Chain, Instant, RecordHash, SecretKey};
use clinical::event::Actor;
use clinical::statement::{Author, Circumstances, Statement, compose};
use clinical::text::SealingRandomness;
use clinical::{EventId, TrialId, Zone};
use serde::Deserialize;
use serde_json::{Value, json};
use verify::{Anchors, Options, Records};

use crate::{Family, Input};

pub(crate) const LOG: Family = Family {
    name: "log",
    about: "A log as it is recorded, one record a line, with its genesis and head: every hash, link, signature and \
            entitlement in it holds. In the statements, $KEY:name stands for a public key, $POSSESSION:name for its \
            proof, $ID:name for its key id, $HASH:n for a record's hash; record n has the event id \
            01936b2e-0000-7000-8000-(n in twelve digits) and is signed and recorded n minutes after 2026-01-05T08:00Z.",
    cases: || vec![("a subject is enrolled, seen, and the visit corrected".to_owned(), case())],
    compute,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Person {
    name: String,
    actor: Actor,
    seed_hex: RecordHash,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    by: String,
    statement: Value,
}

fn case() -> Value {
    let person = |name: &str, organisation: &str, role: &str, seed: &str| {
        json!({"actor": {"id": name, "organisation": organisation, "role": role}, "name": name,
               "seed_hex": seed.repeat(32)})
    };
    let sponsor_key =
        |name: &str| json!({"holder": name, "organisation": "Sponsor", "public_key": format!("$KEY:{name}")});
    let grant = |name: &str, role: &str, sites: &[&str], organisation: &str| {
        json!({"kind": "key_granted", "data": {"holder": name, "organisation": organisation,
               "possession": format!("$POSSESSION:{name}"), "public_key": format!("$KEY:{name}"), "role": role,
               "sites": sites}})
    };
    let about = |kind: &str, on: &str, data: Value| json!({"data": data, "kind": kind, "occurred_on": on, "site": "CN-NJ", "subject": "S0001"});
    let mut correction = about("visit", "2026-01-06", json!({"planned": "month-1", "status": "done"}));
    correction["amends"] =
        json!({"effect": "replace", "hash": "$HASH:5", "reason": "transcription", "seq": 5});
    let step = |by: &str, statement: Value| json!({"by": by, "statement": statement});
    json!({
        "people": [
            person("chen.sponsor", "Sponsor", "sponsor", "01"),
            person("wu.sponsor", "Sponsor", "sponsor", "02"),
            person("sun.pi", "CN-NJ Hospital", "principal_investigator", "03"),
            person("li.wei", "CN-NJ Hospital", "investigator", "04"),
        ],
        "steps": [
            step("chen.sponsor", json!({"kind": "trial_opened", "data": {
                "definitions": {"evaluable": "evaluable-1", "imputation": "impute-1", "related": "related-1",
                                "relapse": "relapse-1", "remission": "ccr-registry-1"},
                "log_key": "trialbook.example/lupus-msct+dffe068b+AcqTrBcFGHBx1nuDx/8O/oEI6OxFMFdddyaHkzPb2r58",
                "profile": {"mandatory": {}}, "rule_set": 1,
                "schedule": [{"day": 30, "name": "month-1", "window_after": 7, "window_before": 7}],
                "sponsor_keys": [sponsor_key("chen.sponsor"), sponsor_key("wu.sponsor")], "synthetic": true,
                "title": "Synthetic log of the golden vectors", "zone": "Asia/Shanghai"}})),
            step("wu.sponsor", json!({"kind": "site_activated", "site": "CN-NJ",
                "data": {"country": "CN", "name": "Nanjing", "zone": "Asia/Shanghai"}})),
            step("chen.sponsor", grant("sun.pi", "principal_investigator", &["CN-NJ"], "CN-NJ Hospital")),
            step("sun.pi", grant("li.wei", "investigator", &["CN-NJ"], "CN-NJ Hospital")),
            step("li.wei", about("enrollment", "2026-01-05", json!({"consent": {"document_version": "3",
                "language": "zh", "signed_on": "2026-01-04"}, "sex": "female"}))),
            step("li.wei", about("visit", "2026-01-05", json!({"planned": "month-1", "status": "done"}))),
            step("li.wei", correction),
            step("sun.pi", json!({"kind": "key_revoked", "data": {"key": "$ID:li.wei", "reason": "left"}})),
        ],
        "trial": "lupus-msct",
        "zone": "Asia/Shanghai",
    })
}

fn compute(input: &Input<'_>) -> Result<Value> {
    let people: Vec<Person> = serde_json::from_value(input.member("people")?.clone())?;
    let steps: Vec<Step> = serde_json::from_value(input.member("steps")?.clone())?;
    let (trial, zone): (TrialId, Zone) = (input.parsed("trial")?, input.parsed("zone")?);
    let start: Instant = "2026-01-05T08:00:00.000000Z".parse()?;
    let mut chain = Chain::default();
    let mut records: Vec<chain::LinkedRecord> = Vec::new();
    for (n, step) in (0..).zip(steps) {
        let genesis = records.first().map_or(RecordHash::ZERO, |record| record.hash);
        let statement = filled(&step.statement, &people, genesis, &records)?;
        let statement: Statement = serde_json::from_value(statement)?;
        let person = people.iter().find(|person| person.name == step.by).context("nobody of that name")?;
        let key = SecretKey::from_bytes(&person.seed_hex.0);
        let author = Author { actor: &person.actor, key: &key, trial: &trial, log: genesis, zone: &zone };
        let id: EventId = format!("01936b2e-0000-7000-8000-{n:012}").parse()?;
        let at = Instant::from_microseconds(start.microseconds() + n * 60_000_000)?;
        let mut randomness = || SealingRandomness([0; 112]);
        let mut circumstances =
            Circumstances { id, signed_at: at, text_key: None, randomness: &mut randomness };
        let composed = compose(&statement, author, &mut circumstances)?;
        records.push(chain.link(&composed.event, composed.signature, at));
    }
    let genesis = records.first().map(|record| record.hash);
    let anchors = Anchors { genesis, ..Anchors::default() };
    let source = Records::new(records.iter().map(|record| record.bytes.clone()));
    let report = verify::verify(source, &anchors, Options::default())?;
    let lines = records.iter().map(|record| Ok(std::str::from_utf8(&record.bytes)?.to_owned()));
    Ok(json!({
        "genesis": genesis,
        "head": chain.head,
        "records": lines.collect::<Result<Vec<String>>>()?,
        "verdict": report.verdict,
    }))
}

/// The statement with what is known only now put in place of its marks.
fn filled(
    statement: &Value,
    people: &[Person],
    genesis: RecordHash,
    records: &[chain::LinkedRecord],
) -> Result<Value> {
    Ok(match statement {
        Value::String(text) => {
            let Some((mark, name)) = text.strip_prefix('$').and_then(|text| text.split_once(':')) else {
                return Ok(statement.clone());
            };
            if mark == "HASH" {
                let record = records.get(name.parse::<usize>()?).context("no such record yet")?;
                return Ok(json!(record.hash));
            }
            let person = people.iter().find(|person| person.name == name).context("nobody of that name")?;
            let key = SecretKey::from_bytes(&person.seed_hex.0);
            match mark {
                "KEY" => json!(key.public().to_text()),
                "ID" => json!(key.public().id()),
                "POSSESSION" => {
                    let message = chain::key::possession_message(genesis, name, key.public());
                    json!(key.sign(&message).to_text())
                }
                other => anyhow::bail!("no mark {other}"),
            }
        }
        Value::Array(items) => items
            .iter()
            .map(|item| filled(item, people, genesis, records))
            .collect::<Result<Vec<_>>>()?
            .into(),
        Value::Object(members) => {
            let members = members
                .iter()
                .map(|(name, value)| Ok((name.clone(), filled(value, people, genesis, records)?)));
            members.collect::<Result<serde_json::Map<_, _>>>()?.into()
        }
        other => other.clone(),
    })
}
