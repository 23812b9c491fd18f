//! The journal, open for writing.

use std::fs::File;
use std::io;
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chain::{LinkedRecord, Position, TreeSize};
use journal::{AppendError, Head, Journal, ReadError, check_batch};

use crate::files::{segment_path, usize_of};
use crate::format::{BATCH_BYTES_MAX, BLOCK_BYTES, Batch, HEADER_BYTES, Place, blocks_for, framed};
use crate::index::Index;
use crate::open::{OpenError, Opened, Options, Recovery, at, leave_poison, open};
use crate::read;
use crate::spare::SpareMaker;
use crate::storage::{Disk, SegmentFile, Storage};
use crate::tail::Tail;

/// The embedded engine: one writer's handle on a directory of segments.
///
/// One append is one write and one `fdatasync`. Appends from several threads follow one another; to have them share
/// a sync, put a [`journal::sequencer::Sequencer`] in front.
pub struct FileJournal {
    directory: PathBuf,
    writer: Mutex<Writer>,
    shared: Mutex<Shared>,
    grown: Condvar,
    /// Held while the journal is open; the system lets go of it with the process.
    _lock: File,
}

/// What is durable, for readers.
struct Shared {
    head: Head,
    index: Index,
    tail: Tail,
}

/// What one append at a time has in hand.
struct Writer {
    directory: PathBuf,
    segment_bytes: u64,
    storage: Arc<dyn Storage>,
    file: Box<dyn SegmentFile>,
    path: PathBuf,
    /// Where the next batch goes, if it fits.
    next: Place,
    /// How many blocks the segment has.
    blocks: u64,
    head: Head,
    buffer: Vec<u8>,
    poisoned: bool,
    spare: Spare,
    maker: SpareMaker,
}

/// The segment after the current one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Spare {
    Absent,
    Requested,
    Ready,
}

impl FileJournal {
    /// Opens the journal in `directory`, which is made if it is missing. Checks every byte and recovers.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(directory: &Path, options: &Options) -> Result<(Self, Recovery), OpenError> {
        Self::open_on(Arc::new(Disk), directory, options)
    }

    /// As [`FileJournal::open`], writing through `storage`.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open_on(
        storage: Arc<dyn Storage>,
        directory: &Path,
        options: &Options,
    ) -> Result<(Self, Recovery), OpenError> {
        let Opened { lock, index, next, newest, recovery } = open(directory, options, &*storage)?;
        let path = segment_path(directory, next.segment);
        let writer = Writer {
            directory: directory.to_owned(),
            segment_bytes: options.segment_bytes.max(1).next_multiple_of(BLOCK_BYTES as u64),
            file: storage.open(&path).map_err(at("open", &path))?,
            blocks: blocks_in(&path).map_err(at("inspect", &path))?,
            path,
            next,
            head: recovery.head,
            buffer: Vec::new(),
            poisoned: false,
            spare: if newest > next.segment { Spare::Ready } else { Spare::Absent },
            maker: SpareMaker::start(Arc::clone(&storage)).map_err(at("start a thread for", directory))?,
            storage,
        };
        let shared = Shared { head: recovery.head, index, tail: Tail::new(options.tail_bytes) };
        let journal = Self {
            directory: directory.to_owned(),
            writer: Mutex::new(writer),
            shared: Mutex::new(shared),
            grown: Condvar::new(),
            _lock: lock,
        };
        Ok((journal, recovery))
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        // Nothing panics while it is held but an allocation.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Journal for FileJournal {
    fn append(&self, expected: Head, records: &[LinkedRecord]) -> Result<Head, AppendError> {
        // A panic in an append leaves open what was written: as poisoned as a failed write.
        let Ok(mut writer) = self.writer.lock() else { return Err(AppendError::Poisoned) };
        if writer.poisoned {
            return Err(AppendError::Poisoned);
        }
        check_batch(expected, writer.head, records)?;
        if records.is_empty() {
            return Ok(writer.head);
        }
        let place = writer.store(records)?;
        // Durable from here on.
        let head = writer.head;
        let mut shared = self.shared();
        debug_assert_eq!(shared.head, expected, "readers stand where the writer stood");
        shared.index.add(place, records[0].seq, records.iter().map(|record| record.bytes.len()));
        shared.tail.extend(records);
        shared.head = head;
        drop(shared);
        self.grown.notify_all();
        writer.make_spare();
        Ok(head)
    }

    fn read(&self, from: Position, bytes_max: usize) -> Result<Vec<LinkedRecord>, ReadError> {
        let (mark, head) = {
            let shared = self.shared();
            if from.0 >= shared.head.size.0 {
                return Ok(Vec::new());
            }
            if let Some(records) = shared.tail.read(from, bytes_max) {
                return Ok(records);
            }
            (shared.index.find(from), shared.head)
        };
        let Some(mark) = mark else { return Ok(Vec::new()) };
        read::read(&self.directory, mark, from, head, bytes_max)
    }

    fn head(&self) -> Head {
        self.shared().head
    }

    fn wait(&self, size: TreeSize, timeout: Duration) -> Head {
        self.grown
            .wait_timeout_while(self.shared(), timeout, |shared| shared.head.size <= size)
            .unwrap_or_else(PoisonError::into_inner)
            .0
            .head
    }
}

