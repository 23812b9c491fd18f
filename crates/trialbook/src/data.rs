//! The data directory: where everything is, its lock, and who may read what.
//!
//! `<data>/trials/<trial>/{journal,index,outcomes,safety}/`, `<data>/trials/<trial>/{genesis,log.vkey}`,
//! `<data>/keys/` (mode 0700), `<data>/state/`. The process that holds `<data>/lock` owns the directory; a server writes
//! its address into `<data>/address` while it holds it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use chain::{KeyId, SecretKey};
use clinical::TrialId;

/// A data directory.
#[derive(Debug, Clone)]
pub(crate) struct Data {
    root: PathBuf,
}

/// What a key of the registry's own signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    /// Checkpoints.
    Log,
    /// Receipts.
    Receipts,
}

/// The right to write into a data directory; given up when dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    // Held for its lock alone.
    _file: File,
    address: PathBuf,
    owner_token: PathBuf,
}

fn owner_token_file(root: &Path) -> PathBuf {
    root.join("state").join("owner.token")
}

impl Data {
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn exists(&self) -> bool {
        self.root.join("trials").is_dir()
    }

    /// Makes the directories that every deployment has.
    pub(crate) fn create(&self) -> anyhow::Result<()> {
        let make = |path: PathBuf, mode| {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(mode)
                .create(&path)
                .with_context(|| format!("cannot make {}", path.display()))
        };
        make(self.root.clone(), 0o700)?;
        make(self.root.join("trials"), 0o700)?;
        make(self.root.join("keys"), 0o700)?;
        make(self.root.join("state"), 0o700)
    }

    /// The lock; `None` if another process holds it.
    pub(crate) fn lock(&self) -> anyhow::Result<Option<Lock>> {
        let path = self.root.join("lock");
        let file = OpenOptions::new().create(true).write(true).truncate(false).open(&path);
        let file = file.with_context(|| format!("cannot open {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => {
                let (address, owner_token) = (self.root.join("address"), owner_token_file(&self.root));
                Ok(Some(Lock { _file: file, address, owner_token }))
            }
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("cannot lock {}", path.display()))
            }
        }
    }

    /// Where the process that holds the lock can be reached, if it serves.
    pub(crate) fn address(&self) -> anyhow::Result<String> {
        let path = self.root.join("address");
        let text = fs::read_to_string(&path).unwrap_or_default();
        if text.trim().is_empty() {
            bail!("{} is in use by another process that does not serve", self.root.display());
        }
        Ok(text.trim().to_owned())
    }

    pub(crate) fn trials(&self) -> anyhow::Result<Vec<TrialId>> {
        let mut trials = Vec::new();
        let dir = self.root.join("trials");
        if !dir.is_dir() {
            return Ok(trials);
        }
        for entry in fs::read_dir(&dir).with_context(|| format!("cannot list {}", dir.display()))? {
            let entry = entry?;
            let Some(trial) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            // A trial that was opened and has lost its journal is one too: whoever opens it is told.
            if entry.path().join("journal").is_dir() || entry.path().join("genesis").is_file() {
                trials.push(trial);
            }
        }
        trials.sort();
        Ok(trials)
    }

    /// The trial that is meant: the one asked for, else the only one.
    pub(crate) fn which_trial(&self, asked: Option<&TrialId>) -> anyhow::Result<TrialId> {
        match (asked, self.trials()?.as_slice()) {
            (Some(trial), _) | (None, [trial]) => Ok(trial.clone()),
            (None, []) => bail!("there is no trial in {}", self.root.display()),
            (None, several) => {
                let ids: Vec<_> = several.iter().map(TrialId::as_str).collect();
                bail!("which trial? give --trial with one of {}", ids.join(", "))
            }
        }
    }

    pub(crate) fn trial(&self, trial: &TrialId) -> PathBuf {
        self.root.join("trials").join(trial.as_str())
    }

    pub(crate) fn keys(&self) -> PathBuf {
        self.root.join("keys")
    }

    pub(crate) fn keep(&self) -> PathBuf {
        self.root.join("state").join("keep.sqlite")
    }

    /// The registry's first key for `service` of `trial`; made at the first use.
    pub(crate) fn first_service_key(&self, trial: &TrialId, service: Service) -> anyhow::Result<SecretKey> {
        let path = self.first_service_key_file(trial, service);
        if let Some(key) = read_service_key(&path)? {
            return Ok(key);
        }
        let seed: [u8; 32] = crate::world::random();
        write_secret(&path, chain::key::to_base64(&seed).as_bytes())?;
        Ok(SecretKey::from_bytes(&seed))
    }

    /// Makes a key that is to follow the first one, in a file of its own.
    pub(crate) fn next_service_key(
        &self,
        trial: &TrialId,
        service: Service,
    ) -> anyhow::Result<(SecretKey, PathBuf)> {
        let seed: [u8; 32] = crate::world::random();
        let secret = SecretKey::from_bytes(&seed);
        let path = self.next_service_key_file(trial, service, secret.public().id());
        write_secret(&path, chain::key::to_base64(&seed).as_bytes())?;
        Ok((secret, path))
    }

    /// The registry's key of that id for `service` of `trial`; `None` if it is not here.
    pub(crate) fn service_key(
        &self,
        trial: &TrialId,
        service: Service,
        id: KeyId,
    ) -> anyhow::Result<Option<SecretKey>> {
        let files =
            [self.first_service_key_file(trial, service), self.next_service_key_file(trial, service, id)];
        for path in files {
            let key = read_service_key(&path)?.filter(|key| key.public().id() == id);
            if key.is_some() {
                return Ok(key);
            }
        }
        Ok(None)
    }

    fn first_service_key_file(&self, trial: &TrialId, service: Service) -> PathBuf {
        self.keys().join(format!("{trial}.{}.key", service.as_str()))
    }

    /// Named after the key's id as well, of which half is enough to tell a trial's keys apart.
    fn next_service_key_file(&self, trial: &TrialId, service: Service, id: KeyId) -> PathBuf {
        let id = id.to_string();
        self.keys().join(format!("{trial}.{}.{}.key", service.as_str(), id.get(..32).unwrap_or(&id)))
    }

    /// The last checkpoints of `trial`: what its notary has put its name to. Must stay out of backups.
    pub(crate) fn checkpoints(&self, trial: &TrialId) -> PathBuf {
        self.root.join("state").join(format!("{trial}.checkpoints.sqlite"))
    }

    /// Bearer tokens.
    pub(crate) fn tokens(&self) -> PathBuf {
        self.root.join("state").join("tokens.sqlite")
    }

    /// Accounts, and the sessions of browsers.
    pub(crate) fn accounts(&self) -> PathBuf {
        self.root.join("state").join("accounts.sqlite")
    }

    /// Sessions of persons whom an organisation vouched for.
    pub(crate) fn persons(&self) -> PathBuf {
        self.root.join("state").join("organisation.sqlite")
    }

    /// What was refused lately.
    pub(crate) fn refusals(&self) -> PathBuf {
        self.root.join("state").join("refusals.sqlite")
    }

    /// Submissions that were refused lately.
    pub(crate) fn refused(&self) -> PathBuf {
        self.root.join("state").join("refused-submissions.sqlite")
    }

    /// The token that the process that serves the directory takes from whoever can read this file.
    pub(crate) fn owner_token(&self) -> Option<String> {
        fs::read_to_string(owner_token_file(&self.root)).ok()
    }

    /// The key under which subjects' text keys are wrapped; made at the first use.
    pub(crate) fn text_key_encryption_key(&self) -> anyhow::Result<[u8; 32]> {
        let path = self.keys().join("text-keys.kek");
        if let Ok(text) = fs::read_to_string(&path) {
            let key = chain::key::from_base64(text.trim()).and_then(|bytes| bytes.try_into().ok());
            return key.with_context(|| format!("{} does not hold a key", path.display()));
        }
        if self.keep().exists() {
            bail!("{} is missing: without it no subject text key can be read", path.display());
        }
        let key: [u8; 32] = crate::world::random();
        write_secret(&path, chain::key::to_base64(&key).as_bytes())?;
        Ok(key)
    }
}

