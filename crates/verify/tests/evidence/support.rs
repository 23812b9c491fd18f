//! Small real logs, composed and signed as a client does and linked as a registrar does, without its refusals.

use std::num::NonZeroUsize;
use std::sync::Arc;

use chain::note::VerifierKey;
use chain::{Chain, Instant, Position, PublicKey, Record, RecordHash, SecretKey, TreeSize};
use clinical::event::{Actor, Event};
use clinical::statement::{Author, Circumstances, Composed, Statement, compose};
use clinical::text::SealingRandomness;
use clinical::{EventId, Role};
use serde_json::{Value, json};
use verify::{Anchors, KnownHead, Options, Records, Report, Source};

/// A person with a key.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) actor: Actor,
    pub(crate) key: SecretKey,
}

/// A person whose key comes of `seed`.
pub(crate) fn person(id: &str, organisation: &str, role: Role, seed: u8) -> Person {
    let actor = Actor { id: id.parse().unwrap(), organisation: organisation.to_owned(), role };
    Person { actor, key: SecretKey::from_bytes(&[seed; 32]) }
}

/// Minutes between records, in microseconds.
const STEP: i64 = 60_000_000;

/// A log being written.
#[derive(Clone)]
pub(crate) struct Log {
    pub(crate) chain: Chain,
    pub(crate) records: Vec<Arc<[u8]>>,
    pub(crate) genesis: RecordHash,
    pub(crate) sponsor: Person,
    pub(crate) second_sponsor: Person,
    pub(crate) principal: Person,
    pub(crate) investigator: Person,
    pub(crate) coordinator: Person,
    pub(crate) verifier: VerifierKey,
    now: i64,
    ids: u64,
}

pub(crate) fn visit(subject: &str, day: &str) -> Value {
    json!({"kind": "visit", "site": "CN-NJ", "subject": subject, "occurred_on": day, "data": {"status": "done"}})
}

pub(crate) fn enrollment(subject: &str) -> Value {
    json!({"kind": "enrollment", "site": "CN-NJ", "subject": subject, "occurred_on": "2008-03-01", "data": {
        "consent": {"document_version": "2", "language": "zh", "signed_on": "2008-02-28"}, "planned_infusions": 1,
        "sex": "female"}})
}

impl Log {
    /// A log without records. `seed` makes its keys: another seed, other keys.
    pub(crate) fn empty(seed: u8) -> Self {
        let log_secret = SecretKey::from_bytes(&[seed + 50; 32]);
        Self {
            chain: Chain::default(),
            records: Vec::new(),
            genesis: RecordHash::ZERO,
            sponsor: person("chen.sponsor", "Sponsor", Role::Sponsor, seed),
            second_sponsor: person("wu.sponsor", "Sponsor", Role::Sponsor, seed + 1),
            principal: person("sun.pi", "CN-NJ Hospital", Role::PrincipalInvestigator, seed + 2),
            investigator: person("li.wei", "CN-NJ Hospital", Role::Investigator, seed + 3),
            coordinator: person("ma.lin", "CN-NJ Hospital", Role::Coordinator, seed + 4),
            verifier: VerifierKey::new("log.example/lupus", log_secret.public()).unwrap(),
            // 2008-04-01T00:00:00Z
            now: 1_207_008_000_000_000,
            ids: 0,
        }
    }

    /// A log of one record: the trial's opening.
    pub(crate) fn opened(seed: u8) -> Self {
        let mut log = Self::empty(seed);
        let key = |person: &Person| {
            json!({"holder": person.actor.id, "organisation": person.actor.organisation,
                   "public_key": person.key.public().to_text()})
        };
        let opening = json!({"kind": "trial_opened", "data": {
            "definitions": {"evaluable": "evaluable-1", "imputation": "impute-1", "related": "related-1",
                            "relapse": "relapse-1", "remission": "ccr-registry-1"},
            "log_key": log.verifier.to_string(), "profile": {"mandatory": {}}, "rule_set": 1, "schedule": [],
            "sponsor_keys": [key(&log.sponsor), key(&log.second_sponsor)], "synthetic": true,
            "title": "Synthetic log of a test", "zone": "Asia/Shanghai"}});
        log.say(&log.sponsor.clone(), opening);
        log.genesis = log.chain.head;
        log
    }

