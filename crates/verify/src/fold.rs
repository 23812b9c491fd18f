//! What can be said of a record only after those before it: positions, links, times, authority, conduct. Serial.
//!
//! A record that does not hold must hide nothing after it. So the fold always goes on: the next record is held against
//! the broken record's own hash; an event about a subject takes effect even if its signer was not entitled, so that one
//! bad record is not reported as twenty; but a refused grant, revocation, site or amendment has no effect.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::collections::BTreeMap;

use chain::note::VerifierKey;
use chain::tree::Frontier;
use chain::{Instant, Position, PublicKey, RecordError, RecordHash, TreeSize, receipt};
use clinical::data::DataCut;
use clinical::decide::{assess, authorize, signing_key};
use clinical::kind::Scope;
use clinical::{
    Data, DecodeError, Event, EventKind, LogKeys, Referenced, References, Refusal, RefusalCode, Trial,
};

use crate::code::{Absence, Code, Evidence};
use crate::findings::Findings;
use crate::ids::Ids;
use crate::parse::{Form, Parsed, SignatureDue};
use crate::report::{Covers, Place};
use crate::source::{Damage, Gap, Source, SourceError};
use crate::tally::Tallies;
use crate::{Anchors, Depth, Receipt, ReceiptNote};

pub(crate) struct Fold<'a> {
    anchors: &'a Anchors,
    depth: Depth,
    /// Positions of which something is known, with what: sorted, each taken off when its record comes by.
    known: Vec<(Position, RecordHash, Known)>,
    /// What came of each signed receipt: whether it binds is known only when all keys for receipts are.
    receipts: BTreeMap<usize, Met>,
    pub findings: Findings,
    pub tallies: Tallies,
    pub kinds: BTreeMap<EventKind, u64>,
    pub ids: Ids,
    pub covers: Covers,
    /// The position that is due.
    due: Position,
    /// Hash of the record at the end of the chain as far as it was followed; none behind a gap of unknown hashes.
    head: Option<RecordHash>,
    /// Whether records are missing, so that what rests on earlier records may rest on those.
    gaps: bool,
    /// When witnesses saw the log at which size: each sorted by size, each holds for the records below.
    seen: Vec<Seen>,
    /// Hash of the record read last, be it out of order.
    last_read: RecordHash,
    recorded_at: Option<Instant>,
    pub trial: Option<Trial>,
    /// The tree at the last data cut; none from a record on whose hash is not known. A cut covers no fewer records than the
    /// one before, so that all cuts together take one more pass over the hashes.
    at_cut: Option<Frontier>,
    underivable: u64,
}

/// That a witness had seen the log's first records at a time.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// How many records it saw.
    pub size: TreeSize,
    /// The latest time at which one of them may have been recorded.
    pub until: Instant,
    /// The witness's name.
    pub witness: String,
}

/// What a position is known from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Known {
    Head,
    /// Of the receipts brought, the one at this index.
    Receipt(usize),
}

/// What stands where a signed receipt promises a record.
enum Met {
    /// The record it promises.
    Kept,
    /// Nobody can say: the record is missing and its hash unknown.
    Unseen,
    /// Another one, or none: what to tell of it.
    Broken { ordinal: u64, detail: String },
}

/// Where the record being folded stands.
#[derive(Clone, Copy)]
struct At {
    ordinal: u64,
    seq: Position,
}

impl At {
    fn place(self, pointer: impl Into<String>) -> Place {
        Place { seq: Some(self.seq), pointer: pointer.into(), ..Place::default() }
    }
}

