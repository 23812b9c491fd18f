//! Headers of a bundle's zip (PKWARE APPNOTE 6.3, sections 4.3.7, 4.3.12, 4.3.14 to 4.3.16), each in its one writing.

use std::io::{self, Read};

/// Bytes of a local header without its name.
const LOCAL_BYTES: u64 = 30;

/// Bytes of a line of the directory without its name.
const CENTRAL_BYTES: usize = 46;

/// Bytes of the record a zip ends in.
const END_BYTES: usize = 22;

/// Bytes of the zip64 record and its locator, which stand before it where 16 or 32 bits are too few.
const END64_BYTES: u64 = 56 + 20;

/// Version 2.0 of the format: files in directories, stored. Version 4.5: zip64.
const VERSION: u16 = 20;
const VERSION_ZIP64: u16 = 45;

/// Made on Unix, so that the mode below is meant as one.
const MADE_BY_UNIX: u16 = 3 << 8;

/// A regular file that all may read.
const MODE: u32 = 0o100_644 << 16;

/// Names are UTF-8, which ASCII is.
const FLAGS: u16 = 1 << 11;

/// 1 January 1980, the earliest date a zip can state: a bundle says nothing about when it was written.
const DATE: u16 = 1 << 5 | 1;

const NONE16: u16 = u16::MAX;
const NONE32: u32 = u32::MAX;

/// A file in a zip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub crc: u32,
    pub length: u64,
    /// Where its local header begins.
    pub offset: u64,
}

/// A value where 32 bits hold it, else the mark that it stands elsewhere.
fn low32(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(NONE32)
}

impl Entry {
    /// Where its data begins.
    pub(super) fn data(&self, path: &str) -> u64 {
        self.offset.saturating_add(LOCAL_BYTES + path.len() as u64)
    }

    /// What both headers say alike, from the flags to the name's length.
    fn common(&self, path: &str) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(CENTRAL_BYTES + path.len());
        for field in [FLAGS, 0, 0, DATE] {
            bytes.extend(field.to_le_bytes());
        }
        for field in [self.crc, low32(self.length), low32(self.length)] {
            bytes.extend(field.to_le_bytes());
        }
        // A path has at most 255 bytes.
        bytes.extend(u16::try_from(path.len()).unwrap_or(NONE16).to_le_bytes());
        bytes
    }

    /// Its local header.
    pub(super) fn local(&self, path: &str) -> Vec<u8> {
        let mut bytes = b"PK\x03\x04".to_vec();
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend(self.common(path));
        bytes.extend(0_u16.to_le_bytes());
        bytes.extend(path.as_bytes());
        bytes
    }

    /// Its line of the directory.
    pub(super) fn central(&self, path: &str) -> Vec<u8> {
        let far = self.offset >= u64::from(NONE32);
        let version = if far { VERSION_ZIP64 } else { VERSION };
        let mut bytes = b"PK\x01\x02".to_vec();
        bytes.extend((MADE_BY_UNIX | version).to_le_bytes());
        bytes.extend(version.to_le_bytes());
        bytes.extend(self.common(path));
        let extra: u16 = if far { 12 } else { 0 };
        // Extra bytes, comment, disk, internal attributes.
        for field in [extra, 0, 0, 0] {
            bytes.extend(field.to_le_bytes());
        }
        bytes.extend(MODE.to_le_bytes());
        bytes.extend(low32(self.offset).to_le_bytes());
        bytes.extend(path.as_bytes());
        if far {
            bytes.extend(1_u16.to_le_bytes());
            bytes.extend(8_u16.to_le_bytes());
            bytes.extend(self.offset.to_le_bytes());
        }
        bytes
    }
}

/// A line of the directory as it stands.
pub(super) struct CentralRead {
    pub path: String,
    pub entry: Entry,
    /// How many bytes the line has.
    pub bytes: u64,
    /// Whether it says that the file is stored as it is.
    pub stored: bool,
    /// Whether it is the line a bundle has for this file.
    pub exact: bool,
}

impl CentralRead {
    /// Reads a line, or says why nothing can be read from here on.
    pub(super) fn read(zip: &mut impl Read) -> io::Result<Result<Self, &'static str>> {
        let mut line = Vec::with_capacity(128);
        zip.take(CENTRAL_BYTES as u64).read_to_end(&mut line)?;
        if line.len() < CENTRAL_BYTES {
            return Ok(Err("the directory ends within a line"));
        }
        if line[..4] != *b"PK\x01\x02" {
            return Ok(Err("no line of the directory stands where one is due"));
        }
        let (name, extra, comment) = (word(&line, 28), word(&line, 30), word(&line, 32));
        let variable = u64::from(name) + u64::from(extra) + u64::from(comment);
        zip.take(variable).read_to_end(&mut line)?;
        let bytes = CENTRAL_BYTES as u64 + variable;
        if line.len() as u64 != bytes {
            return Ok(Err("the directory ends within a line"));
        }
        let (stored_length, length) = (long(&line, 20), long(&line, 24));
        let rest = CENTRAL_BYTES + usize::from(name);
        let mut offset = u64::from(long(&line, 42));
        if offset == u64::from(NONE32) && extra == 12 {
            offset = quad(&line, rest + 4);
        }
        let path = String::from_utf8_lossy(&line[CENTRAL_BYTES..rest]).into_owned();
        let entry = Entry { crc: long(&line, 16), length: u64::from(length), offset };
        let stored = word(&line, 10) == 0 && stored_length == length;
        let exact = entry.central(&path) == line;
        Ok(Ok(Self { path, entry, bytes, stored, exact }))
    }
}

