//! Clinical dates, which may be partial, and clinical times, which carry their offset.
//!
//! A partial date is an interval. Comparisons are three-valued: a rule reports only what is certain.

use std::fmt;
use std::str::FromStr;

use chain::Instant;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A full calendar date.
pub type Date = jiff::civil::Date;

/// A text that is not a clinical date or time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DateError {
    /// Not `2008`, `2008-03` or `2008-03-11`.
    #[error("expected a date like 2008, 2008-03 or 2008-03-11")]
    Date,
    /// Not `2008-03-11T09:30+08:00` or with seconds.
    #[error("expected a time like 2008-03-11T09:30+08:00 or 2008-03-11T09:30:00+08:00")]
    Time,
}

/// A date known to the year, the month or the day.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PartialDate {
    /// Only the year is known.
    Year(i16),
    /// The year and month are known.
    Month(i16, i8),
    /// The day is known.
    Day(Date),
}

impl PartialDate {
    /// First day it can mean.
    pub fn earliest(self) -> Date {
        match self {
            Self::Year(year) => jiff::civil::date(year, 1, 1),
            Self::Month(year, month) => jiff::civil::date(year, month, 1),
            Self::Day(date) => date,
        }
    }

    /// Last day it can mean.
    pub fn latest(self) -> Date {
        match self {
            Self::Year(year) => jiff::civil::date(year, 12, 31),
            Self::Month(year, month) => jiff::civil::date(year, month, 1).last_of_month(),
            Self::Day(date) => date,
        }
    }

    /// The day, if it is known.
    pub fn day(self) -> Option<Date> {
        match self {
            Self::Day(date) => Some(date),
            _ => None,
        }
    }

    /// Whether it lies before `other` whatever both mean.
    ///
    /// ```
    /// use clinical::PartialDate;
    /// let date = |text: &str| text.parse::<PartialDate>().unwrap();
    /// assert!(date("2008").certainly_before(date("2009-01-01")));
    /// assert!(!date("2008").certainly_before(date("2008-12-31")));
    /// ```
    pub fn certainly_before(self, other: Self) -> bool {
        self.latest() < other.earliest()
    }

    /// Whether it lies after `other` whatever both mean.
    pub fn certainly_after(self, other: Self) -> bool {
        other.certainly_before(self)
    }
}

impl From<Date> for PartialDate {
    fn from(date: Date) -> Self {
        Self::Day(date)
    }
}

/// Reads exactly `text.len()` decimal digits.
fn digits(text: &[u8]) -> Option<i16> {
    text.iter().try_fold(0i16, |number, byte| {
        byte.is_ascii_digit().then(|| number.checked_mul(10)?.checked_add(i16::from(byte - b'0'))).flatten()
    })
}

impl FromStr for PartialDate {
    type Err = DateError;

    fn from_str(text: &str) -> Result<Self, DateError> {
        let bytes = text.as_bytes();
        let two = |from: usize| i8::try_from(digits(&bytes[from..from + 2])?).ok();
        let parsed = match bytes.len() {
            4 => digits(bytes).map(Self::Year),
            7 if bytes[4] == b'-' => digits(&bytes[..4])
                .zip(two(5))
                .filter(|(_, month)| (1..=12).contains(month))
                .map(|(y, m)| Self::Month(y, m)),
            10 if bytes[4] == b'-' && bytes[7] == b'-' => digits(&bytes[..4])
                .zip(two(5))
                .zip(two(8))
                .and_then(|((year, month), day)| Date::new(year, month, day).ok())
                .map(Self::Day),
            _ => None,
        };
        parsed.ok_or(DateError::Date)
    }
}

impl fmt::Display for PartialDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Year(year) => write!(f, "{year:04}"),
            Self::Month(year, month) => write!(f, "{year:04}-{month:02}"),
            Self::Day(date) => write!(f, "{:04}-{:02}-{:02}", date.year(), date.month(), date.day()),
        }
    }
}

impl fmt::Debug for PartialDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A local date and time with its offset from UTC: `2008-03-11T09:30+08:00`, seconds optional.
///
/// Kept as written; ordered by the instant it names.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ClinicalTime {
    text: Box<str>,
    utc_seconds: i64,
    date: Date,
}

impl ClinicalTime {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub fn utc_seconds(&self) -> i64 {
        self.utc_seconds
    }

    /// The local date.
    pub fn date(&self) -> Date {
        self.date
    }
}

impl FromStr for ClinicalTime {
    type Err = DateError;

