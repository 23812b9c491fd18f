//! Runs the journal's conformance suite on every engine.

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use journal::Journal;
    use journal::conformance::{self, Store, SyncHook, SyncOutcome};
    use journal::memory::MemoryJournal;
    use journal_file::faults::{FaultyDisk, SyncFault};
    use journal_file::{FileJournal, Options};

    #[derive(Default)]
    struct Memory(Mutex<Arc<MemoryJournal>>);

    impl Store for Memory {
        fn open(&self) -> Box<dyn Journal> {
            let mut journal = self.0.lock().unwrap();
            *journal = Arc::new(journal.reopen());
            Box::new(Arc::clone(&journal))
        }

        fn on_next_sync(&self, hook: SyncHook) -> bool {
            self.0.lock().unwrap().on_next_sync(hook);
            true
        }
    }

    struct Files {
        directory: tempfile::TempDir,
        disk: FaultyDisk,
        options: Options,
    }

    impl Store for Files {
        fn open(&self) -> Box<dyn Journal> {
            let disk = Arc::new(self.disk.clone());
            Box::new(FileJournal::open_on(disk, self.directory.path(), &self.options).unwrap().0)
        }

        fn on_next_sync(&self, hook: SyncHook) -> bool {
            self.disk.on_next_sync(Box::new(|| match hook() {
                SyncOutcome::Done => None,
                SyncOutcome::Failed => Some(SyncFault::Lost),
                SyncOutcome::FailedButPersisted => Some(SyncFault::Persisted),
            }));
            true
        }
    }

    fn files(segment_bytes: u64, tail_bytes: usize) {
        let options = Options { segment_bytes, tail_bytes, ..Options::default() };
        conformance::run(&|| {
            let directory = tempfile::tempdir().unwrap();
            Box::new(Files { directory, disk: FaultyDisk::new(), options: options.clone() })
        });
    }

    #[test]
    fn the_memory_engine_conforms() {
        conformance::run(&|| Box::new(Memory::default()));
    }

    #[test]
    fn the_file_engine_conforms() {
        files(1 << 20, 1 << 20);
    }

    #[test]
    fn the_file_engine_conforms_with_short_segments_and_nothing_kept_in_memory() {
        files(8 << 10, 0);
    }
}
