//! Tests of the registrar on the in-memory journal.

#![expect(clippy::needless_pass_by_value, reason = "a statement's contents are written where they are used")]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use chain::note::VerifierKey;
use chain::{Instant, LinkedRecord, Position, Record, RecordHash, SecretKey, TreeSize};
use clinical::data::KeyGranted;
use clinical::statement::{Author, Circumstances, compose};
use clinical::text::SealingRandomness;
use clinical::{Actor, Event, EventId, FindingCode, RefusalCode, Role, Statement, SubjectStatus};
use journal::memory::{Fault, MemoryJournal};
use journal::sequencer::{Limits, SubmitError};
use journal::{Head, Journal};
use readmodel::{Change, Mark, MemoryStore, Store, query};
use serde_json::{Value, json};

use crate::index::{self, IndexFold};
use crate::{Index, IndexError, Known, Outcome, ReceiptKeys, ReceiptSigner, Registrar};

mod several;

/// An index that covers what it was told to fold.
#[derive(Default)]
struct TestIndex {
    store: MemoryStore,
    fold: Mutex<IndexFold>,
}

#[derive(Default)]
struct Batch(BTreeMap<Vec<u8>, Vec<u8>>);

impl index::Rows for Batch {
    fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.0.insert(key, value);
    }
}

impl TestIndex {
    fn follow(&self, journal: &dyn Journal) {
        let from = Position(self.store.mark().unwrap().size);
        for linked in journal.read(from, usize::MAX).unwrap() {
            let record = Record::parse(&linked.bytes).unwrap();
            let event = Event::decode(record.event).unwrap();
            let mut batch = Batch::default();
            self.fold.lock().unwrap().fold(&event, &record, &linked, &mut batch).unwrap();
            let changes = batch.0.into_iter().map(|(key, value)| Change::Put { key, value }).collect();
            self.store.commit(changes, Mark { size: linked.seq.0 + 1, hash: linked.hash.0 }).unwrap();
        }
    }
}

impl Index for TestIndex {
    fn covers(&self) -> Result<TreeSize, IndexError> {
        Ok(TreeSize(self.store.mark().unwrap().size))
    }

    fn find(&self, id: EventId) -> Result<Known, IndexError> {
        query(&self.store, |view, mark| {
            let position = index::find(view, id).unwrap();
            let findings = position.map(|seq| index::findings_at(view, seq).unwrap()).unwrap_or_default();
            Ok(Known { position, findings, covers: TreeSize(mark.size) })
        })
        .unwrap()
    }
}

struct Person {
    actor: Actor,
    secret: SecretKey,
}

impl Person {
    fn new(seed: u8, id: &str, organisation: &str, role: Role) -> Self {
        let actor = Actor { id: id.parse().unwrap(), organisation: organisation.to_owned(), role };
        Self { actor, secret: SecretKey::from_bytes(&[seed; 32]) }
    }
}

struct World {
    journal: Arc<MemoryJournal>,
    index: Arc<TestIndex>,
    registrar: Registrar,
    /// Microseconds since the epoch.
    clock: Arc<AtomicI64>,
    ids: u64,
    genesis: RecordHash,
    sponsor: Person,
    investigator: Person,
    site_coordinator: Person,
}

/// 2026-11-22T00:00:00Z.
const START: i64 = 1_795_305_600_000_000;

fn event_id(number: u64) -> EventId {
    let mut bytes = [0; 16];
    bytes[8..].copy_from_slice(&number.to_be_bytes());
    bytes[6] = 0x70;
    bytes[8] |= 0x80;
    EventId(bytes)
}

/// The secret halves of two keys.
fn receipt_keys() -> ReceiptKeys {
    Arc::new(|id| {
        [4, 5].map(|seed| SecretKey::from_bytes(&[seed; 32])).into_iter().find(|key| key.public().id() == id)
    })
}

