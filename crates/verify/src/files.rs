//! Where the files of an archive or a bundle come from: a directory, a zip, or whatever else lists and opens files.

mod dir;
mod zip;

use std::fmt;
use std::io::Read;

use sha2::{Digest as _, Sha256};

pub use dir::DirFiles;
pub use zip::{ZipFiles, ZipWriteError, ZipWriter};

use crate::source::SourceError;

/// Files of one archive or bundle, as they are stored.
///
/// - Paths are relative, in parts separated by `/`. `list` MUST name everything there is, the same each time, and MUST NOT
///   leave out what it finds strange: judging is the verifier's.
/// - `open` is asked only for paths that `list` named with a length. What it gives MUST end; how much of it is read the
///   verifier bounds. It MUST NOT follow a link out of the place it stands for.
pub trait Files {
    /// Everything there is.
    ///
    /// # Errors
    /// The files cannot be listed at all.
    fn list(&self) -> Result<Vec<Listed>, SourceError>;

    /// Opens a file for reading from its beginning; `None` if it is gone or no regular file.
    ///
    /// # Errors
    /// The file is there and cannot be opened.
    fn open(&self, path: &str) -> Result<Option<Box<dyn Read + '_>>, SourceError>;

    /// The CRC-32 that the container states for a file, if it states one.
    fn crc32(&self, _path: &str) -> Option<u32> {
        None
    }

    /// Where the container is not of its form.
    fn faults(&self) -> &[Fault] {
        &[]
    }
}

/// Something a directory or container holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    /// Its path.
    pub path: String,
    /// Its length in bytes; `None` if it is no regular file: a link, a pipe, a name that is not text.
    pub length: Option<u64>,
}

/// What a file's bytes come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileDigest {
    /// SHA-256 of its bytes.
    pub sha256: [u8; 32],
    /// How many there are.
    pub length: u64,
}

impl FileDigest {
    /// The digest of these bytes.
    ///
    /// ```
    /// let digest = verify::FileDigest::of(b"");
    /// assert_eq!(digest.to_string(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 0");
    /// ```
    pub fn of(bytes: &[u8]) -> Self {
        Self { sha256: Sha256::digest(bytes).into(), length: bytes.len() as u64 }
    }
}

impl fmt::Display for FileDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.sha256.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        write!(f, " {}", self.length)
    }
}

/// A place where a container contradicts itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The file it is about, if it is about one.
    pub path: Option<String>,
    /// Byte of the container.
    pub offset: u64,
    /// What contradicts what.
    pub what: String,
}

/// Bytes of a full hash tile.
const TILE_BYTES: usize = 32 * chain::tile::TILE_WIDTH as usize;

/// Bytes read at once where only a digest is wanted.
const BLOCK_BYTES: usize = 64 << 10;

/// Reads a whole file, whatever its length: its digest and CRC-32; `None` if it is gone.
pub(crate) fn digest(files: &dyn Files, path: &str) -> Result<Option<(FileDigest, u32)>, SourceError> {
    let Some(mut file) = files.open(path)? else { return Ok(None) };
    let (mut sha256, mut crc32) = (Sha256::new(), crc32fast::Hasher::new());
    let mut length = 0;
    let mut block = vec![0; BLOCK_BYTES];
    loop {
        let read = match file.read(&mut block) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(SourceError::reading(path, error)),
        };
        sha256.update(&block[..read]);
        crc32.update(&block[..read]);
        length += read as u64;
    }
    Ok(Some((FileDigest { sha256: sha256.finalize().into(), length }, crc32.finalize())))
}

/// The bytes of a file, at most `bytes_max` and one more, which shows that there are too many; `None` if it is gone.
pub(crate) fn read(files: &dyn Files, path: &str, bytes_max: usize) -> Result<Option<Vec<u8>>, SourceError> {
    // Few files are longer than a hash tile, and the byte more shows that it has ended without asking for room.
    let room = bytes_max.min(TILE_BYTES) + 1;
    read_onto(Vec::with_capacity(room), files, path, bytes_max)
}

/// The same, behind `bytes`, which may have the room already.
pub(crate) fn read_onto(
    mut bytes: Vec<u8>,
    files: &dyn Files,
    path: &str,
    bytes_max: usize,
) -> Result<Option<Vec<u8>>, SourceError> {
    let Some(file) = files.open(path)? else { return Ok(None) };
    file.take(bytes_max as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| SourceError::reading(path, error))?;
    Ok(Some(bytes))
}
