//! Positions, sizes and hashes. Index, count and hash differ in type so that they cannot be mistaken.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

/// Place of a record in its log: 0-based, gapless.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Position(pub u64);

impl Position {
    /// The position after this one; after the last that there can be, that one again.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How many records a log holds; the position of the next record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TreeSize(pub u64);

impl TreeSize {
    /// The position the next record will have.
    pub fn next_position(self) -> Position {
        Position(self.0)
    }
}

impl fmt::Display for TreeSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A text that is not 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected 64 lower-case hexadecimal digits")]
pub struct HashTextError;

/// Writes `bytes` as lower-case hexadecimal digits.
pub fn to_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

/// Reads exactly 64 lower-case hexadecimal digits.
///
/// # Errors
/// Any other text.
pub fn from_hex(text: &str) -> Result<[u8; 32], HashTextError> {
    fn digit(byte: u8) -> Result<u8, HashTextError> {
        match byte {
            b'0'..=b'9' => Ok(byte - b'0'),
            b'a'..=b'f' => Ok(byte - b'a' + 10),
            _ => Err(HashTextError),
        }
    }
    let text = text.as_bytes();
    if text.len() != 64 {
        return Err(HashTextError);
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Ok(bytes)
}

macro_rules! hash_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub [u8; 32]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&to_hex(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), to_hex(&self.0))
            }
        }

        impl FromStr for $name {
            type Err = HashTextError;

            fn from_str(text: &str) -> Result<Self, HashTextError> {
                from_hex(text).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&to_hex(&self.0))
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

hash_type! {
    /// Hash of a record: the RFC 6962 leaf hash, SHA-256(0x00 ‖ record bytes). One hash is chain link and tree leaf.
    RecordHash
}

hash_type! {
    /// Hash of a complete subtree of a log's Merkle tree; of a single leaf, it is that record's hash.
    NodeHash
}

hash_type! {
    /// Root hash of a log's Merkle tree at some size: what a checkpoint signs.
    RootHash
}

hash_type! {
    /// Name of a key: SHA-256 of its 32-byte public half.
    KeyId
}

impl RecordHash {
    /// What stands for "no record before this one": 64 zeros.
    pub const ZERO: Self = Self([0; 32]);

    /// The hash of `record` (RFC 6962 §2.1, leaf).
    ///
    /// ```
    /// assert!(chain::RecordHash::of(b"").to_string().starts_with("6e340b9cffb37a98"));
    /// ```
    pub fn of(record: &[u8]) -> Self {
        Self(Sha256::new().chain_update([0]).chain_update(record).finalize().into())
    }
}

impl NodeHash {
    /// The hash over two subtrees (RFC 6962 §2.1): SHA-256(0x01 ‖ left ‖ right).
    ///
    /// ```
    /// use chain::{NodeHash, RecordHash};
    /// let (left, right) = (RecordHash::of(b"").into(), RecordHash::of(&[0]).into());
    /// assert!(NodeHash::over(&left, &right).to_string().starts_with("fac54203e7cc696c"));
    /// ```
    #[must_use]
    pub fn over(left: &Self, right: &Self) -> Self {
        let mut bytes = [1; 65];
        bytes[1..33].copy_from_slice(&left.0);
        bytes[33..].copy_from_slice(&right.0);
        Self(Sha256::digest(bytes).into())
    }
}

impl From<RecordHash> for NodeHash {
    fn from(leaf: RecordHash) -> Self {
        Self(leaf.0)
    }
}

impl RootHash {
    /// The root of a tree without leaves (RFC 6962 §2.1): SHA-256 of no bytes.
    ///
    /// ```
    /// assert!(chain::RootHash::empty().to_string().starts_with("e3b0c44298fc1c14"));
    /// ```
    pub fn empty() -> Self {
        Self(Sha256::digest(b"").into())
    }
}

impl From<NodeHash> for RootHash {
    fn from(node: NodeHash) -> Self {
        Self(node.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_is_read_strictly() {
        let text = "00".repeat(31) + "ff";
        assert_eq!(text.parse::<RecordHash>().unwrap().to_string(), text);
        for wrong in ["", "00", &"0".repeat(63), &"0".repeat(65), &"F".repeat(64), &"g".repeat(64)] {
            assert!(wrong.parse::<RecordHash>().is_err(), "{wrong}");
        }
    }
}
