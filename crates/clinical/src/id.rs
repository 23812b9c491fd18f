//! Identifiers, parsed before any path, URL, subject or label is made of them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A text that does not match an identifier's grammar.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}")]
pub struct IdError {
    /// The grammar, in words.
    pub expected: &'static str,
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $grammar:literal, $accepts:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let accepts: fn(&[u8]) -> bool = $accepts;
                if accepts(text.as_bytes()) { Ok(Self(text.into())) } else { Err(IdError { expected: $grammar }) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
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

fn matches(text: &[u8], length_max: usize, first: fn(u8) -> bool, rest: fn(u8) -> bool) -> bool {
    text.len() <= length_max
        && text.split_first().is_some_and(|(head, tail)| first(*head) && tail.iter().all(|byte| rest(*byte)))
}

fn lower_or_digit(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

fn upper_or_digit(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit()
}

text_id! {
    /// A trial: `[a-z0-9][a-z0-9-]{0,62}`.
    TrialId, "a trial identifier: [a-z0-9][a-z0-9-]{0,62}",
    |text| matches(text, 63, lower_or_digit, |byte| lower_or_digit(byte) || byte == b'-')
}

text_id! {
    /// A site: `[A-Z0-9][A-Z0-9-]{0,31}`.
    SiteId, "a site identifier: [A-Z0-9][A-Z0-9-]{0,31}",
    |text| matches(text, 32, upper_or_digit, |byte| upper_or_digit(byte) || byte == b'-')
}

text_id! {
    /// A subject's pseudonym: `[A-Z0-9][A-Z0-9-]{0,31}`; opaque, so that a transfer does not contradict it.
    SubjectId, "a subject identifier: [A-Z0-9][A-Z0-9-]{0,31}",
    |text| matches(text, 32, upper_or_digit, |byte| upper_or_digit(byte) || byte == b'-')
}

text_id! {
    /// A data cut's name: `[a-z][a-z0-9-]{0,62}`; it is told from a number of records.
    CutName, "a data cut's name: [a-z][a-z0-9-]{0,62}",
    |text| matches(text, 63, |byte| byte.is_ascii_lowercase(), |byte| lower_or_digit(byte) || byte == b'-')
}

text_id! {
    /// A person, as the log names them: `[a-z0-9][a-z0-9.-]{0,63}`.
    ActorId, "an actor identifier: [a-z0-9][a-z0-9.-]{0,63}",
    |text| matches(text, 64, lower_or_digit, |byte| lower_or_digit(byte) || byte == b'.' || byte == b'-')
}

text_id! {
    /// A finding's code, of this version or of another: `[a-z][a-z0-9-]{0,63}`.
    FindingName, "a finding's code: [a-z][a-z0-9-]{0,63}",
    |text| matches(text, 64, |byte| byte.is_ascii_lowercase(), |byte| lower_or_digit(byte) || byte == b'-')
}

text_id! {
    /// A JSON pointer to a member, in letters that no sentence is written in: `(/[A-Za-z0-9_.~-]{1,64}){1,8}`.
    MemberPointer, "a pointer to a member: (/[A-Za-z0-9_.~-]{1,64}){1,8}",
    |text| {
        let is_member = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'~' | b'-');
        let members: Vec<&[u8]> = text.split(|byte| *byte == b'/').skip(1).collect();
        text.first() == Some(&b'/')
            && (1..=8).contains(&members.len())
            && members.iter().all(|name| (1..=64).contains(&name.len()) && name.iter().all(is_member))
    }
}

text_id! {
    /// A time zone's IANA name, such as `Asia/Shanghai`. Its form is checked, not its being known: a zone may be
    /// newer than this program.
    Zone, "an IANA time zone name",
    |text| matches(text, 64, |byte| byte.is_ascii_alphabetic(),
        |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'_' | b'+' | b'-'))
}

/// An event's identifier: a UUID of version 7, lower case with hyphens.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(pub [u8; 16]);

const EVENT_ID: IdError = IdError { expected: "a UUID of version 7 in lower case with hyphens" };

impl FromStr for EventId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        // `try_parse` also takes braces, URNs and upper case: one identifier must have one writing.
        if text.len() != 36 || text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(EVENT_ID);
        }
        let uuid = uuid::Uuid::try_parse(text).map_err(|_| EVENT_ID)?;
        if uuid.get_version_num() != 7 || uuid.get_variant() != uuid::Variant::RFC4122 {
            return Err(EVENT_ID);
        }
        Ok(Self(uuid.into_bytes()))
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        uuid::Uuid::from_bytes(self.0).hyphenated().fmt(f)
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for EventId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for EventId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_follow_their_grammar_to_the_letter() {
        assert!("lupus-msct".parse::<TrialId>().is_ok());
        assert!("CN-NJ".parse::<SiteId>().is_ok());
        assert!("01-701-1015".parse::<SubjectId>().is_ok());
        assert!("li.wei".parse::<ActorId>().is_ok());
        assert!("America/Argentina/Buenos_Aires".parse::<Zone>().is_ok());
        assert!("a".repeat(63).parse::<TrialId>().is_ok());
        for wrong in ["", "-a", "A", "a/b", "..", "a b", "é", &"a".repeat(64)] {
            assert!(wrong.parse::<TrialId>().is_err(), "{wrong}");
        }
        for wrong in ["", "-A", "a", "A_B", "A/B", "../A", &"A".repeat(33)] {
            assert!(wrong.parse::<SiteId>().is_err(), "{wrong}");
            assert!(wrong.parse::<SubjectId>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_event_id_has_one_writing() {
        let id = "01936b2e-7c5a-7d3e-8f10-0123456789ab";
        assert_eq!(id.parse::<EventId>().unwrap().to_string(), id);
        for wrong in [
            "01936B2E-7C5A-7D3E-8F10-0123456789AB",
            "01936b2e7c5a7d3e8f100123456789ab",
            "01936b2e-7c5a-4d3e-8f10-0123456789ab",
            "01936b2e-7c5a-7d3e-cf10-0123456789ab",
            "{01936b2e-7c5a-7d3e-8f10-0123456789ab}",
        ] {
            assert!(wrong.parse::<EventId>().is_err(), "{wrong}");
        }
    }
}
