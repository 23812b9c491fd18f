//! Signatures, possession proofs, verifier keys, sealed texts: of fixed seeds, which protect nothing.

use anyhow::{Context, Result};
use chain::note::VerifierKey;
use chain::{RecordHash, SecretKey};
use clinical::text::{SealingRandomness, TextPlace, open, seal, text_key_commitment};
use serde_json::{Value, json};

use crate::{Family, Input, accepted_or_refused};

const EVENT: &str = r#"{"actor":{"id":"li.wei","organisation":"CN-NJ Hospital","role":"investigator"},"data":{"status":"done"},"id":"01936b2e-7c5a-7d3e-8f10-0123456789ab","key":"3db26e1ae97c09b3d0a06d6f9d5afa2ae3d1e7e4cd7cb1a4b60f2f3b5cbfaa2e","kind":"visit","log":"2222222222222222222222222222222222222222222222222222222222222222","occurred_on":"2008-03-11","schema":1,"signed_at":"2008-03-12T01:10:00.000000Z","site":"CN-NJ","subject":"S0007","trial":"lupus-msct","zone":"Asia/Shanghai"}"#;

/// Seed of the first test vector of RFC 8032 §7.1, whose public key anybody can look up.
const RFC_8032_SEED: &str = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";

fn key_of(input: &Input<'_>) -> Result<SecretKey> {
    Ok(SecretKey::from_bytes(&input.array("seed_hex")?))
}

pub(crate) const EVENT_SIGNATURE: Family = Family {
    name: "event-signature",
    about: "Ed25519 over `trialbook event v1\\n` and the event's bytes; key = SHA-256 of the 32-byte public key. The \
            member `key` of the events is not that of the signing key: signing does not read it.",
    cases: || {
        let case = |name: &str, seed: &str, event: &str| {
            (name.to_owned(), json!({"event": event, "seed_hex": seed}))
        };
        vec![
            case("the shortest object", RFC_8032_SEED, "{}"),
            case("a visit", &"01".repeat(32), EVENT),
            case("the same visit by another key", &"02".repeat(32), EVENT),
        ]
    },
    compute: |input| {
        let (key, event) = (key_of(input)?, input.bytes("event")?);
        let signature = key.sign_event(&event);
        key.public().verify_event(&event, &signature)?;
        Ok(
            json!({"key": key.public().id(), "public_key": key.public().to_text(), "signature": signature.to_text()}),
        )
    },
};

pub(crate) const POSSESSION: Family = Family {
    name: "possession",
    about: "The bytes that a new key signs to prove that its holder has it, and the proof.",
    cases: || {
        let case = |name: &str, genesis: String, holder: &str| {
            (name.to_owned(), json!({"genesis": genesis, "holder": holder, "seed_hex": "03".repeat(32)}))
        };
        vec![
            case("of an investigator", "22".repeat(32), "li.wei"),
            case("the same key for another holder", "22".repeat(32), "ma.lin"),
            case("the same key and holder in another log", "33".repeat(32), "li.wei"),
        ]
    },
    compute: |input| {
        let key = key_of(input)?;
        let genesis: RecordHash = input.parsed("genesis")?;
        let message = chain::key::possession_message(genesis, input.text("holder")?, key.public());
        let proof = key.sign(&message).to_text();
        Ok(
            json!({"message": String::from_utf8(message)?, "possession": proof, "public_key": key.public().to_text()}),
        )
    },
};

pub(crate) const VERIFIER_KEY: Family = Family {
    name: "verifier-key",
    about: "Verifier keys of signed notes (C2SP signed-note): made of a name and a seed, or read from a text. The key of \
            the Go checksum database is a published one.",
    cases: || {
        let made = |name: &str| (format!("of {name}"), json!({"name": name, "seed_hex": "04".repeat(32)}));
        let read = |name: &str, text: &str| (name.to_owned(), json!({"text": text}));
        vec![
            made("trialbook.example/lupus-msct"),
            made("other.example/lupus-msct"),
            made("a name with spaces"),
            (
                "of a witness".to_owned(),
                json!({"kind": "cosigner", "name": "witness.example/nanjing", "seed_hex": "04".repeat(32)}),
            ),
            read(
                "the Go checksum database",
                "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8",
            ),
            read("another id", "sum.golang.org+033de0af+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"),
            read("another type", "sum.golang.org+033de0ae+Bc4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"),
        ]
    },
    compute: |input| {
        let outcome = if input.0.contains_key("text") {
            VerifierKey::from_text(input.text("text")?)
        } else if input.0.contains_key("kind") {
            VerifierKey::cosigner(input.text("name")?, key_of(input)?.public())
        } else {
            VerifierKey::new(input.text("name")?, key_of(input)?.public())
        };
        Ok(accepted_or_refused(outcome, |key| {
            json!({"id_hex": chain::hash::to_hex(&key.id()), "name": key.name(),
                   "public_key": key.key().to_text(), "text": key.to_string()})
        }))
    },
};

pub(crate) const SEALED_TEXT: Family = Family {
    name: "sealed-text",
    about: "Free text sealed with fixed randomness: data key (32 bytes), commitment key (32), nonce of the text (24), nonce \
            of the wrapped key (24). A client takes fresh randomness for each text.",
    cases: || {
        let randomness: Vec<u8> = (1..=112).collect();
        let case = |name: &str, text: &str, pointer: &str| {
            let input = json!({"event": "01936b2e-7c5a-7d3e-8f10-0123456789ab", "pointer": pointer,
                "randomness_hex": chain::hash::to_hex(&randomness), "subject": "S0007",
                "subject_key_hex": "05".repeat(32), "text": text, "trial": "lupus-msct"});
            (name.to_owned(), input)
        };
        vec![
            case("a term", "fever", "/data/term"),
            case("the same words at another place", "fever", "/data/narrative"),
            case("no words", "", "/data/term"),
            case("words beyond ASCII", "fi\u{e8}vre \u{e0} 39 \u{b0}C", "/data/term"),
        ]
    },
    compute: |input| {
        let (trial, subject) = (input.parsed("trial")?, input.parsed("subject")?);
        let event = input.parsed("event")?;
        let place = TextPlace { trial: &trial, subject: &subject, event, pointer: input.text("pointer")? };
        let key = input.array("subject_key_hex")?;
        let text = input.text("text")?;
        let sealed = seal(text, place, &key, &SealingRandomness(input.array("randomness_hex")?))?;
        let opened = open(&sealed, place, &key)?;
        (opened == text).then_some(()).context("a sealed text opens to itself")?;
        let envelope: Value = serde_json::to_value(sealed)?;
        Ok(json!({"envelope": envelope, "text_key": text_key_commitment(&key)}))
    },
};
