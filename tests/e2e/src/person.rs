//! Somebody with a key, who signs in this process what a client of any make could sign.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::path::Path;

use chain::{Instant, RecordHash, SecretKey};
use clinical::statement::{Author, Circumstances, Composed, compose};
use clinical::text::SealingRandomness;
use clinical::{Actor, EventId, Statement, TrialId, Zone};
use serde_json::Value;

/// A person with their key, as read from a key file.
#[derive(Debug, Clone)]
pub struct Person {
    /// Who.
    pub actor: Actor,
    /// Their key.
    pub secret: SecretKey,
    zone: Zone,
}

/// The time now.
///
/// # Panics
/// The clock is set before 1970.
#[expect(clippy::disallowed_methods, reason = "a signer looks at the clock")]
pub fn instant_now() -> Instant {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Instant::from_microseconds(i64::try_from(since.as_micros()).unwrap()).unwrap()
}

impl Person {
    /// Reads a key file.
    ///
    /// # Panics
    /// There is none.
    pub fn read(path: &Path) -> Self {
        let file: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let text = |name: &str| file[name].as_str().unwrap();
        let seed = chain::key::from_base64(text("secret_key")).unwrap().try_into().unwrap();
        Self {
            actor: Actor {
                id: text("holder").parse().unwrap(),
                organisation: text("organisation").to_owned(),
                role: serde_json::from_value(file["role"].clone()).unwrap(),
            },
            secret: SecretKey::from_bytes(&seed),
            zone: text("zone").parse().unwrap(),
        }
    }

    /// Makes and signs the event of a statement without texts, with an id of its own.
    ///
    /// # Panics
    /// The statement cannot become an event.
    pub fn sign(&self, trial: &str, log: &str, statement: &Value) -> Composed {
        let statement: Statement = serde_json::from_value(statement.clone()).unwrap();
        let trial: TrialId = trial.parse().unwrap();
        let author = Author {
            actor: &self.actor,
            key: &self.secret,
            trial: &trial,
            log: log.parse::<RecordHash>().unwrap(),
            zone: &self.zone,
        };
        let mut randomness = || {
            let mut bytes = [0; 112];
            getrandom::fill(&mut bytes).unwrap();
            SealingRandomness(bytes)
        };
        let mut circumstances = Circumstances {
            id: EventId(uuid::Uuid::now_v7().into_bytes()),
            signed_at: instant_now(),
            text_key: None,
            randomness: &mut randomness,
        };
        compose(&statement, author, &mut circumstances).unwrap()
    }

    /// Signs an event that is given whole, in canonical form or not, and joins what is to be submitted.
    pub fn submission_of(&self, event: &[u8]) -> Vec<u8> {
        Composed { event: event.to_vec(), signature: self.secret.sign_event(event) }.submission()
    }
}
