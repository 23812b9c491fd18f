//! Persons whom an organisation vouched for, as far as something of them is kept here: the sessions of their browsers.
//! Their accounts, passwords and groups are the organisation's.
//!
//! That an organisation was ever asked stays in the file, so that a registry that once had one never stands open again.

use std::fmt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::file::{self, OpenError, Schema};

/// The schema this code reads and writes; the application's number reads `TBpe` in ASCII.
const SCHEMA: Schema = Schema { application: 0x5442_7065, version: 1, tables: TABLES };

const TABLES: &str = "
    CREATE TABLE issuer (issuer TEXT PRIMARY KEY, asked_since INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE session (
        hash BLOB PRIMARY KEY, issuer TEXT NOT NULL, client TEXT NOT NULL, subject TEXT NOT NULL, name TEXT NOT NULL,
        claim TEXT NOT NULL, value TEXT NOT NULL, made_at INTEGER NOT NULL, seen_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX session_name ON session (name);";

/// Who a person is, and for what they were let in, as their organisation says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Who vouches for them: the issuer's address.
    pub issuer: String,
    /// As what the registry is known to the issuer.
    pub client: String,
    /// What the issuer calls them, for ever and nobody else.
    pub subject: String,
    /// The name that is shown.
    pub name: String,
    /// The claim for which they were let in.
    pub claim: String,
    /// The value that it had.
    pub value: String,
}

/// A person's session. Times are microseconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonSession {
    /// Whose.
    pub person: Person,
    /// When it began.
    pub made_at: i64,
    /// When it was last used, as far as that was kept.
    pub seen_at: i64,
}

/// The store of persons failed.
#[derive(Debug, thiserror::Error)]
#[error("the store of persons failed")]
pub struct PersonError(#[source] rusqlite::Error);

/// An open store of persons. May be opened by several processes at once: what one has written the others read next.
pub struct Persons {
    connection: Mutex<Connection>,
}

impl fmt::Debug for Persons {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Persons").finish_non_exhaustive()
    }
}