/// The end of a zip: where its directory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct End {
    pub entries: u64,
    /// Where the directory begins.
    pub start: u64,
    /// How many bytes it has.
    pub bytes: u64,
}

impl End {
    fn is_large(&self) -> bool {
        self.entries >= u64::from(NONE16) || self.start.max(self.bytes) >= u64::from(NONE32)
    }

    /// What follows the directory.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        if self.is_large() {
            bytes.extend(b"PK\x06\x06");
            bytes.extend(44_u64.to_le_bytes());
            bytes.extend((MADE_BY_UNIX | VERSION_ZIP64).to_le_bytes());
            bytes.extend(VERSION_ZIP64.to_le_bytes());
            bytes.extend(0_u64.to_le_bytes());
            for field in [self.entries, self.entries, self.bytes, self.start] {
                bytes.extend(field.to_le_bytes());
            }
            bytes.extend(b"PK\x06\x07");
            bytes.extend(0_u32.to_le_bytes());
            bytes.extend((self.start + self.bytes).to_le_bytes());
            bytes.extend(1_u32.to_le_bytes());
        }
        bytes.extend(b"PK\x05\x06");
        bytes.extend(0_u32.to_le_bytes());
        let entries = u16::try_from(self.entries).unwrap_or(NONE16);
        bytes.extend(entries.to_le_bytes());
        bytes.extend(entries.to_le_bytes());
        bytes.extend(low32(self.bytes).to_le_bytes());
        bytes.extend(low32(self.start).to_le_bytes());
        bytes.extend(0_u16.to_le_bytes());
        bytes
    }

    /// Reads the end of a zip of `length` bytes, given its last bytes, [`END64_BYTES`] and [`END_BYTES`] or all there
    /// are; `None` if it is not the one its directory has.
    pub(super) fn read(tail: &[u8], length: u64) -> Option<Self> {
        let short = tail.len().checked_sub(END_BYTES)?;
        let last = &tail[short..];
        let mut end = Self {
            entries: u64::from(word(last, 10)),
            bytes: u64::from(long(last, 12)),
            start: u64::from(long(last, 16)),
        };
        let marked = end.is_large();
        if marked {
            let large = &tail[short.checked_sub(usize::try_from(END64_BYTES).ok()?)?..];
            end = Self { entries: quad(large, 32), bytes: quad(large, 40), start: quad(large, 48) };
        }
        let begins = end.start.checked_add(end.bytes)?;
        let encoded = end.encode();
        let ends = begins.checked_add(encoded.len() as u64)?;
        (end.is_large() == marked && ends == length && tail.ends_with(&encoded)).then_some(end)
    }

    /// How many bytes [`End::read`] wants.
    pub(super) const TAIL_BYTES: u64 = END64_BYTES + END_BYTES as u64;
}

/// Little-endian numbers at a place that is known to be there; what is not there counts as zero.
fn word(bytes: &[u8], at: usize) -> u16 {
    number(bytes, at).map_or(0, u16::from_le_bytes)
}

fn long(bytes: &[u8], at: usize) -> u32 {
    number(bytes, at).map_or(0, u32::from_le_bytes)
}

fn quad(bytes: &[u8], at: usize) -> u64 {
    number(bytes, at).map_or(0, u64::from_le_bytes)
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_far_in_and_a_large_directory_read_back() {
        for offset in [0, u64::from(NONE32) - 1, u64::from(NONE32), 1 << 40] {
            let entry = Entry { crc: 9, length: 70_000, offset };
            let line = entry.central("log/checkpoint");
            let read = CentralRead::read(&mut line.as_slice()).unwrap().unwrap();
            assert_eq!((read.entry, read.path.as_str()), (entry, "log/checkpoint"));
            assert!(read.exact && read.stored && read.bytes == line.len() as u64);
        }
        for (entries, start, bytes) in [(0, 0, 0), (65_534, 7, 9), (65_535, 7, 9), (1, 1 << 40, 60)] {
            let end = End { entries, start, bytes };
            let encoded = end.encode();
            let mut tail = vec![0; 200];
            tail.extend(&encoded);
            let length = start + bytes + encoded.len() as u64;
            assert_eq!(End::read(&tail, length), Some(end));
            assert_eq!(End::read(&tail, length + 1), None);
        }
    }
}
