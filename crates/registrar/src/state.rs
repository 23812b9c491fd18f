//! The trial's state, folded from its journal.

use std::collections::BTreeMap;

use chain::note::VerifierKey;
use chain::{
    Chain, KeyId, LinkError, LinkedRecord, Position, PublicKey, Record, RecordError, RecordHash, TreeSize,
};
use clinical::authority::Grant;
use clinical::data::{Definitions, PlannedVisit};
use clinical::trial::{Cut, Site};
use clinical::{DecodeError, Event, Finding, LogKeys, SiteId, Trial, TrialId, Zone};
use journal::{Journal, ReadError};

/// About how many bytes of records are read at a time while folding: large enough that reading is not felt.
const FOLD_BYTES: usize = 4 << 20;

/// Beyond every journal's end.
pub(crate) const END: TreeSize = TreeSize(u64::MAX);

/// The trial as anyone may know it. Empty while the log is.
#[derive(Debug, Clone, Default)]
pub struct Public {
    /// What the opening said; `None` while the log is empty.
    pub opening: Option<Opening>,
    /// Active sites.
    pub sites: BTreeMap<SiteId, Site>,
    /// Every key's public half.
    pub keys: BTreeMap<KeyId, PublicKey>,
    /// Every key's grant.
    pub grants: BTreeMap<KeyId, Grant>,
    /// Keys of the log, revoked ones included.
    pub log_keys: LogKeys,
    /// Data cuts, in the order of recording.
    pub cuts: Vec<Cut>,
    /// Whether a subject was ever assigned to an arm.
    pub has_arms: bool,
    /// The planned visits.
    pub schedule: Vec<PlannedVisit>,
    /// Keys of receipts that are in force.
    pub receipt_keys: Vec<VerifierKey>,
}

/// What a trial's opening said.
#[derive(Debug, Clone)]
pub struct Opening {
    /// The trial.
    pub trial: TrialId,
    /// Its title.
    pub title: String,
    /// Hash of its first record.
    pub genesis: RecordHash,
    /// Whether its records are synthetic.
    pub synthetic: bool,
    /// The zone of its data cuts.
    pub zone: Zone,
    /// The log's first verifier key.
    pub log_key: String,
    /// The definitions of its reports.
    pub definitions: Definitions,
}

impl Public {
    pub(crate) fn of(trial: &Trial) -> Self {
        Self {
            opening: Some(Opening {
                trial: trial.id.clone(),
                title: trial.title.clone(),
                genesis: trial.genesis,
                synthetic: trial.synthetic,
                zone: trial.zone.clone(),
                log_key: trial.log_key.clone(),
                definitions: trial.definitions.clone(),
            }),
            sites: trial.sites.clone(),
            keys: trial.keys.iter().map(|(id, grant)| (*id, grant.public_key)).collect(),
            grants: trial.keys.clone(),
            log_keys: trial.log_keys.clone(),
            cuts: trial.cuts.clone(),
            has_arms: trial.has_arms,
            schedule: trial.schedule.clone(),
            receipt_keys: trial
                .service_keys
                .values()
                .filter(|service| service.revoked_at.is_none())
                .map(|service| service.verifier_key.clone())
                .collect(),
        }
    }
}

/// Why a registrar could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The journal cannot be read.
    #[error("the journal cannot be read")]
    Read(#[source] ReadError),
    /// A record is not a record.
    #[error("record {seq} is malformed")]
    Record {
        /// Which.
        seq: Position,
        /// Why not.
        source: RecordError,
    },
    /// A record does not continue the log.
    #[error("the chain of records is broken")]
    Link(#[source] LinkError),
    /// A record's event cannot be read.
    #[error("the event of record {seq} is malformed")]
    Event {
        /// Which.
        seq: Position,
        /// Why not.
        source: DecodeError,
    },
    /// The first record opens no trial.
    #[error("the first record opens no trial")]
    NotOpened,
    /// The system gave no thread.
    #[error("no thread could be started")]
    Thread(#[source] std::io::Error),
}

/// The trial and the end of its chain, as far as records were folded.
#[derive(Debug, Clone, Default)]
pub(crate) struct State {
    pub(crate) trial: Option<Trial>,
    pub(crate) chain: Chain,
}

impl State {
    /// Folds what is durable in `journal` up to the size `end`; `each` sees every event with its record, and from the size
    /// `assessed` on with what was found in it.
    pub(crate) fn catch_up(
        &mut self,
        journal: &dyn Journal,
        end: TreeSize,
        assessed: TreeSize,
        mut each: impl FnMut(&Event, &Record<'_>, &LinkedRecord, Vec<Finding>),
    ) -> Result<(), OpenError> {
        loop {
            let records =
                journal.read(self.chain.size.next_position(), FOLD_BYTES).map_err(OpenError::Read)?;
            if records.is_empty() {
                return Ok(());
            }
            for linked in &records {
                let seq = linked.seq;
                if seq.0 >= end.0 {
                    return Ok(());
                }
                let record =
                    Record::parse(&linked.bytes).map_err(|source| OpenError::Record { seq, source })?;
                self.chain.follow(&record, linked.hash).map_err(OpenError::Link)?;
                let event = Event::decode(record.event).map_err(|source| OpenError::Event { seq, source })?;
                let findings = match &self.trial {
                    Some(trial) if seq.0 >= assessed.0 => {
                        clinical::decide::assess(trial, &event, record.event, record.recorded_at)
                    }
                    _ => Vec::new(),
                };
                self.apply(&event, linked)?;
                each(&event, &record, linked, findings);
            }
        }
    }

    /// Takes in an accepted event, after whoever linked or followed it advanced the chain.
    pub(crate) fn apply(&mut self, event: &Event, linked: &LinkedRecord) -> Result<(), OpenError> {
        let recorded_at = self.chain.recorded_at.unwrap_or(event.signed_at);
        match &mut self.trial {
            Some(trial) => trial.apply(event, linked.seq, recorded_at),
            None => self.trial = Some(Trial::open(event, linked.hash).ok_or(OpenError::NotOpened)?),
        }
        Ok(())
    }
}
