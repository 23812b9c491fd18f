//! The one way an instant is written: UTC, exactly six fractional digits, never second 60.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An instant, in microseconds since 1970-01-01T00:00:00Z; written `2026-11-22T13:28:45.123456Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(i64);

/// A text that is not an instant of the one form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected an instant like 2026-11-22T13:28:45.123456Z")]
pub struct InstantError;

/// First and last instants that can be written: years 0000 to 9999.
const RANGE: std::ops::RangeInclusive<i64> = -62_167_219_200_000_000..=253_402_300_799_999_999;

impl Instant {
    /// From microseconds since the Unix epoch.
    ///
    /// # Errors
    /// Outside the years 0000 to 9999.
    pub fn from_microseconds(microseconds: i64) -> Result<Self, InstantError> {
        if RANGE.contains(&microseconds) { Ok(Self(microseconds)) } else { Err(InstantError) }
    }

    /// Microseconds since the Unix epoch.
    pub fn microseconds(self) -> i64 {
        self.0
    }
}

impl FromStr for Instant {
    type Err = InstantError;

    fn from_str(text: &str) -> Result<Self, InstantError> {
        let bytes = text.as_bytes();
        if bytes.len() != 27 {
            return Err(InstantError);
        }
        let number = |from: usize, to: usize| -> Result<i64, InstantError> {
            bytes[from..to].iter().try_fold(0, |number, byte| {
                if byte.is_ascii_digit() {
                    Ok(number * 10 + i64::from(byte - b'0'))
                } else {
                    Err(InstantError)
                }
            })
        };
        for (at, mark) in [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':'), (19, b'.'), (26, b'Z')] {
            if bytes[at] != mark {
                return Err(InstantError);
            }
        }
        let narrow = |number: i64| i8::try_from(number).map_err(|_| InstantError);
        let date = jiff::civil::Date::new(
            i16::try_from(number(0, 4)?).map_err(|_| InstantError)?,
            narrow(number(5, 7)?)?,
            narrow(number(8, 10)?)?,
        )
        .map_err(|_| InstantError)?;
        let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
        if hour > 23 || minute > 59 || second > 59 {
            return Err(InstantError);
        }
        let days = (date - EPOCH).get_days();
        Ok(Self((((i64::from(days) * 24 + hour) * 60 + minute) * 60 + second) * 1_000_000 + number(20, 26)?))
    }
}

const EPOCH: jiff::civil::Date = jiff::civil::date(1970, 1, 1);

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // In range by construction, so the fallback is never shown.
        let timestamp = jiff::Timestamp::from_microsecond(self.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        let at = jiff::tz::Offset::UTC.to_datetime(timestamp);
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z",
            at.year(),
            at.month(),
            at.day(),
            at.hour(),
            at.minute(),
            at.second(),
            at.subsec_nanosecond() / 1_000
        )
    }
}

impl Serialize for Instant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_the_one_form_is_read() {
        let text = "2026-11-22T13:28:45.123456Z";
        assert_eq!(text.parse::<Instant>().unwrap().to_string(), text);
        for wrong in [
            "2026-11-22T13:28:45Z",
            "2026-11-22T13:28:45.123Z",
            "2026-11-22T13:28:60.000000Z",
            "2026-02-30T13:28:45.123456Z",
            "2026-11-22t13:28:45.123456Z",
            "2026-11-22T24:00:00.000000Z",
            "2026-11-22T13:28:45.123456+",
            "+026-11-22T13:28:45.123456Z",
        ] {
            assert!(wrong.parse::<Instant>().is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn every_instant_reads_back(microseconds in RANGE) {
            let instant = Instant::from_microseconds(microseconds).unwrap();
            prop_assert_eq!(instant.to_string().parse::<Instant>(), Ok(instant));
        }
    }
}
