//! The segment files of a directory, and reading their blocks.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::format::{BLOCK_BYTES, CONTENT_BYTES, Context};

/// A segment's file.
pub(crate) fn segment_path(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("{number:010}.segment"))
}

/// The numbers of the segments there are, ascending.
pub(crate) fn list_segments(directory: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".segment"));
        if let Some(number) =
            number.filter(|digits| digits.len() >= 10).and_then(|digits| digits.parse().ok())
        {
            numbers.push(number);
        }
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Reads a segment's blocks, forwards and in large portions.
pub(crate) struct BlockReader {
    file: File,
    /// Length of the file when opened.
    pub(crate) bytes: u64,
    /// Whole blocks in it.
    pub(crate) blocks: u64,
    buffer: Vec<u8>,
    /// Number of the first block in the buffer.
    start: u64,
    /// How much is read at once, in blocks.
    portion: u64,
}

impl BlockReader {
    pub(crate) fn open(path: &Path, portion_bytes: usize) -> io::Result<Self> {
        let file = File::open(path)?;
        let bytes = file.metadata()?.len();
        Ok(Self {
            file,
            bytes,
            blocks: bytes / BLOCK_BYTES as u64,
            buffer: Vec::new(),
            start: 0,
            portion: (portion_bytes / BLOCK_BYTES) as u64,
        })
    }

    /// `count` blocks from `first` on.
    ///
    /// # Errors
    /// The system's, or [`io::ErrorKind::UnexpectedEof`] past the file's end.
    pub(crate) fn blocks(&mut self, first: u64, count: u64) -> io::Result<&[u8]> {
        let buffered = (self.buffer.len() / BLOCK_BYTES) as u64;
        if first < self.start || first + count > self.start + buffered {
            let take = count.max(self.portion.min(self.blocks.saturating_sub(first)));
            self.buffer.resize(usize_of(take) * BLOCK_BYTES, 0);
            self.start = first;
            if let Err(error) = self.file.read_exact_at(&mut self.buffer, first * BLOCK_BYTES as u64) {
                self.buffer.clear();
                return Err(error);
            }
        }
        let from = usize_of(first - self.start) * BLOCK_BYTES;
        Ok(&self.buffer[from..from + usize_of(count) * BLOCK_BYTES])
    }
}

/// Counts of blocks in memory fit a `usize`.
pub(crate) fn usize_of(blocks: u64) -> usize {
    usize::try_from(blocks).expect("what is in memory can be counted")
}

/// Joins the contents of blocks found from number `first` on to the end of `contents`; `Err` gives the number of the
/// first that is not of this batch.
pub(crate) fn gather(blocks: &[u8], context: Context, first: u64, contents: &mut Vec<u8>) -> Result<(), u64> {
    contents.reserve(blocks.len());
    for (number, block) in (first..).zip(blocks.chunks_exact(BLOCK_BYTES)) {
        if !context.holds(number, block) {
            return Err(number);
        }
        contents.extend_from_slice(&block[..CONTENT_BYTES]);
    }
    Ok(())
}
