//! Canonical JSON: RFC 8785, narrowed so that two honest implementers cannot differ.
//!
//! [`check`] decides in one pass, without allocating, whether bytes *are* canonical; [`canonicalize`] makes
//! canonical bytes of a JSON value and refuses what has no canonical form. Nothing here repairs: bytes are hashed
//! as stored, so they are made canonical once, by the signer.

use std::fmt;
use std::ops::Range;

use serde_json::Value;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// Deepest nesting of arrays and objects. The deepest event (an observation's reference range inside a visit)
/// nests 6; 16 leaves room and keeps every reader's stack small.
pub const DEPTH_MAX: usize = 16;

/// Largest integer magnitude, 2^53 − 1: what every JSON reader represents exactly.
pub const INTEGER_MAX: i64 = 9_007_199_254_740_991;

/// Longest object key, in characters.
pub const KEY_CHARS_MAX: usize = 64;

/// Why bytes are not canonical.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CanonicalFault {
    /// The bytes are not JSON, or are JSON written another way (white space, an unneeded escape, `1.0`, `+1`).
    NotCanonical,
    /// The text ends inside a value.
    Truncated,
    /// Bytes follow the value.
    TrailingBytes,
    /// The bytes are not UTF-8.
    NotUtf8,
    /// A key does not match `[a-z][a-z0-9_]{0,63}`.
    KeyGrammar,
    /// Keys of an object are not in ascending byte order.
    KeyOrder,
    /// A key stands twice in one object.
    KeyRepeated,
    /// A number with a fraction or exponent: decimals are strings.
    Float,
    /// `null`: what is not stated is left out, what is missing has a reason.
    Null,
    /// An integer outside ±(2^53 − 1), or `-0`.
    IntegerRange,
    /// A string not in Unicode Normalization Form C.
    NotNfc,
    /// A control character other than U+000A.
    ControlCharacter,
    /// A character that changes the direction in which text is shown.
    BidirectionalControl,
    /// Nested deeper than [`DEPTH_MAX`].
    TooDeep,
    /// The top-level value is not an object.
    NotAnObject,
}

impl fmt::Display for CanonicalFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotCanonical => "not canonical JSON",
            Self::Truncated => "the JSON text ends too early",
            Self::TrailingBytes => "bytes follow the JSON value",
            Self::NotUtf8 => "not UTF-8",
            Self::KeyGrammar => "object keys must match [a-z][a-z0-9_]{0,63}",
            Self::KeyOrder => "object keys must be in ascending byte order",
            Self::KeyRepeated => "an object key is repeated",
            Self::Float => "floating-point numbers are refused, write decimals as strings",
            Self::Null => "null is refused, leave the member out",
            Self::IntegerRange => "integers must lie within ±(2^53 − 1), and -0 is refused",
            Self::NotNfc => "strings must be in Unicode Normalization Form C",
            Self::ControlCharacter => "strings must hold no control character but a line feed",
            Self::BidirectionalControl => "strings must hold no bidirectional control character",
            Self::TooDeep => "nested more than 16 levels deep",
            Self::NotAnObject => "the top-level value must be an object",
        })
    }
}

/// Bytes or a value that are not canonical, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{fault} at {}", if pointer.is_empty() { "the top level" } else { pointer })]
pub struct CanonicalError {
    /// What is wrong.
    pub fault: CanonicalFault,
    /// JSON pointer (RFC 6901) of the innermost value being read.
    pub pointer: String,
    /// Byte offset in the input; 0 when a value, not bytes, was examined.
    pub offset: usize,
}

/// One member of a top-level object: its key and the byte range of its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Range of the key's characters, without quotes.
    pub key: Range<usize>,
    /// Range of the value's bytes.
    pub value: Range<usize>,
}

/// Says whether `bytes` are one canonical JSON object.
///
/// # Errors
/// The first fault, with its byte offset and JSON pointer.
///
/// ```
/// assert!(chain::canonical::check(br#"{"a":1,"b":"x"}"#).is_ok());
/// let error = chain::canonical::check(br#"{"a":{"b":1.5}}"#).unwrap_err();
/// assert_eq!(error.pointer, "/a/b");
/// ```
pub fn check(bytes: &[u8]) -> Result<(), CanonicalError> {
    scan(bytes, |_| ())
}

