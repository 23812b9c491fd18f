//! Reading durable records from the files, from a mark on; every block read is checked.

use std::io;
use std::path::Path;

use chain::{LinkedRecord, Position};
use journal::{Head, ReadError};

use crate::damage::{Contradiction, Damage};
use crate::files::{BlockReader, gather, segment_path};
use crate::format::{
    CONTENT_BYTES, Context, HEADER_BYTES, Header, HeaderFault, Place, is_zero, split_record,
};
use crate::index::Mark;
use crate::tail::Portion;

/// Least and most that is read at once: what lies between two marks, and what a cache holds.
const PORTION_BYTES: std::ops::RangeInclusive<usize> = 64 << 10..=256 << 10;

/// Records from `from` on, found by going on from `mark`, which is not after it.
pub(crate) fn read(
    directory: &Path,
    mark: Mark,
    from: Position,
    head: Head,
    bytes_max: usize,
) -> Result<Vec<LinkedRecord>, ReadError> {
    let portion_bytes = bytes_max.clamp(*PORTION_BYTES.start(), *PORTION_BYTES.end());
    let path = segment_path(directory, mark.batch.segment);
    let file = BlockReader::open(&path, portion_bytes).map_err(|source| io_error(&path, source))?;
    let mut walk = Walk { directory, file, at: mark.batch, seq: mark.seq, portion_bytes };
    let mut found = Found { from, portion: Portion::new(bytes_max), records: Vec::new() };
    let mut offset = mark.offset;
    while walk.seq.0 < head.size.0 && walk.batch(offset, &mut found)? {
        offset = 0;
    }
    Ok(found.records)
}

fn io_error(path: &Path, source: io::Error) -> ReadError {
    ReadError::Io { op: "read", path: path.to_owned(), source }
}

/// What one read has gathered.
struct Found {
    from: Position,
    portion: Portion,
    records: Vec<LinkedRecord>,
}

impl Found {
    /// False when the portion is full.
    fn take(&mut self, seq: Position, record: &[u8]) -> bool {
        if seq >= self.from {
            if !self.portion.wants(record.len()) {
                return false;
            }
            self.records.push(LinkedRecord::new(seq, record));
        }
        true
    }
}

/// Where reading stands.
struct Walk<'d> {
    directory: &'d Path,
    file: BlockReader,
    /// The batch.
    at: Place,
    /// The next record in it.
    seq: Position,
    portion_bytes: usize,
}

impl Walk<'_> {
    /// Takes the records of the batch at `at` from payload byte `offset` on and goes to the next batch. False when
    /// enough was taken.
    fn batch(&mut self, offset: u64, found: &mut Found) -> Result<bool, ReadError> {
        let header = self.header(offset == 0)?;
        let blocks = header.blocks().ok_or_else(|| self.damaged(self.at.block, Contradiction::Payload))?;
        let context = Context::new(header.first, self.at.segment);
        // The record at `offset` begins somewhere in the contents of this block.
        let start = HEADER_BYTES + usize::try_from(offset).unwrap_or(usize::MAX);
        let (skip, mut within) = ((start / CONTENT_BYTES) as u64, start % CONTENT_BYTES);
        let end = header.first.0 + u64::from(header.count);
        let mut block = self.at.block + skip;
        let mut contents = Vec::new();
        while self.seq.0 < end {
            let left = (self.at.block + blocks).saturating_sub(block);
            let take = left.min((self.portion_bytes / CONTENT_BYTES) as u64);
            if take == 0 {
                return Err(self.damaged(block, Contradiction::Payload));
            }
            let bytes = self.file.blocks(block, take);
            let gathered = bytes.map(|bytes| gather(bytes, context, block, &mut contents));
            match gathered {
                Ok(Ok(())) => {}
                Ok(Err(wrong)) => return Err(self.damaged(wrong, Contradiction::Checksum)),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return Err(self.damaged(block, Contradiction::PastEnd));
                }
                Err(error) => return Err(io_error(&segment_path(self.directory, self.at.segment), error)),
            }
            block += take;
            while self.seq.0 < end
                && let Some((record, rest)) = split_record(&contents[within..])
            {
                if !found.take(self.seq, record) {
                    return Ok(false);
                }
                within = contents.len() - rest.len();
                self.seq = self.seq.next();
            }
            contents.drain(..within);
            within = 0;
        }
        self.at.block += blocks;
        Ok(true)
    }

    /// The header of the batch at `at`, or of the first one in a later segment if this one has no more.
    fn header(&mut self, first_is_next: bool) -> Result<Header, ReadError> {
        while self.at.block >= self.file.blocks || is_zero(self.block(self.at.block)?) {
            self.at = Place { segment: self.at.segment + 1, block: 0 };
            let path = segment_path(self.directory, self.at.segment);
            self.file = match BlockReader::open(&path, self.portion_bytes) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return Err(self.damaged(0, Contradiction::SegmentMissing));
                }
                Err(error) => return Err(io_error(&path, error)),
            };
        }
        let (place, seq) = (self.at, self.seq);
        let block = self.block(place.block)?;
        let what = match Header::parse(block) {
            Ok(header) if !Context::new(header.first, place.segment).holds(place.block, block) => {
                Contradiction::Checksum
            }
            Ok(header)
                if header.segment == place.segment
                    && header.first <= seq
                    && (!first_is_next || header.first == seq) =>
            {
                return Ok(header);
            }
            Ok(header) => Contradiction::OutOfPlace { segment: header.segment, first: header.first },
            Err(HeaderFault::Version(version)) => Contradiction::Version { version },
            Err(HeaderFault::NotAHeader) => Contradiction::NoHeader,
        };
        Err(self.damaged(place.block, what))
    }

    fn block(&mut self, number: u64) -> Result<&[u8], ReadError> {
        let path = segment_path(self.directory, self.at.segment);
        self.file.blocks(number, 1).map_err(|source| io_error(&path, source))
    }

    fn damaged(&self, block: u64, what: Contradiction) -> ReadError {
        let file = segment_path(self.directory, self.at.segment);
        let offset = Place { block, ..self.at }.offset();
        Damage { seq: self.seq, file, offset, what }.into()
    }
}
