//! What can be said of one record alone: its form, its hash, its event. Done on all cores.

use std::ops::Range;

use bytes::Bytes;
use chain::{Instant, Position, PublicKey, Record, RecordError, RecordHash, Signature};
use clinical::{DecodeError, Event};

/// A record, read by itself.
pub(crate) struct Parsed {
    pub bytes: Bytes,
    pub hash: RecordHash,
    /// `None` where records are only hashed. Apart, so that those take no room for it.
    pub form: Option<Box<Result<Form, RecordError>>>,
}

/// A record of the right form.
pub(crate) struct Form {
    pub event_bytes: Range<usize>,
    pub event: Result<Event, DecodeError>,
    pub prev: RecordHash,
    pub recorded_at: Instant,
    pub seq: Position,
    pub signature: Signature,
}

/// Reads and hashes one record.
pub(crate) fn parse(bytes: Bytes) -> Parsed {
    let hash = RecordHash::of(&bytes);
    let form = Record::parse(&bytes).map(|record| {
        // A record's bytes begin with `{"event":`, and its event's follow.
        let start = EVENT_STARTS;
        Form {
            event_bytes: start..start + record.event.len(),
            event: Event::decode(record.event),
            prev: record.prev,
            recorded_at: record.recorded_at,
            seq: record.seq,
            signature: record.signature,
        }
    });
    Parsed { bytes, hash, form: Some(Box::new(form)) }
}

/// Hashes one record.
pub(crate) fn hash(bytes: Bytes) -> Parsed {
    Parsed { hash: RecordHash::of(&bytes), bytes, form: None }
}

const EVENT_STARTS: usize = b"{\"event\":".len();

/// A signature to check. It holds the record's bytes so that nothing is copied.
pub(crate) struct SignatureDue {
    pub ordinal: u64,
    pub seq: Position,
    pub bytes: Bytes,
    pub event_bytes: Range<usize>,
    pub signature: Signature,
    pub key: PublicKey,
}

impl SignatureDue {
    pub(crate) fn holds(&self) -> bool {
        self.key.verify_event(&self.bytes[self.event_bytes.clone()], &self.signature).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_events_bytes_are_found_in_the_record() {
        let record = Record {
            event: br#"{"a":"b"}"#,
            prev: RecordHash::ZERO,
            recorded_at: Instant::from_microseconds(0).unwrap(),
            seq: Position(0),
            signature: Signature([0; 64]),
        };
        let parsed = parse(Bytes::from(record.join()));
        let form = parsed.form.and_then(|form| form.ok()).unwrap();
        assert_eq!(parsed.bytes[form.event_bytes], *record.event);
        assert!(form.event.is_err());
    }
}