/// As [`check`], and gives the top-level members in order.
///
/// # Errors
/// As [`check`].
pub fn members(bytes: &[u8]) -> Result<Vec<Member>, CanonicalError> {
    let mut found = Vec::with_capacity(16);
    scan(bytes, |member| found.push(member))?;
    Ok(found)
}

fn scan(bytes: &[u8], mut each: impl FnMut(Member)) -> Result<(), CanonicalError> {
    let mut scanner = Scanner { bytes, at: 0, path: [Step::None; DEPTH_MAX], depth: 0 };
    let outcome = (|| {
        if std::str::from_utf8(bytes).is_err() {
            return Err(CanonicalFault::NotUtf8);
        }
        if bytes.first() != Some(&b'{') {
            return Err(CanonicalFault::NotAnObject);
        }
        scanner.object(&mut each)?;
        if scanner.at == bytes.len() { Ok(()) } else { Err(CanonicalFault::TrailingBytes) }
    })();
    outcome.map_err(|fault| CanonicalError { fault, pointer: scanner.pointer(), offset: scanner.at })
}

/// One step of the path from the top to the value being read.
#[derive(Clone, Copy)]
enum Step {
    None,
    Key(usize, usize),
    Index(usize),
}

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    path: [Step; DEPTH_MAX],
    depth: usize,
}

type Scanned = Result<(), CanonicalFault>;

