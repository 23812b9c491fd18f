//! Decimals: strings in the bytes, because floats do not survive a round trip and "1.20" is not "1.2".

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A decimal number as stated: `-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,9})?`, no negative zero. Its precision is kept.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Decimal(Box<str>);

/// A text that is not a decimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a decimal like \"1.20\": at most 18 digits before the point and 9 after")]
pub struct DecimalError;

impl Decimal {
    /// The number as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The exact value. At most 18 + 9 digits, so it always fits.
    pub fn exact(&self) -> rust_decimal::Decimal {
        self.0.parse().unwrap_or_default()
    }

    /// The nearest double, for statistics.
    pub fn to_f64(&self) -> f64 {
        // Parsing decimal text is correctly rounded and the same on every platform.
        self.0.parse().unwrap_or(0.0)
    }
}

impl FromStr for Decimal {
    type Err = DecimalError;

    fn from_str(text: &str) -> Result<Self, DecimalError> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let (whole, fraction) =
            digits.split_once('.').map_or((digits, None), |(whole, fraction)| (whole, Some(fraction)));
        let numeric = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let whole_fits = numeric(whole)
            && match whole.len() {
                0 => false,
                1 => true,
                length => length <= 18 && !whole.starts_with('0'),
            };
        let fraction_fits = fraction.is_none_or(|part| numeric(part) && (1..=9).contains(&part.len()));
        let negative_zero = text.starts_with('-') && digits.bytes().all(|byte| byte == b'0' || byte == b'.');
        if whole_fits && fraction_fits && !negative_zero { Ok(Self(text.into())) } else { Err(DecimalError) }
    }
}

impl From<u32> for Decimal {
    fn from(number: u32) -> Self {
        Self(number.to_string().into())
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimal_keeps_its_precision_and_has_no_negative_zero() {
        for text in ["0", "-1", "1.20", "999999999999999999.999999999", "-0.5", "0.0"] {
            let decimal = text.parse::<Decimal>().unwrap();
            assert_eq!(decimal.to_string(), text);
            assert_eq!(decimal.exact().to_string(), text);
        }
        for wrong in [
            "",
            "-",
            "01",
            "1.",
            ".5",
            "1e3",
            "+1",
            "-0",
            "-0.00",
            "1.0000000000",
            "1000000000000000000",
            "1,5",
            "NaN",
        ] {
            assert!(wrong.parse::<Decimal>().is_err(), "{wrong}");
        }
    }
}
