//! The serial part: is the id known, is the signer entitled now, which position. Runs on the sequencer's thread.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use chain::{Instant, LinkedRecord, Position, Record, RecordHash, TreeSize};
use clinical::data::Data;
use clinical::{Event, EventId, Finding, Receipt, Referenced, References, Refusal, RefusalCode};
use journal::sequencer::Decide;
use journal::{Head, Journal, ReadError};

use crate::index::Index;
use crate::outcome::{Outcome, Unready};
use crate::prepare::Prepared;
use crate::promise::{Closed, Commit, Decided, ReceiptKeys, ReceiptSigner};
use crate::state::{END, OpenError, Public, State};

/// Where the time comes from: only the program reads a clock.
pub type Clock = Arc<dyn Fn() -> Instant + Send + Sync>;

/// How far a clock may be behind the log, in microseconds: 5 s. Beyond it nothing is recorded: every record would
/// carry the predecessor's time instead of its own.
const CLOCK_BEHIND_MAX_MICROSECONDS: i64 = 5_000_000;

/// An id that the index may not cover yet.
struct Recent {
    seq: Position,
    event_hash: RecordHash,
    findings: Vec<Finding>,
}

impl Recent {
    fn of(record: &Record<'_>, findings: Vec<Finding>) -> Self {
        Self { seq: record.seq, event_hash: RecordHash::of(record.event), findings }
    }
}

/// Whether a clock so many microseconds ahead of its peers', or behind them, takes a registrar out of service.
pub(crate) fn is_too_far(microseconds: i64) -> bool {
    microseconds.unsigned_abs() > CLOCK_BEHIND_MAX_MICROSECONDS.unsigned_abs()
}

/// How many records [`Court::base`] may be behind what is accepted, before it is brought there: folding them takes some
/// 20 ms, which is what a conflict then costs.
const BASE_BEHIND_MAX: u64 = 4_096;

pub(crate) struct Court {
    state: State,
    /// The state at some durable end, to go on from when what was decided since has to be forgotten. Where nobody else
    /// writes that never comes to pass, and there is none: the journal is then folded from its beginning.
    base: Option<State>,
    /// How many records are taken in and durable.
    size: Arc<AtomicU64>,
    /// How far the clock is ahead of its peers', in microseconds, as far as it was told.
    clock_ahead: Arc<AtomicI64>,
    journal: Arc<dyn Journal>,
    index: Arc<dyn Index>,
    clock: Clock,
    public: Arc<RwLock<Arc<Public>>>,
    /// Ids of the records at and after `forgotten`, pending ones included.
    recent: HashMap<EventId, Recent>,
    /// The same ids in the order of their positions, to be forgotten in that order.
    recent_order: BTreeMap<Position, EventId>,
    /// Records before it are looked up in the index.
    forgotten: TreeSize,
    /// Linked and not yet accepted as durable.
    pending: Vec<LinkedRecord>,
    /// Whether the batch being decided changes what `public` says.
    public_changed: bool,
    /// Its commit, and the hashes of what was linked for it.
    commit: (Arc<Commit>, Vec<RecordHash>),
    receipt_keys: ReceiptKeys,
    /// Who signs receipts, if the log entitles a key of ours.
    signer: Option<Arc<ReceiptSigner>>,
    /// Whether that may have changed.
    signer_is_stale: bool,
    /// What `public` is to say once the journal holds so many records, for the batches closed and not accepted.
    unpublished: VecDeque<(TreeSize, Public)>,
}

impl Court {
    pub(crate) fn open(
        journal: Arc<dyn Journal>,
        index: Arc<dyn Index>,
        clock: Clock,
        receipt_keys: ReceiptKeys,
        public: Arc<RwLock<Arc<Public>>>,
    ) -> Result<Self, OpenError> {
        let mut court = Self {
            state: State::default(),
            base: None,
            size: Arc::default(),
            clock_ahead: Arc::default(),
            journal,
            index,
            clock,
            public,
            recent: HashMap::new(),
            recent_order: BTreeMap::new(),
            forgotten: TreeSize(0),
            pending: Vec::new(),
            public_changed: false,
            commit: <(Arc<Commit>, Vec<RecordHash>)>::default(),
            receipt_keys,
            signer: None,
            signer_is_stale: true,
            unpublished: VecDeque::new(),
        };
        // An index that cannot be read covers nothing: then every id is held in memory.
        court.forgotten = court.index.covers().unwrap_or(TreeSize(0));
        court.reload()?;
        Ok(court)
    }

