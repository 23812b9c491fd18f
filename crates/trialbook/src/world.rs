//! The clock, the randomness and the environment: the only place in the project that has them.

use chain::Instant;
use clinical::EventId;
use clinical::text::SealingRandomness;

/// The time now, UTC, to the microsecond.
#[expect(clippy::disallowed_methods, reason = "this is the place that reads the clock")]
pub(crate) fn now() -> Instant {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let microseconds = i64::try_from(since.as_micros()).unwrap_or(i64::MAX);
    // A clock beyond the year 9999 is shown as the epoch: the log's own time then refuses it.
    Instant::from_microseconds(microseconds)
        .unwrap_or_else(|_| Instant::from_microseconds(0).expect("the epoch is an instant"))
}

/// The token for a registry elsewhere, from `TRIALBOOK_TOKEN`; an empty one is none.
#[expect(clippy::disallowed_methods, reason = "this is the place that reads the environment")]
pub(crate) fn token() -> Option<String> {
    std::env::var("TRIALBOOK_TOKEN").ok().filter(|token| !token.trim().is_empty())
}

/// A variable of the environment.
#[expect(clippy::disallowed_methods, reason = "this is the place that reads the environment")]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// `N` bytes from the system's cryptographic source.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("without randomness no key may be made");
    bytes
}

/// As many random bytes, in lower-case hex.
pub(crate) fn random_hex<const N: usize>() -> String {
    let mut hex = String::with_capacity(2 * N);
    for byte in random::<N>() {
        hex.push_str(&format!("{byte:02x}"));
    }
    hex
}

/// Randomness for sealing one text.
pub(crate) fn sealing() -> SealingRandomness {
    SealingRandomness(random())
}

/// A new event id.
pub(crate) fn event_id() -> EventId {
    EventId(uuid::Uuid::now_v7().into_bytes())
}
