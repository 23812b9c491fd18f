//! Free text, which never stands in clear: encrypted by the submitting client before it signs.
//!
//! Each text has its own data key; the data key is wrapped by the subject's text key, which lives outside the log.
//! Destroying one data key or one subject key makes the text unreadable for ever while every hash and signature holds.
//! The commitment fixes what was said: whoever opens the text checks that no other text could have been signed.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::id::{EventId, SubjectId, TrialId};

/// The one algorithm of version 1.
pub const ALGORITHM: &str = "xchacha20poly1305";

/// Longest plaintext, in bytes: leaves room for two texts and the rest of an event within 64,000 bytes after base64.
pub const TEXT_BYTES_MAX: usize = 20_000;

const NONCE_BYTES: usize = 24;
const KEY_BYTES: usize = 32;

/// A text's envelope, as it stands in the event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedText {
    /// [`ALGORITHM`].
    pub alg: Algorithm,
    /// Base64 of the encrypted commitment key (32 bytes) followed by the text in UTF-8, and the tag.
    pub ciphertext: String,
    /// HMAC-SHA-256 of the text under the commitment key.
    pub commitment: chain::RecordHash,
    /// Base64 of the 24-byte nonce of the ciphertext.
    pub nonce: String,
    /// Base64 of a 24-byte nonce followed by the data key encrypted under the subject's text key, and the tag.
    pub wrapped_key: String,
}

/// Algorithms of an envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Algorithm {
    /// XChaCha20-Poly1305.
    #[serde(rename = "xchacha20poly1305")]
    XChaCha20Poly1305,
}

/// Where a text stands; authenticated with it, so that an envelope cannot be moved to another place.
#[derive(Debug, Clone, Copy)]
pub struct TextPlace<'a> {
    /// The trial.
    pub trial: &'a TrialId,
    /// The subject.
    pub subject: &'a SubjectId,
    /// The event.
    pub event: EventId,
    /// JSON pointer of the text inside the event, such as `/data/narrative`.
    pub pointer: &'a str,
}

impl TextPlace<'_> {
    fn associated_data(&self) -> Vec<u8> {
        format!("{}\n{}\n{}\n{}", self.trial, self.subject, self.event, self.pointer).into_bytes()
    }
}

/// The randomness that sealing one text takes: 112 bytes from a cryptographic source, used once.
pub struct SealingRandomness(pub [u8; KEY_BYTES * 2 + NONCE_BYTES * 2]);

/// Why a text could not be sealed or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Longer than [`TEXT_BYTES_MAX`].
    #[error("text of {bytes} bytes, at most {TEXT_BYTES_MAX} are allowed")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// The envelope's members are not of their form.
    #[error("the text's envelope is malformed")]
    Malformed,
    /// The key does not open it here: another subject's key, another place, or altered bytes.
    #[error("the key does not open this text at this place")]
    NotOpened,
    /// The text opened, but is not the one committed to.
    #[error("the text contradicts its commitment")]
    Commitment,
}

fn cipher(key: &[u8]) -> Result<XChaCha20Poly1305, TextError> {
    XChaCha20Poly1305::new_from_slice(key).map_err(|_| TextError::Malformed)
}

fn nonce(bytes: &[u8]) -> Result<XNonce, TextError> {
    let bytes: [u8; NONCE_BYTES] = bytes.try_into().map_err(|_| TextError::Malformed)?;
    Ok(XNonce::from(bytes))
}

fn commitment(key: &[u8], text: &[u8]) -> Result<[u8; 32], TextError> {
    let mut mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(key).map_err(|_| TextError::Malformed)?;
    mac.update(text);
    Ok(mac.finalize().into_bytes().into())
}

/// Encrypts `text` for its place under the subject's text key.
///
/// # Errors
/// [`TextError::TooLong`].
pub fn seal(
    text: &str,
    place: TextPlace<'_>,
    subject_key: &[u8; 32],
    randomness: &SealingRandomness,
) -> Result<SealedText, TextError> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(TextError::TooLong { bytes: text.len() });
    }
    let (data_key, rest) = randomness.0.split_at(KEY_BYTES);
    let (commitment_key, rest) = rest.split_at(KEY_BYTES);
    let (text_nonce, wrap_nonce) = rest.split_at(NONCE_BYTES);
    let aad = place.associated_data();
    let plaintext = [commitment_key, text.as_bytes()].concat();
    let encrypt = |key: &[u8], nonce_bytes: &[u8], message: &[u8]| {
        cipher(key)?
            .encrypt(&nonce(nonce_bytes)?, Payload { msg: message, aad: &aad })
            .map_err(|_| TextError::Malformed)
    };
    let ciphertext = encrypt(data_key, text_nonce, &plaintext)?;
    let wrapped = encrypt(subject_key, wrap_nonce, data_key)?;
    Ok(SealedText {
        alg: Algorithm::XChaCha20Poly1305,
        ciphertext: chain::key::to_base64(&ciphertext),
        commitment: chain::RecordHash(commitment(commitment_key, text.as_bytes())?),
        nonce: chain::key::to_base64(text_nonce),
        wrapped_key: chain::key::to_base64(&[wrap_nonce, &wrapped].concat()),
    })
}

