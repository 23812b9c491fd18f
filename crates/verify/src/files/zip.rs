//! The zip of a bundle: stored files in the order of their names, and nothing between them.
//!
//! A zip leaves its writer many choices, and what its reader skips can hide bytes. So this one leaves none: names,
//! lengths, checksums and data decide every byte, and the reader makes each header anew and compares. Nothing is ever
//! inflated; a length says no more than there is. Any unzip program opens such a file.

mod layout;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};

use layout::{CentralRead, End, Entry};

use super::{Fault, Files, Listed};
use crate::manifest::is_path;
use crate::source::SourceError;

/// Longest file of a zip, in bytes: the largest length that needs no zip64 field.
const FILE_BYTES_MAX: u64 = u32::MAX as u64 - 1;

/// Faults that are kept of a zip; 46 bytes are enough to make one.
const FAULTS_MAX: usize = 1_000;

/// Writes a bundle's zip: files in the order of their paths, each whole.
///
/// ```
/// use verify::{Files as _, ZipFiles, ZipWriter};
/// let mut zip = ZipWriter::new(Vec::new());
/// zip.add("a/b.txt", b"hello").unwrap();
/// let bytes = zip.finish().unwrap();
/// let files = ZipFiles::open(std::io::Cursor::new(bytes)).unwrap();
/// assert_eq!(files.list().unwrap()[0].length, Some(5));
/// assert_eq!(files.faults(), []);
/// ```
#[derive(Debug)]
pub struct ZipWriter<W> {
    out: W,
    at: u64,
    entries: Vec<(String, Entry)>,
}

/// Why a file cannot be added to a zip.
#[derive(Debug, thiserror::Error)]
pub enum ZipWriteError {
    /// The path is not one of [`is_path`], or not after the one before it.
    #[error("{path} is no path of a bundle, or not after the one before it")]
    Path {
        /// The path.
        path: String,
    },
    /// The file is too long.
    #[error("{path} has more than {FILE_BYTES_MAX} bytes")]
    TooLong {
        /// The path.
        path: String,
    },
    /// The bytes could not be written.
    #[error("the bundle cannot be written")]
    Io(#[source] io::Error),
}

impl<W: Write> ZipWriter<W> {
    /// Writes to `out`, from its present place on, which is the zip's first byte.
    pub fn new(out: W) -> Self {
        Self { out, at: 0, entries: Vec::new() }
    }

    /// Adds a file. Paths come in ascending order of their bytes.
    ///
    /// # Errors
    /// [`ZipWriteError`].
    pub fn add(&mut self, path: &str, bytes: &[u8]) -> Result<(), ZipWriteError> {
        if !is_path(path) || self.entries.last().is_some_and(|(last, _)| last.as_str() >= path) {
            return Err(ZipWriteError::Path { path: path.to_owned() });
        }
        if bytes.len() as u64 > FILE_BYTES_MAX {
            return Err(ZipWriteError::TooLong { path: path.to_owned() });
        }
        let entry = Entry { crc: crc32fast::hash(bytes), length: bytes.len() as u64, offset: self.at };
        self.write(&entry.local(path))?;
        self.write(bytes)?;
        self.entries.push((path.to_owned(), entry));
        Ok(())
    }

    /// Writes the directory and gives back what was written to. Making it last is the caller's.
    ///
    /// # Errors
    /// [`ZipWriteError::Io`].
    pub fn finish(mut self) -> Result<W, ZipWriteError> {
        let start = self.at;
        let entries = std::mem::take(&mut self.entries);
        for (path, entry) in &entries {
            self.write(&entry.central(path))?;
        }
        let end = End { entries: entries.len() as u64, start, bytes: self.at - start };
        self.write(&end.encode())?;
        self.out.flush().map_err(ZipWriteError::Io)?;
        Ok(self.out)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), ZipWriteError> {
        self.out.write_all(bytes).map_err(ZipWriteError::Io)?;
        self.at += bytes.len() as u64;
        Ok(())
    }
}

/// The files of a bundle's zip.
#[derive(Debug)]
pub struct ZipFiles<R> {
    zip: RefCell<R>,
    entries: BTreeMap<String, Entry>,
    faults: Vec<Fault>,
}

impl<R: Read + Seek> ZipFiles<R> {
    /// Reads a zip's directory. A zip that is not of the one form still opens, as far as it can be followed; see
    /// [`Files::faults`].
    ///
    /// # Errors
    /// The bytes cannot be read.
    pub fn open(zip: R) -> Result<Self, SourceError> {
        let mut files = Self { zip: RefCell::new(zip), entries: BTreeMap::new(), faults: Vec::new() };
        files.read_directory().map_err(|error| SourceError::reading("the zip's directory", error))?;
        Ok(files)
    }

