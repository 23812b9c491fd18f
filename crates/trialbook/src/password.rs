//! Passwords: how much work one costs whoever guesses, and whether one is right.

use anyhow::{Result, ensure};
use argon2::{Algorithm, Argon2, Params, Version};
use keep::PasswordHash;
use subtle::ConstantTimeEq as _;

use crate::world;

/// 19 MiB and two passes, one lane: what OWASP's Password Storage Cheat Sheet asks of Argon2id at the least; some 30 ms.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

const SALT_BYTES: usize = 16;
const HASH_BYTES: usize = 32;

/// Fewest characters of a password: NIST SP 800-63B-4 asks for 15 where it is all that is asked for.
pub(crate) const CHARACTERS_MIN: usize = 15;

/// Most bytes that are hashed: some 250 words.
pub(crate) const BYTES_MAX: usize = 1_024;

/// A new password's hash.
///
/// # Errors
/// It is too short or too long.
pub(crate) fn hash(password: &str) -> Result<PasswordHash> {
    let (characters, bytes) = (password.chars().count(), password.len());
    ensure!(
        characters >= CHARACTERS_MIN,
        "a password has {CHARACTERS_MIN} characters or more, not {characters}"
    );
    ensure!(bytes <= BYTES_MAX, "a password has {BYTES_MAX} bytes at most");
    let salt = world::random::<SALT_BYTES>().to_vec();
    let hash = derive(password, &salt, MEMORY_KIB, PASSES)?;
    Ok(PasswordHash { salt, memory_kib: MEMORY_KIB, passes: PASSES, hash: hash.to_vec() })
}

/// Whether `password` is the one that was hashed; of nobody, after as much work, that it is not. Blocks, for some 30 ms.
///
/// # Errors
/// What is kept cannot be hashed with.
pub(crate) fn is_right(password: &str, kept: Option<&PasswordHash>) -> Result<bool> {
    if password.len() > BYTES_MAX {
        return Ok(false);
    }
    let nobody = || PasswordHash {
        salt: vec![0; SALT_BYTES],
        memory_kib: MEMORY_KIB,
        passes: PASSES,
        hash: vec![0; HASH_BYTES],
    };
    let known = kept.is_some();
    let PasswordHash { salt, memory_kib, passes, hash } = kept.cloned().unwrap_or_else(nobody);
    let same: bool = derive(password, &salt, memory_kib, passes)?.ct_eq(&hash).into();
    Ok(same && known)
}

fn derive(password: &str, salt: &[u8], memory_kib: u32, passes: u32) -> Result<[u8; HASH_BYTES]> {
    let refused = |error: argon2::Error| anyhow::anyhow!("the password cannot be hashed: {error}");
    let params = Params::new(memory_kib, passes, LANES, Some(HASH_BYTES)).map_err(refused)?;
    let mut hash = [0; HASH_BYTES];
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon2.hash_password_into(password.as_bytes(), salt, &mut hash).map_err(refused)?;
    Ok(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_right_for_its_own_hash_alone_and_nobodys_is() {
        let kept = hash("correct horse battery").unwrap();
        assert_ne!(kept.hash, hash("correct horse battery").unwrap().hash);
        assert!(is_right("correct horse battery", Some(&kept)).unwrap());
        for wrong in ["correct horse batterz", "", "Correct horse battery", "correct horse battery "] {
            assert!(!is_right(wrong, Some(&kept)).unwrap(), "{wrong}");
        }
        assert!(!is_right("correct horse battery", None).unwrap());
        let forgotten = PasswordHash { hash: Vec::new(), ..kept };
        assert!(!is_right("correct horse battery", Some(&forgotten)).unwrap());
        hash("too short").unwrap_err();
        hash(&"long".repeat(300)).unwrap_err();
    }

    /// A vector of the reference implementation's own tests, phc-winner-argon2, `src/test.c`.
    #[test]
    fn the_hash_is_that_of_argon2id() {
        let hash = derive("password", b"somesalt", 64 * 1024, 2).unwrap();
        assert_eq!(
            chain::RecordHash(hash).to_string(),
            "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7"
        );
    }
}
