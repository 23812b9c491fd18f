//! The mirror's directory.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use archive::{Archive, GetError, OpenError, PutError, TidyError};
use chain::checkpoint::SignedCheckpoint;
use chain::hash::to_hex;
use chain::note::{NOTE_BYTES_MAX, VerifierKey};
use chain::tile::{TilePath, tiles_needed};
use chain::tree::Node;
use chain::{Position, RecordHash, TreeSize};

use super::error::MirrorOpenError;
use super::tiles::Tiles;
use crate::evidence::{Evidence, EvidenceError};
use crate::files::{self, FileError};

/// Longest `scope` file, in bytes: `site ` and 32 letters, and room.
const SCOPE_BYTES_MAX: usize = 64;

/// Why the directory could not be read or written. What was written before stays good.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// The archive in it could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A file of the archive could not be read.
    #[error(transparent)]
    Get(#[from] GetError),
    /// A file of the archive could not be written, or is there with other bytes.
    #[error(transparent)]
    Put(#[from] PutError),
    /// Files of the archive could not be listed or removed.
    #[error(transparent)]
    Tidy(#[from] TidyError),
    /// Another file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// Evidence could not be kept.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
}

/// The directory, locked.
pub(super) struct Disk {
    root: PathBuf,
    archive: Archive,
    forks: Evidence,
    _lock: File,
    /// Asked before each write, so that tests can cut the mirror off there.
    #[cfg(test)]
    pub(super) before_write: Box<dyn Fn() -> std::io::Result<()> + Send + Sync>,
}

impl Disk {
    pub(super) async fn open(root: &Path) -> Result<Self, MirrorOpenError> {
        let disk = |error: FileError| MirrorOpenError::Disk(error.into());
        files::make_directory(root).map_err(disk)?;
        let path = root.join("lock");
        let failed = |op, source| disk(FileError { op, path: path.clone(), source });
        let lock = File::create(&path).map_err(|source| failed("opening", source))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(MirrorOpenError::InUse { directory: root.to_path_buf() });
            }
            Err(TryLockError::Error(source)) => return Err(failed("locking", source)),
        }
        let archive = Archive::local(&root.join("log")).map_err(DiskError::from)?;
        archive.sweep().await.map_err(DiskError::from)?;
        for name in ["faults", "cosignatures"] {
            files::make_directory(&root.join(name)).map_err(disk)?;
        }
        Ok(Self {
            forks: Evidence::open(&root.join("forks")).map_err(DiskError::from)?,
            root: root.to_path_buf(),
            archive,
            _lock: lock,
            #[cfg(test)]
            before_write: Box::new(|| Ok(())),
        })
    }

    #[cfg(test)]
    fn writing(&self) -> Result<(), FileError> {
        (self.before_write)().map_err(|source| FileError { op: "writing", path: self.root.clone(), source })
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "tests fail here")]
    fn writing(&self) -> Result<(), FileError> {
        Ok(())
    }

    /// What is copied; `scope`, if that is not fixed yet.
    pub(super) fn scope(&self, scope: &str) -> Result<String, DiskError> {
        let path = self.root.join("scope");
        self.writing()?;
        files::create(&path, format!("{scope}\n").as_bytes())?;
        let bytes = files::read(&path, SCOPE_BYTES_MAX)?.unwrap_or_default();
        Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned())
    }

    pub(super) fn seen(&self) -> Result<Option<Vec<u8>>, DiskError> {
        Ok(files::read(&self.root.join("seen"), NOTE_BYTES_MAX)?)
    }

    pub(super) fn put_seen(&self, checkpoint: &SignedCheckpoint) -> Result<(), DiskError> {
        self.writing()?;
        Ok(files::replace(&self.root.join("seen"), checkpoint.to_string().as_bytes())?)
    }

    /// The log's keys that its records name, as they were kept.
    pub(super) fn keys(&self) -> Result<Vec<VerifierKey>, MirrorOpenError> {
        let bytes = files::read(&self.root.join("keys"), NOTE_BYTES_MAX).map_err(DiskError::from)?;
        let text = String::from_utf8_lossy(bytes.as_deref().unwrap_or_default()).into_owned();
        let damaged = |what: String| MirrorOpenError::State { name: "keys", what };
        text.lines()
            .map(|line| VerifierKey::from_text(line).map_err(|error| damaged(error.to_string())))
            .collect()
    }

    pub(super) fn put_keys(&self, keys: &[VerifierKey]) -> Result<(), DiskError> {
        self.writing()?;
        let lines: Vec<_> = keys.iter().map(ToString::to_string).collect();
        Ok(files::replace(&self.root.join("keys"), lines.join("\n").as_bytes())?)
    }

    pub(super) async fn checkpoint(&self) -> Result<Option<Vec<u8>>, DiskError> {
        Ok(self.archive.checkpoint().await?)
    }

    pub(super) async fn put_checkpoint(&self, checkpoint: &SignedCheckpoint) -> Result<(), DiskError> {
        self.writing()?;
        Ok(self.archive.put_checkpoint(checkpoint.to_string().into_bytes()).await?)
    }

    /// A tile's or bundle's bytes.
    pub(super) async fn get(&self, path: TilePath) -> Result<Option<Vec<u8>>, DiskError> {
        Ok(self.archive.get(path).await?)
    }

    /// The tiles that tell these nodes of the tree of a size, as far as they are there.
    pub(super) async fn tiles_for(&self, nodes: &[Node], size: TreeSize) -> Result<Tiles, DiskError> {
        let mut tiles = Tiles::new();
        for path in tiles_needed(nodes, size) {
            if let Some(bytes) = self.archive.get(path).await? {
                tiles.insert(path, bytes);
            }
        }
        Ok(tiles)
    }

    /// Writes tiles and bundles.
    pub(super) async fn put_all(&self, files: Vec<(TilePath, Vec<u8>)>) -> Result<(), DiskError> {
        let mut due = Vec::with_capacity(files.len());
        let mut cut_off = Ok(());
        for file in files {
            cut_off = self.writing();
            if cut_off.is_err() {
                break;
            }
            due.push(file);
        }
        self.archive.put_all(due).await?;
        Ok(cut_off?)
    }

    pub(super) async fn list(&self) -> Result<Vec<TilePath>, DiskError> {
        Ok(self.archive.list().await?)
    }

    pub(super) async fn partials(&self, full: TilePath) -> Result<Vec<TilePath>, DiskError> {
        Ok(self.archive.partials(full).await?)
    }

    pub(super) async fn remove(&self, partial: TilePath) -> Result<(), DiskError> {
        self.writing()?;
        Ok(self.archive.remove(partial).await?)
    }

    /// Keeps both sides of a contradiction.
    pub(super) fn keep_sides(
        &self,
        seen: &SignedCheckpoint,
        served: &SignedCheckpoint,
    ) -> Result<(PathBuf, PathBuf), EvidenceError> {
        Ok((self.forks.keep(seen)?, self.forks.keep(served)?))
    }

    /// Keeps a record that the log's tree has at a position, and should not. Its hash is in its name.
    pub(super) fn keep_fault(&self, seq: Position, record: &[u8]) -> Result<PathBuf, DiskError> {
        self.writing()?;
        let name = format!("{seq}-{}", to_hex(&RecordHash::of(record).0));
        let path = self.root.join("faults").join(name);
        files::create(&path, record)?;
        Ok(path)
    }

    pub(super) fn evidence(&self) -> Result<Vec<PathBuf>, DiskError> {
        let mut found = Vec::new();
        for name in ["forks", "faults"] {
            let directory = self.root.join(name);
            let failed = |source| FileError { op: "reading", path: directory.clone(), source };
            for entry in fs::read_dir(&directory).map_err(failed)? {
                let path = entry.map_err(failed)?.path();
                if !files::is_unfinished(&path) {
                    found.push(path);
                }
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    /// Where the cosigned checkpoint of a size is kept.
    pub(super) fn cosignature(&self, size: TreeSize) -> PathBuf {
        self.root.join("cosignatures").join(size.to_string())
    }

    pub(super) fn put_cosignature(&self, checkpoint: &SignedCheckpoint) -> Result<PathBuf, DiskError> {
        self.writing()?;
        let path = self.cosignature(checkpoint.claim().size);
        files::replace(&path, checkpoint.to_string().as_bytes())?;
        Ok(path)
    }
}
