//! Threads that work off one queue; whoever waits for a result works too.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

type Task = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Queue {
    tasks: VecDeque<Task>,
    closed: bool,
}

#[derive(Default)]
pub(crate) struct Pool {
    queue: Mutex<Queue>,
    ready: Condvar,
}

/// A result to come.
pub(crate) struct Pending<T>(Receiver<T>);

impl Pool {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        // Tasks run outside the lock, so a panic in one leaves the queue whole.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts work into the queue.
    pub(crate) fn submit<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Pending<T> {
        let (sender, receiver) = channel();
        self.queue().tasks.push_back(Box::new(move || {
            // Nobody waits any more if reading the records failed meanwhile.
            let _ = sender.send(work());
        }));
        self.ready.notify_one();
        Pending(receiver)
    }

    /// The result of submitted work. Works off other tasks until it is there; `None` if the work panicked.
    pub(crate) fn wait<T>(&self, pending: &Pending<T>) -> Option<T> {
        loop {
            match pending.0.try_recv() {
                Ok(result) => return Some(result),
                Err(TryRecvError::Disconnected) => return None,
                Err(TryRecvError::Empty) => {}
            }
            let task = self.queue().tasks.pop_front();
            match task {
                Some(task) => task(),
                // Every task is taken: the one waited for is running elsewhere.
                None => return pending.0.recv().ok(),
            }
        }
    }

    /// Works until the pool is closed.
    pub(crate) fn work(&self) {
        let mut queue = self.queue();
        while !queue.closed {
            if let Some(task) = queue.tasks.pop_front() {
                drop(queue);
                task();
                queue = self.queue();
            } else {
                queue = self.ready.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    /// Lets every worker end after its present task.
    fn close(&self) {
        self.queue().closed = true;
        self.ready.notify_all();
    }
}

/// Runs `work` with a pool of `threads` threads, the calling one among them.
pub(crate) fn with<T>(threads: usize, work: impl FnOnce(&Pool) -> T) -> T {
    /// Closes the pool even if `work` panics: the scope waits for its threads.
    struct Closing<'a>(&'a Pool);
    impl Drop for Closing<'_> {
        fn drop(&mut self) {
            self.0.close();
        }
    }

    let pool = Pool::default();
    std::thread::scope(|scope| {
        let closing = Closing(&pool);
        for _ in 1..threads {
            scope.spawn(|| pool.work());
        }
        work(closing.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_back_to_whom_they_belong_on_any_number_of_threads() {
        for threads in [1, 2, 5] {
            let sums = with(threads, |pool| {
                let pending: Vec<_> =
                    (0..100u64).map(|n| pool.submit(move || (0..=n).sum::<u64>())).collect();
                pending.iter().map(|pending| pool.wait(pending).unwrap()).collect::<Vec<_>>()
            });
            assert_eq!(sums, (0..100u64).map(|n| n * (n + 1) / 2).collect::<Vec<_>>());
        }
    }

    #[test]
    fn leaving_early_ends_the_threads() {
        with(3, |pool| drop(pool.submit(|| ())));
    }
}