impl Scanner<'_> {
    fn pointer(&self) -> String {
        let mut pointer = String::new();
        for step in &self.path[..self.depth.min(DEPTH_MAX)] {
            match *step {
                Step::None => {}
                // A key that failed its grammar may hold anything; what stands here is only for a reader.
                Step::Key(from, to) => {
                    pointer.push('/');
                    pointer.push_str(&String::from_utf8_lossy(&self.bytes[from..to]));
                }
                Step::Index(index) => {
                    pointer.push('/');
                    pointer.push_str(&index.to_string());
                }
            }
        }
        pointer
    }

    fn peek(&self) -> Result<u8, CanonicalFault> {
        self.bytes.get(self.at).copied().ok_or(CanonicalFault::Truncated)
    }

    fn expect(&mut self, byte: u8) -> Scanned {
        if self.peek()? == byte {
            self.at += 1;
            Ok(())
        } else {
            Err(CanonicalFault::NotCanonical)
        }
    }

    fn literal(&mut self, word: &[u8]) -> Scanned {
        let rest = &self.bytes[self.at..];
        if rest.starts_with(word) {
            self.at += word.len();
            Ok(())
        } else if word.starts_with(rest) {
            Err(CanonicalFault::Truncated)
        } else {
            Err(CanonicalFault::NotCanonical)
        }
    }

    fn value(&mut self) -> Scanned {
        match self.peek()? {
            b'{' => self.object(&mut |_| ()),
            b'[' => self.array(),
            b'"' => self.string(),
            b't' => self.literal(b"true"),
            b'f' => self.literal(b"false"),
            b'n' => Err(CanonicalFault::Null),
            b'-' | b'0'..=b'9' => self.number(),
            _ => Err(CanonicalFault::NotCanonical),
        }
    }

    fn enter(&mut self) -> Result<usize, CanonicalFault> {
        if self.depth == DEPTH_MAX {
            return Err(CanonicalFault::TooDeep);
        }
        self.path[self.depth] = Step::None;
        self.depth += 1;
        Ok(self.depth - 1)
    }

    fn object(&mut self, each: &mut dyn FnMut(Member)) -> Scanned {
        self.expect(b'{')?;
        let level = self.enter()?;
        if self.peek()? == b'}' {
            self.at += 1;
            self.depth -= 1;
            return Ok(());
        }
        let mut previous: Range<usize> = 0..0;
        loop {
            let key = self.key()?;
            self.path[level] = Step::Key(key.start, key.end);
            if !previous.is_empty() {
                match self.bytes[previous].cmp(&self.bytes[key.clone()]) {
                    std::cmp::Ordering::Less => {}
                    std::cmp::Ordering::Equal => return Err(CanonicalFault::KeyRepeated),
                    std::cmp::Ordering::Greater => return Err(CanonicalFault::KeyOrder),
                }
            }
            self.expect(b':')?;
            let start = self.at;
            self.value()?;
            each(Member { key: key.clone(), value: start..self.at });
            previous = key;
            match self.peek()? {
                b',' => self.at += 1,
                b'}' => {
                    self.at += 1;
                    self.depth -= 1;
                    return Ok(());
                }
                _ => return Err(CanonicalFault::NotCanonical),
            }
        }
    }

    fn array(&mut self) -> Scanned {
        self.expect(b'[')?;
        let level = self.enter()?;
        if self.peek()? == b']' {
            self.at += 1;
            self.depth -= 1;
            return Ok(());
        }
        let mut index = 0;
        loop {
            self.path[level] = Step::Index(index);
            self.value()?;
            index += 1;
            match self.peek()? {
                b',' => self.at += 1,
                b']' => {
                    self.at += 1;
                    self.depth -= 1;
                    return Ok(());
                }
                _ => return Err(CanonicalFault::NotCanonical),
            }
        }
    }

    fn key(&mut self) -> Result<Range<usize>, CanonicalFault> {
        self.expect(b'"')?;
        let start = self.at;
        loop {
            match self.peek()? {
                b'"' => break,
                b'a'..=b'z' => {}
                b'0'..=b'9' | b'_' if self.at > start => {}
                _ => return Err(CanonicalFault::KeyGrammar),
            }
            self.at += 1;
        }
        let key = start..self.at;
        if key.is_empty() || key.len() > KEY_CHARS_MAX {
            return Err(CanonicalFault::KeyGrammar);
        }
        self.at += 1;
        Ok(key)
    }

    fn number(&mut self) -> Scanned {
        let start = self.at;
        let negative = self.bytes[self.at] == b'-';
        if negative {
            self.at += 1;
        }
        let digits = self.at;
        let mut magnitude: i64 = 0;
        while let Some(digit @ b'0'..=b'9') = self.bytes.get(self.at).copied() {
            magnitude = magnitude.saturating_mul(10).saturating_add(i64::from(digit - b'0'));
            self.at += 1;
        }
        if matches!(self.bytes.get(self.at), Some(b'.' | b'e' | b'E')) {
            return Err(CanonicalFault::Float);
        }
        let length = self.at - digits;
        if length == 0 || (length > 1 && self.bytes[digits] == b'0') {
            return Err(CanonicalFault::NotCanonical);
        }
        if magnitude > INTEGER_MAX || (negative && magnitude == 0) {
            self.at = start;
            return Err(CanonicalFault::IntegerRange);
        }
        Ok(())
    }

    fn string(&mut self) -> Scanned {
        self.expect(b'"')?;
        let start = self.at;
        let mut ascii = true;
        loop {
            match self.peek()? {
                b'"' => break,
                b'\\' => {
                    self.at += 1;
                    // Of all characters that JSON must escape, only these three are allowed in a string at all.
                    if !matches!(self.peek()?, b'"' | b'\\' | b'n') {
                        return Err(CanonicalFault::NotCanonical);
                    }
                }
                0x00..=0x1f | 0x7f => return Err(CanonicalFault::ControlCharacter),
                0x80.. => ascii = false,
                _ => {}
            }
            self.at += 1;
        }
        if !ascii {
            // The whole input was checked to be UTF-8, and a quote or backslash never splits a character.
            let text =
                std::str::from_utf8(&self.bytes[start..self.at]).map_err(|_| CanonicalFault::NotUtf8)?;
            check_characters(text)?;
        }
        self.at += 1;
        Ok(())
    }
}

/// Checks the characters of a string against the rules that RFC 8785 does not have.
fn check_characters(text: &str) -> Scanned {
    for character in text.chars() {
        match character {
            '\n' => {}
            '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' => return Err(CanonicalFault::ControlCharacter),
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                return Err(CanonicalFault::BidirectionalControl);
            }
            _ => {}
        }
    }
    let normal = match is_nfc_quick(text.chars()) {
        IsNormalized::Yes => true,
        IsNormalized::No => false,
        IsNormalized::Maybe => text.nfc().eq(text.chars()),
    };
    if normal { Ok(()) } else { Err(CanonicalFault::NotNfc) }
}

