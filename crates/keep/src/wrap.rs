//! Keys under a key: XChaCha20-Poly1305 with a random nonce.

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};

/// Wraps keys under one key-encryption key, which is wiped when this is dropped.
pub(crate) struct Wrapper(XChaCha20Poly1305);

/// A wrapped key.
pub(crate) struct Wrapped {
    pub(crate) nonce: [u8; 24],
    /// Ciphertext and tag, 48 bytes.
    pub(crate) bytes: Vec<u8>,
}

impl Wrapper {
    pub(crate) fn new(kek: &[u8; 32]) -> Self {
        Self(XChaCha20Poly1305::new(kek.into()))
    }

    pub(crate) fn wrap(&self, key: &[u8; 32], associated: &[u8]) -> Result<Wrapped, getrandom::Error> {
        // 192 random bits: two alike are not to be expected in any number of subjects.
        let mut nonce = [0; 24];
        getrandom::fill(&mut nonce)?;
        let bytes = self
            .0
            .encrypt(&XNonce::from(nonce), Payload { msg: key, aad: associated })
            .expect("32 bytes are far below what the cipher takes");
        Ok(Wrapped { nonce, bytes })
    }

    /// The key, if it was wrapped under this key-encryption key with the same associated data.
    pub(crate) fn unwrap(&self, wrapped: &Wrapped, associated: &[u8]) -> Option<[u8; 32]> {
        self.0
            .decrypt(&XNonce::from(wrapped.nonce), Payload { msg: &wrapped.bytes, aad: associated })
            .ok()?
            .try_into()
            .ok()
    }
}