fn registrar(journal: &Arc<MemoryJournal>, index: &Arc<TestIndex>, clock: &Arc<AtomicI64>) -> Registrar {
    let clock = Arc::clone(clock);
    let clock = Arc::new(move || Instant::from_microseconds(clock.load(Ordering::SeqCst)).unwrap());
    let journal: Arc<dyn Journal> = Arc::clone(journal) as Arc<dyn Journal>;
    let index = Arc::clone(index) as Arc<dyn Index>;
    Registrar::open(journal, index, clock, receipt_keys(), Limits::default()).unwrap()
}

impl World {
    /// A trial with one site and its people.
    fn open() -> Self {
        let journal = Arc::new(MemoryJournal::new());
        let index = Arc::new(TestIndex::default());
        let clock = Arc::new(AtomicI64::new(START));
        let mut world = Self {
            registrar: registrar(&journal, &index, &clock),
            journal,
            index,
            clock,
            ids: 0,
            genesis: RecordHash::ZERO,
            sponsor: Person::new(1, "sponsor.one", "Sponsor", Role::Sponsor),
            investigator: Person::new(2, "pi.one", "Hospital", Role::PrincipalInvestigator),
            site_coordinator: Person::new(3, "co.one", "Hospital", Role::Coordinator),
        };
        let log = VerifierKey::new("example/t", SecretKey::from_bytes(&[9; 32]).public()).unwrap();
        let sponsor = json!({"holder": "sponsor.one", "organisation": "Sponsor", "public_key": world.sponsor.secret.public().to_text()});
        let opening = json!({
            "definitions": {"evaluable": "evaluable-1", "imputation": "impute-1", "related": "related-1", "relapse": "relapse-1", "remission": "ccr-registry-1"},
            "log_key": log.to_string(), "profile": {"mandatory": {"visit": ["/pga"]}}, "rule_set": 1, "schedule": [],
            "sponsor_keys": [sponsor], "synthetic": true, "title": "SYNTHETIC", "zone": "UTC"
        });
        let bytes = world.sign(
            &Person::new(1, "sponsor.one", "Sponsor", Role::Sponsor),
            "trial_opened",
            None,
            opening,
        );
        world.genesis = recorded(world.submit_one(&bytes)).hash;
        let site = json!({"country": "CN", "name": "Site", "zone": "Asia/Shanghai"});
        let bytes = world.sign_as_sponsor("site_activated", Some("A"), site);
        recorded(world.submit_one(&bytes));
        let (pi, co) =
            (world.grant(&world.investigator, &["A"]), world.grant(&world.site_coordinator, &["A"]));
        let bytes = world.sign_as_sponsor("key_granted", None, pi);
        recorded(world.submit_one(&bytes));
        let pi = Person::new(2, "pi.one", "Hospital", Role::PrincipalInvestigator);
        let bytes = world.sign(&pi, "key_granted", None, co);
        recorded(world.submit_one(&bytes));
        world
    }

    fn grant(&self, person: &Person, sites: &[&str]) -> Value {
        let public = person.secret.public();
        let message = chain::key::possession_message(self.genesis, person.actor.id.as_str(), public);
        serde_json::to_value(KeyGranted {
            holder: person.actor.id.clone(),
            organisation: person.actor.organisation.clone(),
            possession: person.secret.sign(&message).to_text(),
            public_key: public.to_text(),
            role: person.actor.role,
            sites: sites.iter().map(|site| site.parse().unwrap()).collect(),
            valid_from: None,
            valid_until: None,
        })
        .unwrap()
    }

    fn sign_as_sponsor(&mut self, kind: &str, site: Option<&str>, data: Value) -> Vec<u8> {
        let sponsor = Person::new(1, "sponsor.one", "Sponsor", Role::Sponsor);
        let mut statement = json!({"kind": kind, "data": data});
        if let Some(site) = site {
            statement["site"] = json!(site);
        }
        self.sign_statement(&sponsor, statement)
    }

