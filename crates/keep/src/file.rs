//! An SQLite file for its owner alone, in which a commit that was reported done lasts.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, Transaction, TransactionBehavior};

/// How long a statement waits for another process that is writing; each writes for milliseconds.
const BUSY: Duration = Duration::from_secs(10);

/// What a file is for, as it says itself.
pub(crate) struct Schema {
    /// `application_id`: which of the stores it is.
    pub(crate) application: i32,
    /// `user_version`: the schema this code reads and writes, 1 or more.
    pub(crate) version: i32,
    /// What makes its tables.
    pub(crate) tables: &'static str,
}

/// Whether [`open`] made the tables or found them.
pub(crate) enum Found {
    /// They are new: nothing is in them.
    Empty,
    /// They were there.
    Tables,
}

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file could not be made, or its permissions not be narrowed.
    #[error("{op} failed on {path}")]
    Io {
        /// What was tried.
        op: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Not an SQLite database, or one that cannot be read.
    #[error("the store {path} cannot be read")]
    Database {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// Written by a later version, or for another purpose, or not by this program.
    #[error(
        "the store {path} is of kind {application} and schema {found}, not of those this program looks for"
    )]
    Schema {
        /// The file.
        path: PathBuf,
        /// The kind of store it states, 0 if none.
        application: i32,
        /// The schema it states, 0 if none.
        found: i32,
    },
    /// The key-encryption key is not the one the file was made with.
    #[error("the key-encryption key is not the one the key store {path} was made with")]
    WrongKey {
        /// The file.
        path: PathBuf,
    },
    /// The system gave no random bytes.
    #[error("the system gave no random bytes")]
    Random(#[source] getrandom::Error),
}

/// Copies a store, as it is after some whole transaction, to a file that must not exist (mode 0600); also beside a process
/// that writes it. Text keys in it stay wrapped.
///
/// # Errors
/// [`OpenError`].
pub fn copy(from: &Path, to: &Path) -> Result<(), OpenError> {
    let database = |source| OpenError::Database { path: from.to_path_buf(), source };
    let connection =
        Connection::open_with_flags(from, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(database)?;
    connection.busy_timeout(BUSY).map_err(database)?;
    let io = |op| move |source| OpenError::Io { op, path: to.to_path_buf(), source };
    // Made empty for its owner alone first: SQLite fills such a file, and no other.
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to).map_err(io("create"))?;
    connection.execute("VACUUM INTO ?1", [to.to_string_lossy()]).map_err(database)?;
    file.sync_all().map_err(io("sync"))
}

/// Opens the file at `path`, or makes it (mode 0600) with its tables, and lets `prepare` write to them or look at them, in
/// one transaction with the schema's number.
pub(crate) fn open(
    path: &Path,
    schema: &Schema,
    prepare: impl FnOnce(&Transaction<'_>, Found) -> Result<(), OpenError>,
) -> Result<Connection, OpenError> {
    make_private(path)?;
    let database = |source| OpenError::Database { path: path.to_path_buf(), source };
    let mut connection = Connection::open(path).map_err(database)?;
    connection.busy_timeout(BUSY).map_err(database)?;
    // A rollback journal, not WAL: little is written, and one file is easier to look after than three.
    connection.pragma_update(None, "journal_mode", "DELETE").map_err(database)?;
    connection.pragma_update(None, "synchronous", "FULL").map_err(database)?;
    connection.pragma_update(None, "secure_delete", "ON").map_err(database)?;

    // Immediate, so that of two processes that find no schema one waits and then finds the other's.
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(database)?;
    let pragma = |name| transaction.pragma_query_value(None, name, |row| row.get(0)).map_err(database);
    let (application, found): (i32, i32) = (pragma("application_id")?, pragma("user_version")?);
    let tables: i64 = transaction
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(database)?;
    if (application, found, tables) == (0, 0, 0) {
        transaction.execute_batch(schema.tables).map_err(database)?;
        prepare(&transaction, Found::Empty)?;
        transaction.pragma_update(None, "application_id", schema.application).map_err(database)?;
        transaction.pragma_update(None, "user_version", schema.version).map_err(database)?;
    } else if (application, found) == (schema.application, schema.version) {
        prepare(&transaction, Found::Tables)?;
    } else {
        return Err(OpenError::Schema { path: path.to_path_buf(), application, found });
    }
    transaction.commit().map_err(database)?;
    Ok(connection)
}

/// Makes the file before SQLite does, for the owner alone, and narrows it if it was there; SQLite gives its
/// rollback journal the same mode.
fn make_private(path: &Path) -> Result<(), OpenError> {
    let io = |op, source| OpenError::Io { op, path: path.to_path_buf(), source };
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(path)
        .map_err(|source| io("opening", source))?;
    let mode = file.metadata().map_err(|source| io("looking", source))?.permissions().mode();
    if mode & 0o077 != 0 {
        file.set_permissions(std::fs::Permissions::from_mode(0o600))
            .map_err(|source| io("narrowing the permissions", source))?;
    }
    // The name too has to last; SQLite syncs the directory only for files it made itself.
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent)
        .and_then(|directory| directory.sync_all())
        .map_err(|source| io("syncing the directory", source))
}