impl Writer {
    /// Makes a batch durable and answers where it is.
    fn store(&mut self, records: &[LinkedRecord]) -> Result<Place, AppendError> {
        let mut payload_bytes = 0;
        let mut blocks = 0;
        for record in records {
            payload_bytes += framed(record.bytes.len());
            blocks = blocks_for(payload_bytes).ok_or(AppendError::TooLarge {
                seq: record.seq,
                bytes: payload_bytes + HEADER_BYTES,
                limit: BATCH_BYTES_MAX,
            })?;
        }
        self.write(records, payload_bytes, blocks).map_err(|(op, source)| {
            self.poisoned = true;
            let path = self.path.clone();
            if let Err(error) = leave_poison(&self.directory, &format!("{op} failed on {}: {source}", path.display())) {
                tracing::error!(%error, "the failure could not be noted; opening again writes the last batch in place");
            }
            AppendError::Io { op, path, source }
        })
    }

    fn write(
        &mut self,
        records: &[LinkedRecord],
        payload_bytes: usize,
        blocks: u64,
    ) -> Result<Place, (&'static str, io::Error)> {
        if self.next.block + blocks > self.blocks {
            self.next_segment(blocks).map_err(|error| ("make the next segment", error))?;
        }
        let place = self.next;
        let batch = Batch {
            place,
            first: records[0].seq,
            prev: self.head.hash,
            count: u32::try_from(records.len()).expect("16 MiB hold fewer records"),
            payload_bytes,
        };
        let bytes = batch.encode(&mut self.buffer, records.iter().map(|record| &*record.bytes));
        debug_assert_eq!(bytes.len(), usize_of(blocks) * BLOCK_BYTES);
        // A crash during the write leaves a torn tail; after it and before the sync is done, that or the whole batch.
        self.file.write_at(bytes, place.offset()).map_err(|error| ("write", error))?;
        self.file.sync().map_err(|error| ("sync", error))?;
        self.next.block += blocks;
        self.head = self.head.after(records);
        Ok(place)
    }

    /// Goes to the next segment, which has room for `blocks`.
    fn next_segment(&mut self, blocks: u64) -> io::Result<()> {
        let segment = self.next.segment + 1;
        let path = segment_path(&self.directory, segment);
        let ready = match mem::replace(&mut self.spare, Spare::Absent) {
            Spare::Absent => false,
            // If it failed, the disk may have room by now.
            Spare::Requested => self.maker.finish().is_ok(),
            Spare::Ready => true,
        };
        if !ready || blocks_in(&path)? < blocks {
            let bytes = self.segment_bytes.max(blocks * BLOCK_BYTES as u64);
            self.storage.create_zeroed(&path, bytes, &AtomicBool::new(false))?;
        }
        self.file = self.storage.open(&path)?;
        self.blocks = blocks_in(&path)?;
        self.path = path;
        self.next = Place { segment, block: 0 };
        Ok(())
    }

    /// Has the next segment made once the current one is half full.
    fn make_spare(&mut self) {
        if self.spare == Spare::Absent && self.next.block * 2 >= self.blocks {
            self.maker.request(segment_path(&self.directory, self.next.segment + 1), self.segment_bytes);
            self.spare = Spare::Requested;
        }
    }
}

fn blocks_in(path: &Path) -> io::Result<u64> {
    Ok(std::fs::metadata(path)?.len() / BLOCK_BYTES as u64)
}
