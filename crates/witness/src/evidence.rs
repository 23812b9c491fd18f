//! Checkpoints that contradict each other under a log's signature, kept for whoever is to be shown them.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use chain::SignedCheckpoint;
use chain::hash::to_hex;
use chain::note::NOTE_BYTES_MAX;

use crate::files::{self, Created, FileError};

/// A directory of signed checkpoints, one a file: `<size>-<first 8 digits of the root>`, and `.2`, `.3` … behind it for
/// others of which that is true as well. No file is ever changed or removed.
#[derive(Debug)]
pub struct Evidence {
    directory: PathBuf,
    /// One at a time: two writers of one name would write into the same unfinished file.
    writing: Mutex<()>,
}

/// Why a checkpoint was not kept.
#[derive(Debug, thiserror::Error)]
#[error("evidence could not be kept: {0}")]
pub struct EvidenceError(FileError);

impl Evidence {
    /// Opens the directory, or makes it (mode 0700). One process at a time writes to it.
    ///
    /// # Errors
    /// [`EvidenceError`].
    pub fn open(directory: &Path) -> Result<Self, EvidenceError> {
        files::make_directory(directory).map_err(EvidenceError)?;
        Ok(Self { directory: directory.to_path_buf(), writing: Mutex::new(()) })
    }

    /// Keeps a checkpoint, unless one of the same log, size and root is kept already, whoever has cosigned it. Gives its
    /// file, which is durable.
    ///
    /// # Errors
    /// [`EvidenceError`].
    pub fn keep(&self, checkpoint: &SignedCheckpoint) -> Result<PathBuf, EvidenceError> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let claim = checkpoint.claim();
        let name = format!("{}-{}", claim.size, to_hex(&claim.root.0[..4]));
        let bytes = checkpoint.to_string();
        // Whoever wants many roots with the same first digits has to find and to sign them.
        let mut path = self.directory.join(&name);
        let mut number = 1_u64;
        loop {
            if files::create(&path, bytes.as_bytes()).map_err(EvidenceError)? == Created::Now {
                return Ok(path);
            }
            let kept = files::read(&path, NOTE_BYTES_MAX).map_err(EvidenceError)?;
            let kept = kept.and_then(|kept| SignedCheckpoint::parse(&kept).ok());
            if kept.is_some_and(|kept| kept.claim() == claim) {
                return Ok(path);
            }
            number += 1;
            path = self.directory.join(format!("{name}.{number}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chain::checkpoint::Cosigner;
    use chain::note::Signer;
    use chain::{Checkpoint, RootHash, SecretKey, TreeSize};

    fn signed(root: RootHash) -> SignedCheckpoint {
        let log = Signer::new("log.example/t", SecretKey::from_bytes(&[1; 32])).unwrap();
        let checkpoint = Checkpoint::new(log.name(), TreeSize(7), root).unwrap();
        SignedCheckpoint::sign(checkpoint, &[&log]).unwrap()
    }

    #[test]
    fn nothing_that_is_kept_is_overwritten_and_nothing_kept_twice() {
        let dir = tempfile::tempdir().unwrap();
        let evidence = Evidence::open(&dir.path().join("forks")).unwrap();
        let one = signed(RootHash([1; 32]));
        let path = evidence.keep(&one).unwrap();
        assert!(path.ends_with("forks/7-01010101"));
        let read = |path: &Path| std::fs::read_to_string(path).unwrap();
        assert_eq!(read(&path), one.to_string());

        // The same one with a cosignature more is the same one.
        let witness = Cosigner::new("witness.example", SecretKey::from_bytes(&[2; 32])).unwrap();
        let mut cosigned = one.clone();
        let line = witness.cosign(one.claim(), 5).unwrap().to_string();
        assert_eq!(cosigned.add_cosignatures(line.as_bytes(), &[witness.verifier_key()]), Ok(1));
        assert_eq!(evidence.keep(&cosigned).unwrap(), path);
        assert_eq!(read(&path), one.to_string());

        // Another root that begins alike stands beside it.
        let mut root = RootHash([1; 32]);
        root.0[31] = 2;
        let other = evidence.keep(&signed(root)).unwrap();
        assert!(other.ends_with("forks/7-01010101.2"));
        assert_eq!((read(&other), read(&path)), (signed(root).to_string(), one.to_string()));
        assert_eq!(evidence.keep(&signed(root)).unwrap(), other);
        assert_eq!(std::fs::read_dir(dir.path().join("forks")).unwrap().count(), 2);
    }
}
