//! One batch as blocks: the tables of the crate's page, in code. No I/O.

use chain::{Position, RECORD_BYTES_MAX, RecordHash};

/// A block: what a disk is assumed to store in whole or not at all.
pub(crate) const BLOCK_BYTES: usize = 512;

/// What a block holds besides its checksum.
pub(crate) const CONTENT_BYTES: usize = BLOCK_BYTES - 4;

/// The most a batch's header and payload may have: read and checked in memory as one piece. 16 MiB is 256 of the
/// longest records, and four times what the sequencer gathers.
pub const BATCH_BYTES_MAX: usize = 16 << 20;

pub(crate) const HEADER_BYTES: usize = 76;
const MAGIC: [u8; 8] = *b"TBJBATCH";
const VERSION: u32 = 1;

/// Bytes before each record in the payload.
const LENGTH_BYTES: usize = 2;

const _: () = assert!(RECORD_BYTES_MAX <= u16::MAX as usize, "a length field holds every record's length");

/// Where a batch lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) segment: u64,
    /// The first block's number in the segment.
    pub(crate) block: u64,
}

impl Place {
    /// Byte offset in the segment's file.
    pub(crate) fn offset(self) -> u64 {
        self.block * BLOCK_BYTES as u64
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) segment: u64,
    pub(crate) first: Position,
    pub(crate) count: u32,
    pub(crate) payload_bytes: u64,
    pub(crate) prev: RecordHash,
}

/// Why the start of a block is no header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeaderFault {
    NotAHeader,
    Version(u32),
}

impl Header {
    fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[0..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_be_bytes());
        bytes[12..16].copy_from_slice(&self.count.to_be_bytes());
        bytes[16..24].copy_from_slice(&self.segment.to_be_bytes());
        bytes[24..32].copy_from_slice(&self.first.0.to_be_bytes());
        bytes[32..40].copy_from_slice(&self.payload_bytes.to_be_bytes());
        bytes[40..72].copy_from_slice(&self.prev.0);
        let checksum = crc32c::crc32c(&bytes[..72]);
        bytes[72..].copy_from_slice(&checksum.to_be_bytes());
        bytes
    }

    /// Reads the header at the start of a batch's first block; the block's own checksum is another matter.
    pub(crate) fn parse(block: &[u8]) -> Result<Self, HeaderFault> {
        if block[..8] != MAGIC || crc32c::crc32c(&block[..72]) != be_u32(&block[72..76]) {
            return Err(HeaderFault::NotAHeader);
        }
        let version = be_u32(&block[8..12]);
        if version != VERSION {
            return Err(HeaderFault::Version(version));
        }
        let mut prev = RecordHash::ZERO;
        prev.0.copy_from_slice(&block[40..72]);
        Ok(Self {
            segment: be_u64(&block[16..24]),
            first: Position(be_u64(&block[24..32])),
            count: be_u32(&block[12..16]),
            payload_bytes: be_u64(&block[32..40]),
            prev,
        })
    }

    /// How many blocks the batch takes; `None` if no engine of this version writes such a batch.
    pub(crate) fn blocks(&self) -> Option<u64> {
        let payload = usize::try_from(self.payload_bytes).ok()?;
        (self.count > 0 && payload <= BATCH_BYTES_MAX - HEADER_BYTES).then(|| blocks_of(payload))
    }
}

fn be_u32(bytes: &[u8]) -> u32 {
    u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

fn be_u64(bytes: &[u8]) -> u64 {
    u64::from(be_u32(bytes)) << 32 | u64::from(be_u32(&bytes[4..]))
}

fn blocks_of(payload_bytes: usize) -> u64 {
    (HEADER_BYTES + payload_bytes).div_ceil(CONTENT_BYTES) as u64
}

/// What a record of `bytes` bytes takes of a payload.
pub(crate) fn framed(bytes: usize) -> usize {
    LENGTH_BYTES + bytes
}

/// How many blocks a batch of so many framed bytes takes; `None` if it is more than [`BATCH_BYTES_MAX`].
pub(crate) fn blocks_for(payload_bytes: usize) -> Option<u64> {
    (payload_bytes <= BATCH_BYTES_MAX - HEADER_BYTES).then(|| blocks_of(payload_bytes))
}

/// The blocks of one batch belong together: their checksums cover where they are and which batch they are of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Context(u32);

impl Context {
    pub(crate) fn new(first: Position, segment: u64) -> Self {
        Self(crc32c::crc32c_append(crc32c::crc32c(&first.0.to_be_bytes()), &segment.to_be_bytes()))
    }

    fn checksum(self, number: u64, content: &[u8]) -> u32 {
        crc32c::crc32c_append(crc32c::crc32c_append(self.0, &number.to_be_bytes()), content)
    }

    /// Whether `block`, found as number `number`, is of this batch.
    pub(crate) fn holds(self, number: u64, block: &[u8]) -> bool {
        let (content, checksum) = block.split_at(CONTENT_BYTES);
        self.checksum(number, content) == be_u32(checksum)
    }
}

/// Whether every byte is zero.
pub(crate) fn is_zero(block: &[u8]) -> bool {
    const ZEROS: [u8; BLOCK_BYTES] = [0; BLOCK_BYTES];
    block.chunks(BLOCK_BYTES).all(|part| part == &ZEROS[..part.len()])
}

/// What a batch is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Batch {
    pub(crate) place: Place,
    pub(crate) first: Position,
    pub(crate) prev: RecordHash,
    pub(crate) count: u32,
    /// Sum of [`framed`] over the records.
    pub(crate) payload_bytes: usize,
}

