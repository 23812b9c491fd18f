//! Reading: the messages of the stream as records, each in its place or an error.
//!
//! Who has far to go reads from a consumer (`bulk`). Otherwise, and wherever that fails, a read is one question by position,
//! answered by whichever server that holds the stream; it keeps nothing on the servers that a restart could lose. A
//! server may be behind, and then has nothing yet: its leader is asked. It may have lost something, and then there is a
//! jump: that is damage, and nobody is asked in its stead.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_nats::header::HeaderName;
use async_nats::{HeaderMap, Message, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chain::{LinkedRecord, Position};
use futures_util::StreamExt as _;
use journal::ReadError;
use serde::Deserialize;
use serde_json::json;
use tokio::time::{Instant, sleep, timeout};

use crate::api::{self, ANSWER_WITHIN, ApiError, NO_MESSAGE_FOUND};
use crate::bulk;
use crate::engine::Stream;

/// Most records of one read: far fewer than the client keeps for one subscription (65,536) before it drops some.
pub(crate) const RECORDS_MAX: u64 = 8_192;

/// Most bytes of one read, well below what a server lets wait on one connection (64 MiB).
pub(crate) const BYTES_MAX: usize = 8 << 20;

/// What a message takes beside its record, at most: for the server's count of bytes.
const OVERHEAD_BYTES: usize = 400;

/// The header that says which position a message is.
pub(crate) const POSITION: &str = "Trialbook-Position";

/// The same, to be looked up without being made each time.
static POSITION_NAME: HeaderName = HeaderName::from_static(POSITION);

/// Why one question brought no record.
enum Miss {
    Damaged(ReadError),
    /// Whoever answered does not have it (yet).
    Lacking,
    NoAnswer(String),
}

/// Records from `from` on, below `end`, which are known to be durable: at least one, if `from` is below `end`.
pub(crate) async fn read(
    stream: &Stream,
    from: Position,
    bytes_max: usize,
    end: u64,
) -> Result<Vec<LinkedRecord>, ReadError> {
    if from.0 >= end {
        return Ok(Vec::new());
    }
    if let Some(records) = bulk::read(stream, from, bytes_max, end).await? {
        return Ok(records);
    }
    let deadline = Instant::now() + stream.links.settle_within;
    let mut pause = Duration::from_millis(5);
    loop {
        let reason = match ask_any(stream, from, bytes_max, end).await {
            Ok(records) => return Ok(records),
            Err(Miss::Damaged(error)) => return Err(error),
            Err(Miss::NoAnswer(reason)) => reason,
            Err(Miss::Lacking) => match ask_leader(stream, from).await {
                Ok(record) => return Ok(vec![record]),
                Err(Miss::Damaged(error)) => return Err(error),
                Err(Miss::NoAnswer(reason)) => reason,
                // A leader that was chosen a moment ago may still have to apply what it holds.
                Err(Miss::Lacking) if Instant::now() < deadline => {
                    "the leader does not have it yet".to_owned()
                }
                Err(Miss::Lacking) => {
                    return Err(damage(stream, from, format!("is not there, and {end} records are")));
                }
            },
        };
        if Instant::now() >= deadline {
            let source = io::Error::new(io::ErrorKind::TimedOut, reason);
            return Err(ReadError::Io { op: "read", path: PathBuf::from(&stream.name), source });
        }
        sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(500));
    }
}

/// Asks whichever server answers for as many as fit.
async fn ask_any(
    stream: &Stream,
    from: Position,
    bytes_max: usize,
    end: u64,
) -> Result<Vec<LinkedRecord>, Miss> {
    let client = &stream.links.log;
    let no_answer = |reason: &dyn ToString| Miss::NoAnswer(reason.to_string());
    let bytes_max = bytes_max.min(BYTES_MAX);
    // At least one, whatever its length.
    let count = (end - from.0).min(RECORDS_MAX).min(bytes_max as u64 + 1);
    let question = json!({
        "seq": from.0 + 1,
        "next_by_subj": ">",
        "batch": count,
        "max_bytes": bytes_max + OVERHEAD_BYTES,
    });
    let inbox = client.new_inbox();
    let mut answers = client.subscribe(inbox.clone()).await.map_err(|error| no_answer(&error))?;
    let subject = format!("$JS.API.DIRECT.GET.{}", stream.name);
    let sent = client.publish_with_reply(subject, inbox, question.to_string().into());
    sent.await.map_err(|error| no_answer(&error))?;
    let mut records = Vec::new();
    let mut bytes = 0;
    loop {
        let message = match timeout(ANSWER_WITHIN, answers.next()).await {
            Ok(Some(message)) => message,
            // What came is whole and in order; the rest is asked for again.
            Ok(None) | Err(_) if !records.is_empty() => return Ok(records),
            Ok(None) => return Err(no_answer(&"the connection ended")),
            Err(_) => return Err(no_answer(&"no answer in time")),
        };
        match message.status {
            None => {}
            Some(_) if !records.is_empty() => return Ok(records),
            Some(StatusCode::NOT_FOUND) => return Err(Miss::Lacking),
            Some(status) => {
                let description = message.description.unwrap_or_default();
                return Err(no_answer(&format!("{status} {description}")));
            }
        }
        let expected = Position(from.0 + records.len() as u64);
        let headers = message.headers.unwrap_or_default();
        let place = Place::of(&headers);
        let record = place.record(stream, expected, &message.payload).map_err(Miss::Damaged)?;
        bytes += record.bytes.len();
        records.push(record);
        if records.len() as u64 == count || bytes >= bytes_max {
            return Ok(records);
        }
    }
}

