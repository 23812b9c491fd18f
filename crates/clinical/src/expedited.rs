//! Whom a sponsor must tell of a suspected unexpected serious reaction, and within how many days: a table with an id.
//!
//! It is data that a report shows beside its dates, not law: who runs a trial holds it against the law in force. What
//! starts a clock and what stops it is the safety report's.

use chain::Instant;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use crate::date::Date;

/// Id of [`JURISDICTIONS`].
pub const TABLE: &str = "expedited-1";

/// The rules of one jurisdiction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Jurisdiction {
    /// Its id, as `safety_report_sent` names it.
    pub id: &'static str,
    /// ISO 3166-1 alpha-2 codes of the countries it holds in.
    pub countries: &'static [&'static str],
    /// IANA name of the zone in which its days are counted.
    pub zone: &'static str,
    /// Days after day 0 for what is fatal or life-threatening.
    pub days_fatal_or_life_threatening: u16,
    /// Days more for completing such a report, where that has a term.
    pub days_completion: Option<u16>,
    /// Days after day 0 for what is serious otherwise.
    pub days_other: u16,
    /// Where the days are from.
    pub source: &'static str,
}

/// The table. Day 0 is the day of the sponsor's awareness in the zone; a report is in time until the end of the last day.
pub const JURISDICTIONS: &[Jurisdiction] = &[
    Jurisdiction {
        id: "EU",
        countries: &[
            "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IS",
            "IT", "LI", "LT", "LU", "LV", "MT", "NL", "NO", "PL", "PT", "RO", "SE", "SI", "SK",
        ],
        zone: "Europe/Amsterdam",
        days_fatal_or_life_threatening: 7,
        days_completion: Some(8),
        days_other: 15,
        source: "Regulation (EU) 536/2014, article 42",
    },
    Jurisdiction {
        id: "UK",
        countries: &["GB"],
        zone: "Europe/London",
        days_fatal_or_life_threatening: 7,
        days_completion: Some(8),
        days_other: 15,
        source: "SI 2004/1031, regulation 33",
    },
    Jurisdiction {
        id: "US",
        countries: &["US"],
        zone: "America/New_York",
        days_fatal_or_life_threatening: 7,
        days_completion: None,
        days_other: 15,
        source: "21 CFR 312.32(c)",
    },
    Jurisdiction {
        id: "CN",
        countries: &["CN"],
        zone: "Asia/Shanghai",
        days_fatal_or_life_threatening: 7,
        days_completion: Some(8),
        days_other: 15,
        source: "NMPA, rapid reporting of safety data during clinical trials, 2018",
    },
];

impl Jurisdiction {
    /// Whether a report under rules of that name, its id or a country's code, is one under these.
    ///
    /// ```
    /// use clinical::expedited::JURISDICTIONS;
    /// assert!(JURISDICTIONS[0].covers("EU") && JURISDICTIONS[0].covers("DE") && !JURISDICTIONS[0].covers("GB"));
    /// ```
    pub fn covers(&self, name: &str) -> bool {
        self.id == name || self.countries.contains(&name)
    }

    /// The day of an instant in the zone.
    ///
    /// ```
    /// use clinical::expedited::JURISDICTIONS;
    /// let at = "2020-03-11T23:30:00.000000Z".parse().unwrap();
    /// let days: Vec<_> = JURISDICTIONS.iter().map(|one| one.day(at).day()).collect();
    /// assert_eq!(days, [12, 11, 11, 12]);
    /// ```
    pub fn day(&self, at: Instant) -> Date {
        let at = Timestamp::from_microsecond(at.microseconds());
        // An instant is of the years that jiff knows; the table's zones are in every database of zones.
        at.unwrap_or(Timestamp::MAX).to_zoned(TimeZone::get(self.zone).unwrap_or(TimeZone::UTC)).date()
    }
}

/// The day so many days after another; the last day there is, where that is beyond it.
///
/// ```
/// use clinical::expedited::days_after;
/// assert_eq!(days_after(jiff::civil::date(2020, 2, 28), 7), jiff::civil::date(2020, 3, 6));
/// ```
pub fn days_after(day: Date, days: u16) -> Date {
    day.saturating_add(Span::new().days(i64::from(days)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_zone_of_the_table_is_known() {
        for one in JURISDICTIONS {
            assert!(TimeZone::get(one.zone).is_ok(), "{}", one.id);
        }
    }

    #[test]
    fn no_country_has_two_jurisdictions() {
        for one in JURISDICTIONS {
            for country in one.countries {
                assert_eq!(
                    JURISDICTIONS.iter().filter(|other| other.covers(country)).count(),
                    1,
                    "{country}"
                );
            }
        }
    }
}
