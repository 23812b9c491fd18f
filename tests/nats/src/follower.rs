//! One that follows a log from its beginning and checks each link, as a projector does.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use chain::{Chain, Record};
use journal::{Head, Journal as _, ReadError};
use journal_nats::NatsJournal;

/// How long it may take to come to the end of a log.
const PATIENCE: Duration = Duration::from_mins(2);

/// Follows until it is told where to end.
pub struct Follower {
    end: Arc<AtomicU64>,
    thread: JoinHandle<Head>,
}

impl Follower {
    /// Follows `journal`.
    pub fn start(journal: NatsJournal) -> Self {
        let end = Arc::new(AtomicU64::new(u64::MAX));
        let until = Arc::clone(&end);
        let thread = thread::spawn(move || follow(&journal, &until));
        Self { end, thread }
    }

    /// Waits until it has seen `size` records; answers the end that it has come to, link by link.
    pub fn end(self, size: u64) -> Head {
        self.end.store(size, Ordering::SeqCst);
        self.thread.join().unwrap()
    }
}

fn follow(journal: &NatsJournal, until: &AtomicU64) -> Head {
    let mut chain = Chain::default();
    let mut deadline = None;
    while chain.size.0 < until.load(Ordering::SeqCst) {
        if until.load(Ordering::SeqCst) != u64::MAX {
            let deadline = *deadline.get_or_insert_with(|| Instant::now() + PATIENCE);
            assert!(Instant::now() < deadline, "it does not come to the end");
        }
        journal.wait(chain.size, Duration::from_millis(500));
        match journal.read(chain.size.next_position(), usize::MAX) {
            Ok(records) => {
                for record in records {
                    let parsed = Record::parse(&record.bytes).expect("only records are in the log");
                    chain.follow(&parsed, record.hash).expect("each is linked to the one before");
                }
            }
            // A projector tries again as well; damage is another matter.
            Err(ReadError::Io { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
    Head { size: chain.size, hash: chain.head }
}
