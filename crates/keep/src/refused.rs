//! Submissions that were refused lately: for a month, so that whoever signed them finds them on their work list. No record
//! of the log, and nothing of what they state but whom they are about.

use std::fmt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, Row, named_params};

use crate::file::{self, OpenError, Schema};

/// The schema this code reads and writes; the application's number reads `TBrs` in ASCII.
const SCHEMA: Schema = Schema { application: 0x5442_7273, version: 1, tables: TABLES };

const TABLES: &str = "
    CREATE TABLE refused (
        id INTEGER PRIMARY KEY AUTOINCREMENT, trial TEXT NOT NULL, event TEXT NOT NULL, at INTEGER NOT NULL,
        actor TEXT NOT NULL, kind TEXT NOT NULL, site TEXT, subject TEXT, code TEXT NOT NULL, title TEXT NOT NULL,
        detail TEXT NOT NULL, pointer TEXT NOT NULL, times INTEGER NOT NULL, UNIQUE (trial, event)
    ) STRICT;
    CREATE INDEX refused_of_site ON refused (trial, site, id);";

/// How many are kept: at some 400 bytes each, 4 MB.
const KEPT_MAX: i64 = 10_000;

/// How long they are kept, in microseconds: 30 days.
const KEPT_FOR: i64 = 30 * 86_400 * 1_000_000;

/// A submission that was refused. Times are microseconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedSubmission {
    /// When, the last time.
    pub at: i64,
    /// The event's trial.
    pub trial: String,
    /// The event's id.
    pub event: String,
    /// Who signed it.
    pub actor: String,
    /// Its kind.
    pub kind: String,
    /// The site whose work it is.
    pub site: Option<String>,
    /// The subject it is about.
    pub subject: Option<String>,
    /// The problem's code.
    pub code: String,
    /// What the code means.
    pub title: String,
    /// What exactly is the matter.
    pub detail: String,
    /// JSON pointer into the event; empty for the event as a whole.
    pub pointer: String,
    /// How often it was refused.
    pub times: i64,
}

/// Which are asked for.
#[derive(Debug, Clone, Copy)]
pub struct RefusedAsked<'a> {
    /// Of this trial.
    pub trial: &'a str,
    /// Of this site; of all and of none, if not given.
    pub site: Option<&'a str>,
    /// Before this number.
    pub before: Option<u64>,
    /// At most so many.
    pub limit: usize,
}

/// The store of refused submissions failed.
#[derive(Debug, thiserror::Error)]
#[error("the store of refused submissions failed")]
pub struct RefusedError(#[source] rusqlite::Error);

/// An open store of refused submissions.
pub struct RefusedSubmissions {
    connection: Mutex<Connection>,
    kept_max: i64,
}

impl fmt::Debug for RefusedSubmissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefusedSubmissions").finish_non_exhaustive()
    }
}

