//! Event ids with their positions, in 32 bytes an event, to find repeated ids and to hold records that are read a
//! second time against what was read first.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use chain::{Position, RecordHash};
use clinical::EventId;

/// Entries of one block: 1 MiB. Blocks are never copied while the log grows.
const BLOCK_ENTRIES: usize = 32_768;

const POSITION_BYTES: usize = 6;
const HASH_BYTES: usize = 10;

/// Event id (16 bytes), position (6, big-endian), first bytes of the record's hash (10): ordered by id, then position.
/// 80 bits of the hash hold a record that is already fixed against another one; whoever makes both records anew must
/// also have an amendment signed that names the one that is not in the log.
type Entry = [u8; 32];

#[derive(Debug, Default)]
pub(crate) struct Ids {
    blocks: Vec<Vec<Entry>>,
}

/// An id that stands in the log twice.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Repeated {
    pub id: EventId,
    pub first: Position,
    pub again: Position,
}

fn position_of(entry: &Entry) -> Position {
    let mut bytes = [0; 8];
    bytes[8 - POSITION_BYTES..].copy_from_slice(&entry[16..16 + POSITION_BYTES]);
    Position(u64::from_be_bytes(bytes))
}

impl Ids {
    /// Takes in an event that was read at `seq`, in order of reading. Positions beyond 2^48 are not told apart: such a
    /// log is broken by its positions alone.
    pub(crate) fn push(&mut self, id: EventId, seq: Position, hash: RecordHash) {
        let mut entry = [0; 32];
        entry[..16].copy_from_slice(&id.0);
        entry[16..16 + POSITION_BYTES].copy_from_slice(&seq.0.to_be_bytes()[8 - POSITION_BYTES..]);
        entry[32 - HASH_BYTES..].copy_from_slice(&hash.0[..HASH_BYTES]);
        match self.blocks.last_mut() {
            Some(block) if block.len() < BLOCK_ENTRIES => block.push(entry),
            _ => {
                let mut block = Vec::with_capacity(BLOCK_ENTRIES);
                block.push(entry);
                self.blocks.push(block);
            }
        }
    }

    /// Whether the record read at `seq` had this hash; `None` if no event was read there, or it cannot be found because
    /// positions went back and forth.
    pub(crate) fn had_hash(&self, seq: Position, hash: RecordHash) -> Option<bool> {
        let block =
            self.blocks.partition_point(|block| block.last().is_some_and(|last| position_of(last) < seq));
        let block = self.blocks.get(block)?;
        let entry = block.get(block.partition_point(|entry| position_of(entry) < seq))?;
        (position_of(entry) == seq).then(|| entry[32 - HASH_BYTES..] == hash.0[..HASH_BYTES])
    }

    /// Sorts the ids and gives each repeated one, in order of ids. Uses no memory of the order of the log.
    pub(crate) fn into_repeated(mut self, mut each: impl FnMut(Repeated)) {
        for block in &mut self.blocks {
            block.sort_unstable();
        }
        let mut heads: BinaryHeap<Reverse<(Entry, usize)>> = self
            .blocks
            .iter()
            .enumerate()
            .filter_map(|(n, block)| Some(Reverse((*block.first()?, n))))
            .collect();
        let mut next = vec![1; self.blocks.len()];
        let mut first: Option<Entry> = None;
        while let Some(Reverse((entry, block))) = heads.pop() {
            match first {
                Some(first) if first[..16] == entry[..16] => {
                    let mut id = [0; 16];
                    id.copy_from_slice(&entry[..16]);
                    each(Repeated {
                        id: EventId(id),
                        first: position_of(&first),
                        again: position_of(&entry),
                    });
                }
                _ => first = Some(entry),
            }
            if let Some(entry) = self.blocks[block].get(next[block]) {
                heads.push(Reverse((*entry, block)));
                next[block] += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u64) -> EventId {
        let mut bytes = [0; 16];
        bytes[8..].copy_from_slice(&n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
        EventId(bytes)
    }

    #[test]
    fn ids_repeated_within_and_across_blocks_are_found_and_no_others() {
        let count = BLOCK_ENTRIES as u64 * 2 + 100;
        let mut ids = Ids::default();
        for n in 0..count {
            let id = if n == 7 || n == count - 1 { id(5) } else { id(n) };
            ids.push(id, Position(n), RecordHash([1; 32]));
        }
        let mut found = Vec::new();
        ids.into_repeated(|repeated| found.push((repeated.id, repeated.first.0, repeated.again.0)));
        assert_eq!(found, [(id(5), 5, 7), (id(5), 5, count - 1)]);
    }

    #[test]
    fn a_record_read_again_is_held_against_its_hash_across_gaps_and_blocks() {
        let mut ids = Ids::default();
        let count = BLOCK_ENTRIES as u64 + 10;
        for n in 0..count {
            let mut hash = [0; 32];
            hash[..8].copy_from_slice(&n.to_be_bytes());
            ids.push(id(n), Position(n * 2), RecordHash(hash));
        }
        for n in [0, 1, BLOCK_ENTRIES as u64 - 1, BLOCK_ENTRIES as u64, count - 1] {
            let mut hash = [0; 32];
            hash[..8].copy_from_slice(&n.to_be_bytes());
            assert_eq!(ids.had_hash(Position(n * 2), RecordHash(hash)), Some(true), "{n}");
            assert_eq!(ids.had_hash(Position(n * 2), RecordHash([9; 32])), Some(false), "{n}");
            assert_eq!(ids.had_hash(Position(n * 2 + 1), RecordHash(hash)), None, "{n}");
        }
    }
}
