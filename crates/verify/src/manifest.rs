//! The MANIFEST of a bundle: one line a file, `<sha256> <length> <path>`, in the order of paths.
//!
//! It guards against accidents on the way. It is signed by nobody: what a bundle proves rests on the archive in it.

use std::collections::BTreeMap;
use std::fmt;

use crate::files::FileDigest;

/// Where it stands in a bundle. It does not list itself.
pub const MANIFEST: &str = "MANIFEST";

/// Where the archive stands in a bundle.
pub const LOG: &str = "log/";

/// Longest MANIFEST read, in bytes: 600,000 files of about 110 bytes each, which are those of 75,000,000 records.
pub const MANIFEST_BYTES_MAX: usize = 64 << 20;

/// Longest path, in bytes.
pub const PATH_BYTES_MAX: usize = 255;

/// Whether a path may stand in a bundle: parts of ASCII letters, digits, `.`, `_` and `-`, parted by `/`, none of them
/// `.` or `..`. No such path leads out of the directory that a bundle is unpacked into, on any system.
///
/// ```
/// use verify::manifest::is_path;
/// assert!(is_path("log/tile/0/x001/234.p/7"));
/// assert!(!is_path("log/../keys") && !is_path("/log") && !is_path("log/"));
/// ```
pub fn is_path(path: &str) -> bool {
    let part = |part: &str| {
        !matches!(part, "" | "." | "..")
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    path.len() <= PATH_BYTES_MAX && path.split('/').all(part)
}

/// What files a bundle has, and what their bytes come to. Its `Display` is the file.
///
/// ```
/// use verify::{FileDigest, manifest::Manifest};
/// let mut manifest = Manifest::default();
/// manifest.insert("log/checkpoint", FileDigest::of(b"")).unwrap();
/// manifest.insert("README.html", FileDigest::of(b"<p>")).unwrap();
/// let text = manifest.to_string();
/// assert!(text.ends_with(" 3 README.html\ne3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 0 log/checkpoint\n"));
/// assert_eq!(Manifest::parse(text.as_bytes()), Ok(manifest));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Manifest {
    files: BTreeMap<String, FileDigest>,
}

/// A path that cannot be listed: not one of [`is_path`], the MANIFEST's own, or there already.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path} cannot be listed in a MANIFEST, or is listed already")]
pub struct ManifestPathError {
    /// The path.
    pub path: String,
}

/// A text that is not a MANIFEST.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {fault}")]
pub struct ManifestError {
    /// The line's number, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub fault: ManifestFault,
}

/// What is wrong with a line of a MANIFEST.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ManifestFault {
    /// The whole is longer than [`MANIFEST_BYTES_MAX`].
    #[error("a MANIFEST has at most {MANIFEST_BYTES_MAX} bytes")]
    TooLarge,
    /// Not ASCII, or no line feed at the end.
    #[error("a MANIFEST is lines of ASCII, each ended by a line feed")]
    Lines,
    /// Not a hash, a length and a path with one space between.
    #[error("expected 64 lower-case hexadecimal digits, a length without leading zeros, and a path")]
    Form,
    /// The path is not one of a bundle.
    #[error("expected the path of a file of a bundle")]
    Path,
    /// The path stands above already, or lines are not in the order of paths.
    #[error("paths stand in ascending order, each once")]
    Order,
}

impl Manifest {
    /// Takes in a file.
    ///
    /// # Errors
    /// [`ManifestPathError`].
    pub fn insert(&mut self, path: &str, digest: FileDigest) -> Result<(), ManifestPathError> {
        if !is_path(path) || path == MANIFEST || self.files.contains_key(path) {
            return Err(ManifestPathError { path: path.to_owned() });
        }
        self.files.insert(path.to_owned(), digest);
        Ok(())
    }

