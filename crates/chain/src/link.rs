//! How records link: one position after another, each naming the hash of the one before, time never going back.

use crate::hash::{Position, RecordHash, TreeSize};
use crate::record::{LinkedRecord, Record};
use crate::time::Instant;

/// The end of a chain of records, as far as it was followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Chain {
    /// How many records were followed.
    pub size: TreeSize,
    /// Hash of the last one; [`RecordHash::ZERO`] before the first.
    pub head: RecordHash,
    /// Time of recording of the last one.
    pub recorded_at: Option<Instant>,
}

/// A record that does not continue the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// Not the next position.
    #[error("position {found} where {expected} is due")]
    Position {
        /// The position that is due.
        expected: Position,
        /// The position the record states.
        found: Position,
    },
    /// `prev` is not the hash of the record before.
    #[error("record {seq} names {found} as the record before it, which has hash {expected}")]
    Previous {
        /// The record.
        seq: Position,
        /// The hash of the record before.
        expected: RecordHash,
        /// The hash it names.
        found: RecordHash,
    },
    /// Recorded before the record before it.
    #[error("record {seq} was recorded at {found}, before its predecessor at {previous}")]
    Time {
        /// The record.
        seq: Position,
        /// When the record before was recorded.
        previous: Instant,
        /// When it says it was recorded.
        found: Instant,
    },
}

impl Chain {
    /// Says whether `record` continues this chain.
    ///
    /// # Errors
    /// [`LinkError`], the first of position, previous hash, time that does not hold.
    pub fn check(&self, record: &Record<'_>) -> Result<(), LinkError> {
        let expected = self.size.next_position();
        if record.seq != expected {
            return Err(LinkError::Position { expected, found: record.seq });
        }
        if record.prev != self.head {
            return Err(LinkError::Previous { seq: record.seq, expected: self.head, found: record.prev });
        }
        match self.recorded_at {
            Some(previous) if record.recorded_at < previous => {
                Err(LinkError::Time { seq: record.seq, previous, found: record.recorded_at })
            }
            _ => Ok(()),
        }
    }

    /// Goes one record on. `hash` is the record's own hash.
    pub fn advance(&mut self, record: &Record<'_>, hash: RecordHash) {
        self.size = TreeSize(record.seq.0 + 1);
        self.head = hash;
        self.recorded_at = Some(record.recorded_at);
    }

    /// Checks `record` and goes on to it.
    ///
    /// # Errors
    /// As [`Chain::check`]; the chain then stays where it was.
    pub fn follow(&mut self, record: &Record<'_>, hash: RecordHash) -> Result<(), LinkError> {
        self.check(record)?;
        self.advance(record, hash);
        Ok(())
    }

    /// Links an event to this chain: `recorded_at` is `now`, or the predecessor's time if the clock went back.
    ///
    /// ```
    /// let mut chain = chain::Chain::default();
    /// let now = "2026-11-22T13:28:45.123456Z".parse().unwrap();
    /// let first = chain.link(b"{}", chain::Signature([0; 64]), now);
    /// let second = chain.link(b"{}", chain::Signature([0; 64]), now);
    /// assert_eq!(chain::Record::parse(&second.bytes).unwrap().prev, first.hash);
    /// ```
    pub fn link(&mut self, event: &[u8], signature: crate::Signature, now: Instant) -> LinkedRecord {
        let record = Record {
            event,
            prev: self.head,
            recorded_at: self.recorded_at.map_or(now, |previous| previous.max(now)),
            seq: self.size.next_position(),
            signature,
        };
        let linked = LinkedRecord::new(record.seq, record.join());
        self.advance(&record, linked.hash);
        linked
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Signature;

    fn instant(second: i64) -> Instant {
        Instant::from_microseconds(second * 1_000_000).unwrap()
    }

    #[test]
    fn a_dropped_a_swapped_or_an_altered_record_breaks_the_chain() {
        let mut writer = Chain::default();
        let records: Vec<_> = (0..3)
            .map(|n| writer.link(format!("{{\"n\":{n}}}").as_bytes(), Signature([0; 64]), instant(n)))
            .collect();

        let mut reader = Chain::default();
        for linked in &records {
            reader.follow(&Record::parse(&linked.bytes).unwrap(), linked.hash).unwrap();
        }
        assert_eq!(reader, writer);

        let mut reader = Chain::default();
        let second = Record::parse(&records[1].bytes).unwrap();
        assert!(matches!(reader.follow(&second, records[1].hash), Err(LinkError::Position { .. })));

        let first = Record::parse(&records[0].bytes).unwrap();
        reader.follow(&first, RecordHash([1; 32])).unwrap();
        assert!(matches!(reader.follow(&second, records[1].hash), Err(LinkError::Previous { .. })));
    }

    #[test]
    fn recording_time_never_goes_back() {
        let mut writer = Chain::default();
        writer.link(b"{}", Signature([0; 64]), instant(10));
        let second = writer.link(b"{}", Signature([0; 64]), instant(5));
        assert_eq!(Record::parse(&second.bytes).unwrap().recorded_at, instant(10));

        let mut chain = writer;
        let forged = Record {
            event: b"{}",
            prev: chain.head,
            recorded_at: instant(9),
            seq: Position(2),
            signature: Signature([0; 64]),
        };
        assert!(matches!(chain.follow(&forged, RecordHash::ZERO), Err(LinkError::Time { .. })));
    }
}
