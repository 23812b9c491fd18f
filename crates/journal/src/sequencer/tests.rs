//! Sequencers on a journal in memory that waits, fails and forgets on demand.

use std::sync::mpsc;
use std::time::Duration;

use chain::{Chain, Position, Signature, TreeSize};

use super::*;
use crate::conformance::SyncOutcome;
use crate::memory::{Fault, MemoryJournal};

/// Links each item as it stands; refuses the empty one. Tells `seen` of what it decides and accepts.
struct Link {
    pending: Chain,
    /// Where the batches end that are closed and not accepted.
    closed: VecDeque<Head>,
    seen: Option<mpsc::Sender<Seen>>,
}

#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Decided(Vec<u8>),
    Accepted(u64),
}

fn link(head: Head) -> Link {
    let pending = Chain { size: head.size, head: head.hash, recorded_at: None };
    Link { pending, closed: VecDeque::new(), seen: None }
}

impl Link {
    fn tell(&self, seen: Seen) {
        if let Some(to) = &self.seen {
            let _ = to.send(seen);
        }
    }
}

impl Decide for Link {
    type Item = Vec<u8>;
    type Outcome = Option<Position>;

    fn decide(&mut self, item: &Vec<u8>, records: &mut Vec<LinkedRecord>) -> Option<Position> {
        self.tell(Seen::Decided(item.clone()));
        assert_ne!(item, b"panic");
        if item.is_empty() {
            return None;
        }
        let now = chain::Instant::from_microseconds(0).unwrap();
        records.push(self.pending.link(item, Signature([0; 64]), now));
        records.last().map(|record| record.seq)
    }

    fn close(&mut self) {
        self.closed.push_back(Head { size: self.pending.size, hash: self.pending.head });
        assert!(self.closed.len() <= 2, "one batch ahead at most");
    }

    fn accept(&mut self, head: Head) {
        assert_eq!(self.closed.pop_front(), Some(head), "batches are accepted as they were closed");
        self.tell(Seen::Accepted(head.size.0));
    }

    fn rewind(&mut self, journal: &dyn Journal) -> Result<Head, ReadError> {
        let head = journal.head();
        *self = Link { seen: self.seen.take(), ..link(head) };
        Ok(head)
    }
}

fn start(journal: &Arc<MemoryJournal>, limits: Limits) -> Sequencer<Link> {
    let journal = Arc::clone(journal);
    let head = journal.head();
    Sequencer::start(journal, link(head), limits).unwrap()
}

fn check_chain(journal: &MemoryJournal) {
    let mut chain = Chain::default();
    for record in journal.read(Position(0), usize::MAX).unwrap() {
        let parsed = chain::Record::parse(&record.bytes).unwrap();
        chain.follow(&parsed, record.hash).unwrap();
    }
}

/// Holds the next append at its sync until the sender is used or dropped.
fn hold(journal: &MemoryJournal) -> (mpsc::Receiver<()>, mpsc::Sender<()>) {
    let (entered, at_sync) = mpsc::channel();
    let (release, released) = mpsc::channel();
    journal.on_next_sync(Box::new(move || {
        entered.send(()).unwrap();
        let _ = released.recv();
        SyncOutcome::Done
    }));
    (at_sync, release)
}

#[test]
fn each_of_many_submitters_gets_its_own_position_and_the_chain_holds() {
    let small = Limits { waiting_max: 3, batch_items_max: 2, batch_bytes_max: 300, ..Limits::default() };
    for limits in [small, Limits { ahead_bytes_min: 1, ..small }] {
        check_many_submitters(limits);
    }
}

fn check_many_submitters(limits: Limits) {
    let journal = Arc::new(MemoryJournal::new());
    let sequencer = start(&journal, limits);
    let mut positions: Vec<_> = thread::scope(|scope| {
        let submitters: Vec<_> = (0..8)
            .map(|_| {
                let submit = || sequencer.submit_and_wait(b"{\"a\":1}".to_vec()).unwrap().unwrap();
                scope.spawn(move || (0..25).map(|_| submit()).collect::<Vec<_>>())
            })
            .collect();
        submitters.into_iter().flat_map(|submitter| submitter.join().unwrap()).collect()
    });
    positions.sort();
    assert!(positions.iter().map(|position| position.0).eq(0..200));
    assert_eq!(sequencer.submit_and_wait(Vec::new()).unwrap(), None);
    check_chain(&journal);
}