impl Batch {
    /// Writes the batch's blocks into `buffer`, whose earlier content does not matter, and answers them.
    pub(crate) fn encode<'b, 'r>(
        &self,
        buffer: &'b mut Vec<u8>,
        records: impl Iterator<Item = &'r [u8]>,
    ) -> &'b [u8] {
        let blocks = usize::try_from(blocks_of(self.payload_bytes)).expect("a batch fits in memory");
        let length = blocks * BLOCK_BYTES;
        if buffer.len() < length {
            buffer.resize(length, 0);
        }
        let buffer = &mut buffer[..length];
        let header = Header {
            segment: self.place.segment,
            first: self.first,
            count: self.count,
            payload_bytes: self.payload_bytes as u64,
            prev: self.prev,
        };
        let mut contents = Contents { buffer, at: 0 };
        contents.put(&header.to_bytes());
        for record in records {
            let length = u16::try_from(record.len()).expect("record lengths were checked before");
            contents.put(&length.to_be_bytes());
            contents.put(record);
        }
        debug_assert_eq!(contents.at - contents.at / BLOCK_BYTES * 4, HEADER_BYTES + self.payload_bytes);
        contents.pad();
        let context = Context::new(self.first, self.place.segment);
        for (number, block) in (self.place.block..).zip(buffer.chunks_exact_mut(BLOCK_BYTES)) {
            let (content, checksum) = block.split_at_mut(CONTENT_BYTES);
            checksum.copy_from_slice(&context.checksum(number, content).to_be_bytes());
        }
        buffer
    }
}

/// Puts bytes into the contents of successive blocks, leaving room for the checksums.
struct Contents<'b> {
    buffer: &'b mut [u8],
    at: usize,
}

impl Contents<'_> {
    fn put(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = CONTENT_BYTES - self.at % BLOCK_BYTES;
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.buffer[self.at..self.at + now.len()].copy_from_slice(now);
            self.at += now.len();
            if now.len() == room {
                self.at += BLOCK_BYTES - CONTENT_BYTES;
            }
            bytes = later;
        }
    }

    fn pad(&mut self) {
        self.buffer[self.at..].fill(0);
    }
}

/// Cuts records off the front of a payload; `None` where it ends or the next record is not there in whole.
pub(crate) fn split_record(payload: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = payload.split_first_chunk::<LENGTH_BYTES>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Encodes records of these lengths and takes the blocks apart again.
    fn check(lengths: &[usize], blocks_expected: usize) {
        let records: Vec<Vec<u8>> = (1..).zip(lengths).map(|(byte, length)| vec![byte; *length]).collect();
        let batch = Batch {
            place: Place { segment: 3, block: 7 },
            first: Position(40),
            prev: RecordHash([9; 32]),
            count: u32::try_from(records.len()).unwrap(),
            payload_bytes: records.iter().map(|record| framed(record.len())).sum(),
        };
        let mut buffer = vec![0xff; 100];
        let bytes = batch.encode(&mut buffer, records.iter().map(Vec::as_slice)).to_vec();
        assert_eq!(bytes.len(), blocks_expected * BLOCK_BYTES);

        let header = Header::parse(&bytes).unwrap();
        assert_eq!(header.blocks(), Some(blocks_expected as u64));
        assert_eq!((header.segment, header.first, header.prev), (3, Position(40), RecordHash([9; 32])));
        let context = Context::new(Position(40), 3);
        let mut contents = Vec::new();
        for (number, block) in (7..).zip(bytes.chunks(BLOCK_BYTES)) {
            assert!(context.holds(number, block));
            assert!(!context.holds(number + 1, block), "a block elsewhere is not of this batch");
            assert!(!Context::new(Position(41), 3).holds(number, block));
            assert!(!Context::new(Position(40), 2).holds(number, block));
            contents.extend_from_slice(&block[..CONTENT_BYTES]);
        }
        let (mut payload, padding) = contents[HEADER_BYTES..].split_at(batch.payload_bytes);
        assert!(is_zero(padding));
        for expected in &records {
            let (record, rest) = split_record(payload).unwrap();
            assert_eq!(record, expected);
            payload = rest;
        }
        assert!(payload.is_empty());
    }

    #[test]
    fn what_is_encoded_comes_out_again_at_every_length_around_a_block() {
        check(&[0], 1);
        check(&[430], 1);
        check(&[431], 2);
        for length in 420..440 {
            check(&[length, 1], if length + 5 + 76 <= 508 { 1 } else { 2 });
        }
        check(&[430, 506], 2);
        check(&[430, 507], 3);
        check(&[65_535, 0, 65_535], 259);
    }

    #[test]
    fn a_header_of_another_version_is_named_as_such() {
        let header =
            Header { segment: 0, first: Position(0), count: 1, payload_bytes: 2, prev: RecordHash::ZERO };
        let mut bytes = header.to_bytes();
        assert_eq!(Header::parse(&bytes), Ok(header));
        bytes[11] = 2;
        assert_eq!(Header::parse(&bytes), Err(HeaderFault::NotAHeader));
        let checksum = crc32c::crc32c(&bytes[..72]);
        bytes[72..].copy_from_slice(&checksum.to_be_bytes());
        assert_eq!(Header::parse(&bytes), Err(HeaderFault::Version(2)));
    }

    #[test]
    fn a_batch_no_engine_writes_has_no_length() {
        let header =
            Header { segment: 0, first: Position(0), count: 1, payload_bytes: 2, prev: RecordHash::ZERO };
        assert_eq!(header.blocks(), Some(1));
        assert_eq!(Header { count: 0, ..header }.blocks(), None);
        assert_eq!(Header { payload_bytes: BATCH_BYTES_MAX as u64, ..header }.blocks(), None);
        assert_eq!(Header { payload_bytes: u64::MAX, ..header }.blocks(), None);
    }
}
