//! Accounts of people and the sessions of their browsers: hashes alone. Neither a password nor a session can be read out of
//! it.
//!
//! An account that is removed stays as a name, so that a registry that once had one never stands open again.

use std::fmt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::file::{self, OpenError, Schema};

/// The schema this code reads and writes; the application's number reads `TBac` in ASCII.
const SCHEMA: Schema = Schema { application: 0x5442_6163, version: 1, tables: TABLES };

const TABLES: &str = "
    CREATE TABLE account (
        name TEXT PRIMARY KEY, role TEXT NOT NULL, trial TEXT, site TEXT,
        salt BLOB NOT NULL, memory_kib INTEGER NOT NULL, passes INTEGER NOT NULL, hash BLOB NOT NULL,
        made_at INTEGER NOT NULL, removed_at INTEGER
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE session (
        hash BLOB PRIMARY KEY, account TEXT, token TEXT, made_at INTEGER NOT NULL, seen_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX session_account ON session (account);";

const COLUMNS: &str = "name, role, trial, site, salt, memory_kib, passes, hash, made_at, removed_at";

/// What is kept of a password.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash {
    /// What was hashed with it.
    pub salt: Vec<u8>,
    /// Memory that hashing takes, in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// The hash.
    pub hash: Vec<u8>,
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash")
    }
}

/// An account. Times are microseconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its name.
    pub name: String,
    /// The holder's role.
    pub role: String,
    /// The one trial it is for.
    pub trial: Option<String>,
    /// The one site it is for.
    pub site: Option<String>,
    /// Its password.
    pub password: PasswordHash,
    /// When it was made.
    pub made_at: i64,
    /// Since when it is not good any more.
    pub removed_at: Option<i64>,
}

/// Whose a session is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entrant {
    /// The account of this name.
    Account(String),
    /// The token with this id.
    Token(String),
}

/// A session. Times are microseconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Whose.
    pub entrant: Entrant,
    /// When it began.
    pub made_at: i64,
    /// When it was last used, as far as that was kept.
    pub seen_at: i64,
}

/// The store of accounts failed.
#[derive(Debug, thiserror::Error)]
#[error("the store of accounts failed")]
pub struct AccountError(#[source] rusqlite::Error);

/// An open store of accounts. May be opened by several processes at once: what one has written the others read next.
pub struct Accounts {
    connection: Mutex<Connection>,
}

impl fmt::Debug for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accounts").finish_non_exhaustive()
    }
}