    fn sign(&mut self, person: &Person, kind: &str, subject: Option<&str>, data: Value) -> Vec<u8> {
        let mut statement = json!({"kind": kind, "data": data});
        if let Some(subject) = subject {
            statement["site"] = json!("A");
            statement["subject"] = json!(subject);
            statement["occurred_on"] = json!("2026-11-20");
        }
        self.sign_statement(person, statement)
    }

    fn sign_statement(&mut self, person: &Person, statement: Value) -> Vec<u8> {
        self.ids += 1;
        let statement: Statement = serde_json::from_value(statement).unwrap();
        let author = Author {
            actor: &person.actor,
            key: &person.secret,
            trial: &"t".parse().unwrap(),
            log: self.genesis,
            zone: &"UTC".parse().unwrap(),
        };
        let mut randomness = || SealingRandomness([7; 112]);
        let mut circumstances = Circumstances {
            id: event_id(self.ids),
            signed_at: Instant::from_microseconds(self.clock.load(Ordering::SeqCst)).unwrap(),
            text_key: Some(&[5; 32]),
            randomness: &mut randomness,
        };
        compose(&statement, author, &mut circumstances).unwrap().submission()
    }

    fn by_coordinator(&mut self, kind: &str, subject: &str, data: Value) -> Vec<u8> {
        self.sign(&Person::new(3, "co.one", "Hospital", Role::Coordinator), kind, Some(subject), data)
    }

    fn enroll(&mut self, subject: &str) {
        let bytes = self.by_coordinator(
            "enrollment",
            subject,
            json!({"consent": {"document_version": "1", "language": "en", "signed_on": "2026-11-19"}}),
        );
        recorded(self.submit_one(&bytes));
    }

    fn submit(&self, submissions: &[Vec<u8>]) -> Result<Vec<Outcome>, SubmitError> {
        let prepared = submissions.iter().map(|bytes| self.registrar.prepare(bytes).unwrap()).collect();
        self.registrar.submit_and_wait(prepared)
    }

    fn submit_one(&self, bytes: &[u8]) -> Outcome {
        match self.registrar.prepare(bytes) {
            Ok(prepared) => self.registrar.submit_and_wait(vec![prepared]).unwrap().remove(0),
            Err(refusal) => Outcome::Refused(refusal),
        }
    }

    fn records(&self) -> Vec<LinkedRecord> {
        self.journal.read(Position(0), usize::MAX).unwrap()
    }

    fn reopen(mut self) -> Self {
        self.registrar.stop();
        self.registrar = registrar(&self.journal, &self.index, &self.clock);
        self
    }
}

fn recorded(outcome: Outcome) -> clinical::Receipt {
    match outcome {
        Outcome::Recorded(receipt) => receipt,
        other => panic!("{other:?}"),
    }
}

fn refused(outcome: Outcome) -> (RefusalCode, String) {
    match outcome {
        Outcome::Refused(refusal) => (refusal.code, refusal.pointer),
        other => panic!("{other:?}"),
    }
}

fn visit() -> Value {
    json!({"pga": "1.0", "status": "done"})
}

#[test]
fn a_receipt_names_the_record_that_is_in_the_journal() {
    let mut world = World::open();
    world.enroll("S1");
    let bytes = world.by_coordinator("visit", "S1", visit());
    let receipt = recorded(world.submit_one(&bytes));
    let record = &world.records()[usize::try_from(receipt.seq.0).unwrap()];
    assert_eq!(record.hash, receipt.hash);
    let parsed = Record::parse(&record.bytes).unwrap();
    assert_eq!(parsed.recorded_at, receipt.recorded_at);
    assert_eq!(chain::Submission::parse(&bytes).unwrap().event, parsed.event);
}