    /// A log of seven records: a site with its people and one enrolled subject, S1.
    pub(crate) fn running(seed: u8) -> Self {
        let mut log = Self::opened(seed);
        log.say(
            &log.sponsor.clone(),
            json!({"kind": "site_activated", "site": "CN-NJ",
                   "data": {"country": "CN", "name": "Site", "zone": "Asia/Shanghai"}}),
        );
        log.grant(&log.sponsor.clone(), &log.principal.clone(), &["CN-NJ"]);
        log.grant(&log.principal.clone(), &log.investigator.clone(), &["CN-NJ"]);
        log.grant(&log.principal.clone(), &log.coordinator.clone(), &["CN-NJ"]);
        log.say(&log.investigator.clone(), enrollment("S1"));
        log.say(&log.investigator.clone(), visit("S1", "2008-03-11"));
        log
    }

    /// A log of 17 records in which each of the first kinds stands that people sign, with a correction, a void, a
    /// continuation, an import and a revocation.
    pub(crate) fn of_every_kind(seed: u8) -> Self {
        let mut log = Self::running(seed);
        let investigator = log.investigator.clone();
        let about = |kind: &str, on: &str, data: Value| json!({"kind": kind, "site": "CN-NJ", "subject": "S1", "occurred_on": on, "data": data});
        log.say(&investigator, about("infusion", "2008-03-10", json!({"number": 1})));
        let adverse = about(
            "adverse_event",
            "2008-03-12",
            json!({"causality": {"product": "unlikely"}, "term": "fever"}),
        );
        log.say(&investigator, adverse.clone());
        let mut worse = adverse;
        worse["follows"] = json!({"hash": log.hash(8), "seq": 8});
        log.say(&investigator, worse);
        let mut corrected = visit("S1", "2008-03-12");
        corrected["amends"] =
            json!({"effect": "replace", "hash": log.hash(6), "reason": "transcription", "seq": 6});
        log.say(&investigator, corrected);
        log.say(
            &investigator,
            about("contact", "2008-03-20", json!({"means": "phone", "vital_status": "alive"})),
        );
        let mut void = about("contact", "2008-03-20", json!({}));
        void["amends"] = json!({"comment": "another subject's", "effect": "void", "hash": log.hash(11),
                                "reason": "wrong_subject", "seq": 11});
        log.say(&investigator, void);
        let manager = person("data.manager", "Sponsor", Role::DataManager, seed + 5);
        log.grant(&log.sponsor.clone(), &manager, &[]);
        let rows = json!({"rows": [{"row": 1, "table": "SV"}], "standard": "sdtm"});
        log.say(&manager, about("visit", "2008-04-01", json!({"import": rows, "status": "done"})));
        let key = log.coordinator.key.public().id();
        log.say(
            &log.principal.clone(),
            json!({"kind": "key_revoked", "data": {"key": key, "reason": "left"}}),
        );
        log.say(
            &investigator,
            about("disposition", "2008-04-01", json!({"reason": "completed", "scope": "study"})),
        );
        log
    }