#[test]
fn what_gathers_during_an_append_goes_into_the_next_one_together() {
    let journal = Arc::new(MemoryJournal::new());
    let (at_sync, release) = hold(&journal);
    let sequencer = start(&journal, Limits { waiting_max: 10, ..Limits::default() });
    let (answers, answered) = mpsc::channel();
    let submit = |n: u32| {
        let answers = answers.clone();
        sequencer.try_submit(b"{}".to_vec(), move |outcome| answers.send((n, outcome.is_ok())).unwrap());
    };
    submit(0);
    at_sync.recv().unwrap();
    (1..=11).for_each(submit);
    assert_eq!(answered.try_recv(), Ok((11, false)), "full: refused at once");
    assert!(answered.try_recv().is_err(), "nothing is answered before it is durable");
    // The second append fails, the third would not: all ten are in the second.
    journal.plan(0, Fault::SyncFailed);
    drop(release);
    let mut failed: Vec<_> = answered.iter().take(11).filter(|(_, ok)| !ok).map(|(n, _)| n).collect();
    failed.sort_unstable();
    assert_eq!(failed, (1..=10).collect::<Vec<_>>());
}

#[test]
fn after_a_failed_append_everyone_waiting_and_everyone_later_gets_the_error() {
    let journal = Arc::new(MemoryJournal::new());
    journal.plan(1, Fault::FailedButPersisted);
    let sequencer = start(&journal, Limits::default());
    sequencer.submit_and_wait(b"{}".to_vec()).unwrap();
    for _ in 0..2 {
        let error = sequencer.submit_and_wait(b"{}".to_vec()).unwrap_err();
        assert!(matches!(&error, SubmitError::Append(e) if matches!(**e, AppendError::Io { .. })), "{error}");
    }
    assert!(sequencer.refusal().is_some());
}

#[test]
fn after_a_conflict_items_are_decided_again_on_what_the_other_wrote() {
    let journal = Arc::new(MemoryJournal::new());
    let rival =
        Chain::default().link(RIVAL, Signature([0; 64]), "2026-11-22T13:28:45.123456Z".parse().unwrap());
    journal.plan(0, Fault::Conflict(vec![rival]));
    let sequencer = start(&journal, Limits::default());
    assert_eq!(sequencer.submit_and_wait(b"{}".to_vec()).unwrap(), Some(Position(1)));
}

#[test]
fn a_refusal_that_met_no_answer_and_then_a_conflict_is_decided_again() {
    let journal = Arc::new(MemoryJournal::new());
    let rival =
        Chain::default().link(RIVAL, Signature([0; 64]), "2026-11-22T13:28:45.123456Z".parse().unwrap());
    journal.plan(0, Fault::OutcomeUnknown { stored: false });
    journal.plan(1, Fault::Conflict(vec![rival]));
    let (tell, seen) = mpsc::channel();
    let decide = Link { seen: Some(tell), ..link(Head::EMPTY) };
    let sequencer = Sequencer::start(Arc::clone(&journal) as _, decide, Limits::default()).unwrap();
    assert_eq!(sequencer.submit_and_wait(Vec::new()).unwrap(), None);
    sequencer.stop();
    let seen: Vec<_> = seen.try_iter().collect();
    assert_eq!(seen, [decided(b""), decided(b""), Seen::Accepted(1)], "on what the other wrote");
}

#[test]
fn an_unknown_outcome_is_settled_by_the_identical_batch() {
    for stored in [true, false] {
        let journal = Arc::new(MemoryJournal::new());
        journal.plan(1, Fault::OutcomeUnknown { stored });
        let sequencer = start(&journal, Limits::default());
        for seq in 0..3 {
            assert_eq!(sequencer.submit_and_wait(b"{}".to_vec()).unwrap(), Some(Position(seq)));
        }
        assert_eq!(journal.head().size.0, 3, "stored once");
        check_chain(&journal);
    }
}

