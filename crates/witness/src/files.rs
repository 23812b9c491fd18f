//! Small files that are there whole or not at all, and last once they are reported written.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// A file that could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{op} failed on {path}")]
pub struct FileError {
    /// What was tried.
    pub op: &'static str,
    /// On what.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

/// What became of a file that must not be overwritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Created {
    /// It is there now.
    Now,
    /// One of that name was there already.
    Before,
}

fn failed(op: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FileError {
    move |source| FileError { op, path: path.to_path_buf(), source }
}

/// Makes a directory for its owner alone, if it is not there, and its name durable.
pub(crate) fn make_directory(path: &Path) -> Result<(), FileError> {
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => sync_parent(path),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(failed("making the directory", path)(error)),
    }
}

/// A file's bytes, at most `bytes_max` and one more, which shows that there are too many; none if it is not there.
pub(crate) fn read(path: &Path, bytes_max: usize) -> Result<Option<Vec<u8>>, FileError> {
    let mut bytes = Vec::new();
    let read = File::open(path)
        .and_then(|file| io::Read::read_to_end(&mut io::Read::take(file, bytes_max as u64 + 1), &mut bytes));
    match read {
        Ok(_) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("reading", path)(error)),
    }
}

/// Writes a file, unless one of its name is there, which then stays as it is. Durable on return.
pub(crate) fn create(path: &Path, bytes: &[u8]) -> Result<Created, FileError> {
    let beside = write_beside(path, bytes)?;
    // A link, unlike a renaming, never takes the place of what is there.
    let linked = fs::hard_link(&beside, path);
    fs::remove_file(&beside).map_err(failed("removing", &beside))?;
    match linked {
        Ok(()) => sync_parent(path).map(|()| Created::Now),
        // Its name may be from a writer that was cut off before it was durable.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            sync_parent(path).map(|()| Created::Before)
        }
        Err(error) => Err(failed("linking", path)(error)),
    }
}

/// Writes a file in place of an earlier one, if there is one: a crash leaves the one or the other. Durable on return.
#[expect(clippy::disallowed_methods, reason = "written beside, synced, renamed, and the directory synced")]
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let beside = write_beside(path, bytes)?;
    fs::rename(&beside, path).map_err(failed("renaming to", path))?;
    sync_parent(path)
}

/// Behind the name of a file while it is written.
const UNFINISHED: &str = ".unfinished";

/// Whether a name is of what a write that was cut off has left.
pub(crate) fn is_unfinished(path: &Path) -> bool {
    path.to_string_lossy().ends_with(UNFINISHED)
}

/// Writes and syncs the bytes under another name. What a crash leaves of it, the next writer of the same file overwrites.
fn write_beside(path: &Path, bytes: &[u8]) -> Result<PathBuf, FileError> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(UNFINISHED);
    let beside = PathBuf::from(beside);
    let write = || {
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(failed("writing", &beside))?;
    Ok(beside)
}

/// Makes a name durable.
fn sync_parent(path: &Path) -> Result<(), FileError> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent).and_then(|directory| directory.sync_all()).map_err(failed("syncing", parent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_created_once_and_replaced_as_often_as_wanted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        assert!(read(&path, 9).unwrap().is_none());
        assert_eq!(create(&path, b"one").unwrap(), Created::Now);
        assert_eq!(create(&path, b"two").unwrap(), Created::Before);
        assert_eq!(read(&path, 9).unwrap().unwrap(), b"one");
        replace(&path, b"three").unwrap();
        assert_eq!(read(&path, 9).unwrap().unwrap(), b"three");
        assert_eq!(read(&path, 3).unwrap().unwrap(), b"thre");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_a_crash_left_beside_is_in_nobodys_way() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        File::create(dir.path().join("a.unfinished")).unwrap().write_all(b"longer than that").unwrap();
        assert_eq!(create(&path, b"one").unwrap(), Created::Now);
        assert_eq!(read(&path, 99).unwrap().unwrap(), b"one");
    }
}
