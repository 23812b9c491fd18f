//! Ed25519 keys and signatures, verified strictly, and the exact bytes that are signed.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};

use crate::hash::{KeyId, RecordHash};

/// What stands before an event's bytes when it is signed.
pub const EVENT_CONTEXT: &[u8] = b"trialbook event v1\n";

/// Bytes that are not a usable Ed25519 public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not standard, padded base64 of 32 bytes.
    #[error("expected a public key as standard base64 of 32 bytes")]
    Text,
    /// Not the canonical encoding of a point of the curve, or a point of small order.
    #[error("not a canonical Ed25519 public key")]
    Point,
}

/// A signature that does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not verify")]
pub struct SignatureError;

/// Standard, padded base64 whose unused bits are zero.
pub fn to_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Reads standard, padded base64 whose unused bits are zero; nothing else.
pub fn from_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// An Ed25519 public key: canonical and not of small order.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// From the 32 bytes of RFC 8032.
    ///
    /// # Errors
    /// [`KeyError::Point`].
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, KeyError> {
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| KeyError::Point)?;
        // `from_bytes` takes y ≥ p too; two encodings of one key would be two key ids.
        if key.is_weak() || key.to_edwards().compress().to_bytes() != *bytes {
            return Err(KeyError::Point);
        }
        Ok(Self(key))
    }

    /// From standard base64.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn from_text(text: &str) -> Result<Self, KeyError> {
        let bytes: [u8; 32] =
            from_base64(text).and_then(|bytes| bytes.try_into().ok()).ok_or(KeyError::Text)?;
        Self::from_bytes(&bytes)
    }

    /// The 32 bytes of RFC 8032.
    pub fn to_bytes(self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// Standard base64 of the 32 bytes.
    pub fn to_text(self) -> String {
        to_base64(&self.to_bytes())
    }

    /// The key's name: SHA-256 of its 32 bytes.
    pub fn id(self) -> KeyId {
        KeyId(Sha256::digest(self.to_bytes()).into())
    }

    /// Checks a signature over exactly `message` (RFC 8032, cofactorless; S < L, A and R canonical and not of small
    /// order).
    ///
    /// # Errors
    /// The signature does not hold.
    pub fn verify(&self, message: &[u8], signature: &Signature) -> Result<(), SignatureError> {
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        self.0.verify_strict(message, &signature).map_err(|_| SignatureError)
    }

    /// Checks an event's signature, over `trialbook event v1\n` and the event's canonical bytes.
    ///
    /// # Errors
    /// The signature does not hold.
    pub fn verify_event(&self, event: &[u8], signature: &Signature) -> Result<(), SignatureError> {
        self.verify(&event_message(event), signature)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.to_text())
    }
}

/// The bytes signed for an event.
pub fn event_message(event: &[u8]) -> Vec<u8> {
    [EVENT_CONTEXT, event].concat()
}

/// The bytes a new key signs to prove that its holder has it.
///
/// ```
/// # let key = chain::SecretKey::from_bytes(&[7; 32]).public();
/// let message = chain::key::possession_message(chain::RecordHash::ZERO, "li.wei", key);
/// assert!(message.starts_with(b"trialbook key v1\n0000"));
/// ```
pub fn possession_message(genesis: RecordHash, holder: &str, key: PublicKey) -> Vec<u8> {
    format!("trialbook key v1\n{genesis}\n{holder}\n{}", key.to_text()).into_bytes()
}

/// An Ed25519 signature, 64 bytes, not yet checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signature(pub [u8; 64]);

impl Signature {
    /// From standard base64 of 64 bytes.
    pub fn from_text(text: &str) -> Option<Self> {
        from_base64(text)?.try_into().ok().map(Self)
    }

    /// Standard base64.
    pub fn to_text(&self) -> String {
        to_base64(&self.0)
    }
}

/// An Ed25519 secret key. Its `Debug` never shows it; its memory is wiped when it is dropped.
#[derive(Clone)]
pub struct SecretKey(SigningKey);

impl SecretKey {
    /// From the 32-byte seed of RFC 8032. The caller brings the randomness: this crate has none.
    pub fn from_bytes(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// The seed, for writing a key file.
    pub fn to_bytes(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// Signs exactly `message`.
    pub fn sign(&self, message: &[u8]) -> Signature {
        Signature(self.0.sign(message).to_bytes())
    }

    /// Signs an event's canonical bytes.
    pub fn sign_event(&self, event: &[u8]) -> Signature {
        self.sign(&event_message(event))
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey of {}", self.public().id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_holds_for_its_own_bytes_and_context_only() {
        let secret = SecretKey::from_bytes(&[1; 32]);
        let signature = secret.sign_event(b"{}");
        assert!(secret.public().verify_event(b"{}", &signature).is_ok());
        assert!(secret.public().verify_event(b"{ }", &signature).is_err());
        assert!(secret.public().verify(b"{}", &signature).is_err());
        assert!(SecretKey::from_bytes(&[2; 32]).public().verify_event(b"{}", &signature).is_err());
    }

    #[test]
    fn small_order_and_non_canonical_public_keys_are_refused() {
        // The identity (order 1), a point of order 2, and y = p + 1, another writing of the identity.
        let mut identity = [0; 32];
        identity[0] = 1;
        let mut order_two = [0xff; 32];
        order_two[0] = 0xec;
        order_two[31] = 0x7f;
        let mut again = [0xff; 32];
        again[0] = 0xee;
        again[31] = 0x7f;
        for bytes in [identity, order_two, again] {
            assert_eq!(PublicKey::from_bytes(&bytes), Err(KeyError::Point));
        }
    }

    #[test]
    fn a_signature_with_s_not_reduced_is_refused() {
        // L, the order of the group, little-endian (RFC 8032 §5.1): S + L signs the same equation.
        const L: [u8; 32] = [
            0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
        ];
        let secret = SecretKey::from_bytes(&[1; 32]);
        let mut signature = secret.sign(b"x");
        let mut carry = 0u16;
        for (byte, add) in signature.0[32..].iter_mut().zip(L) {
            let sum = u16::from(*byte) + u16::from(add) + carry;
            *byte = u8::try_from(sum & 0xff).unwrap();
            carry = sum >> 8;
        }
        assert_eq!(secret.public().verify(b"x", &signature), Err(SignatureError));
    }

    #[test]
    fn base64_is_read_strictly() {
        assert_eq!(from_base64("AA=="), Some(vec![0]));
        for wrong in ["AA", "AB==", "AA==\n", "A-==", " AA=="] {
            assert_eq!(from_base64(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let secret = SecretKey::from_bytes(&[1; 32]);
        assert!(!format!("{secret:?}").contains(&to_base64(&[1; 32])));
        assert!(!format!("{secret:?}").contains("1, 1"));
    }
}
