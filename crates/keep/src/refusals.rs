//! What was refused lately, to whom: the last some thousand, for those who look after a registry. Not a record of the log,
//! and no place for secrets: it is handed ids and names.

use std::fmt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, Row, params};

use crate::file::{self, OpenError, Schema};

/// The schema this code reads and writes; the application's number reads `TBrf` in ASCII.
const SCHEMA: Schema = Schema { application: 0x5442_7266, version: 1, tables: TABLES };

const TABLES: &str = "
    CREATE TABLE refusal (
        id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, code TEXT NOT NULL, route TEXT NOT NULL, who TEXT,
        peer TEXT, times INTEGER NOT NULL
    ) STRICT;";

/// How many are kept: at some 120 bytes each, 1.2 MB.
const KEPT_MAX: i64 = 10_000;

/// Something that was refused. Times are microseconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// When, the first time.
    pub at: i64,
    /// The problem's code.
    pub code: String,
    /// Which route.
    pub route: String,
    /// Id of the token or name of the account, if it is a known one.
    pub who: Option<String>,
    /// The address it came from.
    pub peer: Option<String>,
    /// How often at about that time.
    pub times: i64,
}

/// The store of refusals failed.
#[derive(Debug, thiserror::Error)]
#[error("the store of refusals failed")]
pub struct RefusalError(#[source] rusqlite::Error);

/// An open store of refusals.
pub struct Refusals {
    connection: Mutex<Connection>,
    kept_max: i64,
}

impl fmt::Debug for Refusals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refusals").finish_non_exhaustive()
    }
}

impl Refusals {
    /// Opens the store at `path`, or makes it (mode 0600).
    ///
    /// # Errors
    /// [`OpenError`]; a store of another kind is refused.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let connection = file::open(path, &SCHEMA, |_, _| Ok(()))?;
        Ok(Self { connection: Mutex::new(connection), kept_max: KEPT_MAX })
    }

    /// Keeps some, and forgets the oldest of more than are kept. Durable on return.
    ///
    /// # Errors
    /// [`RefusalError`]; none of them is kept then.
    pub fn add(&self, refusals: &[Refusal]) -> Result<(), RefusalError> {
        let mut connection = self.connection();
        let transaction = connection.transaction().map_err(RefusalError)?;
        for Refusal { at, code, route, who, peer, times } in refusals {
            transaction
                .execute(
                    "INSERT INTO refusal (at, code, route, who, peer, times) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                    params![at, code, route, who, peer, times],
                )
                .map_err(RefusalError)?;
        }
        transaction
            .execute("DELETE FROM refusal WHERE id <= (SELECT max(id) FROM refusal) - ?1", [self.kept_max])
            .map_err(RefusalError)?;
        transaction.commit().map_err(RefusalError)
    }

    /// Those before the number `before`, the latest first with their numbers, at most `limit`.
    ///
    /// # Errors
    /// [`RefusalError`].
    pub fn before(&self, before: Option<u64>, limit: usize) -> Result<Vec<(u64, Refusal)>, RefusalError> {
        let before = before.and_then(|before| i64::try_from(before).ok()).unwrap_or(i64::MAX);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let connection = self.connection();
        let mut statement = connection
            .prepare_cached(
                "SELECT id, at, code, route, who, peer, times FROM refusal WHERE id < ?1 ORDER BY id DESC LIMIT ?2",
            )
            .map_err(RefusalError)?;
        let rows = statement.query_map([before, limit], read).map_err(RefusalError)?;
        rows.collect::<Result<_, _>>().map_err(RefusalError)
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        // A statement that a panic interrupted has changed nothing.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<(u64, Refusal)> {
    let id: i64 = row.get(0)?;
    let refusal = Refusal {
        at: row.get(1)?,
        code: row.get(2)?,
        route: row.get(3)?,
        who: row.get(4)?,
        peer: row.get(5)?,
        times: row.get(6)?,
    };
    Ok((id.unsigned_abs(), refusal))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(at: i64) -> Refusal {
        Refusal {
            at,
            code: "not-permitted".to_owned(),
            route: "GET /metrics".to_owned(),
            who: Some("1f".to_owned()),
            peer: None,
            times: 1,
        }
    }

    #[test]
    fn the_latest_are_kept_and_given_first_in_parts() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("refusals.sqlite");
        let mut refusals = Refusals::open(&path).unwrap();
        refusals.kept_max = 5;
        for at in 0..8 {
            refusals.add(&[refusal(at)]).unwrap();
        }
        drop(refusals);
        let refusals = Refusals::open(&path).unwrap();
        let (mut before, mut seen) = (None, Vec::new());
        loop {
            let part = refusals.before(before, 2).unwrap();
            let Some((last, _)) = part.last() else { break };
            before = Some(*last);
            seen.extend(part.into_iter().map(|(_, refusal)| refusal.at));
        }
        assert_eq!(seen, [7, 6, 5, 4, 3]);
    }
}