#[test]
fn the_same_event_again_gets_its_first_receipt_before_and_after_it_is_indexed_and_after_a_restart() {
    let mut world = World::open();
    world.enroll("S1");
    let bytes = world.by_coordinator("visit", "S1", json!({"status": "done"}));
    let first = recorded(world.submit_one(&bytes));
    assert_eq!(first.findings[0].code, FindingCode::MandatoryItemAbsent);
    let size = world.journal.head().size;
    assert_eq!(world.submit_one(&bytes), Outcome::Repeated(first.clone()));
    world.index.follow(&*world.journal);
    // Another record makes the registrar forget what the index covers.
    let other = world.by_coordinator("visit", "S1", visit());
    recorded(world.submit_one(&other));
    assert_eq!(world.submit_one(&bytes), Outcome::Repeated(first.clone()));
    let world = world.reopen();
    assert_eq!(world.submit_one(&bytes), Outcome::Repeated(first));
    assert_eq!(world.journal.head().size.0, size.0 + 1);
}

#[test]
fn the_same_event_twice_in_one_batch_is_recorded_once() {
    let mut world = World::open();
    world.enroll("S1");
    let bytes = world.by_coordinator("visit", "S1", visit());
    let outcomes = world.submit(&[bytes.clone(), bytes]).unwrap();
    let first = recorded(outcomes[0].clone());
    assert_eq!(outcomes[1], Outcome::Repeated(first));
}

#[test]
fn another_event_under_a_known_id_is_a_conflict() {
    let mut world = World::open();
    world.enroll("S1");
    let first = world.by_coordinator("visit", "S1", visit());
    recorded(world.submit_one(&first));
    world.ids -= 1;
    let second = world.by_coordinator("visit", "S1", json!({"pga": "2.0", "status": "done"}));
    assert_eq!(refused(world.submit_one(&second)), (RefusalCode::IdConflict, "/id".to_owned()));
    let world = world.reopen();
    assert_eq!(refused(world.submit_one(&second)).0, RefusalCode::IdConflict);
}

#[test]
fn a_forged_signature_is_refused_whether_or_not_the_key_was_known_beforehand() {
    let mut world = World::open();
    world.enroll("S1");
    let bytes = world.by_coordinator("visit", "S1", visit());
    let read = chain::Submission::parse(&bytes).unwrap();
    let mut signature = read.signature;
    signature.0[0] ^= 1;
    let forged = chain::Submission { event: read.event, signature }.join();
    assert_eq!(refused(world.submit_one(&forged)).0, RefusalCode::SignatureInvalid);
    let stranger = Person::new(8, "co.one", "Hospital", Role::Coordinator);
    let unknown = world.sign(&stranger, "visit", Some("S1"), visit());
    assert_eq!(refused(world.submit_one(&unknown)), (RefusalCode::KeyUnknown, "/key".to_owned()));
}

#[test]
fn a_key_granted_in_a_batch_signs_in_the_same_batch() {
    let mut world = World::open();
    world.enroll("S1");
    let newcomer = Person::new(4, "in.two", "Hospital", Role::Investigator);
    let data = world.grant(&newcomer, &["A"]);
    let pi = Person::new(2, "pi.one", "Hospital", Role::PrincipalInvestigator);
    let grant = world.sign(&pi, "key_granted", None, data);
    let event = world.sign(&newcomer, "visit", Some("S1"), visit());
    let outcomes = world.submit(&[grant, event]).unwrap();
    assert!(matches!(outcomes.as_slice(), [Outcome::Recorded(_), Outcome::Recorded(_)]));
}

#[test]
fn a_revoked_key_signs_no_more() {
    let mut world = World::open();
    world.enroll("S1");
    let key = world.site_coordinator.secret.public().id();
    let pi = Person::new(2, "pi.one", "Hospital", Role::PrincipalInvestigator);
    let revocation = world.sign(&pi, "key_revoked", None, json!({"key": key, "reason": "left"}));
    let event = world.by_coordinator("visit", "S1", visit());
    let outcomes = world.submit(&[revocation, event]).unwrap();
    assert!(matches!(outcomes[0], Outcome::Recorded(_)));
    assert_eq!(refused(outcomes[1].clone()), (RefusalCode::KeyRevoked, "/key".to_owned()));
}