    /// Reads a MANIFEST in its one writing.
    ///
    /// # Errors
    /// [`ManifestError`], the first.
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        let fail = |line, fault| ManifestError { line, fault };
        if bytes.len() > MANIFEST_BYTES_MAX {
            return Err(fail(1, ManifestFault::TooLarge));
        }
        let mut files = BTreeMap::<String, FileDigest>::new();
        for (index, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
            let fail = |fault| fail(index + 1, fault);
            let line = line.strip_suffix(b"\n").and_then(|line| std::str::from_utf8(line).ok());
            let line = line.filter(|line| line.is_ascii()).ok_or(fail(ManifestFault::Lines))?;
            let (path, digest) = read_line(line).ok_or(fail(ManifestFault::Form))?;
            if !is_path(path) || path == MANIFEST {
                return Err(fail(ManifestFault::Path));
            }
            if files.last_key_value().is_some_and(|(last, _)| last.as_str() >= path) {
                return Err(fail(ManifestFault::Order));
            }
            files.insert(path.to_owned(), digest);
        }
        Ok(Self { files })
    }

    /// What a file's bytes must come to; `None` if it is not listed.
    pub fn get(&self, path: &str) -> Option<FileDigest> {
        self.files.get(path).copied()
    }

    /// The files, in the order of paths.
    pub fn iter(&self) -> impl Iterator<Item = (&str, FileDigest)> {
        self.files.iter().map(|(path, digest)| (path.as_str(), *digest))
    }

    /// How many files are listed.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether no file is listed.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }
}

/// A line's path and digest.
fn read_line(line: &str) -> Option<(&str, FileDigest)> {
    let mut words = line.splitn(3, ' ');
    let (sha256, length, path) = (words.next()?, words.next()?, words.next()?);
    let sha256: chain::RecordHash = sha256.parse().ok()?;
    let value: u64 = length.parse().ok()?;
    // Neither a sign nor leading zeros.
    (value.to_string() == length).then_some((path, FileDigest { sha256: sha256.0, length: value }))
}

impl fmt::Display for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.iter().try_for_each(|(path, digest)| writeln!(f, "{digest} {path}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_has_one_writing() {
        let hash = "0".repeat(64);
        let good = format!("{hash} 7 a\n{hash} 0 b/c\n");
        assert_eq!(Manifest::parse(good.as_bytes()).unwrap().to_string(), good);
        assert_eq!(Manifest::parse(b"").unwrap().len(), 0);
        for (from, to, line, fault) in [
            (" 7 ", " 07 ", 1, ManifestFault::Form),
            (" 7 ", " +7 ", 1, ManifestFault::Form),
            (" 7 ", "  7 ", 1, ManifestFault::Form),
            (" 7 ", " 18446744073709551616 ", 1, ManifestFault::Form),
            ("00 7", "0A 7", 1, ManifestFault::Form),
            ("00 7", "0 7", 1, ManifestFault::Form),
            (" 7 a", " 7 a ", 1, ManifestFault::Path),
            (" 7 a", " 7 MANIFEST", 1, ManifestFault::Path),
            (" 7 a", " 7 c", 2, ManifestFault::Order),
            (" 7 a", " 7 b/c", 2, ManifestFault::Order),
            ("b/c\n", "b/../c\n", 2, ManifestFault::Path),
            ("b/c\n", "b/c", 2, ManifestFault::Lines),
            ("b/c\n", "b/c\r\n", 2, ManifestFault::Path),
            ("b/c\n", "b/\u{e4}\n", 2, ManifestFault::Lines),
            ("b/c\n", "b/c\n\n", 3, ManifestFault::Form),
        ] {
            let changed = good.replacen(from, to, 1);
            assert_ne!(changed, good, "{from}");
            let found = Manifest::parse(changed.as_bytes());
            assert_eq!(found, Err(ManifestError { line, fault }), "{changed:?}");
        }
    }

    #[test]
    fn a_path_is_listed_once_and_leads_nowhere_else() {
        let mut manifest = Manifest::default();
        manifest.insert("a", FileDigest::of(b"")).unwrap();
        let long = "a".repeat(256);
        for path in ["a", "MANIFEST", "", ".", "..", "a/..", "/a", "a/", "a b", "a\n", "a:b", "\u{e4}", &long]
        {
            assert!(manifest.insert(path, FileDigest::of(b"")).is_err(), "{path:?}");
        }
        manifest.insert(&"a".repeat(255), FileDigest::of(b"")).unwrap();
    }
}
