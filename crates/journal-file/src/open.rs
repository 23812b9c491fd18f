//! Opening for writing: lock, check everything, recover.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use chain::TreeSize;
use journal::Head;

use crate::damage::{Damage, Torn};
use crate::files::{segment_path, usize_of};
use crate::format::{BLOCK_BYTES, Batch, Place, framed, split_record};
use crate::index::Index;
use crate::scan::{Found, Region, Scanner, Step};
use crate::storage::{Storage, sync_directory};

/// How to open a journal.
#[derive(Debug, Clone)]
pub struct Options {
    /// Length of a new segment, in bytes; rounded up to whole blocks. A journal's segments may differ in length.
    pub segment_bytes: u64,
    /// Most memory for the records appended last, kept for those who follow, in bytes.
    pub tail_bytes: usize,
    /// How many records are known to have been durable: opening below is refused.
    pub floor: TreeSize,
}

impl Default for Options {
    /// Segments of 16 MiB: some 15,000 events of a kilobyte, filled with zeros in a tenth of a second. A tail of 8 MiB:
    /// what the fastest writer measured adds in 25 ms, some seconds of what arrives over HTTP.
    fn default() -> Self {
        Self { segment_bytes: 16 << 20, tail_bytes: 8 << 20, floor: TreeSize(0) }
    }
}

/// Why a journal was not opened. Nothing was changed, but by a recovery that [`OpenError::Io`] interrupted.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process, or another handle in this one, has it open for writing.
    #[error("{} is held by another writer", path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// The stored bytes contradict themselves.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// Fewer records than are known to have been durable.
    #[error("the journal holds {found} records, but {floor} are known to have been durable")]
    BelowFloor {
        /// How many are known.
        floor: TreeSize,
        /// How many there are.
        found: TreeSize,
    },
    /// The system refused.
    #[error("{op} failed on {}", path.display())]
    Io {
        /// What was tried.
        op: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// What opening found and did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recovery {
    /// The durable end.
    pub head: Head,
    /// A torn tail that was cut, and the copy that was kept of it.
    pub torn: Option<(Torn, PathBuf)>,
    /// What `poisoned` said: an earlier write or sync failed. The last batch was written once more, elsewhere.
    pub poisoned: Option<String>,
}

/// What an open journal starts from.
pub(crate) struct Opened {
    pub(crate) lock: File,
    pub(crate) index: Index,
    /// Where the next batch goes.
    pub(crate) next: Place,
    /// The highest segment there is.
    pub(crate) newest: u64,
    pub(crate) recovery: Recovery,
}

/// Attaches what was tried, and on what, to the system's answer.
pub(crate) fn at(op: &'static str, path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    move |source| OpenError::Io { op, path: path.to_owned(), source }
}

/// The file that says that a write or sync failed, and how.
pub(crate) fn poison_path(directory: &Path) -> PathBuf {
    directory.join("poisoned")
}

/// Leaves word, as well as a failing disk lets us, that nothing cached of the last batch can be trusted.
pub(crate) fn leave_poison(directory: &Path, what: &str) -> io::Result<()> {
    let path = poison_path(directory);
    let mut file = File::create(&path)?;
    file.write_all(what.as_bytes())?;
    file.sync_all()?;
    sync_directory(&path)
}