impl RefusedSubmissions {
    /// Opens the store at `path`, or makes it (mode 0600).
    ///
    /// # Errors
    /// [`OpenError`]; a store of another kind is refused.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let connection = file::open(path, &SCHEMA, |_, _| Ok(()))?;
        Ok(Self { connection: Mutex::new(connection), kept_max: KEPT_MAX })
    }

    /// Keeps some that were refused at `now`, each counted with its like: the same event of the same trial. Forgets those
    /// of more than a month ago, and the oldest of more than are kept. Durable on return.
    ///
    /// # Errors
    /// [`RefusedError`]; none of them is kept then.
    pub fn add(&self, refused: &[RefusedSubmission], now: i64) -> Result<(), RefusedError> {
        let mut connection = self.connection();
        let transaction = connection.transaction().map_err(RefusedError)?;
        for one in refused {
            transaction
                .execute(
                    "INSERT OR REPLACE INTO refused
                        (trial, event, at, actor, kind, site, subject, code, title, detail, pointer, times)
                     VALUES (:trial, :event, :at, :actor, :kind, :site, :subject, :code, :title, :detail, :pointer,
                        :times + coalesce((SELECT times FROM refused WHERE trial = :trial AND event = :event), 0))",
                    named_params! {
                        ":trial": one.trial, ":event": one.event, ":at": one.at, ":actor": one.actor, ":kind": one.kind,
                        ":site": one.site, ":subject": one.subject, ":code": one.code, ":title": one.title,
                        ":detail": one.detail, ":pointer": one.pointer, ":times": one.times,
                    },
                )
                .map_err(RefusedError)?;
        }
        transaction
            .execute(
                "DELETE FROM refused WHERE at < :since OR id <= (SELECT max(id) FROM refused) - :kept",
                named_params! { ":since": now - KEPT_FOR, ":kept": self.kept_max },
            )
            .map_err(RefusedError)?;
        transaction.commit().map_err(RefusedError)
    }

    /// Those asked for of the month before `now`, the latest first with their numbers.
    ///
    /// # Errors
    /// [`RefusedError`].
    pub fn lately(
        &self,
        asked: RefusedAsked<'_>,
        now: i64,
    ) -> Result<Vec<(u64, RefusedSubmission)>, RefusedError> {
        let before = asked.before.and_then(|before| i64::try_from(before).ok()).unwrap_or(i64::MAX);
        let connection = self.connection();
        let mut statement = connection
            .prepare_cached(
                "SELECT id, at, trial, event, actor, kind, site, subject, code, title, detail, pointer, times FROM refused
                 WHERE trial = :trial AND (:site IS NULL OR site = :site) AND id < :before AND at >= :since
                 ORDER BY id DESC LIMIT :limit",
            )
            .map_err(RefusedError)?;
        let rows = statement
            .query_map(
                named_params! {
                    ":trial": asked.trial, ":site": asked.site, ":before": before, ":since": now - KEPT_FOR,
                    ":limit": i64::try_from(asked.limit).unwrap_or(i64::MAX),
                },
                read,
            )
            .map_err(RefusedError)?;
        rows.collect::<Result<_, _>>().map_err(RefusedError)
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        // A statement that a panic interrupted has changed nothing.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<(u64, RefusedSubmission)> {
    let id: i64 = row.get("id")?;
    let refused = RefusedSubmission {
        at: row.get("at")?,
        trial: row.get("trial")?,
        event: row.get("event")?,
        actor: row.get("actor")?,
        kind: row.get("kind")?,
        site: row.get("site")?,
        subject: row.get("subject")?,
        code: row.get("code")?,
        title: row.get("title")?,
        detail: row.get("detail")?,
        pointer: row.get("pointer")?,
        times: row.get("times")?,
    };
    Ok((id.unsigned_abs(), refused))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRIAL: RefusedAsked<'_> = RefusedAsked { trial: "small", site: None, before: None, limit: 100 };

    fn refused(event: &str, site: Option<&str>, at: i64) -> RefusedSubmission {
        RefusedSubmission {
            at,
            trial: "small".to_owned(),
            event: event.to_owned(),
            actor: "li.wei".to_owned(),
            kind: "visit".to_owned(),
            site: site.map(str::to_owned),
            subject: Some("P1".to_owned()),
            code: "stale-amendment".to_owned(),
            title: "It amends what was amended since.".to_owned(),
            detail: "record 7".to_owned(),
            pointer: "/amends".to_owned(),
            times: 1,
        }
    }

    fn events(store: &RefusedSubmissions, asked: RefusedAsked<'_>, now: i64) -> Vec<String> {
        store.lately(asked, now).unwrap().into_iter().map(|(_, refused)| refused.event).collect()
    }

    #[test]
    fn the_latest_come_first_in_parts_and_of_one_site() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("refused.sqlite");
        let store = RefusedSubmissions::open(&path).unwrap();
        store.add(&[refused("a", Some("S01"), 1), refused("b", None, 1)], 1).unwrap();
        store.add(&[refused("c", Some("S02"), 2), refused("d", Some("S01"), 2)], 2).unwrap();
        store.add(&[RefusedSubmission { trial: "other".to_owned(), ..refused("a", None, 3) }], 3).unwrap();
        drop(store);
        let store = RefusedSubmissions::open(&path).unwrap();
        let (mut before, mut seen) = (None, Vec::new());
        loop {
            let part = store.lately(RefusedAsked { before, limit: 3, ..TRIAL }, 4).unwrap();
            let Some((last, _)) = part.last() else { break };
            before = Some(*last);
            seen.extend(part.into_iter().map(|(_, refused)| refused.event));
        }
        assert_eq!(seen, ["d", "c", "b", "a"]);
        assert_eq!(events(&store, RefusedAsked { site: Some("S01"), ..TRIAL }, 4), ["d", "a"]);
    }

    #[test]
    fn the_same_event_is_kept_once_as_it_was_refused_last() {
        let dir = tempfile::tempdir().unwrap();
        let store = RefusedSubmissions::open(&dir.path().join("refused.sqlite")).unwrap();
        store.add(&[refused("a", None, 1), refused("b", None, 1)], 1).unwrap();
        let again = RefusedSubmission { code: "key-revoked".to_owned(), ..refused("a", None, 2) };
        store.add(std::slice::from_ref(&again), 2).unwrap();
        let kept = store.lately(TRIAL, 3).unwrap();
        assert_eq!(kept[0].1, RefusedSubmission { times: 2, ..again });
        assert_eq!((kept.len(), kept[1].1.event.as_str()), (2, "b"));
    }

    #[test]
    fn a_month_and_so_many_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = RefusedSubmissions::open(&dir.path().join("refused.sqlite")).unwrap();
        store.add(&[refused("a", None, 0)], 0).unwrap();
        assert_eq!(events(&store, TRIAL, KEPT_FOR), ["a"]);
        assert!(events(&store, TRIAL, KEPT_FOR + 1).is_empty());
        store.kept_max = 2;
        store.add(&["b", "c", "d"].map(|event| refused(event, None, 1)), 1).unwrap();
        assert_eq!(events(&store, TRIAL, 1), ["d", "c"]);
    }
}