    /// Forgets what is not known to be durable, and folds what the journal has beyond.
    fn reload(&mut self) -> Result<(), OpenError> {
        self.state = self.base.take().unwrap_or_default();
        // What comes after, ours or another's, is read again.
        for id in self.recent_order.split_off(&self.state.chain.size.next_position()).into_values() {
            self.recent.remove(&id);
        }
        self.pending.clear();
        self.unpublished.clear();
        self.public_changed = false;
        self.signer_is_stale = true;
        self.commit = <(Arc<Commit>, Vec<RecordHash>)>::default();
        let (recent, order, forgotten) = (&mut self.recent, &mut self.recent_order, self.forgotten);
        self.state.catch_up(&*self.journal, END, forgotten, |event, record, linked, findings| {
            if linked.seq.0 >= forgotten.0 {
                recent.insert(event.id, Recent::of(record, findings));
                order.insert(linked.seq, event.id);
            }
        })?;
        self.size.store(self.state.chain.size.0, Ordering::Release);
        if self.journal.is_shared() {
            self.base = Some(self.state.clone());
        }
        // All that was folded is durable.
        if let Some(trial) = &self.state.trial {
            self.publish(Public::of(trial));
        }
        Ok(())
    }

    /// Takes the ids that the index should know, and cannot tell, back into memory: a read model that is lost must not
    /// keep events out of the log. Reads the journal once from its beginning; the ids are forgotten again when an index
    /// covers them.
    fn recall(&mut self) -> Result<(), OpenError> {
        let (recent, order, forgotten) = (&mut self.recent, &mut self.recent_order, self.forgotten);
        State::default().catch_up(&*self.journal, END, TreeSize(0), |event, record, linked, findings| {
            if linked.seq.0 < forgotten.0 {
                recent.insert(event.id, Recent::of(record, findings));
                order.insert(linked.seq, event.id);
            }
        })?;
        self.forgotten = TreeSize(0);
        Ok(())
    }

    pub(crate) fn clock_ahead(&self) -> Arc<AtomicI64> {
        Arc::clone(&self.clock_ahead)
    }

