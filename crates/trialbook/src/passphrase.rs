//! A secret under a passphrase, as browsers can open it too: PBKDF2 with HMAC-SHA-256, then AES-256-GCM (docs/format.md,
//! section 3).

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::num::NonZeroU32;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::pbkdf2;
use serde::{Deserialize, Serialize};

/// Rounds of a new file: what OWASP asks for with HMAC-SHA-256 (2023).
const ROUNDS: u32 = 600_000;

/// Rounds that are taken: fewer protect nothing, more keep the machine busy for a minute.
const ROUNDS_TAKEN: std::ops::RangeInclusive<u32> = 100_000..=10_000_000;

/// Bytes of the salt.
const SALT_BYTES: usize = 16;

/// A sealed secret as it stands in a file. Members but the number are base64.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sealed {
    /// The encrypted secret and the tag.
    ciphertext: String,
    /// Rounds of PBKDF2.
    iterations: u32,
    /// Of 12 bytes, used once.
    nonce: String,
    /// Of 16 bytes.
    salt: String,
}

impl Sealed {
    /// Seals `secret`; `bound` is authenticated with it.
    pub(crate) fn new(secret: &[u8], passphrase: &str, bound: &[u8]) -> Result<Self> {
        ensure!(!passphrase.is_empty(), "the passphrase is empty");
        let (salt, nonce): ([u8; SALT_BYTES], [u8; NONCE_LEN]) =
            (crate::world::random(), crate::world::random());
        let key = key(passphrase, &salt, ROUNDS)?;
        let mut bytes = secret.to_vec();
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(bound), &mut bytes)
            .map_err(|_| anyhow::anyhow!("the secret cannot be sealed"))?;
        Ok(Self {
            ciphertext: chain::key::to_base64(&bytes),
            iterations: ROUNDS,
            nonce: chain::key::to_base64(&nonce),
            salt: chain::key::to_base64(&salt),
        })
    }

    /// Opens the secret.
    pub(crate) fn open(&self, passphrase: &str, bound: &[u8]) -> Result<Vec<u8>> {
        let bytes = |text: &str| chain::key::from_base64(text).context("a member is not base64");
        let nonce: [u8; NONCE_LEN] =
            bytes(&self.nonce)?.try_into().ok().context("the nonce is not of 12 bytes")?;
        let salt: [u8; SALT_BYTES] =
            bytes(&self.salt)?.try_into().ok().context("the salt is not of 16 bytes")?;
        let mut ciphertext = bytes(&self.ciphertext)?;
        let key = key(passphrase, &salt, self.iterations)?;
        let opened =
            key.open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(bound), &mut ciphertext);
        let opened =
            opened.map_err(|_| anyhow::anyhow!("the passphrase is wrong, or the file was altered"))?;
        Ok(opened.to_vec())
    }
}

fn key(passphrase: &str, salt: &[u8], rounds: u32) -> Result<LessSafeKey> {
    ensure!(
        ROUNDS_TAKEN.contains(&rounds),
        "the file asks for {rounds} rounds; 100,000 to 10,000,000 are taken"
    );
    let rounds = NonZeroU32::new(rounds).context("no rounds")?;
    let mut bytes = [0; 32];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, salt, passphrase.as_bytes(), &mut bytes);
    let key = UnboundKey::new(&AES_256_GCM, &bytes);
    Ok(LessSafeKey::new(key.map_err(|_| anyhow::anyhow!("no key of 32 bytes"))?))
}

/// The passphrase in a file: its first line.
pub(crate) fn read(file: &Path) -> Result<String> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let first = text.lines().next().unwrap_or_default();
    ensure!(!first.is_empty(), "{} holds no passphrase", file.display());
    Ok(first.to_owned())
}

/// Asks for the passphrase of a key file on the terminal, where it is not shown.
pub(crate) fn ask(key: &Path) -> Result<String> {
    let without = || {
        format!("{} is under a passphrase: give it with --passphrase-file, or on a terminal", key.display())
    };
    let mut terminal = OpenOptions::new().read(true).write(true).open("/dev/tty").with_context(without)?;
    write!(terminal, "passphrase of {}: ", key.display())?;
    let shown = |how: &str| -> Result<()> {
        let input = File::open("/dev/tty")?;
        let done = Command::new("stty").arg(how).stdin(input).stderr(Stdio::null()).status();
        ensure!(
            done.context("cannot run stty")?.success(),
            "the terminal does not say whether it shows what is typed"
        );
        Ok(())
    };
    shown("-echo")?;
    let mut line = String::new();
    let typed = BufReader::new(File::open("/dev/tty")?).read_line(&mut line);
    shown("echo")?;
    writeln!(terminal)?;
    typed.with_context(without)?;
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}
