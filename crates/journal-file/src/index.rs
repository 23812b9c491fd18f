//! Where records lie: one mark every 64 KiB of payload, so that memory grows by 40 bytes for each 64 KiB of journal
//! and finding a record reads at most that much before it.

use chain::Position;

use crate::format::{Place, framed};

/// Payload between two marks.
const STRIDE_BYTES: usize = 64 << 10;

/// A record whose place is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    /// The record.
    pub(crate) seq: Position,
    /// Where its batch begins.
    pub(crate) batch: Place,
    /// Where in the batch's payload the record begins, in bytes.
    pub(crate) offset: u64,
}

/// The marks, by position.
#[derive(Debug, Default)]
pub(crate) struct Index {
    marks: Vec<Mark>,
    /// Payload since the last mark.
    unmarked_bytes: usize,
}

impl Index {
    /// Takes note of a batch: its place, first position and its records' lengths.
    pub(crate) fn add(&mut self, batch: Place, first: Position, lengths: impl Iterator<Item = usize>) {
        let mut offset = 0;
        for (seq, length) in (first.0..).zip(lengths) {
            if self.marks.is_empty() || self.unmarked_bytes >= STRIDE_BYTES {
                self.marks.push(Mark { seq: Position(seq), batch, offset });
                self.unmarked_bytes = 0;
            }
            self.unmarked_bytes += framed(length);
            offset += framed(length) as u64;
        }
    }

    /// The last mark at or before `seq`.
    pub(crate) fn find(&self, seq: Position) -> Option<Mark> {
        let after = self.marks.partition_point(|mark| mark.seq <= seq);
        self.marks[..after].last().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_near_before_every_record() {
        let mut index = Index::default();
        let mut first = 0;
        for (block, count) in (0..).zip([1, 500, 1, 1, 2_000]) {
            index.add(Place { segment: 0, block }, Position(first), std::iter::repeat_n(1_000, count));
            first += count as u64;
        }
        for seq in 0..first {
            let mark = index.find(Position(seq)).unwrap();
            assert!(mark.seq.0 <= seq && seq - mark.seq.0 <= 66);
        }
        assert_eq!(index.find(Position(10)).unwrap(), index.marks[0]);
        assert_eq!(index.marks[1].offset, (index.marks[1].seq.0 - 1) * 1_002, "counted within the batch");
        assert_eq!(Index::default().find(Position(0)), None);
    }
}