#[test]
fn stopping_answers_all_that_waits_and_refuses_what_comes_later() {
    let journal = Arc::new(MemoryJournal::new());
    let (at_sync, release) = hold(&journal);
    let sequencer = start(&journal, Limits::default());
    let (answers, answered) = mpsc::channel();
    let submit = || {
        let answers = answers.clone();
        sequencer.submit(b"{}".to_vec(), move |outcome| answers.send(outcome.is_ok()).unwrap());
    };
    submit();
    at_sync.recv().unwrap();
    submit();
    submit();
    drop(release);
    sequencer.stop();
    assert_eq!(answered.try_iter().collect::<Vec<_>>(), [true; 3]);
    assert!(matches!(sequencer.submit_and_wait(b"{}".to_vec()), Err(SubmitError::Stopped)));
}

#[test]
fn nobody_waits_for_ever_when_the_decider_panics() {
    let journal = Arc::new(MemoryJournal::new());
    let sequencer = start(&journal, Limits::default());
    for item in [b"panic".to_vec(), b"{}".to_vec()] {
        assert!(matches!(sequencer.submit_and_wait(item), Err(SubmitError::Stopped)));
    }
}

#[test]
fn no_batch_has_more_records_than_the_journal_takes_at_once() {
    for item_records_max in [1, 3] {
        let journal = Arc::new(MemoryJournal::taking_at_once(4));
        let sequencer = start(&journal, Limits { item_records_max, ..Limits::default() });
        let (at_sync, release) = hold(&journal);
        let (answer, answers) = mpsc::channel();
        for item in 0..20 {
            let answer = answer.clone();
            sequencer.submit(format!("{{\"n\":{item}}}").into_bytes(), move |outcome| {
                answer.send(outcome).unwrap();
            });
            if item == 0 {
                at_sync.recv().unwrap();
            }
        }
        release.send(()).unwrap();
        for expected in 0..20 {
            assert_eq!(answers.recv().unwrap().unwrap(), Some(Position(expected)));
        }
        check_chain(&journal);
    }
}

/// One item a batch, each batch ahead of the former's append where there is anything to decide.
const AHEAD: Limits = Limits {
    waiting_max: 100,
    batch_items_max: 1,
    batch_bytes_max: usize::MAX,
    item_records_max: 1,
    ahead_bytes_min: 1,
};

/// A journal whose appends wait where a test wants it, and panic where it wants that.
#[derive(Default)]
struct Gated {
    journal: MemoryJournal,
    /// What the next append waits for; it panics if the sender is dropped.
    gate: Mutex<Option<mpsc::Receiver<()>>>,
}

impl Journal for Gated {
    fn append(&self, expected: Head, records: &[LinkedRecord]) -> Result<Head, AppendError> {
        let gate = self.gate.lock().unwrap().take();
        if let Some(gate) = gate {
            gate.recv().expect("the test lets it go on");
        }
        self.journal.append(expected, records)
    }

    fn read(&self, from: Position, bytes_max: usize) -> Result<Vec<LinkedRecord>, ReadError> {
        self.journal.read(from, bytes_max)
    }

    fn head(&self) -> Head {
        self.journal.head()
    }

    fn wait(&self, size: TreeSize, timeout: Duration) -> Head {
        self.journal.wait(size, timeout)
    }
}

const ONE: &[u8] = b"{\"n\":1}";
const TWO: &[u8] = b"{\"n\":2}";
const THREE: &[u8] = b"{\"n\":3}";
const RIVAL: &[u8] = b"{\"rival\":1}";

type Answer = (usize, Result<Option<Position>, SubmitError>);

/// A sequencer that has recorded item 0 and is appending item 1, with the others submitted.
struct Held {
    journal: Arc<Gated>,
    sequencer: Sequencer<Link>,
    answers: mpsc::Receiver<Answer>,
    seen: mpsc::Receiver<Seen>,
    release: mpsc::Sender<()>,
}

impl Held {
    /// Submits `items`, numbered from 1; `fault` strikes the append of the first.
    fn with(items: &[&[u8]], fault: Option<Fault>) -> Self {
        Self::within(AHEAD, items, fault)
    }

