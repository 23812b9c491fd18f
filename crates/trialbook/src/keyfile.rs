//! A person's key file: who holds the key, in which role, and the secret half. Readable by its owner alone.

use std::path::Path;

use anyhow::Context as _;
use chain::SecretKey;
use clinical::{Actor, ActorId, Role, Zone};
use serde::{Deserialize, Serialize};

use crate::data::write_secret;

/// What a key file of this form begins with.
const FORMAT: &str = "trialbook key 1";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    format: String,
    holder: ActorId,
    organisation: String,
    public_key: String,
    role: Role,
    secret_key: String,
    zone: Zone,
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

    /// Writes a file that must not exist yet.
    pub(crate) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let wire = Wire {
            format: FORMAT.to_owned(),
            holder: self.actor.id.clone(),
            organisation: self.actor.organisation.clone(),
            public_key: self.secret.public().to_text(),
            role: self.actor.role,
            secret_key: chain::key::to_base64(&self.secret.to_bytes()),
            zone: self.zone.clone(),
        };
        let mut text = serde_json::to_string_pretty(&wire)?;
        text.push('\n');
        write_secret(path, text.as_bytes())
    }

    /// Reads a key file.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let not_a_key = || format!("{} is not a key file of the form `{FORMAT}`", path.display());
        // The error of the parser could quote the secret; it is left out.
        let wire: Wire = serde_json::from_str(&text).map_err(|_| anyhow::anyhow!(not_a_key()))?;
        anyhow::ensure!(wire.format == FORMAT, not_a_key());
        let seed: Option<[u8; 32]> =
            chain::key::from_base64(&wire.secret_key).and_then(|bytes| bytes.try_into().ok());
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
