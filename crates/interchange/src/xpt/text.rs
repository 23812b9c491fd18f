//! Texts of a transport file: the format names no encoding.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization;

/// How texts are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8, of which ASCII is a part.
    Utf8,
    /// Windows code page 1252, what SAS on Windows writes in the West.
    Windows1252,
}

/// What had to be changed in a text so that it can stand in an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repair {
    /// A byte that the encoding gives no meaning became U+FFFD.
    Unmapped,
    /// A control character became a space, a carriage return went, or a direction mark went.
    Control,
}

impl Repair {
    /// What was done, for a reader.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Unmapped => "a byte without meaning in the table's encoding is read as U+FFFD",
            Self::Control => "a control or direction character is left out of the text",
        }
    }
}

/// Code page 1252 from 0x80 to 0x9f; the rest is ISO 8859-1. Five bytes have no meaning.
const HIGH: [char; 32] = [
    '\u{20ac}', '\u{fffd}', '\u{201a}', '\u{192}', '\u{201e}', '\u{2026}', '\u{2020}', '\u{2021}', '\u{2c6}',
    '\u{2030}', '\u{160}', '\u{2039}', '\u{152}', '\u{fffd}', '\u{17d}', '\u{fffd}', '\u{fffd}', '\u{2018}',
    '\u{2019}', '\u{201c}', '\u{201d}', '\u{2022}', '\u{2013}', '\u{2014}', '\u{2dc}', '\u{2122}', '\u{161}',
    '\u{203a}', '\u{153}', '\u{fffd}', '\u{17e}', '\u{178}',
];

/// Decodes a value: trailing spaces and zeros go (zeros are how some programs pad), what cannot stand in an event is
/// repaired, the rest is brought to Normalization Form C.
pub(super) fn decode(bytes: &[u8], encoding: Encoding) -> (Cow<'_, str>, Option<Repair>) {
    let end = bytes.iter().rposition(|byte| !matches!(byte, b' ' | 0)).map_or(0, |last| last + 1);
    let bytes = &bytes[..end];
    if bytes.iter().all(|byte| (b' '..0x7f).contains(byte)) {
        // ASCII is UTF-8, so nothing is lost here.
        return (String::from_utf8_lossy(bytes), None);
    }
    let raw = match encoding {
        Encoding::Utf8 => String::from_utf8_lossy(bytes).into_owned(),
        Encoding::Windows1252 => bytes.iter().map(|byte| windows_1252(*byte)).collect(),
    };
    let mut repair = raw.contains('\u{fffd}').then_some(Repair::Unmapped);
    let mut clean = String::with_capacity(raw.len());
    for character in raw.chars() {
        match character {
            '\n' => clean.push('\n'),
            '\r' => repair = repair.or(Some(Repair::Control)),
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                repair = repair.or(Some(Repair::Control));
            }
            other if other.is_control() => {
                repair = repair.or(Some(Repair::Control));
                clean.push(' ');
            }
            other => clean.push(other),
        }
    }
    (Cow::Owned(clean.nfc().collect()), repair)
}

fn windows_1252(byte: u8) -> char {
    match byte {
        0x80..=0x9f => HIGH[usize::from(byte - 0x80)],
        _ => char::from(byte),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_windows_1252_text_is_read_by_its_code_page() {
        let read = |bytes: &'static [u8]| decode(bytes, Encoding::Windows1252);
        assert_eq!(read(b"Alzheimer\x92s   "), ("Alzheimer\u{2019}s".into(), None));
        assert_eq!(read(b"\x80 5, \xb5g, caf\xe9"), ("€ 5, µg, café".into(), None));
        assert_eq!(read(b"a\x81b"), ("a\u{fffd}b".into(), Some(Repair::Unmapped)));
        assert_eq!(read(b"a\tb\r\nc\0\0"), ("a b\nc".into(), Some(Repair::Control)));
        assert_eq!(read(b"    "), ("".into(), None));
    }

    #[test]
    fn a_utf8_text_is_composed_and_loses_its_direction_marks() {
        let read = |text: &'static str| decode(text.as_bytes(), Encoding::Utf8);
        assert_eq!(read("cafe\u{301}"), ("café".into(), None));
        assert_eq!(read("a\u{202e}b"), ("ab".into(), Some(Repair::Control)));
    }
}
