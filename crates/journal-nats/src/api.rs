//! Questions to JetStream's API and their answers.
//!
//! Answers are read from their JSON rather than through the client's types: a setting that the client does not know
//! would be lost there, and is compared here.

use std::time::Duration;

use async_nats::{Client, Request};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// A server without an answer to a question about a stream for so long is counted as one that did not answer.
pub(crate) const ANSWER_WITHIN: Duration = Duration::from_secs(3);

/// The stream's expected end is not its end.
pub(crate) const WRONG_LAST_SEQUENCE: u32 = 10_071;
pub(crate) const STREAM_NOT_FOUND: u32 = 10_059;
pub(crate) const NO_MESSAGE_FOUND: u32 = 10_037;
/// The server that was asked knows of no leader.
const NOT_AVAILABLE: u32 = 10_008;
/// Too few servers are there for a new stream, as far as their leader has heard: some may just have started.
const NO_PEERS: u32 = 10_005;

/// Why a question to the servers has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// No answer came: no server is responsible at the moment, or none can be reached.
    #[error("no answer to {subject}: {reason}")]
    NoAnswer {
        /// What was asked.
        subject: String,
        /// What happened instead.
        reason: String,
    },
    /// The server refused.
    #[error("{subject} was refused: {description} ({code})")]
    Refused {
        /// What was asked.
        subject: String,
        /// JetStream's number for it.
        code: u32,
        /// JetStream's words for it.
        description: String,
    },
    /// The answer is not what the API says.
    #[error("the answer to {subject} cannot be read")]
    Garbled {
        /// What was asked.
        subject: String,
        /// Where it fails.
        source: serde_json::Error,
    },
}

impl ApiError {
    /// Whether it was refused for this reason.
    pub(crate) fn is(&self, wanted: u32) -> bool {
        matches!(self, Self::Refused { code, .. } if *code == wanted)
    }

    /// Whether another server, or the same one later, may answer.
    pub(crate) fn is_transient(&self) -> bool {
        matches!(self, Self::NoAnswer { .. }) || self.is(NOT_AVAILABLE) || self.is(NO_PEERS)
    }
}

/// What an answer says if it is a refusal.
#[derive(Debug, Deserialize)]
pub(crate) struct Refusal {
    #[serde(default)]
    pub(crate) err_code: u32,
    #[serde(default)]
    pub(crate) description: String,
}

#[derive(Deserialize)]
struct Refused {
    error: Option<Refusal>,
}

/// Asks once.
pub(crate) async fn ask<T: DeserializeOwned>(
    client: &Client,
    subject: String,
    body: Option<&Value>,
) -> Result<T, ApiError> {
    let payload = body.map(|body| body.to_string().into()).unwrap_or_default();
    let request = Request::new().payload(payload).timeout(Some(ANSWER_WITHIN));
    let message = match client.send_request(subject.clone(), request).await {
        Ok(message) => message,
        Err(error) => return Err(ApiError::NoAnswer { subject, reason: error.to_string() }),
    };
    let garbled = |source| ApiError::Garbled { subject: subject.clone(), source };
    let refused: Refused = serde_json::from_slice(&message.payload).map_err(garbled)?;
    if let Some(Refusal { err_code: code, description }) = refused.error {
        return Err(ApiError::Refused { subject, code, description });
    }
    serde_json::from_slice(&message.payload).map_err(garbled)
}

/// A stream, as its leader describes it.
#[derive(Debug, Deserialize)]
pub(crate) struct StreamInfo {
    pub(crate) config: Map<String, Value>,
    pub(crate) state: StreamState,
    #[serde(default)]
    pub(crate) cluster: Group,
}

/// How much a server holds of a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct StreamState {
    pub(crate) messages: u64,
    pub(crate) first_seq: u64,
    pub(crate) last_seq: u64,
    #[serde(default)]
    pub(crate) num_deleted: u64,
}