    /// Adds to [`Log::of_every_kind`] 21 records: one of each kind that came later, two of them signatures, another site, and who
    /// signs them.
    pub(crate) fn say_later_kinds(&mut self) {
        let (sponsor, investigator) = (self.sponsor.clone(), self.investigator.clone());
        let manager = person("data.manager", "Sponsor", Role::DataManager, 6);
        let lab = person("cell.lab", "Sponsor", Role::CellLab, 40);
        let safety = person("safety.one", "Sponsor", Role::SponsorSafety, 41);
        let committee = person("judge.one", "Board", Role::Committee, 42);
        let statistician = person("stat.one", "Sponsor", Role::Statistician, 43);
        for person in [&lab, &safety, &committee, &statistician] {
            self.grant(&sponsor, person, &[]);
        }
        let site = json!({"country": "CN", "name": "Second site", "zone": "Asia/Shanghai"});
        self.say(&sponsor, json!({"kind": "site_activated", "site": "CN-BJ", "data": site}));
        let about = |kind: &str, subject: &str, data: Value| json!({"kind": kind, "site": "CN-NJ", "subject": subject, "occurred_on": "2008-03-15", "data": data});
        let consent = json!({"document_version": "2", "language": "zh", "occasion": "initial"});
        self.say(&investigator, about("consent", "S2", consent));
        self.say(&investigator, about("screening", "S2", json!({"result": "failed"})));
        let lot = json!({"donors": ["D1"], "lot": "L1", "release": "released", "source": "umbilical_cord"});
        self.say(&lab, json!({"kind": "product_lot", "data": lot}));
        let event = json!({"hash": self.hash(8), "seq": 8});
        let judged = json!({"adverse_event": event, "expectedness": "unexpected"});
        self.say(&safety, about("ae_assessment", "S1", judged));
        let sent = json!({"adverse_event": event, "jurisdiction": "CN", "recipient": "Authority",
                          "report": "initial", "sent_at": "2008-03-16T00:00:00.000000Z"});
        self.say(&safety, about("safety_report_sent", "S1", sent));
        let relapse = json!({"relapse": {"definition": "relapse-1", "relapsed": false}});
        self.say(&committee, about("adjudication", "S1", relapse));
        self.say(&manager, about("allocation", "S1", json!({"commitment": self.hash(0)})));
        let unblinding = json!({"informed": ["investigator"], "reason": "emergency"});
        self.say(&investigator, about("unblinding", "S1", unblinding));
        let deviation = json!({"category": "visit", "severity": "minor"});
        self.say(&investigator, about("protocol_deviation", "S1", deviation));
        let amended = json!({"effective_on": "2008-03-15", "summary": "Nothing.", "version": "2"});
        self.say(&sponsor, json!({"kind": "protocol_amended", "data": amended}));
        let hashes: Vec<RecordHash> = (0..9).map(|seq| self.hash(seq)).collect();
        let root = RecordHash(chain::tree::root_of(&hashes).0);
        let cut = json!({"cutoff_date": "2008-04-01", "head": self.hash(8), "name": "first", "records": 9, "root": root});
        self.say(&statistician, json!({"kind": "data_cut", "data": cut}));
        let published = json!({"access": "open", "bytes": 1, "cut": "first", "engine": "0", "report": "outcomes",
                               "sha256": self.hash(0)});
        self.say(&statistician, json!({"kind": "report_published", "data": published}));
        let linked = json!({"duplicate": "S2", "kept": "S1"});
        self.say(&manager, json!({"kind": "subjects_linked", "data": linked}));
        let signed = json!({"meaning": "endorsement", "statements": [{"hash": self.hash(7), "seq": 7}, {"hash": self.hash(10), "seq": 10}]});
        let mut signature = about("signature", "S1", signed);
        signature.as_object_mut().unwrap().remove("occurred_on");
        self.say(&investigator, signature.clone());
        self.say(&investigator, about("subject_transferred", "S1", json!({"to": "CN-BJ"})));
        // What a site stated it signs there, also when the subject has moved on.
        self.say(&investigator, signature);
    }

    /// The hash of the record at `seq`.
    pub(crate) fn hash(&self, seq: usize) -> RecordHash {
        RecordHash::of(&self.records[seq])
    }

    /// Composes and signs an event for this log, without recording it.
    pub(crate) fn event(&mut self, person: &Person, statement: Value) -> Composed {
        let statement: Statement = serde_json::from_value(statement).unwrap();
        self.ids += 1;
        let mut id = [0; 16];
        id[6] = 0x70;
        id[8] = 0x80;
        id[0] = person.key.public().to_bytes()[0];
        id[9..].copy_from_slice(&self.ids.to_be_bytes()[1..]);
        let (trial, zone) = ("lupus".parse().unwrap(), "Asia/Shanghai".parse().unwrap());
        let author =
            Author { actor: &person.actor, key: &person.key, trial: &trial, log: self.genesis, zone: &zone };
        let mut circumstances = Circumstances {
            id: EventId(id),
            signed_at: Instant::from_microseconds(self.now).unwrap(),
            text_key: Some(&[9; 32]),
            randomness: &mut || SealingRandomness([7; 112]),
        };
        compose(&statement, author, &mut circumstances).unwrap()
    }

    /// Links an event to the log, whatever it is.
    pub(crate) fn record(&mut self, event: &[u8], signature: chain::Signature) -> Position {
        self.now += STEP;
        let linked = self.chain.link(event, signature, Instant::from_microseconds(self.now).unwrap());
        self.records.push(Arc::clone(&linked.bytes));
        linked.seq
    }

    /// Composes, signs and records.
    pub(crate) fn say(&mut self, person: &Person, statement: Value) -> Position {
        let composed = self.event(person, statement);
        self.record(&composed.event, composed.signature)
    }