impl Lock {
    /// Says where the process can be reached, and leaves a token for whoever owns the directory.
    pub(crate) fn publish(&self, address: &str, owner_token: &str) -> anyhow::Result<()> {
        // Of a process that did not end cleanly.
        let _ = fs::remove_file(&self.owner_token);
        write_secret(&self.owner_token, owner_token.as_bytes())?;
        replace(&self.address, address.as_bytes())
    }
}

impl Service {
    fn as_str(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Receipts => "receipts",
        }
    }
}

/// A key of the registry's own; `None` if there is no such file.
fn read_service_key(path: &Path) -> anyhow::Result<Option<SecretKey>> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    let seed = chain::key::from_base64(text.trim()).and_then(|bytes| bytes.try_into().ok());
    let seed: [u8; 32] = seed.with_context(|| format!("{} does not hold a key", path.display()))?;
    Ok(Some(SecretKey::from_bytes(&seed)))
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Stale, both are harmless: they are looked at only while the lock is held, and a token counts for one process.
        let _ = fs::remove_file(&self.address);
        let _ = fs::remove_file(&self.owner_token);
    }
}

/// Writes a file that must not exist yet, readable by its owner alone, and syncs it.
pub(crate) fn write_secret(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let write = || -> std::io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        sync_parent(path)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// Writes a file in place of an older one, durably: a crash leaves the one or the other.
#[expect(clippy::disallowed_methods, reason = "written beside, synced, renamed, and the directory synced")]
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let write = || -> std::io::Result<()> {
        let beside = path.with_extension("new");
        let mut file = File::create(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        sync_parent(path)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

fn sync_parent(path: &Path) -> std::io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}