impl<'a> Fold<'a> {
    /// `seen` need not be in any order.
    pub(crate) fn new(anchors: &'a Anchors, depth: Depth, findings: Findings, mut seen: Vec<Seen>) -> Self {
        seen.sort_by_key(|seen| seen.size);
        let heads = anchors.known_heads.iter().filter_map(|known| {
            let last = known.size.0.checked_sub(1)?;
            Some((Position(last), known.head, Known::Head))
        });
        let receipts = anchors.receipts.iter().enumerate();
        let receipts = receipts.map(|(index, receipt)| (receipt.seq, receipt.hash, Known::Receipt(index)));
        let mut known: Vec<_> = heads.chain(receipts).collect();
        known.sort_unstable_by(|a, b| b.cmp(a));
        Self {
            anchors,
            depth,
            known,
            receipts: BTreeMap::new(),
            findings,
            tallies: Tallies::default(),
            kinds: BTreeMap::new(),
            ids: Ids::default(),
            covers: Covers::default(),
            due: Position(0),
            head: Some(RecordHash::ZERO),
            gaps: false,
            seen,
            last_read: RecordHash::ZERO,
            recorded_at: None,
            trial: None,
            at_cut: Some(Frontier::default()),
            underivable: 0,
        }
    }

    fn found(&mut self, code: impl Into<Code>, at: At, pointer: &str, detail: impl FnOnce() -> String) {
        self.findings.add(code.into(), at.ordinal, at.place(pointer), detail);
    }

    /// Takes in that the storage contradicts itself after the records folded so far.
    pub(crate) fn damage(&mut self, damage: Damage) {
        let place = Place { seq: Some(damage.seq), stored_at: Some(damage.place), ..Place::default() };
        self.findings.add(Evidence::JournalDamaged.into(), self.covers.records, place, || damage.what);
    }

    /// Passes over records that are not there. What follows is held against their hashes, where those are known.
    pub(crate) fn gap(&mut self, gap: Gap) {
        let at = At { ordinal: self.covers.records, seq: gap.from };
        if let Some(what) = gap.what {
            let place = Place { stored_at: Some(gap.place), ..at.place("") };
            self.findings.add(Absence::RecordsMissing.into(), at.ordinal, place, || what);
        }
        self.gaps = true;
        if gap.left_out {
            self.covers.left_out += gap.count;
        } else {
            self.covers.missing += gap.count;
        }
        let end = Position(gap.from.0.saturating_add(gap.count));
        if gap.hashes.is_empty() {
            // What is known of these records cannot be decided. That they are missing has been said.
            let is_here = |known: &mut (Position, RecordHash, Known)| known.0 >= gap.from && known.0 < end;
            for (_, _, from) in self.known.extract_if(.., is_here) {
                if let Known::Receipt(index) = from {
                    self.receipts.insert(index, Met::Unseen);
                }
            }
        }
        let first = gap.from.0;
        for (seq, hash) in (first..).map(Position).zip(&gap.hashes) {
            self.hold_against_known(At { seq, ..at }, *hash);
        }
        self.head = gap.hashes.last().copied();
        self.covers.head = self.head.unwrap_or_default();
        self.due = end;
    }

    /// Goes one record on; gives the signature to check, if there is one.
    pub(crate) fn record<S: Source>(
        &mut self,
        parsed: &Parsed,
        source: &S,
    ) -> Result<Option<SignatureDue>, SourceError> {
        let ordinal = self.covers.records;
        self.covers.records += 1;
        self.covers.bytes += parsed.bytes.len() as u64;
        self.covers.head = parsed.hash;
        let Some(form) = &parsed.form else {
            self.next_place(parsed.hash);
            return Ok(None);
        };
        self.tallies.forms.add(form.is_ok());
        let due = match &**form {
            Ok(form) => {
                let at = At { ordinal, seq: self.place(form, parsed.hash, ordinal) };
                self.hold_against_known(at, parsed.hash);
                self.event(at, form, parsed, source)?
            }
            Err(error) => {
                // Whether it is the record meant there, the next link says.
                let at = self.next_place(parsed.hash);
                self.malformed(at, error);
                None
            }
        };
        self.last_read = parsed.hash;
        Ok(due)
    }

