//! Subjects' text keys. Whoever has the file without the key-encryption key learns which subjects have a key and of
//! which site they are, but no key.

use std::fmt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension as _, params};

use crate::file::{self, Found, OpenError, Schema};
use crate::wrap::{Wrapped, Wrapper};

/// The schema this code reads and writes. The files of this kind bear no application's number, which is 0.
const SCHEMA: Schema = Schema { application: 0, version: 1, tables: TABLES };

const TABLES: &str = "
    CREATE TABLE kek (
        id INTEGER PRIMARY KEY CHECK (id = 1), nonce BLOB NOT NULL, probe BLOB NOT NULL
    ) STRICT;
    CREATE TABLE text_key (
        trial TEXT NOT NULL, subject TEXT NOT NULL, site TEXT NOT NULL,
        nonce BLOB NOT NULL, wrapped BLOB NOT NULL, PRIMARY KEY (trial, subject)
    ) STRICT, WITHOUT ROWID;";

/// What is sealed under the key-encryption key when the file is made, to tell a wrong one from a damaged file.
const PROBE: [u8; 32] = *b"trialbook text key store, v1 kek";

/// An open key store. May be opened by several processes at once.
pub struct Keep {
    connection: Mutex<Connection>,
    wrapper: Wrapper,
}

/// What became of a key that was put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutOutcome {
    /// It is stored, durably.
    Stored,
    /// The subject had this very key before.
    AlreadyThere,
}

/// A subject's text key. Its `Debug` never shows the key.
#[derive(Clone, PartialEq, Eq)]
pub struct TextKey {
    /// The site whose people may have it.
    pub site: String,
    /// The key.
    pub key: [u8; 32],
}

impl fmt::Debug for TextKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TextKey").field("site", &self.site).finish_non_exhaustive()
    }
}

impl fmt::Debug for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keep").finish_non_exhaustive()
    }
}

