//! Last checkpoints: what a notary has signed and had witnessed, what a witness has cosigned, and nothing earlier.

use std::fmt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};

use crate::file::{self, OpenError, Schema};

/// The schema this code reads and writes; the application's number reads `TBcp` in ASCII.
const SCHEMA: Schema = Schema { application: 0x5442_6370, version: 1, tables: TABLES };

const TABLES: &str = "
    CREATE TABLE checkpoint (
        origin TEXT NOT NULL, purpose TEXT NOT NULL,
        size INTEGER NOT NULL, root BLOB NOT NULL, note BLOB NOT NULL, PRIMARY KEY (origin, purpose)
    ) STRICT, WITHOUT ROWID;";

/// What somebody has put their name to last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// What our notary has signed.
    Signed,
    /// What our notary has signed and as many witnesses as its policy asks for have cosigned.
    Witnessed,
    /// What our witness has cosigned.
    Cosigned,
}

impl Purpose {
    fn as_str(self) -> &'static str {
        match self {
            Self::Signed => "signed",
            Self::Witnessed => "witnessed",
            Self::Cosigned => "cosigned",
        }
    }
}

/// A checkpoint as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// How many records, below 2^63.
    pub size: u64,
    /// The tree's root over them.
    pub root: [u8; 32],
    /// The note, with the signatures it had when it was kept.
    pub note: Vec<u8>,
}

impl Kept {
    fn state(&self) -> (u64, [u8; 32]) {
        (self.size, self.root)
    }
}

/// Why the last checkpoint was not replaced.
#[derive(Debug, thiserror::Error)]
pub enum AdvanceError {
    /// Another one is the last: somebody else has advanced, or the store is not the one it was.
    #[error("the last checkpoint is of size {}, which was not expected", .actual.as_ref().map_or(0, |kept| kept.size))]
    Conflict {
        /// The one that is kept; none if there is none.
        actual: Option<Kept>,
    },
    /// The new one is smaller than the last, or as large with another root: it is never kept, whoever asks.
    #[error("a checkpoint of size {new} does not continue the last one, of size {last}")]
    NoContinuation {
        /// Size of the last one.
        last: u64,
        /// Size of the new one.
        new: u64,
    },
    /// A size of 2^63 or more.
    #[error("a checkpoint of size {size} cannot be kept")]
    TooLarge {
        /// The size.
        size: u64,
    },
    /// The store failed; whether the new one is kept, asking for the last one settles.
    #[error(transparent)]
    Store(#[from] CheckpointError),
}

/// Why the last checkpoint could not be told.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// A row is not of the form that is written here.
    #[error("the last checkpoint kept for {origin} is damaged")]
    Damaged {
        /// The log.
        origin: String,
    },
    /// SQLite failed.
    #[error("the store of last checkpoints failed")]
    Database(#[source] rusqlite::Error),
}

/// An open store of last checkpoints. May be opened by several processes at once; needs no key.
pub struct Checkpoints {
    connection: Mutex<Connection>,
}

impl fmt::Debug for Checkpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checkpoints").finish_non_exhaustive()
    }
}

impl Checkpoints {
    /// Opens the store at `path`, or makes it (mode 0600).
    ///
    /// # Errors
    /// [`OpenError`]; a store of text keys is refused.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let connection = file::open(path, &SCHEMA, |_, _| Ok(()))?;
        Ok(Self { connection: Mutex::new(connection) })
    }

    /// The last checkpoint of a log, if there is one.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn last(&self, origin: &str, purpose: Purpose) -> Result<Option<Kept>, CheckpointError> {
        last(&self.connection(), origin, purpose)
    }

    /// Keeps `new` in place of the checkpoint of size and root `expected`; none if none is expected. Durable on return.
    /// Of several that expect the same one, one succeeds, in whichever process.
    ///
    /// # Errors
    /// [`AdvanceError`]; but for [`AdvanceError::Store`], the last one is then what it was.
    pub fn advance(
        &self,
        origin: &str,
        purpose: Purpose,
        expected: Option<(u64, [u8; 32])>,
        new: &Kept,
    ) -> Result<(), AdvanceError> {
        let size = i64::try_from(new.size).map_err(|_| AdvanceError::TooLarge { size: new.size })?;
        let mut connection = self.connection();
        let transaction = begin(&mut connection)?;
        let actual = last(&transaction, origin, purpose)?;
        if actual.as_ref().map(Kept::state) != expected {
            return Err(AdvanceError::Conflict { actual });
        }
        if let Some((last, root)) = expected
            && (new.size < last || (new.size == last && new.root != root))
        {
            return Err(AdvanceError::NoContinuation { last, new: new.size });
        }
        transaction
            .execute(
                "INSERT OR REPLACE INTO checkpoint VALUES (?1, ?2, ?3, ?4, ?5)",
                params![origin, purpose.as_str(), size, new.root, new.note],
            )
            .and_then(|_| transaction.commit())
            .map_err(|source| AdvanceError::Store(CheckpointError::Database(source)))
    }

    /// Does `act` with the last checkpoint, while nobody, in whichever process, can advance from it: for what must not
    /// happen after somebody else has gone on. Others wait meanwhile, at most ten seconds: `act` is to be short.
    ///
    /// # Errors
    /// [`CheckpointError`]; `act` was then not called.
    pub fn while_last<T>(
        &self,
        origin: &str,
        purpose: Purpose,
        act: impl FnOnce(Option<Kept>) -> T,
    ) -> Result<T, CheckpointError> {
        let mut connection = self.connection();
        let transaction = begin(&mut connection)?;
        let last = last(&transaction, origin, purpose)?;
        // Dropped afterwards, the transaction is rolled back; it has written nothing.
        Ok(act(last))
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        // A transaction is rolled back when a panic drops it, so the next one finds nothing half done.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Immediate: whoever reads the last checkpoint in order to replace it must be the only one.
fn begin(connection: &mut Connection) -> Result<Transaction<'_>, CheckpointError> {
    connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(CheckpointError::Database)
}