    /// Gives a record the place that is due.
    fn next_place(&mut self, hash: RecordHash) -> At {
        let at = At { ordinal: self.covers.records - 1, seq: self.due };
        self.head = Some(hash);
        self.due = self.due.next();
        self.hold_against_known(at, hash);
        at
    }

    fn malformed(&mut self, at: At, error: &RecordError) {
        let (pointer, offset) = match error {
            RecordError::Canonical(error) => (error.pointer.clone(), Some(error.offset as u64)),
            RecordError::Member { member } => (format!("/{member}"), None),
            RecordError::TooLarge { .. } | RecordError::Members => (String::new(), None),
        };
        let place = Place { offset, ..at.place(pointer) };
        self.findings.add(Evidence::RecordMalformed.into(), at.ordinal, place, || error.to_string());
    }

    /// Holds position, link and time against the record before, and says at which position the record stands.
    fn place(&mut self, form: &Form, hash: RecordHash, ordinal: u64) -> Position {
        let (due, stated) = (self.due, form.seq);
        // Behind a gap of unknown hashes there is nothing to link to: the position decides.
        let linked = self.head.map_or(stated == due, |head| form.prev == head);
        self.tallies.positions.add(stated == due);
        // A wrong number on a record that links to the one before does not move it; nor may one wild number make all
        // that follow it look repeated.
        let at = At { ordinal, seq: if linked { due } else { stated } };
        match stated.cmp(&due) {
            Ordering::Greater => self.found(Evidence::PositionMissing, at, "/seq", || {
                if linked {
                    format!("states position {stated}; {due} is due, and it names the record before {due}")
                } else {
                    format!("{} positions are missing, from {due} on", stated.0 - due.0)
                }
            }),
            Ordering::Less => {
                self.found(Evidence::PositionRepeated, at, "/seq", || format!("position {due} is due"));
            }
            Ordering::Equal => {
                let Some(head) = self.head else { return self.advance(at, form, hash) };
                self.tallies.links.add(linked);
                if !linked {
                    let prev = form.prev;
                    self.found(Evidence::BrokenLink, at, "/prev", || {
                        format!("names {prev}; the record before it has hash {head}")
                    });
                }
            }
        }
        let continues = linked || stated >= due || form.prev == self.last_read;
        if !continues {
            // A copy or a straggler beside the chain: what follows is held against the chain.
            return at.seq;
        }
        self.advance(at, form, hash)
    }

    /// Takes a record as the chain's new end, and holds its time against the one before.
    fn advance(&mut self, at: At, form: &Form, hash: RecordHash) -> Position {
        if let Some(previous) = self.recorded_at {
            self.tallies.times.add(form.recorded_at >= previous);
            if form.recorded_at < previous {
                let now = form.recorded_at;
                self.found(Evidence::TimeGoingBack, at, "/recorded_at", || {
                    format!("recorded at {now}, the record before it at {previous}")
                });
            }
        }
        self.hold_against_cosignatures(at, form.recorded_at);
        self.due = at.seq.next();
        self.head = Some(hash);
        self.recorded_at = Some(form.recorded_at);
        at.seq
    }

    /// What a witness had seen was recorded by then.
    fn hold_against_cosignatures(&mut self, at: At, now: Instant) {
        while self.seen.first().is_some_and(|seen| seen.size.0 <= at.seq.0) {
            self.seen.remove(0);
        }
        let Some(first) = self.seen.iter().min_by_key(|seen| seen.until) else { return };
        let Seen { size, until, witness } = first.clone();
        self.tallies.cosigned_times.add(now <= until);
        if now > until {
            self.found(Evidence::TimeAgainstCosignature, at, "/recorded_at", || {
                format!("recorded at {now}; {witness} saw {size} records by {until}, this one among them")
            });
        }
    }

