//! The files around a store: its generations, the `dirty` flag, and the seal over its bytes.
//!
//! ```text
//! <dir>/lock          held by the one process that has the store open
//! <dir>/<n>/sled/     sled's own files, of generation n
//! <dir>/<n>/dirty     from before sled is opened until after it was sealed
//! <dir>/<n>/seal      schema, and length and SHA-256 of each of sled's files, as they were when it was closed
//! ```
//!
//! sled notices some damage late, some by panicking and some not at all, so it is never asked: a generation is opened
//! only if it was closed cleanly and every byte is as it was then.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::error::{Doubt, OpenError};

/// One generation of a store.
#[derive(Debug, Clone)]
pub(crate) struct Generation {
    dir: PathBuf,
}

impl Generation {
    /// Generation `number` in `dir`, there or not.
    pub(crate) fn new(dir: &Path, number: u64) -> Self {
        Self { dir: dir.join(number.to_string()) }
    }

    /// Where sled's files are.
    pub(crate) fn sled(&self) -> PathBuf {
        self.dir.join("sled")
    }

    /// Says whether this generation may be opened.
    pub(crate) fn check(&self, schema: u32) -> Result<(), Doubt> {
        if self.dir.join("dirty").exists() {
            return Err(Doubt::Unclean);
        }
        let seal = match fs::read_to_string(self.dir.join("seal")) {
            Ok(seal) => seal,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Doubt::Unclean),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => return Err(Doubt::Changed),
            Err(_) => return Err(Doubt::Unreadable),
        };
        if !seal.starts_with(&seal_head(schema)) {
            return Err(Doubt::Schema { wanted: schema });
        }
        match seal_text(&self.sled(), schema) {
            Ok(found) if found == seal => Ok(()),
            Ok(_) => Err(Doubt::Changed),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Doubt::Changed),
            Err(_) => Err(Doubt::Unreadable),
        }
    }

    /// Marks it dirty, durably. A crash from here on costs a rebuild.
    pub(crate) fn begin(&self) -> Result<(), OpenError> {
        let io = |op| move |source| OpenError::Io { op, path: self.dir.clone(), source };
        fs::create_dir_all(&self.dir).map_err(io("making the directory"))?;
        File::create(self.dir.join("dirty"))
            .and_then(|file| file.sync_all())
            .and_then(|()| sync(&self.dir))
            .map_err(io("making the dirty flag"))?;
        match fs::remove_file(self.dir.join("seal")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io("removing the seal")(error)),
            _ => Ok(()),
        }
    }

    /// Syncs sled's files, seals them and takes the dirty flag away. A crash before the last step costs a rebuild.
    pub(crate) fn finish(&self, schema: u32) -> io::Result<()> {
        let sled = self.sled();
        for path in listing(&sled)? {
            sync(&sled.join(path))?;
        }
        sync(&sled.join("blobs"))?;
        sync(&sled)?;
        let mut seal = File::create(self.dir.join("seal"))?;
        seal.write_all(seal_text(&sled, schema)?.as_bytes())?;
        seal.sync_all()?;
        sync(&self.dir)?;
        fs::remove_file(self.dir.join("dirty"))?;
        sync(&self.dir)
    }

    /// Deletes it, as far as the system lets us. What is left is dirty, and deleted at the next start.
    pub(crate) fn remove(&self) {
        match fs::remove_dir_all(&self.dir) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(dir = %self.dir.display(), %error, "a discarded read model could not be deleted");
            }
            _ => {}
        }
    }
}

/// The numbers of the generations in `dir`, lowest first.
pub(crate) fn generations(dir: &Path) -> Result<Vec<u64>, OpenError> {
    let io = |source| OpenError::Io { op: "listing", path: dir.to_path_buf(), source };
    let mut numbers = Vec::new();
    for entry in fs::read_dir(dir).map_err(io)? {
        let name = entry.map_err(io)?.file_name();
        // Only the one way of writing a number, so that the number leads back to the name.
        if let Some(number) = name.to_str().and_then(|name| name.parse::<u64>().ok())
            && name.to_str() == Some(number.to_string().as_str())
        {
            numbers.push(number);
        }
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Takes the lock on `dir`, which is made if it is not there. Held until the file is dropped.
pub(crate) fn lock(dir: &Path) -> Result<File, OpenError> {
    let io = |op, source| OpenError::Io { op, path: dir.to_path_buf(), source };
    fs::create_dir_all(dir).map_err(|source| io("making the directory", source))?;
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(dir.join("lock"))
        .map_err(|source| io("opening the lock", source))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(OpenError::InUse { dir: dir.to_path_buf() }),
        Err(fs::TryLockError::Error(source)) => Err(io("locking", source)),
    }
}

fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn seal_head(schema: u32) -> String {
    format!("read model sealed 1\nschema {schema}\n")
}

fn seal_text(sled: &Path, schema: u32) -> io::Result<String> {
    let mut text = seal_head(schema);
    for path in listing(sled)? {
        let mut file = File::open(sled.join(&path))?;
        let mut hash = Sha256::new();
        let mut length = 0;
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match file.read(&mut buffer)? {
                0 => break,
                bytes => {
                    hash.update(&buffer[..bytes]);
                    length += bytes;
                }
            }
        }
        for byte in hash.finalize() {
            let _ = write!(text, "{byte:02x}");
        }
        let _ = writeln!(text, " {length} {}", path.display());
    }
    Ok(text)
}

/// The files below `dir`, as paths from it, in order.
fn listing(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut pending = vec![PathBuf::new()];
    while let Some(below) = pending.pop() {
        for entry in fs::read_dir(dir.join(&below))? {
            let entry = entry?;
            let path = below.join(entry.file_name());
            if entry.file_type()?.is_dir() { pending.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    Ok(files)
}
