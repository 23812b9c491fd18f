//! Bearer tokens: their hashes, and whom each was given to. No token can be read out of it.

use std::fmt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::file::{self, OpenError, Schema};

/// The schema this code reads and writes; the application's number reads `TBtk` in ASCII.
const SCHEMA: Schema = Schema { application: 0x5442_746b, version: 1, tables: TABLES };

const TABLES: &str = "
    CREATE TABLE token (
        id TEXT PRIMARY KEY, hash BLOB NOT NULL UNIQUE, role TEXT NOT NULL, trial TEXT, site TEXT, name TEXT,
        made_at INTEGER NOT NULL, expires_at INTEGER, revoked_at INTEGER
    ) STRICT, WITHOUT ROWID;";

const COLUMNS: &str = "id, role, trial, site, name, made_at, expires_at, revoked_at";

/// What is kept of a token beside its hash. Times are microseconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Its id, which is no secret.
    pub id: String,
    /// The holder's role.
    pub role: String,
    /// The one trial it is for.
    pub trial: Option<String>,
    /// The one site it is for.
    pub site: Option<String>,
    /// Whom it was given to.
    pub name: Option<String>,
    /// When it was made.
    pub made_at: i64,
    /// Until when it is good.
    pub expires_at: Option<i64>,
    /// Since when it is not good any more.
    pub revoked_at: Option<i64>,
}

/// The store of tokens failed.
#[derive(Debug, thiserror::Error)]
#[error("the store of tokens failed")]
pub struct TokenError(#[source] rusqlite::Error);

/// An open store of tokens. May be opened by several processes at once: what one has written the others read next.
pub struct Tokens {
    connection: Mutex<Connection>,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").finish_non_exhaustive()
    }
}