/// Locks the journal in `directory`, checks every byte, cuts a torn tail and makes the last batch surely durable.
pub(crate) fn open(directory: &Path, options: &Options, storage: &dyn Storage) -> Result<Opened, OpenError> {
    if !directory.is_dir() {
        fs::create_dir_all(directory).map_err(at("create directory", directory))?;
        sync_directory(directory).map_err(at("sync the directory above", directory))?;
    }
    let lock = lock(directory)?;
    let mut recovery = Recovery { poisoned: poison(directory)?, ..Recovery::default() };
    remove_unfinished(directory)?;

    let mut scan = scan(directory)?;
    let found = scan.scanner.end().size;
    if found < options.floor {
        return Err(OpenError::BelowFloor { floor: options.floor, found });
    }
    let path_of = |region: Region| segment_path(directory, region.place.segment);
    let mut changed = false;
    if let (Some(left), Some(last)) = (scan.scanner.superseded(), scan.scanner.last()) {
        // The copy may have been written and not yet synced when recovery was interrupted.
        write_again(storage, &path_of(last.region), last.region)?;
        zero(storage, &path_of(left), left)?;
        changed = true;
    }
    if let Some(region) = scan.torn {
        let torn = scan.scanner.torn(region);
        let copy = keep_torn(directory, &torn)?;
        tracing::warn!(records = found.0, bytes = torn.bytes, copy = %copy.display(), "a torn tail was cut");
        // A crash before the zeros are durable leaves a torn tail again, and one more copy.
        zero(storage, &torn.file, region)?;
        recovery.torn = Some((torn, copy));
        changed = true;
    }
    match (scan.scanner.last(), &recovery.poisoned) {
        // It is a copy already: recovery got that far before.
        (Some(_), Some(_)) if scan.scanner.superseded().is_some() => {}
        (Some(last), Some(_)) => {
            copy_to_new_segment(directory, options, storage, last, scan.scanner.payload())?;
            zero(storage, &path_of(last.region), last.region)?;
            changed = true;
        }
        (Some(last), None) => write_again(storage, &path_of(last.region), last.region)?,
        (None, _) => {}
    }
    if recovery.poisoned.is_some() {
        let path = poison_path(directory);
        fs::remove_file(&path).and_then(|()| sync_directory(&path)).map_err(at("remove", &path))?;
    }
    if changed {
        // What recovery wrote is read back by the same code that reads everything.
        scan = self::scan(directory)?;
    }
    if scan.scanner.segments().is_empty() {
        let path = segment_path(directory, 0);
        create(storage, &path, options.segment_bytes)?;
    }
    recovery.head = scan.scanner.end();
    let next = scan.scanner.last().map_or(Place { segment: 0, block: 0 }, |last| {
        let Region { place, blocks } = last.region;
        Place { block: place.block + blocks, ..place }
    });
    let newest = scan.scanner.segments().last().copied().unwrap_or(0);
    Ok(Opened { lock, index: scan.index, next, newest, recovery })
}