/// Writes `value` canonically.
///
/// # Errors
/// The value's first member that has no canonical form, with its JSON pointer: floats above all.
///
/// ```
/// let value = serde_json::json!({"b": 1, "a": "x\ny"});
/// assert_eq!(chain::canonical::canonicalize(&value).unwrap(), br#"{"a":"x\ny","b":1}"#);
/// ```
pub fn canonicalize(value: &Value) -> Result<Vec<u8>, CanonicalError> {
    let mut writer = Writer { out: Vec::with_capacity(512), pointer: String::new() };
    let outcome = if value.is_object() { writer.value(value, 0) } else { Err(CanonicalFault::NotAnObject) };
    match outcome {
        Ok(()) => Ok(writer.out),
        Err(fault) => Err(CanonicalError { fault, pointer: writer.pointer, offset: 0 }),
    }
}

struct Writer {
    out: Vec<u8>,
    /// Where the writer stands; left as it is when a fault is met.
    pointer: String,
}

impl Writer {
    fn value(&mut self, value: &Value, depth: usize) -> Scanned {
        match value {
            Value::Null => return Err(CanonicalFault::Null),
            Value::Bool(true) => self.out.extend_from_slice(b"true"),
            Value::Bool(false) => self.out.extend_from_slice(b"false"),
            Value::Number(number) => {
                let integer = number.as_i64().ok_or(if number.is_f64() {
                    CanonicalFault::Float
                } else {
                    CanonicalFault::IntegerRange
                })?;
                if integer.abs() > INTEGER_MAX {
                    return Err(CanonicalFault::IntegerRange);
                }
                self.out.extend_from_slice(integer.to_string().as_bytes());
            }
            Value::String(text) => self.string(text)?,
            Value::Array(items) => {
                deeper(depth)?;
                self.out.push(b'[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        self.out.push(b',');
                    }
                    self.within(&index.to_string(), |writer| writer.value(item, depth + 1))?;
                }
                self.out.push(b']');
            }
            Value::Object(map) => {
                deeper(depth)?;
                let mut keys: Vec<&String> = map.keys().collect();
                keys.sort();
                self.out.push(b'{');
                for (index, key) in keys.into_iter().enumerate() {
                    if index > 0 {
                        self.out.push(b',');
                    }
                    self.within(key, |writer| {
                        if !is_key(key) {
                            return Err(CanonicalFault::KeyGrammar);
                        }
                        writer.out.push(b'"');
                        writer.out.extend_from_slice(key.as_bytes());
                        writer.out.extend_from_slice(b"\":");
                        writer.value(&map[key], depth + 1)
                    })?;
                }
                self.out.push(b'}');
            }
        }
        Ok(())
    }

    fn within(&mut self, step: &str, write: impl FnOnce(&mut Self) -> Scanned) -> Scanned {
        let length = self.pointer.len();
        self.pointer.push('/');
        self.pointer.push_str(&step.replace('~', "~0").replace('/', "~1"));
        write(self)?;
        self.pointer.truncate(length);
        Ok(())
    }

    fn string(&mut self, text: &str) -> Scanned {
        check_characters(text)?;
        self.out.push(b'"');
        for byte in text.bytes() {
            match byte {
                b'"' => self.out.extend_from_slice(b"\\\""),
                b'\\' => self.out.extend_from_slice(b"\\\\"),
                b'\n' => self.out.extend_from_slice(b"\\n"),
                _ => self.out.push(byte),
            }
        }
        self.out.push(b'"');
        Ok(())
    }
}

fn deeper(depth: usize) -> Scanned {
    if depth < DEPTH_MAX { Ok(()) } else { Err(CanonicalFault::TooDeep) }
}

