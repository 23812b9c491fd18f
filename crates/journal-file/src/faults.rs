//! A file system that fails on demand and can lose power: for tests.
//!
//! Each segment has two images: the file, which is what the system's cache shows, and what is on the platter. A sync
//! carries over what was written since the last one. A failed sync carries nothing over and forgets what was written,
//! as Linux does: the cache then shows what the platter never got, until it is written again.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::format::BLOCK_BYTES;
use crate::storage::{Disk, SegmentFile, Storage};

/// How a write that fails ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteFault {
    /// It fails and leaves nothing.
    Nothing,
    /// It fails after every other block.
    EveryOtherBlock,
    /// It fails after all was written.
    Everything,
}

/// How a sync that fails leaves what was written since the last one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncFault {
    /// On the platter nowhere, in the cache no more.
    Lost,
    /// On the platter nowhere; the cache shows it, until the power goes.
    Cached,
    /// On the platter, though failure is reported.
    Persisted,
}

/// Called in a sync; the fault it answers strikes that sync.
pub type SyncHook = Box<dyn FnOnce() -> Option<SyncFault> + Send>;

/// The disk with the faults. Clones share them.
#[derive(Clone, Default)]
pub struct FaultyDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    platters: BTreeMap<PathBuf, Platter>,
    on_sync: Option<SyncHook>,
    /// How many more syncs go well before one ends so.
    sync_fault: Option<(u32, SyncFault)>,
    write_fault: Option<(u32, WriteFault)>,
    full: bool,
}

#[derive(Default)]
struct Platter {
    bytes: Vec<u8>,
    /// Written since the last sync: offset and length.
    dirty: Vec<(u64, usize)>,
}

impl FaultyDisk {
    /// A disk that works.
    pub fn new() -> Self {
        Self::default()
    }

    /// Calls `hook` in the next sync of a segment, before it takes effect; it says how the sync ends.
    pub fn on_next_sync(&self, hook: SyncHook) {
        self.state().on_sync = Some(hook);
    }

    /// Fails a write, after `before` that go well.
    pub fn fail_write(&self, before: u32, fault: WriteFault) {
        self.state().write_fault = Some((before, fault));
    }

    /// Fails a sync, after `before` that go well.
    pub fn fail_sync(&self, before: u32, fault: SyncFault) {
        self.state().sync_fault = Some((before, fault));
    }

    /// Forgets the faults that did not strike.
    pub fn heal(&self) {
        let mut state = self.state();
        (state.on_sync, state.write_fault, state.sync_fault, state.full) = (None, None, None, false);
    }

    /// Says whether there is room for new segments.
    pub fn set_full(&self, full: bool) {
        self.state().full = full;
    }

    /// The power goes: every file is what is on the platter. No handle may be open.
    ///
    /// # Errors
    /// The system's.
    pub fn lose_power(&self) -> io::Result<()> {
        for (path, platter) in &mut self.state().platters {
            OpenOptions::new().write(true).open(path)?.write_all_at(&platter.bytes, 0)?;
            platter.dirty.clear();
        }
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The fault whose turn it is, if it is.
fn due<F: Copy>(planned: &mut Option<(u32, F)>) -> Option<F> {
    match planned {
        Some((0, _)) => planned.take().map(|(_, fault)| fault),
        Some((before, _)) => {
            *before -= 1;
            None
        }
        None => None,
    }
}

fn failed() -> io::Error {
    io::Error::other("injected fault")
}

impl Storage for FaultyDisk {
    fn create_zeroed(&self, path: &Path, bytes: u64, stop: &AtomicBool) -> io::Result<()> {
        if self.state().full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Disk.create_zeroed(path, bytes, stop)?;
        let zeros = vec![0; usize::try_from(bytes).map_err(io::Error::other)?];
        self.state().platters.insert(path.to_owned(), Platter { bytes: zeros, dirty: Vec::new() });
        Ok(())
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        let mut state = self.state();
        if !state.platters.contains_key(path) {
            state
                .platters
                .insert(path.to_owned(), Platter { bytes: std::fs::read(path)?, dirty: Vec::new() });
        }
        drop(state);
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        Ok(Box::new(FaultySegment { disk: self.clone(), path: path.to_owned(), file }))
    }
}

struct FaultySegment {
    disk: FaultyDisk,
    path: PathBuf,
    file: File,
}

impl FaultySegment {
    fn write(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)?;
        if let Some(platter) = self.disk.state().platters.get_mut(&self.path) {
            platter.dirty.push((offset, bytes.len()));
        }
        Ok(())
    }
}

impl SegmentFile for FaultySegment {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let fault = due(&mut self.disk.state().write_fault);
        match fault {
            None => return self.write(bytes, offset),
            Some(WriteFault::Nothing) => {}
            Some(WriteFault::EveryOtherBlock) => {
                let blocks = (offset..).step_by(BLOCK_BYTES).zip(bytes.chunks(BLOCK_BYTES));
                for (offset, block) in blocks.step_by(2) {
                    self.write(block, offset)?;
                }
            }
            Some(WriteFault::Everything) => self.write(bytes, offset)?,
        }
        Err(failed())
    }

    fn sync(&self) -> io::Result<()> {
        let (hook, planned) = {
            let mut state = self.disk.state();
            (state.on_sync.take(), due(&mut state.sync_fault))
        };
        // The state is free while the hook waits.
        let outcome = hook.and_then(|hook| hook()).or(planned);
        let mut state = self.disk.state();
        let Some(platter) = state.platters.get_mut(&self.path) else { return Err(failed()) };
        for (offset, length) in std::mem::take(&mut platter.dirty) {
            let start = usize::try_from(offset).map_err(io::Error::other)?;
            let stored = &mut platter.bytes[start..start + length];
            match outcome {
                Some(SyncFault::Lost) => self.file.write_all_at(stored, offset)?,
                Some(SyncFault::Cached) => {}
                None | Some(SyncFault::Persisted) => self.file.read_exact_at(stored, offset)?,
            }
        }
        if outcome.is_none() { Ok(()) } else { Err(failed()) }
    }
}