    fn within(limits: Limits, items: &[&[u8]], fault: Option<Fault>) -> Self {
        let journal = Arc::new(Gated::default());
        let (tell, seen) = mpsc::channel();
        let decide = Link { seen: Some(tell), ..link(Head::EMPTY) };
        let (at_sync, submitted) = hold(&journal.journal);
        let sequencer = Sequencer::start(Arc::clone(&journal) as _, decide, limits).unwrap();
        let (answer, answers) = mpsc::channel();
        let submit = |number: usize, item: &[u8]| {
            let answer = answer.clone();
            sequencer.submit(item.to_vec(), move |outcome| answer.send((number, outcome)).unwrap());
        };
        // While item 0 is at its sync the others gather, so that there is something to decide during the next append.
        submit(0, b"{}");
        at_sync.recv().unwrap();
        (1..).zip(items).for_each(|(number, item)| submit(number, item));
        let (release, gate) = mpsc::channel();
        *journal.gate.lock().unwrap() = Some(gate);
        if let Some(fault) = fault {
            journal.journal.plan(0, fault);
        }
        drop(submitted);
        let held = Self { journal, sequencer, answers, seen, release };
        assert_eq!(held.until(&Seen::Accepted(1)).len(), 2);
        assert!(matches!(held.answers.recv().unwrap(), (0, Ok(Some(Position(0))))));
        held
    }

    /// What the decider did, up to `last`.
    fn until(&self, last: &Seen) -> Vec<Seen> {
        let mut seen = Vec::new();
        while seen.last() != Some(last) {
            seen.push(self.seen.recv().unwrap());
        }
        seen
    }

    /// Lets the append go on, stops the sequencer and gives what was answered, in the order of the answers.
    fn release(self) -> (Vec<Answer>, Arc<Gated>) {
        self.release.send(()).unwrap();
        self.sequencer.stop();
        (self.answers.try_iter().collect(), self.journal)
    }
}

fn decided(item: &[u8]) -> Seen {
    Seen::Decided(item.to_vec())
}

/// Every answer is an outcome.
fn outcomes(answers: Vec<Answer>) -> Vec<(usize, Option<Position>)> {
    answers.into_iter().map(|(number, outcome)| (number, outcome.unwrap())).collect()
}

fn events(journal: &MemoryJournal) -> Vec<Vec<u8>> {
    let records = journal.read(Position(0), usize::MAX).unwrap();
    records.iter().map(|record| chain::Record::parse(&record.bytes).unwrap().event.to_vec()).collect()
}

#[test]
fn a_batch_is_decided_while_the_one_before_is_appended_and_no_further_one() {
    let held = Held::with(&[ONE, TWO, THREE], None);
    assert_eq!(held.until(&decided(TWO)), [decided(ONE), decided(TWO)]);
    assert!(held.answers.try_recv().is_err(), "nothing is answered before it is durable");
    assert_eq!(held.journal.head().size, TreeSize(1));
    held.release.send(()).unwrap();
    assert_eq!(held.until(&decided(THREE))[0], Seen::Accepted(2), "the third waits for the first");
    held.sequencer.stop();
    let expected = [1, 2, 3].map(|number| (number, Some(Position(number as u64))));
    assert_eq!(outcomes(held.answers.try_iter().collect()), expected);
    check_chain(&held.journal.journal);
}

#[test]
fn what_is_enough_for_an_append_waits_for_nothing_more_and_the_rest_goes_into_the_next_together() {
    let held = Held::within(Limits { batch_items_max: 100, ..AHEAD }, &[ONE, TWO, THREE], None);
    held.until(&decided(THREE));
    assert!(held.answers.try_recv().is_err());
    held.release.send(()).unwrap();
    assert_eq!(held.until(&Seen::Accepted(4)), [Seen::Accepted(2), Seen::Accepted(4)]);
}

#[test]
fn a_refusal_waits_for_the_batch_it_was_decided_on() {
    for (fault, durable) in [(None, true), (Some(Fault::SyncFailed), false)] {
        let held = Held::with(&[ONE, b""], fault);
        held.until(&decided(b""));
        assert!(held.answers.try_recv().is_err());
        let answers = held.release().0;
        assert!(answers.iter().map(|(number, _)| *number).eq([1, 2]));
        let outcomes: Vec<_> = answers.into_iter().filter_map(|(_, answer)| answer.ok()).collect();
        assert_eq!(outcomes, if durable { vec![Some(Position(1)), None] } else { vec![] });
    }
}