fn last(connection: &Connection, origin: &str, purpose: Purpose) -> Result<Option<Kept>, CheckpointError> {
    let row: Option<(i64, Vec<u8>, Vec<u8>)> = connection
        .query_row(
            "SELECT size, root, note FROM checkpoint WHERE origin = ?1 AND purpose = ?2",
            [origin, purpose.as_str()],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .optional()
        .map_err(CheckpointError::Database)?;
    let Some((size, root, note)) = row else { return Ok(None) };
    match (u64::try_from(size), root.try_into()) {
        (Ok(size), Ok(root)) => Ok(Some(Kept { size, root, note })),
        _ => Err(CheckpointError::Damaged { origin: origin.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Keep;
    use std::path::PathBuf;
    use std::sync::Barrier;
    use std::thread;
    use tempfile::TempDir;

    const LOG: &str = "log.example/t";

    fn place() -> (TempDir, PathBuf) {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("checkpoints.sqlite");
        (dir, path)
    }

    fn kept(size: u64, root: u8) -> Kept {
        Kept { size, root: [root; 32], note: format!("note {size} {root}").into_bytes() }
    }

    #[test]
    fn the_last_checkpoint_is_found_again_after_reopening() {
        let (_dir, path) = place();
        let store = Checkpoints::open(&path).unwrap();
        assert_eq!(store.last(LOG, Purpose::Signed).unwrap(), None);
        store.advance(LOG, Purpose::Signed, None, &kept(1, 1)).unwrap();
        store.advance(LOG, Purpose::Signed, Some((1, [1; 32])), &kept(5, 5)).unwrap();
        drop(store);
        let store = Checkpoints::open(&path).unwrap();
        assert_eq!(store.last(LOG, Purpose::Signed).unwrap(), Some(kept(5, 5)));
    }

    #[test]
    fn logs_and_purposes_do_not_mix() {
        let (_dir, path) = place();
        let store = Checkpoints::open(&path).unwrap();
        store.advance(LOG, Purpose::Signed, None, &kept(3, 3)).unwrap();
        store.advance(LOG, Purpose::Witnessed, None, &kept(2, 2)).unwrap();
        store.advance(LOG, Purpose::Cosigned, None, &kept(1, 1)).unwrap();
        store.advance("log.example/u", Purpose::Signed, None, &kept(4, 4)).unwrap();
        let size = |origin, purpose| store.last(origin, purpose).unwrap().map(|kept| kept.size);
        assert_eq!(size(LOG, Purpose::Signed), Some(3));
        assert_eq!(size(LOG, Purpose::Witnessed), Some(2));
        assert_eq!(size(LOG, Purpose::Cosigned), Some(1));
        assert_eq!(size("log.example/u", Purpose::Signed), Some(4));
        assert_eq!(size("log.example/u", Purpose::Witnessed), None);
    }

    #[test]
    fn what_is_not_expected_is_named_and_stays() {
        let (_dir, path) = place();
        let store = Checkpoints::open(&path).unwrap();
        let advance = |expected, new: &Kept| store.advance(LOG, Purpose::Signed, expected, new);
        let conflict = advance(Some((1, [1; 32])), &kept(2, 2)).unwrap_err();
        assert!(matches!(conflict, AdvanceError::Conflict { actual: None }));
        advance(None, &kept(4, 4)).unwrap();
        for expected in [None, Some((3, [4; 32])), Some((4, [3; 32]))] {
            let conflict = advance(expected, &kept(5, 5)).unwrap_err();
            assert!(
                matches!(conflict, AdvanceError::Conflict { actual: Some(actual) } if actual == kept(4, 4))
            );
        }
        assert_eq!(store.last(LOG, Purpose::Signed).unwrap(), Some(kept(4, 4)));
    }

    #[test]
    fn a_checkpoint_never_goes_back_nor_changes_its_root() {
        let (_dir, path) = place();
        let store = Checkpoints::open(&path).unwrap();
        let advance = |expected, new: &Kept| store.advance(LOG, Purpose::Cosigned, expected, new);
        advance(None, &kept(4, 4)).unwrap();
        for new in [kept(3, 3), kept(4, 5)] {
            let refused = advance(Some((4, [4; 32])), &new).unwrap_err();
            assert!(matches!(refused, AdvanceError::NoContinuation { last: 4, .. }), "{refused}");
        }
        // A note with more signatures over the same tree is a continuation.
        let more = Kept { note: b"more".to_vec(), ..kept(4, 4) };
        advance(Some((4, [4; 32])), &more).unwrap();
        assert_eq!(store.last(LOG, Purpose::Cosigned).unwrap(), Some(more));
        assert!(matches!(advance(Some((4, [4; 32])), &kept(1 << 63, 1)), Err(AdvanceError::TooLarge { .. })));
    }

    #[test]
    fn of_many_that_advance_from_the_same_checkpoint_one_wins() {
        let (_dir, path) = place();
        Checkpoints::open(&path).unwrap().advance(LOG, Purpose::Signed, None, &kept(1, 1)).unwrap();
        let barrier = Barrier::new(8);
        let won: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = (2..10_u8)
                .map(|n| {
                    let (path, barrier) = (&path, &barrier);
                    scope.spawn(move || {
                        let store = Checkpoints::open(path).unwrap();
                        barrier.wait();
                        match store.advance(LOG, Purpose::Signed, Some((1, [1; 32])), &kept(n.into(), n)) {
                            Ok(()) => Some(n),
                            Err(AdvanceError::Conflict { actual: Some(_) }) => None,
                            Err(error) => panic!("{error}"),
                        }
                    })
                })
                .collect();
            threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
        });
        let [winner] = won[..] else { panic!("{won:?}") };
        let last = Checkpoints::open(&path).unwrap().last(LOG, Purpose::Signed).unwrap();
        assert_eq!(last, Some(kept(winner.into(), winner)));
    }

    #[test]
    fn nobody_advances_while_the_last_one_is_held() {
        let (_dir, path) = place();
        let (holder, other) = (Checkpoints::open(&path).unwrap(), Checkpoints::open(&path).unwrap());
        holder.advance(LOG, Purpose::Signed, None, &kept(1, 1)).unwrap();
        // Waiting would last as long as the holder holds.
        other.connection().busy_timeout(std::time::Duration::ZERO).unwrap();
        let go_on = || other.advance(LOG, Purpose::Signed, Some((1, [1; 32])), &kept(2, 2));
        let (held, blocked) = holder.while_last(LOG, Purpose::Signed, |last| (last, go_on())).unwrap();
        assert_eq!(held, Some(kept(1, 1)));
        assert!(matches!(blocked, Err(AdvanceError::Store(CheckpointError::Database(_)))));
        go_on().unwrap();
        assert_eq!(holder.last(LOG, Purpose::Signed).unwrap(), Some(kept(2, 2)));
    }

    #[test]
    fn synchronous_is_full_and_a_store_of_another_kind_is_refused() {
        let (dir, path) = place();
        let store = Checkpoints::open(&path).unwrap();
        let full: i64 = store.connection().pragma_query_value(None, "synchronous", |row| row.get(0)).unwrap();
        assert_eq!(full, 2);
        assert!(matches!(Keep::open(&path, [1; 32]), Err(OpenError::Schema { found: 1, .. })));
        let keys = dir.path().join("keep.sqlite");
        drop(Keep::open(&keys, [1; 32]).unwrap());
        let refused = Checkpoints::open(&keys).unwrap_err();
        assert!(matches!(refused, OpenError::Schema { application: 0, found: 1, .. }), "{refused}");
    }

    #[test]
    fn a_damaged_row_is_named() {
        let (_dir, path) = place();
        let store = Checkpoints::open(&path).unwrap();
        store.advance(LOG, Purpose::Signed, None, &kept(1, 1)).unwrap();
        for damage in ["UPDATE checkpoint SET root = x'00'", "UPDATE checkpoint SET size = -1"] {
            store.connection().execute_batch(damage).unwrap();
            let error = store.last(LOG, Purpose::Signed).unwrap_err();
            assert!(matches!(error, CheckpointError::Damaged { .. }), "{damage}");
            assert!(store.advance(LOG, Purpose::Signed, None, &kept(2, 2)).is_err(), "{damage}");
        }
    }
}
