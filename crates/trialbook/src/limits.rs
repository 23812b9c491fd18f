//! How often something may be done: so many at once, and one more after each while. Forgets who has not come for long.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Who is remembered at once: some 100 bytes each.
const REMEMBERED_MAX: usize = 10_000;

/// A limit, counted for each key by itself.
pub(crate) struct Limit<K> {
    /// How often at once.
    burst: u32,
    /// After how long once more.
    every: Duration,
    /// When each key will have paid for all that it did.
    even_at: Mutex<BTreeMap<K, Instant>>,
}

impl<K: Ord + Clone> Limit<K> {
    /// So many at once, and one more after each while.
    pub(crate) fn new((burst, every): (u32, Duration)) -> Self {
        Self { burst, every, even_at: Mutex::default() }
    }

    /// Counts one more of `key` at `now`.
    ///
    /// # Errors
    /// It is one too many; nothing is counted then. After how many seconds it would not be.
    pub(crate) fn take(&self, key: &K, now: Instant) -> Result<(), u64> {
        let mut even_at = self.even_at.lock().unwrap_or_else(PoisonError::into_inner);
        let owed = even_at.get(key).map_or(Duration::ZERO, |even| even.saturating_duration_since(now));
        let room = self.every * self.burst.saturating_sub(1);
        if let Some(over) = owed.checked_sub(room).filter(|over| !over.is_zero()) {
            return Err(over.as_secs() + 1);
        }
        if even_at.len() >= REMEMBERED_MAX && !even_at.contains_key(key) {
            even_at.retain(|_, even| *even > now);
            // All of them are at it: whoever owes least is forgotten.
            let least = even_at.iter().min_by_key(|(_, even)| **even).map(|(key, _)| key.clone());
            if let Some(least) = least.filter(|_| even_at.len() >= REMEMBERED_MAX) {
                even_at.remove(&least);
            }
        }
        even_at.insert(key.clone(), now + owed + self.every);
        Ok(())
    }

    /// Forgets what `key` did.
    pub(crate) fn forget(&self, key: &K) {
        self.even_at.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn so_many_are_taken_at_once_and_then_one_after_each_while() {
        let limit = Limit::new((3, 10 * SECOND));
        let start = Instant::now();
        for _ in 0..3 {
            limit.take(&"a", start).unwrap();
        }
        assert_eq!(limit.take(&"a", start), Err(11));
        limit.take(&"b", start).unwrap();
        assert_eq!(limit.take(&"a", start + 9 * SECOND), Err(2));
        limit.take(&"a", start + 10 * SECOND).unwrap();
        assert_eq!(limit.take(&"a", start + 10 * SECOND), Err(11));
        // What was refused does not count, and whoever stayed away begins anew.
        for _ in 0..3 {
            limit.take(&"a", start + 100 * SECOND).unwrap();
        }
        limit.take(&"a", start + 100 * SECOND).unwrap_err();
        limit.forget(&"a");
        limit.take(&"a", start + 100 * SECOND).unwrap();
    }

    #[test]
    fn no_more_are_remembered_than_there_is_room_for() {
        let limit = Limit::new((1, SECOND));
        let start = Instant::now();
        for key in 0..REMEMBERED_MAX + 50 {
            limit.take(&key, start).unwrap();
        }
        assert_eq!(limit.even_at.lock().unwrap().len(), REMEMBERED_MAX);
        limit.take(&0, start + 2 * SECOND).unwrap();
        assert_eq!(limit.even_at.lock().unwrap().len(), 1);
    }
}