/// Decrypts a text and checks it against its commitment.
///
/// # Errors
/// [`TextError`].
pub fn open(sealed: &SealedText, place: TextPlace<'_>, subject_key: &[u8; 32]) -> Result<String, TextError> {
    let decode = |text: &str| chain::key::from_base64(text).ok_or(TextError::Malformed);
    let aad = place.associated_data();
    let wrapped = decode(&sealed.wrapped_key)?;
    let (wrap_nonce, wrapped) = wrapped.split_at_checked(NONCE_BYTES).ok_or(TextError::Malformed)?;
    let decrypt = |key: &[u8], nonce_bytes: &[u8], message: &[u8]| {
        cipher(key)?
            .decrypt(&nonce(nonce_bytes)?, Payload { msg: message, aad: &aad })
            .map_err(|_| TextError::NotOpened)
    };
    let data_key = decrypt(subject_key, wrap_nonce, wrapped)?;
    let plaintext = decrypt(&data_key, &decode(&sealed.nonce)?, &decode(&sealed.ciphertext)?)?;
    let (commitment_key, text) = plaintext.split_at_checked(KEY_BYTES).ok_or(TextError::Malformed)?;
    if commitment(commitment_key, text)? != sealed.commitment.0 {
        return Err(TextError::Commitment);
    }
    String::from_utf8(text.to_vec()).map_err(|_| TextError::Malformed)
}

impl SealedText {
    /// Whether every member is of its form; says nothing about the text.
    pub fn is_well_formed(&self) -> bool {
        let length = |text: &str| chain::key::from_base64(text).map_or(0, |bytes| bytes.len());
        length(&self.nonce) == NONCE_BYTES
            && length(&self.wrapped_key) == NONCE_BYTES + KEY_BYTES + 16
            && length(&self.ciphertext) >= KEY_BYTES + 16
    }
}

/// Commitment to a subject's text key, as `enrollment` carries it: SHA-256 of the key.
pub fn text_key_commitment(subject_key: &[u8; 32]) -> chain::RecordHash {
    use sha2::Digest as _;
    chain::RecordHash(Sha256::digest(subject_key).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn randomness(first: u8) -> SealingRandomness {
        let mut bytes = [0; 112];
        for (byte, value) in bytes.iter_mut().zip(first..) {
            *byte = value;
        }
        SealingRandomness(bytes)
    }

    #[test]
    fn a_text_opens_at_its_own_place_with_its_own_key_only() {
        let (trial, other) = ("lupus".parse().unwrap(), "other".parse().unwrap());
        let (subject, event) =
            ("S1".parse().unwrap(), "01936b2e-7c5a-7d3e-8f10-0123456789ab".parse().unwrap());
        let place = TextPlace { trial: &trial, subject: &subject, event, pointer: "/data/term" };
        let sealed = seal("fièvre à 39 °C", place, &[5; 32], &randomness(1)).unwrap();
        assert!(sealed.is_well_formed());
        assert_eq!(open(&sealed, place, &[5; 32]).unwrap(), "fièvre à 39 °C");
        assert_eq!(open(&sealed, place, &[6; 32]), Err(TextError::NotOpened));
        assert_eq!(open(&sealed, TextPlace { trial: &other, ..place }, &[5; 32]), Err(TextError::NotOpened));
        assert_eq!(
            open(&sealed, TextPlace { pointer: "/data/narrative", ..place }, &[5; 32]),
            Err(TextError::NotOpened)
        );
        let other_commitment = SealedText { commitment: chain::RecordHash::ZERO, ..sealed.clone() };
        assert_eq!(open(&other_commitment, place, &[5; 32]), Err(TextError::Commitment));
        assert!(!SealedText { nonce: String::new(), ..sealed }.is_well_formed());
        assert!(seal(&"x".repeat(TEXT_BYTES_MAX + 1), place, &[5; 32], &randomness(1)).is_err());
    }
}