#[test]
fn an_amendment_must_name_the_latest_version() {
    let mut world = World::open();
    world.enroll("S1");
    let bytes = world.by_coordinator("visit", "S1", visit());
    let first = recorded(world.submit_one(&bytes));
    let co = Person::new(3, "co.one", "Hospital", Role::Coordinator);
    let amend = |world: &mut World, seq: Position, hash: RecordHash, effect: &str| {
        let data = if effect == "void" { json!({}) } else { json!({"pga": "2.0", "status": "done"}) };
        let bytes = world.sign_statement(
            &co,
            json!({
                "amends": {"effect": effect, "hash": hash, "reason": "transcription", "seq": seq},
                "data": data, "kind": "visit", "occurred_on": "2026-11-20", "site": "A", "subject": "S1"
            }),
        );
        world.submit_one(&bytes)
    };
    let second = recorded(amend(&mut world, first.seq, first.hash, "replace"));
    let stale = refused(amend(&mut world, first.seq, first.hash, "replace"));
    assert_eq!(stale, (RefusalCode::StaleAmendment, "/amends/seq".to_owned()));
    assert_eq!(refused(amend(&mut world, second.seq, first.hash, "replace")).0, RefusalCode::AmendedDiffers);
    assert_eq!(
        refused(amend(&mut world, Position(99), first.hash, "replace")).0,
        RefusalCode::AmendedUnknown
    );
    let void = recorded(amend(&mut world, second.seq, second.hash, "void"));
    assert_eq!(refused(amend(&mut world, void.seq, void.hash, "void")).0, RefusalCode::AlreadyVoid);
    recorded(amend(&mut world, void.seq, void.hash, "replace"));
    // The first value stays readable.
    let event = Event::decode(
        Record::parse(&world.records()[usize::try_from(first.seq.0).unwrap()].bytes).unwrap().event,
    );
    assert_eq!(event.unwrap().amends, None);
}

#[test]
fn a_death_after_death_and_a_visit_after_it_are_accepted_with_findings() {
    let mut world = World::open();
    world.enroll("S1");
    let death = json!({"reason": "death", "scope": "study"});
    let bytes = world.sign_statement(
        &Person::new(3, "co.one", "Hospital", Role::Coordinator),
        json!({"data": death, "kind": "disposition", "occurred_on": "2026-11-01", "site": "A", "subject": "S1"}),
    );
    recorded(world.submit_one(&bytes));
    let later = world.by_coordinator("visit", "S1", visit());
    let receipt = recorded(world.submit_one(&later));
    assert_eq!(
        receipt.findings.iter().map(|finding| finding.code).collect::<Vec<_>>(),
        [FindingCode::AfterDeath]
    );
    let again = world.by_coordinator("disposition", "S1", death);
    let receipt = recorded(world.submit_one(&again));
    assert_eq!(receipt.findings[0].code, FindingCode::DeathDateDiffers);
}

#[test]
fn a_clock_behind_the_log_takes_the_registrar_out_of_service() {
    let mut world = World::open();
    world.enroll("S1");
    let bytes = world.by_coordinator("visit", "S1", visit());
    world.clock.fetch_sub(5_000_001, Ordering::SeqCst);
    assert!(matches!(world.submit_one(&bytes), Outcome::Unready(_)));
    // A little behind is what clocks are: the record takes its predecessor's time.
    world.clock.fetch_add(1_000_001, Ordering::SeqCst);
    assert_eq!(recorded(world.submit_one(&bytes)).recorded_at.microseconds(), START);
}

#[test]
fn writes_are_refused_after_a_failed_sync_and_nothing_of_them_is_recorded() {
    let mut world = World::open();
    world.enroll("S1");
    let head: Head = world.journal.head();
    let bytes = world.by_coordinator("visit", "S1", visit());
    world.journal.plan(0, Fault::SyncFailed);
    assert!(matches!(world.submit(std::slice::from_ref(&bytes)), Err(SubmitError::Append(_))));
    assert!(world.submit(&[bytes]).is_err());
    assert!(world.registrar.refusal().is_some());
    assert_eq!(world.journal.head(), head);
}

