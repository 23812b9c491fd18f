//! A whole small log: an opening, a site, grants, a subject, a correction, a revocation.

use anyhow::{Context, Result};
use chain::note::VerifierKey;
use chain::{Chain, Instant, Record, RecordHash, SecretKey, TreeSize};
use clinical::event::Actor;
use clinical::statement::{Author, Circumstances, Statement, compose};
use clinical::text::SealingRandomness;
use clinical::{Event, EventId, LogKeys, TrialId, Zone};
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

pub(crate) const LOG_KEYS: Family = Family {
    name: "log-keys",
    about: "A log whose own keys follow one another, written as in the family log; $VKEY:name stands for the verifier \
            key of one of the registry's keys, $PROOF:name for its proof of possession. Output n of due is the list of \
            the keys with which a checkpoint over n records has to be signed.",
    cases: || vec![("the log's key and the receipts' are replaced".to_owned(), rotation())],
    compute: compute_rotation,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Person {
    name: String,
    actor: Actor,
    seed_hex: RecordHash,
}

/// A key of the registry's own.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RegistryKey {
    name: String,
    key_name: String,
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

fn rotation() -> Value {
    let origin = "trialbook.example/lupus-msct";
    let person = |name: &str, seed: &str| {
        json!({"actor": {"id": name, "organisation": "Sponsor", "role": "sponsor"}, "name": name,
               "seed_hex": seed.repeat(32)})
    };
    let key = |name: &str, key_name: &str, seed: &str| json!({"key_name": key_name, "name": name, "seed_hex": seed.repeat(32)});
    let sponsor_key =
        |name: &str| json!({"holder": name, "organisation": "Sponsor", "public_key": format!("$KEY:{name}")});
    let step =
        |kind: &str, data: Value| json!({"by": "chen.sponsor", "statement": {"data": data, "kind": kind}});
    let receipts = |name: &str| {
        let data = json!({"possession": format!("$PROOF:{name}"), "service": "receipts",
                          "verifier_key": format!("$VKEY:{name}")});
        step("service_key_granted", data)
    };
    let log = |name: &str| {
        let data = json!({"possession": format!("$PROOF:{name}"), "verifier_key": format!("$VKEY:{name}")});
        step("log_key_changed", data)
    };
    let revoked = |name: &str, reason: &str| {
        step("key_revoked", json!({"key": format!("$ID:{name}"), "reason": reason}))
    };
    let receipts_name = format!("{origin}/receipts");
    json!({
        "keys": [
            key("log-1", origin, "07"), key("log-2", origin, "08"), key("log-3", origin, "09"),
            key("receipts-1", &receipts_name, "0a"), key("receipts-2", &receipts_name, "0b"),
        ],
        "people": [person("chen.sponsor", "01"), person("wu.sponsor", "02")],
        "steps": [
            step("trial_opened", json!({
                "definitions": {"evaluable": "evaluable-1", "imputation": "impute-1", "related": "related-1",
                                "relapse": "relapse-1", "remission": "ccr-registry-1"},
                "log_key": "$VKEY:log-1", "profile": {"mandatory": {}}, "rule_set": 1, "schedule": [],
                "sponsor_keys": [sponsor_key("chen.sponsor"), sponsor_key("wu.sponsor")], "synthetic": true,
                "title": "Synthetic log of the golden vectors", "zone": "Asia/Shanghai"})),
            receipts("receipts-1"),
            log("log-2"),
            receipts("receipts-2"),
            revoked("log-1", "replaced"),
            revoked("receipts-1", "compromised"),
            log("log-3"),
            revoked("log-2", "lost"),
        ],
        "trial": "lupus-msct",
        "zone": "Asia/Shanghai",
    })
}

fn compute_rotation(input: &Input<'_>) -> Result<Value> {
    let (records, mut output) = recorded(input)?;
    let mut keys = LogKeys::default();
    for record in &records {
        keys.apply(&Event::decode(Record::parse(&record.bytes)?.event)?, record.seq);
    }
    let due = |size: u64| keys.due(TreeSize(size)).map(ToString::to_string).collect::<Vec<_>>();
    output["due"] = (0..=records.len() as u64).map(due).collect();
    Ok(output)
}

fn compute(input: &Input<'_>) -> Result<Value> {
    recorded(input).map(|(_, output)| output)
}

/// The log of the steps, and what is to come out of it.
fn recorded(input: &Input<'_>) -> Result<(Vec<chain::LinkedRecord>, Value)> {
    let keys = input.member("keys").cloned().unwrap_or_else(|_| json!([]));
    let keys: Vec<RegistryKey> = serde_json::from_value(keys)?;
    let people: Vec<Person> = serde_json::from_value(input.member("people")?.clone())?;
    let steps: Vec<Step> = serde_json::from_value(input.member("steps")?.clone())?;
    let (trial, zone): (TrialId, Zone) = (input.parsed("trial")?, input.parsed("zone")?);
    let start: Instant = "2026-01-05T08:00:00.000000Z".parse()?;
    let mut chain = Chain::default();
    let mut records: Vec<chain::LinkedRecord> = Vec::new();
    for (n, step) in (0..).zip(steps) {
        let genesis = records.first().map_or(RecordHash::ZERO, |record| record.hash);
        let statement = filled(&step.statement, (&people, &keys), genesis, &records)?;
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
    let output = json!({
        "genesis": genesis,
        "head": chain.head,
        "records": lines.collect::<Result<Vec<String>>>()?,
        "verdict": report.verdict,
    });
    Ok((records, output))
}

impl RegistryKey {
    fn filled(&self, mark: &str, genesis: RecordHash) -> Result<Value> {
        let secret = SecretKey::from_bytes(&self.seed_hex.0);
        let public = secret.public();
        Ok(match mark {
            "ID" => json!(public.id()),
            "VKEY" => json!(VerifierKey::new(&self.key_name, public)?.to_string()),
            "PROOF" => {
                let message = chain::key::possession_message(genesis, &self.key_name, public);
                json!(secret.sign(&message).to_text())
            }
            other => anyhow::bail!("no mark {other}"),
        })
    }
}

/// The statement with what is known only now put in place of its marks.
fn filled(
    statement: &Value,
    (people, keys): (&[Person], &[RegistryKey]),
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
            if let Some(key) = keys.iter().find(|key| key.name == name) {
                return key.filled(mark, genesis);
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
            .map(|item| filled(item, (people, keys), genesis, records))
            .collect::<Result<Vec<_>>>()?
            .into(),
        Value::Object(members) => {
            let members = members
                .iter()
                .map(|(name, value)| Ok((name.clone(), filled(value, (people, keys), genesis, records)?)));
            members.collect::<Result<serde_json::Map<_, _>>>()?.into()
        }
        other => other.clone(),
    })
}