impl Tokens {
    /// Opens the store at `path`, or makes it (mode 0600).
    ///
    /// # Errors
    /// [`OpenError`]; a store of another kind is refused.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let connection = file::open(path, &SCHEMA, |_, _| Ok(()))?;
        Ok(Self { connection: Mutex::new(connection) })
    }

    /// Keeps a new token, under the SHA-256 of its text. Durable on return.
    ///
    /// # Errors
    /// The store failed, or has the id or the hash already.
    pub fn add(&self, token: &Token, hash: &[u8; 32]) -> Result<(), TokenError> {
        let Token { id, role, trial, site, name, made_at, expires_at, revoked_at } = token;
        self.connection()
            .execute(
                "INSERT INTO token (hash, id, role, trial, site, name, made_at, expires_at, revoked_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                params![hash, id, role, trial, site, name, made_at, expires_at, revoked_at],
            )
            .map(drop)
            .map_err(TokenError)
    }

    /// The token with this SHA-256, good or not.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn find(&self, hash: &[u8; 32]) -> Result<Option<Token>, TokenError> {
        // The index is searched for a hash: what the time it takes tells is about the hash, which names no token.
        let connection = self.connection();
        let mut statement = connection
            .prepare_cached(&format!("SELECT {COLUMNS} FROM token WHERE hash = ?1"))
            .map_err(TokenError)?;
        statement.query_row([hash], read).optional().map_err(TokenError)
    }

    /// The token with this id, good or not.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn named(&self, id: &str) -> Result<Option<Token>, TokenError> {
        let connection = self.connection();
        let mut statement = connection
            .prepare_cached(&format!("SELECT {COLUMNS} FROM token WHERE id = ?1"))
            .map_err(TokenError)?;
        statement.query_row([id], read).optional().map_err(TokenError)
    }

    /// Whether a token was ever kept here.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn any(&self) -> Result<bool, TokenError> {
        let connection = self.connection();
        let mut statement =
            connection.prepare_cached("SELECT EXISTS (SELECT 1 FROM token)").map_err(TokenError)?;
        statement.query_row([], |row| row.get(0)).map_err(TokenError)
    }

    /// All tokens, the oldest first; those that are not good any more too.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn list(&self) -> Result<Vec<Token>, TokenError> {
        let connection = self.connection();
        let mut statement = connection
            .prepare(&format!("SELECT {COLUMNS} FROM token ORDER BY made_at, id"))
            .map_err(TokenError)?;
        let rows = statement.query_map([], read).map_err(TokenError)?;
        rows.collect::<Result<_, _>>().map_err(TokenError)
    }

    /// Revokes the token with this id; the token, `None` if there is none. One that was revoked before stays as it is.
    /// Durable on return.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn revoke(&self, id: &str, at: i64) -> Result<Option<Token>, TokenError> {
        let connection = self.connection();
        connection
            .execute("UPDATE token SET revoked_at = ?2 WHERE id = ?1 AND revoked_at IS NULL", params![id, at])
            .map_err(TokenError)?;
        drop(connection);
        self.named(id)
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        // A statement that a panic interrupted has changed nothing.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<Token> {
    Ok(Token {
        id: row.get(0)?,
        role: row.get(1)?,
        trial: row.get(2)?,
        site: row.get(3)?,
        name: row.get(4)?,
        made_at: row.get(5)?,
        expires_at: row.get(6)?,
        revoked_at: row.get(7)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(id: &str, made_at: i64) -> Token {
        Token {
            id: id.to_owned(),
            role: "site".to_owned(),
            trial: Some("small".to_owned()),
            site: Some("S01".to_owned()),
            name: None,
            made_at,
            expires_at: Some(made_at + 10),
            revoked_at: None,
        }
    }

    #[test]
    fn a_token_is_found_by_its_hash_in_whichever_process_and_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tokens.sqlite");
        let (one, other) = (Tokens::open(&path).unwrap(), Tokens::open(&path).unwrap());
        assert!(!other.any().unwrap());
        one.add(&token("b", 2), &[2; 32]).unwrap();
        one.add(&token("a", 1), &[1; 32]).unwrap();
        assert!(other.any().unwrap());
        assert_eq!(other.find(&[1; 32]).unwrap(), Some(token("a", 1)));
        assert_eq!(other.find(&[3; 32]).unwrap(), None);
        assert_eq!(other.named("a").unwrap(), Some(token("a", 1)));
        drop((one, other));
        let ids: Vec<_> =
            Tokens::open(&path).unwrap().list().unwrap().into_iter().map(|token| token.id).collect();
        assert_eq!(ids, ["a", "b"]);
    }

    #[test]
    fn a_token_is_revoked_once_and_stays_so() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tokens.sqlite");
        let (one, other) = (Tokens::open(&path).unwrap(), Tokens::open(&path).unwrap());
        one.add(&token("a", 1), &[1; 32]).unwrap();
        one.add(&token("b", 1), &[2; 32]).unwrap();
        assert_eq!(other.revoke("a", 5).unwrap().unwrap().revoked_at, Some(5));
        assert_eq!(other.revoke("a", 7).unwrap().unwrap().revoked_at, Some(5));
        assert_eq!(one.find(&[1; 32]).unwrap().unwrap().revoked_at, Some(5));
        assert_eq!(one.find(&[2; 32]).unwrap().unwrap().revoked_at, None);
        assert_eq!(one.revoke("c", 5).unwrap(), None);
        assert!(one.any().unwrap());
    }

    #[test]
    fn an_id_or_a_hash_is_given_once() {
        let dir = tempfile::tempdir().unwrap();
        let tokens = Tokens::open(&dir.path().join("tokens.sqlite")).unwrap();
        tokens.add(&token("a", 1), &[1; 32]).unwrap();
        tokens.add(&token("a", 1), &[2; 32]).unwrap_err();
        tokens.add(&token("b", 1), &[1; 32]).unwrap_err();
        assert_eq!(tokens.list().unwrap().len(), 1);
    }

    #[test]
    fn a_store_of_another_kind_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("checkpoints.sqlite");
        drop(crate::Checkpoints::open(&path).unwrap());
        assert!(matches!(Tokens::open(&path), Err(OpenError::Schema { .. })));
    }
}