    fn fault(&mut self, path: Option<&str>, offset: u64, what: impl Into<String>) {
        self.faults.push(Fault { path: path.map(str::to_owned), offset, what: what.into() });
    }

    fn read_directory(&mut self) -> io::Result<()> {
        let length = self.zip.get_mut().seek(SeekFrom::End(0))?;
        let tail_start = length.saturating_sub(End::TAIL_BYTES);
        let tail = bytes_at(self.zip.get_mut(), tail_start, End::TAIL_BYTES)?;
        let Some(end) = End::read(&tail, length) else {
            self.fault(None, tail_start, "the file does not end in the directory of a bundle's zip");
            return Ok(());
        };
        let mut at = end.start;
        // Where the next file must begin.
        let mut due = 0;
        let mut last = String::new();
        for _ in 0..end.entries {
            if self.faults.len() >= FAULTS_MAX {
                self.fault(None, at, "so much is wrong with the zip that it is not read further");
                return Ok(());
            }
            let read = {
                let zip = self.zip.get_mut();
                zip.seek(SeekFrom::Start(at))?;
                CentralRead::read(&mut zip.take(end.start + end.bytes - at))?
            };
            let CentralRead { path, entry, bytes, stored, exact } = match read {
                Ok(read) => read,
                Err(what) => {
                    self.fault(None, at, what);
                    return Ok(());
                }
            };
            if !exact {
                self.fault(Some(&path), at, "its line in the directory is not the one a bundle has for it");
            } else if !is_path(&path) {
                self.fault(Some(&path), at, "its name is no path of a bundle");
            } else if path <= last {
                self.fault(Some(&path), at, "it stands twice, or not in the order of names");
            } else if entry.offset != due || entry.data(&path) + entry.length > end.start {
                self.fault(Some(&path), at, "it does not begin where the file before it ends");
            } else {
                let local = entry.local(&path);
                if bytes_at(self.zip.get_mut(), entry.offset, local.len() as u64)? != local {
                    self.fault(Some(&path), entry.offset, "its header is not the one a bundle has for it");
                }
            }
            let next = entry.data(&path).saturating_add(entry.length);
            if is_path(&path) && next <= end.start && stored && !self.entries.contains_key(&path) {
                self.entries.insert(path.clone(), entry);
            }
            due = next;
            last = path;
            at += bytes;
        }
        if at != end.start + end.bytes {
            self.fault(None, at, "the directory goes on after its last line");
        }
        if due != end.start {
            self.fault(None, due, "bytes that are no file stand before the directory");
        }
        Ok(())
    }
}

impl<R: Read + Seek> Files for ZipFiles<R> {
    fn list(&self) -> Result<Vec<Listed>, SourceError> {
        let listed =
            |(path, entry): (&String, &Entry)| Listed { path: path.clone(), length: Some(entry.length) };
        Ok(self.entries.iter().map(listed).collect())
    }

    fn open(&self, path: &str) -> Result<Option<Box<dyn Read + '_>>, SourceError> {
        Ok(self.entries.get(path).map(|entry| {
            let stored = Stored { zip: &self.zip, at: entry.data(path), left: entry.length };
            Box::new(BufReader::new(stored)) as Box<dyn Read + '_>
        }))
    }

    fn crc32(&self, path: &str) -> Option<u32> {
        self.entries.get(path).map(|entry| entry.crc)
    }

    fn faults(&self) -> &[Fault] {
        &self.faults
    }
}

/// Up to `length` bytes from `at` on; fewer if the file ends before.
fn bytes_at(zip: &mut (impl Read + Seek), at: u64, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    zip.seek(SeekFrom::Start(at))?;
    zip.take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A stored file's data. The zip is sought anew for each block: others may read between.
struct Stored<'z, R> {
    zip: &'z RefCell<R>,
    at: u64,
    left: u64,
}

