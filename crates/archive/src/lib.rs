//! Sealed history as tlog-tiles on an object store: a local directory, or an S3-compatible service as a feature.
//!
//! Stores and fetches; it decides nothing and trusts nothing. Which tiles there have to be and what they say is
//! `chain`'s room, when they are written and signed for is `notary`'s. Paths are made of [`chain::tile::TilePath`]
//! alone, so no name from outside reaches the store.
//!
//! ```text
//! checkpoint                     replaced as one, whenever there is a new one
//! tile/<level>/<index>           256 hashes; written once
//! tile/entries/<index>           256 records; written once
//! tile/…/<index>.p/<width>       of fewer; written once, and removed when the full one has taken its place
//! ```
//!
//! A local directory is synced, file and names, before a write is reported done. What a write that was cut off leaves
//! there, a file whose name ends in `#` and a number, is no part of the archive; [`Archive::sweep`] removes it.

mod blocking;
mod local;

use std::path::PathBuf;
use std::sync::Arc;

use chain::bundle::BUNDLE_BYTES_MAX;
use chain::note::NOTE_BYTES_MAX;
use chain::tile::{TILE_BYTES_MAX, TileKind, TilePath};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _, PutMode, PutPayload};
use tokio::task::JoinSet;

pub use blocking::BlockingArchive;

/// The one file that is replaced.
const CHECKPOINT: &str = "checkpoint";

/// Writes under way at once in [`Archive::put_all`]. Each waits for a disk or a network most of its time, and a file
/// system syncs many files for little more than one.
const WRITES_MAX: usize = 16;

/// An archive. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Archive {
    store: Arc<dyn ObjectStore>,
    /// Where it is, if it is a directory here.
    directory: Option<Arc<std::path::Path>>,
}

/// Why an archive could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory could not be made or looked at.
    #[error("{op} failed on {path}")]
    Io {
        /// What was tried.
        op: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The store cannot be reached as configured.
    #[error("the archive {place} cannot be opened")]
    Store {
        /// Which directory or bucket.
        place: String,
        /// What the store said.
        source: object_store::Error,
    },
}

/// Why a file was not fetched.
#[derive(Debug, thiserror::Error)]
pub enum GetError {
    /// Longer than any such file can be; it was not read.
    #[error("{path} has {bytes} bytes, at most {limit} are read")]
    TooLarge {
        /// Which one.
        path: String,
        /// How long it is.
        bytes: u64,
        /// The most read.
        limit: usize,
    },
    /// The store failed.
    #[error("reading {path} failed")]
    Store {
        /// Which one.
        path: String,
        /// What the store said.
        source: object_store::Error,
    },
}

/// Why a file was not written.
#[derive(Debug, thiserror::Error)]
pub enum PutError {
    /// There is such a file with other bytes, which is never overwritten.
    #[error("{path} is in the archive already, with other bytes")]
    Different {
        /// Which one.
        path: TilePath,
    },
    /// The store failed. The file may or may not be there; writing it again settles it.
    #[error("writing {path} failed")]
    Store {
        /// Which one.
        path: String,
        /// What the store said.
        source: object_store::Error,
    },
    /// What is there could not be read, to compare it.
    #[error(transparent)]
    Compare(#[from] GetError),
    /// The thread that was writing is gone.
    #[error("a write was cut off")]
    CutOff,
}

/// Why files were not listed or removed.
#[derive(Debug, thiserror::Error)]
pub enum TidyError {
    /// A full tile or bundle is never removed.
    #[error("{path} is not partial and stays")]
    NotPartial {
        /// Which one.
        path: TilePath,
    },
    /// The store failed.
    #[error("{op} {path} failed")]
    Store {
        /// What was tried.
        op: &'static str,
        /// On what.
        path: String,
        /// What the store said.
        source: object_store::Error,
    },
    /// The directory could not be read or a file in it not be removed.
    #[error("{op} failed on {path}")]
    Io {
        /// What was tried.
        op: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl Archive {
    /// The archive in a directory, which is made for its owner alone if it is not there: entry bundles are not for
    /// everybody.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn local(directory: &std::path::Path) -> Result<Self, OpenError> {
        local::open(directory)
    }

    /// The archive below `prefix` in a bucket of an S3-compatible service. `options` are `object_store`'s, such as
    /// `aws_region`, `aws_endpoint`, `aws_access_key_id`, `aws_secret_access_key`; the environment is not looked at.
    /// The service must know conditional writes.
    ///
    /// # Errors
    /// [`OpenError::Store`].
    #[cfg(feature = "s3")]
    pub fn s3<'o>(
        bucket: &str,
        prefix: &str,
        options: impl IntoIterator<Item = (&'o str, &'o str)>,
    ) -> Result<Self, OpenError> {
        let failed = |source| OpenError::Store { place: format!("s3://{bucket}/{prefix}"), source };
        let mut builder = object_store::aws::AmazonS3Builder::new().with_bucket_name(bucket);
        for (key, value) in options {
            builder = builder.with_config(key.parse().map_err(failed)?, value);
        }
        let store = builder.build().map_err(failed)?;
        let prefix = Path::parse(prefix).map_err(|source| failed(source.into()))?;
        Ok(Self::on(Arc::new(object_store::prefix::PrefixStore::new(store, prefix))))
    }

