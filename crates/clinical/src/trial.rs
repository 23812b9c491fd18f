//! The state of a trial: what its records so far amount to, as far as admission needs it.
//!
//! Folded from the log alone. Its memory is bounded by sites, keys, subjects, infusions and amendments, never by the
//! number of records: below 1 KiB a subject with one infusion.

mod subject;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use chain::note::VerifierKey;
use chain::{Instant, KeyId, Position, PublicKey, RecordHash, RootHash};

use crate::authority::{Grant, Role};
use crate::data::{Data, Definitions, PlannedVisit, SchemaProfile};
use crate::date::{Date, latest_day_number};
use crate::event::{Amends, Event};
use crate::id::{CutName, SiteId, SubjectId, TrialId, Zone};
use crate::log_keys::LogKeys;

pub use subject::{EnrollmentFacts, FACTS_HELD_MAX, HeldFact, InfusionFacts, Subject, Transfer};
pub(crate) use subject::{first_of, is_withdrawal_from_contact, presumes_life};

/// A trial, as its records so far make it.
#[derive(Debug, Clone)]
pub struct Trial {
    /// Its id.
    pub id: TrialId,
    /// Hash of its first record.
    pub genesis: RecordHash,
    /// Its title.
    pub title: String,
    /// Whether its records are synthetic.
    pub synthetic: bool,
    /// The zone of its data cuts.
    pub zone: Zone,
    /// Its rule set.
    pub rule_set: u32,
    /// The definitions of its reports.
    pub definitions: Definitions,
    /// Its planned visits.
    pub schedule: Vec<PlannedVisit>,
    /// What it demands.
    pub profile: SchemaProfile,
    /// The log's verifier key, as the opening states it.
    pub log_key: String,
    /// The keys that sign the log's checkpoints: the opening's, if it is one, and those named since.
    pub log_keys: LogKeys,
    /// Its active sites.
    pub sites: BTreeMap<SiteId, Site>,
    /// Every key ever granted.
    pub keys: BTreeMap<KeyId, Grant>,
    /// Every key of the registry's own that was ever granted.
    pub service_keys: BTreeMap<KeyId, ServiceKey>,
    /// Its subjects. Unordered: nothing that is hashed or reported is made by going through it.
    /// Each apart: a map that has just grown is half empty, and a copy of the trial shares them until one changes.
    subjects: HashMap<SubjectId, Arc<Subject>>,
    /// The last record that each key signed, and its day ([`latest_day_number`]).
    pub last_signed: BTreeMap<KeyId, (Position, i64)>,
    /// Which record supersedes which, and the first record of each amended thing.
    pub lineage: Lineage,
    /// Its data cuts, in the order of recording.
    pub cuts: Vec<Cut>,
    /// Whether a subject was ever assigned to an arm.
    pub has_arms: bool,
    /// Pseudonyms given up, each with the one that stays.
    pub links: BTreeMap<SubjectId, SubjectId>,
}

/// A data cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// Its name.
    pub name: CutName,
    /// How many records it covers.
    pub records: u64,
    /// Hash of the last of them.
    pub head: RecordHash,
    /// Root of the Merkle tree over them, as stated.
    pub root: RootHash,
    /// Occurrences after this day are not counted.
    pub cutoff_date: Date,
    /// The record that made it.
    pub made_at: Position,
}

/// A key of the registry's own: it signs receipts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceKey {
    /// The key, under the service's name.
    pub verifier_key: VerifierKey,
    /// The record that granted it.
    pub granted_at: Position,
    /// The record that revoked it.
    pub revoked_at: Option<Position>,
}

impl ServiceKey {
    /// Whether a receipt for the record at `seq` that the key has signed binds the registry. The record may be older than
    /// the grant: whoever asks again is answered with the key of the day.
    pub fn binds(&self, seq: Position) -> bool {
        self.revoked_at.is_none_or(|revoked| seq <= revoked)
    }
}

/// An active site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// Its name.
    pub name: String,
    /// Its country, ISO 3166-1 alpha-2.
    pub country: String,
    /// Its zone.
    pub zone: Zone,
}

