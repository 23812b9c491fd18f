//! Signed notes (C2SP signed-note): a text, and lines below it by which keys vouch for it.
//!
//! What the texts say is the matter of `checkpoint` and `receipt`. Two kinds of signatures are known, and only these:
//! a log's own, over the text, and a witness's cosignature, over the text and a time.

mod signed;

use std::fmt;

use sha2::{Digest, Sha256};

pub use signed::{Endorsement, Note, NoteError, SignatureLine, Signer, TextError, VerifyError, parse_lines};

use crate::key::{PublicKey, from_base64, to_base64};

/// Signature type of a log's own Ed25519 key.
pub const TYPE_ED25519: u8 = 0x01;

/// Signature type of a witness's Ed25519 key: cosignature v1, which carries a time.
pub const TYPE_COSIGNATURE: u8 = 0x04;

/// Longest note read, in bytes: 100 signature lines and a text fit many times over.
pub const NOTE_BYTES_MAX: usize = 1 << 20;

/// Most signature lines read: a log's two keys at a change of keys and more witnesses than any trial has sites. The
/// specification asks for at least 16.
pub const NOTE_SIGNATURES_MAX: usize = 100;

/// A text that is not a verifier key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a verifier key: name+<8 hexadecimal digits>+<base64 of type and public key>")]
pub struct VerifierKeyError;

/// What a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyKind {
    /// Notes of its own: a log's checkpoints, a registrar's receipts.
    Log,
    /// Other logs' checkpoints, with the time at which they were seen.
    Cosigner,
}

impl KeyKind {
    /// The byte that stands for it in key ids and verifier keys.
    pub fn signature_type(self) -> u8 {
        match self {
            Self::Log => TYPE_ED25519,
            Self::Cosigner => TYPE_COSIGNATURE,
        }
    }
}

/// A key by which notes are verified: `name+<8 hex>+<base64(type ‖ public key)>`. A log's name is its checkpoint origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    kind: KeyKind,
    key: PublicKey,
}

/// Whether a text can name a key or a log: not empty, no white space, no `+`, no control character.
pub(crate) fn is_name(text: &str) -> bool {
    !text.is_empty() && !text.chars().any(|c| c == '+' || c.is_whitespace() || c.is_control())
}

impl VerifierKey {
    /// Names a log's key, or another that signs notes of its own.
    ///
    /// # Errors
    /// A name that is empty or holds white space, `+` or a control character.
    pub fn new(name: &str, key: PublicKey) -> Result<Self, VerifierKeyError> {
        Self::of(KeyKind::Log, name, key)
    }

    /// Names a witness's key.
    ///
    /// # Errors
    /// As [`VerifierKey::new`].
    pub fn cosigner(name: &str, key: PublicKey) -> Result<Self, VerifierKeyError> {
        Self::of(KeyKind::Cosigner, name, key)
    }

    fn of(kind: KeyKind, name: &str, key: PublicKey) -> Result<Self, VerifierKeyError> {
        if is_name(name) { Ok(Self { name: name.to_owned(), kind, key }) } else { Err(VerifierKeyError) }
    }

    /// Reads the text form of a log's key; the id in it must be the key's. A cosigner's key is refused: what is meant
    /// to name a log must not vouch as a witness.
    ///
    /// # Errors
    /// Any other text.
    ///
    /// ```
    /// # let key = chain::SecretKey::from_bytes(&[1; 32]).public();
    /// let vkey = chain::note::VerifierKey::new("trialbook.example/lupus-msct", key).unwrap();
    /// assert_eq!(chain::note::VerifierKey::from_text(&vkey.to_string()).unwrap(), vkey);
    /// ```
    pub fn from_text(text: &str) -> Result<Self, VerifierKeyError> {
        Self::read(KeyKind::Log, text)
    }

    /// Reads the text form of a cosigner's key; a log's key is refused.
    ///
    /// # Errors
    /// Any other text.
    ///
    /// ```
    /// # let key = chain::SecretKey::from_bytes(&[1; 32]).public();
    /// let vkey = chain::note::VerifierKey::cosigner("witness.example/nanjing", key).unwrap();
    /// assert_eq!(chain::note::VerifierKey::cosigner_from_text(&vkey.to_string()).unwrap(), vkey);
    /// assert!(chain::note::VerifierKey::from_text(&vkey.to_string()).is_err());
    /// ```
    pub fn cosigner_from_text(text: &str) -> Result<Self, VerifierKeyError> {
        Self::read(KeyKind::Cosigner, text)
    }

    fn read(kind: KeyKind, text: &str) -> Result<Self, VerifierKeyError> {
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(VerifierKeyError);
        };
        let bytes = from_base64(key).ok_or(VerifierKeyError)?;
        let (stated, public) = bytes.split_first().ok_or(VerifierKeyError)?;
        let public: &[u8; 32] = public.try_into().map_err(|_| VerifierKeyError)?;
        let vkey = Self::of(kind, name, PublicKey::from_bytes(public).map_err(|_| VerifierKeyError)?)?;
        if *stated == kind.signature_type() && vkey.id_text() == id {
            Ok(vkey)
        } else {
            Err(VerifierKeyError)
        }
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it signs.
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The public key.
    pub fn key(&self) -> PublicKey {
        self.key
    }

    /// Key id: the first four bytes of SHA-256(name ‖ 0x0A ‖ type ‖ public key).
    pub fn id(&self) -> [u8; 4] {
        let digest = Sha256::new()
            .chain_update(self.name.as_bytes())
            .chain_update([b'\n', self.kind.signature_type()])
            .chain_update(self.key.to_bytes())
            .finalize();
        [digest[0], digest[1], digest[2], digest[3]]
    }

    fn id_text(&self) -> String {
        crate::hash::to_hex(&self.id())
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = [&[self.kind.signature_type()][..], &self.key.to_bytes()].concat();
        write!(f, "{}+{}+{}", self.name, self.id_text(), to_base64(&key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_example_of_the_go_checksum_database_is_read() {
        let text = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8";
        assert_eq!(VerifierKey::from_text(text).unwrap().to_string(), text);
    }

    #[test]
    fn another_id_name_or_type_is_refused() {
        for text in [
            "sum.golang.org+033de0af+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8",
            "sum.golang.com+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8",
            "sum.golang.org+033de0ae+Bc4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8",
            "sum.golang.org",
            "",
        ] {
            assert!(VerifierKey::from_text(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_same_key_has_another_id_as_a_witness() {
        let key = crate::SecretKey::from_bytes(&[1; 32]).public();
        let log = VerifierKey::new("a.example", key).unwrap();
        let witness = VerifierKey::cosigner("a.example", key).unwrap();
        assert_ne!(log.id(), witness.id());
        assert_eq!(VerifierKey::cosigner_from_text(&log.to_string()), Err(VerifierKeyError));
        assert_eq!(VerifierKey::from_text(&witness.to_string()), Err(VerifierKeyError));
    }

    #[test]
    fn a_name_that_a_note_could_not_hold_names_no_key() {
        let key = crate::SecretKey::from_bytes(&[1; 32]).public();
        for name in ["", "a b", "a+b", "a\u{2003}b", "a\nb", "a\u{1}b", "a\u{7f}"] {
            assert_eq!(VerifierKey::new(name, key), Err(VerifierKeyError), "{name:?}");
        }
    }
}