    /// The archive on a store of its own: a write that it reports done MUST last, and creating what is there MUST fail.
    pub fn on(store: Arc<dyn ObjectStore>) -> Self {
        Self { store, directory: None }
    }

    /// The same archive for a thread that may block.
    ///
    /// # Errors
    /// What the system says if it gives no runtime.
    pub fn blocking(&self) -> std::io::Result<BlockingArchive> {
        BlockingArchive::new(self.clone())
    }

    /// A tile's or bundle's bytes, none if it is not there. They may be anything.
    ///
    /// # Errors
    /// [`GetError`].
    pub async fn get(&self, path: TilePath) -> Result<Option<Vec<u8>>, GetError> {
        let limit = match path.kind() {
            TileKind::Hashes(_) => TILE_BYTES_MAX,
            TileKind::Entries => BUNDLE_BYTES_MAX,
        };
        self.read(&path.to_string(), limit).await
    }

    /// As [`Archive::get`]; a partial hash tile that is gone is cut out of the full one. What a reader needs whose
    /// checkpoint is not the latest.
    ///
    /// # Errors
    /// [`GetError`].
    pub async fn get_or_cut(&self, path: TilePath) -> Result<Option<Vec<u8>>, GetError> {
        let found = self.get(path).await?;
        if found.is_some() || path.is_full() || path.kind() == TileKind::Entries {
            return Ok(found);
        }
        let mut full = self.get(path.full()).await?;
        if let Some(bytes) = &mut full {
            bytes.truncate(usize::from(path.width()) * 32);
        }
        Ok(full)
    }

    /// Writes a tile or bundle, once. If it is there with the same bytes, that is as good. Durable on return.
    ///
    /// # Errors
    /// [`PutError`].
    pub async fn put(&self, path: TilePath, bytes: Vec<u8>) -> Result<(), PutError> {
        let at = Path::from(path.to_string());
        let payload = PutPayload::from(bytes);
        let store = |source| PutError::Store { path: path.to_string(), source };
        match self.store.put_opts(&at, payload.clone(), PutMode::Create.into()).await {
            Ok(_) => return Ok(()),
            Err(source @ object_store::Error::AlreadyExists { .. }) => match self.get(path).await? {
                Some(there) if payload.iter().flatten().eq(&there) => {}
                Some(_) => return Err(PutError::Different { path }),
                // Removed meanwhile: whoever tries again finds the place free.
                None => return Err(store(source)),
            },
            Err(source) => return Err(store(source)),
        }
        if self.directory.is_some() {
            // An earlier write may have failed at its sync and left a file that can be read, though it will not last;
            // syncing that one again would prove nothing. The same bytes in a new file take its place as one.
            self.store.put_opts(&at, payload, PutMode::Overwrite.into()).await.map_err(store)?;
        }
        Ok(())
    }

    /// Writes many files, several at once, in no order. After an error some may be there and some not, and some may
    /// still come.
    ///
    /// # Errors
    /// [`PutError`], the first.
    pub async fn put_all(&self, files: Vec<(TilePath, Vec<u8>)>) -> Result<(), PutError> {
        let mut files = files.into_iter();
        let mut writes = JoinSet::new();
        loop {
            while writes.len() < WRITES_MAX
                && let Some((path, bytes)) = files.next()
            {
                let archive = self.clone();
                writes.spawn(async move { archive.put(path, bytes).await });
            }
            match writes.join_next().await {
                Some(written) => written.unwrap_or(Err(PutError::CutOff))?,
                None => return Ok(()),
            }
        }
    }

