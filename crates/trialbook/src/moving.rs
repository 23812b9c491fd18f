//! Copying a log from one engine to another, and showing that both hold the same.

use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use chain::{Chain, LinkedRecord, Position, Record, RecordHash, RootHash, TreeSize};
use journal::{Head, Journal};
use serde::{Deserialize, Serialize};
use verify::{Source, Step};

use crate::deployment::DurableRecords;

/// About how many bytes are read, and appended, at a time.
const STEP_BYTES: usize = 1 << 20;

/// What two copies of a log have in common: all of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Whole {
    pub(crate) records: u64,
    pub(crate) head: RecordHash,
    /// Of the Merkle tree over the records' hashes.
    pub(crate) root: RootHash,
}

/// A log as it is read: every link checked.
#[derive(Default)]
struct Reading {
    chain: Chain,
    hashes: Vec<RecordHash>,
}

impl Reading {
    fn take(&mut self, bytes: &[u8]) -> Result<LinkedRecord> {
        let linked = LinkedRecord::new(Position(self.hashes.len() as u64), bytes);
        let record =
            Record::parse(&linked.bytes).with_context(|| format!("record {} is none", linked.seq))?;
        self.chain.follow(&record, linked.hash).context("the chain of records is broken")?;
        self.hashes.push(linked.hash);
        Ok(linked)
    }

    fn whole(&self) -> Whole {
        Whole {
            records: self.hashes.len() as u64,
            head: self.chain.head,
            root: chain::tree::root_of(&self.hashes),
        }
    }
}

/// Gives each record of `source` to `each`, links checked.
fn read(source: &mut dyn Source, mut each: impl FnMut(LinkedRecord) -> Result<()>) -> Result<Whole> {
    let mut reading = Reading::default();
    let mut part = Vec::new();
    loop {
        let step = source.next(STEP_BYTES, &mut part)?;
        for bytes in part.drain(..) {
            each(reading.take(&bytes)?)?;
        }
        match step {
            Step::More => {}
            Step::End => return Ok(reading.whole()),
            Step::Gap(gap) => bail!("records are missing: {gap:?}"),
            Step::Damage(damage) => {
                bail!("damage at record {} in {}: {}", damage.seq, damage.place, damage.what)
            }
        }
    }
}

/// What a log holds, every link checked.
///
/// # Errors
/// It cannot be read, or does not hold.
pub(crate) fn whole(source: &mut dyn Source) -> Result<Whole> {
    read(source, |_| Ok(()))
}

/// Copies what `source` holds to `target`, which must hold a beginning of it or nothing; then reads `target` again from its
/// first record and holds it against what was copied.
///
/// # Errors
/// One of the two cannot be read or written or does not hold, `target` holds something else, or the two differ.
pub(crate) fn copy(source: &mut dyn Source, target: &Arc<dyn Journal>) -> Result<Whole> {
    let begun = target.head();
    let mut there = Vec::new();
    let mut waiting: Vec<LinkedRecord> = Vec::new();
    let (mut bytes, mut head) = (0, begun);
    let most = target.append_records_max();
    let copied = read(source, |linked| {
        if linked.seq.0 < begun.size.0 {
            if there.is_empty() {
                there = target.read(linked.seq, STEP_BYTES)?;
                there.reverse();
            }
            let held = there.pop().with_context(|| format!("record {} cannot be read", linked.seq))?;
            ensure!(held.hash == linked.hash, "the target holds another log: record {} differs", linked.seq);
            return Ok(());
        }
        bytes += linked.bytes.len();
        waiting.push(linked);
        if bytes >= STEP_BYTES || waiting.len() >= most {
            head = append(&**target, head, &mut waiting)?;
            bytes = 0;
        }
        Ok(())
    })?;
    ensure!(
        copied.records >= begun.size.0,
        "the target holds {} records, the source {} only: it is the source that is behind",
        begun.size,
        copied.records
    );
    append(&**target, head, &mut waiting)?;
    let kept = whole(&mut DurableRecords::of(target))?;
    ensure!(kept == copied, "the copy differs: {kept:?} instead of {copied:?}");
    Ok(copied)
}

fn append(target: &dyn Journal, head: Head, records: &mut Vec<LinkedRecord>) -> Result<Head> {
    if records.is_empty() {
        return Ok(head);
    }
    let head = target.append(head, records)?;
    records.clear();
    Ok(head)
}

/// The head of a log of that size.
pub(crate) fn is_at(journal: &dyn Journal, whole: &Whole) -> bool {
    journal.head() == Head { size: TreeSize(whole.records), hash: whole.head }
}

#[cfg(test)]
mod tests {
    use journal::memory::MemoryJournal;

    use super::*;

    /// A log of `count` records, whose events are empty.
    fn log(count: u64) -> Arc<dyn Journal> {
        let journal = MemoryJournal::new();
        let mut chain = Chain::default();
        let now = "2026-11-22T13:28:45.123456Z".parse().unwrap();
        let records: Vec<_> = (0..count)
            .map(|seq| chain.link(format!("{{\"n\":{seq}}}").as_bytes(), chain::Signature([0; 64]), now))
            .collect();
        journal.append(Head::EMPTY, &records).unwrap();
        Arc::new(journal)
    }

    #[test]
    fn a_copy_is_equal_and_goes_on_from_a_beginning() {
        let source = log(2_500);
        let target: Arc<dyn Journal> = Arc::new(MemoryJournal::new());
        let first = copy(&mut DurableRecords::of(&log(700)), &target).unwrap();
        assert_eq!(first.records, 700);
        let all = copy(&mut DurableRecords::of(&source), &target).unwrap();
        assert_eq!(all, whole(&mut DurableRecords::of(&source)).unwrap());
        assert_eq!(target.head(), source.head());
        assert!(is_at(&*target, &all) && !is_at(&*target, &first));
        assert_eq!(copy(&mut DurableRecords::of(&source), &target).unwrap(), all, "nothing is left to copy");
    }

    #[test]
    fn what_is_no_beginning_of_the_source_is_left_as_it_is() {
        let target = log(10);
        let other: Arc<dyn Journal> = {
            let mut chain = Chain::default();
            let now = "2026-11-22T13:28:46.123456Z".parse().unwrap();
            let records: Vec<_> =
                (0..20).map(|_| chain.link(b"{}", chain::Signature([0; 64]), now)).collect();
            let journal = MemoryJournal::new();
            journal.append(Head::EMPTY, &records).unwrap();
            Arc::new(journal)
        };
        let refused = copy(&mut DurableRecords::of(&other), &target).unwrap_err();
        assert!(refused.to_string().contains("another log: record 0"), "{refused}");
        let behind = copy(&mut DurableRecords::of(&log(9)), &target).unwrap_err();
        assert!(behind.to_string().contains("behind"), "{behind}");
        assert_eq!(target.head(), log(10).head());
    }

    #[test]
    fn a_source_with_a_broken_link_is_not_copied_beyond_it() {
        let source = MemoryJournal::new();
        let good = log(5).read(Position(0), usize::MAX).unwrap();
        let stranger = LinkedRecord::new(Position(5), good[2].bytes.clone());
        source.append(Head::EMPTY, &good).unwrap();
        source.append(Head::EMPTY.after(&good), &[stranger]).unwrap();
        let source: Arc<dyn Journal> = Arc::new(source);
        let target: Arc<dyn Journal> = Arc::new(MemoryJournal::new());
        let refused = copy(&mut DurableRecords::of(&source), &target).unwrap_err();
        assert!(refused.to_string().contains("chain of records"), "{refused}");
        assert!(target.head().size.0 <= 5);
    }
}