    pub(crate) fn size(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.size)
    }

    /// Brings the base up to the durable end, if it is far behind.
    fn follow_with_base(&mut self, durable: TreeSize) {
        let Some(mut base) = self.base.take() else { return };
        let is_near = durable.0.saturating_sub(base.chain.size.0) <= BASE_BEHIND_MAX;
        // Where it cannot be read there is none: half a state is not gone on from, and the next rewind says why.
        if is_near || base.catch_up(&*self.journal, durable, END, |_, _, _, _| {}).is_ok() {
            self.base = Some(base);
        }
    }

    /// Who signs receipts, if the log entitles our key.
    fn signer(&mut self) -> Option<Arc<ReceiptSigner>> {
        let trial = self.state.trial.as_ref()?;
        if std::mem::take(&mut self.signer_is_stale) {
            self.signer = ReceiptSigner::entitled(trial, &self.receipt_keys).map(Arc::new);
        }
        self.signer.clone()
    }

    fn publish(&self, public: Public) {
        *self.public.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(public);
    }

    /// Forgets ids that the index covers by now.
    fn forget(&mut self) {
        let Ok(covers) = self.index.covers() else { return };
        while let Some(entry) = self.recent_order.first_entry() {
            if entry.key().0 >= covers.0 {
                break;
            }
            self.recent.remove(&entry.remove());
        }
        self.forgotten = self.forgotten.max(covers);
    }

    fn decide_one(&mut self, prepared: &Prepared, records: &mut Vec<LinkedRecord>) -> Outcome {
        let now = (self.clock)();
        let microseconds = self.clock_ahead.load(Ordering::Acquire);
        if is_too_far(microseconds) {
            return Outcome::Unready(Unready::ClockDiffers { microseconds });
        }
        if let Some(log) = self.state.chain.recorded_at
            && log.microseconds() - now.microseconds() > CLOCK_BEHIND_MAX_MICROSECONDS
        {
            return Outcome::Unready(Unready::Clock { now, log });
        }
        if !prepared.is_rehearsal
            && let Err(refusal) = self.check_signature(prepared)
        {
            return Outcome::Refused(refusal);
        }
        match self.known(prepared) {
            Ok(None) => {}
            Ok(Some(outcome)) => return outcome,
            Err(unready) => return Outcome::Unready(unready),
        }
        let recorded_at = self.state.chain.recorded_at.map_or(now, |previous| previous.max(now));
        let earlier = Earlier { journal: &*self.journal, pending: &self.pending };
        let trial = self.state.trial.as_ref();
        let findings = match clinical::decide(trial, &prepared.event, &prepared.bytes, recorded_at, &earlier)
        {
            Ok(findings) => findings,
            Err(refusal) => return Outcome::Refused(refusal),
        };
        if prepared.is_rehearsal {
            return Outcome::Rehearsed(findings);
        }
        let linked = self.state.chain.link(&prepared.bytes, prepared.signature, now);
        // `decide` accepted it, so an empty log is opened by it.
        if self.state.apply(&prepared.event, &linked).is_err() {
            return Outcome::Refused(Refusal::new(RefusalCode::TrialNotOpen, "/kind", ""));
        }
        self.public_changed |=
            prepared.event.subject.is_none() || prepared.event.kind == clinical::EventKind::Allocation;
        self.signer_is_stale |=
            matches!(prepared.event.data, Data::ServiceKeyGranted(_) | Data::KeyRevoked(_));
        let event_hash = RecordHash::of(&prepared.bytes);
        let recent = Recent { seq: linked.seq, event_hash, findings: findings.clone() };
        self.recent.insert(prepared.event.id, recent);
        self.recent_order.insert(linked.seq, prepared.event.id);
        let receipt = Receipt {
            findings,
            hash: linked.hash,
            note: None,
            path: None,
            recorded_at,
            seq: linked.seq,
            trial: prepared.event.trial.clone(),
        };
        self.commit.1.push(linked.hash);
        self.pending.push(linked.clone());
        records.push(linked);
        Outcome::Recorded(receipt)
    }

    /// Checks a signature whose key was not known when the submission was prepared: one granted meanwhile, or in the
    /// same batch, or the one that opens the trial.
    fn check_signature(&self, prepared: &Prepared) -> Result<(), Refusal> {
        if prepared.verified {
            return Ok(());
        }
        let key =
            clinical::decide::signing_key(self.state.trial.as_ref(), &prepared.event).ok_or_else(|| {
                let code = if self.state.trial.is_some()
                    || prepared.event.kind == clinical::EventKind::TrialOpened
                {
                    RefusalCode::KeyUnknown
                } else {
                    RefusalCode::TrialNotOpen
                };
                Refusal::new(code, "/key", code.meaning())
            })?;
        prepared.verify(&key)
    }

    /// The answer to an id that is recorded already.
    fn known(&mut self, prepared: &Prepared) -> Result<Option<Outcome>, Unready> {
        let id = prepared.event.id;
        let (seq, event_hash, findings) = match self.recent.get(&id) {
            Some(recent) => (recent.seq, Some(recent.event_hash), recent.findings.clone()),
            None if self.forgotten.0 == 0 => return Ok(None),
            None => match self.index.find(id) {
                Ok(known) if known.covers >= self.forgotten => {
                    let Some(seq) = known.position else { return Ok(None) };
                    (seq, None, known.findings)
                }
                _ => {
                    self.recall().map_err(|_| Unready::Journal)?;
                    let Some(recent) = self.recent.get(&id) else { return Ok(None) };
                    (recent.seq, Some(recent.event_hash), recent.findings.clone())
                }
            },
        };
        let earlier = Earlier { journal: &*self.journal, pending: &self.pending };
        let linked = earlier.linked(seq).ok_or(Unready::Journal)?;
        let record = Record::parse(&linked.bytes).map_err(|_| Unready::Journal)?;
        let same = match event_hash {
            Some(hash) => hash == RecordHash::of(&prepared.bytes),
            None => *record.event == *prepared.bytes,
        };
        if !same {
            let detail = format!("another event of this id is recorded at position {seq}");
            return Ok(Some(Outcome::Refused(Refusal::new(RefusalCode::IdConflict, "/id", detail))));
        }
        Ok(Some(Outcome::Repeated(Receipt {
            findings,
            hash: linked.hash,
            note: None,
            path: None,
            recorded_at: record.recorded_at,
            seq,
            trial: prepared.event.trial.clone(),
        })))
    }
}