#[test]
fn after_a_failed_append_what_was_decided_on_it_is_dropped_and_gets_the_error() {
    for (fault, persisted) in
        [(Fault::WriteFailed, 0), (Fault::SyncFailed, 0), (Fault::FailedButPersisted, 1)]
    {
        let held = Held::with(&[ONE, TWO, THREE], Some(fault));
        held.until(&decided(TWO));
        let (answers, journal) = held.release();
        assert!(answers.iter().map(|(number, _)| *number).eq([1, 2, 3]));
        for (number, answer) in answers {
            let error = answer.unwrap_err();
            let SubmitError::Append(why) = &error else { panic!("{number}: {error}") };
            assert!(matches!(**why, AppendError::Io { .. }), "{number}: {why}");
        }
        let there = journal.journal.reopen().head().size.0;
        assert_eq!(there, 1 + persisted, "nothing is sent after the failure");
    }
}

#[test]
fn after_a_conflict_both_batches_are_decided_again_in_order() {
    let rival =
        Chain::default().link(RIVAL, Signature([0; 64]), chain::Instant::from_microseconds(0).unwrap());
    let rival = LinkedRecord { seq: Position(1), ..rival };
    let held = Held::with(&[ONE, TWO, THREE], Some(Fault::Conflict(vec![rival])));
    held.until(&decided(TWO));
    let (answers, journal) = held.release();
    let expected = [1, 2, 3].map(|number| (number, Some(Position(1 + number as u64))));
    assert_eq!(outcomes(answers), expected);
    assert_eq!(events(&journal.journal), [b"{}", RIVAL, ONE, TWO, THREE]);
}

#[test]
fn what_is_decided_ahead_waits_until_an_unknown_outcome_is_settled() {
    for stored in [true, false] {
        let held = Held::with(&[ONE, TWO], Some(Fault::OutcomeUnknown { stored }));
        held.until(&decided(TWO));
        let (answers, journal) = held.release();
        assert_eq!(
            outcomes(answers),
            [1, 2].map(|number| (number, Some(Position(number as u64)))),
            "{stored}"
        );
        assert_eq!(events(&journal.journal), [b"{}", ONE, TWO], "stored once");
        check_chain(&journal.journal);
    }
}

#[test]
fn a_batch_that_is_refused_takes_nobody_else_with_it() {
    let long = vec![b'7'; chain::RECORD_BYTES_MAX];
    let held = Held::with(&[&long, TWO], None);
    held.until(&decided(TWO));
    let (answers, journal) = held.release();
    let [(1, Err(SubmitError::Append(why))), (2, Ok(Some(Position(1))))] = &answers[..] else {
        panic!("{answers:?}")
    };
    assert!(matches!(**why, AppendError::TooLarge { .. }), "{why}");
    assert_eq!(events(&journal.journal), [b"{}", TWO]);
}

#[test]
fn when_the_decider_panics_what_is_being_appended_is_answered_as_it_ends() {
    for (fault, durable) in [(None, true), (Some(Fault::SyncFailed), false)] {
        let held = Held::with(&[ONE, b"panic", THREE], fault);
        held.until(&decided(b"panic"));
        let answers = held.release().0;
        // The others are dropped uncalled.
        assert!(
            answers.iter().map(|(number, answer)| (*number, answer.is_ok())).eq([(1, durable)]),
            "{answers:?}"
        );
    }
}

#[test]
fn nobody_waits_for_ever_when_the_journal_panics() {
    let Held { sequencer, answers, seen, release, journal: _ } = Held::with(&[ONE, TWO], None);
    drop(release);
    sequencer.stop();
    drop(seen);
    let answered: Vec<_> = answers.iter().collect();
    assert!(answered.iter().all(|(_, answer)| matches!(answer, Err(SubmitError::Stopped))), "{answered:?}");
    assert!(matches!(sequencer.submit_and_wait(ONE.to_vec()), Err(SubmitError::Stopped)));
}
