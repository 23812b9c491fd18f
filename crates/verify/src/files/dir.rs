//! Files of a directory. Links are named, not followed; nothing is locked or changed.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::{Files, Listed};
use crate::source::SourceError;

/// Deepest directory that is looked into: `log/tile/entries/x…` with its seven groups of digits and a partial's `.p` is
/// eleven deep.
const DEPTH_MAX: usize = 16;

/// The files below a directory.
#[derive(Debug, Clone)]
pub struct DirFiles {
    root: PathBuf,
}

impl DirFiles {
    /// The files below `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }
}

/// Lists what is in `dir`, whose own path is `below`.
fn walk(dir: &Path, below: &str, depth: usize, out: &mut Vec<Listed>) -> Result<(), SourceError> {
    let failed = |error| SourceError::reading(&dir.display().to_string(), error);
    for entry in fs::read_dir(dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let path = format!("{below}{}", name.to_string_lossy());
        let kind = match entry.metadata() {
            // A file that a writer replaced or removed meanwhile was not there.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            kind => kind.map_err(failed)?,
        };
        if kind.is_dir() && depth < DEPTH_MAX && name.to_str().is_some() {
            walk(&entry.path(), &format!("{path}/"), depth + 1, out)?;
        } else {
            let length = (kind.is_file() && name.to_str().is_some()).then_some(kind.len());
            out.push(Listed { path, length });
        }
    }
    Ok(())
}

impl Files for DirFiles {
    fn list(&self) -> Result<Vec<Listed>, SourceError> {
        let mut out = Vec::new();
        walk(&self.root, "", 0, &mut out)?;
        out.sort_unstable();
        Ok(out)
    }

    fn open(&self, path: &str) -> Result<Option<Box<dyn Read + '_>>, SourceError> {
        let full = self.root.join(path);
        // Opening a pipe would wait for a writer.
        let opened = match fs::symlink_metadata(&full) {
            Ok(kind) if !kind.is_file() => return Ok(None),
            Ok(_) => File::open(&full),
            Err(error) => Err(error),
        };
        match opened {
            Ok(file) => Ok(Some(Box::new(file))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(SourceError::reading(path, error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_named_and_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| dir.path().join(path);
        fs::create_dir_all(at("tile/0")).unwrap();
        File::create(at("tile/0/000")).unwrap().set_len(7).unwrap();
        std::os::unix::fs::symlink("/etc", at("tile/1")).unwrap();
        std::os::unix::fs::symlink("tile/0/000", at("same")).unwrap();
        let files = DirFiles::new(dir.path());
        let listed = |path: &str, length| Listed { path: path.into(), length };
        assert_eq!(
            files.list().unwrap(),
            [listed("same", None), listed("tile/0/000", Some(7)), listed("tile/1", None)]
        );
        assert!(files.open("same").unwrap().is_none() && files.open("tile").unwrap().is_none());
        assert!(files.open("tile/0/001").unwrap().is_none());
        assert_eq!(super::super::read(&files, "tile/0/000", 3).unwrap().unwrap().len(), 4);
        let (digest, crc32) = super::super::digest(&files, "tile/0/000").unwrap().unwrap();
        assert_eq!((digest, crc32), (super::super::FileDigest::of(&[0; 7]), crc32fast::hash(&[0; 7])));
    }
}