impl Decide for Court {
    type Item = Vec<Prepared>;
    type Outcome = Decided;

    fn decide(&mut self, item: &Self::Item, records: &mut Vec<LinkedRecord>) -> Self::Outcome {
        let outcomes = item.iter().map(|prepared| self.decide_one(prepared, records)).collect();
        Decided { outcomes, commit: Arc::clone(&self.commit.0), signer: self.signer() }
    }

    fn log(&self) -> &str {
        self.state.trial.as_ref().map_or("", |trial| trial.id.as_str())
    }

    fn close(&mut self) {
        let (commit, hashes) = std::mem::take(&mut self.commit);
        if !hashes.is_empty() {
            let first = Position(self.state.chain.size.0 - hashes.len() as u64);
            // A commit is closed once.
            let _ = commit.closed.set(Closed { first, records: hashes, signer: self.signer() });
        }
        if let (true, Some(trial)) = (std::mem::take(&mut self.public_changed), &self.state.trial) {
            self.unpublished.push_back((self.state.chain.size, Public::of(trial)));
        }
    }

    fn accept(&mut self, head: Head) {
        let durable = self.pending.partition_point(|record| record.seq.0 < head.size.0);
        self.pending.drain(..durable);
        while self.unpublished.front().is_some_and(|(size, _)| *size <= head.size) {
            if let Some((_, public)) = self.unpublished.pop_front() {
                self.publish(public);
            }
        }
        self.forget();
        self.size.store(head.size.0, Ordering::Release);
        self.follow_with_base(head.size);
    }

    fn rewind(&mut self, _journal: &dyn Journal) -> Result<Head, ReadError> {
        match self.reload() {
            Ok(()) => Ok(Head { size: self.state.chain.size, hash: self.state.chain.head }),
            Err(OpenError::Read(error)) => Err(error),
            Err(error) => Err(ReadError::Damaged {
                seq: self.state.chain.size.next_position(),
                place: "the journal".to_owned(),
                what: error.to_string(),
            }),
        }
    }
}

/// Earlier records: durable ones from the journal, pending ones from memory.
struct Earlier<'a> {
    journal: &'a dyn Journal,
    pending: &'a [LinkedRecord],
}

impl Earlier<'_> {
    fn linked(&self, seq: Position) -> Option<LinkedRecord> {
        if let Some(first) = self.pending.first()
            && seq >= first.seq
        {
            let offset = usize::try_from(seq.0 - first.seq.0).ok()?;
            return self.pending.get(offset).cloned();
        }
        self.journal.read(seq, 1).ok()?.into_iter().next()
    }
}

impl References for Earlier<'_> {
    fn record(&self, seq: Position) -> Option<Referenced> {
        let linked = self.linked(seq)?;
        let event = Event::decode(Record::parse(&linked.bytes).ok()?.event).ok()?;
        Some(Referenced::of(&event, linked.hash))
    }
}

#[cfg(test)]
mod tests {
    use clinical::statement::{Author, Circumstances, compose};
    use clinical::text::SealingRandomness;
    use clinical::{Actor, Role};
    use journal::memory::MemoryJournal;
    use serde_json::{Value, json};

    use super::*;
    use crate::index::{IndexError, Known};

    /// An index that is made and has nothing yet.
    struct Empty;

    impl Index for Empty {
        fn covers(&self) -> Result<TreeSize, IndexError> {
            Ok(TreeSize(0))
        }

        fn find(&self, _: EventId) -> Result<Known, IndexError> {
            Ok(Known { position: None, findings: Vec::new(), covers: TreeSize(0) })
        }
    }