#[test]
fn a_refused_line_does_not_touch_its_neighbours() {
    let mut world = World::open();
    world.enroll("S1");
    let lines = [
        world.by_coordinator("visit", "S1", visit()),
        world.by_coordinator("visit", "S2", visit()),
        world.by_coordinator("visit", "S1", visit()),
    ];
    let outcomes = world.submit(&lines).unwrap();
    assert!(matches!(outcomes[0], Outcome::Recorded(_)));
    assert_eq!(refused(outcomes[1].clone()), (RefusalCode::SubjectUnknown, "/subject".to_owned()));
    assert!(matches!(outcomes[2], Outcome::Recorded(_)));
}

#[test]
fn an_index_that_lost_what_was_forgotten_neither_stops_the_registrar_nor_makes_it_record_twice() {
    struct Forgetful(Mutex<TreeSize>);
    impl Index for Forgetful {
        fn covers(&self) -> Result<TreeSize, IndexError> {
            Ok(*self.0.lock().unwrap())
        }
        fn find(&self, _: EventId) -> Result<Known, IndexError> {
            Ok(Known { position: None, findings: Vec::new(), covers: *self.0.lock().unwrap() })
        }
    }
    let mut world = World::open();
    world.enroll("S1");
    let bytes = world.by_coordinator("visit", "S1", json!({"status": "done"}));
    let first = recorded(world.submit_one(&bytes));
    assert_eq!(first.findings.len(), 1);
    let forgetful = Arc::new(Forgetful(Mutex::new(world.journal.head().size)));
    world.registrar.stop();
    let clock = Arc::clone(&world.clock);
    let clock = Arc::new(move || Instant::from_microseconds(clock.load(Ordering::SeqCst)).unwrap());
    let journal: Arc<dyn Journal> = Arc::clone(&world.journal) as Arc<dyn Journal>;
    let index = Arc::clone(&forgetful) as Arc<dyn Index>;
    world.registrar = Registrar::open(journal, index, clock, receipt_keys(), Limits::default()).unwrap();
    *forgetful.0.lock().unwrap() = TreeSize(0);
    assert_eq!(world.submit_one(&bytes), Outcome::Repeated(first));
    let other = world.by_coordinator("visit", "S1", visit());
    recorded(world.submit_one(&other));
}

#[test]
fn a_sponsor_revokes_the_principal_investigator_it_named_and_no_other() {
    let mut world = World::open();
    let first = Person::new(2, "pi.one", "Hospital", Role::PrincipalInvestigator);
    let second = Person::new(6, "pi.two", "Hospital", Role::PrincipalInvestigator);
    let data = world.grant(&second, &["A"]);
    let grant = world.sign(&first, "key_granted", None, data);
    recorded(world.submit_one(&grant));
    let revoke = |world: &mut World, person: &Person| {
        let data = json!({"key": person.secret.public().id(), "reason": "lost"});
        let bytes = world.sign_as_sponsor("key_revoked", None, data);
        world.submit_one(&bytes)
    };
    assert_eq!(refused(revoke(&mut world, &second)).0, RefusalCode::GrantNotEntitled);
    recorded(revoke(&mut world, &first));
}

#[test]
fn numbers_beyond_all_reason_are_recorded_with_findings_and_stop_nobody() {
    let mut world = World::open();
    world.enroll("S1");
    for weight in ["999999999999999999.999999999", "1000000000000", "0"] {
        let cells = json!({
            "body_weight_kg": weight, "given_per_kg": 9_007_199_254_740_991u64, "lot": "L1",
            "planned_per_kg": 0, "source": "bone_marrow", "total": 9_007_199_254_740_991u64, "viability_percent": "-999999999999999999"
        });
        let bytes = world.by_coordinator("infusion", "S1", json!({"cells": cells}));
        let codes: Vec<_> =
            recorded(world.submit_one(&bytes)).findings.iter().map(|finding| finding.code).collect();
        for code in [FindingCode::CellsTotalDiffers, FindingCode::DoseOffPlan, FindingCode::ViabilityLow] {
            assert!(codes.contains(&code), "{code:?}");
        }
    }
}