fn lock(directory: &Path) -> Result<File, OpenError> {
    let path = directory.join("lock");
    let file =
        OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(at("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked { path }),
        Err(TryLockError::Error(source)) => Err(OpenError::Io { op: "lock", path, source }),
    }
}

/// What `poisoned` says, if it is there.
pub(crate) fn poison(directory: &Path) -> Result<Option<String>, OpenError> {
    let path = poison_path(directory);
    match fs::read(&path) {
        Ok(text) => Ok(Some(String::from_utf8_lossy(&text).into_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(at("read", &path)(error)),
    }
}

/// Removes segments whose making was interrupted: they never had their name.
fn remove_unfinished(directory: &Path) -> Result<(), OpenError> {
    let list = fs::read_dir(directory).map_err(at("list", directory))?;
    for entry in list {
        let path = entry.map_err(at("list", directory))?.path();
        if path.extension().is_some_and(|extension| extension == "unfinished") {
            fs::remove_file(&path).map_err(at("remove", &path))?;
        }
    }
    Ok(())
}

struct Scan {
    scanner: Scanner,
    index: Index,
    torn: Option<Region>,
}

fn scan(directory: &Path) -> Result<Scan, OpenError> {
    let read = |error| at("read", directory)(error);
    let mut scanner = Scanner::new(directory).map_err(read)?;
    let mut index = Index::default();
    loop {
        match scanner.next().map_err(read)? {
            Step::Batch(found) => {
                index.add(found.region.place, found.header.first, lengths(scanner.payload()));
            }
            Step::End => return Ok(Scan { scanner, index, torn: None }),
            Step::Torn(region) => return Ok(Scan { scanner, index, torn: Some(region) }),
            Step::Damaged(damage) => return Err(damage.into()),
        }
    }
}

/// Lengths of the records of a payload that was checked.
pub(crate) fn lengths(payload: &[u8]) -> impl Iterator<Item = usize> {
    records(payload).map(<[u8]>::len)
}

/// The records of a payload that was checked.
pub(crate) fn records(mut payload: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (record, rest) = split_record(payload)?;
        payload = rest;
        Some(record)
    })
}

fn create(storage: &dyn Storage, path: &Path, bytes: u64) -> Result<(), OpenError> {
    let bytes = bytes.max(1).next_multiple_of(BLOCK_BYTES as u64);
    storage.create_zeroed(path, bytes, &AtomicBool::new(false)).map_err(at("create", path))
}

/// Overwrites a region with zeros, durably.
fn zero(storage: &dyn Storage, path: &Path, region: Region) -> Result<(), OpenError> {
    let zeros = vec![0; usize_of(region.blocks) * BLOCK_BYTES];
    write(storage, path, region.place, &zeros)
}

fn write(storage: &dyn Storage, path: &Path, place: Place, bytes: &[u8]) -> Result<(), OpenError> {
    let file = storage.open(path).map_err(at("open", path))?;
    file.write_at(bytes, place.offset()).map_err(at("write", path))?;
    file.sync().map_err(at("sync", path))
}

/// Writes a batch again where it is: pages that were never stored and are called clean become dirty again.
fn write_again(storage: &dyn Storage, path: &Path, region: Region) -> Result<(), OpenError> {
    let bytes = read(path, region.place.offset(), usize_of(region.blocks) * BLOCK_BYTES)?;
    write(storage, path, region.place, &bytes)
}

fn read(path: &Path, offset: u64, length: usize) -> Result<Vec<u8>, OpenError> {
    let mut bytes = vec![0; length];
    File::open(path).and_then(|file| file.read_exact_at(&mut bytes, offset)).map_err(at("read", path))?;
    Ok(bytes)
}

/// Writes the batch `last` once more, at the start of the segment after its own.
fn copy_to_new_segment(
    directory: &Path,
    options: &Options,
    storage: &dyn Storage,
    last: Found,
    payload: &[u8],
) -> Result<(), OpenError> {
    let segment = last.region.place.segment + 1;
    let batch = Batch {
        place: Place { segment, block: 0 },
        first: last.header.first,
        prev: last.header.prev,
        count: last.header.count,
        payload_bytes: records(payload).map(|record| framed(record.len())).sum(),
    };
    let mut buffer = Vec::new();
    let bytes = batch.encode(&mut buffer, records(payload));
    let path = segment_path(directory, segment);
    // A segment made ahead holds only zeros, or an unfinished copy: a new one takes its place.
    create(storage, &path, options.segment_bytes.max(bytes.len() as u64))?;
    // A crash here leaves the batch twice, or once and in part: the scan knows both.
    write(storage, &path, batch.place, bytes)
}

/// Copies a torn tail to `torn/`, durably.
fn keep_torn(directory: &Path, torn: &Torn) -> Result<PathBuf, OpenError> {
    let folder = directory.join("torn");
    fs::create_dir_all(&folder).map_err(at("create directory", &folder))?;
    sync_directory(&folder).map_err(at("sync the directory above", &folder))?;
    let length = usize_of(torn.bytes);
    let bytes = read(&torn.file, torn.offset, length)?;
    let segment = torn.file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    for number in 0_u32.. {
        let path = folder.join(format!("{segment}-{}-{number}.blocks", torn.offset));
        let mut file = match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            Err(error) => return Err(at("create", &path)(error)),
        };
        file.write_all(&bytes).and_then(|()| file.sync_all()).map_err(at("write", &path))?;
        sync_directory(&path).map_err(at("sync the directory of", &path))?;
        return Ok(path);
    }
    Err(at("create", &folder)(io::ErrorKind::AlreadyExists.into()))
}