    fn hold_against_known(&mut self, at: At, hash: RecordHash) {
        if at.seq == Position(0) && self.covers.genesis.is_none() {
            self.covers.genesis = Some(hash);
            if let Some(genesis) = self.anchors.genesis {
                self.tallies.genesis.add(hash == genesis);
                if hash != genesis {
                    self.found(Evidence::GenesisDiffers, at, "", || {
                        format!("has hash {hash}; the known genesis is {genesis}")
                    });
                }
            }
        }
        // A position that is passed without its record is reported as missing, and again here as what was known of it.
        while let Some((seq, known, from)) = self.known.last().copied().filter(|(seq, ..)| *seq <= at.seq) {
            self.known.pop();
            let detail = if seq != at.seq {
                Some(format!("is missing; the known hash is {known}"))
            } else if known != hash {
                Some(format!("has hash {hash}; the known hash is {known}"))
            } else {
                None
            };
            self.known_is_met(from, At { seq, ..at }, detail);
        }
    }

    /// Takes in what stands at a known position: what is known, or, in words, something else.
    fn known_is_met(&mut self, from: Known, at: At, detail: Option<String>) {
        let code = match from {
            Known::Head => Evidence::KnownHeadDiffers,
            Known::Receipt(index) if self.anchors.receipts[index].note.is_some() => {
                let broken = |detail| Met::Broken { ordinal: at.ordinal, detail };
                self.receipts.insert(index, detail.map_or(Met::Kept, broken));
                return;
            }
            Known::Receipt(_) => Evidence::ReceiptNotHonoured,
        };
        self.tallies.known.add(detail.is_none());
        match detail {
            None => self.covers.known_size = self.covers.known_size.max(TreeSize(at.seq.0 + 1)),
            Some(detail) => self.found(code, at, "", || detail),
        }
    }

    /// Judges signed receipts, now that every key for receipts is known.
    fn settle_receipts(&mut self) {
        let origin = self.trial.as_ref().and_then(|trial| VerifierKey::from_text(&trial.log_key).ok());
        let origin = origin.as_ref().map(VerifierKey::name).unwrap_or_default();
        for (index, met) in std::mem::take(&mut self.receipts) {
            // Which keys sign receipts stands in records.
            if self.depth == Depth::Tree {
                continue;
            }
            let Receipt { seq, hash, note } = &self.anchors.receipts[index];
            let Some(ReceiptNote { note, path }) = note else { continue };
            let granted = self.trial.iter().flat_map(|trial| trial.service_keys.values());
            let binding = granted.filter(|key| key.binds(*seq));
            let keys: Vec<VerifierKey> = binding.map(|key| key.verifier_key.clone()).collect();
            let receipt = receipt::Receipt { seq: *seq, hash: *hash, note: note.as_bytes(), path };
            let fault = receipt::verify(&receipt, origin, &keys).err();
            self.tallies.known.add(fault.is_none() && !matches!(met, Met::Broken { .. }));
            let place = |ordinal| At { ordinal, seq: *seq };
            match (fault, met) {
                (Some(fault), _) => {
                    self.found(Absence::ReceiptUnusable, place(u64::MAX), "", || fault.to_string());
                }
                (None, Met::Unseen) => {}
                (None, Met::Kept) => {
                    self.covers.known_size = self.covers.known_size.max(TreeSize(seq.0 + 1));
                }
                (None, Met::Broken { ordinal, detail }) => {
                    self.found(Evidence::ReceiptNotHonoured, place(ordinal), "", || detail);
                }
            }
        }
    }

