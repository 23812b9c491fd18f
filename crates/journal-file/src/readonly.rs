//! Reading a journal that another process may be writing: no lock is taken, no file is changed.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use chain::{LinkedRecord, Position};
use journal::{Head, ReadError};

use crate::damage::{Damage, Torn};
use crate::files::segment_path;
use crate::index::Index;
use crate::open::{OpenError, at, lengths, poison, records};
use crate::read::read;
use crate::scan::{Scanner, Step};

/// A journal's directory, for reading.
#[derive(Debug, Clone)]
pub struct ReadOnlyJournal {
    directory: PathBuf,
}

/// Why the next record cannot be given.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// Stored bytes contradict themselves. Going on gives the records of the next batch that can be read.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// The system refused. Nothing more comes.
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

/// Where reading ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// The end of what was given.
    pub head: Head,
    /// An unfinished batch after it: a writer is at it, or a crash left it. No damage.
    pub torn: Option<Torn>,
    /// A whole batch after `head` that could not be shown to be durable: an append of it failed. Not given.
    pub withheld: Option<Head>,
}

/// How often, and how long after, damage is looked at again before it is believed: a reader may see a write halfway.
const LOOKS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(1);

impl ReadOnlyJournal {
    /// Finds the journal in `directory`.
    ///
    /// # Errors
    /// [`OpenError::Io`]: there is no such directory, or it cannot be read.
    pub fn open(directory: &Path) -> Result<Self, OpenError> {
        std::fs::read_dir(directory).map_err(at("list", directory))?;
        Ok(Self { directory: directory.to_owned() })
    }

    /// All durable records from 0 on, in order. Memory: one batch, and 40 bytes for each 64 KiB of journal.
    ///
    /// # Errors
    /// [`ScanError::Io`].
    pub fn records(&self) -> Result<Records, ScanError> {
        let scanner = Scanner::new(&self.directory).map_err(|source| self.error("list", source))?;
        Ok(Records {
            journal: self.clone(),
            scanner,
            ready: VecDeque::new(),
            given: Head::EMPTY,
            held: None,
            failure: None,
            pause: PAUSE,
            believed: false,
            end: None,
            index: Index::default(),
        })
    }

    fn error(&self, op: &'static str, source: io::Error) -> ScanError {
        ScanError::Io { op, path: self.directory.clone(), source }
    }
}

/// Durable records in order; damage where it is met.
pub struct Records {
    journal: ReadOnlyJournal,
    scanner: Scanner,
    /// Records shown to be durable, not given yet.
    ready: VecDeque<LinkedRecord>,
    /// The end of what is ready.
    given: Head,
    /// A whole batch and the end after it. It is durable once anything follows it, or once it is synced here.
    held: Option<(Vec<LinkedRecord>, Head)>,
    /// To be given after what is ready.
    failure: Option<ScanError>,
    pause: Duration,
    /// Damage was met and did not go away: no writer is at work there.
    believed: bool,
    end: Option<End>,
    /// Where the batches met so far lie.
    index: Index,
}

impl Records {
    /// A record that was given already; `None` for any other. Reads at most 64 KiB of records before it.
    ///
    /// # Errors
    /// [`ReadError`]: it can no longer be read.
    pub fn record(&self, seq: Position) -> Result<Option<LinkedRecord>, ReadError> {
        if seq.0 >= self.given.size.0 {
            return Ok(None);
        }
        let Some(mark) = self.index.find(seq) else { return Ok(None) };
        let found = read(&self.journal.directory, mark, seq, self.given, 1)?;
        Ok(found.into_iter().next().filter(|record| record.seq == seq))
    }

    /// Where reading ended; `None` before the iterator has.
    pub fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }

    /// Reads on until something is ready or the end is reached.
    fn advance(&mut self) -> Result<(), ScanError> {
        let mut looks = if self.believed { LOOKS } else { 0 };
        loop {
            match self.scanner.next().map_err(|source| self.journal.error("read", source))? {
                Step::Batch(found) => {
                    // A writer begins a batch only after the one before is durable.
                    self.release();
                    let records = (found.header.first.0..)
                        .zip(records(self.scanner.payload()))
                        .map(|(seq, record)| LinkedRecord::new(chain::Position(seq), record))
                        .collect();
                    self.index.add(found.region.place, found.header.first, lengths(self.scanner.payload()));
                    self.held = Some((records, self.scanner.end()));
                    if !self.ready.is_empty() {
                        return Ok(());
                    }
                }
                Step::End => return self.finish(None),
                Step::Torn(region) => {
                    let torn = self.scanner.torn(region);
                    return self.finish(Some(torn));
                }
                Step::Damaged(_) if looks < LOOKS => {
                    thread::sleep(self.pause);
                    looks += 1;
                    self.scanner.refresh().map_err(|source| self.journal.error("list", source))?;
                }
                Step::Damaged(damage) => {
                    self.believed = true;
                    self.release();
                    let more =
                        self.scanner.skip_damage().map_err(|source| self.journal.error("read", source))?;
                    self.failure = Some(damage.into());
                    if !more {
                        self.end = Some(End { head: self.given, torn: None, withheld: None });
                    }
                    return Ok(());
                }
            }
        }
    }

    fn release(&mut self) {
        if let Some((records, head)) = self.held.take() {
            self.ready.extend(records);
            self.given = head;
        }
    }

    fn finish(&mut self, torn: Option<Torn>) -> Result<(), ScanError> {
        let withheld = match (&self.held, self.scanner.last()) {
            (Some((_, head)), Some(last)) => {
                let path = segment_path(&self.journal.directory, last.region.place.segment);
                let synced = File::open(&path).and_then(|file| file.sync_data());
                let error = |error: OpenError| match error {
                    OpenError::Io { op, path, source } => ScanError::Io { op, path, source },
                    other => ScanError::Io { op: "read", path, source: io::Error::other(other) },
                };
                let doubtful = synced.is_err() || poison(&self.journal.directory).map_err(error)?.is_some();
                doubtful.then_some(*head)
            }
            _ => None,
        };
        if withheld.is_some() {
            self.held = None;
        }
        self.release();
        self.end = Some(End { head: self.given, torn, withheld });
        Ok(())
    }
}

impl Iterator for Records {
    type Item = Result<LinkedRecord, ScanError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(record) = self.ready.pop_front() {
                return Some(Ok(record));
            }
            if let Some(failure) = self.failure.take() {
                return Some(Err(failure));
            }
            if self.end.is_some() {
                return None;
            }
            if let Err(error) = self.advance() {
                self.end = Some(End { head: self.given, torn: None, withheld: None });
                return Some(Err(error));
            }
        }
    }
}
