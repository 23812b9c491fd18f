//! Verifier keys of signed notes (C2SP signed-note), by which a log's checkpoints will be checked.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::key::{PublicKey, from_base64, to_base64};

/// Signature type of a log's own Ed25519 key.
pub const TYPE_ED25519: u8 = 0x01;

/// A text that is not a verifier key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a verifier key: name+<8 hexadecimal digits>+<base64 of type and public key>")]
pub struct VerifierKeyError;

/// A log's verifier key: `name+<8 hex>+<base64(type ‖ public key)>`. The name is the log's checkpoint origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    key: PublicKey,
}

impl VerifierKey {
    /// Names a key. A name holds no white space and no `+`.
    ///
    /// # Errors
    /// A name of another form.
    pub fn new(name: &str, key: PublicKey) -> Result<Self, VerifierKeyError> {
        if name.is_empty() || name.contains('+') || name.chars().any(char::is_whitespace) {
            return Err(VerifierKeyError);
        }
        Ok(Self { name: name.to_owned(), key })
    }

    /// Reads the text form; the id in it must be the key's.
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
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(VerifierKeyError);
        };
        let bytes = from_base64(key).ok_or(VerifierKeyError)?;
        let [TYPE_ED25519, public @ ..] = bytes.as_slice() else { return Err(VerifierKeyError) };
        let public: &[u8; 32] = public.try_into().map_err(|_| VerifierKeyError)?;
        let vkey = Self::new(name, PublicKey::from_bytes(public).map_err(|_| VerifierKeyError)?)?;
        if vkey.id_text() == id { Ok(vkey) } else { Err(VerifierKeyError) }
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The public key.
    pub fn key(&self) -> PublicKey {
        self.key
    }

    /// Key id: the first four bytes of SHA-256(name ‖ 0x0A ‖ type ‖ public key).
    pub fn id(&self) -> [u8; 4] {
        let digest = Sha256::new()
            .chain_update(self.name.as_bytes())
            .chain_update([b'\n', TYPE_ED25519])
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
        let key = [&[TYPE_ED25519][..], &self.key.to_bytes()].concat();
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
}
