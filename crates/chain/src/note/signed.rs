//! A note's text and signature lines, read strictly, verified, made.

use std::fmt;

use super::{KeyKind, NOTE_BYTES_MAX, NOTE_SIGNATURES_MAX, VerifierKey, VerifierKeyError, is_name};
use crate::key::{SecretKey, Signature, from_base64, to_base64};

/// What begins a signature line: an em dash, U+2014, and a space.
const LINE_START: &str = "\u{2014} ";

/// A note as it stands, its signatures not yet checked: until they are, nothing may follow from its text.
///
/// Its `Display` gives back exactly the bytes it was read from.
///
/// ```
/// use chain::SecretKey;
/// use chain::note::{Note, Signer};
/// let signer = Signer::new("log.example/t", SecretKey::from_bytes(&[1; 32])).unwrap();
/// let note = Note::new("a text\n", [signer.sign("a text\n").unwrap()]).unwrap();
/// let read = Note::parse(note.to_string().as_bytes()).unwrap();
/// assert_eq!(read.verify(&[signer.verifier_key()]).unwrap().len(), 1);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    lines: Vec<SignatureLine>,
}

/// One signature line: `— <name> <base64(key id ‖ signature)>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureLine {
    name: String,
    key_id: [u8; 4],
    signature: Vec<u8>,
}

/// A text that cannot be a note's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// It is empty or its last line does not end.
    #[error("a note's text ends in a line feed")]
    Unterminated,
    /// It holds a control character other than a line feed.
    #[error("a note holds no control character but line feeds, and one stands at byte {offset}")]
    ControlCharacter {
        /// Where.
        offset: usize,
    },
}

/// Bytes that are not a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// More than [`NOTE_BYTES_MAX`] bytes.
    #[error("note of {bytes} bytes, at most {NOTE_BYTES_MAX} are read")]
    TooLarge {
        /// How many there are.
        bytes: usize,
    },
    /// Not UTF-8.
    #[error("a note is UTF-8, and byte {offset} is not")]
    NotUtf8 {
        /// The first byte that is not.
        offset: usize,
    },
    /// The text is not of its form.
    #[error("{0}")]
    Text(TextError),
    /// No blank line, or nothing after the last one.
    #[error("a note ends in a blank line and signature lines")]
    NoSignatures,
    /// More than [`NOTE_SIGNATURES_MAX`] signature lines.
    #[error("more than {NOTE_SIGNATURES_MAX} signature lines")]
    TooManySignatures,
    /// A line after the last blank line is no signature line.
    #[error("line {line} is no signature line")]
    SignatureLine {
        /// Its number in the note, from 1.
        line: usize,
    },
}

/// Why a note vouches for nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// A line that names a known key does not hold: then nothing of the note is believed.
    #[error("the signature of {name} does not verify")]
    BadSignature {
        /// The key's name.
        name: String,
    },
    /// No line names a known key.
    #[error("the note is signed by no known key")]
    NoKnownKey,
}

/// A known key's signature that holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Endorsement<'k> {
    /// The key.
    pub key: &'k VerifierKey,
    /// When a cosigner saw the text, in seconds since the Unix epoch; none of a log's own signature.
    pub time: Option<u64>,
}

fn check_text(text: &str) -> Result<(), TextError> {
    if let Some(offset) = text.bytes().position(|byte| byte < b' ' && byte != b'\n') {
        return Err(TextError::ControlCharacter { offset });
    }
    if text.ends_with('\n') { Ok(()) } else { Err(TextError::Unterminated) }
}

impl Note {
    /// Puts a text and signature lines together; whether they hold is not asked.
    ///
    /// # Errors
    /// [`NoteError`]: what [`Note::parse`] would not read back.
    pub fn new(text: &str, lines: impl IntoIterator<Item = SignatureLine>) -> Result<Self, NoteError> {
        check_text(text).map_err(NoteError::Text)?;
        let note = Self { text: text.to_owned(), lines: lines.into_iter().collect() };
        if note.lines.is_empty() {
            return Err(NoteError::NoSignatures);
        }
        if note.lines.len() > NOTE_SIGNATURES_MAX {
            return Err(NoteError::TooManySignatures);
        }
        match note.to_string().len() {
            0..=NOTE_BYTES_MAX => Ok(note),
            bytes => Err(NoteError::TooLarge { bytes }),
        }
    }

    /// Reads a note. The text may hold blank lines: the last one parts it from the signatures.
    ///
    /// # Errors
    /// [`NoteError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        if bytes.len() > NOTE_BYTES_MAX {
            return Err(NoteError::TooLarge { bytes: bytes.len() });
        }
        let note =
            std::str::from_utf8(bytes).map_err(|error| NoteError::NotUtf8 { offset: error.valid_up_to() })?;
        check_text(note).map_err(NoteError::Text)?;
        let (text, lines) = match note.rfind("\n\n") {
            Some(blank) => (&note[..=blank], &note[blank + 2..]),
            None => return Err(NoteError::NoSignatures),
        };
        let lines_before = text.bytes().filter(|byte| *byte == b'\n').count() + 1;
        Ok(Self { text: text.to_owned(), lines: read_lines(lines, lines_before)? })
    }

    /// The text, its last line feed included.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signature lines, in order.
    pub fn lines(&self) -> &[SignatureLine] {
        &self.lines
    }

    /// Checks the signatures by known keys and gives those keys, in the order of the lines. Lines by other keys are
    /// passed over, even if they share a name or an id, not both, with a known one. A key that signs twice must sign
    /// well twice, and is given twice.
    ///
    /// # Errors
    /// [`VerifyError`].
    pub fn verify<'k>(
        &self,
        known: impl IntoIterator<Item = &'k VerifierKey>,
    ) -> Result<Vec<Endorsement<'k>>, VerifyError> {
        let mut endorsements = Vec::new();
        let known: Vec<_> = known.into_iter().map(|key| (key, key.id())).collect();
        for line in &self.lines {
            let named = known.iter().filter(|(key, id)| *id == line.key_id && key.name == line.name);
            let mut named = named.map(|(key, _)| *key).peekable();
            if named.peek().is_none() {
                continue;
            }
            let endorsement = named.find_map(|key| line.endorsement(&self.text, key));
            endorsements
                .push(endorsement.ok_or_else(|| VerifyError::BadSignature { name: line.name.clone() })?);
        }
        if endorsements.is_empty() { Err(VerifyError::NoKnownKey) } else { Ok(endorsements) }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.lines.iter().try_for_each(|line| line.fmt(f))
    }
}