    fn event<S: Source>(
        &mut self,
        at: At,
        form: &Form,
        parsed: &Parsed,
        source: &S,
    ) -> Result<Option<SignatureDue>, SourceError> {
        let event = match &form.event {
            Ok(event) => event,
            Err(error) => {
                self.undecodable(at, error);
                let later = matches!(error, DecodeError::Reserved(_) | DecodeError::Schema { .. });
                return Ok(later.then(|| self.signature_of_later_version(at, form, parsed)).flatten());
            }
        };
        self.tallies.events.add(true);
        *self.kinds.entry(event.kind).or_default() += 1;
        self.ids.push(event.id, at.seq, parsed.hash);
        let opens = self.trial.is_none() && at.seq == Position(0);
        if self.trial.is_none() && !opens {
            self.underivable += 1;
            return Ok(None);
        }
        let key = signing_key(self.trial.as_ref(), event);
        let (refusal, served) = self.admission(at, form, event, source)?;
        let undecided = self.gaps && refusal.as_ref().is_some_and(|refusal| rests_on_others(refusal.code));
        self.tallies.authority.add(refusal.is_none() && served);
        if let Some(refusal) = refusal.as_ref().filter(|_| undecided) {
            self.found(Absence::AuthorityUndecided, at, &format!("/event{}", refusal.pointer), || {
                refusal.detail.clone()
            });
        } else if let Some(refusal) = &refusal {
            let code = Code::of_refusal(refusal.code, &refusal.pointer);
            self.found(code, at, &format!("/event{}", refusal.pointer), || refusal.detail.clone());
        }
        // A key that nobody was granted has been reported as such; there is nothing to check a signature by.
        let due = key.and_then(|key| self.signature_due(at, form, parsed, key));
        let (authentic, due) = match due {
            // Who is entitled to what must not rest on a signature that is checked only later; these kinds are few.
            Some(due) if event.kind.scope() == Scope::Trial => {
                let holds = due.holds();
                self.signature(at.ordinal, at.seq, holds);
                (holds, None)
            }
            due => (true, due),
        };
        let event_bytes = &parsed.bytes[form.event_bytes.clone()];
        if self.trial.is_none() {
            self.open(event, parsed.hash);
        } else {
            if let Data::DataCut(cut) = &event.data
                && refusal.is_none()
                && authentic
            {
                self.hold_cut(at, cut, source)?;
            }
            self.take_effect(at, event, event_bytes, form.recorded_at, refusal.is_none() && authentic);
        }
        Ok(due)
    }

    /// Holds the root that an admitted cut states against the records before it, as far as their hashes are known.
    fn hold_cut<S: Source>(&mut self, at: At, cut: &DataCut, source: &S) -> Result<(), SourceError> {
        let Some(mut tree) = self.at_cut.take() else { return Ok(()) };
        while tree.size().0 < cut.records {
            let Some(hash) = source.hash(Position(tree.size().0))? else { return Ok(()) };
            tree.append(hash);
        }
        let (root, stated) = (tree.root(), cut.root);
        self.at_cut = Some(tree);
        let holds = root.0 == stated.0;
        self.tallies.cuts.add(holds);
        if !holds {
            self.found(Evidence::CutRootDiffers, at, "/event/data/root", || {
                format!("states root {stated} for {} records; they hash to {root}", cut.records)
            });
        }
        Ok(())
    }

    /// The signature of an event that a later version reads: whatever it says, it is signed by the key that it names, if the
    /// records so far know that key.
    fn signature_of_later_version(&self, at: At, form: &Form, parsed: &Parsed) -> Option<SignatureDue> {
        let event: serde_json::Value =
            serde_json::from_slice(&parsed.bytes[form.event_bytes.clone()]).ok()?;
        let key = event.get("key")?.as_str()?.parse().ok()?;
        let grant = self.trial.as_ref()?.keys.get(&key)?;
        self.signature_due(at, form, parsed, grant.public_key)
    }

    /// The check of a record's signature by `key`, if signatures are checked.
    fn signature_due(&self, at: At, form: &Form, parsed: &Parsed, key: PublicKey) -> Option<SignatureDue> {
        (self.depth == Depth::Signatures).then(|| SignatureDue {
            ordinal: at.ordinal,
            seq: at.seq,
            bytes: parsed.bytes.clone(),
            event_bytes: form.event_bytes.clone(),
            signature: form.signature,
            key,
        })
    }