fn is_key(key: &str) -> bool {
    let mut bytes = key.bytes();
    key.len() <= KEY_CHARS_MAX
        && bytes.next().is_some_and(|first| first.is_ascii_lowercase())
        && bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fault(text: &str) -> Option<(CanonicalFault, String)> {
        check(text.as_bytes()).err().map(|error| (error.fault, error.pointer))
    }

    #[test]
    fn canonical_text_is_accepted() {
        for text in [
            "{}",
            r#"{"a":[],"b":{},"d":true,"e":false}"#,
            r#"{"a":-9007199254740991,"b":9007199254740991,"c":0}"#,
            r#"{"a":"\"\\\n/é漢"}"#,
            r#"{"a":1,"a0":1,"a_":1,"aa":1}"#,
        ] {
            assert_eq!(fault(text), None, "{text}");
        }
    }

    #[test]
    fn each_fault_is_named_with_its_pointer() {
        use CanonicalFault as F;
        for (text, expected, pointer) in [
            ("", F::NotAnObject, ""),
            ("[1]", F::NotAnObject, ""),
            ("{", F::Truncated, ""),
            (r#"{"a":tru"#, F::Truncated, "/a"),
            (r#"{"a":1} "#, F::TrailingBytes, ""),
            (r#"{ "a":1}"#, F::NotCanonical, ""),
            (r#"{"a": 1}"#, F::NotCanonical, "/a"),
            (r#"{"A":1}"#, F::KeyGrammar, ""),
            (r#"{"":1}"#, F::KeyGrammar, ""),
            (r#"{"a":{"b":1,"a":2}}"#, F::KeyOrder, "/a/a"),
            (r#"{"a":1,"a":2}"#, F::KeyRepeated, "/a"),
            (r#"{"a":[1,{"b":1.5}]}"#, F::Float, "/a/1/b"),
            (r#"{"a":1e3}"#, F::Float, "/a"),
            (r#"{"a":null}"#, F::Null, "/a"),
            (r#"{"a":-0}"#, F::IntegerRange, "/a"),
            (r#"{"a":9007199254740992}"#, F::IntegerRange, "/a"),
            (r#"{"a":99999999999999999999999999}"#, F::IntegerRange, "/a"),
            (r#"{"a":01}"#, F::NotCanonical, "/a"),
            (r#"{"a":"\u0041"}"#, F::NotCanonical, "/a"),
            (r#"{"a":"\/"}"#, F::NotCanonical, "/a"),
            ("{\"a\":\"\t\"}", F::ControlCharacter, "/a"),
            ("{\"a\":\"\u{7f}\"}", F::ControlCharacter, "/a"),
            ("{\"a\":\"\u{85}\"}", F::ControlCharacter, "/a"),
            ("{\"a\":\"\u{202e}\"}", F::BidirectionalControl, "/a"),
            ("{\"a\":\"e\u{301}\"}", F::NotNfc, "/a"),
        ] {
            assert_eq!(fault(text), Some((expected, pointer.to_owned())), "{text}");
        }
        assert_eq!(check(b"{\"a\":\"\xff\"}").unwrap_err().fault, F::NotUtf8);
    }

    #[test]
    fn sixteen_levels_are_accepted_and_seventeen_refused() {
        let nested =
            |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels - 1), "]".repeat(levels - 1));
        assert_eq!(fault(&nested(16)), None);
        assert_eq!(fault(&nested(17)).map(|found| found.0), Some(CanonicalFault::TooDeep));
        assert_eq!(fault(&nested(60_000)).map(|found| found.0), Some(CanonicalFault::TooDeep));
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Value::from),
            (-INTEGER_MAX..=INTEGER_MAX).prop_map(Value::from),
            "[ -~\n]{0,12}".prop_map(Value::from),
            "[äöü漢字]{0,4}".prop_map(Value::from),
        ];
        let inner = leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                proptest::collection::btree_map("[a-z][a-z0-9_]{0,5}", inner, 0..5)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        });
        proptest::collection::btree_map("[a-z][a-z0-9_]{0,5}", inner, 0..5)
            .prop_map(|map| Value::Object(map.into_iter().collect()))
    }

    proptest! {
        #[test]
        fn what_is_written_is_canonical_and_agrees_with_rfc_8785(value in value()) {
            let written = canonicalize(&value).unwrap();
            prop_assert!(check(&written).is_ok());
            prop_assert_eq!(&written, &serde_json_canonicalizer::to_vec(&value).unwrap());
            prop_assert_eq!(serde_json::from_slice::<Value>(&written).unwrap(), value);
        }

        #[test]
        fn any_bytes_get_an_answer_and_accepted_bytes_are_a_fixed_point(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            if check(&bytes).is_ok() {
                let value: Value = serde_json::from_slice(&bytes).unwrap();
                prop_assert_eq!(canonicalize(&value).unwrap(), bytes);
            }
        }

        #[test]
        fn one_changed_byte_never_leaves_an_equal_value_canonical(value in value(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let written = canonicalize(&value).unwrap();
            let mut changed = written.clone();
            let at = at.index(changed.len());
            changed[at] = byte;
            if changed != written && check(&changed).is_ok() {
                prop_assert_ne!(serde_json::from_slice::<Value>(&changed).unwrap(), value);
            }
        }
    }
}
