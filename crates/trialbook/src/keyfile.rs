//! A person's key file: who holds the key, in which role, and the secret half, in clear or under a passphrase. Readable by
//! its owner alone.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::Context as _;
use chain::SecretKey;
use clinical::{Actor, ActorId, Role, Zone};
use serde::{Deserialize, Serialize};

use crate::data::write_secret;
use crate::passphrase::{self, Sealed};

/// What a key file of this form begins with.
const FORMAT: &str = "trialbook key 1";

/// And one whose secret half is under a passphrase.
const SEALED_FORMAT: &str = "trialbook key 2";

/// Where the command line says that the passphrase is.
static PASSPHRASE_FILE: OnceLock<PathBuf> = OnceLock::new();

/// Takes the passphrase of key files from this file for as long as the process lives. Said once, before any is read.
pub(crate) fn take_passphrase_from(file: PathBuf) {
    PASSPHRASE_FILE.get_or_init(|| file);
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    format: String,
    holder: ActorId,
    organisation: String,
    public_key: String,
    role: Role,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sealed: Option<Sealed>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    secret_key: Option<String>,
    zone: Zone,
}

impl Wire {
    /// What is authenticated with the sealed secret: nobody can give it to somebody else.
    fn bound(&self) -> Vec<u8> {
        let Self { public_key, holder, organisation, role, zone, .. } = self;
        let role = role.as_str();
        format!("{SEALED_FORMAT}\n{public_key}\n{holder}\n{organisation}\n{role}\n{zone}").into_bytes()
    }
}

/// A person with their key.
#[derive(Debug, Clone)]
pub(crate) struct KeyFile {
    pub(crate) actor: Actor,
    pub(crate) secret: SecretKey,
    pub(crate) zone: Zone,
}

impl KeyFile {
    /// Makes a new key.
    pub(crate) fn new(holder: ActorId, organisation: String, role: Role, zone: Zone) -> Self {
        let secret = SecretKey::from_bytes(&crate::world::random());
        Self { actor: Actor { id: holder, organisation, role }, secret, zone }
    }

    /// Writes a file that must not exist yet; under a passphrase if the command line names one.
    pub(crate) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let passphrase = PASSPHRASE_FILE.get().map(|file| passphrase::read(file)).transpose()?;
        self.write_under(path, passphrase.as_deref())
    }

    fn write_under(&self, path: &Path, passphrase: Option<&str>) -> anyhow::Result<()> {
        let mut wire = Wire {
            format: FORMAT.to_owned(),
            holder: self.actor.id.clone(),
            organisation: self.actor.organisation.clone(),
            public_key: self.secret.public().to_text(),
            role: self.actor.role,
            sealed: None,
            secret_key: None,
            zone: self.zone.clone(),
        };
        if let Some(passphrase) = passphrase {
            SEALED_FORMAT.clone_into(&mut wire.format);
            wire.sealed = Some(Sealed::new(&self.secret.to_bytes(), passphrase, &wire.bound())?);
        } else {
            wire.secret_key = Some(chain::key::to_base64(&self.secret.to_bytes()));
        }
        let mut text = serde_json::to_string_pretty(&wire)?;
        text.push('\n');
        write_secret(path, text.as_bytes())
    }

    /// Reads a key file. The passphrase, where it needs one, is the one in the file that the command line names; else it is
    /// asked for on the terminal.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        Self::read_with(path, || match PASSPHRASE_FILE.get() {
            Some(file) => passphrase::read(file),
            None => passphrase::ask(path),
        })
    }

    fn read_with(path: &Path, passphrase: impl FnOnce() -> anyhow::Result<String>) -> anyhow::Result<Self> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let not_a_key =
            || format!("{} is not a key file of the form `{FORMAT}` or `{SEALED_FORMAT}`", path.display());
        // The error of the parser could quote the secret; it is left out.
        let wire: Wire = serde_json::from_str(&text).map_err(|_| anyhow::anyhow!(not_a_key()))?;
        let seed = match (&*wire.format, &wire.secret_key, &wire.sealed) {
            (FORMAT, Some(secret), None) => chain::key::from_base64(secret),
            (SEALED_FORMAT, None, Some(sealed)) => {
                let opened = sealed.open(&passphrase()?, &wire.bound());
                Some(opened.with_context(|| format!("cannot open {}", path.display()))?)
            }
            _ => None,
        };
        let seed: Option<[u8; 32]> = seed.and_then(|bytes| bytes.try_into().ok());
        let secret = SecretKey::from_bytes(&seed.with_context(not_a_key)?);
        anyhow::ensure!(
            secret.public().to_text() == wire.public_key,
            "the two halves of the key in {} do not belong together",
            path.display()
        );
        Ok(Self {
            actor: Actor { id: wire.holder, organisation: wire.organisation, role: wire.role },
            secret,
            zone: wire.zone,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_file_under_a_passphrase_opens_with_it_alone_and_as_the_person_it_was_made_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("li.wei.key");
        let organisation = "CN-NJ Hospital".to_owned();
        let (holder, zone) = ("li.wei".parse().unwrap(), "Asia/Shanghai".parse().unwrap());
        let key = KeyFile::new(holder, organisation, Role::Coordinator, zone);
        key.write_under(&path, Some("correct horse")).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains(&chain::key::to_base64(&key.secret.to_bytes())), "{text}");
        let read = KeyFile::read_with(&path, || Ok("correct horse".to_owned())).unwrap();
        assert_eq!((read.actor, read.secret.to_bytes()), (key.actor, key.secret.to_bytes()));
        let wrong = KeyFile::read_with(&path, || Ok("correct horse ".to_owned())).unwrap_err();
        assert!(format!("{wrong:#}").contains("passphrase"), "{wrong:#}");
        for (from, to) in [("coordinator", "investigator"), ("CN-NJ Hospital", "Other"), ("li.wei", "li.wen")]
        {
            let other = dir.path().join(to);
            crate::data::write_secret(&other, text.replace(from, to).as_bytes()).unwrap();
            assert!(KeyFile::read_with(&other, || Ok("correct horse".to_owned())).is_err(), "{to}");
        }
    }

    #[test]
    fn a_key_file_reads_back_and_is_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("li.wei.key");
        let key = KeyFile::new(
            "li.wei".parse().unwrap(),
            "CN-NJ Hospital".to_owned(),
            Role::Investigator,
            "Asia/Shanghai".parse().unwrap(),
        );
        key.write(&path).unwrap();
        let read = KeyFile::read(&path).unwrap();
        assert_eq!(read.actor, key.actor);
        assert_eq!(read.secret.to_bytes(), key.secret.to_bytes());
        assert!(key.write(&path).is_err());
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let text = std::fs::read_to_string(&path).unwrap().replace("trialbook key 1", "trialbook key 9");
        let other = dir.path().join("other.key");
        crate::data::write_secret(&other, text.as_bytes()).unwrap();
        let error = KeyFile::read(&other).unwrap_err().to_string();
        assert!(!error.contains(&chain::key::to_base64(&key.secret.to_bytes())));
    }
}
