//! One zip with its MANIFEST, written file by file as it is fetched from a registry: how a bundle and a certified copy are made.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::BufWriter;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use api::{LogFile, Problem, Registry};
use chain::tile::TilePath;
use clinical::TrialId;
use verify::manifest::{MANIFEST, Manifest};
use verify::{FileDigest, ZipWriter};

/// Where a file comes from.
pub(super) enum Content {
    /// Here already: small, or gone from the registry once the log goes on.
    Held(Vec<u8>),
    /// A full tile or bundle of records: it never changes, so it is fetched again when it is written.
    Tile(TilePath),
}

/// A registry's trial, as its files are fetched.
pub(super) struct Log<'a> {
    pub(super) registry: &'a dyn Registry,
    pub(super) trial: &'a TrialId,
}

impl Log<'_> {
    pub(super) async fn tile(&self, path: TilePath) -> Result<Vec<u8>, Problem> {
        self.registry.log_file(self.trial, LogFile::Tile(path)).await
    }
}

/// Lists the files with their digests.
pub(super) async fn manifest(log: &Log<'_>, files: &BTreeMap<String, Content>) -> Result<Manifest> {
    let mut manifest = Manifest::default();
    for (path, content) in files {
        let digest = match content {
            Content::Held(bytes) => FileDigest::of(bytes),
            Content::Tile(tile) => FileDigest::of(&log.tile(*tile).await?),
        };
        manifest.insert(path, digest)?;
    }
    Ok(manifest)
}

/// Writes MANIFEST and files to `out`, which must not exist yet.
pub(super) async fn write(
    out: &Path,
    log: &Log<'_>,
    manifest: &Manifest,
    files: &BTreeMap<String, Content>,
) -> Result<()> {
    let cannot = || format!("cannot write {}", out.display());
    let file = OpenOptions::new().write(true).create_new(true).open(out).with_context(cannot)?;
    let written = write_into(file, log, manifest, files).await.with_context(cannot);
    if written.is_err() {
        // Half of it would be taken for a damaged one. If it stays, it is one that says so.
        let _ = std::fs::remove_file(out);
    }
    written
}

async fn write_into(
    file: File,
    log: &Log<'_>,
    manifest: &Manifest,
    files: &BTreeMap<String, Content>,
) -> Result<()> {
    let mut zip = ZipWriter::new(BufWriter::new(file));
    zip.add(MANIFEST, manifest.to_string().as_bytes())?;
    for (path, content) in files {
        match content {
            Content::Held(bytes) => zip.add(path, bytes)?,
            Content::Tile(tile) => {
                let bytes = log.tile(*tile).await?;
                let same = manifest.get(path) == Some(FileDigest::of(&bytes));
                ensure!(same, "{path} was read twice and is not the same: it is never to change");
                zip.add(path, &bytes)?;
            }
        }
    }
    let out = zip.finish()?;
    out.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()?;
    Ok(())
}