    /// The checkpoint as it stands, none if there is none yet.
    ///
    /// # Errors
    /// [`GetError`].
    pub async fn checkpoint(&self) -> Result<Option<Vec<u8>>, GetError> {
        self.read(CHECKPOINT, NOTE_BYTES_MAX).await
    }

    /// Replaces the checkpoint: readers see the earlier one or this one. Durable on return.
    ///
    /// # Errors
    /// [`PutError::Store`]; one of the two is then there.
    pub async fn put_checkpoint(&self, bytes: Vec<u8>) -> Result<(), PutError> {
        let payload = PutPayload::from(bytes);
        self.store
            .put_opts(&Path::from(CHECKPOINT), payload, PutMode::Overwrite.into())
            .await
            .map(drop)
            .map_err(|source| PutError::Store { path: CHECKPOINT.to_owned(), source })
    }

    /// Every tile and bundle there is, in order. Files of other names are passed over.
    ///
    /// # Errors
    /// [`TidyError::Store`].
    pub async fn list(&self) -> Result<Vec<TilePath>, TidyError> {
        let mut found = Vec::new();
        let mut below = vec![Path::from("tile")];
        while let Some(prefix) = below.pop() {
            let (mut files, directories) = self.list_in(&prefix).await?;
            found.append(&mut files);
            below.extend(directories);
        }
        found.sort_unstable();
        Ok(found)
    }

    /// The partial tiles or bundles there are of a full one's place, in order.
    ///
    /// # Errors
    /// [`TidyError::Store`].
    pub async fn partials(&self, full: TilePath) -> Result<Vec<TilePath>, TidyError> {
        let mut found = self.list_in(&Path::from(format!("{}.p", full.full()))).await?.0;
        found.sort_unstable();
        Ok(found)
    }

    /// Removes a partial tile or bundle; it need not be there.
    ///
    /// # Errors
    /// [`TidyError`].
    pub async fn remove(&self, partial: TilePath) -> Result<(), TidyError> {
        if partial.is_full() {
            return Err(TidyError::NotPartial { path: partial });
        }
        let path = partial.to_string();
        match self.store.delete(&Path::from(path.as_str())).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(source) => Err(TidyError::Store { op: "removing", path, source }),
        }
    }

    /// Removes what writes that were cut off have left in a local directory. For the one who writes, before writing;
    /// another's write that is under way fails and has to be tried again.
    ///
    /// # Errors
    /// [`TidyError::Io`].
    pub async fn sweep(&self) -> Result<(), TidyError> {
        let Some(directory) = self.directory.clone() else { return Ok(()) };
        let swept = tokio::task::spawn_blocking(move || local::sweep(&directory)).await;
        // Cut off by a panic that was printed, or by the runtime's end: the next sweep will do.
        swept.unwrap_or(Ok(()))
    }

    async fn read(&self, path: &str, limit: usize) -> Result<Option<Vec<u8>>, GetError> {
        let failed = |source| GetError::Store { path: path.to_owned(), source };
        let found = match self.store.get(&Path::from(path)).await {
            Ok(found) => found,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(source) => return Err(failed(source)),
        };
        let bytes = found.meta.size;
        if usize::try_from(bytes).map_or(true, |bytes| bytes > limit) {
            return Err(GetError::TooLarge { path: path.to_owned(), bytes, limit });
        }
        found.bytes().await.map(|bytes| Some(bytes.into())).map_err(failed)
    }

    /// Tiles and directories directly in a directory.
    async fn list_in(&self, prefix: &Path) -> Result<(Vec<TilePath>, Vec<Path>), TidyError> {
        let listed = match self.store.list_with_delimiter(Some(prefix)).await {
            Ok(listed) => listed,
            Err(object_store::Error::NotFound { .. }) => return Ok((Vec::new(), Vec::new())),
            Err(source) => {
                return Err(TidyError::Store { op: "listing", path: prefix.to_string(), source });
            }
        };
        let tiles = listed.objects.iter().filter_map(|object| object.location.as_ref().parse().ok());
        Ok((tiles.collect(), listed.common_prefixes))
    }
}

#[cfg(test)]
mod tests;
