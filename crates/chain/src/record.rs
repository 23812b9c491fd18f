//! A record: an event with its place, time of recording, and the hash of the record before it.

use std::sync::Arc;

use crate::RECORD_BYTES_MAX;
use crate::canonical::{self, CanonicalError};
use crate::hash::{Position, RecordHash};
use crate::key::Signature;
use crate::time::Instant;

/// A record's bytes with the place and hash they have in the log: what journals store and hand out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkedRecord {
    /// Place in the log.
    pub seq: Position,
    /// [`RecordHash::of`] the bytes.
    pub hash: RecordHash,
    /// The record, at most [`RECORD_BYTES_MAX`] bytes.
    pub bytes: Arc<[u8]>,
}

impl LinkedRecord {
    /// Hashes `bytes` and places them at `seq`; the caller says where they belong.
    pub fn new(seq: Position, bytes: impl Into<Arc<[u8]>>) -> Self {
        let bytes = bytes.into();
        Self { seq, hash: RecordHash::of(&bytes), bytes }
    }
}

/// A record, read: every member parsed, the event's bytes as they stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// The event's canonical bytes: what was signed.
    pub event: &'a [u8],
    /// Hash of the record before; [`RecordHash::ZERO`] at position 0.
    pub prev: RecordHash,
    /// When it was recorded.
    pub recorded_at: Instant,
    /// Its place in the log.
    pub seq: Position,
    /// The signer's signature; not checked by reading.
    pub signature: Signature,
}

/// Bytes that are not a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// More than [`RECORD_BYTES_MAX`] bytes.
    #[error("record of {bytes} bytes, at most {RECORD_BYTES_MAX} are allowed")]
    TooLarge {
        /// How many there are.
        bytes: usize,
    },
    /// Not canonical JSON.
    #[error("{0}")]
    Canonical(CanonicalError),
    /// The members are not exactly `event`, `prev`, `recorded_at`, `seq`, `signature`.
    #[error("a record has exactly the members event, prev, recorded_at, seq, signature")]
    Members,
    /// A member's value is not of its form.
    #[error("member {member} is malformed")]
    Member {
        /// The member's name.
        member: &'static str,
    },
}

/// The members every record has, in canonical order.
const MEMBERS: [&str; 5] = ["event", "prev", "recorded_at", "seq", "signature"];

impl<'a> Record<'a> {
    /// Reads a record; every byte is looked at.
    ///
    /// # Errors
    /// [`RecordError`]: the bytes are not a record of format version 1.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, RecordError> {
        if bytes.len() > RECORD_BYTES_MAX {
            return Err(RecordError::TooLarge { bytes: bytes.len() });
        }
        let members = canonical::members(bytes).map_err(RecordError::Canonical)?;
        if members.len() != MEMBERS.len()
            || members.iter().zip(MEMBERS).any(|(member, name)| bytes[member.key.clone()] != *name.as_bytes())
        {
            return Err(RecordError::Members);
        }
        let value = |index: usize| &bytes[members[index].value.clone()];
        let text = |index: usize| {
            let value = value(index);
            // None of these strings may hold an escape, so the bytes between the quotes are the string.
            (value.len() >= 2 && value[0] == b'"')
                .then(|| std::str::from_utf8(&value[1..value.len() - 1]).ok())
                .flatten()
                .ok_or(RecordError::Member { member: MEMBERS[index] })
        };
        let malformed = |index: usize| RecordError::Member { member: MEMBERS[index] };
        if value(0)[0] != b'{' {
            return Err(malformed(0));
        }
        Ok(Self {
            event: value(0),
            prev: text(1)?.parse().map_err(|_| malformed(1))?,
            recorded_at: text(2)?.parse().map_err(|_| malformed(2))?,
            seq: std::str::from_utf8(value(3))
                .ok()
                .and_then(|digits| digits.parse().ok())
                .map(Position)
                .ok_or_else(|| malformed(3))?,
            signature: Signature::from_text(text(4)?).ok_or_else(|| malformed(4))?,
        })
    }

    /// The record's bytes, joined around the event's own bytes: they are never serialized again.
    pub fn join(&self) -> Vec<u8> {
        let tail = format!(
            ",\"prev\":\"{}\",\"recorded_at\":\"{}\",\"seq\":{},\"signature\":\"{}\"}}",
            self.prev,
            self.recorded_at,
            self.seq,
            self.signature.to_text()
        );
        let mut bytes = Vec::with_capacity(9 + self.event.len() + tail.len());
        bytes.extend_from_slice(b"{\"event\":");
        bytes.extend_from_slice(self.event);
        bytes.extend_from_slice(tail.as_bytes());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(event: &[u8]) -> Record<'_> {
        Record {
            event,
            prev: RecordHash([7; 32]),
            recorded_at: "2026-11-22T13:28:45.123456Z".parse().unwrap(),
            seq: Position(42),
            signature: Signature([9; 64]),
        }
    }

    #[test]
    fn a_joined_record_reads_back_with_the_events_own_bytes() {
        let record = record(br#"{"a":1}"#);
        assert_eq!(Record::parse(&record.join()), Ok(record));
    }

    #[test]
    fn the_longest_event_fits_into_the_longest_record() {
        let event = format!("{{\"a\":\"{}\"}}", "x".repeat(crate::EVENT_BYTES_MAX - 8));
        assert_eq!(event.len(), crate::EVENT_BYTES_MAX);
        let mut record = record(event.as_bytes());
        record.seq = Position(9_007_199_254_740_991);
        assert!(record.join().len() <= RECORD_BYTES_MAX);
    }

    #[test]
    fn a_missing_an_added_or_a_malformed_member_is_named() {
        let good = String::from_utf8(record(b"{}").join()).unwrap();
        for (from, to, expected) in [
            ("\"seq\":42,", "", RecordError::Members),
            ("\"seq\":42,", "\"seq\":42,\"sig\":1,", RecordError::Members),
            ("\"seq\":42", "\"seq\":-42", RecordError::Member { member: "seq" }),
            ("\"seq\":42", "\"seq\":\"42\"", RecordError::Member { member: "seq" }),
            (".123456Z", ".12345Z", RecordError::Member { member: "recorded_at" }),
            ("{\"event\":{}", "{\"event\":[]", RecordError::Member { member: "event" }),
            ("0707", "070", RecordError::Member { member: "prev" }),
            ("CQ==", "CR==", RecordError::Member { member: "signature" }),
        ] {
            let changed = good.replacen(from, to, 1);
            assert_ne!(changed, good, "{from}");
            assert_eq!(Record::parse(changed.as_bytes()), Err(expected), "{changed}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_get_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Record::parse(&bytes);
        }

        #[test]
        fn what_parses_joins_to_the_same_bytes(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut bytes = record(br#"{"a":"b"}"#).join();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            if let Ok(record) = Record::parse(&bytes) {
                prop_assert_eq!(record.join(), bytes);
            }
        }
    }
}