/// Which record supersedes which. Holds amended things only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lineage {
    superseded_by: BTreeMap<Position, Position>,
    roots: BTreeMap<Position, Position>,
}

impl Lineage {
    /// The first record of the thing that the record at `seq` states.
    pub fn root(&self, seq: Position) -> Position {
        self.roots.get(&seq).copied().unwrap_or(seq)
    }

    /// The record that supersedes the one at `seq`; `None` if it is the latest.
    pub fn superseded_by(&self, seq: Position) -> Option<Position> {
        self.superseded_by.get(&seq).copied()
    }

    /// Takes in that the record at `seq` amends the one at `amended`; returns the thing's first record.
    pub fn amend(&mut self, seq: Position, amended: Position) -> Position {
        let root = self.root(amended);
        self.superseded_by.insert(amended, seq);
        self.roots.insert(seq, root);
        root
    }

    /// The first record of the thing that a record at `seq` is about, taking in its amendment if it is one.
    pub fn place(&mut self, seq: Position, amends: Option<&Amends>) -> Position {
        amends.map_or(seq, |amends| self.amend(seq, amends.seq))
    }
}

impl Trial {
    /// The state after the first record, a `trial_opened` that [`crate::decide()`] accepted. `None` for any other event.
    pub fn open(event: &Event, genesis: RecordHash) -> Option<Self> {
        let Data::TrialOpened(data) = &event.data else { return None };
        let keys = data.sponsor_keys.iter().filter_map(|sponsor| {
            let public_key = PublicKey::from_text(&sponsor.public_key).ok()?;
            let grant = Grant {
                holder: sponsor.holder.clone(),
                organisation: sponsor.organisation.clone(),
                role: Role::Sponsor,
                sites: Vec::new(),
                public_key,
                valid_from: None,
                valid_until: None,
                granted_at: Position(0),
                granted_by: event.key,
                revoked_at: None,
                suspected_since: None,
            };
            Some((public_key.id(), grant))
        });
        let mut log_keys = LogKeys::default();
        log_keys.apply(event, Position(0));
        Some(Self {
            id: event.trial.clone(),
            genesis,
            title: data.title.clone(),
            synthetic: data.synthetic,
            zone: data.zone.clone(),
            rule_set: data.rule_set,
            definitions: data.definitions.clone(),
            schedule: data.schedule.clone(),
            profile: data.profile.clone(),
            log_key: data.log_key.clone(),
            log_keys,
            sites: BTreeMap::new(),
            keys: keys.collect(),
            service_keys: BTreeMap::new(),
            subjects: HashMap::new(),
            // The opening is recorded as soon as it is signed.
            last_signed: [(event.key, (Position(0), latest_day_number(event.signed_at)))].into(),
            lineage: Lineage::default(),
            cuts: Vec::new(),
            has_arms: false,
            links: BTreeMap::new(),
        })
    }

    /// The subject of that id.
    pub fn subject(&self, id: &SubjectId) -> Option<&Subject> {
        self.subjects.get(id).map(|subject| &**subject)
    }

    /// How many subjects are known.
    pub fn subject_count(&self) -> usize {
        self.subjects.len()
    }

