//! What the engine asks of a file system when it writes: a seam, so that tests can fail each step.
//!
//! Reading goes to the files directly.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// Makes and opens segment files.
pub trait Storage: Send + Sync {
    /// Makes `path` a file of `bytes` zeros, durable, with its name, on return; replaces what was there. Gives up with
    /// [`io::ErrorKind::Interrupted`] when `stop` is set.
    ///
    /// # Errors
    /// The system's. There is then no file at `path` that was not there before.
    fn create_zeroed(&self, path: &Path, bytes: u64, stop: &AtomicBool) -> io::Result<()>;

    /// Opens an existing segment for writing.
    ///
    /// # Errors
    /// The system's.
    fn open(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>>;
}

/// A segment open for writing.
pub trait SegmentFile: Send + Sync {
    /// Writes all of `bytes` at `offset`; MUST NOT change the length of the file.
    ///
    /// # Errors
    /// The system's; some, all or none of the bytes may be written.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Makes every earlier write to this file durable.
    ///
    /// # Errors
    /// The system's; nothing is known of the earlier writes then.
    fn sync(&self) -> io::Result<()>;
}

/// The file system.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disk;

/// Zeros are written and synced in portions of 1 MiB, so that an append's sync never queues behind a whole segment.
const PORTION_BYTES: usize = 1 << 20;

impl Storage for Disk {
    fn create_zeroed(&self, path: &Path, bytes: u64, stop: &AtomicBool) -> io::Result<()> {
        // A crash here leaves a file with another ending, which opening removes.
        let unfinished = path.with_extension("unfinished");
        let mut file = File::create(&unfinished)?;
        let zeros = vec![0; PORTION_BYTES];
        let mut left = bytes;
        while left > 0 {
            if stop.load(Ordering::Relaxed) {
                drop(file);
                fs::remove_file(&unfinished)?;
                return Err(io::ErrorKind::Interrupted.into());
            }
            let portion = usize::try_from(left).map_or(PORTION_BYTES, |left| left.min(PORTION_BYTES));
            let written = file.write_all(&zeros[..portion]).and_then(|()| file.sync_data());
            if let Err(error) = written {
                drop(file);
                // A full disk gets its room back; if even that fails, opening removes the file.
                let _ = fs::remove_file(&unfinished);
                return Err(error);
            }
            left -= portion as u64;
        }
        file.sync_all()?;
        rename(&unfinished, path)?;
        sync_directory(path)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        Ok(Box::new(DiskSegment(OpenOptions::new().write(true).open(path)?)))
    }
}

struct DiskSegment(File);

impl SegmentFile for DiskSegment {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}

#[expect(clippy::disallowed_methods, reason = "this crate owns the directory; the caller syncs it")]
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)
}

/// Makes the name of `path` durable.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(directory) if !directory.as_os_str().is_empty() => File::open(directory)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}
