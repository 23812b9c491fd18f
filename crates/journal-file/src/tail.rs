//! The records appended last, kept in memory for those who follow.

use std::collections::VecDeque;

use chain::{LinkedRecord, Position};

/// What a kept record takes besides its bytes: the entry, the allocation's header and its rounding.
const OVERHEAD_BYTES: usize = 96;

/// A run of records that ends at the head, bounded in bytes.
#[derive(Debug)]
pub(crate) struct Tail {
    records: VecDeque<LinkedRecord>,
    bytes: usize,
    bytes_max: usize,
}

impl Tail {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { records: VecDeque::new(), bytes: 0, bytes_max }
    }

    /// Adds records that follow those there are; drops the oldest.
    pub(crate) fn extend(&mut self, records: &[LinkedRecord]) {
        for record in records {
            self.bytes += cost(record);
            self.records.push_back(record.clone());
        }
        while self.bytes > self.bytes_max
            && let Some(oldest) = self.records.pop_front()
        {
            self.bytes -= cost(&oldest);
        }
    }

    /// Records from `from` on, if it is kept.
    pub(crate) fn read(&self, from: Position, bytes_max: usize) -> Option<Vec<LinkedRecord>> {
        let first = self.records.front()?.seq;
        let skip = usize::try_from(from.0.checked_sub(first.0)?).ok()?;
        let mut portion = Portion::new(bytes_max);
        let wanted = self.records.iter().skip(skip).take_while(|record| portion.wants(record.bytes.len()));
        Some(wanted.cloned().collect())
    }
}

fn cost(record: &LinkedRecord) -> usize {
    record.bytes.len() + OVERHEAD_BYTES
}

/// Counts what one read gives: at least one record, else at most so many bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Portion {
    left: Option<usize>,
    bytes_max: usize,
}

impl Portion {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { left: None, bytes_max }
    }

    /// Whether a further record of `bytes` bytes belongs to it; counts it if so.
    pub(crate) fn wants(&mut self, bytes: usize) -> bool {
        let left = match self.left {
            None => Some(self.bytes_max.saturating_sub(bytes)),
            Some(left) => left.checked_sub(bytes),
        };
        self.left = left.or(Some(0));
        left.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(from: u64, count: u64) -> Vec<LinkedRecord> {
        (from..from + count).map(|seq| LinkedRecord::new(Position(seq), vec![0; 100])).collect()
    }

    #[test]
    fn the_oldest_go_and_what_stays_ends_at_the_head() {
        let mut tail = Tail::new(10 * (100 + OVERHEAD_BYTES));
        assert_eq!(tail.read(Position(0), 1_000), None);
        tail.extend(&records(0, 8));
        assert_eq!(tail.read(Position(0), 250), Some(records(0, 2)));
        tail.extend(&records(8, 7));
        assert_eq!(tail.read(Position(4), 1_000), None);
        assert_eq!(tail.read(Position(5), usize::MAX), Some(records(5, 10)));
        tail.extend(&records(15, 100));
        assert_eq!(tail.records.len(), 10);
    }
}
