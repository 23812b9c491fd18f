//! Folding a batch while the one before is committed.

use std::sync::mpsc;

use super::*;

/// A store that tells of each commit and waits for leave to make it.
struct Slow {
    rows: MemoryStore,
    told: mpsc::Sender<Seen>,
    leave: Mutex<mpsc::Receiver<Result<(), StoreError>>>,
}

/// What happened, as the store and the fold tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    Folded(u64),
    Committing(u64),
    Committed(u64),
    Closed(u64),
}

impl Store for Slow {
    fn mark(&self) -> Result<Mark, StoreError> {
        self.rows.mark()
    }

    fn commit(&self, changes: Vec<Change>, mark: Mark) -> Result<(), StoreError> {
        self.told.send(Seen::Committing(mark.size)).unwrap();
        self.leave.lock().unwrap().recv().unwrap()?;
        self.rows.commit(changes, mark)?;
        self.told.send(Seen::Committed(mark.size)).unwrap();
        Ok(())
    }

    fn read(&self, reader: &mut dyn FnMut(&dyn View, Mark)) -> Result<(), StoreError> {
        self.rows.read(reader)
    }

    fn shadow(&self) -> Result<Arc<dyn Store>, OpenError> {
        self.rows.shadow()
    }

    fn close(&self) -> Result<(), StoreError> {
        let size = self.rows.mark()?.size;
        let _ = self.told.send(Seen::Closed(size));
        self.rows.close()
    }

    fn retire(&self) {
        self.rows.retire();
    }
}

/// Tells of each record, and reads a row of the batch before only if asked to.
struct Telling {
    told: mpsc::Sender<Seen>,
    reads: bool,
}

impl Fold for Telling {
    fn fold(&mut self, record: &Record<'_>, _: &LinkedRecord, rows: &mut Rows<'_>) -> Result<(), FoldError> {
        let size = record.seq.0 + 1;
        if self.reads && size > 1 {
            let before = rows.get(b"size")?.map(|row| number(&row)).transpose()?;
            assert_eq!(before, Some(record.seq.0));
        }
        rows.put(*b"size", size.to_be_bytes());
        let _ = self.told.send(Seen::Folded(size));
        Ok(())
    }
}

/// A projector of 21 records, three to a commit, on a slow store; what is told, and where leave is given.
fn slow(reads: bool) -> (ProjectorHandle, mpsc::Receiver<Seen>, mpsc::Sender<Result<(), StoreError>>) {
    let log = Log::with(21);
    let (told, seen) = mpsc::channel();
    let (leave, given) = mpsc::channel();
    let store = Slow { rows: MemoryStore::default(), told: told.clone(), leave: Mutex::new(given) };
    let fold = move || Box::new(Telling { told: told.clone(), reads }) as Box<dyn Fold>;
    let settings = Settings { batch_bytes_max: usize::MAX, batch_records_max: 3, ..SETTINGS };
    let handle = Projector::start("slow", "trial", log.journal, Arc::new(store), fold, settings).unwrap();
    (handle, seen, leave)
}

/// What is told, up to `last`.
fn until(seen: &mpsc::Receiver<Seen>, last: Seen) -> Vec<Seen> {
    let mut all = Vec::new();
    while all.last() != Some(&last) {
        all.push(seen.recv_timeout(PATIENCE).unwrap());
    }
    all
}

#[test]
fn a_batch_is_folded_while_the_one_before_is_committed_and_neither_is_served_before_it_is() {
    let (handle, seen, leave) = slow(false);
    // Six are folded with no commit made.
    let first = until(&seen, Seen::Folded(6));
    assert!(!first.contains(&Seen::Committed(3)));
    assert_eq!(handle.status().size, TreeSize(0));
    leave.send(Ok(())).unwrap();
    let second = until(&seen, Seen::Committing(6));
    assert!(second.contains(&Seen::Committed(3)), "one commit at a time: {second:?}");
    (0..6).for_each(|_| leave.send(Ok(())).unwrap());
    assert!(handle.wait_for(TreeSize(21), PATIENCE));
    handle.stop();
    let marks: Vec<_> = second.into_iter().chain(seen.try_iter()).collect();
    let marks =
        marks.iter().filter_map(|seen| if let Seen::Committed(size) = seen { Some(*size) } else { None });
    assert!(marks.eq([3, 6, 9, 12, 15, 18, 21]), "in order, each once");
}

#[test]
fn a_fold_reads_the_rows_of_the_batch_that_is_being_committed() {
    let (handle, seen, leave) = slow(true);
    until(&seen, Seen::Committing(3));
    (0..7).for_each(|_| leave.send(Ok(())).unwrap());
    assert!(handle.wait_for(TreeSize(21), PATIENCE), "{:?}", handle.status());
}

#[test]
fn a_stop_waits_for_the_commit_under_way() {
    let (handle, seen, leave) = slow(false);
    until(&seen, Seen::Folded(6));
    thread::scope(|scope| {
        // For every commit there might be: how many are made after the stop is told is chance.
        scope.spawn(|| (0..7).for_each(|_| leave.send(Ok(())).unwrap()));
        handle.stop();
    });
    let size = handle.status().size.0;
    let told: Vec<_> = seen.try_iter().filter(|seen| !matches!(seen, Seen::Folded(_))).collect();
    assert!(told.ends_with(&[Seen::Committed(size), Seen::Closed(size)]), "{told:?}");
    assert_eq!(handle.status().state, State::Closed);
}

#[test]
fn when_a_commit_fails_what_was_folded_meanwhile_is_dropped_and_made_anew() {
    let (handle, seen, leave) = slow(false);
    until(&seen, Seen::Folded(6));
    leave.send(Err(StoreError::Failed { op: "commit", source: "disk full".into() })).unwrap();
    // The store in its place is not slow.
    assert!(handle.wait_for(TreeSize(21), PATIENCE));
    handle.stop();
    let told: Vec<_> = seen.try_iter().collect();
    assert!(told.contains(&Seen::Folded(1)), "from the first record on: {told:?}");
    assert!(!told.iter().any(|seen| matches!(seen, Seen::Committed(_) | Seen::Committing(6))), "{told:?}");
    let status = handle.status();
    assert_eq!(status.rebuilds, 1);
    assert!(status.last_error.unwrap().contains("disk full"));
}