#[derive(Deserialize)]
struct LeadersAnswer {
    message: LeadersMessage,
}

#[derive(Deserialize)]
struct LeadersMessage {
    subject: String,
    seq: u64,
    #[serde(default)]
    hdrs: String,
    #[serde(default)]
    data: String,
}

/// Asks the stream's leader for one.
async fn ask_leader(stream: &Stream, from: Position) -> Result<LinkedRecord, Miss> {
    let subject = format!("$JS.API.STREAM.MSG.GET.{}", stream.name);
    let question = json!({ "seq": from.0 + 1 });
    let answer: LeadersAnswer = match api::ask(&stream.links.log, subject, Some(&question)).await {
        Ok(answer) => answer,
        Err(error) if error.is(NO_MESSAGE_FOUND) => return Err(Miss::Lacking),
        Err(error @ (ApiError::NoAnswer { .. } | ApiError::Refused { .. })) => {
            return Err(Miss::NoAnswer(error.to_string()));
        }
        Err(error) => return Err(Miss::Damaged(damage(stream, from, error.to_string()))),
    };
    let LeadersMessage { subject, seq, hdrs, data } = answer.message;
    let garbled = |_| Miss::Damaged(damage(stream, from, "is not in base64".to_owned()));
    let headers = STANDARD.decode(hdrs).map_err(garbled)?;
    let bytes = STANDARD.decode(data).map_err(garbled)?;
    let headers = String::from_utf8_lossy(&headers).into_owned();
    let mut lines = headers.lines().filter_map(|line| line.split_once(':'));
    let position = lines.find(|(name, _)| *name == POSITION).and_then(|(_, value)| value.trim().parse().ok());
    let place = Place { sequence: Some(seq), subject: Some(&subject), position };
    place.record(stream, from, &bytes).map_err(Miss::Damaged)
}

/// Where a message says it is.
pub(crate) struct Place<'m> {
    sequence: Option<u64>,
    subject: Option<&'m str>,
    position: Option<u64>,
}

impl<'m> Place<'m> {
    fn of(headers: &'m HeaderMap) -> Self {
        let number = |name: &str| headers.get(name).and_then(|value| value.as_str().parse().ok());
        Self {
            sequence: number("Nats-Sequence"),
            subject: headers.get("Nats-Subject").map(async_nats::HeaderValue::as_str),
            position: position(headers),
        }
    }

    /// Of a message that a consumer has handed out.
    pub(crate) fn handed_out(message: &'m Message, sequence: u64) -> Self {
        let position = message.headers.as_ref().and_then(position);
        Self { sequence: Some(sequence), subject: Some(&message.subject), position }
    }

    /// The record, if it is where it is expected.
    pub(crate) fn record(
        &self,
        stream: &Stream,
        expected: Position,
        bytes: &[u8],
    ) -> Result<LinkedRecord, ReadError> {
        let what = if self.sequence != Some(expected.0 + 1) {
            match self.sequence {
                Some(sequence) => {
                    format!("the next message has sequence {sequence}: what lies between is lost")
                }
                None => "the message has no sequence".to_owned(),
            }
        } else if self.subject != Some(&*stream.subject) {
            format!("the message is on another subject: {}", self.subject.unwrap_or("none"))
        } else if self.position != Some(expected.0) {
            match self.position {
                Some(position) => format!("the message says it is record {position}"),
                None => "the message is no record: it has no Trialbook-Position".to_owned(),
            }
        } else {
            return Ok(LinkedRecord::new(expected, Arc::<[u8]>::from(bytes)));
        };
        Err(damage(stream, expected, what))
    }
}

fn position(headers: &HeaderMap) -> Option<u64> {
    headers.get(POSITION_NAME.clone()).and_then(|value| value.as_str().parse().ok())
}

/// Damage at a position of the stream.
pub(crate) fn damage(stream: &Stream, seq: Position, what: String) -> ReadError {
    let place = format!("stream {}, sequence {}", stream.name, seq.0.saturating_add(1));
    ReadError::Damaged { seq, place, what }
}