/// Reads signature lines that stand alone, as a witness answers with.
///
/// # Errors
/// [`NoteError`].
pub fn parse_lines(bytes: &[u8]) -> Result<Vec<SignatureLine>, NoteError> {
    if bytes.len() > NOTE_BYTES_MAX {
        return Err(NoteError::TooLarge { bytes: bytes.len() });
    }
    let text =
        std::str::from_utf8(bytes).map_err(|error| NoteError::NotUtf8 { offset: error.valid_up_to() })?;
    read_lines(text, 0)
}

fn read_lines(text: &str, lines_before: usize) -> Result<Vec<SignatureLine>, NoteError> {
    let Some(text) = text.strip_suffix('\n') else {
        return Err(if text.is_empty() {
            NoteError::NoSignatures
        } else {
            NoteError::Text(TextError::Unterminated)
        });
    };
    let mut lines = Vec::new();
    for (index, line) in text.split('\n').enumerate() {
        if index == NOTE_SIGNATURES_MAX {
            return Err(NoteError::TooManySignatures);
        }
        let malformed = NoteError::SignatureLine { line: lines_before + index + 1 };
        lines.push(SignatureLine::parse(line).ok_or(malformed)?);
    }
    Ok(lines)
}

impl SignatureLine {
    /// Reads a line, without its line feed.
    fn parse(line: &str) -> Option<Self> {
        let (name, bytes) = line.strip_prefix(LINE_START)?.split_once(' ')?;
        let bytes = from_base64(bytes)?;
        let (key_id, signature) = bytes.split_first_chunk()?;
        if !is_name(name) || signature.is_empty() {
            return None;
        }
        Some(Self { name: name.to_owned(), key_id: *key_id, signature: signature.to_vec() })
    }

    /// The key's name, not yet more than a claim.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key's id, not yet more than a claim.
    pub fn key_id(&self) -> [u8; 4] {
        self.key_id
    }

    /// What follows the key id: 64 bytes of a log's signature, 72 of a cosignature, others of other types.
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// The line of a cosignature.
    pub(crate) fn cosignature(key: &VerifierKey, secret: &SecretKey, text: &str, time: u64) -> Self {
        let signature = secret.sign(cosigned_message(text, time).as_bytes());
        Self {
            name: key.name.clone(),
            key_id: key.id(),
            signature: [&time.to_be_bytes()[..], &signature.0].concat(),
        }
    }

    /// What the line says for `key`, if it holds over `text`.
    fn endorsement<'k>(&self, text: &str, key: &'k VerifierKey) -> Option<Endorsement<'k>> {
        let (message, signature, time) = match key.kind {
            KeyKind::Log => (text.to_owned(), self.signature.as_slice(), None),
            KeyKind::Cosigner => {
                let (time, signature) = self.signature.split_first_chunk()?;
                let time = u64::from_be_bytes(*time);
                if i64::try_from(time).is_err() {
                    return None;
                }
                (cosigned_message(text, time), signature, Some(time))
            }
        };
        let signature = Signature(signature.try_into().ok()?);
        key.key.verify(message.as_bytes(), &signature).ok().map(|()| Endorsement { key, time })
    }
}

impl fmt::Display for SignatureLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [&self.key_id[..], &self.signature].concat();
        writeln!(f, "{LINE_START}{} {}", self.name, to_base64(&bytes))
    }
}

/// What a cosigner signs (C2SP tlog-cosignature, v1).
fn cosigned_message(text: &str, time: u64) -> String {
    format!("cosignature/v1\ntime {time}\n{text}")
}

/// A named secret key that signs notes of its own: a log's, or a registrar's for receipts.
#[derive(Debug, Clone)]
pub struct Signer {
    secret: SecretKey,
    key: VerifierKey,
}

impl Signer {
    /// Names a secret key.
    ///
    /// # Errors
    /// As [`VerifierKey::new`].
    pub fn new(name: &str, secret: SecretKey) -> Result<Self, VerifierKeyError> {
        Ok(Self { key: VerifierKey::new(name, secret.public())?, secret })
    }

    /// The key by which others verify.
    pub fn verifier_key(&self) -> VerifierKey {
        self.key.clone()
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.key.name
    }

    /// Signs a text.
    ///
    /// # Errors
    /// [`TextError`].
    pub fn sign(&self, text: &str) -> Result<SignatureLine, TextError> {
        check_text(text)?;
        Ok(SignatureLine {
            name: self.key.name.clone(),
            key_id: self.key.id(),
            signature: self.secret.sign(text.as_bytes()).0.to_vec(),
        })
    }
}

#[cfg(test)]
mod tests;