/// Why a text key was not stored.
#[derive(Debug, thiserror::Error)]
pub enum PutError {
    /// The subject has another key, or the same under another site; the first stays.
    #[error("subject {subject} of trial {trial} has another text key")]
    AnotherKey {
        /// The trial.
        trial: String,
        /// The subject.
        subject: String,
    },
    /// The stored key cannot be unwrapped, so it cannot be compared.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// SQLite failed; the key may or may not be stored, putting it again settles it.
    #[error("the key store could not be written")]
    Database(#[source] rusqlite::Error),
    /// The system gave no random bytes.
    #[error("the system gave no random bytes")]
    Random(#[source] getrandom::Error),
}

/// Why a text key could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The stored key does not open under the key-encryption key: the file was damaged or edited.
    #[error("the text key of subject {subject} of trial {trial} is damaged")]
    Damaged {
        /// The trial.
        trial: String,
        /// The subject.
        subject: String,
    },
    /// SQLite failed.
    #[error("the key store could not be read")]
    Database(#[source] rusqlite::Error),
}

impl Keep {
    /// Opens the key store at `path`, or makes it (mode 0600). `kek` is the key-encryption key, which the caller
    /// keeps elsewhere.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(path: &Path, kek: [u8; 32]) -> Result<Self, OpenError> {
        let wrapper = Wrapper::new(&kek);
        let connection = file::open(path, &SCHEMA, |transaction, found| {
            let database = |source| OpenError::Database { path: path.to_path_buf(), source };
            match found {
                Found::Empty => {
                    let probe = wrapper.wrap(&PROBE, b"kek").map_err(OpenError::Random)?;
                    transaction
                        .execute("INSERT INTO kek VALUES (1, ?1, ?2)", params![probe.nonce, probe.bytes])
                        .map_err(database)?;
                }
                Found::Tables => {
                    let probe = transaction
                        .query_row("SELECT nonce, probe FROM kek WHERE id = 1", [], |row| {
                            Ok(Wrapped { nonce: row.get(0)?, bytes: row.get(1)? })
                        })
                        .map_err(database)?;
                    if wrapper.unwrap(&probe, b"kek") != Some(PROBE) {
                        return Err(OpenError::WrongKey { path: path.to_path_buf() });
                    }
                }
            }
            Ok(())
        })?;
        Ok(Self { connection: Mutex::new(connection), wrapper })
    }

    /// Stores a subject's text key, once. Durable on return.
    ///
    /// # Errors
    /// [`PutError`].
    pub fn put_text_key(
        &self,
        trial: &str,
        subject: &str,
        site: &str,
        key: &[u8; 32],
    ) -> Result<PutOutcome, PutError> {
        let wrapped = self.wrapper.wrap(key, &associated(trial, subject, site)).map_err(PutError::Random)?;
        let stored = self
            .connection()
            .execute(
                "INSERT INTO text_key VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
                params![trial, subject, site, wrapped.nonce, wrapped.bytes],
            )
            .map_err(PutError::Database)?;
        if stored == 1 {
            return Ok(PutOutcome::Stored);
        }
        match self.text_key(trial, subject)? {
            Some(there) if there.site == site && there.key == *key => Ok(PutOutcome::AlreadyThere),
            _ => Err(PutError::AnotherKey { trial: trial.to_owned(), subject: subject.to_owned() }),
        }
    }

    /// A subject's text key, if it has one.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn text_key(&self, trial: &str, subject: &str) -> Result<Option<TextKey>, ReadError> {
        let row = self
            .connection()
            .query_row(
                "SELECT site, nonce, wrapped FROM text_key WHERE trial = ?1 AND subject = ?2",
                [trial, subject],
                |row| Ok((row.get(0)?, Wrapped { nonce: row.get(1)?, bytes: row.get(2)? })),
            )
            .optional()
            .map_err(ReadError::Database)?;
        let Some((site, wrapped)): Option<(String, _)> = row else { return Ok(None) };
        let key = self
            .wrapper
            .unwrap(&wrapped, &associated(trial, subject, &site))
            .ok_or_else(|| ReadError::Damaged { trial: trial.to_owned(), subject: subject.to_owned() })?;
        Ok(Some(TextKey { site, key }))
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        // Each use is one statement, so a panic cannot have left a transaction behind.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a wrapped key is bound to, so that it opens for no other subject, and an edited site is noticed.
fn associated(trial: &str, subject: &str, site: &str) -> Vec<u8> {
    format!("{trial}\n{subject}\n{site}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::PathBuf;
    use std::sync::Barrier;
    use std::thread;
    use tempfile::TempDir;

    const KEK: [u8; 32] = [1; 32];
    const KEY: [u8; 32] = [0xa5; 32];

    fn place() -> (TempDir, PathBuf) {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("keep.db");
        (dir, path)
    }

    fn nanjing(key: [u8; 32]) -> TextKey {
        TextKey { site: "CN-NJ".to_owned(), key }
    }

    #[test]
    fn a_key_is_found_again_after_reopening() {
        let (_dir, path) = place();
        let keep = Keep::open(&path, KEK).unwrap();
        assert_eq!(keep.text_key("lupus-msct", "S0007").unwrap(), None);
        assert_eq!(keep.put_text_key("lupus-msct", "S0007", "CN-NJ", &KEY).unwrap(), PutOutcome::Stored);
        drop(keep);
        let keep = Keep::open(&path, KEK).unwrap();
        assert_eq!(keep.text_key("lupus-msct", "S0007").unwrap(), Some(nanjing(KEY)));
        assert_eq!(keep.text_key("lupus-msct", "S0008").unwrap(), None);
        assert_eq!(keep.text_key("other", "S0007").unwrap(), None);
    }

    #[test]
    fn a_subjects_key_is_written_once() {
        let (_dir, path) = place();
        let keep = Keep::open(&path, KEK).unwrap();
        let put = |site, key| keep.put_text_key("t", "S1", site, key);
        assert_eq!(put("CN-NJ", &KEY).unwrap(), PutOutcome::Stored);
        assert_eq!(put("CN-NJ", &KEY).unwrap(), PutOutcome::AlreadyThere);
        assert!(matches!(put("CN-NJ", &[2; 32]), Err(PutError::AnotherKey { .. })));
        assert!(matches!(put("CN-SH", &KEY), Err(PutError::AnotherKey { .. })));
        assert_eq!(keep.text_key("t", "S1").unwrap(), Some(nanjing(KEY)));
        assert_eq!(keep.put_text_key("t", "S2", "CN-NJ", &[2; 32]).unwrap(), PutOutcome::Stored);
    }

    #[test]
    fn the_wrong_key_encryption_key_is_named_and_harms_nothing() {
        let (_dir, path) = place();
        Keep::open(&path, KEK).unwrap().put_text_key("t", "S1", "CN-NJ", &KEY).unwrap();
        let error = Keep::open(&path, [2; 32]).unwrap_err();
        assert!(matches!(&error, OpenError::WrongKey { .. }));
        assert!(error.to_string().contains("key-encryption key"), "{error}");
        assert_eq!(Keep::open(&path, KEK).unwrap().text_key("t", "S1").unwrap(), Some(nanjing(KEY)));
    }

    #[test]
    fn the_file_is_the_owners_alone_even_if_it_was_not() {
        let (_dir, path) = place();
        let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        drop(Keep::open(&path, KEK).unwrap());
        assert_eq!(mode(&path), 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        drop(Keep::open(&path, KEK).unwrap());
        assert_eq!(mode(&path), 0o600);
    }

    #[test]
    fn no_key_stands_in_the_file_or_in_debug_output() {
        let (_dir, path) = place();
        let keep = Keep::open(&path, KEK).unwrap();
        keep.put_text_key("t", "S1", "CN-NJ", &KEY).unwrap();
        let file = fs::read(&path).unwrap();
        assert!(!file.windows(8).any(|window| window == &KEY[..8] || window == &KEK[..8]));
        let shown = format!("{:?} {keep:?}", keep.text_key("t", "S1").unwrap().unwrap());
        assert!(shown.contains("CN-NJ") && !shown.contains("165") && !shown.contains("a5"), "{shown}");
    }

    #[test]
    fn synchronous_is_full_and_the_schema_is_stated() {
        let (_dir, path) = place();
        let keep = Keep::open(&path, KEK).unwrap();
        let pragma =
            |name| -> i64 { keep.connection().pragma_query_value(None, name, |row| row.get(0)).unwrap() };
        assert_eq!(pragma("synchronous"), 2);
        assert_eq!(pragma("user_version"), i64::from(SCHEMA.version));
    }

    /// Runs `statement` on the file behind the store's back and opens it again.
    fn edited(statement: &str) -> Result<Keep, OpenError> {
        let (_dir, path) = place();
        let keep = Keep::open(&path, KEK).unwrap();
        keep.put_text_key("t", "S1", "CN-NJ", &KEY).unwrap();
        keep.put_text_key("t", "S2", "CN-SH", &[2; 32]).unwrap();
        drop(keep);
        Connection::open(&path).unwrap().execute_batch(statement).unwrap();
        Keep::open(&path, KEK)
    }

    #[test]
    fn an_edited_row_gives_no_key() {
        for statement in [
            "UPDATE text_key SET site = 'CN-SH' WHERE subject = 'S1'",
            "UPDATE text_key SET (nonce, wrapped) =
                 (SELECT nonce, wrapped FROM text_key WHERE subject = 'S2') WHERE subject = 'S1'",
            "UPDATE text_key SET trial = 'u'",
            "UPDATE text_key SET wrapped = x'00' WHERE subject = 'S1'",
        ] {
            let keep = edited(statement).unwrap();
            let trial = if statement.contains("'u'") { "u" } else { "t" };
            assert!(matches!(keep.text_key(trial, "S1"), Err(ReadError::Damaged { .. })), "{statement}");
            let put = keep.put_text_key(trial, "S1", "CN-NJ", &KEY);
            assert!(matches!(put, Err(PutError::Read(ReadError::Damaged { .. }))), "{statement}");
        }
    }

    #[test]
    fn a_later_schema_and_another_programs_file_are_refused() {
        for (statement, version) in [("PRAGMA user_version = 2", 2), ("PRAGMA user_version = 0", 0)] {
            let error = edited(statement).unwrap_err();
            assert!(matches!(error, OpenError::Schema { found, .. } if found == version), "{error}");
        }
        let (_dir, path) = place();
        fs::copy("Cargo.toml", &path).unwrap();
        assert!(matches!(Keep::open(&path, KEK), Err(OpenError::Database { .. })));
    }

    #[test]
    fn of_many_that_open_and_put_at_once_one_key_wins_and_all_agree() {
        let (_dir, path) = place();
        let barrier = Barrier::new(8);
        let outcomes: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = (0..8_u8)
                .map(|n| {
                    let (path, barrier) = (&path, &barrier);
                    scope.spawn(move || {
                        barrier.wait();
                        let keep = Keep::open(path, KEK).unwrap();
                        keep.put_text_key("t", &format!("OWN-{n}"), "CN-NJ", &[n; 32]).unwrap();
                        match keep.put_text_key("t", "S1", "CN-NJ", &[n; 32]) {
                            Ok(outcome) => Some((outcome, n)),
                            Err(PutError::AnotherKey { .. }) => None,
                            Err(error) => panic!("{error}"),
                        }
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let winners: Vec<_> = outcomes.into_iter().flatten().collect();
        let [(PutOutcome::Stored, winner)] = winners[..] else { panic!("{winners:?}") };
        let keep = Keep::open(&path, KEK).unwrap();
        assert_eq!(keep.text_key("t", "S1").unwrap(), Some(nanjing([winner; 32])));
        for n in 0..8 {
            assert_eq!(keep.text_key("t", &format!("OWN-{n}")).unwrap(), Some(nanjing([n; 32])));
        }
    }
}
