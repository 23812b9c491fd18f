//! What a log's records say of its keys, for the mirrors that copy them: by the rules of admission, and by the signatures that
//! these rest on. Keeps nothing of subjects, and accuses nobody: that is `verify`'s.

use chain::note::VerifierKey;
use chain::{Position, Record, RecordHash, TreeSize};
use clinical::kind::Scope;
use clinical::{Event, Trial};
use witness::Authority;

use crate::deployment::NoReferences;

/// The trial as the records so far make it, without its subjects; none before its opening.
#[derive(Clone, Default)]
pub(crate) struct LogAuthority(Option<Trial>);

impl Authority for LogAuthority {
    fn follow(&mut self, record: &[u8]) {
        // In canonical JSON a member has one writing: of most records no more is read.
        if std::str::from_utf8(record).is_ok_and(|text| text.contains("\"subject\":\"")) {
            return;
        }
        let Ok(read) = Record::parse(record) else { return };
        let Ok(event) = Event::decode(read.event) else { return };
        let opens = read.seq == Position(0);
        if event.kind.scope() != Scope::Trial || opens == self.0.is_some() {
            return;
        }
        let trial = self.0.as_ref();
        let signed = clinical::decide::signing_key(trial, &event)
            .is_some_and(|key| key.verify_event(read.event, &read.signature).is_ok());
        if !signed || clinical::decide::authorize(trial, &event, read.recorded_at, &NoReferences).is_err() {
            return;
        }
        match &mut self.0 {
            Some(trial) => trial.apply(&event, read.seq, read.recorded_at),
            None => self.0 = Trial::open(&event, RecordHash::of(record)),
        }
    }

    fn due(&self, size: TreeSize) -> Vec<VerifierKey> {
        self.0.iter().flat_map(|trial| trial.log_keys.due(size)).cloned().collect()
    }

    fn named(&self) -> Vec<VerifierKey> {
        let keys = self.0.iter().flat_map(|trial| trial.log_keys.all());
        keys.map(|key| key.verifier_key.clone()).collect()
    }

    fn branch(&self) -> Box<dyn Authority> {
        Box::new(self.clone())
    }
}