    /// Takes in whether a signature holds.
    pub(crate) fn signature(&mut self, ordinal: u64, seq: Position, holds: bool) {
        self.tallies.signatures.add(holds);
        if !holds {
            let at = At { ordinal, seq };
            self.found(Evidence::BadSignature, at, "/signature", || {
                "the signature is not that of the named key over these bytes".to_owned()
            });
        }
    }

    fn undecodable(&mut self, at: At, error: &DecodeError) {
        let (code, pointer) = match error {
            DecodeError::Reserved(_) => (Absence::BeyondThisVersion.into(), "/kind".to_owned()),
            DecodeError::Schema { .. } => (Absence::BeyondThisVersion.into(), "/schema".to_owned()),
            DecodeError::Canonical(error) => (Evidence::EventMalformed.into(), error.pointer.clone()),
            DecodeError::Malformed { pointer, .. } => (Code::from(Evidence::EventMalformed), pointer.clone()),
            DecodeError::TooLarge { .. } => (Evidence::EventMalformed.into(), String::new()),
        };
        self.tallies.events.add(false);
        let detail = match error {
            // The pointer is in the finding's place already.
            DecodeError::Malformed { reason, .. } => reason.clone(),
            other => other.to_string(),
        };
        self.found(code, at, &format!("/event{pointer}"), || detail);
    }

    /// Asks the same function as the registrar whether the event may stand here. The flag is `false` if the source
    /// could not serve an earlier record as it was read; that has then been reported.
    fn admission<S: Source>(
        &mut self,
        at: At,
        form: &Form,
        event: &Event,
        source: &S,
    ) -> Result<(Option<Refusal>, bool), SourceError> {
        let earlier =
            Earlier { source, ids: &self.ids, below: at.seq, gaps: self.gaps, problem: RefCell::new(None) };
        let refusal = authorize(self.trial.as_ref(), event, form.recorded_at, &earlier).err();
        let pointer = match &event.data {
            Data::DataCut(_) => "/event/data/records",
            Data::AeAssessment(_) | Data::SafetyReportSent(_) => "/event/data/adverse_event",
            Data::StatementsSigned(_) => "/event/data/statements",
            _ if event.amends.is_some() => "/event/amends",
            _ => "/event/follows",
        };
        let rests_on_it = |code| {
            matches!(
                code,
                RefusalCode::AmendedUnknown | RefusalCode::ReferenceUnknown | RefusalCode::CutDiffers
            )
        };
        match earlier.problem.into_inner() {
            None => Ok((refusal, true)),
            Some(Problem::Source(error)) => Err(error),
            Some(Problem::Unavailable(seq)) => {
                self.found(Absence::RecordUnavailable, at, pointer, || {
                    format!("the record at position {seq} could not be read a second time")
                });
                Ok((refusal.filter(|refusal| !rests_on_it(refusal.code)), false))
            }
            Some(Problem::Contradicts(seq)) => {
                self.found(Evidence::JournalDamaged, at, pointer, || {
                    format!("the record at position {seq} reads differently a second time")
                });
                Ok((refusal, false))
            }
        }
    }

    fn take_effect(
        &mut self,
        at: At,
        event: &Event,
        event_bytes: &[u8],
        recorded_at: Instant,
        admitted: bool,
    ) {
        let Some(trial) = &mut self.trial else { return };
        if admitted {
            let conduct = assess(trial, event, event_bytes, recorded_at);
            self.tallies.conduct.add(conduct.is_empty());
            for finding in conduct {
                let place = at.place(format!("/event{}", finding.pointer));
                self.findings.add(Code::Conduct(finding.code), at.ordinal, place, || detail(&finding));
            }
        }
        // A refused move of a subject would make strangers of all who go on stating facts where it is.
        let states = event.amends.is_none() && event.kind != EventKind::SubjectTransferred;
        if admitted || (event.kind.scope() == Scope::Subject && states) {
            trial.apply(event, at.seq, recorded_at);
        }
    }

