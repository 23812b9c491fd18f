//! The keys that sign a log's checkpoints, as its records name and revoke them. Holds no checkpoint against them.

use chain::note::VerifierKey;
use chain::{KeyId, Position, PublicKey, TreeSize};

use crate::data::Data;
use crate::event::Event;

/// A key that signs the log's checkpoints, from the record on that names it to the one that revokes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogKey {
    /// The key; its name is the log's origin.
    pub verifier_key: VerifierKey,
    /// The record that names it: the opening, or a `log_key_changed`.
    pub named_at: Position,
    /// The record that revoked it.
    pub revoked_at: Option<Position>,
    /// Whether a person was granted the same key: then its revocation is the person's.
    is_a_persons: bool,
}

impl LogKey {
    /// Whether a checkpoint over `size` records has to be signed with it: the record that names it is one of them, and
    /// none of them revokes it. The checkpoint of no records is signed as that of the opening alone.
    pub fn is_due(&self, size: TreeSize) -> bool {
        let size = size.0.max(1);
        self.named_at.0 < size && self.revoked_at.is_none_or(|at| at.0 >= size)
    }
}

/// Every key that a log has named for its checkpoints, in the order of their records.
///
/// ```
/// use chain::{Position, SecretKey, TreeSize, note::VerifierKey};
/// use clinical::LogKeys;
/// let key = |seed| VerifierKey::new("log.example/t", SecretKey::from_bytes(&[seed; 32]).public()).unwrap();
/// let mut keys = LogKeys::of_opening(key(1));
/// keys.name(key(2), Position(7));
/// assert_eq!(keys.due(TreeSize(7)).collect::<Vec<_>>(), [&key(1)]);
/// assert_eq!(keys.due(TreeSize(8)).count(), 2);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogKeys(Vec<LogKey>);

impl LogKeys {
    /// The key that the log's opening names.
    pub fn of_opening(verifier_key: VerifierKey) -> Self {
        let mut keys = Self::default();
        keys.name(verifier_key, Position(0));
        keys
    }

    /// Takes in that the record at `at` names a key. No log names one twice: a record that is taken in again says nothing
    /// new.
    pub fn name(&mut self, verifier_key: VerifierKey, at: Position) {
        if self.0.iter().any(|key| key.verifier_key == verifier_key) {
            return;
        }
        self.0.push(LogKey { verifier_key, named_at: at, revoked_at: None, is_a_persons: false });
    }

    /// Takes in that a person was granted a key.
    fn grant(&mut self, public_key: &str) {
        let Ok(public_key) = PublicKey::from_text(public_key) else { return };
        let same = self.0.iter_mut().filter(|key| key.verifier_key.key() == public_key);
        same.for_each(|key| key.is_a_persons = true);
    }

    /// Takes in what an event that was accepted at `seq` says of the log's keys, if it says anything.
    pub fn apply(&mut self, event: &Event, seq: Position) {
        match &event.data {
            Data::TrialOpened(data) => {
                if let Ok(key) = VerifierKey::from_text(&data.log_key) {
                    self.name(key, seq);
                }
                data.sponsor_keys.iter().for_each(|sponsor| self.grant(&sponsor.public_key));
            }
            Data::KeyGranted(data) => self.grant(&data.public_key),
            Data::LogKeyChanged(data) => {
                if let Ok(key) = VerifierKey::from_text(&data.verifier_key) {
                    self.name(key, seq);
                }
            }
            Data::KeyRevoked(data) => {
                let in_force = self.0.iter_mut().filter(|key| key.revoked_at.is_none() && !key.is_a_persons);
                in_force
                    .filter(|key| key.verifier_key.key().id() == data.key)
                    .for_each(|key| key.revoked_at = Some(seq));
            }
            _ => {}
        }
    }

    /// Every key there was.
    pub fn all(&self) -> &[LogKey] {
        &self.0
    }

    /// The key of that id, if it is one of the log's.
    pub fn get(&self, id: KeyId) -> Option<&LogKey> {
        self.0.iter().find(|key| key.verifier_key.key().id() == id)
    }

    /// Whether revoking the key of that id would leave the log without one.
    pub(crate) fn is_last(&self, id: KeyId) -> bool {
        let mut in_force = self.0.iter().filter(|key| key.revoked_at.is_none());
        in_force.next().is_some_and(|key| key.verifier_key.key().id() == id) && in_force.next().is_none()
    }

    /// The keys with which a checkpoint over `size` records has to be signed, all of them.
    pub fn due(&self, size: TreeSize) -> impl Iterator<Item = &VerifierKey> {
        self.0.iter().filter(move |key| key.is_due(size)).map(|key| &key.verifier_key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_named_again_counts_once() {
        let key = |seed| {
            let secret = chain::SecretKey::from_bytes(&[seed; 32]);
            VerifierKey::new("log.example/t", secret.public()).unwrap()
        };
        let mut keys = LogKeys::of_opening(key(1));
        for _ in 0..2 {
            keys.name(key(2), Position(7));
        }
        assert_eq!(keys.due(TreeSize(8)).collect::<Vec<_>>(), [&key(1), &key(2)]);
    }

    #[test]
    fn a_key_is_due_from_the_record_that_names_it_to_the_one_that_revokes_it() {
        let secret = chain::SecretKey::from_bytes(&[1; 32]);
        let verifier_key = VerifierKey::new("log.example/t", secret.public()).unwrap();
        let check = |named_at, revoked_at: Option<u64>, due: &[u64], not: &[u64]| {
            let key = LogKey {
                verifier_key: verifier_key.clone(),
                named_at: Position(named_at),
                revoked_at: revoked_at.map(Position),
                is_a_persons: false,
            };
            for size in due {
                assert!(key.is_due(TreeSize(*size)), "{named_at} {revoked_at:?} {size}");
            }
            for size in not {
                assert!(!key.is_due(TreeSize(*size)), "{named_at} {revoked_at:?} {size}");
            }
        };
        check(0, None, &[0, 1, u64::MAX], &[]);
        check(0, Some(9), &[0, 1, 9], &[10, 11]);
        check(5, None, &[6, 7], &[0, 4, 5]);
        check(5, Some(6), &[6], &[5, 7]);
    }
}