    /// The sponsor's statement number `number`, of log `log`.
    fn by_sponsor(number: u8, log: RecordHash, statement: Value) -> Vec<Prepared> {
        let key = chain::SecretKey::from_bytes(&[1; 32]);
        let actor = Actor {
            id: "sponsor.one".parse().unwrap(),
            organisation: "Sponsor".to_owned(),
            role: Role::Sponsor,
        };
        let author = Author {
            actor: &actor,
            key: &key,
            trial: &"t".parse().unwrap(),
            log,
            zone: &"UTC".parse().unwrap(),
        };
        let mut circumstances = Circumstances {
            id: EventId([0, 0, 0, 0, 0, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, number]),
            signed_at: Instant::from_microseconds(1_795_305_600_000_000).unwrap(),
            text_key: None,
            randomness: &mut || SealingRandomness([7; 112]),
        };
        let statement = serde_json::from_value(statement).unwrap();
        let submission = compose(&statement, author, &mut circumstances).unwrap().submission();
        vec![crate::prepare::prepare(&submission, &Public::default()).unwrap()]
    }

    fn opening() -> Vec<Prepared> {
        let key = |seed| chain::SecretKey::from_bytes(&[seed; 32]).public();
        let log = chain::note::VerifierKey::new("example/t", key(9)).unwrap();
        let sponsor =
            json!({"holder": "sponsor.one", "organisation": "Sponsor", "public_key": key(1).to_text()});
        let data = json!({
            "definitions": {"evaluable": "evaluable-1", "imputation": "impute-1", "related": "related-1", "relapse": "relapse-1", "remission": "ccr-registry-1"},
            "log_key": log.to_string(), "profile": {"mandatory": {}}, "rule_set": 1, "schedule": [],
            "sponsor_keys": [sponsor], "synthetic": true, "title": "SYNTHETIC", "zone": "UTC"
        });
        by_sponsor(0, RecordHash::ZERO, json!({"kind": "trial_opened", "data": data}))
    }

    fn site(number: u8, log: RecordHash, site: &str) -> Vec<Prepared> {
        let data = json!({"country": "CN", "name": site, "zone": "Asia/Shanghai"});
        by_sponsor(number, log, json!({"kind": "site_activated", "site": site, "data": data}))
    }

    #[test]
    fn what_was_decided_ahead_is_not_shown_and_not_forgotten_when_the_batch_before_it_is_durable() {
        let journal = Arc::new(MemoryJournal::new());
        let public = Arc::new(RwLock::default());
        let clock: Clock = Arc::new(|| Instant::from_microseconds(1_795_305_600_000_000).unwrap());
        let mut court = Court::open(
            Arc::clone(&journal) as _,
            Arc::new(Empty),
            clock,
            Arc::new(|_| None),
            Arc::clone(&public),
        )
        .unwrap();
        let sites = || public.read().unwrap().sites.keys().map(ToString::to_string).collect::<Vec<_>>();

        let mut first = Vec::new();
        court.decide(&opening(), &mut first);
        let genesis = first[0].hash;
        court.decide(&site(1, genesis, "A"), &mut first);
        court.close();
        let mut second = Vec::new();
        court.decide(&site(2, genesis, "B"), &mut second);
        court.close();
        let mut third = Vec::new();
        court.decide(&site(3, genesis, "C"), &mut third);
        assert!(public.read().unwrap().opening.is_none(), "nothing is durable yet");

        let head = journal.append(Head::EMPTY, &first).unwrap();
        court.accept(head);
        assert_eq!(sites(), ["A"]);
        let again = court.decide(&site(2, genesis, "B"), &mut third);
        assert!(
            matches!(&again.outcomes[..], [Outcome::Repeated(receipt)] if receipt.seq == Position(2)),
            "{again:?}"
        );

        let head = journal.append(head, &second).unwrap();
        court.accept(head);
        assert_eq!(sites(), ["A", "B"]);

        assert_eq!(court.rewind(&*journal).unwrap(), head);
        assert_eq!(sites(), ["A", "B"]);
        let mut fourth = Vec::new();
        let again = court.decide(&site(3, genesis, "C"), &mut fourth);
        assert!(
            matches!(&again.outcomes[..], [Outcome::Recorded(receipt)] if receipt.seq == Position(3)),
            "{again:?}"
        );
    }
}