    /// Goes one record on: an event that was accepted, at its position and time.
    pub fn apply(&mut self, event: &Event, seq: Position, recorded_at: Instant) {
        self.last_signed.insert(event.key, (seq, latest_day_number(recorded_at)));
        self.log_keys.apply(event, seq);
        match &event.data {
            Data::SiteActivated(data) => {
                if let Some(site) = &event.site {
                    let state = Site {
                        name: data.name.clone(),
                        country: data.country.clone(),
                        zone: data.zone.clone(),
                    };
                    self.sites.insert(site.clone(), state);
                }
            }
            Data::KeyGranted(data) => {
                if let Ok(public_key) = PublicKey::from_text(&data.public_key) {
                    let grant = Grant {
                        holder: data.holder.clone(),
                        organisation: data.organisation.clone(),
                        role: data.role,
                        sites: data.sites.clone(),
                        public_key,
                        valid_from: data.valid_from,
                        valid_until: data.valid_until,
                        granted_at: seq,
                        granted_by: event.key,
                        revoked_at: None,
                        suspected_since: None,
                    };
                    self.keys.insert(public_key.id(), grant);
                }
            }
            Data::KeyRevoked(data) => {
                if let Some(grant) = self.keys.get_mut(&data.key) {
                    grant.revoked_at = Some(seq);
                    grant.suspected_since = data.suspected_since;
                } else if let Some(service) = self.service_keys.get_mut(&data.key) {
                    service.revoked_at = Some(seq);
                }
            }
            Data::ServiceKeyGranted(data) => {
                if let Ok(verifier_key) = VerifierKey::from_text(&data.verifier_key) {
                    let id = verifier_key.key().id();
                    let granted = ServiceKey { verifier_key, granted_at: seq, revoked_at: None };
                    self.service_keys.insert(id, granted);
                }
            }
            Data::ProtocolAmended(data) => {
                if let Some(definitions) = &data.definitions {
                    self.definitions = definitions.clone();
                }
                if let Some(schedule) = &data.schedule {
                    self.replace_schedule(schedule);
                }
                if let Some(profile) = &data.profile {
                    self.profile = profile.clone();
                }
            }
            Data::DataCut(data) => self.cuts.extend(data.cutoff_date.day().map(|cutoff_date| Cut {
                name: data.name.clone(),
                records: data.records,
                head: data.head,
                root: data.root,
                cutoff_date,
                made_at: seq,
            })),
            Data::SubjectsLinked(data) => {
                self.links.insert(data.duplicate.clone(), data.kept.clone());
            }
            Data::Allocation(_) => {
                self.has_arms = true;
                self.apply_to_subject(event, seq);
            }
            Data::Enrollment(_)
            | Data::Infusion(_)
            | Data::Visit(_)
            | Data::AdverseEvent(_)
            | Data::Disposition(_)
            | Data::Contact(_)
            | Data::Screening(_)
            | Data::Consent(_)
            | Data::AeAssessment(_)
            | Data::SafetyReportSent(_)
            | Data::Adjudication(_)
            | Data::Unblinding(_)
            | Data::ProtocolDeviation(_)
            | Data::StatementsSigned(_)
            | Data::SubjectTransferred(_)
            | Data::Void => self.apply_to_subject(event, seq),
            // The log's keys have been taken in; of lots and published reports admission needs nothing.
            Data::TrialOpened(_)
            | Data::LogKeyChanged(_)
            | Data::ProductLot(_)
            | Data::ReportPublished(_) => {}
        }
    }

    fn apply_to_subject(&mut self, event: &Event, seq: Position) {
        let (Some(site), Some(subject)) = (&event.site, &event.subject) else { return };
        let root = self.lineage.place(seq, event.amends.as_ref());
        let subject =
            self.subjects.entry(subject.clone()).or_insert_with(|| Arc::new(Subject::new(site.clone())));
        let subject = Arc::make_mut(subject);
        if event.amends.is_some() {
            subject.retract(root);
        }
        subject.state(root, event, &self.schedule);
    }

    /// Visits keep their names: what subjects hold of the old schedule's places becomes the new one's.
    fn replace_schedule(&mut self, schedule: &[PlannedVisit]) {
        let place = |old: &PlannedVisit| {
            let place = schedule.iter().position(|new| new.name == old.name)?;
            u16::try_from(place).ok()
        };
        let places: Vec<Option<u16>> = self.schedule.iter().map(place).collect();
        for subject in self.subjects.values_mut() {
            for fact in &mut Arc::make_mut(subject).held {
                fact.planned = fact.planned.and_then(|old| *places.get(usize::from(old))?);
            }
        }
        schedule.clone_into(&mut self.schedule);
    }

    /// The planned visit of that name.
    pub fn planned_visit(&self, name: &str) -> Option<&PlannedVisit> {
        self.schedule.iter().find(|visit| visit.name == name)
    }
}
