//! Walking all batches from the first on, and telling a torn tail from damage. Changes no file.

use std::io;
use std::mem;
use std::path::{Path, PathBuf};

use chain::{RecordHash, TreeSize};
use journal::Head;

use crate::damage::{Contradiction, Damage, Torn};
use crate::files::{BlockReader, gather, list_segments, segment_path};
use crate::format::{BLOCK_BYTES, Context, HEADER_BYTES, Header, HeaderFault, Place, is_zero, split_record};

/// A batch found whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) region: Region,
    pub(crate) header: Header,
}

/// A run of blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Region {
    pub(crate) place: Place,
    pub(crate) blocks: u64,
}

pub(crate) enum Step {
    /// The next batch; [`Scanner::payload`] has its records.
    Batch(Found),
    /// Nothing more.
    End,
    /// Nothing more but blocks of a batch that was never finished.
    Torn(Region),
    Damaged(Damage),
}

/// How much is read at once.
const PORTION_BYTES: usize = 256 << 10;

pub(crate) struct Scanner {
    directory: PathBuf,
    /// Numbers of the segments there are.
    segments: Vec<u64>,
    /// The segment read last.
    open: Option<(u64, BlockReader)>,
    /// Where the next batch is looked for.
    at: Place,
    /// The journal's end, as far as it was followed.
    end: Head,
    last: Option<Found>,
    /// Contents of the last batch's blocks: header, payload, padding.
    contents: Vec<u8>,
    /// Where the next batch's contents are gathered.
    scratch: Vec<u8>,
    /// What an interrupted recovery has copied to the next segment and not yet zeroed.
    superseded: Option<Region>,
}

