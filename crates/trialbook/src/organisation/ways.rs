//! Ways to sign in that were begun and not finished: each is bound to the browser that began it, is finished once, and
//! not for long.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use api::TokenHash;
use subtle::ConstantTimeEq as _;

use crate::world;

/// How long a way can be finished: time enough for a second factor that has to be looked for.
pub(super) const LIFE: Duration = Duration::from_mins(10);

/// Ways that are kept at once, of some 3 KiB each at most.
const KEPT_MAX: usize = 1_000;

/// Ways that were begun.
#[derive(Default)]
pub(super) struct Ways(Mutex<BTreeMap<[u8; 32], Way>>);

/// What is kept of a way.
pub(super) struct Way {
    /// SHA-256 of the secret that stayed with the browser.
    browser: TokenHash,
    begun: Instant,
    pub(super) nonce: String,
    /// What the code is worth nothing without (PKCE).
    pub(super) verifier: String,
    /// Where it ends: a path of this registry's.
    pub(super) to: String,
}

/// A way that was just begun.
pub(super) struct Begun {
    /// Which way it is; the issuer hands it back.
    pub(super) state: String,
    /// The secret that stays with the browser.
    pub(super) browser: String,
    pub(super) nonce: String,
    pub(super) verifier: String,
}

/// Why a way cannot be finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lost {
    /// It was never begun here, is finished, or is forgotten.
    Unknown,
    /// It was begun too long ago.
    Late,
    /// It was begun in another browser.
    OtherBrowser,
}

impl Ways {
    /// Begins a way that ends at `to`.
    pub(super) fn begin(&self, to: &str, now: Instant) -> Begun {
        let [state, browser, nonce, verifier] = std::array::from_fn(|_| world::random_hex::<32>());
        let way = Way {
            browser: TokenHash::of(&browser),
            begun: now,
            nonce: nonce.clone(),
            verifier: verifier.clone(),
            to: to.to_owned(),
        };
        let mut ways = self.ways();
        ways.retain(|_, way| now.saturating_duration_since(way.begun) < LIFE);
        // Whoever began longest ago is the likeliest to have gone away.
        let oldest = ways.iter().min_by_key(|(_, way)| way.begun).map(|(state, _)| *state);
        if let Some(oldest) = oldest.filter(|_| ways.len() >= KEPT_MAX) {
            ways.remove(&oldest);
        }
        ways.insert(TokenHash::of(&state).0, way);
        Begun { state, browser, nonce, verifier }
    }

    /// Finishes the way `state` in the browser that has `browser` for a secret. Whatever comes of it, it is over then.
    pub(super) fn finish(&self, state: &str, browser: &str, now: Instant) -> Result<Way, Lost> {
        let way = self.ways().remove(&TokenHash::of(state).0).ok_or(Lost::Unknown)?;
        if !bool::from(TokenHash::of(browser).0.ct_eq(&way.browser.0)) {
            return Err(Lost::OtherBrowser);
        }
        if now.saturating_duration_since(way.begun) >= LIFE {
            return Err(Lost::Late);
        }
        Ok(way)
    }

    fn ways(&self) -> MutexGuard<'_, BTreeMap<[u8; 32], Way>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_is_finished_once_in_its_own_browser_and_within_ten_minutes() {
        let (ways, start) = (Ways::default(), Instant::now());
        let begun = ways.begin("/trials/small", start);
        let just_before = start + LIFE.saturating_sub(Duration::from_secs(1));
        let way = ways.finish(&begun.state, &begun.browser, just_before).unwrap();
        assert_eq!(
            (way.to.as_str(), way.nonce, way.verifier),
            ("/trials/small", begun.nonce, begun.verifier)
        );
        let again = ways.finish(&begun.state, &begun.browser, start);
        assert_eq!(again.err(), Some(Lost::Unknown));

        let (late, foreign, other) = (ways.begin("/", start), ways.begin("/", start), ways.begin("/", start));
        assert_eq!(ways.finish(&late.state, &late.browser, start + LIFE).err(), Some(Lost::Late));
        assert_eq!(ways.finish(&foreign.state, &other.browser, start).err(), Some(Lost::OtherBrowser));
        // Who brings a way to another browser has ended it.
        assert_eq!(ways.finish(&foreign.state, &foreign.browser, start).err(), Some(Lost::Unknown));
        assert_eq!(ways.finish("", "", start).err(), Some(Lost::Unknown));
        ways.finish(&other.state, &other.browser, start).unwrap();
    }

    #[test]
    fn no_more_ways_are_kept_than_there_is_room_for_and_none_for_longer_than_it_lives() {
        let (ways, start) = (Ways::default(), Instant::now());
        let first = ways.begin("/", start);
        let second = ways.begin("/", start + Duration::from_secs(1));
        for _ in 2..=KEPT_MAX {
            ways.begin("/", start + Duration::from_secs(2));
        }
        assert_eq!(ways.ways().len(), KEPT_MAX);
        assert_eq!(ways.finish(&first.state, &first.browser, start).err(), Some(Lost::Unknown));
        ways.finish(&second.state, &second.browser, start + Duration::from_secs(3)).unwrap();
        ways.begin("/", start + LIFE + Duration::from_secs(3));
        assert_eq!(ways.ways().len(), 1);
    }
}