impl Accounts {
    /// Opens the store at `path`, or makes it (mode 0600).
    ///
    /// # Errors
    /// [`OpenError`]; a store of another kind is refused.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let connection = file::open(path, &SCHEMA, |_, _| Ok(()))?;
        Ok(Self { connection: Mutex::new(connection) })
    }

    /// Keeps a new account; whether it did: not where there is one of that name. The name of one that was removed may be
    /// used again. Durable on return.
    ///
    /// # Errors
    /// [`AccountError`].
    pub fn add(&self, account: &Account) -> Result<bool, AccountError> {
        let Account { name, role, trial, site, password, made_at, removed_at } = account;
        let PasswordHash { salt, memory_kib, passes, hash } = password;
        let added = self.connection().execute(
            "INSERT INTO account (name, role, trial, site, salt, memory_kib, passes, hash, made_at, removed_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
             ON CONFLICT (name) DO UPDATE SET role = excluded.role, trial = excluded.trial, site = excluded.site,
                salt = excluded.salt, memory_kib = excluded.memory_kib, passes = excluded.passes,
                hash = excluded.hash, made_at = excluded.made_at, removed_at = excluded.removed_at
             WHERE account.removed_at IS NOT NULL",
            params![name, role, trial, site, salt, memory_kib, passes, hash, made_at, removed_at],
        );
        added.map(|rows| rows == 1).map_err(AccountError)
    }

    /// The account of this name, good or not.
    ///
    /// # Errors
    /// [`AccountError`].
    pub fn find(&self, name: &str) -> Result<Option<Account>, AccountError> {
        let connection = self.connection();
        let mut statement = connection
            .prepare_cached(&format!("SELECT {COLUMNS} FROM account WHERE name = ?1"))
            .map_err(AccountError)?;
        statement.query_row([name], read).optional().map_err(AccountError)
    }

    /// Whether an account was ever kept here.
    ///
    /// # Errors
    /// [`AccountError`].
    pub fn any(&self) -> Result<bool, AccountError> {
        let connection = self.connection();
        let mut statement =
            connection.prepare_cached("SELECT EXISTS (SELECT 1 FROM account)").map_err(AccountError)?;
        statement.query_row([], |row| row.get(0)).map_err(AccountError)
    }

    /// All accounts in the order of their names; those that are not good any more too.
    ///
    /// # Errors
    /// [`AccountError`].
    pub fn list(&self) -> Result<Vec<Account>, AccountError> {
        let connection = self.connection();
        let mut statement = connection
            .prepare(&format!("SELECT {COLUMNS} FROM account ORDER BY name"))
            .map_err(AccountError)?;
        let rows = statement.query_map([], read).map_err(AccountError)?;
        rows.collect::<Result<_, _>>().map_err(AccountError)
    }

    /// Exchanges an account's password and ends its sessions; whether there is such an account. Durable on return.
    ///
    /// # Errors
    /// [`AccountError`].
    pub fn set_password(&self, name: &str, password: &PasswordHash) -> Result<bool, AccountError> {
        let PasswordHash { salt, memory_kib, passes, hash } = password;
        self.change(
            name,
            "UPDATE account SET salt = ?2, memory_kib = ?3, passes = ?4, hash = ?5
             WHERE name = ?1 AND removed_at IS NULL",
            params![name, salt, memory_kib, passes, hash],
        )
    }

    /// Makes an account worthless, forgets its password and ends its sessions; whether there is such an account. Durable on
    /// return.
    ///
    /// # Errors
    /// [`AccountError`].
    pub fn remove(&self, name: &str, at: i64) -> Result<bool, AccountError> {
        self.change(
            name,
            "UPDATE account SET removed_at = ?2, salt = x'', hash = x'' WHERE name = ?1 AND removed_at IS NULL",
            params![name, at],
        )
    }

    /// Changes one account and ends its sessions, both or neither.
    fn change(
        &self,
        name: &str,
        statement: &str,
        parameters: &[&dyn rusqlite::ToSql],
    ) -> Result<bool, AccountError> {
        let mut connection = self.connection();
        let transaction = connection.transaction().map_err(AccountError)?;
        let changed = transaction.execute(statement, parameters).map_err(AccountError)? == 1;
        if changed {
            transaction.execute("DELETE FROM session WHERE account = ?1", [name]).map_err(AccountError)?;
        }
        transaction.commit().map_err(AccountError)?;
        Ok(changed)
    }

    /// Keeps a new session under the SHA-256 of its secret, and forgets those that began before `forget_before`. Durable on
    /// return.
    ///
    /// # Errors
    /// The store failed, or has the hash already.
    pub fn enter(&self, hash: &[u8; 32], session: &Session, forget_before: i64) -> Result<(), AccountError> {
        let (account, token) = match &session.entrant {
            Entrant::Account(name) => (Some(name), None),
            Entrant::Token(id) => (None, Some(id)),
        };
        let mut connection = self.connection();
        let transaction = connection.transaction().map_err(AccountError)?;
        transaction
            .execute("DELETE FROM session WHERE made_at < ?1", [forget_before])
            .map_err(AccountError)?;
        transaction
            .execute(
                "INSERT INTO session (hash, account, token, made_at, seen_at) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![hash, account, token, session.made_at, session.seen_at],
            )
            .map_err(AccountError)?;
        transaction.commit().map_err(AccountError)
    }

    /// The session with this SHA-256.
    ///
    /// # Errors
    /// [`AccountError`].
    pub fn session(&self, hash: &[u8; 32]) -> Result<Option<Session>, AccountError> {
        // As of tokens: what the time of the search tells is about a hash.
        let connection = self.connection();
        let mut statement = connection
            .prepare_cached("SELECT account, token, made_at, seen_at FROM session WHERE hash = ?1")
            .map_err(AccountError)?;
        Ok(statement.query_row([hash], read_session).optional().map_err(AccountError)?.flatten())
    }

    /// All sessions that are kept, the oldest first; those that were not used for too long too.
    ///
    /// # Errors
    /// [`AccountError`].
    pub fn sessions(&self) -> Result<Vec<Session>, AccountError> {
        let connection = self.connection();
        let mut statement = connection
            .prepare("SELECT account, token, made_at, seen_at FROM session ORDER BY made_at, hash")
            .map_err(AccountError)?;
        let rows = statement.query_map([], read_session).map_err(AccountError)?;
        rows.filter_map(Result::transpose).collect::<Result<_, _>>().map_err(AccountError)
    }

    /// Notes that a session is in use. Durable on return.
    ///
    /// # Errors
    /// [`AccountError`].
    pub fn seen(&self, hash: &[u8; 32], at: i64) -> Result<(), AccountError> {
        let connection = self.connection();
        let mut statement = connection
            .prepare_cached("UPDATE session SET seen_at = ?2 WHERE hash = ?1")
            .map_err(AccountError)?;
        statement.execute(params![hash, at]).map(drop).map_err(AccountError)
    }

    /// Ends a session. Durable on return.
    ///
    /// # Errors
    /// [`AccountError`].
    pub fn leave(&self, hash: &[u8; 32]) -> Result<(), AccountError> {
        let ended = self.connection().execute("DELETE FROM session WHERE hash = ?1", [hash]);
        ended.map(drop).map_err(AccountError)
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        // A statement that a panic interrupted has changed nothing.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `None`: a session of nobody, which no version writes.
fn read_session(row: &Row<'_>) -> rusqlite::Result<Option<Session>> {
    let (account, token): (Option<String>, Option<String>) = (row.get(0)?, row.get(1)?);
    let Some(entrant) = account.map(Entrant::Account).or(token.map(Entrant::Token)) else { return Ok(None) };
    Ok(Some(Session { entrant, made_at: row.get(2)?, seen_at: row.get(3)? }))
}

fn read(row: &Row<'_>) -> rusqlite::Result<Account> {
    Ok(Account {
        name: row.get(0)?,
        role: row.get(1)?,
        trial: row.get(2)?,
        site: row.get(3)?,
        password: PasswordHash {
            salt: row.get(4)?,
            memory_kib: row.get(5)?,
            passes: row.get(6)?,
            hash: row.get(7)?,
        },
        made_at: row.get(8)?,
        removed_at: row.get(9)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(byte: u8) -> PasswordHash {
        PasswordHash { salt: vec![byte; 16], memory_kib: 8, passes: 1, hash: vec![byte; 32] }
    }

    fn account(name: &str) -> Account {
        Account {
            name: name.to_owned(),
            role: "site".to_owned(),
            trial: Some("small".to_owned()),
            site: Some("S01".to_owned()),
            password: password(1),
            made_at: 1,
            removed_at: None,
        }
    }

    fn session(entrant: Entrant, made_at: i64) -> Session {
        Session { entrant, made_at, seen_at: made_at }
    }

    fn store() -> (tempfile::TempDir, Accounts) {
        let dir = tempfile::tempdir().unwrap();
        let accounts = Accounts::open(&dir.path().join("accounts.sqlite")).unwrap();
        (dir, accounts)
    }

    #[test]
    fn a_name_is_one_accounts_until_it_is_removed_and_a_store_that_had_one_says_so_for_ever() {
        let (dir, accounts) = store();
        assert!(!accounts.any().unwrap());
        assert!(accounts.add(&account("li.wei")).unwrap());
        assert!(!accounts.add(&account("li.wei")).unwrap());
        let other = Accounts::open(&dir.path().join("accounts.sqlite")).unwrap();
        assert_eq!(other.find("li.wei").unwrap(), Some(account("li.wei")));
        assert_eq!(other.find("nobody").unwrap(), None);
        assert!(other.remove("li.wei", 5).unwrap() && !other.remove("li.wei", 6).unwrap());
        let removed = accounts.find("li.wei").unwrap().unwrap();
        assert_eq!((removed.removed_at, removed.password.hash.is_empty()), (Some(5), true));
        assert!(accounts.any().unwrap() && !accounts.set_password("li.wei", &password(2)).unwrap());
        let again = Account { role: "operator".to_owned(), site: None, ..account("li.wei") };
        assert!(accounts.add(&again).unwrap());
        assert_eq!(accounts.list().unwrap(), [again]);
    }

    #[test]
    fn a_session_ends_when_it_is_left_or_its_password_changes_or_its_account_goes() {
        let (_dir, accounts) = store();
        for name in ["li.wei", "bo.wang"] {
            accounts.add(&account(name)).unwrap();
        }
        let of = |name: &str| session(Entrant::Account(name.to_owned()), 10);
        let token = session(Entrant::Token("1f".to_owned()), 10);
        for (hash, session) in [(1, of("li.wei")), (2, of("li.wei")), (3, of("bo.wang")), (4, token.clone())]
        {
            accounts.enter(&[hash; 32], &session, 0).unwrap();
        }
        accounts.seen(&[4; 32], 17).unwrap();
        assert_eq!(accounts.session(&[4; 32]).unwrap(), Some(Session { seen_at: 17, ..token }));
        accounts.leave(&[1; 32]).unwrap();
        assert_eq!(accounts.session(&[1; 32]).unwrap(), None);
        assert_eq!(accounts.session(&[2; 32]).unwrap(), Some(of("li.wei")));
        assert!(accounts.set_password("li.wei", &password(2)).unwrap());
        assert_eq!(accounts.session(&[2; 32]).unwrap(), None);
        assert!(accounts.session(&[3; 32]).unwrap().is_some());
        assert!(accounts.remove("bo.wang", 20).unwrap());
        assert_eq!(accounts.session(&[3; 32]).unwrap(), None);
        assert!(accounts.session(&[4; 32]).unwrap().is_some());
    }

    #[test]
    fn sessions_of_long_ago_are_forgotten_when_one_begins() {
        let (_dir, accounts) = store();
        let of = |made_at| session(Entrant::Account("li.wei".to_owned()), made_at);
        accounts.enter(&[1; 32], &of(10), 0).unwrap();
        accounts.enter(&[2; 32], &of(20), 0).unwrap();
        accounts.enter(&[3; 32], &of(30), 20).unwrap();
        let there: Vec<_> = [1, 2, 3].map(|hash| accounts.session(&[hash; 32]).unwrap().is_some()).into();
        assert_eq!(there, [false, true, true]);
        accounts.enter(&[3; 32], &of(30), 0).unwrap_err();
    }
}