    /// Changes an event's members before it is signed and recorded: what no honest client would compose.
    pub(crate) fn say_changed(
        &mut self,
        person: &Person,
        statement: Value,
        change: impl FnOnce(&mut Value),
    ) -> Position {
        let composed = self.event(person, statement);
        let mut event: Value = serde_json::from_slice(&composed.event).unwrap();
        change(&mut event);
        let event = chain::canonical::canonicalize(&event).unwrap();
        self.record(&event, person.key.sign_event(&event))
    }

    /// A grant of `person`'s key by `by`.
    pub(crate) fn grant_statement(&self, person: &Person, sites: &[&str]) -> Value {
        let public: PublicKey = person.key.public();
        let message = chain::key::possession_message(self.genesis, person.actor.id.as_str(), public);
        json!({"kind": "key_granted", "data": {
            "holder": person.actor.id, "organisation": person.actor.organisation,
            "possession": person.key.sign(&message).to_text(), "public_key": public.to_text(),
            "role": person.actor.role, "sites": sites}})
    }

    pub(crate) fn grant(&mut self, by: &Person, person: &Person, sites: &[&str]) -> Position {
        let statement = self.grant_statement(person, sites);
        self.say(by, statement)
    }

    /// Grants the registry a key for receipts.
    pub(crate) fn grant_receipts(&mut self) -> Position {
        let name = chain::receipt::key_name(self.verifier.name());
        let secret = SecretKey::from_bytes(&[99; 32]);
        let key = VerifierKey::new(&name, secret.public()).unwrap();
        let message = chain::key::possession_message(self.genesis, &name, secret.public());
        let data = json!({"possession": secret.sign(&message).to_text(), "service": "receipts", "verifier_key": key.to_string()});
        self.say(&self.sponsor.clone(), json!({"kind": "service_key_granted", "data": data}))
    }

    /// The statement that the key of a seed signs the log's checkpoints.
    pub(crate) fn log_key_change(&self, seed: u8) -> Value {
        let name = self.verifier.name();
        let secret = SecretKey::from_bytes(&[seed + 50; 32]);
        let key = VerifierKey::new(name, secret.public()).unwrap();
        let message = chain::key::possession_message(self.genesis, name, secret.public());
        let data = json!({"possession": secret.sign(&message).to_text(), "verifier_key": key.to_string()});
        json!({"kind": "log_key_changed", "data": data})
    }

    /// Names a further key of the log.
    pub(crate) fn change_log_key(&mut self, seed: u8) -> Position {
        let statement = self.log_key_change(seed);
        self.say(&self.sponsor.clone(), statement)
    }

    /// The anchors an inspector of this log has.
    pub(crate) fn anchors(&self) -> Anchors {
        Anchors { genesis: Some(self.genesis), log_key: Some(self.verifier.clone()), ..Anchors::default() }
    }

    /// The same, with the log's present end.
    pub(crate) fn anchors_with_head(&self) -> Anchors {
        let head = KnownHead { size: TreeSize(self.records.len() as u64), head: self.chain.head };
        Anchors { known_heads: vec![head], ..self.anchors() }
    }
}

/// Verifies records.
pub(crate) fn check(records: &[Arc<[u8]>], anchors: &Anchors) -> Report {
    check_source(Records::new(records.iter().cloned()), anchors)
}

/// Verifies a source on the calling thread alone: many small logs are checked here, and threads cost more than they.
pub(crate) fn check_source(source: impl Source, anchors: &Anchors) -> Report {
    let options = Options { threads: NonZeroUsize::MIN, ..Options::default() };
    verify::verify(source, anchors, options).unwrap()
}

/// Changes records as whoever owns the files can: `change` sees each record apart, and all are numbered and linked anew.
pub(crate) fn relinked<'a>(
    records: &'a [Arc<[u8]>],
    change: impl FnOnce(&mut Vec<Record<'a>>),
) -> Vec<Arc<[u8]>> {
    let mut parts: Vec<Record<'a>> = records.iter().map(|bytes| Record::parse(bytes).unwrap()).collect();
    change(&mut parts);
    let mut prev = RecordHash::ZERO;
    let mut seq = Position(0);
    parts
        .into_iter()
        .map(|part| {
            let bytes: Arc<[u8]> = Record { prev, seq, ..part }.join().into();
            prev = RecordHash::of(&bytes);
            seq = seq.next();
            bytes
        })
        .collect()
}

/// The event of a record.
pub(crate) fn event_of(bytes: &[u8]) -> Event {
    Event::parse(Record::parse(bytes).unwrap().event).unwrap()
}