    fn from_str(text: &str) -> Result<Self, DateError> {
        let parse = || -> Option<Self> {
            let bytes = text.as_bytes();
            let (second, offset) = match bytes.len() {
                22 => (0, 16),
                25 if bytes[16] == b':' => (digits(&bytes[17..19])?, 19),
                _ => return None,
            };
            let PartialDate::Day(date) = text.get(..10)?.parse().ok()? else { return None };
            let (hour, minute) = (digits(&bytes[11..13])?, digits(&bytes[14..16])?);
            let (offset_hour, offset_minute) =
                (digits(&bytes[offset + 1..offset + 3])?, digits(&bytes[offset + 4..])?);
            let sign = match bytes[offset] {
                b'+' => 1,
                b'-' if (offset_hour, offset_minute) != (0, 0) => -1,
                _ => return None,
            };
            let marks = bytes[10] == b'T' && bytes[13] == b':' && bytes[offset + 3] == b':';
            let ranges = hour < 24 && minute < 60 && second < 60 && offset_hour <= 14 && offset_minute < 60;
            if !(marks && ranges) {
                return None;
            }
            let days = i64::from((date - jiff::civil::date(1970, 1, 1)).get_days());
            let local = (days * 24 + i64::from(hour)) * 3600 + i64::from(minute) * 60 + i64::from(second);
            let utc_seconds = local - sign * (i64::from(offset_hour) * 3600 + i64::from(offset_minute) * 60);
            Some(Self { text: text.into(), utc_seconds, date })
        };
        parse().ok_or(DateError::Time)
    }
}

impl fmt::Display for ClinicalTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for ClinicalTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

macro_rules! as_text {
    ($name:ident) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

as_text!(PartialDate);
as_text!(ClinicalTime);

/// The k-th calendar anniversary of a day; 29 February becomes 28 February in a common year.
///
/// # Errors
/// A year beyond 9999.
///
/// ```
/// use clinical::date::anniversary;
/// let leap = jiff::civil::date(2008, 2, 29);
/// assert_eq!(anniversary(leap, 1).unwrap(), jiff::civil::date(2009, 2, 28));
/// assert_eq!(anniversary(leap, 4).unwrap(), jiff::civil::date(2012, 2, 29));
/// ```
pub fn anniversary(day: Date, years: i16) -> Result<Date, DateError> {
    let year = day.year().checked_add(years).ok_or(DateError::Date)?;
    Date::new(year, day.month(), day.day())
        .or_else(|_| Date::new(year, day.month(), 28))
        .map_err(|_| DateError::Date)
}

/// Whole days from `from` to `to`; negative if `to` is earlier.
pub fn days_between(from: Date, to: Date) -> i32 {
    // Dates are years -9999 to 9999, so their days fit. A span would be made and balanced first, which takes longer.
    i32::try_from(from.duration_until(to).as_hours() / 24).unwrap_or_default()
}

/// Days from 1970-01-01 to a date; negative before it.
pub fn day_number(date: Date) -> i64 {
    i64::from(days_between(jiff::civil::date(1970, 1, 1), date))
}

/// The day on which an instant lies in UTC.
pub fn day_in_utc(instant: Instant) -> Date {
    let timestamp = jiff::Timestamp::from_microsecond(instant.microseconds());
    // In range by construction, so the fallback is never given.
    jiff::tz::Offset::UTC.to_datetime(timestamp.unwrap_or(jiff::Timestamp::UNIX_EPOCH)).date()
}

/// The latest date that an instant has anywhere, at UTC+14, as [`day_number`].
pub fn latest_day_number(instant: Instant) -> i64 {
    instant.microseconds().saturating_add(14 * 3_600 * 1_000_000).div_euclid(86_400 * 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_a_year_a_month_or_a_day() {
        for text in ["2008", "2008-03", "2008-03-11", "2008-02-29"] {
            assert_eq!(text.parse::<PartialDate>().unwrap().to_string(), text);
        }
        for wrong in [
            "",
            "08",
            "2008-13",
            "2008-00",
            "2008-3-1",
            "2009-02-29",
            "2008-03-11T00:00",
            "2008/03/11",
            "20 8",
        ] {
            assert!(wrong.parse::<PartialDate>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_partial_date_is_an_interval() {
        let february: PartialDate = "2008-02".parse().unwrap();
        assert_eq!(february.latest(), jiff::civil::date(2008, 2, 29));
        let year: PartialDate = "2008".parse().unwrap();
        assert!(!february.certainly_before(year) && !february.certainly_after(year));
        assert!("2007-12-31".parse::<PartialDate>().unwrap().certainly_before(year));
    }

    #[test]
    fn an_instant_has_a_latest_date_somewhere() {
        let check = |text: &str, date: &str| {
            let date = date.parse::<PartialDate>().unwrap().earliest();
            assert_eq!(latest_day_number(text.parse().unwrap()), day_number(date), "{text}");
        };
        check("2008-03-11T09:59:59.999999Z", "2008-03-11");
        check("2008-03-11T10:00:00.000000Z", "2008-03-12");
        check("1969-12-31T09:00:00.000000Z", "1969-12-31");
    }

    #[test]
    fn a_clinical_time_keeps_its_writing_and_orders_by_instant() {
        let time = |text: &str| text.parse::<ClinicalTime>().unwrap();
        assert_eq!(
            time("2008-03-11T09:30+08:00").utc_seconds(),
            time("2008-03-11T01:30:00+00:00").utc_seconds()
        );
        assert_eq!(time("1970-01-01T00:00:01+00:00").utc_seconds(), 1);
        for wrong in [
            "2008-03-11T09:30",
            "2008-03-11T09:30Z",
            "2008-03-11T24:00+08:00",
            "2008-03-11 09:30+08:00",
            "2008-03-11T09:30-00:00",
            "2008-03-11T09:30+8:000",
            "2008-02-30T09:30+08:00",
        ] {
            assert!(wrong.parse::<ClinicalTime>().is_err(), "{wrong}");
        }
    }
}