    /// A broken opening is taken as it stands: what follows can then still be held against it.
    fn open(&mut self, event: &Event, hash: RecordHash) {
        // If the genesis is known, events are bound to it and not to what stands in its place.
        let Some(trial) = Trial::open(event, self.anchors.genesis.unwrap_or(hash)) else { return };
        self.trial = Some(trial);
    }

    /// Holds the known log key against those that the log named, in its opening or since.
    fn hold_log_key(&mut self) {
        let (Some(trial), Some(known)) = (&self.trial, &self.anchors.log_key) else { return };
        let holds = trial.log_keys.all().iter().any(|key| key.verifier_key == *known);
        // The record that names it may be among those that are missing, which has been said.
        if holds || !self.gaps {
            self.tallies.log_key.add(holds);
        }
        if !holds && !self.gaps {
            let stated = trial.log_key.clone();
            let opening = At { ordinal: 0, seq: Position(0) };
            self.found(Evidence::LogKeyDiffers, opening, "/event/data/log_key", || {
                format!("names {stated}, and no later record names the known log key {known}")
            });
        }
    }

    /// The keys that the log's records name for its checkpoints, if they are those of the log that is known: its genesis
    /// is the known one, and one of the keys is in `given`, if any are.
    pub(crate) fn log_keys(&self, given: &[VerifierKey]) -> Option<&LogKeys> {
        let trial = self.trial.as_ref()?;
        if self.anchors.genesis.is_some() && self.anchors.genesis != self.covers.genesis {
            return None;
        }
        let named = trial.log_keys.all();
        let is_named = |given: &VerifierKey| named.iter().any(|key| key.verifier_key == *given);
        (!named.is_empty() && (given.is_empty() || given.iter().any(is_named))).then_some(&trial.log_keys)
    }

    /// Whether records are missing, so that what rests on earlier records may rest on those.
    pub(crate) fn has_gaps(&self) -> bool {
        self.gaps
    }

    /// Whether there is a genesis to hold the log against.
    pub(crate) fn is_authenticated(&self) -> bool {
        self.anchors.genesis.is_some()
    }

    /// What can be said only at the end.
    pub(crate) fn finish(&mut self) {
        let end = At { ordinal: u64::MAX, seq: self.due };
        let size = TreeSize(self.due.0);
        let mut known_size = self.anchors.known_heads.iter().map(|known| known.size).max();
        if self.anchors.genesis.is_some() {
            known_size = known_size.max(Some(TreeSize(1)));
        }
        if let Some(known) = known_size.filter(|known| *known > size) {
            let place = Place { seq: Some(size.next_position()), ..Place::default() };
            self.findings.add(Evidence::ShorterThanKnown.into(), end.ordinal, place, || {
                format!("ends at {size} records; it is known to have held {known}")
            });
        } else if self.covers.records == 0 && !self.gaps {
            self.findings.add(Absence::LogEmpty.into(), end.ordinal, Place::default(), String::new);
        }
        for (seq, known, from) in std::mem::take(&mut self.known) {
            match from {
                // Said above.
                Known::Head => self.tallies.known.add(false),
                Known::Receipt(_) => {
                    let detail = format!(
                        "a receipt promises the record with hash {known}; the log ends at {size} records"
                    );
                    self.known_is_met(from, At { seq, ..end }, Some(detail));
                }
            }
        }
        self.settle_receipts();
        self.hold_log_key();
        if self.underivable > 0 {
            let count = self.underivable;
            self.findings.add(Absence::AuthorityUnderivable.into(), end.ordinal, Place::default(), || {
                format!("authority and signatures of {count} records were not checked")
            });
        }
        let unchecked = match self.depth {
            Depth::Tree => Some(Absence::RecordsUnchecked),
            Depth::Records => Some(Absence::SignaturesUnchecked),
            Depth::Signatures => None,
        };
        if let Some(code) = unchecked.filter(|_| self.covers.records > 0) {
            self.findings.add(code.into(), end.ordinal, Place::default(), String::new);
        }
        let ids = std::mem::take(&mut self.ids);
        self.tallies.ids.count = self.kinds.values().sum();
        ids.into_repeated(|repeated| {
            self.tallies.ids.failed += 1;
            let place =
                Place { seq: Some(repeated.again), pointer: "/event/id".to_owned(), ..Place::default() };
            self.findings.add(Evidence::IdRepeated.into(), repeated.again.0, place, || {
                format!("{} stands at position {} already", repeated.id, repeated.first)
            });
        });
    }
}

