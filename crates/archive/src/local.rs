//! A directory as the object store.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::Arc;

use object_store::local::LocalFileSystem;

use crate::{Archive, OpenError, TidyError};

pub(crate) fn open(directory: &Path) -> Result<Archive, OpenError> {
    let io = |op, source| OpenError::Io { op, path: directory.to_path_buf(), source };
    match DirBuilder::new().mode(0o700).create(directory) {
        // Its name too has to last; the store syncs only directories it makes itself.
        Ok(()) => sync_parent(directory).map_err(|source| io("syncing the directory", source))?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(source) => return Err(io("making the directory", source)),
    }
    let store = LocalFileSystem::new_with_prefix(directory)
        .map_err(|source| OpenError::Store { place: directory.display().to_string(), source })?
        .with_fsync(true)
        // Partial tiles have a directory of their own, which goes with the last of them.
        .with_automatic_cleanup(true);
    Ok(Archive { store: Arc::new(store), directory: Some(directory.into()) })
}

fn sync_parent(directory: &Path) -> io::Result<()> {
    let parent = directory.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

/// Removes every `NAME#NUMBER` below `directory`: what the store writes before it gives a file its name.
pub(crate) fn sweep(directory: &Path) -> Result<(), TidyError> {
    let io = |op, path: &Path, source| TidyError::Io { op, path: path.to_path_buf(), source };
    let mut below = vec![directory.to_path_buf()];
    while let Some(directory) = below.pop() {
        let entries = fs::read_dir(&directory).map_err(|source| io("reading", &directory, source))?;
        for entry in entries {
            let entry = entry.map_err(|source| io("reading", &directory, source))?;
            let kind = entry.file_type().map_err(|source| io("looking", &entry.path(), source))?;
            if kind.is_dir() {
                below.push(entry.path());
            } else if kind.is_file() && is_unfinished(&entry.file_name().to_string_lossy()) {
                fs::remove_file(entry.path()).map_err(|source| io("removing", &entry.path(), source))?;
            }
        }
    }
    Ok(())
}

fn is_unfinished(name: &str) -> bool {
    name.rsplit_once('#')
        .is_some_and(|(_, number)| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}
