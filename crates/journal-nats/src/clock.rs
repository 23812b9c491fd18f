//! What time it is at the servers: a second clock to hold one's own against.

use serde::Deserialize;

use crate::api::{self, ApiError};
use crate::engine::NatsJournal;

#[derive(Deserialize)]
struct Answered {
    ts: String,
}

impl NatsJournal {
    /// The time at the stream's leader, to the microsecond; `None` if it does not say. Old by the time of the answer's way.
    /// Blocks.
    ///
    /// # Errors
    /// [`ApiError`].
    pub fn server_time(&self) -> Result<Option<chain::Instant>, ApiError> {
        let stream = std::sync::Arc::clone(&self.stream);
        self.cluster.run(async move {
            let subject = format!("$JS.API.STREAM.INFO.{}", stream.name);
            let answered: Answered = api::ask(&stream.links.log, subject, None).await?;
            Ok(to_microseconds(&answered.ts).and_then(|text| text.parse().ok()))
        })
    }
}

/// `2026-11-22T13:28:45.1Z`, with as many digits as the server found fit, with six.
fn to_microseconds(text: &str) -> Option<String> {
    let (seconds, fraction) = match text.strip_suffix('Z')?.split_once('.') {
        Some((seconds, fraction)) => (seconds, fraction),
        None => (text.strip_suffix('Z')?, ""),
    };
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let six: String = fraction.chars().chain("000000".chars()).take(6).collect();
    Some(format!("{seconds}.{six}Z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_time_is_read_with_any_number_of_digits() {
        for (text, due) in [
            ("2026-11-22T13:28:45.123456789Z", "2026-11-22T13:28:45.123456Z"),
            ("2026-11-22T13:28:45.1Z", "2026-11-22T13:28:45.100000Z"),
            ("2026-11-22T13:28:45Z", "2026-11-22T13:28:45.000000Z"),
        ] {
            let read = to_microseconds(text).unwrap();
            assert_eq!(read, due);
            read.parse::<chain::Instant>().unwrap();
        }
        for text in ["", "Z.1", "2026-11-22T13:28:45.1+01:00", "2026-11-22T13:28:45.x1Z"] {
            assert!(to_microseconds(text).and_then(|text| text.parse::<chain::Instant>().ok()).is_none());
        }
    }
}
