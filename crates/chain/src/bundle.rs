//! Entry bundles (C2SP tlog-tiles): up to 256 records, each behind its length in two bytes.

use crate::RECORD_BYTES_MAX;
use crate::tile::TILE_WIDTH;

/// Bytes of the longest bundle: 256 records of 65,535 bytes, each behind a length of 2. A reader of strangers' files
/// reads no more than this.
pub const BUNDLE_BYTES_MAX: usize = TILE_WIDTH as usize * (RECORD_BYTES_MAX + 2);

/// Records that make no bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// A record longer than the length field can say.
    #[error("record {place} of the bundle has {bytes} bytes, at most {RECORD_BYTES_MAX} are allowed")]
    TooLong {
        /// Its place in the bundle, from 0.
        place: usize,
        /// Its length.
        bytes: usize,
    },
    /// More than 256 records.
    #[error("more than {TILE_WIDTH} records in a bundle")]
    TooMany,
}

/// Bytes that are not the bundle of so many records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes end inside a record or its length.
    #[error("the bundle ends within record {place}, which begins at byte {offset}")]
    Truncated {
        /// The record's place in the bundle, from 0.
        place: usize,
        /// Where its length begins.
        offset: usize,
    },
    /// The bytes end before all records are there.
    #[error("the bundle ends after {found} records where {expected} are due")]
    TooFew {
        /// How many are due.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// Bytes follow the last record that is due.
    #[error("bytes follow the bundle's last record, from byte {offset} on")]
    Trailing {
        /// Where they begin.
        offset: usize,
    },
}

/// The bundle of these records.
///
/// # Errors
/// [`EncodeError`].
///
/// ```
/// use chain::bundle;
/// let bytes = bundle::encode([&b"{}"[..], b"{\"a\":1}"]).unwrap();
/// assert_eq!(bytes, b"\x00\x02{}\x00\x07{\"a\":1}");
/// assert_eq!(bundle::decode(&bytes, 2).unwrap(), [&b"{}"[..], b"{\"a\":1}"]);
/// ```
pub fn encode<'r>(records: impl IntoIterator<Item = &'r [u8]>) -> Result<Vec<u8>, EncodeError> {
    let mut bytes = Vec::new();
    for (place, record) in records.into_iter().enumerate() {
        if place >= usize::from(TILE_WIDTH) {
            return Err(EncodeError::TooMany);
        }
        let length =
            u16::try_from(record.len()).map_err(|_| EncodeError::TooLong { place, bytes: record.len() })?;
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(record);
    }
    Ok(bytes)
}

/// The records of a bundle of exactly `count`.
///
/// # Errors
/// [`DecodeError`].
pub fn decode(bytes: &[u8], count: u16) -> Result<Vec<&[u8]>, DecodeError> {
    entries(bytes, count).collect()
}

/// The records of a bundle of exactly `count`, one after another. The last item is an error if the bytes are not
/// such a bundle; the records before it are as they stand there. Nothing but the slices is held.
pub fn entries(bytes: &[u8], count: u16) -> Entries<'_> {
    Entries { bytes, at: 0, place: 0, count: usize::from(count), ended: false }
}

/// What [`entries`] gives.
#[derive(Debug, Clone)]
pub struct Entries<'a> {
    bytes: &'a [u8],
    at: usize,
    place: usize,
    count: usize,
    ended: bool,
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<&'a [u8], DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let (place, offset) = (self.place, self.at);
        if self.ended || (place == self.count && rest.is_empty()) {
            return None;
        }
        let read = if place == self.count {
            Err(DecodeError::Trailing { offset })
        } else if rest.is_empty() {
            Err(DecodeError::TooFew { expected: self.count, found: place })
        } else {
            rest.split_first_chunk()
                .and_then(|(length, rest)| rest.get(..usize::from(u16::from_be_bytes(*length))))
                .ok_or(DecodeError::Truncated { place, offset })
        };
        match read {
            Ok(entry) => {
                self.place += 1;
                self.at += 2 + entry.len();
            }
            Err(_) => self.ended = true,
        }
        Some(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(bytes: &[u8], count: u16, expected: Result<&[&[u8]], DecodeError>) {
        assert_eq!(decode(bytes, count).as_deref(), expected.as_ref().copied(), "{bytes:?}");
    }

    #[test]
    fn lying_lengths_and_left_over_bytes_are_named_with_their_place() {
        check(b"", 0, Ok(&[]));
        check(b"\x00\x01a\x00\x00\x00\x02bc", 3, Ok(&[b"a", b"", b"bc"]));
        check(b"", 1, Err(DecodeError::TooFew { expected: 1, found: 0 }));
        check(b"\x00\x01a", 2, Err(DecodeError::TooFew { expected: 2, found: 1 }));
        check(b"\x00\x01a\x00", 2, Err(DecodeError::Truncated { place: 1, offset: 3 }));
        check(b"\x00\x01a\x00\x02b", 2, Err(DecodeError::Truncated { place: 1, offset: 3 }));
        check(b"\xff\xffa", 1, Err(DecodeError::Truncated { place: 0, offset: 0 }));
        check(b"\x00\x01ab", 1, Err(DecodeError::Trailing { offset: 3 }));
        check(b"\x00\x01a\x00\x01b", 1, Err(DecodeError::Trailing { offset: 3 }));
        check(b"a", 0, Err(DecodeError::Trailing { offset: 0 }));
    }

    #[test]
    fn a_record_too_long_or_one_too_many_makes_no_bundle() {
        let long = vec![0; RECORD_BYTES_MAX + 1];
        assert_eq!(encode([&b"a"[..], &long]), Err(EncodeError::TooLong { place: 1, bytes: 65_536 }));
        assert_eq!(encode([&b"a"[..]; 257]), Err(EncodeError::TooMany));
        let longest = vec![0; RECORD_BYTES_MAX];
        assert_eq!(encode([longest.as_slice(); 256]).unwrap().len(), BUNDLE_BYTES_MAX);
    }

    #[test]
    fn after_the_error_nothing_comes() {
        let mut entries = entries(b"\x00\x01a\x00", 3);
        assert_eq!(entries.next(), Some(Ok(&b"a"[..])));
        assert_eq!(entries.next(), Some(Err(DecodeError::Truncated { place: 1, offset: 3 })));
        assert_eq!(entries.next(), None);
    }

    proptest! {
        #[test]
        fn every_bundle_reads_back(records in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..=256)) {
            let bytes = encode(records.iter().map(Vec::as_slice)).unwrap();
            let count = u16::try_from(records.len()).unwrap();
            prop_assert_eq!(decode(&bytes, count).unwrap(), records);
        }
    }
}