impl<R: Read + Seek> Read for Stored<'_, R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut zip = self.zip.borrow_mut();
        zip.seek(SeekFrom::Start(self.at))?;
        let read = zip.by_ref().take(self.left).read(out)?;
        self.at += read as u64;
        self.left -= read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut zip = ZipWriter::new(Vec::new());
        for (path, bytes) in files {
            zip.add(path, bytes).unwrap();
        }
        zip.finish().unwrap()
    }

    fn faults(bytes: &[u8]) -> Vec<String> {
        let files = ZipFiles::open(Cursor::new(bytes)).unwrap();
        files.faults().iter().map(|fault| fault.what.clone()).collect()
    }

    #[test]
    fn what_is_written_is_read() {
        let files: [(&str, &[u8]); 3] =
            [("MANIFEST", b""), ("log/checkpoint", b"abc"), ("log/tile/0/000.p/2", &[7; 64])];
        let bytes = zip(&files);
        let read = ZipFiles::open(Cursor::new(&bytes)).unwrap();
        assert_eq!(read.faults(), []);
        assert_eq!(read.list().unwrap().len(), 3);
        for (path, content) in files {
            assert_eq!(super::super::read(&read, path, 100).unwrap().unwrap(), content);
            let (digest, crc32) = super::super::digest(&read, path).unwrap().unwrap();
            assert_eq!(digest, super::super::FileDigest::of(content));
            assert_eq!(read.crc32(path), Some(crc32));
        }
        assert!(read.open("log").unwrap().is_none());
        assert_eq!(faults(&zip(&[])), [""; 0]);
    }

    #[test]
    fn every_byte_that_is_no_files_is_held_to_its_one_value() {
        let files: [(&str, &[u8]); 2] = [("a", b"first"), ("log/b", b"second")];
        let bytes = zip(&files);
        let mut outside = 0;
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut bytes = bytes.clone();
                bytes[at] ^= 1 << bit;
                let Ok(read) = ZipFiles::open(Cursor::new(&bytes)) else { panic!("byte {at}") };
                let crc_holds = files.iter().all(|(path, _)| {
                    let digest = super::super::digest(&read, path).unwrap();
                    digest.is_some_and(|(_, crc32)| read.crc32(path) == Some(crc32))
                });
                assert!(!read.faults().is_empty() || !crc_holds, "byte {at}");
                outside += usize::from(!read.faults().is_empty());
            }
        }
        // All but the files' own eleven bytes.
        assert_eq!(outside, (bytes.len() - 11) * 8);
    }

    #[test]
    fn bytes_before_between_and_behind_are_found() {
        let good = zip(&[("a", b"first"), ("b", b"second")]);
        let with = |at: usize| {
            let mut bytes = good.clone();
            bytes.insert(at, 0);
            faults(&bytes)
        };
        let first_ends = 30 + 1 + 5;
        for at in [0, first_ends, good.len() - 22, good.len()] {
            assert!(!with(at).is_empty(), "{at}");
        }
        for end in 0..good.len() {
            assert!(!faults(&good[..end]).is_empty(), "{end}");
        }
    }

    #[test]
    fn paths_that_escape_repeat_or_go_back_are_not_written() {
        let mut zip = ZipWriter::new(Vec::new());
        zip.add("b", b"").unwrap();
        for path in ["b", "a", "../c", "/c", "c/", "c//d", "c/../d", "c\\d", "C:", ""] {
            assert!(matches!(zip.add(path, b""), Err(ZipWriteError::Path { .. })), "{path}");
        }
        zip.add("c/d", b"").unwrap();
    }

    #[test]
    fn more_files_than_sixteen_bits_count_are_written_and_read() {
        let mut zip = ZipWriter::new(Vec::new());
        for n in 0..65_536 {
            zip.add(&format!("{n:05}"), b"").unwrap();
        }
        let bytes = zip.finish().unwrap();
        let files = ZipFiles::open(Cursor::new(&bytes)).unwrap();
        assert_eq!((files.faults(), files.list().unwrap().len()), (&[][..], 65_536));
    }
}
