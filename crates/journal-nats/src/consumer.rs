//! A consumer: what hands out, in order, the messages of one server's copy of a stream.
//!
//! Not a place where anybody's progress is kept: it lies in one server's memory, is used by who made it alone, and ends
//! a minute after it was last asked for something.

use async_nats::Message;
use chain::Position;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::{self, ApiError};
use crate::engine::Stream;

/// A consumer, on a server that chance has chosen.
pub(crate) struct Consumer {
    /// The server that has it; empty where there is only one.
    pub(crate) server: String,
    pub(crate) name: String,
}

#[derive(Deserialize)]
struct Info {
    name: String,
    #[serde(default)]
    cluster: api::Group,
}

impl Consumer {
    /// Makes one that begins at `from`.
    pub(crate) async fn create(stream: &Stream, from: Position) -> Result<Self, ApiError> {
        let body = json!({
            "stream_name": stream.name,
            "config": {
                "deliver_policy": "by_start_sequence", "opt_start_seq": from.0 + 1, "ack_policy": "none",
                "num_replicas": 1, "mem_storage": true, "inactive_threshold": 60_000_000_000_u64,
            },
        });
        let subject = format!("$JS.API.CONSUMER.CREATE.{}", stream.name);
        let made: Info = api::ask(&stream.links.log, subject, Some(&body)).await?;
        Ok(Self { server: made.cluster.leader.unwrap_or_default(), name: made.name })
    }

    /// Asks for more messages, which come to `inbox`.
    pub(crate) async fn ask(&self, stream: &Stream, inbox: &str, question: &Value) -> Result<(), String> {
        let subject = format!("$JS.API.CONSUMER.MSG.NEXT.{}.{}", stream.name, self.name);
        let client = &stream.links.log;
        let sent = client.publish_with_reply(subject, inbox.to_owned(), question.to_string().into());
        sent.await.map_err(|error| error.to_string())
    }

    /// Ends it. Nobody waits for that: otherwise it ends by itself.
    pub(crate) async fn end(self, stream: &Stream) {
        let subject = format!("$JS.API.CONSUMER.DELETE.{}.{}", stream.name, self.name);
        let client = &stream.links.log;
        let _ = client.publish_with_reply(subject, client.new_inbox(), bytes::Bytes::new()).await;
    }
}

/// Which message a consumer has handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Delivery {
    /// Its sequence in the stream.
    pub(crate) stream: u64,
    /// How many the consumer has handed out with it.
    pub(crate) consumer: u64,
}

impl Delivery {
    /// As the subject says on which the message would be acknowledged.
    pub(crate) fn of(message: &Message) -> Option<Self> {
        Self::parse(message.reply.as_deref()?)
    }

    /// `$JS.ACK.STREAM.CONSUMER.DELIVERED.SEQUENCE.SEQUENCE.TIME.PENDING`, with domain and account before the stream, and
    /// something after the end, in newer servers.
    fn parse(reply: &str) -> Option<Self> {
        let skipped = if reply.bytes().filter(|byte| *byte == b'.').count() > 8 { 7 } else { 5 };
        let mut sequences = reply.split('.').skip(skipped).map(|token| token.parse().ok());
        Some(Self { stream: sequences.next()??, consumer: sequences.next()?? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sequences_are_found_in_both_forms() {
        let due = Some(Delivery { stream: 42, consumer: 7 });
        assert_eq!(Delivery::parse("$JS.ACK.s.c.1.42.7.1700000000.0"), due);
        assert_eq!(Delivery::parse("$JS.ACK.hub.acc.s.c.1.42.7.1700000000.0.rnd"), due);
        assert_eq!(Delivery::parse("$JS.ACK.s"), None);
        assert_eq!(Delivery::parse("$JS.ACK.s.c.1.42.x.1700000000.0"), None);
    }
}
