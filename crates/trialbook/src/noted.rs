//! Refusals as they are kept: noted by a thread of its own, so that no request waits for a disk. What is refused too fast
//! is counted together, and beyond that dropped and counted.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use keep::{Refusal, Refusals};

/// Refusals that wait to be kept.
const WAITING_MAX: usize = 1_000;

/// How long refusals are gathered for one commit.
const GATHER: Duration = Duration::from_millis(200);

/// Keeps what was refused.
pub(crate) struct Noted {
    store: Arc<Refusals>,
    waiting: Option<SyncSender<Refusal>>,
    thread: Option<JoinHandle<()>>,
}

impl Noted {
    /// # Errors
    /// The system gave no thread.
    pub(crate) fn start(store: Refusals) -> Result<Self> {
        let store = Arc::new(store);
        let (waiting, noted) = sync_channel(WAITING_MAX);
        let keeping = Arc::clone(&store);
        let thread = std::thread::Builder::new().name("refusals".to_owned());
        let thread = thread.spawn(move || keep_all(&keeping, &noted)).context("cannot start a thread")?;
        Ok(Self { store, waiting: Some(waiting), thread: Some(thread) })
    }

    /// Has it kept, soon. Does not block.
    pub(crate) fn note(&self, refusal: Refusal) {
        let told = self.waiting.as_ref().map(|waiting| waiting.try_send(refusal));
        if !matches!(told, Some(Ok(()))) {
            metrics::counter!("trialbook_refusals_unkept_total").increment(1);
        }
    }

    pub(crate) fn store(&self) -> Arc<Refusals> {
        Arc::clone(&self.store)
    }
}

impl Drop for Noted {
    fn drop(&mut self) {
        self.waiting = None;
        if let Some(thread) = self.thread.take() {
            // It panics nowhere; if it did, there is nothing left to do.
            let _ = thread.join();
        }
    }
}

fn keep_all(store: &Refusals, noted: &Receiver<Refusal>) {
    while let Ok(first) = noted.recv() {
        let mut some = vec![first];
        let until = Instant::now() + GATHER;
        while let Ok(refusal) = noted.recv_timeout(until.saturating_duration_since(Instant::now())) {
            together(&mut some, refusal);
        }
        if let Err(error) = store.add(&some) {
            metrics::counter!("trialbook_refusals_unkept_total").increment(some.len() as u64);
            tracing::error!(error = &error as &dyn std::error::Error, "refusals cannot be kept");
        }
    }
}

/// Adds one to some: counted with its like, if there is one.
fn together(some: &mut Vec<Refusal>, refusal: Refusal) {
    let like = |one: &&mut Refusal| {
        (&one.code, &one.route, &one.who, &one.peer)
            == (&refusal.code, &refusal.route, &refusal.who, &refusal.peer)
    };
    match some.iter_mut().find(like) {
        Some(one) => one.times += 1,
        None => some.push(refusal),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(at: i64, who: Option<&str>) -> Refusal {
        Refusal {
            at,
            code: "not-permitted".to_owned(),
            route: "GET /metrics".to_owned(),
            who: who.map(str::to_owned),
            peer: None,
            times: 1,
        }
    }

    #[test]
    fn what_is_alike_is_counted_together() {
        let mut some = vec![refusal(1, Some("a"))];
        together(&mut some, refusal(2, None));
        together(&mut some, refusal(3, Some("a")));
        assert_eq!(some, [Refusal { times: 2, ..refusal(1, Some("a")) }, refusal(2, None)]);
    }

    #[test]
    fn all_that_was_noted_is_kept_before_it_is_closed() {
        let dir = tempfile::tempdir().unwrap();
        let noted = Noted::start(Refusals::open(&dir.path().join("refusals.sqlite")).unwrap()).unwrap();
        for at in 0..20 {
            noted.note(refusal(at, Some(&format!("t{at}"))));
        }
        let store = noted.store();
        drop(noted);
        let kept: Vec<_> = store.before(None, 100).unwrap().into_iter().map(|(_, kept)| kept.at).collect();
        assert_eq!(kept, (0..20).rev().collect::<Vec<_>>());
    }
}
