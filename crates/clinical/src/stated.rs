//! An item as stated: a value, or a reason why there is none.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// Why an item has no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissingReason {
    /// The examination or question was not done.
    NotDone,
    /// It was done or asked; the answer is not known.
    Unknown,
    /// The subject refused.
    Refused,
    /// It does not apply to this subject.
    NotApplicable,
    /// It was done; the result is not available (sample lost, report outstanding).
    NotAvailable,
}

/// A value, or `{"missing": reason}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stated<T> {
    /// The value.
    Value(T),
    /// No value, and why.
    Missing(MissingReason),
}

impl<T> Stated<T> {
    /// The value, if there is one.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Missing(_) => None,
        }
    }
}

impl<T> From<T> for Stated<T> {
    fn from(value: T) -> Self {
        Self::Value(value)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MissingWire {
    missing: MissingReason,
}

impl<T: Serialize> Serialize for Stated<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Value(value) => value.serialize(serializer),
            Self::Missing(missing) => MissingWire { missing: *missing }.serialize(serializer),
        }
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Stated<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let text = raw.get();
        // An untagged enum would answer every mistake with "matched no variant"; looking first keeps the reason.
        if text.strip_prefix('{').is_some_and(|inside| inside.trim_start().starts_with("\"missing\"")) {
            serde_json::from_str::<MissingWire>(text).map(|wire| Self::Missing(wire.missing))
        } else {
            serde_json::from_str(text).map(Self::Value)
        }
        .map_err(serde::de::Error::custom)
    }
}

/// The value of an item that may be absent, missing with a reason, or there.
pub fn value<T>(item: Option<&Stated<T>>) -> Option<&T> {
    item.and_then(Stated::value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_is_a_value_or_a_reason() {
        let read = |text: &str| serde_json::from_str::<Stated<u32>>(text);
        assert_eq!(read("3").unwrap(), Stated::Value(3));
        assert_eq!(read(r#"{"missing":"refused"}"#).unwrap(), Stated::Missing(MissingReason::Refused));
        assert!(read(r#"{"missing":"lazy"}"#).unwrap_err().to_string().contains("unknown variant"));
        assert!(read(r#"{"missing":"refused","x":1}"#).is_err());
        assert_eq!(
            serde_json::from_str::<Stated<String>>("\"missing\"").unwrap(),
            Stated::Value("missing".to_owned())
        );
        assert!(read("\"3\"").unwrap_err().to_string().contains("invalid type"));
    }
}