impl Persons {
    /// Opens the store at `path`, or makes it (mode 0600).
    ///
    /// # Errors
    /// [`OpenError`]; a store of another kind is refused.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let connection = file::open(path, &SCHEMA, |_, _| Ok(()))?;
        Ok(Self { connection: Mutex::new(connection) })
    }

    /// Keeps that an issuer is asked from `at` on. Durable on return.
    ///
    /// # Errors
    /// [`PersonError`].
    pub fn ask(&self, issuer: &str, at: i64) -> Result<(), PersonError> {
        let asked = self.connection().execute(
            "INSERT INTO issuer (issuer, asked_since) VALUES (?1, ?2) ON CONFLICT (issuer) DO NOTHING",
            params![issuer, at],
        );
        asked.map(drop).map_err(PersonError)
    }

    /// Whether an issuer was ever asked.
    ///
    /// # Errors
    /// [`PersonError`].
    pub fn any(&self) -> Result<bool, PersonError> {
        let connection = self.connection();
        let mut statement =
            connection.prepare_cached("SELECT EXISTS (SELECT 1 FROM issuer)").map_err(PersonError)?;
        statement.query_row([], |row| row.get(0)).map_err(PersonError)
    }

    /// Keeps a new session under the SHA-256 of its secret, and forgets those that began before `forget_before`.
    /// Durable on return.
    ///
    /// # Errors
    /// The store failed, or has the hash already.
    pub fn enter(
        &self,
        hash: &[u8; 32],
        session: &PersonSession,
        forget_before: i64,
    ) -> Result<(), PersonError> {
        let PersonSession { person, made_at, seen_at } = session;
        let Person { issuer, client, subject, name, claim, value } = person;
        let mut connection = self.connection();
        let transaction = connection.transaction().map_err(PersonError)?;
        transaction
            .execute("DELETE FROM session WHERE made_at < ?1", [forget_before])
            .map_err(PersonError)?;
        transaction
            .execute(
                "INSERT INTO session (hash, issuer, client, subject, name, claim, value, made_at, seen_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                params![hash, issuer, client, subject, name, claim, value, made_at, seen_at],
            )
            .map_err(PersonError)?;
        transaction.commit().map_err(PersonError)
    }

    /// The session with this SHA-256.
    ///
    /// # Errors
    /// [`PersonError`].
    pub fn session(&self, hash: &[u8; 32]) -> Result<Option<PersonSession>, PersonError> {
        // As of tokens: what the time of the search tells is about a hash.
        let connection = self.connection();
        let mut statement = connection
            .prepare_cached(
                "SELECT issuer, client, subject, name, claim, value, made_at, seen_at FROM session WHERE hash = ?1",
            )
            .map_err(PersonError)?;
        statement.query_row([hash], read).optional().map_err(PersonError)
    }

    /// All sessions that are kept, the oldest first; those that were not used for too long too.
    ///
    /// # Errors
    /// [`PersonError`].
    pub fn sessions(&self) -> Result<Vec<PersonSession>, PersonError> {
        let connection = self.connection();
        let mut statement = connection
            .prepare(
                "SELECT issuer, client, subject, name, claim, value, made_at, seen_at FROM session
                 ORDER BY made_at, hash",
            )
            .map_err(PersonError)?;
        let rows = statement.query_map([], read).map_err(PersonError)?;
        rows.collect::<Result<_, _>>().map_err(PersonError)
    }

    /// Notes that a session is in use. Durable on return.
    ///
    /// # Errors
    /// [`PersonError`].
    pub fn seen(&self, hash: &[u8; 32], at: i64) -> Result<(), PersonError> {
        let connection = self.connection();
        let mut statement = connection
            .prepare_cached("UPDATE session SET seen_at = ?2 WHERE hash = ?1")
            .map_err(PersonError)?;
        statement.execute(params![hash, at]).map(drop).map_err(PersonError)
    }

    /// Ends a session. Durable on return.
    ///
    /// # Errors
    /// [`PersonError`].
    pub fn leave(&self, hash: &[u8; 32]) -> Result<(), PersonError> {
        let ended = self.connection().execute("DELETE FROM session WHERE hash = ?1", [hash]);
        ended.map(drop).map_err(PersonError)
    }

    /// Ends all sessions of the persons of a name; how many there were. Durable on return.
    ///
    /// # Errors
    /// [`PersonError`].
    pub fn sign_out(&self, name: &str) -> Result<usize, PersonError> {
        self.connection().execute("DELETE FROM session WHERE name = ?1", [name]).map_err(PersonError)
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        // A statement that a panic interrupted has changed nothing.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<PersonSession> {
    let person = Person {
        issuer: row.get(0)?,
        client: row.get(1)?,
        subject: row.get(2)?,
        name: row.get(3)?,
        claim: row.get(4)?,
        value: row.get(5)?,
    };
    Ok(PersonSession { person, made_at: row.get(6)?, seen_at: row.get(7)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(name: &str, made_at: i64) -> PersonSession {
        let text = str::to_owned;
        let person = Person {
            issuer: text("https://login.hospital.example"),
            client: text("trialbook"),
            subject: format!("subject of {name}"),
            name: text(name),
            claim: text("groups"),
            value: text("trial-desk"),
        };
        PersonSession { person, made_at, seen_at: made_at }
    }

    fn store() -> (tempfile::TempDir, Persons) {
        let dir = tempfile::tempdir().unwrap();
        let persons = Persons::open(&dir.path().join("organisation.sqlite")).unwrap();
        (dir, persons)
    }

    #[test]
    fn that_an_issuer_was_asked_is_kept_for_ever() {
        let (dir, persons) = store();
        assert!(!persons.any().unwrap());
        persons.ask("https://login.hospital.example", 1).unwrap();
        persons.ask("https://login.hospital.example", 2).unwrap();
        drop(persons);
        assert!(Persons::open(&dir.path().join("organisation.sqlite")).unwrap().any().unwrap());
    }

    #[test]
    fn a_persons_session_is_read_as_it_was_kept_and_ends_by_itself_or_with_all_of_a_name() {
        let (dir, persons) = store();
        for (hash, name) in [(1, "li.wei"), (2, "li.wei"), (3, "bo.wang"), (4, "bo.wang")] {
            persons.enter(&[hash; 32], &session(name, 10), 0).unwrap();
        }
        persons.enter(&[1; 32], &session("li.wei", 10), 0).unwrap_err();
        let other = Persons::open(&dir.path().join("organisation.sqlite")).unwrap();
        assert_eq!(other.session(&[1; 32]).unwrap(), Some(session("li.wei", 10)));
        persons.seen(&[1; 32], 17).unwrap();
        let seen = PersonSession { seen_at: 17, ..session("li.wei", 10) };
        assert_eq!(other.session(&[1; 32]).unwrap(), Some(seen));
        persons.leave(&[3; 32]).unwrap();
        assert_eq!(other.session(&[3; 32]).unwrap(), None);
        assert_eq!(persons.sign_out("li.wei").unwrap(), 2);
        assert_eq!(persons.sign_out("li.wei").unwrap(), 0);
        assert_eq!(other.session(&[2; 32]).unwrap(), None);
        assert_eq!(other.session(&[4; 32]).unwrap(), Some(session("bo.wang", 10)));
    }

    #[test]
    fn sessions_of_long_ago_are_forgotten_when_one_begins() {
        let (_dir, persons) = store();
        persons.enter(&[1; 32], &session("li.wei", 10), 0).unwrap();
        persons.enter(&[2; 32], &session("li.wei", 20), 20).unwrap();
        let there = [1, 2].map(|hash| persons.session(&[hash; 32]).unwrap().is_some());
        assert_eq!(there, [false, true]);
    }
}