#[test]
fn a_data_manager_amends_what_was_imported_and_nothing_else_whatever_the_organisation_is_called() {
    let mut world = World::open();
    world.enroll("S1");
    let manager = Person::new(7, "dm.one", "Hospital", Role::DataManager);
    let data = world.grant(&manager, &[]);
    let grant = world.sign_as_sponsor("key_granted", None, data);
    recorded(world.submit_one(&grant));
    let bytes = world.by_coordinator("visit", "S1", visit());
    let stated = recorded(world.submit_one(&bytes));
    let import = json!({"rows": [{"row": 1, "table": "SV"}], "standard": "sdtm"});
    let bytes =
        world.sign(&manager, "visit", Some("S1"), json!({"import": import, "pga": "1.0", "status": "done"}));
    let imported = recorded(world.submit_one(&bytes));
    let void = |world: &mut World, receipt: &clinical::Receipt| {
        let amends = json!({"effect": "void", "hash": receipt.hash, "reason": "other", "seq": receipt.seq});
        let statement = json!({
            "amends": amends, "data": {}, "kind": "visit", "occurred_on": "2026-11-20", "site": "A", "subject": "S1"
        });
        let bytes = world.sign_statement(&manager, statement);
        world.submit_one(&bytes)
    };
    assert_eq!(refused(void(&mut world, &stated)), (RefusalCode::ImportUnmarked, "/amends".to_owned()));
    recorded(void(&mut world, &imported));
}

#[test]
fn a_list_of_subjects_counts_and_shows_what_the_latest_versions_say() {
    let mut world = World::open();
    world.enroll("S1");
    let incomplete = world.by_coordinator("visit", "S1", json!({"status": "done"}));
    let incomplete = recorded(world.submit_one(&incomplete));
    let left = json!({"reason": "lost_to_follow_up", "scope": "study"});
    let left = world.by_coordinator("disposition", "S1", left);
    let left = recorded(world.submit_one(&left));
    world.index.follow(&*world.journal);
    let look = |world: &World| {
        query(&world.index.store, |view, _| {
            let summary = index::subject(view, &"S1".parse().unwrap()).unwrap().unwrap();
            assert_eq!(index::subjects(view, None, 10).unwrap(), std::slice::from_ref(&summary));
            let work: Vec<_> =
                index::findings(view, None, 1).unwrap().into_iter().map(|(seq, _)| seq).collect();
            (summary.status, summary.records, summary.findings, summary.last_seq, work)
        })
        .unwrap()
    };
    assert_eq!(look(&world), (SubjectStatus::Left, 3, 1, left.seq, vec![incomplete.seq]));
    for (kind, amended) in [("visit", &incomplete), ("disposition", &left)] {
        let amends =
            json!({"effect": "void", "hash": amended.hash, "reason": "transcription", "seq": amended.seq});
        let statement = json!({"kind": kind, "data": {}, "amends": amends, "site": "A", "subject": "S1",
            "occurred_on": "2026-11-20"});
        let coordinator = Person::new(3, "co.one", "Hospital", Role::Coordinator);
        let bytes = world.sign_statement(&coordinator, statement);
        recorded(world.submit_one(&bytes));
    }
    world.index.follow(&*world.journal);
    assert_eq!(look(&world), (SubjectStatus::Enrolled, 5, 0, Position(left.seq.0 + 2), Vec::new()));
}

/// A sponsor's grant of the receipt key of `seed`, under a name.
fn receipt_key_grant(world: &mut World, name: &str, seed: u8) -> Vec<u8> {
    let secret = SecretKey::from_bytes(&[seed; 32]);
    let verifier_key = VerifierKey::new(name, secret.public()).unwrap();
    let message = chain::key::possession_message(world.genesis, name, secret.public());
    let possession = secret.sign(&message).to_text();
    let data =
        json!({"possession": possession, "service": "receipts", "verifier_key": verifier_key.to_string()});
    world.sign_as_sponsor("service_key_granted", None, data)
}