/// Why looking ends early.
enum Stop {
    Damaged(Damage),
    Io(io::Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// What stands at one place.
enum Examined {
    Batch(Found),
    /// Zeros to the end of the segment.
    Nothing,
    /// Part of a batch, then zeros to the end of the segment; the block is its first that is zero.
    Part(Region, u64),
}

impl Scanner {
    pub(crate) fn new(directory: &Path) -> io::Result<Self> {
        Ok(Self {
            directory: directory.to_owned(),
            segments: list_segments(directory)?,
            open: None,
            at: Place { segment: 0, block: 0 },
            end: Head::EMPTY,
            last: None,
            contents: Vec::new(),
            scratch: Vec::new(),
            superseded: None,
        })
    }

    /// The end of the last batch found.
    pub(crate) fn end(&self) -> Head {
        self.end
    }

    /// The last batch found.
    pub(crate) fn last(&self) -> Option<Found> {
        self.last
    }

    pub(crate) fn superseded(&self) -> Option<Region> {
        self.superseded
    }

    pub(crate) fn segments(&self) -> &[u64] {
        &self.segments
    }

    /// Payload of the last batch found.
    pub(crate) fn payload(&self) -> &[u8] {
        self.last.map_or(&[], |last| payload(&self.contents, &last.header))
    }

    pub(crate) fn torn(&self, region: Region) -> Torn {
        Torn {
            seq: self.end.size.next_position(),
            file: segment_path(&self.directory, region.place.segment),
            offset: region.place.offset(),
            bytes: region.blocks * BLOCK_BYTES as u64,
        }
    }

    /// Forgets what was read ahead and which segments there were: a writer may have gone on.
    pub(crate) fn refresh(&mut self) -> io::Result<()> {
        self.open = None;
        self.segments = list_segments(&self.directory)?;
        Ok(())
    }

    /// Goes on to the next batch. After [`Step::Damaged`] it stays where it is.
    pub(crate) fn next(&mut self) -> io::Result<Step> {
        match self.look() {
            Ok(step) => Ok(step),
            Err(Stop::Damaged(damage)) => Ok(Step::Damaged(damage)),
            Err(Stop::Io(error)) => Err(error),
        }
    }

    /// After damage: goes to the next place where a later batch begins; false if there is none.
    pub(crate) fn skip_damage(&mut self) -> io::Result<bool> {
        let from = Place { block: self.at.block + 1, ..self.at };
        let due = self.end.size.next_position();
        for segment in self.segments.clone() {
            let start = match segment.cmp(&from.segment) {
                std::cmp::Ordering::Less => continue,
                std::cmp::Ordering::Equal => from.block,
                std::cmp::Ordering::Greater => 0,
            };
            for block in start..self.reader(segment)?.blocks {
                let bytes = self.reader(segment)?.blocks(block, 1)?;
                if let Ok(header) = Header::parse(bytes)
                    && header.segment == segment
                    && header.first >= due
                    && Context::new(header.first, segment).holds(block, bytes)
                {
                    self.at = Place { segment, block };
                    self.end = Head { size: TreeSize(header.first.0), hash: header.prev };
                    self.superseded = None;
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    fn look(&mut self) -> Result<Step, Stop> {
        if self.segments.is_empty() {
            return Ok(Step::End);
        }
        loop {
            self.check_segment()?;
            let goes_on = |scanner: &mut Self| scanner.goes_on_after(scanner.at.segment);
            match self.examine()? {
                Examined::Batch(found) => {
                    if let Some(step) = self.accept(found)? {
                        return Ok(step);
                    }
                }
                Examined::Nothing if !goes_on(self)? => return Ok(Step::End),
                Examined::Nothing => self.at = Place { segment: self.at.segment + 1, block: 0 },
                Examined::Part(..) if self.superseded.is_some() => return Err(self.unfinished()),
                Examined::Part(region, _) if !goes_on(self)? => return Ok(Step::Torn(region)),
                Examined::Part(region, missing) => {
                    // Recovery zeroes what it has copied to the next segment; nothing else leaves a part and goes on.
                    if !self.batch_opens(region.place.segment + 1)? {
                        let place = Place { block: missing, ..region.place };
                        return Err(self.damaged_at(place, Contradiction::Missing));
                    }
                    self.superseded = Some(region);
                    self.at = Place { segment: region.place.segment + 1, block: 0 };
                }
            }
        }
    }

    /// Whether segment `segment` begins with the batch that is due.
    fn batch_opens(&mut self, segment: u64) -> Result<bool, Stop> {
        let here = mem::replace(&mut self.at, Place { segment, block: 0 });
        let examined = self.check_segment().and_then(|()| self.examine());
        self.at = here;
        match examined {
            Ok(Examined::Batch(found)) => Ok(found.header.first == self.end.size.next_position()),
            Ok(_) | Err(Stop::Damaged(_)) => Ok(false),
            Err(Stop::Io(error)) => Err(Stop::Io(error)),
        }
    }

    /// Says what stands at `at`, and gathers it if it is a batch.
    fn examine(&mut self) -> Result<Examined, Stop> {
        let place = self.at;
        let blocks = self.reader(place.segment)?.blocks;
        if place.block >= blocks {
            return self.nothing();
        }
        if is_zero(self.reader(place.segment)?.blocks(place.block, 1)?) {
            return self.headless();
        }
        let header = self.header()?;
        let count = header.blocks().ok_or_else(|| self.damaged(Contradiction::Payload))?;
        if count > blocks - place.block {
            return Err(self.damaged(Contradiction::PastEnd));
        }
        let region = Region { place, blocks: count };
        let Some(missing) = self.gather(region, &header)? else {
            return Ok(Examined::Batch(Found { region, header }));
        };
        if self.last_written(place.segment, place.block + count)?.is_some() {
            return Err(self.damaged_at(Place { block: missing, ..place }, Contradiction::Missing));
        }
        Ok(Examined::Part(region, missing))
    }

    /// The header of the batch at `at`, which continues the journal or is a copy of the last batch.
    fn header(&mut self) -> Result<Header, Stop> {
        let place = self.at;
        let block = self.reader(place.segment)?.blocks(place.block, 1)?;
        let header = match Header::parse(block) {
            Ok(header) if Context::new(header.first, place.segment).holds(place.block, block) => header,
            Ok(_) => return Err(self.damaged(Contradiction::Checksum)),
            Err(HeaderFault::NotAHeader) => return Err(self.damaged(Contradiction::NoHeader)),
            Err(HeaderFault::Version(version)) => {
                return Err(self.damaged(Contradiction::Version { version }));
            }
        };
        let due = header.first == self.end.size.next_position();
        if header.segment != place.segment || !(due || self.is_copy(&header)) {
            let (segment, first) = (header.segment, header.first);
            return Err(self.damaged(Contradiction::OutOfPlace { segment, first }));
        }
        if due && header.prev != self.end.hash {
            return Err(self.damaged(Contradiction::Previous));
        }
        Ok(header)
    }

    /// Whether a batch with this header, at `at`, is the copy that recovery makes of the last one.
    fn is_copy(&self, header: &Header) -> bool {
        self.at.block == 0
            && self.last.is_some_and(|last| {
                last.header.segment + 1 == self.at.segment
                    && *header == Header { segment: self.at.segment, ..last.header }
            })
    }

    /// The segment has no more; it must still end with a whole block.
    fn nothing(&mut self) -> Result<Examined, Stop> {
        let segment = self.at.segment;
        let reader = self.reader(segment)?;
        let (bytes, block) = (reader.bytes, reader.blocks);
        if bytes % BLOCK_BYTES as u64 == 0 {
            return Ok(Examined::Nothing);
        }
        Err(self.damaged_at(Place { segment, block }, Contradiction::Length))
    }

    /// Zero where a batch would begin: nothing more in this segment, or a batch whose first block was not written.
    fn headless(&mut self) -> Result<Examined, Stop> {
        let place = self.at;
        let Some(end) = self.last_written(place.segment, place.block + 1)? else {
            return self.nothing();
        };
        let next = Context::new(self.end.size.next_position(), place.segment);
        let copy =
            self.last.filter(|_| place.block == 0).map(|last| Context::new(last.header.first, place.segment));
        for number in place.block + 1..end {
            let block = self.reader(place.segment)?.blocks(number, 1)?;
            let ours = next.holds(number, block) || copy.is_some_and(|copy| copy.holds(number, block));
            if !ours && !is_zero(block) {
                return Err(self.damaged(Contradiction::Missing));
            }
        }
        Ok(Examined::Part(Region { place, blocks: end - place.block }, place.block))
    }

    /// Joins the contents of a batch's blocks. Answers the first block that is zero, if one is.
    fn gather(&mut self, region: Region, header: &Header) -> Result<Option<u64>, Stop> {
        let place = region.place;
        let context = Context::new(header.first, place.segment);
        let mut scratch = mem::take(&mut self.scratch);
        scratch.clear();
        let bytes = self.reader(place.segment)?.blocks(place.block, region.blocks)?;
        let (mut missing, mut wrong) = (None, None);
        if gather(bytes, context, place.block, &mut scratch).is_err() {
            // Rare: look again at every block, to tell what was never written from what was altered.
            for (number, block) in (place.block..).zip(bytes.chunks_exact(BLOCK_BYTES)) {
                if !context.holds(number, block) {
                    let first = if is_zero(block) { &mut missing } else { &mut wrong };
                    first.get_or_insert(number);
                }
            }
        }
        self.scratch = scratch;
        if let Some(block) = wrong {
            let place = Place { block, ..place };
            return Err(self.damaged_at(place, Contradiction::Checksum));
        }
        Ok(missing)
    }

    /// Goes past a batch that was just gathered; `None` if it is the copy of the one before.
    fn accept(&mut self, found: Found) -> Result<Option<Step>, Stop> {
        let Found { region, header } = found;
        let copy = header.first != self.end.size.next_position();
        let completes =
            |left: Region| !copy && region.place == Place { segment: left.place.segment + 1, block: 0 };
        if self.superseded.is_some_and(|left| !completes(left)) {
            return Err(self.unfinished());
        }
        if copy {
            if payload(&self.scratch, &header) != self.payload() {
                let Header { segment, first, .. } = header;
                return Err(self.damaged(Contradiction::OutOfPlace { segment, first }));
            }
            self.superseded = self.last.map(|last| last.region);
        } else {
            let hash = last_hash(payload(&self.scratch, &header), header.count);
            let hash = hash.ok_or_else(|| self.damaged(Contradiction::Payload))?;
            self.end = Head { size: TreeSize(header.first.0 + u64::from(header.count)), hash };
            mem::swap(&mut self.contents, &mut self.scratch);
        }
        self.last = Some(found);
        self.at.block += region.blocks;
        Ok((!copy).then_some(Step::Batch(found)))
    }

    /// One past the last block from `block` on that is not zero; `None` if all are.
    fn last_written(&mut self, segment: u64, block: u64) -> io::Result<Option<u64>> {
        let reader = self.reader(segment)?;
        let mut end = None;
        for number in block..reader.blocks {
            if !is_zero(reader.blocks(number, 1)?) {
                end = Some(number + 1);
            }
        }
        Ok(end)
    }

    /// Whether there are later segments that are not just zeros in whole blocks, or that do not follow one upon the
    /// other.
    fn goes_on_after(&mut self, segment: u64) -> io::Result<bool> {
        let later: Vec<u64> = self.segments.iter().copied().filter(|number| *number > segment).collect();
        for (due, number) in (segment + 1..).zip(later) {
            if number != due {
                return Ok(true);
            }
            let reader = self.reader(number)?;
            if reader.bytes % BLOCK_BYTES as u64 != 0 {
                return Ok(true);
            }
            for block in 0..reader.blocks {
                if !is_zero(reader.blocks(block, 1)?) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    fn check_segment(&self) -> Result<(), Stop> {
        match self.segments.binary_search(&self.at.segment) {
            Ok(_) => Ok(()),
            Err(_) => Err(self.damaged(Contradiction::SegmentMissing)),
        }
    }

    fn reader(&mut self, segment: u64) -> io::Result<&mut BlockReader> {
        let reader = match self.open.take() {
            Some((number, reader)) if number == segment => reader,
            _ => BlockReader::open(&segment_path(&self.directory, segment), PORTION_BYTES)?,
        };
        Ok(&mut self.open.insert((segment, reader)).1)
    }

    fn unfinished(&self) -> Stop {
        self.damaged_at(self.superseded.map_or(self.at, |left| left.place), Contradiction::Unfinished)
    }

    fn damaged(&self, what: Contradiction) -> Stop {
        self.damaged_at(self.at, what)
    }

    fn damaged_at(&self, place: Place, what: Contradiction) -> Stop {
        let file = segment_path(&self.directory, place.segment);
        Stop::Damaged(Damage { seq: self.end.size.next_position(), file, offset: place.offset(), what })
    }
}

/// The payload within a batch's contents.
fn payload<'c>(contents: &'c [u8], header: &Header) -> &'c [u8] {
    let length = usize::try_from(header.payload_bytes).unwrap_or(usize::MAX);
    contents.get(HEADER_BYTES..).and_then(|payload| payload.get(..length)).unwrap_or_default()
}

/// Hash of the last of `count` records, if they fill the payload exactly.
fn last_hash(mut payload: &[u8], count: u32) -> Option<RecordHash> {
    let mut last: &[u8] = &[];
    for _ in 0..count {
        (last, payload) = split_record(payload)?;
    }
    payload.is_empty().then(|| RecordHash::of(last))
}