impl StreamState {
    /// What contradicts that every message from 1 to the last is there, if something does.
    pub(crate) fn contradiction(&self) -> Option<String> {
        let Self { messages, first_seq, last_seq, num_deleted } = *self;
        let is_whole = messages == last_seq && num_deleted == 0 && (first_seq == 1 || last_seq == 0);
        (!is_whole).then(|| {
            format!("{messages} messages from {first_seq} to {last_seq}, {num_deleted} of them deleted")
        })
    }
}

/// The servers that hold a stream.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Group {
    pub(crate) leader: Option<String>,
    #[serde(default)]
    pub(crate) replicas: Vec<Replica>,
}

impl Group {
    /// How many hold the stream.
    pub(crate) fn servers(&self) -> usize {
        1 + self.replicas.len()
    }

    /// The servers that its leader knows to be there, with itself.
    pub(crate) fn there(&self) -> Vec<&str> {
        let replicas = self.replicas.iter().filter(|replica| !replica.is_away());
        self.leader.iter().chain(replicas.map(|replica| &replica.name)).map(String::as_str).collect()
    }

    /// Whether there is a leader that was in touch with a quorum a moment ago. A server that is cut off from the others
    /// goes on answering, for some 20 s as the leader, and then without one.
    pub(crate) fn has_quorum(&self) -> bool {
        self.leader.is_some() && self.there().len() * 2 > self.servers()
    }
}

/// A server that holds a stream and does not lead it, as the leader sees it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Replica {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) current: bool,
    #[serde(default)]
    pub(crate) offline: bool,
    /// How long ago the leader heard of it, in nanoseconds; 0 if it never did.
    #[serde(default)]
    pub(crate) active: u64,
}

impl Replica {
    /// Whether it cannot have acknowledged anything lately. The servers take minutes to call one that was killed offline;
    /// the leader of the stream hears of each that is there every second.
    pub(crate) fn is_away(&self) -> bool {
        self.offline || self.active > AWAY_AFTER_NS || (self.active == 0 && !self.current)
    }
}

/// 3 s, in nanoseconds: three times what a leader waits between two signs of life, and less than the 4 s that followers
/// wait for one until they choose another leader. Who hears of a quorum so lately is the only leader.
const AWAY_AFTER_NS: u64 = 3_000_000_000;

/// Asks the leader about a stream.
pub(crate) async fn stream_info(client: &Client, stream: &str) -> Result<StreamInfo, ApiError> {
    ask(client, format!("$JS.API.STREAM.INFO.{stream}"), None).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_not_heard_of_a_quorum_lately_does_not_lead() {
        let check = |leader: Option<&str>, active_seconds: &[u64]| {
            let replica = |seconds: &u64| Replica {
                name: "r".to_owned(),
                current: true,
                offline: false,
                active: seconds * 1_000_000_000,
            };
            let replicas = active_seconds.iter().map(replica).collect();
            Group { leader: leader.map(str::to_owned), replicas }.has_quorum()
        };
        assert!(check(Some("l"), &[]));
        assert!(check(Some("l"), &[1, 1]));
        assert!(check(Some("l"), &[1, 9]));
        assert!(!check(Some("l"), &[9, 9]));
        assert!(!check(None, &[1, 1, 1]));
        assert!(!check(None, &[]));
    }

    #[test]
    fn a_stream_is_whole_if_it_has_each_message_from_the_first_to_the_last() {
        let check = |messages, first_seq, last_seq, num_deleted| {
            StreamState { messages, first_seq, last_seq, num_deleted }.contradiction().is_none()
        };
        assert!(check(0, 0, 0, 0));
        assert!(check(5, 1, 5, 0));
        assert!(!check(4, 1, 5, 1));
        assert!(!check(4, 1, 5, 0));
        assert!(!check(4, 2, 5, 0));
        assert!(!check(0, 6, 5, 0));
    }
}