fn receipt_key_revocation(world: &mut World, seed: u8) -> Vec<u8> {
    let key = SecretKey::from_bytes(&[seed; 32]).public().id();
    world.sign_as_sponsor("key_revoked", None, json!({"key": key, "reason": "replaced"}))
}

/// Checks that a receipt is signed with the key of `seed`.
#[track_caller]
fn assert_signed(outcome: Outcome, seed: u8) {
    let (Outcome::Recorded(receipt) | Outcome::Repeated(receipt)) = outcome else { panic!("{outcome:?}") };
    let (note, path) = (receipt.note.unwrap(), receipt.path.unwrap());
    let bound =
        chain::receipt::Receipt { seq: receipt.seq, hash: receipt.hash, note: note.as_bytes(), path: &path };
    let signer = ReceiptSigner::new("example/t", &SecretKey::from_bytes(&[seed; 32])).unwrap();
    chain::receipt::verify(&bound, "example/t", &[signer.verifier_key()]).unwrap();
}

#[test]
fn receipts_bind_the_registry_from_the_grant_of_its_key_until_its_revocation() {
    let mut world = World::open();
    world.enroll("S1");
    let visits: Vec<_> = (0..3).map(|_| world.by_coordinator("visit", "S1", visit())).collect();
    let before = recorded(world.submit_one(&visits[0]));
    assert_eq!((&before.note, &before.path), (&None, &None));
    let wrong = receipt_key_grant(&mut world, "example/other/receipts", 4);
    assert_eq!(
        refused(world.submit_one(&wrong)),
        (RefusalCode::GrantMalformed, "/data/verifier_key".to_owned())
    );
    let grant = receipt_key_grant(&mut world, "example/t/receipts", 4);
    recorded(world.submit_one(&grant));
    let again = receipt_key_grant(&mut world, "example/t/receipts", 4);
    assert_eq!(
        refused(world.submit_one(&again)),
        (RefusalCode::GrantKeyRepeated, "/data/verifier_key".to_owned())
    );

    let outcomes = world.submit(&visits[1..]).unwrap();
    let repeated = world.submit_one(&visits[0]);
    for outcome in outcomes.into_iter().chain([repeated]) {
        assert_signed(outcome, 4);
    }

    let revoke = receipt_key_revocation(&mut world, 4);
    recorded(world.submit_one(&revoke));
    let later = world.by_coordinator("visit", "S1", visit());
    assert_eq!(recorded(world.submit_one(&later)).note, None);
}

#[test]
fn the_receipt_key_granted_last_signs_for_its_whole_commit_and_for_whoever_asks_again() {
    let mut world = World::open();
    world.enroll("S1");
    let grant = receipt_key_grant(&mut world, "example/t/receipts", 4);
    recorded(world.submit_one(&grant));
    let first = world.by_coordinator("visit", "S1", visit());
    assert_signed(world.submit_one(&first), 4);

    // One commit: no part of it is signed with a key that is revoked in it.
    let visits: Vec<_> = (0..2).map(|_| world.by_coordinator("visit", "S1", visit())).collect();
    let grant = receipt_key_grant(&mut world, "example/t/receipts", 5);
    let revoke = receipt_key_revocation(&mut world, 4);
    for outcome in world.submit(&[visits[0].clone(), grant, revoke, visits[1].clone()]).unwrap() {
        assert_signed(outcome, 5);
    }
    // The key of the first answer is gone: its record is promised by the key of the day.
    assert_signed(world.submit_one(&first), 5);
    let mut world = world.reopen();
    assert_signed(world.submit_one(&first), 5);

    // A key that is granted and not here leaves the signing to the one that is.
    let elsewhere = receipt_key_grant(&mut world, "example/t/receipts", 6);
    assert_signed(world.submit_one(&elsewhere), 5);
}