/// What a finding of conduct says beyond its code: the records it is beside.
fn detail(finding: &clinical::Finding) -> String {
    if finding.records.is_empty() {
        return finding.code.meaning().to_owned();
    }
    let records: Vec<String> = finding.records.iter().map(ToString::to_string).collect();
    format!("beside record {}", records.join(", "))
}

/// Whether an event that admission refuses for this reason might be entitled by records that are not there.
fn rests_on_others(code: RefusalCode) -> bool {
    use RefusalCode as R;
    matches!(
        code,
        R::KeyUnknown
            | R::SiteUnknown
            | R::SubjectUnknown
            | R::SubjectOfAnotherSite
            | R::GrantNotEntitled
            | R::RevokedUnknown
            | R::RevokesLastLogKey
            | R::AmendedUnknown
            | R::StaleAmendment
            | R::AlreadyVoid
            | R::ReferenceUnknown
            | R::ReferenceNotInForce
            | R::LinkImpossible
            | R::CutUnknown
            | R::CutDiffers
    )
}

/// Why an earlier record could not be looked at.
enum Problem {
    Source(SourceError),
    Unavailable(Position),
    Contradicts(Position),
}

/// The records before the one being folded, read a second time and held against what was read first.
struct Earlier<'a, S> {
    source: &'a S,
    ids: &'a Ids,
    below: Position,
    /// Whether records are missing: one of those cannot be read, which has been said.
    gaps: bool,
    problem: RefCell<Option<Problem>>,
}

impl<S: Source> Earlier<'_, S> {
    fn read(&self, seq: Position) -> Result<Option<Referenced>, Problem> {
        let Some(bytes) = self.source.record(seq).map_err(Problem::Source)? else {
            return if self.gaps { Ok(None) } else { Err(Problem::Unavailable(seq)) };
        };
        let hash = self.same(seq, RecordHash::of(&bytes))?;
        // A malformed record has its own finding; nothing can be the latest version of it.
        let event = chain::Record::parse(&bytes).ok().and_then(|record| Event::decode(record.event).ok());
        Ok(event.map(|event| Referenced::of(&event, hash)))
    }

    fn read_hash(&self, seq: Position) -> Result<Option<RecordHash>, Problem> {
        match self.source.hash(seq).map_err(Problem::Source)? {
            Some(hash) => self.same(seq, hash).map(Some),
            None if self.gaps => Ok(None),
            None => Err(Problem::Unavailable(seq)),
        }
    }

    /// The hash, if it is that of the record read first.
    fn same(&self, seq: Position, hash: RecordHash) -> Result<RecordHash, Problem> {
        if self.ids.had_hash(seq, hash) == Some(false) { Err(Problem::Contradicts(seq)) } else { Ok(hash) }
    }

    fn known<T>(&self, seq: Position, read: impl FnOnce() -> Result<Option<T>, Problem>) -> Option<T> {
        if seq >= self.below {
            return None;
        }
        read().unwrap_or_else(|problem| {
            self.problem.replace(Some(problem));
            None
        })
    }
}

impl<S: Source> References for Earlier<'_, S> {
    fn record(&self, seq: Position) -> Option<Referenced> {
        self.known(seq, || self.read(seq))
    }

    fn hash(&self, seq: Position) -> Option<RecordHash> {
        self.known(seq, || self.read_hash(seq))
    }
}
